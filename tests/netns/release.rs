//! What becomes of the clients of a VIP that leaves a living host.

use std::io::{ErrorKind, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use vipkeeper::cli::demo::net;
use vipkeeper::shell::clock::now;

use crate::lab::{CLIENT, LB1, LB2, Lab, MAIL, SOON, Spec, VipSpec, WWW, mail, www};

/// Connections of a client that says nothing.
fn connect<const N: usize>(lab: &Lab, to: [Ipv4Addr; N]) -> [TcpStream; N] {
    let namespace = lab.namespace(CLIENT);
    let connect = move || {
        net::enter(&namespace).unwrap();
        to.map(|ip| TcpStream::connect_timeout(&SocketAddr::from((ip, 80)), SOON).unwrap())
    };
    std::thread::spawn(connect).join().unwrap()
}

#[test]
fn idle_clients_of_a_released_vip_are_told_at_once_and_others_are_not_disturbed() {
    let both_on_lb1 = vec![www(), VipSpec { prefer: [LB1, LB2], ..mail() }];
    let Some(lab) = Lab::serving("reset_on_release", &Spec { vips: both_on_lb1, ..Spec::default() }) else { return };
    let [mut of_www, mut of_mail] = connect(&lab, [WWW, MAIL]);
    of_www.set_read_timeout(Some(SOON)).unwrap();
    let start = now();
    lab.release(LB1, Some("www"), Duration::ZERO).unwrap();
    let told = of_www.read(&mut [0; 1]).unwrap_err().kind();
    let took = start.elapsed();
    println!("reset after {took:?}");
    assert_eq!(told, ErrorKind::ConnectionReset);
    assert!(took < Duration::from_millis(500), "{took:?}");
    lab.eventually("lb2 holds the VIP", |lab| lab.holders(WWW) == [LB2]);
    of_mail.set_nonblocking(true).unwrap();
    assert_eq!(of_mail.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
    let reset = |vip: &str| lab.vip(LB1, vip).unwrap().counters.get("connections-reset").copied();
    assert_eq!((reset("www"), reset("mail")), (Some(1), None));
    assert!(lab.log(LB1).contains("reset 1 connection of clients"), "{}", lab.log(LB1));
}

#[test]
fn a_vip_that_somebody_deleted_keeps_its_connections() {
    let Some(lab) = Lab::serving("no_reset", &Spec::default()) else { return };
    let [mut of_www] = connect(&lab, [WWW]);
    lab.ip(LB1, &["addr", "del", "10.77.0.100/24", "dev", "eth0"]);
    lab.eventually("the VIP is back", |lab| lab.holders(WWW) == [LB1] && lab.state(LB1, "www") == "active");
    of_www.set_nonblocking(true).unwrap();
    assert_eq!(of_www.read(&mut [0; 1]).unwrap_err().kind(), ErrorKind::WouldBlock);
}
