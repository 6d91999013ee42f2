//! Who may come in, how often, and what is told on.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::{Bind, Origin};
use crate::units::Name;

/// Users and their passwords.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Userlist {
    /// Section name.
    pub name: Name,
    /// At least one; names are unique.
    pub users: Vec<User>,
    /// Where it was written.
    pub origin: Origin,
}

/// One user.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Without white space.
    pub name: String,
    /// The hash of the password.
    pub password: PasswordHash,
}

/// The hash of a password as crypt(5) has it. It does not show in debugging output.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PasswordHash")
    }
}

/// Networks of clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Networks {
    /// This one, in HAProxy's spelling.
    One(String),
    /// Those of a file, one a line, read when the proxy loads.
    File(PathBuf),
}

/// How much one client may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RateLimit {
    /// Requests; at least this or `connections`.
    pub requests: Option<u32>,
    /// Connections.
    pub connections: Option<u32>,
    /// The time over which they are counted.
    pub per: Duration,
    /// What becomes of requests beyond.
    pub beyond: Beyond,
}

/// What becomes of requests beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// Refused at once with this status.
    Deny(u16),
    /// Refused after a while with this status.
    Tarpit(u16),
    /// The connection is closed without a word.
    Reject,
}

/// Headers that are changed, in this order of kinds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FrontendHeaders {
    /// Taken out.
    pub del: Vec<String>,
    /// Name and value, in HAProxy's log format.
    pub set: Vec<(String, String)>,
    /// The same, beside those of the same name.
    pub add: Vec<(String, String)>,
}

/// The page on which HAProxy shows itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Where.
    pub bind: Bind,
    /// Path of the page.
    pub uri: String,
    /// Who may see it; none: everybody.
    pub userlist: Option<Name>,
    /// How often browsers load it anew.
    pub refresh: Option<Duration>,
    /// Servers can be put into maintenance there; only with a userlist.
    pub admin: bool,
    /// `/metrics` answers Prometheus.
    pub prometheus: bool,
    /// Where it was written.
    pub origin: Origin,
}

/// How requests and connections are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// `option httplog` or `option tcplog`
    Haproxy,
    /// `option httplog clf`
    Clf,
    /// One JSON object a line.
    Json,
}
