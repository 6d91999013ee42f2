//! Processes by way of `/proc`: the members of the proxy's process group, and leftovers of a dead master.
//!
//! Blocking apart from [`until_gone`]. It must never signal a process that is not certainly the proxy's: a number
//! may have been given to somebody else.

use std::collections::BTreeSet;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, kill_process_group, pidfd_open, pidfd_send_signal,
    test_kill_process_group, waitid,
};

use super::ProxyPaths;
use super::master::{Record, exit_of};

/// Processes looked at in one walk through `/proc`; those beyond are not seen.
const PROCESSES_MAX: usize = 1 << 16;

/// How long killed leftovers may take to be gone.
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(2);

/// Children of a process that are looked at; those beyond are not seen.
const CHILDREN_MAX: usize = 1024;

/// A process and the other children of its parent, as far as they are known.
pub(super) fn siblings(pid: u32) -> Vec<u32> {
    let parent = || -> Option<u32> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        text.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
    };
    let children = parent().and_then(|of| std::fs::read_to_string(format!("/proc/{of}/task/{of}/children")).ok());
    let children = children.unwrap_or_default();
    let others = children.split_whitespace().filter_map(|child| child.parse().ok()).filter(|child| *child != pid);
    std::iter::once(pid).chain(others.take(CHILDREN_MAX)).collect()
}

/// Clock ticks of a second in `/proc` (`USER_HZ`, part of the interface of the kernel to programs).
const TICKS_PER_SEC: u64 = 100;

/// What `/proc/<pid>/stat` says of a process.
pub(super) struct Stat {
    /// A zombie of which no thread is left: it holds no port any more. (The first thread of a killed process is a
    /// zombie already while the others still close its sockets.)
    pub(super) ended: bool,
    pub(super) parent: u32,
    pub(super) group: u32,
    /// Time of processors that it has used with all its threads.
    pub(super) cpu: Duration,
    /// Clock ticks from boot to its start: with the number it names a process for good.
    pub(super) start_ticks: u64,
}

impl Stat {
    pub(super) fn of(pid: u32) -> Option<Self> {
        let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold anything, parentheses too. After it, by proc_pid_stat(5): the state first,
        // then the parent, then the group, the times of processors for programs and kernel 9 and 10 after that, the
        // number of threads 5 after that, and the start time 2 after that.
        let (_, fields) = text.rsplit_once(')')?;
        let mut fields = fields.split_whitespace();
        let zombie = matches!(fields.next()?, "Z" | "X");
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let (user, system): (u64, u64) = (fields.nth(8)?.parse().ok()?, fields.next()?.parse().ok()?);
        let threads: u32 = fields.nth(4)?.parse().ok()?;
        let start_ticks = fields.nth(1)?.parse().ok()?;
        let cpu = Duration::from_millis(user.saturating_add(system).saturating_mul(1000 / TICKS_PER_SEC));
        Some(Self { ended: zombie && threads <= 1, parent, group, cpu, start_ticks })
    }
}

/// Seconds since a process was started; none: it is gone.
pub(crate) fn uptime_secs(pid: u32) -> Option<u64> {
    let started = Stat::of(pid)?.start_ticks / TICKS_PER_SEC;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let now: u64 = uptime.split('.').next()?.parse().ok()?;
    Some(now.saturating_sub(started))
}

pub(super) fn raw_pid(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

/// Kills a whole process group. The caller knows that its number cannot belong to anybody else.
pub(super) fn kill(leader: u32) {
    // 1 would be everybody (`kill(2)`), and no group of ours.
    let Some(group) = raw_pid(leader).filter(|pid| !pid.is_init()) else { return };
    match kill_process_group(group, Signal::KILL) {
        Ok(()) | Err(Errno::SRCH) => {}
        Err(error) => tracing::warn!(leader, %error, "the proxy's process group could not be killed"),
    }
}

/// Whether a process of that group still runs. Where orphans become our own children (vipkeeper as process 1 of a
/// container), it takes leave of those that have ended.
pub(super) fn runs(leader: u32) -> bool {
    let Some(group) = raw_pid(leader) else { return false };
    while let Ok(Some(_)) = waitid(WaitId::Pgid(Some(group)), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {}
    if test_kill_process_group(group) == Err(Errno::SRCH) {
        return false;
    }
    // Zombies that nobody takes leave of keep the group's number alive, but no port.
    all().any(|pid| Stat::of(pid).is_some_and(|stat| stat.group == leader && !stat.ended))
}

/// Ends the workers that a dead master of the record left behind, and returns what is to be waited for.
pub(super) fn end_orphans(paths: &ProxyPaths) -> Vec<OwnedFd> {
    let Some(record) = Record::read(paths) else { return Vec::new() };
    let socket = paths.master_socket();
    let mut ended = Vec::new();
    for pid in all() {
        // First the descriptor, then the questions: the answers then hold for what the descriptor names.
        let Some(process) = raw_pid(pid) else { continue };
        let Ok(pidfd) = pidfd_open(process, PidfdFlags::empty()) else { continue };
        let member = Stat::of(pid).is_some_and(|stat| stat.group == record.pid && !stat.ended);
        if !member {
            continue;
        }
        let arguments = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        // Without arguments it is on its way out, but may still hold its ports: nothing to signal, only to wait for.
        if arguments.is_empty() {
            ended.push(pidfd);
        } else if has_argument(&arguments, socket.as_os_str().as_bytes()) {
            tracing::warn!(pid, master = record.pid, "ending a worker that outlived its master");
            match pidfd_send_signal(&pidfd, Signal::KILL) {
                Ok(()) => ended.push(pidfd),
                Err(error) => tracing::warn!(pid, %error, "it cannot be killed"),
            }
        }
    }
    ended
}

/// Waits until these processes have ended, for a bounded time.
pub(super) async fn until_gone(processes: &[OwnedFd]) {
    let waiting = async {
        for pidfd in processes {
            exit_of(pidfd).await;
        }
    };
    if tokio::time::timeout(ORPHAN_TIMEOUT, waiting).await.is_err() {
        tracing::warn!("killed workers of a dead master still run");
    }
}

/// Whether a process has one of these descriptors, named as `/proc/<pid>/fd` names them. `budget` is what may still be
/// looked at; without any, nothing is found.
pub(super) fn holds_one(pid: u32, wanted: &BTreeSet<String>, budget: &mut usize) -> bool {
    if wanted.is_empty() {
        return false;
    }
    let Ok(descriptors) = std::fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
    for descriptor in descriptors.flatten() {
        let Some(rest) = budget.checked_sub(1) else { return false };
        *budget = rest;
        let target = std::fs::read_link(descriptor.path());
        if target.is_ok_and(|t| t.to_str().is_some_and(|t| wanted.contains(t))) {
            return true;
        }
    }
    false
}

/// All process ids, bounded.
pub(super) fn all() -> impl Iterator<Item = u32> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).take(PROCESSES_MAX)
}

/// Whether an argument begins with `prefix`, followed by a comma or its end.
fn has_argument(arguments: &[u8], prefix: &[u8]) -> bool {
    arguments
        .split(|byte| *byte == 0)
        .filter_map(|argument| argument.strip_prefix(prefix))
        .any(|rest| matches!(rest.first(), None | Some(b',')))
}
