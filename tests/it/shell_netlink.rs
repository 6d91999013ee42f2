//! Addresses on a real kernel, in a namespace of their own.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use vipkeeper::node::Event;
use vipkeeper::node::event::{Network, OpId};
use vipkeeper::shell::clock;
use vipkeeper::shell::netlink::{self, AddressOp, Netlink};
use vipkeeper::units::{AddressOptions, Centis, Family, IfName, LeaseSecs, Scope, VipAddress};

use crate::namespace::{Namespace, as_root, index, ip, link_up};

fn install(op: OpId, index: u32, address: VipAddress) -> AddressOp {
    AddressOp::Install { op, index, address, options: AddressOptions::default(), lease: short_lease() }
}

fn plain() -> AddressOptions {
    AddressOptions::default()
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
        netlink.install(v0, vip("10.1.0.9/32"), &plain(), short_lease()).await.unwrap();
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
        netlink.install(v0, vip("10.1.0.8/32"), &plain(), short_lease()).await.unwrap();
        netlink.install(v0, vip("10.1.0.9/32"), &plain(), short_lease()).await.unwrap();
        for _ in 0..8 {
            tokio::time::sleep(Duration::from_millis(500)).await;
            netlink.install(v0, vip("10.1.0.9/32"), &plain(), short_lease()).await.unwrap();
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
        netlink.install(v0, vip("10.1.0.9/32"), &plain(), long_lease()).await.unwrap();
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
        let refused = netlink.install(9999, vip("10.1.0.9/32"), &plain(), short_lease()).await.unwrap_err().to_string();
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
        netlink.install(v0, vip("10.1.0.9/24"), &plain(), long_lease()).await.unwrap();
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
        netlink.install(v0, vip("2001:db8::9/64"), &plain(), long_lease()).await.unwrap();
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

        let answer = outcomes.recv().await.unwrap();
        let Event::AddressesAnswered(answers) = &answer else { panic!("{answer:?}") };
        assert_eq!(
            answers.iter().map(|(op, result)| (op.0, result.is_ok())).collect::<Vec<_>>(),
            [(1, true), (2, false), (3, true)]
        );
        assert!(matches!(outcomes.recv().await, Some(Event::NetworkObserved(_))));
        ops.send(install(OpId(4), v0, address)).await.unwrap();
        assert!(matches!(outcomes.recv().await, Some(Event::AddressInstalled { op: OpId(4), result: Ok(()) })));
        drop(ops);
        assert!(outcomes.recv().await.is_none(), "the worker ends with its queue, after one dump");
    });
}

#[test]
fn an_address_has_the_wanted_label_and_scope_and_a_twin_with_another_prefix_is_another_one() {
    as_root("an_address_has_the_wanted_label_and_scope", || async {
        let (_namespace, v0) = with_link().await;
        let mut netlink = Netlink::default();
        ip("addr add 10.1.0.9/24 dev v0");
        let options = AddressOptions { label: Some("v0:www".to_owned()), scope: Scope::Link };
        netlink.install(v0, vip("10.1.0.9/32"), &options, short_lease()).await.unwrap();
        let shown = ip("-o addr show dev v0");
        assert!(shown.contains("10.1.0.9/32 scope link dynamic v0:www"), "{shown}");
        let network = netlink.dump().await.unwrap();
        let seen: Vec<_> = network.of_link(v0, Family::V4).map(|a| (a.prefix, a.ours, a.options.clone())).collect();
        let of_host = AddressOptions { label: Some("v0".to_owned()), scope: Scope::Global };
        assert!(seen.contains(&(24, false, of_host)) && seen.contains(&(32, true, options)), "{seen:?}");
        // A label is fixed: what is wanted in another way is removed and put there again, in one go.
        let renamed = AddressOptions { label: Some("v0:web".to_owned()), scope: Scope::Global };
        let address = vip("10.1.0.9/32");
        let answers = netlink
            .apply(&[
                AddressOp::Withdraw { op: OpId(1), index: v0, address },
                AddressOp::Install { op: OpId(2), index: v0, address, options: renamed, lease: short_lease() },
            ])
            .await;
        assert_eq!(answers, [Ok(()), Ok(())]);
        let shown = ip("-o addr show dev v0");
        assert!(shown.contains("10.1.0.9/32 scope global dynamic v0:web") && shown.contains("10.1.0.9/24"), "{shown}");
    });
}

#[test]
fn each_change_of_a_batch_gets_its_own_answer() {
    as_root("each_change_of_a_batch_gets_its_own_answer", || async {
        let (_namespace, v0) = with_link().await;
        let mut netlink = Netlink::default();
        // Every third one fails, the last one too, and one withdrawal finds nothing.
        let ops: Vec<AddressOp> = (0..126_u8)
            .map(|n| install(OpId(n.into()), if n % 3 == 2 { 9999 } else { v0 }, vip(&format!("10.1.1.{n}/32"))))
            .chain([AddressOp::Withdraw { op: OpId(200), index: v0, address: vip("10.9.9.9/32") }])
            .chain([install(OpId(201), 9999, vip("10.1.1.200/32"))])
            .collect();
        let answers = netlink.apply(&ops).await;
        assert_eq!(answers.len(), 128);
        for (n, answer) in answers.iter().enumerate().take(126) {
            assert_eq!(answer.is_err(), n % 3 == 2, "{n}: {answer:?}");
        }
        assert_eq!(answers[126], Ok(()));
        assert_eq!(answers[127], Err("ENODEV: No such device (ipv4: Device not found)".to_owned()));
        assert_eq!(netlink.dump().await.unwrap().of_link(v0, Family::V4).count(), 84);
    });
}

/// `cargo test --test it figures -- --ignored --nocapture` prints how long large sets take.
#[test]
#[ignore = "prints figures"]
fn figures_of_large_sets() {
    as_root("figures_of_large_sets", || async {
        for count in [1_000_u32, 5_000] {
            let (_namespace, v0) = with_link().await;
            let address = |n: u32| VipAddress::new(std::net::Ipv4Addr::from(0x0a01_0000 + n).into(), 32).unwrap();
            let mut netlink = Netlink::default();
            let start = clock::now();
            for n in 0..count {
                netlink.install(v0, address(n), &plain(), long_lease()).await.unwrap();
            }
            let awaited = start.elapsed();
            for n in 0..count {
                netlink.withdraw(v0, address(n)).await.unwrap();
            }
            let (ops, queue) = mpsc::channel(16_384);
            let (events, mut outcomes) = mpsc::channel(256);
            tokio::spawn(netlink::run(queue, Arc::new(Notify::new()), events));
            let mut took = Vec::new();
            for round in ["install", "renew", "withdraw"] {
                let start = clock::now();
                for n in 0..count {
                    let op = OpId(u64::from(n));
                    let op = match round {
                        "withdraw" => AddressOp::Withdraw { op, index: v0, address: address(n) },
                        _ => AddressOp::Install {
                            op,
                            index: v0,
                            address: address(n),
                            options: plain(),
                            lease: long_lease(),
                        },
                    };
                    ops.try_send(op).unwrap();
                }
                let mut answered = 0;
                while answered < count {
                    let event = outcomes.recv().await.unwrap();
                    let Event::AddressesAnswered(answers) = &event else { panic!("{event:?}") };
                    assert!(answers.iter().all(|(_, result)| result.is_ok()));
                    answered += u32::try_from(answers.len()).unwrap();
                }
                took.push(format!("{round} {:?}", start.elapsed()));
                let here = netlink.dump().await.unwrap().of_link(v0, Family::V4).count();
                assert_eq!(here, if round == "withdraw" { 0 } else { usize::try_from(count).unwrap() });
            }
            println!("{count} addresses: one at a time {awaited:?}; in batches: {}", took.join(", "));
        }
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
            netlink.install(v0, vip("10.1.0.9/32"), &plain(), short_lease()).await.unwrap();
        }
        quiet("our own lease came back as news").await;
        ip("addr add 10.1.0.1/24 dev v0");
        loud("an address of the host").await;
        loud("the end of our lease").await;
        netlink.install(v0, vip("10.1.0.9/32"), &plain(), long_lease()).await.unwrap();
        ip("addr del 10.1.0.9/32 dev v0");
        loud("our address deleted by somebody").await;
        ip("link set v1 down");
        loud("carrier lost").await;
        monitor.abort();
    });
}
