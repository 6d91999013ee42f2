//! Words of `server` and `default-server` lines: keys of servers, keys of the check, and what HAProxy must read itself.

use std::collections::BTreeMap;

use super::values::{COUNT_MAX, DAYS_24, HOUR, is_host, is_token, number, table, time};
use crate::import::haproxy::Word;
use crate::import::write::quoted;

/// What the words of a line say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Settings {
    /// Keys of a server with finished values.
    pub(super) keys: Vec<(&'static str, String)>,
    /// Keys of the backend's `check`, and the words that say the same at a server.
    pub(super) pace: BTreeMap<&'static str, (String, String)>,
    /// `check` or `no-check`, whichever comes last.
    pub(super) checked: Option<bool>,
    /// The value of the backend's cookie.
    pub(super) cookie: Option<String>,
    /// What is passed on as it was written.
    pub(super) rest: Vec<String>,
}

/// Words about TLS, until all of them are known.
#[derive(Default)]
struct Tls {
    on: bool,
    of_check: bool,
    verify: Option<String>,
    ca: Option<String>,
    keys: Vec<(&'static str, String)>,
    sni: Option<String>,
    check_sni: Option<String>,
    /// All of its words, as they were written.
    raw: Vec<String>,
    /// One of them is nothing that vipkeeper could say.
    odd: bool,
}

/// What can be said of servers here.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    /// `[[resolvers]]` that there are.
    pub(super) resolvers: &'a [String],
    /// Certificates are not verified where nothing else is said.
    pub(super) verify_none: bool,
}

/// Reads the words after the address, or after `default-server`.
pub(super) fn read(words: &[Word], known: Known<'_>) -> Settings {
    let mut settings = Settings::default();
    let mut tls = Tls::default();
    let mut rest = words.iter();
    while let Some(word) = rest.next() {
        let arity = arity(&word.text);
        let arguments: Vec<&Word> = rest.by_ref().take(arity).collect();
        let raw = || std::iter::once(word).chain(arguments.iter().copied()).map(|word| word.raw.clone());
        let variable = word.variable || arguments.iter().any(|word| word.variable) || arguments.len() < arity;
        let value = arguments.first().map_or("", |word| word.text.as_str());
        let said = !variable
            && (tls.take(&word.text, value, &raw().collect::<Vec<_>>())
                || settings.take(&word.text, value, known)
                || settings.take_pace(&word.text, value));
        if !said {
            settings.rest.extend(raw());
        }
    }
    settings.finish(tls, known);
    settings
}

/// How many words follow one; those that are not known here are followed by none, and pass through either way.
fn arity(word: &str) -> usize {
    const WITH_VALUE: [&str; 37] = [
        "weight",
        "maxconn",
        "minconn",
        "maxqueue",
        "slowstart",
        "cookie",
        "port",
        "addr",
        "init-addr",
        "resolvers",
        "resolve-prefer",
        "inter",
        "fastinter",
        "downinter",
        "rise",
        "fall",
        "on-marked-down",
        "on-marked-up",
        "observe",
        "on-error",
        "error-limit",
        "verify",
        "ca-file",
        "crl-file",
        "crt",
        "alpn",
        "ssl-min-ver",
        "ssl-max-ver",
        "verifyhost",
        "sni",
        "check-sni",
        "check-alpn",
        "ciphers",
        "ciphersuites",
        "track",
        "id",
        "source",
    ];
    usize::from(WITH_VALUE.contains(&word))
}

impl Settings {
    /// Keys of servers; false: it is none of them, or its value is out of range.
    fn take(&mut self, word: &str, value: &str, known: Known<'_>) -> bool {
        let proxy = |version: &str| Some(("send_proxy", quoted(version)));
        let found = match word {
            "check" | "no-check" => {
                self.checked = Some(word == "check");
                return true;
            }
            "cookie" if is_token(value) => {
                self.cookie = Some(value.to_owned());
                return true;
            }
            "enabled" => return true,
            "backup" => Some(("backup", "true".to_owned())),
            "disabled" => Some(("disabled", "true".to_owned())),
            "weight" => number(value, 0, 256).map(|n| ("weight", n)),
            "maxconn" => number(value, 1, COUNT_MAX).map(|n| ("maxconn", n)),
            "minconn" => number(value, 1, COUNT_MAX).map(|n| ("minconn", n)),
            "maxqueue" => number(value, 1, COUNT_MAX).map(|n| ("maxqueue", n)),
            "slowstart" => time(value, "ms", 1, HOUR).map(|time| ("slowstart", time)),
            "port" => number(value, 1, 65_535).map(|n| ("check_port", n)),
            "addr" => is_host(value).then(|| ("check_addr", quoted(value))),
            "send-proxy" => proxy("v1"),
            "send-proxy-v2" => proxy("v2"),
            "send-proxy-v2-ssl" => proxy("v2-ssl"),
            "send-proxy-v2-ssl-cn" => proxy("v2-ssl-cn"),
            "init-addr" => {
                let methods: Vec<String> = value.split(',').map(str::to_owned).collect();
                let good = methods.iter().all(|method| ["last", "libc", "none"].contains(&method.as_str()));
                good.then(|| ("init_addr", crate::import::write::list(&methods)))
            }
            "resolvers" => known.resolvers.iter().any(|name| name == value).then(|| ("resolvers", quoted(value))),
            "resolve-prefer" => ["ipv4", "ipv6"].contains(&value).then(|| ("resolve_prefer", quoted(value))),
            _ => None,
        };
        if let Some((key, written)) = found {
            self.keys.retain(|(other, _)| *other != key);
            self.keys.push((key, written));
            return true;
        }
        false
    }

    /// How servers are checked, which vipkeeper says once for a backend.
    fn take_pace(&mut self, word: &str, value: &str) -> bool {
        let of_time = |key: &'static str| time(value, "ms", 10, HOUR).map(|time| (key, time));
        let found = match (word, value) {
            ("inter", _) => of_time("interval"),
            ("fastinter", _) => of_time("fastinter"),
            ("downinter", _) => of_time("downinter"),
            ("rise", _) => number(value, 1, 100).map(|n| ("rise", n)),
            ("fall", _) => number(value, 1, 100).map(|n| ("fall", n)),
            ("on-marked-down", "shutdown-sessions") => Some(("on_marked_down", quoted(value))),
            ("on-marked-up", "shutdown-backup-sessions") => Some(("on_marked_up", quoted(value))),
            _ => None,
        };
        let Some((key, written)) = found else { return false };
        self.pace.insert(key, (written, format!("{word} {value}")));
        true
    }

    /// What TLS comes to.
    fn finish(&mut self, tls: Tls, known: Known<'_>) {
        if tls.raw.is_empty() {
            return;
        }
        match tls.finish(known) {
            Some(Spoken::ToServers(keys, raw)) => {
                self.keys.push(("tls", table(&keys)));
                self.rest.extend(raw);
            }
            Some(Spoken::ByChecks(keys, raw)) => drop(self.pace.insert("tls", (table(&keys), raw.join(" ")))),
            None => self.rest.extend(tls.raw),
        }
    }
}

/// Where TLS is spoken, with its keys and the words that stay as they are.
enum Spoken {
    ToServers(Vec<(&'static str, String)>, Vec<String>),
    ByChecks(Vec<(&'static str, String)>, Vec<String>),
}

impl Tls {
    /// Takes a word about TLS.
    fn take(&mut self, word: &str, value: &str, raw: &[String]) -> bool {
        let file = |text: &str| (text.starts_with('/')).then(|| quoted(text));
        match word {
            "ssl" => self.on = true,
            "check-ssl" => self.of_check = true,
            "verify" => self.verify = Some(value.to_owned()),
            "ca-file" if value == "@system-ca" => self.ca = Some(String::new()),
            "ca-file" => match file(value) {
                Some(path) => self.ca = Some(path),
                None => self.odd = true,
            },
            "crt" => match file(value) {
                Some(path) => self.keys.push(("certificate", path)),
                None => self.odd = true,
            },
            "alpn" => self.keys.push(("alpn", list_of(value))),
            "ssl-min-ver" if ["TLSv1.0", "TLSv1.1", "TLSv1.2", "TLSv1.3"].contains(&value) => {
                self.keys.push(("min_version", quoted(value)));
            }
            "verifyhost" if is_host(value) => self.keys.push(("verify_host", quoted(value))),
            "sni" => self.sni = Some(value.to_owned()),
            "check-sni" => self.check_sni = Some(value.to_owned()),
            "ciphers" | "ciphersuites" | "crl-file" | "ssl-max-ver" | "ssl-min-ver" | "verifyhost" => self.odd = true,
            _ => return false,
        }
        self.raw.extend(raw.iter().cloned());
        true
    }

    fn finish(&self, known: Known<'_>) -> Option<Spoken> {
        if self.odd {
            return None;
        }
        let mut keys = Vec::new();
        let none = self.verify.as_deref().map_or(known.verify_none, |verify| verify == "none");
        let has = |key: &str| self.keys.iter().any(|(known, _)| *known == key);
        match &self.ca {
            // The authorities of nobody are asked.
            _ if none => keys.push(("verify", quoted("none"))),
            // HAProxy refuses a server that verifies against nothing.
            None => return None,
            Some(ca) if ca.is_empty() => {}
            Some(ca) => keys.push(("ca", ca.clone())),
        }
        keys.extend(self.keys.iter().filter(|(key, _)| !(none && *key == "verify_host")).cloned());
        if !self.on {
            let alone = self.of_check && self.sni.is_none() && !has("certificate") && !has("min_version");
            let sni = match &self.check_sni {
                Some(name) if is_host(name) => Some(("sni", quoted(name))),
                Some(_) => return None,
                None => None,
            };
            keys.extend(sni);
            return alone.then(|| Spoken::ByChecks(keys, self.raw.clone()));
        }
        // A name that is asked for is asked for by checks too, so it is said only where that was so.
        let name = self.sni.as_deref().and_then(|sni| sni.strip_prefix("str(")?.strip_suffix(')'));
        let mut rest = Vec::new();
        match (&self.sni, name, &self.check_sni) {
            (None, _, None) => {}
            (Some(_), Some(name), Some(check))
                if name == check && is_host(name) && name.contains(char::is_alphabetic) =>
            {
                keys.push(("sni", quoted(name)));
            }
            (Some(sni), None, None) if sni.contains('(') && !sni.contains(char::is_whitespace) => {
                keys.push(("sni", quoted(sni)));
            }
            _ => rest.extend(pairs(&self.raw, &["sni", "check-sni"])),
        }
        Some(Spoken::ToServers(keys, rest))
    }
}

/// Those of the words with these keywords, and what follows each.
fn pairs(raw: &[String], keywords: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    let mut words = raw.iter();
    while let Some(word) = words.next() {
        if keywords.contains(&word.as_str()) {
            found.push(word.clone());
            found.extend(words.next().cloned());
        }
    }
    found
}

/// Protocols, which HAProxy separates by commas.
fn list_of(value: &str) -> String {
    crate::import::write::list(&value.split(',').map(str::to_owned).collect::<Vec<_>>())
}

/// What a timeout of HAProxy may be.
pub(super) fn timeout(value: &str) -> Option<String> {
    time(value, "ms", 1, DAYS_24)
}
