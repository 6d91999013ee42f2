//! Programs of others: where they are, and what they say when they run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where Debian keeps what administrators use, also when the `PATH` of a user lacks it.
const ADMIN_PATHS: [&str; 3] = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/// A program that could not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum ProgramError {
    /// It is in no directory of the `PATH`.
    #[error("the program {0} is not installed")]
    Missing(String),
    /// It could not be started.
    #[error("cannot start {program}")]
    Start {
        /// What was to be started.
        program: String,
        /// The kernel's answer.
        #[source]
        source: std::io::Error,
    },
    /// It ended with a failure.
    #[error("`{command}` failed: {says}")]
    Failed {
        /// The whole command line.
        command: String,
        /// What it said on the standard error.
        says: String,
    },
}

/// The file of a program: as given if that is a path, else from the `PATH` and the directories of administrators.
pub fn find(program: &str) -> Option<PathBuf> {
    if program.contains('/') {
        return Some(PathBuf::from(program)).filter(|p| p.is_file());
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(ADMIN_PATHS.iter().map(PathBuf::from))
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

/// Runs a short-lived program to its end and returns what it printed.
///
/// # Errors
/// See [`ProgramError`].
pub fn run(program: &str, args: &[&str]) -> Result<String, ProgramError> {
    let file = find(program).ok_or_else(|| ProgramError::Missing(program.to_owned()))?;
    run_file(&file, args)
}

fn run_file(file: &Path, args: &[&str]) -> Result<String, ProgramError> {
    let output = Command::new(file)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| ProgramError::Start { program: file.display().to_string(), source })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let command = format!("{} {}", file.display(), args.join(" "));
    let says = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(ProgramError::Failed { command, says: if says.is_empty() { output.status.to_string() } else { says } })
}
