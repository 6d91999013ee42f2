//! What is on the wire: adverts that arrive, and who answers for an address.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use nix::net::if_::if_nametoindex;

use crate::config::{Config, Transport};
use crate::doctor::Gathered;
use crate::doctor::facts::{Heard, Interface, Probed};
use crate::node::Event;
use crate::shell::vrrp_socket::VrrpSocket;
use crate::units::{Family, IfName, Name};
use crate::vrrp::arp;
use crate::vrrp::packet::{Capture, parse};

/// Different routers that are told of; a network with more is not ours to list.
const HEARD_MAX: usize = 1_024;

/// Addresses asked for on one interface; as many as its socket can watch.
const PROBED_MAX: usize = 128;

/// How often each address is asked for, and how long answers are waited for each time (RFC 5227 section 1.1 asks three times
/// within some seconds; hosts on one segment answer within milliseconds).
const ROUNDS: u32 = 3;
const ROUND: Duration = Duration::from_millis(300);

/// Listens on the interfaces of the node's VIPs, on all at once.
pub(super) async fn listen(config: &Config, node: &Name, time: Duration) -> Gathered<Vec<Heard>> {
    let mut groups: BTreeMap<&IfName, BTreeSet<IpAddr>> = BTreeMap::new();
    for (vip, interface) in config.vips.iter().filter_map(|vip| Some((vip, vip.interfaces.get(node)?))) {
        let group = match vip.transport {
            Transport::Multicast(group) => group,
            Transport::Unicast => Transport::default_group(vip.family()),
        };
        groups.entry(interface).or_default().insert(group);
    }
    let listening = groups.iter().map(|(interface, groups)| on_interface(interface, groups, time));
    let mut heard = Vec::new();
    for one in futures_util::future::join_all(listening).await {
        match one {
            Ok(some) => heard.extend(some),
            Err(why) => return Gathered::Unread(why),
        }
    }
    Gathered::Read(heard)
}

async fn on_interface(interface: &IfName, groups: &BTreeSet<IpAddr>, time: Duration) -> Result<Vec<Heard>, String> {
    let families: BTreeSet<Family> = groups.iter().map(|ip| Family::of(*ip)).collect();
    let (families, groups) = (Vec::from_iter(families), Vec::from_iter(groups.iter().copied()));
    let mut socket = open(interface, &families, &groups)?;
    let mut heard: BTreeMap<(IpAddr, u8), u8> = BTreeMap::new();
    let until = tokio::time::sleep(time);
    tokio::pin!(until);
    loop {
        tokio::select! {
            () = &mut until => break,
            ready = socket.readable() => ready.map_err(|e| format!("{interface}: {e}"))?,
        }
        for inbox in socket.inboxes() {
            while let Ok(Some(event)) = inbox.receive() {
                let Event::PacketReceived(received) = event else { continue };
                let Ok(advert) = parse(&received.datagram, Capture::Whole) else { continue };
                let key = (advert.source, advert.vrid.get());
                if heard.len() < HEARD_MAX || heard.contains_key(&key) {
                    heard.insert(key, advert.claim.byte());
                }
            }
        }
    }
    let one = |((source, vrid), priority)| Heard { interface: interface.as_str().to_owned(), source, vrid, priority };
    Ok(heard.into_iter().map(one).collect())
}

fn open(interface: &IfName, families: &[Family], groups: &[IpAddr]) -> Result<VrrpSocket, String> {
    let index = if_nametoindex(interface.as_str()).map_err(|e| format!("{interface}: {e}"))?;
    VrrpSocket::open(interface, index, families, groups)
}

/// Asks for every IPv4 address of the VIPs that is not here, and for the other nodes' own, so that they are known when
/// they answer.
pub(super) async fn probe(
    config: &Config,
    node: &Name,
    interfaces: &Gathered<BTreeMap<String, Interface>>,
) -> Vec<Probed> {
    let here: BTreeSet<IpAddr> = match interfaces {
        Gathered::Read(all) => all.values().flat_map(|i| i.addresses.iter().copied()).collect(),
        Gathered::Unread(_) => BTreeSet::new(),
    };
    let mut wanted: BTreeMap<&IfName, BTreeSet<Ipv4Addr>> = BTreeMap::new();
    for (vip, interface) in config.vips.iter().filter_map(|vip| Some((vip, vip.interfaces.get(node)?))) {
        let own = vip.addresses.iter().map(|a| (a.interfaces.get(node).unwrap_or(interface), a.ip()));
        let nodes = config.nodes.iter().filter_map(|n| Some((interface, n.address_of(Family::V4)?)));
        for (interface, ip) in own.chain(nodes) {
            if let IpAddr::V4(v4) = ip
                && !here.contains(&ip)
            {
                wanted.entry(interface).or_default().insert(v4);
            }
        }
    }
    let asking = wanted.iter().map(|(interface, addresses)| async move {
        let asked: Vec<Ipv4Addr> = addresses.iter().copied().take(PROBED_MAX).collect();
        let answers = ask(interface, &asked).await;
        let of = |ip: &Ipv4Addr| match &answers {
            Ok(all) => Gathered::Read(all.get(&IpAddr::V4(*ip)).cloned().unwrap_or_default().into_iter().collect()),
            Err(why) => Gathered::Unread(why.clone()),
        };
        let probed =
            |ip| Probed { address: IpAddr::V4(ip), interface: interface.as_str().to_owned(), answers: of(&ip) };
        asked.iter().copied().map(probed).collect::<Vec<_>>()
    });
    futures_util::future::join_all(asking).await.into_iter().flatten().collect()
}

/// Hardware addresses by what they claim.
async fn ask(interface: &IfName, addresses: &[Ipv4Addr]) -> Result<BTreeMap<IpAddr, BTreeSet<String>>, String> {
    let mac = own_mac(interface)?;
    let mut socket = open(interface, &[], &[])?;
    let watched: Vec<IpAddr> = addresses.iter().copied().map(IpAddr::V4).collect();
    socket.watch(&watched)?;
    let mut claims: BTreeMap<IpAddr, BTreeSet<String>> = BTreeMap::new();
    for _ in 0..ROUNDS {
        for address in addresses {
            socket
                .announce(&arp::probe(mac, *address))
                .map_err(|e| format!("{interface}: cannot send a probe: {e}"))?;
        }
        let until = tokio::time::sleep(ROUND);
        tokio::pin!(until);
        loop {
            tokio::select! {
                () = &mut until => break,
                ready = socket.readable() => ready.map_err(|e| format!("{interface}: {e}"))?,
            }
            for inbox in socket.inboxes() {
                while let Ok(Some(event)) = inbox.receive() {
                    let Event::FrameReceived { frame, .. } = event else { continue };
                    if let Some(claim) = arp::claimed(&frame).filter(|claim| claim.mac != mac) {
                        claims.entry(claim.ip).or_default().insert(text(claim.mac));
                    }
                }
            }
        }
    }
    Ok(claims)
}

fn text(mac: [u8; 6]) -> String {
    mac.map(|byte| format!("{byte:02x}")).join(":")
}

fn own_mac(interface: &IfName) -> Result<[u8; 6], String> {
    let file = format!("/sys/class/net/{interface}/address");
    let text = fs::read_to_string(&file).map_err(|e| format!("{file}: {e}"))?;
    let bytes: Option<Vec<u8>> = text.trim().split(':').map(|part| u8::from_str_radix(part, 16).ok()).collect();
    bytes.and_then(|b| b.try_into().ok()).ok_or_else(|| format!("{interface} has no Ethernet address"))
}
