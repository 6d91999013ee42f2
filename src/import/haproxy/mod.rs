//! `haproxy.cfg`: sections with their lines. Knows words and quotes, not what a line means.

mod words;

use super::keepalived::{At, SyntaxError};
pub use words::Word;

/// Lines that a file may have.
pub const LINES_MAX: usize = 50_000;
/// Sections that it may have.
pub const SECTIONS_MAX: usize = 5_000;
/// Lines of one section.
pub const SECTION_LINES_MAX: usize = 5_000;
/// Lines of all `defaults` together: each may count in every section.
pub const DEFAULTS_LINES_MAX: usize = 500;
/// Bytes of one line.
pub const LINE_BYTES_MAX: usize = 8_192;

const SECTIONS: [&str; 18] = [
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "resolvers",
    "userlist",
    "peers",
    "mailers",
    "cache",
    "program",
    "ring",
    "http-errors",
    "log-forward",
    "fcgi-app",
    "crt-store",
    "traces",
    "log-profile",
];

/// A section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Such as "frontend".
    pub kind: String,
    /// What follows it.
    pub name: String,
    /// Its lines.
    pub lines: Vec<Line>,
    /// Where it begins.
    pub at: At,
}

/// A line of a section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Where it stands.
    pub at: At,
    /// As it was written, without its comment and trimmed.
    pub text: String,
    /// Its words; at least one.
    pub words: Vec<Word>,
}

impl Line {
    /// Its words as HAProxy understands them; none: a variable of the environment is part of one.
    pub fn plain(&self) -> Option<Vec<&str>> {
        self.words.iter().map(|word| (!word.variable).then_some(word.text.as_str())).collect()
    }

    /// Its first word.
    pub fn keyword(&self) -> &str {
        self.words.first().map_or("", |word| word.text.as_str())
    }
}

/// Reads a file.
///
/// # Errors
/// Lines before the first section, quotes that are not closed, and too much of anything.
pub fn parse(path: &str, text: &str) -> Result<Vec<Section>, SyntaxError> {
    let mut sections: Vec<Section> = Vec::new();
    let mut of_defaults = 0_usize;
    for (n, line) in text.lines().enumerate() {
        let at = At { file: path.to_owned(), line: n + 1, column: 1 };
        if n >= LINES_MAX {
            return Err(SyntaxError { at, message: format!("more than {LINES_MAX} lines") });
        }
        if line.len() > LINE_BYTES_MAX {
            return Err(SyntaxError { at, message: format!("a line of more than {LINE_BYTES_MAX} bytes: split it") });
        }
        let line = without_comment(&at, line)?;
        let mut words = line.split_whitespace();
        let Some(first) = words.next() else { continue };
        if SECTIONS.contains(&first) {
            let name = words.collect::<Vec<_>>().join(" ");
            if sections.len() >= SECTIONS_MAX {
                return Err(SyntaxError { at, message: format!("more than {SECTIONS_MAX} sections") });
            }
            sections.push(Section { kind: first.to_owned(), name, lines: Vec::new(), at });
        } else if let Some(section) = sections.last_mut() {
            of_defaults += usize::from(section.kind == "defaults");
            if section.lines.len() >= SECTION_LINES_MAX || of_defaults > DEFAULTS_LINES_MAX {
                let message = format!(
                    "more than {SECTION_LINES_MAX} lines in a section, or {DEFAULTS_LINES_MAX} in all defaults sections"
                );
                return Err(SyntaxError { at, message });
            }
            section.lines.push(Line { at, text: line.trim().to_owned(), words: words::split(line) });
        } else {
            let message = format!("{first:?} stands before the first section");
            return Err(SyntaxError { at, message });
        }
    }
    Ok(sections)
}

/// A line up to its comment: a hash that is neither quoted nor escaped.
fn without_comment<'t>(at: &At, line: &'t str) -> Result<&'t str, SyntaxError> {
    let mut quote: Option<(usize, char)> = None;
    let mut escaped = false;
    for (n, (byte, c)) in line.char_indices().enumerate() {
        if escaped {
            escaped = false;
            continue;
        }
        match (quote, c) {
            (None | Some((_, '"')), '\\') => escaped = true,
            (None, '"' | '\'') => quote = Some((n, c)),
            (None, '#') => return Ok(line.get(..byte).unwrap_or(line)),
            (Some((_, open)), c) if c == open => quote = None,
            _ => (),
        }
    }
    match quote {
        Some((n, c)) => {
            let at = At { column: n + 1, ..at.clone() };
            Err(SyntaxError { at, message: format!("the quote {c} is not closed on this line") })
        }
        None => Ok(line),
    }
}
