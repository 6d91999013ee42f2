//! `check`: what is wrong with the configuration, or what was understood. Changes nothing.

use std::io::Write as _;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::cli::args::{CheckArgs, Place};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::place::{Me, Understood, me, render_for, rendered_at, understand};
use crate::cli::programs::{self, Ended};
use crate::cli::terminal::{print, stderr_colour};
use crate::config::Engine;
use crate::node::event::Loaded;
use crate::proxy::nginx::{self, Purpose};
use crate::render::report_alerts;
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
    let loaded = render_for(&understood, &node, place)?;
    let verdict = if args.no_proxy { None } else { Some(ask_proxy(&understood, &loaded, &node)?) };
    print(&summary(&understood.config, &me));
    if let Some(verdict) = verdict {
        print(&format!("\n{verdict}\n"));
    }
    print(&format!("\n{} is fine\n", place.config.display()));
    Ok(Exit::Fine)
}

/// Has the proxy's own binary check the rendered file, in a temporary place. Returns a line for the summary.
fn ask_proxy(understood: &Understood, loaded: &Loaded, node: &Name) -> Result<String, Failure> {
    let binary = &loaded.config.proxy.binary;
    let Some(program) = programs::find(&binary.to_string_lossy()) else {
        return Ok(format!("{} is not installed here: it was not asked about the rendered file", binary.display()));
    };
    let draft = Draft::new()?;
    let mut command = tokio::process::Command::new(&program);
    command.env("VIPKEEPER_NODE", node.as_str());
    let rendered = match loaded.config.proxy.engine {
        Engine::Haproxy => {
            command.arg("-c").arg("-f").arg(draft.config());
            Arc::clone(&loaded.rendered)
        }
        // It opens its sockets: another nginx may be running with those of this host.
        Engine::Nginx => {
            let pid_file = draft.0.join("nginx.pid");
            command.args(nginx::arguments(Purpose::Check, &draft.config(), &pid_file));
            rendered_at(understood, node, &draft.0.join("stats.sock"))?.rendered
        }
    };
    draft.write(&rendered.text)?;
    let unexpected = |e: &dyn std::fmt::Display| Failure::new(Exit::Unhealthy, e);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| unexpected(&e))?;
    let ended = runtime.block_on(programs::run_within(command, PROXY_PATIENCE)).map_err(|e| unexpected(&e))?;
    let stderr = match ended {
        Ended::Fine => return Ok(format!("{} accepts the rendered file", program.display())),
        Ended::Failed { stderr } => stderr,
    };
    let report = match loaded.config.proxy.engine {
        Engine::Haproxy => report_alerts(&stderr, &rendered),
        // A host that is none of the nodes, or a user without privileges, can check a file too.
        Engine::Nginx if nginx::log::only_binds_fail(&stderr) => {
            let report = nginx::log::report(&stderr, &rendered);
            return Ok(format!(
                "{} reads the rendered file, but could not try its addresses here:\n{report}",
                program.display()
            ));
        }
        Engine::Nginx => nginx::log::report(&stderr, &rendered),
    };
    let verdict = format!("{report}\n{} refuses the rendered file of {node}", program.display());
    Err(Failure::new(Exit::Configuration, verdict))
}

/// A directory for the proxy's eyes, gone when dropped. The file in it may hold secrets, so nobody else may look.
struct Draft(PathBuf);

impl Draft {
    fn new() -> Result<Self, Failure> {
        let path = std::env::temp_dir().join(format!("vipkeeper-check-{}", std::process::id()));
        let made = std::fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| Failure::new(Exit::Unhealthy, format!("cannot make {}: {e}", path.display())))?;
        Ok(Self(path))
    }

    /// Named after nginx's, so that its complaints about it are told from those about the user's own files.
    fn config(&self) -> PathBuf {
        self.0.join("nginx.conf")
    }

    fn write(&self, text: &str) -> Result<(), Failure> {
        let path = self.config();
        let written = write_new(&path, text);
        written.map_err(|e| Failure::new(Exit::Unhealthy, format!("cannot write {}: {e}", path.display())))
    }
}

/// Never through a link that somebody else put there.
fn write_new(path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}

impl Drop for Draft {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}
