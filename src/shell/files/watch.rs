//! Notices that the configuration files may have changed.
//!
//! Directories are watched, not files: an editor, Ansible and Kubernetes replace a file by rename, after which a watch
//! on the file itself is deaf. Any event only leads to a look at the files (device, inode, size, time); that look is
//! what counts, and it is repeated now and then for file systems that send no events.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::Notify;

use super::{FileStamp, Plan, Stamp, file_stamp};
use crate::shell::clock;

/// How often the files are looked at without any event: for NFS, overlays, and directories replaced as a whole.
pub const LOOK_EVERY: Duration = Duration::from_secs(10);

/// From the first event to the look: a burst of them, or a busy neighbour in the directory, costs one look per pause.
const LOOK_AFTER: Duration = Duration::from_millis(20);

/// Messages to the watching thread. A full queue loses nothing: what is queued already leads to a look.
const QUEUE: usize = 8;

enum Message {
    Look,
    Follow(Plan, Stamp),
    Stop,
}

/// A thread that watches; it ends when this is dropped.
#[derive(Debug)]
pub struct Watcher {
    thread: SyncSender<Message>,
}

impl Watcher {
    /// Starts to watch the files of a reading; `touched` is raised when they differ from what was read.
    ///
    /// # Errors
    /// When the thread cannot be started. Without inotify it works by looking alone, and says so in the log.
    pub fn start(reading: &super::Reading, touched: Arc<Notify>) -> std::io::Result<Self> {
        Self::start_with(reading.plan.clone(), reading.stamp.clone(), touched)
    }

    /// The same for a main file that could not be read yet.
    ///
    /// # Errors
    /// As for [`Watcher::start`].
    pub fn start_unread(main: &std::path::Path, touched: Arc<Notify>) -> std::io::Result<Self> {
        let plan = Plan::new(&std::path::absolute(main)?);
        let stamp = plan.stamp();
        Self::start_with(plan, stamp, touched)
    }

    fn start_with(plan: Plan, stamp: Stamp, touched: Arc<Notify>) -> std::io::Result<Self> {
        let (thread, messages) = sync_channel(QUEUE);
        let looking = Arc::new(AtomicBool::new(false));
        let events = Events { looking: Arc::clone(&looking), thread: thread.clone() };
        std::thread::Builder::new().name("watch-files".to_owned()).spawn(move || {
            let mut watch = Watch::new(plan, stamp, events);
            watch.look(&touched);
            let mut look_at = clock::now() + LOOK_EVERY;
            loop {
                match messages.recv_timeout(look_at.saturating_duration_since(clock::now())) {
                    Ok(Message::Look) => look_at = look_at.min(clock::now() + LOOK_AFTER),
                    Ok(Message::Follow(plan, stamp)) => {
                        watch.plan = plan;
                        watch.stamp = stamp;
                        look_at = clock::now();
                    }
                    Err(RecvTimeoutError::Timeout) => {}
                    Ok(Message::Stop) | Err(RecvTimeoutError::Disconnected) => return,
                }
                if clock::now() >= look_at {
                    // Before the look: an event from here on asks for another one.
                    looking.store(false, Ordering::Release);
                    watch.look(&touched);
                    look_at = clock::now() + LOOK_EVERY;
                }
            }
        })?;
        Ok(Self { thread })
    }

    /// Watches what was read last; a change since then raises `touched`.
    pub(crate) fn follow(&self, plan: Plan, stamp: Stamp) {
        if let Err(error) = self.thread.try_send(Message::Follow(plan, stamp)) {
            // Busy with older messages: the next load brings the next plan, and a look compares with the old stamp.
            tracing::debug!(%error, "the file watcher keeps its old plan");
        }
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        match self.thread.try_send(Message::Stop) {
            // Full: it ends with the process.
            Ok(()) | Err(TrySendError::Disconnected(_) | TrySendError::Full(_)) => {}
        }
    }
}

/// Wakes the watching thread once for any number of events until it looks.
struct Events {
    looking: Arc<AtomicBool>,
    thread: SyncSender<Message>,
}

impl Events {
    fn ask(&self) {
        if !self.looking.swap(true, Ordering::AcqRel) {
            match self.thread.try_send(Message::Look) {
                // Full: what is queued already leads to a look.
                Ok(()) | Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {}
            }
        }
    }
}

struct Watch {
    plan: Plan,
    stamp: Stamp,
    inotify: Option<RecommendedWatcher>,
    /// Watched directories with the inode that is watched.
    watched: BTreeSet<(PathBuf, Option<(u64, u64)>)>,
}

impl Watch {
    fn new(plan: Plan, stamp: Stamp, events: Events) -> Self {
        let inotify = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Our own reads come back as accesses; taking them for changes would never end.
            if !event.is_ok_and(|e| matches!(e.kind, EventKind::Access(_))) {
                events.ask();
            }
        });
        let inotify = inotify
            .inspect_err(|error| tracing::warn!(%error, "no inotify; looking at the files every {LOOK_EVERY:?}"))
            .ok();
        Self { plan, stamp, inotify, watched: BTreeSet::new() }
    }

    /// First the watches, then the look, so that nothing falls in between.
    fn look(&mut self, touched: &Notify) {
        self.watch_directories();
        let stamp = self.plan.stamp();
        if stamp != self.stamp {
            self.stamp = stamp;
            touched.notify_one();
        }
    }

    fn watch_directories(&mut self) {
        let inode = |s: FileStamp| (s.dev, s.ino);
        let wanted: BTreeSet<_> =
            self.plan.directories().into_iter().map(|d| (d.clone(), file_stamp(&d).map(inode))).collect();
        if wanted == self.watched {
            return;
        }
        let Some(inotify) = &mut self.inotify else { return };
        for (directory, _) in self.watched.difference(&wanted) {
            // Gone directories took their watch with them.
            drop(inotify.unwatch(directory));
        }
        for (directory, inode) in wanted.difference(&self.watched) {
            if inode.is_some()
                && let Err(error) = inotify.watch(directory, RecursiveMode::NonRecursive)
            {
                tracing::warn!(directory = %directory.display(), %error, "cannot watch; looking every {LOOK_EVERY:?}");
            }
        }
        self.watched = wanted;
    }
}
