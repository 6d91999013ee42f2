//! Interfaces, their settings, and who else manages them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::facts::{Facts, Gathered, Interface};
use super::{Report, Severity};
use crate::config::{Accept, Config, VipConfig};
use crate::units::{Family, IfName, Name};

/// The VIPs that a node takes part in, with their interface there.
pub(super) fn own_vips<'a>(config: &'a Config, node: &'a Name) -> impl Iterator<Item = (&'a VipConfig, &'a IfName)> {
    config.vips.iter().filter_map(move |vip| Some((vip, vip.interfaces.get(node)?)))
}

pub(super) fn examine(config: &Config, node: &Name, facts: &Facts, report: &mut Report) {
    let names: BTreeSet<&str> = own_vips(config, node).map(|(_, interface)| interface.as_str()).collect();
    if let Some(interfaces) = report.take("interfaces", &facts.interfaces) {
        for name in &names {
            match interfaces.get(*name) {
                Some(interface) => link(name, interface, report),
                None => missing(name, interfaces, report),
            }
        }
        own_addresses(config, node, interfaces, report);
    }
    for name in &names {
        sysctls(name, config, node, facts, report);
    }
    probes(config, facts, report);
}

fn missing(name: &str, interfaces: &BTreeMap<String, Interface>, report: &mut Report) {
    let there: Vec<&str> = interfaces.keys().map(String::as_str).filter(|n| *n != "lo").collect();
    report.find(
        Severity::Error,
        "interface-missing",
        format!("there is no interface {name} on this host, only {}", there.join(", ")),
        "no VIP can be held on it",
        "correct `interface` of the VIP, or bring the interface into being".to_owned(),
    );
}

fn link(name: &str, interface: &Interface, report: &mut Report) {
    if !interface.up {
        report.find(
            Severity::Error,
            "interface-down",
            format!("the interface {name} is down"),
            "its VIPs are in fault here",
            format!("ip link set {name} up"),
        );
    } else if interface.carrier == Some(false) {
        report.find(
            Severity::Error,
            "interface-no-carrier",
            format!("the interface {name} has no carrier"),
            "nothing is sent or heard there, so its VIPs are in fault here",
            "look at the cable and the port of the switch".to_owned(),
        );
    }
    if let Some(networkd) = &interface.networkd {
        let kept = networkd.keep.as_deref().is_some_and(|keep| ["yes", "static", "true", "1"].contains(&keep));
        if !kept {
            report.find(
                Severity::Warning,
                "networkd-deletes",
                format!("systemd-networkd manages {name} ({}) and deletes addresses of others", networkd.file),
                "when it is restarted or reconfigures the interface, the VIPs vanish until vipkeeper puts them back",
                format!("KeepConfiguration=static in the section [Network] of {}", networkd.file),
            );
        }
    }
    if interface.network_manager {
        report.find(
            Severity::Note,
            "networkmanager-manages",
            format!("NetworkManager manages {name}"),
            "when it activates the connection again, the VIPs vanish until vipkeeper puts them back",
            format!("avoid `nmcli connection up` in service, or: nmcli device set {name} managed no"),
        );
    }
}

fn own_addresses(config: &Config, node: &Name, interfaces: &BTreeMap<String, Interface>, report: &mut Report) {
    let Some(own) = config.node(node) else { return };
    let here: BTreeSet<IpAddr> = interfaces.values().flat_map(|i| i.addresses.iter().copied()).collect();
    for address in [Some(own.address), own.second_address].into_iter().flatten().filter(|a| !here.contains(a)) {
        report.find(
            Severity::Error,
            "node-address-missing",
            format!("{address}, the address of node {node}, is on no interface of this host"),
            "peers send to it, and adverts should leave from it",
            format!("correct `address` of [[node]] {node}, or add the address; is this host another node (--node)?"),
        );
    }
}

/// A setting of an interface; the kernel takes the larger of this and that of all of them for some.
fn value(facts: &Facts, family: &str, interface: &str, key: &str, report: &mut Report) -> Option<i64> {
    let path = format!("net/{family}/conf/{interface}/{key}");
    match facts.sysctls.get(&path) {
        Some(Gathered::Read(text)) => text.trim().parse().ok(),
        Some(Gathered::Unread(why)) => {
            report.unchecked(path, why);
            None
        }
        None => None,
    }
}

fn larger(facts: &Facts, interface: &str, key: &str, report: &mut Report) -> Option<i64> {
    let own = value(facts, "ipv4", interface, key, report)?;
    Some(own.max(value(facts, "ipv4", "all", key, report)?))
}

fn sysctls(name: &str, config: &Config, node: &Name, facts: &Facts, report: &mut Report) {
    let here = || own_vips(config, node).filter(|(_, i)| i.as_str() == name).map(|(vip, _)| vip);
    report.checked(format!("settings of {name}"));
    if here().any(|vip| vip.family() == Family::V4) {
        if larger(facts, name, "rp_filter", report) == Some(1) {
            report.find(
                Severity::Note,
                "rp-filter-strict",
                format!("net.ipv4.conf.{name}.rp_filter is strict (1)"),
                "where clients or peers are reached over another interface, what they send to a VIP is dropped",
                format!("sysctl -w net.ipv4.conf.{name}.rp_filter=2, if there is another way back"),
            );
        }
        if larger(facts, name, "arp_ignore", report).is_some_and(|ignore| ignore >= 3) {
            report.find(
                Severity::Error,
                "arp-ignore-silences",
                format!("arp_ignore of {name} is 3 or more"),
                "the host does not answer ARP for its own addresses, so clients do not find the VIP",
                format!("sysctl -w net.ipv4.conf.all.arp_ignore=0 net.ipv4.conf.{name}.arp_ignore=0"),
            );
        }
        if larger(facts, name, "promote_secondaries", report) == Some(0) {
            report.find(
                Severity::Note,
                "promote-secondaries-off",
                format!("net.ipv4.conf.{name}.promote_secondaries is 0"),
                "when a primary address is removed, the kernel removes the VIPs of its subnet too",
                format!("sysctl -w net.ipv4.conf.{name}.promote_secondaries=1"),
            );
        }
    }
    let v6 = here().any(|vip| vip.addresses.iter().any(|a| a.address.family() == Family::V6));
    if v6 && value(facts, "ipv6", name, "disable_ipv6", report) == Some(1) {
        report.find(
            Severity::Error,
            "ipv6-disabled",
            format!("IPv6 is disabled on {name}"),
            "the kernel refuses its IPv6 VIPs",
            format!("sysctl -w net.ipv6.conf.{name}.disable_ipv6=0"),
        );
    }
    let forwards = here().any(|vip| vip.accept == Accept::No && vip.family() == Family::V4);
    if forwards && value(facts, "ipv4", name, "forwarding", report) == Some(0) {
        report.find(
            Severity::Error,
            "forwarding-off",
            format!("a VIP on {name} only forwards (accept = false), and net.ipv4.conf.{name}.forwarding is 0"),
            "what clients send to it goes nowhere",
            "sysctl -w net.ipv4.ip_forward=1".to_owned(),
        );
    }
}

fn probes(config: &Config, facts: &Facts, report: &mut Report) {
    let Some(probed) = &facts.probed else {
        return report.unchecked("duplicate addresses", "probes are sent only with --probe");
    };
    let of_node =
        |probe: &&super::facts::Probed| config.nodes.iter().any(|n| n.address_of(Family::V4) == Some(probe.address));
    // Whichever node holds a VIP may answer for it.
    let nodes: BTreeSet<&String> = probed
        .iter()
        .filter(of_node)
        .filter_map(|probe| match &probe.answers {
            Gathered::Read(answers) => Some(answers),
            Gathered::Unread(_) => None,
        })
        .flatten()
        .collect();
    for probe in probed.iter().filter(|probe| !of_node(probe)) {
        let check = format!("a duplicate of {}", probe.address);
        let Some(answers) = report.take(&check, &probe.answers) else { continue };
        // A virtual router's own address is told from others by its VRID alone: adverts tell who it is.
        let answers: Vec<String> =
            answers.iter().filter(|mac| !nodes.contains(mac) && !mac.starts_with("00:00:5e:00:01:")).cloned().collect();
        if !answers.is_empty() {
            report.find(
                Severity::Error,
                "duplicate-address",
                format!(
                    "{} answers for {} on {}, and is none of the nodes",
                    answers.join(" and "),
                    probe.address,
                    probe.interface
                ),
                "clients reach that host in place of the VIP",
                format!("find that hardware address (ip neigh, the switch's table) and take {} from it", probe.address),
            );
        }
    }
}
