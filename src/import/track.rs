//! What instances and groups track.

use super::Gathered;
use super::keepalived::Directive;
use super::report::{Fate, Report};
use super::write::name_of;

/// Trackers by name, weight and whether they are reversed; and scripts that only watch the proxy, with their weights.
type Tracked<'a> = (&'a mut Vec<(String, i32, bool)>, &'a mut Vec<(String, i32)>);

/// A tracker of an interface, which may be called otherwise on each node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Link {
    /// Of the tracker.
    pub(super) name: String,
    pub(super) by_node: Vec<(String, String)>,
}

/// Where a block stands: its label, its node, and the interface of the instance, which is empty for a group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Around<'a> {
    pub(super) label: &'a str,
    pub(super) node: &'a str,
    pub(super) interface: &'a str,
}

/// The other node calls a tracked interface otherwise: `old` of the node before and `new` of this one become one tracker.
pub(super) fn join(links: &mut [Link], old: &str, new: &str, node: &str) -> bool {
    let found = links
        .iter()
        .find(|link| link.name == new)
        .and_then(|link| link.by_node.iter().find(|(of, _)| of == node).map(|(_, interface)| interface.clone()));
    let (Some(interface), Some(link)) = (found, links.iter_mut().find(|link| link.name == old)) else { return false };
    link.by_node.retain(|(of, _)| of != node);
    link.by_node.push((node.to_owned(), interface));
    true
}

/// Reads a block of an instance or a group.
pub(super) fn read(
    block: &Directive,
    around: Around<'_>,
    tracked: Tracked<'_>,
    all: &mut Gathered,
    report: &mut Report,
) {
    let (tracks, watched) = tracked;
    let Around { label, node, interface } = around;
    for directive in block.inside() {
        let name = directive.keyword();
        let after = directive.words.iter().skip_while(|word| *word != "weight").nth(1);
        let weight = after.and_then(|word| word.parse::<i32>().ok());
        let reverse = directive.words.iter().any(|word| word == "reverse");
        if block.keyword() == "track_interface" {
            if name == interface && weight.unwrap_or(0) == 0 && !reverse {
                report.add(directive, label, Fate::Mapped, "the VIP's own interface is watched in any case");
                continue;
            }
            let tracker = name_of(&format!("link-{name}"), "link");
            let link = Link { name: tracker.clone(), by_node: Vec::new() };
            if !all.interfaces.iter().any(|known| known.name == tracker) {
                all.interfaces.push(link);
            }
            for known in all.interfaces.iter_mut().filter(|known| known.name == tracker) {
                known.by_node.retain(|(of, _)| of != node);
                known.by_node.push((node.to_owned(), name.to_owned()));
            }
            tracks.push((tracker, weight.unwrap_or(0), reverse));
            report.add(directive, label, Fate::Mapped, "a [[tracker]] with `interface`, and vip.track");
            continue;
        }
        match all.scripts.iter().find(|script| script.name == name) {
            Some(script) if script.keys.is_none() => {
                watched.push((name.to_owned(), weight.unwrap_or(script.weight)));
                report.add(directive, label, Fate::Mapped, "the proxy's own watch counts for every VIP");
            }
            Some(script) => {
                tracks.push((name_of(name, "tracker"), weight.unwrap_or(script.weight), reverse || script.reverse));
                report.add(directive, label, Fate::Mapped, "vip.track");
            }
            None => report.add(
                directive,
                label,
                Fate::Trap,
                "no script of this name stands before it: keepalived ignores the line",
            ),
        }
    }
}
