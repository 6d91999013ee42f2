//! FRR's vrrpd on lb2: zebra and vrrpd as plain processes, with the virtual MAC on macvlans.

use std::fs;
use std::net::IpAddr;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Stdio};
use std::time::Duration;

use rustix::process::Signal;
use vipkeeper::cli::demo::net;
use vipkeeper::shell::clock::now;

use super::{OURS, SIX, Speech, believed, refused, released_at_once};
use crate::lab::{LB1, LB2, Lab, WWW, always, pid};

const ZEBRA: &str = "/usr/lib/frr/zebra";
const VRRPD: &str = "/usr/lib/frr/vrrpd";

/// The two daemons, the dependent one first.
struct Frr(Vec<Child>);

impl Frr {
    fn start(lab: &Lab, speech: &Speech, version: u8, priority: u8) -> Self {
        let dir = lab.dir().join("frr");
        // A socket that an earlier zebra left would look like one that listens.
        drop(fs::remove_dir_all(&dir));
        fs::create_dir(&dir).unwrap();
        // They run as the user of their package.
        fs::set_permissions(lab.dir(), fs::Permissions::from_mode(0o755)).unwrap();
        fs::set_permissions(&dir, fs::Permissions::from_mode(0o777)).unwrap();
        let (millis, address) = (speech.interval.as_millis(), speech.address);
        let family = if address.is_ipv4() { "ip" } else { "ipv6" };
        let conf = format!(
            "interface eth0\n vrrp 51 version {version}\n vrrp 51 priority {priority}\n \
             vrrp 51 advertisement-interval {millis}\n vrrp 51 {family} {address}\n"
        );
        fs::write(dir.join("vrrpd.conf"), conf).unwrap();
        fs::write(dir.join("zebra.conf"), "").unwrap();
        let file = |name: &str| dir.join(name).to_str().unwrap().to_owned();
        let daemon = |program: &str, name: &str| {
            let log = fs::File::options().create(true).append(true).open(dir.join("log")).unwrap();
            lab.inside(LB2, program)
                .args(["-u", "frr", "-g", "frr", "-P", "0", "--log", "stdout"])
                .args(["-i", &file(&format!("{name}.pid")), "-z", &file("zserv.api")])
                .args(["--vty_socket", dir.to_str().unwrap(), "-f", &file(&format!("{name}.conf"))])
                .stdout(Stdio::from(log.try_clone().unwrap()))
                .stderr(log)
                .spawn()
                .unwrap()
        };
        let zebra = daemon(ZEBRA, "zebra");
        let mut frr = Self(vec![zebra]);
        lab.eventually("zebra listens", |_| dir.join("zserv.api").exists());
        frr.0.insert(0, daemon(VRRPD, "vrrpd"));
        frr
    }
}

impl Drop for Frr {
    fn drop(&mut self) {
        for daemon in &mut self.0 {
            net::end(&[pid(daemon.id())], Signal::TERM, Duration::from_secs(5));
            drop(daemon.kill());
            drop(daemon.wait());
        }
    }
}

/// The macvlan that FRR demands: it carries the virtual address, and is up while FRR is master.
fn macvlan(lab: &Lab, address: IpAddr) {
    let (family, prefix) = if address.is_ipv4() { ("01", 24) } else { ("02", 64) };
    lab.ip(LB2, &["link", "add", "virtual", "link", "eth0", "type", "macvlan", "mode", "bridge"]);
    lab.ip(LB2, &["link", "set", "virtual", "address", &format!("00:00:5e:00:{family}:33")]);
    lab.ip(LB2, &["addr", "add", &format!("{address}/{prefix}"), "dev", "virtual"]);
    lab.ip(LB2, &["link", "set", "virtual", "up"]);
}

fn is_master(lab: &Lab) -> bool {
    lab.ip(LB2, &["-o", "link", "show", "dev", "virtual"]).contains("LOWER_UP")
}

fn pairs(test: &str, speech: &Speech, version: u8) {
    let Some(mut lab) = speech.lab(test, &["haproxy", ZEBRA, VRRPD]) else { return };
    let theirs = |lab: &Lab| is_master(lab) && lab.holders(speech.address).is_empty();
    let ours = |lab: &Lab| !is_master(lab) && lab.holders(speech.address) == [OURS];
    macvlan(&lab, speech.address);

    let worse = Frr::start(&lab, speech, version, 90);
    lab.eventually("FRR holds the VIP", theirs);
    lab.start(LB1);
    lab.eventually("ours preempts, and FRR gives way", ours);
    always("ours alone holds the VIP", speech.interval * 2, || ours(&lab));
    released_at_once(&lab, speech, theirs);
    lab.eventually("ours knows who holds it", |lab| believed(lab).is_some_and(|(priority, _)| priority == 90));
    lab.resume(LB1, None).unwrap();
    lab.eventually("ours holds it again", ours);
    drop(worse);

    let better = Frr::start(&lab, speech, version, 110);
    lab.eventually("FRR preempts, and ours gives way", theirs);
    let start = now();
    drop(better);
    lab.eventually("ours takes over", |lab| lab.holders(speech.address) == [OURS]);
    let took = now() - start;
    assert!(took < speech.interval * 2 + Duration::from_secs(1), "only after {took:?}: not by its priority 0");
    assert_eq!(refused(&lab), Vec::<String>::new(), "packets of FRR were refused");
}

#[test]
fn pairs_with_frr() {
    let interval = Duration::from_millis(500);
    pairs("pairs_with_frr", &Speech { address: WWW.into(), ours: "advert_interval = \"500ms\"", interval }, 3);
}

#[test]
fn pairs_with_frr_in_version_2() {
    let interval = Duration::from_secs(1);
    pairs("pairs_with_frr_in_version_2", &Speech { address: WWW.into(), ours: "version = 2", interval }, 2);
}

#[test]
fn pairs_with_frr_over_ipv6() {
    let interval = Duration::from_millis(500);
    pairs("pairs_with_frr_over_ipv6", &Speech { address: SIX, ours: "advert_interval = \"500ms\"", interval }, 3);
}
