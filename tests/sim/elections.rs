//! Stories of elections: conflicts, patience, owners, young links, and more than two nodes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use vipkeeper::config::Preempt;
use vipkeeper::node::{Event, Status};
use vipkeeper::units::{Centis, Priority};

use crate::setup::{Cluster, node_name, standard};
use crate::world::{World, ms, secs, settled};

fn status(world: &World, host: usize) -> Status {
    world.hosts[host].node.as_ref().unwrap().status(world.now)
}

fn state(world: &World, host: usize) -> String {
    status(world, host).vips[0].state.clone()
}

/// How often `notify_master` ran there.
fn masters(world: &World, host: usize) -> usize {
    world.hooks_run.iter().filter(|(of, argv)| *of == host && argv == "/hooks/master").count()
}

/// Neither hears the other, both hold, and clients believe the second one.
fn split(cluster: Cluster) -> World {
    let mut world = settled(cluster);
    world.segment.cut.extend([(0, 1), (1, 0)]);
    world.disturb();
    world.run(secs(10)).unwrap();
    assert_eq!((world.holders(0), world.arp[0]), (vec![0, 1], Some(1)));
    world.hooks_run.clear();
    world.trace = Some(String::new());
    world
}

fn heal(world: &mut World) {
    world.segment.cut.clear();
    world.disturb();
    let healed = world.now;
    while state(world, 1) == "active" {
        world.run(ms(1)).unwrap();
        assert!(world.now < healed + secs(2), "they do not hear each other");
    }
}

/// Whoever hears the other one first: the winner learns that there was a rival, and clients learn of the winner.
#[test]
fn a_silent_partition_heals_and_clients_follow_the_winner_at_once() {
    let mut orders = BTreeSet::new();
    for offset in (0..1_000).step_by(50) {
        let mut world = split(standard());
        world.run(ms(offset)).unwrap();
        heal(&mut world);
        world.run(ms(50)).unwrap();
        assert_eq!(world.holders(0), [0]);
        assert_eq!(world.arp[0], Some(0), "{offset}: clients are still sent to the loser\n{}", world.trace.unwrap());
        let trace = world.trace.unwrap();
        orders.insert(trace.find("lb1 vip0: 10.0.0.12 spoke") < trace.find("lb2 vip0: active -> backup"));
    }
    assert_eq!(orders.len(), 2, "one order of adverts was not played");
}

#[test]
fn a_loser_that_answers_until_it_has_withdrawn_does_not_keep_the_clients() {
    let mut world = split(standard());
    world.segment.cut.clear();
    world.disturb();
    while state(&world, 1) == "active" {
        world.hosts[1].netlink_free_at = world.now + ms(80);
        world.run(ms(1)).unwrap();
    }
    world.run(ms(20)).unwrap();
    assert_eq!((world.holders(0), world.arp[0]), (vec![0, 1], Some(0)), "it has yielded, its kernel has not let go");
    world.client_asks(0);
    world.run(ms(200)).unwrap();
    assert_eq!((world.holders(0), world.arp[0]), (vec![0], Some(0)));
}

#[test]
fn the_winner_of_a_conflict_tells_its_scripts_again_but_once() {
    let mut world = split(standard());
    heal(&mut world);
    world.run(secs(5)).unwrap();
    assert_eq!((masters(&world, 0), masters(&world, 1)), (1, 0), "{:?}", world.hooks_run);
    // A rival that never stops is one conflict.
    world.run(secs(10)).unwrap();
    world.hooks_run.clear();
    for _ in 0..25 {
        world.rival(0, 0, 1);
        world.run(secs(1)).unwrap();
    }
    assert_eq!(masters(&world, 0), 1, "{:?}", world.hooks_run);
}

/// The loser's scripts ran when it yielded: those of the winner run after them, and not only at the next advert.
#[test]
fn scripts_hear_of_a_conflict_a_fifth_of_a_second_after_the_last_word_of_the_rival() {
    let mut world = split(standard());
    heal(&mut world);
    world.run(ms(150)).unwrap();
    assert_eq!(masters(&world, 0), 0, "{:?}", world.hooks_run);
    world.run(ms(100)).unwrap();
    assert_eq!(masters(&world, 0), 1, "{:?}", world.hooks_run);
}

/// When a host announced, in milliseconds since `start`, one entry a round.
fn rounds(world: &World, host: usize, start: Instant) -> Vec<u64> {
    let of_host = world.announced.iter().filter(|(at, of)| *of == host && *at >= start);
    let mut rounds: Vec<u64> = of_host.map(|(at, _)| (*at - start).as_millis() as u64).collect();
    rounds.dedup();
    rounds
}

#[test]
fn the_first_rival_is_answered_at_once_and_a_flood_in_bounds() {
    let mut world = settled(fast());
    world.run(secs(5)).unwrap();
    // A round has just gone out when the rival speaks: clients must not wait for the next one.
    world.hosts[0].mac = 0x77;
    world.deliver(0, Duration::ZERO, Event::NetworkChanged);
    world.run(ms(5)).unwrap();
    let start = world.now;
    world.rival(0, 0, 1);
    world.run(secs(2)).unwrap();
    assert_eq!(rounds(&world, 0, start), [0, 150]);
    let start = world.now;
    for _ in 0..200 {
        world.rival(0, 0, 1);
        world.run(ms(5)).unwrap();
    }
    world.run(secs(2)).unwrap();
    let rounds = rounds(&world, 0, start);
    assert_eq!(rounds.first(), Some(&0));
    assert!((9..=12).contains(&rounds.len()), "{rounds:?}");
    assert!(rounds.last().is_some_and(|last| (1_140..1_160).contains(last)), "one after its last word: {rounds:?}");
}

#[test]
fn a_preemption_is_no_conflict() {
    let mut world = settled(standard());
    world.kill_proxy(0);
    world.run(secs(10)).unwrap();
    assert_eq!(world.holders(0), [0]);
    assert_eq!(masters(&world, 0), 2, "{:?}", world.hooks_run);
    assert_eq!(status(&world, 0).vips[0].counters.get("rivals-heard"), None);
}

#[test]
fn a_node_whose_proxy_was_killed_proves_itself_before_it_takes_the_vip_back() {
    let mut world = settled(Cluster { preempt: Preempt::After(secs(10)), ..standard() });
    world.kill_proxy(0);
    world.run(secs(1)).unwrap();
    assert_eq!((world.holders(0), state(&world, 0).as_str()), (vec![1], "backup"));
    world.run(secs(8)).unwrap();
    assert_eq!(world.holders(0), [1]);
    let why = &status(&world, 0).vips[0].why;
    assert!(why.contains("to take back from lb2 (2 s left)"), "{why}");
    world.run(secs(6)).unwrap();
    assert_eq!(world.holders(0), [0]);
    assert!(status(&world, 0).vips[0].why.contains("preempts"));
}

#[test]
fn patience_does_not_delay_a_start_without_a_holder() {
    let mut world = World::new(Cluster { preempt: Preempt::After(secs(60)), ..standard() }, 1);
    world.run(secs(4)).unwrap();
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn the_owner_is_active_as_soon_as_it_is_fit() {
    let mut world = World::new(Cluster { owned: true, hold: secs(3), ..standard() }, 1);
    world.run(ms(200)).unwrap();
    assert_eq!((world.holders(0), state(&world, 0).as_str()), (vec![0], "active"));
    world.kill_proxy(0);
    world.run(secs(1)).unwrap();
    assert_eq!(world.holders(0), [0], "it takes back what it owns at once");
}

#[test]
fn two_owners_agree_on_the_higher_address() {
    let mut world = World::new(Cluster { owned: true, ..standard() }, 1);
    world.edit = |_, config| {
        config.vips[0].priorities.insert(node_name(1), Priority::OWNER);
    };
    for host in [0, 1] {
        world.kill(host);
        world.restart_in(host, ms(1));
    }
    world.run(secs(5)).unwrap();
    assert_eq!((world.holders(0), world.arp[0]), (vec![1], Some(1)));
    world.kill_proxy(0);
    world.run(secs(5)).unwrap();
    assert_eq!((world.holders(0), world.arp[0]), (vec![1], Some(1)), "the loser claims it again");
    world.hosts[1].troubles.cannot_start = true;
    world.kill_proxy(1);
    world.run(secs(1)).unwrap();
    assert_eq!(world.holders(0), [0]);
}

fn fast() -> Cluster {
    Cluster { interval: Centis::new(1).unwrap(), ..standard() }
}

/// A port that a spanning tree still blocks: the link is up, and nothing comes through.
#[test]
fn a_young_link_is_not_taken_for_a_dead_holder() {
    for (hold, both) in [(Duration::ZERO, true), (secs(3), false)] {
        let mut world = settled(Cluster { hold, ..fast() });
        world.set_link(0, false);
        world.run(secs(3)).unwrap();
        assert_eq!(world.holders(0), [1]);
        world.segment.cut.extend([(0, 1), (1, 0)]);
        world.set_link(0, true);
        world.run(secs(2)).unwrap();
        assert_eq!(world.holders(0) == [0, 1], both, "{hold:?}");
        world.segment.cut.clear();
        world.disturb();
        world.run(secs(3)).unwrap();
        assert_eq!(world.holders(0).len(), 1);
    }
}

#[test]
fn the_first_frame_ends_the_hold_of_a_young_link() {
    let mut world = World::new(Cluster { hold: secs(3), ..fast() }, 1);
    world.run(ms(2_900)).unwrap();
    assert!(world.holders(0).is_empty());
    let why = &status(&world, 0).vips[0].why;
    assert!(why.contains("first frame"), "{why}");
    world.run(ms(200)).unwrap();
    assert_eq!(world.holders(0), [0]);
    // A node that comes back hears the holder, and does not miss its death.
    world.set_link(1, false);
    world.run(secs(1)).unwrap();
    world.set_link(1, true);
    world.run(ms(100)).unwrap();
    world.set_link(0, false);
    world.run(ms(100)).unwrap();
    assert_eq!(state(&world, 1), "active");
}

/// A link is young once: looks at the network that find it as it was do not put off a takeover.
#[test]
fn a_look_at_a_link_that_stayed_up_holds_nobody() {
    let mut world = settled(Cluster { hold: secs(3), ..fast() });
    world.run(secs(5)).unwrap();
    world.kill(0);
    world.deliver(1, ms(10), Event::NetworkChanged);
    world.run(ms(200)).unwrap();
    assert_eq!(state(&world, 1), "active");
}

#[test]
fn five_nodes_follow_one_another_in_order() {
    let mut world = settled(Cluster { nodes: 5, ..standard() });
    for dead in 0..4 {
        world.hosts[dead].troubles.cannot_start = true;
        world.kill_proxy(dead);
        world.run(ms(500)).unwrap();
        assert_eq!((world.holders(0), world.arp[0]), (vec![dead + 1], Some(dead + 1)));
    }
    for host in &mut world.hosts {
        host.troubles.cannot_start = false;
    }
    world.run(secs(20)).unwrap();
    assert_eq!((world.holders(0), world.arp[0]), (vec![0], Some(0)));
}
