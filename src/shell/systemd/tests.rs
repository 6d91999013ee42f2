//! The messages as a service manager receives them, also one that does not read.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use std::ffi::OsString;

use super::*;

fn received(manager: &UnixDatagram) -> String {
    let mut buffer = [0; 256];
    let len = manager.recv(&mut buffer).unwrap();
    String::from_utf8(buffer[..len].to_vec()).unwrap()
}

#[test]
fn a_message_arrives_at_a_path() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let manager = UnixDatagram::bind(&path).unwrap();
    send_to(path.as_os_str(), NotifyState::Ready.to_string().as_bytes()).unwrap();
    assert_eq!(received(&manager), "READY=1");
}

#[test]
fn a_message_arrives_at_an_abstract_name() {
    let name = format!("vipkeeper-test-{}", std::process::id());
    let manager = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
    send_to(&OsString::from(format!("@{name}")), NotifyState::Status("here").to_string().as_bytes()).unwrap();
    assert_eq!(received(&manager), "STATUS=here");
}

#[test]
fn a_manager_that_does_not_read_never_makes_us_wait() {
    /// More than any queue of datagrams holds (`net.unix.max_dgram_qlen` is 10 to 512).
    const MESSAGES: usize = 20_000;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("notify");
    let _manager = UnixDatagram::bind(&path).unwrap();
    let failed = (0..MESSAGES).find_map(|_| send_to(path.as_os_str(), b"WATCHDOG=1").err());
    assert_eq!(failed.unwrap().kind(), io::ErrorKind::WouldBlock);
}
