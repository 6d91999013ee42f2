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

fn lease() -> LeaseSecs {
    LeaseSecs::for_interval(crate::units::Centis::SECOND)
}

fn held(t: Instant) -> LeasedAddress {
    let mut a = LeasedAddress::new(address(), t);
    assert_eq!(a.plan(t, Want::Present, OpId(1)), Some(AddressStep::Install(address())));
    assert_eq!(a.installed(t, OpId(1), Answer::Done, lease()), AddressNews::Arrived);
    a
}

#[test]
fn a_wanted_address_is_installed_once_and_renewed() {
    let t = t0();
    let mut a = held(t);
    assert_eq!(a.plan(t, Want::Present, OpId(2)), None);
    assert_eq!(a.deadline(Want::Present), Some(t + secs(1)));
    assert_eq!(a.plan(t + secs(1), Want::Present, OpId(2)), Some(AddressStep::Install(address())));
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
    assert_eq!(a.plan(seen, Want::Present, OpId(2)), Some(AddressStep::Install(address())));
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
    assert_eq!(a.plan(t, Want::Absent, OpId(2)), Some(AddressStep::Withdraw(address())));
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
    assert_eq!(a.plan(t, Want::Absent, OpId(1)), Some(AddressStep::Withdraw(address())));
}

#[test]
fn a_failed_removal_is_tried_again() {
    let t = t0();
    let mut a = held(t);
    assert!(a.plan(t, Want::Absent, OpId(2)).is_some());
    assert_eq!(a.withdrawn(t, OpId(2), Answer::Refused), AddressNews::None);
    assert!(a.is_present());
    assert_eq!(a.plan(t, Want::Absent, OpId(3)), None);
    assert_eq!(a.plan(t + RETRY, Want::Absent, OpId(3)), Some(AddressStep::Withdraw(address())));
}
