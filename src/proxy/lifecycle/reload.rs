//! Reloading as a transaction, and what becomes of one that fails.

use std::sync::Arc;
use std::time::Instant;

use super::patching;
use super::{Action, CONFIRM_ANSWERS, CONFIRM_WITHIN, Candidate, Lifecycle, Stage, State};
use crate::proxy::{ProxyOp, ProxyOutcome, ReloadMethod, Sample};
use crate::units::OpId;

impl Lifecycle {
    pub(super) fn reload_went_on(&mut self, now: Instant, outcome: ProxyOutcome, next: OpId) -> Vec<Action> {
        let method = ReloadMethod::of(self.version);
        let State::Reloading { op, stage, candidate, .. } = &mut self.state else { return Vec::new() };
        if *stage == Stage::Patching {
            return self.patching_went_on(outcome, next);
        }
        let mut told = None;
        let what = match (stage.clone(), outcome) {
            (Stage::Checking, ProxyOutcome::Accepted) => {
                *stage = Stage::Preflighting;
                // What runs already holds its own addresses.
                let held = self.running.as_ref().map(|r| r.binds.clone());
                let fresh = held.map(|held| candidate.binds.difference(&held).cloned().collect());
                ProxyOp::Preflight(fresh.unwrap_or_default())
            }
            (Stage::Preflighting, ProxyOutcome::Bindable) => {
                *stage = Stage::Installing;
                ProxyOp::Install
            }
            (Stage::Installing, ProxyOutcome::Installed) => {
                self.installed = Some(candidate.rendered.generation);
                let patch = patching::patch(self.running.as_ref(), candidate, self.worker, self.version);
                let (then, what) =
                    patch.unwrap_or_else(|| save_first(candidate, Stage::Saving, Stage::Launching, method));
                *stage = then;
                what
            }
            // Servers then start as they are written: no reason to keep the old configuration.
            (Stage::Saving, saved @ (ProxyOutcome::StateSaved { .. } | ProxyOutcome::Failed(_))) => {
                *stage = Stage::Launching;
                told = state_told(&saved);
                ProxyOp::Reload(method)
            }
            (Stage::Launching, ProxyOutcome::Reloaded) => {
                *stage = Stage::Confirming { until: now + CONFIRM_WITHIN, answers: 0 };
                return vec![Action::Probe];
            }
            (Stage::Launching, ProxyOutcome::ReloadRefused(why) | ProxyOutcome::Failed(why)) => {
                return self.roll_back(next, why);
            }
            (Stage::Restoring { why }, ProxyOutcome::Installed) => {
                self.installed = self.running.as_ref().map(|r| r.rendered.generation);
                let saving = Stage::SavingBack { why: why.clone() };
                let (then, what) = save_first(candidate, saving, Stage::Returning { why }, method);
                *stage = then;
                what
            }
            (Stage::SavingBack { why }, saved @ (ProxyOutcome::StateSaved { .. } | ProxyOutcome::Failed(_))) => {
                *stage = Stage::Returning { why };
                told = state_told(&saved);
                ProxyOp::Reload(method)
            }
            (
                Stage::Returning { why },
                ProxyOutcome::Reloaded | ProxyOutcome::ReloadRefused(_) | ProxyOutcome::Failed(_),
            ) => {
                *stage = Stage::Reconfirming { why, until: now + CONFIRM_WITHIN };
                return vec![Action::Probe];
            }
            (Stage::Restoring { why }, other) => {
                let both = format!("{why}; and the last good file cannot be restored: {other:?}");
                return self.reload_refused(both, next);
            }
            // Nothing was touched yet.
            (_, ProxyOutcome::Refused(why) | ProxyOutcome::Unbindable(why) | ProxyOutcome::Failed(why)) => {
                return self.reload_refused(why, next);
            }
            (_, unexpected) => return self.reload_refused(format!("unexpected outcome {unexpected:?}"), next),
        };
        *op = next;
        let mut actions: Vec<Action> = told.into_iter().collect();
        actions.extend(self.request(next, what));
        actions
    }

    /// An answer while a reload is being carried out: by the old worker, the new one, or the old one again.
    pub(super) fn reload_answered(&mut self, sample: &Sample, op: OpId) -> Vec<Action> {
        let State::Reloading { stage, master, since, candidate, .. } = &mut self.state else { return Vec::new() };
        let generation = sample.generation;
        let (serving, candidate) = (State::Serving { master: *master, since: *since }, candidate.clone());
        let mut actions = match stage {
            Stage::Confirming { answers, .. } => {
                *answers = if generation == Some(candidate.rendered.generation) { *answers + 1 } else { 0 };
                if *answers < CONFIRM_ANSWERS {
                    return Vec::new();
                }
                self.target = candidate.clone();
                self.running = Some(candidate.clone());
                vec![Action::Applied(candidate.rendered)]
            }
            Stage::Reconfirming { why, .. } => {
                let good = self.running.as_ref().map(|r| r.rendered.generation);
                if generation.is_none() || (good.is_some() && generation != good) {
                    return Vec::new();
                }
                let why = format!("{why}; the last good configuration serves again");
                vec![Action::Refused(candidate.rendered, why)]
            }
            Stage::Checking
            | Stage::Preflighting
            | Stage::Installing
            | Stage::Patching
            | Stage::Saving
            | Stage::Launching
            | Stage::Restoring { .. }
            | Stage::SavingBack { .. }
            | Stage::Returning { .. } => return Vec::new(),
        };
        self.state = serving;
        actions.extend(self.take_pending(op));
        actions
    }

    /// Whether an answer with paused frontends comes from a worker that is to stay: in the two seconds in which HAProxy
    /// tries to bind, an old one is paused too.
    pub fn may_reopen(&self, sample: &Sample) -> bool {
        match &self.state {
            State::Serving { .. } | State::Proving { .. } | State::Starting { .. } => true,
            State::Reloading { stage, candidate, .. } => match stage {
                Stage::Confirming { .. } => sample.generation == Some(candidate.rendered.generation),
                Stage::Reconfirming { .. } => {
                    self.running.as_ref().is_none_or(|r| sample.generation == Some(r.rendered.generation))
                }
                Stage::Checking
                | Stage::Preflighting
                | Stage::Installing
                | Stage::Patching
                | Stage::Saving
                | Stage::Launching
                | Stage::Restoring { .. }
                | Stage::SavingBack { .. }
                | Stage::Returning { .. } => false,
            },
            State::Adopting { .. }
            | State::Down { .. }
            | State::Killing { .. }
            | State::Stopping { .. }
            | State::Stopped => false,
        }
    }

    /// The new worker will not serve: nothing is gained by waiting for its proof. After a start, or without a change,
    /// the deadlines decide.
    pub fn give_up(&mut self, op: OpId, why: String) -> Vec<Action> {
        match &self.state {
            State::Reloading { stage: Stage::Confirming { .. }, .. } => self.roll_back(op, why),
            State::Reloading { .. }
            | State::Serving { .. }
            | State::Proving { .. }
            | State::Starting { .. }
            | State::Adopting { .. }
            | State::Down { .. }
            | State::Killing { .. }
            | State::Stopping { .. }
            | State::Stopped => Vec::new(),
        }
    }

    /// Back to serving what ran before.
    pub(super) fn reload_refused(&mut self, why: String, next: OpId) -> Vec<Action> {
        let mut actions = Vec::new();
        if let State::Reloading { master, since, candidate, .. } = &self.state {
            actions.push(Action::Refused(Arc::clone(&candidate.rendered), why));
            self.state = State::Serving { master: *master, since: *since };
        }
        actions.extend(self.take_pending(next));
        actions
    }

    pub(super) fn roll_back(&mut self, next: OpId, why: String) -> Vec<Action> {
        if let State::Reloading { op, stage, .. } = &mut self.state {
            *op = next;
            *stage = Stage::Restoring { why };
        }
        self.request(next, ProxyOp::Restore)
    }

    /// The proxy died of a reload or start: the candidate is refused, and the next start is that of the target.
    pub(super) fn abandon(&mut self, why: &str) -> Vec<Action> {
        match &self.state {
            State::Reloading { candidate, .. } => {
                // The installed file may be the candidate: the next start checks and installs anew.
                self.installed = None;
                let why = format!("{why} during the reload; the configuration before it is started");
                vec![Action::Refused(Arc::clone(&candidate.rendered), why)]
            }
            State::Starting { candidate, .. } => {
                // Somebody may have touched the file, or its addresses be taken: the next start looks.
                self.installed = None;
                vec![Action::Refused(Arc::clone(&candidate.rendered), why.to_owned())]
            }
            State::Adopting { .. }
            | State::Proving { .. }
            | State::Down { .. }
            | State::Serving { .. }
            | State::Killing { .. }
            | State::Stopping { .. }
            | State::Stopped => Vec::new(),
        }
    }

    pub(super) fn take_pending(&mut self, op: OpId) -> Vec<Action> {
        match self.pending.take() {
            Some(candidate) => self.apply(candidate, op),
            None => Vec::new(),
        }
    }
}

/// A reload, after what servers are was saved where it passes on.
pub(super) fn save_first(
    candidate: &Candidate,
    saving: Stage,
    reloading: Stage,
    method: ReloadMethod,
) -> (Stage, ProxyOp) {
    if candidate.keeps_state { (saving, ProxyOp::SaveState) } else { (reloading, ProxyOp::Reload(method)) }
}

/// What operators should know of the state of servers.
fn state_told(saved: &ProxyOutcome) -> Option<Action> {
    match saved {
        ProxyOutcome::StateSaved { left_out: 0, .. } => None,
        ProxyOutcome::StateSaved { kept, left_out } => Some(Action::Note(format!(
            "the state of {kept} servers is carried over; {left_out} start as they are written"
        ))),
        ProxyOutcome::Failed(why) => Some(Action::Alarm(format!(
            "the state of servers is not carried over, and they start as they are written: {why}"
        ))),
        ProxyOutcome::Adopted { .. }
        | ProxyOutcome::NothingToAdopt
        | ProxyOutcome::Accepted
        | ProxyOutcome::Refused(_)
        | ProxyOutcome::Bindable
        | ProxyOutcome::Unbindable(_)
        | ProxyOutcome::Installed
        | ProxyOutcome::Patched
        | ProxyOutcome::Started { .. }
        | ProxyOutcome::Reloaded
        | ProxyOutcome::ReloadRefused(_)
        | ProxyOutcome::Stopped => None,
    }
}
