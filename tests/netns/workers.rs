//! Reloads that go half wrong, and what servers were before them.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rustix::process::Signal;
use vipkeeper::cli::demo::backends::Backend;
use vipkeeper::shell::clock::now;

use crate::lab::{LB1, LB1_BACK, LB1_FRONT, Lab, Spec, WWW, always};

/// What HAProxy on a node says to a command.
fn ask(lab: &Lab, node: &str, command: &str) -> String {
    let mut socket = UnixStream::connect(lab.runtime_dir(node).join("stats.sock")).unwrap();
    socket.write_all(command.as_bytes()).unwrap();
    socket.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    answer
}

/// Address, port, whether it is in maintenance, and the weight of a server.
fn server(lab: &Lab, name: &str) -> (String, bool, String) {
    let states = ask(lab, LB1, "show servers state web\n");
    let line = states.lines().find(|line| line.split(' ').nth(3) == Some(name)).expect("the server is listed");
    let fields: Vec<&str> = line.split(' ').collect();
    let maintenance = fields[6].parse::<u32>().unwrap() & 1 == 1;
    (format!("{}:{}", fields[4], fields[18]), maintenance, fields[7].to_owned())
}

#[test]
fn maintenance_survives_a_reload_and_a_changed_port_is_not_masked() {
    let spec = Spec { weight: 5, ..Spec::default() };
    let Some(lab) = Lab::serving("maintenance_survives_a_reload", &spec) else { return };
    ask(&lab, LB1, "set server web/web2 state maint;set server web/web1 state maint\n");
    // A running worker takes the port; what an operator did to the server stays.
    lab.write(&spec.toml().replace("10.78.0.101:8080", "10.78.0.101:8088"));
    lab.reload(LB1).unwrap();
    assert_eq!(server(&lab, "web1"), ("10.78.0.101:8088".to_owned(), true, "5".to_owned()));
    // What takes a new worker.
    let spec = Spec { proxy: "timeouts = { connect = \"7s\" }".to_owned(), ..spec };
    lab.write(&spec.toml().replace("10.78.0.101:8080", "10.78.0.101:8089"));
    lab.reload(LB1).unwrap();
    assert_eq!(server(&lab, "web2"), ("10.78.0.102:8080".to_owned(), true, "1".to_owned()));
    assert_eq!(server(&lab, "web1"), ("10.78.0.101:8089".to_owned(), false, "5".to_owned()));
    assert!(lab.log(LB1).contains("the state of 1 servers is carried over; 1 start as they are written"));

    // A dead proxy starts as it is written.
    lab.kill_proxy(LB1);
    lab.eventually("another proxy serves", |lab| {
        lab.status(LB1).is_some_and(|s| s.proxy.healthy && s.proxy.starts == 2)
    });
    assert!(!server(&lab, "web2").1);
}

/// What an operator wants of a server is told to every new worker, until it is taken back.
#[test]
fn a_drained_server_stays_drained_over_a_killed_proxy_and_a_killed_vipkeeper() {
    let spec = Spec { weight: 5, ..Spec::default() };
    let Some(mut lab) = Lab::serving("drained_server", &spec) else { return };
    let vipkeeper = |lab: &Lab, words: &[&str]| {
        let mut command = lab.inside(LB1, env!("CARGO_BIN_EXE_vipkeeper"));
        let output = command.args(words).arg("--runtime-dir").arg(lab.runtime_dir(LB1)).output().unwrap();
        let said = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.code().unwrap(), String::from_utf8_lossy(&said).trim().to_owned())
    };
    // Bit 3 of the state: drained by command.
    let admin = |lab: &Lab| -> (String, String) {
        let states = ask(lab, LB1, "show servers state web\n");
        let line = states.lines().find(|line| line.contains(" web1 ")).unwrap();
        let fields: Vec<&str> = line.split(' ').collect();
        (fields[6].to_owned(), fields[7].to_owned())
    };
    let drained = || ("8".to_owned(), "3".to_owned());
    assert_eq!(vipkeeper(&lab, &["server", "drain", "web/web1"]), (0, "server web/web1 is in state drain".to_owned()));
    assert_eq!(vipkeeper(&lab, &["server", "weight", "web/web1", "3"]).0, 0);
    assert_eq!(admin(&lab), drained());
    let (status, why) = vipkeeper(&lab, &["server", "maint", "web/web9"]);
    assert!(status == 1 && why.contains("has no server"), "{why}");
    // A reload, a change of the running worker, a proxy that is killed, and a vipkeeper that is.
    lab.write(&Spec { proxy: "timeouts = { connect = \"7s\" }".to_owned(), weight: 6, ..spec }.toml());
    lab.reload(LB1).unwrap();
    lab.eventually("drained over a reload", |lab| admin(lab) == drained());
    lab.kill_proxy(LB1);
    lab.eventually("another proxy serves", |lab| {
        lab.status(LB1).is_some_and(|s| s.proxy.healthy && s.proxy.starts == 2)
    });
    lab.eventually("drained over a start", |lab| admin(lab) == drained());
    lab.signal(LB1, Signal::KILL);
    lab.ended(LB1);
    lab.start(LB1);
    lab.eventually("it is adopted", |lab| lab.status(LB1).is_some_and(|s| s.proxy.healthy));
    let (_, list) = vipkeeper(&lab, &["server", "list"]);
    assert!(list.starts_with("web/web1  drain, weight 3, for "), "{list}");
    assert_eq!(vipkeeper(&lab, &["server", "ready", "web/web1"]).0, 0);
    assert_eq!(vipkeeper(&lab, &["server", "weight", "web/web1", "file"]).0, 0);
    assert_eq!(admin(&lab), ("0".to_owned(), "6".to_owned()));
    assert_eq!(vipkeeper(&lab, &["server", "list"]).1, "every server is as the file says");
}

/// A stopped worker still shares the port with the one that a reload brings, and would hold back new connections.
#[test]
fn a_stopped_worker_is_ended_after_the_reload_that_replaced_it() {
    let spec = Spec::default();
    let Some(mut lab) = Lab::serving("a_stopped_worker_is_ended", &spec) else { return };
    lab.probe_patiently(WWW);
    let before = lab.status(LB1).unwrap().proxy;
    lab.signal_worker(LB1, Signal::STOP);
    lab.write(&Spec { weight: 7, ..spec }.toml());
    lab.reload(LB1).unwrap();
    let stopped = before.worker_pid.unwrap();
    lab.eventually("the stopped worker is gone", |lab| !lab.is_running(LB1, stopped));
    let after = lab.status(LB1).unwrap().proxy;
    assert_eq!((after.master_pid, after.starts), (before.master_pid, 1), "it took a restart");
    assert!(lab.log(LB1).contains(&format!("the old worker {stopped} is stuck")), "{}", lab.log(LB1));
    lab.served_by(LB1_BACK, now());
    let start = now();
    always("the new worker serves", Duration::from_secs(2), || true);
    let sight = lab.sight(start);
    assert!(sight.asked > 50, "{sight:?}");
    assert_eq!(sight.missed, [], "{sight:?}");
}

/// The port is taken when HAProxy binds it and free within its two seconds of tries: the reload then succeeds, and
/// leaves every frontend that there was before paused.
/// HAProxy calls a frontend open that has lost one of its listeners: the kernel knows better.
#[test]
fn a_listener_that_a_reload_left_paused_is_opened_again() {
    let spec = Spec::default();
    let Some(mut lab) = Lab::serving("listener_left_paused", &spec) else { return };
    let squatter = Backend::start(&lab.namespace(LB1), "squatter", LB1_FRONT, 8099).unwrap();
    // A raw line, which no preflight sees.
    lab.write(&Spec { raw: "\"bind *:8099\"".to_owned(), ..spec }.toml());
    lab.eventually("the frontend is paused", |lab| {
        let listening = lab.inside(LB1, "ss").args(["-Hltn", "sport = :80"]).output().unwrap();
        listening.status.success() && listening.stdout.is_empty()
    });
    drop(squatter);
    lab.eventually("the change is in force", |lab| {
        lab.status(LB1).is_some_and(|s| s.proxy.healthy && s.config.last_reload.is_some_and(|r| r.ok))
    });
    assert!(lab.log(LB1).contains("opening again"), "{}", lab.log(LB1));
    assert_eq!(lab.status(LB1).unwrap().proxy.starts, 1);
    lab.probe_patiently(WWW);
    lab.served_by(LB1_BACK, now());
}

#[test]
fn frontends_that_a_reload_left_paused_are_opened_again() {
    let spec = Spec::default();
    let Some(mut lab) = Lab::serving("frontends_left_paused", &spec) else { return };
    let squatter = Backend::start(&lab.namespace(LB1), "squatter", LB1_FRONT, 8099).unwrap();
    // A raw line, which no preflight sees; in a frontend of its own, since one with any listener left calls itself open.
    let more =
        "[[frontend]]\nname = \"more\"\nbind = [\"*:8098\"]\ndefault_backend = \"web\"\nraw = [\"bind *:8099\"]\n";
    lab.write(&Spec { tail: more.to_owned(), ..spec }.toml());
    // Seen by the kernel: later versions pause their stats socket too.
    lab.eventually("the frontends are paused", |lab| {
        let listening = lab.inside(LB1, "ss").args(["-Hltn", "sport = :80"]).output().unwrap();
        listening.status.success() && listening.stdout.is_empty()
    });
    drop(squatter);
    lab.eventually("the change is in force", |lab| {
        lab.status(LB1).is_some_and(|s| s.proxy.healthy && s.config.last_reload.is_some_and(|r| r.ok))
    });
    assert!(lab.log(LB1).contains("paused www: opening again"), "{}", lab.log(LB1));
    assert_eq!(lab.status(LB1).unwrap().proxy.starts, 1);
    lab.probe_patiently(WWW);
    lab.served_by(LB1_BACK, now());
}
