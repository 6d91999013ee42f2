//! The files that the proxy's configuration refers to, such as maps, in a directory of their own.
//!
//! Blocking. Each is called by what it holds and never changes, so installing a configuration stays one rename: the
//! installed text, the last good one and the candidate each find their own files. Whatever none of them names goes.

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;

use super::ProxyPaths;
use super::files::{explained, fresh_name, write_synced};
use crate::render::AuxFile;

/// Files that are looked at for removal in one go; more wait for the next installation.
const LOOKED_AT_MAX: usize = 10_000;

/// Writes what is not there yet. What fails leaves all texts that refer to other files whole.
pub(super) fn write(files: &[AuxFile]) -> Result<(), String> {
    for AuxFile { path, text } in files {
        let failed = |e: &io::Error| format!("cannot write {}: {}", path.display(), explained(e));
        // Somebody may have changed it: the name alone proves nothing.
        if fs::read(path).is_ok_and(|there| there == text.as_bytes()) {
            continue;
        }
        if let Some(directory) = path.parent() {
            DirBuilder::new().recursive(true).mode(0o750).create(directory).map_err(|e| failed(&e))?;
        }
        let fresh = fresh_name(path);
        write_synced(&fresh, text.as_bytes()).and_then(|()| fs::rename(&fresh, path)).map_err(|e| failed(&e))?;
    }
    Ok(())
}

/// Removes what neither the installed text, nor the last good one, nor the candidate names.
pub(super) fn remove_unused(paths: &ProxyPaths) {
    let directory = paths.files_dir();
    let Ok(entries) = fs::read_dir(&directory) else { return };
    let texts = [paths.config(), paths.last_good(), paths.candidate()];
    let mut named = BTreeSet::new();
    for text in texts {
        match fs::read_to_string(&text) {
            Ok(text) => named.extend(names(&text, &directory)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            // What cannot be read may name anything.
            Err(_) => return,
        }
    }
    for entry in entries.flatten().take(LOOKED_AT_MAX) {
        let is_named = entry.file_name().to_str().is_some_and(|name| named.contains(name));
        if !is_named && let Err(error) = fs::remove_file(entry.path()) {
            tracing::debug!(path = %entry.path().display(), %error, "a file that nothing refers to stays");
        }
    }
}

/// The names of files in that directory that a text has.
fn names(text: &str, directory: &Path) -> BTreeSet<String> {
    let before = format!("{}/", directory.display());
    let end = |c: char| !(c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let behind = text.match_indices(&before).filter_map(|(at, found)| text.get(at.saturating_add(found.len())..));
    behind.map(|rest| rest.split(end).next().unwrap_or_default().to_owned()).collect()
}
