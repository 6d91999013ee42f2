//! The same stories with nginx: it is killed, frozen, reloaded, refused, adopted; and TCP through its module stream.

use std::time::Duration;

use rustix::process::{Signal, kill_process};
use vipkeeper::cli::demo::backends::Backend;
use vipkeeper::shell::clock::now;
use vipkeeper::shell::control::ClientError;

use crate::lab::{LB1, LB1_BACK, LB1_FRONT, LB2, LB2_BACK, Lab, Spec, VipSpec, WWW, pid, skip, www};

/// Two workers on each node, and a second before a better node takes the VIP back.
fn nginx() -> Spec {
    let www = VipSpec { more: format!("{}\npreempt_delay = \"1500ms\"", www().more), ..www() };
    Spec { engine: "nginx", vips: vec![www], proxy: "nbthread = 2".to_owned(), ..Spec::default() }
}

/// The workers of a node's nginx, old ones too.
fn workers(lab: &Lab, node: &str) -> Vec<u32> {
    let master = lab.status(node).unwrap().proxy.master_pid.expect("a master");
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
    all.filter(|number| *number != master && group(*number) == Some(master)).collect()
}

/// The group of a process that has not ended.
fn group(number: u32) -> Option<u32> {
    let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let ended = matches!(fields.next()?, "Z" | "X");
    fields.nth(1)?.parse().ok().filter(|_| !ended)
}

#[test]
fn killed_nginx_moves_the_vip_and_a_recovered_one_takes_it_back() {
    let Some(mut lab) = Lab::serving("killed_nginx", &nginx()) else { return };
    lab.probe(WWW);
    let killed = now();
    lab.kill_proxy(LB1);
    // lb2 listened for the VIP before it had it, and without a sysctl.
    lab.served_by(LB2_BACK, killed);
    assert_eq!(lab.holders(WWW), [LB2]);
    let sight = lab.sight(killed);
    assert!(sight.outage.is_none_or(|o| o <= Duration::from_secs(1)), "{sight:?}");
    lab.served_by(LB1_BACK, now());
    lab.eventually("lb1 alone holds the VIP", |lab| lab.holders(WWW) == [LB1]);
}

#[test]
fn killed_master_of_nginx_leaves_no_worker_that_serves_the_old_file() {
    let Some(mut lab) = Lab::serving("killed_master_of_nginx", &nginx()) else { return };
    lab.probe(WWW);
    let left = workers(&lab, LB1);
    assert_eq!(left.len(), 2);
    let master = lab.status(LB1).unwrap().proxy.master_pid.unwrap();
    kill_process(pid(master), Signal::KILL).unwrap();
    lab.eventually("another nginx serves", |lab| {
        lab.status(LB1).is_some_and(|s| s.proxy.healthy && s.proxy.master_pid.is_some_and(|m| m != master))
    });
    assert!(!left.iter().any(|worker| lab.is_running(LB1, *worker)), "{left:?}");
    lab.served_by(LB1_BACK, now());
}

#[test]
fn frozen_nginx_moves_the_vip() {
    let Some(mut lab) = Lab::serving("frozen_nginx", &nginx()) else { return };
    lab.probe(WWW);
    let frozen = now();
    for worker in workers(&lab, LB1) {
        kill_process(pid(worker), Signal::STOP).unwrap();
    }
    lab.served_by(LB2_BACK, frozen);
    assert_eq!(lab.holders(WWW), [LB2]);
    // The frozen one is got rid of, or lb1 would be lost for good.
    lab.served_by(LB1_BACK, now());
}

#[test]
fn a_crashed_worker_of_nginx_is_no_failure_of_nginx() {
    let Some(mut lab) = Lab::serving("crashed_worker_of_nginx", &nginx()) else { return };
    let before = lab.vip(LB1, "www").unwrap().counters.get("transitions").copied();
    for worker in workers(&lab, LB1) {
        kill_process(pid(worker), Signal::KILL).unwrap();
    }
    lab.probe(WWW);
    lab.served_by(LB1_BACK, now());
    assert_eq!(lab.vip(LB1, "www").unwrap().counters.get("transitions").copied(), before, "it moved");
}

#[test]
fn twenty_reloads_of_nginx_lose_no_request() {
    let mut spec = nginx();
    let Some(mut lab) = Lab::serving("twenty_reloads_of_nginx", &spec) else { return };
    lab.probe_patiently(WWW);
    let start = now();
    let mut generations = vec![lab.status(LB1).unwrap().proxy.generation];
    for weight in 2..22 {
        spec.weight = weight;
        lab.write(&spec.toml());
        lab.reload(LB1).unwrap();
        generations.push(lab.status(LB1).unwrap().proxy.generation);
    }
    generations.dedup();
    assert_eq!(generations.len(), 21, "not every reload was one: {generations:?}");
    let sight = lab.sight(start);
    assert!(sight.asked > 200, "{sight:?}");
    assert_eq!(sight.missed, [], "{sight:?}");
    assert_eq!(lab.holders(WWW), [LB1]);
    lab.eventually("no old worker is left", |lab| workers(lab, LB1).len() == 2);
}

/// Tries a file that must be refused and returns the report.
fn refused(lab: &Lab, toml: &str) -> String {
    let before = lab.status(LB1).unwrap();
    lab.write(toml);
    let report = match lab.reload(LB1) {
        Err(ClientError::Refused(report)) => report,
        other => panic!("it was not refused: {other:?}\n{toml}"),
    };
    let after = lab.status(LB1).unwrap();
    assert_eq!(after.config.digest, before.config.digest);
    assert_eq!(after.proxy.generation, before.proxy.generation);
    assert!(after.proxy.healthy);
    report
}

#[test]
fn files_that_nginx_refuses_change_nothing_and_say_why() {
    let good = nginx();
    let Some(mut lab) = Lab::serving("nginx_refuses_files", &good) else { return };
    lab.probe_patiently(WWW);
    let start = now();

    let unknown = Spec { raw: "\"frobnicate on;\"".to_owned(), ..good.clone() };
    let report = refused(&lab, &unknown.toml());
    assert!(report.contains("frobnicate") && report.contains("vipkeeper.toml"), "{report}");

    let report = refused(&lab, &good.toml().replace("engine = \"nginx\"", "engine = \"haproxy\""));
    assert!(report.contains("haproxy cannot take the place of nginx"), "{report}");

    let _squatter = Backend::start(&lab.namespace(LB1), "squatter", LB1_FRONT, 8088).unwrap();
    let taken = Spec { binds: ", \"*:8088\"".to_owned(), ..good.clone() };
    let report = refused(&lab, &taken.toml());
    assert!(report.contains("8088") && report.contains("is taken by"), "{report}");

    // Neither `nginx -t` nor vipkeeper sees that in advance, and nginx says it in its log alone.
    let unseen = Spec { raw: format!("\"listen {LB1_FRONT}:8088;\""), ..good.clone() };
    let report = refused(&lab, &unseen.toml());
    assert!(report.contains("Address already in use") && report.contains("last good"), "{report}");

    let sight = lab.sight(start);
    assert_eq!(sight.missed, [], "{sight:?}");
    assert_eq!(lab.holders(WWW), [LB1]);
}

/// With the default adverts of a second, the standby waits for 3.6 s: a restart is faster.
#[test]
fn restarted_vipkeeper_adopts_nginx() {
    let spec = Spec { vips: vec![VipSpec { more: String::new(), ..www() }], ..nginx() };
    let Some(mut lab) = Lab::serving("restart_adopts_nginx", &spec) else { return };
    lab.probe_patiently(WWW);
    let (start, before) = (now(), lab.status(LB1).unwrap());
    lab.signal(LB1, Signal::KILL);
    lab.ended(LB1);
    lab.start(LB1);
    lab.settled(&spec);
    let after = lab.status(LB1).unwrap();
    assert_ne!(after.pid, before.pid);
    assert_eq!(after.proxy.master_pid, before.proxy.master_pid, "nginx was not adopted");
    let sight = lab.sight(start);
    assert_eq!(sight.missed, [], "{sight:?}");
    assert_eq!(sight.served_by.len(), 1, "{sight:?}");
}

#[test]
fn stopped_vipkeeper_stops_nginx_where_it_is_told_to() {
    let spec = Spec { proxy: "on_stop = \"stop\"".to_owned(), ..nginx() };
    let Some(mut lab) = Lab::serving("stops_nginx", &spec) else { return };
    let (master, left) = (lab.status(LB1).unwrap().proxy.master_pid.unwrap(), workers(&lab, LB1));
    lab.signal(LB1, Signal::TERM);
    let status = lab.ended(LB1);
    assert!(status.success(), "{status}");
    assert!(!lab.is_running(LB1, master) && !left.iter().any(|worker| lab.is_running(LB1, *worker)));
    lab.eventually("lb2 holds the VIP", |lab| lab.holders(WWW) == [LB2]);
}

#[test]
fn tcp_goes_through_the_module_stream() {
    if !std::path::Path::new("/usr/lib/nginx/modules/ngx_stream_module.so").exists() {
        return skip("tcp_through_nginx", "libnginx-mod-stream is not installed");
    }
    let spec = nginx();
    let Some(mut lab) = Lab::new("tcp_through_nginx", &spec) else { return };
    lab.write(&spec.toml().replace("default_backend = \"web\"", "default_backend = \"web\"\nmode = \"tcp\""));
    lab.start(LB1);
    lab.start(LB2);
    lab.settled(&spec);
    lab.probe(WWW);
    let killed = now();
    lab.kill_proxy(LB1);
    lab.served_by(LB2_BACK, killed);
}
