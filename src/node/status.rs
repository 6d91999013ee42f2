//! What a node says of itself: plain data, serialisable, computed at one instant.
//!
//! Durations are milliseconds before that instant (`*_ms_ago`, `for_ms`), so that no wall clock is needed.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Everything that `vipkeeper status` shows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// Name of this node.
    pub node: String,
    /// Version of vipkeeper.
    pub version: String,
    /// Process id of vipkeeper; filled in by the shell.
    pub pid: u32,
    /// Milliseconds since this vipkeeper started.
    pub up_ms: u64,
    /// `starting`, `running` or `stopping`.
    pub phase: String,
    /// An operator wants this node to hold no VIP.
    #[serde(default)]
    pub maintenance: bool,
    /// The configuration in force.
    pub config: ConfigStatus,
    /// The proxy.
    pub proxy: ProxyStatus,
    /// One entry per VIP that this node takes part in, in the order of the file.
    pub vips: Vec<VipStatus>,
    /// Packets that were dropped before they could be attributed to a VIP, by interface, then by reason.
    pub dropped: BTreeMap<String, BTreeMap<String, u64>>,
    /// Every tracker that a VIP of this node uses, in the order of the file.
    #[serde(default)]
    pub trackers: Vec<TrackerStatus>,
    /// The other nodes, as far as they talk to this one beside VRRP, by name; empty: plain VRRP.
    pub peers: Vec<PeerStatus>,
    /// Why there are none although the configuration wants them, or what is wrong with the key or the sockets.
    pub peers_note: Option<String>,
}

/// The configuration in force.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigStatus {
    /// Digest of the files; equal on nodes that read the same.
    pub digest: String,
    /// Milliseconds since it was put in force.
    pub loaded_ms_ago: u64,
    /// The last attempt to change it, if there was one.
    pub last_reload: Option<ReloadStatus>,
}

/// One attempt to apply a changed configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ReloadStatus {
    /// It is in force.
    pub ok: bool,
    /// What was done, or the whole reason why nothing changed.
    pub message: String,
    /// Milliseconds since it ended.
    pub ms_ago: u64,
    /// Milliseconds it took.
    pub took_ms: u64,
}

/// The proxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProxyStatus {
    /// Which program: `haproxy` or `nginx`.
    #[serde(default)]
    pub engine: String,
    /// It counts as fit to hold a VIP.
    pub healthy: bool,
    /// Why it is healthy or not.
    pub why: String,
    /// Milliseconds since that verdict.
    pub for_ms: u64,
    /// What the lifecycle is doing, such as `serving`, `starting`, `waiting 800 ms to start again`.
    pub doing: String,
    /// Process id of the master.
    pub master_pid: Option<u32>,
    /// Process id of the worker that answers.
    pub worker_pid: Option<u32>,
    /// Version as the proxy states it.
    pub version: Option<String>,
    /// Generation that answers.
    pub generation: Option<String>,
    /// Current and maximal connections.
    pub connections: Option<(u64, u64)>,
    /// Connections accepted since the worker started.
    #[serde(default)]
    pub accepted: Option<u64>,
    /// Frontends with their state.
    pub frontends: Vec<(String, String)>,
    /// Backends with their state.
    pub backends: Vec<(String, String)>,
    /// How often it was started since this vipkeeper started.
    pub starts: u64,
    /// Version of the installed binary, which the next start or reload runs.
    #[serde(default)]
    pub installed_version: Option<String>,
    /// What the installed binary was built with, as `haproxy -vv` names it.
    #[serde(default)]
    pub features: Vec<String>,
    /// Workers that were replaced and finish their connections, oldest first; at most 16.
    #[serde(default)]
    pub old_workers: Vec<OldWorkerStatus>,
    /// How many more of them there are.
    #[serde(default)]
    pub old_workers_more: u32,
    /// What operators want of servers beside what the file says.
    #[serde(default)]
    pub intents: Vec<ServerIntentStatus>,
}

/// What an operator wants of a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ServerIntentStatus {
    /// `backend/server`
    pub server: String,
    /// `ready`, `drain` or `maint`.
    pub state: Option<String>,
    /// 0-256.
    pub weight: Option<u32>,
    /// Milliseconds since it was asked for last.
    pub for_ms: u64,
}

/// A worker that was replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OldWorkerStatus {
    /// Its process id.
    pub pid: u32,
    /// Milliseconds since its start, in whole seconds.
    pub up_ms: u64,
    /// Milliseconds since it was first seen as an old one.
    pub replaced_ms_ago: u64,
    /// Connections that it still has; none: it does not answer.
    pub connections: Option<u64>,
    /// Memory in KiB.
    pub memory_kib: Option<u64>,
}

/// One VIP as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct VipStatus {
    /// Name.
    pub name: String,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Interface on this node.
    pub interface: String,
    /// Addresses with prefix length.
    pub addresses: Vec<String>,
    /// `active`, `backup` or `fault`.
    pub state: String,
    /// Milliseconds in this state.
    pub for_ms: u64,
    /// Why it is in this state.
    pub why: String,
    /// Who holds the VIP as far as this node knows.
    pub holder: Option<Holder>,
    /// Priority now; none: the node abstains.
    pub priority: Option<u8>,
    /// Priority of the configuration.
    pub base_priority: u8,
    /// What raises or lowers it, with its weight.
    pub weights: Vec<(String, i32)>,
    /// What an operator wants of it: `released` (it is not held here) or `standby` (others go first).
    #[serde(default)]
    pub operator: Option<String>,
    /// Which of the addresses are on the interface.
    pub installed: Vec<String>,
    /// The last transitions, newest first.
    pub transitions: Vec<TransitionStatus>,
    /// Adverts sent and accepted, hooks failed and the like.
    pub counters: BTreeMap<String, u64>,
    /// Packets for this VRID that were dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
    /// The sync group it belongs to.
    #[serde(default)]
    pub group: Option<String>,
    /// Routes and rules; with the reason if it is not there.
    #[serde(default)]
    pub routing: Vec<(String, Option<String>)>,
    /// Routers that speak for this VRID although they belong to no node, most recent first; at most 8.
    #[serde(default)]
    pub speakers: Vec<SpeakerStatus>,
    /// Hosts that claimed an address of this VIP while it was here, most recent first; at most 8.
    #[serde(default)]
    pub duplicates: Vec<DuplicateStatus>,
    /// Routers whose adverts for this VRID are refused, most recent first; at most 8.
    #[serde(default)]
    pub refused: Vec<RefusedStatus>,
    /// What a human should look at, in words that name the cause and the host.
    #[serde(default)]
    pub troubles: Vec<String>,
}

/// One tracker as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TrackerStatus {
    /// Name.
    pub name: String,
    /// What it watches, in words.
    pub kind: String,
    /// `pending` (not looked at yet), `good` or `failed`.
    pub verdict: String,
    /// Why it failed; empty when there is nothing to say.
    pub why: String,
    /// Milliseconds since that verdict.
    pub for_ms: u64,
    /// The number in a file when it was last read.
    pub value: Option<i64>,
}

/// A router that belongs to no node of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct SpeakerStatus {
    /// Its address.
    pub address: String,
    /// The priority in its last advert; 0: it gave up.
    pub priority: u8,
    /// Its advertisement interval in milliseconds.
    pub interval_ms: u64,
    /// Milliseconds since its last advert.
    pub ms_ago: u64,
}

/// A router whose adverts are refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedStatus {
    /// Its address.
    pub address: String,
    /// Why, as the counters of dropped packets call it.
    pub reason: String,
    /// Milliseconds since its last such advert.
    pub ms_ago: u64,
}

/// A host that claimed an address by ARP or neighbour discovery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DuplicateStatus {
    /// The address of the VIP.
    pub address: String,
    /// The other hardware address, such as `02:00:00:00:00:09`.
    pub mac: String,
    /// Milliseconds since it claimed that last.
    pub ms_ago: u64,
}

/// Another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerStatus {
    /// Its name.
    pub name: String,
    /// Its address.
    pub address: String,
    /// Milliseconds since its last hello that counted.
    pub heard_ms_ago: Option<u64>,
    /// `fresh`, `silent` (heard once), `proving` (something arrives, but it has not proved to be no recording) or
    /// `unknown`.
    pub state: String,
    /// It has the same configuration in force.
    pub same_config: Option<bool>,
    /// What it said of our VIPs last.
    pub vips: Vec<PeerVipStatus>,
    /// Hellos in its name or from its address that were dropped, by reason.
    pub dropped: BTreeMap<String, u64>,
}

/// A VIP as another node sees itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct PeerVipStatus {
    /// Name.
    pub name: String,
    /// `active`, `backup` or `fault`.
    pub state: String,
    /// Priority; none: it abstains.
    pub priority: Option<u8>,
    /// It could serve.
    pub fit: bool,
    /// Why it could not; empty when fit.
    pub why: String,
}

/// Who holds a VIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Holder {
    /// Name of the node, if its address is one of the configuration's.
    pub node: Option<String>,
    /// Its address.
    pub address: String,
    /// The priority it advertises.
    pub priority: u8,
}

/// A change of state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransitionStatus {
    /// Before.
    pub from: String,
    /// After.
    pub to: String,
    /// Why.
    pub why: String,
    /// Milliseconds since then.
    pub ms_ago: u64,
}
