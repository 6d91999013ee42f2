//! Backends: who serves, how requests are spread, how servers are checked and reached.

use super::{Mode, Origin, RawLine, ServerTemplate};
use crate::units::Name;

mod balance;
mod check;
mod persistence;
mod server;
mod traffic;

pub use balance::*;
pub use check::*;
pub use persistence::*;
pub use server::*;
pub use traffic::*;

/// A pool of servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backend {
    /// Section name.
    pub name: Name,
    /// Protocol.
    pub mode: Mode,
    /// Load-balancing algorithm; one that HAProxy has in this mode.
    pub balance: Balance,
    /// How an algorithm that hashes finds its server; HAProxy's defaults when none.
    pub hash: Option<HashSettings>,
    /// Health check of the servers; none: servers always count as up.
    pub check: Option<Check>,
    /// What an agent on each server is asked beside the check.
    pub agent: Option<Agent>,
    /// What servers have that say nothing else; weight and `maxconn` are in the servers already.
    pub server_defaults: ServerSettings,
    /// Names are unique within the backend; at least one where there is no template.
    pub servers: Vec<Server>,
    /// Servers that DNS names.
    pub template: Option<ServerTemplate>,
    /// By what cookie clients come back.
    pub cookie: Option<Cookie>,
    /// By what table clients come back.
    pub stick: Option<StickTable>,
    /// What else is done with the traffic.
    pub traffic: Traffic,
    /// Lines at the end of the section.
    pub raw: Vec<RawLine>,
    /// Where the section stands.
    pub origin: Origin,
}

impl Backend {
    /// The first place where TLS towards its servers is asked for, if it is: of their traffic or of their checks.
    pub fn speaks_tls(&self) -> Option<Origin> {
        let of_checks = self.check.as_ref().is_some_and(|check| check.route.tls.is_some());
        if of_checks || self.server_defaults.tls.is_some() {
            return Some(self.origin);
        }
        self.servers.iter().find(|server| server.settings.tls.is_some()).map(|server| server.origin)
    }
}
