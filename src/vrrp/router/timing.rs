//! How long routers wait for each other (RFC 9568 section 6.1; RFC 3768 section 6.1).

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::{Preempt, Version};
use crate::units::{Centis, Priority};

/// What a router needs to know of the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouterConfig {
    /// Interval between our own adverts.
    pub interval: Centis,
    /// Version of the protocol: the skew time depends on it.
    pub version: Version,
    /// Intervals without an advert until the active router counts as gone, 1-100; 3 in the RFC.
    pub multiplier: u8,
    /// Whether to take over from a live router of lower priority.
    pub preempt: Preempt,
    /// Our source address: breaks ties (the higher one wins).
    pub address: IpAddr,
    /// Whether anybody else takes part; alone, nobody can have taken over while we hung.
    pub company: Company,
    /// Whether a weaker active router would notice that it is preempted.
    pub rival: Rival,
}

/// Whether other routers are configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Company {
    /// There are peers.
    Peers,
    /// This node alone.
    Alone,
}

/// Whether the active router hears this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rival {
    /// As far as is known.
    Hears,
    /// It does not: preempted, it would go on. No mode takes the VIP from it, not even for the owner.
    Deaf,
}

impl RouterConfig {
    /// `Skew_Time` of a router with this priority that waits for adverts of this interval.
    pub fn skew(&self, interval: Centis, priority: Priority) -> Duration {
        match self.version {
            // RFC 3768 section 6.1: (256 - priority) / 256 seconds, whatever the interval.
            Version::V2 => Centis::SECOND.skew(priority),
            Version::V3 => interval.skew(priority),
        }
    }

    /// `Active_Down_Interval` of a router with this priority that waits for adverts of this interval.
    pub fn down(&self, interval: Centis, priority: Priority) -> Duration {
        interval.duration() * u32::from(self.multiplier) + self.skew(interval, priority)
    }
}

/// The `Active_Down_Timer`, as data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DownTimer {
    /// When it was last started.
    pub from: Instant,
    /// `Active_Adver_Interval`: the one of the active router (RFC 9568 section 6.1).
    pub interval: Centis,
    /// What it waits for.
    pub wait: Wait,
}

/// How long the `Active_Down_Timer` runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wait {
    /// `Active_Down_Interval`.
    Down,
    /// `Skew_Time` only: the active router has resigned.
    Skew,
}

impl DownTimer {
    /// When it runs out for a router with this priority.
    pub fn expires(self, config: &RouterConfig, priority: Priority) -> Instant {
        self.from
            + match self.wait {
                Wait::Down => config.down(self.interval, priority),
                Wait::Skew => config.skew(self.interval, priority),
            }
    }
}
