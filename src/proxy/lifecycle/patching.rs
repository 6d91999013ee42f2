//! A change that the running worker takes at run time, as the end of the transaction that would else be a reload.
//!
//! The file is checked and installed as for a reload; then the worker is told what differs and read back. Whatever goes
//! wrong from there on ends in a reload of the installed file, which makes the same change by another way.

use std::sync::Arc;

use super::reload::save_first;
use super::{Action, Candidate, Lifecycle, Stage, State};
use crate::proxy::runtime::{HALF_PATCHED, Patched, plan};
use crate::proxy::{ProxyOp, ProxyOutcome, ReloadMethod, Sample};
use crate::units::{Digest, OpId};

/// What the worker must be told instead of a reload, if that is enough.
pub(super) fn patch(
    running: Option<&Candidate>,
    candidate: &Candidate,
    worker: Option<u32>,
    version: (u32, u32),
) -> Option<(Stage, ProxyOp)> {
    // nginx takes no changes at run time.
    let running = running.filter(|running| running.keeps_state && candidate.keeps_state)?;
    let patch = plan::patch(&running.rendered, &candidate.rendered, version)?;
    Some((Stage::Patching, ProxyOp::Patch { worker: worker?, patch: Arc::new(patch) }))
}

impl Lifecycle {
    pub(super) fn patching_went_on(&mut self, outcome: ProxyOutcome, next: OpId) -> Vec<Action> {
        if outcome == ProxyOutcome::Patched {
            return self.patched(next);
        }
        let why = if let ProxyOutcome::Failed(why) = outcome { why } else { format!("unexpected outcome {outcome:?}") };
        self.patched = self.worker.map(|worker| Patched { worker, runs: HALF_PATCHED });
        let method = ReloadMethod::of(self.version);
        let State::Reloading { op, stage, candidate, .. } = &mut self.state else { return Vec::new() };
        // The file is installed, so that a reload does the same and more.
        let (then, what) = save_first(candidate, Stage::Saving, Stage::Launching, method);
        (*op, *stage) = (next, then);
        let why = format!("the change is made by a reload, since it failed at run time: {why}");
        let mut actions = vec![Action::Alarm(why)];
        actions.extend(self.request(next, what));
        actions
    }

    /// The worker is what the candidate says.
    fn patched(&mut self, op: OpId) -> Vec<Action> {
        let State::Reloading { master, since, candidate, .. } = &self.state else { return Vec::new() };
        let (serving, candidate) = (State::Serving { master: *master, since: *since }, candidate.clone());
        self.patched = self.worker.map(|worker| Patched { worker, runs: candidate.rendered.generation });
        self.target = candidate.clone();
        self.running = Some(candidate.clone());
        self.state = serving;
        // Who asks hears of it at once.
        let mut actions = vec![Action::Applied(candidate.rendered), Action::Probe];
        actions.extend(self.take_pending(op));
        actions
    }

    /// Which text the worker that answered is equal to: its own word is that of its start.
    pub fn generation_of(&self, sample: &Sample) -> Option<Digest> {
        let patched = self.patched.filter(|patched| patched.worker == sample.pid && sample.generation.is_some());
        patched.map_or(sample.generation, |patched| Some(patched.runs))
    }

    /// Whether the worker came to that generation at run time.
    pub fn runs_patched(&self, generation: Digest) -> bool {
        self.patched.is_some_and(|patched| Some(patched.worker) == self.worker && patched.runs == generation)
    }
}
