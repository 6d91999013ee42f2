//! Announcing the addresses of a VIP to the segment: on arrival, again a moment later, and when somebody may have
//! spoiled the caches of its hosts. It must never announce an address that is not known to be here.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::node::effect::Effect;
use crate::node::event::Network;
use crate::node::outbox::Outbox;
use crate::node::vip::{Host, Placed, Vip};
use crate::vrrp::announce::announcement;
use crate::vrrp::router::Role;

/// Rounds of announcements are not closer together than this, however often a rival speaks.
const ANNOUNCE_SPACING: Duration = Duration::from_millis(100);
/// ... but the first rival after this long a quiet time is answered at once.
const RIVAL_QUIET: Duration = Duration::from_secs(1);
/// A round this long after a rival's last word: until then it may have answered for the address.
const AFTER_RIVAL: Duration = Duration::from_millis(150);

/// Frames that leave in one turn. A large set goes out in portions: adverts and probes must not wait for all of it.
const PORTION_FRAMES: u32 = 256;
/// Between two portions.
const PORTION_PAUSE: Duration = Duration::from_millis(1);

/// When addresses were announced, and when they are to be again.
#[derive(Debug, Clone, Default)]
pub(super) struct Announcing {
    pub(super) last_round: Option<Instant>,
    pub(super) second_round: Option<Instant>,
    pub(super) refresh: Option<Instant>,
    /// As soon as the spacing allows.
    pub(super) wanted: bool,
    /// At once, whatever the spacing.
    urgent: bool,
    /// A rival's last word.
    rival_at: Option<Instant>,
    /// The round after it.
    after_rival: Option<Instant>,
    /// The holder before may have answered for the addresses until then: caches are put right once more.
    pub(super) overlap_ends: Option<Instant>,
    /// Still to be announced in this round, and how many times each.
    waiting: BTreeMap<IpAddr, u32>,
    /// Then the next portion leaves.
    portion_at: Option<Instant>,
}

impl Announcing {
    /// A rival speaks.
    pub(super) fn contest(&mut self, now: Instant) {
        self.wanted = true;
        self.urgent |= self.rival_at.is_none_or(|at| now >= at + RIVAL_QUIET);
        self.rival_at = Some(now);
        self.after_rival = Some(now + AFTER_RIVAL);
    }
}

impl Vip {
    /// Hosts of the segment must learn the new hardware address (a bond that fails over).
    pub(in crate::node) fn moved_hardware(&mut self) {
        self.announcing.wanted |= self.router.role() == Role::Active;
    }

    /// Sends what is due.
    pub(super) fn announce(&mut self, host: &Host<'_>, out: &mut Outbox) {
        let arrived = std::mem::take(&mut self.arrived);
        if self.router.role() != Role::Active {
            self.announcing.waiting.clear();
            self.announcing.portion_at = None;
            return;
        }
        self.begin_round(host, arrived);
        self.announce_portion(host, out);
    }

    /// Puts down what is to be announced now.
    fn begin_round(&mut self, host: &Host<'_>, arrived: BTreeSet<IpAddr>) {
        let now = host.now;
        let settings = self.config.announce;
        let spaced = self.announcing.last_round.is_none_or(|last| now >= last + ANNOUNCE_SPACING);
        let after_rival = self.announcing.after_rival.is_some_and(|at| now >= at);
        let overlap = self.announcing.overlap_ends.is_some_and(|at| now >= at);
        let again = after_rival || overlap || (self.announcing.wanted && (spaced || self.announcing.urgent));
        let second = self.announcing.second_round.is_some_and(|at| now >= at);
        let refresh = self.announcing.refresh.is_some_and(|at| now >= at);
        let (only, frames): (Option<BTreeSet<IpAddr>>, u32) = match (again || second, refresh, arrived.is_empty()) {
            (true, _, _) => (None, settings.repeat),
            (false, _, false) => (Some(arrived), settings.repeat),
            (false, true, true) => (None, 1),
            (false, false, true) => return,
        };
        let mut announced = false;
        for placed in self.addresses.iter().filter(|a| a.lease.is_present()) {
            let ip = placed.lease.address().ip();
            let can = placed.link(host.network).is_some_and(|link| link.mac.is_some());
            if can && only.as_ref().is_none_or(|only| only.contains(&ip)) {
                announced = true;
                let waiting = self.announcing.waiting.entry(ip).or_default();
                *waiting = frames.max(*waiting);
            }
        }
        if !announced {
            return;
        }
        let after = |pause: Duration| (!pause.is_zero()).then_some(now + pause);
        let round = frames == settings.repeat && !second;
        self.announcing = Announcing {
            last_round: Some(now),
            second_round: if round { after(settings.delay) } else { self.announcing.second_round.filter(|_| !second) },
            refresh: after(settings.refresh),
            wanted: self.announcing.wanted && !again,
            urgent: self.announcing.urgent && !again,
            rival_at: self.announcing.rival_at,
            after_rival: self.announcing.after_rival.filter(|_| !after_rival),
            overlap_ends: self.announcing.overlap_ends.filter(|_| !overlap),
            waiting: std::mem::take(&mut self.announcing.waiting),
            portion_at: self.announcing.portion_at,
        };
    }

    /// Sends what waits, as much as one turn may.
    fn announce_portion(&mut self, host: &Host<'_>, out: &mut Outbox) {
        if self.announcing.portion_at.is_some_and(|at| host.now < at) {
            return;
        }
        let waiting = &mut self.announcing.waiting;
        let (mut sent, mut level) = (0, waiting.values().copied().max().unwrap_or(0));
        // Every address once before any a second time.
        while sent < PORTION_FRAMES && level > 0 {
            let due = self.addresses.iter().filter(|a| a.lease.is_present());
            let due = due.filter_map(|a| Some((a, a.lease.address().ip(), a.link(host.network)?.mac?)));
            for (placed, ip, mac) in due {
                let Some(frames) = waiting.get_mut(&ip).filter(|frames| **frames == level) else { continue };
                *frames -= 1;
                out.push(Effect::Announce { interface: placed.wire.clone(), frame: announcement(mac, ip) });
                sent += 1;
                if sent >= PORTION_FRAMES {
                    break;
                }
            }
            level -= 1;
        }
        waiting.retain(|_, frames| *frames > 0);
        if sent < PORTION_FRAMES {
            // What is left has gone meanwhile.
            waiting.clear();
        }
        self.announcing.portion_at = (!self.announcing.waiting.is_empty()).then_some(host.now + PORTION_PAUSE);
    }

    /// When [`Vip::announce`] has something to do.
    pub(super) fn announce_deadline(&self, network: &Network) -> Option<Instant> {
        // While none is here (one that was deleted is on its way back), its arrival announces it.
        let can = |a: &Placed| a.lease.is_present() && a.link(network).is_some_and(|l| l.mac.is_some());
        if self.router.role() != Role::Active || !self.addresses.iter().any(can) {
            return None;
        }
        let spaced = self.announcing.last_round.filter(|_| self.announcing.wanted).map(|last| last + ANNOUNCE_SPACING);
        let Announcing { second_round, refresh, after_rival, overlap_ends, portion_at, .. } = self.announcing;
        [second_round, refresh, after_rival, overlap_ends, portion_at, spaced].into_iter().flatten().min()
    }
}

#[cfg(test)]
mod tests;
