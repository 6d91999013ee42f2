//! What backends do, with the real HAProxy in front of small servers that speak just enough of each protocol.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use crate::backend_fixture::{Haproxy, Server};
use crate::proxy_fixture::haproxy_is_here;

/// Redis as far as a check and a client need it: inline commands, and a password.
fn redis(stream: TcpStream, name: &str, master: &AtomicBool) {
    let mut answers = stream.try_clone().unwrap();
    let mut known = false;
    for line in BufReader::new(stream).lines() {
        let Ok(line) = line else { return };
        let answer = match line.trim() {
            "AUTH sesame" => {
                known = true;
                "+OK\r\n".to_owned()
            }
            _ if !known => "-NOAUTH Authentication required.\r\n".to_owned(),
            "PING" => "+PONG\r\n".to_owned(),
            "info replication" => {
                let role = if master.load(Ordering::SeqCst) { "master" } else { "slave" };
                let body = format!("# Replication\r\nrole:{role}\r\nconnected_slaves:0\r\n");
                format!("${}\r\n{body}\r\n", body.len())
            }
            "GET name" => format!("${}\r\n{name}\r\n", name.len()),
            "QUIT" => {
                let _gone = answers.write_all(b"+OK\r\n");
                return;
            }
            _ => "-ERR unknown command\r\n".to_owned(),
        };
        if answers.write_all(answer.as_bytes()).is_err() {
            return;
        }
    }
}

#[test]
fn the_redis_check_follows_the_master() {
    if !haproxy_is_here("the_redis_check_follows_the_master") {
        return;
    }
    let roles = [Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(false))];
    let start = |name: &'static str, role: &Arc<AtomicBool>| {
        let role = Arc::clone(role);
        Server::start(move |stream| redis(stream, name, &role))
    };
    let (one, two) = (start("one", &roles[0]), start("two", &roles[1]));
    let tables = format!(
        r#"[[backend]]
name = "web"
mode = "tcp"
check = {{ redis = "master", password = "env:REDIS_PASSWORD", interval = "200ms", rise = 1, fall = 1, on_marked_down = "shutdown-sessions" }}
server = [{{ name = "one", address = "127.0.0.1:{}" }}, {{ name = "two", address = "127.0.0.1:{}" }}]
"#,
        one.port, two.port
    );
    let mut haproxy = Haproxy::start(&tables, &[("REDIS_PASSWORD", "sesame")]);
    haproxy.until("the master alone is up", |haproxy| {
        let servers = haproxy.servers();
        servers["one"] == "UP L7OK" && servers["two"].starts_with("DOWN L7")
    });
    let question = "AUTH sesame\r\nGET name\r\nQUIT\r\n";
    for _ in 0..4 {
        assert_eq!(haproxy.ask(question), "+OK\r\n$3\r\none\r\n+OK\r\n");
    }
    roles[0].store(false, Ordering::SeqCst);
    roles[1].store(true, Ordering::SeqCst);
    haproxy.until("the new master alone is up", |haproxy| {
        let servers = haproxy.servers();
        servers["two"] == "UP L7OK" && servers["one"].starts_with("DOWN L7")
    });
    assert_eq!(haproxy.ask(question), "+OK\r\n$3\r\ntwo\r\n+OK\r\n");
    // Without the password nobody is up: checks fail closed.
    let mut stranger = Haproxy::start(&tables, &[("REDIS_PASSWORD", "wrong")]);
    stranger.until("nobody is up", |haproxy| haproxy.servers().values().all(|one| one.starts_with("DOWN L7")));
}

/// The server's side of a MySQL handshake (protocol 10) up to its verdict.
fn mysql(mut stream: TcpStream, verdict: &[u8], seen: &Mutex<Vec<u8>>) {
    let mut greeting = vec![10];
    greeting.extend(b"8.0.0-test\0");
    greeting.extend([7, 0, 0, 0]);
    greeting.extend(b"12345678\0");
    // Capabilities (protocol 4.1, secure connection), character set, status, no plugin.
    greeting.extend([0xff, 0xf7, 8, 2, 0, 0, 0, 0]);
    greeting.extend([0; 10]);
    greeting.extend(b"123456789012\0");
    if stream.write_all(&packet(0, &greeting)).is_err() {
        return;
    }
    let mut head = [0; 4];
    if stream.read_exact(&mut head).is_err() {
        return;
    }
    let mut body = vec![0; usize::from(head[0]) | usize::from(head[1]) << 8];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    *seen.lock().unwrap() = body;
    let _gone = stream.write_all(&packet(2, verdict));
    // HAProxy says QUIT; what is left unread would reset the connection.
    let _quit = stream.read_to_end(&mut Vec::new());
}

fn packet(number: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![u8::try_from(body.len()).unwrap(), 0, 0, number];
    packet.extend(body);
    packet
}

#[test]
fn the_mysql_check_shakes_hands_as_its_user() {
    if !haproxy_is_here("the_mysql_check_shakes_hands_as_its_user") {
        return;
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let start = |verdict: &'static [u8]| {
        let seen = Arc::clone(&seen);
        Server::start(move |stream| mysql(stream, verdict, &seen))
    };
    let good = start(&[0, 0, 0, 2, 0, 0, 0]);
    let bad = start(b"\xff\x15\x04#28000Access denied for user");
    let mut haproxy = Haproxy::start(
        &format!(
            r#"[[backend]]
name = "web"
mode = "tcp"
check = {{ mysql = "checker", interval = "200ms", rise = 1, fall = 1 }}
server = [{{ name = "good", address = "127.0.0.1:{}" }}, {{ name = "bad", address = "127.0.0.1:{}" }}]
"#,
            good.port, bad.port
        ),
        &[],
    );
    haproxy.until_servers(&[("good", "UP L7OK"), ("bad", "DOWN L7STS")]);
    let seen = seen.lock().unwrap().clone();
    assert!(seen.windows(8).any(|bytes| bytes == b"checker\0"), "{seen:?}");
}

/// The start of a PostgreSQL session: the message with the user, and what the server says to it.
fn pgsql(mut stream: TcpStream, answer: &[u8], seen: &Mutex<Vec<u8>>) {
    let mut head = [0; 4];
    if stream.read_exact(&mut head).is_err() {
        return;
    }
    let mut body = vec![0; usize::try_from(u32::from_be_bytes(head)).unwrap().saturating_sub(4)];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    *seen.lock().unwrap() = body;
    let _gone = stream.write_all(answer);
    let _end = stream.read_to_end(&mut Vec::new());
}

#[test]
fn the_pgsql_check_begins_a_session_as_its_user() {
    if !haproxy_is_here("the_pgsql_check_begins_a_session_as_its_user") {
        return;
    }
    let seen = Arc::new(Mutex::new(Vec::new()));
    let start = |answer: &'static [u8]| {
        let seen = Arc::clone(&seen);
        Server::start(move |stream| pgsql(stream, answer, &seen))
    };
    let good = start(b"R\0\0\0\x08\0\0\0\0");
    let bad = start(b"E\0\0\0\x0dSFATAL\0\0\0");
    let mut haproxy = Haproxy::start(
        &format!(
            r#"[[backend]]
name = "web"
mode = "tcp"
check = {{ pgsql = "checker", interval = "200ms", rise = 1, fall = 1 }}
server = [{{ name = "good", address = "127.0.0.1:{}" }}, {{ name = "bad", address = "127.0.0.1:{}" }}]
"#,
            good.port, bad.port
        ),
        &[],
    );
    haproxy.until("good is up and bad is down", |haproxy| {
        let servers = haproxy.servers();
        servers["good"].starts_with("UP L7") && servers["bad"].starts_with("DOWN L7")
    });
    let seen = seen.lock().unwrap().clone();
    assert!(seen.windows(13).any(|bytes| bytes == b"user\0checker\0"), "{seen:?}");
}

#[test]
fn a_script_sends_exactly_what_is_written() {
    if !haproxy_is_here("a_script_sends_exactly_what_is_written") {
        return;
    }
    let sent = b"say \"it's\" $HOME #1 \\\t\x01\xc3\xa4\r\n";
    let seen = Arc::new(Mutex::new(Vec::new()));
    let server = {
        let seen = Arc::clone(&seen);
        Server::start(move |mut stream| {
            let mut bytes = vec![0; sent.len() + 2];
            if stream.write_all(b"220 ready $\r\n").is_err() || stream.read_exact(&mut bytes).is_err() {
                return;
            }
            *seen.lock().unwrap() = bytes;
            let _gone = stream.write_all(b"it's fine\0\xff");
            let _end = stream.read_to_end(&mut Vec::new());
        })
    };
    let script = r#"[{ expect_regex = "^220 .*\\$" }, { send = "say \"it's\" $HOME #1 \\\t\u0001ä\r\n" }, { send_hex = "00FF" }, { expect = "it's" }, { expect_hex = "00ff" }]"#;
    let mut haproxy = Haproxy::start(
        &format!(
            "[[backend]]\nname = \"web\"\nmode = \"tcp\"\ncheck = {{ script = {script}, interval = \"200ms\", rise = 1 }}\n\
             server = [{{ name = \"a\", address = \"127.0.0.1:{}\" }}]\n",
            server.port
        ),
        &[],
    );
    haproxy.until("the script was answered", |haproxy| haproxy.servers()["a"].starts_with("UP L7OK"));
    assert_eq!(*seen.lock().unwrap(), [sent.as_slice(), &[0, 0xff]].concat());
}

/// An HTTP server that answers every request with its name, and closes.
fn named(name: &'static str, healthy: Arc<AtomicBool>) -> Server {
    Server::start(move |stream| {
        let mut answers = stream.try_clone().unwrap();
        let mut lines = BufReader::new(stream).lines();
        let Some(Ok(request)) = lines.next() else { return };
        // The whole head, else the close resets the connection.
        while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
        let busy = request.starts_with("GET /up ") && !healthy.load(Ordering::SeqCst);
        let status = if busy { "503 Busy" } else { "200 OK" };
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", name.len());
        let _gone = answers.write_all(format!("{head}{name}").as_bytes());
    })
}

fn get(haproxy: &Haproxy, cookie: Option<&str>) -> (String, Option<String>) {
    let cookie = cookie.map_or(String::new(), |cookie| format!("Cookie: {cookie}\r\n"));
    let answer = haproxy.ask(&format!("GET / HTTP/1.1\r\nHost: a\r\n{cookie}Connection: close\r\n\r\n"));
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let set = head.lines().find_map(|line| line.split_once(": ").filter(|(n, _)| n.eq_ignore_ascii_case("set-cookie")));
    (body.to_owned(), set.map(|(_, value)| value.to_owned()))
}

#[test]
fn a_cookie_sticks_until_its_server_is_gone() {
    if !haproxy_is_here("a_cookie_sticks_until_its_server_is_gone") {
        return;
    }
    let healthy = [Arc::new(AtomicBool::new(true)), Arc::new(AtomicBool::new(true))];
    let (one, two) = (named("one", Arc::clone(&healthy[0])), named("two", Arc::clone(&healthy[1])));
    let mut haproxy = Haproxy::start(
        &format!(
            r#"[[backend]]
name = "web"
cookie = {{ name = "SRV", httponly = true, same_site = "lax" }}
check = {{ http = "GET /up", interval = "200ms", rise = 1, fall = 1 }}
server = [{{ name = "one", address = "127.0.0.1:{}", cookie = "a" }}, {{ name = "two", address = "127.0.0.1:{}" }}]
"#,
            one.port, two.port
        ),
        &[],
    );
    haproxy.until_servers(&[("one", "UP L7OK"), ("two", "UP L7OK")]);
    let first: Vec<_> = (0..4).map(|_| get(&haproxy, None)).collect();
    let names: BTreeSet<&str> = first.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["one", "two"]));
    let of_one = first.iter().find(|(name, _)| name == "one").unwrap().1.clone().unwrap();
    assert_eq!(of_one, "SRV=a; path=/; HttpOnly; SameSite=Lax");
    for _ in 0..10 {
        assert_eq!(get(&haproxy, Some("other=1; SRV=a")), ("one".to_owned(), None));
        assert_eq!(get(&haproxy, Some("SRV=two")), ("two".to_owned(), None));
    }
    healthy[0].store(false, Ordering::SeqCst);
    haproxy.until_servers(&[("one", "DOWN L7STS"), ("two", "UP L7OK")]);
    let (name, set) = get(&haproxy, Some("SRV=a"));
    assert_eq!((name.as_str(), set.as_deref()), ("two", Some("SRV=two; path=/; HttpOnly; SameSite=Lax")));
}
