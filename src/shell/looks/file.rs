//! A number in a file, read on a thread of its own, since a disk or a network file system may hang.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use nix::fcntl::OFlag;

use super::Turn;

/// More than any number is long.
const BYTES_MAX: u64 = 64;

/// 0 for a file that is missing or empty.
pub(super) async fn look(path: PathBuf, turn: Turn) -> Result<i64, String> {
    let reading = tokio::task::spawn_blocking(move || {
        let result = read(&path);
        drop(turn);
        result.map_err(|why| format!("{}: {why}", path.display()))
    });
    reading.await.unwrap_or_else(|error| Err(error.to_string()))
}

fn read(path: &Path) -> Result<i64, String> {
    let mut text = Vec::new();
    match open(path).and_then(|file| file.take(BYTES_MAX + 1).read_to_end(&mut text)) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(0),
        Err(error) => return Err(error.to_string()),
    }
    let text = String::from_utf8_lossy(&text);
    let text = text.trim();
    if text.is_empty() {
        return Ok(0);
    }
    let fits = u64::try_from(text.len()).is_ok_and(|len| len <= BYTES_MAX);
    let number = text.parse().ok().filter(|_| fits);
    number.ok_or_else(|| {
        let begin: String = text.chars().take(20).collect();
        format!("holds {begin:?} where a whole number belongs")
    })
}

/// A FIFO without a writer counts as empty instead of blocking for good.
fn open(path: &Path) -> io::Result<File> {
    File::options().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
}
