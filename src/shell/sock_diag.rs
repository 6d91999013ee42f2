//! Resetting TCP connections by their local address, and listing listeners, through `NETLINK_SOCK_DIAG`.
//!
//! A connection to an address that leaves this host would hang until its client gives up: the new holder never hears of
//! it while the client waits for an answer. A reset tells the client at once. The address must still be here, since the
//! reset leaves from it. Needs `CAP_NET_ADMIN` and a kernel with `CONFIG_INET_DIAG_DESTROY`.

use std::collections::BTreeSet;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use bytes::BytesMut;
use netlink_sys::protocols::NETLINK_SOCK_DIAG;
use netlink_sys::{AsyncSocket, AsyncSocketExt, TokioSocket};
use nix::errno::Errno;
use nix::sys::socket::{setsockopt, sockopt};

use super::clock;

/// The addresses leave after this long, whatever has not been reset by then. Renewals of leases wait meanwhile.
pub const RESET_WITHIN: Duration = Duration::from_secs(1);

/// Connections of one release; the rest is left to its timeouts.
const CONNECTIONS_MAX: usize = 100_000;

/// Resets in one system call: about a millisecond, after which others have their turn.
const RESETS_AT_ONCE: usize = 64;

/// The kernel filters by so many addresses; more are looked for here, among all connections.
const FILTERED_MAX: usize = 32;

/// Room for the answers to a batch that fails altogether.
const RECEIVE_BUFFER_BYTES: usize = 1 << 20;

/// The kernel fills at most this much at a time.
const ANSWER_BYTES: usize = 64 * 1024;

// linux/netlink.h, linux/sock_diag.h, linux/inet_diag.h
const NLMSG_ERROR: u16 = 2;
const NLMSG_DONE: u16 = 3;
const SOCK_DIAG_BY_FAMILY: u16 = 20;
const SOCK_DESTROY: u16 = 21;
const NLM_F_REQUEST: u16 = 1;
const NLM_F_ACK: u16 = 4;
const NLM_F_DUMP: u16 = 0x300;
const INET_DIAG_REQ_BYTECODE: u16 = 1;
const INET_DIAG_BC_JMP: u8 = 1;
const INET_DIAG_BC_S_COND: u8 = 7;
const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
const IPPROTO_TCP: u8 = 6;

/// Bits of the states with a peer: ESTABLISHED (1), SYN_RECV (3), FIN_WAIT1 (4), FIN_WAIT2 (5), CLOSE_WAIT (8),
/// LAST_ACK (9), CLOSING (11). Listeners serve on, and TIME_WAIT has nobody to tell.
const STATES: u32 = 1 << 1 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 8 | 1 << 9 | 1 << 11;

/// LISTEN (10).
const LISTENING: u32 = 1 << 10;

/// Listeners that are looked through; more than a configuration may bind.
const LISTENERS_MAX: usize = 20_000;

/// The kernel lists them at once.
const LIST_WITHIN: Duration = Duration::from_millis(500);

/// Length of `struct nlmsghdr`.
const HEADER_BYTES: usize = 16;
/// Length of `struct inet_diag_sockid`.
const ID_BYTES: usize = 48;

/// Why connections could not be reset.
#[derive(Debug, thiserror::Error)]
pub enum ResetError {
    /// The socket could not be opened or failed.
    #[error("the kernel's socket diagnostics cannot be used: {0}")]
    Socket(#[from] io::Error),
    /// The kernel refused to list or to reset them.
    #[error("the kernel refused: {0}")]
    Refused(Errno),
    /// The kernel cannot do it.
    #[error("this kernel cannot reset connections (it was built without CONFIG_INET_DIAG_DESTROY)")]
    Unsupported,
    /// Listing them took all the time.
    #[error("no time was left for {0} connections")]
    Late(usize),
    /// Neither connections nor an error came.
    #[error("the kernel did not answer within {RESET_WITHIN:?}")]
    Silent,
}

/// A connection, as the kernel names it.
#[derive(Debug, Clone, Copy)]
struct Connection {
    family: u8,
    id: [u8; ID_BYTES],
}

/// Resets the TCP connections whose local address is one of these, IPv4 also on IPv6 sockets; says how many.
///
/// At most 100,000, and none after `until`: what is left over then is left to its timeouts.
///
/// # Errors
/// When nothing could be reset, with the reason.
pub async fn reset_connections(addresses: &BTreeSet<IpAddr>, until: Instant) -> Result<u32, ResetError> {
    let socket = TokioSocket::new(NETLINK_SOCK_DIAG)?;
    if let Err(error) = setsockopt(socket.socket_ref(), sockopt::RcvBufForce, &RECEIVE_BUFFER_BYTES) {
        tracing::debug!(%error, "the diagnostics socket keeps the system's receive buffer");
    }
    let mut diag = Diag { socket, sequence: 0, until };
    let mut connections = Vec::new();
    for family in families(addresses) {
        diag.list(*family, addresses, &mut connections).await?;
    }
    diag.destroy(&connections).await
}

/// Where somebody listens for TCP in this network namespace, whoever it is. IPv6 sockets that take IPv4 too are `[::]`.
///
/// # Errors
/// When the kernel does not list them.
pub async fn listeners() -> Result<BTreeSet<SocketAddr>, ResetError> {
    let socket = TokioSocket::new(NETLINK_SOCK_DIAG)?;
    let mut diag = Diag { socket, sequence: 0, until: clock::now() + LIST_WITHIN };
    let mut found = BTreeSet::new();
    for family in [AF_INET, AF_INET6] {
        let request = diag.message(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &request_body(family, LISTENING, &[0; ID_BYTES]));
        diag.send(&request).await?;
        diag.each(|body| {
            if found.len() < LISTENERS_MAX {
                found.extend(listener(body));
            }
        })
        .await?;
    }
    Ok(found)
}

/// IPv4 connections may live on IPv6 sockets too.
fn families(addresses: &BTreeSet<IpAddr>) -> &'static [u8] {
    if addresses.iter().any(IpAddr::is_ipv4) { &[AF_INET, AF_INET6] } else { &[AF_INET6] }
}

struct Diag {
    socket: TokioSocket,
    sequence: u32,
    until: Instant,
}

impl Diag {
    /// The connections of a socket family whose local address is one of these.
    async fn list(
        &mut self,
        family: u8,
        addresses: &BTreeSet<IpAddr>,
        found: &mut Vec<Connection>,
    ) -> Result<(), ResetError> {
        let body = dump_request(family, addresses);
        let request = self.message(SOCK_DIAG_BY_FAMILY, NLM_F_DUMP, &body);
        self.send(&request).await?;
        self.each(|body| {
            let connection = connection(body).filter(|(_, ip)| addresses.contains(ip));
            let room = found.len() < CONNECTIONS_MAX;
            found.extend(connection.filter(|_| room).map(|(connection, _)| connection));
        })
        .await
    }

    /// Reads the answers to a dump to their end.
    async fn each(&mut self, mut take: impl FnMut(&[u8])) -> Result<(), ResetError> {
        let mut buffer = BytesMut::with_capacity(ANSWER_BYTES);
        loop {
            self.receive(&mut buffer).await?;
            for message in messages(&buffer) {
                match message.kind {
                    NLMSG_DONE => return Ok(()),
                    NLMSG_ERROR => return Err(ResetError::Refused(errno(message.body))),
                    SOCK_DIAG_BY_FAMILY => take(message.body),
                    _ => {}
                }
            }
        }
    }

    /// Resets them, as many as the time allows.
    async fn destroy(&mut self, connections: &[Connection]) -> Result<u32, ResetError> {
        let (mut done, mut refusal) = (0_u32, None);
        for batch in connections.chunks(RESETS_AT_ONCE) {
            if clock::now() >= self.until {
                if done == 0 {
                    return Err(ResetError::Late(connections.len()));
                }
                tracing::warn!(left = connections.len(), done, "not all connections could be reset in time");
                break;
            }
            let mut request = Vec::new();
            for (position, connection) in batch.iter().enumerate() {
                let ack = if position + 1 == batch.len() { NLM_F_ACK } else { 0 };
                request.extend(self.message(
                    SOCK_DESTROY,
                    ack,
                    &request_body(connection.family, STATES, &connection.id),
                ));
            }
            let failed = match self.exchange(&request).await {
                Ok(failed) => failed,
                // What was reset before counts.
                Err(error) if done == 0 => return Err(error),
                Err(error) => {
                    tracing::warn!(%error, "not all connections could be reset");
                    break;
                }
            };
            // One that was gone already is no failure; it is not counted either.
            refusal = failed.iter().copied().find(|error| *error != Errno::ENOENT).or(refusal);
            done = done.saturating_add(u32::try_from(batch.len().saturating_sub(failed.len())).unwrap_or(u32::MAX));
            tokio::task::yield_now().await;
        }
        match refusal {
            Some(Errno::EOPNOTSUPP) if done == 0 => Err(ResetError::Unsupported),
            Some(error) if done == 0 => Err(ResetError::Refused(error)),
            Some(_) | None => Ok(done),
        }
    }

    /// Sends and reads until the last request was answered; the errors.
    async fn exchange(&mut self, request: &[u8]) -> Result<Vec<Errno>, ResetError> {
        self.send(request).await?;
        let mut buffer = BytesMut::with_capacity(ANSWER_BYTES);
        let mut failed = Vec::new();
        loop {
            self.receive(&mut buffer).await?;
            for message in messages(&buffer).filter(|m| m.kind == NLMSG_ERROR) {
                let error = errno(message.body);
                if error != Errno::UnknownErrno {
                    failed.push(error);
                }
                if message.sequence == self.sequence {
                    return Ok(failed);
                }
            }
        }
    }

    async fn send(&self, request: &[u8]) -> Result<(), ResetError> {
        self.socket.send(request).await?;
        Ok(())
    }

    async fn receive(&self, buffer: &mut BytesMut) -> Result<(), ResetError> {
        buffer.clear();
        let left = self.until.saturating_duration_since(clock::now());
        tokio::time::timeout(left, self.socket.recv(buffer)).await.map_err(|_| ResetError::Silent)??;
        Ok(())
    }

    fn message(&mut self, kind: u16, flags: u16, body: &[u8]) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let mut bytes = Vec::with_capacity(HEADER_BYTES + body.len());
        bytes.extend(u32::try_from(HEADER_BYTES + body.len()).unwrap_or(0).to_ne_bytes());
        bytes.extend(kind.to_ne_bytes());
        bytes.extend((NLM_F_REQUEST | flags).to_ne_bytes());
        bytes.extend(self.sequence.to_ne_bytes());
        bytes.extend(0_u32.to_ne_bytes());
        bytes.extend(body);
        bytes
    }
}

/// `struct inet_diag_req_v2`.
fn request_body(family: u8, states: u32, id: &[u8; ID_BYTES]) -> Vec<u8> {
    let mut body = vec![family, IPPROTO_TCP, 0, 0];
    body.extend(states.to_ne_bytes());
    body.extend(id);
    body
}

/// A request for the connections of a family, with a filter where there are few addresses.
fn dump_request(family: u8, addresses: &BTreeSet<IpAddr>) -> Vec<u8> {
    let mut body = request_body(family, STATES, &[0; ID_BYTES]);
    if addresses.len() > FILTERED_MAX {
        return body;
    }
    let filter = filter(addresses);
    let len = u16::try_from(4 + filter.len()).unwrap_or(0);
    body.extend(len.to_ne_bytes());
    body.extend(INET_DIAG_REQ_BYTECODE.to_ne_bytes());
    body.extend(filter);
    body
}

/// Bytecode for "the local address is one of these": for each a condition that jumps over what follows it when it does
/// not hold, and behind it a jump to the end, which accepts. The last one jumps past the end, which rejects.
fn filter(addresses: &BTreeSet<IpAddr>) -> Vec<u8> {
    const JUMP_BYTES: u16 = 4;
    let mut code: Vec<u8> = Vec::new();
    for ip in addresses.iter().rev() {
        let (family, bits, octets) = match ip {
            IpAddr::V4(ip) => (AF_INET, 32, ip.octets().to_vec()),
            IpAddr::V6(ip) => (AF_INET6, 128, ip.octets().to_vec()),
        };
        // struct inet_diag_bc_op, then struct inet_diag_hostcond; port -1: any.
        let len = 12 + u8::try_from(octets.len()).unwrap_or(0);
        let mut condition = vec![INET_DIAG_BC_S_COND, len];
        condition.extend((u16::from(len) + JUMP_BYTES).to_ne_bytes());
        condition.extend([family, bits, 0, 0]);
        condition.extend((-1_i32).to_ne_bytes());
        condition.extend(octets);
        if !code.is_empty() {
            let to_end = JUMP_BYTES.saturating_add(u16::try_from(code.len()).unwrap_or(u16::MAX));
            condition.extend([INET_DIAG_BC_JMP, 4]);
            condition.extend(to_end.to_ne_bytes());
        }
        condition.append(&mut code);
        code = condition;
    }
    code
}

/// One message of an answer.
struct Message<'a> {
    kind: u16,
    sequence: u32,
    body: &'a [u8],
}

fn messages(mut bytes: &[u8]) -> impl Iterator<Item = Message<'_>> {
    std::iter::from_fn(move || {
        let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
        let [l0, l1, l2, l3, k0, k1, _, _, s0, s1, s2, s3, ..] = *header;
        let len = usize::try_from(u32::from_ne_bytes([l0, l1, l2, l3])).ok()?;
        let body = bytes.get(HEADER_BYTES..len)?;
        let kind = u16::from_ne_bytes([k0, k1]);
        let sequence = u32::from_ne_bytes([s0, s1, s2, s3]);
        bytes = bytes.get(len.next_multiple_of(4)..).unwrap_or_default();
        Some(Message { kind, sequence, body })
    })
}

/// `struct nlmsgerr` begins with the negated number; 0, an ACK, is unknown.
fn errno(body: &[u8]) -> Errno {
    let number = body.first_chunk::<4>().map_or(0, |bytes| i32::from_ne_bytes(*bytes));
    Errno::from_raw(number.saturating_neg())
}

/// From `struct inet_diag_msg`: four bytes, then the id, whose source address is behind two ports.
fn connection(body: &[u8]) -> Option<(Connection, IpAddr)> {
    const ADDRESS_AT: usize = 4;
    let (&[family, ..], rest) = body.split_first_chunk::<4>()?;
    let id = *rest.first_chunk::<ID_BYTES>()?;
    let octets = *id.get(ADDRESS_AT..)?.first_chunk::<16>()?;
    let ip = match family {
        AF_INET => {
            let [a, b, c, d, ..] = octets;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        AF_INET6 => Ipv6Addr::from(octets).to_canonical(),
        _ => return None,
    };
    Some((Connection { family, id }, ip))
}

/// From `struct inet_diag_msg`: the local address and port of a listener.
fn listener(body: &[u8]) -> Option<SocketAddr> {
    let (&[family, ..], rest) = body.split_first_chunk::<4>()?;
    let id = rest.first_chunk::<ID_BYTES>()?;
    let [p0, p1, _, _, octets @ ..] = id;
    let octets = *octets.first_chunk::<16>()?;
    let ip = match family {
        AF_INET => {
            let [a, b, c, d, ..] = octets;
            IpAddr::V4(Ipv4Addr::new(a, b, c, d))
        }
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(octets)),
        _ => return None,
    };
    // In network byte order.
    Some(SocketAddr::new(ip, u16::from_be_bytes([*p0, *p1])))
}

#[cfg(test)]
mod tests;
