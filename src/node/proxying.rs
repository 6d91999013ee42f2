//! The node's side of its proxy: lifecycle, probes and verdict joined.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Instant;

use crate::config::{HealthConfig, Track};
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{Loaded, OpId};
use crate::node::outbox::{Ops, Outbox};
use crate::proxy::health::{Health, Prober, Verdict};
use crate::proxy::lifecycle::{Action, CONFIRM_POLL, Candidate, Lifecycle};
use crate::proxy::{BindProbe, ProxyOutcome, Sample};
use crate::render::Rendered;

/// What the node must know of a turn of the lifecycle.
#[derive(Debug)]
pub(super) enum ProxyNews {
    /// This is what runs.
    Applied(Arc<Rendered>),
    /// That candidate is not what runs, and why.
    Refused(Arc<Rendered>, String),
}

/// The proxy of this node.
#[derive(Debug)]
pub(super) struct Proxying {
    pub(super) lifecycle: Lifecycle,
    pub(super) health: Health,
    prober: Prober,
    settings: HealthConfig,
    pub(super) sample: Option<Sample>,
    pub(super) worker: Option<u32>,
    ended: bool,
    /// It was started, adopted or found unable to start at least once.
    pub(super) settled: bool,
}

/// What to run for a configuration: its text and the addresses that it binds.
pub(super) fn candidate(loaded: &Loaded) -> Candidate {
    let config = &loaded.config;
    let binds: BTreeSet<BindProbe> = config
        .frontends
        .iter()
        .flat_map(|f| &f.binds)
        .flat_map(|bind| config.bind_addresses(bind))
        .map(|(address, transparent)| BindProbe { address, transparent })
        .collect();
    Candidate { rendered: Arc::clone(&loaded.rendered), binds }
}

impl Proxying {
    pub(super) fn new(loaded: &Loaded, now: Instant, ops: &mut Ops, out: &mut Outbox) -> Self {
        let settings = loaded.config.proxy.health;
        let (lifecycle, actions) = Lifecycle::new(candidate(loaded), loaded.config.proxy.restart, ops.next());
        let mut proxying = Self {
            lifecycle,
            health: Health::new(settings, now),
            prober: Prober::new(),
            settings,
            sample: None,
            worker: None,
            ended: false,
            settled: false,
        };
        let _none = proxying.take(now, actions, out);
        proxying
    }

    pub(super) fn configure(&mut self, loaded: &Loaded) {
        self.settings = loaded.config.proxy.health;
        self.health.configure(self.settings);
        self.lifecycle.configure(loaded.config.proxy.restart);
    }

    pub(super) fn verdict(&self) -> &Verdict {
        self.health.verdict()
    }

    /// Whether a predecessor's proxy may still turn out to serve.
    pub(super) fn may_be_adopting(&self) -> bool {
        self.lifecycle.may_be_adopting()
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    pub(super) fn apply(&mut self, now: Instant, loaded: &Loaded, ops: &mut Ops, out: &mut Outbox) -> Vec<ProxyNews> {
        let actions = self.lifecycle.apply(candidate(loaded), ops.next());
        self.take(now, actions, out)
    }

    pub(super) fn stop(&mut self, now: Instant, ops: &mut Ops, out: &mut Outbox) {
        let actions = self.lifecycle.stop(now, ops.next());
        let _news = self.take(now, actions, out);
    }

    pub(super) fn done(
        &mut self,
        now: Instant,
        op: OpId,
        outcome: ProxyOutcome,
        ops: &mut Ops,
        out: &mut Outbox,
    ) -> Vec<ProxyNews> {
        let actions = self.lifecycle.done(now, op, outcome, ops.next());
        self.take(now, actions, out)
    }

    pub(super) fn exited(&mut self, now: Instant, pid: u32, status: &str, out: &mut Outbox) -> Vec<ProxyNews> {
        let actions = self.lifecycle.exited(now, pid, status);
        self.take(now, actions, out)
    }

    /// The worker that answered is gone. During a reload that is what old workers do.
    pub(super) fn worker_exited(&mut self, now: Instant, pid: u32, out: &mut Outbox) {
        if self.worker != Some(pid) {
            return;
        }
        self.worker = None;
        self.prober.hurry(now);
        if !self.lifecycle.is_replacing_worker() {
            self.judge_dead(now, format!("the proxy's worker (pid {pid}) ended"), out);
        }
    }

    pub(super) fn probed(
        &mut self,
        now: Instant,
        op: OpId,
        result: Result<Sample, String>,
        loaded: &Loaded,
        ops: &mut Ops,
        out: &mut Outbox,
    ) -> Vec<ProxyNews> {
        if !self.prober.answered(now, op, self.interval()) {
            return Vec::new();
        }
        let judged = result.and_then(|sample| match fault(&sample, loaded) {
            None => Ok(sample),
            Some(why) => Err(why),
        });
        match judged {
            Ok(sample) => self.answered_well(now, sample, ops, out),
            Err(why) => {
                self.judge_bad(now, &why, out);
                Vec::new()
            }
        }
    }

    /// Judges a silent probe and what the lifecycle waits for.
    pub(super) fn tick(&mut self, now: Instant, ops: &mut Ops, out: &mut Outbox) -> Vec<ProxyNews> {
        if self.prober.timed_out(now, self.interval()) {
            let ms = self.settings.timeout.as_millis();
            self.judge_bad(now, &format!("the stats socket was silent for {ms} ms"), out);
        }
        let op = ops.next();
        let actions = self.lifecycle.tick(now, op, self.health.failed_since());
        self.take(now, actions, out)
    }

    /// Sends the probe that is due.
    pub(super) fn probe(&mut self, now: Instant, ops: &mut Ops, out: &mut Outbox) {
        let op = ops.next();
        if self.prober.ask(now, op, self.settings.timeout) {
            out.push(Effect::Probe { op, timeout: self.settings.timeout });
        }
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = (Instant, &'static str)> {
        let lifecycle = self.lifecycle.deadline(self.health.failed_since());
        let lifecycle = lifecycle.map(|at| (at, "the proxy's lifecycle goes on"));
        lifecycle.into_iter().chain(self.prober.deadline().map(|at| (at, "the proxy is to be probed")))
    }

    /// What lowers the priority: tracked backends without a server.
    pub(super) fn weights(&self, track: &[Track]) -> Vec<(String, i32)> {
        let Some(sample) = &self.sample else { return Vec::new() };
        let down = |backend: &str| sample.backends.iter().any(|(name, status)| name == backend && status == "DOWN");
        let lost = track.iter().filter(|t| down(t.tracker.as_str()));
        lost.map(|t| (format!("backend {} is DOWN", t.tracker), t.weight)).collect()
    }

    fn interval(&self) -> std::time::Duration {
        if self.lifecycle.is_confirming() { CONFIRM_POLL } else { self.settings.interval }
    }

    fn answered_well(&mut self, now: Instant, sample: Sample, ops: &mut Ops, out: &mut Outbox) -> Vec<ProxyNews> {
        if self.worker != Some(sample.pid) {
            self.worker = Some(sample.pid);
            out.push(Effect::WatchWorker { pid: sample.pid });
        }
        let actions = self.lifecycle.sampled(now, &sample, ops.next());
        self.sample = Some(sample);
        let before = self.health.verdict().clone();
        self.health.good(now);
        if before != Verdict::Healthy && self.health.verdict() == &Verdict::Healthy {
            self.settled = true;
            out.log(LogLevel::Info, None, "the proxy is healthy");
        }
        self.take(now, actions, out)
    }

    fn judge_bad(&mut self, now: Instant, why: &str, out: &mut Outbox) {
        let before = self.health.verdict().clone();
        self.health.bad(now, why);
        self.tell(&before, out);
    }

    fn judge_dead(&mut self, now: Instant, why: String, out: &mut Outbox) {
        let before = self.health.verdict().clone();
        self.health.died(now, why);
        self.tell(&before, out);
    }

    fn tell(&self, before: &Verdict, out: &mut Outbox) {
        if let (Verdict::Healthy, Verdict::Failed { why }) = (before, self.health.verdict()) {
            if self.lifecycle.is_stopping() {
                out.log(LogLevel::Info, None, "the proxy is stopped".to_owned());
            } else {
                out.log(LogLevel::Warn, None, format!("the proxy has failed: {why}"));
            }
        }
    }

    fn take(&mut self, now: Instant, actions: Vec<Action>, out: &mut Outbox) -> Vec<ProxyNews> {
        let mut news = Vec::new();
        for action in actions {
            match action {
                Action::Do(op, what) => out.push(Effect::Proxy { op, what }),
                Action::Probe => {
                    self.prober.start(now);
                    self.prober.hurry(now);
                }
                Action::Dead(why) => {
                    self.prober.stop();
                    self.worker = None;
                    self.sample = None;
                    self.settled = true;
                    self.judge_dead(now, why, out);
                }
                Action::Applied(rendered) => news.push(ProxyNews::Applied(rendered)),
                Action::Refused(rendered, why) => news.push(ProxyNews::Refused(rendered, why)),
                Action::Note(text) => out.log(LogLevel::Info, None, text),
                Action::Alarm(text) => out.log(LogLevel::Warn, None, text),
                Action::Ended => self.ended = true,
            }
        }
        news
    }
}

/// What is wrong with an answer that arrived.
fn fault(sample: &Sample, loaded: &Loaded) -> Option<String> {
    if sample.stopping {
        return Some("an old worker answers: it no longer accepts connections".to_owned());
    }
    let Some(generation) = sample.generation else {
        return Some("what answers on the stats socket was not configured by vipkeeper".to_owned());
    };
    let closed = sample.frontends.iter().find(|(_, status)| !matches!(status.as_str(), "OPEN" | "FULL"));
    if let Some((name, status)) = closed {
        return Some(format!("frontend {name} is {status}"));
    }
    if generation != loaded.rendered.generation {
        return None;
    }
    let listed = |name: &str| sample.frontends.iter().any(|(n, _)| n == name);
    let missing = loaded.config.frontends.iter().find(|f| !listed(f.name.as_str()));
    missing.map(|f| format!("frontend {} is missing", f.name))
}
