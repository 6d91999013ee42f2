//! Values of `haproxy.cfg` in vipkeeper's words, each within the range that vipkeeper takes.

use std::net::{IpAddr, Ipv6Addr};

use crate::import::write::quoted;

/// 24 days in milliseconds: what HAProxy's timeouts can be.
pub(super) const DAYS_24: u64 = 24 * 86_400_000;
/// An hour in milliseconds.
pub(super) const HOUR: u64 = 3_600_000;
/// Connections and the like.
pub(super) const COUNT_MAX: u64 = 100_000_000;

/// A time with HAProxy's unit, or in `unit` ("ms", "s"), as milliseconds.
pub(super) fn milliseconds(text: &str, unit: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, own) = text.split_at_checked(digits)?;
    let number: u64 = number.parse().ok()?;
    match if own.is_empty() { unit } else { own } {
        "us" => Some(number.div_ceil(1_000)),
        "ms" => Some(number),
        "s" => number.checked_mul(1_000),
        "m" => number.checked_mul(60_000),
        "h" => number.checked_mul(3_600_000),
        "d" => number.checked_mul(86_400_000),
        _ => None,
    }
}

/// A time in quotes, if it is from `min` to `max` milliseconds.
pub(super) fn time(text: &str, unit: &str, min: u64, max: u64) -> Option<String> {
    let ms = milliseconds(text, unit).filter(|ms| (min..=max).contains(ms))?;
    Some(match (ms % 60_000, ms % 1_000) {
        (0, _) if ms > 60_000 => format!("\"{}m\"", ms / 60_000),
        (_, 0) => format!("\"{}s\"", ms / 1_000),
        (_, _) => format!("\"{ms}ms\""),
    })
}

/// A whole number within bounds.
pub(super) fn number(text: &str, min: u64, max: u64) -> Option<String> {
    text.parse::<u64>().ok().filter(|n| (min..=max).contains(n)).map(|n| n.to_string())
}

/// A word as HTTP has them for headers and cookies.
pub(super) fn is_token(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(good)
}

/// A DNS name or an IPv4 address.
pub(super) fn is_host(text: &str) -> bool {
    let label = |label: &str| {
        let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        !label.is_empty() && label.len() <= 63 && label.bytes().all(good)
    };
    text.len() <= 253 && text.split('.').all(label)
}

/// "host:port" of a server in vipkeeper's spelling.
pub(super) fn address(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let host = host.strip_prefix("ipv4@").or_else(|| host.strip_prefix("ipv6@")).unwrap_or(host);
    let port = port.parse::<u16>().ok().filter(|port| *port > 0)?;
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<Ipv6Addr>() {
        Ok(ip) => Some(format!("[{ip}]:{port}")),
        Err(_) => is_host(host).then(|| format!("{host}:{port}")),
    }
}

/// A network without bits behind its prefix, with the length of a single address where there is none.
pub(in crate::import) fn network(text: &str) -> Option<String> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let ip: IpAddr = address.parse().ok()?;
    let (bits, width) = match ip {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)) << 96, 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    let length: u32 = length.map_or(Some(width), |length| length.parse().ok()).filter(|length| *length <= width)?;
    let behind = if length == 128 { 0 } else { u128::MAX >> length };
    (bits & behind == 0).then(|| format!("{ip}/{length}"))
}

/// One text, or a list of several.
pub(super) fn texts(texts: &[String]) -> String {
    match texts {
        [one] => quoted(one),
        several => crate::import::write::list(several),
    }
}

/// An inline table of keys with finished values.
pub(super) fn table(keys: &[(&str, String)]) -> String {
    if keys.is_empty() {
        return "{}".to_owned();
    }
    let pairs: Vec<String> = keys.iter().map(|(key, value)| format!("{key} = {value}")).collect();
    format!("{{ {} }}", pairs.join(", "))
}
