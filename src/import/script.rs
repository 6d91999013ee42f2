//! `vrrp_script`, `vrrp_track_process` and `track_file`: trackers, or what vipkeeper does by itself.

use super::Gathered;
use super::keepalived::Directive;
use super::report::{Fate, Report};

/// What is tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) name: String,
    /// Keys of the `[[tracker]]`, as TOML; none: vipkeeper watches the proxy itself.
    pub(super) keys: Option<Vec<String>>,
    pub(super) weight: i32,
    pub(super) reverse: bool,
}

/// Whether the words look at nothing but whether a proxy runs.
fn watches_proxy(words: &str) -> bool {
    let proxy = words.contains("haproxy") || words.contains("nginx");
    let looks = ["killall -0", "pidof", "pgrep", "is-active", "kill -0", "check_nginx", "chk_nginx", "nginx_check"];
    let more = ["check_haproxy", "chk_haproxy", "haproxy_check", "nginx_pid"];
    proxy && looks.iter().chain(&more).any(|look| words.contains(look))
}

/// Whether a line of such a block looks at nothing but whether a proxy runs.
fn is_watch(kind: &str, directive: &Directive) -> bool {
    match directive.keyword() {
        "script" => watches_proxy(&command(directive)),
        "process" => kind.ends_with("process") && watches_proxy(&format!("pidof {}", directive.word(1))),
        _ => false,
    }
}

/// Reads one of the blocks.
pub(super) fn read(block: &Directive, all: &mut Gathered, report: &mut Report) {
    let kind = block.keyword();
    let (name, label) = (block.word(1), format!("{kind} {}", block.word(1)));
    let mut script = Script {
        name: name.to_owned(),
        keys: Some(Vec::new()),
        weight: i32::from(kind.contains("file")),
        reverse: false,
    };
    let mut has_user = kind != "vrrp_script";
    let mut keys = Vec::new();
    let watches = block.inside().iter().any(|inner| is_watch(kind, inner));
    for directive in block.inside() {
        let value = directive.word(1);
        let (fate, note) = match directive.keyword() {
            "script" | "process" if is_watch(kind, directive) => {
                script.keys = None;
                has_user = true;
                all.nginx |= command(directive).contains("nginx");
                (
                    Fate::Mapped,
                    "the proxy's own watch: an unfit proxy gives up every VIP, so no script and no weight is needed"
                        .to_owned(),
                )
            }
            "script" => {
                let program = super::write::program(&command(directive));
                keys.push(format!("script = {program}"));
                (Fate::Mapped, format!("tracker.script of {name}"))
            }
            "file" => {
                keys.push(format!("file = {}", super::write::quoted(value)));
                (Fate::Mapped, format!("tracker.file of {name}"))
            }
            "process" => {
                keys.push(format!("script = [\"/usr/bin/pgrep\", \"-x\", {}]", super::write::quoted(value)));
                (Fate::Approximated, "tracker.script with pgrep, which looks every interval".to_owned())
            }
            "interval" | "timeout" | "rise" | "fall" if watches => {
                (Fate::Approximated, "not needed: `health` of [proxy] says how often it is asked".to_owned())
            }
            "interval" | "timeout" | "rise" | "fall" => pace(directive, &mut keys),
            "weight" => {
                script.weight = value.parse().unwrap_or(0);
                script.reverse = directive.words.iter().any(|word| word == "reverse");
                if watches {
                    (Fate::Approximated, "not needed: without a fit proxy the node gives the VIP up".to_owned())
                } else {
                    (Fate::Mapped, "weight of the vip's track".to_owned())
                }
            }
            "user" => {
                has_user = true;
                keys.push(format!("user = {}", super::write::quoted(value)));
                (Fate::Mapped, "tracker.user".to_owned())
            }
            "init_fail" | "init_file" => (Fate::Dropped, "a tracker counts from its first look".to_owned()),
            _ => (Fate::Dropped, "trackers have nothing like it".to_owned()),
        };
        report.add(directive, &label, fate, &note);
    }
    if !has_user {
        let note = "no `user`: keepalived runs it as keepalived_script where that user exists, else as root";
        report.remark(Some(&block.at), &label, Fate::Trap, note);
    }
    if script.keys.is_some() {
        script.keys = Some(keys);
    }
    if !all.scripts.iter().any(|known| known.name == script.name) {
        all.scripts.push(script);
    }
}

/// How often it looks, and how many looks count.
fn pace(directive: &Directive, keys: &mut Vec<String>) -> (Fate, String) {
    let (key, value) = (directive.keyword(), directive.word(1));
    let written = match key {
        "interval" | "timeout" => super::write::duration(value).map(|time| format!("\"{time}\"")),
        _ => value.parse::<u32>().ok().filter(|n| *n > 0).map(|n| n.to_string()),
    };
    match written {
        Some(written) => {
            keys.push(format!("{key} = {written}"));
            (Fate::Mapped, format!("tracker.{key}"))
        }
        None => (Fate::Dropped, "this is no number of it".to_owned()),
    }
}

/// The command of a `script` line, written with quotes or without, or within braces.
pub(super) fn command(directive: &Directive) -> String {
    let words = directive.words.get(1..).unwrap_or_default().join(" ");
    if words.is_empty() {
        directive.inside().iter().map(|inner| inner.words.join(" ")).collect::<Vec<_>>().join(" ")
    } else {
        words
    }
}
