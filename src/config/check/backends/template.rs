//! `server_template` of a backend: servers that DNS names.

use super::servers::{self, Defaults};
use crate::config::ServerTemplate;
use crate::config::check::{Cx, Names, Reported};
use crate::config::document::Item;
use crate::config::limits::SERVERS_MAX;
use crate::config::problem::Problem;
use crate::config::raw::{RawBackend, RawServerTemplate};
use crate::config::written::At;
use crate::units::Name;

pub(super) fn check(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    known: &Names<Option<Name>>,
    defaults: &Result<Defaults, Reported>,
    left: &mut usize,
) -> Result<Option<ServerTemplate>, Reported> {
    let Some(written) = &item.raw.get().server_template else { return Ok(None) };
    let RawServerTemplate { prefix, count, address, resolvers } = written.get();
    // What is missing was told by the shape pass.
    let prefix = prefix.as_ref().ok_or(Reported).and_then(|prefix| self::prefix(cx, item, prefix));
    let address = address.as_ref().ok_or(Reported).and_then(|address| self::address(cx, item, address));
    let resolvers = resolvers.as_ref().ok_or(Reported).and_then(|name| reference(cx, item, known, name));
    let count = count.as_ref().and_then(|count| u32::try_from(*count.get()).ok()).ok_or(Reported)?;
    match left.checked_sub(usize::try_from(count).unwrap_or(usize::MAX)) {
        Some(rest) => *left = rest,
        None => {
            let rule = format!("there may be at most {SERVERS_MAX} servers in all backends together");
            cx.add(Problem::new(item.at(written), rule).label("too many with these").fix("write a smaller `count`"));
            return Err(Reported);
        }
    }
    let weight = defaults.as_ref().ok().and_then(|defaults| defaults.weight).unwrap_or(1);
    if weight == 0 {
        let problem = Problem::new(item.at(written), "all servers of this backend have weight 0");
        cx.add(problem.label("none would get a request").fix("write another `weight` in `server_defaults`"));
        return Err(Reported);
    }
    Ok(Some(ServerTemplate {
        prefix: prefix?,
        count,
        address: address?,
        resolvers: resolvers?,
        weight,
        maxconn: defaults.as_ref().ok().and_then(|defaults| defaults.maxconn),
        origin: cx.origin(&item.at(written)),
    }))
}

fn prefix(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: &At<String>) -> Result<Name, Reported> {
    Name::new(written.get()).map_err(|error| {
        cx.add(Problem::new(item.at(written), error.to_string()).fix("write a short word, such as \"web\""));
        Reported
    })
}

/// SRV records bring the port of each server; other names need it said.
fn address(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: &At<String>) -> Result<String, Reported> {
    let text = written.get();
    if !text.starts_with('_') {
        return servers::address(cx, item.at(written), text).ok_or(Reported);
    }
    let labels: Vec<&str> = text.split('.').collect();
    let good = matches!(labels.as_slice(), [_, protocol, _, ..] if protocol.starts_with('_'));
    if good && servers::is_host_name(text) {
        return Ok(text.clone());
    }
    let problem = Problem::new(item.at(written), "the name of SRV records is \"_service._protocol.name\"");
    let label = if text.contains(':') { "the records say the port" } else { "not such a name" };
    cx.add(problem.label(label).fix("write, for example, \"_http._tcp.web.internal\""));
    Err(Reported)
}

/// The group of name servers that is meant.
pub(super) fn reference(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    known: &Names<Option<Name>>,
    written: &At<String>,
) -> Result<Name, Reported> {
    known.resolve(cx, item.at(written), written.get()).cloned().flatten().ok_or(Reported)
}
