//! The configuration on disk, read for one node.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::cli::args::Place;
use crate::cli::outcome::{Exit, Failure};
use crate::config::{self, Colour, Config, Sources};
use crate::node::event::Loaded;
use crate::shell::files::{Target, last_good};
use crate::shell::{self, files};
use crate::units::Name;

/// A configuration without problems.
#[derive(Debug)]
pub struct Understood {
    /// What it was read from.
    pub sources: Arc<Sources>,
    /// What it means.
    pub config: Config,
}

/// Reads and checks the files.
///
/// # Errors
/// 2, with the whole report.
pub fn understand(main: &Path, colour: Colour) -> Result<Understood, Failure> {
    let refused = |report: String| Failure::new(Exit::Configuration, report);
    let sources = files::read(main).map_err(refused)?.sources;
    match config::load(&sources) {
        Ok(config) => Ok(Understood { sources, config }),
        Err(problems) => Err(refused(problems.report(&sources, colour))),
    }
}

/// What a running vipkeeper has in force, and what one that starts falls back to: it is stored when the proxy has
/// confirmed it.
///
/// # Errors
/// 5 when nothing was in force yet, 2 when this version refuses what was.
pub fn in_force(place: &Place) -> Result<Understood, Failure> {
    let nothing = |why: String| {
        let state = place.state().display();
        Failure::new(Exit::NotRunning, format!("nothing was in force yet in {state}{why}"))
    };
    let sources = match last_good::load(place.state()) {
        Ok(Some(sources)) => Arc::new(sources),
        Ok(None) => return Err(nothing(String::new())),
        Err(e) => return Err(nothing(format!(" ({e})"))),
    };
    match config::load(&sources) {
        Ok(config) => Ok(Understood { sources, config }),
        Err(problems) => Err(Failure::new(Exit::Configuration, problems.report(&sources, Colour::None))),
    }
}

/// How this host is called when no `--node` is given, and whether the name is to be insisted on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Me {
    /// A node of the configuration.
    Node(Name),
    /// This host is none of them.
    Nobody {
        /// What it is called.
        host: String,
    },
}

/// The node that `--node` names, or that is called like this host (with or without its domain).
///
/// # Errors
/// 2 when `--node` names none of the nodes.
pub fn me(config: &Config, place: &Place) -> Result<Me, Failure> {
    let known = |name: &str| Name::new(name).ok().filter(|n| config.node(n).is_some());
    if let Some(name) = &place.node {
        let names: Vec<&str> = config.nodes.iter().map(|n| n.name.as_str()).collect();
        return known(name).map(Me::Node).ok_or_else(|| {
            let message = format!("--node {name}: the configuration has no such node, only {}", names.join(", "));
            Failure::new(Exit::Configuration, message)
        });
    }
    let host = nix::unistd::gethostname().ok().and_then(|h| h.into_string().ok()).unwrap_or_default();
    let short = host.split('.').next().unwrap_or_default();
    Ok(known(&host).or_else(|| known(short)).map_or(Me::Nobody { host }, Me::Node))
}

/// Renders the proxy's configuration for a node, with the paths of this instance.
///
/// # Errors
/// 2 when the user's template does not render.
pub fn render_for(understood: &Understood, node: &Name, place: &Place) -> Result<Loaded, Failure> {
    let socket = shell::stats_socket_path(place.runtime());
    rendered_at(understood, node, socket, &shell::files_dir(place.state()))
}

/// Renders it with another private socket, and with the files that the text refers to in another directory.
///
/// # Errors
/// 2 when the user's template does not render.
pub fn rendered_at(
    understood: &Understood,
    node: &Name,
    stats_socket: PathBuf,
    files_dir: &Path,
) -> Result<Loaded, Failure> {
    let target = Target { names: vec![node.clone()], stats_socket, files_dir: files_dir.to_owned() };
    files::load(&understood.sources, &target).map_err(|report| Failure::new(Exit::Configuration, report))
}

/// Reads a text file of the user's.
///
/// # Errors
/// 2 when it cannot be read, is longer than `bytes_max` or no UTF-8.
pub fn read_bounded(path: &Path, bytes_max: u64) -> Result<String, Failure> {
    let wrong = |why: &dyn std::fmt::Display| {
        Failure::new(Exit::Configuration, format!("cannot read {}: {why}", path.display()))
    };
    let file = std::fs::File::open(path).map_err(|e| wrong(&e))?;
    let mut bytes = Vec::new();
    file.take(bytes_max.saturating_add(1)).read_to_end(&mut bytes).map_err(|e| wrong(&e))?;
    if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > bytes_max {
        return Err(wrong(&format!("it is longer than {bytes_max} bytes")));
    }
    String::from_utf8(bytes).map_err(|_| wrong(&"it is no UTF-8 text"))
}
