//! The state machine of one virtual router (RFC 9568 section 6.4).
//!
//! Time comes in as an argument; deadlines live inside the state that needs them, so none can fire in another.
//! The machine never speaks without being entitled: whether it may is decided by the node and told by
//! [`Router::entitle`].

mod heard;
mod timing;

use std::net::IpAddr;
use std::time::{Duration, Instant};

pub use heard::Heard;
pub use timing::{Company, DownTimer, Rival, RouterConfig, Wait};

use crate::config::Preempt;
use crate::units::{Centis, Priority};
use crate::vrrp::packet::Claim;

/// Whether this node may hold the VIP now, and with which priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entitlement {
    /// It takes part.
    Claim(Priority),
    /// It does not, whatever the preempt mode.
    Abstain(String),
}

/// RFC 9568 section 6.4: Initialize, Backup, Active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum State {
    /// Not taking part.
    Initialize {
        /// Why not.
        why: String,
    },
    /// Listening.
    Backup {
        /// Runs out when nobody is active.
        timer: DownTimer,
        /// Since when it has been fit and has not lost the VIP: preemption is counted from there.
        fit_since: Instant,
        /// Our own priority.
        priority: Priority,
    },
    /// Speaking.
    Active {
        /// Next advert.
        advertise_at: Instant,
        /// When the last advert left: judges whether we hung.
        advertised: Instant,
        /// A provoked advert is not repeated before this instant.
        assert_from: Instant,
        /// Our own priority.
        priority: Priority,
    },
}

/// The name of a state, for people and hooks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Initialize: not taking part.
    Fault,
    /// Backup.
    Backup,
    /// Active.
    Active,
}

impl Role {
    /// Lower-case name for status and logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Fault => "fault",
            Self::Backup => "backup",
            Self::Active => "active",
        }
    }
}

/// What the node must do, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Send an advertisement.
    Advertise(Claim),
    /// The role changed.
    Turn {
        /// Before.
        from: Role,
        /// After.
        to: Role,
        /// Why.
        why: String,
    },
    /// A rival of lower precedence spoke: announce the addresses again, for caches it may have poisoned.
    ///
    /// Also the answer to what a router says at parting that yields to this one.
    Reassert {
        /// The rival.
        rival: IpAddr,
    },
}

/// One virtual router.
#[derive(Debug, Clone)]
pub struct Router {
    config: RouterConfig,
    state: State,
    heard: Option<Heard>,
    /// When it last told a stronger router that there were two.
    parted_at: Option<Instant>,
    /// The link is young and nothing was heard on it: not Active by timer before this instant.
    link_hold: Option<Instant>,
    /// The same, while others of its group hear a live router.
    group_hold: Option<Instant>,
    /// This host stood still, so that adverts may be lost: silence says nothing yet.
    stall_hold: Option<StallHold>,
}

/// A backup listens before it believes a silence through which its host stood still.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct StallHold {
    /// The start of the down timer that is held: each silence is doubted once.
    timer_from: Instant,
    /// Not Active by timer before.
    until: Instant,
}

impl Router {
    /// A router that does not take part yet.
    pub fn new(config: RouterConfig, why: &str) -> Self {
        let state = State::Initialize { why: why.to_owned() };
        Self { config, state, heard: None, parted_at: None, link_hold: None, group_hold: None, stall_hold: None }
    }

    /// The state, for status and invariants.
    pub fn state(&self) -> &State {
        &self.state
    }

    /// The router last heard as active, if its last sign of life is not older than its own down interval.
    pub fn heard(&self, now: Instant) -> Option<Heard> {
        let speaks = |h: &Heard| h.claim != Claim::Resign;
        let down = |h: &Heard| self.config.down(h.interval, Priority::MIN);
        self.heard.filter(speaks).filter(|h| now.saturating_duration_since(h.alive_at) <= down(h))
    }

    /// What it knows of the configuration.
    pub fn config(&self) -> &RouterConfig {
        &self.config
    }

    /// From when on a backup takes over from a live router of lower priority; none: never.
    pub fn preempts_from(&self) -> Option<Instant> {
        let State::Backup { fit_since, priority, .. } = self.state else { return None };
        match self.config.preempt {
            _ if self.config.rival == Rival::Deaf => None,
            _ if priority.is_owner() => Some(fit_since),
            Preempt::Refused => None,
            Preempt::After(delay) => fit_since.checked_add(delay),
        }
    }

    /// Name of the state.
    pub fn role(&self) -> Role {
        match self.state {
            State::Initialize { .. } => Role::Fault,
            State::Backup { .. } => Role::Backup,
            State::Active { .. } => Role::Active,
        }
    }

    /// Our own priority while taking part.
    pub fn priority(&self) -> Option<Priority> {
        match self.state {
            State::Initialize { .. } => None,
            State::Backup { priority, .. } | State::Active { priority, .. } => Some(priority),
        }
    }

    /// When [`Router::tick`] has something to do.
    pub fn deadline(&self) -> Option<Instant> {
        match &self.state {
            State::Initialize { .. } => None,
            State::Backup { timer, priority, .. } => {
                let expires = timer.expires(&self.config, *priority);
                let stall = self.stall_hold.filter(|_| timer.wait == Wait::Down).map(|hold| hold.until);
                Some([self.link_hold, self.group_hold, stall].into_iter().flatten().fold(expires, Instant::max))
            }
            State::Active { advertise_at, .. } => Some(*advertise_at),
        }
    }

    /// A backup that would take the VIP back from a live router of lower priority, and may from that instant on.
    pub fn waits_to_preempt(&self, now: Instant) -> Option<(Heard, Instant)> {
        let State::Backup { fit_since, priority, .. } = self.state else { return None };
        let heard = self.heard(now).filter(|heard| outranks(heard.claim, priority))?;
        match self.config.preempt {
            _ if self.config.rival == Rival::Deaf => None,
            Preempt::Refused => None,
            Preempt::After(delay) => {
                let from = fit_since.checked_add(delay).filter(|from| now < *from)?;
                (!priority.is_owner()).then_some((heard, from))
            }
        }
    }

    /// A backup that defers to a live router: when that one counts as gone.
    pub fn defers_until(&self, now: Instant) -> Option<Instant> {
        let State::Backup { timer, priority, .. } = self.state else { return None };
        let live = self.heard(now).is_some_and(|heard| !self.preempts(now, heard.claim));
        (live && timer.wait == Wait::Down).then(|| timer.expires(&self.config, priority)).filter(|at| now < *at)
    }

    /// Whom it defers to, and until when: see [`Router::defers_until`].
    pub fn defers_to(&self, now: Instant) -> Option<(IpAddr, Instant)> {
        self.heard.map(|heard| heard.source).zip(self.defers_until(now))
    }

    /// A backup whose active router has resigned: that router, if it was known.
    pub fn resigner(&self) -> Option<IpAddr> {
        self.heard.map(|heard| heard.source).filter(|_| self.has_heard_resignation())
    }

    /// A backup whose active router has resigned.
    pub fn has_heard_resignation(&self) -> bool {
        self.resigned_at().is_some()
    }

    /// A backup whose active router has resigned: when.
    pub fn resigned_at(&self) -> Option<Instant> {
        match self.state {
            State::Backup { timer, .. } => (timer.wait == Wait::Skew).then_some(timer.from),
            State::Initialize { .. } | State::Active { .. } => None,
        }
    }

    /// The active router resigned at `at` from another VIP of its group: it leaves this one too, and its word was lost.
    pub fn resigned_with_group(&mut self, at: Instant) {
        self.wait_for_skew(at);
    }

    /// The link came up: it may not carry frames yet, so silence means nothing before `until`.
    ///
    /// Runs beside the down timer, and does not hold what proves by other means that the VIP is free.
    pub fn hold_for_link(&mut self, until: Instant) {
        self.link_hold = (self.config.company == Company::Peers).then_some(until);
    }

    /// The link carries frames.
    pub fn link_carries(&mut self) {
        self.link_hold = None;
    }

    /// Until when the link is not trusted.
    pub fn link_hold(&self) -> Option<Instant> {
        self.link_hold
    }

    /// Not Active by timer before `until`: others of its group hear a live router. None: the group does not hold it.
    pub fn hold_for_group(&mut self, until: Option<Instant>) {
        self.group_hold = until;
    }

    /// This host stood still until `now`, and woke `late` after something was due.
    ///
    /// A machine that is paused loses the frames of that time, and a socket that is not read fills up with the oldest
    /// ones. A live active router speaks within one interval: that long a backup listens, once for each silence, so
    /// that a host which always wakes late takes over all the same. True when it does.
    pub fn stood_still(&mut self, now: Instant, late: Duration) -> bool {
        let State::Backup { timer, priority, .. } = &self.state else { return false };
        let doubted = self.stall_hold.is_some_and(|hold| hold.timer_from == timer.from);
        let short = late < timer.interval.duration() / 2;
        if self.config.company == Company::Alone || timer.wait == Wait::Skew || doubted || short {
            return false;
        }
        let until = now + timer.interval.duration() + self.config.skew(timer.interval, *priority);
        self.stall_hold = Some(StallHold { timer_from: timer.from, until });
        true
    }

    /// Changed configuration; the role stays. A new interval is advertised at once, since backups wait by it.
    pub fn configure(&mut self, now: Instant, config: RouterConfig) {
        let hung = self.is_stalled(now);
        let changed = self.config.interval != config.interval;
        self.config = config;
        if let State::Active { advertise_at, advertised, .. } = &mut self.state
            && changed
            && !hung
        {
            // Backups still wait by the old interval: the pause until now is judged by that one.
            *advertised = now;
            *advertise_at = now;
        }
    }

    /// The node's verdict whether this router may take part.
    pub fn entitle(&mut self, now: Instant, entitlement: Entitlement) -> Vec<Step> {
        let mut steps = self.step_down_after_stall(now);
        steps.extend(self.obey(now, entitlement));
        steps
    }

    fn obey(&mut self, now: Instant, entitlement: Entitlement) -> Vec<Step> {
        match (&mut self.state, entitlement) {
            (State::Initialize { why }, Entitlement::Abstain(reason)) => {
                *why = reason;
                Vec::new()
            }
            (State::Initialize { .. }, Entitlement::Claim(priority)) => {
                // RFC 9568 section 6.4.1: the owner does not wait.
                if priority.is_owner() && !self.hears_stronger_owner(now) {
                    return self.activate(now, priority, "fit to take part, and owns the address".to_owned());
                }
                let timer = DownTimer { from: now, interval: self.config.interval, wait: Wait::Down };
                self.turn(State::Backup { timer, fit_since: now, priority }, "fit to take part".to_owned())
            }
            (State::Backup { .. }, Entitlement::Abstain(why)) => self.turn(State::Initialize { why: why.clone() }, why),
            (State::Active { .. }, Entitlement::Abstain(why)) => {
                let mut steps = vec![Step::Advertise(Claim::Resign)];
                steps.extend(self.turn(State::Initialize { why: why.clone() }, why));
                steps
            }
            (State::Backup { priority, .. }, Entitlement::Claim(new)) => {
                *priority = new;
                Vec::new()
            }
            (State::Active { priority, advertise_at, advertised, .. }, Entitlement::Claim(new)) => {
                if *priority == new {
                    return Vec::new();
                }
                *priority = new;
                *advertised = now;
                *advertise_at = now + self.config.interval.duration();
                vec![Step::Advertise(Claim::Of(new))]
            }
        }
    }

    /// Straight to Active, for a VIP that is still here under a lease: nobody can have missed it yet.
    pub fn resume(&mut self, now: Instant, priority: Priority, why: &str) -> Vec<Step> {
        match self.state {
            State::Initialize { .. } | State::Backup { .. } => self.activate(now, priority, why.to_owned()),
            State::Active { .. } => Vec::new(),
        }
    }

    /// From Backup to Active at once, as if the skew time had ended: the active router names us its successor.
    pub fn take_over(&mut self, now: Instant, why: &str) -> Vec<Step> {
        match self.state {
            State::Backup { priority, .. } => self.activate(now, priority, why.to_owned()),
            State::Initialize { .. } | State::Active { .. } => Vec::new(),
        }
    }

    /// From Active to Backup with a resignation, so that a named successor takes over.
    ///
    /// If none does, this router is Active again after its down interval.
    pub fn relinquish(&mut self, now: Instant, why: &str) -> Vec<Step> {
        let stalled = self.step_down_after_stall(now);
        let State::Active { priority, .. } = self.state else { return stalled };
        let timer = DownTimer { from: now, interval: self.config.interval, wait: Wait::Down };
        // Whoever was heard before is not who holds the VIP next.
        self.heard = None;
        let mut steps = vec![Step::Advertise(Claim::Resign)];
        steps.extend(self.turn(State::Backup { timer, fit_since: now, priority }, why.to_owned()));
        steps
    }

    /// A second sign of life of the active router, given at `at`: counts as an advert of it that counts.
    ///
    /// Without effect outside Backup, against a router that this one preempts, and after a resignation. Where no advert
    /// was heard yet, nothing says that its holder is weaker: it is waited for.
    pub fn vouch(&mut self, now: Instant, at: Instant) {
        let heard = self.heard;
        let preempts = heard.is_some_and(|heard| self.preempts(now, heard.claim));
        let State::Backup { timer, .. } = &mut self.state else { return };
        if timer.wait == Wait::Skew || preempts {
            return;
        }
        let at = at.min(now);
        timer.from = timer.from.max(at);
        if let Some(heard) = &mut self.heard {
            heard.alive_at = heard.alive_at.max(at);
        }
    }

    /// An accepted advertisement of this VRID, received by the kernel at `at`.
    pub fn hear(&mut self, now: Instant, at: Instant, source: IpAddr, claim: Claim, interval: Centis) -> Vec<Step> {
        let mut steps = self.step_down_after_stall(now);
        let heard = Heard { source, claim, interval, at, alive_at: at };
        match (&self.state, claim) {
            (State::Initialize { .. }, Claim::Resign) => self.heard = None,
            (State::Initialize { .. }, Claim::Of(_)) => self.heard = Some(heard),
            (State::Backup { .. }, Claim::Resign) => self.hear_resignation(at, source),
            (State::Backup { .. }, Claim::Of(_)) => self.defer_or_ignore(now, heard),
            // Who resigns held it too: there were two.
            (State::Active { .. }, Claim::Resign) => steps.extend(self.assert(now, source)),
            (State::Active { .. }, Claim::Of(_)) => steps.extend(self.defend_or_yield(now, heard)),
        }
        steps
    }

    /// The deadline may have passed.
    pub fn tick(&mut self, now: Instant) -> Vec<Step> {
        let stalled = self.step_down_after_stall(now);
        if !stalled.is_empty() {
            return stalled;
        }
        match &self.state {
            State::Initialize { .. } => Vec::new(),
            State::Backup { timer, priority, .. } => {
                let (timer, priority) = (*timer, *priority);
                if self.deadline().is_some_and(|at| now < at) {
                    return Vec::new();
                }
                let why = match (timer.wait, self.heard) {
                    (Wait::Skew, Some(h)) => format!("{} resigned", h.source),
                    (Wait::Skew, None) => "the active router resigned".to_owned(),
                    (Wait::Down, Some(h)) if outranks(h.claim, priority) => {
                        format!("preempts {} (priority {} against {priority})", h.source, h.claim.byte())
                    }
                    (Wait::Down, Some(h)) => format!(
                        "no advert from {} for {} ms",
                        h.source,
                        now.saturating_duration_since(h.at).as_millis()
                    ),
                    (Wait::Down, None) => "nobody is active".to_owned(),
                };
                self.activate(now, priority, why)
            }
            State::Active { advertise_at, priority, .. } => {
                let (due, priority) = (*advertise_at, *priority);
                if now < due { Vec::new() } else { self.advertise(now, priority) }
            }
        }
    }

    fn turn(&mut self, state: State, why: String) -> Vec<Step> {
        let from = self.role();
        self.state = state;
        let to = self.role();
        if from == to { Vec::new() } else { vec![Step::Turn { from, to, why }] }
    }

    fn activate(&mut self, now: Instant, priority: Priority, why: String) -> Vec<Step> {
        let interval = self.config.interval.duration();
        let mut steps = vec![Step::Advertise(Claim::Of(priority))];
        steps.extend(
            self.turn(State::Active { advertise_at: now + interval, advertised: now, assert_from: now, priority }, why),
        );
        steps
    }

    /// The regular advert; its rhythm does not drift, and does not burst after a pause.
    fn advertise(&mut self, now: Instant, our: Priority) -> Vec<Step> {
        let interval = self.config.interval.duration();
        if let State::Active { advertise_at, advertised, .. } = &mut self.state {
            let next = *advertise_at + interval;
            *advertise_at = if next > now && next <= now + interval { next } else { now + interval };
            *advertised = now;
        }
        vec![Step::Advertise(Claim::Of(our))]
    }

    /// Silent for longer than a backup waits: somebody else may hold the VIP, so listen before speaking.
    fn step_down_after_stall(&mut self, now: Instant) -> Vec<Step> {
        let State::Active { advertised, priority, .. } = self.state else { return Vec::new() };
        if !self.is_stalled(now) {
            return Vec::new();
        }
        let silent = now.saturating_duration_since(advertised);
        let timer = DownTimer { from: now, interval: self.config.interval, wait: Wait::Down };
        let why = format!("hung for {} ms, longer than a backup waits", silent.as_millis());
        self.turn(State::Backup { timer, fit_since: now, priority }, why)
    }

    /// A backup may have missed us and taken over: nobody waits longer than its own down interval.
    fn is_stalled(&self, now: Instant) -> bool {
        let State::Active { advertised, priority, .. } = self.state else { return false };
        let silent = now.saturating_duration_since(advertised);
        self.config.company == Company::Peers && silent > self.config.down(self.config.interval, priority)
    }

    fn hear_resignation(&mut self, at: Instant, source: IpAddr) {
        // DEVIATION: RFC 9568 section 6.4.2 lets any priority 0 start the skew timer. The word of a router other
        // than the active one says nothing about the active one (test: a_bystander_cannot_resign_for_the_active).
        if self.heard.is_some_and(|h| h.source != source) {
            return;
        }
        self.wait_for_skew(at);
    }

    fn wait_for_skew(&mut self, at: Instant) {
        if let State::Backup { timer, .. } = &mut self.state
            && timer.wait == Wait::Down
        {
            // Once: a resignation that is repeated (keepalived sends two) must not put off the takeover.
            timer.from = at;
            timer.wait = Wait::Skew;
        }
        if let Some(heard) = &mut self.heard {
            heard.claim = Claim::Resign;
        }
    }

    /// RFC 9568 section 6.4.2: defer to an advert that counts, let the timer run against one that does not.
    fn defer_or_ignore(&mut self, now: Instant, heard: Heard) {
        let preempts = self.preempts(now, heard.claim);
        let State::Backup { timer, .. } = &mut self.state else { return };
        // Of two that are active for a moment the stronger one stays: the other one's word is its last (`part`).
        if !self.heard.is_some_and(|last| last.outlives(&heard)) {
            self.heard = Some(heard);
        }
        if !preempts {
            // A v3 backup adopts the interval of the active router (RFC 9568 section 6.4.2).
            *timer = DownTimer { from: heard.at, interval: heard.interval, wait: Wait::Down };
        }
    }

    /// Whether a backup lets its timer run against a live router with this claim.
    fn preempts(&self, now: Instant, theirs: Claim) -> bool {
        let State::Backup { fit_since, priority, .. } = self.state else { return false };
        let allowed = match self.config.preempt {
            _ if self.config.rival == Rival::Deaf => false,
            // RFC 9568 section 6.1, Preempt_Mode: the owner preempts whatever is configured.
            Preempt::Refused => priority.is_owner(),
            Preempt::After(delay) => priority.is_owner() || now.saturating_duration_since(fit_since) >= delay,
        };
        allowed && outranks(theirs, priority)
    }

    /// Two owners are a mistake of the configuration; the one of the higher address holds on to it.
    fn hears_stronger_owner(&self, now: Instant) -> bool {
        let owner = Claim::Of(Priority::OWNER);
        self.heard(now).is_some_and(|h| h.claim == owner && h.source > self.config.address)
    }

    /// RFC 9568 section 6.4.3: two active routers; exactly one of them goes on.
    fn defend_or_yield(&mut self, now: Instant, heard: Heard) -> Vec<Step> {
        let State::Active { priority, .. } = self.state else { return Vec::new() };
        let stronger = match heard.claim {
            Claim::Resign => false,
            Claim::Of(theirs) => theirs > priority || (theirs == priority && heard.source > self.config.address),
        };
        if stronger {
            let timer = DownTimer { from: heard.at, interval: heard.interval, wait: Wait::Down };
            self.heard = Some(heard);
            let mut steps = self.part(now, priority);
            let why = format!("{} is active with priority {}", heard.source, heard.claim.byte());
            steps.extend(self.turn(State::Backup { timer, fit_since: now, priority }, why));
            return steps;
        }
        self.assert(now, heard.source)
    }

    /// Speaks at once, but never more than four times an interval: a rival that floods must not make us flood.
    fn assert(&mut self, now: Instant, rival: IpAddr) -> Vec<Step> {
        let pause = self.config.interval.duration() / 4;
        let State::Active { priority, assert_from, advertised, .. } = &mut self.state else { return Vec::new() };
        if now < *assert_from {
            return Vec::new();
        }
        *assert_from = now + pause;
        *advertised = now;
        vec![Step::Advertise(Claim::Of(*priority)), Step::Reassert { rival }]
    }

    /// DEVIATION: RFC 9568 section 6.4.3 lets a router yield in silence. Then the other one never learns that there were
    /// two, and hosts whose caches point here are not told (test: who_yields_says_so_once). At most once an interval.
    fn part(&mut self, now: Instant, our: Priority) -> Vec<Step> {
        let interval = self.config.interval.duration();
        if self.parted_at.is_some_and(|at| now < at + interval) {
            return Vec::new();
        }
        self.parted_at = Some(now);
        vec![Step::Advertise(Claim::Of(our))]
    }
}

/// Whether a router with our priority outranks one with their claim, so that it may preempt it.
fn outranks(theirs: Claim, ours: Priority) -> bool {
    match theirs {
        Claim::Of(theirs) => theirs < ours,
        Claim::Resign => false,
    }
}

#[cfg(test)]
mod tests;
