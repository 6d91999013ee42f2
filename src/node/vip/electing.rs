//! The part of a VIP in the election: what its router was told and heard, and what follows from its steps.

use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::hooks::HookState;
use crate::node::effect::LogLevel;
use crate::node::event::Link;
use crate::node::outbox::Outbox;
use crate::node::vip::announcing::Announcing;
use crate::node::vip::wire::Sender;
use crate::node::vip::{Host, Inheritance, TRANSITIONS_MAX, Transition, Vip};
use crate::vrrp::packet::Claim;
use crate::vrrp::router::{Entitlement, Role, Step};

/// A rival that speaks this soon after a takeover is the router that was taken over from.
const PARTING_WITHIN: Duration = Duration::from_secs(1);
/// A rival that was silent for this long and speaks again is another conflict. Hooks are not told more often.
pub(in crate::node) const CONFLICT_QUIET: Duration = Duration::from_secs(10);
/// Hooks hear of a conflict this long after the rival's last word: it has let go by then.
const RETELL_AFTER: Duration = Duration::from_millis(200);

/// Two were active, and this router goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Conflict {
    /// The rival's last word.
    last: Option<Instant>,
    /// When `notify_master` is to run again.
    retell_at: Option<Instant>,
    /// When it ran again last: for the scripts of the group.
    retold_at: Option<Instant>,
}

impl Conflict {
    /// Whether it is another one than that of the rival's last words.
    fn heard(&mut self, now: Instant) -> bool {
        let another = self.last.is_none_or(|last| now >= last + CONFLICT_QUIET);
        self.last = Some(now);
        if another || self.retell_at.is_some() {
            self.retell_at = Some(now + RETELL_AFTER);
        }
        another
    }

    /// When [`Vip::tell_after_conflict`] has something to do.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.retell_at
    }
}

impl Vip {
    /// The node's verdict, and whether a living lease makes a fresh start unnecessary.
    pub(in crate::node) fn entitle(&mut self, host: &Host<'_>, entitlement: Entitlement, out: &mut Outbox) {
        if let (Entitlement::Claim(priority), Inheritance::Leased { seen_at, idle_at_most }) =
            (&entitlement, self.inheritance)
        {
            self.inheritance = Inheritance::Settled;
            let idle = idle_at_most + host.now.saturating_duration_since(seen_at);
            let here = self.addresses.iter().all(|a| a.lease.is_present());
            // Nobody waits less than that before taking over (RFC 9568 section 6.1).
            let unmissed = idle <= self.patience() || self.peers.is_empty();
            if here && unmissed {
                let steps = self.router.resume(host.now, *priority, "resumes the lease of its predecessor");
                self.take(host, steps, out);
                return;
            }
        }
        let steps = self.router.entitle(host.now, entitlement);
        self.take(host, steps, out);
    }

    pub(in crate::node) fn tick(&mut self, host: &Host<'_>, out: &mut Outbox) {
        if self.router.deadline().is_some_and(|at| host.now >= at) {
            let steps = self.router.tick(host.now);
            self.take(host, steps, out);
        }
    }

    pub(super) fn take(&mut self, host: &Host<'_>, steps: Vec<Step>, out: &mut Outbox) {
        let mut said = None;
        let leaves = steps.iter().any(|step| matches!(step, Step::Turn { to: Role::Backup | Role::Fault, .. }));
        for step in steps {
            match step {
                Step::Advertise(claim) => {
                    said = Some(claim);
                    self.handover.spoke(host.now, claim);
                    let sender = match claim {
                        // Who leaves with its own priority yields to one that is active already.
                        Claim::Of(_) if leaves => Sender::Interface,
                        Claim::Of(_) | Claim::Resign => Sender::VirtualRouter,
                    };
                    self.advertise(host, claim, sender, out);
                }
                Step::Reassert { rival } => self.reassert(host.now, rival, out),
                Step::Turn { from, to, why } => {
                    self.turn(host, from, to, why, out);
                    self.changed_role(host, from, to, said);
                }
            }
        }
    }

    /// Somebody else speaks too: hosts of the segment may believe it, and may go on to until it has withdrawn.
    fn reassert(&mut self, now: Instant, rival: IpAddr, out: &mut Outbox) {
        self.announcing.contest(now);
        // Who was just preempted says so at parting: no conflict, nor a surprise.
        if now < self.since + PARTING_WITHIN {
            return;
        }
        self.count("rivals-heard");
        // Once per conflict: one that does not hear us goes on at every interval.
        if self.conflict.heard(now) {
            let message = format!("{rival} spoke for the VIP with less right: asserting and announcing again");
            out.log(LogLevel::Info, Some(self.config.name.as_str()), message);
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
        self.conflict.retell_at = None;
        match to {
            Role::Active => {
                self.master_hook_due = true;
                // Addresses that are here already (an adopted lease) are announced as those that arrive.
                self.announcing = Announcing::default();
                self.announcing.wanted = self.addresses.iter().any(|a| a.lease.is_present());
            }
            Role::Backup => self.queue_hooks(host, HookState::Backup, out),
            Role::Fault if host.stopping => self.queue_hooks(host, HookState::Stop, out),
            Role::Fault => self.queue_hooks(host, HookState::Fault, out),
        }
    }

    /// A link that has just come up may not carry frames yet: a spanning tree takes its time.
    pub(in crate::node) fn link_seen(&mut self, now: Instant, before: Option<&Link>, link: Option<&Link>) {
        let up = |link: Option<&Link>| link.filter(|l| l.up).map(|l| l.index);
        let hold = self.config.link_hold;
        if up(link).is_some() && up(before) != up(link) && !hold.is_zero() {
            self.router.hold_for_link(now + hold);
        }
    }

    /// The others of its group turned, or an operator or peer wants it so: Active at once, if it is a backup.
    pub(in crate::node) fn take_over(&mut self, host: &Host<'_>, why: &str, out: &mut Outbox) {
        let steps = self.router.take_over(host.now, why);
        self.take(host, steps, out);
    }

    /// Resigns, and stays a backup.
    pub(in crate::node) fn relinquish(&mut self, host: &Host<'_>, why: &str, out: &mut Outbox) {
        let steps = self.router.relinquish(host.now, why);
        self.take(host, steps, out);
    }

    /// The loser's scripts ran last: those of the winner put right what they did. Once per conflict.
    pub(super) fn tell_after_conflict(&mut self, host: &Host<'_>, out: &mut Outbox) {
        if self.conflict.retell_at.take_if(|at| host.now >= *at).is_none() {
            return;
        }
        // Where they wait for the address, they run anyway.
        if self.router.role() == Role::Active && self.told == Some(HookState::Master) {
            self.conflict.retold_at = Some(host.now);
            self.queue_hooks(host, HookState::Master, out);
        }
    }

    /// `notify_master` ran again in this turn.
    pub(in crate::node) fn is_retold(&self, now: Instant) -> bool {
        self.conflict.retold_at == Some(now)
    }
}

#[cfg(test)]
mod tests;
