//! Whether addresses can be bound: a throw-away `socket` and `bind` each, without `listen`.
//!
//! Blocking. HAProxy's own check does not see a taken port, and a reload that meets one pauses every frontend for
//! two seconds.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::{self, Read};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use rustix::io::Errno;
use socket2::{Domain, Socket, Type};

use super::group;
use crate::config::Engine;
use crate::proxy::BindProbe;

/// Bytes read of `/proc/net/tcp`; sockets beyond are not found.
const TABLE_BYTES_MAX: u64 = 16 << 20;

/// Descriptors looked at over all processes; owners beyond are not found.
const DESCRIPTORS_MAX: usize = 1 << 18;

/// Descriptors of a process under another user, or with more privileges, take that capability to be read.
const UNSEEN: &str = "a process that vipkeeper cannot see without the capability CAP_SYS_PTRACE";

/// State `LISTEN` in `/proc/net/tcp`.
const LISTEN: &str = "0A";

/// Tries every address and returns a line for each that cannot be bound. `ours` is the running master: what its own
/// processes listen on counts as free, since a reload hands it over.
pub(in crate::shell) fn try_all(probes: &[BindProbe], ours: Option<u32>, engine: Engine) -> Vec<Refusal> {
    probes.iter().filter_map(|probe| refusal(probe, ours, engine)).collect()
}

/// Why an address cannot be bound.
pub(in crate::shell) struct Refusal {
    /// In words for the operator.
    pub(in crate::shell) line: String,
    /// Taken, but by nobody who can be seen: often a process that has just been killed, whose sockets the kernel is
    /// still closing. Worth another try.
    pub(super) orphaned: bool,
}

fn refusal(probe: &BindProbe, ours: Option<u32>, engine: Engine) -> Option<Refusal> {
    let error = bind(probe).err()?;
    let address = probe.address;
    let mut orphaned = false;
    let line = match Errno::from_io_error(&error) {
        Some(Errno::ADDRINUSE) => {
            let owners = owners(address);
            let foreign: Vec<&Owner> = owners.iter().filter(|o| ours.is_none() || Some(o.group) != ours).collect();
            if foreign.is_empty() && !owners.is_empty() {
                // HAProxy shares a port with its successor; nginx hands its sockets on, and binds what is new beside them.
                let exchanged = engine == Engine::Nginx && !owners.iter().any(|owner| owner.exactly);
                let line = format!(
                    "{address} cannot be bound while nginx itself listens on another address of that port: take the \
                     bind away, reload, and add it again"
                );
                return exchanged.then_some(Refusal { line, orphaned: false });
            }
            orphaned = owners.is_empty();
            let names: Vec<String> = foreign.iter().map(|o| format!("{} (process {})", o.name, o.pid)).collect();
            let who = if names.is_empty() { UNSEEN.to_owned() } else { names.join(" and ") };
            format!("{address} is taken by {who}: stop it, or bind another port")
        }
        Some(Errno::ACCESS) => format!(
            "{address} needs CAP_NET_BIND_SERVICE: run vipkeeper with that capability, or bind a port from 1024 on"
        ),
        Some(Errno::ADDRNOTAVAIL) => format!(
            "{address} is on no interface of this host: bind the VIP by its name, which works without it, or `*`"
        ),
        _ => format!("{address} cannot be bound: {error}"),
    };
    Some(Refusal { line, orphaned })
}

fn bind(probe: &BindProbe) -> io::Result<()> {
    let socket = Socket::new(Domain::for_address(probe.address), Type::STREAM, None)?;
    // As HAProxy does, so that connections of an earlier proxy that linger are no obstacle; but not
    // SO_REUSEPORT, with which two proxies would silently share the port.
    socket.set_reuse_address(true)?;
    if probe.address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    if probe.transparent {
        match probe.address {
            SocketAddr::V4(_) => socket.set_freebind_v4(true)?,
            SocketAddr::V6(_) => socket.set_freebind_v6(true)?,
        }
    }
    socket.bind(&probe.address.into())
}

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Owner {
    pid: u32,
    name: String,
    group: u32,
    /// It listens on that very address, not on one that covers it.
    exactly: bool,
}

/// The processes that listen on an address or on one that covers it.
fn owners(address: SocketAddr) -> Vec<Owner> {
    let mut inodes = BTreeMap::new();
    // `thread-self`: the network namespace is a thread's, not the process's.
    for table in ["/proc/thread-self/net/tcp", "/proc/thread-self/net/tcp6"] {
        let mut text = String::new();
        if fs::File::open(table).and_then(|file| file.take(TABLE_BYTES_MAX).read_to_string(&mut text)).is_ok() {
            inodes.extend(text.lines().skip(1).filter_map(|line| listening_inode(line, address)));
        }
    }
    if inodes.is_empty() {
        return Vec::new();
    }
    let named = |exactly: bool| {
        let wanted = inodes.iter().filter(|(_, exact)| **exact || !exactly);
        wanted.map(|(inode, _)| format!("socket:[{inode}]")).collect::<BTreeSet<String>>()
    };
    let (any, exact) = (named(false), named(true));
    let mut budget = DESCRIPTORS_MAX;
    let holders: Vec<u32> = group::all().filter(|pid| group::holds_one(*pid, &any, &mut budget)).collect();
    let owner = |pid| Owner {
        pid,
        name: fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default().trim().to_owned(),
        group: group::Stat::of(pid).map_or(0, |stat| stat.group),
        exactly: group::holds_one(pid, &exact, &mut budget),
    };
    holders.into_iter().map(owner).collect()
}

/// The inode of a line of `/proc/net/tcp` or `tcp6` that listens where `address` could not be bound beside it, and
/// whether it is that very address.
fn listening_inode(line: &str, address: SocketAddr) -> Option<(u64, bool)> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let state = fields.nth(1)?;
    let inode = fields.nth(5)?.parse().ok()?;
    let (ip, port) = local.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let ip = table_address(ip)?;
    let covers = ip == address.ip() || ip.is_unspecified() || address.ip().is_unspecified();
    (state == LISTEN && port == address.port() && covers).then_some((inode, ip == address.ip()))
}

/// Addresses stand there as 32-bit words in the machine's byte order.
fn table_address(hex: &str) -> Option<IpAddr> {
    let word = |at: usize| hex.get(at..at + 8).and_then(|w| u32::from_str_radix(w, 16).ok()).map(u32::to_ne_bytes);
    match hex.len() {
        8 => Some(IpAddr::V4(Ipv4Addr::from(word(0)?))),
        32 => {
            let words = [word(0)?, word(8)?, word(16)?, word(24)?];
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            Some(IpAddr::V6(Ipv6Addr::from(bytes)).to_canonical())
        }
        _ => None,
    }
}
