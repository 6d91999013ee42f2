//! From a line of the rendered text back to the line of the TOML.
//!
//! Derived from the text alone, by section and keyword, so that it holds for a user's template as well. It must
//! never guess: a line that matches nothing has the origin of its section, and outside of known sections none.

use std::collections::HashMap;
use std::path::Path;

use super::frontend::addresses;
use super::operation::STATS_NAME;
use super::rules::rules;
use crate::config::{Backend, Config, Frontend, Origin, RawLine, Resolvers};

/// The origin of every line of `text`, as far as known.
pub(super) fn trace(text: &str, config: &Config, files_dir: &Path) -> Vec<Option<Origin>> {
    let index = Index::new(config, files_dir);
    let mut section = Section::Outside;
    let mut raw_sections = RawCursor::new(&config.proxy.raw.sections);
    let mut raw_lines = RawCursor::new(&[]);
    let mut traced = Vec::new();
    for line in text.lines() {
        if let Some(opened) = index.open(line) {
            section = opened;
            raw_lines = RawCursor::new(match section {
                Section::Global => &config.proxy.raw.global,
                Section::Defaults => &config.proxy.raw.defaults,
                Section::Frontend(f) => &f.raw,
                Section::Backend(b) => &b.raw,
                Section::Resolvers(_) | Section::Told(_) | Section::Other | Section::Outside => &[],
            });
        }
        let blank = matches!(line.trim(), "") || line.trim_start().starts_with('#');
        traced.push(if blank && !matches!(section, Section::Other) {
            None
        } else {
            index.keyword(section, line).or_else(|| raw_lines.take(line)).or_else(|| match section {
                Section::Global | Section::Defaults => config.proxy.origin,
                Section::Frontend(f) => Some(f.origin),
                Section::Backend(b) => Some(b.origin),
                Section::Resolvers(r) => Some(r.origin),
                Section::Told(origin) => Some(origin),
                Section::Other | Section::Outside => raw_sections.take(line),
            })
        });
    }
    traced
}

/// The section that a line belongs to.
#[derive(Clone, Copy)]
enum Section<'a> {
    Outside,
    Global,
    Defaults,
    Frontend(&'a Frontend),
    Backend(&'a Backend),
    Resolvers(&'a Resolvers),
    /// One of ours that was written in one place, which is all that may be quoted: it may hold hashes of passwords.
    Told(Origin),
    /// Not rendered from the model: a raw section, or one of the template's own.
    Other,
}

/// Section keywords of HAProxy, which begin a section wherever they begin a line.
const SECTIONS: [&str; 20] = [
    "global",
    "defaults",
    "frontend",
    "backend",
    "listen",
    "userlist",
    "peers",
    "resolvers",
    "mailers",
    "cache",
    "program",
    "http-errors",
    "ring",
    "log-forward",
    "log-profile",
    "fcgi-app",
    "crt-store",
    "traces",
    "acme",
    "healthcheck",
];

struct Index<'a> {
    frontends: HashMap<&'a str, &'a Frontend>,
    backends: HashMap<&'a str, &'a Backend>,
    resolvers: HashMap<&'a str, &'a Resolvers>,
    binds: HashMap<(&'a str, String), Origin>,
    servers: HashMap<(&'a str, &'a str), Origin>,
    userlists: HashMap<&'a str, Origin>,
    stats: Option<Origin>,
    /// Lines that were made of a frontend's keys.
    rules: HashMap<(&'a str, String), Origin>,
}

impl<'a> Index<'a> {
    fn new(config: &'a Config, files_dir: &Path) -> Self {
        let binds = config.frontends.iter().flat_map(|f| {
            let of_bind = move |b| addresses(config, b).into_iter().map(move |(a, _)| a);
            f.binds.iter().flat_map(move |b| of_bind(b).map(move |a| ((f.name.as_str(), a), b.origin)))
        });
        let servers = config
            .backends
            .iter()
            .flat_map(|b| b.servers.iter().map(move |s| ((b.name.as_str(), s.name.as_str()), s.origin)));
        Self {
            frontends: config.frontends.iter().map(|f| (f.name.as_str(), f)).collect(),
            backends: config.backends.iter().map(|b| (b.name.as_str(), b)).collect(),
            resolvers: config.resolvers.iter().map(|r| (r.name.as_str(), r)).collect(),
            binds: binds.collect(),
            servers: servers.collect(),
            userlists: config.userlists.iter().map(|list| (list.name.as_str(), list.origin)).collect(),
            stats: config.stats.as_ref().map(|stats| stats.origin),
            rules: config.frontends.iter().flat_map(|frontend| of_rules(config, frontend, files_dir)).collect(),
        }
    }

    /// The section that `line` begins.
    fn open(&self, line: &str) -> Option<Section<'a>> {
        let mut words = line.split_whitespace();
        let keyword = words.next().filter(|w| SECTIONS.contains(w))?;
        Some(match (keyword, words.next()) {
            ("global", None) => Section::Global,
            ("defaults", None) => Section::Defaults,
            ("frontend", Some(STATS_NAME)) if self.stats.is_some() => self.stats.map_or(Section::Other, Section::Told),
            ("userlist", Some(name)) => {
                self.userlists.get(name).map_or(Section::Other, |origin| Section::Told(*origin))
            }
            ("frontend", Some(name)) => self.frontends.get(name).map_or(Section::Other, |f| Section::Frontend(f)),
            ("backend", Some(name)) => self.backends.get(name).map_or(Section::Other, |b| Section::Backend(b)),
            ("resolvers", Some(name)) => self.resolvers.get(name).map_or(Section::Other, |r| Section::Resolvers(r)),
            _ => Section::Other,
        })
    }

    /// The origin of a `bind` or `server` line, or of a rule.
    fn keyword(&self, section: Section<'_>, line: &str) -> Option<Origin> {
        if let Section::Frontend(f) = section
            && let Some(origin) = self.rules.get(&(f.name.as_str(), line.trim().to_owned()))
        {
            return Some(*origin);
        }
        let mut words = line.split_whitespace();
        let (keyword, subject) = (words.next()?, words.next()?);
        match (section, keyword) {
            (Section::Frontend(f), "bind") => self.binds.get(&(f.name.as_str(), subject.to_owned())).copied(),
            (Section::Backend(b), "server-template") => b.template.as_ref().map(|template| template.origin),
            (Section::Backend(b), "server") => self.servers.get(&(b.name.as_str(), subject)).copied(),
            _ => None,
        }
    }
}

fn of_rules<'a>(config: &Config, frontend: &'a Frontend, files_dir: &Path) -> Vec<((&'a str, String), Origin)> {
    // A rule that cannot be rendered is in no text either.
    let lines = rules(config, frontend, files_dir).map(|rules| rules.lines).unwrap_or_default();
    lines.into_iter().map(|line| ((frontend.name.as_str(), line.text), line.origin)).collect()
}

/// Raw lines in their order; equal lines are told apart by it.
struct RawCursor<'a> {
    lines: &'a [RawLine],
}

impl<'a> RawCursor<'a> {
    fn new(lines: &'a [RawLine]) -> Self {
        Self { lines }
    }

    fn take(&mut self, line: &str) -> Option<Origin> {
        let at = self.lines.iter().position(|raw| raw.text.trim() == line.trim())?;
        let found = self.lines.get(at)?.origin;
        self.lines = self.lines.get(at + 1..).unwrap_or_default();
        Some(found)
    }
}
