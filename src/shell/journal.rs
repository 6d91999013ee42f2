//! The journal of a run: every event that the node is told, written to a file by a thread of its own.
//!
//! The driver must never wait for a disk, so records are queued within bounds; what finds no room is counted, and the
//! gap is recorded. A journal that cannot be written is no reason to give up a VIP: it ends with a warning.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TryRecvError, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use crate::journal::Record;
use crate::node::Event;
use crate::node::event::Loaded;
use crate::peer::Incarnation;
use crate::units::Name;

/// A journal ends here: hours to days of a node, and what a disk can spare. Its beginning is never given up for its
/// end, since without it nothing can be replayed.
const BYTES_MAX: usize = 256 << 20;

/// Kept free below the limit for the record that says so.
const LAST_RECORD_BYTES: usize = 256;

/// Records that may wait for the disk.
const WAITING_MAX: usize = 8192;

/// What they may weigh together, roughly.
const WAITING_BYTES_MAX: usize = 32 << 20;

/// How long the last records may take to be written at the end.
const FINISH_WITHIN: Duration = Duration::from_millis(500);

/// The driver's end of the queue.
#[derive(Debug)]
pub(crate) struct Recorder {
    /// None: the journal has ended.
    records: Option<SyncSender<(usize, Record)>>,
    waiting_bytes: Arc<AtomicUsize>,
    /// Since the last record that found room.
    lost: u64,
    /// Closed when the last record is written.
    finished: Receiver<()>,
}

impl Recorder {
    /// Starts the thread and records the start of a node. A file of that name becomes `FILE.1`, in place of an earlier
    /// one: what a crash left behind is there when the service manager has started us again.
    ///
    /// # Errors
    /// When the file cannot be made, or is there and not a regular one.
    pub(crate) fn start(path: &Path, start: Instant, node: (Name, Incarnation), loaded: Loaded) -> io::Result<Self> {
        let file = create(path)?;
        let path = path.to_owned();
        Self::spawn(move |records, waiting| {
            let mut out = BufWriter::new(file);
            let written = write_out(&mut out, start, BYTES_MAX, records, waiting);
            match written {
                Ok(Ended::Asked) => {}
                Ok(Ended::Full) => {
                    tracing::warn!(journal = %path.display(), limit = BYTES_MAX, "the journal is full and ends here");
                }
                Err(error) => {
                    tracing::warn!(journal = %path.display(), %error, "the journal cannot be written and ends")
                }
            }
        })
        .map(|mut recorder| {
            recorder.send(Record::start(node.0, node.1, loaded));
            recorder
        })
    }

    fn spawn(write: impl FnOnce(&Receiver<(usize, Record)>, &AtomicUsize) + Send + 'static) -> io::Result<Self> {
        let (records, receiver) = sync_channel(WAITING_MAX);
        let (alive, finished) = sync_channel(1);
        let waiting_bytes = Arc::new(AtomicUsize::new(0));
        let waiting = Arc::clone(&waiting_bytes);
        std::thread::Builder::new().name("journal".to_owned()).spawn(move || {
            write(&receiver, &waiting);
            drop(alive);
        })?;
        Ok(Self { records: Some(records), waiting_bytes, lost: 0, finished })
    }

    /// Records what the node is about to be told. Never waits.
    pub(crate) fn put(&mut self, now: Instant, event: &Event) {
        if self.lost > 0 && self.send(Record::Lost { at: now, events: self.lost }) {
            self.lost = 0;
        }
        if self.lost > 0 || !self.send(Record::Told { at: now, event: event.clone() }) {
            self.lost = self.lost.saturating_add(1);
        }
    }

    /// False if there was no room. A journal that has ended takes everything.
    fn send(&mut self, record: Record) -> bool {
        let Some(records) = &self.records else { return true };
        let weight = weight(&record);
        let waiting = self.waiting_bytes.fetch_add(weight, Ordering::Relaxed);
        let sent = if waiting.saturating_add(weight) > WAITING_BYTES_MAX {
            false
        } else {
            match records.try_send((weight, record)) {
                Ok(()) => return true,
                Err(TrySendError::Full(_)) => false,
                Err(TrySendError::Disconnected(_)) => {
                    self.records = None;
                    true
                }
            }
        };
        self.waiting_bytes.fetch_sub(weight, Ordering::Relaxed);
        sent
    }
}

impl Drop for Recorder {
    /// Lets the thread write what waits, for a bounded time.
    fn drop(&mut self) {
        self.records = None;
        if let Err(RecvTimeoutError::Timeout) = self.finished.recv_timeout(FINISH_WITHIN) {
            tracing::warn!("the journal lacks its end: the disk is too slow");
        }
    }
}

/// Roughly what a record holds in memory; texts of a configuration are shared with the node.
fn weight(record: &Record) -> usize {
    /// A datagram and what goes with it.
    const ORDINARY: usize = 2304;
    /// A name, a state, and two strings around them.
    const ENTRY: usize = 128;
    if let Record::Told { event: Event::Probed { result: Ok(sample), .. }, .. } = record {
        return ORDINARY + ENTRY * (sample.frontends.len() + sample.backends.len());
    }
    if let Record::Told { event: Event::NetworkObserved(network), .. } = record {
        return ORDINARY + ENTRY * (network.links.len() + network.addresses.len());
    }
    ORDINARY
}

/// Why the writing ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// There is nobody any more who could record something.
    Asked,
    /// The limit is reached.
    Full,
}

/// Writes records until nobody can make more; what is written is in the file whenever nothing waits.
fn write_out(
    out: &mut impl Write,
    start: Instant,
    bytes_max: usize,
    records: &Receiver<(usize, Record)>,
    waiting_bytes: &AtomicUsize,
) -> io::Result<Ended> {
    let mut written = 0_usize;
    loop {
        let next = match records.try_recv() {
            Ok(next) => Some(next),
            Err(TryRecvError::Empty) => {
                out.flush()?;
                records.recv().ok()
            }
            Err(TryRecvError::Disconnected) => None,
        };
        let Some((weight, record)) = next else {
            out.flush()?;
            return Ok(Ended::Asked);
        };
        waiting_bytes.fetch_sub(weight, Ordering::Relaxed);
        let line = record.line(start)?;
        written = written.saturating_add(line.len());
        if written > bytes_max.saturating_sub(LAST_RECORD_BYTES) {
            let at = match record {
                Record::Start { .. } => start,
                Record::Told { at, .. } | Record::Lost { at, .. } | Record::Full { at } => at,
            };
            out.write_all(Record::Full { at }.line(start)?.as_bytes())?;
            out.flush()?;
            return Ok(Ended::Full);
        }
        out.write_all(line.as_bytes())?;
    }
}

/// A new file that only its owner can read: a configuration may hold what others should not see.
fn create(path: &Path) -> io::Result<File> {
    match fs::symlink_metadata(path) {
        // Renaming a device or somebody's link would do harm elsewhere.
        Ok(there) if !there.is_file() => {
            return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is there, and not a regular file"));
        }
        Ok(_) => fs::rename(path, earlier(path))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    File::options().write(true).create_new(true).mode(0o600).open(path)
}

fn earlier(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".1");
    name.into()
}

#[cfg(test)]
mod tests;
