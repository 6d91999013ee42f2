//! A named pipe: opened for both ends, so that a reader may come and go, and never waited for.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{FileTypeExt, OpenOptionsExt};
use std::path::Path;

use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::notices::Notice;

/// Whom a pipe that was not there belongs to: root writes, its group reads.
const MODE: Mode = Mode::from_bits_truncate(0o640);

/// Writes a line for each. A pipe that nobody reads is full after some thousand lines.
pub(super) async fn write(path: &Path, notices: &[Notice]) -> Result<(), String> {
    let lines: String = notices.iter().map(Notice::fifo_line).collect();
    let path = path.to_owned();
    let work = tokio::task::spawn_blocking(move || {
        write_lines(&path, &lines).map_err(|e| format!("cannot write to {}: {e}", path.display()))
    });
    work.await.map_err(|e| e.to_string())?
}

fn write_lines(path: &Path, lines: &str) -> io::Result<()> {
    match mkfifo(path, MODE) {
        Ok(()) | Err(nix::errno::Errno::EEXIST) => {}
        Err(error) => return Err(error.into()),
    }
    let nonblocking = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut pipe = OpenOptions::new().read(true).write(true).custom_flags(nonblocking).open(path)?;
    if !pipe.metadata()?.file_type().is_fifo() {
        return Err(io::Error::other("it is no named pipe"));
    }
    // The kernel keeps writes of up to 4096 bytes whole (pipe(7)); who opened both ends reads nothing.
    pipe.write_all(lines.as_bytes())
}
