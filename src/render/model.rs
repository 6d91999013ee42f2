//! What the template sees: the configuration in HAProxy's words, already quoted and with its durations spelt.
//!
//! The template's header documents these fields; the two must be changed together.

use std::time::Duration;

use serde::Serialize;

use super::backend::BackendModel;
use super::frontend::FrontendModel;
use super::operation::{self, PeersModel, UserlistModel};
use super::resolvers::ResolversModel;
use super::tls::default_tls;
use super::{AuxFile, RenderError, RenderInput, SERVER_STATE_FILE};
use crate::config::{Config, Mode, ProxyConfig, RawLine, Timeouts};

/// Old workers that may finish their connections beside the current one; the oldest is ended at the next reload.
/// HAProxy's own default since 3.3; without a limit they can pile up until memory ends.
const OLD_WORKERS_MAX: u32 = 50;

/// Idle connections of an old worker are closed over this span instead of all at once, which is what makes
/// clients with keep-alive survive a reload. Held below `hard-stop-after`.
const CLOSE_SPREAD: Duration = Duration::from_secs(5);

/// HAProxy keeps times in 32 bits of milliseconds.
const TIME_MS_MAX: u128 = 0x7fff_ffff;

#[derive(Debug, Serialize)]
pub(super) struct Model {
    node: String,
    global: Global,
    defaults: Defaults,
    resolvers: Vec<ResolversModel>,
    peers: Option<PeersModel>,
    userlists: Vec<UserlistModel>,
    stats: Vec<String>,
    frontends: Vec<FrontendModel>,
    backends: Vec<BackendModel>,
    raw_sections: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Global {
    stats_socket: String,
    server_state_file: String,
    hard_stop_after: String,
    close_spread_time: String,
    max_reloads: u32,
    maxconn: Option<u32>,
    nbthread: Option<u32>,
    user: Option<String>,
    group: Option<String>,
    log: Option<String>,
    tls: Vec<String>,
    raw: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Defaults {
    connect: String,
    client: String,
    server: String,
    timeouts: Vec<String>,
    error_pages: Vec<String>,
    raw: Vec<String>,
}

impl Model {
    /// Fails for a value that holds a control character, since it could begin a line of its own.
    pub(super) fn new(input: &RenderInput<'_>, files: &mut Vec<AuxFile>) -> Result<Self, RenderError> {
        let Config {
            nodes: _,
            vips: _,
            groups: _,
            trackers: _,
            peers: _,
            proxy,
            frontends,
            backends,
            resolvers,
            userlists,
            stats,
            hooks: _,
            http: _,
            notifiers: _,
            digest: _,
        } = input.config;
        let stats_socket = input.stats_socket.to_str().ok_or_else(|| {
            RenderError(format!("the stats socket {} is not UTF-8: choose another runtime directory", {
                input.stats_socket.display()
            }))
        })?;
        Ok(Self {
            node: input.node.to_string(),
            global: Global::new(proxy, stats_socket)?,
            defaults: Defaults::new(proxy)?,
            resolvers: resolvers.iter().map(ResolversModel::new).collect(),
            peers: PeersModel::new(input.config),
            userlists: userlists.iter().map(UserlistModel::new).collect::<Result<_, _>>()?,
            stats: match stats {
                Some(stats) => operation::stats_lines(input.config, stats)?,
                None => Vec::new(),
            },
            frontends: frontends
                .iter()
                .map(|f| FrontendModel::new(input.config, f, input.files_dir, files))
                .collect::<Result<_, _>>()?,
            backends: backends.iter().map(BackendModel::new).collect::<Result<_, _>>()?,
            raw_sections: raw(&proxy.raw.sections)?,
        })
    }
}

impl Global {
    fn new(proxy: &ProxyConfig, stats_socket: &str) -> Result<Self, RenderError> {
        let ProxyConfig {
            engine: _,
            binary: _,
            templates: _,
            on_stop: _,
            maxconn,
            nbthread,
            user,
            group,
            timeouts: _,
            hard_stop_after,
            log,
            log_format: _,
            error_pages: _,
            table_peers: _,
            tls_preset,
            raw: raw_sections,
            health: _,
            restart: _,
            origin: _,
        } = proxy;
        let raw = raw(&raw_sections.global)?;
        // A second `description` silently replaces ours, and with it the generation.
        if raw.iter().any(|line| line.split_whitespace().next() == Some("description")) {
            return Err(RenderError(
                "a raw line of the global section sets `description`, which vipkeeper needs for its generation: \
                 remove that line"
                    .to_owned(),
            ));
        }
        Ok(Self {
            stats_socket: word(one_line("the stats socket", stats_socket)?),
            server_state_file: word(&beside(stats_socket, SERVER_STATE_FILE)),
            hard_stop_after: time(*hard_stop_after),
            close_spread_time: time(CLOSE_SPREAD.min(*hard_stop_after / 2)),
            max_reloads: OLD_WORKERS_MAX,
            maxconn: *maxconn,
            nbthread: *nbthread,
            user: user.as_ref().map(ToString::to_string),
            group: group.as_ref().map(ToString::to_string),
            log: passed_through("proxy.log", log.as_deref())?,
            tls: tls_preset.map_or_else(Vec::new, default_tls),
            raw,
        })
    }
}

impl Defaults {
    fn new(proxy: &ProxyConfig) -> Result<Self, RenderError> {
        let Timeouts { connect, client, server, http_request: _, more: _ } = proxy.timeouts;
        Ok(Self {
            connect: time(connect),
            client: time(client),
            server: time(server),
            timeouts: operation::timeouts(&proxy.timeouts),
            error_pages: operation::error_pages(&proxy.error_pages)?,
            raw: raw(&proxy.raw.defaults)?,
        })
    }
}

/// The path of another file in the same directory.
fn beside(path: &str, name: &str) -> String {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    format!("{directory}/{name}")
}

pub(super) fn mode_word(mode: Mode) -> &'static str {
    match mode {
        Mode::Http => "http",
        Mode::Tcp => "tcp",
    }
}

/// A duration in HAProxy's syntax, rounded up to a millisecond and held within what HAProxy can keep.
pub(super) fn time(duration: Duration) -> String {
    let ms = duration.as_nanos().div_ceil(1_000_000).min(TIME_MS_MAX);
    if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
}

/// One argument of a HAProxy line, in single quotes where it would not be taken literally.
pub(super) fn word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/@!?&()[]*+,;=%".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    // Nothing is special within single quotes; a single quote itself is written outside of them.
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// The same for a text that may hold line ends and other control characters: those are written as escapes.
pub(super) fn escaped_word(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return word(text);
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '\r' => quoted.push_str("\\r"),
            '\n' => quoted.push_str("\\n"),
            '\t' => quoted.push_str("\\t"),
            '"' | '\\' | '$' => quoted.extend(['\\', c]),
            c if c.is_control() => c.to_string().bytes().for_each(|b| quoted.push_str(&format!("\\x{b:02x}"))),
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

pub(super) fn passed_through(what: &str, text: Option<&str>) -> Result<Option<String>, RenderError> {
    text.map(|text| one_line(what, text).map(str::to_owned)).transpose()
}

pub(super) fn raw(lines: &[RawLine]) -> Result<Vec<String>, RenderError> {
    lines.iter().map(|line| one_line("a raw line", &line.text).map(str::to_owned)).collect()
}

/// Refuses line breaks and other control characters, with which a value could begin a line of its own.
pub(super) fn one_line<'a>(what: &str, text: &'a str) -> Result<&'a str, RenderError> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err(RenderError(format!("{what} holds a control character: {text:?}; keep it on one line")));
    }
    Ok(text)
}
