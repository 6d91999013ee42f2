//! Resetting connections on a real kernel: what a client sees.

use std::collections::BTreeSet;
use std::io::{ErrorKind, Read};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use vipkeeper::shell::clock;
use vipkeeper::shell::sock_diag::{self, ResetError};

use crate::namespace::{Namespace, as_root, ip, link_up};

fn set(ips: &[&str]) -> BTreeSet<IpAddr> {
    ips.iter().map(|ip| ip.parse().unwrap()).collect()
}

async fn reset_connections(addresses: &BTreeSet<IpAddr>) -> Result<u32, ResetError> {
    sock_diag::reset_connections(addresses, clock::now() + Duration::from_secs(10)).await
}

/// Two namespaces with a wire between them; the server's is the one of this thread.
async fn server_and_client() -> (Namespace, Namespace) {
    let client = Namespace::new();
    let server = Namespace::new();
    ip("link add v0 type veth peer name v1");
    ip(&format!("link set v1 netns {}", client.path()));
    ip("link set lo up");
    ip("link set v0 up");
    for address in ["10.1.0.1/24", "10.1.0.9/24", "2001:db8::9/64"] {
        ip(&format!("addr add {address} dev v0{}", if address.contains(':') { " nodad" } else { "" }));
    }
    client.enter();
    ip("link set v1 up");
    ip("addr add 10.1.0.5/24 dev v1");
    ip("addr add 2001:db8::5/64 dev v1 nodad");
    link_up("v1").await;
    server.enter();
    link_up("v0").await;
    (server, client)
}

/// A connection of the client's, seen from both ends.
fn connect(server: &Namespace, client: &Namespace, listener: &TcpListener, to: &str) -> (TcpStream, TcpStream) {
    let target = SocketAddr::new(to.parse().unwrap(), listener.local_addr().unwrap().port());
    client.enter();
    let near = TcpStream::connect_timeout(&target, Duration::from_secs(5)).unwrap();
    server.enter();
    near.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let (far, _) = listener.accept().unwrap();
    (near, far)
}

fn told(stream: &mut TcpStream) -> Option<ErrorKind> {
    stream.read(&mut [0; 1]).err().map(|e| e.kind())
}

fn lives(stream: &mut TcpStream) -> bool {
    stream.set_nonblocking(true).unwrap();
    told(stream) == Some(ErrorKind::WouldBlock)
}

#[test]
fn clients_of_a_released_address_are_told_at_once_and_others_live_on() {
    as_root("clients_of_a_released_address_are_told_at_once_and_others_live_on", || async {
        let (server, client) = server_and_client().await;
        let four = TcpListener::bind("0.0.0.0:0").unwrap();
        let both = TcpListener::bind("[::]:0").unwrap();
        let mut plain = connect(&server, &client, &four, "10.1.0.9");
        let mut mapped = connect(&server, &client, &both, "10.1.0.9");
        let mut half = connect(&server, &client, &four, "10.1.0.9");
        half.1.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(half.0.read(&mut [0; 1]).unwrap(), 0, "the server has finished, the client may still send");
        let mut other = connect(&server, &client, &four, "10.1.0.1");
        let mut six = connect(&server, &client, &both, "2001:db8::9");

        let start = clock::now();
        assert_eq!(reset_connections(&set(&["10.1.0.9"])).await.unwrap(), 3);
        assert_eq!(told(&mut plain.0), Some(ErrorKind::ConnectionReset));
        assert_eq!(told(&mut mapped.0), Some(ErrorKind::ConnectionReset));
        assert!(start.elapsed() < Duration::from_millis(500), "{:?}", start.elapsed());
        assert_eq!(told(&mut plain.1), Some(ErrorKind::ConnectionAborted), "the proxy knows it too");
        assert!(lives(&mut other.0) && lives(&mut six.0));

        assert_eq!(reset_connections(&set(&["2001:db8::9"])).await.unwrap(), 1);
        six.0.set_nonblocking(false).unwrap();
        assert_eq!(told(&mut six.0), Some(ErrorKind::ConnectionReset));
        assert!(lives(&mut other.0));
        // The listeners serve on.
        connect(&server, &client, &four, "10.1.0.9");
        connect(&server, &client, &both, "2001:db8::9");
    });
}

#[test]
fn one_look_serves_many_addresses_with_and_without_the_kernels_filter() {
    as_root("one_look_serves_many_addresses_with_and_without_the_kernels_filter", || async {
        let (server, client) = server_and_client().await;
        let both = TcpListener::bind("[::]:0").unwrap();
        for more in [3, 200] {
            let mut connections: Vec<_> =
                ["10.1.0.9", "2001:db8::9", "10.1.0.1"].map(|to| connect(&server, &client, &both, to)).into();
            let mut leaving = set(&["10.1.0.9", "2001:db8::9"]);
            leaving.extend((0..more).map(|n| IpAddr::from([10, 200, 0, n])));
            assert_eq!(reset_connections(&leaving).await.unwrap(), 2, "among {} addresses", leaving.len());
            assert_eq!(told(&mut connections[0].0), Some(ErrorKind::ConnectionReset));
            assert_eq!(told(&mut connections[1].0), Some(ErrorKind::ConnectionReset));
            assert!(lives(&mut connections[2].0));
        }
        assert_eq!(reset_connections(&set(&["10.99.0.1"])).await.unwrap(), 0);
        let _open = connect(&server, &client, &both, "10.1.0.1");
        let late = sock_diag::reset_connections(&set(&["10.1.0.1"]), clock::now()).await;
        assert!(
            matches!(late, Err(ResetError::Silent | ResetError::Late(1))),
            "its time was over before it began: {late:?}"
        );
    });
}

/// `cargo test --test it figures -- --ignored --nocapture` prints how long many resets take.
#[test]
#[ignore = "prints figures"]
fn figures_of_many_resets() {
    as_root("figures_of_many_resets", || async {
        let (server, client) = server_and_client().await;
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let (_, limit) = nix::sys::resource::getrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE).unwrap();
        nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_NOFILE, limit, limit).unwrap();
        let count = (limit / 2).saturating_sub(200).min(20_000);
        let _all: Vec<_> = (0..count).map(|_| connect(&server, &client, &listener, "10.1.0.9")).collect();
        let start = clock::now();
        let reset = reset_connections(&set(&["10.1.0.9"])).await.unwrap();
        println!("{reset} of {count} connections reset in {:?}", start.elapsed());
        assert_eq!(u64::from(reset), count);
    });
}

#[tokio::test]
async fn listeners_are_listed_by_address_and_port_and_connections_are_not() {
    use std::net::{SocketAddr, TcpListener, TcpStream};
    let listening: Vec<TcpListener> =
        ["127.0.0.1:0", "0.0.0.0:0", "[::1]:0"].iter().map(|at| TcpListener::bind(at).unwrap()).collect();
    let addresses: Vec<SocketAddr> = listening.iter().map(|l| l.local_addr().unwrap()).collect();
    let client = TcpStream::connect(addresses[0]).unwrap();
    let found = vipkeeper::shell::sock_diag::listeners().await.unwrap();
    assert!(addresses.iter().all(|address| found.contains(address)), "{addresses:?} in {found:?}");
    assert!(!found.contains(&client.local_addr().unwrap()));
    drop(listening);
    let found = vipkeeper::shell::sock_diag::listeners().await.unwrap();
    assert!(!found.contains(&addresses[0]), "{found:?}");
}
