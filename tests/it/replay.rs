//! `replay` as its users meet it: a small journal, and journals that are damaged.

use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use expect_test::expect;
use vipkeeper::config::{Source, Sources};
use vipkeeper::journal::Record;
use vipkeeper::node::event::{Address, Link, Network, Signal};
use vipkeeper::node::{Effect, Event, Node};
use vipkeeper::proxy::{ProxyOutcome, Sample};
use vipkeeper::shell::clock::now;
use vipkeeper::shell::files::{Target, load};
use vipkeeper::units::{Digest, IfName, Name};

/// A node and the world around it, as small as can be: everything it asks for is granted a millisecond later.
struct World {
    node: Node,
    generation: Digest,
    start: Instant,
    now: Instant,
    journal: String,
    answers: VecDeque<Event>,
}

impl World {
    fn new() -> Self {
        let text = include_str!("../../src/shell/start/tests/good.toml").to_owned();
        let sources = Arc::new(Sources { files: vec![Source { path: "good.toml".into(), text }] });
        let name = Name::new("lb1").unwrap();
        let target =
            Target { names: vec![name.clone()], stats_socket: "/run/s".into(), files_dir: "/run/files".into() };
        let loaded = load(&sources, &target).unwrap();
        let (start, generation) = (now(), loaded.rendered.generation);
        let journal = Record::start(name.clone(), vipkeeper::peer::Incarnation(1), loaded.clone()).line(start).unwrap();
        let (node, effects) = Node::new(loaded, name, vipkeeper::peer::Incarnation(1), start);
        let mut world = Self { node, generation, start, now: start, journal, answers: VecDeque::new() };
        effects.into_iter().for_each(|effect| world.answer(effect));
        world
    }

    fn tell(&mut self, event: Event) {
        self.journal += &Record::Told { at: self.now, event: event.clone() }.line(self.start).unwrap();
        let effects = self.node.handle(self.now, event);
        effects.into_iter().for_each(|effect| self.answer(effect));
    }

    #[allow(clippy::wildcard_enum_match_arm, reason = "what is not asked for here needs no answer")]
    fn answer(&mut self, effect: Effect) {
        let answer = match effect {
            Effect::ObserveNetwork => Event::NetworkObserved(self.network()),
            Effect::OpenInterface { interface, .. } => Event::InterfaceOpened { interface, result: Ok(()) },
            Effect::Proxy { op, .. } => {
                Event::ProxyDone { op, outcome: ProxyOutcome::Adopted { pid: 7, patched: None } }
            }
            Effect::Probe { op, .. } => Event::Probed { op, result: Ok(self.sample()) },
            Effect::Install { op, .. } => Event::AddressInstalled { op, result: Ok(()) },
            Effect::Withdraw { op, .. } => Event::AddressWithdrawn { op, result: Ok(()) },
            _ => return,
        };
        self.answers.push_back(answer);
    }

    fn network(&self) -> Network {
        let link = Link {
            index: 2,
            name: IfName::new("eth0").unwrap(),
            up: true,
            mac: Some([2, 0, 0, 0, 0, 1]),
            alias: None,
            parent: None,
            arp: None,
        };
        let ip = "10.5.0.1".parse().unwrap();
        let address = Address {
            index: 2,
            ip,
            prefix: 24,
            ours: false,
            valid_secs: None,
            options: vipkeeper::units::AddressOptions::default(),
        };
        Network { links: vec![link], addresses: vec![address] }
    }

    fn sample(&self) -> Sample {
        Sample {
            pid: 8,
            version: (2, 6),
            version_text: "2.6.12".to_owned(),
            generation: Some(self.generation),
            stopping: false,
            connections: 0,
            connections_max: 100,
            accepted: None,
            uptime_secs: 9,
            refused: 0,
            frontends: vec![("www".to_owned(), "OPEN".to_owned())],
            listening: None,
            backends: vec![vipkeeper::proxy::BackendSample {
                name: "web".to_owned(),
                status: "UP".to_owned(),
                servers_up: 1,
                queued: 0,
            }],
        }
    }

    fn run(&mut self, until: Duration) {
        let until = self.start + until;
        while self.now < until {
            if let Some(event) = self.answers.pop_front() {
                self.now += Duration::from_millis(1);
                self.tell(event);
            } else {
                self.now = self.node.deadline().map_or(until, |deadline| deadline.at.clamp(self.now, until));
                self.tell(Event::Tick);
            }
        }
    }
}

struct Ended {
    status: i32,
    stdout: String,
    stderr: String,
}

struct Journal {
    path: PathBuf,
    text: String,
    _dir: tempfile::TempDir,
}

impl Journal {
    fn new() -> Self {
        let mut world = World::new();
        world.run(Duration::from_secs(5));
        world.tell(Event::Signalled(Signal::Terminate));
        world.run(Duration::from_secs(6));
        let dir = tempfile::tempdir().unwrap();
        Self { path: dir.path().join("journal"), text: world.journal, _dir: dir }
    }

    fn replay(&self, bytes: &[u8]) -> Ended {
        fs::write(&self.path, bytes).unwrap();
        let output = Command::new(env!("CARGO_BIN_EXE_vipkeeper")).arg("replay").arg(&self.path).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap().replace(self.path.to_str().unwrap(), "journal");
        Ended { status: output.status.code().unwrap(), stdout: text(output.stdout), stderr: text(output.stderr) }
    }
}

#[test]
fn decisions_are_printed_with_time_and_reason() {
    let journal = Journal::new();
    let ended = journal.replay(journal.text.as_bytes());
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
    expect![[r#"
        told:
              0.00 ms  lb1 vipkeeper starts
              0.00 ms  lb1: there is no /etc/vipkeeper/peers.key: the nodes speak plain VRRP and do not help each other; write it with `vipkeeper keygen /etc/vipkeeper/peers.key` and copy it to every node
              1.00 ms  lb1: found a running proxy (pid 7)
              3.00 ms  lb1: the proxy is healthy
              4.00 ms  lb1 www: fault -> backup: fit to take part
           3012.00 ms  lb1 www: backup -> active: nobody is active
           3013.00 ms  lb1 + 10.5.0.100
           5000.00 ms  lb1 gets Terminate
           5000.00 ms  lb1: stopping: giving up all VIPs
           5000.00 ms  lb1 www: active -> fault: vipkeeper stops
           5001.00 ms  lb1 - 10.5.0.100
           5001.00 ms  lb1 vipkeeper exits 0
    "#]]
    .assert_eq(&format!("told:\n{}", ended.stdout));
}

#[test]
fn a_journal_that_is_cut_off_is_told_as_far_as_it_goes() {
    let journal = Journal::new();
    let whole = journal.replay(journal.text.as_bytes()).stdout;
    let stop = journal.text.lines().position(|line| line.contains("Terminate")).unwrap();
    let at = journal.text.find("Terminate").unwrap();
    let ended = journal.replay(&journal.text.as_bytes()[..at]);
    assert_eq!(ended.status, 0);
    assert_eq!(ended.stderr, format!("journal: cut off within line {}; what came after it is not known\n", stop + 1));
    assert_eq!(whole.split_once("   5000.00 ms  lb1 gets Terminate").unwrap().0, ended.stdout);
}

#[test]
fn a_gap_and_the_limit_are_reported() {
    let journal = Journal::new();
    let first = journal.text.lines().next().unwrap();
    let ends = "{\"lost\":{\"at\":1000000,\"events\":3}}\n{\"full\":{\"at\":2000000}}\n";
    let ended = journal.replay(format!("{first}\n{ends}").as_bytes());
    assert_eq!(ended.status, 0);
    assert!(
        ended.stderr.contains("3 events were not recorded") && ended.stderr.contains("was full"),
        "{}",
        ended.stderr
    );
    assert!(ended.stdout.contains("1.00 ms  lb1: 3 events are missing here"), "{}", ended.stdout);
}

#[test]
fn what_is_no_journal_is_refused_with_its_line() {
    let journal = Journal::new();
    let first = journal.text.lines().next().unwrap();
    let cases: [(&[u8], &str); 6] = [
        (b"", "is no journal"),
        (b"hello", "is no journal"),
        (b"hello\n", "line 1 cannot be replayed"),
        (b"\xff\xfe\n", "line 1 cannot be replayed: invalid utf-8"),
        (b"{\"told\":{\"at\":0,\"event\":\"Tick\"}}\n", "line 1 cannot be replayed: a journal begins with"),
        (b"{\"start\":{\"format\":9}}\n", "format 9"),
    ];
    for (bytes, message) in cases {
        let ended = journal.replay(bytes);
        assert_eq!((ended.status, ended.stdout.as_str()), (2, ""), "{}", ended.stderr);
        assert!(ended.stderr.contains(message), "{}", ended.stderr);
    }
    let unknown = format!("{first}\n{{\"told\":{{\"at\":0,\"event\":\"Eclipse\"}}}}\n");
    let ended = journal.replay(unknown.as_bytes());
    assert_eq!(ended.status, 2);
    assert!(ended.stderr.contains("line 2") && ended.stderr.contains("Eclipse"), "{}", ended.stderr);
    let absent = Command::new(env!("CARGO_BIN_EXE_vipkeeper")).args(["replay", "/nonexistent/j"]).output().unwrap();
    assert_eq!(absent.status.code(), Some(1));
}

/// Far beyond any clock, and back in time: told without harm.
#[test]
fn times_that_no_node_wrote_do_no_harm() {
    let journal = Journal::new();
    let first = journal.text.lines().next().unwrap();
    let times = [i64::MAX, 0, i64::MIN + 1, -1];
    let lines: String = times.iter().map(|at| format!("{{\"told\":{{\"at\":{at},\"event\":\"Tick\"}}}}\n")).collect();
    let ended = journal.replay(format!("{first}\n{lines}").as_bytes());
    assert!(matches!(ended.status, 0 | 2), "{}", ended.stderr);
    assert!(ended.status == 0 || ended.stderr.contains("beyond the clock"), "{}", ended.stderr);
    let long = Duration::from_secs(100 * 365 * 86_400).as_nanos();
    let ended = journal.replay(format!("{first}\n{{\"told\":{{\"at\":{long},\"event\":\"Tick\"}}}}\n").as_bytes());
    assert_eq!((ended.status, ended.stderr.as_str()), (0, ""));
}
