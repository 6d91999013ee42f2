//! What is asked of a running proxy beside its transactions: who its old workers are, and to open a frontend again.
//!
//! Requests as data out, answers as data in, one at a time and each bounded in time by whoever carries it out.

use serde::{Deserialize, Serialize};

use crate::proxy::capabilities::Capabilities;

/// Old workers that are asked for themselves in one survey; of those beyond only the number is known.
pub const ASKED_MAX: usize = 16;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attend {
    /// Ask the installed binary what it can do (`haproxy -vv`): of the next start or reload, not of what runs.
    Capabilities,
    /// Let these paused frontends listen again (`enable frontend`).
    Reopen(Vec<String>),
    /// Say these to the running worker, which answers each with silence.
    Command(Vec<String>),
    /// List the workers of that master (`show proc`), and ask each old one what it still does.
    Survey {
        /// Process id of the master.
        master: u32,
    },
    /// SIGKILL to that old worker, once it is certain that it is that master's.
    EndWorker {
        /// Process id of the master.
        master: u32,
        /// The worker.
        worker: WorkerId,
    },
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Attended {
    /// `Capabilities`: them.
    Capable(Box<Capabilities>),
    /// `Reopen`: HAProxy says that they listen.
    Reopened,
    /// `Command`: all were taken.
    Commanded,
    /// `Survey`: the workers.
    Surveyed(Survey),
    /// `EndWorker`: it was killed, or had ended already.
    WorkerEnded,
    /// It could not be done, for people.
    Failed(String),
}

/// Names a process for good: numbers are given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WorkerId {
    /// Process id.
    pub pid: u32,
    /// Clock ticks from boot to its start.
    pub start_ticks: u64,
}

/// The workers of a master.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Survey {
    /// Those that `show proc` lists as old, in its order, at most [`ASKED_MAX`].
    pub old: Vec<OldWorker>,
    /// How many more it lists as old.
    pub more: u32,
}

/// What is known of a worker that `show proc` lists as old.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OldWorker {
    /// Which process.
    pub id: WorkerId,
    /// Seconds since its start.
    pub uptime_secs: u64,
    /// Connections that it still has; none: it did not answer.
    pub connections: Option<u64>,
    /// Memory in KiB (`VmRSS`).
    pub memory_kib: Option<u64>,
    /// A thread of it has a processor or waits for one.
    pub runnable: bool,
}
