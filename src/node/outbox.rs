//! Effects of one turn, in the order in which they must reach the world.

use crate::hooks::HookRun;
use crate::node::effect::{Effect, Effects, LogLevel, LogLine};
use crate::node::event::OpId;
use crate::node::hooking::Subject;
use crate::notices::Notice;

/// Collects effects: what goes onto the wire first, then resets of connections, which
/// need their addresses, then addresses and routes, then everything that may take its time.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    first: Effects,
    wire: Effects,
    resets: Effects,
    addresses: Effects,
    rest: Effects,
    hooks: Vec<(Subject, Vec<HookRun>)>,
    notices: Vec<Notice>,
}

impl Outbox {
    pub(super) fn push(&mut self, effect: Effect) {
        match effect {
            Effect::Transmit { .. }
            | Effect::Announce { .. }
            | Effect::OpenHello { .. }
            | Effect::SendHello { .. }
            | Effect::OpenInterface { .. }
            | Effect::WatchAddresses { .. }
            | Effect::CloseInterface { .. } => self.wire.push(effect),
            Effect::ResetConnections { .. } => self.resets.push(effect),
            Effect::Install { .. }
            | Effect::Withdraw { .. }
            | Effect::AddRouting { .. }
            | Effect::RemoveRouting { .. }
            | Effect::RaiseDevice { .. }
            | Effect::RemoveDevice { .. }
            | Effect::ConfigureArp { .. } => self.addresses.push(effect),
            Effect::ObserveNetwork
            | Effect::ObserveRouting
            | Effect::Filter { .. }
            | Effect::Proxy { .. }
            | Effect::Attend { .. }
            | Effect::WatchWorker { .. }
            | Effect::Probe { .. }
            | Effect::Look { .. }
            | Effect::RunHook { .. }
            | Effect::LoadConfig { .. }
            | Effect::KeepConfig
            | Effect::KeepIntents { .. }
            | Effect::Report { .. }
            | Effect::Serve { .. }
            | Effect::Reply { .. }
            | Effect::Notify { .. }
            | Effect::Log(_)
            | Effect::Exit { .. } => self.rest.push(effect),
        }
    }

    /// A hello that must be there before the adverts of this turn: a successor learns that it is one before the others
    /// learn that there is nobody.
    pub(super) fn push_first(&mut self, effect: Effect) {
        self.first.push(effect);
    }

    /// Hooks that a transition asks for: they run in this order, one at a time for each name.
    pub(super) fn hooks(&mut self, subject: Subject, runs: Vec<HookRun>) {
        self.hooks.push((subject, runs));
    }

    /// A transition that notifiers are told of.
    pub(super) fn notice(&mut self, notice: Notice) {
        self.notices.push(notice);
    }

    pub(super) fn take_notices(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.notices)
    }

    pub(super) fn take_hooks(&mut self) -> Vec<(Subject, Vec<HookRun>)> {
        std::mem::take(&mut self.hooks)
    }

    pub(super) fn log(&mut self, level: LogLevel, vip: Option<&str>, message: impl Into<String>) {
        let line = LogLine { level, vip: vip.map(str::to_owned), message: message.into() };
        self.push(Effect::Log(line));
    }

    pub(super) fn into_effects(self) -> Effects {
        let mut all = self.first;
        all.extend(self.wire);
        all.extend(self.resets);
        all.extend(self.addresses);
        all.extend(self.rest);
        all
    }
}

/// Numbers operations.
#[derive(Debug, Default)]
pub(super) struct Ops(u64);

impl Ops {
    pub(super) fn next(&mut self) -> OpId {
        self.0 += 1;
        OpId(self.0)
    }
}
