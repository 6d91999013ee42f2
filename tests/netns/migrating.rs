//! From two old files of keepalived and one of HAProxy to a running pair.

use std::fs;
use std::process::Command;

use rustix::process::Signal;
use vipkeeper::shell::clock::now;

use crate::lab::{LB1, LB1_BACK, LB1_FRONT, LB2, LB2_BACK, LB2_FRONT, Lab, Spec, WEB1, WEB2, WWW};

/// As tutorials have it.
fn keepalived(router: &str, state: &str, priority: u8, own: &str, peer: &str) -> String {
    format!(
        r#"! Configuration File for keepalived

global_defs {{
   notification_email {{
     root@localhost
   }}
   router_id {router}
   script_user root
   enable_script_security
}}

vrrp_script chk_haproxy {{
    script "killall -0 haproxy"
    interval 2
    weight -25
}}

vrrp_instance VI_1 {{
    state {state}
    interface eth0
    virtual_router_id 51
    priority {priority}
    advert_int 1
    unicast_src_ip {own}
    unicast_peer {{
        {peer}
    }}
    authentication {{
        auth_type PASS
        auth_pass 1111
    }}
    virtual_ipaddress {{
        {WWW}/24
    }}
    track_script {{
        chk_haproxy
    }}
}}
"#
    )
}

fn haproxy() -> String {
    format!(
        r#"global
    log /dev/log local0
    log /dev/log local1 notice
    maxconn 4000
    daemon

defaults
    log     global
    mode    http
    option  httplog
    option  dontlognull
    timeout connect 5000
    timeout client  50000
    timeout server  50000

frontend http_front
    bind *:80
    default_backend http_back

backend http_back
    balance roundrobin
    option httpchk GET /
    server web1 {WEB1}:8080 check
    server web2 {WEB2}:8080 check
"#
    )
}

#[test]
fn two_old_files_become_a_running_pair() {
    let Some(mut lab) = Lab::with("migrating", &Spec::default(), &["haproxy"]) else { return };
    let at = |name: &str| lab.dir().join(name).display().to_string();
    let (one, two) = (LB1_FRONT.to_string(), LB2_FRONT.to_string());
    fs::write(at("keepalived-1.conf"), keepalived(LB1, "MASTER", 100, &one, &two)).unwrap();
    fs::write(at("keepalived-2.conf"), keepalived(LB2, "BACKUP", 90, &two, &one)).unwrap();
    fs::write(at("haproxy.cfg"), haproxy()).unwrap();
    let vipkeeper = |arguments: &[&str]| {
        let output = Command::new(env!("CARGO_BIN_EXE_vipkeeper")).args(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        said
    };
    let imported = at("imported.toml");
    let report = vipkeeper(&[
        "import",
        &at("keepalived-1.conf"),
        &at("keepalived-2.conf"),
        "--with",
        &at("haproxy.cfg"),
        "-o",
        &imported,
    ]);
    println!("{report}");
    let toml = fs::read_to_string(&imported).unwrap();
    println!("{toml}");
    // Unicast tells the addresses of both nodes: nothing is left to be filled in.
    assert!(!toml.lines().skip(1).any(|line| line.contains("FILL IN")), "{toml}");
    println!("{}", vipkeeper(&["check", "--config", &imported, "--node", LB1]));
    lab.write(&toml);
    lab.start(LB1);
    lab.start(LB2);
    lab.eventually("lb1 alone holds the VIP", |lab| lab.holders(WWW) == [LB1] && lab.healthy(LB2));
    lab.probe_patiently(WWW);
    let begun = now();
    lab.served_by(LB1_BACK, begun);
    let stopped = now();
    lab.signal(LB1, Signal::TERM);
    lab.served_by(LB2_BACK, stopped);
    assert_eq!(lab.holders(WWW), [LB2]);
}
