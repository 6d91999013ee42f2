//! What surrounds an advert: IP headers and checksums.

use std::net::{IpAddr, Ipv4Addr};

use super::{Datagram, HOPS, Reject, Rejected};
use crate::units::Family;
use crate::vrrp::PROTOCOL;
use crate::vrrp::checksum::sum;

/// Bytes of an IPv4 header without options.
const IPV4_HEADER: usize = 20;
/// Internetwork control, as every implementation marks adverts.
const TOS: u8 = 0xc0;

/// A VRRP message and its travel.
pub(super) struct Packet<'a> {
    pub(super) source: IpAddr,
    pub(super) destination: IpAddr,
    /// TTL or hop limit.
    pub(super) hops: u8,
    pub(super) message: &'a [u8],
}

impl Packet<'_> {
    pub(super) fn family(&self) -> Family {
        Family::of(self.source)
    }
}

pub(super) fn open(datagram: &Datagram) -> Result<Packet<'_>, Rejected> {
    match datagram {
        Datagram::V4(bytes) => open_v4(bytes),
        Datagram::V6 { source, destination, hop_limit, message } => {
            Ok(Packet { source: IpAddr::V6(*source), destination: IpAddr::V6(*destination), hops: *hop_limit, message })
        }
    }
}

/// The header's facts and the bytes that its total length covers.
fn open_v4(datagram: &[u8]) -> Result<Packet<'_>, Rejected> {
    let header = datagram.first_chunk::<IPV4_HEADER>().ok_or(Reject::Truncated)?;
    let [version_ihl, _tos, len_high, len_low, _id0, _id1, frag_high, frag_low, hops, protocol, _c0, _c1, ..] = *header;
    let [.., s0, s1, s2, s3, d0, d1, d2, d3] = *header;
    let ihl = usize::from(version_ihl & 0x0f) * 4;
    let total = usize::from(u16::from_be_bytes([len_high, len_low]));
    let fragment = u16::from_be_bytes([frag_high, frag_low]) & 0x3fff != 0;
    if version_ihl >> 4 != 4 || ihl < IPV4_HEADER || total < ihl || fragment || protocol != PROTOCOL {
        return Err(Reject::IpHeader.into());
    }
    let whole = datagram.get(..ihl).ok_or(Reject::Truncated)?;
    if sum(0, whole) != 0xffff {
        return Err(Reject::IpHeader.into());
    }
    let message = datagram.get(ihl..total).ok_or(Reject::Truncated)?;
    Ok(Packet { source: [s0, s1, s2, s3].into(), destination: [d0, d1, d2, d3].into(), hops, message })
}

/// A whole datagram, ready for a raw socket with `IP_HDRINCL`.
pub(super) fn datagram_v4(source: Ipv4Addr, destination: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let length = IPV4_HEADER + message.len();
    let mut datagram = Vec::with_capacity(length);
    datagram.extend_from_slice(&[0x45, TOS]);
    datagram.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    // Identification 0: the kernel fills it in, and the checksum of the header with it.
    datagram.extend_from_slice(&[0, 0, 0, 0, HOPS, PROTOCOL, 0, 0]);
    datagram.extend_from_slice(&source.octets());
    datagram.extend_from_slice(&destination.octets());
    fill_sum(&mut datagram, 10, 0);
    datagram.extend_from_slice(message);
    datagram
}

/// Writes the checksum of all bytes into the field at `at`, which is zero until then.
pub(super) fn fill_sum(bytes: &mut [u8], at: usize, start: u16) {
    let value = !sum(start, bytes);
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// Sum of source, destination, protocol and length: the order of the fields, which differs between IPv4 and IPv6, does not
/// change it (RFC 9568 section 5.2.8, RFC 8200 section 8.1).
pub(super) fn pseudo_header(source: IpAddr, destination: IpAddr, length: usize) -> u16 {
    let mut header = Vec::with_capacity(36);
    for ip in [source, destination] {
        match ip {
            IpAddr::V4(ip) => header.extend_from_slice(&ip.octets()),
            IpAddr::V6(ip) => header.extend_from_slice(&ip.octets()),
        }
    }
    header.extend_from_slice(&[0, PROTOCOL]);
    header.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    sum(0, &header)
}
