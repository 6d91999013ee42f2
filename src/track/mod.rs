//! Trackers, sans-IO: what is watched beside the proxy, when it counts as failed, and what a VIP makes of that.
//!
//! A [`Machine`] per tracker. One that has to be looked at asks for it through [`LookSpec`] and is judged by its own
//! deadline; the others are told by whoever has the facts already ([`facts`]).

pub mod contribution;
pub mod facts;
pub mod look;
pub mod tally;

use std::time::{Duration, Instant};

pub use contribution::Contribution;
pub use look::LookSpec;
pub use tally::{Hold, Tally, Verdict};

use crate::config::{HookSettings, Tracker, TrackerKind};
use crate::proxy::health::Prober;
use crate::units::OpId;

/// A verdict became another one, or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// Everything is as before.
    None,
    /// Good, failed, its reason, or its value is another one.
    Changed,
}

/// One tracker that is in use.
#[derive(Debug, Clone)]
pub struct Machine {
    config: Tracker,
    tally: Tally,
    prober: Prober,
    sampled_at: Option<Instant>,
}

impl Machine {
    /// Not looked at yet.
    pub fn new(config: &Tracker, hold: Hold, now: Instant) -> Self {
        let mut prober = Prober::new();
        if look::is_polled(&config.kind) {
            prober.start(now);
        }
        let tally = Tally::new(config.rise, config.fall, hold, now);
        Self { config: config.clone(), tally, prober, sampled_at: None }
    }

    /// What it watches, and how.
    pub fn config(&self) -> &Tracker {
        &self.config
    }

    /// The verdict, since when, and the number of a file.
    pub fn tally(&self) -> &Tally {
        &self.tally
    }

    /// Another timing for the same object: the verdict stays. False if it is another object.
    pub fn configure(&mut self, wanted: &Tracker) -> bool {
        let same = self.config.name == wanted.name && self.config.kind == wanted.kind;
        if same {
            self.config = wanted.clone();
            self.tally.configure(wanted.rise, wanted.fall);
        }
        same
    }

    /// No more looks; a late answer is ignored.
    pub fn stop(&mut self) {
        self.prober.stop();
    }

    /// The look that is due, which then is in flight under `op`.
    pub fn ask(&mut self, now: Instant, op: OpId, hooks: &HookSettings) -> Option<LookSpec> {
        // First the specification: without one nothing may be in flight.
        let spec = LookSpec::of(&self.config, hooks)?;
        self.prober.ask(now, op, self.config.timeout).then_some(spec)
    }

    /// The outcome of a look: 0 or a file's number, or why it failed. One that is not waited for has no effect.
    pub fn looked(&mut self, now: Instant, op: OpId, result: Result<i64, String>) -> News {
        if !self.prober.answered(now, op, self.config.interval) {
            return News::None;
        }
        match result {
            Ok(number) => {
                let number = matches!(self.config.kind, TrackerKind::File { .. }).then_some(number);
                self.tally.good(now, number)
            }
            Err(why) => self.tally.bad(now, &why),
        }
    }

    /// Judges a look that is silent at its deadline.
    pub fn tick(&mut self, now: Instant) -> News {
        if self.prober.timed_out(now, self.config.interval).is_some() {
            self.tally.bad(now, &look::silence(&self.config))
        } else {
            News::None
        }
    }

    /// When a look is due, or the one in flight has failed.
    pub fn deadline(&self) -> Option<Instant> {
        self.prober.deadline()
    }

    /// Whether a first look that will end is still awaited.
    pub fn is_awaited(&self) -> bool {
        matches!(self.tally.verdict(), Verdict::Pending(Hold::Out)) && self.prober.deadline().is_some()
    }

    /// What a sample of the proxy says. Samples closer together than `spacing` count once.
    pub fn sampled(&mut self, now: Instant, spacing: Duration, result: Result<(), String>) -> News {
        if self.sampled_at.is_some_and(|last| now < last + spacing) {
            return News::None;
        }
        self.sampled_at = Some(now);
        match result {
            Ok(()) => self.tally.good(now, None),
            Err(why) => self.tally.bad(now, &why),
        }
    }

    /// What an event says: in force at once.
    pub fn told(&mut self, now: Instant, result: Result<(), String>) -> News {
        self.tally.told(now, result)
    }
}

#[cfg(test)]
mod tests;
