//! keepalived's configurations to one vipkeeper TOML, with a report of what became of each directive.
//!
//! Pure: texts in, values out. Never reads a file, and never fails on what a directive means: that is for the report.

pub mod haproxy;
pub mod keepalived;
pub mod report;

mod address;
mod announce;
mod command;
mod hooks;
mod instance;
mod mail;
mod merge;
mod peers;
mod proxy;
mod routing;
mod script;
mod track;
mod write;

use std::path::PathBuf;

use crate::config::{self, Source, Sources};
use instance::{Node, Virtual};
use keepalived::{Directive, Include, SyntaxError};
use report::{Fate, Report};
use script::Script;

/// One file of the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Input {
    /// The node that it is of, where the user said so.
    pub node: Option<String>,
    /// What it is called.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// What came out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// The configuration of vipkeeper.
    pub toml: String,
    /// What became of each directive.
    pub report: Report,
}

/// What was gathered from all files.
#[derive(Debug, Default)]
struct Gathered {
    nodes: Vec<Node>,
    virtuals: Vec<Virtual>,
    groups: Vec<instance::Group>,
    scripts: Vec<Script>,
    runners: hooks::Runners,
    /// Trackers that stand for `track_interface`, by interface.
    interfaces: Vec<track::Link>,
    nginx: bool,
    mail: mail::Mail,
    /// `vrrp_version` of the node that is read.
    version: Option<String>,
    /// `default_interface` of that node.
    interface: String,
    /// `vrrp_garp_*` of that node, as keys of a VIP.
    announce: Vec<(String, String)>,
}

/// Nodes that one file may have lines for.
const NODES_MAX: usize = 64;

/// Turns configurations into one.
///
/// # Errors
/// The first place where a text is none of keepalived's or HAProxy's language.
pub fn import(inputs: &[Input], haproxy: Option<(&str, &str)>, include: Include<'_>) -> Result<Imported, SyntaxError> {
    let mut report = Report::default();
    let mut all = Gathered::default();
    for input in inputs {
        let ids = keepalived::config_ids(&input.text);
        let several = input.node.is_none() && ids.len() > 1;
        if several && ids.len() > NODES_MAX {
            let at = keepalived::At { file: input.path.clone(), line: 1, column: 1 };
            let message =
                format!("lines for more than {NODES_MAX} ids: give the file with the name of its node, lb1=FILE");
            return Err(SyntaxError { at, message });
        }
        let names: Vec<Option<String>> =
            if several { ids.into_iter().map(Some).collect() } else { vec![input.node.clone()] };
        for name in names {
            let id = name.as_deref().unwrap_or_default();
            let tree = keepalived::parse(&input.path, &input.text, id, include)?;
            one_node(name.as_deref(), &input.path, &tree, &mut all, &mut report);
        }
    }
    let sections = match haproxy {
        Some((path, text)) => haproxy::parse(path, text)?,
        None => Vec::new(),
    };
    merge::settle(&mut all, &mut report);
    peers::settle(&mut all, &mut report);
    let runner = all.runners.settle(&mut report);
    let mail = all.mail.settle(&mut report);
    let toml = write::write(&all, mail, runner.as_ref(), &sections, &mut report);
    judge(&toml, &mut report);
    Ok(Imported { toml, report })
}

/// Reads the top level of a configuration.
fn one_node(name: Option<&str>, path: &str, tree: &[Directive], all: &mut Gathered, report: &mut Report) {
    let node = instance::node(name, path, tree, all.nodes.len());
    let name = node.name.clone();
    all.nodes.push(node);
    all.version = None;
    "eth0".clone_into(&mut all.interface);
    all.announce.clear();
    for directive in tree {
        match directive.keyword() {
            "global_defs" => globals(directive, all, report),
            "vrrp_script" | "vrrp_track_process" | "track_file" | "vrrp_track_file" => {
                script::read(directive, all, report);
            }
            "vrrp_instance" => instance::read(directive, &name, all, report),
            "vrrp_sync_group" => merge::group(directive, &name, all, report),
            "virtual_server" | "virtual_server_group" => {
                let why = "LVS is no part of vipkeeper; its proxy balances: write a [[frontend]] and a [[backend]]";
                report.add(directive, "", Fate::Dropped, why);
            }
            other => report.add(directive, "", Fate::Dropped, &format!("vipkeeper has nothing like {other}")),
        }
    }
}

/// What of `global_defs` matters.
fn globals(block: &Directive, all: &mut Gathered, report: &mut Report) {
    for directive in block.inside() {
        let keyword = directive.keyword();
        let (fate, why) = match keyword {
            "router_id" => (Fate::Mapped, "node.name, where the command line gives none"),
            "vrrp_strict" => {
                let trap =
                    "vrrp_strict silently drops authentication, unicast and preempt_delay; vipkeeper has no such mode";
                (Fate::Trap, trap)
            }
            "script_user" => {
                all.runners.read_default(directive, report);
                continue;
            }
            "smtp_alert" => {
                all.mail.alert(directive, "global_defs");
                continue;
            }
            setting if mail::SETTINGS.contains(&setting) => {
                all.mail.setting(directive);
                continue;
            }
            about if announce::is_one(about) => {
                announce::read(directive, "global_defs", &mut all.announce, report);
                continue;
            }
            "default_interface" => {
                directive.word(1).clone_into(&mut all.interface);
                (Fate::Mapped, "vip.interface where an instance has none")
            }
            "vrrp_version" => {
                all.version = Some(directive.word(1).to_owned());
                (Fate::Mapped, "vip.version of IPv4")
            }
            _ => (Fate::Dropped, "vipkeeper needs no such setting, or has none"),
        };
        report.add(directive, "global_defs", fate, why);
    }
}

/// Asks vipkeeper's own check; what it finds is part of the report.
fn judge(toml: &str, report: &mut Report) {
    let source = Source { path: PathBuf::from("vipkeeper.toml"), text: toml.to_owned() };
    let sources = Sources { files: vec![source] };
    if let Err(problems) = config::load(&sources) {
        for record in problems.records(&sources) {
            let fix = record.fix.map(|fix| format!("; {fix}")).unwrap_or_default();
            let note = record.note.map(|note| format!(" ({note})")).unwrap_or_default();
            report.problems.push(format!("line {}: {}{note}{fix}", record.line, record.message));
        }
    }
}

#[cfg(test)]
mod tests;
