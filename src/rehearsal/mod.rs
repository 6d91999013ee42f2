//! What would happen: the nodes of a configuration as they are, in a world that is made up.
//!
//! Whole nodes and real bytes on a virtual clock. The world answers as a healthy Linux and HAProxy do, in typical times
//! (the constants of `world`), until the script breaks something. It decides nothing, and must never touch the host.

mod acting;
mod clients;
mod host;
mod questions;
mod script;
mod wire;
mod world;

use std::time::{Duration, Instant};

use serde::Serialize;

use crate::node::event::Loaded;
use crate::units::Name;

pub use questions::{Answer, Fate, Question, ask, questions};
pub use script::{Act, Of, Script, ScriptError, Step, WORDS, parse};

use world::World;

/// Longest time that is played: an hour of adverts every 10 ms takes seconds.
const PLAYED_MAX: Duration = Duration::from_secs(3600);

/// A node and what it would run.
#[derive(Debug, Clone)]
pub struct Player {
    /// Its name.
    pub name: Name,
    /// What it would have read.
    pub loaded: Loaded,
    /// It talks to the others beside VRRP, with a key that is made up: the user's own need not be read.
    pub talks: bool,
}

/// A line of the timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Told {
    /// Microseconds since the script began.
    pub at_us: u64,
    /// A step of the script, rather than what came of it.
    pub step: bool,
    /// What happened.
    pub text: String,
}

/// What the clients of a VIP saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Seen {
    /// The VIP.
    pub vip: String,
    /// Which of them had it when the script began.
    pub before: Vec<String>,
    /// Which nodes that clients reach have it at the end.
    pub after: Vec<String>,
    /// Times without service that began in the script: microseconds since it began, and how long.
    pub outages: Vec<Outage>,
    /// It is served at the end.
    pub served: bool,
    /// It was served by another node in between, or is.
    pub moved: bool,
    /// Microseconds in which two nodes had it.
    pub shared_us: u64,
}

/// A time without service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// Microseconds since the script began.
    pub at_us: u64,
    /// Microseconds until it was served again, or until the end.
    pub for_us: u64,
}

impl Seen {
    /// All of its time without service.
    pub fn without_service(&self) -> Duration {
        Duration::from_micros(self.outages.iter().map(|o| o.for_us).fold(0, u64::saturating_add))
    }
}

/// What came of a script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Account {
    /// The timeline.
    pub timeline: Vec<Told>,
    /// One for each VIP, in the order of the configuration.
    pub vips: Vec<Seen>,
}

/// Why a script cannot be played.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RehearsalError {
    /// A step makes no sense where it stands.
    #[error("step {number}, {text:?}: {why}")]
    Step {
        /// From 1.
        number: usize,
        /// As it was written.
        text: String,
        /// Why not.
        why: String,
    },
    /// Too long.
    #[error("the script plays for longer than an hour; shorten its waits")]
    TooLong,
}

/// Plays a script: all nodes start and settle, what is given happens and settles too, and then the script begins. `phase`
/// shifts that beginning against the adverts.
///
/// # Errors
/// When a step makes no sense, or all of it takes longer than an hour of virtual time.
pub fn play(
    players: &[Player],
    given: &Script,
    script: &Script,
    base: Instant,
    phase: Duration,
) -> Result<Account, RehearsalError> {
    let mut world = World::new(players, base);
    let calm = world.calm_after();
    world.boot_all();
    world.run(calm);
    perform(&mut world, given, calm)?;
    world.run(calm.saturating_add(phase));
    world.begin();
    world.run(Duration::ZERO);
    perform(&mut world, script, calm)?;
    Ok(world.account())
}

fn perform(world: &mut World, script: &Script, calm: Duration) -> Result<(), RehearsalError> {
    let mut played = Duration::ZERO;
    let mut steps = script.steps.iter().enumerate().peekable();
    while let Some((index, step)) = steps.next() {
        let wrong = |why| RehearsalError::Step { number: index.saturating_add(1), text: step.text.clone(), why };
        world.tell_step(&step.text);
        let pause = if let Act::Wait(span) = &step.act {
            *span
        } else {
            world.act(&step.act).map_err(wrong)?;
            let waits = steps.peek().is_some_and(|(_, next)| matches!(next.act, Act::Wait(_)));
            if waits { Duration::ZERO } else { calm }
        };
        played = played.saturating_add(pause);
        if played > PLAYED_MAX {
            return Err(RehearsalError::TooLong);
        }
        world.run(pause);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
