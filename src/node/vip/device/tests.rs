//! What dumps show of the device of a virtual router, and what they cannot know yet.

use super::*;
use crate::node::tests::fixture::ms;
use crate::node::vip::tests::vip;
use crate::units::Name;

fn link(name: &str, index: u32, alias: Option<String>) -> Link {
    Link { index, name: IfName::new(name).unwrap(), up: true, mac: Some([2; 6]), alias, parent: None, arp: None }
}

const BEFORE: ArpConf = ArpConf { ignore: 0, announce: 0 };

fn mark() -> Option<String> {
    Some(Mark { vip: Name::new("a").unwrap(), before: BEFORE }.to_string())
}

/// A VIP with a device, and how the interface below was.
fn with_device() -> (Vip, Instant) {
    let (mut vip, now) = vip();
    vip.config.hardware = Hardware::Virtual;
    vip.device = VirtualDevice::of(&vip.config, now);
    (vip, now)
}

fn ours(vip: &Vip, index: u32) -> Link {
    link(vip.device.as_ref().unwrap().name.as_str(), index, mark())
}

fn network(links: Vec<Link>) -> Network {
    Network { links, addresses: Vec::new() }
}

fn indexes(network: &Network) -> Vec<u32> {
    network.links.iter().map(|link| link.index).collect()
}

#[test]
fn a_dump_that_is_no_younger_than_a_change_shows_the_device_as_it_was_made() {
    let (mut vip, now) = with_device();
    let made = ours(&vip, 9);
    let device = vip.device.as_mut().unwrap();
    assert!(device.kept.plan(now, Want::Present, OpId(1)).is_some());
    assert!(device.stands() && device.may_be_present());
    assert!(vip.device_raised(now + ms(20), OpId(1), &Ok(made.clone()), &mut Outbox::default()));
    let shown = |vip: &mut Vip, asked, links: Vec<Link>| {
        let mut network = network(links);
        vip.observe_device(now + ms(50), now + ms(asked), &mut network);
        (indexes(&network), vip.device.as_ref().unwrap().link.clone().map(|link| link.index))
    };
    let eth0 = || link("eth0", 2, None);
    assert_eq!(shown(&mut vip, 20, vec![eth0()]), (vec![2, 9], Some(9)));
    assert_eq!(shown(&mut vip, 20, vec![eth0(), ours(&with_device().0, 8)]), (vec![2, 9], Some(9)));
    // A younger one knows better.
    assert_eq!(shown(&mut vip, 21, vec![eth0(), ours(&with_device().0, 8)]), (vec![2, 8], Some(8)));
    assert_eq!(shown(&mut vip, 21, vec![eth0()]), (vec![2], None));
    assert!(!vip.device.as_ref().unwrap().may_be_present());
}

#[test]
fn a_dump_that_is_no_younger_than_its_removal_shows_no_device() {
    let (mut vip, now) = with_device();
    let (made, name) = (ours(&vip, 9), vip.device.as_ref().unwrap().name.clone());
    let mut first = network(vec![made.clone()]);
    vip.observe_device(now, now, &mut first);
    let device = vip.device.as_mut().unwrap();
    assert!(device.kept.plan(now + ms(1), Want::Absent, OpId(1)).is_some());
    assert!(!device.stands() && device.may_be_present());
    assert_eq!(vip.device_removed(now + ms(20), OpId(2), &Ok(()), &mut Outbox::default()), None);
    let gone = vip.device_removed(now + ms(20), OpId(1), &Ok(()), &mut Outbox::default());
    assert_eq!(gone, Some(name.clone()));
    let others = || vec![link("eth0", 2, None), link("vrrp4.99", 3, mark())];
    let mut shown = network(others().into_iter().chain([made]).collect());
    vip.observe_device(now + ms(50), now + ms(20), &mut shown);
    assert_eq!(indexes(&shown), [2, 3]);
    // Somebody else's of the same name is there all the same.
    let mut shown = network(others().into_iter().chain([link(name.as_str(), 7, None)]).collect());
    vip.observe_device(now + ms(50), now + ms(20), &mut shown);
    assert_eq!(indexes(&shown), [2, 3, 7]);
}

#[test]
fn a_device_that_is_not_ours_is_not_taken_for_it() {
    let (mut vip, now) = with_device();
    let name = vip.device.as_ref().unwrap().name.clone();
    let mut foreign = network(vec![link(name.as_str(), 7, None)]);
    vip.observe_device(now, now, &mut foreign);
    assert!(!vip.device.as_ref().unwrap().may_be_present());
    let why = vip.device_trouble(&foreign).unwrap();
    assert!(why.starts_with(&format!("device {name} is not vipkeeper's")), "{why}");
    assert_eq!(vip.device_trouble(&network(vec![ours(&vip, 7)])), None);
    let lacks = Link { mac: None, ..link("eth0", 2, None) };
    let why = "interface eth0 is not Ethernet and carries no virtual MAC address: leave out `vmac`";
    assert_eq!(vip.device_trouble(&network(vec![lacks])).as_deref(), Some(why));
    vip.device = None;
    assert_eq!(vip.device_trouble(&foreign), None);
}

/// By now it may be that of another VIP.
#[test]
fn a_vip_that_has_left_and_taken_its_device_along_looks_at_no_other() {
    for (farewell, sees) in [(None, true), (Some("it has left".to_owned()), false)] {
        let (mut vip, now) = with_device();
        vip.farewell = farewell;
        let mut shown = network(vec![ours(&vip, 9)]);
        vip.observe_device(now, now, &mut shown);
        assert_eq!(vip.device.as_ref().unwrap().may_be_present(), sees);
        assert_eq!(indexes(&shown), [9]);
    }
}

#[test]
fn the_interface_below_is_known_while_the_device_stands() {
    let (mut vip, now) = with_device();
    let mut shown = network(vec![link("eth0", 2, None), ours(&vip, 9)]);
    assert_eq!(vip.below(&shown), None);
    vip.observe_device(now, now, &mut shown);
    assert_eq!(vip.below(&shown), None, "how it was is not known");
    vip.learn_below(BEFORE);
    assert_eq!(vip.below(&shown), Some((2, BEFORE)));
    assert_eq!(vip.below(&network(vec![])), None);
    let _step = vip.device.as_mut().unwrap().kept.plan(now, Want::Absent, OpId(1));
    assert_eq!(vip.below(&shown), None, "it leaves");
}

#[test]
fn a_device_that_is_refused_keeps_the_vip_away_for_a_while() {
    let (mut vip, now) = with_device();
    let _step = vip.device.as_mut().unwrap().kept.plan(now, Want::Present, OpId(1));
    let mut out = Outbox::default();
    let refused = Err("no buffer space".to_owned());
    assert!(!vip.device_raised(now, OpId(2), &refused, &mut out));
    assert!(vip.device_raised(now, OpId(1), &refused, &mut out));
    let name = &vip.device.as_ref().unwrap().name;
    let why = format!("cannot set up device {name}: no buffer space");
    assert_eq!((vip.refused(), vip.counters.get("devices-refused")), (Some(&*why), Some(&1)));
    vip.forget(now + Duration::from_millis(4_999));
    assert!(vip.refused().is_some());
    vip.forget(now + Duration::from_secs(5));
    assert_eq!(vip.refused(), None);
}

#[test]
fn a_device_is_looked_after_where_it_can_be() {
    let (mut vip, now) = with_device();
    let (below, none) = (network(vec![link("eth0", 2, None)]), network(vec![]));
    let due = |vip: &Vip, network| vip.device_deadline(Want::Present, network);
    assert_eq!((due(&vip, &below), due(&vip, &none)), (None, None), "how the interface was is not known");
    vip.learn_below(BEFORE);
    assert_eq!((due(&vip, &below), due(&vip, &none)), (Some(now), None));
    let device = vip.device.as_mut().unwrap();
    let _step = device.kept.plan(now, Want::Present, OpId(1));
    let _news = device.kept.installed(now, OpId(1), Answer::Done, PACE);
    assert_eq!(due(&vip, &below), Some(now + Duration::from_secs(2)));
    let device = vip.device.as_mut().unwrap();
    let _step = device.kept.plan(now, Want::Absent, OpId(2));
    let _news = device.kept.withdrawn(now, OpId(2), Answer::Refused);
    let leaving = |network| vip.device_deadline(Want::Absent, network);
    assert_eq!((leaving(&below), leaving(&none)), (Some(now + ms(200)), Some(now + ms(200))));
}

#[test]
fn a_device_goes_after_the_addresses_that_are_on_it() {
    let (mut vip, now) = with_device();
    let wants = |vip: &Vip| [Want::Present, Want::Absent, Want::AsIs].map(|want| vip.device_want(want));
    assert_eq!(wants(&vip), [Want::Present, Want::Absent, Want::AsIs]);
    let _step = vip.addresses[0].lease.plan(now, Want::Present, OpId(1));
    assert_eq!(wants(&vip)[1], Want::Absent, "it is on the interface");
    vip.addresses[0].interface = vip.device.as_ref().unwrap().name.clone();
    assert_eq!(wants(&vip), [Want::Present, Want::AsIs, Want::AsIs]);
    let _news = vip.addresses[0].lease.observed(now, now, crate::addrs::Presence::Here);
    vip.device = None;
    assert_eq!(wants(&vip)[1], Want::Absent);
}

#[test]
fn a_device_is_made_once_it_is_known_how_the_interface_was() {
    let (mut vip, now) = with_device();
    let stage = crate::node::vip::tests::Stage::new();
    let asked = |vip: &mut Vip, want| {
        let mut out = Outbox::default();
        vip.act_on_device(&stage.host(now), want, &mut Ops::default(), &mut out);
        out.into_effects()
    };
    assert!(asked(&mut vip, Want::Present).is_empty());
    vip.learn_below(BEFORE);
    assert!(asked(&mut vip, Want::AsIs).is_empty());
    let effects = asked(&mut vip, Want::Present);
    assert!(matches!(&effects[..], [Effect::RaiseDevice { device, .. }] if device.parent == 2), "{effects:?}");
    vip.device.as_mut().unwrap().before = None;
    let effects = asked(&mut vip, Want::Absent);
    assert!(matches!(effects[..], [Effect::RemoveDevice { .. }]), "{effects:?}");
}
