//! Interfaces: one name for all nodes, or a table by node.

use std::collections::BTreeMap;

use super::nodes::Nodes;
use super::{Cx, Reported};
use crate::config::problem::{Place, Problem};
use crate::config::raw::PerNode;
use crate::config::written::{At, TextOr};
use crate::units::{IfName, Name};

/// An `interface` key, and which nodes it must speak of.
pub(super) struct Written<'a> {
    pub(super) file: usize,
    pub(super) value: &'a At<TextOr<PerNode>>,
    /// None: unknown, because of a problem that was reported.
    pub(super) needed_by: Option<Vec<&'a Name>>,
    /// What is wrong with a node that is not among them; none: nothing.
    pub(super) not_needed: Option<&'static str>,
}

/// The interface of each node, as far as it is known; also whether nothing was reported.
pub(super) fn interfaces(
    cx: &mut Cx<'_>,
    nodes: &Nodes,
    written: &Written<'_>,
) -> (BTreeMap<Name, IfName>, Result<(), Reported>) {
    let place = Place::new(written.file, written.value.span());
    match written.value.get() {
        TextOr::Text(text) => match (interface_name(cx, place, text), &written.needed_by) {
            (Some(interface), Some(needed_by)) => {
                (needed_by.iter().map(|node| ((*node).clone(), interface.clone())).collect(), Ok(()))
            }
            (Some(_) | None, _) => (BTreeMap::new(), Err(Reported)),
        },
        TextOr::Other(table) => interface_table(cx, nodes, written, (place, table)),
    }
}

fn interface_table(
    cx: &mut Cx<'_>,
    nodes: &Nodes,
    written: &Written<'_>,
    (place, table): (Place, &PerNode),
) -> (BTreeMap<Name, IfName>, Result<(), Reported>) {
    let at = |value: &At<String>| Place::new(written.file, value.span());
    let mut interfaces = BTreeMap::new();
    let mut outcome = Ok(());
    for (node, name) in table {
        let known = nodes.names.resolve(cx, at(node), node.get()).is_some();
        let interface = interface_name(cx, at(name), name.get());
        let needed =
            written.needed_by.as_ref().is_none_or(|nodes| nodes.iter().any(|name| name.as_str() == node.get()));
        let takes_part = needed || written.not_needed.is_none();
        if let (true, false, Some(why)) = (known, needed, written.not_needed) {
            let problem = Problem::new(at(node), format!("node {:?} {why}", node.get()));
            cx.add(problem.label("not in `prefer` or `priority`").fix("add it there, or remove it here"));
        }
        match (known && takes_part, Name::new(node.get()), interface) {
            (true, Ok(node), Some(interface)) => drop(interfaces.insert(node, interface)),
            _ => outcome = Err(Reported),
        }
    }
    let said = |node: &Name| table.keys().any(|key| key.get() == node.as_str());
    for node in written.needed_by.iter().flatten().filter(|node| !said(node)) {
        outcome = Err(Reported);
        // An entry that was lost for its shape was reported already.
        if cx.is_whole(&place) {
            let problem = Problem::new(place.clone(), format!("`interface` says nothing for node \"{node}\""));
            cx.add(problem.label("incomplete").fix(format!("add `{node} = \"eth0\"` with its interface")));
        }
    }
    (interfaces, outcome)
}

pub(super) fn interface_name(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<IfName> {
    IfName::new(text)
        .map_err(|error| cx.add(Problem::new(place, error.to_string()).fix("write the name that `ip link` shows")))
        .ok()
}
