//! Health checks: what is asked of servers, and what must come back.

use std::ops::RangeInclusive;

use super::values::{is_host, is_token, table};
use crate::config::Mode;
use crate::import::haproxy::Line;
use crate::import::write::{list, quoted};

/// Keys of a `check` without its pace; none: only HAProxy's own lines say it.
pub(super) type Keys = Vec<(&'static str, String)>;

/// Steps of a script.
const STEPS_MAX: usize = 32;

/// Whether a line says how servers are checked.
pub(super) fn is_check(words: &[&str]) -> bool {
    match words {
        ["option", option, ..] => {
            option.ends_with("-check") || matches!(*option, "httpchk" | "smtpchk" | "ssl-hello-chk")
        }
        // What comes of a check is for HAProxy alone, and stands by itself.
        ["http-check", "disable-on-404" | "send-state", ..] => false,
        ["http-check" | "tcp-check", ..] => true,
        _ => false,
    }
}

/// Reads all lines of a backend that [`is_check`] knows, in their order.
pub(super) fn read(lines: &[&Line], mode: Mode) -> Option<Keys> {
    let lines: Vec<Vec<&str>> = lines.iter().map(|line| line.plain()).collect::<Option<_>>()?;
    let words: Vec<&[&str]> = lines.iter().map(Vec::as_slice).collect();
    match words.as_slice() {
        [] => Some(vec![("tcp", "true".to_owned())]),
        [["option", "httpchk", request @ ..], rest @ ..] => of_http(request, rest),
        [["option", "tcp-check"]] => Some(vec![("tcp", "true".to_owned())]),
        [["option", "tcp-check"], steps @ ..] => script(steps),
        [["option", "ssl-hello-chk"]] => Some(vec![("ssl_hello", "true".to_owned())]),
        _ if mode == Mode::Http => None,
        [["option", "mysql-check", "user", user] | ["option", "mysql-check", "user", user, "post-41"]] => {
            is_user(user).then(|| vec![("mysql", quoted(user))])
        }
        [["option", "pgsql-check", "user", user]] => is_user(user).then(|| vec![("pgsql", quoted(user))]),
        [["option", "redis-check"]] => Some(vec![("redis", quoted("any"))]),
        [["option", "ldap-check"]] => Some(vec![("ldap", "true".to_owned())]),
        [["option", "smtpchk", "EHLO", host]] => is_host(host).then(|| vec![("smtp", quoted(host))]),
        _ => None,
    }
}

fn is_user(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || b"_-.@".contains(&b);
    !text.is_empty() && text.len() <= 64 && text.bytes().all(good)
}

/// A request, as far as it is known.
struct Request {
    method: String,
    path: String,
    version: Option<String>,
    headers: Vec<(String, String)>,
    expect: Vec<(&'static str, String)>,
}

fn of_http(request: &[&str], rest: &[&[&str]]) -> Option<Keys> {
    let (method, path, version) = match request {
        [] => ("OPTIONS", "/", ""),
        [path] => ("OPTIONS", *path, ""),
        [method, path] => (*method, *path, ""),
        [method, path, version] => (*method, *path, *version),
        _ => return None,
    };
    // Headers used to be written behind the version, with line ends between.
    let mut parts = version.split("\r\n");
    let version = parts.next().filter(|version| !version.is_empty()).map(str::to_owned);
    let mut headers = Vec::new();
    for header in parts.filter(|header| !header.is_empty()) {
        let (name, value) = header.split_once(':')?;
        headers.push((name.to_owned(), value.trim().to_owned()));
    }
    let mut made = Request { method: method.to_owned(), path: path.to_owned(), version, headers, expect: Vec::new() };
    for line in rest {
        made.add(line)?;
    }
    made.keys()
}

impl Request {
    fn add(&mut self, line: &[&str]) -> Option<()> {
        match line {
            ["http-check", "send", words @ ..] => self.send(words),
            ["http-check", "expect", "status", codes] => {
                let codes: Vec<String> = codes.split(',').map(str::to_owned).collect();
                codes.iter().all(|code| is_status(code)).then_some(())?;
                self.expect("status", list(&codes))
            }
            ["http-check", "expect", "string", text] if is_text(text) => self.expect("body", quoted(text)),
            ["http-check", "expect", "rstring", text] if is_text(text) => self.expect("body_regex", quoted(text)),
            _ => None,
        }
    }

    fn send(&mut self, words: &[&str]) -> Option<()> {
        let mut words = words.iter();
        while let Some(word) = words.next() {
            let value = *words.next()?;
            match *word {
                "meth" => value.clone_into(&mut self.method),
                "uri" => value.clone_into(&mut self.path),
                "ver" => self.version = Some(value.to_owned()),
                "hdr" => self.headers.push((value.to_owned(), (*words.next()?).to_owned())),
                _ => return None,
            }
        }
        Some(())
    }

    /// One answer is judged by one line here, so two of them are HAProxy's own matter.
    fn expect(&mut self, key: &'static str, value: String) -> Option<()> {
        self.expect.is_empty().then(|| self.expect.push((key, value)))
    }

    fn keys(self) -> Option<Keys> {
        let clean =
            |text: &str| text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '#' | '$'));
        let method = !self.method.is_empty() && self.method.bytes().all(|b| b.is_ascii_uppercase());
        // HAProxy puts values in at a percent sign.
        let plain = |value: &str| !value.contains('%') && !value.chars().any(char::is_control);
        if !method || !(self.path.starts_with('/') || self.path == "*") || !clean(&self.path) {
            return None;
        }
        let mut keys = vec![("http", quoted(&format!("{} {}", self.method, self.path)))];
        let (mut host, mut others) = (None, Vec::new());
        for (name, value) in &self.headers {
            if name.eq_ignore_ascii_case("host") && clean(value) && plain(value) && !value.is_empty() {
                host = Some(quoted(value));
            } else if is_token(name) && plain(value) && !value.is_empty() && !name.eq_ignore_ascii_case("host") {
                others.push(format!("{} = {}", quoted(name), quoted(value)));
            } else {
                return None;
            }
        }
        let has_host = host.is_some();
        keys.extend(host.map(|host| ("host", host)));
        match self.version.as_deref() {
            None | Some("HTTP/1.0") => {}
            Some("HTTP/1.1") if has_host => keys.push(("version", quoted("1.1"))),
            Some(_) => return None,
        }
        if !others.is_empty() {
            keys.push(("headers", format!("{{ {} }}", others.join(", "))));
        }
        let mut expect = self.expect;
        if expect.iter().any(|(key, _)| key.starts_with("body")) {
            // HAProxy looks at the body alone then, whatever the status.
            expect.insert(0, ("status", list(&["100-599".to_owned()])));
        }
        if !expect.is_empty() {
            keys.push(("expect", table(&expect)));
        }
        Some(keys)
    }
}

/// A status, or a range of them.
fn is_status(text: &str) -> bool {
    const CODES: RangeInclusive<u16> = 100..=599;
    let code = |text: &str| text.parse::<u16>().ok().filter(|code| CODES.contains(code));
    let (from, to) = text.split_once('-').unwrap_or((text, text));
    matches!((code(from), code(to)), (Some(from), Some(to)) if from <= to)
}

fn is_text(text: &str) -> bool {
    !text.is_empty() && !text.contains('\0') && text.len() < 400
}

fn script(steps: &[&[&str]]) -> Option<Keys> {
    let step = |words: &&[&str]| {
        let (key, text) = match words {
            ["tcp-check", "send", text] => ("send", text),
            ["tcp-check", "send-binary", text] => ("send_hex", text),
            ["tcp-check", "expect", "string", text] => ("expect", text),
            ["tcp-check", "expect", "rstring", text] => ("expect_regex", text),
            ["tcp-check", "expect", "binary", text] => ("expect_hex", text),
            _ => return None,
        };
        let hex = !key.ends_with("hex") || (text.len() % 2 == 0 && text.bytes().all(|b| b.is_ascii_hexdigit()));
        (is_text(text) && hex).then(|| format!("{{ {key} = {} }}", quoted(text)))
    };
    let written: Vec<String> = steps.iter().map(step).collect::<Option<_>>()?;
    (written.len() <= STEPS_MAX).then(|| vec![("script", format!("[{}]", written.join(", ")))])
}
