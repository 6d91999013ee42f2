//! Adopting a predecessor's proxy, and starting one: check, preflight, install, launch.

use std::sync::Arc;
use std::time::Instant;

use super::{Action, CONFIRM_WITHIN, Candidate, Expect, Lifecycle, Stage, State};
use crate::proxy::{ProxyOp, ProxyOutcome, Sample};
use crate::units::OpId;

impl Lifecycle {
    pub(super) fn adopted(&mut self, now: Instant, outcome: ProxyOutcome, next: OpId) -> Vec<Action> {
        match outcome {
            ProxyOutcome::Adopted { pid, .. } if self.ended_early(pid).is_some() => {
                self.begin_start(self.target.clone(), next)
            }
            ProxyOutcome::Adopted { pid, patched } => {
                self.patched = patched;
                self.state = State::Proving { master: pid, until: now + CONFIRM_WITHIN };
                vec![Action::Note(format!("found a running proxy (pid {pid})")), Action::Probe]
            }
            ProxyOutcome::NothingToAdopt => self.begin_start(self.target.clone(), next),
            ProxyOutcome::Failed(why) => {
                let mut actions = vec![Action::Note(format!("cannot look for a running proxy: {why}"))];
                actions.extend(self.begin_start(self.target.clone(), next));
                actions
            }
            ProxyOutcome::Accepted
            | ProxyOutcome::Refused(_)
            | ProxyOutcome::Bindable
            | ProxyOutcome::Unbindable(_)
            | ProxyOutcome::Installed
            | ProxyOutcome::StateSaved { .. }
            | ProxyOutcome::Patched
            | ProxyOutcome::Started { .. }
            | ProxyOutcome::Reloaded
            | ProxyOutcome::ReloadRefused(_)
            | ProxyOutcome::Stopped => Vec::new(),
        }
    }

    /// An adopted proxy that answers serves; if it runs something else, the target is applied like any change.
    pub(super) fn adopt(&mut self, now: Instant, master: u32, sample: &Sample, op: OpId) -> Vec<Action> {
        self.state = State::Serving { master, since: now };
        if sample.generation == Some(self.target.rendered.generation) {
            self.running = Some(self.target.clone());
            // The file may be another: its predecessor may have been killed between installing one and loading it.
            let mut actions = vec![Action::Applied(Arc::clone(&self.target.rendered))];
            actions.extend(self.take_pending(op));
            return actions;
        }
        let candidate = self.pending.take().unwrap_or_else(|| self.target.clone());
        let mut actions = vec![Action::Note("the adopted proxy runs another configuration".to_owned())];
        actions.extend(self.apply(candidate, op));
        actions
    }

    /// How a master ended whose start is told only now.
    fn ended_early(&mut self, pid: u32) -> Option<String> {
        self.early.take().filter(|(ended, _)| *ended == pid).map(|(_, status)| status)
    }

    pub(super) fn begin_start(&mut self, candidate: Candidate, op: OpId) -> Vec<Action> {
        let generation = candidate.rendered.generation;
        let ready = self.installed == Some(generation);
        self.early = None;
        self.patched = None;
        let (stage, what) = if ready {
            (Stage::Launching, ProxyOp::Start)
        } else {
            (Stage::Checking, ProxyOp::Check(Arc::clone(&candidate.rendered)))
        };
        self.state = State::Starting { op, stage, master: None, candidate, expect: Expect::Candidate };
        self.request(op, what)
    }

    pub(super) fn start_went_on(&mut self, now: Instant, outcome: ProxyOutcome, next: OpId) -> Vec<Action> {
        let State::Starting { op, stage, master, candidate, expect } = &mut self.state else { return Vec::new() };
        let what = match (&*stage, outcome) {
            (Stage::Checking, ProxyOutcome::Accepted) => {
                *stage = Stage::Preflighting;
                ProxyOp::Preflight(candidate.binds.iter().cloned().collect())
            }
            (Stage::Preflighting, ProxyOutcome::Bindable) => {
                *stage = Stage::Installing;
                ProxyOp::Install
            }
            (Stage::Installing, ProxyOutcome::Installed) => {
                self.installed = Some(candidate.rendered.generation);
                *stage = Stage::Launching;
                ProxyOp::Start
            }
            (Stage::Launching, ProxyOutcome::Started { pid }) => {
                *master = Some(pid);
                *stage = Stage::Confirming { until: now + CONFIRM_WITHIN, answers: 0 };
                self.starts += 1;
                return match self.ended_early(pid) {
                    Some(status) => self.exited(now, pid, &status),
                    None => vec![Action::Probe],
                };
            }
            // The candidate is unusable, but an older installed file may serve: the last good state keeps running.
            (Stage::Checking, ProxyOutcome::Refused(why)) => {
                *expect = Expect::AnyOfOurs;
                *stage = Stage::Launching;
                *op = next;
                let mut actions = vec![Action::Refused(Arc::clone(&candidate.rendered), why)];
                actions.extend(self.request(next, ProxyOp::Start));
                return actions;
            }
            (_, ProxyOutcome::Failed(why) | ProxyOutcome::Unbindable(why)) => return self.start_failed(now, why),
            (_, unexpected) => return self.start_failed(now, format!("unexpected outcome {unexpected:?}")),
        };
        *op = next;
        self.request(next, what)
    }

    pub(super) fn start_failed(&mut self, now: Instant, why: String) -> Vec<Action> {
        let mut actions = vec![Action::Dead(why.clone())];
        actions.extend(self.abandon(&why));
        let pause = self.next_pause();
        self.go_down(now, pause, why);
        actions
    }
}
