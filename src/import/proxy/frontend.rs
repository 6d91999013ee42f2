//! A frontend: its lines as keys of `[[frontend]]`, and what is left as raw lines.

use super::bind::{self, Bound};
use super::routes::{self, Routing};
use super::values::{COUNT_MAX, is_token, number, table};
use super::{Given, Part, lines};
use crate::import::Gathered;
use crate::import::report::{Fate, Report};
use crate::import::write::{list, name_of, quoted};

/// Rules after which a request is answered already.
const FINAL: [&str; 10] =
    ["allow", "auth", "deny", "redirect", "reject", "return", "silent-drop", "tarpit", "use-service", "wait-for-body"];

/// What defaults have for backends alone, beside options.
const OF_BACKENDS: [&str; 9] = [
    "retries",
    "balance",
    "default-server",
    "http-check",
    "tcp-check",
    "fullconn",
    "http-reuse",
    "hash-type",
    "cookie",
];

/// Changes of headers of one frontend that are compared with all of its lines; those after them stay raw.
const LOOKS_MAX: usize = 200;

/// Header changes in one table.
const HEADERS_MAX: usize = 50;

/// The name of the backend for what nothing else takes.
fn default_backend(part: &Part<'_>) -> Option<String> {
    part.backend.clone().or_else(|| part.value("default_backend").map(|name| name_of(name, "backend")))
}

/// HAProxy's mode where nothing is said is tcp.
pub(super) fn mode(part: &Part<'_>) -> &'static str {
    part.mode().unwrap_or("tcp")
}

/// Why a frontend stays HAProxy's own section; none: it has a table.
pub(super) fn refused(
    part: &Part<'_>,
    all: &Gathered,
    backends: &[(String, Option<&'static str>)],
) -> Option<&'static str> {
    let binds = part.lines.iter().filter(|given| given.line.keyword() == "bind");
    let typed = binds.filter(|given| matches!(bind::read(given.line, all), Bound::Typed(_))).count();
    if typed == 0 {
        return Some("none of its binds is an address that vipkeeper knows");
    }
    if part.conditional() {
        return Some("HAProxy judges conditions in it while it reads the file");
    }
    match default_backend(part) {
        Some(name) => match backends.iter().find(|(known, _)| *known == name) {
            None => Some("its default backend is none that has a table of its own"),
            Some((_, Some(other))) if *other != mode(part) => Some("its default backend is of another mode"),
            Some(_) => None,
        },
        None if redirects_all(part) => None,
        None => {
            // What no rule takes is answered 503 by HAProxy, which a last route says, if no raw rule comes after it.
            let left = Routing::read(part, backends, mode(part)).has_raw();
            left.then_some("it has no default backend, and a rule that only HAProxy can judge")
        }
    }
}

/// Whether all that comes without TLS is sent away, and nothing comes with it.
fn redirects_all(part: &Part<'_>) -> bool {
    let tls =
        |given: &Given<'_>| given.line.keyword() == "bind" && given.line.words.iter().any(|word| word.text == "ssl");
    let redirects = part.lines.iter().any(|given| given.line.plain().is_some_and(|words| redirect(&words).is_some()));
    mode(part) == "http" && redirects && !part.lines.iter().any(tls)
}

/// Whether a line sends all that came without TLS to https, and with which status.
fn redirect(words: &[&str]) -> Option<&'static str> {
    let words = words.strip_prefix(&["http-request"]).unwrap_or(words);
    let rest = words.strip_prefix(&["redirect", "scheme", "https"])?;
    let (code, rest) = match rest {
        ["code", "301", rest @ ..] => ("301", rest),
        ["code", ..] => return None,
        rest => ("302", rest),
    };
    let plain = matches!(
        rest,
        [] | ["if", "!{", "ssl_fc", "}"] | ["unless", "{", "ssl_fc", "}"] | ["if", "!", "{", "ssl_fc", "}"]
    );
    plain.then_some(code)
}

/// A frontend that is being written.
struct Writing<'p> {
    part: &'p Part<'p>,
    http: bool,
    keys: Vec<(&'static str, String)>,
    binds: Vec<String>,
    /// `set`, `add` and `del` of requests and responses.
    headers: Vec<(&'static str, &'static str, String)>,
    raw: Vec<String>,
    /// A rule that answers requests stays raw.
    answered: bool,
    /// All lines in small letters, and how many changes of headers were looked for in them.
    lower: Vec<String>,
    looked: usize,
}

/// Writes a frontend that is not [`refused`].
pub(super) fn write(
    part: &Part<'_>,
    all: &Gathered,
    backends: &[(String, Option<&'static str>)],
    out: &mut Vec<String>,
    report: &mut Report,
) {
    let mode = mode(part);
    let routing = Routing::read(part, backends, mode);
    let mut writing = Writing {
        part,
        http: mode == "http",
        keys: Vec::new(),
        binds: Vec::new(),
        headers: Vec::new(),
        raw: Vec::new(),
        answered: false,
        lower: part.lines.iter().map(|given| given.line.text.to_ascii_lowercase()).collect(),
        looked: 0,
    };
    for given in &part.lines {
        let words = given.line.plain();
        match words.as_deref() {
            Some(["bind", ..]) => writing.bind(given, all, report),
            Some(["acl" | "use_backend", ..]) => writing.routed(given, &routing, report),
            Some(words) => writing.line(given, words, report),
            None => writing.keep(given, report),
        }
    }
    writing.finish(mode, &routing, out);
}

impl Writing<'_> {
    /// Keeps a line as HAProxy reads it.
    fn keep(&mut self, given: &Given<'_>, report: &mut Report) {
        // Much of a defaults section is for backends alone.
        let option = given.line.words.get(1).map_or("", |word| word.text.as_str());
        let of_backends = match given.line.keyword() {
            "option" => of_backends(option),
            keyword => OF_BACKENDS.contains(&keyword),
        };
        if given.inherited && of_backends {
            return;
        }
        self.raw.push(given.line.text.clone());
        self.part.tell(given, report, Fate::Raw, "frontend.raw");
    }

    fn bind(&mut self, given: &Given<'_>, all: &Gathered, report: &mut Report) {
        match bind::read(given.line, all) {
            Bound::Typed(entries) => {
                self.binds.extend(entries);
                self.part.tell(given, report, Fate::Mapped, "frontend.bind");
            }
            Bound::OfNode(address) => {
                let note =
                    format!("{address} is one node's own, and the file is the same on all: bind a VIP or \"*:port\"");
                self.part.tell(given, report, Fate::Dropped, &note);
            }
            Bound::Raw => self.keep(given, report),
        }
    }

    /// `acl` and `use_backend`: what became a route is said there.
    fn routed(&mut self, given: &Given<'_>, routing: &Routing, report: &mut Report) {
        match routing.fate(given.line) {
            routes::LineFate::Routed(note) if note.is_empty() => {
                self.part.tell(given, report, Fate::Mapped, "frontend.route");
            }
            routes::LineFate::Routed(note) => {
                self.part.tell(given, report, Fate::Approximated, &format!("frontend.route; {note}"));
            }
            routes::LineFate::Raw => self.keep(given, report),
        }
    }

    fn line(&mut self, given: &Given<'_>, words: &[&str], report: &mut Report) {
        let last = |n: usize| words.get(n..).unwrap_or_default().is_empty();
        let key = match words {
            ["mode", _] => return self.part.tell(given, report, Fate::Mapped, "frontend.mode"),
            ["default_backend", name] => Some(("default_backend", quoted(&name_of(name, "backend")))),
            ["maxconn", n] => number(n, 1, COUNT_MAX).map(|n| ("maxconn", n)),
            ["monitor-uri", path] if self.http && path.starts_with('/') && !path.contains('?') => {
                Some(("monitor_uri", quoted(path)))
            }
            ["log", "global"] | ["option", "httplog" | "tcplog" | "dontlognull"] if self.part.logs => {
                return self.part.tell(given, report, Fate::Mapped, "it is so by default, with proxy.log");
            }
            ["timeout", "connect" | "server" | "queue" | "tunnel" | "check" | "server-fin", _] if given.inherited => {
                return;
            }
            ["http-request" | "http-response", how, name, rest @ ..]
                if self.http && is_token(name) && last(4) && self.header(words, how, name, rest) =>
            {
                let note = if words.first() == Some(&"http-response") {
                    "frontend.response_headers, which also change the proxy's own answers"
                } else {
                    "frontend.request_headers"
                };
                let fate = if note.contains("also") { Fate::Approximated } else { Fate::Mapped };
                return self.part.tell(given, report, fate, note);
            }
            _ if self.http && !self.answered && redirect(words).is_some() => {
                self.keys.push(("redirect_https", "true".to_owned()));
                return match redirect(words) {
                    Some("301") => self.part.tell(given, report, Fate::Mapped, "frontend.redirect_https"),
                    Some(_) | None => {
                        let note = "frontend.redirect_https, which answers 301, in place of 302";
                        self.part.tell(given, report, Fate::Approximated, note);
                    }
                };
            }
            _ => None,
        };
        match key {
            Some((key, value)) => {
                self.keys.retain(|(known, _)| *known != key);
                self.keys.push((key, value));
                self.part.tell(given, report, Fate::Mapped, &format!("frontend.{key}"));
            }
            None => {
                self.answered |= matches!(words, ["http-request", how, ..] if FINAL.contains(how));
                self.answered |= words.first() == Some(&"redirect");
                self.keep(given, report);
            }
        }
    }

    /// Takes a change of a header that nothing else of the section is about; false: it stays raw.
    fn header(&mut self, words: &[&str], how: &str, name: &str, rest: &[&str]) -> bool {
        let of = if words.first() == Some(&"http-request") { "request_headers" } else { "response_headers" };
        if self.looked >= LOOKS_MAX {
            return false;
        }
        self.looked += 1;
        let lower = name.to_ascii_lowercase();
        let about = self.lower.iter().filter(|line| line.contains(&lower)).count();
        let full = self.headers.len() >= HEADERS_MAX;
        let entry = match (how, rest) {
            // What a variable holds may be said by a line that stays behind.
            ("set-header" | "add-header", [value])
                if !value.contains("var(") && !value.chars().any(char::is_control) =>
            {
                let how = if how == "set-header" { "set" } else { "add" };
                (of, how, format!("{} = {}", quoted(name), quoted(value)))
            }
            ("del-header", []) => (of, "del", name.to_owned()),
            _ => return false,
        };
        if about != 1 || full {
            return false;
        }
        self.headers.push(entry);
        true
    }

    fn finish(self, mode: &str, routing: &Routing, out: &mut Vec<String>) {
        let Self { part, http: _, mut keys, binds, headers, raw, answered: _, lower: _, looked: _ } = self;
        out.push(format!("\n[[frontend]]\nname = {}", quoted(&part.name)));
        out.push(format!("bind = [{}]", binds.join(", ")));
        out.push(format!("mode = {}", quoted(mode)));
        if let Some(name) = &part.backend {
            keys.retain(|(key, _)| *key != "default_backend");
            keys.push(("default_backend", quoted(name)));
        }
        keys.dedup();
        for of in ["request_headers", "response_headers"] {
            let find =
                |wanted: &'static str| headers.iter().filter(move |(which, how, _)| *which == of && *how == wanted);
            let mut table_keys = Vec::new();
            for how in ["set", "add"] {
                let pairs: Vec<&str> = find(how).map(|(_, _, pair)| pair.as_str()).collect();
                table_keys.extend((!pairs.is_empty()).then(|| (how, format!("{{ {} }}", pairs.join(", ")))));
            }
            let del: Vec<String> = find("del").map(|(_, _, name)| name.clone()).collect();
            table_keys.extend((!del.is_empty()).then(|| ("del", list(&del))));
            if !table_keys.is_empty() {
                out.push(format!("{of} = {}", table(&table_keys)));
            }
        }
        out.extend(keys.iter().map(|(key, value)| format!("{key} = {value}")));
        let mut routes = routing.routes();
        let answers = keys.iter().any(|(key, _)| *key == "default_backend") || redirects_all(part);
        if !answers && !routing.takes_all() {
            // HAProxy answers so where no backend is named.
            routes.push(if mode == "http" { "{ deny = 503 }" } else { "{ reject = true }" }.to_owned());
        }
        if !routes.is_empty() {
            out.push(format!(
                "route = [\n{}\n]",
                routes.iter().map(|r| format!("  {r},")).collect::<Vec<_>>().join("\n")
            ));
        }
        lines("raw", raw.into_iter(), out);
    }
}

/// Options that defaults have for backends alone.
fn of_backends(option: &str) -> bool {
    option.ends_with("chk")
        || option.ends_with("-check")
        || ["redispatch", "allbackups", "prefer-last-server", "srvtcpka", "log-health-checks", "forwardfor"]
            .contains(&option)
        || ["http-server-close", "abortonclose", "http-keep-alive"].contains(&option)
}
