//! No text makes the configuration panic: it loads, or there is a report.

use proptest::prelude::*;
use vipkeeper::config::{Colour, includes, load};

use crate::config::{PAIR, example_paths, one};

fn texts() -> Vec<String> {
    let examples = example_paths().into_iter().map(|path| std::fs::read_to_string(path).unwrap());
    examples.chain([PAIR.to_owned()]).collect()
}

/// Loads and, if that fails, renders every form of the report.
fn survive(text: &str) -> Result<(), TestCaseError> {
    let sources = one(text);
    let patterns = includes(&sources.files[0]);
    prop_assert!(patterns.is_ok());
    if let Err(problems) = load(&sources) {
        prop_assert!(!problems.is_empty());
        prop_assert!(problems.report(&sources, Colour::None).contains("error: "));
        let coloured = problems.report(&sources, Colour::Ansi).contains('\u{1b}');
        prop_assert!(coloured);
        let lines = text.lines().count().max(1);
        for record in problems.records(&sources) {
            prop_assert!((1..=lines + 1).contains(&record.line), "{record:?}");
            prop_assert!(record.column >= 1 && record.column_end >= record.column, "{record:?}");
        }
    }
    Ok(())
}

/// Fragments that mean something to TOML or to us.
const FRAGMENTS: [&str; 24] = [
    "\"",
    "'",
    "[",
    "]",
    "[[",
    "{",
    "}",
    "=",
    "#",
    "\n",
    "\r\n",
    ",",
    ".",
    "\\",
    "\"\"\"",
    "é",
    "\u{0}",
    "0x",
    "-1",
    "1e9",
    "name",
    "[[vip]]\n",
    "= \"\"",
    "\u{feff}",
];

fn char_at(text: &str, at: prop::sample::Index) -> usize {
    let mut at = at.index(text.len() + 1);
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_truncation_gives_a_result(which in any::<prop::sample::Index>(), cut in any::<prop::sample::Index>()) {
        let texts = texts();
        let text = which.get(&texts);
        survive(&text[..char_at(text, cut)])?;
    }

    #[test]
    fn any_mutation_gives_a_result(
        which in any::<prop::sample::Index>(),
        edits in prop::collection::vec((any::<prop::sample::Index>(), 0..12_usize, 0..FRAGMENTS.len()), 1..6),
    ) {
        let texts = texts();
        let mut text = which.get(&texts).clone();
        for (at, remove, fragment) in edits {
            let start = char_at(&text, at);
            let mut end = (start + remove).min(text.len());
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.replace_range(start..end, FRAGMENTS[fragment]);
        }
        survive(&text)?;
    }

    #[test]
    fn any_value_in_any_key_gives_a_result(
        which in any::<prop::sample::Index>(),
        line in any::<prop::sample::Index>(),
        value in prop::sample::select(vec![
            "3", "-9223372036854775808", "99999999999999999999", "1.5", "nan", "true", "\"\"", "\"é\"", "[]", "{}", "[[]]",
            "[\"\"]", "[3]", "{ a = 1 }", "[{}]", "1979-05-27", "\"0.0.0.0/0\"", "\"99999999999999999999s\"", "\"1d\"",
            "\"::/0\"", "\"x:y:z\"", "\"\\u0000\"", "\"\\n\"", "\"\\u001b[31m\"",
        ]),
    ) {
        let texts = texts();
        let text = which.get(&texts);
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let index = line.index(lines.len());
        if let Some((key, _)) = lines[index].clone().split_once(" = ") {
            lines[index] = format!("{key} = {value}");
        }
        survive(&lines.join("\n"))?;
    }
}
