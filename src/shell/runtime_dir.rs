//! The runtime directory: made, locked, and made again when somebody deletes it.
//!
//! Blocking. It knows nothing of what others keep in the directory.

use std::fs::{DirBuilder, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

/// Why the directory is not ours.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RuntimeDirError {
    /// Another vipkeeper runs there.
    #[error(
        "vipkeeper is already running here, as process {holder} (it holds {}); stop it first, or use another \
         --runtime-dir for another node", .path.display()
    )]
    Taken {
        /// Its process id, as far as it is known.
        holder: String,
        /// The lock file.
        path: PathBuf,
    },
    /// The file system refuses.
    #[error("cannot {what} {}", .path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// A directory that this process has locked. The kernel drops the lock with the process, however that ends.
#[derive(Debug)]
pub(crate) struct RuntimeDir {
    path: PathBuf,
    lock: Flock<File>,
}

impl RuntimeDir {
    /// Makes the directory if it is not there, and locks it.
    pub(crate) fn open(path: &Path) -> Result<Self, RuntimeDirError> {
        make(path)?;
        Ok(Self { path: path.to_owned(), lock: lock(path)? })
    }

    /// Makes and locks it anew if it was deleted, without which a second vipkeeper could start beside this one, and a
    /// proxy could not start at all. Tells whether that was so.
    pub(crate) fn keep(&mut self) -> Result<bool, RuntimeDirError> {
        let identity = |meta: std::fs::Metadata| (meta.dev(), meta.ino());
        let held = self.lock.metadata().map(identity).ok();
        let there = std::fs::metadata(self.path.join(LOCK)).map(identity).ok();
        if held.is_some() && held == there {
            return Ok(false);
        }
        make(&self.path)?;
        self.lock = lock(&self.path)?;
        Ok(true)
    }
}

/// Name of the lock file.
const LOCK: &str = "lock";

/// Makes a directory that only its owner may change.
pub(crate) fn make(path: &Path) -> Result<(), RuntimeDirError> {
    DirBuilder::new().recursive(true).mode(0o750).create(path).map_err(failed("make the directory", path))
}

fn failed(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> RuntimeDirError {
    move |source| RuntimeDirError::Io { what, path: path.to_owned(), source }
}

fn lock(directory: &Path) -> Result<Flock<File>, RuntimeDirError> {
    let path = directory.join(LOCK);
    let file = File::options()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(failed("open", &path))?;
    match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
        Ok(mut lock) => {
            let written =
                lock.set_len(0).and_then(|()| lock.rewind()).and_then(|()| writeln!(lock, "{}", std::process::id()));
            written.map_err(failed("write", &path))?;
            Ok(lock)
        }
        Err((file, Errno::EWOULDBLOCK)) => Err(RuntimeDirError::Taken { holder: holder(file), path }),
        Err((_, error)) => Err(failed("lock", &path)(error.into())),
    }
}

fn holder(file: File) -> String {
    const PID_BYTES_MAX: u64 = 20;
    let mut text = String::new();
    match file.take(PID_BYTES_MAX).read_to_string(&mut text) {
        Ok(_) if !text.trim().is_empty() => text.trim().to_owned(),
        Ok(_) | Err(_) => "of unknown id".to_owned(),
    }
}

#[cfg(test)]
mod tests;
