//! What goes with a VIP: connections of clients, routes.

use std::net::{IpAddr, Ipv4Addr};

use vipkeeper::config::{Accept, Config, VirtualAddress};
use vipkeeper::node::event::{Request, Signal};
use vipkeeper::units::{IfName, VipAddress};

use crate::setup::{node_name, standard, vip_ip, with_belongings};
use crate::world::{World, ms, secs};

/// VIP 0 on the first node with its route and three clients.
fn serving() -> World {
    let mut world = World::new(standard(), 1);
    world.edit = with_belongings;
    for host in 0..2 {
        world.write_config(host, 2, false);
    }
    world.run(secs(15)).unwrap();
    assert_eq!(world.holders(0), [0]);
    assert_eq!((world.hosts[0].routing.len(), world.hosts[1].routing.len()), (1, 0));
    world.hosts[0].clients.insert(IpAddr::V4(vip_ip(0)), 3);
    world
}

fn counter(world: &World, host: usize, name: &str) -> u64 {
    let status = world.hosts[host].node.as_ref().unwrap().status(world.now);
    status.vips[0].counters.get(name).copied().unwrap_or(0)
}

#[test]
fn connections_are_reset_and_routes_removed_when_a_vip_leaves_a_living_host() {
    let mut world = serving();
    world.trace = Some(String::new());
    world.request(0, 1, Request::Release { vip: None, hold: secs(0) });
    world.run(ms(500)).unwrap();
    assert_eq!((world.holders(0), world.hosts[0].clients.len()), (vec![1], 0));
    assert_eq!((world.hosts[0].routing.len(), world.hosts[1].routing.len()), (0, 1));
    assert_eq!((counter(&world, 0, "connections-reset"), counter(&world, 1, "connections-reset")), (3, 0));
    let trace = world.trace.unwrap();
    let place = |text: &str| trace.find(text).unwrap_or_else(|| panic!("{text:?} is missing:\n{trace}"));
    assert!(place("reset 3 connections") < place("lb1 - 10.0.0.100"), "{trace}");
    assert!(place("lb1 - route") < place("lb1 - 10.0.0.100"), "{trace}");
    assert!(place("lb2 + 10.0.0.100") < place("lb2 + route"), "{trace}");
}

#[test]
fn an_address_that_somebody_deleted_is_put_back_with_its_route_and_keeps_its_connections() {
    let mut world = serving();
    world.delete_address(0, 0);
    assert_eq!(world.hosts[0].routing.len(), 0);
    world.run(ms(100)).unwrap();
    assert_eq!((world.holders(0), world.hosts[0].routing.len()), (vec![0], 1));
    assert_eq!(world.hosts[0].clients.len(), 1);
    assert_eq!(counter(&world, 0, "addresses-restored"), 1);
}

#[test]
fn a_restart_that_resumes_the_vip_keeps_connections_and_routes() {
    let mut world = serving();
    world.kill(0);
    world.restart_in(0, ms(200));
    world.run(secs(5)).unwrap();
    assert_eq!((world.holders(0), world.hosts[0].clients.len(), world.hosts[0].routing.len()), (vec![0], 1, 1));
}

#[test]
fn the_route_of_a_killed_vipkeeper_goes_with_the_address_or_at_the_next_start() {
    let mut world = serving();
    world.kill(0);
    world.edit = |_, config: &mut Config| config.vips[0].routes.clear();
    // A route without a source stays without its address: as if another one had left it.
    let left = world.hosts[0].routing.clone();
    world.run(secs(10)).unwrap();
    assert_eq!((world.holders(0), world.hosts[0].routing.len()), (vec![1], 0));
    world.hosts[0].routing = left;
    world.boot(0);
    world.run(secs(1)).unwrap();
    assert_eq!(world.hosts[0].routing.len(), 0);
}

#[test]
fn a_stop_resets_too_and_a_changed_configuration_that_keeps_the_address_does_not() {
    let mut world = serving();
    world.edit = |version, config| {
        with_belongings(version, config);
        config.vips[0].routes.clear();
    };
    world.write_config(0, 3, false);
    world.run(secs(3)).unwrap();
    assert_eq!((world.holders(0), world.hosts[0].clients.len(), world.hosts[0].routing.len()), (vec![0], 1, 0));
    world.signal(0, Signal::Terminate);
    world.run(ms(500)).unwrap();
    assert_eq!((world.holders(0), world.hosts[0].clients.len()), (vec![1], 0));
}

fn with_a_label(version: u64, config: &mut Config) {
    with_belongings(version, config);
    config.vips[0].addresses[0].options.label = Some(format!("eth0:v{version}"));
}

#[test]
fn an_address_that_is_wanted_in_another_way_is_replaced_at_once_and_keeps_its_connections() {
    let mut world = serving();
    let label = |world: &World| world.hosts[0].table[&IpAddr::V4(vip_ip(0))].options.label.clone();
    assert_eq!(label(&world), None);
    world.edit = with_a_label;
    world.write_config(0, 3, false);
    world.run(secs(3)).unwrap();
    assert_eq!((world.holders(0), label(&world)), (vec![0], Some("eth0:v3".to_owned())));
    assert_eq!((world.hosts[0].clients.len(), world.hosts[0].routing.len()), (1, 1));
    // The lease of a predecessor that had another label is resumed, then replaced.
    world.kill(0);
    world.hosts[0].config_version = 4;
    world.restart_in(0, ms(200));
    world.run(secs(5)).unwrap();
    assert_eq!((world.holders(0), label(&world)), (vec![0], Some("eth0:v4".to_owned())));
    assert_eq!(world.hosts[0].clients.len(), 1);
}

#[test]
fn a_node_whose_address_belongs_on_a_missing_interface_says_so_and_abstains() {
    let mut world = serving();
    world.edit = |version, config| {
        with_belongings(version, config);
        let eth1 = IfName::new("eth1").unwrap();
        config.vips[0].addresses[0].interfaces.insert(node_name(0), eth1);
    };
    world.write_config(0, 3, false);
    world.run(secs(5)).unwrap();
    assert_eq!(world.holders(0), [1]);
    let status = world.hosts[0].node.as_ref().unwrap().status(world.now);
    assert_eq!(status.vips[0].why, "address 10.0.0.100/24 belongs on eth1, which does not exist");
}

const CROWD: usize = 600;

fn with_a_crowd(_version: u64, config: &mut Config) {
    config.vips[0].addresses.extend((1..CROWD).map(|n| {
        let ip = Ipv4Addr::from(0x0a63_0000 + u32::try_from(n).unwrap());
        let address = VipAddress::new(IpAddr::V4(ip), 24).unwrap();
        VirtualAddress { advertised: false, ..VirtualAddress::plain(address) }
    }));
}

#[test]
fn a_large_set_is_renewed_in_turns_handed_over_in_batches_and_resumed_after_a_restart() {
    let mut world = World::new(standard(), 1);
    (world.edit, world.crowd) = (with_a_crowd, CROWD);
    for host in 0..2 {
        world.write_config(host, 2, false);
    }
    world.run(secs(15)).unwrap();
    assert_eq!((world.hosts[0].table.len(), world.hosts[1].table.len()), (CROWD, 0));
    // A third of the lease of 10 s, and at no time much more than a sixteenth of them at once.
    let mut busiest = 0;
    let before = world.hosts[0].installs;
    for _ in 0..100 {
        let before = world.hosts[0].installs;
        world.run(ms(100)).unwrap();
        busiest = busiest.max(world.hosts[0].installs - before);
    }
    let renewals = world.hosts[0].installs - before;
    assert!((1_700..=1_900).contains(&renewals), "{renewals} in 10 s");
    assert!(busiest <= 80, "{busiest} in 100 ms");
    // All are announced again and again, and the adverts do not wait for it.
    assert!(
        world.announcements >= 2 * CROWD && world.announcements_at_once <= 300,
        "{} {}",
        world.announcements,
        world.announcements_at_once
    );
    // A restart knows by the freshest lease that its predecessor was alive.
    world.kill(0);
    world.restart_in(0, ms(200));
    world.run(secs(3)).unwrap();
    assert_eq!((world.hosts[0].table.len(), world.hosts[1].table.len()), (CROWD, 0));
    world.request(0, 1, Request::Release { vip: None, hold: secs(0) });
    world.run(ms(100)).unwrap();
    assert_eq!((world.hosts[0].table.len(), world.hosts[1].table.len()), (0, CROWD));
}

fn only_forwarding(_version: u64, config: &mut Config) {
    config.vips[0].accept = Accept::No;
}

/// Both nodes with a VIP 0 that accepts nothing.
fn forwarding() -> World {
    let mut world = World::new(standard(), 1);
    world.edit = only_forwarding;
    for host in 0..2 {
        world.write_config(host, 2, false);
    }
    world.run(secs(15)).unwrap();
    assert_eq!(world.holders(0), [0]);
    world
}

#[test]
fn the_filter_of_a_vip_that_accepts_nothing_is_there_before_it_and_goes_with_vipkeeper() {
    let mut world = forwarding();
    let vip = IpAddr::V4(vip_ip(0));
    assert_eq!((&world.hosts[0].filtered, &world.hosts[1].filtered), (&vec![vip], &vec![vip]));
    // Somebody flushes all tables.
    world.hosts[0].filtered.clear();
    world.run(secs(11)).unwrap();
    assert_eq!(world.hosts[0].filtered, [vip]);
    world.signal(0, Signal::Terminate);
    world.run(ms(500)).unwrap();
    assert_eq!((world.holders(0), &world.hosts[0].filtered), (vec![1], &Vec::new()));
    // The next vipkeeper removes what a killed one left, when nobody wants it any more.
    world.kill(1);
    assert_eq!(world.hosts[1].filtered, [vip]);
    world.edit = |_, _| {};
    world.boot(1);
    world.run(secs(1)).unwrap();
    assert!(world.hosts[1].filtered.is_empty());
}

#[test]
fn a_node_that_cannot_filter_keeps_the_vip_and_says_so_until_it_can() {
    let mut world = forwarding();
    world.trace = Some(String::new());
    world.hosts[0].refuse_filters = true;
    world.run(secs(21)).unwrap();
    let status = world.hosts[0].node.as_ref().unwrap().status(world.now);
    assert_eq!(world.holders(0), [0]);
    assert_eq!(status.vips[0].troubles, ["this host answers on the addresses although `accept = false`: no nft here"]);
    assert_eq!(status.vips[0].counters["filters-failed"], 2);
    world.hosts[0].refuse_filters = false;
    world.run(secs(11)).unwrap();
    assert_eq!(world.hosts[0].node.as_ref().unwrap().status(world.now).vips[0].troubles, [""; 0]);
    let trace = world.trace.as_deref().unwrap();
    let told = |text: &str| trace.matches(text).count();
    assert_eq!(told("cannot filter packets of VIPs that accept none: no nft here"), 1, "{trace}");
    assert_eq!(told("the packet filter is as wanted again"), 1, "{trace}");
    // What cannot be removed is told too.
    world.hosts[0].refuse_filters = true;
    world.edit = |_, _| {};
    world.write_config(0, 3, false);
    world.run(secs(1)).unwrap();
    let trace = world.trace.as_deref().unwrap();
    assert_eq!(trace.matches("cannot remove the packet filter: no nft here").count(), 1, "{trace}");
    assert_eq!(world.hosts[0].node.as_ref().unwrap().status(world.now).vips[0].troubles, [""; 0]);
    world.hosts[0].refuse_filters = false;
    world.run(secs(11)).unwrap();
    assert!(world.hosts[0].filtered.is_empty());
}

#[test]
fn a_host_without_nftables_is_told_nothing_while_nobody_wants_a_filter() {
    let mut world = World::dark(standard(), 1);
    world.trace = Some(String::new());
    world.hosts[0].refuse_filters = true;
    world.boot_all();
    world.run(secs(30)).unwrap();
    let trace = world.trace.as_deref().unwrap();
    assert_eq!(trace.matches("packet filter").count(), 0, "{trace}");
}
