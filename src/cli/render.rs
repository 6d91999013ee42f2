//! `render`: the proxy's configuration as this node would run it.

use crate::cli::args::{Place, RenderArgs};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::place::{Me, me, render_for, understand};
use crate::cli::terminal::{print, stderr_colour};
use crate::render::{AuxFile, Rendered};

/// Prints or writes the rendered text.
///
/// # Errors
/// 2 when the configuration is wrong or this host is none of its nodes, 1 when the file cannot be written.
pub fn run(place: &Place, args: &RenderArgs) -> Result<Exit, Failure> {
    let understood = understand(&place.config, stderr_colour())?;
    let node = match me(&understood.config, place)? {
        Me::Node(node) => node,
        Me::Nobody { host } => {
            let names: Vec<&str> = understood.config.nodes.iter().map(|n| n.name.as_str()).collect();
            let message =
                format!("this host is called {host:?}, which is no node; choose one: --node {}", names.join("|"));
            return Err(Failure::new(Exit::Configuration, message));
        }
    };
    let loaded = render_for(&understood, &node, place)?;
    let text = with_files(&loaded.rendered);
    match &args.output {
        None => print(&text),
        Some(path) => std::fs::write(path, &text)
            .map_err(|e| Failure::new(Exit::Unhealthy, format!("cannot write {}: {e}", path.display())))?,
    }
    Ok(Exit::Fine)
}

/// The text, and behind it as comments what it refers to: so it stays a file that HAProxy reads.
fn with_files(rendered: &Rendered) -> String {
    let mut text = rendered.text.clone();
    for AuxFile { path, text: holds } in &rendered.files {
        text.extend(["\n# ", &path.to_string_lossy(), ":\n"]);
        holds.lines().for_each(|line| text.extend(["#   ", line, "\n"]));
    }
    text
}
