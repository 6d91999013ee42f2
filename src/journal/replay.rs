//! A journal told again to a real node.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::time::Instant;

use crate::journal::story::{Line, Stamp, What};
use crate::journal::{FORMAT, Record};
use crate::node::{Effect, Effects, Event, Node};
use crate::units::recorded::moment;

/// Why a line cannot be told again.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// No JSON, or not ours, or a configuration that this version refuses.
    #[error("it is not understood: {0}")]
    Line(serde_json::Error),
    /// The first line is another.
    #[error("a journal begins with what the node was made of, and this line does not tell")]
    NoStart,
    /// A second start.
    #[error("a journal begins only once: two were put together")]
    SecondStart,
    /// Written in another format.
    #[error("it has format {0}, and this vipkeeper reads format {FORMAT}; replay it with the vipkeeper that wrote it")]
    Format(u32),
}

/// What came of one line.
#[derive(Debug)]
pub struct Turn {
    /// The lines of the story, each without its line feed.
    pub story: Vec<String>,
    /// Everything the node asked for, in order.
    pub effects: Effects,
}

/// A node on its way through its journal.
#[derive(Debug)]
pub struct Replay {
    node: Node,
    name: String,
    start: Instant,
    now: Instant,
    held: BTreeSet<IpAddr>,
    /// Events that the journal says it lacks.
    pub lost: u64,
    /// The journal had reached its limit.
    pub full: bool,
}

impl Replay {
    /// Begins with the first line. The story does not depend on `base`: it is where the virtual clock starts.
    ///
    /// # Errors
    /// When the line is no start, of another format, or has a configuration that this version refuses.
    pub fn start(line: &str, base: Instant) -> Result<(Self, Turn), JournalError> {
        if let Some(other) = format(line).filter(|format| *format != FORMAT) {
            return Err(JournalError::Format(other));
        }
        let Record::Start { format: _, version: _, node: name, incarnation, loaded } = read(line, base)? else {
            return Err(JournalError::NoStart);
        };
        let (node, effects) = Node::new(loaded, name.clone(), incarnation, base);
        let (name, held) = (name.to_string(), BTreeSet::new());
        let replay = Self { node, name, start: base, now: base, held, lost: 0, full: false };
        let mut story = vec![replay.tell(What::Starts)];
        replay.tell_effects(&effects, &mut story);
        Ok((replay, Turn { story, effects }))
    }

    /// The next line.
    ///
    /// # Errors
    /// When it is not understood; the node is as before then.
    pub fn take(&mut self, line: &str) -> Result<Turn, JournalError> {
        match read(line, self.start)? {
            Record::Start { .. } => Err(JournalError::SecondStart),
            Record::Told { at, event } => Ok(self.told(at, event)),
            Record::Lost { at, events } => {
                self.now = self.now.max(at);
                self.lost = self.lost.saturating_add(events);
                let text = format!("{}: {events} events are missing here; what follows may differ", self.name);
                Ok(Turn { story: vec![self.stamped(&text)], effects: Effects::new() })
            }
            Record::Full { at } => {
                self.now = self.now.max(at);
                self.full = true;
                let text = format!("{}: the journal was full; the node went on", self.name);
                Ok(Turn { story: vec![self.stamped(&text)], effects: Effects::new() })
            }
        }
    }

    fn told(&mut self, at: Instant, event: Event) -> Turn {
        // The clock of a node never goes back; a line that does was not written by one.
        self.now = self.now.max(at);
        let mut story = Vec::new();
        if let Event::Signalled(signal) = &event {
            story.push(self.tell(What::Gets(*signal)));
        }
        let moves = matches!(
            event,
            Event::AddressInstalled { .. }
                | Event::AddressWithdrawn { .. }
                | Event::AddressesAnswered(_)
                | Event::NetworkObserved(_)
        );
        let effects = self.node.handle(self.now, event);
        if moves {
            self.tell_addresses(&mut story);
        }
        self.tell_effects(&effects, &mut story);
        Turn { story, effects }
    }

    /// What the node now believes about its addresses, where that is new.
    fn tell_addresses(&mut self, story: &mut Vec<String>) {
        let vips = self.node.status(self.now).vips;
        let texts = vips.iter().flat_map(|vip| &vip.installed);
        let held: BTreeSet<IpAddr> = texts.filter_map(|text| text.split('/').next()?.parse().ok()).collect();
        story.extend(self.held.difference(&held).map(|ip| self.tell(What::Loses(*ip))));
        story.extend(held.difference(&self.held).map(|ip| self.tell(What::Gains(*ip))));
        self.held = held;
    }

    fn tell_effects(&self, effects: &[Effect], story: &mut Vec<String>) {
        story.extend(effects.iter().filter_map(What::of).map(|what| self.tell(what)));
    }

    fn tell(&self, what: What<'_>) -> String {
        self.stamped(&Line { node: &self.name, what })
    }

    fn stamped(&self, text: &dyn std::fmt::Display) -> String {
        format!("{}{text}", Stamp(self.now.saturating_duration_since(self.start)))
    }
}

fn read(line: &str, start: Instant) -> Result<Record, JournalError> {
    moment::since(start, || serde_json::from_str(line)).map_err(JournalError::Line)
}

/// The format of a first line, whatever else is in it.
fn format(line: &str) -> Option<u32> {
    #[derive(serde::Deserialize)]
    struct Outer {
        start: Inner,
    }
    #[derive(serde::Deserialize)]
    struct Inner {
        format: u32,
    }
    serde_json::from_str::<Outer>(line).ok().map(|outer| outer.start.format)
}
