//! VIPs of a host that only forwards.

use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use rustix::process::Signal;
use vipkeeper::cli::demo::net;

use crate::lab::{CLIENT, LB1, LB1_FRONT, LB2, Lab, MAIL, SOON, Spec, VipSpec, WWW, mail, www};

const SIX: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xdb8, 0x77, 0, 0, 0, 0, 0x100));
const WEB1: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 78, 0, 101));

/// What a client gets that connects, and gives up after `patience`.
fn connect(lab: &Lab, to: IpAddr, port: u16, patience: Duration) -> Result<(), ErrorKind> {
    let namespace = lab.namespace(CLIENT);
    let connect = move || {
        net::enter(&namespace).unwrap();
        TcpStream::connect_timeout(&SocketAddr::from((to, port)), patience).map(drop).map_err(|e| e.kind())
    };
    std::thread::spawn(connect).join().unwrap()
}

fn tables(lab: &Lab) -> String {
    let output = lab.inside(LB1, "nft").args(["list", "tables"]).output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

fn nft(lab: &Lab, arguments: &[&str]) {
    assert!(lab.inside(LB1, "nft").args(arguments).status().unwrap().success());
}

#[test]
fn a_vip_that_accepts_nothing_forwards_and_answers_neighbours_and_leaves_no_table() {
    let more = format!("accept = false\nexcluded = [\"{SIX}/64\"]\nadvert_interval = \"100ms\"");
    let gateway = VipSpec { more, ..www() };
    let spec = Spec { vips: vec![gateway, mail()], ..Spec::default() };
    let Some(mut lab) = Lab::with("accept_nothing", &spec, &["haproxy", "nft"]) else { return };
    lab.write(&spec.toml().replace("\"www:80\", ", ""));
    lab.ip(CLIENT, &["-6", "addr", "add", "2001:db8:77::5/64", "dev", "eth0", "nodad"]);
    lab.ip(CLIENT, &["route", "add", "10.78.0.0/24", "via", &WWW.to_string()]);
    lab.ip("web1", &["route", "add", "10.77.0.0/24", "via", "10.78.0.11"]);
    nft(&lab, &["add", "table", "inet", "mine"]);
    let forward = lab.inside(LB1, "sh").args(["-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"]).status().unwrap();
    lab.start(LB1);
    lab.start(LB2);
    lab.settled(&spec);
    lab.eventually("the filter is there", |lab| tables(lab).contains("table inet vipkeeper_lb1\n"));

    // Nothing listens there: without a filter it would be refused at once.
    let briefly = Duration::from_millis(300);
    assert_eq!(connect(&lab, WWW.into(), 81, briefly), Err(ErrorKind::TimedOut));
    assert_eq!(connect(&lab, SIX, 81, briefly), Err(ErrorKind::TimedOut));
    for (family, address) in [("-4", WWW.to_string()), ("-6", SIX.to_string())] {
        let neighbour = lab.ip(CLIENT, &[family, "neigh", "show", &address]);
        assert!(neighbour.contains("lladdr"), "{neighbour}");
    }
    // The host's own address is nobody's business, and what is forwarded neither.
    assert_eq!(connect(&lab, IpAddr::V4(LB1_FRONT), 81, SOON), Err(ErrorKind::ConnectionRefused));
    assert_eq!(connect(&lab, MAIL.into(), 80, SOON), Ok(()));
    if forward.success() {
        assert_eq!(connect(&lab, WEB1, 8080, SOON), Ok(()));
    } else {
        println!("/proc/sys is read-only here: forwarding was not tried");
    }

    lab.signal(LB1, Signal::KILL);
    lab.ended(LB1);
    assert!(tables(&lab).contains("vipkeeper_lb1"));
    lab.start(LB1);
    lab.settled(&spec);
    lab.signal(LB1, Signal::TERM);
    lab.ended(LB1);
    assert_eq!(tables(&lab), "table inet mine\n");
}
