use super::*;

const V4: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::LOCALHOST);

fn reply(echo: Echo) -> Vec<u8> {
    let mut bytes = echo.bytes();
    bytes[0] = echo.reply;
    bytes
}

#[test]
fn the_checksum_of_a_request_adds_up() {
    assert_eq!(checksum(&Echo::new(V4).bytes()), [0, 0]);
    // RFC 1071, section 3.
    assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), [0x22, 0x0d]);
}

#[test]
fn only_the_reply_to_this_request_answers_it() {
    for address in [V4, V6] {
        let echo = Echo::new(address);
        let good = reply(echo);
        assert!(echo.is_answered_by(&good, Framing::Raw));
        assert!(!echo.is_answered_by(&echo.bytes(), Framing::Raw), "our own request, seen on a loopback");
        assert!(!echo.is_answered_by(&reply(Echo::new(address)), Framing::Raw), "another sequence number");
        for at in [0, 1, 5, 7, 8, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(!echo.is_answered_by(&bad, Framing::Raw), "byte {at}");
        }
        for len in 0..good.len() {
            assert!(!echo.is_answered_by(&good[..len], Framing::Raw), "{len} bytes");
        }
    }
}

#[test]
fn ping_sockets_have_the_identifier_of_the_kernel_and_raw_ones_a_header() {
    let echo = Echo::new(V4);
    let mut other_id = reply(echo);
    other_id[4] ^= 1;
    assert!(echo.is_answered_by(&other_id, Framing::Message));
    let mut datagram = vec![0_u8; 24];
    datagram[0] = 0x46;
    datagram.extend(reply(echo));
    assert!(echo.is_answered_by(&datagram, Framing::RawWithHeader), "with options");
    for len in 0..datagram.len() {
        assert!(!echo.is_answered_by(&datagram[..len], Framing::RawWithHeader), "{len} bytes");
    }
}
