//! Who else speaks for a VIP: routers that no configuration knows or whose adverts are refused, and hosts that claim its
//! addresses.
//!
//! All lists are bounded, the longest silent entry makes room. They are for people; only the re-announcement follows from
//! them.

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::Transport;
use crate::node::effect::{Effect, LogLevel};
use crate::node::outbox::Outbox;
use crate::node::vip::{Host, Vip};
use crate::units::{Centis, Name};
use crate::vrrp::announce::announcement_for;
use crate::vrrp::arp::Claimed;
use crate::vrrp::packet::{Advert, Claim, Reject};
use crate::vrrp::router::Role;

/// Entries of each list.
const STRANGERS_MAX: usize = 8;
/// A duplicate address, or refused adverts, are told no more often than this.
const TELL_EVERY: Duration = Duration::from_secs(60);

/// A router that belongs to no node.
#[derive(Debug, Clone, Copy)]
pub(in crate::node) struct Speaker {
    pub(in crate::node) source: IpAddr,
    pub(in crate::node) claim: Claim,
    pub(in crate::node) interval: Centis,
    pub(in crate::node) at: Instant,
}

/// A host that claimed an address while it was ours.
#[derive(Debug, Clone, Copy)]
pub(in crate::node) struct Duplicate {
    pub(in crate::node) claimed: Claimed,
    pub(in crate::node) at: Instant,
}

/// A router whose adverts for this VRID are refused.
#[derive(Debug, Clone, Copy)]
pub(in crate::node) struct Refused {
    pub(in crate::node) source: IpAddr,
    pub(in crate::node) reason: Reject,
    pub(in crate::node) at: Instant,
}

/// Most recent first.
#[derive(Debug, Default)]
pub(in crate::node) struct Strangers {
    pub(in crate::node) speakers: VecDeque<Speaker>,
    pub(in crate::node) duplicates: VecDeque<Duplicate>,
    pub(in crate::node) refused: VecDeque<Refused>,
    /// A router spoke: until its next advert is due, its frames are no riddle.
    explained_until: Option<Instant>,
    told: Option<Instant>,
    told_refused: Option<Instant>,
    answered: Option<Instant>,
    /// Where others claimed our addresses to be while they were here; at most one place for each.
    places: BTreeMap<IpAddr, [u8; 6]>,
}

impl Vip {
    /// Remembers an accepted advert, and its sender if no node has its address.
    pub(super) fn note_speaker(&mut self, at: Instant, advert: &Advert) {
        self.strangers.explained_until = Some(at + advert.interval.duration());
        let known = match (self.config.transport, advert.source) {
            // Nobody but a peer was accepted.
            (Transport::Unicast, _) => true,
            // IPv6 adverts leave from link-local addresses, which a configuration need not name.
            (Transport::Multicast(_), IpAddr::V6(_)) => {
                let link_local = |ip: &IpAddr| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local());
                self.peers.contains(&advert.source) || !self.peers.iter().any(link_local)
            }
            (Transport::Multicast(_), IpAddr::V4(_)) => self.peers.contains(&advert.source),
        };
        if known {
            return;
        }
        let speakers = &mut self.strangers.speakers;
        speakers.retain(|s| s.source != advert.source);
        speakers.push_front(Speaker { source: advert.source, claim: advert.claim, interval: advert.interval, at });
        speakers.truncate(STRANGERS_MAX);
    }

    /// An advert for this VRID, received by the kernel at `at`, does not count. Nothing follows from it but words.
    pub(in crate::node) fn refuse(
        &mut self,
        host: &Host<'_>,
        at: Instant,
        source: Option<IpAddr>,
        reason: Reject,
        out: &mut Outbox,
    ) {
        *self.dropped.entry(reason).or_default() += 1;
        let Some(source) = source else { return };
        let Strangers { refused, told_refused, .. } = &mut self.strangers;
        refused.retain(|r| (r.source, r.reason) != (source, reason));
        let one = Refused { source, reason, at };
        refused.push_front(one);
        refused.truncate(STRANGERS_MAX);
        if told_refused.is_none_or(|last| host.now >= last + TELL_EVERY) {
            *told_refused = Some(host.now);
            let message = one.words(host.peering.node_of(source).map(Name::as_str));
            out.log(LogLevel::Warn, Some(self.config.name.as_str()), message);
        }
    }

    /// A frame on the wire, received by the kernel at `at`, claims an address for another host.
    pub(in crate::node) fn claimed(&mut self, host: &Host<'_>, at: Instant, claimed: Claimed, out: &mut Outbox) {
        let ours = |a: &super::Placed| a.lease.is_present() && a.lease.address().ip() == claimed.ip;
        let here = self.addresses.iter().any(ours);
        // Of one virtual router all nodes say that it is at the same place.
        let virtual_one = self.device.as_ref().is_some_and(|device| device.mac == claimed.mac);
        if !here || virtual_one || self.router.role() != Role::Active {
            return;
        }
        self.strangers.places.insert(claimed.ip, claimed.mac);
        if at < self.since {
            return;
        }
        // The frame of a router that was active a moment ago, or believes that it is: the election deals with that.
        if self.strangers.explained_until.is_some_and(|until| at <= until) {
            return;
        }
        self.count("duplicate-address");
        let Strangers { duplicates, told, answered, .. } = &mut self.strangers;
        duplicates.retain(|d| d.claimed != claimed);
        duplicates.push_front(Duplicate { claimed, at });
        duplicates.truncate(STRANGERS_MAX);
        if told.is_none_or(|last| host.now >= last + TELL_EVERY) {
            *told = Some(host.now);
            let message = format!(
                "{} claims {} too: another host has this address, or a switch still believes an old place",
                mac(claimed.mac),
                claimed.ip
            );
            out.log(LogLevel::Warn, Some(self.config.name.as_str()), message);
        }
        // Both sides may answer each other: no faster than adverts.
        if answered.is_none_or(|last| host.now >= last + self.config.advert_interval.duration()) {
            *answered = Some(host.now);
            self.announcing.wanted = true;
        }
    }
}

impl Vip {
    /// Tells hosts where the addresses are now, in the words of who claimed them last: it cannot know that it is alone.
    pub(super) fn announce_for_claimant(&mut self, host: &Host<'_>, out: &mut Outbox) {
        for placed in self.addresses.iter().filter(|a| a.lease.is_present()) {
            let ip = placed.lease.address().ip();
            // Not the virtual router's: switches would look for it here.
            let own = host.network.link(&placed.wire).and_then(|link| link.mac);
            if let Some((own, theirs)) = own.zip(self.strangers.places.get(&ip)) {
                let frame = announcement_for(own, *theirs, ip);
                out.push(Effect::Announce { interface: placed.wire.clone(), frame });
            }
        }
    }

    /// Another turn at holding the addresses: who claimed them before says nothing about it.
    pub(super) fn forget_places(&mut self) {
        self.strangers.places.clear();
    }
}

impl Refused {
    /// For people; `node` is the name of the node with that address.
    pub(in crate::node) fn words(&self, node: Option<&str>) -> String {
        let Self { source, reason, at: _ } = self;
        let who = node.map_or(source.to_string(), |node| format!("{node} ({source})"));
        format!("adverts of {who} are refused ({}): {}", reason.name(), reason.meaning())
    }
}

/// As people write it.
pub(in crate::node) fn mac(octets: [u8; 6]) -> String {
    octets.map(|o| format!("{o:02x}")).join(":")
}

#[cfg(test)]
mod tests;
