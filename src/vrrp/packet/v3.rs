//! The body of VRRPv3 (RFC 9568 section 5.2).
//!
//! The interval is 12 bits of centiseconds. Over IPv6 the checksum covers a pseudo header and whatever follows the addresses;
//! over IPv4 it covers the message alone or, as most implementations have it, with a pseudo header.

use super::ip::{Packet, fill_sum, pseudo_header};
use super::{Body, Credential, Outgoing, Reject, VRRP_HEADER, address_list, addresses, trailer};
use crate::config::Checksum;
use crate::units::{Centis, Family};
use crate::vrrp::checksum::sum;

pub(super) fn read(packet: &Packet<'_>, header: &[u8; VRRP_HEADER]) -> Result<Body, Reject> {
    let [_kind, _vrid, _priority, count, interval_high, interval_low, _sum_high, _sum_low] = *header;
    let (addresses, rest) = addresses(packet.message, count, packet.family())?;
    let credential = match rest {
        [] => Credential::None,
        rest => Credential::Trailer(trailer::read(packet, rest)?),
    };
    let checksum = verify(packet, rest.len()).ok_or(Reject::Checksum)?;
    // The four bits above the interval are reserved (RFC 9568 section 5.2.6).
    let interval = Centis::new(u16::from_be_bytes([interval_high & 0x0f, interval_low]));
    Ok(Body { interval: interval.map_err(|_| Reject::Interval)?, checksum, addresses, credential })
}

/// Which of the checksums fits, if any.
fn verify(packet: &Packet<'_>, trailing: usize) -> Option<Checksum> {
    let with_pseudo_header = |message: &[u8]| {
        let start = pseudo_header(packet.source, packet.destination, message.len());
        sum(start, message) == 0xffff
    };
    match packet.family() {
        // The kernel of the sender fills it in, and knows of no trailer.
        Family::V6 => with_pseudo_header(packet.message).then_some(Checksum::PseudoHeader),
        Family::V4 => {
            let covered = packet.message.get(..packet.message.len() - trailing).unwrap_or_default();
            if sum(0, covered) == 0xffff {
                Some(Checksum::Rfc9568)
            } else {
                with_pseudo_header(covered).then_some(Checksum::PseudoHeader)
            }
        }
    }
}

/// The message; over IPv6 without its checksum, which covers a trailer too.
pub(super) fn write(advert: &Outgoing<'_>) -> Vec<u8> {
    let (count, list) = address_list(advert);
    let mut message = vec![0x31, advert.vrid.get(), advert.claim.byte(), count];
    message.extend_from_slice(&advert.interval.get().to_be_bytes());
    message.extend_from_slice(&[0, 0]);
    message.extend_from_slice(&list);
    match (Family::of(advert.source), advert.checksum) {
        (Family::V6, _) => {}
        (Family::V4, Checksum::Rfc9568) => fill_sum(&mut message, 6, 0),
        // DEVIATION: RFC 9568 section 5.2.8 leaves the pseudo header out for IPv4; keepalived and FRR, the peers
        // in the field, demand it by default (test: both_ipv4_checksums_are_accepted).
        (Family::V4, Checksum::PseudoHeader) => {
            let start = pseudo_header(advert.source, advert.destination, message.len());
            fill_sum(&mut message, 6, start);
        }
    }
    message
}
