//! The rules of the house that no compiler checks: who may depend on whom, and what a file looks like.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// A source file of the library or the binary.
struct File {
    /// From the package's root, such as `src/vrrp/packet.rs`.
    path: String,
    text: String,
}

impl File {
    /// The top module, such as `vrrp`; `lib` and `main` for the roots.
    fn module(&self) -> &str {
        let inside = self.path.strip_prefix("src/").unwrap();
        inside.split(['/', '.']).next().unwrap()
    }

    fn is_test(&self) -> bool {
        self.path.ends_with("/tests.rs") || self.path.contains("/tests/")
    }

    /// Lines with their numbers, comments blanked out.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(n, line)| (n + 1, without_comment(line)))
    }
}

/// The part of a line before a `//` that starts it or follows white space (a URL in a string does not).
fn without_comment(line: &str) -> &str {
    let is_comment = |at: &usize| line[..*at].ends_with(char::is_whitespace) || *at == 0;
    line.match_indices("//").map(|(at, _)| at).find(is_comment).map_or(line, |at| &line[..at])
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn sources() -> Vec<File> {
    let mut files = Vec::new();
    let mut ahead = vec![root().join("src")];
    while let Some(directory) = ahead.pop() {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                ahead.push(path);
            } else if path.extension().is_some_and(|e| e == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let path = path.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
                files.push(File { path, text });
            }
        }
    }
    assert!(files.len() > 10, "the sources were not found");
    files.sort_by(|a, b| a.path.cmp(&b.path));
    files
}

/// Fails with all findings at once.
fn report(rule: &str, findings: &[String]) {
    assert!(findings.is_empty(), "{rule}:\n  {}", findings.join("\n  "));
}

/// Which modules of the crate each module may name. `units` is everybody's.
fn permitted() -> BTreeMap<&'static str, &'static [&'static str]> {
    let table: [(&str, &[&str]); 18] = [
        ("units", &[]),
        ("config", &[]),
        ("import", &["config"]),
        ("render", &["config"]),
        ("vrrp", &["config"]),
        ("proxy", &["config", "render"]),
        ("addrs", &["config"]),
        ("hooks", &["config"]),
        ("notices", &["config"]),
        ("track", &["config", "proxy"]),
        ("peer", &["config", "vrrp"]),
        ("node", &["config", "render", "vrrp", "proxy", "addrs", "hooks", "notices", "track", "peer"]),
        ("web", &["node", "proxy"]),
        ("journal", &["node", "peer"]),
        ("rehearsal", &["config", "render", "vrrp", "proxy", "addrs", "hooks", "track", "peer", "node", "journal"]),
        ("doctor", &["config", "node"]),
        (
            "shell",
            &[
                "config", "render", "vrrp", "proxy", "addrs", "hooks", "notices", "track", "peer", "node", "journal",
                "doctor", "web",
            ],
        ),
        ("cli", &["config", "import", "render", "proxy", "peer", "node", "journal", "rehearsal", "doctor", "shell"]),
    ];
    BTreeMap::from(table)
}

/// Parts of the shell that only a running node may use, not the command line.
const NODE_ONLY: [&str; 13] = [
    "driver",
    "hello_socket",
    "hook_runner",
    "looks",
    "netlink",
    "nftables",
    "notices",
    "program",
    "process",
    "stats_socket",
    "systemd",
    "vrrp_socket",
    "workers",
];

/// Modules without IO, time and chance.
const PURE: [&str; 16] = [
    "units",
    "config",
    "web",
    "import",
    "render",
    "vrrp",
    "proxy",
    "addrs",
    "hooks",
    "notices",
    "track",
    "peer",
    "node",
    "journal",
    "rehearsal",
    "doctor",
];

/// What a pure module must not name.
const IMPURE: [&str; 26] = [
    "tokio",
    "hyper",
    "reqwest",
    "nix::",
    "rustix",
    "socket2",
    "rtnetlink",
    "netlink_",
    "notify::",
    "std::fs",
    "std::io",
    "std::env",
    "std::process",
    "std::thread",
    "std::sync::Mutex",
    "std::sync::mpsc",
    "std::os",
    "TcpStream",
    "TcpListener",
    "UdpSocket",
    "UnixStream",
    "Instant::now",
    "SystemTime",
    "thread_rng",
    "RandomState",
    "println!",
];

#[test]
fn modules_depend_only_on_those_below_them() {
    let permitted = permitted();
    let mut findings = Vec::new();
    for file in sources().iter().filter(|f| !matches!(f.module(), "lib" | "main") && !f.is_test()) {
        let module = file.module();
        let Some(allowed) = permitted.get(module) else {
            findings.push(format!("{}: the module {module} is not in the table of this test", file.path));
            continue;
        };
        for (n, line) in file.code() {
            for (_, rest) in line.match_indices("crate::").map(|(at, found)| (at, &line[at + found.len()..])) {
                let target: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let known = permitted.contains_key(target.as_str());
                if known && target != module && target != "units" && !allowed.contains(&target.as_str()) {
                    findings.push(format!("{}:{n}: {module} must not depend on {target}", file.path));
                }
                if rest.starts_with('{') {
                    findings.push(format!("{}:{n}: write one `use crate::` for each module", file.path));
                }
                let below = rest.strip_prefix("shell::").map(|r| r.split([':', ';', ' ', ',']).next().unwrap_or(""));
                if module == "cli" && below.is_some_and(|b| NODE_ONLY.contains(&b)) {
                    findings.push(format!("{}:{n}: that part of the shell is for a running node only", file.path));
                }
            }
        }
    }
    report("DESIGN, who may depend on whom", &findings);
}

#[test]
fn pure_modules_touch_neither_world_nor_clock() {
    let mut findings = Vec::new();
    for file in sources().iter().filter(|f| PURE.contains(&f.module()) && !f.is_test()) {
        for (n, line) in file.code() {
            for word in IMPURE.iter().filter(|w| line.contains(**w)) {
                findings.push(format!("{}:{n}: {word}", file.path));
            }
        }
    }
    report("no IO, thread, clock or chance in pure modules", &findings);
}

#[test]
fn every_module_says_what_it_owns() {
    let silent = |f: &&File| !f.is_test() && !f.text.starts_with("//! ");
    let findings: Vec<String> = sources().iter().filter(silent).map(|f| f.path.clone()).collect();
    report("every file begins with `//!`", &findings);
}

#[test]
fn no_file_outgrows_a_reader() {
    const LINES_MAX: usize = 600;
    let lines = |f: &File| f.text.lines().count();
    let long = |f: &&File| lines(f) > LINES_MAX;
    let findings: Vec<String> =
        sources().iter().filter(long).map(|f| format!("{} has {} lines", f.path, lines(f))).collect();
    report("at most 600 lines a file: find the second concept", &findings);
}

#[test]
fn unsafe_code_is_in_one_file() {
    let mut findings = Vec::new();
    for file in sources().iter().filter(|f| f.path != "src/shell/sys.rs") {
        for (n, line) in file.code() {
            if line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == "unsafe") {
                findings.push(format!("{}:{n}", file.path));
            }
        }
    }
    report("`unsafe` only in src/shell/sys.rs", &findings);
}

#[test]
fn every_dependency_is_justified_and_used() {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let mut code: String = sources().iter().map(|f| f.text.as_str()).collect();
    for tests in ["tests/it", "tests/sim", "tests/netns"] {
        for entry in fs::read_dir(root().join(tests)).unwrap() {
            code.push_str(&fs::read_to_string(entry.unwrap().path()).unwrap_or_default());
        }
    }
    let (mut section, mut findings, mut seen) = ("", Vec::new(), 0);
    for line in manifest.lines() {
        if line.starts_with('[') {
            section = line;
        } else if section.ends_with("dependencies]") && !line.starts_with('#') && line.contains('=') {
            seen += 1;
            let name = line.split([' ', '=']).next().unwrap();
            if line.split_once(" # ").is_none_or(|(_, why)| why.len() < 8) {
                findings.push(format!("{name}: a comment must say why it is there"));
            }
            let path = name.replace('-', "_");
            if !code.contains(&format!("{path}::")) && !code.contains(&format!("use {path}")) {
                findings.push(format!("{name}: nothing uses it"));
            }
        }
    }
    assert!(seen > 10, "the dependencies were not found");
    report("Cargo.toml", &findings);
}

#[test]
fn the_architecture_names_only_what_exists() {
    let Ok(text) = fs::read_to_string(root().join("ARCHITECTURE.md")) else {
        return crate::skip("the_architecture_names_only_what_exists", "there is no ARCHITECTURE.md");
    };
    let is_path = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let starts = ["src/", "tests/", "templates/", "config/", "systemd/", "benches/", "docs/"];
    let named = text.split(|c| !is_path(c)).filter(|word| starts.iter().any(|s| word.starts_with(s)));
    let missing = |word: &&str| !exists(word.trim_end_matches('.'));
    let findings: Vec<String> = named.filter(missing).map(str::to_owned).collect();
    report("ARCHITECTURE.md names what does not exist", &findings);
}

fn exists(path: &str) -> bool {
    root().join(Path::new(path)).exists()
}
