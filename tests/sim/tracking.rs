//! Stories of trackers: what is lost on one host moves a VIP, what is lost on all does as configured.

use std::time::Duration;

use vipkeeper::config::{Config, Preempt, Track, TrackerKind};
use vipkeeper::node::event::Signal;
use vipkeeper::units::{Centis, Name};

use crate::host::Looks;
use crate::setup::{Cluster, gateway, node_name, number, standard, tracker, web};
use crate::world::{World, ms, secs, settled};

fn tracking(tracker: vipkeeper::config::Tracker, weight: i32) -> Cluster {
    Cluster { track: vec![(tracker, weight)], ..standard() }
}

fn priority(world: &World, host: usize) -> Option<u8> {
    world.hosts[host].node.as_ref().unwrap().status(world.now).vips[0].priority
}

fn why(world: &World, host: usize) -> String {
    world.hosts[host].node.as_ref().unwrap().status(world.now).vips[0].why.clone()
}

fn verdict(world: &World, host: usize) -> (String, String) {
    let tracker = world.hosts[host].node.as_ref().unwrap().status(world.now).trackers[0].clone();
    (tracker.verdict, tracker.why)
}

/// When a line that holds `text` was told, since the world settled.
fn told(world: &World, text: &str) -> Duration {
    let trace = world.trace.as_deref().unwrap();
    let line = trace.lines().find(|l| l.contains(text)).unwrap_or_else(|| panic!("{text:?} was not told:\n{trace}"));
    Duration::from_secs_f64(line.trim().split(' ').next().unwrap().parse::<f64>().unwrap() / 1000.0)
}

fn never_told(world: &World, text: &str) {
    let trace = world.trace.as_deref().unwrap();
    assert!(!trace.contains(text), "{text:?} was told:\n{trace}");
}

#[test]
fn the_gateway_is_lost_on_one_host_and_the_vip_moves() {
    for weight in [0, -20] {
        let mut world = settled(tracking(gateway(), weight));
        world.set_looks(0, Looks::Fail);
        world.run(secs(4)).unwrap();
        assert_eq!(world.holders(0), [1], "weight {weight}");
        assert_eq!(priority(&world, 0), if weight == 0 { None } else { Some(234) });
        world.set_looks(0, Looks::Good);
        world.run(secs(6)).unwrap();
        assert_eq!(world.holders(0), [0], "weight {weight}");
    }
}

#[test]
fn the_gateway_is_lost_on_both_hosts() {
    let mut stays = settled(tracking(gateway(), -20));
    let mut gone = settled(tracking(gateway(), 0));
    for world in [&mut stays, &mut gone] {
        world.set_looks(0, Looks::Hang);
        world.set_looks(1, Looks::Hang);
        world.run(secs(10)).unwrap();
    }
    // Both are equally bad: the VIP stays where it is preferred.
    assert_eq!(stays.holders(0), [0]);
    assert_eq!((priority(&stays, 0), priority(&stays, 1)), (Some(234), Some(233)));
    // Weight 0 says that no holder at all is better.
    assert_eq!(gone.holders(0), [] as [usize; 0]);
    assert_eq!(why(&gone, 0), "tracker gw failed: no answer from 10.0.0.1 within 500 ms (2 times in a row)");
}

#[test]
fn the_last_server_of_a_backend_is_lost_on_one_host_and_the_vip_moves() {
    for weight in [0, -20, 20] {
        let mut world = settled(tracking(web(), weight));
        world.hosts[0].servers_up = 0;
        world.run(secs(4)).unwrap();
        assert_eq!(world.holders(0), [1], "weight {weight}");
        world.hosts[0].servers_up = 1;
        world.run(secs(6)).unwrap();
        assert_eq!(world.holders(0), [0], "weight {weight}");
    }
}

#[test]
fn a_number_in_a_file_is_multiplied() {
    let mut world = settled(tracking(number(), -3));
    world.set_looks(0, Looks::Number(7));
    world.run(secs(4)).unwrap();
    assert_eq!(priority(&world, 0), Some(233));
    assert_eq!(world.holders(0), [1]);
}

/// keepalived records the result of a script when the child is reaped: a hang with a timeout of 1 s counts after
/// 1.25 s, one that ignores SIGTERM after 3.1 s, one in state D never.
#[test]
fn keepalived_3i_a_hanging_look_is_judged_at_its_deadline() {
    let once = vipkeeper::config::Tracker { fall: 1, ..gateway() };
    let mut world = settled(tracking(once, 0));
    world.set_looks(0, Looks::Hang);
    world.run(secs(3)).unwrap();
    let hung = told(&world, "tracker gw failed: no answer from 10.0.0.1 within 500 ms");
    // At most an interval until the next look, its timeout, and what a wake-up is late.
    assert!(hung <= ms(1501), "{hung:?}");
    assert_eq!(world.holders(0), [1]);
}

/// With keepalived a script that traps SIGTERM and exits 0 after its timeout counts as a success for ever.
#[test]
fn keepalived_3i_a_success_after_the_deadline_is_no_success() {
    let mut world = settled(tracking(gateway(), 0));
    world.set_looks(0, Looks::Hang);
    world.run(secs(60)).unwrap();
    assert_eq!(verdict(&world, 0).0, "failed");
    never_told(&world, "tracker gw is good");
    assert_eq!(world.holders(0), [1]);
}

/// keepalived contributes 0 for a weighted tracker and holds an instance of weight 0 in fault before the first result,
/// which then decides at once.
#[test]
fn keepalived_3i_before_the_first_result_weight_0_waits_and_others_count_for_nothing() {
    let slow = vipkeeper::config::Tracker { interval: secs(5), timeout: secs(4), ..gateway() };
    for (weight, takes_part) in [(0, false), (-20, true), (20, true)] {
        let mut world = World::new(tracking(slow.clone(), weight), 1);
        world.set_looks(0, Looks::Hang);
        world.set_looks(1, Looks::Hang);
        // The first looks left at the boot, before they were told to hang.
        world.kill(0);
        world.boot(0);
        world.run(secs(2)).unwrap();
        assert_eq!(verdict(&world, 0).0, "pending");
        assert_eq!(priority(&world, 0), takes_part.then_some(if weight > 0 { 234 } else { 254 }), "weight {weight}");
        if !takes_part {
            assert_eq!(why(&world, 0), "tracker gw has not been looked at yet");
        }
        world.run(secs(3)).unwrap();
        assert_eq!(verdict(&world, 0).0, "failed", "one result decides at the start, although fall is 2");
    }
}

/// With keepalived weight and `nopreempt` never fail over. `check` refuses that pair; weight 0 works with both.
#[test]
fn keepalived_pain_4_weight_0_moves_the_vip_whatever_preempt_says() {
    for preempt in [Preempt::Refused, Preempt::After(Duration::ZERO)] {
        let mut world = settled(Cluster { preempt, ..tracking(gateway(), 0) });
        world.set_looks(0, Looks::Fail);
        world.run(secs(4)).unwrap();
        assert_eq!(world.holders(0), [1], "{preempt:?}");
    }
}

/// With keepalived skipped runs and late timers under load fail a script that answers.
#[test]
fn keepalived_pain_10_an_answer_that_waited_while_the_node_hung_counts() {
    let once = vipkeeper::config::Tracker { fall: 1, ..gateway() };
    let mut world = settled(tracking(once, 0));
    for _ in 0..20 {
        let pause = world.rng.between(1, 999);
        world.run(ms(pause)).unwrap();
        world.stall(0, ms(900));
        world.run(secs(2)).unwrap();
    }
    never_told(&world, "tracker gw failed");
}

/// With keepalived a script that cannot be executed exits 0.
#[test]
fn keepalived_pain_11_a_look_that_cannot_begin_has_failed() {
    let script = TrackerKind::Script {
        command: vipkeeper::config::HookCommand { argv: vec!["/deleted".to_owned()] },
        user: None,
    };
    let mut world = settled(tracking(tracker("deleted", script), 0));
    world.set_looks(0, Looks::Fail);
    world.run(secs(4)).unwrap();
    assert_eq!(verdict(&world, 0), ("failed".to_owned(), "no route to host (2 times in a row)".to_owned()));
    assert_eq!(world.holders(0), [1]);
}

#[test]
fn a_restart_does_not_drop_the_vip_while_the_first_look_is_under_way() {
    let mut world = settled(tracking(gateway(), 0));
    world.kill(0);
    world.run(ms(20)).unwrap();
    world.boot(0);
    world.run(secs(5)).unwrap();
    assert_eq!(world.holders(0), [0]);
    never_told(&world, "- 10.0.0.100");
    never_told(&world, "in fault");
    told(&world, "fault -> active: resumes the lease of its predecessor");
}

fn edited(version: u64, config: &mut Config) {
    match version {
        2 => {
            config.trackers.push(gateway());
            let track = Track { tracker: gateway().name, weight: 0, reverse: false };
            config.vips[0].track.push(track);
        }
        3 => {
            edited(2, config);
            config.trackers[0].interval = secs(2);
            config.trackers[0].fall = 1;
        }
        _ => {}
    }
}

#[test]
fn a_tracker_that_a_reload_brings_holds_nobody_out_and_keeps_its_verdict_when_only_its_timing_changes() {
    let mut world = settled(standard());
    world.edit = edited;
    world.write_config(0, 2, false);
    world.run(secs(3)).unwrap();
    assert_eq!(verdict(&world, 0).0, "good");
    assert_eq!(world.holders(0), [0]);
    never_told(&world, "- 10.0.0.100");
    world.set_looks(0, Looks::Fail);
    world.run(secs(4)).unwrap();
    assert_eq!(verdict(&world, 0).0, "failed");
    world.trace = Some(String::new());
    world.write_config(0, 3, false);
    world.run(secs(4)).unwrap();
    assert_eq!(verdict(&world, 0).0, "failed");
    never_told(&world, "tracker gw is good");
    // Without the tracker nothing is looked at, and the node takes part again.
    world.write_config(0, 1, false);
    world.run(secs(6)).unwrap();
    assert!(world.hosts[0].node.as_ref().unwrap().status(world.now).trackers.is_empty());
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn a_node_that_stops_looks_at_nothing_any_more() {
    let mut world = settled(tracking(gateway(), 0));
    world.hosts[0].hooks_hang = true;
    world.signal(0, Signal::Terminate);
    world.run(ms(200)).unwrap();
    let node = world.hosts[0].node.as_ref().expect("it waits for its hooks");
    assert!(node.deadline().is_none_or(|d| !d.why.contains("tracker")), "{:?}", node.deadline());
    world.run(secs(20)).unwrap();
    assert_eq!(world.hosts[0].exit_code, Some(0));
}

fn follow(config: &mut Config, follower: usize, leader: usize, reverse: bool) {
    let name = Name::new(&format!("with{leader}")).unwrap();
    let kind = TrackerKind::Vip { vip: config.vips[leader].name.clone() };
    config.trackers.push(vipkeeper::config::Tracker { name: name.clone(), ..tracker("x", kind) });
    config.vips[follower].track.push(Track { tracker: name, weight: 20, reverse });
}

#[test]
fn a_vip_follows_another_one() {
    let mut world = settled(Cluster { vips: 2, ..standard() });
    assert_eq!(world.holders(1), [1]);
    world.edit = |version, config| {
        if version == 2 {
            // The base of vip1 is 253 and 254: give the follower room to move.
            config.vips[1].priorities.insert(node_name(0), vipkeeper::units::Priority::new(100).unwrap());
            config.vips[1].priorities.insert(node_name(1), vipkeeper::units::Priority::new(101).unwrap());
            follow(config, 1, 0, false);
        }
    };
    for host in 0..2 {
        world.write_config(host, 2, false);
    }
    world.run(secs(8)).unwrap();
    assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![0]));
    world.hosts[0].troubles.cannot_start = true;
    world.kill_proxy(0);
    world.run(secs(8)).unwrap();
    assert_eq!((world.holders(0), world.holders(1)), (vec![1], vec![1]));
    assert_eq!(world.arp[1], Some(1));
}

/// The check of the configuration refuses rings; a node that is given one all the same must stay at rest.
#[test]
fn vips_that_track_each_other_in_a_ring_do_not_keep_the_node_busy() {
    let mut world = settled(Cluster { vips: 2, interval: Centis::SECOND, ..standard() });
    world.edit = |version, config| {
        if version == 2 {
            follow(config, 0, 1, true);
            follow(config, 1, 0, true);
            config.vips.iter_mut().for_each(|vip| vip.track[0].weight = 0);
        }
    };
    world.write_config(0, 2, false);
    let before = world.steps;
    world.run(secs(20)).unwrap();
    let steps = world.steps - before;
    assert!(steps < 20_000, "{steps} steps");
}
