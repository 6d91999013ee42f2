//! `routes` and `rules` of `[[vip]]`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Cx;
use super::interfaces::interface_name;
use crate::config::document::Item;
use crate::config::limits::ROUTES_MAX;
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawRoute, RawRule, RawVip};
use crate::config::written::At;
use crate::config::{VirtualRoute, VirtualRule};
use crate::units::{Family, VipAddress};

/// The routes; `family` is that of the VIP.
pub(super) fn routes(cx: &mut Cx<'_>, item: &Item<RawVip>, family: Option<Family>) -> Option<Vec<VirtualRoute>> {
    let Some(list) = &item.raw.get().routes else { return Some(Vec::new()) };
    at_most(cx, item, list.get(), "routes");
    let all: Vec<_> = list.get().iter().map(|written| route(cx, item, written.get(), family)).collect();
    all.into_iter().collect()
}

/// The policy rules.
pub(super) fn rules(cx: &mut Cx<'_>, item: &Item<RawVip>) -> Option<Vec<VirtualRule>> {
    let Some(list) = &item.raw.get().rules else { return Some(Vec::new()) };
    at_most(cx, item, list.get(), "rules");
    let all: Vec<_> = list.get().iter().map(|written| rule(cx, item, written)).collect();
    all.into_iter().collect()
}

fn at_most<T>(cx: &mut Cx<'_>, item: &Item<RawVip>, list: &[At<T>], key: &str) {
    if let Some(written) = list.get(ROUTES_MAX) {
        let rule = format!("a VIP may have at most {ROUTES_MAX} `{key}`, not {}", list.len());
        cx.add(Problem::new(item.at(written), rule).label("one too many").fix("let one prefix cover several of them"));
    }
}

fn route(cx: &mut Cx<'_>, item: &Item<RawVip>, raw: &RawRoute, family: Option<Family>) -> Option<VirtualRoute> {
    let RawRoute { to, via, interface, source, table, metric } = raw;
    let via = optional(via, |written| gateway(cx, item.at(written), written.get(), "`via` of a route"));
    let source = optional(source, |written| gateway(cx, item.at(written), written.get(), "`source` of a route"));
    let interface = optional(interface, |written| interface_name(cx, item.at(written), written.get()));
    let to = to.as_ref()?;
    let (via, source) = (via?, source?);
    // "default" is of the family of what else is said.
    let hint = via.or(source).map(Family::of).or(family);
    let prefix = network(cx, item.at(to), to.get(), hint)?;
    for (key, ip, written) in [("via", via, &raw.via), ("source", source, &raw.source)] {
        let (Some(ip), Some(written)) = (ip, written) else { continue };
        if Family::of(ip) != prefix.family() {
            let problem = Problem::new(item.at(written), format!("`{key}` must be of the family of the route"));
            let problem = problem.label(format!("this is {}", Family::of(ip).name()));
            let also = format!("this is {}", prefix.family().name());
            cx.add(problem.also(item.at(to), also).fix("write one route for each family"));
            return None;
        }
    }
    Some(VirtualRoute {
        to: prefix,
        via,
        interface: interface?,
        source,
        table: number(table.as_ref()),
        metric: number(metric.as_ref()),
    })
}

fn rule(cx: &mut Cx<'_>, item: &Item<RawVip>, written: &At<RawRule>) -> Option<VirtualRule> {
    let RawRule { from, to, mark, table, preference } = written.get();
    if from.is_none() && to.is_none() && mark.is_none() && cx.is_whole(&item.at(written)) {
        let problem = Problem::new(item.at(written), "a rule needs `from`, `to` or `mark`").label("for every packet");
        cx.add(problem.fix("write, for example, `from = \"192.168.83.111/32\"`"));
        return None;
    }
    let mut prefix =
        |key: &Option<At<String>>| optional(key, |written| network(cx, item.at(written), written.get(), None));
    let (source, destination) = (prefix(from)?, prefix(to)?);
    if let (Some(a), Some(b), Some(from), Some(to)) = (source, destination, from, to)
        && a.family() != b.family()
    {
        let problem = Problem::new(item.at(to), "`from` and `to` of a rule must be of one family");
        let problem = problem.label(format!("this is {}", b.family().name()));
        let also = format!("this is {}", a.family().name());
        cx.add(problem.also(item.at(from), also).fix("write one rule for each family"));
        return None;
    }
    Some(VirtualRule {
        from: source,
        to: destination,
        mark: number(mark.as_ref()),
        table: number(table.as_ref())?,
        preference: number(preference.as_ref())?,
    })
}

/// Absent is fine; present must be good. The outer None: reported.
#[allow(clippy::option_option, reason = "absent and reported are different things")]
fn optional<T, R>(written: &Option<At<T>>, check: impl FnOnce(&At<T>) -> Option<R>) -> Option<Option<R>> {
    match written {
        None => Some(None),
        Some(written) => check(written).map(Some),
    }
}

fn number(written: Option<&At<i64>>) -> Option<u32> {
    written.and_then(|number| u32::try_from(*number.get()).ok())
}

fn gateway(cx: &mut Cx<'_>, place: Place, text: &str, what: &str) -> Option<IpAddr> {
    let ip = text.parse::<IpAddr>().ok().filter(|ip| super::nodes::unusable(*ip).is_none());
    if ip.is_none() {
        let fix = match text.split_once('/') {
            Some((ip, _)) if ip.parse::<IpAddr>().is_ok() => format!("write {ip:?}, without the prefix length"),
            _ => "write, for example, \"192.168.83.1\"".to_owned(),
        };
        cx.add(Problem::new(place, format!("{what} must be the address of a host")).label("not one").fix(fix));
    }
    ip
}

/// A network with prefix length; `default` is that of the family, if it is known.
fn network(cx: &mut Cx<'_>, place: Place, text: &str, default: Option<Family>) -> Option<VipAddress> {
    if text == "default"
        && let Some(family) = default
    {
        let any = match family {
            Family::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Family::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        return VipAddress::new(any, 0).ok();
    }
    let parsed = text.split_once('/').and_then(|(ip, prefix)| {
        let (ip, prefix) = (ip.parse::<IpAddr>().ok()?, prefix.parse::<u8>().ok()?);
        VipAddress::new(ip, prefix).ok()
    });
    let problem = |rule: &str| Problem::new(place, rule.to_owned());
    let Some(written) = parsed else {
        let rule = "a network is an address with its prefix length";
        let fix = match text.parse::<IpAddr>() {
            Ok(IpAddr::V4(ip)) => format!("write \"{ip}/32\" for this host alone"),
            Ok(IpAddr::V6(ip)) => format!("write \"{ip}/128\" for this host alone"),
            Err(_) => "write, for example, \"10.0.0.0/8\"".to_owned(),
        };
        cx.add(problem(rule).label("not a network").fix(fix));
        return None;
    };
    let network = masked(written);
    if network != Some(written) {
        let fix = network.map(|network| format!("write \"{network}\""));
        let problem = problem("a network has no host bits").label("bits behind the prefix");
        cx.add(Problem { fix, ..problem });
        return None;
    }
    network
}

fn masked(address: VipAddress) -> Option<VipAddress> {
    let prefix = u32::from(address.prefix());
    let ip = match address.ip() {
        IpAddr::V4(ip) => IpAddr::V4(Ipv4Addr::from_bits(ip.to_bits() & !u32::MAX.checked_shr(prefix).unwrap_or(0))),
        IpAddr::V6(ip) => IpAddr::V6(Ipv6Addr::from_bits(ip.to_bits() & !u128::MAX.checked_shr(prefix).unwrap_or(0))),
    };
    VipAddress::new(ip, address.prefix()).ok()
}
