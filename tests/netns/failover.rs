//! The VIP follows a healthy proxy, and there is one holder.

use std::time::Duration;

use rustix::process::Signal;
use vipkeeper::cli::demo::net::Port;
use vipkeeper::cli::demo::prober::Sight;
use vipkeeper::shell::clock::now;

use crate::lab::{LB1, LB1_BACK, LB2, LB2_BACK, Lab, MAIL, SOON, Spec, VipSpec, WWW, always, eventually, mail, www};

/// Adverts every 100 ms, and a second before a better node takes the VIP back: the failover can be seen.
fn slow_to_return() -> Spec {
    let www = VipSpec { more: format!("{}\npreempt_delay = \"1500ms\"", www().more), ..www() };
    Spec { vips: vec![www], ..Spec::default() }
}

fn short(sight: &Sight, at_most: Duration) {
    assert!(sight.outage.is_none_or(|o| o <= at_most), "clients lost service for too long: {sight:?}");
}

#[test]
fn killed_proxy_moves_the_vip_and_a_recovered_one_takes_it_back() {
    let Some(mut lab) = Lab::serving("killed_proxy", &slow_to_return()) else { return };
    lab.probe(WWW);
    let killed = now();
    lab.kill_proxy(LB1);
    lab.served_by(LB2_BACK, killed);
    assert_eq!(lab.holders(WWW), [LB2]);
    short(&lab.sight(killed), Duration::from_secs(1));
    let failed_over = now();
    lab.served_by(LB1_BACK, failed_over);
    lab.eventually("lb1 alone holds the VIP", |lab| lab.holders(WWW) == [LB1]);
    short(&lab.sight(failed_over), Duration::from_secs(1));
    // Told again, the journals of both give the same decisions.
    let (first, second) = (lab.replay(LB1), lab.replay(LB2));
    for part in ["lb1 www: backup -> active: ", "lb1 www: active -> fault: proxy failed: ", "lb1 - 10.77.0.100"] {
        assert!(first.contains(part), "{part} is missing in what lb1 decided:\n{first}");
    }
    for part in ["lb2 www: backup -> active: 10.77.0.11 resigned", "lb2 + 10.77.0.100", "lb2 www: active -> backup: "] {
        assert!(second.contains(part), "{part} is missing in what lb2 decided:\n{second}");
    }
}

#[test]
fn frozen_proxy_moves_the_vip() {
    let Some(mut lab) = Lab::serving("frozen_proxy", &slow_to_return()) else { return };
    lab.probe(WWW);
    let frozen = now();
    lab.signal_worker(LB1, Signal::STOP);
    lab.served_by(LB2_BACK, frozen);
    assert_eq!(lab.holders(WWW), [LB2]);
    short(&lab.sight(frozen), Duration::from_secs(2));
    // The frozen worker is got rid of, or lb1 would be lost for good.
    lab.served_by(LB1_BACK, now());
}

#[test]
fn stopped_vipkeeper_hands_the_vip_over_and_leaves_the_proxy_running() {
    let Some(mut lab) = Lab::serving("stopped_vipkeeper", &slow_to_return()) else { return };
    lab.probe(WWW);
    let master = lab.status(LB1).unwrap().proxy.master_pid.unwrap();
    let stopped = now();
    lab.signal(LB1, Signal::TERM);
    let status = lab.ended(LB1);
    assert!(status.success(), "{status}");
    lab.served_by(LB2_BACK, stopped);
    assert_eq!(lab.holders(WWW), [LB2]);
    short(&lab.sight(stopped), Duration::from_secs(1));
    assert!(lab.is_running(LB1, master), "the proxy of lb1 is gone");
}

#[test]
fn lease_of_a_killed_vipkeeper_ends() {
    let Some(mut lab) = Lab::serving("lease_ends", &Spec::default()) else { return };
    lab.probe(WWW);
    let killed = now();
    lab.signal(LB1, Signal::KILL);
    lab.ended(LB1);
    // The lease is 2 s; the kernel removes addresses within a tenth of a second.
    eventually("lb2 alone holds the VIP", Duration::from_secs(3), || lab.holders(WWW) == [LB2]);
    always("lb2 alone holds the VIP", Duration::from_secs(1), || lab.holders(WWW) == [LB2]);
    lab.served_by(LB2_BACK, killed);
}

#[test]
fn pulled_cable_moves_the_vip_and_a_plugged_one_brings_it_back() {
    let Some(mut lab) = Lab::serving("pulled_cable", &Spec::default()) else { return };
    lab.probe(WWW);
    let pulled = now();
    lab.set_port(LB1, Port::Pulled);
    lab.served_by(LB2_BACK, pulled);
    lab.eventually("lb1 is in fault and has given the VIP up", |lab| {
        lab.state(LB1, "www") == "fault" && lab.holders(WWW) == [LB2]
    });
    let why = lab.vip(LB1, "www").unwrap().why;
    assert!(why.contains("eth0"), "{why}");
    short(&lab.sight(pulled), Duration::from_millis(1500));
    lab.set_port(LB1, Port::Open);
    lab.served_by(LB1_BACK, now());
    lab.eventually("lb1 alone holds the VIP", |lab| lab.holders(WWW) == [LB1]);
}

#[test]
fn one_holder_remains_when_a_silent_partition_heals() {
    let Some(mut lab) = Lab::serving("silent_partition", &Spec::default()) else { return };
    lab.probe(WWW);
    let cut = now();
    lab.set_port(LB1, Port::Silent);
    lab.served_by(LB2_BACK, cut);
    short(&lab.sight(cut), Duration::from_millis(1500));
    lab.set_port(LB1, Port::Open);
    lab.eventually("lb1 alone holds the VIP", |lab| lab.holders(WWW) == [LB1] && lab.state(LB2, "www") == "backup");
    always("lb1 alone holds the VIP", Duration::from_secs(1), || lab.holders(WWW) == [LB1]);
}

#[test]
fn each_of_a_dual_master_pair_holds_its_own_and_both_when_alone() {
    let spec = Spec { vips: vec![www(), mail()], ..Spec::default() };
    let Some(mut lab) = Lab::serving("dual_master", &spec) else { return };
    assert_eq!((lab.holders(WWW), lab.holders(MAIL)), (vec![LB1], vec![LB2]));
    lab.signal(LB1, Signal::TERM);
    lab.ended(LB1);
    lab.eventually("lb2 holds both", |lab| lab.holders(WWW) == [LB2] && lab.holders(MAIL) == [LB2]);
    lab.start(LB1);
    lab.settled(&spec);
}

#[test]
fn unicast_pair_fails_over() {
    let www = VipSpec { more: format!("{}\ntransport = \"unicast\"", www().more), ..www() };
    let spec = Spec { vips: vec![www], ..Spec::default() };
    let Some(mut lab) = Lab::serving("unicast_pair", &spec) else { return };
    assert!(lab.vip(LB2, "www").unwrap().dropped.is_empty());
    lab.signal(LB1, Signal::TERM);
    lab.ended(LB1);
    lab.eventually("lb2 holds the VIP", |lab| lab.holders(WWW) == [LB2]);
    lab.start(LB1);
    lab.settled(&spec);
}

#[test]
fn vip_stays_where_it_is_without_preemption() {
    let www = VipSpec { more: format!("{}\npreempt = false", www().more), ..www() };
    let spec = Spec { vips: vec![www], ..Spec::default() };
    let Some(mut lab) = Lab::new("no_preemption", &spec) else { return };
    lab.start(LB2);
    lab.eventually("lb2 holds the VIP", |lab| lab.holders(WWW) == [LB2]);
    lab.start(LB1);
    lab.eventually("lb1 stands by", |lab| lab.healthy(LB1) && lab.state(LB1, "www") == "backup");
    always("lb2 holds the VIP", Duration::from_secs(1), || lab.holders(WWW) == [LB2]);
    lab.kill_proxy(LB2);
    lab.eventually("lb1 holds the VIP", |lab| lab.holders(WWW) == [LB1]);
}

#[test]
fn released_vip_stays_away_until_it_is_resumed() {
    let spec = Spec { vips: vec![www(), mail()], ..Spec::default() };
    let Some(lab) = Lab::serving("released_vip", &spec) else { return };
    assert!(lab.release(LB1, Some("nonsense"), Duration::ZERO).is_err());
    lab.release(LB1, Some("www"), Duration::ZERO).unwrap();
    lab.eventually("lb2 holds both", |lab| lab.holders(WWW) == [LB2] && lab.holders(MAIL) == [LB2]);
    let vip = lab.vip(LB1, "www").unwrap();
    assert_eq!((vip.priority, vip.holder.unwrap().node.as_deref()), (None, Some(LB2)));
    always("lb1 keeps away", Duration::from_secs(1), || lab.holders(WWW) == [LB2]);
    lab.resume(LB1, Some("www")).unwrap();
    lab.settled(&spec);
    lab.release(LB1, None, Duration::from_secs(1)).unwrap();
    lab.eventually("lb2 holds both", |lab| lab.holders(WWW) == [LB2]);
    eventually("the hold of a second is over", SOON, || lab.holders(WWW) == [LB1]);
}
