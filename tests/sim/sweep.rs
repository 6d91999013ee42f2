//! Many seeds, each a different cluster and a different history of faults.

use std::panic::catch_unwind;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use vipkeeper::config::{Auth, Config, Hardware, HmacMode, Preempt, Version};
use vipkeeper::shell::clock::now;
use vipkeeper::units::{Centis, Digest, Family, Vrid};
use vipkeeper::vrrp::vmac::virtual_mac;

use crate::faults;
use crate::host::ARP_BEFORE;
use crate::rng::Rng;
use crate::setup::{Cluster, gateway, home, number, signed, web, with_belongings};
use crate::world::World;

/// Between two lines of progress.
const TELL_EVERY: Duration = Duration::from_secs(10);

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
    let track = match rng.below(8) {
        0 => vec![(gateway(), 0)],
        1 => vec![(gateway(), -20), (number(), -2)],
        2 => vec![(web(), 20)],
        3 => vec![(web(), 0), (number(), 0)],
        _ => Vec::new(),
    };
    // By the number alone, as the hardware below: the histories of the other seeds stay what they were.
    let version = if centis == 100 && seed % 11 == 5 { Version::V2 } else { Version::V3 };
    let auth = match (version, seed % 13) {
        (Version::V2, 0..=6) => Auth::Password(*b"secret\0\0"),
        (Version::V3, 6) => signed(HmacMode::Enforce),
        (Version::V2 | Version::V3, _) => Auth::None,
    };
    // The default, which is as long as some whole histories.
    let preempt = if seed % 17 == 9 { Preempt::After(Duration::from_secs(10)) } else { preempt };
    let cluster = Cluster {
        version,
        auth,
        track,
        nodes: if rng.chance(500) { 2 } else { rng.between(3, 5) as usize },
        vips: rng.between(1, 2) as usize,
        interval: Centis::new(centis).unwrap(),
        preempt,
        unicast: rng.chance(300),
        // A single interval is less than what frames of the simulation straggle.
        multiplier: match centis {
            1 => rng.between(3, 5) as u8,
            10 => rng.between(2, 5) as u8,
            _ => rng.between(1, 4) as u8,
        },
        hold: Duration::from_secs(if rng.chance(300) { 3 } else { 0 }),
        grouped: rng.chance(300),
        owned: rng.chance(150),
        keyed: Vec::new(),
        grace: Duration::ZERO,
        hardware: if seed % 7 == 3 { Hardware::Virtual } else { Hardware::Interface },
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

fn edit_with_belongings(version: u64, config: &mut Config) {
    faults::edit(version, config);
    with_belongings(version, config);
}

/// Clients that believe a former claimant are told by then (`announce.refresh`).
const REFRESH: Duration = Duration::from_secs(60);

/// Faults for a while, then none: exactly one healthy holder, which stays, and clients know it.
fn play(seed: u64, traced: bool) -> (World, Result<(), String>) {
    let (cluster, duration) = cluster(seed);
    let mut world = World::new(cluster, seed);
    world.trace = traced.then(String::new);
    // Takes effect with the first file that is read anew, as with an upgrade.
    world.edit = if seed.is_multiple_of(2) { faults::edit } else { edit_with_belongings };
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
    // Who disagreed about the transport until then may have claimed an address last: the refresh puts that right.
    if settled.iter().enumerate().any(|(v, holders)| world.arp[v] != holders.first().copied()) {
        world.run(REFRESH)?;
    }
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
        if world.cluster.preempt != Preempt::Refused && home(&world.cluster, v, holder) != 0 {
            return Err(format!("after healing vip{v} is not on its preferred node but on {holder}"));
        }
        if world.arp[v] != Some(holder) {
            return Err(format!("clients believe vip{v} on {:?}, it is on {holder}", world.arp[v]));
        }
    }
    devices_at_rest(world)?;
    let first = world.holders(0);
    if world.cluster.grouped && (1..world.cluster.vips).any(|v| world.holders(v) != first) {
        return Err("after healing the group is torn".to_owned());
    }
    at_rest(world)
}

/// What a node says, what its proxy runs and what its scripts were told is one story.
fn at_rest(world: &World) -> Result<(), String> {
    for (h, host) in world.hosts.iter().enumerate() {
        let name = h + 1;
        let status = host.node.as_ref().ok_or(format!("lb{name} does not run"))?.status(world.now);
        let runs = host.proxy.as_ref().map(|p| p.runs.to_string());
        if runs.as_ref() != Some(&status.config.digest) || status.config.digest != Digest(1).to_string() {
            return Err(format!("lb{name} has {} in force and its proxy runs {runs:?}", status.config.digest));
        }
        for vip in &status.vips {
            let table = format!("table {}", 100 + usize::from(vip.vrid) - 51);
            let routed = host.routing.iter().filter(|entry| entry.to_string().ends_with(&table)).count();
            let wanted = vip.routing.len();
            if routed != if vip.state == "active" { wanted } else { 0 } {
                return Err(format!("lb{name} is {} for {} and has {routed} of its routes", vip.state, vip.name));
            }
            let word = if vip.state == "active" { "MASTER" } else { "BACKUP" };
            let prefix = format!("/hooks/any INSTANCE {} ", vip.name);
            let told = world.hooks_run.iter().rev().find(|(of, argv)| *of == h && argv.starts_with(&prefix));
            let told = told.map(|(_, argv)| &argv[prefix.len()..]);
            if !told.is_some_and(|told| told.starts_with(word)) {
                return Err(format!("lb{name} is {} for {} but told {told:?}", vip.state, vip.name));
            }
        }
    }
    if world.cluster.grouped {
        groups_at_rest(world)?;
    }
    let unanswered = world.asked.iter().find(|(id, host, incarnation)| {
        world.hosts[*host].incarnation == *incarnation && world.replies.iter().all(|(of, _)| of != id)
    });
    unanswered.map_or(Ok(()), |(id, ..)| Err(format!("request {id} was never answered")))
}

/// The holder has the device, switches look for the virtual router there, and interfaces without a device are as before.
fn devices_at_rest(world: &World) -> Result<(), String> {
    let holders: Vec<Vec<usize>> = (0..world.cluster.vips).map(|v| world.holders(v)).collect();
    for (h, host) in world.hosts.iter().enumerate() {
        let wanted = match world.cluster.hardware {
            Hardware::Interface => 0,
            Hardware::Virtual => holders.iter().filter(|holders| holders.contains(&h)).count(),
        };
        if host.devices.len() != wanted {
            return Err(format!("lb{} has {:?} and should have {wanted} devices", h + 1, host.devices.keys()));
        }
        let arp = if wanted == 0 { ARP_BEFORE } else { ARP_BEFORE.below_device() };
        if host.arp != arp {
            return Err(format!("lb{} answers ARP like {:?} with {wanted} devices", h + 1, host.arp));
        }
    }
    for (v, holders) in holders.iter().enumerate().filter(|_| world.cluster.hardware == Hardware::Virtual) {
        let place = world.switch.get(&virtual_mac(Family::V4, Vrid::new(51 + v as i64).unwrap())).copied();
        if !world.cluster.unicast && place.as_ref() != holders.first() {
            return Err(format!("switches look for vip{v} on {place:?}, it is on {holders:?}"));
        }
    }
    Ok(())
}

/// Scripts of the group know where it is.
fn groups_at_rest(world: &World) -> Result<(), String> {
    let holders = world.holders(0);
    for h in 0..world.hosts.len() {
        let word = if holders.contains(&h) { "MASTER" } else { "BACKUP" };
        let told = world.hooks_run.iter().rev().find(|(of, argv)| *of == h && argv.starts_with("/hooks/group "));
        if told.is_none_or(|(_, argv)| *argv != format!("/hooks/group GROUP edge {word} 0")) {
            return Err(format!("lb{} should have told its group {word}, but said {told:?}", h + 1));
        }
    }
    Ok(())
}

fn env(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|v| v.parse().unwrap_or_else(|_| panic!("{name} must be a number, not {v:?}")))
}

/// Failures that are told in full; more are counted.
const TOLD_MAX: usize = 100;

/// What all threads of a sweep have seen so far.
struct Sweep {
    first: u64,
    seeds: u64,
    next: AtomicU64,
    steps: AtomicU64,
    failed: Mutex<Vec<u64>>,
}

impl Sweep {
    /// Plays seeds until there are none left. A panic is a counter-example like any other.
    fn work(&self) {
        loop {
            let number = self.next.fetch_add(1, Ordering::Relaxed);
            if number >= self.seeds {
                return;
            }
            let seed = self.first + number;
            let result = catch_unwind(|| {
                let (world, result) = play(seed, false);
                self.steps.fetch_add(world.steps, Ordering::Relaxed);
                result
            });
            if let Err(why) = result.unwrap_or_else(|_| Err("it panicked, see above".to_owned())) {
                let mut failed = self.failed.lock().unwrap();
                if failed.len() < TOLD_MAX {
                    println!(
                        "seed {seed}: {why}\n  replay: SIM_SEED={seed} cargo test --test sim -- --nocapture one_seed"
                    );
                }
                failed.push(seed);
            }
        }
    }

    fn tell(&self, since: Instant) {
        let secs = now().saturating_duration_since(since).as_secs_f64().max(0.001);
        let (seeds, steps) = (self.next.load(Ordering::Relaxed).min(self.seeds), self.steps.load(Ordering::Relaxed));
        let failed = self.failed.lock().unwrap().len();
        println!(
            "{seeds} of {} seeds, {steps} steps in {secs:.0} s: {:.0} seeds/s, {:.0} steps/s; {failed} failed",
            self.seeds,
            seeds as f64 / secs,
            steps as f64 / secs
        );
    }
}

#[test]
fn sweep() {
    let seeds = env("SIM_SEEDS").unwrap_or(256);
    let sweep = Sweep {
        first: env("SIM_FIRST").unwrap_or(0),
        seeds,
        next: AtomicU64::new(0),
        steps: AtomicU64::new(0),
        failed: Mutex::default(),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let start = now();
    let (ended, wait) = channel();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let ended = ended.clone();
            let sweep = &sweep;
            scope.spawn(move || {
                sweep.work();
                drop(ended);
            });
        }
        drop::<Sender<()>>(ended);
        while wait.recv_timeout(TELL_EVERY) == Err(RecvTimeoutError::Timeout) {
            sweep.tell(start);
        }
    });
    sweep.tell(start);
    let failed = sweep.failed.into_inner().unwrap();
    let told = &failed[..failed.len().min(TOLD_MAX)];
    assert!(failed.is_empty(), "{} of {seeds} seeds failed, among them {told:?}", failed.len());
}

#[test]
fn one_seed() {
    let Some(seed) = env("SIM_SEED") else { return };
    let (world, result) = play(seed, true);
    println!("{:?}\n{}", world.cluster, world.trace.as_deref().unwrap_or_default());
    if result.is_err() {
        for node in world.hosts.iter().filter_map(|h| h.node.as_ref()) {
            println!("{}", serde_json::to_string_pretty(&node.status(world.now)).unwrap());
        }
    }
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

/// Histories of a few clusters of a kind, whose nodes are looked at between their deadlines too.
fn unasked(kind: fn(&Cluster) -> bool) {
    let seeds = (0..).filter(|seed| {
        let (cluster, _) = cluster(*seed);
        cluster.interval == Centis::SECOND && kind(&cluster)
    });
    for seed in seeds.take(3) {
        let (cluster, duration) = cluster(seed);
        let mut world = World::new(cluster, seed);
        world.edit = edit_with_belongings;
        world.unasked = Some(Rng::new(seed ^ 0x0a5c_0de5));
        history(&mut world, duration).unwrap_or_else(|why| panic!("seed {seed}: {why}\n{:?}", world.cluster));
    }
}

#[test]
fn who_is_looked_at_unasked_has_nothing_to_do() {
    unasked(|cluster| cluster.keyed.is_empty() && !cluster.grouped && cluster.track.is_empty());
}

#[test]
fn who_is_looked_at_unasked_has_nothing_to_do_with_trackers() {
    unasked(|cluster| !cluster.track.is_empty() && !cluster.grouped);
}

#[test]
fn who_is_looked_at_unasked_has_nothing_to_do_with_a_device() {
    unasked(|cluster| cluster.hardware == Hardware::Virtual && cluster.keyed.is_empty());
}

#[test]
fn who_is_looked_at_unasked_has_nothing_to_do_in_a_group() {
    unasked(|cluster| cluster.grouped && cluster.vips > 1);
}

#[test]
fn who_is_looked_at_unasked_has_nothing_to_do_among_peers() {
    unasked(|cluster| cluster.keyed.iter().all(|keyed| *keyed) && !cluster.keyed.is_empty() && !cluster.grouped);
}

/// What is due at an instant is done at that instant, and does not wait for another one: else the invariant of no
/// deadline in the past fails.
#[test]
fn who_wakes_at_the_very_instant_of_a_deadline_meets_it() {
    for seed in (0..).filter(|seed| cluster(*seed).0.interval == Centis::SECOND).take(8) {
        let (cluster, duration) = cluster(seed);
        let mut world = World::new(cluster, seed);
        world.edit = edit_with_belongings;
        world.punctual = true;
        history(&mut world, duration).unwrap_or_else(|why| panic!("seed {seed}: {why}\n{:?}", world.cluster));
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
