//! Stories in which several parts meet: groups that are handed over, connections that are reset after a linger, delays
//! that peers must respect.

use std::net::IpAddr;
use std::time::Duration;

use vipkeeper::config::{Preempt, Transport, VirtualAddress};
use vipkeeper::node::Status;
use vipkeeper::node::event::{Request, Signal};
use vipkeeper::units::{Centis, Priority, VipAddress};

use crate::setup::{Cluster, node_name, standard, vip_ip, with_belongings};
use crate::world::{World, ms, secs, settled};

fn pair() -> Cluster {
    standard().with_key()
}

/// Two VIPs that are one group, on three nodes that know each other.
fn group() -> Cluster {
    Cluster { nodes: 3, vips: 2, grouped: true, ..standard() }.with_key()
}

fn status(world: &World, host: usize) -> Status {
    world.hosts[host].node.as_ref().unwrap().status(world.now)
}

fn trace(world: &World) -> &str {
    world.trace.as_deref().unwrap_or_default()
}

fn count(world: &World, text: &str) -> usize {
    trace(world).matches(text).count()
}

fn place(world: &World, text: &str) -> usize {
    trace(world).find(text).unwrap_or_else(|| panic!("{text:?} is missing:\n{}", trace(world)))
}

fn forget(world: &mut World) {
    world.trace = Some(String::new());
    world.start = world.now;
}

/// The default delay, with and without peers.
fn delayed() -> [Cluster; 2] {
    let preempt = Preempt::After(secs(10));
    [Cluster { preempt, ..standard() }, Cluster { preempt, ..pair() }]
}

#[test]
fn a_proxy_that_is_killed_and_comes_back_moves_the_vip_at_most_once() {
    for cluster in delayed() {
        let mut world = settled(cluster);
        world.run(secs(10)).unwrap();
        forget(&mut world);
        world.kill_proxy(0);
        world.run(secs(5)).unwrap();
        assert!(world.hosts[0].is_serving());
        assert_eq!((world.holders(0), count(&world, "-> active")), (vec![1], 1), "{}", trace(&world));
        world.run(secs(10)).unwrap();
        assert_eq!((world.holders(0), count(&world, "-> active")), (vec![0], 2), "{}", trace(&world));
    }
}

#[test]
fn a_node_that_wakes_from_a_hang_or_is_restarted_does_not_take_back_at_once() {
    for cluster in delayed() {
        for restart in [false, true] {
            let mut world = settled(cluster.clone());
            world.run(secs(10)).unwrap();
            forget(&mut world);
            if restart {
                world.kill(0);
                world.restart_in(0, secs(5));
            } else {
                world.stall(0, secs(5));
            }
            world.run(secs(14)).unwrap();
            assert_eq!((world.holders(0), count(&world, "-> active")), (vec![1], 1), "{}", trace(&world));
        }
    }
}

#[test]
fn a_group_moves_as_one_and_is_made_before_it_breaks() {
    let mut world = settled(group());
    world.request(0, 1, Request::Release { vip: None, hold: secs(3) });
    world.run(secs(2)).unwrap();
    for ip in ["10.0.0.100", "10.0.0.101"] {
        assert!(place(&world, &format!("lb2 + {ip}")) < place(&world, &format!("lb1 - {ip}")), "{}", trace(&world));
    }
    forget(&mut world);
    world.run(secs(5)).unwrap();
    assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![0]));
    for ip in ["10.0.0.100", "10.0.0.101"] {
        assert!(place(&world, &format!("lb1 + {ip}")) < place(&world, &format!("lb2 - {ip}")), "{}", trace(&world));
    }
    assert_eq!(count(&world, "-> active"), 2, "{}", trace(&world));
}

/// Runs until the log holds a text.
fn run_until(world: &mut World, text: &str) {
    for _ in 0..200_000 {
        world.run(Duration::from_micros(10)).unwrap();
        if count(world, text) > 0 {
            return;
        }
    }
    panic!("{text:?} never came:\n{}", trace(world));
}

#[test]
fn an_offer_of_a_group_that_nobody_takes_is_taken_back_as_one() {
    let mut world = settled(Cluster { nodes: 2, ..group() });
    world.edit = |version, config| {
        if version == 2 {
            config.vips[0].priorities.insert(node_name(0), Priority::new(100).unwrap());
        }
    };
    world.write_config(0, 2, false);
    run_until(&mut world, "hands over to lb2 (priority 253 against 100)");
    world.kill(1);
    world.run(ms(900)).unwrap();
    assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![0]));
    assert_eq!(count(&world, "lb1 - "), 0, "{}", trace(&world));
    assert_eq!(count(&world, "lb2 did not take it"), 2, "{}", trace(&world));
}

/// The router's own patience ends before the time to linger: that is the same as taking it back.
#[test]
fn an_offer_that_nobody_takes_is_not_repeated_at_once_at_fast_intervals_either() {
    for cluster in [pair(), Cluster { nodes: 2, ..group() }] {
        let mut world = settled(Cluster { interval: Centis::new(1).unwrap(), ..cluster });
        world.edit = |version, config| {
            if version == 2 {
                config.vips[0].priorities.insert(node_name(0), Priority::new(100).unwrap());
            }
        };
        world.write_config(0, 2, false);
        run_until(&mut world, "hands over to lb2 (priority 253 against 100)");
        world.kill(1);
        world.run(secs(3)).unwrap();
        assert_eq!(world.holders(0), [0]);
        assert_eq!(count(&world, "lb1 vip0: backup -> active"), 1, "{}", trace(&world));
    }
}

/// Two hold it after a partition, and a third one that may not preempt hears both.
fn torn(cluster: Cluster) -> World {
    let mut world = World::new(Cluster { preempt: Preempt::Refused, ..cluster }, 1);
    world.trace = Some(String::new());
    world.kill(0);
    world.run(secs(12)).unwrap();
    world.restart_in(0, ms(1));
    world.run(secs(4)).unwrap();
    world.segment.cut.extend([(1, 2), (2, 1)]);
    world.disturb();
    world.run(secs(8)).unwrap();
    assert_eq!(world.holders(0), [1, 2], "{}", trace(&world));
    forget(&mut world);
    world
}

#[test]
fn a_group_that_yields_names_nobody_who_may_not_have_it() {
    for offset in (0..1_000).step_by(100) {
        let mut world = torn(group());
        world.run(ms(offset)).unwrap();
        world.segment.cut.clear();
        world.disturb();
        world.run(secs(5)).unwrap();
        let holders = (world.holders(0), world.holders(1));
        assert_eq!(holders, (vec![1], vec![1]), "{offset}: {}", trace(&world));
        assert_eq!(count(&world, "lb1 vip"), 0, "{offset}: {}", trace(&world));
    }
}

#[test]
fn who_stops_beside_another_holder_names_no_third_one() {
    for offset in (0..1_000).step_by(100) {
        let mut world = torn(Cluster { nodes: 3, ..pair() });
        world.run(ms(offset)).unwrap();
        world.segment.cut.clear();
        // Hellos, then the stop, before any advert.
        world.segment.advert_loss_permille = 1000;
        world.disturb();
        world.run(ms(1)).unwrap();
        world.signal(2, Signal::Terminate);
        world.run(ms(10)).unwrap();
        world.segment.advert_loss_permille = 0;
        world.run(secs(5)).unwrap();
        assert_eq!(world.holders(0), [1], "{offset}: {}", trace(&world));
        assert_eq!(count(&world, "lb1 vip"), 0, "{offset}: {}", trace(&world));
    }
}

/// VIP 0 with clients on the first node of a pair whose nodes know each other.
fn serving() -> World {
    let mut world = World::new(pair(), 1);
    world.edit = with_belongings;
    for host in 0..2 {
        world.write_config(host, 2, false);
    }
    world.run(secs(15)).unwrap();
    assert_eq!(world.holders(0), [0]);
    world.hosts[0].clients.insert(IpAddr::V4(vip_ip(0)), 3);
    forget(&mut world);
    world
}

#[test]
fn connections_are_reset_once_after_the_successor_took_over() {
    for stop in [false, true] {
        let mut world = serving();
        if stop {
            world.signal(0, Signal::Terminate);
        } else {
            world.request(0, 1, Request::Release { vip: None, hold: Duration::ZERO });
        }
        world.run(ms(500)).unwrap();
        assert!(world.hosts[0].clients.is_empty());
        let reset = place(&world, "reset 3 connections");
        assert!(place(&world, "lb2 + 10.0.0.100") < reset, "{}", trace(&world));
        assert!(reset < place(&world, "lb1 - 10.0.0.100"), "{}", trace(&world));
        assert_eq!(count(&world, "reset "), 1, "{}", trace(&world));
    }
}

#[test]
fn connections_stay_when_an_offer_is_taken_back() {
    let mut world = serving();
    world.edit = |version, config| {
        with_belongings(version, config);
        if version == 3 {
            config.vips[0].priorities.insert(node_name(0), Priority::new(100).unwrap());
        }
    };
    world.write_config(0, 3, false);
    run_until(&mut world, "hands over to lb2 (priority 253 against 100)");
    world.kill(1);
    world.run(ms(900)).unwrap();
    assert_eq!((world.holders(0), world.hosts[0].clients.len()), (vec![0], 1), "{}", trace(&world));
    assert_eq!(count(&world, "reset "), 0);
}

/// Who owns the address preempts in every mode, but not a router that would never notice.
#[test]
fn an_owner_that_is_not_heard_does_not_flap() {
    let mut world = settled(Cluster { owned: true, ..pair() });
    world.segment.cut.insert((0, 1));
    world.disturb();
    world.run(secs(12)).unwrap();
    let moves = count(&world, "->");
    world.run(secs(30)).unwrap();
    assert_eq!(count(&world, "->"), moves, "{}", trace(&world));
    assert_eq!(world.holders(0), [1]);
    world.segment.cut.clear();
    world.disturb();
    world.run(secs(5)).unwrap();
    assert_eq!(world.holders(0), [0], "{}", trace(&world));
    assert!(status(&world, 0).vips[0].troubles.is_empty());
}

/// Adverts of IPv6 leave from link-local addresses, which no configuration names: that is no trouble.
#[test]
fn a_pair_that_hears_each_other_by_ipv6_has_no_troubles() {
    let mut world = World::new(pair(), 1);
    world.edit = |_, config| {
        let vip = &mut config.vips[0];
        let address = VipAddress::new("fd00::100".parse().unwrap(), 64).unwrap();
        vip.addresses = vec![VirtualAddress::plain(address)];
        vip.transport = Transport::Multicast(Transport::GROUP_V6);
    };
    for host in 0..2 {
        world.write_config(host, 2, false);
    }
    world.run(secs(20)).unwrap();
    let vips = [0, 1].map(|host| status(&world, host).vips.remove(0));
    assert_eq!([vips[0].state.as_str(), vips[1].state.as_str()], ["active", "backup"]);
    assert_eq!([&vips[0].troubles, &vips[1].troubles], [&Vec::<String>::new(), &Vec::new()]);
    // Where they are lost it still is one.
    world.segment.advert_loss_permille = 1000;
    world.disturb();
    world.run(secs(20)).unwrap();
    let vips = [0, 1].map(|host| status(&world, host).vips.remove(0));
    assert_eq!([vips[0].state.as_str(), vips[1].state.as_str()], ["active", "backup"]);
    let troubles = vips.map(|vip| vip.troubles.join("; "));
    assert!(troubles[0].starts_with("lb2 does not hear our adverts"), "{troubles:?}");
    assert!(troubles[1].starts_with("adverts of lb1 do not arrive, its hellos do"), "{troubles:?}");
}
