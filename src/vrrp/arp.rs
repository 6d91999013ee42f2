//! Who claims an address: ARP frames and neighbour advertisements of others, read strictly.
//!
//! An ARP packet claims its sender's address, whether it asks or answers; a probe (RFC 5227 section 2.1.1) has none and
//! claims nothing. A neighbour advertisement claims its target (RFC 4861 section 4.4).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::vrrp::checksum::sum;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;
/// Bytes of an IPv6 header.
const IPV6: usize = 40;
/// Bytes of a neighbour advertisement before its options.
const ADVERTISEMENT: usize = 24;

/// A claim to an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Claimed {
    /// Which address.
    pub ip: IpAddr,
    /// The hardware address where it is said to be.
    pub mac: [u8; 6],
}

/// The question who has `ip`, from a host that claims nothing itself (RFC 5227 section 2.1.1), as a whole Ethernet frame.
#[must_use]
pub fn probe(mac: [u8; 6], ip: Ipv4Addr) -> Vec<u8> {
    let mut frame = Vec::with_capacity(42);
    frame.extend_from_slice(&[0xff; 6]);
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&[0x08, 0x06]); // EtherType ARP
    frame.extend_from_slice(&[0, 1, 0x08, 0, 6, 4, 0, 1]); // Ethernet, IPv4, lengths, request
    frame.extend_from_slice(&mac);
    frame.extend_from_slice(&[0; 10]); // no sender's address, no target's hardware address
    frame.extend_from_slice(&ip.octets());
    frame
}

/// What a whole Ethernet frame claims; none: nothing, or it is broken.
pub fn claimed(frame: &[u8]) -> Option<Claimed> {
    let (ethernet, payload) = frame.split_first_chunk::<ETHERNET>()?;
    let [_d0, _d1, _d2, _d3, _d4, _d5, source @ .., high, low] = *ethernet;
    match [high, low] {
        [0x08, 0x06] => arp(payload),
        [0x86, 0xdd] => advertisement(source, payload),
        _ => None,
    }
}

fn arp(payload: &[u8]) -> Option<Claimed> {
    // Ethernet, IPv4, lengths of 6 and 4; a request or a reply.
    let [0, 1, 0x08, 0, 6, 4, 0, 1 | 2, rest @ ..] = payload else { return None };
    let (mac, rest) = rest.split_first_chunk::<6>()?;
    let (ip, rest) = rest.split_first_chunk::<4>()?;
    let ip = Ipv4Addr::from(*ip);
    // The target's two addresses must be there, whatever they are.
    (rest.len() >= 10 && !ip.is_unspecified()).then_some(Claimed { ip: IpAddr::V4(ip), mac: *mac })
}

fn advertisement(source: [u8; 6], packet: &[u8]) -> Option<Claimed> {
    let (header, rest) = packet.split_first_chunk::<IPV6>()?;
    let [0x60..=0x6f, _, _, _, length_high, length_low, 58, 255, addresses @ ..] = header else { return None };
    let length = u16::from_be_bytes([*length_high, *length_low]);
    let message = rest.get(..usize::from(length))?;
    let mut pseudo = addresses.to_vec();
    pseudo.extend_from_slice(&[0, 58]);
    pseudo.extend_from_slice(&length.to_be_bytes());
    if sum(sum(0, &pseudo), message) != 0xffff {
        return None;
    }
    let (fixed, mut options) = message.split_first_chunk::<ADVERTISEMENT>()?;
    let [136, 0, _, _, _, _, _, _, target @ ..] = *fixed else { return None };
    let mut mac = source;
    // At least eight bytes each, so the loop ends.
    while let [kind, units, ..] = *options {
        let (option, rest) = options.split_at_checked(usize::from(units.max(1)) * 8)?;
        if let (2, [_, 1, link @ ..]) = (kind, option) {
            mac = link.try_into().ok()?;
        }
        options = rest;
    }
    let ip = Ipv6Addr::from(target);
    (!ip.is_multicast()).then_some(Claimed { ip: IpAddr::V6(ip), mac })
}

#[cfg(test)]
mod tests;
