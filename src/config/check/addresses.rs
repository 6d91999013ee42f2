//! `addresses` and `excluded` of `[[vip]]`: what is virtual, where it is put, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::Cx;
use super::interfaces::{self, interfaces};
use super::nodes::{Nodes, link_local, unusable};
use crate::config::VirtualAddress;
use crate::config::document::Item;
use crate::config::limits::{ADDRESSES_MAX, ADVERTISED_MAX, ADVERTISED_V6_MAX};
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawAddress, RawScope, RawVip};
use crate::config::written::{At, TextOr};
use crate::units::{AddressOptions, Family, IfName, Name, Scope, VipAddress};

/// The addresses of all VIPs so far.
#[derive(Default)]
pub(super) struct Taken {
    /// Link-local addresses by the interface of a node on which they are, all others alone.
    places: BTreeMap<(IpAddr, Option<(Name, IfName)>), Place>,
    count: usize,
}

/// What the addresses of one VIP depend on.
pub(super) struct Around<'a> {
    pub(super) nodes: &'a Nodes,
    /// The nodes that take part; none: unknown.
    pub(super) members: Option<Vec<&'a Name>>,
    /// The VRRP interfaces, as far as they are known.
    pub(super) interfaces: &'a BTreeMap<Name, IfName>,
}

/// All addresses, those that are advertised first. None if something was reported.
pub(super) fn check(
    cx: &mut Cx<'_>,
    item: &Item<RawVip>,
    around: &Around<'_>,
    taken: &mut Taken,
) -> Option<Vec<VirtualAddress>> {
    let raw = item.raw.get();
    let advertised = raw.addresses.as_ref().map(|list| list.get().0.as_slice());
    let excluded = raw.excluded.as_ref().map(|list| list.get().as_slice());
    let mut all = Vec::new();
    for (list, advertised) in [(advertised, true), (excluded, false)] {
        for written in list.into_iter().flatten() {
            let one = address(cx, item, written, around);
            if let Some((place, one)) = &one {
                claim(cx, place, one, around, taken);
            }
            all.push(one.map(|(place, one)| (place, VirtualAddress { advertised, ..one })));
        }
    }
    one_family(cx, &all);
    not_too_many(cx, item, &all, taken);
    // What the shape pass took out of a list was reported, but leaves a hole.
    advertised?;
    all.into_iter().map(|one| one.map(|(_, one)| one)).collect()
}

/// One entry and where its address is written.
fn address(
    cx: &mut Cx<'_>,
    item: &Item<RawVip>,
    written: &At<TextOr<RawAddress>>,
    around: &Around<'_>,
) -> Option<(Place, VirtualAddress)> {
    let table = match written.get() {
        TextOr::Text(text) => {
            let place = item.at(written);
            return vip_address(cx, place.clone(), text).map(|address| (place, VirtualAddress::plain(address)));
        }
        TextOr::Other(table) => table,
    };
    let RawAddress { address, interface, label, scope } = table;
    let text = address.as_ref()?;
    let address = vip_address(cx, item.at(text), text.get());
    let interfaces = match interface {
        None => Some(BTreeMap::new()),
        Some(value) => {
            let needed_by = around.members.clone();
            let written =
                interfaces::Written { file: item.file, value, needed_by, not_needed: Some("never holds this VIP") };
            let (interfaces, outcome) = interfaces(cx, around.nodes, &written);
            outcome.map(|()| interfaces).ok()
        }
    };
    let address = address?;
    let label = match label {
        None => None,
        Some(label) => Some(good_label(cx, item, label, address.family())?),
    };
    let scope = match scope.as_ref().map(At::get) {
        None | Some(RawScope::Global) => Scope::Global,
        Some(RawScope::Site) => Scope::Site,
        Some(RawScope::Link) => Scope::Link,
        Some(RawScope::Host) => Scope::Host,
    };
    let options = AddressOptions { label, scope };
    Some((item.at(text), VirtualAddress { address, advertised: true, interfaces: interfaces?, options }))
}

fn good_label(cx: &mut Cx<'_>, item: &Item<RawVip>, written: &At<String>, family: Family) -> Option<String> {
    let text = written.get();
    let problem = |rule: &str| Problem::new(item.at(written), rule.to_owned());
    if family == Family::V6 {
        cx.add(problem("an IPv6 address has no label").label("IPv4 only").fix("remove `label`"));
        return None;
    }
    let good = (1..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    if !good {
        let fix = "write, for example, `label = \"eth0:www\"`";
        cx.add(problem("a label is 1 to 15 visible ASCII characters").label("not a label").fix(fix));
        return None;
    }
    Some(text.clone())
}

/// Neither a node's own nor virtual already.
fn claim(cx: &mut Cx<'_>, place: &Place, one: &VirtualAddress, around: &Around<'_>, taken: &mut Taken) {
    let ip = one.ip();
    if let Some((node_place, node)) = around.nodes.addresses.get(&ip) {
        let rule = format!("{ip} is the address of node {node:?} and cannot be virtual");
        let problem = Problem::new(place.clone(), rule).also(node_place.clone(), "it is fixed there");
        let note =
            "virtual addresses are taken off the interface when they move, also those of an owner (priority 255)";
        cx.add(problem.note(note).fix("take a free address of that network"));
    }
    let interfaces = if one.interfaces.is_empty() { around.interfaces } else { &one.interfaces };
    let keys: Vec<_> = if link_local(ip) {
        interfaces.iter().map(|(node, interface)| (ip, Some((node.clone(), interface.clone())))).collect()
    } else {
        vec![(ip, None)]
    };
    match keys.iter().find_map(|key| taken.places.get(key)) {
        Some(first) => {
            let problem = Problem::new(place.clone(), format!("{ip} is virtual already")).label("used again");
            cx.add(problem.also(first.clone(), "first used here").fix("write each address once"));
        }
        None => taken.places.extend(keys.into_iter().map(|key| (key, place.clone()))),
    }
}

/// An advert has a single family (RFC 9568 section 1).
fn one_family(cx: &mut Cx<'_>, all: &[Option<(Place, VirtualAddress)>]) {
    let mut advertised = all.iter().flatten().filter(|(_, one)| one.advertised);
    let Some((first_place, first)) = advertised.next() else { return };
    let family = first.address.family();
    let Some((place, other)) = advertised.find(|(_, one)| one.address.family() != family) else { return };
    let label = format!("this is {}", other.address.family().name());
    let problem = Problem::new(place.clone(), "the `addresses` of a VIP must all be of one family").label(label);
    let problem = problem.also(first_place.clone(), format!("this is {}", family.name()));
    let fix = format!(
        "move \"{}\" to a [[vip]] of its own (with the same `vrid` if you like), or to `excluded` of this one",
        other.address
    );
    cx.add(problem.note("VRRP elects a router for each family (RFC 9568 section 1)").fix(fix));
}

fn not_too_many(cx: &mut Cx<'_>, item: &Item<RawVip>, all: &[Option<(Place, VirtualAddress)>], taken: &mut Taken) {
    let advertised: Vec<_> = all.iter().flatten().filter(|(_, one)| one.advertised).collect();
    let (max, why) = match advertised.first().map(|(_, one)| one.address.family()) {
        None | Some(Family::V4) => (ADVERTISED_MAX, "an advert counts them in one byte"),
        Some(Family::V6) => {
            (ADVERTISED_V6_MAX, "no more fit into an advert of 1280 bytes, which every IPv6 link carries")
        }
    };
    if let Some((place, _)) = advertised.get(max) {
        let rule = format!("a VIP may have at most {max} `addresses`, not {}", advertised.len());
        let problem = Problem::new(place.clone(), rule).label("one too many").note(why);
        cx.add(problem.fix("move the others to `excluded`, which adverts do not name"));
    }
    let before = taken.count;
    taken.count = taken.count.saturating_add(all.len());
    if before <= ADDRESSES_MAX && taken.count > ADDRESSES_MAX {
        let rule = format!("all VIPs together may have at most {ADDRESSES_MAX} addresses");
        let problem = Problem::new(item.place(), rule).label("too many with this one");
        cx.add(problem.fix("run several vipkeepers, each with its part"));
    }
}

/// The addresses that a bind to the VIP listens on: a link-local one would need its interface too.
pub(super) fn bindable(addresses: &[VirtualAddress]) -> Vec<IpAddr> {
    let all: BTreeSet<IpAddr> = addresses.iter().map(VirtualAddress::ip).filter(|ip| !link_local(*ip)).collect();
    all.into_iter().collect()
}

pub(super) fn vip_address(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<VipAddress> {
    let (ip, prefix) = match text.split_once('/') {
        Some((ip, prefix)) => (ip, Some(prefix)),
        None => (text, None),
    };
    let problem = |rule: &str| Problem::new(place.clone(), rule.to_owned());
    let Ok(ip) = ip.parse::<IpAddr>() else {
        let rule = "a virtual address must be an IPv4 or IPv6 address with its prefix length";
        cx.add(problem(rule).label("not an address").fix("write, for example, \"192.168.83.111/24\""));
        return None;
    };
    let (usual, all, example) = match ip {
        IpAddr::V4(_) => (24_u8, 32_u8, "write, for example, \"192.168.83.111/24\""),
        IpAddr::V6(_) => (64, 128, "write, for example, \"2001:db8:83::111/64\""),
    };
    let reported = match prefix.map(str::parse::<u8>) {
        None => problem("a virtual address needs its prefix length")
            .label("no prefix length")
            .note("it decides which network becomes reachable through the interface; it is not guessed")
            .fix(format!(
                "write \"{ip}/{usual}\" with the prefix length of that network, or \"{ip}/{all}\" for the address alone"
            )),
        Some(Ok(prefix)) if (1..=all).contains(&prefix) => match misplaced(ip, prefix) {
            None => return VipAddress::new(ip, prefix).ok(),
            Some(why) => problem("a virtual address must be one that a host can have").label(why).fix(example),
        },
        Some(_) => problem(&format!("a prefix length is a number from 1 to {all}"))
            .label("not a prefix length")
            .fix(format!("write \"{ip}/{usual}\", for example")),
    };
    cx.add(reported);
    None
}

/// Why no host can have this address in its network.
fn misplaced(ip: IpAddr, prefix: u8) -> Option<&'static str> {
    match (unusable(ip), ip) {
        (Some(why), _) => Some(why),
        (None, IpAddr::V4(ip)) => misplaced_v4(ip, prefix),
        (None, IpAddr::V6(ip)) => misplaced_v6(ip, prefix),
    }
}

fn misplaced_v4(ip: Ipv4Addr, prefix: u8) -> Option<&'static str> {
    let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    let host = ip.to_bits() & host_bits;
    match host {
        // RFC 3021: a /31 has neither network nor broadcast address.
        _ if prefix >= 31 => None,
        0 => Some("this is the address of the network"),
        _ if host == host_bits => Some("this is the broadcast address of the network"),
        _ => None,
    }
}

fn misplaced_v6(ip: Ipv6Addr, prefix: u8) -> Option<&'static str> {
    let host_bits = u128::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    // RFC 6164: a /127 has no router anycast address.
    (prefix < 127 && ip.to_bits() & host_bits == 0)
        .then_some("this is the anycast address of all routers of the network (RFC 4291 section 2.6.1)")
}
