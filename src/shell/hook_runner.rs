//! Runs hooks: no shell, own process group, bounded in time, output and number. Never delays the driver.
//!
//! It does not decide which hook runs or in what order; it only runs what it is given, all at the same time.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Gid, Group, Pid, Uid, User};
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::sync::{Semaphore, mpsc};

use crate::hooks::HookRun;
use crate::node::Event;
use crate::node::event::{HookOutcome, OpId};

/// Hooks that run at the same time; more wait in the queue.
const RUNNING_MAX: usize = 64;

/// Output of one hook that is kept for the log; the rest is read and dropped.
const OUTPUT_BYTES_MAX: usize = 4096;

/// Output still on its way when the hook has ended; what a daemon started by the hook prints later is not waited for.
const OUTPUT_GRACE: Duration = Duration::from_millis(100);

/// The search path of hooks; nothing of vipkeeper's own environment is passed on.
const HOOK_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The worker: each hook gets a task of its own. Ends when `hooks` is closed; what runs then runs on.
pub async fn run(node: String, mut hooks: mpsc::Receiver<(OpId, HookRun)>, events: mpsc::Sender<Event>) {
    let slots = Arc::new(Semaphore::new(RUNNING_MAX));
    while let Some((op, hook)) = hooks.recv().await {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let (node, events) = (node.clone(), events.clone());
        tokio::spawn(async move {
            let outcome = run_hook(&node, hook).await;
            drop(slot);
            // A closed queue means that the driver has ended; there is nobody left to tell.
            drop(events.send(Event::HookFinished { op, outcome }).await);
        });
    }
}

/// Runs one hook to its end or its deadline.
pub async fn run_hook(node: &str, hook: HookRun) -> HookOutcome {
    let program = hook.argv.first().cloned().unwrap_or_default();
    let (vip, name, timeout) = (hook.vip.clone(), hook.hook, hook.timeout);
    let node = node.to_owned();
    // User look-up, fork and exec may all block: on a thread for such things, not on the driver's.
    let spawned = tokio::task::spawn_blocking(move || spawn(&node, &hook)).await;
    let (mut child, output) = match spawned {
        Ok(Ok(spawned)) => spawned,
        Ok(Err(error)) => return HookOutcome::Failed(format!("cannot start {program}: {error}")),
        Err(error) => return HookOutcome::Failed(format!("cannot start {program}: {error}")),
    };
    let mut kept = Vec::new();
    let outcome = {
        let mut reading = std::pin::pin!(read_output(output, &mut kept));
        let ended = async {
            let mut open = true;
            loop {
                tokio::select! {
                    status = child.wait() => break (status, open),
                    () = &mut reading, if open => open = false,
                }
            }
        };
        match tokio::time::timeout(timeout, ended).await {
            Ok((status, open)) => {
                if open {
                    drop(tokio::time::timeout(OUTPUT_GRACE, reading).await);
                }
                outcome_of(status)
            }
            Err(_) => {
                kill_group(&mut child).await;
                HookOutcome::TimedOut
            }
        }
    };
    log_output(&vip, name, &kept);
    outcome
}

fn outcome_of(status: io::Result<ExitStatus>) -> HookOutcome {
    match status {
        Ok(status) if status.success() => HookOutcome::Succeeded,
        Ok(status) => HookOutcome::Failed(match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => status.to_string(),
        }),
        Err(error) => HookOutcome::Failed(format!("cannot learn how it ended: {error}")),
    }
}

fn spawn(node: &str, hook: &HookRun) -> io::Result<(Child, pipe::Receiver)> {
    let (program, arguments) = hook.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let (reader, writer) = io::pipe()?;
    let mut command = std::process::Command::new(program);
    command
        .args(arguments)
        .current_dir("/")
        .env_clear()
        .env("PATH", HOOK_PATH)
        .env("VIPKEEPER_NODE", node)
        .env("VIPKEEPER_VIP", &hook.vip)
        .env("VIPKEEPER_HOOK", hook.hook)
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    if let Some((uid, gid)) = identity(hook)? {
        // The standard library drops all supplementary groups when root sets a uid.
        command.gid(gid.as_raw()).uid(uid.as_raw());
    }
    let child = tokio::process::Command::from(command).spawn()?;
    Ok((child, pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?))
}

/// Whom the hook runs as; none: as vipkeeper itself.
fn identity(hook: &HookRun) -> io::Result<Option<(Uid, Gid)>> {
    let user = match &hook.user {
        Some(name) => Some(
            User::from_name(name)?
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no user {name:?}")))?,
        ),
        None => None,
    };
    let group = match &hook.group {
        Some(name) => Some(
            Group::from_name(name)?
                .ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, format!("there is no group {name:?}")))?,
        ),
        None => None,
    };
    Ok(match (user, group) {
        (None, None) => None,
        (Some(user), None) => Some((user.uid, user.gid)),
        (Some(user), Some(group)) => Some((user.uid, group.gid)),
        (None, Some(group)) => Some((Uid::effective(), group.gid)),
    })
}

/// Reads until the last writer closes; keeps the beginning.
async fn read_output(mut output: pipe::Receiver, kept: &mut Vec<u8>) {
    let mut buffer = vec![0_u8; OUTPUT_BYTES_MAX];
    loop {
        match output.read(&mut buffer).await {
            Ok(0) | Err(_) => return,
            Ok(len) => {
                let room = OUTPUT_BYTES_MAX.saturating_sub(kept.len()).min(len);
                kept.extend_from_slice(buffer.get(..room).unwrap_or_default());
            }
        }
    }
}

/// Kills the hook and whatever it started in its group. The hook is not reaped yet, so its group id is still its own.
async fn kill_group(child: &mut Child) {
    let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) else { return };
    match killpg(Pid::from_raw(pid), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => tracing::warn!(pid, %error, "cannot kill the process group of a hook"),
    }
    // SIGKILL cannot be refused, but a process in an uninterruptible call ends only after it.
    drop(tokio::time::timeout(OUTPUT_GRACE, child.wait()).await);
}

fn log_output(vip: &str, hook: &'static str, output: &[u8]) {
    for line in String::from_utf8_lossy(output).lines().filter(|line| !line.trim().is_empty()) {
        tracing::info!(vip, hook, output = line.escape_debug().to_string(), "hook output");
    }
}
