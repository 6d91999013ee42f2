//! Binds of frontends: what they name, and that no two take the same.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use super::nodes::{Nodes, link_local, unusable};
use super::vips::Vips;
use super::{Cx, tls};
use crate::config::document::Item;
use crate::config::problem::{Place, Problem};
use crate::config::raw::RawFrontend;
use crate::config::written::TextOr;
use crate::config::{Accept, Bind, BindTarget, Tls, VipConfig};
use crate::units::Name;

/// What a bind may name.
pub(super) struct Targets<'a> {
    nodes: &'a Nodes,
    vips: &'a Vips,
    /// Addresses in use, and where.
    taken: BTreeMap<SocketAddr, Place>,
    /// Unix sockets in use, and where.
    sockets: BTreeMap<String, Place>,
}

impl<'a> Targets<'a> {
    pub(super) fn new(nodes: &'a Nodes, vips: &'a Vips) -> Self {
        Self { nodes, vips, taken: BTreeMap::new(), sockets: BTreeMap::new() }
    }
}

pub(super) fn check(cx: &mut Cx<'_>, item: &Item<RawFrontend>, targets: &mut Targets<'_>) -> Option<Vec<Bind>> {
    let written = item.raw.get().bind.as_ref()?;
    let mut binds = Vec::new();
    for entry in &written.get().0 {
        binds.push(match entry.get() {
            TextOr::Text(text) => bind(cx, item.at(entry), text, Extras::default(), targets),
            TextOr::Other(table) => {
                let options = match &table.options {
                    Some(options) => cx.one_line(item.file, "options", options).map(Some),
                    None => Some(None),
                };
                let tls = match &table.tls {
                    Some(tls) => tls::check(cx, item, tls).map(Some),
                    None => Some(None),
                };
                let extras = options.zip(tls).map(|(options, tls)| Extras { tls, options });
                let address = table.address.as_ref();
                address
                    .zip(extras)
                    .and_then(|(address, extras)| bind(cx, item.at(address), address.get(), extras, targets))
            }
        });
    }
    binds.into_iter().collect()
}

/// A bind that is nothing but its address.
pub(super) fn plain(cx: &mut Cx<'_>, place: Place, text: &str, targets: &mut Targets<'_>) -> Option<Bind> {
    bind(cx, place, text, Extras::default(), targets)
}

/// What a bind has beside its address.
#[derive(Default)]
struct Extras {
    tls: Option<Tls>,
    options: Option<String>,
}

fn bind(cx: &mut Cx<'_>, place: Place, text: &str, extras: Extras, targets: &mut Targets<'_>) -> Option<Bind> {
    let Extras { tls, options } = extras;
    if text.starts_with('/') {
        let target = unix_socket(cx, &place, text, targets)?;
        return Some(Bind { target, port: 0, tls, options, origin: cx.origin(&place) });
    }
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
    free.then_some(Bind { target, port, tls, options, origin })
}

/// HAProxy binds a name with its process number and `.tmp` behind it before it renames: of the 107 bytes that Linux has
/// for the path of a socket this many are left (proto_uxst.c).
const SOCKET_PATH_BYTES_MAX: usize = 91;

fn unix_socket(cx: &mut Cx<'_>, place: &Place, text: &str, targets: &mut Targets<'_>) -> Option<BindTarget> {
    let problem = |rule: String| Problem::new(place.clone(), rule);
    if text.ends_with('/') || text.chars().any(|c| c.is_control() || c.is_whitespace() || c == ',') {
        let problem = problem("the path of a unix socket names a file, without spaces and commas".to_owned());
        cx.add(problem.label("not such a path").fix("write, for example, \"/run/www.sock\""));
        return None;
    }
    if text.len() > SOCKET_PATH_BYTES_MAX {
        let rule = format!("the path of a unix socket may have at most {SOCKET_PATH_BYTES_MAX} bytes");
        let note = "HAProxy needs some of the 107 bytes that Linux has for it";
        cx.add(problem(rule).label(format!("{} bytes", text.len())).note(note).fix("choose a shorter path"));
        return None;
    }
    if let Some(first) = targets.sockets.insert(text.to_owned(), place.clone()) {
        let problem = problem(format!("{text} is bound twice")).label("bound again");
        cx.add(problem.also(first, "first bound here").fix("use another path"));
        return None;
    }
    Some(BindTarget::Unix(PathBuf::from(text)))
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
    let rule = "a bind is \"VIP:port\", \"*:port\", \"address:port\" or the path of a unix socket";
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
