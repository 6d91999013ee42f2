//! A journal of a simulated host, told again to another node: the same decisions, to the last byte.

use std::sync::Arc;
use std::time::{Duration, Instant};

use vipkeeper::config::{self, Source, Sources};
use vipkeeper::journal::story::{Line, Stamp, What};
use vipkeeper::journal::{Record, Replay};
use vipkeeper::node::event::{Loaded, Signal};
use vipkeeper::node::{Effect, Event};
use vipkeeper::peer::Incarnation;
use vipkeeper::render::{RenderInput, render};
use vipkeeper::units::Name;

use crate::faults;
use crate::setup::{Cluster, key, node_name, standard};
use crate::world::{World, secs};

/// What the driver and its journal see of one vipkeeper; a restarted one begins anew.
pub struct Witness {
    start: Instant,
    pub lines: Vec<String>,
    pub effects: Vec<Effect>,
    /// What the effects tell, with the time of each.
    pub story: Vec<(Duration, usize)>,
}

impl Witness {
    fn new(start: Instant) -> Self {
        Self { start, lines: Vec::new(), effects: Vec::new(), story: Vec::new() }
    }

    pub fn begin(&mut self, (node, incarnation): (Name, Incarnation), loaded: Loaded, now: Instant) {
        *self = Self::new(now);
        self.lines.push(Record::start(node, incarnation, loaded).line(now).unwrap());
        self.story.push((Duration::ZERO, 0));
    }

    pub fn told(&mut self, at: Instant, event: &Event) {
        self.story.push((at - self.start, self.effects.len()));
        self.lines.push(Record::Told { at, event: event.clone() }.line(self.start).unwrap());
    }

    /// Decisions as the simulation would tell them.
    fn decisions(&self) -> Vec<String> {
        let ends = self.story.iter().skip(1).map(|(_, from)| *from).chain([self.effects.len()]);
        let turns = self.story.iter().zip(ends);
        turns
            .flat_map(|((at, from), end)| {
                let told = self.effects[*from..end].iter().filter_map(What::of);
                told.map(|what| format!("{}{}", Stamp(*at), Line { node: "lb1", what })).collect::<Vec<_>>()
            })
            .collect()
    }
}

/// Configuration `version` as people would write it.
fn written(cluster: &Cluster, version: u64) -> Loaded {
    let mut text = format!("# version {version}\n");
    for node in 1..=cluster.nodes {
        text += &format!("[[node]]\nname = \"lb{node}\"\naddress = \"10.0.0.{}\"\n\n", 10 + node);
    }
    let keyed = cluster.keyed.contains(&true);
    // Two addresses travel together, one alone.
    let addresses = if keyed { "\"10.0.0.100/24\", \"10.0.0.101/24\"" } else { "\"10.0.0.100/24\"" };
    if keyed {
        text += "[peers]\nkey_file = \"/peers.key\"\n\n";
    }
    text += &format!("[[vip]]\nname = \"vip0\"\naddresses = [{addresses}]\ninterface = \"eth0\"\nvrid = 51\n");
    text += "prefer = [\"lb1\", \"lb2\"]\nadvert_interval = \"1s\"\npreempt_delay = \"0s\"\n\
             notify = [\"/hooks/any\"]\n\n\
             [proxy]\nengine = \"haproxy\"\n\n\
             [[frontend]]\nname = \"www\"\nbind = [\"vip0:80\"]\ndefault_backend = \"web\"\n\n\
             [[backend]]\nname = \"web\"\nserver = [{ name = \"web1\", address = \"10.0.1.1:8080\" }]\n";
    let sources = Arc::new(Sources { files: vec![Source { path: "vipkeeper.toml".into(), text }] });
    let config = config::load(&sources).unwrap_or_else(|p| panic!("{}", p.report(&sources, config::Colour::None)));
    let input = RenderInput {
        config: &config,
        sources: &sources,
        node: &node_name(0),
        stats_socket: std::path::Path::new("/run/vipkeeper/stats.sock"),
        files_dir: std::path::Path::new("/run/files"),
        template: None,
        reads: None,
    };
    let rendered = Arc::new(render(&input).unwrap());
    Loaded { config: Arc::new(config), rendered, key: keyed.then(key), key_note: None }
}

fn witnessed(cluster: Cluster, seed: u64) -> World {
    let mut world = World::dark(cluster, seed);
    world.witness = Some(Witness::new(world.now));
    world.source = Some(written);
    world.boot_all();
    world
}

/// Tells the journal again, from another instant, and compares everything.
fn assert_replays(world: &World) -> Vec<String> {
    let witness = world.witness.as_ref().unwrap();
    let base = world.now + secs(12_345);
    let (mut replay, turn) = Replay::start(&witness.lines[0], base).unwrap();
    let (mut story, mut effects) = (turn.story, turn.effects);
    for line in &witness.lines[1..] {
        let turn = replay.take(line).unwrap();
        story.extend(turn.story);
        effects.extend(turn.effects);
    }
    assert_eq!(effects, witness.effects);
    // What became known beside the decisions.
    let known = ["lb1 vipkeeper starts", "lb1 gets ", "lb1 + ", "lb1 - "];
    let decided = story.iter().filter(|line| !known.iter().any(|k| line[15..].starts_with(k)));
    assert_eq!(decided.cloned().collect::<Vec<_>>(), witness.decisions());
    story
}

#[test]
fn a_failover_and_a_stop_replay() {
    let mut world = witnessed(standard(), 1);
    world.run(secs(12)).unwrap();
    assert_eq!(world.holders(0), [0]);
    world.kill_proxy(0);
    world.run(secs(1)).unwrap();
    assert_eq!(world.holders(0), [1]);
    world.run(secs(12)).unwrap();
    assert_eq!(world.holders(0), [0]);
    world.signal(0, Signal::Terminate);
    world.run(secs(2)).unwrap();
    let story = assert_replays(&world).join("\n");
    for part in [
        "lb1 vipkeeper starts",
        "lb1 vip0: backup -> active: nobody is active",
        "lb1 + 10.0.0.100",
        "lb1 vip0: active -> fault: proxy failed",
        "lb1 - 10.0.0.100",
        "lb1 gets Terminate",
        "lb1 vipkeeper exits 0",
    ] {
        assert!(story.contains(part), "{part} is missing:\n{story}");
    }
}

/// Whatever happens to a host, reloads and restarts included.
#[test]
fn histories_of_faults_replay() {
    let (mut decided, mut loads) = (0, 0);
    for seed in 0..24 {
        let cluster = if seed % 2 == 0 { standard() } else { standard().with_key() };
        let mut world = witnessed(cluster, seed);
        for _ in 0..12 {
            let pause = world.rng.between(0, 4_000);
            world.run(Duration::from_millis(pause)).unwrap();
            faults::inject(&mut world);
        }
        world.run(secs(5)).unwrap();
        decided += assert_replays(&world).len();
        loads += world.witness.unwrap().lines.iter().filter(|line| line.contains("ConfigLoaded")).count();
    }
    assert!(decided > 200 && loads > 5, "too little happened: {decided} lines, {loads} loads");
}

/// Hellos are judged again with the key of the journal, signatures with its time of day.
#[test]
fn a_hand_over_between_nodes_that_know_each_other_replays() {
    let mut world = witnessed(standard().with_key(), 1);
    world.run(secs(12)).unwrap();
    // The clock is set while it runs.
    let unix = Duration::from_secs(1_900_000_000);
    world.deliver(0, Duration::ZERO, Event::WallClockRead { at: world.now, unix });
    world.kill_proxy(0);
    world.run(secs(15)).unwrap();
    assert_eq!(world.holders(0), [0]);
    let story = assert_replays(&world);
    let place = |text: &str, from: usize| {
        let found = story.iter().skip(from).position(|line| line.contains(text));
        from + found.unwrap_or_else(|| panic!("{text} is missing after line {from}:\n{}", story.join("\n")))
    };
    let failed = place("lb1 vip0: active -> fault: proxy failed", 0);
    let back = place("lb1 vip0: backup -> active: lb2 hands over", failed);
    for ip in ["10.0.0.100", "10.0.0.101"] {
        let first = place(&format!("lb1 + {ip}"), 0);
        let gone = place(&format!("lb1 - {ip}"), failed);
        let again = place(&format!("lb1 + {ip}"), back);
        assert!(first < failed && failed < gone && gone < back && back < again);
        // As soon as it was known, not with the next look at all addresses.
        let stamp = |at: usize| story[at].split_whitespace().next().unwrap().parse::<f64>().unwrap();
        assert!(stamp(gone) - stamp(failed) < 1.5, "{} {}", story[failed], story[gone]);
    }
}
