//! A configuration to vary, and the installed HAProxy if there is one.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use vipkeeper::config::{
    Accept, Announce, Auth, Backend, Backoff, Balance, Bind, BindTarget, Check, CheckKind, CheckPace, CheckReaction,
    CheckRoute, Checksum, Config, Engine, Frontend, Hardware, HealthConfig, HookCommands, HookSettings, HttpVersion,
    LogFormat, Mode, MoreTimeouts, NodeConfig, OnRelease, OnStop, Origin, Preempt, ProxyConfig, RawLine, RawSections,
    Rules, Server, ServerSettings, Source, Sources, Timeouts, Traffic, Transport, Version, VipConfig, VirtualAddress,
};
use vipkeeper::render::{AuxFile, RenderError, RenderInput, Rendered, render};
use vipkeeper::units::{Centis, Digest, IfName, Name, Priority, VipAddress, Vrid};

pub(crate) fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn at(line: usize) -> Origin {
    Origin { file: 0, line }
}

pub(crate) fn raw(line: usize, text: &str) -> RawLine {
    RawLine { text: text.to_owned(), origin: at(line) }
}

fn node(of: &str, address: &str) -> NodeConfig {
    NodeConfig { name: name(of), address: address.parse().unwrap(), second_address: None }
}

/// One VIP, one frontend on it, one backend with two servers.
pub(crate) fn config() -> Config {
    let both = |v: i64| (name("lb1"), Priority::new(v).unwrap());
    Config {
        nodes: vec![node("lb1", "192.0.2.1"), node("lb2", "192.0.2.2")],
        vips: vec![VipConfig {
            name: name("www"),
            addresses: vec![VirtualAddress::plain(VipAddress::new("198.51.100.7".parse().unwrap(), 24).unwrap())],
            routes: Vec::new(),
            rules: Vec::new(),
            version: Version::V3,
            auth: Auth::None,
            down_multiplier: 3,
            link_hold: Duration::ZERO,
            on_release: OnRelease::Reset,
            grace: Duration::ZERO,
            accept: Accept::Yes,
            hardware: Hardware::Interface,
            interfaces: BTreeMap::from([(name("lb1"), IfName::new("eth0").unwrap())]),
            vrid: Vrid::new(51).unwrap(),
            priorities: BTreeMap::from([both(150)]),
            advert_interval: Centis::SECOND,
            preempt: Preempt::After(Duration::ZERO),
            transport: Transport::Unicast,
            checksum: Checksum::PseudoHeader,
            announce: Announce { repeat: 5, delay: Duration::from_secs(5), refresh: Duration::ZERO },
            track: Vec::new(),
            hooks: HookCommands::default(),
        }],
        groups: Vec::new(),
        trackers: Vec::new(),
        peers: None,
        proxy: proxy(),
        frontends: vec![Frontend {
            name: name("www"),
            binds: vec![bind(20, BindTarget::Vip(name("www")), 80)],
            mode: Mode::Http,
            default_backend: Some(name("web")),
            maxconn: None,
            rules: Rules::default(),
            raw: Vec::new(),
            origin: at(18),
        }],
        backends: vec![backend()],
        resolvers: Vec::new(),
        userlists: Vec::new(),
        stats: None,
        hooks: HookSettings { user: None, group: None, timeout: Duration::from_secs(30) },
        http: None,
        notifiers: Vec::new(),
        digest: Digest(1),
    }
}

fn backend() -> Backend {
    Backend {
        name: name("web"),
        mode: Mode::Http,
        balance: Balance::RoundRobin,
        hash: None,
        check: Some(Check {
            kind: CheckKind::Http {
                method: "GET".to_owned(),
                path: "/index.html".to_owned(),
                host: None,
                version: HttpVersion::V10,
                headers: Vec::new(),
                expect: None,
            },
            interval: Duration::from_secs(2),
            rise: 2,
            fall: 3,
            route: CheckRoute::default(),
            pace: CheckPace::default(),
            reaction: CheckReaction::default(),
        }),
        agent: None,
        server_defaults: ServerSettings::default(),
        servers: vec![server(31, "web1", "192.0.2.129:8080"), server(32, "web2", "192.0.2.130:8080")],
        template: None,
        cookie: None,
        stick: None,
        traffic: Traffic::default(),
        raw: Vec::new(),
        origin: at(26),
    }
}

fn proxy() -> ProxyConfig {
    ProxyConfig {
        engine: Engine::Haproxy,
        binary: PathBuf::from("haproxy"),
        templates: None,
        on_stop: OnStop::Keep,
        maxconn: None,
        nbthread: None,
        user: None,
        group: None,
        timeouts: Timeouts {
            connect: Duration::from_secs(5),
            client: Duration::from_secs(50),
            server: Duration::from_secs(50),
            http_request: Duration::from_secs(10),
            more: MoreTimeouts::default(),
        },
        hard_stop_after: Duration::from_secs(600),
        log: None,
        log_format: LogFormat::Haproxy,
        error_pages: BTreeMap::new(),
        table_peers: None,
        tls_preset: None,
        raw: RawSections::default(),
        health: HealthConfig {
            interval: Duration::from_millis(250),
            timeout: Duration::from_millis(200),
            rise: 1,
            fall: 2,
        },
        restart: Backoff { min: Duration::from_millis(100), max: Duration::from_secs(10) },
        origin: Some(at(14)),
    }
}

pub(crate) fn bind(line: usize, target: BindTarget, port: u16) -> Bind {
    Bind { target, port, tls: None, options: None, origin: at(line) }
}

pub(crate) fn server(line: usize, server: &str, address: &str) -> Server {
    Server {
        name: name(server),
        address: address.to_owned(),
        weight: 1,
        backup: false,
        maxconn: None,
        cookie: None,
        disabled: false,
        checked: true,
        settings: ServerSettings::default(),
        options: None,
        origin: at(line),
    }
}

/// A source whose line n reads `line n`, so that a quotation shows whether the right one was taken.
pub(crate) fn sources() -> Arc<Sources> {
    let text: String = (1..=60).map(|n| format!("line {n}\n")).collect();
    Arc::new(Sources { files: vec![Source { path: PathBuf::from("vipkeeper.toml"), text }] })
}

pub(crate) fn render_with(config: &Config, template: Option<&str>) -> Result<Rendered, RenderError> {
    render_at(config, Path::new("/run/vipkeeper/stats.sock"), template)
}

pub(crate) fn render_at(config: &Config, stats_socket: &Path, template: Option<&str>) -> Result<Rendered, RenderError> {
    render_in(config, stats_socket, Path::new("/run/vipkeeper/haproxy.d"), template)
}

pub(crate) fn render_in(
    config: &Config,
    stats_socket: &Path,
    files_dir: &Path,
    template: Option<&str>,
) -> Result<Rendered, RenderError> {
    let (sources, node) = (sources(), name("lb1"));
    render(&RenderInput { config, sources: &sources, node: &node, stats_socket, files_dir, template, reads: None })
}

/// Whether HAProxy can be run; says so loudly where it cannot.
pub(crate) fn haproxy_is_here(test: &str) -> bool {
    let found = std::process::Command::new("haproxy").arg("-v").output().is_ok();
    if !found {
        eprintln!("SKIPPED: {test}: haproxy is not installed");
    }
    found
}

/// `haproxy -c`: its standard error if it refuses.
pub(crate) fn haproxy_check(text: &str) -> Result<(), String> {
    haproxy_check_with(text, &[])
}

/// The same with the files that the text refers to, which are put into a directory of the test's.
pub(crate) fn haproxy_check_with(text: &str, files: &[AuxFile]) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let file = write_with(dir.path(), text, files);
    let output = std::process::Command::new("haproxy").arg("-c").arg("-f").arg(&file).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

/// The same for nginx.
pub(crate) fn nginx_config() -> Config {
    let mut config = config();
    config.proxy.engine = Engine::Nginx;
    config.proxy.binary = PathBuf::from("nginx");
    config.backends[0].check.as_mut().unwrap().kind = CheckKind::Tcp;
    config
}

/// Whether nginx can be run; says so loudly where it cannot.
pub(crate) fn nginx_is_here(test: &str) -> bool {
    let found = std::process::Command::new("nginx").arg("-v").output().is_ok();
    if !found {
        crate::skip(test, "nginx is not installed");
    }
    found
}

/// Writes a text and its files into `dir`; returns where the text is.
pub(crate) fn write_with(dir: &Path, text: &str, files: &[AuxFile]) -> PathBuf {
    let mut text = text.to_owned();
    for AuxFile { path, text: holds } in files {
        let here = dir.join(path.file_name().unwrap());
        text = text.replace(path.to_str().unwrap(), here.to_str().unwrap());
        std::fs::write(here, holds).unwrap();
    }
    let file = dir.join("haproxy.cfg");
    std::fs::write(&file, text).unwrap();
    file
}
