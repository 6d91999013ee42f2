//! What is asked of every pair: what if this dies, hangs, is stopped, is cut off?

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::config::Config;
use crate::rehearsal::script::{Act, Of, Script, Step};
use crate::rehearsal::{Player, RehearsalError, Seen, play};

/// The outage depends on when in an advert interval something breaks: it is tried at so many instants.
const PHASES: u32 = 5;
/// With more VIPs than this, at one.
const PHASED_VIPS_MAX: usize = 64;
/// vipkeeper is started again after its death by then, as with `RestartSec=100ms`.
const RESTARTED_AFTER: Duration = Duration::from_millis(100);

/// A question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// In words, such as `haproxy dies on lb1`.
    pub text: String,
    /// The node that it is about, by its place in the configuration; none: all.
    pub node: Option<usize>,
    /// What is played.
    pub script: Script,
}

/// What becomes of a VIP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fate {
    /// Which.
    pub vip: String,
    /// Where it was.
    pub from: Vec<String>,
    /// Where it is in the end.
    pub to: Vec<String>,
    /// Shortest time without service, in microseconds.
    pub least_us: u64,
    /// Longest time without service, in microseconds.
    pub most_us: u64,
    /// It is served in the end, whenever it began.
    pub served: bool,
    /// It was served by another node in between, or is.
    pub moved: bool,
}

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The question.
    pub question: String,
    /// The VIPs that moved or were not served for some time.
    pub fates: Vec<Fate>,
}

/// What is asked of a configuration, node by node.
pub fn questions(config: &Config) -> Vec<Question> {
    let engine = config.proxy.engine.name();
    let takes_part = |name| config.vips.iter().any(|vip| vip.priorities.contains_key(name));
    let mut all = Vec::new();
    for (at, node) in config.nodes.iter().enumerate().filter(|(_, node)| takes_part(&node.name)) {
        let name = &node.name;
        let here = || vec![at];
        let about = |text: String, acts: Vec<Act>| Question { text, node: Some(at), script: script(acts) };
        all.extend([
            about(format!("{engine} dies on {name}"), vec![Act::Kill(Of::Proxy, here())]),
            about(format!("{engine} hangs on {name}"), vec![Act::Freeze(here())]),
            about(format!("{engine} cannot run on {name}"), vec![Act::Break(here())]),
            about(format!("vipkeeper is stopped on {name}"), vec![Act::Stop(here())]),
            about(
                format!("vipkeeper is killed on {name}, and restarted"),
                vec![Act::Kill(Of::Vipkeeper, here()), Act::Wait(RESTARTED_AFTER), Act::Start(here())],
            ),
            about(format!("vipkeeper is killed on {name}, for good"), vec![Act::Kill(Of::Vipkeeper, here())]),
            about(format!("{name} loses power"), vec![Act::Crash(here())]),
            about(format!("{name} loses its cable"), vec![Act::Unplug(here())]),
            about(format!("{name} is cut off in silence"), vec![Act::Cut(here(), None)]),
        ]);
    }
    let everywhere = (0..config.nodes.len()).collect();
    all.push(Question {
        text: "all nodes are rebooted at once".to_owned(),
        node: None,
        script: script(vec![Act::Reboot(everywhere), Act::Wait(Duration::from_secs(45))]),
    });
    all
}

fn script(acts: Vec<Act>) -> Script {
    Script { steps: acts.into_iter().map(|act| Step { text: String::new(), act }).collect() }
}

/// Plays it at several instants of an advert interval. `given` is what is so already.
///
/// # Errors
/// As [`play`].
pub fn ask(players: &[Player], given: &Script, question: &Question, base: Instant) -> Result<Answer, RehearsalError> {
    let vips = players.first().map(|player| player.loaded.config.vips.as_slice()).unwrap_or_default();
    let interval = vips.iter().map(|vip| vip.advert_interval.duration()).max().unwrap_or_default();
    let phases = if vips.len() > PHASED_VIPS_MAX { 1 } else { PHASES };
    let mut fates: BTreeMap<String, Fate> = BTreeMap::new();
    for phase in 0..phases {
        let account = play(players, given, &question.script, base, interval * phase / phases)?;
        for seen in account.vips {
            let long = seen.without_service().as_micros();
            let long = u64::try_from(long).unwrap_or(u64::MAX);
            let first = || Fate {
                vip: seen.vip.clone(),
                from: seen.before.clone(),
                to: Vec::new(),
                least_us: u64::MAX,
                most_us: 0,
                served: true,
                moved: false,
            };
            let fate = fates.entry(seen.vip.clone()).or_insert_with(first);
            merge(fate, seen, long);
        }
    }
    let in_order = vips.iter().filter_map(|vip| fates.remove(vip.name.as_str()));
    let noticed = |fate: &Fate| fate.most_us > 0 || fate.from != fate.to || fate.moved;
    Ok(Answer { question: question.text.clone(), fates: in_order.filter(noticed).collect() })
}

fn merge(fate: &mut Fate, seen: Seen, long: u64) {
    fate.least_us = fate.least_us.min(long);
    fate.most_us = fate.most_us.max(long);
    fate.served &= seen.served;
    fate.moved |= seen.moved;
    fate.to = seen.after;
}
