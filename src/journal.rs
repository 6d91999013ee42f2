//! Everything a node was told, in a form that can be kept: written by `run --journal`, told again by `replay`.
//!
//! A node is pure, so the events with their instants, the name and the configuration are all it takes to see every
//! decision again. A journal is text: one JSON [`Record`] a line, the first of which is [`Record::Start`]. It can only be
//! replayed from its beginning, which is why it ends at its limit instead of losing its first part.
//!
//! ```text
//!  events --(shell::journal)--> FILE --Replay--> Node --> decisions, as lines of a story <-- the simulation tells them too
//! ```

mod replay;
pub mod story;

use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::node::Event;
use crate::node::event::Loaded;
use crate::peer::Incarnation;
use crate::units::Name;
use crate::units::recorded::moment;

pub use replay::{JournalError, Replay, Turn};

/// Of what is written. Raised when what is there already means something else: a journal of another format is refused.
/// (A new kind of event does not: who meets one it does not know says so.)
pub const FORMAT: u32 = 1;

/// A line of a journal. All times are exact, as nanoseconds since the start.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Record {
    /// The first line: what the node was made of.
    Start {
        /// [`FORMAT`].
        format: u32,
        /// The vipkeeper that wrote it, for people.
        version: String,
        /// The node's name.
        node: Name,
        /// Its process.
        incarnation: Incarnation,
        /// Its first configuration, with the key of hellos: a journal is as secret as these.
        loaded: Loaded,
    },
    /// What the node was told.
    Told {
        /// When.
        #[serde(with = "moment")]
        at: Instant,
        /// What.
        event: Event,
    },
    /// Events that were handled but not recorded, since the disk was too slow.
    Lost {
        /// When this was noted.
        #[serde(with = "moment")]
        at: Instant,
        /// How many.
        events: u64,
    },
    /// The journal has reached its limit; the node went on.
    Full {
        /// When.
        #[serde(with = "moment")]
        at: Instant,
    },
}

impl Record {
    /// The first record of a node that starts now.
    pub fn start(node: Name, incarnation: Incarnation, loaded: Loaded) -> Self {
        Self::Start { format: FORMAT, version: env!("CARGO_PKG_VERSION").to_owned(), node, incarnation, loaded }
    }

    /// As a line, with its line feed; times count since `start`.
    ///
    /// # Errors
    /// For an instant that is centuries away.
    pub fn line(&self, start: Instant) -> Result<String, serde_json::Error> {
        let mut line = moment::since(start, || serde_json::to_string(self))?;
        line.push('\n');
        Ok(line)
    }
}

#[cfg(test)]
mod tests;
