//! `diff`: what a change of the configuration would do, and at what cost. Changes nothing.

use serde::Serialize;

use crate::cli::args::{DiffArgs, Place};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::place::{Me, in_force, me, render_for, understand};
use crate::cli::terminal::{print, stderr_colour};
use crate::config::Engine;
use crate::config::diff::{Cost, Difference, differences};
use crate::node::event::Loaded;
use crate::proxy::runtime::plan::{DYNAMIC_SERVERS_SINCE, Plan, plan};

/// What is printed as JSON.
#[derive(Debug, Serialize)]
struct Report<'a> {
    /// The most expensive one.
    cost: Cost,
    differences: &'a [Difference],
}

/// Compares the file with what is in force, or with another file.
///
/// # Errors
/// 2 when one of the two is wrong or this host is none of its nodes, 5 when there is nothing to compare with.
pub fn run(place: &Place, args: &DiffArgs) -> Result<Exit, Failure> {
    let new = understand(&place.config, stderr_colour())?;
    let old = match &args.against {
        Some(file) => understand(file, stderr_colour())?,
        None => in_force(place)
            .map_err(|failure| Failure { message: format!("{failure}; name a file with --against"), ..failure })?,
    };
    let node = match me(&new.config, place)? {
        Me::Node(node) => node,
        Me::Nobody { host } => {
            let message = format!("this host is called {host:?}, which is no node of the configuration; say --node");
            return Err(Failure::new(Exit::Configuration, message));
        }
    };
    let mut found = differences(&old.config, &new.config, &node);
    if old.config.proxy.engine == new.config.proxy.engine {
        found.extend(of_proxy(&render_for(&old, &node, place)?, &render_for(&new, &node, place)?));
    }
    let cost = found.iter().map(|one| one.cost).max().unwrap_or(Cost::Nothing);
    if args.json {
        let json = serde_json::to_string_pretty(&Report { cost, differences: &found });
        print(&format!("{}\n", json.map_err(|e| Failure::new(Exit::Unhealthy, e))?));
    } else {
        print(&text(cost, &found));
    }
    Ok(Exit::Fine)
}

fn of_proxy(old: &Loaded, new: &Loaded) -> Vec<Difference> {
    if old.rendered.generation == new.rendered.generation {
        return Vec::new();
    }
    match new.config.proxy.engine {
        Engine::Nginx => vec![Difference::new(Cost::Reload, "nginx takes no change without a reload")],
        // The one that runs is not asked: 2.6 is the oldest that is supported.
        Engine::Haproxy => match plan(&old.rendered.text, &new.rendered.text, DYNAMIC_SERVERS_SINCE) {
            Plan::Nothing => vec![Difference::new(Cost::Reload, "a comment of the proxy's file")],
            Plan::Reload(why) => vec![Difference::new(Cost::Reload, why)],
            Plan::Changes(changes) => changes.iter().map(|one| Difference::new(Cost::Runtime, one)).collect(),
        },
    }
}

fn text(cost: Cost, found: &[Difference]) -> String {
    if found.is_empty() {
        return "no difference\n".to_owned();
    }
    let mut text: String = found.iter().map(|one| format!("{:<8}  {}\n", one.cost, one.what)).collect();
    text.push_str(match cost {
        Cost::Nothing => "\nnobody is interrupted, and the proxy is not touched\n",
        Cost::Runtime => "\nthe running proxy takes all of it without a reload\n",
        Cost::Reload => "\nthe proxy is reloaded: old connections end in the old worker\n",
        Cost::Election => "\na VIP moves, appears or leaves\n",
        Cost::Restart => "\nnot all of it can be had without a restart of vipkeeper and the proxy\n",
    });
    text
}
