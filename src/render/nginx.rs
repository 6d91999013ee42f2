//! What the template of nginx.conf sees: the configuration in nginx's words, already quoted.
//!
//! The template's header documents these fields; the two must be changed together. What nginx has no words for was
//! refused by `config::check`, and must not be looked at here.

mod origins;
mod routes;
mod rules;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use serde::Serialize;

use super::model::{one_line, passed_through, raw};
use super::{GENERATION_PREFIX, RenderError, RenderInput};
use crate::config::{Backend, Balance, Bind, BindTarget, Config, Frontend, Mode, ProxyConfig, Server};
use crate::units::Digest;
use rules::FrontendRules;

pub(super) use origins::trace;

/// Name of the template, in messages and in a user's directory.
pub const TEMPLATE_NAME: &str = "nginx.conf.tera";

/// The template that is used where the user has none.
pub const TEMPLATE: &str = include_str!("../../templates/nginx.conf.tera");

/// Clients at a time where `maxconn` says nothing; nginx's own 512 connections are few for a balancer.
const MAXCONN: u32 = 10_000;

/// Connections of a worker beside those of clients and to servers: vipkeeper's questions, and listening sockets.
const CONNECTIONS_ASIDE: u32 = 64;

/// Descriptors beside connections: files, logs, sockets of other modules.
const FILES_ASIDE: u32 = 1024;

/// Shared memory for a backend without servers, and for each server; nginx refuses to start when it is too small.
const ZONE_KIB: usize = 64;
const ZONE_KIB_PER_SERVER: usize = 2;

/// nginx keeps times in 31 bits of milliseconds.
const TIME_MS_MAX: u128 = 0x7fff_ffff;

#[derive(Debug, Serialize)]
pub(super) struct Model {
    node: String,
    main: Main,
    http: Http,
    stream: Option<Stream>,
    raw_sections: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Main {
    stats_socket: String,
    worker_processes: String,
    worker_connections: u32,
    worker_rlimit_nofile: u32,
    worker_shutdown_timeout: String,
    user: Option<String>,
    raw: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Http {
    connect: String,
    client: String,
    server: String,
    request: String,
    keep_alive: String,
    backends: Vec<BackendModel>,
    frontends: Vec<FrontendModel>,
    /// Wildcard addresses bound in place of VIPs, on which nobody else is served.
    closed: Vec<String>,
    /// What holds for all frontends.
    settings: Vec<String>,
    raw: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Stream {
    connect: String,
    timeout: String,
    backends: Vec<BackendModel>,
    frontends: Vec<FrontendModel>,
    closed: Vec<String>,
    settings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct FrontendModel {
    name: String,
    listens: Vec<String>,
    #[serde(flatten)]
    rules: FrontendRules,
    raw: Vec<String>,
}

#[derive(Debug, Serialize)]
struct BackendModel {
    name: String,
    zone: String,
    balance: Option<&'static str>,
    servers: Vec<ServerModel>,
    raw: Vec<String>,
}

#[derive(Debug, Serialize)]
struct ServerModel {
    name: String,
    address: String,
    parameters: Vec<String>,
}

impl Model {
    /// Fails for a value that holds a control character, since it could begin a line of its own.
    pub(super) fn new(input: &RenderInput<'_>) -> Result<Self, RenderError> {
        let config = input.config;
        let stats_socket = input.stats_socket.to_str().ok_or_else(|| {
            let shown = input.stats_socket.display();
            RenderError(format!("the stats socket {shown} is not UTF-8: choose another runtime directory"))
        })?;
        let proxy = &config.proxy;
        let connections = proxy.maxconn.unwrap_or(MAXCONN).saturating_mul(2).saturating_add(CONNECTIONS_ASIDE);
        let with_tcp =
            config.frontends.iter().any(|f| f.mode == Mode::Tcp) || config.backends.iter().any(|b| b.mode == Mode::Tcp);
        Ok(Self {
            node: input.node.to_string(),
            main: Main {
                stats_socket: word(&format!("unix:{}", one_line("the stats socket", stats_socket)?)),
                worker_processes: proxy.nbthread.map_or_else(|| "auto".to_owned(), |count| count.to_string()),
                worker_connections: connections,
                worker_rlimit_nofile: connections.saturating_add(FILES_ASIDE),
                worker_shutdown_timeout: time(proxy.hard_stop_after),
                user: proxy.user.as_ref().map(|user| match &proxy.group {
                    Some(group) => format!("{user} {group}"),
                    None => user.to_string(),
                }),
                raw: raw(&proxy.raw.global)?,
            },
            http: Http {
                connect: time(proxy.timeouts.connect),
                client: time(proxy.timeouts.client),
                server: time(proxy.timeouts.server),
                request: time(proxy.timeouts.http_request),
                keep_alive: time(proxy.timeouts.more.http_keep_alive.unwrap_or(proxy.timeouts.http_request)),
                backends: backends(config, Mode::Http)?,
                frontends: frontends(config, Mode::Http)?,
                closed: closed(config, Mode::Http),
                settings: settings(proxy, config, Mode::Http),
                raw: raw(&proxy.raw.defaults)?,
            },
            stream: with_tcp.then(|| Stream::new(config)).transpose()?,
            raw_sections: raw(&proxy.raw.sections)?,
        })
    }
}

impl Stream {
    fn new(config: &Config) -> Result<Self, RenderError> {
        let timeouts = &config.proxy.timeouts;
        Ok(Self {
            connect: time(timeouts.connect),
            // One for both sides: HAProxy ends a connection when the shorter of its two is over.
            timeout: time(timeouts.client.min(timeouts.server)),
            backends: backends(config, Mode::Tcp)?,
            frontends: frontends(config, Mode::Tcp)?,
            closed: closed(config, Mode::Tcp),
            settings: settings(&config.proxy, config, Mode::Tcp),
        })
    }
}

fn frontends(config: &Config, mode: Mode) -> Result<Vec<FrontendModel>, RenderError> {
    let of_mode = config.frontends.iter().zip(1_usize..).filter(|(f, _)| f.mode == mode);
    of_mode.map(|(frontend, number)| FrontendModel::new(config, number, frontend)).collect()
}

/// Directives of `http` or `stream` that several frontends need, once. What a raw line sets is left to it.
fn settings(proxy: &ProxyConfig, config: &Config, mode: Mode) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let of_mode = || config.frontends.iter().filter(|f| f.mode == mode);
    if of_mode().any(|f| !f.rules.routes.is_empty()) {
        let written = |name: &str| {
            mode == Mode::Http && proxy.raw.defaults.iter().any(|line| line.text.trim_start().starts_with(name))
        };
        let wanted = [
            ("map_hash_bucket_size", "512"),
            ("map_hash_max_size", "65536"),
            ("variables_hash_max_size", "8192"),
            // Locations of redirects stay as they are written.
            ("absolute_redirect", "off"),
        ];
        let wanted = wanted.into_iter().filter(|(name, _)| mode == Mode::Http || *name != "absolute_redirect");
        lines.extend(wanted.filter(|(name, _)| !written(name)).map(|(name, value)| format!("{name} {value};")));
    }
    if of_mode().flat_map(|f| &f.rules.routes).any(|route| !route.when.paths.is_empty()) {
        let path = routes::PATH;
        lines.push(format!("map $request_uri {path} {{"));
        lines.push("    \"~^(?<vipkeeper_before_query>[^?]*)\" $vipkeeper_before_query;".to_owned());
        lines.push("}".to_owned());
    }
    lines.extend(proxy.tls_preset.into_iter().flat_map(|preset| rules::preset_lines(preset, None)));
    lines
}

fn backends(config: &Config, mode: Mode) -> Result<Vec<BackendModel>, RenderError> {
    config.backends.iter().filter(|b| b.mode == mode).map(BackendModel::new).collect()
}

impl FrontendModel {
    fn new(config: &Config, number: usize, frontend: &Frontend) -> Result<Self, RenderError> {
        let mut listens = Vec::new();
        for bind in &frontend.binds {
            if let BindTarget::Unix(path) = &bind.target {
                return Err(RenderError(format!("nginx is not bound to the unix socket {}", path.display())));
            }
            let options = passed_through("the options of a bind", bind.options.as_deref())?;
            let options = options.map(|options| format!(" {options}")).unwrap_or_default();
            let words = rules::listen_words(frontend, bind.tls.as_ref());
            listens.extend(listened(config, bind).into_iter().map(|address| format!("{address}{words}{options}")));
        }
        let rules = FrontendRules::new(number, frontend)?;
        if rules.target.is_none() && frontend.mode == Mode::Tcp {
            return Err(RenderError(format!("with nginx, frontend {} needs a default backend", frontend.name)));
        }
        Ok(Self { name: frontend.name.to_string(), listens, rules, raw: raw(&frontend.raw)? })
    }
}

impl BackendModel {
    fn new(backend: &Backend) -> Result<Self, RenderError> {
        let servers = backend.servers.iter().map(|server| ServerModel::new(backend, server));
        Ok(Self {
            name: backend.name.to_string(),
            zone: format!("{} {}k", backend.name, ZONE_KIB + ZONE_KIB_PER_SERVER * backend.servers.len()),
            balance: balance(&backend.balance)?,
            servers: servers.collect::<Result<_, _>>()?,
            raw: raw(&backend.raw)?,
        })
    }
}

/// nginx's directive for one of HAProxy's algorithms; none: it is what nginx does by itself.
fn balance(algorithm: &Balance) -> Result<Option<&'static str>, RenderError> {
    match algorithm {
        Balance::RoundRobin => Ok(None),
        Balance::LeastConn => Ok(Some("least_conn")),
        Balance::Source => Ok(Some("hash $remote_addr consistent")),
        // HAProxy too draws two and takes the one with fewer connections.
        Balance::Random { draws: None } => Ok(Some("random two least_conn")),
        Balance::Random { draws: Some(_) }
        | Balance::StaticRr
        | Balance::First
        | Balance::Uri(_)
        | Balance::UrlParam { .. }
        | Balance::Header { .. }
        | Balance::Hash(_)
        | Balance::RdpCookie(_) => Err(RenderError(format!("nginx has no equal of `balance {algorithm}`"))),
    }
}

impl ServerModel {
    fn new(backend: &Backend, server: &Server) -> Result<Self, RenderError> {
        let mut parameters = Vec::new();
        match server.weight {
            _ if server.disabled => parameters.push("down".to_owned()),
            0 => parameters.push("down".to_owned()),
            weight => parameters.push(format!("weight={weight}")),
        }
        match backend.check.as_ref().filter(|_| server.checked) {
            Some(check) => {
                // nginx counts whole seconds here.
                let span = check.interval.saturating_mul(check.fall);
                let secs = span.as_millis().div_ceil(1000).max(1);
                parameters.push(format!("max_fails={} fail_timeout={secs}s", check.fall));
            }
            // A server that is never checked always counts as up.
            None => parameters.push("max_fails=0".to_owned()),
        }
        parameters.extend(server.maxconn.map(|count| format!("max_conns={count}")));
        parameters.extend(server.backup.then(|| "backup".to_owned()));
        parameters.extend(passed_through("the options of a server", server.options.as_deref())?);
        Ok(Self {
            name: server.name.to_string(),
            address: word(one_line("the address of a server", &server.address)?),
            parameters,
        })
    }
}

/// The addresses of a bind as they stand after `listen`.
pub(super) fn listened(config: &Config, bind: &Bind) -> Vec<SocketAddr> {
    let any = |ip: IpAddr| SocketAddr::new(ip, bind.port);
    match &bind.target {
        BindTarget::Any => vec![any(IpAddr::V4(Ipv4Addr::UNSPECIFIED))],
        // HAProxy listens for both families there, and with nginx each has a socket of its own.
        BindTarget::Address(ip @ IpAddr::V6(Ipv6Addr::UNSPECIFIED)) => {
            vec![any(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), any(*ip)]
        }
        BindTarget::Address(_) | BindTarget::Vip(_) | BindTarget::Unix(_) => {
            config.bind_addresses(bind).into_iter().map(|(address, _)| address).collect()
        }
    }
}

/// nginx has no `transparent`: beside the address of a VIP, which may be on another node, it listens on the wildcard
/// address, then binds only that, and tells by the local address of a connection what it is for.
fn in_place_of_vips(config: &Config, frontend: &Frontend) -> BTreeSet<SocketAddr> {
    let of_vips = frontend.binds.iter().flat_map(|bind| config.bind_addresses(bind));
    of_vips.filter(|(_, of_vip)| *of_vip).map(|(address, _)| wildcard(address)).collect()
}

fn wildcard(address: SocketAddr) -> SocketAddr {
    let ip = match address {
        SocketAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
        SocketAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
    };
    SocketAddr::new(ip, address.port())
}

/// The wildcard addresses of VIPs on which no frontend serves everybody.
fn closed(config: &Config, mode: Mode) -> Vec<String> {
    let of_mode = || config.frontends.iter().filter(|f| f.mode == mode);
    let served: BTreeSet<SocketAddr> =
        of_mode().flat_map(|f| &f.binds).flat_map(|bind| listened(config, bind)).collect();
    let wanted: BTreeSet<SocketAddr> = of_mode().flat_map(|f| in_place_of_vips(config, f)).collect();
    wanted.difference(&served).map(ToString::to_string).collect()
}

/// The sockets that nginx binds for a configuration: a wildcard address covers all others of its family and port.
pub fn sockets(config: &Config) -> BTreeSet<SocketAddr> {
    let listened = config.frontends.iter().flat_map(|f| &f.binds).flat_map(|bind| listened(config, bind));
    let mut all: BTreeSet<SocketAddr> = listened.collect();
    all.extend(config.frontends.iter().flat_map(|f| in_place_of_vips(config, f)));
    let wildcards: BTreeSet<SocketAddr> = all.iter().copied().filter(|a| a.ip().is_unspecified()).collect();
    all.retain(|address| address.ip().is_unspecified() || !wildcards.contains(&wildcard(*address)));
    all
}

/// Whether a text says on its private socket which generation it is, and how many connections there are; the error
/// says what it must have.
pub(super) fn identified(text: &str, generation: Digest) -> Result<(), String> {
    let answer = format!("return 200 \"{GENERATION_PREFIX}{generation}\\n");
    let lines = || text.lines().map(str::trim);
    if !lines().any(|line| line.starts_with(&answer)) {
        let line = format!("private server must have a line that begins with `return 200 \"{GENERATION_PREFIX}");
        return Err(format!("{line}{{{{ generation }}}}\\n`"));
    }
    if !lines().any(|line| line == "stub_status;") {
        return Err("private server must have the line `stub_status;`".to_owned());
    }
    Ok(())
}

/// A duration in nginx's syntax, rounded up to a millisecond and held within what nginx can keep.
fn time(duration: Duration) -> String {
    let ms = duration.as_nanos().div_ceil(1_000_000).min(TIME_MS_MAX);
    if ms.is_multiple_of(1000) { format!("{}s", ms / 1000) } else { format!("{ms}ms") }
}

/// One argument of a directive, in double quotes where it would not be taken literally.
fn word(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-._~:/@!?&()[]*+,=%".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("\"{}\"", text.replace('\\', r"\\").replace('"', "\\\""))
}
