//! Lines of nginx's error log, and of what `nginx -t` prints: how a reload ended, and why.
//!
//! Input comes from another program, so everything about it is doubted and reports are bounded.

use crate::render::{Rendered, bounded, located};

/// Complaints that are reported; further ones are only counted.
const REPORTED_MAX: usize = 20;

/// What the file is called, from which nginx's complaints are led back to the TOML. The candidate's name begins so too.
const FILE_NAME: &str = "nginx.conf";

/// Says after the real complaints that there were some.
const SUMMARY: &str = "still could not bind()";

/// One line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Line<'a> {
    /// `emerg`, `notice` ...
    pub level: &'a str,
    /// The process that wrote it; none: nginx had no log yet.
    pub pid: Option<u32>,
    /// What it says.
    pub message: &'a str,
}

impl<'a> Line<'a> {
    /// `2026/11/27 07:05:09 [emerg] 3731#3731: *7 the message`, or `nginx: [emerg] the message`.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (before, rest) = text.split_once('[')?;
        let (level, rest) = rest.split_once(']')?;
        let rest = rest.trim_start();
        if before.trim() == "nginx:" {
            return Some(Self { level, pid: None, message: rest.trim_end() });
        }
        let (process, message) = rest.split_once(": ")?;
        let pid = process.split_once('#')?.0.parse().ok()?;
        Some(Self { level, pid: Some(pid), message: message.trim_end() })
    }

    /// It ends what nginx was about to do.
    fn is_fatal(&self) -> bool {
        matches!(self.level, "emerg" | "alert" | "crit")
    }

    fn by(&self, master: u32) -> bool {
        self.pid == Some(master)
    }
}

/// How far a reload has come, in the words of the log since the signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loading {
    /// Nothing is decided: the file is being read, or nginx tries for 2.5 s to bind an address that is taken.
    Pending,
    /// New workers were started; the old ones still take connections, for some 100 ms.
    Started,
    /// An old worker takes no more connections.
    Replaced,
    /// The old workers go on with the old file.
    Failed,
}

/// How far the load has come that this text is about.
pub fn loading(log: &str, master: u32) -> Loading {
    let mut stage = Loading::Pending;
    for line in log.lines().filter_map(Line::parse) {
        let own = line.by(master);
        match stage {
            Loading::Pending if own && line.level == "emerg" && !line.message.starts_with("bind() to ") => {
                return Loading::Failed;
            }
            Loading::Pending if own && line.message.starts_with("start worker process ") => stage = Loading::Started,
            Loading::Started if !own && line.message == "gracefully shutting down" => return Loading::Replaced,
            Loading::Pending | Loading::Started | Loading::Replaced | Loading::Failed => {}
        }
    }
    stage
}

/// The complaints of a master in one line; none: there are none.
pub fn last_words(log: &str, master: u32, rendered: Option<&Rendered>) -> Option<String> {
    let own = |line: &Line<'_>| line.pid.is_none() || line.by(master);
    let words = reports(log, own, rendered);
    // Without the quoted lines, which are indented.
    let lines: Vec<&str> = words.iter().flat_map(|report| report.lines()).filter(|l| !l.starts_with(' ')).collect();
    (!lines.is_empty()).then(|| lines.join("; "))
}

/// What `nginx -t` printed, for people: each complaint with the line of the TOML that it is about, or with the line of
/// `nginx.conf` where the former is not known.
pub fn report(stderr: &str, rendered: &Rendered) -> String {
    let words = reports(stderr, |_| true, Some(rendered));
    if !words.is_empty() {
        return words.join("\n");
    }
    let last = stderr.lines().rfind(|line| !line.trim().is_empty());
    last.map_or_else(|| "nginx refuses it without a word".to_owned(), |line| bounded(line).to_owned())
}

/// Whether all complaints are about addresses that cannot be bound: the file itself was understood by then.
pub fn only_binds_fail(stderr: &str) -> bool {
    let mut fatal = stderr.lines().filter_map(Line::parse).filter(Line::is_fatal).peekable();
    fatal.peek().is_some() && fatal.all(|line| line.message.starts_with("bind() to "))
}

fn reports(log: &str, wanted: impl Fn(&Line<'_>) -> bool, rendered: Option<&Rendered>) -> Vec<String> {
    let mut messages: Vec<&str> = Vec::new();
    for line in log.lines().filter_map(Line::parse).filter(|line| line.is_fatal() && wanted(line)) {
        // Told again by each try to bind, and by `-t` in both of its ways.
        if !messages.contains(&line.message) {
            messages.push(line.message);
        }
    }
    if messages.iter().any(|message| *message != SUMMARY) {
        messages.retain(|message| *message != SUMMARY);
    }
    let more = messages.len().saturating_sub(REPORTED_MAX);
    let mut reports: Vec<String> = messages.iter().take(REPORTED_MAX).map(|m| told(m, rendered)).collect();
    if more > 0 {
        reports.push(format!("... and {more} more"));
    }
    reports
}

fn told(message: &str, rendered: Option<&Rendered>) -> String {
    let advice = if message.starts_with("unknown directive \"stream\"") {
        " (mode tcp needs nginx's module stream: `apt-get install libnginx-mod-stream`)"
    } else {
        ""
    };
    match (place(message), rendered) {
        (Some((line, message)), Some(rendered)) => located(rendered, FILE_NAME, line, &format!("{message}{advice}")),
        (None | Some(_), _) => format!("{}{advice}", bounded(message)),
    }
}

/// The line in `the message in /path/nginx.conf:12`, and the message without it. Other files are the user's own.
fn place(message: &str) -> Option<(usize, &str)> {
    let (said, place) = message.rsplit_once(" in ")?;
    let (path, line) = place.rsplit_once(':')?;
    let name = path.rsplit('/').next()?;
    let line = line.parse().ok()?;
    name.starts_with(FILE_NAME).then_some((line, said))
}

#[cfg(test)]
mod tests;
