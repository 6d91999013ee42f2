//! Every committed input of the fuzzers, and everything that ever crashed: through the same functions.

use std::fs;
use std::path::{Path, PathBuf};

use crate::fuzz_targets::{TARGETS, Target};

fn inputs(directory: &str, target: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join(directory).join(target);
    let entries = fs::read_dir(directory).into_iter().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

/// How many inputs there are, and how many of them went all the way in.
fn feed(directory: &str, target: &str, run: Target) -> (usize, usize) {
    let files = inputs(directory, target);
    let went_in = files.iter().filter(|file| {
        eprintln!("{}", file.display());
        run(&fs::read(file).unwrap())
    });
    (went_in.count(), files.len())
}

#[test]
fn the_corpus_of_every_fuzzer_passes() {
    for (target, run) in TARGETS {
        let (went_in, seen) = feed("fuzz/corpus", target, run);
        // Else the fuzzer would look at the door only.
        assert!(went_in >= 2 && seen > went_in, "{target}: {went_in} of {seen} inputs");
    }
}

#[test]
fn every_past_crash_passes() {
    let known: Vec<&str> = TARGETS.iter().map(|(target, _)| *target).collect();
    for target in inputs("tests/data", "crashes") {
        let name = target.file_name().unwrap().to_str().unwrap();
        assert!(known.contains(&name) || name == "README.md", "no fuzzer is called {name}");
    }
    for (target, run) in TARGETS {
        feed("tests/data/crashes", target, run);
    }
}
