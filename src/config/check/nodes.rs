//! `[[node]]`: the hosts, and their addresses.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::{Cx, Names, at_least_one, at_most};
use crate::config::NodeConfig;
use crate::config::document::Item;
use crate::config::limits::NODES_MAX;
use crate::config::problem::{Place, Problem};
use crate::config::raw::RawNode;
use crate::config::written::At;

/// All nodes, also those with problems, so that references to them are not reported.
pub(super) struct Nodes {
    pub(super) names: Names<()>,
    /// Addresses, and whose they are.
    pub(super) addresses: BTreeMap<IpAddr, (Place, String)>,
    good: Vec<NodeConfig>,
    all_good: bool,
}

impl Nodes {
    pub(super) fn finish(self) -> Option<Vec<NodeConfig>> {
        self.all_good.then_some(self.good)
    }

    /// Names in the order of the file, as far as they are good.
    pub(super) fn in_order(&self) -> impl Iterator<Item = &crate::units::Name> {
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
        let RawNode { name, address } = item.raw.get();
        let node_name = nodes.names.define(cx, item, name.as_ref(), ());
        let ip = address.as_ref().and_then(|written| node_address(cx, item, written));
        if let (Some(ip), Some(written)) = (ip, address) {
            let place = item.at(written);
            let label = name.as_ref().map(|name| name.get().clone()).unwrap_or_default();
            if let Some((first, _)) = nodes.addresses.get(&ip) {
                let problem = Problem::new(place, format!("two [[node]] have the address {ip}")).label("used again");
                cx.add(problem.also(first.clone(), "first used here").fix("write each host's own address"));
            } else {
                nodes.addresses.insert(ip, (place, label));
            }
        }
        match (node_name, ip) {
            (Some(name), Some(address)) => nodes.good.push(NodeConfig { name, address, second_address: None }),
            _ => nodes.all_good = false,
        }
    }
    nodes
}

fn node_address(cx: &mut Cx<'_>, item: &Item<RawNode>, written: &At<String>) -> Option<IpAddr> {
    let text = written.get();
    let problem = |rule: &str| Problem::new(item.at(written), rule.to_owned());
    let reported = match text.parse::<IpAddr>() {
        Ok(IpAddr::V4(ip)) => match unusable(ip) {
            None => return Some(IpAddr::V4(ip)),
            Some(why) => problem("the address of a node must be one that a host can have")
                .label(why)
                .fix("write the host's own address"),
        },
        Ok(IpAddr::V6(ip)) => return Some(IpAddr::V6(ip)),
        Err(_) => {
            let problem = problem("the address of a node must be an IP address").label("not an address");
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
pub(super) fn unusable(ip: Ipv4Addr) -> Option<&'static str> {
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
