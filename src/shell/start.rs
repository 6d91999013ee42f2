//! What happens once, before anything runs: directories, the lock, privileges, and a configuration to start with.

use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use rustix::thread::CapabilitySet;

use super::files::{self, Reading, Target, last_good};
use super::runtime_dir::{self, RuntimeDir, RuntimeDirError};
use super::{EXIT_CONFIG, EXIT_MISSING, EXIT_RUNNING, Setup, workers};
use crate::config::Sources;
use crate::node::event::Loaded;
use crate::units::Name;

/// Why it does not start.
#[derive(Debug)]
pub(crate) enum Failure {
    /// With an exit status of its own and a text for the operator.
    Foreseen { status: u8, report: String },
    /// Anything else.
    Unexpected(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Unexpected(error)
    }
}

impl From<RuntimeDirError> for Failure {
    fn from(error: RuntimeDirError) -> Self {
        match error {
            RuntimeDirError::Taken { .. } => Self::Foreseen { status: EXIT_RUNNING, report: error.to_string() },
            RuntimeDirError::Io { .. } => Self::Unexpected(error.into()),
        }
    }
}

/// Ready to run.
#[derive(Debug)]
pub(crate) struct Started {
    /// Held for as long as this node runs.
    pub(crate) runtime_dir: RuntimeDir,
    pub(crate) me: Name,
    pub(crate) loaded: Loaded,
    /// The texts of `loaded`.
    pub(crate) sources: Arc<Sources>,
    pub(crate) target: Target,
    /// What is on the disk, to be watched; none: it could not even be read.
    pub(crate) reading: Option<Reading>,
    /// What is wrong with the files, where `loaded` is the last good configuration instead.
    pub(crate) broken: Option<String>,
}

pub(crate) fn prepare(setup: &Setup) -> Result<Started, Failure> {
    // First: without them a directory may be refused already, and that would be told instead.
    check_privileges()?;
    let runtime_dir = RuntimeDir::open(&setup.runtime_dir)?;
    runtime_dir::make(&setup.state_dir)?;
    let mut target = Target {
        names: own_names(setup)?,
        stats_socket: workers::stats_socket_path(&setup.runtime_dir),
        files_dir: workers::files_dir(&setup.state_dir),
    };
    let (reading, result) = files::read_and_load(&setup.config, &target);
    let mut broken = None;
    let (loaded, sources) = match (result, &reading) {
        (Ok(loaded), Some(reading)) => (loaded, Arc::clone(&reading.sources)),
        (Ok(_), None) => return Err(anyhow!("a configuration was loaded that was not read").into()),
        (Err(report), _) => {
            broken = Some(report.clone());
            instead(&setup.state_dir, &target, report)?
        }
    };
    let me = target.find(&loaded.config).cloned().ok_or_else(|| anyhow!("the configuration lost this node"))?;
    // A host that is renamed while this runs stays the node that it was.
    target.names = vec![me.clone()];
    Ok(Started { runtime_dir, me, loaded, sources, target, reading, broken })
}

/// Writes a report of several lines as it is: the log would squeeze it into one.
pub(crate) fn tell(report: &str) {
    // After what was logged before it.
    super::logging::flush();
    let mut stderr = io::stderr().lock();
    // Nobody reads it: there is no other place to say so.
    drop(writeln!(stderr, "{}", report.trim_end()));
}

/// Named up front: the errors of later system calls come when it is too late for a clear start.
fn check_privileges() -> Result<(), Failure> {
    let held = rustix::thread::capabilities(None).context("cannot read the capabilities of this process")?.effective;
    let needed = [
        (CapabilitySet::NET_ADMIN, "CAP_NET_ADMIN (to put addresses on interfaces)"),
        (CapabilitySet::NET_RAW, "CAP_NET_RAW (to speak VRRP and announce addresses)"),
    ];
    let missing: Vec<_> =
        needed.iter().filter(|(capability, _)| !held.contains(*capability)).map(|(_, name)| *name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(Failure::Foreseen {
        status: EXIT_MISSING,
        report: format!(
            "vipkeeper lacks {}; run it as root, or with AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW",
            missing.join(" and ")
        ),
    })
}

/// `--node`, or the host name in full, then up to its first dot.
fn own_names(setup: &Setup) -> Result<Vec<Name>, Failure> {
    let wrong = |report| Failure::Foreseen { status: EXIT_CONFIG, report };
    if let Some(node) = &setup.node {
        return Ok(vec![Name::new(node).map_err(|e| wrong(format!("--node: {e}")))?]);
    }
    let host = nix::unistd::gethostname().context("cannot read the host name")?;
    let host = host.to_string_lossy();
    let short = host.split('.').next().unwrap_or_default();
    let mut names: Vec<_> = [&*host, short].into_iter().filter_map(|name| Name::new(name).ok()).collect();
    names.dedup();
    if names.is_empty() {
        return Err(wrong(format!("the host name {host:?} cannot be the name of a node; say which one with --node")));
    }
    Ok(names)
}

/// With a broken file the last good one runs, so that a reboot after a bad edit does not end the service.
fn instead(state_dir: &Path, target: &Target, report: String) -> Result<(Loaded, Arc<Sources>), Failure> {
    let kept = last_good::load(state_dir).unwrap_or_else(|error| {
        tracing::warn!(%error, "the last good configuration cannot be read");
        None
    });
    let kept = kept.map(Arc::new).map(|sources| files::load(&sources, target).map(|loaded| (loaded, sources)));
    match kept {
        Some(Ok(started)) => {
            tell(&report);
            tracing::warn!(
                kept = %state_dir.join(last_good::FILE_NAME).display(),
                "the configuration is wrong (see above): starting with the last good one; correct the file"
            );
            Ok(started)
        }
        Some(Err(outdated)) => {
            tracing::warn!(error = outdated, "the last good configuration is of no use either");
            Err(Failure::Foreseen { status: EXIT_CONFIG, report })
        }
        None => Err(Failure::Foreseen { status: EXIT_CONFIG, report }),
    }
}

#[cfg(test)]
mod tests;
