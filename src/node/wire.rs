//! What arrives on the wire, and whose it is.

use std::time::{Duration, Instant};

use crate::node::effect::LogLevel;
use crate::node::event::{Datagram, Received};
use crate::node::outbox::Outbox;
use crate::node::vip::{Host, Vip};
use crate::node::{Node, Phase};
use crate::units::{Family, IfName};
use crate::vrrp::arp;
use crate::vrrp::packet::{Capture, Reject, parse};

/// A reading of the wall clock. The time of day at any instant follows from it; the shell tells when it was set.
#[derive(Debug, Clone, Copy)]
pub(super) struct WallClock {
    pub(super) at: Instant,
    /// Since the epoch.
    pub(super) unix: Duration,
}

impl WallClock {
    pub(super) fn at(self, now: Instant) -> Duration {
        self.unix + now.saturating_duration_since(self.at)
    }
}

impl Node {
    /// A datagram of VRRP.
    pub(super) fn hear(&mut self, now: Instant, received: &Received, out: &mut Outbox) {
        let family = match received.datagram {
            Datagram::V4(_) => Family::V4,
            Datagram::V6 { .. } => Family::V6,
        };
        let parsed = parse(&received.datagram, if received.truncated { Capture::Cut } else { Capture::Whole });
        let vrid = match &parsed {
            Ok(advert) => Some(advert.vrid),
            Err(rejected) => rejected.vrid,
        };
        let ours = |v: &&mut Vip| {
            v.interface == received.interface && Some(v.config.vrid) == vrid && v.config.family() == family
        };
        if parsed.is_ok() {
            for vip in self.vips.iter_mut().filter(|v| v.interface == received.interface) {
                vip.touched |= vip.router.link_hold().is_some();
                vip.router.link_carries();
            }
        }
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let (wall, network, hooks) = (self.wall.at(now), &self.observation.network, &self.loaded.config.hooks);
        let (peering, proxy) = (&self.peering, self.proxying.verdict());
        let host = Host { now, wall, network, hooks, stopping, me: &self.me, peering, proxy };
        let at = received.at.min(now);
        match (self.vips.iter_mut().find(ours), parsed) {
            (Some(vip), Ok(advert)) => vip.hear(&host, at, &advert, out),
            (Some(vip), Err(rejected)) => vip.refuse(&host, at, rejected.source, rejected.reason, out),
            (None, parsed) => {
                let reason = parsed.err().map_or(Reject::Vrid, |rejected| rejected.reason);
                let counters = self.dropped.entry(received.interface.clone()).or_default();
                *counters.entry(reason).or_default() += 1;
            }
        }
    }

    /// A send that fails because the link is gone shows in the next dump; anything else is worth a line.
    pub(super) fn transmit_failed(&mut self, interface: &IfName, error: &str, out: &mut Outbox) {
        self.observation.stale = true;
        for vip in self.vips.iter_mut().filter(|v| v.interface == *interface) {
            vip.count("transmits-failed");
        }
        out.log(LogLevel::Debug, None, format!("cannot send on {interface}: {error}"));
    }

    /// A frame that may claim one of our addresses.
    pub(super) fn see(&mut self, now: Instant, interface: &IfName, frame: &[u8], at: Instant, out: &mut Outbox) {
        let Some(claimed) = arp::claimed(frame) else { return };
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let (wall, network) = (self.wall.at(now), &self.observation.network);
        // Through another interface of this host a frame of ours may come back.
        if network.links.iter().any(|link| link.mac == Some(claimed.mac)) {
            return;
        }
        let (peering, proxy, hooks) = (&self.peering, self.proxying.verdict(), &self.loaded.config.hooks);
        let host = Host { now, wall, network, hooks, stopping, me: &self.me, peering, proxy };
        let there = |v: &&mut Vip| v.addresses.iter().any(|a| a.wire == *interface);
        for vip in self.vips.iter_mut().filter(there) {
            vip.touched = true;
            vip.claimed(&host, at.min(now), claimed, out);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
    fn the_time_of_day_goes_on_from_its_last_reading() {
        let (at, unix) = (Instant::now(), Duration::from_secs(1_800_000_000));
        let wall = WallClock { at, unix };
        assert_eq!((wall.at(at), wall.at(at + Duration::from_secs(5))), (unix, unix + Duration::from_secs(5)));
    }
}
