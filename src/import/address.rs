//! `virtual_ipaddress`: addresses with their options, as all nodes have them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::instance::Virtual;
use super::keepalived::{At, Directive};
use super::report::{Fate, Report};
use super::write::{by_node, quoted};

/// An address of a virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// With its prefix length.
    pub(super) text: String,
    /// Where each node has it.
    pub(super) interfaces: Vec<(String, String)>,
    pub(super) label: Option<String>,
    pub(super) scope: Option<String>,
}

/// Lines such as `10.0.0.1/24 dev eth0 label eth0:1` of a node, whose instance is on `interface`.
pub(super) fn read(
    block: &Directive,
    label: &str,
    node: &str,
    interface: &str,
    new: &mut Virtual,
    report: &mut Report,
) {
    let excluded = block.keyword().ends_with("excluded");
    for directive in block.inside() {
        let written = directive.keyword();
        let alone = if written.contains(':') { "128" } else { "32" };
        let (ip, length) = written.split_once('/').unwrap_or((written, alone));
        if ip.parse::<IpAddr>().is_err() {
            report.add(directive, label, Fate::Dropped, "this is no address");
            continue;
        }
        let mut address = Address { text: format!("{ip}/{length}"), interfaces: Vec::new(), label: None, scope: None };
        let mut own = interface;
        let mut lost: Vec<&str> = Vec::new();
        let mut words = directive.words.iter().skip(1).map(String::as_str);
        while let Some(word) = words.next() {
            match word {
                "dev" => own = words.next().unwrap_or(interface),
                "label" => address.label = words.next().map(str::to_owned),
                "scope" => match words.next() {
                    Some("global") => {}
                    Some(scope @ ("site" | "link" | "host")) => address.scope = Some(scope.to_owned()),
                    Some(_) | None => lost.push(word),
                },
                // What the kernel works out by itself.
                "brd" | "broadcast" if matches!(words.clone().next(), Some("+" | "-")) => drop(words.next()),
                "brd" | "broadcast" | "peer" | "preferred_lft" => {
                    lost.push(word);
                    words.next();
                }
                other => lost.push(other),
            }
        }
        address.interfaces.push((node.to_owned(), own.to_owned()));
        new.bare.push(ip.to_owned());
        let (list, key) =
            if excluded { (&mut new.excluded, "vip.excluded") } else { (&mut new.addresses, "vip.addresses") };
        list.push(address);
        if lost.is_empty() {
            report.add(directive, label, Fate::Mapped, key);
        } else {
            report.add(directive, label, Fate::Approximated, &format!("{key}, without {}", lost.join(", ")));
        }
    }
}

/// What another node says of the same addresses.
pub(super) fn merge(known: &mut [Address], new: &[Address], at: &At, label: &str, report: &mut Report) {
    let ip = |text: &str| text.split('/').next().unwrap_or_default().to_owned();
    let places: BTreeMap<String, usize> = known.iter().enumerate().map(|(n, one)| (ip(&one.text), n)).collect();
    for address in new {
        let Some(first) = places.get(&ip(&address.text)).and_then(|n| known.get_mut(*n)) else { continue };
        first.interfaces.extend(address.interfaces.iter().cloned());
        let shown = |value: &Option<String>| value.clone().unwrap_or_else(|| "not written".to_owned());
        let (before, here) = (first.text.clone(), address.text.clone());
        let mut differs = |key: &str, before: String, here: String| {
            if before != here {
                let note = format!(
                    "{key} of {} is {before} on the node before and {here} here; the first is taken",
                    first.text
                );
                report.remark(Some(at), label, Fate::Approximated, &note);
            }
        };
        differs("the prefix length", before, here);
        differs("the label", shown(&first.label), shown(&address.label));
        differs("the scope", shown(&first.scope), shown(&address.scope));
    }
}

/// As TOML; `interfaces` are those of the virtual router.
pub(super) fn toml(address: &Address, interfaces: &[(String, String)]) -> String {
    let mut fields = vec![format!("address = {}", quoted(&address.text))];
    let elsewhere = address.interfaces.iter().any(|one| !interfaces.contains(one));
    if let (Some((_, first)), true) = (address.interfaces.first(), elsewhere) {
        let same = address.interfaces.iter().all(|(_, name)| name == first);
        let value = if same {
            quoted(first)
        } else {
            by_node(address.interfaces.iter().map(|(node, name)| (node, quoted(name))))
        };
        fields.push(format!("interface = {value}"));
    }
    fields.extend(address.label.as_ref().map(|label| format!("label = {}", quoted(label))));
    fields.extend(address.scope.as_ref().map(|scope| format!("scope = {}", quoted(scope))));
    match fields.as_slice() {
        [_] => quoted(&address.text),
        _ => format!("{{ {} }}", fields.join(", ")),
    }
}
