//! `/metrics`: the status as Prometheus reads it (text format 0.0.4).
//!
//! Names follow Prometheus' conventions: base units, `_total` for counters, `_info` for facts. Labels are names of the
//! configuration and reasons of a fixed list, so that their number is bounded.

use std::fmt::Display;

use crate::node::Status;
use crate::node::status::{PeerStatus, TrackerStatus, VipStatus};

/// Media type of the exposition.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The states of a VIP, each a series of its own.
const STATES: [&str; 3] = ["active", "backup", "fault"];

/// Counters of a VIP that have a family of their own; all others are events.
const OWN_FAMILY: [&str; 3] = ["transitions", "adverts-sent", "adverts-received"];

/// The exposition of a node at one instant.
pub fn metrics(status: &Status) -> String {
    let mut out = Exposition(String::new());
    of_node(&mut out, status);
    of_proxy(&mut out, status);
    election(&mut out, &status.vips);
    addresses(&mut out, &status.vips);
    counters(&mut out, status);
    trackers(&mut out, &status.trackers);
    peers(&mut out, &status.peers);
    out.0
}

fn of_node(out: &mut Exposition, status: &Status) {
    out.gauge("vipkeeper_build_info", "Which vipkeeper this is.")
        .one(&[("version", &status.version), ("node", &status.node)], 1);
    out.gauge("vipkeeper_uptime_seconds", "Since this vipkeeper started.").one(&[], seconds(status.up_ms));
    out.gauge("vipkeeper_ready", "Whether this node could hold a VIP.")
        .one(&[], u8::from(super::readiness(status).is_ok()));
    out.gauge("vipkeeper_maintenance", "Whether an operator wants this node to hold no VIP.")
        .one(&[], u8::from(status.maintenance));
    let config = &status.config;
    out.gauge("vipkeeper_config_info", "Digest of the configuration in force; equal on nodes that read the same.")
        .one(&[("digest", &config.digest)], 1);
    out.gauge("vipkeeper_config_age_seconds", "Since the configuration was put in force.")
        .one(&[], seconds(config.loaded_ms_ago));
    let last = config.last_reload.as_ref();
    out.gauge("vipkeeper_config_last_reload_successful", "Whether the last change of the files is in force.")
        .one(&[], u8::from(last.is_none_or(|last| last.ok)));
    if let Some(last) = last {
        out.gauge("vipkeeper_config_last_reload_duration_seconds", "How long the last change of the files took.")
            .one(&[], seconds(last.took_ms));
    }
}

fn of_proxy(out: &mut Exposition, status: &Status) {
    let proxy = &status.proxy;
    out.gauge("vipkeeper_proxy_info", "Which proxy runs.")
        .one(&[("engine", &proxy.engine), ("version", proxy.version.as_deref().unwrap_or_default())], 1);
    out.gauge("vipkeeper_proxy_healthy", "Whether the proxy counts as fit to hold a VIP.")
        .one(&[], u8::from(proxy.healthy));
    out.gauge("vipkeeper_proxy_verdict_age_seconds", "Since the proxy counts as healthy, or as not.")
        .one(&[], seconds(proxy.for_ms));
    out.counter("vipkeeper_proxy_starts_total", "Starts of the proxy by this vipkeeper.").one(&[], proxy.starts);
    if let Some((now, limit)) = proxy.connections {
        out.gauge("vipkeeper_proxy_connections", "Connections of the worker that serves.").one(&[], now);
        out.gauge("vipkeeper_proxy_connections_limit", "Its limit.").one(&[], limit);
    }
    if let Some(accepted) = proxy.accepted {
        out.counter("vipkeeper_proxy_connections_total", "Connections that the worker accepted since its start.")
            .one(&[], accepted);
    }
    let old = u64::try_from(proxy.old_workers.len()).unwrap_or(u64::MAX);
    out.gauge("vipkeeper_proxy_old_workers", "Replaced workers that finish their connections.")
        .one(&[], old.saturating_add(u64::from(proxy.old_workers_more)));
    let mut family = out.gauge("vipkeeper_frontend_open", "Whether the frontend takes connections.");
    for (name, state) in &proxy.frontends {
        family.one(&[("frontend", name)], u8::from(state == "OPEN"));
    }
    let mut family = out.gauge("vipkeeper_backend_up", "Whether the backend has a server that is up.");
    for (name, state) in &proxy.backends {
        family.one(&[("backend", name)], u8::from(state == "UP"));
    }
}

fn election(out: &mut Exposition, vips: &[VipStatus]) {
    let mut family = out.gauge("vipkeeper_vip_state", "1 for the state that this node is in (RFC 9568).");
    for vip in vips {
        let vrid = vip.vrid.to_string();
        for state in STATES {
            let labels = [("vip", &*vip.name), ("vrid", &vrid), ("interface", &vip.interface), ("state", state)];
            family.one(&labels, u8::from(vip.state == state));
        }
    }
    let mut family = out.gauge("vipkeeper_vip_state_age_seconds", "Since the VIP is in its state on this node.");
    for vip in vips {
        family.one(&[("vip", &vip.name)], seconds(vip.for_ms));
    }
    let mut family = out.gauge("vipkeeper_vip_priority", "Priority now; absent while the node abstains.");
    for vip in vips {
        if let Some(priority) = vip.priority {
            family.one(&[("vip", &vip.name)], priority);
        }
    }
    let mut family = out.gauge("vipkeeper_vip_base_priority", "Priority of the configuration.");
    for vip in vips {
        family.one(&[("vip", &vip.name)], vip.base_priority);
    }
    let mut family = out.gauge("vipkeeper_vip_weight", "What raises or lowers the priority now.");
    for vip in vips {
        for (reason, weight) in &vip.weights {
            family.one(&[("vip", &vip.name), ("reason", reason)], weight);
        }
    }
    let mut family = out.gauge("vipkeeper_vip_holder_info", "Who holds the VIP as far as this node knows.");
    for vip in vips {
        if let Some(holder) = &vip.holder {
            family.one(&[("vip", &vip.name), ("holder", holder.node.as_ref().unwrap_or(&holder.address))], 1);
        }
    }
    let mut family = out.gauge("vipkeeper_vip_standing_aside", "Whether an operator wants the VIP on another node.");
    for vip in vips {
        family.one(&[("vip", &vip.name)], u8::from(vip.operator.is_some()));
    }
}

fn addresses(out: &mut Exposition, vips: &[VipStatus]) {
    let mut family = out.gauge("vipkeeper_vip_addresses", "Addresses of the VIP.");
    for vip in vips {
        family.one(&[("vip", &vip.name)], vip.addresses.len());
    }
    let mut family = out.gauge("vipkeeper_vip_addresses_installed", "How many of them are on the interface.");
    for vip in vips {
        family.one(&[("vip", &vip.name)], vip.installed.len());
    }
    let mut family =
        out.gauge("vipkeeper_vip_troubles", "What a human should look at; `vipkeeper status` has the words.");
    for vip in vips {
        family.one(&[("vip", &vip.name)], vip.troubles.len());
    }
    let mut family = out.gauge("vipkeeper_vip_foreign_speakers", "Routers of nobody's that speak for the VRID.");
    for vip in vips {
        family.one(&[("vip", &vip.name)], vip.speakers.len());
    }
    let mut family = out.gauge("vipkeeper_vip_duplicate_addresses", "Hosts that claimed an address of the VIP.");
    for vip in vips {
        family.one(&[("vip", &vip.name)], vip.duplicates.len());
    }
}

fn counters(out: &mut Exposition, status: &Status) {
    let own = [
        ("vipkeeper_vip_transitions_total", "Changes of state.", "transitions"),
        ("vipkeeper_vip_adverts_sent_total", "Adverts sent.", "adverts-sent"),
        ("vipkeeper_vip_adverts_received_total", "Adverts received and accepted.", "adverts-received"),
    ];
    for (name, help, counter) in own {
        let mut family = out.counter(name, help);
        for vip in &status.vips {
            family.one(&[("vip", &vip.name)], vip.counters.get(counter).copied().unwrap_or(0));
        }
    }
    let mut family = out.counter("vipkeeper_vip_events_total", "What else happened to the VIP, by kind.");
    for vip in &status.vips {
        for (event, count) in vip.counters.iter().filter(|(name, _)| !OWN_FAMILY.contains(&name.as_str())) {
            family.one(&[("vip", &vip.name), ("event", event)], count);
        }
    }
    let mut family = out.counter("vipkeeper_vip_packets_dropped_total", "Packets for the VRID that were dropped.");
    for vip in &status.vips {
        for (reason, count) in &vip.dropped {
            family.one(&[("vip", &vip.name), ("reason", reason)], count);
        }
    }
    let help = "Packets that were dropped before they could be attributed to a VIP; of interface `hellos`: hellos.";
    let mut family = out.counter("vipkeeper_packets_dropped_total", help);
    for (interface, reasons) in &status.dropped {
        for (reason, count) in reasons {
            family.one(&[("interface", interface), ("reason", reason)], count);
        }
    }
}

fn trackers(out: &mut Exposition, trackers: &[TrackerStatus]) {
    let mut family = out.gauge("vipkeeper_tracker_good", "Whether what is tracked is good; absent until looked at.");
    for tracker in trackers.iter().filter(|tracker| tracker.verdict != "pending") {
        family.one(&[("tracker", &tracker.name)], u8::from(tracker.verdict == "good"));
    }
    let mut family = out.gauge("vipkeeper_tracker_value", "The number in a tracked file.");
    for tracker in trackers {
        if let Some(value) = tracker.value {
            family.one(&[("tracker", &tracker.name)], value);
        }
    }
}

fn peers(out: &mut Exposition, peers: &[PeerStatus]) {
    let mut family = out.gauge("vipkeeper_peer_fresh", "Whether the other node is heard beside VRRP.");
    for peer in peers {
        family.one(&[("peer", &peer.name)], u8::from(peer.state == "fresh"));
    }
    let mut family = out.gauge("vipkeeper_peer_heard_age_seconds", "Since its last hello that counted.");
    for peer in peers {
        if let Some(ago) = peer.heard_ms_ago {
            family.one(&[("peer", &peer.name)], seconds(ago));
        }
    }
    let mut family = out.gauge("vipkeeper_peer_config_matches", "Whether it has the same configuration in force.");
    for peer in peers {
        if let Some(same) = peer.same_config {
            family.one(&[("peer", &peer.name)], u8::from(same));
        }
    }
    let mut family = out.gauge("vipkeeper_peer_vip_fit", "Whether it could serve the VIP, as it said last.");
    for peer in peers {
        for vip in &peer.vips {
            family.one(&[("peer", &peer.name), ("vip", &vip.name)], u8::from(vip.fit));
        }
    }
    let mut family = out.gauge("vipkeeper_peer_vip_state", "1 for the state that it is in, as it said last.");
    for peer in peers {
        for vip in &peer.vips {
            for state in STATES {
                let labels = [("peer", &*peer.name), ("vip", &*vip.name), ("state", state)];
                family.one(&labels, u8::from(vip.state == state));
            }
        }
    }
}

/// Prometheus' base unit of time.
fn seconds(ms: u64) -> String {
    format!("{}.{:03}", ms / 1000, ms % 1000)
}

/// The text so far.
struct Exposition(String);

impl Exposition {
    fn gauge<'a>(&'a mut self, name: &'a str, help: &'a str) -> Family<'a> {
        Family { out: self, name, help, kind: "gauge", begun: false }
    }

    fn counter<'a>(&'a mut self, name: &'a str, help: &'a str) -> Family<'a> {
        Family { out: self, name, help, kind: "counter", begun: false }
    }
}

/// The series of one name. Without any, not even its header is written.
struct Family<'a> {
    out: &'a mut Exposition,
    name: &'a str,
    help: &'a str,
    kind: &'a str,
    begun: bool,
}

impl Family<'_> {
    fn one(&mut self, labels: &[(&str, &str)], value: impl Display) {
        let text = &mut self.out.0;
        if !std::mem::replace(&mut self.begun, true) {
            text.push_str("# HELP ");
            text.push_str(self.name);
            text.push(' ');
            text.push_str(self.help);
            text.push_str("\n# TYPE ");
            text.push_str(self.name);
            text.push(' ');
            text.push_str(self.kind);
            text.push('\n');
        }
        text.push_str(self.name);
        for (at, (label, value)) in labels.iter().enumerate() {
            text.push(if at == 0 { '{' } else { ',' });
            text.push_str(label);
            text.push_str("=\"");
            escape(text, value);
            text.push('"');
        }
        if !labels.is_empty() {
            text.push('}');
        }
        text.push_str(&format!(" {value}\n"));
    }
}

/// Of a value of a label (text format, "Comments, help text, and type information").
fn escape(text: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
}
