//! Adverts of other programs as they were on the wire: VRID 51, priority 200, one second.

use super::*;

/// Bytes of a hexadecimal text with spaces.
pub(super) fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<char> = text.chars().filter(|c| !c.is_whitespace()).collect();
    digits.chunks(2).map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap()).collect()
}

fn v6(source: &str, message: &str) -> Datagram {
    let group = "ff02::12".parse().unwrap();
    Datagram::V6 { source: source.parse().unwrap(), destination: group, hop_limit: 255, message: hex(message) }
}

fn v4(bytes: &str) -> Datagram {
    Datagram::V4(hex(bytes))
}

type Recorded = (&'static str, Datagram, Version, Checksum, &'static str);

/// keepalived 2.2.7 and FRR 8.4.4.
fn unsigned() -> [Recorded; 6] {
    use Checksum::{PseudoHeader, Rfc9568};
    let none =
        v4("45c0 0028 0001 0000 ff70 d039 0a4d 000c e000 0012 2133 c801 0001 0c19 0a4d 0064 0000 0000 0000 0000");
    let pass =
        v4("45c0 0028 0001 0000 ff70 d039 0a4d 000c e000 0012 2133 c801 0101 cecc 0a4d 0064 7365 6372 6574 0000");
    let six = v6("fe80::12", "3133 c801 0064 08b6 fe80 0000 0000 0000 0000 0000 0000 0100");
    let frr3 = v4("45c0 0020 9200 4000 ff70 fe41 0a4d 000c e000 0012 3133 c801 0064 10ce 0a4d 0064");
    let frr2 =
        v4("45c0 0028 6e13 4000 ff70 2227 0a4d 000c e000 0012 2133 c801 0001 0c19 0a4d 0064 0000 0000 0000 0000");
    let frr6 = v6("fe80::200:5eff:fe00:233", "3133 c801 0064 785c 2001 0db8 0000 0000 0000 0000 0000 0100");
    [
        ("keepalived, 2", none, Version::V2, Rfc9568, "10.77.0.100"),
        ("keepalived, 2, PASS", pass, Version::V2, Rfc9568, "10.77.0.100"),
        ("keepalived, 3, IPv6", six, Version::V3, PseudoHeader, "fe80::100"),
        ("FRR, 3", frr3, Version::V3, PseudoHeader, "10.77.0.100"),
        ("FRR, 2", frr2, Version::V2, Rfc9568, "10.77.0.100"),
        ("FRR, 3, IPv6", frr6, Version::V3, PseudoHeader, "2001:db8::100"),
    ]
}

/// keepalived 2.4.3, with the key of bytes 0 to 31 and id 1.
fn signed() -> [Recorded; 3] {
    let three = v4("45c0 003c 0001 0000 ff70 d025 0a4d 000c e000 0012 3133 c801 0064 10ce 0a4d 0064
        0101 0000 6b00 8e9a 45a2 0000 ecb6 effd d869 9aa7 5c81 93d5 04d0 a830");
    let two = v4("45c0 0044 0001 0000 ff70 d01d 0a4d 000c e000 0012 2133 c801 0001 0c19 0a4d 0064 0000 0000 0000 0000
        0101 0000 6b00 8ea1 4773 0000 68d3 6940 e050 0e79 8294 2a3f 79b1 961c");
    let six = v6(
        "fe80::12",
        "3133 c801 0064 2d37 fe80 0000 0000 0000 0000 0000 0000 0100
        0101 0000 6b00 8ea8 5203 0000 7b93 6a96 89da 6999 3992 5111 e639 443a",
    );
    [
        ("keepalived, 3, signed", three, Version::V3, Checksum::PseudoHeader, "10.77.0.100"),
        ("keepalived, 2, signed", two, Version::V2, Checksum::Rfc9568, "10.77.0.100"),
        ("keepalived, 3, IPv6, signed", six, Version::V3, Checksum::PseudoHeader, "fe80::100"),
    ]
}

pub(super) fn key() -> Vec<u8> {
    (0..32).collect()
}

/// The VRRP message alone.
fn message(datagram: &Datagram) -> Vec<u8> {
    match datagram {
        Datagram::V4(bytes) => bytes[20..].to_vec(),
        Datagram::V6 { message, .. } => message.clone(),
    }
}

/// Reading and writing are each other's inverse on what others wrote, to the last bit.
#[test]
fn what_others_sent_is_read_and_written_alike() {
    for (name, datagram, version, checksum, address) in unsigned().into_iter().chain(signed()) {
        let heard = parse(&datagram, Capture::Whole).unwrap_or_else(|e| panic!("{name}: {e:?}"));
        assert_eq!((heard.version, heard.vrid.get(), heard.claim.byte()), (version, 51, 200), "{name}");
        assert_eq!((heard.interval, heard.checksum), (Centis::SECOND, checksum), "{name}");
        assert_eq!(heard.addresses, [address.parse::<IpAddr>().unwrap()], "{name}");
        let key = key();
        let seal = match &heard.credential {
            Credential::None => Seal::None,
            Credential::Password(password) => {
                assert_eq!(password, b"secret\0\0", "{name}");
                Seal::Password(*password)
            }
            Credential::Trailer(trailer) => {
                assert!(trailer.is_signed_with(&key) && !trailer.is_signed_with(&key[1..]), "{name}");
                Seal::Hmac { id: trailer.key_id, key: &key, stamp: trailer.stamp }
            }
            Credential::Other(other) => panic!("{name}: {other}"),
        };
        let written = build(&Outgoing {
            source: heard.source,
            destination: heard.destination,
            version,
            vrid: heard.vrid,
            claim: heard.claim,
            interval: heard.interval,
            checksum,
            addresses: &heard.addresses,
            seal,
        });
        let written = if heard.source.is_ipv4() { written[20..].to_vec() } else { written };
        assert_eq!(written, message(&datagram), "{name}");
        assert_eq!(name.contains("signed"), matches!(heard.credential, Credential::Trailer(_)));
        assert_eq!(name.contains("PASS"), matches!(heard.credential, Credential::Password(_)));
    }
}

/// The wire images of the appendix of the draft that describes the trailer; its IPv6 one goes to fe80::20.
#[test]
fn the_images_of_the_draft_are_genuine() {
    let signed = "0101 0000 6800 0000 8000 0000";
    let message4 = hex(&format!("3133c80100644402c0000264 {signed} 1b84bc4e8e43892dc6d98448f8ee2265"));
    let v4 = super::super::ip::datagram_v4([198, 51, 100, 10].into(), [224, 0, 0, 18].into(), &message4);
    let v6 = Datagram::V6 {
        source: "fe80::10".parse().unwrap(),
        destination: "fe80::20".parse().unwrap(),
        hop_limit: 255,
        message: hex(&format!(
            "3133c8010064a2e9 fe800000000000000000000000000100 {signed} c8c56146ebfd66ee10ec4d8186461b78"
        )),
    };
    for datagram in [Datagram::V4(v4), v6] {
        let Credential::Trailer(trailer) = parse(&datagram, Capture::Whole).unwrap().credential else { panic!() };
        assert!(trailer.is_signed_with(&key()));
        assert_eq!(trailer.stamp, Stamp::of(std::time::Duration::new(0x6800_0000, 500_000_000)));
    }
}
