//! Probe results to a verdict: rise and fall, failing closed, judged at the deadline and never later.
//!
//! The probe that does not answer is judged by [`Prober::deadline`]; nobody waits for the shell to give up.

use std::time::{Duration, Instant};

use crate::config::HealthConfig;
use crate::units::OpId;

/// A worker that waits for a processor is slow rather than stuck; one that does so for longer is stuck in a loop.
pub const STARVED_MAX: Duration = Duration::from_secs(1);

/// Whether the proxy is fit to hold a VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It serves.
    Healthy,
    /// It does not, or has not proven it.
    Failed {
        /// Why, for people.
        why: String,
    },
}

/// rise and fall over probe results.
#[derive(Debug, Clone)]
pub struct Health {
    config: HealthConfig,
    verdict: Verdict,
    since: Instant,
    good: u32,
    bad: u32,
    last_bad_at: Option<Instant>,
    proven: bool,
}

impl Health {
    /// Failed until proven.
    pub fn new(config: HealthConfig, now: Instant) -> Self {
        let verdict = Verdict::Failed { why: "the proxy has not answered yet".to_owned() };
        Self { config, verdict, since: now, good: 0, bad: 0, last_bad_at: None, proven: false }
    }

    /// Changed limits.
    pub fn configure(&mut self, config: HealthConfig) {
        self.config = config;
    }

    /// The verdict.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Since when.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// Failed, and since when without a break.
    pub fn failed_since(&self) -> Option<Instant> {
        match self.verdict {
            Verdict::Healthy => None,
            Verdict::Failed { .. } => Some(self.since),
        }
    }

    /// The proxy answered as it should.
    pub fn good(&mut self, now: Instant) {
        self.bad = 0;
        self.last_bad_at = None;
        self.good = self.good.saturating_add(1);
        // The first proof of a fresh start is enough; after a failure it takes `rise` of them.
        let needed = if self.proven { self.config.rise } else { 1 };
        if self.good >= needed && self.verdict != Verdict::Healthy {
            self.verdict = Verdict::Healthy;
            self.since = now;
        }
        self.proven |= self.verdict == Verdict::Healthy;
    }

    /// A probe failed. Probes closer together than a timeout (while a reload is confirmed) count once.
    pub fn bad(&mut self, now: Instant, why: &str) {
        let spacing = self.config.timeout.min(self.config.interval / 2);
        if self.last_bad_at.is_some_and(|last| now < last + spacing) {
            return;
        }
        self.last_bad_at = Some(now);
        self.good = 0;
        self.bad = self.bad.saturating_add(1);
        if self.bad >= self.config.fall {
            let times = if self.bad > 1 { format!(" ({} times in a row)", self.config.fall) } else { String::new() };
            self.fail(now, format!("{why}{times}"));
        }
    }

    /// The process is gone: no rise and fall about that.
    pub fn died(&mut self, now: Instant, why: String) {
        self.good = 0;
        self.bad = 0;
        self.last_bad_at = None;
        self.fail(now, why);
    }

    fn fail(&mut self, now: Instant, why: String) {
        match &mut self.verdict {
            Verdict::Healthy => {
                self.since = now;
                self.verdict = Verdict::Failed { why };
            }
            Verdict::Failed { why: known } => *known = why,
        }
    }
}

/// One probe at a time, with its own deadline.
#[derive(Debug, Clone)]
pub struct Prober {
    state: ProberState,
}

#[derive(Debug, Clone, Copy)]
enum ProberState {
    Idle,
    Waiting { next_at: Instant },
    Asking { op: OpId, asked_at: Instant, deadline: Instant },
}

impl Prober {
    /// Silent until [`Prober::start`].
    pub fn new() -> Self {
        Self { state: ProberState::Idle }
    }

    /// Probe from now on.
    pub fn start(&mut self, now: Instant) {
        if matches!(self.state, ProberState::Idle) {
            self.state = ProberState::Waiting { next_at: now };
        }
    }

    /// Probe at once rather than at the next interval.
    pub fn hurry(&mut self, now: Instant) {
        if matches!(self.state, ProberState::Waiting { .. }) {
            self.state = ProberState::Waiting { next_at: now };
        }
    }

    /// No proxy, no probes; a late answer is ignored.
    pub fn stop(&mut self) {
        self.state = ProberState::Idle;
    }

    /// Whether a probe is due, which then is in flight under `op`.
    pub fn ask(&mut self, now: Instant, op: OpId, timeout: Duration) -> bool {
        let ProberState::Waiting { next_at } = self.state else { return false };
        if now < next_at {
            return false;
        }
        self.state = ProberState::Asking { op, asked_at: now, deadline: now + timeout };
        true
    }

    /// An answer, or its absence: true if it is the one waited for. The next probe follows `interval` after the
    /// start of this one.
    pub fn answered(&mut self, now: Instant, op: OpId, interval: Duration) -> bool {
        match self.state {
            ProberState::Asking { op: ours, asked_at, .. } if ours == op => {
                self.state = ProberState::Waiting { next_at: (asked_at + interval).max(now) };
                true
            }
            ProberState::Asking { .. } | ProberState::Idle | ProberState::Waiting { .. } => false,
        }
    }

    /// The probe in flight.
    pub fn asking(&self) -> Option<OpId> {
        match self.state {
            ProberState::Asking { op, .. } => Some(op),
            ProberState::Idle | ProberState::Waiting { .. } => None,
        }
    }

    /// Whether that is the probe in flight.
    pub fn is_asking(&self, op: OpId) -> bool {
        matches!(self.state, ProberState::Asking { op: ours, .. } if ours == op)
    }

    /// Its answer is waited for until then: who has no processor answers late, and one that is asked anew later still.
    pub fn wait_until(&mut self, until: Instant) {
        if let ProberState::Asking { deadline, .. } = &mut self.state {
            *deadline = until.max(*deadline);
        }
    }

    /// How long ago the deadline of the probe in flight was, if it had no answer by then.
    pub fn timed_out(&mut self, now: Instant, interval: Duration) -> Option<Duration> {
        match self.state {
            ProberState::Asking { op, deadline, .. } if now >= deadline => {
                self.answered(now, op, interval).then(|| now.saturating_duration_since(deadline))
            }
            ProberState::Asking { .. } | ProberState::Idle | ProberState::Waiting { .. } => None,
        }
    }

    /// When something is due.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            ProberState::Idle => None,
            ProberState::Waiting { next_at } => Some(next_at),
            ProberState::Asking { deadline, .. } => Some(deadline),
        }
    }
}

impl Default for Prober {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests;
