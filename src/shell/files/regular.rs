//! What a regular file holds, up to a bound.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

/// At most its first `bytes_max` bytes, for whoever takes more for too much.
///
/// # Errors
/// Those of the system; and that it is something else than a regular file.
pub(crate) fn read(path: &Path, bytes_max: u64) -> io::Result<Vec<u8>> {
    // A FIFO would hold the reader for ever, a device would never end.
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(bytes_max).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The same as text.
///
/// # Errors
/// And that it is not UTF-8.
pub(crate) fn read_text(path: &Path, bytes_max: u64) -> io::Result<String> {
    String::from_utf8(read(path, bytes_max)?).map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))
}
