//! What a running vipkeeper says of itself and its peers, and what was heard on the wire.

use std::collections::BTreeSet;

use super::facts::{Facts, Heard};
use super::network::own_vips;
use super::{Report, Severity};
use crate::config::{Config, Transport};
use crate::node::Status;
use crate::node::status::{PeerStatus, VipStatus};
use crate::units::Name;

pub(super) fn examine(config: &Config, node: &Name, facts: &Facts, report: &mut Report) {
    if let Some(status) = report.take("the running vipkeeper", &facts.running) {
        match status {
            None => report.unchecked("peers, adverts and the proxy", "vipkeeper does not run here"),
            Some(status) => running(config, node, status, facts, report),
        }
    }
    match &facts.heard {
        None => report.unchecked("who speaks VRRP here", "the network is listened to only with --listen TIME"),
        Some(gathered) => {
            if let Some(heard) = report.take("who speaks VRRP here", gathered) {
                listened(config, node, facts.status(), heard, report);
            }
        }
    }
}

fn running(config: &Config, node: &Name, status: &Status, facts: &Facts, report: &mut Report) {
    let proxy = &status.proxy;
    if !proxy.healthy {
        report.find(
            Severity::Error,
            "proxy-failed",
            format!("the proxy has failed on {}: {}", status.node, proxy.why),
            "this node does not hold a VIP while its proxy does not serve",
            "vipkeeper status; the log says what the proxy complains of".to_owned(),
        );
    }
    if let Some(reload) = status.config.last_reload.as_ref().filter(|r| !r.ok) {
        let first = reload.message.lines().next().unwrap_or_default();
        report.find(
            Severity::Warning,
            "reload-refused",
            format!("the last change of the configuration was refused: {first}"),
            "the older one is in force",
            "vipkeeper check, then vipkeeper reload".to_owned(),
        );
    }
    for peer in &status.peers {
        of_peer(peer, config, report);
    }
    if status.peers.is_empty() {
        let why = status.peers_note.clone().unwrap_or_else(|| "the nodes share no key ([peers])".to_owned());
        report.unchecked("whether the peers have the same configuration", why);
    }
    for vip in &status.vips {
        of_vip(vip, config, node, facts, report);
    }
}

fn of_peer(peer: &PeerStatus, config: &Config, report: &mut Report) {
    report.checked(format!("peer {}", peer.name));
    if peer.same_config == Some(false) {
        report.find(
            Severity::Error,
            "peer-other-config",
            format!("{} has another configuration in force", peer.name),
            "after a failover clients are served by other rules, and the election may not agree",
            format!("copy the file to {}, then: vipkeeper reload", peer.name),
        );
    }
    if peer.state != "fresh" {
        let port = config.peers.as_ref().map_or(0, |p| p.port);
        let refused: Vec<&str> = peer.dropped.keys().map(String::as_str).collect();
        let because =
            if refused.is_empty() { String::new() } else { format!(" (dropped from it: {})", refused.join(", ")) };
        report.find(
            Severity::Error,
            "peer-unreachable",
            format!("no hello of {} ({}) counts: it is {}{because}", peer.name, peer.address, peer.state),
            "hand-overs fall back to plain VRRP, and a failover takes longer",
            format!("start vipkeeper there; let UDP port {port} through on both; the same peers.key on both"),
        );
    }
}

fn of_vip(vip: &VipStatus, config: &Config, node: &Name, facts: &Facts, report: &mut Report) {
    report.checked(format!("VIP {}", vip.name));
    if vip.state == "fault" {
        report.find(
            Severity::Error,
            "vip-in-fault",
            format!("VIP {} is in fault here: {}", vip.name, vip.why),
            "this node cannot take it over",
            "the reason names it; vipkeeper status shows more".to_owned(),
        );
    }
    for refused in &vip.refused {
        report.find(
            Severity::Error,
            "advert-refused",
            format!("adverts of {} for VIP {} are refused: {}", refused.address, vip.name, refused.reason),
            "both hosts believe that the other is gone, and both hold the VIP",
            "make version, transport, authentication and advert_interval of both the same".to_owned(),
        );
    }
    for speaker in &vip.speakers {
        foreign(config, node, vip.vrid, &vip.interface, (&speaker.address, speaker.priority), facts, report);
    }
    for duplicate in &vip.duplicates {
        report.find(
            Severity::Error,
            "duplicate-address",
            format!("{} claims {} of VIP {}, which is here", duplicate.mac, duplicate.address, vip.name),
            "some clients reach that host in place of this one",
            "find that hardware address in the switch's table and take the address from it".to_owned(),
        );
    }
}

/// A VRID that neither the configuration uses on the interface nor anybody was heard to use.
fn free_vrid(config: &Config, node: &Name, interface: &str, facts_heard: &[u8]) -> Option<u8> {
    let used: BTreeSet<u8> = own_vips(config, node)
        .filter(|(_, i)| i.as_str() == interface)
        .map(|(vip, _)| vip.vrid.get())
        .chain(facts_heard.iter().copied())
        .collect();
    (1..=u8::MAX).rev().find(|vrid| !used.contains(vrid))
}

fn foreign(
    config: &Config,
    node: &Name,
    vrid: u8,
    interface: &str,
    (address, priority): (&str, u8),
    facts: &Facts,
    report: &mut Report,
) {
    let heard: Vec<u8> = match &facts.heard {
        Some(super::Gathered::Read(heard)) => {
            heard.iter().filter(|h| h.interface == interface).map(|h| h.vrid).collect()
        }
        Some(super::Gathered::Unread(_)) | None => Vec::new(),
    };
    let unheard =
        if facts.heard.is_some() { "" } else { " (vipkeeper doctor --listen 5s hears which others are used)" };
    let fix = match free_vrid(config, node, interface, &heard) {
        Some(free) => format!("vrid = {free} at the VIP, on all nodes{unheard}"),
        None => "move the VIP to another network: every VRID is used here".to_owned(),
    };
    let what =
        format!("{address} speaks for VRID {vrid} on {interface} with priority {priority}, and is none of the nodes");
    // Heard and told by the running vipkeeper: said once.
    if report.findings.iter().all(|f| f.what != what) {
        let why = "it takes part in the election: the VIP may be nowhere, or flap";
        report.find(Severity::Error, "foreign-speaker", what, why, fix);
    }
}

fn listened(config: &Config, node: &Name, status: Option<&Status>, heard: &[Heard], report: &mut Report) {
    let nodes: BTreeSet<_> = config.nodes.iter().flat_map(|n| [Some(n.address), n.second_address]).flatten().collect();
    let facts_heard: Vec<u8> = heard.iter().map(|h| h.vrid).collect();
    for (vip, interface) in own_vips(config, node) {
        let vrid = vip.vrid.get();
        let on_it = || heard.iter().filter(|h| h.interface == interface.as_str() && h.vrid == vrid);
        for speaker in on_it().filter(|h| !nodes.contains(&h.source) && of_family(h, vip.family())) {
            // A link-local source says nothing of who it is.
            if matches!(speaker.source, std::net::IpAddr::V6(ip) if ip.is_unicast_link_local()) {
                continue;
            }
            let what = format!(
                "{} speaks for VRID {vrid} on {interface} with priority {}, and is none of the nodes",
                speaker.source, speaker.priority
            );
            if report.findings.iter().any(|f| f.what == what) {
                continue;
            }
            let fix = match free_vrid(config, node, interface.as_str(), &facts_heard) {
                Some(free) => format!("vrid = {free} at VIP {}, on all nodes (nobody was heard to use it)", vip.name),
                None => "move the VIP to another network: every VRID is used here".to_owned(),
            };
            let why = "it takes part in the election: the VIP may be nowhere, or flap";
            report.find(Severity::Error, "foreign-speaker", what, why, fix);
        }
        let by_hello = status.and_then(|s| {
            let active = |p: &&PeerStatus| p.vips.iter().any(|v| v.name == vip.name.as_str() && v.state == "active");
            s.peers.iter().filter(|p| p.state == "fresh").find(active)
        });
        if let Some(peer) = by_hello.filter(|_| on_it().next().is_none()) {
            let (way, fix) = match vip.transport {
                Transport::Multicast(group) => (
                    format!("multicast to {group}"),
                    "a querier or no IGMP snooping at the switch, no firewall on the way; or transport = \"unicast\" at the VIP",
                ),
                Transport::Unicast => ("unicast".to_owned(), "let IP protocol 112 through between the nodes"),
            };
            report.find(
                Severity::Error,
                "adverts-not-heard",
                format!(
                    "{} says by hello that it holds {}, but no advert ({way}) arrived on {interface}",
                    peer.name, vip.name
                ),
                "without hellos both hosts would hold the VIP",
                fix.to_owned(),
            );
        }
    }
}

fn of_family(heard: &Heard, family: crate::units::Family) -> bool {
    crate::units::Family::of(heard.source) == family
}
