//! What operators ask of a running pair: a switchover, maintenance, an explanation; and the upgrade of vipkeeper itself.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use vipkeeper::cli::demo::prober::Miss;
use vipkeeper::shell::clock::now;

use crate::handover::{acquainted, keyed};
use crate::lab::{LB1, LB1_BACK, LB2, LB2_BACK, Lab, SOON, Spec, VipSpec, WWW, always, www};

/// A command of the command line about a node; its exit status and what it printed.
fn say(lab: &Lab, node: &str, words: &[&str]) -> (i32, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_vipkeeper"));
    let place = ["--runtime-dir", lab.runtime_dir(node).to_str().unwrap(), "--node", node].map(str::to_owned);
    let output = command.args(words).args(place).arg("--config").arg(lab.config()).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    (output.status.code().unwrap(), text)
}

/// A node that is fit takes it back at once.
fn eager() -> Spec {
    let vip = VipSpec { more: "preempt_delay = \"0s\"".to_owned(), ..www() };
    Spec { vips: vec![vip], ..keyed() }
}

#[test]
fn a_switchover_moves_the_vip_and_it_stays_there_until_resume() {
    let Some(mut lab) = acquainted("switchover", &eager(), &["haproxy"]) else { return };
    lab.probe_patiently(WWW);
    let asked = now();
    assert_eq!(
        say(&lab, LB1, &["switchover", "www"]),
        (
            0,
            "handing over www to lb2; this node stays behind the others until `vipkeeper resume`\nwww is on lb2\n"
                .to_owned()
        )
    );
    lab.served_by(LB2_BACK, asked);
    always("lb2 keeps it", Duration::from_secs(4), || lab.holders(WWW) == [LB2]);
    let sight = lab.sight(asked);
    println!("switchover: {} of {} missed", sight.missed.len(), sight.asked);
    assert!(matches!(sight.missed[..], [] | [Miss::Cut]), "{sight:?}");
    let vip = lab.vip(LB1, "www").unwrap();
    assert_eq!((vip.operator.as_deref(), vip.priority), (Some("standby"), Some(1)));
    let (status, text) = say(&lab, LB1, &["switchover", "www"]);
    assert_eq!((status, text.as_str()), (1, "vip www is on lb2: say it there\n"));
    let resumed = now();
    assert_eq!(say(&lab, LB1, &["resume", "www"]), (0, "taking part again: www\n".to_owned()));
    lab.served_by(LB1_BACK, resumed);
}

#[test]
fn a_node_in_maintenance_stays_empty_over_a_restart() {
    let Some(mut lab) = acquainted("maintenance", &eager(), &["haproxy"]) else { return };
    let (status, text) = say(&lab, LB1, &["maintenance", "on"]);
    assert_eq!(status, 0, "{text}");
    lab.eventually("lb2 alone holds the VIP", |lab| lab.holders(WWW) == [LB2]);
    lab.signal(LB1, Signal::TERM);
    assert!(lab.ended(LB1).success());
    lab.start(LB1);
    lab.eventually("lb1 is back, with a healthy proxy", |lab| lab.healthy(LB1));
    let (_, text) = say(&lab, LB1, &["status"]);
    assert!(text.contains("in maintenance: holds no VIP until `vipkeeper maintenance off`"), "{text}");
    always("lb2 keeps it", Duration::from_secs(3), || lab.holders(WWW) == [LB2]);
    let (status, text) = say(&lab, LB1, &["maintenance", "off"]);
    assert_eq!((status, text.as_str()), (0, "the maintenance is over, taking part again: www\n"));
    lab.eventually("lb1 alone holds the VIP", |lab| lab.holders(WWW) == [LB1]);
}

#[test]
fn an_explanation_tells_of_the_running_pair_and_of_what_could_happen() {
    let Some(lab) = acquainted("explain", &eager(), &["haproxy"]) else { return };
    let (status, text) = say(&lab, LB1, &["explain", "www"]);
    println!("{text}");
    assert_eq!(status, 0, "{text}");
    for expect in [
        "is here, on lb1, for",
        "lb1 (this node)",
        "has it",
        "could",
        "haproxy dies on lb1",
        "goes to lb2",
        "no advert for 3000 ms",
    ] {
        assert!(text.contains(expect), "no {expect:?} in\n{text}");
    }
    let (status, text) = say(&lab, LB1, &["explain", "ftp"]);
    assert_eq!((status, text.as_str()), (2, "this node takes part in no VIP \"ftp\", only in www\n"));
}

/// What a service manager does with `RestartKillSignal=SIGUSR1`, at an upgrade for instance.
#[test]
fn an_upgrade_of_vipkeeper_is_not_noticed_by_clients() {
    let Some(mut lab) = acquainted("upgrade", &keyed(), &["haproxy"]) else { return };
    let before = lab.status(LB1).unwrap();
    // It was up first, and had the VIP for a moment.
    let taken = |lab: &Lab| lab.log(LB2).matches("backup -> active").count();
    let taken_before = taken(&lab);
    lab.probe(WWW);
    let begun = now();
    for _ in 0..3 {
        lab.signal(LB1, Signal::USR1);
        assert!(lab.ended(LB1).success());
        lab.start(LB1);
        lab.eventually("lb1 holds it again by itself", |lab| lab.state(LB1, "www") == "active");
    }
    always("nobody else takes it", SOON / 10, || lab.holders(WWW) == [LB1]);
    let sight = lab.sight(begun);
    println!("three upgrades: {} of {} missed", sight.missed.len(), sight.asked);
    assert!(sight.missed.is_empty(), "{sight:?}");
    assert_eq!(lab.status(LB1).unwrap().proxy.master_pid, before.proxy.master_pid, "the proxy was not adopted");
    assert_eq!(lab.state(LB2, "www"), "backup");
    assert_eq!(taken(&lab), taken_before, "{}", lab.log(LB2));
}
