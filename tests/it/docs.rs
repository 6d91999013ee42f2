//! What the documentation says is so: its configurations are understood, and its commands exist.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use clap::{CommandFactory, Parser};
use vipkeeper::cli::args::Cli;
use vipkeeper::config::{self, Colour, Source, Sources};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn pages() -> Vec<(String, String)> {
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let all: Vec<PathBuf> = docs.chain(["README.md", "CONTRIBUTING.md"].map(|name| root().join(name))).collect();
    let mut pages: Vec<(String, String)> = all
        .into_iter()
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(path).unwrap()))
        .collect();
    pages.sort();
    assert!(pages.len() > 5, "the documentation was not found");
    pages
}

/// Fenced blocks of a page: what follows the fence, and the text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in page.lines() {
        match (line.trim_start().strip_prefix("```"), open.take()) {
            (Some(_), Some(block)) => blocks.push(block),
            (Some(kind), None) => open = Some((kind.trim().to_owned(), String::new())),
            (None, Some((kind, text))) => open = Some((kind, text + line + "\n")),
            (None, None) => {}
        }
    }
    assert!(open.is_none(), "a block is not closed");
    blocks
}

/// Lines that somebody would type, in fenced and in indented blocks.
fn commands(page: &str) -> Vec<String> {
    let fenced = blocks(page).into_iter().filter(|(kind, _)| matches!(kind.as_str(), "" | "console" | "sh"));
    let fenced: Vec<String> =
        fenced.flat_map(|(_, text)| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect();
    let indented = page.lines().filter_map(|line| line.strip_prefix("    ")).map(str::to_owned);
    let all = fenced.into_iter().chain(indented);
    // What comes after a `#` is for people.
    all.map(|line| line.split(" #").next().unwrap().trim().to_owned())
        .filter(|line| line.starts_with("vipkeeper "))
        .collect()
}

/// Words as a shell would make them, as far as the documentation goes.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// Whole configurations, not parts of one.
fn configurations(page: &str) -> Vec<String> {
    let toml = blocks(page).into_iter().filter(|(kind, _)| kind == "toml").map(|(_, text)| text);
    toml.filter(|text| text.contains("[[node]]") && text.contains("[[frontend]]")).collect()
}

#[test]
fn every_whole_configuration_in_the_documentation_is_understood() {
    let mut count = 0;
    for (name, page) in pages() {
        for text in configurations(&page) {
            count += 1;
            let sources = Arc::new(Sources { files: vec![Source { path: name.clone().into(), text }] });
            if let Err(problems) = config::load(&sources) {
                panic!("{}", problems.report(&sources, Colour::None));
            }
        }
    }
    assert!(count >= 4, "only {count} were found");
}

#[test]
fn every_command_in_the_documentation_is_one() {
    let mut count = 0;
    for (name, page) in pages() {
        for line in commands(&page) {
            count += 1;
            let parsed = Cli::try_parse_from(words(&line));
            assert!(parsed.is_ok(), "{name}: {line}: {}", parsed.unwrap_err());
        }
    }
    assert!(count >= 30, "only {count} were found");
}

/// Those that need no running instance are run, each in the page's own configuration.
#[test]
fn commands_that_touch_nothing_do_what_the_documentation_says() {
    let mut count = 0;
    for (name, page) in pages() {
        let Some(text) = configurations(&page).into_iter().next() else { continue };
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("vipkeeper.toml");
        fs::write(&file, text).unwrap();
        for line in commands(&page) {
            let words = words(&line);
            let quiet = match words[1].as_str() {
                "check" => words.len() == 2,
                "simulate" => !words.iter().any(|word| word == "--script"),
                "render" => words.len() == 2,
                _ => false,
            };
            if !quiet {
                continue;
            }
            count += 1;
            let mut command = Command::new(env!("CARGO_BIN_EXE_vipkeeper"));
            command.args(&words[1..]).arg("--config").arg(&file);
            if words[1] == "check" {
                command.arg("--no-proxy");
            }
            if words[1] == "render" {
                command.args(["--node", "lb1"]);
            }
            let output = command.env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin").output().unwrap();
            assert!(output.status.success(), "{name}: {line}: {}", String::from_utf8_lossy(&output.stderr));
            assert!(!output.stdout.is_empty(), "{name}: {line} says nothing");
        }
    }
    assert!(count >= 8, "only {count} were run");
}

#[test]
fn every_link_inside_the_documentation_leads_somewhere() {
    for (name, page) in pages() {
        let directory = if root().join(&name).exists() { root().to_owned() } else { root().join("docs") };
        for (_, after) in page.match_indices("](").map(|(at, _)| page.split_at(at + 2)) {
            let target = after.split(')').next().unwrap().split('#').next().unwrap();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            assert!(directory.join(target).exists(), "{name} links to {target}");
        }
    }
}

#[test]
fn every_command_of_the_program_is_in_the_documentation() {
    let pages = pages();
    for command in Cli::command().get_subcommands().filter(|command| !command.is_hide_set()) {
        let line = format!("vipkeeper {}", command.get_name());
        assert!(pages.iter().any(|(_, page)| page.contains(&line)), "nothing tells of `{line}`");
    }
}
