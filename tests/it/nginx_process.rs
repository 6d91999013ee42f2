//! The proxy worker with a real nginx: files, processes, reloads whose failure is silent, and what outlives a master.

use std::net::TcpListener;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use vipkeeper::config::{BindTarget, Config, Engine};
use vipkeeper::node::Event;
use vipkeeper::node::event::OpId;
use vipkeeper::proxy::{BindProbe, ProxyOp, ProxyOutcome, ReloadMethod, Sample};
use vipkeeper::render::Rendered;
use vipkeeper::shell::nginx_socket::probe;
use vipkeeper::shell::process::{ProxyPaths, run};

use crate::proxy_fixture::{bind, nginx_config, nginx_is_here, raw, render_at};

/// Whatever is awaited here comes long before.
const DEADLINE: Duration = Duration::from_secs(20);

/// A worker with directories and a port of its own.
struct Lab {
    _dir: TempDir,
    paths: ProxyPaths,
    port: u16,
    ops: mpsc::Sender<(OpId, ProxyOp)>,
    events: mpsc::Receiver<Event>,
    /// Events that came while something else was awaited.
    seen: Vec<Event>,
    task: JoinHandle<()>,
    next: u64,
    /// Masters to end with the test, whatever happens.
    masters: Vec<u32>,
    _workers: watch::Sender<Option<u32>>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        for master in &self.masters {
            let _gone = kill(Pid::from_raw(-i32::try_from(*master).unwrap()), Signal::SIGKILL);
        }
    }
}

type Ends = (mpsc::Sender<(OpId, ProxyOp)>, watch::Sender<Option<u32>>, mpsc::Receiver<Event>, JoinHandle<()>);

impl Lab {
    /// None, told loudly, where nginx is not installed.
    fn new(test: &str) -> Option<Self> {
        if !nginx_is_here(test) {
            return None;
        }
        let dir = tempfile::tempdir().unwrap();
        let paths = ProxyPaths {
            engine: Engine::Nginx,
            binary: PathBuf::from("nginx"),
            state_dir: dir.path().join("state"),
            runtime_dir: dir.path().join("run"),
            check_timeout: ProxyPaths::CHECK_TIMEOUT,
        };
        std::fs::create_dir(&paths.state_dir).unwrap();
        std::fs::create_dir(&paths.runtime_dir).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (ops, workers, events, task) = Self::spawn(&paths);
        Some(Self {
            _dir: dir,
            paths,
            port,
            ops,
            events,
            seen: Vec::new(),
            task,
            next: 0,
            masters: Vec::new(),
            _workers: workers,
        })
    }

    fn spawn(paths: &ProxyPaths) -> Ends {
        let (ops, ops_end) = mpsc::channel(4);
        let (workers, workers_end) = watch::channel(None);
        let (events_end, events) = mpsc::channel(16);
        let task = tokio::spawn(run(paths.clone(), ops_end, workers_end, events_end));
        (ops, workers, events, task)
    }

    /// Ends the worker as SIGKILL ends a vipkeeper: nobody watches the proxy any more.
    async fn abandon(&mut self) {
        self.task.abort();
        assert!((&mut self.task).await.is_err());
    }

    /// A successor of the worker, which knows nothing of it.
    fn succeed(&mut self) {
        (self.ops, self._workers, self.events, self.task) = Self::spawn(&self.paths);
        self.seen.clear();
    }

    async fn perform(&mut self, op: ProxyOp) -> ProxyOutcome {
        self.next += 1;
        let id = OpId(self.next);
        self.ops.send((id, op)).await.unwrap();
        let done = self.event(|e| matches!(e, Event::ProxyDone { op, .. } if *op == id)).await;
        let Event::ProxyDone { outcome, .. } = done else { unreachable!() };
        if let ProxyOutcome::Started { pid } = outcome {
            self.masters.push(pid);
        }
        outcome
    }

    async fn event(&mut self, wanted: impl Fn(&Event) -> bool) -> Event {
        if let Some(at) = self.seen.iter().position(&wanted) {
            return self.seen.remove(at);
        }
        let waiting = async {
            loop {
                let event = self.events.recv().await.expect("the worker lives");
                if wanted(&event) {
                    return event;
                }
                self.seen.push(event);
            }
        };
        tokio::time::timeout(DEADLINE, waiting).await.expect("the event comes")
    }

    async fn master_exit(&mut self, master: u32) -> String {
        let exit = self.event(|e| matches!(e, Event::ProxyExited { pid, .. } if *pid == master)).await;
        let Event::ProxyExited { status, .. } = exit else { unreachable!() };
        status
    }

    /// A frontend on the port that answers 200 with `body`.
    fn config(&self, body: &str) -> Config {
        let mut config = nginx_config();
        config.proxy.nbthread = Some(2);
        let www = &mut config.frontends[0];
        www.binds = vec![bind(20, BindTarget::Address("127.0.0.1".parse().unwrap()), self.port)];
        www.raw = vec![raw(23, &format!("location = /body {{ return 200 '{body}'; }}"))];
        config
    }

    fn render(&self, config: &Config) -> Arc<Rendered> {
        Arc::new(render_at(config, &self.paths.stats_socket(), None).unwrap())
    }

    fn rendered(&self, body: &str) -> Arc<Rendered> {
        self.render(&self.config(body))
    }

    async fn install(&mut self, rendered: &Arc<Rendered>) {
        assert_eq!(self.perform(ProxyOp::Check(Arc::clone(rendered))).await, ProxyOutcome::Accepted);
        assert_eq!(self.perform(ProxyOp::Install).await, ProxyOutcome::Installed);
    }

    /// Starts, and returns the master and the first sample.
    async fn start(&mut self, rendered: &Arc<Rendered>) -> (u32, Sample) {
        self.install(rendered).await;
        let ProxyOutcome::Started { pid } = self.perform(ProxyOp::Start).await else { panic!("it starts") };
        (pid, self.sample().await)
    }

    async fn sample(&self) -> Sample {
        let socket = self.paths.stats_socket();
        eventually(async || probe(&socket, Duration::from_secs(1)).await.ok()).await
    }

    async fn reload(&mut self) -> ProxyOutcome {
        self.perform(ProxyOp::Reload(ReloadMethod::Signal)).await
    }

    async fn get(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(b"GET /body HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    fn probe_of(&self) -> Vec<BindProbe> {
        vec![BindProbe { address: ([127, 0, 0, 1], self.port).into(), transparent: false }]
    }
}

async fn eventually<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(Instant::now() < end, "it never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

/// State and process group of a process.
fn stat(pid: u32) -> Option<(char, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.nth(1)?.parse().ok()?))
}

/// Gone, or a zombie that whoever adopted it has not taken leave of.
fn is_gone(pid: u32) -> bool {
    matches!(stat(pid), None | Some(('Z' | 'X', _)))
}

/// The workers of a master, dead or alive.
fn workers(master: u32) -> Vec<u32> {
    let pids = std::fs::read_dir("/proc").unwrap().filter_map(|e| e.unwrap().file_name().to_str()?.parse().ok());
    pids.filter(|pid| *pid != master && !is_gone(*pid) && stat(*pid).is_some_and(|(_, group)| group == master))
        .collect()
}

#[tokio::test]
async fn nginx_serves_a_checked_file_until_it_is_stopped() {
    let Some(mut lab) = Lab::new("nginx_serves_a_checked_file") else { return };
    let rendered = lab.rendered("hello");
    assert_eq!(lab.perform(ProxyOp::Adopt).await, ProxyOutcome::NothingToAdopt);
    assert_eq!(lab.perform(ProxyOp::Check(Arc::clone(&rendered))).await, ProxyOutcome::Accepted);
    assert_eq!(lab.perform(ProxyOp::Preflight(lab.probe_of())).await, ProxyOutcome::Bindable);
    assert_eq!(lab.perform(ProxyOp::Install).await, ProxyOutcome::Installed);
    let ProxyOutcome::Started { pid } = lab.perform(ProxyOp::Start).await else { panic!() };
    let sample = lab.sample().await;
    assert_eq!(sample.generation, Some(rendered.generation));
    assert!(workers(pid).contains(&sample.pid), "{sample:?}");
    assert!(sample.version >= (1, 18) && sample.connections_max > 0, "{sample:?}");
    assert!(lab.get().await.unwrap().ends_with("hello"));
    assert!(matches!(lab.perform(ProxyOp::Start).await, ProxyOutcome::Failed(_)));
    // What it listens on itself counts as free.
    assert_eq!(lab.perform(ProxyOp::Preflight(lab.probe_of())).await, ProxyOutcome::Bindable);

    assert_eq!(lab.perform(ProxyOp::Stop).await, ProxyOutcome::Stopped);
    assert_eq!(lab.master_exit(pid).await, "exit status 0");
    assert!(is_gone(sample.pid));
}

#[tokio::test]
async fn a_file_that_nginx_refuses_is_told_with_the_line_of_the_toml() {
    let Some(mut lab) = Lab::new("a_file_that_nginx_refuses") else { return };
    let mut config = lab.config("one");
    config.frontends[0].raw.push(raw(24, "frobnicate on;"));
    let rendered = lab.render(&config);
    let outcome = lab.perform(ProxyOp::Check(rendered)).await;
    let expected = "vipkeeper.toml:24: unknown directive \"frobnicate\"\n    line 24";
    assert_eq!(outcome, ProxyOutcome::Refused(expected.to_owned()));
    assert!(!lab.paths.config().exists());
}

#[tokio::test]
async fn after_a_reload_old_workers_end_and_the_new_file_answers() {
    let Some(mut lab) = Lab::new("after_a_reload_old_workers_end") else { return };
    let first = lab.rendered("one");
    let (master, before) = lab.start(&first).await;
    for round in 0..5 {
        let next = lab.rendered(&format!("round{round}"));
        lab.install(&next).await;
        let old: Vec<u32> = workers(master);
        assert_eq!(lab.reload().await, ProxyOutcome::Reloaded);
        // On a busy machine an old one may still take a connection: it is the confirmation that asks several times.
        eventually(async || old.iter().all(|pid| is_gone(*pid)).then_some(())).await;
        for _ in 0..20 {
            let sample = lab.sample().await;
            assert_eq!(sample.generation, Some(next.generation));
            assert_ne!(sample.pid, before.pid);
            assert!(lab.get().await.unwrap().ends_with(&format!("round{round}")));
        }
    }
    assert!(!is_gone(master));
    eventually(async || (workers(master).len() == 2).then_some(())).await;
}

/// A HUP that fails has no exit status and no answer: the log alone says so.
#[tokio::test]
async fn a_reload_that_fails_is_told_with_its_reason_and_the_old_file_is_served() {
    let Some(mut lab) = Lab::new("a_reload_that_fails") else { return };
    let first = lab.rendered("one");
    let (master, _) = lab.start(&first).await;
    let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = squatter.local_addr().unwrap();
    let mut config = lab.config("two");
    config.frontends[0].raw.push(raw(24, &format!("listen {taken};")));
    let second = lab.render(&config);
    // A taken port is no fault to `nginx -t`.
    lab.install(&second).await;
    let outcome = lab.reload().await;
    let ProxyOutcome::ReloadRefused(why) = &outcome else { panic!("{outcome:?}") };
    assert!(why.contains(&format!("bind() to {taken} failed")) && why.contains("Address already in use"), "{why}");
    assert_eq!(lab.sample().await.generation, Some(first.generation));
    assert!(lab.get().await.unwrap().ends_with("one"));
    // The next one is judged by itself.
    assert_eq!(lab.perform(ProxyOp::Restore).await, ProxyOutcome::Installed);
    assert_eq!(lab.reload().await, ProxyOutcome::Reloaded);
    assert_eq!(lab.sample().await.generation, Some(first.generation));
    assert!(!is_gone(master));
}

#[tokio::test]
async fn a_start_that_fails_is_told_with_its_reason() {
    let Some(mut lab) = Lab::new("a_start_that_fails") else { return };
    let squatter = TcpListener::bind(("127.0.0.1", lab.port)).unwrap();
    let rendered = lab.rendered("one");
    lab.install(&rendered).await;
    let refused = lab.perform(ProxyOp::Preflight(lab.probe_of())).await;
    assert!(matches!(&refused, ProxyOutcome::Unbindable(why) if why.contains("is taken by")), "{refused:?}");
    let ProxyOutcome::Started { pid } = lab.perform(ProxyOp::Start).await else { panic!() };
    let status = lab.master_exit(pid).await;
    assert!(status.starts_with("exit status 1: bind() to 127.0.0.1:"), "{status}");
    drop(squatter);
}

#[tokio::test]
async fn an_address_that_only_a_stop_makes_free_is_refused() {
    let Some(mut lab) = Lab::new("an_address_that_only_a_stop_makes_free") else { return };
    let mut config = lab.config("one");
    config.frontends[0].binds = vec![bind(20, BindTarget::Any, lab.port)];
    let everywhere = lab.render(&config);
    lab.start(&everywhere).await;
    let outcome = lab.perform(ProxyOp::Preflight(lab.probe_of())).await;
    let ProxyOutcome::Unbindable(why) = &outcome else { panic!("{outcome:?}") };
    assert!(why.contains("while nginx itself listens on another address of that port"), "{why}");
}

#[tokio::test]
async fn a_killed_master_takes_its_workers_with_it() {
    let Some(mut lab) = Lab::new("a_killed_master_takes_its_workers") else { return };
    let rendered = lab.rendered("hello");
    let (master, _) = lab.start(&rendered).await;
    let left = workers(master);
    assert_eq!(left.len(), 2);
    signal(master, Signal::SIGKILL);
    assert_eq!(lab.master_exit(master).await, "signal 9");
    assert_eq!(lab.perform(ProxyOp::Preflight(lab.probe_of())).await, ProxyOutcome::Bindable);
    assert!(left.iter().all(|pid| is_gone(*pid)));
    // The socket that it left behind is no obstacle.
    assert!(lab.paths.stats_socket().exists());
    let ProxyOutcome::Started { .. } = lab.perform(ProxyOp::Start).await else { panic!() };
    assert_eq!(lab.sample().await.generation, Some(rendered.generation));
}

/// Left alone, they would serve the old file for ever.
#[tokio::test]
async fn workers_that_outlived_their_master_are_found_with_and_without_its_record() {
    let Some(mut lab) = Lab::new("workers_that_outlived_their_master") else { return };
    for with_record in [true, false] {
        let rendered = lab.rendered("hello");
        let (master, _) = lab.start(&rendered).await;
        lab.abandon().await;
        if !with_record {
            std::fs::remove_file(lab.paths.record()).unwrap();
        }
        let orphans = workers(master);
        signal(master, Signal::SIGKILL);
        eventually(async || is_gone(master).then_some(())).await;
        assert!(lab.get().await.unwrap().ends_with("hello"), "orphans serve");
        lab.succeed();
        assert_eq!(lab.perform(ProxyOp::Adopt).await, ProxyOutcome::NothingToAdopt);
        assert!(orphans.iter().all(|pid| is_gone(*pid)), "with record: {with_record}");
        assert_eq!(lab.perform(ProxyOp::Preflight(lab.probe_of())).await, ProxyOutcome::Bindable);
    }
}

#[tokio::test]
async fn a_successor_adopts_with_and_without_a_record() {
    let Some(mut lab) = Lab::new("a_successor_adopts") else { return };
    let rendered = lab.rendered("hello");
    let (master, _) = lab.start(&rendered).await;
    for with_record in [true, false] {
        lab.abandon().await;
        if !with_record {
            std::fs::remove_file(lab.paths.record()).unwrap();
        }
        lab.succeed();
        assert_eq!(lab.perform(ProxyOp::Adopt).await, ProxyOutcome::Adopted { pid: master, patched: None });
    }
    let next = lab.rendered("two");
    lab.install(&next).await;
    assert_eq!(lab.reload().await, ProxyOutcome::Reloaded);
    assert_eq!(lab.perform(ProxyOp::Kill).await, ProxyOutcome::Stopped);
    lab.master_exit(master).await;
}

/// A half-sent request keeps nginx from ending by SIGQUIT until its header times out.
#[tokio::test]
async fn a_stop_lets_requests_end_within_bounds() {
    let Some(mut lab) = Lab::new("a_stop_lets_requests_end") else { return };
    let rendered = lab.rendered("hello");
    let (master, _) = lab.start(&rendered).await;
    let mut half = TcpStream::connect(("127.0.0.1", lab.port)).await.unwrap();
    half.write_all(b"GET /body HTTP/1.0\r\nX-Slow: ").await.unwrap();
    lab.get().await.unwrap();
    let asked_at = Instant::now();
    assert_eq!(lab.perform(ProxyOp::Stop).await, ProxyOutcome::Stopped);
    // Nobody is let in any more, but what began may end.
    eventually(async || TcpStream::connect(("127.0.0.1", lab.port)).await.err()).await;
    assert!(!is_gone(master));
    assert_eq!(lab.master_exit(master).await, "exit status 0");
    let took = asked_at.elapsed();
    assert!(took >= Duration::from_secs(2) && took < Duration::from_secs(4), "{took:?}");
}

#[tokio::test]
async fn an_old_worker_that_is_stopped_for_ever_is_killed() {
    let Some(mut lab) = Lab::new("an_old_worker_that_is_stopped") else { return };
    let mut config = lab.config("one");
    config.proxy.hard_stop_after = Duration::from_millis(100);
    let first = lab.render(&config);
    let (master, before) = lab.start(&first).await;
    signal(before.pid, Signal::SIGSTOP);
    let next = lab.rendered("two");
    lab.install(&next).await;
    assert_eq!(lab.reload().await, ProxyOutcome::Reloaded);
    assert!(!is_gone(before.pid));
    eventually(async || is_gone(before.pid).then_some(())).await;
    assert!(!is_gone(master));
    assert_eq!(lab.sample().await.generation, Some(next.generation));
}
