//! What servers were when a reload begins: `show servers state` to the file that the next worker reads.
//!
//! Weights, maintenance and failed checks then survive a reload. HAProxy believes that file more than its own
//! configuration (haproxy#1412, #2103), so it must never name a server whose definition changes: that one starts as
//! it is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::proxy::stats;
use crate::render::GENERATION_PREFIX;
use crate::units::Digest;

/// The command: whose states they are, then the states.
pub const STATE_COMMAND: &str = "show info;show servers state\n";

/// The longest answer that is read: some 100,000 servers. With more their states are not carried over.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;

/// A file that says nothing of any server. (HAProxy warns of a missing file, and of one without its version.)
pub const NOTHING: &str = "1\n";

/// How the table begins, after its version.
const TABLE: &str = "1\n# be_id be_name srv_id srv_name ";

/// What a file for the next worker says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The file.
    pub text: String,
    /// Servers that it names.
    pub servers: u32,
    /// Servers that it does not name, since they are defined anew.
    pub left_out: u32,
}

/// Why nothing can be carried over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum StateError {
    /// The end of the answer is missing, or it is something else.
    #[error("`show servers state` was not answered as it should be")]
    Answer,
    /// The worker runs a file of which there is no copy.
    #[error("what the running proxy was configured with is not known")]
    Unknown,
}

/// A worker whose servers are defined by another file than the one that it was started with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Worker {
    /// Its process id.
    pub pid: u32,
    /// Generation of that file.
    pub generation: Digest,
}

/// The states for a worker that will run `next`, from the answer to [`STATE_COMMAND`] of one that runs one of `texts`.
///
/// # Errors
/// When the answer is cut off, or comes from a worker with another file than those.
/// A worker that was changed at run time is `changed`.
pub fn keep(answer: &str, texts: &[&str], next: &str, changed: Option<Worker>) -> Result<Kept, StateError> {
    let at = answer.find(TABLE).ok_or(StateError::Answer)?;
    let (info, table) = answer.split_at_checked(at).ok_or(StateError::Answer)?;
    if !table.ends_with("\n\n") {
        return Err(StateError::Answer);
    }
    let (pid, started) = stats::identity_in(info).ok_or(StateError::Unknown)?;
    let generation = changed.filter(|worker| worker.pid == pid).map_or(started, |worker| worker.generation);
    let running = texts.iter().find(|text| describes(text, generation)).ok_or(StateError::Unknown)?;
    let (before, after) = (Definitions::of(running), Definitions::of(next));

    let mut kept = Kept { text: String::with_capacity(table.len()), servers: 0, left_out: 0 };
    for (n, line) in table.lines().take_while(|line| !line.is_empty()).enumerate() {
        if n > 1 {
            let mut fields = line.split_whitespace();
            let (backend, server) = (fields.nth(1), fields.nth(1));
            let defined = backend.zip(server).and_then(|(backend, server)| {
                let definition = before.get(backend, server)?;
                (Some(definition) == after.get(backend, server)).then_some(definition)
            });
            let Some(definition) = defined else {
                kept.left_out += 1;
                continue;
            };
            kept.servers += 1;
            if generation != started {
                kept.text.push_str(&reweighed(line, definition));
                kept.text.push('\n');
                continue;
            }
        }
        kept.text.push_str(line);
        kept.text.push('\n');
    }
    Ok(kept)
}

/// The state of a server of a worker that was changed at run time. HAProxy drops the weight of a server whose initial one
/// (`srv_iweight`) is not that of its file, and initial is what it was when that worker started.
fn reweighed(line: &str, definition: &Definition<'_>) -> String {
    const INITIAL_WEIGHT: usize = 8;
    let words = definition.inherited.iter().chain(&definition.own);
    let mut weight = "1";
    let mut after_keyword = false;
    for word in words {
        if after_keyword {
            weight = word;
        }
        after_keyword = *word == "weight";
    }
    let fields = line.split(' ').enumerate().map(|(n, field)| if n == INITIAL_WEIGHT { weight } else { field });
    fields.collect::<Vec<_>>().join(" ")
}

/// Whether a text is the file of that generation.
fn describes(text: &str, generation: Digest) -> bool {
    let identity = format!("description \"{GENERATION_PREFIX}{generation}\"");
    text.lines().any(|line| line.trim() == identity)
}

/// How the servers of a file are defined.
struct Definitions<'a> {
    servers: BTreeMap<(&'a str, &'a str), Definition<'a>>,
    /// `server-template`: backend, beginning of the names, definition.
    templates: Vec<(&'a str, &'a str, Definition<'a>)>,
}

/// The words of a server that its state depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Definition<'a> {
    /// Those of the `default-server` lines before it.
    inherited: Arc<Vec<&'a str>>,
    own: Vec<&'a str>,
}

impl<'a> Definitions<'a> {
    fn of(text: &'a str) -> Self {
        let mut found = Self { servers: BTreeMap::new(), templates: Vec::new() };
        // Of every `defaults` so far: which of them a section uses does not matter, only whether one changed.
        let mut defaults: Arc<Vec<&'a str>> = Arc::default();
        let mut inherited = Arc::clone(&defaults);
        let mut section = Section::Other;
        for line in text.lines() {
            let mut words = line.split_whitespace();
            let Some(keyword) = words.next() else { continue };
            if let Some(begun) = Section::begun(keyword, words.clone().next()) {
                section = begun;
                inherited = Arc::clone(&defaults);
                continue;
            }
            match (section, keyword) {
                (Section::Defaults, "default-server") => Arc::make_mut(&mut defaults).extend(weighty(words)),
                (Section::Servers(_), "default-server") => Arc::make_mut(&mut inherited).extend(weighty(words)),
                (Section::Servers(backend), "server") => {
                    let Some(name) = words.next() else { continue };
                    let definition = Definition { inherited: Arc::clone(&inherited), own: weighty(words) };
                    found.servers.insert((backend, name), definition);
                }
                (Section::Servers(backend), "server-template") => {
                    let Some(prefix) = words.next() else { continue };
                    let definition = Definition { inherited: Arc::clone(&inherited), own: weighty(words) };
                    found.templates.push((backend, prefix, definition));
                }
                (Section::Defaults | Section::Servers(_) | Section::Other, _) => {}
            }
        }
        found
    }

    fn get<'s>(&'s self, backend: &'s str, server: &'s str) -> Option<&'s Definition<'s>> {
        self.servers.get(&(backend, server)).or_else(|| {
            let numbered = |prefix: &str| {
                server.strip_prefix(prefix).is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
            };
            let found = self.templates.iter().find(|(of, prefix, _)| *of == backend && numbered(prefix));
            found.map(|(_, _, definition)| definition)
        })
    }
}

#[derive(Debug, Clone, Copy)]
enum Section<'a> {
    Defaults,
    Servers(&'a str),
    Other,
}

impl<'a> Section<'a> {
    /// The section that a line begins, if it does.
    fn begun(keyword: &str, name: Option<&'a str>) -> Option<Self> {
        match keyword {
            "defaults" => Some(Self::Defaults),
            "backend" | "listen" => Some(name.map_or(Self::Other, Self::Servers)),
            "global" | "frontend" | "peers" | "resolvers" | "userlist" | "mailers" | "cache" | "program"
            | "http-errors" | "ring" | "log-forward" | "log-profile" | "fcgi-app" | "crt-store" | "traces" | "acme"
            | "healthcheck" => Some(Self::Other),
            _ => None,
        }
    }
}

/// The words of a server line without those that no state depends on, which each have one argument.
fn weighty<'a>(words: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    const WEIGHTLESS: [&str; 17] = [
        "cookie",
        "downinter",
        "error-limit",
        "fall",
        "fastinter",
        "inter",
        "maxconn",
        "maxqueue",
        "minconn",
        "observe",
        "on-error",
        "on-marked-down",
        "on-marked-up",
        "pool-max-conn",
        "pool-purge-delay",
        "rise",
        "slowstart",
    ];
    let mut words = words;
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        if WEIGHTLESS.contains(&word) {
            words.next();
        } else {
            kept.push(word);
        }
    }
    kept
}

#[cfg(test)]
mod tests;
