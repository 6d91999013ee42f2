//! The doctor's documentation, and the command without root or a running vipkeeper.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use vipkeeper::doctor::IDS;

#[test]
fn documentation_lists_every_finding() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/troubleshooting.md");
    let text = std::fs::read_to_string(path).unwrap();
    let (by_symptom, table) = text.split_once("## Every finding").unwrap();
    let listed: BTreeSet<&str> =
        table.lines().filter_map(|line| line.strip_prefix("| `")?.split_once('`').map(|(id, _)| id)).collect();
    assert_eq!(listed, BTreeSet::from(IDS));
    let words: BTreeSet<&str> = by_symptom.split('`').filter(|word| IDS.contains(word)).collect();
    let without: Vec<&str> = IDS.into_iter().filter(|id| !words.contains(id)).collect();
    assert_eq!(without, ["firewall-unclear", "certificate-expires-soon"], "findings that no symptom leads to");
}

#[test]
fn doctor_works_where_nothing_runs_and_says_what_it_did_not_check() {
    let dir = tempfile::tempdir().unwrap();
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("config/single-pair.toml");
    let mut command = Command::new(env!("CARGO_BIN_EXE_vipkeeper"));
    command.arg("doctor").arg("--config").arg(config).args(["--node", "lb1", "--runtime-dir"]).arg(dir.path());
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    // The example's addresses are on no host of ours.
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("[node-address-missing]"), "{said}");
    assert!(said.contains("vipkeeper does not run here"), "{said}");
    assert!(said.contains("only with --listen TIME"), "{said}");
}

#[test]
fn doctor_refuses_a_wrong_configuration_with_status_2() {
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("vipkeeper.toml");
    std::fs::write(&config, "nonsense = 1\n").unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_vipkeeper"));
    let output = command.arg("doctor").arg("--config").arg(&config).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", String::from_utf8_lossy(&output.stderr));
}
