//! Changes that a running HAProxy takes without a reload: as data, in its words, and for people.
//!
//! [`plan`] finds them in two texts, [`readback`] proves them afterwards. Nothing here talks to a socket. It must never
//! count a change as made because it was asked for: whoever applies a [`Patch`] reads it back, and else reloads.

pub mod certificate;
pub mod plan;
pub mod readback;

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::Digest;

/// Changes in one patch. With more a reload is the calmer way, and one conversation each takes its time.
pub const CHANGES_MAX: usize = 256;

/// A server that is to be removed is waited for so long, from its first refusal: sessions that last longer end in the
/// old worker of a reload.
pub const REMOVAL_PATIENCE: Duration = Duration::from_millis(500);

/// All that one patch may take.
pub const PATCH_WITHIN: Duration = Duration::from_secs(5);

/// A worker that has taken some of the changes of a patch, or perhaps has: it runs no file at all.
/// (0 is what the generation is while a text is being rendered; no text can have it for good.)
pub const HALF_PATCHED: Digest = Digest(0);

/// What a worker runs in place of the file that it was started with. Its `description` cannot be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patched {
    /// Process id of the worker; that of no other worker while its master lives.
    pub worker: u32,
    /// Generation of the text that it is equal to by now, or [`HALF_PATCHED`].
    pub runs: Digest,
}

/// Changes that make a worker with one text equal to one that was started with another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// Generation of the text that the worker is equal to afterwards.
    pub to: Digest,
    /// In the order in which they are made; between 1 and [`CHANGES_MAX`].
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Of a server.
    Server {
        /// Section of the server.
        backend: String,
        /// Its name.
        server: String,
        /// What of it.
        what: ServerChange,
    },
    /// Another certificate under the name of one that is there.
    Certificate {
        /// Its file, which is its name too.
        path: String,
        /// Of what the file holds.
        digest: Digest,
    },
    /// `maxconn` of a frontend.
    FrontendMaxconn {
        /// Its name.
        frontend: String,
        /// The limit, from 1.
        maxconn: u32,
    },
}

/// What is done to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerChange {
    /// It is new.
    Add {
        /// Address and keywords, those of `default-server` too, since `add server` does not look there.
        words: String,
        /// It has a health check.
        checked: bool,
        /// It takes no traffic yet.
        disabled: bool,
        /// Its weight.
        weight: u32,
    },
    /// 0-256.
    Weight(u32),
    /// Where it listens.
    Address(SocketAddr),
    /// 0: no limit.
    Maxconn(u32),
    /// `disabled` in the file: maintenance.
    Disable,
    /// No longer `disabled`.
    Enable,
    /// It leaves.
    Remove,
}

/// One line for the stats socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Without line feed.
    pub line: String,
    /// What HAProxy says of a success begins so; silence is a success too, unless something is promised here.
    pub says: &'static [&'static str],
    /// A refusal may pass: ask again for [`REMOVAL_PATIENCE`].
    pub patient: bool,
}

impl Command {
    fn silent(line: String) -> Self {
        Self { line, says: &[], patient: false }
    }

    /// # Errors
    /// What HAProxy says instead.
    pub fn judge(&self, answer: &str) -> Result<(), String> {
        let answer = answer.trim();
        let good =
            if self.says.is_empty() { answer.is_empty() } else { self.says.iter().any(|s| answer.starts_with(s)) };
        if good {
            return Ok(());
        }
        let said = answer.lines().next().filter(|said| !said.is_empty()).unwrap_or("nothing");
        // What follows the first line may be a private key.
        let asked = self.line.lines().next().unwrap_or_default();
        Err(format!("HAProxy answers `{asked}` with: {said}"))
    }
}

impl Change {
    /// What is said to HAProxy, in this order.
    pub fn commands(&self) -> Vec<Command> {
        let (name, what) = match self {
            Self::FrontendMaxconn { frontend, maxconn } => {
                return vec![Command::silent(format!("set maxconn frontend {frontend} {maxconn}"))];
            }
            // Takes what the file holds: `certificate` has the words.
            Self::Certificate { .. } => return Vec::new(),
            Self::Server { backend, server, what } => (format!("{backend}/{server}"), what),
        };
        match what {
            ServerChange::Add { words, checked, disabled, weight: _ } => {
                let line = format!("add server {name} {words}");
                let mut commands = vec![Command { line, says: &["New server registered"], patient: false }];
                // Both begin disabled, whatever the line says.
                if *checked {
                    commands.push(Command::silent(format!("enable health {name}")));
                }
                if !*disabled {
                    commands.push(Command::silent(format!("set server {name} state ready")));
                }
                commands
            }
            ServerChange::Weight(weight) => vec![Command::silent(format!("set server {name} weight {weight}"))],
            ServerChange::Address(address) => {
                let line = format!("set server {name} addr {} port {}", address.ip(), address.port());
                vec![Command { line, says: &["IP changed", "port changed", "no need to change"], patient: false }]
            }
            ServerChange::Maxconn(maxconn) => vec![Command::silent(format!("set maxconn server {name} {maxconn}"))],
            ServerChange::Disable => vec![Command::silent(format!("set server {name} state maint"))],
            ServerChange::Enable => vec![Command::silent(format!("set server {name} state ready"))],
            ServerChange::Remove => vec![
                Command::silent(format!("set server {name} state maint")),
                Command { line: format!("del server {name}"), says: &["Server deleted"], patient: true },
            ],
        }
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Certificate { path, .. } => write!(f, "certificate {path}: renewed"),
            Self::FrontendMaxconn { frontend, maxconn } => write!(f, "frontend {frontend}: maxconn {maxconn}"),
            Self::Server { backend, server, what } => {
                write!(f, "server {backend}/{server}: ")?;
                match what {
                    ServerChange::Add { words, .. } => write!(f, "added ({words})"),
                    ServerChange::Weight(weight) => write!(f, "weight {weight}"),
                    ServerChange::Address(address) => write!(f, "address {address}"),
                    ServerChange::Maxconn(0) => f.write_str("no maxconn"),
                    ServerChange::Maxconn(maxconn) => write!(f, "maxconn {maxconn}"),
                    ServerChange::Disable => f.write_str("into maintenance"),
                    ServerChange::Enable => f.write_str("out of maintenance"),
                    ServerChange::Remove => f.write_str("removed"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
