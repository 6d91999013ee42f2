//! TOML text to a validated [`Config`]: every problem at once, each with its place, the rule and a fix.
//!
//! Pure: text comes in as [`Sources`]; `shell::files` reads the disk.
//!
//! ```text
//!  text --document (toml)--> tables --shape (the JSON Schema)--> sane tables --raw (serde)--> Raw --check--> Config
//!            |                             |                                                       |
//!            +------ syntax                +------ unknown keys, wrong types, missing keys         +------ meaning
//! ```
//!
//! The shape pass takes out what is wrong, so that serde never fails and one problem never hides another.

pub mod diff;
pub mod model;
mod problem;
pub mod proof;

mod document;
mod limits;
mod raw;
mod schema;
mod shape;
mod suggest;
mod value;
mod written;

mod check;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

pub use model::*;
pub use problem::{Place, Problem, ProblemRecord, Problems, SHOWN_MAX};
pub use schema::json_schema;

use crate::units::Digest;
use limits::{FILE_BYTES_MAX, FILES_MAX};

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// Where it was read, for messages.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// The main file first, then the included ones in the order in which they count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// At least one.
    pub files: Vec<Source>,
}

/// Whether a report carries ANSI colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// For a terminal.
    Ansi,
    /// For a file or a log.
    None,
}

/// The include patterns of the main file, as written.
///
/// Lenient: what else is wrong with the main file is told by [`load`], together with the problems of the included files.
/// Fails only when the file is too large to be looked at.
pub fn includes(main: &Source) -> Result<Vec<String>, Problems> {
    if main.text.len() > FILE_BYTES_MAX {
        return Err(Problems::from(document::too_large(0)));
    }
    Ok(document::include_patterns(&main.text))
}

/// Parses and checks all files together.
///
/// Fails with every problem found. Syntax errors end the work after the shape of the other files was looked at: what a
/// half-read file means cannot be judged.
pub fn load(sources: &Sources) -> Result<Config, Problems> {
    let mut problems = Problems::default();
    let Some(document) = document::read(sources, &mut problems) else {
        return Err(problems.sorted());
    };
    let config = check::check(&document, sources, digest(sources), &mut problems);
    match config {
        Some(config) if problems.is_empty() => Ok(config),
        Some(_) => Err(problems.sorted()),
        None => {
            // A part that is missing was reported by whoever could not make it; an empty report would be a lie.
            if problems.is_empty() {
                problems.add(Problem::new(Place::file(0), "this configuration cannot be used"));
            }
            Err(problems.sorted())
        }
    }
}

/// Digest of all texts, each with its length before it, so that moving text between files shows. Paths do not count:
/// nodes may keep their files in different places.
fn digest(sources: &Sources) -> Digest {
    let mut hash = Sha256::new();
    for source in sources.files.iter().take(FILES_MAX) {
        hash.update(u64::try_from(source.text.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(source.text.as_bytes());
    }
    let first = hash.finalize().iter().take(8).fold(0_u64, |sum, byte| (sum << 8) | u64::from(*byte));
    Digest(first)
}
