//! The worker tasks, each of which owns one kernel resource, and the queues between them and the driver.

use std::path::{Path, PathBuf};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::time::Duration;

use anyhow::anyhow;
use tokio::sync::{Notify, mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use super::control::Server;
use super::driver::{Inlets, Outlets};
use super::files::watch::Watcher;
use super::files::{Files, Reading, Target};
use super::process::{self, ProxyPaths};
use super::runtime_dir::RuntimeDir;
use super::{Setup, endpoint, hook_runner, looks, netlink, nftables, nginx_socket, notices, sock_diag, stats_socket};
use crate::addrs::filter::Table;
use crate::config::{Engine, Sources};
use crate::node::Event;
use crate::node::event::{Loaded, OpId};
use crate::proxy::Sample;
use crate::proxy::health::{HUNGRY_MAX, HUNGRY_SHARE, STARVED_MAX};
use crate::units::Name;

/// Outcomes on their way to the driver. Full: the workers wait, and nothing is lost.
const EVENTS: usize = 256;

/// Changes of addresses that wait: more than a large file has, twice over. Full: the change fails and is tried again.
const ADDRESS_OPS: usize = 16_384;

/// Hooks that wait behind the 64 that run. Full: the hook fails.
const HOOKS: usize = 256;

/// Notices that wait to be written down. Full: one is lost, and the log says so.
const NOTICES: usize = 256;

/// Looks of trackers that wait behind the 64 that are under way. Full: the look fails.
const LOOKS: usize = 256;

/// The node has one of these in flight; the rest is for those it gave up.
const SINGLE_OPS: usize = 8;

/// A survey, tries to open frontends, and every old worker that can be ended at once. Full: it is asked again.
const ATTENDANCES: usize = 24;

/// Control requests that wait; their connections are fewer.
const CALLS: usize = 16;

/// Workers finish what was asked of them before the exit for at most this long.
const END_WITHIN: Duration = Duration::from_secs(1);

/// Turns of the runtime for the last answers to leave; each runs all that is ready.
const LAST_TURNS: usize = 16;

/// How often the runtime directory and the control socket in it are looked at.
const KEEP_EVERY: Duration = Duration::from_secs(5);

/// Until the first look: halfway between those at the proxy's log, so that one idle thread serves both.
const KEEP_FIRST_AFTER: Duration = Duration::from_millis(2500);

/// From one look at a worker without a processor to the next; well below [`STARVED_MAX`], for which a look counts.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(400);

/// Name of the stats socket in the runtime directory.
const STATS_SOCKET: &str = "stats.sock";

/// Where the proxy answers probes.
pub(crate) fn stats_socket_path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join(STATS_SOCKET)
}

/// Directory, in that for what outlives a reboot, of the files that the proxy's configuration refers to. There, since
/// the configuration before the installed one must find its files after a reboot too.
pub(crate) fn files_dir(state_dir: &Path) -> PathBuf {
    state_dir.join("haproxy.d")
}

/// What the workers are started with.
#[derive(Debug)]
pub(crate) struct Plan<'a> {
    pub(crate) setup: &'a Setup,
    pub(crate) runtime_dir: RuntimeDir,
    pub(crate) me: &'a Name,
    pub(crate) loaded: &'a Loaded,
    pub(crate) sources: Arc<Sources>,
    pub(crate) target: Target,
    pub(crate) reading: Option<Reading>,
}

/// The running workers.
#[derive(Debug)]
pub(crate) struct Workers {
    /// End by themselves when their queue is closed.
    queues: JoinSet<()>,
    control: AbortHandle,
}

/// Starts all workers on the runtime of the calling thread.
pub(crate) fn spawn(plan: Plan<'_>) -> anyhow::Result<(Workers, Inlets, Outlets)> {
    let Plan { setup, runtime_dir, me, loaded, sources, target, reading } = plan;
    let (events, inlet) = mpsc::channel(EVENTS);
    let observe = Arc::new(Notify::new());
    let network_changed = Arc::new(Notify::new());
    let config_touched = Arc::new(Notify::new());
    let mut queues = JoinSet::new();

    let (addresses, ops) = mpsc::channel(ADDRESS_OPS);
    queues.spawn(netlink::run(ops, Arc::clone(&observe), events.clone()));
    tokio::spawn(netlink::monitor(Arc::clone(&network_changed)));

    let (filter, ops) = mpsc::channel(SINGLE_OPS);
    queues.spawn(nftables::run(Table::of(me), ops, events.clone()));

    let (hooks, ops) = mpsc::channel(HOOKS);
    queues.spawn(hook_runner::run(me.as_str().to_owned(), ops, events.clone()));

    let (notices, ops) = mpsc::channel(NOTICES);
    queues.spawn(notices::run(setup.state_dir.clone(), me.as_str().to_owned(), ops));

    let (looks, ops) = mpsc::channel(LOOKS);
    queues.spawn(looks::run(me.as_str().to_owned(), ops, events.clone()));

    let (probes, ops) = mpsc::channel(SINGLE_OPS);
    let target_socket = target.stats_socket.clone();
    let engine = loaded.config.proxy.engine;
    queues.spawn(probe(engine, target_socket.clone(), ops, events.clone()));

    let (files, ops) = mpsc::channel(SINGLE_OPS);
    let watcher = watch_files(setup, reading.as_ref(), Arc::clone(&config_touched));
    let worker = Files::new(setup.config.clone(), setup.state_dir.clone(), target, sources, watcher);
    queues.spawn(worker.run(ops, events.clone()));

    let (proxy, ops) = mpsc::channel(SINGLE_OPS);
    let (worker, watched) = watch::channel(None);
    let paths = ProxyPaths {
        engine,
        binary: loaded.config.proxy.binary.clone(),
        state_dir: setup.state_dir.clone(),
        runtime_dir: setup.runtime_dir.clone(),
        check_timeout: ProxyPaths::CHECK_TIMEOUT,
    };
    debug_assert_eq!(paths.stats_socket(), target_socket, "the rendered socket is the one that is probed");
    let (attend, asked) = mpsc::channel(ATTENDANCES);
    queues.spawn(process::attend(paths.clone(), asked, events.clone()));
    queues.spawn(process::run(paths, ops, watched, events));

    let (calls, inlet_calls) = mpsc::channel(CALLS);
    let server = Server::bind(&setup.runtime_dir).map_err(|e| anyhow!(e))?;
    let (endpoint, wanted) = watch::channel(None);
    tokio::spawn(endpoint::run(wanted, calls.clone()));
    // Ends with the runtime, so that the lock is held to the last.
    tokio::spawn(keep(runtime_dir, server.look()));
    let control = tokio::spawn(server.run(calls)).abort_handle();

    Ok((
        Workers { queues, control },
        Inlets { events: inlet, calls: inlet_calls, network_changed, config_touched },
        Outlets { addresses, filter, observe, proxy, attend, worker, probes, looks, hooks, files, notices, endpoint },
    ))
}

/// Without a watcher a reload takes SIGHUP or `vipkeeper reload`; that is no reason not to start.
fn watch_files(setup: &Setup, reading: Option<&Reading>, touched: Arc<Notify>) -> Option<Watcher> {
    let watcher = match reading {
        Some(reading) => Watcher::start(reading, touched),
        None => Watcher::start_unread(&setup.config, touched),
    };
    watcher.inspect_err(|error| tracing::warn!(%error, "the configuration files are not watched")).ok()
}

/// Makes the runtime directory again when somebody deleted it; without it the proxy can neither start nor be asked.
async fn keep(mut runtime_dir: RuntimeDir, look: Arc<Notify>) {
    let mut told = false;
    let mut pause = KEEP_FIRST_AFTER;
    loop {
        tokio::time::sleep(pause).await;
        pause = KEEP_EVERY;
        let work = tokio::task::spawn_blocking(move || {
            let kept = runtime_dir.keep();
            (runtime_dir, kept)
        });
        let Ok((same, kept)) = work.await else { return };
        runtime_dir = same;
        look.notify_one();
        match kept {
            Ok(false) => {}
            Ok(true) => tracing::warn!("somebody deleted the runtime directory: made it again"),
            Err(error) if !told => {
                let error = anyhow::Error::from(error);
                tracing::warn!(error = format!("{error:#}"), "somebody deleted the runtime directory, and it is lost");
                told = true;
                continue;
            }
            Err(_) => continue,
        }
        told = false;
    }
}

/// A question for the stats socket.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Probe {
    pub(crate) op: OpId,
    pub(crate) timeout: Duration,
    /// Whether the kernel is asked too where somebody listens.
    pub(crate) listeners: bool,
    /// The worker to look at when the answer is late.
    pub(crate) worker: Option<u32>,
}

/// Asks the private socket, one probe at a time. A worker that waits for a processor is waited for.
async fn probe(engine: Engine, socket: PathBuf, mut ops: mpsc::Receiver<Probe>, events: mpsc::Sender<Event>) {
    while let Some(probe) = ops.recv().await {
        let longest = probe.timeout.max(HUNGRY_MAX);
        let mut probing = pin!(async {
            match engine {
                Engine::Haproxy => stats_socket::probe(&socket, longest).await,
                Engine::Nginx => nginx_socket::probe(&socket, longest).await,
            }
        });
        let soon = probe.timeout * 2 / 3;
        let result = match tokio::time::timeout(soon, &mut probing).await {
            Ok(result) => result,
            Err(_) => wait_for_late(engine, probe, soon, probing, &events)
                .await
                .map_err(|waited| format!("the socket {} did not answer within {waited:?}", socket.display()))
                .and_then(|result| result),
        };
        let result = if probe.listeners { with_listeners(result).await } else { result };
        if events.send(Event::Probed { op: probe.op, result }).await.is_err() {
            return;
        }
    }
}

/// Waits for an answer that is late, at `looked` after the question: to the end of the timeout, or for as long as the worker gets no processor. How long
/// it waited, if in vain.
async fn wait_for_late<T>(
    engine: Engine,
    Probe { op, timeout, worker, listeners: _ }: Probe,
    looked: Duration,
    mut probing: Pin<&mut impl Future<Output = T>>,
    events: &mpsc::Sender<Event>,
) -> Result<T, Duration> {
    // When nobody hears it any more, the end of the queue ends the worker.
    let tell = async |runnable| drop(events.send(Event::ProbeLate { op, runnable }).await);
    let before = worker.and_then(|worker| process::cpu_time(engine, worker));
    let runnable = worker.is_some_and(|worker| process::waits_for_processor(engine, worker));
    tell(runnable).await;
    let (mut waited, mut until) = (looked, if runnable { timeout.max(STARVED_MAX) } else { timeout });
    loop {
        let pause = LOOK_AGAIN_AFTER.min(until.saturating_sub(waited));
        if let Ok(result) = tokio::time::timeout(pause, &mut probing).await {
            return Ok(result);
        }
        waited += pause;
        let is_hungry = || {
            let worker = worker.filter(|worker| process::waits_for_processor(engine, *worker))?;
            let used = process::cpu_time(engine, worker)?.saturating_sub(before?);
            (used < (waited - looked) / HUNGRY_SHARE).then_some(())
        };
        if runnable && waited < HUNGRY_MAX && is_hungry().is_some() {
            tell(true).await;
            until = (waited + STARVED_MAX).min(HUNGRY_MAX);
        }
        if waited >= until {
            return Err(waited);
        }
    }
}

/// An answer, with where somebody listens. A kernel that does not say is no failure of the proxy.
async fn with_listeners(result: Result<Sample, String>) -> Result<Sample, String> {
    let sample = result?;
    match sock_diag::listeners().await {
        Ok(listening) => Ok(Sample { listening: Some(listening), ..sample }),
        Err(error) => {
            tracing::debug!(%error, "the kernel does not say who listens");
            Ok(sample)
        }
    }
}

impl Workers {
    /// Lets the workers finish what they were asked for, within bounds. Their queues are closed already.
    ///
    /// Nobody acts on the outcomes any more, but a full queue must not hold up the rest.
    pub(crate) async fn end(mut self, mut events: mpsc::Receiver<Event>) {
        let finish = async {
            loop {
                tokio::select! {
                    ended = self.queues.join_next() => if ended.is_none() { break },
                    Some(_) = events.recv() => {}
                }
            }
        };
        if tokio::time::timeout(END_WITHIN, finish).await.is_err() {
            tracing::debug!("ending although a worker is still busy");
        }
        // The last replies leave through their connections.
        for _ in 0..LAST_TURNS {
            tokio::task::yield_now().await;
        }
        self.control.abort();
        tokio::task::yield_now().await;
    }
}
