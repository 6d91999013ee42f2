//! Files to one [`Document`]: syntax, shape, serde, and the tables of all files side by side.
//!
//! Judges no meaning. Bounded: file sizes and their number are checked before anything is parsed.

use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, Deserializer};

use super::limits::{FILE_BYTES_MAX, FILES_MAX};
use super::problem::{Place, Problem, Problems};
use super::raw::{
    RawBackend, RawFile, RawFrontend, RawGroup, RawHooks, RawHttp, RawNode, RawNotify, RawPeers, RawProxy,
    RawResolvers, RawTracker, RawUserlist, RawVip,
};
use super::written::At;
use super::{Sources, shape};

/// A table and the file it stands in.
#[derive(Debug)]
pub(super) struct Item<T> {
    pub(super) file: usize,
    pub(super) raw: At<T>,
}

impl<T> Item<T> {
    /// Where its header stands.
    pub(super) fn place(&self) -> Place {
        self.at(&self.raw)
    }

    /// Where one of its values stands.
    pub(super) fn at<V>(&self, value: &At<V>) -> Place {
        Place::new(self.file, value.span())
    }
}

/// The tables of all files, in the order of the files.
#[derive(Debug, Default)]
pub(super) struct Document {
    pub(super) nodes: Vec<Item<RawNode>>,
    pub(super) vips: Vec<Item<RawVip>>,
    pub(super) groups: Vec<Item<RawGroup>>,
    pub(super) trackers: Vec<Item<RawTracker>>,
    pub(super) peers: Option<Item<RawPeers>>,
    pub(super) proxy: Option<Item<RawProxy>>,
    pub(super) frontends: Vec<Item<RawFrontend>>,
    pub(super) backends: Vec<Item<RawBackend>>,
    pub(super) resolvers: Vec<Item<RawResolvers>>,
    pub(super) userlists: Vec<Item<RawUserlist>>,
    pub(super) hooks: Option<Item<RawHooks>>,
    pub(super) http: Option<Item<RawHttp>>,
    pub(super) notifiers: Vec<Item<RawNotify>>,
    pub(super) damaged: shape::Damaged,
}

pub(super) fn too_large(file: usize) -> Problem {
    Problem::new(Place::file(file), format!("a file may have at most {FILE_BYTES_MAX} bytes"))
        .fix("split it, and name the parts in `include` of the main file")
}

/// The strings of `include`, whatever else the text may be.
pub(super) fn include_patterns(text: &str) -> Vec<String> {
    let (table, _told_by_load) = DeTable::parse_recoverable(text);
    let include = table.get_ref().get("include").and_then(|value| value.get_ref().as_array());
    let patterns = include.into_iter().flat_map(|list| list.iter());
    patterns.filter_map(|value| value.get_ref().as_str().map(str::to_owned)).collect()
}

/// Reads all files. None if what they mean cannot be judged.
pub(super) fn read(sources: &Sources, problems: &mut Problems) -> Option<Document> {
    let count = sources.files.len();
    if count == 0 || count > FILES_MAX {
        let rule = format!("a configuration is made of 1 to {FILES_MAX} files, not {count}");
        problems.add(Problem::new(Place::file(0), rule).fix("narrow the patterns of `include`"));
        return None;
    }
    let mut document = Document::default();
    let mut readable = true;
    for (file, source) in sources.files.iter().enumerate() {
        if problems.is_full() {
            readable = false;
            break;
        }
        if source.text.len() > FILE_BYTES_MAX {
            problems.add(too_large(file));
            readable = false;
            continue;
        }
        let (table, errors) = DeTable::parse_recoverable(&source.text);
        if errors.is_empty() {
            readable &= append(&mut document, file, table, problems);
        } else {
            errors.iter().for_each(|error| problems.add(syntax(file, error)));
            readable = false;
        }
    }
    readable.then_some(document)
}

/// A syntax error in our words. The parser's message has the form `what, expected what`.
fn syntax(file: usize, error: &toml::de::Error) -> Problem {
    let message = error.message();
    let (what, expected) = message.split_once(", expected ").unwrap_or((message, ""));
    let place = error.span().map_or(Place::file(file), |span| Place::new(file, span));
    let problem = Problem::new(place, format!("not TOML: {what}"));
    match (what, expected) {
        ("string values must be quoted", _) => {
            problem.fix("put a text in double quotes; a number, true or false goes without")
        }
        ("duplicate key", _) => problem
            .label("used before")
            .fix("keep one of them; tables of which there may be several have double brackets, such as [[vip]]"),
        (_, "" | "nothing" | "literal string") => problem,
        _ => problem.label(format!("expected {expected}")).fix(format!("write {expected} there")),
    }
}

/// Adds the tables of one file; false if nothing can be made of it.
fn append(document: &mut Document, file: usize, mut table: Spanned<DeTable<'_>>, problems: &mut Problems) -> bool {
    shape::check(table.get_mut(), file, problems, &mut document.damaged);
    let raw = match RawFile::deserialize(Deserializer::from(table)) {
        Ok(raw) => raw,
        Err(error) => {
            // The shape pass took out everything that serde refuses; this is the net below it.
            let place = error.span().map_or(Place::file(file), |span| Place::new(file, span));
            problems.add(Problem::new(place, error.message().to_owned()));
            return false;
        }
    };
    let RawFile {
        include,
        node,
        vip,
        group,
        tracker,
        peers,
        proxy,
        frontend,
        backend,
        resolvers,
        userlist,
        hooks,
        http,
        notify,
    } = raw;
    if let Some(include) = include {
        check_include(file, &include, problems);
    }
    document.nodes.extend(items(file, node));
    document.vips.extend(items(file, vip));
    document.groups.extend(items(file, group));
    document.trackers.extend(items(file, tracker));
    document.frontends.extend(items(file, frontend));
    document.backends.extend(items(file, backend));
    document.resolvers.extend(items(file, resolvers));
    document.userlists.extend(items(file, userlist));
    document.notifiers.extend(items(file, notify));
    single("peers", &mut document.peers, items(file, peers), problems);
    single("proxy", &mut document.proxy, items(file, proxy), problems);
    single("hooks", &mut document.hooks, items(file, hooks), problems);
    single("http", &mut document.http, items(file, http), problems);
    true
}

fn items<T>(file: usize, list: impl IntoIterator<Item = At<T>>) -> impl Iterator<Item = Item<T>> {
    list.into_iter().map(move |raw| Item { file, raw })
}

/// A table of which there is one in all files together.
fn single<T>(name: &str, slot: &mut Option<Item<T>>, new: impl Iterator<Item = Item<T>>, problems: &mut Problems) {
    for item in new {
        match slot {
            None => *slot = Some(item),
            Some(first) => problems.add(
                Problem::new(item.place(), format!("[{name}] may appear only once in all files"))
                    .label("here again")
                    .also(first.place(), "first here")
                    .fix("merge the two"),
            ),
        }
    }
}

/// The first file alone may include, so that no file can be read twice or in a circle.
fn check_include(file: usize, include: &At<Vec<At<String>>>, problems: &mut Problems) {
    if file != 0 {
        problems.add(
            Problem::new(Place::new(file, include.span()), "only the main file may have `include`")
                .fix("move the patterns to the main file"),
        );
    }
    for pattern in include.get() {
        let text = pattern.get();
        let place = Place::new(file, pattern.span());
        if text.is_empty() {
            problems.add(Problem::new(place, "an include pattern names files").fix("write \"conf.d/*.toml\""));
        } else if let Err(error) = glob::Pattern::new(text) {
            problems.add(
                Problem::new(place, "this include pattern cannot be read").label(error.msg).fix(
                    "`*` matches any part of a file name, `?` one character, `[ab]` one of these, `**` directories",
                ),
            );
        }
    }
}
