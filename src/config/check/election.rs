//! Who holds a VIP: `prefer` or `priority`, and weights that can really move it.

use std::collections::BTreeMap;

use super::nodes::Nodes;
use super::{Cx, Names};
use crate::config::document::Item;
use crate::config::problem::Problem;
use crate::config::raw::{RawTrack, RawVip};
use crate::config::written::At;
use crate::config::{Preempt, Track};
use crate::units::{Name, Priority};

/// The base priority of each node that takes part.
pub(super) fn priorities(cx: &mut Cx<'_>, item: &Item<RawVip>, nodes: &Nodes) -> Option<BTreeMap<Name, Priority>> {
    let raw = item.raw.get();
    match (&raw.prefer, &raw.priority) {
        (Some(prefer), Some(priority)) => {
            let problem = Problem::new(item.at(priority), "a VIP has either `prefer` or `priority`");
            let problem = problem.label("both say who comes first").also(item.at(prefer), "as this does");
            cx.add(problem.fix("remove one of the two"));
            None
        }
        (Some(prefer), None) => by_order(cx, item, nodes, &prefer.get().0),
        (None, Some(priority)) => by_number(cx, item, nodes, priority),
        (None, None) => alone(cx, item, nodes),
    }
}

/// 254, 253, 252 and so on: a successor waits for the skew time `(256 - priority) / 256` intervals longer than three,
/// so priorities close to the top make the takeover as early as it can be (RFC 9568 section 6.1).
fn by_order(
    cx: &mut Cx<'_>,
    item: &Item<RawVip>,
    nodes: &Nodes,
    prefer: &[At<String>],
) -> Option<BTreeMap<Name, Priority>> {
    let mut priorities = BTreeMap::new();
    let mut first: BTreeMap<&str, &At<String>> = BTreeMap::new();
    let mut whole = true;
    for (written, priority) in prefer.iter().zip((1..=254_i64).rev()) {
        let place = item.at(written);
        if let Some(first) = first.insert(written.get(), written) {
            let problem = Problem::new(place, format!("`prefer` names {:?} twice", written.get()));
            cx.add(problem.label("used again").also(item.at(first), "first used here").fix("name each node once"));
            whole = false;
            continue;
        }
        let known = nodes.names.resolve(cx, place, written.get()).is_some();
        match (known, Name::new(written.get()), Priority::new(priority)) {
            (true, Ok(node), Ok(priority)) => drop(priorities.insert(node, priority)),
            _ => whole = false,
        }
    }
    whole.then_some(priorities)
}

fn by_number(
    cx: &mut Cx<'_>,
    item: &Item<RawVip>,
    nodes: &Nodes,
    written: &At<BTreeMap<At<String>, At<crate::config::written::PriorityNumber>>>,
) -> Option<BTreeMap<Name, Priority>> {
    if written.get().is_empty() && cx.is_whole(&item.at(written)) {
        let problem = Problem::new(item.at(written), "`priority` must not be empty");
        cx.add(problem.fix("write `priority = { lb1 = 200, lb2 = 100 }` with your nodes"));
        return None;
    }
    let mut priorities = BTreeMap::new();
    for (node, number) in written.get() {
        let known = nodes.names.resolve(cx, item.at(node), node.get()).is_some();
        if let (true, Ok(node), Ok(priority)) = (known, Name::new(node.get()), Priority::new(number.get().0)) {
            priorities.insert(node, priority);
        }
    }
    // What the shape pass took out was reported, but leaves a hole.
    (priorities.len() == written.get().len() && !priorities.is_empty()).then_some(priorities)
}

fn alone(cx: &mut Cx<'_>, item: &Item<RawVip>, nodes: &Nodes) -> Option<BTreeMap<Name, Priority>> {
    let names: Vec<&Name> = nodes.in_order().collect();
    match names.as_slice() {
        [only] if nodes.names.map.len() == 1 => Some(BTreeMap::from([((*only).clone(), Priority::MAX)])),
        _ if nodes.names.map.len() < 2 || !cx.is_whole(&item.place()) => None,
        _ => {
            let list = nodes.names.map.keys().map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
            let problem = Problem::new(item.place(), "[[vip]] does not say which node should hold it");
            cx.add(
                problem
                    .label("neither `prefer` nor `priority`")
                    .fix(format!("add `prefer = [{list}]`, the best first")),
            );
            None
        }
    }
}

/// The weights, each proven able to move the VIP.
pub(super) fn track<B>(
    cx: &mut Cx<'_>,
    item: &Item<RawVip>,
    priorities: Option<&BTreeMap<Name, Priority>>,
    preempt: Option<Preempt>,
    backends: &Names<B>,
) -> Option<Vec<Track>> {
    let Some(list) = item.raw.get().track.as_ref() else { return Some(Vec::new()) };
    let mut tracks = Vec::new();
    let mut first: BTreeMap<&str, &At<String>> = BTreeMap::new();
    for entry in list.get() {
        let RawTrack { backend, weight } = entry.get();
        let (Some(backend), Some(weight)) = (backend, weight) else { return None };
        if let Some(first) = first.insert(backend.get(), backend) {
            let problem = Problem::new(item.at(backend), format!("backend {:?} is tracked twice", backend.get()));
            cx.add(problem.label("used again").also(item.at(first), "first used here").fix("keep one of them"));
        }
        backends.resolve(cx, item.at(backend), backend.get());
        let weight = negative(cx, item, weight);
        tracks.push(Name::new(backend.get()).ok().zip(weight).map(|(backend, weight)| Track {
            tracker: backend,
            weight,
            reverse: false,
        }));
    }
    let tracks: Vec<Track> = tracks.into_iter().collect::<Option<_>>()?;
    let first_weight = list.get().first().and_then(|track| track.get().weight.as_ref());
    match (preempt, priorities, first_weight) {
        (Some(Preempt::Refused), _, Some(weight)) => never_preempts(cx, item, weight),
        (_, Some(priorities), Some(weight)) => can_move(cx, item, weight, &tracks, priorities),
        (_, _, _) => {}
    }
    Some(tracks)
}

fn negative(cx: &mut Cx<'_>, item: &Item<RawVip>, written: &At<i64>) -> Option<i32> {
    let weight = *written.get();
    if (-253..=-1).contains(&weight) {
        return i32::try_from(weight).ok();
    }
    let problem =
        Problem::new(item.at(written), "a `weight` is what a lost backend takes from the priority: -253 to -1");
    let meant = if weight > 0 { weight.saturating_neg().max(-253) } else { -20 };
    let label = if weight < 0 { "more than there is" } else { "would not lower it" };
    let fix = if weight < -253 {
        "write `weight = -253`, or remove the entry".to_owned()
    } else {
        format!("write `weight = {meant}`, or remove the entry")
    };
    cx.add(problem.label(label).fix(fix));
    None
}

fn never_preempts(cx: &mut Cx<'_>, item: &Item<RawVip>, weight: &At<i64>) {
    let problem =
        Problem::new(item.at(weight), "with `preempt = false` no weight can move a VIP").label("changes nothing");
    let problem = match item.raw.get().preempt.as_ref() {
        Some(refused) => problem.also(item.at(refused), "a live holder keeps it, whatever its priority"),
        None => problem,
    };
    cx.add(problem.fix("remove `track`, or set `preempt = true`"));
}

/// Reports weights that could never move the VIP: alone, or all of them together.
fn can_move(
    cx: &mut Cx<'_>,
    item: &Item<RawVip>,
    first: &At<i64>,
    tracks: &[Track],
    priorities: &BTreeMap<Name, Priority>,
) {
    let total = tracks.iter().fold(0_i32, |sum, track| sum.saturating_add(track.weight));
    if priorities.len() < 2 {
        let problem = Problem::new(item.at(first), "a weight cannot move a VIP that has one node");
        cx.add(problem.label("changes nothing").fix("remove `track`, or add a node to `prefer`"));
        return;
    }
    let mut ranked: Vec<(&Name, Priority)> = priorities.iter().map(|(name, priority)| (name, *priority)).collect();
    ranked.sort_by(|a, b| b.1.cmp(&a.1).then(a.0.cmp(b.0)));
    let moves = |weight: i32| ranked.windows(2).any(|pair| matches!(pair, [h, l] if h.1.weighted(weight) < l.1));
    if tracks.is_empty() || moves(total) {
        return;
    }
    let [best, next, ..] = ranked.as_slice() else { return };
    let (arithmetic, needed) = arithmetic(total, *best, *next);
    let fix = match needed {
        Some(needed) => format!("use {needed} or less"),
        None => format!("raise the priority of \"{}\": the lowest that a weight can reach is 1", next.0),
    };
    let rule = if tracks.len() == 1 {
        "this weight can never move the VIP"
    } else {
        "all weights together can never move the VIP"
    };
    cx.add(Problem::new(item.at(first), rule).label("too small").note(arithmetic).fix(fix));
}

/// Why the VIP stays with the best node, and the weight that would do.
fn arithmetic(weight: i32, best: (&Name, Priority), next: (&Name, Priority)) -> (String, Option<i32>) {
    let (high, low) = (i32::from(best.1.get()), i32::from(next.1.get()));
    let left = i32::from(best.1.weighted(weight).get());
    let relation = if left == low { "no lower than" } else { "still above" };
    let text = format!("{high} - {} = {left} of \"{}\" is {relation} {low} of \"{}\"", high - left, best.0, next.0);
    let needed = low - high - 1;
    (text, (low > 1).then_some(needed))
}
