//! One probe of nginx: two requests on one short-lived connection to its private socket, bounded in time and bytes.
//!
//! It must never ask on a socket that clients use.

use std::path::Path;
use std::time::Duration;

use super::process;
use super::stats_socket::ask;
use crate::proxy::Sample;
use crate::proxy::nginx::status::{self, ANSWER_BYTES_MAX, PROBE_REQUEST};

/// Asks nginx what it says of itself. The error is for people and names the socket.
pub async fn probe(path: &Path, timeout: Duration) -> Result<Sample, String> {
    let answer = ask(path, PROBE_REQUEST, ANSWER_BYTES_MAX, timeout).await?;
    let sample = status::parse(&String::from_utf8_lossy(&answer)).map_err(|e| format!("{e} ({})", path.display()))?;
    // nginx does not say it. A worker that is gone by now has no time any more.
    Ok(Sample { uptime_secs: process::uptime_secs(sample.pid).unwrap_or(0), ..sample })
}
