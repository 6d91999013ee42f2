//! One socket that is read: what arrived, how it travelled, and when.

use std::io::{self, IoSliceMut};
use std::net::Ipv6Addr;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nix::cmsg_space;
use nix::errno::Errno;
use nix::libc;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg};
use nix::sys::time::TimeSpec;
use socket2::Socket;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::node::Event;
use crate::node::event::{Datagram, Received};
use crate::shell::{clock, sys};
use crate::units::IfName;

/// A VRRP datagram with 255 addresses and the longest IP header is about 1.1 kB, one of IPv6 fits into 1.3 kB; what is longer is
/// cut and so marked.
const DATAGRAM_BYTES_MAX: usize = 2048;

/// What a socket receives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Whole IPv4 datagrams.
    V4,
    /// Payloads of IPv6.
    V6,
    /// Whole frames.
    Frames,
}

/// A socket that is read.
#[derive(Debug)]
pub struct Inbox {
    kind: Kind,
    interface: IfName,
    socket: AsyncFd<Socket>,
    buffer: Vec<u8>,
    control: Vec<u8>,
    /// The socket was seen empty then: whatever is read later arrived later.
    empty_at: Instant,
}

/// What the kernel tells beside the bytes.
#[derive(Debug, Default)]
struct Travel {
    len: usize,
    truncated: bool,
    /// Time of day.
    stamp: Option<Duration>,
    source: Option<Ipv6Addr>,
    destination: Option<Ipv6Addr>,
    hop_limit: Option<u8>,
}

impl Inbox {
    pub(super) fn new(kind: Kind, interface: &IfName, socket: Socket, not_before: Instant) -> io::Result<Self> {
        Ok(Self {
            kind,
            interface: interface.clone(),
            socket: sys::async_fd(socket, Interest::READABLE)?,
            buffer: vec![0; DATAGRAM_BYTES_MAX],
            control: cmsg_space!(TimeSpec, libc::in6_pktinfo, libc::c_int),
            empty_at: not_before,
        })
    }

    pub(super) fn kind(&self) -> Kind {
        self.kind
    }

    pub(super) fn socket(&self) -> &Socket {
        self.socket.get_ref()
    }

    /// What is already here, a datagram or a frame; none: the socket is empty.
    ///
    /// Asks the kernel itself and not the reactor, so that nothing that arrived before a deadline is overlooked.
    ///
    /// # Errors
    /// Those of `recvmsg`, such as the interface having gone down; the socket stays usable.
    pub fn receive(&mut self) -> io::Result<Option<Event>> {
        match receive_from(self.socket.get_ref(), &mut self.buffer, &mut self.control) {
            Ok(travel) => {
                let at = travel.stamp.map_or_else(clock::now, |stamp| clock::instant_of(stamp, self.empty_at));
                Ok(Some(self.event(&travel, at)))
            }
            Err(error) => {
                // Forget the reactor's cached readiness, or a lasting error would spin; what comes next is a new edge.
                drop(self.socket.try_io(Interest::READABLE, |_| Err::<(), _>(io::ErrorKind::WouldBlock.into())));
                if error == Errno::EAGAIN {
                    self.empty_at = clock::now();
                    Ok(None)
                } else {
                    Err(error.into())
                }
            }
        }
    }

    fn event(&self, travel: &Travel, at: Instant) -> Event {
        let interface = self.interface.clone();
        let bytes = self.buffer.get(..travel.len).unwrap_or_default().to_vec();
        let datagram = match self.kind {
            Kind::Frames => return Event::FrameReceived { interface, frame: bytes, at },
            Kind::V4 => Datagram::V4(bytes),
            Kind::V6 => Datagram::V6 {
                // The kernel always tells; unspecified and 0 are refused.
                source: travel.source.unwrap_or(Ipv6Addr::UNSPECIFIED),
                destination: travel.destination.unwrap_or(Ipv6Addr::UNSPECIFIED),
                hop_limit: travel.hop_limit.unwrap_or(0),
                message: bytes,
            },
        };
        Event::PacketReceived(Received { interface, datagram, truncated: travel.truncated, at })
    }

    pub(super) fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_read_ready(context).map_ok(|_guard| ())
    }
}

fn receive_from(socket: &Socket, buffer: &mut [u8], control: &mut [u8]) -> Result<Travel, Errno> {
    loop {
        let mut slices = [IoSliceMut::new(buffer)];
        match recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(control), MsgFlags::MSG_DONTWAIT) {
            Ok(message) => {
                let mut travel = Travel {
                    len: message.bytes,
                    truncated: message.flags.contains(MsgFlags::MSG_TRUNC),
                    source: message.address.and_then(|a| a.as_sockaddr_in6().map(|a| a.ip())),
                    ..Travel::default()
                };
                // A control buffer that is too short only costs what it would have said.
                for told in message.cmsgs().into_iter().flatten() {
                    travel.hear(&told);
                }
                return Ok(travel);
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    }
}

impl Travel {
    fn hear(&mut self, told: &ControlMessageOwned) {
        if let ControlMessageOwned::ScmTimestampns(stamp) = told {
            self.stamp = Some(Duration::from(*stamp));
        } else if let ControlMessageOwned::Ipv6PacketInfo(info) = told {
            self.destination = Some(info.ipi6_addr.s6_addr.into());
        } else if let ControlMessageOwned::Ipv6HopLimit(limit) = told {
            self.hop_limit = u8::try_from(*limit).ok();
        }
    }
}
