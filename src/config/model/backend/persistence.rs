//! How a client comes back to the same server.

use std::time::Duration;

/// A cookie that names the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// Who makes it.
    pub mode: CookieMode,
    /// Whether answers that set it may be cached.
    pub nocache: bool,
    /// Whether scripts cannot read it.
    pub httponly: bool,
    /// Whether it travels over TLS alone.
    pub secure: bool,
    /// Whether a server may replace or end it.
    pub preserve: bool,
    /// How long it counts without a request.
    pub maxidle: Option<Duration>,
    /// How long it counts at all.
    pub maxlife: Option<Duration>,
    /// Which hosts it is for.
    pub domain: Option<String>,
    /// The attribute `SameSite`.
    pub same_site: Option<SameSite>,
}

/// Who makes a cookie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CookieMode {
    /// HAProxy; servers do not see it when `indirect`.
    Insert {
        /// Hidden from servers, and not set again for a client that has it.
        indirect: bool,
    },
    /// The server; HAProxy puts its name in front of the value.
    Prefix,
    /// The server; HAProxy replaces the value.
    Rewrite,
}

/// Whether a cookie is sent with requests from other sites.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SameSite {
    /// Never.
    Strict,
    /// With links alone.
    Lax,
    /// Always; needs `secure`.
    None,
}

/// A table of who was served by which server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StickTable {
    /// What tells clients apart.
    pub key: StickKey,
    /// Entries; the oldest goes when it is full.
    pub size: u32,
    /// How long an entry lasts unused.
    pub expire: Duration,
}

/// What tells clients apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StickKey {
    /// Their address.
    Source,
    /// A header of the request.
    Header(String),
    /// A cookie that the servers set.
    Cookie(String),
}
