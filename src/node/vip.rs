//! One VIP on this node: its router, its addresses, its announcements and its hooks.

mod announcing;
mod handover;
mod host;
mod placed;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::addrs::{AddressNews, AddressStep, Answer, Presence, Want};
use crate::config::{Config, Transport, VipConfig};
use crate::hooks::{self, HookQueue, HookState};
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{Network, OpId};
use crate::node::outbox::{Ops, Outbox};
use crate::node::vip::announcing::Announcing;
use crate::node::vip::handover::Handover;
pub(super) use crate::node::vip::host::Host;
pub(super) use crate::node::vip::placed::Placed;
use crate::peer::VipId;
use crate::units::{Family, IfName, LeaseSecs, Name, Priority};
use crate::vrrp::packet::{Advert, Claim, Outgoing, Reject, build};
use crate::vrrp::router::{Company, Entitlement, Role, Router, RouterConfig, State, Step};

/// Transitions kept for `status`.
const TRANSITIONS_MAX: usize = 16;
/// How long a VIP abstains after the kernel refused one of its addresses.
const REFUSED_PAUSE: Duration = Duration::from_secs(5);

/// A change of role with its reason.
#[derive(Debug, Clone)]
pub(super) struct Transition {
    pub(super) from: Role,
    pub(super) to: Role,
    pub(super) why: String,
    pub(super) at: Instant,
}

/// What became of a lease that a predecessor may have left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Inheritance {
    /// Not decided; addresses are left as they are.
    Undecided,
    /// A living lease was seen: the holder is known to have been alive at most this long before `seen_at`.
    Leased { seen_at: Instant, idle_at_most: Duration },
    /// Decided.
    Settled,
}

/// One VIP on this node.
#[derive(Debug)]
pub(super) struct Vip {
    pub(super) config: VipConfig,
    pub(super) interface: IfName,
    pub(super) base: Priority,
    pub(super) router: Router,
    pub(super) addresses: Vec<Placed>,
    /// Addresses that left the configuration.
    leaving: Vec<Placed>,
    /// The whole VIP left the configuration.
    pub(super) farewell: Option<String>,
    /// It leaves, and its successor of the same name tells the hooks.
    pub(super) silenced: bool,
    pub(super) released: Option<Released>,
    refused: Option<(String, Instant)>,
    inheritance: Inheritance,
    announcing: Announcing,
    /// Arrived in this turn: announced at once, without waiting for the others.
    arrived: Vec<IpAddr>,
    hooks: HookQueue,
    /// What the hooks were told last.
    told: Option<HookState>,
    /// `notify_master` waits until every address is here.
    master_hook_due: bool,
    source: Option<IpAddr>,
    /// The one before, which the others know: a resignation may still leave from it.
    lost_source: Option<IpAddr>,
    peers: Vec<IpAddr>,
    pub(super) transitions: VecDeque<Transition>,
    pub(super) since: Instant,
    pub(super) why: String,
    pub(super) counters: BTreeMap<&'static str, u64>,
    pub(super) dropped: BTreeMap<Reject, u64>,
    pub(super) weights: Vec<(String, i32)>,
    pub(super) handover: Handover,
}

/// Given up by an operator.
#[derive(Debug, Clone)]
pub(super) struct Released {
    pub(super) until: Option<Instant>,
}

impl Vip {
    /// None when this node takes no part in it.
    pub(super) fn new(config: &VipConfig, all: &Config, me: &Name, now: Instant) -> Option<Self> {
        let interface = config.interfaces.get(me)?.clone();
        let base = *config.priorities.get(me)?;
        let peers = peers(config, all, me);
        let router = Router::new(router_config(config, &peers, None), "starting");
        Some(Self {
            addresses: config.addresses.iter().map(|a| Placed::new(a, &interface, me, now)).collect(),
            interface,
            base,
            router,
            leaving: Vec::new(),
            farewell: None,
            silenced: false,
            released: None,
            refused: None,
            inheritance: Inheritance::Undecided,
            announcing: Announcing::default(),
            arrived: Vec::new(),
            hooks: HookQueue::default(),
            told: None,
            master_hook_due: false,
            source: None,
            lost_source: None,
            peers,
            transitions: VecDeque::new(),
            since: now,
            why: "starting".to_owned(),
            counters: BTreeMap::new(),
            dropped: BTreeMap::new(),
            weights: Vec::new(),
            handover: Handover::new(VipId::of(&config.name)),
            config: config.clone(),
        })
    }

    /// The same virtual router under a changed configuration: role, leases and history stay. Whether its name is
    /// another one.
    pub(super) fn reconfigure(&mut self, config: &VipConfig, all: &Config, me: &Name, now: Instant) -> bool {
        if let Some(base) = config.priorities.get(me) {
            self.base = *base;
        }
        self.peers = peers(config, all, me);
        let mut kept = Vec::new();
        for address in &config.addresses {
            let wanted = Placed::new(address, &self.interface, me, now);
            let at = self.addresses.iter().position(|known| known.is_same(&wanted));
            kept.push(match at {
                Some(at) => self.addresses.swap_remove(at),
                None => wanted,
            });
        }
        self.leaving.append(&mut self.addresses);
        self.addresses = kept;
        let renamed = self.config.name != config.name;
        self.config = config.clone();
        self.handover.id = VipId::of(&config.name);
        self.configure_router(now);
        renamed
    }

    /// Under a new name scripts know nothing yet: they are told the state that there is.
    pub(super) fn tell_again(&mut self, host: &Host<'_>, out: &mut Outbox) {
        match self.router.role() {
            Role::Active => self.master_hook_due = true,
            Role::Backup => self.queue_hooks(host, HookState::Backup, out),
            Role::Fault => self.told = None,
        }
    }

    /// Takes over from the VIP of the same name that leaves: what was asked of it, and its scripts.
    ///
    /// Those run in one order, and must not believe that the VIP is here until it is here again.
    pub(super) fn succeed(&mut self, earlier: &mut Self, host: &Host<'_>, out: &mut Outbox) {
        self.released = earlier.released.clone().filter(|_| earlier.farewell.is_none());
        self.hooks = std::mem::take(&mut earlier.hooks);
        self.told = earlier.told;
        earlier.silenced = true;
        if matches!(self.told, Some(HookState::Master | HookState::Backup)) {
            self.queue_hooks(host, HookState::Fault, out);
        }
    }

    pub(super) fn is_same_router(&self, config: &VipConfig, me: &Name) -> bool {
        config.interfaces.get(me) == Some(&self.interface)
            && config.vrid == self.config.vrid
            && config.transport == self.config.transport
            && self.farewell.is_none()
    }

    /// Nothing of it is left on this host.
    pub(super) fn is_gone(&self) -> bool {
        self.router.role() == Role::Fault && !self.may_hold_addresses() && self.hooks.is_idle()
    }

    pub(super) fn may_hold_addresses(&self) -> bool {
        self.addresses.iter().chain(&self.leaving).any(|a| a.lease.may_be_present())
    }

    pub(super) fn hooks_idle(&self) -> bool {
        self.hooks.is_idle()
    }

    pub(super) fn count(&mut self, counter: &'static str) {
        *self.counters.entry(counter).or_default() += 1;
    }

    /// Whether there is an address to speak from; else what is missing.
    pub(super) fn source(&self) -> Result<(), &'static str> {
        match (self.source, self.config.transport) {
            (Some(_), _) => Ok(()),
            (None, Transport::Multicast(_)) => match self.config.family() {
                Family::V4 => Err("no IPv4 address to send adverts from"),
                Family::V6 => Err("no IPv6 link-local address to send adverts from"),
            },
            (None, Transport::Unicast) => Err("not this node's address, the only one that unicast peers know"),
        }
    }

    /// Why the kernel refused an address, while that lasts.
    pub(super) fn refused(&self) -> Option<&str> {
        self.refused.as_ref().map(|(why, _)| why.as_str())
    }

    /// Ends what lasts only for a time.
    pub(super) fn forget(&mut self, now: Instant) {
        self.refused.take_if(|(_, until)| now >= *until);
        self.released.take_if(|released| released.until.is_some_and(|until| now >= until));
    }

    /// It is not known yet whether a predecessor's lease is resumed.
    pub(super) fn is_undecided(&self) -> bool {
        self.inheritance != Inheritance::Settled
    }

    /// The address to speak from: the node's own where the interface has it; in multicast else the first that is no
    /// VIP.
    pub(super) fn choose_source(&mut self, now: Instant, candidates: &[IpAddr], own: Option<IpAddr>, vips: &[IpAddr]) {
        let own = candidates.iter().copied().find(|ip| Some(*ip) == own);
        let source = match self.config.transport {
            // Peers send to that address and believe no other.
            Transport::Unicast => own,
            Transport::Multicast(_) => {
                let real = || candidates.iter().copied().filter(|ip| !vips.contains(ip));
                // RFC 9568 section 5.1.2.1: IPv6 adverts leave from a link-local address.
                let link_local = real().find(|ip| matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()));
                match self.config.family() {
                    Family::V4 => own.or_else(|| real().next()),
                    Family::V6 => link_local,
                }
            }
        };
        if source != self.source {
            self.lost_source = self.source;
            self.source = source;
            self.configure_router(now);
        }
    }

    /// What a dump shows of our addresses.
    pub(super) fn observe(
        &mut self,
        now: Instant,
        asked_at: Instant,
        network: &Network,
        here: &dyn Fn(&Placed) -> Option<Seen>,
        out: &mut Outbox,
    ) {
        let lease = LeaseSecs::for_interval(self.config.advert_interval);
        let mut oldest = Some(Duration::ZERO);
        for address in &mut self.addresses {
            let seen = here(address);
            let news = address.lease.observed(now, asked_at, presence(seen));
            let link_up = address.link(network).is_some_and(|l| l.up);
            // With the link its addresses may go: that is no riddle, and its reason to abstain follows.
            if news == AddressNews::Gone && self.router.role() == Role::Active && link_up {
                *self.counters.entry("addresses-restored").or_default() += 1;
                let message = format!("{} was removed by somebody else: putting it back", address.lease.address());
                out.log(LogLevel::Warn, Some(self.config.name.as_str()), message);
            }
            let idle = seen.filter(|s| s.ours).and_then(|s| s.valid_secs).map(|valid| {
                // The kernel rounds down, so up to a second more may have passed.
                Duration::from_secs(u64::from(lease.get().saturating_sub(valid)) + 1)
            });
            oldest = oldest.zip(idle).map(|(a, b)| a.max(b));
        }
        for address in &mut self.leaving {
            let seen = here(address);
            let _gone = address.lease.observed(now, asked_at, presence(seen));
        }
        if self.inheritance == Inheritance::Undecided {
            self.inheritance = match oldest {
                Some(idle_at_most) => Inheritance::Leased { seen_at: now, idle_at_most },
                None => Inheritance::Settled,
            };
        }
    }

    /// A predecessor's lease is not waited for any longer.
    pub(super) fn settle_inheritance(&mut self) {
        self.inheritance = Inheritance::Settled;
    }

    pub(super) fn hear(&mut self, host: &Host<'_>, at: Instant, advert: &Advert, out: &mut Outbox) {
        if let Err(reason) = self.admit(advert) {
            *self.dropped.entry(reason).or_default() += 1;
            return;
        }
        self.count("adverts-received");
        let backs_same = advert.addresses.len() == self.config.advertised().count()
            && self.config.advertised().all(|ip| advert.addresses.contains(&ip));
        if !backs_same {
            // Told, not dropped: a rolling change of the address list must not end in two active routers.
            self.count("adverts-with-other-addresses");
        }
        self.handover.heard(host.now, at, advert.source, advert.claim);
        let steps = self.router.hear(host.now, at, advert.source, advert.claim, advert.interval);
        self.take(host, steps, out);
    }

    fn admit(&self, advert: &Advert) -> Result<(), Reject> {
        if Some(advert.source) == self.source {
            return Err(Reject::OwnAddress);
        }
        match self.config.transport {
            Transport::Multicast(group) if advert.destination == group => Ok(()),
            Transport::Multicast(_) => Err(Reject::Transport),
            Transport::Unicast if Some(advert.destination) != self.source => Err(Reject::Transport),
            Transport::Unicast if !self.peers.contains(&advert.source) => Err(Reject::UnknownPeer),
            Transport::Unicast => Ok(()),
        }
    }

    /// The node's verdict, and whether a living lease makes a fresh start unnecessary.
    pub(super) fn entitle(&mut self, host: &Host<'_>, entitlement: Entitlement, out: &mut Outbox) {
        if let (Entitlement::Claim(priority), Inheritance::Leased { seen_at, idle_at_most }) =
            (&entitlement, self.inheritance)
        {
            self.inheritance = Inheritance::Settled;
            let idle = idle_at_most + host.now.saturating_duration_since(seen_at);
            let here = self.addresses.iter().all(|a| a.lease.is_present());
            // Nobody waits less than three intervals before taking over (RFC 9568 section 6.1).
            let unmissed = idle <= self.config.advert_interval.duration() * 3 || self.peers.is_empty();
            if here && unmissed {
                let steps = self.router.resume(host.now, *priority, "resumes the lease of its predecessor");
                self.take(host, steps, out);
                return;
            }
        }
        let steps = self.router.entitle(host.now, entitlement);
        self.take(host, steps, out);
    }

    pub(super) fn tick(&mut self, host: &Host<'_>, out: &mut Outbox) {
        if self.router.deadline().is_some_and(|at| host.now >= at) {
            let steps = self.router.tick(host.now);
            self.take(host, steps, out);
        }
    }

    fn take(&mut self, host: &Host<'_>, steps: Vec<Step>, out: &mut Outbox) {
        let mut said = None;
        for step in steps {
            match step {
                Step::Advertise(claim) => {
                    said = Some(claim);
                    self.handover.spoke(host.now, claim);
                    self.advertise(claim, out);
                }
                Step::Reassert { rival } => {
                    self.count("rivals-heard");
                    let message = format!("{rival} claims the VIP with less right: asserting and announcing again");
                    out.log(LogLevel::Info, Some(self.config.name.as_str()), message);
                    self.announcing.wanted = true;
                }
                Step::Turn { from, to, why } => {
                    self.turn(host, from, to, why, out);
                    self.changed_role(host, from, to, said);
                }
            }
        }
    }

    fn turn(&mut self, host: &Host<'_>, from: Role, to: Role, why: String, out: &mut Outbox) {
        let level = match to {
            Role::Fault if !host.stopping => LogLevel::Warn,
            Role::Fault | Role::Backup | Role::Active => LogLevel::Info,
        };
        out.log(level, Some(self.config.name.as_str()), format!("{} -> {}: {why}", from.name(), to.name()));
        self.since = host.now;
        self.why.clone_from(&why);
        self.transitions.push_front(Transition { from, to, why, at: host.now });
        self.transitions.truncate(TRANSITIONS_MAX);
        self.count("transitions");
        self.master_hook_due = false;
        match to {
            Role::Active => {
                self.master_hook_due = true;
                // Addresses that are here already (an adopted lease) are announced as those that arrive.
                let wanted = self.addresses.iter().any(|a| a.lease.is_present());
                self.announcing = Announcing { wanted, ..Announcing::default() };
            }
            Role::Backup => self.queue_hooks(host, HookState::Backup, out),
            Role::Fault if host.stopping => self.queue_hooks(host, HookState::Stop, out),
            Role::Fault => self.queue_hooks(host, HookState::Fault, out),
        }
    }

    /// What no transition tells: a fault from the start on, and the stop of what took no part.
    ///
    /// Scripts may still believe what a vipkeeper told that was killed.
    pub(super) fn tell_at_rest(&mut self, host: &Host<'_>, out: &mut Outbox) {
        if self.farewell.is_some() || self.router.role() != Role::Fault {
            return;
        }
        if host.stopping {
            if self.told != Some(HookState::Stop) {
                self.queue_hooks(host, HookState::Stop, out);
            }
        } else if self.told.is_none() {
            let why = match self.router.state() {
                State::Initialize { why } => why.as_str(),
                State::Backup { .. } | State::Active { .. } => "",
            };
            out.log(LogLevel::Warn, Some(self.config.name.as_str()), format!("in fault from the start: {why}"));
            self.queue_hooks(host, HookState::Fault, out);
        }
    }

    fn queue_hooks(&mut self, host: &Host<'_>, state: HookState, out: &mut Outbox) {
        if self.silenced {
            return;
        }
        self.told = Some(state);
        let priority = self.router.priority().unwrap_or(self.base);
        let runs = hooks::plan(&self.config, host.hooks, state, priority.get());
        for dropped in self.hooks.push(runs) {
            self.count("hooks-dropped");
            let message = format!("{} was dropped: too many hooks are waiting", dropped.hook);
            out.log(LogLevel::Warn, Some(self.config.name.as_str()), message);
        }
    }

    fn advertise(&mut self, claim: Claim, out: &mut Outbox) {
        let known = self.source.or(self.lost_source.filter(|_| claim == Claim::Resign));
        let Some(source) = known else { return };
        let addresses: Vec<IpAddr> = self.config.advertised().collect();
        let destinations = match self.config.transport {
            Transport::Multicast(group) => vec![group],
            Transport::Unicast => self.peers.clone(),
        };
        for destination in destinations {
            let bytes = build(&Outgoing {
                source,
                destination,
                vrid: self.config.vrid,
                claim,
                version: self.config.version,
                interval: self.config.advert_interval,
                checksum: self.config.checksum,
                addresses: &addresses,
            });
            self.count("adverts-sent");
            out.push(Effect::Transmit { interface: self.interface.clone(), source, to: destination, bytes });
        }
    }

    fn want(&self) -> Want {
        if self.handover.lingers() {
            return Want::AsIs;
        }
        if self.farewell.is_some() {
            return Want::Absent;
        }
        match (self.router.role(), self.inheritance) {
            (Role::Active, _) => Want::Present,
            (Role::Backup, _) | (Role::Fault, Inheritance::Settled) => Want::Absent,
            (Role::Fault, Inheritance::Undecided | Inheritance::Leased { .. }) => Want::AsIs,
        }
    }

    /// Requests what the addresses need, announces what is due, starts the next hook.
    pub(super) fn act(&mut self, host: &Host<'_>, ops: &mut Ops, out: &mut Outbox) {
        let want = self.want();
        let lease = LeaseSecs::for_interval(self.config.advert_interval);
        let ours = self.addresses.iter_mut().map(|a| (a, want));
        for (placed, want) in ours.chain(self.leaving.iter_mut().map(|a| (a, Want::Absent))) {
            let Some(index) = placed.link(host.network).map(|link| link.index) else { continue };
            let op = ops.next();
            match placed.lease.plan(host.now, want, op) {
                Some(AddressStep::Install(address)) => {
                    out.push(Effect::Install { op, index, address, options: placed.options().clone(), lease });
                }
                Some(AddressStep::Withdraw(address)) => out.push(Effect::Withdraw { op, index, address }),
                None => {}
            }
        }
        self.announce(host, out);
        self.leaving.retain(|a| a.lease.may_be_present());
        if self.master_hook_due && self.addresses.iter().all(|a| a.lease.is_present()) {
            self.master_hook_due = false;
            self.queue_hooks(host, HookState::Master, out);
        }
        let op = ops.next();
        if let Some(run) = self.hooks.start(op) {
            out.push(Effect::RunHook { op, run });
        }
    }

    pub(super) fn installed(&mut self, now: Instant, op: OpId, result: &Result<(), String>, out: &mut Outbox) {
        let lease = LeaseSecs::for_interval(self.config.advert_interval);
        for address in self.addresses.iter_mut().chain(&mut self.leaving) {
            match address.lease.installed(now, op, Answer::from(result), lease) {
                AddressNews::Arrived => {
                    self.arrived.push(address.lease.address().ip());
                }
                AddressNews::Refused => {
                    let why = result.as_ref().err().cloned().unwrap_or_default();
                    let message = format!("cannot install {}: {why}", address.lease.address());
                    out.log(LogLevel::Warn, Some(self.config.name.as_str()), message.clone());
                    *self.counters.entry("addresses-refused").or_default() += 1;
                    self.refused = Some((message, now + REFUSED_PAUSE));
                }
                AddressNews::None | AddressNews::Gone => {}
            }
        }
    }

    pub(super) fn withdrawn(&mut self, now: Instant, op: OpId, result: &Result<(), String>, out: &mut Outbox) {
        for address in self.addresses.iter_mut().chain(&mut self.leaving) {
            let _news = address.lease.withdrawn(now, op, Answer::from(result));
            if let Err(why) = result
                && address.lease.is_present()
            {
                let message = format!("cannot remove {}: {why}", address.lease.address());
                out.log(LogLevel::Warn, Some(self.config.name.as_str()), message);
            }
        }
    }

    pub(super) fn hook_finished(&mut self, op: OpId) -> Option<hooks::HookRun> {
        self.hooks.finish(op)
    }

    /// When [`Vip::tick`] or [`Vip::act`] has something to do.
    pub(super) fn deadlines<'a>(&'a self, network: &'a Network) -> impl Iterator<Item = (Instant, &'static str)> + 'a {
        let role = self.router.role();
        let election = self.router.deadline().map(|at| match role {
            Role::Active => (at, "the next advert is due"),
            Role::Backup | Role::Fault => (at, "the active router may be gone"),
        });
        let want = self.want();
        let ours = self.addresses.iter().map(move |a| (a, want));
        let leaving = self.leaving.iter().map(|a| (a, Want::Absent));
        let linked = ours.chain(leaving).filter(|(a, _)| a.link(network).is_some());
        let leases =
            linked.filter_map(|(a, want)| a.lease.deadline(want)).map(|at| (at, "an address is to be renewed"));
        let arp = self.announce_deadline(network).map(|at| (at, "addresses are to be announced"));
        let released = self.released.as_ref().and_then(|r| r.until).map(|at| (at, "a release ends"));
        let refused = self.refused.as_ref().map(|(_, until)| *until);
        let refused = refused.map(|at| (at, "an address may be tried again"));
        let handover = self.handover.deadline().map(|at| (at, "a hand-over goes on"));
        election.into_iter().chain(leases).chain(handover).chain(arp).chain(released).chain(refused)
    }

    /// What must hold after every turn.
    pub(super) fn check(&self, host: &Host<'_>) -> Result<(), String> {
        let name = &self.config.name;
        if self.router.role() == Role::Active && (self.farewell.is_some() || self.released.is_some()) {
            return Err(format!("{name} is active on {} although it was given up", host.me));
        }
        if self.transitions.len() > TRANSITIONS_MAX {
            return Err(format!("{name} keeps too many transitions"));
        }
        self.check_linger(host.now)
    }
}

/// An address as a dump shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) ours: bool,
    pub(super) valid_secs: Option<u32>,
}

fn presence(seen: Option<Seen>) -> Presence {
    if seen.is_some() { Presence::Here } else { Presence::Missing }
}

fn peers(config: &VipConfig, all: &Config, me: &Name) -> Vec<IpAddr> {
    let others = all.nodes.iter().filter(|n| n.name != *me && config.priorities.contains_key(&n.name));
    // Where adverts go by multicast, peers only say that there is company.
    others.map(|n| n.address_of(config.family()).unwrap_or(n.address)).collect()
}

fn router_config(config: &VipConfig, peers: &[IpAddr], source: Option<IpAddr>) -> RouterConfig {
    RouterConfig {
        interval: config.advert_interval,
        preempt: config.preempt,
        address: source.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
        company: if peers.is_empty() { Company::Alone } else { Company::Peers },
    }
}
