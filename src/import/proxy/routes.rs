//! `acl` and `use_backend` as routes, where these mean the same.

use super::Part;
use std::collections::{BTreeMap, BTreeSet};

use super::values::{network, table, texts};
use crate::import::haproxy::Line;
use crate::import::write::{name_of, quoted};

/// Texts of one condition.
const TEXTS_MAX: usize = 1_000;
/// Bytes of one of them.
const BYTES_MAX: usize = 250;

/// What a host condition of vipkeeper takes beside what HAProxy was told.
const WITH_PORT: &str = "a Host header with a port counts as that host too";

/// What became of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum LineFate {
    /// It is in a route; the text says how it differs, if it does.
    Routed(String),
    Raw,
}

/// A condition: a key of a route, and its texts, of which any may match.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Condition {
    texts: Vec<(&'static str, String)>,
    note: &'static str,
}

/// All of a frontend.
#[derive(Debug, Clone, Default)]
pub(super) struct Routing {
    /// Conditions of each route, and its backend.
    routes: Vec<(Vec<Condition>, String)>,
    /// Lines by their places, and what became of them.
    fates: BTreeMap<usize, LineFate>,
    /// Hosts that a route takes whatever the request.
    hosts: BTreeSet<String>,
    takes_all: bool,
    raw: bool,
}

/// The `acl` lines of a frontend by their names.
type Acls<'l> = BTreeMap<&'l str, Vec<&'l Line>>;

impl Routing {
    /// Reads the lines of a frontend; the first `use_backend` that is none of vipkeeper's keeps those after it raw.
    pub(super) fn read(part: &Part<'_>, backends: &[(String, Option<&'static str>)], mode: &str) -> Self {
        let mut routing = Self::default();
        let all: Vec<&Line> = part.lines.iter().map(|given| given.line).collect();
        let mut acls = Acls::new();
        for line in all.iter().copied().filter(|line| line.keyword() == "acl") {
            acls.entry(name(line)).or_default().push(line);
        }
        for line in all.iter().filter(|line| line.keyword() == "use_backend") {
            let read = if routing.raw { None } else { routing.rule(line, &acls, backends, mode) };
            let fate = match read {
                Some((routes, note)) => {
                    routes.into_iter().for_each(|route| routing.add(route));
                    LineFate::Routed(note.to_owned())
                }
                None => {
                    routing.raw = true;
                    LineFate::Raw
                }
            };
            routing.fates.insert(line.at.line, fate);
        }
        let (mut of_routes, mut of_raw) = (BTreeSet::new(), BTreeSet::new());
        for line in all.iter().filter(|line| line.keyword() != "acl") {
            let routed = matches!(routing.fates.get(&line.at.line), Some(LineFate::Routed(_)));
            let words = line.words.iter().map(|word| word.text.trim_start_matches('!'));
            if routed { &mut of_routes } else { &mut of_raw }.extend(words);
        }
        for line in all.iter().filter(|line| line.keyword() == "acl") {
            let note = condition_of(line).map_or("", |condition| condition.note);
            let routed = of_routes.contains(name(line)) && !of_raw.contains(name(line));
            let fate = if routed { LineFate::Routed(note.to_owned()) } else { LineFate::Raw };
            routing.fates.insert(line.at.line, fate);
        }
        routing
    }

    fn add(&mut self, route: (Vec<Condition>, String)) {
        self.takes_all |= route.0.is_empty();
        self.hosts.extend(hosts(&route.0));
        self.routes.push(route);
    }

    /// What became of an `acl` or a `use_backend` line.
    pub(super) fn fate(&self, line: &Line) -> LineFate {
        self.fates.get(&line.at.line).cloned().unwrap_or(LineFate::Raw)
    }

    /// Whether a `use_backend` is left to HAProxy.
    pub(super) fn has_raw(&self) -> bool {
        self.raw
    }

    /// Whether a route has no condition.
    pub(super) fn takes_all(&self) -> bool {
        self.takes_all
    }

    /// Inline tables of the routes.
    pub(super) fn routes(&self) -> Vec<String> {
        let one = |(conditions, backend): &(Vec<Condition>, String)| {
            let mut keys: Vec<(&str, Vec<String>)> = Vec::new();
            for (key, text) in conditions.iter().flat_map(|condition| &condition.texts) {
                match keys.iter_mut().find(|(known, _)| known == key) {
                    Some((_, texts)) if texts.contains(text) => {}
                    Some((_, texts)) => texts.push(text.clone()),
                    None => keys.push((key, vec![text.clone()])),
                }
            }
            let mut keys: Vec<(&str, String)> = keys.iter().map(|(key, list)| (*key, texts(list))).collect();
            keys.push(("backend", quoted(backend)));
            table(&keys)
        };
        self.routes.iter().map(one).collect()
    }

    /// The routes of a rule, one for each of its alternatives.
    #[allow(clippy::type_complexity, reason = "the routes of one line, and how they differ from it")]
    fn rule(
        &self,
        line: &Line,
        acls: &Acls<'_>,
        backends: &[(String, Option<&'static str>)],
        mode: &str,
    ) -> Option<(Vec<(Vec<Condition>, String)>, &'static str)> {
        let words = line.plain()?;
        let (name, condition) = match words.as_slice() {
            ["use_backend", name] => (name, &[][..]),
            ["use_backend", name, "if", condition @ ..] if !condition.is_empty() => (name, condition),
            _ => return None,
        };
        let backend = name_of(name, "backend");
        let (_, other) = backends.iter().find(|(known, _)| *known == backend)?;
        if name.contains('%') || other.is_some_and(|other| other != mode) || self.takes_all() {
            return None;
        }
        let (mut routes, mut more) = (Vec::new(), BTreeSet::new());
        let mut note = "";
        for alternative in condition.split(|word| matches!(*word, "||" | "or")) {
            let conditions = terms(alternative, acls)?;
            note = conditions.iter().map(|condition| condition.note).find(|note| !note.is_empty()).unwrap_or(note);
            // For a host that an earlier route takes this one is never reached.
            let mine = hosts(&conditions);
            let taken = mine.iter().any(|host| self.hosts.contains(host) || more.contains(host));
            (fits(&conditions, mode) && !taken).then_some(())?;
            more.extend(mine);
            (!conditions.is_empty() || condition.is_empty()).then_some(())?;
            routes.push((conditions, backend.clone()));
        }
        Some((routes, note))
    }
}

/// Hosts that these conditions take whatever the request.
fn hosts(conditions: &[Condition]) -> Vec<String> {
    match conditions {
        [Condition { texts, .. }] if texts.iter().all(|(key, _)| *key == "host") => {
            texts.iter().map(|(_, host)| host.to_ascii_lowercase()).collect()
        }
        _ => Vec::new(),
    }
}

/// The name of an `acl` line.
fn name(line: &Line) -> &str {
    line.words.get(1).map_or("", |word| word.text.as_str())
}

/// Whether all of them must match in one route of this mode.
fn fits(conditions: &[Condition], mode: &str) -> bool {
    let group = |key: &str| if key.starts_with("path") { "path" } else { key }.to_owned();
    let mut seen: Vec<String> = Vec::new();
    for condition in conditions {
        let mut groups: Vec<String> = condition.texts.iter().map(|(key, _)| group(key)).collect();
        groups.dedup();
        let [one] = groups.as_slice() else { return false };
        let known = if mode == "tcp" { ["source", "sni"].contains(&one.as_str()) } else { one != "sni" };
        if seen.contains(one) || !known || condition.texts.len() > TEXTS_MAX {
            return false;
        }
        seen.push(one.clone());
    }
    true
}

/// The conditions of words such as `is_api { path_beg /v1 }`, which must all match.
fn terms(words: &[&str], acls: &Acls<'_>) -> Option<Vec<Condition>> {
    let mut conditions = Vec::new();
    let mut rest = words;
    while let Some((first, others)) = rest.split_first() {
        if *first == "{" {
            let end = others.iter().position(|word| *word == "}")?;
            conditions.push(criterion(others.get(..end)?)?);
            rest = others.get(end.checked_add(1)?..)?;
        } else {
            conditions.push(named(first, acls)?);
            rest = others;
        }
    }
    Some(conditions)
}

/// What all `acl` lines of a name say: any of them may match.
fn named(name: &str, acls: &Acls<'_>) -> Option<Condition> {
    let mut whole = Condition { texts: Vec::new(), note: "" };
    for line in acls.get(name)? {
        let one = condition_of(line)?;
        whole.texts.extend(one.texts);
        whole.note = if one.note.is_empty() { whole.note } else { one.note };
        (whole.texts.len() <= TEXTS_MAX).then_some(())?;
    }
    (!whole.texts.is_empty()).then_some(whole)
}

fn condition_of(line: &Line) -> Option<Condition> {
    criterion(line.plain()?.get(2..)?)
}

/// A criterion with its flags and values.
fn criterion(words: &[&str]) -> Option<Condition> {
    let (fetch, rest) = words.split_first()?;
    let (mut insensitive, mut how) = (false, None);
    let mut values = rest;
    loop {
        match values {
            ["-i", more @ ..] => {
                insensitive = true;
                values = more;
            }
            ["-m", method, more @ ..] => {
                how = Some(*method);
                values = more;
            }
            ["--", more @ ..] => {
                values = more;
                break;
            }
            [flag, ..] if flag.starts_with('-') => return None,
            _ => break,
        }
    }
    let lower = fetch.to_ascii_lowercase();
    let (fetch, converters) = lower.split_once(',').unwrap_or((&lower, ""));
    let portless =
        matches!(converters, "host_only" | "host_only,lower" | "field(1,:)" | "field(1,:),lower" | "lower,field(1,:)");
    if !(converters.is_empty() || converters == "lower" || portless) {
        return None;
    }
    let is_host =
        matches!(fetch, "hdr(host)" | "req.hdr(host)" | "hdr_end(host)" | "hdr(host,-1)" | "req.hdr(host,-1)");
    let how = how.or(match fetch {
        "hdr_end(host)" | "path_end" => Some("end"),
        "path_beg" => Some("beg"),
        "path_reg" => Some("reg"),
        _ => None,
    });
    let is_sni = matches!(fetch, "req.ssl_sni" | "req_ssl_sni" | "ssl_fc_sni");
    let key = match (fetch, how) {
        _ if is_host => "host",
        _ if is_sni => "sni",
        ("path", None | Some("str")) => "path",
        ("path" | "path_beg", Some("beg")) => "path_prefix",
        ("path" | "path_end", Some("end")) => "path_suffix",
        ("path" | "path_reg", Some("reg")) => "path_regex",
        ("method", None) => "method",
        ("src", None) => "source",
        _ => return None,
    };
    // Paths differ by case; only HAProxy can be told that they do not.
    if key.starts_with("path") && (insensitive || !converters.is_empty()) || values.is_empty() {
        return None;
    }
    let texts: Vec<(&'static str, String)> = values
        .iter()
        .map(|value| text(key, value, how))
        .collect::<Option<Vec<_>>>()?
        .into_iter()
        .map(|t| (key, t))
        .collect();
    Some(Condition { texts, note: if is_host && !portless { WITH_PORT } else { "" } })
}

/// A value as vipkeeper takes it for a key.
fn text(key: &str, value: &str, how: Option<&str>) -> Option<String> {
    if value.is_empty() || value.len() > BYTES_MAX || value.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return None;
    }
    match (key, how) {
        ("host" | "sni", None | Some("str")) => super::values::is_host(value).then(|| value.to_ascii_lowercase()),
        ("host" | "sni", Some("end")) => {
            let domain = value.strip_prefix('.')?;
            super::values::is_host(domain).then(|| format!("*.{}", domain.to_ascii_lowercase()))
        }
        ("path" | "path_prefix", _) => (value.starts_with('/') && !value.contains('?')).then(|| value.to_owned()),
        ("path_suffix" | "path_regex", _) => Some(value.to_owned()),
        ("method", _) => value.bytes().all(|b| b.is_ascii_uppercase()).then(|| value.to_owned()),
        ("source", _) => network(value),
        _ => None,
    }
}
