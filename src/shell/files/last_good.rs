//! The last configuration that is known to work, kept in the state directory for a start with a broken file.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{TOTAL_BYTES_MAX, write_atomically};
use crate::config::{Source, Sources};

/// Name of the file in the state directory.
pub const FILE_NAME: &str = "last-good.json";

/// Format of the file; another one is not read.
const FORMAT: u32 = 1;

/// JSON escapes can triple a text and paths come on top; a longer file is not ours.
const STORED_BYTES_MAX: usize = 4 * TOTAL_BYTES_MAX;

#[derive(Debug, Serialize, Deserialize)]
struct Stored {
    format: u32,
    files: Vec<StoredFile>,
}

#[derive(Debug, Serialize, Deserialize)]
struct StoredFile {
    path: PathBuf,
    text: String,
}

/// Stores the texts; after a crash either the old or the new ones are there.
///
/// # Errors
/// Those of the file system, such as a full disk; the old ones stay then.
pub fn keep(state_dir: &Path, sources: &Sources) -> io::Result<()> {
    let files = sources.files.iter().map(|f| StoredFile { path: f.path.clone(), text: f.text.clone() }).collect();
    let bytes = serde_json::to_vec(&Stored { format: FORMAT, files })?;
    // The texts may hold secrets, as the files themselves do.
    write_atomically(&state_dir.join(FILE_NAME), 0o600, &bytes)
}

/// The texts stored last; none: nothing was stored yet.
///
/// # Errors
/// When the file cannot be read or is not of this format.
pub fn load(state_dir: &Path) -> io::Result<Option<Sources>> {
    let file = match File::open(state_dir.join(FILE_NAME)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut bytes = Vec::new();
    file.take(u64::try_from(STORED_BYTES_MAX).unwrap_or(u64::MAX)).read_to_end(&mut bytes)?;
    let stored: Stored = serde_json::from_slice(&bytes)?;
    if stored.format != FORMAT || stored.files.is_empty() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("format {} is not known", stored.format)));
    }
    let files = stored.files.into_iter().map(|f| Source { path: f.path, text: f.text }).collect();
    Ok(Some(Sources { files }))
}
