//! A VIP on the wire: where its adverts leave from, what they say, and whose are believed.
//!
//! A refused advert is counted and its sender told, and touches nothing else.

use std::net::IpAddr;
use std::time::Instant;

use crate::config::{Transport, Version};
use crate::node::effect::Effect;
use crate::node::outbox::Outbox;
use crate::node::vip::{Host, Vip};
use crate::units::Family;
use crate::vrrp::packet::{Advert, Claim, Outgoing, Reject, build};
use crate::vrrp::vmac::advert_frame;

/// Which hardware address an advert leaves from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// The virtual router's, if it has one of its own.
    VirtualRouter,
    /// The interface's: another node is the virtual router by now, and switches must not look for it here.
    Interface,
}

impl Vip {
    /// Whether there is an address to speak from; else what is missing.
    pub(in crate::node) fn source(&self) -> Result<(), &'static str> {
        match (self.source, self.config.transport) {
            (Some(_), _) => Ok(()),
            (None, Transport::Multicast(_)) => match self.config.family() {
                Family::V4 => Err("no IPv4 address to send adverts from"),
                Family::V6 => Err("no IPv6 link-local address to send adverts from"),
            },
            (None, Transport::Unicast) => Err("not this node's address, the only one that unicast peers know"),
        }
    }

    /// The address to speak from: the node's own where the interface has it; in multicast else the first that is no
    /// VIP.
    pub(in crate::node) fn choose_source(
        &mut self,
        now: Instant,
        candidates: &[IpAddr],
        own: Option<IpAddr>,
        vips: &[IpAddr],
    ) {
        let own = candidates.iter().copied().find(|ip| Some(*ip) == own);
        let source = match self.config.transport {
            // Peers send to that address and believe no other.
            Transport::Unicast => own,
            Transport::Multicast(_) => {
                let real = || candidates.iter().copied().filter(|ip| !vips.contains(ip));
                // RFC 9568 section 5.1.2.1: IPv6 adverts leave from a link-local address.
                let link_local = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
                match self.config.family() {
                    Family::V4 => own.or_else(|| real().next()),
                    Family::V6 => own.filter(link_local).or_else(|| real().find(link_local)),
                }
            }
        };
        if source != self.source {
            self.lost_source = self.source;
            self.source = source;
            self.configure_router(now);
        }
    }

    /// An advert of this VRID and family arrived, received by the kernel at `at`.
    pub(in crate::node) fn hear(&mut self, host: &Host<'_>, at: Instant, advert: &Advert, out: &mut Outbox) {
        self.touched = true;
        if let Err(reason) = self.admit(host, advert) {
            self.refuse(host, at, Some(advert.source), reason, out);
            return;
        }
        self.count("adverts-received");
        self.note_speaker(at, advert);
        let backs_same = advert.addresses.len() == self.config.advertised().count()
            && self.config.advertised().all(|ip| advert.addresses.contains(&ip));
        if !backs_same {
            // Told, not dropped: a rolling change of the address list must not end in two active routers.
            self.count("adverts-with-other-addresses");
        }
        let peer = host.peering.node_of(advert.source);
        self.handover.heard(host.now, at, (advert.source, peer), advert.claim);
        let steps = self.router.hear(host.now, at, advert.source, advert.claim, advert.interval);
        self.take(host, steps, out);
    }

    fn admit(&mut self, host: &Host<'_>, advert: &Advert) -> Result<(), Reject> {
        if Some(advert.source) == self.source {
            return Err(Reject::OwnAddress);
        }
        if advert.version != self.config.version {
            return Err(Reject::Version);
        }
        match self.config.transport {
            Transport::Multicast(group) if advert.destination == group => {}
            Transport::Multicast(_) => return Err(Reject::Transport),
            Transport::Unicast if Some(advert.destination) != self.source => return Err(Reject::Transport),
            Transport::Unicast if !self.peers.contains(&advert.source) => return Err(Reject::UnknownPeer),
            Transport::Unicast => {}
        }
        match self.config.version {
            Version::V2 if advert.interval != self.config.advert_interval => return Err(Reject::IntervalMismatch),
            // A v3 backup adopts it (RFC 9568 section 6.4.2).
            Version::V2 | Version::V3 => {}
        }
        // Last, since it remembers what it accepted.
        self.authenticity.judge(&self.config.auth, advert, host.wall)
    }

    /// Sends an advert to the group, or the same to every peer.
    pub(super) fn advertise(&mut self, host: &Host<'_>, claim: Claim, sender: Sender, out: &mut Outbox) {
        let known = self.source.or(self.lost_source.filter(|_| claim == Claim::Resign));
        let Some(source) = known else { return };
        let addresses: Vec<IpAddr> = self.config.advertised().collect();
        let destinations = match self.config.transport {
            Transport::Multicast(group) => vec![group],
            // A node without an address of the family cannot be reached.
            Transport::Unicast => {
                self.peers.iter().copied().filter(|ip| Family::of(*ip) == Family::of(source)).collect()
            }
        };
        let mac = self.device.as_ref().map(|device| device.mac).filter(|_| sender == Sender::VirtualRouter);
        let seal = self.authenticity.seal(&self.config.auth, host.wall);
        for destination in destinations {
            let bytes = build(&Outgoing {
                source,
                destination,
                vrid: self.config.vrid,
                claim,
                version: self.config.version,
                interval: self.config.advert_interval,
                checksum: self.config.checksum,
                addresses: &addresses,
                seal,
            });
            *self.counters.entry("adverts-sent").or_default() += 1;
            let interface = self.interface.clone();
            out.push(match mac.and_then(|mac| advert_frame(mac, source, destination, &bytes)) {
                Some(frame) => Effect::Announce { interface, frame },
                None => Effect::Transmit { interface, source, to: destination, bytes },
            });
        }
    }
}

#[cfg(test)]
mod tests;
