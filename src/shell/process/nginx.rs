//! What is done otherwise with nginx: its reload, whose failure only the log tells; its stop, which lets requests end;
//! old workers that never end; and what a killed master leaves behind.
//!
//! It must never signal a process that is not certainly one of our nginx: every signal goes through a pidfd.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use rustix::process::{PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::group::{self, Stat, raw_pid};
use super::master::{Master, Record, exit_of, tail};
use super::{ProxyPaths, blocking};
use crate::proxy::ProxyOutcome;
use crate::proxy::nginx::log::{self, Loading};
use crate::render::Rendered;

/// A reload ends sooner: nginx tries for 2.5 s to bind an address that is taken. After it the probes alone tell.
const LOADING_TIMEOUT: Duration = Duration::from_secs(4);

/// How long an old worker may take to close its sockets once new ones run; one that is stopped never does.
const REPLACING_TIMEOUT: Duration = Duration::from_millis(500);

/// Between two looks at the log.
const LOADING_PAUSE: Duration = Duration::from_millis(10);

/// How long requests may end after SIGQUIT, and how long nginx may then take to end after SIGTERM. Both together are
/// shorter than `proxy::lifecycle` waits.
const QUIT_GRACE: Duration = Duration::from_secs(2);
const TERM_GRACE: Duration = Duration::from_secs(1);

/// How long after `worker_shutdown_timeout` an old worker is given: it counts that time itself, unless it is stopped.
const OLD_WORKER_MARGIN: Duration = Duration::from_secs(5);

/// Old workers of one reload that are watched; nginx has as many as processors.
const OLD_WORKERS_MAX: usize = 1024;

/// Bytes read of `/proc/net/unix`; sockets beyond are not found.
const TABLE_BYTES_MAX: u64 = 16 << 20;

/// Descriptors looked at over all processes; owners beyond are not found.
const DESCRIPTORS_MAX: usize = 1 << 18;

/// SIGHUP, and what the log says of it. The exit of the master would be told by whoever watches it.
pub(super) async fn reload(
    paths: &ProxyPaths,
    master: &Master,
    installed: Option<&Rendered>,
) -> Result<ProxyOutcome, String> {
    let log_from = fs::metadata(paths.log()).map_or(0, |meta| meta.len());
    let pid = master.pid();
    master.signal(Signal::HUP).map_err(|e| format!("cannot signal the proxy's master {pid}: {e}"))?;
    let ended = async {
        let mut started = None;
        loop {
            let path = paths.log();
            let text = blocking(move || Ok(tail(&path, log_from))).await?.unwrap_or_default();
            let stage = log::loading(&text, pid);
            match stage {
                Loading::Failed | Loading::Replaced => return Ok((stage, text)),
                Loading::Pending => {}
                Loading::Started => {
                    let since = *started.get_or_insert_with(tokio::time::Instant::now);
                    if since.elapsed() >= REPLACING_TIMEOUT {
                        return Ok((stage, text));
                    }
                }
            }
            if !master.is_alive() {
                return Ok((stage, text));
            }
            tokio::time::sleep(LOADING_PAUSE).await;
        }
    };
    match tokio::time::timeout(LOADING_TIMEOUT, ended).await {
        Ok(Err(error)) => Err::<ProxyOutcome, String>(error),
        Ok(Ok((Loading::Failed, text))) => {
            let why = log::last_words(&text, pid, installed);
            let why = why.unwrap_or_else(|| "its log does not say why".to_owned());
            Ok(ProxyOutcome::ReloadRefused(format!("nginx could not load the new configuration: {why}")))
        }
        // What the log does not say, the probes see.
        Ok(Ok((Loading::Pending | Loading::Started | Loading::Replaced, _))) | Err(_) => Ok(ProxyOutcome::Reloaded),
    }
}

/// How long the workers that run may finish their requests, by the file that they have read: after an installation that
/// is the one before it. None: the file does not say.
pub(super) fn shutdown_timeout(paths: &ProxyPaths) -> Option<Duration> {
    let text = fs::read_to_string(paths.last_good()).or_else(|_| fs::read_to_string(paths.config())).ok()?;
    crate::proxy::nginx::shutdown_timeout(&text)
}

/// The workers that a master has now.
pub(super) fn workers(master: u32) -> Vec<(u32, OwnedFd)> {
    let ours = |pid: &u32| *pid != master && Stat::of(*pid).is_some_and(|s| s.group == master && !s.ended);
    let held = group::all().filter_map(|pid| Some((pid, pidfd_open(raw_pid(pid)?, PidfdFlags::empty()).ok()?)));
    // Asked after the descriptor was opened, so that the answer is about what it names.
    held.filter(|(pid, _)| ours(pid)).take(OLD_WORKERS_MAX).collect()
}

/// Kills those of the workers that still run when they should long have ended: `worker_shutdown_timeout` runs inside
/// of the worker, so that a stopped one stays for ever, with its connections and the old file.
pub(super) async fn end_stragglers(workers: Vec<(u32, OwnedFd)>, shutdown_timeout: Duration) {
    let waiting = async {
        for (_, worker) in &workers {
            exit_of(worker).await;
        }
    };
    if tokio::time::timeout(shutdown_timeout.saturating_add(OLD_WORKER_MARGIN), waiting).await.is_ok() {
        return;
    }
    for (pid, worker) in &workers {
        if pidfd_send_signal(worker, Signal::KILL).is_ok() {
            tracing::warn!(pid, "killed a worker that had not ended long after a reload");
        }
    }
}

/// Requests may end for a moment, then nginx must.
pub(super) async fn stop(master: Master) {
    for (grace, next) in [(QUIT_GRACE, Some(Signal::TERM)), (TERM_GRACE, None)] {
        if tokio::time::timeout(grace, master.exited()).await.is_ok() {
            return;
        }
        match next {
            Some(signal) => {
                if let Err(error) = master.signal(signal) {
                    tracing::debug!(%error, "the proxy's master cannot be signalled");
                }
            }
            None => master.kill_group(),
        }
    }
}

/// Kills the workers that a dead master left behind, which would serve its file for ever and hold its ports, and
/// returns what is to be waited for. They are found as members of the recorded master's group and as listeners on the
/// private socket, which no other nginx has.
pub(super) fn end_orphans(paths: &ProxyPaths) -> Vec<OwnedFd> {
    let record = Record::read(paths);
    let mut budget = DESCRIPTORS_MAX;
    let sockets = private_sockets(&paths.stats_socket());
    let mut ended = Vec::new();
    for pid in group::all() {
        // First the descriptor, then the questions: the answers then hold for what the descriptor names.
        let Some(process) = raw_pid(pid) else { continue };
        let Ok(pidfd) = pidfd_open(process, PidfdFlags::empty()) else { continue };
        let Some(stat) = Stat::of(pid).filter(|stat| !stat.ended) else { continue };
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if !arguments.starts_with(b"nginx: worker process") && !was_just_forked(pid, stat.group, &arguments) {
            continue;
        }
        // While a member of the group lives, its number is given to nobody else; a leader that lives is another's.
        let recorded = record.as_ref().is_some_and(|r| stat.group == r.pid && !leads(r));
        if !recorded && !group::holds_one(pid, &sockets, &mut budget) {
            continue;
        }
        tracing::warn!(pid, master = stat.group, "ending a worker that outlived its master");
        match pidfd_send_signal(&pidfd, Signal::KILL) {
            Ok(()) => ended.push(pidfd),
            Err(error) => tracing::warn!(pid, %error, "it cannot be killed"),
        }
    }
    ended
}

/// A worker has its master's title until it gives itself its own; a master leads its group.
fn was_just_forked(pid: u32, group: u32, arguments: &[u8]) -> bool {
    let leaderless = || Stat::of(group).is_none_or(|leader| leader.ended);
    arguments.starts_with(b"nginx: master process") && pid != group && leaderless()
}

/// Whether a process of the recorded number lives.
fn leads(record: &Record) -> bool {
    Stat::of(record.pid).is_some_and(|stat| !stat.ended)
}

/// What descriptors of the private socket are called, whoever has them.
fn private_sockets(path: &Path) -> BTreeSet<String> {
    let mut table = Vec::new();
    // `thread-self`: the network namespace is a thread's, not the process's.
    let read =
        fs::File::open("/proc/thread-self/net/unix").and_then(|f| f.take(TABLE_BYTES_MAX).read_to_end(&mut table));
    if read.is_err() {
        return BTreeSet::new();
    }
    let path = path.as_os_str().as_bytes();
    let named = table.split(|byte| *byte == b'\n').filter_map(|line| line.strip_suffix(path));
    // Num: RefCount Protocol Flags Type St Inode Path
    let inodes =
        named.filter_map(|head| std::str::from_utf8(head).ok()?.split_whitespace().nth(6)?.parse::<u64>().ok());
    inodes.map(|inode| format!("socket:[{inode}]")).collect()
}

/// Removes a private socket that nobody listens on any more: nginx refuses to start over one that a killed one left.
pub(super) fn remove_stale_socket(paths: &ProxyPaths) -> Result<(), String> {
    let path = paths.stats_socket();
    let is_socket = fs::symlink_metadata(&path).is_ok_and(|meta| meta.file_type().is_socket());
    if !is_socket || UnixStream::connect(&path).is_ok() {
        return Ok(());
    }
    match fs::remove_file(&path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}, which an earlier nginx left: {e}", path.display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
