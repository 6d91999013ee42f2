//! Who holds a VIP: `prefer` or `priority`, and `preempt`.

use std::collections::BTreeMap;

use super::Cx;
use super::nodes::Nodes;
use crate::config::Preempt;
use crate::config::document::Item;
use crate::config::limits::PREEMPT_DELAY;
use crate::config::problem::Problem;
use crate::config::raw::RawVip;
use crate::config::written::{At, PriorityNumber};
use crate::units::{Name, Priority};

type PerNodePriority = BTreeMap<At<String>, At<PriorityNumber>>;

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
    written: &At<PerNodePriority>,
) -> Option<BTreeMap<Name, Priority>> {
    if written.get().is_empty() && cx.is_whole(&item.at(written)) {
        let problem = Problem::new(item.at(written), "`priority` must not be empty");
        cx.add(problem.fix("write `priority = { lb1 = 200, lb2 = 100 }` with your nodes"));
        return None;
    }
    let one_owner = one_owner(cx, item, written);
    let mut priorities = BTreeMap::new();
    for (node, number) in written.get() {
        let known = nodes.names.resolve(cx, item.at(node), node.get()).is_some();
        if let (true, Ok(node), Ok(priority)) = (known, Name::new(node.get()), Priority::new(number.get().0)) {
            priorities.insert(node, priority);
        }
    }
    // What the shape pass took out was reported, but leaves a hole.
    (one_owner && priorities.len() == written.get().len() && !priorities.is_empty()).then_some(priorities)
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

/// Whether, and after how long, a better node takes the VIP back.
pub(super) fn preempt(cx: &mut Cx<'_>, item: &Item<RawVip>) -> Option<Preempt> {
    let raw = item.raw.get();
    let delay = cx.duration(item.file, "preempt_delay", raw.preempt_delay.as_ref(), PREEMPT_DELAY)?;
    match (&raw.preempt, &raw.preempt_delay) {
        (Some(preempt), Some(written)) if !*preempt.get() => {
            let problem = Problem::new(item.at(written), "`preempt_delay` means nothing with `preempt = false`");
            let problem = problem.label("never used").also(item.at(preempt), "nothing is ever taken back");
            cx.add(problem.fix("remove one of the two"));
            None
        }
        (Some(preempt), _) if !*preempt.get() => Some(Preempt::Refused),
        _ => Some(Preempt::After(delay)),
    }
}

/// An address has one owner (RFC 9568 section 1.7).
fn one_owner(cx: &mut Cx<'_>, item: &Item<RawVip>, written: &At<PerNodePriority>) -> bool {
    let mut owners = written.get().iter().filter(|(_, number)| number.get().0 == 255);
    let (Some((_, first)), Some((node, second))) = (owners.next(), owners.next()) else { return true };
    let problem = Problem::new(item.at(second), "a VIP has one owner (priority 255) at most").label("a second owner");
    let problem = problem.also(item.at(first), "the first");
    cx.add(problem.fix(format!("write `{} = 254`, or less", node.get())));
    false
}
