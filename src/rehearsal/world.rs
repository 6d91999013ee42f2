//! The made-up world: a virtual clock, what is on its way, and how the world answers what nodes ask for.

use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeSet, BinaryHeap};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::{Accept, Config, Preempt};
use crate::journal::story::{Line, What};
use crate::node::event::HookOutcome;
use crate::node::{Effect, Event, Node};
use crate::peer::{Incarnation, PeerKey};
use crate::proxy::{ProxyOp, ProxyOutcome};
use crate::rehearsal::clients::{Caches, Service, Sight};
use crate::rehearsal::host::{Host, Process};
use crate::rehearsal::{Account, Player, Told};
use crate::units::OpId;

/// A timer fires so much late.
const LATE: Duration = Duration::from_micros(80);
/// The answer of the kernel to a request.
pub(super) const NETLINK: Duration = Duration::from_micros(300);
/// The notice of a process that ended.
pub(super) const NOTICE: Duration = Duration::from_micros(400);
/// The answer of the stats socket.
const PROBE: Duration = Duration::from_millis(1);
/// `haproxy -c`.
const CHECK: Duration = Duration::from_millis(20);
/// From the start of HAProxy until it answers.
const START: Duration = Duration::from_millis(40);
/// Other operations on the proxy.
const OPERATION: Duration = Duration::from_millis(2);
/// A hook or a look of a tracker.
const PROGRAM: Duration = Duration::from_millis(5);
/// From power on to the start of vipkeeper.
const BOOT: Duration = Duration::from_secs(1);
/// From the order to restart a host to power off, and from there to power on.
pub(super) const SHUTDOWN: Duration = Duration::from_secs(2);
pub(super) const DARK: Duration = Duration::from_secs(20);
/// Longest pause until all is taken for calm.
const CALM_MAX: Duration = Duration::from_secs(120);
/// What arrives at a vipkeeper that hangs, beyond this, is lost.
const BACKLOG_MAX: usize = 4096;
/// As the driver.
const TICKS_PER_TURN: usize = 16;
/// Lines of a timeline; what comes after is not told.
const LINES_MAX: usize = 10_000;
/// Every world begins at this time of day: 2027-01-15.
const EPOCH: Duration = Duration::from_secs(1_800_000_000);

#[derive(Debug)]
pub(super) enum Item {
    /// To a vipkeeper of that incarnation.
    Deliver(u64, Event),
    Wake(u64),
    /// Carried out by then.
    Do(u64, Effect),
    LeaseEnds(IpAddr),
    HangEnds,
    MasterDies(u32, &'static str),
    Start,
    PowerOff,
    PowerOn,
}

#[derive(Debug)]
struct Queued {
    at: Instant,
    seq: u64,
    host: usize,
    item: Box<Item>,
}

impl PartialEq for Queued {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Queued {}
impl PartialOrd for Queued {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Queued {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.seq).cmp(&(other.at, other.seq))
    }
}

/// What a line of the timeline tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sort {
    Step,
    Event,
}

/// The world.
#[derive(Debug)]
pub(super) struct World {
    pub(super) now: Instant,
    base: Instant,
    begun: Option<Instant>,
    seq: u64,
    queue: BinaryHeap<Reverse<Queued>>,
    pub(super) hosts: Vec<Host>,
    /// Frames from the one to the other are lost.
    pub(super) cut: BTreeSet<(usize, usize)>,
    pub(super) caches: Caches,
    services: Vec<Service>,
    /// Clients may see something else than before.
    pub(super) changed: bool,
    timeline: Vec<Told>,
    pub(super) requests: u64,
}

impl World {
    pub(super) fn new(players: &[Player], base: Instant) -> Self {
        let mut hosts: Vec<Host> = players.iter().enumerate().map(|(at, player)| Host::new(player, at)).collect();
        for host in &mut hosts {
            host.player.loaded.key = host.player.talks.then(|| PeerKey::new([7; 32]));
            host.player.loaded.key_note = None;
        }
        let mut caches = Caches::default();
        for (at, host) in hosts.iter().enumerate() {
            caches.ports.extend(host.ports().map(|(_, mac)| (mac, at)));
        }
        let vips = players.first().map(|player| player.loaded.config.vips.as_slice()).unwrap_or_default();
        let service = |vip: &crate::config::VipConfig| {
            vip.addresses.first().map(|first| Service::new(vip.name.to_string(), first.ip(), base))
        };
        Self {
            now: base,
            base,
            begun: None,
            seq: 0,
            queue: BinaryHeap::new(),
            services: vips.iter().filter_map(service).collect(),
            hosts,
            cut: BTreeSet::new(),
            caches,
            changed: true,
            timeline: Vec::new(),
            requests: 0,
        }
    }

    fn config(&self) -> Option<&Config> {
        self.hosts.first().map(Host::config)
    }

    /// How long it takes until nothing more is to be expected of a change.
    pub(super) fn calm_after(&self) -> Duration {
        let one = |vip: &crate::config::VipConfig| {
            let down = vip.advert_interval.duration() * (u32::from(vip.down_multiplier) + 1);
            let preempt = match vip.preempt {
                Preempt::Refused => Duration::ZERO,
                Preempt::After(delay) => delay,
            };
            down.saturating_add(vip.link_hold).saturating_add(preempt).saturating_add(vip.grace)
        };
        let longest = self.config().and_then(|config| config.vips.iter().map(one).max()).unwrap_or_default();
        longest.saturating_add(Duration::from_secs(3)).min(CALM_MAX)
    }

    pub(super) fn boot_all(&mut self) {
        (0..self.hosts.len()).for_each(|at| self.boot(at));
    }

    /// From now on everything is told.
    pub(super) fn begin(&mut self) {
        self.begun = Some(self.now);
        self.changed = true;
        for at in 0..self.services.len() {
            let holders = self.services.get(at).map(|service| self.holders(service.ip)).unwrap_or_default();
            let now = self.now;
            if let Some(service) = self.services.get_mut(at) {
                service.begin(now, holders);
            }
        }
    }

    pub(super) fn tell_step(&mut self, text: &str) {
        self.told(Sort::Step, text.to_owned());
    }

    fn told(&mut self, sort: Sort, text: String) {
        let Some(begun) = self.begun.filter(|_| self.timeline.len() < LINES_MAX) else { return };
        let at_us = u64::try_from(self.now.saturating_duration_since(begun).as_micros()).unwrap_or(u64::MAX);
        self.timeline.push(Told { at_us, step: sort == Sort::Step, text });
    }

    pub(super) fn tell(&mut self, host: usize, what: What<'_>) {
        let Some(node) = self.hosts.get(host).map(|h| h.player.name.clone()) else { return };
        self.told(Sort::Event, Line { node: node.as_str(), what }.to_string());
    }

    /// What happened to a host, in our own words.
    pub(super) fn remark(&mut self, host: usize, text: &str) {
        let Some(node) = self.hosts.get(host).map(|h| h.player.name.clone()) else { return };
        self.told(Sort::Event, format!("{node} {text}"));
    }

    pub(super) fn push(&mut self, delay: Duration, host: usize, item: Item) {
        self.seq = self.seq.saturating_add(1);
        self.queue.push(Reverse(Queued { at: self.now + delay, seq: self.seq, host, item: Box::new(item) }));
    }

    pub(super) fn deliver(&mut self, host: usize, delay: Duration, event: Event) {
        let Some(incarnation) = self.hosts.get(host).map(|h| h.incarnation) else { return };
        self.push(delay, host, Item::Deliver(incarnation, event));
    }

    /// Lets time pass.
    pub(super) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        self.look();
        while self.queue.peek().is_some_and(|Reverse(next)| next.at <= end) {
            let Some(Reverse(next)) = self.queue.pop() else { break };
            self.now = next.at;
            self.step(next.host, *next.item);
            self.look();
        }
        self.now = end;
    }

    fn step(&mut self, host: usize, item: Item) {
        let current = self.hosts.get(host).map(|h| h.incarnation);
        match item {
            Item::Deliver(incarnation, event) if Some(incarnation) == current => self.arrive(host, event),
            Item::Wake(incarnation) if Some(incarnation) == current => {
                let due = |h: &Host| h.wake_at.is_some_and(|at| at <= self.now) && !h.is_hung(self.now);
                if self.hosts.get(host).is_some_and(due) {
                    self.turn(host, Vec::new());
                }
            }
            Item::Do(incarnation, effect) if Some(incarnation) == current => self.carry_out(host, effect),
            Item::Deliver(..) | Item::Wake(_) | Item::Do(..) => {}
            Item::LeaseEnds(ip) => {
                let Some(h) = self.hosts.get_mut(host) else { return };
                if h.table.get(&ip).is_some_and(|leased| leased.until <= self.now) {
                    h.table.remove(&ip);
                    self.changed = true;
                    self.remark(host, &format!("lease of {ip} ends"));
                    self.deliver(host, NETLINK, Event::NetworkChanged);
                }
            }
            Item::HangEnds => self.wake_up(host),
            Item::MasterDies(master, status) => {
                let dies = |h: &mut Host| h.proxy.take_if(|proxy| proxy.master == master);
                if let Some(process) = self.hosts.get_mut(host).and_then(dies) {
                    self.ended(host, &process, status);
                }
            }
            Item::Start => self.boot(host),
            Item::PowerOff => {
                self.remark(host, "is off");
                self.changed = true;
                self.hosts.iter_mut().skip(host).take(1).for_each(Host::lose_power);
            }
            Item::PowerOn => {
                self.remark(host, "is on");
                self.hosts.iter_mut().skip(host).take(1).for_each(|h| h.powered = true);
                self.push(BOOT, host, Item::Start);
            }
        }
    }

    pub(super) fn boot(&mut self, host: usize) {
        let now = self.now;
        let unix = EPOCH + now.saturating_duration_since(self.base);
        let Some(h) = self.hosts.get_mut(host).filter(|h| h.powered && h.node.is_none()) else { return };
        h.incarnation = h.incarnation.saturating_add(1);
        // Of all processes of all hosts each has a number of its own.
        let number = h.incarnation.saturating_mul(1 << 16).saturating_add(u64::try_from(host).unwrap_or(0));
        let (name, loaded) = (h.player.name.clone(), h.player.loaded.clone());
        let (mut node, mut effects) = Node::new(loaded, name, Incarnation(number), now);
        effects.extend(node.handle(now, Event::WallClockRead { at: now, unix }));
        if let Some(text) = h.kept.clone() {
            effects.extend(node.handle(now, Event::IntentsRead { text }));
        }
        h.node = Some(Box::new(node));
        h.hung_until = None;
        h.backlog.clear();
        self.tell(host, What::Starts);
        self.execute(host, effects);
        self.set_alarm(host);
    }

    fn arrive(&mut self, host: usize, event: Event) {
        let now = self.now;
        let Some(h) = self.hosts.get_mut(host).filter(|h| h.node.is_some()) else { return };
        if h.is_hung(now) {
            if h.backlog.len() < BACKLOG_MAX {
                h.backlog.push(event);
            }
            return;
        }
        self.turn(host, vec![event]);
    }

    fn wake_up(&mut self, host: usize) {
        let now = self.now;
        let Some(h) = self.hosts.get_mut(host).filter(|h| !h.is_hung(now) && h.node.is_some()) else { return };
        h.hung_until = None;
        let backlog = std::mem::take(&mut h.backlog);
        let packet = |e: &Event| matches!(e, Event::PacketReceived(_) | Event::HelloReceived { .. });
        let (packets, others): (Vec<Event>, Vec<Event>) = backlog.into_iter().partition(packet);
        self.turn(host, packets.into_iter().chain(others).collect());
    }

    /// Events in their order, then deadlines, then effects: as the driver does.
    fn turn(&mut self, host: usize, events: Vec<Event>) {
        let now = self.now;
        let Some(node) = self.hosts.get_mut(host).and_then(|h| h.node.as_mut()) else { return };
        let mut effects = Vec::new();
        for event in events {
            effects.extend(node.handle(now, event));
        }
        for _ in 0..TICKS_PER_TURN {
            if node.deadline().is_none_or(|deadline| deadline.at > now) {
                break;
            }
            effects.extend(node.handle(now, Event::Tick));
        }
        self.execute(host, effects);
        self.set_alarm(host);
    }

    fn set_alarm(&mut self, host: usize) {
        let now = self.now;
        let Some(h) = self.hosts.get_mut(host) else { return };
        let Some(deadline) = h.node.as_ref().and_then(|node| node.deadline()) else { return };
        h.wake_at = Some(deadline.at);
        let incarnation = h.incarnation;
        self.push(deadline.at.saturating_duration_since(now) + LATE, host, Item::Wake(incarnation));
    }

    fn execute(&mut self, host: usize, effects: Vec<Effect>) {
        for effect in effects {
            if let Some(what) = What::of(&effect) {
                self.tell(host, what);
            }
            self.begin_effect(host, effect);
        }
    }

    /// What is done at once is done; the rest is carried out after its time.
    fn begin_effect(&mut self, host: usize, effect: Effect) {
        let delay = match effect {
            Effect::Transmit { interface, source, to, bytes } => {
                return self.transmit(host, &interface, source, to, &bytes);
            }
            Effect::Announce { interface, frame } => return self.announce(host, &interface, &frame),
            Effect::SendHello { to, bytes } => return self.send_hello(host, to, &bytes),
            Effect::WatchWorker { pid } => return self.watch_worker(host, pid),
            Effect::KeepIntents { text } => {
                return self.hosts.iter_mut().skip(host).take(1).for_each(|h| h.kept = Some(text.clone()));
            }
            Effect::Exit { .. } => {
                return self.hosts.iter_mut().skip(host).take(1).for_each(|h| {
                    h.node = None;
                    h.incarnation = h.incarnation.saturating_add(1);
                });
            }
            Effect::WatchAddresses { .. }
            | Effect::CloseInterface { .. }
            | Effect::KeepConfig
            | Effect::Report { .. }
            | Effect::Serve { .. }
            | Effect::Reply { .. }
            | Effect::Notify { .. }
            | Effect::Log(_) => return,
            Effect::Probe { op, timeout, .. } => {
                if self.hosts.get(host).is_some_and(|h| h.proxy.is_some() && !h.is_serving()) {
                    self.deliver(host, timeout * 2 / 3, Event::ProbeLate { op, runnable: false });
                }
                PROBE
            }
            Effect::Proxy { ref what, .. } => match what {
                ProxyOp::Check(_) => CHECK,
                ProxyOp::Start | ProxyOp::Reload(_) => START,
                ProxyOp::Adopt
                | ProxyOp::Preflight(_)
                | ProxyOp::Install
                | ProxyOp::Restore
                | ProxyOp::SaveState
                | ProxyOp::Patch { .. }
                | ProxyOp::Stop
                | ProxyOp::Kill => OPERATION,
            },
            Effect::Attend { .. } | Effect::LoadConfig { .. } => OPERATION,
            Effect::Look { .. } | Effect::RunHook { .. } => PROGRAM,
            Effect::OpenInterface { .. }
            | Effect::OpenHello { .. }
            | Effect::ObserveNetwork
            | Effect::Install { .. }
            | Effect::Withdraw { .. }
            | Effect::ResetConnections { .. }
            | Effect::ObserveRouting
            | Effect::AddRouting { .. }
            | Effect::RemoveRouting { .. }
            | Effect::RaiseDevice { .. }
            | Effect::RemoveDevice { .. }
            | Effect::ConfigureArp { .. }
            | Effect::Filter { .. } => NETLINK,
        };
        let Some(incarnation) = self.hosts.get(host).map(|h| h.incarnation) else { return };
        self.push(delay, host, Item::Do(incarnation, effect));
    }

    fn carry_out(&mut self, host: usize, effect: Effect) {
        let now = self.now;
        let Some(h) = self.hosts.get_mut(host) else { return };
        let event = match effect {
            Effect::ObserveNetwork => Event::NetworkObserved(h.network(now)),
            Effect::OpenInterface { interface, .. } => Event::InterfaceOpened { interface, result: Ok(()) },
            Effect::OpenHello { .. } => Event::HelloOpened { result: Ok(()) },
            Effect::Install { op, index, address, options, lease } => {
                let result = h.install(now, index, address, lease, options);
                let until = Duration::from_secs(u64::from(lease.get()));
                self.push(until, host, Item::LeaseEnds(address.ip()));
                if result == Ok(true) {
                    self.changed = true;
                    self.tell(host, What::Gains(address.ip()));
                }
                Event::AddressInstalled { op, result: result.map(|_| ()) }
            }
            Effect::Withdraw { op, address, .. } => {
                if h.table.remove(&address.ip()).is_some() {
                    self.changed = true;
                    self.tell(host, What::Loses(address.ip()));
                }
                Event::AddressWithdrawn { op, result: Ok(()) }
            }
            Effect::ResetConnections { op, .. } => Event::ConnectionsReset { op, result: Ok(0) },
            Effect::ObserveRouting => Event::RoutingObserved(Ok(h.routing.clone())),
            Effect::AddRouting { op, entry } => {
                if !h.routing.contains(&entry) {
                    h.routing.push(entry);
                }
                Event::RoutingChanged { op, result: Ok(()) }
            }
            Effect::RemoveRouting { op, entry } => {
                h.routing.retain(|there| !entry.is_same(there));
                Event::RoutingChanged { op, result: Ok(()) }
            }
            Effect::RaiseDevice { op, device } => Event::DeviceRaised { op, result: h.raise(&device) },
            Effect::RemoveDevice { op, name } => {
                for ip in h.remove_device(&name) {
                    self.changed = true;
                    self.tell(host, What::Loses(ip));
                }
                Event::DeviceRemoved { op, result: Ok(()) }
            }
            Effect::ConfigureArp { op, .. } => Event::ArpConfigured { op, result: Ok(()) },
            Effect::Filter { op, .. } => Event::Filtered { op, result: Ok(()) },
            Effect::Proxy { op, what } => return self.operate(host, op, &what),
            Effect::Attend { op, what } => Event::Attended { op, outcome: h.attend(&what) },
            Effect::Probe { op, .. } => match h.sample() {
                Some(result) => Event::Probed { op, result },
                None => return,
            },
            Effect::Look { op, what, .. } => Event::Looked { op, result: h.look(&what) },
            Effect::RunHook { op, .. } => Event::HookFinished { op, outcome: HookOutcome::Succeeded },
            Effect::LoadConfig { op } => Event::ConfigLoaded { op, result: Ok(h.player.loaded.clone()) },
            Effect::Transmit { .. }
            | Effect::Announce { .. }
            | Effect::SendHello { .. }
            | Effect::WatchAddresses { .. }
            | Effect::CloseInterface { .. }
            | Effect::WatchWorker { .. }
            | Effect::KeepConfig
            | Effect::KeepIntents { .. }
            | Effect::Report { .. }
            | Effect::Serve { .. }
            | Effect::Reply { .. }
            | Effect::Notify { .. }
            | Effect::Log(_)
            | Effect::Exit { .. } => return,
        };
        self.arrive(host, event);
    }

    fn operate(&mut self, host: usize, op: OpId, what: &ProxyOp) {
        self.changed = true;
        let Some(h) = self.hosts.get_mut(host) else { return };
        let outcome = match what {
            ProxyOp::Adopt => match &h.proxy {
                Some(process) => ProxyOutcome::Adopted { pid: process.master, patched: None },
                None => ProxyOutcome::NothingToAdopt,
            },
            ProxyOp::Check(rendered) => {
                h.disk.candidate = Some(rendered.generation);
                ProxyOutcome::Accepted
            }
            ProxyOp::Preflight(_) => ProxyOutcome::Bindable,
            ProxyOp::Install => {
                h.disk.good = h.disk.installed;
                h.disk.installed = h.disk.candidate.take();
                ProxyOutcome::Installed
            }
            ProxyOp::Restore => {
                h.disk.installed = h.disk.good;
                ProxyOutcome::Installed
            }
            ProxyOp::SaveState => ProxyOutcome::StateSaved { kept: 0, left_out: 0 },
            ProxyOp::Patch { patch, .. } => {
                h.proxy.iter_mut().for_each(|process| process.generation = patch.to);
                ProxyOutcome::Patched
            }
            ProxyOp::Start => {
                let (master, worker) = (h.pid(), h.pid());
                let broken = h.broken;
                if let Some(generation) = h.disk.installed {
                    h.proxy = Some(Process { master, worker, generation, frozen: broken });
                }
                if broken {
                    self.push(OPERATION, host, Item::MasterDies(master, "exit status 1"));
                } else {
                    self.remark(host, "the proxy runs");
                }
                ProxyOutcome::Started { pid: master }
            }
            ProxyOp::Reload(_) => {
                let (worker, installed) = (h.pid(), h.disk.installed);
                if let Some(process) = &mut h.proxy {
                    process.worker = worker;
                    process.generation = installed.unwrap_or(process.generation);
                }
                ProxyOutcome::Reloaded
            }
            ProxyOp::Stop | ProxyOp::Kill => {
                if let Some(master) = h.proxy.as_ref().map(|process| process.master) {
                    self.push(OPERATION, host, Item::MasterDies(master, "signal 15"));
                }
                ProxyOutcome::Stopped
            }
        };
        self.arrive(host, Event::ProxyDone { op, outcome });
    }

    fn watch_worker(&mut self, host: usize, pid: u32) {
        let Some(h) = self.hosts.get_mut(host) else { return };
        h.watched_worker = Some(pid);
        if h.proxy.as_ref().is_none_or(|process| process.worker != pid) {
            self.deliver(host, NOTICE, Event::WorkerExited { pid });
        }
    }

    /// The master has ended, and its worker with it.
    pub(super) fn ended(&mut self, host: usize, process: &Process, status: &str) {
        self.changed = true;
        self.remark(host, &format!("the proxy has ended ({status})"));
        let watched = self.hosts.get(host).and_then(|h| h.watched_worker);
        if watched == Some(process.worker) {
            self.deliver(host, NOTICE / 4, Event::WorkerExited { pid: process.worker });
        }
        self.deliver(host, NOTICE, Event::ProxyExited { pid: process.master, status: status.to_owned() });
    }

    fn holders(&self, ip: IpAddr) -> Vec<String> {
        let has = |h: &&Host| h.table.contains_key(&ip) && h.is_reachable();
        self.hosts.iter().filter(has).map(|h| h.player.name.to_string()).collect()
    }

    /// What clients see, if that may have changed.
    fn look(&mut self) {
        if !std::mem::take(&mut self.changed) {
            return;
        }
        let config = self.hosts.first().map(|h| std::sync::Arc::clone(&h.player.loaded.config));
        let vips = config.iter().flat_map(|config| &config.vips);
        for (service, vip) in self.services.iter_mut().zip(vips) {
            let has = |h: &Host| h.table.contains_key(&service.ip);
            let cached = self.caches.host_of(service.ip);
            let at = cached.or_else(|| self.hosts.iter().position(has));
            // A router that only forwards needs no proxy.
            let serves = |h: &Host| has(h) && h.is_reachable() && (vip.accept == Accept::No || h.is_serving());
            let served_by = at.filter(|at| self.hosts.get(*at).is_some_and(serves));
            let holders = self.hosts.iter().filter(|h| has(h)).count();
            service.look(self.now, Sight { holders, served_by });
        }
    }

    /// What came of it.
    pub(super) fn account(self) -> Account {
        let begun = self.begun.unwrap_or(self.base);
        let vips = self.services.iter().map(|service| service.seen(begun, self.now, self.holders(service.ip)));
        Account { vips: vips.collect(), timeline: self.timeline.clone() }
    }
}
