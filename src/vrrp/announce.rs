//! Gratuitous ARP and unsolicited neighbour advertisements: tell the segment where a virtual address now lives.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::vrrp::checksum;

/// The frame that tells the segment that `ip` now lives at another host's `mac`, sent by `sender`: switches learn where
/// the sender is, and only hosts where the address is.
pub fn announcement_for(sender: [u8; 6], mac: [u8; 6], ip: IpAddr) -> Vec<u8> {
    let mut frame = announcement(mac, ip);
    if let Some(source) = frame.get_mut(6..12) {
        source.copy_from_slice(&sender);
    }
    frame
}

/// The frame that tells the segment that `ip` now lives at `mac`.
pub fn announcement(mac: [u8; 6], ip: IpAddr) -> Vec<u8> {
    match ip {
        IpAddr::V4(ip) => gratuitous_arp(mac, ip),
        IpAddr::V6(ip) => unsolicited_na(mac, ip),
    }
}

/// A gratuitous ARP *request* for `ip` from `mac`, as a whole Ethernet frame.
///
/// A request, sender and target address both the VIP, target hardware address broadcast: the form that
/// keepalived sends and that every switch and host in the field updates its caches from (RFC 5227 section 3
/// explains why a request is preferred to a reply).
pub fn gratuitous_arp(mac: [u8; 6], ip: Ipv4Addr) -> Vec<u8> {
    const BROADCAST: [u8; 6] = [0xff; 6];
    let mut frame = Vec::with_capacity(42);
    frame.extend_from_slice(&BROADCAST);
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&[0x08, 0x06]); // EtherType ARP
    frame.extend_from_slice(&[0, 1, 0x08, 0, 6, 4, 0, 1]); // Ethernet, IPv4, lengths, request
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&ip.octets());
    frame.extend_from_slice(&BROADCAST);
    frame.extend_from_slice(&ip.octets());
    frame
}

/// An unsolicited neighbour advertisement to all nodes (RFC 4861 section 7.2.6): override set, target link-layer address
/// option, hop limit 255. The router flag stays clear: the host need not forward.
pub fn unsolicited_na(mac: [u8; 6], ip: Ipv6Addr) -> Vec<u8> {
    const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let mut icmp = vec![136, 0, 0, 0, 0x20, 0, 0, 0]; // type, code, checksum, override
    icmp.extend_from_slice(&ip.octets());
    icmp.extend_from_slice(&[2, 1]); // target link-layer address, in units of 8 bytes
    icmp.extend_from_slice(&mac);
    let mut pseudo = Vec::with_capacity(40);
    pseudo.extend_from_slice(&ip.octets());
    pseudo.extend_from_slice(&ALL_NODES.octets());
    pseudo.extend_from_slice(&[0, 0, 0, 32, 0, 0, 0, 58]);
    let sum = !checksum::sum(checksum::sum(0, &pseudo), &icmp);
    if let Some(field) = icmp.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    let mut frame = Vec::with_capacity(86);
    frame.extend_from_slice(&[0x33, 0x33, 0, 0, 0, 1]);
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&[0x86, 0xdd]); // EtherType IPv6
    frame.extend_from_slice(&[0x60, 0, 0, 0, 0, 32, 58, 255]); // version, payload length, ICMPv6, hop limit
    frame.extend_from_slice(&ip.octets());
    frame.extend_from_slice(&ALL_NODES.octets());
    frame.extend_from_slice(&icmp);
    frame
}

#[cfg(test)]
mod tests;
