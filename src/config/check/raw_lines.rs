//! Raw lines: passed through to the proxy unread, but for what would break our hold on it.

use super::{Cx, nginx};
use crate::config::limits::RAW_LINE_BYTES_MAX;
use crate::config::problem::{Place, Problem};
use crate::config::written::At;
use crate::config::{Engine, RawLine};

/// Where raw lines go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Global,
    Defaults,
    Frontend,
    Backend,
    /// Whole sections, which start with their keywords.
    Whole,
}

/// Words that start a section; inside another they would end it.
const SECTIONS: [&str; 21] = [
    "acme",
    "backend",
    "cache",
    "crt-store",
    "defaults",
    "dynamic-update",
    "fcgi-app",
    "frontend",
    "global",
    "healthcheck",
    "http-errors",
    "listen",
    "log-forward",
    "log-profile",
    "mailers",
    "peers",
    "program",
    "resolvers",
    "ring",
    "traces",
    "userlist",
];

/// Lines of the global section that would take HAProxy out of our hands, with the reason and what to do.
const FORBIDDEN_GLOBAL: [(&str, &str, &str); 8] = [
    ("daemon", "it would fork away from vipkeeper, which would take it for dead", "leave it out"),
    ("master-worker", "vipkeeper starts HAProxy with -W already", "leave it out"),
    ("nbproc", "health and reloads know one worker process", "write `nbthread` in [proxy]"),
    ("pidfile", "vipkeeper watches the process itself; with -W the file names the wrong one", "leave it out"),
    ("description", "vipkeeper writes the generation of the file there and checks that it is served", "leave it out"),
    ("node", "vipkeeper writes the name of the [[node]] there", "leave it out"),
    ("hard-stop-after", "it is set by a key of its own", "write `hard_stop_after` in [proxy]"),
    ("zero-warning", "harmless warnings of newer versions would refuse the file", "leave it out"),
];

/// All lines with their places; None if one was reported.
pub(super) fn check(
    cx: &mut Cx<'_>,
    file: usize,
    section: Section,
    list: Option<&At<Vec<At<String>>>>,
) -> Option<Vec<RawLine>> {
    let Some(list) = list else { return Some(Vec::new()) };
    if cx.engine == Engine::Nginx {
        return nginx::raw_lines(cx, file, section, list);
    }
    let mut lines = Vec::new();
    let mut whole = true;
    // The section that the line stands in, where lines may start their own.
    let mut inside = section;
    let mut open_ifs: Vec<Place> = Vec::new();
    for written in list.get() {
        let place = Place::new(file, written.span());
        let text = written.get();
        if !is_one_line(cx, &place, text) {
            whole = false;
            continue;
        }
        let word = text.split_whitespace().next().unwrap_or_default();
        let problem = refused(&place, section, inside, word);
        if section == Section::Whole && SECTIONS.contains(&word) {
            inside = if word == "global" { Section::Global } else { Section::Defaults };
        }
        let problem = problem.or_else(|| balance(&mut open_ifs, &place, word));
        match problem {
            Some(problem) => {
                cx.add(problem);
                whole = false;
            }
            None => lines.push(RawLine { text: text.clone(), origin: cx.origin(&place) }),
        }
    }
    for place in open_ifs {
        let problem = Problem::new(place, "`.if` without `.endif` in the same list").label("never closed");
        cx.add(problem.note("the rest of the file would depend on it").fix("add \".endif\""));
        whole = false;
    }
    whole.then_some(lines)
}

pub(super) fn is_one_line(cx: &mut Cx<'_>, place: &Place, text: &str) -> bool {
    if text.contains(['\n', '\r']) {
        let problem = Problem::new(place.clone(), "a raw line is one line").label("line break inside");
        cx.add(problem.fix("write one entry per line: [\"first\", \"second\"]"));
        return false;
    }
    if text.chars().any(|c| c.is_control() && c != '\t') {
        let problem = Problem::new(place.clone(), "a raw line must not have control characters");
        cx.add(problem.label("control character").fix("take it out"));
        return false;
    }
    if text.len() > RAW_LINE_BYTES_MAX {
        let problem = Problem::new(place.clone(), format!("a raw line may have at most {RAW_LINE_BYTES_MAX} bytes"));
        cx.add(
            problem.label(format!("{} bytes", text.len())).note("HAProxy reads 2048 bytes per line").fix("split it"),
        );
        return false;
    }
    true
}

/// Why a line with this first word cannot be passed through.
fn refused(place: &Place, section: Section, inside: Section, word: &str) -> Option<Problem> {
    if SECTIONS.contains(&word) {
        if section == Section::Whole {
            return None;
        }
        let problem = Problem::new(place.clone(), format!("`{word}` would start a section of its own here"));
        let note = "what vipkeeper writes after these lines would land in it";
        return Some(problem.label("section keyword").note(note).fix("move the section to `raw_sections` of [proxy]"));
    }
    if section == Section::Whole && inside == Section::Whole && !matches!(word.chars().next(), None | Some('#' | '.')) {
        let problem = Problem::new(place.clone(), "`raw_sections` must begin with the keyword of a section");
        let fix = "begin with a line such as \"listen stats\", or move the line to `raw` of its frontend or backend";
        return Some(problem.label("outside of a section").fix(fix));
    }
    if inside != Section::Global {
        return None;
    }
    let (_, why, fix) = FORBIDDEN_GLOBAL.iter().find(|(name, _, _)| *name == word)?;
    Some(
        Problem::new(place.clone(), format!("`{word}` is not possible in the global section: {why}"))
            .label("refused")
            .fix(*fix),
    )
}

/// `.if` and `.endif` must pair up within one list.
fn balance(open_ifs: &mut Vec<Place>, place: &Place, word: &str) -> Option<Problem> {
    match word {
        ".if" => open_ifs.push(place.clone()),
        ".endif" | ".else" | ".elif" if open_ifs.is_empty() => {
            let problem = Problem::new(place.clone(), format!("`{word}` without `.if` in the same list"));
            return Some(problem.label("nothing to close").fix("remove it, or add \".if\" before"));
        }
        ".endif" => drop(open_ifs.pop()),
        _ => {}
    }
    None
}
