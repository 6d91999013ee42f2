//! What this node says to the others beside VRRP, and what it knows from them.
//!
//! Hellos go out every interval, and at once when something in them changes. Nothing here is needed for safety: without
//! a key, or with silent peers, everything that asks here is answered "nobody".

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::time::{Duration, Instant};

use crate::config::PeersConfig;
use crate::node::effect::{Effect, LogLevel, LogLine};
use crate::node::event::Loaded;
use crate::node::outbox::Outbox;
use crate::node::status::{PeerStatus, PeerVipStatus};
use crate::node::vip::{Host, Vip};
use crate::node::{Node, Phase};
use crate::peer::message::{Item, VipState};
use crate::peer::table::{Known, Outcome, Peer, Said, Table};
use crate::peer::{Incarnation, VipId};
use crate::units::{Family, Name, Priority};
use crate::vrrp::router::Role;

/// Hellos because of changes are not closer together than this. What was asked for is never held back.
const CHANGE_SPACING: Duration = Duration::from_millis(5);
/// Sockets that could not be opened are tried again after this long.
const REOPEN_AFTER: Duration = Duration::from_secs(5);

/// Conversations with all peers.
#[derive(Debug)]
pub(super) struct Peering {
    me: Name,
    incarnation: Incarnation,
    talking: Option<Talking>,
    /// Why it does not talk although it should, or what is wrong with the key.
    note: Option<LogLine>,
}

#[derive(Debug)]
struct Talking {
    table: Table,
    settings: PeersConfig,
    bind: Vec<SocketAddr>,
    socket: HelloSocket,
    links: BTreeMap<Name, Link>,
    regular_at: Instant,
    /// The last hello because of a change.
    changed_at: Option<Instant>,
    /// Something changed that was not yet said.
    change_due: bool,
}

#[derive(Debug)]
enum HelloSocket {
    Closed,
    Opening,
    Open,
    Failed { why: String, retry_at: Instant },
}

/// What goes to one peer.
#[derive(Debug)]
struct Link {
    to: SocketAddr,
    /// What it was told of each VIP last.
    told: BTreeMap<VipId, VipState>,
    /// To be said in this turn.
    urgent: Vec<Item>,
    /// VIPs of which it asked the state.
    answers: BTreeSet<VipId>,
    /// It is to be told everything in this turn.
    everything: bool,
}

impl Peering {
    pub(super) fn new(me: Name, incarnation: Incarnation) -> Self {
        Self { me, incarnation, talking: None, note: None }
    }

    /// What the configuration and the key say now.
    pub(super) fn configure(&mut self, now: Instant, loaded: &Loaded, out: &mut Outbox) {
        let config = &loaded.config;
        let note = loaded.key_note.clone().filter(|_| config.peers.is_some());
        if let Some(note) = note.as_ref().filter(|note| self.note.as_ref() != Some(*note)) {
            out.push(Effect::Log(note.clone()));
        }
        self.note = note;
        let me = config.node(&self.me);
        let wanted = config.peers.as_ref().zip(loaded.key.as_ref()).zip(me).filter(|_| config.nodes.len() > 1);
        let Some(((settings, key), me)) = wanted else {
            if self.talking.take().is_some() {
                out.push(Effect::OpenHello { bind: Vec::new() });
            }
            return;
        };
        let own = [Some(me.address), me.second_address].into_iter().flatten();
        let bind: Vec<SocketAddr> = own.map(|ip| SocketAddr::new(ip, settings.port)).collect();
        let before = self.talking.take().filter(|t| t.table.key() == key);
        let (mut table, socket) = match before {
            Some(t) if t.bind == bind => (t.table, t.socket),
            Some(t) => (t.table, HelloSocket::Closed),
            None => {
                let table = Table::new(key.clone(), self.me.clone(), self.incarnation, settings.interval, config);
                (table, HelloSocket::Closed)
            }
        };
        table.configure(settings.interval, config);
        let reachable = |peer: &Peer| {
            let of = |family| peer.addresses().iter().find(|ip| Family::of(**ip) == family);
            bind.iter().find_map(|own| of(Family::of(own.ip()))).map(|ip| SocketAddr::new(*ip, settings.port))
        };
        let links = table.peers().filter_map(|(name, peer)| Some((name.clone(), Link::new(reachable(peer)?))));
        let links = links.collect();
        let settings = settings.clone();
        let (regular_at, changed_at, change_due) = (now, None, false);
        self.talking = Some(Talking { table, settings, bind, socket, links, regular_at, changed_at, change_due });
    }

    fn table(&self) -> Option<&Table> {
        self.talking.as_ref().map(|t| &t.table)
    }

    /// What is wrong with the key or the sockets, for people.
    pub(super) fn trouble(&self) -> Option<String> {
        let socket = self.talking.as_ref().and_then(|t| match &t.socket {
            HelloSocket::Failed { why, .. } => Some(format!("no hellos to other nodes: {why}")),
            HelloSocket::Closed | HelloSocket::Opening | HelloSocket::Open => None,
        });
        socket.or_else(|| self.note.as_ref().map(|note| note.message.clone()))
    }

    /// Whether this node talks to others at all.
    pub(super) fn talks(&self) -> bool {
        self.talking.is_some()
    }

    /// All fresh peers, with what they said of a VIP last.
    pub(super) fn fresh(&self, now: Instant, vip: VipId) -> impl Iterator<Item = (&Name, &Peer, &Known)> {
        let table = self.table();
        let peers = table.into_iter().flat_map(move |t| t.peers().filter(move |(_, peer)| t.is_fresh(peer, now)));
        peers.filter_map(move |(name, peer)| Some((name, peer, peer.vip(vip)?)))
    }

    /// What a fresh peer said of a VIP last.
    pub(super) fn known(&self, now: Instant, node: &Name, vip: VipId) -> Option<(&Peer, &Known)> {
        let peer = self.table()?.fresh(node, now)?;
        Some((peer, peer.vip(vip)?))
    }

    /// The fit peer that takes the VIP when we give it up: one that is active already, else that of the highest priority,
    /// then address.
    pub(super) fn successor(&self, now: Instant, vip: VipId) -> Option<&Name> {
        let fit = self.fresh(now, vip).filter(|(_, _, known)| known.state.fit);
        let rank = |peer: &Peer, known: &Known| {
            (known.state.role == Role::Active, known.state.priority, peer.addresses().first().copied())
        };
        fit.max_by_key(|(_, peer, known)| rank(peer, known)).map(|(name, ..)| name)
    }

    /// The peer that has this address.
    pub(super) fn node_of(&self, ip: IpAddr) -> Option<&Name> {
        self.table()?.peers().find(|(_, peer)| peer.addresses().contains(&ip)).map(|(name, _)| name)
    }

    /// The addresses of a peer.
    pub(super) fn addresses(&self, node: &Name) -> &[IpAddr] {
        self.table().and_then(|t| t.peer(node)).map_or(&[], Peer::addresses)
    }

    fn receive(&mut self, now: Instant, at: Instant, from: IpAddr, bytes: &[u8], out: &mut Outbox) -> Option<Said> {
        let talking = self.talking.as_mut()?;
        match talking.table.receive(now, at, from, bytes) {
            Outcome::Said(said) => {
                if said.first
                    && let Some(link) = talking.links.get_mut(&said.from)
                {
                    // It knows nothing of us yet, and our next words prove us to it.
                    link.everything = true;
                    out.log(LogLevel::Info, None, format!("{} talks to us", said.from));
                }
                Some(said)
            }
            Outcome::Answer { to, bytes } => {
                if let Some(link) = talking.links.get(&to) {
                    out.push(Effect::SendHello { to: link.to, bytes });
                }
                None
            }
            Outcome::Dropped => None,
        }
    }

    fn note(&mut self, at: Instant, from: &Name, state: VipState) {
        if let Some(talking) = &mut self.talking {
            talking.table.note(at, from, state);
        }
    }

    /// A peer waits for our state of a VIP.
    fn answer(&mut self, to: &Name, vip: VipId) {
        if let Some(link) = self.talking.as_mut().and_then(|t| t.links.get_mut(to)) {
            link.answers.insert(vip);
        }
    }

    pub(super) fn deadline(&self) -> Option<(Instant, &'static str)> {
        let talking = self.talking.as_ref()?;
        match &talking.socket {
            HelloSocket::Closed | HelloSocket::Opening => None,
            HelloSocket::Failed { retry_at, .. } => Some((*retry_at, "the sockets for hellos are to be opened again")),
            HelloSocket::Open => {
                let change = talking.changed_at.filter(|_| talking.change_due).map(|at| at + CHANGE_SPACING);
                let at = change.map_or(talking.regular_at, |at| at.min(talking.regular_at));
                Some((at, "a hello is due"))
            }
        }
    }

    fn opened(&mut self, now: Instant, result: Result<(), String>, out: &mut Outbox) {
        let Some(talking) = &mut self.talking else { return };
        talking.socket = match result {
            Ok(()) => {
                talking.regular_at = now;
                HelloSocket::Open
            }
            Err(why) => {
                out.log(LogLevel::Warn, None, format!("no hellos to other nodes: {why}"));
                HelloSocket::Failed { why, retry_at: now + REOPEN_AFTER }
            }
        };
    }

    /// Opens what must be opened; whether hellos can be sent.
    fn settle_socket(&mut self, now: Instant, out: &mut Outbox) -> bool {
        let Some(talking) = &mut self.talking else { return false };
        let open = match &talking.socket {
            HelloSocket::Open => return true,
            HelloSocket::Opening => false,
            HelloSocket::Closed => true,
            HelloSocket::Failed { retry_at, .. } => now >= *retry_at,
        };
        if open {
            talking.socket = HelloSocket::Opening;
            out.push(Effect::OpenHello { bind: talking.bind.clone() });
        }
        false
    }
}

impl Link {
    fn new(to: SocketAddr) -> Self {
        Self { to, told: BTreeMap::new(), urgent: Vec::new(), answers: BTreeSet::new(), everything: true }
    }
}

impl Talking {
    /// Whether news of any VIP may be said in this turn.
    fn looks_at_all(&self, now: Instant) -> bool {
        let first = self.links.values().any(|link| link.everything);
        first || self.change_due || now >= self.regular_at
    }

    /// Says to every peer what it must hear in this turn.
    fn speak(&mut self, now: Instant, states: Vec<(Name, Vec<VipState>)>, out: &mut Outbox) {
        let regular = now >= self.regular_at;
        if regular {
            self.regular_at = now + self.settings.interval;
        }
        let spaced = self.changed_at.is_none_or(|at| now >= at + CHANGE_SPACING);
        let (mut changed, mut held_back) = (false, false);
        for (name, states) in states {
            let Some(link) = self.links.get_mut(&name) else { continue };
            let urgent = std::mem::take(&mut link.urgent);
            let answers = std::mem::take(&mut link.answers);
            let everything = std::mem::take(&mut link.everything) || regular;
            let mut news = Vec::new();
            for state in states {
                let is_new = link.told.get(&state.vip) != Some(&state);
                // Where something is said anyway, news need not wait.
                if everything || answers.contains(&state.vip) || (is_new && (spaced || !urgent.is_empty())) {
                    changed |= is_new && !everything;
                    link.told.insert(state.vip, state.clone());
                    news.push(Item::State(state));
                } else {
                    held_back |= is_new;
                }
            }
            if !everything && news.is_empty() && urgent.is_empty() {
                continue;
            }
            let first = urgent.iter().any(|item| matches!(item, Item::Take(_)));
            // What is asked for comes first: a successor judges it by what it knew before.
            for bytes in self.table.compose(now, &name, urgent.into_iter().chain(news).collect()) {
                let hello = Effect::SendHello { to: link.to, bytes };
                if first { out.push_first(hello) } else { out.push(hello) }
            }
        }
        if changed {
            self.changed_at = Some(now);
        }
        self.change_due = held_back;
    }
}

impl Node {
    /// A datagram on the port of hellos.
    pub(super) fn hello_received(
        &mut self,
        now: Instant,
        from: SocketAddr,
        bytes: &[u8],
        at: Instant,
        out: &mut Outbox,
    ) {
        let at = at.min(now);
        let Some(said) = self.peering.receive(now, at, from.ip(), bytes, out) else { return };
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        for item in said.items {
            let network = &self.observation.network;
            let (hooks, peering) = (&self.loaded.config.hooks, &self.peering);
            let proxy = self.proxying.verdict();
            let host = Host { now, wall: self.wall.at(now), network, hooks, stopping, me: &self.me, peering, proxy };
            let of = |id: VipId| move |vip: &&mut Vip| vip.handover.id == id && vip.farewell.is_none();
            match item {
                Item::State(state) => {
                    if let Some(vip) = self.vips.iter_mut().find(of(state.vip)) {
                        vip.peer_says(&host, &said.from, &state, at);
                    }
                    self.peering.note(at, &said.from, state);
                }
                Item::Ask(id) => self.peering.answer(&said.from, id),
                Item::Take(id) => {
                    if let Some(vip) = self.vips.iter_mut().find(of(id)) {
                        vip.named_successor(&host, &said.from, out);
                    }
                }
                Item::Holding(id) => {
                    if let Some(vip) = self.vips.iter_mut().find(of(id)) {
                        vip.successor_holds(&said.from);
                    }
                }
            }
        }
    }

    /// The sockets for hellos were opened, or not.
    pub(super) fn hello_opened(&mut self, now: Instant, result: Result<(), String>, out: &mut Outbox) {
        self.peering.opened(now, result, out);
    }

    /// Says what became of this turn.
    pub(super) fn settle_peering(&mut self, now: Instant, out: &mut Outbox) {
        if !self.peering.settle_socket(now, out) {
            self.vips.iter_mut().for_each(|vip| vip.handover.said.clear());
            return;
        }
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let network = &self.observation.network;
        let (hooks, peering) = (&self.loaded.config.hooks, &self.peering);
        let proxy = self.proxying.verdict();
        let host = Host { now, wall: self.wall.at(now), network, hooks, stopping, me: &self.me, peering, proxy };
        let all = self.settled.all || peering.talking.as_ref().is_some_and(|t| t.looks_at_all(now));
        // A hello concerns all VIPs, so whoever asks is answered in the same turn.
        if !all && !self.vips.iter().any(|vip| vip.touched) {
            return;
        }
        let said = |vip: &&Vip| all || vip.touched;
        let names = peering.talking.iter().flat_map(|t| t.links.keys());
        let to = |name: &Name| self.vips.iter().filter(said).filter_map(|vip| vip.peer_state(&host, name)).collect();
        let states: Vec<(Name, Vec<VipState>)> = names.map(|name| (name.clone(), to(name))).collect();
        let Some(talking) = &mut self.peering.talking else { return };
        for (to, item) in self.vips.iter_mut().flat_map(|vip| vip.handover.said.drain(..)) {
            let links = talking.links.iter_mut().filter(|(name, _)| to.as_ref().is_none_or(|to| to == *name));
            links.for_each(|(_, link)| link.urgent.push(item.clone()));
        }
        talking.speak(now, states, out);
    }

    /// What an operator sees of the others.
    pub(super) fn peer_status(&self, now: Instant) -> Vec<PeerStatus> {
        let Some(table) = self.peering.table() else { return Vec::new() };
        let ms = |at: Instant| u64::try_from(now.saturating_duration_since(at).as_millis()).unwrap_or(u64::MAX);
        let vip = |vip: &Vip, peer: &Peer| {
            let state = &peer.vip(vip.handover.id)?.state;
            Some(PeerVipStatus {
                name: vip.config.name.to_string(),
                state: state.role.name().to_owned(),
                priority: state.priority.map(Priority::get),
                fit: state.fit,
                why: state.why.clone(),
            })
        };
        let peers = table.peers().map(|(name, peer)| PeerStatus {
            name: name.to_string(),
            address: peer.addresses().first().map(IpAddr::to_string).unwrap_or_default(),
            heard_ms_ago: peer.heard().map(ms),
            state: match (peer.is_proven(), table.is_fresh(peer, now), peer.dropped().is_empty()) {
                (true, true, _) => "fresh",
                (true, false, _) => "silent",
                (false, _, false) => "proving",
                (false, _, true) => "unknown",
            }
            .to_owned(),
            same_config: peer.config().map(|digest| digest == self.loaded.config.digest),
            vips: self.vips.iter().filter_map(|v| vip(v, peer)).collect(),
            dropped: peer.dropped().iter().map(|(reason, n)| (reason.name().to_owned(), *n)).collect(),
        });
        peers.collect()
    }

    /// Hellos in nobody's name that were dropped.
    pub(super) fn hellos_dropped(&self) -> BTreeMap<String, u64> {
        let counters = self.peering.table().map(Table::dropped);
        counters.into_iter().flatten().map(|(reason, n)| (reason.name().to_owned(), *n)).collect()
    }
}

#[cfg(test)]
pub(in crate::node) mod tests;
