//! Programs of users, as processes: no shell, own process group, a clean environment, output through one pipe.
//!
//! It decides nothing about when they run or for how long; hooks and tracked scripts do.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{ExitStatus, Stdio};

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::{Gid, Group, Pid, Uid, User};
use tokio::net::unix::pipe;
use tokio::process::Child;

/// The search path of programs; nothing of vipkeeper's own environment is passed on.
pub(super) const PROGRAM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What to start.
#[derive(Debug)]
pub(super) struct Program<'a> {
    /// Program and arguments.
    pub(super) argv: &'a [String],
    /// User to run as.
    pub(super) user: Option<&'a str>,
    /// Group to run as.
    pub(super) group: Option<&'a str>,
    /// Its environment beside `PATH`.
    pub(super) env: &'a [(&'a str, &'a str)],
}

/// Starts it; whatever it and its children print comes through the pipe. Blocks: user look-up, fork and exec do.
///
/// # Errors
/// There is no such program, user or group, or it may not be executed.
pub(super) fn spawn(program: &Program<'_>) -> io::Result<(Child, pipe::Receiver)> {
    let (name, arguments) = program.argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    let (reader, writer) = io::pipe()?;
    let mut command = std::process::Command::new(name);
    command
        .args(arguments)
        .current_dir("/")
        .env_clear()
        .env("PATH", PROGRAM_PATH)
        .envs(program.env.iter().copied())
        .stdin(Stdio::null())
        .stdout(writer.try_clone()?)
        .stderr(writer)
        .process_group(0);
    if let Some((uid, gid)) = identity(program)? {
        // The standard library drops all supplementary groups when root sets a uid.
        command.gid(gid.as_raw()).uid(uid.as_raw());
    }
    let child = tokio::process::Command::from(command).spawn()?;
    Ok((child, pipe::Receiver::from_owned_fd(OwnedFd::from(reader))?))
}

/// Whom it runs as; none: as vipkeeper itself.
fn identity(program: &Program<'_>) -> io::Result<Option<(Uid, Gid)>> {
    let none = |what: &str| io::Error::new(io::ErrorKind::NotFound, format!("there is no {what}"));
    let user = match program.user {
        Some(name) => Some(User::from_name(name)?.ok_or_else(|| none(&format!("user {name:?}")))?),
        None => None,
    };
    let group = match program.group {
        Some(name) => Some(Group::from_name(name)?.ok_or_else(|| none(&format!("group {name:?}")))?),
        None => None,
    };
    Ok(match (user, group) {
        (None, None) => None,
        (Some(user), None) => Some((user.uid, user.gid)),
        (Some(user), Some(group)) => Some((user.uid, group.gid)),
        (None, Some(group)) => Some((Uid::effective(), group.gid)),
    })
}

/// Exit status 0, or how it ended instead.
pub(super) fn ended(status: io::Result<ExitStatus>) -> Result<(), String> {
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(match (status.code(), status.signal()) {
            (Some(code), _) => format!("exit status {code}"),
            (None, Some(signal)) => format!("signal {signal}"),
            (None, None) => status.to_string(),
        }),
        Err(error) => Err(format!("cannot learn how it ended: {error}")),
    }
}

/// Kills a program and whatever it started in its group. It must not be reaped yet, so that its id is still its own.
pub(super) fn kill_group(pid: Option<u32>) {
    let Some(pid) = pid.and_then(|pid| i32::try_from(pid).ok()) else { return };
    match killpg(Pid::from_raw(pid), Signal::SIGKILL) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => tracing::warn!(pid, %error, "cannot kill a process group"),
    }
}
