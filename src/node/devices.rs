//! The devices of virtual routers, and the interfaces below them: while a device is there, the interface below must not answer ARP
//! for the addresses on it, nor ask from them. What it did before is written in the alias of the device, so that a successor knows it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use crate::addrs::device::{ArpConf, Mark};
use crate::node::Node;
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{Link, Network, OpId};
use crate::node::outbox::{Ops, Outbox};
use crate::node::vip::Vip;
use crate::units::IfName;

/// What does not change anything, where the kernel does not say.
const STRICT: ArpConf = ArpConf { ignore: 1, announce: 2 };

/// Interfaces below devices.
#[derive(Debug, Default)]
pub(super) struct Below {
    /// Those that answer for themselves only, or were told so: their index, and what they did before.
    asked: BTreeMap<IfName, (u32, ArpConf)>,
    /// Told, and not answered yet: dumps show anything.
    pending: BTreeSet<OpId>,
    /// The last answer.
    changed_at: Option<Instant>,
}

impl Below {
    /// Whether a dump shows what was asked for.
    fn is_older_than(&self, asked_at: Instant) -> bool {
        self.pending.is_empty() && self.changed_at.is_none_or(|changed| changed < asked_at)
    }

    fn tell(&mut self, index: u32, conf: ArpConf, ops: &mut Ops, out: &mut Outbox) {
        let op = ops.next();
        self.pending.insert(op);
        out.push(Effect::ConfigureArp { op, index, conf });
    }
}

impl Node {
    /// What a dump shows of devices and the interfaces below.
    pub(super) fn observe_devices(&mut self, now: Instant, asked_at: Instant, network: &mut Network) {
        let before = &self.observation.network;
        let held: BTreeSet<IfName> =
            self.vips.iter().filter(|vip| vip.below(before).is_some()).map(|vip| vip.interface.clone()).collect();
        let fresh = self.below.is_older_than(asked_at);
        for vip in &mut self.vips {
            vip.observe_device(now, asked_at, network);
        }
        for vip in self.vips.iter_mut().filter(|vip| vip.device.is_some()) {
            let Some(below) = network.link(&vip.interface) else { continue };
            let marks = network.links.iter().filter(|link| link.parent == Some(below.index));
            let marked = marks.filter_map(|link| link.alias.as_deref()).find_map(Mark::before);
            let untouched = (fresh && !held.contains(&vip.interface)).then(|| below.arp.unwrap_or(STRICT));
            if let Some(before) = marked.or(untouched) {
                vip.learn_below(before);
            }
            if let Some(found) = vip.below(network) {
                // A predecessor's: what it did to the interface is undone with its device.
                self.below.asked.entry(vip.interface.clone()).or_insert(found);
            }
        }
        for (interface, (index, _)) in &mut self.below.asked {
            let loose = |arp: ArpConf| arp.below_device() != arp;
            if fresh && network.link(interface).and_then(|link| link.arp).is_some_and(loose) {
                // Somebody put it back: it is told again.
                *index = 0;
            }
        }
    }

    /// What a predecessor left for VIPs that this configuration does not have.
    pub(super) fn remove_orphans(&mut self, network: &Network, out: &mut Outbox) {
        let known = |link: &Link| self.vips.iter().filter_map(|vip| vip.device.as_ref()).any(|d| d.name == link.name);
        let (kept, orphans): (Vec<&Link>, Vec<&Link>) =
            network.links.iter().filter(|link| link.is_ours()).partition(|link| known(link));
        for link in orphans {
            out.log(LogLevel::Info, None, format!("a predecessor left device {}: removing it", link.name));
            // Nobody waits for the answer: what cannot be removed is found again at the next start.
            out.push(Effect::RemoveDevice { op: self.ops.next(), name: link.name.clone() });
            let before = link.alias.as_deref().and_then(Mark::before);
            let alone = kept.iter().all(|other| other.parent != link.parent);
            if let Some((index, conf)) = link.parent.zip(before).filter(|_| alone) {
                self.below.tell(index, conf, &mut self.ops, out);
            }
        }
    }

    /// Interfaces with a device answer for themselves only, the others as before.
    pub(super) fn settle_below(&mut self, out: &mut Outbox) {
        let network = &self.observation.network;
        let below = |vip: &Vip| vip.below(network).map(|found| (vip.interface.clone(), found));
        let wanted: BTreeMap<IfName, (u32, ArpConf)> = self.vips.iter().filter_map(below).collect();
        if wanted == self.below.asked {
            return;
        }
        let asked = std::mem::replace(&mut self.below.asked, wanted.clone());
        for (interface, (index, before)) in &asked {
            if !wanted.contains_key(interface) {
                self.below.tell(*index, *before, &mut self.ops, out);
            }
        }
        for (interface, (index, before)) in &wanted {
            if asked.get(interface) != Some(&(*index, *before)) {
                self.below.tell(*index, before.below_device(), &mut self.ops, out);
            }
        }
    }

    /// The kernel's answer about an interface below.
    pub(super) fn arp_configured(&mut self, now: Instant, op: OpId, result: Result<(), String>, out: &mut Outbox) {
        if !self.below.pending.remove(&op) {
            return;
        }
        self.below.changed_at = Some(now);
        if let Err(why) = result {
            let message = format!("cannot set arp_ignore and arp_announce below the device of a virtual router: {why}");
            out.log(LogLevel::Warn, None, message);
        }
    }

    /// The kernel's answer to a device that was asked for.
    pub(super) fn device_raised(&mut self, now: Instant, op: OpId, result: &Result<Link, String>, out: &mut Outbox) {
        let ours = self.vips.iter_mut().any(|vip| vip.device_raised(now, op, result, out));
        if let Ok(link) = result
            && ours
        {
            self.observation.network.put(link.clone());
        }
    }

    /// The kernel's answer to a device that was to go.
    pub(super) fn device_removed(&mut self, now: Instant, op: OpId, result: &Result<(), String>, out: &mut Outbox) {
        let removed = self.vips.iter_mut().find_map(|vip| vip.device_removed(now, op, result, out));
        if let Some(name) = removed.filter(|_| result.is_ok()) {
            self.observation.network.links.retain(|link| link.name != name);
        }
    }
}

#[cfg(test)]
mod tests;
