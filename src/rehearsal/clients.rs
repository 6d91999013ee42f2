//! What clients see: where their caches point to, and whether somebody serves there.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::rehearsal::{Outage, Seen};

/// A VIP at one moment.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sight {
    /// How many nodes have it.
    pub(super) holders: usize,
    /// The host where clients believe it to be, if it is served there.
    pub(super) served_by: Option<usize>,
}

/// The clients of a VIP.
#[derive(Debug)]
pub(super) struct Service {
    pub(super) name: String,
    /// The address that they use: its first.
    pub(super) ip: IpAddr,
    before: Vec<String>,
    /// Where it was served first.
    home: Option<usize>,
    /// It was served elsewhere since.
    moved: bool,
    /// Not served since then.
    down_since: Option<Instant>,
    /// On two nodes since then.
    shared_since: Option<Instant>,
    outages: Vec<(Instant, Duration)>,
    shared: Duration,
}

impl Service {
    pub(super) fn new(name: String, ip: IpAddr, now: Instant) -> Self {
        Self {
            name,
            ip,
            before: Vec::new(),
            home: None,
            moved: false,
            down_since: Some(now),
            shared_since: None,
            outages: Vec::new(),
            shared: Duration::ZERO,
        }
    }

    /// What is seen at `now`.
    pub(super) fn look(&mut self, now: Instant, Sight { holders, served_by }: Sight) {
        self.moved |= self.home.is_some() && served_by.is_some() && served_by != self.home;
        self.home = self.home.or(served_by);
        match (served_by.is_some(), self.down_since) {
            (true, Some(since)) => {
                self.outages.push((since, now.saturating_duration_since(since)));
                self.down_since = None;
            }
            (false, None) => self.down_since = Some(now),
            (true, None) | (false, Some(_)) => {}
        }
        match (holders > 1, self.shared_since) {
            (true, None) => self.shared_since = Some(now),
            (false, Some(since)) => {
                self.shared = self.shared.saturating_add(now.saturating_duration_since(since));
                self.shared_since = None;
            }
            (true, Some(_)) | (false, None) => {}
        }
    }

    /// The script begins: what was before does not count.
    pub(super) fn begin(&mut self, now: Instant, holders: Vec<String>) {
        self.before = holders;
        self.outages.clear();
        // The next look says where it is.
        self.home = None;
        self.moved = false;
        self.shared = Duration::ZERO;
        self.down_since = self.down_since.map(|_| now);
        self.shared_since = self.shared_since.map(|_| now);
    }

    pub(super) fn seen(&self, begun: Instant, now: Instant, after: Vec<String>) -> Seen {
        let open = |since: Option<Instant>| since.map(|since| (since, now.saturating_duration_since(since)));
        let outages = self.outages.iter().copied().chain(open(self.down_since));
        let shared = self.shared.saturating_add(open(self.shared_since).map_or(Duration::ZERO, |(_, long)| long));
        Seen {
            vip: self.name.clone(),
            before: self.before.clone(),
            after,
            outages: outages
                .filter(|(_, long)| !long.is_zero())
                .map(|(at, long)| Outage { at_us: us(at.saturating_duration_since(begun)), for_us: us(long) })
                .collect(),
            served: self.down_since.is_none(),
            moved: self.moved,
            shared_us: us(shared),
        }
    }
}

/// What the network has learnt.
#[derive(Debug, Default)]
pub(super) struct Caches {
    /// The hardware address that clients know for an address.
    pub(super) neighbours: BTreeMap<IpAddr, [u8; 6]>,
    /// Where switches saw a hardware address last: a host.
    pub(super) ports: BTreeMap<[u8; 6], usize>,
}

impl Caches {
    /// The host that gets what is sent to that address.
    pub(super) fn host_of(&self, ip: IpAddr) -> Option<usize> {
        self.neighbours.get(&ip).and_then(|mac| self.ports.get(mac)).copied()
    }
}

fn us(span: Duration) -> u64 {
    u64::try_from(span.as_micros()).unwrap_or(u64::MAX)
}
