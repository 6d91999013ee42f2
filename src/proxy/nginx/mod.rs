//! nginx, sans-IO: how it is called, what it answers on its private socket, and what its error log says.
//!
//! It must never take silence for success: a reload of nginx that fails says so in the log alone.

pub mod log;
pub mod status;

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

/// Whether nginx is to check a file or to run it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// `nginx -t`: read the file, open its logs and addresses, and end. A taken port is no fault to it.
    Check,
    /// Run in the foreground, as a master with workers.
    Run,
}

/// The arguments of nginx. What vipkeeper depends on is given here and not in the file, so that no template can
/// lack it.
pub fn arguments(purpose: Purpose, config: &Path, pid_file: &Path) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = match purpose {
        Purpose::Check => vec!["-t".into(), "-q".into()],
        Purpose::Run => Vec::new(),
    };
    // `notice`: the lines that tell of the end of a reload are of that level.
    let directives = format!(
        "daemon off; master_process on; pid \"{}\"; error_log stderr notice;",
        pid_file.to_string_lossy().replace('\\', r"\\").replace('"', "\\\"")
    );
    arguments.extend(["-e".into(), "stderr".into(), "-c".into(), config.into(), "-g".into(), directives.into()]);
    arguments
}

/// `worker_shutdown_timeout` of a file that we rendered; none: it has none.
pub fn shutdown_timeout(text: &str) -> Option<Duration> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix("worker_shutdown_timeout "))?;
    let value = value.trim().strip_suffix(';')?.trim_end();
    match value.strip_suffix("ms") {
        Some(ms) => ms.parse().ok().map(Duration::from_millis),
        None => value.strip_suffix('s')?.parse().ok().map(Duration::from_secs),
    }
}

#[cfg(test)]
mod tests;
