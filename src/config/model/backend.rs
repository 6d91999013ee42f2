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
