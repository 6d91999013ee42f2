//! What peers are good for: a named successor, make before break, a second sign of life, and a moment of grace.
//!
//! Hints only. When nobody talks to us every question here is answered "nobody", and the election is that of the RFC.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::config::{Hardware, Preempt};
use crate::node::effect::LogLevel;
use crate::node::entitlement::WithoutProxy;
use crate::node::outbox::Outbox;
use crate::node::vip::{Host, Vip, router_config};
use crate::peer::VipId;
use crate::peer::message::{Item, VipState, shorten};
use crate::peer::table::{Known, Peer};
use crate::proxy::health::Verdict;
use crate::units::{Name, Priority};
use crate::vrrp::packet::Claim;
use crate::vrrp::router::{Rival, Role, RouterConfig, State, Wait};

/// Addresses that are handed over stay for at most this long.
pub(super) const LINGER_MAX: Duration = Duration::from_millis(100);
/// They stay for this long after an advert of the successor was heard: it installs them in a fraction of that.
const LINGER_HEARD: Duration = Duration::from_millis(20);
/// Removing them takes no longer than this, as a rule.
const WITHDRAW_TAKES: Duration = Duration::from_millis(20);
/// A VIP that a peer wanted and did not take is not offered again for this long.
const OFFER_PAUSE: Duration = Duration::from_secs(10);
/// After an advert that should be here by now, this much is allowed for lateness before the holder is asked.
const ASK_SLACK: Duration = Duration::from_millis(2);
/// Questions are not closer together than this.
const ASK_SPACING: Duration = Duration::from_millis(3);
/// A rival that does not hear us is yielded to after three intervals, and never sooner than this.
const DEAF_AFTER: Duration = Duration::from_millis(200);
/// Addresses of other routers whose last advert is remembered.
const SIGNS_MAX: usize = 64;

/// What a VIP and its peers have to do with each other.
#[derive(Debug)]
pub(in crate::node) struct Handover {
    /// The VIP in hellos.
    pub(in crate::node) id: VipId,
    /// What is to be said in this turn: to one peer, or to all.
    pub(in crate::node) said: Vec<(Option<Name>, Item)>,
    linger: Option<Linger>,
    /// Addresses stay for this long after an advert of the successor was heard.
    linger_heard: Duration,
    /// Decided here, and about to be carried out by the router.
    leaving: Option<Leaving>,
    /// The active router, weaker than we, that does not hear us: it is left alone.
    deaf: Option<Name>,
    /// Since when such a one is active beside us.
    rival: Option<(Name, Instant)>,
    asked: Option<Instant>,
    /// The others are to be told when all addresses are here.
    holding_due: bool,
    offer_from: Option<Instant>,
    /// When our last advert left that claimed the VIP.
    spoken: Option<Instant>,
    /// When the last advert of each address was heard.
    signs: BTreeMap<IpAddr, Instant>,
    wake: Option<Instant>,
}

/// Addresses that stay for a moment after the router has left Active.
#[derive(Debug, Clone)]
struct Linger {
    successor: Name,
    until: Instant,
    /// What to do when nobody took it.
    unless_taken: UnlessTaken,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UnlessTaken {
    LetGo,
    TakeBack,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::node) enum Leaving {
    /// To this peer, which wants it.
    Offered(Name),
    /// This peer is active already.
    Yielded(Name),
    /// So is a router that no peer of this node is: nobody is to be named.
    Surrendered,
}

/// How a VIP left Active: the others of its group leave in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::node) struct Departure {
    leaving: Leaving,
    deaf: Option<Name>,
}

impl Handover {
    pub(super) fn new(id: VipId, hardware: Hardware) -> Self {
        Self {
            id,
            said: Vec::new(),
            linger: None,
            linger_heard: match hardware {
                Hardware::Interface => LINGER_HEARD,
                // Switches look for the hardware address where it spoke last, which must be the successor.
                Hardware::Virtual => Duration::ZERO,
            },
            leaving: None,
            deaf: None,
            rival: None,
            asked: None,
            holding_due: false,
            offer_from: None,
            spoken: None,
            signs: BTreeMap::new(),
            wake: None,
        }
    }

    /// Addresses are left as they are.
    pub(super) fn lingers(&self) -> bool {
        self.linger.is_some()
    }

    pub(super) fn deadline(&self) -> Option<Instant> {
        self.wake
    }

    /// An advert of ours left.
    pub(super) fn spoke(&mut self, now: Instant, claim: Claim) {
        if claim != Claim::Resign {
            self.spoken = Some(now);
        }
    }

    /// What the others of its group are to do too; nothing once the time to linger is over.
    fn departure(&self) -> Option<Departure> {
        let linger = self.linger.as_ref()?;
        let to = linger.successor.clone();
        let leaving = match linger.unless_taken {
            UnlessTaken::TakeBack => Leaving::Offered(to),
            UnlessTaken::LetGo => Leaving::Yielded(to),
        };
        Some(Departure { leaving, deaf: self.deaf.clone() })
    }

    /// It is taken back if nobody takes it.
    pub(in crate::node) fn may_take_back(&self) -> bool {
        self.linger.as_ref().is_some_and(|linger| linger.unless_taken == UnlessTaken::TakeBack)
    }

    /// Another VIP of its group was taken: so is this one.
    pub(in crate::node) fn concede(&mut self) {
        if let Some(linger) = &mut self.linger {
            linger.unless_taken = UnlessTaken::LetGo;
        }
    }

    /// An advert of another router was accepted; of those that belong to no peer nothing is remembered.
    pub(super) fn heard(&mut self, now: Instant, at: Instant, (source, peer): (IpAddr, Option<&Name>), claim: Claim) {
        if peer.is_some() && (self.signs.len() < SIGNS_MAX || self.signs.contains_key(&source)) {
            self.signs.insert(source, at);
        }
        if claim != Claim::Resign
            && let Some(linger) = &mut self.linger
        {
            linger.until = linger.until.min(now + self.linger_heard);
            linger.unless_taken = UnlessTaken::LetGo;
        }
    }
}

impl Vip {
    /// What a peer is told of this VIP; none: it takes no part in it.
    pub(in crate::node) fn peer_state(&self, host: &Host<'_>, peer: &Name) -> Option<VipState> {
        if self.farewell.is_some() || !self.config.priorities.contains_key(peer) {
            return None;
        }
        let role = self.router.role();
        let why = match (self.router.state(), host.proxy) {
            (State::Initialize { why }, _) | (_, Verdict::Failed { why }) => {
                shorten(why).replace(char::is_control, " ")
            }
            (State::Backup { .. } | State::Active { .. }, Verdict::Healthy) => String::new(),
        };
        Some(VipState {
            vip: self.handover.id,
            role,
            priority: self.router.priority(),
            fit: role != Role::Fault && *host.proxy == Verdict::Healthy,
            wants: self.wants(host),
            hears: self.hears(host, peer),
            why,
        })
    }

    /// How long a router of this VIP may be silent.
    fn down(&self) -> Duration {
        self.router.config().down(self.config.advert_interval, Priority::MIN)
    }

    /// Whether adverts of that peer arrive.
    fn hears(&self, host: &Host<'_>, peer: &Name) -> bool {
        let recent = |at: &Instant| host.now.saturating_duration_since(*at) <= self.down();
        let named = host.peering.addresses(peer).iter().any(|ip| self.handover.signs.get(ip).is_some_and(recent));
        // Link-local addresses belong to no node by the configuration: the only holder is who speaks from there.
        named || (self.hears_unnamed(host) && self.holder(host) == Some(peer))
    }

    /// Adverts arrive from an address that the configuration does not name. Hellos that make up for them do not count.
    fn hears_unnamed(&self, host: &Host<'_>) -> bool {
        let heard = self.router.heard(host.now).filter(|_| self.router.role() == Role::Backup);
        heard.is_some_and(|h| {
            host.now.saturating_duration_since(h.at) <= self.down() && host.peering.node_of(h.source).is_none()
        })
    }

    /// Peers that say that they are active.
    fn active_peers<'a>(&self, host: &Host<'a>) -> impl Iterator<Item = (&'a Name, &'a Peer, &'a Known)> + use<'a> {
        host.peering.fresh(host.now, self.handover.id).filter(|(.., known)| known.state.role == Role::Active)
    }

    /// The peer that holds the VIP as far as this node knows: by its adverts, else by its hellos.
    pub(super) fn holder<'a>(&self, host: &Host<'a>) -> Option<&'a Name> {
        let heard = self.router.heard(host.now);
        if let Some(name) = heard.and_then(|h| host.peering.node_of(h.source)) {
            return Some(name);
        }
        // An address of the interface alone (IPv6 link-local) belongs to whoever says that it is active.
        let mut active = self.active_peers(host);
        let first = active.next();
        first.filter(|_| active.next().is_none()).map(|(name, ..)| name)
    }

    /// Whether this node would take the VIP from its present holder now.
    fn wants(&self, host: &Host<'_>) -> bool {
        let State::Backup { priority, .. } = self.router.state() else { return false };
        let may = self.router.preempts_from().is_some_and(|from| host.now >= from);
        if !may || self.handover.deaf.is_some() {
            return false;
        }
        match self.router.heard(host.now).map(|h| h.claim) {
            Some(Claim::Of(theirs)) => theirs < *priority,
            Some(Claim::Resign) => false,
            None => {
                let mut active = self.active_peers(host).peekable();
                active.peek().is_some() && active.all(|(.., known)| known.state.priority.is_some_and(|p| p < *priority))
            }
        }
    }

    /// A VIP whose proxy failed stays for a moment, if nobody else is fit: the proxy is being started again.
    pub(in crate::node) fn without_proxy(&self, host: &Host<'_>, failed_since: Option<Instant>) -> WithoutProxy {
        let within = failed_since.is_some_and(|since| host.now < since + self.config.grace);
        let alone = || host.peering.talks() && host.peering.successor(host.now, self.handover.id).is_none();
        if within && self.router.role() == Role::Active && alone() { WithoutProxy::Stay } else { WithoutProxy::Leave }
    }

    /// A peer said something of this VIP; what it said before is still what `host` knows.
    pub(in crate::node) fn peer_says(&mut self, host: &Host<'_>, from: &Name, state: &VipState, at: Instant) {
        let State::Backup { timer, priority, .. } = self.router.state() else { return };
        let preempts = match self.config.preempt {
            Preempt::Refused => false,
            Preempt::After(_) => {
                state.priority.is_some_and(|theirs| theirs < *priority) && self.handover.deaf.is_none()
            }
        };
        // Only for adverts that are missing: where they arrive, a dead holder is found not a moment later than without.
        let missing = at >= timer.from + overdue_after(timer.interval.duration());
        let holder = self.holder(host).is_none_or(|holder| holder == from);
        if state.role == Role::Active && missing && holder && !preempts {
            self.router.vouch(host.now, at);
            self.count("vouched");
        }
    }

    /// The active router names this node its successor.
    pub(in crate::node) fn named_successor(&mut self, host: &Host<'_>, from: &Name, out: &mut Outbox) {
        if self.holder(host) != Some(from) || *host.proxy != Verdict::Healthy {
            self.count("offers-ignored");
            return;
        }
        let steps = self.router.take_over(host.now, &format!("{from} hands over"));
        self.take(host, steps, out);
    }

    /// The successor has the addresses, and announced them.
    pub(in crate::node) fn successor_holds(&mut self, from: &Name) {
        self.handover.linger.take_if(|linger| linger.successor == *from);
    }

    /// The role changed.
    pub(super) fn changed_role(&mut self, host: &Host<'_>, from: Role, to: Role, claim: Option<Claim>) {
        let leaving = self.handover.leaving.take();
        if to == Role::Active {
            self.forget_places();
            if self.handover.linger.take().is_some() {
                self.handover.offer_from = Some(host.now + OFFER_PAUSE);
            }
            self.handover.rival = None;
            self.hear_again(host.now);
            self.handover.holding_due = host.peering.talks();
            if host.peering.talks() {
                // Until then the one before may still have answered for it.
                self.announcing.overlap_ends = Some(host.now + LINGER_MAX + WITHDRAW_TAKES);
            }
        }
        if from != Role::Active {
            return;
        }
        let id = self.handover.id;
        let (successor, at_most, unless_taken) = match (leaving, claim) {
            (Some(Leaving::Offered(name)), _) => {
                self.handover.said.push((Some(name.clone()), Item::Take(id)));
                (name, LINGER_MAX, UnlessTaken::TakeBack)
            }
            (Some(Leaving::Yielded(name)), _) => (name, self.handover.linger_heard, UnlessTaken::LetGo),
            (Some(Leaving::Surrendered), _) => return,
            (None, Some(Claim::Resign)) => {
                let Some(name) = host.peering.successor(host.now, id).cloned() else { return };
                self.handover.said.push((Some(name.clone()), Item::Take(id)));
                (name, LINGER_MAX, UnlessTaken::LetGo)
            }
            (None, Some(Claim::Of(_)) | None) => {
                let stronger = self.router.heard(host.now).and_then(|h| host.peering.node_of(h.source));
                let Some(name) = stronger.filter(|name| host.peering.known(host.now, name, id).is_some()) else {
                    return;
                };
                (name.clone(), self.handover.linger_heard, UnlessTaken::LetGo)
            }
        };
        if !at_most.is_zero() && self.can_linger(host) {
            self.handover.linger = Some(Linger { successor, until: host.now + at_most, unless_taken });
        }
    }

    /// Whether clients are still served here. After a hang others may hold the VIP already.
    fn can_linger(&self, host: &Host<'_>) -> bool {
        let hung = self.patience().min(self.config.advert_interval.duration() * 2);
        let spoke = self.handover.spoken.is_some_and(|at| host.now.saturating_duration_since(at) <= hung);
        let up = host.network.link(&self.interface).is_some_and(|link| link.up);
        spoke && up && *host.proxy == Verdict::Healthy
    }

    /// What follows for a hand-over from the facts of this turn.
    pub(in crate::node) fn settle_handover(&mut self, host: &Host<'_>, out: &mut Outbox) {
        self.end_linger(host, out);
        match self.router.role() {
            Role::Active => self.give_way(host, out),
            Role::Backup => {
                self.watch_deaf(host);
                self.ask(host);
            }
            Role::Fault => self.hear_again(host.now),
        }
    }

    /// When the next turn has something to do for it. Last: others of its group may have changed its role.
    pub(in crate::node) fn wake_for_handover(&mut self, host: &Host<'_>, failed_since: Option<Instant>) {
        let grace = failed_since.map(|since| since + self.config.grace);
        let preempt = match self.router.state() {
            State::Backup { .. } if host.peering.talks() => self.router.preempts_from(),
            State::Initialize { .. } | State::Backup { .. } | State::Active { .. } => None,
        };
        let grace = grace.filter(|_| self.router.role() == Role::Active);
        let later = [grace, preempt, self.handover.linger.as_ref().map(|linger| linger.until), self.ask_at(host)];
        self.handover.wake = later.into_iter().flatten().filter(|at| *at > host.now).min();
    }

    /// Tells the others once all addresses are here, and were announced in this turn.
    pub(in crate::node) fn tell_holding(&mut self) {
        let here = self.router.role() == Role::Active && self.addresses.iter().all(|a| a.lease.is_present());
        if self.handover.holding_due && here {
            self.handover.holding_due = false;
            self.handover.said.push((None, Item::Holding(self.handover.id)));
        }
    }

    fn end_linger(&mut self, host: &Host<'_>, out: &mut Outbox) {
        let up = host.network.link(&self.interface).is_some_and(|link| link.up);
        if !up || *host.proxy != Verdict::Healthy {
            self.handover.linger = None;
        }
        let Some(linger) = self.handover.linger.take_if(|linger| host.now >= linger.until) else { return };
        if linger.unless_taken == UnlessTaken::TakeBack && self.router.role() == Role::Backup {
            self.handover.offer_from = Some(host.now + OFFER_PAUSE);
            let steps = self.router.take_over(host.now, &format!("{} did not take it", linger.successor));
            self.take(host, steps, out);
        }
    }

    /// An active router hands over to a better one, and yields to one that it cannot reach.
    fn give_way(&mut self, host: &Host<'_>, out: &mut Outbox) {
        let (now, id) = (host.now, self.handover.id);
        let Some(own) = self.router.priority() else { return };
        let offers = self.handover.offer_from.is_none_or(|from| now >= from) && !self.handover.lingers();
        let wants = |known: &Known| offers && known.state.wants && known.state.fit && known.state.priority > Some(own);
        let wanting = host.peering.fresh(now, id).filter(|(.., known)| wants(known));
        if let Some((name, _, known)) = wanting.max_by_key(|(.., known)| known.state.priority) {
            let theirs = known.state.priority.map_or(0, Priority::get);
            let why = format!("hands over to {name} (priority {theirs} against {own})");
            self.leave(host, Leaving::Offered(name.clone()), &why, out);
            return;
        }
        // Said after we became active: what is older was true before.
        let mut active = self.active_peers(host).filter(|(.., known)| known.at > self.since);
        let Some((name, peer, known)) = active.next() else {
            self.handover.rival = None;
            return;
        };
        let theirs = known.state.priority;
        // Equals are left to their adverts, whose addresses break the tie on both sides alike.
        if theirs > Some(own) {
            let why = format!("{name} is active with priority {}, as its hello says", theirs.map_or(0, Priority::get));
            self.leave(host, Leaving::Yielded(name.clone()), &why, out);
            return;
        }
        if known.state.hears || peer.hears() || !self.hears(host, name) {
            self.handover.rival = None;
            return;
        }
        // Its hello may have been on its way when ours arrived there; one that was said after a while counts.
        let since = match &self.handover.rival {
            Some((rival, since)) if rival == name => *since,
            Some(_) | None => now,
        };
        self.handover.rival = Some((name.clone(), since));
        let patience = (self.config.advert_interval.duration() * 3).max(DEAF_AFTER);
        if known.at >= since + patience {
            let name = name.clone();
            let why = format!("{name} is active and does not hear us: frames from here to there are lost");
            out.log(LogLevel::Warn, Some(self.config.name.as_str()), why.clone());
            self.leave(host, Leaving::Yielded(name.clone()), &why, out);
            if self.router.role() == Role::Backup {
                self.announce_for_claimant(host, out);
                self.handover.deaf = Some(name);
                self.configure_router(now);
            }
        }
    }

    /// What the others of its group are to do when this one has left Active.
    pub(in crate::node) fn departure(&self, now: Instant) -> Option<Departure> {
        // A successor named beside a router that is active already would be one active router too many.
        let surrendered =
            || self.router.defers_until(now).map(|_| Departure { leaving: Leaving::Surrendered, deaf: None });
        self.handover.departure().or_else(surrendered)
    }

    /// The others of its group left: this one does too, and to the same peer.
    pub(in crate::node) fn follow(
        &mut self,
        host: &Host<'_>,
        departure: Option<&Departure>,
        why: &str,
        out: &mut Outbox,
    ) {
        self.handover.leaving = departure.map(|departure| departure.leaving.clone());
        self.relinquish(host, why, out);
        self.handover.leaving = None;
        if let Some(name) = departure.and_then(|departure| departure.deaf.clone())
            && self.router.role() == Role::Backup
        {
            self.handover.deaf = Some(name);
            self.configure_router(host.now);
        }
    }

    pub(super) fn leave(&mut self, host: &Host<'_>, leaving: Leaving, why: &str, out: &mut Outbox) {
        self.handover.leaving = Some(leaving);
        let steps = self.router.relinquish(host.now, why);
        self.take(host, steps, out);
        self.handover.leaving = None;
    }

    /// An active router that did not hear us is left alone until it does, or is gone.
    fn watch_deaf(&mut self, host: &Host<'_>) {
        let Some(name) = &self.handover.deaf else { return };
        let still = host
            .peering
            .known(host.now, name, self.handover.id)
            .is_some_and(|(peer, known)| known.state.role == Role::Active && !known.state.hears && !peer.hears());
        if !still {
            self.hear_again(host.now);
        }
    }

    fn hear_again(&mut self, now: Instant) {
        if self.handover.deaf.take().is_some() {
            self.configure_router(now);
        }
    }

    pub(super) fn configure_router(&mut self, now: Instant) {
        let config = router_config(&self.config, &self.peers, self.source);
        let rival = if self.handover.deaf.is_some() { Rival::Deaf } else { Rival::Hears };
        self.router.configure(now, RouterConfig { rival, ..config });
    }

    /// What must hold after every turn.
    pub(super) fn check_handover(&self, now: Instant) -> Result<(), String> {
        let name = &self.config.name;
        if self.handover.deaf.is_some() != (self.router.config().rival == Rival::Deaf) {
            return Err(format!("{name}: its router and what is known of a deaf rival differ"));
        }
        let Some(linger) = &self.handover.linger else { return Ok(()) };
        if self.router.role() == Role::Active {
            return Err(format!("{name} is active and lingers"));
        }
        if linger.until > now + LINGER_MAX {
            return Err(format!("{name} lingers for longer than {LINGER_MAX:?}"));
        }
        if self.handover.wake.is_none_or(|wake| wake > linger.until) {
            return Err(format!("{name} lingers until nobody knows when"));
        }
        Ok(())
    }

    /// When the holder is to be asked whether it lives.
    fn ask_at(&self, host: &Host<'_>) -> Option<Instant> {
        let State::Backup { timer, .. } = self.router.state() else { return None };
        let holder = self.holder(host)?;
        let (_, known) = host.peering.known(host.now, holder, self.handover.id)?;
        if timer.wait != Wait::Down || known.state.role != Role::Active || self.wants(host) {
            return None;
        }
        let interval = timer.interval.duration();
        let again = self.handover.asked.map(|asked| asked + (interval / 4).max(ASK_SPACING));
        let due = timer.from + overdue_after(interval);
        Some(again.map_or(due, |again| again.max(due)))
    }

    fn ask(&mut self, host: &Host<'_>) {
        if self.ask_at(host).is_some_and(|at| host.now >= at)
            && let Some(holder) = self.holder(host)
        {
            self.handover.asked = Some(host.now);
            self.handover.said.push((Some(holder.clone()), Item::Ask(self.handover.id)));
        }
    }

    /// What peers let us know about this VIP that a human should look at.
    pub(in crate::node) fn peer_troubles(&self, host: &Host<'_>) -> Vec<String> {
        let long = self.down() * 2;
        let mut troubles = Vec::new();
        let settled = host.now.saturating_duration_since(self.since) > long;
        if self.router.role() == Role::Backup && settled {
            let silent = |name: &Name| {
                let recent = |at: &Instant| host.now.saturating_duration_since(*at) <= long;
                !host.peering.addresses(name).iter().any(|ip| self.handover.signs.get(ip).is_some_and(recent))
            };
            let unknown = self.hears_unnamed(host);
            for (name, ..) in self.active_peers(host).filter(|(name, ..)| silent(name) && !unknown) {
                troubles.push(format!(
                    "adverts of {name} do not arrive, its hellos do: a firewall that drops IP protocol 112, \
                     or multicast that the switch does not forward"
                ));
            }
        }
        if self.router.role() == Role::Active && settled {
            let deaf = |known: &Known| known.state.role == Role::Backup && !known.state.hears;
            for (name, ..) in host.peering.fresh(host.now, self.handover.id).filter(|(.., known)| deaf(known)) {
                troubles.push(format!(
                    "{name} does not hear our adverts, only our hellos: a firewall that drops IP protocol 112, \
                     or multicast that the switch does not forward"
                ));
            }
        }
        if let Some(name) = &self.handover.deaf {
            troubles.push(format!("{name} does not hear us: frames from here to there are lost; it keeps the VIP"));
        }
        troubles
    }
}

/// How long after a sign of life the next one should be here.
fn overdue_after(interval: Duration) -> Duration {
    interval + interval / 4 + ASK_SLACK
}

#[cfg(test)]
mod tests;
