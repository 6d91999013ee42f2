//! A fake machine: address table with leases, link, proxy process, disk, hooks. It survives its vipkeeper.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::{Duration, Instant};

use vipkeeper::addrs::device::{ArpConf, Device};
use vipkeeper::addrs::routing::RoutingEntry;
use vipkeeper::node::Node;
use vipkeeper::node::event::{Address, Event, Link, Network, OpId};
use vipkeeper::proxy::attendance::{Attend, Attended, OldWorker, Survey, WorkerId};
use vipkeeper::proxy::capabilities::Capabilities;
use vipkeeper::proxy::runtime::Patched;
use vipkeeper::proxy::{BackendSample, Sample};
use vipkeeper::units::{AddressOptions, Digest, IfName};

use crate::setup::{eth0, node_ip, route_source};

/// How the interface answers ARP before anything happens.
pub const ARP_BEFORE: ArpConf = ArpConf { ignore: 0, announce: 1 };
/// Indexes of devices begin after this one; interfaces have lower ones.
pub const FIRST_DEVICE: u32 = 1000;

/// An address the kernel holds under a lease.
#[derive(Debug, Clone)]
pub struct Leased {
    pub until: Instant,
    pub since: Instant,
    pub options: AddressOptions,
    /// Of the link where it is.
    pub index: u32,
}

/// The master process and its worker.
#[derive(Debug, Clone)]
pub struct ProxyProcess {
    pub master: u32,
    pub worker: u32,
    /// What its worker was started with, which is all that it says.
    pub generation: Digest,
    /// What its worker is equal to by now.
    pub runs: Digest,
    pub frozen: bool,
    /// Replaced, and stopped for good.
    pub old: Vec<u32>,
}

/// How the next start or reload goes wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProxyTroubles {
    /// Starts end at once with an error.
    pub cannot_start: bool,
    /// The next reload leaves the old worker in place (its new binds failed).
    pub reload_does_nothing: bool,
    /// The next reload kills the master.
    pub reload_kills: bool,
    /// The next change at run time is refused half-way.
    pub patch_refused: bool,
    /// The next change at run time is made, and nobody is told.
    pub patch_unanswered: bool,
    /// Reloads leave the old worker behind, stopped.
    pub old_worker_sticks: bool,
}

/// How the looks of trackers end on a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Looks {
    Good,
    Fail,
    /// Nobody answers before the deadline; one in three late answers says that all is well.
    Hang,
    /// A file holds that number.
    Number(i64),
}

pub struct Host {
    pub index: usize,
    pub node: Option<Box<Node>>,
    /// Counts vipkeeper processes; what belongs to an earlier one is not delivered.
    pub incarnation: u64,
    pub table: BTreeMap<IpAddr, Leased>,
    /// Routes and rules with our tag.
    pub routing: Vec<RoutingEntry>,
    /// Addresses whose packets are dropped.
    pub filtered: Vec<IpAddr>,
    pub refuse_filters: bool,
    pub refuse_resets: bool,
    pub refuse_routing: bool,
    pub refuse_arp: bool,
    /// Open connections of clients, by local address.
    pub clients: BTreeMap<IpAddr, u32>,
    /// Installations and renewals that the kernel was asked for.
    pub installs: u64,
    pub link_up: bool,
    pub stalled_until: Option<Instant>,
    /// What arrives while it is stalled is lost: the machine is paused, not the process.
    pub loses_frames: bool,
    pub backlog: Vec<Event>,
    pub proxy: Option<ProxyProcess>,
    pub troubles: ProxyTroubles,
    /// Generation of the installed file, of the candidate and of the last good file.
    pub disk: (Option<Digest>, Option<Digest>, Option<Digest>),
    /// A candidate the proxy's check refuses.
    pub refused: Option<Digest>,
    /// The record of the worker that was changed at run time.
    pub patched: Option<Patched>,
    pub refuse_addresses: bool,
    pub hooks_hang: bool,
    pub hooks_fail: bool,
    /// How looks of trackers end.
    pub looks: Looks,
    /// Servers of backend `web` that are up.
    pub servers_up: u32,
    /// Requests in its queue.
    pub queued: u64,
    /// The proxy answers, but its frontend does not listen.
    pub paused: bool,
    /// It does when it is told to.
    pub opens: bool,
    /// With that file it does not listen either.
    pub pauses_at: Option<Digest>,
    /// What the installed binary answers to `-vv`.
    pub says_of_itself: &'static str,
    /// What operators want of servers, on the disk.
    pub kept: Option<String>,
    /// Commands that each worker was told.
    pub said: BTreeMap<u32, Vec<String>>,
    /// The proxy waits for a processor and answers nobody.
    pub starving: bool,
    /// And it is seen to get none at all, rather than to be in a loop.
    pub hungry: bool,
    /// Dumps take this much longer.
    pub slow_dumps: Duration,
    /// Checks by the proxy's binary take this much longer.
    pub slow_checks: Duration,
    pub has_own_address: bool,
    /// An address on the interface that nobody knows.
    pub foreign_address: bool,
    /// Frames that claim these are heard.
    pub watched: Vec<IpAddr>,
    /// Last byte of the hardware address.
    pub mac: u8,
    /// Index of the interface; none: it does not exist.
    pub link_index: Option<u32>,
    /// Devices on the interface.
    pub devices: BTreeMap<IfName, Link>,
    /// How the interface answers ARP.
    pub arp: ArpConf,
    next_index: u32,
    pub next_pid: u32,
    pub watched_worker: Option<u32>,
    pub proxy_op: Option<OpId>,
    /// The deadline for which the last waking was set.
    pub wake_at: Option<Instant>,
    /// Netlink requests are carried out one after another.
    pub netlink_free_at: Instant,
    pub config_version: u64,
    pub config_broken: bool,
    /// Digest of the configuration that its vipkeeper says is in force.
    pub in_force: Option<Digest>,
    /// Since when this vipkeeper has not been Active for VIP `v`, per VIP.
    pub idle_since: BTreeMap<usize, Instant>,
    pub exit_code: Option<u8>,
}

impl Host {
    pub fn new(index: usize, now: Instant) -> Self {
        Self {
            index,
            node: None,
            incarnation: 0,
            table: BTreeMap::new(),
            routing: Vec::new(),
            filtered: Vec::new(),
            refuse_filters: false,
            refuse_resets: false,
            refuse_routing: false,
            refuse_arp: false,
            clients: BTreeMap::new(),
            installs: 0,
            link_up: true,
            stalled_until: None,
            loses_frames: false,
            backlog: Vec::new(),
            proxy: None,
            troubles: ProxyTroubles::default(),
            disk: (None, None, None),
            refused: None,
            patched: None,
            refuse_addresses: false,
            hooks_hang: false,
            hooks_fail: false,
            looks: Looks::Good,
            servers_up: 2,
            queued: 0,
            paused: false,
            opens: false,
            pauses_at: None,
            says_of_itself: "HAProxy version 2.6.12 2023/12/14\nFeature list : +OPENSSL -QUIC\n",
            kept: None,
            said: BTreeMap::new(),
            starving: false,
            hungry: false,
            slow_dumps: Duration::ZERO,
            slow_checks: Duration::ZERO,
            has_own_address: true,
            foreign_address: false,
            watched: Vec::new(),
            mac: index as u8,
            link_index: Some(2),
            devices: BTreeMap::new(),
            arp: ARP_BEFORE,
            next_index: FIRST_DEVICE,
            next_pid: 1000 * (index as u32 + 1),
            watched_worker: None,
            proxy_op: None,
            wake_at: None,
            netlink_free_at: now,
            config_version: 1,
            config_broken: false,
            in_force: None,
            idle_since: BTreeMap::new(),
            exit_code: None,
        }
    }

    pub fn is_stalled(&self, now: Instant) -> bool {
        self.stalled_until.is_some_and(|until| now < until)
    }

    /// An address goes, and with it the routes that have it as their source.
    pub fn lose(&mut self, ip: IpAddr) -> bool {
        self.routing.retain(|entry| IpAddr::V4(route_source(entry)) != ip);
        self.table.remove(&ip).is_some()
    }

    /// Whether there is a link with that index.
    pub fn has_link(&self, index: u32) -> bool {
        self.link_index == Some(index) || self.devices.values().any(|device| device.index == index)
    }

    /// What the netlink worker does: a device of somebody else is in the way.
    pub fn raise(&mut self, device: &Device) -> Result<Link, String> {
        if self.link_index != Some(device.parent) {
            return Err("no such device".to_owned());
        }
        if self.devices.get(&device.name).is_some_and(|there| !there.is_ours()) {
            return Err("one that is not vipkeeper's is there already".to_owned());
        }
        let index = self.devices.get(&device.name).map(|there| there.index).unwrap_or_else(|| {
            self.next_index += 1;
            self.next_index
        });
        let link = Link {
            index,
            name: device.name.clone(),
            up: self.link_up,
            mac: Some(device.mac),
            alias: Some(device.mark.to_string()),
            parent: Some(device.parent),
            arp: Some(ArpConf { ignore: 1, announce: 0 }),
        };
        self.devices.insert(device.name.clone(), link.clone());
        Ok(link)
    }

    /// A device goes, and with it what is on it: the addresses.
    pub fn remove_device(&mut self, name: &IfName) -> Vec<IpAddr> {
        let Some(device) = self.devices.remove(name) else { return Vec::new() };
        let on_it = self.table.iter().filter(|(_, leased)| leased.index == device.index);
        let gone: Vec<IpAddr> = on_it.map(|(ip, _)| *ip).collect();
        for ip in &gone {
            self.lose(*ip);
        }
        gone
    }

    pub fn pid(&mut self) -> u32 {
        self.next_pid += 1;
        self.next_pid
    }

    /// What a dump shows.
    pub fn network(&self, now: Instant) -> Network {
        let Some(index) = self.link_index else { return Network::default() };
        let fixed = |ip: Ipv4Addr| Address {
            index,
            ip: IpAddr::V4(ip),
            prefix: 24,
            ours: false,
            valid_secs: None,
            options: AddressOptions::default(),
        };
        let link_local = Address {
            ip: IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 11 + self.index as u16)),
            prefix: 64,
            ..fixed(node_ip(self.index))
        };
        let own = self.has_own_address.then(|| fixed(node_ip(self.index))).into_iter().chain([link_local]);
        let foreign = self.foreign_address.then(|| fixed(Ipv4Addr::new(10, 0, 0, 200)));
        let leased = self.table.iter().map(|(ip, leased)| Address {
            index: leased.index,
            ip: *ip,
            prefix: 24,
            ours: true,
            valid_secs: Some(ceil_secs(leased.until.saturating_duration_since(now))),
            options: leased.options.clone(),
        });
        let link = Link {
            index,
            name: eth0(),
            up: self.link_up,
            mac: Some([2, 0, 0, 0, 0, self.mac]),
            alias: None,
            parent: None,
            arp: Some(self.arp),
        };
        let devices = self.devices.values().map(|device| Link { up: self.link_up, ..device.clone() });
        let links = [link].into_iter().chain(devices).collect();
        Network { links, addresses: own.chain(foreign).chain(leased).collect() }
    }

    /// What the stats socket says; none: silence.
    pub fn probe(&self) -> Option<Result<Sample, String>> {
        match &self.proxy {
            None => Some(Err("connection refused".to_owned())),
            Some(proxy) if proxy.frozen || self.starving => None,
            Some(proxy) => Some(Ok(Sample {
                pid: proxy.worker,
                version: (2, 6),
                version_text: "2.6.12".to_owned(),
                generation: Some(proxy.generation),
                stopping: false,
                connections: 0,
                connections_max: 100,
                accepted: None,
                uptime_secs: 1,
                refused: 0,
                frontends: vec![("www".to_owned(), if self.is_paused() { "PAUSED" } else { "OPEN" }.to_owned())],
                listening: None,
                backends: vec![BackendSample {
                    name: "web".to_owned(),
                    status: if self.servers_up > 0 { "UP" } else { "DOWN" }.to_owned(),
                    servers_up: self.servers_up,
                    queued: self.queued,
                }],
            })),
        }
    }

    /// What is asked of the proxy beside its transactions. As HAProxy 3.1 and later do after a failed reload, the
    /// serving worker is listed as an old one, always.
    pub fn attend(&mut self, what: &Attend) -> Result<Attended, String> {
        if matches!(what, Attend::Capabilities) {
            return Ok(Attended::Capable(Box::new(Capabilities::parse(self.says_of_itself).unwrap())));
        }
        let Some(proxy) = &mut self.proxy else { return Ok(Attended::Failed("connection refused".to_owned())) };
        Ok(match what {
            Attend::Capabilities => Attended::Failed("answered above".to_owned()),
            Attend::Reopen(_) if self.opens => {
                self.paused = false;
                Attended::Reopened
            }
            Attend::Reopen(_) => Attended::Failed("Failed to resume frontend".to_owned()),
            Attend::Command(_) if proxy.frozen => Attended::Failed("it did not answer".to_owned()),
            Attend::Command(lines) => {
                self.said.entry(proxy.worker).or_default().extend(lines.iter().cloned());
                Attended::Commanded
            }
            Attend::Survey { master } if *master != proxy.master => Attended::Failed("another master".to_owned()),
            Attend::Survey { .. } => {
                let worker = |pid: u32, connections| OldWorker {
                    id: WorkerId { pid, start_ticks: u64::from(pid) },
                    uptime_secs: 1,
                    connections,
                    memory_kib: Some(4096),
                    runnable: false,
                };
                let serving = worker(proxy.worker, (!proxy.frozen && !self.starving).then_some(1));
                let old = proxy.old.iter().map(|pid| worker(*pid, None)).chain([serving]).collect();
                Attended::Surveyed(Survey { old, more: 0 })
            }
            Attend::EndWorker { worker, .. } if worker.pid == proxy.worker => {
                return Err(format!("lb{}: the serving worker {} is to be ended", self.index + 1, worker.pid));
            }
            Attend::EndWorker { worker, .. } => {
                proxy.old.retain(|pid| *pid != worker.pid);
                Attended::WorkerEnded
            }
        })
    }

    pub fn is_connected(&self) -> bool {
        self.link_up && self.link_index.is_some()
    }

    fn is_paused(&self) -> bool {
        self.paused || self.proxy.as_ref().is_some_and(|proxy| Some(proxy.generation) == self.pauses_at)
    }

    pub fn is_serving(&self) -> bool {
        !self.is_paused() && self.proxy.as_ref().is_some_and(|p| !p.frozen)
    }
}

/// The kernel counts elapsed whole seconds, so what is left is rounded up.
fn ceil_secs(left: Duration) -> u32 {
    u32::try_from(left.as_micros().div_ceil(1_000_000)).unwrap()
}
