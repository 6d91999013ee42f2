//! The sockets for hellos on the real kernel, by loopback.

use std::net::SocketAddr;
use std::time::Duration;

use vipkeeper::peer::message::BYTES_MAX;
use vipkeeper::shell::clock;
use vipkeeper::shell::hello_socket::{Arrived, HelloSocket};

fn on_a_runtime(test: impl Future<Output = ()>) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test);
}

async fn next(socket: &mut HelloSocket) -> Arrived {
    let arrived = tokio::time::timeout(Duration::from_secs(5), async {
        loop {
            if let Some(arrived) = socket.receive().unwrap() {
                return arrived;
            }
            std::future::poll_fn(|context| socket.poll_readable(context)).await.unwrap();
        }
    });
    arrived.await.expect("a datagram")
}

/// A port that nobody has; there is a moment in which somebody could take it.
fn free_port(ip: &str) -> SocketAddr {
    let probe = std::net::UdpSocket::bind(format!("{ip}:0")).unwrap();
    probe.local_addr().unwrap()
}

#[test]
fn datagrams_come_with_their_source_and_time_and_are_cut_when_too_long() {
    on_a_runtime(async {
        let mut pair = ["127.0.0.1", "127.0.0.2"].map(|ip| HelloSocket::open(free_port(ip)).unwrap());
        let (from, to) = (pair[0].address(), pair[1].address());
        assert!(pair[1].receive().unwrap().is_none());
        let before = clock::now();
        pair[0].send(to, b"hello").unwrap();
        let arrived = next(&mut pair[1]).await;
        assert_eq!((arrived.from, arrived.bytes.as_slice()), (from, b"hello".as_slice()));
        assert!(before <= arrived.at && arrived.at <= clock::now());
        pair[0].send(to, &vec![7; 4000]).unwrap();
        assert_eq!(next(&mut pair[1]).await.bytes.len(), BYTES_MAX + 1, "still too long for a hello");
    });
}

#[test]
fn a_peer_that_is_not_there_does_not_keep_the_next_datagram() {
    on_a_runtime(async {
        let nobody = free_port("127.0.0.1");
        let mut pair = ["127.0.0.1", "127.0.0.2"].map(|ip| HelloSocket::open(free_port(ip)).unwrap());
        for _ in 0..3 {
            pair[0].send(nobody, b"hello").unwrap();
            let to = pair[1].address();
            pair[0].send(to, b"hello").unwrap();
            assert_eq!(next(&mut pair[1]).await.bytes, b"hello");
        }
    });
}

#[test]
fn an_address_need_not_be_there_yet_and_a_taken_port_is_named() {
    on_a_runtime(async {
        // TEST-NET-1 (RFC 5737) is on no host.
        let absent: SocketAddr = "192.0.2.1:5112".parse().unwrap();
        assert_eq!(HelloSocket::open(absent).unwrap().address(), absent);
        let first = HelloSocket::open(free_port("127.0.0.1")).unwrap();
        let error = HelloSocket::open(first.address()).unwrap_err();
        assert!(error.contains(&first.address().to_string()) && error.contains("in use"), "{error}");
        let v6 = HelloSocket::open("[::1]:0".parse().unwrap());
        assert!(v6.is_ok() || !std::path::Path::new("/proc/net/if_inet6").exists(), "{v6:?}");
    });
}
