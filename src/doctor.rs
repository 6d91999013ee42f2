//! The doctor: what keeps a pair from working, judged from what was gathered, with the fix.
//!
//! ```text
//! shell::inspect --Facts--> examine --Report--> cli::doctor
//! ```
//! Owns the judgement. It must never look at the host itself: what could not be read is in [`Facts`] too, with the
//! reason, and appears in the report as a check that could not be made.

pub mod facts;

mod files;
mod firewall;
mod host;
mod network;
mod running;

use serde::{Deserialize, Serialize};

use crate::config::Config;
use crate::units::Name;
pub use facts::{Facts, Gathered};

/// Every finding that there is, for the documentation and its test.
pub const IDS: [&str; 32] = [
    "missing-capability",
    "interface-missing",
    "interface-down",
    "interface-no-carrier",
    "node-address-missing",
    "firewall-drops-vrrp",
    "firewall-drops-hello",
    "firewall-unclear",
    "rp-filter-strict",
    "arp-ignore-silences",
    "ipv6-disabled",
    "promote-secondaries-off",
    "forwarding-off",
    "other-vrrp-daemon",
    "second-vipkeeper",
    "networkd-deletes",
    "networkmanager-manages",
    "port-taken",
    "certificate-unreadable",
    "certificate-expired",
    "certificate-expires-soon",
    "processor-starved",
    "no-realtime",
    "peer-other-config",
    "peer-unreachable",
    "advert-refused",
    "foreign-speaker",
    "duplicate-address",
    "proxy-failed",
    "vip-in-fault",
    "reload-refused",
    "adverts-not-heard",
];

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The pair does not work, or will not when it is needed.
    Error,
    /// It works, and something will hurt.
    Warning,
    /// Worth knowing.
    Note,
}

/// One thing that keeps a pair from working.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// Stable, one of [`IDS`].
    pub id: String,
    /// How bad.
    pub severity: Severity,
    /// One sentence that names place, host or rule.
    pub what: String,
    /// Why it matters.
    pub why: String,
    /// A command, or a key of the configuration.
    pub fix: String,
}

/// A check that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unchecked {
    /// Which.
    pub check: String,
    /// Why not.
    pub why: String,
}

/// What the doctor says.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Report {
    /// Worst first.
    pub findings: Vec<Finding>,
    /// What was looked at.
    pub checked: Vec<String>,
    /// What could not be looked at.
    pub unchecked: Vec<Unchecked>,
}

impl Report {
    /// Whether something keeps the pair from working.
    #[must_use]
    pub fn has_error(&self) -> bool {
        self.findings.iter().any(|f| f.severity == Severity::Error)
    }

    fn checked(&mut self, check: impl Into<String>) {
        self.checked.push(check.into());
    }

    fn unchecked(&mut self, check: impl Into<String>, why: impl Into<String>) {
        self.unchecked.push(Unchecked { check: check.into(), why: why.into() });
    }

    /// What was gathered, counted as a check; nothing, and counted as one that was not made, where it is missing.
    fn take<'a, T>(&mut self, check: &str, gathered: &'a Gathered<T>) -> Option<&'a T> {
        match gathered {
            Gathered::Read(value) => {
                self.checked(check);
                Some(value)
            }
            Gathered::Unread(why) => {
                self.unchecked(check, why);
                None
            }
        }
    }

    fn find(&mut self, severity: Severity, id: &str, what: String, why: &str, fix: String) {
        self.findings.push(Finding { id: id.to_owned(), severity, what, why: why.to_owned(), fix });
    }
}

/// Judges what was gathered on the host of a node.
#[must_use]
pub fn examine(config: &Config, node: &Name, facts: &Facts) -> Report {
    let mut report = Report::default();
    host::examine(config, node, facts, &mut report);
    network::examine(config, node, facts, &mut report);
    firewall::examine(config, node, facts, &mut report);
    files::examine(facts, &mut report);
    running::examine(config, node, facts, &mut report);
    report.findings.sort_by_key(|f| f.severity);
    report
}

#[cfg(test)]
mod tests;
