//! `render`: the proxy's configuration as this node would run it.

use crate::cli::args::{Place, RenderArgs};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::place::{Me, me, render_for, understand};
use crate::cli::terminal::{print, stderr_colour};

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
    match &args.output {
        None => print(&loaded.rendered.text),
        Some(path) => std::fs::write(path, &loaded.rendered.text)
            .map_err(|e| Failure::new(Exit::Unhealthy, format!("cannot write {}: {e}", path.display())))?,
    }
    Ok(Exit::Fine)
}
