//! `[[backend]]`: balancing, checks and servers.

mod balance;
mod checks;
mod http_check;
mod persistence;
mod servers;
mod tcp_check;
mod template;
mod traffic;

use super::frontends::{Frontends, mode};
use super::raw_lines::{self, Section};
use super::{Cx, Names};
use crate::config::Backend;
use crate::config::document::{Document, Item};
use crate::config::limits::SERVERS_MAX;
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawBackend, RawMode};
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

pub(super) fn check(
    cx: &mut Cx<'_>,
    document: &Document,
    frontends: &Frontends,
    resolvers: &Names<Option<Name>>,
) -> Option<Vec<Backend>> {
    let mut around = Around { frontends, resolvers, servers_left: SERVERS_MAX };
    let backends: Vec<_> = document.backends.iter().map(|item| backend(cx, item, &mut around)).collect();
    backends.into_iter().collect()
}

/// What a backend is checked against.
struct Around<'a> {
    frontends: &'a Frontends,
    resolvers: &'a Names<Option<Name>>,
    servers_left: usize,
}

fn backend(cx: &mut Cx<'_>, item: &Item<RawBackend>, around: &mut Around<'_>) -> Option<Backend> {
    let raw = item.raw.get();
    let own = raw.mode.as_ref().map(|mode| *mode.get());
    let used = raw.name.as_ref().and_then(|name| around.frontends.backend_modes.get(name.get())).map(|(mode, _)| *mode);
    let mode = mode(own.or(used).unwrap_or(RawMode::Http));
    let balance = balance::balance(cx, item, mode);
    let hash = balance::hash(cx, item, balance.as_ref());
    let check = raw.check.as_ref().map(|check| checks::check(cx, item, mode, check)).transpose();
    let agent = raw.agent.as_ref().map_or(Ok(None), |agent| checks::agent(cx, item, agent));
    let defaults = servers::defaults(cx, item, around.resolvers);
    let servers = servers::servers(cx, item, &defaults, around.resolvers, &mut around.servers_left);
    let template = template::check(cx, item, around.resolvers, &defaults, &mut around.servers_left);
    if raw.server.is_none() && raw.server_template.is_none() && cx.is_whole(&item.place()) {
        let problem = Problem::new(item.place(), "[[backend]] needs `server` or `server_template`");
        let fix = "add `server = [{ name = \"web1\", address = \"192.168.83.129:8080\" }]`";
        cx.add(problem.label("nobody would serve").fix(fix));
        return None;
    }
    let cookie = persistence::cookie(cx, item, mode);
    let stick = persistence::stick(cx, item, mode);
    let traffic = traffic::traffic(cx, item, mode);
    let lines = raw_lines::check(cx, item.file, Section::Backend, raw.raw.as_ref());
    Some(Backend {
        name: raw.name.as_ref().and_then(|name| Name::new(name.get()).ok())?,
        mode,
        balance: balance?,
        hash: hash.ok()?,
        check: check.ok()?,
        agent: agent.ok()?,
        server_defaults: defaults.ok()?.settings,
        servers: servers?,
        template: template.ok()?,
        cookie: cookie.ok()?,
        stick: stick.ok()?,
        traffic: traffic.ok()?,
        raw: lines?,
        origin: cx.origin(&item.place()),
    })
}
