//! One VIP on this node: its router, its addresses, its announcements and its hooks.

mod addresses;
mod announcing;
mod device;
mod electing;
mod handover;
mod host;
mod placed;
mod release;
mod routing;
mod strangers;
mod switchover;
mod telling;
mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::addrs::Want;
use crate::config::{Config, VipConfig};
use crate::hooks::HookState;
use crate::node::Deadline;
use crate::node::event::{Network, OpId};
use crate::node::tracking::Judgement;
pub(super) use crate::node::vip::addresses::{Answers, Seen};
use crate::node::vip::announcing::Announcing;
use crate::node::vip::device::VirtualDevice;
pub(super) use crate::node::vip::electing::CONFLICT_QUIET;
use crate::node::vip::electing::Conflict;
use crate::node::vip::handover::Handover;
pub(super) use crate::node::vip::host::Host;
pub(super) use crate::node::vip::placed::Placed;
use crate::node::vip::routing::Routed;
use crate::node::vip::strangers::Strangers;
pub(super) use crate::node::vip::strangers::mac;
use crate::peer::VipId;
use crate::units::{IfName, Name, Priority};
use crate::vrrp::auth::Authenticity;
use crate::vrrp::packet::Reject;
use crate::vrrp::router::{Company, Rival, Role, Router, RouterConfig};

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
    /// The device of a virtual router that has a hardware address of its own.
    pub(super) device: Option<VirtualDevice>,
    pub(super) addresses: Vec<Placed>,
    /// Addresses that left the configuration.
    leaving: Vec<Placed>,
    routing: Vec<Routed>,
    routing_leaving: Vec<Routed>,
    /// Resets of connections on their way.
    resetting: BTreeSet<OpId>,
    /// Why the last one failed.
    reset_error: Option<String>,
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
    arrived: BTreeSet<IpAddr>,
    /// What the hooks were told last.
    told: Option<HookState>,
    /// `notify_master` waits until every address is here.
    master_hook_due: bool,
    source: Option<IpAddr>,
    /// The one before, which the others know: a resignation may still leave from it.
    lost_source: Option<IpAddr>,
    peers: Vec<IpAddr>,
    authenticity: Authenticity,
    pub(super) strangers: Strangers,
    pub(super) transitions: VecDeque<Transition>,
    pub(super) since: Instant,
    pub(super) why: String,
    pub(super) counters: BTreeMap<&'static str, u64>,
    pub(super) dropped: BTreeMap<Reject, u64>,
    pub(super) judgement: Judgement,
    pub(super) handover: Handover,
    /// This turn is about it.
    pub(super) touched: bool,
    /// When it is to be looked at again.
    pub(super) due: Option<Deadline>,
}

/// Given up by an operator.
#[derive(Debug, Clone)]
pub(super) struct Released {
    pub(super) until: Option<Instant>,
    pub(super) manner: Manner,
}

/// What is left of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// This node takes no part.
    Abstains,
    /// It takes part with the lowest priority: better than nobody.
    StandsBy,
}

impl Manner {
    /// What status calls it.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Abstains => "released",
            Self::StandsBy => "standby",
        }
    }
}

impl Vip {
    /// None when this node takes no part in it.
    pub(super) fn new(config: &VipConfig, all: &Config, me: &Name, now: Instant) -> Option<Self> {
        let interface = config.interfaces.get(me)?.clone();
        let base = *config.priorities.get(me)?;
        let peers = peers(config, all, me);
        let router = Router::new(router_config(config, &peers, None), "starting");
        let device = VirtualDevice::of(config, now);
        let place = (&interface, device.as_ref().map(|device| &device.name));
        Some(Self {
            addresses: config.addresses.iter().map(|a| Placed::new(a, place, me, now)).collect(),
            device,
            interface,
            base,
            router,
            leaving: Vec::new(),
            routing: Routed::all(config, now),
            routing_leaving: Vec::new(),
            resetting: BTreeSet::new(),
            reset_error: None,
            farewell: None,
            silenced: false,
            released: None,
            refused: None,
            inheritance: Inheritance::Undecided,
            announcing: Announcing::default(),
            conflict: Conflict::default(),
            arrived: BTreeSet::new(),
            told: None,
            master_hook_due: false,
            source: None,
            lost_source: None,
            peers,
            authenticity: Authenticity::default(),
            strangers: Strangers::default(),
            transitions: VecDeque::new(),
            since: now,
            why: "starting".to_owned(),
            counters: BTreeMap::new(),
            dropped: BTreeMap::new(),
            judgement: Judgement::default(),
            handover: Handover::new(VipId::of(&config.name), config.hardware),
            touched: true,
            due: None,
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
            let place = (&self.interface, self.device.as_ref().map(|device| &device.name));
            let wanted = Placed::new(address, place, me, now);
            let at = self.addresses.iter().position(|known| known.is_same(&wanted));
            kept.push(match at {
                Some(at) => self.addresses.swap_remove(at),
                None => wanted,
            });
        }
        self.leaving.append(&mut self.addresses);
        self.addresses = kept;
        self.reconfigure_routing(config, now);
        let renamed = self.config.name != config.name;
        self.config = config.clone();
        self.handover.id = VipId::of(&config.name);
        self.configure_router(now);
        renamed
    }

    pub(super) fn is_same_router(&self, config: &VipConfig, me: &Name) -> bool {
        config.interfaces.get(me) == Some(&self.interface)
            && config.vrid == self.config.vrid
            && config.transport == self.config.transport
            && config.hardware == self.config.hardware
            && self.farewell.is_none()
    }

    /// Nothing of it is left on this host.
    pub(super) fn is_gone(&self) -> bool {
        self.router.role() == Role::Fault && !self.may_hold_addresses()
    }

    /// Addresses, routes and rules that go before them, or the device that goes after them.
    pub(super) fn may_hold_addresses(&self) -> bool {
        self.device.as_ref().is_some_and(VirtualDevice::may_be_present)
            || self.addresses.iter().chain(&self.leaving).any(|a| a.lease.may_be_present())
            || self.routing.iter().chain(&self.routing_leaving).any(Routed::may_be_present)
    }

    /// All that it has here or had.
    pub(super) fn all_addresses(&self) -> impl Iterator<Item = IpAddr> {
        self.addresses.iter().chain(&self.leaving).map(|placed| placed.lease.address().ip())
    }

    pub(super) fn count(&mut self, counter: &'static str) {
        *self.counters.entry(counter).or_default() += 1;
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

    /// An operator wants it to be the last in line.
    pub(super) fn stands_by(&self) -> bool {
        self.released.as_ref().is_some_and(|released| released.manner == Manner::StandsBy)
    }

    /// It is not known yet whether a predecessor's lease is resumed.
    pub(super) fn is_undecided(&self) -> bool {
        self.inheritance != Inheritance::Settled
    }

    /// A predecessor's lease is not waited for any longer.
    pub(super) fn settle_inheritance(&mut self) {
        self.inheritance = Inheritance::Settled;
    }

    /// As long as nobody takes over without having heard us.
    pub(super) fn patience(&self) -> Duration {
        self.config.advert_interval.duration() * u32::from(self.config.down_multiplier)
    }

    /// What is wanted of the addresses: the one place where a successor is waited for.
    fn wanted(&self) -> Want {
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

    /// When [`Vip::tick`] or [`Vip::act`] has something to do.
    pub(super) fn deadlines<'a>(&'a self, network: &'a Network) -> impl Iterator<Item = (Instant, &'static str)> + 'a {
        let role = self.router.role();
        let election = self.router.deadline().map(|at| match role {
            Role::Active => (at, "the next advert is due"),
            Role::Backup | Role::Fault => (at, "the active router may be gone"),
        });
        let want = self.wanted();
        let ours = self.addresses.iter().map(move |a| (a, want));
        let leaving = self.leaving.iter().map(|a| (a, Want::Absent));
        let linked = ours.chain(leaving).filter(|(a, _)| a.link(network).is_some());
        let leases =
            linked.filter_map(|(a, want)| a.lease.deadline(want)).map(|at| (at, "an address is to be renewed"));
        let device = self.device_deadline(want, network).map(|at| (at, "the device is to be looked after"));
        let routing = self.routing_deadline(want, network).map(|at| (at, "a route or rule is to be looked after"));
        let arp = self.announce_deadline(network).map(|at| (at, "addresses are to be announced"));
        let released = self.released.as_ref().and_then(|r| r.until).map(|at| (at, "a release ends"));
        let refused = self.refused.as_ref().map(|(_, until)| *until);
        let refused = refused.map(|at| (at, "an address may be tried again"));
        let conflict = self.conflict.deadline().map(|at| (at, "hooks are to be told that a conflict was won"));
        let handover = self.handover.deadline().map(|at| (at, "a hand-over goes on"));
        election
            .into_iter()
            .chain(handover)
            .chain(conflict)
            .chain(leases)
            .chain(device)
            .chain(routing)
            .chain(arp)
            .chain(released)
            .chain(refused)
    }

    /// What must hold after every turn.
    pub(super) fn check(&self, host: &Host<'_>) -> Result<(), String> {
        let name = &self.config.name;
        let given_up = self.released.as_ref().is_some_and(|released| released.manner == Manner::Abstains);
        if self.router.role() == Role::Active && (self.farewell.is_some() || given_up) {
            return Err(format!("{name} is active on {} although it was given up", host.me));
        }
        if self.transitions.len() > TRANSITIONS_MAX {
            return Err(format!("{name} keeps too many transitions"));
        }
        self.check_handover(host.now)
    }
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
        rival: Rival::Hears,
    }
}

#[cfg(test)]
mod tests;
