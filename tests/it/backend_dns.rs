//! Servers with names: without DNS HAProxy starts all the same, and finds them when it answers.

use std::net::UdpSocket;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::backend_fixture::{Haproxy, Server};
use crate::proxy_fixture::haproxy_is_here;

/// A name server that says 127.0.0.1 to every question for an IPv4 address, once it may.
fn name_server(awake: Arc<AtomicBool>) -> u16 {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    std::thread::spawn(move || {
        let mut query = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut query) {
            if !awake.load(Ordering::SeqCst) {
                continue;
            }
            // The question ends after its name, its type and its class.
            let name = query[12..length].iter().position(|byte| *byte == 0).unwrap();
            let question = &query[12..12 + name + 5];
            let wanted = question[name + 2];
            let found = u8::from(wanted == 1);
            let mut answer = query[..2].to_vec();
            answer.extend([0x81, 0x80, 0, 1, 0, found, 0, 0, 0, 0]);
            answer.extend(question);
            if found == 1 {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 127, 0, 0, 1]);
            }
            socket.send_to(&answer, from).unwrap();
        }
    });
    port
}

#[test]
fn a_dns_outage_does_not_keep_haproxy_from_starting() {
    if !haproxy_is_here("a_dns_outage_does_not_keep_haproxy_from_starting") {
        return;
    }
    let awake = Arc::new(AtomicBool::new(false));
    let dns = name_server(Arc::clone(&awake));
    let server = Server::start(|_| {});
    let before = Instant::now();
    let mut haproxy = Haproxy::start(
        &format!(
            r#"[[backend]]
name = "web"
mode = "tcp"
server_template = {{ prefix = "t", count = 1, address = "web.invalid:{0}", resolvers = "dns" }}
server = [
  {{ name = "later", address = "later.invalid:{0}", resolvers = "dns", resolve_prefer = "ipv4", init_addr = ["none"] }},
  {{ name = "never", address = "no-such-host.invalid:{0}", init_addr = ["none"] }},
  {{ name = "fixed", address = "127.0.0.1:{0}" }},
]

[[resolvers]]
name = "dns"
nameservers = ["127.0.0.1:{dns}"]
resolve = "100ms"
retry = "100ms"
hold = {{ valid = "100ms" }}
"#,
            server.port
        ),
        &[],
    );
    assert!(before.elapsed() < Duration::from_secs(10), "the start waited {:?} for DNS", before.elapsed());
    let servers = haproxy.servers();
    assert_eq!(servers["fixed"], "no check");
    assert_eq!(servers["never"], "MAINT (resolution)");
    assert!(servers["t1"].starts_with("MAINT") && servers["later"].starts_with("MAINT"), "{servers:?}");
    awake.store(true, Ordering::SeqCst);
    haproxy.until("DNS has named the servers", |haproxy| {
        let servers = haproxy.servers();
        ["t1", "later", "fixed"].iter().all(|name| servers[*name] == "no check")
    });
    assert_eq!(haproxy.servers()["never"], "MAINT (resolution)");
}
