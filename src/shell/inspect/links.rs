//! Interfaces with their addresses, and which other daemon manages them.

use std::collections::BTreeMap;
use std::fs;
use std::net::IpAddr;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::{InterfaceFlags, if_nametoindex};

use crate::doctor::Gathered;
use crate::doctor::facts::{Interface, Networkd};

/// As the kernel cuts the name of systemd-networkd.
const NETWORKD: &str = "systemd-network";

pub(super) fn interfaces(processes: &Gathered<Vec<(u32, String)>>) -> Gathered<BTreeMap<String, Interface>> {
    let found = match getifaddrs() {
        Ok(found) => found,
        Err(error) => return Gathered::Unread(error.to_string()),
    };
    // Their records are of this host only if they run here, and not in another namespace beside ours.
    let runs = |name: &str| match processes {
        Gathered::Read(all) => all.iter().any(|(_, comm)| comm == name),
        Gathered::Unread(_) => false,
    };
    let (networkd, manager) = (runs(NETWORKD), runs("NetworkManager"));
    let mut all: BTreeMap<String, Interface> = BTreeMap::new();
    for one in found {
        let name = one.interface_name;
        let interface = all.entry(name.clone()).or_insert_with(|| {
            let index = if_nametoindex(name.as_str()).unwrap_or(0);
            Interface {
                up: one.flags.contains(InterfaceFlags::IFF_UP),
                carrier: Some(one.flags.contains(InterfaceFlags::IFF_RUNNING)),
                mtu: fs::read_to_string(format!("/sys/class/net/{name}/mtu"))
                    .ok()
                    .and_then(|t| t.trim().parse().ok())
                    .unwrap_or(0),
                addresses: Vec::new(),
                networkd: if networkd { of_networkd(index) } else { None },
                network_manager: manager && of_network_manager(index),
            }
        });
        let address = one.address.and_then(|a| {
            a.as_sockaddr_in().map(|a| IpAddr::V4(a.ip())).or_else(|| a.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        });
        interface.addresses.extend(address);
    }
    Gathered::Read(all)
}

fn of_networkd(index: u32) -> Option<Networkd> {
    let record = fs::read_to_string(format!("/run/systemd/netif/links/{index}")).ok()?;
    let file = record.lines().find_map(|line| line.strip_prefix("NETWORK_FILE="))?.to_owned();
    let text = fs::read_to_string(&file).unwrap_or_default();
    let keep = text.lines().rev().find_map(|line| line.trim().strip_prefix("KeepConfiguration="));
    Some(Networkd { keep: keep.map(|k| k.trim().to_owned()), file })
}

fn of_network_manager(index: u32) -> bool {
    let record = fs::read_to_string(format!("/run/NetworkManager/devices/{index}")).unwrap_or_default();
    record.lines().any(|line| line.trim() == "managed=true")
}
