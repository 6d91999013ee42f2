//! What is fuzzed, one function for each place where bytes of others come in, and what must hold whatever they are.
//!
//! `fuzz/` feeds them with libFuzzer; `tests/it/fuzz_corpus.rs` with the committed corpus and every past crash.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::disallowed_methods,
    clippy::wildcard_enum_match_arm,
    dead_code,
    unreachable_pub,
    missing_docs,
    reason = "a finding is a panic; each fuzzer uses one of the functions"
)]

use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use hmac::{Hmac, Mac};
use sha2::Sha256;
use vipkeeper::config::{self, Checksum, Colour, Source, Sources, Version};
use vipkeeper::import::Input;
use vipkeeper::journal::{Record, Replay};
use vipkeeper::node::event::{
    Address, Datagram, HookOutcome, Link, Loaded, Network, OpId, Received, Request, RequestId, Signal,
};
use vipkeeper::node::{Effect, Event, Node};
use vipkeeper::peer::message::Hello;
use vipkeeper::peer::{Incarnation, PeerKey};
use vipkeeper::proxy::master::{Processes, ReloadAnswer};
use vipkeeper::proxy::stats::StatsError;
use vipkeeper::proxy::{BackendSample, ProxyOutcome, Sample};
use vipkeeper::render::{RenderInput, render};
use vipkeeper::units::{AddressOptions, Centis, IfName, Name, Priority, Vrid};
use vipkeeper::vrrp::packet::{ADDRESSES_MAX_V6, Capture, Claim, Credential, Outgoing, Seal, build, parse};

/// Fails by a panic. Says whether the input went all the way in: read as what it should be, or a VIP was held.
pub type Target = fn(&[u8]) -> bool;

/// A target by its name, as its corpus is called.
pub const TARGETS: [(&str, Target); 8] = [
    ("advert", advert),
    ("node", node),
    ("config", config),
    ("import", import),
    ("stats", stats),
    ("master", master),
    ("journal", journal),
    ("hello", hello),
];

// ---- hellos -------------------------------------------------------------------------------------------------------

/// What follows the HMAC's check: the input is signed first, as whoever has the key could.
pub fn hello(data: &[u8]) -> bool {
    let key = [7; 32];
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(&key).unwrap();
    mac.update(data);
    let mut bytes = data.to_vec();
    bytes.extend(mac.finalize().into_bytes());
    let key = PeerKey::new(key);
    // Without the key nothing gets in.
    assert!(Hello::decode(&key, data).is_err());
    let Ok(hello) = Hello::decode(&key, &bytes) else { return false };
    assert_eq!(hello.encode(&key), bytes);
    true
}

// ---- adverts ------------------------------------------------------------------------------------------------------

/// The first byte says what the rest is: bit 0 IPv6, bit 1 with checksums made right, bit 2 cut off by the buffer.
pub fn advert(data: &[u8]) -> bool {
    let Some((mode, rest)) = data.split_first() else { return false };
    let capture = if mode & 4 == 0 { Capture::Whole } else { Capture::Cut };
    let datagram = if mode & 1 == 0 {
        let mut bytes = rest.to_vec();
        if mode & 2 != 0 {
            correct(&mut bytes);
        }
        Datagram::V4(bytes)
    } else {
        let Some((head, message)) = rest.split_first_chunk::<33>() else { return false };
        let address = |at: usize| Ipv6Addr::from(*head[at..].first_chunk::<16>().unwrap());
        Datagram::V6 { source: address(0), destination: address(16), hop_limit: head[32], message: message.to_vec() }
    };
    let Ok(advert) = parse(&datagram, capture) else { return false };
    assert_eq!(capture, Capture::Whole, "a datagram that was cut off was read");
    let seal = match &advert.credential {
        Credential::Password(password) => Seal::Password(*password),
        Credential::None => Seal::None,
        // Only who has the key can write it again.
        Credential::Other(_) | Credential::Trailer(_) => return true,
    };
    // More are read than written, so that no advert of ours is fragmented.
    if advert.source.is_ipv6() && advert.addresses.len() > ADDRESSES_MAX_V6 {
        return true;
    }
    let bytes = build(&Outgoing {
        source: advert.source,
        destination: advert.destination,
        version: advert.version,
        vrid: advert.vrid,
        claim: advert.claim,
        interval: advert.interval,
        checksum: advert.checksum,
        addresses: &advert.addresses,
        seal,
    });
    let again = match (advert.source, advert.destination) {
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            Datagram::V6 { source, destination, hop_limit: 255, message: bytes }
        }
        _ => Datagram::V4(bytes),
    };
    assert_eq!(parse(&again, Capture::Whole), Ok(advert));
    true
}

/// Both checksums of an IPv4 advert, so that what lies behind them is reached.
fn correct(bytes: &mut [u8]) {
    let header = bytes.first().map_or(0, |b| usize::from(b & 0x0f) * 4);
    if header < 20 || bytes.len() < header + 8 {
        return;
    }
    bytes[10..12].fill(0);
    let sum = !ones_complement(&bytes[..header]);
    bytes[10..12].copy_from_slice(&sum.to_be_bytes());
    let length = usize::from(u16::from_be_bytes([bytes[2], bytes[3]])).clamp(header + 8, bytes.len());
    let (head, message) = bytes[..length].split_at_mut(header);
    message[6..8].fill(0);
    let mut covered = head[12..20].to_vec();
    covered.extend([0, 112]);
    covered.extend(u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes());
    covered.extend_from_slice(message);
    let sum = !ones_complement(&covered);
    message[6..8].copy_from_slice(&sum.to_be_bytes());
}

fn ones_complement(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|w| u32::from(u16::from_be_bytes([w[0], *w.get(1).unwrap_or(&0)])));
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

// ---- texts --------------------------------------------------------------------------------------------------------

/// Files that a line `%%%%` separates. What is understood renders, and is the same when it comes out of a journal.
pub fn config(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let files = text.split("%%%%\n").enumerate();
    let files = files.map(|(n, text)| Source { path: format!("{n}.toml").into(), text: text.to_owned() });
    let sources = Arc::new(Sources { files: files.collect() });
    let patterns = config::includes(&sources.files[0]);
    let config = match config::load(&sources) {
        Ok(config) => config,
        Err(problems) => {
            assert!(!problems.is_empty());
            for colour in [Colour::None, Colour::Ansi] {
                assert!(!problems.report(&sources, colour).is_empty());
            }
            return false;
        }
    };
    assert!(patterns.is_ok(), "the file is understood, its includes are not");
    let Some(me) = config.nodes.first().map(|n| n.name.clone()) else { panic!("a configuration without nodes") };
    let Some(loaded) = rendered(&sources, config, &me) else { return false };
    let json = serde_json::to_string(&loaded).unwrap();
    let again: Loaded = serde_json::from_str(&json).unwrap();
    assert_eq!((&again.config, &again.rendered), (&loaded.config, &loaded.rendered));
    let (node, _) = Node::new(loaded, me, Incarnation(1), base());
    node.check_invariants(base()).unwrap();
    true
}

/// keepalived's configuration, and HAProxy's after a line `%%%%`. What is understood gives a whole report.
pub fn import(data: &[u8]) -> bool {
    let text = String::from_utf8_lossy(data);
    let (keepalived, haproxy) = text.split_once("%%%%\n").unwrap_or((&text, ""));
    let input = Input { node: None, path: "k.conf".to_owned(), text: keepalived.to_owned() };
    let again = |_: &str, _: &str| Ok(vec![("i.conf".to_owned(), "include i.conf".to_owned())]);
    match vipkeeper::import::import(&[input], Some(("h.cfg", haproxy)), &again) {
        Ok(imported) => {
            assert!(!imported.report.text().is_empty());
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

fn rendered(sources: &Arc<Sources>, config: config::Config, node: &Name) -> Option<Loaded> {
    let stats_socket = Path::new("/run/vipkeeper/stats.sock");
    let input = RenderInput {
        config: &config,
        sources,
        node,
        stats_socket,
        files_dir: stats_socket,
        template: None,
        reads: None,
    };
    let rendered = render(&input).ok()?;
    Some(Loaded { config: Arc::new(config), rendered: Arc::new(rendered), key: None, key_note: None })
}

/// `show info` and `show stat`.
pub fn stats(data: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(data);
    let Ok(sample) = Sample::parse(&answer) else { return false };
    let frontends = sample.frontends.iter().map(|(name, status)| name.len() + status.len());
    let backends = sample.backends.iter().map(|b| b.name.len() + b.status.len());
    assert!(frontends.chain(backends).sum::<usize>() <= answer.len());
    let json = serde_json::to_string(&sample).unwrap();
    assert_eq!(serde_json::from_str::<Sample>(&json).unwrap(), sample);
    // The empty line at its end is what proves that an answer is whole.
    let cut = answer.trim_end_matches('\n');
    assert_eq!(Sample::parse(cut), Err(StatsError::CutOff(cut.len())));
    true
}

/// `show proc` and `reload` on the master CLI.
pub fn master(data: &[u8]) -> bool {
    let answer = String::from_utf8_lossy(data);
    let processes = Processes::parse(&answer);
    if let Ok(processes) = &processes {
        let all = processes.workers.iter().chain(&processes.old_workers).chain([&processes.master]);
        for process in all {
            assert!(answer.contains(&process.version) && answer.contains(&process.uptime), "{process:?}");
        }
        assert!(processes.workers.len() + processes.old_workers.len() < answer.lines().count());
    }
    let reload = ReloadAnswer::parse(&answer);
    if let Some(ReloadAnswer::Failed { log }) = &reload {
        assert!(answer.contains(log));
    }
    processes.is_ok() || reload.is_some()
}

// ---- a node -------------------------------------------------------------------------------------------------------

/// Lines of a journal after a good first one; and as a journal of their own.
pub fn journal(data: &[u8]) -> bool {
    const LINES_MAX: usize = 64;
    let text = String::from_utf8_lossy(data);
    let lines = || text.split('\n').take(LINES_MAX);
    if let Some(Ok((mut replay, _))) = lines().next().map(|first| Replay::start(first, base())) {
        lines().skip(1).for_each(|line| drop(replay.take(line)));
    }
    let (mut replay, _) = Replay::start(&FIRST_LINE, base()).unwrap();
    lines().fold(false, |any, line| replay.take(line).is_ok() | any)
}

static FIRST_LINE: LazyLock<String> =
    LazyLock::new(|| Record::start(name("lb1"), Incarnation(1), CONFIGURATIONS[0].clone()).line(base()).unwrap());

static BASE: LazyLock<Instant> = LazyLock::new(Instant::now);

fn base() -> Instant {
    *BASE
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

/// A pair by multicast, three nodes by unicast.
static CONFIGURATIONS: LazyLock<[Loaded; 2]> = LazyLock::new(|| {
    [(2, "multicast", "1s"), (3, "unicast", "100ms")].map(|(nodes, transport, interval)| {
        let mut text = String::new();
        for node in 1..=nodes {
            text += &format!("[[node]]\nname = \"lb{node}\"\naddress = \"10.0.0.1{node}\"\n\n");
        }
        for (vip, prefer) in [("one", ["lb1", "lb2"]), ("two", ["lb2", "lb1"])] {
            let number = if vip == "one" { 1 } else { 2 };
            text += &format!(
                "[[vip]]\nname = \"{vip}\"\naddresses = [\"10.0.0.10{number}/24\"]\ninterface = \"eth0\"\n\
                 vrid = {number}\nprefer = [\"{}\", \"{}\"]\ntransport = \"{transport}\"\n\
                 advert_interval = \"{interval}\"\nnotify = [\"/bin/true\"]\n\n",
                prefer[0], prefer[1]
            );
        }
        text += "[proxy]\nengine = \"haproxy\"\n\n\
                 [[frontend]]\nname = \"www\"\nbind = [\"one:80\", \"two:80\"]\ndefault_backend = \"web\"\n\n\
                 [[backend]]\nname = \"web\"\nserver = [{ name = \"web1\", address = \"10.0.1.1:8080\" }]\n";
        let sources = Arc::new(Sources { files: vec![Source { path: "vipkeeper.toml".into(), text }] });
        let config = config::load(&sources).unwrap_or_else(|p| panic!("{}", p.report(&sources, Colour::None)));
        rendered(&sources, config, &name("lb1")).unwrap()
    })
});

/// Bytes as they are taken off the front; zero when there are none left.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    fn number(&mut self) -> u16 {
        u16::from_be_bytes([self.byte(), self.byte()])
    }

    fn flag(&mut self) -> bool {
        self.byte() & 1 == 1
    }

    fn take(&mut self, count: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(count.min(self.0.len()));
        self.0 = rest;
        taken
    }

    fn result(&mut self) -> Result<(), String> {
        if self.byte() < 200 { Ok(()) } else { Err("no".to_owned()) }
    }
}

/// A node, its clock, and the operations it waits for.
struct World {
    node: Node,
    now: Instant,
    loaded: [Loaded; 2],
    asked: VecDeque<Asked>,
}

/// An operation, and what kind of answer it waits for.
#[derive(Clone, Copy)]
enum Asked {
    Observe,
    Open,
    Install(OpId),
    Withdraw(OpId),
    Proxy(OpId),
    Probe(OpId),
    Hook(OpId),
    Load(OpId),
}

/// More answers than a node waits for at a time.
const ASKED_MAX: usize = 64;

/// As many events as a history may have.
const EVENTS_MAX: usize = 512;

/// Of one event: more is a runaway.
const EFFECTS_MAX: usize = 200;

/// As the driver.
const TICKS_PER_TURN: usize = 16;

/// Bytes as a history: the node is told anything at any time, in any order, and what it asked for in its time or never.
pub fn node(data: &[u8]) -> bool {
    let mut bytes = Bytes(data);
    let mut loaded = CONFIGURATIONS.clone();
    let me = bytes.byte();
    if me & 1 == 1 {
        loaded.reverse();
    }
    // One of the configurations does not know lb3.
    let (node, effects) =
        Node::new(loaded[0].clone(), name(["lb1", "lb2", "lb3"][usize::from(me >> 1) % 3]), Incarnation(1), base());
    let mut world = World { node, now: base(), loaded, asked: VecDeque::new() };
    world.note(effects);
    let mut held = false;
    for _ in 0..EVENTS_MAX {
        if bytes.0.is_empty() {
            break;
        }
        let event = world.event(&mut bytes);
        world.turn(event);
        held |= world.node.active().next().is_some();
    }
    held
}

impl World {
    fn turn(&mut self, event: Event) {
        let effects = self.node.handle(self.now, event);
        self.note(effects);
        for _ in 0..TICKS_PER_TURN {
            if self.node.deadline().is_none_or(|deadline| deadline.at > self.now) {
                break;
            }
            let effects = self.node.handle(self.now, Event::Tick);
            self.note(effects);
        }
        self.node.check_invariants(self.now).unwrap();
        drop(self.node.status(self.now));
    }

    fn note(&mut self, effects: Vec<Effect>) {
        assert!(effects.len() <= EFFECTS_MAX, "{} effects of one event", effects.len());
        for effect in effects {
            let asked = match effect {
                Effect::ObserveNetwork => Asked::Observe,
                Effect::OpenInterface { .. } => Asked::Open,
                Effect::Install { op, .. } => Asked::Install(op),
                Effect::Withdraw { op, .. } => Asked::Withdraw(op),
                Effect::Proxy { op, .. } => Asked::Proxy(op),
                Effect::Probe { op, .. } => Asked::Probe(op),
                Effect::RunHook { op, .. } => Asked::Hook(op),
                Effect::LoadConfig { op } => Asked::Load(op),
                _ => continue,
            };
            self.asked.push_back(asked);
            if self.asked.len() > ASKED_MAX {
                self.asked.pop_front();
            }
        }
    }

    fn event(&mut self, bytes: &mut Bytes<'_>) -> Event {
        let op = |bytes: &mut Bytes<'_>| OpId(u64::from(bytes.number()));
        match bytes.byte() % 24 {
            0..=5 => {
                let Some(asked) = self.asked.pop_front() else { return Event::Tick };
                self.answer(asked, bytes)
            }
            // The last one first.
            6 => {
                let Some(asked) = self.asked.pop_back() else { return Event::Tick };
                self.answer(asked, bytes)
            }
            7 | 8 => {
                self.now = self.node.deadline().map_or(self.now, |deadline| deadline.at.max(self.now));
                Event::Tick
            }
            9 => {
                self.now += Duration::from_millis(u64::from(bytes.number()));
                Event::Tick
            }
            10 => {
                self.now += Duration::from_micros(u64::from(bytes.number()));
                Event::Tick
            }
            11 | 12 => Event::PacketReceived(self.packet(bytes)),
            13 => {
                let count = usize::from(bytes.byte());
                let (interface, raw) = (eth0(), bytes.take(count).to_vec());
                let truncated = bytes.flag();
                Event::PacketReceived(Received { interface, datagram: Datagram::V4(raw), truncated, at: self.now })
            }
            14 => Event::NetworkObserved(network(bytes)),
            15 => Event::NetworkChanged,
            16 => Event::ProxyExited { pid: u32::from(bytes.byte() % 8), status: "signal 9".to_owned() },
            17 => Event::WorkerExited { pid: u32::from(bytes.byte() % 8) },
            18 => Event::ConfigTouched,
            19 => request(bytes),
            20 => match bytes.byte() {
                0..=100 => Event::Signalled(Signal::Hangup),
                101..=110 => Event::Signalled(Signal::Interrupt),
                111..=119 => Event::Signalled(Signal::Terminate),
                120 => Event::Signalled(Signal::Replace),
                _ => Event::TransmitFailed { interface: eth0(), error: "network is down".to_owned() },
            },
            21 => Event::AddressInstalled { op: op(bytes), result: bytes.result() },
            22 => Event::AddressWithdrawn { op: op(bytes), result: bytes.result() },
            _ => Event::StartedWithLastGood { report: "line 1: broken".to_owned() },
        }
    }

    fn answer(&self, asked: Asked, bytes: &mut Bytes<'_>) -> Event {
        match asked {
            Asked::Observe => Event::NetworkObserved(network(bytes)),
            Asked::Open => Event::InterfaceOpened { interface: eth0(), result: bytes.result() },
            Asked::Install(op) => Event::AddressInstalled { op, result: bytes.result() },
            Asked::Withdraw(op) => Event::AddressWithdrawn { op, result: bytes.result() },
            Asked::Proxy(op) => Event::ProxyDone { op, outcome: outcome(bytes) },
            Asked::Probe(op) => Event::Probed { op, result: self.sample(bytes) },
            Asked::Hook(op) => {
                let outcome = match bytes.byte() % 3 {
                    0 => HookOutcome::Succeeded,
                    1 => HookOutcome::Failed("exit status 1".to_owned()),
                    _ => HookOutcome::TimedOut,
                };
                Event::HookFinished { op, outcome }
            }
            Asked::Load(op) => {
                let result = match bytes.byte() % 4 {
                    0 => Err("line 1: broken".to_owned()),
                    n => Ok(self.loaded[usize::from(n & 1)].clone()),
                };
                Event::ConfigLoaded { op, result }
            }
        }
    }

    /// An advert as some router would send it, at a time of the kernel's that may be a little ago.
    fn packet(&self, bytes: &mut Bytes<'_>) -> Received {
        let source = Ipv4Addr::new(10, 0, 0, 11 + bytes.byte() % 4);
        let destination =
            if bytes.flag() { Ipv4Addr::new(224, 0, 0, 18) } else { Ipv4Addr::new(10, 0, 0, 11 + bytes.byte() % 3) };
        let interval = Centis::new(bytes.number() % 4095 + 1).unwrap();
        let datagram = build(&Outgoing {
            source: source.into(),
            destination: destination.into(),
            version: Version::V3,
            vrid: Vrid::new(i64::from(bytes.byte() % 3 + 1)).unwrap(),
            claim: Priority::new(i64::from(bytes.byte())).map_or(Claim::Resign, Claim::Of),
            interval: if bytes.flag() { interval } else { Centis::SECOND },
            checksum: if bytes.flag() { Checksum::PseudoHeader } else { Checksum::Rfc9568 },
            addresses: &[Ipv4Addr::new(10, 0, 0, 101).into()],
            seal: Seal::None,
        });
        let ago = Duration::from_millis(u64::from(bytes.byte()));
        let at = self.now.checked_sub(ago).unwrap_or(self.now);
        Received { interface: eth0(), datagram: Datagram::V4(datagram), truncated: false, at }
    }

    fn sample(&self, bytes: &mut Bytes<'_>) -> Result<Sample, String> {
        let flags = bytes.byte();
        if flags & 1 == 1 {
            return Err("connection refused".to_owned());
        }
        let generation = self.loaded[usize::from(flags >> 1 & 1)].rendered.generation;
        let status = if flags & 4 == 0 { "OPEN" } else { "STOP" };
        Ok(Sample {
            pid: u32::from(bytes.byte() % 8),
            version: (2 + u32::from(flags >> 3 & 1), 6),
            version_text: "2.6.12".to_owned(),
            generation: (flags & 16 == 0).then_some(generation),
            stopping: flags & 32 != 0,
            connections: 0,
            connections_max: 100,
            accepted: None,
            uptime_secs: u64::from(bytes.byte()),
            refused: 0,
            frontends: if flags & 64 == 0 { vec![("www".to_owned(), status.to_owned())] } else { Vec::new() },
            listening: None,
            backends: vec![BackendSample {
                name: "web".to_owned(),
                status: if flags & 128 == 0 { "UP" } else { "DOWN" }.to_owned(),
                servers_up: u32::from(flags & 128 == 0),
                queued: 0,
            }],
        })
    }
}

fn eth0() -> IfName {
    IfName::new("eth0").unwrap()
}

fn network(bytes: &mut Bytes<'_>) -> Network {
    let flags = bytes.byte();
    let index = 2 + u32::from(flags & 1);
    let mut network = Network::default();
    if flags & 2 == 0 {
        let mac = (flags & 4 == 0).then_some([2, 0, 0, 0, 0, 1]);
        network.links.push(Link { index, name: eth0(), up: flags & 8 == 0, mac, alias: None, parent: None, arp: None });
    }
    let mut add = |last: u8, ours: bool, valid_secs: Option<u32>| {
        let ip = Ipv4Addr::new(10, 0, 0, last).into();
        network.addresses.push(Address { index, ip, prefix: 24, ours, valid_secs, options: AddressOptions::default() });
    };
    if flags & 16 == 0 {
        add(11, false, None);
    }
    if flags & 32 != 0 {
        add(101, true, Some(u32::from(bytes.byte())));
    }
    if flags & 64 != 0 {
        add(102, bytes.flag(), Some(u32::from(bytes.byte())));
    }
    network
}

fn outcome(bytes: &mut Bytes<'_>) -> ProxyOutcome {
    let pid = u32::from(bytes.byte() % 8);
    match bytes.byte() % 14 {
        0 => ProxyOutcome::Adopted { pid, patched: None },
        1 => ProxyOutcome::NothingToAdopt,
        2 | 3 => ProxyOutcome::Accepted,
        4 => ProxyOutcome::Refused("unknown keyword".to_owned()),
        5 | 6 => ProxyOutcome::Bindable,
        7 => ProxyOutcome::Unbindable("taken".to_owned()),
        8 => ProxyOutcome::Installed,
        9 => ProxyOutcome::Started { pid },
        10 => ProxyOutcome::Reloaded,
        11 => ProxyOutcome::ReloadRefused("no".to_owned()),
        12 => ProxyOutcome::Stopped,
        _ => ProxyOutcome::Failed("no such file".to_owned()),
    }
}

fn request(bytes: &mut Bytes<'_>) -> Event {
    let id = RequestId(u64::from(bytes.number()));
    let flags = bytes.byte();
    let vip = (flags & 1 == 0).then(|| name(if flags & 2 == 0 { "one" } else { "three" }));
    let request = match flags >> 2 & 7 {
        0 => Request::Reload,
        1 => Request::Release { vip, hold: Duration::from_secs(u64::from(bytes.byte())) },
        2 => Request::Release { vip, hold: Duration::MAX },
        4 => Request::Switchover { vip, to: None },
        5 => Request::Switchover { vip, to: Some(name("lb2")) },
        6 => Request::Maintenance { on: flags & 128 == 0 },
        _ => Request::Resume { vip },
    };
    Event::Requested { id, request }
}
