//! The proxy's processes and files: carries out [`ProxyOp`]s one at a time and tells at once when a process ends.
//!
//! Owns `haproxy.cfg` or `nginx.conf` and its two siblings in the state directory, and the master process. It must
//! never decide anything: which operation follows which is `proxy::lifecycle`'s. It must never end the proxy because
//! vipkeeper ends: the proxy goes on, and the next vipkeeper adopts it.

mod attend;
mod aux_files;
mod check;
mod files;
mod group;
mod master;
mod nginx;
mod patching;
pub(super) mod preflight;
mod server_state;
mod starving;

use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::Signal;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinSet};

use crate::config::Engine;
use crate::node::Event;
use crate::node::event::OpId;
use crate::proxy::master::{ANSWER_BYTES_MAX, Processes, ReloadAnswer};
use crate::proxy::nginx::log;
use crate::proxy::{BindProbe, ProxyOp, ProxyOutcome, ReloadMethod};
use crate::render::{Rendered, SERVER_STATE_FILE, report_alerts};
use crate::shell::stats_socket;
use crate::shell::workers::files_dir;

pub use attend::run as attend;
use check::Checked;
use master::{Found, Loading, Master};

/// Disk and `/proc` work that takes longer has failed: the disk hangs.
const DISK_TIMEOUT: Duration = Duration::from_secs(30);

/// A synchronous reload includes the start of the new worker, with 2 s of bind retries at worst.
const RELOAD_TIMEOUT: Duration = Duration::from_secs(30);

/// Until the log or the master says how a reload ended, which takes two seconds of tries to bind on an idle machine;
/// after it the probes alone tell.
const LOADING_TIMEOUT: Duration = Duration::from_secs(8);

/// Looks at the log for each question to the master, which answers it after the log.
const COUNTED_EVERY: u32 = 4;

/// Between two looks at the log.
const LOADING_PAUSE: Duration = Duration::from_millis(25);

/// How long a master may take after a start or reload until it takes the next signal to reload.
const READY_TIMEOUT: Duration = Duration::from_secs(5);

/// How long a master may take to end after SIGTERM before its group is killed.
const STOP_GRACE: Duration = Duration::from_secs(2);

/// How long the killed workers of a dead master may take to be gone. With much memory that is some 100 ms.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(2);

/// Between two looks at something that takes a moment.
const SETTLE_PAUSE: Duration = Duration::from_millis(5);

/// Looks for what takes a moment to appear or to vanish: half a second, which is longer than the master of 2.6 needs
/// to answer on its socket after a start or reload, and the kernel to close the sockets of a killed process.
const FIND_TRIES: u32 = 25;

/// Between two of them.
const FIND_PAUSE: Duration = Duration::from_millis(20);

/// How often the size of the proxy's log and the age of the servers' state are looked at.
const LOG_CHECK_INTERVAL: Duration = Duration::from_secs(10);

/// Where the proxy's files and sockets are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyPaths {
    /// Which program it is.
    pub engine: Engine,
    /// The program: a path, or a name looked up in `PATH`.
    pub binary: PathBuf,
    /// An existing directory for what outlives a reboot.
    pub state_dir: PathBuf,
    /// An existing directory for sockets and the record of the running master.
    pub runtime_dir: PathBuf,
    /// A check that takes longer is killed, usually [`ProxyPaths::CHECK_TIMEOUT`].
    pub check_timeout: Duration,
}

impl ProxyPaths {
    /// Enough for the biggest file; name resolution can hang a check for ever.
    pub const CHECK_TIMEOUT: Duration = Duration::from_secs(30);

    fn file_name(&self) -> &'static str {
        match self.engine {
            Engine::Haproxy => "haproxy.cfg",
            Engine::Nginx => "nginx.conf",
        }
    }

    /// The installed configuration.
    pub fn config(&self) -> PathBuf {
        self.state_dir.join(self.file_name())
    }

    /// The configuration that is being checked; a refused one is left here to be read.
    pub fn candidate(&self) -> PathBuf {
        self.state_dir.join(format!("{}.candidate", self.file_name()))
    }

    /// The configuration before the installed one.
    pub fn last_good(&self) -> PathBuf {
        self.state_dir.join(format!("{}.last-good", self.file_name()))
    }

    /// The directory of the files that a configuration refers to.
    pub fn files_dir(&self) -> PathBuf {
        files_dir(&self.state_dir)
    }

    /// The private socket that vipkeeper probes: HAProxy's stats socket, or a server of nginx.
    pub fn stats_socket(&self) -> PathBuf {
        self.runtime_dir.join("stats.sock")
    }

    /// The master CLI of HAProxy.
    pub fn master_socket(&self) -> PathBuf {
        self.runtime_dir.join("master.sock")
    }

    /// Where nginx writes its process id.
    pub fn pid_file(&self) -> PathBuf {
        self.runtime_dir.join("nginx.pid")
    }

    /// The socket on which the master itself began to listen.
    fn socket_of_master(&self) -> PathBuf {
        match self.engine {
            Engine::Haproxy => self.master_socket(),
            Engine::Nginx => self.stats_socket(),
        }
    }

    /// What servers were when a reload began.
    pub fn server_state(&self) -> PathBuf {
        self.runtime_dir.join(SERVER_STATE_FILE)
    }

    /// The record of the worker that was changed at run time.
    pub fn patched(&self) -> PathBuf {
        self.runtime_dir.join("patched.json")
    }

    /// What the proxy prints on its standard error.
    pub fn log(&self) -> PathBuf {
        self.runtime_dir.join(format!("{}.log", self.engine.name()))
    }

    /// The record of the running master.
    pub fn record(&self) -> PathBuf {
        self.runtime_dir.join("proxy.json")
    }
}

/// Carries out operations in their order, each bounded in time, until `ops` is closed; the proxy then goes on.
///
/// Answers every operation with [`Event::ProxyDone`]. The end of the master and of the worker named last in
/// `workers` are told as soon as the kernel tells, whatever operation is in flight. Needs a runtime with IO and time.
pub async fn run(
    paths: ProxyPaths,
    mut ops: mpsc::Receiver<(OpId, ProxyOp)>,
    workers: watch::Receiver<Option<u32>>,
    events: mpsc::Sender<Event>,
) {
    // Watching tasks end with this set, that is, when this future ends or is dropped.
    let mut tasks = JoinSet::new();
    tasks.spawn(master::watch_workers(workers, events.clone()));
    let mut worker = Worker {
        paths,
        candidate: None,
        installed: None,
        previous: None,
        undone: None,
        master: None,
        watching: None,
        tasks,
        events: events.clone(),
    };
    let mut log_check = tokio::time::interval(LOG_CHECK_INTERVAL);
    log_check.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        let (op, what) = tokio::select! {
            next = ops.recv() => match next {
                Some(next) => next,
                None => return,
            },
            _ = log_check.tick() => {
                worker.tidy().await;
                continue;
            }
        };
        let outcome = worker.perform(what).await;
        if events.send(Event::ProxyDone { op, outcome }).await.is_err() {
            return;
        }
    }
}

/// Ends what a dead master, or a proxy of the other engine, left running.
fn end_leftovers(paths: &ProxyPaths) -> Vec<OwnedFd> {
    let mut ended = master::end_of_other_engine(paths);
    ended.extend(match paths.engine {
        Engine::Haproxy => group::end_orphans(paths),
        Engine::Nginx => nginx::end_orphans(paths),
    });
    ended
}

fn verdict(refusals: &[preflight::Refusal]) -> ProxyOutcome {
    if refusals.is_empty() {
        return ProxyOutcome::Bindable;
    }
    let lines: Vec<&str> = refusals.iter().map(|refusal| refusal.line.as_str()).collect();
    ProxyOutcome::Unbindable(lines.join("\n"))
}

struct Worker {
    paths: ProxyPaths,
    /// Accepted by the last check, not yet installed.
    candidate: Option<Arc<Rendered>>,
    /// What the installed file was rendered from, as far as this vipkeeper installed it.
    installed: Option<Arc<Rendered>>,
    /// The same for the last good file.
    previous: Option<Arc<Rendered>>,
    /// What was installed before it was replaced by the last good file.
    undone: Option<Arc<Rendered>>,
    /// The master started or adopted last, dead or alive.
    master: Option<Master>,
    /// The task that tells of its end.
    watching: Option<AbortHandle>,
    tasks: JoinSet<()>,
    events: mpsc::Sender<Event>,
}

impl Worker {
    async fn perform(&mut self, op: ProxyOp) -> ProxyOutcome {
        while self.tasks.try_join_next().is_some() {}
        let done = match op {
            ProxyOp::Adopt => self.adopt().await,
            ProxyOp::Check(rendered) => self.check(rendered).await,
            ProxyOp::Preflight(probes) => self.preflight(probes).await,
            ProxyOp::Install => self.install().await,
            ProxyOp::Restore => self.restore().await,
            ProxyOp::SaveState => self.save_state().await,
            ProxyOp::Patch { worker, patch } => {
                patching::apply(&self.paths, worker, &patch).await.map(|()| ProxyOutcome::Patched)
            }
            ProxyOp::Start => self.start().await,
            ProxyOp::Reload(method) => self.reload(method).await,
            ProxyOp::Stop => self.stop(),
            ProxyOp::Kill => self.kill(),
        };
        done.unwrap_or_else(ProxyOutcome::Failed)
    }

    async fn adopt(&mut self) -> Result<ProxyOutcome, String> {
        if let Some(master) = self.live_master() {
            return self.adopted(master.pid()).await;
        }
        let Some(master) = self.find_master().await? else {
            // Workers outlive a killed master by up to two seconds, and would share our ports with their old file.
            let paths = self.paths.clone();
            let ended = blocking(move || Ok(end_leftovers(&paths))).await?;
            group::until_gone(&ended).await;
            return Ok(ProxyOutcome::NothingToAdopt);
        };
        let pid = master.pid();
        self.watch(master);
        self.adopted(pid).await
    }

    async fn adopted(&self, pid: u32) -> Result<ProxyOutcome, String> {
        let paths = self.paths.clone();
        let record = blocking(move || Ok(patching::Record::read(&paths))).await?;
        Ok(ProxyOutcome::Adopted { pid, patched: record.map(|record| record.patched()) })
    }

    /// Without a record, the predecessor died right after a start; the master socket is then answered a moment later.
    async fn find_master(&self) -> Result<Option<Master>, String> {
        for _ in 0..FIND_TRIES {
            let paths = self.paths.clone();
            match blocking(move || Ok(master::find(&paths))).await? {
                Found::Master(master) => return Ok(Some(master)),
                Found::Nothing => return Ok(None),
                Found::SilentSocket => tokio::time::sleep(FIND_PAUSE).await,
            }
        }
        Ok(None)
    }

    async fn check(&mut self, rendered: Arc<Rendered>) -> Result<ProxyOutcome, String> {
        self.candidate = None;
        let (paths, text) = (self.paths.clone(), Arc::clone(&rendered));
        // What the text refers to first: a text without its files would be refused for no fault of its own.
        blocking(move || aux_files::write(&text.files).and_then(|()| files::write_candidate(&paths, &text.text)))
            .await?;
        Ok(match check::run(&self.paths).await? {
            Checked::Accepted => {
                self.candidate = Some(rendered);
                ProxyOutcome::Accepted
            }
            Checked::Refused { stderr } => ProxyOutcome::Refused(match self.paths.engine {
                Engine::Haproxy => report_alerts(&stderr, &rendered),
                Engine::Nginx => log::report(&stderr, &rendered),
            }),
        })
    }

    async fn preflight(&mut self, probes: Vec<BindProbe>) -> Result<ProxyOutcome, String> {
        self.settle().await?;
        let ours = self.live_master().map(Master::pid);
        let mut pauses = 0;
        loop {
            let tried = probes.clone();
            let engine = self.paths.engine;
            let refusals = blocking(move || Ok(preflight::try_all(&tried, ours, engine))).await?;
            if pauses == FIND_TRIES || !refusals.iter().any(|refusal| refusal.orphaned) {
                return Ok(verdict(&refusals));
            }
            pauses += 1;
            tokio::time::sleep(FIND_PAUSE).await;
        }
    }

    async fn install(&mut self) -> Result<ProxyOutcome, String> {
        let Some(candidate) = self.candidate.take() else {
            return Err("no checked configuration to install".to_owned());
        };
        let paths = self.paths.clone();
        blocking(move || files::install(&paths)).await?;
        self.previous = self.installed.replace(candidate);
        Ok(ProxyOutcome::Installed)
    }

    async fn restore(&mut self) -> Result<ProxyOutcome, String> {
        let paths = self.paths.clone();
        blocking(move || files::restore(&paths)).await?;
        self.undone = std::mem::replace(&mut self.installed, self.previous.clone());
        Ok(ProxyOutcome::Installed)
    }

    async fn save_state(&self) -> Result<ProxyOutcome, String> {
        let paths = self.paths.clone();
        blocking(move || server_state::forget(&paths)).await?;
        let answer = server_state::ask(&self.paths).await?;
        let (paths, undone) = (self.paths.clone(), self.undone.clone());
        let kept = blocking(move || server_state::save(&paths, &answer, undone.as_deref())).await?;
        Ok(ProxyOutcome::StateSaved { kept: kept.servers, left_out: kept.left_out })
    }

    async fn start(&mut self) -> Result<ProxyOutcome, String> {
        if let Some(master) = self.live_master() {
            return Err(format!("the proxy runs already, as process {}", master.pid()));
        }
        self.settle().await?;
        let paths = self.paths.clone();
        // States of an earlier proxy say nothing of servers today.
        blocking(move || server_state::forget(&paths).and_then(|()| patching::forget(&paths))).await?;
        let master = self.spawn().await?;
        let pid = master.pid();
        let record = master.record(self.paths.engine);
        self.watch(master);
        let paths = self.paths.clone();
        // A start without a record is still a start: the next vipkeeper then finds the master by its socket.
        if let Err(error) = blocking(move || files::write_record(&paths, &record)).await {
            tracing::warn!(%error, "the running proxy is not recorded");
        }
        Ok(ProxyOutcome::Started { pid })
    }

    /// On another thread: `exec` reads the disk, and a real-time thread must not wait for a child that is none.
    async fn spawn(&mut self) -> Result<Master, String> {
        let paths = self.paths.clone();
        let mut spawning = tokio::task::spawn_blocking(move || {
            if paths.engine == Engine::Nginx {
                nginx::remove_stale_socket(&paths)?;
            }
            let log = files::open_log(&paths)?;
            master::spawn(&paths, log)
        });
        match tokio::time::timeout(DISK_TIMEOUT, &mut spawning).await {
            Ok(Ok(result)) => result,
            Ok(Err(e)) => Err(format!("an internal task failed: {e}")),
            Err(_) => {
                // Given up: what starts all the same would run unwatched.
                self.tasks.spawn(async move {
                    if let Ok(Ok(late)) = spawning.await {
                        late.kill_group();
                    }
                });
                Err(format!("the proxy was not started within {DISK_TIMEOUT:?}: does the disk hang?"))
            }
        }
    }

    async fn reload(&mut self, method: ReloadMethod) -> Result<ProxyOutcome, String> {
        match (self.paths.engine, method) {
            (Engine::Nginx, ReloadMethod::Signal | ReloadMethod::MasterCli) => self.reload_nginx().await,
            (Engine::Haproxy, ReloadMethod::Signal) => self.reload_by_signal().await,
            (Engine::Haproxy, ReloadMethod::MasterCli) => self.reload_by_cli().await,
        }
    }

    async fn reload_nginx(&mut self) -> Result<ProxyOutcome, String> {
        let master = self.live_master().ok_or("no proxy runs that could reload")?.clone();
        let pid = master.pid();
        let paths = self.paths.clone();
        let (workers, within) = blocking(move || Ok((nginx::workers(pid), nginx::shutdown_timeout(&paths)))).await?;
        let outcome = nginx::reload(&self.paths, &master, self.installed.as_deref()).await?;
        if let (ProxyOutcome::Reloaded, Some(within)) = (&outcome, within) {
            self.tasks.spawn(nginx::end_stragglers(workers, within));
        }
        Ok(outcome)
    }

    async fn reload_by_signal(&self) -> Result<ProxyOutcome, String> {
        let master = self.live_master().ok_or("no proxy runs that could reload")?;
        let ready = async {
            while !master.catches_reload() {
                tokio::time::sleep(SETTLE_PAUSE).await;
            }
        };
        tokio::time::timeout(READY_TIMEOUT, ready)
            .await
            .map_err(|_| format!("the proxy's master {} does not take signals to reload", master.pid()))?;
        // Its answer also means that what it had to log of its start is logged.
        let before = attend::processes(&self.paths).await.ok();
        let log_from = std::fs::metadata(self.paths.log()).map_or(0, |meta| meta.len());
        master.signal(Signal::USR2).map_err(|e| format!("cannot signal the proxy's master {}: {e}", master.pid()))?;
        Ok(self.reload_failed(master, log_from, before.as_ref()).await.unwrap_or(ProxyOutcome::Reloaded))
    }

    /// What the master logged of a reload that failed, or counted. It tries for two seconds to bind an address that is
    /// taken, and answers nobody meanwhile. None: it went well, or nothing is known, and the probes see the rest.
    async fn reload_failed(&self, master: &Master, log_from: u64, before: Option<&Processes>) -> Option<ProxyOutcome> {
        let counted = async || attend::processes(&self.paths).await.ok()?.reloaded_since(before?);
        let ended = async {
            for look in 1_u32.. {
                // The log is there first, unless somebody took it away.
                if look.is_multiple_of(COUNTED_EVERY)
                    && let Some(succeeded) = counted().await
                {
                    return Some(if succeeded { Loading::Succeeded } else { Loading::Failed });
                }
                let (log, pid) = (self.paths.log(), master.pid());
                match blocking(move || Ok(master::loading(&log, pid, log_from))).await {
                    Ok(None) if master.is_alive() => tokio::time::sleep(LOADING_PAUSE).await,
                    Ok(None) | Err(_) => return None,
                    Ok(known) => return known,
                }
            }
            None
        };
        match tokio::time::timeout(LOADING_TIMEOUT, ended).await {
            Ok(Some(Loading::Failed)) => {}
            Ok(Some(Loading::Succeeded) | None) | Err(_) => return None,
        }
        let (log, pid, installed) = (self.paths.log(), master.pid(), self.installed.clone());
        let words = blocking(move || Ok(master::last_words(&log, pid, log_from, installed.as_deref()))).await;
        let why = words.ok().flatten().unwrap_or_else(|| "its log does not say why".to_owned());
        Some(ProxyOutcome::ReloadRefused(format!("HAProxy could not load the new configuration: {why}")))
    }

    async fn reload_by_cli(&self) -> Result<ProxyOutcome, String> {
        let socket = self.paths.master_socket();
        // Around a reload nobody listens there for a moment (up to 170 ms on 2.6).
        let answer =
            stats_socket::ask_patiently(&socket, "reload\n", ANSWER_BYTES_MAX, RELOAD_TIMEOUT, READY_TIMEOUT).await?;
        let answer = String::from_utf8_lossy(&answer);
        match ReloadAnswer::parse(&answer) {
            // Up to 2.6 the master closes the connection and reloads; only the probes tell how that ends.
            Some(ReloadAnswer::Succeeded | ReloadAnswer::Unanswered) => Ok(ProxyOutcome::Reloaded),
            Some(ReloadAnswer::Failed { log }) => Ok(ProxyOutcome::ReloadRefused(self.explain(&log))),
            None => Err(format!(
                "the master CLI {} answers `reload` with something else: {}",
                socket.display(),
                answer.lines().next().unwrap_or_default()
            )),
        }
    }

    fn stop(&mut self) -> Result<ProxyOutcome, String> {
        let master = self.master.as_ref().ok_or("no proxy runs that could be stopped")?;
        if master.is_alive() {
            let signal = match self.paths.engine {
                Engine::Haproxy => Signal::TERM,
                Engine::Nginx => Signal::QUIT,
            };
            master.signal(signal).map_err(|e| format!("cannot signal the proxy's master {}: {e}", master.pid()))?;
            let master = master.clone();
            if self.paths.engine == Engine::Nginx {
                self.tasks.spawn(nginx::stop(master));
                return Ok(ProxyOutcome::Stopped);
            }
            self.tasks.spawn(async move {
                if tokio::time::timeout(STOP_GRACE, master.exited()).await.is_err() {
                    master.kill_group();
                }
            });
        }
        Ok(ProxyOutcome::Stopped)
    }

    fn kill(&self) -> Result<ProxyOutcome, String> {
        let master = self.master.as_ref().ok_or("no proxy runs that could be killed")?;
        if master.is_alive() {
            master.kill_group();
        }
        Ok(ProxyOutcome::Stopped)
    }

    fn live_master(&self) -> Option<&Master> {
        self.master.as_ref().filter(|master| master.is_alive())
    }

    fn watch(&mut self, master: Master) {
        let told = master::Told {
            engine: self.paths.engine,
            log: self.paths.log(),
            installed: self.installed.clone(),
            events: self.events.clone(),
        };
        self.watching = Some(self.tasks.spawn(master::watch(master.clone(), told)));
        self.master = Some(master);
    }

    /// Waits until the end of a dead master is told and nothing of its process group runs any more: its ports are
    /// free then, and no news of it can overtake those of the next.
    async fn settle(&self) -> Result<(), String> {
        let Some(master) = self.master.as_ref().filter(|master| !master.is_alive()) else {
            return Ok(());
        };
        let pid = master.pid();
        let told = || self.watching.as_ref().is_none_or(AbortHandle::is_finished);
        let waiting = async {
            while !told() || blocking(move || Ok(group::runs(pid))).await? {
                tokio::time::sleep(SETTLE_PAUSE).await;
            }
            Ok(())
        };
        tokio::time::timeout(SETTLE_TIMEOUT, waiting)
            .await
            .unwrap_or_else(|_| Err(format!("processes of the dead master {pid} still run although they were killed")))
    }

    fn explain(&self, log: &str) -> String {
        self.installed.as_ref().map_or_else(|| log.to_owned(), |rendered| report_alerts(log, rendered))
    }

    async fn tidy(&self) {
        let paths = self.paths.clone();
        let tidied = blocking(move || files::bound_log(&paths).and_then(|()| server_state::expire(&paths))).await;
        if let Err(error) = tidied {
            tracing::debug!(%error, "the proxy's log or the state of its servers could not be bounded");
        }
    }
}

pub(crate) use group::uptime_secs;
pub(crate) use starving::{cpu_time, is_runnable, waits_for_processor};

/// Runs disk work where it cannot delay an advert, and gives up on a disk that hangs.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, String> + Send + 'static) -> Result<T, String> {
    match tokio::time::timeout(DISK_TIMEOUT, tokio::task::spawn_blocking(work)).await {
        Ok(Ok(result)) => result,
        Ok(Err(e)) => Err(format!("an internal task failed: {e}")),
        Err(_) => Err(format!("the disk did not answer within {DISK_TIMEOUT:?}")),
    }
}
