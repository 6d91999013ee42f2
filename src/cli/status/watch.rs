//! `status --watch`: the status again and again, on a screen of its own.

use std::io::IsTerminal;
use std::time::Duration;

use crate::cli::args::{Place, StatusArgs};
use crate::cli::instance::{Instance, converse};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::status::{exit, human};
use crate::cli::terminal::{Tone, complain, height, paint, print, span, stdout_colour};
use crate::config::Colour;
use crate::node::Status;

/// From one look to the next.
const EVERY: Duration = Duration::from_secs(1);
/// Lines of a terminal that does not say how many it has.
const HEIGHT: usize = 24;
/// Transitions that are shown, newest first.
const TRANSITIONS_MAX: usize = 50;

/// The other screen, without cursor, long lines cut.
const ENTER: &str = "\u{1b}[?1049h\u{1b}[?25l\u{1b}[?7l";
const LEAVE: &str = "\u{1b}[?7h\u{1b}[?25h\u{1b}[?1049l";

/// How it is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// A screen of its own.
    Screen,
    /// One after another.
    Text,
    /// A line each.
    Json,
}

/// Shows until it is interrupted. An instance that does not run is waited for.
///
/// # Errors
/// 3 when it may not be asked.
pub(super) fn run(place: &Place, args: &StatusArgs) -> Result<Exit, Failure> {
    let form = match (args.json, std::io::stdout().is_terminal()) {
        (true, _) => Form::Json,
        (false, true) => Form::Screen,
        (false, false) => Form::Text,
    };
    if form == Form::Screen {
        print(ENTER);
    }
    let ended = converse(watch(place, form));
    if form == Form::Screen {
        print(LEAVE);
    }
    ended
}

async fn watch(place: &Place, form: Form) -> Result<Exit, Failure> {
    let instance = Instance::at(place.runtime());
    let mut last = Exit::Fine;
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => {}
            interrupted = tokio::signal::ctrl_c() => {
                return interrupted.map(|()| last).map_err(|e| Failure::new(Exit::Unhealthy, e));
            }
        }
        let answer = instance.status().await;
        match &answer {
            Ok(status) => last = exit(status),
            Err(failure) if failure.exit == Exit::Missing => return Err(failure.clone()),
            Err(failure) => last = failure.exit,
        }
        match (answer, form) {
            (Ok(status), Form::Json) => {
                let line = serde_json::to_string(&status).map_err(|e| Failure::new(Exit::Unhealthy, e))?;
                print(&format!("{line}\n"));
            }
            (Err(failure), Form::Json) => complain(&failure.message),
            (Ok(status), Form::Screen) => show(&view(&status, stdout_colour())),
            (Err(failure), Form::Screen) => show(&failure.message),
            (Ok(status), Form::Text) => print(&format!("{}\n", view(&status, stdout_colour()))),
            (Err(failure), Form::Text) => complain(&failure.message),
        }
    }
}

fn show(text: &str) {
    print(&frame(text, height().unwrap_or(HEIGHT), stdout_colour()));
}

/// A whole screen: what is on it already is written over, so that nothing flickers.
fn frame(text: &str, height: usize, colour: Colour) -> String {
    let room = height.saturating_sub(1);
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    if lines.len() > room {
        let hidden = lines.len().saturating_sub(room.saturating_sub(1));
        lines.truncate(room.saturating_sub(1));
        lines.push(paint(&format!("and {hidden} more lines"), Tone::Faint, colour));
    }
    lines.resize(room, String::new());
    lines.push(paint("every second; Ctrl-C ends", Tone::Faint, colour));
    let body: Vec<String> = lines.iter().map(|line| format!("{line}\u{1b}[K")).collect();
    format!("\u{1b}[H{}\u{1b}[J", body.join("\r\n"))
}

/// The status, and below it what changed last.
fn view(status: &Status, colour: Colour) -> String {
    let mut all: Vec<(u64, String)> = status
        .vips
        .iter()
        .flat_map(|vip| {
            vip.transitions.iter().map(|t| {
                let (from, to) = (t.from.to_uppercase(), t.to.to_uppercase());
                let why = t.why.lines().next().unwrap_or_default();
                (t.ms_ago, format!("{:>14} ago  {}: {from} -> {to}: {why}", span(t.ms_ago), vip.name))
            })
        })
        .collect();
    all.sort_by_key(|(ago, _)| *ago);
    let mut text = human(status, colour);
    text.push_str(&format!("\n{}\n", paint("What changed last", Tone::Strong, colour)));
    for (_, line) in all.into_iter().take(TRANSITIONS_MAX) {
        text.push_str(&format!("{line}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_fills_the_screen_and_no_more() {
        let lines = |text: &str, height| {
            let frame = frame(text, height, Colour::None);
            let body =
                frame.strip_prefix("\u{1b}[H").and_then(|rest| rest.strip_suffix("\u{1b}[J")).unwrap().to_owned();
            body.split("\r\n").map(|line| line.trim_end_matches("\u{1b}[K").to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(lines("a\nb", 4), ["a", "b", "", "every second; Ctrl-C ends"]);
        assert_eq!(lines("a\nb\nc", 4), ["a", "b", "c", "every second; Ctrl-C ends"]);
        assert_eq!(lines("a\nb\nc\nd", 4), ["a", "b", "and 2 more lines", "every second; Ctrl-C ends"]);
        assert_eq!(lines("a\nb", 1), ["every second; Ctrl-C ends"]);
    }
}
