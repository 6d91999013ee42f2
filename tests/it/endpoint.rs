//! The endpoint of `[http]`: who may ask for what, over a real connection.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use vipkeeper::config::Endpoint;
use vipkeeper::node::Status;
use vipkeeper::node::event::Request;
use vipkeeper::shell::control::Call;
use vipkeeper::shell::endpoint;

use crate::namespace::on_thread;
use crate::shell_control::status;

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// An endpoint with a driver behind it.
struct Bench {
    address: SocketAddr,
    settings: watch::Sender<Option<Endpoint>>,
    /// What the driver says of the node from now on.
    says: watch::Sender<Status>,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn new(token: Option<&str>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let token_file = token.map(|token| {
            let path = directory.path().join("token");
            std::fs::write(&path, token).unwrap();
            path
        });
        let address = free().await;
        let (settings, wanted) = watch::channel(Some(settings(address, token_file)));
        let (calls, mut queue) = mpsc::channel(4);
        let (says, said) = watch::channel(status());
        tokio::spawn(async move {
            while let Some(call) = queue.recv().await {
                match call {
                    Call::Status(reply) => drop(reply.send(Box::new(said.borrow().clone()))),
                    Call::Request(Request::Reload, reply) => drop(reply.send(Err("line 3 is wrong".to_owned()))),
                    Call::Request(request, reply) => drop(reply.send(Ok(format!("{request:?}")))),
                }
            }
        });
        tokio::spawn(endpoint::run(wanted, calls));
        let bench = Self { address, settings, says, _directory: directory };
        drop(bench.connect().await);
        bench
    }

    /// It listens on a thread of its own, a moment after it was told to.
    async fn connect(&self) -> TcpStream {
        loop {
            match TcpStream::connect(self.address).await {
                Ok(stream) => return stream,
                Err(_) => tokio::task::yield_now().await,
            }
        }
    }

    /// One exchange; the whole answer.
    async fn raw(&self, request: &str) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        String::from_utf8(answer).unwrap()
    }

    async fn get(&self, path: &str) -> String {
        self.raw(&format!("GET {path} HTTP/1.1\r\nHost: {}\r\n\r\n", self.address)).await
    }

    async fn post(&self, path: &str, more: &str, body: &str) -> String {
        let length = body.len();
        let head = format!("POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n{more}");
        self.raw(&format!("{head}\r\n{body}")).await
    }
}

async fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap()
}

fn settings(address: SocketAddr, token_file: Option<PathBuf>) -> Endpoint {
    Endpoint { listen: vec![address], token_file, hosts: vec!["lb1".to_owned()] }
}

fn code(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or(answer)
}

/// The next event of a stream; what follows it is kept.
async fn event(stream: &mut TcpStream, seen: &mut String) -> String {
    loop {
        let found = seen.split_once("event: status\ndata: ").and_then(|(before, rest)| {
            let (data, after) = rest.split_once("\n\n")?;
            Some((before.to_owned(), data.to_owned(), after.to_owned()))
        });
        if let Some((before, data, after)) = found {
            assert!(!before.contains("\ndata:"), "{before}");
            *seen = after;
            return data;
        }
        let mut part = [0; 4096];
        let got = stream.read(&mut part).await.unwrap();
        assert_ne!(got, 0, "the stream ended: {seen}");
        // Chunks have their length in lines of their own, which no JSON of one line has.
        let text = String::from_utf8_lossy(&part[..got]).into_owned();
        seen.push_str(&text);
    }
}

#[test]
fn everybody_may_look() {
    on_thread(|| async {
        let bench = Bench::new(None).await;
        let answer = bench.get("/api/v1/status").await;
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        assert_eq!(code(head), "200");
        assert_eq!(serde_json::from_str::<Status>(body).unwrap(), status());
        for header in ["content-security-policy: default-src 'none';", "x-content-type-options: nosniff"] {
            assert!(head.contains(header), "{head}");
        }
        assert!(bench.get("/metrics").await.contains("\nvipkeeper_proxy_healthy 1\n"));
        assert!(bench.get("/healthz").await.ends_with("\r\n\r\nok\n"));
        assert!(bench.get("/readyz").await.ends_with("\r\n\r\nready\n"));
        assert!(bench.get("/api/v1/openapi.json").await.contains("\"openapi\":\"3.1.0\""));
        let page = bench.get("/").await;
        assert!(page.contains("content-type: text/html") && page.contains("<!doctype html>"), "{page}");
        assert_eq!(code(&bench.get("/api/v1/vips/nobody").await), "404");
        let head = bench.raw("HEAD /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
        assert!(code(&head) == "200" && head.ends_with("\r\n\r\n"), "{head}");
    });
}

#[test]
fn a_node_that_could_not_serve_is_not_ready_and_says_why() {
    on_thread(|| async {
        let bench = Bench::new(None).await;
        bench.says.send_modify(|status| {
            status.proxy.healthy = false;
            status.proxy.why = "signal 9".to_owned();
        });
        let answer = bench.get("/readyz").await;
        assert!(code(&answer) == "503" && answer.ends_with("\r\n\r\nthe proxy: signal 9\n"), "{answer}");
        assert_eq!(code(&bench.get("/healthz").await), "200");
    });
}

#[test]
fn names_of_others_that_lead_here_are_refused() {
    on_thread(|| async {
        let bench = Bench::new(None).await;
        for (host, expected) in
            [("evil.example", "421"), ("evil.example:9112", "421"), ("lb1", "200"), ("[::1]", "200")]
        {
            let answer = bench.raw(&format!("GET /api/v1/status HTTP/1.1\r\nHost: {host}\r\n\r\n")).await;
            assert_eq!(code(&answer), expected, "{host}");
        }
        assert_eq!(code(&bench.raw("GET /healthz HTTP/1.0\r\n\r\n").await), "200");
    });
}

#[test]
fn without_a_token_file_nothing_can_be_changed() {
    on_thread(|| async {
        let bench = Bench::new(None).await;
        let answer = bench.post("/api/v1/maintenance", "", r#"{"on": true}"#).await;
        assert!(code(&answer) == "403" && answer.contains("token_file"), "{answer}");
    });
}

#[test]
fn what_changes_something_takes_the_token() {
    on_thread(|| async {
        let bench = Bench::new(Some(TOKEN)).await;
        let body = r#"{"on": true}"#;
        let with = |token: &str| format!("Authorization: Bearer {token}\r\n");
        let refused = bench.post("/api/v1/maintenance", "", body).await;
        assert!(code(&refused) == "401" && refused.contains("www-authenticate: Bearer"), "{refused}");
        assert_eq!(code(&bench.post("/api/v1/maintenance", &with("0123456789abcdef"), body).await), "401");
        let done = bench.post("/api/v1/maintenance", &with(TOKEN), body).await;
        assert!(code(&done) == "200" && done.contains("Maintenance { on: true }"), "{done}");
        let refused = bench.post("/api/v1/reload", &with(TOKEN), "").await;
        assert!(code(&refused) == "409" && refused.contains("line 3 is wrong"), "{refused}");
        assert_eq!(code(&bench.get("/api/v1/reload").await), "405");
        assert_eq!(code(&bench.post("/api/v1/server", &with(TOKEN), &"x".repeat(5000)).await), "413");
    });
}

#[test]
fn a_token_that_is_too_short_permits_nothing() {
    on_thread(|| async {
        let bench = Bench::new(Some("short")).await;
        let answer = bench.post("/api/v1/reload", "Authorization: Bearer short\r\n", "").await;
        assert!(code(&answer) == "403" && answer.contains("keygen"), "{answer}");
    });
}

#[test]
fn those_who_watch_are_told_of_changes() {
    on_thread(|| async {
        let bench = Bench::new(None).await;
        let mut stream = bench.connect().await;
        stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
        let mut seen = String::new();
        let first: Status = serde_json::from_str(&event(&mut stream, &mut seen).await).unwrap();
        assert!(first.proxy.healthy);
        bench.says.send_modify(|status| status.proxy.healthy = false);
        let second: Status = serde_json::from_str(&event(&mut stream, &mut seen).await).unwrap();
        assert!(!second.proxy.healthy);
    });
}

#[test]
fn watchers_are_bounded_and_leave_room_for_questions() {
    on_thread(|| async {
        let bench = Bench::new(None).await;
        let mut watching = Vec::new();
        let answer = loop {
            let mut stream = bench.connect().await;
            stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.unwrap();
            let first = String::from_utf8_lossy(&first).into_owned();
            if code(&first) != "200" {
                break first;
            }
            watching.push(stream);
            assert!(watching.len() < 100);
        };
        assert_eq!((code(&answer), watching.len()), ("503", 8));
        assert_eq!(code(&bench.get("/healthz").await), "200");
        // A place that is free again is given again.
        drop(watching.pop());
        loop {
            let mut stream = bench.connect().await;
            stream.write_all(b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let mut first = [0; 12];
            stream.read_exact(&mut first).await.unwrap();
            if code(&String::from_utf8_lossy(&first)) == "200" {
                break;
            }
        }
    });
}

#[test]
fn a_changed_configuration_moves_the_endpoint() {
    on_thread(|| async {
        let mut bench = Bench::new(None).await;
        let before = bench.address;
        bench.address = free().await;
        bench.settings.send_replace(Some(settings(bench.address, None)));
        assert_eq!(code(&bench.get("/healthz").await), "200");
        while TcpStream::connect(before).await.is_ok() {}
        // Back to where it was, with other names.
        bench.address = before;
        let renamed = Endpoint { hosts: vec!["other".to_owned()], ..settings(before, None) };
        bench.settings.send_replace(Some(renamed));
        assert_eq!(code(&bench.raw("GET /healthz HTTP/1.1\r\nHost: other\r\n\r\n").await), "200");
        bench.settings.send_replace(None);
        while TcpStream::connect(before).await.is_ok() {}
    });
}

#[test]
fn an_address_that_is_taken_is_tried_again() {
    on_thread(|| async {
        let bench = Bench::new(None).await;
        let holder = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let taken = holder.local_addr().unwrap();
        let both = Endpoint { listen: vec![bench.address, taken], ..settings(bench.address, None) };
        bench.settings.send_replace(Some(both));
        // The other address answers meanwhile.
        assert_eq!(code(&bench.get("/healthz").await), "200");
        drop(holder);
        let answered = async {
            loop {
                if TcpStream::connect(taken).await.is_ok() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), answered).await.unwrap();
    });
}
