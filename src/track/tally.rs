//! Rise and fall over results: the verdict about one tracker.

use std::time::Instant;

use crate::track::News;

/// What a use of weight 0 means before the first result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    /// The node stays out of the election: at a start nothing is known yet.
    Out,
    /// It stays in: a tracker that a reload brought must not take a VIP from a node that serves.
    In,
}

/// Whether a tracker counts as good.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Not looked at yet.
    Pending(Hold),
    /// It is as it should be.
    Good,
    /// It is not.
    Failed {
        /// Why, for people.
        why: String,
    },
}

/// See the module.
#[derive(Debug, Clone)]
pub struct Tally {
    rise: u32,
    fall: u32,
    verdict: Verdict,
    since: Instant,
    good: u32,
    bad: u32,
    value: Option<i64>,
}

impl Tally {
    /// Nothing is known. `rise` and `fall` are results in a row, 1-100.
    pub fn new(rise: u32, fall: u32, hold: Hold, now: Instant) -> Self {
        Self { rise, fall, verdict: Verdict::Pending(hold), since: now, good: 0, bad: 0, value: None }
    }

    /// Changed limits, in force from the next result on.
    pub fn configure(&mut self, rise: u32, fall: u32) {
        (self.rise, self.fall) = (rise, fall);
    }

    /// The verdict.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// Since when it is good, failed or waited for.
    pub fn since(&self) -> Instant {
        self.since
    }

    /// The number that a file held last.
    pub fn value(&self) -> Option<i64> {
        self.value
    }

    /// A good result, with the number of a file.
    pub fn good(&mut self, now: Instant, value: Option<i64>) -> News {
        self.bad = 0;
        self.good = self.good.saturating_add(1);
        let new_value = value != self.value;
        self.value = value;
        let news = match self.verdict {
            Verdict::Good => News::None,
            // The first result decides at once.
            Verdict::Pending(_) => self.turn(now, Verdict::Good),
            Verdict::Failed { .. } if self.good >= self.rise => self.turn(now, Verdict::Good),
            Verdict::Failed { .. } => News::None,
        };
        if new_value { News::Changed } else { news }
    }

    /// A failed result.
    pub fn bad(&mut self, now: Instant, why: &str) -> News {
        self.good = 0;
        self.bad = self.bad.saturating_add(1);
        let decided = match self.verdict {
            Verdict::Pending(_) => true,
            Verdict::Good | Verdict::Failed { .. } => self.bad >= self.fall,
        };
        if !decided {
            return News::None;
        }
        let in_a_row = self.bad.min(self.fall);
        let times = if in_a_row > 1 { format!(" ({in_a_row} times in a row)") } else { String::new() };
        self.turn(now, Verdict::Failed { why: format!("{why}{times}") })
    }

    /// A fact that needs no counting.
    pub fn told(&mut self, now: Instant, result: Result<(), String>) -> News {
        self.turn(
            now,
            match result {
                Ok(()) => Verdict::Good,
                Err(why) => Verdict::Failed { why },
            },
        )
    }

    fn turn(&mut self, now: Instant, to: Verdict) -> News {
        if self.verdict == to {
            return News::None;
        }
        // Another reason is news, but no other state.
        let still_failed = matches!((&self.verdict, &to), (Verdict::Failed { .. }, Verdict::Failed { .. }));
        if !still_failed {
            self.since = now;
        }
        self.verdict = to;
        News::Changed
    }
}
