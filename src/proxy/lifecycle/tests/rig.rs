//! A lifecycle with a clock and one operation in flight, and every state that it can be in.

use super::super::*;
use crate::config::Sources;
use crate::proxy::ReloadMethod;

pub(super) const PID: u32 = 100;
/// All servers are as they were.
pub(super) const SAVED: ProxyOutcome = ProxyOutcome::StateSaved { kept: 2, left_out: 0 };
pub(super) const STRANGER: u32 = 999;

#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
pub(super) fn t0() -> Instant {
    Instant::now()
}

pub(super) fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

pub(super) fn version(n: u64) -> Candidate {
    // Between versions from 50 on a weight is all that differs.
    let text = if n < 50 {
        format!("# {n}\n")
    } else {
        format!("backend web\n  balance roundrobin\n  server a 192.0.2.9:80 weight {n}\n")
    };
    let rendered = Rendered {
        text,
        generation: Digest(n),
        origins: vec![None],
        sources: Arc::new(Sources { files: Vec::new() }),
        files: Vec::new(),
        reads: std::collections::BTreeMap::new(),
    };
    let bind = BindProbe { address: ([0, 0, 0, 0], u16::try_from(n).unwrap()).into(), transparent: false };
    Candidate { rendered: Arc::new(rendered), binds: BTreeSet::from([bind]), keeps_state: true }
}

pub(super) fn sample(generation: u64, minor: u32) -> Sample {
    Sample {
        pid: PID + 1,
        version: (2, minor),
        version_text: format!("2.{minor}"),
        generation: Some(Digest(generation)),
        stopping: false,
        connections: 0,
        connections_max: 1,
        accepted: None,
        uptime_secs: 1,
        refused: 0,
        frontends: Vec::new(),
        backends: Vec::new(),
        listening: None,
    }
}

/// A lifecycle, a clock, and the operation in flight.
pub(super) struct Rig {
    pub(super) life: Lifecycle,
    pub(super) now: Instant,
    pub(super) ops: u64,
    pub(super) flying: Option<(OpId, ProxyOp)>,
    /// Texts of what it told since the last look.
    pub(super) told: Vec<String>,
    pub(super) minor: u32,
}

impl Rig {
    pub(super) fn new() -> Self {
        let backoff = Backoff { min: Duration::from_millis(100), max: secs(10) };
        let (life, actions) = Lifecycle::new(version(1), backoff, OpId(0));
        let mut rig = Self { life, now: t0(), ops: 0, flying: None, told: Vec::new(), minor: 6 };
        rig.note(actions);
        rig
    }

    pub(super) fn op(&mut self) -> OpId {
        self.ops += 1;
        OpId(self.ops)
    }

    pub(super) fn note(&mut self, actions: Vec<Action>) {
        for action in actions {
            self.told.push(match action {
                Action::Do(op, what) => {
                    assert!(self.flying.is_none(), "two operations: {what:?}");
                    let text = name(&what);
                    self.flying = Some((op, what));
                    text
                }
                Action::Probe => "probe".to_owned(),
                Action::Dead(_) => "dead".to_owned(),
                Action::Applied(rendered) => format!("applied {}", rendered.generation.0),
                Action::Refused(rendered, _) => format!("refused {}", rendered.generation.0),
                Action::Note(_) | Action::Alarm(_) => "note".to_owned(),
                Action::Ended => "ended".to_owned(),
            });
        }
    }

    pub(super) fn told(&mut self) -> String {
        std::mem::take(&mut self.told).join(", ")
    }

    #[track_caller]
    pub(super) fn tells(&mut self, expect: &str) -> &mut Self {
        assert_eq!(self.told(), expect, "in {}", self.life.doing(self.now));
        self
    }

    /// The operation in flight ends.
    #[track_caller]
    pub(super) fn done(&mut self, outcome: ProxyOutcome) -> &mut Self {
        let (op, _) = self.flying.take().expect("nothing is in flight");
        let next = self.op();
        let actions = self.life.done(self.now, op, outcome, next);
        self.note(actions);
        self
    }

    pub(super) fn exits(&mut self, pid: u32) -> &mut Self {
        let actions = self.life.exited(self.now, pid, "signal 9");
        self.note(actions);
        self
    }

    pub(super) fn answers(&mut self, generation: u64) -> &mut Self {
        let op = self.op();
        let actions = self.life.sampled(self.now, &sample(generation, self.minor), op);
        self.note(actions);
        self
    }

    pub(super) fn apply(&mut self, n: u64) -> &mut Self {
        let op = self.op();
        let actions = self.life.apply(version(n), op);
        self.note(actions);
        self
    }

    pub(super) fn stop(&mut self) -> &mut Self {
        let op = self.op();
        let actions = self.life.stop(self.now, op);
        self.note(actions);
        self
    }

    pub(super) fn tick(&mut self, failed_since: Option<Instant>) -> &mut Self {
        let op = self.op();
        let actions = self.life.tick(self.now, op, failed_since);
        self.note(actions);
        self
    }

    /// Waits for the deadline; nothing happens a moment before it.
    #[track_caller]
    pub(super) fn waits(&mut self) -> &mut Self {
        let at = self.life.deadline(None).expect("no deadline");
        self.now = at - Duration::from_nanos(1);
        self.tick(None);
        assert!(self.told.is_empty(), "{:?} before its time", self.told);
        self.now = at;
        self.tick(None)
    }

    pub(super) fn proving() -> Self {
        let mut rig = Self::new();
        rig.tells("Adopt").done(ProxyOutcome::Adopted { pid: PID, patched: None }).tells("note, probe");
        rig
    }

    pub(super) fn launching() -> Self {
        let mut rig = Self::new();
        rig.done(ProxyOutcome::NothingToAdopt).tells("Adopt, Check 1");
        rig.done(ProxyOutcome::Accepted).tells("Preflight 1");
        rig.done(ProxyOutcome::Bindable).tells("Install").done(ProxyOutcome::Installed).tells("Start");
        rig
    }

    pub(super) fn starting() -> Self {
        let mut rig = Self::launching();
        rig.done(ProxyOutcome::Started { pid: PID }).tells("probe");
        rig
    }

    pub(super) fn serving() -> Self {
        let mut rig = Self::starting();
        rig.answers(1).tells("applied 1");
        rig
    }

    /// Version 50 serves, and 51 is installed and told to the worker.
    pub(super) fn patching() -> Self {
        let backoff = Backoff { min: Duration::from_millis(100), max: secs(10) };
        let (life, actions) = Lifecycle::new(version(50), backoff, OpId(0));
        let mut rig = Self { life, now: t0(), ops: 0, flying: None, told: Vec::new(), minor: 6 };
        rig.note(actions);
        rig.done(ProxyOutcome::Adopted { pid: PID, patched: None }).answers(50).apply(51);
        rig.done(ProxyOutcome::Accepted).done(ProxyOutcome::Bindable).done(ProxyOutcome::Installed);
        rig.tells("Adopt, note, probe, applied 50, Check 51, Preflight 51, Install, Patch 101 to 51");
        rig
    }

    pub(super) fn down() -> Self {
        let mut rig = Self::serving();
        rig.exits(PID).tells("dead");
        rig
    }

    /// Version 2 is being checked.
    pub(super) fn checking() -> Self {
        let mut rig = Self::serving();
        rig.apply(2).tells("Check 2");
        rig
    }

    pub(super) fn reloading() -> Self {
        let mut rig = Self::checking();
        rig.done(ProxyOutcome::Accepted).done(ProxyOutcome::Bindable).done(ProxyOutcome::Installed);
        rig.tells("Preflight 2, Install, SaveState").done(SAVED).tells("Reload Signal");
        rig
    }

    pub(super) fn confirming() -> Self {
        let mut rig = Self::reloading();
        rig.done(ProxyOutcome::Reloaded).tells("probe");
        rig
    }

    pub(super) fn returning() -> Self {
        let mut rig = Self::confirming();
        rig.waits()
            .tells("Restore")
            .done(ProxyOutcome::Installed)
            .tells("SaveState")
            .done(SAVED)
            .tells("Reload Signal");
        rig
    }

    pub(super) fn reconfirming() -> Self {
        let mut rig = Self::returning();
        rig.done(ProxyOutcome::Reloaded).tells("probe");
        rig
    }

    pub(super) fn killing() -> Self {
        let mut rig = Self::starting();
        rig.waits().tells("refused 1, note, Kill").done(ProxyOutcome::Stopped).tells("");
        rig
    }

    pub(super) fn stopping() -> Self {
        let mut rig = Self::serving();
        rig.stop().tells("Stop").done(ProxyOutcome::Stopped).tells("");
        rig
    }

    /// With their names, every state that a lifecycle can be in.
    pub(super) fn all() -> Vec<(&'static str, Self)> {
        vec![
            ("adopting", Self::new()),
            ("proving", Self::proving()),
            ("launching", Self::launching()),
            ("starting", Self::starting()),
            ("serving", Self::serving()),
            ("down", Self::down()),
            ("checking", Self::checking()),
            ("reloading", Self::reloading()),
            ("patching", Self::patching()),
            ("confirming", Self::confirming()),
            ("returning", Self::returning()),
            ("reconfirming", Self::reconfirming()),
            ("killing", Self::killing()),
            ("stopping", Self::stopping()),
        ]
    }
}

pub(super) fn name(op: &ProxyOp) -> String {
    match op {
        ProxyOp::Check(rendered) => format!("Check {}", rendered.generation.0),
        ProxyOp::Preflight(binds) => {
            let ports: Vec<String> = binds.iter().map(|b| b.address.port().to_string()).collect();
            format!("Preflight {}", ports.join(" ")).trim_end().to_owned()
        }
        ProxyOp::Reload(ReloadMethod::Signal) => "Reload Signal".to_owned(),
        ProxyOp::Reload(ReloadMethod::MasterCli) => "Reload MasterCli".to_owned(),
        ProxyOp::Patch { worker, patch } => format!("Patch {worker} to {}", patch.to.0),
        ProxyOp::Adopt
        | ProxyOp::Install
        | ProxyOp::Restore
        | ProxyOp::SaveState
        | ProxyOp::Start
        | ProxyOp::Stop
        | ProxyOp::Kill => {
            format!("{op:?}")
        }
    }
}
