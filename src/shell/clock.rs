//! The only reader of clocks, and the alarm that wakes the driver.
//!
//! It judges nothing: an alarm that fired says that its instant has passed, not what is due.

use std::io;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use rustix::time::{
    ClockId, Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, clock_gettime, timerfd_create,
    timerfd_settime,
};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

use super::sys;

/// The monotonic clock.
#[must_use]
pub fn now() -> Instant {
    #[allow(clippy::disallowed_methods, reason = "the one place that reads this clock")]
    Instant::now()
}

/// The instant of a wall-clock stamp that the kernel took a moment ago, held between `not_before` and now.
///
/// The wall clock may have been set in between; the bounds keep the damage within what is possible at all.
#[must_use]
pub fn instant_of(stamp: Duration, not_before: Instant) -> Instant {
    let now = now();
    let age = since_epoch(clock_gettime(ClockId::Realtime)).saturating_sub(stamp);
    now.checked_sub(age).map_or(not_before, |at| at.max(not_before)).min(now)
}

/// The time of day with the instant of its reading.
#[must_use]
pub fn wall() -> (Instant, Duration) {
    (now(), since_epoch(clock_gettime(ClockId::Realtime)))
}

fn since_epoch(t: Timespec) -> Duration {
    Duration::new(u64::try_from(t.tv_sec).unwrap_or(0), u32::try_from(t.tv_nsec).unwrap_or(0))
}

/// How often the two clocks are read in search of a pair close together.
const ANCHOR_TRIES: u32 = 8;

/// One absolute timer of the kernel (`timerfd`): late by tens of microseconds, and never early.
#[derive(Debug)]
pub struct Alarm {
    timer: AsyncFd<OwnedFd>,
    /// An instant, and the same moment (or a little later) on the kernel's clock.
    anchor: (Instant, Duration),
    armed: Option<Instant>,
}

impl Alarm {
    /// A disarmed alarm on the runtime of the calling thread.
    ///
    /// # Errors
    /// Those of `timerfd_create` and `epoll_ctl`: out of descriptors or memory.
    pub fn new() -> io::Result<Self> {
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        Ok(Self { timer: sys::async_fd(timer, Interest::READABLE)?, anchor: anchor(), armed: None })
    }

    /// Sets the alarm to `at`, or switches it off. An instant that has passed fires at once.
    ///
    /// # Errors
    /// Those of `timerfd_settime`.
    pub fn arm(&mut self, at: Option<Instant>) -> io::Result<()> {
        if at == self.armed {
            return Ok(());
        }
        let (instant, kernel) = self.anchor;
        // An `it_value` of zero would disarm, hence the nanosecond.
        let value = at
            .map_or(Duration::ZERO, |at| (kernel + at.saturating_duration_since(instant)).max(Duration::from_nanos(1)));
        let spec = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            it_value: Timespec {
                tv_sec: i64::try_from(value.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: i64::from(value.subsec_nanos()),
            },
        };
        timerfd_settime(self.timer.get_ref(), TimerfdTimerFlags::ABSTIME, &spec)?;
        self.armed = at;
        Ok(())
    }

    /// Ready once the armed instant has passed; the alarm is disarmed then. Never ready while disarmed.
    ///
    /// # Errors
    /// Those of the runtime's reactor.
    pub fn poll_fired(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            let mut guard = ready!(self.timer.poll_read_ready(context))?;
            let mut expirations = [0_u8; 8];
            match rustix::io::read(guard.get_inner(), &mut expirations) {
                Ok(_) => {
                    guard.clear_ready();
                    self.armed = None;
                    return Poll::Ready(Ok(()));
                }
                // Re-armed since it became readable: the kernel took the expiry back.
                Err(rustix::io::Errno::AGAIN) => guard.clear_ready(),
                Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Poll::Ready(Err(error.into())),
            }
        }
    }

    /// Waits until the alarm fires.
    ///
    /// # Errors
    /// Those of [`Alarm::poll_fired`].
    pub async fn fired(&mut self) -> io::Result<()> {
        std::future::poll_fn(|context| self.poll_fired(context)).await
    }
}

/// Reads both clocks, the instant first, and keeps the closest pair: an alarm is thus late by that gap, never early.
fn anchor() -> (Instant, Duration) {
    let read = || {
        let before = now();
        let kernel = since_epoch(clock_gettime(ClockId::Monotonic));
        (now().saturating_duration_since(before), before, kernel)
    };
    let mut best = read();
    for _ in 1..ANCHOR_TRIES {
        let next = read();
        if next.0 < best.0 {
            best = next;
        }
    }
    (best.1, best.2)
}
