use super::*;

/// `ip addr add` of the same address with another prefix is another address for IPv4, and a change of it for IPv6.
#[test]
fn the_prefix_tells_ipv4_addresses_apart_and_not_ipv6_ones() {
    let (v4, v6) = (IpAddr::from([10, 0, 0, 100]), IpAddr::from([0xfd00, 0, 0, 0, 0, 0, 0, 1]));
    assert_ne!(place(2, v4, 24), place(2, v4, 32));
    assert_eq!(place(2, v6, 64), place(2, v6, 128));
    assert_ne!(place(2, v6, 64), place(3, v6, 64));
}
