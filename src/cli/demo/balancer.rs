//! One of the two balancers: a `vipkeeper run` in its namespace, asked through its control socket.

use std::fs::File;
use std::net::Ipv4Addr;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process, kill_process_group};

use crate::cli::args::{DemoHostArgs, Place};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::terminal::span;
use crate::node::Status;

/// Name and addresses of a balancer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    /// Its node name.
    pub(super) name: &'static str,
    /// Towards clients.
    pub(super) front: Ipv4Addr,
    /// Towards servers.
    pub(super) back: Ipv4Addr,
}

/// A running balancer.
#[derive(Debug)]
pub(super) struct Balancer {
    /// Who it is.
    pub(super) seat: Seat,
    /// Its sockets and records.
    pub(super) runtime_dir: PathBuf,
    /// What it said when asked last.
    pub(super) seen: Option<Snapshot>,
    log: PathBuf,
    child: Child,
    life: Life,
}

/// How far a balancer's vipkeeper has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Running,
    /// It was told to end.
    Stopping,
    /// It has ended; unasked where it was not stopped.
    Ended {
        stopped: bool,
    },
}

/// What the story looks at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Snapshot {
    /// State of the VIP.
    pub(super) state: String,
    /// Why.
    pub(super) why: String,
    /// Whether the proxy is healthy.
    pub(super) healthy: bool,
    /// Why.
    pub(super) proxy_why: String,
    /// The proxy's master, which leads its process group.
    pub(super) master: Option<u32>,
    /// The proxy's worker.
    pub(super) worker: Option<u32>,
    /// Digest of the configuration in force.
    pub(super) digest: String,
    /// The last reload in words.
    pub(super) reload: Option<String>,
}

impl From<Status> for Snapshot {
    fn from(status: Status) -> Self {
        let reload = status.config.last_reload.map(|r| {
            let result = if r.ok { "changed" } else { "refused the file" };
            format!("{result} in {}: {}", span(r.took_ms), r.message.lines().next().unwrap_or_default())
        });
        let vip = status.vips.into_iter().next();
        Self {
            state: vip.as_ref().map_or_else(|| "unknown".to_owned(), |v| v.state.clone()),
            why: vip.map(|v| v.why).unwrap_or_default(),
            healthy: status.proxy.healthy,
            proxy_why: status.proxy.why,
            master: status.proxy.master_pid,
            worker: status.proxy.worker_pid,
            digest: status.config.digest,
            reload,
        }
    }
}

impl Balancer {
    /// Starts `vipkeeper run` in a namespace, in a process group of its own, so that Ctrl-C reaches only the demo.
    pub(super) fn start(seat: Seat, namespace: &str, dir: &Path, config: &Path) -> std::io::Result<Self> {
        let runtime_dir = dir.join(seat.name);
        std::fs::create_dir(&runtime_dir)?;
        let log = dir.join(format!("{}.log", seat.name));
        let file = File::create(&log)?;
        let child = Command::new(std::env::current_exe()?)
            .arg("demo-host")
            .args(["--namespace", namespace, "--node", seat.name])
            .args([Path::new("--config"), config, Path::new("--runtime-dir"), &runtime_dir])
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .process_group(0)
            .spawn()?;
        Ok(Self { seat, runtime_dir, seen: None, log, child, life: Life::Running })
    }

    /// SIGKILL to every process of the proxy. Says what was killed.
    pub(super) fn kill_proxy(&self) -> Result<String, String> {
        let seen = self.seen.as_ref();
        let pid = |n: u32| Pid::from_raw(i32::try_from(n).ok()?);
        let master = seen.and_then(|s| s.master).and_then(pid).ok_or("its proxy has no process")?;
        if rustix::process::getpgid(Some(master)) == Ok(master) {
            kill_process_group(master, Signal::KILL).map_err(|e| e.to_string())?;
            return Ok(format!("SIGKILL to the process group {} of HAProxy", master.as_raw_nonzero()));
        }
        let worker = seen.and_then(|s| s.worker).and_then(pid);
        for pid in [Some(master), worker].into_iter().flatten() {
            kill_process(pid, Signal::KILL).map_err(|e| e.to_string())?;
        }
        Ok("SIGKILL to HAProxy, master and worker".to_owned())
    }

    /// SIGTERM to vipkeeper.
    pub(super) fn terminate(&mut self) -> Result<(), String> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).ok_or("it has no process id")?;
        self.life = Life::Stopping;
        kill_process(pid, Signal::TERM).map_err(|e| e.to_string())
    }

    /// How vipkeeper has ended, if it has since this was asked last.
    pub(super) fn has_just_ended(&mut self) -> Option<String> {
        let stopped = match self.life {
            Life::Running => false,
            Life::Stopping => true,
            Life::Ended { .. } => return None,
        };
        let status = self.child.try_wait().ok().flatten()?;
        self.life = Life::Ended { stopped };
        Some(status.to_string())
    }

    /// Whether vipkeeper was seen to have ended.
    pub(super) fn has_ended(&self) -> bool {
        matches!(self.life, Life::Ended { .. })
    }

    /// Whether it was told to end.
    pub(super) fn was_stopped(&self) -> bool {
        matches!(self.life, Life::Stopping | Life::Ended { stopped: true })
    }

    /// The end of its log, for a failure report.
    pub(super) fn last_words(&self) -> String {
        let text = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let from = lines.len().saturating_sub(15);
        lines.get(from..).unwrap_or_default().join("\n")
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        // The namespaces are swept before: this only collects the exit status.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// The process of a host: dies with the demo, enters the namespace, becomes `vipkeeper run`. Returns only on failure.
pub(super) fn become_host(place: &Place, args: &DemoHostArgs) -> Failure {
    let failed = |what: &str, why: &dyn std::fmt::Display| Failure::new(Exit::Unhealthy, format!("{what}: {why}"));
    if let Err(error) = rustix::process::set_parent_process_death_signal(Some(Signal::TERM)) {
        return failed("cannot tie this host to the demo", &error);
    }
    if let Err(error) = super::net::enter(&args.namespace) {
        return Failure::new(Exit::Missing, error);
    }
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return failed("cannot find the program of vipkeeper", &error),
    };
    let mut run = Command::new(program);
    run.arg("run").arg("--config").arg(&place.config).arg("--runtime-dir").arg(place.runtime());
    if let Some(node) = &place.node {
        run.args(["--node", node]);
    }
    failed("cannot start vipkeeper run", &run.exec())
}
