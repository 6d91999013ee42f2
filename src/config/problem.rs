//! A [`Problem`] of a configuration, and how it looks: as rustc shows its own, and as plain data.
//!
//! Knows nothing of what is checked. Must never fail on any text or span.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

use annotate_snippets::renderer::Renderer;
use annotate_snippets::{Annotation, AnnotationKind, Group, Level, Snippet, normalize_untrusted_str};
use serde::Serialize;

use super::{Colour, Source, Sources};

/// How many problems a report shows; the others are counted.
pub const SHOWN_MAX: usize = 100;

/// How many problems are kept for sorting; more are only counted.
const KEPT_MAX: usize = 10_000;

/// Text in the files.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Index into [`Sources::files`].
    pub file: usize,
    /// First byte of it.
    pub start: usize,
    /// The byte after it; equal to `start` for a point.
    pub end: usize,
}

impl Place {
    /// The text `span` of file `file`.
    pub fn new(file: usize, span: Range<usize>) -> Self {
        Self { file, start: span.start, end: span.end }
    }

    /// A file as a whole.
    pub fn file(file: usize) -> Self {
        Self { file, start: 0, end: 0 }
    }
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The rule that is broken, in one line.
    pub rule: String,
    /// The text that breaks it.
    pub place: Place,
    /// What is said under that text; may be empty.
    pub label: String,
    /// Other text that belongs to it, such as where a name was first used.
    pub also: Option<(Place, String)>,
    /// Why the rule is there, or the arithmetic.
    pub note: Option<String>,
    /// What to write.
    pub fix: Option<String>,
}

impl Problem {
    /// A problem with nothing but its rule.
    pub fn new(place: Place, rule: impl Into<String>) -> Self {
        Self { rule: rule.into(), place, label: String::new(), also: None, note: None, fix: None }
    }

    /// Says something under the text.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Points at other text.
    #[must_use]
    pub fn also(mut self, place: Place, label: impl Into<String>) -> Self {
        self.also = Some((place, label.into()));
        self
    }

    /// Says why.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.note = Some(note.into());
        self
    }

    /// Says what to write.
    #[must_use]
    pub fn fix(mut self, fix: impl Into<String>) -> Self {
        self.fix = Some(fix.into());
        self
    }

    fn shortened(mut self) -> Self {
        let others = [self.also.as_mut().map(|(_, label)| label), self.note.as_mut(), self.fix.as_mut()];
        [&mut self.rule, &mut self.label].into_iter().chain(others.into_iter().flatten()).for_each(shorten);
        self
    }
}

/// Characters of one text of a problem; names of any length may be quoted in it.
const TEXT_CHARS_MAX: usize = 400;

fn shorten(text: &mut String) {
    if let Some((cut, _)) = text.char_indices().nth(TEXT_CHARS_MAX) {
        text.truncate(cut);
        text.push_str("...");
    }
}

/// Everything that is wrong with a configuration, in the order of the files.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems {
    list: Vec<Problem>,
    uncounted: usize,
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self { list: vec![problem], uncounted: 0 }
    }
}

impl Problems {
    pub(super) fn add(&mut self, problem: Problem) {
        if self.list.len() < KEPT_MAX {
            self.list.push(problem.shortened());
        } else {
            self.uncounted = self.uncounted.saturating_add(1);
        }
    }

    /// No further problem would be kept; looking for more is a waste.
    pub(super) fn is_full(&self) -> bool {
        self.list.len() >= KEPT_MAX
    }

    pub(super) fn sorted(mut self) -> Self {
        self.list.sort_by(|a, b| a.place.cmp(&b.place));
        self.list.dedup();
        self
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.list.len().saturating_add(self.uncounted)
    }

    /// Each of them, in the order of the files.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.list.iter()
    }

    /// The report for people; `colour` adds ANSI escapes. Shows at most [`SHOWN_MAX`] problems and counts the others.
    pub fn report(&self, sources: &Sources, colour: Colour) -> String {
        let renderer = match colour {
            Colour::Ansi => Renderer::styled(),
            Colour::None => Renderer::plain(),
        };
        let mut text = String::new();
        for problem in self.list.iter().take(SHOWN_MAX) {
            text.push_str(renderer.render(&[group(problem, sources)]).trim_end());
            text.push_str("\n\n");
        }
        let shown = self.list.len().min(SHOWN_MAX);
        let summary = match (self.len(), self.len().saturating_sub(shown)) {
            (1, _) => "1 problem".to_owned(),
            (all, 0) => format!("{all} problems"),
            (all, more) => format!("{all} problems: the first {shown} are shown, and {more} more"),
        };
        let main = sources.files.first().map(|s| s.path.display().to_string()).unwrap_or_default();
        // Writing to a String does not fail.
        writeln!(text, "{}: {summary}", normalize_untrusted_str(&main)).unwrap_or_default();
        text
    }

    /// The same for machines: at most [`SHOWN_MAX`] problems.
    pub fn records(&self, sources: &Sources) -> Vec<ProblemRecord> {
        self.list.iter().take(SHOWN_MAX).map(|problem| record(problem, sources)).collect()
    }
}

/// A problem for machines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProblemRecord {
    /// The file, as it was named when it was read.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Column after the last character of the text, on the same line.
    pub column_end: usize,
    /// The rule that is broken, with what is said about the text.
    pub message: String,
    /// Why, or the arithmetic.
    pub note: Option<String>,
    /// What to write.
    pub fix: Option<String>,
}

fn record(problem: &Problem, sources: &Sources) -> ProblemRecord {
    let source = sources.files.get(problem.place.file);
    let text = source.map_or("", |s| s.text.as_str());
    let span = span_on_one_line(text, &problem.place);
    let line_start = line_start(text, span.start);
    let chars = |range: Range<usize>| text.get(range).unwrap_or_default().chars().count();
    let column = chars(line_start..span.start).saturating_add(1);
    let message =
        if problem.label.is_empty() { problem.rule.clone() } else { format!("{}: {}", problem.rule, problem.label) };
    ProblemRecord {
        file: source.map(|s| s.path.display().to_string()).unwrap_or_default(),
        line: line_number(text, span.start),
        column,
        column_end: column.saturating_add(chars(span)),
        message,
        note: problem.note.clone(),
        fix: problem.fix.clone(),
    }
}

fn group<'a>(problem: &'a Problem, sources: &'a Sources) -> Group<'a> {
    let mut group = Group::with_title(Level::ERROR.primary_title(problem.rule.as_str()));
    let same_file = problem.also.as_ref().filter(|(place, _)| place.file == problem.place.file);
    let primary = (AnnotationKind::Primary, &problem.place, problem.label.as_str());
    let other = problem.also.as_ref().map(|(place, label)| (AnnotationKind::Context, place, label.as_str()));
    if same_file.is_some() {
        let both: Vec<_> = [Some(primary), other].into_iter().flatten().collect();
        group = group.element(snippet(sources, problem.place.file, &both));
    } else {
        group = group.element(snippet(sources, problem.place.file, &[primary]));
        if let Some(other) = other {
            group = group.element(snippet(sources, other.1.file, &[other]));
        }
    }
    if let Some(note) = &problem.note {
        group = group.element(Level::NOTE.message(normalize_untrusted_str(note)));
    }
    if let Some(fix) = &problem.fix {
        group = group.element(Level::HELP.message(normalize_untrusted_str(fix)));
    }
    group
}

/// The lines from the first to the last annotation; the whole file would be measured again for every problem.
fn snippet<'a>(
    sources: &'a Sources,
    file: usize,
    parts: &[(AnnotationKind, &Place, &'a str)],
) -> Snippet<'a, Annotation<'a>> {
    let (path, text) = match sources.files.get(file) {
        Some(Source { path, text }) => (path.display().to_string(), text.as_str()),
        None => (String::new(), ""),
    };
    let spans: Vec<_> =
        parts.iter().map(|(kind, place, label)| (*kind, span_on_one_line(text, place), *label)).collect();
    let first = line_start(text, spans.iter().map(|s| s.1.start).min().unwrap_or(0));
    let last = line_end(text, spans.iter().map(|s| s.1.end).max().unwrap_or(0));
    let annotations = spans.into_iter().map(|(kind, span, label)| {
        let label = (!label.is_empty()).then_some(label);
        kind.span(span.start.saturating_sub(first)..span.end.saturating_sub(first)).label(label)
    });
    Snippet::source(masked(text.get(first..last).unwrap_or_default()))
        .path(path)
        .line_start(line_number(text, first))
        .annotations(annotations)
}

/// Text with stars in place of hashes of passwords, byte for byte: reports go to logs and to people who ask for help.
fn masked(text: &str) -> Cow<'_, str> {
    let (mut inside, mut before) = (false, ' ');
    let mut stars = |c: char| {
        let quote = |c| matches!(c, '"' | '\'');
        inside = if inside { !quote(c) && c != '\n' } else { c == '$' && quote(before) };
        before = c;
        if inside { "*".repeat(c.len_utf8()) } else { c.to_string() }
    };
    let hashes = super::limits::PASSWORD_HASHES.iter().any(|hash| text.contains(hash));
    if hashes { text.chars().map(&mut stars).collect() } else { text.into() }
}

/// The span of a place, cut to its first line and to whole characters inside the text.
fn span_on_one_line(text: &str, place: &Place) -> Range<usize> {
    let start = floor(text, place.start);
    let end = floor(text, place.end).max(start);
    let written = text.get(start..end).unwrap_or_default();
    let line = written.split(['\n', '\r']).next().unwrap_or_default();
    start..start.saturating_add(line.len())
}

fn floor(text: &str, index: usize) -> usize {
    let mut index = index.min(text.len());
    while !text.is_char_boundary(index) {
        index = index.saturating_sub(1);
    }
    index
}

fn line_start(text: &str, index: usize) -> usize {
    text.get(..index).and_then(|before| before.rfind('\n')).map_or(0, |newline| newline.saturating_add(1))
}

fn line_end(text: &str, index: usize) -> usize {
    let after = text.get(index..).unwrap_or_default();
    let rest = after.find('\n').unwrap_or(after.len());
    index.saturating_add(rest)
}

/// Line of a byte, from 1.
pub(super) fn line_number(text: &str, index: usize) -> usize {
    let before = text.as_bytes().get(..index).unwrap_or_default();
    before.iter().filter(|byte| **byte == b'\n').count().saturating_add(1)
}
