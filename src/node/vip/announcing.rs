//! Announcing the addresses of a VIP to the segment: on arrival, again a moment later, and when somebody may have
//! spoiled the caches of its hosts. It must never announce an address that is not known to be here.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use crate::node::effect::Effect;
use crate::node::event::Link;
use crate::node::outbox::Outbox;
use crate::node::vip::Vip;
use crate::vrrp::announce::gratuitous_arp;
use crate::vrrp::router::Role;

/// Rounds of announcements are not closer together than this, however often a rival speaks.
const ANNOUNCE_SPACING: Duration = Duration::from_millis(100);

/// When addresses were announced, and when they are to be again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Announcing {
    pub(super) last_round: Option<Instant>,
    pub(super) second_round: Option<Instant>,
    pub(super) refresh: Option<Instant>,
    pub(super) wanted: bool,
}

impl Vip {
    /// Hosts of the segment must learn the new hardware address (a bond that fails over).
    pub(in crate::node) fn moved_hardware(&mut self) {
        self.announcing.wanted |= self.router.role() == Role::Active;
    }

    /// Sends what is due.
    pub(super) fn announce(&mut self, now: Instant, link: &Link, out: &mut Outbox) {
        let arrived = std::mem::take(&mut self.arrived);
        let (Role::Active, Some(mac)) = (self.router.role(), link.mac) else { return };
        let settings = self.config.announce;
        let spaced = self.announcing.last_round.is_none_or(|last| now >= last + ANNOUNCE_SPACING);
        let again = self.announcing.wanted && spaced;
        let second = self.announcing.second_round.is_some_and(|at| now >= at);
        let refresh = self.announcing.refresh.is_some_and(|at| now >= at);
        let here = self.addresses.iter().filter(|a| a.is_present()).filter_map(|a| a.address().ipv4());
        let (addresses, frames): (Vec<Ipv4Addr>, u32) = match (again || second, refresh, arrived.is_empty()) {
            (true, _, _) => (here.collect(), settings.repeat),
            (false, _, false) => (arrived, settings.repeat),
            (false, true, true) => (here.collect(), 1),
            (false, false, true) => return,
        };
        if addresses.is_empty() {
            return;
        }
        for address in &addresses {
            for _ in 0..frames {
                let frame = gratuitous_arp(mac, *address);
                out.push(Effect::Announce { interface: self.interface.clone(), frame });
            }
        }
        let after = |pause: Duration| (!pause.is_zero()).then_some(now + pause);
        let round = frames == settings.repeat && !second;
        self.announcing = Announcing {
            last_round: Some(now),
            second_round: if round { after(settings.delay) } else { self.announcing.second_round.filter(|_| !second) },
            refresh: after(settings.refresh),
            wanted: self.announcing.wanted && !again,
        };
    }

    /// When [`Vip::announce`] has something to do.
    pub(super) fn announce_deadline(&self, link: Option<&Link>) -> Option<Instant> {
        // While none is here (one that was deleted is on its way back), its arrival announces it.
        let here = self.addresses.iter().any(|a| a.is_present() && a.address().ipv4().is_some());
        if self.router.role() != Role::Active || !here || link.is_none_or(|l| l.mac.is_none()) {
            return None;
        }
        let spaced = self.announcing.last_round.filter(|_| self.announcing.wanted).map(|last| last + ANNOUNCE_SPACING);
        [self.announcing.second_round, self.announcing.refresh, spaced].into_iter().flatten().min()
    }
}
