//! Trackers on the real kernel: programs, sockets, pings, files, and servers that the proxy loses.

use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::Signal;
use vipkeeper::cli::demo::backends::Backend;
use vipkeeper::cli::demo::net;
use vipkeeper::node::status::TrackerStatus;
use vipkeeper::shell::clock::now;

use crate::lab::{CLIENT, CLIENT_FRONT, LB1, LB2, Lab, Spec, VipSpec, WWW, always, www};

/// One tracker with looks every 200 ms, used by the VIP.
fn spec(tracker: &str, weight: &str) -> Spec {
    let more = format!("{}\npreempt_delay = \"100ms\"\ntrack = [{{ tracker = \"t\"{weight} }}]", www().more);
    let vip = VipSpec { more, ..www() };
    Spec { vips: vec![vip], tail: format!("[[tracker]]\nname = \"t\"\n{tracker}\n"), ..Spec::default() }
}

const FAST: &str = "interval = \"200ms\"\ntimeout = \"150ms\"\nrise = 2\nfall = 2";

fn tracker(lab: &Lab, node: &str) -> Option<TrackerStatus> {
    lab.status(node)?.trackers.into_iter().next()
}

fn failed(lab: &Lab, node: &str) -> bool {
    tracker(lab, node).is_some_and(|t| t.verdict == "failed")
}

/// A program that does on each host what a file beside it says: nothing, `fail` or `hang`.
fn script(lab: &Lab) -> String {
    let path = lab.dir().join("check");
    let text = format!(
        "#!/bin/sh\ncase $(cat {0}/$VIPKEEPER_NODE.do 2>/dev/null) in\n\
         fail) echo \"the uplink is gone\"; exit 2;;\nhang) trap 'exit 0' TERM; sleep 600;;\nesac\n",
        lab.dir().display()
    );
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn tell_script(lab: &Lab, node: &str, what: &str) {
    fs::write(lab.dir().join(format!("{node}.do")), what).unwrap();
}

fn serve(lab: &mut Lab, spec: &Spec) {
    lab.write(&spec.toml());
    lab.start(LB1);
    lab.start(LB2);
    lab.settled(spec);
}

#[test]
fn a_script_that_fails_hangs_or_is_deleted_moves_the_vip() {
    let Some(mut lab) = Lab::new("tracked_script", &Spec::default()) else { return };
    let program = script(&lab);
    let slow = "interval = \"500ms\"\ntimeout = \"400ms\"\nfall = 1";
    let spec = spec(&format!("script = \"{program}\"\n{slow}"), "");
    serve(&mut lab, &spec);

    tell_script(&lab, LB1, "fail");
    lab.eventually("the failure moves the VIP", |lab| lab.holders(WWW) == [LB2]);
    let why = lab.vip(LB1, "www").unwrap().why;
    assert_eq!(why, format!("tracker t failed: {program}: exit status 2: the uplink is gone"));
    tell_script(&lab, LB1, "");
    lab.settled(&spec);

    // keepalived takes the verdict when the child is reaped, and a TERM trap that exits 0 for a success.
    tell_script(&lab, LB1, "hang");
    let hung = now();
    lab.eventually("the hang is judged", |lab| failed(lab, LB1));
    let took = now() - hung;
    assert!(took < Duration::from_millis(2500), "{took:?}");
    let why = tracker(&lab, LB1).unwrap().why;
    assert_eq!(why, format!("{program} did not end within 400 ms"));
    lab.eventually("the hang moves the VIP", |lab| lab.holders(WWW) == [LB2]);
    always("the VIP stays away", Duration::from_secs(2), || lab.holders(WWW) == [LB2]);
    let children = lab.inside(LB1, "ps").args(["-eo", "args"]).output().unwrap();
    let children = String::from_utf8_lossy(&children.stdout).into_owned();
    let running = children.lines().filter(|l| l.contains(&program)).count();
    assert!(running <= 2, "runs pile up: {children}");
    tell_script(&lab, LB1, "");
    lab.settled(&spec);

    // keepalived takes a script that is gone for a good one.
    fs::remove_file(&program).unwrap();
    lab.eventually("nobody holds the VIP", |lab| lab.holders(WWW).is_empty());
    let why = tracker(&lab, LB2).unwrap().why;
    assert!(why.starts_with(&format!("cannot start {program}: No such file")), "{why}");
    script(&lab);
    lab.settled(&spec);
}

#[test]
fn a_gateway_that_one_host_cannot_ping_moves_the_vip() {
    let spec = spec(&format!("ping = \"{CLIENT_FRONT}\"\n{FAST}"), "");
    let Some(mut lab) = Lab::new("tracked_ping", &spec) else { return };
    serve(&mut lab, &spec);
    let neighbour = CLIENT_FRONT.to_string();
    // Frames to nobody: silence.
    lab.ip(LB1, &["neigh", "replace", &neighbour, "lladdr", "02:00:00:00:00:99", "nud", "permanent", "dev", "eth0"]);
    lab.eventually("the VIP moves", |lab| lab.holders(WWW) == [LB2]);
    let why = tracker(&lab, LB1).unwrap().why;
    assert_eq!(why, format!("no answer from {CLIENT_FRONT} within 150 ms (2 times in a row)"));
    lab.ip(LB1, &["neigh", "del", &neighbour, "dev", "eth0"]);
    lab.settled(&spec);
    // An error is told at once.
    lab.ip(LB1, &["route", "add", "unreachable", &format!("{CLIENT_FRONT}/32")]);
    lab.eventually("the VIP moves again", |lab| lab.holders(WWW) == [LB2]);
    let why = tracker(&lab, LB1).unwrap().why;
    assert!(why.starts_with(&format!("cannot ping {CLIENT_FRONT}: No route to host")), "{why}");
}

#[test]
fn a_service_that_both_hosts_lose_moves_nothing_by_weight() {
    for (name, kind) in [
        ("tracked_tcp", format!("tcp = \"{CLIENT_FRONT}:8080\"")),
        ("tracked_http", format!("http = \"http://{CLIENT_FRONT}:8080/\"")),
    ] {
        let spec = spec(&format!("{kind}\n{FAST}"), ", weight = -20");
        let Some(mut lab) = Lab::new(name, &spec) else { return };
        let service = Backend::start(&lab.namespace(CLIENT), "service", CLIENT_FRONT, 8080).unwrap();
        serve(&mut lab, &spec);
        assert_eq!(lab.vip(LB1, "www").unwrap().priority, Some(254), "{name}");
        drop(service);
        lab.eventually("both see it", |lab| failed(lab, LB1) && failed(lab, LB2));
        lab.eventually("both are lower", |lab| {
            let priority = |node| lab.vip(node, "www").and_then(|v| v.priority);
            (priority(LB1), priority(LB2)) == (Some(234), Some(233))
        });
        assert!(tracker(&lab, LB1).unwrap().why.contains("Connection refused"), "{name}");
        always("lb1 keeps the VIP", Duration::from_secs(1), || lab.holders(WWW) == [LB1]);
    }
}

#[test]
fn a_file_is_read_as_a_number() {
    let Some(mut lab) = Lab::new("tracked_file", &Spec::default()) else { return };
    let file = lab.dir().join("number");
    let spec =
        spec(&format!("file = \"{}\"\ninterval = \"200ms\"\ntimeout = \"150ms\"", file.display()), ", weight = -3");
    serve(&mut lab, &spec);
    let priority = |lab: &Lab| lab.vip(LB1, "www").and_then(|v| v.priority);
    assert_eq!(priority(&lab), Some(254));
    fs::write(&file, "10\n").unwrap();
    lab.eventually("the number is multiplied", |lab| priority(lab) == Some(224));
    assert_eq!(tracker(&lab, LB1).unwrap().value, Some(10));
    fs::write(&file, "ten\n").unwrap();
    lab.eventually("garbage is a failure", |lab| priority(lab) == Some(251) && failed(lab, LB1));
    fs::remove_file(&file).unwrap();
    lab.eventually("no file is fine", |lab| priority(lab) == Some(254));
    always("lb1 keeps the VIP", Duration::from_millis(500), || lab.holders(WWW) == [LB1]);
}

#[test]
fn a_share_of_servers_that_one_host_loses_moves_the_vip() {
    let spec = spec("backend = \"web\"\nup_percent = 100", ", weight = -20");
    let Some(mut lab) = Lab::new("tracked_backend", &spec) else { return };
    serve(&mut lab, &spec);
    lab.ip(LB1, &["route", "add", "unreachable", "10.78.0.101/32"]);
    lab.eventually("the VIP moves", |lab| lab.holders(WWW) == [LB2]);
    let vip = lab.vip(LB1, "www").unwrap();
    let share = "1 of 2 servers of backend web up, less than 100 %".to_owned();
    assert_eq!((vip.priority, vip.weights), (Some(234), vec![(share, -20)]));
    lab.ip(LB1, &["route", "del", "unreachable", "10.78.0.101/32"]);
    lab.settled(&spec);
}

/// Connections of the client that say nothing.
fn hold(lab: &Lab, count: usize) -> Vec<TcpStream> {
    let namespace = lab.namespace(CLIENT);
    let connecting = std::thread::spawn(move || {
        net::enter(&namespace).unwrap();
        let address = SocketAddr::from((WWW, 80));
        let connect = |_| TcpStream::connect_timeout(&address, Duration::from_secs(2)).unwrap();
        (0..count).map(connect).collect()
    });
    connecting.join().unwrap()
}

#[test]
fn a_proxy_that_is_nearly_full_gives_the_vip_away() {
    let spec = Spec { proxy: "maxconn = 20".to_owned(), ..spec("saturation = 80", "") };
    let Some(mut lab) = Lab::new("tracked_saturation", &spec) else { return };
    serve(&mut lab, &spec);
    let few = hold(&lab, 10);
    always("half of them is not too many", Duration::from_secs(1), || lab.holders(WWW) == [LB1]);
    let more = hold(&lab, 8);
    lab.eventually("the VIP moves", |lab| lab.holders(WWW) == [LB2]);
    let moved = lab.vip(LB1, "www").unwrap().transitions.into_iter().find(|t| t.from == "active").unwrap();
    assert!(moved.why == "tracker t failed: 80 % or more of the proxy's 20 connections are in use", "{}", moved.why);
    // They were reset with the VIP, so there is room again.
    drop((few, more));
    lab.settled(&spec);
}

#[test]
fn an_interface_without_carrier_moves_the_vip() {
    let spec = spec("interface = \"eth1\"", "");
    let Some(mut lab) = Lab::new("tracked_interface", &spec) else { return };
    serve(&mut lab, &spec);
    lab.ip(LB1, &["link", "set", "eth1", "down"]);
    lab.eventually("the VIP moves", |lab| lab.holders(WWW) == [LB2]);
    assert_eq!(lab.vip(LB1, "www").unwrap().why, "tracker t failed: interface eth1 is down or has no carrier");
    lab.ip(LB1, &["link", "set", "eth1", "up"]);
    lab.settled(&spec);
}

/// The first look of a new vipkeeper decides before the lease of the old one is given up.
#[test]
fn a_restart_keeps_the_vip_that_a_tracker_could_forbid() {
    let mut spec = spec(&format!("ping = \"{CLIENT_FRONT}\"\n{FAST}"), "");
    // The kernel counts leases in whole seconds: those of fast adverts prove too little.
    spec.vips[0].more = spec.vips[0].more.replace("advert_interval = \"100ms\"", "advert_interval = \"1s\"");
    let Some(mut lab) = Lab::new("tracked_restart", &spec) else { return };
    serve(&mut lab, &spec);
    lab.signal(LB1, Signal::KILL);
    assert!(!lab.ended(LB1).success());
    lab.start(LB1);
    always("lb1 alone holds the VIP", Duration::from_secs(3), || lab.holders(WWW) == [LB1]);
    lab.settled(&spec);
    assert!(lab.log(LB1).contains("resumes the lease of its predecessor"));
}
