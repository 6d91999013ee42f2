//! The Internet checksum (RFC 1071).

/// One's complement sum of 16-bit words, starting from another; odd lengths are padded with zero.
pub(super) fn sum(start: u16, bytes: &[u8]) -> u16 {
    let (words, rest) = bytes.as_chunks::<2>();
    let tail = rest.first().map_or(0, |last| u32::from(*last) << 8);
    let mut total = words.iter().fold(u32::from(start) + tail, |t, w| t + u32::from(u16::from_be_bytes(*w)));
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    u16::try_from(total).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests;
