//! What is known of every other node, and the words for it: one conversation a peer.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::peer::message::{Hello, HelloReject, Item, VipState, split};
use crate::peer::session::{Judged, Session};
use crate::peer::{Incarnation, PeerKey, VipId};
use crate::units::{Digest, Name};

/// A peer is silent when nothing of it counted for this many intervals, and a bit for those that were under way.
const SILENT_AFTER: u32 = 3;
/// The bit.
const SLACK: Duration = Duration::from_millis(500);
/// VIPs kept of one peer; more are not looked at.
const VIPS_MAX: usize = 4096;

/// What a peer said of a VIP last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its words.
    pub state: VipState,
    /// When they arrived.
    pub at: Instant,
}

/// One other node.
#[derive(Debug, Clone)]
pub struct Peer {
    session: Session,
    /// Its own addresses: it speaks from one of these.
    addresses: Vec<IpAddr>,
    heard: Option<Instant>,
    config: Option<Digest>,
    hears: bool,
    vips: BTreeMap<VipId, Known>,
    dropped: BTreeMap<HelloReject, u64>,
}

impl Peer {
    /// Its own addresses, the first one first.
    pub fn addresses(&self) -> &[IpAddr] {
        &self.addresses
    }

    /// When it was last heard.
    pub fn heard(&self) -> Option<Instant> {
        self.heard
    }

    /// A process of it has proved itself.
    pub fn is_proven(&self) -> bool {
        self.session.is_proven()
    }

    /// Digest of the configuration that it has in force.
    pub fn config(&self) -> Option<Digest> {
        self.config
    }

    /// It says that our hellos arrive.
    pub fn hears(&self) -> bool {
        self.hears
    }

    /// What it said of a VIP last, however long ago.
    pub fn vip(&self, vip: VipId) -> Option<&Known> {
        self.vips.get(&vip)
    }

    /// Datagrams in its name that did not count, by reason.
    pub fn dropped(&self) -> &BTreeMap<HelloReject, u64> {
        &self.dropped
    }
}

/// A message that counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// Who.
    pub from: Name,
    /// The first message of that process.
    pub first: bool,
    /// What, in this order. States are not in the table yet: see [`Table::note`].
    pub items: Vec<Item>,
}

/// What became of a datagram.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It counts.
    Said(Said),
    /// Its sender must prove itself: it is sent this.
    Answer {
        /// Who.
        to: Name,
        /// The datagram.
        bytes: Vec<u8>,
    },
    /// It was dropped, and counted.
    Dropped,
}

/// All other nodes.
#[derive(Debug, Clone)]
pub struct Table {
    key: PeerKey,
    me: Name,
    incarnation: Incarnation,
    sequence: u64,
    interval: Duration,
    config: Digest,
    peers: BTreeMap<Name, Peer>,
    /// Datagrams in nobody's name.
    dropped: BTreeMap<HelloReject, u64>,
}

impl Table {
    /// All nodes of the configuration but this one, of which nothing is known yet. `interval` is the one of hellos.
    pub fn new(key: PeerKey, me: Name, incarnation: Incarnation, interval: Duration, config: &Config) -> Self {
        let mut table = Self {
            key,
            me,
            incarnation,
            sequence: 0,
            interval,
            config: config.digest,
            peers: BTreeMap::new(),
            dropped: BTreeMap::new(),
        };
        table.configure(interval, config);
        table
    }

    /// A changed configuration under the same key: conversations with nodes that stay go on.
    pub fn configure(&mut self, interval: Duration, config: &Config) {
        self.interval = interval;
        self.config = config.digest;
        let mut before = std::mem::take(&mut self.peers);
        for node in config.nodes.iter().filter(|n| n.name != self.me) {
            let addresses: Vec<IpAddr> = [Some(node.address), node.second_address].into_iter().flatten().collect();
            let peer = match before.remove(&node.name) {
                Some(peer) => Peer { addresses, ..peer },
                None => Peer {
                    session: Session::new(&self.key, self.incarnation, &node.name),
                    addresses,
                    heard: None,
                    config: None,
                    hears: false,
                    vips: BTreeMap::new(),
                    dropped: BTreeMap::new(),
                },
            };
            self.peers.insert(node.name.clone(), peer);
        }
    }

    /// The key that these nodes share.
    pub fn key(&self) -> &PeerKey {
        &self.key
    }

    /// All peers by name.
    pub fn peers(&self) -> impl Iterator<Item = (&Name, &Peer)> {
        self.peers.iter()
    }

    /// The peer of that name.
    pub fn peer(&self, name: &Name) -> Option<&Peer> {
        self.peers.get(name)
    }

    /// Datagrams that could not be attributed to a peer, by reason.
    pub fn dropped(&self) -> &BTreeMap<HelloReject, u64> {
        &self.dropped
    }

    /// A peer of which something was heard lately.
    pub fn fresh(&self, name: &Name, now: Instant) -> Option<&Peer> {
        self.peers.get(name).filter(|peer| self.is_fresh(peer, now))
    }

    /// Whether something of a peer was heard lately.
    pub fn is_fresh(&self, peer: &Peer, now: Instant) -> bool {
        peer.heard.is_some_and(|at| now.saturating_duration_since(at) <= self.interval * SILENT_AFTER + SLACK)
    }

    /// Whether a hello of that peer arrived within the last two intervals.
    pub fn hears(&self, name: &Name, now: Instant) -> bool {
        let heard = self.peers.get(name).and_then(|peer| peer.heard);
        heard.is_some_and(|at| now.saturating_duration_since(at) <= self.interval * 2)
    }

    /// The datagrams that say this to a peer; at least one. None is sent to a node that is no peer.
    pub fn compose(&mut self, now: Instant, to: &Name, items: Vec<Item>) -> Vec<Vec<u8>> {
        let Some((challenge, echo)) = self.peers.get(to).map(|p| (p.session.challenge(), p.session.echo())) else {
            return Vec::new();
        };
        let parts = split(&self.me, to, items);
        parts.into_iter().map(|items| self.datagram(now, to, challenge, echo, items)).collect()
    }

    fn datagram(&mut self, now: Instant, to: &Name, challenge: u64, echo: u64, items: Vec<Item>) -> Vec<u8> {
        self.sequence = self.sequence.wrapping_add(1);
        let hello = Hello {
            from: self.me.clone(),
            to: to.clone(),
            incarnation: self.incarnation,
            sequence: self.sequence,
            challenge,
            echo,
            config: self.config,
            hears: self.hears(to, now),
            items,
        };
        hello.encode(&self.key)
    }

    /// A datagram that arrived from `from` at `at`.
    pub fn receive(&mut self, now: Instant, at: Instant, from: IpAddr, bytes: &[u8]) -> Outcome {
        let hello = match Hello::decode(&self.key, bytes) {
            Ok(hello) => hello,
            Err(reason) => {
                // What is not authentic speaks in nobody's name, but an address may tell whom to look at.
                let whose = self.peers.values_mut().find(|p| p.addresses.contains(&from));
                return drop_counted(whose.map_or(&mut self.dropped, |p| &mut p.dropped), reason);
            }
        };
        if hello.to != self.me {
            return drop_counted(&mut self.dropped, HelloReject::Receiver);
        }
        let Some(peer) = self.peers.get_mut(&hello.from) else {
            return drop_counted(&mut self.dropped, HelloReject::UnknownNode);
        };
        if !peer.addresses.contains(&from) {
            return drop_counted(&mut peer.dropped, HelloReject::Address);
        }
        let first = match peer.session.judge(now, &self.key, self.incarnation, &hello) {
            Judged::Counts => false,
            Judged::First => true,
            Judged::Answer { echo } => {
                let challenge = peer.session.challenge();
                *peer.dropped.entry(HelloReject::Unproven).or_default() += 1;
                let bytes = self.datagram(now, &hello.from, challenge, echo, Vec::new());
                return Outcome::Answer { to: hello.from, bytes };
            }
            Judged::Dropped(reason) => return drop_counted(&mut peer.dropped, reason),
        };
        if first {
            // What another process said is of no meaning any more.
            peer.vips.clear();
        }
        peer.heard = Some(peer.heard.map_or(at, |heard| heard.max(at)));
        peer.config = Some(hello.config);
        peer.hears = hello.hears;
        Outcome::Said(Said { from: hello.from, first, items: hello.items })
    }

    /// Keeps what a peer said of a VIP.
    pub fn note(&mut self, at: Instant, from: &Name, state: VipState) {
        if let Some(peer) = self.peers.get_mut(from)
            && (peer.vips.len() < VIPS_MAX || peer.vips.contains_key(&state.vip))
        {
            peer.vips.insert(state.vip, Known { state, at });
        }
    }
}

fn drop_counted(counters: &mut BTreeMap<HelloReject, u64>, reason: HelloReject) -> Outcome {
    *counters.entry(reason).or_default() += 1;
    Outcome::Dropped
}
