//! What a backend does with its traffic, as it is written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::written::{At, DurationText};

/// Timeouts of a backend.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawBackendTimeouts {
    /// To reach a server; that of `[proxy]` when absent.
    #[schemars(example = &"2s")]
    pub(in crate::config) connect: Option<At<DurationText>>,
    /// Silence of a server; that of `[proxy]` when absent.
    #[schemars(example = &"1m")]
    pub(in crate::config) server: Option<At<DurationText>>,
    /// Silence of a server after one side has ended; `server` when absent.
    #[schemars(example = &"10s")]
    pub(in crate::config) server_fin: Option<At<DurationText>>,
    /// Waiting for a server with room; `connect` when absent.
    #[schemars(example = &"30s")]
    pub(in crate::config) queue: Option<At<DurationText>>,
    /// Silence of both sides of a WebSocket or another tunnel; `server` and that of the client when absent.
    #[schemars(example = &"1h")]
    pub(in crate::config) tunnel: Option<At<DurationText>>,
    /// For the head of a request.
    #[schemars(example = &"10s")]
    pub(in crate::config) http_request: Option<At<DurationText>>,
    /// For the next request on a connection.
    #[schemars(example = &"10s")]
    pub(in crate::config) http_keep_alive: Option<At<DurationText>>,
}

/// Whether a connection to a server serves several clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawHttpReuse {
    /// It does not.
    Never,
    /// From the second request of a client on.
    Safe,
    /// Where it has served more than one request before.
    Aggressive,
    /// Always; a request may fail when the server ends it just then.
    Always,
}

/// Tells servers the address of the client in a header.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawForwardFor {
    /// Clients that are not told, as a network; such as another proxy, which told already.
    #[schemars(example = &"127.0.0.0/8")]
    pub(in crate::config) except: Option<At<String>>,
    /// Name of the header.
    #[schemars(extend("default" = "X-Forwarded-For"))]
    pub(in crate::config) header: Option<At<String>>,
    /// Only where the request has none.
    #[schemars(extend("default" = false))]
    pub(in crate::config) if_none: Option<At<bool>>,
}

/// Changes to headers, in this order: removed, set, added.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawHeaderChanges {
    /// Headers that are removed.
    #[schemars(example = ["Server"])]
    pub(in crate::config) del: Option<At<Vec<At<String>>>>,
    /// Headers that are set, in place of any of that name; values may have HAProxy's variables, such as `%[src]`.
    #[schemars(example = BTreeMap::from([("X-Real-IP", "%[src]")]))]
    pub(in crate::config) set: Option<At<BTreeMap<At<String>, At<String>>>>,
    /// Headers that are added beside others of that name.
    #[schemars(example = BTreeMap::from([("Via", "1.1 lb")]))]
    pub(in crate::config) add: Option<At<BTreeMap<At<String>, At<String>>>>,
}
