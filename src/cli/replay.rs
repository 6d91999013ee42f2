//! `replay`: a journal told again to a node, as the story of its decisions.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use crate::cli::args::ReplayArgs;
use crate::cli::outcome::{Exit, Failure};
use crate::cli::terminal::{complain, print};
use crate::journal::{Replay, Turn};
use crate::shell::clock;

/// A longer line is none of ours: the texts of a configuration are 16 MiB and what is rendered 64 MiB at most, and a
/// byte takes up to six as JSON.
const LINE_BYTES_MAX: u64 = 512 << 20;

/// Prints the story; what a journal lacks is told on the standard error.
///
/// # Errors
/// 1 when the file cannot be read, 2 when it is no journal or a whole line of it is not understood.
pub fn run(args: &ReplayArgs) -> Result<Exit, Failure> {
    let name = args.file.display();
    let unreadable = |error| Failure::new(Exit::Unhealthy, format!("cannot read {name}: {error}"));
    let mut file = BufReader::new(File::open(&args.file).map_err(unreadable)?);
    let (mut replay, mut line, mut number) = (None::<Replay>, Vec::new(), 0_u64);
    loop {
        line.clear();
        number += 1;
        if file.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line).map_err(unreadable)? == 0 {
            break;
        }
        if line.pop() != Some(b'\n') {
            complain(&format!("{name}: cut off within line {number}; what came after it is not known"));
            break;
        }
        let wrong = |why: &dyn std::fmt::Display| {
            Failure::new(Exit::Configuration, format!("{name}: line {number} cannot be replayed: {why}"))
        };
        let text = std::str::from_utf8(&line).map_err(|error| wrong(&error))?;
        let turn = match &mut replay {
            None => Replay::start(text, clock::now()).map(|(begun, turn)| {
                replay = Some(begun);
                turn
            }),
            Some(replay) => replay.take(text),
        };
        show(&turn.map_err(|error| wrong(&error))?);
    }
    let Some(replay) = replay else {
        let message = format!("{name} is no journal: it has no whole line; `vipkeeper run --journal FILE` makes one");
        return Err(Failure::new(Exit::Configuration, message));
    };
    if replay.lost > 0 {
        let lost = replay.lost;
        complain(&format!("{name}: {lost} events were not recorded; the story may differ from what happened"));
    }
    if replay.full {
        complain(&format!("{name}: the journal was full; how it went on is not known"));
    }
    Ok(Exit::Fine)
}

fn show(turn: &Turn) {
    for line in &turn.story {
        print(&format!("{line}\n"));
    }
}
