//! The log: structured lines on the standard error output.
//!
//! Whoever logs must never wait for whoever reads: a pipe that is not read, or a terminal that was stopped with Ctrl-S,
//! would stop the adverts too. So lines are queued, and a thread of their own writes them.

use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::time::Duration;

use tracing::Level;
use tracing_subscriber::fmt;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// Text that may wait for its reader. Beyond it lines are lost, and counted in the line after them.
const WAITING_BYTES_MAX: usize = 1 << 20;

/// How long the last lines may take to leave at the end.
const FLUSH_WITHIN: Duration = Duration::from_millis(500);

/// The log of this process, once it was set up.
static QUEUE: OnceLock<Queue> = OnceLock::new();

/// How lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people and journals.
    Text,
    /// One JSON object per line.
    Json,
}

/// Installs the log for the whole process; later calls change nothing.
pub fn init(level: Level, format: Format) {
    if QUEUE.get().is_some() {
        return;
    }
    let builder = fmt().with_max_level(level).with_target(false).with_writer(writer());
    let installed = match format {
        Format::Json => builder.json().flatten_event(true).try_init(),
        // The journal has its own clock.
        Format::Text if std::env::var_os("JOURNAL_STREAM").is_some() => {
            builder.with_ansi(false).without_time().try_init()
        }
        Format::Text => builder.with_ansi(io::stderr().is_terminal()).try_init(),
    };
    if let Err(error) = installed {
        tracing::debug!(%error, "the log was set up before");
    }
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        flush();
        report(panic);
    }));
}

/// Waits until all that was logged is written, for a bounded time.
pub fn flush() {
    if let Some(queue) = QUEUE.get() {
        queue.flush(FLUSH_WITHIN);
    }
}

fn writer() -> BoxMakeWriter {
    let (queue, messages) = Queue::new();
    let queue = QUEUE.get_or_init(|| queue);
    let thread = std::thread::Builder::new().name("log".to_owned());
    match thread.spawn(move || queue.write_out(messages.iter(), &mut io::stderr())) {
        Ok(_) => BoxMakeWriter::new(move || Line(queue)),
        // Better a log that can be late than none.
        Err(_) => BoxMakeWriter::new(io::stderr),
    }
}

enum Message {
    Line(Vec<u8>),
    Flush(SyncSender<()>),
}

/// Lines on their way to the thread that writes them.
struct Queue {
    messages: Sender<Message>,
    waiting_bytes: AtomicUsize,
    lost_lines: AtomicU64,
}

impl Queue {
    fn new() -> (Self, Receiver<Message>) {
        let (messages, receiver) = channel();
        (Self { messages, waiting_bytes: AtomicUsize::new(0), lost_lines: AtomicU64::new(0) }, receiver)
    }

    fn put(&self, line: &[u8]) {
        let waiting = self.waiting_bytes.fetch_add(line.len(), Ordering::Relaxed);
        if waiting.saturating_add(line.len()) > WAITING_BYTES_MAX
            || self.messages.send(Message::Line(line.to_vec())).is_err()
        {
            self.waiting_bytes.fetch_sub(line.len(), Ordering::Relaxed);
            self.lost_lines.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn flush(&self, within: Duration) {
        let (done, wait) = sync_channel(1);
        // Whoever does not read by then does without.
        let _in_time = self.messages.send(Message::Flush(done)).is_ok() && wait.recv_timeout(within).is_ok();
    }

    /// Until nobody can log any more.
    fn write_out(&self, messages: impl Iterator<Item = Message>, out: &mut impl Write) {
        for message in messages {
            match message {
                Message::Line(line) => {
                    // There is no other place to say that the log cannot be written.
                    drop(out.write_all(&line));
                    self.waiting_bytes.fetch_sub(line.len(), Ordering::Relaxed);
                    let lost = self.lost_lines.swap(0, Ordering::Relaxed);
                    if lost > 0 {
                        tracing::warn!(lost, "lines of this log were lost: it was not read fast enough");
                    }
                }
                // Who asked may have stopped waiting.
                Message::Flush(done) => drop(done.try_send(())),
            }
        }
    }
}

/// The formatter writes each line in one piece.
struct Line(&'static Queue);

impl Write for Line {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.put(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests;
