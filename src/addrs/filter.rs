//! What nftables is told of VIPs that accept no traffic for the host itself (RFC 9568 section 6.1, Accept_Mode): text,
//! and nothing but our own table.
//!
//! The table hooks into `input` alone, so that what is forwarded is not touched, and what it does not drop meets the
//! rules of the host as before. ARP is no business of `inet` tables.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

use crate::units::{Family, Name};

/// The name of a node's table: two nodes never share one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table(String);

impl Table {
    /// The table of that node. A character that a table's name cannot have becomes an underscore and its code.
    pub fn of(node: &Name) -> Self {
        let mut name = "vipkeeper_".to_owned();
        for byte in node.as_str().bytes() {
            match char::from(byte) {
                letter if letter.is_ascii_alphanumeric() => name.push(letter),
                other => name += &format!("_{:02x}", u32::from(other)),
            }
        }
        Self(name)
    }

    /// What makes the table hold exactly these addresses, in one transaction; without any it removes the table, which
    /// fails when it is not there.
    pub fn script(&self, addresses: &BTreeSet<IpAddr>) -> String {
        if addresses.is_empty() {
            return format!("delete table {self}\n");
        }
        // Only what is there can be deleted.
        let mut script = format!("add table {self}\ndelete table {self}\ntable {self} {{\n\tchain input {{\n");
        script += "\t\ttype filter hook input priority -1; policy accept;\n";
        script += "\t\ticmpv6 type 133-137 accept comment \"neighbour discovery\"\n";
        for (word, family) in [("ip", Family::V4), ("ip6", Family::V6)] {
            let list: Vec<String> =
                addresses.iter().filter(|ip| Family::of(**ip) == family).map(IpAddr::to_string).collect();
            if !list.is_empty() {
                script += &format!("\t\t{word} daddr {{ {} }} counter drop\n", list.join(", "));
            }
        }
        script + "\t}\n}\n"
    }
}

/// With its family, as nftables wants it.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "inet {}", self.0)
    }
}

#[cfg(test)]
mod tests;
