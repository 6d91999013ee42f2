//! The hooks of this node: one queue for each name, so that scripts hear of it in one order.
//!
//! A name outlives what bears it: a VIP leaves the configuration and comes back, or two exchange their names. Its hooks
//! wait here for one another, never with the VIP.

use std::collections::BTreeMap;

use crate::config::Notifier;
use crate::hooks::{HookQueue, HookRun};
use crate::node::Node;
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{HookOutcome, OpId};
use crate::node::outbox::{Ops, Outbox};
use crate::units::Name;

/// What hooks are about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Subject {
    Vip(Name),
    Group(Name),
}

/// What runs and what waits; queues with neither are not kept.
#[derive(Debug, Default)]
pub(super) struct Hooking {
    queues: BTreeMap<Subject, HookQueue>,
}

impl Hooking {
    pub(super) fn is_idle(&self) -> bool {
        self.queues.values().all(HookQueue::is_idle)
    }

    /// Appends; returns what had to be dropped for it.
    fn push(&mut self, subject: Subject, runs: Vec<HookRun>) -> Vec<HookRun> {
        self.queues.entry(subject).or_default().push(runs)
    }

    /// Whose hook ended.
    fn finish(&mut self, op: OpId) -> Option<(Subject, HookRun)> {
        self.queues.iter_mut().find_map(|(subject, queue)| Some((subject.clone(), queue.finish(op)?)))
    }

    fn tidy(&mut self) {
        self.queues.retain(|_, queue| !queue.is_idle());
    }

    fn start(&mut self, ops: &mut Ops, out: &mut Outbox) {
        for queue in self.queues.values_mut() {
            let op = ops.next();
            if let Some(run) = queue.start(op) {
                out.push(Effect::RunHook { op, run });
            }
        }
    }
}

impl Subject {
    fn name(&self) -> &Name {
        match self {
            Self::Vip(name) | Self::Group(name) => name,
        }
    }
}

impl Node {
    /// Queues what this turn planned, and starts what may start; notifiers are told of the same transitions.
    pub(super) fn settle_hooks(&mut self, out: &mut Outbox) {
        for notice in out.take_notices() {
            let wants = |notifier: &&Notifier| notice.is_for(notifier);
            let to: Vec<Notifier> = self.loaded.config.notifiers.iter().filter(wants).cloned().collect();
            if !to.is_empty() {
                out.push(Effect::Report { notice, to });
            }
        }
        for (subject, runs) in out.take_hooks() {
            for dropped in self.hooking.push(subject.clone(), runs) {
                self.count_hook(&subject, "hooks-dropped");
                let message = format!("{} was dropped: too many hooks are waiting", dropped.hook);
                out.log(LogLevel::Warn, Some(subject.name().as_str()), message);
            }
        }
        self.hooking.start(&mut self.ops, out);
        self.hooking.tidy();
    }

    pub(super) fn hook_finished(&mut self, op: OpId, outcome: HookOutcome, out: &mut Outbox) {
        let Some((subject, run)) = self.hooking.finish(op) else { return };
        if outcome != HookOutcome::Succeeded {
            self.count_hook(&subject, "hooks-failed");
        }
        let name = Some(subject.name().as_str());
        let line = run.argv.join(" ");
        match outcome {
            HookOutcome::Succeeded => {
                out.log(LogLevel::Info, name, format!("{} exited 0: {line}", run.hook));
            }
            HookOutcome::Failed(why) => {
                out.log(LogLevel::Warn, name, format!("{} failed: {why}: {line}", run.hook));
            }
            HookOutcome::TimedOut => {
                let secs = run.timeout.as_secs();
                out.log(LogLevel::Warn, name, format!("{} was killed after {secs} s: {line}", run.hook));
            }
        }
    }

    fn count_hook(&mut self, subject: &Subject, what: &'static str) {
        if let Subject::Vip(name) = subject
            && let Some(vip) = self.vips.iter_mut().find(|v| v.config.name == *name)
        {
            vip.count(what);
        }
    }
}

#[cfg(test)]
mod tests;
