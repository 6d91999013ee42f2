//! Beyond the table: conflicts, patience, owners, version 2, young links and groups.

use std::net::Ipv6Addr;

use super::*;

/// The winner hears of its rival even when the loser heard it first.
#[test]
fn who_yields_says_so_once() {
    let t = t0();
    let mut router = active(config(), t);
    let says = |steps: &[Step]| steps.contains(&Step::Advertise(claim(100)));
    assert!(says(&hear(&mut router, t + ms(1), HIGH, claim(100))));
    assert_eq!(hear(&mut router, t + ms(2), HIGH, claim(100)), [], "a backup is silent");
    router.take_over(t + ms(3), "test");
    assert!(!says(&hear(&mut router, t + ms(4), HIGH, claim(100))), "not twice in an interval");
    router.take_over(t + ms(1_500), "test");
    assert!(says(&hear(&mut router, t + ms(1_501), HIGH, claim(100))));
}

#[test]
fn a_conflict_of_equals_has_one_winner_in_both_families() {
    let t = t0();
    let v6 = |last| IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, last));
    for (low, high) in [(LOW, HIGH), (v6(9), v6(0x10))] {
        let mut loser = active(RouterConfig { address: low, ..config() }, t);
        let mut winner = active(RouterConfig { address: high, ..config() }, t);
        let said = hear(&mut loser, t + ms(1), high, claim(100));
        assert_eq!((loser.role(), &said[0]), (Role::Backup, &Step::Advertise(claim(100))));
        let said = hear(&mut winner, t + ms(2), low, claim(100));
        assert_eq!(said, [Step::Advertise(claim(100)), Step::Reassert { rival: low }]);
        assert_eq!(hear(&mut loser, t + ms(3), high, claim(100)), []);
        assert_eq!((loser.role(), winner.role()), (Role::Backup, Role::Active));
    }
}

#[test]
fn a_proven_time_counts_from_fitness_from_a_yield_and_from_a_hang() {
    let t = t0();
    let patient = RouterConfig { preempt: Preempt::After(ms(10_000)), ..config() };
    let refused = |router: &mut Router, from: Instant| {
        // A weaker router is live: deferred to for ten seconds, preempted after.
        for n in 1..=10 {
            hear(router, from + ms(n * 990), LOW, claim(1));
            assert_eq!(router.tick(from + ms(n * 990)), [], "after {n} adverts");
        }
        let (heard, at) = router.waits_to_preempt(from + ms(9_950)).unwrap();
        assert_eq!((heard.source, at), (LOW, from + ms(10_000)));
        assert_eq!(router.waits_to_preempt(from + ms(10_000)), None);
        hear(router, from + ms(10_890), LOW, claim(1));
        assert_eq!(router.deadline(), Some(from + ms(9_900) + down()));
    };
    let mut fit = backup(patient, t);
    refused(&mut fit, t);
    let mut again = active(patient, t);
    again.entitle(t + ms(500), Entitlement::Abstain("the proxy was killed".into()));
    again.entitle(t + ms(700), Entitlement::Claim(prio(100)));
    refused(&mut again, t + ms(700));
    let mut lost = active(patient, t);
    hear(&mut lost, t + ms(800), HIGH, claim(200));
    refused(&mut lost, t + ms(800));
    let mut hung = active(patient, t);
    hung.tick(t + down() + ms(1));
    refused(&mut hung, t + down() + ms(1));
}

#[test]
fn a_preempt_delay_matters_only_against_a_live_router() {
    let t = t0();
    let patient = RouterConfig { preempt: Preempt::After(ms(60_000)), ..config() };
    let mut alone = backup(patient, t);
    assert_eq!(alone.waits_to_preempt(t), None);
    assert!(matches!(alone.tick(t + down())[..], [Step::Advertise(_), Step::Turn { to: Role::Active, .. }]));
    let mut successor = backup(patient, t);
    hear(&mut successor, t + ms(10), LOW, claim(1));
    hear(&mut successor, t + ms(20), LOW, Claim::Resign);
    let skew = config().skew(Centis::SECOND, prio(100));
    assert_eq!(successor.deadline(), Some(t + ms(20) + skew));
}

fn owner(config: RouterConfig, now: Instant) -> Router {
    let mut router = Router::new(config, "test");
    let steps = router.entitle(now, Entitlement::Claim(Priority::OWNER));
    let [Step::Advertise(said), Step::Turn { from: Role::Fault, to: Role::Active, .. }] = steps[..] else {
        panic!("{steps:?}")
    };
    assert_eq!(said, claim(255));
    router
}

/// RFC 9568 section 6.4.1.
#[test]
fn the_owner_does_not_wait() {
    let t = t0();
    let mut router = owner(config(), t);
    assert_eq!(hear(&mut router, t + ms(1), HIGH, claim(254)).len(), 2, "it asserts itself");
    assert_eq!(router.role(), Role::Active);
    // Nor for a link, nor for anybody else who is there already.
    let mut router = Router::new(config(), "test");
    router.hold_for_link(t + ms(3_000));
    hear(&mut router, t, HIGH, claim(254));
    router.entitle(t + ms(1), Entitlement::Claim(Priority::OWNER));
    assert_eq!(router.role(), Role::Active);
}

#[test]
fn of_two_owners_the_higher_address_goes_on_and_the_other_one_waits_for_silence() {
    let t = t0();
    let mut router = owner(config(), t);
    assert_eq!(hear(&mut router, t + ms(1), LOW, claim(255)).len(), 2, "the lower address asserts in vain");
    hear(&mut router, t + ms(2), HIGH, claim(255));
    assert_eq!(router.role(), Role::Backup);
    // Even when it starts anew it does not claim what it has just lost.
    router.entitle(t + ms(10), Entitlement::Abstain("the proxy was killed".into()));
    hear(&mut router, t + ms(1_002), HIGH, claim(255));
    router.entitle(t + ms(1_100), Entitlement::Claim(Priority::OWNER));
    assert_eq!(router.role(), Role::Backup);
    hear(&mut router, t + ms(2_002), HIGH, claim(255));
    let waits = config().down(Centis::SECOND, Priority::OWNER);
    assert_eq!(router.deadline(), Some(t + ms(2_002) + waits));
    router.tick(t + ms(2_002) + waits);
    assert_eq!((router.role(), router.priority()), (Role::Active, Some(Priority::OWNER)));
}

#[test]
fn an_owner_that_listens_preempts_whatever_is_configured() {
    let t = t0();
    let mut router = owner(RouterConfig { preempt: Preempt::Refused, ..config() }, t);
    router.relinquish(t, "test");
    hear(&mut router, t + ms(500), HIGH, claim(254));
    assert_eq!(router.deadline(), Some(t + config().down(Centis::SECOND, Priority::OWNER)));
}

#[test]
fn not_even_an_owner_preempts_a_router_that_would_not_notice() {
    let t = t0();
    let deaf = RouterConfig { rival: Rival::Deaf, ..config() };
    let mut router = owner(deaf, t);
    router.relinquish(t, "test");
    hear(&mut router, t + ms(500), HIGH, claim(254));
    assert_eq!(router.preempts_from(), None);
    assert_eq!(router.deadline(), Some(t + ms(500) + deaf.down(Centis::SECOND, Priority::OWNER)), "it is deferred to");
    router.configure(t + ms(600), config());
    assert_eq!(router.preempts_from(), Some(t));
}

/// RFC 3768 section 6.1 and RFC 9568 section 6.1, in microseconds.
#[test]
fn how_long_routers_wait() {
    let table = [
        // version, centiseconds, multiplier, priority, skew, down
        (Version::V3, 100, 3, 100, 609_375, 3_609_375),
        (Version::V3, 100, 3, 254, 7_812, 3_007_812),
        (Version::V3, 1, 3, 254, 78, 30_078),
        (Version::V3, 100, 1, 255, 3_906, 1_003_906),
        (Version::V3, 4_095, 100, 1, 40_790_039, 4_135_790_039),
        (Version::V2, 100, 3, 100, 609_375, 3_609_375),
        (Version::V2, 500, 3, 100, 609_375, 15_609_375),
        (Version::V2, 500, 2, 254, 7_812, 10_007_812),
    ];
    for (version, centis, multiplier, priority, skew, down) in table {
        let config = RouterConfig { version, multiplier, ..config() };
        let interval = Centis::new(centis).unwrap();
        let got = (config.skew(interval, prio(priority)), config.down(interval, prio(priority)));
        assert_eq!(got, (Duration::from_micros(skew), Duration::from_micros(down)), "{version:?} {centis} {priority}");
    }
}

#[test]
fn everything_that_waits_follows_the_multiplier() {
    let t = t0();
    let short = RouterConfig { multiplier: 1, ..config() };
    let down = short.down(Centis::SECOND, prio(100));
    let mut router = backup(short, t);
    assert_eq!(router.deadline(), Some(t + down));
    hear(&mut router, t, HIGH, claim(200));
    assert!(router.heard(t + ms(1_900)).is_some());
    assert!(router.heard(t + ms(2_100)).is_none(), "a router that was silent for so long is not shown as the holder");
    // A backup may have taken over by then.
    let mut router = active(short, t);
    assert!(matches!(router.tick(t + down + ms(1))[..], [Step::Turn { to: Role::Backup, .. }]));
    let mut router = active(RouterConfig { multiplier: 10, ..config() }, t);
    assert_eq!(router.tick(t + ms(9_000)), [Step::Advertise(claim(100))]);
}

#[test]
fn a_young_link_is_listened_to_beside_the_down_timer() {
    let t = t0();
    let fast = RouterConfig { interval: Centis::new(1).unwrap(), ..config() };
    let waits = fast.down(fast.interval, prio(100));
    let mut router = Router::new(fast, "test");
    router.hold_for_link(t + ms(3_000));
    router.entitle(t, Entitlement::Claim(prio(100)));
    assert_eq!(router.deadline(), Some(t + ms(3_000)));
    assert_eq!(router.tick(t + waits), []);
    // A first frame shows that frames arrive.
    router.link_carries();
    assert_eq!(router.deadline(), Some(t + waits));
    router.hold_for_link(t + ms(3_000));
    assert!(matches!(router.tick(t + ms(3_000))[..], [Step::Advertise(_), Step::Turn { to: Role::Active, .. }]));
    // What is proven by other means does not wait.
    let mut router = Router::new(fast, "test");
    router.hold_for_link(t + ms(3_000));
    router.resume(t, prio(100), "lease");
    assert_eq!(router.role(), Role::Active);
    let mut alone = Router::new(RouterConfig { company: Company::Alone, ..fast }, "test");
    alone.hold_for_link(t + ms(3_000));
    alone.entitle(t, Entitlement::Claim(prio(100)));
    assert_eq!(alone.deadline(), Some(t + waits), "alone there is nobody to listen to");
}

#[test]
fn a_group_holds_its_members_back() {
    let t = t0();
    let mut router = backup(config(), t);
    assert_eq!(router.defers_until(t), None, "nobody was heard");
    hear(&mut router, t + ms(100), HIGH, claim(200));
    assert_eq!(router.defers_until(t + ms(100)), Some(t + ms(100) + down()));
    hear(&mut router, t + ms(200), HIGH, Claim::Resign);
    assert_eq!((router.defers_until(t + ms(200)), router.has_heard_resignation()), (None, true));
    router.hold_for_group(Some(t + ms(5_000)));
    assert_eq!(router.deadline(), Some(t + ms(5_000)));
    router.hold_for_group(None);
    assert_eq!(router.deadline(), Some(t + ms(200) + config().skew(Centis::SECOND, prio(100))));
    let mut router = backup(config(), t);
    hear(&mut router, t + ms(100), LOW, claim(1));
    assert_eq!(router.defers_until(t + ms(100)), None, "it is preempted");
}

#[test]
fn a_backup_whose_host_stood_still_listens_for_one_interval_and_once() {
    let t = t0();
    let mut router = backup(config(), t);
    hear(&mut router, t, HIGH, claim(200));
    let (expires, listens) = (t + down(), ms(1_000) + config().skew(Centis::SECOND, prio(100)));
    assert!(!router.stood_still(expires + ms(499), ms(499)), "less than half an interval");
    assert_eq!(router.deadline(), Some(expires));
    assert!(router.stood_still(expires + ms(500), ms(500)));
    assert_eq!(router.deadline(), Some(expires + ms(500) + listens));
    assert_eq!(router.tick(expires + ms(500)), []);
    assert!(!router.stood_still(expires + ms(1_400), ms(900)), "the same silence is doubted once");
    assert_eq!(router.deadline(), Some(expires + ms(500) + listens));
    // Whoever speaks meanwhile is deferred to; the next silence is another one.
    hear(&mut router, expires + ms(1_500), HIGH, claim(200));
    assert_eq!(router.deadline(), Some(expires + ms(1_500) + down()));
    assert!(router.stood_still(expires + ms(6_000), ms(900)));
    assert_eq!(router.deadline(), Some(expires + ms(6_000) + listens));
    assert_eq!(router.tick(expires + ms(6_000) + listens).first(), Some(&Step::Advertise(claim(100))));
}

#[test]
fn a_resignation_and_a_router_alone_are_not_doubted() {
    let t = t0();
    let mut resigned = backup(config(), t);
    hear(&mut resigned, t, HIGH, claim(200));
    assert!(resigned.stood_still(t + ms(9_000), ms(5_000)));
    hear(&mut resigned, t + ms(9_000), HIGH, Claim::Resign);
    assert_eq!(resigned.deadline(), Some(t + ms(9_000) + config().skew(Centis::SECOND, prio(100))));
    assert!(!resigned.stood_still(t + ms(14_000), ms(5_000)));
    let mut alone = backup(RouterConfig { company: Company::Alone, ..config() }, t);
    assert!(!alone.stood_still(t + ms(9_000), ms(5_000)));
    assert!(!active(config(), t).stood_still(t + ms(9_000), ms(5_000)));
}

#[test]
fn the_last_word_of_a_loser_does_not_hide_the_winner_from_a_backup() {
    let t = t0();
    let source = |router: &Router, at| router.heard(at).map(|heard| heard.source);
    // first, second, pause between them, who is known to be active then
    let table = [
        ((HIGH, claim(254)), (LOW, claim(253)), ms(999), HIGH),
        ((HIGH, claim(254)), (LOW, claim(253)), ms(1_000), LOW),
        ((HIGH, claim(253)), (LOW, claim(254)), ms(1), LOW),
        ((HIGH, claim(200)), (LOW, claim(200)), ms(1), HIGH),
        ((LOW, claim(200)), (HIGH, claim(200)), ms(1), HIGH),
        ((HIGH, claim(254)), (HIGH, claim(120)), ms(1), HIGH),
        ((HIGH, Claim::Resign), (LOW, claim(120)), ms(1), LOW),
    ];
    for (first, second, pause, expect) in table {
        let mut router = backup(config(), t);
        hear(&mut router, t, first.0, first.1);
        hear(&mut router, t + pause, second.0, second.1);
        assert_eq!(source(&router, t + pause), Some(expect), "{first:?} {second:?} {pause:?}");
        assert_eq!(router.deadline(), Some(t + pause + down()), "either way somebody is active");
    }
    let mut router = backup(config(), t);
    hear(&mut router, t, HIGH, claim(254));
    hear(&mut router, t + ms(1), HIGH, claim(120));
    assert_eq!(router.heard(t + ms(1)).map(|heard| heard.claim), Some(claim(120)), "its own word always counts");
}

#[test]
fn a_resignation_that_another_vip_of_the_group_heard_counts_from_then() {
    let t = t0();
    let mut router = backup(config(), t);
    hear(&mut router, t, HIGH, claim(200));
    router.resigned_with_group(t + ms(10));
    assert_eq!((router.resigned_at(), router.resigner()), (Some(t + ms(10)), Some(HIGH)));
    assert_eq!((router.defers_until(t + ms(10)), router.heard(t + ms(10))), (None, None));
    router.resigned_with_group(t + ms(20));
    assert_eq!(router.resigned_at(), Some(t + ms(10)), "once");
    hear(&mut router, t + ms(30), HIGH, claim(200));
    assert_eq!(router.resigned_at(), None, "it is here after all");
}
