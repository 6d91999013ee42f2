//! What the weights of a VIP can do, shown by arithmetic before anything has failed.
//!
//! Each node adds up what its own trackers contribute, so for one entry every combination of good and failed on any two
//! nodes is possible. Nothing here knows where an entry was written.

use std::collections::BTreeMap;

use super::{Tracker, TrackerKind, VipConfig};
use crate::units::{Name, Priority};

/// What one entry of `track` can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Weight 0: a node where it is failed does not hold the VIP at all.
    Abstains,
    /// It alone can put one node behind another. The arithmetic of the first two of which this is so.
    Alone(String),
    /// It can, when others are failed too. The arithmetic.
    Together(String),
    /// It never can.
    Never {
        /// The arithmetic of the two best nodes.
        arithmetic: String,
        /// The weight that would be enough, if there is one.
        enough: Option<i32>,
    },
}

/// How one entry contributes to the priority of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Share {
    pub(super) weight: i32,
    pub(super) reverse: bool,
    /// The weight is multiplied with the number in a file.
    pub(super) multiplied: bool,
}

/// Numbers in a file beyond this move no priority that a smaller one does not: the weight is at least 1.
const NUMBER_MAX: i32 = 254;

impl Share {
    /// What is added while all is well.
    fn good(self) -> i32 {
        if !self.multiplied && (self.weight > 0) != self.reverse { self.weight } else { 0 }
    }

    /// What is added while it is failed: for a file, with the number that takes `factor` weights from the priority.
    fn failed(self, factor: i32) -> i32 {
        match (self.multiplied, (self.weight > 0) != self.reverse) {
            (true, _) => self.weight.abs().saturating_mul(factor).saturating_neg(),
            (false, true) => 0,
            (false, false) => self.weight,
        }
    }

    /// Everything that it can add.
    fn all(self) -> Vec<i32> {
        if self.multiplied {
            (-NUMBER_MAX..=NUMBER_MAX).map(|number| self.weight.saturating_mul(number)).collect()
        } else {
            vec![0, self.weight]
        }
    }
}

/// A node, with its base priority and that which it has while all is well.
#[derive(Debug, Clone, Copy)]
struct Ranked<'a> {
    name: &'a Name,
    base: Priority,
    well: i32,
}

impl Ranked<'_> {
    fn with(&self, sum: i32) -> i32 {
        i32::from(self.base.weighted(sum).get())
    }
}

fn ranked<'a>(priorities: &'a BTreeMap<Name, Priority>, shares: &[Share]) -> Vec<Ranked<'a>> {
    let sum = total(shares, Share::good);
    let of =
        |(name, base): (&'a Name, &Priority)| Ranked { name, base: *base, well: i32::from(base.weighted(sum).get()) };
    let mut nodes: Vec<Ranked<'a>> = priorities.iter().map(of).collect();
    nodes.sort_by(|a, b| b.well.cmp(&a.well).then(b.base.cmp(&a.base)).then(a.name.cmp(b.name)));
    nodes
}

fn total(shares: &[Share], what: impl Fn(Share) -> i32) -> i32 {
    shares.iter().fold(0, |sum, share| sum.saturating_add(what(*share)))
}

/// Two nodes that the bounds of a priority make equal while all is well, though the configuration ranks them: the better
/// first, then the other, and the sum of the weights.
pub(super) fn order_lost<'a>(
    priorities: &'a BTreeMap<Name, Priority>,
    shares: &[Share],
) -> Option<(&'a Name, &'a Name, i32)> {
    let nodes = ranked(priorities, shares);
    let lost = nodes.windows(2).find_map(|two| match two {
        [a, b] if a.well == b.well && a.base != b.base => Some((a.name, b.name)),
        _ => None,
    });
    lost.map(|(a, b)| (a, b, total(shares, Share::good)))
}

/// What each entry of `track` of a VIP can do, in their order.
pub fn effects(vip: &VipConfig, trackers: &[Tracker]) -> Vec<Effect> {
    let share = |track: &super::Track| {
        let tracker = trackers.iter().find(|tracker| tracker.name == track.tracker);
        let multiplied = tracker.is_some_and(|tracker| matches!(tracker.kind, TrackerKind::File { .. }));
        Share { weight: track.weight, reverse: track.reverse, multiplied }
    };
    let shares: Vec<Share> = vip.track.iter().map(share).collect();
    judge(&vip.priorities, &shares)
}

pub(super) fn judge(priorities: &BTreeMap<Name, Priority>, shares: &[Share]) -> Vec<Effect> {
    let nodes = ranked(priorities, shares);
    let one = |(index, share): (usize, &Share)| {
        if share.weight == 0 {
            return Effect::Abstains;
        }
        if let Some(arithmetic) = alone(&nodes, shares, *share) {
            return Effect::Alone(arithmetic);
        }
        let others: Vec<Share> =
            shares.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, share)| *share).collect();
        if decides(&nodes, &others, *share) {
            return Effect::Together(together(&nodes, shares, *share));
        }
        let (arithmetic, enough) = shortfall(&nodes, shares, share.failed(1).saturating_sub(share.good()));
        let enough = enough.map(|enough| if share.weight > 0 { enough.saturating_neg() } else { enough });
        Effect::Never { arithmetic, enough }
    };
    shares.iter().enumerate().map(one).collect()
}

/// Why even all weights together do not suffice.
pub(super) fn shortfall_of_all(priorities: &BTreeMap<Name, Priority>, shares: &[Share]) -> (String, Option<i32>) {
    let nodes = ranked(priorities, shares);
    let change = total(shares, |share| share.failed(1).min(share.good()).saturating_sub(share.good()));
    shortfall(&nodes, shares, change)
}

/// Pairs in which the first is not behind the second while all is well; an owner is never overtaken.
fn pairs<'a, 'n>(nodes: &'a [Ranked<'n>]) -> impl Iterator<Item = (&'a Ranked<'n>, &'a Ranked<'n>)> {
    nodes
        .iter()
        .enumerate()
        .filter(|(_, high)| !high.base.is_owner())
        .flat_map(move |(index, high)| nodes.iter().skip(index.saturating_add(1)).map(move |low| (high, low)))
}

/// The arithmetic with which this entry, all others being well, puts a node behind another.
fn alone(nodes: &[Ranked<'_>], shares: &[Share], share: Share) -> Option<String> {
    let well = total(shares, Share::good);
    let factors = 1..=if share.multiplied { NUMBER_MAX } else { 1 };
    factors.into_iter().find_map(|factor| {
        let change = share.failed(factor).saturating_sub(share.good());
        let sum = well.saturating_add(change);
        let number =
            if share.multiplied { format!("with {} in the file: ", number(share, factor)) } else { String::new() };
        pairs(nodes).find_map(|(high, low)| {
            let (down, up) = (high.with(sum), low.with(sum));
            if down < low.well {
                let (from, by) = (high.well, high.well.saturating_sub(down));
                return Some(format!("{number}{from} - {by} = {down} of {} < {} of {}", high.name, low.well, low.name));
            }
            (up > high.well).then(|| {
                let (from, by) = (low.well, up.saturating_sub(low.well));
                format!("{number}{from} + {by} = {up} of {} > {} of {}", low.name, high.well, high.name)
            })
        })
    })
}

/// The number that takes `factor` weights from the priority.
fn number(share: Share, factor: i32) -> i32 {
    if share.weight > 0 { factor.saturating_neg() } else { factor }
}

/// Whether there is any state of the other entries, on any two nodes, in which this entry decides who is ahead.
fn decides(nodes: &[Ranked<'_>], others: &[Share], share: Share) -> bool {
    let sums = sums(others);
    pairs(nodes).any(|(high, low)| {
        overtakes(high, low, &sums, share) || (high.well == low.well && overtakes(low, high, &sums, share))
    })
}

/// Whether a change of this entry alone, on either of the two, takes `high` from level or ahead to behind `low`.
fn overtakes(high: &Ranked<'_>, low: &Ranked<'_>, sums: &[i32], share: Share) -> bool {
    let all = share.all();
    let range = |node: &Ranked<'_>, sum: i32| {
        let values = all.iter().map(|one| node.with(sum.saturating_add(*one)));
        values.fold((i32::MAX, i32::MIN), |(least, most), value| (least.min(value), most.max(value)))
    };
    let ranges = |node: &Ranked<'_>| sums.iter().map(|sum| range(node, *sum)).collect::<Vec<_>>();
    let (highs, lows) = (ranges(high), ranges(low));
    let values = |node: &Ranked<'_>| {
        let mut found = [false; 256];
        for value in sums.iter().flat_map(|sum| all.iter().map(|one| node.with(sum.saturating_add(*one)))) {
            if let Some(slot) = usize::try_from(value).ok().and_then(|value| found.get_mut(value)) {
                *slot = true;
            }
        }
        found
    };
    let (high_values, low_values) = (values(high), values(low));
    let within = |found: &[bool; 256], from: i32, to: i32| {
        (from..=to).any(|value| usize::try_from(value).ok().and_then(|value| found.get(value)) == Some(&true))
    };
    highs.iter().any(|(least, most)| within(&low_values, least.saturating_add(1), *most))
        || lows.iter().any(|(least, most)| within(&high_values, *least, most.saturating_sub(1)))
}

/// Every sum that these entries can add up to, as far as it matters: further away the priority is at a bound whatever
/// one more entry adds.
fn sums(shares: &[Share]) -> Vec<i32> {
    let reach = shares.iter().filter(|share| !share.multiplied).map(|share| share.weight.abs());
    let far = reach.fold(2 * NUMBER_MAX, i32::saturating_add);
    let zero = usize::try_from(far).unwrap_or(0);
    let mut reached: Vec<bool> = (-far..=far).map(|sum| sum == 0).collect();
    for share in shares.iter().filter(|share| share.weight != 0) {
        let by = usize::try_from(share.weight.unsigned_abs()).unwrap_or(zero);
        if share.multiplied {
            // Any number of steps to either side: all that is as far from the one as a multiple of the weight.
            for first in 0..by {
                if reached.iter().skip(first).step_by(by).any(|reached| *reached) {
                    reached.iter_mut().skip(first).step_by(by).for_each(|reached| *reached = true);
                }
            }
            continue;
        }
        let before = reached.clone();
        if share.weight > 0 {
            reached.iter_mut().skip(by).zip(&before).for_each(|(to, from)| *to |= *from);
        } else {
            reached.iter_mut().zip(before.iter().skip(by)).for_each(|(to, from)| *to |= *from);
        }
    }
    (-far..=far).zip(reached).filter(|(_, reached)| *reached).map(|(sum, _)| sum).collect()
}

/// Why one entry needs others.
fn together(nodes: &[Ranked<'_>], shares: &[Share], share: Share) -> String {
    let well = total(shares, Share::good);
    let worst = total(shares, |share| share.all().into_iter().min().unwrap_or(0));
    let (own, _) = shortfall(nodes, shares, share.failed(1).saturating_sub(share.good()));
    let bottom = pairs(nodes)
        .map(|(high, low)| (high.with(worst.min(well)), high, low))
        .find(|(least, _, low)| *least < low.well);
    match bottom {
        Some((least, high, low)) => {
            format!("{own}; with the others {least} of {} < {} of {}", high.name, low.well, low.name)
        }
        None => own,
    }
}

/// Why the better of two nodes stays ahead when this is added to its priority, and the weight that would do.
fn shortfall(nodes: &[Ranked<'_>], shares: &[Share], change: i32) -> (String, Option<i32>) {
    let Some((high, low)) = pairs(nodes).next() else {
        let owner = nodes.iter().find(|node| node.base.is_owner());
        return (owner.map_or_else(String::new, |o| format!("{} has 255 and owns the address", o.name)), None);
    };
    let down = high.with(total(shares, Share::good).saturating_add(change.min(0)));
    let relation = if down == low.well { "no lower than" } else { "still above" };
    let by = high.well.saturating_sub(down);
    let text =
        format!("{} - {by} = {down} of \"{}\" is {relation} {} of \"{}\"", high.well, high.name, low.well, low.name);
    let enough = low.well.saturating_sub(high.well).saturating_sub(1);
    (text, (low.well > 1 && enough >= -253).then_some(enough))
}

#[cfg(test)]
mod tests;
