//! Which VIPs a turn is about. Most events concern one: a node of a thousand must not look at all of them for each.
//!
//! The rule is coarse on purpose. An event that is not known to concern certain VIPs alone concerns all, and all are
//! looked at regularly anyway, for facts that change with time alone (a peer that has become silent).

use std::time::{Duration, Instant};

use crate::node::event::Event;
use crate::node::outbox::Outbox;
use crate::node::vip::Vip;
use crate::node::{Deadline, INHERIT_WITHIN, Judge, Node, Phase};
use crate::proxy::health::Verdict;

/// All VIPs are looked at in the first turn after this long.
const ALL_EVERY: Duration = Duration::from_millis(250);

/// What the VIPs were settled with.
#[derive(Debug)]
pub(super) struct Settled {
    /// All are to be looked at in this turn.
    pub(super) all: bool,
    /// When all were.
    at: Option<Instant>,
    /// The verdict then.
    verdict: Option<Verdict>,
}

impl Settled {
    pub(super) fn new() -> Self {
        Self { all: true, at: None, verdict: None }
    }
}

/// Whether an event touches the VIPs that it concerns by itself.
pub(super) fn touches_its_own(event: &Event) -> bool {
    matches!(
        event,
        Event::Tick
            | Event::PacketReceived(_)
            | Event::FrameReceived { .. }
            | Event::AddressInstalled { .. }
            | Event::AddressWithdrawn { .. }
            | Event::AddressesAnswered(_)
            | Event::ProbeLate { .. }
    )
}

impl Node {
    /// Touches every VIP that this turn has to look at.
    pub(super) fn choose(&mut self, now: Instant, judge: Judge) {
        let verdict = self.proxying.verdict();
        let young = now <= self.started_at + INHERIT_WITHIN + ALL_EVERY;
        self.settled.all |= young
            || self.phase != Phase::Running
            // One VIP of a group speaks for the others.
            || !self.groups.is_empty()
            || self.settled.verdict.as_ref() != Some(verdict)
            || self.settled.at.is_none_or(|at| now >= at + ALL_EVERY);
        if self.settled.all {
            self.settled.at = Some(now);
            self.settled.verdict = Some(verdict.clone());
        }
        let due = |vip: &Vip| judge == Judge::Timers && vip.due.is_some_and(|due| due.at <= now);
        for vip in &mut self.vips {
            vip.touched |= self.settled.all || due(vip);
        }
    }

    /// The turn is over: what was touched says when it is to be looked at again.
    pub(super) fn rest(&mut self) {
        let network = &self.observation.network;
        for vip in self.vips.iter_mut().filter(|vip| vip.touched) {
            vip.touched = false;
            vip.due = vip.deadlines(network).min().map(|(at, why)| Deadline { at, why });
        }
        self.settled.all = false;
    }

    /// What must hold after every turn: nothing that a VIP waits for has escaped.
    pub(super) fn check_rest(&self) -> Result<(), String> {
        for vip in &self.vips {
            let due = vip.deadlines(&self.observation.network).min().map(|(at, why)| Deadline { at, why });
            if vip.touched || due != vip.due {
                return Err(format!("{} waits for {due:?} and was put down for {:?}", vip.config.name, vip.due));
            }
        }
        Ok(())
    }

    /// What leaves Active or comes there is told to the service manager; nothing else is.
    pub(super) fn notify_if_touched(&mut self, out: &mut Outbox) {
        if self.settled.all || self.vips.iter().any(|vip| vip.touched) {
            self.notify(out);
        }
    }
}

#[cfg(test)]
mod tests;
