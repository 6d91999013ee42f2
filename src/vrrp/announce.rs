//! Gratuitous ARP frames: tell the segment where a virtual address now lives.

use std::net::Ipv4Addr;

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

#[cfg(test)]
mod tests;
