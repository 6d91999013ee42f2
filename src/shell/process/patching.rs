//! Changes of a running HAProxy over its private socket, one short conversation each, and the record of them.
//!
//! The record is there before the first change: who finds the worker later must know that its `description` is no longer
//! the whole truth. What is a success is `proxy::runtime`'s to say.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use super::{ProxyPaths, blocking, files};
use crate::proxy::runtime::certificate::{self, Exchange};
use crate::proxy::runtime::readback::{self, READBACK_COMMAND};
use crate::proxy::runtime::{Change, Command, HALF_PATCHED, PATCH_WITHIN, Patch, Patched, REMOVAL_PATIENCE};
use crate::proxy::server_state::Worker;
use crate::proxy::stats;
use crate::shell::files::reads::digest_of;
use crate::shell::files::{FILE_BYTES_MAX, regular};
use crate::shell::inspect::certificates::leaf_serial;
use crate::shell::stats_socket;
use crate::units::Digest;

/// One command is done at once; a worker that is silent for so long is stuck.
const COMMAND_TIMEOUT: Duration = Duration::from_secs(1);

/// No answer to a command is longer.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A server that is being removed is asked for again after that.
const REMOVAL_PAUSE: Duration = Duration::from_millis(10);

/// A record is one short line; a longer file is none.
const RECORD_BYTES_MAX: u64 = 4096;

/// What a worker was made of what it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    worker: u32,
    from: Digest,
    to: Digest,
    whole: bool,
}

impl Record {
    /// None: no worker was changed, or it is not known which.
    pub(super) fn read(paths: &ProxyPaths) -> Option<Self> {
        let path = paths.patched();
        if std::fs::metadata(&path).ok()?.len() > RECORD_BYTES_MAX {
            return None;
        }
        serde_json::from_slice(&std::fs::read(&path).ok()?).ok()
    }

    fn write(&self, paths: &ProxyPaths) -> Result<(), String> {
        let json = serde_json::to_vec(self).map_err(|e| e.to_string())?;
        files::replace(&paths.patched(), &json)
    }

    pub(super) fn patched(&self) -> Patched {
        Patched { worker: self.worker, runs: if self.whole { self.to } else { HALF_PATCHED } }
    }

    /// Servers that half a patch may have touched are defined anew in the next file, whose worker takes over the others.
    pub(super) fn defined_by(&self) -> Worker {
        Worker { pid: self.worker, generation: if self.whole { self.to } else { self.from } }
    }
}

/// No worker runs that was changed.
pub(super) fn forget(paths: &ProxyPaths) -> Result<(), String> {
    match std::fs::remove_file(paths.patched()) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
            Err(format!("cannot remove {}: {e}", paths.patched().display()))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) async fn apply(paths: &ProxyPaths, worker: u32, patch: &Patch) -> Result<(), String> {
    let applying = apply_unbounded(paths, worker, patch);
    tokio::time::timeout(PATCH_WITHIN, applying)
        .await
        .unwrap_or_else(|_| Err(format!("it took longer than {PATCH_WITHIN:?}")))
}

async fn apply_unbounded(paths: &ProxyPaths, worker: u32, patch: &Patch) -> Result<(), String> {
    let info = say(paths, "show info", ANSWER_BYTES_MAX).await?;
    let (pid, started) = stats::identity_in(&info).ok_or("`show info` was not answered as it should be")?;
    if pid != worker {
        return Err(format!("worker {pid} answers, and not {worker}"));
    }
    let reading = paths.clone();
    let from = blocking(move || {
        let earlier = Record::read(&reading).filter(|record| record.worker == worker);
        let from = earlier.map_or(started, |record| record.patched().runs);
        Record { worker, from, to: HALF_PATCHED, whole: false }.write(&reading)?;
        Ok(from)
    })
    .await?;
    for change in &patch.changes {
        if let Change::Certificate { path, digest } = change {
            exchange(paths, path, *digest).await.map_err(|why| format!("certificate {path}: {why}"))?;
        }
        for command in change.commands() {
            carry_out(paths, &command).await?;
        }
    }
    let answer = say(paths, READBACK_COMMAND, readback::ANSWER_BYTES_MAX).await?;
    readback::confirm(patch, &answer)?;
    let (writing, to) = (paths.clone(), patch.to);
    blocking(move || Record { worker, from, to, whole: true }.write(&writing)).await
}

/// Puts what a certificate's file holds in the place of what the worker uses, and looks whether it does so.
async fn exchange(paths: &ProxyPaths, path: &str, digest: Digest) -> Result<(), String> {
    let file = PathBuf::from(path);
    // As it was read for its digest.
    let held = blocking(move || regular::read(&file, FILE_BYTES_MAX).map_err(|e| e.to_string())).await?;
    if digest_of(&held) != digest {
        return Err("its file changed again".to_owned());
    }
    let wanted = leaf_serial(&held).ok_or("its file begins with no certificate that can be read")?;
    let Exchange { set, commit, abort, show } = Exchange::new(path, &held)?;
    carry_out(paths, &set).await?;
    let committed = async {
        let answer = say(paths, &commit.line, ANSWER_BYTES_MAX).await?;
        commit.judge(&answer)?;
        certificate::committed(&answer)
    };
    if let Err(why) = committed.await {
        if let Err(error) = carry_out(paths, &abort).await {
            tracing::debug!(error, "the exchange of a certificate was not taken back");
        }
        return Err(why);
    }
    let answer = say(paths, &show, ANSWER_BYTES_MAX).await?;
    match certificate::serial(&answer) {
        Some(serial) if serial == wanted => Ok(()),
        Some(serial) => Err(format!("HAProxy uses the one with serial number {serial} instead of {wanted}")),
        None => Err("HAProxy does not say which one it uses".to_owned()),
    }
}

async fn carry_out(paths: &ProxyPaths, command: &Command) -> Result<(), String> {
    let end = Instant::now() + REMOVAL_PATIENCE;
    loop {
        let answer = say(paths, &command.line, ANSWER_BYTES_MAX).await?;
        match command.judge(&answer) {
            Err(_) if command.patient && Instant::now() < end => tokio::time::sleep(REMOVAL_PAUSE).await,
            judged => return judged,
        }
    }
}

async fn say(paths: &ProxyPaths, command: &str, bytes_max: usize) -> Result<String, String> {
    let socket = paths.stats_socket();
    // An empty line ends the payload of the commands that have one.
    let end = if command.contains('\n') { "\n\n" } else { "\n" };
    let line = format!("{}{end}", command.trim_end());
    let answer = stats_socket::ask(&socket, &line, bytes_max, COMMAND_TIMEOUT).await?;
    String::from_utf8(answer).map_err(|_| format!("the socket {} answers something that is not text", socket.display()))
}
