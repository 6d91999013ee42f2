//! How requests are spread: `balance` and what belongs to it.

use super::values::{is_token, number};
use crate::config::Mode;
use crate::import::write::quoted;

/// The words after `balance`, if vipkeeper takes them for a backend of this mode.
pub(super) fn balance(words: &[&str], mode: Mode) -> Option<String> {
    let http = mode == Mode::Http;
    let (first, rest) = words.split_first()?;
    let (name, argument) = match first.strip_suffix(')').and_then(|word| word.split_once('(')) {
        Some((name, argument)) => (name, Some(argument)),
        None => (*first, None),
    };
    let good = match (name, argument, rest) {
        ("roundrobin" | "static-rr" | "leastconn" | "first" | "source" | "random" | "rdp-cookie", None, []) => true,
        ("random", Some(draws), []) => number(draws, 1, 100).is_some(),
        ("rdp-cookie", Some(cookie), []) => is_token(cookie),
        ("hdr", Some(header), [] | ["use_domain_only"]) => http && is_token(header),
        ("url_param", None, [name] | [name, "check_post"]) => http && is_token(name),
        ("uri", None, []) => http,
        ("uri", None, words) => http && uri(words),
        _ => false,
    };
    good.then(|| words.join(" "))
}

fn uri(words: &[&str]) -> bool {
    match words {
        [] => true,
        ["whole" | "path-only", rest @ ..] => uri(rest),
        ["len" | "depth", n, rest @ ..] => number(n, 1, 1_000).is_some() && uri(rest),
        _ => false,
    }
}

/// Keys of `hash` from all lines of a backend; none: nothing is hashed, or vipkeeper cannot say how.
pub(super) fn hash(lines: &[Vec<&str>], mode: Mode) -> Option<Vec<(&'static str, String)>> {
    let find = |keyword: &str| lines.iter().rev().find(|words| words.first() == Some(&keyword)).map(Vec::as_slice);
    let written = balance(find("balance")?.get(1..)?, mode)?;
    let algorithm = written.split(['(', ' ']).next()?;
    ["source", "uri", "url_param", "hdr", "hash", "rdp-cookie"].contains(&algorithm).then_some(())?;
    let mut keys = Vec::new();
    let mut consistent = false;
    if let Some(["hash-type", words @ ..]) = find("hash-type") {
        for word in words {
            match *word {
                "map-based" => {}
                "consistent" => {
                    consistent = true;
                    keys.push(("type", quoted(word)));
                }
                "sdbm" | "djb2" | "wt6" | "crc32" => keys.push(("function", quoted(word))),
                "avalanche" => keys.push(("avalanche", "true".to_owned())),
                _ => return None,
            }
        }
    }
    if let Some(["hash-balance-factor", factor]) = find("hash-balance-factor") {
        keys.push(("balance_factor", number(factor, 101, 65_535).filter(|_| consistent)?));
    }
    Some(keys)
}
