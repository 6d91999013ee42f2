//! `[[frontend]]`: where clients arrive, and who serves them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use super::backends::Known;
use super::nodes::{Nodes, link_local, unusable};
use super::raw_lines::{self, Section};
use super::vips::Vips;
use super::{Cx, Names, at_most};
use crate::config::document::{Document, Item};
use crate::config::limits::FRONTENDS_MAX;
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawFrontend, RawMode};
use crate::config::written::{At, TextOr};
use crate::config::{Accept, Bind, BindTarget, Engine, Frontend, Mode, VipConfig};
use crate::units::Name;

/// All frontends, and what they say of the backends.
pub(super) struct Frontends {
    /// For each backend without `mode`: that of the first frontend that uses it.
    pub(super) backend_modes: BTreeMap<String, (RawMode, Place)>,
    good: Vec<Frontend>,
    all_good: bool,
}

impl Frontends {
    pub(super) fn finish(self) -> Option<Vec<Frontend>> {
        self.all_good.then_some(self.good)
    }
}

pub(super) fn mode(raw: RawMode) -> Mode {
    match raw {
        RawMode::Http => Mode::Http,
        RawMode::Tcp => Mode::Tcp,
    }
}

/// What a bind may name.
struct Targets<'a> {
    nodes: &'a Nodes,
    vips: &'a Vips,
    /// Addresses in use, and where.
    taken: BTreeMap<SocketAddr, Place>,
}

pub(super) fn check(
    cx: &mut Cx<'_>,
    document: &Document,
    nodes: &Nodes,
    vips: &Vips,
    backends: &Names<Known>,
) -> Frontends {
    at_most(cx, &document.frontends, FRONTENDS_MAX, "[[frontend]]");
    something_listens(cx, document);
    let mut names: Names<()> = Names::new(cx, "[[frontend]]", &document.frontends);
    let mut targets = Targets { nodes, vips, taken: BTreeMap::new() };
    let mut all = Frontends { backend_modes: BTreeMap::new(), good: Vec::new(), all_good: true };
    for item in &document.frontends {
        let raw = item.raw.get();
        let name = names.define(cx, item, raw.name.as_ref(), ());
        let binds = binds(cx, item, &mut targets);
        let default_backend = default_backend(cx, item, backends, &mut all.backend_modes);
        let lines = raw_lines::check(cx, item.file, Section::Frontend, raw.raw.as_ref());
        let frontend = || {
            Some(Frontend {
                name: name?,
                binds: binds?,
                mode: mode(raw.mode.as_ref().map_or(RawMode::Http, |mode| *mode.get())),
                default_backend: default_backend?,
                maxconn: raw.maxconn.as_ref().and_then(|count| u32::try_from(*count.get()).ok()),
                raw: lines?,
                origin: cx.origin(&item.place()),
            })
        };
        match frontend() {
            Some(frontend) => all.good.push(frontend),
            None => all.all_good = false,
        }
    }
    all
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

fn default_backend(
    cx: &mut Cx<'_>,
    item: &Item<RawFrontend>,
    backends: &Names<Known>,
    modes: &mut BTreeMap<String, (RawMode, Place)>,
) -> Option<Name> {
    let raw = item.raw.get();
    let written = raw.default_backend.as_ref()?;
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

fn binds(cx: &mut Cx<'_>, item: &Item<RawFrontend>, targets: &mut Targets<'_>) -> Option<Vec<Bind>> {
    let written = item.raw.get().bind.as_ref()?;
    let mut binds = Vec::new();
    for entry in &written.get().0 {
        binds.push(match entry.get() {
            TextOr::Text(text) => bind(cx, item.at(entry), text, None, targets),
            TextOr::Other(table) => {
                let options = match &table.options {
                    Some(options) => cx.one_line(item.file, "options", options).map(Some),
                    None => Some(None),
                };
                let address = table.address.as_ref();
                address
                    .zip(options)
                    .and_then(|(address, options)| bind(cx, item.at(address), address.get(), options, targets))
            }
        });
    }
    binds.into_iter().collect()
}

fn bind(cx: &mut Cx<'_>, place: Place, text: &str, options: Option<String>, targets: &mut Targets<'_>) -> Option<Bind> {
    let (host, port) = host_and_port(cx, &place, text)?;
    let (target, addresses) = target(cx, &place, host, port, targets)?;
    let mut free = is_accepted(cx, &place, &addresses, targets);
    for ip in addresses {
        let address = SocketAddr::new(ip, port);
        match targets.taken.get(&address) {
            // A VIP that has an address twice was reported there.
            Some(first) if *first == place => free = false,
            Some(first) => {
                let shown = if ip.is_unspecified() { format!("*:{port}") } else { address.to_string() };
                let problem = Problem::new(place.clone(), format!("{shown} is bound twice")).label("bound again");
                let note = "HAProxy would give each of the two some of the connections";
                cx.add(problem.also(first.clone(), "first bound here").note(note).fix("use another port or address"));
                free = false;
            }
            None => drop(targets.taken.insert(address, place.clone())),
        }
    }
    let origin = cx.origin(&place);
    free.then_some(Bind { target, port, options, origin })
}

/// A proxy behind a filter that drops what is sent to it serves nobody.
fn is_accepted(cx: &mut Cx<'_>, place: &Place, addresses: &[IpAddr], targets: &Targets<'_>) -> bool {
    let bound = |vip: &&VipConfig| vip.addresses.iter().any(|address| addresses.contains(&address.ip()));
    let Some(vip) = targets.vips.good.iter().filter(|vip| vip.accept == Accept::No).find(bound) else { return true };
    let problem = Problem::new(place.clone(), format!("VIP {:?} accepts no connections", vip.name.as_str()));
    let problem =
        problem.label("nobody would be served here").note("it has `accept = false`, for routers that only forward");
    cx.add(problem.fix("leave `accept` out of the [[vip]], or bind another address"));
    false
}

fn host_and_port<'t>(cx: &mut Cx<'_>, place: &Place, text: &'t str) -> Option<(&'t str, u16)> {
    let problem = |rule: &str| Problem::new(place.clone(), rule.to_owned());
    let rule = "a bind is \"VIP:port\", \"*:port\" or \"address:port\"";
    let Some((host, port)) = text.rsplit_once(':') else {
        let fix = match text.parse::<u16>() {
            Ok(port) => format!("write \"*:{port}\", or the name of a [[vip]] in place of the star"),
            Err(_) => format!("write \"{}:80\"", text.escape_debug()),
        };
        cx.add(problem(rule).label("no port").fix(fix));
        return None;
    };
    match port.parse::<u16>() {
        Ok(0) | Err(_) => {
            cx.add(problem(rule).label("the port is not a number from 1 to 65535").fix("write one port per entry"));
            None
        }
        Ok(port) if host.is_empty() => {
            let fix = format!("write \"*:{port}\" for all addresses, or the name of a [[vip]] in place of the star");
            cx.add(problem(rule).label("nothing before the port").fix(fix));
            None
        }
        Ok(port) => Some((host, port)),
    }
}

fn target(
    cx: &mut Cx<'_>,
    place: &Place,
    host: &str,
    port: u16,
    targets: &Targets<'_>,
) -> Option<(BindTarget, Vec<IpAddr>)> {
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match (host, bare.parse::<IpAddr>()) {
        ("*", _) => Some((BindTarget::Any, vec![IpAddr::V4(Ipv4Addr::UNSPECIFIED)])),
        (_, Ok(IpAddr::V4(ip))) if ip.is_unspecified() => Some((BindTarget::Any, vec![IpAddr::V4(ip)])),
        (_, Ok(IpAddr::V6(_))) if bare == host => {
            let problem = Problem::new(place.clone(), "an IPv6 address of a bind stands in brackets");
            cx.add(problem.label("where does the port begin?").fix(format!("write \"[{bare}]:{port}\"")));
            None
        }
        // Linux has such a socket listen for both families.
        (_, Ok(IpAddr::V6(ip))) if ip.is_unspecified() => {
            Some((BindTarget::Address(IpAddr::V6(ip)), vec![IpAddr::V6(ip), IpAddr::V4(Ipv4Addr::UNSPECIFIED)]))
        }
        (_, Ok(ip)) => fixed_address(cx, place, ip, port, targets),
        (_, Err(_)) => {
            let addresses = targets.vips.names.resolve(cx, place.clone(), host)?.clone();
            if addresses.is_empty() && targets.vips.good.iter().any(|vip| vip.name.as_str() == host) {
                let problem = Problem::new(place.clone(), format!("VIP {host:?} has only link-local addresses"));
                let problem = problem.label("a bind has no interface, without which they say nothing");
                cx.add(problem.fix("add another address to the VIP, or write the bind in `raw` of the frontend"));
            }
            Some((BindTarget::Vip(Name::new(host).ok()?), addresses))
        }
    }
}

/// An address of the user's, which every node must have: the file is the same everywhere.
fn fixed_address(
    cx: &mut Cx<'_>,
    place: &Place,
    ip: IpAddr,
    port: u16,
    targets: &Targets<'_>,
) -> Option<(BindTarget, Vec<IpAddr>)> {
    let why = if link_local(ip) { Some("a link-local address needs its interface too") } else { unusable(ip) };
    if let Some(why) = why {
        let problem = Problem::new(place.clone(), "a bind must name an address that a host can have");
        cx.add(problem.label(why).fix(format!("write \"*:{port}\" for all addresses")));
        return None;
    }
    let owner = targets.nodes.addresses.get(&ip).filter(|_| targets.nodes.names.map.len() > 1);
    if let Some((node_place, node)) = owner {
        let problem = Problem::new(place.clone(), format!("{ip} is the address of node {node:?} alone"));
        let problem = problem.label("the proxy would not start on the others").also(node_place.clone(), "defined here");
        cx.add(problem.fix(format!("write \"*:{port}\" for all addresses, or bind a VIP")));
        return None;
    }
    Some((BindTarget::Address(ip), vec![ip]))
}
