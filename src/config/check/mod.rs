//! What the tables mean: Raw to [`Config`], one file per concept.
//!
//! A function that cannot make its part has reported why and returns None; its neighbours go on, so that every problem
//! is found in one run. Must never stop at the first.

mod addresses;
mod adverts;
mod election;
mod groups;
mod hooks;
mod http;
mod interfaces;
mod nodes;
mod notifier;
mod peers;
mod routes;
mod track;
mod trackers;
mod vips;

mod proxy;
mod raw_lines;

mod access;
mod backends;
mod binds;
mod frontends;
mod operation;
mod resolvers;
mod route_actions;
mod routing;
mod rules;
mod tls;

mod nginx;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::document::{Document, Item};
use super::limits::DurationKey;
use super::problem::{Place, Problem, Problems};
use super::shape::Damaged;
use super::suggest::nearest;
use super::value::{parse_duration, show_duration};
use super::written::{At, DurationText};
use super::{Config, Engine, Origin, Sources};
use crate::units::{Digest, Name};

/// Makes the configuration; None if something was reported that leaves a hole in it.
pub(super) fn check(document: &Document, sources: &Sources, digest: Digest, problems: &mut Problems) -> Option<Config> {
    let main_directory =
        sources.files.first().and_then(|main| main.path.parent()).map(Path::to_path_buf).unwrap_or_default();
    let engine = proxy::engine(document);
    let mut cx = Cx { problems, newlines: newlines(sources), main_directory, damaged: &document.damaged, engine };
    let nodes = nodes::define(&mut cx, &document.nodes);
    let backend_names = backends::define(&mut cx, &document.backends);
    let mut known_trackers = trackers::Trackers::define(&mut cx, &document.trackers);
    let vips = vips::check(&mut cx, document, &nodes, &backend_names, &mut known_trackers);
    let around = trackers::Around {
        nodes: &nodes,
        backends: &backend_names,
        vips: &vips.names,
        users: &vips.good,
        all_users: vips.all_good,
    };
    let trackers = known_trackers.check(&mut cx, &document.trackers, &around);
    let groups = groups::check(&mut cx, &document.groups, &vips.names, &vips.good);
    if let (Some(groups), Some(trackers)) = (&groups, &trackers) {
        groups::no_circles(&mut cx, &document.trackers, &vips.good, groups, trackers);
    }
    let peers = peers::check(&mut cx, document.peers.as_ref(), document.nodes.len());
    let proxy = proxy::check(&mut cx, document);
    let (userlist_names, userlists) = access::userlists(&mut cx, &document.userlists);
    let frontends = frontends::check(&mut cx, document, &nodes, &vips, &backend_names, &userlist_names);
    let known_resolvers = resolvers::define(&mut cx, &document.resolvers);
    let backends = backends::check(&mut cx, document, &frontends, &known_resolvers);
    let resolvers = resolvers::check(&mut cx, &document.resolvers);
    if engine == Engine::Nginx {
        nginx::check(&mut cx, document, &vips.good);
    }
    let notifiers = notifier::check(&mut cx, &document.notifiers);
    let http = http::check(&mut cx, document.http.as_ref());
    let hooks = hooks::settings(&mut cx, document.hooks.as_ref());
    let (frontends, stats) = frontends.finish()?;
    Some(Config {
        nodes: nodes.finish()?,
        vips: vips.finish()?,
        groups: groups?,
        trackers: trackers?,
        peers: peers?,
        proxy: proxy?,
        frontends,
        backends: backends?,
        resolvers: resolvers?,
        userlists: userlists?,
        stats,
        hooks: hooks?,
        http: http?,
        notifiers: notifiers?,
        digest,
    })
}

/// What every check needs: somewhere to report, and line numbers.
struct Cx<'a> {
    problems: &'a mut Problems,
    /// Offsets of the line breaks of each file: counting lines for each of 10,000 servers would take seconds.
    newlines: Vec<Vec<usize>>,
    /// Where the main file stands; relative paths start there.
    main_directory: PathBuf,
    /// Tables in which the shape pass found something wrong.
    damaged: &'a Damaged,
    /// Whose words raw lines and options are.
    engine: Engine,
}

fn newlines(sources: &Sources) -> Vec<Vec<usize>> {
    let of_text = |text: &str| text.match_indices('\n').map(|(at, _)| at).collect();
    sources.files.iter().map(|source| of_text(&source.text)).collect()
}

impl Cx<'_> {
    fn add(&mut self, problem: Problem) {
        self.problems.add(problem);
    }

    /// What is absent from the table at this place was never written.
    fn is_whole(&self, table: &Place) -> bool {
        !self.damaged.contains(table)
    }

    /// Whether that holds for the top level of all files.
    fn files_are_whole(&self) -> bool {
        (0..self.newlines.len()).all(|file| self.is_whole(&Place::file(file)))
    }

    fn origin(&self, place: &Place) -> Origin {
        let before = self.newlines.get(place.file).map_or(0, |lines| lines.partition_point(|at| *at < place.start));
        Origin { file: place.file, line: before.saturating_add(1) }
    }

    /// A duration within its bounds, or its default. `key` may have its table before it, as in `health.interval`.
    fn duration(
        &mut self,
        file: usize,
        key: &str,
        value: Option<&At<DurationText>>,
        limits: DurationKey,
    ) -> Option<Duration> {
        let Some(value) = value else { return Some(limits.default) };
        let place = Place::new(file, value.span());
        let last = key.rsplit('.').next().unwrap_or(key);
        match parse_duration(&value.get().0) {
            Ok(duration) if (limits.min..=limits.max).contains(&duration) => Some(duration),
            Ok(duration) => {
                let (min, max) = (show_duration(limits.min), show_duration(limits.max));
                let near = if duration < limits.min { &min } else { &max };
                let problem = Problem::new(place, format!("`{key}` must be from {min} to {max}"));
                let side = if duration < limits.min { "too short" } else { "too long" };
                self.add(problem.label(side).fix(format!("write `{last} = \"{near}\"`, or something between")));
                None
            }
            Err(error) => {
                let fix = error.meant.map_or_else(
                    || format!("write, for example, `{last} = \"{}\"`", show_duration(limits.default)),
                    |meant| format!("write `{last} = \"{meant}\"`"),
                );
                let rule = format!("`{key}` must be a whole number with a unit: ms, s, m, h or d");
                self.add(Problem::new(place, rule).label(error.why).fix(fix));
                None
            }
        }
    }

    /// A duration that may be absent.
    fn optional_duration(
        &mut self,
        file: usize,
        key: &str,
        value: Option<&At<DurationText>>,
        limits: DurationKey,
    ) -> Result<Option<Duration>, Reported> {
        match value {
            None => Ok(None),
            Some(_) => self.duration(file, key, value, limits).map(Some).ok_or(Reported),
        }
    }

    /// A count that the shape pass found within its range, or its default.
    fn count(&mut self, value: Option<&At<i64>>, default: u32) -> u32 {
        value.and_then(|value| u32::try_from(*value.get()).ok()).unwrap_or(default)
    }

    /// A text that becomes part of one line of HAProxy's file.
    fn one_line(&mut self, file: usize, key: &str, value: &At<String>) -> Option<String> {
        let place = Place::new(file, value.span());
        let text = value.get();
        if text.trim().is_empty() {
            self.add(Problem::new(place, format!("`{key}` must not be empty")).fix("leave the key out"));
            return None;
        }
        if text.chars().any(|c| c.is_control() && c != '\t') || text.len() > super::limits::RAW_LINE_BYTES_MAX {
            let rule = format!("`{key}` must be one line of at most {} bytes", super::limits::RAW_LINE_BYTES_MAX);
            let fix = "write further lines as entries of their own in the raw list of the section";
            self.add(Problem::new(place, rule).label("line break or control character").fix(fix));
            return None;
        }
        Some(text.clone())
    }

    /// A file or directory of HAProxy's, relative to the main file; whether it is there is not looked at.
    fn file(&mut self, file: usize, key: &str, value: &At<String>) -> Option<PathBuf> {
        let text = value.get();
        let clean = !text.is_empty() && !text.chars().any(char::is_control);
        if clean && self.main_directory.to_str().is_some() {
            return Some(self.main_directory.join(text));
        }
        let problem = Problem::new(Place::new(file, value.span()), format!("`{key}` must be the path of a file"));
        let why =
            if clean { "the directory of the main file is not UTF-8" } else { "empty, or with control characters" };
        self.add(problem.label(why).fix("write an absolute path, or one relative to the main file"));
        None
    }

    /// An optional name of a user or group of the system.
    fn system_name(&mut self, file: usize, value: Option<&At<String>>) -> Result<Option<Name>, Reported> {
        let Some(value) = value else { return Ok(None) };
        match Name::new(value.get()) {
            Ok(name) => Ok(Some(name)),
            Err(error) => {
                self.add(
                    Problem::new(Place::new(file, value.span()), error.to_string()).fix("write the name, not a path"),
                );
                Err(Reported)
            }
        }
    }
}

/// Something is missing because a problem was reported.
#[derive(Debug, Clone, Copy)]
struct Reported;

/// The names of one kind of table, for duplicates and references.
#[derive(Debug)]
struct Names<T> {
    /// What a name stands for, such as `[[node]]`.
    table: &'static str,
    map: BTreeMap<String, (Place, T)>,
    /// A table lost its name to a problem that was reported: a reference to nothing may have meant it.
    lost: bool,
}

impl<T> Names<T> {
    fn new<R>(cx: &Cx<'_>, table: &'static str, items: &[Item<R>]) -> Self {
        Self { table, map: BTreeMap::new(), lost: items.is_empty() && !cx.files_are_whole() }
    }

    /// Takes the name of a table in; None if it was reported, now or by the shape pass.
    fn define<R>(&mut self, cx: &mut Cx<'_>, item: &Item<R>, name: Option<&At<String>>, what: T) -> Option<Name> {
        let Some(written) = name else {
            self.lost = true;
            return None;
        };
        let place = item.at(written);
        if let Some((first, _)) = self.map.get(written.get()) {
            let rule = format!("two {} are named {:?}", self.table, written.get());
            let problem = Problem::new(place, rule).label("used again").also(first.clone(), "first used here");
            cx.add(problem.fix("give each a name of its own"));
            return None;
        }
        self.map.insert(written.get().clone(), (place.clone(), what));
        match Name::new(written.get()) {
            Ok(name) => Some(name),
            Err(error) => {
                let fix = plain(written.get()).map(|plain| format!("write {plain:?}"));
                cx.add(Problem { fix, ..Problem::new(place, error.to_string()) });
                None
            }
        }
    }

    fn find(&self, name: &str) -> Option<&T> {
        self.map.get(name).map(|(_, what)| what)
    }

    /// What a reference stands for; reports one to nothing.
    fn resolve(&self, cx: &mut Cx<'_>, place: Place, name: &str) -> Option<&T> {
        let found = self.find(name);
        if found.is_none() && !self.lost {
            let problem = Problem::new(place, format!("there is no {} named {name:?}", self.table));
            cx.add(problem.label("refers to nothing").fix(self.suggestion(name)));
        }
        found
    }

    fn suggestion(&self, name: &str) -> String {
        let known = || self.map.keys().map(String::as_str);
        if let Some(near) = nearest(name, known()) {
            return format!("did you mean {near:?}?");
        }
        let shown: Vec<_> = known().take(8).map(|name| format!("{name:?}")).collect();
        match (shown.is_empty(), self.map.len() > shown.len()) {
            (true, _) => format!("add a {} of that name", self.table),
            (false, false) => format!("known are {}", shown.join(", ")),
            (false, true) => format!("known are {} and others", shown.join(", ")),
        }
    }
}

/// A name with everything replaced that a name may not have.
fn plain(name: &str) -> Option<String> {
    let keep = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-') { c } else { '-' };
    let plain: String = name.trim().chars().take(63).map(keep).collect();
    (!plain.is_empty()).then_some(plain)
}

/// Reports a kind of table of which there are too many, at the first one too many.
fn at_most<T>(cx: &mut Cx<'_>, items: &[Item<T>], max: usize, table: &str) {
    if let Some(item) = items.get(max) {
        let rule = format!("there may be at most {max} {table}, not {}", items.len());
        cx.add(
            Problem::new(item.place(), rule).label("one too many").fix("run several vipkeepers, each with its part"),
        );
    }
}

/// Reports a kind of table of which there must be one.
fn at_least_one<T>(cx: &mut Cx<'_>, items: &[Item<T>], rule: &str, fix: &str) {
    // A list that is gone for its shape was reported already.
    if items.is_empty() && cx.files_are_whole() {
        cx.add(Problem::new(Place::file(0), rule.to_owned()).fix(fix.to_owned()));
    }
}
