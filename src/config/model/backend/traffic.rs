//! What a backend does with requests and answers beside choosing a server.

use std::path::PathBuf;
use std::time::Duration;

/// What a backend does with its traffic.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Traffic {
    /// Timeouts of its own.
    pub timeouts: BackendTimeouts,
    /// Attempts after the first to reach a server.
    pub retries: Option<u32>,
    /// Whether the last attempt may go to another server; none: as the defaults section says, which is yes.
    pub redispatch: Option<bool>,
    /// What is tried again, in HAProxy's words; HAProxy's own choice when empty.
    pub retry_on: Vec<String>,
    /// Whether connections to servers serve several clients.
    pub http_reuse: Option<HttpReuse>,
    /// Load at which servers get their whole `maxconn`.
    pub fullconn: Option<u32>,
    /// Switches that are on.
    pub options: Vec<BackendOption>,
    /// Tells servers who the client is.
    pub forwardfor: Option<ForwardFor>,
    /// Changes to requests.
    pub request_headers: HeaderChanges,
    /// Changes to answers.
    pub response_headers: HeaderChanges,
    /// Files with answers in place of HAProxy's own, by status code.
    pub errorfiles: Vec<(u16, PathBuf)>,
}

/// Timeouts of a backend; none: those of `[proxy]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BackendTimeouts {
    /// `timeout connect`
    pub connect: Option<Duration>,
    /// `timeout server`
    pub server: Option<Duration>,
    /// `timeout server-fin`
    pub server_fin: Option<Duration>,
    /// `timeout queue`
    pub queue: Option<Duration>,
    /// `timeout tunnel`
    pub tunnel: Option<Duration>,
    /// `timeout http-request`
    pub http_request: Option<Duration>,
    /// `timeout http-keep-alive`
    pub http_keep_alive: Option<Duration>,
}

/// `http-reuse`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpReuse {
    /// `never`
    Never,
    /// `safe`
    Safe,
    /// `aggressive`
    Aggressive,
    /// `always`
    Always,
}

/// Switches of HAProxy that are off unless asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BackendOption {
    /// `abortonclose`
    Abortonclose,
    /// `allbackups`
    Allbackups,
    /// `http-server-close`
    HttpServerClose,
    /// `log-health-checks`
    LogHealthChecks,
    /// `prefer-last-server`
    PreferLastServer,
    /// `srvtcpka`
    Srvtcpka,
}

/// `option forwardfor`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ForwardFor {
    /// Clients that are not named, as a network.
    pub except: Option<String>,
    /// Another header than X-Forwarded-For.
    pub header: Option<String>,
    /// Only where there is none.
    pub if_none: bool,
}

/// Changes to headers, in this order: removed, set, added.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderChanges {
    /// Removed.
    pub del: Vec<String>,
    /// Set in place of all of that name; values are log-format strings.
    pub set: Vec<(String, String)>,
    /// Added beside others of that name.
    pub add: Vec<(String, String)>,
}
