//! What operators see of the proxy, as it is written: stats page, log format, peers.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::written::{At, DurationText};

/// The page on which HAProxy shows itself.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawStats {
    /// "VIP:port", "*:port", "address:port", or the absolute path of a unix socket.
    #[schemars(required, example = &"127.0.0.1:8404")]
    pub(in crate::config) bind: Option<At<String>>,
    /// Path of the page; "/" when absent.
    #[schemars(example = &"/stats")]
    pub(in crate::config) uri: Option<At<String>>,
    /// Name of the `[[userlist]]` whose users may see it; everybody when absent.
    #[schemars(example = &"staff")]
    pub(in crate::config) userlist: Option<At<String>>,
    /// How often browsers load it anew; they do not when absent.
    #[schemars(example = &"10s")]
    pub(in crate::config) refresh: Option<At<DurationText>>,
    /// Whether servers can be put into maintenance there; takes a `userlist`. Not when absent.
    #[schemars(example = true)]
    pub(in crate::config) admin: Option<At<bool>>,
    /// Whether `/metrics` answers Prometheus. Not when absent.
    #[schemars(example = true)]
    pub(in crate::config) prometheus: Option<At<bool>>,
}

/// How the nodes' HAProxys share the tables of rate limits.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawTablePeers {
    /// TCP port at the address of each `[[node]]`.
    #[schemars(required, example = 10_000, range(min = 1, max = 65535))]
    pub(in crate::config) port: Option<At<i64>>,
}

/// How requests and connections are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawLogFormat {
    /// HAProxy's own: `option httplog` or `option tcplog`.
    Haproxy,
    /// The common log format of web servers, in mode http.
    Clf,
    /// One JSON object a line.
    Json,
}
