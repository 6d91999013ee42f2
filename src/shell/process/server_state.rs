//! The file in which a reload passes on what servers were: written before it, empty at any other time.
//!
//! Which states pass is `proxy::server_state`'s to say. A file that is older than a minute must never be read: it
//! would take servers back to what they were then.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::patching::Record;
use super::{ProxyPaths, files};
use crate::proxy::server_state::{ANSWER_BYTES_MAX, Kept, NOTHING, STATE_COMMAND, keep};
use crate::render::Rendered;
use crate::shell::stats_socket;

/// A worker that does not answer by then passes nothing on: a reload must not wait for it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// A reload that reads the file later than that was not the one that it was written for.
const OLDEST: Duration = Duration::from_secs(60);

/// A longer configuration is none of ours.
const CONFIG_BYTES_MAX: u64 = 64 << 20;

pub(super) async fn ask(paths: &ProxyPaths) -> Result<String, String> {
    let socket = paths.stats_socket();
    let answer = stats_socket::ask(&socket, STATE_COMMAND, ANSWER_BYTES_MAX, ANSWER_TIMEOUT).await?;
    String::from_utf8(answer)
        .map_err(|_| format!("the stats socket {} answers something that is not text", socket.display()))
}

/// Writes what passes on to a worker with the installed file. `undone` was installed before.
pub(super) fn save(paths: &ProxyPaths, answer: &str, undone: Option<&Rendered>) -> Result<Kept, String> {
    let installed = read(&paths.config())?;
    // At the first reload ever there is no file before the installed one.
    let before = read(&paths.last_good()).unwrap_or_default();
    let changed = Record::read(paths).map(|record| record.defined_by());
    let texts = [before.as_str(), installed.as_str(), undone.map_or("", |rendered| rendered.text.as_str())];
    let kept = keep(answer, &texts, &installed, changed).map_err(|e| e.to_string())?;
    files::replace(&paths.server_state(), kept.text.as_bytes())?;
    Ok(kept)
}

/// Leaves a file that says nothing, since HAProxy warns where there is none.
pub(super) fn forget(paths: &ProxyPaths) -> Result<(), String> {
    files::replace(&paths.server_state(), NOTHING.as_bytes())
}

/// The same for a file that is old, or missing.
pub(super) fn expire(paths: &ProxyPaths) -> Result<(), String> {
    let meta = fs::metadata(paths.server_state());
    let says_nothing = meta.as_ref().is_ok_and(|meta| usize::try_from(meta.len()) == Ok(NOTHING.len()));
    let age = meta.and_then(|meta| meta.modified()).ok().and_then(|written| written.elapsed().ok());
    // A time stamp in the future, after the clock was set, is no age.
    if says_nothing || age.is_some_and(|age| age < OLDEST) { Ok(()) } else { forget(paths) }
}

fn read(path: &Path) -> Result<String, String> {
    let length = fs::metadata(path).map_err(|e| format!("cannot read {}: {e}", path.display()))?.len();
    if length > CONFIG_BYTES_MAX {
        return Err(format!("{} has {length} bytes, which is no configuration of ours", path.display()));
    }
    fs::read_to_string(path).map_err(|e| format!("cannot read {}: {e}", path.display()))
}
