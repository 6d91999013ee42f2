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
pub mod nftables;
pub mod sock_diag;

pub mod hook_runner;
pub mod looks;

pub mod nginx_socket;
pub mod process;
pub mod stats_socket;

pub mod files;

pub mod control;
pub mod endpoint;

pub mod inspect;

pub mod systemd;

pub mod logging;

mod driver;
mod http;
mod journal;
mod notices;
mod program;
mod runtime_dir;
mod start;
mod sys;
mod tls;
mod workers;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;

use crate::node::Node;
use crate::node::event::Loaded;
use crate::peer::Incarnation;
use crate::units::Name;

pub(crate) use workers::{files_dir, stats_socket_path};

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
    /// Scheduling of the thread that speaks VRRP.
    pub realtime: Realtime,
    /// Where to record every event, for `replay`; an earlier file is kept as `FILE.1`.
    pub journal: Option<PathBuf>,
}

/// Scheduling of the thread that speaks VRRP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Realtime {
    /// Real-time where permitted: by deadline where adverts follow one another within a tenth of a second, else at a
    /// modest priority. A real-time policy that somebody else chose is kept.
    Default,
    /// `SCHED_DEADLINE`; where that is not permitted, as by default.
    Deadline,
    /// Left alone.
    Off,
    /// `SCHED_RR` at this priority, 1-99.
    Priority(u8),
}

/// Longer than the 5 s between two looks at the disk, so that an idle vipkeeper does not make a thread for each; and
/// not longer than two of them, since threads take turns and all that a burst of work needed would stay.
const THREAD_KEEP_ALIVE: Duration = Duration::from_secs(6);

/// More than hooks (64) and looks (32 and 8) that block at the same time, so that they cannot keep files and proxy from
/// their work.
const BLOCKING_THREADS_MAX: usize = 144;

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
    let inherited = sys::Policy::inherited();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .thread_keep_alive(THREAD_KEEP_ALIVE)
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .on_thread_start(move || give_back(inherited))
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
    let start = clock::now();
    let incarnation = files::key_file::incarnation().context("the kernel gives no random number")?;
    let mut journal = setup.journal.as_deref().and_then(|path| record(path, start, (&me, incarnation), &loaded));
    let routers = loaded.config.vips.iter().filter(|vip| vip.priorities.contains_key(&me));
    schedule(setup.realtime, routers.map(|vip| vip.advert_interval.duration()).min());
    let (mut node, mut effects) = Node::new(loaded, me, incarnation, start);
    if let Some(report) = broken {
        let event = crate::node::Event::StartedWithLastGood { report };
        effects.extend(driver::tell(&mut node, &mut journal, clock::now(), event));
    }
    match files::intents::load(&setup.state_dir) {
        Ok(Some(text)) => {
            let event = crate::node::Event::IntentsRead { text };
            effects.extend(driver::tell(&mut node, &mut journal, clock::now(), event));
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "what operators wanted of servers cannot be read"),
    }
    let driver = driver::Driver::new(node, journal, inlets, outlets).context("cannot set up the driver")?;
    let (status, events) = driver.run(effects).await.context("the driver failed")?;
    workers.end(events).await;
    Ok(status)
}

/// Without a journal this node still keeps the VIPs, so that is no reason not to start.
fn record(
    path: &Path,
    start: Instant,
    (me, incarnation): (&Name, Incarnation),
    loaded: &Loaded,
) -> Option<journal::Recorder> {
    let recorder = journal::Recorder::start(path, start, (me.clone(), incarnation), loaded.clone());
    recorder.inspect_err(|error| tracing::warn!(journal = %path.display(), %error, "no journal is written")).ok()
}

/// Threads that start the proxy and hooks run as vipkeeper itself was started: a policy that somebody chose for
/// vipkeeper and what it runs is passed on, ours is not.
fn give_back(inherited: Option<sys::Policy>) {
    if let Some(Err(error)) = inherited.map(sys::Policy::adopt) {
        tracing::debug!(%error, "the proxy does not inherit the real-time policy");
    }
}

/// The kernel may keep real-time threads waiting for 50 ms (sched(7)): longer intervals than this outlast that by far.
const DEADLINE_UP_TO: Duration = Duration::from_millis(100);

/// The thread that speaks VRRP, and the memory that it needs. `interval`: the shortest one of its adverts.
fn schedule(realtime: Realtime, interval: Option<Duration>) {
    let wish = match realtime {
        Realtime::Off => None,
        Realtime::Default | Realtime::Deadline => Some(None),
        Realtime::Priority(priority) => Some(Some(priority)),
    };
    let hurried = interval.is_some_and(|interval| interval <= DEADLINE_UP_TO) && sys::Policy::inherited().is_none();
    let by_deadline = realtime == Realtime::Deadline || (realtime == Realtime::Default && hurried);
    let deadline = by_deadline && {
        let scheduled = sys::schedule_deadline();
        scheduled.inspect_err(|error| tracing::debug!(%error, "not under SCHED_DEADLINE")).is_ok()
    };
    let scheduling = if deadline { Some(sys::Scheduling::Deadline) } else { wish.map(sys::schedule_real_time) };
    match scheduling {
        None => tracing::debug!("scheduling is left alone"),
        Some(sys::Scheduling::RealTime) => tracing::debug!("running under SCHED_RR"),
        Some(sys::Scheduling::Deadline) => tracing::debug!("running under SCHED_DEADLINE"),
        Some(sys::Scheduling::Kept(policy)) => {
            tracing::debug!(priority = policy.priority, "running under the real-time policy chosen by others");
        }
        Some(sys::Scheduling::Refused(error)) => tracing::info!(
            %error,
            "no real-time scheduling; adverts may be late on a busy machine (LimitRTPRIO=10 or CAP_SYS_NICE permits it)"
        ),
    }
    lock_memory();
}

/// Pages that were read once stay: on a machine out of memory the next advert must not wait for a disk.
///
/// Only where there is no limit: under one, a later allocation would fail instead.
fn lock_memory() {
    use rustix::mm::{MlockAllFlags, mlockall};
    use rustix::process::{Resource, getrlimit};
    use rustix::thread::CapabilitySet;

    let capable = rustix::thread::capabilities(None).is_ok_and(|sets| sets.effective.contains(CapabilitySet::IPC_LOCK));
    if !capable && getrlimit(Resource::Memlock).current.is_some() {
        tracing::debug!("memory is not locked (LimitMEMLOCK=infinity or CAP_IPC_LOCK permits it)");
        return;
    }
    if let Err(error) = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT) {
        tracing::debug!(%error, "memory is not locked");
    }
}
