//! VIPs with the virtual router's hardware address: their device, the interface below, and where switches look.

use std::time::Duration;

use vipkeeper::addrs::device::ArpConf;
use vipkeeper::config::Hardware;
use vipkeeper::node::Event;
use vipkeeper::node::event::{Link, Signal};
use vipkeeper::node::status::VipStatus;
use vipkeeper::units::{Family, IfName, Vrid};
use vipkeeper::vrrp::announce::announcement;
use vipkeeper::vrrp::vmac::virtual_mac;

use crate::host::ARP_BEFORE;
use crate::setup::{Cluster, eth0, standard, vip_ip};
use crate::world::{World, ms, secs, settled};

const BELOW: ArpConf = ArpConf { ignore: 1, announce: 2 };

fn pair() -> Cluster {
    Cluster { hardware: Hardware::Virtual, ..standard() }
}

fn mac() -> [u8; 6] {
    virtual_mac(Family::V4, Vrid::new(51).unwrap())
}

fn name() -> IfName {
    IfName::of_virtual_router(Family::V4, Vrid::new(51).unwrap())
}

fn status(world: &World, host: usize) -> VipStatus {
    world.hosts[host].node.as_ref().unwrap().status(world.now).vips.remove(0)
}

/// Devices on both hosts, and how their interfaces answer ARP.
fn devices(world: &World) -> [(usize, ArpConf); 2] {
    [0, 1].map(|host| (world.hosts[host].devices.len(), world.hosts[host].arp))
}

#[test]
fn the_device_goes_with_the_vip_and_the_interface_below_is_put_back() {
    let mut world = settled(pair());
    assert_eq!(devices(&world), [(1, BELOW), (0, ARP_BEFORE)]);
    let address = &world.hosts[0].table[&vip_ip(0).into()];
    assert_eq!(address.index, world.hosts[0].devices[&name()].index, "the address is on the device");
    assert_eq!(world.switch[&mac()], 0);
    world.signal(0, Signal::Terminate);
    world.run(ms(500)).unwrap();
    assert_eq!((world.hosts[0].exit_code, world.holders(0)), (Some(0), vec![1]));
    assert_eq!(devices(&world), [(0, ARP_BEFORE), (1, BELOW)]);
    assert_eq!(world.switch[&mac()], 1);
    let trace = world.trace.unwrap();
    let place = |text: &str| trace.find(text).unwrap_or_else(|| panic!("{text:?} is missing:\n{trace}"));
    assert!(place("lb1 - 10.0.0.100") < place("lb1 - vrrp4.51"), "{trace}");
    assert!(place("lb2 + vrrp4.51") < place("lb2 + 10.0.0.100"), "{trace}");
}

/// Both were active; the loser says so once more, and not from the virtual router's hardware address.
#[test]
fn who_yields_does_not_draw_switches_to_itself() {
    let mut world = settled(pair());
    for way in [(0, 1), (1, 0)] {
        world.segment.cut.insert(way);
    }
    world.run(secs(5)).unwrap();
    assert_eq!(world.holders(0), [0, 1]);
    world.segment.cut.clear();
    world.disturb();
    let heard = |world: &World| status(world, 1).counters.get("adverts-received").copied();
    let before = heard(&world);
    world.sent.clear();
    world.run(secs(5)).unwrap();
    let loser = status(&world, 1);
    assert_eq!((loser.state.as_str(), heard(&world) > before), ("backup", true));
    let since = world.now - ms(loser.for_ms + 1);
    let by = |host: usize| world.sent.iter().any(|(at, of, sender)| (*of, *sender) == (host, mac()) && *at > since);
    assert_eq!((by(0), by(1)), (true, false));
    assert!(status(&world, 0).counters["rivals-heard"] > 0, "it said so nevertheless");
    assert_eq!(world.switch[&mac()], 0);
    assert_eq!(devices(&world), [(1, BELOW), (0, ARP_BEFORE)]);
}

#[test]
fn a_hand_over_between_peers_leaves_switches_with_the_successor() {
    let mut world = settled(pair().with_key());
    world.request(0, 1, vipkeeper::node::event::Request::Release { vip: None, hold: Duration::ZERO });
    while world.holders(0) != [1] {
        world.run(ms(1)).unwrap();
    }
    for _ in 0..1000 {
        world.run(ms(1)).unwrap();
        assert_eq!(world.switch[&mac()], 1);
    }
    assert_eq!(devices(&world), [(0, ARP_BEFORE), (1, BELOW)]);
}

#[test]
fn a_restart_adopts_the_device_and_knows_how_the_interface_was() {
    let mut world = settled(pair());
    let before = world.hosts[0].devices[&name()].clone();
    world.kill(0);
    world.run(ms(500)).unwrap();
    world.boot(0);
    world.run(secs(5)).unwrap();
    assert_eq!((world.holders(0), &world.hosts[0].devices[&name()]), (vec![0], &before));
    world.signal(0, Signal::Terminate);
    world.run(secs(1)).unwrap();
    assert_eq!(devices(&world), [(0, ARP_BEFORE), (1, BELOW)]);
}

/// Somebody else took over meanwhile: what the predecessor left is removed.
#[test]
fn a_late_restart_removes_the_device_of_its_predecessor() {
    let mut world = settled(Cluster { preempt: vipkeeper::config::Preempt::Refused, ..pair() });
    world.kill(0);
    world.run(secs(8)).unwrap();
    assert_eq!(devices(&world), [(1, BELOW), (1, BELOW)], "nobody is there to remove it");
    world.boot(0);
    world.run(secs(5)).unwrap();
    assert_eq!((world.holders(0), devices(&world)), (vec![1], [(0, ARP_BEFORE), (1, BELOW)]));
}

#[test]
fn a_device_of_another_configuration_is_removed_at_the_start() {
    let mut world = settled(pair());
    world.edit = |_, config| config.vips[0].hardware = Hardware::Interface;
    world.kill(0);
    world.boot(0);
    world.run(secs(20)).unwrap();
    assert_eq!(devices(&world)[0], (0, ARP_BEFORE));
    let trace = world.trace.unwrap();
    assert!(trace.contains("lb1: a predecessor left device vrrp4.51: removing it"), "{trace}");
}

#[test]
fn a_device_of_somebody_else_keeps_the_vip_away_and_is_named() {
    let mut world = settled(pair());
    let foreign = Link { alias: Some("mine".to_owned()), ..world.hosts[0].devices[&name()].clone() };
    let address = world.hosts[0].remove_device(&name());
    assert_eq!(address.len(), 1);
    world.hosts[0].devices.insert(name(), foreign.clone());
    world.deliver(0, Duration::ZERO, Event::NetworkChanged);
    world.run(secs(5)).unwrap();
    let vip = status(&world, 0);
    assert_eq!((vip.state.as_str(), world.holders(0)), ("fault", vec![1]));
    assert_eq!(
        vip.why,
        "device vrrp4.51 is not vipkeeper's, and the virtual MAC address needs that name: remove it with \
         `ip link delete vrrp4.51`, or give the VIP another `vrid`"
    );
    assert_eq!(world.hosts[0].devices[&name()], foreign);
    world.hosts[0].devices.clear();
    world.deliver(0, Duration::ZERO, Event::NetworkChanged);
    world.run(secs(15)).unwrap();
    assert_eq!((world.holders(0), devices(&world)), (vec![0], [(1, BELOW), (0, ARP_BEFORE)]));
}

#[test]
fn a_device_that_somebody_deleted_is_put_back_with_its_address() {
    let mut world = settled(pair());
    world.remove_device(0, &name());
    world.run(ms(100)).unwrap();
    assert_eq!((world.holders(0), devices(&world)), (vec![0], [(1, BELOW), (0, ARP_BEFORE)]));
    assert_eq!(status(&world, 0).state, "active");
}

/// `sysctl --system` is run again.
#[test]
fn an_interface_that_somebody_put_back_is_told_again() {
    let mut world = settled(pair());
    world.hosts[0].arp = ARP_BEFORE;
    world.deliver(0, Duration::ZERO, Event::NetworkChanged);
    world.run(ms(100)).unwrap();
    assert_eq!(devices(&world)[0], (1, BELOW));
    world.signal(0, Signal::Terminate);
    world.run(secs(1)).unwrap();
    assert_eq!(devices(&world)[0], (0, ARP_BEFORE));
}

#[test]
fn the_virtual_hardware_address_is_no_duplicate_and_another_one_is() {
    let mut world = settled(pair());
    for claimant in [mac(), [2, 0, 0, 0, 9, 9]] {
        let frame = announcement(claimant, vip_ip(0).into());
        let event = Event::FrameReceived { interface: eth0(), frame, at: world.now };
        world.deliver(0, Duration::ZERO, event);
        world.run(secs(1)).unwrap();
    }
    let macs: Vec<String> = status(&world, 0).duplicates.into_iter().map(|d| d.mac).collect();
    assert_eq!(macs, ["02:00:00:00:09:09"]);
}

#[test]
fn a_kernel_that_refuses_the_device_sends_the_vip_to_another_node() {
    let mut world = World::new(pair(), 1);
    world.hosts[0].refuse_addresses = true;
    world.trace = Some(String::new());
    world.run(secs(12)).unwrap();
    assert_eq!(world.holders(0), [1]);
    let trace = world.trace.unwrap();
    assert!(trace.contains("lb1 vip0: cannot set up device vrrp4.51: no buffer space"), "{trace}");
    assert!(
        trace.contains("lb1 vip0: active -> fault: an address cannot be installed: cannot set up device"),
        "{trace}"
    );
}

/// Another virtual router in the eyes of the segment: it is given up and joined anew.
#[test]
fn a_reload_turns_it_on_and_off() {
    let mut world = settled(standard());
    world.edit = |version, config| {
        config.vips[0].hardware = if version == 2 { Hardware::Virtual } else { Hardware::Interface };
    };
    for (version, wanted) in [(2, [(1, BELOW), (0, ARP_BEFORE)]), (3, [(0, ARP_BEFORE), (0, ARP_BEFORE)])] {
        for host in 0..2 {
            world.write_config(host, version, false);
        }
        world.run(secs(25)).unwrap();
        assert_eq!((world.holders(0), devices(&world)), (vec![0], wanted), "version {version}");
    }
}
