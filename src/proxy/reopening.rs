//! Frontends that are paused although their worker serves: opened again, a bounded number of times.
//!
//! A reload whose bind conflict passes within HAProxy's two seconds of tries succeeds, and leaves every frontend that
//! there was before paused. `enable frontend` repairs that. It must never try for ever: what stays paused is for the
//! last good file, or for a restart.

use std::time::{Duration, Instant};

use crate::units::OpId;

/// Tries before a worker counts as beyond repair.
const TRIES_MAX: u32 = 3;
/// Between two tries.
const PAUSE: Duration = Duration::from_millis(200);
/// A try that has no answer by then is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Tries at the worker that answers.
#[derive(Debug, Clone, Default)]
pub struct Reopening {
    worker: Option<u32>,
    tries: u32,
    last: Option<Instant>,
    flying: Option<(OpId, Instant)>,
}

/// What to do about paused frontends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Open them.
    Try,
    /// A try is under way, or has just been made.
    Wait,
    /// They stay paused.
    GiveUp,
}

impl Reopening {
    /// A worker says that frontends are paused; a try is then in flight under `op`.
    pub fn paused(&mut self, now: Instant, worker: u32, op: OpId) -> Step {
        if self.worker != Some(worker) {
            *self = Self { worker: Some(worker), ..Self::default() };
        }
        let flying = self.flying.is_some_and(|(_, since)| now < since + ANSWER_WITHIN);
        if flying || self.last.is_some_and(|last| now < last + PAUSE) {
            return Step::Wait;
        }
        if self.tries >= TRIES_MAX {
            return Step::GiveUp;
        }
        self.tries += 1;
        self.last = Some(now);
        self.flying = Some((op, now));
        Step::Try
    }

    /// A try ended; false: it is none of ours.
    pub fn tried(&mut self, op: OpId) -> bool {
        self.flying.take_if(|(ours, _)| *ours == op).is_some()
    }

    /// Every frontend is open: the next pause is another matter.
    pub fn open(&mut self) {
        self.tries = 0;
    }
}

#[cfg(test)]
mod tests;
