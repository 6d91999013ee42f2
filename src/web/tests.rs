//! What is said, and to whom.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::collections::BTreeMap;

use expect_test::expect_file;

use super::*;
use crate::node::event::Request;
use crate::node::status::{ConfigStatus, Holder, PeerStatus, PeerVipStatus, ProxyStatus, ReloadStatus, VipStatus};

fn proxy() -> ProxyStatus {
    ProxyStatus {
        engine: "haproxy".to_owned(),
        healthy: true,
        why: "answers and every frontend is open".to_owned(),
        for_ms: 61_005,
        doing: "serving".to_owned(),
        master_pid: Some(10),
        worker_pid: Some(11),
        version: Some("2.6.12".to_owned()),
        generation: None,
        connections: Some((7, 1000)),
        accepted: Some(4321),
        frontends: vec![("www".to_owned(), "OPEN".to_owned())],
        backends: vec![("web".to_owned(), "UP".to_owned()), ("spare".to_owned(), "DOWN".to_owned())],
        starts: 2,
        installed_version: None,
        features: Vec::new(),
        old_workers: Vec::new(),
        old_workers_more: 1,
        intents: Vec::new(),
    }
}

fn vip() -> VipStatus {
    VipStatus {
        name: "www".to_owned(),
        vrid: 51,
        interface: "eth0".to_owned(),
        addresses: vec!["192.0.2.10/24".to_owned()],
        state: "active".to_owned(),
        for_ms: 1_500,
        why: "the best priority".to_owned(),
        holder: Some(Holder { node: Some("lb1".to_owned()), address: "192.0.2.1".to_owned(), priority: 90 }),
        priority: Some(90),
        base_priority: 100,
        weights: vec![("a \"quoted\\name\"".to_owned(), -10)],
        operator: None,
        installed: vec!["192.0.2.10/24".to_owned()],
        transitions: Vec::new(),
        counters: BTreeMap::from([
            ("adverts-sent".to_owned(), 12),
            ("rivals-heard".to_owned(), 1),
            ("transitions".to_owned(), 2),
        ]),
        dropped: BTreeMap::from([("hop-limit".to_owned(), 3)]),
        group: None,
        routing: Vec::new(),
        speakers: Vec::new(),
        duplicates: Vec::new(),
        refused: Vec::new(),
        troubles: vec!["look at this".to_owned()],
    }
}

fn peer() -> PeerStatus {
    PeerStatus {
        name: "lb2".to_owned(),
        address: "192.0.2.2".to_owned(),
        heard_ms_ago: Some(250),
        state: "fresh".to_owned(),
        same_config: Some(false),
        vips: vec![PeerVipStatus {
            name: "www".to_owned(),
            state: "backup".to_owned(),
            priority: None,
            fit: false,
            why: "its proxy".to_owned(),
        }],
        dropped: BTreeMap::new(),
    }
}

fn status() -> Status {
    Status {
        node: "lb1".to_owned(),
        version: "0.1.0".to_owned(),
        pid: 1,
        up_ms: 3_600_000,
        phase: "running".to_owned(),
        maintenance: false,
        config: ConfigStatus {
            digest: "00ff".to_owned(),
            loaded_ms_ago: 2_000,
            last_reload: Some(ReloadStatus { ok: false, message: "refused".to_owned(), ms_ago: 10, took_ms: 352 }),
        },
        proxy: proxy(),
        vips: vec![vip()],
        dropped: BTreeMap::from([("eth0".to_owned(), BTreeMap::from([("unknown-vrid".to_owned(), 5)]))]),
        trackers: Vec::new(),
        peers: vec![peer()],
        peers_note: None,
    }
}

#[test]
fn a_status_becomes_the_text_that_prometheus_reads() {
    expect_file!["tests/metrics.txt"].assert_eq(&metrics(&status()));
}

#[test]
fn a_family_is_described_once_and_its_series_stand_together() {
    let mut status = status();
    let other = VipStatus { name: "db".to_owned(), ..status.vips[0].clone() };
    status.vips.push(other);
    let text = metrics(&status);
    let mut seen = std::collections::BTreeSet::new();
    let mut last = String::new();
    for line in text.lines() {
        let name = match line.strip_prefix("# HELP ").or_else(|| line.strip_prefix("# TYPE ")) {
            Some(rest) => rest.split(' ').next().unwrap(),
            None => line.split(['{', ' ']).next().unwrap(),
        };
        if name != last {
            assert!(seen.insert(name.to_owned()), "{name} again");
            assert!(line.starts_with("# HELP "), "{line}");
        }
        last = name.to_owned();
    }
}

#[test]
fn readiness_has_a_reason_when_it_is_missing() {
    assert_eq!(readiness(&status()), Ok(()));
    let starting = Status { phase: "starting".to_owned(), ..status() };
    assert_eq!(readiness(&starting), Err("vipkeeper is starting".to_owned()));
    let aside = Status { maintenance: true, ..status() };
    assert_eq!(readiness(&aside), Err("in maintenance".to_owned()));
    let mut down = status();
    (down.proxy.healthy, down.proxy.why) = (false, "signal 9".to_owned());
    assert_eq!(readiness(&down), Err("the proxy: signal 9".to_owned()));
}

#[test]
fn time_and_adverts_alone_are_no_news() {
    let before = status();
    let mut after = before.clone();
    after.up_ms += 1;
    after.proxy.accepted = Some(5000);
    after.vips[0].for_ms += 1;
    after.vips[0].counters.insert("adverts-sent".to_owned(), 13);
    after.peers[0].heard_ms_ago = Some(0);
    assert_eq!(fingerprint(&before), fingerprint(&after));
    after.vips[0].state = "backup".to_owned();
    assert_ne!(fingerprint(&before), fingerprint(&after));
    let more = Status { proxy: ProxyStatus { connections: Some((8, 1000)), ..before.proxy.clone() }, ..before.clone() };
    assert_ne!(fingerprint(&before), fingerprint(&more));
}

#[test]
fn hosts_are_addresses_and_known_names() {
    let known = ["lb1".to_owned(), "vip.example.com".to_owned()];
    for good in ["127.0.0.1", "127.0.0.1:9112", "[::1]", "[::1]:9112", "localhost:9112", "LB1:9112", "vip.example.com."]
    {
        assert!(is_host(good, &known), "{good}");
    }
    for bad in ["", "evil.example", "lb1.evil.example", "127.0.0.1.evil.example:9112", "localhost.evil:1"] {
        assert!(!is_host(bad, &known), "{bad}");
    }
}

#[test]
fn a_token_is_whole_and_long_enough() {
    let token = "0123456789abcdef\n";
    assert!(is_permitted(Some("Bearer 0123456789abcdef"), token));
    assert!(is_permitted(Some("bearer  0123456789abcdef "), token));
    for bad in [
        None,
        Some(""),
        Some("Bearer"),
        Some("Bearer "),
        Some("Bearer 0123456789abcdeF"),
        Some("Basic 0123456789abcdef"),
    ] {
        assert!(!is_permitted(bad, token), "{bad:?}");
    }
    assert!(!is_permitted(Some("Bearer short"), "short"));
    assert!(!is_permitted(Some("Bearer "), ""));
}

#[test]
fn paths_mean_the_same_with_and_without_api() {
    assert_eq!(Path::of("/api/v1/status"), Some(Path::View(View::Status)));
    assert_eq!(Path::of("/v1/status"), Some(Path::View(View::Status)));
    assert_eq!(Path::of("/v1/release"), Some(Path::Act(Act::Release)));
    assert_eq!(Path::of("/api/v1/vips/www"), Some(Path::View(View::Vip("www".to_owned()))));
    assert!(matches!(Path::of("/"), Some(Path::Asset(asset)) if asset.media_type.starts_with("text/html")));
    for nothing in ["", "/v2/status", "/api/status", "/v1/", "/v1/release/", "/metrics/", "/app.js.map"] {
        assert_eq!(Path::of(nothing), None, "{nothing}");
    }
    assert_eq!((Path::Act(Act::Reload).method(), Path::View(View::Metrics).method()), ("POST", "GET"));
}

#[test]
fn bodies_are_read_and_wrong_ones_come_with_an_example() {
    assert_eq!(parse(Act::Reload, b"whatever"), Ok(Request::Reload));
    assert_eq!(parse(Act::Maintenance, br#"{"on": true}"#), Ok(Request::Maintenance { on: true }));
    assert_eq!(parse(Act::Resume, b" "), Ok(Request::Resume { vip: None }));
    for (act, body) in [
        (Act::Maintenance, &b""[..]),
        (Act::Release, br#"{"vips": "www"}"#),
        (Act::Switchover, br#"{"to": "a b"}"#),
        (Act::Server, br#"{"server": "web/web1", "wish": {"weight": 257}}"#),
    ] {
        assert!(parse(act, body).is_err(), "{act:?}");
    }
}

#[test]
fn the_description_has_every_path_and_every_reference_leads_somewhere() {
    let description = openapi();
    let paths = description["paths"].as_object().unwrap();
    for (name, _) in Act::ALL {
        assert!(paths.contains_key(&format!("/api/v1/{name}")), "{name}");
    }
    for path in paths.keys() {
        assert!(Path::of(&path.replace("{name}", "www")).is_some(), "{path}");
    }
    let text = description.to_string();
    for (at, _) in text.match_indices("\"$ref\":\"#") {
        let pointer = text[at..].split('"').nth(3).unwrap().trim_start_matches('#');
        assert!(description.pointer(pointer).is_some(), "{pointer}");
    }
    assert!(text.matches("$ref").count() > 10);
    assert!(description.pointer("/components/schemas/Status/properties/vips").is_some());
}
