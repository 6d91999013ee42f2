use super::*;

#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
fn t0() -> Instant {
    Instant::now()
}

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

fn address() -> VipAddress {
    VipAddress::new([192, 0, 2, 1].into(), 24).unwrap()
}

fn lease() -> Pace {
    Pace::of_lease(LeaseSecs::for_interval(crate::units::Centis::SECOND), 1, 0)
}

fn held(t: Instant) -> LeasedAddress {
    let mut a = LeasedAddress::new(address(), t);
    assert_eq!(a.plan(t, Want::Present, OpId(1)), Some(AddressStep::Install));
    assert_eq!(a.installed(t, OpId(1), Answer::Done, lease()), AddressNews::Arrived);
    a
}

#[test]
fn a_wanted_address_is_installed_once_and_renewed() {
    let t = t0();
    let mut a = held(t);
    assert_eq!(a.plan(t, Want::Present, OpId(2)), None);
    assert_eq!(a.deadline(Want::Present), Some(t + secs(1)));
    assert_eq!(a.plan(t + secs(1), Want::Present, OpId(2)), Some(AddressStep::Install));
    assert_eq!(a.plan(t + secs(1), Want::Present, OpId(3)), None);
    assert_eq!(a.installed(t + secs(1), OpId(2), Answer::Done, lease()), AddressNews::None);
    assert_eq!(a.deadline(Want::Present), Some(t + secs(2)));
}

#[test]
fn an_address_deleted_by_somebody_else_is_put_back_at_once() {
    let t = t0();
    let mut a = held(t);
    let seen = t + Duration::from_millis(500);
    assert_eq!(a.observed(seen, seen, Presence::Missing), AddressNews::Gone);
    assert_eq!(a.plan(seen, Want::Present, OpId(2)), Some(AddressStep::Install));
}

#[test]
fn an_observation_from_before_our_last_change_proves_nothing() {
    let t = t0();
    let mut a = held(t + secs(1));
    assert_eq!(a.observed(t + secs(1), t, Presence::Missing), AddressNews::None);
    assert!(a.is_present());
}

#[test]
fn a_withdrawal_overtakes_an_installation_in_flight() {
    let t = t0();
    let mut a = LeasedAddress::new(address(), t);
    assert!(a.plan(t, Want::Present, OpId(1)).is_some());
    assert_eq!(a.plan(t, Want::Absent, OpId(2)), Some(AddressStep::Withdraw));
    assert_eq!(a.installed(t, OpId(1), Answer::Done, lease()), AddressNews::None);
    assert!(a.may_be_present());
    assert_eq!(a.withdrawn(t, OpId(2), Answer::Done), AddressNews::Gone);
    assert!(!a.may_be_present());
}

#[test]
fn a_leftover_that_is_observed_is_removed() {
    let t = t0();
    let mut a = LeasedAddress::new(address(), t);
    assert_eq!(a.observed(t, t, Presence::Here), AddressNews::None);
    assert_eq!(a.plan(t, Want::AsIs, OpId(1)), None);
    assert_eq!(a.plan(t, Want::Absent, OpId(1)), Some(AddressStep::Withdraw));
}

#[test]
fn a_failed_removal_is_tried_again() {
    let t = t0();
    let mut a = held(t);
    assert!(a.plan(t, Want::Absent, OpId(2)).is_some());
    assert_eq!(a.withdrawn(t, OpId(2), Answer::Refused), AddressNews::None);
    assert!(a.is_present());
    assert_eq!(a.plan(t, Want::Absent, OpId(3)), None);
    assert_eq!(a.plan(t + RETRY, Want::Absent, OpId(3)), Some(AddressStep::Withdraw));
}

#[test]
fn a_large_set_has_a_longer_lease_whose_renewals_are_spread() {
    let second = secs(3);
    let leases = [1, 128, 129, 1024, 1025, 5000].map(|count| LeaseSecs::for_set(second, count).get());
    assert_eq!(leases, [3, 3, 10, 10, 30, 30]);
    // An interval that needs more keeps it.
    assert_eq!(LeaseSecs::for_set(secs(120), 5000).get(), 120);

    let lease = LeaseSecs::for_set(second, 1600);
    let paces: Vec<Pace> = (0..1600).map(|position| Pace::of_lease(lease, 1600, position)).collect();
    assert!(paces.iter().all(|p| p.every == secs(10) && p.first <= p.every));
    let mut busiest = std::collections::BTreeMap::new();
    for pace in &paces {
        *busiest.entry(pace.first).or_insert(0) += 1;
    }
    assert_eq!((busiest.len(), busiest.values().max()), (16, Some(&100)));
}

#[test]
fn what_may_have_vanished_is_renewed_at_once() {
    let t = t0();
    let mut a = held(t);
    assert_eq!(a.plan(t, Want::Present, OpId(2)), None);
    a.recheck(t);
    assert_eq!(a.plan(t, Want::Present, OpId(2)), Some(AddressStep::Install));
    a.recheck(t);
    assert_eq!((a.pending(), a.plan(t, Want::Present, OpId(3))), (Some(OpId(2)), None));
}
