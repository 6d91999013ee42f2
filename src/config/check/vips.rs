//! `[[vip]]`: addresses, interfaces, VRIDs and how adverts travel.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use super::nodes::{Nodes, unusable};
use super::{Cx, Names, Reported, at_least_one, at_most, election, hooks};
use crate::config::document::{Document, Item};
use crate::config::limits::{ADVERT_INTERVAL, ANNOUNCE_DELAY, ANNOUNCE_REFRESH, PREEMPT_DELAY, VIPS_MAX};
use crate::config::problem::{Place, Problem};
use crate::config::raw::{PerNode, RawChecksum, RawTransport, RawVip};
use crate::config::value::show_duration;
use crate::config::written::{At, TextOr};
use crate::config::{
    Accept, Announce, Auth, Checksum, HookCommands, OnRelease, Preempt, Transport, Version, VipConfig, VirtualAddress,
    Vmac,
};
use crate::units::{Centis, Family, IfName, Name, Priority, VipAddress, Vrid};

/// All VIPs, also those with problems, so that binds to them are not reported.
pub(super) struct Vips {
    /// Each name with the addresses that are known of it.
    pub(super) names: Names<Vec<IpAddr>>,
    good: Vec<VipConfig>,
    all_good: bool,
}

impl Vips {
    pub(super) fn finish(self) -> Option<Vec<VipConfig>> {
        self.all_good.then_some(self.good)
    }
}

/// What was used by the VIPs before.
#[derive(Default)]
struct Used {
    addresses: BTreeMap<IpAddr, Place>,
    /// By node, interface and VRID.
    vrids: BTreeMap<(Name, IfName, Vrid), Place>,
}

pub(super) fn check<B>(cx: &mut Cx<'_>, document: &Document, nodes: &Nodes, backends: &Names<B>) -> Vips {
    let items = &document.vips;
    at_most(cx, items, VIPS_MAX, "[[vip]]");
    at_least_one(
        cx,
        items,
        "there is no [[vip]]",
        "add a [[vip]] with `name`, `addresses`, `interface`, `vrid` and `prefer`",
    );
    let defaults = hooks::defaults(cx, document.hooks.as_ref());
    let mut vips = Vips { names: Names::new(cx, "[[vip]]", items), good: Vec::new(), all_good: true };
    let mut used = Used::default();
    for item in items {
        let addresses = addresses(cx, item, nodes, &mut used);
        let known = addresses.iter().flatten().map(|address| address.ip()).collect();
        let name = vips.names.define(cx, item, item.raw.get().name.as_ref(), known);
        let name = name.filter(|name| not_an_address(cx, item, name));
        let vip = rest(cx, item, nodes, backends, &mut used, &defaults);
        match (name, addresses, vip) {
            (Some(name), Some(addresses), Some(vip)) => {
                let addresses = addresses.into_iter().map(VirtualAddress::plain).collect();
                vips.good.push(VipConfig { name, addresses, ..vip });
            }
            _ => vips.all_good = false,
        }
    }
    vips
}

/// A bind names either a VIP or an address; it must be clear which.
fn not_an_address(cx: &mut Cx<'_>, item: &Item<RawVip>, name: &Name) -> bool {
    let is_address = name.as_str().parse::<IpAddr>().is_ok();
    if is_address {
        let place = item.raw.get().name.as_ref().map_or_else(|| item.place(), |name| item.at(name));
        cx.add(Problem::new(place, "a [[vip]] must not be named like an address").fix("write a word, such as \"www\""));
    }
    !is_address
}

/// Everything but name and addresses, which are filled in by the caller.
fn rest<B>(
    cx: &mut Cx<'_>,
    item: &Item<RawVip>,
    nodes: &Nodes,
    backends: &Names<B>,
    used: &mut Used,
    defaults: &HookCommands,
) -> Option<VipConfig> {
    let raw = item.raw.get();
    let priorities = election::priorities(cx, item, nodes);
    let (interfaces, all_interfaces) = interfaces(cx, item, nodes, priorities.as_ref());
    let vrid = raw.vrid.as_ref().and_then(|vrid| Vrid::new(*vrid.get()).ok());
    if let (Some(vrid), Some(written)) = (vrid, &raw.vrid) {
        claim_vrid(cx, item.at(written), vrid, &interfaces, used);
    }
    let version = match raw.version.as_ref().map(At::get) {
        Some(2) => Version::V2,
        Some(_) | None => Version::V3,
    };
    let auth = auth(cx, item, version);
    let advert_interval = advert_interval(cx, item).filter(|interval| whole_seconds(cx, item, version, *interval));
    let preempt = preempt(cx, item);
    let transport = transport(cx, item, priorities.as_ref());
    let announce = announce(cx, item);
    let track = election::track(cx, item, priorities.as_ref(), preempt, backends);
    let hooks = hooks::of_vip(cx, item, defaults);
    Some(VipConfig {
        name: Name::new("unnamed").ok()?,
        addresses: Vec::new(),
        routes: Vec::new(),
        rules: Vec::new(),
        interfaces: all_interfaces.map(|()| interfaces).ok()?,
        vrid: vrid?,
        priorities: priorities?,
        version,
        auth: auth?,
        advert_interval: advert_interval?,
        down_multiplier: 3,
        preempt: preempt?,
        transport: transport?,
        checksum: match raw.checksum.as_ref().map(At::get) {
            None | Some(RawChecksum::PseudoHeader) => Checksum::PseudoHeader,
            Some(RawChecksum::Rfc9568) => Checksum::Rfc9568,
        },
        announce: announce?,
        link_hold: std::time::Duration::ZERO,
        on_release: OnRelease::Reset,
        grace: std::time::Duration::ZERO,
        accept: Accept::Yes,
        vmac: Vmac::Off,
        track: track?,
        hooks,
    })
}

fn addresses(cx: &mut Cx<'_>, item: &Item<RawVip>, nodes: &Nodes, used: &mut Used) -> Option<Vec<VipAddress>> {
    let written = item.raw.get().addresses.as_ref()?;
    let mut addresses = Vec::new();
    for written in &written.get().0 {
        let place = item.at(written);
        let Some(address) = vip_address(cx, place.clone(), written.get()) else {
            addresses.push(None);
            continue;
        };
        let ip = address.ip();
        if let Some((node_place, node)) = nodes.addresses.get(&ip) {
            let rule = format!("{ip} is the address of node {node:?} and cannot be virtual");
            let problem = Problem::new(place.clone(), rule).also(node_place.clone(), "it is fixed there");
            cx.add(
                problem
                    .note("address owners (priority 255) are not supported yet")
                    .fix("take a free address of that network"),
            );
        }
        if let Some(first) = used.addresses.get(&ip) {
            let problem = Problem::new(place, format!("{ip} is virtual already")).label("used again");
            cx.add(problem.also(first.clone(), "first used here").fix("write each address once"));
        } else {
            used.addresses.insert(ip, place);
        }
        addresses.push(Some(address));
    }
    addresses.into_iter().collect()
}

fn vip_address(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<VipAddress> {
    let (ip, prefix) = match text.split_once('/') {
        Some((ip, prefix)) => (ip, Some(prefix)),
        None => (text, None),
    };
    let problem = |rule: &str| Problem::new(place.clone(), rule.to_owned());
    let example = "write, for example, \"192.168.83.111/24\"";
    let reported = match (ip.parse::<IpAddr>(), prefix.map(str::parse::<u8>)) {
        (Err(_), _) => problem("a virtual address must be an IP address with its prefix length")
            .label("not an address")
            .fix(example),
        (Ok(IpAddr::V6(ip)), Some(Ok(prefix @ 1..=128))) => return VipAddress::new(IpAddr::V6(ip), prefix).ok(),
        (Ok(IpAddr::V6(ip)), _) => problem("an IPv6 address needs its prefix length, from 1 to 128")
            .label("no prefix length")
            .fix(format!("write \"{ip}/64\", for example")),
        (Ok(IpAddr::V4(ip)), None) => problem("a virtual address needs its prefix length")
            .label("no prefix length")
            .note("it decides which network becomes reachable through the interface; it is not guessed")
            .fix(format!(
                "write \"{ip}/24\" with the prefix length of that network, or \"{ip}/32\" for the address alone"
            )),
        (Ok(IpAddr::V4(ip)), Some(Ok(prefix @ 1..=32))) => match misplaced(ip, prefix) {
            None => return VipAddress::new(IpAddr::V4(ip), prefix).ok(),
            Some(why) => problem("a virtual address must be one that a host can have").label(why).fix(example),
        },
        (Ok(IpAddr::V4(ip)), Some(_)) => problem("a prefix length is a number from 1 to 32")
            .label("not a prefix length")
            .fix(format!("write \"{ip}/24\", for example")),
    };
    cx.add(reported);
    None
}

/// Why no host can have this address in its network.
fn misplaced(ip: Ipv4Addr, prefix: u8) -> Option<&'static str> {
    let host_bits = u32::MAX.checked_shr(u32::from(prefix)).unwrap_or(0);
    let host = ip.to_bits() & host_bits;
    match unusable(ip) {
        Some(why) => Some(why),
        // RFC 3021: a /31 has neither network nor broadcast address.
        None if prefix >= 31 => None,
        None if host == 0 => Some("this is the address of the network"),
        None if host == host_bits => Some("this is the broadcast address of the network"),
        None => None,
    }
}

/// The interface of each node, as far as it is known; also whether nothing was reported.
fn interfaces(
    cx: &mut Cx<'_>,
    item: &Item<RawVip>,
    nodes: &Nodes,
    priorities: Option<&BTreeMap<Name, Priority>>,
) -> (BTreeMap<Name, IfName>, Result<(), Reported>) {
    let Some(written) = item.raw.get().interface.as_ref() else { return (BTreeMap::new(), Err(Reported)) };
    match written.get() {
        TextOr::Text(text) => match (interface_name(cx, item.at(written), text), priorities) {
            (Some(interface), Some(priorities)) => {
                (priorities.keys().map(|node| (node.clone(), interface.clone())).collect(), Ok(()))
            }
            (Some(_) | None, _) => (BTreeMap::new(), Err(Reported)),
        },
        TextOr::Other(table) => interface_table(cx, item, nodes, priorities, (item.at(written), table)),
    }
}

fn interface_table(
    cx: &mut Cx<'_>,
    item: &Item<RawVip>,
    nodes: &Nodes,
    priorities: Option<&BTreeMap<Name, Priority>>,
    (place, table): (Place, &PerNode),
) -> (BTreeMap<Name, IfName>, Result<(), Reported>) {
    let mut interfaces = BTreeMap::new();
    let mut outcome = Ok(());
    for (node, written) in table {
        let known = nodes.names.resolve(cx, item.at(node), node.get()).is_some();
        let interface = interface_name(cx, item.at(written), written.get());
        let takes_part = priorities.is_none_or(|nodes| nodes.keys().any(|name| name.as_str() == node.get()));
        if known && !takes_part {
            let problem = Problem::new(item.at(node), format!("node {:?} never holds this VIP", node.get()));
            cx.add(problem.label("not in `prefer` or `priority`").fix("add it there, or remove it here"));
        }
        match (known && takes_part, Name::new(node.get()), interface) {
            (true, Ok(node), Some(interface)) => drop(interfaces.insert(node, interface)),
            _ => outcome = Err(Reported),
        }
    }
    let said = |node: &Name| table.keys().any(|key| key.get() == node.as_str());
    for node in priorities.into_iter().flat_map(BTreeMap::keys).filter(|node| !said(node)) {
        outcome = Err(Reported);
        // An entry that was lost for its shape was reported already.
        if cx.is_whole(&place) {
            let problem = Problem::new(place.clone(), format!("`interface` says nothing for node \"{node}\""));
            cx.add(problem.label("incomplete").fix(format!("add `{node} = \"eth0\"` with its interface")));
        }
    }
    (interfaces, outcome)
}

fn interface_name(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<IfName> {
    IfName::new(text)
        .map_err(|error| cx.add(Problem::new(place, error.to_string()).fix("write the name that `ip link` shows")))
        .ok()
}

fn claim_vrid(cx: &mut Cx<'_>, place: Place, vrid: Vrid, interfaces: &BTreeMap<Name, IfName>, used: &mut Used) {
    let mut clash: Option<(&Name, &IfName, Place)> = None;
    for (node, interface) in interfaces {
        let key = (node.clone(), interface.clone(), vrid);
        match used.vrids.get(&key) {
            Some(first) => clash = clash.or(Some((node, interface, first.clone()))),
            None => drop(used.vrids.insert(key, place.clone())),
        }
    }
    let Some((node, interface, first)) = clash else { return };
    let taken = |n: u8| used.vrids.keys().any(|(_, _, vrid)| vrid.get() == n);
    let free = (vrid.get()..=255).chain(1..vrid.get()).find(|n| !taken(*n));
    let problem = Problem::new(place, format!("vrid {vrid} is used twice on {interface} of node \"{node}\""));
    let problem = problem.label("used again").also(first, "first used here");
    let fix = free.map(|free| format!("write `vrid = {free}`, or another that is free on that network"));
    cx.add(Problem { fix, ..problem });
}

fn advert_interval(cx: &mut Cx<'_>, item: &Item<RawVip>) -> Option<Centis> {
    let written = item.raw.get().advert_interval.as_ref();
    let duration = cx.duration(item.file, "advert_interval", written, ADVERT_INTERVAL)?;
    match (Centis::from_duration(duration), written) {
        (Ok(centis), _) => Some(centis),
        (Err(_), None) => Some(Centis::SECOND),
        (Err(_), Some(written)) => {
            let steps = duration.as_millis() / 10 * 10;
            let near = show_duration(std::time::Duration::from_millis(u64::try_from(steps).unwrap_or(0)));
            let problem = Problem::new(item.at(written), "`advert_interval` must be a multiple of 10ms");
            let note = "VRRPv3 counts it in hundredths of a second (RFC 9568 section 5.2.7)";
            cx.add(problem.label("between two steps").note(note).fix(format!("write `advert_interval = \"{near}\"`")));
            None
        }
    }
}

/// RFC 3768 section 5.3.7: version 2 counts whole seconds.
fn whole_seconds(cx: &mut Cx<'_>, item: &Item<RawVip>, version: Version, interval: Centis) -> bool {
    let good = version == Version::V3 || interval.get().is_multiple_of(100);
    if !good {
        let place = item.raw.get().advert_interval.as_ref().map_or_else(|| item.place(), |written| item.at(written));
        let problem = Problem::new(place, "`advert_interval` must be whole seconds with `version = 2`");
        cx.add(problem.label("between two seconds").fix("write `advert_interval = \"1s\"`, or use version 3"));
    }
    good
}

fn auth(cx: &mut Cx<'_>, item: &Item<RawVip>, version: Version) -> Option<Auth> {
    let Some(written) = item.raw.get().auth.as_ref() else { return Some(Auth::None) };
    let password = written.get().password.as_ref()?;
    let bytes = password.get().as_bytes();
    let mut padded = [0; 8];
    match padded.get_mut(..bytes.len()) {
        Some(field) if !bytes.is_empty() && version == Version::V2 => {
            field.copy_from_slice(bytes);
            Some(Auth::Password(padded))
        }
        Some(_) | None => {
            let problem = Problem::new(item.at(password), "a password has 1 to 8 characters, and needs `version = 2`");
            cx.add(problem.label("cannot be sent").fix("shorten it, or remove `auth`"));
            None
        }
    }
}

fn preempt(cx: &mut Cx<'_>, item: &Item<RawVip>) -> Option<Preempt> {
    let raw = item.raw.get();
    let delay = cx.duration(item.file, "preempt_delay", raw.preempt_delay.as_ref(), PREEMPT_DELAY)?;
    match (&raw.preempt, &raw.preempt_delay) {
        (Some(preempt), Some(written)) if !*preempt.get() => {
            let problem = Problem::new(item.at(written), "`preempt_delay` means nothing with `preempt = false`");
            let problem = problem.label("never used").also(item.at(preempt), "nothing is ever taken back");
            cx.add(problem.fix("remove one of the two"));
            None
        }
        (Some(preempt), _) if !*preempt.get() => Some(Preempt::Refused),
        _ => Some(Preempt::After(delay)),
    }
}

fn transport(cx: &mut Cx<'_>, item: &Item<RawVip>, priorities: Option<&BTreeMap<Name, Priority>>) -> Option<Transport> {
    let raw = item.raw.get();
    match raw.transport.as_ref().map(|written| (written.get(), item.at(written))) {
        Some((RawTransport::Unicast, place)) => {
            if let Some(group) = &raw.multicast_group {
                let problem =
                    Problem::new(item.at(group), "`multicast_group` means nothing with `transport = \"unicast\"`");
                cx.add(problem.label("never used").also(place, "this sends to nodes").fix("remove one of the two"));
                return None;
            }
            if priorities.is_some_and(|priorities| priorities.len() == 1) {
                let problem = Problem::new(place, "there is no other node to send adverts to");
                cx.add(problem.label("needs the address of another node").fix("add a [[node]], or remove `transport`"));
                return None;
            }
            Some(Transport::Unicast)
        }
        Some((RawTransport::Multicast, _)) | None => {
            let first = raw.addresses.as_ref().and_then(|all| all.get().0.first());
            let family = if first.is_some_and(|ip| ip.get().contains(':')) { Family::V6 } else { Family::V4 };
            let default = Transport::default_group(family);
            let Some(written) = &raw.multicast_group else { return Some(Transport::Multicast(default)) };
            match written.get().parse::<IpAddr>() {
                Ok(group) if group.is_multicast() && Family::of(group) == family => Some(Transport::Multicast(group)),
                _ => {
                    let problem = Problem::new(
                        item.at(written),
                        "`multicast_group` must be a multicast address of the VIP's family",
                    );
                    cx.add(problem.label("not such a group").fix(format!("write \"{default}\", or leave it out")));
                    None
                }
            }
        }
    }
}

fn announce(cx: &mut Cx<'_>, item: &Item<RawVip>) -> Option<Announce> {
    let raw = item.raw.get().announce.as_ref().map(|announce| announce.get().clone()).unwrap_or_default();
    let delay = cx.duration(item.file, "announce.delay", raw.delay.as_ref(), ANNOUNCE_DELAY);
    let refresh = cx.duration(item.file, "announce.refresh", raw.refresh.as_ref(), ANNOUNCE_REFRESH);
    Some(Announce { repeat: cx.count(raw.repeat.as_ref(), 5), delay: delay?, refresh: refresh? })
}
