//! VIPs with the virtual router's hardware address: it moves, and clients never learn another one.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::Signal;
use vipkeeper::cli::demo::net;
use vipkeeper::shell::clock::now;

use crate::lab::{CLIENT, LB1, LB1_BACK, LB2, LB2_BACK, Lab, Spec, VipSpec, WWW, always, www};

const MAC: &str = "00:00:5e:00:01:33";
const SIX: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0x100));

/// One VIP with a device, and with more keys.
fn spec(more: &str) -> Spec {
    let www = VipSpec { more: format!("{}\nvmac = true\n{more}", www().more), ..www() };
    Spec { vips: vec![www], ..Spec::default() }
}

/// The link of that name on a host, as `ip` shows it; empty: there is none.
fn link(lab: &Lab, host: &str, name: &str) -> String {
    let all = lab.ip(host, &["-d", "-o", "link", "show"]);
    let mark = format!(" {name}@");
    all.lines().find(|line| line.contains(&mark)).unwrap_or_default().to_owned()
}

/// `arp_ignore` and `arp_announce` of a host's `eth0`.
fn arp(lab: &Lab, host: &str) -> [String; 2] {
    ["arp_ignore", "arp_announce"].map(|key| {
        let path = format!("/proc/sys/net/ipv4/conf/eth0/{key}");
        let output = lab.inside(host, "cat").arg(path).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

/// What the client believes of an address.
fn neighbour(lab: &Lab, address: IpAddr) -> String {
    let family = if address.is_ipv4() { "-4" } else { "-6" };
    lab.ip(CLIENT, &[family, "neigh", "show", &address.to_string()])
}

/// That all nodes say the same hardware address is no conflict.
fn nobody_claims_twice(lab: &Lab) {
    for node in [LB1, LB2] {
        let vip = lab.vip(node, "www").unwrap();
        assert!(vip.duplicates.is_empty(), "{node}: {:?}", vip.duplicates);
        assert!(vip.troubles.is_empty(), "{node}: {:?}", vip.troubles);
    }
}

#[test]
fn clients_keep_the_hardware_address_over_a_failover() {
    let Some(mut lab) = Lab::serving("vmac_failover", &spec("preempt_delay = \"1500ms\"")) else { return };
    let shown = link(&lab, LB1, "vrrp4.51");
    assert!(shown.contains(MAC) && shown.contains("macvlan mode bridge") && shown.contains("vipkeeper www"), "{shown}");
    assert_eq!(link(&lab, LB2, "vrrp4.51"), "", "a backup has no device");
    lab.probe(WWW);
    assert!(neighbour(&lab, WWW.into()).contains(MAC), "{}", neighbour(&lab, WWW.into()));
    let killed = now();
    lab.kill_proxy(LB1);
    lab.served_by(LB2_BACK, killed);
    assert!(neighbour(&lab, WWW.into()).contains(MAC));
    assert_eq!((link(&lab, LB1, "vrrp4.51").as_str(), lab.holders(WWW)), ("", vec![LB2]));
    assert!(link(&lab, LB2, "vrrp4.51").contains(MAC));
    let sight = lab.sight(killed);
    assert!(sight.outage.is_none_or(|o| o <= Duration::from_secs(1)), "{sight:?}");
    let back = now();
    lab.served_by(LB1_BACK, back);
    assert!(neighbour(&lab, WWW.into()).contains(MAC));
    lab.eventually("lb1 alone has the device", |lab| {
        link(lab, LB1, "vrrp4.51").contains(MAC) && link(lab, LB2, "vrrp4.51").is_empty()
    });
    nobody_claims_twice(&lab);
}

#[test]
fn an_ipv6_vip_has_its_own_hardware_address() {
    let www = VipSpec { name: "front", vrid: 77, ..www() };
    let six = VipSpec { name: "www", address: SIX, ..spec("").vips.remove(0) };
    let both = Spec { vips: vec![six, www], ..Spec::default() };
    let Some(mut lab) = Lab::new("vmac_ipv6", &both) else { return };
    lab.ip(CLIENT, &["-6", "addr", "add", "2001:db8:77::5/64", "dev", "eth0", "nodad"]);
    for (host, last) in [(LB1, 11), (LB2, 12)] {
        lab.ip(host, &["-6", "addr", "add", &format!("fe80::77:{last}/64"), "dev", "eth0", "nodad"]);
    }
    lab.start(LB1);
    lab.start(LB2);
    lab.settled(&both);
    let reach = |lab: &Lab| {
        let namespace = lab.namespace(CLIENT);
        let connect = move || {
            net::enter(&namespace).unwrap();
            // Nothing listens there: it is refused by the host that has the address.
            let ended = TcpStream::connect_timeout(&SocketAddr::from((SIX, 81)), Duration::from_secs(2));
            ended.map(drop).map_err(|e| e.kind())
        };
        std::thread::spawn(connect).join().unwrap()
    };
    assert_eq!(reach(&lab), Err(std::io::ErrorKind::ConnectionRefused));
    assert!(neighbour(&lab, SIX).contains("00:00:5e:00:02:33"), "{}", neighbour(&lab, SIX));
    let addresses = lab.ip(LB1, &["-6", "-o", "addr", "show", "dev", "vrrp6.51"]);
    assert_eq!(addresses.lines().count(), 1, "no address but the VIP: {addresses}");
    lab.release(LB1, Some("www"), Duration::ZERO).unwrap();
    lab.eventually("lb2 alone holds it", |lab| lab.holders(SIX) == [LB2] && link(lab, LB1, "vrrp6.51").is_empty());
    assert_eq!(reach(&lab), Err(std::io::ErrorKind::ConnectionRefused));
    assert!(neighbour(&lab, SIX).contains("00:00:5e:00:02:33"));
    nobody_claims_twice(&lab);
}

#[test]
fn a_stop_removes_the_device_and_puts_the_interface_back() {
    let spec = spec("");
    let Some(mut lab) = Lab::new("vmac_stop", &spec) else { return };
    let mine = lab.inside(LB1, "sh").args(["-c", "echo 1 > /proc/sys/net/ipv4/conf/eth0/arp_announce"]).status();
    let before = arp(&lab, LB1);
    assert!(before == ["0", "1"] || !mine.unwrap().success(), "{before:?}");
    lab.start(LB1);
    lab.start(LB2);
    lab.settled(&spec);
    assert_eq!(arp(&lab, LB1), ["1", "2"]);
    assert_eq!(arp(&lab, LB2), ["0", "0"], "a backup changes nothing");
    lab.signal(LB1, Signal::TERM);
    assert!(lab.ended(LB1).success());
    assert_eq!((link(&lab, LB1, "vrrp4.51").as_str(), arp(&lab, LB1)), ("", before));
    lab.eventually("lb2 holds the VIP", |lab| lab.holders(WWW) == [LB2]);
    assert_eq!(arp(&lab, LB2), ["1", "2"]);
}

#[test]
fn a_restart_after_a_sudden_death_adopts_the_device() {
    let mut spec = spec("");
    spec.vips[0].more = "vmac = true".to_owned();
    let Some(mut lab) = Lab::serving("vmac_adopts", &spec) else { return };
    lab.probe_patiently(WWW);
    let (start, before) = (now(), link(&lab, LB1, "vrrp4.51"));
    lab.signal(LB1, Signal::KILL);
    lab.ended(LB1);
    assert_eq!(link(&lab, LB1, "vrrp4.51"), before);
    lab.start(LB1);
    lab.settled(&spec);
    // Longer than the lease that the predecessor left.
    always("lb1 holds the VIP", Duration::from_secs(4), || lab.holders(WWW) == [LB1]);
    assert_eq!(link(&lab, LB1, "vrrp4.51"), before, "the same device, with its index");
    let sight = lab.sight(start);
    assert_eq!(sight.missed, [], "{sight:?}");
    // What the predecessor found is what is put back.
    lab.signal(LB1, Signal::TERM);
    assert!(lab.ended(LB1).success());
    assert_eq!(arp(&lab, LB1), ["0", "0"]);
}

#[test]
fn a_foreign_device_is_left_alone_and_named() {
    let spec = spec("");
    let Some(mut lab) = Lab::new("vmac_foreign", &spec) else { return };
    lab.ip(LB1, &["link", "add", "link", "eth0", "name", "vrrp4.51", "type", "macvlan", "mode", "bridge"]);
    let before = link(&lab, LB1, "vrrp4.51");
    lab.start(LB1);
    lab.start(LB2);
    lab.eventually("lb2 holds the VIP, and lb1 says why it does not", |lab| {
        let why = lab.vip(LB1, "www").map(|vip| (vip.state, vip.why)).unwrap_or_default();
        lab.holders(WWW) == [LB2] && why.0 == "fault" && why.1.contains("`ip link delete vrrp4.51`")
    });
    assert_eq!(link(&lab, LB1, "vrrp4.51"), before);
    lab.ip(LB1, &["link", "delete", "vrrp4.51"]);
    lab.settled(&spec);
}
