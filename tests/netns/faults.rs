//! What goes wrong around vipkeeper: other people's hands, missing things, its own sudden death.

use std::os::unix::process::CommandExt;
use std::process::Output;
use std::time::Duration;

use rustix::process::Signal;
use vipkeeper::shell::clock::now;

use crate::lab::{LB1, LB2, Lab, Spec, VipSpec, WWW, always, www};

#[test]
fn vip_that_somebody_deleted_is_put_back() {
    let spec = Spec::default();
    let Some(lab) = Lab::serving("deleted_vip", &spec) else { return };
    lab.ip(LB1, &["addr", "del", "10.77.0.100/24", "dev", "eth0"]);
    lab.eventually("the VIP is back", |lab| lab.holders(WWW) == [LB1] && lab.state(LB1, "www") == "active");
    always("lb1 holds the VIP", Duration::from_millis(500), || lab.holders(WWW) == [LB1]);
    assert_eq!(lab.state(LB2, "www"), "backup");
}

/// With the default adverts of a second, the standby waits for 3.6 s: a restart is faster.
#[test]
fn restarted_vipkeeper_adopts_proxy_and_vip() {
    let www = VipSpec { more: String::new(), ..www() };
    let spec = Spec { vips: vec![www], ..Spec::default() };
    let Some(mut lab) = Lab::serving("restart_adopts", &spec) else { return };
    lab.probe_patiently(WWW);
    let (start, before) = (now(), lab.status(LB1).unwrap());
    lab.signal(LB1, Signal::KILL);
    lab.ended(LB1);
    lab.start(LB1);
    lab.settled(&spec);
    let after = lab.status(LB1).unwrap();
    assert_ne!(after.pid, before.pid);
    assert_eq!(after.proxy.master_pid, before.proxy.master_pid, "the proxy was not adopted");
    assert_eq!(after.proxy.worker_pid, before.proxy.worker_pid);
    let sight = lab.sight(start);
    assert_eq!(sight.missed, [], "{sight:?}");
    assert_eq!(sight.served_by.len(), 1, "{sight:?}");
    // Longer than the lease that the predecessor left.
    always("lb1 holds the VIP", Duration::from_secs(4), || lab.holders(WWW) == [LB1]);
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn second_start_of_a_node_is_refused() {
    let Some(lab) = Lab::serving("second_start", &Spec::default()) else { return };
    let output = lab.command(LB1).output().unwrap();
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let pid = lab.status(LB1).unwrap().pid.to_string();
    assert!(said(&output).contains(&pid), "{}", said(&output));
    assert_eq!(lab.holders(WWW), [LB1]);
}

#[test]
fn start_without_privileges_names_the_capability() {
    let Some(lab) = Lab::new("no_privileges", &Spec::default()) else { return };
    std::fs::set_permissions(lab.dir(), std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_vipkeeper"));
    command.arg("run").arg("--config").arg(lab.config()).args(["--node", LB1]);
    let output = command.arg("--runtime-dir").arg(lab.runtime_dir(LB1)).uid(65_534).gid(65_534).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", said(&output));
    assert!(said(&output).contains("CAP_NET_ADMIN"), "{}", said(&output));
}

#[test]
fn start_with_a_wrong_file_reports_it() {
    let Some(lab) = Lab::new("wrong_file", &Spec::default()) else { return };
    lab.write(&Spec::default().toml().replace("prefer", "perfer"));
    let output = lab.command(LB1).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let said = said(&output);
    assert!(said.contains("perfer") && said.contains("prefer") && said.contains("vipkeeper.toml"), "{said}");
}

#[test]
fn missing_proxy_is_told_and_keeps_the_vip_away() {
    let spec = Spec { proxy: "binary = \"/nonexistent/haproxy\"".to_owned(), ..Spec::default() };
    let Some(mut lab) = Lab::new("missing_proxy", &spec) else { return };
    lab.start(LB1);
    lab.eventually("the status names the program", |lab| {
        lab.status(LB1).is_some_and(|s| (s.proxy.why + &s.proxy.doing).contains("/nonexistent/haproxy"))
    });
    assert_eq!((lab.state(LB1, "www").as_str(), lab.holders(WWW)), ("fault", vec![]));
    let mut status = std::process::Command::new(env!("CARGO_BIN_EXE_vipkeeper"));
    let output = status.arg("status").arg("--runtime-dir").arg(lab.runtime_dir(LB1)).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
}

#[test]
fn missing_interface_is_told_and_an_appearing_one_is_used() {
    let Some(mut lab) = Lab::new("missing_interface", &Spec::default()) else { return };
    lab.write(
        &Spec::default().toml().replace("interface = \"eth0\"", "interface = { lb1 = \"eth7\", lb2 = \"eth0\" }"),
    );
    lab.start(LB1);
    lab.eventually("the status names the interface", |lab| {
        lab.vip(LB1, "www").is_some_and(|v| v.state == "fault" && v.why.contains("eth7"))
    });
    lab.eventually("the proxy is healthy", |lab| lab.healthy(LB1));
    lab.ip(LB1, &["link", "set", "eth0", "down"]);
    lab.ip(LB1, &["link", "set", "eth0", "name", "eth7"]);
    lab.ip(LB1, &["link", "set", "eth7", "up"]);
    lab.eventually("lb1 holds the VIP", |lab| lab.state(LB1, "www") == "active");
}
