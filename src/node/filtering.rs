//! VIPs that accept no traffic for the host itself (`accept = false`): their addresses are in the packet filter for as
//! long as this node takes part, so that it is there before they are, and a takeover need not wait for it.
//!
//! A node that cannot change the filter keeps the VIP: it says so, and tries again.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::Accept;
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::OpId;
use crate::node::outbox::{Ops, Outbox};
use crate::node::vip::Vip;
use crate::node::{Node, Phase};
use crate::units::Priority;

/// How often the filter is put there again, and a refusal tried again: a firewall that is reloaded flushes the tables of
/// others too, and tells nobody.
const CHECK_EVERY: Duration = Duration::from_secs(10);

/// The packet filter, wanted against known.
#[derive(Debug, Default)]
pub(super) struct Filtering {
    /// What was asked for last; none: nothing yet, and a predecessor may have left a table.
    asked: Option<BTreeSet<IpAddr>>,
    pending: Option<OpId>,
    again_at: Option<Instant>,
    /// There may be a table of ours.
    used: bool,
    /// Why it is not as wanted.
    pub(super) error: Option<String>,
}

impl Filtering {
    pub(super) fn deadline(&self) -> Option<(Instant, &'static str)> {
        let at = self.again_at.filter(|_| self.pending.is_none())?;
        Some((at, "the packet filter is to be looked after"))
    }

    fn settle(&mut self, now: Instant, wanted: BTreeSet<IpAddr>, ops: &mut Ops, out: &mut Outbox) {
        let due = self.again_at.is_some_and(|at| now >= at);
        if self.pending.is_some() || (self.asked.as_ref() == Some(&wanted) && !due) {
            return;
        }
        self.ask(wanted, ops, out);
    }

    fn ask(&mut self, wanted: BTreeSet<IpAddr>, ops: &mut Ops, out: &mut Outbox) {
        let op = ops.next();
        self.used |= !wanted.is_empty();
        (self.pending, self.again_at) = (Some(op), None);
        out.push(Effect::Filter { op, addresses: wanted.iter().copied().collect() });
        self.asked = Some(wanted);
    }

    /// Whether it failed where somebody wanted it.
    fn answered(&mut self, now: Instant, op: OpId, result: Result<(), String>, out: &mut Outbox) -> bool {
        if self.pending.take_if(|pending| *pending == op).is_none() {
            return false;
        }
        let empty = self.asked.as_ref().is_none_or(BTreeSet::is_empty);
        match result {
            Ok(()) => {
                self.used = !empty;
                self.again_at = (!empty).then_some(now + CHECK_EVERY);
                if self.error.take().is_some() {
                    out.log(LogLevel::Info, None, "the packet filter is as wanted again");
                }
                false
            }
            // Hosts without nftables need not hear of it while nobody wants a filter.
            Err(why) if !self.used => {
                out.log(LogLevel::Debug, None, format!("cannot look for a packet filter of a predecessor: {why}"));
                false
            }
            Err(why) => {
                self.again_at = Some(now + CHECK_EVERY);
                if self.error.as_ref() != Some(&why) {
                    let what =
                        if empty { "remove the packet filter" } else { "filter packets of VIPs that accept none" };
                    out.log(LogLevel::Warn, None, format!("cannot {what}: {why}"));
                }
                self.error = Some(why);
                !empty
            }
        }
    }
}

impl Vip {
    /// Whether packets for the host itself are dropped here. An owner accepts them in any case.
    pub(super) fn is_filtered(&self) -> bool {
        self.config.accept == Accept::No && self.base != Priority::OWNER
    }
}

impl Node {
    pub(super) fn settle_filter(&mut self, now: Instant, out: &mut Outbox) {
        let needed = |vip: &&Vip| match self.phase {
            Phase::Running => vip.farewell.is_none() || vip.may_hold_addresses(),
            Phase::Stopping { addresses_until: Some(_), .. } => vip.may_hold_addresses(),
            Phase::Stopping { addresses_until: None, .. } | Phase::Exited => false,
        };
        let vips = self.vips.iter().filter(|vip| vip.is_filtered()).filter(needed);
        let wanted = vips.flat_map(Vip::all_addresses).collect();
        self.filtering.settle(now, wanted, &mut self.ops, out);
    }

    pub(super) fn filtered(&mut self, now: Instant, op: OpId, result: Result<(), String>, out: &mut Outbox) {
        if self.filtering.answered(now, op, result, out) {
            self.vips.iter_mut().filter(|vip| vip.is_filtered()).for_each(|vip| vip.count("filters-failed"));
        }
    }

    /// The process ends: the worker still carries this out.
    pub(super) fn leave_filter(&mut self, out: &mut Outbox) {
        if self.filtering.asked.as_ref().is_some_and(|asked| !asked.is_empty()) {
            self.filtering.ask(BTreeSet::new(), &mut self.ops, out);
        }
    }

    /// What an operator must know of the filter of a VIP.
    pub(super) fn filter_trouble(&self, vip: &Vip) -> Option<String> {
        let why = self.filtering.error.as_ref().filter(|_| vip.is_filtered())?;
        Some(format!("this host answers on the addresses although `accept = false`: {why}"))
    }
}

#[cfg(test)]
mod tests;
