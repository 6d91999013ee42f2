//! Programs that keepalived runs: its scripts and hooks, taken apart as it takes them apart.

use super::keepalived::{Directive, split};
use super::write::list;

/// A program with its arguments, and what was found on the way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Command {
    /// The program and its arguments; empty: there is none.
    pub(super) argv: Vec<String>,
    /// Who runs it, where the line says so.
    pub(super) user: Option<String>,
    /// The group of that user, where the line says so.
    pub(super) group: Option<String>,
    /// The program has no absolute path: keepalived looks for it.
    pub(super) looked_up: bool,
    /// What keepalived makes of the line is not what it seems to be.
    pub(super) trap: Option<String>,
}

/// Words of shells, which keepalived does not start.
const SHELL: [&str; 9] = ["|", "||", "&", "&&", ";", ">", "<", ">/dev/null", "2>&1"];

impl Command {
    /// The program of a `script` line: keepalived runs the first word, which is one in quotes, or a whole block.
    pub(super) fn of_script(directive: &Directive) -> Self {
        let (first, rest) = parts(directive);
        let trap = match rest.as_slice() {
            [] => None,
            [_, ..] => Some("without quotes keepalived runs its first word alone; here the others are its arguments"),
        };
        Self::new(&first, &rest, trap)
    }

    /// The program of a `notify` line, after which a user and a group may stand.
    pub(super) fn of_hook(directive: &Directive) -> Self {
        let (first, rest) = parts(directive);
        let states = ["master", "backup", "fault", "stop"];
        let name = |word: &String| {
            let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
            !word.is_empty() && word.chars().all(plain) && !states.contains(&word.to_ascii_lowercase().as_str())
        };
        match rest.as_slice() {
            [] => Self::new(&first, &[], None),
            [user] if name(user) => Self { user: Some(user.clone()), ..Self::new(&first, &[], None) },
            [user, group] if name(user) && name(group) => {
                Self { user: Some(user.clone()), group: Some(group.clone()), ..Self::new(&first, &[], None) }
            }
            [_, ..] => {
                let trap = "without quotes keepalived takes the second word for a user, and where there is none of that \
                            name it never runs the program; here these words are arguments";
                Self::new(&first, &rest, Some(trap))
            }
        }
    }

    fn new(first: &str, rest: &[String], trap: Option<&str>) -> Self {
        let mut trap = trap.map(str::to_owned);
        let mut argv = split(first).unwrap_or_else(|| {
            trap = Some("a quote in it is not closed: keepalived refuses it".to_owned());
            first.split_whitespace().map(str::to_owned).collect()
        });
        argv.extend(rest.iter().cloned());
        if let Some(word) = argv.iter().skip(1).find(|word| SHELL.contains(&word.as_str())) {
            trap = Some(format!("keepalived runs no shell: {word} and what follows are arguments of the program"));
        }
        let mut looked_up = false;
        if let Some(program) = argv.first_mut().filter(|program| !program.starts_with('/')) {
            looked_up = true;
            *program = format!("/usr/bin/{program}");
        }
        Self { argv, looked_up, trap, ..Self::default() }
    }

    /// As TOML.
    pub(super) fn toml(&self) -> String {
        match self.argv.as_slice() {
            // White space would make it a command line.
            [one] if !one.contains(char::is_whitespace) => super::write::quoted(one),
            several => list(several),
        }
    }

    /// What is to be looked at, for a report.
    pub(super) fn advice(&self) -> String {
        let program = self.argv.first().map_or("", String::as_str);
        if self.looked_up {
            format!("; keepalived looks for the program in PATH, so see that it is {program}")
        } else {
            String::new()
        }
    }
}

/// The word with the command, and those after it.
fn parts(directive: &Directive) -> (String, Vec<String>) {
    match directive.words.get(1..) {
        Some([first, rest @ ..]) => (first.clone(), rest.to_vec()),
        Some([]) | None => {
            let inner: Vec<String> = directive.inside().iter().map(|inner| inner.words.join(" ")).collect();
            (inner.join(" "), Vec::new())
        }
    }
}
