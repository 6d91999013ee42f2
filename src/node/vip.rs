//! One VIP on this node: its router, its addresses, its announcements and its hooks.

mod announcing;
mod electing;
mod placed;
mod telling;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::addrs::{AddressNews, AddressStep, Answer, Presence, Want};
use crate::config::{Config, HookSettings, Transport, VipConfig};
use crate::hooks::{HookQueue, HookState};
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{Network, OpId};
use crate::node::outbox::{Ops, Outbox};
use crate::node::tracking::Judgement;
use crate::node::vip::announcing::Announcing;
pub(super) use crate::node::vip::electing::CONFLICT_QUIET;
use crate::node::vip::electing::Conflict;
pub(super) use crate::node::vip::placed::Placed;
use crate::units::{Family, IfName, LeaseSecs, Name, Priority};
use crate::vrrp::packet::{Advert, Claim, Outgoing, Reject, build};
use crate::vrrp::router::{Company, Role, Router, RouterConfig};

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
    silenced: bool,
    pub(super) released: Option<Released>,
    refused: Option<(String, Instant)>,
    inheritance: Inheritance,
    announcing: Announcing,
    conflict: Conflict,
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
    pub(super) judgement: Judgement,
}

/// Given up by an operator.
#[derive(Debug, Clone)]
pub(super) struct Released {
    pub(super) until: Option<Instant>,
}

/// What a VIP needs to know of its host in a turn.
pub(super) struct Host<'a> {
    pub(super) now: Instant,
    pub(super) network: &'a Network,
    pub(super) hooks: &'a HookSettings,
    pub(super) stopping: bool,
    pub(super) me: &'a Name,
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
            conflict: Conflict::default(),
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
            judgement: Judgement::default(),
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
        self.router.configure(now, router_config(config, &self.peers, self.source));
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
        renamed
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
            self.router.configure(now, router_config(&self.config, &self.peers, source));
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
        let lease = self.lease();
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

    /// As long as nobody takes over without having heard us.
    fn patience(&self) -> Duration {
        self.config.advert_interval.duration() * u32::from(self.config.down_multiplier)
    }

    fn lease(&self) -> LeaseSecs {
        LeaseSecs::for_wait(self.patience())
    }

    fn want(&self) -> Want {
        match (self.router.role(), self.inheritance) {
            (Role::Active, _) => Want::Present,
            (Role::Backup, _) | (Role::Fault, Inheritance::Settled) => Want::Absent,
            (Role::Fault, Inheritance::Undecided | Inheritance::Leased { .. }) => Want::AsIs,
        }
    }

    /// Requests what the addresses need, announces what is due, starts the next hook.
    pub(super) fn act(&mut self, host: &Host<'_>, ops: &mut Ops, out: &mut Outbox) {
        let want = if self.farewell.is_some() { Want::Absent } else { self.want() };
        let lease = self.lease();
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
        self.tell_after_conflict(host, out);
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
        let lease = self.lease();
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

    /// When [`Vip::tick`] or [`Vip::act`] has something to do.
    pub(super) fn deadlines<'a>(&'a self, network: &'a Network) -> impl Iterator<Item = (Instant, &'static str)> + 'a {
        let role = self.router.role();
        let election = self.router.deadline().map(|at| match role {
            Role::Active => (at, "the next advert is due"),
            Role::Backup | Role::Fault => (at, "the active router may be gone"),
        });
        let want = if self.farewell.is_some() { Want::Absent } else { self.want() };
        let ours = self.addresses.iter().map(move |a| (a, want));
        let leaving = self.leaving.iter().map(|a| (a, Want::Absent));
        let linked = ours.chain(leaving).filter(|(a, _)| a.link(network).is_some());
        let leases =
            linked.filter_map(|(a, want)| a.lease.deadline(want)).map(|at| (at, "an address is to be renewed"));
        let arp = self.announce_deadline(network).map(|at| (at, "addresses are to be announced"));
        let released = self.released.as_ref().and_then(|r| r.until).map(|at| (at, "a release ends"));
        let refused = self.refused.as_ref().map(|(_, until)| *until);
        let refused = refused.map(|at| (at, "an address may be tried again"));
        let conflict = self.conflict.deadline().map(|at| (at, "hooks are to be told that a conflict was won"));
        election.into_iter().chain(conflict).chain(leases).chain(arp).chain(released).chain(refused)
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
        Ok(())
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
        version: config.version,
        multiplier: config.down_multiplier,
        preempt: config.preempt,
        address: source.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED)),
        company: if peers.is_empty() { Company::Alone } else { Company::Peers },
    }
}
