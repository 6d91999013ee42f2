//! What became of each directive, for people and as data.

use serde::Serialize;

use super::keepalived::{At, Directive};

/// What became of a directive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Fate {
    /// It is in the TOML with the same meaning.
    Mapped,
    /// It is in the TOML as a line that HAProxy reads, with the same meaning; vipkeeper does not look at it.
    Raw,
    /// It is in the TOML with nearly the same meaning, or needs a hand.
    Approximated,
    /// It is not in the TOML.
    Dropped,
    /// It did not do, in keepalived, what it seems to.
    Trap,
}

impl Fate {
    /// As reports show it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Raw => "raw",
            Self::Approximated => "approximated",
            Self::Dropped => "dropped",
            Self::Trap => "trap",
        }
    }
}

/// One directive, or one remark.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Entry {
    /// "file:line:column"; empty where it is about all files.
    pub place: String,
    /// The directive, with the block that it is in.
    pub directive: String,
    /// What became of it.
    pub fate: Fate,
    /// To what, how or why.
    pub note: String,
}

/// Everything that is to be said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// In the order of reading.
    pub entries: Vec<Entry>,
    /// What is to be filled in by hand.
    pub fill_in: Vec<String>,
    /// What vipkeeper's own check says against the TOML.
    pub problems: Vec<String>,
}

impl Report {
    /// Adds a directive of a block.
    pub(super) fn add(&mut self, directive: &Directive, block: &str, fate: Fate, note: &str) {
        // Passwords are not for reports.
        let shown = if directive.keyword() == "auth_pass" { "auth_pass ***" } else { &directive.words.join(" ") };
        let shown = if block.is_empty() { shown.to_owned() } else { format!("{block}: {shown}") };
        self.remark(Some(&directive.at), &shown, fate, note);
    }

    /// Adds a remark.
    pub(super) fn remark(&mut self, at: Option<&At>, about: &str, fate: Fate, note: &str) {
        let place = at.map(ToString::to_string).unwrap_or_default();
        self.entries.push(Entry { place, directive: about.to_owned(), fate, note: note.to_owned() });
    }

    /// How many there are of a fate.
    pub fn count(&self, fate: Fate) -> usize {
        self.entries.iter().filter(|entry| entry.fate == fate).count()
    }

    /// The report for people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let mut line = |text: &str| {
            out.push_str(text);
            out.push('\n');
        };
        for entry in &self.entries {
            let place = if entry.place.is_empty() { String::new() } else { format!("{}: ", entry.place) };
            line(&format!("{place}{}: {}: {}", entry.fate.word(), entry.directive, entry.note));
        }
        for (heading, lines) in [("fill in", &self.fill_in), ("check", &self.problems)] {
            for text in lines {
                line(&format!("{heading}: {text}"));
            }
        }
        let all = self.entries.len().max(1);
        let totals = [Fate::Mapped, Fate::Raw, Fate::Approximated, Fate::Dropped, Fate::Trap].map(|fate| {
            let count = self.count(fate);
            format!("{count} {} ({}%)", fate.word(), count * 100 / all)
        });
        line(&format!("{} lines: {}", self.entries.len(), totals.join(", ")));
        out
    }
}
