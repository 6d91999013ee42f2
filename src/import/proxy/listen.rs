//! `listen` sections: a frontend and a backend in one, or the stats page.

use super::bind;
use super::global::Global;
use super::values::{table, time};
use super::{Given, Written, part};
use crate::import::Gathered;
use crate::import::haproxy::{Line, Section};
use crate::import::write::quoted;

/// What stands behind the name of the frontend: from HAProxy 3.3 on it must not be called as the backend.
const FRONTEND: &str = "-in";

/// Which half a line is for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Frontend,
    Backend,
    Both,
    /// It depends on the two being one.
    Neither,
}

/// Whose table a `stick-table` is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    OfBackend,
    OfBoth,
}

/// Keywords of frontends.
const OF_FRONTENDS: [&str; 17] = [
    "bind",
    "maxconn",
    "monitor-uri",
    "monitor",
    "use_backend",
    "default_backend",
    "capture",
    "compression",
    "acl",
    "http-request",
    "http-response",
    "http-after-response",
    "tcp-request",
    "redirect",
    "unique-id-format",
    "unique-id-header",
    "log-format",
];

/// Keywords of backends.
const OF_BACKENDS: [&str; 18] = [
    "server",
    "default-server",
    "server-template",
    "balance",
    "hash-type",
    "hash-balance-factor",
    "cookie",
    "http-check",
    "tcp-check",
    "retries",
    "retry-on",
    "fullconn",
    "http-reuse",
    "stick",
    "use-server",
    "dispatch",
    "external-check",
    "http-send-name-header",
];

/// Options of frontends.
const OPTIONS_OF_FRONTENDS: [&str; 9] = [
    "httplog",
    "tcplog",
    "dontlognull",
    "dontlog-normal",
    "logasap",
    "clitcpka",
    "contstats",
    "log-separate-errors",
    "socket-stats",
];

/// Timeouts of frontends; those of backends are all others.
const TIMEOUTS_OF_FRONTENDS: [&str; 2] = ["client", "client-fin"];

fn half(line: &Line, table: Table) -> Half {
    let word = |n: usize| line.words.get(n).map_or("", |word| word.text.as_str());
    match word(0) {
        "mode" | "log" => Half::Both,
        "stick-table" if table == Table::OfBoth => Half::Neither,
        "stick-table" => Half::Backend,
        "timeout" if TIMEOUTS_OF_FRONTENDS.contains(&word(1)) => Half::Frontend,
        "timeout" if matches!(word(1), "http-request" | "http-keep-alive") => Half::Both,
        "timeout" => Half::Backend,
        "option" if OPTIONS_OF_FRONTENDS.contains(&word(1)) => Half::Frontend,
        "option" => Half::Backend,
        keyword if OF_FRONTENDS.contains(&keyword) => Half::Frontend,
        keyword if OF_BACKENDS.contains(&keyword) => Half::Backend,
        _ => Half::Neither,
    }
}

/// Takes a section apart, or leaves it whole. A name stays that of the backend, since others refer to it.
pub(super) fn split<'p>(section: &'p Section, inherited: &[Given<'p>], global: &Global<'_>) -> Vec<Written<'p>> {
    let tracks = section.lines.iter().any(|line| line.text.contains("track-sc"));
    let table = if tracks { Table::OfBoth } else { Table::OfBackend };
    let halves: Vec<(Half, &Line)> = section.lines.iter().map(|line| (half(line, table), line)).collect();
    let extra = section.name.split_whitespace().nth(1).is_some_and(|word| word != "from");
    if extra || !section.lines.iter().any(|line| line.keyword() == "server") {
        return vec![Written::Whole(section, "a listen section without servers")];
    }
    if let Some((_, line)) = halves.iter().find(|(half, _)| *half == Half::Neither) {
        let why = if line.keyword() == "stick-table" {
            "its table is that of its frontend and of its backend"
        } else {
            "one of its lines is for a frontend and a backend in one"
        };
        return vec![Written::Whole(section, why)];
    }
    let of = |kind: &str, wanted: Half| {
        let mut part = part(section, kind, inherited.to_vec(), global);
        let is_mine = |given: &Given<'_>| {
            let half = half(given.line, table);
            given.inherited || half == wanted || half == Half::Both
        };
        part.lines.retain(is_mine);
        part.label = format!("listen {}", section.name.split_whitespace().next().unwrap_or_default());
        // A line of both halves is told of once.
        if wanted == Half::Backend {
            for given in &mut part.lines {
                given.inherited |= half(given.line, table) == Half::Both;
            }
        }
        part
    };
    let (mut front, back) = (of("frontend", Half::Frontend), of("backend", Half::Backend));
    front.backend = Some(back.name.clone());
    let stem: String = back.name.chars().take(60).collect();
    front.name = format!("{stem}{FRONTEND}");
    vec![Written::Frontend(front), Written::Backend(back)]
}

/// The inline table of `proxy.stats`, if a section is nothing but that page.
pub(super) fn stats(section: &Section, all: &Gathered) -> Option<String> {
    let mut keys = Vec::new();
    let mut enabled = false;
    if !matches!(section.kind.as_str(), "listen" | "frontend") {
        return None;
    }
    for line in &section.lines {
        match line.plain()?.as_slice() {
            ["bind", address] if !keys.iter().any(|(key, _)| *key == "bind") => {
                keys.insert(0, ("bind", quoted(&bind::typed(address, all)?)));
            }
            ["mode", "http"] | ["log", "global"] | ["no", "log"] => {}
            ["stats", "enable"] => enabled = true,
            ["stats", "uri", path] if path.starts_with('/') && !path.contains('?') => {
                enabled = true;
                keys.push(("uri", quoted(path)));
            }
            ["stats", "refresh", every] => keys.push(("refresh", time(every, "s", 1_000, 3_600_000)?)),
            ["http-request", "use-service", "prometheus-exporter", "if", "{", "path", "/metrics", "}"] => {
                keys.push(("prometheus", "true".to_owned()));
            }
            _ => return None,
        }
    }
    // Without one HAProxy answers at a path that it was built with.
    let has = |key: &str| keys.iter().any(|(known, _)| *known == key);
    (enabled && has("bind") && has("uri")).then(|| table(&keys))
}
