//! The hardware address of a virtual router (RFC 9568 section 7.3), and adverts that have it as their source: switches
//! learn from them where the virtual router is.

use std::net::{IpAddr, Ipv6Addr};

use crate::units::{Family, Vrid};
use crate::vrrp::PROTOCOL;
use crate::vrrp::packet::HOPS;

/// Internetwork control, as in IPv4.
const TRAFFIC_CLASS: u8 = 0xc0;

/// `00:00:5e:00:01:VRID` for IPv4, `00:00:5e:00:02:VRID` for IPv6.
pub fn virtual_mac(family: Family, vrid: Vrid) -> [u8; 6] {
    let block = match family {
        Family::V4 => 1,
        Family::V6 => 2,
    };
    [0, 0, 0x5e, 0, block, vrid.get()]
}

/// An advert to a group as a whole Ethernet frame. `bytes` is what [`build`](crate::vrrp::packet::build) gave for these addresses. None where
/// they are of two families, or `group` is no multicast group.
pub fn advert_frame(mac: [u8; 6], source: IpAddr, group: IpAddr, bytes: &[u8]) -> Option<Vec<u8>> {
    let mut frame = Vec::with_capacity(54 + bytes.len());
    match (source, group) {
        (IpAddr::V4(_), IpAddr::V4(group)) if group.is_multicast() => {
            // RFC 1112 section 6.4: the low 23 bits.
            let [_, high, middle, low] = group.octets();
            frame.extend_from_slice(&[0x01, 0x00, 0x5e, high & 0x7f, middle, low]);
            frame.extend_from_slice(&mac);
            frame.extend_from_slice(&[0x08, 0x00]);
        }
        (IpAddr::V6(source), IpAddr::V6(group)) if group.is_multicast() => {
            // RFC 2464 section 7: the low 32 bits.
            let [.., a, b, c, d] = group.octets();
            frame.extend_from_slice(&[0x33, 0x33, a, b, c, d]);
            frame.extend_from_slice(&mac);
            frame.extend_from_slice(&[0x86, 0xdd]);
            frame.extend_from_slice(&ipv6_header(source, group, bytes.len()));
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => return None,
    }
    frame.extend_from_slice(bytes);
    Some(frame)
}

fn ipv6_header(source: Ipv6Addr, destination: Ipv6Addr, length: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes();
    let mut header = vec![0x60 | TRAFFIC_CLASS >> 4, TRAFFIC_CLASS << 4, 0, 0, high, low, PROTOCOL, HOPS];
    header.extend_from_slice(&source.octets());
    header.extend_from_slice(&destination.octets());
    header
}

#[cfg(test)]
mod tests;
