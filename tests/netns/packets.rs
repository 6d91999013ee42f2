//! Hostile and foreign packets from the network of the clients: counted by reason, and nothing else.

use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddrV4};
use std::time::Duration;

use socket2::{Domain, Protocol, SockAddr, Socket, Type};
use vipkeeper::cli::demo::net;

use crate::lab::{CLIENT, CLIENT_FRONT, LB1, LB2, Lab, Spec, WWW, always};

const GROUP: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);

/// A VRRPv3 advertisement of somebody who claims to be better than everybody, in an IPv4 datagram.
struct Packet {
    ttl: u8,
    version_type: u8,
    vrid: u8,
    checksum_error: u16,
    /// Bytes of the VRRP message that are sent.
    length: usize,
}

impl Default for Packet {
    fn default() -> Self {
        Self { ttl: 255, version_type: 0x31, vrid: 51, checksum_error: 0, length: 12 }
    }
}

fn sum(bytes: &[u8]) -> u32 {
    bytes.chunks(2).map(|c| u32::from(u16::from_be_bytes([c[0], *c.get(1).unwrap_or(&0)]))).sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap()
}

impl Packet {
    fn datagram(&self) -> Vec<u8> {
        let mut message = vec![self.version_type, self.vrid, 254, 1, 0, 10, 0, 0];
        message.extend(WWW.octets());
        let pseudo = sum(&CLIENT_FRONT.octets()) + sum(&GROUP.octets()) + 112 + 12;
        let checksum = fold(pseudo + sum(&message)) ^ self.checksum_error;
        message[6..8].copy_from_slice(&checksum.to_be_bytes());
        message.truncate(self.length);
        let total = u16::try_from(20 + message.len()).unwrap().to_be_bytes();
        // The kernel fills in identification and header checksum.
        let mut datagram = vec![0x45, 0xc0, total[0], total[1], 0, 0, 0, 0, self.ttl, 112, 0, 0];
        datagram.extend(CLIENT_FRONT.octets());
        datagram.extend(GROUP.octets());
        datagram.extend(message);
        datagram
    }
}

/// Sends each packet a few times from the client.
fn send(lab: &Lab, packets: Vec<Vec<u8>>) {
    let namespace = lab.namespace(CLIENT);
    let sender = std::thread::spawn(move || {
        net::enter(&namespace).unwrap();
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(112))).unwrap();
        socket.set_header_included_v4(true).unwrap();
        socket.set_multicast_if_v4(&CLIENT_FRONT).unwrap();
        let group = SockAddr::from(SocketAddrV4::new(GROUP, 0));
        for packet in packets.iter().cycle().take(packets.len() * 5) {
            socket.send_to(packet, &group).unwrap();
        }
        // What the balancers multicast arrives here too; nobody reads it.
        socket.set_nonblocking(true).unwrap();
        let mut buffer = [MaybeUninit::uninit(); 64];
        while socket.recv(&mut buffer).is_ok() {}
    });
    sender.join().unwrap();
}

/// How many packets were dropped for that reason, for the VIP or for the interface.
fn dropped(lab: &Lab, node: &str, reason: &str) -> u64 {
    let status = lab.status(node).unwrap();
    let by_vip = status.vips.iter().filter_map(|v| v.dropped.get(reason));
    let by_interface = status.dropped.values().filter_map(|counts| counts.get(reason));
    by_vip.chain(by_interface).sum()
}

#[test]
fn rejected_packets_are_counted_and_change_nothing() {
    let Some(lab) = Lab::serving("hostile_packets", &Spec::default()) else { return };
    let hostile = [
        ("ttl", Packet { ttl: 64, ..Packet::default() }),
        ("checksum", Packet { checksum_error: 1, ..Packet::default() }),
        ("vrid", Packet { vrid: 99, ..Packet::default() }),
        ("version", Packet { version_type: 0x41, ..Packet::default() }),
        ("type", Packet { version_type: 0x32, ..Packet::default() }),
        ("truncated", Packet { length: 7, ..Packet::default() }),
    ];
    let before = [LB1, LB2].map(|node| lab.vip(node, "www").unwrap().transitions.len());
    let heard_before = heard(&lab);
    for (reason, packet) in hostile {
        let counted = [LB1, LB2].map(|node| dropped(&lab, node, reason));
        send(&lab, vec![packet.datagram()]);
        lab.eventually(&format!("{reason} is counted on both hosts"), |lab| {
            [LB1, LB2].map(|node| dropped(lab, node, reason)) == counted.map(|n| n + 5)
        });
    }
    // A stray byte and an oversized datagram are no trouble either.
    let mut oversized = Packet::default().datagram();
    oversized.resize(1400, 0);
    oversized[2..4].copy_from_slice(&1400_u16.to_be_bytes());
    send(&lab, vec![Packet { length: 1, ..Packet::default() }.datagram(), oversized]);
    always("lb1 holds the VIP", Duration::from_secs(1), || lab.holders(WWW) == [LB1]);
    let after = [LB1, LB2].map(|node| lab.vip(node, "www").unwrap().transitions.len());
    assert_eq!((after, heard(&lab)), (before, heard_before), "a rejected packet had an effect");
}

/// The active node hears nobody but the stranger.
fn heard(lab: &Lab) -> u64 {
    lab.vip(LB1, "www").unwrap().counters.get("adverts-received").copied().unwrap_or(0)
}

/// The same packet without a fault does have an effect: the test above could fail.
#[test]
fn the_test_packet_without_a_fault_is_believed() {
    let Some(lab) = Lab::serving("believed_packet", &Spec::default()) else { return };
    let before = heard(&lab);
    send(&lab, vec![Packet::default().datagram()]);
    lab.eventually("lb1 has heard the stranger", |lab| heard(lab) == before + 5);
}

/// A client that was given the VIP by mistake, and uses it.
#[test]
fn a_duplicate_address_is_told_with_its_hardware_address() {
    let Some(lab) = Lab::serving("duplicate_address", &Spec::default()) else { return };
    let link = lab.ip(CLIENT, &["-o", "link", "show", "dev", "eth0"]);
    let mac = link.split_once("link/ether ").unwrap().1.split(' ').next().unwrap().to_owned();
    // Ordinary questions of the segment are no claims.
    always("nothing is wrong", Duration::from_millis(300), || lab.vip(LB1, "www").unwrap().duplicates.is_empty());
    lab.ip(CLIENT, &["addr", "add", &format!("{WWW}/24"), "dev", "eth0"]);
    let namespace = lab.namespace(CLIENT);
    let speaker = std::thread::spawn(move || {
        net::enter(&namespace).unwrap();
        let socket = std::net::UdpSocket::bind((WWW, 0)).unwrap();
        // To hosts that it has to ask for first, with the VIP as the one who asks.
        for last in 200..210 {
            socket.send_to(b"x", (Ipv4Addr::new(10, 77, 0, last), 9)).unwrap();
        }
    });
    speaker.join().unwrap();
    lab.eventually("lb1 names the client", |lab| {
        let vip = lab.vip(LB1, "www").unwrap();
        vip.duplicates.iter().any(|d| d.mac == mac && d.address == WWW.to_string())
            && vip.counters.get("duplicate-address").is_some_and(|n| *n >= 10)
    });
    let told = |lab: &Lab| lab.log(LB1).matches(&format!("{mac} claims {WWW} too")).count();
    lab.eventually("the log says so", |lab| told(lab) > 0);
    assert_eq!(told(&lab), 1, "once a minute");
    assert_eq!((lab.holders(WWW), lab.state(LB1, "www")), (vec![LB1], "active".to_owned()));
    assert!(lab.vip(LB2, "www").unwrap().duplicates.is_empty(), "a backup has nothing to defend");
}
