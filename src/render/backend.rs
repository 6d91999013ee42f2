//! Backends in HAProxy's words.

use serde::Serialize;

use super::RenderError;
use super::model::{mode_word, one_line, passed_through, raw, time, word};
use crate::config::{Backend, Check, CheckKind, Server};

#[derive(Debug, Serialize)]
pub(super) struct BackendModel {
    name: String,
    mode: &'static str,
    balance: String,
    check: Option<CheckModel>,
    servers: Vec<ServerModel>,
    raw: Vec<String>,
}

#[derive(Debug, Serialize)]
struct CheckModel {
    http: Option<HttpCheckModel>,
    inter: String,
    rise: u32,
    fall: u32,
}

#[derive(Debug, Serialize)]
struct HttpCheckModel {
    method: String,
    uri: String,
    host: Option<String>,
}

#[derive(Debug, Serialize)]
struct ServerModel {
    name: String,
    address: String,
    weight: u32,
    backup: bool,
    maxconn: Option<u32>,
    options: Option<String>,
}

impl BackendModel {
    pub(super) fn new(backend: &Backend) -> Result<Self, RenderError> {
        let Backend { name, mode, balance, check, servers, raw: lines, origin: _ } = backend;
        Ok(Self {
            name: name.to_string(),
            mode: mode_word(*mode),
            balance: one_line("backend.balance", balance)?.to_owned(),
            check: check.as_ref().map(CheckModel::new).transpose()?,
            servers: servers.iter().map(ServerModel::new).collect::<Result<_, _>>()?,
            raw: raw(lines)?,
        })
    }
}

impl CheckModel {
    fn new(check: &Check) -> Result<Self, RenderError> {
        let Check { kind, interval, rise, fall } = check;
        let http = match kind {
            CheckKind::Tcp => None,
            CheckKind::Http { method, path, host } => Some(HttpCheckModel {
                method: word(one_line("the method of a check", method)?),
                uri: word(one_line("the path of a check", path)?),
                host: match host {
                    None => None,
                    // The value of `hdr` is a log-format string, where a percent sign begins a variable.
                    Some(host) => Some(word(&one_line("the host of a check", host)?.replace('%', "%%"))),
                },
            }),
        };
        Ok(Self { http, inter: time(*interval), rise: *rise, fall: *fall })
    }
}

impl ServerModel {
    fn new(server: &Server) -> Result<Self, RenderError> {
        let Server { name, address, weight, backup, maxconn, options, origin: _ } = server;
        Ok(Self {
            name: name.to_string(),
            address: word(one_line("the address of a server", address)?),
            weight: *weight,
            backup: *backup,
            maxconn: *maxconn,
            options: passed_through("the options of a server", options.as_deref())?,
        })
    }
}
