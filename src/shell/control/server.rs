//! The server side: the socket's file, and a bounded number of connections.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use nix::sys::stat::{Mode, fchmod};
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::UnixListener;
use tokio::sync::{Notify, Semaphore, mpsc};

use super::{Call, socket_path};
use crate::shell::http::{self, Door};

/// Connections at the same time; more wait in the listen queue.
const CONNECTIONS_MAX: usize = 16;

/// Connections that the kernel holds until there is room; those beyond wait in `connect`.
const QUEUE_MAX: i32 = 128;

/// The listening socket; its file is removed when this is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket's file: by then another one may have its name.
    file: (u64, u64),
    look: Arc<Notify>,
}

impl Server {
    /// Binds the socket of a runtime directory with mode 0600, in place of a stale one.
    ///
    /// The caller holds the lock of the directory, so nobody else listens there.
    ///
    /// # Errors
    /// Those of `bind`, in words for the operator.
    pub fn bind(runtime_dir: &Path) -> Result<Self, String> {
        let path = socket_path(runtime_dir);
        let (listener, file) = listen(&path).map_err(|e| format!("cannot listen on {}: {e}", path.display()))?;
        let listener =
            UnixListener::from_std(listener).map_err(|e| format!("cannot listen on {}: {e}", path.display()))?;
        Ok(Self { listener, path, file, look: Arc::default() })
    }

    /// Asks for a look whether the socket's file is still there; if not, it listens anew.
    pub(crate) fn look(&self) -> Arc<Notify> {
        Arc::clone(&self.look)
    }

    /// Serves until the task is dropped.
    pub async fn run(mut self, calls: mpsc::Sender<Call>) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.look.notified() => {
                    self.keep().await;
                    continue;
                }
            };
            http::take(accepted.map(|(stream, _)| stream), slot, || Door::Owner, &calls).await;
        }
    }

    async fn keep(&mut self) {
        let (path, file) = (self.path.clone(), self.file);
        let work = tokio::task::spawn_blocking(move || if exists(&path, file) { None } else { Some(listen(&path)) });
        let result = match work.await {
            Ok(None) | Err(_) => return,
            Ok(Some(result)) => result.and_then(|(listener, file)| Ok((UnixListener::from_std(listener)?, file))),
        };
        match result {
            Ok((listener, file)) => {
                tracing::warn!(path = %self.path.display(), "somebody removed the control socket: listening anew");
                (self.listener, self.file) = (listener, file);
            }
            // Its directory is gone too, and is made again by whoever keeps it.
            Err(error) => tracing::debug!(%error, "cannot listen anew on the control socket"),
        }
    }
}

/// A listening socket that only its owner may open, in place of a file of that name.
fn listen(path: &Path) -> io::Result<(StdListener, (u64, u64))> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // `bind` gives the file the mode of the socket: there is no moment in which others could connect, and no umask
    // of the whole process has to be changed for it.
    fchmod(&socket, Mode::from_bits_truncate(0o600))?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(QUEUE_MAX)?;
    socket.set_nonblocking(true)?;
    let meta = fs::symlink_metadata(path)?;
    Ok((OwnedFd::from(socket).into(), (meta.dev(), meta.ino())))
}

fn exists(path: &Path, file: (u64, u64)) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| (meta.dev(), meta.ino()) == file)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Another vipkeeper may have taken the place of a deleted directory.
        if !exists(&self.path, self.file) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket was not removed");
        }
    }
}

#[cfg(test)]
mod tests;
