//! The proxy of a node by itself: when it is probed, and what its answers and its silence mean.

mod answers;
mod attending;

use super::*;
use crate::node::tests::fixture::{self, config, loaded, ms, one};
use crate::proxy::ProxyOp;
use crate::proxy::attendance::{Attend, Attended};
use crate::units::Digest;

const PROBE: &str = "the proxy is to be probed";
const SURVEY: &str = "old workers are to be looked at";
const LIFECYCLE: &str = "the proxy's lifecycle goes on";

const MASTER: u32 = 100;
const WORKER: u32 = 101;

/// Two frontends, the first one with six binds.
fn text() -> String {
    let binds: Vec<String> = (80..=85).map(|port| format!("a:{port}")).collect();
    let api = "[[frontend]]\nname = \"api\"\nbind = [\"a:90\"]\ndefault_backend = \"web\"\n[[backend]]";
    one().replace("bind = [\"a:80\"]", &format!("bind = {binds:?}")).replace("[[backend]]", api)
}

fn rendered(generation: u64) -> Arc<Rendered> {
    fixture::rendered(&format!("# {generation}\n"), generation)
}

fn me() -> Name {
    Name::new("lb1").unwrap()
}

/// What a worker says that serves all frontends of [`text`].
pub(in crate::node) fn sample(pid: u32) -> Sample {
    Sample {
        pid,
        version: (2, 6),
        version_text: "2.6.12".to_owned(),
        generation: Some(Digest(1)),
        stopping: false,
        connections: 0,
        connections_max: 100,
        accepted: None,
        uptime_secs: 1,
        refused: 0,
        frontends: ["www", "api"].map(|name| (name.to_owned(), "OPEN".to_owned())).to_vec(),
        backends: Vec::new(),
        listening: None,
    }
}

/// A proxy whose world is the test. Probes go out every second and have 300 ms; it takes two to turn the verdict.
struct Lab {
    proxying: Proxying,
    loaded: Loaded,
    ops: Ops,
    start: Instant,
    now: Instant,
    /// What the last turn asked for.
    effects: Vec<Effect>,
    /// The last probe, the last operation, and the last survey.
    probe: Option<OpId>,
    operation: Option<OpId>,
    survey: Option<OpId>,
}

impl Lab {
    #[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
    fn new(engine: &str) -> Self {
        let mut config = config(&text().replace("haproxy", engine));
        config.proxy.health = HealthConfig { interval: ms(1_000), timeout: ms(300), rise: 2, fall: 2 };
        let loaded = loaded(config, rendered(1));
        let now = Instant::now();
        let (mut ops, mut out) = (Ops::default(), Outbox::default());
        let proxying = Proxying::new(&loaded, &me(), now, &mut ops, &mut out);
        let (probe, operation, survey) = (None, None, None);
        let mut lab = Self { proxying, loaded, ops, start: now, now, effects: Vec::new(), probe, operation, survey };
        lab.note(out);
        lab
    }

    /// Adopted, healthy, and probed every second from now on.
    fn serving(engine: &str) -> Self {
        let mut lab = Self::new(engine);
        lab.done(ProxyOutcome::Adopted { pid: MASTER, patched: None });
        lab.good(WORKER);
        lab.pass(CONFIRM_POLL);
        lab.good(WORKER);
        assert_eq!(lab.proxying.verdict(), &Verdict::Healthy);
        lab
    }

    /// It takes so many bad probes.
    fn fall(mut self, fall: u32) -> Self {
        Arc::make_mut(&mut self.loaded.config).proxy.health.fall = fall;
        self.proxying.configure(&self.loaded);
        self
    }

    fn note(&mut self, out: Outbox) {
        self.effects = out.into_effects();
        for effect in &self.effects {
            if let Effect::Probe { op, .. } = effect {
                self.probe = Some(*op);
            }
            if let Effect::Proxy { op, .. } = effect {
                self.operation = Some(*op);
            }
            if let Effect::Attend { op, what: Attend::Survey { .. } } = effect {
                self.survey = Some(*op);
            }
        }
    }

    /// A turn as the node does it: what happened, then the probe that is due.
    fn turn<T>(&mut self, what: impl FnOnce(&mut Proxying, Instant, &Loaded, &mut Ops, &mut Outbox) -> T) -> T {
        let mut out = Outbox::default();
        let result = what(&mut self.proxying, self.now, &self.loaded, &mut self.ops, &mut out);
        self.proxying.probe(self.now, &mut self.ops, &mut out);
        self.note(out);
        result
    }

    fn pass(&mut self, by: Duration) -> Vec<ProxyNews> {
        self.now += by;
        self.turn(|p, now, _, ops, out| p.tick(now, ops, out))
    }

    /// Waits for the next probe.
    fn next_probe(&mut self) {
        self.probe = None;
        let at = self.proxying.deadlines().find(|(_, why)| *why == PROBE).unwrap().0;
        self.pass(at - self.now);
        assert!(self.probe.is_some());
    }

    fn answer(&mut self, op: OpId, result: Result<Sample, String>) -> Vec<ProxyNews> {
        self.turn(|p, now, loaded, ops, out| p.probed(now, op, result, loaded, ops, out))
    }

    /// The answer to the probe in flight.
    fn say(&mut self, result: Result<Sample, String>) -> Vec<ProxyNews> {
        let op = self.probe.take().unwrap();
        self.answer(op, result)
    }

    fn good(&mut self, pid: u32) -> Vec<ProxyNews> {
        let generation = Some(self.loaded.rendered.generation);
        self.say(Ok(Sample { generation, ..sample(pid) }))
    }

    fn bad(&mut self) -> Vec<ProxyNews> {
        self.say(Err("connection refused".to_owned()))
    }

    /// The operation in flight has ended.
    fn done(&mut self, outcome: ProxyOutcome) -> Vec<ProxyNews> {
        let op = self.operation.take().unwrap();
        self.turn(|p, now, _, ops, out| p.done(now, op, outcome, ops, out))
    }

    fn apply(&mut self, generation: u64) -> Vec<ProxyNews> {
        self.turn(|p, now, loaded, ops, out| {
            let wanted = Loaded { rendered: rendered(generation), ..loaded.clone() };
            p.apply(now, &wanted, ops, out)
        })
    }

    /// The master is about to be told to load that.
    fn reloading(&mut self, generation: u64) {
        self.apply(generation);
        self.done(ProxyOutcome::Accepted);
        self.done(ProxyOutcome::Bindable);
        self.done(ProxyOutcome::Installed);
        self.done(ProxyOutcome::StateSaved { kept: 0, left_out: 0 });
        assert!(self.effects.iter().any(|e| matches!(e, Effect::Proxy { what: ProxyOp::Reload(_), .. })));
    }

    fn exited(&mut self, pid: u32) -> Vec<ProxyNews> {
        self.turn(|p, now, _, _, out| p.exited(now, pid, "signal 9", out))
    }

    fn worker_exited(&mut self, pid: u32) {
        self.turn(|p, now, _, _, _| p.worker_exited(now, pid));
    }

    fn starved(&mut self, op: OpId) {
        self.turn(|p, now, _, _, _| p.probe_starved(now, op));
    }

    fn attended(&mut self, op: OpId, outcome: Attended) {
        self.turn(|p, now, _, ops, out| p.attended(now, op, outcome, ops, out));
    }

    /// What is due when, in milliseconds from the start.
    fn deadlines(&self) -> Vec<(u128, &'static str)> {
        let mut all: Vec<_> = self.proxying.deadlines().map(|(at, why)| ((at - self.start).as_millis(), why)).collect();
        all.sort_unstable();
        all
    }

    /// When the next probe goes out, or the one in flight is judged, in milliseconds from now.
    fn due_in(&self) -> u128 {
        let (at, _) = self.proxying.deadlines().find(|(_, why)| *why == PROBE).unwrap();
        (at - self.now).as_millis()
    }

    /// Log lines of the last turn.
    fn logs(&self) -> Vec<(LogLevel, &str)> {
        let mut lines = Vec::new();
        for effect in &self.effects {
            if let Effect::Log(line) = effect {
                lines.push((line.level, line.message.as_str()));
            }
        }
        lines
    }

    /// Why it has failed.
    fn why(&self) -> Option<&str> {
        match self.proxying.verdict() {
            Verdict::Healthy => None,
            Verdict::Failed { why } => Some(why),
        }
    }
}

#[test]
fn a_proxy_proves_itself_at_once_and_is_asked_every_interval_from_then_on() {
    let mut lab = Lab::new("haproxy");
    assert!(lab.proxying.may_be_adopting() && !lab.proxying.settled && lab.probe.is_none());
    lab.done(ProxyOutcome::Adopted { pid: MASTER, patched: None });
    assert!(lab.proxying.may_be_adopting());
    assert_eq!(lab.deadlines(), [(300, PROBE), (10_000, LIFECYCLE)]);
    lab.now += ms(2);
    assert!(matches!(lab.good(WORKER)[..], [ProxyNews::Applied(_)]));
    assert!(!lab.proxying.may_be_adopting() && lab.proxying.settled);
    assert_eq!(lab.logs(), [(LogLevel::Info, "the proxy is healthy")]);
    assert_eq!(lab.deadlines(), [(10, PROBE), (30_002, SURVEY)]);
    lab.pass(ms(7));
    assert_eq!(lab.probe, None);
    lab.pass(ms(1));
    lab.now += ms(200);
    lab.good(WORKER);
    assert_eq!(lab.deadlines(), [(1_010, PROBE), (30_002, SURVEY)]);
    assert!(lab.logs().is_empty() && !lab.proxying.has_ended());
}

#[test]
fn a_silent_probe_is_judged_at_its_deadline_and_the_next_one_follows_at_once() {
    let mut lab = Lab::serving("haproxy");
    lab.next_probe();
    let silent = lab.probe.take().unwrap();
    lab.pass(ms(299));
    assert_eq!((lab.probe, lab.due_in()), (None, 1));
    lab.pass(ms(1));
    assert_eq!((lab.probe.is_some(), lab.due_in(), lab.why()), (true, 300, None));
    // What it says now is too late.
    lab.answer(silent, Ok(sample(WORKER)));
    lab.pass(ms(299));
    assert_eq!(lab.why(), None);
    lab.pass(ms(1));
    let why = "the stats socket was silent for 300 ms (2 times in a row)";
    assert_eq!(lab.why(), Some(why));
    assert_eq!(lab.logs(), [(LogLevel::Warn, &*format!("the proxy has failed: {why}"))]);
}

#[test]
fn who_looks_a_whole_timeout_late_was_not_running_itself() {
    for (late, failed) in [(0, true), (299, true), (300, false), (800, false)] {
        let mut lab = Lab::serving("haproxy").fall(1);
        lab.next_probe();
        lab.pass(ms(300 + late));
        assert_eq!((lab.why().is_some(), lab.due_in()), (failed, 300), "{late}");
    }
}

/// The timeout of the first silence counts.
#[test]
fn who_is_always_late_believes_a_silence_that_has_lasted() {
    for (before, failed) in [(ms(1), false), (Duration::ZERO, true)] {
        let mut lab = Lab::serving("haproxy").fall(1);
        lab.next_probe();
        lab.pass(ms(600));
        assert_eq!(lab.why(), None);
        lab.pass(STARVED_MAX - ms(300) - before);
        assert_eq!(lab.why().is_some(), failed, "{before:?}");
    }
    // An answer ends it.
    let mut lab = Lab::serving("haproxy").fall(1);
    lab.next_probe();
    for _ in 0..5 {
        lab.pass(ms(1_000));
        lab.good(WORKER);
        lab.next_probe();
        assert_eq!(lab.why(), None);
    }
}

#[test]
fn a_worker_that_waits_for_a_processor_is_waited_for_and_once() {
    let mut lab = Lab::serving("haproxy").fall(1);
    lab.next_probe();
    let op = lab.probe.unwrap();
    lab.pass(ms(200));
    lab.starved(OpId(9_999));
    assert_eq!(lab.due_in(), 100, "another probe's");
    lab.starved(op);
    assert_eq!(lab.due_in(), STARVED_MAX.as_millis());
    lab.pass(STARVED_MAX - ms(1));
    assert_eq!((lab.why(), lab.due_in()), (None, 1));
    lab.good(WORKER);
    // The next time, which is now, is another matter.
    lab.pass(ms(250));
    lab.starved(lab.probe.unwrap());
    assert_eq!(lab.due_in(), STARVED_MAX.as_millis());
    lab.pass(STARVED_MAX);
    assert_eq!(lab.why(), Some("the stats socket was silent for 300 ms"));
    // No more time than that is given to those that follow.
    lab.pass(ms(200));
    lab.starved(lab.probe.unwrap());
    assert_eq!(lab.due_in(), 100);
}

#[test]
fn what_starves_when_its_worker_has_ended_is_not_waited_for() {
    let mut lab = Lab::serving("haproxy");
    lab.next_probe();
    lab.worker_exited(WORKER);
    lab.starved(lab.probe.unwrap());
    assert_eq!(lab.due_in(), 300);
    // Nor is a silence excused by a lateness of this vipkeeper.
    lab.pass(ms(900));
    assert!(lab.why().unwrap().starts_with("the proxy's worker (pid 101) ended, and no other serves: "));
}

#[test]
fn a_worker_that_ends_is_asked_after_at_once_and_missed_when_nobody_answers() {
    let mut lab = Lab::serving("haproxy");
    lab.worker_exited(999);
    assert_eq!((lab.probe, lab.proxying.worker), (None, Some(WORKER)));
    lab.worker_exited(WORKER);
    assert_eq!((lab.probe.is_some(), lab.proxying.worker), (true, None));
    lab.bad();
    let why = "the proxy's worker (pid 101) ended, and no other serves: connection refused";
    assert_eq!(lab.why(), Some(why));
    assert_eq!(lab.logs(), [(LogLevel::Warn, &*format!("the proxy has failed: {why}"))]);
}

#[test]
fn the_last_words_of_a_worker_that_ended_prove_nothing() {
    let mut lab = Lab::serving("haproxy");
    lab.worker_exited(WORKER);
    for _ in 0..3 {
        lab.good(WORKER);
        assert_eq!((lab.probe.is_some(), lab.proxying.worker, lab.why()), (true, None, None));
    }
    lab.bad();
    assert!(lab.why().is_some());
}

#[test]
fn a_worker_that_ended_has_a_successor_when_another_one_answers() {
    let mut lab = Lab::serving("haproxy");
    lab.worker_exited(WORKER);
    lab.good(WORKER + 1);
    assert_eq!(lab.proxying.worker, Some(WORKER + 1));
    assert!(lab.effects.contains(&Effect::WatchWorker { pid: WORKER + 1 }));
    lab.next_probe();
    lab.bad();
    assert_eq!(lab.why(), None, "one bad probe like any other");
}

#[test]
fn a_probe_that_broke_off_with_the_worker_it_was_asked_of_says_nothing() {
    let mut lab = Lab::serving("haproxy");
    lab.next_probe();
    lab.worker_exited(WORKER);
    lab.bad();
    assert_eq!((lab.why(), lab.probe.is_some()), (None, true), "asked again at once");
    lab.bad();
    assert!(lab.why().is_some());
}

#[test]
fn a_worker_that_is_replaced_may_end() {
    let mut lab = Lab::serving("haproxy");
    lab.reloading(2);
    lab.worker_exited(WORKER);
    assert_eq!(lab.proxying.worker, None);
    lab.bad();
    assert_eq!(lab.why(), None);
}

#[test]
fn what_becomes_of_a_change_is_told_whoever_brings_it() {
    let mut lab = Lab::serving("haproxy");
    assert!(matches!(lab.apply(1)[..], [ProxyNews::Applied(_)]), "it runs already");
    assert!(lab.apply(2).is_empty());
    let news = lab.done(ProxyOutcome::Refused("unknown keyword".to_owned()));
    assert!(
        matches!(&news[..], [ProxyNews::Refused(of, why)] if of.generation == Digest(2) && why == "unknown keyword")
    );
    lab.apply(3);
    let news = lab.exited(MASTER);
    assert!(matches!(&news[..], [ProxyNews::Refused(of, _)] if of.generation == Digest(3)));

    // Five answers of the new worker in a row.
    let mut lab = Lab::serving("haproxy");
    lab.reloading(2);
    lab.done(ProxyOutcome::Reloaded);
    for answers in 1..=5 {
        let news = lab.say(Ok(Sample { generation: Some(Digest(2)), ..sample(WORKER + 1) }));
        assert_eq!(matches!(news[..], [ProxyNews::Applied(_)]), answers == 5, "{answers}");
        if answers < 5 {
            assert_eq!(lab.due_in(), 10);
            lab.next_probe();
        }
    }

    // A start that never proves itself.
    let mut lab = Lab::new("haproxy");
    lab.done(ProxyOutcome::NothingToAdopt);
    lab.done(ProxyOutcome::Accepted);
    lab.done(ProxyOutcome::Bindable);
    lab.done(ProxyOutcome::Installed);
    assert!(!lab.proxying.may_be_adopting());
    lab.done(ProxyOutcome::Started { pid: MASTER });
    assert!(lab.pass(ms(9_999)).is_empty());
    let news = lab.pass(ms(1));
    let expect = "the started proxy has not proven itself within 10 s";
    assert!(matches!(&news[..], [ProxyNews::Refused(_, why)] if why == expect), "{news:?}");
}

#[test]
fn a_proxy_that_ended_is_failed_and_not_probed_until_it_is_started_again() {
    let mut lab = Lab::serving("haproxy");
    lab.exited(MASTER);
    let why = "the proxy (pid 100) ended: signal 9";
    assert_eq!((lab.why(), lab.proxying.worker, &lab.proxying.sample), (Some(why), None, &None));
    assert!(lab.logs().contains(&(LogLevel::Warn, &*format!("the proxy has failed: {why}"))));
    assert!(lab.deadlines().iter().all(|(_, why)| *why == LIFECYCLE), "{:?}", lab.deadlines());
    assert!(!lab.proxying.has_ended());
}

#[test]
fn a_proxy_that_is_stopped_on_purpose_has_not_failed() {
    let mut lab = Lab::serving("haproxy");
    lab.turn(|p, now, _, ops, out| p.stop(now, ops, out));
    assert!(lab.effects.iter().any(|e| matches!(e, Effect::Proxy { what: ProxyOp::Stop, .. })));
    lab.done(ProxyOutcome::Stopped);
    assert!(!lab.proxying.has_ended());
    lab.exited(MASTER);
    assert!(lab.proxying.has_ended());
    assert_eq!(lab.logs(), [(LogLevel::Info, "the proxy is stopped")]);
}

#[test]
fn a_proxy_that_came_back_is_told_to_be_healthy_once() {
    let mut lab = Lab::serving("haproxy").fall(1);
    lab.next_probe();
    lab.bad();
    let mut told = Vec::new();
    for _ in 0..4 {
        lab.next_probe();
        lab.good(WORKER);
        told.push(lab.logs().contains(&(LogLevel::Info, "the proxy is healthy")));
    }
    assert_eq!(told, [false, true, false, false]);
}
