//! Routes and policy rules that are there while a VIP is: what the kernel is asked for, and when two are the same.
//!
//! The kernel has no lease for them. A vipkeeper that is killed leaves its own behind until the next start, which knows
//! them by their tag.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::addrs::Pace;
use crate::config::{VirtualRoute, VirtualRule};
use crate::units::{Family, VipAddress};

/// How often what should be there is put there again: nobody tells when a route is removed.
const CHECK_EVERY: Duration = Duration::from_secs(10);
/// Pause after a refusal.
const RETRY: Duration = Duration::from_secs(2);

/// The kernel's main table (`RT_TABLE_MAIN`).
const TABLE_MAIN: u32 = 254;
/// The metric that the kernel gives IPv6 routes without one (`IP6_RT_PRIO_USER`).
const IPV6_METRIC: u32 = 1024;

/// The pace at which routes and rules are looked after.
pub const PACE: Pace = Pace { first: CHECK_EVERY, every: CHECK_EVERY, retry: RETRY };

/// A route or a rule, as the kernel knows it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RoutingEntry {
    /// A route.
    Route(Route),
    /// A policy rule.
    Rule(Rule),
}

/// A route, with what the user left out filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Route {
    /// Destination.
    pub to: VipAddress,
    /// Gateway.
    pub via: Option<IpAddr>,
    /// Index of the device; none: where the gateway is.
    pub link: Option<u32>,
    /// Preferred source.
    pub source: Option<IpAddr>,
    /// Table.
    pub table: u32,
    /// Metric.
    pub metric: u32,
}

/// A policy rule with its family, which a rule without prefixes does not show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Of which family's packets.
    pub family: Family,
    /// The rule.
    pub rule: VirtualRule,
}

impl Route {
    /// The route of a VIP over the device with that index; none: the gateway says which.
    pub fn new(route: &VirtualRoute, link: Option<u32>) -> Self {
        Self {
            to: route.to,
            via: route.via,
            link,
            source: route.source,
            table: route.table.unwrap_or(TABLE_MAIN),
            metric: route.metric.unwrap_or(match route.to.family() {
                Family::V4 => 0,
                Family::V6 => IPV6_METRIC,
            }),
        }
    }
}

impl Rule {
    /// The rule of a VIP of that family.
    pub fn new(rule: &VirtualRule, vip: Family) -> Self {
        let prefix = rule.from.or(rule.to);
        Self { family: prefix.map_or(vip, VipAddress::family), rule: rule.clone() }
    }
}

impl RoutingEntry {
    /// Whether that entry, which the kernel shows, is this one.
    pub fn is_same(&self, shown: &Self) -> bool {
        match (self, shown) {
            (Self::Route(wanted), Self::Route(shown)) => {
                // Over a gateway the kernel finds the device by itself.
                let link = wanted.link.or(shown.link);
                *shown == Route { link, ..wanted.clone() }
            }
            (Self::Rule(wanted), Self::Rule(shown)) => wanted == shown,
            (Self::Route(_), Self::Rule(_)) | (Self::Rule(_), Self::Route(_)) => false,
        }
    }
}

/// As iproute2 writes it, without the device.
impl fmt::Display for RoutingEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Route(Route { to, via, link: _, source, table, metric }) => {
                write!(f, "route {to}")?;
                if let Some(via) = via {
                    write!(f, " via {via}")?;
                }
                if let Some(source) = source {
                    write!(f, " src {source}")?;
                }
                if *table != TABLE_MAIN {
                    write!(f, " table {table}")?;
                }
                if *metric == 0 || (*metric == IPV6_METRIC && to.family() == Family::V6) {
                    return Ok(());
                }
                write!(f, " metric {metric}")
            }
            Self::Rule(Rule { family: _, rule: VirtualRule { from, to, mark, table, preference } }) => {
                write!(f, "rule {preference}:")?;
                match from {
                    Some(from) => write!(f, " from {from}")?,
                    None => write!(f, " from all")?,
                }
                if let Some(to) = to {
                    write!(f, " to {to}")?;
                }
                if let Some(mark) = mark {
                    write!(f, " fwmark {mark:#x}")?;
                }
                write!(f, " lookup {table}")
            }
        }
    }
}
