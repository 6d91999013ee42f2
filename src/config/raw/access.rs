//! Who may come in and what is told on, as it is written: users, rate limits, headers.

use schemars::JsonSchema;
use serde::Deserialize;

use super::PerNode;
use crate::config::written::{At, DurationText, Some1};

/// Users and their passwords, for `basic_auth`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawUserlist {
    /// How frontends and the stats page refer to it.
    #[schemars(required, example = &"staff")]
    pub(in crate::config) name: Option<At<String>>,
    /// The users of this list.
    #[schemars(required)]
    pub(in crate::config) users: Option<At<Some1<At<RawUser>>>>,
}

/// One user.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawUser {
    /// What is typed in as user name.
    #[schemars(required, example = &"alice")]
    pub(in crate::config) name: Option<At<String>>,
    /// The hash of the password as crypt(5) has it; `mkpasswd -m sha-256` makes one.
    #[schemars(required, example = &"$5$salt$...")]
    pub(in crate::config) password: Option<At<String>>,
}

/// How much one client may do.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawRateLimit {
    /// Requests of one address.
    #[schemars(example = 100, range(min = 1, max = 1_000_000_000))]
    pub(in crate::config) requests: Option<At<i64>>,
    /// Connections of one address; those beyond are closed without a word.
    #[schemars(example = 50, range(min = 1, max = 1_000_000_000))]
    pub(in crate::config) connections: Option<At<i64>>,
    /// The time over which both are counted.
    #[schemars(required, example = &"10s")]
    pub(in crate::config) per: Option<At<DurationText>>,
    /// What becomes of requests beyond; "deny" when absent.
    #[schemars(example = &"deny")]
    pub(in crate::config) action: Option<At<RawLimitAction>>,
    /// The status of a refusal; 429 when absent.
    #[schemars(example = 429, range(min = 400, max = 599))]
    pub(in crate::config) status: Option<At<i64>>,
}

/// What becomes of requests beyond a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawLimitAction {
    /// They are refused at once.
    Deny,
    /// They are refused after the connect timeout, which slows attackers down.
    Tarpit,
    /// The connection is closed without a word.
    Reject,
}

/// Headers that are changed; first `del`, then `set`, then `add`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawFrontendHeaders {
    /// Headers that get this value, whatever they had; HAProxy's `%[...]` works in it.
    #[schemars(example = std::collections::BTreeMap::from([("X-Frame-Options", "DENY")]))]
    pub(in crate::config) set: Option<At<PerNode>>,
    /// Headers that are added to those of the same name.
    #[schemars(example = std::collections::BTreeMap::from([("Via", "vipkeeper")]))]
    pub(in crate::config) add: Option<At<PerNode>>,
    /// Headers that are taken out.
    #[schemars(example = ["Server"])]
    pub(in crate::config) del: Option<At<Vec<At<String>>>>,
}
