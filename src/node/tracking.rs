//! The trackers of this node: which run, when they look, and what they mean to each VIP.

use std::time::{Duration, Instant};

use crate::config::{Config, Track, TrackerKind};
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{Network, OpId};
use crate::node::outbox::{Ops, Outbox};
use crate::node::status::TrackerStatus;
use crate::node::{Node, Phase};
use crate::proxy::Sample;
use crate::track::facts::{self, Generation};
use crate::track::look::words;
use crate::track::{Contribution, Hold, Machine, News, Verdict};
use crate::units::Name;
use crate::vrrp::router::Role;

/// A change of roles is taken in at once, but not more often than this: VIPs that track each other in a ring must not
/// keep the node busy.
const ROLES_SPACING: Duration = Duration::from_millis(100);

/// What the trackers of a VIP mean to it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    /// What changes the priority, with the reason in few words.
    pub(super) weights: Vec<(String, i32)>,
    /// Why the node must not hold it.
    pub(super) abstain: Option<String>,
}

/// Every tracker that a VIP of this node uses, and no other.
#[derive(Debug)]
pub(super) struct Tracking {
    machines: Vec<Machine>,
    stopped: bool,
    /// Some VIP may be judged another way than before.
    stale: bool,
    roles_taken_at: Option<Instant>,
    roles_due: Option<Instant>,
}

impl Tracking {
    pub(super) fn new(config: &Config, me: &Name, now: Instant) -> Self {
        let machines = used(config, me).map(|t| Machine::new(t, Hold::Out, now)).collect();
        Self { machines, stopped: false, stale: true, roles_taken_at: None, roles_due: None }
    }

    /// Trackers of the same object keep their verdict; what is new holds nobody out until its first result.
    pub(super) fn configure(&mut self, config: &Config, me: &Name, now: Instant) {
        let mut old = std::mem::take(&mut self.machines);
        for wanted in used(config, me) {
            let same = old.iter_mut().position(|known| known.configure(wanted));
            self.machines.push(match same {
                Some(at) => old.swap_remove(at),
                None => Machine::new(wanted, Hold::In, now),
            });
        }
        self.stale = true;
        if self.stopped {
            self.stop();
        }
    }

    /// Nothing is looked at any more.
    pub(super) fn stop(&mut self) {
        self.stopped = true;
        self.machines.iter_mut().for_each(Machine::stop);
        self.roles_due = None;
    }

    pub(super) fn looked(&mut self, now: Instant, op: OpId, result: &Result<i64, String>, out: &mut Outbox) {
        // Numbers of operations are unique: at most one machine waits for it.
        self.each(out, |machine| machine.looked(now, op, result.clone()));
    }

    pub(super) fn tick(&mut self, now: Instant, out: &mut Outbox) {
        self.each(out, |machine| machine.tick(now));
    }

    /// Takes in what a probe of the proxy brought.
    pub(super) fn sampled(
        &mut self,
        now: Instant,
        sample: &Sample,
        generation: Generation,
        config: &Config,
        out: &mut Outbox,
    ) {
        // While a reload is confirmed, samples come faster than the interval.
        let spacing = config.proxy.health.interval / 2;
        self.each(out, |machine| match facts::of_sample(&machine.config().kind, sample, generation, config) {
            Some(result) => machine.sampled(now, spacing, result),
            None => News::None,
        });
    }

    /// Takes in the links of the last dump.
    fn links(&mut self, now: Instant, network: &Network, me: &Name, out: &mut Outbox) {
        self.each(out, |machine| {
            let TrackerKind::Interface(of) = &machine.config().kind else { return News::None };
            let result = facts::of_links(of, me, |name| network.link(name).map(|link| link.up));
            machine.told(now, result)
        });
    }

    /// Takes in the roles that VIPs had at the end of the last turn: one pass, so that not even a ring can loop.
    fn roles(&mut self, now: Instant, role: impl Fn(&Name) -> Option<Role>, out: &mut Outbox) {
        if self.roles_taken_at.is_some_and(|last| now < last + ROLES_SPACING) {
            return;
        }
        let mut changed = false;
        self.each(out, |machine| {
            let TrackerKind::Vip { vip } = &machine.config().kind else { return News::None };
            let news = machine.told(now, judge_role(vip, role(vip)));
            changed |= news == News::Changed;
            news
        });
        if changed {
            self.roles_taken_at = Some(now);
        }
    }

    /// Whether roles are other ones than those taken in, and when to take those in.
    fn note_roles(&mut self, now: Instant, role: impl Fn(&Name) -> Option<Role>) {
        let differs = self.machines.iter().any(|machine| {
            let TrackerKind::Vip { vip } = &machine.config().kind else { return false };
            let good = role(vip) == Some(Role::Active);
            match machine.tally().verdict() {
                Verdict::Good => !good,
                Verdict::Failed { .. } => good,
                Verdict::Pending(_) => true,
            }
        });
        let next = self.roles_taken_at.map_or(now, |last| (last + ROLES_SPACING).max(now));
        self.roles_due = differs.then_some(self.roles_due.unwrap_or(next));
    }

    pub(super) fn deadlines(&self) -> impl Iterator<Item = (Instant, &'static str)> {
        let looks = self.machines.iter().filter_map(Machine::deadline).map(|at| (at, "a tracker is to be looked at"));
        looks.chain(self.roles_due.map(|at| (at, "a VIP that others track has another role")))
    }

    /// Whether a first look that could keep this VIP from here is still on its way.
    pub(super) fn is_awaited(&self, track: &[Track]) -> bool {
        let awaited = |track: &Track| self.find(&track.tracker).is_some_and(Machine::is_awaited);
        track.iter().any(|t| t.weight == 0 && awaited(t))
    }

    fn find(&self, name: &Name) -> Option<&Machine> {
        self.machines.iter().find(|m| m.config().name == *name)
    }

    fn judge(&self, track: &[Track]) -> Judgement {
        let mut judgement = Judgement::default();
        let mut more = 0_usize;
        for track in track {
            let Some(machine) = self.find(&track.tracker) else { continue };
            match Contribution::of(machine, track) {
                Contribution::None => {}
                Contribution::Weight(what, weight) => judgement.weights.push((what, weight)),
                Contribution::Abstain(why) if judgement.abstain.is_none() => judgement.abstain = Some(why),
                Contribution::Abstain(_) => more += 1,
            }
        }
        if let Some(why) = judgement.abstain.as_mut().filter(|_| more > 0) {
            why.push_str(&format!(", and {more} more"));
        }
        judgement
    }

    /// Hands every machine its news, and tells those that matter.
    fn each(&mut self, out: &mut Outbox, mut news: impl FnMut(&mut Machine) -> News) {
        for machine in &mut self.machines {
            let was_failed = matches!(machine.tally().verdict(), Verdict::Failed { .. });
            let was_pending = matches!(machine.tally().verdict(), Verdict::Pending(_));
            match news(machine) {
                News::None => continue,
                News::Changed => self.stale = true,
            }
            let name = &machine.config().name;
            match machine.tally().verdict() {
                Verdict::Failed { why } if !was_failed => {
                    out.log(LogLevel::Warn, None, format!("tracker {name} failed: {why}"));
                }
                Verdict::Good if was_failed || was_pending => {
                    out.log(LogLevel::Info, None, format!("tracker {name} is good"));
                }
                Verdict::Failed { .. } | Verdict::Good | Verdict::Pending(_) => {}
            }
        }
    }

    pub(super) fn status(&self, now: Instant, me: &Name) -> Vec<TrackerStatus> {
        self.machines.iter().map(|machine| status(machine, now, me)).collect()
    }
}

/// The trackers that VIPs of node `me` use, in the order of the file.
fn used<'a>(config: &'a Config, me: &'a Name) -> impl Iterator<Item = &'a crate::config::Tracker> {
    let ours = |name: &Name| {
        let mut vips = config.vips.iter().filter(|vip| vip.priorities.contains_key(me));
        vips.any(|vip| vip.track.iter().any(|track| track.tracker == *name))
    };
    config.trackers.iter().filter(move |tracker| ours(&tracker.name))
}

fn judge_role(vip: &Name, role: Option<Role>) -> Result<(), String> {
    match role {
        Some(Role::Active) => Ok(()),
        Some(Role::Backup | Role::Fault) => Err(format!("VIP {vip} is not on this node")),
        None => Err(format!("this node takes no part in VIP {vip}")),
    }
}

fn status(machine: &Machine, now: Instant, me: &Name) -> TrackerStatus {
    let tally = machine.tally();
    let (verdict, why) = match (tally.verdict(), tally.value()) {
        (Verdict::Pending(_), _) => ("pending", "has not been looked at yet".to_owned()),
        (Verdict::Good, None | Some(0)) => ("good", String::new()),
        (Verdict::Good, Some(value)) => ("good", format!("is {value}")),
        (Verdict::Failed { why }, _) => ("failed", why.clone()),
    };
    TrackerStatus {
        name: machine.config().name.to_string(),
        kind: words(&machine.config().kind, me),
        verdict: verdict.to_owned(),
        why,
        for_ms: u64::try_from(now.saturating_duration_since(tally.since()).as_millis()).unwrap_or(u64::MAX),
        value: tally.value(),
    }
}

impl Node {
    /// What links and roles say to trackers; looks that are due; what all that means to each VIP.
    pub(super) fn settle_trackers(&mut self, now: Instant, out: &mut Outbox) {
        if self.observation.seen {
            self.tracking.links(now, &self.observation.network, &self.me, out);
        }
        let vips = &self.vips;
        self.tracking.roles(now, |name| role(vips, name), out);
        if self.phase == Phase::Running {
            let hooks = &self.loaded.config.hooks;
            ask(&mut self.tracking.machines, now, hooks, &mut self.ops, out);
        }
        if std::mem::take(&mut self.tracking.stale) {
            self.settled.all = true;
            for vip in &mut self.vips {
                vip.judgement = self.tracking.judge(&vip.config.track);
            }
        }
    }

    /// Roles changed in this turn: whoever tracks them learns it in the next one, which must not be far.
    pub(super) fn note_roles(&mut self, now: Instant) {
        if self.phase == Phase::Running {
            let vips = &self.vips;
            self.tracking.note_roles(now, |name| role(vips, name));
        }
    }

    /// A new answer of the proxy, if there is one.
    pub(super) fn feed_trackers(&mut self, now: Instant, out: &mut Outbox) {
        let Some(sample) = self.proxying.fresh_sample() else { return };
        let in_force = sample.generation == Some(self.loaded.rendered.generation);
        let generation = if in_force { Generation::InForce } else { Generation::Another };
        self.tracking.sampled(now, sample, generation, &self.loaded.config, out);
    }
}

fn ask(machines: &mut [Machine], now: Instant, hooks: &crate::config::HookSettings, ops: &mut Ops, out: &mut Outbox) {
    for machine in machines.iter_mut().filter(|m| m.deadline().is_some_and(|at| now >= at)) {
        let op = ops.next();
        let timeout = machine.config().timeout;
        if let Some(what) = machine.ask(now, op, hooks) {
            out.push(Effect::Look { op, what, timeout });
        }
    }
}

fn role(vips: &[crate::node::vip::Vip], name: &Name) -> Option<Role> {
    vips.iter().find(|v| v.config.name == *name && v.farewell.is_none()).map(|v| v.router.role())
}

#[cfg(test)]
mod tests;
