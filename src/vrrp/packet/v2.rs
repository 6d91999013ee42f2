//! The body of VRRPv2 (RFC 3768; the password is of RFC 2338).
//!
//! Authentication type and interval in seconds are one byte each; eight bytes of authentication data follow the addresses,
//! also where there is no authentication. The checksum covers all of that and no pseudo header.

use super::ip::{Packet, fill_sum};
use super::{Body, Credential, Outgoing, Reject, Seal, VRRP_HEADER, address_list, addresses, trailer};
use crate::config::Checksum;
use crate::units::{Centis, Family};
use crate::vrrp::checksum::sum;

/// Bytes of authentication data.
const AUTH_DATA: usize = 8;
/// No authentication.
const AUTH_NONE: u8 = 0;
/// Simple text password.
const AUTH_PASSWORD: u8 = 1;

pub(super) fn read(packet: &Packet<'_>, header: &[u8; VRRP_HEADER]) -> Result<Body, Reject> {
    let [_kind, _vrid, _priority, count, auth_type, seconds, _sum_high, _sum_low] = *header;
    let (addresses, rest) = addresses(packet.message, count, Family::V4)?;
    let (data, rest) = rest.split_first_chunk::<AUTH_DATA>().ok_or(Reject::Truncated)?;
    let credential = match (rest.is_empty(), auth_type) {
        (true, AUTH_NONE) => Credential::None,
        (true, AUTH_PASSWORD) => Credential::Password(*data),
        (true, other) => Credential::Other(other),
        // keepalived permits no second authentication beside a trailer.
        (false, AUTH_NONE) => Credential::Trailer(trailer::read(packet, rest)?),
        (false, _) => return Err(Reject::Oversized),
    };
    let covered = packet.message.len() - rest.len();
    if sum(0, packet.message.get(..covered).unwrap_or_default()) != 0xffff {
        return Err(Reject::Checksum);
    }
    let interval = match seconds {
        0 => return Err(Reject::Interval),
        // Ours is never as long as what does not fit.
        seconds => Centis::new(u16::from(seconds) * 100).map_err(|_| Reject::IntervalMismatch)?,
    };
    Ok(Body { interval, checksum: Checksum::Rfc9568, addresses, credential })
}

pub(super) fn write(advert: &Outgoing<'_>) -> Vec<u8> {
    let (count, list) = address_list(advert);
    let (auth_type, data) = match advert.seal {
        Seal::Password(password) => (AUTH_PASSWORD, password),
        Seal::None | Seal::Hmac { .. } => (AUTH_NONE, [0; AUTH_DATA]),
    };
    // The configuration holds whole seconds, at most 40.
    let seconds = u8::try_from(advert.interval.get() / 100).unwrap_or(u8::MAX).max(1);
    let mut message = vec![0x21, advert.vrid.get(), advert.claim.byte(), count, auth_type, seconds, 0, 0];
    message.extend_from_slice(&list);
    message.extend_from_slice(&data);
    fill_sum(&mut message, 6, 0);
    message
}
