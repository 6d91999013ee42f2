//! Addresses on a real kernel, in a namespace of their own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use vipkeeper::node::Event;
use vipkeeper::node::event::{Network, OpId};
use vipkeeper::shell::clock;
use vipkeeper::shell::netlink::{self, AddressOp, Netlink};
use vipkeeper::units::{AddressOptions, Centis, Family, IfName, LeaseSecs, VipAddress};

use crate::namespace::{Namespace, as_root, index, ip, link_up};

fn install(op: OpId, index: u32, address: VipAddress) -> AddressOp {
    AddressOp::Install { op, index, address, options: AddressOptions::default(), lease: short_lease() }
}

fn vip(text: &str) -> VipAddress {
    let (ip, prefix) = text.split_once('/').unwrap();
    VipAddress::new(ip.parse().unwrap(), prefix.parse().unwrap()).unwrap()
}

/// 2 s, the shortest.
fn short_lease() -> LeaseSecs {
    LeaseSecs::for_interval(Centis::new(1).unwrap())
}

fn long_lease() -> LeaseSecs {
    LeaseSecs::for_interval(Centis::new(4000).unwrap())
}

/// A namespace with the link `v0` up, without addresses of its own, and the index of that link.
async fn with_link() -> (Namespace, u32) {
    let namespace = Namespace::new();
    ip("link add v0 address 02:00:00:00:00:01 type veth peer name v1");
    for link in ["v0", "v1"] {
        ip(&format!("link set {link} addrgenmode none"));
        ip(&format!("link set {link} up"));
    }
    link_up("v0").await;
    link_up("v1").await;
    (namespace, index("v0"))
}

async fn has(netlink: &mut Netlink, address: VipAddress) -> bool {
    netlink.dump().await.unwrap().addresses.iter().any(|a| a.ip == address.ip())
}

#[test]
fn dump_shows_links_and_addresses() {
    as_root("dump_shows_links_and_addresses", || async {
        let (_namespace, v0) = with_link().await;
        ip("link add v2 type veth peer name v3");
        ip("addr add 10.1.0.1/24 dev v0");
        ip("addr add 10.2.0.1 peer 10.2.0.2/32 dev v0");
        ip("addr add 2001:db8::1/64 dev v0 nodad");
        let network: Network = Netlink::default().dump().await.unwrap();

        let link = network.link(&IfName::new("v0").unwrap()).unwrap();
        assert_eq!((link.index, link.up, link.mac), (v0, true, Some([2, 0, 0, 0, 0, 1])));
        assert!(!network.link(&IfName::new("v2").unwrap()).unwrap().up);
        assert_eq!(network.link(&IfName::new("lo").unwrap()).unwrap().mac, None);
        let own: Vec<_> =
            network.of_link(v0, Family::V4).map(|a| (a.ip.to_string(), a.prefix, a.ours, a.valid_secs)).collect();
        assert_eq!(own, [("10.1.0.1".to_owned(), 24, false, None), ("10.2.0.1".to_owned(), 32, false, None)]);
        assert!(network.addresses.iter().any(|a| a.index == v0 && a.ip.to_string() == "2001:db8::1"));
    });
}

#[test]
fn an_installed_vip_is_a_tagged_lease_without_broadcast_address() {
    as_root("an_installed_vip_is_a_tagged_lease_without_broadcast_address", || async {
        let (_namespace, v0) = with_link().await;
        let mut netlink = Netlink::default();
        netlink.install(v0, vip("10.1.0.9/32"), short_lease()).await.unwrap();
        let shown = ip("-o addr show dev v0");
        assert!(shown.contains("10.1.0.9/32 scope global dynamic v0"), "{shown}");
        assert!(shown.contains("valid_lft 2sec preferred_lft 2sec"), "{shown}");
        assert!(!shown.contains("brd"), "{shown}");
        let network = netlink.dump().await.unwrap();
        let address = network.of_link(v0, Family::V4).next().unwrap();
        assert!(address.ours);
        assert!(matches!(address.valid_secs, Some(1 | 2)), "{address:?}");
    });
}

#[test]
fn the_kernel_ends_a_lease_that_nobody_renews_and_keeps_one_that_is_renewed() {
    as_root("the_kernel_ends_a_lease_that_nobody_renews_and_keeps_one_that_is_renewed", || async {
        let (_namespace, v0) = with_link().await;
        let mut netlink = Netlink::default();
        let start = clock::now();
        netlink.install(v0, vip("10.1.0.8/32"), short_lease()).await.unwrap();
        netlink.install(v0, vip("10.1.0.9/32"), short_lease()).await.unwrap();
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            netlink.install(v0, vip("10.1.0.9/32"), short_lease()).await.unwrap();
        }
        assert!(start.elapsed() >= Duration::from_secs(4), "twice the lease");
        assert!(!has(&mut netlink, vip("10.1.0.8/32")).await, "the lease did not end");
        assert!(has(&mut netlink, vip("10.1.0.9/32")).await, "the renewed lease ended");
        assert!(netlink.dump().await.unwrap().of_link(v0, Family::V4).all(|a| a.ours), "the renewal lost the tag");
    });
}

#[test]
fn an_address_is_taken_over_as_a_lease_and_withdrawing_is_idempotent() {
    as_root("an_address_is_taken_over_as_a_lease_and_withdrawing_is_idempotent", || async {
        let (_namespace, v0) = with_link().await;
        let mut netlink = Netlink::default();
        ip("addr add 10.1.0.9/32 dev v0");
        netlink.install(v0, vip("10.1.0.9/32"), long_lease()).await.unwrap();
        assert!(ip("-o addr show dev v0").contains("10.1.0.9/32 scope global dynamic v0"));
        assert!(netlink.dump().await.unwrap().of_link(v0, Family::V4).all(|a| a.ours), "no tag");
        for _ in 0..2 {
            netlink.withdraw(v0, vip("10.1.0.9/32")).await.unwrap();
            assert!(!has(&mut netlink, vip("10.1.0.9/32")).await);
        }
        netlink.withdraw(9999, vip("10.1.0.9/32")).await.unwrap();
    });
}

#[test]
fn the_kernels_refusal_is_told_with_its_own_words() {
    as_root("the_kernels_refusal_is_told_with_its_own_words", || async {
        let (_namespace, _) = with_link().await;
        let mut netlink = Netlink::default();
        let refused = netlink.install(9999, vip("10.1.0.9/32"), short_lease()).await.unwrap_err().to_string();
        assert_eq!(refused, "ENODEV: No such device (ipv4: Device not found)");
        assert!(netlink.dump().await.is_ok(), "the connection still works after a refusal");
    });
}

#[test]
fn vip_and_host_address_of_one_subnet_survive_each_other() {
    as_root("vip_and_host_address_of_one_subnet_survive_each_other", || async {
        let (_namespace, v0) = with_link().await;
        let mut netlink = Netlink::default();
        // As a secondary beside the host's address, without a second route.
        ip("addr add 10.1.0.1/24 dev v0");
        netlink.install(v0, vip("10.1.0.9/24"), long_lease()).await.unwrap();
        assert_eq!(ip("route").lines().count(), 1);
        // The host loses its address: the VIP stays.
        ip("addr del 10.1.0.1/24 dev v0");
        assert!(has(&mut netlink, vip("10.1.0.9/24")).await, "the VIP vanished with the host's address");
        assert!(ip("route").contains("10.1.0.0/24 dev v0"), "clients of the subnet cannot be answered");
        // It comes back and becomes the secondary; then the VIP leaves: the host stays.
        ip("addr add 10.1.0.1/24 dev v0");
        netlink.withdraw(v0, vip("10.1.0.9/24")).await.unwrap();
        assert!(has(&mut netlink, vip("10.1.0.1/24")).await, "the host's address vanished with the VIP");
        assert!(ip("route").contains("10.1.0.0/24 dev v0 proto kernel scope link src 10.1.0.1"), "{}", ip("route"));
    });
}

#[test]
fn ipv6_addresses_are_leased_too() {
    as_root("ipv6_addresses_are_leased_too", || async {
        let (_namespace, v0) = with_link().await;
        let mut netlink = Netlink::default();
        netlink.install(v0, vip("2001:db8::9/64"), long_lease()).await.unwrap();
        let shown = ip("-o -6 addr show dev v0");
        assert!(shown.contains("2001:db8::9/64 scope global nodad dynamic"), "{shown}");
        let network = netlink.dump().await.unwrap();
        assert!(network.addresses.iter().any(|a| a.ip.to_string() == "2001:db8::9" && a.ours), "{network:?}");
        netlink.withdraw(v0, vip("2001:db8::9/64")).await.unwrap();
        assert!(!has(&mut netlink, vip("2001:db8::9/64")).await);
    });
}

#[test]
fn worker_answers_every_operation_and_many_requests_for_a_dump_with_few() {
    as_root("worker_answers_every_operation_and_many_requests_for_a_dump_with_few", || async {
        let (_namespace, v0) = with_link().await;
        let (ops, queue) = mpsc::channel(16);
        let (events, mut outcomes) = mpsc::channel(16);
        let observe = Arc::new(Notify::new());
        tokio::spawn(netlink::run(queue, Arc::clone(&observe), events));
        for _ in 0..5 {
            observe.notify_one();
        }
        let address = vip("10.1.0.9/32");
        ops.send(install(OpId(1), v0, address)).await.unwrap();
        ops.send(install(OpId(2), 9999, address)).await.unwrap();
        ops.send(AddressOp::Withdraw { op: OpId(3), index: v0, address }).await.unwrap();

        let mut answers = Vec::new();
        for _ in 0..4 {
            answers.push(outcomes.recv().await.unwrap());
        }
        assert!(matches!(&answers[0], Event::AddressInstalled { op: OpId(1), result: Ok(()) }), "{answers:?}");
        assert!(matches!(&answers[1], Event::AddressInstalled { op: OpId(2), result: Err(_) }), "{answers:?}");
        assert!(matches!(&answers[2], Event::AddressWithdrawn { op: OpId(3), result: Ok(()) }), "{answers:?}");
        assert!(matches!(&answers[3], Event::NetworkObserved(_)), "{answers:?}");
        drop(ops);
        assert!(outcomes.recv().await.is_none(), "the worker ends with its queue, after one dump");
    });
}

#[test]
fn monitor_reports_changes_but_not_the_renewals_of_our_leases() {
    as_root("monitor_reports_changes_but_not_the_renewals_of_our_leases", || async {
        let (_namespace, v0) = with_link().await;
        let changed = Arc::new(Notify::new());
        let monitor = tokio::spawn(netlink::monitor(Arc::clone(&changed)));
        changed.notified().await; // The monitor listens.
        let quiet = async |why: &str| {
            let waited = tokio::time::timeout(Duration::from_millis(300), changed.notified()).await;
            assert!(waited.is_err(), "{why}");
        };
        let loud = async |why: &str| {
            let waited = tokio::time::timeout(Duration::from_secs(5), changed.notified()).await;
            assert!(waited.is_ok(), "{why}");
        };
        let mut netlink = Netlink::default();
        quiet("nothing happened").await;
        for _ in 0..3 {
            netlink.install(v0, vip("10.1.0.9/32"), short_lease()).await.unwrap();
        }
        quiet("our own lease came back as news").await;
        ip("addr add 10.1.0.1/24 dev v0");
        loud("an address of the host").await;
        loud("the end of our lease").await;
        netlink.install(v0, vip("10.1.0.9/32"), long_lease()).await.unwrap();
        ip("addr del 10.1.0.9/32 dev v0");
        loud("our address deleted by somebody").await;
        ip("link set v1 down");
        loud("carrier lost").await;
        monitor.abort();
    });
}
