//! What was gathered on a host: plain data, each part with "could not be read, and why" as a possible value.
//!
//! It must never hold a judgement, and no secret: keys and passwords stay where they are.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};

use serde::{Deserialize, Serialize};

use crate::node::Status;

/// A thing that was read, or the reason why it was not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gathered<T> {
    /// What it is.
    Read(T),
    /// Why it is not known, for people.
    Unread(String),
}

/// Everything that the doctor judges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// Capabilities of the doctor's own process that vipkeeper needs, by name, and whether it has them.
    pub capabilities: Gathered<BTreeMap<String, bool>>,
    /// Every interface of this host, by name.
    pub interfaces: Gathered<BTreeMap<String, Interface>>,
    /// The answer of `nft -j list ruleset`.
    pub nftables: Gathered<String>,
    /// Tables of the older iptables, whose rules nftables does not show.
    pub legacy_tables: Gathered<Vec<String>>,
    /// Values below `/proc/sys`, by path from there.
    pub sysctls: BTreeMap<String, Gathered<String>>,
    /// Processes in the same network namespace, ours excepted: process id and name.
    pub processes: Gathered<Vec<(u32, String)>>,
    /// Addresses of binds that cannot be bound, in words.
    pub ports: Gathered<Vec<(SocketAddr, String)>>,
    /// Certificates that frontends use, by file.
    pub certificates: BTreeMap<String, Gathered<Vec<Certificate>>>,
    /// Seconds since 1970.
    pub unix_time: u64,
    /// Hundredths of a percent of the last minute in which something waited for a processor.
    pub processor_pressure: Gathered<u32>,
    /// Whether real-time scheduling is possible for what root starts here.
    pub realtime: Gathered<bool>,
    /// What the running vipkeeper says; none: none runs.
    pub running: Gathered<Option<Box<Status>>>,
    /// Adverts heard while listening, when asked to.
    pub heard: Option<Gathered<Vec<Heard>>>,
    /// Who answered an ARP probe, when asked to: address, interface, hardware addresses.
    pub probed: Option<Vec<Probed>>,
}

/// An interface.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Interface {
    /// Administratively up.
    pub up: bool,
    /// A cable, a radio or the other end is there; none: it does not say.
    pub carrier: Option<bool>,
    /// Largest payload in bytes; 0: unknown.
    pub mtu: u32,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// What systemd-networkd does with it; none: nothing.
    pub networkd: Option<Networkd>,
    /// NetworkManager says that it manages it.
    pub network_manager: bool,
}

/// What systemd-networkd does with an interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Networkd {
    /// The `.network` file that applies.
    pub file: String,
    /// Its `KeepConfiguration=`; none: it has none.
    pub keep: Option<String>,
}

/// A certificate in a file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// For whom.
    pub subject: String,
    /// Seconds since 1970; the end of its validity.
    pub not_after: i64,
}

/// A router that was heard.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Heard {
    /// Where.
    pub interface: String,
    /// Its address.
    pub source: IpAddr,
    /// Its virtual router.
    pub vrid: u8,
    /// The priority of its last advert.
    pub priority: u8,
}

/// An address that was asked for by ARP (RFC 5227).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Probed {
    /// The address.
    pub address: IpAddr,
    /// Where it was asked for.
    pub interface: String,
    /// Hardware addresses that claim it.
    pub answers: Gathered<Vec<String>>,
}

impl Facts {
    /// The running vipkeeper, if one runs and answers.
    pub(super) fn status(&self) -> Option<&Status> {
        match &self.running {
            Gathered::Read(status) => status.as_deref(),
            Gathered::Unread(_) => None,
        }
    }
}
