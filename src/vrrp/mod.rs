//! VRRP, sans-IO: packets, the state machine of one virtual router, and the frames that claim an address.
//!
//! Words of RFC 9568: a router is *Active* or *Backup*. Nothing here owns a socket, an address or a clock.

pub mod announce;
pub mod arp;
pub mod auth;
mod checksum;
pub mod packet;
pub mod router;
pub mod vmac;

/// IP protocol number (RFC 9568 section 5.1.1.4).
pub const PROTOCOL: u8 = 112;
