//! The exact instants and the small answers: what a deliberately broken router got away with before.

use super::*;

#[test]
fn a_tick_that_is_a_whole_interval_late_sends_one_advert() {
    let t = t0();
    let mut router = active(config(), t);
    assert_eq!(router.tick(t + ms(2_000)), [Step::Advertise(claim(100))]);
    assert_eq!(router.deadline(), Some(t + ms(3_000)), "the next one is not due at once");
}

#[test]
fn a_changed_priority_starts_the_interval_anew() {
    let t = t0();
    let mut router = active(config(), t);
    router.entitle(t + ms(400), Entitlement::Claim(prio(80)));
    assert_eq!(router.deadline(), Some(t + ms(1_400)));
}

#[test]
fn who_preempts_is_told_from_when_on() {
    let t = t0();
    let from = |preempt, priority: Priority| {
        let mut router = Router::new(RouterConfig { preempt, ..config() }, "test");
        router.entitle(t, Entitlement::Claim(prio(100)));
        router.entitle(t, Entitlement::Claim(priority));
        router.preempts_from()
    };
    assert_eq!(from(Preempt::After(ms(700)), prio(200)), Some(t + ms(700)));
    assert_eq!(from(Preempt::Refused, prio(200)), None);
    assert_eq!(from(Preempt::After(ms(700)), Priority::OWNER), Some(t));
    assert_eq!(from(Preempt::Refused, Priority::OWNER), Some(t));
}

#[test]
fn a_deaf_holder_is_not_waited_for() {
    let t = t0();
    let patient = RouterConfig { preempt: Preempt::After(ms(10_000)), ..config() };
    let mut router = backup(patient, t);
    hear(&mut router, t + ms(1), LOW, claim(1));
    assert!(router.waits_to_preempt(t + ms(2)).is_some());
    router.configure(t + ms(2), RouterConfig { rival: Rival::Deaf, ..patient });
    assert_eq!(router.waits_to_preempt(t + ms(2)), None);
}

#[test]
fn deferring_ends_when_the_down_timer_does() {
    let t = t0();
    let mut router = backup(config(), t);
    hear(&mut router, t, HIGH, claim(200));
    let expires = t + down();
    assert_eq!(router.defers_until(expires - Duration::from_micros(1)), Some(expires));
    assert_eq!(router.defers_until(expires), None);
}

#[test]
fn a_resignation_and_a_hold_are_shown_only_while_they_last() {
    let t = t0();
    let mut router = backup(config(), t);
    hear(&mut router, t, HIGH, claim(200));
    assert!(!router.has_heard_resignation());
    hear(&mut router, t + ms(1), HIGH, Claim::Resign);
    assert!(router.has_heard_resignation());
    assert_eq!(router.link_hold(), None);
    router.hold_for_link(t + ms(3_000));
    assert_eq!(router.link_hold(), Some(t + ms(3_000)));
    router.link_carries();
    assert_eq!(router.link_hold(), None);
}

#[test]
fn roles_have_the_names_that_hooks_and_status_use() {
    assert_eq!([Role::Fault, Role::Backup, Role::Active].map(Role::name), ["fault", "backup", "active"]);
}

#[test]
fn pauses_end_when_they_say() {
    let t = t0();
    let mut router = active(config(), t);
    assert_eq!(hear(&mut router, t, LOW, claim(1)).len(), 2);
    assert_eq!(hear(&mut router, t + ms(249), LOW, claim(1)), []);
    assert_eq!(hear(&mut router, t + ms(250), LOW, claim(1)).len(), 2, "a quarter of an interval later");
    let parts = |router: &mut Router, at| hear(router, at, HIGH, claim(200)).contains(&Step::Advertise(claim(100)));
    let mut router = active(config(), t);
    assert!(parts(&mut router, t));
    router.take_over(t + ms(1), "test");
    assert!(!parts(&mut router, t + ms(999)));
    router.take_over(t + ms(1_000), "test");
    assert!(parts(&mut router, t + ms(1_000)), "an interval later");
}

/// As if a switch sent our own words back: no tie is lost to ourselves.
#[test]
fn nobody_yields_to_its_own_address() {
    let t = t0();
    let mut router = active(config(), t);
    let _steps = hear(&mut router, t + ms(10), ME, claim(100));
    assert_eq!(router.role(), Role::Active);
    let mut owner = Router::new(config(), "test");
    let _steps = hear(&mut owner, t, ME, Claim::Of(Priority::OWNER));
    let _steps = owner.entitle(t, Entitlement::Claim(Priority::OWNER));
    assert_eq!(owner.role(), Role::Active);
}
