//! The bytes of an advertisement: strict reading, exact writing. VRRPv2 over IPv4 (RFC 3768), VRRPv3 over IPv4 and IPv6
//! (RFC 9568).
//!
//! Reading never panics and has no effect but its answer: an [`Advert`] or the [`Reject`] that says which MUST of
//! section 7.1 of either RFC the packet breaks.

mod ip;
mod trailer;
mod v2;
mod v3;

use std::net::{IpAddr, Ipv6Addr};

pub use trailer::{Stamp, Trailer};

use serde::{Deserialize, Serialize};

use crate::config::{Checksum, Version};
use crate::units::recorded::hex;
use crate::units::{Centis, Family, Priority, Vrid};

/// Bytes of a VRRP header, in every version.
const VRRP_HEADER: usize = 8;
/// The only TTL or hop limit that proves that no router forwarded the packet (RFC 9568 sections 5.1.1.3 and 5.1.2.3).
pub(super) const HOPS: u8 = 255;
/// Most addresses in an IPv6 advert: what fits into the smallest MTU of IPv6 (1280 bytes) with every header and trailer, so
/// that no advert is ever fragmented.
pub const ADDRESSES_MAX_V6: usize = 75;
/// Most addresses in an IPv4 advert: the count is one byte.
pub const ADDRESSES_MAX_V4: usize = 255;

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
    /// Which checksum it uses; of meaning for VRRPv3 over IPv4 only.
    pub checksum: Checksum,
    /// The addresses it backs.
    pub addresses: Vec<IpAddr>,
    /// How it is authenticated; not judged yet.
    pub credential: Credential,
}

/// What an advertisement carries for its authentication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// Nothing.
    None,
    /// VRRPv2's simple text password (RFC 2338 section 5.3.6.1).
    Password([u8; 8]),
    /// Another authentication type of VRRPv2.
    Other(u8),
    /// keepalived's HMAC trailer.
    Trailer(Trailer),
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
    /// TTL or hop limit is not 255: somebody off the link.
    Ttl,
    /// A VRRP version that this router does not speak.
    Version,
    /// Not an advertisement.
    Type,
    /// No checksum of that version fits.
    Checksum,
    /// VRID 0, or one that nobody here uses on that interface.
    Vrid,
    /// Interval 0.
    Interval,
    /// VRRPv2: another interval than ours (RFC 3768 section 7.1).
    IntervalMismatch,
    /// No address, or a length that does not fit their count.
    AddressCount,
    /// Unicast where multicast is spoken, or the other way round.
    Transport,
    /// Unicast from an address that is no peer.
    UnknownPeer,
    /// From our own address: a loop, or a second host with it.
    OwnAddress,
    /// Authenticated in another way than ours, or although we do not authenticate.
    AuthType,
    /// No or a wrong password or signature.
    Auth,
    /// Signed with a key id that we do not have.
    AuthKey,
    /// Signed too far from our time of day.
    AuthStale,
    /// Signed, and heard before.
    AuthReplay,
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
            Self::IntervalMismatch => "interval-mismatch",
            Self::AuthType => "auth-type",
            Self::Auth => "auth",
            Self::AuthKey => "auth-key",
            Self::AuthStale => "auth-stale",
            Self::AuthReplay => "auth-replay",
        }
    }

    /// What is behind it in most cases, for people.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Truncated | Self::Oversized | Self::IpHeader | Self::Type | Self::AddressCount => {
                "they are malformed, or of another protocol"
            }
            Self::Ttl => "they were forwarded by a router: somebody off the link sends them",
            Self::Version => "they are of another version of VRRP: `version` must be the same on every router",
            Self::Checksum => "no checksum of that version fits: they are damaged on their way",
            Self::Vrid => "no VIP here has that VRID",
            Self::Interval => "they give no interval",
            Self::IntervalMismatch => {
                "they give another interval: with version 2, `advert_interval` must be the same on every router"
            }
            Self::Transport => "one side speaks unicast and the other multicast, or in another group",
            Self::UnknownPeer => "that address is of no [[node]]",
            Self::OwnAddress => "that is the address of this node: a second host has it, or a switch loops",
            Self::AuthType => "one side authenticates and the other does not, or in another way",
            Self::Auth => "password or key differ from ours",
            Self::AuthKey => "they are signed with a key id that is not in `keys`",
            Self::AuthStale => "they are signed at another time of day: the clocks differ",
            Self::AuthReplay => "they were heard before: somebody repeats them",
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
    /// Who sent it, if IP was sound.
    pub source: Option<IpAddr>,
}

impl From<Reject> for Rejected {
    fn from(reason: Reject) -> Self {
        Self { reason, vrid: None, source: None }
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

/// What the body of an advert says, by version.
struct Body {
    interval: Centis,
    checksum: Checksum,
    addresses: Vec<IpAddr>,
    credential: Credential,
}

/// Reads a datagram as a raw socket delivers it, in the order of RFC 9568 section 7.1.
///
/// # Errors
/// The first MUST that it breaks.
pub fn parse(datagram: &Datagram, capture: Capture) -> Result<Advert, Rejected> {
    if capture == Capture::Cut {
        return Err(Reject::Oversized.into());
    }
    let packet = ip::open(datagram)?;
    let vrid = packet.message.get(1).and_then(|v| Vrid::new(i64::from(*v)).ok());
    let reject = |reason| Rejected { reason, vrid, source: Some(packet.source) };
    if packet.hops != HOPS {
        return Err(reject(Reject::Ttl));
    }
    let header = packet.message.first_chunk::<VRRP_HEADER>().ok_or(reject(Reject::Truncated))?;
    let [kind, _vrid, priority, ..] = *header;
    let version = match (kind >> 4, Family::of(packet.source)) {
        (2, Family::V4) => Version::V2,
        (3, Family::V4 | Family::V6) => Version::V3,
        // VRRPv2 knows no IPv6.
        _ => return Err(reject(Reject::Version)),
    };
    if kind & 0x0f != 1 {
        return Err(reject(Reject::Type));
    }
    let body = match version {
        Version::V2 => v2::read(&packet, header),
        Version::V3 => v3::read(&packet, header),
    };
    let Body { interval, checksum, addresses, credential } = body.map_err(reject)?;
    Ok(Advert {
        source: packet.source,
        destination: packet.destination,
        version,
        vrid: vrid.ok_or(reject(Reject::Vrid))?,
        claim: Claim::from_byte(priority),
        interval,
        checksum,
        addresses,
        credential,
    })
}

/// The addresses after the header, and what follows them.
fn addresses(message: &[u8], count: u8, family: Family) -> Result<(Vec<IpAddr>, &[u8]), Reject> {
    if count == 0 {
        return Err(Reject::AddressCount);
    }
    let size = match family {
        Family::V4 => 4,
        Family::V6 => 16,
    };
    let list = message.get(VRRP_HEADER..).unwrap_or_default();
    let (list, rest) = list.split_at_checked(usize::from(count) * size).ok_or(Reject::Truncated)?;
    let addresses = match family {
        Family::V4 => list.as_chunks::<4>().0.iter().map(|octets| IpAddr::from(*octets)).collect(),
        Family::V6 => list.as_chunks::<16>().0.iter().map(|octets| IpAddr::from(*octets)).collect(),
    };
    Ok((addresses, rest))
}

/// What to write into an advertisement.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Source address.
    pub source: IpAddr,
    /// Group or peer, of the same family.
    pub destination: IpAddr,
    /// Version of the protocol.
    pub version: Version,
    /// Virtual router.
    pub vrid: Vrid,
    /// What we claim.
    pub claim: Claim,
    /// Our advertisement interval.
    pub interval: Centis,
    /// Which checksum to write into VRRPv3 over IPv4.
    pub checksum: Checksum,
    /// The addresses, at most 255 or, of IPv6, [`ADDRESSES_MAX_V6`] (the configuration holds fewer).
    pub addresses: &'a [IpAddr],
    /// How to authenticate it.
    pub seal: Seal<'a>,
}

/// How an advertisement is authenticated.
#[derive(Debug, Clone, Copy)]
pub enum Seal<'a> {
    /// Not at all.
    None,
    /// VRRPv2's simple text password; version 3 has no place for it.
    Password([u8; 8]),
    /// keepalived's HMAC trailer.
    Hmac {
        /// Id of the key.
        id: u8,
        /// The key.
        key: &'a [u8],
        /// Later than that of every earlier advert.
        stamp: Stamp,
    },
}

/// Writes an advert as a raw socket takes it: for IPv4 the whole datagram (`IP_HDRINCL`), for IPv6 the VRRP message.
/// Addresses of two families give nothing.
pub fn build(advert: &Outgoing<'_>) -> Vec<u8> {
    if Family::of(advert.source) != Family::of(advert.destination) {
        return Vec::new();
    }
    let mut message = match advert.version {
        Version::V2 => v2::write(advert),
        Version::V3 => v3::write(advert),
    };
    if let Seal::Hmac { id, key, stamp } = advert.seal {
        trailer::sign(&mut message, advert, (id, key), stamp);
    }
    match (advert.source, advert.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => ip::datagram_v4(source, destination, &message),
        (IpAddr::V4(_) | IpAddr::V6(_), _) => {
            // The checksum of IPv6 covers everything after the header, a trailer too.
            let start = ip::pseudo_header(advert.source, advert.destination, message.len());
            ip::fill_sum(&mut message, 6, start);
            message
        }
    }
}

/// The addresses of the advert's family, as many as fit, and their count.
fn address_list(advert: &Outgoing<'_>) -> (u8, Vec<u8>) {
    let octets = |ip: &IpAddr| match (ip, advert.source) {
        (IpAddr::V4(ip), IpAddr::V4(_)) => Some(ip.octets().to_vec()),
        (IpAddr::V6(ip), IpAddr::V6(_)) => Some(ip.octets().to_vec()),
        (IpAddr::V4(_) | IpAddr::V6(_), _) => None,
    };
    let most = match Family::of(advert.source) {
        Family::V4 => ADDRESSES_MAX_V4,
        Family::V6 => ADDRESSES_MAX_V6,
    };
    let list: Vec<Vec<u8>> = advert.addresses.iter().filter_map(octets).take(most).collect();
    (u8::try_from(list.len()).unwrap_or(u8::MAX), list.concat())
}

#[cfg(test)]
mod tests;
