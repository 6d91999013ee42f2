//! The control socket, from client to driver and back.

use std::collections::BTreeMap;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::mpsc;
use vipkeeper::node::Status;
use vipkeeper::node::event::Request;
use vipkeeper::node::status::{ConfigStatus, ProxyStatus};
use vipkeeper::shell::control::{Call, Client, ClientError, Server, socket_path};
use vipkeeper::units::Name;

use crate::namespace::on_thread;

pub(crate) fn status() -> Status {
    Status {
        node: "lb1".to_owned(),
        version: "0".to_owned(),
        pid: 7,
        up_ms: 1,
        phase: "running".to_owned(),
        maintenance: false,
        config: ConfigStatus { digest: String::new(), loaded_ms_ago: 0, last_reload: None },
        proxy: ProxyStatus {
            engine: "haproxy".to_owned(),
            healthy: true,
            why: String::new(),
            for_ms: 0,
            doing: String::new(),
            master_pid: None,
            worker_pid: None,
            version: None,
            generation: None,
            connections: None,
            accepted: None,
            frontends: Vec::new(),
            backends: Vec::new(),
            starts: 0,
            installed_version: None,
            features: Vec::new(),
            old_workers: Vec::new(),
            old_workers_more: 0,
            intents: Vec::new(),
        },
        vips: Vec::new(),
        dropped: BTreeMap::new(),
        trackers: Vec::new(),
        peers: Vec::new(),
        peers_note: None,
    }
}

/// A server, and a driver that answers every request with its own words, except reload, which it refuses.
fn serve(runtime_dir: &Path) -> tokio::task::JoinHandle<()> {
    let server = Server::bind(runtime_dir).unwrap();
    let (calls, mut queue) = mpsc::channel(4);
    tokio::spawn(async move {
        while let Some(call) = queue.recv().await {
            match call {
                Call::Status(reply) => drop(reply.send(Box::new(status()))),
                Call::Request(Request::Reload, reply) => drop(reply.send(Err("line 3 is wrong".to_owned()))),
                Call::Request(request, reply) => drop(reply.send(Ok(format!("{request:?}")))),
            }
        }
    });
    tokio::spawn(server.run(calls))
}

/// One raw exchange; returns the whole answer.
async fn raw(runtime_dir: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket_path(runtime_dir)).await.unwrap();
    stream.write_all(request).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8(answer).unwrap()
}

fn post(path: &str, body: &str) -> Vec<u8> {
    format!("POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

#[test]
fn client_and_server_agree() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let _server = serve(directory.path());
        let client = Client::new(directory.path()).unwrap();
        assert_eq!(client.status().await.unwrap(), status());
        let www = Some(Name::new("www").unwrap());
        let release = Request::Release { vip: www.clone(), hold: Duration::from_millis(1500) };
        assert_eq!(client.release(Some("www"), Duration::from_millis(1500)).await.unwrap(), format!("{release:?}"));
        let release = Request::Release { vip: None, hold: Duration::ZERO };
        assert_eq!(client.release(None, Duration::ZERO).await.unwrap(), format!("{release:?}"));
        let resume = Request::Resume { vip: www };
        assert_eq!(client.resume(Some("www")).await.unwrap(), format!("{resume:?}"));
        let refused = client.reload().await.unwrap_err();
        assert!(matches!(&refused, ClientError::Refused(_)), "{refused:?}");
        assert_eq!(refused.to_string(), "line 3 is wrong");
    });
}

#[test]
fn only_the_owner_may_open_the_socket_and_it_goes_with_the_server() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = socket_path(directory.path());
        // A stale one of a killed predecessor is in the way.
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        let server = serve(directory.path());
        let meta = std::fs::metadata(&path).unwrap();
        assert!(meta.file_type().is_socket());
        assert_eq!(meta.mode() & 0o777, 0o600);
        server.abort();
        assert!(server.await.unwrap_err().is_cancelled());
        assert!(!path.exists());
    });
}

#[test]
fn without_a_vipkeeper_the_client_says_so() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let client = Client::new(directory.path()).unwrap();
        let text = client.status().await.unwrap_err().to_string();
        assert!(text.starts_with("vipkeeper is not running here (no socket at /"), "{text}");
        drop(std::os::unix::net::UnixListener::bind(socket_path(directory.path())).unwrap());
        let error = client.reload().await.unwrap_err();
        assert!(matches!(error, ClientError::NotRunning { .. }), "{error:?}");
        assert!(error.to_string().contains("nobody listens at"), "{error}");
    });
}

#[test]
fn wrong_requests_are_answered_with_help() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let _server = serve(directory.path());
        let check = async |request: Vec<u8>, status: &str, text: &str| {
            let answer = raw(directory.path(), &request).await;
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
            assert!(answer.contains(text), "{answer}");
        };
        check(b"GET /v1/nothing HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "404", "/api/v1/status").await;
        check(b"GET /v1/reload HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), "405", "/v1/reload takes POST, not GET").await;
        check(post("/v1/status", ""), "405", "/v1/status takes GET, not POST").await;
        check(post("/v1/release", "{"), "400", "the body is not like").await;
        check(post("/v1/release", r#"{"vpi": "www"}"#), "400", "unknown field `vpi`").await;
        check(post("/v1/resume", r#"{"vip": "a b"}"#), "400", "vip: a name must be 1-63").await;
        check(post("/v1/release", &" ".repeat(5000)), "413", "4096 bytes").await;
        check(b"nonsense\r\n\r\n".to_vec(), "400", "").await;
        // And it still works after all that.
        check(post("/v1/release", ""), "200", "Release { vip: None").await;
    });
}

#[test]
fn idle_connections_cannot_shut_others_out_for_long() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let _server = serve(directory.path());
        let mut idle = Vec::new();
        for _ in 0..20 {
            idle.push(UnixStream::connect(socket_path(directory.path())).await.unwrap());
        }
        // All places are taken until the time for the headers is over.
        let answer = raw(directory.path(), &post("/v1/resume", "")).await;
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    });
}
