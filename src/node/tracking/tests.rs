//! Trackers of a node by themselves: what they mean to a VIP, when roles are taken in, and what is told.

use super::*;
use crate::config;
use crate::node::proxying;
use crate::node::tests::fixture::{config, ms, name, t0, toml};

fn tracker(of: &str, kind: TrackerKind) -> config::Tracker {
    config::Tracker { name: name(of), kind, interval: ms(1_000), timeout: ms(500), rise: 2, fall: 2 }
}

fn file(of: &str) -> config::Tracker {
    tracker(of, TrackerKind::File { path: "/run/number".into() })
}

fn uses(of: &str, weight: i32) -> Track {
    Track { tracker: name(of), weight, reverse: false }
}

fn tracking(trackers: &[config::Tracker], hold: Hold, now: Instant) -> Tracking {
    let machines = trackers.iter().map(|tracker| Machine::new(tracker, hold, now)).collect();
    Tracking { machines, stopped: false, stale: false, roles_taken_at: None, roles_due: None }
}

fn logs(out: Outbox) -> Vec<String> {
    let line = |effect| if let Effect::Log(line) = effect { Some(line.message) } else { None };
    out.into_effects().into_iter().filter_map(line).collect()
}

/// The roles that a tracker of VIP a takes in, and when: the verdict after each.
fn taken(tracking: &mut Tracking, now: Instant, role: Option<Role>) -> &'static str {
    tracking.roles(now, |vip| role.filter(|_| vip.as_str() == "a"), &mut Outbox::default());
    match tracking.machines[0].tally().verdict() {
        Verdict::Pending(_) => "pending",
        Verdict::Good => "good",
        Verdict::Failed { why } if why == "VIP a is not on this node" => "failed",
        Verdict::Failed { why } => {
            assert_eq!(why, "this node takes no part in VIP a");
            "no part"
        }
    }
}

#[test]
fn roles_that_changed_are_taken_in_a_tenth_of_a_second_apart() {
    let t = t0();
    let mut tracking = tracking(&[tracker("x", TrackerKind::Vip { vip: name("a") })], Hold::In, t);
    let mut at = |after, role| taken(&mut tracking, t + ms(after), role);
    assert_eq!(at(0, Some(Role::Active)), "good");
    assert_eq!(at(99, Some(Role::Backup)), "good");
    assert_eq!(at(100, Some(Role::Backup)), "failed");
    assert_eq!(at(200, Some(Role::Fault)), "failed");
    // Nothing changed then: the next change is taken in at once.
    assert_eq!(at(201, Some(Role::Active)), "good");
    assert_eq!(at(300, None), "good");
    assert_eq!(at(301, None), "no part");
}

#[test]
fn who_tracks_a_role_looks_again_as_soon_as_it_may() {
    let t = t0();
    let mut tracking = tracking(&[tracker("x", TrackerKind::Vip { vip: name("a") }), file("y")], Hold::In, t);
    let due = |tracking: &mut Tracking, after, role: Option<Role>| {
        tracking.note_roles(t + ms(after), |_| role);
        let why = "a VIP that others track has another role";
        let due = tracking.deadlines().find(|(_, said)| *said == why).map(|(at, _)| (at - t).as_millis());
        assert_eq!(due, tracking.roles_due.map(|at| (at - t).as_millis()));
        due
    };
    assert_eq!(due(&mut tracking, 5, Some(Role::Backup)), Some(5), "nothing is known yet");
    taken(&mut tracking, t + ms(10), Some(Role::Active));
    assert_eq!(due(&mut tracking, 10, Some(Role::Active)), None);
    assert_eq!(due(&mut tracking, 20, Some(Role::Backup)), Some(110));
    assert_eq!(due(&mut tracking, 50, None), Some(110), "it stays so");
    assert_eq!(due(&mut tracking, 60, Some(Role::Active)), None);
    assert_eq!(due(&mut tracking, 500, Some(Role::Fault)), Some(500));
    taken(&mut tracking, t + ms(500), Some(Role::Fault));
    assert_eq!(due(&mut tracking, 510, Some(Role::Fault)), None);
    assert_eq!(due(&mut tracking, 520, Some(Role::Active)), Some(600));
    tracking.stop();
    assert_eq!(tracking.roles_due, None);
}

#[test]
fn a_vip_waits_for_a_first_look_that_could_keep_it_away() {
    let t = t0();
    let all = [file("x")];
    let mut starting = tracking(&all, Hold::Out, t);
    assert!(starting.is_awaited(&[uses("y", 0), uses("x", 0)]));
    assert!(!starting.is_awaited(&[uses("x", 5), uses("y", 0)]) && !starting.is_awaited(&[]));
    assert!(!tracking(&all, Hold::In, t).is_awaited(&[uses("x", 0)]));
    starting.stop();
    assert!(!starting.is_awaited(&[uses("x", 0)]), "nobody looks any more");
}

/// After a look of each: all have failed.
fn failed(trackers: &[config::Tracker], now: Instant) -> Tracking {
    let mut tracking = tracking(trackers, Hold::In, now);
    tracking.each(&mut Outbox::default(), |machine| machine.told(now, Err("no such file".to_owned())));
    tracking
}

#[test]
fn the_first_reason_to_abstain_is_named_and_the_others_are_counted() {
    let t = t0();
    let tracking = failed(&[file("x"), file("y"), file("z")], t);
    let judged = |uses: &[Track]| tracking.judge(uses);
    assert_eq!(judged(&[]), Judgement::default());
    let first = "tracker x failed: no such file";
    let table = [(1, first.to_owned()), (2, format!("{first}, and 1 more")), (3, format!("{first}, and 2 more"))];
    for (n, why) in table {
        assert_eq!(judged(&[uses("x", 0), uses("y", 0), uses("z", 0)][..n]).abstain, Some(why));
    }
    let both = judged(&[uses("gone", 0), uses("x", -20), uses("y", 0), uses("z", -5)]);
    assert_eq!(both.abstain.as_deref(), Some("tracker y failed: no such file"));
    assert_eq!(both.weights, [("tracker x failed".to_owned(), -20), ("tracker z failed".to_owned(), -5)]);
}

#[test]
fn a_verdict_is_told_when_it_turns_and_a_number_is_not() {
    let t = t0();
    let mut tracking = tracking(&[file("x")], Hold::In, t);
    let mut look = |n: u64, result: Result<i64, &str>| {
        let (now, op, mut ops) = (t + ms(1_000 * n), OpId(n), Ops::default());
        let hooks = config::HookSettings { user: None, group: None, timeout: ms(1_000) };
        assert!(tracking.machines[0].ask(now, op, &hooks).is_some());
        let mut out = Outbox::default();
        tracking.stale = false;
        tracking.looked(now, ops.next(), &Err("another's".to_owned()), &mut Outbox::default());
        tracking.looked(now, op, &result.map_err(str::to_owned), &mut out);
        (tracking.stale, logs(out))
    };
    let line = |text: &str| vec![text.to_owned()];
    // Number 1 is what `ops` would begin with.
    assert_eq!(look(2, Ok(0)), (true, line("tracker x is good")));
    assert_eq!(look(3, Ok(0)), (false, vec![]));
    assert_eq!(look(4, Ok(7)), (true, vec![]));
    assert_eq!(look(5, Err("gone")), (false, vec![]));
    assert_eq!(look(6, Err("gone")), (true, line("tracker x failed: gone (2 times in a row)")));
    assert_eq!(look(7, Err("broken")), (true, vec![]), "another reason, and no other verdict");
    assert_eq!(look(8, Ok(7)), (false, vec![]));
    assert_eq!(look(9, Ok(7)), (true, line("tracker x is good")));
}

#[test]
fn a_silent_look_has_failed_at_its_deadline() {
    let t = t0();
    let mut tracking = tracking(&[file("x")], Hold::In, t);
    let hooks = config::HookSettings { user: None, group: None, timeout: ms(1_000) };
    let mut out = Outbox::default();
    ask(&mut tracking.machines, t, &hooks, &mut Ops::default(), &mut out);
    assert!(matches!(out.into_effects()[..], [Effect::Look { timeout, .. }] if timeout == ms(500)));
    for (after, failed) in [(499, 0), (500, 1)] {
        let mut out = Outbox::default();
        tracking.tick(t + ms(after), &mut out);
        assert_eq!(logs(out).len(), failed, "{after}");
    }
    for (after, looks) in [(999, 0), (1_000, 1)] {
        let mut out = Outbox::default();
        ask(&mut tracking.machines, t + ms(after), &hooks, &mut Ops::default(), &mut out);
        assert_eq!(out.into_effects().len(), looks, "{after}");
    }
}

#[test]
fn status_says_what_a_tracker_found_and_since_when() {
    let t = t0();
    let mut tracking = tracking(&[file("x")], Hold::In, t);
    let said = |tracking: &Tracking, after| {
        let status = tracking.status(t + ms(after), &name("lb1")).remove(0);
        (status.verdict, status.why, status.for_ms, status.value)
    };
    let words = |verdict: &str, why: &str, value| (verdict.to_owned(), why.to_owned(), value);
    assert_eq!(said(&tracking, 30), ("pending".to_owned(), "has not been looked at yet".to_owned(), 30, None));
    let hooks = config::HookSettings { user: None, group: None, timeout: ms(1_000) };
    tracking.machines[0].configure(&config::Tracker { fall: 1, ..file("x") });
    let table = [
        (Ok(0), words("good", "", Some(0))),
        (Ok(7), words("good", "is 7", Some(7))),
        (Err("no".to_owned()), words("failed", "no", Some(7))),
    ];
    for (n, (result, expect)) in (1..).zip(table) {
        tracking.machines[0].ask(t + ms(1_000 * n), OpId(n), &hooks);
        tracking.looked(t + ms(1_000 * n), OpId(n), &result, &mut Outbox::default());
        let (verdict, why, _, value) = said(&tracking, 9_000);
        assert_eq!((verdict, why, value), expect);
    }
    assert_eq!(said(&tracking, 9_000).2, 6_000);
}

/// VIP a uses x, and VIP b, which only lb2 has, uses y. Nobody uses z.
fn three() -> Config {
    let mut config = config(&toml(2, &[("a", &["lb1", "lb2"]), ("b", &["lb2", "lb1"])]));
    config.vips[1].priorities.remove(&name("lb1"));
    config.trackers = vec![file("x"), file("y"), file("z")];
    config.vips[0].track = vec![uses("x", 0)];
    config.vips[1].track = vec![uses("y", 0)];
    config
}

fn names(tracking: &Tracking) -> Vec<&str> {
    tracking.machines.iter().map(|machine| machine.config().name.as_str()).collect()
}

#[test]
fn a_node_looks_at_what_its_own_vips_track() {
    let (config, t) = (three(), t0());
    assert_eq!(names(&Tracking::new(&config, &name("lb1"), t)), ["x"]);
    assert_eq!(names(&Tracking::new(&config, &name("lb2"), t)), ["x", "y"]);
    assert!(names(&Tracking::new(&config, &name("lb3"), t)).is_empty());
}

#[test]
fn a_reload_keeps_verdicts_and_what_it_brings_holds_nobody_out() {
    let (mut config, t, me) = (three(), t0(), name("lb1"));
    let mut tracking = Tracking::new(&config, &me, t);
    assert!(tracking.stale && tracking.is_awaited(&[uses("x", 0)]));
    tracking.each(&mut Outbox::default(), |machine| machine.told(t, Err("no".to_owned())));
    tracking.stale = false;
    config.vips[0].track.push(uses("z", 0));
    tracking.configure(&config, &me, t);
    assert_eq!((names(&tracking), tracking.stale), (vec!["x", "z"], true));
    assert_eq!(tracking.machines[0].tally().verdict(), &Verdict::Failed { why: "no".to_owned() });
    assert_eq!(tracking.machines[1].tally().verdict(), &Verdict::Pending(Hold::In));
    assert_eq!(tracking.deadlines().count(), 2);
    // While vipkeeper stops nothing new is looked at.
    tracking.stop();
    config.vips[0].track.push(uses("y", 0));
    tracking.configure(&config, &me, t);
    assert_eq!((names(&tracking).len(), tracking.deadlines().count()), (3, 0));
}

#[test]
fn answers_of_the_proxy_closer_together_than_half_an_interval_count_once() {
    let (mut config, t) = (three(), t0());
    config.proxy.health.interval = ms(1_000);
    let kind = TrackerKind::Saturation { percent: 90 };
    let mut tracking = tracking(&[config::Tracker { fall: 1, ..tracker("x", kind) }, file("y")], Hold::In, t);
    let mut at = |after, connections| {
        let sample = Sample { generation: None, connections, ..proxying::tests::sample(1) };
        tracking.sampled(t + ms(after), &sample, Generation::Another, &config, &mut Outbox::default());
        tracking.machines[0].tally().verdict() == &Verdict::Good
    };
    assert!(at(0, 10));
    assert!(at(499, 99));
    assert!(!at(500, 99));
    assert_eq!(tracking.machines[1].tally().verdict(), &Verdict::Pending(Hold::In));
}

#[test]
fn a_tracked_interface_is_judged_by_each_dump() {
    let (t, eth1) = (t0(), crate::units::IfName::new("eth1").unwrap());
    let kind = TrackerKind::Interface([(name("lb1"), eth1.clone())].into());
    let mut tracking = tracking(&[tracker("x", kind), file("y")], Hold::In, t);
    let link = |up| crate::node::event::Link {
        index: 3,
        name: eth1.clone(),
        up,
        mac: None,
        alias: None,
        parent: None,
        arp: None,
    };
    for (links, good) in
        [(vec![link(true)], true), (vec![link(false)], false), (vec![link(true)], true), (vec![], false)]
    {
        let network = Network { links, addresses: Vec::new() };
        tracking.links(t, &network, &name("lb1"), &mut Outbox::default());
        assert_eq!(tracking.machines[0].tally().verdict() == &Verdict::Good, good);
        assert_eq!(tracking.machines[1].tally().verdict(), &Verdict::Pending(Hold::In));
    }
}
