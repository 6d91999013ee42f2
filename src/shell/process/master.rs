//! The master process: started or found, watched by pidfd, signalled through it.
//!
//! A pidfd names one process for good, so no signal can hit a stranger that was given the same number.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::sys::socket::{getsockopt, sockopt::PeerCredentials};
use nix::sys::stat::SFlag;
use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::io::Errno;
use rustix::process::{
    PidfdFlags, Resource, Rlimit, Signal, WaitId, WaitIdOptions, WaitIdStatus, getpgid, pidfd_open, pidfd_send_signal,
    prlimit, waitid,
};
use serde::{Deserialize, Serialize};
use tokio::io::Interest;
use tokio::sync::{mpsc, watch};

use super::check::not_started;
use super::group::{self, Stat, raw_pid};
use super::{ProxyPaths, blocking};
use crate::config::Engine;
use crate::node::Event;
use crate::proxy::nginx::{self, Purpose};
use crate::render::{Rendered, alert_lines, report_alerts};
use crate::shell::sys::async_fd;
use crate::shell::systemd::PRIVATE_VARIABLES;

/// A log that cannot be read by then does not delay the news that the proxy is dead.
const LOG_TIMEOUT: Duration = Duration::from_millis(200);

/// How much of the end of the log is searched for the reason of an exit.
const LOG_TAIL_BYTES: u64 = 64 << 10;

/// A record is one short line; a longer file is none.
const RECORD_BYTES_MAX: u64 = 4096;

/// A running master, for a vipkeeper that starts later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) pid: u32,
    /// Tells it from a later process of the same number.
    pub(super) start_ticks: u64,
    /// Name of its engine.
    #[serde(default = "haproxy")]
    pub(super) engine: String,
}

/// What records say that do not say it.
fn haproxy() -> String {
    Engine::Haproxy.name().to_owned()
}

impl Record {
    pub(super) fn read(paths: &ProxyPaths) -> Option<Self> {
        let path = paths.record();
        let length = std::fs::metadata(&path).ok()?.len();
        if length > RECORD_BYTES_MAX {
            return None;
        }
        serde_json::from_slice(&std::fs::read(&path).ok()?).ok()
    }
}

/// A master process, dead or alive.
#[derive(Debug, Clone)]
pub(super) struct Master {
    pid: u32,
    start_ticks: u64,
    pidfd: Arc<OwnedFd>,
    /// Length of the log when it was started or found: what follows is its own.
    log_from: u64,
}

/// Starts a master in a process group of its own, with the log as its standard error.
///
/// Standard error goes to a file, since a pipe to us would break with our death, and the reason why a start failed
/// must be readable. Standard output carries what `log stdout` asks for, and nothing else.
pub(super) fn spawn(paths: &ProxyPaths, log: File) -> Result<Master, String> {
    let log_from = log.metadata().map_or(0, |meta| meta.len());
    let stdout = if stdout_outlives_us() {
        Stdio::inherit()
    } else {
        log.try_clone().map_err(|e| format!("cannot open the proxy's log twice: {e}"))?.into()
    };
    let mut command = Command::new(&paths.binary);
    for private in PRIVATE_VARIABLES {
        command.env_remove(private);
    }
    let mut child = command
        .args(arguments(paths))
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(log)
        // A terminal's SIGHUP would be a reload and its SIGINT a stop.
        .process_group(0)
        .spawn()
        .map_err(|e| not_started(paths.engine, &paths.binary, &e))?;
    let pid = child.id();
    // Not waited for by then, so that the number is certainly still this child's.
    let pidfd = match open(pid) {
        Ok(pidfd) => pidfd,
        Err(e) => {
            // Better none than one that nobody watches.
            group::kill(pid);
            let ended = child.wait().map_or_else(|e| e.to_string(), |status| status.to_string());
            return Err(format!("cannot watch the started proxy {pid}: {e}; killed it ({ended})"));
        }
    };
    forbid_core_dump(pid);
    let start_ticks = Stat::of(pid).map_or(0, |stat| stat.start_ticks);
    Ok(Master { pid, start_ticks, pidfd: Arc::new(pidfd), log_from })
}

fn arguments(paths: &ProxyPaths) -> Vec<OsString> {
    match paths.engine {
        Engine::Haproxy => {
            let mut socket = paths.master_socket().into_os_string();
            socket.push(",mode,600,level,admin");
            // `-db`: a `daemon` in a raw line would make the master fork away.
            vec!["-W".into(), "-db".into(), "-S".into(), socket, "-f".into(), paths.config().into()]
        }
        Engine::Nginx => nginx::arguments(Purpose::Run, &paths.config(), &paths.pid_file()),
    }
}

/// Whether our standard output is read by somebody who lives longer than vipkeeper: the journal, which is a socket,
/// or the runtime of a container. A pipe to anybody else would be held open by the proxy after our end, and whoever
/// waits for the end of our output would wait for ever.
fn stdout_outlives_us() -> bool {
    let to_socket = || {
        let stdout = std::io::stdout();
        nix::sys::stat::fstat(&stdout)
            .is_ok_and(|stat| SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFSOCK)
    };
    std::process::id() == 1 || to_socket()
}

/// A core dump of a big proxy takes the better part of a second, in which its ports stay bound and its end is not
/// seen. Only the soft limit, so that a raw line can raise it again.
fn forbid_core_dump(pid: u32) {
    let Some(process) = raw_pid(pid) else { return };
    let maximum = rustix::process::getrlimit(Resource::Core).maximum;
    if let Err(error) = prlimit(Some(process), Resource::Core, Rlimit { current: Some(0), maximum }) {
        tracing::debug!(%error, "the proxy may dump core");
    }
}

/// What there is to adopt.
pub(super) enum Found {
    Master(Master),
    Nothing,
    /// No record, and a master socket that nobody answers: left over, or not yet answered.
    SilentSocket,
}

/// Finds a master that a predecessor left: by the record, else by who listens on the master socket (the predecessor
/// may have died before it wrote the record).
pub(super) fn find(paths: &ProxyPaths) -> Found {
    let record = Record::read(paths);
    // Who listens on the socket that both engines use would be taken for one of ours.
    if record.as_ref().is_some_and(|record| record.engine != paths.engine.name()) {
        return Found::Nothing;
    }
    let recorded = record.as_ref().and_then(|r| hold(paths, r.pid).filter(|m| m.start_ticks == r.start_ticks));
    match recorded.or_else(|| listener(paths).and_then(|pid| hold(paths, pid))) {
        Some(master) => Found::Master(master),
        None if record.is_none() && paths.socket_of_master().exists() => Found::SilentSocket,
        None => Found::Nothing,
    }
}

/// Opens a live process that leads its own group, as every master that we start does.
fn hold(paths: &ProxyPaths, pid: u32) -> Option<Master> {
    let process = raw_pid(pid).filter(|process| !process.is_init())?;
    let pidfd = open(pid).ok()?;
    // Asked after the descriptor was opened, so that the answers are about what it names.
    if getpgid(Some(process)) != Ok(process) {
        return None;
    }
    let stat = Stat::of(pid).filter(|stat| !stat.ended)?;
    let log_from = std::fs::metadata(paths.log()).map_or(0, |meta| meta.len());
    Some(Master { pid, start_ticks: stat.start_ticks, pidfd: Arc::new(pidfd), log_from })
}

/// Kills a recorded master of the other engine with its workers: the file that is to run from now on is not its own.
pub(super) fn end_of_other_engine(paths: &ProxyPaths) -> Vec<OwnedFd> {
    let Some(record) = Record::read(paths).filter(|record| record.engine != paths.engine.name()) else {
        return Vec::new();
    };
    let Some(master) = hold(paths, record.pid).filter(|master| master.start_ticks == record.start_ticks) else {
        return Vec::new();
    };
    tracing::warn!(
        pid = record.pid,
        engine = record.engine,
        "ending the proxy that ran before: the engine was changed"
    );
    master.kill_group();
    master.pidfd.try_clone().into_iter().collect()
}

/// The process that listens on the master socket, as the kernel knows it (`SO_PEERCRED`).
fn listener(paths: &ProxyPaths) -> Option<u32> {
    let stream = std::os::unix::net::UnixStream::connect(paths.socket_of_master()).ok()?;
    let peer = getsockopt(&stream, PeerCredentials).ok()?;
    u32::try_from(peer.pid()).ok()
}

fn open(pid: u32) -> io::Result<OwnedFd> {
    let process = raw_pid(pid).ok_or(io::ErrorKind::InvalidInput)?;
    Ok(pidfd_open(process, PidfdFlags::empty())?)
}

impl Master {
    pub(super) fn pid(&self) -> u32 {
        self.pid
    }

    pub(super) fn record(&self, engine: Engine) -> Record {
        Record { pid: self.pid, start_ticks: self.start_ticks, engine: engine.name().to_owned() }
    }

    /// A pidfd becomes readable when its process ends.
    pub(super) fn is_alive(&self) -> bool {
        let mut polled = [PollFd::new(&*self.pidfd, PollFlags::IN)];
        matches!(rustix::event::poll(&mut polled, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })), Ok(0))
    }

    pub(super) async fn exited(&self) {
        exit_of(&*self.pidfd).await;
    }

    /// Whether it has a handler for SIGUSR2. The master executes itself anew after a start and at every reload, and
    /// until it is back it ignores the signal, which would then be lost without a trace.
    pub(super) fn catches_reload(&self) -> bool {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid)).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        // Bit n - 1 stands for signal n (proc_pid_status(5)).
        mask & (1 << (Signal::USR2.as_raw() - 1)) != 0
    }

    /// To this process and no other of its number.
    pub(super) fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(pidfd_send_signal(&*self.pidfd, signal)?)
    }

    /// SIGKILL to the master and all its workers, stopped ones too. Only while it is alive or not yet waited for:
    /// the number of the group is then certainly its own.
    pub(super) fn kill_group(&self) {
        group::kill(self.pid);
    }

    /// Takes leave of a child that has ended, so that no zombie stays.
    fn reap(&self) -> Exit {
        match waitid(WaitId::PidFd(self.pidfd.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(Some(status)) => Exit::of(&status),
            // Adopted: whoever is its parent is told.
            Ok(None) | Err(_) => Exit::Unknown,
        }
    }
}

enum Exit {
    Status(i32),
    Signal(i32),
    Unknown,
}

impl Exit {
    fn of(status: &WaitIdStatus) -> Self {
        match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => Self::Status(code),
            (None, Some(signal)) => Self::Signal(signal),
            (None, None) => Self::Unknown,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Status(code) => format!("exit status {code}"),
            Self::Signal(signal) => format!("signal {signal}"),
            Self::Unknown => "ended, started by an earlier vipkeeper".to_owned(),
        }
    }
}

/// What is needed to tell of the end of a master.
pub(super) struct Told {
    pub(super) engine: Engine,
    pub(super) log: PathBuf,
    pub(super) installed: Option<Arc<Rendered>>,
    pub(super) events: mpsc::Sender<Event>,
}

/// Waits for the end of a master and tells of it.
pub(super) async fn watch(master: Master, told: Told) {
    master.exited().await;
    // Workers notice the loss of their master after one to two seconds, and serve the old file until then. They
    // would share the ports with the next start (SO_REUSEPORT), so they end with it. Before the zombie is taken
    // leave of: its number, which is the group's, cannot be given to anybody else until then.
    master.kill_group();
    let exit = master.reap();
    let mut status = exit.describe();
    if !matches!(exit, Exit::Signal(_)) {
        let (pid, from) = (master.pid, master.log_from);
        let reading = blocking(move || {
            let installed = told.installed.as_deref();
            Ok(match told.engine {
                Engine::Haproxy => last_words(&told.log, pid, from, installed),
                Engine::Nginx => nginx::log::last_words(&tail(&told.log, from).unwrap_or_default(), pid, installed),
            })
        });
        if let Ok(Ok(Some(words))) = tokio::time::timeout(LOG_TIMEOUT, reading).await {
            status = format!("{status}: {words}");
        }
    }
    send(&told.events, Event::ProxyExited { pid: master.pid, status }).await;
}

/// How loading a file ended, in the words of a master's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Loading {
    Succeeded,
    Failed,
}

/// How the last load since that place of the log ended; none: it is not over.
pub(super) fn loading(log: &std::path::Path, pid: u32, from: u64) -> Option<Loading> {
    let tail = tail(log, from)?;
    let own = format!("({pid})");
    tail.lines().rev().filter(|line| line.contains(&own)).find_map(|line| {
        if line.contains("Loading failure!") {
            Some(Loading::Failed)
        } else if line.contains("Loading success.") {
            Some(Loading::Succeeded)
        } else {
            None
        }
    })
}

/// The log from that place on, at most its end.
pub(super) fn tail(log: &std::path::Path, from: u64) -> Option<String> {
    use std::io::{Read, Seek, SeekFrom};
    let mut file = File::open(log).ok()?;
    let length = file.metadata().ok()?.len();
    // Emptied in between: all of it is newer.
    let from = if from <= length { from } else { 0 };
    file.seek(SeekFrom::Start(from.max(length.saturating_sub(LOG_TAIL_BYTES)))).ok()?;
    let mut tail = Vec::new();
    file.take(LOG_TAIL_BYTES).read_to_end(&mut tail).ok()?;
    Some(String::from_utf8_lossy(&tail).into_owned())
}

/// The alerts that a master printed, in one line.
pub(super) fn last_words(log: &std::path::Path, pid: u32, from: u64, rendered: Option<&Rendered>) -> Option<String> {
    let tail = tail(log, from)?;
    // Workers tell of servers that are down as alerts too; only the master's own are about the exit.
    let own = format!("({pid})");
    let loader = failed_loader(&tail, &own);
    let counts = |line: &&str| line.contains(&own) || loader.as_ref().is_some_and(|loader| line.contains(loader));
    let mine: String = tail.lines().filter(counts).flat_map(|l| [l, "\n"]).collect();
    if alert_lines(&mine).is_empty() {
        return None;
    }
    let report = match rendered {
        Some(rendered) => report_alerts(&mine, rendered),
        None => alert_lines(&mine).join("\n"),
    };
    // Without the quoted lines, which are indented.
    let lines: Vec<&str> = report.lines().filter(|l| !l.starts_with(' ')).collect();
    Some(lines.join("; "))
}

/// The worker that a master of 3.1 or later had load the file for it, and that could not, as `(pid)`: the alerts are
/// its own then.
fn failed_loader(tail: &str, master: &str) -> Option<String> {
    let mut loader = None;
    let mut failed = None;
    for line in tail.lines().filter(|line| line.contains(master)) {
        if let Some((_, pid)) = line.split_once("Initializing new worker ") {
            loader = Some(pid.trim().to_owned()).filter(|pid| pid.starts_with('(') && pid.ends_with(')'));
        } else if line.contains("Failed to load worker") {
            failed = loader.take();
        }
    }
    failed
}

/// Watches the process named last, and tells once when it ends.
pub(super) async fn watch_workers(mut current: watch::Receiver<Option<u32>>, events: mpsc::Sender<Event>) {
    loop {
        let pid = *current.borrow_and_update();
        if let Some(pid) = pid {
            let exited = tokio::select! {
                biased;
                changed = current.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                exited = worker_exit(pid) => exited,
            };
            if exited {
                send(&events, Event::WorkerExited { pid }).await;
            }
        }
        if current.changed().await.is_err() {
            return;
        }
    }
}

/// Waits for the end of a process that is no child of ours; false if it cannot be watched.
async fn worker_exit(pid: u32) -> bool {
    let Some(process) = raw_pid(pid) else { return false };
    match pidfd_open(process, PidfdFlags::empty()) {
        Ok(pidfd) => {
            exit_of(&pidfd).await;
            true
        }
        Err(Errno::SRCH) => true,
        Err(error) => {
            tracing::warn!(pid, %error, "the proxy's worker cannot be watched; only probes tell of its end");
            false
        }
    }
}

/// Waits until the process of a pidfd has ended; for ever if the runtime cannot watch it.
pub(super) async fn exit_of(pidfd: impl AsFd) {
    let watched = pidfd.as_fd().try_clone_to_owned().and_then(|fd| async_fd(fd, Interest::READABLE));
    match watched {
        Ok(watched) => {
            if let Err(error) = watched.readable().await {
                tracing::warn!(%error, "a process can no longer be watched");
                std::future::pending::<()>().await;
            }
        }
        Err(error) => {
            tracing::warn!(%error, "a process cannot be watched");
            std::future::pending::<()>().await;
        }
    }
}

async fn send(events: &mpsc::Sender<Event>, event: Event) {
    if events.send(event).await.is_err() {
        tracing::debug!("nobody listens for the end of the proxy any more");
    }
}
