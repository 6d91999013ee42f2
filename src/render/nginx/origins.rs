//! From a line of nginx.conf back to the line of the TOML.
//!
//! Derived from the text alone, by blocks and directives, so that it holds for a user's template as well. It must
//! never guess: a line that matches nothing has the origin of its block, and outside of known blocks none.

use std::collections::HashMap;

use super::listened;
use crate::config::{Backend, Config, Frontend, Origin, RawLine};

/// What a comment says before the blocks of a frontend.
const FRONTEND_MARK: &str = "# frontend ";

/// What a comment says before what one of its routes looks up.
const ROUTE_MARK: &str = "# route ";

/// The origin of every line of `text`, as far as known.
pub(in crate::render) fn trace(text: &str, config: &Config) -> Vec<Option<Origin>> {
    Tracer::new(config).run(text)
}

/// The block that a line stands in.
#[derive(Clone, Copy)]
enum Block<'a> {
    Main,
    /// `http` or `stream`.
    Module,
    Frontend(&'a Frontend),
    Backend(&'a Backend),
    /// Inside a frontend or backend, such as its `location`.
    Within(Origin),
    /// Not rendered from the model.
    Other,
}

struct Tracer<'a> {
    config: &'a Config,
    frontends: HashMap<&'a str, &'a Frontend>,
    backends: HashMap<&'a str, &'a Backend>,
    binds: HashMap<(&'a str, String), Origin>,
    /// The next `server` block is that of this frontend.
    marked: Option<&'a Frontend>,
    /// What comes before it is about this route of it.
    route: Option<Origin>,
    open: Vec<Block<'a>>,
    main: RawLines<'a>,
    http: RawLines<'a>,
    sections: RawLines<'a>,
    /// Raw lines of the frontend or backend that is open.
    own: RawLines<'a>,
    /// The servers of the backend that is open which have not had their line yet.
    servers: Vec<(&'a str, Origin)>,
}

impl<'a> Tracer<'a> {
    fn new(config: &'a Config) -> Self {
        let binds = config.frontends.iter().flat_map(|f| {
            let of_bind = move |bind| listened(config, bind).into_iter().map(|address| address.to_string());
            f.binds.iter().flat_map(move |b| of_bind(b).map(move |address| ((f.name.as_str(), address), b.origin)))
        });
        Self {
            config,
            frontends: config.frontends.iter().map(|f| (f.name.as_str(), f)).collect(),
            backends: config.backends.iter().map(|b| (b.name.as_str(), b)).collect(),
            binds: binds.collect(),
            marked: None,
            route: None,
            open: Vec::new(),
            main: RawLines::new(&config.proxy.raw.global),
            http: RawLines::new(&config.proxy.raw.defaults),
            sections: RawLines::new(&config.proxy.raw.sections),
            own: RawLines::new(&[]),
            servers: Vec::new(),
        }
    }

    fn run(mut self, text: &str) -> Vec<Option<Origin>> {
        text.lines().map(|line| self.line(line)).collect()
    }

    fn line(&mut self, line: &str) -> Option<Origin> {
        let trimmed = line.trim();
        if let Some(name) = trimmed.strip_prefix(FRONTEND_MARK) {
            self.marked = self.frontends.get(name).copied();
            self.route = None;
            return None;
        }
        if let (Some(frontend), Some(number)) = (self.marked, trimmed.strip_prefix(ROUTE_MARK)) {
            self.route = route(frontend, number);
            return None;
        }
        if trimmed.is_empty() || trimmed.starts_with('#') {
            return None;
        }
        // A block that a raw line opens or closes belongs to its lines.
        if let Some(raw) = self.raw(line) {
            return Some(raw);
        }
        if trimmed == "}" {
            let ended = self.open.pop();
            return self.origin_of(ended.unwrap_or(Block::Main));
        }
        if let Some(head) = trimmed.strip_suffix('{') {
            let block = self.opened(head.trim_end());
            self.open.push(block);
            return self.origin_of(block);
        }
        self.directive(trimmed).or_else(|| self.origin_of(self.block()))
    }

    fn block(&self) -> Block<'a> {
        self.open.last().copied().unwrap_or(Block::Main)
    }

    fn raw(&mut self, line: &str) -> Option<Origin> {
        match self.block() {
            Block::Main => self.main.take(line).or_else(|| self.sections.take(line)),
            Block::Module => self.http.take(line),
            Block::Frontend(_) | Block::Backend(_) => self.own.take(line),
            Block::Within(_) | Block::Other => None,
        }
    }

    fn opened(&mut self, head: &str) -> Block<'a> {
        let mut words = head.split_whitespace();
        match (words.next().unwrap_or_default(), words.next(), self.block()) {
            ("http" | "stream", None, Block::Main) => Block::Module,
            ("upstream", Some(name), Block::Module) => match self.backends.get(name).copied() {
                Some(backend) => {
                    self.own = RawLines::new(&backend.raw);
                    self.servers = backend.servers.iter().map(|s| (s.address.as_str(), s.origin)).collect();
                    Block::Backend(backend)
                }
                None => Block::Other,
            },
            ("server", None, Block::Module) => match self.marked.take() {
                Some(frontend) => {
                    self.own = RawLines::new(&frontend.raw);
                    Block::Frontend(frontend)
                }
                None => Block::Other,
            },
            (_, _, Block::Frontend(Frontend { origin, .. }) | Block::Backend(Backend { origin, .. })) => {
                Block::Within(*origin)
            }
            (_, _, Block::Within(origin)) => Block::Within(origin),
            ("map" | "geo", _, Block::Module) => match self.marked {
                Some(frontend) => Block::Within(self.route.unwrap_or(frontend.origin)),
                None => Block::Other,
            },
            (_, _, Block::Main | Block::Module | Block::Other) => Block::Other,
        }
    }

    /// The origin of a `listen` or `server` line.
    fn directive(&mut self, line: &str) -> Option<Origin> {
        let mut words = line.trim_end_matches(';').split_whitespace();
        let (keyword, subject) = (words.next()?, words.next()?);
        match (self.block(), keyword) {
            // `if ($vipkeeper_1_route = 2) { ... }`
            (Block::Frontend(frontend), "if") if subject.ends_with("_route") => {
                route(frontend, words.nth(1)?.trim_end_matches(')'))
            }
            (Block::Frontend(frontend), "listen") => {
                self.binds.get(&(frontend.name.as_str(), subject.to_owned())).copied()
            }
            (Block::Backend(_), "server") => {
                let at = self.servers.iter().position(|(address, _)| *address == subject)?;
                Some(self.servers.remove(at).1)
            }
            (
                Block::Main | Block::Module | Block::Frontend(_) | Block::Backend(_) | Block::Within(_) | Block::Other,
                _,
            ) => None,
        }
    }

    fn origin_of(&self, block: Block<'_>) -> Option<Origin> {
        match block {
            Block::Main | Block::Module => self.config.proxy.origin,
            Block::Frontend(frontend) => Some(frontend.origin),
            Block::Backend(backend) => Some(backend.origin),
            Block::Within(origin) => Some(origin),
            Block::Other => None,
        }
    }
}

/// The origin of a route by its number, which begins at 1.
fn route(frontend: &Frontend, number: &str) -> Option<Origin> {
    let at = number.trim().parse::<usize>().ok()?.checked_sub(1)?;
    frontend.rules.routes.get(at).map(|route| route.origin)
}

/// Raw lines, which stand one after the other as they were written. (To look further ahead would take the brace that
/// ends a block of ours for one of theirs.)
struct RawLines<'a> {
    ahead: &'a [RawLine],
}

impl<'a> RawLines<'a> {
    fn new(ahead: &'a [RawLine]) -> Self {
        Self { ahead }
    }

    fn take(&mut self, line: &str) -> Option<Origin> {
        let (next, rest) = self.ahead.split_first()?;
        if next.text.trim() != line.trim() {
            return None;
        }
        self.ahead = rest;
        Some(next.origin)
    }
}
