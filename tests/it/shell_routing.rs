//! Routes and rules of VIPs on a real kernel, in a namespace of their own.

use std::net::IpAddr;

use vipkeeper::addrs::routing::{Route, RoutingEntry, Rule};
use vipkeeper::config::{VirtualRoute, VirtualRule};
use vipkeeper::shell::netlink::Netlink;
use vipkeeper::units::{Family, VipAddress};

use crate::namespace::{Namespace, as_root, index, ip, link_up};

fn prefix(text: &str) -> VipAddress {
    let (ip, prefix) = text.split_once('/').unwrap();
    VipAddress::new(ip.parse().unwrap(), prefix.parse().unwrap()).unwrap()
}

fn address(text: &str) -> Option<IpAddr> {
    Some(text.parse().unwrap())
}

fn to(text: &str) -> VirtualRoute {
    VirtualRoute { to: prefix(text), via: None, interface: None, source: None, table: None, metric: None }
}

async fn with_addresses() -> (Namespace, u32) {
    let namespace = Namespace::new();
    ip("link add v0 type veth peer name v1");
    for link in ["v0", "v1"] {
        ip(&format!("link set {link} addrgenmode none"));
        ip(&format!("link set {link} up"));
    }
    link_up("v0").await;
    ip("addr add 10.1.0.1/24 dev v0");
    ip("addr add 10.1.0.9/32 dev v0");
    ip("addr add 2001:db8::1/64 dev v0 nodad");
    (namespace, index("v0"))
}

#[test]
fn routes_and_rules_are_added_once_found_by_their_tag_and_removed() {
    as_root("routes_and_rules_are_added_once_found_by_their_tag_and_removed", || async {
        let (_namespace, v0) = with_addresses().await;
        ip("route add 172.16.0.0/16 via 10.1.0.253");
        ip("rule add from 10.5.0.0/16 lookup 7");
        let mut netlink = Netlink::default();
        let rule = |from: Option<&str>, to: Option<&str>, mark| VirtualRule {
            from: from.map(prefix),
            to: to.map(prefix),
            mark,
            table: 1000,
            preference: 100,
        };
        let entries = [
            RoutingEntry::Route(Route::new(&to("192.168.5.0/24"), Some(v0))),
            RoutingEntry::Route(Route::new(
                &VirtualRoute {
                    via: address("10.1.0.254"),
                    source: address("10.1.0.9"),
                    table: Some(1000),
                    metric: Some(50),
                    ..to("0.0.0.0/0")
                },
                None,
            )),
            RoutingEntry::Route(Route::new(&VirtualRoute { via: address("2001:db8::fe"), ..to("::/0") }, None)),
            RoutingEntry::Rule(Rule::new(&rule(Some("10.1.0.9/32"), None, None), Family::V4)),
            RoutingEntry::Rule(Rule::new(&rule(None, Some("10.7.0.0/16"), Some(0x17)), Family::V4)),
            RoutingEntry::Rule(Rule::new(&rule(None, None, Some(5)), Family::V6)),
        ];
        for round in 0..2 {
            for entry in &entries {
                netlink.add_routing(entry).await.unwrap_or_else(|e| panic!("round {round}: {entry}: {e}"));
            }
        }
        assert!(ip("route show").contains("192.168.5.0/24 dev v0 proto 118 scope link"), "{}", ip("route show"));
        let table = ip("route show table 1000");
        assert_eq!(table.trim(), "default via 10.1.0.254 dev v0 proto 118 src 10.1.0.9 metric 50");
        assert!(ip("-6 route show").contains("default via 2001:db8::fe dev v0 proto 118 metric 1024"));
        let rules = ip("rule show");
        assert_eq!(rules.matches("from 10.1.0.9 lookup 1000 proto 118").count(), 1, "{rules}");
        assert!(rules.contains("100:\tfrom all to 10.7.0.0/16 fwmark 0x17 lookup 1000 proto 118"), "{rules}");

        let shown = netlink.dump_routing().await.unwrap();
        assert_eq!(shown.len(), entries.len(), "only ours: {shown:?}");
        for entry in &entries {
            assert_eq!(shown.iter().filter(|s| entry.is_same(s)).count(), 1, "{entry} in {shown:?}");
        }
        for _ in 0..2 {
            for entry in &entries {
                netlink.remove_routing(entry).await.unwrap_or_else(|e| panic!("{entry}: {e}"));
            }
        }
        assert_eq!(netlink.dump_routing().await.unwrap(), []);
        assert!(ip("route show").contains("172.16.0.0/16 via 10.1.0.253"));
        assert!(ip("rule show").contains("from 10.5.0.0/16 lookup 7"));
    });
}

#[test]
fn a_route_of_somebody_else_is_neither_replaced_nor_removed() {
    as_root("a_route_of_somebody_else_is_neither_replaced_nor_removed", || async {
        let (_namespace, _) = with_addresses().await;
        ip("route add default via 10.1.0.253");
        let mut netlink = Netlink::default();
        let ours =
            RoutingEntry::Route(Route::new(&VirtualRoute { via: address("10.1.0.254"), ..to("0.0.0.0/0") }, None));
        let refused = netlink.add_routing(&ours).await.unwrap_err().to_string();
        assert_eq!(refused, "one that is not vipkeeper's is there already");
        netlink.remove_routing(&ours).await.unwrap();
        assert!(ip("route show").contains("default via 10.1.0.253 dev v0"), "{}", ip("route show"));
        // With a metric of its own it is another one.
        let ours = VirtualRoute { via: address("10.1.0.254"), metric: Some(5), ..to("0.0.0.0/0") };
        let ours = RoutingEntry::Route(Route::new(&ours, None));
        netlink.add_routing(&ours).await.unwrap();
        // Without its gateway's subnet it cannot be there, and the kernel says why.
        let lost = VirtualRoute { via: address("10.200.0.1"), ..to("10.201.0.0/16") };
        let refused = netlink.add_routing(&RoutingEntry::Route(Route::new(&lost, None))).await.unwrap_err().to_string();
        assert!(refused.contains("invalid gateway"), "{refused}");
    });
}

/// What `kill -9` leaves behind once the leases have ended; the next start removes it.
#[test]
fn a_route_of_the_main_table_goes_with_its_source_address_and_one_of_another_table_stays() {
    as_root("a_route_goes_with_its_source_address", || async {
        let (_namespace, _) = with_addresses().await;
        let mut netlink = Netlink::default();
        let (via, source) = (address("10.1.0.254"), address("10.1.0.9"));
        let main = VirtualRoute { via, source, ..to("172.16.0.0/12") };
        let other = VirtualRoute { via, source, table: Some(7), ..to("0.0.0.0/0") };
        let [main, other] = [main, other].map(|route| RoutingEntry::Route(Route::new(&route, None)));
        for entry in [&main, &other] {
            netlink.add_routing(entry).await.unwrap();
        }
        ip("addr del 10.1.0.9/32 dev v0");
        let left = netlink.dump_routing().await.unwrap();
        assert!(left.len() == 1 && other.is_same(&left[0]), "{left:?}");
        netlink.remove_routing(&left[0]).await.unwrap();
        assert_eq!(netlink.dump_routing().await.unwrap(), []);
    });
}
