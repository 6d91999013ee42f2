use super::*;
use crate::config::{Checksum, Transport, Version};
use crate::units::{Centis, Priority};
use crate::vrrp::packet::{Capture, Claim, Datagram, Outgoing, Seal, build, parse};

fn vrid() -> Vrid {
    Vrid::new(51).unwrap()
}

fn advert(source: IpAddr, group: IpAddr, vip: IpAddr) -> Vec<u8> {
    build(&Outgoing {
        source,
        destination: group,
        version: Version::V3,
        vrid: vrid(),
        claim: Claim::Of(Priority::new(200).unwrap()),
        interval: Centis::SECOND,
        checksum: Checksum::PseudoHeader,
        addresses: &[vip],
        seal: Seal::None,
    })
}

#[test]
fn each_family_has_its_block_of_addresses() {
    assert_eq!(virtual_mac(Family::V4, vrid()), [0x00, 0x00, 0x5e, 0x00, 0x01, 51]);
    assert_eq!(virtual_mac(Family::V6, vrid()), [0x00, 0x00, 0x5e, 0x00, 0x02, 51]);
}

#[test]
fn an_ipv4_advert_is_framed_for_its_group() {
    let source = "10.0.0.1".parse().unwrap();
    let bytes = advert(source, Transport::GROUP_V4, "10.0.0.100".parse().unwrap());
    let mac = virtual_mac(Family::V4, vrid());
    let frame = advert_frame(mac, source, Transport::GROUP_V4, &bytes).unwrap();
    assert_eq!(frame[..14], [0x01, 0x00, 0x5e, 0, 0, 18, 0, 0, 0x5e, 0, 1, 51, 0x08, 0x00]);
    // The header checksum is whole: no kernel completes it.
    let read = parse(&Datagram::V4(frame[14..].to_vec()), Capture::Whole).unwrap();
    assert_eq!((read.source, read.destination, read.vrid), (source, Transport::GROUP_V4, vrid()));
    // The highest bit of the group is not part of the address.
    let frame = advert_frame(mac, source, "239.129.2.3".parse().unwrap(), &bytes).unwrap();
    assert_eq!(frame[..6], [0x01, 0x00, 0x5e, 1, 2, 3]);
}

#[test]
fn an_ipv6_advert_gets_the_header_that_the_kernel_would_write() {
    let source: Ipv6Addr = "fe80::11".parse().unwrap();
    let bytes = advert(source.into(), Transport::GROUP_V6, "fe80::100".parse().unwrap());
    let frame = advert_frame(virtual_mac(Family::V6, vrid()), source.into(), Transport::GROUP_V6, &bytes).unwrap();
    assert_eq!(frame[..14], [0x33, 0x33, 0, 0, 0, 0x12, 0, 0, 0x5e, 0, 2, 51, 0x86, 0xdd]);
    let length = u8::try_from(bytes.len()).unwrap();
    assert_eq!(frame[14..22], [0x6c, 0, 0, 0, 0, length, 112, 255]);
    assert_eq!(frame[22..38], source.octets());
    assert_eq!(IpAddr::from(<[u8; 16]>::try_from(&frame[38..54]).unwrap()), Transport::GROUP_V6);
    assert_eq!(frame[54..], bytes);
}

#[test]
fn nothing_else_than_a_group_of_the_same_family_is_framed() {
    let (v4, v6): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "fe80::1".parse().unwrap());
    assert_eq!(advert_frame([0; 6], v4, "10.0.0.2".parse().unwrap(), &[]), None);
    assert_eq!(advert_frame([0; 6], v6, "fe80::2".parse().unwrap(), &[]), None);
    assert_eq!(advert_frame([0; 6], v4, Transport::GROUP_V6, &[]), None);
    assert_eq!(advert_frame([0; 6], v6, Transport::GROUP_V4, &[]), None);
}
