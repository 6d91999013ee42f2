//! The node's side of its proxy: lifecycle, probes and verdict joined.

mod attending;
mod listening;

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::{Config, Engine, HealthConfig};
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{Loaded, OpId};
use crate::node::intents::Wishes;
use crate::node::outbox::{Ops, Outbox};
use crate::proxy::capabilities::Capabilities;
use crate::proxy::health::{HUNGRY_MAX, Health, Prober, STARVED_MAX, Verdict};
use crate::proxy::lifecycle::{Action, CONFIRM_POLL, Candidate, Lifecycle};
use crate::proxy::reopening::Reopening;
use crate::proxy::roster::Roster;
use crate::proxy::{BindProbe, ProxyOutcome, Sample};
use crate::render::{self, Rendered};
use crate::units::Name;

use listening::Listening;

/// Dropped connections are told at most so often.
const REFUSALS_EVERY: Duration = Duration::from_secs(60);

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
    me: Name,
    /// For as long as vipkeeper runs: a change of it is refused.
    engine: Engine,
    pub(super) lifecycle: Lifecycle,
    pub(super) health: Health,
    /// Workers that were replaced.
    pub(super) roster: Roster,
    reopening: Reopening,
    /// What the installed binary can do, as far as it said.
    pub(super) capabilities: Option<Capabilities>,
    /// What operators want of servers.
    pub(super) wishes: Wishes,
    prober: Prober,
    listening: Listening,
    settings: HealthConfig,
    pub(super) sample: Option<Sample>,
    /// The sample is one that nobody asked for yet.
    fresh: bool,
    pub(super) worker: Option<u32>,
    /// That worker ended although its master lives: a crash, or somebody else's reload. The next answer decides.
    suspect: Option<u32>,
    /// The probe that was in flight when it ended.
    broken_off: Option<OpId>,
    /// Since when probes were silent for want of a processor alone.
    starved_since: Option<Instant>,
    /// The probe whose worker was seen without a processor.
    starving_probe: Option<OpId>,
    /// When dropped connections were told last.
    refusals_told: Option<Instant>,
    ended: bool,
    /// It was started, adopted or found unable to start at least once.
    pub(super) settled: bool,
}

/// The addresses that the proxy of node `me` binds for a configuration.
pub fn binds(config: &Config, me: &Name) -> BTreeSet<BindProbe> {
    let mut binds: BTreeSet<BindProbe> = match config.proxy.engine {
        Engine::Haproxy => config
            .binds()
            // Of another network namespace: nobody here can look at it.
            .filter(|bind| !bind.options.as_ref().is_some_and(|o| o.split_whitespace().any(|word| word == "namespace")))
            .flat_map(|bind| config.bind_addresses(bind))
            .map(|(address, transparent)| BindProbe { address, transparent })
            .collect(),
        Engine::Nginx => {
            let sockets = render::nginx::sockets(config).into_iter();
            sockets.map(|address| BindProbe { address, transparent: false }).collect()
        }
    };
    // Where the HAProxys of the nodes share their tables.
    let shared = config.proxy.table_peers.filter(|_| config.proxy.engine == Engine::Haproxy);
    let shared = shared.zip(config.node(me)).map(|(port, node)| SocketAddr::new(node.address, port));
    binds.extend(shared.map(|address| BindProbe { address, transparent: false }));
    binds
}

/// What node `me` is to run for a configuration: its text and the addresses that it binds.
pub(super) fn candidate(loaded: &Loaded, me: &Name) -> Candidate {
    let config = &loaded.config;
    let binds = binds(config, me);
    let keeps_state = match config.proxy.engine {
        Engine::Haproxy => true,
        Engine::Nginx => false,
    };
    Candidate { rendered: Arc::clone(&loaded.rendered), binds, keeps_state }
}

/// Who was too late for a probe.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Late {
    /// The proxy.
    Theirs,
    /// This vipkeeper.
    Ours,
}

impl Proxying {
    pub(super) fn new(loaded: &Loaded, me: &Name, now: Instant, ops: &mut Ops, out: &mut Outbox) -> Self {
        let settings = loaded.config.proxy.health;
        let (lifecycle, actions) = Lifecycle::new(candidate(loaded, me), loaded.config.proxy.restart, ops.next());
        let mut proxying = Self {
            me: me.clone(),
            engine: loaded.config.proxy.engine,
            lifecycle,
            health: Health::new(settings, now),
            roster: Roster::new(loaded.config.proxy.hard_stop_after),
            reopening: Reopening::default(),
            capabilities: None,
            wishes: Wishes::default(),
            prober: Prober::new(),
            listening: Listening::default(),
            settings,
            sample: None,
            fresh: false,
            worker: None,
            suspect: None,
            broken_off: None,
            starved_since: None,
            starving_probe: None,
            refusals_told: None,
            ended: false,
            settled: false,
        };
        let _none = proxying.take(now, actions, out);
        proxying.ask_capabilities(ops, out);
        proxying
    }

    pub(super) fn configure(&mut self, loaded: &Loaded) {
        self.settings = loaded.config.proxy.health;
        self.health.configure(self.settings);
        self.lifecycle.configure(loaded.config.proxy.restart);
        self.roster.configure(loaded.config.proxy.hard_stop_after);
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
        let actions = self.lifecycle.apply(candidate(loaded, &self.me), ops.next());
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

    /// The worker that answered is gone. During a reload that is what old workers do, and an operator may have told
    /// the master to reload; after a crash nobody listens any more, and the next probe is refused at once.
    pub(super) fn worker_exited(&mut self, now: Instant, pid: u32) {
        if self.worker != Some(pid) {
            return;
        }
        self.worker = None;
        self.prober.hurry(now);
        if !self.lifecycle.is_replacing_worker() {
            self.suspect = Some(pid);
            self.broken_off = self.prober.asking();
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
        let mut news = Vec::new();
        let result = result.map(|sample| Sample { generation: self.lifecycle.generation_of(&sample), ..sample });
        let judged = result.and_then(|sample| match fault(&sample, loaded).or_else(|| self.deaf(&sample)) {
            None => Ok(sample),
            Some(fault) => {
                news = self.mend(now, &sample, &fault, ops, out);
                Err(fault.why)
            }
        });
        match judged {
            // Said before it ended.
            Ok(sample) if self.suspect == Some(sample.pid) => {
                self.prober.hurry(now);
                Vec::new()
            }
            Ok(sample) => {
                self.suspect = None;
                self.starved_since = None;
                self.answered_well(now, sample, ops, out)
            }
            // It was asked of the one that ended, and says nothing of those that are there.
            Err(_) if self.broken_off.take() == Some(op) => {
                self.prober.hurry(now);
                news
            }
            Err(why) => {
                self.judge_bad(now, &why, out);
                news
            }
        }
    }

    /// Judges a silent probe and what the lifecycle waits for.
    pub(super) fn tick(&mut self, now: Instant, ops: &mut Ops, out: &mut Outbox) -> Vec<ProxyNews> {
        if let Some(overdue) = self.prober.timed_out(now, self.interval()) {
            // Who looks that late has not been running, and the answer may be here unread.
            let late = if overdue >= self.settings.timeout { Late::Ours } else { Late::Theirs };
            self.judge_silence(now, late, out);
        }
        let op = ops.next();
        let actions = self.lifecycle.tick(now, op, self.health.failed_since());
        self.take(now, actions, out)
    }

    /// Sends the probe that is due.
    pub(super) fn probe(&mut self, now: Instant, ops: &mut Ops, out: &mut Outbox) {
        let op = ops.next();
        if self.prober.ask(now, op, self.settings.timeout) {
            let listeners = self.listening.is_due(now, &self.lifecycle);
            out.push(Effect::Probe { op, timeout: self.settings.timeout, listeners, worker: self.worker });
        }
        self.survey(now, ops, out);
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = (Instant, &'static str)> {
        let lifecycle = self.lifecycle.deadline(self.health.failed_since());
        let lifecycle = lifecycle.map(|at| (at, "the proxy's lifecycle goes on"));
        let survey = self.roster.deadline().map(|at| (at, "old workers are to be looked at"));
        lifecycle.into_iter().chain(self.prober.deadline().map(|at| (at, "the proxy is to be probed"))).chain(survey)
    }

    /// The last good answer, once.
    pub(super) fn fresh_sample(&mut self) -> Option<&Sample> {
        let fresh = std::mem::take(&mut self.fresh);
        self.sample.as_ref().filter(|_| fresh)
    }

    fn interval(&self) -> std::time::Duration {
        if self.lifecycle.is_confirming() { CONFIRM_POLL } else { self.settings.interval }
    }

    fn answered_well(&mut self, now: Instant, sample: Sample, ops: &mut Ops, out: &mut Outbox) -> Vec<ProxyNews> {
        if self.worker != Some(sample.pid) {
            self.worker = Some(sample.pid);
            self.attend_to_new_worker(now, &sample, ops, out);
            out.push(Effect::WatchWorker { pid: sample.pid });
        }
        self.note_refusals(now, &sample, out);
        self.reopening.open();
        let actions = self.lifecycle.sampled(now, &sample, ops.next());
        self.sample = Some(sample);
        self.fresh = true;
        let before = self.health.verdict().clone();
        self.health.good(now);
        if before != Verdict::Healthy && self.health.verdict() == &Verdict::Healthy {
            self.settled = true;
            out.log(LogLevel::Info, None, "the proxy is healthy");
        }
        self.take(now, actions, out)
    }

    /// nginx that has no room for a connection drops it, and says so only to those who ask.
    fn note_refusals(&mut self, now: Instant, sample: &Sample, out: &mut Outbox) {
        let before = self.sample.as_ref().map_or(sample.refused, |before| before.refused);
        let more = sample.refused.saturating_sub(before);
        if more == 0 || self.refusals_told.is_some_and(|told| now < told + REFUSALS_EVERY) {
            return;
        }
        self.refusals_told = Some(now);
        out.log(
            LogLevel::Warn,
            None,
            format!("the proxy dropped {more} connections for want of room: raise `maxconn` in [proxy]"),
        );
    }

    /// The worker of a probe that takes its time waits for a processor.
    ///
    /// A machine short of processors makes a sound proxy slow, and moving the VIP would help nobody; one that is stuck
    /// is found quickly. What is runnable for too long is stuck all the same, in a loop; the shell tells again for as
    /// long as it sees that it gets no processor.
    pub(super) fn probe_starved(&mut self, now: Instant, op: OpId) {
        if self.prober.is_asking(op) && self.suspect.is_none() {
            let told_before = self.starving_probe.replace(op) == Some(op);
            let since = *self.starved_since.get_or_insert(now);
            let patience = if told_before { now + STARVED_MAX } else { since + STARVED_MAX };
            self.prober.wait_until(patience.min(since + HUNGRY_MAX));
        }
    }

    /// A verdict takes `fall` of them, one right after the other.
    fn judge_silence(&mut self, now: Instant, late: Late, out: &mut Outbox) {
        let timeout = self.settings.timeout;
        if late == Late::Ours && self.suspect.is_none() {
            let since = *self.starved_since.get_or_insert(now - timeout.min(STARVED_MAX));
            if now < since + STARVED_MAX {
                self.prober.hurry(now);
                return;
            }
        }
        self.prober.hurry(now);
        self.judge_bad(now, &format!("the stats socket was silent for {} ms", timeout.as_millis()), out);
    }

    fn judge_bad(&mut self, now: Instant, why: &str, out: &mut Outbox) {
        if let Some(pid) = self.suspect.take() {
            self.judge_dead(now, format!("the proxy's worker (pid {pid}) ended, and no other serves: {why}"), out);
            return;
        }
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
                    self.roster.stop();
                    self.worker = None;
                    self.suspect = None;
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
struct Fault {
    why: String,
    /// These frontends can be opened again.
    paused: Vec<String>,
}

impl Fault {
    fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), paused: Vec::new() }
    }
}

fn fault(sample: &Sample, loaded: &Loaded) -> Option<Fault> {
    if sample.stopping {
        return Some(Fault::new("an old worker answers: it no longer accepts connections"));
    }
    let Some(generation) = sample.generation else {
        return Some(Fault::new("what answers on the stats socket was not configured by vipkeeper"));
    };
    let closed = sample.frontends.iter().find(|(_, status)| !matches!(status.as_str(), "OPEN" | "FULL"));
    if let Some((name, status)) = closed {
        let paused = sample.frontends.iter().filter(|(_, status)| status == "PAUSED");
        return Some(Fault {
            why: format!("frontend {name} is {status}"),
            paused: paused.map(|(name, _)| name.clone()).collect(),
        });
    }
    match loaded.config.proxy.engine {
        Engine::Haproxy if generation == loaded.rendered.generation => {}
        // nginx does not load a file of which it cannot bind every address.
        Engine::Haproxy | Engine::Nginx => return None,
    }
    let listed = |name: &str| sample.frontends.iter().any(|(n, _)| n == name);
    let missing = loaded.config.frontends.iter().find(|f| !listed(f.name.as_str()));
    missing.map(|f| Fault::new(format!("frontend {} is missing", f.name)))
}

#[cfg(test)]
pub(in crate::node) mod tests;
