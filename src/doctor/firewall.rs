//! The packet filter: a packet of VRRP, and a hello, are walked through the rules of nftables.
//!
//! Owns a small model of `nft -j list ruleset`: what a rule says of such a packet is yes, no, or not known. A drop that
//! certainly happens is an error; what hangs on something that the model does not know is said to be unclear.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::Value;

use super::facts::Facts;
use super::network::own_vips;
use super::{Report, Severity};
use crate::config::{Config, Transport};
use crate::units::{Family, Name};

/// Chains that are followed into each other; the kernel takes 16.
const JUMPS_MAX: usize = 16;

/// Rules looked at for one packet; beyond, the answer is unclear.
const RULES_MAX: usize = 50_000;

/// IP protocol of VRRP.
const VRRP: u16 = 112;
/// IP protocol of UDP.
const UDP: u16 = 17;

/// A packet as it arrives.
#[derive(Debug, Clone)]
struct Packet {
    interface: String,
    protocol: u16,
    source: IpAddr,
    destination: IpAddr,
    /// Destination port of UDP.
    port: Option<u16>,
}

/// What becomes of a packet.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Fate {
    Passes,
    /// Where, and the command that helps.
    Dropped {
        place: String,
        fix: String,
    },
    Unclear {
        place: String,
    },
}

/// Whether a condition holds for a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holds {
    Yes,
    No,
    Unknown,
}

impl From<bool> for Holds {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl Holds {
    fn not(self) -> Self {
        match self {
            Self::Yes => Self::No,
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
        }
    }
}

pub(super) fn examine(config: &Config, node: &Name, facts: &Facts, report: &mut Report) {
    if let super::Gathered::Read(tables) = &facts.legacy_tables
        && !tables.is_empty()
    {
        let why = format!("rules of the older iptables are not read (tables {})", tables.join(", "));
        report.unchecked("iptables-legacy", why);
    }
    let Some(text) = report.take("firewall (nftables)", &facts.nftables) else { return };
    let Some(rules) = Ruleset::parse(text) else {
        return report.unchecked("rules of the firewall", "the answer of nft is not understood");
    };
    for (id, what, packet) in packets(config, node) {
        match rules.fate(&packet) {
            Fate::Passes => {}
            Fate::Dropped { place, fix } => {
                let why = match id {
                    "firewall-drops-vrrp" => {
                        "this host does not hear the other one and takes the VIP too: both hold it"
                    }
                    _ => "the nodes do not know each other, and fall back to plain VRRP",
                };
                report.find(Severity::Error, id, format!("{what} dropped by {place}"), why, fix);
            }
            Fate::Unclear { place } => {
                let why = "a rule with a condition that the doctor does not know decides";
                let fix = accept_command(&packet, None);
                report.find(Severity::Note, "firewall-unclear", format!("{what} perhaps dropped by {place}"), why, fix);
            }
        }
    }
}

/// What must arrive at a node, each once: id, words, packet.
fn packets(config: &Config, node: &Name) -> Vec<(&'static str, String, Packet)> {
    let mut all: Vec<(&'static str, String, Packet)> = Vec::new();
    let Some(own) = config.node(node) else { return all };
    for (vip, interface) in own_vips(config, node) {
        let family = vip.family();
        for peer in config.nodes.iter().filter(|n| n.name != *node && vip.priorities.contains_key(&n.name)) {
            // Multicast of IPv6 leaves from a link-local address, which nobody knows here.
            let source = match (vip.transport, family) {
                (Transport::Multicast(_), Family::V6) => Some(IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, 1])),
                (Transport::Multicast(_) | Transport::Unicast, Family::V4) | (Transport::Unicast, Family::V6) => {
                    peer.address_of(family)
                }
            };
            let destination = match vip.transport {
                Transport::Multicast(group) => Some(group),
                Transport::Unicast => own.address_of(family),
            };
            let (Some(source), Some(destination)) = (source, destination) else { continue };
            let what = format!("adverts (IP protocol 112) of {} to {destination} on {interface} are", peer.name);
            let interface = interface.as_str().to_owned();
            all.push((
                "firewall-drops-vrrp",
                what,
                Packet { interface, protocol: VRRP, source, destination, port: None },
            ));
        }
    }
    if let Some(peers) = &config.peers {
        // The interface is that of the VIPs as a rule; only its name is judged by rules.
        let interface = own_vips(config, node).next().map_or(String::new(), |(_, i)| i.as_str().to_owned());
        for peer in config.nodes.iter().filter(|n| n.name != *node) {
            let what = format!("hellos of {} (UDP port {}) are", peer.name, peers.port);
            let packet = Packet {
                interface: interface.clone(),
                protocol: UDP,
                source: peer.address,
                destination: own.address,
                port: Some(peers.port),
            };
            all.push(("firewall-drops-hello", what, packet));
        }
    }
    let mut seen = Vec::new();
    all.retain(|(_, what, _)| {
        let new = !seen.contains(what);
        seen.push(what.clone());
        new
    });
    all
}

/// A command that lets the packet through before everything else in a chain.
fn accept_command(packet: &Packet, chain: Option<&Chain>) -> String {
    let place = chain.map_or("inet filter input".to_owned(), |c| c.name());
    let what = match packet.port {
        Some(port) => format!("udp dport {port}"),
        None => "meta l4proto 112".to_owned(),
    };
    format!("nft insert rule {place} iifname {:?} {what} accept", packet.interface)
}

/// The chains of a host.
struct Ruleset {
    chains: Vec<Chain>,
    /// Rules by family, table and chain, in order.
    rules: BTreeMap<(String, String, String), Vec<Value>>,
}

struct Chain {
    family: String,
    table: String,
    chain: String,
    priority: i64,
    drops: bool,
}

impl Chain {
    fn name(&self) -> String {
        format!("{} {} {}", self.family, self.table, self.chain)
    }

    fn key(&self, chain: &str) -> (String, String, String) {
        (self.family.clone(), self.table.clone(), chain.to_owned())
    }
}

/// Where a walk through a chain ended.
enum Ended {
    Accepted,
    Dropped(String),
    Through,
}

/// What a walk met on its way that it could not judge.
#[derive(Default)]
struct Doubt {
    accept: bool,
    drop: Option<String>,
    looked_at: usize,
}

impl Ruleset {
    fn parse(text: &str) -> Option<Self> {
        let json: Value = serde_json::from_str(text).ok()?;
        let mut all = Self { chains: Vec::new(), rules: BTreeMap::new() };
        for item in json.get("nftables")?.as_array()? {
            let text = |of: &Value, key: &str| of.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
            if let Some(chain) = item.get("chain")
                && matches!(text(chain, "hook").as_str(), "input" | "prerouting")
                && text(chain, "type") == "filter"
            {
                all.chains.push(Chain {
                    family: text(chain, "family"),
                    table: text(chain, "table"),
                    chain: text(chain, "name"),
                    priority: chain.get("prio").and_then(Value::as_i64).unwrap_or(0)
                        - if text(chain, "hook") == "prerouting" { 1 << 32 } else { 0 },
                    drops: text(chain, "policy") == "drop",
                });
            }
            if let Some(rule) = item.get("rule") {
                let key = (text(rule, "family"), text(rule, "table"), text(rule, "chain"));
                all.rules.entry(key).or_default().push(rule.clone());
            }
        }
        all.chains.sort_by_key(|c| c.priority);
        Some(all)
    }

    fn fate(&self, packet: &Packet) -> Fate {
        let ip_family = if packet.source.is_ipv4() { "ip" } else { "ip6" };
        let mut unclear = None;
        for chain in self.chains.iter().filter(|c| c.family == "inet" || c.family == ip_family) {
            let mut doubt = Doubt::default();
            let mut place = match self.walk(chain, &chain.chain, packet, 0, &mut doubt) {
                Ended::Dropped(rule) => Some(rule),
                Ended::Through if chain.drops => Some(format!("the policy of chain {}", chain.name())),
                Ended::Accepted | Ended::Through => None,
            };
            if (doubt.accept && place.is_some()) || doubt.looked_at > RULES_MAX {
                unclear = unclear.or(place.take().or_else(|| Some(format!("a rule of {}", chain.name()))));
            }
            if let Some(place) = place {
                return Fate::Dropped { place, fix: accept_command(packet, Some(chain)) };
            }
            unclear = unclear.or(doubt.drop);
        }
        unclear.map_or(Fate::Passes, |place| Fate::Unclear { place })
    }

    fn walk(&self, base: &Chain, chain: &str, packet: &Packet, depth: usize, doubt: &mut Doubt) -> Ended {
        let Some(rules) = self.rules.get(&base.key(chain)).filter(|_| depth <= JUMPS_MAX) else {
            return Ended::Through;
        };
        for rule in rules {
            doubt.looked_at += 1;
            if doubt.looked_at > RULES_MAX {
                return Ended::Through;
            }
            let expressions = rule.get("expr").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
            let holds = holds(expressions, packet);
            if holds == Holds::No {
                continue;
            }
            let sure = holds == Holds::Yes;
            match verdict(expressions) {
                Verdict::None => {}
                Verdict::Unknown => {
                    doubt.accept = true;
                    doubt.drop.get_or_insert_with(|| shown(base, chain, rule));
                }
                Verdict::Accept if sure => return Ended::Accepted,
                Verdict::Accept => doubt.accept = true,
                Verdict::Drop if sure => return Ended::Dropped(shown(base, chain, rule)),
                Verdict::Drop => {
                    doubt.drop.get_or_insert_with(|| shown(base, chain, rule));
                }
                Verdict::Return if sure => return Ended::Through,
                Verdict::Return => {
                    doubt.accept = true;
                    doubt.drop.get_or_insert_with(|| shown(base, chain, rule));
                }
                Verdict::Go { target, comes_back } => match self.walk(base, &target, packet, depth + 1, doubt) {
                    Ended::Through if sure && !comes_back => return Ended::Through,
                    Ended::Through => {}
                    ended @ (Ended::Accepted | Ended::Dropped(_)) if sure => return ended,
                    Ended::Accepted => doubt.accept = true,
                    Ended::Dropped(place) => {
                        doubt.drop.get_or_insert(place);
                    }
                },
            }
        }
        Ended::Through
    }
}

enum Verdict {
    None,
    Accept,
    Drop,
    Return,
    Go { target: String, comes_back: bool },
    Unknown,
}

fn verdict(expressions: &[Value]) -> Verdict {
    for expression in expressions {
        let Some((key, value)) = expression.as_object().and_then(|o| o.iter().next()) else { continue };
        let target = || value.get("target").and_then(Value::as_str).unwrap_or_default().to_owned();
        match key.as_str() {
            "accept" => return Verdict::Accept,
            "drop" | "reject" => return Verdict::Drop,
            "return" => return Verdict::Return,
            "jump" => return Verdict::Go { target: target(), comes_back: true },
            "goto" => return Verdict::Go { target: target(), comes_back: false },
            "vmap" | "queue" | "xt" => return Verdict::Unknown,
            _ => {}
        }
    }
    Verdict::None
}

/// Whether all conditions of a rule hold. One that does not settles it, whatever is unknown beside it.
fn holds(expressions: &[Value], packet: &Packet) -> Holds {
    let mut all = Holds::Yes;
    for expression in expressions {
        let one = match expression.as_object().and_then(|o| o.iter().next()) {
            Some((key, value)) if key == "match" => matches(value, packet),
            Some((key, _)) if key == "limit" || key == "xt" => Holds::Unknown,
            Some(_) | None => Holds::Yes,
        };
        match one {
            Holds::No => return Holds::No,
            Holds::Unknown => all = Holds::Unknown,
            Holds::Yes => {}
        }
    }
    all
}

fn matches(condition: &Value, packet: &Packet) -> Holds {
    let field = |path: &str| condition.pointer(path).and_then(Value::as_str).unwrap_or_default();
    let Some(right) = condition.get("right") else { return Holds::Unknown };
    let v4 = packet.source.is_ipv4();
    let number = |what: u16| one_of(right, &|v| equals_number(v, what));
    let word = |what: &str| one_of(right, &|v| Holds::from(v.as_str() == Some(what)));
    let address = |ip: IpAddr| one_of(right, &|v| covers(v, ip));
    let holds = match (field("/left/meta/key"), field("/left/payload/protocol"), field("/left/payload/field")) {
        ("iifname" | "iif", ..) => one_of(right, &|v| interface(v, &packet.interface)),
        ("l4proto", ..) => number(packet.protocol),
        ("nfproto", ..) => word(if v4 { "ipv4" } else { "ipv6" }),
        ("protocol", ..) => word(if v4 { "ip" } else { "ip6" }),
        ("pkttype", ..) => word(if packet.destination.is_multicast() { "multicast" } else { "host" }),
        // Another family or protocol: the whole rule does not concern the packet, whatever the operator.
        (_, "ip" | "icmp" | "igmp", _) if !v4 => return Holds::No,
        (_, "ip6" | "icmpv6", _) if v4 => return Holds::No,
        (_, "tcp" | "sctp" | "icmp" | "icmpv6" | "esp" | "ah" | "igmp" | "dccp", _) => return Holds::No,
        (_, "udp", _) if packet.protocol != UDP => return Holds::No,
        (_, "ip", "protocol") | (_, "ip6", "nexthdr") => number(packet.protocol),
        (_, "ip" | "ip6", "saddr") => address(packet.source),
        (_, "ip" | "ip6", "daddr") => address(packet.destination),
        (_, "ip", "ttl") | (_, "ip6", "hoplimit") if packet.protocol == VRRP => number(255),
        (_, "udp" | "th", "dport") => packet.port.map_or(Holds::Unknown, number),
        _ if field("/left/ct/key") == "state" => word("new"),
        _ => Holds::Unknown,
    };
    if field("/op") == "!=" { holds.not() } else { holds }
}

/// Whether one of the values on the right of a condition is meant.
fn one_of(right: &Value, is: &dyn Fn(&Value) -> Holds) -> Holds {
    let members = right.get("set").unwrap_or(right).as_array();
    let Some(members) = members else {
        // A set by name.
        return if right.as_str().is_some_and(|t| t.starts_with('@')) { Holds::Unknown } else { is(right) };
    };
    let mut any = Holds::No;
    for member in members {
        match is(member.pointer("/elem/val").unwrap_or(member)) {
            Holds::Yes => return Holds::Yes,
            Holds::Unknown => any = Holds::Unknown,
            Holds::No => {}
        }
    }
    any
}

fn interface(value: &Value, name: &str) -> Holds {
    match value.as_str() {
        Some(text) => Holds::from(text.strip_suffix('*').map_or(text == name, |stem| name.starts_with(stem))),
        None => Holds::Unknown,
    }
}

fn equals_number(value: &Value, what: u16) -> Holds {
    if let Some(number) = value.as_u64() {
        return Holds::from(number == u64::from(what));
    }
    if let Some([low, high]) = value.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        return match (low.as_u64(), high.as_u64()) {
            (Some(low), Some(high)) => Holds::from((low..=high).contains(&u64::from(what))),
            _ => Holds::Unknown,
        };
    }
    match value.as_str() {
        Some("vrrp" | "carp") => Holds::from(what == VRRP),
        Some("udp") => Holds::from(what == UDP),
        Some(text) => match text.parse::<u16>() {
            Ok(number) => Holds::from(number == what),
            // Other protocols by name. A port by name is none of ours unless somebody named it so.
            Err(_) => Holds::No,
        },
        None => Holds::Unknown,
    }
}

fn covers(value: &Value, ip: IpAddr) -> Holds {
    let parsed = |v: &Value| v.as_str().and_then(|t| t.parse::<IpAddr>().ok());
    if let Some(one) = parsed(value) {
        return Holds::from(one == ip);
    }
    if let (Some(net), Some(len)) =
        (value.pointer("/prefix/addr").and_then(parsed), value.pointer("/prefix/len").and_then(Value::as_u64))
    {
        let (net, ip, bits) = match (net, ip) {
            (IpAddr::V4(net), IpAddr::V4(ip)) => (u128::from(u32::from(net)), u128::from(u32::from(ip)), 32_u64),
            (IpAddr::V6(net), IpAddr::V6(ip)) => (u128::from(net), u128::from(ip), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return Holds::No,
        };
        let host_bits = u32::try_from(bits.saturating_sub(len)).unwrap_or(128);
        let cut = |n: u128| n.checked_shr(host_bits).unwrap_or(0);
        return Holds::from(cut(net) == cut(ip));
    }
    if let Some([low, high]) = value.get("range").and_then(Value::as_array).map(Vec::as_slice) {
        return match (parsed(low), parsed(high)) {
            (Some(low), Some(high)) => Holds::from(low <= ip && ip <= high),
            _ => Holds::Unknown,
        };
    }
    Holds::Unknown
}

/// A rule as nft would write it, more or less, and where it is.
fn shown(base: &Chain, chain: &str, rule: &Value) -> String {
    let handle = rule.get("handle").and_then(Value::as_u64).unwrap_or(0);
    let expressions = rule.get("expr").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let words: Vec<String> = expressions.iter().map(expression).filter(|w| !w.is_empty()).collect();
    format!("rule {handle} of chain {} {} {chain}: {}", base.family, base.table, words.join(" "))
}

fn expression(expression: &Value) -> String {
    let Some((key, value)) = expression.as_object().and_then(|o| o.iter().next()) else { return String::new() };
    match key.as_str() {
        "match" => {
            let text = |path: &str| value.pointer(path).and_then(Value::as_str).map(str::to_owned);
            let left = text("/left/meta/key")
                .map(|k| if k == "l4proto" { format!("meta {k}") } else { k })
                .or_else(|| Some(format!("{} {}", text("/left/payload/protocol")?, text("/left/payload/field")?)))
                .or_else(|| text("/left/ct/key").map(|k| format!("ct {k}")))
                .unwrap_or_else(|| "...".to_owned());
            let op = if text("/op").is_some_and(|op| op == "!=") { "!= " } else { "" };
            format!("{left} {op}{}", operand(value.get("right").unwrap_or(&Value::Null)))
        }
        "jump" | "goto" => format!("{key} {}", value.get("target").and_then(Value::as_str).unwrap_or_default()),
        "counter" => String::new(),
        other => other.to_owned(),
    }
}

fn operand(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_owned();
    }
    let list = |v: &Value, between: &str| {
        let parts: Vec<String> = v.as_array().map(|a| a.iter().map(operand).collect()).unwrap_or_default();
        parts.join(between)
    };
    if let Some(set) = value.get("set") {
        return format!("{{ {} }}", list(set, ", "));
    }
    if let Some(range) = value.get("range") {
        return list(range, "-");
    }
    if let (Some(net), Some(len)) = (value.pointer("/prefix/addr"), value.pointer("/prefix/len")) {
        return format!("{}/{}", operand(net), operand(len));
    }
    if value.is_array() {
        return list(value, ",");
    }
    value.to_string()
}
