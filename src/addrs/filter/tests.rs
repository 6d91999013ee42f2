use std::collections::BTreeSet;

use expect_test::expect;

use super::Table;
use crate::units::Name;

fn table(node: &str) -> Table {
    Table::of(&Name::new(node).unwrap())
}

#[test]
fn tables_of_different_nodes_have_different_names_that_nftables_takes() {
    let names = ["lb1", "lb-1", "lb.1", "lb_1", "lb_2d1"].map(|node| table(node).to_string());
    let expected = ["vipkeeper_lb1", "vipkeeper_lb_2d1", "vipkeeper_lb_2e1", "vipkeeper_lb_5f1", "vipkeeper_lb_5f2d1"];
    assert_eq!(names, expected.map(|name| format!("inet {name}")));
}

#[test]
fn the_whole_table_is_replaced_in_one_transaction() {
    let addresses = ["10.0.0.2", "10.0.0.1", "2001:db8::1"].map(|ip| ip.parse().unwrap());
    expect![[r#"
        add table inet vipkeeper_lb1
        delete table inet vipkeeper_lb1
        table inet vipkeeper_lb1 {
        	chain input {
        		type filter hook input priority -1; policy accept;
        		icmpv6 type 133-137 accept comment "neighbour discovery"
        		ip daddr { 10.0.0.1, 10.0.0.2 } counter drop
        		ip6 daddr { 2001:db8::1 } counter drop
        	}
        }
    "#]]
    .assert_eq(&table("lb1").script(&BTreeSet::from(addresses)));
}

#[test]
fn no_addresses_no_table() {
    assert_eq!(table("lb1").script(&BTreeSet::new()), "delete table inet vipkeeper_lb1\n");
}
