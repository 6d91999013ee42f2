//! What operators want of servers: taken up, told to HAProxy, kept, and told again to every new worker.

use std::time::Instant;

use crate::config::Engine;
use crate::node::Node;
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{OpId, RequestId};
use crate::node::outbox::{Ops, Outbox};
use crate::node::proxying::Proxying;
use crate::node::status::ServerIntentStatus;
use crate::proxy::attendance::{Attend, Attended};
use crate::proxy::intents::{Intent, Intents, Wish};

/// Operators who wait for HAProxy's answer; more are refused.
const WAITING_MAX: usize = 16;

/// What is wanted, and who waits to hear that it was done.
#[derive(Debug, Default)]
pub(super) struct Wishes {
    pub(super) intents: Intents,
    waiting: Vec<(OpId, RequestId, String)>,
    /// Told again to a new worker.
    again: Option<OpId>,
}

impl Wishes {
    /// Whether the outcome is one of ours; what follows from it.
    pub(super) fn attended(&mut self, op: OpId, outcome: &Attended, out: &mut Outbox) -> bool {
        let failed = match outcome {
            Attended::Failed(why) => Some(why),
            Attended::Capable(_)
            | Attended::Reopened
            | Attended::Commanded
            | Attended::Surveyed(_)
            | Attended::WorkerEnded => None,
        };
        if self.again.take_if(|again| *again == op).is_some() {
            if let Some(why) = failed {
                let message = format!("what operators want of servers could not be told to HAProxy again: {why}");
                out.log(LogLevel::Warn, None, message);
            }
            return true;
        }
        let Some(at) = self.waiting.iter().position(|(waiting, _, _)| *waiting == op) else { return false };
        let (_, request, done) = self.waiting.swap_remove(at);
        let result = match failed {
            // It is kept all the same: the next worker is told.
            Some(why) => Err(format!("{done}, from the next start on; not now: {why}")),
            None => Ok(done),
        };
        out.push(Effect::Reply { request, result });
        true
    }
}

impl Proxying {
    /// A worker that knows nothing of what is wanted is told.
    pub(super) fn express(&mut self, ops: &mut Ops, out: &mut Outbox) {
        if self.wishes.intents.is_empty() {
            return;
        }
        let op = ops.next();
        self.wishes.again = Some(op);
        out.push(Effect::Attend { op, what: Attend::Command(self.wishes.intents.commands()) });
    }
}

impl Node {
    /// What a predecessor kept.
    pub(super) fn intents_read(&mut self, text: &str, out: &mut Outbox) {
        match Intents::parse(text) {
            Ok(intents) => {
                self.proxying.wishes.intents = intents;
                self.prune_intents(out);
                if self.proxying.worker.is_some() {
                    self.proxying.express(&mut self.ops, out);
                }
            }
            Err(why) => {
                out.log(LogLevel::Warn, None, format!("what operators wanted of servers is lost: {why}"));
            }
        }
    }

    /// Servers that left the configuration are nobody's concern any more.
    pub(super) fn prune_intents(&mut self, out: &mut Outbox) {
        let gone = self.proxying.wishes.intents.prune(&self.loaded.config);
        if gone.is_empty() {
            return;
        }
        let message = format!("forgotten, since they left the configuration: what was wanted of {}", gone.join(", "));
        out.log(LogLevel::Info, None, message);
        out.push(Effect::KeepIntents { text: self.proxying.wishes.intents.text() });
    }

    pub(super) fn intents_status(&self, now: Instant) -> Vec<ServerIntentStatus> {
        let wall = self.wall.at(now);
        let one = |(server, intent): (&str, &Intent)| ServerIntentStatus {
            server: server.to_owned(),
            state: intent.state.map(|state| state.name().to_owned()),
            weight: intent.weight,
            for_ms: u64::try_from(wall.saturating_sub(intent.since).as_millis()).unwrap_or(u64::MAX),
        };
        self.proxying.wishes.intents.iter().map(one).collect()
    }

    /// An operator wants something of a server.
    pub(super) fn wished(&mut self, now: Instant, id: RequestId, server: &str, wish: Wish, out: &mut Outbox) {
        let result = match self.loaded.config.proxy.engine {
            Engine::Haproxy if self.proxying.wishes.waiting.len() >= WAITING_MAX => {
                Err(format!("{WAITING_MAX} operators wait for HAProxy already"))
            }
            Engine::Haproxy => {
                let since = self.wall.at(now);
                self.proxying.wishes.intents.wish(&self.loaded.config, server, wish, since)
            }
            Engine::Nginx => Err("nginx takes no commands: write `disabled` or `weight` in the file".to_owned()),
        };
        let command = match result {
            Ok(command) => command,
            Err(why) => {
                out.push(Effect::Reply { request: id, result: Err(why) });
                return;
            }
        };
        let done = match wish {
            Wish::State(state) => format!("server {server} is in state {}", state.name()),
            Wish::Weight(Some(weight)) => format!("server {server} has weight {weight}"),
            Wish::Weight(None) => format!("server {server} has the weight of the file"),
        };
        out.log(LogLevel::Info, None, format!("an operator asked: {done}"));
        out.push(Effect::KeepIntents { text: self.proxying.wishes.intents.text() });
        let op = self.ops.next();
        self.proxying.wishes.waiting.push((op, id, done));
        out.push(Effect::Attend { op, what: Attend::Command(vec![command]) });
    }
}

#[cfg(test)]
mod tests;
