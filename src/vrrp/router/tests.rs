//! The transition table of RFC 9568 section 6.4, by hand, and properties over any sequence of inputs.

mod beyond;
mod bounds;

use std::net::Ipv4Addr;
use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::config::Version;

const ME: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 2));
const LOW: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const HIGH: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 3));

fn prio(p: u8) -> Priority {
    Priority::new(i64::from(p)).unwrap()
}

fn claim(p: u8) -> Claim {
    Claim::Of(prio(p))
}

fn config() -> RouterConfig {
    RouterConfig {
        interval: Centis::SECOND,
        version: Version::V3,
        multiplier: 3,
        preempt: Preempt::After(Duration::ZERO),
        address: ME,
        company: Company::Peers,
        rival: Rival::Hears,
    }
}

/// Base for arithmetic only: no test reads the clock again.
#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
fn t0() -> Instant {
    Instant::now()
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn backup(config: RouterConfig, now: Instant) -> Router {
    let mut router = Router::new(config, "test");
    let steps = router.entitle(now, Entitlement::Claim(prio(100)));
    assert!(matches!(steps[..], [Step::Turn { from: Role::Fault, to: Role::Backup, .. }]));
    router
}

fn active(config: RouterConfig, now: Instant) -> Router {
    let mut router = backup(config, now);
    let steps = router.resume(now, prio(100), "test");
    assert!(matches!(steps[..], [Step::Advertise(Claim::Of(_)), Step::Turn { to: Role::Active, .. }]));
    router
}

fn hear(router: &mut Router, now: Instant, source: IpAddr, claim: Claim) -> Vec<Step> {
    router.hear(now, now, source, claim, Centis::SECOND)
}

fn down() -> Duration {
    config().down(Centis::SECOND, prio(100))
}

#[test]
fn backup_takes_over_after_three_missed_adverts_and_the_skew() {
    let t = t0();
    let mut router = backup(config(), t);
    assert_eq!(down(), Duration::from_micros(3_609_375));
    hear(&mut router, t + ms(500), LOW, claim(200));
    assert_eq!(router.deadline(), Some(t + ms(500) + down()));
    assert_eq!(router.tick(t + ms(500) + down() - Duration::from_micros(1)), vec![]);
    let steps = router.tick(t + ms(500) + down());
    assert_eq!(steps[0], Step::Advertise(claim(100)));
    assert!(matches!(&steps[1], Step::Turn { to: Role::Active, why, .. } if why.contains("no advert from 10.0.0.1")));
}

#[test]
fn backup_takes_over_after_the_skew_alone_when_the_active_resigns() {
    let t = t0();
    let mut router = backup(config(), t);
    hear(&mut router, t, LOW, claim(200));
    hear(&mut router, t + ms(10), LOW, Claim::Resign);
    let skew = Centis::SECOND.skew(prio(100));
    assert_eq!(router.deadline(), Some(t + ms(10) + skew));
    assert!(matches!(router.tick(t + ms(10) + skew)[..], [_, Step::Turn { to: Role::Active, .. }]));
}

#[test]
fn a_bystander_cannot_resign_for_the_active() {
    let t = t0();
    let mut router = backup(config(), t);
    hear(&mut router, t, HIGH, claim(200));
    let before = router.deadline();
    hear(&mut router, t + ms(10), LOW, Claim::Resign);
    assert_eq!(router.deadline(), before);
}

#[test]
fn backup_adopts_the_interval_of_the_active() {
    let t = t0();
    let mut router = backup(config(), t);
    let ten = Centis::new(1).unwrap();
    router.hear(t, t, LOW, claim(200), ten);
    assert_eq!(router.deadline(), Some(t + config().down(ten, prio(100))));
}

#[test]
fn a_queued_advert_counts_from_its_arrival_in_the_kernel() {
    let t = t0();
    let mut router = backup(config(), t);
    router.hear(t + ms(2000), t + ms(300), LOW, claim(200), Centis::SECOND);
    assert_eq!(router.deadline(), Some(t + ms(300) + down()));
}

#[test]
fn backup_defers_to_equal_priority_and_to_the_owner() {
    let t = t0();
    for claim in [claim(100), claim(255)] {
        let mut router = backup(config(), t);
        hear(&mut router, t + ms(700), LOW, claim);
        assert_eq!(router.deadline(), Some(t + ms(700) + down()));
    }
}

#[test]
fn backup_lets_its_timer_run_against_a_lower_priority() {
    let t = t0();
    let mut router = backup(config(), t);
    hear(&mut router, t + ms(700), LOW, claim(99));
    assert_eq!(router.deadline(), Some(t + down()));
    let steps = router.tick(t + down());
    assert!(matches!(&steps[1], Step::Turn { why, .. } if why.contains("preempts 10.0.0.1")));
}

#[test]
fn nopreempt_defers_to_any_live_router() {
    let t = t0();
    let mut router = backup(RouterConfig { preempt: Preempt::Refused, ..config() }, t);
    hear(&mut router, t + ms(700), LOW, claim(1));
    assert_eq!(router.deadline(), Some(t + ms(700) + down()));
}

#[test]
fn preempt_delay_counts_from_the_moment_of_fitness() {
    let t = t0();
    let mut router = backup(RouterConfig { preempt: Preempt::After(ms(10_000)), ..config() }, t);
    hear(&mut router, t + ms(9_999), LOW, claim(1));
    assert_eq!(router.deadline(), Some(t + ms(9_999) + down()));
    hear(&mut router, t + ms(10_999), LOW, claim(1));
    assert_eq!(router.deadline(), Some(t + ms(9_999) + down()));
}

#[test]
fn active_yields_to_higher_priority_higher_address_and_owner() {
    let t = t0();
    for (source, theirs) in [(LOW, claim(101)), (HIGH, claim(100)), (LOW, claim(255))] {
        let mut router = active(config(), t);
        let steps = hear(&mut router, t + ms(1), source, theirs);
        let turned =
            matches!(steps[..], [Step::Advertise(ours), Step::Turn { to: Role::Backup, .. }] if ours == claim(100));
        assert!(turned, "{source} {theirs:?} {steps:?}");
        assert_eq!(router.deadline(), Some(t + ms(1) + down()));
    }
}

#[test]
fn active_asserts_itself_against_lower_priority_and_lower_address() {
    let t = t0();
    for (source, theirs) in [(HIGH, claim(99)), (LOW, claim(100))] {
        let mut router = active(config(), t);
        let steps = hear(&mut router, t + ms(1), source, theirs);
        assert_eq!(steps, [Step::Advertise(claim(100)), Step::Reassert { rival: source }]);
    }
}

#[test]
fn a_flooding_rival_cannot_make_the_active_flood() {
    let t = t0();
    let mut router = active(config(), t);
    let sent: usize = (0..1000).map(|i| hear(&mut router, t + ms(i), LOW, claim(1)).len() / 2).sum();
    assert_eq!(sent, 4);
}

#[test]
fn a_rival_cannot_silence_the_active() {
    let t = t0();
    let mut router = active(config(), t);
    let due = router.deadline();
    hear(&mut router, t + ms(900), LOW, claim(1));
    assert_eq!(router.deadline(), due);
}

#[test]
fn active_answers_a_resignation_with_an_advert() {
    let t = t0();
    let mut router = active(config(), t);
    let answer = [Step::Advertise(claim(100)), Step::Reassert { rival: LOW }];
    assert_eq!(hear(&mut router, t + ms(1), LOW, Claim::Resign), answer, "it held the VIP too");
    assert_eq!(hear(&mut router, t + ms(2), LOW, Claim::Resign), [], "once for the second that keepalived sends");
}

#[test]
fn adverts_keep_their_rhythm_when_a_tick_is_late() {
    let t = t0();
    let mut router = active(config(), t);
    assert_eq!(router.tick(t + ms(1_030)), [Step::Advertise(claim(100))]);
    assert_eq!(router.deadline(), Some(t + ms(2_000)));
    assert_eq!(router.tick(t + ms(4_500)), [Step::Advertise(claim(100))]);
    assert_eq!(router.deadline(), Some(t + ms(5_500)));
}

#[test]
fn active_resigns_when_it_must_abstain() {
    let t = t0();
    let mut router = active(config(), t);
    let steps = router.entitle(t, Entitlement::Abstain("haproxy is dead".into()));
    assert_eq!(
        steps,
        [
            Step::Advertise(Claim::Resign),
            Step::Turn { from: Role::Active, to: Role::Fault, why: "haproxy is dead".into() }
        ]
    );
    assert_eq!(router.deadline(), None);
}

#[test]
fn backup_abstains_silently() {
    let t = t0();
    let mut router = backup(config(), t);
    let steps = router.entitle(t, Entitlement::Abstain("why".into()));
    assert!(matches!(steps[..], [Step::Turn { to: Role::Fault, .. }]));
}

#[test]
fn initialize_listens_without_taking_part() {
    let t = t0();
    let mut router = Router::new(config(), "starting");
    assert_eq!(hear(&mut router, t, LOW, claim(1)), []);
    assert_eq!(router.heard(t).map(|h| h.source), Some(LOW));
    assert_eq!(router.tick(t + ms(60_000)), []);
    assert_eq!(router.role(), Role::Fault);
}

#[test]
fn a_changed_priority_is_advertised_at_once_and_moves_the_timer() {
    let t = t0();
    let mut router = active(config(), t);
    assert_eq!(router.entitle(t + ms(5), Entitlement::Claim(prio(80))), [Step::Advertise(claim(80))]);
    assert_eq!(router.entitle(t + ms(6), Entitlement::Claim(prio(80))), []);
    let mut router = backup(config(), t);
    router.entitle(t, Entitlement::Claim(prio(200)));
    assert_eq!(router.deadline(), Some(t + config().down(Centis::SECOND, prio(200))));
}

#[test]
fn an_active_that_hung_listens_before_it_speaks() {
    let t = t0();
    let mut router = active(config(), t);
    let late = t + down() + ms(1);
    let steps = router.tick(late);
    assert!(matches!(&steps[..], [Step::Turn { to: Role::Backup, why, .. }] if why.contains("hung")));
    let mut router = active(config(), t);
    let steps = hear(&mut router, late, LOW, claim(1));
    assert!(matches!(&steps[..], [Step::Turn { to: Role::Backup, .. }]), "{steps:?}");
}

#[test]
fn an_active_without_company_goes_on_after_a_hang() {
    let t = t0();
    let mut router = active(RouterConfig { company: Company::Alone, ..config() }, t);
    assert_eq!(router.tick(t + ms(60_000)), [Step::Advertise(claim(100))]);
}

#[test]
fn an_active_that_hung_steps_down_before_it_obeys() {
    let t = t0();
    let late = t + down() + ms(1);
    let mut router = active(config(), t);
    let steps = router.entitle(late, Entitlement::Claim(prio(80)));
    assert!(matches!(&steps[..], [Step::Turn { to: Role::Backup, .. }]), "{steps:?}");
    let mut router = active(config(), t);
    let steps = router.entitle(late, Entitlement::Abstain("dead".into()));
    assert!(
        matches!(&steps[..], [Step::Turn { to: Role::Backup, .. }, Step::Turn { to: Role::Fault, .. }]),
        "{steps:?}"
    );
}

#[test]
fn an_active_goes_on_for_as_long_as_a_backup_waits() {
    let t = t0();
    let mut router = active(config(), t);
    assert_eq!(router.tick(t + down()), [Step::Advertise(claim(100))]);
    let mut router = active(config(), t);
    router.tick(t + ms(3_000));
    assert_eq!(router.tick(t + ms(3_000) + down()), [Step::Advertise(claim(100))]);
}

#[test]
fn a_shorter_interval_is_advertised_at_once_and_no_hang() {
    let t = t0();
    let mut router = active(RouterConfig { interval: Centis::new(1000).unwrap(), ..config() }, t);
    router.configure(t + ms(9_000), config());
    assert_eq!(router.deadline(), Some(t + ms(9_000)));
    assert_eq!(router.tick(t + ms(9_000)), [Step::Advertise(claim(100))]);
    assert_eq!(router.deadline(), Some(t + ms(10_000)));
}

#[test]
fn a_configuration_that_changes_nothing_sends_nothing() {
    let t = t0();
    let mut router = active(config(), t);
    router.configure(t + ms(500), config());
    assert_eq!(router.deadline(), Some(t + ms(1_000)));
}

#[test]
fn a_changed_interval_does_not_hide_a_hang() {
    let t = t0();
    let mut router = active(config(), t);
    router.configure(t + ms(5_000), RouterConfig { interval: Centis::new(50).unwrap(), ..config() });
    let steps = router.tick(t + ms(5_000));
    assert!(matches!(&steps[..], [Step::Turn { to: Role::Backup, .. }]), "{steps:?}");
}

#[test]
fn a_repeated_resignation_does_not_put_off_the_takeover() {
    let t = t0();
    let mut router = backup(config(), t);
    hear(&mut router, t, LOW, claim(200));
    hear(&mut router, t + ms(10), LOW, Claim::Resign);
    let due = router.deadline();
    hear(&mut router, t + ms(300), LOW, Claim::Resign);
    assert_eq!(router.deadline(), due);
    // But a sign of life ends it.
    hear(&mut router, t + ms(400), LOW, claim(200));
    assert_eq!(router.deadline(), Some(t + ms(400) + down()));
}

#[test]
fn a_router_that_resigned_is_not_shown_as_the_holder() {
    let t = t0();
    let mut router = backup(config(), t);
    hear(&mut router, t, LOW, claim(200));
    assert_eq!(router.heard(t + ms(1)).map(|h| h.source), Some(LOW));
    hear(&mut router, t + ms(10), LOW, Claim::Resign);
    assert_eq!(router.heard(t + ms(11)), None);
}

#[test]
fn a_named_successor_takes_over_at_once() {
    let t = t0();
    let mut router = backup(config(), t);
    hear(&mut router, t, LOW, claim(200));
    let steps = router.take_over(t + ms(1), "10.0.0.1 names us its successor");
    assert_eq!(steps[0], Step::Advertise(claim(100)));
    assert!(matches!(&steps[1], Step::Turn { from: Role::Backup, to: Role::Active, why } if why.contains("successor")));
    assert_eq!(router.deadline(), Some(t + ms(1_001)));
    assert_eq!(router.take_over(t + ms(2), "again"), []);
    let mut unfit = Router::new(config(), "starting");
    assert_eq!(unfit.take_over(t, "why"), []);
    assert_eq!(unfit.role(), Role::Fault);
}

#[test]
fn who_relinquishes_resigns_and_listens() {
    let t = t0();
    let mut router = active(config(), t);
    let steps = router.relinquish(t + ms(10), "lb2 takes over");
    let turn = Step::Turn { from: Role::Active, to: Role::Backup, why: "lb2 takes over".into() };
    assert_eq!(steps, [Step::Advertise(Claim::Resign), turn]);
    assert_eq!(router.deadline(), Some(t + ms(10) + down()));
    assert_eq!(router.relinquish(t + ms(11), "again"), []);
    // The successor did not come: the VIP is not left alone.
    let steps = router.tick(t + ms(10) + down());
    assert!(matches!(&steps[1], Step::Turn { to: Role::Active, why, .. } if why == "nobody is active"), "{steps:?}");
}

#[test]
fn who_hung_does_not_resign_for_a_successor() {
    let t = t0();
    let mut router = active(config(), t);
    let steps = router.relinquish(t + down() + ms(1), "lb2 takes over");
    assert!(matches!(&steps[..], [Step::Turn { to: Role::Backup, why, .. }] if why.contains("hung")), "{steps:?}");
}

#[test]
fn a_vouched_holder_is_waited_for_as_one_that_speaks() {
    let t = t0();
    let mut router = backup(config(), t);
    hear(&mut router, t, LOW, claim(200));
    router.vouch(t + ms(3_000), t + ms(2_999));
    assert_eq!(router.deadline(), Some(t + ms(2_999) + down()));
    assert_eq!(router.heard(t + ms(6_000)).map(|h| h.source), Some(LOW));
    // One that was under way for long takes nothing back, one from the future gives nothing.
    router.vouch(t + ms(3_100), t + ms(1_000));
    assert_eq!(router.deadline(), Some(t + ms(2_999) + down()));
    router.vouch(t + ms(3_100), t + ms(60_000));
    assert_eq!(router.deadline(), Some(t + ms(3_100) + down()));
}

#[test]
fn nobody_vouches_for_who_is_preempted_or_resigned() {
    let t = t0();
    let mut router = backup(config(), t);
    hear(&mut router, t, LOW, claim(99));
    router.vouch(t + ms(3_000), t + ms(3_000));
    assert_eq!(router.deadline(), Some(t + down()), "it is preempted");
    let mut router = backup(config(), t);
    hear(&mut router, t, LOW, claim(200));
    hear(&mut router, t + ms(10), LOW, Claim::Resign);
    let due = router.deadline();
    router.vouch(t + ms(11), t + ms(11));
    assert_eq!(router.deadline(), due, "it has resigned");
    let mut router = backup(config(), t);
    router.vouch(t + ms(500), t + ms(500));
    assert_eq!(router.deadline(), Some(t + ms(500) + down()), "it was never heard, so it may be the stronger one");
    let mut router = active(config(), t);
    router.vouch(t + ms(500), t + ms(500));
    assert_eq!(router.deadline(), Some(t + ms(1_000)));
}

#[derive(Debug, Clone)]
enum Op {
    Wait(u64),
    Tick,
    Hear(u8, u8, u16),
    Claim(u8),
    Abstain,
    TakeOver,
    Relinquish,
    Vouch(u64),
    HoldLink(u64),
    LinkCarries,
    HoldGroup(Option<u64>),
}

fn op() -> impl Strategy<Value = Op> {
    prop_oneof![
        (0u64..5_000).prop_map(Op::Wait),
        Just(Op::Tick),
        (1u8..=3, 0u8..=255, 1u16..=200).prop_map(|(s, p, i)| Op::Hear(s, p, i)),
        (1u8..=255).prop_map(Op::Claim),
        Just(Op::Abstain),
        Just(Op::TakeOver),
        Just(Op::Relinquish),
        (0u64..5_000).prop_map(Op::Vouch),
        (0u64..5_000).prop_map(Op::HoldLink),
        Just(Op::LinkCarries),
        proptest::option::of(0u64..5_000).prop_map(Op::HoldGroup),
    ]
}

proptest! {
    #[test]
    fn no_sequence_of_inputs_breaks_the_machine(ops in proptest::collection::vec(op(), 1..200)) {
        let mut now = t0();
        let mut router = Router::new(config(), "start");
        let mut entitled = false;
        for op in ops {
            let before = router.role();
            let steps = match op {
                Op::Wait(n) => { now += ms(n); Vec::new() }
                Op::Tick => router.tick(now),
                Op::Hear(s, p, i) => {
                    let claim = match p { 0 => Claim::Resign, p => claim(p) };
                    router.hear(now, now, Ipv4Addr::new(10, 0, 0, s).into(), claim, Centis::new(i).unwrap())
                }
                Op::Claim(p) => { entitled = true; router.entitle(now, Entitlement::Claim(prio(p))) }
                Op::HoldLink(n) => { router.hold_for_link(now + ms(n)); Vec::new() }
                Op::LinkCarries => { router.link_carries(); Vec::new() }
                Op::HoldGroup(n) => { router.hold_for_group(n.map(|n| now + ms(n))); Vec::new() }
                Op::TakeOver => router.take_over(now, "named"),
                Op::Relinquish => router.relinquish(now, "asked"),
                Op::Vouch(ago) => { router.vouch(now, now.checked_sub(ms(ago)).unwrap_or(now)); Vec::new() }
                Op::Abstain => { entitled = false; router.entitle(now, Entitlement::Abstain("no".into())) }
            };
            // Never active without being entitled; every change of role is told exactly once.
            prop_assert!(entitled || router.role() == Role::Fault);
            let turns = steps.iter().filter(|s| matches!(s, Step::Turn { .. })).count();
            prop_assert_eq!(turns > 0, before != router.role());
            prop_assert!(steps.len() <= 3);
            // After a tick nothing is overdue.
            let _drained = router.tick(now);
            prop_assert!(router.deadline().is_none_or(|d| d > now));
        }
    }

    #[test]
    fn a_higher_priority_always_waits_less(a in 1u8..=254, b in 1u8..=254, centis in 1u16..=4095) {
        let interval = Centis::new(centis).unwrap();
        prop_assert_eq!(a.cmp(&b), config().down(interval, prio(b)).cmp(&config().down(interval, prio(a))));
    }
}
