//! Reading HAProxy's stats socket: `show info` and `show stat` as text in, a [`Sample`] out.
//!
//! Bounded and tolerant of new columns; intolerant of anything that is not HAProxy's answer.

use crate::units::Digest;

/// The command of one probe: process facts, then frontends and backends (types 1 and 2) without servers.
pub const PROBE_COMMAND: &str = "show info;show stat -1 3 -1\n";

/// The longest answer that is read; more counts as a failed probe.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What a proxy says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    /// Process id of the answering worker.
    pub pid: u32,
    /// Version as `(major, minor)`.
    pub version: (u32, u32),
    /// The version in full, as HAProxy prints it.
    pub version_text: String,
    /// Generation of the file it runs, from the `description` that we render; none: not ours.
    pub generation: Option<Digest>,
    /// It is an old worker that finishes its connections.
    pub stopping: bool,
    /// Current connections.
    pub connections: u64,
    /// Connection limit.
    pub connections_max: u64,
    /// Seconds since it started.
    pub uptime_secs: u64,
    /// `(name, open)` of every frontend, in HAProxy's order.
    pub frontends: Vec<(String, String)>,
    /// `(name, status)` of every backend, in HAProxy's order.
    pub backends: Vec<(String, String)>,
}
