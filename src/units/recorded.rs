//! How values that no text format knows are written into a journal: instants and bytes.

/// Instants as signed nanoseconds since a start, for `#[serde(with = "...")]`.
///
/// An [`Instant`](std::time::Instant) means nothing outside its process, so whoever writes or reads one says since
/// when, around the whole record: that way a new field or variant with an instant needs one attribute and no more.
pub mod moment {
    use std::cell::Cell;
    use std::time::{Duration, Instant};

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de, ser};

    thread_local! {
        static START: Cell<Option<Instant>> = const { Cell::new(None) };
    }

    /// Puts back what held before, also when the work panics.
    struct Restore(Option<Instant>);

    impl Drop for Restore {
        fn drop(&mut self) {
            START.set(self.0);
        }
    }

    /// Does some reading or writing with instants counted since `start`.
    pub fn since<T>(start: Instant, work: impl FnOnce() -> T) -> T {
        let _restore = Restore(START.replace(Some(start)));
        work()
    }

    /// Fails outside [`since`], and for what lies centuries away.
    pub fn serialize<S: Serializer>(at: &Instant, serializer: S) -> Result<S::Ok, S::Error> {
        let start = START.get().ok_or_else(|| ser::Error::custom("an instant without a start"))?;
        let nanos = |d: Duration| i64::try_from(d.as_nanos()).map_err(ser::Error::custom);
        match at.checked_duration_since(start) {
            Some(after) => nanos(after)?,
            None => -nanos(start.saturating_duration_since(*at))?,
        }
        .serialize(serializer)
    }

    /// Fails outside [`since`], and for what lies beyond the clock.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Instant, D::Error> {
        let start = START.get().ok_or_else(|| de::Error::custom("an instant without a start"))?;
        let nanos = i64::deserialize(deserializer)?;
        let distance = Duration::from_nanos(nanos.unsigned_abs());
        let at = if nanos < 0 { start.checked_sub(distance) } else { start.checked_add(distance) };
        at.ok_or_else(|| de::Error::custom("an instant beyond the clock"))
    }
}

/// Bytes as hexadecimal digits, for `#[serde(with = "...")]`.
pub mod hex {
    use serde::{Deserialize, Deserializer, Serializer, de};

    /// Two lower-case digits a byte.
    pub fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = String::with_capacity(bytes.len() * 2);
        for nibble in bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]) {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
        serializer.serialize_str(&text)
    }

    /// Fails for anything but an even number of hexadecimal digits.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let digit = |d: u8| char::from(d).to_digit(16).and_then(|n| u8::try_from(n).ok());
        let byte = |[high, low]: &[u8; 2]| Some(digit(*high)? << 4 | digit(*low)?);
        let bytes = pairs.iter().map(byte).collect::<Option<Vec<u8>>>();
        bytes.filter(|_| rest.is_empty()).ok_or_else(|| de::Error::custom("bytes must be pairs of hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests;
