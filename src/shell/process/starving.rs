//! Whether a worker that is late with its answer gets a processor at all.

use std::time::Duration;

use super::group::{self, TICKS_PER_SEC};
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

/// Whether the worker is runnable; with nginx any of its master's, each of which may have the question.
pub(crate) fn waits_for_processor(engine: Engine, worker: u32) -> bool {
    match engine {
        Engine::Haproxy => is_runnable(worker),
        Engine::Nginx => group::siblings(worker).into_iter().any(is_runnable),
    }
}

/// How much time of processors those have used; none: they are gone.
pub(crate) fn cpu_time(engine: Engine, worker: u32) -> Option<Duration> {
    match engine {
        Engine::Haproxy => cpu_time_of(worker),
        Engine::Nginx => group::siblings(worker).into_iter().map(cpu_time_of).sum(),
    }
}

/// Time of processors that a process has used with all its threads; none: it is gone.
fn cpu_time_of(pid: u32) -> Option<Duration> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // utime and stime (proc_pid_stat(5)), behind the name, which may hold any text.
    let mut times = text.rsplit_once(')')?.1.split_whitespace().skip(11).map(str::parse::<u64>);
    let ticks = times.next()?.ok()?.saturating_add(times.next()?.ok()?);
    Some(Duration::from_millis(ticks.saturating_mul(1000 / TICKS_PER_SEC)))
}
