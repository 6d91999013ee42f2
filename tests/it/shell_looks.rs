//! Looks at real programs, files and sockets.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use vipkeeper::node::Event;
use vipkeeper::node::event::OpId;
use vipkeeper::shell::clock::now;
use vipkeeper::shell::looks::{self, Look};
use vipkeeper::track::LookSpec;
use vipkeeper::units::Name;

use crate::namespace::{Namespace, as_root, ip, on_thread};

/// The worker with its queues.
struct Bench {
    looks: mpsc::Sender<Look>,
    events: mpsc::Receiver<Event>,
    next: u64,
}

impl Bench {
    fn new() -> Self {
        let (looks, queue) = mpsc::channel(256);
        let (sender, events) = mpsc::channel(256);
        tokio::spawn(looks::run("lb1".to_owned(), queue, sender));
        Self { looks, events, next: 0 }
    }

    async fn begin(&mut self, what: LookSpec, within: Duration) -> OpId {
        self.next += 1;
        let op = OpId(self.next);
        self.looks.send(Look { op, what, deadline: now() + within }).await.unwrap();
        op
    }

    async fn next(&mut self) -> (OpId, Result<i64, String>) {
        let event = self.events.recv().await.unwrap();
        let Event::Looked { op, result } = event else { panic!("{event:?}") };
        (op, result)
    }

    async fn look(&mut self, what: LookSpec, within: Duration) -> Result<i64, String> {
        let op = self.begin(what, within).await;
        let (answered, result) = self.next().await;
        assert_eq!(answered, op);
        result
    }
}

const LONG: Duration = Duration::from_secs(20);

fn script(argv: &[&str]) -> LookSpec {
    let argv = argv.iter().map(|a| (*a).to_owned()).collect();
    LookSpec::Script { tracker: Name::new("gw").unwrap(), argv, user: None, group: None }
}

fn sh(text: &str) -> LookSpec {
    script(&["/bin/sh", "-c", text])
}

fn alive(pid: &str) -> bool {
    // A zombie has ended.
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = now() + Duration::from_secs(10);
    while !done() {
        assert!(now() < deadline, "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[test]
fn exit_status_0_is_good_and_the_end_of_the_output_is_part_of_the_reason() {
    on_thread(|| async {
        let mut bench = Bench::new();
        assert_eq!(bench.look(sh("echo fine"), LONG).await, Ok(0));
        assert_eq!(bench.look(sh("exit 3"), LONG).await, Err("/bin/sh: exit status 3".to_owned()));
        assert_eq!(bench.look(sh("kill -9 $$"), LONG).await, Err("/bin/sh: signal 9".to_owned()));
        let why = bench.look(sh("echo no route; printf 'to\\033[31m\\nhost' >&2; exit 1"), LONG).await.unwrap_err();
        assert_eq!(why, "/bin/sh: exit status 1: no route to\\u{1b}[31m host");
        let long = "i=0; while [ $i -lt 3000 ]; do echo line$i; i=$((i+1)); done; exit 2";
        let why = bench.look(sh(long), LONG).await.unwrap_err();
        assert!(why.ends_with("line2998 line2999") && !why.contains("line2900 ") && why.len() < 560, "{why}");
    });
}

/// keepalived takes what cannot be executed for a success.
#[test]
fn keepalived_pain_11_a_script_that_cannot_be_started_has_failed() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("check");
        let program = path.to_str().unwrap();
        let put = |text: &str, mode| {
            // Under another name first: a file that somebody writes to cannot be executed.
            let draft = directory.path().join("draft");
            fs::write(&draft, text).unwrap();
            fs::set_permissions(&draft, fs::Permissions::from_mode(mode)).unwrap();
            fs::rename(&draft, &path).unwrap();
        };
        let mut bench = Bench::new();
        put("#!/bin/sh\nexit 0\n", 0o755);
        assert_eq!(bench.look(script(&[program]), LONG).await, Ok(0));
        fs::remove_file(&path).unwrap();
        let why = bench.look(script(&[program]), LONG).await.unwrap_err();
        assert_eq!(why, format!("cannot start {program}: No such file or directory (os error 2)"));
        put("#!/bin/sh\nexit 0\n", 0o644);
        let why = bench.look(script(&[program]), LONG).await.unwrap_err();
        assert!(why.contains("Permission denied"), "{why}");
        put("#!/no/such/interpreter\n", 0o755);
        assert!(bench.look(script(&[program]), LONG).await.unwrap_err().starts_with("cannot start"));
        let mut stranger = script(&["/bin/true"]);
        let LookSpec::Script { user, .. } = &mut stranger else { panic!() };
        *user = Some("no-such-user".to_owned());
        let why = bench.look(stranger, LONG).await.unwrap_err();
        assert_eq!(why, "cannot start /bin/true: there is no user \"no-such-user\"");
    });
}

/// keepalived waits for a script that ignores SIGTERM, and believes one that then exits 0.
#[test]
fn keepalived_3i_a_script_is_killed_with_its_group_at_the_deadline() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let pids = directory.path().join("pids");
        let text = format!(
            "trap 'exit 0' TERM; sh -c 'trap \"\" TERM; sleep 600' & echo $$ $! > {0}.tmp; mv {0}.tmp {0}; sleep 600",
            pids.display()
        );
        let mut bench = Bench::new();
        let begun = now();
        let why = bench.look(sh(&text), Duration::from_millis(700)).await.unwrap_err();
        let took = now() - begun;
        assert!(took >= Duration::from_millis(700) && took < Duration::from_secs(5), "{took:?}: {why}");
        let pids = fs::read_to_string(pids).expect("it ran");
        for pid in pids.split_whitespace() {
            until(&format!("process {pid} is killed"), || !alive(pid)).await;
        }
        // The next one finds the way free.
        assert_eq!(bench.look(sh("exit 0"), LONG).await, Ok(0));
    });
}

#[test]
fn at_most_one_run_of_a_script_at_a_time() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let lock = directory.path().join("lock");
        let text = format!("mkdir {0} || exit 9; sleep 0.05; rmdir {0}", lock.display());
        let mut bench = Bench::new();
        for _ in 0..5 {
            bench.begin(sh(&text), LONG).await;
        }
        for _ in 0..5 {
            assert_eq!(bench.next().await.1, Ok(0));
        }
        // One that waits for another behind its own deadline never begins.
        bench.begin(sh("sleep 2"), LONG).await;
        let waiting = bench.begin(sh(&format!("mkdir {}", lock.display())), Duration::from_millis(200)).await;
        let (op, result) = bench.next().await;
        assert_eq!(op, waiting);
        assert!(result.is_err());
        assert_eq!(bench.next().await.1, Ok(0));
        assert!(!lock.exists());
    });
}

#[test]
fn a_script_ends_with_vipkeeper() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("pid");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let mut bench = Bench::new();
        let text = format!("echo $$ > {0}.tmp; mv {0}.tmp {0}; sleep 600", file.display());
        bench.begin(sh(&text), LONG).await;
        until("the script runs", || file.exists()).await;
    });
    let pid = fs::read_to_string(&file).unwrap();
    assert!(alive(&pid));
    drop(runtime);
    on_thread(|| async move { until("the script has ended", || !alive(&pid)).await });
}

fn number(path: &Path) -> LookSpec {
    LookSpec::File { tracker: Name::new("number").unwrap(), path: path.to_owned() }
}

#[test]
fn a_file_holds_a_number_nothing_or_garbage() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("number");
        let mut bench = Bench::new();
        assert_eq!(bench.look(number(&path), LONG).await, Ok(0));
        let table = [
            ("", Some(0)),
            (" \n", Some(0)),
            ("17\n", Some(17)),
            ("-3", Some(-3)),
            ("9223372036854775807\n", Some(i64::MAX)),
            ("9223372036854775808\n", None),
            ("1 2", None),
            ("up", None),
            ("0x10", None),
        ];
        for (text, expect) in table {
            fs::write(&path, text).unwrap();
            assert_eq!(bench.look(number(&path), LONG).await.ok(), expect, "{text:?}");
        }
        fs::write(&path, format!("{:0>65}", 1)).unwrap();
        assert!(bench.look(number(&path), LONG).await.is_err(), "longer than any number");
        fs::write(&path, "up").unwrap();
        let why = bench.look(number(&path), LONG).await.unwrap_err();
        assert_eq!(why, format!("{}: holds \"up\" where a whole number belongs", path.display()));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(bench.look(number(&path), LONG).await.is_err(), "a directory");
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert_eq!(bench.look(number(&fifo), LONG).await, Ok(0), "a FIFO that nobody writes to");
    });
}

#[test]
fn a_tcp_connection_is_accepted_or_refused() {
    on_thread(|| async {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut bench = Bench::new();
        assert_eq!(bench.look(LookSpec::Tcp { address }, LONG).await, Ok(0));
        let (mut accepted, _) = listener.accept().await.unwrap();
        let closed = accepted.read(&mut [0]).await.unwrap_err();
        assert_eq!(closed.kind(), std::io::ErrorKind::ConnectionReset);
        drop(listener);
        let why = bench.look(LookSpec::Tcp { address }, LONG).await.unwrap_err();
        assert_eq!(why, format!("cannot connect to {address}: Connection refused (os error 111)"));
    });
}

/// Answers each connection with the same bytes, and keeps it open if they end with a space.
async fn server(answer: String) -> SocketAddr {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let mut kept = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1024];
            let read = stream.read(&mut request).await.unwrap_or(0);
            assert!(request[..read].starts_with(b"GET "));
            drop(stream.write_all(answer.as_bytes()).await);
            if answer.ends_with(' ') {
                kept.push(stream);
            }
        }
    });
    address
}

#[test]
fn http_statuses_from_200_to_399_are_good_and_redirects_are_not_followed() {
    on_thread(|| async {
        let table = [
            ("200 OK", true),
            ("204 No Content", true),
            ("301 Moved Permanently", true),
            ("399 Odd", true),
            ("400 Bad Request", false),
            ("404 Not Found", false),
            ("503 Service Unavailable", false),
        ];
        let mut bench = Bench::new();
        for (status, good) in table {
            let head = format!("HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
            let address = server(head).await;
            let result = bench.look(LookSpec::Http { url: format!("http://{address}/up") }, LONG).await;
            assert_eq!(result.is_ok(), good, "{status}: {result:?}");
        }
        let named = server("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n".to_owned()).await;
        let url = format!("http://localhost:{}/", named.port());
        assert_eq!(bench.look(LookSpec::Http { url }, LONG).await, Ok(0), "a name");
        let url = "http://127.0.0.1:1/".to_owned();
        let why = bench.look(LookSpec::Http { url }, LONG).await.unwrap_err();
        assert_eq!(why, "http://127.0.0.1:1/: Connection refused (os error 111)");
    });
}

#[test]
fn an_http_body_without_end_is_not_read_to_its_end() {
    on_thread(|| async {
        let body = "x".repeat(100_000);
        let endless = server(format!("HTTP/1.1 200 OK\r\ncontent-length: 99999999\r\n\r\n{body} ")).await;
        let mut bench = Bench::new();
        assert_eq!(bench.look(LookSpec::Http { url: format!("http://{endless}/") }, LONG).await, Ok(0));
        let silent = server(" ".to_owned()).await;
        let begun = now();
        let url = format!("http://{silent}/");
        assert!(bench.look(LookSpec::Http { url }, Duration::from_millis(300)).await.is_err());
        assert!(now() - begun < Duration::from_secs(5));
    });
}

#[test]
fn pings_of_both_families_are_answered_or_not() {
    as_root("pings_of_both_families_are_answered_or_not", || async {
        let namespace = Namespace::new();
        namespace.enter();
        ip("link set lo up");
        ip("link add v0 type veth peer name v1");
        ip("addr add 192.0.2.2/24 dev v0");
        ip("link set v1 up");
        ip("link set v0 up");
        ip("neigh add 192.0.2.1 lladdr 02:00:00:00:00:01 nud permanent dev v0");
        let mut bench = Bench::new();
        let ping = |address: IpAddr| LookSpec::Ping { address };
        for range in ["1 0", "0 2147483647"] {
            // First by raw sockets, then by those for pings.
            fs::write("/proc/sys/net/ipv4/ping_group_range", range).unwrap();
            for address in [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)] {
                for _ in 0..5 {
                    assert_eq!(bench.look(ping(address), LONG).await, Ok(0), "{address} {range}");
                }
            }
            // Frames to nobody.
            let begun: Instant = now();
            let silent = ping("192.0.2.1".parse().unwrap());
            assert!(bench.look(silent, Duration::from_millis(200)).await.is_err());
            assert!(now() - begun >= Duration::from_millis(200));
            let why = bench.look(ping("203.0.113.1".parse().unwrap()), LONG).await.unwrap_err();
            assert_eq!(why, "cannot ping 203.0.113.1: Network is unreachable (os error 101)");
        }
    });
}

#[test]
fn looks_do_not_wait_for_one_another() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let mut bench = Bench::new();
        for n in 0..20 {
            let hanging = LookSpec::Script {
                tracker: Name::new(&format!("hangs{n}")).unwrap(),
                argv: vec!["/bin/sleep".to_owned(), "600".to_owned()],
                user: None,
                group: None,
            };
            bench.begin(hanging, Duration::from_secs(3)).await;
        }
        let quick = bench.begin(number(&directory.path().join("none")), LONG).await;
        assert_eq!(bench.next().await, (quick, Ok(0)));
        for _ in 0..20 {
            assert!(bench.next().await.1.is_err());
        }
    });
}
