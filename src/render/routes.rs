//! Routes in HAProxy's words: the first one whose conditions hold counts, whatever its action.

use super::RenderError;
use super::model::{one_line, word};
use super::rules::Lines;
use crate::config::{Action, Body, Conditions, Frontend, HostMatch, Mode, PathMatch, RedirectTo, Rewrite, Route};

/// How long a client may take to say whom it wants to speak to, where that decides.
const INSPECT_DELAY: &str = "5s";

/// So many hosts of routes that follow each other and ask for nothing else make a map file.
const MAP_HOSTS_MIN: usize = 8;

/// Where the chosen backend is kept while later rules are worked off.
const BACKEND: &str = "txn.vipkeeper_backend";

/// Which route changes the path.
const REWRITES: &str = "txn.vipkeeper_route";

/// The host that is asked for, as routes have it.
const HOST: &str = "req.hdr(host),host_only,lower";

/// When a backend is chosen.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Choice {
    /// By `use_backend`, after all other rules.
    AtTheEnd,
    /// By a variable, in its place among the other rules.
    InPlace,
}

pub(super) fn add(lines: &mut Lines<'_>, frontend: &Frontend, routes: &[Route]) -> Result<(), RenderError> {
    let ends_tls = ends_tls(frontend);
    let mut routing = Routing { mode: frontend.mode, ends_tls, choice: choice(frontend, routes), any: false };
    if frontend.mode == Mode::Tcp && !ends_tls && routes.iter().any(|route| !route.when.sni.is_empty()) {
        lines.add(format!("tcp-request inspect-delay {INSPECT_DELAY}"));
    }
    if routing.choice == Choice::InPlace {
        lines.add(format!("acl vipkeeper-chosen var({BACKEND}) -m found"));
    }
    let mut number = 0_usize;
    let mut rest = routes;
    while let Some((route, others)) = rest.split_first() {
        let run = hosts_alone(rest);
        if run.iter().map(|(_, hosts)| hosts.len()).sum::<usize>() >= MAP_HOSTS_MIN {
            lines.origin = route.origin;
            routing.by_map(lines, frontend, &run)?;
            number = number.saturating_add(run.len());
            rest = rest.get(run.len()..).unwrap_or_default();
        } else {
            number = number.saturating_add(1);
            lines.origin = route.origin;
            routing.one(lines, number, route)?;
            rest = others;
        }
    }
    lines.origin = frontend.origin;
    if routing.choice == Choice::InPlace {
        lines.add(format!("use_backend %[var({BACKEND})] if vipkeeper-chosen"));
    }
    Ok(())
}

/// Whether the handshake is seen from the end of it, rather than from outside.
fn ends_tls(frontend: &Frontend) -> bool {
    frontend.binds.iter().any(|bind| bind.tls.is_some())
}

/// `use_backend` comes after all other rules. That is right as long as no other action follows a backend, no path is
/// changed, and no rule has to wait for a handshake.
fn choice(frontend: &Frontend, routes: &[Route]) -> Choice {
    let ends_tls = ends_tls(frontend);
    let first = routes.iter().position(|route| matches!(route.action, Action::Backend { .. }));
    let after = first.and_then(|first| routes.get(first..)).unwrap_or_default();
    let simple = |route: &Route| match &route.action {
        Action::Backend { name: _, rewrite } => *rewrite == Rewrite::default(),
        Action::Redirect { .. } | Action::Return { .. } | Action::Deny(_) | Action::Reject => false,
    };
    let waits = |route: &Route| frontend.mode == Mode::Tcp && !ends_tls && !route.when.sni.is_empty();
    let at_the_end = after.iter().all(|route| simple(route) && !waits(route));
    if at_the_end { Choice::AtTheEnd } else { Choice::InPlace }
}

/// The routes from here on that send whole hosts to backends, with these.
pub(super) fn hosts_alone<'r>(routes: &'r [Route]) -> Vec<(&'r str, Vec<&'r str>)> {
    let plain = |route: &'r Route| {
        let Route { when, action: Action::Backend { name, rewrite }, origin: _ } = route else { return None };
        when.plain_hosts().filter(|_| *rewrite == Rewrite::default()).map(|hosts| (name.as_str(), hosts))
    };
    routes.iter().map_while(plain).collect()
}

struct Routing {
    mode: Mode,
    ends_tls: bool,
    choice: Choice,
    /// A backend may have been chosen before.
    any: bool,
}

impl Routing {
    fn by_map(
        &mut self,
        lines: &mut Lines<'_>,
        frontend: &Frontend,
        run: &[(&str, Vec<&str>)],
    ) -> Result<(), RenderError> {
        let mut text = String::new();
        for (backend, hosts) in run {
            for host in hosts {
                text.extend([one_line("a host", host)?, " ", backend, "\n"]);
            }
        }
        let file = lines.file(&format!("{}-hosts", frontend.name), "map", text)?;
        let found = format!("{HOST},map_str({file})");
        match self.choice {
            Choice::AtTheEnd => lines.add(format!("use_backend %[{found}] if {{ {found} -m found }}")),
            Choice::InPlace => {
                let unless = if self.any { " if !vipkeeper-chosen" } else { "" };
                lines.add(format!("http-request set-var({BACKEND}) {found}{unless}"));
            }
        }
        self.any = true;
        Ok(())
    }

    fn one(&mut self, lines: &mut Lines<'_>, number: usize, route: &Route) -> Result<(), RenderError> {
        let mut conditions = self.conditions(lines, number, &route.when)?;
        if self.any && self.choice == Choice::InPlace {
            conditions.push("!vipkeeper-chosen".to_owned());
        }
        let when = if conditions.is_empty() { String::new() } else { format!(" if {}", conditions.join(" ")) };
        let verb = match self.mode {
            Mode::Http => "http-request",
            Mode::Tcp => "tcp-request content",
        };
        match &route.action {
            Action::Backend { name, rewrite } => {
                match self.choice {
                    Choice::AtTheEnd => lines.add(format!("use_backend {name}{when}")),
                    Choice::InPlace if *rewrite == Rewrite::default() => {
                        lines.add(format!("{verb} set-var({BACKEND}) str({name}){when}"));
                    }
                    Choice::InPlace => rewritten(lines, number, name.as_str(), rewrite, &when),
                }
                self.any = true;
            }
            Action::Redirect { to, code } => lines.add(format!("{verb} redirect {}{when}", redirect(to, *code)?)),
            Action::Return { status, content_type, body } => {
                lines.add(format!("{verb} return {}{when}", answer(*status, content_type, body)?));
            }
            Action::Deny(status) => lines.add(format!("{verb} deny deny_status {status}{when}")),
            Action::Reject => lines.add(format!("{verb} reject{when}")),
        }
        Ok(())
    }

    /// The ACLs of a route, which must all match.
    fn conditions(&self, lines: &mut Lines<'_>, number: usize, when: &Conditions) -> Result<Vec<String>, RenderError> {
        let Conditions { hosts, paths, methods, headers, sources, sni } = when;
        let name = |of: &str| format!("route{number}-{of}");
        let mut names = Vec::new();
        let handshake = if self.mode == Mode::Tcp && !self.ends_tls { "req.ssl_sni,lower" } else { "ssl_fc_sni,lower" };
        for (of, fetch, hosts) in [("host", HOST, hosts), ("sni", handshake, sni)] {
            let exact = hosts.iter().filter_map(|host| match host {
                HostMatch::Exact(host) => Some(host.clone()),
                HostMatch::Below(_) => None,
            });
            let below = hosts.iter().filter_map(|host| match host {
                HostMatch::Exact(_) => None,
                HostMatch::Below(domain) => Some(format!(".{domain}")),
            });
            let (exact, below): (Vec<String>, Vec<String>) = (exact.collect(), below.collect());
            lines.acl(&name(of), &format!("{fetch} -m str"), exact.iter().map(String::as_str))?;
            lines.acl(&name(of), &format!("{fetch} -m end"), below.iter().map(String::as_str))?;
            names.extend((!hosts.is_empty()).then(|| name(of)));
        }
        for kind in ["str", "beg", "end", "reg"] {
            let of_kind = paths.iter().filter_map(|path| match path {
                PathMatch::Exact(text) => (kind == "str").then_some(text.as_str()),
                PathMatch::Prefix(text) => (kind == "beg").then_some(text.as_str()),
                PathMatch::Suffix(text) => (kind == "end").then_some(text.as_str()),
                PathMatch::Regex(text) => (kind == "reg").then_some(text.as_str()),
            });
            lines.acl(&name("path"), &format!("path -m {kind}"), of_kind)?;
        }
        names.extend((!paths.is_empty()).then(|| name("path")));
        for (of, criterion, values) in [("method", "method", methods), ("source", "src", sources)] {
            lines.acl(&name(of), criterion, values.iter().map(String::as_str))?;
            names.extend((!values.is_empty()).then(|| name(of)));
        }
        for (n, header) in headers.iter().enumerate() {
            let acl = name(&format!("header{}", n.saturating_add(1)));
            let fetch = format!("req.hdr({})", one_line("the name of a header", &header.name)?);
            match &header.value {
                Some(value) => lines.acl(&acl, &format!("{fetch} -m str"), std::iter::once(value.as_str()))?,
                None => lines.add(format!("acl {acl} {fetch} -m found")),
            }
            names.push(acl);
        }
        Ok(names)
    }
}

/// A backend that gets another path. Its conditions may be about the path, so they are judged once, before it changes.
fn rewritten(lines: &mut Lines<'_>, number: usize, backend: &str, rewrite: &Rewrite, when: &str) {
    let Rewrite { strip, add } = rewrite;
    lines.add(format!("acl route{number} var({REWRITES}) -m int {number}"));
    lines.add(format!("http-request set-var({REWRITES}) int({number}){when}"));
    lines.add(format!("http-request set-var({BACKEND}) str({backend}) if route{number}"));
    let add = add.as_deref().unwrap_or_default();
    let (from, to) = match strip {
        // Nothing but a slash or the end may follow: `/api` is no part of `/apis`.
        Some(strip) => (format!("^{}(/(.*))?$", strip.replace('.', "\\.")), format!("{add}/\\2")),
        None => ("^(.*)$".to_owned(), format!("{add}\\1")),
    };
    lines.add(format!("http-request replace-path '{from}' '{to}' if route{number}"));
}

fn redirect(to: &RedirectTo, code: u16) -> Result<String, RenderError> {
    let (kind, target) = match to {
        RedirectTo::Scheme(scheme) => ("scheme", scheme),
        RedirectTo::Prefix(prefix) => ("prefix", prefix),
        RedirectTo::Location(location) => ("location", location),
    };
    Ok(format!("{kind} {} code {code}", word(one_line("a redirect", target)?)))
}

fn answer(status: u16, content_type: &str, body: &Body) -> Result<String, RenderError> {
    let content_type = word(one_line("a content type", content_type)?);
    Ok(match body {
        Body::Empty => format!("status {status}"),
        Body::Text(text) => {
            format!("status {status} content-type {content_type} string {}", word(one_line("a body", text)?))
        }
        Body::File(file) => format!("status {status} content-type {content_type} file {}", super::tls::path(file)?),
    })
}
