//! A machine that is made up: its links and addresses, its proxy, its disk. It survives its vipkeeper.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

use crate::addrs::device::{ArpConf, Device};
use crate::addrs::routing::RoutingEntry;
use crate::config::{Config, TrackerKind};
use crate::node::Node;
use crate::node::event::{Address, Event, Link, Network};
use crate::proxy::attendance::{Attend, Attended, Survey};
use crate::proxy::capabilities::Capabilities;
use crate::proxy::{BackendSample, Sample};
use crate::rehearsal::Player;
use crate::track::LookSpec;
use crate::units::{AddressOptions, Digest, IfName, LeaseSecs, Name, VipAddress};

/// Links that are not devices of virtual routers begin here.
const FIRST_LINK: u32 = 2;
/// Devices of virtual routers begin here.
const FIRST_DEVICE: u32 = 1_000;
/// How links answer ARP.
const ARP: ArpConf = ArpConf { ignore: 0, announce: 0 };
/// What HAProxy says of itself: it has whatever a configuration may ask for.
const SAYS_OF_ITSELF: &str = "HAProxy version 2.6 2022/05/31\n\
    Feature list : +EPOLL +OPENSSL +LUA +SLZ -ZLIB +PCRE2 +QUIC +PROMEX\n\
    Available services : prometheus-exporter\n";
/// `maxconn` where the configuration has none.
const CONNECTIONS: u64 = 1_000;

/// An address under a lease.
#[derive(Debug, Clone)]
pub(super) struct Leased {
    pub(super) until: Instant,
    index: u32,
    prefix: u8,
    options: AddressOptions,
}

/// The proxy's master and worker.
#[derive(Debug, Clone)]
pub(super) struct Process {
    pub(super) master: u32,
    pub(super) worker: u32,
    pub(super) generation: Digest,
    pub(super) frozen: bool,
}

/// What is installed, what is checked, what was good.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Disk {
    pub(super) installed: Option<Digest>,
    pub(super) candidate: Option<Digest>,
    pub(super) good: Option<Digest>,
}

/// A machine.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) player: Player,
    at: u16,
    pub(super) node: Option<Box<Node>>,
    /// Counts vipkeeper processes: what belongs to an earlier one is not delivered.
    pub(super) incarnation: u64,
    pub(super) powered: bool,
    pub(super) plugged: bool,
    /// Lost in silence, for everybody.
    pub(super) cut_off: bool,
    pub(super) hung_until: Option<Instant>,
    pub(super) backlog: Vec<Event>,
    links: BTreeMap<IfName, u32>,
    devices: BTreeMap<IfName, Link>,
    pub(super) table: BTreeMap<IpAddr, Leased>,
    pub(super) routing: Vec<RoutingEntry>,
    pub(super) proxy: Option<Process>,
    /// No start succeeds.
    pub(super) broken: bool,
    pub(super) disk: Disk,
    /// Trackers and backends that fail.
    pub(super) failed: BTreeSet<Name>,
    pub(super) kept: Option<String>,
    pub(super) watched_worker: Option<u32>,
    pub(super) wake_at: Option<Instant>,
    next_pid: u32,
    next_device: u32,
}

impl Host {
    pub(super) fn new(player: &Player, at: usize) -> Self {
        let links = interfaces(&player.loaded.config, &player.name);
        let at = u16::try_from(at).unwrap_or(u16::MAX);
        Self {
            player: player.clone(),
            at,
            node: None,
            incarnation: 0,
            powered: true,
            plugged: true,
            cut_off: false,
            hung_until: None,
            backlog: Vec::new(),
            links: links.into_iter().zip(FIRST_LINK..).collect(),
            devices: BTreeMap::new(),
            table: BTreeMap::new(),
            routing: Vec::new(),
            proxy: None,
            broken: false,
            disk: Disk::default(),
            failed: BTreeSet::new(),
            kept: None,
            watched_worker: None,
            wake_at: None,
            next_pid: 1_000_u32.saturating_mul(u32::from(at).saturating_add(1)),
            next_device: FIRST_DEVICE,
        }
    }

    pub(super) fn config(&self) -> &Config {
        &self.player.loaded.config
    }

    pub(super) fn is_hung(&self, now: Instant) -> bool {
        self.hung_until.is_some_and(|until| now < until)
    }

    /// Frames leave it and reach it, as far as it knows.
    pub(super) fn has_carrier(&self) -> bool {
        self.powered && self.plugged
    }

    /// Whether it is there for anybody.
    pub(super) fn is_reachable(&self) -> bool {
        self.has_carrier() && !self.cut_off
    }

    pub(super) fn is_serving(&self) -> bool {
        self.proxy.as_ref().is_some_and(|proxy| !proxy.frozen)
    }

    pub(super) fn pid(&mut self) -> u32 {
        self.next_pid = self.next_pid.saturating_add(1);
        self.next_pid
    }

    /// Power goes: only the disk stays.
    pub(super) fn lose_power(&mut self) {
        self.powered = false;
        self.node = None;
        self.incarnation = self.incarnation.saturating_add(1);
        self.proxy = None;
        self.table.clear();
        self.devices.clear();
        self.routing.clear();
        self.backlog.clear();
        self.hung_until = None;
        self.watched_worker = None;
    }

    /// The interfaces that are not of virtual routers, with their hardware addresses.
    pub(super) fn ports(&self) -> impl Iterator<Item = (&IfName, [u8; 6])> {
        self.links.iter().map(|(name, index)| (name, self.mac(*index)))
    }

    pub(super) fn has_link(&self, index: u32) -> bool {
        self.links.values().any(|link| *link == index) || self.devices.values().any(|device| device.index == index)
    }

    fn mac(&self, index: u32) -> [u8; 6] {
        let [high, low] = self.at.to_be_bytes();
        let [.., link_high, link_low] = index.to_be_bytes();
        [2, 0, high, low, link_high, link_low]
    }

    /// An interface whose tracker was failed has no carrier.
    fn carries(&self, name: &IfName) -> bool {
        let failed = |tracker: &&crate::config::Tracker| self.failed.contains(&tracker.name);
        let is_it = |tracker: &crate::config::Tracker| match &tracker.kind {
            TrackerKind::Interface(of) => of.get(&self.player.name) == Some(name),
            TrackerKind::Backend { .. }
            | TrackerKind::Saturation { .. }
            | TrackerKind::Queue { .. }
            | TrackerKind::Script { .. }
            | TrackerKind::File { .. }
            | TrackerKind::Tcp { .. }
            | TrackerKind::Http { .. }
            | TrackerKind::Ping { .. }
            | TrackerKind::Vip { .. } => false,
        };
        self.has_carrier() && !self.config().trackers.iter().filter(failed).any(is_it)
    }

    /// What a dump shows.
    pub(super) fn network(&self, now: Instant) -> Network {
        let link = |(name, index): (&IfName, &u32)| Link {
            index: *index,
            name: name.clone(),
            up: self.carries(name),
            mac: Some(self.mac(*index)),
            alias: None,
            parent: None,
            arp: Some(ARP),
        };
        let devices = self.devices.values().map(|device| Link { up: self.has_carrier(), ..device.clone() });
        let links = self.links.iter().map(link).chain(devices).collect();
        let leased = self.table.iter().map(|(ip, leased)| Address {
            index: leased.index,
            ip: *ip,
            prefix: leased.prefix,
            ours: true,
            valid_secs: Some(secs(leased.until.saturating_duration_since(now))),
            options: leased.options.clone(),
        });
        Network { links, addresses: self.own_addresses().chain(leased).collect() }
    }

    /// Every link has the node's own addresses, and a link-local one.
    fn own_addresses(&self) -> impl Iterator<Item = Address> {
        let node = self.config().node(&self.player.name);
        let own: Vec<IpAddr> =
            node.into_iter().flat_map(|node| [Some(node.address), node.second_address]).flatten().collect();
        self.links.values().flat_map(move |index| {
            let low = u16::try_from(*index).unwrap_or(u16::MAX);
            let link_local = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, low, self.at.saturating_add(1));
            let all: Vec<IpAddr> = own.iter().copied().chain([IpAddr::V6(link_local)]).collect();
            all.into_iter().map(move |ip| Address {
                index: *index,
                ip,
                prefix: if ip.is_ipv4() { 24 } else { 64 },
                ours: false,
                valid_secs: None,
                options: AddressOptions::default(),
            })
        })
    }

    /// An address is put there or renewed; true: it was not there before.
    pub(super) fn install(
        &mut self,
        now: Instant,
        index: u32,
        address: VipAddress,
        lease: LeaseSecs,
        options: AddressOptions,
    ) -> Result<bool, String> {
        if !self.has_link(index) {
            return Err("no such device".to_owned());
        }
        let until = now + Duration::from_secs(u64::from(lease.get()));
        let leased = Leased { until, index, prefix: address.prefix(), options };
        Ok(self.table.insert(address.ip(), leased).is_none())
    }

    pub(super) fn raise(&mut self, device: &Device) -> Result<Link, String> {
        if !self.has_link(device.parent) {
            return Err("no such device".to_owned());
        }
        let known = self.devices.get(&device.name).map(|there| there.index);
        let index = known.unwrap_or_else(|| {
            self.next_device = self.next_device.saturating_add(1);
            self.next_device
        });
        let link = Link {
            index,
            name: device.name.clone(),
            up: self.has_carrier(),
            mac: Some(device.mac),
            alias: Some(device.mark.to_string()),
            parent: Some(device.parent),
            arp: Some(ArpConf { ignore: 1, announce: 0 }),
        };
        self.devices.insert(device.name.clone(), link.clone());
        Ok(link)
    }

    /// A device goes with its addresses.
    pub(super) fn remove_device(&mut self, name: &IfName) -> Vec<IpAddr> {
        let Some(device) = self.devices.remove(name) else { return Vec::new() };
        let on_it = self.table.iter().filter(|(_, leased)| leased.index == device.index);
        let gone: Vec<IpAddr> = on_it.map(|(ip, _)| *ip).collect();
        for ip in &gone {
            self.table.remove(ip);
        }
        gone
    }

    /// What the stats socket says; none: silence.
    pub(super) fn sample(&self) -> Option<Result<Sample, String>> {
        let Some(proxy) = &self.proxy else { return Some(Err("connection refused".to_owned())) };
        if proxy.frozen {
            return None;
        }
        let config = self.config();
        let maxconn = config.proxy.maxconn.map_or(CONNECTIONS, u64::from);
        let fails = |is_it: fn(&TrackerKind, Option<&Name>) -> bool, backend: Option<&Name>| {
            config.trackers.iter().any(|t| self.failed.contains(&t.name) && is_it(&t.kind, backend))
        };
        let saturated = fails(|kind, _| matches!(kind, TrackerKind::Saturation { .. }), None);
        let backend = |backend: &crate::config::Backend| {
            let of_tracker = |kind: &TrackerKind, name: Option<&Name>| matches!(kind, TrackerKind::Backend { backend, .. } if Some(backend) == name);
            let queue = |kind: &TrackerKind, name: Option<&Name>| matches!(kind, TrackerKind::Queue { backend, .. } if Some(backend) == name);
            let down = self.failed.contains(&backend.name) || fails(of_tracker, Some(&backend.name));
            let servers = u32::try_from(backend.servers.len()).unwrap_or(u32::MAX);
            BackendSample {
                name: backend.name.to_string(),
                status: if down { "DOWN" } else { "UP" }.to_owned(),
                servers_up: if down { 0 } else { servers.max(1) },
                queued: if fails(queue, Some(&backend.name)) { u64::from(u32::MAX) } else { 0 },
            }
        };
        Some(Ok(Sample {
            pid: proxy.worker,
            version: (2, 6),
            version_text: "2.6".to_owned(),
            generation: Some(proxy.generation),
            stopping: false,
            connections: if saturated { maxconn } else { 0 },
            connections_max: maxconn,
            accepted: None,
            uptime_secs: 1,
            refused: 0,
            frontends: config.frontends.iter().map(|f| (f.name.to_string(), "OPEN".to_owned())).collect(),
            backends: config.backends.iter().map(backend).collect(),
            listening: None,
        }))
    }

    /// What is asked of the proxy beside its transactions.
    pub(super) fn attend(&self, what: &Attend) -> Attended {
        match what {
            Attend::Capabilities => match Capabilities::parse(SAYS_OF_ITSELF) {
                Ok(capable) => Attended::Capable(Box::new(capable)),
                Err(error) => Attended::Failed(error.to_string()),
            },
            _ if self.proxy.is_none() => Attended::Failed("connection refused".to_owned()),
            Attend::Reopen(_) => Attended::Reopened,
            Attend::Command(_) => Attended::Commanded,
            Attend::Survey { .. } => Attended::Surveyed(Survey::default()),
            Attend::EndWorker { .. } => Attended::WorkerEnded,
        }
    }

    /// How a look ends.
    pub(super) fn look(&self, what: &LookSpec) -> Result<i64, String> {
        let config = self.config();
        let tracker = config.trackers.iter().find(|t| LookSpec::of(t, &config.hooks).as_ref() == Some(what));
        let failed = tracker.filter(|tracker| self.failed.contains(&tracker.name));
        match failed.map(|tracker| &tracker.kind) {
            None => Ok(0),
            Some(TrackerKind::File { .. }) => Ok(1),
            Some(_) => Err("fails by the script".to_owned()),
        }
    }
}

/// Every interface that the configuration names for a node, in the order of their names.
fn interfaces(config: &Config, node: &Name) -> BTreeSet<IfName> {
    let mut all = BTreeSet::new();
    for vip in config.vips.iter().filter(|vip| vip.interfaces.contains_key(node)) {
        all.extend(vip.interfaces.get(node).cloned());
        all.extend(vip.addresses.iter().filter_map(|address| address.interfaces.get(node).cloned()));
        all.extend(vip.routes.iter().filter_map(|route| route.interface.clone()));
    }
    all.extend(config.trackers.iter().filter_map(|tracker| match &tracker.kind {
        TrackerKind::Interface(of) => of.get(node).cloned(),
        TrackerKind::Backend { .. }
        | TrackerKind::Saturation { .. }
        | TrackerKind::Queue { .. }
        | TrackerKind::Script { .. }
        | TrackerKind::File { .. }
        | TrackerKind::Tcp { .. }
        | TrackerKind::Http { .. }
        | TrackerKind::Ping { .. }
        | TrackerKind::Vip { .. } => None,
    }));
    all
}

/// The kernel tells whole seconds, rounded up.
fn secs(left: Duration) -> u32 {
    u32::try_from(left.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX)
}
