//! What a node asks of the world: requests, in the imperative, as plain data.
//!
//! Nothing is believed until its outcome comes back as an [`Event`](super::Event).

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::addrs::device::{ArpConf, Device};
use crate::addrs::routing::RoutingEntry;
use crate::config::{Endpoint, Notifier};
use crate::hooks::HookRun;
use crate::node::event::{OpId, RequestId};
use crate::notices::Notice;
use crate::proxy::ProxyOp;
use crate::proxy::attendance::Attend;
use crate::track::LookSpec;
use crate::units::{AddressOptions, Family, IfName, LeaseSecs, VipAddress};

/// In the order in which they must be carried out.
pub type Effects = Vec<Effect>;

/// Something to be done. The shell executes `Transmit`, `Announce`, `SendHello` and what opens and closes their sockets
/// itself and at once; the others go to the worker of their resource and never delay the former.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Send an advert.
    Transmit {
        /// Leaves here.
        interface: IfName,
        /// Source address, on that interface.
        source: IpAddr,
        /// Group or peer, of the same family.
        to: IpAddr,
        /// IPv4: the whole datagram, header included (the kernel fills id and header checksum). IPv6: the VRRP message,
        /// to leave with hop limit 255.
        bytes: Vec<u8>,
    },
    /// Send a whole Ethernet frame.
    Announce {
        /// Leaves here.
        interface: IfName,
        /// The frame.
        frame: Vec<u8>,
    },
    /// Open the raw VRRP sockets and the packet socket of an interface and join the groups; replaces earlier ones.
    OpenInterface {
        /// Its name.
        interface: IfName,
        /// Its kernel index.
        index: u32,
        /// Families that VRRP is spoken in; none: frames are sent only.
        families: Vec<Family>,
        /// Groups to join, of those families.
        groups: Vec<IpAddr>,
    },
    /// Watch which other hosts claim these addresses, and no others: `FrameReceived` for each such frame. The
    /// interface is open.
    WatchAddresses {
        /// Its name.
        interface: IfName,
        /// The addresses; none: nothing is watched.
        addresses: Vec<IpAddr>,
    },
    /// Close them.
    CloseInterface {
        /// Its name.
        interface: IfName,
    },
    /// Open the sockets for hellos, one on each of these own addresses whether it is there yet or not; replaces earlier
    /// ones. None: close them. Answered by `HelloOpened`.
    OpenHello {
        /// Where.
        bind: Vec<SocketAddr>,
    },
    /// Send a hello. Lost like any datagram where that is not possible.
    SendHello {
        /// To whom.
        to: SocketAddr,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// Dump links and addresses: answered by `NetworkObserved`.
    ObserveNetwork,
    /// Add or renew an address as a lease with our tag: answered by `AddressInstalled`.
    Install {
        /// The operation.
        op: OpId,
        /// Link.
        index: u32,
        /// The address.
        address: VipAddress,
        /// How it is put there.
        options: AddressOptions,
        /// `valid_lft`.
        lease: LeaseSecs,
    },
    /// Remove an address: answered by `AddressWithdrawn`.
    Withdraw {
        /// The operation.
        op: OpId,
        /// Link.
        index: u32,
        /// The address.
        address: VipAddress,
    },
    /// Reset the TCP connections to these local addresses; listeners stay: answered by `ConnectionsReset`. Carried out
    /// before every `Withdraw` that follows.
    ResetConnections {
        /// The operation.
        op: OpId,
        /// Local addresses.
        addresses: Vec<IpAddr>,
    },
    /// Look for the routes and rules with our tag: answered by `RoutingObserved`.
    ObserveRouting,
    /// Add a route or rule with our tag: answered by `RoutingChanged`. One of ours that is there already is a success.
    AddRouting {
        /// The operation.
        op: OpId,
        /// The route or rule.
        entry: RoutingEntry,
    },
    /// Remove a route or rule of ours: answered by `RoutingChanged`.
    RemoveRouting {
        /// The operation.
        op: OpId,
        /// The route or rule.
        entry: RoutingEntry,
    },
    /// Create the device of a virtual router and set it up, or put right what is wrong with it: answered by `DeviceRaised`. A device of that
    /// name that is not marked as vipkeeper's is left alone, and a failure.
    RaiseDevice {
        /// The operation.
        op: OpId,
        /// The device.
        device: Device,
    },
    /// Remove the device of a virtual router: answered by `DeviceRemoved`. One that is not marked as vipkeeper's stays, and counts as gone.
    RemoveDevice {
        /// The operation.
        op: OpId,
        /// Its name.
        name: IfName,
    },
    /// Let an interface answer ARP like that: answered by `ArpConfigured`.
    ConfigureArp {
        /// The operation.
        op: OpId,
        /// Its index.
        index: u32,
        /// How.
        conf: ArpConf,
    },
    /// Drop packets to exactly these addresses that are for the host itself, except neighbour discovery; none: remove
    /// the filter, also one that a predecessor left. Answered by `Filtered`. One at a time.
    Filter {
        /// The operation.
        op: OpId,
        /// The addresses, in their order.
        addresses: Vec<IpAddr>,
    },
    /// An operation of the proxy worker: answered by `ProxyDone`. One at a time.
    Proxy {
        /// The operation.
        op: OpId,
        /// What to do.
        what: ProxyOp,
    },
    /// Something asked of the running proxy beside its transactions: answered by `Attended`.
    Attend {
        /// The operation.
        op: OpId,
        /// What.
        what: Attend,
    },
    /// Watch a worker process by pidfd instead of the one watched so far: `WorkerExited` when it ends.
    WatchWorker {
        /// Its process id.
        pid: u32,
    },
    /// Ask the stats socket for `show info` and frontend and backend states: answered by `Probed`.
    Probe {
        /// The operation.
        op: OpId,
        /// Give up after this long (the node judges the probe failed at that time by itself).
        timeout: Duration,
        /// Whether the kernel is asked too where somebody listens.
        listeners: bool,
        /// The worker to look at when the answer is late; `ProbeLate` tells.
        worker: Option<u32>,
    },
    /// Look at something that is tracked: answered by `Looked`.
    Look {
        /// The operation.
        op: OpId,
        /// At what.
        what: LookSpec,
        /// Give up after this long (the node judges the look failed at that time by itself).
        timeout: Duration,
    },
    /// Run a hook: answered by `HookFinished`.
    RunHook {
        /// The operation.
        op: OpId,
        /// The command.
        run: HookRun,
    },
    /// Read, check and render the configuration again: answered by `ConfigLoaded`.
    LoadConfig {
        /// The operation.
        op: OpId,
    },
    /// Store the configuration texts read last as the last good ones (the node confirmed that they work).
    KeepConfig,
    /// Tell these of a transition, in the order of such effects; kept until it was told.
    Report {
        /// The transition.
        notice: Notice,
        /// Whom; at least one.
        to: Vec<Notifier>,
    },
    /// Answer HTTP there, and nowhere else; none: nowhere but at the control socket.
    Serve {
        /// Where, and who may change something.
        endpoint: Option<Endpoint>,
    },
    /// Keep what operators want of servers for a later start: `IntentsRead` tells it then.
    KeepIntents {
        /// In place of what was kept before.
        text: String,
    },
    /// Answer a request.
    Reply {
        /// Which.
        request: RequestId,
        /// Done, or the reason why not, for people.
        result: Result<String, String>,
    },
    /// Tell the service manager that we are ready (once) and what we are doing.
    Notify {
        /// `READY=1`
        ready: bool,
        /// `STATUS=`
        status: String,
    },
    /// A line for the operator's log.
    Log(LogLine),
    /// End the process with this status; nothing follows.
    Exit {
        /// Exit status.
        code: u8,
    },
}

/// A decision worth telling, with its reason.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogLine {
    /// How loud.
    pub level: LogLevel,
    /// The VIP it is about, if one.
    pub vip: Option<String>,
    /// What and why.
    pub message: String,
}

/// How loud a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogLevel {
    /// For those who look for it.
    Debug,
    /// A change of state.
    Info,
    /// A human should look.
    Warn,
}
