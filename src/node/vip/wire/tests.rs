//! Whose adverts are believed, and where those of this node go.

use std::net::IpAddr;

use super::*;
use crate::config::Checksum;
use crate::node::vip::tests::{Stage, vip};
use crate::units::{Centis, IfName, Priority, Vrid};
use crate::vrrp::packet::Credential;

const ME: [u8; 4] = [10, 0, 0, 11];
const PEER: [u8; 4] = [10, 0, 0, 12];

fn of(priority: i64) -> Claim {
    Claim::Of(Priority::new(priority).unwrap())
}

fn advert(source: [u8; 4], destination: [u8; 4]) -> Advert {
    Advert {
        source: source.into(),
        destination: destination.into(),
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        claim: of(100),
        interval: Centis::SECOND,
        checksum: Checksum::PseudoHeader,
        addresses: vec![IpAddr::from([10, 0, 0, 100])],
        credential: Credential::None,
    }
}

fn speaking() -> (Vip, Stage, Instant) {
    let (mut vip, now) = vip();
    vip.source = Some(ME.into());
    (vip, Stage::new(), now)
}

#[test]
fn an_advert_must_come_by_the_way_that_is_configured() {
    const GROUP: [u8; 4] = [224, 0, 0, 18];
    let group = Transport::Multicast(GROUP.into());
    let table = [
        (group, PEER, GROUP, Ok(())),
        (group, [10, 0, 0, 99], GROUP, Ok(())),
        (group, ME, GROUP, Err(Reject::OwnAddress)),
        (group, PEER, [224, 0, 0, 19], Err(Reject::Transport)),
        (group, PEER, ME, Err(Reject::Transport)),
        (Transport::Unicast, PEER, ME, Ok(())),
        (Transport::Unicast, PEER, GROUP, Err(Reject::Transport)),
        (Transport::Unicast, [10, 0, 0, 99], ME, Err(Reject::UnknownPeer)),
    ];
    for (transport, source, destination, expect) in table {
        let (mut vip, stage, now) = speaking();
        vip.config.transport = transport;
        let admitted = vip.admit(&stage.host(now), &advert(source, destination));
        assert_eq!(admitted, expect, "{transport:?} {source:?} {destination:?}");
    }
}

#[test]
fn another_interval_is_adopted_by_version_3_and_refused_by_version_2() {
    let group = [224, 0, 0, 18];
    for (ours, theirs, interval, expect) in [
        (Version::V3, Version::V3, Centis::new(200).unwrap(), Ok(())),
        (Version::V2, Version::V2, Centis::SECOND, Ok(())),
        (Version::V2, Version::V2, Centis::new(200).unwrap(), Err(Reject::IntervalMismatch)),
        (Version::V3, Version::V2, Centis::SECOND, Err(Reject::Version)),
    ] {
        let (mut vip, stage, now) = speaking();
        vip.config.version = ours;
        let advert = Advert { version: theirs, interval, ..advert(PEER, group) };
        assert_eq!(vip.admit(&stage.host(now), &advert), expect);
    }
}

#[test]
fn an_advert_of_other_addresses_is_counted_and_believed() {
    let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
    for (addresses, count) in [(vec![ip(100)], 0), (vec![ip(101)], 1), (vec![ip(100), ip(101)], 1), (vec![], 1)] {
        let (mut vip, stage, now) = speaking();
        let advert = Advert { addresses, ..advert(PEER, [224, 0, 0, 18]) };
        vip.hear(&stage.host(now), now, &advert, &mut Outbox::default());
        assert_eq!(vip.counters.get("adverts-with-other-addresses").copied().unwrap_or(0), count);
        assert_eq!(vip.router.heard(now).map(|heard| heard.source), Some(PEER.into()));
    }
}

/// Where adverts go, and from which address.
fn sent(vip: &mut Vip, claim: Claim) -> Vec<(IpAddr, IpAddr)> {
    let mut out = Outbox::default();
    let stage = Stage::new();
    #[expect(clippy::disallowed_methods, reason = "no time matters here")]
    let now = Instant::now();
    vip.advertise(&stage.host(now), claim, Sender::VirtualRouter, &mut out);
    let to = |effect| if let Effect::Transmit { source, to, .. } = effect { Some((source, to)) } else { None };
    out.into_effects().into_iter().filter_map(to).collect()
}

#[test]
fn adverts_go_to_the_group_or_to_every_peer_of_the_family() {
    let (mut vip, ..) = speaking();
    assert_eq!(sent(&mut vip, of(100)), [(ME.into(), [224, 0, 0, 18].into())]);
    vip.config.transport = Transport::Unicast;
    vip.peers = vec![PEER.into(), [0xfe80, 0, 0, 0, 0, 0, 0, 1].into(), [10, 0, 0, 13].into()];
    assert_eq!(sent(&mut vip, of(100)), [(ME.into(), PEER.into()), (ME.into(), [10, 0, 0, 13].into())]);
    assert_eq!(vip.counters["adverts-sent"], 3);
}

#[test]
fn who_lost_its_address_resigns_from_it_and_says_nothing_else() {
    let (mut vip, _, now) = speaking();
    vip.choose_source(now, &[], Some(ME.into()), &[]);
    assert_eq!((vip.source, vip.lost_source), (None, Some(ME.into())));
    assert_eq!(vip.source(), Err("no IPv4 address to send adverts from"));
    assert!(sent(&mut vip, of(100)).is_empty());
    assert_eq!(sent(&mut vip, Claim::Resign).len(), 1);
    // What was lost stays known until there is another one.
    vip.choose_source(now, &[], Some(ME.into()), &[]);
    assert_eq!(vip.lost_source, Some(ME.into()));
}

#[test]
fn a_router_speaks_from_its_own_address_or_the_first_that_is_no_vip() {
    let ip = |last: u8| IpAddr::from([10, 0, 0, last]);
    let chosen = |transport, candidates: &[IpAddr]| {
        let (mut vip, now) = vip();
        vip.config.transport = transport;
        vip.choose_source(now, candidates, Some(ip(11)), &[ip(100), ip(101)]);
        vip.source
    };
    let group = Transport::Multicast([224, 0, 0, 18].into());
    assert_eq!(chosen(group, &[ip(100), ip(7), ip(11)]), Some(ip(11)));
    assert_eq!(chosen(group, &[ip(100), ip(7), ip(8)]), Some(ip(7)));
    assert_eq!(chosen(group, &[ip(100), ip(101)]), None);
    assert_eq!(chosen(Transport::Unicast, &[ip(100), ip(7)]), None);
    assert_eq!(chosen(Transport::Unicast, &[ip(7), ip(11)]), Some(ip(11)));
    let (mut unicast, _) = vip();
    unicast.config.transport = Transport::Unicast;
    assert_eq!(unicast.source(), Err("not this node's address, the only one that unicast peers know"));
}

#[test]
fn a_frame_of_its_own_leaves_from_the_virtual_router_alone() {
    let (mut vip, stage, now) = speaking();
    vip.config.hardware = crate::config::Hardware::Virtual;
    vip.device = crate::node::vip::device::VirtualDevice::of(&vip.config, now);
    for (sender, frames) in [(Sender::VirtualRouter, 1), (Sender::Interface, 0)] {
        let mut out = Outbox::default();
        vip.advertise(&stage.host(now), of(100), sender, &mut out);
        let effects = out.into_effects();
        assert_eq!(effects.len(), 1);
        let is_frame = |e: &&Effect| matches!(e, Effect::Announce { interface, .. } if interface.as_str() == "eth0");
        assert_eq!(effects.iter().filter(is_frame).count(), frames, "{sender:?}");
    }
    assert_eq!(vip.interface, IfName::new("eth0").unwrap());
}
