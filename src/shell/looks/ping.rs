//! One ICMP or ICMPv6 echo (RFC 792, RFC 4443 section 4).

use std::io::{self, Read, Write};
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU16, Ordering};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use crate::shell::sys;

const ECHO_REPLY_V4: u8 = 0;
const ECHO_REQUEST_V4: u8 = 8;
const ECHO_REQUEST_V6: u8 = 128;
const ECHO_REPLY_V6: u8 = 129;

/// Type, code, checksum, identifier and sequence number.
const HEADER_BYTES: usize = 8;

/// Told apart from the echoes of other programs by what they carry, since identifiers are short.
const MARK: &[u8; 16] = b"vipkeeper-track\0";

/// Numbers all echoes of this process.
static SEQUENCE: AtomicU16 = AtomicU16::new(0);

/// How replies arrive on a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Framing {
    /// The ICMP message alone; the kernel chose the identifier.
    Message,
    /// As the former, with our identifier.
    Raw,
    /// The same behind the IPv4 header.
    RawWithHeader,
}

/// Good when the echo came back. The caller bounds the time.
pub(super) async fn look(address: IpAddr) -> Result<i64, String> {
    echo(address).await.map(|()| 0).map_err(|error| format!("cannot ping {address}: {error}"))
}

async fn echo(address: IpAddr) -> io::Result<()> {
    let (socket, framing) = open(address)?;
    socket.set_nonblocking(true)?;
    // Only what comes from there is received; an unreachable host is told as an error.
    socket.connect(&SocketAddr::new(address, 0).into())?;
    let request = Echo::new(address);
    let socket = sys::async_fd(socket, Interest::READABLE | Interest::WRITABLE)?;
    let bytes = request.bytes();
    write(&socket, &bytes).await?;
    let mut buffer = [0_u8; 256];
    loop {
        let len = read(&socket, &mut buffer).await?;
        if request.is_answered_by(buffer.get(..len).unwrap_or_default(), framing) {
            return Ok(());
        }
    }
}

/// Ping sockets need `net.ipv4.ping_group_range`, raw ones `CAP_NET_RAW`: whichever there is.
fn open(address: IpAddr) -> io::Result<(Socket, Framing)> {
    let (domain, protocol, raw) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4, Framing::RawWithHeader),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6, Framing::Raw),
    };
    match Socket::new(domain, Type::DGRAM, Some(protocol)) {
        Ok(socket) => Ok((socket, Framing::Message)),
        Err(_) => Socket::new(domain, Type::RAW, Some(protocol)).map(|socket| (socket, raw)),
    }
}

async fn write(socket: &AsyncFd<Socket>, bytes: &[u8]) -> io::Result<()> {
    loop {
        let mut guard = socket.writable().await?;
        if let Ok(sent) = guard.try_io(|inner| inner.get_ref().write(bytes)) {
            return sent.map(|_| ());
        }
    }
}

async fn read(socket: &AsyncFd<Socket>, buffer: &mut [u8]) -> io::Result<usize> {
    loop {
        let mut guard = socket.readable().await?;
        if let Ok(received) = guard.try_io(|inner| inner.get_ref().read(buffer)) {
            return received;
        }
    }
}

/// An echo request.
#[derive(Debug, Clone, Copy)]
struct Echo {
    kind: u8,
    reply: u8,
    identifier: [u8; 2],
    sequence: [u8; 2],
}

impl Echo {
    fn new(address: IpAddr) -> Self {
        let (kind, reply) = match address {
            IpAddr::V4(_) => (ECHO_REQUEST_V4, ECHO_REPLY_V4),
            IpAddr::V6(_) => (ECHO_REQUEST_V6, ECHO_REPLY_V6),
        };
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        Self { kind, reply, identifier: [high, low], sequence }
    }

    fn bytes(self) -> Vec<u8> {
        let [id_high, id_low] = self.identifier;
        let [seq_high, seq_low] = self.sequence;
        let message = |[high, low]: [u8; 2]| {
            let mut bytes = vec![self.kind, 0, high, low, id_high, id_low, seq_high, seq_low];
            bytes.extend_from_slice(MARK);
            bytes
        };
        // The kernel overwrites it where it knows better (IPv6, ping sockets).
        message(checksum(&message([0, 0])))
    }

    fn is_answered_by(self, received: &[u8], framing: Framing) -> bool {
        let skipped = match framing {
            Framing::Message | Framing::Raw => 0,
            // The header length of IPv4, in words of four bytes.
            Framing::RawWithHeader => received.first().map_or(0, |first| usize::from(first & 0x0f) * 4),
        };
        let Some((header, payload)) = received.get(skipped..).and_then(|m| m.split_at_checked(HEADER_BYTES)) else {
            return false;
        };
        let [kind, code, _, _, id_high, id_low, seq_high, seq_low] = header else { return false };
        let ours = match framing {
            Framing::Message => true,
            Framing::Raw | Framing::RawWithHeader => [*id_high, *id_low] == self.identifier,
        };
        ours && (*kind, *code) == (self.reply, 0) && [*seq_high, *seq_low] == self.sequence && payload == MARK
    }
}

/// RFC 1071 over an even number of bytes.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks_exact(2).filter_map(|pair| <[u8; 2]>::try_from(pair).ok());
    let mut sum: u32 = words.map(|pair| u32::from(u16::from_be_bytes(pair))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [_, _, high, low] = (!sum).to_be_bytes();
    [high, low]
}

#[cfg(test)]
mod tests;
