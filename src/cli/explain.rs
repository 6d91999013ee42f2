//! `explain`: why a VIP is where it is, what would move it, and what happens if something dies.
//!
//! What is so comes from the running instance, what would be from a rehearsal of the configuration that it has in force.

use crate::cli::args::{ExplainArgs, Place};
use crate::cli::instance::{Instance, converse};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::place::{Understood, in_force};
use crate::cli::simulate::{players, what_it_does, without_service};
use crate::cli::status::priority;
use crate::cli::table::table;
use crate::cli::terminal::{Tone, paint, print, span, stdout_colour};
use crate::config::proof::{Effect, effects};
use crate::config::{Colour, Preempt, VipConfig};
use crate::node::Status;
use crate::node::status::{PeerStatus, PeerVipStatus, VipStatus};
use crate::rehearsal::{self, Player};
use crate::shell::clock;

/// Asks the running instance, and plays what could happen.
///
/// # Errors
/// 5 when vipkeeper is not running, 2 when there is no such VIP here.
pub fn run(place: &Place, args: &ExplainArgs) -> Result<Exit, Failure> {
    let status = converse(async { Instance::at(place.runtime()).status().await })?;
    let understood = in_force(place)?;
    let chosen = |vip: &&VipStatus| args.vip.as_ref().is_none_or(|name| *name == vip.name);
    let vips: Vec<&VipStatus> = status.vips.iter().filter(chosen).collect();
    if let (Some(name), true) = (&args.vip, vips.is_empty()) {
        let known: Vec<&str> = status.vips.iter().map(|vip| vip.name.as_str()).collect();
        let message = format!("this node takes part in no VIP {name:?}, only in {}", known.join(", "));
        return Err(Failure::new(Exit::Configuration, message));
    }
    let players = players(&understood, place)?;
    let colour = stdout_colour();
    for (index, vip) in vips.into_iter().enumerate() {
        if index > 0 {
            print("\n");
        }
        print(&explained(&status, vip, &understood, &players, colour)?);
    }
    Ok(Exit::Fine)
}

fn explained(
    status: &Status,
    vip: &VipStatus,
    understood: &Understood,
    players: &[Player],
    colour: Colour,
) -> Result<String, Failure> {
    let mut text = head(status, vip, colour);
    let section = |title: &str| format!("\n{}\n", paint(title, Tone::Strong, colour));
    text.push_str(&section("Who could have it"));
    text.push_str(&candidates(status, vip, colour));
    let config = understood.config.vips.iter().find(|config| config.name.as_str() == vip.name);
    let Some(config) = config else { return Ok(text) };
    text.push_str(&section("What would move it"));
    for line in movers(status, vip, config, understood) {
        text.push_str(&format!("  {line}\n"));
    }
    text.push_str(&section("What if, as things are now"));
    text.push_str(&what_if(status, vip, config, understood, players, colour)?);
    Ok(text)
}

fn head(status: &Status, vip: &VipStatus, colour: Colour) -> String {
    let name = paint(&vip.name, Tone::Strong, colour);
    let place = format!("{} on {}, vrid {}", vip.addresses.join(" "), vip.interface, vip.vrid);
    let holder = vip.holder.as_ref().map(|h| h.node.clone().unwrap_or_else(|| h.address.clone()));
    let since = span(vip.for_ms);
    let where_ = match (vip.state.as_str(), holder) {
        ("active", _) => format!("is here, on {}, for {since}", status.node),
        (_, Some(holder)) => format!("is on {holder}; {} is {} for {since}", status.node, vip.state),
        (_, None) => format!("is on no node that {} knows of; it is {} for {since}", status.node, vip.state),
    };
    let mut text = format!("{name} ({place}) {where_}\n");
    for line in vip.why.lines() {
        text.push_str(&format!("  why: {line}\n"));
    }
    if let Some(group) = &vip.group {
        text.push_str(&format!("  it moves with the others of group {group}\n"));
    }
    for trouble in &vip.troubles {
        text.push_str(&format!("  {}\n", paint(trouble, Tone::Bad, colour)));
    }
    text
}

fn candidates(status: &Status, vip: &VipStatus, colour: Colour) -> String {
    let mine = match (vip.state.as_str(), vip.priority) {
        ("fault", _) | (_, None) => format!("cannot: {}", vip.why.lines().next().unwrap_or_default()),
        ("active", Some(_)) => "has it".to_owned(),
        _ => "could".to_owned(),
    };
    let mut rows = vec![[format!("{} (this node)", status.node), priority(vip), mine]];
    for peer in &status.peers {
        let said = peer.vips.iter().find(|said| said.name == vip.name);
        rows.push([peer.name.clone(), said.map_or_else(|| "?".to_owned(), said_priority), verdict(peer, said)]);
    }
    if status.peers.is_empty() {
        let known = vip.holder.as_ref().filter(|_| vip.state != "active");
        let row = known.map(|h| {
            [h.node.clone().unwrap_or_else(|| h.address.clone()), h.priority.to_string(), "has it".to_owned()]
        });
        rows.extend(row);
    }
    let tone = |column, text: &str| match (column, text) {
        (2, "has it") => Some(Tone::Good),
        (2, text) if text.starts_with("cannot") => Some(Tone::Bad),
        _ => None,
    };
    let mut text: String =
        table(["NODE", "PRIORITY", ""], &rows, colour, tone).lines().map(|line| format!("  {line}\n")).collect();
    if status.peers.is_empty() {
        text.push_str("  of the other nodes nothing more is known: nodes that have [peers] tell each other\n");
    }
    text
}

fn said_priority(said: &PeerVipStatus) -> String {
    said.priority.map_or_else(|| "abstains".to_owned(), |priority| priority.to_string())
}

fn verdict(peer: &PeerStatus, said: Option<&PeerVipStatus>) -> String {
    let heard = peer.heard_ms_ago.map_or_else(|| "never heard".to_owned(), |ago| format!("heard {} ago", span(ago)));
    match said {
        _ if peer.state != "fresh" => format!("cannot: it is {}, {heard}", peer.state),
        None => "takes no part".to_owned(),
        Some(said) if said.state == "active" => "has it".to_owned(),
        Some(said) if said.fit => "could".to_owned(),
        Some(said) => format!("cannot: {}", said.why),
    }
}

fn movers(status: &Status, vip: &VipStatus, config: &VipConfig, understood: &Understood) -> Vec<String> {
    let mut lines = vec![format!(
        "no advert for {} ms ({} intervals of {} ms, and a skew): another node takes it over",
        config.advert_interval.duration().as_millis().saturating_mul(u128::from(config.down_multiplier)),
        config.down_multiplier,
        config.advert_interval.duration().as_millis()
    )];
    lines.push(match config.preempt {
        Preempt::Refused => "a better node does not take it back from one that lives (preempt = false)".to_owned(),
        Preempt::After(delay) if delay.is_zero() => "a better node takes it back as soon as it is fit".to_owned(),
        Preempt::After(delay) => {
            let ms = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            format!("a better node takes it back once it has been fit for {}", span(ms))
        }
    });
    lines.push("the proxy fails where it is: it leaves at once if another node is known to be fit, else the proxy is started again first".to_owned());
    for (track, effect) in config.track.iter().zip(effects(config, &understood.config.trackers)) {
        let now = status.trackers.iter().find(|tracker| tracker.name == track.tracker.as_str());
        let now = now.map_or("not looked at here", |tracker| tracker.verdict.as_str());
        let can = match effect {
            Effect::Abstains => "where it is failed, the node does not hold the VIP".to_owned(),
            Effect::Alone(sum) => format!("it can: {sum}"),
            Effect::Together(sum) => format!("only together with others: {sum}"),
            Effect::Never { arithmetic, .. } => format!("never: {arithmetic}"),
        };
        lines.push(format!("{} (weight {}, {now}): {can}", track.tracker, track.weight));
    }
    if vip.group.is_some() {
        lines.push("whatever moves another VIP of its group".to_owned());
    }
    lines
}

/// What is known to be wrong already is so in the rehearsal too.
fn given(status: &Status, vip: &VipStatus) -> Vec<String> {
    let mut steps = Vec::new();
    if !status.proxy.healthy {
        steps.push(format!("break proxy on {}", status.node));
    }
    if status.maintenance {
        steps.push(format!("release on {}", status.node));
    } else if vip.operator.as_deref() == Some("released") {
        steps.push(format!("release {} on {}", vip.name, status.node));
    }
    for peer in &status.peers {
        let fit = peer.vips.iter().filter(|said| said.name == vip.name).all(|said| said.fit);
        match (peer.state.as_str(), fit) {
            ("fresh", true) => {}
            ("fresh", false) => steps.push(format!("break proxy on {}", peer.name)),
            _ => steps.push(format!("crash {}", peer.name)),
        }
    }
    steps
}

fn what_if(
    status: &Status,
    vip: &VipStatus,
    config: &VipConfig,
    understood: &Understood,
    players: &[Player],
    colour: Colour,
) -> Result<String, Failure> {
    let steps = given(status, vip);
    // A node of another configuration than ours may not be known here.
    let given = rehearsal::parse(&understood.config, steps.iter().map(String::as_str)).unwrap_or_default();
    let takes_part = |at: usize| {
        let node = understood.config.nodes.get(at);
        node.is_some_and(|node| config.priorities.contains_key(&node.name))
    };
    let mut rows = Vec::new();
    let mut from = Vec::new();
    for question in rehearsal::questions(&understood.config) {
        if question.node.is_some_and(|at| !takes_part(at)) {
            continue;
        }
        // What is impossible as things are: a proxy that does not run cannot die.
        let Ok(answer) = rehearsal::ask(players, &given, &question, clock::now()) else { continue };
        if let Some(fate) = answer.fates.iter().find(|fate| fate.vip == vip.name) {
            from.clone_from(&fate.from);
            let then = what_it_does(fate);
            rows.push([answer.question, then, without_service(fate)]);
        }
    }
    if rows.is_empty() {
        return Ok("  nothing moves it or interrupts it\n".to_owned());
    }
    let tone = |column, text: &str| match (column, text) {
        (2, "none") => Some(Tone::Good),
        (2, "until somebody mends it") => Some(Tone::Bad),
        _ => None,
    };
    let mut text: String = table(["IF", "THEN IT", "WITHOUT SERVICE"], &rows, colour, tone)
        .lines()
        .map(|line| format!("  {line}\n"))
        .collect();
    let holder = vip.holder.as_ref().and_then(|h| h.node.clone());
    if holder.as_ref().is_some_and(|holder| from != [holder.clone()]) {
        text.push_str(&format!("  (played from where it is after a start: on {})\n", from.join(" and ")));
    }
    text.push_str(&format!(
        "  {}\n",
        paint("everything else leaves it where it is, unnoticed; times are played, not measured", Tone::Faint, colour)
    ));
    Ok(text)
}
