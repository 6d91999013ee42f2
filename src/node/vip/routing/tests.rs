//! When routes are looked after, and what is told of one that is refused.

use std::time::Duration;

use super::*;
use crate::node::tests::fixture::ms;
use crate::node::vip::tests::{Stage, active};
use crate::units::VipAddress;

fn route(interface: Option<&str>) -> VirtualRoute {
    VirtualRoute {
        to: VipAddress::new([10, 9, 0, 0].into(), 16).unwrap(),
        via: Some([10, 0, 0, 1].into()),
        interface: interface.map(|name| IfName::new(name).unwrap()),
        source: None,
        table: None,
        metric: None,
    }
}

/// Active, with its address and these routes.
fn with(routes: Vec<VirtualRoute>) -> (Vip, Stage, Instant) {
    let (mut vip, stage, now) = active();
    vip.config.routes = routes;
    vip.routing = Routed::all(&vip.config, now);
    (vip, stage, now)
}

/// What is asked for: additions and removals.
fn asked(vip: &mut Vip, stage: &Stage, now: Instant, want: Want, op: u64) -> (usize, usize) {
    let (mut ops, mut out) = (Ops::default(), Outbox::default());
    while ops.next() < OpId(op - 1) {}
    vip.act_on_routing(&stage.host(now), want, &mut ops, &mut out);
    let effects = out.into_effects();
    let count = |is: fn(&&Effect) -> bool| effects.iter().filter(is).count();
    (count(|e| matches!(e, Effect::AddRouting { .. })), count(|e| matches!(e, Effect::RemoveRouting { .. })))
}

fn answer(vip: &mut Vip, now: Instant, op: u64, result: Result<(), &str>) -> usize {
    let mut out = Outbox::default();
    vip.routing_changed(now, OpId(op), &result.map_err(str::to_owned), &mut out);
    out.into_effects().len()
}

#[test]
fn a_route_is_there_when_every_address_is_and_goes_before_them() {
    let (mut vip, stage, now) = with(vec![route(Some("eth0"))]);
    let due = |vip: &Vip, want| vip.routing_deadline(want, &stage.network).map(|at| at - now);
    let address = vip.addresses.remove(0);
    let mut absent = address.clone();
    let _news = absent.lease.observed(now + ms(1), now + ms(1), Presence::Missing);
    vip.addresses.push(absent);
    assert_eq!((due(&vip, Want::Present), asked(&mut vip, &stage, now, Want::Present, 2)), (None, (0, 0)));
    vip.addresses[0] = address;
    assert!(!vip.may_hold_routes());
    assert_eq!(due(&vip, Want::Present), Some(Duration::ZERO));
    assert_eq!(asked(&mut vip, &stage, now, Want::Present, 2), (1, 0));
    assert!(vip.may_hold_routes());
    assert_eq!(due(&vip, Want::Present), None, "it is on its way");
    assert_eq!(answer(&mut vip, now, 2, Ok(())), 0);
    assert_eq!(due(&vip, Want::Present), Some(PACE.first));
    assert_eq!(asked(&mut vip, &stage, now, Want::Absent, 3), (0, 1));
}

#[test]
fn a_route_that_is_refused_is_told_once_counted_and_tried_again() {
    let (mut vip, stage, now) = with(vec![route(Some("eth0"))]);
    asked(&mut vip, &stage, now, Want::Present, 2);
    assert_eq!(answer(&mut vip, now, 9, Err("invalid argument")), 0, "another's");
    assert_eq!(answer(&mut vip, now, 2, Err("invalid argument")), 1);
    assert_eq!(vip.counters.get("routing-refused"), Some(&1));
    let due = vip.routing_deadline(Want::Present, &stage.network);
    assert_eq!(due, Some(now + PACE.retry));
    let status = vip.routing_status(&stage.network);
    assert_eq!(status[0].1.as_deref(), Some("invalid argument"));
    asked(&mut vip, &stage, now + PACE.retry, Want::Present, 3);
    assert_eq!(answer(&mut vip, now + PACE.retry, 3, Err("invalid argument")), 0, "told already");
    asked(&mut vip, &stage, now + PACE.retry * 2, Want::Present, 4);
    assert_eq!(answer(&mut vip, now + PACE.retry * 2, 4, Ok(())), 0);
    assert_eq!((vip.counters["routing-refused"], vip.routing_status(&stage.network)[0].1.as_deref()), (2, None));
    // One that could not be renewed is not there.
    let later = now + PACE.retry * 2 + PACE.first;
    asked(&mut vip, &stage, later, Want::Present, 5);
    assert_eq!(answer(&mut vip, later, 5, Err("no such device")), 1);
    assert!(!vip.may_hold_routes());
    assert_eq!(vip.routing_deadline(Want::Present, &stage.network), Some(later + PACE.retry));
}

#[test]
fn a_route_over_a_missing_interface_waits_for_it_and_says_so() {
    let (mut vip, mut stage, now) = with(vec![route(Some("eth9"))]);
    assert_eq!(vip.routing_deadline(Want::Present, &stage.network), None);
    assert_eq!(asked(&mut vip, &stage, now, Want::Present, 2), (0, 0));
    assert_eq!(
        vip.routing_status(&stage.network),
        [("route".to_owned(), Some("interface eth9 does not exist".to_owned()))]
    );
    stage.network.links[0].name = IfName::new("eth9").unwrap();
    assert_eq!(vip.routing_deadline(Want::Present, &stage.network), Some(now));
}

#[test]
fn a_route_that_left_the_configuration_goes_and_one_that_stays_is_left_alone() {
    let (mut vip, stage, now) = with(vec![route(Some("eth0")), route(None)]);
    assert_eq!(asked(&mut vip, &stage, now, Want::Present, 2), (2, 0));
    for op in [2, 3] {
        answer(&mut vip, now, op, Ok(()));
    }
    let config = VipConfig { routes: vec![route(None)], ..vip.config.clone() };
    vip.reconfigure_routing(&config, now);
    assert_eq!((vip.routing.len(), vip.routing_leaving.len()), (1, 1));
    assert_eq!(asked(&mut vip, &stage, now, Want::Present, 7), (0, 1));
    assert_eq!(vip.routing_leaving.len(), 1, "its end is not known yet");
    // A removal that failed is tried again.
    answer(&mut vip, now, 7, Err("busy"));
    let due = vip.routing_deadline(Want::Present, &stage.network);
    assert_eq!(due, Some(now + ms(200)));
    assert_eq!(asked(&mut vip, &stage, now + ms(200), Want::Present, 8), (0, 1));
    answer(&mut vip, now + ms(200), 8, Ok(()));
    asked(&mut vip, &stage, now + ms(200), Want::Present, 9);
    assert!(vip.routing_leaving.is_empty());
}

impl Vip {
    fn may_hold_routes(&self) -> bool {
        self.routing.iter().chain(&self.routing_leaving).any(Routed::may_be_present)
    }
}

/// With an address the kernel removes the routes that have it as their source.
#[test]
fn routes_are_looked_after_when_an_address_was_lost() {
    for (here, due) in [(true, PACE.first), (false, ms(10))] {
        let (mut vip, stage, now) = with(vec![route(Some("eth0"))]);
        asked(&mut vip, &stage, now, Want::Present, 2);
        answer(&mut vip, now, 2, Ok(()));
        let seen = crate::node::vip::Seen { ours: true, valid_secs: Some(3), as_wanted: true };
        let later = now + ms(10);
        vip.observe(later, later, &stage.network, &|_| here.then_some(seen), &mut Outbox::default());
        assert_eq!(vip.routing[0].kept.deadline(Want::Present), Some(now + due), "{here}");
    }
}
