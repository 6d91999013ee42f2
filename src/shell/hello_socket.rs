//! The UDP sockets for hellos, one on each own address, whether that is on an interface yet or not.
//!
//! Bytes in, bytes out, with the time at which the kernel received them. It parses and judges nothing.

use std::io::{self, IoSliceMut};
use std::net::SocketAddr;
use std::os::fd::AsRawFd;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::socket::{ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, setsockopt, sockopt};
use nix::sys::time::TimeSpec;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::{clock, sys};
use crate::peer::message::BYTES_MAX;

/// One more than a hello may have: what is longer is cut, and still too long.
const BUFFER_BYTES: usize = BYTES_MAX + 1;

/// DSCP CS6 (network control), as routing protocols have it (RFC 4594 section 3.1).
const TRAFFIC_CLASS: u32 = 0xc0;

/// A socket on one own address.
#[derive(Debug)]
pub struct HelloSocket {
    address: SocketAddr,
    socket: AsyncFd<Socket>,
    buffer: Vec<u8>,
    control: Vec<u8>,
    /// The socket was seen empty then: whatever is read later arrived later.
    empty_at: Instant,
}

/// A datagram as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrived {
    /// Its source.
    pub from: SocketAddr,
    /// What it carried.
    pub bytes: Vec<u8>,
    /// When the kernel received it.
    pub at: Instant,
}

impl HelloSocket {
    /// Opens a socket on the runtime of the calling thread.
    ///
    /// # Errors
    /// In words for the operator: a port that is taken is named.
    pub fn open(address: SocketAddr) -> Result<Self, String> {
        let explain = |what: &str, error: &dyn std::fmt::Display| format!("cannot {what} UDP {address}: {error}");
        let empty_at = clock::now();
        let socket = bound(address).map_err(|e| explain("bind", &e))?;
        let socket = sys::async_fd(socket, Interest::READABLE).map_err(|e| explain("watch", &e))?;
        let control = nix::cmsg_space!(TimeSpec);
        Ok(Self { address, socket, buffer: vec![0; BUFFER_BYTES], control, empty_at })
    }

    /// The address that it speaks from.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The next datagram that is already here; none: the socket is empty.
    ///
    /// # Errors
    /// Those of `recvmsg`, such as an answer by ICMP to what was sent; the socket stays usable.
    pub fn receive(&mut self) -> io::Result<Option<Arrived>> {
        match receive_from(self.socket.get_ref(), &mut self.buffer, &mut self.control) {
            Ok((from, bytes, stamp)) => {
                let at = stamp.map_or_else(clock::now, |stamp| clock::instant_of(stamp, self.empty_at));
                Ok(Some(Arrived { from, bytes, at }))
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

    /// Ready when [`HelloSocket::receive`] may find something.
    ///
    /// # Errors
    /// Those of the runtime's reactor.
    pub fn poll_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket.poll_read_ready(context).map_ok(|_guard| ())
    }

    /// Sends a datagram.
    ///
    /// # Errors
    /// Those of `sendto`, such as `ENETUNREACH`, or the answer by ICMP to what was sent before.
    pub fn send(&self, to: SocketAddr, bytes: &[u8]) -> io::Result<()> {
        // The answer to the last datagram is reported by the next send, which then has not left.
        self.socket.get_ref().send_to(bytes, &to.into()).or_else(|error| {
            if error.kind() == io::ErrorKind::ConnectionRefused {
                self.socket.get_ref().send_to(bytes, &to.into())
            } else {
                Err(error)
            }
        })?;
        Ok(())
    }
}

fn bound(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    match address {
        SocketAddr::V4(_) => {
            socket.set_freebind_v4(true)?;
            socket.set_tos_v4(TRAFFIC_CLASS)?;
        }
        SocketAddr::V6(_) => {
            socket.set_only_v6(true)?;
            socket.set_freebind_v6(true)?;
            socket.set_tclass_v6(TRAFFIC_CLASS)?;
        }
    }
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).map_err(io::Error::from)?;
    socket.bind(&address.into())?;
    Ok(socket)
}

/// Source, bytes, and the kernel's wall-clock stamp.
fn receive_from(
    socket: &Socket,
    buffer: &mut [u8],
    control: &mut [u8],
) -> Result<(SocketAddr, Vec<u8>, Option<Duration>), Errno> {
    let (from, len, stamp) = loop {
        let mut slices = [IoSliceMut::new(buffer)];
        match recvmsg::<SockaddrStorage>(socket.as_raw_fd(), &mut slices, Some(control), MsgFlags::MSG_DONTWAIT) {
            Ok(message) => {
                // A control buffer that is too short only costs the stamp.
                let stamp = message.cmsgs().ok().and_then(|mut all| all.find_map(stamp_of));
                break (message.address.and_then(socket_address), message.bytes, stamp);
            }
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error),
        }
    };
    let from = from.ok_or(Errno::EAFNOSUPPORT)?;
    Ok((from, buffer.get(..len).unwrap_or_default().to_vec(), stamp))
}

fn socket_address(address: SockaddrStorage) -> Option<SocketAddr> {
    let v4 = address.as_sockaddr_in().map(|a| SocketAddr::from(std::net::SocketAddrV4::from(*a)));
    v4.or_else(|| address.as_sockaddr_in6().map(|a| SocketAddr::from(std::net::SocketAddrV6::from(*a))))
}

fn stamp_of(message: ControlMessageOwned) -> Option<Duration> {
    if let ControlMessageOwned::ScmTimestampns(stamp) = message { Some(Duration::from(stamp)) } else { None }
}
