//! `vrrp_script`, `vrrp_track_process` and `track_file`: trackers, or what vipkeeper does by itself.

use std::net::SocketAddr;

use super::Gathered;
use super::command::Command;
use super::keepalived::Directive;
use super::report::{Fate, Report};
use super::write::quoted;

/// What is tracked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Script {
    pub(super) name: String,
    /// Keys of the `[[tracker]]`, as TOML; none: vipkeeper watches the proxy itself.
    pub(super) keys: Option<Vec<String>>,
    pub(super) weight: i32,
    pub(super) reverse: bool,
}

/// How a script looks at nothing but whether a proxy runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Watch {
    /// By a program that does nothing else.
    Plain,
    /// By one whose name says so.
    Named,
}

/// Whether the words look at nothing but whether a proxy runs.
fn watches_proxy(words: &str) -> Option<Watch> {
    let plain = ["killall -0", "pidof", "pgrep", "is-active", "kill -0"];
    let named =
        ["check_nginx", "chk_nginx", "nginx_check", "check_haproxy", "chk_haproxy", "haproxy_check", "nginx_pid"];
    let proxy = words.contains("haproxy") || words.contains("nginx");
    let any = |looks: &[&str]| looks.iter().any(|look| words.contains(look));
    match (proxy, any(&plain), any(&named)) {
        (true, true, _) => Some(Watch::Plain),
        (true, false, true) => Some(Watch::Named),
        _ => None,
    }
}

/// What a line of such a block watches, if it is the proxy.
fn watch_of(kind: &str, directive: &Directive) -> Option<Watch> {
    match directive.keyword() {
        "script" => watches_proxy(&Command::of_script(directive).argv.join(" ")),
        "process" if kind.ends_with("process") => watches_proxy(&format!("pidof {}", directive.word(1))),
        _ => None,
    }
}

/// A connection that bash is asked to make, which keepalived hands to a shell; vipkeeper makes it itself.
fn connection(command: &Command) -> Option<SocketAddr> {
    let text = command.argv.join(" ");
    let path = text.trim_start_matches("/usr/bin/").trim_start_matches(['<', ' ']).strip_prefix("/dev/tcp/")?;
    let (host, port) = path.trim_end().split_once('/')?;
    let host = if host == "localhost" { "127.0.0.1" } else { host };
    Some(SocketAddr::new(host.parse().ok()?, port.parse().ok().filter(|port| *port > 0)?))
}

/// What is read of one block.
#[derive(Default)]
struct Reading {
    keys: Vec<String>,
    /// Somebody is named who runs it, or nobody has to.
    has_user: bool,
    watches: Option<Watch>,
    weight: Option<i32>,
    reverse: bool,
    nginx: bool,
    /// The tracker looks twice unless told otherwise.
    probes: bool,
}

/// Reads one of the blocks.
pub(super) fn read(block: &Directive, all: &mut Gathered, report: &mut Report) {
    let kind = block.keyword();
    let (name, label) = (block.word(1), format!("{kind} {}", block.word(1)));
    let mut reading = Reading {
        has_user: kind != "vrrp_script" || all.runners.default.is_some(),
        watches: block.inside().iter().find_map(|inner| watch_of(kind, inner)),
        ..Reading::default()
    };
    for directive in block.inside() {
        let (fate, note) = match directive.keyword() {
            "script" => script(directive, name, &mut reading),
            "process" if reading.watches.is_some() => watched(directive, &mut reading),
            "file" => {
                reading.keys.push(format!("file = {}", quoted(directive.word(1))));
                (Fate::Mapped, format!("tracker.file of {name}"))
            }
            "process" => {
                reading.keys.push(format!("script = [\"/usr/bin/pgrep\", \"-x\", {}]", quoted(directive.word(1))));
                (Fate::Approximated, "tracker.script with pgrep, which looks every interval".to_owned())
            }
            "interval" | "timeout" | "rise" | "fall" if reading.watches.is_some() => {
                (Fate::Approximated, "not needed: `health` of [proxy] says how often it is asked".to_owned())
            }
            "interval" | "timeout" | "rise" | "fall" => pace(directive, &mut reading.keys),
            "weight" => weight(directive, &mut reading),
            "user" => user(directive, &mut reading),
            "init_fail" | "init_file" => (Fate::Dropped, "a tracker counts from its first look".to_owned()),
            _ => (Fate::Dropped, "trackers have nothing like it".to_owned()),
        };
        report.add(directive, &label, fate, &note);
    }
    if !reading.has_user {
        let note = "no `user`: keepalived runs it as keepalived_script where that user exists, else as root";
        report.remark(Some(&block.at), &label, Fate::Trap, note);
    }
    cap_timeout(block, &label, &mut reading.keys, report);
    let script = reading.script(name, i32::from(kind.contains("file")));
    all.nginx |= reading.nginx;
    match all.scripts.iter().find(|known| known.name == script.name) {
        None => all.scripts.push(script),
        Some(first) if *first != script => {
            let note = "it is not the same on the node before; that one is taken for all nodes";
            report.remark(Some(&block.at), &label, Fate::Approximated, note);
        }
        Some(_) => {}
    }
}

impl Reading {
    /// What is tracked; `weight` where the block says nothing.
    fn script(&self, name: &str, weight: i32) -> Script {
        let mut keys = self.keys.clone();
        if self.probes {
            // keepalived counts the first look; trackers that probe count the second.
            for key in ["rise", "fall"] {
                if !keys.iter().any(|known| known.starts_with(key)) {
                    keys.push(format!("{key} = 1"));
                }
            }
        }
        Script {
            name: name.to_owned(),
            keys: self.watches.is_none().then_some(keys),
            weight: self.weight.unwrap_or(weight),
            reverse: self.reverse,
        }
    }
}

/// What the proxy's own watch replaces.
fn watched(directive: &Directive, reading: &mut Reading) -> (Fate, String) {
    reading.has_user = true;
    reading.nginx |= directive.words.iter().any(|word| word.contains("nginx"));
    let own = "the proxy's own watch: an unfit proxy gives up every VIP, so no script and no weight is needed";
    match reading.watches {
        Some(Watch::Named) => {
            let more = "; by its name it looks whether the proxy runs: see that it does nothing else, and that it no longer \
                        starts the proxy or stops keepalived";
            (Fate::Approximated, format!("{own}{more}"))
        }
        Some(Watch::Plain) | None => (Fate::Mapped, own.to_owned()),
    }
}

fn script(directive: &Directive, name: &str, reading: &mut Reading) -> (Fate, String) {
    if reading.watches.is_some() {
        return watched(directive, reading);
    }
    let command = Command::of_script(directive);
    if let Some(address) = connection(&command) {
        reading.keys.push(format!("tcp = \"{address}\""));
        reading.has_user = true;
        reading.probes = true;
        return (Fate::Mapped, format!("tracker.tcp of {name}"));
    }
    if command.argv.is_empty() {
        return (Fate::Dropped, "it names no program".to_owned());
    }
    reading.keys.push(format!("script = {}", command.toml()));
    match (&command.trap, command.looked_up) {
        (Some(trap), _) => (Fate::Trap, trap.clone()),
        (None, true) => (Fate::Approximated, format!("tracker.script of {name}{}", command.advice())),
        (None, false) => (Fate::Mapped, format!("tracker.script of {name}")),
    }
}

fn weight(directive: &Directive, reading: &mut Reading) -> (Fate, String) {
    reading.weight = Some(directive.word(1).parse().unwrap_or(0));
    reading.reverse = directive.words.iter().any(|word| word == "reverse");
    if reading.watches.is_some() {
        (Fate::Approximated, "not needed: without a fit proxy the node gives the VIP up".to_owned())
    } else {
        (Fate::Mapped, "weight of the vip's track".to_owned())
    }
}

/// Who runs it; a tracker's group is that of its user.
fn user(directive: &Directive, reading: &mut Reading) -> (Fate, String) {
    reading.has_user = true;
    if reading.watches.is_some() {
        return (Fate::Mapped, "not needed: there is no script to run".to_owned());
    }
    reading.keys.push(format!("user = {}", quoted(directive.word(1))));
    match directive.word(2) {
        "" => (Fate::Mapped, "tracker.user".to_owned()),
        group => (Fate::Approximated, format!("tracker.user, with that user's own groups in place of {group}")),
    }
}

/// A look of vipkeeper ends before the next one begins.
fn cap_timeout(block: &Directive, label: &str, keys: &mut [String], report: &mut Report) {
    let find = |keyword: &str| block.inside().iter().rev().find(|d| d.keyword() == keyword).map(|d| d.word(1));
    let interval = find("interval").filter(|text| super::write::milliseconds(text).is_some()).unwrap_or("1");
    let (Some(timeout), Some(interval_ms)) = (find("timeout"), super::write::milliseconds(interval)) else { return };
    let longer = super::write::milliseconds(timeout).is_some_and(|ms| ms > interval_ms);
    let key = keys.iter_mut().find(|key| key.starts_with("timeout = "));
    if let (true, Some(key), Some(shown)) = (longer, key, super::write::duration(interval)) {
        *key = format!("timeout = \"{shown}\"");
        let note = format!("a timeout of {timeout} s is longer than the interval: {shown} is taken for both");
        report.remark(Some(&block.at), label, Fate::Approximated, &note);
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
