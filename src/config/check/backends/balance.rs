//! `balance` and `hash` of a backend: HAProxy's words, with their arguments.

use crate::config::check::{Cx, Reported};
use crate::config::document::Item;
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawBackend, RawHashFunction, RawHashKind};
use crate::config::suggest::nearest;
use crate::config::written::At;
use crate::config::{Balance, HashFunction, HashKind, HashSettings, Mode, UriBalance};

/// HAProxy's algorithms, and whether they look at HTTP.
const ALGORITHMS: [(&str, bool); 11] = [
    ("roundrobin", false),
    ("static-rr", false),
    ("leastconn", false),
    ("first", false),
    ("source", false),
    ("random", false),
    ("hash", false),
    ("rdp-cookie", false),
    ("uri", true),
    ("url_param", true),
    ("hdr", true),
];

/// Servers that `random` draws: HAProxy takes no more.
const DRAWS_MAX: u32 = 100;

pub(super) fn balance(cx: &mut Cx<'_>, item: &Item<RawBackend>, mode: Mode) -> Option<Balance> {
    let Some(written) = &item.raw.get().balance else { return Some(Balance::RoundRobin) };
    let text = cx.one_line(item.file, "balance", written)?;
    let place = item.at(written);
    let word = text.trim_start().split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let Some((name, http)) = ALGORITHMS.iter().find(|(name, _)| *name == word) else {
        cx.add(unknown(place, word));
        return None;
    };
    if *http && mode == Mode::Tcp {
        let problem = Problem::new(place, format!("balance {name} needs a backend of mode http"));
        cx.add(
            problem.label("mode tcp sees no requests").fix("write \"source\" or \"leastconn\", or `mode = \"http\"`"),
        );
        return None;
    }
    match parse(name, &text) {
        Ok(balance) => Some(balance),
        Err(Wrong { label, fix }) => {
            let problem = Problem::new(place, format!("`balance` {name} does not have these arguments"));
            cx.add(problem.label(label).fix(fix));
            None
        }
    }
}

fn unknown(place: Place, word: &str) -> Problem {
    let names = || ALGORITHMS.iter().map(|(name, _)| *name);
    let problem = Problem::new(place, "`balance` must be an algorithm of HAProxy").label("unknown algorithm");
    let fix = nearest(word, names()).map_or_else(
        || format!("one of {}", names().collect::<Vec<_>>().join(", ")),
        |near| format!("did you mean {near:?}?"),
    );
    problem.fix(fix)
}

/// Arguments that HAProxy would refuse.
struct Wrong {
    label: String,
    fix: &'static str,
}

/// An algorithm with what follows it, in parentheses and as words.
fn parse(name: &str, text: &str) -> Result<Balance, Wrong> {
    let rest = text.trim().strip_prefix(name).unwrap_or_default();
    if name == "hash" {
        let expression = rest.trim();
        let fix = "write, for example, \"hash src,ipmask(24)\"";
        if expression.is_empty() {
            return Err(Wrong { label: "no expression".to_owned(), fix });
        }
        return Ok(Balance::Hash(expression.to_owned()));
    }
    let (argument, rest) = match rest.strip_prefix('(').map(|inside| inside.split_once(')')) {
        Some(Some((argument, rest))) => (Some(argument.trim()), rest),
        Some(None) => {
            return Err(Wrong { label: "a parenthesis is not closed".to_owned(), fix: "add \")\"" });
        }
        None => (None, rest),
    };
    let words: Vec<&str> = rest.split_whitespace().collect();
    match (name, argument, words.as_slice()) {
        ("roundrobin", None, []) => Ok(Balance::RoundRobin),
        ("static-rr", None, []) => Ok(Balance::StaticRr),
        ("leastconn", None, []) => Ok(Balance::LeastConn),
        ("first", None, []) => Ok(Balance::First),
        ("source", None, []) => Ok(Balance::Source),
        ("random", None, []) => Ok(Balance::Random { draws: None }),
        ("random", Some(draws), []) => match draws.parse() {
            Ok(draws) if (1..=DRAWS_MAX).contains(&draws) => Ok(Balance::Random { draws: Some(draws) }),
            Ok(_) | Err(_) => {
                Err(Wrong { label: format!("not a number from 1 to {DRAWS_MAX}"), fix: "write \"random(2)\"" })
            }
        },
        ("rdp-cookie", name, []) => Ok(Balance::RdpCookie(name.map(str::to_owned))),
        ("hdr", Some(header), ["use_domain_only"]) if is_token(header) => {
            Ok(Balance::Header { name: header.to_owned(), use_domain_only: true })
        }
        ("hdr", Some(header), []) if is_token(header) => {
            Ok(Balance::Header { name: header.to_owned(), use_domain_only: false })
        }
        ("hdr", _, _) => Err(Wrong { label: "not the name of a header".to_owned(), fix: "write \"hdr(Host)\"" }),
        ("url_param", None, [name]) => Ok(Balance::UrlParam { name: (*name).to_owned(), check_post: false }),
        ("url_param", None, [name, "check_post"]) => {
            Ok(Balance::UrlParam { name: (*name).to_owned(), check_post: true })
        }
        ("url_param", _, _) => {
            Err(Wrong { label: "not the name of a parameter".to_owned(), fix: "write, for example, \"url_param id\"" })
        }
        ("uri", None, words) => uri(words),
        (_, _, _) => Err(Wrong { label: format!("{name} stands alone"), fix: "take the arguments out" }),
    }
}

fn uri(words: &[&str]) -> Result<Balance, Wrong> {
    let fix = "known are \"whole\", \"path-only\", \"len 8\" and \"depth 2\"";
    let mut uri = UriBalance::default();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut number = || words.next().and_then(|n| n.parse().ok()).filter(|n| (1..=1_000).contains(n));
        match *word {
            "whole" => uri.whole = true,
            "path-only" => uri.path_only = true,
            "len" | "depth" => {
                let number = number();
                if number.is_none() {
                    return Err(Wrong { label: format!("{word} needs a number from 1 to 1000"), fix });
                }
                if *word == "len" { uri.len = number } else { uri.depth = number }
            }
            other => return Err(Wrong { label: format!("what is {other:?}?"), fix }),
        }
    }
    Ok(Balance::Uri(uri))
}

/// A name as HTTP has them for headers and cookies (RFC 9110 section 5.6.2).
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

pub(super) fn hash(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    balance: Option<&Balance>,
) -> Result<Option<HashSettings>, Reported> {
    let Some(written) = &item.raw.get().hash else { return Ok(None) };
    let raw = written.get();
    let kind = match raw.kind.as_ref().map(At::get) {
        None | Some(RawHashKind::MapBased) => HashKind::MapBased,
        Some(RawHashKind::Consistent) => HashKind::Consistent,
    };
    let mut good = true;
    if let Some(balance) = balance.filter(|balance| !balance.hashes()) {
        let rule = format!("`hash` means nothing with balance {balance}");
        let problem = Problem::new(item.at(written), rule).label("nothing is hashed");
        let fix = "remove it, or balance by \"source\", or in mode http by \"uri\" or \"hdr(Host)\"";
        cx.add(problem.fix(fix));
        good = false;
    }
    if let (Some(factor), HashKind::MapBased) = (&raw.balance_factor, kind) {
        let problem = Problem::new(item.at(factor), "`balance_factor` needs consistent hashing");
        cx.add(problem.label("means nothing here").fix("add `type = \"consistent\"`, or remove it"));
        good = false;
    }
    if !good {
        return Err(Reported);
    }
    Ok(Some(HashSettings {
        kind,
        function: match raw.function.as_ref().map(At::get) {
            None | Some(RawHashFunction::Sdbm) => HashFunction::Sdbm,
            Some(RawHashFunction::Djb2) => HashFunction::Djb2,
            Some(RawHashFunction::Wt6) => HashFunction::Wt6,
            Some(RawHashFunction::Crc32) => HashFunction::Crc32,
        },
        avalanche: raw.avalanche.as_ref().is_some_and(|avalanche| *avalanche.get()),
        balance_factor: raw.balance_factor.as_ref().and_then(|factor| u32::try_from(*factor.get()).ok()),
    }))
}
