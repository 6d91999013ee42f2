//! The only file with `unsafe`: wrappers whose contract the compiler cannot check.

use std::io;
use std::os::fd::{AsFd, AsRawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Registers an owned descriptor with the runtime.
#[allow(unsafe_code, reason = "tokio's constructors of AsyncFd are either deprecated or unsafe")]
pub(crate) fn async_fd<T: AsFd + AsRawFd>(io: T, interest: Interest) -> io::Result<AsyncFd<T>> {
    // SAFETY: `T` owns its descriptor (`AsFd`) and the `AsyncFd` owns `T`, so that the descriptor stays open and
    // the same for as long as it is registered.
    unsafe { AsyncFd::register_with_interest(io, interest) }.map_err(Into::into)
}
