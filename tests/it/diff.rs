//! What `diff` shows: costs in words that somebody can act on.

use std::fs;
use std::process::Command;

use expect_test::expect;
use vipkeeper::config::BindTarget;
use vipkeeper::config::Config;
use vipkeeper::config::diff::{Cost, differences};
use vipkeeper::units::{Centis, Priority, Vrid};

use crate::proxy_fixture::{bind, config, name};

/// Cost and words of a change on node lb1.
fn cost(change: impl Fn(&mut Config)) -> String {
    let (old, mut new) = (config(), config());
    change(&mut new);
    let found = differences(&old, &new, &name("lb1"));
    found.iter().map(|one| format!("{} {}", one.cost, one.what)).collect::<Vec<_>>().join("; ")
}

#[test]
fn each_kind_of_change_has_its_cost() {
    assert_eq!(cost(|_| {}), "");
    assert_eq!(cost(|c| c.frontends[0].binds = vec![bind(1, BindTarget::Vip(name("www")), 81)]), "", "the proxy's");
    assert_eq!(cost(|c| c.vips[0].advert_interval = Centis::new(10).unwrap()), "nothing vip www: interval");
    assert_eq!(
        cost(|c| c.vips[0].priorities = [(name("lb1"), Priority::new(9).unwrap())].into()),
        "election vip www: priorities"
    );
    assert_eq!(cost(|c| c.vips[0].vrid = Vrid::new(52).unwrap()), "election vip www: another router of its own");
    assert_eq!(
        cost(|c| c.vips[0].name = name("mail")),
        "election vip mail: new; election vip www: removed, with its addresses"
    );
    assert_eq!(cost(|c| c.vips[0].priorities.clear()), "election vip www: leaves this node");
    assert_eq!(cost(|c| c.proxy.binary = "other".into()), "restart proxy: the program other, from the next start on");
    assert_eq!(cost(|c| c.proxy.health.fall = 9), "nothing proxy: how it is watched, restarted and stopped");
    assert!(Cost::Nothing < Cost::Runtime && Cost::Runtime < Cost::Reload && Cost::Reload < Cost::Election);
}

const TOML: &str = r#"
[[node]]
name = "lb1"
address = "192.0.2.1"

[[node]]
name = "lb2"
address = "192.0.2.2"

[[vip]]
name = "www"
addresses = ["192.0.2.7/24"]
interface = "eth0"
vrid = 51
prefer = ["lb1", "lb2"]

[[frontend]]
name = "www"
bind = ["www:80"]
default_backend = "web"

[[backend]]
name = "web"
server = [
  { name = "web1", address = "192.0.2.21:80" },
  { name = "web2", address = "192.0.2.22:80" },
]
"#;

#[test]
fn the_command_shows_every_change_and_what_all_of_it_costs() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("old.toml"), TOML).unwrap();
    let diff = |text: String, more: &[&str]| {
        fs::write(path("new.toml"), text).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_vipkeeper"));
        command.args(["diff", "--node", "lb1", "--config", &path("new.toml"), "--runtime-dir", &path("")]).args(more);
        let output = command.env_clear().output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let against = path("old.toml");
    let shown = |text: String| {
        let (status, stdout, stderr) = diff(text, &["--against", &against]);
        assert_eq!((status, stderr.as_str()), (Some(0), ""), "{stdout}");
        stdout
    };
    assert_eq!(shown(TOML.to_owned()), "no difference\n");
    let moved = TOML.replace("192.0.2.21:80\"", "192.0.2.31:80\", weight = 3").replace("web2\"", "web3\"");
    expect![[r#"
        runtime   server web/web3: added (192.0.2.22:80 weight 1)
        runtime   server web/web1: address 192.0.2.31:80
        runtime   server web/web1: weight 3
        runtime   server web/web2: removed

        the running proxy takes all of it without a reload
    "#]]
    .assert_eq(&shown(moved.clone()));
    expect![[r#"
        election  vip www: another router of its own
        reload    `frontend www` has `bind 192.0.2.7:81` anew

        a VIP moves, appears or leaves
    "#]]
    .assert_eq(&shown(TOML.replace("www:80", "www:81").replace("vrid = 51", "vrid = 52")));

    let (status, json, _) = diff(moved, &["--against", &against, "--json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert_eq!(
        (status, &json["cost"], json["differences"].as_array().map(Vec::len)),
        (Some(0), &"runtime".into(), Some(4))
    );

    let (status, _, stderr) = diff(TOML.to_owned(), &[]);
    assert!(status == Some(5) && stderr.contains("--against"), "{stderr}");
}
