//! `[[backend]]` as it is written: balancing, checks, servers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawMode, default};
use crate::config::limits;
use crate::config::written::{At, DurationText, Some1};

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
    /// How HAProxy checks the servers; when absent they always count as up.
    pub(in crate::config) check: Option<At<RawCheck>>,
    /// The servers.
    #[schemars(required, example = [BTreeMap::from([("name", "web1"), ("address", "192.168.83.129:8080")])])]
    pub(in crate::config) server: Option<At<Some1<At<RawServer>>>>,
    /// Lines at the end of the section, as HAProxy reads them.
    #[schemars(example = ["option httpclose"])]
    pub(in crate::config) raw: Option<At<Vec<At<String>>>>,
}

/// How HAProxy checks the servers: either http or tcp.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawCheck {
    /// Method and path of a request that must be answered 2xx or 3xx.
    #[schemars(example = &"GET /index.html")]
    pub(in crate::config) http: Option<At<String>>,
    /// The Host header of that request.
    #[schemars(example = &"www.example.com")]
    pub(in crate::config) host: Option<At<String>>,
    /// A connection is enough.
    #[schemars(example = true)]
    pub(in crate::config) tcp: Option<At<bool>>,
    /// From one check to the next.
    #[schemars(extend("default" = default(limits::CHECK_INTERVAL)))]
    pub(in crate::config) interval: Option<At<DurationText>>,
    /// Good checks in a row until a server is up.
    #[schemars(range(min = 1, max = 100), extend("default" = 2))]
    pub(in crate::config) rise: Option<At<i64>>,
    /// Failed checks in a row until a server is down.
    #[schemars(range(min = 1, max = 100), extend("default" = 3))]
    pub(in crate::config) fall: Option<At<i64>>,
}

/// One server of a backend.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawServer {
    /// Name within the backend.
    #[schemars(required, example = &"web1")]
    pub(in crate::config) name: Option<At<String>>,
    /// "host:port": an address or a DNS name.
    #[schemars(required, example = &"192.168.83.129:8080")]
    pub(in crate::config) address: Option<At<String>>,
    /// Its share of the requests; 0: no new ones.
    #[schemars(range(min = 0, max = 256), extend("default" = 1))]
    pub(in crate::config) weight: Option<At<i64>>,
    /// Used only when all others are down.
    #[schemars(extend("default" = false))]
    pub(in crate::config) backup: Option<At<bool>>,
    /// Connections to this server; more wait in a queue.
    #[schemars(example = 100, range(min = 1, max = 100_000_000))]
    pub(in crate::config) maxconn: Option<At<i64>>,
    /// What follows on HAProxy's server line.
    #[schemars(example = &"send-proxy-v2")]
    pub(in crate::config) options: Option<At<String>>,
}
