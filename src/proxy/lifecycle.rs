//! How the proxy is started, checked, reloaded and restarted: one transaction at a time.
//!
//! A candidate becomes what runs only when the new worker answers with its generation and every frontend is open
//! (`proxies.md` in the field: a reload can report success and serve nothing). Any failure on the way leaves or
//! restores the last good file. Nothing here touches a process: operations go out, outcomes come back.

mod patching;
mod reload;
mod retry;
mod stage;
mod start;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Backoff;
use crate::proxy::runtime::Patched;
use crate::proxy::{BindProbe, ProxyOp, ProxyOutcome, Sample, backoff_pause};
use crate::render::Rendered;
use crate::units::{Digest, OpId};

use stage::Stage;

/// How long a started or reloaded proxy may take to prove itself. Stock HAProxy retries a failing bind for 2 s.
const CONFIRM_WITHIN: Duration = Duration::from_secs(10);
/// Pause between probes while a start or reload is being confirmed.
pub const CONFIRM_POLL: Duration = Duration::from_millis(10);
/// Consecutive answers of the new generation after a reload: the old and the new worker both answer for a while.
const CONFIRM_ANSWERS: u32 = 5;
/// A proxy that served this long starts again without a pause.
const STABLE_AFTER: Duration = Duration::from_secs(10);
/// A proxy whose process lives but that fails every probe for this long is killed and started again.
const WEDGED_AFTER: Duration = Duration::from_secs(5);
/// A stopped proxy that has not ended by then is left behind.
const STOP_WITHIN: Duration = Duration::from_secs(4);
/// An operation in flight when it is to be stopped may take this long to end.
const FINISH_WITHIN: Duration = Duration::from_secs(10);

/// What to run: the text, and the addresses that it binds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The text.
    pub rendered: Arc<Rendered>,
    /// Its listening addresses.
    pub binds: BTreeSet<BindProbe>,
    /// What servers are passes on in a reload. Not with nginx, which has no such thing.
    pub keeps_state: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// Looking for a predecessor's proxy.
    Adopting { op: OpId },
    /// Found one: it must prove itself.
    Proving { master: u32, until: Instant },
    /// Nothing runs until then.
    Down { start_at: Instant, why: String },
    /// Starting; `master` once it runs.
    Starting { op: OpId, stage: Stage, master: Option<u32>, candidate: Candidate, expect: Expect },
    /// Running what it should.
    Serving { master: u32, since: Instant },
    /// Running, and applying a change.
    Reloading { op: OpId, stage: Stage, master: u32, since: Instant, candidate: Candidate },
    /// Killed because it hung; waits for the end of the master.
    Killing { master: u32, again_at: Instant },
    /// Terminated on purpose; `told` once the operation is under way.
    Stopping { master: Option<u32>, until: Instant, told: bool },
    /// Over, on purpose.
    Stopped,
}

/// Which generation counts as success.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expect {
    /// The candidate's.
    Candidate,
    /// Any of ours: the candidate was refused, and an older installed file is started instead.
    AnyOfOurs,
}

/// What the node must do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Carry out an operation.
    Do(OpId, ProxyOp),
    /// The proxy process may answer from now on: probe it.
    Probe,
    /// There is no process: stop probing; the proxy is dead for this reason.
    Dead(String),
    /// The candidate is what runs.
    Applied(Arc<Rendered>),
    /// That candidate is not what runs; the reason, and what was done about it.
    Refused(Arc<Rendered>, String),
    /// Something for the log.
    Note(String),
    /// Something that a human should look at.
    Alarm(String),
    /// A stop on purpose is complete.
    Ended,
}

/// The proxy process and the transactions on it.
#[derive(Debug, Clone)]
pub struct Lifecycle {
    state: State,
    backoff: Backoff,
    failures: u32,
    starts: u64,
    /// What should run: what was confirmed last, or the first one. A candidate that was refused is forgotten.
    target: Candidate,
    /// What runs, as far as it was confirmed.
    running: Option<Candidate>,
    /// What passed its check, is installed and not known to fail: a restart needs no new check.
    installed: Option<Digest>,
    /// One slot for a change that arrived during a transaction or a pause.
    pending: Option<Candidate>,
    /// Process id of the worker that answered last.
    worker: Option<u32>,
    /// A worker that does not run what it was started with.
    patched: Option<Patched>,
    /// A master whose end was told before its start was.
    early: Option<(u32, String)>,
    version: (u32, u32),
    /// The operation in flight: there is never more than one.
    busy: Option<OpId>,
    /// The target is tried again.
    retry: Option<retry::Retry>,
    /// The pause before the next try.
    retry_pause: Duration,
}

impl Lifecycle {
    /// Begins by looking for a proxy that a predecessor left.
    pub fn new(target: Candidate, backoff: Backoff, op: OpId) -> (Self, Vec<Action>) {
        let lifecycle = Self {
            state: State::Adopting { op },
            backoff,
            failures: 0,
            starts: 0,
            target,
            running: None,
            installed: None,
            pending: None,
            worker: None,
            patched: None,
            early: None,
            version: (0, 0),
            busy: Some(op),
            retry: None,
            retry_pause: Self::first_pause(),
        };
        (lifecycle, vec![Action::Do(op, ProxyOp::Adopt)])
    }

    /// Process id of the master, if one runs.
    pub fn master(&self) -> Option<u32> {
        match &self.state {
            State::Adopting { .. } | State::Down { .. } | State::Stopped => None,
            State::Starting { master, .. } | State::Stopping { master, .. } => *master,
            State::Proving { master, .. }
            | State::Serving { master, .. }
            | State::Reloading { master, .. }
            | State::Killing { master, .. } => Some(*master),
        }
    }

    /// How often it was started.
    pub fn starts(&self) -> u64 {
        self.starts
    }

    /// A start or reload waits for its proof: probe quickly.
    pub fn is_confirming(&self) -> bool {
        match &self.state {
            State::Proving { .. } => true,
            State::Starting { stage, .. } | State::Reloading { stage, .. } => {
                matches!(stage, Stage::Confirming { .. } | Stage::Reconfirming { .. })
            }
            State::Adopting { .. }
            | State::Down { .. }
            | State::Serving { .. }
            | State::Killing { .. }
            | State::Stopping { .. }
            | State::Stopped => false,
        }
    }

    /// The master was told to replace its worker: the old one may end.
    pub fn is_replacing_worker(&self) -> bool {
        match &self.state {
            State::Reloading { stage, .. } => match stage {
                Stage::Checking | Stage::Preflighting | Stage::Installing | Stage::Patching | Stage::Saving => false,
                Stage::Launching
                | Stage::Confirming { .. }
                | Stage::Restoring { .. }
                | Stage::SavingBack { .. }
                | Stage::Returning { .. }
                | Stage::Reconfirming { .. } => true,
            },
            State::Adopting { .. }
            | State::Proving { .. }
            | State::Down { .. }
            | State::Starting { .. }
            | State::Serving { .. }
            | State::Killing { .. }
            | State::Stopping { .. }
            | State::Stopped => false,
        }
    }

    /// That candidate is being started or loaded: its end will be told.
    pub fn has_in_hand(&self, rendered: &Arc<Rendered>) -> bool {
        match &self.state {
            State::Starting { candidate, .. } | State::Reloading { candidate, .. } => {
                Arc::ptr_eq(&candidate.rendered, rendered)
            }
            State::Adopting { .. }
            | State::Proving { .. }
            | State::Down { .. }
            | State::Serving { .. }
            | State::Killing { .. }
            | State::Stopping { .. }
            | State::Stopped => false,
        }
    }

    /// It serves, and nothing is being changed: whoever answers was confirmed.
    pub fn is_serving(&self) -> bool {
        matches!(self.state, State::Serving { .. })
    }

    /// Where the worker that answered must listen; none: it is about to be replaced, or what it runs is not known.
    pub fn binds_of(&self, sample: &Sample) -> Option<&BTreeSet<BindProbe>> {
        let runs = |candidate: &&Candidate| Some(candidate.rendered.generation) == sample.generation;
        let candidate = match &self.state {
            State::Starting { candidate, stage: Stage::Confirming { .. }, .. }
            | State::Reloading { candidate, stage: Stage::Confirming { .. }, .. } => Some(candidate),
            State::Serving { .. } => self.running.as_ref(),
            State::Proving { .. } => Some(&self.target),
            State::Starting { .. }
            | State::Reloading { .. }
            | State::Adopting { .. }
            | State::Down { .. }
            | State::Killing { .. }
            | State::Stopping { .. }
            | State::Stopped => None,
        };
        candidate.filter(runs).map(|candidate| &candidate.binds)
    }

    /// It ends because it was told to.
    pub fn is_stopping(&self) -> bool {
        matches!(self.state, State::Stopping { .. } | State::Stopped)
    }

    /// It serves something that is not known to be the target, such as an older file after a refusal.
    pub fn serves_another(&self) -> bool {
        let target = self.target.rendered.generation;
        matches!(self.state, State::Serving { .. })
            && self.running.as_ref().is_none_or(|running| running.rendered.generation != target)
    }

    /// A predecessor's proxy may still turn out to serve.
    pub fn may_be_adopting(&self) -> bool {
        matches!(self.state, State::Adopting { .. } | State::Proving { .. })
    }

    /// For people.
    pub fn doing(&self, now: Instant) -> String {
        match &self.state {
            State::Adopting { .. } => "looking for a running proxy".to_owned(),
            State::Proving { .. } => "adopting a running proxy".to_owned(),
            State::Down { start_at, why } => {
                format!("down ({why}); starts again in {} ms", start_at.saturating_duration_since(now).as_millis())
            }
            State::Starting { stage, .. } => format!("starting: {}", stage.doing()),
            State::Serving { .. } => "serving".to_owned(),
            State::Reloading { stage, .. } => format!("serving; reloading: {}", stage.doing()),
            State::Killing { .. } => "killing a hung proxy".to_owned(),
            State::Stopping { .. } => "stopping".to_owned(),
            State::Stopped => "stopped".to_owned(),
        }
    }

    /// When [`Lifecycle::tick`] has something to do, given since when every probe has failed.
    pub fn deadline(&self, failed_since: Option<Instant>) -> Option<Instant> {
        match &self.state {
            // What is in flight must end first; its outcome looks here again.
            State::Down { start_at, .. } => Some(*start_at).filter(|_| self.busy.is_none()),
            State::Proving { until, .. } | State::Stopping { until, .. } => Some(*until),
            State::Killing { again_at, .. } => Some(*again_at),
            State::Starting { stage, .. } => stage.deadline(),
            State::Reloading { stage, .. } => stage.deadline(),
            State::Serving { since, .. } => {
                let wedged = failed_since.map(|failed| failed.max(*since) + WEDGED_AFTER);
                [wedged, self.retry_at()].into_iter().flatten().min()
            }
            State::Adopting { .. } | State::Stopped => None,
        }
    }

    /// A new target. Answered by `Applied` or `Refused`, at once when it is what runs already.
    pub fn apply(&mut self, candidate: Candidate, op: OpId) -> Vec<Action> {
        match &self.state {
            State::Serving { master, since } => {
                let (master, since) = (*master, *since);
                let same =
                    self.running.as_ref().is_some_and(|r| r.rendered.generation == candidate.rendered.generation);
                if same {
                    self.target = candidate.clone();
                    self.running = Some(candidate.clone());
                    return vec![Action::Applied(candidate.rendered)];
                }
                let check = ProxyOp::Check(Arc::clone(&candidate.rendered));
                self.state = State::Reloading { op, stage: Stage::Checking, master, since, candidate };
                self.request(op, check)
            }
            State::Down { .. } if self.busy.is_none() => self.begin_start(candidate, op),
            State::Stopping { .. } | State::Stopped => {
                vec![Action::Refused(candidate.rendered, "vipkeeper is stopping".to_owned())]
            }
            State::Down { .. }
            | State::Adopting { .. }
            | State::Proving { .. }
            | State::Starting { .. }
            | State::Reloading { .. }
            | State::Killing { .. } => {
                let replaced = self.pending.replace(candidate);
                replaced
                    .map(|_| Action::Note("an unfinished change was replaced by a newer one".to_owned()))
                    .into_iter()
                    .collect()
            }
        }
    }

    /// End the proxy on purpose.
    pub fn stop(&mut self, now: Instant, op: OpId) -> Vec<Action> {
        self.pending = None;
        let master = self.master();
        if master.is_none() && self.busy.is_none() {
            self.state = State::Stopped;
            return vec![Action::Ended];
        }
        // What is in flight may be a start: then there will be something to stop.
        let told = self.busy.is_none();
        let within = if told { STOP_WITHIN } else { FINISH_WITHIN };
        self.state = State::Stopping { master, until: now + within, told };
        if told { self.request(op, ProxyOp::Stop) } else { Vec::new() }
    }

    fn request(&mut self, op: OpId, what: ProxyOp) -> Vec<Action> {
        debug_assert!(self.busy.is_none(), "two operations on one proxy: {what:?}");
        self.busy = Some(op);
        vec![Action::Do(op, what)]
    }

    /// The deadline may have passed.
    pub fn tick(&mut self, now: Instant, op: OpId, failed_since: Option<Instant>) -> Vec<Action> {
        if self.deadline(failed_since).is_none_or(|at| now < at) {
            return Vec::new();
        }
        if let Some(actions) = self.retry(now, op) {
            return actions;
        }
        match &self.state {
            State::Down { .. } => {
                let candidate = self.pending.take().unwrap_or_else(|| self.target.clone());
                self.begin_start(candidate, op)
            }
            State::Proving { .. } => self.kill(now, op, "the adopted proxy does not answer"),
            State::Serving { .. } => self.kill(now, op, "the proxy's process lives but does not serve"),
            State::Killing { master, .. } => {
                let master = *master;
                self.state = State::Killing { master, again_at: now + WEDGED_AFTER };
                if self.busy.is_some() { Vec::new() } else { self.request(op, ProxyOp::Kill) }
            }
            State::Stopping { .. } => {
                self.state = State::Stopped;
                vec![Action::Alarm("the proxy did not stop in time".to_owned()), Action::Ended]
            }
            State::Starting { candidate, .. } => {
                let why = format!("the started proxy has not proven itself within {} s", CONFIRM_WITHIN.as_secs());
                let mut actions = vec![Action::Refused(Arc::clone(&candidate.rendered), why.clone())];
                self.installed = None;
                actions.extend(self.kill(now, op, &why));
                actions
            }
            State::Reloading { stage, candidate, .. } => match stage.clone() {
                Stage::Confirming { .. } => self.roll_back(
                    op,
                    format!("the reloaded proxy has not proven itself within {} s", CONFIRM_WITHIN.as_secs()),
                ),
                Stage::Reconfirming { why, .. } => {
                    let why = format!("{why}; the last good file does not serve either");
                    let mut actions = vec![Action::Refused(Arc::clone(&candidate.rendered), why)];
                    self.installed = None;
                    actions.extend(self.kill(now, op, "neither the new nor the last good configuration serves"));
                    actions
                }
                Stage::Checking
                | Stage::Preflighting
                | Stage::Installing
                | Stage::Patching
                | Stage::Saving
                | Stage::Launching
                | Stage::Restoring { .. }
                | Stage::SavingBack { .. }
                | Stage::Returning { .. } => Vec::new(),
            },
            State::Adopting { .. } | State::Stopped => Vec::new(),
        }
    }

    /// The outcome of an operation; `next` numbers the one that follows.
    pub fn done(&mut self, now: Instant, op: OpId, outcome: ProxyOutcome, next: OpId) -> Vec<Action> {
        let actions = self.went_on(now, op, outcome, next);
        self.arm_retry(now);
        actions
    }

    fn went_on(&mut self, now: Instant, op: OpId, outcome: ProxyOutcome, next: OpId) -> Vec<Action> {
        self.busy.take_if(|busy| *busy == op);
        match &self.state {
            State::Stopping { told: false, .. } => self.stop_at_last(now, outcome, next),
            State::Adopting { op: ours } if *ours == op => self.adopted(now, outcome, next),
            State::Starting { op: ours, .. } if *ours == op => self.start_went_on(now, outcome, next),
            State::Reloading { op: ours, .. } if *ours == op => self.reload_went_on(now, outcome, next),
            State::Down { .. } if self.busy.is_none() => self.take_pending(next),
            State::Down { .. }
            | State::Adopting { .. }
            | State::Starting { .. }
            | State::Reloading { .. }
            | State::Proving { .. }
            | State::Serving { .. }
            | State::Killing { .. }
            | State::Stopping { .. }
            | State::Stopped => Vec::new(),
        }
    }

    /// The master ended.
    pub fn exited(&mut self, now: Instant, pid: u32, status: &str) -> Vec<Action> {
        if self.master() != Some(pid) {
            if self.master().is_none() && self.busy.is_some() {
                // The start or adoption in flight may be this one's: its outcome comes by another way.
                self.early = Some((pid, status.to_owned()));
            }
            return Vec::new();
        }
        let served = match &self.state {
            State::Serving { since, .. } | State::Reloading { since, .. } => now.saturating_duration_since(*since),
            State::Adopting { .. }
            | State::Proving { .. }
            | State::Down { .. }
            | State::Starting { .. }
            | State::Killing { .. }
            | State::Stopping { .. }
            | State::Stopped => Duration::ZERO,
        };
        let why = format!("the proxy (pid {pid}) ended: {status}");
        match &self.state {
            State::Stopping { .. } => {
                self.state = State::Stopped;
                return vec![Action::Dead("stopped".to_owned()), Action::Ended];
            }
            State::Down { .. } | State::Stopped | State::Adopting { .. } => return Vec::new(),
            State::Proving { .. }
            | State::Starting { .. }
            | State::Serving { .. }
            | State::Reloading { .. }
            | State::Killing { .. } => {}
        }
        let mut actions = vec![Action::Dead(why.clone())];
        actions.extend(self.abandon(&why));
        let pause = if served >= STABLE_AFTER {
            self.failures = 0;
            Duration::ZERO
        } else {
            self.next_pause()
        };
        self.go_down(now, pause, why);
        actions
    }

    /// An answer of the stats socket that passed every other check.
    pub fn sampled(&mut self, now: Instant, sample: &Sample, op: OpId) -> Vec<Action> {
        self.version = sample.version;
        self.worker = Some(sample.pid);
        let actions = self.proven_by(now, sample, op);
        self.arm_retry(now);
        actions
    }

    fn proven_by(&mut self, now: Instant, sample: &Sample, op: OpId) -> Vec<Action> {
        match &mut self.state {
            State::Proving { master, .. } => {
                let master = *master;
                self.adopt(now, master, sample, op)
            }
            State::Starting { stage: Stage::Confirming { .. }, master: Some(master), candidate, expect, .. } => {
                let ours = sample.generation == Some(candidate.rendered.generation);
                let enough = match expect {
                    Expect::Candidate => ours,
                    Expect::AnyOfOurs => sample.generation.is_some(),
                };
                if !enough {
                    return Vec::new();
                }
                let (master, candidate) = (*master, candidate.clone());
                self.state = State::Serving { master, since: now };
                let mut actions = Vec::new();
                let proven = [candidate, self.target.clone()];
                self.running = proven.into_iter().find(|c| sample.generation == Some(c.rendered.generation));
                if let Some(proven) = &self.running {
                    self.target = proven.clone();
                    actions.push(Action::Applied(Arc::clone(&proven.rendered)));
                }
                actions.extend(self.take_pending(op));
                actions
            }
            State::Reloading { .. } => self.reload_answered(sample, op),
            State::Starting { .. }
            | State::Adopting { .. }
            | State::Down { .. }
            | State::Serving { .. }
            | State::Killing { .. }
            | State::Stopping { .. }
            | State::Stopped => Vec::new(),
        }
    }

    /// The operation that was in flight when the proxy was to stop has ended.
    fn stop_at_last(&mut self, now: Instant, outcome: ProxyOutcome, next: OpId) -> Vec<Action> {
        let State::Stopping { master, told, until } = &mut self.state else { return Vec::new() };
        if let ProxyOutcome::Started { pid } | ProxyOutcome::Adopted { pid, .. } = outcome
            && self.early.take().is_none_or(|(ended, _)| ended != pid)
        {
            *master = Some(pid);
        }
        *told = true;
        *until = now + STOP_WITHIN;
        if master.is_none() {
            self.state = State::Stopped;
            return vec![Action::Ended];
        }
        self.request(next, ProxyOp::Stop)
    }

    fn kill(&mut self, now: Instant, op: OpId, why: &str) -> Vec<Action> {
        let Some(master) = self.master() else { return Vec::new() };
        if let State::Serving { since, .. } = &self.state
            && now.saturating_duration_since(*since) >= STABLE_AFTER + WEDGED_AFTER
        {
            self.failures = 0;
        }
        self.state = State::Killing { master, again_at: now + WEDGED_AFTER };
        let mut actions = vec![Action::Alarm(format!("{why}: killing it (pid {master})"))];
        actions.extend(self.request(op, ProxyOp::Kill));
        actions
    }

    fn go_down(&mut self, now: Instant, pause: Duration, why: String) {
        // A change that waits has not failed yet: it is tried at once.
        let pause = if self.pending.is_some() { Duration::ZERO } else { pause };
        self.state = State::Down { start_at: now + pause, why };
    }

    fn next_pause(&mut self) -> Duration {
        self.failures = self.failures.saturating_add(1);
        backoff_pause(self.backoff, self.failures)
    }

    /// Changed pauses.
    pub fn configure(&mut self, backoff: Backoff) {
        self.backoff = backoff;
    }
}

#[cfg(test)]
mod tests;
