//! What a journal keeps of a node, and what a replay makes of journals that are not whole.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::story::Stamp;
use super::*;
use crate::config::{self, Source, Sources};
use crate::node::event::{Datagram, Received, Signal};
use crate::peer::Incarnation;
use crate::render::{RenderInput, render};
use crate::units::IfName;

fn now() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "a base for virtual time")]
    Instant::now()
}

fn loaded() -> Loaded {
    let text = include_str!("../shell/start/tests/good.toml").to_owned();
    let sources = Arc::new(Sources { files: vec![Source { path: "good.toml".into(), text }] });
    let config = config::load(&sources).unwrap();
    let node = Name::new("lb1").unwrap();
    let socket = std::path::Path::new("/run/s");
    let input = RenderInput {
        config: &config,
        sources: &sources,
        node: &node,
        stats_socket: socket,
        files_dir: socket,
        template: None,
        reads: None,
    };
    let rendered = Arc::new(render(&input).unwrap());
    Loaded { config: Arc::new(config), rendered, key: None, key_note: None }
}

fn first_line(start: Instant) -> String {
    Record::start(Name::new("lb1").unwrap(), Incarnation(1), loaded()).line(start).unwrap()
}

fn told(start: Instant, after: Duration, event: Event) -> String {
    Record::Told { at: start + after, event }.line(start).unwrap()
}

#[test]
fn a_configuration_comes_back_with_all_that_was_made_of_it() {
    let loaded = loaded();
    let again: Loaded = serde_json::from_str(&serde_json::to_string(&loaded).unwrap()).unwrap();
    assert_eq!((again.config, again.rendered), (loaded.config, loaded.rendered));
}

#[test]
fn a_configuration_that_is_refused_today_is_told_with_its_report() {
    let start = now();
    let line = first_line(start).replace("[[node]]", "[[gnome]]");
    let why = Replay::start(&line, start).unwrap_err().to_string();
    assert!(why.contains("gnome"), "{why}");
}

#[test]
fn a_packet_is_readable_and_its_times_are_exact() {
    let start = now();
    let at = start + Duration::from_nanos(1_000_000_001);
    let received = Received {
        interface: IfName::new("eth0").unwrap(),
        datagram: Datagram::V4(vec![0x45, 0]),
        truncated: false,
        at,
    };
    let line = told(start, Duration::from_nanos(1_000_000_007), Event::PacketReceived(received));
    let expected = concat!(
        r#"{"told":{"at":1000000007,"event":{"PacketReceived":"#,
        r#"{"interface":"eth0","datagram":{"V4":"4500"},"truncated":false,"at":1000000001}}}}"#,
        "\n"
    );
    assert_eq!(line, expected);
}

#[test]
fn a_journal_begins_with_its_start_and_only_once() {
    let start = now();
    let first = first_line(start);
    let event = told(start, Duration::ZERO, Event::Tick);
    assert!(matches!(Replay::start(&event, start), Err(JournalError::NoStart)));
    let (mut replay, turn) = Replay::start(&first, start).unwrap();
    assert_eq!(turn.story, ["      0.00 ms  lb1 vipkeeper starts"]);
    assert!(matches!(replay.take(&first), Err(JournalError::SecondStart)));
    assert!(matches!(replay.take("{}"), Err(JournalError::Line(_))));
    assert!(replay.take(&event).is_ok());
}

#[test]
fn another_format_is_named_whatever_it_holds() {
    let why = Replay::start(r#"{"start":{"format":2,"nodes":[]}}"#, now()).unwrap_err().to_string();
    assert!(why.contains("format 2"), "{why}");
}

#[test]
fn a_signal_is_told_and_what_it_leads_to() {
    let start = now();
    let (mut replay, _) = Replay::start(&first_line(start), start).unwrap();
    let line = told(start, Duration::from_micros(12_345_678), Event::Signalled(Signal::Terminate));
    let story = replay.take(&line).unwrap().story;
    let [gets, stops, ..] = story.as_slice() else { panic!("{story:?}") };
    assert_eq!(gets, "  12345.68 ms  lb1 gets Terminate");
    assert_eq!(stops, "  12345.68 ms  lb1: stopping: giving up all VIPs");
}

#[test]
fn gaps_and_the_end_are_told() {
    let start = now();
    let (mut replay, _) = Replay::start(&first_line(start), start).unwrap();
    let at = start + Duration::from_secs(1);
    for events in [3, 4] {
        let story = replay.take(&Record::Lost { at, events }.line(start).unwrap()).unwrap().story;
        assert!(story.concat().contains(&format!("{events} events are missing")), "{story:?}");
    }
    replay.take(&Record::Full { at }.line(start).unwrap()).unwrap();
    assert_eq!((replay.lost, replay.full), (7, true));
}

#[test]
fn the_story_does_not_depend_on_when_it_is_told() {
    let start = now();
    let lines = [
        told(start, Duration::from_millis(1), Event::NetworkChanged),
        told(start, Duration::from_millis(500), Event::Tick),
        told(start, Duration::from_secs(6), Event::Tick),
        told(start, Duration::from_secs(7), Event::Signalled(Signal::Interrupt)),
        told(start, Duration::from_secs(30), Event::Tick),
    ];
    let tell = |base: Instant| {
        let (mut replay, turn) = Replay::start(&first_line(start), base).unwrap();
        let rest = lines.iter().map(|line| replay.take(line).unwrap());
        std::iter::once(turn).chain(rest).map(|turn| (turn.story, turn.effects)).collect::<Vec<_>>()
    };
    let once = tell(start);
    assert!(once.iter().any(|(story, _)| story.concat().contains("exits")), "{once:?}");
    assert_eq!(once, tell(start + Duration::from_secs(86_399)));
}

#[test]
fn times_are_milliseconds_with_two_digits() {
    let stamp = |micros| Stamp(Duration::from_micros(micros)).to_string();
    assert_eq!(stamp(0), "      0.00 ms  ");
    assert_eq!(stamp(36_804), "     36.80 ms  ");
    assert_eq!(stamp(5_000_000_123), "5000000.12 ms  ");
    assert_eq!(stamp(86_400_000_000_000), "86400000000.00 ms  ");
}
