//! `[[vip]]`: what moves together, and where.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::addresses::{self, bindable};
use super::interfaces::{self, interfaces};
use super::nodes::Nodes;
use super::track::{self, Election};
use super::trackers::Trackers;
use super::{Cx, Names, adverts, at_least_one, at_most, election, hooks, routes};
use crate::config::document::{Document, Item};
use crate::config::limits::{ANNOUNCE_DELAY, ANNOUNCE_REFRESH, GRACE, LINK_HOLD, VIPS_MAX};
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawOnRelease, RawVip};
use crate::config::written::{At, TextOr};
use crate::config::{Accept, Announce, Hardware, HookCommands, OnRelease, VipConfig};
use crate::units::{Family, IfName, Name, Vrid};

/// All VIPs, also those with problems, so that binds to them are not reported.
pub(super) struct Vips {
    /// Each name with the addresses that are known of it.
    pub(super) names: Names<Vec<IpAddr>>,
    /// Those without problems.
    pub(super) good: Vec<VipConfig>,
    pub(super) all_good: bool,
}

impl Vips {
    pub(super) fn finish(self) -> Option<Vec<VipConfig>> {
        self.all_good.then_some(self.good)
    }
}

/// What was used by the VIPs before.
#[derive(Default)]
struct Used {
    addresses: addresses::Taken,
    /// By node, interface, family and VRID.
    vrids: BTreeMap<(Name, IfName, Family, Vrid), Place>,
    /// Devices of virtual routers by node, family and VRID.
    devices: BTreeMap<(Name, Family, Vrid), Place>,
}

/// What a VIP may refer to.
struct Around<'a, B> {
    nodes: &'a Nodes,
    backends: &'a Names<B>,
    trackers: &'a mut Trackers,
    defaults: HookCommands,
    used: Used,
}

pub(super) fn check<B>(
    cx: &mut Cx<'_>,
    document: &Document,
    nodes: &Nodes,
    backends: &Names<B>,
    trackers: &mut Trackers,
) -> Vips {
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
    let mut around = Around { nodes, backends, trackers, defaults, used: Used::default() };
    for item in items {
        let (known, vip) = all_but_the_name(cx, item, &mut around);
        let name = vips.names.define(cx, item, item.raw.get().name.as_ref(), known);
        let name = name.filter(|name| not_an_address(cx, item, name));
        match (name, vip) {
            (Some(name), Some(vip)) => vips.good.push(VipConfig { name, ..vip }),
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

/// The family of the first address that can be read.
fn family(raw: &RawVip) -> Option<Family> {
    let text = |entry: &At<TextOr<crate::config::raw::RawAddress>>| match entry.get() {
        TextOr::Text(text) => Some(text.clone()),
        TextOr::Other(table) => table.address.as_ref().map(|address| address.get().clone()),
    };
    let texts = raw.addresses.as_ref().into_iter().flat_map(|list| &list.get().0).filter_map(text);
    let mut families = texts.filter_map(|text| text.split('/').next().and_then(|ip| ip.parse::<IpAddr>().ok()));
    families.next().map(Family::of)
}

/// The addresses that a bind to it listens on, and everything but the name, which is filled in by the caller.
fn all_but_the_name<B>(
    cx: &mut Cx<'_>,
    item: &Item<RawVip>,
    around: &mut Around<'_, B>,
) -> (Vec<IpAddr>, Option<VipConfig>) {
    let raw = item.raw.get();
    let nodes = around.nodes;
    let priorities = election::priorities(cx, item, nodes);
    let members = || priorities.as_ref().map(|priorities| priorities.keys().collect::<Vec<_>>());
    let interfaces = raw.interface.as_ref().map(|value| {
        let not_needed = Some("never holds this VIP");
        interfaces(cx, nodes, &interfaces::Written { file: item.file, value, needed_by: members(), not_needed })
    });
    let known_interfaces = interfaces.as_ref().map(|(known, _)| known.clone()).unwrap_or_default();
    let addressing = addresses::Around { nodes, members: members(), interfaces: &known_interfaces };
    let addresses = addresses::check(cx, item, &addressing, &mut around.used.addresses);
    let bindable = addresses.as_deref().map(bindable).unwrap_or_default();
    let family = family(raw);
    let vrid = raw.vrid.as_ref().and_then(|vrid| Vrid::new(*vrid.get()).ok());
    if let (Some(vrid), Some(written), Some(family)) = (vrid, &raw.vrid, family) {
        claim_vrid(cx, item.at(written), (family, vrid), &known_interfaces, &mut around.used);
        if raw.vmac.as_ref().is_some_and(|vmac| *vmac.get()) {
            claim_device(cx, item.at(written), (family, vrid), &known_interfaces, &mut around.used);
        }
    }
    let adverts = adverts::check(cx, item, &adverts::Around { nodes, priorities: priorities.as_ref(), family });
    let preempt = election::preempt(cx, item);
    let election = Election { priorities: priorities.as_ref(), preempt };
    let track = track::track(cx, item, &election, around.trackers, around.backends);
    let holding = holding(cx, item);
    let routes = routes::routes(cx, item, family);
    let rules = routes::rules(cx, item);
    let hooks = hooks::of_vip(cx, item, &around.defaults);
    let whole = || {
        let (adverts, holding) = (adverts?, holding?);
        Some(VipConfig {
            name: Name::new("unnamed").ok()?,
            addresses: addresses?,
            routes: routes?,
            rules: rules?,
            interfaces: interfaces?.1.ok().map(|()| known_interfaces)?,
            vrid: vrid?,
            priorities: priorities?,
            version: adverts.version,
            auth: adverts.auth,
            advert_interval: adverts.interval,
            down_multiplier: raw.down_multiplier.as_ref().map_or(Some(3), |times| u8::try_from(*times.get()).ok())?,
            preempt: preempt?,
            transport: adverts.transport,
            checksum: adverts.checksum,
            announce: holding.announce,
            link_hold: holding.link_hold,
            on_release: holding.on_release,
            grace: holding.grace,
            accept: holding.accept,
            hardware: holding.hardware,
            track: track?,
            hooks,
        })
    };
    (bindable, whole())
}

/// What a node does when it gets, has and loses the VIP.
struct Holding {
    announce: Announce,
    link_hold: std::time::Duration,
    on_release: OnRelease,
    grace: std::time::Duration,
    accept: Accept,
    hardware: Hardware,
}

fn holding(cx: &mut Cx<'_>, item: &Item<RawVip>) -> Option<Holding> {
    let raw = item.raw.get();
    let announce = announce(cx, item);
    let link_hold = cx.duration(item.file, "link_hold", raw.link_hold.as_ref(), LINK_HOLD);
    let grace = cx.duration(item.file, "grace", raw.grace.as_ref(), GRACE);
    let is = |written: &Option<At<bool>>, default: bool| written.as_ref().map_or(default, |written| *written.get());
    Some(Holding {
        announce: announce?,
        link_hold: link_hold?,
        on_release: match raw.on_release.as_ref().map(At::get) {
            None | Some(RawOnRelease::Reset) => OnRelease::Reset,
            Some(RawOnRelease::Keep) => OnRelease::Keep,
        },
        grace: grace?,
        accept: if is(&raw.accept, true) { Accept::Yes } else { Accept::No },
        hardware: if is(&raw.vmac, false) { Hardware::Virtual } else { Hardware::Interface },
    })
}

fn claim_vrid(
    cx: &mut Cx<'_>,
    place: Place,
    (family, vrid): (Family, Vrid),
    interfaces: &BTreeMap<Name, IfName>,
    used: &mut Used,
) {
    let mut clash: Option<(&Name, &IfName, Place)> = None;
    for (node, interface) in interfaces {
        let key = (node.clone(), interface.clone(), family, vrid);
        match used.vrids.get(&key) {
            Some(first) => clash = clash.or(Some((node, interface, first.clone()))),
            None => drop(used.vrids.insert(key, place.clone())),
        }
    }
    let Some((node, interface, first)) = clash else { return };
    let taken = |id: u8| {
        let Ok(vrid) = Vrid::new(i64::from(id)) else { return true };
        interfaces.iter().any(|(n, i)| used.vrids.contains_key(&(n.clone(), i.clone(), family, vrid)))
    };
    let free = (vrid.get()..=255).chain(1..vrid.get()).find(|n| !taken(*n));
    let problem = Problem::new(place, format!("vrid {vrid} is used twice on {interface} of node \"{node}\""));
    let problem = problem.label("used again").also(first, "first used here");
    let fix = free.map(|free| format!("write `vrid = {free}`, or another that is free on that network"));
    cx.add(Problem { fix, ..problem });
}

/// The device of a virtual router is named by family and VRID, not by its interface.
fn claim_device(
    cx: &mut Cx<'_>,
    place: Place,
    (family, vrid): (Family, Vrid),
    interfaces: &BTreeMap<Name, IfName>,
    used: &mut Used,
) {
    let mut clash: Option<(&Name, Place)> = None;
    for (node, interface) in interfaces {
        let key = (node.clone(), family, vrid);
        match used.devices.get(&key) {
            // On the same interface the VRID itself was refused.
            Some(first) => {
                let again = used.vrids.get(&(node.clone(), interface.clone(), family, vrid)) != Some(&place);
                clash = clash.or_else(|| (!again).then(|| (node, first.clone())));
            }
            None => drop(used.devices.insert(key, place.clone())),
        }
    }
    let Some((node, first)) = clash else { return };
    let device = IfName::of_virtual_router(family, vrid);
    let rule = format!("two VIPs with `vmac` would both have the device {device} on node \"{node}\"");
    let problem = Problem::new(place, rule).label("the same vrid").also(first, "first used here");
    cx.add(problem.fix("give one of them another `vrid`, or leave out its `vmac`"));
}

fn announce(cx: &mut Cx<'_>, item: &Item<RawVip>) -> Option<Announce> {
    let raw = item.raw.get().announce.as_ref().map(|announce| announce.get().clone()).unwrap_or_default();
    let delay = cx.duration(item.file, "announce.delay", raw.delay.as_ref(), ANNOUNCE_DELAY);
    let refresh = cx.duration(item.file, "announce.refresh", raw.refresh.as_ref(), ANNOUNCE_REFRESH);
    Some(Announce { repeat: cx.count(raw.repeat.as_ref(), 5), delay: delay?, refresh: refresh? })
}
