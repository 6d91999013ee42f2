use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::facts::{Generation, of_links, of_sample};
use super::*;
use crate::config::{HookCommand, Track};
use crate::units::{IfName, Name};

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a base for instants")]
    Instant::now()
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn ping() -> TrackerKind {
    TrackerKind::Ping { address: "192.0.2.1".parse().unwrap() }
}

fn file() -> TrackerKind {
    TrackerKind::File { path: "/run/n".into() }
}

fn tracker(kind: TrackerKind, rise: u32, fall: u32) -> Tracker {
    let (interval, timeout) = (Duration::from_secs(2), Duration::from_secs(1));
    Tracker { name: name("gw"), kind, interval, timeout, rise, fall }
}

fn hooks() -> HookSettings {
    HookSettings { user: Some(name("nobody")), group: Some(name("nogroup")), timeout: Duration::from_secs(1) }
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Sense {
    Plain,
    Reverse,
}
use Sense::{Plain, Reverse};

fn track(weight: i32, sense: Sense) -> Track {
    Track { tracker: name("gw"), weight, reverse: sense == Reverse }
}

/// A machine that has seen these results of looks, `Err` being silence.
fn after(kind: TrackerKind, rise: u32, fall: u32, results: &[Result<i64, ()>]) -> Machine {
    let mut now = start();
    let mut machine = Machine::new(&tracker(kind, rise, fall), Hold::Out, now);
    for (n, result) in (1..).zip(results) {
        let op = OpId(n);
        assert!(machine.ask(now, op, &hooks()).is_some(), "look {n} is due");
        match result {
            Ok(value) => drop(machine.looked(now, op, Ok(*value))),
            Err(()) => {
                now += Duration::from_secs(1);
                assert_eq!(machine.deadline(), Some(now));
                machine.tick(now);
            }
        }
        now = machine.deadline().unwrap();
    }
    machine
}

fn words_of(machine: &Machine) -> String {
    match machine.tally().verdict() {
        Verdict::Pending(_) => "pending".to_owned(),
        Verdict::Good => "good".to_owned(),
        Verdict::Failed { why } => why.clone(),
    }
}

const GOOD: Result<i64, ()> = Ok(0);
const BAD: Result<i64, ()> = Err(());

#[test]
fn rise_and_fall_count_results_in_a_row_and_the_first_one_decides() {
    let silent = "no answer from 192.0.2.1 within 1 s";
    let twice = "no answer from 192.0.2.1 within 1 s (2 times in a row)";
    let table: [(&[Result<i64, ()>], &str); 10] = [
        (&[], "pending"),
        (&[GOOD], "good"),
        (&[BAD], silent),
        (&[GOOD, BAD], "good"),
        (&[GOOD, BAD, GOOD, BAD], "good"),
        (&[GOOD, BAD, BAD], twice),
        (&[GOOD, BAD, BAD, BAD], twice),
        (&[BAD, GOOD], silent),
        (&[BAD, GOOD, BAD, GOOD], silent),
        (&[BAD, GOOD, GOOD], "good"),
    ];
    for (results, expect) in table {
        assert_eq!(words_of(&after(ping(), 2, 2, results)), expect, "{results:?}");
    }
}

#[test]
fn a_silent_look_fails_at_its_deadline_and_its_late_answer_is_ignored() {
    let now = start();
    let mut machine = Machine::new(&tracker(ping(), 1, 1), Hold::Out, now);
    assert_eq!(machine.ask(now, OpId(1), &hooks()), Some(LookSpec::Ping { address: "192.0.2.1".parse().unwrap() }));
    assert_eq!(machine.ask(now, OpId(2), &hooks()), None, "one at a time");
    let deadline = now + Duration::from_secs(1);
    assert_eq!(machine.deadline(), Some(deadline));
    assert_eq!(machine.tick(deadline - Duration::from_nanos(1)), News::None);
    assert_eq!(machine.tick(deadline), News::Changed);
    assert_eq!(words_of(&machine), "no answer from 192.0.2.1 within 1 s");
    assert_eq!(machine.looked(deadline, OpId(1), Ok(0)), News::None);
    assert_eq!(words_of(&machine), "no answer from 192.0.2.1 within 1 s");
    // The next look begins an interval after the start of this one.
    assert_eq!(machine.deadline(), Some(now + Duration::from_secs(2)));
    assert!(machine.ask(now + Duration::from_secs(2), OpId(3), &hooks()).is_some());
    assert_eq!(machine.looked(deadline, OpId(1), Ok(0)), News::None, "an old answer during the next look");
    machine.stop();
    assert_eq!(machine.looked(deadline, OpId(3), Ok(0)), News::None);
    assert_eq!(machine.deadline(), None);
}

#[test]
fn since_is_the_time_of_the_change_and_not_of_another_reason() {
    let now = start();
    let later = |secs| now + Duration::from_secs(secs);
    let mut tally = Tally::new(1, 1, Hold::Out, now);
    assert_eq!(tally.bad(later(1), "a"), News::Changed);
    assert_eq!(tally.bad(later(2), "a"), News::None);
    assert_eq!(tally.bad(later(3), "b"), News::Changed);
    assert_eq!(tally.since(), later(1));
    assert_eq!(tally.good(later(4), None), News::Changed);
    assert_eq!(tally.good(later(5), None), News::None);
    assert_eq!(tally.since(), later(4));
}

/// keepalived: w > 0 counts while good, w < 0 while failed, 0 while failed is a fault; `reverse` turns that round.
#[test]
fn keepalived_3h_contributions() {
    let weight = |what: &str, weight| Contribution::Weight(format!("tracker gw {what}"), weight);
    let abstain = |why: &str| Contribution::Abstain(format!("tracker gw {why}"));
    let (pending, good, failed): (&[_], &[_], &[_]) = (&[], &[GOOD], &[BAD]);
    let table = [
        (pending, -20, Plain, Contribution::None),
        (pending, 20, Plain, Contribution::None),
        (pending, 20, Reverse, Contribution::None),
        (pending, 0, Plain, abstain("has not been looked at yet")),
        (pending, 0, Reverse, abstain("has not been looked at yet")),
        (good, -20, Plain, Contribution::None),
        (good, -20, Reverse, weight("is good", -20)),
        (good, 20, Plain, weight("is good", 20)),
        (good, 20, Reverse, Contribution::None),
        (good, 0, Plain, Contribution::None),
        (good, 0, Reverse, abstain("is good, which here counts as failed (`reverse`)")),
        (failed, -20, Plain, weight("failed", -20)),
        (failed, -20, Reverse, Contribution::None),
        (failed, 20, Plain, Contribution::None),
        (failed, 20, Reverse, weight("failed", 20)),
        (failed, 0, Plain, abstain("failed: no answer from 192.0.2.1 within 1 s")),
        (failed, 0, Reverse, Contribution::None),
    ];
    for (results, weight, sense, expect) in table {
        let machine = after(ping(), 1, 1, results);
        assert_eq!(Contribution::of(&machine, &track(weight, sense)), expect, "{results:?} {weight} {sense:?}");
    }
}

#[test]
fn the_number_of_a_file_is_multiplied_and_clamped() {
    let weight = |value: i64, weight| Contribution::Weight(format!("tracker gw is {value}"), weight);
    let table = [
        (0, -20, Plain, Contribution::None),
        (3, -20, Plain, weight(3, -60)),
        (-3, -20, Plain, weight(-3, 60)),
        (3, -20, Reverse, weight(3, 60)),
        (100, -20, Plain, weight(100, -253)),
        (i64::MAX, 253, Plain, weight(i64::MAX, 253)),
        (i64::MIN, 253, Plain, weight(i64::MIN, -253)),
        (0, 0, Plain, Contribution::None),
        (7, 0, Plain, Contribution::Abstain("tracker gw is 7".to_owned())),
        (7, 0, Reverse, Contribution::None),
    ];
    for (value, weight, sense, expect) in table {
        let machine = after(file(), 1, 1, &[Ok(value)]);
        assert_eq!(Contribution::of(&machine, &track(weight, sense)), expect, "{value} {weight} {sense:?}");
    }
    // Garbage is a failure like any other, and the last number is of no meaning then.
    let machine = after(file(), 1, 1, &[Ok(3), BAD]);
    let failed = Contribution::Weight("tracker gw failed".to_owned(), -20);
    assert_eq!(Contribution::of(&machine, &track(-20, Plain)), failed);
}

/// keepalived: scripts that a reload brought start without the hold.
#[test]
fn keepalived_3i_new_after_a_reload_holds_nobody_out() {
    let machine = Machine::new(&tracker(ping(), 1, 1), Hold::In, start());
    assert_eq!(Contribution::of(&machine, &track(0, Plain)), Contribution::None);
    assert!(!machine.is_awaited());
}

#[test]
fn the_same_object_with_another_timing_keeps_its_verdict() {
    let mut machine = after(ping(), 1, 1, &[BAD]);
    let slower = Tracker { interval: Duration::from_secs(9), fall: 5, ..tracker(ping(), 1, 1) };
    assert!(machine.configure(&slower));
    assert_eq!(words_of(&machine), "no answer from 192.0.2.1 within 1 s");
    assert!(!machine.configure(&tracker(file(), 1, 1)));
}

#[test]
fn scripts_run_as_their_own_user_or_that_of_hooks() {
    let script = |user: Option<&str>| TrackerKind::Script {
        command: HookCommand { argv: vec!["/bin/check".to_owned(), "x".to_owned()] },
        user: user.map(name),
    };
    let spec = |user: Option<&str>| match LookSpec::of(&tracker(script(user), 1, 1), &hooks()) {
        Some(LookSpec::Script { user, group, .. }) => (user.unwrap(), group),
        other => panic!("{other:?}"),
    };
    assert_eq!(spec(None), ("nobody".to_owned(), Some("nogroup".to_owned())));
    assert_eq!(spec(Some("probe")), ("probe".to_owned(), None));
}

fn sample(status: &str, servers_up: u32, queued: u64) -> crate::proxy::Sample {
    crate::proxy::Sample {
        pid: 1,
        version: (2, 6),
        version_text: "2.6.12".to_owned(),
        generation: None,
        stopping: false,
        connections: 90,
        connections_max: 100,
        accepted: None,
        uptime_secs: 1,
        refused: 0,
        frontends: Vec::new(),
        listening: None,
        backends: vec![crate::proxy::BackendSample {
            name: "web".to_owned(),
            status: status.to_owned(),
            servers_up,
            queued,
        }],
    }
}

fn config() -> crate::config::Config {
    let text = include_str!("tests/four.toml").to_owned();
    let sources = crate::config::Sources { files: vec![crate::config::Source { path: "four.toml".into(), text }] };
    crate::config::load(&sources).map_err(|_| "refused").unwrap()
}

#[test]
fn shares_queues_and_connections_are_judged_by_the_sample() {
    let config = config();
    let backend = |up_percent| TrackerKind::Backend { backend: name("web"), up_percent };
    let queue = |requests| TrackerKind::Queue { backend: name("web"), requests };
    let saturation = |percent| TrackerKind::Saturation { percent };
    // Of five servers one has weight 0 and is never counted by HAProxy.
    let table = [
        (backend(1), sample("UP", 1, 0), None),
        (backend(1), sample("DOWN", 0, 0), Some("backend web is DOWN")),
        (backend(50), sample("UP", 2, 0), None),
        (backend(50), sample("UP", 1, 0), Some("1 of 4 servers of backend web up, less than 50 %")),
        (backend(100), sample("UP", 4, 0), None),
        (backend(100), sample("UP", 3, 0), Some("3 of 4 servers of backend web up, less than 100 %")),
        (queue(100), sample("UP", 4, 99), None),
        (queue(100), sample("UP", 4, 100), Some("100 or more requests wait for backend web")),
        (saturation(91), sample("UP", 4, 0), None),
        (saturation(90), sample("UP", 4, 0), Some("90 % or more of the proxy's 100 connections are in use")),
    ];
    for (kind, sample, expect) in table {
        let said = of_sample(&kind, &sample, Generation::InForce, &config).unwrap();
        assert_eq!(said.err().as_deref(), expect, "{kind:?} {:?}", sample.backends);
    }
    let unknown = TrackerKind::Backend { backend: name("mail"), up_percent: 1 };
    assert_eq!(of_sample(&unknown, &sample("UP", 1, 0), Generation::Another, &config), None);
    let missing = of_sample(&unknown, &sample("UP", 1, 0), Generation::InForce, &config);
    assert_eq!(missing, Some(Err("the proxy knows no backend mail".to_owned())));
    assert_eq!(of_sample(&ping(), &sample("UP", 1, 0), Generation::InForce, &config), None);
}

#[test]
fn samples_closer_together_than_the_spacing_count_once() {
    let now = start();
    let spacing = Duration::from_millis(100);
    let backend = TrackerKind::Backend { backend: name("web"), up_percent: 1 };
    let mut machine = Machine::new(&tracker(backend, 1, 2), Hold::Out, now);
    let mut feed = |ms, result: Result<(), &str>| {
        machine.sampled(now + Duration::from_millis(ms), spacing, result.map_err(str::to_owned));
        words_of(&machine)
    };
    assert_eq!(feed(0, Ok(())), "good");
    assert_eq!(feed(200, Err("down")), "good");
    assert_eq!(feed(210, Err("down")), "good");
    assert_eq!(feed(299, Err("down")), "good");
    assert_eq!(feed(300, Err("down")), "down (2 times in a row)");
}

#[test]
fn an_interface_is_judged_where_it_is_named() {
    let of = BTreeMap::from([(name("lb1"), IfName::new("eth1").unwrap())]);
    let judge = |me: &str, up| of_links(&of, &name(me), |_| up).err();
    assert_eq!(judge("lb1", Some(true)), None);
    assert_eq!(judge("lb1", Some(false)).unwrap(), "interface eth1 is down or has no carrier");
    assert_eq!(judge("lb1", None).unwrap(), "interface eth1 does not exist");
    assert_eq!(judge("lb2", None), None);
}
