//! `[[resolvers]]`: who is asked for names.

use std::net::{IpAddr, SocketAddr};

use super::{Cx, Names, Reported, at_most};
use crate::config::document::Item;
use crate::config::limits::{DNS_HOLD, DNS_TIME, RESOLVERS_MAX};
use crate::config::problem::Problem;
use crate::config::raw::{RawHold, RawResolvers};
use crate::config::written::At;
use crate::config::{Resolvers, ResolversHold};
use crate::units::Name;

/// Name servers of one group; HAProxy asks all of them at once.
const NAMESERVERS_MAX: usize = 8;

/// Port of DNS.
const DNS_PORT: u16 = 53;

/// The names of all groups, before servers refer to them.
pub(super) fn define(cx: &mut Cx<'_>, items: &[Item<RawResolvers>]) -> Names<Option<Name>> {
    let mut names = Names::new(cx, "[[resolvers]]", items);
    at_most(cx, items, RESOLVERS_MAX, "[[resolvers]]");
    for item in items {
        let written = item.raw.get().name.as_ref();
        let good = names.define(cx, item, written, None);
        if let (Some(good), Some((_, slot))) = (good, written.and_then(|name| names.map.get_mut(name.get()))) {
            *slot = Some(good);
        }
    }
    names
}

pub(super) fn check(cx: &mut Cx<'_>, items: &[Item<RawResolvers>]) -> Option<Vec<Resolvers>> {
    let all: Vec<_> = items.iter().map(|item| resolvers(cx, item)).collect();
    all.into_iter().collect::<Result<_, _>>().ok()
}

fn resolvers(cx: &mut Cx<'_>, item: &Item<RawResolvers>) -> Result<Resolvers, Reported> {
    let RawResolvers { name, nameservers, system, resolve, retry, retries, hold, accepted_payload_size } =
        item.raw.get();
    let system = system.as_ref().is_some_and(|system| *system.get());
    if nameservers.is_none() && !system && cx.is_whole(&item.place()) {
        let problem = Problem::new(item.place(), "[[resolvers]] must say who is asked: `nameservers` or `system`");
        cx.add(problem.label("nobody is").fix("add `nameservers = [\"192.168.83.53\"]` or `system = true`"));
    }
    let asked = self::nameservers(cx, item);
    let resolve = cx.optional_duration(item.file, "resolve", resolve.as_ref(), DNS_TIME);
    let retry = cx.optional_duration(item.file, "retry", retry.as_ref(), DNS_TIME);
    let hold = hold.as_ref().map(|hold| self::hold(cx, item, hold.get())).transpose();
    let count = |written: &Option<At<i64>>| written.as_ref().and_then(|count| u32::try_from(*count.get()).ok());
    Ok(Resolvers {
        // What is wrong with a name was told when it was defined.
        name: name.as_ref().and_then(|name| Name::new(name.get()).ok()).ok_or(Reported)?,
        nameservers: asked?,
        system,
        resolve: resolve?,
        retry: retry?,
        retries: count(retries),
        hold: hold?.unwrap_or_default(),
        accepted_payload_size: count(accepted_payload_size),
        origin: cx.origin(&item.place()),
    })
}

fn nameservers(cx: &mut Cx<'_>, item: &Item<RawResolvers>) -> Result<Vec<SocketAddr>, Reported> {
    let Some(written) = &item.raw.get().nameservers else { return Ok(Vec::new()) };
    let list = &written.get().0;
    if list.len() > NAMESERVERS_MAX {
        let rule = format!("there may be at most {NAMESERVERS_MAX} `nameservers`, not {}", list.len());
        cx.add(Problem::new(item.at(written), rule).label("too many").fix("take some out: all are asked at once"));
        return Err(Reported);
    }
    let all: Vec<_> = list.iter().map(|one| nameserver(cx, item, one)).collect();
    all.into_iter().collect()
}

fn nameserver(cx: &mut Cx<'_>, item: &Item<RawResolvers>, written: &At<String>) -> Result<SocketAddr, Reported> {
    let text = written.get();
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, DNS_PORT));
    }
    match text.parse::<SocketAddr>() {
        Ok(address) if address.port() > 0 => Ok(address),
        Ok(_) | Err(_) => {
            let problem = Problem::new(item.at(written), "a name server is an address, with a port if need be");
            let note = "its own name could not be looked up";
            cx.add(problem.label("not an address").note(note).fix("write, for example, \"192.168.83.53\""));
            Err(Reported)
        }
    }
}

fn hold(cx: &mut Cx<'_>, item: &Item<RawResolvers>, raw: &RawHold) -> Result<ResolversHold, Reported> {
    let RawHold { valid, obsolete, nx, refused, timeout, other } = raw;
    let mut read = |key: &str, written| cx.optional_duration(item.file, &format!("hold.{key}"), written, DNS_HOLD);
    let valid = read("valid", valid.as_ref());
    let obsolete = read("obsolete", obsolete.as_ref());
    let nx = read("nx", nx.as_ref());
    let refused = read("refused", refused.as_ref());
    let timeout = read("timeout", timeout.as_ref());
    let other = read("other", other.as_ref());
    Ok(ResolversHold {
        valid: valid?,
        obsolete: obsolete?,
        nx: nx?,
        refused: refused?,
        timeout: timeout?,
        other: other?,
    })
}
