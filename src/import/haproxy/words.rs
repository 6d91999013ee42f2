//! Words of a line of `haproxy.cfg`: quotes and backslashes.

/// A word.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Word {
    /// As HAProxy understands it.
    pub text: String,
    /// As it was written, with its quotes.
    pub raw: String,
    /// It holds a variable of the environment, which HAProxy puts in when it starts.
    pub variable: bool,
}

/// The words of a line that has no comment.
pub(super) fn split(line: &str) -> Vec<Word> {
    let mut words = Vec::new();
    let mut word: Option<Word> = None;
    let mut quote: Option<char> = None;
    let mut characters = line.chars().peekable();
    while let Some(c) = characters.next() {
        if quote.is_none() && c.is_whitespace() {
            words.extend(word.take());
            continue;
        }
        let word = word.get_or_insert_with(|| Word { text: String::new(), raw: String::new(), variable: false });
        word.raw.push(c);
        match (quote, c) {
            (None | Some('"'), '\\') => {
                let Some(escaped) = characters.next() else { continue };
                word.raw.push(escaped);
                word.text.push(match escaped {
                    'n' => '\n',
                    'r' => '\r',
                    't' => '\t',
                    'x' => {
                        let mut value = 0_u32;
                        for _ in 0..2 {
                            let Some(digit) = characters.peek().and_then(|c| c.to_digit(16)) else { break };
                            word.raw.extend(characters.next());
                            value = value * 16 + digit;
                        }
                        char::from_u32(value).unwrap_or_default()
                    }
                    other => other,
                });
            }
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if c == open => quote = None,
            (Some('"'), '$') => {
                word.variable = true;
                word.text.push(c);
            }
            (Some(_) | None, c) => word.text.push(c),
        }
    }
    words.extend(word);
    words
}
