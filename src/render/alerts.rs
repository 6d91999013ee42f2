//! HAProxy's `[ALERT]` lines in terms of the TOML file.
//!
//! Input comes from another program, so everything about it is doubted and the report is bounded.

use super::Rendered;
use crate::config::{Origin, Source, Sources};

/// Alerts that are reported; further ones are only counted.
const ALERTS_MAX: usize = 20;

/// Bytes of one message or one quoted line that are shown.
const LINE_BYTES_MAX: usize = 400;

/// Lines shown of an output that holds no alert at all.
const TAIL_LINES: usize = 5;

/// Says after the real alerts that there were some.
const SUMMARIES: [&str; 3] =
    ["Error(s) found in configuration file", "Fatal errors found in configuration", "[haproxy.main()] Some protocols"];

/// What HAProxy printed, for people: each alert with the line of the TOML that it is about, or with the line of
/// `haproxy.cfg` where the former is not known.
pub fn report_alerts(stderr: &str, rendered: &Rendered) -> String {
    let alerts = alert_lines(stderr);
    if alerts.is_empty() {
        let lines: Vec<&str> = stderr.lines().filter(|l| !l.trim().is_empty()).collect();
        let tail: Vec<String> = lines.iter().rev().take(TAIL_LINES).rev().map(|l| bounded(l).to_owned()).collect();
        return if tail.is_empty() { "haproxy refuses it without a word".to_owned() } else { tail.join("\n") };
    }
    let mut reports: Vec<String> = alerts.iter().take(ALERTS_MAX).map(|alert| report(alert, rendered)).collect();
    if alerts.len() > ALERTS_MAX {
        reports.push(format!("... and {} more", alerts.len() - ALERTS_MAX));
    }
    reports.join("\n")
}

/// The messages of all alerts without their prefix, and without the closing summaries where there is more.
pub fn alert_lines(stderr: &str) -> Vec<&str> {
    let all: Vec<&str> = stderr.lines().filter_map(message).collect();
    let telling: Vec<&str> =
        all.iter().copied().filter(|m| !SUMMARIES.iter().any(|summary| m.starts_with(summary))).collect();
    if telling.is_empty() { all } else { telling }
}

/// `[ALERT] 323/144555 (7736) : config : the message`: the parts before the message differ between versions.
fn message(line: &str) -> Option<&str> {
    let rest = line.trim().strip_prefix("[ALERT]")?;
    let (_, rest) = rest.split_once(") :")?;
    let rest = rest.trim_start();
    Some(rest.strip_prefix("config : ").unwrap_or(rest)).filter(|m| !m.is_empty())
}

fn report(alert: &str, rendered: &Rendered) -> String {
    let Some((line, message)) = place(alert) else {
        return bounded(alert).to_owned();
    };
    located(rendered, "haproxy.cfg", line, message)
}

/// A message about a line of the rendered text: with the line of the TOML that it came from, or with that of `file`
/// where the former is not known.
pub fn located(rendered: &Rendered, file: &str, line: usize, message: &str) -> String {
    let message = bounded(message);
    let index = line.saturating_sub(1);
    let origin = rendered.origins.get(index).copied().flatten();
    origin
        .and_then(|origin| written_at(&rendered.sources, origin, message))
        .unwrap_or_else(|| format!("{file}:{line}: {message}{}", quoted(&rendered.text, line)))
}

/// A message about a line of the TOML; none where there is no such line.
pub fn written_at(sources: &Sources, origin: Origin, message: &str) -> Option<String> {
    let Source { path, text } = sources.files.get(origin.file)?;
    Some(format!("{}:{}: {message}{}", path.display(), origin.line, quoted(text, origin.line)))
}

/// The line number in `parsing [<file>:<line>] : message` or `[<file>:<line>] : message`, and the message.
/// Addresses in brackets (`for [127.0.0.1:80]`) are no files.
fn place(alert: &str) -> Option<(usize, &str)> {
    let (before, rest) = alert.split_once('[')?;
    let (file, after) = rest.split_once(']')?;
    let (path, line) = file.rsplit_once(':')?;
    let line = line.parse().ok().filter(|_| path.contains('/') || path.contains(".cfg"))?;
    let after = after.trim_start().strip_prefix(':').unwrap_or(after).trim_start();
    // `Binding [file:7] for frontend www: cannot bind socket ...` reads well without the place too.
    Some((line, if before.starts_with("Binding") { after.strip_prefix("for ").unwrap_or(after) } else { after }))
}

fn quoted(text: &str, line: usize) -> String {
    let shown = text.lines().nth(line.saturating_sub(1)).map(str::trim).filter(|l| !l.is_empty());
    shown.map(|l| format!("\n    {}", bounded(l))).unwrap_or_default()
}

/// The line of another program, cut between characters where it has more than 400 bytes.
pub fn bounded(line: &str) -> &str {
    let line = line.trim_end();
    (0..=LINE_BYTES_MAX).rev().find_map(|end| line.get(..end)).filter(|_| line.len() > LINE_BYTES_MAX).unwrap_or(line)
}
