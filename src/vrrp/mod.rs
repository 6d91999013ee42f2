//! VRRP, sans-IO: packets, the state machine of one virtual router, and gratuitous ARP frames.
//!
//! Words of RFC 9568: a router is *Active* or *Backup*. Nothing here owns a socket, an address or a clock.

pub mod announce;
pub mod packet;
pub mod router;

/// The multicast group of VRRP over IPv4 (RFC 9568 section 5.1.1.2).
pub const GROUP: std::net::Ipv4Addr = std::net::Ipv4Addr::new(224, 0, 0, 18);

/// IP protocol number (RFC 9568 section 5.1.1.4).
pub const PROTOCOL: u8 = 112;
