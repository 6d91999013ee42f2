//! `cookie` and `stick` of a backend as they are written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::default;
use crate::config::limits;
use crate::config::written::{At, DurationText};

/// A cookie by which a client comes back to its server.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawCookie {
    /// Name of the cookie.
    #[schemars(required, example = &"SRV")]
    pub(in crate::config) name: Option<At<String>>,
    /// Who makes it.
    #[schemars(extend("default" = "insert"))]
    pub(in crate::config) mode: Option<At<RawCookieMode>>,
    /// Whether servers do not see it, and clients that have it get it no second time; mode "insert" only.
    #[schemars(extend("default" = true))]
    pub(in crate::config) indirect: Option<At<bool>>,
    /// Whether caches are told not to keep answers that set it.
    #[schemars(extend("default" = true))]
    pub(in crate::config) nocache: Option<At<bool>>,
    /// Whether scripts in a browser cannot read it.
    #[schemars(extend("default" = false))]
    pub(in crate::config) httponly: Option<At<bool>>,
    /// Whether browsers send it over TLS alone.
    #[schemars(extend("default" = false))]
    pub(in crate::config) secure: Option<At<bool>>,
    /// Whether a server may set or end it itself.
    #[schemars(extend("default" = false))]
    pub(in crate::config) preserve: Option<At<bool>>,
    /// How long it counts without a request; for ever when absent. Mode "insert" only.
    #[schemars(example = &"30m")]
    pub(in crate::config) maxidle: Option<At<DurationText>>,
    /// How long it counts at all. Mode "insert" only.
    #[schemars(example = &"8h")]
    pub(in crate::config) maxlife: Option<At<DurationText>>,
    /// Hosts that it is for; the one that was asked when absent.
    #[schemars(example = &".example.com")]
    pub(in crate::config) domain: Option<At<String>>,
    /// Whether it is sent with requests from other sites.
    #[schemars(example = &"lax")]
    pub(in crate::config) same_site: Option<At<RawSameSite>>,
}

/// Who makes a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawCookieMode {
    /// HAProxy.
    Insert,
    /// The server; HAProxy puts the server's name in front of the value.
    Prefix,
    /// The server; HAProxy replaces the value.
    Rewrite,
}

/// Whether a cookie is sent with requests from other sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawSameSite {
    /// Never.
    Strict,
    /// With links alone.
    Lax,
    /// Always; needs `secure`.
    None,
}

/// A table of who was served by which server: one key.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawStick {
    /// Clients are told apart by their address.
    #[schemars(example = true)]
    pub(in crate::config) source: Option<At<bool>>,
    /// By this header of the request.
    #[schemars(example = &"X-User")]
    pub(in crate::config) header: Option<At<String>>,
    /// By this cookie, which the servers set.
    #[schemars(example = &"JSESSIONID")]
    pub(in crate::config) cookie: Option<At<String>>,
    /// Clients that are remembered; the oldest is forgotten for the next.
    #[schemars(range(min = 1, max = 100_000_000), extend("default" = limits::STICK_SIZE))]
    pub(in crate::config) size: Option<At<i64>>,
    /// How long a client is remembered after its last request.
    #[schemars(extend("default" = default(limits::STICK_EXPIRE)))]
    pub(in crate::config) expire: Option<At<DurationText>>,
}
