//! Durations as people write them: `250ms`, `2s`, `1m`, `1h`. Nothing finer than a millisecond: HAProxy counts in those.

use std::time::Duration;

/// Units, longest first; milliseconds in each.
const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// What people write instead of a unit.
const UNIT_WORDS: [(&str, &str); 19] = [
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("msec", "ms"),
    ("msecs", "ms"),
    ("millis", "ms"),
    ("millisecond", "ms"),
    ("milliseconds", "ms"),
    ("min", "m"),
    ("mins", "m"),
    ("minute", "m"),
    ("minutes", "m"),
    ("hr", "h"),
    ("hour", "h"),
    ("hours", "h"),
    ("day", "d"),
    ("days", "d"),
    ("", "s"),
];

/// A text that is not a duration, and what was probably meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NotADuration {
    pub(super) why: &'static str,
    pub(super) meant: Option<String>,
}

/// Reads a whole number with a unit.
pub(super) fn parse_duration(text: &str) -> Result<Duration, NotADuration> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let millis = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, millis)| *millis);
    let why = match (digits.parse::<u64>(), millis) {
        (Ok(count), Some(millis)) => match count.checked_mul(millis) {
            Some(millis) => return Ok(Duration::from_millis(millis)),
            None => "too long",
        },
        (Ok(_), None) if unit.is_empty() => "no unit",
        (Ok(_), None) if unit.starts_with('.') => "not a whole number",
        (Ok(_), None) => "not one of the units",
        (Err(_), _) if digits.is_empty() => "not a number with a unit",
        (Err(_), _) => "too long",
    };
    Err(NotADuration { why, meant: meant(text) })
}

/// The duration that `0.5s`, `2 s`, `5min` or `1` probably mean.
pub(super) fn meant(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, word) = text.split_at(split);
    let word = word.trim();
    let unit = UNIT_WORDS.iter().find(|(from, _)| *from == word).map_or(word, |(_, unit)| *unit);
    let millis_per_unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, millis)| *millis)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.get(..fraction.len().min(6))?;
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let parse = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
    let parts = parse(whole)?.checked_mul(scale)?.checked_add(parse(fraction)?)?;
    let millis = parts.checked_mul(millis_per_unit)?.checked_div(scale)?;
    (!number.is_empty()).then(|| show_duration(Duration::from_millis(millis)))
}

/// The shortest way to write it: `90s` rather than `1m30s`, which would not be read.
pub(super) fn show_duration(duration: Duration) -> String {
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = UNITS.iter().find(|(_, unit)| millis > 0 && millis.is_multiple_of(*unit));
    unit.map_or_else(|| "0s".to_owned(), |(name, unit)| format!("{}{name}", millis / unit))
}

#[cfg(test)]
mod tests;
