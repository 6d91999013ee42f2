//! What is remembered of the router that was heard last.

use std::net::IpAddr;
use std::time::Instant;

use crate::units::Centis;
use crate::vrrp::packet::Claim;

/// The router last heard as active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heard {
    /// Its address.
    pub source: IpAddr,
    /// What it claimed.
    pub claim: Claim,
    /// Its interval.
    pub interval: Centis,
    /// When its last advert arrived.
    pub at: Instant,
    /// When it last gave a sign of life: that advert, or somebody vouched for it later.
    pub alive_at: Instant,
}

impl Heard {
    /// Both spoke within an interval, and the other one yields to this one (RFC 9568 section 6.4.3).
    pub(super) fn outlives(&self, other: &Self) -> bool {
        let stronger = match (self.claim, other.claim) {
            (Claim::Of(ours), Claim::Of(theirs)) => (ours, self.source) > (theirs, other.source),
            (Claim::Resign, _) | (_, Claim::Resign) => false,
        };
        stronger && self.source != other.source && other.at < self.at + self.interval.duration()
    }
}
