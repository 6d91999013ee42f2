//! What the audience sees: lines with the time since the start, and a table at the end. Also without a terminal.

use std::net::IpAddr;
use std::time::Instant;

use super::balancer::Snapshot;
use super::now;
use super::prober::{Miss, Sight};
use crate::cli::terminal::{Tone, paint, print};
use crate::config::Colour;

/// Prints.
#[derive(Debug)]
pub(super) struct View {
    begun: Instant,
    colour: Colour,
}

/// One act of the story, as clients saw it.
#[derive(Debug, Clone)]
pub(super) struct Act {
    /// What was done.
    pub(super) title: &'static str,
    /// What clients saw.
    pub(super) sight: Sight,
    /// Whether it went as it should.
    pub(super) good: bool,
}

impl View {
    pub(super) fn new(colour: Colour) -> Self {
        Self { begun: now(), colour }
    }

    /// A new chapter.
    pub(super) fn chapter(&self, text: &str) {
        print(&format!("\n{}\n", paint(text, Tone::Strong, self.colour)));
    }

    /// Something happened to somebody.
    pub(super) fn line(&self, who: &str, text: &str, tone: Tone) {
        let at = self.begun.elapsed().as_secs_f64();
        let time = paint(&format!("{at:7.3} s"), Tone::Faint, self.colour);
        print(&format!("{time}  {who:<7} {}\n", paint(text, tone, self.colour)));
    }

    /// What a host says of itself, if it says something new.
    pub(super) fn changes(&self, host: &str, before: Option<&Snapshot>, now: &Snapshot) {
        if before.is_none_or(|b| b.healthy != now.healthy) {
            let (word, tone) = match (now.healthy, before) {
                (true, _) => ("healthy", Tone::Good),
                (false, Some(_)) => ("not healthy", Tone::Bad),
                (false, None) => ("not healthy yet", Tone::Idle),
            };
            self.line(host, &format!("proxy {word}: {}", now.proxy_why), tone);
        }
        if before.is_none_or(|b| b.state != now.state) {
            let tone = match (now.state.as_str(), before) {
                ("active", _) => Tone::Good,
                ("backup", _) | (_, None) => Tone::Idle,
                (_, Some(_)) => Tone::Bad,
            };
            self.line(host, &format!("VIP {}: {}", now.state, now.why), tone);
        }
        if let Some(reload) = now.reload.as_ref().filter(|r| before.is_none_or(|b| b.reload.as_ref() != Some(*r))) {
            self.line(host, reload, Tone::Idle);
        }
    }

    /// What clients saw, in one line.
    pub(super) fn sight(&self, sight: &Sight) {
        let served = sight.served_by.iter().map(host_name).collect::<Vec<_>>().join(", then ");
        let text = format!("{} requests, {}, served by {served}", sight.asked, losses(sight));
        self.line("client", &text, if sight.missed.is_empty() { Tone::Good } else { Tone::Strong });
    }

    /// The end of the story.
    pub(super) fn summary(&self, acts: &[Act]) {
        self.chapter("What clients saw");
        let row = |cells: [&str; 5]| {
            let [title, served, asked, failed, outage] = cells;
            format!("{title:<42}  {served:<12}  {asked:>8}  {failed:>6}  {outage}\n")
        };
        print(&paint(&row(["", "served by", "requests", "failed", "without service"]), Tone::Faint, self.colour));
        for act in acts {
            let served = act.sight.served_by.iter().map(host_name).collect::<Vec<_>>().join(" -> ");
            let (asked, failed) = (act.sight.asked.to_string(), act.sight.missed.len().to_string());
            let verdict = if act.good { String::new() } else { paint("  NOT AS IT SHOULD BE", Tone::Bad, self.colour) };
            print(&row([act.title, &served, &asked, &failed, &format!("{}{verdict}", outage(&act.sight))]));
        }
    }
}

/// The balancer behind an address of the back side.
fn host_name(via: &IpAddr) -> String {
    super::BALANCERS.iter().find(|b| IpAddr::V4(b.back) == *via).map_or(via.to_string(), |b| b.name.to_owned())
}

fn outage(sight: &Sight) -> String {
    match (sight.outage, sight.missed.is_empty()) {
        (_, true) => "-".to_owned(),
        (Some(time), false) => format!("{} ms", time.as_millis()),
        (None, false) => "still".to_owned(),
    }
}

/// `none failed`, or how many, why, and how long there was no service.
fn losses(sight: &Sight) -> String {
    if sight.missed.is_empty() {
        return "none failed".to_owned();
    }
    let mut kinds: Vec<Miss> = sight.missed.clone();
    kinds.sort();
    kinds.dedup();
    let kinds: Vec<String> =
        kinds.iter().map(|k| format!("{} {k}", sight.missed.iter().filter(|m| *m == k).count())).collect();
    format!("{} failed ({}), {} without service", sight.missed.len(), kinds.join(", "), outage(sight))
}
