//! What the world tells a node: facts, in the past tense, as plain data.
//!
//! Any event is legal in any state; the shell never decides what one means.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::node::effect::LogLine;
use crate::peer::PeerKey;
use crate::proxy::{ProxyOutcome, Sample};
use crate::render::Rendered;
use crate::units::{Family, IfName, Name};

pub use crate::units::OpId;
pub use crate::vrrp::packet::Datagram;

/// Something happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The deadline of [`super::Node::deadline`] may have passed.
    Tick,
    /// A datagram of IP protocol 112 arrived, whatever its quality.
    PacketReceived(Received),
    /// The whole state of links and addresses, from a complete dump.
    NetworkObserved(Network),
    /// A datagram arrived on the port of hellos, whatever its quality.
    HelloReceived {
        /// Its source.
        from: SocketAddr,
        /// What arrived; what is longer than the receive buffer was cut.
        bytes: Vec<u8>,
        /// When the kernel received it.
        at: Instant,
    },
    /// Outcome of [`super::Effect::OpenHello`].
    HelloOpened {
        /// What is wrong, for people.
        result: Result<(), String>,
    },
    /// Links or addresses changed (monitor message, or an overrun): the picture is stale.
    NetworkChanged,
    /// Outcome of [`super::Effect::OpenInterface`].
    InterfaceOpened {
        /// Which interface.
        interface: IfName,
        /// The error names a missing capability where that is the cause.
        result: Result<(), String>,
    },
    /// Outcome of [`super::Effect::Install`].
    AddressInstalled {
        /// The operation.
        op: OpId,
        /// The kernel's answer.
        result: Result<(), String>,
    },
    /// Outcome of [`super::Effect::Withdraw`]; an address that was gone already is a success.
    AddressWithdrawn {
        /// The operation.
        op: OpId,
        /// The kernel's answer.
        result: Result<(), String>,
    },
    /// An advert or announcement could not be sent.
    TransmitFailed {
        /// On which interface.
        interface: IfName,
        /// The kernel's answer.
        error: String,
    },
    /// Outcome of [`super::Effect::Proxy`].
    ProxyDone {
        /// The operation.
        op: OpId,
        /// What came of it.
        outcome: ProxyOutcome,
    },
    /// The proxy's master process ended (pidfd).
    ProxyExited {
        /// Its process id.
        pid: u32,
        /// Exit status for people, such as `signal 9`.
        status: String,
    },
    /// A worker watched through [`super::Effect::WatchWorker`] ended (pidfd).
    WorkerExited {
        /// Its process id.
        pid: u32,
    },
    /// Outcome of [`super::Effect::Probe`].
    Probed {
        /// The operation.
        op: OpId,
        /// What the stats socket said, or why it said nothing.
        result: Result<Sample, String>,
    },
    /// Outcome of [`super::Effect::RunHook`].
    HookFinished {
        /// The operation.
        op: OpId,
        /// Exit status for people and whether it was a success.
        outcome: HookOutcome,
    },
    /// vipkeeper was started with the last good configuration, since the files are broken. At most once, first.
    StartedWithLastGood {
        /// The whole report of what is wrong with the files.
        report: String,
    },
    /// A watched configuration file may have changed.
    ConfigTouched,
    /// Outcome of [`super::Effect::LoadConfig`].
    ConfigLoaded {
        /// The operation.
        op: OpId,
        /// The new configuration, or the whole report of what is wrong with it.
        result: Result<Loaded, String>,
    },
    /// An operator asked for something through the control socket.
    Requested {
        /// To be answered with [`super::Effect::Reply`].
        id: RequestId,
        /// What was asked.
        request: Request,
    },
    /// A signal arrived.
    Signalled(Signal),
}

/// A datagram with what the kernel knows of its travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// The interface it arrived on.
    pub interface: IfName,
    /// What arrived.
    pub datagram: Datagram,
    /// Longer than the receive buffer; the rest is lost.
    pub truncated: bool,
    /// When the kernel received it.
    pub at: Instant,
}

/// Links and addresses of this host.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Network {
    /// All links, by index.
    pub links: Vec<Link>,
    /// All IPv4 and IPv6 addresses.
    pub addresses: Vec<Address>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Kernel index.
    pub index: u32,
    /// Name.
    pub name: IfName,
    /// Administratively up, and with carrier (`IFF_UP` and `IFF_LOWER_UP`/`IFF_RUNNING`).
    pub up: bool,
    /// Hardware address, if it is an Ethernet one.
    pub mac: Option<[u8; 6]>,
}

/// One address on a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Address {
    /// Index of the link.
    pub index: u32,
    /// The address (`IFA_LOCAL` for IPv4).
    pub ip: IpAddr,
    /// Prefix length.
    pub prefix: u8,
    /// Carries our `IFA_PROTO` tag.
    pub ours: bool,
    /// Seconds of its lease left; none: it stays forever.
    pub valid_secs: Option<u32>,
}

impl Network {
    /// The link of that name.
    pub fn link(&self, name: &IfName) -> Option<&Link> {
        self.links.iter().find(|l| l.name == *name)
    }

    /// Addresses of a link and family, in the kernel's order.
    pub fn of_link(&self, index: u32, family: Family) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |a| a.index == index && Family::of(a.ip) == family)
    }
}

/// How a hook ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HookOutcome {
    /// Exit status 0.
    Succeeded,
    /// Another status, a signal, or it could not be started; the text says which.
    Failed(String),
    /// Killed at its deadline.
    TimedOut,
}

/// A configuration that passed every check, with what was rendered from it for this node.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The validated model.
    pub config: Arc<Config>,
    /// The proxy's configuration text.
    pub rendered: Arc<Rendered>,
    /// The key that the nodes share; without one they do not talk beside VRRP.
    pub key: Option<PeerKey>,
    /// Why there is no key although the configuration names one, or what is wrong with its file.
    pub key_note: Option<LogLine>,
}

/// Numbers a request of the control socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What an operator can ask of a running node. (Status needs no request: it is published.)
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// Read the files again and apply them; answered when applied or refused.
    Reload,
    /// Give up a VIP (none: all) and stay out of its election for this long.
    Release {
        /// Which VIP; none: all.
        vip: Option<Name>,
        /// For how long; zero: until `resume`.
        hold: Duration,
    },
    /// Take part again after a release.
    Resume {
        /// Which VIP; none: all.
        vip: Option<Name>,
    },
}

/// Signals that mean something to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// SIGTERM: resign, and leave the proxy as `proxy.on_stop` says.
    Terminate,
    /// SIGINT, from a terminal: resign and stop the proxy too.
    Interrupt,
    /// SIGHUP: reload.
    Hangup,
}
