//! What hooks are told of a VIP, and in what order.

use crate::hooks::{self, HookState};
use crate::node::effect::LogLevel;
use crate::node::hooking::Subject;
use crate::node::outbox::Outbox;
use crate::node::vip::{Host, Vip};
use crate::notices::Notice;
use crate::vrrp::router::{Role, State};

impl Vip {
    /// Under a new name scripts know nothing yet: they are told the state that there is.
    pub(in crate::node) fn tell_again(&mut self, host: &Host<'_>, out: &mut Outbox) {
        match self.router.role() {
            Role::Active => self.master_hook_due = true,
            Role::Backup => self.queue_hooks(host, HookState::Backup, out),
            Role::Fault => self.told = None,
        }
    }

    /// Takes over from the VIP of the same name that leaves: what was asked of it, and what its scripts know.
    ///
    /// Those must not believe that the VIP is here until it is here again.
    pub(in crate::node) fn succeed(&mut self, earlier: &mut Self, host: &Host<'_>, out: &mut Outbox) {
        // What was asked of one that left the configuration ended with it.
        if earlier.farewell.is_none() {
            self.released.clone_from(&earlier.released);
        }
        self.told = earlier.told;
        earlier.silenced = true;
        if matches!(self.told, Some(HookState::Master | HookState::Backup)) {
            self.queue_hooks(host, HookState::Fault, out);
        }
    }

    /// What no transition tells: a fault from the start on, and the stop of what took no part.
    ///
    /// Scripts may still believe what a vipkeeper told that was killed.
    pub(in crate::node) fn tell_at_rest(&mut self, host: &Host<'_>, out: &mut Outbox) {
        if self.farewell.is_some() || self.router.role() != Role::Fault {
            return;
        }
        if host.stopping {
            if self.told != Some(HookState::Stop) {
                self.queue_hooks(host, HookState::Stop, out);
            }
        } else if self.told.is_none() {
            let why = match self.router.state() {
                State::Initialize { why } => why.as_str(),
                State::Backup { .. } | State::Active { .. } => "",
            };
            out.log(LogLevel::Warn, Some(self.config.name.as_str()), format!("in fault from the start: {why}"));
            self.queue_hooks(host, HookState::Fault, out);
        }
    }

    /// Its successor tells the hooks.
    pub(in crate::node) fn is_silenced(&self) -> bool {
        self.silenced
    }

    /// What hooks were told last.
    pub(in crate::node) fn told(&self) -> Option<HookState> {
        self.told
    }

    pub(super) fn queue_hooks(&mut self, host: &Host<'_>, state: HookState, out: &mut Outbox) {
        if self.silenced {
            return;
        }
        self.told = Some(state);
        let priority = self.router.priority().unwrap_or(self.base);
        let runs = hooks::plan(&self.config, host.hooks, state, priority.get());
        let why = match (state, self.router.state()) {
            (HookState::Fault, State::Initialize { why }) => why.clone(),
            (HookState::Stop, _) => "vipkeeper stops".to_owned(),
            (HookState::Fault | HookState::Master | HookState::Backup, _) => self.why.clone(),
        };
        out.notice(Notice {
            at: host.wall,
            kind: "INSTANCE".to_owned(),
            name: self.config.name.to_string(),
            state: state.word().to_owned(),
            priority: priority.get(),
            why,
        });
        out.hooks(Subject::Vip(self.config.name.clone()), runs);
    }
}
