//! Words of commands, as keepalived takes them apart: quotes of both kinds, and backslashes everywhere.

use std::iter::Peekable;

/// Splits a command; none: a quote is not closed, or a backslash stands at the end.
pub fn split(text: &str) -> Option<Vec<String>> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut characters = text.chars().enumerate().peekable();
    while let Some((_, c)) = characters.next() {
        match (quote, c) {
            (_, '\\') => {
                let meant = escaped(&mut characters)?;
                word.get_or_insert_default().push(meant);
            }
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (Some(_) | None, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// What a backslash and the characters after it stand for; none: there are none.
pub(super) fn escaped<I: Iterator<Item = (usize, char)>>(characters: &mut Peekable<I>) -> Option<char> {
    let (_, first) = characters.next()?;
    Some(match first {
        'a' => '\x07',
        'b' => '\x08',
        'E' => '\x1b',
        'f' => '\x0c',
        'n' => '\n',
        'r' => '\r',
        't' => '\t',
        'v' => '\x0b',
        'x' => number(characters, 16, usize::MAX, None).unwrap_or('x'),
        'c' => {
            let control = |(_, c): (usize, char)| char::from(u8::try_from(c).unwrap_or_default() & 0x1f);
            characters.next().map_or('c', control)
        }
        '0'..='7' => number(characters, 8, 2, first.to_digit(8)).unwrap_or(first),
        other => other,
    })
}

/// A byte written as digits: keepalived lets those before the last eight bits go.
fn number<I: Iterator<Item = (usize, char)>>(
    characters: &mut Peekable<I>,
    radix: u32,
    digits_max: usize,
    first: Option<u32>,
) -> Option<char> {
    let mut value = first;
    let mut left = digits_max;
    while let Some(digit) = characters.peek().and_then(|(_, c)| c.to_digit(radix)).filter(|_| left > 0) {
        characters.next();
        left = left.saturating_sub(1);
        value = Some((value.unwrap_or(0).wrapping_mul(radix) | digit) & 0xff);
    }
    value.and_then(char::from_u32)
}
