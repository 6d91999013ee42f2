//! Raw lines in nginx's words. Must never let a line pass that takes nginx out of vipkeeper's hands.

use super::super::raw_lines::{Section, is_one_line};
use super::super::{Cx, Reported};
use crate::config::RawLine;
use crate::config::problem::{Place, Problem};
use crate::config::written::At;

/// Directives of the main context that would take nginx out of our hands, with the reason and what to do.
const FORBIDDEN_GLOBAL: [(&str, &str, &str); 8] = [
    ("daemon", "vipkeeper starts nginx with `daemon off`: it would take a fork for an end", "leave it out"),
    ("master_process", "vipkeeper reloads through the master", "leave it out"),
    ("pid", "vipkeeper has the file in its runtime directory", "leave it out"),
    ("worker_processes", "it is set by a key of its own", "write `nbthread` in [proxy]"),
    ("worker_shutdown_timeout", "it is set by a key of its own", "write `hard_stop_after` in [proxy]"),
    ("worker_rlimit_nofile", "it follows from another key", "write `maxconn` in [proxy]"),
    ("user", "it is set by a key of its own", "write `user` in [proxy]"),
    ("events", "vipkeeper writes this block", "write `maxconn` in [proxy]"),
];

/// Lines in nginx's words, checked for what would break our hold on it; None if one was reported.
pub(in super::super) fn raw_lines(
    cx: &mut Cx<'_>,
    file: usize,
    section: Section,
    list: &At<Vec<At<String>>>,
) -> Option<Vec<RawLine>> {
    let mut lines = Vec::new();
    let mut whole = Ok(());
    let mut open: Vec<Place> = Vec::new();
    for written in list.get() {
        let place = Place::new(file, written.span());
        let text = written.get();
        if !is_one_line(cx, &place, text) {
            whole = Err(Reported);
            continue;
        }
        let outside = open.is_empty();
        let problem = forbidden(&place, section, text).filter(|_| outside).or_else(|| braces(&mut open, &place, text));
        match problem {
            Some(problem) => {
                cx.add(problem);
                whole = Err(Reported);
            }
            None => lines.push(RawLine { text: text.clone(), origin: cx.origin(&place) }),
        }
    }
    for place in open {
        let problem = Problem::new(place, "`{` without `}` in the same list").label("never closed");
        cx.add(problem.note("the rest of the file would land in it").fix("add \"}\""));
        whole = Err(Reported);
    }
    whole.ok().map(|()| lines)
}

fn forbidden(place: &Place, section: Section, text: &str) -> Option<Problem> {
    match section {
        Section::Global | Section::Whole => {}
        Section::Defaults | Section::Frontend | Section::Backend => return None,
    }
    let word = text.split(|c: char| c.is_whitespace() || c == ';' || c == '{').find(|word| !word.is_empty())?;
    let (_, why, fix) = FORBIDDEN_GLOBAL.iter().find(|(name, _, _)| *name == word)?;
    let problem = Problem::new(place.clone(), format!("`{word}` is not possible in the main context: {why}"));
    Some(problem.label("refused").fix(*fix))
}

/// Braces outside of quotes and comments must pair up within one list.
fn braces(open: &mut Vec<Place>, place: &Place, text: &str) -> Option<Problem> {
    // Quotes, comments and closing braces count only where a word begins.
    let begins = |before: char| before.is_whitespace() || matches!(before, '{' | '}' | ';');
    let mut quote = None;
    let mut before = ' ';
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (_, '\\') => drop(chars.next()),
            (Some(open), _) if open == c => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') if begins(before) => quote = Some(c),
            (None, '#') if begins(before) => return None,
            // `${name}` is a variable.
            (None, '{') if before == '$' => {
                chars.by_ref().find(|c| *c == '}');
            }
            (None, '{') => open.push(place.clone()),
            (None, '}') if begins(before) && open.pop().is_none() => {
                let problem = Problem::new(place.clone(), "`}` without `{` in the same list");
                return Some(
                    problem.label("would end what vipkeeper opened").fix("remove it, or add the line with `{`"),
                );
            }
            (None, _) => {}
        }
        before = c;
    }
    None
}
