//! The proxy, sans-IO: what its stats socket says, whether it is fit, and how it is started and reloaded.
//!
//! Nothing here touches a process or a file: [`lifecycle`] asks through [`ProxyOp`] and is told by [`ProxyOutcome`].

pub mod attendance;
pub mod capabilities;
pub mod health;
pub mod intents;
pub mod lifecycle;
pub mod master;
pub mod nginx;
pub mod reopening;
pub mod roster;
pub mod runtime;
pub mod server_state;
pub mod stats;

use std::net::SocketAddr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::Backoff;
use crate::render::Rendered;

use runtime::{Patch, Patched};
pub use stats::{BackendSample, Sample};

/// An operation on the proxy's files or processes. The worker has one at a time in flight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyOp {
    /// Look for a running proxy that a predecessor left, and watch it.
    Adopt,
    /// Write the candidate beside the installed file and have the proxy's own binary check it.
    Check(Arc<Rendered>),
    /// Try whether these addresses could be bound, without listening.
    Preflight(Vec<BindProbe>),
    /// Rename the candidate over the installed file, keeping the installed one as last good.
    Install,
    /// Put the last good file back.
    Restore,
    /// Write what the running worker says of its servers to the file that the next one reads, as far as the installed file
    /// defines them alike ([`server_state::keep`]).
    SaveState,
    /// Tell the running worker what makes it equal to the installed file, and read it back. Only a worker of that process
    /// id is told.
    Patch {
        /// Process id of the worker.
        worker: u32,
        /// What it is told.
        patch: Arc<Patch>,
    },
    /// Start the master in its own process group, and watch it.
    Start,
    /// Make the running master load the installed file.
    Reload(ReloadMethod),
    /// Terminate the master; killed with its group if it has not ended within 2 s.
    Stop,
    /// SIGKILL the master's whole process group (a wedged or half-dead proxy).
    Kill,
}

/// An address to try before a start or reload.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BindProbe {
    /// Where.
    pub address: SocketAddr,
    /// An address of a VIP, bound although it may not be here (`IP_FREEBIND`).
    pub transparent: bool,
}

/// How the master is told to reload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReloadMethod {
    /// SIGUSR2: all the signalling that 2.6 has.
    Signal,
    /// `reload` on the master CLI, which answers when it is done (2.7 and later).
    MasterCli,
}

impl ReloadMethod {
    /// The surest one that a version has.
    pub fn of(version: (u32, u32)) -> Self {
        if version >= (2, 7) { Self::MasterCli } else { Self::Signal }
    }
}

/// What came of a [`ProxyOp`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProxyOutcome {
    /// `Adopt`: a live master of ours, watched from now on.
    Adopted {
        /// Process id of the master.
        pid: u32,
        /// A worker that was changed at run time.
        #[serde(default)]
        patched: Option<Patched>,
    },
    /// `Adopt`: there is none.
    NothingToAdopt,
    /// `Check`: the binary accepts it.
    Accepted,
    /// `Check`: the binary refuses it; the text maps its alerts to the TOML.
    Refused(String),
    /// `Preflight`: all could be bound.
    Bindable,
    /// `Preflight`: which cannot, and who has them.
    Unbindable(String),
    /// `Install` and `Restore`: done.
    Installed,
    /// `SaveState`: done.
    StateSaved {
        /// Servers whose state the next worker takes over.
        kept: u32,
        /// Servers that start as they are written, since that changed.
        left_out: u32,
    },
    /// `Patch`: the worker says that it is as it was to become.
    Patched,
    /// `Start`: running, and watched from now on.
    Started {
        /// Process id of the master.
        pid: u32,
    },
    /// `Reload`: the signal was sent, or the master says that it succeeded.
    Reloaded,
    /// `Reload`: the master says that it failed, with its start-up log.
    ReloadRefused(String),
    /// `Stop` and `Kill`: the signals are sent (the end is told by `ProxyExited`).
    Stopped,
    /// The operation itself failed: no binary, no permission, disk full ...
    Failed(String),
}

/// The pause before the `n`th start in a row that failed, from 1.
pub fn backoff_pause(backoff: Backoff, failures: u32) -> std::time::Duration {
    let doublings = failures.saturating_sub(1).min(16);
    backoff.min.saturating_mul(1_u32 << doublings).min(backoff.max)
}
