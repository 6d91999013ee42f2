//! What operators want of servers, kept in the state directory for the next start.
//!
//! The text is `proxy::intents`' business.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use super::write_atomically;
use crate::proxy::intents::TEXT_BYTES_MAX;

/// Name of the file in the state directory.
pub const FILE_NAME: &str = "servers.json";

/// Stores it; after a crash either the old or the new text is there.
///
/// # Errors
/// Those of the file system, such as a full disk; the old text stays then.
pub fn keep(state_dir: &Path, text: &str) -> io::Result<()> {
    write_atomically(&state_dir.join(FILE_NAME), 0o600, text.as_bytes())
}

/// What was stored last; none: nothing was stored yet.
///
/// # Errors
/// When the file cannot be read, or is no text of ours.
pub fn load(state_dir: &Path) -> io::Result<Option<String>> {
    let file = match File::open(state_dir.join(FILE_NAME)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    let mut text = String::new();
    file.take(u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX)).read_to_string(&mut text)?;
    Ok(Some(text))
}
