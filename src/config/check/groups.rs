//! `[[group]]`: VIPs that are always in one state, and circles of VIPs that wait for each other.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cx, Names, at_most, hooks};
use crate::config::document::Item;
use crate::config::limits::GROUPS_MAX;
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawGroup, RawTracker};
use crate::config::written::At;
use crate::config::{GroupConfig, Tracker, TrackerKind, VipConfig};
use crate::units::{Name, Priority};

/// All groups; `vips` are those without problems. None if something was reported.
pub(super) fn check<V>(
    cx: &mut Cx<'_>,
    items: &[Item<RawGroup>],
    names: &Names<V>,
    vips: &[VipConfig],
) -> Option<Vec<GroupConfig>> {
    at_most(cx, items, GROUPS_MAX, "[[group]]");
    let by_name: BTreeMap<&str, &VipConfig> = vips.iter().map(|vip| (vip.name.as_str(), vip)).collect();
    let mut own_names: Names<()> = Names::new(cx, "[[group]]", items);
    let mut taken: BTreeMap<&str, Place> = BTreeMap::new();
    let mut groups = Vec::new();
    for item in items {
        let raw = item.raw.get();
        let name = own_names.define(cx, item, raw.name.as_ref(), ());
        let members = members(cx, item, names, &mut taken);
        if let Some(members) = &members {
            same_order(cx, item, members, &by_name);
        }
        let hooks = hooks::of_group(cx, item);
        let vips = members.and_then(|list| list.iter().map(|name| Name::new(name.get()).ok()).collect());
        groups.push(name.zip(vips).map(|(name, vips)| GroupConfig { name, vips, hooks }));
    }
    groups.into_iter().collect()
}

fn members<'a, V>(
    cx: &mut Cx<'_>,
    item: &'a Item<RawGroup>,
    names: &Names<V>,
    taken: &mut BTreeMap<&'a str, Place>,
) -> Option<&'a [At<String>]> {
    let written = item.raw.get().vips.as_ref()?;
    let list = &written.get().0;
    let mut whole = true;
    for member in list {
        let place = item.at(member);
        whole &= names.resolve(cx, place.clone(), member.get()).is_some();
        if let Some(first) = taken.get(member.get().as_str()) {
            let problem = Problem::new(place, format!("VIP {:?} is in a group already", member.get()));
            let problem = problem.label("used again").also(first.clone(), "first used here");
            cx.add(problem.fix("name each VIP once in all groups; VIPs that belong together make one group"));
            whole = false;
        } else {
            taken.insert(member.get(), place);
        }
    }
    if list.len() < 2 {
        let problem = Problem::new(item.at(written), "a group has at least two VIPs").label("one alone");
        cx.add(problem.fix("add another VIP, or remove the [[group]]"));
        whole = false;
    }
    whole.then_some(list)
}

/// The nodes of a VIP, the best first; those of equal priority together.
fn order(vip: &VipConfig) -> Vec<BTreeSet<&Name>> {
    let mut ranks: BTreeMap<Priority, BTreeSet<&Name>> = BTreeMap::new();
    for (node, priority) in &vip.priorities {
        ranks.entry(*priority).or_default().insert(node);
    }
    ranks.into_values().rev().collect()
}

fn show(order: &[BTreeSet<&Name>]) -> String {
    let ranks = order.iter().map(|rank| rank.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(" = "));
    ranks.collect::<Vec<_>>().join(", ")
}

/// Members that want to be on different nodes would pull each other to and fro.
fn same_order(cx: &mut Cx<'_>, item: &Item<RawGroup>, members: &[At<String>], vips: &BTreeMap<&str, &VipConfig>) {
    let mut known = members.iter().filter_map(|member| vips.get(member.get().as_str()).map(|vip| (member, order(vip))));
    let Some((first, wanted)) = known.next() else { return };
    for (member, order) in known.filter(|(_, order)| *order != wanted) {
        let rule = "the VIPs of a group must have the same nodes in the same order";
        let problem = Problem::new(item.at(member), rule).label(format!("held by {}", show(&order)));
        let problem = problem.also(item.at(first), format!("held by {}", show(&wanted)));
        cx.add(problem.fix("write the same `prefer` in both [[vip]]"));
    }
}

/// VIPs that wait for each other, so that none of them comes: `vip` trackers in a circle, also through a group.
pub(super) fn no_circles(
    cx: &mut Cx<'_>,
    items: &[Item<RawTracker>],
    vips: &[VipConfig],
    groups: &[GroupConfig],
    trackers: &[Tracker],
) {
    let group_of: BTreeMap<&Name, &Name> =
        groups.iter().flat_map(|group| group.vips.iter().map(|vip| (vip, &group.name))).collect();
    // A group is one thing: its members come and go together.
    let knot = |vip: &Name| group_of.get(vip).map_or_else(|| format!("VIP {vip}"), |group| format!("group {group}"));
    let watched: BTreeMap<&Name, &Name> = trackers
        .iter()
        .filter_map(|tracker| match &tracker.kind {
            TrackerKind::Vip { vip } => Some((&tracker.name, vip)),
            TrackerKind::Backend { .. }
            | TrackerKind::Saturation { .. }
            | TrackerKind::Queue { .. }
            | TrackerKind::Interface(_)
            | TrackerKind::Script { .. }
            | TrackerKind::File { .. }
            | TrackerKind::Tcp { .. }
            | TrackerKind::Http { .. }
            | TrackerKind::Ping { .. } => None,
        })
        .collect();
    let mut edges: BTreeMap<String, BTreeMap<String, &Name>> = BTreeMap::new();
    for vip in vips {
        for track in &vip.track {
            if let Some(other) = watched.get(&track.tracker) {
                edges.entry(knot(&vip.name)).or_default().insert(knot(other), &track.tracker);
            }
        }
    }
    // What waits for nothing that waits itself is in no circle.
    loop {
        let waiting: BTreeSet<String> = edges.keys().cloned().collect();
        edges.values_mut().for_each(|to| to.retain(|knot, _| waiting.contains(knot)));
        let before = edges.len();
        edges.retain(|_, to| !to.is_empty());
        if edges.len() == before {
            break;
        }
    }
    let Some((path, tracker)) = circle(&edges) else { return };
    let item = items.iter().find(|item| item.raw.get().name.as_ref().is_some_and(|name| *name.get() == tracker));
    let Some((item, written)) = item.and_then(|item| item.raw.get().vip.as_ref().map(|vip| (item, vip))) else {
        return;
    };
    let problem = Problem::new(item.at(written), "VIPs must not track each other in a circle").label("closes a circle");
    cx.add(problem.note(path.join(" tracks ")).fix("leave one of them out of `track`"));
}

/// Follows the first edge of each until something comes again. Every key has one that leads to a key.
fn circle(edges: &BTreeMap<String, BTreeMap<String, &Name>>) -> Option<(Vec<String>, String)> {
    let mut path: Vec<String> = vec![edges.keys().next()?.clone()];
    loop {
        let (next, tracker) = edges.get(path.last()?)?.iter().next()?;
        if let Some(start) = path.iter().position(|knot| knot == next) {
            path.drain(..start);
            path.push(next.clone());
            return Some((path, tracker.to_string()));
        }
        path.push(next.clone());
    }
}
