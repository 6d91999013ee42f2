//! The network between the made-up hosts: who hears whom, and on which interface.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use crate::node::Event;
use crate::node::event::{Datagram, Received};
use crate::rehearsal::host::Host;
use crate::rehearsal::world::World;
use crate::units::{Family, IfName};
use crate::vrrp::arp;

/// The time that a frame travels.
const TRAVEL: Duration = Duration::from_micros(60);
/// Where an Ethernet header ends and an IPv4 header in it begins.
const ETHERNET: usize = 14;

impl World {
    fn is_lost(&self, from: usize, to: usize) -> bool {
        let there = |at: usize| self.hosts.get(at).is_some_and(Host::is_reachable);
        from == to || !there(from) || !there(to) || self.cut.contains(&(from, to))
    }

    /// Where on another host a frame arrives that leaves there: VIPs say which interfaces are one network.
    fn opposite(&self, from: usize, interface: &IfName, to: usize) -> Option<IfName> {
        let (from, to) = (self.hosts.get(from)?, self.hosts.get(to)?);
        let same = |vip: &&crate::config::VipConfig| vip.interfaces.get(&from.player.name) == Some(interface);
        let there = |vip: &crate::config::VipConfig| vip.interfaces.get(&to.player.name).cloned();
        from.config().vips.iter().filter(same).find_map(there)
    }

    pub(super) fn transmit(&mut self, from: usize, interface: &IfName, source: IpAddr, to: IpAddr, bytes: &[u8]) {
        if !self.hosts.get(from).is_some_and(Host::has_carrier) {
            let error = "network is down".to_owned();
            return self.deliver(from, Duration::ZERO, Event::TransmitFailed { interface: interface.clone(), error });
        }
        for host in 0..self.hosts.len() {
            if self.is_lost(from, host) || !(to.is_multicast() || self.has_own(host, to)) {
                continue;
            }
            let Some(arrives) = self.opposite(from, interface, host) else { continue };
            let datagram = match (source, to) {
                (IpAddr::V6(source), IpAddr::V6(destination)) => {
                    Datagram::V6 { source, destination, hop_limit: 255, message: bytes.to_vec() }
                }
                _ => Datagram::V4(bytes.to_vec()),
            };
            let received = Received { interface: arrives, truncated: false, datagram, at: self.now + TRAVEL };
            self.deliver(host, TRAVEL, Event::PacketReceived(received));
        }
    }

    fn has_own(&self, host: usize, ip: IpAddr) -> bool {
        let node = self.hosts.get(host).and_then(|h| h.config().node(&h.player.name));
        node.is_some_and(|node| node.address_of(Family::of(ip)) == Some(ip))
    }

    pub(super) fn send_hello(&mut self, from: usize, to: SocketAddr, bytes: &[u8]) {
        let node = self.hosts.get(from).and_then(|h| h.config().node(&h.player.name));
        let Some(source) = node.and_then(|node| node.address_of(Family::of(to.ip()))) else { return };
        let Some(host) = (0..self.hosts.len()).find(|host| self.has_own(*host, to.ip())) else { return };
        if !self.is_lost(from, host) {
            let from = SocketAddr::new(source, to.port());
            self.deliver(host, TRAVEL, Event::HelloReceived { from, bytes: bytes.to_vec(), at: self.now + TRAVEL });
        }
    }

    /// A whole frame: an announcement, or an advert from the hardware address of a virtual router.
    pub(super) fn announce(&mut self, host: usize, interface: &IfName, frame: &[u8]) {
        if !self.hosts.get(host).is_some_and(Host::is_reachable) {
            return;
        }
        if let Some(sender) = frame.get(6..12).and_then(|mac| <[u8; 6]>::try_from(mac).ok()) {
            self.caches.ports.insert(sender, host);
        }
        self.changed = true;
        if let Some(claimed) = arp::claimed(frame) {
            self.caches.neighbours.insert(claimed.ip, claimed.mac);
            return;
        }
        if let Some((source, to, bytes)) = advert(frame) {
            self.transmit(host, interface, source, to, bytes);
        }
    }
}

/// An advert in an Ethernet frame, as [`crate::node::Effect::Transmit`] would have had it.
fn advert(frame: &[u8]) -> Option<(IpAddr, IpAddr, &[u8])> {
    let kind = frame.get(12..ETHERNET)?;
    let packet = frame.get(ETHERNET..)?;
    match kind {
        [0x08, 0x00] => {
            let address = |at: usize| packet.get(at..at + 4).and_then(|ip| <[u8; 4]>::try_from(ip).ok());
            Some((IpAddr::from(address(12)?), IpAddr::from(address(16)?), packet))
        }
        [0x86, 0xdd] => {
            let address = |at: usize| packet.get(at..at + 16).and_then(|ip| <[u8; 16]>::try_from(ip).ok());
            Some((IpAddr::from(address(8)?), IpAddr::from(address(24)?), packet.get(40..)?))
        }
        _ => None,
    }
}
