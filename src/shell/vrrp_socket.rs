//! The sockets of one interface: a raw IPv4 socket for VRRP and a packet socket for whole frames.
//!
//! Bytes in, bytes out, with the time at which the kernel received them. It parses and judges nothing.

use std::io::{self, IoSliceMut};
use std::net::{IpAddr, SocketAddrV4};
use std::num::NonZeroU32;
use std::os::fd::{AsRawFd, OwnedFd};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{clock, sys};
use crate::node::event::{Datagram, Received};
use crate::units::IfName;

/// IP protocol number of VRRP (RFC 9568 section 5.1.1.4).
const IPPROTO_VRRP: i32 = 112;

/// A VRRP datagram with 255 addresses and the longest IP header is about 1.1 kB; what is longer is cut and so marked.
const DATAGRAM_BYTES_MAX: usize = 2048;

/// Room for a burst of adverts during a stall; what does not fit is lost, as on the wire.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

/// The two sockets of one interface.
#[derive(Debug)]
pub struct VrrpSocket {
    interface: IfName,
    index: u32,
    raw: AsyncFd<Socket>,
    frames: OwnedFd,
    buffer: Vec<u8>,
    control: Vec<u8>,
    /// The socket was seen empty then: whatever is read later arrived later.
    empty_at: Instant,
}

impl VrrpSocket {
    /// Opens both sockets on the interface and joins the groups by index, so it needs no address.
    ///
    /// # Errors
    /// In words for the operator; a missing privilege is named.
    pub fn open(interface: &IfName, index: u32, groups: &[IpAddr]) -> Result<Self, String> {
        let explain = |what: &str, error: &io::Error| {
            let hint = if error.kind() == io::ErrorKind::PermissionDenied {
                ": vipkeeper needs the capability CAP_NET_RAW (run it as root, or with AmbientCapabilities=CAP_NET_RAW)"
            } else {
                ""
            };
            format!("cannot {what} on {interface}: {error}{hint}")
        };
        let not_before = clock::now();
        let raw = raw_socket(index, groups).map_err(|(what, error)| explain(what, &error))?;
        let frames = sys::packet_socket(index).map_err(|e| explain("open a packet socket", &e))?;
        let raw = sys::async_fd(raw, Interest::READABLE).map_err(|e| explain("watch the VRRP socket", &e))?;
        Ok(Self {
            interface: interface.clone(),
            index,
            raw,
            frames,
            buffer: vec![0; DATAGRAM_BYTES_MAX],
            control: nix::cmsg_space!(TimeSpec),
            empty_at: not_before,
        })
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

    /// The next datagram that is already here; none: the socket is empty.
    ///
    /// Asks the kernel itself and not the reactor, so that nothing that arrived before a deadline is overlooked.
    ///
    /// # Errors
    /// Those of `recvmsg`, such as the interface having gone down; the socket stays usable.
    pub fn receive(&mut self) -> io::Result<Option<Received>> {
        match receive_from(self.raw.get_ref(), &mut self.buffer, &mut self.control) {
            Ok((bytes, truncated, stamp)) => {
                let at = stamp.map_or_else(clock::now, |stamp| clock::instant_of(stamp, self.empty_at));
                Ok(Some(Received { interface: self.interface.clone(), datagram: Datagram::V4(bytes), truncated, at }))
            }
            Err(error) => {
                // Forget the reactor's cached readiness, or a lasting error would spin; what comes next is a new edge.
                drop(self.raw.try_io(Interest::READABLE, |_| Err::<(), _>(io::ErrorKind::WouldBlock.into())));
                if error == Errno::EAGAIN {
                    self.empty_at = clock::now();
                    Ok(None)
                } else {
                    Err(error.into())
                }
            }
        }
    }

    /// Ready when [`VrrpSocket::receive`] may find something.
    ///
    /// # Errors
    /// Those of the runtime's reactor.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.raw.poll_read_ready(context).map_ok(|_guard| ())
    }

    /// Waits until [`VrrpSocket::receive`] may find something.
    ///
    /// # Errors
    /// Those of [`VrrpSocket::poll_readable`].
    pub async fn readable(&self) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_readable(context)).await
    }

    /// Sends a whole IPv4 datagram; the kernel fills in an id of 0 and the header checksum.
    ///
    /// # Errors
    /// Those of `sendto`, such as `ENETDOWN`, or `WouldBlock` when the device's queue is full.
    pub fn transmit(&self, _source: IpAddr, to: IpAddr, datagram: &[u8]) -> io::Result<()> {
        let IpAddr::V4(to) = to else { return Err(io::ErrorKind::Unsupported.into()) };
        let sent = self.raw.get_ref().send_to(datagram, &SocketAddrV4::new(to, 0).into())?;
        whole(sent, datagram)
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

fn whole(sent: usize, all: &[u8]) -> io::Result<()> {
    if sent == all.len() { Ok(()) } else { Err(io::Error::other(format!("only {sent} of {} bytes left", all.len()))) }
}

fn raw_socket(index: u32, groups: &[IpAddr]) -> Result<Socket, (&'static str, io::Error)> {
    let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(IPPROTO_VRRP)))
        .map_err(|e| ("open a raw VRRP socket", e))?;
    let setup = |result: io::Result<()>| result.map_err(|e| ("set up the VRRP socket", e));
    setup(socket.set_nonblocking(true))?;
    // By index: a renamed interface keeps its socket, and one that was replaced under its name does not get it.
    setup(socket.bind_device_by_index_v4(NonZeroU32::new(index)))?;
    drain(&socket);
    setup(socket.set_header_included_v4(true))?;
    // Not those that other programs joined on other interfaces, and not our own adverts.
    setup(socket.set_multicast_all_v4(false))?;
    setup(socket.set_multicast_loop_v4(false))?;
    setup(setsockopt(&socket, sockopt::ReceiveTimestampns, &true).map_err(io::Error::from))?;
    if let Err(error) = setsockopt(&socket, sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES) {
        tracing::debug!(%error, "the VRRP socket keeps the system's receive buffer");
    }
    for group in groups {
        let IpAddr::V4(group) = group else { continue };
        socket
            .join_multicast_v4_n(group, &InterfaceIndexOrAddress::Index(index))
            .map_err(|e| ("join the VRRP multicast group", e))?;
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

/// The datagram, whether it was cut, and the kernel's wall-clock stamp.
fn receive_from(
    socket: &Socket,
    buffer: &mut [u8],
    control: &mut [u8],
) -> Result<(Vec<u8>, bool, Option<Duration>), Errno> {
    let (len, truncated, stamp) = loop {
        let mut slices = [IoSliceMut::new(buffer)];
        match recvmsg::<()>(socket.as_raw_fd(), &mut slices, Some(control), MsgFlags::MSG_DONTWAIT) {
            Ok(message) => {
                // A control buffer that is too short only costs the stamp.
                let stamp = message.cmsgs().ok().and_then(|mut all| all.find_map(stamp_of));
                break (message.bytes, message.flags.contains(MsgFlags::MSG_TRUNC), stamp);
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    };
    Ok((buffer.get(..len).unwrap_or_default().to_vec(), truncated, stamp))
}

fn stamp_of(message: ControlMessageOwned) -> Option<Duration> {
    if let ControlMessageOwned::ScmTimestampns(stamp) = message { Some(Duration::from(stamp)) } else { None }
}
