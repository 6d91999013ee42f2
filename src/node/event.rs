//! What the world tells a node: facts, in the past tense, as plain data.
//!
//! Any event is legal in any state; the shell never decides what one means. Each can be written to a journal and read
//! from it (`crate::journal`), hence serde: an `Instant` needs `with = "moment"`, bytes `with = "hex"`.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::addrs::device::{ArpConf, Mark};
use crate::addrs::routing::RoutingEntry;
use crate::config::Config;
use crate::node::effect::LogLine;
use crate::node::recorded::Texts;
use crate::peer::PeerKey;
use crate::proxy::attendance::Attended;
use crate::proxy::intents::Wish;
use crate::proxy::{ProxyOutcome, Sample};
use crate::render::Rendered;
use crate::units::recorded::{hex, moment};
use crate::units::{AddressOptions, Family, IfName, Name};

pub use crate::units::OpId;
pub use crate::vrrp::packet::Datagram;

/// Something happened.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Event {
    /// The deadline of [`super::Node::deadline`] may have passed.
    Tick,
    /// A datagram of IP protocol 112 arrived, whatever its quality.
    PacketReceived(Received),
    /// An ARP frame or neighbour advertisement arrived that concerns an address of
    /// [`super::Effect::WatchAddresses`].
    FrameReceived {
        /// The interface it arrived on.
        interface: IfName,
        /// The whole frame, or its beginning.
        frame: Vec<u8>,
        /// When the kernel received it.
        #[serde(with = "moment")]
        at: Instant,
    },
    /// The wall clock was read: first of all, and again whenever it was set. (Signed adverts carry the time of day.)
    WallClockRead {
        /// When it was read.
        #[serde(with = "moment")]
        at: Instant,
        /// What it said, as time since the epoch.
        unix: Duration,
    },
    /// The whole state of links and addresses, from a complete dump.
    NetworkObserved(Network),
    /// A datagram arrived on the port of hellos, whatever its quality.
    HelloReceived {
        /// Its source.
        from: SocketAddr,
        /// What arrived; what is longer than the receive buffer was cut.
        #[serde(with = "hex")]
        bytes: Vec<u8>,
        /// When the kernel received it.
        #[serde(with = "moment")]
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
    /// Outcomes of many [`super::Effect::Install`] and [`super::Effect::Withdraw`] at once, in their order.
    AddressesAnswered(Vec<(OpId, Result<(), String>)>),
    /// Outcome of [`super::Effect::ResetConnections`].
    ConnectionsReset {
        /// The operation.
        op: OpId,
        /// How many were reset.
        result: Result<u32, String>,
    },
    /// Outcome of [`super::Effect::ObserveRouting`]: all routes and rules with our tag.
    RoutingObserved(Result<Vec<RoutingEntry>, String>),
    /// Outcome of [`super::Effect::AddRouting`] and [`super::Effect::RemoveRouting`]; what was gone already is a success.
    RoutingChanged {
        /// The operation.
        op: OpId,
        /// The kernel's answer.
        result: Result<(), String>,
    },
    /// Outcome of [`super::Effect::RaiseDevice`].
    DeviceRaised {
        /// The operation.
        op: OpId,
        /// The device as it is now, or the kernel's answer.
        result: Result<Link, String>,
    },
    /// Outcome of [`super::Effect::RemoveDevice`]; a device that was gone already, or is not ours, is a success.
    DeviceRemoved {
        /// The operation.
        op: OpId,
        /// The kernel's answer.
        result: Result<(), String>,
    },
    /// Outcome of [`super::Effect::ConfigureArp`]; an interface that is gone is a success.
    ArpConfigured {
        /// The operation.
        op: OpId,
        /// The kernel's answer.
        result: Result<(), String>,
    },
    /// Outcome of [`super::Effect::Filter`]; a filter that was gone already is a success.
    Filtered {
        /// The operation.
        op: OpId,
        /// What is wrong, for people.
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
    /// Outcome of [`super::Effect::Attend`].
    Attended {
        /// The operation.
        op: OpId,
        /// What came of it.
        outcome: Attended,
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
    /// A probe was not answered yet after most of its time; told again while its worker is seen to get no processor.
    ProbeLate {
        /// The operation.
        op: OpId,
        /// A thread of the worker waits for a processor, or has one: it is slow rather than stuck.
        runnable: bool,
    },
    /// Outcome of [`super::Effect::Probe`].
    Probed {
        /// The operation.
        op: OpId,
        /// What the stats socket said, or why it said nothing.
        result: Result<Sample, String>,
    },
    /// Outcome of [`super::Effect::Look`].
    Looked {
        /// The operation.
        op: OpId,
        /// The number in a file, 0 for all others; or why it is failed, for people.
        result: Result<i64, String>,
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
    /// What operators want of servers was read from where a predecessor kept it. At most once, at the start.
    IntentsRead {
        /// As [`super::Effect::KeepIntents`] had it.
        text: String,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Received {
    /// The interface it arrived on.
    pub interface: IfName,
    /// What arrived.
    pub datagram: Datagram,
    /// Longer than the receive buffer; the rest is lost.
    pub truncated: bool,
    /// When the kernel received it.
    #[serde(with = "moment")]
    pub at: Instant,
}

/// Links and addresses of this host.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Network {
    /// All links, by index.
    pub links: Vec<Link>,
    /// All IPv4 and IPv6 addresses.
    pub addresses: Vec<Address>,
}

/// One link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Link {
    /// Kernel index.
    pub index: u32,
    /// Name.
    pub name: IfName,
    /// Administratively up, and with carrier (`IFF_UP` and `IFF_LOWER_UP`/`IFF_RUNNING`).
    pub up: bool,
    /// Hardware address, if it is an Ethernet one.
    pub mac: Option<[u8; 6]>,
    /// Alias.
    pub alias: Option<String>,
    /// Index of the interface below, if it has one.
    pub parent: Option<u32>,
    /// How it answers ARP.
    pub arp: Option<ArpConf>,
}

impl Link {
    /// Whether it is a virtual router's device, put there by vipkeeper.
    pub fn is_ours(&self) -> bool {
        self.alias.as_deref().is_some_and(Mark::is_on)
    }
}

/// One address on a link.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Label (none: that of the link) and scope.
    pub options: AddressOptions,
}

impl Network {
    /// The link of that name.
    pub fn link(&self, name: &IfName) -> Option<&Link> {
        self.links.iter().find(|l| l.name == *name)
    }

    /// A link as it is by now, in place of what a dump showed under its name.
    pub fn put(&mut self, link: Link) {
        self.links.retain(|l| l.name != link.name);
        self.links.push(link);
    }

    /// Addresses of a link and family, in the kernel's order.
    pub fn of_link(&self, index: u32, family: Family) -> impl Iterator<Item = &Address> {
        self.addresses.iter().filter(move |a| a.index == index && Family::of(a.ip) == family)
    }
}

/// How a hook ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HookOutcome {
    /// Exit status 0.
    Succeeded,
    /// Another status, a signal, or it could not be started; the text says which.
    Failed(String),
    /// Killed at its deadline.
    TimedOut,
}

/// A configuration that passed every check, with what was rendered from it for this node.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(into = "Texts", try_from = "Texts")]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// What an operator can ask of a running node. (Status needs no request: it is published.)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
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
    /// Something is wanted of a server.
    Server {
        /// `backend/server`
        server: String,
        /// What.
        wish: Wish,
    },
    /// Hand a VIP (none: all that are here) to another node that is known to be fit, and stay behind it as the last in
    /// line until `resume`.
    Switchover {
        /// Which VIP; none: all that are active here.
        vip: Option<Name>,
        /// To which node; none: the best one.
        to: Option<Name>,
    },
    /// Give up all VIPs, also over restarts, or take part again.
    Maintenance {
        /// Whether it begins.
        on: bool,
    },
    /// Take part again after a release or a switchover.
    Resume {
        /// Which VIP; none: all.
        vip: Option<Name>,
    },
}

/// Signals that mean something to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Signal {
    /// SIGTERM: resign, and leave the proxy as `proxy.on_stop` says.
    Terminate,
    /// SIGINT, from a terminal: resign and stop the proxy too.
    Interrupt,
    /// SIGHUP: reload.
    Hangup,
    /// SIGUSR1, from a service manager that starts another one at once: leave everything as it is.
    Replace,
}
