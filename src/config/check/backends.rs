//! `[[backend]]`: balancing, checks and servers.

use std::collections::BTreeMap;
use std::net::Ipv6Addr;

use super::frontends::{Frontends, mode};
use super::raw_lines::{self, Section};
use super::{Cx, Names};
use crate::config::document::{Document, Item};
use crate::config::limits::{CHECK_INTERVAL, SERVERS_MAX};
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawBackend, RawCheck, RawMode, RawServer};
use crate::config::suggest::nearest;
use crate::config::written::At;
use crate::config::{Backend, Check, CheckKind, Mode, Server};
use crate::units::Name;

/// What frontends must know of a backend.
#[derive(Debug)]
pub(super) struct Known {
    /// `mode`, where it is written.
    pub(super) mode: Option<(RawMode, Place)>,
    /// Its name is good, and its own.
    good: Option<Name>,
}

/// The names of all backends, before anything refers to them.
pub(super) fn define(cx: &mut Cx<'_>, items: &[Item<RawBackend>]) -> Names<Known> {
    let mut names = Names::new(cx, "[[backend]]", items);
    for item in items {
        let raw = item.raw.get();
        let mode = raw.mode.as_ref().map(|mode| (*mode.get(), item.at(mode)));
        let good = names.define(cx, item, raw.name.as_ref(), Known { mode, good: None });
        if let (Some(good), Some((_, known))) = (good, raw.name.as_ref().and_then(|n| names.map.get_mut(n.get()))) {
            known.good = Some(good);
        }
    }
    names
}

pub(super) fn check(cx: &mut Cx<'_>, document: &Document, frontends: &Frontends) -> Option<Vec<Backend>> {
    let mut backends = Vec::new();
    let mut servers_left = SERVERS_MAX;
    for item in &document.backends {
        let raw = item.raw.get();
        let own = raw.mode.as_ref().map(|mode| *mode.get());
        let used = raw.name.as_ref().and_then(|name| frontends.backend_modes.get(name.get())).map(|(mode, _)| *mode);
        let mode = mode(own.or(used).unwrap_or(RawMode::Http));
        let balance = balance(cx, item, mode);
        let check = match &raw.check {
            Some(check) => check_of_servers(cx, item, check).map(Some),
            None => Some(None),
        };
        let servers = servers(cx, item, &mut servers_left);
        let lines = raw_lines::check(cx, item.file, Section::Backend, raw.raw.as_ref());
        let backend = || {
            Some(Backend {
                name: raw.name.as_ref().and_then(|name| Name::new(name.get()).ok())?,
                mode,
                balance: balance?,
                check: check?,
                servers: servers?,
                raw: lines?,
                origin: cx.origin(&item.place()),
            })
        };
        backends.push(backend());
    }
    backends.into_iter().collect()
}

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

fn balance(cx: &mut Cx<'_>, item: &Item<RawBackend>, mode: Mode) -> Option<String> {
    let Some(written) = &item.raw.get().balance else { return Some("roundrobin".to_owned()) };
    let text = cx.one_line(item.file, "balance", written)?;
    let word = text.split(|c: char| c.is_whitespace() || c == '(').next().unwrap_or_default();
    let names = || ALGORITHMS.iter().map(|(name, _)| *name);
    let place = item.at(written);
    match ALGORITHMS.iter().find(|(name, _)| *name == word) {
        Some((_, true)) if mode == Mode::Tcp => {
            let problem = Problem::new(place, format!("balance {word} needs a backend of mode http"));
            cx.add(
                problem
                    .label("mode tcp sees no requests")
                    .fix("write \"source\" or \"leastconn\", or `mode = \"http\"`"),
            );
            None
        }
        Some(_) => Some(text),
        None => {
            let problem = Problem::new(place, "`balance` must be an algorithm of HAProxy").label("unknown algorithm");
            let fix = nearest(word, names()).map_or_else(
                || format!("one of {}", names().collect::<Vec<_>>().join(", ")),
                |near| format!("did you mean {near:?}?"),
            );
            cx.add(problem.fix(fix));
            None
        }
    }
}

fn check_of_servers(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: &At<RawCheck>) -> Option<Check> {
    let raw = written.get();
    let interval = cx.duration(item.file, "check.interval", raw.interval.as_ref(), CHECK_INTERVAL);
    let (rise, fall) = (cx.count(raw.rise.as_ref(), 2), cx.count(raw.fall.as_ref(), 3));
    let tcp = raw.tcp.as_ref().filter(|tcp| *tcp.get());
    let kind = match (&raw.http, tcp) {
        (Some(_), Some(tcp)) => {
            let problem = Problem::new(item.at(tcp), "a check is either `http` or `tcp`");
            cx.add(problem.label("the other is there too").fix("remove one of the two"));
            None
        }
        (Some(http), None) => http_check(cx, item, http, raw.host.as_ref()),
        (None, Some(_)) => {
            if let Some(host) = &raw.host {
                let problem = Problem::new(item.at(host), "`host` means nothing in a tcp check").label("never sent");
                cx.add(problem.fix("remove it, or write `http = \"GET /\"` in place of `tcp = true`"));
            }
            Some(CheckKind::Tcp)
        }
        (None, None) if !cx.is_whole(&item.at(written)) => None,
        (None, None) => {
            let problem = Problem::new(item.at(written), "a check must say what is checked: `http` or `tcp`");
            cx.add(
                problem
                    .label("neither")
                    .fix("add `http = \"GET /\"` or `tcp = true`; without `check` servers always count as up"),
            );
            None
        }
    };
    Some(Check { kind: kind?, interval: interval?, rise, fall })
}

fn http_check(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    written: &At<String>,
    host: Option<&At<String>>,
) -> Option<CheckKind> {
    let words: Vec<&str> = written.get().split_ascii_whitespace().collect();
    let clean = |text: &str| text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '#' | '$'));
    let host = match host {
        Some(host) if host.get().is_empty() || !clean(host.get()) => {
            let problem = Problem::new(item.at(host), "`host` must be a host name, with a port if need be");
            cx.add(problem.label("not a host name").fix("write, for example, \"www.example.com\""));
            return None;
        }
        host => host.map(|host| host.get().clone()),
    };
    let fix = match words.as_slice() {
        [method, path]
            if method.bytes().all(|b| b.is_ascii_uppercase())
                && (path.starts_with('/') || *path == "*")
                && clean(path) =>
        {
            return Some(CheckKind::Http { method: (*method).to_owned(), path: (*path).to_owned(), host });
        }
        [method, path, ..] if path.starts_with('/') => format!("write \"{} {path}\"", method.to_uppercase()),
        [path] if path.starts_with('/') => format!("write \"GET {path}\""),
        _ => "write, for example, \"GET /index.html\"".to_owned(),
    };
    let problem = Problem::new(item.at(written), "`http` must be a method in capitals and a path");
    cx.add(problem.label("not \"METHOD /path\"").fix(fix));
    None
}

fn servers(cx: &mut Cx<'_>, item: &Item<RawBackend>, left: &mut usize) -> Option<Vec<Server>> {
    let written = item.raw.get().server.as_ref()?;
    let list = &written.get().0;
    if list.len() > *left {
        let rule = format!("there may be at most {SERVERS_MAX} servers in all backends together");
        cx.add(
            Problem::new(item.at(written), rule)
                .label("too many with these")
                .fix("run several vipkeepers, each with its part"),
        );
        *left = 0;
        return None;
    }
    *left = left.saturating_sub(list.len());
    let mut names: BTreeMap<&str, &At<String>> = BTreeMap::new();
    let servers: Vec<_> = list.iter().map(|entry| server(cx, item, entry, &mut names)).collect();
    let weightless = |entry: &At<RawServer>| entry.get().weight.as_ref().is_some_and(|weight| *weight.get() == 0);
    if list.iter().all(weightless) {
        let problem = Problem::new(item.at(written), "all servers of this backend have weight 0");
        cx.add(problem.label("none would get a request").fix("give at least one a weight from 1 to 256"));
        return None;
    }
    servers.into_iter().collect()
}

fn server<'a>(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    entry: &'a At<RawServer>,
    names: &mut BTreeMap<&'a str, &'a At<String>>,
) -> Option<Server> {
    let raw = entry.get();
    let name = raw.name.as_ref().and_then(|written| server_name(cx, item, written, names));
    let address = raw.address.as_ref().and_then(|written| server_address(cx, item.at(written), written.get()));
    let options = match &raw.options {
        Some(options) => cx.one_line(item.file, "options", options).map(Some),
        None => Some(None),
    };
    Some(Server {
        name: name?,
        address: address?,
        weight: cx.count(raw.weight.as_ref(), 1),
        backup: raw.backup.as_ref().is_some_and(|backup| *backup.get()),
        maxconn: raw.maxconn.as_ref().and_then(|count| u32::try_from(*count.get()).ok()),
        options: options?,
        origin: cx.origin(&item.at(entry)),
    })
}

fn server_name<'a>(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    written: &'a At<String>,
    names: &mut BTreeMap<&'a str, &'a At<String>>,
) -> Option<Name> {
    let place = item.at(written);
    if let Some(first) = names.insert(written.get(), written) {
        let problem = Problem::new(place, format!("two servers of this backend are named {:?}", written.get()));
        cx.add(problem.label("used again").also(item.at(first), "first used here").fix("give each a name of its own"));
        return None;
    }
    Name::new(written.get())
        .map_err(|error| cx.add(Problem::new(place, error.to_string()).fix("write a short word, such as \"web1\"")))
        .ok()
}

fn server_address(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<String> {
    let problem = Problem::new(place, "the address of a server must be \"host:port\"");
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if host.parse::<Ipv6Addr>().is_err() && text.parse::<Ipv6Addr>().is_err() => (host, port),
        Some((host, port)) => {
            let meant =
                if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("[{text}]:80") };
            cx.add(problem.label("an IPv6 address needs brackets").fix(format!("write {meant:?}")));
            return None;
        }
        None => {
            let fix = format!("write \"{}:80\"", text.escape_debug());
            cx.add(problem.label("no port").fix(fix));
            return None;
        }
    };
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        cx.add(
            problem
                .label("the port is not a number from 1 to 65535")
                .fix(format!("write \"{}:80\"", host.escape_debug())),
        );
        return None;
    }
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let is_host = match bracketed {
        Some(ip) => ip.parse::<Ipv6Addr>().is_ok(),
        None => {
            !host.is_empty()
                && host.len() <= 253
                && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        }
    };
    if !is_host {
        cx.add(problem.label("not an address or DNS name").fix("write, for example, \"192.168.83.129:8080\""));
        return None;
    }
    Some(text.to_owned())
}
