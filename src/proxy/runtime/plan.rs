//! Two texts of HAProxy to the changes between them, or why only a reload makes them.
//!
//! Looks at the texts, not at the model, so that raw lines and templates of users count. What it does not know for
//! certain is a reload. It must never skip a line that differs.

use std::net::SocketAddr;

use super::{CHANGES_MAX, Change, Patch, ServerChange};
use crate::render::{GENERATION_PREFIX, Rendered};

/// The first version that adds and removes servers without `experimental-mode`.
pub const DYNAMIC_SERVERS_SINCE: (u32, u32) = (2, 6);

/// How a worker with one text comes to another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Plan {
    /// It has it already.
    Nothing,
    /// By these changes, at run time.
    Changes(Vec<Change>),
    /// By a reload only; the reason, for people.
    Reload(String),
}

/// What a worker with `old` that is to become equal to `new` must be told, if that is possible without a reload.
pub fn patch(old: &Rendered, new: &Rendered, version: (u32, u32)) -> Option<Patch> {
    let mut changes = match plan(&old.text, &new.text, version) {
        Plan::Changes(changes) => changes,
        Plan::Nothing => Vec::new(),
        Plan::Reload(_) => return None,
    };
    changes.extend(renewed(old, new)?);
    let fits = !changes.is_empty() && changes.len() <= CHANGES_MAX;
    fits.then_some(Patch { to: new.generation, changes })
}

/// Certificates of binds that hold something else; none: another file does, or there are others, and HAProxy reads them
/// when it loads its file only.
fn renewed(old: &Rendered, new: &Rendered) -> Option<Vec<Change>> {
    if !old.reads.keys().eq(new.reads.keys()) {
        return None;
    }
    let certificates = certificates(&new.text);
    let differ = new.reads.iter().filter(|(path, digest)| old.reads.get(*path) != Some(*digest));
    differ
        .map(|(path, digest)| {
            let path = path.to_str().filter(|path| is_word(path))?;
            let directory = path.rsplit_once('/').map(|(directory, _)| directory);
            let named = |named: &&str| *named == path || Some(named.trim_end_matches('/')) == directory;
            let is_certificate = certificates.iter().any(named) && !BESIDE.iter().any(|suffix| path.ends_with(suffix));
            is_certificate.then(|| Change::Certificate { path: path.to_owned(), digest: *digest })
        })
        .collect()
}

/// What lies beside a certificate and is part of it for HAProxy.
const BESIDE: [&str; 5] = [".key", ".ocsp", ".issuer", ".sctl", ".dh"];

/// Files and directories that binds name by `crt`.
fn certificates(text: &str) -> Vec<&str> {
    let binds = text.lines().map(str::trim).filter(|line| line.starts_with("bind "));
    let mut found = Vec::new();
    for line in binds {
        let mut words = line.split_whitespace();
        while let Some(word) = words.next() {
            if word == "crt" {
                found.extend(words.next());
            }
        }
    }
    found
}

/// In a file nothing of this would be quoted, and on the socket nothing must be.
fn is_word(path: &str) -> bool {
    path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-+@".contains(&byte))
}

/// Compares two texts for a worker of that version.
pub fn plan(old: &str, new: &str, version: (u32, u32)) -> Plan {
    match changes(old, new, version) {
        Err(why) => Plan::Reload(why),
        Ok(changes) if changes.is_empty() => Plan::Nothing,
        Ok(changes) if changes.len() > CHANGES_MAX => {
            Plan::Reload(format!("{} changes are more than the {CHANGES_MAX} that are made one by one", changes.len()))
        }
        Ok(changes) => Plan::Changes(changes),
    }
}

fn changes(old: &str, new: &str, version: (u32, u32)) -> Result<Vec<Change>, String> {
    let (old, new) = (sections(old), sections(new));
    if let Some(one) = new.iter().find(|one| !old.iter().any(|other| other.header == one.header)) {
        return Err(format!("`{}` is new", one.header));
    }
    if let Some(one) = old.iter().find(|one| !new.iter().any(|other| other.header == one.header)) {
        return Err(format!("`{}` is gone", one.header));
    }
    if old.len() != new.len() || old.iter().zip(&new).any(|(one, other)| one.header != other.header) {
        return Err("sections change places".to_owned());
    }
    let mut found = Vec::new();
    let mut defaults = Vec::new();
    for (old, new) in old.iter().zip(&new) {
        match new.header.split(' ').collect::<Vec<_>>().as_slice() {
            ["backend", name] => found.extend(of_backend(name, &defaults, old, new, version)?),
            ["frontend", name] => found.extend(of_frontend(name, old, new)?),
            _ => same(&old.lines, &new.lines, &new.header)?,
        }
        if new.header.starts_with("defaults") {
            defaults.extend(new.lines.iter().filter_map(|line| line.strip_prefix("default-server ")));
        }
    }
    let adds = |change: &Change| matches!(change, Change::Server { what: ServerChange::Add { .. }, .. });
    if found.iter().any(adds) && new.iter().filter(|section| section.header.starts_with("defaults")).count() > 1 {
        return Err("a server is new, and which `defaults` it inherits from is left to HAProxy".to_owned());
    }
    Ok(found)
}

/// A section without comments and empty lines.
#[derive(Debug)]
struct Section<'a> {
    header: String,
    lines: Vec<&'a str>,
}

/// What begins a section, however it is indented.
const HEADERS: [&str; 17] = [
    "backend",
    "cache",
    "crt-store",
    "defaults",
    "fcgi-app",
    "frontend",
    "global",
    "http-errors",
    "listen",
    "log-forward",
    "log-profile",
    "mailers",
    "peers",
    "program",
    "resolvers",
    "ring",
    "userlist",
];

fn sections(text: &str) -> Vec<Section<'_>> {
    let mut sections: Vec<Section<'_>> = Vec::new();
    let identity = format!("description \"{GENERATION_PREFIX}");
    for line in text.lines() {
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with('#') || bare.starts_with(&identity) {
            continue;
        }
        let begins = !line.starts_with([' ', '\t']) || HEADERS.contains(&bare.split(' ').next().unwrap_or(""));
        match sections.last_mut() {
            Some(section) if !begins => section.lines.push(bare),
            Some(_) | None => {
                let header = bare.split_whitespace().collect::<Vec<_>>().join(" ");
                sections.push(Section { header, lines: Vec::new() });
            }
        }
    }
    sections
}

fn same(old: &[&str], new: &[&str], of: &str) -> Result<(), String> {
    if old == new {
        return Ok(());
    }
    let odd = new.iter().find(|line| !old.contains(line)).map(|line| format!("has `{}` anew", first_words(line)));
    let odd = odd.or_else(|| {
        old.iter().find(|line| !new.contains(line)).map(|line| format!("has no `{}` any more", first_words(line)))
    });
    Err(format!("`{of}` {}", odd.unwrap_or_else(|| "has its lines in another order".to_owned())))
}

/// Enough to know a line by, and never a password.
fn first_words(line: &str) -> String {
    line.split_whitespace().take(2).collect::<Vec<_>>().join(" ")
}

fn of_frontend(name: &str, old: &Section<'_>, new: &Section<'_>) -> Result<Vec<Change>, String> {
    if old.lines == new.lines {
        return Ok(Vec::new());
    }
    let limit = |line: &&str| line.strip_prefix("maxconn ").and_then(|n| n.trim().parse::<u32>().ok());
    let rest = |section: &Section<'_>| -> Vec<String> {
        let blind = |line: &&str| if limit(line).is_some() { "maxconn" } else { *line }.to_owned();
        section.lines.iter().map(blind).collect()
    };
    let limits = |section: &Section<'_>| -> Vec<u32> { section.lines.iter().filter_map(limit).collect() };
    if let ([_], [maxconn]) = (limits(old).as_slice(), limits(new).as_slice())
        && *maxconn > 0
        && rest(old) == rest(new)
    {
        return Ok(vec![Change::FrontendMaxconn { frontend: name.to_owned(), maxconn: *maxconn }]);
    }
    same(&old.lines, &new.lines, &new.header).map(|()| Vec::new())
}

/// A server with what it inherits.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Server<'a> {
    name: &'a str,
    address: &'a str,
    inherited: Vec<&'a str>,
    own: Vec<&'a str>,
}

fn of_backend(
    name: &str,
    defaults: &[&str],
    old: &Section<'_>,
    new: &Section<'_>,
    version: (u32, u32),
) -> Result<Vec<Change>, String> {
    if old.lines == new.lines {
        return Ok(Vec::new());
    }
    let (before, after) = (servers(defaults, old)?, servers(defaults, new)?);
    same(&beside_servers(old), &beside_servers(new), &new.header)?;
    if !is_dynamic(&new.lines) {
        return Err(format!("backend {name} balances by a fixed table of servers"));
    }
    let has = |list: &[Server<'_>], name: &str| list.iter().any(|one| one.name == name);
    let common = |list: &[Server<'_>], other: &[Server<'_>]| -> Vec<String> {
        list.iter().filter(|one| has(other, one.name)).map(|one| one.name.to_owned()).collect()
    };
    if common(&before, &after) != common(&after, &before) {
        return Err(format!("servers of backend {name} change places"));
    }
    let change = |server: &str, what| Change::Server { backend: name.to_owned(), server: server.to_owned(), what };
    let mut found = Vec::new();
    for server in after.iter().filter(|one| !has(&before, one.name)) {
        found.push(change(server.name, added(name, server, version)?));
    }
    for server in &after {
        let Some(earlier) = before.iter().find(|one| one.name == server.name).filter(|one| *one != server) else {
            continue;
        };
        found.extend(altered(name, earlier, server)?.into_iter().map(|what| change(server.name, what)));
    }
    for server in before.iter().filter(|one| !has(&after, one.name)) {
        if version < DYNAMIC_SERVERS_SINCE {
            return Err(format!("server {name}/{} is gone, and this HAProxy removes none at run time", server.name));
        }
        found.push(change(server.name, ServerChange::Remove));
    }
    Ok(found)
}

fn beside_servers<'a>(section: &Section<'a>) -> Vec<&'a str> {
    section.lines.iter().copied().filter(|line| !line.starts_with("server ")).collect()
}

/// Whether weights and servers can change at run time (`balance` in the configuration manual).
fn is_dynamic(lines: &[&str]) -> bool {
    let balance = lines.iter().rev().find_map(|line| line.strip_prefix("balance ")).unwrap_or("");
    let consistent = lines.iter().any(|line| line.starts_with("hash-type consistent"));
    match balance.split([' ', '(']).next().unwrap_or("") {
        "roundrobin" | "leastconn" | "random" => true,
        "source" | "uri" | "url_param" | "hdr" | "rdp-cookie" | "hash" => consistent,
        _ => false,
    }
}

fn servers<'a>(defaults: &[&'a str], section: &Section<'a>) -> Result<Vec<Server<'a>>, String> {
    let mut inherited: Vec<&'a str> = defaults.iter().flat_map(|line| line.split_whitespace()).collect();
    let mut found: Vec<Server<'a>> = Vec::new();
    for line in &section.lines {
        if let Some(words) = line.strip_prefix("default-server ") {
            inherited.extend(words.split_whitespace());
        } else if let Some(words) = line.strip_prefix("server ") {
            let mut words = words.split_whitespace();
            let (Some(name), Some(address)) = (words.next(), words.next()) else {
                return Err(format!("`{}` names a server without address", section.header));
            };
            if found.iter().any(|one| one.name == name) {
                return Err(format!("`{}` has two servers {name}", section.header));
            }
            found.push(Server { name, address, inherited: inherited.clone(), own: words.collect() });
        }
    }
    Ok(found)
}

/// A keyword of a server with its argument.
type Setting<'a> = (&'a str, Option<&'a str>);

/// The keywords that are certain to have one argument, or none; both are taken by `add server` of 2.6.
const WITH_ARGUMENT: [&str; 28] = [
    "addr",
    "alpn",
    "ca-file",
    "check-alpn",
    "check-sni",
    "crt",
    "downinter",
    "error-limit",
    "fall",
    "fastinter",
    "inter",
    "maxconn",
    "maxqueue",
    "minconn",
    "observe",
    "on-error",
    "on-marked-down",
    "on-marked-up",
    "pool-max-conn",
    "pool-purge-delay",
    "port",
    "proto",
    "rise",
    "slowstart",
    "sni",
    "ssl-min-ver",
    "verify",
    "verifyhost",
];
const ALONE: [&str; 8] =
    ["backup", "check", "check-send-proxy", "check-ssl", "send-proxy", "send-proxy-v2", "send-proxy-v2-ssl", "ssl"];

/// What is in force for a server: the last of equal keywords. None: there is a word that is not known here.
fn settings<'a>(server: &Server<'a>) -> Result<Vec<Setting<'a>>, String> {
    let mut settings: Vec<Setting<'a>> = Vec::new();
    let mut words = server.inherited.iter().chain(&server.own).copied();
    while let Some(word) = words.next() {
        plain(server, word)?;
        let argument = if WITH_ARGUMENT.contains(&word) || matches!(word, "weight" | "init-addr") {
            Some(words.next().ok_or_else(|| format!("server {} has `{word}` without a value", server.name))?)
        } else if ALONE.contains(&word) || matches!(word, "no-check" | "disabled") {
            None
        } else {
            return Err(format!("server {} has `{word}`, which needs a reload", server.name));
        };
        if let Some(argument) = argument {
            plain(server, argument)?;
        }
        let undone = match word {
            "no-check" => "check",
            other => other,
        };
        settings.retain(|(keyword, _)| *keyword != undone);
        // Addresses in numbers need nobody to be asked.
        if !matches!(word, "no-check" | "init-addr") {
            settings.push((word, argument));
        }
    }
    Ok(settings)
}

/// In a file these quote and refer; on the socket they mean something else.
fn plain(server: &Server<'_>, word: &str) -> Result<(), String> {
    if word.contains(['"', '\'', '\\', '$', ';', '#', '<']) {
        return Err(format!("server {} has `{word}`, which only a file can say", server.name));
    }
    Ok(())
}

fn value<'a>(settings: &[Setting<'a>], keyword: &str) -> Option<&'a str> {
    settings.iter().find(|(one, _)| *one == keyword).and_then(|(_, argument)| *argument)
}

fn number(settings: &[Setting<'_>], keyword: &str, missing: u32) -> Result<u32, String> {
    value(settings, keyword).map_or(Ok(missing), |text| text.parse().map_err(|_| format!("`{keyword} {text}`")))
}

fn literal(server: &Server<'_>) -> Result<SocketAddr, String> {
    let address = server.address.parse::<SocketAddr>().ok().filter(|address| address.port() != 0);
    address.ok_or_else(|| format!("server {} has the address {}, which is no IP and port", server.name, server.address))
}

fn added(backend: &str, server: &Server<'_>, version: (u32, u32)) -> Result<ServerChange, String> {
    let failed = |why: String| format!("server {backend}/{} is new: {why}", server.name);
    if version < DYNAMIC_SERVERS_SINCE {
        return Err(failed("this HAProxy adds none at run time".to_owned()));
    }
    let address = literal(server).map_err(failed)?;
    let settings = settings(server).map_err(failed)?;
    let mut words = address.to_string();
    for (keyword, argument) in settings.iter().filter(|(keyword, _)| *keyword != "disabled") {
        words.push(' ');
        words.push_str(keyword);
        if let Some(argument) = argument {
            words.push(' ');
            words.push_str(argument);
        }
    }
    let has = |keyword: &str| settings.iter().any(|(one, _)| *one == keyword);
    let weight = number(&settings, "weight", 1).map_err(failed)?;
    Ok(ServerChange::Add { words, checked: has("check"), disabled: has("disabled"), weight })
}

fn altered(backend: &str, old: &Server<'_>, new: &Server<'_>) -> Result<Vec<ServerChange>, String> {
    let named = |why: String| format!("server {backend}/{}: {why}", new.name);
    let (before, after) = (settings(old).map_err(named)?, settings(new).map_err(named)?);
    let fixed = |settings: &[Setting<'_>]| -> Vec<String> {
        let mut fixed: Vec<String> = settings
            .iter()
            .filter(|(keyword, _)| !matches!(*keyword, "weight" | "maxconn" | "disabled"))
            .map(|(keyword, argument)| format!("{keyword} {}", argument.unwrap_or_default()).trim_end().to_owned())
            .collect();
        fixed.sort();
        fixed
    };
    let (old_fixed, new_fixed) = (fixed(&before), fixed(&after));
    if old_fixed != new_fixed {
        let odd = new_fixed.iter().find(|one| !old_fixed.contains(one));
        let odd = odd.or_else(|| old_fixed.iter().find(|one| !new_fixed.contains(one)));
        return Err(named(format!("`{}` changes", odd.map_or("a setting", String::as_str))));
    }
    let mut found = Vec::new();
    if old.address != new.address {
        literal(old).map_err(named)?;
        found.push(ServerChange::Address(literal(new).map_err(named)?));
    }
    let weight = number(&after, "weight", 1).map_err(named)?;
    if weight != number(&before, "weight", 1).map_err(named)? {
        found.push(ServerChange::Weight(weight));
    }
    let maxconn = number(&after, "maxconn", 0).map_err(named)?;
    if maxconn != number(&before, "maxconn", 0).map_err(named)? {
        if value(&after, "minconn").is_some() {
            return Err(named("`maxconn` beside `minconn` changes".to_owned()));
        }
        found.push(ServerChange::Maxconn(maxconn));
    }
    let disabled = |settings: &[Setting<'_>]| settings.iter().any(|(keyword, _)| *keyword == "disabled");
    match (disabled(&before), disabled(&after)) {
        (false, true) => found.push(ServerChange::Disable),
        (true, false) => found.push(ServerChange::Enable),
        (true, true) | (false, false) => {}
    }
    Ok(found)
}
