//! Announcing the addresses of a VIP to the segment: on arrival, again a moment later, and when somebody may have
//! spoiled the caches of its hosts. It must never announce an address that is not known to be here.

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

/// When addresses were announced, and when they are to be again.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Announcing {
    pub(super) last_round: Option<Instant>,
    pub(super) second_round: Option<Instant>,
    pub(super) refresh: Option<Instant>,
    pub(super) wanted: bool,
    /// The holder before may have answered for the addresses until then: caches are put right once more.
    pub(super) overlap_ends: Option<Instant>,
}

impl Vip {
    /// Hosts of the segment must learn the new hardware address (a bond that fails over).
    pub(in crate::node) fn moved_hardware(&mut self) {
        self.announcing.wanted |= self.router.role() == Role::Active;
    }

    /// Sends what is due.
    pub(super) fn announce(&mut self, host: &Host<'_>, out: &mut Outbox) {
        let now = host.now;
        let arrived = std::mem::take(&mut self.arrived);
        if self.router.role() != Role::Active {
            return;
        }
        let settings = self.config.announce;
        let spaced = self.announcing.last_round.is_none_or(|last| now >= last + ANNOUNCE_SPACING);
        let overlap = self.announcing.overlap_ends.is_some_and(|at| now >= at);
        let again = (self.announcing.wanted && spaced) || overlap;
        let second = self.announcing.second_round.is_some_and(|at| now >= at);
        let refresh = self.announcing.refresh.is_some_and(|at| now >= at);
        let (only, frames): (Option<Vec<IpAddr>>, u32) = match (again || second, refresh, arrived.is_empty()) {
            (true, _, _) => (None, settings.repeat),
            (false, _, false) => (Some(arrived), settings.repeat),
            (false, true, true) => (None, 1),
            (false, false, true) => return,
        };
        let mut announced = false;
        for placed in self.addresses.iter().filter(|a| a.lease.is_present()) {
            let ip = placed.lease.address().ip();
            let mac = placed.link(host.network).and_then(|link| link.mac);
            let Some(mac) = mac.filter(|_| only.as_ref().is_none_or(|only| only.contains(&ip))) else { continue };
            announced = true;
            for _ in 0..frames {
                out.push(Effect::Announce { interface: placed.interface.clone(), frame: announcement(mac, ip) });
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
            overlap_ends: self.announcing.overlap_ends.filter(|_| !overlap),
        };
    }

    /// When [`Vip::announce`] has something to do.
    pub(super) fn announce_deadline(&self, network: &Network) -> Option<Instant> {
        // While none is here (one that was deleted is on its way back), its arrival announces it.
        let can = |a: &Placed| a.lease.is_present() && a.link(network).is_some_and(|l| l.mac.is_some());
        if self.router.role() != Role::Active || !self.addresses.iter().any(can) {
            return None;
        }
        let spaced = self.announcing.last_round.filter(|_| self.announcing.wanted).map(|last| last + ANNOUNCE_SPACING);
        [self.announcing.second_round, self.announcing.refresh, self.announcing.overlap_ends, spaced]
            .into_iter()
            .flatten()
            .min()
    }
}
