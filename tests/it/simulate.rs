//! `simulate`, `completions` and `manual` as their users meet them.

use std::fs;
use std::process::{Command, Output};

use expect_test::{Expect, expect};

const PAIR: &str = r#"
[[node]]
name = "lb1"
address = "192.0.2.11"
[[node]]
name = "lb2"
address = "192.0.2.12"
[[vip]]
name = "www"
addresses = ["192.0.2.10/24"]
interface = "eth0"
vrid = 51
prefer = ["lb1", "lb2"]
[peers]
key_file = "/nowhere/peers.key"
[[frontend]]
name = "www"
bind = ["www:80"]
default_backend = "web"
[[backend]]
name = "web"
server = [{ name = "web1", address = "192.0.2.31:8080" }]
"#;

fn run(args: &[&str]) -> (i32, String, String) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vipkeeper.toml");
    fs::write(&file, PAIR).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vipkeeper"));
    command.args(args).arg("--config").arg(file).env_clear();
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn check(args: &[&str], expected: &Expect) {
    let (status, stdout, stderr) = run(args);
    assert_eq!((status, stderr.as_str()), (0, ""), "{stdout}");
    expected.assert_eq(&stdout);
}

#[test]
fn every_single_fault_has_its_answer() {
    check(
        &["simulate", "--peers"],
        &expect![[r#"
            IF                                         VIP  THEN IT      WITHOUT SERVICE
            haproxy dies on lb1                        www  comes back   760 us
            haproxy hangs on lb1                       www  comes back   149 ms to 249 ms
            haproxy cannot run on lb1                  www  goes to lb2  760 us
            vipkeeper is stopped on lb1                www  goes to lb2  none
            vipkeeper is killed on lb1, and restarted  all  stay         none
            vipkeeper is killed on lb1, for good       www  goes to lb2  none
            lb1 loses power                            www  goes to lb2  2.08 s to 2.88 s
            lb1 loses its cable                        www  goes to lb2  2.08 s to 2.88 s
            lb1 is cut off in silence                  www  goes to lb2  2.08 s to 2.88 s
            haproxy dies on lb2                        all  stay         none
            haproxy hangs on lb2                       all  stay         none
            haproxy cannot run on lb2                  all  stay         none
            vipkeeper is stopped on lb2                all  stay         none
            vipkeeper is killed on lb2, and restarted  all  stay         none
            vipkeeper is killed on lb2, for good       all  stay         none
            lb2 loses power                            all  stay         none
            lb2 loses its cable                        all  stay         none
            lb2 is cut off in silence                  all  stay         none
            all nodes are rebooted at once             www  stays        25 s

            The nodes and the protocol are the real ones; that Linux, HAProxy and the network answer in typical times is assumed.
            Without service means: new connections to the VIP's address fail.
        "#]],
    );
}

#[test]
fn a_script_is_told_as_a_timeline() {
    check(
        &["simulate", "--peers", "kill haproxy on lb1", "wait 100ms"],
        &expect![[r#"
            www is on lb1

            > kill haproxy on lb1
                  0.00 ms  lb1 the proxy has ended (signal 9)

            > wait 100ms
                  0.40 ms  lb1: the proxy has failed: the proxy (pid 1001) ended: signal 9
                  0.40 ms  lb1 www: active -> fault: proxy failed: the proxy (pid 1001) ended: signal 9
                  0.46 ms  lb2 www: backup -> active: lb1 hands over
                  0.70 ms  lb1 - 192.0.2.10
                  0.76 ms  lb2 + 192.0.2.10
                 40.40 ms  lb1 the proxy runs
                 51.48 ms  lb1: the proxy is healthy
                 51.48 ms  lb1 www: fault -> backup: fit to take part

            VIP  WAS ON  IS ON  WITHOUT SERVICE  ON TWO NODES
            www  lb1     lb2    760 us           never

            The nodes and the protocol are the real ones; that Linux, HAProxy and the network answer in typical times is assumed.
            Without service means: new connections to the VIP's address fail.
        "#]],
    );
}

/// Nobody hands over by name.
#[test]
fn without_a_key_it_is_plain_vrrp() {
    check(
        &["simulate", "stop vipkeeper on lb1", "wait 100ms"],
        &expect![[r#"
        www is on lb1

        > stop vipkeeper on lb1

        > wait 100ms
              0.40 ms  lb1: stopping: giving up all VIPs
              0.40 ms  lb1 www: active -> fault: vipkeeper stops
              0.70 ms  lb1 - 192.0.2.10
              0.70 ms  lb1 vipkeeper exits 0
             12.26 ms  lb2 www: backup -> active: 192.0.2.11 resigned
             12.56 ms  lb2 + 192.0.2.10

        VIP  WAS ON  IS ON  WITHOUT SERVICE  ON TWO NODES
        www  lb1     lb2    11.8 ms          never

        The nodes and the protocol are the real ones; that Linux, HAProxy and the network answer in typical times is assumed.
        Without service means: new connections to the VIP's address fail.
        Played as plain VRRP: there is no key at /nowhere/peers.key here. --peers plays as if there were one.
    "#]],
    );
}

#[test]
fn a_switchover_leaves_no_gap() {
    check(
        &["simulate", "--peers", "switchover www on lb1", "wait 1s"],
        &expect![[r#"
        www is on lb1

        > switchover www on lb1

        > wait 1s
              0.40 ms  lb1 www: active -> backup: an operator hands it over to lb2
              0.40 ms  lb1: an operator asked: handing over www to lb2; this node stays behind the others until `vipkeeper resume`
              0.40 ms  lb1 answers Ok("handing over www to lb2; this node stays behind the others until `vipkeeper resume`")
              0.46 ms  lb2 www: backup -> active: lb1 hands over
              0.76 ms  lb2 + 192.0.2.10
              1.12 ms  lb1 - 192.0.2.10

        VIP  WAS ON  IS ON  WITHOUT SERVICE  ON TWO NODES
        www  lb1     lb2    none             360 us

        The nodes and the protocol are the real ones; that Linux, HAProxy and the network answer in typical times is assumed.
        Without service means: new connections to the VIP's address fail.
    "#]],
    );
}

#[test]
fn a_script_that_is_not_understood_says_what_can_be_said() {
    let (status, stdout, stderr) = run(&["simulate", "wait 1s", "explode"]);
    assert_eq!((status, stdout.as_str()), (2, ""));
    assert!(stderr.starts_with("step 2, \"explode\": not understood\n\nwhat can be said:\nkill|freeze"), "{stderr}");
}

#[test]
fn programs_get_json() {
    let (status, stdout, _) = run(&["simulate", "--json", "crash lb1", "wait 5s"]);
    let account: serde_json::Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((status, &account["vips"][0]["vip"]), (0, &"www".into()));
    assert_eq!(account["vips"][0]["after"], serde_json::json!(["lb2"]));
}

#[test]
fn shells_and_manuals_get_what_they_read() {
    for (shell, expect) in [("bash", "_vipkeeper()"), ("zsh", "#compdef vipkeeper"), ("fish", "complete -c vipkeeper")]
    {
        let (status, stdout, _) = run(&["completions", shell]);
        assert!(status == 0 && stdout.contains(expect), "{shell}: {stdout}");
    }
    let dir = tempfile::tempdir().unwrap();
    let into = dir.path().join("man");
    assert_eq!(run(&["manual", into.to_str().unwrap()]).0, 0);
    let page = fs::read_to_string(into.join("vipkeeper-simulate.1")).unwrap();
    assert!(page.starts_with(".ie") || page.contains(".TH"), "{page}");
    assert!(into.join("vipkeeper.1").exists());
}
