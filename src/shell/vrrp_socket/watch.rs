//! Packet sockets that receive only what claims one of some addresses: the kernel filters, so that the ordinary ARP traffic of
//! a big segment wakes nobody.
//!
//! One socket for ARP and one for IPv6, each only if there are such addresses: one for every protocol would cost each packet of
//! the host a look.

use std::io;
use std::net::IpAddr;

use nix::libc;
use nix::sys::socket::{setsockopt, sockopt};
use socket2::{Domain, SockFilter, Socket, Type};

use crate::shell::sys;

/// EtherTypes.
const ARP: u16 = 0x0806;
const IPV6: u16 = 0x86dd;
/// Addresses that are watched on one interface: `net.core.optmem_max` (20 kB on older kernels) bounds a filter, an IPv6 address
const WATCHED_MAX: usize = 128;

/// Classic BPF: load a word or a byte at an offset, compare, return.
const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
const LOAD_BYTE: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
const EQUALS: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
const RETURN: u32 = libc::BPF_RET | libc::BPF_K;

/// The sender's address of ARP, after the Ethernet header.
const ARP_SENDER: u32 = 28;
/// Next header, ICMPv6 type and target of a neighbour advertisement without extension headers.
const IPV6_NEXT_HEADER: u32 = 20;
const ICMPV6_TYPE: u32 = 54;
const TARGET: u32 = 62;

/// A socket for each family that has addresses.
pub(super) fn open(index: u32, addresses: &[IpAddr]) -> Vec<io::Result<Socket>> {
    let watched = addresses.get(..WATCHED_MAX).unwrap_or(addresses);
    if watched.len() < addresses.len() {
        let (watched, all) = (watched.len(), addresses.len());
        tracing::warn!(watched, all, "not every address is watched for duplicates: there are too many");
    }
    let v4 = watched.iter().filter_map(|ip| if let IpAddr::V4(ip) = ip { Some(ip.to_bits()) } else { None });
    let v6 = watched.iter().filter_map(|ip| if let IpAddr::V6(ip) = ip { Some(ip.octets()) } else { None });
    let (v4, v6): (Vec<u32>, Vec<[u8; 16]>) = (v4.collect(), v6.collect());
    let mut sockets = Vec::new();
    if !v4.is_empty() {
        sockets.push(listening(index, ARP, &arp_from(&v4)));
    }
    if !v6.is_empty() {
        sockets.push(listening(index, IPV6, &advertisement_of(&v6)));
    }
    sockets
}

fn listening(index: u32, protocol: u16, filter: &[SockFilter]) -> io::Result<Socket> {
    let socket = packet_socket(filter)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true)?;
    // Last: nothing that the filter has not seen may arrive.
    sys::bind_packet(&socket, index, protocol)?;
    Ok(socket)
}

/// A packet socket that is bound to nothing yet, so the kernel delivers nothing to it.
pub(super) fn packet_socket(filter: &[SockFilter]) -> io::Result<Socket> {
    let socket = Socket::new(Domain::PACKET, Type::RAW.nonblocking(), None)?;
    if !filter.is_empty() {
        socket.attach_filter(filter)?;
    }
    Ok(socket)
}

fn arp_from(addresses: &[u32]) -> Vec<SockFilter> {
    let mut program = vec![op(LOAD_WORD, 0, 0, ARP_SENDER)];
    for address in addresses {
        program.extend([op(EQUALS, 0, 1, *address), op(RETURN, 0, 0, u32::MAX)]);
    }
    program.push(op(RETURN, 0, 0, 0));
    program
}

fn advertisement_of(addresses: &[[u8; 16]]) -> Vec<SockFilter> {
    let mut program = Vec::new();
    for (offset, value) in [(IPV6_NEXT_HEADER, 58), (ICMPV6_TYPE, 136)] {
        program.extend([op(LOAD_BYTE, 0, 0, offset), op(EQUALS, 1, 0, value), op(RETURN, 0, 0, 0)]);
    }
    for address in addresses {
        // Where a word differs, past the rest of this address: two instructions for each later word, one for the return.
        let ahead = [(0, 7), (4, 5), (8, 3), (12, 1)];
        for ((offset, otherwise), word) in ahead.into_iter().zip(address.as_chunks::<4>().0) {
            program.push(op(LOAD_WORD, 0, 0, TARGET + offset));
            program.push(op(EQUALS, 0, otherwise, u32::from_be_bytes(*word)));
        }
        program.push(op(RETURN, 0, 0, u32::MAX));
    }
    program.push(op(RETURN, 0, 0, 0));
    program
}

fn op(code: u32, then: u8, otherwise: u8, k: u32) -> SockFilter {
    // The operations above are all below 256.
    SockFilter::new(u16::try_from(code).unwrap_or_default(), then, otherwise, k)
}
