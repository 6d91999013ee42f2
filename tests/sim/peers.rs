//! Stories of nodes that know each other: named successors, make before break, second signs of life, and grace.

use std::time::Duration;

use expect_test::expect;
use vipkeeper::config::Preempt;
use vipkeeper::node::Status;
use vipkeeper::node::event::{Request, Signal};
use vipkeeper::units::{Centis, Priority};

use crate::scenarios::told;
use crate::setup::{Cluster, node_name, standard};
use crate::world::{World, ms, secs, settled};

fn pair() -> Cluster {
    standard().with_key()
}

fn fast() -> Cluster {
    Cluster { interval: Centis::new(1).unwrap(), ..pair() }
}

fn status(world: &World, host: usize) -> Status {
    world.hosts[host].node.as_ref().unwrap().status(world.now)
}

fn state(world: &World, host: usize) -> String {
    status(world, host).vips[0].state.clone()
}

fn count(world: &World, text: &str) -> usize {
    world.trace.as_deref().unwrap_or_default().matches(text).count()
}

/// Milliseconds from the start of the trace to the first line with this text.
fn when(world: &World, text: &str) -> f64 {
    let trace = world.trace.as_deref().unwrap_or_default();
    let line = trace.lines().find(|line| line.contains(text)).unwrap_or_else(|| panic!("no {text:?} in\n{trace}"));
    line.split_whitespace().next().unwrap().parse().unwrap()
}

#[test]
fn peers_meet_and_show_what_they_know() {
    let mut world = settled(pair());
    world.run(secs(1)).unwrap();
    let peer = &status(&world, 0).peers[0];
    assert_eq!((peer.name.as_str(), peer.state.as_str(), peer.same_config), ("lb2", "fresh", Some(true)));
    assert_eq!((peer.vips[0].state.as_str(), peer.vips[0].priority, peer.vips[0].fit), ("backup", Some(253), true));
    assert!(peer.heard_ms_ago.unwrap() <= 1_010);
    world.kill(1);
    world.run(secs(10)).unwrap();
    assert_eq!(status(&world, 0).peers[0].state, "silent");
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn the_proxy_dies_and_the_named_successor_takes_over_at_once() {
    let mut world = settled(pair());
    world.hosts[0].troubles.cannot_start = true;
    world.kill_proxy(0);
    world.run(ms(90)).unwrap();
    assert_eq!((world.holders(0), world.arp[0]), (vec![1], Some(1)));
    told(
        &mut world,
        expect![[r#"
             0.00 ms  lb1 proxy dies
             0.40 ms  lb1: the proxy has failed: the proxy (pid 1001) ended: signal 9
             0.40 ms  lb1 vip0: active -> fault: proxy failed: the proxy (pid 1001) ended: signal 9
             0.57 ms  lb2 vip0: backup -> active: lb1 hands over
             0.65 ms  lb2 + 10.0.0.100
             1.49 ms  lb1 - 10.0.0.100
             2.40 ms  lb1 vip0: notify_fault exited 0: /hooks/fault
             4.40 ms  lb1 proxy starts with 0000000000000001
             6.80 ms  lb1: the proxy (pid 1003) ended: exit status 1
            12.40 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 FAULT 254
            22.70 ms  lb2 vip0: notify_master exited 0: /hooks/master
            29.70 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 253
        "#]],
    );
}

#[test]
fn vipkeeper_is_stopped_and_clients_always_find_a_holder() {
    let mut world = settled(pair());
    world.signal(0, Signal::Terminate);
    world.run(ms(90)).unwrap();
    assert_eq!(world.hosts[0].exit_code, Some(0));
    assert!(when(&world, "lb2 + 10.0.0.100") < when(&world, "lb1 - 10.0.0.100"), "made before it breaks");
    told(
        &mut world,
        expect![[r#"
             0.00 ms  lb1 gets Terminate
             0.02 ms  lb1: stopping: giving up all VIPs
             0.02 ms  lb1 vip0: active -> fault: vipkeeper stops
             0.21 ms  lb2 vip0: backup -> active: lb1 hands over
             0.78 ms  lb2 + 10.0.0.100
             1.95 ms  lb1 - 10.0.0.100
             8.79 ms  lb2 vip0: notify_master exited 0: /hooks/master
            20.79 ms  lb2 vip0: notify exited 0: /hooks/any INSTANCE vip0 MASTER 253
            23.02 ms  lb1 vip0: notify_stop exited 0: /hooks/stop
            37.02 ms  lb1 vip0: notify exited 0: /hooks/any INSTANCE vip0 STOP 254
            37.02 ms  lb1 vipkeeper exits 0
        "#]],
    );
}

#[test]
fn a_better_node_returns_and_takes_the_vip_within_a_millisecond() {
    let mut world = settled(pair());
    world.hosts[0].troubles.cannot_start = true;
    world.kill_proxy(0);
    world.run(secs(5)).unwrap();
    world.hosts[0].troubles.cannot_start = false;
    world.trace = Some(String::new());
    world.run(secs(10)).unwrap();
    assert_eq!(world.holders(0), [0]);
    let fit = when(&world, "lb1 vip0: fault -> backup");
    assert!(when(&world, "lb1 vip0: backup -> active: lb2 hands over") - fit < 1.0);
    assert!(when(&world, "lb1 + 10.0.0.100") < when(&world, "lb2 - 10.0.0.100"), "made before it breaks");
    assert_eq!(count(&world, "-> active"), 1, "{}", world.trace.unwrap());
}

#[test]
fn preemption_still_waits_for_its_delay_and_its_permission() {
    let delay = secs(4);
    let mut world = settled(Cluster { preempt: Preempt::After(delay), ..pair() });
    world.signal(0, Signal::Terminate);
    world.restart_in(0, ms(500));
    world.run(secs(12)).unwrap();
    let fit = when(&world, "lb1 vip0: fault -> backup");
    let waited = when(&world, "lb1 vip0: backup -> active: lb2 hands over") - fit;
    assert!((4000.0..4002.0).contains(&waited), "{waited}");

    let mut world = settled(Cluster { preempt: Preempt::Refused, ..pair() });
    world.signal(0, Signal::Terminate);
    world.restart_in(0, ms(500));
    world.run(secs(12)).unwrap();
    assert_eq!(world.holders(0), [1]);
}

#[test]
fn an_offer_that_nobody_takes_is_taken_back() {
    let mut world = settled(pair());
    world.edit = |version, config| {
        if version == 2 {
            config.vips[0].priorities.insert(node_name(0), Priority::new(100).unwrap());
        }
    };
    world.write_config(0, 2, false);
    for _ in 0..100_000 {
        world.run(Duration::from_micros(10)).unwrap();
        if count(&world, "hands over to lb2 (priority 253 against 100)") > 0 {
            break;
        }
    }
    // It wanted the VIP, and is gone before it can get it.
    world.kill(1);
    world.run(ms(900)).unwrap();
    let back = when(&world, "backup -> active: lb2 did not take it") - when(&world, "lb1 vip0: active -> backup");
    assert!((100.0..101.0).contains(&back), "{back}");
    assert_eq!(world.holders(0), [0]);
    assert_eq!(count(&world, "- 10.0.0.100"), 0, "nobody was without it for a moment");
}

#[test]
fn nothing_lingers_where_nobody_is_known() {
    for keyed in [vec![false, false], vec![true, false], vec![false, true]] {
        let mut world = settled(Cluster { keyed, ..standard() });
        world.request(0, 1, Request::Release { vip: None, hold: secs(2) });
        world.run(ms(3)).unwrap();
        assert_eq!(world.holders(0), [] as [usize; 0]);
        world.run(ms(20)).unwrap();
        assert_eq!(world.holders(0), [1]);
    }
}

#[test]
fn a_lost_take_costs_no_more_than_the_skew() {
    let mut world = settled(pair());
    world.segment.hello_loss_permille = 1000;
    world.disturb();
    world.signal(0, Signal::Terminate);
    world.run(ms(200)).unwrap();
    assert!(when(&world, "lb2 vip0: backup -> active: 10.0.0.11 resigned") < 13.0);
    assert!(when(&world, "lb2 + 10.0.0.100") < when(&world, "lb1 - 10.0.0.100"));
    assert!(when(&world, "lb1 - 10.0.0.100") < 40.0, "an advert of the successor was heard");
}

#[test]
fn a_lost_resignation_costs_nothing() {
    let mut world = settled(pair());
    world.segment.advert_loss_permille = 1000;
    world.disturb();
    world.signal(0, Signal::Terminate);
    world.run(ms(200)).unwrap();
    assert!(when(&world, "lb2 vip0: backup -> active: lb1 hands over") < 1.0);
}

#[test]
fn adverts_that_a_firewall_drops_do_not_make_two_holders() {
    for cluster in [pair(), fast()] {
        let mut world = settled(cluster);
        world.segment.advert_loss_permille = 1000;
        world.disturb();
        world.run(secs(20)).unwrap();
        assert_eq!(world.holders(0), [0]);
        assert_eq!(count(&world, "->"), 0, "{}", world.trace.unwrap());
        let troubles = status(&world, 1).vips[0].troubles.clone();
        assert!(troubles[0].starts_with("adverts of lb1 do not arrive, its hellos do: a firewall"), "{troubles:?}");
        let troubles = status(&world, 0).vips[0].troubles.clone();
        assert!(troubles[0].starts_with("lb2 does not hear our adverts"), "{troubles:?}");
        // A dead host is still missed, and its return makes no second holder either.
        world.kill(0);
        world.run(secs(5)).unwrap();
        assert_eq!(world.holders(0), [1]);
        world.restart_in(0, ms(1));
        world.run(secs(5)).unwrap();
        assert_eq!(world.holders(0), [0]);
        world.segment.advert_loss_permille = 0;
        world.run(secs(5)).unwrap();
        assert!(status(&world, 1).vips[0].troubles.is_empty());
    }
}

#[test]
fn a_dead_host_is_missed_as_soon_as_without_hellos() {
    let dead = |cluster: Cluster| {
        let mut world = settled(cluster);
        world.kill(0);
        world.run(secs(5)).unwrap();
        when(&world, "lb2 vip0: backup -> active")
    };
    for interval in [1, 10, 100] {
        let interval = Centis::new(interval).unwrap();
        let plain = dead(Cluster { interval, ..standard() });
        let known = dead(Cluster { interval, ..pair() });
        // From somewhere within an interval.
        let span = interval.duration().as_secs_f64() * 1000.0;
        assert!(known < span * 3.02 + 1.0 && plain < span * 3.02 + 1.0, "{known} {plain}");
    }
}

#[test]
fn lost_frames_do_not_move_the_vip_every_second() {
    for (loss, at_most) in [(100, 1), (300, 10)] {
        let mut world = settled(fast());
        world.segment.loss_permille = loss;
        world.disturb();
        world.run(secs(60)).unwrap();
        let moved = count(&world, "lb2 vip0: backup -> active");
        println!("{loss} per mille: {moved} false failovers a minute");
        assert!(moved <= at_most, "{moved} of {at_most} at {loss}");
    }
}

#[test]
fn recorded_hellos_do_nothing() {
    let mut world = settled(pair());
    world.tape = Some(Vec::new());
    // What lb1 says when it hands over, and when it comes back.
    world.signal(0, Signal::Terminate);
    world.restart_in(0, ms(500));
    world.run(secs(20)).unwrap();
    assert_eq!(world.holders(0), [0]);
    let tape = world.tape.take().unwrap();
    assert!(tape.len() > 20);
    world.trace = Some(String::new());
    for (from, to, bytes) in tape {
        world.hello_from(from, to, Duration::ZERO, bytes.clone());
        // From elsewhere, and to somebody else.
        world.hello_from(to, to, Duration::ZERO, bytes.clone());
        world.hello_from(from, from, Duration::ZERO, bytes);
        world.run(ms(30)).unwrap();
    }
    assert_eq!(count(&world, "->"), 0, "{}", world.trace.unwrap());
    let dropped = &status(&world, 1).peers[0].dropped;
    for reason in ["replayed", "unproven", "wrong-address"] {
        assert!(dropped.contains_key(reason), "{reason}: {dropped:?}");
    }
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn a_one_way_partition_leaves_one_holder_and_its_end_changes_it_back() {
    for cluster in [pair(), fast()] {
        let mut world = settled(cluster);
        world.segment.cut.insert((0, 1));
        world.disturb();
        let start = world.now;
        while world.holders(0) != [1] {
            assert!(world.now < start + secs(10), "{}", world.trace.unwrap());
            world.run(ms(5)).unwrap();
        }
        // Who gives way cannot tell the other, but hosts that believed it are told where to go.
        assert_eq!(world.arp[0], Some(1), "{}", world.trace.unwrap());
        world.run(secs(4)).unwrap();
        assert_eq!(world.holders(0), [1], "{}", world.trace.unwrap());
        assert_eq!(state(&world, 0), "backup");
        let troubles = status(&world, 0).vips[0].troubles.clone();
        assert!(troubles[0].contains("lb2 does not hear us"), "{troubles:?}");
        let moves = count(&world, "->");
        world.run(secs(20)).unwrap();
        assert_eq!(count(&world, "->"), moves, "it does not flap: {}", world.trace.unwrap());
        world.segment.cut.clear();
        world.disturb();
        world.run(secs(5)).unwrap();
        assert_eq!(world.holders(0), [0], "{}", world.trace.unwrap());
        // The other way round the backup hears everything.
        world.segment.cut.insert((1, 0));
        world.disturb();
        world.run(secs(10)).unwrap();
        assert_eq!(world.holders(0), [0]);
    }
}

#[test]
fn a_rival_that_was_deaf_once_is_preempted_later() {
    let mut world = settled(Cluster { interval: Centis::new(10).unwrap(), ..pair() });
    world.segment.cut.insert((0, 1));
    world.disturb();
    world.run(secs(10)).unwrap();
    assert_eq!(world.holders(0), [1]);
    // The deaf one dies: the VIP comes back before its last hello is old.
    world.kill(1);
    world.run(secs(4)).unwrap();
    assert_eq!(world.holders(0), [0], "{}", world.trace.unwrap());
    world.segment.cut.clear();
    world.restart_in(1, ms(1));
    world.disturb();
    world.run(secs(20)).unwrap();
    // Now it leaves here, and nothing is in the way of its return.
    world.hosts[0].troubles.cannot_start = true;
    world.kill_proxy(0);
    world.run(secs(2)).unwrap();
    assert_eq!(world.holders(0), [1], "{}", world.trace.unwrap());
    world.hosts[0].troubles.cannot_start = false;
    world.run(secs(30)).unwrap();
    assert_eq!(world.holders(0), [0], "{}", world.trace.unwrap());
}

#[test]
fn a_proxy_that_nobody_can_replace_is_restarted_in_place() {
    let mut world = settled(Cluster { grace: ms(800), ..pair() });
    world.hosts[1].troubles.cannot_start = true;
    world.kill_proxy(1);
    world.run(secs(2)).unwrap();
    world.trace = Some(String::new());
    world.kill_proxy(0);
    world.run(secs(3)).unwrap();
    assert_eq!(count(&world, "vip0:"), 0, "{}", world.trace.unwrap());
    assert_eq!(world.holders(0), [0]);
    assert!(world.hosts[0].is_serving());

    // It does not come back: the VIP leaves when the grace is over.
    world.hosts[0].troubles.cannot_start = true;
    world.trace = Some(String::new());
    world.start = world.now;
    world.kill_proxy(0);
    world.run(secs(3)).unwrap();
    let left = when(&world, "lb1 vip0: active -> fault");
    assert!((800.0..802.0).contains(&left), "{left}");
    assert_eq!(world.holders(0), [] as [usize; 0]);
}

#[test]
fn a_fit_peer_that_appears_within_the_grace_gets_the_vip_at_once() {
    let mut world = settled(Cluster { grace: secs(20), ..pair() });
    world.hosts[1].troubles.cannot_start = true;
    world.kill_proxy(1);
    world.run(secs(2)).unwrap();
    world.hosts[0].troubles.cannot_start = true;
    world.kill_proxy(0);
    world.run(secs(1)).unwrap();
    assert_eq!(state(&world, 0), "active");
    world.hosts[1].troubles.cannot_start = false;
    world.trace = Some(String::new());
    world.run(secs(11)).unwrap();
    let fit = when(&world, "lb2 vip0: fault -> backup");
    assert!(when(&world, "lb2 vip0: backup -> active: lb1 hands over") - fit < 1.5, "{}", world.trace.unwrap());
    assert_eq!(world.holders(0), [1]);
}

#[test]
fn with_a_fit_peer_there_is_no_grace() {
    let mut world = settled(Cluster { grace: secs(20), ..pair() });
    world.kill_proxy(0);
    world.run(ms(5)).unwrap();
    assert_eq!(world.holders(0), [1]);
}
