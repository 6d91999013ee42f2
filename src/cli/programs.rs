//! Programs of others: where they are, and what they say when they run.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

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

/// How a program that was given a time ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// With status 0.
    Fine,
    /// Otherwise.
    Failed {
        /// What it said on the standard error, as far as [`STDERR_BYTES_MAX`].
        stderr: String,
    },
}

/// What is kept of a program's complaints; the rest is dropped.
pub const STDERR_BYTES_MAX: usize = 256 << 10;

/// Runs a program for a limited time; it is killed when the time is up.
///
/// # Errors
/// When it cannot be started or does not end in time.
pub async fn run_within(mut command: tokio::process::Command, time: Duration) -> Result<Ended, ProgramError> {
    let program = command.as_std().get_program().to_string_lossy().into_owned();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let started = |source| ProgramError::Start { program: program.clone(), source };
    match tokio::time::timeout(time, command.output()).await {
        Err(_) => {
            Err(ProgramError::Failed { command: program, says: format!("it did not end within {} s", time.as_secs()) })
        }
        Ok(output) => {
            let output = output.map_err(started)?;
            let kept = output.stderr.get(..STDERR_BYTES_MAX).unwrap_or(&output.stderr);
            let stderr = String::from_utf8_lossy(kept).into_owned();
            Ok(if output.status.success() { Ended::Fine } else { Ended::Failed { stderr } })
        }
    }
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
