//! DNS: who is asked, and servers that are found by it.

use std::net::SocketAddr;
use std::time::Duration;

use super::Origin;
use crate::units::Name;

/// A group of name servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolvers {
    /// Section name.
    pub name: Name,
    /// Name servers, all asked at once.
    pub nameservers: Vec<SocketAddr>,
    /// Whether those of `/etc/resolv.conf` are asked too.
    pub system: bool,
    /// From one question for a name to the next.
    pub resolve: Option<Duration>,
    /// How long an answer is waited for.
    pub retry: Option<Duration>,
    /// Questions without an answer until a name counts as unknown.
    pub retries: Option<u32>,
    /// How long what is known counts.
    pub hold: ResolversHold,
    /// Bytes of an answer that are taken over UDP.
    pub accepted_payload_size: Option<u32>,
    /// Where it was written.
    pub origin: Origin,
}

/// How long the last good answer counts after another kind of answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ResolversHold {
    /// After a good one.
    pub valid: Option<Duration>,
    /// After it is gone from good ones.
    pub obsolete: Option<Duration>,
    /// After "no such name".
    pub nx: Option<Duration>,
    /// After a refusal.
    pub refused: Option<Duration>,
    /// After none at all.
    pub timeout: Option<Duration>,
    /// After other errors.
    pub other: Option<Duration>,
}

/// Servers that DNS names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTemplate {
    /// Their names are this with a number from 1.
    pub prefix: Name,
    /// How many there may be.
    pub count: u32,
    /// `host:port`, or the name of SRV records.
    pub address: String,
    /// An existing group of name servers.
    pub resolvers: Name,
    /// 0-256, each.
    pub weight: u32,
    /// `maxconn` of each.
    pub maxconn: Option<u32>,
    /// Where it was written.
    pub origin: Origin,
}
