//! `[[frontend]]`: where clients arrive, and who serves them.

use std::collections::BTreeMap;

use super::backends::Known;
use super::binds::{self, Targets};
use super::nodes::Nodes;
use super::raw_lines::{self, Section};
use super::routing::{Around, Of};
use super::vips::Vips;
use super::{Cx, Names, Reported, at_most, operation, rules};
use crate::config::document::{Document, Item};
use crate::config::limits::FRONTENDS_MAX;
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawFrontend, RawFrontendRoute, RawMode};
use crate::config::written::At;
use crate::config::{Bind, Engine, Frontend, Mode, Stats};
use crate::units::Name;

/// The mode of the first frontend that uses a backend, and where that is written.
pub(super) type BackendModes = BTreeMap<String, (RawMode, Place)>;

/// All frontends, and what they say of the backends.
pub(super) struct Frontends {
    /// For each backend without `mode`: that of the first frontend that uses it.
    pub(super) backend_modes: BackendModes,
    /// The stats page, which binds as they do; none: something was reported.
    #[allow(clippy::option_option, reason = "absent, and wrong")]
    stats: Option<Option<Stats>>,
    good: Vec<Frontend>,
    all_good: bool,
}

impl Frontends {
    pub(super) fn finish(self) -> Option<(Vec<Frontend>, Option<Stats>)> {
        self.all_good.then_some((self.good, self.stats?))
    }
}

pub(super) fn mode(raw: RawMode) -> Mode {
    match raw {
        RawMode::Http => Mode::Http,
        RawMode::Tcp => Mode::Tcp,
    }
}

pub(super) fn check(
    cx: &mut Cx<'_>,
    document: &Document,
    nodes: &Nodes,
    vips: &Vips,
    backends: &Names<Known>,
    userlists: &Names<()>,
) -> Frontends {
    at_most(cx, &document.frontends, FRONTENDS_MAX, "[[frontend]]");
    something_listens(cx, document);
    let mut names: Names<()> = Names::new(cx, "[[frontend]]", &document.frontends);
    let mut targets = Targets::new(nodes, vips);
    let mut modes = BackendModes::new();
    let mut around = Around::new(backends, &mut modes, userlists);
    let (mut good, mut all_good) = (Vec::new(), true);
    for item in &document.frontends {
        let raw = item.raw.get();
        let name = names.define(cx, item, raw.name.as_ref(), ());
        let binds = binds::check(cx, item, &mut targets);
        let mode = mode(raw.mode.as_ref().map_or(RawMode::Http, |mode| *mode.get()));
        let default_backend = default_backend(cx, item, backends, around.modes, binds.as_deref());
        let rules = rules::check(cx, Of { item, mode, binds: binds.as_deref() }, &mut around);
        let lines = raw_lines::check(cx, item.file, Section::Frontend, raw.raw.as_ref());
        let frontend = || {
            Some(Frontend {
                name: name?,
                binds: binds?,
                mode,
                default_backend: default_backend.ok()?,
                maxconn: raw.maxconn.as_ref().and_then(|count| u32::try_from(*count.get()).ok()),
                rules: rules?,
                raw: lines?,
                origin: cx.origin(&item.place()),
            })
        };
        match frontend() {
            Some(frontend) => good.push(frontend),
            None => all_good = false,
        }
    }
    let stats = operation::stats(cx, document.proxy.as_ref(), &mut targets, userlists);
    Frontends { backend_modes: modes, good, all_good, stats }
}

/// HAProxy refuses to start where nothing listens; nginx would serve nobody.
fn something_listens(cx: &mut Cx<'_>, document: &Document) {
    let proxy = document.proxy.as_ref().map(|proxy| proxy.raw.get());
    let (sections, words): (_, &[&str]) = match cx.engine {
        Engine::Haproxy => (proxy.and_then(|proxy| proxy.raw_sections.as_ref()), &["frontend", "listen"]),
        Engine::Nginx => (proxy.and_then(|proxy| proxy.raw_defaults.as_ref()), &["server", "server{"]),
    };
    let listens = |line: &At<String>| line.get().split_whitespace().next().is_some_and(|word| words.contains(&word));
    if document.frontends.is_empty()
        && !sections.is_some_and(|lines| lines.get().iter().any(listens))
        && cx.files_are_whole()
    {
        let problem = Problem::new(Place::file(0), "there is no [[frontend]]: the proxy would serve nothing");
        cx.add(problem.fix("add a [[frontend]] with `name`, `bind` and `default_backend`"));
    }
}

/// The backend for what nothing else answered.
fn default_backend(
    cx: &mut Cx<'_>,
    item: &Item<RawFrontend>,
    backends: &Names<Known>,
    modes: &mut BackendModes,
    binds: Option<&[Bind]>,
) -> Result<Option<Name>, Reported> {
    let raw = item.raw.get();
    if let Some(written) = &raw.default_backend {
        return backend(cx, item, written, backends, modes).map(Some).ok_or(Reported);
    }
    let redirects = raw.redirect_https.as_ref().is_some_and(|redirect| *redirect.get());
    let last = raw.route.as_ref().and_then(|routes| routes.get().last());
    let ends_tls = binds.is_some_and(|binds| binds.iter().any(|bind| bind.tls.is_some()));
    if (redirects && !ends_tls) || last.is_some_and(|route| is_unconditional(route.get())) {
        return Ok(None);
    }
    if cx.is_whole(&item.place()) {
        let problem = Problem::new(item.place(), "[[frontend]] needs `default_backend`");
        let problem = problem.label("`default_backend` is missing");
        let note =
            "Name of the `[[backend]]` that serves it; only a frontend that answers everything itself needs none.";
        cx.add(problem.note(note).fix("add `default_backend = \"web\"`"));
    }
    Err(Reported)
}

/// Whether a route takes every request.
fn is_unconditional(route: &RawFrontendRoute) -> bool {
    let RawFrontendRoute {
        host,
        path,
        path_prefix,
        path_suffix,
        path_regex,
        method,
        header,
        source,
        sni,
        backend: _,
        strip_prefix: _,
        add_prefix: _,
        redirect: _,
        answer: _,
        deny: _,
        reject: _,
    } = route;
    let texts = [host, path, path_prefix, path_suffix, path_regex, method, source, sni];
    header.is_none() && texts.iter().all(|texts| texts.is_none())
}

/// A backend that a frontend refers to: it exists, and is of the same mode.
pub(super) fn backend(
    cx: &mut Cx<'_>,
    item: &Item<RawFrontend>,
    written: &At<String>,
    backends: &Names<Known>,
    modes: &mut BackendModes,
) -> Option<Name> {
    let raw = item.raw.get();
    let known = backends.resolve(cx, item.at(written), written.get())?;
    let (mode, place) = match &raw.mode {
        Some(mode) => (*mode.get(), item.at(mode)),
        None => (RawMode::Http, item.at(written)),
    };
    let other = match &known.mode {
        Some(explicit) => Some(explicit.clone()),
        None => modes.get(written.get()).cloned(),
    };
    match other {
        Some((other, other_place)) if other != mode => {
            let backend = written.get();
            let (mine, theirs) = (word(mode), word(other));
            let rule = format!("this frontend has mode {mine}, and its backend {backend:?} mode {theirs}");
            let by_default = if raw.mode.is_some() { "" } else { " by default" };
            let from = if known.mode.is_some() { "" } else { ", from its other frontend" };
            let problem = Problem::new(place, rule).label(format!("mode {mine}{by_default}"));
            let problem = problem.also(other_place, format!("mode {theirs}{from}"));
            cx.add(problem.fix(format!("write `mode = \"{theirs}\"` in the frontend, or use another backend")));
        }
        Some(_) => {}
        None => drop(modes.insert(written.get().clone(), (mode, place))),
    }
    Name::new(written.get()).ok()
}

fn word(mode: RawMode) -> &'static str {
    match mode {
        RawMode::Http => "http",
        RawMode::Tcp => "tcp",
    }
}
