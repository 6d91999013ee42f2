//! The configuration files: read, watched, and the last good ones kept.
//!
//! Everything here blocks, so it runs at start or on a thread for such things; nothing here decides what to do with a
//! configuration. What a text means is `config`'s business.

pub mod intents;
pub mod key_file;
pub mod last_good;
pub(crate) mod reads;
pub(crate) mod regular;
pub mod watch;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::config::{self, Colour, Config, Source, Sources};
use crate::node::Event;
use crate::node::event::{Loaded, OpId};
use crate::peer;
use crate::render::{self, RenderInput};
use crate::units::Name;

/// A longer file is not a configuration; it is refused.
pub const FILE_BYTES_MAX: u64 = 1 << 20;

/// More files are refused.
pub const FILES_MAX: usize = 256;

/// All files together; more is refused.
pub const TOTAL_BYTES_MAX: usize = 16 << 20;

/// A load that takes longer than this has hit a dead file system; it fails, and its thread is left to its fate.
const LOAD_WITHIN: Duration = Duration::from_secs(30);

/// What a file looked like when it was last looked at; none: it was not there.
pub(crate) type Stamp = BTreeMap<PathBuf, Option<FileStamp>>;

/// Device, inode, size and time of change: differs whenever somebody wrote or replaced the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileStamp {
    dev: u64,
    ino: u64,
    size: u64,
    modified: (i64, i64),
}

/// What a configuration consists of on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Plan {
    main: PathBuf,
    /// Include patterns, absolute.
    patterns: Vec<String>,
    /// The user's template, if the configuration names a directory for it.
    template: Option<PathBuf>,
    /// The key of the nodes, if the configuration names one.
    key: Option<PathBuf>,
    /// Files and directories of files that the proxy reads by itself.
    reads: Vec<PathBuf>,
}

impl Plan {
    /// The main file alone: what is known before it is read.
    pub(crate) fn new(main: &Path) -> Self {
        Self { main: main.to_owned(), patterns: Vec::new(), template: None, key: None, reads: Vec::new() }
    }

    /// All files as they are: main file, what the patterns match, template.
    fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.main.clone()];
        files.extend(self.patterns.iter().flat_map(|p| expand(p).unwrap_or_default()));
        files.extend(self.template.clone());
        files.extend(self.key.clone());
        files.extend(reads::files(&self.reads));
        files
    }

    /// What all files look like.
    pub(crate) fn stamp(&self) -> Stamp {
        self.files()
            .into_iter()
            .take(FILES_MAX + 3 + reads::READS_MAX)
            .map(|path| (path.clone(), file_stamp(&path)))
            .collect()
    }

    /// Every directory in which a change can mean a changed configuration: those of the files and of every symbolic
    /// link on the way to them, and those of the patterns.
    pub(crate) fn directories(&self) -> BTreeSet<PathBuf> {
        let mut directories = BTreeSet::new();
        for file in self.files() {
            follow(&file, &mut directories);
        }
        for path in self.reads.iter().filter(|path| path.is_dir()) {
            follow(&path.join("x"), &mut directories);
        }
        for pattern in &self.patterns {
            // A directory with a wildcard in its own name is left to the regular look at the files.
            let directory = Path::new(pattern).parent().filter(|d| !d.to_string_lossy().contains(['*', '?', '[']));
            if let Some(directory) = directory {
                follow(&directory.join("x"), &mut directories);
            }
        }
        directories
    }
}

fn file_stamp(path: &Path) -> Option<FileStamp> {
    let m = fs::metadata(path).ok()?;
    Some(FileStamp { dev: m.dev(), ino: m.ino(), size: m.size(), modified: (m.mtime(), m.mtime_nsec()) })
}

/// Collects the directory of `path` and of every symbolic link met while resolving it.
fn follow(path: &Path, directories: &mut BTreeSet<PathBuf>) {
    /// As many as the kernel follows (`ELOOP`).
    const LINKS_MAX: usize = 40;
    let mut links = 0;
    let mut resolved = PathBuf::from("/");
    let mut ahead: Vec<std::ffi::OsString> = path.components().rev().map(|c| c.as_os_str().to_owned()).collect();
    while let Some(part) = ahead.pop() {
        if part == ".." {
            resolved.pop();
            continue;
        }
        // An absolute part (the root, or a link to an absolute path) replaces what was resolved so far.
        let next = resolved.join(&part);
        match fs::read_link(&next) {
            Ok(target) if links < LINKS_MAX => {
                links += 1;
                directories.insert(resolved.clone());
                ahead.extend(target.components().rev().map(|c| c.as_os_str().to_owned()));
            }
            Ok(_) | Err(_) => {
                if ahead.is_empty() {
                    directories.insert(resolved.clone());
                }
                resolved = next;
            }
        }
    }
}

/// Files that a pattern matches, sorted by name.
fn expand(pattern: &str) -> Result<Vec<PathBuf>, String> {
    let paths = glob::glob(pattern).map_err(|e| format!("the include pattern {pattern:?} is wrong: {e}"))?;
    let mut files: Vec<PathBuf> = paths.filter_map(Result::ok).filter(|p| p.is_file()).take(FILES_MAX + 1).collect();
    files.sort();
    Ok(files)
}

/// All texts of a configuration, with what is needed to watch it.
#[derive(Debug, Clone)]
pub struct Reading {
    /// The texts.
    pub sources: Arc<Sources>,
    pub(crate) plan: Plan,
    /// Taken before the texts were read, so a change in between is noticed as one.
    pub(crate) stamp: Stamp,
}

/// Reads the main file and, relative to its directory, everything it includes.
///
/// # Errors
/// The report for people: what cannot be read and why, or which limit is exceeded.
pub fn read(main: &Path) -> Result<Reading, String> {
    let main = std::path::absolute(main).map_err(|e| format!("cannot read {}: {e}", main.display()))?;
    let mut plan = Plan::new(&main);
    let before = plan.stamp();
    let source = read_file(&main)?;
    let included = config::includes(&source)
        .map_err(|problems| problems.report(&Sources { files: vec![source.clone()] }, Colour::None))?;
    let directory = main.parent().unwrap_or(Path::new("/"));
    let escaped = glob::Pattern::escape(&directory.to_string_lossy());
    plan.patterns = included
        .iter()
        .map(|p| if p.starts_with('/') { p.clone() } else { format!("{}/{p}", escaped.trim_end_matches('/')) })
        .collect();
    let mut stamp = plan.stamp();
    // The main file as it was before it was read, not as it is by now.
    stamp.extend(before);
    let mut files = vec![source];
    let mut seen = BTreeSet::from([main]);
    for pattern in &plan.patterns {
        for path in expand(pattern)? {
            if seen.insert(path.clone()) {
                if files.len() >= FILES_MAX {
                    return Err(format!("the configuration has more than {FILES_MAX} files; include fewer"));
                }
                files.push(read_file(&path)?);
            }
        }
    }
    if files.iter().map(|f| f.text.len()).sum::<usize>() > TOTAL_BYTES_MAX {
        return Err(format!("the configuration files together have more than {TOTAL_BYTES_MAX} bytes"));
    }
    Ok(Reading { sources: Arc::new(Sources { files }), plan, stamp })
}

fn read_file(path: &Path) -> Result<Source, String> {
    Ok(Source { path: path.to_owned(), text: read_text(path)? })
}

fn read_text(path: &Path) -> Result<String, String> {
    let fail = |why: &dyn std::fmt::Display| format!("cannot read {}: {why}", path.display());
    let bytes = regular::read(path, FILE_BYTES_MAX + 1).map_err(|e| fail(&e))?;
    if u64::try_from(bytes.len()).is_ok_and(|len| len > FILE_BYTES_MAX) {
        return Err(fail(&format!("it is longer than {FILE_BYTES_MAX} bytes")));
    }
    String::from_utf8(bytes).map_err(|e| {
        let before = e.as_bytes().get(..e.utf8_error().valid_up_to()).unwrap_or_default();
        let line = before.iter().fold(1_usize, |n, b| if *b == b'\n' { n + 1 } else { n });
        fail(&format!("line {line} is not UTF-8; save the file as UTF-8"))
    })
}

/// What a load depends on beside the files.
#[derive(Debug, Clone)]
pub struct Target {
    /// The node it is for: the first of these names that the configuration has.
    pub names: Vec<Name>,
    /// Path of the stats socket, as it is rendered.
    pub stats_socket: PathBuf,
    /// Directory of the files that the rendered text refers to.
    pub files_dir: PathBuf,
}

impl Target {
    /// Which of the configuration's nodes this is.
    #[must_use]
    pub fn find<'a>(&'a self, config: &Config) -> Option<&'a Name> {
        self.names.iter().find(|name| config.node(name).is_some())
    }
}

/// Checks the texts and renders them for one node.
///
/// # Errors
/// The whole report of what is wrong.
pub fn load(sources: &Arc<Sources>, target: &Target) -> Result<Loaded, String> {
    render_for(target, check(sources, target)?, sources)
}

fn check(sources: &Sources, target: &Target) -> Result<Config, String> {
    let config = config::load(sources).map_err(|problems| problems.report(sources, Colour::None))?;
    if let Some((one, other)) =
        peer::same_id(config.vips.iter().map(|vip| &vip.name)).filter(|_| config.peers.is_some())
    {
        return Err(format!("the VIPs {one} and {other} have the same short digest for hellos; rename one of them"));
    }
    if target.find(&config).is_some() {
        return Ok(config);
    }
    let own: Vec<_> = target.names.iter().map(|n| format!("{:?}", n.as_str())).collect();
    let nodes: Vec<_> = config.nodes.iter().map(|n| n.name.as_str()).collect();
    Err(format!(
        "no [[node]] is named {} (there are: {}); add it, or say which one this host is with --node",
        own.join(" or "),
        nodes.join(", "),
    ))
}

fn render_for(target: &Target, config: Config, sources: &Arc<Sources>) -> Result<Loaded, String> {
    let template = template_of(&config).map(|path| read_template(&path)).transpose()?.flatten();
    let node = target.find(&config).ok_or_else(|| "this host is none of the nodes".to_owned())?;
    let reads = reads::read(&reads::paths(&config));
    let input = RenderInput {
        config: &config,
        sources,
        node,
        stats_socket: &target.stats_socket,
        files_dir: &target.files_dir,
        template: template.as_deref(),
        reads: reads.as_ref(),
    };
    let rendered = render::render(&input).map_err(|e| e.to_string())?;
    let (key, key_note) = key_file::read(&config);
    Ok(Loaded { config: Arc::new(config), rendered: Arc::new(rendered), key, key_note })
}

/// Where the user's template would be.
fn template_of(config: &Config) -> Option<PathBuf> {
    config.proxy.templates.as_ref().map(|directory| directory.join(render::template_name(config.proxy.engine)))
}

/// A directory without that template is no mistake: ours is used.
fn read_template(path: &Path) -> Result<Option<String>, String> {
    match path.try_exists() {
        Ok(false) => Ok(None),
        Ok(true) | Err(_) => read_text(path).map(Some),
    }
}

/// Reads, checks and renders.
///
/// With a report comes the reading as far as it came, so that the files can be watched for the repair.
pub fn read_and_load(main: &Path, target: &Target) -> (Option<Reading>, Result<Loaded, String>) {
    let mut reading = match read(main) {
        Ok(reading) => reading,
        Err(report) => return (None, Err(report)),
    };
    let loaded = check(&reading.sources, target).and_then(|config| {
        if let Some(template) = template_of(&config) {
            reading.stamp.insert(template.clone(), file_stamp(&template));
            reading.plan.template = Some(template);
        }
        if let Some(peers) = &config.peers {
            reading.stamp.insert(peers.key_file.clone(), file_stamp(&peers.key_file));
            reading.plan.key = Some(peers.key_file.clone());
        }
        // What they look like before they are read, so that a change in between is noticed as one.
        let plan = Plan { reads: reads::paths(&config), ..Plan::new(main) };
        reading.stamp.extend(plan.stamp().into_iter().filter(|(path, _)| path != main));
        reading.plan.reads = plan.reads;
        render_for(target, config, &reading.sources)
    });
    (Some(reading), loaded)
}

/// An operation on the configuration files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileOp {
    /// Answered by `ConfigLoaded`.
    Load(OpId),
    /// Stores the texts of the last load that succeeded as last good; not answered.
    Keep,
    /// Stores what operators want of servers; not answered.
    KeepIntents(String),
}

/// The files of one vipkeeper and what was loaded from them last.
#[derive(Debug)]
pub struct Files {
    main: PathBuf,
    state_dir: PathBuf,
    target: Target,
    last_loaded: Arc<Sources>,
    watcher: Option<watch::Watcher>,
}

impl Files {
    /// `last_loaded` is what the node was started with, which may be other than what the files say.
    #[must_use]
    pub fn new(
        main: PathBuf,
        state_dir: PathBuf,
        target: Target,
        last_loaded: Arc<Sources>,
        watcher: Option<watch::Watcher>,
    ) -> Self {
        Self { main, state_dir, target, last_loaded, watcher }
    }

    /// The worker: one operation in flight. Ends when `ops` is closed.
    pub async fn run(mut self, mut ops: mpsc::Receiver<FileOp>, events: mpsc::Sender<Event>) {
        while let Some(op) = ops.recv().await {
            match op {
                FileOp::Load(op) => {
                    let result = self.load().await;
                    if events.send(Event::ConfigLoaded { op, result }).await.is_err() {
                        return;
                    }
                }
                FileOp::Keep => self.keep().await,
                FileOp::KeepIntents(text) => self.keep_intents(text).await,
            }
        }
    }

    async fn load(&mut self) -> Result<Loaded, String> {
        let (main, target) = (self.main.clone(), self.target.clone());
        let work = tokio::task::spawn_blocking(move || read_and_load(&main, &target));
        match tokio::time::timeout(LOAD_WITHIN, work).await {
            Ok(Ok((reading, result))) => {
                if let Some(reading) = reading {
                    // Never the texts of a refused load: they would become the last good ones.
                    if result.is_ok() {
                        self.last_loaded = reading.sources;
                    }
                    if let Some(watcher) = &self.watcher {
                        watcher.follow(reading.plan, reading.stamp);
                    }
                }
                result
            }
            Ok(Err(error)) => Err(format!("reading the configuration failed: {error}")),
            Err(_) => Err(format!("reading the configuration took longer than {LOAD_WITHIN:?}")),
        }
    }

    async fn keep_intents(&self, text: String) {
        let state_dir = self.state_dir.clone();
        let work = tokio::task::spawn_blocking(move || intents::keep(&state_dir, &text));
        let error = match tokio::time::timeout(LOAD_WITHIN, work).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {LOAD_WITHIN:?}"),
        };
        tracing::warn!(%error, "what operators want of servers is not kept over a restart");
    }

    async fn keep(&self) {
        let (state_dir, sources) = (self.state_dir.clone(), Arc::clone(&self.last_loaded));
        let work = tokio::task::spawn_blocking(move || last_good::keep(&state_dir, &sources));
        let error = match tokio::time::timeout(LOAD_WITHIN, work).await {
            Ok(Ok(Ok(()))) => return,
            Ok(Ok(Err(error))) => error.to_string(),
            Ok(Err(error)) => error.to_string(),
            Err(_) => format!("it took longer than {LOAD_WITHIN:?}"),
        };
        tracing::warn!(%error, "cannot keep the configuration as last good; a start with a broken file would fail");
    }
}

/// Writes a file so that after any crash either the old or the new one is there in full.
pub(crate) fn write_atomically(path: &Path, mode: u32, bytes: &[u8]) -> io::Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    let directory = path.parent().ok_or(io::ErrorKind::InvalidInput)?;
    let mut name = path.file_name().ok_or(io::ErrorKind::InvalidInput)?.to_owned();
    name.push(".tmp");
    let temporary = directory.join(name);
    let written = (|| {
        // A leftover of a crash may be somebody else's link; it is replaced, never written through.
        match fs::remove_file(&temporary) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let mut file = File::options().write(true).create_new(true).mode(mode).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)?;
        File::open(directory)?.sync_all()
    })();
    if written.is_err() {
        // The first error is the one that counts; a full disk should not keep half a file as well.
        drop(fs::remove_file(&temporary));
    }
    written
}
