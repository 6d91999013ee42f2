//! `import`: files of keepalived and HAProxy through the binary.

use std::path::Path;
use std::process::{Command, Output};

use crate::skip;

const SAMPLES: &str = "/usr/share/doc/keepalived/samples";

fn data(file: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import").join(file).to_str().unwrap().to_owned()
}

fn import(args: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        Command::new(env!("CARGO_BIN_EXE_vipkeeper")).arg("import").args(args).output().unwrap();
    (status.code().unwrap(), String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap())
}

fn check(report: &str) -> Vec<&str> {
    report.lines().filter(|line| line.starts_with("check: ")).collect()
}

#[test]
fn a_pair_with_its_haproxy_passes_the_check() {
    let (lb1, lb2, haproxy) = (data("lb1.conf"), data("lb2.conf"), data("haproxy.cfg"));
    let (status, toml, report) = import(&[&lb1, &lb2, "--with", &haproxy]);
    assert_eq!(status, 0, "{report}");
    assert_eq!(check(&report), Vec::<&str>::new(), "{toml}");
    assert!(report.contains("trap: global_defs: vrrp_strict"), "{report}");
    assert!(!report.contains("never moves it"), "{report}");
}

#[test]
fn one_file_with_two_ids_makes_two_nodes() {
    let (status, toml, report) = import(&[&data("both.conf"), "--with", &data("haproxy.cfg")]);
    assert_eq!(status, 0, "{report}");
    assert!(toml.contains("addresses = [\"10.8.0.101/24\", \"10.8.0.102/24\", \"10.8.0.103/24\"]"), "{toml}");
    assert!(toml.contains("priority = { \"lb1\" = 150, \"lb2\" = 100 }"), "{toml}");
    // The interface that it tracks is its own.
    assert!(!toml.contains("link-eth1") && report.contains("the VIP's own interface is watched in any case"), "{toml}");
}

#[test]
fn a_file_that_is_there_is_not_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("vipkeeper.toml");
    std::fs::write(&file, "mine").unwrap();
    let (status, _, report) = import(&[&data("lb1.conf"), "-o", file.to_str().unwrap()]);
    assert_eq!(status, 2, "{report}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}

#[test]
fn samples_of_keepalived_give_a_result_or_an_error_with_its_place() {
    let Ok(entries) = std::fs::read_dir(SAMPLES) else {
        skip(
            "samples_of_keepalived_give_a_result_or_an_error_with_its_place",
            "keepalived's samples are not installed",
        );
        return;
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files.iter().filter(|f| f.file_name().unwrap().to_str().unwrap().starts_with("keepalived.conf")) {
        let (status, _, report) = import(&[file.to_str().unwrap()]);
        println!("{}: {status}: {}", file.display(), report.lines().last().unwrap_or_default());
        assert!(
            status == 0 || (status == 2 && report.contains(&format!("{}:", file.display()))),
            "{}: {status}: {report}",
            file.display()
        );
    }
}
