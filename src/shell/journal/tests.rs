//! The journal's queue and file. The disk is a writer that the test holds up.

use std::os::unix::fs::PermissionsExt;

use super::*;
use crate::config::{Source, Sources};
use crate::journal::Replay;
use crate::node::event::{Address, Network};
use crate::peer::Incarnation;
use crate::shell::clock;
use crate::shell::files::{Target, load};
use crate::units::AddressOptions;

fn loaded() -> (Loaded, Name) {
    let text = include_str!("../start/tests/good.toml").to_owned();
    let sources = Arc::new(Sources { files: vec![Source { path: "good.toml".into(), text }] });
    let me = Name::new("lb1").unwrap();
    (
        load(
            &sources,
            &Target { names: vec![me.clone()], stats_socket: "/run/s".into(), files_dir: "/run/files".into() },
        )
        .unwrap(),
        me,
    )
}

/// What a journal tells again: the number of its events, and what it says it lacks.
fn replayed(text: &str) -> (usize, u64, bool) {
    let mut lines = text.split_inclusive('\n');
    let (mut replay, _) = Replay::start(lines.next().unwrap(), clock::now()).unwrap();
    let told = lines.filter(|line| {
        assert!(line.ends_with('\n'), "cut off: {line:?}");
        replay.take(line).unwrap();
        line.starts_with("{\"told\"")
    });
    (told.count(), replay.lost, replay.full)
}

#[test]
fn what_is_put_is_in_the_file_and_for_nobody_else() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("journal");
    let (loaded, me) = loaded();
    for events in [2, 3] {
        let start = clock::now();
        let mut recorder = Recorder::start(&path, start, (me.clone(), Incarnation(1)), loaded.clone()).unwrap();
        (0..events).for_each(|_| recorder.put(clock::now(), &Event::NetworkChanged));
        drop(recorder);
        assert_eq!(replayed(&fs::read_to_string(&path).unwrap()), (events, 0, false));
    }
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(replayed(&fs::read_to_string(dir.path().join("journal.1")).unwrap()), (2, 0, false));
}

#[test]
fn what_is_no_file_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let target = dir.path().join("target");
    fs::write(&target, "mine").unwrap();
    let link = dir.path().join("link");
    std::os::unix::fs::symlink(&target, &link).unwrap();
    let (loaded, me) = loaded();
    for path in [&link, Path::new("/dev/null"), dir.path()] {
        let error = Recorder::start(path, clock::now(), (me.clone(), Incarnation(1)), loaded.clone()).unwrap_err();
        assert!(error.to_string().contains("not a regular file"), "{error}");
    }
    assert_eq!(fs::read_to_string(&target).unwrap(), "mine");
}

#[test]
fn a_slow_disk_loses_events_and_the_gap_is_recorded() {
    let (go, wait) = sync_channel::<()>(1);
    let (text, read) = sync_channel(1);
    let start = clock::now();
    let mut recorder = Recorder::spawn(move |records, waiting| {
        wait.recv().unwrap();
        let mut out = Vec::new();
        assert_eq!(write_out(&mut out, start, BYTES_MAX, records, waiting).unwrap(), Ended::Asked);
        text.send(String::from_utf8(out).unwrap()).unwrap();
    })
    .unwrap();
    let (loaded, me) = loaded();
    assert!(recorder.send(Record::start(me, Incarnation(1), loaded)));
    // The start is the first of those that fit.
    let fit = WAITING_MAX - 1;
    (0..fit + 5).for_each(|_| recorder.put(start, &Event::NetworkChanged));
    assert_eq!(recorder.lost, 5);
    go.send(()).unwrap();
    let deadline = clock::now() + Duration::from_secs(10);
    while recorder.waiting_bytes.load(Ordering::Relaxed) > 0 {
        assert!(clock::now() < deadline, "the thread does not read");
        std::thread::yield_now();
    }
    recorder.put(start, &Event::NetworkChanged);
    drop(recorder);
    assert_eq!(replayed(&read.recv().unwrap()), (fit + 1, 5, false));
}

#[test]
fn large_events_that_wait_are_bounded_too() {
    let (go, wait) = sync_channel::<()>(1);
    let mut recorder = Recorder::spawn(move |_, _| assert!(wait.recv().is_err())).unwrap();
    let ip = std::net::Ipv4Addr::LOCALHOST.into();
    let address =
        Address { index: 1, ip, prefix: 8, ours: false, valid_secs: None, options: AddressOptions::default() };
    let event = Event::NetworkObserved(Network { links: Vec::new(), addresses: vec![address; 100_000] });
    // About 12 MiB each.
    (0..3).for_each(|_| recorder.put(clock::now(), &event));
    assert_eq!(recorder.lost, 1);
    recorder.put(clock::now(), &Event::NetworkChanged);
    assert_eq!(recorder.lost, 0, "a small one still fits, and the gap before it");
    drop(go);
}

#[test]
fn a_full_journal_says_so_and_ends_and_the_driver_goes_on() {
    let start = clock::now();
    let (loaded, me) = loaded();
    let first = Record::start(me.clone(), Incarnation(1), loaded.clone()).line(start).unwrap();
    let limit = first.len() + 1000;
    let (text, read) = sync_channel(1);
    let mut recorder = Recorder::spawn(move |records, waiting| {
        let mut out = Vec::new();
        assert_eq!(write_out(&mut out, start, limit, records, waiting).unwrap(), Ended::Full);
        text.send(String::from_utf8(out).unwrap()).unwrap();
    })
    .unwrap();
    assert!(recorder.send(Record::start(me, Incarnation(1), loaded)));
    let text = loop {
        recorder.put(clock::now(), &Event::NetworkChanged);
        if let Ok(text) = read.try_recv() {
            break text;
        }
    };
    assert!(text.len() <= limit, "{} > {limit}", text.len());
    let (events, lost, full) = replayed(&text);
    assert!((1..20).contains(&events) && lost == 0 && full, "{events} {lost} {full}");
    // Afterwards everything is taken, and nothing counted.
    assert!(recorder.finished.recv().is_err());
    (0..3).for_each(|_| recorder.put(clock::now(), &Event::NetworkChanged));
    assert!(recorder.records.is_none());
    assert_eq!(recorder.lost, 0);
}
