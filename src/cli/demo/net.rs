//! Virtual hosts: network namespaces on two virtual switches, made with iproute2 and removed without a trace.
//!
//! ```text
//!            front 10.77.0.0/24                back 10.78.0.0/24
//!  client .5 ----+---------+            +-----------+---- web1 .101
//!                |         |            |           |
//!               lb1 .11   lb2 .12      lb1 .11     lb2 .12 -- web2 .102
//! ```
//! Everything is named `<prefix>-<host>`; [`sweep`] needs nothing but that prefix, so that it works from anywhere.

use std::fs::File;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::cli::programs::{self, ProgramError};

/// Where iproute2 keeps the namespaces it has named.
const NETNS_DIR: &str = "/run/netns";

/// How long processes in a namespace may take to end after SIGTERM, before SIGKILL.
const END_PATIENCE: Duration = Duration::from_secs(3);

/// A network that could not be built or changed.
#[derive(Debug, thiserror::Error)]
pub enum NetError {
    /// iproute2 failed.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A namespace could not be entered.
    #[error("cannot enter the network namespace {namespace}: {reason}")]
    Enter {
        /// Its name.
        namespace: String,
        /// The kernel's answer.
        reason: String,
    },
}

/// One of the two switches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Between clients and balancers; the hosts' `eth0`.
    Front,
    /// Between balancers and servers; the hosts' `eth1`.
    Back,
}

impl Side {
    fn bridge(self) -> &'static str {
        match self {
            Self::Front => "front",
            Self::Back => "back",
        }
    }

    /// The interface in the host.
    pub fn interface(self) -> &'static str {
        match self {
            Self::Front => "eth0",
            Self::Back => "eth1",
        }
    }

    fn letter(self) -> char {
        match self {
            Self::Front => 'f',
            Self::Back => 'b',
        }
    }
}

/// A virtual host to be built.
#[derive(Debug, Clone)]
pub struct Host {
    /// Short name, unique in the network.
    pub name: &'static str,
    /// Its address on the front side, if it is there.
    pub front: Option<Ipv4Addr>,
    /// Its address on the back side, if it is there.
    pub back: Option<Ipv4Addr>,
}

/// What the port of a switch does with frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// It forwards them.
    Open,
    /// It drops them silently: the host keeps its carrier.
    Silent,
    /// The cable is pulled: the host loses its carrier.
    Pulled,
}

/// A built network; removed with every process in it when dropped.
#[derive(Debug)]
pub struct Net {
    prefix: String,
}

impl Net {
    /// Builds switches and hosts. On failure everything built so far is removed.
    ///
    /// # Errors
    /// When a command of iproute2 fails, for example without privileges.
    pub fn build(prefix: &str, hosts: &[Host]) -> Result<Self, NetError> {
        let net = Self { prefix: prefix.to_owned() };
        let switch = net.namespace("net");
        ip(&["netns", "add", &switch])?;
        for side in [Side::Front, Side::Back] {
            let bridge = side.bridge();
            ip(&["-n", &switch, "link", "add", bridge, "type", "bridge", "forward_delay", "0", "mcast_snooping", "0"])?;
            ip(&["-n", &switch, "link", "set", bridge, "addrgenmode", "none", "up"])?;
        }
        for host in hosts {
            net.add_host(host)?;
        }
        Ok(net)
    }

    fn add_host(&self, host: &Host) -> Result<(), NetError> {
        let (switch, namespace) = (self.namespace("net"), self.namespace(host.name));
        ip(&["netns", "add", &namespace])?;
        ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        for (side, address) in [(Side::Front, host.front), (Side::Back, host.back)] {
            let Some(address) = address else { continue };
            let (port, inside, address) = (port(host.name, side), side.interface(), format!("{address}/24"));
            ip(&["-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", inside, "netns", &namespace])?;
            ip(&["-n", &namespace, "link", "set", inside, "addrgenmode", "none"])?;
            ip(&["-n", &switch, "link", "set", &port, "addrgenmode", "none", "master", side.bridge(), "up"])?;
            ip(&["-n", &namespace, "addr", "add", &address, "dev", inside])?;
            ip(&["-n", &namespace, "link", "set", inside, "up"])?;
        }
        Ok(())
    }

    /// Name of a host's namespace.
    pub fn namespace(&self, host: &str) -> String {
        format!("{}-{host}", self.prefix)
    }

    /// Changes what the switch does with the frames of a host.
    ///
    /// # Errors
    /// When iproute2 fails.
    pub fn set_port(&self, host: &str, side: Side, state: Port) -> Result<(), NetError> {
        let (switch, port) = (self.namespace("net"), port(host, side));
        match state {
            Port::Pulled => ip(&["-n", &switch, "link", "set", &port, "down"])?,
            Port::Silent => forward(&switch, &port, "0")?,
            Port::Open => {
                ip(&["-n", &switch, "link", "set", &port, "up"])?;
                forward(&switch, &port, "3")?
            }
        };
        Ok(())
    }

    /// The processes in a host.
    pub fn processes(&self, host: &str) -> Vec<Pid> {
        pids(&self.namespace(host))
    }

    /// Runs `ip` with these arguments inside a host.
    ///
    /// # Errors
    /// When it fails.
    pub fn ip(&self, host: &str, args: &[&str]) -> Result<String, NetError> {
        let namespace = self.namespace(host);
        ip(&[&["-n", namespace.as_str()], args].concat())
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        sweep(&self.prefix);
    }
}

/// The port of a host on a switch.
fn port(host: &str, side: Side) -> String {
    format!("{host}.{}", side.letter())
}

fn ip(args: &[&str]) -> Result<String, NetError> {
    Ok(programs::run("ip", args)?)
}

/// Sets the spanning-tree state of a port. (`ip link set ... type bridge_slave state` says yes and does nothing.)
fn forward(switch: &str, port: &str, state: &str) -> Result<String, NetError> {
    Ok(programs::run("bridge", &["-n", switch, "link", "set", "dev", port, "state", state])?)
}

/// Moves the calling thread into a namespace. Threads and processes that it starts are there too.
///
/// # Errors
/// When there is no such namespace, or without `CAP_SYS_ADMIN`.
pub fn enter(namespace: &str) -> Result<(), NetError> {
    let error = |reason: String| NetError::Enter { namespace: namespace.to_owned(), reason };
    let file = File::open(path(namespace)).map_err(|e| error(e.to_string()))?;
    setns(file, CloneFlags::CLONE_NEWNET).map_err(|e| error(e.to_string()))
}

fn path(namespace: &str) -> PathBuf {
    Path::new(NETNS_DIR).join(namespace)
}

/// Ends every process in the namespaces of that prefix and removes them. Never fails: it does what can be done.
pub fn sweep(prefix: &str) {
    let names = names(|name| name.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('-')));
    let inhabitants = || names.iter().flat_map(|n| pids(n)).collect::<Vec<Pid>>();
    for signal in [Signal::TERM, Signal::KILL] {
        end(&inhabitants(), signal, END_PATIENCE);
    }
    for name in &names {
        drop(ip(&["netns", "delete", name]));
    }
}

/// Removes what was left behind by processes that were killed: namespaces `<stem><pid>...-*` without a process `<pid>`.
/// Returns their prefixes.
pub fn sweep_orphans(stem: &str) -> Vec<String> {
    let mut prefixes: Vec<String> = names(|_| true).iter().filter_map(|name| orphaned(stem, name)).collect();
    prefixes.dedup();
    for prefix in &prefixes {
        sweep(prefix);
    }
    prefixes
}

/// The prefix of a namespace whose process has ended.
fn orphaned(stem: &str, name: &str) -> Option<String> {
    let (prefix, _) = name.split_once('-')?;
    let rest = prefix.strip_prefix(stem)?;
    let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let pid = Pid::from_raw(rest.get(..digits)?.parse().ok()?)?;
    pidfd_open(pid, PidfdFlags::empty()).is_err().then(|| prefix.to_owned())
}

/// Names of the namespaces that fit, sorted.
fn names(fits: impl Fn(&str) -> bool) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(NETNS_DIR) else { return Vec::new() };
    let mut names: Vec<String> =
        entries.flatten().filter_map(|e| e.file_name().into_string().ok()).filter(|n| fits(n)).collect();
    names.sort();
    names
}

/// Processes whose first thread is in that namespace; never this one.
fn pids(namespace: &str) -> Vec<Pid> {
    let me = rustix::process::getpid();
    let listed = ip(&["netns", "pids", namespace]).unwrap_or_default();
    listed.split_whitespace().filter_map(|p| Pid::from_raw(p.parse().ok()?)).filter(|p| *p != me).collect()
}

/// Signals processes and waits until all have ended, at most `patience`. Says whether they have.
pub fn end(pids: &[Pid], signal: Signal, patience: Duration) -> bool {
    let watched: Vec<_> = pids.iter().filter_map(|p| pidfd_open(*p, PidfdFlags::empty()).ok()).collect();
    // A process that has ended since needs no signal; another error shows below, as a process that goes on.
    let _signalled = watched.iter().filter(|fd| pidfd_send_signal(fd, signal).is_ok()).count();
    let deadline = super::now() + patience;
    watched.iter().all(|fd| {
        let left = deadline.saturating_duration_since(super::now());
        let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
        let mut waiting = [PollFd::new(fd, PollFlags::IN)];
        matches!(poll(&mut waiting, Some(&timeout)), Ok(n) if n > 0)
    })
}
