//! The HMAC-SHA256 trailer of keepalived 2.4.2 and later: 28 bytes after the VRRP message, of any version and family.
//!
//! ```text
//! type 1 | key id | 0 0 | seconds (4) | 1/65536 seconds (2) | counter (2) | HMAC-SHA256, first 16 bytes
//! ```
//! Signed are family, version, VRID and source, the message with its checksum as zero, and the first 12 bytes above. The
//! IPv4 checksum does not cover the trailer; that of IPv6 does, since kernels compute it over all.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::ip::Packet;
use super::{Outgoing, Reject};

/// Bytes of a trailer.
const TRAILER: usize = 28;
/// Bytes of it before the signature.
const PREFIX: usize = 12;
/// Bytes of the signature.
const SIGNATURE: usize = 16;
/// HMAC-SHA256, the only type there is.
const TYPE: u8 = 1;
/// Where the checksum is in a message.
const CHECKSUM: std::ops::Range<usize> = 6..8;

/// When an advert was signed: seconds since the epoch modulo 2^32, 1/65536 seconds, and a counter.
///
/// They are compared as serial numbers (RFC 1982), so they survive the wrap of the seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp(u64);

impl Stamp {
    /// A reading of the wall clock, as time since the epoch.
    pub fn of(wall: Duration) -> Self {
        let seconds = wall.as_secs() & u64::from(u32::MAX);
        let fraction = (u64::from(wall.subsec_nanos()) << 16) / 1_000_000_000;
        Self(seconds << 32 | fraction << 16)
    }

    /// Whether it is later.
    pub fn is_after(self, other: Self) -> bool {
        let ahead = self.0.wrapping_sub(other.0);
        ahead != 0 && ahead < 1 << 63
    }

    /// The smallest later one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }

    /// Whole seconds between two, whichever is later.
    pub fn seconds_from(self, other: Self) -> u64 {
        let whole = |stamp: Self| stamp.0 >> 32;
        let ahead = whole(self).wrapping_sub(whole(other)) & u64::from(u32::MAX);
        ahead.min((1 << 32) - ahead)
    }
}

/// A trailer that is well formed; whether it is genuine is for [`Trailer::is_signed_with`].
#[derive(Clone, PartialEq, Eq)]
pub struct Trailer {
    /// Which key its sender used.
    pub key_id: u8,
    /// When it was signed.
    pub stamp: Stamp,
    signature: [u8; SIGNATURE],
    signed: Vec<u8>,
}

impl fmt::Debug for Trailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trailer").field("key_id", &self.key_id).field("stamp", &self.stamp).finish_non_exhaustive()
    }
}

impl Trailer {
    /// Whether this key made the signature.
    pub fn is_signed_with(&self, key: &[u8]) -> bool {
        keyed(key, &self.signed).is_some_and(|mac| mac.verify_truncated_left(&self.signature).is_ok())
    }
}

/// What follows addresses and authentication data, which must be a trailer.
pub(super) fn read(packet: &Packet<'_>, rest: &[u8]) -> Result<Trailer, Reject> {
    let bytes: &[u8; TRAILER] = rest.try_into().map_err(|_| Reject::Oversized)?;
    let [kind, key_id, 0, 0, s0, s1, s2, s3, f0, f1, c0, c1, signature @ ..] = *bytes else {
        return Err(Reject::Oversized);
    };
    if kind != TYPE {
        return Err(Reject::Oversized);
    }
    let unsigned = packet.message.get(..packet.message.len() - SIGNATURE).unwrap_or_default();
    let stamp = Stamp(u64::from_be_bytes([s0, s1, s2, s3, f0, f1, c0, c1]));
    Ok(Trailer { key_id, stamp, signature, signed: signed(packet.source, unsigned) })
}

/// Appends a trailer to a complete message.
pub(super) fn sign(message: &mut Vec<u8>, advert: &Outgoing<'_>, (id, key): (u8, &[u8]), stamp: Stamp) {
    let mut prefix = [TYPE, id, 0, 0].to_vec();
    prefix.extend_from_slice(&stamp.0.to_be_bytes());
    debug_assert_eq!(prefix.len(), PREFIX, "the layout above");
    message.extend_from_slice(&prefix);
    let mac = keyed(key, &signed(advert.source, message));
    let whole: [u8; 32] = mac.map(|mac| mac.finalize().into_bytes().into()).unwrap_or_default();
    message.extend(whole.iter().take(SIGNATURE));
}

/// The bytes under the signature; `unsigned` is the message with the trailer up to its signature.
fn signed(source: IpAddr, unsigned: &[u8]) -> Vec<u8> {
    let version = unsigned.first().map_or(0, |kind| kind >> 4);
    let vrid = unsigned.get(1).copied().unwrap_or(0);
    let mut bytes = Vec::with_capacity(20 + unsigned.len() + SIGNATURE);
    match source {
        IpAddr::V4(ip) => {
            bytes.extend_from_slice(&[4, version, vrid, 0]);
            bytes.extend_from_slice(&ip.octets());
            bytes.extend_from_slice(&[0; 12]);
        }
        IpAddr::V6(ip) => {
            bytes.extend_from_slice(&[6, version, vrid, 0]);
            bytes.extend_from_slice(&ip.octets());
        }
    }
    let message_at = bytes.len();
    bytes.extend_from_slice(unsigned);
    if let Some(field) = bytes.get_mut(message_at + CHECKSUM.start..message_at + CHECKSUM.end) {
        field.fill(0);
    }
    bytes.extend_from_slice(&[0; SIGNATURE]);
    bytes
}

fn keyed(key: &[u8], bytes: &[u8]) -> Option<Hmac<Sha256>> {
    // HMAC takes keys of any length, so this cannot fail.
    let mut mac = <Hmac<Sha256> as Mac>::new_from_slice(key).ok()?;
    mac.update(bytes);
    Some(mac)
}
