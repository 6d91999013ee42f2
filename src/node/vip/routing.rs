//! The routes and rules of a VIP: there when all its addresses are, gone before they go.
//!
//! A node that cannot install one keeps the VIP: it says so, and tries again.

use std::time::Instant;

use crate::addrs::routing::{PACE, Route, RoutingEntry, Rule};
use crate::addrs::{AddressNews, AddressStep, Answer, Kept, Presence, Want};
use crate::config::{VipConfig, VirtualRoute, VirtualRule};
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{Network, OpId};
use crate::node::outbox::{Ops, Outbox};
use crate::node::vip::{Host, Vip};
use crate::units::{Family, IfName};

/// A route or a rule of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    Route(VirtualRoute),
    Rule(VirtualRule),
}

/// A route or a rule with what is known of it.
#[derive(Debug, Clone)]
pub(in crate::node) struct Routed {
    kept: Kept<Wish>,
    /// Why it is not there, as it was told last.
    error: Option<String>,
    /// As it was asked for last: the device may have got another index since.
    entry: Option<RoutingEntry>,
}

impl Routed {
    /// All that a VIP has.
    pub(super) fn all(config: &VipConfig, now: Instant) -> Vec<Self> {
        let wish = |wish| Self { kept: Kept::new(wish, now), error: None, entry: None };
        let routes = config.routes.iter().cloned().map(Wish::Route);
        routes.chain(config.rules.iter().cloned().map(Wish::Rule)).map(wish).collect()
    }

    /// Whether it may be in the kernel's tables.
    pub(super) fn may_be_present(&self) -> bool {
        self.kept.may_be_present()
    }

    /// What to ask for; else which interface is missing.
    fn resolve(&self, vrrp: &IfName, family: Family, network: &Network) -> Result<RoutingEntry, String> {
        match self.kept.what() {
            Wish::Rule(rule) => Ok(RoutingEntry::Rule(Rule::new(rule, family))),
            Wish::Route(route) => {
                let name = route.interface.as_ref().or_else(|| route.via.is_none().then_some(vrrp));
                let link = |name: &IfName| {
                    let missing = || format!("interface {name} does not exist");
                    network.link(name).map(|link| link.index).ok_or_else(missing)
                };
                Ok(RoutingEntry::Route(Route::new(route, name.map(link).transpose()?)))
            }
        }
    }
}

impl Vip {
    /// The wishes of a changed configuration: what stays is left alone.
    pub(super) fn reconfigure_routing(&mut self, config: &VipConfig, now: Instant) {
        let mut kept = Vec::new();
        for wanted in Routed::all(config, now) {
            let at = self.routing.iter().position(|known| known.kept.what() == wanted.kept.what());
            kept.push(match at {
                Some(at) => self.routing.swap_remove(at),
                None => wanted,
            });
        }
        self.routing_leaving.append(&mut self.routing);
        self.routing = kept;
    }

    /// Whether that entry, found with our tag at the start, is one of ours: it is then known to be there.
    pub(in crate::node) fn inherit_routing(&mut self, now: Instant, network: &Network, shown: &RoutingEntry) -> bool {
        let family = self.config.family();
        for routed in &mut self.routing {
            if routed.resolve(&self.interface, family, network).is_ok_and(|wanted| wanted.is_same(shown)) {
                let _news = routed.kept.observed(now, now, Presence::Here);
                routed.entry = Some(shown.clone());
                return true;
            }
        }
        false
    }

    /// Addresses or links changed, and routes may have gone with them.
    pub(in crate::node) fn recheck_routing(&mut self, now: Instant) {
        for routed in &mut self.routing {
            routed.kept.recheck(now);
        }
    }

    /// Requests what the routes and rules need.
    pub(super) fn act_on_routing(&mut self, host: &Host<'_>, want: Want, ops: &mut Ops, out: &mut Outbox) {
        if self.routing.is_empty() && self.routing_leaving.is_empty() {
            return;
        }
        let family = self.config.family();
        let complete = self.addresses.iter().all(|a| a.lease.is_present());
        let want = match want {
            Want::Present if !complete => Want::AsIs,
            Want::Present | Want::Absent | Want::AsIs => want,
        };
        let leaving = self.routing_leaving.iter_mut().map(|r| (r, Want::Absent));
        for (routed, want) in leaving.chain(self.routing.iter_mut().map(|r| (r, want))) {
            let entry = match (want, routed.resolve(&self.interface, family, host.network)) {
                (Want::Absent, resolved) => match routed.entry.clone().or(resolved.ok()) {
                    Some(entry) => entry,
                    None => continue,
                },
                (Want::Present | Want::AsIs, Ok(entry)) => entry,
                (Want::Present | Want::AsIs, Err(why)) => {
                    routed.error = Some(why);
                    continue;
                }
            };
            let op = ops.next();
            match routed.kept.plan(host.now, want, op) {
                Some(AddressStep::Install) => {
                    routed.entry = Some(entry.clone());
                    out.push(Effect::AddRouting { op, entry });
                }
                Some(AddressStep::Withdraw) => out.push(Effect::RemoveRouting { op, entry }),
                None => {}
            }
        }
        self.routing_leaving.retain(Routed::may_be_present);
    }

    /// The outcome of an `AddRouting` or `RemoveRouting`.
    pub(in crate::node) fn routing_changed(
        &mut self,
        now: Instant,
        op: OpId,
        result: &Result<(), String>,
        out: &mut Outbox,
    ) {
        let mut refused = 0;
        for routed in self.routing.iter_mut().chain(&mut self.routing_leaving) {
            if routed.kept.pending() != Some(op) {
                continue;
            }
            let _removed = routed.kept.withdrawn(now, op, Answer::from(result));
            let news = routed.kept.installed(now, op, Answer::from(result), PACE);
            if news == AddressNews::Refused {
                // Unlike an address it is in no dump: what could not be renewed is not there.
                routed.kept.lost(now + PACE.retry);
            }
            let told = std::mem::replace(&mut routed.error, result.clone().err());
            if let Some(why) = result.as_ref().err().filter(|why| Some(*why) != told.as_ref()) {
                let what = routed.entry.as_ref().map(ToString::to_string).unwrap_or_default();
                out.log(LogLevel::Warn, Some(self.config.name.as_str()), format!("cannot change {what}: {why}"));
            }
            refused += u64::from(result.is_err());
        }
        if refused > 0 {
            *self.counters.entry("routing-refused").or_default() += refused;
        }
    }

    /// When [`Vip::act_on_routing`] has something to do.
    pub(super) fn routing_deadline(&self, want: Want, network: &Network) -> Option<Instant> {
        let complete = || self.addresses.iter().all(|a| a.lease.is_present());
        let want = if want == Want::Present && !self.routing.is_empty() && !complete() { Want::AsIs } else { want };
        let family = self.config.family();
        let possible =
            |routed: &&Routed| want == Want::Absent || routed.resolve(&self.interface, family, network).is_ok();
        let ours = self.routing.iter().filter(possible).filter_map(|r| r.kept.deadline(want));
        ours.chain(self.routing_leaving.iter().filter_map(|r| r.kept.deadline(Want::Absent))).min()
    }

    /// Routes and rules with what hinders them, for `status`.
    pub(in crate::node) fn routing_status(&self, network: &Network) -> Vec<(String, Option<String>)> {
        let family = self.config.family();
        let said = |routed: &Routed| {
            let entry = routed.entry.clone().map_or_else(|| routed.resolve(&self.interface, family, network), Ok);
            match entry {
                Ok(entry) if routed.kept.is_present() => (entry.to_string(), None),
                Ok(entry) => (entry.to_string(), Some(routed.error.clone().unwrap_or_else(|| "absent".to_owned()))),
                Err(why) => ("route".to_owned(), Some(why)),
            }
        };
        self.routing.iter().map(said).collect()
    }
}

#[cfg(test)]
mod tests;
