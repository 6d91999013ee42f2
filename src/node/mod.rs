//! The whole policy of one host, pure: an [`Event`] in, [`Effects`] out.
//!
//! [`Node::handle`] is the only mutator. Each turn first takes in what happened, then settles everything that follows
//! from it: the verdict about the proxy, who may hold which VIP, what that means for routers, addresses and hooks.
//! Nothing here reads a clock, a file or a socket.

mod asking;
mod change;
mod devices;
pub mod effect;
mod electing;
mod entitlement;
pub mod event;
mod filtering;
mod groups;
mod hooking;
mod intents;
mod observing;
mod outbox;
mod peering;
mod proxying;
mod recorded;
mod report;
mod settling;
pub mod status;
mod tracking;
mod vip;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

pub use effect::{Effect, Effects, LogLevel, LogLine};
pub use event::Event;
pub use proxying::binds;
pub use status::Status;

use crate::config::{Transport, VirtualAddress};
use crate::node::change::Changes;
use crate::node::devices::Below;
use crate::node::entitlement::WithoutProxy;
use crate::node::event::{Loaded, Signal};
use crate::node::filtering::Filtering;
use crate::node::groups::Group;
use crate::node::hooking::Hooking;
use crate::node::observing::Observation;
use crate::node::outbox::{Ops, Outbox};
use crate::node::peering::Peering;
use crate::node::proxying::Proxying;
use crate::node::settling::Settled;
use crate::node::tracking::Tracking;
use crate::node::vip::Vip;
use crate::node::wire::WallClock;
use crate::peer::Incarnation;
use crate::units::{Family, IfName, Name};
use crate::vrrp::packet::Reject;
use crate::vrrp::router::Role;

/// A socket that could not be opened is tried again after this long.
const REOPEN_AFTER: Duration = Duration::from_secs(1);
/// A predecessor's lease is not kept undecided for longer than this.
const INHERIT_WITHIN: Duration = Duration::from_secs(5);
/// When vipkeeper stops, addresses have this long to be removed ...
const WITHDRAW_WITHIN: Duration = Duration::from_secs(1);
/// ... and everything, hooks and proxy included, this long. systemd kills after 90 s by default.
const STOP_WITHIN: Duration = Duration::from_secs(15);
/// A service manager has started another vipkeeper by then, and it has adopted what this one left.
const RESTART_TAKES: Duration = Duration::from_secs(1);

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
    wire: Wire,
    /// Addresses whose claims by others are watched.
    watched: BTreeSet<IpAddr>,
    socket: Socket,
}

/// What the raw sockets of an interface are for.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
struct Wire {
    families: BTreeSet<Family>,
    groups: BTreeSet<IpAddr>,
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

/// One host.
#[derive(Debug)]
pub struct Node {
    me: Name,
    loaded: Loaded,
    loaded_at: Instant,
    started_at: Instant,
    phase: Phase,
    ops: Ops,
    wall: WallClock,
    observation: Observation,
    below: Below,
    interfaces: BTreeMap<IfName, Interface>,
    proxying: Proxying,
    tracking: Tracking,
    filtering: Filtering,
    hooking: Hooking,
    vips: Vec<Vip>,
    groups: Vec<Group>,
    peering: Peering,
    changes: Changes,
    dropped: BTreeMap<IfName, BTreeMap<Reject, u64>>,
    ready: bool,
    /// What the service manager was told: the proxy is healthy, and each VIP's role.
    notified: Option<(bool, Vec<Role>)>,
    /// VIPs, links or sockets changed since the sockets were last looked through.
    interfaces_stale: bool,
    settled: Settled,
}

impl Node {
    /// A node that starts at `now`. `me` is one of the configuration's nodes; any other takes part in no VIP.
    /// `incarnation` is a random number that no other process of this node ever had.
    pub fn new(loaded: Loaded, me: Name, incarnation: Incarnation, now: Instant) -> (Self, Effects) {
        let mut ops = Ops::default();
        let mut out = Outbox::default();
        let proxying = Proxying::new(&loaded, &me, now, &mut ops, &mut out);
        let tracking = Tracking::new(&loaded.config, &me, now);
        let vips = loaded.config.vips.iter().filter_map(|v| Vip::new(v, &loaded.config, &me, now)).collect();
        let groups = groups::adopt(Vec::new(), &loaded.config);
        let mut peering = Peering::new(me.clone(), incarnation);
        peering.configure(now, &loaded, &mut out);
        if let Some(endpoint) = loaded.config.endpoint(&me) {
            out.push(Effect::Serve { endpoint: Some(endpoint) });
        }
        let mut node = Self {
            me,
            peering,
            loaded,
            loaded_at: now,
            started_at: now,
            phase: Phase::Running,
            ops,
            wall: WallClock { at: now, unix: Duration::ZERO },
            observation: Observation { stale: true, ..Observation::default() },
            below: Below::default(),
            interfaces: BTreeMap::new(),
            proxying,
            tracking,
            filtering: Filtering::default(),
            hooking: Hooking::default(),
            vips,
            groups,
            changes: Changes::default(),
            dropped: BTreeMap::new(),
            ready: false,
            notified: None,
            interfaces_stale: true,
            settled: Settled::new(),
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
        self.notice_standstill(now);
        let judge = if matches!(event, Event::Tick) { Judge::Timers } else { Judge::Facts };
        self.settled.all |= !settling::touches_its_own(&event);
        self.take(now, event, &mut out);
        self.settle(now, judge, &mut out);
        out.into_effects()
    }

    /// Who hears of a deadline late was not running: what was to be heard meanwhile may be lost.
    fn notice_standstill(&mut self, now: Instant) {
        let late = self.deadline().map(|deadline| now.saturating_duration_since(deadline.at));
        let Some(late) = late.filter(|late| !late.is_zero()) else { return };
        for vip in &mut self.vips {
            vip.touched |= vip.router.stood_still(now, late);
        }
    }

    /// When to send [`Event::Tick`].
    pub fn deadline(&self) -> Option<Deadline> {
        if self.phase == Phase::Exited {
            return None;
        }
        let vips = self.vips.iter().filter_map(|v| v.due).map(|due| (due.at, due.why));
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
            .chain(self.tracking.deadlines())
            .chain(self.peering.deadline())
            .chain(self.filtering.deadline())
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
            Event::FrameReceived { interface, frame, at } => self.see(now, &interface, &frame, at, out),
            Event::WallClockRead { at, unix } => self.wall = WallClock { at, unix },
            Event::NetworkObserved(network) => self.observed(now, network, out),
            Event::HelloReceived { from, bytes, at } => self.hello_received(now, from, &bytes, at, out),
            Event::HelloOpened { result } => self.hello_opened(now, result, out),
            Event::NetworkChanged => self.observation.stale = true,
            Event::InterfaceOpened { interface, result } => self.opened(now, &interface, result, out),
            Event::AddressInstalled { op, result } | Event::AddressWithdrawn { op, result } => {
                self.answered(now, vec![(op, result)], out);
            }
            Event::AddressesAnswered(answers) => self.answered(now, answers, out),
            Event::ConnectionsReset { op, result } => {
                self.vips.iter_mut().for_each(|vip| vip.connections_reset(op, &result, out));
            }
            Event::RoutingObserved(result) => self.routing_observed(now, result, out),
            Event::RoutingChanged { op, result } => {
                self.vips.iter_mut().for_each(|vip| vip.routing_changed(now, op, &result, out));
            }
            Event::DeviceRaised { op, result } => self.device_raised(now, op, &result, out),
            Event::DeviceRemoved { op, result } => self.device_removed(now, op, &result, out),
            Event::ArpConfigured { op, result } => self.arp_configured(now, op, result, out),
            Event::Filtered { op, result } => self.filtered(now, op, result, out),
            Event::TransmitFailed { interface, error } => self.transmit_failed(&interface, &error, out),
            Event::ProxyDone { op, outcome } => {
                let news = self.proxying.done(now, op, outcome, &mut self.ops, out);
                self.proxy_news(now, news, out);
            }
            Event::ProxyExited { pid, status } => {
                let news = self.proxying.exited(now, pid, &status, out);
                self.proxy_news(now, news, out);
            }
            Event::Attended { op, outcome } => self.proxying.attended(now, op, outcome, &mut self.ops, out),
            Event::ProbeLate { op, runnable: true } => self.proxying.probe_starved(now, op),
            Event::ProbeLate { runnable: false, .. } => {}
            Event::WorkerExited { pid } => self.proxying.worker_exited(now, pid),
            Event::Probed { op, result } => {
                let news = self.proxying.probed(now, op, result, &self.loaded, &mut self.ops, out);
                self.feed_trackers(now, out);
                self.proxy_news(now, news, out);
            }
            Event::Looked { op, result } => self.tracking.looked(now, op, &result, out),
            Event::HookFinished { op, outcome } => self.hook_finished(op, outcome, out),
            Event::StartedWithLastGood { report } => self.started_with_last_good(now, &report),
            Event::IntentsRead { text } => self.intents_read(&text, out),
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
            self.tracking.tick(now, out);
        }
        self.proxying.probe(now, &mut self.ops, out);
        self.settle_interfaces(now, out);
        self.settle_trackers(now, out);
        self.choose(now, judge);
        self.settle_vips(now, judge, out);
        self.settle_below(out);
        self.settle_hooks(out);
        self.settle_filter(now, out);
        self.note_roles(now);
        self.settle_peering(now, out);
        if let Some(op) = self.changes.due(now, &mut self.ops) {
            out.push(Effect::LoadConfig { op });
        }
        self.observe(now, out);
        self.notify_if_touched(out);
        self.settle_stop(now, out);
        self.rest();
    }

    /// Sockets for the interfaces of our VIPs, and no others.
    fn settle_interfaces(&mut self, now: Instant, out: &mut Outbox) {
        let retry = |i: &Interface| matches!(&i.socket, Socket::Failed { retry_at, .. } if now >= *retry_at);
        if !std::mem::take(&mut self.interfaces_stale) && !self.interfaces.values().any(retry) {
            return;
        }
        self.settled.all = true;
        let needed = self.needed_interfaces();
        let network = &self.observation.network;
        let stale = self.interfaces.iter().filter(|(name, known)| {
            !needed.contains_key(*name) || network.link(name).is_none_or(|link| link.index != known.index)
        });
        let stale: Vec<IfName> = stale.map(|(name, _)| name.clone()).collect();
        for interface in stale {
            self.interfaces.remove(&interface);
            out.push(Effect::CloseInterface { interface });
        }
        for (name, (wire, watched)) in needed {
            let Some(link) = network.link(&name) else { continue };
            let known = self.interfaces.get(&name);
            let socket = match known.map(|known| (&known.socket, known.wire == wire)) {
                None => Some(Socket::Opening),
                Some((Socket::Failed { retry_at, .. }, _)) => (now >= *retry_at).then_some(Socket::Opening),
                Some((Socket::Opening | Socket::Open | Socket::Reopening, true)) => None,
                Some((Socket::Opening, false)) => Some(Socket::Opening),
                Some((Socket::Open | Socket::Reopening, false)) => Some(Socket::Reopening),
            };
            if socket.is_none() && known.is_some_and(|known| known.watched == watched) {
                continue;
            }
            if socket.is_some() {
                out.push(Effect::OpenInterface {
                    interface: name.clone(),
                    index: link.index,
                    families: wire.families.iter().copied().collect(),
                    groups: wire.groups.iter().copied().collect(),
                });
            }
            let addresses = watched.iter().copied().collect();
            out.push(Effect::WatchAddresses { interface: name.clone(), addresses });
            let index = link.index;
            match (socket, self.interfaces.get_mut(&name)) {
                (None, Some(known)) => known.watched = watched,
                (None, None) => {}
                (Some(socket), _) => drop(self.interfaces.insert(name, Interface { index, wire, watched, socket })),
            }
        }
    }

    /// The interfaces of our VIPs: what is spoken there, and the addresses that others must not claim.
    fn needed_interfaces(&self) -> BTreeMap<IfName, (Wire, BTreeSet<IpAddr>)> {
        let mut needed: BTreeMap<IfName, (Wire, BTreeSet<IpAddr>)> = BTreeMap::new();
        for vip in &self.vips {
            let (wire, _) = needed.entry(vip.interface.clone()).or_default();
            wire.families.insert(vip.config.family());
            if let Transport::Multicast(group) = vip.config.transport {
                wire.groups.insert(group);
            }
            // Announcements leave from wherever the addresses are.
            for placed in &vip.addresses {
                let (_, watched) = needed.entry(placed.wire.clone()).or_default();
                watched.insert(placed.lease.address().ip());
            }
        }
        needed
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

    fn signalled(&mut self, now: Instant, signal: Signal, out: &mut Outbox) {
        use crate::config::OnStop;
        let proxy = match (signal, self.loaded.config.proxy.on_stop) {
            (Signal::Hangup, _) => {
                if self.phase == Phase::Running {
                    self.changes.now();
                }
                return;
            }
            (Signal::Replace, _) if self.phase == Phase::Running && self.outlasts_restart() => {
                out.log(LogLevel::Info, None, "leaving everything as it is for another vipkeeper that starts at once");
                self.phase = Phase::Exited;
                out.push(Effect::Exit { code: 0 });
                return;
            }
            (Signal::Terminate | Signal::Replace, OnStop::Keep) => ProxyOnExit::Keep,
            (Signal::Terminate | Signal::Replace, OnStop::Stop) | (Signal::Interrupt, OnStop::Keep | OnStop::Stop) => {
                ProxyOnExit::Stop
            }
        };
        if matches!(self.phase, Phase::Stopping { .. }) {
            out.log(LogLevel::Warn, None, "a second signal: leaving at once");
            self.exit(1, out);
            return;
        }
        out.log(LogLevel::Info, None, "stopping: giving up all VIPs");
        self.abandon_changes(out);
        self.tracking.stop();
        self.phase = Phase::Stopping { addresses_until: Some(now + WITHDRAW_WITHIN), until: now + STOP_WITHIN, proxy };
    }

    /// Whether a restart takes no longer than the others wait: else a VIP would be on two nodes.
    fn outlasts_restart(&self) -> bool {
        let active = self.vips.iter().filter(|vip| vip.router.role() == Role::Active);
        active.map(|vip| vip.patience()).all(|patience| patience >= RESTART_TAKES)
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
        if now >= until || (stopped && self.hooking.is_idle()) {
            self.exit(0, out);
        }
    }

    fn exit(&mut self, code: u8, out: &mut Outbox) {
        self.phase = Phase::Exited;
        self.leave_filter(out);
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
            if let Some(why) = vip.judgement.abstain.as_ref().filter(|_| active) {
                return Err(format!("{} is active although {why}", vip.config.name));
            }
        }
        groups::check(&self.groups, &self.vips)?;
        self.check_rest()?;
        match self.deadline() {
            Some(deadline) if deadline.at <= now => Err(format!("overdue after a turn: {}", deadline.why)),
            Some(_) | None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
