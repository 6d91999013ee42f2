//! The proxy worker with a real HAProxy: files, processes, and how fast their end is told.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixListener, UnixStream};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use vipkeeper::config::{Action, BindTarget, Conditions, Config, Engine, HostMatch, Rewrite, Route};
use vipkeeper::node::Event;
use vipkeeper::node::event::OpId;
use vipkeeper::proxy::attendance::{Attend, Attended};
use vipkeeper::proxy::capabilities::Capabilities;
use vipkeeper::proxy::master::Processes;
use vipkeeper::proxy::{BindProbe, ProxyOp, ProxyOutcome, ReloadMethod, Sample};
use vipkeeper::render::Rendered;
use vipkeeper::shell::process::{ProxyPaths, attend, run};
use vipkeeper::shell::stats_socket::probe;

use crate::proxy_fixture::{at, bind, config, haproxy_is_here, name, raw, render_in};

/// Whatever is awaited here comes long before.
const DEADLINE: Duration = Duration::from_secs(10);

/// A worker with directories and a port of its own.
pub(crate) struct Lab {
    dir: TempDir,
    pub(crate) paths: ProxyPaths,
    pub(crate) port: u16,
    ops: mpsc::Sender<(OpId, ProxyOp)>,
    workers: watch::Sender<Option<u32>>,
    events: mpsc::Receiver<Event>,
    /// Events that came while something else was awaited.
    seen: Vec<Event>,
    task: JoinHandle<()>,
    next: u64,
    /// Masters to end with the test, whatever happens.
    masters: Vec<u32>,
}

impl Drop for Lab {
    fn drop(&mut self) {
        for master in &self.masters {
            let _gone = kill(Pid::from_raw(-i32::try_from(*master).unwrap()), Signal::SIGKILL);
        }
    }
}

impl Lab {
    pub(crate) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let paths = ProxyPaths {
            engine: Engine::Haproxy,
            binary: PathBuf::from("haproxy"),
            state_dir: dir.path().join("state"),
            runtime_dir: dir.path().join("run"),
            check_timeout: ProxyPaths::CHECK_TIMEOUT,
        };
        std::fs::create_dir(&paths.state_dir).unwrap();
        std::fs::create_dir(&paths.runtime_dir).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let (ops, workers, events, task) = Self::spawn(&paths);
        Self { dir, paths, port, ops, workers, events, seen: Vec::new(), task, next: 0, masters: Vec::new() }
    }

    #[allow(clippy::type_complexity, reason = "three ends and a handle")]
    fn spawn(
        paths: &ProxyPaths,
    ) -> (mpsc::Sender<(OpId, ProxyOp)>, watch::Sender<Option<u32>>, mpsc::Receiver<Event>, JoinHandle<()>) {
        let (ops, ops_end) = mpsc::channel(4);
        let (workers, workers_end) = watch::channel(None);
        let (events_end, events) = mpsc::channel(16);
        let task = tokio::spawn(run(paths.clone(), ops_end, workers_end, events_end));
        (ops, workers, events, task)
    }

    /// A successor of the worker, which knows nothing of it.
    pub(crate) async fn succeed(&mut self) {
        self.task.abort();
        assert!((&mut self.task).await.is_err());
        (self.ops, self.workers, self.events, self.task) = Self::spawn(&self.paths);
        self.seen.clear();
    }

    pub(crate) async fn perform(&mut self, op: ProxyOp) -> ProxyOutcome {
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

    /// What is asked beside the operations.
    pub(crate) async fn attend(&self, what: Attend) -> Attended {
        let (ops, ops_end) = mpsc::channel(1);
        let (events_end, mut events) = mpsc::channel(1);
        ops.send((OpId(1), what)).await.unwrap();
        drop(ops);
        attend(self.paths.clone(), ops_end, events_end).await;
        match events.recv().await {
            Some(Event::Attended { outcome, .. }) => outcome,
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn last_master(&self) -> u32 {
        *self.masters.last().unwrap()
    }

    pub(crate) async fn master_exit(&mut self, master: u32) -> String {
        let exit = self.event(|e| matches!(e, Event::ProxyExited { pid, .. } if *pid == master)).await;
        let Event::ProxyExited { status, .. } = exit else { unreachable!() };
        status
    }

    /// A frontend on the port that answers 200 with `body`.
    pub(crate) fn config(&self, body: &str) -> Config {
        let mut config = config();
        let www = &mut config.frontends[0];
        www.binds = vec![bind(20, BindTarget::Address("127.0.0.1".parse().unwrap()), self.port)];
        www.raw = vec![raw(23, &format!("http-request return status 200 content-type text/plain string {body}"))];
        config
    }

    pub(crate) fn render(&self, config: &Config) -> Arc<Rendered> {
        Arc::new(render_in(config, &self.paths.stats_socket(), &self.paths.files_dir(), None).unwrap())
    }

    pub(crate) fn rendered(&self, body: &str) -> Arc<Rendered> {
        self.render(&self.config(body))
    }

    pub(crate) async fn install(&mut self, rendered: &Arc<Rendered>) {
        assert_eq!(self.perform(ProxyOp::Check(Arc::clone(rendered))).await, ProxyOutcome::Accepted);
        assert_eq!(self.perform(ProxyOp::Install).await, ProxyOutcome::Installed);
    }

    /// Starts, and returns the master and the first sample.
    pub(crate) async fn start(&mut self, rendered: &Arc<Rendered>) -> (u32, Sample) {
        self.install(rendered).await;
        let ProxyOutcome::Started { pid } = self.perform(ProxyOp::Start).await else { panic!("it starts") };
        (pid, self.sample(|_| true).await)
    }

    /// Probes until a sample is as wanted.
    pub(crate) async fn sample(&self, wanted: impl Fn(&Sample) -> bool) -> Sample {
        let socket = self.paths.stats_socket();
        eventually(async || probe(&socket, Duration::from_secs(1)).await.ok().filter(&wanted)).await
    }

    /// The master executes itself anew after a start, and until it is back SIGTERM simply ends it.
    pub(crate) async fn master_is_ready(&self) {
        let socket = self.paths.master_socket();
        let ask = async || -> std::io::Result<String> {
            let mut stream = UnixStream::connect(&socket).await?;
            stream.write_all(b"show proc\n").await?;
            stream.shutdown().await?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await?;
            Ok(answer)
        };
        eventually(async || {
            let answer = tokio::time::timeout(Duration::from_millis(200), ask()).await.ok()?.ok()?;
            Processes::parse(&answer).ok().filter(|processes| processes.workers.len() == 1)
        })
        .await;
    }

    /// By the method that is used for the installed version.
    pub(crate) async fn reload(&mut self) -> ProxyOutcome {
        self.perform(ProxyOp::Reload(ReloadMethod::of(installed_version()))).await
    }

    pub(crate) async fn get(&self) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    }

    fn installed(&self) -> String {
        std::fs::read_to_string(self.paths.config()).unwrap()
    }
}

/// Of the HAProxy that is installed.
pub(crate) fn installed_version() -> (u32, u32) {
    let output = std::process::Command::new("haproxy").arg("-vv").output().unwrap();
    Capabilities::parse(&String::from_utf8_lossy(&output.stdout)).unwrap().version
}

pub(crate) async fn eventually<T>(mut attempt: impl AsyncFnMut() -> Option<T>) -> T {
    let end = Instant::now() + DEADLINE;
    loop {
        if let Some(found) = attempt().await {
            return found;
        }
        assert!(Instant::now() < end, "it never came");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

pub(crate) fn signal(pid: u32, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), signal).unwrap();
}

/// Stops a process, and waits until all of its threads have stopped.
pub(crate) async fn stop(pid: u32) {
    signal(pid, Signal::SIGSTOP);
    eventually(async || {
        let mut threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
        threads.all(|t| state_in(&t.unwrap().path().join("stat")) == Some('T')).then_some(())
    })
    .await;
}

fn state_of(pid: u32) -> Option<char> {
    state_in(Path::new(&format!("/proc/{pid}/stat")))
}

fn state_in(stat: &Path) -> Option<char> {
    let stat = std::fs::read_to_string(stat).ok()?;
    stat.rsplit_once(") ")?.1.chars().next()
}

/// Gone, or a zombie that whoever adopted it has not taken leave of, or is just doing so.
pub(crate) fn is_gone(pid: u32) -> bool {
    matches!(state_of(pid), None | Some('Z' | 'X'))
}

fn probe_of(port: u16) -> BindProbe {
    BindProbe { address: ([127, 0, 0, 1], port).into(), transparent: false }
}

#[tokio::test]
async fn a_checked_and_installed_file_is_served_until_the_proxy_is_stopped() {
    if !haproxy_is_here("a_checked_and_installed_file_is_served") {
        return;
    }
    let mut lab = Lab::new();
    let rendered = lab.rendered("hello");
    assert_eq!(lab.perform(ProxyOp::Adopt).await, ProxyOutcome::NothingToAdopt);
    assert_eq!(lab.perform(ProxyOp::Check(Arc::clone(&rendered))).await, ProxyOutcome::Accepted);
    assert!(!lab.paths.config().exists());
    assert_eq!(lab.perform(ProxyOp::Preflight(vec![probe_of(lab.port)])).await, ProxyOutcome::Bindable);
    assert_eq!(lab.perform(ProxyOp::Install).await, ProxyOutcome::Installed);
    assert_eq!(lab.installed(), rendered.text);
    assert_eq!(std::fs::metadata(lab.paths.config()).unwrap().permissions().mode() & 0o777, 0o640);
    let ProxyOutcome::Started { pid } = lab.perform(ProxyOp::Start).await else { panic!() };
    let sample = lab.sample(|_| true).await;
    assert_eq!(sample.generation, Some(rendered.generation));
    assert_eq!(sample.frontends, [("www".to_owned(), "OPEN".to_owned())]);
    assert!(!sample.stopping);
    assert!(lab.get().await.unwrap().ends_with("hello"));
    assert!(matches!(lab.perform(ProxyOp::Start).await, ProxyOutcome::Failed(_)));

    lab.master_is_ready().await;
    assert_eq!(lab.perform(ProxyOp::Stop).await, ProxyOutcome::Stopped);
    let status = lab.master_exit(pid).await;
    assert!(status.starts_with("exit status 0"), "{status}");
    assert_eq!(state_of(pid), None, "no zombie stays");
    assert!(probe(&lab.paths.stats_socket(), Duration::from_secs(1)).await.is_err());
}

#[tokio::test]
async fn a_killed_worker_is_told_at_once_and_the_proxy_can_start_again() {
    if !haproxy_is_here("a_killed_worker_is_told_at_once") {
        return;
    }
    let mut lab = Lab::new();
    let rendered = lab.rendered("hello");
    let (master, sample) = lab.start(&rendered).await;
    lab.workers.send(Some(sample.pid)).unwrap();
    // The watch is set when the runtime has had a turn.
    tokio::time::sleep(Duration::from_millis(20)).await;
    signal(sample.pid, Signal::SIGKILL);
    lab.event(|e| matches!(e, Event::WorkerExited { pid } if *pid == sample.pid)).await;
    let status = lab.master_exit(master).await;
    assert!(status.starts_with("exit status 137: ") && status.contains("(Killed)"), "{status}");

    assert_eq!(lab.perform(ProxyOp::Preflight(vec![probe_of(lab.port)])).await, ProxyOutcome::Bindable);
    let ProxyOutcome::Started { pid } = lab.perform(ProxyOp::Start).await else { panic!() };
    assert_ne!(pid, master);
    lab.sample(|s| s.pid != sample.pid).await;
    assert!(lab.get().await.unwrap().ends_with("hello"));
}

#[tokio::test]
async fn a_worker_that_is_gone_already_is_told_too() {
    let lab = &mut Lab::new();
    let mut child = std::process::Command::new("true").spawn().unwrap();
    let pid = child.id();
    child.wait().unwrap();
    lab.workers.send(Some(pid)).unwrap();
    lab.event(|e| matches!(e, Event::WorkerExited { pid: told } if *told == pid)).await;
}

#[tokio::test]
async fn a_killed_master_leaves_no_worker_behind() {
    if !haproxy_is_here("a_killed_master_leaves_no_worker_behind") {
        return;
    }
    let mut lab = Lab::new();
    let rendered = lab.rendered("hello");
    let (master, sample) = lab.start(&rendered).await;
    signal(master, Signal::SIGKILL);
    let killed_at = Instant::now();
    assert_eq!(lab.master_exit(master).await, "signal 9");
    let took = killed_at.elapsed();
    assert!(took < Duration::from_millis(500), "{took:?}");
    assert_eq!(state_of(master), None, "no zombie stays");
    // By itself it would go on for one to two seconds.
    assert_eq!(lab.perform(ProxyOp::Preflight(vec![probe_of(lab.port)])).await, ProxyOutcome::Bindable);
    assert!(is_gone(sample.pid));
    assert!(killed_at.elapsed() < Duration::from_millis(900), "{:?}", killed_at.elapsed());
}

#[tokio::test]
async fn a_stopped_worker_fails_its_probe_and_dies_with_its_group() {
    if !haproxy_is_here("a_stopped_worker_fails_its_probe") {
        return;
    }
    let mut lab = Lab::new();
    let rendered = lab.rendered("hello");
    let (master, sample) = lab.start(&rendered).await;
    stop(sample.pid).await;
    let error = probe(&lab.paths.stats_socket(), Duration::from_millis(100)).await.unwrap_err();
    assert!(error.contains("did not answer within 100ms"), "{error}");
    assert_eq!(lab.perform(ProxyOp::Kill).await, ProxyOutcome::Stopped);
    assert_eq!(lab.master_exit(master).await, "signal 9");
    eventually(async || is_gone(sample.pid).then_some(())).await;
}

#[tokio::test]
async fn a_master_that_does_not_end_is_killed_after_its_grace() {
    if !haproxy_is_here("a_master_that_does_not_end_is_killed") {
        return;
    }
    let mut lab = Lab::new();
    let rendered = lab.rendered("hello");
    let (master, sample) = lab.start(&rendered).await;
    lab.master_is_ready().await;
    stop(master).await;
    let asked_at = Instant::now();
    assert_eq!(lab.perform(ProxyOp::Stop).await, ProxyOutcome::Stopped);
    assert_eq!(lab.master_exit(master).await, "signal 9");
    assert!(asked_at.elapsed() >= Duration::from_secs(2));
    eventually(async || is_gone(sample.pid).then_some(())).await;
}

#[tokio::test]
async fn a_reload_brings_a_new_worker_with_the_new_generation() {
    if !haproxy_is_here("a_reload_brings_a_new_worker") {
        return;
    }
    let mut lab = Lab::new();
    let first = lab.rendered("one");
    let (_, before) = lab.start(&first).await;
    let second = lab.rendered("two");
    lab.install(&second).await;
    // What the proxy itself listens on is handed over, and so counts as free.
    assert_eq!(lab.perform(ProxyOp::Preflight(vec![probe_of(lab.port)])).await, ProxyOutcome::Bindable);
    assert_eq!(lab.reload().await, ProxyOutcome::Reloaded);
    let after = lab.sample(|s| s.generation == Some(second.generation)).await;
    assert_ne!(after.pid, before.pid);
    eventually(async || lab.get().await.ok().filter(|a| a.ends_with("two"))).await;
    assert_eq!(std::fs::read_to_string(lab.paths.last_good()).unwrap(), first.text);
    assert!(lab.seen.is_empty(), "{:?}", lab.seen);
}

/// The port was free at the preflight and is taken when HAProxy binds it: its master says so, and is believed.
#[tokio::test]
async fn a_reload_that_fails_is_told_with_its_reason() {
    if !haproxy_is_here("a_reload_that_fails_is_told") {
        return;
    }
    let mut lab = Lab::new();
    let first = lab.rendered("one");
    lab.start(&first).await;
    let squatter = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = squatter.local_addr().unwrap().port();
    let text = first.text.replace(&format!(":{}", lab.port), &format!(":{taken}"));
    assert_ne!(text, first.text);
    std::fs::write(lab.paths.config(), &text).unwrap();
    let outcome = lab.reload().await;
    let ProxyOutcome::ReloadRefused(why) = &outcome else { panic!("{outcome:?}") };
    assert!(why.contains("Address already in use"), "{why}");
    // HAProxy's old worker was told to stop listening, and is told to go on only when the new one has given up.
    eventually(async || lab.get().await.ok().filter(|answer| answer.ends_with("one"))).await;
    // The next one is judged by itself.
    std::fs::write(lab.paths.config(), &lab.rendered("two").text).unwrap();
    assert_eq!(lab.reload().await, ProxyOutcome::Reloaded);
}

/// The master executes itself anew after a start, and would ignore a signal until it is back.
#[tokio::test]
async fn a_reload_right_after_a_start_is_not_lost() {
    if !haproxy_is_here("a_reload_right_after_a_start_is_not_lost") {
        return;
    }
    let mut lab = Lab::new();
    let first = lab.rendered("one");
    lab.start(&first).await;
    for round in 0..5 {
        let next = lab.rendered(&format!("round{round}"));
        std::fs::write(lab.paths.config(), &next.text).unwrap();
        assert_eq!(lab.reload().await, ProxyOutcome::Reloaded);
        lab.sample(|s| s.generation == Some(next.generation)).await;
    }
}

#[tokio::test]
async fn the_master_cli_reloads_too() {
    if !haproxy_is_here("the_master_cli_reloads_too") {
        return;
    }
    let mut lab = Lab::new();
    let first = lab.rendered("one");
    lab.start(&first).await;
    let second = lab.rendered("two");
    lab.install(&second).await;
    assert_eq!(lab.perform(ProxyOp::Reload(ReloadMethod::MasterCli)).await, ProxyOutcome::Reloaded);
    lab.sample(|s| s.generation == Some(second.generation)).await;
}

#[tokio::test]
async fn a_refused_reload_of_the_master_cli_is_mapped_to_the_toml() {
    let mut lab = Lab::new();
    let rendered = lab.rendered("one");
    let line = rendered.text.lines().position(|l| l.contains("http-request return")).unwrap() + 1;
    // As 2.7 and later answer.
    let listener = UnixListener::bind(lab.paths.master_socket()).unwrap();
    let answer = format!("Success=0\n--\n[ALERT]    (7) : config : parsing [/s/haproxy.cfg:{line}] : no such rule\n\n");
    let served = tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut asked = [0; 64];
        let length = stream.read(&mut asked).await.unwrap();
        stream.write_all(answer.as_bytes()).await.unwrap();
        String::from_utf8_lossy(&asked[..length]).into_owned()
    });
    if haproxy_is_here("a_refused_reload_of_the_master_cli") {
        lab.install(&rendered).await;
        assert_eq!(
            lab.perform(ProxyOp::Reload(ReloadMethod::MasterCli)).await,
            ProxyOutcome::ReloadRefused("vipkeeper.toml:23: no such rule\n    line 23".to_owned())
        );
        assert_eq!(served.await.unwrap(), "reload\n");
    }
}

#[tokio::test]
async fn a_refused_check_changes_nothing_and_names_the_toml_line() {
    if !haproxy_is_here("a_refused_check_changes_nothing") {
        return;
    }
    let mut lab = Lab::new();
    let good = lab.rendered("good");
    lab.install(&good).await;
    let mut config = lab.config("bad");
    config.frontends[0].binds[0].options = Some("sll".to_owned());
    let bad = lab.render(&config);
    let ProxyOutcome::Refused(why) = lab.perform(ProxyOp::Check(bad)).await else { panic!() };
    assert!(why.starts_with("vipkeeper.toml:20: ") && why.contains("'sll'") && why.ends_with("line 20"), "{why}");
    assert!(matches!(lab.perform(ProxyOp::Install).await, ProxyOutcome::Failed(_)));
    assert_eq!(lab.installed(), good.text);
}

#[tokio::test]
async fn restore_puts_the_last_good_file_back() {
    if !haproxy_is_here("restore_puts_the_last_good_file_back") {
        return;
    }
    let mut lab = Lab::new();
    let (one, two, three) = (lab.rendered("one"), lab.rendered("two"), lab.rendered("three"));
    lab.install(&one).await;
    let ProxyOutcome::Failed(why) = lab.perform(ProxyOp::Restore).await else { panic!() };
    assert!(why.contains("haproxy.cfg.last-good"), "{why}");
    lab.install(&two).await;
    for again in [&three, &two] {
        assert_eq!(lab.perform(ProxyOp::Restore).await, ProxyOutcome::Installed);
        assert_eq!(lab.installed(), one.text);
        assert_eq!(lab.perform(ProxyOp::Restore).await, ProxyOutcome::Installed, "restoring twice is harmless");
        lab.install(again).await;
        assert_eq!(lab.installed(), again.text);
    }
    let left: Vec<_> = std::fs::read_dir(&lab.paths.state_dir).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left.len(), 2, "{left:?}");
}

/// A route for each of some hosts, which makes a map.
fn with_map(lab: &Lab, hosts: usize) -> Arc<Rendered> {
    let mut config = lab.config("nobody");
    let www = &mut config.frontends[0];
    www.raw = vec![raw(23, "http-request return status 200 content-type text/plain lf-string %[req.hdr(host),MAP]")];
    www.rules.routes = (0..hosts)
        .map(|n| Route {
            when: Conditions { hosts: vec![HostMatch::Exact(format!("v{n}"))], ..Conditions::default() },
            action: Action::Backend { name: name("web"), rewrite: Rewrite::default() },
            origin: at(23),
        })
        .collect();
    let map = lab.render(&config).files[0].path.display().to_string();
    let www = &mut config.frontends[0];
    www.raw[0].text = www.raw[0].text.replace("MAP", &format!("map_str({map},none)"));
    lab.render(&config)
}

#[tokio::test]
async fn files_that_a_text_refers_to_stay_as_long_as_a_text_names_them() {
    if !haproxy_is_here("files_that_a_text_refers_to") {
        return;
    }
    let mut lab = Lab::new();
    let texts: Vec<_> = (8..12).map(|hosts| with_map(&lab, hosts)).collect();
    let names = |of: &[usize]| -> BTreeSet<PathBuf> { of.iter().map(|n| texts[*n].files[0].path.clone()).collect() };
    let there = |lab: &Lab| -> BTreeSet<PathBuf> {
        std::fs::read_dir(lab.paths.files_dir()).unwrap().map(|entry| entry.unwrap().path()).collect()
    };
    lab.install(&texts[0]).await;
    lab.install(&texts[1]).await;
    // The last good one keeps its file, and so does a candidate that is not installed.
    assert_eq!(there(&lab), names(&[0, 1]));
    lab.install(&texts[2]).await;
    assert_eq!(there(&lab), names(&[1, 2]));
    // Whatever is left there that nothing names goes; a file that somebody changed is written anew.
    std::fs::write(lab.paths.files_dir().join("stray.map"), "").unwrap();
    std::fs::write(&texts[2].files[0].path, "v0 elsewhere\n").unwrap();
    assert_eq!(lab.perform(ProxyOp::Check(Arc::clone(&texts[2]))).await, ProxyOutcome::Accepted);
    assert_eq!(std::fs::read_to_string(&texts[2].files[0].path).unwrap(), texts[2].files[0].text);
    assert_eq!(lab.perform(ProxyOp::Check(Arc::clone(&texts[3]))).await, ProxyOutcome::Accepted);
    assert_eq!(lab.perform(ProxyOp::Install).await, ProxyOutcome::Installed);
    assert_eq!(there(&lab), names(&[2, 3]));
    assert_eq!(lab.perform(ProxyOp::Restore).await, ProxyOutcome::Installed);
    let (_, sample) = {
        let ProxyOutcome::Started { pid } = lab.perform(ProxyOp::Start).await else { panic!("it starts") };
        (pid, lab.sample(|_| true).await)
    };
    assert_eq!(sample.generation, Some(texts[2].generation));
    let mut stream = TcpStream::connect(("127.0.0.1", lab.port)).await.unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\nHost: v9\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.ends_with("web"), "{answer}");
}

#[tokio::test]
async fn a_start_that_fails_says_why_in_its_exit() {
    if !haproxy_is_here("a_start_that_fails_says_why") {
        return;
    }
    let mut lab = Lab::new();
    let rendered = lab.rendered("hello");
    lab.install(&rendered).await;
    let _taken = TcpListener::bind(("127.0.0.1", lab.port)).unwrap();
    let ProxyOutcome::Started { pid } = lab.perform(ProxyOp::Start).await else { panic!() };
    let status = lab.master_exit(pid).await;
    assert!(
        status.starts_with("exit status 1: vipkeeper.toml:20: ") && status.contains("cannot bind socket"),
        "{status}"
    );
}

#[tokio::test]
async fn preflight_names_who_has_the_port_and_what_is_missing() {
    let mut lab = Lab::new();
    let taken = TcpListener::bind("0.0.0.0:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let absent = |transparent| BindProbe { address: "198.51.100.9:18080".parse().unwrap(), transparent };
    let absent6 = |transparent| BindProbe { address: "[2001:db8::9]:18080".parse().unwrap(), transparent };
    assert_eq!(
        lab.perform(ProxyOp::Preflight(vec![absent(true), absent6(true), probe_of(lab.port)])).await,
        ProxyOutcome::Bindable
    );
    let probes = vec![probe_of(port), absent(false), absent6(false), probe_of(lab.port)];
    let ProxyOutcome::Unbindable(why) = lab.perform(ProxyOp::Preflight(probes)).await else { panic!() };
    let lines: Vec<&str> = why.lines().collect();
    assert_eq!(lines.len(), 3, "{why}");
    assert!(lines[0].starts_with(&format!("127.0.0.1:{port} is taken by ")), "{why}");
    assert!(lines[0].contains(&format!("(process {})", std::process::id())), "{why}");
    assert!(lines[1].starts_with("198.51.100.9:18080 is on no interface"), "{why}");
    assert!(lines[2].starts_with("[2001:db8::9]:18080 is on no interface"), "{why}");
}

#[tokio::test]
async fn a_successor_adopts_the_running_proxy() {
    if !haproxy_is_here("a_successor_adopts_the_running_proxy") {
        return;
    }
    let mut lab = Lab::new();
    let rendered = lab.rendered("hello");
    let (master, sample) = lab.start(&rendered).await;
    lab.succeed().await;
    assert!(lab.get().await.unwrap().ends_with("hello"), "it serves on without a supervisor");
    assert_eq!(lab.perform(ProxyOp::Adopt).await, ProxyOutcome::Adopted { pid: master, patched: None });
    assert_eq!(lab.perform(ProxyOp::Adopt).await, ProxyOutcome::Adopted { pid: master, patched: None });
    assert!(matches!(lab.perform(ProxyOp::Start).await, ProxyOutcome::Failed(_)));

    // The predecessor may have died before it wrote the record.
    std::fs::remove_file(lab.paths.record()).unwrap();
    lab.succeed().await;
    assert_eq!(lab.perform(ProxyOp::Adopt).await, ProxyOutcome::Adopted { pid: master, patched: None });
    signal(master, Signal::SIGKILL);
    lab.master_exit(master).await;
    eventually(async || is_gone(sample.pid).then_some(())).await;
}

#[tokio::test]
async fn a_record_of_a_process_that_is_not_the_proxy_is_not_believed() {
    let mut lab = Lab::new();
    let mut bystander = std::process::Command::new("sleep").arg("60").spawn().unwrap();
    let record = format!("{{\"pid\":{},\"start_ticks\":1}}", bystander.id());
    for text in [record.as_str(), "{", "", "{\"pid\":0,\"start_ticks\":1}", "{\"pid\":1,\"start_ticks\":0}"] {
        std::fs::write(lab.paths.record(), text).unwrap();
        assert_eq!(lab.perform(ProxyOp::Adopt).await, ProxyOutcome::NothingToAdopt, "{text}");
    }
    assert_eq!(bystander.try_wait().unwrap(), None, "nobody else is harmed");
    bystander.kill().unwrap();
    bystander.wait().unwrap();
}

#[tokio::test]
async fn a_successor_ends_the_workers_of_a_dead_master() {
    if !haproxy_is_here("a_successor_ends_the_workers_of_a_dead_master") {
        return;
    }
    let mut lab = Lab::new();
    let rendered = lab.rendered("hello");
    let (master, sample) = lab.start(&rendered).await;
    lab.task.abort();
    // A stopped worker would never notice that its master is gone.
    stop(sample.pid).await;
    signal(master, Signal::SIGKILL);
    nix::sys::wait::waitpid(Pid::from_raw(i32::try_from(master).unwrap()), None).unwrap();
    lab.succeed().await;
    assert_eq!(lab.perform(ProxyOp::Adopt).await, ProxyOutcome::NothingToAdopt);
    assert!(
        is_gone(sample.pid),
        "worker {}: {:?}",
        sample.pid,
        std::fs::read_to_string(format!("/proc/{}/stat", sample.pid))
    );
    assert_eq!(lab.perform(ProxyOp::Preflight(vec![probe_of(lab.port)])).await, ProxyOutcome::Bindable);
}

#[tokio::test]
async fn a_missing_program_is_named_with_the_way_to_get_it() {
    let mut lab = Lab::new();
    lab.paths.binary = PathBuf::from("no-such-haproxy");
    lab.succeed().await;
    let rendered = lab.rendered("hello");
    for op in [ProxyOp::Check(rendered), ProxyOp::Start] {
        let ProxyOutcome::Failed(why) = lab.perform(op).await else { panic!() };
        assert!(why.starts_with("no-such-haproxy: not found") && why.contains("apt-get install haproxy"), "{why}");
    }
    for op in [ProxyOp::Stop, ProxyOp::Kill, ProxyOp::Reload(ReloadMethod::Signal), ProxyOp::Install, ProxyOp::Restore]
    {
        assert!(matches!(lab.perform(op.clone()).await, ProxyOutcome::Failed(_)), "{op:?}");
    }
}

#[tokio::test]
async fn a_check_that_hangs_is_killed_with_its_children() {
    let mut lab = Lab::new();
    let (script, pids) = (lab.dir.path().join("haproxy"), lab.dir.path().join("pids"));
    std::fs::write(&script, format!("#!/bin/sh\nsleep 600 &\necho $$ $! > {}\nwait\n", pids.display())).unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    lab.paths.binary = script;
    lab.paths.check_timeout = Duration::from_millis(300);
    lab.succeed().await;
    let rendered = lab.rendered("hello");
    let ProxyOutcome::Failed(why) = lab.perform(ProxyOp::Check(rendered)).await else { panic!() };
    assert!(why.contains("did not end within 300ms"), "{why}");
    let text = std::fs::read_to_string(pids).unwrap();
    for pid in text.split_whitespace() {
        let pid = pid.parse().unwrap();
        eventually(async || is_gone(pid).then_some(())).await;
    }
}

#[tokio::test]
async fn a_check_that_prints_without_end_is_read_to_its_end() {
    let mut lab = Lab::new();
    let script = lab.dir.path().join("haproxy");
    std::fs::write(&script, "#!/bin/sh\nhead -c 3000000 /dev/zero | tr '\\0' x >&2\nexit 1\n").unwrap();
    std::fs::set_permissions(&script, std::fs::Permissions::from_mode(0o755)).unwrap();
    lab.paths.binary = script;
    lab.succeed().await;
    let rendered = lab.rendered("hello");
    let ProxyOutcome::Refused(why) = lab.perform(ProxyOp::Check(rendered)).await else { panic!() };
    assert_eq!(why.len(), 400);
}

#[tokio::test]
async fn a_full_disk_leaves_the_installed_file_whole() {
    if !haproxy_is_here("a_full_disk_leaves_the_installed_file_whole") {
        return;
    }
    if !nix::unistd::geteuid().is_root() {
        eprintln!("SKIPPED: a_full_disk_leaves_the_installed_file_whole: needs root to mount a small file system");
        return;
    }
    let mut lab = Lab::new();
    let _small = SmallDisk::mount(&lab.paths.state_dir);
    let good = lab.rendered("good");
    lab.install(&good).await;
    let big = lab.rendered(&"x".repeat(200_000));
    let ProxyOutcome::Failed(why) = lab.perform(ProxyOp::Check(big)).await else { panic!() };
    assert!(why.contains("haproxy.cfg.candidate") && why.contains("free space"), "{why}");
    assert_eq!(lab.installed(), good.text);
    assert!(!lab.paths.candidate().exists(), "nothing half-written stays");
}

struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: &Path) -> Self {
        let mounted =
            std::process::Command::new("mount").args(["-t", "tmpfs", "-o", "size=64k", "none"]).arg(at).status();
        assert!(mounted.unwrap().success());
        Self(at.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _unmounted = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn sockets_that_are_gone_silent_endless_or_foreign_fail_the_probe() {
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("stats.sock");
    let error = probe(&socket, Duration::from_secs(1)).await.unwrap_err();
    assert!(error.contains(socket.to_str().unwrap()) && error.contains("No such file"), "{error}");

    let (kind, kinds) = watch::channel("silent");
    let listener = UnixListener::bind(&socket).unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let kind = *kinds.borrow();
            tokio::spawn(async move {
                let asked = stream.read(&mut [0; 64]).await.unwrap();
                assert_ne!(asked, 0);
                match kind {
                    "silent" => tokio::time::sleep(Duration::from_secs(60)).await,
                    "endless" => while stream.write_all(&[b'x'; 4096]).await.is_ok() {},
                    "binary" => stream.write_all(&[0xff, 0xfe, b'\n', b'\n']).await.unwrap(),
                    _ => {}
                }
            });
        }
    });
    for (what, expected) in [
        ("silent", "did not answer within 100ms"),
        ("endless", "answers without end"),
        ("binary", "not text"),
        ("closed", ""),
    ] {
        kind.send(what).unwrap();
        let timeout = Duration::from_millis(if what == "silent" { 100 } else { 5000 });
        let error = probe(&socket, timeout).await.unwrap_err();
        assert!(error.contains(expected) && error.contains(socket.to_str().unwrap()), "{what}: {error}");
    }
    server.abort();
}
