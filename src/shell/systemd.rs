//! What the service manager is told: ready, what we do, stopping, still alive. Silent without `NOTIFY_SOCKET`.
//!
//! It must never wait: a service manager that does not read its socket loses messages, and no advert is late for it.

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// Where the service manager listens; see sd_notify(3).
const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";

/// Between vipkeeper and its service manager alone: whatever vipkeeper starts must not answer to them in its name.
pub const PRIVATE_VARIABLES: [&str; 3] = [NOTIFY_SOCKET, "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The service is up; said once.
pub fn ready() {
    send(&NotifyState::Ready);
}

/// What the service is doing, for `systemctl status`.
pub fn status(status: &str) {
    // A line each: what follows a line feed would be another message.
    send(&NotifyState::Status(&status.replace('\n', "; ")));
}

/// The service is about to end on purpose.
pub fn stopping() {
    send(&NotifyState::Stopping);
}

fn send(state: &NotifyState<'_>) {
    let Some(socket) = std::env::var_os(NOTIFY_SOCKET) else { return };
    if let Err(error) = send_to(&socket, state.to_string().as_bytes()) {
        tracing::debug!(%error, "the service manager was not told");
    }
}

/// Not `sd_notify::notify`, which waits when the receiver's queue is full and knows no abstract sockets.
fn send_to(socket: &OsStr, message: &[u8]) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        path => SocketAddr::from_pathname(OsStr::from_bytes(path))?,
    };
    let sender = UnixDatagram::unbound()?;
    sender.set_nonblocking(true)?;
    let sent = sender.send_to_addr(message, &address)?;
    if sent == message.len() { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// The watchdog of the service manager: petted by the driver after a completed turn, at half the period.
#[derive(Debug)]
pub struct Watchdog {
    every: Duration,
    next: Instant,
}

impl Watchdog {
    /// None: the service manager asked for none (`WatchdogSec=` unset).
    #[must_use]
    pub fn from_environment(now: Instant) -> Option<Self> {
        let every = sd_notify::watchdog_enabled()?.checked_div(2)?;
        Some(Self { every, next: now })
    }

    /// When it must be petted again.
    #[must_use]
    pub fn next(&self) -> Instant {
        self.next
    }

    /// Tells the service manager that a turn was completed, if it is time to.
    pub fn pet(&mut self, now: Instant) {
        if now >= self.next {
            send(&NotifyState::Watchdog);
            self.next = now + self.every;
        }
    }
}

#[cfg(test)]
mod tests;
