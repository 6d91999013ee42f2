//! The socket's file, when others meddle with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::os::unix::fs::PermissionsExt;

use tokio::net::UnixStream;

use super::*;

fn on_runtime(test: impl AsyncFnOnce()) {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(test());
}

#[test]
fn a_removed_socket_is_listened_on_anew_and_stays_private() {
    on_runtime(async || {
        let directory = tempfile::tempdir().unwrap();
        let path = socket_path(directory.path());
        let mut server = Server::bind(directory.path()).unwrap();
        let first = server.file;
        server.keep().await;
        assert_eq!(server.file, first);
        fs::remove_file(&path).unwrap();
        server.keep().await;
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let (connected, accepted) = tokio::join!(UnixStream::connect(&path), server.listener.accept());
        assert!(connected.is_ok() && accepted.is_ok());
    });
}

#[test]
fn the_socket_of_a_successor_is_left_alone() {
    on_runtime(async || {
        let directory = tempfile::tempdir().unwrap();
        let predecessor = Server::bind(directory.path()).unwrap();
        let successor = Server::bind(directory.path()).unwrap();
        drop(predecessor);
        assert!(successor.path.exists());
        drop(successor);
        assert!(!socket_path(directory.path()).exists());
    });
}
