//! `[[node]]`: the hosts, and their addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Cx, Names, at_least_one, at_most};
use crate::config::NodeConfig;
use crate::config::document::Item;
use crate::config::limits::NODES_MAX;
use crate::config::problem::{Place, Problem};
use crate::config::raw::RawNode;
use crate::config::written::TextOr;
use crate::units::{Family, Name};

/// Addresses, and whose they are.
type Taken = BTreeMap<IpAddr, (Place, String)>;

/// All nodes, also those with problems, so that references to them are not reported.
pub(super) struct Nodes {
    pub(super) names: Names<()>,
    pub(super) addresses: Taken,
    good: Vec<NodeConfig>,
    all_good: bool,
}

impl Nodes {
    pub(super) fn finish(self) -> Option<Vec<NodeConfig>> {
        self.all_good.then_some(self.good)
    }

    /// The node of that name, if it is good.
    pub(super) fn find(&self, name: &Name) -> Option<&NodeConfig> {
        self.good.iter().find(|node| node.name == *name)
    }

    /// Names in the order of the file, as far as they are good.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &Name> {
        self.good.iter().map(|node| &node.name)
    }
}

pub(super) fn define(cx: &mut Cx<'_>, items: &[Item<RawNode>]) -> Nodes {
    at_most(cx, items, NODES_MAX, "[[node]]");
    at_least_one(
        cx,
        items,
        "there is no [[node]]",
        "add a [[node]] with the `name` and the `address` of each host that runs vipkeeper",
    );
    let mut nodes = Nodes {
        names: Names::new(cx, "[[node]]", items),
        addresses: BTreeMap::new(),
        good: Vec::new(),
        all_good: true,
    };
    for item in items {
        let raw = item.raw.get();
        let node_name = nodes.names.define(cx, item, raw.name.as_ref(), ());
        let addresses = addresses(cx, item, &mut nodes.addresses);
        match (node_name, addresses) {
            (Some(name), Some((address, second_address))) => {
                nodes.good.push(NodeConfig { name, address, second_address });
            }
            _ => nodes.all_good = false,
        }
    }
    nodes
}

/// One address, or one of each family.
fn addresses(cx: &mut Cx<'_>, item: &Item<RawNode>, taken: &mut Taken) -> Option<(IpAddr, Option<IpAddr>)> {
    let written = item.raw.get().address.as_ref()?;
    let list: Vec<(Place, &str)> = match written.get() {
        TextOr::Text(text) => vec![(item.at(written), text)],
        TextOr::Other(list) => list.0.iter().map(|one| (item.at(one), one.get().as_str())).collect(),
    };
    let mut good: Vec<(Place, IpAddr)> = Vec::new();
    for (place, text) in &list {
        let Some(ip) = node_address(cx, place, text) else { continue };
        if let Some((first, _)) = taken.get(&ip) {
            let problem =
                Problem::new(place.clone(), format!("two [[node]] have the address {ip}")).label("used again");
            cx.add(problem.also(first.clone(), "first used here").fix("write each host's own address"));
        } else {
            let label = item.raw.get().name.as_ref().map(|name| name.get().clone()).unwrap_or_default();
            taken.insert(ip, (place.clone(), label));
        }
        if let Some((first, _)) = good.iter().find(|(_, other)| Family::of(*other) == Family::of(ip)) {
            let rule = "a node has one address of each family";
            let problem = Problem::new(place.clone(), rule).label(format!("a second one of {}", Family::of(ip).name()));
            cx.add(problem.also(first.clone(), "the first").fix("keep the one where the other nodes reach it"));
            continue;
        }
        good.push((place.clone(), ip));
    }
    let mut good = if good.len() == list.len() { good.into_iter().map(|(_, ip)| ip) } else { return None };
    Some((good.next()?, good.next()))
}

fn node_address(cx: &mut Cx<'_>, place: &Place, text: &str) -> Option<IpAddr> {
    let problem = |rule: &str| Problem::new(place.clone(), rule.to_owned());
    let rule = "the address of a node must be one that a host can have";
    let reported = match text.parse::<IpAddr>() {
        Ok(ip) if link_local(ip) => problem(rule)
            .label("a link-local address")
            .note("it says nothing without an interface; a VRRP interface finds its own")
            .fix("write the host's global or unique local address"),
        Ok(ip) => match unusable(ip) {
            None => return Some(ip),
            Some(why) => problem(rule).label(why).fix("write the host's own address"),
        },
        Err(_) => {
            let problem = problem("the address of a node must be an IPv4 or IPv6 address").label("not an address");
            match text.split_once('/') {
                Some((ip, _)) if ip.parse::<IpAddr>().is_ok() => {
                    problem.fix(format!("write {ip:?}, without the prefix length"))
                }
                _ => problem.fix("write, for example, `address = \"192.168.83.131\"`; names are not looked up"),
            }
        }
    };
    cx.add(reported);
    None
}

/// Why a host cannot have this address.
pub(super) fn unusable(ip: IpAddr) -> Option<&'static str> {
    match ip {
        IpAddr::V4(ip) => unusable_v4(ip),
        IpAddr::V6(ip) => unusable_v6(ip),
    }
}

fn unusable_v4(ip: Ipv4Addr) -> Option<&'static str> {
    if ip.octets().first() == Some(&0) {
        Some("this means any or no host")
    } else if ip.is_multicast() {
        Some("this is a multicast group")
    } else if ip.octets().first().is_some_and(|first| *first >= 240) {
        Some("this is a reserved or broadcast address")
    } else {
        None
    }
}

fn unusable_v6(ip: Ipv6Addr) -> Option<&'static str> {
    if ip.is_unspecified() {
        Some("this means any or no host")
    } else if ip.is_multicast() {
        Some("this is a multicast group")
    } else if ip.to_ipv4_mapped().is_some() {
        Some("this is an IPv4 address in IPv6 clothes")
    } else {
        None
    }
}

/// `fe80::/10`: it may be there once on every link.
pub(super) fn link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local())
}
