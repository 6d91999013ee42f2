//! The parts of socket diagnostics that need no kernel.

use super::*;

fn ips(texts: &[&str]) -> BTreeSet<IpAddr> {
    texts.iter().map(|t| t.parse().unwrap()).collect()
}

#[test]
fn a_filter_jumps_to_its_end_or_past_it() {
    let one = filter(&ips(&["10.0.0.1"]));
    assert_eq!(one.len(), 16);
    assert_eq!(one[..4], [INET_DIAG_BC_S_COND, 16, 20, 0], "behind the last one there is nothing: reject");
    let three = filter(&ips(&["10.0.0.1", "10.0.0.2", "2001:db8::1"]));
    assert_eq!(three.len(), 16 + 4 + 16 + 4 + 28);
    assert_eq!(three[16..20], [INET_DIAG_BC_JMP, 4, 52, 0], "to the end: accept");
    assert_eq!(three[12..16], [10, 0, 0, 1]);
    assert_eq!(three[20..24], [INET_DIAG_BC_S_COND, 16, 20, 0], "to the next condition");
}

#[test]
fn broken_answers_hold_no_connection() {
    assert_eq!(messages(&[]).count(), 0);
    assert_eq!(messages(&[9; 15]).count(), 0);
    let mut longer_than_it_is = vec![0; 16];
    longer_than_it_is[0] = 17;
    assert_eq!(messages(&longer_than_it_is).count(), 0);
    assert!(connection(&[AF_INET; 40]).is_none());
    assert!(connection(&[7; 72]).is_none(), "neither IPv4 nor IPv6");
}

#[test]
fn an_ipv4_connection_on_an_ipv6_socket_is_one_of_that_ipv4_address() {
    let mut body = vec![0; 72];
    body[0] = AF_INET6;
    body[8..24].copy_from_slice(&"::ffff:10.0.0.1".parse::<Ipv6Addr>().unwrap().octets());
    let (connection, ip) = connection(&body).unwrap();
    assert_eq!((connection.family, ip), (AF_INET6, "10.0.0.1".parse().unwrap()));
}
