//! `[[resolvers]]`, and servers that DNS names, as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::written::{At, DurationText, Some1};

/// A group of name servers.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawResolvers {
    /// How servers refer to it.
    #[schemars(required, example = &"dns")]
    pub(in crate::config) name: Option<At<String>>,
    /// Name servers, which are all asked at once: "address" or "address:port".
    #[schemars(example = ["192.168.83.53"])]
    pub(in crate::config) nameservers: Option<At<Some1<At<String>>>>,
    /// Whether those of /etc/resolv.conf are asked too.
    #[schemars(extend("default" = false))]
    pub(in crate::config) system: Option<At<bool>>,
    /// From one question for a name to the next; 1 s when absent, which is HAProxy's choice.
    #[schemars(example = &"1s")]
    pub(in crate::config) resolve: Option<At<DurationText>>,
    /// How long an answer is waited for; 1 s when absent, which is HAProxy's choice.
    #[schemars(example = &"1s")]
    pub(in crate::config) retry: Option<At<DurationText>>,
    /// Questions in a row without an answer until a name counts as unknown; 3 when absent, which is HAProxy's choice.
    #[schemars(example = 3, range(min = 1, max = 100))]
    pub(in crate::config) retries: Option<At<i64>>,
    /// How long the last good answer counts, by what came after it.
    pub(in crate::config) hold: Option<At<RawHold>>,
    /// Bytes of an answer that are taken.
    #[schemars(example = 8192, range(min = 512, max = 65535))]
    pub(in crate::config) accepted_payload_size: Option<At<i64>>,
}

/// How long the last good answer counts, by what came after it.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawHold {
    /// A good answer; so long, it is not asked for again.
    #[schemars(example = &"10s")]
    pub(in crate::config) valid: Option<At<DurationText>>,
    /// Good answers without that address.
    #[schemars(example = &"30s")]
    pub(in crate::config) obsolete: Option<At<DurationText>>,
    /// "There is no such name".
    #[schemars(example = &"30s")]
    pub(in crate::config) nx: Option<At<DurationText>>,
    /// A refusal to answer.
    #[schemars(example = &"30s")]
    pub(in crate::config) refused: Option<At<DurationText>>,
    /// Nothing at all.
    #[schemars(example = &"30s")]
    pub(in crate::config) timeout: Option<At<DurationText>>,
    /// Other errors.
    #[schemars(example = &"30s")]
    pub(in crate::config) other: Option<At<DurationText>>,
}

/// Servers that DNS names.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawServerTemplate {
    /// Their names are this with a number from 1.
    #[schemars(required, example = &"web")]
    pub(in crate::config) prefix: Option<At<String>>,
    /// How many there may be at most.
    #[schemars(required, example = 5, range(min = 1, max = 1000))]
    pub(in crate::config) count: Option<At<i64>>,
    /// "name:port", whose addresses are the servers, or the name of SRV records, "_service._proto.name".
    #[schemars(required, example = &"_http._tcp.web.internal")]
    pub(in crate::config) address: Option<At<String>>,
    /// Name of the `[[resolvers]]` that are asked.
    #[schemars(required, example = &"dns")]
    pub(in crate::config) resolvers: Option<At<String>>,
}
