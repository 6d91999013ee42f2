//! `unicast_peer`: what it tells of the nodes' addresses, and whether it names them all.

use std::net::IpAddr;

use super::Gathered;
use super::instance::{Node, Virtual};
use super::keepalived::{At, Directive};
use super::report::{Fate, Report};

/// The list of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Peers {
    pub(super) node: String,
    at: At,
    list: Vec<IpAddr>,
}

/// Reads a block of a node.
pub(super) fn read(block: &Directive, label: &str, node: &str, new: &mut Virtual, report: &mut Report) {
    let mut list = Vec::new();
    for directive in block.inside() {
        match directive.keyword().parse() {
            Ok(ip) => list.push(ip),
            Err(_) => report.add(directive, label, Fate::Dropped, "this is no address"),
        }
    }
    new.peers.push(Peers { node: node.to_owned(), at: block.at.clone(), list });
}

/// Takes addresses of nodes that say none from the lists of the others, then compares the lists with the nodes.
pub(super) fn settle(all: &mut Gathered, report: &mut Report) {
    let Gathered { nodes, virtuals, .. } = all;
    for vip in virtuals.iter().filter(|vip| !vip.peers.is_empty()) {
        learn(vip, nodes, report);
    }
    for vip in virtuals.iter().filter(|vip| !vip.peers.is_empty()) {
        compare(vip, nodes, report);
    }
}

/// A node is who all others name and who does not name itself.
fn learn(vip: &Virtual, nodes: &mut [Node], report: &mut Report) {
    for (name, _) in &vip.priorities {
        let is_known = |node: &Node| node.addresses.iter().any(|ip| ip.is_ipv6() == vip.v6);
        if vip.priorities.len() < 2 || nodes.iter().any(|node| node.name == *name && is_known(node)) {
            continue;
        }
        let others: Vec<&Peers> = vip.peers.iter().filter(|peers| peers.node != *name).collect();
        let own: Vec<IpAddr> =
            vip.peers.iter().filter(|peers| peers.node == *name).flat_map(|p| p.list.clone()).collect();
        let Some(first) = others.first() else { continue };
        let everywhere = |ip: &&IpAddr| others.iter().all(|peers| peers.list.contains(ip));
        let free = |ip: &&IpAddr| !own.contains(ip) && !nodes.iter().any(|node| node.addresses.contains(ip));
        let found: Vec<IpAddr> = first.list.iter().filter(everywhere).filter(free).copied().collect();
        if let ([ip], Some(node)) = (found.as_slice(), nodes.iter_mut().find(|node| node.name == *name)) {
            node.addresses.push(*ip);
            let note = format!("node.address {ip}, which the others name in unicast_peer");
            report.remark(Some(&first.at), &format!("node {name}"), Fate::Mapped, &note);
        }
    }
}

fn compare(vip: &Virtual, nodes: &[Node], report: &mut Report) {
    let of_vip = |node: &&Node| vip.priorities.iter().any(|(name, _)| *name == node.name);
    for peers in &vip.peers {
        let label = format!("vrrp_instance {}: unicast_peer", vip.name);
        for node in nodes.iter().filter(of_vip).filter(|node| node.name != peers.node) {
            let known: Vec<&IpAddr> = node.addresses.iter().filter(|ip| ip.is_ipv6() == vip.v6).collect();
            if !known.is_empty() && !known.iter().any(|ip| peers.list.contains(ip)) {
                let note =
                    format!("{} is not in it, so that both may hold the VIP; here it hears the adverts", node.name);
                report.remark(Some(&peers.at), &label, Fate::Trap, &note);
            }
        }
        for ip in &peers.list {
            let known = nodes.iter().filter(of_vip).any(|node| node.addresses.contains(ip));
            let unknown = nodes.iter().filter(of_vip).any(|node| node.name != peers.node && node.addresses.is_empty());
            if !known && !unknown {
                let note = format!("{ip} is none of the nodes: give its file too, or it hears no adverts any more");
                report.remark(Some(&peers.at), &label, Fate::Trap, &note);
            }
        }
    }
}
