//! Durations as people write them: `250ms`, `2s`, `1m`, `1h`.

use std::time::Duration;

/// Units, longest first; microseconds in each.
const UNITS: [(&str, u64); 6] =
    [("d", 86_400_000_000), ("h", 3_600_000_000), ("m", 60_000_000), ("s", 1_000_000), ("ms", 1_000), ("us", 1)];

/// What people write instead of a unit.
const UNIT_WORDS: [(&str, &str); 22] = [
    ("sec", "s"),
    ("secs", "s"),
    ("second", "s"),
    ("seconds", "s"),
    ("msec", "ms"),
    ("msecs", "ms"),
    ("millis", "ms"),
    ("millisecond", "ms"),
    ("milliseconds", "ms"),
    ("usec", "us"),
    ("µs", "us"),
    ("μs", "us"),
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

/// Reads an integer with a unit.
pub(super) fn parse_duration(text: &str) -> Result<Duration, NotADuration> {
    let split = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(split);
    let micros = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, micros)| *micros);
    match (digits.parse::<u64>(), micros) {
        (Ok(count), Some(micros)) => match count.checked_mul(micros) {
            Some(micros) => Ok(Duration::from_micros(micros)),
            None => Err(NotADuration { why: "too long", meant: None }),
        },
        (Ok(_), None) if unit.is_empty() => Err(NotADuration { why: "no unit", meant: meant(text) }),
        _ if digits.is_empty() => Err(NotADuration { why: "not a number with a unit", meant: None }),
        _ if digits.len() > 19 => Err(NotADuration { why: "too long", meant: None }),
        _ if unit.starts_with('.') => Err(NotADuration { why: "not a whole number", meant: meant(text) }),
        _ => Err(NotADuration { why: "not a number with a unit", meant: meant(text) }),
    }
}

/// The duration that `0.5s`, `2 s`, `5min` or `1` probably mean.
pub(super) fn meant(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, word) = text.split_at(split);
    let word = word.trim();
    let unit = UNIT_WORDS.iter().find(|(from, _)| *from == word).map_or(word, |(_, unit)| *unit);
    let micros_per_unit = UNITS.iter().find(|(name, _)| *name == unit).map(|(_, micros)| *micros)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let fraction = fraction.get(..fraction.len().min(6))?;
    let scale = 10_u64.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let parse = |digits: &str| if digits.is_empty() { Some(0) } else { digits.parse::<u64>().ok() };
    let parts = parse(whole)?.checked_mul(scale)?.checked_add(parse(fraction)?)?;
    let micros = parts.checked_mul(micros_per_unit)?.checked_div(scale)?;
    Some(show_duration(Duration::from_micros(micros)))
}

/// The shortest way to write it.
pub(super) fn show_duration(duration: Duration) -> String {
    let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    if micros == 0 {
        return "0s".to_owned();
    }
    // 10000ms reads worse than 10s, and 90s better than 1m30s.
    let unit = UNITS.iter().find(|(_, unit)| micros.is_multiple_of(*unit));
    unit.map_or_else(|| format!("{micros}us"), |(name, unit)| format!("{}{name}", micros / unit))
}
