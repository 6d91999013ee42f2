//! Backends: who serves, how requests are spread, and how servers are checked.

use std::time::Duration;

use super::{Mode, Origin, RawLine};
use crate::units::Name;

/// A pool of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Section name.
    pub name: Name,
    /// Protocol.
    pub mode: Mode,
    /// Load-balancing algorithm in HAProxy's words.
    pub balance: String,
    /// Health check of the servers; none: servers always count as up.
    pub check: Option<Check>,
    /// At least one; names are unique within the backend.
    pub servers: Vec<Server>,
    /// Lines at the end of the section.
    pub raw: Vec<RawLine>,
    /// Where the section stands.
    pub origin: Origin,
}

/// How HAProxy checks the servers of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is sent.
    pub kind: CheckKind,
    /// `inter`
    pub interval: Duration,
    /// `rise`, 1-100.
    pub rise: u32,
    /// `fall`, 1-100.
    pub fall: u32,
}

/// The kind of check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckKind {
    /// A TCP connection is enough.
    Tcp,
    /// An HTTP request, answered 2xx or 3xx.
    Http {
        /// Method in capitals.
        method: String,
        /// Path with query.
        path: String,
        /// `Host` header.
        host: Option<String>,
    },
}

/// One server of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Name within the backend.
    pub name: Name,
    /// `host:port`, an address or a DNS name.
    pub address: String,
    /// 0-256.
    pub weight: u32,
    /// Used only when all others are down.
    pub backup: bool,
    /// `maxconn` of the server.
    pub maxconn: Option<u32>,
    /// Options passed through.
    pub options: Option<String>,
    /// Where it was written.
    pub origin: Origin,
}
