//! Changes of the configuration under load.

use rustix::process::Signal;
use vipkeeper::cli::demo::backends::Backend;
use vipkeeper::shell::clock::now;
use vipkeeper::shell::control::ClientError;

use crate::lab::{LB1, LB1_FRONT, LB2, Lab, Spec, WWW};

#[test]
fn twenty_reloads_lose_no_request() {
    let mut spec = Spec::default();
    let Some(mut lab) = Lab::serving("twenty_reloads", &spec) else { return };
    lab.probe_patiently(WWW);
    let start = now();
    let mut generations = vec![lab.status(LB1).unwrap().proxy.generation];
    for seconds in 2..22 {
        // What takes a new worker.
        spec.proxy = format!("timeouts = {{ connect = \"{seconds}s\" }}");
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
}

/// What a running worker takes is no reload.
#[test]
fn twenty_changes_of_a_running_worker_lose_no_request() {
    let mut spec = Spec::default();
    let Some(mut lab) = Lab::serving("twenty_changes", &spec) else { return };
    lab.probe_patiently(WWW);
    let start = now();
    let worker = lab.status(LB1).unwrap().proxy.worker_pid;
    for weight in 2..22 {
        spec.weight = weight;
        lab.write(&spec.toml());
        let message = lab.reload(LB1).unwrap();
        assert!(message.contains("web/web1: weight"), "{message}");
    }
    assert_eq!(lab.status(LB1).unwrap().proxy.worker_pid, worker);
    let sight = lab.sight(start);
    assert_eq!(sight.missed, [], "{sight:?}");
    // A vipkeeper that starts later knows what the worker runs.
    lab.signal(LB1, Signal::KILL);
    lab.ended(LB1);
    lab.start(LB1);
    lab.eventually("it is adopted", |lab| lab.status(LB1).is_some_and(|s| s.proxy.healthy));
    assert_eq!(lab.status(LB1).unwrap().proxy.worker_pid, worker, "no reload");
    assert_eq!(lab.sight(start).missed, []);
}

/// A certificate of this name, with its key in the same file; returns its serial number.
fn certificate(pem: &std::path::Path, serial: &str) {
    let (key, crt) = (pem.with_extension("key"), pem.with_extension("crt"));
    let mut openssl = std::process::Command::new("openssl");
    openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
    openssl.args(["-days", "30", "-subj", "/CN=www.example.com", "-set_serial", serial]);
    let made = openssl.arg("-keyout").arg(&key).arg("-out").arg(&crt).output().unwrap();
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let both = format!("{}{}", std::fs::read_to_string(crt).unwrap(), std::fs::read_to_string(key).unwrap());
    let fresh = pem.with_extension("new");
    std::fs::write(&fresh, both).unwrap();
    std::fs::rename(fresh, pem).unwrap();
}

/// Somebody renews the certificate, and nobody tells vipkeeper.
#[test]
fn a_renewed_certificate_is_served_without_being_told() {
    let plain = Spec::default();
    let Some(mut lab) = Lab::with("renewed_certificate", &plain, &["haproxy", "openssl"]) else { return };
    let pem = lab.dir().join("www.pem");
    certificate(&pem, "4096");
    let bind = format!(", {{ address = \"*:8443\", tls = {{ certificates = [\"{}\"] }} }}", pem.display());
    let spec = Spec { binds: bind, ..plain };
    lab.write(&spec.toml());
    lab.start(LB1);
    lab.start(LB2);
    lab.settled(&spec);
    let served = |lab: &Lab| {
        let ask = "openssl s_client -connect 127.0.0.1:8443 </dev/null 2>/dev/null | openssl x509 -noout -serial";
        let output = lab.inside(LB1, "sh").args(["-c", ask]).output().unwrap();
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    assert_eq!(served(&lab), "serial=1000");
    let worker = lab.status(LB1).unwrap().proxy.worker_pid;
    lab.probe_patiently(WWW);
    let start = now();
    certificate(&pem, "8192");
    lab.eventually("the new one is served", |lab| served(lab) == "serial=2000");
    assert_eq!(lab.sight(start).missed, []);
    assert_eq!(lab.holders(WWW), [LB1]);
    lab.eventually("it was done at run time, and the worker knows", |lab| {
        let status = lab.status(LB1).unwrap();
        let done = status.config.last_reload.is_some_and(|last| last.message.contains("www.pem: renewed"));
        done && status.proxy.worker_pid == worker
    });
    // What is no certificate is refused, and the last one goes on being served.
    std::fs::write(&pem, "nonsense").unwrap();
    lab.eventually("it is refused", |lab| lab.status(LB1).unwrap().config.last_reload.is_some_and(|last| !last.ok));
    assert_eq!(served(&lab), "serial=2000");
}

const AGAIN_AFTER: std::time::Duration = std::time::Duration::from_secs(2);

/// Somebody tells HAProxy's master to reload, past vipkeeper.
#[test]
fn a_reload_by_somebody_else_loses_nothing_and_moves_nothing() {
    let Some(mut lab) = Lab::serving("reload_by_somebody_else", &Spec::default()) else { return };
    lab.probe_patiently(WWW);
    let start = now();
    for _ in 0..3 {
        let before = lab.status(LB1).unwrap().proxy;
        let master = rustix::process::Pid::from_raw(i32::try_from(before.master_pid.unwrap()).unwrap()).unwrap();
        // Right after a start or reload the master executes itself anew and ignores the signal: said again then.
        let mut said = now() - AGAIN_AFTER;
        lab.eventually("another worker serves", |lab| {
            if now() >= said + AGAIN_AFTER {
                rustix::process::kill_process(master, rustix::process::Signal::USR2).unwrap();
                said = now();
            }
            lab.status(LB1)
                .is_some_and(|s| s.proxy.healthy && s.proxy.worker_pid.is_some_and(|w| Some(w) != before.worker_pid))
        });
    }
    let sight = lab.sight(start);
    assert_eq!(sight.missed, [], "{sight:?}");
    assert_eq!(lab.vip(LB1, "www").unwrap().state, "active");
    assert_eq!(lab.vip(LB1, "www").unwrap().counters.get("transitions"), Some(&2), "it moved");
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
    assert!(!after.config.last_reload.unwrap().ok);
    report
}

#[test]
fn refused_files_change_nothing_and_say_why() {
    let good = Spec::default();
    let Some(mut lab) = Lab::serving("refused_files", &good) else { return };
    lab.probe_patiently(WWW);
    let start = now();

    let report = refused(&lab, &good.toml().replace("vrid = 51", "vrid = 510"));
    assert!(report.contains("vipkeeper.toml") && report.contains("510"), "{report}");

    let report = refused(&lab, "this is no TOML");
    assert!(report.contains("vipkeeper.toml"), "{report}");

    let unknown_to_haproxy = Spec { raw: "\"frobnicate on\"".to_owned(), ..good.clone() };
    let report = refused(&lab, &unknown_to_haproxy.toml());
    assert!(report.contains("frobnicate") && report.contains("vipkeeper.toml"), "{report}");

    let squatter = Backend::start(&lab.namespace(LB1), "squatter", LB1_FRONT, 8088).unwrap();
    let taken = Spec { binds: ", \"*:8088\"".to_owned(), ..good.clone() };
    let report = refused(&lab, &taken.toml());
    assert!(report.contains("8088"), "{report}");

    let sight = lab.sight(start);
    assert_eq!(sight.missed, [], "{sight:?}");
    assert_eq!(lab.holders(WWW), [LB1]);

    // The port is free again: the same file is taken.
    drop(squatter);
    lab.reload(LB1).unwrap();
}

#[test]
fn a_saved_file_is_noticed_without_being_told() {
    let mut spec = Spec::default();
    let Some(lab) = Lab::serving("saved_file", &spec) else { return };
    let before = lab.status(LB1).unwrap().config.digest;
    spec.weight = 7;
    lab.write(&spec.toml());
    lab.eventually("the new file is in force", |lab| {
        lab.status(LB1).is_some_and(|s| s.config.digest != before && s.config.last_reload.is_some_and(|r| r.ok))
    });
}

#[test]
fn a_file_that_went_wrong_before_a_restart_starts_with_the_last_good_one() {
    let spec = Spec::default();
    let Some(mut lab) = Lab::serving("last_good", &spec) else { return };
    lab.write("nonsense");
    lab.eventually("the wrong file was refused", |lab| {
        lab.status(LB1).and_then(|s| s.config.last_reload).is_some_and(|r| !r.ok)
    });
    lab.signal(LB1, rustix::process::Signal::TERM);
    lab.ended(LB1);
    lab.start(LB1);
    lab.settled(&spec);
}
