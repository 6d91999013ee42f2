//! The lock, and what becomes of it when the directory is deleted.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use super::*;

#[test]
fn a_second_start_is_refused_with_the_pid_of_the_first() {
    let directory = tempfile::tempdir().unwrap();
    let first = RuntimeDir::open(directory.path()).unwrap();
    let report = RuntimeDir::open(directory.path()).unwrap_err().to_string();
    assert!(report.contains(&format!("already running here, as process {} ", std::process::id())), "{report}");
    drop(first);
    drop(RuntimeDir::open(directory.path()).expect("free again"));
}

#[test]
fn a_deleted_directory_is_made_and_locked_again() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let mut ours = RuntimeDir::open(&path).unwrap();
    assert!(!ours.keep().unwrap());
    std::fs::remove_dir_all(&path).unwrap();
    assert!(ours.keep().unwrap());
    assert!(!ours.keep().unwrap());
    assert!(matches!(RuntimeDir::open(&path), Err(RuntimeDirError::Taken { .. })));
}

#[test]
fn a_directory_that_another_took_after_its_deletion_is_not_ours() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("run");
    let mut ours = RuntimeDir::open(&path).unwrap();
    std::fs::remove_dir_all(&path).unwrap();
    let other = RuntimeDir::open(&path).unwrap();
    assert!(matches!(ours.keep(), Err(RuntimeDirError::Taken { .. })));
    drop(other);
    assert!(ours.keep().unwrap());
}
