//! keepalived on lb2.

use std::fs;
use std::net::IpAddr;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use vipkeeper::cli::demo::net;
use vipkeeper::cli::demo::net::Port;
use vipkeeper::shell::clock::now;

use super::{OURS, SIX, Speech, THEIRS, believed, refused, released_at_once};
use crate::lab::{LB1, LB1_FRONT, LB2, LB2_FRONT, Lab, WWW, always, pid};

/// A running keepalived.
struct Keepalived(Child);

impl Keepalived {
    /// With these lines in its instance beside what every one has.
    fn start(lab: &Lab, speech: &Speech, priority: u8, lines: &str) -> Self {
        let conf = lab.dir().join("keepalived.conf");
        let prefix = if speech.address.is_ipv4() { 24 } else { 64 };
        let (address, interval) = (speech.address, speech.interval.as_secs_f64());
        let advert = if lines.contains("advert_int") { String::new() } else { format!("advert_int {interval}") };
        // Without a device of its own the address is put on the virtual router's.
        let device = if lines.contains("use_vmac") { "" } else { " dev eth0" };
        let text = format!(
            "vrrp_instance www {{\nstate BACKUP\ninterface eth0\nvirtual_router_id 51\n\
             priority {priority}\n{advert}\n{lines}\nvirtual_ipaddress {{\n{address}/{prefix}{device}\n}}\n}}\n"
        );
        fs::write(&conf, text).unwrap();
        let file = |name: &str| lab.dir().join(name).to_str().unwrap().to_owned();
        let log = fs::File::options().create(true).append(true).open(lab.dir().join("keepalived.log")).unwrap();
        let child = lab
            .inside(LB2, "keepalived")
            .args(["--dont-fork", "--log-console", "--vrrp", "--use-file", conf.to_str().unwrap()])
            .args(["--pid", &file("ka.pid"), "--vrrp_pid", &file("ka.vrrp.pid")])
            .stdout(Stdio::from(log.try_clone().unwrap()))
            .stderr(log)
            .spawn()
            .unwrap();
        Self(child)
    }
}

impl Drop for Keepalived {
    fn drop(&mut self) {
        net::end(&[pid(self.0.id())], Signal::TERM, Duration::from_secs(5));
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn pairs(test: &str, speech: &Speech, lines: &str) {
    let Some(lab) = speech.lab(test, &["haproxy", "keepalived"]) else { return };
    pairs_in(lab, speech, lines);
}

/// Ours with priority 100 beside a worse and a better keepalived: both take over, both give way, both resign.
fn pairs_in(mut lab: Lab, speech: &Speech, lines: &str) {
    let held_by = |lab: &Lab, host: &'static str| lab.holders(speech.address) == [host];

    let worse = Keepalived::start(&lab, speech, 90, lines);
    lab.eventually("keepalived holds the VIP", |lab| held_by(lab, THEIRS));
    lab.start(LB1);
    lab.eventually("ours preempts, and keepalived gives way", |lab| held_by(lab, OURS));
    always("ours alone holds the VIP", speech.interval * 2, || held_by(&lab, OURS));
    released_at_once(&lab, speech, |lab| held_by(lab, THEIRS));
    // Multicast over IPv6 leaves from a link-local address, which the configuration does not name.
    let named = speech.address.is_ipv4() || speech.ours.contains("unicast");
    let name = named.then(|| LB2.to_owned());
    lab.eventually("ours knows who holds it", |lab| believed(lab) == Some((90, name.clone())));
    lab.resume(LB1, None).unwrap();
    lab.eventually("ours holds it again", |lab| held_by(lab, OURS));
    drop(worse);

    let better = Keepalived::start(&lab, speech, 110, lines);
    lab.eventually("keepalived preempts, and ours gives way", |lab| held_by(lab, THEIRS));
    lab.eventually("ours stands by", |lab| lab.state(LB1, "www") == "backup");
    let start = now();
    drop(better);
    lab.eventually("ours takes over", |lab| held_by(lab, OURS));
    let took = now() - start;
    assert!(took < speech.interval * 2 + Duration::from_secs(1), "only after {took:?}: not by its priority 0");
    assert_eq!(refused(&lab), Vec::<String>::new(), "packets of keepalived were refused");
}

const fn v4(ours: &'static str, millis: u64) -> Speech {
    Speech { address: IpAddr::V4(WWW), ours, interval: Duration::from_millis(millis) }
}

#[test]
fn pairs_with_keepalived() {
    pairs("pairs_with_keepalived", &v4("advert_interval = \"200ms\"", 200), "version 3");
}

#[test]
fn pairs_with_keepalived_in_version_2() {
    pairs("pairs_with_keepalived_in_version_2", &v4("version = 2", 1000), "version 2");
}

#[test]
fn pairs_with_keepalived_by_password() {
    let lines = "version 2\nauthentication {\nauth_type PASS\nauth_pass secret\n}";
    let ours = "version = 2\nauth = { password = \"secret\" }";
    pairs("pairs_with_keepalived_by_password", &v4(ours, 1000), lines);
}

#[test]
fn pairs_with_keepalived_by_unicast() {
    let lines = format!("version 3\nunicast_src_ip {LB2_FRONT}\nunicast_peer {{\n{LB1_FRONT}\n}}");
    let speech = v4("advert_interval = \"200ms\"\ntransport = \"unicast\"", 200);
    pairs("pairs_with_keepalived_by_unicast", &speech, &lines);
}

#[test]
fn pairs_with_keepalived_over_ipv6() {
    let speech = Speech { address: SIX, ours: "advert_interval = \"200ms\"", interval: Duration::from_millis(200) };
    pairs("pairs_with_keepalived_over_ipv6", &speech, "version 3");
}

#[test]
fn pairs_with_keepalived_over_ipv6_by_unicast() {
    let ours = "advert_interval = \"200ms\"\ntransport = \"unicast\"";
    let speech = Speech { address: SIX, ours, interval: Duration::from_millis(200) };
    let test = "pairs_with_keepalived_over_ipv6_by_unicast";
    let Some(lab) = speech.lab(test, &["haproxy", "keepalived"]) else { return };
    let six = |last: u8| format!("2001:db8:77::{last}");
    let mut toml = fs::read_to_string(lab.config()).unwrap();
    for (host, four, last) in [(LB1, LB1_FRONT, 11), (LB2, LB2_FRONT, 12)] {
        lab.ip(host, &["-6", "addr", "add", &format!("{}/64", six(last)), "dev", "eth0", "nodad"]);
        let both = format!("address = [\"{four}\", \"{}\"]", six(last));
        let with = toml.replace(&format!("address = \"{four}\""), &both);
        assert_ne!(with, toml, "no node has {four}");
        toml = with;
    }
    lab.write(&toml);
    let lines = format!("version 3\nunicast_ttl 255\nunicast_src_ip {}\nunicast_peer {{\n{}\n}}", six(12), six(11));
    pairs_in(lab, &speech, &lines);
}

#[test]
fn pairs_with_keepalived_and_its_virtual_hardware_address() {
    let speech = v4("advert_interval = \"200ms\"\nvmac = true", 200);
    pairs("pairs_with_keepalived_by_vmac", &speech, "version 3\nuse_vmac");
}

/// Equal priorities, both active after the network was parted: the higher address wins, which is lb2's.
#[test]
fn a_tie_with_keepalived_is_broken_by_the_address() {
    let speech = v4("advert_interval = \"200ms\"", 200);
    let test = "a_tie_with_keepalived_is_broken_by_the_address";
    let Some(mut lab) = speech.lab(test, &["haproxy", "keepalived"]) else { return };
    lab.start(LB1);
    lab.eventually("ours holds the VIP", |lab| lab.holders(WWW) == [LB1]);
    let _keepalived = Keepalived::start(&lab, &speech, 100, "version 3");
    always("keepalived accepts its equal", Duration::from_secs(2), || lab.holders(WWW) == [LB1]);
    lab.set_port(LB2, Port::Silent);
    lab.eventually("parted, both hold it", |lab| lab.holders(WWW) == [LB1, LB2]);
    lab.set_port(LB2, Port::Open);
    lab.eventually("the higher address wins", |lab| lab.holders(WWW) == [LB2]);
    assert_eq!(lab.state(LB1, "www"), "backup");
}

/// Operators who mix what cannot be mixed see at the VIP what is wrong.
#[test]
fn what_does_not_fit_is_refused_by_name() {
    let speech = v4("version = 2\nauth = { password = \"secret\" }", 1000);
    let Some(mut lab) = speech.lab("what_does_not_fit_is_refused_by_name", &["haproxy", "keepalived"]) else { return };
    lab.start(LB1);
    lab.eventually("ours holds the VIP", |lab| lab.holders(WWW) == [LB1]);
    let password = |text: &str| format!("version 2\nauthentication {{\nauth_type PASS\nauth_pass {text}\n}}");
    let table = [
        ("version", "version 3".to_owned()),
        ("auth", "version 2".to_owned()),
        ("auth", password("another")),
        ("interval-mismatch", format!("{}\nadvert_int 2", password("secret"))),
    ];
    for (reason, lines) in table {
        let count = |lab: &Lab| lab.vip(LB1, "www").unwrap().dropped.get(reason).copied().unwrap_or(0);
        let before = count(&lab);
        let _keepalived = Keepalived::start(&lab, &speech, 200, &lines);
        lab.eventually(&format!("{reason} is counted"), |lab| count(lab) > before);
        assert_eq!(lab.state(LB1, "www"), "active", "a refused advert had an effect");
    }
}
