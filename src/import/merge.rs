//! What several nodes say of the same instance or group, as one; and what is known once all files were read.

use super::hooks::{self, HOOKS};
use super::instance::{Group, Virtual};
use super::keepalived::Directive;
use super::report::{Fate, Report};
use super::write::name_of;
use super::{Gathered, address, track};

/// Adds an instance to that of another node, or keeps it as a new one.
pub(super) fn instance(new: Virtual, block: &Directive, label: &str, all: &mut Gathered, report: &mut Report) {
    let same = |v: &Virtual| v.name == new.name || (v.vrid == new.vrid && v.v6 == new.v6 && v.bare == new.bare);
    let mine = new.priorities.first().map(|(node, _)| node.clone()).unwrap_or_default();
    let twice =
        |v: &Virtual| v.vrid == new.vrid && v.v6 == new.v6 && v.interfaces.iter().any(|i| new.interfaces.contains(i));
    if all.virtuals.iter().any(twice) {
        report.remark(Some(&block.at), label, Fate::Trap, "the same VRID twice on one interface of this node");
    }
    let Gathered { virtuals, interfaces, .. } = all;
    let Some(known) = virtuals.iter_mut().find(|v| same(v) && v.priorities.iter().all(|(node, _)| *node != mine))
    else {
        virtuals.push(new);
        return;
    };
    if known.vrid != new.vrid {
        report.remark(
            Some(&block.at),
            label,
            Fate::Trap,
            "another VRID than on the node before: both would hold the addresses",
        );
    }
    if known.password != new.password {
        report.remark(
            Some(&block.at),
            label,
            Fate::Trap,
            "another password than on the node before: both would hold the addresses",
        );
    }
    if known.bare != new.bare {
        report.remark(
            Some(&block.at),
            label,
            Fate::Trap,
            "other addresses than on the node before; those of the first are taken",
        );
    }
    known.priorities.extend(new.priorities);
    known.interfaces.extend(new.interfaces);
    known.peers.extend(new.peers);
    address::merge(&mut known.addresses, &new.addresses, &block.at, label, report);
    address::merge(&mut known.excluded, &new.excluded, &block.at, label, report);
    if known.routing != new.routing {
        let note = "other routes or rules than on the node before; those of the first are taken";
        report.remark(Some(&block.at), label, Fate::Approximated, note);
    }
    keys(known, new.keys, block, label, report);
    tracks(known, new.tracks, (&mine, interfaces), (block, label), report);
    known.watched.extend(new.watched);
}

/// What another node says of the same instance in single keys.
fn keys(known: &mut Virtual, new: Vec<(String, String)>, block: &Directive, label: &str, report: &mut Report) {
    for (key, written) in known.keys.iter().filter(|(key, _)| !new.iter().any(|(other, _)| other == key)) {
        let note = format!("{key} is {written} on the node before and not written here; it counts for all nodes");
        if key != "auth" {
            report.remark(Some(&block.at), label, Fate::Approximated, &note);
        }
    }
    for (key, written) in new {
        match known.keys.iter().find(|(other, _)| *other == key) {
            None => {
                let note =
                    format!("{key} is {written} here and not written on the node before; it counts for all nodes");
                if key != "auth" {
                    report.remark(Some(&block.at), label, Fate::Approximated, &note);
                }
                known.keys.push((key, written));
            }
            Some((_, other)) if *other != written && key != "auth" => {
                let note = format!("{key} is {other} on the node before and {written} here; the first is taken");
                report.remark(Some(&block.at), label, Fate::Approximated, &note);
            }
            Some(_) => (),
        }
    }
}

/// What another node tracks for the same instance.
fn tracks(
    known: &mut Virtual,
    new: Vec<(String, i32, bool)>,
    (node, interfaces): (&str, &mut [track::Link]),
    (block, label): (&Directive, &str),
    report: &mut Report,
) {
    let mut one_sided = |name: &str, where_: &str| {
        let note =
            format!("{name} is tracked {where_}, and otherwise or not at all on the other; it counts for all nodes");
        report.remark(Some(&block.at), label, Fate::Approximated, &note);
    };
    let only_here: Vec<_> = new.iter().filter(|track| !known.tracks.contains(track)).cloned().collect();
    let mut only_before: Vec<_> = known.tracks.iter().filter(|track| !new.contains(track)).cloned().collect();
    for track in only_here {
        let (name, weight, reverse) = &track;
        let twin = only_before
            .iter()
            .position(|(old, w, r)| w == weight && r == reverse && track::join(interfaces, old, name, node));
        match twin {
            Some(number) => drop(only_before.remove(number)),
            None => {
                one_sided(name, "here");
                if !known.tracks.iter().any(|(other, ..)| other == name) {
                    known.tracks.push(track);
                }
            }
        }
    }
    for (name, ..) in only_before {
        one_sided(&name, "on the node before");
    }
}

/// Reads a sync group.
pub(super) fn group(block: &Directive, node: &str, all: &mut Gathered, report: &mut Report) {
    let label = format!("vrrp_sync_group {}", block.word(1));
    let mut group = Group { name: name_of(block.word(1), "group"), ..Group::default() };
    for directive in block.inside() {
        match directive.keyword() {
            "group" => {
                let members = directive.inside().iter().flat_map(|d| &d.words);
                group.members.extend(members.map(|name| name_of(name, "vip")));
                report.add(directive, &label, Fate::Mapped, "group.vips");
            }
            keyword if HOOKS.contains(&keyword) => {
                hooks::read(directive, &label, "group", &mut group.keys, all, report);
            }
            "track_script" | "track_process" | "track_file" | "track_interface" => {
                let Group { tracks, watched, .. } = &mut group;
                let around = track::Around { label: &label, node, interface: "" };
                track::read(directive, around, (tracks, watched), all, report);
            }
            "smtp_alert" => all.mail.alert(directive, &label),
            "global_tracking" | "sync_group_tracking_weight" => {
                let note = "weights count for each VIP, and the VIPs of a group move together in any case";
                report.add(directive, &label, Fate::Approximated, note);
            }
            _ => report.add(directive, &label, Fate::Dropped, "a [[group]] has nothing like it"),
        }
    }
    match all.groups.iter().find(|known| known.name == group.name) {
        None => all.groups.push(group),
        Some(first) if *first != group => {
            let note = "it is not the same on the node before; that one is taken";
            report.remark(Some(&block.at), &label, Fate::Approximated, note);
        }
        Some(_) => {}
    }
}

/// What is known once all files were read: weights that never move anything, and addresses to fill in.
pub(super) fn settle(all: &mut Gathered, report: &mut Report) {
    let Gathered { virtuals, groups, .. } = all;
    for group in groups.iter() {
        if group.members.len() < 2 {
            let note = "it has less than two members in `group`, so that nothing moves together";
            report.remark(None, &format!("vrrp_sync_group {}", group.name), Fate::Dropped, note);
        }
        for vip in virtuals.iter_mut().filter(|vip| group.members.contains(&vip.name)) {
            let new = group.tracks.iter().filter(|(name, ..)| !vip.tracks.iter().any(|(other, ..)| other == name));
            let new: Vec<_> = new.cloned().collect();
            vip.tracks.extend(new);
            vip.watched.extend(group.watched.iter().cloned());
        }
    }
    for vip in &mut all.virtuals {
        let stays = vip.keys.iter().any(|(key, _)| key == "preempt");
        if stays && vip.keys.iter().any(|(key, _)| key == "preempt_delay") {
            vip.keys.retain(|(key, _)| key != "preempt_delay");
            let note = "preempt_delay means nothing with nopreempt, in keepalived either: it is left out";
            report.remark(None, &vip.name, Fate::Trap, note);
        }
        if vip.priorities.len() < 2 {
            report.fill_in.push(format!("{}: only one node has it; give the files of the others too", vip.name));
        }
        let mut ranks: Vec<i32> = vip.priorities.iter().map(|(_, priority)| *priority).collect();
        ranks.sort_unstable_by(|a, b| b.cmp(a));
        let (Some(top), Some(next)) = (ranks.first(), ranks.get(1)) else { continue };
        let mut seen: Vec<&str> = Vec::new();
        for (script, weight) in &vip.watched {
            if seen.contains(&script.as_str()) {
                continue;
            }
            seen.push(script);
            // While it fails on the holder alone: a negative weight lowers the holder, a positive one lifts the other.
            let (holder, other) =
                if *weight < 0 { (top.saturating_add(*weight), *next) } else { (*top, next.saturating_add(*weight)) };
            if *weight != 0 && holder >= other {
                let note = format!(
                    "weight {weight} never moves it: {holder} of the holder is not below {other} of the other node. \
                     vipkeeper gives the VIP up whatever the priorities"
                );
                report.remark(None, &format!("{}: {script}", vip.name), Fate::Trap, &note);
            }
        }
    }
}
