//! `vrrp_instance` and `vrrp_sync_group` of every node, put together into virtual routers.

use std::net::IpAddr;

use super::address::{self, Address};
use super::hooks::{self, HOOKS};
use super::keepalived::Directive;
use super::peers::{self, Peers};
use super::report::{Fate, Report};
use super::routing::{self, Routing};
use super::write::{duration, name_of, quoted};
use super::{Gathered, announce, merge, track};
use crate::units::Family;

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
    pub(super) addresses: Vec<Address>,
    /// The addresses alone, for binds.
    pub(super) bare: Vec<String>,
    pub(super) excluded: Vec<Address>,
    pub(super) routing: Routing,
    pub(super) peers: Vec<Peers>,
    /// Finished `key = value` lines.
    pub(super) keys: Vec<(String, String)>,
    /// Name of the tracker, weight, and whether it is reversed.
    pub(super) tracks: Vec<(String, i32, bool)>,
    /// Weights of scripts that only watch the proxy.
    pub(super) watched: Vec<(String, i32)>,
    pub(super) password: Option<String>,
    pub(super) v6: bool,
}

/// A sync group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Group {
    pub(super) name: String,
    pub(super) members: Vec<String>,
    pub(super) keys: Vec<(String, String)>,
    /// What it tracks for all of its members: as `tracks`, and scripts that only watch the proxy.
    pub(super) tracks: Vec<(String, i32, bool)>,
    pub(super) watched: Vec<(String, i32)>,
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

/// Which version the instance speaks, `usual` where it says nothing itself.
fn version(block: &Directive, label: &str, usual: Option<&str>, new: &mut Virtual, report: &mut Report) -> Version {
    let find = |keyword: &str| block.inside().iter().find(|d| d.keyword() == keyword);
    let addresses = find("virtual_ipaddress").map(Directive::inside).unwrap_or_default();
    new.v6 = addresses.iter().any(|d| d.keyword().contains(':'));
    // keepalived speaks 2 over IPv4 where nothing else is said; vipkeeper 3.
    let said = find("version").map(|d| d.word(1)).or(usual);
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
        report.remark(Some(&block.at), label, Fate::Approximated, note);
    }
    version
}

/// The priority of an instance that says none.
fn usual_priority(block: &Directive, label: &str, report: &mut Report) -> i32 {
    let find = |keyword: &str| block.inside().iter().find(|d| d.keyword() == keyword);
    let master = find("state").is_some_and(|d| d.word(1) == "MASTER");
    if find("priority").is_none() {
        let note = if master {
            "no priority and state MASTER: keepalived makes it 255, the address owner"
        } else {
            "no priority: keepalived takes 100"
        };
        report.remark(Some(&block.at), label, Fate::Trap, note);
    }
    if master { 255 } else { 100 }
}

/// Reads an instance of a node, into the virtual router that it belongs to.
pub(super) fn read(block: &Directive, node: &str, all: &mut Gathered, report: &mut Report) {
    let label = format!("vrrp_instance {}", block.word(1));
    let mut new = Virtual { name: name_of(block.word(1), "vip"), ..Virtual::default() };
    let find = |keyword: &str| block.inside().iter().find(|d| d.keyword() == keyword);
    let version = version(block, &label, all.version.as_deref(), &mut new, report);
    let mut priority = usual_priority(block, &label, report);
    let interface = find("interface").map_or(all.interface.as_str(), |d| d.word(1)).to_owned();
    if find("interface").is_none() {
        new.interfaces.push((node.to_owned(), interface.clone()));
        report.remark(Some(&block.at), &label, Fate::Trap, &format!("no interface: keepalived takes {interface}"));
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
            "virtual_ipaddress" | "virtual_ipaddress_excluded" => {
                address::read(directive, &label, node, &interface, &mut new, report);
            }
            "virtual_routes" | "virtual_rules" => {
                let family = if new.v6 { Family::V6 } else { Family::V4 };
                routing::read(directive, &label, family, &mut new.routing, report);
            }
            "track_script" | "track_process" | "track_file" | "track_interface" => {
                let Virtual { tracks, watched, .. } = &mut new;
                let around = track::Around { label: &label, node, interface: &interface };
                track::read(directive, around, (tracks, watched), all, report);
            }
            "smtp_alert" => all.mail.alert(directive, &label),
            "authentication" => authentication(directive, &label, version, &mut new, report),
            keyword if HOOKS.contains(&keyword) => {
                hooks::read(directive, &label, "vip", &mut new.keys, all, report);
            }
            keyword if announce::is_one(keyword) => announce::read(directive, &label, &mut new.keys, report),
            "unicast_peer" => {
                key(directive, &label, &mut new, report);
                peers::read(directive, &label, node, &mut new, report);
            }
            _ => key(directive, &label, &mut new, report),
        }
    }
    for (key, written) in &all.announce {
        if !new.keys.iter().any(|(known, _)| known == key) {
            new.keys.push((key.clone(), written.clone()));
        }
    }
    new.priorities.push((node.to_owned(), priority));
    merge::instance(new, block, &label, all, report);
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
