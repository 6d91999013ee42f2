//! What is asked of a running proxy beside its transactions, one request at a time.
//!
//! Each conversation is one short-lived connection: the master CLI takes ten of them and then none. It must never end a
//! process of which it is not certain that it is the master's.

use tokio::sync::mpsc;

use std::time::Duration;

use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::group::{Stat, raw_pid};
use super::{ProxyPaths, check, is_runnable};
use crate::node::Event;
use crate::node::event::OpId;
use crate::proxy::attendance::{ASKED_MAX, Attend, Attended, OldWorker, Survey, WorkerId};
use crate::proxy::master::{ANSWER_BYTES_MAX, Process, Processes};
use crate::proxy::stats::connections_in;
use crate::shell::stats_socket;

/// The master answers at once, or is reloading.
const MASTER_TIMEOUT: Duration = Duration::from_secs(1);

/// An old worker that does not answer by then is silent.
const WORKER_TIMEOUT: Duration = Duration::from_millis(500);

/// Opening a frontend again binds nothing anew.
const REOPEN_TIMEOUT: Duration = Duration::from_secs(2);

/// Frontends in one command line, which must fit into a buffer of HAProxy (16 KiB).
const NAMES_MAX: usize = 100;

/// Carries requests out in their order, until `ops` is closed. Answers each with [`Event::Attended`].
pub async fn run(paths: ProxyPaths, mut ops: mpsc::Receiver<(OpId, Attend)>, events: mpsc::Sender<Event>) {
    while let Some((op, what)) = ops.recv().await {
        let done = match what {
            Attend::Capabilities => check::capabilities(&paths.binary).await.map(|c| Attended::Capable(Box::new(c))),
            Attend::Reopen(frontends) => reopen(&paths, &frontends).await,
            Attend::Command(lines) => command(&paths, &lines).await,
            Attend::Survey { master } => survey(&paths, master).await.map(Attended::Surveyed),
            Attend::EndWorker { master, worker } => end(master, worker),
        };
        let outcome = done.unwrap_or_else(Attended::Failed);
        if events.send(Event::Attended { op, outcome }).await.is_err() {
            return;
        }
    }
}

/// What the master says of its workers.
pub(super) async fn processes(paths: &ProxyPaths) -> Result<Processes, String> {
    let socket = paths.master_socket();
    let answer = stats_socket::ask(&socket, "show proc\n", ANSWER_BYTES_MAX, MASTER_TIMEOUT).await?;
    Processes::parse(&String::from_utf8_lossy(&answer)).map_err(|e| format!("{e} ({})", socket.display()))
}

async fn reopen(paths: &ProxyPaths, frontends: &[String]) -> Result<Attended, String> {
    for some in frontends.chunks(NAMES_MAX) {
        let commands: Vec<String> = some.iter().map(|name| format!("enable frontend {name}")).collect();
        let command = format!("{}\n", commands.join(";"));
        let answer = stats_socket::ask(&paths.stats_socket(), &command, ANSWER_BYTES_MAX, REOPEN_TIMEOUT).await?;
        let answer = String::from_utf8_lossy(&answer);
        // Silence is consent, and another one may have opened it.
        let mut words = answer.lines().filter(|line| !line.is_empty() && !line.starts_with("All sockets are already"));
        if let Some(word) = words.next() {
            return Err(format!("HAProxy says: {word}"));
        }
    }
    Ok(Attended::Reopened)
}

/// One by one, so that a refusal names its command; what comes after it is said all the same.
async fn command(paths: &ProxyPaths, lines: &[String]) -> Result<Attended, String> {
    let mut refused = None;
    for line in lines {
        let asked = format!("{line}\n");
        let answer = stats_socket::ask(&paths.stats_socket(), &asked, ANSWER_BYTES_MAX, WORKER_TIMEOUT).await?;
        let answer = String::from_utf8_lossy(&answer);
        if let Some(word) = answer.lines().find(|line| !line.trim().is_empty()) {
            refused.get_or_insert(format!("`{line}`: HAProxy says: {word}"));
        }
    }
    refused.map_or(Ok(Attended::Commanded), Err)
}

async fn survey(paths: &ProxyPaths, master: u32) -> Result<Survey, String> {
    let processes = processes(paths).await?;
    if processes.master.pid != master {
        return Err(format!("the master CLI is that of process {}, not of {master}", processes.master.pid));
    }
    let mut survey = Survey::default();
    let (asked, more) = processes.old_workers.split_at(processes.old_workers.len().min(ASKED_MAX));
    survey.more = u32::try_from(more.len()).unwrap_or(u32::MAX);
    for process in asked {
        if let Some(stat) = Stat::of(process.pid).filter(|stat| stat.parent == master && !stat.ended) {
            survey.old.push(look(paths, process, stat.start_ticks).await);
        }
    }
    Ok(survey)
}

async fn look(paths: &ProxyPaths, process: &Process, start_ticks: u64) -> OldWorker {
    let pid = process.pid;
    let command = format!("@!{pid} show info\n");
    let answer = stats_socket::ask(&paths.master_socket(), &command, ANSWER_BYTES_MAX, WORKER_TIMEOUT).await;
    let connections = answer.ok().and_then(|answer| connections_in(&String::from_utf8_lossy(&answer)));
    OldWorker {
        id: WorkerId { pid, start_ticks },
        uptime_secs: process.uptime_secs().unwrap_or(0),
        connections,
        memory_kib: memory_kib(pid),
        runnable: is_runnable(pid),
    }
}

/// `VmRSS` of proc_pid_status(5).
fn memory_kib(pid: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix("kB")?.trim().parse().ok()
}

fn end(master: u32, worker: WorkerId) -> Result<Attended, String> {
    let process = raw_pid(worker.pid).filter(|pid| !pid.is_init()).ok_or("it has no number")?;
    // First the descriptor, then the questions: the answers then hold for what the descriptor names.
    let Ok(pidfd) = pidfd_open(process, PidfdFlags::empty()) else { return Ok(Attended::WorkerEnded) };
    match Stat::of(worker.pid) {
        None => return Ok(Attended::WorkerEnded),
        Some(stat) if stat.start_ticks != worker.start_ticks => return Ok(Attended::WorkerEnded),
        Some(stat) if stat.parent != master => {
            return Err(format!("process {} is not the child of the master {master}", worker.pid));
        }
        Some(_) => {}
    }
    pidfd_send_signal(&pidfd, Signal::KILL).map_err(|e| format!("cannot kill the worker {}: {e}", worker.pid))?;
    Ok(Attended::WorkerEnded)
}
