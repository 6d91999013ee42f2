//! `[[vip]]` and `[[group]]` as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{PerNode, RawCommand, default};
use crate::config::limits;
use crate::config::written::{At, DurationText, PriorityNumber, Some1, TextOr};

/// A virtual IP: the addresses that move together.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawVip {
    /// How binds, hooks and the command line refer to it.
    #[schemars(required, example = &"www")]
    pub(in crate::config) name: Option<At<String>>,
    /// Addresses with prefix length, all of one family; each a string, or a table with options.
    #[schemars(required, example = ["192.168.83.111/24"])]
    pub(in crate::config) addresses: Option<At<Some1<At<TextOr<RawAddress>>>>>,
    /// Addresses of any family that move along without being named in adverts.
    #[schemars(example = ["2001:db8:83::111/64"])]
    pub(in crate::config) excluded: Option<At<Vec<At<TextOr<RawAddress>>>>>,
    /// Routes that are there while this node holds the VIP.
    #[schemars(example = [BTreeMap::from([("to", "10.0.0.0/8"), ("via", "192.168.83.1")])])]
    pub(in crate::config) routes: Option<At<Vec<At<RawRoute>>>>,
    /// Policy rules that are there while this node holds the VIP.
    pub(in crate::config) rules: Option<At<Vec<At<RawRule>>>>,
    /// The network interface, or a table with that of each node where they differ.
    #[schemars(required, example = &"eth0")]
    pub(in crate::config) interface: Option<At<TextOr<PerNode>>>,
    /// Virtual router identifier: the same on every node, and no other's on that network.
    #[schemars(required, example = 51, range(min = 1, max = 255))]
    pub(in crate::config) vrid: Option<At<i64>>,
    /// Who should hold it, in this order; this makes the priorities 254, 253, 252 and so on.
    #[schemars(example = ["lb1", "lb2"])]
    pub(in crate::config) prefer: Option<At<Some1<At<String>>>>,
    /// The same as numbers from 1 to 254; the highest holds it. 255 is the address owner, whom no weight moves.
    #[schemars(example = BTreeMap::from([("lb1", 200), ("lb2", 100)]))]
    pub(in crate::config) priority: Option<At<BTreeMap<At<String>, At<PriorityNumber>>>>,
    /// Version of VRRP. 2 is for routers that know no other: IPv4 only, intervals of whole seconds.
    #[schemars(range(min = 2, max = 3), extend("default" = 3))]
    pub(in crate::config) version: Option<At<i64>>,
    /// How adverts are authenticated; not at all when absent, as in RFC 9568.
    pub(in crate::config) auth: Option<At<RawAuth>>,
    /// How often the holder says that it is alive, from 10ms to 40950ms in steps of 10 ms; whole seconds in version 2.
    #[schemars(extend("default" = default(limits::ADVERT_INTERVAL)))]
    pub(in crate::config) advert_interval: Option<At<DurationText>>,
    /// How many intervals without an advert until the holder counts as gone; the RFCs have 3.
    #[schemars(range(min = 1, max = 100), extend("default" = 3))]
    pub(in crate::config) down_multiplier: Option<At<i64>>,
    /// Whether a better node takes the VIP back when it returns.
    #[schemars(extend("default" = true))]
    pub(in crate::config) preempt: Option<At<bool>>,
    /// How long a better node must have been fit before it takes the VIP back.
    #[schemars(extend("default" = default(limits::PREEMPT_DELAY)))]
    pub(in crate::config) preempt_delay: Option<At<DurationText>>,
    /// How adverts travel.
    #[schemars(extend("default" = "multicast"))]
    pub(in crate::config) transport: Option<At<RawTransport>>,
    /// The group for multicast adverts; 224.0.0.18 for IPv4 and ff02::12 for IPv6 when absent.
    #[schemars(example = &"224.0.0.18")]
    pub(in crate::config) multicast_group: Option<At<String>>,
    /// Which VRRPv3 checksum is sent over IPv4; both are accepted.
    #[schemars(extend("default" = "pseudo-header"))]
    pub(in crate::config) checksum: Option<At<RawChecksum>>,
    /// Gratuitous ARP and neighbour advertisements: how the network is told where the VIP is.
    pub(in crate::config) announce: Option<At<RawAnnounce>>,
    /// How long a node listens after a start, or after its link came up, before it may take the VIP unheard.
    #[schemars(extend("default" = default(limits::LINK_HOLD)))]
    pub(in crate::config) link_hold: Option<At<DurationText>>,
    /// What becomes of TCP connections to the VIP when it leaves a living node.
    #[schemars(extend("default" = "reset"))]
    pub(in crate::config) on_release: Option<At<RawOnRelease>>,
    /// How long the VIP stays while the proxy is started again in place, if no other node is known to be fit.
    #[schemars(extend("default" = default(limits::GRACE)))]
    pub(in crate::config) grace: Option<At<DurationText>>,
    /// Whether the host answers on the addresses, as a proxy needs; `false`: it forwards only, and nftables drops the rest.
    #[schemars(extend("default" = true))]
    pub(in crate::config) accept: Option<At<bool>>,
    /// Whether the VIP has the virtual router's MAC address of the RFC, which moves with it, instead of the interface's.
    #[schemars(extend("default" = false))]
    pub(in crate::config) vmac: Option<At<bool>>,
    /// What changes the priority, or forbids to hold the VIP.
    pub(in crate::config) track: Option<At<Vec<At<RawTrack>>>>,
    /// Runs when this node gets the VIP. A program without arguments, or a list with its arguments.
    #[schemars(example = &"/usr/local/bin/on-master")]
    pub(in crate::config) notify_master: Option<RawCommand>,
    /// Runs when this node stands by.
    #[schemars(example = &"/usr/local/bin/on-backup")]
    pub(in crate::config) notify_backup: Option<RawCommand>,
    /// Runs when this node cannot hold the VIP.
    #[schemars(example = &"/usr/local/bin/on-fault")]
    pub(in crate::config) notify_fault: Option<RawCommand>,
    /// Runs when vipkeeper stops.
    #[schemars(example = &"/usr/local/bin/on-stop")]
    pub(in crate::config) notify_stop: Option<RawCommand>,
    /// Runs at every transition, with `INSTANCE NAME STATE PRIORITY` appended, as keepalived does.
    #[schemars(example = &"/usr/local/bin/on-change")]
    pub(in crate::config) notify: Option<RawCommand>,
}

/// How adverts travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawTransport {
    /// To a group.
    Multicast,
    /// To the address of every other node of the VIP: for networks that do not carry multicast.
    Unicast,
}

/// What becomes of TCP connections to a VIP that leaves a living node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawOnRelease {
    /// They are reset, so that clients try again at once.
    Reset,
    /// They are left to their timeouts.
    Keep,
}

/// Which VRRPv3 checksum is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawChecksum {
    /// With the IPv4 pseudo header: what keepalived and FRR send and demand.
    PseudoHeader,
    /// Over the VRRP message alone.
    Rfc9568,
}

/// Gratuitous ARP and neighbour advertisements.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawAnnounce {
    /// Frames per round and address.
    #[schemars(range(min = 1, max = 100), extend("default" = 5))]
    pub(in crate::config) repeat: Option<At<i64>>,
    /// When the second round follows the first; "0s": no second round.
    #[schemars(extend("default" = default(limits::ANNOUNCE_DELAY)))]
    pub(in crate::config) delay: Option<At<DurationText>>,
    /// A single frame this often while holding the VIP; "0s": never.
    #[schemars(extend("default" = default(limits::ANNOUNCE_REFRESH)))]
    pub(in crate::config) refresh: Option<At<DurationText>>,
}

/// What changes the priority: either `tracker` or `backend`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawTrack {
    /// Name of a `[[tracker]]`.
    #[schemars(example = &"gateway")]
    pub(in crate::config) tracker: Option<At<String>>,
    /// Name of a `[[backend]]`: short for a tracker that fails when none of its servers is up.
    #[schemars(example = &"web")]
    pub(in crate::config) backend: Option<At<String>>,
    /// Negative: added to the priority while it is failed; positive: while it is good. 0: while it is failed the node does not hold the VIP.
    #[schemars(example = -20, range(min = -253, max = 253), extend("default" = 0))]
    pub(in crate::config) weight: Option<At<i64>>,
    /// Good and failed change places.
    #[schemars(extend("default" = false))]
    pub(in crate::config) reverse: Option<At<bool>>,
}

/// An address with options.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawAddress {
    /// The address with its prefix length.
    #[schemars(required, example = &"192.168.83.111/24")]
    pub(in crate::config) address: Option<At<String>>,
    /// The interface that gets it, or a table with that of each node; the VIP's own when absent.
    #[schemars(example = &"eth1")]
    pub(in crate::config) interface: Option<At<TextOr<PerNode>>>,
    /// What `ip address` shows as its label: the interface, a colon and a word; IPv4 only.
    #[schemars(example = &"eth0:www")]
    pub(in crate::config) label: Option<At<String>>,
    /// Scope of the address.
    #[schemars(extend("default" = "global"))]
    pub(in crate::config) scope: Option<At<RawScope>>,
}

/// Scope of an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawScope {
    /// Valid everywhere.
    Global,
    /// Within the site.
    Site,
    /// On this link.
    Link,
    /// On this host.
    Host,
}

/// A route that is there while this node holds the VIP.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawRoute {
    /// Network with prefix length, or "default".
    #[schemars(required, example = &"10.0.0.0/8")]
    pub(in crate::config) to: Option<At<String>>,
    /// Gateway, of the same family.
    #[schemars(example = &"192.168.83.1")]
    pub(in crate::config) via: Option<At<String>>,
    /// Device; where there is no gateway either, the VIP's.
    #[schemars(example = &"eth0")]
    pub(in crate::config) interface: Option<At<String>>,
    /// Preferred source address, such as the VIP.
    #[schemars(example = &"192.168.83.111")]
    pub(in crate::config) source: Option<At<String>>,
    /// Number of the routing table; the main one when absent.
    #[schemars(example = 100, range(min = 1, max = 4_294_967_295_i64))]
    pub(in crate::config) table: Option<At<i64>>,
    /// Metric; the kernel's own choice when absent.
    #[schemars(example = 50, range(min = 0, max = 4_294_967_295_i64))]
    pub(in crate::config) metric: Option<At<i64>>,
}

/// A policy rule that is there while this node holds the VIP.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawRule {
    /// Source network with prefix length.
    #[schemars(example = &"192.168.83.111/32")]
    pub(in crate::config) from: Option<At<String>>,
    /// Destination network with prefix length.
    #[schemars(example = &"10.0.0.0/8")]
    pub(in crate::config) to: Option<At<String>>,
    /// Firewall mark.
    #[schemars(example = 7, range(min = 1, max = 4_294_967_295_i64))]
    pub(in crate::config) mark: Option<At<i64>>,
    /// Number of the routing table to look up.
    #[schemars(required, example = 100, range(min = 1, max = 4_294_967_295_i64))]
    pub(in crate::config) table: Option<At<i64>>,
    /// Its place among the rules: a lower number is looked at earlier.
    #[schemars(required, example = 1000, range(min = 1, max = 32765))]
    pub(in crate::config) preference: Option<At<i64>>,
}

/// How adverts are authenticated: either `password` or `hmac`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawAuth {
    /// 1 to 8 ASCII characters, in version 2 only. Sent readably: it keeps mistakes apart, not attackers.
    #[schemars(example = &"secret12")]
    pub(in crate::config) password: Option<At<String>>,
    /// Signatures as keepalived's `auth_hmac` has them.
    pub(in crate::config) hmac: Option<At<RawHmac>>,
}

/// HMAC-SHA256 trailers of adverts.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawHmac {
    /// Keys by their number from 1 to 255: "hex:" and 64 to 128 hex digits (32 to 64 bytes). All of them are accepted.
    #[schemars(required, example = BTreeMap::from([("1", "hex:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef")]))]
    pub(in crate::config) keys: Option<At<PerNode>>,
    /// Number of the key that signs; needed where there are several.
    #[schemars(example = 1, range(min = 1, max = 255))]
    pub(in crate::config) active: Option<At<i64>>,
    /// Whether unsigned adverts count.
    #[schemars(extend("default" = "enforce"))]
    pub(in crate::config) mode: Option<At<RawHmacMode>>,
    /// How far a sender's clock may be away.
    #[schemars(extend("default" = default(limits::HMAC_WINDOW)))]
    pub(in crate::config) window: Option<At<DurationText>>,
}

/// Whether unsigned adverts count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawHmacMode {
    /// Adverts are signed, and only signed ones count.
    Enforce,
    /// Adverts are signed, and unsigned ones count too.
    Permissive,
    /// Adverts are not signed yet, and signed ones count too: the first step of a roll-out.
    ReceiveOnly,
}

/// A sync group: VIPs that are always together in one state.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawGroup {
    /// How hooks and the command line refer to it.
    #[schemars(required, example = &"gateway")]
    pub(in crate::config) name: Option<At<String>>,
    /// At least two VIPs with the same nodes in the same order; none of them in another group.
    #[schemars(required, example = ["inside", "outside"])]
    pub(in crate::config) vips: Option<At<Some1<At<String>>>>,
    /// Runs when this node gets all of them. A program without arguments, or a list with its arguments.
    #[schemars(example = &"/usr/local/bin/on-master")]
    pub(in crate::config) notify_master: Option<RawCommand>,
    /// Runs when this node stands by.
    #[schemars(example = &"/usr/local/bin/on-backup")]
    pub(in crate::config) notify_backup: Option<RawCommand>,
    /// Runs when this node cannot hold them.
    #[schemars(example = &"/usr/local/bin/on-fault")]
    pub(in crate::config) notify_fault: Option<RawCommand>,
    /// Runs when vipkeeper stops.
    #[schemars(example = &"/usr/local/bin/on-stop")]
    pub(in crate::config) notify_stop: Option<RawCommand>,
    /// Runs at every transition, with `GROUP NAME STATE PRIORITY` appended, as keepalived does.
    #[schemars(example = &"/usr/local/bin/on-change")]
    pub(in crate::config) notify: Option<RawCommand>,
}
