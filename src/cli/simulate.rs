//! `simulate`: what would happen, asked of the nodes of the user's own configuration. Touches nothing.

use serde::Serialize;

use crate::cli::args::{Place, SimulateArgs};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::place::{Understood, render_for, understand};
use crate::cli::table::table;
use crate::cli::terminal::{Tone, exact_span, paint, print, stderr_colour, stdout_colour};
use crate::config::Colour;
use crate::journal::story::Stamp;
use crate::rehearsal::{self, Account, Answer, Fate, Player, Script, Seen};
use crate::shell::clock;

/// A script of a person is shorter.
const SCRIPT_BYTES_MAX: u64 = 64 << 10;

/// What the times are worth.
const CAVEAT: &str = "\
The nodes and the protocol are the real ones; that Linux, HAProxy and the network answer in typical times is assumed.
Without service means: new connections to the VIP's address fail.";

/// Plays the script, or asks everything that is asked of every pair.
///
/// # Errors
/// 2 when the configuration or the script is wrong.
pub fn run(place: &Place, args: &SimulateArgs) -> Result<Exit, Failure> {
    let understood = understand(&place.config, stderr_colour())?;
    let mut players = players(&understood, place)?;
    if args.peers {
        let talks = understood.config.peers.is_some();
        players.iter_mut().for_each(|player| player.talks = talks);
    }
    let caveat = caveat(&understood, &players);
    let colour = stdout_colour();
    let mut steps = args.steps.clone();
    if let Some(path) = &args.script {
        let text = super::place::read_bounded(path, SCRIPT_BYTES_MAX)?;
        steps.extend(text.lines().map(str::to_owned));
    }
    let wrong = |why: &dyn std::fmt::Display| Failure::new(Exit::Configuration, why);
    let script = rehearsal::parse(&understood.config, steps.iter().map(String::as_str)).map_err(|e| wrong(&e))?;
    let given = Script::default();
    if script.steps.is_empty() {
        let ask = |question| rehearsal::ask(&players, &given, question, clock::now()).map_err(|e| wrong(&e));
        let answers: Vec<Answer> =
            rehearsal::questions(&understood.config).iter().map(ask).collect::<Result<_, _>>()?;
        print(&if args.json { json(&answers)? } else { answers_text(&answers, &caveat, colour) });
        return Ok(Exit::Fine);
    }
    let account = rehearsal::play(&players, &given, &script, clock::now(), std::time::Duration::ZERO);
    let account = account.map_err(|e| wrong(&e))?;
    print(&if args.json { json(&account)? } else { account_text(&account, &caveat, colour) });
    Ok(Exit::Fine)
}

/// All nodes, with what each would run.
pub(super) fn players(understood: &Understood, place: &Place) -> Result<Vec<Player>, Failure> {
    let player = |node: &crate::config::NodeConfig| {
        let loaded = render_for(understood, &node.name, place)?;
        // Each node has the key that this host has.
        let talks = loaded.key.is_some();
        Ok(Player { name: node.name.clone(), loaded, talks })
    };
    understood.config.nodes.iter().map(player).collect()
}

/// What the times are worth here.
fn caveat(understood: &Understood, players: &[Player]) -> String {
    let Some(peers) = understood.config.peers.as_ref().filter(|_| players.iter().all(|player| !player.talks)) else {
        return CAVEAT.to_owned();
    };
    let file = peers.key_file.display();
    format!("{CAVEAT}\nPlayed as plain VRRP: there is no key at {file} here. --peers plays as if there were one.")
}

fn json<T: Serialize>(value: &T) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(value).map_err(|e| Failure::new(Exit::Unhealthy, e))?;
    Ok(format!("{text}\n"))
}

fn names(names: &[String]) -> String {
    if names.is_empty() { "nobody".to_owned() } else { names.join(" and ") }
}

/// `none`, `12 ms`, `12-14 ms`, or that there is no end to it.
pub(super) fn without_service(fate: &Fate) -> String {
    if !fate.served {
        return "until somebody mends it".to_owned();
    }
    match (fate.least_us, fate.most_us) {
        (_, 0) => "none".to_owned(),
        (least, most) if exact_span(least) == exact_span(most) => exact_span(most),
        (least, most) => format!("{} to {}", exact_span(least), exact_span(most)),
    }
}

/// Whether it moves, and whereto.
pub(super) fn what_it_does(fate: &Fate) -> String {
    match (fate.from == fate.to, fate.moved) {
        (true, false) => "stays".to_owned(),
        (true, true) => "comes back".to_owned(),
        (false, _) => format!("goes to {}", names(&fate.to)),
    }
}

fn answers_text(answers: &[Answer], caveat: &str, colour: Colour) -> String {
    let mut rows = Vec::new();
    for answer in answers {
        if answer.fates.is_empty() {
            rows.push([answer.question.clone(), "all".to_owned(), "stay".to_owned(), "none".to_owned()]);
        }
        for (index, fate) in answer.fates.iter().enumerate() {
            let question = if index == 0 { answer.question.clone() } else { String::new() };
            rows.push([question, fate.vip.clone(), what_it_does(fate), without_service(fate)]);
        }
    }
    let text = table(["IF", "VIP", "THEN IT", "WITHOUT SERVICE"], &rows, colour, |column, text| match (column, text) {
        (3, "none") => Some(Tone::Good),
        (3, "until somebody mends it") => Some(Tone::Bad),
        (0, _) => Some(Tone::Strong),
        _ => None,
    });
    format!("{text}\n{}\n", paint(caveat, Tone::Faint, colour))
}

fn account_text(account: &Account, caveat: &str, colour: Colour) -> String {
    let mut text = String::new();
    for seen in &account.vips {
        text.push_str(&format!("{} is on {}\n", seen.vip, names(&seen.before)));
    }
    for told in &account.timeline {
        if told.step {
            text.push_str(&format!("\n{}\n", paint(&format!("> {}", told.text), Tone::Strong, colour)));
        } else {
            let at = Stamp(std::time::Duration::from_micros(told.at_us)).to_string();
            text.push_str(&format!("{}{}\n", paint(&at, Tone::Faint, colour), told.text));
        }
    }
    let row = |seen: &Seen| {
        let lost = u64::try_from(seen.without_service().as_micros()).unwrap_or(u64::MAX);
        let lost = match (lost, seen.served) {
            (0, _) => "none".to_owned(),
            (lost, true) if seen.outages.len() == 1 => exact_span(lost),
            (lost, true) => format!("{} in {} times", exact_span(lost), seen.outages.len()),
            (lost, false) => format!("{}, and not served at the end", exact_span(lost)),
        };
        let shared = if seen.shared_us == 0 { "never".to_owned() } else { exact_span(seen.shared_us) };
        [seen.vip.clone(), names(&seen.before), names(&seen.after), lost, shared]
    };
    let rows: Vec<[String; 5]> = account.vips.iter().map(row).collect();
    let head = ["VIP", "WAS ON", "IS ON", "WITHOUT SERVICE", "ON TWO NODES"];
    let tone = |column, text: &str| match (column, text) {
        (0, _) => Some(Tone::Strong),
        (3, "none") | (4, "never") => Some(Tone::Good),
        (3, text) if text.contains("not served") => Some(Tone::Bad),
        _ => None,
    };
    text.push_str(&format!("\n{}\n{}\n", table(head, &rows, colour, tone), paint(caveat, Tone::Faint, colour)));
    text
}
