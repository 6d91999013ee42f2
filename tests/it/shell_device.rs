//! Devices of virtual routers on a real kernel, in a namespace of their own.

use vipkeeper::addrs::device::{ArpConf, Device, Mark};
use vipkeeper::node::event::Link;
use vipkeeper::shell::netlink::{Netlink, NetlinkError};
use vipkeeper::units::{Family, IfName, Name, Vrid};
use vipkeeper::vrrp::vmac::virtual_mac;

use crate::namespace::{Namespace, as_root, index, ip, link_up};

const BEFORE: ArpConf = ArpConf { ignore: 0, announce: 1 };

/// A namespace with the link `v0` up.
async fn with_link() -> (Namespace, u32) {
    let namespace = Namespace::new();
    ip("link add v0 address 02:00:00:00:00:01 type veth peer name v1");
    ip("link set v1 up");
    ip("link set v0 up");
    link_up("v0").await;
    (namespace, index("v0"))
}

fn device(parent: u32) -> Device {
    let vrid = Vrid::new(51).unwrap();
    Device {
        name: IfName::of_virtual_router(Family::V4, vrid),
        parent,
        mac: virtual_mac(Family::V4, vrid),
        mark: Mark { vip: Name::new("www").unwrap(), before: BEFORE },
    }
}

/// A setting of a device in the namespace of the calling thread.
fn setting(path: &str) -> String {
    std::fs::read_to_string(format!("/proc/sys/net/{path}")).unwrap().trim().to_owned()
}

async fn link(netlink: &mut Netlink, name: &str) -> Link {
    let network = netlink.dump().await.unwrap();
    network.link(&IfName::new(name).unwrap()).unwrap().clone()
}

#[test]
fn a_device_is_raised_with_its_mark_looked_after_and_removed() {
    as_root("a_device_is_raised_with_its_mark_looked_after_and_removed", || async {
        let (_namespace, v0) = with_link().await;
        let mut netlink = Netlink::default();
        let wanted = device(v0);
        let raised = netlink.raise(&wanted).await.unwrap();
        assert_eq!(
            (raised.mac, raised.parent, raised.alias.as_deref()),
            (Some([0, 0, 0x5e, 0, 1, 51]), Some(v0), Some("vipkeeper www arp_ignore=0 arp_announce=1"))
        );
        let shown = ip("-d link show vrrp4.51");
        assert!(shown.contains("vrrp4.51@v0: <BROADCAST,MULTICAST,UP,LOWER_UP>"), "{shown}");
        assert!(shown.contains("macvlan mode bridge") && shown.contains("addrgenmode none"), "{shown}");
        let ipv4 = ["arp_ignore", "rp_filter"].map(|key| setting(&format!("ipv4/conf/vrrp4.51/{key}")));
        assert_eq!(ipv4, ["1", "2"]);
        assert_eq!(ip("-o addr show dev vrrp4.51"), "", "no address of its own");
        assert_eq!(link(&mut netlink, "vrrp4.51").await, Link { up: true, ..raised.clone() }, "as a dump shows it");

        // Once more: nothing changes. Set down: it comes up again.
        assert_eq!(netlink.raise(&wanted).await.unwrap().index, raised.index);
        ip("link set vrrp4.51 down");
        assert_eq!(netlink.raise(&wanted).await.unwrap().index, raised.index);
        assert!(ip("link show vrrp4.51").contains("UP"));
        // On another interface it is made anew.
        let moved = netlink.raise(&device(index("v1"))).await.unwrap();
        assert_eq!(moved.parent, Some(index("v1")));

        netlink.remove_device(&wanted.name).await.unwrap();
        assert!(netlink.dump().await.unwrap().link(&wanted.name).is_none());
        netlink.remove_device(&wanted.name).await.unwrap();
    });
}

#[test]
fn a_device_of_somebody_else_is_left_alone() {
    as_root("a_device_of_somebody_else_is_left_alone", || async {
        let (_namespace, v0) = with_link().await;
        let mut netlink = Netlink::default();
        let wanted = device(v0);
        ip("link add link v0 name vrrp4.51 address 00:00:5e:00:01:33 type macvlan mode bridge");
        for alias in ["", "uplink"] {
            if !alias.is_empty() {
                ip(&format!("link set vrrp4.51 alias {alias}"));
            }
            let before = link(&mut netlink, "vrrp4.51").await;
            let error = netlink.raise(&wanted).await.unwrap_err();
            assert!(matches!(error, NetlinkError::Foreign), "{error}");
            netlink.remove_device(&wanted.name).await.unwrap();
            assert_eq!(link(&mut netlink, "vrrp4.51").await, before);
        }
        // The hardware address itself may be taken too.
        ip("link set vrrp4.51 name mine");
        ip("link set mine up");
        let error = netlink.raise(&wanted).await.unwrap_err().to_string();
        assert!(error.contains("EADDRINUSE"), "{error}");
    });
}

#[test]
fn how_an_interface_answers_arp_is_seen_and_set_and_put_back() {
    as_root("how_an_interface_answers_arp_is_seen_and_set_and_put_back", || async {
        let (_namespace, v0) = with_link().await;
        let mut netlink = Netlink::default();
        let before = link(&mut netlink, "v0").await.arp.unwrap();
        netlink.configure_arp(v0, before.below_device()).await.unwrap();
        let below = link(&mut netlink, "v0").await.arp.unwrap();
        assert_eq!((below, below != before), (ArpConf { ignore: 1, announce: 2 }, true));
        netlink.configure_arp(v0, ArpConf { ignore: 0, announce: 0 }).await.unwrap();
        assert_eq!(link(&mut netlink, "v0").await.arp, Some(ArpConf { ignore: 0, announce: 0 }));
        ip("link del v0");
        netlink.configure_arp(v0, before).await.unwrap();
    });
}
