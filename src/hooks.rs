//! Which hook runs when, and in what order: plans only.
//!
//! keepalived forks its hooks and forgets them; here each VIP has one queue, and a hook starts when its predecessor
//! has ended. Nothing here can delay an advert: a plan is data for the hook runner.

use std::collections::VecDeque;
use std::time::Duration;

use crate::config::{GroupConfig, HookCommand, HookCommands, HookSettings, VipConfig};
use crate::units::{Name, OpId};

/// Hooks waiting per VIP. At the limit the oldest waiting one is dropped and told to the operator: the last state
/// is the one that scripts must learn.
const QUEUE_MAX: usize = 16;

/// A hook ready to run: no shell, bounded in time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookRun {
    /// The VIP or group it is about, for the log.
    pub vip: String,
    /// The hook's name in keepalived's words, such as `notify_master`.
    pub hook: &'static str,
    /// Program and all arguments.
    pub argv: Vec<String>,
    /// User to run as.
    pub user: Option<String>,
    /// Group to run as.
    pub group: Option<String>,
    /// Killed with its process group after this long.
    pub timeout: Duration,
}

/// A state in keepalived's words, as scripts in the field expect them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HookState {
    /// The VIP is here.
    Master,
    /// Taking part, not holding.
    Backup,
    /// Not taking part.
    Fault,
    /// vipkeeper stops.
    Stop,
}

impl HookState {
    /// keepalived's word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Master => "MASTER",
            Self::Backup => "BACKUP",
            Self::Fault => "FAULT",
            Self::Stop => "STOP",
        }
    }
}

/// The hooks for one transition: the one of the state first, then `notify` with
/// `INSTANCE NAME STATE PRIORITY` appended.
pub fn plan(vip: &VipConfig, settings: &HookSettings, state: HookState, priority: u8) -> Vec<HookRun> {
    commands(("INSTANCE", &vip.name), &vip.hooks, settings, state, priority)
}

/// The hooks for one transition of a whole group: as [`plan`], with `GROUP NAME STATE 0`: a group has no priority in
/// keepalived either.
pub fn plan_group(group: &GroupConfig, settings: &HookSettings, state: HookState) -> Vec<HookRun> {
    commands(("GROUP", &group.name), &group.hooks, settings, state, 0)
}

fn commands(
    (kind, name): (&str, &Name),
    hooks: &HookCommands,
    settings: &HookSettings,
    state: HookState,
    priority: u8,
) -> Vec<HookRun> {
    let run = |hook: &'static str, command: &HookCommand, extra: &[&str]| HookRun {
        vip: name.to_string(),
        hook,
        argv: command.argv.iter().cloned().chain(extra.iter().map(|s| (*s).to_owned())).collect(),
        user: settings.user.as_ref().map(Name::to_string),
        group: settings.group.as_ref().map(Name::to_string),
        timeout: settings.timeout,
    };
    let (hook, own) = match state {
        HookState::Master => ("notify_master", &hooks.master),
        HookState::Backup => ("notify_backup", &hooks.backup),
        HookState::Fault => ("notify_fault", &hooks.fault),
        HookState::Stop => ("notify_stop", &hooks.stop),
    };
    let mut runs = Vec::new();
    if let Some(command) = own {
        runs.push(run(hook, command, &[]));
    }
    if let Some(command) = &hooks.any {
        let priority = priority.to_string();
        runs.push(run("notify", command, &[kind, name.as_str(), state.word(), &priority]));
    }
    runs
}

/// The hooks of one VIP or group, one at a time.
#[derive(Debug, Clone, Default)]
pub struct HookQueue {
    waiting: VecDeque<HookRun>,
    running: Option<(OpId, HookRun)>,
}

impl HookQueue {
    /// Appends; returns what had to be dropped for it.
    #[must_use]
    pub fn push(&mut self, runs: Vec<HookRun>) -> Vec<HookRun> {
        self.waiting.extend(runs);
        let excess = self.waiting.len().saturating_sub(QUEUE_MAX);
        self.waiting.drain(..excess).collect()
    }

    /// The next hook to start under this number, if none is running.
    pub fn start(&mut self, op: OpId) -> Option<HookRun> {
        if self.running.is_some() {
            return None;
        }
        let run = self.waiting.pop_front()?;
        self.running = Some((op, run.clone()));
        Some(run)
    }

    /// A hook ended: which one, if it was the one of this queue.
    pub fn finish(&mut self, op: OpId) -> Option<HookRun> {
        if self.running.as_ref().is_none_or(|(running, _)| *running != op) {
            return None;
        }
        self.running.take().map(|(_, run)| run)
    }

    /// Nothing runs and nothing waits.
    pub fn is_idle(&self) -> bool {
        self.running.is_none() && self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests;
