//! What is done for a running proxy beside its transactions: old workers looked after, paused frontends opened again.

use std::time::Instant;

use super::{Fault, ProxyNews, Proxying};
use crate::config::Engine;
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::OpId;
use crate::node::outbox::{Ops, Outbox};
use crate::proxy::Sample;
use crate::proxy::attendance::{Attend, Attended, Survey};
use crate::proxy::health::Verdict;
use crate::proxy::reopening::Step;
use crate::proxy::roster::Serving;

impl Proxying {
    /// Asks the installed binary. nginx has no answer that anything depends on.
    pub(super) fn ask_capabilities(&mut self, ops: &mut Ops, out: &mut Outbox) {
        match self.engine {
            Engine::Haproxy => out.push(Effect::Attend { op: ops.next(), what: Attend::Capabilities }),
            Engine::Nginx => {}
        }
    }

    /// Another worker answers. Old ones of nginx have no socket of their own; its reload sees to their end.
    pub(super) fn attend_to_new_worker(&mut self, now: Instant, sample: &Sample, ops: &mut Ops, out: &mut Outbox) {
        match self.engine {
            Engine::Haproxy => self.roster.hurry(now),
            Engine::Nginx => return,
        }
        self.express(ops, out);
        // A package upgrade takes effect with a reload.
        if self.capabilities.as_ref().is_none_or(|known| known.version_text != sample.version_text) {
            self.ask_capabilities(ops, out);
        }
    }

    /// Sends the survey that is due.
    pub(super) fn survey(&mut self, now: Instant, ops: &mut Ops, out: &mut Outbox) {
        let op = ops.next();
        if let Some(what) = self.roster.ask(now, op, self.lifecycle.master()) {
            out.push(Effect::Attend { op, what });
        }
    }

    /// Tries to repair what an answer shows to be wrong.
    pub(super) fn mend(
        &mut self,
        now: Instant,
        sample: &Sample,
        fault: &Fault,
        ops: &mut Ops,
        out: &mut Outbox,
    ) -> Vec<ProxyNews> {
        if fault.paused.is_empty() || !self.lifecycle.may_reopen(sample) {
            return Vec::new();
        }
        let op = ops.next();
        match self.reopening.paused(now, sample.pid, op) {
            Step::Try => {
                let names = fault.paused.join(", ");
                out.log(LogLevel::Warn, None, format!("the worker {} paused {names}: opening again", sample.pid));
                out.push(Effect::Attend { op, what: Attend::Reopen(fault.paused.clone()) });
                Vec::new()
            }
            Step::Wait => Vec::new(),
            Step::GiveUp => {
                let why = format!("{}, and does not open", fault.why);
                let actions = self.lifecycle.give_up(op, why);
                self.take(now, actions, out)
            }
        }
    }

    /// An answer to what was asked of the proxy.
    pub(in crate::node) fn attended(
        &mut self,
        now: Instant,
        op: OpId,
        outcome: Attended,
        ops: &mut Ops,
        out: &mut Outbox,
    ) {
        if self.wishes.attended(op, &outcome, out) {
            return;
        }
        if self.roster.awaits(op) {
            match outcome {
                Attended::Surveyed(survey) => self.surveyed(now, survey, ops, out),
                Attended::Capable(_)
                | Attended::Reopened
                | Attended::Commanded
                | Attended::WorkerEnded
                | Attended::Failed(_) => {
                    self.roster.failed(now);
                }
            }
            return;
        }
        let reopened = self.reopening.tried(op);
        match outcome {
            Attended::Reopened if reopened => {
                out.log(LogLevel::Info, None, "HAProxy says that the paused frontends listen again");
            }
            Attended::Failed(why) if reopened => {
                out.log(LogLevel::Warn, None, format!("paused frontends do not open: {why}"));
            }
            Attended::Capable(capabilities) => self.capabilities = Some(*capabilities),
            Attended::WorkerEnded => self.roster.hurry(now),
            Attended::Failed(why) => out.log(LogLevel::Warn, None, format!("HAProxy cannot be attended to: {why}")),
            // Given up on.
            Attended::Reopened | Attended::Commanded | Attended::Surveyed(_) => {}
        }
        if reopened {
            self.prober.hurry(now);
        }
    }

    fn surveyed(&mut self, now: Instant, survey: Survey, ops: &mut Ops, out: &mut Outbox) {
        let confirmed = self.lifecycle.is_serving() && self.verdict() == &Verdict::Healthy;
        let serving = match self.worker {
            Some(pid) if confirmed => Serving::Confirmed(pid),
            answered => Serving::Open(answered),
        };
        let stuck = self.roster.surveyed(now, survey, serving);
        let Some(master) = self.lifecycle.master() else { return };
        for stuck in stuck {
            out.log(LogLevel::Warn, None, format!("{}: killing it", stuck.why));
            let what = Attend::EndWorker { master, worker: stuck.worker };
            out.push(Effect::Attend { op: ops.next(), what });
        }
    }
}
