//! What is to happen, in words: `kill haproxy on lb1`, `cut lb2`, `wait 5s`.

use std::time::Duration;

use crate::config::Config;
use crate::units::Name;

/// Steps beyond these are a mistake.
const STEPS_MAX: usize = 200;

/// What can be said, for messages and the manual.
pub const WORDS: &str = "\
kill|freeze|break|mend proxy on NODE    end it; stop it; let no start succeed; let all be well again
kill|stop|start vipkeeper on NODE       SIGKILL; SIGTERM; as a service manager does
crash|boot|reboot NODE                  power off; power on; an orderly restart of the host
hang NODE for TIME                      the whole vipkeeper stands still
unplug|plug NODE                        its cable, with loss of carrier
cut NODE [from NODE]                    its frames are lost in silence; with all, or with one other node
heal                                    no cut is left
fail|mend NAME [on NODE]                a tracker or a backend
release|resume [VIP] on NODE            as `vipkeeper release` and `resume`
switchover [VIP] on NODE                as `vipkeeper switchover`
maintenance on|off on NODE              as `vipkeeper maintenance`
wait TIME                               instead of the pause until all is calm";

/// Whom or what a step is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Of {
    /// The proxy.
    Proxy,
    /// vipkeeper.
    Vipkeeper,
}

/// What happens in a step; nodes by their place in the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    /// SIGKILL.
    Kill(Of, Vec<usize>),
    /// The proxy stands still.
    Freeze(Vec<usize>),
    /// The proxy dies, and no start succeeds.
    Break(Vec<usize>),
    /// The proxy runs and starts as it should.
    Repair(Vec<usize>),
    /// SIGTERM to vipkeeper.
    Stop(Vec<usize>),
    /// vipkeeper is started.
    Start(Vec<usize>),
    /// Power off.
    Crash(Vec<usize>),
    /// Power on.
    Boot(Vec<usize>),
    /// SIGTERM to all, power off, power on.
    Reboot(Vec<usize>),
    /// vipkeeper stands still for that long.
    Hang(Vec<usize>, Duration),
    /// Carrier goes.
    Unplug(Vec<usize>),
    /// Carrier comes.
    Plug(Vec<usize>),
    /// No frame leaves or reaches them; of those others, if any are named.
    Cut(Vec<usize>, Option<Vec<usize>>),
    /// No cut is left.
    Heal,
    /// A tracker or backend fails.
    Fail(Name, Vec<usize>),
    /// It is well again.
    Mend(Name, Vec<usize>),
    /// A VIP (none: all) is given up.
    Release(Option<Name>, Vec<usize>),
    /// A VIP (none: all that are there) is handed over.
    Switchover(Option<Name>, Vec<usize>),
    /// All VIPs are given up, or taken part in again.
    Maintenance(bool, Vec<usize>),
    /// It is taken part in again.
    Resume(Option<Name>, Vec<usize>),
    /// Time passes.
    Wait(Duration),
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// As it was written.
    pub text: String,
    /// What it means.
    pub act: Act,
}

/// A script.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// In their order.
    pub steps: Vec<Step>,
}

/// Why a script is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ScriptError {
    /// One of its steps.
    #[error("step {number}, {text:?}: {why}\n\nwhat can be said:\n{WORDS}")]
    Step {
        /// From 1.
        number: usize,
        /// As it was written.
        text: String,
        /// What is wrong with it.
        why: String,
    },
    /// Too many.
    #[error("a script has at most {STEPS_MAX} steps")]
    TooLong,
}

/// Understands steps, one each; blank ones and what follows a `#` are skipped.
///
/// # Errors
/// The first step that is not understood, and why.
pub fn parse<'a>(config: &Config, steps: impl IntoIterator<Item = &'a str>) -> Result<Script, ScriptError> {
    let mut script = Script::default();
    for text in steps {
        let text = text.split('#').next().unwrap_or_default().trim();
        if text.is_empty() {
            continue;
        }
        if script.steps.len() >= STEPS_MAX {
            return Err(ScriptError::TooLong);
        }
        let number = script.steps.len().saturating_add(1);
        let act =
            Reader { config }.act(text).map_err(|why| ScriptError::Step { number, text: text.to_owned(), why })?;
        script.steps.push(Step { text: text.to_owned(), act });
    }
    Ok(script)
}

struct Reader<'a> {
    config: &'a Config,
}

impl Reader<'_> {
    fn act(&self, text: &str) -> Result<Act, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let proxy = |what: &str| matches!(what, "proxy" | "haproxy" | "nginx");
        match *words.as_slice() {
            ["kill", what, "on", ref nodes @ ..] if proxy(what) => Ok(Act::Kill(Of::Proxy, self.nodes(nodes)?)),
            ["freeze", what, "on", ref nodes @ ..] if proxy(what) => Ok(Act::Freeze(self.nodes(nodes)?)),
            ["break", what, "on", ref nodes @ ..] if proxy(what) => Ok(Act::Break(self.nodes(nodes)?)),
            ["mend", what, "on", ref nodes @ ..] if proxy(what) => Ok(Act::Repair(self.nodes(nodes)?)),
            ["kill", "vipkeeper", "on", ref nodes @ ..] => Ok(Act::Kill(Of::Vipkeeper, self.nodes(nodes)?)),
            ["stop", "vipkeeper", "on", ref nodes @ ..] => Ok(Act::Stop(self.nodes(nodes)?)),
            ["start", "vipkeeper", "on", ref nodes @ ..] => Ok(Act::Start(self.nodes(nodes)?)),
            ["crash", ref nodes @ ..] => Ok(Act::Crash(self.nodes(nodes)?)),
            ["boot", ref nodes @ ..] => Ok(Act::Boot(self.nodes(nodes)?)),
            ["reboot", ref nodes @ ..] => Ok(Act::Reboot(self.nodes(nodes)?)),
            ["hang", ref nodes @ .., "for", time] => Ok(Act::Hang(self.nodes(nodes)?, span(time)?)),
            ["unplug", ref nodes @ ..] => Ok(Act::Unplug(self.nodes(nodes)?)),
            ["plug", ref nodes @ ..] => Ok(Act::Plug(self.nodes(nodes)?)),
            ["cut", ref all @ ..] => self.cut(all),
            ["heal"] => Ok(Act::Heal),
            ["fail", name, ref rest @ ..] => Ok(Act::Fail(self.watched(name)?, self.on(rest)?)),
            ["mend", name, ref rest @ ..] => Ok(Act::Mend(self.watched(name)?, self.on(rest)?)),
            ["release", "on", ref nodes @ ..] => Ok(Act::Release(None, self.nodes(nodes)?)),
            ["release", vip, "on", ref nodes @ ..] => Ok(Act::Release(Some(self.vip(vip)?), self.nodes(nodes)?)),
            ["switchover", "on", ref nodes @ ..] => Ok(Act::Switchover(None, self.nodes(nodes)?)),
            ["switchover", vip, "on", ref nodes @ ..] => Ok(Act::Switchover(Some(self.vip(vip)?), self.nodes(nodes)?)),
            ["maintenance", "on", "on", ref nodes @ ..] => Ok(Act::Maintenance(true, self.nodes(nodes)?)),
            ["maintenance", "off", "on", ref nodes @ ..] => Ok(Act::Maintenance(false, self.nodes(nodes)?)),
            ["resume", "on", ref nodes @ ..] => Ok(Act::Resume(None, self.nodes(nodes)?)),
            ["resume", vip, "on", ref nodes @ ..] => Ok(Act::Resume(Some(self.vip(vip)?), self.nodes(nodes)?)),
            ["wait", time] => Ok(Act::Wait(span(time)?)),
            _ => Err("not understood".to_owned()),
        }
    }

    fn cut(&self, words: &[&str]) -> Result<Act, String> {
        let from = words.iter().position(|word| *word == "from");
        let (these, others) = match from {
            None => (words, None),
            Some(at) => (words.get(..at).unwrap_or_default(), words.get(at.saturating_add(1)..)),
        };
        Ok(Act::Cut(self.nodes(these)?, others.map(|others| self.nodes(others)).transpose()?))
    }

    /// Nothing: everywhere.
    fn on(&self, words: &[&str]) -> Result<Vec<usize>, String> {
        match words {
            [] => Ok((0..self.config.nodes.len()).collect()),
            ["on", nodes @ ..] => self.nodes(nodes),
            [other, ..] => Err(format!("{other:?} is not expected here; say \"on\" and a node")),
        }
    }

    /// `lb1`, `lb1 and lb2`, `lb1, lb2`, `both`, `all`.
    fn nodes(&self, words: &[&str]) -> Result<Vec<usize>, String> {
        let names: Vec<&str> =
            words.iter().flat_map(|word| word.split(',')).filter(|word| !word.is_empty() && *word != "and").collect();
        let all = || (0..self.config.nodes.len()).collect();
        match *names.as_slice() {
            [] => Err("it does not say on which node".to_owned()),
            ["all" | "both"] => Ok(all()),
            ref names => names.iter().map(|name| self.node(name)).collect(),
        }
    }

    fn node(&self, name: &str) -> Result<usize, String> {
        let known = || self.config.nodes.iter().map(|node| node.name.as_str());
        known()
            .position(|node| node == name)
            .ok_or_else(|| format!("there is no node {name:?}, only {}", known().collect::<Vec<_>>().join(", ")))
    }

    fn vip(&self, name: &str) -> Result<Name, String> {
        let known = || self.config.vips.iter().map(|vip| &vip.name);
        let found = known().find(|vip| vip.as_str() == name).cloned();
        let names = || known().map(Name::as_str).collect::<Vec<_>>().join(", ");
        found.ok_or_else(|| format!("there is no VIP {name:?}, only {}", names()))
    }

    /// A tracker or a backend.
    fn watched(&self, name: &str) -> Result<Name, String> {
        let trackers = self.config.trackers.iter().map(|tracker| &tracker.name);
        let backends = self.config.backends.iter().map(|backend| &backend.name);
        let known: Vec<&Name> = trackers.chain(backends).collect();
        let found = known.iter().find(|known| known.as_str() == name).map(|name| (*name).clone());
        found.ok_or_else(|| {
            let names: Vec<&str> = known.iter().map(|name| name.as_str()).collect();
            format!("there is no tracker and no backend {name:?}, only {}", names.join(", "))
        })
    }
}

/// `250ms`, `5s`, `2m`.
fn span(text: &str) -> Result<Duration, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: Option<u64> = number.parse().ok();
    let ms = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" | "min" => Some(60_000),
        _ => None,
    };
    let ms = number.zip(ms).and_then(|(number, unit)| number.checked_mul(unit));
    ms.map(Duration::from_millis).ok_or_else(|| format!("{text:?} is no time; write it like 250ms, 5s or 2m"))
}
