//! Many seeds, each a different cluster and a different history of faults.

use std::time::Duration;

use vipkeeper::config::Preempt;
use vipkeeper::units::{Centis, Digest};

use crate::faults;
use crate::rng::Rng;
use crate::setup::{Cluster, rank};
use crate::world::World;

fn cluster(seed: u64) -> (Cluster, Duration) {
    let mut rng = Rng::new(seed ^ 0xc105_7e12);
    let (centis, secs) = match rng.below(6) {
        0 => (1, 8),
        1 => (10, 30),
        _ => (100, 60),
    };
    let preempt = match rng.below(4) {
        0 => Preempt::Refused,
        1 => Preempt::After(Duration::from_secs(2)),
        _ => Preempt::After(Duration::ZERO),
    };
    let cluster = Cluster {
        nodes: if rng.chance(300) { 3 } else { 2 },
        vips: rng.between(1, 2) as usize,
        interval: Centis::new(centis).unwrap(),
        preempt,
        unicast: rng.chance(300),
        keyed: Vec::new(),
        grace: Duration::ZERO,
    };
    // Half of the clusters have peers, now and then beside nodes without.
    let cluster = if rng.chance(500) {
        let keyed = (0..cluster.nodes).map(|_| rng.chance(850)).collect();
        Cluster { keyed, grace: Duration::from_millis(rng.below(3) * 400), ..cluster }
    } else {
        cluster
    };
    (cluster, Duration::from_secs(secs))
}

/// Faults for a while, then none: exactly one healthy holder, which stays, and clients know it.
fn play(seed: u64, traced: bool) -> (World, Result<(), String>) {
    let (cluster, duration) = cluster(seed);
    let mut world = World::new(cluster, seed);
    world.trace = traced.then(String::new);
    world.edit = faults::edit;
    let result = history(&mut world, duration);
    (world, result)
}

fn history(world: &mut World, duration: Duration) -> Result<(), String> {
    let end = world.now + duration;
    let pace = world.rng.between(200, 4_000);
    while world.now < end {
        let pause = Duration::from_millis(world.rng.between(0, pace));
        world.run(pause)?;
        faults::inject(world);
        // Faults of the segment do not last for ever even while others go on.
        if world.rng.chance(200) {
            world.segment = crate::net::Segment::default();
            world.disturb();
        }
    }
    faults::heal(world);
    // Restarts, backoff (10 s), the wedge limit (5 s), the confirmation (10 s) and an election fit into this.
    world.run(Duration::from_secs(50))?;
    let settled = (0..world.cluster.vips).map(|v| world.holders(v)).collect::<Vec<_>>();
    world.run(Duration::from_secs(10))?;
    for (v, before) in settled.iter().enumerate() {
        let holders = world.holders(v);
        let [holder] = holders[..] else {
            return Err(format!("after healing vip{v} is on {holders:?} instead of one node"));
        };
        if *before != holders {
            return Err(format!("after healing vip{v} still moves: {before:?} then {holders:?}"));
        }
        if !world.hosts[holder].is_serving() {
            return Err(format!("after healing vip{v} is on a node whose proxy does not serve"));
        }
        if world.cluster.preempt != Preempt::Refused && rank(&world.cluster, v, holder) != 0 {
            return Err(format!("after healing vip{v} is not on its preferred node but on {holder}"));
        }
        if world.arp[v] != Some(holder) {
            return Err(format!("clients believe vip{v} on {:?}, it is on {holder}", world.arp[v]));
        }
    }
    at_rest(world)
}

/// What a node says, what its proxy runs and what its scripts were told is one story.
fn at_rest(world: &World) -> Result<(), String> {
    for (h, host) in world.hosts.iter().enumerate() {
        let name = h + 1;
        let status = host.node.as_ref().ok_or(format!("lb{name} does not run"))?.status(world.now);
        let runs = host.proxy.as_ref().map(|p| p.generation.to_string());
        if runs.as_ref() != Some(&status.config.digest) || status.config.digest != Digest(1).to_string() {
            return Err(format!("lb{name} has {} in force and its proxy runs {runs:?}", status.config.digest));
        }
        for vip in &status.vips {
            let word = if vip.state == "active" { "MASTER" } else { "BACKUP" };
            let prefix = format!("/hooks/any INSTANCE {} ", vip.name);
            let told = world.hooks_run.iter().rev().find(|(of, argv)| *of == h && argv.starts_with(&prefix));
            let told = told.map(|(_, argv)| &argv[prefix.len()..]);
            if !told.is_some_and(|told| told.starts_with(word)) {
                return Err(format!("lb{name} is {} for {} but told {told:?}", vip.state, vip.name));
            }
        }
    }
    let unanswered = world.asked.iter().find(|(id, host, incarnation)| {
        world.hosts[*host].incarnation == *incarnation && world.replies.iter().all(|(of, _)| of != id)
    });
    unanswered.map_or(Ok(()), |(id, ..)| Err(format!("request {id} was never answered")))
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|v| v.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {v:?}")))
}

#[test]
fn sweep() {
    let first = env("SIM_FIRST").unwrap_or(0);
    let seeds = env("SIM_SEEDS").unwrap_or(256);
    let mut steps = 0;
    let mut failed = Vec::new();
    for seed in first..first + seeds {
        let (world, result) = play(seed, false);
        steps += world.steps;
        if let Err(why) = result {
            println!("seed {seed}: {why}\n  replay: SIM_SEED={seed} cargo test --test sim -- --nocapture one_seed");
            failed.push(seed);
        }
    }
    println!("{seeds} seeds, {steps} steps");
    assert!(failed.is_empty(), "{} of {seeds} seeds failed: {failed:?}", failed.len());
}

#[test]
fn one_seed() {
    let Some(seed) = env("SIM_SEED") else { return };
    let (world, result) = play(seed, true);
    println!("{:?}\n{}", world.cluster, world.trace.unwrap_or_default());
    result.unwrap();
}

#[test]
fn a_seed_plays_the_same_history_twice() {
    for seed in [3, 77, 1234] {
        let (a, first) = play(seed, false);
        let (b, second) = play(seed, false);
        assert_eq!((a.journal, a.steps, first), (b.journal, b.steps, second));
    }
}

/// Seeds that once failed.
#[test]
fn old_failures_stay_fixed() {
    for line in include_str!("../data/seeds").lines().filter(|l| !l.starts_with('#')) {
        let seed = line.trim().parse().unwrap();
        let (_, result) = play(seed, false);
        result.unwrap_or_else(|why| panic!("seed {seed}: {why}"));
    }
}
