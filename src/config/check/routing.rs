//! `[[frontend.route]]`: conditions and actions.

use std::collections::BTreeMap;

use super::frontends::{BackendModes, backend};
use super::route_actions::{action, only_one};
use super::rules::{http_only, network};
use super::{Cx, Names};
use crate::config::check::backends::Known;
use crate::config::document::Item;
use crate::config::limits::{FRONTEND_ROUTES_MAX, ROUTE_TEXT_BYTES_MAX, ROUTE_TEXTS_MAX};
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawFrontend, RawFrontendRoute, RawTexts};
use crate::config::written::{At, TextOr};
use crate::config::{Action, Bind, Conditions, HeaderMatch, HostMatch, Mode, PathMatch, Route};

/// What rules of all frontends share.
pub(super) struct Around<'a> {
    pub(super) backends: &'a Names<Known>,
    pub(super) modes: &'a mut BackendModes,
    pub(super) userlists: &'a Names<()>,
    /// Routes that there may be still.
    pub(super) left: usize,
}

impl<'a> Around<'a> {
    pub(super) fn new(backends: &'a Names<Known>, modes: &'a mut BackendModes, userlists: &'a Names<()>) -> Self {
        Self { backends, modes, userlists, left: FRONTEND_ROUTES_MAX }
    }
}

/// What the routes of one frontend must know of it.
#[derive(Clone, Copy)]
pub(super) struct Of<'a> {
    pub(super) item: &'a Item<RawFrontend>,
    pub(super) mode: Mode,
    pub(super) binds: Option<&'a [Bind]>,
}

impl Of<'_> {
    pub(super) fn at<T>(&self, value: &At<T>) -> Place {
        self.item.at(value)
    }
}

/// All routes; None if something was reported.
pub(super) fn check(cx: &mut Cx<'_>, of: Of<'_>, around: &mut Around<'_>) -> Option<Vec<Route>> {
    let Some(list) = &of.item.raw.get().route else { return Some(Vec::new()) };
    if list.get().len() > around.left {
        let rule = format!("there may be at most {FRONTEND_ROUTES_MAX} [[frontend.route]] in all frontends together");
        cx.add(Problem::new(of.at(list), rule).label("too many with these").fix("run several vipkeepers"));
        around.left = 0;
        return None;
    }
    around.left = around.left.saturating_sub(list.get().len());
    let mut reached = Reached::default();
    let routes: Vec<_> = list.get().iter().map(|written| route(cx, of, written, around, &mut reached)).collect();
    routes.into_iter().collect()
}

/// Which requests earlier routes leave over.
#[derive(Default)]
struct Reached {
    /// The route that takes everything.
    all: Option<Place>,
    /// Hosts that are taken whatever the request.
    hosts: BTreeMap<String, Place>,
}

fn route(
    cx: &mut Cx<'_>,
    of: Of<'_>,
    written: &At<RawFrontendRoute>,
    around: &mut Around<'_>,
    reached: &mut Reached,
) -> Option<Route> {
    let raw = written.get();
    let when = conditions(cx, of, raw);
    let chosen = only_one(cx, of, written);
    let name = match &raw.backend {
        Some(name) => Some(backend(cx, of.item, name, around.backends, around.modes)?),
        None => None,
    };
    let action = chosen.and_then(|()| action(cx, of, raw, name));
    let (when, action) = (when?, action?);
    if cx.is_whole(&of.at(written)) {
        is_reached(cx, of, written, &when, reached)?;
    }
    let stays_tcp = matches!(action, Action::Backend { .. } | Action::Reject);
    (of.mode == Mode::Http || stays_tcp).then_some(())?;
    Some(Route { when, action, origin: cx.origin(&of.at(written)) })
}

/// Reports a route that an earlier one leaves nothing to do.
fn is_reached(
    cx: &mut Cx<'_>,
    of: Of<'_>,
    written: &At<RawFrontendRoute>,
    when: &Conditions,
    reached: &mut Reached,
) -> Option<()> {
    let place = of.at(written);
    if let Some(all) = &reached.all {
        let problem = Problem::new(place, "this route is never reached").label("nothing is left for it");
        cx.add(problem.also(all.clone(), "this one has no condition").fix("move it before that one"));
        return None;
    }
    if when.always() {
        reached.all = Some(place.clone());
    }
    for host in when.plain_hosts().into_iter().flatten() {
        if let Some(first) = reached.hosts.insert(host.to_owned(), place.clone()) {
            let problem = Problem::new(place, format!("the host {host:?} is in two routes without other conditions"));
            let problem = problem.label("never reached for it").also(first, "this one takes it");
            cx.add(problem.fix("take it out of one of the two"));
            return None;
        }
    }
    Some(())
}

fn conditions(cx: &mut Cx<'_>, of: Of<'_>, raw: &RawFrontendRoute) -> Option<Conditions> {
    for (key, place) in [
        ("host", raw.host.as_ref().map(|written| of.at(written))),
        ("path", raw.path.as_ref().map(|written| of.at(written))),
        ("path_prefix", raw.path_prefix.as_ref().map(|written| of.at(written))),
        ("path_suffix", raw.path_suffix.as_ref().map(|written| of.at(written))),
        ("path_regex", raw.path_regex.as_ref().map(|written| of.at(written))),
        ("method", raw.method.as_ref().map(|written| of.at(written))),
        ("header", raw.header.as_ref().map(|written| of.at(written))),
    ] {
        if let Some(place) = place {
            http_only(cx, place, key, of.mode).then_some(())?;
        }
    }
    let hosts = texts(cx, of, "host", raw.host.as_ref(), host);
    let exact = texts(cx, of, "path", raw.path.as_ref(), |cx, place, text| path(cx, place, text).map(PathMatch::Exact));
    let prefix = texts(cx, of, "path_prefix", raw.path_prefix.as_ref(), |cx, place, text| {
        path(cx, place, text).map(PathMatch::Prefix)
    });
    let suffix = texts(cx, of, "path_suffix", raw.path_suffix.as_ref(), |cx, place, text| {
        plain(cx, place, text).map(PathMatch::Suffix)
    });
    let regex = texts(cx, of, "path_regex", raw.path_regex.as_ref(), |cx, place, text| {
        plain(cx, place, text).map(PathMatch::Regex)
    });
    let methods = texts(cx, of, "method", raw.method.as_ref(), method);
    let headers = headers(cx, of, raw);
    let sources = texts(cx, of, "source", raw.source.as_ref(), network);
    let sni = texts(cx, of, "sni", raw.sni.as_ref(), host);
    if let Some(written) = &raw.sni
        && of.mode == Mode::Http
        && of.binds.is_some_and(|binds| binds.iter().all(|bind| bind.tls.is_none() && bind.options.is_none()))
    {
        let problem = Problem::new(of.at(written), "`sni` in mode http needs a bind with `tls`").label("no handshake");
        cx.add(problem.fix("write `host`, or `mode = \"tcp\"` for TLS that only passes through"));
        return None;
    }
    let paths = [exact?, prefix?, suffix?, regex?].concat();
    Some(Conditions { hosts: hosts?, paths, methods: methods?, headers: headers?, sources: sources?, sni: sni? })
}

/// One text or several, each read by itself.
pub(super) fn texts<T>(
    cx: &mut Cx<'_>,
    of: Of<'_>,
    key: &str,
    written: Option<&RawTexts>,
    mut read: impl FnMut(&mut Cx<'_>, Place, &str) -> Option<T>,
) -> Option<Vec<T>> {
    let Some(written) = written else { return Some(Vec::new()) };
    let list: Vec<(Place, &str)> = match written.get() {
        TextOr::Text(text) => vec![(of.at(written), text.as_str())],
        TextOr::Other(list) => list.0.iter().map(|one| (of.at(one), one.get().as_str())).collect(),
    };
    if list.len() > ROUTE_TEXTS_MAX {
        let problem = Problem::new(of.at(written), format!("`{key}` may have at most {ROUTE_TEXTS_MAX} entries"));
        cx.add(problem.label(format!("{} of them", list.len())).fix("make several routes of it"));
        return None;
    }
    let all: Vec<_> = list
        .into_iter()
        .map(|(place, text)| {
            if text.len() > ROUTE_TEXT_BYTES_MAX {
                let rule = format!("a text of `{key}` may have at most {ROUTE_TEXT_BYTES_MAX} bytes");
                cx.add(Problem::new(place, rule).label(format!("{} bytes", text.len())).fix("shorten it"));
                return None;
            }
            read(cx, place, text)
        })
        .collect();
    all.into_iter().collect()
}

fn host(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<HostMatch> {
    let lower = text.to_ascii_lowercase();
    let (name, below) = lower.strip_prefix("*.").map_or((lower.as_str(), false), |name| (name, true));
    let label =
        |label: &str| !label.is_empty() && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    if name.split('.').all(label) {
        let name = name.to_owned();
        return Some(if below { HostMatch::Below(name) } else { HostMatch::Exact(name) });
    }
    let problem = Problem::new(place, "a host is a DNS name without port");
    let problem = match name.rsplit_once(':') {
        Some((bare, _)) => problem.label("a port").fix(format!("write {bare:?}: the port does not count")),
        None if lower == "*" => problem.label("any host").fix("leave `host` out: then it does not count"),
        None if name.contains('*') => {
            let fix = "write \"*.example.com\" for all hosts below, or `path_regex` for what it cannot say";
            problem.label("a star stands for whole labels at the beginning alone").fix(fix)
        }
        None => problem.label("not a name").fix("write, for example, \"www.example.com\" or \"*.example.com\""),
    };
    cx.add(problem);
    None
}

/// The beginning of a path, or a whole one.
pub(super) fn path(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<String> {
    if !text.starts_with('/') || text.contains('?') {
        let problem = Problem::new(place, "a path begins with a slash, and ends before the query");
        let label = if text.contains('?') { "a query" } else { "no slash" };
        let bare = text.split('?').next().unwrap_or_default().trim_start_matches('/');
        cx.add(problem.label(label).fix(format!("write \"/{}\"", bare.escape_debug())));
        return None;
    }
    plain(cx, place, text)
}

/// Something without white space and control characters, which no path has.
fn plain(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<String> {
    if text.is_empty() || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        let problem = Problem::new(place, "a path has neither spaces nor control characters");
        cx.add(problem.label("never matches").fix("write them as they are in requests, such as `%20`"));
        return None;
    }
    Some(text.to_owned())
}

fn method(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_uppercase() || b == b'-') {
        return Some(text.to_owned());
    }
    let problem = Problem::new(place, "a method is a word in capitals").label("not a method");
    cx.add(problem.fix(format!("write \"{}\"", if text.is_empty() { "GET".to_owned() } else { text.to_uppercase() })));
    None
}

fn headers(cx: &mut Cx<'_>, of: Of<'_>, raw: &RawFrontendRoute) -> Option<Vec<HeaderMatch>> {
    let Some(list) = &raw.header else { return Some(Vec::new()) };
    let all: Vec<_> = list
        .get()
        .0
        .iter()
        .map(|entry| {
            let written = entry.get().name.as_ref()?;
            let name = super::rules::header_name(cx, of.at(written), written.get())?;
            let value = match &entry.get().value {
                Some(value) => Some(cx.one_line(of.item.file, "value", value)?),
                None => None,
            };
            Some(HeaderMatch { name, value })
        })
        .collect();
    all.into_iter().collect()
}
