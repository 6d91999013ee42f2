//! `import`: keepalived's configurations to one of vipkeeper, with a report. Reads files; writes one only if asked.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use crate::cli::args::ImportArgs;
use crate::cli::outcome::{Exit, Failure};
use crate::cli::terminal::{complain, print};
use crate::import::keepalived::{BYTES_MAX, FILES_MAX};
use crate::import::{Input, import};

/// Reads, imports, and prints: the TOML to the standard output or a new file, the report to the standard error.
///
/// # Errors
/// When a file cannot be read or understood, or the output is there already.
pub fn run(args: &ImportArgs) -> Result<Exit, Failure> {
    let wrong = |why: String| Failure::new(Exit::Configuration, why);
    let mut inputs = Vec::new();
    for file in &args.files {
        let (node, path) = match file.split_once('=') {
            Some((node, path)) if !node.contains('/') => (Some(node.to_owned()), path),
            _ => (None, file.as_str()),
        };
        let text = text(Path::new(path)).map_err(wrong)?;
        inputs.push(Input { node, path: path.to_owned(), text });
    }
    let haproxy = match &args.with {
        Some(path) => Some((path.display().to_string(), text(path).map_err(wrong)?)),
        None => None,
    };
    let haproxy = haproxy.as_ref().map(|(path, text)| (path.as_str(), text.as_str()));
    let imported = import(&inputs, haproxy, &included).map_err(|error| wrong(error.to_string()))?;
    match &args.output {
        Some(path) => write_new(path, &imported.toml)?,
        None => print(&imported.toml),
    }
    if args.json {
        let json = serde_json::to_string_pretty(&imported.report);
        complain(&json.map_err(|error| Failure::new(Exit::Unhealthy, error))?);
    } else {
        complain(&imported.report.text());
    }
    Ok(Exit::Fine)
}

/// A file's text, if it is not larger than what is read at all.
fn text(path: &Path) -> Result<String, String> {
    let failed = |error: std::io::Error| format!("cannot read {}: {error}", path.display());
    let limit = u64::try_from(BYTES_MAX).unwrap_or(u64::MAX);
    let mut bytes = Vec::new();
    File::open(path).map_err(failed)?.take(limit.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() > BYTES_MAX {
        return Err(format!("{} is larger than {BYTES_MAX} bytes", path.display()));
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What an `include` names: a file, or all that a pattern matches, relative to the including file.
fn included(from: &str, pattern: &str) -> Result<Vec<(String, String)>, String> {
    let base = Path::new(from).parent().map_or_else(PathBuf::new, Path::to_path_buf);
    let wanted = base.join(pattern);
    let found = glob::glob(&wanted.to_string_lossy()).map_err(|error| format!("include {pattern}: {error}"))?;
    let mut files = Vec::new();
    for path in found.filter_map(Result::ok).take(FILES_MAX) {
        files.push((path.display().to_string(), text(&path)?));
    }
    if files.is_empty() {
        return Err(format!("include {pattern}: there is no such file; copy it beside {from}"));
    }
    Ok(files)
}

/// Writes the TOML for its owner alone, since it may hold passwords. Never over a file that is there.
fn write_new(path: &Path, toml: &str) -> Result<(), Failure> {
    let shown = path.display();
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let failed = |error: std::io::Error| {
        if error.kind() == ErrorKind::AlreadyExists {
            Failure::new(Exit::Configuration, format!("{shown} is there already and stays as it is: name another file"))
        } else {
            Failure::new(Exit::Unhealthy, format!("cannot write {shown}: {error}"))
        }
    };
    let written = opened.and_then(|mut file| file.write_all(toml.as_bytes()));
    written.map_err(failed)
}
