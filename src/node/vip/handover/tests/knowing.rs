//! What is known of the others, and what follows from it for a VIP that stays where it is; to the instant.

use super::peers::*;
use super::*;
use crate::node::peering::tests::{a, state};
use crate::node::tests::fixture::{ms, name};
use crate::units::Centis;

#[test]
fn a_backup_wants_what_a_weaker_one_holds_from_the_instant_on_that_it_may_preempt() {
    let mut lab = Lab::backup();
    assert!(!lab.wants(), "nobody is active");
    for (claim, wants) in [(of(199), true), (of(200), false), (of(201), false), (of(100), true)] {
        lab.hears(LB2, claim);
        assert_eq!(lab.wants(), wants, "{claim:?}");
    }
    lab.vip.handover.deaf = Some(name("lb2"));
    assert!(!lab.wants());
    lab.vip.handover.deaf = None;
    lab.vip.config.preempt = Preempt::After(ms(500));
    lab.vip.configure_router(lab.now);
    for (after, wants) in [(499, false), (500, true)] {
        lab.now = lab.start + ms(after);
        assert_eq!(lab.wants(), wants, "{after}");
    }
    lab.vip.config.preempt = Preempt::Refused;
    lab.vip.configure_router(lab.now);
    assert!(!lab.wants());
    // Without adverts what they say of themselves counts.
    for (priority, wants) in [(199, true), (200, false)] {
        let mut lab = Lab::backup();
        lab.says("lb2", state(Role::Active, priority));
        assert_eq!(lab.wants(), wants, "{priority}");
        lab.says("lb3", state(Role::Active, 250));
        assert!(!lab.wants(), "another one is stronger");
    }
    let mut lab = Lab::active();
    lab.says("lb2", state(Role::Active, 100));
    assert!(!lab.wants(), "it is here");
}

#[test]
fn a_peer_is_heard_for_as_long_as_a_router_may_be_silent() {
    let mut lab = Lab::backup();
    let hears = |lab: &Lab, of: &str| lab.ask(|vip, host| vip.peer_state(host, &name(of)).unwrap().hears);
    assert!(!hears(&lab, "lb2"));
    lab.vip.handover.heard(lab.now, lab.now, (LB2.into(), Some(&name("lb2"))), of(100));
    lab.now = lab.start + lab.vip.down();
    assert!(hears(&lab, "lb2") && !hears(&lab, "lb3"));
    lab.now += MOMENT;
    assert!(!hears(&lab, "lb2"));
    // From an address that nobody is known by: who says that it is active.
    let mut lab = Lab::backup();
    lab.hears([10, 0, 0, 99], of(250));
    assert!(!hears(&lab, "lb2"));
    lab.says("lb2", state(Role::Active, 250));
    assert!(hears(&lab, "lb2") && !hears(&lab, "lb3"));
    lab.says("lb3", state(Role::Active, 240));
    assert!(!hears(&lab, "lb2"), "who of the two?");
    let mut lab = Lab::backup();
    lab.hears(LB3, of(250));
    lab.says("lb2", state(Role::Active, 250));
    assert!(!hears(&lab, "lb2"), "those are adverts of lb3");
}

#[test]
fn the_holder_is_who_was_heard_or_the_only_one_that_says_so() {
    let holder = |lab: &Lab| lab.ask(|vip, host| vip.holder(host).map(ToString::to_string));
    let mut lab = Lab::backup();
    assert_eq!(holder(&lab), None);
    lab.says("lb3", state(Role::Active, 250));
    assert_eq!(holder(&lab).as_deref(), Some("lb3"));
    lab.hears(LB2, of(250));
    assert_eq!(holder(&lab).as_deref(), Some("lb2"));
    let mut lab = Lab::backup();
    lab.says("lb2", state(Role::Active, 250));
    lab.says("lb3", state(Role::Active, 240));
    assert_eq!(holder(&lab), None);
}

#[test]
fn a_vip_without_its_proxy_stays_within_its_grace_while_nobody_else_is_fit() {
    let verdict = |lab: &Lab, after| {
        let failed_since = Some(lab.now);
        let host = Host { peering: &lab.company.peering, ..lab.stage.host(lab.now + after) };
        lab.vip.without_proxy(&host, failed_since)
    };
    let last = ms(700) - MOMENT;
    let mut lab = Lab::active();
    assert_eq!((verdict(&lab, last), verdict(&lab, ms(700))), (WithoutProxy::Stay, WithoutProxy::Leave));
    assert_eq!(lab.ask(|vip, host| vip.without_proxy(host, None)), WithoutProxy::Leave);
    assert_eq!(verdict(&Lab::backup(), last), WithoutProxy::Leave, "it is not here");
    let now = lab.now;
    let alone = lab.vip.without_proxy(&lab.stage.host(now), Some(now));
    assert_eq!(alone, WithoutProxy::Leave, "without hellos nobody is known to be unfit");
    lab.says("lb2", VipState { fit: false, ..state(Role::Backup, 100) });
    assert_eq!(verdict(&lab, last), WithoutProxy::Stay);
    lab.says("lb2", state(Role::Backup, 100));
    assert_eq!(verdict(&lab, last), WithoutProxy::Leave);
}

#[test]
fn a_hello_stands_for_an_advert_that_is_missing_and_for_no_other() {
    let say = |lab: &mut Lab, from: &str, said: &VipState, at: u64| {
        let at = lab.start + ms(at);
        lab.now = at;
        let before = lab.vouched();
        lab.with(|vip, host, _| vip.peer_says(host, &name(from), said, at));
        lab.vouched() > before
    };
    let active = |priority| state(Role::Active, priority);
    // An interval and a quarter, and two milliseconds.
    for (at, counts) in [(1_251, false), (1_252, true)] {
        assert_eq!(say(&mut Lab::backup(), "lb2", &active(250), at), counts, "{at}");
    }
    assert!(!say(&mut Lab::active(), "lb2", &active(250), 1_252));
    assert!(!say(&mut Lab::backup(), "lb2", &state(Role::Backup, 250), 1_252));
    // A weaker one is preempted, unless that is refused or it would not notice.
    assert!(say(&mut Lab::backup(), "lb2", &active(200), 1_252));
    assert!(!say(&mut Lab::backup(), "lb2", &active(199), 1_252));
    let mut lab = Lab::backup();
    lab.vip.config.preempt = Preempt::Refused;
    assert!(say(&mut lab, "lb2", &active(199), 1_252));
    let mut lab = Lab::backup();
    lab.vip.handover.deaf = Some(name("lb2"));
    assert!(say(&mut lab, "lb2", &active(199), 1_252));
    // Another one holds it.
    let mut lab = Lab::backup();
    lab.hears(LB3, of(250));
    assert!(!say(&mut lab, "lb2", &active(250), 1_252));
    assert!(say(&mut lab, "lb3", &active(250), 1_252));
}

#[test]
fn a_named_successor_takes_over_from_the_holder_alone_and_with_a_proxy_that_serves() {
    for (holder, healthy, takes) in [(LB2, true, true), (LB3, true, false), (LB2, false, false)] {
        let mut lab = Lab::backup();
        lab.hears(holder, of(250));
        if !healthy {
            lab.stage.proxy = Verdict::Failed { why: "it ended".to_owned() };
        }
        lab.with(|vip, host, out| vip.named_successor(host, &name("lb2"), out));
        assert_eq!(lab.role() == Role::Active, takes);
        assert_eq!(lab.vip.counters.contains_key("offers-ignored"), !takes);
        assert!(!takes || lab.vip.why == "lb2 hands over");
    }
}

/// When the next turn has something to do, in milliseconds from the start.
fn wakes(lab: &mut Lab, failed_since: Option<Instant>) -> Option<u128> {
    lab.with(|vip, host, _| vip.wake_for_handover(host, failed_since));
    lab.vip.handover.wake.map(|at| (at - lab.start).as_millis())
}

#[test]
fn a_vip_wakes_for_the_first_thing_that_is_to_come() {
    let mut lab = Lab::active();
    let start = Some(lab.start);
    assert_eq!((wakes(&mut lab, None), wakes(&mut lab, start)), (None, Some(700)));
    lab.at(700);
    assert_eq!(wakes(&mut lab, start), None, "it is over");
    let mut lab = Lab::backup();
    assert_eq!(wakes(&mut lab, start), None, "it is not here, and may preempt already");
    lab.vip.config.preempt = Preempt::After(ms(500));
    lab.vip.configure_router(lab.now);
    assert_eq!(wakes(&mut lab, None), Some(500));
    lab.vip.handover.linger = linger(lab.now + ms(90));
    assert_eq!(wakes(&mut lab, None), Some(90));
    let now = lab.now;
    let host = lab.stage.host(now);
    lab.vip.handover.linger = None;
    lab.vip.wake_for_handover(&host, None);
    assert_eq!(lab.vip.handover.wake, None, "without hellos nobody is asked to let go");
}

#[test]
fn a_holder_whose_advert_is_missing_is_asked_and_again_every_quarter_of_an_interval() {
    let mut lab = Lab::backup();
    lab.hears(LB2, of(250));
    lab.says("lb2", state(Role::Active, 250));
    assert_eq!(wakes(&mut lab, None), Some(1_252));
    for (at, asks) in [(1_251, 0), (1_252, 1), (1_501, 1), (1_502, 2)] {
        lab.at(at);
        lab.settle();
        assert_eq!(lab.vip.handover.said.len(), asks, "{at}");
    }
    assert_eq!(lab.vip.handover.said[0], (Some(name("lb2")), Item::Ask(a())));
    assert_eq!(wakes(&mut lab, None), Some(1_752));
    // Not more often than every 3 ms.
    let mut lab = Lab::backup();
    let _steps = lab.vip.router.hear(lab.now, lab.now, LB2.into(), of(250), Centis::new(1).unwrap());
    lab.says("lb2", state(Role::Active, 250));
    for (at, asks) in [(13, 0), (15, 1), (17, 1), (18, 2)] {
        lab.at(at);
        lab.settle();
        assert_eq!(lab.vip.handover.said.len(), asks, "{at}");
    }
}

#[test]
fn who_has_resigned_or_is_to_be_preempted_is_not_asked() {
    let asked = |lab: &mut Lab| {
        lab.at(1_252);
        lab.settle();
        lab.vip.handover.said.len()
    };
    let holder = |priority| {
        let mut lab = Lab::backup();
        lab.hears(LB2, of(priority));
        lab.says("lb2", state(Role::Active, priority));
        lab
    };
    assert_eq!((asked(&mut holder(250)), asked(&mut holder(199))), (1, 0));
    let mut lab = holder(250);
    lab.hears(LB2, Claim::Resign);
    assert_eq!(asked(&mut lab), 0);
    let mut lab = holder(250);
    lab.says("lb2", state(Role::Backup, 250));
    assert_eq!(asked(&mut lab), 0);
}

fn troubles(lab: &Lab) -> Vec<String> {
    let of = lab.ask(|vip, host| vip.peer_troubles(host));
    of.into_iter().map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn adverts_that_do_not_arrive_are_a_trouble_of_who_has_been_waiting_for_long() {
    let mut lab = Lab::backup();
    lab.vip.since = lab.start;
    let long = lab.vip.down() * 2;
    for (after, trouble) in [(long, false), (long + MOMENT, true)] {
        lab.now = lab.start + after;
        lab.says("lb2", state(Role::Active, 250));
        lab.says("lb3", state(Role::Backup, 240));
        let expect = if trouble { vec!["adverts of lb2 do not arrive, its hellos do"] } else { vec![] };
        assert_eq!(troubles(&lab), expect);
    }
    // One that arrived lately enough.
    let sign = lab.now.checked_sub(long).unwrap();
    lab.vip.handover.heard(sign, sign, (LB2.into(), Some(&name("lb2"))), of(250));
    assert!(troubles(&lab).is_empty());
    lab.now += MOMENT;
    assert_eq!(troubles(&lab).len(), 1);
    // From an address that nobody is known by.
    lab.hears([10, 0, 0, 99], of(250));
    assert!(troubles(&lab).is_empty());
}

#[test]
fn backups_that_do_not_hear_our_adverts_are_a_trouble_of_who_has_been_active_for_long() {
    let mut lab = Lab::active();
    let long = lab.vip.down() * 2;
    for (after, trouble) in [(long, false), (long + MOMENT, true)] {
        lab.now = lab.start + after;
        lab.says("lb2", deaf(Role::Backup, 100));
        lab.says("lb3", state(Role::Backup, 100));
        let expect = if trouble { vec!["lb2 does not hear our adverts, only our hellos"] } else { vec![] };
        assert_eq!(troubles(&lab), expect);
    }
    lab.says("lb2", deaf(Role::Fault, 100));
    assert!(troubles(&lab).is_empty());
    lab.vip.handover.deaf = Some(name("lb2"));
    assert_eq!(troubles(&lab), ["lb2 does not hear us"]);
}
