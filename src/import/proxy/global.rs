//! `global` and `defaults`: keys of `[proxy]`, raw lines, and what sections take from their defaults.

use super::server::{Known, timeout};
use super::values::{COUNT_MAX, DAYS_24, number, table, time};
use super::{Given, lines};
use crate::import::haproxy::{Line, Section};
use crate::import::report::{Fate, Report};
use crate::import::write::{name_of, quoted};

/// Lines of the global section that are vipkeeper's own matter.
const OWN: [(&str, &str); 8] = [
    ("daemon", "vipkeeper starts HAProxy itself"),
    ("master-worker", "vipkeeper starts HAProxy so already"),
    ("nbproc", "one worker with threads: nbthread"),
    ("pidfile", "vipkeeper watches the process itself"),
    ("description", "vipkeeper has its generation there"),
    ("node", "vipkeeper has the name of the [[node]] there"),
    ("zero-warning", "warnings of newer versions would refuse the file"),
    ("server-state-file", "vipkeeper keeps the state of servers itself"),
];

/// Statuses that have pages.
const PAGES: [&str; 19] = [
    "200", "400", "401", "403", "404", "405", "407", "408", "410", "413", "421", "422", "425", "429", "500", "501",
    "502", "503", "504",
];

/// Timeouts of `[proxy]`, as HAProxy and as vipkeeper call them.
const TIMEOUTS: [(&str, &str); 10] = [
    ("connect", "connect"),
    ("client", "client"),
    ("server", "server"),
    ("http-request", "http_request"),
    ("http-keep-alive", "http_keep_alive"),
    ("queue", "queue"),
    ("tunnel", "tunnel"),
    ("check", "check"),
    ("client-fin", "client_fin"),
    ("server-fin", "server_fin"),
];

/// What was read.
pub(super) struct Global<'p> {
    /// Keys of `[proxy]`.
    pub(super) lines: Vec<String>,
    /// `proxy.log` is there, and the defaults log to it.
    pub(super) logs: bool,
    verify_none: bool,
    /// What sections take from the defaults of the file, where there is one such section.
    shared: Vec<Given<'p>>,
    /// The same with what `[proxy]` says for frontends of its own alone.
    for_whole: Vec<Given<'p>>,
    several: bool,
    /// Lines of the global section count under conditions.
    conditional: bool,
}

impl<'p> Global<'p> {
    /// What servers are read with.
    pub(super) fn known(&self) -> Known<'_> {
        Known { resolvers: &[], verify_none: self.verify_none }
    }

    /// The lines of the defaults that count for a section as if they were its own.
    pub(super) fn inherited(&self, sections: &'p [Section], number: usize) -> Vec<Given<'p>> {
        if self.several { own_defaults(sections, number) } else { self.shared.clone() }
    }

    /// The same for a section that stays as it is: `[proxy]` has the others.
    pub(super) fn whole(&self, sections: &'p [Section], number: usize) -> Vec<Given<'p>> {
        let mut lines = if self.several { own_defaults(sections, number) } else { self.for_whole.clone() };
        lines.retain(|given| !(self.logs && given.line.text == "log global"));
        lines
    }
}

/// The `defaults` that a section names with `from`, or else the last one before it.
fn own_defaults<'p>(sections: &'p [Section], number: usize) -> Vec<Given<'p>> {
    let Some(section) = sections.get(number) else { return Vec::new() };
    let mut words = section.name.split_whitespace().skip_while(|word| *word != "from").skip(1);
    let named = words.next();
    let mut before = sections.iter().take(number).filter(|section| section.kind == "defaults");
    let found = match named {
        Some(name) => before.find(|section| section.name.split_whitespace().next() == Some(name)),
        None => before.next_back(),
    };
    let lines = found.map(|section| section.lines.as_slice()).unwrap_or_default();
    lines.iter().map(|line| Given { line, inherited: true }).collect()
}

/// Reads all `global` and `defaults` sections.
pub(super) fn read<'p>(sections: &'p [Section], report: &mut Report) -> Global<'p> {
    let of_kind = |kind: &'static str| sections.iter().filter(move |section| section.kind == kind);
    let globals: Vec<&Line> = of_kind("global").flat_map(|section| &section.lines).collect();
    let several = of_kind("defaults").count() > 1;
    let defaults: Vec<&'p Line> = of_kind("defaults").flat_map(|section| &section.lines).collect();
    let to_global = |line: &&Line| line.plain().as_deref() == Some(&["log", "global"]);
    let anywhere = sections.iter().filter(|section| section.kind != "global").flat_map(|section| &section.lines);
    let logs = globals.iter().any(|line| line.keyword() == "log") && anywhere.into_iter().any(|line| to_global(&line));
    let conditional = globals.iter().any(|line| line.keyword().starts_with('.'));
    let mut made = Global {
        lines: Vec::new(),
        logs,
        verify_none: false,
        shared: Vec::new(),
        for_whole: Vec::new(),
        several,
        conditional,
    };
    let mut raw = Vec::new();
    for line in globals {
        let (fate, note) = made.global(line, &mut raw);
        report.remark(Some(&line.at), &format!("global: {}", line.text), fate, &note);
    }
    if several {
        for line in &defaults {
            let note = "said in each section, since there are several defaults sections";
            report.remark(Some(&line.at), &format!("defaults: {}", line.text), Fate::Approximated, note);
        }
        lines("raw_global", raw.into_iter(), &mut made.lines);
        return made;
    }
    let (mut timeouts, mut pages, mut of_defaults) = (Vec::new(), Vec::new(), Vec::new());
    let conditional = defaults.iter().any(|line| line.keyword().starts_with('.'));
    for line in &defaults {
        let (fate, note) = match of_default(line, &made, &mut timeouts, &mut pages) {
            _ if conditional => keep(line, &mut of_defaults, "proxy.raw_defaults"),
            Default::Key(note) => {
                if matches!(line.plain().as_deref(), Some(["option", "httplog" | "tcplog", ..])) {
                    made.for_whole.push(Given { line, inherited: true });
                }
                (Fate::Mapped, note)
            }
            Default::Shared => {
                made.shared.push(Given { line, inherited: true });
                made.for_whole.push(Given { line, inherited: true });
                (Fate::Mapped, "said in each section that it is for".to_owned())
            }
            Default::Raw => keep(line, &mut of_defaults, "proxy.raw_defaults"),
        };
        report.remark(Some(&line.at), &format!("defaults: {}", line.text), fate, &note);
    }
    if !defaults.is_empty() {
        waits(&mut timeouts, &made.shared, report);
        if !defaults.iter().any(|line| line.text.contains("redispatch")) {
            let note =
                "vipkeeper lets the last attempt go to another server; `redispatch = false` of a backend does not";
            report.remark(None, "no option redispatch", Fate::Approximated, note);
        }
    }
    if !timeouts.is_empty() {
        made.lines.push(format!("timeouts = {}", table(&timeouts)));
    }
    if !pages.is_empty() {
        made.lines.push(format!("error_pages = {{ {} }}", pages.join(", ")));
    }
    lines("raw_global", raw.into_iter(), &mut made.lines);
    lines("raw_defaults", of_defaults.into_iter(), &mut made.lines);
    made
}

fn keep(line: &Line, raw: &mut Vec<String>, key: &str) -> (Fate, String) {
    raw.push(line.text.clone());
    (Fate::Raw, key.to_owned())
}

/// HAProxy waits for ever where no timeout is written; vipkeeper does not.
fn waits(timeouts: &mut Vec<(&'static str, String)>, shared: &[Given<'_>], report: &mut Report) {
    let http = !shared.iter().any(|given| given.line.plain().as_deref() == Some(&["mode", "tcp"]));
    let find = |timeouts: &[(&str, String)], key: &str| {
        timeouts.iter().find(|(known, _)| *known == key).map(|(_, v)| v.clone())
    };
    for (key, usual) in [("connect", "5s"), ("client", "30s"), ("server", "30s")] {
        if find(timeouts, key).is_none() {
            let note = format!("HAProxy has none; vipkeeper takes {usual}");
            report.remark(None, &format!("no timeout {key}"), Fate::Approximated, &note);
        }
    }
    if let (None, Some(client), true) = (find(timeouts, "http_request"), find(timeouts, "client"), http) {
        let note =
            "that of the client counts for a whole request; 10s is what vipkeeper takes where nothing is written";
        report.remark(None, "no timeout http-request", Fate::Approximated, note);
        timeouts.push(("http_request", client));
    }
}

impl Global<'_> {
    /// A line of the global section.
    fn global(&mut self, line: &Line, raw: &mut Vec<String>) -> (Fate, String) {
        let words = line.plain().unwrap_or_default();
        if let Some((_, why)) = OWN.iter().find(|(word, _)| line.keyword() == *word) {
            return (Fate::Dropped, (*why).to_owned());
        }
        self.verify_none |= words.as_slice() == ["ssl-server-verify", "none"];
        let key = match words.as_slice() {
            _ if self.conditional => None,
            ["maxconn", n] => number(n, 1, COUNT_MAX).map(|n| ("maxconn", n)),
            ["nbthread", n] => number(n, 1, 1_024).map(|n| ("nbthread", n)),
            ["user", name] if name_of(name, "") == *name => Some(("user", quoted(name))),
            ["group", name] if name_of(name, "") == *name => Some(("group", quoted(name))),
            ["hard-stop-after", value] => time(value, "ms", 1, DAYS_24).map(|time| ("hard_stop_after", time)),
            ["log", first, ..] if self.logs && *first != "global" => {
                let rest = line.text.split_once(char::is_whitespace).map_or("", |(_, rest)| rest.trim());
                Some(("log", quoted(rest)))
            }
            _ => None,
        };
        let free = |key: &str| !self.lines.iter().any(|line| line.starts_with(&format!("{key} = ")));
        match key.filter(|(key, _)| free(key)) {
            Some((key, value)) => {
                self.lines.push(format!("{key} = {value}"));
                (Fate::Mapped, format!("proxy.{key}"))
            }
            None if line.keyword() == "hard-stop-after" => (Fate::Dropped, "write proxy.hard_stop_after".to_owned()),
            None => keep(line, raw, "proxy.raw_global"),
        }
    }
}

/// What becomes of a line of the defaults.
enum Default {
    /// It is said in `[proxy]`, or goes without saying.
    Key(String),
    /// Sections have it as their own.
    Shared,
    Raw,
}

/// Lines of a defaults section that have a key in sections only.
const SHARED: [&str; 9] =
    ["mode", "maxconn", "balance", "default-server", "http-check", "retries", "fullconn", "http-reuse", "hash-type"];

/// The same of `option`.
const SHARED_OPTIONS: [&str; 9] = [
    "httpchk",
    "forwardfor",
    "abortonclose",
    "allbackups",
    "http-server-close",
    "log-health-checks",
    "prefer-last-server",
    "srvtcpka",
    "tcp-check",
];

fn of_default(
    line: &Line,
    global: &Global<'_>,
    timeouts: &mut Vec<(&'static str, String)>,
    pages: &mut Vec<String>,
) -> Default {
    let Some(words) = line.plain() else { return Default::Raw };
    match words.as_slice() {
        ["timeout", what, value] => {
            let key = TIMEOUTS.iter().find(|(word, _)| word == what).and_then(|(_, key)| Some((*key, timeout(value)?)));
            let Some((key, value)) = key else { return Default::Raw };
            timeouts.retain(|(known, _)| *known != key);
            timeouts.push((key, value));
            Default::Key(format!("proxy.timeouts.{key}"))
        }
        ["errorfile", status, path] if PAGES.contains(status) && path.starts_with('/') => {
            pages.push(format!("{} = {}", quoted(status), quoted(path)));
            Default::Key("proxy.error_pages".to_owned())
        }
        ["log", "global"] | ["option", "dontlognull" | "httplog" | "tcplog"] if global.logs => {
            Default::Key("proxy.log and log_format".to_owned())
        }
        ["option", "redispatch"] | ["retries", "3"] | ["option", "http-keep-alive"] => {
            Default::Key("it is so by default".to_owned())
        }
        ["load-server-state-from-file", ..] => Default::Key("vipkeeper keeps the state of servers itself".to_owned()),
        ["option", option, ..] if SHARED_OPTIONS.contains(option) => Default::Shared,
        [first, ..] if SHARED.contains(first) => Default::Shared,
        _ => Default::Raw,
    }
}
