//! From texts to single lines: continuation, conditions, variables, sequences and includes.
//!
//! Bounded in lines, bytes and depth: variables that hold each other end in an error.

use super::{At, BYTES_MAX, FILES_MAX, INCLUDE_DEPTH_MAX, Include, LINES_MAX, SyntaxError, place};

/// How often variables of a line are put in.
const ROUNDS_MAX: usize = 16;

/// Collects the lines of a configuration.
pub(super) struct Reader<'a> {
    config_id: &'a str,
    include: Include<'a>,
    variables: Vec<(String, String)>,
    files: usize,
    bytes: usize,
    /// What was read, in order.
    pub(super) lines: Vec<(At, String)>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(config_id: &'a str, include: Include<'a>) -> Self {
        Self { config_id, include, variables: Vec::new(), files: 0, bytes: 0, lines: Vec::new() }
    }

    /// Reads a file and those that it includes.
    pub(super) fn file(&mut self, path: &str, text: &str, depth: usize) -> Result<(), SyntaxError> {
        self.files += 1;
        if self.files > FILES_MAX || depth > INCLUDE_DEPTH_MAX {
            let message = format!("more than {FILES_MAX} files, or includes deeper than {INCLUDE_DEPTH_MAX}");
            return Err(SyntaxError { at: place(path, 1), message });
        }
        let mut lines = text.lines().enumerate();
        while let Some((n, line)) = lines.next() {
            let at = place(path, n + 1);
            let mut whole = line.trim().to_owned();
            let definition = definition(self.condition(&whole).unwrap_or_default()).is_some();
            while whole.ends_with('\\') && !comment(&whole) {
                whole.pop();
                let Some((_, next)) = lines.next() else { break };
                // Within a definition each line stays one; else they become one.
                whole.push(if definition { '\n' } else { ' ' });
                whole.push_str(next.trim());
                self.spend(&at, next.len())?;
            }
            if comment(&whole) {
                continue;
            }
            let Some(active) = self.condition(&whole).map(str::to_owned) else { continue };
            match definition_parts(&active) {
                Some((name, value)) => {
                    self.variables.retain(|(known, _)| *known != name);
                    self.variables.push((name, value));
                }
                None => self.put_in(&at, &active, depth, 0)?,
            }
        }
        Ok(())
    }

    /// The line without its `@id`; none: it is for another id.
    fn condition<'t>(&self, line: &'t str) -> Option<&'t str> {
        let Some(rest) = line.strip_prefix('@') else { return Some(line) };
        let (id, active) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let applies = match id.strip_prefix('^') {
            Some(not) => not != self.config_id,
            None => id == self.config_id,
        };
        applies.then(|| active.trim_start())
    }

    fn spend(&mut self, at: &At, bytes: usize) -> Result<(), SyntaxError> {
        self.bytes += bytes;
        if self.bytes > BYTES_MAX || self.lines.len() > LINES_MAX {
            let message = format!("more than {LINES_MAX} lines or {BYTES_MAX} bytes once all is put in");
            return Err(SyntaxError { at: at.clone(), message });
        }
        Ok(())
    }

    /// Puts variables and sequences into a line, and keeps what comes out.
    fn put_in(&mut self, at: &At, line: &str, depth: usize, round: usize) -> Result<(), SyntaxError> {
        self.spend(at, line.len() + 1)?;
        if round > ROUNDS_MAX {
            let message = format!("variables are put in more than {ROUNDS_MAX} times: they hold each other");
            return Err(SyntaxError { at: at.clone(), message });
        }
        if let Some((first, rest)) = line.split_once('\n') {
            self.put_in(at, first.trim(), depth, round + 1)?;
            return rest.lines().try_for_each(|line| self.put_in(at, line.trim(), depth, round + 1));
        }
        if comment(line) {
            return Ok(());
        }
        if let Some(sequence) = sequence(at, line)? {
            for value in sequence.values {
                let text = replaced(&sequence.text, &[(sequence.variable.clone(), value)]);
                self.put_in(at, &text, depth, round + 1)?;
            }
            return Ok(());
        }
        let text = replaced(line, &self.variables);
        if text != line {
            return self.put_in(at, &text, depth, round + 1);
        }
        let mut words = line.split_whitespace();
        let keyword = words.next().unwrap_or_default();
        if matches!(keyword, "include" | "includer" | "includem" | "includew" | "includeb" | "includea") {
            let pattern = words.next().unwrap_or_default().trim_matches('"');
            let found = (self.include)(&at.file, pattern);
            let found = found.map_err(|message| SyntaxError { at: at.clone(), message })?;
            return found.iter().try_for_each(|(path, text)| self.file(path, text, depth + 1));
        }
        self.lines.push((at.clone(), line.to_owned()));
        Ok(())
    }
}

fn comment(line: &str) -> bool {
    line.is_empty() || line.starts_with(['#', '!'])
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// The name and the value of `$NAME=value`.
fn definition(line: &str) -> Option<(&str, &str)> {
    let (name, value) = line.strip_prefix('$')?.split_once('=')?;
    let name = name.trim_end();
    (!name.is_empty() && name.chars().all(is_name)).then_some((name, value))
}

/// The same, without the comment and the quotes of the value.
fn definition_parts(line: &str) -> Option<(String, String)> {
    let (name, value) = definition(line)?;
    let value = value.trim();
    let bare = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    Some((name.to_owned(), bare.filter(|inside| !inside.contains('"')).unwrap_or(value).to_owned()))
}

/// A line with `$NAME` and `${NAME}` replaced once; names that are unknown stay.
fn replaced(line: &str, variables: &[(String, String)]) -> String {
    let mut out = String::new();
    let mut rest = line;
    while let Some((before, after)) = rest.split_once('$') {
        out.push_str(before);
        let braced = after.strip_prefix('{').and_then(|inside| inside.split_once('}'));
        let (name, behind) = braced.unwrap_or_else(|| {
            let end = after.find(|c| !is_name(c)).unwrap_or(after.len());
            after.split_at(end)
        });
        match variables.iter().find(|(known, _)| known == name) {
            Some((_, value)) => {
                out.push_str(value);
                rest = behind;
            }
            None => {
                out.push('$');
                rest = after;
            }
        }
        if out.len() > BYTES_MAX {
            break;
        }
    }
    out.push_str(rest);
    out
}

/// `~SEQ(...)` or `~LST(...)` of a line.
struct Sequence {
    variable: String,
    values: Vec<String>,
    text: String,
}

fn sequence(at: &At, line: &str) -> Result<Option<Sequence>, SyntaxError> {
    let found = ["~SEQx(", "~SEQ(", "~LST("].into_iter().find_map(|word| Some((word, line.split_once(word)?)));
    let Some((word, (before, after))) = found else { return Ok(None) };
    let wrong = |message: &str| SyntaxError { at: at.clone(), message: message.to_owned() };
    let (inside, behind) = after.split_once(')').ok_or_else(|| wrong("the ) of ~SEQ or ~LST is missing"))?;
    let mut parts = inside.split(',').map(str::trim);
    let variable = parts.next().unwrap_or_default().to_owned();
    let text = format!("{before}{}", behind.trim_start());
    if word == "~LST(" {
        return Ok(Some(Sequence { variable, values: parts.map(str::to_owned).collect(), text }));
    }
    let numbers: Option<Vec<i64>> = parts.map(|part| part.parse().ok()).collect();
    let (start, step, end) = match numbers.as_deref() {
        Some([end]) => (1, 1, *end),
        Some([start, end]) => (*start, if end < start { -1 } else { 1 }, *end),
        Some([start, step, end]) => (*start, *step, *end),
        _ => return Err(wrong("~SEQ takes a variable and one to three whole numbers")),
    };
    if step == 0 {
        return Err(wrong("the step of ~SEQ is 0: it never ends"));
    }
    let mut values = Vec::new();
    let mut value = start;
    while (step > 0 && value <= end) || (step < 0 && value >= end) {
        values.push(if word == "~SEQx(" { format!("{value:x}") } else { value.to_string() });
        if values.len() > LINES_MAX {
            return Err(wrong("~SEQ makes too many lines"));
        }
        let Some(next) = value.checked_add(step) else { break };
        value = next;
    }
    Ok(Some(Sequence { variable, values, text }))
}
