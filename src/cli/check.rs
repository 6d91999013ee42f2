//! `check`: what is wrong with the configuration, or what was understood. Changes nothing.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::args::{CheckArgs, Place};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::place::{Me, me, rendered_at, understand};
use crate::cli::programs::{self, Ended};
use crate::cli::terminal::{print, stderr_colour};
use crate::config::Engine;
use crate::node::event::Loaded;
use crate::proxy::capabilities::Capabilities;
use crate::proxy::nginx::{self, Purpose};
use crate::render::{Rendered, report_alerts};
use crate::shell;
use crate::units::Name;

mod summary;

use summary::summary;

/// A proxy that has not judged the file by then is stopped: name resolution can hang it.
const PROXY_PATIENCE: Duration = Duration::from_secs(30);

/// Reports or sums up.
///
/// # Errors
/// 2 with every problem, or with what the proxy's own binary says against the rendered file.
pub fn run(place: &Place, args: &CheckArgs) -> Result<Exit, Failure> {
    let understood = understand(&place.config, stderr_colour())?;
    let me = me(&understood.config, place)?;
    // The file is the same everywhere, so a host that is none of its nodes can check it too.
    let node = match (&me, understood.config.nodes.first()) {
        (Me::Node(node), _) => node.clone(),
        (Me::Nobody { .. }, Some(first)) => first.name.clone(),
        (Me::Nobody { .. }, None) => return Err(Failure::new(Exit::Configuration, "there is no node")),
    };
    let draft = Draft::new()?;
    // nginx opens its sockets to check: another one may be running with those of this host.
    let stats_socket = match understood.config.proxy.engine {
        Engine::Haproxy => shell::stats_socket_path(place.runtime()),
        Engine::Nginx => draft.0.join("stats.sock"),
    };
    let loaded = rendered_at(&understood, &node, stats_socket, &draft.0)?;
    let verdict = if args.no_proxy { None } else { Some(ask_proxy(&loaded, &node, &draft)?) };
    print(&summary(&understood.config, &me));
    if let Some(verdict) = verdict {
        print(&format!("\n{verdict}\n"));
    }
    print(&format!("\n{} is fine\n", place.config.display()));
    Ok(Exit::Fine)
}

/// Has the proxy's own binary check the rendered file, in a temporary place. Returns a line for the summary.
fn ask_proxy(loaded: &Loaded, node: &Name, draft: &Draft) -> Result<String, Failure> {
    let (engine, binary) = (loaded.config.proxy.engine, &loaded.config.proxy.binary);
    let Some(program) = programs::find(&binary.to_string_lossy()) else {
        return Ok(format!("{} is not installed here: it was not asked about the rendered file", binary.display()));
    };
    let mut outlook = String::new();
    if engine == Engine::Haproxy
        && let Some(capable) = capabilities(&program)
    {
        let sources = &loaded.rendered.sources;
        capable.suffice(&loaded.config, sources).map_err(|lacks| Failure::new(Exit::Configuration, lacks))?;
        outlook = capable.outlook(&loaded.config).map(|outlook| format!("\nnote: {outlook}")).unwrap_or_default();
    }
    let file = draft.write(engine, &loaded.rendered)?;
    let unexpected = |e: &dyn std::fmt::Display| Failure::new(Exit::Unhealthy, e);
    let mut command = tokio::process::Command::new(&program);
    command.env("VIPKEEPER_NODE", node.as_str());
    match engine {
        Engine::Haproxy => command.arg("-c").arg("-f").arg(&file),
        Engine::Nginx => command.args(nginx::arguments(Purpose::Check, &file, &draft.0.join("nginx.pid"))),
    };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| unexpected(&e))?;
    let ended = runtime.block_on(programs::run_within(command, PROXY_PATIENCE)).map_err(|e| unexpected(&e))?;
    let stderr = match ended {
        Ended::Fine => return Ok(format!("{} accepts the rendered file{outlook}", program.display())),
        Ended::Failed { stderr } => stderr,
    };
    let report = match engine {
        Engine::Haproxy => report_alerts(&stderr, &loaded.rendered),
        // A host that is none of the nodes, or a user without privileges, can check a file too.
        Engine::Nginx if nginx::log::only_binds_fail(&stderr) => {
            let report = nginx::log::report(&stderr, &loaded.rendered);
            return Ok(format!(
                "{} reads the rendered file, but could not try its addresses here:\n{report}",
                program.display()
            ));
        }
        Engine::Nginx => nginx::log::report(&stderr, &loaded.rendered),
    };
    let verdict = format!("{report}\n{} refuses the rendered file of {node}", program.display());
    Err(Failure::new(Exit::Configuration, verdict))
}

/// What the binary says that it can do; none: it does not say, and is left to judge the file by itself.
fn capabilities(program: &Path) -> Option<Capabilities> {
    let said = programs::run(&program.to_string_lossy(), &["-vv"]).ok()?;
    Capabilities::parse(&said).ok()
}

/// A directory for the proxy's eyes, gone when dropped. It may hold secrets, so nobody else may look into it.
struct Draft(PathBuf);

impl Draft {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("vipkeeper-check-{}", std::process::id()));
        // Not recursive: never into a directory that somebody else put there.
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| Failure::new(Exit::Unhealthy, format!("cannot make {}: {e}", path.display())))?;
        Ok(Self(path))
    }

    /// Writes the text and what it refers to; returns where the text is.
    fn write(&self, engine: Engine, rendered: &Rendered) -> Result<PathBuf, Failure> {
        // Called as nginx's own, so that its complaints about it are told from those about the user's files.
        let text = self.0.join(match engine {
            Engine::Haproxy => "haproxy.cfg",
            Engine::Nginx => "nginx.conf",
        });
        let files = rendered.files.iter().map(|file| (file.path.as_path(), file.text.as_str()));
        for (path, holds) in files.chain([(text.as_path(), rendered.text.as_str())]) {
            std::fs::write(path, holds)
                .map_err(|e| Failure::new(Exit::Unhealthy, format!("cannot write {}: {e}", path.display())))?;
        }
        Ok(text)
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
