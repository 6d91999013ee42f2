//! A rendered configuration in a real HAProxy on loopback, and small servers of other protocols for it to check.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::config::{loaded, one};
use crate::config_backends::pair_of;
use crate::proxy_fixture::render_at;

/// Whatever is awaited here comes long before.
const DEADLINE: Duration = Duration::from_secs(20);

/// A HAProxy that ends with the test.
pub(crate) struct Haproxy {
    dir: tempfile::TempDir,
    child: Child,
    pub(crate) port: u16,
}

impl Drop for Haproxy {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// A port of loopback that is free now.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

impl Haproxy {
    /// Starts with these backend tables behind a frontend on loopback, and waits until it listens.
    pub(crate) fn start(tables: &str, environment: &[(&str, &str)]) -> Self {
        let port = free_port();
        let text = pair_of(tables).replace("\"www:80\"", &format!("\"127.0.0.1:{port}\""));
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("stats.sock");
        let rendered = render_at(&loaded(&one(&text)), &socket, None).unwrap();
        let file = dir.path().join("haproxy.cfg");
        std::fs::write(&file, &rendered.text).unwrap();
        let log = std::fs::File::create(dir.path().join("log")).unwrap();
        let mut command = Command::new("haproxy");
        command.arg("-db").arg("-f").arg(&file).envs(environment.iter().copied());
        let child = command.stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let mut haproxy = Self { dir, child, port };
        haproxy.until("it listens", |haproxy| TcpStream::connect(("127.0.0.1", haproxy.port)).is_ok());
        haproxy
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("stats.sock")
    }

    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.dir.path().join("log")).unwrap_or_default()
    }

    /// Status and result of the last check of each server, such as "UP L7OK".
    pub(crate) fn servers(&self) -> BTreeMap<String, String> {
        let Ok(mut socket) = UnixStream::connect(self.socket()) else { return BTreeMap::new() };
        socket.set_read_timeout(Some(DEADLINE)).unwrap();
        socket.write_all(b"show stat\n").unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        let mut lines = text.lines().map(|line| line.split(',').collect::<Vec<_>>());
        let header = lines.next().unwrap_or_default();
        let column = |name: &str| header.iter().position(|one| one.trim_start_matches("# ") == name);
        let (Some(status), Some(check)) = (column("status"), column("check_status")) else { return BTreeMap::new() };
        lines
            .filter(|row| row.get(1).is_some_and(|name| !matches!(*name, "FRONTEND" | "BACKEND")))
            .filter_map(|row| {
                let check = row.get(check)?.trim_start_matches("* ");
                Some(((*row.get(1)?).to_owned(), format!("{} {check}", row.get(status)?).trim().to_owned()))
            })
            .collect()
    }

    /// Waits for something that HAProxy comes to by itself.
    pub(crate) fn until(&mut self, what: &str, mut seen: impl FnMut(&Self) -> bool) {
        let end = Instant::now() + DEADLINE;
        while !seen(self) {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("haproxy ended with {status}:\n{}", self.log());
            }
            assert!(Instant::now() < end, "not in time: {what}; {:?}\n{}", self.servers(), self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn until_servers(&mut self, expected: &[(&str, &str)]) {
        let expected: BTreeMap<String, String> =
            expected.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect();
        self.until(&format!("{expected:?}"), |haproxy| haproxy.servers() == expected);
    }

    /// Sends one text through the frontend and reads all that comes back.
    pub(crate) fn ask(&self, text: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }
}

/// A server on loopback, a thread for each connection, until the test drops it.
pub(crate) struct Server {
    pub(crate) port: u16,
    stopped: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let stopped = Arc::new(AtomicBool::new(false));
        let (serve, stop) = (Arc::new(serve), Arc::clone(&stopped));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                stream.set_read_timeout(Some(DEADLINE)).unwrap();
                let serve = Arc::clone(&serve);
                std::thread::spawn(move || serve(stream));
            }
        });
        Self { port, stopped }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // Wakes the thread, which then lets go of the port.
        let _woken = TcpStream::connect(("127.0.0.1", self.port));
    }
}
