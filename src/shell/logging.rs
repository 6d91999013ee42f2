//! The log: structured lines on the standard error output.

use std::io::{self, IsTerminal};

use tracing::Level;
use tracing_subscriber::fmt;

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
    let builder = fmt().with_max_level(level).with_target(false).with_writer(io::stderr);
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
}
