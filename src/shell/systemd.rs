//! What the service manager is told: ready, what we do, stopping, still alive. Silent without `NOTIFY_SOCKET`.

use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The service is up; said once.
pub fn ready() {
    send(&[NotifyState::Ready]);
}

/// What the service is doing, for `systemctl status`.
pub fn status(status: &str) {
    send(&[NotifyState::Status(status)]);
}

/// The service is about to end on purpose.
pub fn stopping() {
    send(&[NotifyState::Stopping]);
}

fn send(states: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(states) {
        tracing::debug!(%error, "the service manager was not told");
    }
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
            send(&[NotifyState::Watchdog]);
            self.next = now + self.every;
        }
    }
}
