//! Columns of text, aligned.

use crate::cli::terminal::{Tone, paint};
use crate::config::Colour;

/// A heading and rows, each column as wide as its widest cell; `tone` says how a cell is to be seen, by its column.
pub fn table<const N: usize>(
    head: [&str; N],
    rows: &[[String; N]],
    colour: Colour,
    tone: impl Fn(usize, &str) -> Option<Tone>,
) -> String {
    let mut widths = head.map(|cell| cell.chars().count());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &[String; N], paint: &dyn Fn(usize, &str) -> String| {
        let mut text = String::new();
        for (column, (cell, width)) in cells.iter().zip(widths).enumerate() {
            text.push_str(&paint(column, cell));
            if column + 1 < N {
                text.push_str(&" ".repeat(width.saturating_sub(cell.chars().count()) + 2));
            }
        }
        format!("{}\n", text.trim_end())
    };
    let mut text = line(&head.map(str::to_owned), &|_, cell| paint(cell, Tone::Faint, colour));
    for row in rows {
        let painted = |column: usize, cell: &str| match tone(column, cell).filter(|_| !cell.is_empty()) {
            Some(tone) => paint(cell, tone, colour),
            None => cell.to_owned(),
        };
        text.push_str(&line(row, &painted));
    }
    text
}
