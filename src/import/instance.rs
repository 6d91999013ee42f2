//! `vrrp_instance` and `vrrp_sync_group` of every node, put together into virtual routers.

use std::net::IpAddr;

use super::Gathered;
use super::hooks::{self, HOOKS};
use super::keepalived::Directive;
use super::report::{Fate, Report};
use super::write::{duration, name_of, quoted};

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) name: String,
    /// Its own addresses, as far as the files tell.
    pub(super) addresses: Vec<IpAddr>,
}

/// Which VRRP an instance speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Version {
    Two,
    Three,
}

/// A virtual router, as all nodes have it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Virtual {
    pub(super) name: String,
    pub(super) vrid: u16,
    pub(super) interfaces: Vec<(String, String)>,
    pub(super) priorities: Vec<(String, i32)>,
    pub(super) addresses: Vec<String>,
    /// `address.to_string()` of the addresses alone, for binds.
    pub(super) bare: Vec<String>,
    pub(super) excluded: Vec<String>,
    /// Finished `key = value` lines.
    pub(super) keys: Vec<(String, String)>,
    /// Name of the tracker, weight, and whether it is reversed.
    pub(super) tracks: Vec<(String, i32, bool)>,
    /// Weights of scripts that only watch the proxy.
    watched: Vec<(String, i32)>,
    password: Option<String>,
    v6: bool,
}

/// A sync group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) members: Vec<String>,
    pub(super) keys: Vec<(String, String)>,
}

/// The node of a file: its name is said, or that of `router_id`, or that of the file.
pub(super) fn node(name: Option<&str>, path: &str, tree: &[Directive], number: usize) -> Node {
    let inside = tree.iter().filter(|d| d.keyword() == "global_defs").flat_map(Directive::inside);
    let router = inside.clone().find(|d| d.keyword() == "router_id").map(|d| d.word(1));
    let stem = path.rsplit('/').next().unwrap_or(path).split('.').next().unwrap_or_default();
    let name = name.or(router).filter(|name| !name.is_empty()).unwrap_or(stem);
    let name = name_of(name, &format!("node{}", number + 1));
    let instances = tree.iter().filter(|d| d.keyword() == "vrrp_instance").flat_map(Directive::inside);
    let own = instances.filter(|d| matches!(d.keyword(), "mcast_src_ip" | "unicast_src_ip"));
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in own.filter_map(|d| d.word(1).parse::<IpAddr>().ok()) {
        if !addresses.iter().any(|known| known.is_ipv4() == address.is_ipv4()) {
            addresses.push(address);
        }
    }
    Node { name, addresses }
}

/// Reads an instance of a node, into the virtual router that it belongs to.
pub(super) fn read(block: &Directive, node: &str, all: &mut Gathered, report: &mut Report) {
    let label = format!("vrrp_instance {}", block.word(1));
    let mut new = Virtual { name: name_of(block.word(1), "vip"), ..Virtual::default() };
    let find = |keyword: &str| block.inside().iter().find(|d| d.keyword() == keyword);
    let master = find("state").is_some_and(|d| d.word(1) == "MASTER");
    let mut priority = if master { 255 } else { 100 };
    let addresses = find("virtual_ipaddress").map(Directive::inside).unwrap_or_default();
    new.v6 = addresses.iter().any(|d| d.keyword().contains(':'));
    // keepalived speaks 2 over IPv4 where nothing else is said; vipkeeper 3.
    let said = find("version").map(|d| d.word(1)).or(all.version.as_deref());
    let version = match said {
        _ if new.v6 => Version::Three,
        Some("3") => Version::Three,
        Some(_) | None => Version::Two,
    };
    if version == Version::Two {
        new.keys.push(("version".to_owned(), "2".to_owned()));
    }
    if said.is_none() && version == Version::Two {
        let note = "no version: keepalived speaks 2, and so does the TOML; change all nodes to 3 together later";
        report.remark(Some(&block.at), &label, Fate::Approximated, note);
    }
    if find("priority").is_none() {
        let note = if master {
            "no priority and state MASTER: keepalived makes it 255, the address owner"
        } else {
            "no priority: keepalived takes 100"
        };
        report.remark(Some(&block.at), &label, Fate::Trap, note);
    }
    for directive in block.inside() {
        match directive.keyword() {
            "priority" => {
                priority = directive.word(1).parse().unwrap_or(priority);
                report.add(directive, &label, Fate::Mapped, "vip.priority");
            }
            "virtual_router_id" => {
                new.vrid = directive.word(1).parse().unwrap_or(0);
                report.add(directive, &label, Fate::Mapped, "vip.vrid");
            }
            "interface" => {
                new.interfaces.push((node.to_owned(), directive.word(1).to_owned()));
                report.add(directive, &label, Fate::Mapped, "vip.interface");
            }
            "state" if directive.word(1) == "MASTER" && find("nopreempt").is_some() => {
                let note = "nopreempt is ignored by keepalived where the state is MASTER; here preempt = false counts";
                report.add(directive, &label, Fate::Trap, note);
            }
            "state" => {
                let note = "the priorities say who holds it; state MASTER gives no head start in keepalived either";
                report.add(directive, &label, Fate::Dropped, note);
            }
            "virtual_ipaddress" | "virtual_ipaddress_excluded" => addresses_of(directive, &label, &mut new, report),
            "track_script" | "track_process" | "track_file" | "track_interface" => {
                tracks(directive, &label, &mut new, all, report);
            }
            "authentication" => authentication(directive, &label, version, &mut new, report),
            keyword if HOOKS.contains(&keyword) => {
                hooks::read(directive, &label, "vip", &mut new.keys, all, report);
            }
            _ => key(directive, &label, &mut new, report),
        }
    }
    new.priorities.push((node.to_owned(), priority));
    merge(new, block, &label, all, report);
}

/// Lines such as `10.0.0.1/24 dev eth0 label eth0:1`.
fn addresses_of(block: &Directive, label: &str, new: &mut Virtual, report: &mut Report) {
    let excluded = block.keyword().ends_with("excluded");
    for directive in block.inside() {
        let address = directive.keyword();
        let (ip, length) =
            address.split_once('/').unwrap_or((address, if address.contains(':') { "128" } else { "32" }));
        if ip.parse::<IpAddr>().is_err() {
            report.add(directive, label, Fate::Dropped, "this is no address");
            continue;
        }
        let mut fields = vec![format!("address = {}", quoted(&format!("{ip}/{length}")))];
        let mut lost: Vec<&str> = Vec::new();
        let mut words = directive.words.iter().skip(1).map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "dev" | "label" | "scope" => {
                    let value = words.next().unwrap_or_default();
                    let key = if word == "dev" { "interface" } else { word };
                    fields.push(format!("{key} = {}", quoted(value)));
                }
                "brd" | "broadcast" | "peer" | "preferred_lft" => {
                    lost.push(word);
                    words.next();
                }
                other => lost.push(other),
            }
        }
        let written = match fields.as_slice() {
            [_] => quoted(&format!("{ip}/{length}")),
            _ => format!("{{ {} }}", fields.join(", ")),
        };
        new.bare.push(ip.to_owned());
        let (list, key) =
            if excluded { (&mut new.excluded, "vip.excluded") } else { (&mut new.addresses, "vip.addresses") };
        list.push(written);
        if lost.is_empty() {
            report.add(directive, label, Fate::Mapped, key);
        } else {
            report.add(directive, label, Fate::Approximated, &format!("{key}, without {}", lost.join(", ")));
        }
    }
}

fn tracks(block: &Directive, label: &str, new: &mut Virtual, all: &mut Gathered, report: &mut Report) {
    let names = block.inside();
    for directive in names {
        let name = directive.keyword();
        let after = directive.words.iter().skip_while(|word| *word != "weight").nth(1);
        let weight = after.and_then(|word| word.parse::<i32>().ok());
        let reverse = directive.words.iter().any(|word| word == "reverse");
        if block.keyword() == "track_interface" {
            if !all.interfaces.iter().any(|known| known == name) {
                all.interfaces.push(name.to_owned());
            }
            new.tracks.push((name_of(&format!("link-{name}"), "link"), weight.unwrap_or(0), reverse));
            report.add(directive, label, Fate::Mapped, "a [[tracker]] with `interface`, and vip.track");
            continue;
        }
        match all.scripts.iter().find(|script| script.name == name) {
            Some(script) if script.keys.is_none() => {
                new.watched.push((name.to_owned(), weight.unwrap_or(script.weight)));
                report.add(directive, label, Fate::Mapped, "the proxy's own watch counts for every VIP");
            }
            Some(script) => {
                new.tracks.push((name_of(name, "tracker"), weight.unwrap_or(script.weight), reverse || script.reverse));
                report.add(directive, label, Fate::Mapped, "vip.track");
            }
            None => report.add(
                directive,
                label,
                Fate::Trap,
                "no script of this name stands before it: keepalived ignores the line",
            ),
        }
    }
}

fn authentication(block: &Directive, label: &str, version: Version, new: &mut Virtual, report: &mut Report) {
    let ah = block.inside().iter().any(|d| d.word(1) == "AH");
    for directive in block.inside() {
        let (fate, note) = match directive.keyword() {
            "auth_pass" if version == Version::Two && !ah => {
                let password: String = directive.word(1).chars().take(8).collect();
                let cut = directive.word(1).chars().count() > 8;
                new.keys.push(("auth".to_owned(), format!("{{ password = {} }}", quoted(&password))));
                new.password = Some(password);
                if cut {
                    (Fate::Trap, "keepalived uses the first 8 characters only; so does the TOML")
                } else {
                    (Fate::Mapped, "vip.auth.password")
                }
            }
            "auth_pass" => (Fate::Dropped, "not with AH, and not with version 3"),
            "auth_type" if ah => (Fate::Dropped, "AH is not spoken; `auth.hmac` is the signature that both speak"),
            _ if version == Version::Three => (Fate::Dropped, "version 3 has no authentication but `auth.hmac`"),
            _ => (Fate::Mapped, "vip.auth"),
        };
        report.add(directive, label, fate, note);
    }
}

/// What becomes a single key, or nothing.
fn key(directive: &Directive, label: &str, new: &mut Virtual, report: &mut Report) {
    let value = directive.word(1);
    let time = duration(value);
    let (key, written) = match (directive.keyword(), time) {
        ("advert_int", Some(time)) => ("advert_interval", quoted(&time)),
        ("preempt_delay", Some(time)) => ("preempt_delay", quoted(&time)),
        ("nopreempt", _) => ("preempt", "false".to_owned()),
        ("use_vmac", _) => ("vmac", "true".to_owned()),
        ("no_accept", _) => ("accept", "false".to_owned()),
        ("down_timer_adverts", _) if value.parse::<u8>().is_ok() => ("down_multiplier", value.to_owned()),
        ("mcast_dst_ip", _) => ("multicast_group", quoted(value)),
        ("unicast_peer", _) => ("transport", quoted("unicast")),
        ("mcast_src_ip" | "unicast_src_ip", _) => return report.add(directive, label, Fate::Mapped, "node.address"),
        ("version", _) => {
            return report.add(directive, label, Fate::Mapped, "vip.version");
        }
        ("accept" | "preempt" | "", _) => return report.add(directive, label, Fate::Mapped, "it is so by default"),
        ("virtual_routes" | "virtual_rules", _) => {
            let note = "write them by hand as `routes` and `rules` of the [[vip]]";
            return report.add(directive, label, Fate::Dropped, note);
        }
        ("garp_master_delay" | "garp_master_repeat" | "garp_master_refresh", _) => {
            return report.add(directive, label, Fate::Dropped, "write it as `announce` of the [[vip]]");
        }
        ("smtp_alert", _) => {
            return report.add(directive, label, Fate::Dropped, "write a [[notify]] with `email`");
        }
        (other, _) => {
            return report.add(
                directive,
                label,
                Fate::Dropped,
                &format!("a [[vip]] has nothing like {other}, or cannot read its value"),
            );
        }
    };
    if !new.keys.iter().any(|(known, _)| known == key) {
        new.keys.push((key.to_owned(), written));
    }
    report.add(directive, label, Fate::Mapped, &format!("vip.{key}"));
}

/// Adds an instance to that of another node, or keeps it as a new one.
fn merge(new: Virtual, block: &Directive, label: &str, all: &mut Gathered, report: &mut Report) {
    let same = |v: &Virtual| v.name == new.name || (v.vrid == new.vrid && v.v6 == new.v6 && v.bare == new.bare);
    let mine = new.priorities.first().map(|(node, _)| node.clone()).unwrap_or_default();
    let twice =
        |v: &Virtual| v.vrid == new.vrid && v.v6 == new.v6 && v.interfaces.iter().any(|i| new.interfaces.contains(i));
    if all.virtuals.iter().any(twice) {
        report.remark(Some(&block.at), label, Fate::Trap, "the same VRID twice on one interface of this node");
    }
    let Some(known) = all.virtuals.iter_mut().find(|v| same(v) && v.priorities.iter().all(|(node, _)| *node != mine))
    else {
        all.virtuals.push(new);
        return;
    };
    if known.vrid != new.vrid {
        report.remark(
            Some(&block.at),
            label,
            Fate::Trap,
            "another VRID than on the node before: both would hold the addresses",
        );
    }
    if known.password != new.password {
        report.remark(
            Some(&block.at),
            label,
            Fate::Trap,
            "another password than on the node before: both would hold the addresses",
        );
    }
    if known.bare != new.bare {
        report.remark(
            Some(&block.at),
            label,
            Fate::Trap,
            "other addresses than on the node before; those of the first are taken",
        );
    }
    known.priorities.extend(new.priorities);
    known.interfaces.extend(new.interfaces);
    for (key, written) in new.keys {
        match known.keys.iter().find(|(other, _)| *other == key) {
            None => known.keys.push((key, written)),
            Some((_, other)) if *other != written && key != "auth" => {
                let note = format!("{key} is {other} on the node before and {written} here; the first is taken");
                report.remark(Some(&block.at), label, Fate::Approximated, &note);
            }
            Some(_) => (),
        }
    }
    for track in new.tracks {
        if !known.tracks.contains(&track) {
            known.tracks.push(track);
        }
    }
    known.watched.extend(new.watched);
}

/// Reads a sync group.
pub(super) fn group(block: &Directive, all: &mut Gathered, report: &mut Report) {
    let label = format!("vrrp_sync_group {}", block.word(1));
    let mut group = Group { name: name_of(block.word(1), "group"), ..Group::default() };
    for directive in block.inside() {
        match directive.keyword() {
            "group" => {
                let members = directive.inside().iter().flat_map(|d| &d.words);
                group.members.extend(members.map(|name| name_of(name, "vip")));
                report.add(directive, &label, Fate::Mapped, "group.vips");
            }
            keyword if HOOKS.contains(&keyword) => {
                hooks::read(directive, &label, "group", &mut group.keys, all, report);
            }
            _ => report.add(directive, &label, Fate::Dropped, "a [[group]] has nothing like it"),
        }
    }
    if !all.groups.iter().any(|known| known.name == group.name) {
        all.groups.push(group);
    }
}

/// What is known once all files were read: weights that never move anything, and addresses to fill in.
pub(super) fn settle(all: &mut Gathered, report: &mut Report) {
    for vip in &all.virtuals {
        if vip.priorities.len() < 2 {
            report.fill_in.push(format!("{}: only one node has it; give the files of the others too", vip.name));
        }
        let mut ranks: Vec<i32> = vip.priorities.iter().map(|(_, priority)| *priority).collect();
        ranks.sort_unstable_by(|a, b| b.cmp(a));
        let (Some(top), Some(next)) = (ranks.first(), ranks.get(1)) else { continue };
        let mut seen: Vec<&str> = Vec::new();
        for (script, weight) in &vip.watched {
            if seen.contains(&script.as_str()) {
                continue;
            }
            seen.push(script);
            // While it fails on the holder alone: a negative weight lowers the holder, a positive one lifts the other.
            let (holder, other) =
                if *weight < 0 { (top.saturating_add(*weight), *next) } else { (*top, next.saturating_add(*weight)) };
            if *weight != 0 && holder >= other {
                let note = format!(
                    "weight {weight} never moves it: {holder} of the holder is not below {other} of the other node. \
                     vipkeeper gives the VIP up whatever the priorities"
                );
                report.remark(None, &format!("{}: {script}", vip.name), Fate::Trap, &note);
            }
        }
    }
}
