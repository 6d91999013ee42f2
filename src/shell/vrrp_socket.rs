//! The sockets of one interface: raw ones for VRRP of each family, and packet sockets for whole frames.
//!
//! Bytes in, bytes out, with the time at which the kernel received them. It parses and judges nothing.

mod inbox;
mod watch;

use std::io::{self, IoSlice};
use std::net::{IpAddr, Ipv6Addr, SocketAddrV4, SocketAddrV6};
use std::num::NonZeroU32;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};

use nix::libc;
use nix::sys::socket::{ControlMessage, MsgFlags, SockaddrIn6, sendmsg, setsockopt, sockopt};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};

pub use inbox::Inbox;

use self::inbox::Kind;
use super::{clock, sys};
use crate::units::{Family, IfName};

/// IP protocol number of VRRP (RFC 9568 section 5.1.1.4).
const IPPROTO_VRRP: i32 = 112;

/// Room for a burst of adverts during a stall; what does not fit is lost, as on the wire.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

/// Hop limit of adverts (RFC 9568 section 5.1.2.3).
const HOP_LIMIT: u32 = 255;
/// Internetwork control, as in IPv4.
const TRAFFIC_CLASS: u32 = 0xc0;

/// The sockets of one interface.
#[derive(Debug)]
pub struct VrrpSocket {
    interface: IfName,
    index: u32,
    inboxes: Vec<Inbox>,
    /// Only for sending.
    frames: Socket,
}

/// What was tried, and the kernel's answer.
type Failure = (&'static str, io::Error);

impl VrrpSocket {
    /// Opens the sockets on the interface and joins the groups by index, so it needs no address.
    ///
    /// # Errors
    /// In words for the operator; a missing privilege is named.
    pub fn open(interface: &IfName, index: u32, families: &[Family], groups: &[IpAddr]) -> Result<Self, String> {
        let explain = |failure| explain(interface, failure);
        let mut inboxes = Vec::new();
        for family in families {
            let not_before = clock::now();
            let (kind, socket) = match family {
                Family::V4 => (Kind::V4, raw_v4(index, groups)),
                Family::V6 => (Kind::V6, raw_v6(index, groups)),
            };
            let inbox = socket.and_then(|socket| {
                Inbox::new(kind, interface, socket, not_before).map_err(|e| ("watch the VRRP socket", e))
            });
            inboxes.push(inbox.map_err(explain)?);
        }
        let frames = watch::packet_socket(&[])
            .and_then(|socket| sys::bind_packet(&socket, index, 0).map(|()| socket))
            .map_err(|e| explain(("open a packet socket", e)))?;
        Ok(Self { interface: interface.clone(), index, inboxes, frames })
    }

    /// From here on frames in which somebody claims one of these addresses arrive, and no others.
    ///
    /// # Errors
    /// In words for the operator. Nothing is watched then.
    pub fn watch(&mut self, addresses: &[IpAddr]) -> Result<(), String> {
        self.inboxes.retain(|inbox| inbox.kind() != Kind::Frames);
        for socket in watch::open(self.index, addresses) {
            let inbox = socket.and_then(|socket| Inbox::new(Kind::Frames, &self.interface, socket, clock::now()));
            let inbox = inbox.map_err(|e| explain(&self.interface, ("watch for duplicates of our addresses", e)))?;
            self.inboxes.push(inbox);
        }
        Ok(())
    }

    /// The interface it was opened on.
    #[must_use]
    pub fn interface(&self) -> &IfName {
        &self.interface
    }

    /// Kernel index of that interface.
    #[must_use]
    pub fn index(&self) -> u32 {
        self.index
    }

    /// Where things arrive: one for each family, then those for watched addresses.
    pub fn inboxes(&mut self) -> impl Iterator<Item = &mut Inbox> {
        self.inboxes.iter_mut()
    }

    /// Ready when [`Inbox::receive`] of one of them may find something.
    ///
    /// # Errors
    /// Those of the runtime's reactor.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        // All are asked, so that each registers for its own wake-up.
        self.inboxes.iter().fold(Poll::Pending, |result, inbox| match (result, inbox.poll_readable(context)) {
            (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) => Poll::Ready(Err(error)),
            (Poll::Ready(Ok(())), _) | (_, Poll::Ready(Ok(()))) => Poll::Ready(Ok(())),
            (Poll::Pending, Poll::Pending) => Poll::Pending,
        })
    }

    /// Waits until an inbox may have something.
    ///
    /// # Errors
    /// Those of [`VrrpSocket::poll_readable`].
    pub async fn readable(&self) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_readable(context)).await
    }

    /// Sends an advert. IPv4: a whole datagram; the kernel fills in an id of 0 and the header checksum. IPv6: a message; the
    /// kernel writes the header, with this source.
    ///
    /// # Errors
    /// Those of `sendto` and `sendmsg`, such as `ENETDOWN`, or `WouldBlock` when the device's queue is full.
    pub fn transmit(&self, source: IpAddr, to: IpAddr, bytes: &[u8]) -> io::Result<()> {
        let open = |kind| self.inboxes.iter().find(|inbox| inbox.kind() == kind).map(Inbox::socket);
        match (source, to) {
            (IpAddr::V4(_), IpAddr::V4(to)) => {
                let socket = open(Kind::V4).ok_or(io::ErrorKind::NotConnected)?;
                whole(socket.send_to(bytes, &SocketAddrV4::new(to, 0).into())?, bytes)
            }
            (IpAddr::V6(source), IpAddr::V6(to)) => {
                let socket = open(Kind::V6).ok_or(io::ErrorKind::NotConnected)?;
                whole(send_v6(socket, self.index, (source, to), bytes)?, bytes)
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    /// Sends a whole Ethernet frame.
    ///
    /// # Errors
    /// Those of `send`, such as `ENETDOWN`.
    pub fn announce(&self, frame: &[u8]) -> io::Result<()> {
        let sent = nix::sys::socket::send(self.frames.as_raw_fd(), frame, MsgFlags::MSG_DONTWAIT)?;
        whole(sent, frame)
    }
}

fn explain(interface: &IfName, (what, error): Failure) -> String {
    let hint = if error.kind() == io::ErrorKind::PermissionDenied {
        ": vipkeeper needs the capability CAP_NET_RAW (run it as root, or with AmbientCapabilities=CAP_NET_RAW)"
    } else {
        ""
    };
    format!("cannot {what} on {interface}: {error}{hint}")
}

fn whole(sent: usize, all: &[u8]) -> io::Result<()> {
    if sent == all.len() { Ok(()) } else { Err(io::Error::other(format!("only {sent} of {} bytes left", all.len()))) }
}

fn send_v6(socket: &Socket, index: u32, (source, to): (Ipv6Addr, Ipv6Addr), bytes: &[u8]) -> io::Result<usize> {
    let source = libc::in6_pktinfo {
        ipi6_addr: libc::in6_addr { s6_addr: source.octets() },
        ipi6_ifindex: libc::c_uint::from(index),
    };
    let to = SockaddrIn6::from(SocketAddrV6::new(to, 0, 0, index));
    let control = [ControlMessage::Ipv6PacketInfo(&source)];
    let sent = sendmsg(socket.as_raw_fd(), &[IoSlice::new(bytes)], &control, MsgFlags::MSG_DONTWAIT, Some(&to))?;
    Ok(sent)
}

fn raw_v4(index: u32, groups: &[IpAddr]) -> Result<Socket, Failure> {
    let socket = raw(Domain::IPV4)?;
    let setup = |result: io::Result<()>| result.map_err(|e| ("set up the VRRP socket", e));
    // By index: a renamed interface keeps its socket, and one that was replaced under its name does not get it.
    setup(socket.bind_device_by_index_v4(NonZeroU32::new(index)))?;
    drain(&socket);
    setup(socket.set_header_included_v4(true))?;
    // Not those that other programs joined on other interfaces, and not our own adverts.
    setup(socket.set_multicast_all_v4(false))?;
    setup(socket.set_multicast_loop_v4(false))?;
    for group in groups.iter().filter_map(|ip| if let IpAddr::V4(ip) = ip { Some(ip) } else { None }) {
        let interface = InterfaceIndexOrAddress::Index(index);
        socket.join_multicast_v4_n(group, &interface).map_err(|e| ("join the VRRP multicast group", e))?;
    }
    Ok(socket)
}

/// The checksum of adverts is ours (`IPV6_CHECKSUM` stays off), so that broken ones are counted and not lost in the kernel.
fn raw_v6(index: u32, groups: &[IpAddr]) -> Result<Socket, Failure> {
    let socket = raw(Domain::IPV6)?;
    let setup = |result: io::Result<()>| result.map_err(|e| ("set up the IPv6 VRRP socket", e));
    setup(socket.bind_device_by_index_v6(NonZeroU32::new(index)))?;
    drain(&socket);
    setup(socket.set_unicast_hops_v6(HOP_LIMIT))?;
    setup(socket.set_multicast_hops_v6(HOP_LIMIT))?;
    setup(socket.set_tclass_v6(TRAFFIC_CLASS))?;
    setup(socket.set_multicast_if_v6(index))?;
    setup(socket.set_multicast_all_v6(false))?;
    setup(socket.set_multicast_loop_v6(false))?;
    // A resignation may leave from an address that is just gone, as over IPv4.
    setup(socket.set_freebind_v6(true))?;
    setup(socket.set_recv_hoplimit_v6(true))?;
    setup(setsockopt(&socket, sockopt::Ipv6RecvPacketInfo, &true).map_err(io::Error::from))?;
    for group in groups.iter().filter_map(|ip| if let IpAddr::V6(ip) = ip { Some(ip) } else { None }) {
        socket.join_multicast_v6(group, index).map_err(|e| ("join the VRRP multicast group", e))?;
    }
    Ok(socket)
}

fn raw(domain: Domain) -> Result<Socket, Failure> {
    let socket = Socket::new(domain, Type::RAW, Some(Protocol::from(IPPROTO_VRRP)))
        .map_err(|e| ("open a raw VRRP socket", e))?;
    let setup = |result: io::Result<()>| result.map_err(|e| ("set up the VRRP socket", e));
    setup(socket.set_nonblocking(true))?;
    setup(setsockopt(&socket, sockopt::ReceiveTimestampns, &true).map_err(io::Error::from))?;
    if let Err(error) = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES) {
        tracing::debug!(%error, "the VRRP socket keeps the system's receive buffer");
    }
    Ok(socket)
}

/// What arrived on any interface before the socket was bound to its own is not ours to judge.
fn drain(socket: &Socket) {
    const DATAGRAMS_MAX: usize = 4096;
    for _ in 0..DATAGRAMS_MAX {
        if nix::sys::socket::recv(socket.as_raw_fd(), &mut [0; 1], MsgFlags::MSG_DONTWAIT).is_err() {
            break;
        }
    }
}
