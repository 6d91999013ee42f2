//! A backend: its lines as keys of `[[backend]]`, and what is left as raw lines.

use super::balance;
use super::check::{self, is_check};
use super::server::{self, Known, Settings, timeout};
use super::values::{COUNT_MAX, DAYS_24, address, is_token, milliseconds, number, table, time};
use super::{Given, Part, lines};
use crate::config::Mode;
use crate::import::haproxy::Word;
use crate::import::report::{Fate, Report};
use crate::import::write::{name_of, quoted};

/// Switches of a backend, as HAProxy and as vipkeeper call them; and whether they are about requests.
const SWITCHES: [(&str, &str, bool); 6] = [
    ("abortonclose", "abortonclose", false),
    ("allbackups", "allbackups", false),
    ("http-server-close", "http_server_close", true),
    ("log-health-checks", "log_health_checks", false),
    ("prefer-last-server", "prefer_last_server", true),
    ("srvtcpka", "srvtcpka", false),
];

/// Timeouts of a backend, as HAProxy and as vipkeeper call them.
const TIMEOUTS: [(&str, &str); 7] = [
    ("connect", "connect"),
    ("server", "server"),
    ("server-fin", "server_fin"),
    ("queue", "queue"),
    ("tunnel", "tunnel"),
    ("http-request", "http_request"),
    ("http-keep-alive", "http_keep_alive"),
];

/// A `server` line.
struct Server {
    name: String,
    address: String,
    settings: Settings,
}

/// What the rows of all servers depend on.
struct Row {
    /// There is a `check`.
    some_checked: bool,
    /// There is a `cookie`.
    typed_cookie: bool,
    /// What the check says, and the words for it.
    pace: std::collections::BTreeMap<&'static str, (String, String)>,
}

/// A backend that is being written.
struct Writing<'p> {
    part: &'p Part<'p>,
    mode: Mode,
    keys: Vec<(&'static str, String)>,
    timeouts: Vec<(&'static str, String)>,
    check_timeout: Option<String>,
    raw: Vec<String>,
    /// Keys of `hash`, where something is hashed.
    hash: Option<Vec<(&'static str, String)>>,
}

/// `default-server` lines of one backend, whose words come to every server.
const DEFAULT_SERVERS_MAX: usize = 4;

/// The servers of a part, if vipkeeper can say where all of them are.
pub(super) fn addresses(part: &Part<'_>) -> Option<Vec<(String, String)>> {
    let servers = part.lines.iter().filter(|given| given.line.keyword() == "server");
    let defaults = part.lines.iter().filter(|given| given.line.keyword() == "default-server").count();
    if defaults > DEFAULT_SERVERS_MAX {
        return None;
    }
    let read = |given: &Given<'_>| {
        let words = given.line.plain()?;
        Some((name_of(words.get(1)?, "server"), address(words.get(2)?)?))
    };
    let all: Vec<(String, String)> = servers.map(read).collect::<Option<_>>()?;
    let twice = all.iter().enumerate().any(|(n, (name, _))| all.iter().take(n).any(|(other, _)| other == name));
    (!all.is_empty() && !twice).then_some(all)
}

/// Writes a backend whose servers are known; `mode` is its own, or that of its defaults.
pub(super) fn write(part: &Part<'_>, mode: Option<&str>, known: Known<'_>, out: &mut Vec<String>, report: &mut Report) {
    let mut writing = Writing {
        part,
        mode: if mode == Some("tcp") { Mode::Tcp } else { Mode::Http },
        keys: Vec::new(),
        timeouts: Vec::new(),
        check_timeout: None,
        raw: Vec::new(),
        hash: None,
    };
    let words: Vec<Vec<&str>> = part.lines.iter().filter_map(|given| given.line.plain()).collect();
    writing.hash = balance::hash(&words, writing.mode);
    let (mut defaults, mut servers) = (Settings::default(), Vec::new());
    let checks: Vec<&Given<'_>> =
        part.lines.iter().filter(|given| given.line.plain().is_some_and(|words| is_check(&words))).collect();
    let check_lines: Vec<_> = checks.iter().map(|given| given.line).collect();
    let kind = check::read(&check_lines, writing.mode);
    for given in &part.lines {
        let words = given.line.plain();
        match words.as_deref() {
            Some(["server", name, place, ..]) => {
                let own = server::read(given.line.words.get(3..).unwrap_or_default(), known);
                let settings = with_defaults(&defaults, own);
                servers.push((
                    given,
                    Server { name: name_of(name, "server"), address: address(place).unwrap_or_default(), settings },
                ));
            }
            Some(["default-server", ..]) => {
                let more = server::read(given.line.words.get(1..).unwrap_or_default(), known);
                defaults = with_defaults(&defaults, more);
                part.tell(given, report, Fate::Mapped, "backend.server and backend.check: said at each server");
            }
            Some(words) if is_check(words) => {}
            Some(words) => writing.line(given, words, report),
            None => writing.keep(given, report),
        }
    }
    let checked = servers.iter().any(|(_, server)| server.settings.checked == Some(true));
    for given in &checks {
        match (&kind, checked) {
            (Some(_), true) => part.tell(given, report, Fate::Mapped, "backend.check"),
            (_, false) if given.inherited => {}
            (_, _) => writing.keep(given, report),
        }
    }
    let kind = kind.unwrap_or_else(|| vec![("tcp", "true".to_owned())]);
    writing.finish(mode, checked.then_some(kind), &servers, out, report);
}

/// What a server says, or else the lines before it that said it for all.
fn with_defaults(defaults: &Settings, own: Settings) -> Settings {
    let mut keys = own.keys;
    keys.extend(
        defaults.keys.iter().filter(|(key, _)| !keys.iter().any(|(own, _)| own == key)).cloned().collect::<Vec<_>>(),
    );
    let mut pace = defaults.pace.clone();
    pace.extend(own.pace);
    Settings {
        keys,
        pace,
        checked: own.checked.or(defaults.checked),
        cookie: own.cookie,
        rest: defaults.rest.iter().cloned().chain(own.rest).collect(),
    }
}

impl Writing<'_> {
    fn is_http(&self) -> bool {
        self.mode == Mode::Http
    }

    /// Keeps a line as HAProxy reads it.
    fn keep(&mut self, given: &Given<'_>, report: &mut Report) {
        self.raw.push(given.line.text.clone());
        self.part.tell(given, report, Fate::Raw, "backend.raw");
    }

    fn set(&mut self, key: &'static str, value: String) {
        self.keys.retain(|(known, _)| *known != key);
        self.keys.push((key, value));
    }

    /// A line that is neither about servers nor about their checks.
    fn line(&mut self, given: &Given<'_>, words: &[&str], report: &mut Report) {
        let said = match words {
            ["mode", _] => return self.part.tell(given, report, Fate::Mapped, "backend.mode"),
            ["balance", rest @ ..] => balance::balance(rest, self.mode).map(|text| ("balance", quoted(&text))),
            ["hash-type" | "hash-balance-factor", ..] => return self.hash(given, words, report),
            ["retries", n] => number(n, 0, 100).map(|n| ("retries", n)),
            ["fullconn", n] => number(n, 1, COUNT_MAX).map(|n| ("fullconn", n)),
            ["http-reuse", how @ ("never" | "safe" | "aggressive" | "always")] if self.is_http() => {
                Some(("http_reuse", quoted(how)))
            }
            ["option", "redispatch"] => Some(("redispatch", "true".to_owned())),
            ["no", "option", "redispatch"] => Some(("redispatch", "false".to_owned())),
            ["option", option] if self.switch(option).is_some() => {
                self.switch(option).map(|key| (key, "true".to_owned()))
            }
            ["option", "forwardfor", rest @ ..] if self.is_http() => {
                forwardfor(rest).map(|keys| ("forwardfor", table(&keys)))
            }
            ["timeout", what, value] => return self.timeout(given, what, value, report),
            ["cookie", ..] => return self.cookie(given, words, report),
            ["log", "global"] | ["option", "httplog" | "tcplog" | "dontlognull" | "http-keep-alive"]
                if self.part.logs || given.inherited =>
            {
                return self.part.tell(given, report, Fate::Mapped, "it is so by default, with proxy.log");
            }
            _ => None,
        };
        match said {
            Some((key, value)) => {
                self.set(key, value);
                self.part.tell(given, report, Fate::Mapped, &format!("backend.{key}"));
            }
            // What a defaults section says of requests is nothing to backends that see none.
            None if given.inherited && !self.is_http() => {}
            None if given.inherited && given.line.keyword() == "maxconn" => {}
            None => self.keep(given, report),
        }
    }

    fn switch(&self, option: &str) -> Option<&'static str> {
        SWITCHES.iter().find(|(word, _, http)| *word == option && (!http || self.is_http())).map(|(_, key, _)| *key)
    }

    fn timeout(&mut self, given: &Given<'_>, what: &str, value: &str, report: &mut Report) {
        let known = TIMEOUTS.iter().find(|(word, _)| *word == what).and_then(|(_, key)| Some((*key, timeout(value)?)));
        match known {
            Some((key, value)) => {
                self.timeouts.retain(|(known, _)| *known != key);
                self.timeouts.push((key, value));
                self.part.tell(given, report, Fate::Mapped, &format!("backend.timeouts.{key}"));
            }
            None if what == "check" && milliseconds(value, "ms").is_some_and(|ms| (10..=3_600_000).contains(&ms)) => {
                self.check_timeout = timeout(value);
                self.part.tell(given, report, Fate::Mapped, "backend.check.timeout");
            }
            None if matches!(what, "client" | "client-fin") => {
                self.part.tell(given, report, Fate::Dropped, "it means nothing in a backend");
            }
            None => self.keep(given, report),
        }
    }

    /// `hash-type` and `hash-balance-factor`, where something is hashed.
    fn hash(&mut self, given: &Given<'_>, words: &[&str], report: &mut Report) {
        match self.hash.clone() {
            Some(keys) => {
                self.set("hash", table(&keys));
                self.part.tell(given, report, Fate::Mapped, &format!("backend.hash ({})", words.join(" ")));
            }
            None => self.keep(given, report),
        }
    }

    /// A cookie that each server has a value of, so that vipkeeper's key says the same.
    fn cookie(&mut self, given: &Given<'_>, words: &[&str], report: &mut Report) {
        let servers = self.part.lines.iter().filter(|given| given.line.keyword() == "server");
        let has = |given: &Given<'_>| given.line.words.iter().any(|word: &Word| word.text == "cookie");
        let all = servers.clone().all(has);
        match self.is_http().then(|| cookie(words)).flatten().filter(|_| all) {
            Some(keys) => {
                self.set("cookie", table(&keys));
                self.part.tell(given, report, Fate::Mapped, "backend.cookie");
            }
            None => self.keep(given, report),
        }
    }

    fn finish(
        mut self,
        mode: Option<&str>,
        kind: Option<check::Keys>,
        servers: &[(&Given<'_>, Server)],
        out: &mut Vec<String>,
        report: &mut Report,
    ) {
        out.push(format!("\n[[backend]]\nname = {}", quoted(&self.part.name)));
        out.extend(mode.map(|mode| format!("mode = {}", quoted(mode))));
        let checked = servers.iter().find(|(_, server)| server.settings.checked == Some(true));
        let pace = checked.map(|(_, server)| server.settings.pace.clone()).unwrap_or_default();
        if let Some(mut keys) = kind {
            keys.extend(pace.iter().map(|(key, (value, _))| (*key, value.clone())));
            keys.extend(self.check_timeout.take().map(|timeout| ("timeout", timeout)));
            self.set("check", table(&keys));
        }
        if !self.timeouts.is_empty() {
            self.keys.push(("timeouts", table(&self.timeouts)));
        }
        out.extend(self.keys.iter().map(|(key, value)| format!("{key} = {value}")));
        let typed_cookie = self.keys.iter().any(|(key, _)| *key == "cookie");
        let around = Row { some_checked: checked.is_some(), typed_cookie, pace };
        let mut rows = Vec::new();
        for (given, server) in servers {
            let (row, odd) = server.row(&around);
            rows.push(format!("  {row},"));
            match odd {
                false => self.part.tell(given, report, Fate::Mapped, "backend.server"),
                true => {
                    self.part.tell(given, report, Fate::Mapped, "backend.server, with `options` as HAProxy reads them")
                }
            }
        }
        out.push(format!("server = [\n{}\n]", rows.join("\n")));
        lines("raw", self.raw.into_iter(), out);
    }
}

impl Server {
    /// Its inline table, and whether some of it is left to HAProxy.
    fn row(&self, around: &Row) -> (String, bool) {
        let Row { some_checked, typed_cookie, pace } = around;
        let Settings { keys, pace: own, checked, cookie, rest } = &self.settings;
        let mut all = vec![("name", quoted(&self.name)), ("address", quoted(&self.address))];
        let mut options = rest.clone();
        if *checked != Some(true) && *some_checked {
            all.push(("check", "false".to_owned()));
        }
        match cookie {
            Some(cookie) if *typed_cookie => all.push(("cookie", quoted(cookie))),
            Some(cookie) => options.extend(["cookie".to_owned(), cookie.clone()]),
            None => {}
        }
        all.extend(keys.iter().cloned());
        if *checked == Some(true) {
            options
                .extend(own.iter().filter(|(key, said)| pace.get(*key) != Some(said)).map(|(_, (_, raw))| raw.clone()));
            let usual = pace.keys().filter(|key| !own.contains_key(*key));
            options.extend(usual.filter_map(|key| usual_pace(key)).map(str::to_owned));
        }
        let odd = !options.is_empty();
        if odd {
            all.push(("options", quoted(&options.join(" "))));
        }
        (table(&all), odd)
    }
}

/// What HAProxy does where a server says nothing.
fn usual_pace(key: &str) -> Option<&'static str> {
    match key {
        "interval" => Some("inter 2s"),
        "rise" => Some("rise 2"),
        "fall" => Some("fall 3"),
        _ => None,
    }
}

/// `except` and the like of `option forwardfor`.
fn forwardfor(words: &[&str]) -> Option<Vec<(&'static str, String)>> {
    let mut keys = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "except" => keys.push(("except", quoted(&super::values::network(words.next()?)?))),
            "header" => keys.push(("header", quoted(words.next().filter(|name| is_token(name))?))),
            "if-none" => keys.push(("if_none", "true".to_owned())),
            _ => return None,
        }
    }
    Some(keys)
}

/// A `cookie` line that HAProxy makes itself.
fn cookie(words: &[&str]) -> Option<Vec<(&'static str, String)>> {
    let ["cookie", name, rest @ ..] = words else { return None };
    let mode = rest.iter().find(|word| ["insert", "prefix", "rewrite"].contains(*word))?;
    let insert = *mode == "insert";
    let mut keys = vec![("name", quoted(Some(*name).filter(|name| is_token(name))?))];
    if !insert {
        keys.push(("mode", quoted(mode)));
    }
    let has = |word: &str| rest.contains(&word);
    if insert && !has("indirect") {
        keys.push(("indirect", "false".to_owned()));
    }
    if !has("nocache") {
        keys.push(("nocache", "false".to_owned()));
    }
    let mut words = rest.iter();
    while let Some(word) = words.next() {
        match *word {
            "insert" | "prefix" | "rewrite" | "nocache" => {}
            "indirect" if insert => {}
            "preserve" => keys.push(("preserve", "true".to_owned())),
            "httponly" => keys.push(("httponly", "true".to_owned())),
            "secure" => keys.push(("secure", "true".to_owned())),
            "maxidle" if insert => keys.push(("maxidle", time(words.next()?, "s", 1_000, DAYS_24)?)),
            "maxlife" if insert => keys.push(("maxlife", time(words.next()?, "s", 1_000, DAYS_24)?)),
            "domain" if !keys.iter().any(|(key, _)| *key == "domain") => {
                keys.push(("domain", quoted(words.next().filter(|name| super::values::is_host(name))?)));
            }
            "attr" => match words.next()?.to_ascii_lowercase().as_str() {
                "samesite=strict" => keys.push(("same_site", quoted("strict"))),
                "samesite=lax" => keys.push(("same_site", quoted("lax"))),
                "samesite=none" if has("secure") => keys.push(("same_site", quoted("none"))),
                _ => return None,
            },
            _ => return None,
        }
    }
    let twice = keys.iter().enumerate().any(|(n, (key, _))| keys.iter().take(n).any(|(other, _)| other == key));
    (!twice).then_some(keys)
}
