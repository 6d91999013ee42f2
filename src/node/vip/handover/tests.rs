//! What must hold of a hand-over after every turn is noticed when it does not.

mod knowing;
mod leaving;
mod peers;

use super::*;
use crate::config::HookSettings;
use crate::node::event::Network;
use crate::node::peering::Peering;
use crate::node::vip::tests::vip;
use crate::peer::Incarnation;
use crate::vrrp::router::Entitlement;

fn linger(until: Instant) -> Option<Linger> {
    Some(Linger { successor: Name::new("lb2").unwrap(), until, unless_taken: UnlessTaken::LetGo })
}

#[test]
fn who_lingers_without_end_or_while_active_is_noticed() {
    let (mut vip, now) = vip();
    vip.check_handover(now).unwrap();
    vip.handover.linger = linger(now + LINGER_MAX);
    assert_eq!(vip.check_handover(now).unwrap_err(), "a lingers until nobody knows when");
    vip.handover.wake = Some(now + LINGER_MAX);
    vip.check_handover(now).unwrap();
    vip.handover.wake = Some(now + LINGER_MAX * 2);
    assert_eq!(vip.check_handover(now).unwrap_err(), "a lingers until nobody knows when");
    vip.handover.linger = linger(now + LINGER_MAX + Duration::from_millis(1));
    assert_eq!(vip.check_handover(now).unwrap_err(), "a lingers for longer than 100ms");
    let priority = Priority::new(254).unwrap();
    let _steps = vip.router.entitle(now, Entitlement::Claim(priority));
    let _steps = vip.router.resume(now, priority, "test");
    assert_eq!(vip.check_handover(now).unwrap_err(), "a is active and lingers");
}

#[test]
fn a_deaf_rival_that_the_router_does_not_know_of_is_noticed() {
    let (mut vip, now) = vip();
    vip.handover.deaf = Some(Name::new("lb2").unwrap());
    assert_eq!(vip.check_handover(now).unwrap_err(), "a: its router and what is known of a deaf rival differ");
    vip.configure_router(now);
    vip.check_handover(now).unwrap();
}

#[test]
fn a_sign_of_life_is_overdue_after_an_interval_and_a_quarter() {
    let overdue = |ms| overdue_after(Duration::from_millis(ms)).as_millis();
    assert_eq!([overdue(1_000), overdue(100), overdue(10)], [1_252, 127, 14]);
}

#[test]
fn addresses_of_other_routers_are_remembered_for_peers_alone_and_not_for_ever() {
    let (mut vip, now) = vip();
    let (lb2, claim) = (Name::new("lb2").unwrap(), Claim::Of(Priority::new(1).unwrap()));
    let ip = |last: u8| IpAddr::from([10, 0, 1, last]);
    vip.handover.heard(now, now, (ip(0), None), claim);
    assert_eq!(vip.handover.signs.len(), 0);
    for last in 0..100 {
        vip.handover.heard(now, now, (ip(last), Some(&lb2)), claim);
    }
    assert_eq!(vip.handover.signs.len(), 64);
    let later = now + Duration::from_secs(1);
    vip.handover.heard(later, later, (ip(5), Some(&lb2)), claim);
    assert_eq!((vip.handover.signs.len(), vip.handover.signs[&ip(5)]), (64, later));
}

#[test]
fn a_peer_is_told_of_a_vip_in_which_both_take_part() {
    let (mut vip, now) = vip();
    let [me, lb2, other] = ["lb1", "lb2", "lb3"].map(|name| Name::new(name).unwrap());
    let (network, peering) = (Network::default(), Peering::new(me.clone(), Incarnation(1)));
    let hooks = HookSettings { user: None, group: None, timeout: Duration::from_secs(1) };
    let proxy = Verdict::Healthy;
    let (wall, stopping) = (Duration::ZERO, false);
    let host =
        Host { now, wall, network: &network, hooks: &hooks, stopping, me: &me, peering: &peering, proxy: &proxy };
    let state = vip.peer_state(&host, &lb2).unwrap();
    assert_eq!((state.role, state.fit, state.wants, state.why.as_str()), (Role::Fault, false, false, "starting"));
    assert_eq!(vip.peer_state(&host, &other), None);
    let _steps = vip.router.entitle(now, Entitlement::Claim(Priority::new(254).unwrap()));
    let state = vip.peer_state(&host, &lb2).unwrap();
    assert_eq!((state.role, state.fit, state.why.as_str()), (Role::Backup, true, ""));
    let failed = Verdict::Failed { why: "it\nended".to_owned() };
    let state = vip.peer_state(&Host { proxy: &failed, ..host }, &lb2).unwrap();
    assert_eq!((state.role, state.fit, state.why.as_str()), (Role::Backup, false, "it ended"));
    vip.farewell = Some("it has left".to_owned());
    let host =
        Host { now, wall, network: &network, hooks: &hooks, stopping, me: &me, peering: &peering, proxy: &proxy };
    assert_eq!(vip.peer_state(&host, &lb2), None);
}

#[test]
fn an_advert_of_somebody_else_shortens_what_lingers_and_a_resignation_does_not() {
    let (mut vip, now) = vip();
    let (lb2, other, claim) = (Name::new("lb2").unwrap(), IpAddr::from([10, 0, 1, 1]), Priority::new(1).unwrap());
    let until = now + LINGER_MAX;
    vip.handover.linger = Some(Linger { unless_taken: UnlessTaken::TakeBack, ..linger(until).unwrap() });
    vip.handover.heard(now, now, (other, Some(&lb2)), Claim::Resign);
    assert_eq!((vip.handover.linger.as_ref().unwrap().until, vip.handover.may_take_back()), (until, true));
    vip.handover.heard(now, now, (other, Some(&lb2)), Claim::Of(claim));
    let soon = now + Duration::from_millis(20);
    assert_eq!((vip.handover.linger.as_ref().unwrap().until, vip.handover.may_take_back()), (soon, false));
    let late = now + Duration::from_millis(90);
    vip.handover.heard(late, late, (other, Some(&lb2)), Claim::Of(claim));
    assert_eq!(vip.handover.linger.as_ref().unwrap().until, soon, "never longer");
    // With a hardware address of its own it goes at once.
    let virtual_one = Handover::new(vip.handover.id, Hardware::Virtual);
    assert_eq!(virtual_one.linger_heard, Duration::ZERO);
}

#[test]
fn only_an_advert_that_claims_the_vip_is_a_word_of_its_holder() {
    let (mut vip, now) = vip();
    vip.handover.spoke(now, Claim::Resign);
    assert_eq!(vip.handover.spoken, None);
    vip.handover.spoke(now, Claim::Of(Priority::new(1).unwrap()));
    assert_eq!(vip.handover.spoken, Some(now));
}

#[test]
fn the_others_of_a_group_leave_as_the_first_one_did() {
    let (mut vip, now) = vip();
    let lb2 = Name::new("lb2").unwrap();
    assert_eq!(vip.departure(now), None);
    assert!(!vip.handover.lingers() && !vip.handover.may_take_back());
    vip.handover.linger = Some(Linger { unless_taken: UnlessTaken::TakeBack, ..linger(now).unwrap() });
    let offered = Departure { leaving: Leaving::Offered(lb2.clone()), deaf: None };
    assert_eq!(vip.departure(now), Some(offered));
    assert!(vip.handover.lingers() && vip.handover.may_take_back());
    // Another one was taken.
    vip.handover.concede();
    assert!(!vip.handover.may_take_back());
    vip.handover.deaf = Some(lb2.clone());
    let yielded = Departure { leaving: Leaving::Yielded(lb2.clone()), deaf: Some(lb2) };
    assert_eq!(vip.departure(now), Some(yielded));
    // A router that no peer is.
    vip.handover.linger = None;
    let _steps = vip.router.entitle(now, Entitlement::Claim(Priority::new(100).unwrap()));
    let claim = Claim::Of(Priority::new(200).unwrap());
    let _steps = vip.router.hear(now, now, [10, 0, 0, 99].into(), claim, crate::units::Centis::SECOND);
    assert_eq!(vip.departure(now), Some(Departure { leaving: Leaving::Surrendered, deaf: None }));
}

#[test]
fn addresses_that_linger_go_with_the_word_of_their_successor_alone() {
    let (mut vip, now) = vip();
    vip.handover.linger = linger(now + LINGER_MAX);
    vip.successor_holds(&Name::new("lb3").unwrap());
    assert!(vip.handover.lingers());
    vip.successor_holds(&Name::new("lb2").unwrap());
    assert!(!vip.handover.lingers());
}
