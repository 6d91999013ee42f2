//! What is told of a transition beside hooks, and in what form. Text in, text out; sends nothing.

use std::collections::VecDeque;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::Notifier;

/// Notices that wait for one notifier; beyond that the oldest are dropped, and counted.
pub const WAITING_MAX: usize = 100;
/// A notice older than this is given up.
pub const GIVE_UP_AFTER: Duration = Duration::from_secs(86_400);
/// The longest text of a queue that is read back.
pub const TEXT_BYTES_MAX: usize = 1 << 20;
/// Bytes of a reason that are told.
const WHY_MAX: usize = 1_000;
/// Format of the text of a queue; another one is not understood.
const FORMAT: u32 = 1;

/// One transition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Since the epoch.
    pub at: Duration,
    /// `INSTANCE` or `GROUP`, in keepalived's words.
    pub kind: String,
    /// Of the VIP or group.
    pub name: String,
    /// `MASTER`, `BACKUP`, `FAULT` or `STOP`.
    pub state: String,
    /// 0 for a group.
    pub priority: u8,
    /// Why; empty where nothing more is known.
    pub why: String,
}

impl Notice {
    /// Whether that notifier wants to know.
    pub fn is_for(&self, notifier: &Notifier) -> bool {
        notifier.states.is_empty() || notifier.states.iter().any(|state| state.eq_ignore_ascii_case(&self.state))
    }

    /// The time in UTC, such as `2027-01-15T08:00:00Z`.
    pub fn time(&self) -> String {
        let secs = i64::try_from(self.at.as_secs()).unwrap_or(i64::MAX);
        let at = time::OffsetDateTime::from_unix_timestamp(secs).ok();
        at.and_then(|at| at.format(&time::format_description::well_known::Rfc3339).ok()).unwrap_or_default()
    }

    /// keepalived's line for a FIFO, with its line feed.
    pub fn fifo_line(&self) -> String {
        let Self { at: _, kind, name, state, priority, why: _ } = self;
        format!("{kind} \"{name}\" {state} {priority}\n")
    }

    /// A sentence.
    pub fn sentence(&self, node: &str) -> String {
        let subject = if self.kind == "GROUP" { "group" } else { "VIP" };
        let what = match self.state.as_str() {
            "MASTER" => "is on",
            "BACKUP" => "is not on",
            "FAULT" => "cannot be on",
            _ => "has left",
        };
        let why = if self.why.is_empty() { String::new() } else { format!(": {}", one_line(&self.why)) };
        format!("{subject} {} {what} {node}{why}", self.name)
    }

    /// How bad it is, as syslog counts (RFC 5424 section 6.2.1).
    pub fn severity(&self) -> u8 {
        match self.state.as_str() {
            "FAULT" => 4,
            _ => 5,
        }
    }

    /// A datagram for journald's native socket.
    pub fn journal_entry(&self, node: &str) -> Vec<u8> {
        let severity = self.severity().to_string();
        let priority = self.priority.to_string();
        let (sentence, why) = (self.sentence(node), one_line(&self.why));
        let fields = [
            ("MESSAGE", sentence.as_str()),
            ("PRIORITY", severity.as_str()),
            ("SYSLOG_IDENTIFIER", "vipkeeper"),
            ("VIPKEEPER_NODE", node),
            ("VIPKEEPER_KIND", self.kind.as_str()),
            ("VIPKEEPER_NAME", self.name.as_str()),
            ("VIPKEEPER_STATE", self.state.as_str()),
            ("VIPKEEPER_PRIORITY", priority.as_str()),
            ("VIPKEEPER_WHY", why.as_str()),
        ];
        fields.into_iter().flat_map(|(key, value)| format!("{key}={value}\n").into_bytes()).collect()
    }

    /// A datagram for `/dev/log`: facility daemon.
    pub fn syslog_line(&self, node: &str) -> Vec<u8> {
        const DAEMON: u8 = 3 << 3;
        format!("<{}>vipkeeper: {}", DAEMON | self.severity(), self.sentence(node)).into_bytes()
    }
}

fn one_line(text: &str) -> String {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let mut end = text.len().min(WHY_MAX);
    while !text.is_char_boundary(end) {
        end = end.saturating_sub(1);
    }
    text.get(..end).unwrap_or_default().trim().to_owned()
}

/// What one message tells.
#[derive(Debug, Clone, Serialize)]
struct Message<'a> {
    node: &'a str,
    /// Notices that were dropped before these.
    dropped: u64,
    notices: Vec<Shown<'a>>,
}

#[derive(Debug, Clone, Serialize)]
struct Shown<'a> {
    time: String,
    kind: &'a str,
    name: &'a str,
    state: &'a str,
    priority: u8,
    why: String,
}

fn message<'a>(node: &'a str, dropped: u64, notices: &'a [Notice]) -> Message<'a> {
    let shown = |notice: &'a Notice| Shown {
        time: notice.time(),
        kind: &notice.kind,
        name: &notice.name,
        state: &notice.state,
        priority: notice.priority,
        why: one_line(&notice.why),
    };
    Message { node, dropped, notices: notices.iter().map(shown).collect() }
}

/// The body of a webhook: JSON, or what a template makes of the same.
///
/// # Errors
/// When the template fails, in words for people.
pub fn body(template: Option<&str>, node: &str, dropped: u64, notices: &[Notice]) -> Result<String, String> {
    let message = message(node, dropped, notices);
    let Some(template) = template else { return serde_json::to_string(&message).map_err(|e| e.to_string()) };
    let context = tera::Context::from_serialize(&message).map_err(|e| e.to_string())?;
    let mut tera = tera::Tera::default();
    tera.add_raw_template("body", template).map_err(|e| e.to_string())?;
    tera.render("body", &context).map_err(|e| e.to_string())
}

/// Subject and text of a mail.
pub fn mail(node: &str, dropped: u64, notices: &[Notice]) -> (String, String) {
    let last = notices.last();
    let more = notices.len().saturating_sub(1);
    let mut subject = last.map_or_else(String::new, |n| format!("[{node}] {} {} {}", n.kind, n.name, n.state));
    if more > 0 {
        subject.push_str(&format!(" (and {more} before)"));
    }
    let mut text = String::new();
    if dropped > 0 {
        text.push_str(&format!("{dropped} older notices were dropped: too many waited.\r\n\r\n"));
    }
    for notice in notices {
        text.push_str(&format!("{}  {}\r\n", notice.time(), notice.sentence(node)));
    }
    text.push_str(&format!("\r\n`vipkeeper status` on {node} says more.\r\n"));
    (subject, text)
}

/// What waits for one notifier.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    format: u32,
    /// Who waits.
    pub notifier: Notifier,
    waiting: VecDeque<Notice>,
    /// Dropped since something was told last.
    dropped: u64,
}

impl Queue {
    /// Empty.
    pub fn new(notifier: Notifier) -> Self {
        Self { format: FORMAT, notifier, waiting: VecDeque::new(), dropped: 0 }
    }

    /// Reads what [`Queue::text`] wrote.
    ///
    /// # Errors
    /// When it is something else, in words for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let queue: Self = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if queue.format != FORMAT || queue.waiting.len() > WAITING_MAX {
            return Err(format!("format {} with {} notices is not known", queue.format, queue.waiting.len()));
        }
        Ok(queue)
    }

    /// To be kept over a restart.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Takes in one more.
    pub fn push(&mut self, notice: Notice) {
        self.waiting.push_back(notice);
        while self.waiting.len() > WAITING_MAX {
            self.waiting.pop_front();
            self.dropped = self.dropped.saturating_add(1);
        }
    }

    /// Gives up what is too old at that time of day; how many.
    pub fn expire(&mut self, unix: Duration) -> usize {
        let before = self.waiting.len();
        self.waiting.retain(|notice| unix.saturating_sub(notice.at) < GIVE_UP_AFTER);
        let gone = before.saturating_sub(self.waiting.len());
        self.dropped = self.dropped.saturating_add(u64::try_from(gone).unwrap_or(u64::MAX));
        gone
    }

    /// All that waits, the oldest first, and how many were dropped before.
    pub fn waiting(&self) -> (Vec<Notice>, u64) {
        (self.waiting.iter().cloned().collect(), self.dropped)
    }

    /// Nothing is to be told.
    pub fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    /// So many of the oldest were told.
    pub fn told(&mut self, count: usize) {
        self.waiting.drain(..count.min(self.waiting.len()));
        self.dropped = 0;
    }
}

/// The pause before a message is tried again that failed so many times, from 1.
pub fn retry_pause(failures: u32) -> Duration {
    const LONGEST: Duration = Duration::from_secs(60);
    Duration::from_secs(1).saturating_mul(1 << failures.saturating_sub(1).min(6)).min(LONGEST)
}

#[cfg(test)]
mod tests;
