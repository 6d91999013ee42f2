use proptest::prelude::*;

use super::*;
use crate::config::Transport;

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
    assert_eq!(rejected, Rejected { reason: Reject::Ttl, vrid: Vrid::new(51).ok() });
}

#[test]
fn every_broken_must_has_its_own_reason() {
    let edit = |at: usize, value: u8| {
        let mut bytes = good();
        bytes[at] = value;
        fix_vrrp(bytes)
    };
    assert_eq!(reason(&edit(20, 0x21)), Reject::Version);
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

proptest! {
    #[test]
    fn what_is_built_is_read_back(
        vrid in 1i64..=255, byte in 0u8..=255, centis in 1u16..=4095, count in 1usize..=20, rfc in any::<bool>(),
        source in any::<u32>(), destination in any::<u32>(),
    ) {
        let addresses: Vec<IpAddr> = (0..count).map(|i| IpAddr::V4(Ipv4Addr::from(0x0a00_0000 + u32::try_from(i).unwrap()))).collect();
        let advert = Outgoing {
            source: Ipv4Addr::from(source).into(),
            destination: Ipv4Addr::from(destination).into(),
            version: Version::V3,
            vrid: Vrid::new(vrid).unwrap(),
            claim: Claim::from_byte(byte),
            interval: Centis::new(centis).unwrap(),
            checksum: if rfc { Checksum::Rfc9568 } else { Checksum::PseudoHeader },
            addresses: &addresses,
        };
        let heard = read(&build(&advert), Capture::Whole).unwrap();
        prop_assert_eq!(heard.vrid, advert.vrid);
        prop_assert_eq!(heard.claim.byte(), byte);
        prop_assert_eq!(heard.interval, advert.interval);
        prop_assert_eq!(&heard.addresses, &addresses);
        prop_assert_eq!(heard.source, advert.source);
        prop_assert_eq!(heard.destination, advert.destination);
    }

    #[test]
    fn any_bytes_get_an_answer(bytes in proptest::collection::vec(any::<u8>(), 0..200), truncated in any::<bool>()) {
        let _answer = read(&bytes, if truncated { Capture::Cut } else { Capture::Whole });
    }

    #[test]
    fn one_flipped_bit_is_never_accepted(at in 0usize..36, bit in 0u8..8) {
        let mut bytes = good();
        bytes[at] ^= 1 << bit;
        prop_assert!(read(&bytes, Capture::Whole).is_err());
    }
}
