//! What the kernel's tables show, and how fresh that is: the picture that every turn starts from.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::addrs::routing::RoutingEntry;
use crate::node::Node;
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{Address, Network, OpId};
use crate::node::outbox::Outbox;
use crate::node::vip::{Answers, Placed, Seen};

/// Dumps of links and addresses are not closer together than this, however often the kernel reports changes.
const OBSERVE_SPACING: Duration = Duration::from_millis(20);

/// What is known of links and addresses, and how fresh it is.
#[derive(Debug, Default)]
pub(super) struct Observation {
    pub(super) network: Network,
    pub(super) seen: bool,
    pub(super) asked_at: Option<Instant>,
    pub(super) stale: bool,
    pub(super) not_before: Option<Instant>,
}

/// Where an address is and what it is. IPv4 knows the same address with several prefixes on one link, IPv6 does not.
type Place = (u32, IpAddr, u8);

fn place(index: u32, ip: IpAddr, prefix: u8) -> Place {
    (index, ip, if ip.is_ipv4() { prefix } else { 0 })
}

impl Node {
    pub(super) fn observe(&mut self, now: Instant, out: &mut Outbox) {
        let observation = &mut self.observation;
        let soon = observation.not_before.is_none_or(|at| now >= at);
        if observation.stale && observation.asked_at.is_none() && soon {
            observation.stale = false;
            observation.asked_at = Some(now);
            observation.not_before = Some(now + OBSERVE_SPACING);
            out.push(Effect::ObserveNetwork);
        }
    }

    pub(super) fn observed(&mut self, now: Instant, mut network: Network, out: &mut Outbox) {
        let asked_at = self.observation.asked_at.take().unwrap_or(now);
        let first = !std::mem::replace(&mut self.observation.seen, true);
        if first {
            // From here on it is known which index belongs to which name.
            out.push(Effect::ObserveRouting);
        }
        self.observe_devices(now, asked_at, &mut network);
        if first {
            self.remove_orphans(&network, out);
        }
        let shown: BTreeMap<Place, &Address> =
            network.addresses.iter().map(|a| (place(a.index, a.ip, a.prefix), a)).collect();
        let before = &self.observation.network.links;
        let flapped = before.iter().any(|b| network.links.iter().find(|l| l.index == b.index) != Some(b));
        for vip in &mut self.vips {
            let link = network.link(&vip.interface);
            let before = self.observation.network.link(&vip.interface);
            if before.zip(link).is_some_and(|(before, link)| before.mac != link.mac) {
                vip.moved_hardware();
            }
            vip.link_seen(now, before, link);
            let here = |placed: &Placed| {
                let address = placed.lease.address();
                let index = placed.link(&network)?.index;
                let found = shown.get(&place(index, address.ip(), address.prefix()))?;
                let as_wanted = placed.is_as_wanted(&found.options);
                Some(Seen { ours: found.ours, valid_secs: found.valid_secs, as_wanted })
            };
            vip.observe(now, asked_at, &network, &here, out);
            if flapped {
                // Routes go with their device.
                vip.recheck_routing(now);
            }
        }
        self.observation.network = network;
        self.interfaces_stale = true;
        self.choose_sources(now);
    }

    /// The kernel's answers to changes of addresses.
    pub(super) fn answered(&mut self, now: Instant, answers: Vec<(OpId, Result<(), String>)>, out: &mut Outbox) {
        let answers: Answers = answers.into_iter().collect();
        for vip in &mut self.vips {
            vip.answered(now, &answers, out);
        }
    }

    /// What a predecessor left: what belongs to a VIP goes with it, the rest now.
    pub(super) fn routing_observed(
        &mut self,
        now: Instant,
        result: Result<Vec<RoutingEntry>, String>,
        out: &mut Outbox,
    ) {
        let shown = match result {
            Ok(shown) => shown,
            Err(why) => {
                let message = format!("cannot look for routes and rules that a predecessor left: {why}");
                return out.log(LogLevel::Warn, None, message);
            }
        };
        for entry in shown {
            let network = &self.observation.network;
            if !self.vips.iter_mut().any(|vip| vip.inherit_routing(now, network, &entry)) {
                out.log(LogLevel::Info, None, format!("a predecessor left {entry}: removing it"));
                // Nobody waits for the answer: what cannot be removed is found again at the next start.
                out.push(Effect::RemoveRouting { op: self.ops.next(), entry });
            }
        }
    }
}

#[cfg(test)]
mod tests;
