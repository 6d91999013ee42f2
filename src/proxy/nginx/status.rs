//! Reading what nginx answers on its private socket: the generation and `stub_status` as text in, a [`Sample`] out.
//!
//! It must never fill a gap with a default: a fact that is missing makes the probe a failed one.

use crate::proxy::Sample;
use crate::render::GENERATION_PREFIX;

/// Two requests on one connection, so that one worker answers both.
pub const PROBE_REQUEST: &str = "GET /generation HTTP/1.1\r\nHost: vipkeeper\r\n\r\n\
                                 GET /status HTTP/1.1\r\nHost: vipkeeper\r\nConnection: close\r\n\r\n";

/// The longest answer that is read; more counts as a failed probe.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Why an answer is no [`Sample`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatusError {
    /// The connection was taken and closed.
    #[error("nginx closed its private socket without an answer: are all its `worker_connections` in use?")]
    Empty,
    /// It ends in the middle.
    #[error("the answer of nginx is cut off after {0} bytes")]
    CutOff(usize),
    /// It is no answer to an HTTP request, or not the one that the rendered file gives.
    #[error("nginx answers {0:?} on its private socket")]
    Refused(String),
    /// A line is missing or holds no number.
    #[error("nginx answered without a usable {0}")]
    Field(&'static str),
}

/// What the answers say; `uptime_secs` is added by whoever can look at the process.
pub fn parse(answer: &str) -> Result<Sample, StatusError> {
    if answer.is_empty() {
        return Err(StatusError::Empty);
    }
    let (identity, rest) = body(answer, answer.len())?;
    let (status, _) = body(rest, answer.len())?;
    let field = |prefix: &'static str, name: &'static str| {
        identity.lines().find_map(|line| line.strip_prefix(prefix)).map(str::trim).ok_or(StatusError::Field(name))
    };
    let version_text = field("version ", "version")?;
    let Counters { active, accepted, refused } = counters(status)?;
    Ok(Sample {
        pid: field("pid ", "pid")?.parse().map_err(|_| StatusError::Field("pid"))?,
        version: version(version_text).ok_or(StatusError::Field("version"))?,
        version_text: version_text.to_owned(),
        generation: identity.lines().next().and_then(|l| l.strip_prefix(GENERATION_PREFIX)?.trim().parse().ok()),
        // An old worker has closed the socket on which this was asked.
        stopping: false,
        // Without this one.
        connections: active.saturating_sub(1),
        connections_max: field("limit ", "limit")?.parse().map_err(|_| StatusError::Field("limit"))?,
        accepted: Some(accepted),
        uptime_secs: 0,
        refused,
        frontends: Vec::new(),
        backends: Vec::new(),
        listening: None,
    })
}

/// The body of the first answer, and what follows it.
fn body(answers: &str, whole: usize) -> Result<(&str, &str), StatusError> {
    let Some((head, rest)) = answers.split_once("\r\n\r\n") else {
        return Err(if answers.starts_with("HTTP/") || answers.is_empty() {
            StatusError::CutOff(whole)
        } else {
            StatusError::Refused(first_line(answers))
        });
    };
    let fine = head.lines().next().is_some_and(|line| line.starts_with("HTTP/1.") && line.contains(" 200"));
    if !fine {
        return Err(StatusError::Refused(first_line(head)));
    }
    let length = head.lines().filter_map(|line| line.split_once(':')).find_map(|(name, value)| {
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>().ok())?
    });
    rest.split_at_checked(length.ok_or(StatusError::Field("Content-Length"))?).ok_or(StatusError::CutOff(whole))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().chars().take(100).collect()
}

/// What `stub_status` counts.
struct Counters {
    active: u64,
    accepted: u64,
    /// Accepted and dropped at once for want of room.
    refused: u64,
}

/// Reads them.
///
/// ```text
/// Active connections: 1
/// server accepts handled requests
///  1 1 2
/// Reading: 0 Writing: 1 Waiting: 0
/// ```
fn counters(status: &str) -> Result<Counters, StatusError> {
    let mut lines = status.lines();
    let active = lines.next().and_then(|line| line.strip_prefix("Active connections:"));
    let active =
        active.and_then(|n| n.trim().parse().ok()).ok_or(StatusError::Field("number of active connections"))?;
    let mut counts = lines.nth(1).unwrap_or_default().split_whitespace().map(str::parse::<u64>);
    match (counts.next(), counts.next()) {
        (Some(Ok(accepted)), Some(Ok(handled))) => {
            Ok(Counters { active, accepted, refused: accepted.saturating_sub(handled) })
        }
        _ => Err(StatusError::Field("count of accepted and handled connections")),
    }
}

/// `1.22.1` to major and minor.
fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.splitn(3, '.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests;
