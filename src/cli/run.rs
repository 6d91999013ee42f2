//! `run`: the process edge around [`shell::run`].

use std::process::ExitCode;

use tracing::Level;

use crate::cli::args::{self, LogFormat, LogLevel, Place, RunArgs};
use crate::shell::{self, Realtime, Setup, logging};

/// Sets up the log, runs the node and turns its end into an exit status (see [`shell`]).
pub fn run(place: &Place, args: &RunArgs) -> ExitCode {
    logging::init(level(args.log_level), format(args.log_format));
    let setup = Setup {
        config: place.config.clone(),
        node: place.node.clone(),
        runtime_dir: place.runtime().to_owned(),
        state_dir: place.state().to_owned(),
        realtime: match args.realtime {
            None => Realtime::Default,
            Some(args::Realtime::Deadline) => Realtime::Deadline,
            Some(args::Realtime::Priority(0)) => Realtime::Off,
            Some(args::Realtime::Priority(priority)) => Realtime::Priority(priority),
        },
        journal: args.journal.clone(),
    };
    let status = shell::run(&setup).unwrap_or_else(|error| {
        tracing::error!(error = format!("{error:#}"), "vipkeeper cannot go on");
        shell::EXIT_INTERNAL
    });
    logging::flush();
    ExitCode::from(status)
}

fn level(level: LogLevel) -> Level {
    match level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    }
}

fn format(format: LogFormat) -> logging::Format {
    match format {
        LogFormat::Text => logging::Format::Text,
        LogFormat::Json => logging::Format::Json,
    }
}
