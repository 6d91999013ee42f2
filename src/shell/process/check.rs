//! `haproxy -c` or `nginx -t` on the candidate and `haproxy -vv`, bounded in time and output.

use std::ffi::OsString;
use std::io;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, Command};

use super::{ProxyPaths, blocking};
use crate::config::Engine;
use crate::proxy::capabilities::{self, Capabilities};
use crate::proxy::nginx::{self, Purpose};
use crate::shell::systemd::PRIVATE_VARIABLES;

/// How long a killed check may take to be gone.
const KILL_TIMEOUT: Duration = Duration::from_secs(1);

/// Output that is kept; the rest is read and dropped, so that the check can end.
const OUTPUT_BYTES_MAX: usize = 256 << 10;

/// `haproxy -vv` reads nothing and prints some 5 KiB.
const VERSION_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) enum Checked {
    Accepted,
    Refused { stderr: String },
}

pub(super) async fn run(paths: &ProxyPaths) -> Result<Checked, String> {
    let asked = paths.clone();
    let start = move || {
        spawn(&asked.binary, arguments(&asked), Output::Errors)
            .map_err(|e| not_started(asked.engine, &asked.binary, &e))
    };
    let mut child = blocking(start).await?;
    let finished = tokio::time::timeout(paths.check_timeout, finish(&mut child)).await;
    let (status, stderr) = match finished {
        Ok(result) => result.map_err(|e| format!("the check by {} broke off: {e}", paths.binary.display()))?,
        Err(_) => {
            kill(&mut child).await;
            return Err(format!(
                "`{} {}` did not end within {:?} and was killed; does a name in the file not resolve?",
                paths.binary.display(),
                option(paths.engine),
                paths.check_timeout
            ));
        }
    };
    // Versions differ in what they print; the exit status is the verdict.
    Ok(if status.success() { Checked::Accepted } else { Checked::Refused { stderr } })
}

/// What asks for a check.
fn option(engine: Engine) -> &'static str {
    match engine {
        Engine::Haproxy => "-c",
        Engine::Nginx => "-t",
    }
}

fn arguments(paths: &ProxyPaths) -> Vec<OsString> {
    match paths.engine {
        Engine::Haproxy => vec![option(paths.engine).into(), "-f".into(), paths.candidate().into()],
        Engine::Nginx => nginx::arguments(Purpose::Check, &paths.candidate(), &paths.pid_file()),
    }
}

/// Asks the binary of HAProxy what it can do.
pub(super) async fn capabilities(binary: &Path) -> Result<Capabilities, String> {
    let named = binary.to_owned();
    let start =
        move || spawn(&named, ["-vv".into()], Output::Answer).map_err(|e| not_started(Engine::Haproxy, &named, &e));
    let mut child = blocking(start).await?;
    let Some(stdout) = child.stdout.take() else { return Err("its output is lost".to_owned()) };
    let Ok(answer) = tokio::time::timeout(VERSION_TIMEOUT, drain(stdout)).await else {
        kill(&mut child).await;
        return Err(format!("`{} -vv` did not end within {VERSION_TIMEOUT:?} and was killed", binary.display()));
    };
    let mut answer = answer.map_err(|e| format!("the answer of `{} -vv` broke off: {e}", binary.display()))?;
    answer.truncate(capabilities::ANSWER_BYTES_MAX);
    // It has closed its output: that it ends is a matter of moments.
    kill(&mut child).await;
    Capabilities::parse(&String::from_utf8_lossy(&answer)).map_err(|e| e.to_string())
}

/// What of a program is read.
enum Output {
    Errors,
    Answer,
}

fn spawn(binary: &Path, arguments: impl IntoIterator<Item = OsString>, output: Output) -> io::Result<Child> {
    let (stdout, stderr) = match output {
        Output::Errors => (Stdio::null(), Stdio::piped()),
        Output::Answer => (Stdio::piped(), Stdio::null()),
    };
    let mut command = Command::new(binary);
    for private in PRIVATE_VARIABLES {
        command.env_remove(private);
    }
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(stdout)
        .stderr(stderr)
        // Of its own, so that it can be killed with whatever it started, and a terminal's signals do not reach it.
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
}

async fn finish(child: &mut Child) -> io::Result<(std::process::ExitStatus, String)> {
    let output = match child.stderr.take() {
        Some(stderr) => drain(stderr).await?,
        None => Vec::new(),
    };
    Ok((child.wait().await?, String::from_utf8_lossy(&output).into_owned()))
}

async fn drain(mut stream: impl AsyncRead + Unpin) -> io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let mut chunk = Vec::with_capacity(8 << 10);
    loop {
        chunk.clear();
        if stream.read_buf(&mut chunk).await? == 0 {
            return Ok(kept);
        }
        let room = OUTPUT_BYTES_MAX.saturating_sub(kept.len());
        kept.extend(chunk.iter().take(room));
    }
}

async fn kill(child: &mut Child) {
    if let Some(group) = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw)
        && let Err(error) = kill_process_group(group, Signal::KILL)
    {
        tracing::debug!(%error, "the check could not be killed");
    }
    if tokio::time::timeout(KILL_TIMEOUT, child.wait()).await.is_err() {
        tracing::warn!("a killed check of the proxy's configuration does not end");
    }
}

/// Why the proxy's program could not be started, and what to do about it.
pub(super) fn not_started(engine: Engine, binary: &Path, error: &io::Error) -> String {
    let (name, package) = (binary.display(), engine.name());
    let advice = format!("install it with `apt-get install {package}`, or set `proxy.binary` to where it is");
    // A directory of PATH that may not be searched makes a missing name a forbidden one.
    let looked_up = binary.components().count() == 1 && binary.is_relative();
    match Errno::from_io_error(error) {
        Some(Errno::ACCESS) if looked_up => format!("{name}: not found, or not executable; {advice}"),
        Some(Errno::NOENT) => format!("{name}: not found; {advice}"),
        Some(Errno::ACCESS | Errno::PERM) => format!("{name}: {error}; it must be executable by vipkeeper's user"),
        _ => format!("{name} does not start: {error}"),
    }
}
