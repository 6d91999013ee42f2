//! Runs hooks: no shell, own process group, bounded in time, output and number. Never delays the driver.
//!
//! It does not decide which hook runs or in what order; it only runs what it is given, all at the same time.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::sync::{Semaphore, mpsc};

use super::program::{self, Program};
use crate::hooks::HookRun;
use crate::node::Event;
use crate::node::event::{HookOutcome, OpId};

/// Hooks that run at the same time; more wait in the queue.
const RUNNING_MAX: usize = 64;

/// Output of one hook that is kept for the log; the rest is read and dropped.
const OUTPUT_BYTES_MAX: usize = 4096;

/// Output still on its way when the hook has ended; what a daemon started by the hook prints later is not waited for.
const OUTPUT_GRACE: Duration = Duration::from_millis(100);

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
                match program::ended(status) {
                    Ok(()) => HookOutcome::Succeeded,
                    Err(why) => HookOutcome::Failed(why),
                }
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

fn spawn(node: &str, hook: &HookRun) -> io::Result<(Child, pipe::Receiver)> {
    program::spawn(&Program {
        argv: &hook.argv,
        user: hook.user.as_deref(),
        group: hook.group.as_deref(),
        env: &[("VIPKEEPER_NODE", node), ("VIPKEEPER_VIP", &hook.vip), ("VIPKEEPER_HOOK", hook.hook)],
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

/// Kills the hook and whatever it started in its group.
async fn kill_group(child: &mut Child) {
    program::kill_group(child.id());
    // SIGKILL cannot be refused, but a process in an uninterruptible call ends only after it.
    drop(tokio::time::timeout(OUTPUT_GRACE, child.wait()).await);
}

fn log_output(vip: &str, hook: &'static str, output: &[u8]) {
    for line in String::from_utf8_lossy(output).lines().filter(|line| !line.trim().is_empty()) {
        tracing::info!(vip, hook, output = line.escape_debug().to_string(), "hook output");
    }
}
