//! What a tracker does to the VIP that uses it.

use crate::config::{Track, TrackerKind};
use crate::track::{Hold, Machine, Verdict};

/// The largest weight, and the most that the number of a file may add or take.
const WEIGHT_MAX: i64 = 253;

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Contribution {
    /// The priority stays.
    None,
    /// Added to the priority, with the reason in few words.
    Weight(String, i32),
    /// The node stays out of the election, for this reason.
    Abstain(String),
}

impl Contribution {
    /// What `machine` means to the VIP that says `track`.
    pub fn of(machine: &Machine, track: &Track) -> Self {
        let name = &track.tracker;
        let tally = machine.tally();
        let good = match tally.verdict() {
            Verdict::Pending(Hold::Out) if track.weight == 0 => {
                return Self::Abstain(format!("tracker {name} has not been looked at yet"));
            }
            Verdict::Pending(Hold::Out | Hold::In) => return Self::None,
            Verdict::Good => match tally.value() {
                Some(value) if track.weight != 0 => return multiplied(track, value),
                // 0 is good, any other number is not.
                value => value.unwrap_or(0) == 0,
            },
            Verdict::Failed { .. } => false,
        };
        let counts_as_good = good != track.reverse;
        match (track.weight, counts_as_good) {
            (0, true) => Self::None,
            (0, false) => Self::Abstain(reason(machine, track)),
            (weight @ ..0, false) | (weight @ 1.., true) => Self::Weight(brief(machine, track), weight),
            (..0, true) | (1.., false) => Self::None,
        }
    }
}

/// The number of a file times the weight.
fn multiplied(track: &Track, value: i64) -> Contribution {
    let weight = if track.reverse { -i64::from(track.weight) } else { i64::from(track.weight) };
    let product = value.saturating_mul(weight).clamp(-WEIGHT_MAX, WEIGHT_MAX);
    match i32::try_from(product) {
        Ok(0) | Err(_) => Contribution::None,
        Ok(product) => Contribution::Weight(format!("tracker {} is {value}", track.tracker), product),
    }
}

/// Why the node abstains.
fn reason(machine: &Machine, track: &Track) -> String {
    let name = &track.tracker;
    match (machine.tally().verdict(), machine.tally().value()) {
        (Verdict::Failed { why }, _) => format!("tracker {name} failed: {why}"),
        (Verdict::Good | Verdict::Pending(_), Some(value)) if value != 0 => format!("tracker {name} is {value}"),
        (Verdict::Good | Verdict::Pending(_), _) => {
            format!("tracker {name} is good, which here counts as failed (`reverse`)")
        }
    }
}

/// What stands beside the weight.
fn brief(machine: &Machine, track: &Track) -> String {
    let name = &track.tracker;
    match (machine.tally().verdict(), &machine.config().kind) {
        // Its reason is short, and has the name of the backend in it.
        (Verdict::Failed { why }, TrackerKind::Backend { .. } | TrackerKind::Queue { .. }) => why.clone(),
        (Verdict::Failed { .. }, _) => format!("tracker {name} failed"),
        (Verdict::Good | Verdict::Pending(_), _) => format!("tracker {name} is good"),
    }
}
