//! The packet filter with the real `nft`, in a namespace of its own.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::process::Command;

use vipkeeper::addrs::filter::Table;
use vipkeeper::shell::nftables::apply;
use vipkeeper::units::Name;

use crate::namespace::{Namespace, as_root};

fn nft(arguments: &[&str]) -> String {
    let output = Command::new("nft").args(arguments).output().unwrap();
    assert!(output.status.success(), "nft {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn all(addresses: &[&str]) -> BTreeSet<IpAddr> {
    addresses.iter().map(|ip| ip.parse().unwrap()).collect()
}

#[test]
fn a_table_is_made_replaced_and_removed_and_others_stay() {
    if Command::new("nft").arg("--version").output().is_err() {
        return crate::skip("a_table_is_made_replaced_and_removed_and_others_stay", "nft is not installed");
    }
    as_root("a_table_is_made_replaced_and_removed_and_others_stay", || async {
        let _namespace = Namespace::new();
        let table = Table::of(&Name::new("lb-1").unwrap());
        nft(&["add", "table", "inet", "other"]);
        assert_eq!(apply(&table, &BTreeSet::new()).await, Ok(()), "there is nothing to remove");
        for addresses in [all(&["10.0.0.1", "10.0.0.2", "2001:db8::1"]), all(&["10.0.0.3"])] {
            assert_eq!(apply(&table, &addresses).await, Ok(()));
            let shown = nft(&["list", "table", "inet", "vipkeeper_lb_2d1"]);
            for ip in ["10.0.0.1", "10.0.0.2", "10.0.0.3", "2001:db8::1"] {
                assert_eq!(shown.contains(ip), addresses.contains(&ip.parse().unwrap()), "{ip} in {shown}");
            }
            assert!(shown.contains("hook input") && !shown.contains("forward"), "{shown}");
        }
        assert_eq!(apply(&table, &BTreeSet::new()).await, Ok(()));
        assert_eq!(nft(&["list", "tables"]), "table inet other\n");
        // Far more than fits a pipe.
        let many = (0..20_000_u32).map(|n| IpAddr::V4((0x0a00_0000 + n * 2).into())).collect();
        assert_eq!(apply(&table, &many).await, Ok(()));
    });
}
