//! Standard output and error of a command. A reader that went away is no failure of ours.

use std::io::{self, IsTerminal, Write};

use crate::config::Colour;

/// Writes text to the standard output as it is.
pub fn print(text: &str) {
    write(&mut io::stdout().lock(), text);
}

/// Writes a message to the standard error, with a line feed.
pub fn complain(message: &str) {
    write(&mut io::stderr().lock(), &format!("{}\n", message.trim_end()));
}

/// Nobody reads what follows a closed pipe, so the error has no addressee.
fn write(stream: &mut impl Write, text: &str) {
    drop(stream.write_all(text.as_bytes()).and_then(|()| stream.flush()));
}

/// Colours for the standard output: on a terminal, unless `NO_COLOR` is set (no-color.org).
pub fn stdout_colour() -> Colour {
    colour(&io::stdout())
}

/// Colours for the standard error, likewise.
pub fn stderr_colour() -> Colour {
    colour(&io::stderr())
}

fn colour(stream: &impl IsTerminal) -> Colour {
    let refused = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|v| v == "dumb");
    if stream.is_terminal() && !refused && !dumb { Colour::Ansi } else { Colour::None }
}

/// Lines of the terminal that is the standard output, if it is one.
pub fn height() -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(io::stdout()).ok()?;
    Some(usize::from(size.ws_row)).filter(|rows| *rows > 0)
}

/// How a word is to be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// As it should be.
    Good,
    /// Not serving, but not wrong either.
    Idle,
    /// Wrong.
    Bad,
    /// A heading.
    Strong,
    /// Less important.
    Faint,
}

/// The text in that tone, with ANSI escapes where colours are wanted.
pub fn paint(text: &str, tone: Tone, colour: Colour) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Idle => "33",
        Tone::Bad => "1;31",
        Tone::Strong => "1",
        Tone::Faint => "2",
    };
    match colour {
        Colour::Ansi => format!("\u{1b}[{code}m{text}\u{1b}[0m"),
        Colour::None => text.to_owned(),
    }
}

/// A span of milliseconds for people: the two largest units.
pub fn span(ms: u64) -> String {
    let secs = ms / 1000;
    let two = |big: u64, big_name: &str, small: u64, small_name: &str| match small {
        0 => format!("{big} {big_name}"),
        _ => format!("{big} {big_name} {small} {small_name}"),
    };
    match secs {
        0 => format!("{ms} ms"),
        1..=9 => format!("{secs}.{} s", ms % 1000 / 100),
        10..=59 => format!("{secs} s"),
        60..=3599 => two(secs / 60, "min", secs % 60, "s"),
        3600..=86_399 => two(secs / 3600, "h", secs % 3600 / 60, "min"),
        _ => two(secs / 86_400, "d", secs % 86_400 / 3600, "h"),
    }
}

/// A span of microseconds, with three digits.
pub fn exact_span(us: u64) -> String {
    match us {
        0..1_000 => format!("{us} us"),
        1_000..10_000 => format!("{}.{:02} ms", us / 1_000, us % 1_000 / 10),
        10_000..100_000 => format!("{}.{} ms", us / 1_000, us % 1_000 / 100),
        100_000..1_000_000 => format!("{} ms", us / 1_000),
        1_000_000..10_000_000 => format!("{}.{:02} s", us / 1_000_000, us % 1_000_000 / 10_000),
        _ => span(us / 1_000),
    }
}
