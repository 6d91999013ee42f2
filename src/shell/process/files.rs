//! The files beside the proxy: candidate, installed, last good, log and record.
//!
//! Blocking. Whatever goes wrong (disk full, no permission), the installed file stays whole: it is only ever
//! replaced by rename.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::master::Record;
use super::{ProxyPaths, aux_files};

/// The proxy reads its file as root, and it may hold passwords.
const MODE: u32 = 0o640;

/// A longer log is emptied. (`log stderr` in a raw line could fill the runtime directory, which is memory.)
const LOG_BYTES_MAX: u64 = 1 << 20;

pub(super) fn write_candidate(paths: &ProxyPaths, text: &str) -> Result<(), String> {
    let path = paths.candidate();
    write_synced(&path, text.as_bytes()).map_err(|e| {
        // Nobody shall take a half-written file for a candidate.
        discard(&path);
        format!("cannot write {}: {}", path.display(), explained(&e))
    })
}

/// Keeps the installed file as the last good one, then puts the candidate in its place.
pub(super) fn install(paths: &ProxyPaths) -> Result<(), String> {
    let (config, candidate) = (paths.config(), paths.candidate());
    keep(&config, &paths.last_good())?;
    fs::rename(&candidate, &config)
        .map_err(|e| format!("cannot rename {} to {}: {}", candidate.display(), config.display(), explained(&e)))?;
    sync_directory(&paths.state_dir)?;
    aux_files::remove_unused(paths);
    Ok(())
}

/// Puts the last good file in the place of the installed one, and keeps it.
pub(super) fn restore(paths: &ProxyPaths) -> Result<(), String> {
    let (config, last_good) = (paths.config(), paths.last_good());
    if !last_good.exists() {
        return Err(format!("there is no {} to go back to", last_good.display()));
    }
    keep(&last_good, &config)?;
    sync_directory(&paths.state_dir)
}

/// Makes `to` another name of the file `from`, replacing what was there in one step. Nothing to do without `from`.
fn keep(from: &Path, to: &Path) -> Result<(), String> {
    let fresh = fresh_name(to);
    discard(&fresh);
    let kept = match fs::hard_link(from, &fresh) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
        // Some file systems have no links.
        Err(_) => fs::read(from).and_then(|text| write_synced(&fresh, &text)),
        Ok(()) => Ok(()),
    };
    kept.and_then(|()| fs::rename(&fresh, to)).map_err(|e| {
        discard(&fresh);
        format!("cannot copy {} to {}: {}", from.display(), to.display(), explained(&e))
    })?;
    // Renaming one name of a file over another name of the same file leaves both.
    discard(&fresh);
    Ok(())
}

/// Opens the log for appending, emptied if it has become long.
pub(super) fn open_log(paths: &ProxyPaths) -> Result<File, String> {
    let path = paths.log();
    bound_log(paths)?;
    OpenOptions::new()
        .append(true)
        .create(true)
        .mode(MODE)
        .open(&path)
        .map_err(|e| format!("cannot open {}: {}", path.display(), explained(&e)))
}

/// Empties a log that has become long. The proxy appends, so it goes on at the new end.
pub(super) fn bound_log(paths: &ProxyPaths) -> Result<(), String> {
    let path = paths.log();
    let bounded = fs::metadata(&path).and_then(|meta| {
        if meta.len() > LOG_BYTES_MAX { OpenOptions::new().write(true).open(&path)?.set_len(0) } else { Ok(()) }
    });
    match bounded {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(format!("cannot empty {}: {e}", path.display())),
        Ok(()) | Err(_) => Ok(()),
    }
}

pub(super) fn write_record(paths: &ProxyPaths, record: &Record) -> Result<(), String> {
    let path = paths.record();
    let json = serde_json::to_vec(record).map_err(|e| format!("cannot write {}: {e}", path.display()))?;
    replace(&path, &json)
}

/// Writes a file in one step: whoever reads it finds the old or the new one.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let fresh = fresh_name(path);
    write_synced(&fresh, bytes).and_then(|()| fs::rename(&fresh, path)).map_err(|e| {
        discard(&fresh);
        format!("cannot write {}: {}", path.display(), explained(&e))
    })
}

/// What a file is called until it is whole.
pub(super) fn fresh_name(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    PathBuf::from(name)
}

pub(super) fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    // `create_new`: a link that somebody left there is not followed, nor an open file changed.
    match fs::remove_file(path) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
        Ok(()) | Err(_) => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(path)?;
    // Whatever the umask is.
    file.set_permissions(Permissions::from_mode(MODE))?;
    file.write_all(bytes)?;
    file.sync_all()
}

fn sync_directory(path: &Path) -> Result<(), String> {
    File::open(path)
        .and_then(|directory| directory.sync_all())
        .map_err(|e| format!("cannot sync {}: {}", path.display(), explained(&e)))
}

/// Removes a temporary file; that it stays is no harm.
fn discard(path: &Path) {
    if let Err(error) = fs::remove_file(path)
        && error.kind() != io::ErrorKind::NotFound
    {
        tracing::debug!(path = %path.display(), %error, "a temporary file stays");
    }
}

/// The error with what can be done about it, where that is known.
pub(super) fn explained(error: &io::Error) -> String {
    let advice = match Errno::from_io_error(error) {
        Some(Errno::NOSPC | Errno::DQUOT) => "free space on that file system",
        Some(Errno::ACCESS | Errno::PERM) => "vipkeeper needs write permission in that directory",
        Some(Errno::ROFS) => "choose a state directory that is writable",
        Some(Errno::NOENT) => "create that directory",
        _ => return error.to_string(),
    };
    format!("{error} ({advice})")
}
