//! The bytes of an advertisement: strict reading, exact writing. VRRPv3 over IPv4.
//!
//! Reading never panics and has no effect but its answer: an [`Advert`] or the [`Reject`] that says which MUST of
//! RFC 9568 section 7.1 the packet breaks.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

use crate::config::{Checksum, Version};
use crate::units::recorded::hex;
use crate::units::{Centis, Priority, Vrid};
use crate::vrrp::PROTOCOL;
use crate::vrrp::checksum::sum;

/// Bytes of an IPv4 header without options.
const IPV4_HEADER: usize = 20;
/// Bytes of a VRRPv3 header.
const VRRP_HEADER: usize = 8;
/// Internetwork control, as every implementation marks adverts.
const TOS: u8 = 0xc0;
/// The only TTL that proves that no router forwarded the packet (RFC 9568 section 5.1.1.3).
const TTL: u8 = 255;

/// A datagram of IP protocol 112, as a raw socket delivers it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Datagram {
    /// The whole IPv4 datagram, header included.
    V4(#[serde(with = "hex")] Vec<u8>),
    /// IPv6: raw sockets deliver no header, only what the kernel tells of it.
    V6 {
        /// Source address.
        source: Ipv6Addr,
        /// Destination address.
        destination: Ipv6Addr,
        /// Hop limit.
        hop_limit: u8,
        /// The VRRP message.
        #[serde(with = "hex")]
        message: Vec<u8>,
    },
}

/// What an advertisement claims (RFC 9568 section 5.2.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// Priority 0: the sender gives up.
    Resign,
    /// Priority 1-255.
    Of(Priority),
}

impl Claim {
    /// The byte on the wire.
    pub fn byte(self) -> u8 {
        match self {
            Self::Resign => 0,
            Self::Of(priority) => priority.get(),
        }
    }

    /// From the byte on the wire.
    pub fn from_byte(byte: u8) -> Self {
        match Priority::new(i64::from(byte)) {
            Ok(priority) => Self::Of(priority),
            Err(_) => Self::Resign,
        }
    }
}

/// An advertisement that passed every check of the packet alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Advert {
    /// Source address of the datagram.
    pub source: IpAddr,
    /// Destination address of the datagram.
    pub destination: IpAddr,
    /// Version of the protocol.
    pub version: Version,
    /// Virtual router.
    pub vrid: Vrid,
    /// What the sender claims.
    pub claim: Claim,
    /// Its advertisement interval.
    pub interval: Centis,
    /// Which checksum it uses.
    pub checksum: Checksum,
    /// The addresses it backs.
    pub addresses: Vec<IpAddr>,
}

/// Why a packet was dropped. The names appear in `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// Shorter than its headers say.
    Truncated,
    /// Longer than the receive buffer or than its addresses explain.
    Oversized,
    /// Not IPv4, a broken IP header, a fragment, or another protocol.
    IpHeader,
    /// TTL is not 255: somebody off the link.
    Ttl,
    /// A VRRP version this router does not speak.
    Version,
    /// Not an advertisement.
    Type,
    /// Neither checksum of VRRPv3 fits.
    Checksum,
    /// VRID 0, or one that nobody here uses on that interface.
    Vrid,
    /// Interval 0.
    Interval,
    /// No address, or a length that does not fit their count.
    AddressCount,
    /// Unicast where multicast is spoken, or the other way round.
    Transport,
    /// Unicast from an address that is no peer.
    UnknownPeer,
    /// From our own address: a loop, or a second host with it.
    OwnAddress,
}

impl Reject {
    /// Name of the counter.
    pub fn name(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Oversized => "oversized",
            Self::IpHeader => "ip-header",
            Self::Ttl => "ttl",
            Self::Version => "version",
            Self::Type => "type",
            Self::Checksum => "checksum",
            Self::Vrid => "vrid",
            Self::Interval => "interval",
            Self::AddressCount => "address-count",
            Self::Transport => "transport",
            Self::UnknownPeer => "unknown-peer",
            Self::OwnAddress => "own-address",
        }
    }
}

/// A dropped packet: the reason, and whose router it was about, as far as it can be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rejected {
    /// The reason.
    pub reason: Reject,
    /// The VRID byte, if the packet was long enough to have one and IP was sound.
    pub vrid: Option<Vrid>,
}

impl From<Reject> for Rejected {
    fn from(reason: Reject) -> Self {
        Self { reason, vrid: None }
    }
}

/// Whether a datagram fitted into the receive buffer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Capture {
    /// All of it.
    Whole,
    /// The rest is lost.
    Cut,
}

/// Reads a whole IPv4 datagram as a raw socket delivers it, in the order of RFC 9568 section 7.1.
pub fn parse(datagram: &Datagram, capture: Capture) -> Result<Advert, Rejected> {
    if capture == Capture::Cut {
        return Err(Reject::Oversized.into());
    }
    let Datagram::V4(datagram) = datagram else { return Err(Reject::Version.into()) };
    let (ip, message) = split_ipv4(datagram)?;
    let vrid = message.get(1).and_then(|v| Vrid::new(i64::from(*v)).ok());
    let reject = |reason| Rejected { reason, vrid };
    if ip.ttl != TTL {
        return Err(reject(Reject::Ttl));
    }
    let [kind, _vrid, priority, count, interval_high, interval_low, _sum_high, _sum_low] =
        *message.first_chunk::<VRRP_HEADER>().ok_or(reject(Reject::Truncated))?;
    if kind >> 4 != 3 {
        return Err(reject(Reject::Version));
    }
    if kind & 0x0f != 1 {
        return Err(reject(Reject::Type));
    }
    let addresses = addresses(message, count).map_err(reject)?;
    let checksum = verify(message, ip.source, ip.destination).ok_or(reject(Reject::Checksum))?;
    let interval = Centis::new(u16::from_be_bytes([interval_high & 0x0f, interval_low]));
    Ok(Advert {
        source: IpAddr::V4(ip.source),
        destination: IpAddr::V4(ip.destination),
        version: Version::V3,
        vrid: vrid.ok_or(reject(Reject::Vrid))?,
        claim: Claim::from_byte(priority),
        interval: interval.map_err(|_| reject(Reject::Interval))?,
        checksum,
        addresses,
    })
}

struct Ipv4 {
    source: Ipv4Addr,
    destination: Ipv4Addr,
    ttl: u8,
}

/// The header's facts and the bytes that its total length covers.
fn split_ipv4(datagram: &[u8]) -> Result<(Ipv4, &[u8]), Rejected> {
    let header = datagram.first_chunk::<IPV4_HEADER>().ok_or(Reject::Truncated)?;
    let [version_ihl, _tos, len_high, len_low, _id0, _id1, frag_high, frag_low, ttl, protocol, _c0, _c1, ..] = *header;
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
    let ip = Ipv4 { source: [s0, s1, s2, s3].into(), destination: [d0, d1, d2, d3].into(), ttl };
    Ok((ip, message))
}

fn addresses(message: &[u8], count: u8) -> Result<Vec<IpAddr>, Reject> {
    let expected = VRRP_HEADER + usize::from(count) * 4;
    if count == 0 {
        return Err(Reject::AddressCount);
    }
    match message.len().cmp(&expected) {
        std::cmp::Ordering::Less => Err(Reject::Truncated),
        std::cmp::Ordering::Greater => Err(Reject::Oversized),
        std::cmp::Ordering::Equal => {
            let list = message.get(VRRP_HEADER..).unwrap_or_default();
            Ok(list.as_chunks::<4>().0.iter().map(|octets| IpAddr::from(*octets)).collect())
        }
    }
}

/// Which of the two checksums in the field fits, if any.
fn verify(message: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> Option<Checksum> {
    if sum(0, message) == 0xffff {
        Some(Checksum::Rfc9568)
    } else if sum(pseudo_header(message, source, destination), message) == 0xffff {
        Some(Checksum::PseudoHeader)
    } else {
        None
    }
}

/// What to write into an advertisement.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Group or peer.
    pub destination: IpAddr,
    /// Version of the protocol.
    pub version: Version,
    /// Virtual router.
    pub vrid: Vrid,
    /// What we claim.
    pub claim: Claim,
    /// Our advertisement interval.
    pub interval: Centis,
    /// Which checksum to write.
    pub checksum: Checksum,
    /// The addresses, at most 255 (the configuration holds far fewer).
    pub addresses: &'a [IpAddr],
}

/// Writes a whole IPv4 datagram, ready for a raw socket with `IP_HDRINCL`.
pub fn build(advert: &Outgoing<'_>) -> Vec<u8> {
    let (IpAddr::V4(source), IpAddr::V4(destination)) = (advert.source, advert.destination) else { return Vec::new() };
    let addresses = advert.addresses.get(..255).unwrap_or(advert.addresses);
    let count = u8::try_from(addresses.len()).unwrap_or(u8::MAX);
    let length = IPV4_HEADER + VRRP_HEADER + addresses.len() * 4;
    let mut datagram = Vec::with_capacity(length);
    datagram.extend_from_slice(&[0x45, TOS]);
    datagram.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
    // Identification 0: the kernel fills it in, and the checksum of the header with it.
    datagram.extend_from_slice(&[0, 0, 0, 0, TTL, PROTOCOL, 0, 0]);
    datagram.extend_from_slice(&source.octets());
    datagram.extend_from_slice(&destination.octets());
    let header_sum = !sum(0, &datagram);
    put(&mut datagram, 10, header_sum);

    let mut message = Vec::with_capacity(length - IPV4_HEADER);
    message.extend_from_slice(&[0x31, advert.vrid.get(), advert.claim.byte(), count]);
    message.extend_from_slice(&advert.interval.get().to_be_bytes());
    message.extend_from_slice(&[0, 0]);
    for address in addresses {
        if let IpAddr::V4(ip) = address {
            message.extend_from_slice(&ip.octets());
        }
    }
    let start = match advert.checksum {
        Checksum::Rfc9568 => 0,
        // DEVIATION: RFC 9568 section 5.2.8 leaves the pseudo header out for IPv4; keepalived and FRR, the peers
        // in the field, demand it by default (test: both_ipv4_checksums_are_accepted).
        Checksum::PseudoHeader => pseudo_header(&message, source, destination),
    };
    let message_sum = !sum(start, &message);
    put(&mut message, 6, message_sum);
    datagram.extend_from_slice(&message);
    datagram
}

fn put(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(field) = bytes.get_mut(at..at + 2) {
        field.copy_from_slice(&value.to_be_bytes());
    }
}

/// Source, destination, zero, protocol, length (RFC 9568 section 5.2.8, as IPv6 has it).
fn pseudo_header(message: &[u8], source: Ipv4Addr, destination: Ipv4Addr) -> u16 {
    let mut header = Vec::with_capacity(12);
    header.extend_from_slice(&source.octets());
    header.extend_from_slice(&destination.octets());
    header.extend_from_slice(&[0, PROTOCOL]);
    header.extend_from_slice(&u16::try_from(message.len()).unwrap_or(u16::MAX).to_be_bytes());
    sum(0, &header)
}

#[cfg(test)]
mod tests;
