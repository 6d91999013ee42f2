//! What `packaging/` has for monitoring systems fits what `/metrics` says.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;
use vipkeeper::node::Status;
use vipkeeper::web;

fn packaging(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("packaging").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(packaging(name)).unwrap()
}

/// Names of all metrics: of a status in which each kind of thing happened.
fn known() -> BTreeSet<String> {
    let mut status: Status = serde_json::from_str(include_str!("../data/page/calm.json")).unwrap();
    status.dropped.insert("eth0".to_owned(), BTreeMap::from([("unknown vrid".to_owned(), 1)]));
    status.vips[0].dropped.insert("wrong TTL".to_owned(), 1);
    status.proxy.accepted = Some(1);
    let text = web::metrics(&status);
    let names = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    let names: BTreeSet<String> = names.map(str::to_owned).collect();
    assert!(names.len() > 30, "{names:?}");
    names
}

/// What looks like a metric of ours; those with a colon are recorded by the rules.
fn named(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    words.filter(|word| word.starts_with("vipkeeper_") && !word.contains(':')).collect()
}

#[test]
fn every_metric_that_is_asked_for_exists() {
    let known = known();
    for file in [
        "prometheus/vipkeeper.rules.yml",
        "prometheus/vipkeeper.rules.test.yml",
        "grafana/vipkeeper.json",
        "zabbix/vipkeeper.yaml",
    ] {
        let text = read(file);
        let named = named(&text);
        assert!(named.len() > 5, "{file}: {named:?}");
        let unknown: Vec<_> = named.iter().filter(|name| !known.contains(**name)).collect();
        assert!(unknown.is_empty(), "{file} asks for what /metrics does not have: {unknown:?}");
    }
}

#[test]
fn recorded_names_are_recorded() {
    let text = read("prometheus/vipkeeper.rules.yml");
    let recorded: BTreeSet<&str> = text.lines().filter_map(|line| line.trim().strip_prefix("- record: ")).collect();
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != ':');
    let used: BTreeSet<&str> = words.filter(|word| word.contains(":vipkeeper_")).collect();
    assert_eq!(used, recorded);
}

#[test]
fn panels_of_the_dashboard_neither_share_an_id_nor_a_place() {
    let dashboard: Value = serde_json::from_str(&read("grafana/vipkeeper.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{}", panel["title"]);
        let side = |name: &str| panel["gridPos"][name].as_u64().unwrap();
        assert!(side("x") + side("w") <= 24, "{}", panel["title"]);
        for x in side("x")..side("x") + side("w") {
            for y in side("y")..side("y") + side("h") {
                assert!(places.insert((x, y)), "{} covers another panel", panel["title"]);
            }
        }
        let is_row = panel["type"] == "row";
        assert!(is_row || panel["targets"].as_array().is_some_and(|all| !all.is_empty()), "{}", panel["title"]);
        assert!(is_row || panel["description"].as_str().is_some_and(|text| text.len() > 10), "{}", panel["title"]);
    }
}

#[test]
fn promtool_accepts_the_rules_and_their_tests() {
    for (command, file) in [("check", "vipkeeper.rules.yml"), ("test", "vipkeeper.rules.test.yml")] {
        let run = Command::new("promtool").args([command, "rules", file]).current_dir(packaging("prometheus")).output();
        let Ok(output) = run else {
            return crate::skip("promtool_accepts_the_rules_and_their_tests", "promtool is not installed");
        };
        let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}");
    }
}
