//! keepalived's configuration language: texts to a tree of directives, each with its place.
//!
//! Pure: included files come from a callback. Knows words, braces and variables, not what a directive means.

mod expand;
mod words;

use expand::Reader;
use words::escaped;
pub use words::split;

/// Files that one configuration may read, with its includes.
pub const FILES_MAX: usize = 64;
/// How deep files may include one another.
pub const INCLUDE_DEPTH_MAX: usize = 8;
/// How deep blocks may be nested.
pub const BLOCK_DEPTH_MAX: usize = 16;
/// Lines after variables, sequences and includes were put in.
pub const LINES_MAX: usize = 50_000;
/// Bytes after that.
pub const BYTES_MAX: usize = 4 << 20;

/// A place in a file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct At {
    /// The file as it was named.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters of the line as it reads after variables were put in.
    pub column: usize,
}

impl std::fmt::Display for At {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{}", self.file, self.line, self.column)
    }
}

/// Why a text could not be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SyntaxError {
    /// Where.
    pub at: At,
    /// What is wrong, and what to do.
    pub message: String,
}

impl std::fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.at, self.message)
    }
}

/// A directive with its words and, if it opens a block, what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directive {
    /// Where it begins.
    pub at: At,
    /// Its words without quotes, the keyword first; empty for a brace without a keyword.
    pub words: Vec<String>,
    /// What is in its braces; none: it has no braces.
    pub block: Option<Vec<Directive>>,
}

impl Directive {
    /// Its keyword.
    pub fn keyword(&self) -> &str {
        self.word(0)
    }

    /// The word of that number, or nothing.
    pub fn word(&self, number: usize) -> &str {
        self.words.get(number).map_or("", String::as_str)
    }

    /// What is in its braces.
    pub fn inside(&self) -> &[Self] {
        self.block.as_deref().unwrap_or_default()
    }
}

/// Finds included files: the including file and the pattern to paths and texts, or why not.
pub type Include<'a> = &'a dyn Fn(&str, &str) -> Result<Vec<(String, String)>, String>;

/// Reads a configuration as keepalived started with `-i config_id` would.
///
/// # Errors
/// The first thing that cannot be read, with its place.
pub fn parse(path: &str, text: &str, config_id: &str, include: Include<'_>) -> Result<Vec<Directive>, SyntaxError> {
    let mut reader = Reader::new(config_id, include);
    reader.file(path, text, 0)?;
    let mut stack: Vec<Vec<Directive>> = vec![Vec::new()];
    for (at, line) in &reader.lines {
        one_line(at, line, &mut stack)?;
    }
    let end = reader.lines.last().map_or_else(|| place(path, 1), |(at, _)| at.clone());
    let mut whole = stack.drain(..);
    match (whole.next(), whole.next()) {
        (Some(tree), None) => Ok(tree),
        _ => Err(SyntaxError { at: end, message: "a block is not closed: a } is missing".to_owned() }),
    }
}

/// The ids that lines are conditional on (`@id`), in the order in which they come first.
pub fn config_ids(text: &str) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for line in text.lines() {
        let Some(rest) = line.trim_start().strip_prefix('@') else { continue };
        let id = rest.split_whitespace().next().unwrap_or_default().trim_start_matches('^');
        if !id.is_empty() && !ids.iter().any(|known| known == id) {
            ids.push(id.to_owned());
        }
    }
    ids
}

fn place(file: &str, line: usize) -> At {
    At { file: file.to_owned(), line, column: 1 }
}

/// A piece of a line.
#[derive(Debug, PartialEq, Eq)]
enum Token {
    Word(String),
    Open,
    Close,
}

/// Puts the directives of a line into the innermost open block.
fn one_line(at: &At, line: &str, stack: &mut Vec<Vec<Directive>>) -> Result<(), SyntaxError> {
    let mut open: Option<Directive> = None;
    for (column, token) in tokens(at, line)? {
        let at = At { column, ..at.clone() };
        match token {
            Token::Word(word) => {
                open.get_or_insert_with(|| Directive { at, words: Vec::new(), block: None }).words.push(word);
            }
            Token::Open => {
                let depth = stack.len();
                let Some(innermost) = stack.last_mut() else { continue };
                match open.take() {
                    Some(directive) => innermost.push(directive),
                    // A brace at the beginning of a line belongs to the directive before it.
                    None if innermost.last().is_some_and(|last| last.block.is_none()) => (),
                    None => innermost.push(Directive { at: at.clone(), words: Vec::new(), block: None }),
                }
                if depth > BLOCK_DEPTH_MAX {
                    let message = format!("blocks are nested deeper than {BLOCK_DEPTH_MAX}");
                    return Err(SyntaxError { at, message });
                }
                stack.push(Vec::new());
            }
            Token::Close => {
                if let (Some(directive), Some(innermost)) = (open.take(), stack.last_mut()) {
                    innermost.push(directive);
                }
                let closed = if stack.len() > 1 { stack.pop() } else { None };
                match (closed, stack.last_mut().and_then(|outer| outer.last_mut())) {
                    (Some(block), Some(owner)) => owner.block = Some(block),
                    _ => {
                        return Err(SyntaxError { at, message: "this } closes nothing: remove it".to_owned() });
                    }
                }
            }
        }
    }
    if let (Some(directive), Some(innermost)) = (open, stack.last_mut()) {
        innermost.push(directive);
    }
    Ok(())
}

/// The words and braces of a line, each with its column. Comments end it.
fn tokens(at: &At, line: &str) -> Result<Vec<(usize, Token)>, SyntaxError> {
    let mut tokens = Vec::new();
    let mut word: Option<(usize, String)> = None;
    let mut characters = line.chars().enumerate().peekable();
    let flush = |word: &mut Option<(usize, String)>, tokens: &mut Vec<(usize, Token)>| {
        if let Some((column, text)) = word.take() {
            tokens.push((column, Token::Word(text)));
        }
    };
    while let Some((n, c)) = characters.next() {
        let column = n + 1;
        match c {
            '#' | '!' => break,
            '{' | '}' => {
                flush(&mut word, &mut tokens);
                tokens.push((column, if c == '{' { Token::Open } else { Token::Close }));
            }
            '"' | '\'' => {
                let (_, text) = word.get_or_insert_with(|| (column, String::new()));
                let mut closed = false;
                while let Some((_, inner)) = characters.next() {
                    if inner == c {
                        closed = true;
                        break;
                    }
                    let meant = if inner == '\\' { escaped(&mut characters) } else { None };
                    text.push(meant.unwrap_or(inner));
                }
                if !closed {
                    let message = format!("the quote {c} is not closed on this line");
                    return Err(SyntaxError { at: At { column, ..at.clone() }, message });
                }
            }
            '\\' => {
                let meant = escaped(&mut characters).unwrap_or('\\');
                word.get_or_insert_with(|| (column, String::new())).1.push(meant);
            }
            white if white.is_whitespace() => flush(&mut word, &mut tokens),
            other => word.get_or_insert_with(|| (column, String::new())).1.push(other),
        }
    }
    flush(&mut word, &mut tokens);
    Ok(tokens)
}

#[cfg(test)]
mod tests;
