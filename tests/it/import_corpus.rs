//! `import` of configurations in the style of common guides: each gives the same file and report, which passes the check.
//!
//! After a change that is meant: `UPDATE_EXPECT=1 cargo test --test it import_corpus`.

use std::path::PathBuf;
use std::process::Command;

use expect_test::expect_file;
use vipkeeper::import::report::Fate;
use vipkeeper::import::{Imported, Input, import};

fn text(file: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/data/import/corpus").join(file);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Imports the files of nodes and a haproxy.cfg, and runs the binary's check on what comes out.
fn imported(files: &[&str], haproxy: Option<&str>) -> Imported {
    let inputs: Vec<Input> =
        files.iter().map(|file| Input { node: None, path: (*file).to_owned(), text: text(file) }).collect();
    let with = haproxy.map(|file| (file, text(file)));
    let with = with.as_ref().map(|(file, text)| (*file, text.as_str()));
    let imported = import(&inputs, with, &|_: &str, pattern: &str| Err(format!("no file {pattern}"))).unwrap();
    assert_eq!(imported.report.problems, Vec::<String>::new(), "{}", imported.toml);
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vipkeeper.toml");
    std::fs::write(&file, &imported.toml).unwrap();
    let node =
        imported.toml.lines().find_map(|line| line.strip_prefix("name = ")).unwrap().trim_matches('"').to_owned();
    let check = Command::new(env!("CARGO_BIN_EXE_vipkeeper"))
        .args(["check", "--no-proxy", "--node", &node])
        .arg(&file)
        .output()
        .unwrap();
    assert!(check.status.success(), "{}\n{}", String::from_utf8_lossy(&check.stderr), imported.toml);
    imported
}

#[test]
fn a_pair_in_front_of_web_servers_that_looks_at_haproxy_by_killall() {
    let imported = imported(&["pair-lb1.conf", "pair-lb2.conf"], Some("web.cfg"));
    expect_file!["../data/import/corpus/pair.toml"].assert_eq(&imported.toml);
    expect_file!["../data/import/corpus/pair.report"].assert_eq(&imported.report.text());
}

#[test]
fn two_nginx_with_a_vip_each_that_send_mail() {
    let imported = imported(&["nginx-www1.conf", "nginx-www2.conf"], None);
    expect_file!["../data/import/corpus/nginx.toml"].assert_eq(&imported.toml);
    expect_file!["../data/import/corpus/nginx.report"].assert_eq(&imported.report.text());
}

#[test]
fn gateways_whose_two_sides_move_together_in_front_of_kubernetes() {
    let imported = imported(&["gateway-gw1.conf", "gateway-gw2.conf"], Some("kubernetes.cfg"));
    expect_file!["../data/import/corpus/gateway.toml"].assert_eq(&imported.toml);
    expect_file!["../data/import/corpus/gateway.report"].assert_eq(&imported.report.text());
}

#[test]
fn a_pair_in_front_of_a_galera_cluster() {
    let imported = imported(&["pair-lb1.conf", "pair-lb2.conf"], Some("galera.cfg"));
    expect_file!["../data/import/corpus/galera.toml"].assert_eq(&imported.toml);
    expect_file!["../data/import/corpus/galera.report"].assert_eq(&imported.report.text());
}

/// The figures of docs/migrating.md.
#[test]
fn docs_tell_how_much_of_the_corpus_is_mapped() {
    let mut totals = [0_usize; 5];
    let (mut files, mut rows) = (0_usize, Vec::new());
    for (name, nodes, haproxy) in [
        ("pair", ["pair-lb1.conf", "pair-lb2.conf"], Some("web.cfg")),
        ("nginx", ["nginx-www1.conf", "nginx-www2.conf"], None),
        ("gateway", ["gateway-gw1.conf", "gateway-gw2.conf"], Some("kubernetes.cfg")),
        ("galera", ["pair-lb1.conf", "pair-lb2.conf"], Some("galera.cfg")),
    ] {
        let report = imported(&nodes, haproxy).report;
        let fates = [Fate::Mapped, Fate::Raw, Fate::Approximated, Fate::Dropped, Fate::Trap];
        let counts = fates.map(|fate| report.count(fate));
        totals.iter_mut().zip(counts).for_each(|(total, count)| *total += count);
        files += 1;
        rows.push(format!("{name} {counts:?}"));
    }
    let all: usize = totals.iter().sum();
    let percents = totals.map(|count| (count * 1000 / all + 5) / 10);
    let [mapped, raw, approximated, dropped, trap] = percents;
    let docs = include_str!("../../docs/migrating.md");
    let row = format!(
        "| {files} set-ups in the style of common guides | {all} | {mapped}% | {raw}% | {approximated}% | {dropped}% | {trap}% |"
    );
    assert!(docs.contains(&row), "docs/migrating.md should have: {row}\n{}", rows.join("\n"));
}
