//! A proxy that serves something else than its target is not left so: the target is tried again, ever more rarely.
//!
//! That happens when a vipkeeper adopts a proxy with an older file and the reload fails for a reason that passes.

use std::time::{Duration, Instant};

use super::{Action, Lifecycle, State};
use crate::units::OpId;

/// Pauses between two tries double from the first to the last.
const FIRST: Duration = Duration::from_secs(20);
const LAST: Duration = Duration::from_secs(600);

/// When the target is tried again, and how long the pause before it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Retry {
    at: Instant,
    pause: Duration,
}

impl Lifecycle {
    /// To be called whenever the state may have changed.
    pub(super) fn arm_retry(&mut self, now: Instant) {
        if !matches!(self.state, State::Serving { .. }) {
            return;
        }
        if !self.serves_another() {
            self.retry = None;
            self.retry_pause = FIRST;
        } else if self.retry.is_none() {
            self.retry = Some(Retry { at: now + self.retry_pause, pause: self.retry_pause });
        }
    }

    /// When the target is tried again.
    pub(super) fn retry_at(&self) -> Option<Instant> {
        self.retry.map(|retry| retry.at)
    }

    /// Tries it if that is due.
    pub(super) fn retry(&mut self, now: Instant, op: OpId) -> Option<Vec<Action>> {
        if !matches!(self.state, State::Serving { .. }) {
            return None;
        }
        let due = self.retry.take_if(|retry| now >= retry.at)?;
        self.retry_pause = (due.pause * 2).min(LAST);
        let mut actions =
            vec![Action::Note("the proxy runs another configuration: trying again to change that".to_owned())];
        actions.extend(self.apply(self.target.clone(), op));
        Some(actions)
    }

    /// The pause before the first try.
    pub(super) const fn first_pause() -> Duration {
        FIRST
    }
}
