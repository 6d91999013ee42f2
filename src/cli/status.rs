//! `status`: asks the running instance and shows the answer to people or programs.
//!
//! The view is a function of a [`Status`] alone; it decides nothing, it only words it.

use std::collections::BTreeMap;

use crate::cli::args::{Place, StatusArgs};
use crate::cli::instance::{Instance, converse};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::server::line as server_line;
use crate::cli::terminal::{Tone, paint, print, span, stdout_colour};
use crate::config::Colour;
use crate::node::Status;
use crate::node::status::{ConfigStatus, ProxyStatus, TrackerStatus, VipStatus};

/// Asks, and prints for people or programs.
///
/// # Errors
/// 5 when vipkeeper is not running, 3 when we may not ask it.
pub fn run(place: &Place, args: &StatusArgs) -> Result<Exit, Failure> {
    if args.watch {
        return watch::run(place, args);
    }
    let status = converse(async { Instance::at(place.runtime()).status().await })?;
    if args.json {
        let json = serde_json::to_string_pretty(&status).map_err(|e| Failure::new(Exit::Unhealthy, e))?;
        print(&format!("{json}\n"));
    } else {
        print(&human(&status, stdout_colour()));
    }
    Ok(exit(&status))
}

/// 1 when the proxy is unhealthy or a VIP is in fault, else 0.
pub fn exit(status: &Status) -> Exit {
    let faulty = status.vips.iter().any(|v| v.state == "fault");
    if faulty || !status.proxy.healthy { Exit::Unhealthy } else { Exit::Fine }
}

/// What a person wants to know, in the order in which it is asked at night: VIPs, proxy, configuration, oddities.
pub fn human(status: &Status, colour: Colour) -> String {
    let mut out = String::new();
    let head = format!(
        "{}  {} for {}, vipkeeper {}, pid {}",
        paint(&status.node, Tone::Strong, colour),
        status.phase,
        span(status.up_ms),
        status.version,
        status.pid
    );
    line(&mut out, &head);
    if status.maintenance {
        line(&mut out, &paint("in maintenance: holds no VIP until `vipkeeper maintenance off`", Tone::Bad, colour));
    }
    line(&mut out, "");
    vips(&mut out, status, colour);
    line(&mut out, "");
    proxy(&mut out, &status.proxy, colour);
    line(&mut out, "");
    trackers(&mut out, &status.trackers, colour);
    config(&mut out, &status.config, colour);
    peers(&mut out, status, colour);
    dropped(&mut out, status, colour);
    out
}

fn line(out: &mut String, text: &str) {
    out.push_str(text.trim_end());
    out.push('\n');
}

/// The rest of a message under its first line, indented alike.
fn indented(out: &mut String, indent: &str, text: &str) {
    for part in text.trim_end().lines() {
        line(out, &format!("{indent}{part}"));
    }
}

fn vips(out: &mut String, status: &Status, colour: Colour) {
    if status.vips.is_empty() {
        line(out, "no VIP: this node takes part in none");
        return;
    }
    let head = ["VIP", "STATE", "FOR", "HELD BY", "PRIORITY", "ADDRESSES"].map(str::to_owned);
    let rows: Vec<[String; 6]> = status.vips.iter().map(|v| row(v, &status.node)).collect();
    let widths = widths(&head, &rows);
    line(out, &paint(&cells(&head, &widths, |text, _| text), Tone::Faint, colour));
    for (vip, row) in status.vips.iter().zip(&rows) {
        let tone = state_tone(&vip.state);
        let painted = |text: String, column: usize| match column {
            0 => paint(&text, Tone::Strong, colour),
            1 => paint(&text, tone, colour),
            _ => text,
        };
        line(out, &cells(row, &widths, painted));
        indented(out, "  why: ", &vip.why);
        // The one before the change that led here: often what somebody at night is after.
        if let Some(earlier) = vip.transitions.get(1) {
            let (from, to) = (earlier.from.to_uppercase(), earlier.to.to_uppercase());
            indented(out, "  before: ", &format!("{from} -> {to} {} ago: {}", span(earlier.ms_ago), earlier.why));
        }
        for trouble in troubles(vip) {
            indented(out, "  ", &paint(&trouble, Tone::Bad, colour));
        }
    }
}

fn state_tone(state: &str) -> Tone {
    match state {
        "active" => Tone::Good,
        "backup" => Tone::Idle,
        _ => Tone::Bad,
    }
}

fn row(vip: &VipStatus, me: &str) -> [String; 6] {
    let held_by = match &vip.holder {
        None => "nobody known".to_owned(),
        Some(h) if h.node.as_deref() == Some(me) => format!("{me} (this node)"),
        Some(h) => match &h.node {
            Some(node) => format!("{node} ({}, priority {})", h.address, h.priority),
            None => format!("{} (priority {})", h.address, h.priority),
        },
    };
    [
        vip.name.clone(),
        vip.state.to_uppercase(),
        span(vip.for_ms),
        held_by,
        priority(vip),
        format!("{} on {}, vrid {}", vip.addresses.join(" "), vip.interface, vip.vrid),
    ]
}

/// `254`, or how it comes about: `234 = 254 - 20 (backend web is DOWN)`.
pub(super) fn priority(vip: &VipStatus) -> String {
    let base = vip.base_priority;
    let Some(now) = vip.priority else { return format!("abstains (base {base})") };
    if vip.weights.is_empty() {
        return if now == base { now.to_string() } else { format!("{now} (base {base})") };
    }
    let mut text = format!("{now} = {base}");
    let mut sum = i32::from(base);
    for (what, weight) in &vip.weights {
        let sign = if *weight < 0 { '-' } else { '+' };
        text.push_str(&format!(" {sign} {} ({what})", weight.unsigned_abs()));
        sum = sum.saturating_add(*weight);
    }
    if sum != i32::from(now) {
        text.push_str(&format!(", held at {now}"));
    }
    text
}

/// What contradicts the state: addresses that should be there and are not, or the other way round.
fn troubles(vip: &VipStatus) -> Vec<String> {
    let active = vip.state == "active";
    let missing: Vec<&str> =
        vip.addresses.iter().filter(|a| active && !vip.installed.contains(a)).map(String::as_str).collect();
    let surplus: Vec<&str> = vip.installed.iter().filter(|_| !active).map(String::as_str).collect();
    let mut troubles = Vec::new();
    if !missing.is_empty() {
        troubles.push(format!("not yet on {}: {}", vip.interface, missing.join(" ")));
    }
    if !surplus.is_empty() {
        troubles.push(format!("still on {}: {}", vip.interface, surplus.join(" ")));
    }
    troubles.extend(vip.troubles.iter().cloned());
    troubles
}

fn widths(head: &[String; 6], rows: &[[String; 6]]) -> [usize; 6] {
    let mut widths = [0; 6];
    for row in rows.iter().chain([head]) {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    widths
}

fn cells(row: &[String; 6], widths: &[usize; 6], paint: impl Fn(String, usize) -> String) -> String {
    let mut text = String::new();
    for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
        if column > 0 {
            text.push_str("  ");
        }
        text.push_str(&paint(cell.clone(), column));
        let padding = if column + 1 < row.len() { width.saturating_sub(cell.chars().count()) } else { 0 };
        text.push_str(&" ".repeat(padding));
    }
    text
}

fn proxy(out: &mut String, proxy: &ProxyStatus, colour: Colour) {
    let verdict = match proxy.healthy {
        true => paint("HEALTHY", Tone::Good, colour),
        false => paint("FAILED", Tone::Bad, colour),
    };
    line(
        out,
        &format!("{}   {verdict} for {}: {}", paint("Proxy", Tone::Strong, colour), span(proxy.for_ms), proxy.why),
    );
    let mut facts = vec![proxy.doing.clone()];
    if let Some(version) = &proxy.version {
        facts.push(match &proxy.installed_version {
            Some(installed) if installed != version => {
                format!("{} {version} (installed: {installed}, from the next reload on)", proxy.engine)
            }
            Some(_) | None => format!("{} {version}", proxy.engine),
        });
    }
    if let Some(pid) = proxy.master_pid {
        facts.push(format!("master {pid}"));
    }
    if let Some(pid) = proxy.worker_pid {
        facts.push(format!("worker {pid}"));
    }
    if let Some((now, max)) = proxy.connections {
        facts.push(format!("{now} of {max} connections"));
    }
    facts.push(match proxy.starts {
        1 => "started once".to_owned(),
        n => format!("started {n} times"),
    });
    line(out, &format!("        {}", facts.join(", ")));
    old_workers(out, proxy);
    for one in &proxy.intents {
        line(out, &format!("        an operator wants: {}", server_line(one)));
    }
    states(out, "frontends", &proxy.frontends, colour);
    states(out, "backends ", &proxy.backends, colour);
}

/// Those that finish their connections.
fn old_workers(out: &mut String, proxy: &ProxyStatus) {
    for old in &proxy.old_workers {
        let connections = match old.connections {
            None => "no answer".to_owned(),
            Some(1) => "1 connection".to_owned(),
            Some(n) => format!("{n} connections"),
        };
        let memory = old.memory_kib.map_or(String::new(), |kib| format!(", {} MiB", kib.div_ceil(1024)));
        let (up, replaced) = (span(old.up_ms), span(old.replaced_ms_ago));
        line(out, &format!("        old worker {}: {connections}{memory}, up {up}, replaced {replaced} ago", old.pid));
    }
    if proxy.old_workers_more > 0 {
        line(out, &format!("        and {} more old workers", proxy.old_workers_more));
    }
}

fn states(out: &mut String, what: &str, states: &[(String, String)], colour: Colour) {
    if states.is_empty() {
        return;
    }
    let words: Vec<String> = states
        .iter()
        .map(|(name, state)| {
            let good = state == "OPEN" || state.starts_with("UP");
            format!("{name} {}", paint(state, if good { Tone::Good } else { Tone::Bad }, colour))
        })
        .collect();
    line(out, &format!("        {what} {}", words.join(", ")));
}

/// Those that need a word; the others are counted.
fn trackers(out: &mut String, trackers: &[TrackerStatus], colour: Colour) {
    if trackers.is_empty() {
        return;
    }
    let good = trackers.iter().filter(|t| t.verdict == "good").count();
    let head = paint("Trackers", Tone::Strong, colour);
    line(out, &format!("{head}  {good} of {} good", trackers.len()));
    for tracker in trackers.iter().filter(|t| t.verdict != "good" || !t.why.is_empty()) {
        let tone = match tracker.verdict.as_str() {
            "good" => Tone::Good,
            "failed" => Tone::Bad,
            _ => Tone::Idle,
        };
        let verdict = paint(&tracker.verdict.to_uppercase(), tone, colour);
        let TrackerStatus { name, kind, why, for_ms, .. } = tracker;
        indented(out, "        ", &format!("{name} {verdict} for {}: {why} ({kind})", span(*for_ms)));
    }
    line(out, "");
}

fn config(out: &mut String, config: &ConfigStatus, colour: Colour) {
    let head = paint("Config", Tone::Strong, colour);
    line(out, &format!("{head}  {} in force for {}", config.digest, span(config.loaded_ms_ago)));
    let Some(reload) = &config.last_reload else {
        line(out, "        no reload since the start");
        return;
    };
    let result = match reload.ok {
        true => paint("applied", Tone::Good, colour),
        false => paint("refused, nothing changed", Tone::Bad, colour),
    };
    line(out, &format!("        last reload {} ago: {result} ({})", span(reload.ms_ago), span(reload.took_ms)));
    indented(out, "        ", &reload.message);
}

/// The other nodes; nothing where this node talks to nobody and should not.
fn peers(out: &mut String, status: &Status, colour: Colour) {
    if status.peers.is_empty() && status.peers_note.is_none() {
        return;
    }
    line(out, "");
    let mut head = format!("{}   ", paint("Peers", Tone::Strong, colour));
    for peer in &status.peers {
        let tone = if peer.state == "fresh" { Tone::Good } else { Tone::Bad };
        let heard = peer.heard_ms_ago.map_or("never heard".to_owned(), |ago| format!("heard {} ago", span(ago)));
        let mut text = format!("{} ({}) {}, {heard}", peer.name, peer.address, paint(&peer.state, tone, colour));
        if peer.same_config == Some(false) {
            text.push_str(&paint(", another configuration", Tone::Bad, colour));
        }
        line(out, &format!("{head}{text}"));
        head = " ".repeat(8);
        for vip in &peer.vips {
            let priority = vip.priority.map_or(String::new(), |priority| format!(", priority {priority}"));
            let why = if vip.fit { String::new() } else { format!(", unfit: {}", vip.why) };
            line(out, &format!("          {} {}{priority}{why}", vip.name, vip.state.to_uppercase()));
        }
        if !peer.dropped.is_empty() {
            line(out, &format!("          dropped: {}", reasons(&peer.dropped)));
        }
    }
    if let Some(note) = &status.peers_note {
        line(out, &format!("{head}{note}"));
    }
}

fn dropped(out: &mut String, status: &Status, colour: Colour) {
    let by_vip = status.vips.iter().map(|v| (v.name.as_str(), &v.dropped));
    let by_interface = status.dropped.iter().map(|(name, counts)| (name.as_str(), counts));
    let mut text = String::new();
    for (place, counts) in by_vip.chain(by_interface).filter(|(_, counts)| !counts.is_empty()) {
        line(&mut text, &format!("        {place}: {}", reasons(counts)));
    }
    if !text.is_empty() {
        line(out, "");
        line(out, &paint("Packets dropped", Tone::Strong, colour));
        out.push_str(&text);
    }
}

fn reasons(counts: &BTreeMap<String, u64>) -> String {
    let words: Vec<String> = counts.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
    words.join(", ")
}

mod watch;

#[cfg(test)]
mod tests;
