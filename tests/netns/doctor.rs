//! What keeps a pair from working, provoked for real and found by `vipkeeper doctor`.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;

use crate::lab::{CLIENT, LB1, LB2, Lab, Spec};

/// What the doctor said on a host.
struct Said {
    report: serde_json::Value,
    status: Option<i32>,
}

impl Said {
    fn ids(&self, severity: &str) -> BTreeSet<String> {
        let findings = self.report["findings"].as_array().unwrap();
        let wanted = findings.iter().filter(|f| f["severity"] == severity);
        wanted.map(|f| f["id"].as_str().unwrap().to_owned()).collect()
    }

    /// The sentence and the fix of a finding.
    fn of(&self, id: &str) -> (String, String) {
        let findings = self.report["findings"].as_array().unwrap();
        let found = findings.iter().find(|f| f["id"] == id).unwrap_or_else(|| panic!("no {id}: {:#}", self.report));
        (found["what"].as_str().unwrap().to_owned(), found["fix"].as_str().unwrap().to_owned())
    }
}

fn doctor(lab: &Lab, node: &str, more: &[&str]) -> Said {
    let mut command = lab.inside(node, env!("CARGO_BIN_EXE_vipkeeper"));
    let (config, runtime) = (lab.config(), lab.runtime_dir(node));
    command.args(["doctor", "--json", "--node", node, "--config"]).arg(config).arg("--runtime-dir").arg(runtime);
    let Output { status, stdout, stderr } = command.args(more).output().unwrap();
    let report =
        serde_json::from_slice(&stdout).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&stderr)));
    Said { report, status: status.code() }
}

fn run(lab: &Lab, host: &str, command: &str) {
    let mut words = command.split_whitespace();
    let output = lab.inside(host, words.next().unwrap()).args(words).output().unwrap();
    assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
}

fn none() -> BTreeSet<String> {
    BTreeSet::new()
}

#[test]
fn healthy_pair_has_no_error_before_and_after_its_start() {
    let spec = Spec::default();
    let Some(mut lab) = Lab::with("doctor_healthy", &spec, &["haproxy", "nft"]) else { return };
    let before = doctor(&lab, LB1, &["--probe", "--listen", "500ms"]);
    assert_eq!((before.ids("error"), before.status), (none(), Some(0)), "{:#}", before.report);
    lab.start(LB1);
    lab.start(LB2);
    lab.settled(&spec);
    for node in [LB1, LB2] {
        let said = doctor(&lab, node, &["--probe", "--listen", "500ms"]);
        assert_eq!((said.ids("error"), said.status), (none(), Some(0)), "{:#}", said.report);
    }
}

#[test]
fn firewall_rule_that_drops_adverts_is_named() {
    let Some(lab) = Lab::with("doctor_firewall", &Spec::default(), &["haproxy", "nft"]) else { return };
    run(&lab, LB1, "nft add table inet site");
    run(&lab, LB1, "nft add chain inet site in { type filter hook input priority 0 ; }");
    run(&lab, LB1, "nft add rule inet site in iifname eth0 ip protocol 112 drop");
    let said = doctor(&lab, LB1, &[]);
    assert_eq!(said.status, Some(1));
    let (what, fix) = said.of("firewall-drops-vrrp");
    assert!(what.contains("of chain inet site in: iifname eth0 ip protocol vrrp drop"), "{what}");
    run(&lab, LB1, &fix.replace('"', ""));
    assert_eq!(doctor(&lab, LB1, &[]).ids("error"), none(), "the fix that was named does not help");
}

#[test]
fn interface_and_address_faults_are_found() {
    let Some(lab) = Lab::with("doctor_links", &Spec::default(), &["haproxy", "nft"]) else { return };
    run(&lab, LB1, "sysctl -qw net.ipv4.conf.eth0.arp_ignore=8");
    run(&lab, LB1, "sysctl -qw net.ipv4.conf.eth0.rp_filter=1");
    let said = doctor(&lab, LB1, &[]);
    assert!(said.ids("error").contains("arp-ignore-silences"), "{:#}", said.report);
    assert!(said.ids("note").contains("rp-filter-strict"), "{:#}", said.report);
    run(&lab, LB1, "ip addr flush dev eth0");
    assert!(doctor(&lab, LB1, &[]).ids("error").contains("node-address-missing"));
    run(&lab, LB1, "ip link set eth0 down");
    assert!(doctor(&lab, LB1, &[]).ids("error").contains("interface-down"));
}

#[test]
fn foreign_router_is_named_with_a_free_vrid() {
    let spec = Spec::default();
    let Some(lab) = Lab::with("doctor_foreign", &spec, &["haproxy", "nft"]) else { return };
    // A vipkeeper whose file calls the nodes otherwise is a foreigner to this pair.
    let other = spec.toml().replace("10.77.0.11", "10.77.0.5").replace("10.77.0.12", "10.77.0.6");
    let file = lab.dir().join("other.toml");
    fs::write(&file, other).unwrap();
    let mut command = lab.inside(CLIENT, env!("CARGO_BIN_EXE_vipkeeper"));
    command.args(["run", "--node", LB1, "--config"]).arg(&file).arg("--runtime-dir").arg(lab.dir().join("other"));
    let mut rival = command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null()).spawn().unwrap();
    lab.eventually("the foreign router is named", |lab| {
        let said = doctor(lab, LB1, &["--listen", "500ms"]);
        said.ids("error").contains("foreign-speaker") && {
            let (what, fix) = said.of("foreign-speaker");
            what.starts_with("10.77.0.5 speaks for VRID 51 on eth0") && fix.starts_with("vrid = 255 ")
        }
    });
    drop(rival.kill());
    drop(rival.wait());
}

#[test]
fn address_that_another_host_answers_for_is_found() {
    let Some(lab) = Lab::with("doctor_duplicate", &Spec::default(), &["haproxy", "nft"]) else { return };
    run(&lab, CLIENT, "ip addr add 10.77.0.100/24 dev eth0");
    let (what, _) = doctor(&lab, LB1, &["--probe"]).of("duplicate-address");
    assert!(what.contains(" answers for 10.77.0.100 on eth0"), "{what}");
}

#[test]
fn port_that_another_program_has_is_named_with_it() {
    let Some(lab) = Lab::with("doctor_port", &Spec::default(), &["haproxy", "nft", "python3"]) else { return };
    let mut command = lab.inside(LB1, "python3");
    let mut taker = command.args(["-m", "http.server", "80"]).stderr(std::process::Stdio::null()).spawn().unwrap();
    lab.eventually("who has the port is named", |lab| {
        let said = doctor(lab, LB1, &[]);
        said.ids("error").contains("port-taken") && said.of("port-taken").0.contains("is taken by python3 (process ")
    });
    drop(taker.kill());
    drop(taker.wait());
}

#[test]
fn expired_certificate_is_found() {
    let spec = Spec::default();
    let Some(lab) = Lab::with("doctor_certificate", &spec, &["haproxy", "nft", "openssl"]) else { return };
    let pem = lab.dir().join("site.pem");
    let path = pem.to_str().unwrap();
    let plain = format!("{path}.plain");
    run(
        &lab,
        LB1,
        &format!("openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=example.com -keyout {path} -out {plain}"),
    );
    // Signed again, and ended a day before it began.
    run(&lab, LB1, &format!("openssl x509 -in {plain} -signkey {path} -days -1 -out {path}.crt"));
    fs::write(&pem, fs::read_to_string(&pem).unwrap() + &fs::read_to_string(lab.dir().join("site.pem.crt")).unwrap())
        .unwrap();
    let tls = format!(", {{ address = \"www:443\", tls = {{ certificates = [\"{path}\"] }} }}");
    lab.write(&Spec { binds: tls, ..spec }.toml());
    let (what, _) = doctor(&lab, LB1, &[]).of("certificate-expired");
    assert!(what.contains("example.com") && what.contains(path), "{what}");
}
