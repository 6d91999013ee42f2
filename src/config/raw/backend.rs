//! `[[backend]]` as it is written: balancing, checks, servers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawMode, RawServerTemplate};
use crate::config::written::{At, Some1};

mod check;
mod persistence;
mod server;
mod traffic;

pub(in crate::config) use check::*;
pub(in crate::config) use persistence::*;
pub(in crate::config) use server::*;
pub(in crate::config) use traffic::*;

/// Who serves.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawBackend {
    /// Name of the HAProxy section.
    #[schemars(required, example = &"web")]
    pub(in crate::config) name: Option<At<String>>,
    /// HTTP or plain TCP; that of the frontends that use it when absent.
    #[schemars(example = &"http")]
    pub(in crate::config) mode: Option<At<RawMode>>,
    /// How requests are spread over the servers, in HAProxy's words.
    #[schemars(example = &"roundrobin", extend("default" = "roundrobin"))]
    pub(in crate::config) balance: Option<At<String>>,
    /// How an algorithm that hashes finds its server.
    #[schemars(example = BTreeMap::from([("type", "consistent")]))]
    pub(in crate::config) hash: Option<At<RawHash>>,
    /// How HAProxy checks the servers; when absent they always count as up.
    #[schemars(example = BTreeMap::from([("http", "GET /health")]))]
    pub(in crate::config) check: Option<At<RawCheck>>,
    /// An agent on each server, which says how much load it bears.
    pub(in crate::config) agent: Option<At<RawAgent>>,
    /// What servers have that say nothing else.
    pub(in crate::config) server_defaults: Option<At<RawServerDefaults>>,
    /// The servers; there may be none where there is a `server_template`.
    #[schemars(example = [BTreeMap::from([("name", "web1"), ("address", "192.168.83.129:8080")])])]
    pub(in crate::config) server: Option<At<Some1<At<RawServer>>>>,
    /// Servers that DNS names.
    pub(in crate::config) server_template: Option<At<RawServerTemplate>>,
    /// A cookie by which a client comes back to its server.
    #[schemars(example = BTreeMap::from([("name", "SRV")]))]
    pub(in crate::config) cookie: Option<At<RawCookie>>,
    /// A table by which a client comes back to its server.
    #[schemars(example = BTreeMap::from([("source", true)]))]
    pub(in crate::config) stick: Option<At<RawStick>>,
    /// Timeouts of this backend.
    pub(in crate::config) timeouts: Option<At<RawBackendTimeouts>>,
    /// Further attempts to reach a server; 3 when absent, which is HAProxy's choice.
    #[schemars(example = 2, range(min = 0, max = 100))]
    pub(in crate::config) retries: Option<At<i64>>,
    /// Whether the last attempt may go to another server, also for a client that has a cookie.
    #[schemars(extend("default" = true))]
    pub(in crate::config) redispatch: Option<At<bool>>,
    /// What else than a refused connection is tried again, in HAProxy's words; such a request may reach two servers.
    #[schemars(example = ["conn-failure", "empty-response", "503"])]
    pub(in crate::config) retry_on: Option<At<Some1<At<String>>>>,
    /// Whether a connection to a server serves several clients; "safe" when absent, which is HAProxy's choice.
    #[schemars(example = &"always")]
    pub(in crate::config) http_reuse: Option<At<RawHttpReuse>>,
    /// Connections of the backend at which servers get their whole `maxconn`, where they have `minconn`.
    #[schemars(example = 1_000, range(min = 1, max = 100_000_000))]
    pub(in crate::config) fullconn: Option<At<i64>>,
    /// Whether a request that waits is dropped when its client goes.
    #[schemars(extend("default" = false))]
    pub(in crate::config) abortonclose: Option<At<bool>>,
    /// Whether all backups that are up are used at once, not the first alone.
    #[schemars(extend("default" = false))]
    pub(in crate::config) allbackups: Option<At<bool>>,
    /// Whether connections to servers end after each request.
    #[schemars(extend("default" = false))]
    pub(in crate::config) http_server_close: Option<At<bool>>,
    /// Whether every change of a check is logged, not only those of servers.
    #[schemars(extend("default" = false))]
    pub(in crate::config) log_health_checks: Option<At<bool>>,
    /// Whether a client's next request on a connection goes where the last one went, if it may.
    #[schemars(extend("default" = false))]
    pub(in crate::config) prefer_last_server: Option<At<bool>>,
    /// Whether the kernel probes silent connections to servers (TCP keep-alive).
    #[schemars(extend("default" = false))]
    pub(in crate::config) srvtcpka: Option<At<bool>>,
    /// Tells servers the address of the client in a header; `{}`: X-Forwarded-For.
    #[schemars(example = BTreeMap::from([("except", "127.0.0.0/8")]))]
    pub(in crate::config) forwardfor: Option<At<RawForwardFor>>,
    /// Changes to the headers of requests.
    pub(in crate::config) request_headers: Option<At<RawHeaderChanges>>,
    /// Changes to the headers of answers.
    pub(in crate::config) response_headers: Option<At<RawHeaderChanges>>,
    /// Files with whole answers in place of HAProxy's own, by status code.
    #[schemars(example = BTreeMap::from([("503", "/etc/vipkeeper/errors/503.http")]))]
    pub(in crate::config) errorfiles: Option<At<BTreeMap<At<String>, At<String>>>>,
    /// Lines at the end of the section, as HAProxy reads them.
    #[schemars(example = ["option httpclose"])]
    pub(in crate::config) raw: Option<At<Vec<At<String>>>>,
}

/// How a hash finds its server.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawHash {
    /// What happens to the others when a server comes or goes.
    #[serde(rename = "type")]
    #[schemars(extend("default" = "map-based"))]
    pub(in crate::config) kind: Option<At<RawHashKind>>,
    /// The function.
    #[schemars(extend("default" = "sdbm"))]
    pub(in crate::config) function: Option<At<RawHashFunction>>,
    /// Whether the result is mixed once more, for keys that differ little.
    #[schemars(extend("default" = false))]
    pub(in crate::config) avalanche: Option<At<bool>>,
    /// Percent of the average load that a server may have before the next one is taken; consistent hashing only.
    #[schemars(example = 150, range(min = 101, max = 65535))]
    pub(in crate::config) balance_factor: Option<At<i64>>,
}

/// What happens to the others when a server comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawHashKind {
    /// An even share, but nearly all clients move.
    MapBased,
    /// Only the clients of a server that went move.
    Consistent,
}

/// A hash function of HAProxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawHashFunction {
    /// The default.
    Sdbm,
    /// Good for hosts and paths.
    Djb2,
    /// For short keys of binary data.
    Wt6,
    /// The slowest, with the most even result.
    Crc32,
}
