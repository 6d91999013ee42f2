//! `vipkeeper run`: the process edge around [`shell::run`](crate::shell::run).

use std::process::ExitCode;

use tracing::Level;

use crate::shell::{self, Setup, logging};

/// Sets up the log, runs the node and turns its end into an exit status (see [`shell`]).
pub fn run(setup: &Setup, level: Level, format: logging::Format) -> ExitCode {
    logging::init(level, format);
    match shell::run(setup) {
        Ok(status) => ExitCode::from(status),
        Err(error) => {
            tracing::error!(error = format!("{error:#}"), "vipkeeper cannot go on");
            ExitCode::from(shell::EXIT_INTERNAL)
        }
    }
}
