mod recorded;

use std::net::Ipv4Addr;

use proptest::prelude::*;

use super::*;
use crate::config::Transport;
use crate::vrrp::checksum::sum;

fn put(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

const GROUP: IpAddr = Transport::GROUP_V4;
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));
const VIPS: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(10, 0, 0, 100)), IpAddr::V4(Ipv4Addr::new(10, 0, 0, 101))];

fn read(bytes: &[u8], capture: Capture) -> Result<Advert, Rejected> {
    parse(&Datagram::V4(bytes.to_vec()), capture)
}

fn outgoing(checksum: Checksum) -> Outgoing<'static> {
    Outgoing {
        source: SOURCE,
        destination: GROUP,
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        claim: Claim::Of(Priority::new(200).unwrap()),
        interval: Centis::SECOND,
        checksum,
        addresses: &VIPS,
        seal: Seal::None,
    }
}

fn good() -> Vec<u8> {
    build(&outgoing(Checksum::PseudoHeader))
}

fn fix_ip(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[10] = 0;
    bytes[11] = 0;
    let ihl = usize::from(bytes[0] & 15) * 4;
    let check = !sum(0, &bytes[..ihl.min(bytes.len())]);
    put(&mut bytes, 10, check);
    bytes
}

fn fix_vrrp(mut bytes: Vec<u8>) -> Vec<u8> {
    bytes[26] = 0;
    bytes[27] = 0;
    let check = !sum(0, &bytes[20..]);
    put(&mut bytes, 26, check);
    bytes
}

fn reason(bytes: &[u8]) -> Reject {
    read(bytes, Capture::Whole).unwrap_err().reason
}

/// Each with a right checksum, so that nothing else is wrong with it.
#[test]
fn one_fault_of_the_ip_header_is_enough() {
    let with = |at: usize, value: u8| {
        let mut bytes = good();
        bytes[at] = value;
        fix_ip(bytes)
    };
    // Version 6; a header of 16 bytes; less in all than the header; a fragment, and one with more to come; ICMP.
    for (at, value) in [(0, 0x65), (0, 0x44), (3, 19), (7, 1), (6, 0x20), (9, 1)] {
        assert_eq!(reason(&with(at, value)), Reject::IpHeader, "byte {at} is {value:#x}");
    }
    assert_eq!(reason(&with(3, 20)), Reject::Truncated);
    assert!(read(&with(6, 0x40), Capture::Whole).is_ok(), "not to be fragmented");
}

/// RFC 1982 section 3.2 leaves it open; here neither is the later one, so that none can take the other's place.
#[test]
fn of_two_stamps_half_a_circle_apart_neither_is_later() {
    let [one, other] = [0, 1 << 31].map(|secs| Stamp::of(std::time::Duration::from_secs(secs)));
    assert!(!one.is_after(other) && !other.is_after(one));
    assert!(other.is_after(one.next()) && one.next().is_after(one));
}

/// Recorded on a veth pair from keepalived 2.2.7: `vrrp_version 3`, vrid 51, priority 200, `advert_int 1`.
const KEEPALIVED: [u8; 32] = [
    0x45, 0xc0, 0x00, 0x20, 0x00, 0x01, 0x00, 0x00, 0xff, 0x70, 0xd0, 0x99, 0x0a, 0x00, 0x00, 0x01, 0xe0, 0x00, 0x00,
    0x12, 0x31, 0x33, 0xc8, 0x01, 0x00, 0x64, 0x11, 0x73, 0x0a, 0x00, 0x00, 0x64,
];

#[test]
fn an_advert_of_keepalived_is_read_and_ours_differs_in_its_identification_only() {
    let heard = read(&KEEPALIVED, Capture::Whole).unwrap();
    assert_eq!((heard.vrid.get(), heard.claim.byte(), heard.checksum), (51, 200, Checksum::PseudoHeader));
    let advert = Outgoing { addresses: &VIPS[..1], ..outgoing(Checksum::PseudoHeader) };
    let mut theirs = KEEPALIVED.to_vec();
    theirs[5] = 0;
    assert_eq!(build(&advert), fix_ip(theirs));
}

#[test]
fn both_ipv4_checksums_are_accepted() {
    for checksum in [Checksum::PseudoHeader, Checksum::Rfc9568] {
        let heard = read(&build(&outgoing(checksum)), Capture::Whole).unwrap();
        assert_eq!(heard.checksum, checksum);
        assert_eq!(heard.addresses, VIPS);
        assert_eq!(heard.source, SOURCE);
        assert_eq!(heard.destination, GROUP);
        assert_eq!(heard.claim.byte(), 200);
        assert_eq!(heard.interval, Centis::SECOND);
    }
}

#[test]
fn a_ttl_other_than_255_is_rejected() {
    let mut bytes = good();
    bytes[8] = 254;
    let rejected = read(&fix_ip(bytes), Capture::Whole).unwrap_err();
    assert_eq!(
        rejected,
        Rejected { reason: Reject::Ttl, vrid: Vrid::new(51).ok(), source: Some(IpAddr::from([10, 0, 0, 1])) }
    );
}

#[test]
fn every_broken_must_has_its_own_reason() {
    let edit = |at: usize, value: u8| {
        let mut bytes = good();
        bytes[at] = value;
        fix_vrrp(bytes)
    };
    assert_eq!(reason(&edit(20, 0x11)), Reject::Version);
    assert_eq!(reason(&edit(20, 0x41)), Reject::Version);
    // Sixteen bytes that a version 2 advert of two addresses lacks half of.
    assert_eq!(reason(&edit(20, 0x21)), Reject::Truncated);
    assert_eq!(reason(&edit(20, 0x32)), Reject::Type);
    assert_eq!(reason(&edit(21, 0)), Reject::Vrid);
    assert_eq!(reason(&edit(23, 0)), Reject::AddressCount);
    assert_eq!(reason(&edit(23, 1)), Reject::Oversized);
    assert_eq!(reason(&edit(23, 3)), Reject::Truncated);
    let mut no_interval = edit(24, 0);
    no_interval[25] = 0;
    assert_eq!(reason(&fix_vrrp(no_interval)), Reject::Interval);
    let mut bad_sum = good();
    bad_sum[30] ^= 1;
    assert_eq!(reason(&bad_sum), Reject::Checksum);
    let mut bad_ip = good();
    bad_ip[1] ^= 4;
    assert_eq!(reason(&bad_ip), Reject::IpHeader);
    let mut fragment = good();
    fragment[6] = 0x20;
    assert_eq!(reason(&fix_ip(fragment)), Reject::IpHeader);
    assert_eq!(read(&good(), Capture::Cut).unwrap_err().reason, Reject::Oversized);
}

#[test]
fn every_truncation_is_rejected() {
    let whole = good();
    for len in 0..whole.len() {
        assert!(read(&whole[..len], Capture::Whole).is_err(), "length {len}");
    }
}

#[test]
fn reserved_bits_beside_the_interval_are_ignored() {
    let mut bytes = good();
    bytes[24] |= 0xf0;
    assert_eq!(read(&fix_vrrp(bytes), Capture::Whole).unwrap().interval, Centis::SECOND);
}

#[test]
fn ip_options_are_skipped() {
    let plain = good();
    let mut bytes = vec![0x46];
    bytes.extend_from_slice(&plain[1..20]);
    bytes.extend_from_slice(&[0x94, 4, 0, 0]); // router alert
    bytes.extend_from_slice(&plain[20..]);
    put(&mut bytes, 2, u16::try_from(plain.len() + 4).unwrap());
    assert_eq!(read(&fix_ip(bytes), Capture::Whole).unwrap().vrid.get(), 51);
}

fn v2() -> Vec<u8> {
    build(&Outgoing { version: Version::V2, ..outgoing(Checksum::Rfc9568) })
}

#[test]
fn every_broken_must_of_version_2_has_its_own_reason() {
    let edit = |at: usize, value: u8| {
        let mut bytes = v2();
        bytes[at] = value;
        fix_vrrp(bytes)
    };
    assert_eq!(read(&v2(), Capture::Whole).unwrap().credential, Credential::None);
    assert_eq!(reason(&edit(20, 0x22)), Reject::Type);
    assert_eq!(reason(&edit(21, 0)), Reject::Vrid);
    assert_eq!(reason(&edit(23, 0)), Reject::AddressCount);
    assert_eq!(reason(&edit(23, 1)), Reject::Oversized);
    assert_eq!(reason(&edit(23, 3)), Reject::Truncated);
    assert_eq!(reason(&edit(25, 0)), Reject::Interval);
    assert_eq!(reason(&edit(25, 41)), Reject::IntervalMismatch, "longer than anybody configures here");
    assert_eq!(read(&edit(24, 2), Capture::Whole).unwrap().credential, Credential::Other(2));
    let mut bad_auth = v2();
    bad_auth[40] ^= 1;
    assert_eq!(reason(&bad_auth), Reject::Checksum, "the checksum covers the authentication data");
    let with_pseudo_header = {
        let mut bytes = v2();
        bytes[26..28].fill(0);
        let start = ip::pseudo_header(SOURCE, GROUP, bytes.len() - 20);
        ip::fill_sum(&mut bytes[20..], 6, start);
        bytes
    };
    assert_eq!(reason(&with_pseudo_header), Reject::Checksum);
    for len in 0..v2().len() {
        assert!(read(&v2()[..len], Capture::Whole).is_err(), "length {len}");
    }
}

const SOURCE6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 1));
const VIPS6: [IpAddr; 2] = [
    IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0x100)),
    IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0x100)),
];

fn received_v6(hop_limit: u8, edit: impl Fn(&mut Vec<u8>)) -> Datagram {
    let advert = Outgoing {
        source: SOURCE6,
        destination: Transport::GROUP_V6,
        addresses: &VIPS6,
        ..outgoing(Checksum::Rfc9568)
    };
    let mut message = build(&advert);
    edit(&mut message);
    message[6..8].fill(0);
    let start = ip::pseudo_header(SOURCE6, Transport::GROUP_V6, message.len());
    ip::fill_sum(&mut message, 6, start);
    let (IpAddr::V6(source), IpAddr::V6(destination)) = (SOURCE6, Transport::GROUP_V6) else { unreachable!() };
    Datagram::V6 { source, destination, hop_limit, message }
}

#[test]
fn every_broken_must_over_ipv6_has_its_own_reason() {
    let reason = |datagram: &Datagram| parse(datagram, Capture::Whole).unwrap_err().reason;
    let edit = |at: usize, value: u8| received_v6(255, |bytes| bytes[at] = value);
    let heard = parse(&received_v6(255, |_| ()), Capture::Whole).unwrap();
    assert_eq!((heard.source, heard.destination), (SOURCE6, Transport::GROUP_V6));
    assert_eq!(heard.addresses, VIPS6);
    assert_eq!(reason(&received_v6(254, |_| ())), Reject::Ttl);
    assert_eq!(reason(&edit(0, 0x21)), Reject::Version, "version 2 knows no IPv6");
    assert_eq!(reason(&edit(0, 0x33)), Reject::Type);
    assert_eq!(reason(&edit(1, 0)), Reject::Vrid);
    assert_eq!(reason(&edit(3, 0)), Reject::AddressCount);
    assert_eq!(reason(&edit(3, 1)), Reject::Oversized);
    assert_eq!(reason(&edit(3, 3)), Reject::Truncated);
    assert_eq!(reason(&received_v6(255, |bytes| bytes[4..6].fill(0))), Reject::Interval);
    let Datagram::V6 { source, destination, hop_limit, mut message } = received_v6(255, |_| ()) else { unreachable!() };
    message[10] ^= 1;
    assert_eq!(reason(&Datagram::V6 { source, destination, hop_limit, message }), Reject::Checksum);
    for len in 0..40 {
        let cut = received_v6(255, |bytes| bytes.resize(bytes.len().min(len).max(8), 0));
        assert!(parse(&cut, Capture::Whole).is_err(), "length {len}");
    }
}

/// The checksum without pseudo header is for IPv4 alone.
#[test]
fn an_ipv6_checksum_without_pseudo_header_is_rejected() {
    let Datagram::V6 { source, destination, hop_limit, mut message } = received_v6(255, |_| ()) else { unreachable!() };
    message[6..8].fill(0);
    ip::fill_sum(&mut message, 6, 0);
    let datagram = Datagram::V6 { source, destination, hop_limit, message };
    assert_eq!(parse(&datagram, Capture::Whole).unwrap_err().reason, Reject::Checksum);
}

#[test]
fn an_ipv6_advert_never_exceeds_the_smallest_mtu() {
    let many: Vec<IpAddr> = (0..300_u16).map(|n| Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, n).into()).collect();
    let key = recorded::key();
    let seal = Seal::Hmac { id: 1, key: &key, stamp: Stamp::of(std::time::Duration::from_secs(1)) };
    let advert = Outgoing {
        source: SOURCE6,
        destination: Transport::GROUP_V6,
        addresses: &many,
        seal,
        ..outgoing(Checksum::Rfc9568)
    };
    assert_eq!(build(&advert).len() + 40, 1276);
}

#[test]
fn a_trailer_that_is_none_is_too_much() {
    let key = recorded::key();
    let seal = Seal::Hmac { id: 1, key: &key, stamp: Stamp::of(std::time::Duration::from_secs(1)) };
    let signed = build(&Outgoing { seal, ..outgoing(Checksum::PseudoHeader) });
    assert!(matches!(read(&signed, Capture::Whole).unwrap().credential, Credential::Trailer(_)));
    let at = signed.len() - 28;
    for (at, value) in [(at, 2), (at + 2, 1), (at + 3, 1)] {
        let mut bytes = signed.clone();
        bytes[at] = value;
        assert_eq!(reason(&bytes), Reject::Oversized);
    }
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(
        vrid in 1i64..=255, byte in 0u8..=255, centis in 1u16..=4095, count in 1usize..=20, rfc in any::<bool>(),
        source in any::<u32>(), destination in any::<u32>(), kind in 0u8..3, sealed in 0u8..3, stamp in any::<u32>(),
    ) {
        let (version, over_v6) = [(Version::V2, false), (Version::V3, false), (Version::V3, true)][usize::from(kind)];
        let ip = |n: u32| if over_v6 { IpAddr::V6(Ipv6Addr::from(u128::from(n) << 60)) } else { Ipv4Addr::from(n).into() };
        let addresses: Vec<IpAddr> = (0..count).map(|i| ip(0x0a00_0000 + u32::try_from(i).unwrap())).collect();
        let key = recorded::key();
        let at = std::time::Duration::from_micros(u64::from(stamp) * 1000);
        let seal = match sealed {
            0 => Seal::None,
            1 if version == Version::V2 => Seal::Password(*b"pass\0\0\0\0"),
            _ => Seal::Hmac { id: byte.max(1), key: &key, stamp: Stamp::of(at) },
        };
        let centis = if version == Version::V2 { (centis % 40 + 1) * 100 } else { centis };
        let advert = Outgoing {
            source: ip(source),
            destination: ip(destination),
            version,
            vrid: Vrid::new(vrid).unwrap(),
            claim: Claim::from_byte(byte),
            interval: Centis::new(centis).unwrap(),
            checksum: if rfc { Checksum::Rfc9568 } else { Checksum::PseudoHeader },
            addresses: &addresses,
            seal,
        };
        let bytes = build(&advert);
        let datagram = match (advert.source, advert.destination) {
            (IpAddr::V6(source), IpAddr::V6(destination)) => {
                Datagram::V6 { source, destination, hop_limit: 255, message: bytes }
            }
            _ => Datagram::V4(bytes),
        };
        let heard = parse(&datagram, Capture::Whole).unwrap();
        prop_assert_eq!(heard.version, version);
        prop_assert_eq!(heard.vrid, advert.vrid);
        prop_assert_eq!(heard.claim.byte(), byte);
        prop_assert_eq!(heard.interval, advert.interval);
        prop_assert_eq!(&heard.addresses, &addresses);
        prop_assert_eq!(heard.source, advert.source);
        prop_assert_eq!(heard.destination, advert.destination);
        match (seal, heard.credential) {
            (Seal::None, Credential::None) => {}
            (Seal::Password(ours), Credential::Password(theirs)) => prop_assert_eq!(ours, theirs),
            (Seal::Hmac { id, key, stamp }, Credential::Trailer(trailer)) => {
                prop_assert_eq!((id, stamp), (trailer.key_id, trailer.stamp));
                prop_assert!(trailer.is_signed_with(key));
            }
            (seal, credential) => prop_assert!(false, "{seal:?} {credential:?}"),
        }
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200), truncated in any::<bool>()) {
        let capture = if truncated { Capture::Cut } else { Capture::Whole };
        let _answer = read(&bytes, capture);
        let (source, destination) = (Ipv6Addr::LOCALHOST, Ipv6Addr::LOCALHOST);
        let _answer = parse(&Datagram::V6 { source, destination, hop_limit: 255, message: bytes }, capture);
    }

    /// A signed advert in which anything but the checksum was changed, and the checksum mended, is not genuine any more.
    #[test]
    fn one_flipped_bit_under_the_signature_is_noticed(at in 0usize..44, bit in 0u8..8) {
        let key = recorded::key();
        let seal = Seal::Hmac { id: 1, key: &key, stamp: Stamp::of(std::time::Duration::from_secs(1)) };
        let mut bytes = build(&Outgoing { seal, ..outgoing(Checksum::Rfc9568) })[20..].to_vec();
        bytes[at] ^= 1 << bit;
        bytes[6..8].fill(0);
        let covered = bytes.len() - 28;
        ip::fill_sum(&mut bytes[..covered], 6, 0);
        let IpAddr::V4(source) = SOURCE else { unreachable!() };
        let datagram = Datagram::V4(ip::datagram_v4(source, [224, 0, 0, 18].into(), &bytes));
        let genuine = match parse(&datagram, Capture::Whole).map(|advert| advert.credential) {
            Ok(Credential::Trailer(trailer)) => trailer.key_id == 1 && trailer.is_signed_with(&key),
            Ok(Credential::None | Credential::Password(_) | Credential::Other(_)) | Err(_) => false,
        };
        prop_assert_eq!(genuine, at == 6 || at == 7);
    }

    #[test]
    fn one_flipped_bit_is_never_accepted(at in 0usize..36, bit in 0u8..8) {
        let mut bytes = good();
        bytes[at] ^= 1 << bit;
        prop_assert!(read(&bytes, Capture::Whole).is_err());
    }
}
