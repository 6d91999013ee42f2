//! Every finding is provoked from facts, and healthy facts provoke none.
#![allow(clippy::too_many_lines, reason = "tables")]

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use serde_json::json;

use super::facts::{Certificate, Heard, Interface, Networkd, Probed};
use super::{Facts, Gathered, IDS, Report, Severity, examine};
use crate::config::{self, Config, Source, Sources};
use crate::node::Status;
use crate::units::Name;

const TOML: &str = r#"
[[node]]
name = "lb1"
address = "10.0.0.1"

[[node]]
name = "lb2"
address = "10.0.0.2"

[peers]
key_file = "/etc/vipkeeper/peers.key"

[[vip]]
name = "www"
addresses = ["10.0.0.100/24"]
interface = "eth0"
vrid = 51
prefer = ["lb1", "lb2"]

[[vip]]
name = "six"
addresses = ["2001:db8::100/64"]
interface = "eth0"
vrid = 52
prefer = ["lb1", "lb2"]

[proxy]
engine = "haproxy"

[[frontend]]
name = "www"
bind = ["www:80"]
default_backend = "web"

[[backend]]
name = "web"
server = [{ name = "a", address = "10.1.0.1:80" }]
"#;

fn config() -> Config {
    let source = Source { path: "vipkeeper.toml".into(), text: TOML.to_owned() };
    let sources = Sources { files: vec![source] };
    config::load(&sources).map_err(|p| p.report(&sources, config::Colour::None)).unwrap()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn status() -> Status {
    serde_json::from_value(json!({
        "node": "lb1", "version": "0.1.0", "pid": 100, "up_ms": 1000, "phase": "running",
        "config": { "digest": "00", "loaded_ms_ago": 1000, "last_reload": null },
        "proxy": {
            "healthy": true, "why": "answers", "for_ms": 1000, "doing": "serving", "master_pid": 200, "worker_pid": 201,
            "version": "2.6", "generation": "g", "connections": null, "frontends": [], "backends": [], "starts": 1
        },
        "vips": [{
            "name": "www", "vrid": 51, "interface": "eth0", "addresses": ["10.0.0.100/24"], "state": "backup",
            "for_ms": 1000, "why": "lb2 is better", "holder": null, "priority": 254, "base_priority": 254, "weights": [],
            "installed": [], "transitions": [], "counters": {}, "dropped": {}
        }],
        "dropped": {}, "trackers": [], "peers_note": null,
        "peers": [{
            "name": "lb2", "address": "10.0.0.2", "heard_ms_ago": 5, "state": "fresh", "same_config": true, "dropped": {},
            "vips": [{ "name": "www", "state": "active", "priority": 253, "fit": true, "why": "" }]
        }]
    }))
    .unwrap()
}

/// A host on which all is well, listened and probed.
fn fine() -> Facts {
    let eth0 =
        Interface { up: true, carrier: Some(true), mtu: 1500, addresses: vec![ip("10.0.0.1")], ..Interface::default() };
    let read = |text: &str| Gathered::Read(text.to_owned());
    let settings = ["eth0", "all"].into_iter().flat_map(|interface| {
        let v4 = [("rp_filter", "2"), ("arp_ignore", "0"), ("promote_secondaries", "1"), ("forwarding", "1")];
        let v4 = v4.map(|(key, value)| (format!("net/ipv4/conf/{interface}/{key}"), read(value)));
        v4.into_iter().chain([(format!("net/ipv6/conf/{interface}/disable_ipv6"), read("0"))])
    });
    let heard = |vrid, source: &str| Heard { interface: "eth0".to_owned(), source: ip(source), vrid, priority: 253 };
    let probed = |address: &str, mac: &str| Probed {
        address: ip(address),
        interface: "eth0".to_owned(),
        answers: Gathered::Read(vec![mac.to_owned()]),
    };
    Facts {
        capabilities: Gathered::Read(
            [("CAP_NET_ADMIN", true), ("CAP_NET_RAW", true)].map(|(n, h)| (n.to_owned(), h)).into(),
        ),
        interfaces: Gathered::Read(BTreeMap::from([("eth0".to_owned(), eth0)])),
        nftables: read(r#"{"nftables": []}"#),
        legacy_tables: Gathered::Read(Vec::new()),
        sysctls: settings.collect(),
        processes: Gathered::Read(vec![(1, "systemd".to_owned()), (100, "vipkeeper".to_owned())]),
        ports: Gathered::Read(Vec::new()),
        certificates: BTreeMap::from([("/etc/site.pem".to_owned(), Gathered::Read(vec![until(90)]))]),
        unix_time: NOW,
        processor_pressure: Gathered::Read(12),
        realtime: Gathered::Read(true),
        running: Gathered::Read(Some(Box::new(status()))),
        heard: Some(Gathered::Read(vec![heard(51, "10.0.0.2"), heard(52, "fe80::2")])),
        probed: Some(vec![probed("10.0.0.2", "02:00:00:00:00:02"), probed("10.0.0.100", "02:00:00:00:00:02")]),
    }
}

const NOW: u64 = 1_700_000_000;

fn until(days: i64) -> Certificate {
    Certificate { subject: "CN=example.com".to_owned(), not_after: i64::try_from(NOW).unwrap() + days * 86_400 + 60 }
}

fn judged(facts: &Facts) -> Report {
    examine(&config(), &Name::new("lb1").unwrap(), facts)
}

fn ids(facts: &Facts) -> Vec<String> {
    judged(facts).findings.into_iter().map(|f| f.id).collect()
}

fn eth0(facts: &mut Facts) -> &mut Interface {
    match &mut facts.interfaces {
        Gathered::Read(all) => all.get_mut("eth0").unwrap(),
        Gathered::Unread(_) => panic!("no interfaces"),
    }
}

fn running(facts: &mut Facts) -> &mut Status {
    match &mut facts.running {
        Gathered::Read(Some(status)) => status,
        Gathered::Read(None) | Gathered::Unread(_) => panic!("nothing runs"),
    }
}

fn set(facts: &mut Facts, path: &str, value: &str) {
    let before = facts.sysctls.insert(path.to_owned(), Gathered::Read(value.to_owned()));
    assert!(before.is_some(), "{path} is no setting that is gathered");
}

/// `nft -j list ruleset` for one chain of input.
fn chain(policy: &str, rules: &[serde_json::Value]) -> Gathered<String> {
    let mut all = vec![json!({ "chain": { "family": "inet", "table": "f", "name": "in", "handle": 1, "type": "filter",
        "hook": "input", "prio": 0, "policy": policy } })];
    all.extend(rules.iter().enumerate().map(
        |(n, expr)| json!({ "rule": { "family": "inet", "table": "f", "chain": "in", "handle": n + 2, "expr": expr } }),
    ));
    Gathered::Read(json!({ "nftables": all }).to_string())
}

fn is(left: serde_json::Value, right: serde_json::Value) -> serde_json::Value {
    json!({ "match": { "op": "==", "left": left, "right": right } })
}

fn protocol(right: serde_json::Value) -> serde_json::Value {
    is(json!({ "meta": { "key": "l4proto" } }), right)
}

fn ct(right: serde_json::Value) -> serde_json::Value {
    json!({ "match": { "op": "in", "left": { "ct": { "key": "state" } }, "right": right } })
}

type Provoke = fn(&mut Facts);

/// What is wrong, and which finding must name it.
fn table() -> Vec<(&'static str, Provoke)> {
    vec![
        ("missing-capability", |f| {
            f.running = Gathered::Read(None);
            f.capabilities = Gathered::Read(BTreeMap::from([("CAP_NET_RAW".to_owned(), false)]));
        }),
        ("interface-missing", |f| {
            let lo = Interface { addresses: vec![ip("10.0.0.1")], ..Interface::default() };
            f.interfaces = Gathered::Read(BTreeMap::from([("lo".to_owned(), lo)]));
        }),
        ("interface-down", |f| eth0(f).up = false),
        ("interface-no-carrier", |f| eth0(f).carrier = Some(false)),
        ("node-address-missing", |f| eth0(f).addresses = vec![ip("10.0.0.9")]),
        ("firewall-drops-vrrp", |f| {
            f.nftables = chain("accept", &[json!([protocol(json!("vrrp")), { "drop": null }])])
        }),
        ("firewall-drops-hello", |f| {
            let port = config().peers.unwrap().port;
            let udp = is(json!({ "payload": { "protocol": "udp", "field": "dport" } }), json!(port));
            f.nftables = chain("accept", &[json!([udp, { "reject": null }])]);
        }),
        ("firewall-unclear", |f| {
            let unknown = is(json!({ "payload": { "protocol": "ip", "field": "dscp" } }), json!("cs6"));
            f.nftables = chain("accept", &[json!([unknown, { "drop": null }])]);
        }),
        ("rp-filter-strict", |f| {
            set(f, "net/ipv4/conf/all/rp_filter", "0");
            set(f, "net/ipv4/conf/eth0/rp_filter", "1");
        }),
        ("arp-ignore-silences", |f| set(f, "net/ipv4/conf/all/arp_ignore", "8")),
        ("ipv6-disabled", |f| set(f, "net/ipv6/conf/eth0/disable_ipv6", "1")),
        ("promote-secondaries-off", |f| {
            set(f, "net/ipv4/conf/all/promote_secondaries", "0");
            set(f, "net/ipv4/conf/eth0/promote_secondaries", "0");
        }),
        ("other-vrrp-daemon", |f| f.processes = Gathered::Read(vec![(7, "keepalived".to_owned())])),
        ("second-vipkeeper", |f| {
            f.processes = Gathered::Read(vec![(100, "vipkeeper".to_owned()), (101, "vipkeeper".to_owned())]);
        }),
        ("networkd-deletes", |f| {
            eth0(f).networkd = Some(Networkd { file: "/etc/systemd/network/a.network".to_owned(), keep: None });
        }),
        ("networkmanager-manages", |f| eth0(f).network_manager = true),
        ("port-taken", |f| {
            let line = "10.0.0.100:80 is taken by apache2 (process 9): stop it, or bind another port";
            f.ports = Gathered::Read(vec![("10.0.0.100:80".parse().unwrap(), line.to_owned())]);
        }),
        ("certificate-unreadable", |f| {
            drop(f.certificates.insert("/etc/a.pem".to_owned(), Gathered::Read(Vec::new())))
        }),
        ("certificate-expired", |f| {
            drop(f.certificates.insert("/etc/a.pem".to_owned(), Gathered::Read(vec![until(-3)])));
        }),
        ("certificate-expires-soon", |f| {
            drop(f.certificates.insert("/etc/a.pem".to_owned(), Gathered::Read(vec![until(5)])));
        }),
        ("processor-starved", |f| f.processor_pressure = Gathered::Read(2_500)),
        ("no-realtime", |f| f.realtime = Gathered::Read(false)),
        ("peer-other-config", |f| running(f).peers[0].same_config = Some(false)),
        ("peer-unreachable", |f| running(f).peers[0].state = "silent".to_owned()),
        ("advert-refused", |f| {
            running(f).vips[0].refused =
                serde_json::from_value(json!([{ "address": "10.0.0.2", "reason": "version", "ms_ago": 5 }])).unwrap();
        }),
        ("foreign-speaker", |f| {
            let one = Heard { interface: "eth0".to_owned(), source: ip("10.0.0.77"), vrid: 51, priority: 100 };
            f.heard = Some(Gathered::Read(vec![one]));
            running(f).peers[0].vips.clear();
        }),
        ("duplicate-address", |f| {
            f.probed.as_mut().unwrap()[1].answers = Gathered::Read(vec!["02:00:00:00:00:99".to_owned()]);
        }),
        ("proxy-failed", |f| running(f).proxy.healthy = false),
        ("vip-in-fault", |f| running(f).vips[0].state = "fault".to_owned()),
        ("reload-refused", |f| {
            let refused = json!({ "ok": false, "message": "no such key", "ms_ago": 5, "took_ms": 1 });
            running(f).config.last_reload = serde_json::from_value(refused).unwrap();
        }),
        ("adverts-not-heard", |f| f.heard = Some(Gathered::Read(Vec::new()))),
    ]
}

#[test]
fn a_healthy_pair_has_no_finding() {
    let report = judged(&fine());
    assert_eq!(report.findings, [], "{report:#?}");
    assert_eq!(report.unchecked, [], "{report:#?}");
}

#[test]
fn every_fault_alone_is_found_and_nothing_else() {
    for (id, provoke) in table() {
        let mut facts = fine();
        provoke(&mut facts);
        let mut found = ids(&facts);
        found.dedup();
        assert_eq!(found, [id], "{:#?}", judged(&facts));
    }
}

#[test]
fn every_id_is_provoked_by_a_test() {
    let provoked: BTreeSet<&str> = table().into_iter().map(|(id, _)| id).chain(["forwarding-off"]).collect();
    assert_eq!(provoked, BTreeSet::from(IDS));
}

#[test]
fn a_vip_that_only_forwards_needs_forwarding() {
    let mut config = config();
    config.vips[0].accept = config::Accept::No;
    let mut facts = fine();
    set(&mut facts, "net/ipv4/conf/eth0/forwarding", "0");
    let found = examine(&config, &Name::new("lb1").unwrap(), &facts).findings;
    assert_eq!(found.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(), ["forwarding-off"]);
}

#[test]
fn what_could_not_be_read_is_said_and_is_no_finding() {
    let unread = || "not permitted".to_owned();
    let facts = Facts {
        capabilities: Gathered::Unread(unread()),
        interfaces: Gathered::Unread(unread()),
        nftables: Gathered::Unread(unread()),
        legacy_tables: Gathered::Unread(unread()),
        sysctls: BTreeMap::from([("net/ipv4/conf/eth0/rp_filter".to_owned(), Gathered::Unread(unread()))]),
        processes: Gathered::Unread(unread()),
        ports: Gathered::Unread(unread()),
        certificates: BTreeMap::from([("/etc/a.pem".to_owned(), Gathered::Unread(unread()))]),
        unix_time: NOW,
        processor_pressure: Gathered::Unread(unread()),
        realtime: Gathered::Unread(unread()),
        running: Gathered::Unread(unread()),
        heard: None,
        probed: None,
    };
    let report = judged(&facts);
    assert_eq!(report.findings, [], "{report:#?}");
    assert!(report.unchecked.len() >= 12, "{:#?}", report.unchecked);
}

/// The chain and rules of the first column, and what becomes of VRRP: named place, nothing, or unclear.
#[test]
fn rules_are_read_as_the_kernel_reads_them() {
    let accept = |condition| json!([condition, { "accept": null }]);
    let payload =
        |protocol: &str, field: &str, right| is(json!({ "payload": { "protocol": protocol, "field": field } }), right);
    let name = |right| is(json!({ "meta": { "key": "iifname" } }), right);
    let all_let_in = accept(protocol(json!({ "set": ["tcp", "udp", 112] })));
    let hello = accept(protocol(json!("udp")));
    let net = json!({ "prefix": { "addr": "10.0.0.0", "len": 24 } });
    let other_net = json!({ "prefix": { "addr": "10.0.1.0", "len": 24 } });
    let v6 = accept(payload("ip6", "nexthdr", json!("vrrp")));
    let cases: Vec<(&str, Gathered<String>, &[&str])> = vec![
        ("policy accept", chain("accept", &[]), &[]),
        ("policy drop, set of protocols", chain("drop", std::slice::from_ref(&all_let_in)), &[]),
        ("policy drop alone", chain("drop", std::slice::from_ref(&hello)), &["firewall-drops-vrrp"]),
        (
            "established is no help",
            chain("drop", &[hello.clone(), json!([ct(json!(["established", "related"])), { "accept": null }])]),
            &["firewall-drops-vrrp"],
        ),
        (
            "a rule before the accept",
            chain("drop", &[json!([name(json!("eth0")), { "drop": null }]), all_let_in.clone()]),
            &["firewall-drops-hello", "firewall-drops-vrrp"],
        ),
        ("another interface", chain("accept", &[json!([name(json!("eth1")), { "drop": null }])]), &[]),
        (
            "interfaces by stem",
            chain("accept", &[json!([name(json!("eth*")), protocol(json!("vrrp")), { "drop": null }])]),
            &["firewall-drops-vrrp"],
        ),
        ("the peers' network", chain("drop", &[accept(payload("ip", "saddr", net)), v6.clone()]), &[]),
        (
            "another network",
            chain("drop", &[accept(payload("ip", "saddr", other_net)), v6.clone(), hello.clone()]),
            &["firewall-drops-vrrp"],
        ),
        (
            "the group",
            chain("drop", &[accept(payload("ip", "daddr", json!("224.0.0.18"))), v6.clone(), hello.clone()]),
            &[],
        ),
        ("TTL as RFC 9568 wants it", chain("drop", &[accept(payload("ip", "ttl", json!(255))), v6, hello]), &[]),
        ("a rate", chain("accept", &[json!([{ "limit": { "rate": 1 } }, { "drop": null }])]), &["firewall-unclear"]),
    ];
    for (name, nftables, expected) in cases {
        let facts = Facts { nftables, ..fine() };
        let found: BTreeSet<String> = ids(&facts).into_iter().collect();
        assert_eq!(found, expected.iter().map(|id| (*id).to_owned()).collect(), "{name}: {:#?}", judged(&facts));
    }
}

#[test]
fn the_rule_that_drops_is_named_with_its_handle_and_the_command_that_helps() {
    let name = is(json!({ "meta": { "key": "iifname" } }), json!("eth0"));
    let rule = json!([name, protocol(json!("vrrp")), { "counter": { "packets": 1, "bytes": 2 } }, { "drop": null }]);
    let report = judged(&Facts { nftables: chain("accept", &[rule]), ..fine() });
    let first = &report.findings[0];
    let place = "dropped by rule 2 of chain inet f in: iifname eth0 meta l4proto vrrp drop";
    assert!(first.what.ends_with(place), "{}", first.what);
    assert_eq!(first.fix, "nft insert rule inet f in iifname \"eth0\" meta l4proto 112 accept");
}

#[test]
fn a_chain_that_jumps_in_a_circle_ends() {
    let jump = json!([{ "jump": { "target": "in" } }]);
    drop(ids(&Facts { nftables: chain("accept", &[jump.clone(), jump.clone(), jump]), ..fine() }));
}

#[test]
fn a_free_vrid_is_one_that_nobody_was_heard_to_use() {
    let mut facts = fine();
    let one = |vrid| Heard { interface: "eth0".to_owned(), source: ip("10.0.0.77"), vrid, priority: 100 };
    facts.heard = Some(Gathered::Read(vec![one(51), one(255), one(254)]));
    let report = judged(&facts);
    let foreign: Vec<_> = report.findings.iter().filter(|f| f.id == "foreign-speaker").collect();
    assert_eq!(foreign.len(), 1, "{report:#?}");
    assert!(foreign[0].fix.starts_with("vrid = 253 "), "{}", foreign[0].fix);
}

#[test]
fn worst_comes_first() {
    let mut facts = fine();
    facts.realtime = Gathered::Read(false);
    running(&mut facts).proxy.healthy = false;
    let order: Vec<Severity> = judged(&facts).findings.iter().map(|f| f.severity).collect();
    assert_eq!(order, [Severity::Error, Severity::Note]);
}
