//! `track` of `[[vip]]`: which trackers, and weights that can really move it.

use std::collections::BTreeMap;

use super::trackers::Trackers;
use super::{Cx, Names};
use crate::config::document::Item;
use crate::config::problem::{Place, Problem};
use crate::config::proof::{self, Effect, Share};
use crate::config::raw::{RawTrack, RawVip};
use crate::config::written::At;
use crate::config::{Preempt, Track};
use crate::units::{Name, Priority};

/// What the weights of a VIP work on.
pub(super) struct Election<'a> {
    pub(super) priorities: Option<&'a BTreeMap<Name, Priority>>,
    pub(super) preempt: Option<Preempt>,
}

/// The entries, each proven able to move the VIP.
pub(super) fn track<B>(
    cx: &mut Cx<'_>,
    item: &Item<RawVip>,
    election: &Election<'_>,
    trackers: &mut Trackers,
    backends: &Names<B>,
) -> Option<Vec<Track>> {
    let Some(list) = item.raw.get().track.as_ref() else { return Some(Vec::new()) };
    let mut tracks = Vec::new();
    let mut first: BTreeMap<&str, &At<String>> = BTreeMap::new();
    for entry in list.get() {
        let RawTrack { tracker, backend, weight, reverse } = entry.get();
        let (what, written) = match (tracker, backend) {
            (Some(tracker), None) => ("tracker", tracker),
            (None, Some(backend)) => ("backend", backend),
            (Some(_), Some(backend)) => {
                let problem = Problem::new(item.at(backend), "an entry of `track` has either `tracker` or `backend`");
                cx.add(problem.label("one too many").fix("write two entries"));
                return None;
            }
            (None, None) => {
                neither(cx, item, entry);
                return None;
            }
        };
        if let Some(first) = first.insert(written.get(), written) {
            let problem = Problem::new(item.at(written), format!("{what} {:?} is tracked twice", written.get()));
            cx.add(problem.label("used again").also(item.at(first), "first used here").fix("keep one of them"));
        }
        let multiplied = if tracker.is_some() {
            trackers.resolve(cx, item.at(written), written.get())
        } else {
            backends.resolve(cx, item.at(written), written.get());
            trackers.backend(cx, item.at(written), written.get());
            Some(false)
        };
        let number = weight.as_ref().map_or(Some(0), |weight| i32::try_from(*weight.get()).ok());
        let reverse = reverse.as_ref().is_some_and(|reverse| *reverse.get());
        let track =
            Name::new(written.get()).ok().zip(number).map(|(tracker, weight)| Track { tracker, weight, reverse });
        tracks.push((entry, track, multiplied));
    }
    // A weight that was taken out for its shape counts for nothing here, which would only be told again.
    if tracks
        .iter()
        .all(|(entry, track, multiplied)| cx.is_whole(&item.at(entry)) && track.is_some() && multiplied.is_some())
    {
        can_move(cx, item, election, &tracks);
    }
    tracks.into_iter().map(|(_, track, _)| track).collect()
}

fn neither(cx: &mut Cx<'_>, item: &Item<RawVip>, entry: &At<RawTrack>) {
    if cx.is_whole(&item.at(entry)) {
        let problem = Problem::new(item.at(entry), "an entry of `track` needs `tracker` or `backend`");
        cx.add(problem.label("nothing is tracked").fix("add `tracker = \"gateway\"` with the name of a [[tracker]]"));
    }
}

type Written<'a> = (&'a At<RawTrack>, Option<Track>, Option<bool>);

/// Reports weights that could never move the VIP.
fn can_move(cx: &mut Cx<'_>, item: &Item<RawVip>, election: &Election<'_>, tracks: &[Written<'_>]) {
    let shares: Vec<Share> = tracks
        .iter()
        .filter_map(|(_, track, multiplied)| {
            let track = track.as_ref()?;
            let multiplied = (*multiplied)?;
            Some(Share { weight: track.weight, reverse: track.reverse, multiplied })
        })
        .collect();
    let places = tracks.iter().map(|(entry, _, _)| entry.get().weight.as_ref().map(|weight| item.at(weight)));
    let weighty: Vec<(usize, Place)> =
        places.enumerate().filter_map(|(index, place)| place.map(|place| (index, place))).collect();
    let nonzero = |index: &usize| shares.get(*index).is_some_and(|share| share.weight != 0);
    let Some((_, first)) = weighty.iter().find(|(index, _)| nonzero(index)) else { return };
    if election.preempt == Some(Preempt::Refused) {
        return never_preempts(cx, item, first.clone());
    }
    let Some(priorities) = election.priorities else { return };
    if priorities.len() < 2 {
        let problem = Problem::new(first.clone(), "a weight cannot move a VIP that has one node");
        cx.add(problem.label("changes nothing").fix("remove `track`, or add a node to `prefer`"));
        return;
    }
    if let Some((better, other, sum)) = proof::order_lost(priorities, &shares) {
        let (bound, side) = if sum > 0 { (254, "at most") } else { (1, "at least") };
        let rule = format!("with this weight no order is left between \"{better}\" and \"{other}\"");
        let note = format!("while all is well both have {bound}: a priority and its weights is {side} {bound}");
        let away = if sum > 0 {
            format!("{} or less", 254_i32.saturating_sub(sum))
        } else {
            format!("{} or more", 1_i32.saturating_sub(sum))
        };
        let fix = format!("write `priority` with numbers that leave room: {away}");
        cx.add(Problem::new(first.clone(), rule).label("too much").note(note).fix(fix));
        return;
    }
    let effects = proof::judge(priorities, &shares);
    let never = |effect: &Effect| matches!(effect, Effect::Never { .. });
    let of_weights = || effects.iter().filter(|effect| !matches!(effect, Effect::Abstains));
    if of_weights().count() > 1 && of_weights().all(never) {
        let (arithmetic, enough) = proof::shortfall_of_all(priorities, &shares);
        let rule = "all weights together can never move the VIP";
        cx.add(too_small(first.clone(), rule, arithmetic, enough, priorities));
        return;
    }
    let rule = if of_weights().count() > 1 {
        "this weight can never move the VIP, neither alone nor with the others"
    } else {
        "this weight can never move the VIP"
    };
    for (index, place) in weighty {
        if let Some(Effect::Never { arithmetic, enough }) = effects.get(index) {
            cx.add(too_small(place, rule, arithmetic.clone(), *enough, priorities));
        }
    }
}

fn too_small(
    place: Place,
    rule: &str,
    arithmetic: String,
    enough: Option<i32>,
    priorities: &BTreeMap<Name, Priority>,
) -> Problem {
    let fix = match enough {
        Some(enough) if enough > 0 => format!("use {enough} or more"),
        Some(enough) => format!("use {enough} or less"),
        None => unreachable_by_weight(priorities),
    };
    Problem::new(place, rule).label("too small").note(arithmetic).fix(fix)
}

/// What to change where no weight would do.
fn unreachable_by_weight(priorities: &BTreeMap<Name, Priority>) -> String {
    let mut ranked: Vec<(&Name, &Priority)> = priorities.iter().collect();
    ranked.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    match ranked.as_slice() {
        [(owner, priority), ..] if priority.is_owner() => {
            format!("give \"{owner}\" a priority of 254 or less: no weight moves an owner (255)")
        }
        [_, (next, _), ..] => format!("raise the priority of \"{next}\": the lowest that a weight can reach is 1"),
        _ => "remove `track`".to_owned(),
    }
}

fn never_preempts(cx: &mut Cx<'_>, item: &Item<RawVip>, weight: Place) {
    let problem = Problem::new(weight, "with `preempt = false` no weight can move a VIP").label("changes nothing");
    let problem = match item.raw.get().preempt.as_ref() {
        Some(refused) => problem.also(item.at(refused), "a live holder keeps it, whatever its priority"),
        None => problem,
    };
    cx.add(
        problem.fix("set `preempt = true`, or use weight 0: then a node gives the VIP up while the tracker is failed"),
    );
}
