//! Two nodes that share a key: named successors, make before break, and strangers on the port of hellos.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, UdpSocket};
use std::process::Command;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use vipkeeper::cli::demo::net;
use vipkeeper::cli::demo::prober::{Miss, Sight};
use vipkeeper::peer::message::{Hello, Item, VipState};
use vipkeeper::peer::{Incarnation, PeerKey, VipId};
use vipkeeper::shell::clock::now;
use vipkeeper::units::{Digest, Name, Priority};
use vipkeeper::vrrp::router::Role;

use crate::lab::{
    CLIENT, CLIENT_FRONT, LB1, LB1_BACK, LB1_FRONT, LB2, LB2_BACK, LB2_FRONT, Lab, Spec, VipSpec, WWW, always, www,
};

const PORT: u16 = 5112;

/// Adverts every second, as by default: whatever is faster than three seconds is due to hellos.
pub fn keyed() -> Spec {
    let vip = VipSpec { more: String::new(), ..www() };
    Spec { vips: vec![vip], tail: format!("[peers]\nkey_file = \"peers.key\"\nport = {PORT}\n"), ..Spec::default() }
}

fn keygen(lab: &Lab) {
    let written = Command::new(env!("CARGO_BIN_EXE_vipkeeper"))
        .args(["keygen"])
        .arg(lab.dir().join("peers.key"))
        .output()
        .unwrap();
    assert!(written.status.success(), "{written:?}");
}

fn peer_state(lab: &Lab, node: &str) -> String {
    lab.status(node).and_then(|s| s.peers.into_iter().next()).map(|p| p.state).unwrap_or_default()
}

/// Both run, know each other, and lb1 holds the VIP.
pub fn acquainted(test: &str, spec: &Spec, programs: &[&str]) -> Option<Lab> {
    let mut lab = Lab::with(test, spec, programs)?;
    keygen(&lab);
    lab.start(LB1);
    lab.start(LB2);
    lab.settled(spec);
    lab.eventually("the nodes know each other", |lab| {
        peer_state(lab, LB1) == "fresh" && peer_state(lab, LB2) == "fresh"
    });
    Some(lab)
}

fn outage(sight: &Sight, what: &str) -> Duration {
    println!("{what}: {} of {} missed, outage {:?}", sight.missed.len(), sight.asked, sight.outage);
    sight.outage.unwrap_or_default()
}

/// No connection moves with a VIP: the request that is under way at that moment is reset, instead of hanging.
fn only_in_flight(sight: &Sight) {
    assert!(matches!(sight.missed[..], [] | [Miss::Cut]), "{sight:?}");
}

#[test]
fn stopped_vipkeeper_hands_over_and_cuts_at_most_the_request_in_flight() {
    let Some(mut lab) = acquainted("stopped_with_key", &keyed(), &["haproxy"]) else { return };
    lab.probe_patiently(WWW);
    let stopped = now();
    lab.signal(LB1, Signal::TERM);
    assert!(lab.ended(LB1).success());
    lab.served_by(LB2_BACK, stopped);
    assert_eq!(lab.holders(WWW), [LB2]);
    assert!(lab.log(LB2).contains("lb1 hands over"), "{}", lab.log(LB2));
    let sight = lab.sight(stopped);
    outage(&sight, "stopped");
    only_in_flight(&sight);
    // And back again.
    let started = now();
    lab.start(LB1);
    lab.served_by(LB1_BACK, started);
    lab.eventually("lb1 alone holds the VIP", |lab| lab.holders(WWW) == [LB1]);
    let sight = lab.sight(started);
    outage(&sight, "returned");
    only_in_flight(&sight);
}

#[test]
fn killed_proxy_moves_the_vip_at_once() {
    let vip = VipSpec { more: "preempt_delay = \"10s\"".to_owned(), ..www() };
    let Some(mut lab) = acquainted("killed_with_key", &Spec { vips: vec![vip], ..keyed() }, &["haproxy"]) else {
        return;
    };
    lab.probe(WWW);
    let killed = now();
    lab.kill_proxy(LB1);
    lab.served_by(LB2_BACK, killed);
    assert_eq!(lab.holders(WWW), [LB2]);
    assert!(lab.log(LB2).contains("lb1 hands over"), "{}", lab.log(LB2));
    let lost = outage(&lab.sight(killed), "killed");
    // A few milliseconds on a machine that does nothing else.
    assert!(lost < Duration::from_millis(250), "{lost:?}");
}

/// What somebody says who knows the key, but is no living process of lb1: a recording, word for word.
fn recording(key: &PeerKey, incarnation: u64, sequence: u64) -> Vec<u8> {
    let vip = VipId::of(&Name::new("www").unwrap());
    let state = VipState {
        vip,
        role: Role::Active,
        priority: Some(Priority::MAX),
        fit: true,
        wants: true,
        hears: false,
        why: String::new(),
    };
    let hello = Hello {
        from: Name::new(LB1).unwrap(),
        to: Name::new(LB2).unwrap(),
        incarnation: Incarnation(incarnation),
        sequence,
        challenge: 1,
        echo: 2,
        config: Digest(3),
        hears: true,
        items: vec![Item::Take(vip), Item::Holding(vip), Item::Ask(vip), Item::State(state)],
    };
    hello.encode(key)
}

/// Sends datagrams from a host to the port of hellos of lb2.
fn send(lab: &Lab, host: &str, source: Ipv4Addr, datagrams: Vec<Vec<u8>>) {
    let namespace = lab.namespace(host);
    let sender = std::thread::spawn(move || {
        net::enter(&namespace).unwrap();
        let socket = UdpSocket::bind(SocketAddr::from((source, 0))).unwrap();
        for datagram in datagrams {
            socket.send_to(&datagram, SocketAddr::from((LB2_FRONT, PORT))).unwrap();
        }
    });
    sender.join().unwrap();
}

#[test]
fn recorded_and_forged_hellos_move_nothing() {
    let Some(lab) = acquainted("forged_hellos", &keyed(), &["haproxy"]) else { return };
    let key = PeerKey::from_hex(&fs::read_to_string(lab.dir().join("peers.key")).unwrap()).unwrap();
    let real = recording(&key, 77, 1);
    let forged = recording(&PeerKey::new([1; 32]), 77, 2);
    let datagrams =
        || vec![Vec::new(), b"vkhi".to_vec(), real[..70].to_vec(), vec![7; 1400], forged.clone(), real.clone()];
    for _ in 0..3 {
        send(&lab, LB1, LB1_FRONT, datagrams());
        send(&lab, CLIENT, CLIENT_FRONT, datagrams());
        always("lb1 holds the VIP", Duration::from_millis(200), || lab.state(LB2, "www") == "backup");
    }
    let status = lab.status(LB2).unwrap();
    let peer = &status.peers[0];
    for reason in ["truncated", "oversized", "wrong-key", "unproven", "wrong-address"] {
        let all = [&peer.dropped].into_iter().chain(status.dropped.get("hellos"));
        assert!(all.into_iter().any(|counts| counts.contains_key(reason)), "{reason}: {status:#?}");
    }
    assert_eq!((peer.state.as_str(), lab.holders(WWW)), ("fresh", vec![LB1]));
    assert_eq!(lab.vip(LB2, "www").unwrap().counters.get("offers-ignored"), None);
}

#[test]
fn firewall_that_drops_adverts_leaves_one_holder_and_status_says_why() {
    let Some(lab) = acquainted("firewall", &keyed(), &["haproxy", "nft"]) else { return };
    let rules = "add table ip t; add chain ip t in { type filter hook input priority 0; }; \
                 add rule ip t in ip protocol 112 drop";
    let output = lab.inside(LB2, "nft").arg(rules).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    always("lb1 alone holds the VIP", Duration::from_secs(8), || {
        lab.state(LB2, "www") == "backup" && lab.holders(WWW) == [LB1]
    });
    let troubles = lab.vip(LB2, "www").unwrap().troubles;
    assert!(troubles.iter().any(|t| t.contains("adverts of lb1 do not arrive, its hellos do")), "{troubles:?}");
    // A dead host is missed all the same.
    let killed: Instant = now();
    lab.signal(LB1, Signal::KILL);
    lab.eventually("lb2 holds the VIP", |lab| lab.state(LB2, "www") == "active");
    assert!(killed.elapsed() < Duration::from_secs(6));
}

#[test]
fn without_a_key_status_says_so_and_a_key_that_appears_is_used() {
    let spec = keyed();
    let Some(mut lab) = Lab::new("key_appears", &spec) else { return };
    lab.start(LB1);
    lab.start(LB2);
    lab.settled(&spec);
    let note = lab.status(LB1).unwrap().peers_note.unwrap();
    assert!(note.contains("peers.key") && note.contains("vipkeeper keygen"), "{note}");
    keygen(&lab);
    lab.eventually("the nodes know each other", |lab| {
        peer_state(lab, LB1) == "fresh" && peer_state(lab, LB2) == "fresh"
    });
    assert_eq!(lab.status(LB1).unwrap().peers_note, None);
}
