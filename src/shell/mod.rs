//! Everything that touches the world: one file per kernel resource, no policy.
//!
//! [`run`] is `vipkeeper run`. Its exit status:
//!
//! | status | meaning |
//! |---|---|
//! | 0 | stopped as asked |
//! | 1 | something unexpected, such as a kernel interface that fails |
//! | 2 | the configuration is wrong, and there is no last good one to start with |
//! | 3 | a privilege (or a program) is missing |
//! | 4 | this node is already running |

pub mod clock;
pub mod hello_socket;
pub mod vrrp_socket;

pub mod netlink;

pub mod hook_runner;

pub mod process;
pub mod stats_socket;

pub mod files;

pub mod control;

pub mod systemd;

pub mod logging;

mod driver;
mod runtime_dir;
mod start;
mod sys;
mod workers;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;

use crate::node::Node;

pub(crate) use workers::stats_socket_path;

/// Stopped as asked.
pub const EXIT_OK: u8 = 0;
/// Something unexpected.
pub const EXIT_INTERNAL: u8 = 1;
/// The configuration is wrong.
pub const EXIT_CONFIG: u8 = 2;
/// A privilege or a program is missing.
pub const EXIT_MISSING: u8 = 3;
/// This node is already running.
pub const EXIT_RUNNING: u8 = 4;

/// What `run` was told; nothing else is global, so several can run on one machine in different namespaces.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The main configuration file.
    pub config: PathBuf,
    /// Which node this is; none: the one named like the host.
    pub node: Option<String>,
    /// Lock, sockets and records of what runs; made if it is not there.
    pub runtime_dir: PathBuf,
    /// What outlives a reboot; made if it is not there. May be the same directory.
    pub state_dir: PathBuf,
}

/// Longer than the 5 s between two looks at the disk, so that an idle vipkeeper does not make a thread for each; and
/// not longer than two of them, since threads take turns and all that a burst of work needed would stay.
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(6);

/// More than hooks that start at the same time, so that they cannot keep files and proxy from their work.
const BLOCKING_THREADS_MAX: usize = 96;

/// Blocking work still in flight at the end is left alone after this long.
const SHUTDOWN_WITHIN: Duration = Duration::from_secs(1);

/// Runs one node until it is told to stop; returns the exit status.
///
/// # Errors
/// Something unexpected, for exit status 1. What is foreseen is logged and has a status of its own.
pub fn run(setup: &Setup) -> anyhow::Result<u8> {
    let started = match start::prepare(setup) {
        Ok(started) => started,
        Err(start::Failure::Foreseen { status, report }) => {
            start::tell(&report);
            return Ok(status);
        }
        Err(start::Failure::Unexpected(error)) => return Err(error),
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_keep_alive(THREAD_KEEP_ALIVE)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()
        .context("cannot start the runtime")?;
    let status = runtime.block_on(drive(setup, started));
    runtime.shutdown_timeout(SHUTDOWN_WITHIN);
    status
}

async fn drive(setup: &Setup, started: start::Started) -> anyhow::Result<u8> {
    let start::Started { runtime_dir, me, loaded, sources, target, reading, broken } = started;
    let (workers, inlets, outlets) =
        workers::spawn(workers::Plan { setup, runtime_dir, me: &me, loaded: &loaded, sources, target, reading })?;
    schedule();
    let incarnation = files::key_file::incarnation().context("the kernel gives no random number")?;
    let (mut node, mut effects) = Node::new(loaded, me, incarnation, clock::now());
    if let Some(report) = broken {
        effects.extend(node.handle(clock::now(), crate::node::Event::StartedWithLastGood { report }));
    }
    let driver = driver::Driver::new(node, inlets, outlets).context("cannot set up the driver")?;
    let (status, events) = driver.run(effects).await.context("the driver failed")?;
    workers.end(events).await;
    Ok(status)
}

/// After the workers were started; they inherit nothing of it either way.
fn schedule() {
    match sys::schedule_real_time() {
        sys::Scheduling::RealTime => tracing::debug!("running under SCHED_RR"),
        sys::Scheduling::AlreadyRealTime => tracing::debug!("running under the real-time policy chosen by others"),
        sys::Scheduling::Refused(error) => tracing::info!(
            %error,
            "no real-time scheduling; adverts may be late on a busy machine (LimitRTPRIO=10 or CAP_SYS_NICE permits it)"
        ),
    }
}
