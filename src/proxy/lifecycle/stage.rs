//! Where a transaction on the proxy stands.

use std::time::Instant;

/// Where a transaction stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// The binary reads the candidate.
    Checking,
    /// Its new addresses are tried.
    Preflighting,
    /// It is renamed into place.
    Installing,
    /// The running worker is told what changes. A failure of it is a reload.
    Patching,
    /// What is known of servers is written down for the next worker.
    Saving,
    /// The master is started, or told to reload.
    Launching,
    /// The new worker must prove itself.
    Confirming { until: Instant, answers: u32 },
    /// The last good file is put back.
    Restoring { why: String },
    /// What is known of servers is written down for the worker with the last good file.
    SavingBack { why: String },
    /// The master loads the last good file.
    Returning { why: String },
    /// The last good generation must answer again.
    Reconfirming { why: String, until: Instant },
}

impl Stage {
    /// For people.
    pub(super) fn doing(&self) -> &'static str {
        match self {
            Self::Checking => "checking the configuration",
            Self::Preflighting => "trying its addresses",
            Self::Installing => "installing the file",
            Self::Patching => "changing the running proxy",
            Self::Saving | Self::SavingBack { .. } => "saving the state of servers",
            Self::Launching => "launching",
            Self::Confirming { .. } => "waiting for the new worker to prove itself",
            Self::Restoring { .. } => "restoring the last good file",
            Self::Returning { .. } => "loading the last good file",
            Self::Reconfirming { .. } => "waiting for the last good configuration to serve",
        }
    }

    /// What is in flight must end first; what is waited for has its time.
    pub(super) fn deadline(&self) -> Option<Instant> {
        match self {
            Self::Confirming { until, .. } | Self::Reconfirming { until, .. } => Some(*until),
            Self::Checking
            | Self::Preflighting
            | Self::Installing
            | Self::Patching
            | Self::Saving
            | Self::Launching
            | Self::Restoring { .. }
            | Self::SavingBack { .. }
            | Self::Returning { .. } => None,
        }
    }
}
