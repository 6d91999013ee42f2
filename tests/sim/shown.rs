//! What an operator sees: packets that were dropped, strangers, and what the kernel refuses.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vipkeeper::config::{Checksum, Config, Version};
use vipkeeper::node::event::Request;
use vipkeeper::node::{Event, Status};
use vipkeeper::units::{Centis, Name, Priority, Vrid};
use vipkeeper::vrrp::announce::announcement;
use vipkeeper::vrrp::packet::{Claim, Outgoing, Seal, build};

use crate::host::Looks;
use crate::setup::{Cluster, eth0, gateway, node_ip, number, standard, vip_ip, vip_route, web, with_belongings};
use crate::world::{World, ms, secs, settled};

fn status(world: &World, host: usize) -> Status {
    world.hosts[host].node.as_ref().unwrap().status(world.now)
}

fn told(world: &World, text: &str) -> usize {
    world.trace.as_deref().unwrap().matches(text).count()
}

fn counts(of: &[(&str, u64)]) -> BTreeMap<String, u64> {
    of.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect()
}

#[test]
fn a_sound_pair_has_nothing_to_tell() {
    let mut world = settled(standard().with_key());
    world.run(secs(2)).unwrap();
    for host in 0..2 {
        let status = status(&world, host);
        assert_eq!((status.phase.as_str(), &status.dropped, &status.peers_note), ("running", &BTreeMap::new(), &None));
        let vip = &status.vips[0];
        assert_eq!((&vip.troubles, &vip.dropped), (&Vec::new(), &BTreeMap::new()));
        assert!(vip.speakers.is_empty() && vip.duplicates.is_empty() && vip.refused.is_empty());
        let holder = vip.holder.as_ref().unwrap();
        assert_eq!((holder.node.as_deref(), holder.address.as_str(), holder.priority), (Some("lb1"), "10.0.0.11", 254));
        assert_eq!(vip.installed.len(), usize::from(host == 0));
    }
}

#[test]
fn what_belongs_to_no_vip_is_counted_by_interface_and_by_reason() {
    let mut world = settled(standard().with_key());
    for _ in 0..2 {
        world.advert_from([10, 0, 0, 250].into(), 0, 7, 100);
    }
    world.inject(0, vec![0; 4]);
    world.hello_from(1, 0, Duration::ZERO, b"no hello at all, but long enough to be read as one of them".to_vec());
    world.run(ms(1)).unwrap();
    let dropped = status(&world, 0).dropped;
    assert_eq!(dropped["eth0"].values().sum::<u64>(), 3, "{dropped:?}");
    assert_eq!(dropped["eth0"]["vrid"], 2);
    assert_eq!(status(&world, 0).peers[0].dropped["not-a-hello"], 1);
    world.deliver(
        0,
        Duration::ZERO,
        Event::HelloReceived { from: (Ipv4Addr::new(10, 0, 0, 250), 5112).into(), bytes: vec![0; 64], at: world.now },
    );
    world.run(ms(1)).unwrap();
    assert_eq!(status(&world, 0).dropped["hellos"].values().sum::<u64>(), 1);
    assert!(status(&world, 1).dropped.is_empty());
}

#[test]
fn routers_that_are_no_nodes_are_named_for_a_minute_and_listed_for_longer() {
    let mut world = settled(standard());
    for last in (1..=10).chain([5]) {
        world.advert_from([10, 0, 0, 200 + last].into(), 0, 0, last);
        world.run(ms(1)).unwrap();
    }
    let vip = status(&world, 0).vips.remove(0);
    let listed: Vec<_> = vip.speakers.iter().map(|s| (s.address.as_str(), s.priority, s.interval_ms)).collect();
    assert_eq!(listed[..3], [("10.0.0.205", 5, 1000), ("10.0.0.210", 10, 1000), ("10.0.0.209", 9, 1000)]);
    assert_eq!((listed.len(), vip.troubles.len()), (8, 8));
    let first = "10.0.0.205 speaks for VRID 51 too, with priority 5, and is no node of the configuration";
    assert!(vip.troubles[0].starts_with(first), "{:?}", vip.troubles);
    world.run(secs(59)).unwrap();
    assert_eq!(status(&world, 0).vips[0].troubles.len(), 8);
    world.run(secs(2)).unwrap();
    let vip = status(&world, 0).vips.remove(0);
    assert_eq!((vip.speakers.len(), vip.troubles.len()), (8, 0));
    assert!((61_000..61_100).contains(&vip.speakers[0].ms_ago), "{:?}", vip.speakers);
}

const VIP_0: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100))];

/// An advert of VIP 0 to the group, as version 3 speaks it.
fn advert(source: Ipv4Addr) -> Outgoing<'static> {
    Outgoing {
        source: source.into(),
        destination: [224, 0, 0, 18].into(),
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        claim: Claim::Of(Priority::new(255).unwrap()),
        interval: standard().interval,
        checksum: Checksum::PseudoHeader,
        addresses: &VIP_0,
        seal: Seal::None,
    }
}

fn of_version_2(source: Ipv4Addr) -> Vec<u8> {
    build(&Outgoing { version: Version::V2, ..advert(source) })
}

/// What the first host has against that advert.
fn dropped(cluster: Cluster, bytes: Vec<u8>) -> BTreeMap<String, u64> {
    let mut world = settled(cluster);
    world.inject(0, bytes);
    world.run(ms(1)).unwrap();
    status(&world, 0).vips[0].dropped.clone()
}

#[test]
fn adverts_are_refused_for_the_first_reason_that_holds() {
    let stranger = Ipv4Addr::new(10, 0, 0, 250);
    let unicast = || Cluster { unicast: true, ..standard() };
    let old = || Cluster { version: Version::V2, ..standard() };
    let to_us = |source| build(&Outgoing { destination: node_ip(0).into(), ..advert(source) });
    let slow = Outgoing { version: Version::V2, interval: Centis::new(200).unwrap(), ..advert(node_ip(1)) };
    assert_eq!(dropped(unicast(), build(&advert(node_ip(1)))), counts(&[("transport", 1)]));
    assert_eq!(dropped(unicast(), to_us(stranger)), counts(&[("unknown-peer", 1)]));
    assert_eq!(dropped(unicast(), to_us(node_ip(1))), counts(&[]));
    assert_eq!(dropped(standard(), to_us(node_ip(1))), counts(&[("transport", 1)]));
    assert_eq!(dropped(standard(), build(&advert(node_ip(0)))), counts(&[("own-address", 1)]));
    assert_eq!(dropped(old(), build(&slow)), counts(&[("interval-mismatch", 1)]));
    assert_eq!(dropped(old(), of_version_2(node_ip(1))), counts(&[]));
    assert_eq!(dropped(old(), build(&advert(node_ip(1)))), counts(&[("version", 1)]));
}

#[test]
fn adverts_that_back_other_addresses_count_and_are_counted() {
    let [own, other] = [100, 101].map(|last| IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)));
    for (addresses, others) in [(vec![own], None), (vec![other], Some(1)), (vec![own, other], Some(1))] {
        let mut world = settled(standard());
        world.inject(0, build(&Outgoing { addresses: &addresses, ..advert([10, 0, 0, 250].into()) }));
        world.run(ms(1)).unwrap();
        let vip = status(&world, 0).vips.remove(0);
        assert_eq!(vip.counters.get("adverts-with-other-addresses").copied(), others, "{addresses:?}");
        assert_eq!(vip.state, "backup");
    }
}

#[test]
fn refused_adverts_are_told_once_a_minute_with_the_node_and_the_reason() {
    let mut world = settled(standard());
    for pause in [1_000, 58_000, 2_000, 1_000] {
        world.inject(0, of_version_2(node_ip(1)));
        world.run(ms(pause)).unwrap();
    }
    let words = "adverts of lb2 (10.0.0.12) are refused (version): they are of another version of VRRP";
    let vip = status(&world, 0).vips.remove(0);
    assert_eq!((told(&world, "are refused"), vip.dropped), (2, counts(&[("version", 4)])), "{:?}", world.trace);
    assert_eq!((vip.refused.len(), vip.troubles.len(), world.holders(0)), (1, 1, vec![0]));
    assert!(vip.troubles[0].starts_with(words), "{:?}", vip.troubles);
    assert_eq!((vip.refused[0].address.as_str(), vip.refused[0].reason.as_str()), ("10.0.0.12", "version"));
    world.run(secs(61)).unwrap();
    assert_eq!(status(&world, 0).vips[0].troubles, [""; 0]);
    for last in 1..=10 {
        world.inject(0, of_version_2([10, 0, 0, 200 + last].into()));
    }
    world.run(ms(1)).unwrap();
    assert_eq!(status(&world, 0).vips[0].refused.len(), 8);
}

fn claim(world: &mut World, last: u8, ip: Ipv4Addr) {
    let frame = announcement([2, 0, 0, 0, 9, last], ip.into());
    let at = world.now;
    world.deliver(0, Duration::ZERO, Event::FrameReceived { interface: eth0(), frame, at });
    world.run(ms(1)).unwrap();
}

#[test]
fn a_host_that_has_the_address_too_is_told_once_a_minute_and_answered_no_faster_than_adverts() {
    let mut world = settled(standard());
    world.run(secs(6)).unwrap();
    let before = world.announced.len();
    for _ in 0..10 {
        claim(&mut world, 7, vip_ip(0));
    }
    world.run(ms(200)).unwrap();
    // One round of three frames.
    assert_eq!(world.announced.len() - before, 3);
    world.run(ms(900)).unwrap();
    claim(&mut world, 7, vip_ip(0));
    assert_eq!(world.announced.len() - before, 6);
    let vip = status(&world, 0).vips.remove(0);
    assert_eq!((vip.counters["duplicate-address"], vip.duplicates.len(), vip.troubles.len()), (11, 1, 1));
    assert_eq!(vip.duplicates[0].mac, "02:00:00:00:09:07");
    assert_eq!(vip.troubles[0], "02:00:00:00:09:07 claims 10.0.0.100 too: another host has this address");
    assert_eq!(told(&world, "claims 10.0.0.100 too"), 1);
    world.run(secs(58)).unwrap();
    claim(&mut world, 8, vip_ip(0));
    assert_eq!((told(&world, "claims 10.0.0.100 too"), status(&world, 0).vips[0].troubles.len()), (1, 2));
    world.run(secs(2)).unwrap();
    for last in 20..30 {
        claim(&mut world, last, vip_ip(0));
    }
    assert_eq!((told(&world, "claims 10.0.0.100 too"), status(&world, 0).vips[0].duplicates.len()), (2, 8));
    world.run(secs(61)).unwrap();
    assert_eq!(status(&world, 0).vips[0].troubles, [""; 0]);
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn who_claims_an_address_that_is_not_here_is_no_duplicate() {
    let mut world = settled(standard());
    claim(&mut world, 7, [10, 0, 0, 99].into());
    // A router that has just spoken may still believe that it is active.
    world.rival(0, 0, 1);
    claim(&mut world, 7, vip_ip(0));
    // Our own, by way of another port.
    world.run(secs(2)).unwrap();
    let own = announcement([2, 0, 0, 0, 0, world.hosts[0].mac], vip_ip(0).into());
    let at = world.now;
    world.deliver(0, Duration::ZERO, Event::FrameReceived { interface: eth0(), frame: own, at });
    world.run(ms(1)).unwrap();
    assert_eq!(status(&world, 0).vips[0].counters.get("duplicate-address"), None);
}

#[test]
fn sockets_for_hellos_that_cannot_be_opened_are_a_trouble_until_they_can() {
    let mut world = settled(standard().with_key());
    world.deliver(0, Duration::ZERO, Event::HelloOpened { result: Err("address in use".to_owned()) });
    world.run(ms(4_900)).unwrap();
    assert_eq!(status(&world, 0).peers_note.as_deref(), Some("no hellos to other nodes: address in use"));
    world.run(ms(200)).unwrap();
    assert_eq!(status(&world, 0).peers_note, None);
    assert_eq!(told(&world, "no hellos to other nodes: address in use"), 1);
}

#[test]
fn connections_that_cannot_be_reset_are_told_once_and_shown_until_it_works() {
    let mut world = settled(standard());
    world.hosts[0].refuse_resets = true;
    for _ in 0..2 {
        world.request(0, world.replies.len() as u64, Request::Release { vip: None, hold: secs(1) });
        world.run(secs(8)).unwrap();
        assert_eq!(told(&world, "cannot reset connections"), 1);
    }
    let vip = status(&world, 0).vips.remove(0);
    assert_eq!((vip.state.as_str(), vip.counters["resets-failed"]), ("active", 2));
    assert_eq!(vip.troubles, ["connections of clients cannot be reset: operation not supported"]);
    world.hosts[0].refuse_resets = false;
    world.hosts[0].clients.insert(IpAddr::V4(vip_ip(0)), 1);
    world.request(0, 9, Request::Release { vip: None, hold: secs(1) });
    world.run(secs(8)).unwrap();
    let vip = status(&world, 0).vips.remove(0);
    assert_eq!((vip.counters["connections-reset"], vip.troubles.len()), (1, 0));
    assert_eq!(told(&world, "reset 1 connection of clients"), 1);
}

fn two_routes(version: u64, config: &mut Config) {
    with_belongings(version, config);
    if version >= 3 {
        config.vips[0].routes.push(vip_route(7));
        config.vips[0].routes[1].source = config.vips[0].routes[0].source;
    }
    if version == 4 {
        config.vips[0].routes.remove(0);
    }
}

#[test]
fn a_route_that_stays_is_left_alone_and_one_that_leaves_goes() {
    let mut world = World::new(standard(), 1);
    world.edit = two_routes;
    world.run(secs(5)).unwrap();
    world.write_config(0, 2, false);
    world.run(secs(3)).unwrap();
    world.trace = Some(String::new());
    world.write_config(0, 3, false);
    world.run(secs(3)).unwrap();
    assert_eq!((world.hosts[0].routing.len(), told(&world, "lb1 - ")), (2, 0), "{:?}", world.trace);
    assert!(status(&world, 0).vips[0].routing.iter().all(|(_, why)| why.is_none()));
    world.kill(0);
    world.restart_in(0, ms(100));
    world.run(secs(3)).unwrap();
    assert_eq!((world.hosts[0].routing.len(), told(&world, "lb1 - ")), (2, 0), "{:?}", world.trace);
    world.write_config(0, 4, false);
    world.run(secs(3)).unwrap();
    assert_eq!((world.hosts[0].routing.len(), told(&world, "lb1 - ")), (1, 1), "{:?}", world.trace);
    assert_eq!(status(&world, 0).vips[0].routing.len(), 1);
}

#[test]
fn a_route_that_the_kernel_refuses_keeps_nobody_from_the_vip_and_is_told_once() {
    let mut world = settled(standard());
    world.edit = with_belongings;
    world.hosts[0].refuse_routing = true;
    world.write_config(0, 2, false);
    world.run(secs(10)).unwrap();
    let vip = status(&world, 0).vips.remove(0);
    assert_eq!((world.holders(0), vip.routing.len()), (vec![0], 1));
    assert_eq!(vip.routing[0].1.as_deref(), Some("invalid argument"));
    assert_eq!(vip.troubles, [format!("{}: invalid argument", vip.routing[0].0)]);
    assert!(vip.counters["routing-refused"] >= 2, "{:?}", vip.counters);
    assert_eq!(told(&world, "cannot change route"), 1, "{:?}", world.trace);
    world.hosts[0].refuse_routing = false;
    world.run(secs(10)).unwrap();
    let vip = status(&world, 0).vips.remove(0);
    assert_eq!((vip.routing[0].1.as_deref(), vip.troubles.len()), (None, 0));
}

#[test]
fn of_several_trackers_that_failed_the_first_is_named_and_the_others_are_counted() {
    let mut world = settled(Cluster { track: vec![(gateway(), 0), (number(), 0), (web(), 0)], ..standard() });
    world.set_looks(0, Looks::Fail);
    world.hosts[0].servers_up = 0;
    world.run(secs(5)).unwrap();
    assert_eq!(world.holders(0), [1]);
    let why = &status(&world, 0).vips[0].why;
    assert_eq!(why, "tracker gw failed: no route to host (2 times in a row), and 2 more");
    let verdicts: Vec<_> = status(&world, 0).trackers.into_iter().map(|t| (t.name, t.verdict)).collect();
    let failed = |name: &str| (name.to_owned(), "failed".to_owned());
    assert_eq!(verdicts, [failed("gw"), failed("number"), failed("web")]);
    assert_eq!(told(&world, "lb1: tracker gw failed"), 1);
}

#[test]
fn the_service_manager_is_told_the_state_of_each_vip_or_how_many_there_are_of_each() {
    for (vips, says) in [
        (2, "proxy healthy; vip0 active, vip1 backup".to_owned()),
        (16, (0..16).map(|v| format!("vip{v} {}", ["active", "backup"][v % 2])).collect::<Vec<_>>().join(", ")),
        (17, "proxy healthy; 9 active, 8 backup, 0 fault".to_owned()),
    ] {
        let world = settled(Cluster { vips, ..standard() });
        let (ready, said) = &world.notified[&0];
        assert!(*ready && said.ends_with(&says), "{vips}: {said}");
    }
    let mut world = settled(standard());
    world.hosts[0].troubles.cannot_start = true;
    world.kill_proxy(0);
    world.run(secs(1)).unwrap();
    assert_eq!(world.notified[&0].1, "proxy failed; vip0 fault");
}

#[test]
fn an_operator_is_answered_with_what_was_asked_and_with_what_cannot_be() {
    let mut world = settled(Cluster { vips: 2, ..standard() });
    let vip1 = || Some(Name::new("vip1").unwrap());
    world.request(1, 1, Request::Release { vip: vip1(), hold: secs(30) });
    world.run(secs(1)).unwrap();
    assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![0]));
    world.request(1, 2, Request::Resume { vip: vip1() });
    world.request(1, 3, Request::Release { vip: Some(Name::new("other").unwrap()), hold: secs(1) });
    world.run(secs(8)).unwrap();
    assert_eq!(world.holders(1), [1]);
    let answers: Vec<Result<&str, &str>> =
        world.replies.iter().map(|(_, r)| r.as_deref().map_err(String::as_str)).collect();
    let none = Err("this node takes part in no VIP \"other\"");
    assert_eq!(answers, [Ok("released: vip1"), Ok("taking part again: vip1"), none]);
}
