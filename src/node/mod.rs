//! The whole policy of one host, pure: an [`Event`] in, [`Effects`] out.
//!
//! [`Node::handle`] is the only mutator. Each turn first takes in what happened, then settles everything that follows
//! from it: the verdict about the proxy, who may hold which VIP, what that means for routers, addresses and hooks.
//! Nothing here reads a clock, a file or a socket.

mod change;
pub mod effect;
mod entitlement;
pub mod event;
mod outbox;
mod peering;
mod proxying;
mod report;
pub mod status;
mod vip;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

pub use effect::{Effect, Effects, LogLevel, LogLine};
pub use event::Event;
pub use status::Status;

use crate::config::{Transport, VirtualAddress};
use crate::node::change::Changes;
use crate::node::entitlement::{Facts, WithoutProxy, entitlement};
use crate::node::event::{HookOutcome, Loaded, Network, OpId, Received, Request, RequestId, Signal};
use crate::node::outbox::{Ops, Outbox};
use crate::node::peering::Peering;
use crate::node::proxying::Proxying;
use crate::node::vip::{Host, Placed, Released, Seen, Vip};
use crate::peer::Incarnation;
use crate::units::{Family, IfName, Name};
use crate::vrrp::packet::{Capture, Reject, parse};
use crate::vrrp::router::Role;

/// Dumps of links and addresses are not closer together than this, however often the kernel reports changes.
const OBSERVE_SPACING: Duration = Duration::from_millis(20);
/// A socket that could not be opened is tried again after this long.
const REOPEN_AFTER: Duration = Duration::from_secs(1);
/// A predecessor's lease is not kept undecided for longer than this.
const INHERIT_WITHIN: Duration = Duration::from_secs(5);
/// When vipkeeper stops, addresses have this long to be removed ...
const WITHDRAW_WITHIN: Duration = Duration::from_secs(1);
/// ... and everything, hooks and proxy included, this long. systemd kills after 90 s by default.
const STOP_WITHIN: Duration = Duration::from_secs(15);

/// When to send [`Event::Tick`], and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// Not before this instant.
    pub at: Instant,
    /// What is due then.
    pub why: &'static str,
}

/// What may be judged in a turn. Only a tick says that everything that was waiting has been read: an advert or an
/// answer that came in time must not be overtaken by the timer that it stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judge {
    /// More facts may be waiting.
    Facts,
    /// Timers too.
    Timers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    Running,
    Stopping { addresses_until: Option<Instant>, until: Instant, proxy: ProxyOnExit },
    Exited,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ProxyOnExit {
    Keep,
    Stop,
    /// It was told to stop.
    Stopping,
}

/// The raw sockets of one interface.
#[derive(Debug, Clone)]
struct Interface {
    index: u32,
    groups: Vec<IpAddr>,
    socket: Socket,
}

#[derive(Debug, Clone)]
enum Socket {
    Opening,
    Open,
    /// Replaced in place for other groups: nothing is lost meanwhile.
    Reopening,
    Failed {
        why: String,
        retry_at: Instant,
    },
}

/// What is known of links and addresses, and how fresh it is.
#[derive(Debug, Default)]
struct Observation {
    network: Network,
    seen: bool,
    asked_at: Option<Instant>,
    stale: bool,
    not_before: Option<Instant>,
}

/// One host.
#[derive(Debug)]
pub struct Node {
    me: Name,
    loaded: Loaded,
    loaded_at: Instant,
    started_at: Instant,
    phase: Phase,
    ops: Ops,
    observation: Observation,
    interfaces: BTreeMap<IfName, Interface>,
    proxying: Proxying,
    vips: Vec<Vip>,
    peering: Peering,
    changes: Changes,
    dropped: BTreeMap<IfName, BTreeMap<Reject, u64>>,
    ready: bool,
    /// What the service manager was told: the proxy is healthy, and each VIP's role.
    notified: Option<(bool, Vec<Role>)>,
    /// VIPs, links or sockets changed since the sockets were last looked through.
    interfaces_stale: bool,
}

impl Node {
    /// A node that starts at `now`. `me` is one of the configuration's nodes; any other takes part in no VIP.
    /// `incarnation` is a random number that no other process of this node ever had.
    pub fn new(loaded: Loaded, me: Name, incarnation: Incarnation, now: Instant) -> (Self, Effects) {
        let mut ops = Ops::default();
        let mut out = Outbox::default();
        let proxying = Proxying::new(&loaded, now, &mut ops, &mut out);
        let vips = loaded.config.vips.iter().filter_map(|v| Vip::new(v, &loaded.config, &me, now)).collect();
        let mut peering = Peering::new(me.clone(), incarnation);
        peering.configure(now, &loaded, &mut out);
        let mut node = Self {
            me,
            peering,
            loaded,
            loaded_at: now,
            started_at: now,
            phase: Phase::Running,
            ops,
            observation: Observation { stale: true, ..Observation::default() },
            interfaces: BTreeMap::new(),
            proxying,
            vips,
            changes: Changes::default(),
            dropped: BTreeMap::new(),
            ready: false,
            notified: None,
            interfaces_stale: true,
        };
        node.settle(now, Judge::Facts, &mut out);
        (node, out.into_effects())
    }

    /// The only way to change a node. Timers are judged by [`Event::Tick`] alone, which belongs after the packets
    /// and events that are waiting.
    #[must_use]
    pub fn handle(&mut self, now: Instant, event: Event) -> Effects {
        let mut out = Outbox::default();
        if self.phase == Phase::Exited {
            return Effects::new();
        }
        let judge = if matches!(event, Event::Tick) { Judge::Timers } else { Judge::Facts };
        self.take(now, event, &mut out);
        self.settle(now, judge, &mut out);
        out.into_effects()
    }

    /// When to send [`Event::Tick`].
    pub fn deadline(&self) -> Option<Deadline> {
        if self.phase == Phase::Exited {
            return None;
        }
        let vips = self.vips.iter().flat_map(|v| v.deadlines(&self.observation.network));
        let observe =
            self.observation.not_before.filter(|_| self.observation.stale && self.observation.asked_at.is_none());
        let reopen = self.interfaces.values().filter_map(|i| match &i.socket {
            Socket::Failed { retry_at, .. } => Some((*retry_at, "a socket is to be opened again")),
            Socket::Opening | Socket::Open | Socket::Reopening => None,
        });
        let stop = match self.phase {
            Phase::Stopping { addresses_until, until, .. } => Some(addresses_until.unwrap_or(until)),
            Phase::Running | Phase::Exited => None,
        };
        let inherit = self.vips.iter().any(Vip::is_undecided).then_some(self.started_at + INHERIT_WITHIN);
        vips.chain(self.proxying.deadlines())
            .chain(self.peering.deadline())
            .chain(self.changes.deadline().map(|at| (at, "the configuration is to be read")))
            .chain(observe.map(|at| (at, "links and addresses are to be looked at")))
            .chain(reopen)
            .chain(stop.map(|at| (at, "the time to stop is over")))
            .chain(inherit.map(|at| (at, "a predecessor's lease is given up")))
            .min()
            .map(|(at, why)| Deadline { at, why })
    }

    fn take(&mut self, now: Instant, event: Event, out: &mut Outbox) {
        match event {
            Event::Tick => {}
            Event::PacketReceived(received) => self.hear(now, &received, out),
            Event::NetworkObserved(network) => self.observed(now, network, out),
            Event::HelloReceived { from, bytes, at } => self.hello_received(now, from, &bytes, at, out),
            Event::HelloOpened { result } => self.hello_opened(now, result, out),
            Event::NetworkChanged => self.observation.stale = true,
            Event::InterfaceOpened { interface, result } => self.opened(now, &interface, result, out),
            Event::AddressInstalled { op, result } => {
                for vip in &mut self.vips {
                    vip.installed(now, op, &result, out);
                }
            }
            Event::AddressWithdrawn { op, result } => {
                for vip in &mut self.vips {
                    vip.withdrawn(now, op, &result, out);
                }
            }
            Event::TransmitFailed { interface, error } => self.transmit_failed(&interface, &error, out),
            Event::ProxyDone { op, outcome } => {
                let news = self.proxying.done(now, op, outcome, &mut self.ops, out);
                self.proxy_news(now, news, out);
            }
            Event::ProxyExited { pid, status } => {
                let news = self.proxying.exited(now, pid, &status, out);
                self.proxy_news(now, news, out);
            }
            Event::WorkerExited { pid } => self.proxying.worker_exited(now, pid, out),
            Event::Probed { op, result } => {
                let news = self.proxying.probed(now, op, result, &self.loaded, &mut self.ops, out);
                self.proxy_news(now, news, out);
            }
            Event::HookFinished { op, outcome } => self.hook_finished(op, outcome, out),
            Event::StartedWithLastGood { report } => self.started_with_last_good(now, &report),
            Event::ConfigTouched if self.phase == Phase::Running => self.changes.touched(now),
            Event::ConfigTouched => {}
            Event::ConfigLoaded { op, result } => self.config_loaded(now, op, result, out),
            Event::Requested { id, request } => self.requested(now, id, request, out),
            Event::Signalled(signal) => self.signalled(now, signal, out),
        }
    }

    /// Everything that follows from the facts, computed from scratch.
    fn settle(&mut self, now: Instant, judge: Judge, out: &mut Outbox) {
        if judge == Judge::Timers {
            let news = self.proxying.tick(now, &mut self.ops, out);
            self.proxy_news(now, news, out);
        }
        self.proxying.probe(now, &mut self.ops, out);
        self.settle_interfaces(now, out);
        self.settle_vips(now, judge, out);
        self.settle_peering(now, out);
        if let Some(op) = self.changes.due(now, &mut self.ops) {
            out.push(Effect::LoadConfig { op });
        }
        self.observe(now, out);
        self.notify(out);
        self.settle_stop(now, out);
    }

    fn settle_vips(&mut self, now: Instant, judge: Judge, out: &mut Outbox) {
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let adopting = self.proxying.may_be_adopting();
        let failed_since = self.proxying.health.failed_since();
        for vip in &mut self.vips {
            let link = self.observation.network.link(&vip.interface);
            let network = &self.observation.network;
            let (hooks, peering, proxy) = (&self.loaded.config.hooks, &self.peering, self.proxying.verdict());
            let host = Host { now, network, hooks, stopping, me: &self.me, peering, proxy };
            vip.forget(now);
            vip.weights = self.proxying.weights(&vip.config.track);
            let socket = match self.interfaces.get(&vip.interface).map(|i| &i.socket) {
                Some(Socket::Open | Socket::Reopening) => Ok(true),
                Some(Socket::Failed { why, .. }) => Err(why.as_str()),
                Some(Socket::Opening) | None => Ok(false),
            };
            let facts = Facts {
                leaving: if stopping { Some("vipkeeper stops") } else { vip.farewell.as_deref() },
                released: vip.released.as_ref().map(|_| "released by an operator"),
                observed: self.observation.seen,
                interface: &vip.interface,
                link,
                source: vip.source(),
                socket,
                refused: vip.refused(),
                proxy,
                without_proxy: vip.without_proxy(&host, failed_since),
                base: vip.base,
                weights: &vip.weights,
            };
            let answer = entitlement(&facts);
            vip.entitle(&host, answer, out);
            // Not entitled although nothing is being looked for: what a predecessor left here must go.
            let decided = !adopting && self.observation.seen && socket != Ok(false);
            if stopping || decided || now >= self.started_at + INHERIT_WITHIN {
                vip.settle_inheritance();
            }
            if judge == Judge::Timers {
                vip.tick(&host, out);
            }
            vip.settle_handover(&host, failed_since, out);
            let opening = link.is_some() && socket == Ok(false);
            if stopping || (self.observation.seen && self.proxying.settled && !opening) {
                vip.tell_at_rest(&host, out);
            }
            vip.act(&host, &mut self.ops, out);
            vip.tell_holding();
        }
        let before = self.vips.len();
        self.vips.retain(|vip| vip.farewell.is_none() || !vip.is_gone());
        self.interfaces_stale |= self.vips.len() != before;
    }

    /// Sockets for the interfaces of our VIPs, and no others.
    fn settle_interfaces(&mut self, now: Instant, out: &mut Outbox) {
        let retry = |i: &Interface| matches!(&i.socket, Socket::Failed { retry_at, .. } if now >= *retry_at);
        if !std::mem::take(&mut self.interfaces_stale) && !self.interfaces.values().any(retry) {
            return;
        }
        let mut needed: BTreeMap<IfName, BTreeSet<IpAddr>> = BTreeMap::new();
        for vip in &self.vips {
            let groups = needed.entry(vip.interface.clone()).or_default();
            if let Transport::Multicast(group) = vip.config.transport {
                groups.insert(group);
            }
            // Announcements leave from wherever the addresses are.
            for placed in &vip.addresses {
                needed.entry(placed.interface.clone()).or_default();
            }
        }
        let network = &self.observation.network;
        let stale = self.interfaces.iter().filter(|(name, known)| {
            !needed.contains_key(*name) || network.link(name).is_none_or(|link| link.index != known.index)
        });
        let stale: Vec<IfName> = stale.map(|(name, _)| name.clone()).collect();
        for interface in stale {
            self.interfaces.remove(&interface);
            out.push(Effect::CloseInterface { interface });
        }
        for (name, groups) in needed {
            let Some(link) = network.link(&name) else { continue };
            let groups: Vec<IpAddr> = groups.into_iter().collect();
            let socket = match self.interfaces.get(&name) {
                None => Socket::Opening,
                Some(known) => match &known.socket {
                    Socket::Failed { retry_at, .. } if now < *retry_at => continue,
                    Socket::Opening | Socket::Open | Socket::Reopening if known.groups == groups => continue,
                    Socket::Failed { .. } | Socket::Opening => Socket::Opening,
                    Socket::Open | Socket::Reopening => Socket::Reopening,
                },
            };
            out.push(Effect::OpenInterface { interface: name.clone(), index: link.index, groups: groups.clone() });
            self.interfaces.insert(name, Interface { index: link.index, groups, socket });
        }
    }

    fn opened(&mut self, now: Instant, interface: &IfName, result: Result<(), String>, out: &mut Outbox) {
        let Some(known) = self.interfaces.get_mut(interface) else { return };
        known.socket = match result {
            Ok(()) => Socket::Open,
            Err(why) => {
                out.log(LogLevel::Warn, None, format!("no VRRP socket on {interface}: {why}"));
                Socket::Failed { why, retry_at: now + REOPEN_AFTER }
            }
        };
    }

    /// A send that fails because the link is gone shows in the next dump; anything else is worth a line.
    fn transmit_failed(&mut self, interface: &IfName, error: &str, out: &mut Outbox) {
        self.observation.stale = true;
        for vip in self.vips.iter_mut().filter(|v| v.interface == *interface) {
            vip.count("transmits-failed");
        }
        out.log(LogLevel::Debug, None, format!("cannot send on {interface}: {error}"));
    }

    fn observe(&mut self, now: Instant, out: &mut Outbox) {
        let observation = &mut self.observation;
        let soon = observation.not_before.is_none_or(|at| now >= at);
        if observation.stale && observation.asked_at.is_none() && soon {
            observation.stale = false;
            observation.asked_at = Some(now);
            observation.not_before = Some(now + OBSERVE_SPACING);
            out.push(Effect::ObserveNetwork);
        }
    }

    fn observed(&mut self, now: Instant, network: Network, out: &mut Outbox) {
        let asked_at = self.observation.asked_at.take().unwrap_or(now);
        self.observation.seen = true;
        for vip in &mut self.vips {
            let link = network.link(&vip.interface);
            let before = self.observation.network.link(&vip.interface);
            if before.zip(link).is_some_and(|(before, link)| before.mac != link.mac) {
                vip.moved_hardware();
            }
            let here = |placed: &Placed| {
                let index = network.link(&placed.interface).map(|l| l.index);
                let mut all = network.addresses.iter();
                let found = all.find(|a| Some(a.index) == index && a.ip == placed.lease.address().ip());
                found.map(|a| Seen { ours: a.ours, valid_secs: a.valid_secs })
            };
            vip.observe(now, asked_at, &network, &here, out);
        }
        self.observation.network = network;
        self.interfaces_stale = true;
        self.choose_sources(now);
    }

    /// The addresses to speak from, by the last dump.
    fn choose_sources(&mut self, now: Instant) {
        let vips: Vec<IpAddr> =
            self.loaded.config.vips.iter().flat_map(|v| &v.addresses).map(VirtualAddress::ip).collect();
        let network = &self.observation.network;
        for vip in &mut self.vips {
            // Ours are VIPs, those that have just left the configuration too.
            let foreign = |address: &event::Address| (!address.ours).then_some(address.ip);
            let family = vip.config.family();
            let own = self.loaded.config.node(&self.me).and_then(|me| me.address_of(family));
            let candidates: Vec<IpAddr> = network
                .link(&vip.interface)
                .map(|link| network.of_link(link.index, family).filter_map(foreign).collect())
                .unwrap_or_default();
            vip.choose_source(now, &candidates, own, &vips);
        }
    }

    fn hear(&mut self, now: Instant, received: &Received, out: &mut Outbox) {
        let advert = match parse(&received.datagram, if received.truncated { Capture::Cut } else { Capture::Whole }) {
            Ok(advert) => advert,
            Err(rejected) => {
                let ours = |v: &&mut Vip| v.interface == received.interface && Some(v.config.vrid) == rejected.vrid;
                let counters = match self.vips.iter_mut().find(ours) {
                    Some(vip) => &mut vip.dropped,
                    None => self.dropped.entry(received.interface.clone()).or_default(),
                };
                *counters.entry(rejected.reason).or_default() += 1;
                return;
            }
        };
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let ours = |v: &&mut Vip| {
            v.interface == received.interface
                && v.config.vrid == advert.vrid
                && v.config.family() == Family::of(advert.source)
        };
        let Some(vip) = self.vips.iter_mut().find(ours) else {
            let counters = self.dropped.entry(received.interface.clone()).or_default();
            *counters.entry(Reject::Vrid).or_default() += 1;
            return;
        };
        let network = &self.observation.network;
        let (hooks, peering, proxy) = (&self.loaded.config.hooks, &self.peering, self.proxying.verdict());
        let host = Host { now, network, hooks, stopping, me: &self.me, peering, proxy };
        vip.hear(&host, received.at.min(now), &advert, out);
    }

    fn hook_finished(&mut self, op: OpId, outcome: HookOutcome, out: &mut Outbox) {
        for vip in &mut self.vips {
            let Some(run) = vip.hook_finished(op) else { continue };
            let name = vip.config.name.to_string();
            let line = run.argv.join(" ");
            match outcome {
                HookOutcome::Succeeded => {
                    out.log(LogLevel::Info, Some(&name), format!("{} exited 0: {line}", run.hook));
                }
                HookOutcome::Failed(why) => {
                    vip.count("hooks-failed");
                    out.log(LogLevel::Warn, Some(&name), format!("{} failed: {why}: {line}", run.hook));
                }
                HookOutcome::TimedOut => {
                    vip.count("hooks-failed");
                    let secs = run.timeout.as_secs();
                    out.log(LogLevel::Warn, Some(&name), format!("{} was killed after {secs} s: {line}", run.hook));
                }
            }
            return;
        }
    }

    fn requested(&mut self, now: Instant, id: RequestId, request: Request, out: &mut Outbox) {
        if self.phase != Phase::Running {
            out.push(Effect::Reply { request: id, result: Err("vipkeeper is stopping".to_owned()) });
            return;
        }
        let (name, released) = match request {
            Request::Reload => {
                if let Err(why) = self.changes.asked(id) {
                    out.push(Effect::Reply { request: id, result: Err(why) });
                }
                return;
            }
            Request::Release { vip, hold } => {
                // Longer than the clock reaches is until resumed.
                let until = now.checked_add(hold).filter(|_| !hold.is_zero());
                (vip, Some(Released { until }))
            }
            Request::Resume { vip } => (vip, None),
        };
        let matching = self.vips.iter_mut().filter(|v| v.farewell.is_none());
        let matching = matching.filter(|v| name.as_ref().is_none_or(|n| v.config.name == *n));
        let mut names = Vec::new();
        for vip in matching {
            vip.released.clone_from(&released);
            names.push(vip.config.name.to_string());
        }
        let result = match (names.is_empty(), &released) {
            (true, _) => Err(match name {
                Some(name) => format!("this node takes part in no VIP {name:?}", name = name.as_str()),
                None => "this node takes part in no VIP".to_owned(),
            }),
            (false, None) => Ok(format!("taking part again: {}", names.join(", "))),
            (false, Some(_)) => Ok(format!("released: {}", names.join(", "))),
        };
        if let Ok(message) = &result {
            out.log(LogLevel::Info, None, format!("an operator asked: {message}"));
        }
        out.push(Effect::Reply { request: id, result });
    }

    fn signalled(&mut self, now: Instant, signal: Signal, out: &mut Outbox) {
        use crate::config::OnStop;
        let proxy = match (signal, self.loaded.config.proxy.on_stop) {
            (Signal::Hangup, _) => {
                if self.phase == Phase::Running {
                    self.changes.now();
                }
                return;
            }
            (Signal::Terminate, OnStop::Keep) => ProxyOnExit::Keep,
            (Signal::Terminate, OnStop::Stop) | (Signal::Interrupt, OnStop::Keep | OnStop::Stop) => ProxyOnExit::Stop,
        };
        if matches!(self.phase, Phase::Stopping { .. }) {
            out.log(LogLevel::Warn, None, "a second signal: leaving at once");
            self.exit(1, out);
            return;
        }
        out.log(LogLevel::Info, None, "stopping: giving up all VIPs");
        self.abandon_changes(out);
        self.phase = Phase::Stopping { addresses_until: Some(now + WITHDRAW_WITHIN), until: now + STOP_WITHIN, proxy };
    }

    /// First the addresses, then the proxy, then the hooks: nobody may be sent to a proxy that is gone.
    fn settle_stop(&mut self, now: Instant, out: &mut Outbox) {
        let Phase::Stopping { addresses_until, until, proxy } = self.phase else { return };
        let waiting = addresses_until.is_some_and(|at| now < at) && self.vips.iter().any(Vip::may_hold_addresses);
        if waiting {
            return;
        }
        if proxy == ProxyOnExit::Stop {
            self.proxying.stop(now, &mut self.ops, out);
        }
        let (proxy, stopped) = match proxy {
            ProxyOnExit::Keep => (ProxyOnExit::Keep, true),
            ProxyOnExit::Stop | ProxyOnExit::Stopping => (ProxyOnExit::Stopping, self.proxying.has_ended()),
        };
        self.phase = Phase::Stopping { addresses_until: None, until, proxy };
        if now >= until || (stopped && self.vips.iter().all(Vip::hooks_idle)) {
            self.exit(0, out);
        }
    }

    fn exit(&mut self, code: u8, out: &mut Outbox) {
        self.phase = Phase::Exited;
        out.push(Effect::Exit { code });
    }

    /// What must hold after every turn that ended with a tick where one was due; the simulation asks after each.
    pub fn check_invariants(&self, now: Instant) -> Result<(), String> {
        let host = self.host(now);
        for vip in &self.vips {
            vip.check(&host)?;
            let active = vip.router.role() == Role::Active;
            if active && host.stopping {
                return Err(format!("{} is active while vipkeeper stops", vip.config.name));
            }
            let grace = vip.without_proxy(&host, self.proxying.health.failed_since());
            if active && *host.proxy != crate::proxy::health::Verdict::Healthy && grace == WithoutProxy::Leave {
                return Err(format!("{} is active although the proxy has failed", vip.config.name));
            }
        }
        match self.deadline() {
            Some(deadline) if deadline.at <= now => Err(format!("overdue after a turn: {}", deadline.why)),
            Some(_) | None => Ok(()),
        }
    }
}
