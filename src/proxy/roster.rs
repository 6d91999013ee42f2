//! The old workers: which there are, which of them are stuck, and when one is to be ended.
//!
//! A stuck old worker may still share a listener with the serving one, and then a part of all new connections hangs.
//! It must never name a worker to be ended while none is confirmed to serve, and never the one that serves, whatever
//! `show proc` calls it: after a failed reload HAProxy 3.1 and later lists the survivor among the old ones.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use crate::proxy::attendance::{Attend, OldWorker, Survey, WorkerId};
use crate::units::OpId;

/// Between two surveys while there are no old workers: somebody else may have told the master to reload.
const IDLE_PAUSE: Duration = Duration::from_secs(30);
/// Between two surveys while old workers finish their connections.
const OLD_PAUSE: Duration = Duration::from_secs(2);
/// Between two surveys while one is silent.
const SILENT_PAUSE: Duration = Duration::from_millis(500);
/// Between two surveys when the first one failed: the master of 2.6 answers nobody for a moment after a reload, which is
/// just when there is an old worker to be found.
const FAILED_PAUSE: Duration = Duration::from_secs(1);
/// A survey that has no answer by then is given up.
const ANSWER_WITHIN: Duration = Duration::from_secs(30);
/// An old worker that is silent so often in a row, and that does not even wait for a processor, is stuck.
const SILENT_MAX: u32 = 2;
/// HAProxy itself ends an old worker up to a second after `hard-stop-after`; who lives on after this is stuck.
const HARD_STOP_MARGIN: Duration = Duration::from_secs(5);

/// The old workers of the running master.
#[derive(Debug, Clone)]
pub struct Roster {
    known: BTreeMap<WorkerId, Known>,
    /// Old workers that were not asked for themselves.
    more: u32,
    /// `hard_stop_after` of the configuration, and of the one before, whose workers live by it.
    hard_stop: (Duration, Duration),
    state: State,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum State {
    /// No proxy.
    Idle,
    Waiting {
        next_at: Instant,
    },
    Asking {
        op: OpId,
        until: Instant,
    },
}

#[derive(Debug, Clone)]
struct Known {
    /// First seen as an old one.
    since: Instant,
    /// It must have ended by then.
    until: Instant,
    silent: u32,
    last: OldWorker,
}

/// Which worker serves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// That one was confirmed, and is healthy.
    Confirmed(u32),
    /// That one answered last, if any did; whether it is to stay is open.
    Open(Option<u32>),
}

impl Serving {
    fn pid(self) -> Option<u32> {
        match self {
            Self::Confirmed(pid) => Some(pid),
            Self::Open(pid) => pid,
        }
    }
}

/// An old worker that must go, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stuck {
    /// Which.
    pub worker: WorkerId,
    /// For people.
    pub why: String,
}

impl Roster {
    /// Nothing is asked until [`Roster::hurry`].
    pub fn new(hard_stop_after: Duration) -> Self {
        let hard_stop = (hard_stop_after, hard_stop_after);
        Self { known: BTreeMap::new(), more: 0, hard_stop, state: State::Idle }
    }

    /// A changed `hard_stop_after`. Workers that run already keep the longer of the two.
    pub fn configure(&mut self, hard_stop_after: Duration) {
        self.hard_stop = (hard_stop_after, self.hard_stop.0);
    }

    /// Workers may have been replaced: look at once.
    pub fn hurry(&mut self, now: Instant) {
        if !matches!(self.state, State::Asking { .. }) {
            self.state = State::Waiting { next_at: now };
        }
    }

    /// There is no proxy any more.
    pub fn stop(&mut self) {
        self.known.clear();
        self.more = 0;
        self.state = State::Idle;
    }

    /// When [`Roster::ask`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Idle => None,
            State::Waiting { next_at } => Some(next_at),
            State::Asking { until, .. } => Some(until),
        }
    }

    /// The survey that is due, which then is in flight under `op`.
    pub fn ask(&mut self, now: Instant, op: OpId, master: Option<u32>) -> Option<Attend> {
        if self.deadline().is_none_or(|at| now < at) {
            return None;
        }
        let Some(master) = master else {
            self.stop();
            return None;
        };
        self.state = State::Asking { op, until: now + ANSWER_WITHIN };
        Some(Attend::Survey { master })
    }

    /// That request is the survey in flight.
    pub fn awaits(&self, op: OpId) -> bool {
        matches!(self.state, State::Asking { op: ours, .. } if ours == op)
    }

    /// The survey failed.
    pub fn failed(&mut self, now: Instant) {
        self.state = State::Waiting { next_at: now + FAILED_PAUSE };
    }

    /// What the survey saw. Who is returned must be ended: nobody, unless another worker is confirmed.
    pub fn surveyed(&mut self, now: Instant, survey: Survey, serving: Serving) -> Vec<Stuck> {
        let Survey { old, more } = survey;
        let allowed = self.hard_stop.0.max(self.hard_stop.1) + HARD_STOP_MARGIN;
        let mut known = BTreeMap::new();
        for worker in old.into_iter().filter(|worker| Some(worker.id.pid) != serving.pid()) {
            let before = self.known.remove(&worker.id);
            let answered = worker.connections.is_some();
            let silent = if answered { 0 } else { before.as_ref().map_or(0, |b| b.silent).saturating_add(1) };
            let (since, until) = before.map_or((now, now + allowed), |b| (b.since, b.until));
            known.insert(worker.id, Known { since, until, silent, last: worker });
        }
        self.known = known;
        self.more = more;
        self.wait(now);
        let stuck = |(id, known): (&WorkerId, &Known)| known.stuck(now).map(|why| Stuck { worker: *id, why });
        match serving {
            Serving::Confirmed(_) => self.known.iter().filter_map(stuck).collect(),
            Serving::Open(_) => Vec::new(),
        }
    }

    /// Those that there are: how long each has been an old one, and what it said last.
    pub fn old(&self, now: Instant) -> impl Iterator<Item = (Duration, &OldWorker)> {
        self.known.values().map(move |known| (now.saturating_duration_since(known.since), &known.last))
    }

    /// How many more there are.
    pub fn more(&self) -> u32 {
        self.more
    }

    fn wait(&mut self, now: Instant) {
        let pause = if self.known.values().any(|known| known.silent > 0) {
            SILENT_PAUSE
        } else if self.known.is_empty() {
            IDLE_PAUSE
        } else {
            OLD_PAUSE
        };
        self.state = State::Waiting { next_at: now + pause };
    }
}

impl Known {
    fn stuck(&self, now: Instant) -> Option<String> {
        let pid = self.last.id.pid;
        if now >= self.until {
            let age = now.saturating_duration_since(self.since).as_secs();
            return Some(format!("the old worker {pid} has outlived hard_stop_after: it was replaced {age} s ago"));
        }
        // One that waits for a processor is slow, and HAProxy's own watchdog ends one that loops.
        (self.silent >= SILENT_MAX && !self.last.runnable)
            .then(|| format!("the old worker {pid} is stuck, and may hold back new connections"))
    }
}

#[cfg(test)]
mod tests;
