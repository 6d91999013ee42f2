//! What operators see of the proxy, in HAProxy's words: stats page, userlists, error pages, log formats, peers.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::RenderError;
use super::frontend::addresses;
use super::model::{one_line, time, word};
use crate::config::{Config, LogFormat, Mode, MoreTimeouts, Stats, Timeouts, User, Userlist};

/// Name of the frontend with the stats page.
pub(super) const STATS_NAME: &str = "vipkeeper-stats";

#[derive(Debug, Serialize)]
pub(super) struct UserlistModel {
    name: String,
    users: Vec<UserModel>,
}

#[derive(Debug, Serialize)]
struct UserModel {
    name: String,
    password: String,
}

impl UserlistModel {
    pub(super) fn new(list: &Userlist) -> Result<Self, RenderError> {
        let Userlist { name, users, origin: _ } = list;
        let user = |user: &User| {
            let User { name, password } = user;
            let (name, password) = (one_line("the name of a user", name)?, one_line("a password", &password.0)?);
            Ok(UserModel { name: word(name), password: word(password) })
        };
        Ok(Self { name: name.to_string(), users: users.iter().map(user).collect::<Result<_, RenderError>>()? })
    }
}

/// The section in which the nodes' HAProxys find each other.
#[derive(Debug, Serialize)]
pub(super) struct PeersModel {
    name: &'static str,
    peers: Vec<PeerModel>,
}

#[derive(Debug, Serialize)]
struct PeerModel {
    name: String,
    address: String,
}

impl PeersModel {
    pub(super) fn new(config: &Config) -> Option<Self> {
        let port = config.proxy.table_peers?;
        let peer = |node: &crate::config::NodeConfig| PeerModel {
            name: node.name.to_string(),
            address: SocketAddr::new(node.address, port).to_string(),
        };
        Some(Self { name: super::access::TABLE_PEERS, peers: config.nodes.iter().map(peer).collect() })
    }
}

/// The lines of a whole frontend with the stats page.
pub(super) fn stats_lines(config: &Config, stats: &Stats) -> Result<Vec<String>, RenderError> {
    let Stats { bind, uri, userlist, refresh, admin, prometheus, origin: _ } = stats;
    let mut lines = vec!["mode http".to_owned()];
    for (address, transparent) in addresses(config, bind) {
        lines.push(format!("bind {address}{}", if transparent { " transparent" } else { "" }));
    }
    let uri = word(one_line("the path of the stats page", uri)?);
    if let Some(list) = userlist {
        lines.push(format!("http-request auth realm {STATS_NAME} unless {{ http_auth({list}) }}"));
    }
    if *prometheus {
        lines.push("http-request use-service prometheus-exporter if { path /metrics }".to_owned());
    }
    lines.extend(["stats enable".to_owned(), format!("stats uri {uri}")]);
    if let Some(refresh) = refresh {
        lines.push(format!("stats refresh {}", time(*refresh)));
    }
    if let (true, Some(list)) = (*admin, userlist) {
        lines.push(format!("stats admin if {{ http_auth({list}) }}"));
    }
    // Not in the log beside what clients did.
    lines.push("no log".to_owned());
    Ok(lines)
}

/// Lines of the defaults section.
pub(super) fn error_pages(pages: &BTreeMap<u16, PathBuf>) -> Result<Vec<String>, RenderError> {
    pages.iter().map(|(status, file)| Ok(format!("errorfile {status} {}", super::tls::path(file)?))).collect()
}

/// Lines of the defaults section for the timeouts that are there.
pub(super) fn timeouts(timeouts: &Timeouts) -> Vec<String> {
    let Timeouts { connect: _, client: _, server: _, http_request, more } = timeouts;
    let MoreTimeouts { http_keep_alive, queue, tunnel, check, client_fin, server_fin } = more;
    let all = [
        ("http-request", Some(*http_request)),
        ("http-keep-alive", *http_keep_alive),
        ("queue", *queue),
        ("tunnel", *tunnel),
        ("check", *check),
        ("client-fin", *client_fin),
        ("server-fin", *server_fin),
    ];
    let line = |(name, value): (&str, Option<_>)| value.map(|value| format!("timeout {name} {}", time(value)));
    all.into_iter().filter_map(line).collect()
}

/// The line that says how a frontend logs.
pub(super) fn log_line(format: LogFormat, mode: Mode) -> String {
    match (format, mode) {
        (LogFormat::Haproxy, Mode::Http) => "option httplog".to_owned(),
        (LogFormat::Clf, Mode::Http) => "option httplog clf".to_owned(),
        (LogFormat::Haproxy | LogFormat::Clf, Mode::Tcp) => "option tcplog".to_owned(),
        (LogFormat::Json, Mode::Http) => format!("log-format '{{{JSON_CONNECTION},{JSON_REQUEST}}}'"),
        (LogFormat::Json, Mode::Tcp) => format!("log-format '{{{JSON_CONNECTION},\"ms\":%Tt}}'"),
    }
}

/// Of every connection. Names of sections and servers cannot hold what JSON would have to escape.
const JSON_CONNECTION: &str = concat!(
    r#""time":%Ts.%ms,"client":"%ci","port":%cp,"frontend":"%f","backend":"%b","server":"%s","#,
    r#""state":"%ts","bytes":%B,"connections":%ac,"retries":%rc,"queue":%bq"#
);

/// Of every request; what a client wrote is escaped by the converter.
const JSON_REQUEST: &str = concat!(
    r#""status":%ST,"ms":%Ta,"request_ms":%TR,"queue_ms":%Tw,"connect_ms":%Tc,"response_ms":%Tr,"#,
    r#""method":"%[capture.req.method,json(utf8s)]","uri":"%[capture.req.uri,json(utf8s)]","#,
    r#""version":"%[capture.req.ver]""#
);
