//! Who else is on the wire: strangers, duplicates, other versions, and adverts that are signed.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vipkeeper::config::{Auth, Checksum, HmacMode, Transport, Version};
use vipkeeper::node::Event;
use vipkeeper::node::status::VipStatus;
use vipkeeper::units::{Centis, Vrid};
use vipkeeper::vrrp::announce::announcement;
use vipkeeper::vrrp::packet::{Claim, Outgoing, Seal, build};

use crate::setup::{eth0, signed, standard, vip_ip};
use crate::world::{World, ms, secs, settled};

fn vip(world: &World, host: usize) -> VipStatus {
    world.hosts[host].node.as_ref().unwrap().status(world.now).vips.remove(0)
}

fn trace(world: &World) -> &str {
    world.trace.as_deref().unwrap_or_default()
}

fn claim(world: &mut World, host: usize, mac: [u8; 6]) {
    let frame = announcement(mac, vip_ip(0).into());
    let event = Event::FrameReceived { interface: eth0(), frame, at: world.now };
    world.deliver(host, Duration::ZERO, event);
}

#[test]
fn a_host_that_claims_the_address_is_told_once_and_answered() {
    let mut world = settled(standard());
    let other = [2, 0, 0, 0, 9, 9];
    world.arp[0] = None;
    for _ in 0..30 {
        claim(&mut world, 0, other);
        world.run(secs(1)).unwrap();
    }
    let status = vip(&world, 0);
    assert_eq!(status.counters["duplicate-address"], 30);
    let [duplicate] = status.duplicates.as_slice() else { panic!("{:?}", status.duplicates) };
    assert_eq!((duplicate.address.as_str(), duplicate.mac.as_str()), ("10.0.0.100", "02:00:00:00:09:09"));
    assert!(duplicate.ms_ago <= 1000);
    assert_eq!(trace(&world).matches("02:00:00:00:09:09 claims 10.0.0.100").count(), 1, "{}", trace(&world));
    assert_eq!(world.arp[0], Some(0), "it announced itself again");
    let troubles = &status.troubles;
    assert_eq!(*troubles, ["02:00:00:00:09:09 claims 10.0.0.100 too: another host has this address"]);
    // Neither is a reason to give up.
    assert_eq!(status.state, "active");
    world.run(secs(40)).unwrap();
    claim(&mut world, 0, other);
    world.run(secs(1)).unwrap();
    assert_eq!(trace(&world).matches("02:00:00:00:09:09 claims 10.0.0.100").count(), 2, "after a minute");
}

#[test]
fn many_claims_are_answered_no_faster_than_adverts() {
    let mut world = settled(standard());
    world.run(secs(10)).unwrap();
    let mut answers = 0;
    for _ in 0..100 {
        world.arp[0] = None;
        claim(&mut world, 0, [2, 0, 0, 0, 9, 9]);
        world.run(ms(10)).unwrap();
        answers += usize::from(world.arp[0].is_some());
    }
    assert!((1..=2).contains(&answers), "{answers} answers in a second");
}

#[test]
fn a_claim_that_is_explained_is_no_duplicate() {
    let mut world = settled(standard());
    let mine = [2, 0, 0, 0, 0, world.hosts[0].mac];
    claim(&mut world, 0, mine);
    claim(&mut world, 1, [2, 0, 0, 0, 0, 0]);
    // A router that says that it is active, and with less right: the election deals with it.
    world.rival(0, 0, 10);
    claim(&mut world, 0, [2, 0, 0, 0, 9, 9]);
    world.run(secs(1)).unwrap();
    assert_eq!((vip(&world, 0).duplicates, vip(&world, 1).duplicates), (Vec::new(), Vec::new()));
}

#[test]
fn routers_of_nobody_are_believed_and_remembered_and_their_list_is_bounded() {
    let mut world = settled(standard());
    for last in 1..=12 {
        world.advert_from(Ipv4Addr::new(10, 0, 0, 200 + last), 1, 0, 10 + last);
        world.run(ms(1)).unwrap();
    }
    let speakers = vip(&world, 1).speakers;
    assert_eq!(speakers.len(), 8);
    let told = &vip(&world, 1).troubles;
    assert!(told[0].starts_with("10.0.0.212 speaks for VRID 51 too, with priority 22, and is no node"), "{told:?}");
    assert_eq!((speakers[0].address.as_str(), speakers[0].priority, speakers[0].interval_ms), ("10.0.0.212", 22, 1000));
    assert_eq!(speakers[7].address, "10.0.0.205");
    assert_eq!(vip(&world, 0).speakers, [], "nodes of the configuration are no strangers");
}

#[test]
fn the_other_version_is_refused_at_its_vip_and_touches_nothing() {
    let mut world = settled(standard());
    let advert = |version| {
        build(&Outgoing {
            source: [10, 0, 0, 250].into(),
            destination: Transport::GROUP_V4,
            version,
            vrid: Vrid::new(51).unwrap(),
            claim: Claim::from_byte(255),
            interval: Centis::SECOND,
            checksum: Checksum::Rfc9568,
            addresses: &[IpAddr::V4(vip_ip(0))],
            seal: Seal::None,
        })
    };
    world.inject(0, advert(Version::V2));
    world.run(secs(1)).unwrap();
    let status = vip(&world, 0);
    assert_eq!((status.dropped["version"], status.state.as_str(), status.speakers.len()), (1, "active", 0));
    let told = &status.troubles;
    assert!(
        told[0].starts_with("adverts of 10.0.0.250 are refused (version): they are of another version"),
        "{told:?}"
    );
    assert_eq!(status.refused[0].address, "10.0.0.250");
    // The same one in our version has its effect.
    world.inject(0, advert(Version::V3));
    world.run(ms(1)).unwrap();
    assert_eq!(vip(&world, 0).state, "backup");
}

/// First everybody understands signatures, then everybody signs, then nothing else counts; the VIP stays where it is.
#[test]
fn signatures_are_rolled_out_without_a_takeover() {
    let mut world = settled(standard());
    world.edit = |version, config| {
        config.vips[0].auth = match version {
            2 => signed(HmacMode::ReceiveOnly),
            3 => signed(HmacMode::Permissive),
            4 => signed(HmacMode::Enforce),
            _ => Auth::None,
        };
    };
    for version in 2..=4 {
        for host in 0..2 {
            world.write_config(host, version, false);
            world.run(secs(8)).unwrap();
        }
    }
    assert_eq!(world.holders(0), [0]);
    assert_eq!(trace(&world).matches("vip0: ").count(), 0, "{}", trace(&world));
    assert_eq!((vip(&world, 0).dropped, vip(&world, 1).dropped), (BTreeMap::new(), BTreeMap::new()));
    let heard = vip(&world, 1).counters["adverts-received"];
    // From here on an unsigned advert is nobody's.
    world.rival(0, 0, 255);
    world.run(secs(3)).unwrap();
    assert_eq!((vip(&world, 0).dropped["auth"], vip(&world, 0).state.as_str()), (1, "active"));
    assert!(vip(&world, 1).counters["adverts-received"] > heard, "signed adverts count");
}
