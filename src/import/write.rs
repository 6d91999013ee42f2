//! The TOML.

use std::net::IpAddr;

use super::Gathered;
use super::address::{self, Address};
use super::haproxy::Section;
use super::hooks::Runner;
use super::instance::{Node, Virtual};
use super::proxy;
use super::report::Report;
use super::track::Link;

/// A string of TOML.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A list of strings.
pub(super) fn list(texts: &[String]) -> String {
    let texts: Vec<String> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", texts.join(", "))
}

/// Seconds, with a fraction or without, as milliseconds; none: they are none.
pub(super) fn milliseconds(seconds: &str) -> Option<u64> {
    let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, ""));
    let thousandths: String = fraction.chars().chain("000".chars()).take(3).collect();
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(thousandths.parse().ok()?)
}

/// The same as a duration.
pub(super) fn duration(seconds: &str) -> Option<String> {
    let ms = milliseconds(seconds)?;
    Some(if ms % 1000 == 0 { format!("{}s", ms / 1000) } else { format!("{ms}ms") })
}

/// A name that vipkeeper takes, as near as possible.
pub(super) fn name_of(text: &str, otherwise: &str) -> String {
    let good = |c: char| if c.is_ascii_alphanumeric() || "_.-".contains(c) { c } else { '-' };
    let name: String = text.chars().map(good).take(63).collect();
    if name.is_empty() { otherwise.to_owned() } else { name }
}

/// Writes everything; `mail` is a `[[notify]]`, `runner` who runs scripts.
pub(super) fn write(
    all: &Gathered,
    mail: Vec<String>,
    runner: Option<&Runner>,
    sections: &[Section],
    report: &mut Report,
) -> String {
    let mut out = vec![
        "# Made by `vipkeeper import`. Read its report, fill in what is marked FILL IN, and run `vipkeeper check`."
            .to_owned(),
    ];
    for (number, node) in all.nodes.iter().enumerate() {
        write_node(node, number, all, &mut out, report);
    }
    for vip in &all.virtuals {
        write_vip(vip, &mut out);
    }
    for group in all.groups.iter().filter(|group| group.members.len() > 1) {
        let members: Vec<String> = group.members.iter().map(|name| quoted(name)).collect();
        out.push(format!("\n[[group]]\nname = {}\nvips = [{}]", quoted(&group.name), members.join(", ")));
        out.extend(group.keys.iter().map(|(key, value)| format!("{key} = {value}")));
    }
    for script in &all.scripts {
        let Some(keys) = &script.keys else { continue };
        out.push(format!("\n[[tracker]]\nname = {}", quoted(&name_of(&script.name, "tracker"))));
        out.extend(keys.iter().cloned());
    }
    let used = |link: &&Link| all.virtuals.iter().any(|vip| vip.tracks.iter().any(|(name, ..)| *name == link.name));
    for link in all.interfaces.iter().filter(used) {
        let Some((_, first)) = link.by_node.first() else { continue };
        let value = if link.by_node.iter().all(|(_, name)| name == first) {
            quoted(first)
        } else {
            // A node that says nothing of it has one of that name, as far as anybody knows.
            let of = |node: &str| link.by_node.iter().find(|(name, _)| name == node).map_or(first, |(_, name)| name);
            by_node(all.nodes.iter().map(|node| (&node.name, quoted(of(&node.name)))))
        };
        out.push(format!("\n[[tracker]]\nname = {}\ninterface = {value}", quoted(&link.name)));
    }
    out.extend(mail);
    out.extend(runner.map(super::hooks::table).unwrap_or_default());
    proxy::write(all, sections, &mut out, report);
    out.push(String::new());
    out.join("\n")
}

fn write_node(node: &Node, number: usize, all: &Gathered, out: &mut Vec<String>, report: &mut Report) {
    if all.nodes.iter().take(number).any(|before| before.name == node.name) {
        report.fill_in.push(format!("two files are of a node {}: name them, as in lb1=FILE lb2=FILE", node.name));
    }
    out.push(format!("\n[[node]]\nname = {}", quoted(&node.name)));
    let addresses: Vec<String> = node.addresses.iter().map(|ip: &IpAddr| quoted(&ip.to_string())).collect();
    match addresses.as_slice() {
        [] => {
            // Of RFC 5737's range for documentation: nobody's own.
            out.push(format!("address = \"192.0.2.{}\"  # FILL IN: its own fixed address", number.min(250) + 1));
            report.fill_in.push(format!(
                "address of node {}: its own fixed address, in place of 192.0.2.{}",
                node.name,
                number.min(250) + 1
            ));
        }
        [one] => out.push(format!("address = {one}")),
        several => out.push(format!("address = [{}]", several.join(", "))),
    }
}

fn write_vip(vip: &Virtual, out: &mut Vec<String>) {
    out.push(format!("\n[[vip]]\nname = {}", quoted(&vip.name)));
    let listed = |list: &[Address]| {
        list.iter().map(|address| address::toml(address, &vip.interfaces)).collect::<Vec<_>>().join(", ")
    };
    out.push(format!("addresses = [{}]", listed(&vip.addresses)));
    if !vip.excluded.is_empty() {
        out.push(format!("excluded = [{}]", listed(&vip.excluded)));
    }
    for (key, rows) in [("routes", &vip.routing.routes), ("rules", &vip.routing.rules)] {
        if !rows.is_empty() {
            let rows: Vec<String> = rows.iter().map(|row| format!("  {row},")).collect();
            out.push(format!("{key} = [\n{}\n]", rows.join("\n")));
        }
    }
    let mut names: Vec<&str> = vip.interfaces.iter().map(|(_, name)| name.as_str()).collect();
    names.dedup();
    match names.as_slice() {
        [] => (),
        [one] => out.push(format!("interface = {}", quoted(one))),
        _ => {
            out.push(format!("interface = {}", by_node(vip.interfaces.iter().map(|(node, name)| (node, quoted(name))))))
        }
    }
    out.push(format!("vrid = {}", vip.vrid));
    out.push(format!("priority = {}", by_node(vip.priorities.iter().map(|(node, n)| (node, n.to_string())))));
    // keepalived takes a VIP back at once unless told otherwise.
    if !vip.keys.iter().any(|(key, _)| key == "preempt_delay" || key == "preempt") {
        out.push("preempt_delay = \"0s\"  # as keepalived does; the 10s of vipkeeper keep a failing node from coming back too soon".to_owned());
    }
    out.extend(vip.keys.iter().map(|(key, value)| format!("{key} = {value}")));
    let track = |(name, weight, reverse): &(String, i32, bool)| {
        let weight = if *weight == 0 { String::new() } else { format!(", weight = {weight}") };
        let reverse = if *reverse { ", reverse = true" } else { "" };
        format!("{{ tracker = {}{weight}{reverse} }}", quoted(name))
    };
    if !vip.tracks.is_empty() {
        out.push(format!("track = [{}]", vip.tracks.iter().map(track).collect::<Vec<_>>().join(", ")));
    }
}

/// An inline table of values by node.
pub(super) fn by_node<'a>(values: impl Iterator<Item = (&'a String, String)>) -> String {
    let pairs: Vec<String> = values.map(|(node, value)| format!("{} = {value}", quoted(node))).collect();
    format!("{{ {} }}", pairs.join(", "))
}
