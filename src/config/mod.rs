//! TOML text to a validated [`Config`]: every problem at once, each with its place, the rule and a fix.
//!
//! Pure: text comes in as [`Sources`]; `shell::files` reads the disk.

pub mod model;

use std::path::PathBuf;

pub use model::*;

/// One file as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// Where it was read, for messages.
    pub path: PathBuf,
    /// Its text.
    pub text: String,
}

/// The main file first, then the included ones in the order in which they count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sources {
    /// At least one.
    pub files: Vec<Source>,
}

/// Everything that is wrong with a configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Problems(Vec<String>);

impl Problems {
    /// The report for people; `colour` adds ANSI escapes.
    pub fn report(&self, _sources: &Sources, _colour: Colour) -> String {
        self.0.join("\n")
    }
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
pub fn includes(_main: &Source) -> Result<Vec<String>, Problems> {
    Ok(Vec::new())
}

/// Parses and checks all files together.
pub fn load(_sources: &Sources) -> Result<Config, Problems> {
    Err(Problems::default())
}
