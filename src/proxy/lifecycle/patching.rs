//! A change that the running worker takes at run time, as the end of the transaction that would else be a reload.
//!
//! The file is checked and installed as for a reload; then the worker is told what differs and read back. Whatever goes
//! wrong from there on ends in a reload of the installed file, which makes the same change by another way.

use std::sync::Arc;

use super::{Action, Candidate, Lifecycle, Stage, State};
use crate::proxy::runtime::{Patched, plan};
use crate::proxy::{ProxyOp, ProxyOutcome, Sample};
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

/// For operators: what was to be done without a reload is done with one.
pub(super) fn told(failed: &ProxyOutcome) -> Action {
    let why = match failed {
        ProxyOutcome::Failed(why) => why.clone(),
        other => format!("unexpected outcome {other:?}"),
    };
    Action::Alarm(format!("the change is made by a reload, since it failed at run time: {why}"))
}

impl Lifecycle {
    /// The worker is what the candidate says.
    pub(super) fn patched(&mut self, op: OpId) -> Vec<Action> {
        let State::Reloading { master, since, candidate, .. } = &self.state else { return Vec::new() };
        let (serving, candidate) = (State::Serving { master: *master, since: *since }, candidate.clone());
        self.patched = self.worker.map(|worker| Patched { worker, runs: candidate.rendered.generation });
        self.target = candidate.clone();
        self.running = Some(candidate.clone());
        self.state = serving;
        let mut actions = vec![Action::Applied(candidate.rendered)];
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
