//! Whether a worker that is late with its answer gets a processor at all.

use std::time::Duration;

use super::group::{self, Stat};
use crate::config::Engine;

/// Whether a thread of a process has a processor or waits for one. Not, if it is stopped, asleep or gone.
///
/// Reads `/proc` without a thread of its own: that never waits for a disk.
pub(crate) fn is_runnable(pid: u32) -> bool {
    const THREADS_MAX: usize = 1024;
    let Ok(tasks) = std::fs::read_dir(format!("/proc/{pid}/task")) else { return false };
    tasks.flatten().take(THREADS_MAX).any(|task| {
        let stat = std::fs::read_to_string(task.path().join("stat")).unwrap_or_default();
        // The state follows the name, which stands in parentheses and may hold any text (proc_pid_stat(5)).
        stat.rsplit_once(')').is_some_and(|(_, rest)| rest.trim_start().starts_with('R'))
    })
}

/// The worker; with nginx all of its master's, since each of them may have the question.
fn workers(engine: Engine, worker: u32) -> Vec<u32> {
    match engine {
        Engine::Haproxy => vec![worker],
        Engine::Nginx => group::siblings(worker),
    }
}

/// Whether one of them is runnable.
pub(crate) fn waits_for_processor(engine: Engine, worker: u32) -> bool {
    workers(engine, worker).into_iter().any(is_runnable)
}

/// How much time of processors they have used; none: one is gone.
pub(crate) fn cpu_time(engine: Engine, worker: u32) -> Option<Duration> {
    workers(engine, worker).into_iter().map(|pid| Some(Stat::of(pid)?.cpu)).sum()
}
