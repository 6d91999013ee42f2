//! Virtual IPs: their addresses, their election, and what they depend on.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{HookCommand, HookCommands};
use crate::units::{AddressOptions, Centis, Family, IfName, Name, Priority, VipAddress, Vrid};

/// One virtual router: the addresses that move together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VipConfig {
    /// Name by which binds and the CLI refer to it; `INSTANCE` name in hooks.
    pub name: Name,
    /// At least one is advertised; those come first and are all of one family.
    pub addresses: Vec<VirtualAddress>,
    /// Routes that are there while the VIP is.
    pub routes: Vec<VirtualRoute>,
    /// Policy rules that are there while the VIP is.
    pub rules: Vec<VirtualRule>,
    /// The VRRP interface on each node that takes part.
    pub interfaces: BTreeMap<Name, IfName>,
    /// Virtual router identifier.
    pub vrid: Vrid,
    /// Base priority of each node that takes part; a node that is absent never holds the VIP.
    pub priorities: BTreeMap<Name, Priority>,
    /// Version of the protocol that is spoken.
    pub version: Version,
    /// How adverts are authenticated.
    pub auth: Auth,
    /// Advertisement interval when active; whole seconds in version 2.
    pub advert_interval: Centis,
    /// Intervals without an advert until the active router counts as gone, 1-100 (3 in the RFC).
    pub down_multiplier: u8,
    /// Whether a better node takes the VIP back.
    pub preempt: Preempt,
    /// How adverts travel.
    pub transport: Transport,
    /// Which VRRPv3 IPv4 checksum to send; both are accepted.
    pub checksum: Checksum,
    /// Gratuitous ARP and unsolicited neighbour advertisements.
    pub announce: Announce,
    /// After a start and after the link came up the node waits this long for a first frame before it may become active.
    pub link_hold: Duration,
    /// What becomes of the TCP connections of the VIP when it leaves this node.
    pub on_release: OnRelease,
    /// How long the VIP stays while the proxy is restarted in place, if no other node is known to be fit.
    pub grace: Duration,
    /// Whether the addresses accept traffic for the host itself (RFC 9568 section 6.1, Accept_Mode).
    pub accept: Accept,
    /// Which hardware address the addresses have (RFC 9568 section 7.3).
    pub hardware: Hardware,
    /// What changes the priority, or forbids to hold the VIP.
    pub track: Vec<Track>,
    /// Commands to run on transitions; those of `[hooks]` where the VIP has none of its own.
    pub hooks: HookCommands,
}

impl VipConfig {
    /// The family that its adverts carry.
    pub fn family(&self) -> Family {
        self.addresses.first().map_or(Family::V4, |a| a.address.family())
    }

    /// The addresses in its adverts.
    pub fn advertised(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().filter(|a| a.advertised).map(|a| a.address.ip())
    }
}

/// One address of a VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualAddress {
    /// The address.
    pub address: VipAddress,
    /// Whether adverts name it; else it only moves with the others.
    pub advertised: bool,
    /// Where it is put on each node, if not on the VRRP interface; empty: there.
    pub interfaces: BTreeMap<Name, IfName>,
    /// How it is put there.
    pub options: AddressOptions,
}

impl VirtualAddress {
    /// An advertised address on the VRRP interface.
    pub fn plain(address: VipAddress) -> Self {
        Self { address, advertised: true, interfaces: BTreeMap::new(), options: AddressOptions::default() }
    }

    /// The address without prefix length.
    pub fn ip(&self) -> IpAddr {
        self.address.ip()
    }
}

/// A route that is there while a VIP is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualRoute {
    /// Destination; `0.0.0.0/0` or `::/0` is the default route. Host bits are zero.
    pub to: VipAddress,
    /// Gateway, of the same family.
    pub via: Option<IpAddr>,
    /// Device; the VIP's interface where there is no gateway either.
    pub interface: Option<IfName>,
    /// Preferred source.
    pub source: Option<IpAddr>,
    /// Table number, not 0; none: main.
    pub table: Option<u32>,
    /// Metric.
    pub metric: Option<u32>,
}

/// A policy rule that is there while a VIP is.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct VirtualRule {
    /// Source prefix.
    pub from: Option<VipAddress>,
    /// Destination prefix.
    pub to: Option<VipAddress>,
    /// Firewall mark.
    pub mark: Option<u32>,
    /// Table number to look up, not 0.
    pub table: u32,
    /// Preference, 1-32765.
    pub preference: u32,
}

/// Version of VRRP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// RFC 3768: IPv4 only, whole seconds.
    V2,
    /// RFC 9568.
    V3,
}

/// How adverts are authenticated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// Not at all: RFC 9568 has none.
    None,
    /// VRRPv2's simple text password (RFC 2338 section 5.3.6.1), NUL padded. It keeps mistakes apart, not attackers.
    Password([u8; 8]),
    /// keepalived's HMAC-SHA256 trailer.
    Hmac(HmacAuth),
}

/// HMAC-SHA256 trailers, as keepalived 2.4.2 and later speak them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HmacAuth {
    /// Keys by id (1-255), 32-64 bytes each; all are accepted.
    pub keys: BTreeMap<u8, Vec<u8>>,
    /// Id of the key that signs; one of `keys`.
    pub active: u8,
    /// Whether unsigned adverts count.
    pub mode: HmacMode,
    /// How far a sender's clock may be away.
    pub window: Duration,
}

/// Which adverts count, and whether ours are signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HmacMode {
    /// Sign; only signed ones count.
    Enforce,
    /// Sign; unsigned ones count too.
    Permissive,
    /// Do not sign yet; signed and unsigned ones count. For the first step of a roll-out.
    ReceiveOnly,
}

/// What a backup does when it hears an active router of lower priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preempt {
    /// Never take over from a live router (keepalived's `nopreempt`).
    Refused,
    /// Take over after having been fit for this long (0: at once; keepalived's `preempt_delay`).
    After(Duration),
}

/// How advertisements travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// To a group of the VIP's family, 224.0.0.18 or ff02::12 by default (RFC 9568 section 5.1).
    Multicast(IpAddr),
    /// To the address of every other node of the VIP.
    Unicast,
}

impl Transport {
    /// RFC 9568 section 5.1.1.2.
    pub const GROUP_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(224, 0, 0, 18));
    /// RFC 9568 section 5.1.2.2.
    pub const GROUP_V6: IpAddr = IpAddr::V6(std::net::Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12));

    /// The group of a family.
    pub fn default_group(family: Family) -> IpAddr {
        match family {
            Family::V4 => Self::GROUP_V4,
            Family::V6 => Self::GROUP_V6,
        }
    }
}

/// Which checksum goes out in VRRPv3 over IPv4.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Checksum {
    /// With the IPv4 pseudo header: what keepalived and FRR send and demand by default.
    PseudoHeader,
    /// Over the VRRP message alone (RFC 9568 section 5.2.8).
    Rfc9568,
}

/// Gratuitous ARP and unsolicited neighbour advertisements after a takeover.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Announce {
    /// Frames per round and address, 1-100.
    pub repeat: u32,
    /// When the second round follows the first; zero: no second round.
    pub delay: Duration,
    /// A single frame this often while active; zero: never.
    pub refresh: Duration,
}

/// What becomes of TCP connections to a VIP that leaves a living host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnRelease {
    /// They are reset, so that clients try again at once.
    Reset,
    /// They are left to their timeouts.
    Keep,
}

/// Accept_Mode of RFC 9568 section 6.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accept {
    /// The host accepts packets to the VIP: what a proxy needs.
    Yes,
    /// Only forwarding: packets to the VIP itself are dropped by nftables, except neighbour discovery.
    No,
}

/// Which hardware address the addresses of a VIP have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hardware {
    /// That of the interface where they are; each node has another one.
    Interface,
    /// That of the virtual router, on a macvlan device that moves with the VIP (RFC 9568 section 7.3).
    Virtual,
}

/// Several VIPs that are always in one state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GroupConfig {
    /// Name; `GROUP` name in hooks.
    pub name: Name,
    /// At least two.
    pub vips: Vec<Name>,
    /// Commands on transitions of the whole group; `any` gets `GROUP NAME STATE PRIORITY` appended.
    pub hooks: HookCommands,
}

/// How nodes talk to each other beside VRRP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeersConfig {
    /// File with the shared key, as `vipkeeper keygen` writes it; absolute.
    pub key_file: PathBuf,
    /// UDP port.
    pub port: u16,
    /// From one hello to the next while nothing changes.
    pub interval: Duration,
}

/// A use of a tracker by a VIP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Which tracker; it exists.
    pub tracker: Name,
    /// -253 to 253. Negative: added while the tracker is failed; positive: added while it is good. 0: while it is failed
    /// this node abstains. (A file tracker multiplies it with its number.)
    pub weight: i32,
    /// Good and failed change places.
    pub reverse: bool,
}

/// Something that is watched, and when it counts as good or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tracker {
    /// Name.
    pub name: Name,
    /// What is watched.
    pub kind: TrackerKind,
    /// From the start of one look to the next. Of no meaning for what is told by events.
    pub interval: Duration,
    /// A look that has not ended by then has failed.
    pub timeout: Duration,
    /// Good looks in a row until it counts as good, 1-100.
    pub rise: u32,
    /// Failed looks in a row until it counts as failed, 1-100.
    pub fall: u32,
}

/// What is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrackerKind {
    /// A backend of the proxy: fails when less than this share of its servers is up, 1-100 percent (by count). A
    /// backend without health checks never fails.
    Backend {
        /// Which.
        backend: Name,
        /// Percent.
        up_percent: u8,
    },
    /// The proxy's connections: fails at this share of its `maxconn`, 1-100 percent.
    Saturation {
        /// Percent.
        percent: u8,
    },
    /// Requests that wait in a backend's queue: fails at this many.
    Queue {
        /// Which backend.
        backend: Name,
        /// Requests, at least 1.
        requests: u64,
    },
    /// An interface: fails without carrier.
    Interface(BTreeMap<Name, IfName>),
    /// A program: good with exit status 0. One that cannot be started has failed.
    Script {
        /// The command.
        command: HookCommand,
        /// Unprivileged user to run as; none: that of `[hooks]`.
        user: Option<Name>,
    },
    /// A number in a file; 0, an empty and a missing file are good. Its value times the weight is added to the priority.
    File {
        /// Absolute path.
        path: PathBuf,
    },
    /// A TCP connection.
    Tcp {
        /// To there.
        address: SocketAddr,
    },
    /// An HTTP request, good when answered with 200-399.
    Http {
        /// `http://` and an address or name.
        url: String,
    },
    /// An ICMP echo.
    Ping {
        /// To there.
        address: IpAddr,
    },
    /// Another VIP: good while this node holds it.
    Vip {
        /// Which.
        vip: Name,
    },
}
