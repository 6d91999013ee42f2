//! `[[frontend]]` as it is written: binds with TLS, and what happens to a request before a backend gets it.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{RawFrontendHeaders, RawFrontendRoute, RawMode, RawRateLimit, RawTexts};
use crate::config::written::{At, DurationText, Some1, TextOr};

/// Where clients arrive.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawFrontend {
    /// Name of the HAProxy section.
    #[schemars(required, example = &"www")]
    pub(in crate::config) name: Option<At<String>>,
    /// "VIP:port", "*:port", "address:port", or the absolute path of a unix socket.
    #[schemars(required, example = ["www:80"])]
    pub(in crate::config) bind: Option<At<Some1<At<TextOr<RawBind>>>>>,
    /// HTTP or plain TCP.
    #[schemars(extend("default" = "http"))]
    pub(in crate::config) mode: Option<At<RawMode>>,
    /// Name of the `[[backend]]` that serves it; only a frontend that answers everything itself needs none.
    #[schemars(example = &"web")]
    pub(in crate::config) default_backend: Option<At<String>>,
    /// Connections of this frontend.
    #[schemars(example = 10_000, range(min = 1, max = 100_000_000))]
    pub(in crate::config) maxconn: Option<At<i64>>,
    /// Networks of proxies in front of this one: connections from there must begin with the PROXY protocol.
    #[schemars(example = ["192.168.83.0/24"])]
    pub(in crate::config) accept_proxy: Option<At<Some1<At<String>>>>,
    /// Whether requests that came without TLS are sent to the same address with https (301).
    #[schemars(extend("default" = false))]
    pub(in crate::config) redirect_https: Option<At<bool>>,
    /// How long browsers shall use nothing but https (Strict-Transport-Security), told on TLS connections.
    #[schemars(example = &"365d")]
    pub(in crate::config) hsts: Option<At<DurationText>>,
    /// Networks, or files of networks by their absolute paths, of which a client must be; others get 403, or are cut off.
    #[schemars(example = ["10.0.0.0/8", "/etc/vipkeeper/office.list"])]
    pub(in crate::config) allow: Option<RawTexts>,
    /// Networks, or files of networks by their absolute paths, whose clients get 403, or are cut off.
    #[schemars(example = ["192.0.2.0/24"])]
    pub(in crate::config) deny: Option<RawTexts>,
    /// How much one client may do.
    pub(in crate::config) rate_limit: Option<At<RawRateLimit>>,
    /// Name of the `[[userlist]]` whose users may come in.
    #[schemars(example = &"staff")]
    pub(in crate::config) basic_auth: Option<At<String>>,
    /// Whether servers are told of the client: X-Forwarded-For, -Proto, -Host and X-Real-IP, whatever the client sent there.
    #[schemars(extend("default" = false))]
    pub(in crate::config) forwarded: Option<At<bool>>,
    /// Headers of requests that are changed.
    pub(in crate::config) request_headers: Option<At<RawFrontendHeaders>>,
    /// Headers of responses that are changed, also of those that the proxy makes itself.
    pub(in crate::config) response_headers: Option<At<RawFrontendHeaders>>,
    /// Types of responses that are compressed for clients that ask for it.
    #[schemars(example = ["text/html", "text/css", "application/json"])]
    pub(in crate::config) compression: Option<At<Some1<At<String>>>>,
    /// A path that the proxy answers with 200 itself, for those who watch it.
    #[schemars(example = &"/alive")]
    pub(in crate::config) monitor_uri: Option<At<String>>,
    /// What is done with some of the requests: the first one whose conditions all hold counts.
    pub(in crate::config) route: Option<At<Vec<At<RawFrontendRoute>>>>,
    /// Lines at the end of the section, as HAProxy reads them.
    #[schemars(example = ["option forwardfor"])]
    pub(in crate::config) raw: Option<At<Vec<At<String>>>>,
}

/// A bind with options.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawBind {
    /// "VIP:port", "*:port", "address:port", or the absolute path of a unix socket.
    #[schemars(required, example = &"www:443")]
    pub(in crate::config) address: Option<At<String>>,
    /// TLS is ended here.
    pub(in crate::config) tls: Option<At<RawTls>>,
    /// What follows the address on HAProxy's bind line.
    #[schemars(example = &"tfo")]
    pub(in crate::config) options: Option<At<String>>,
}

/// How TLS is ended.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawTls {
    /// PEM files with certificate, chain and key, or directories of such; the first one is for clients that name no other.
    #[schemars(example = ["/etc/haproxy/certs/www.pem"])]
    pub(in crate::config) certificates: Option<At<Some1<At<String>>>>,
    /// HAProxy's list of certificates with their options and host names.
    #[schemars(example = &"/etc/haproxy/crt-list.txt")]
    pub(in crate::config) crt_list: Option<At<String>>,
    /// Ciphers and versions as Mozilla recommends them; that of `proxy.tls_preset` when absent.
    #[schemars(example = &"mozilla-intermediate")]
    pub(in crate::config) preset: Option<At<RawTlsPreset>>,
    /// The oldest version that is spoken; that of the preset, or else HAProxy's own choice, when absent.
    #[schemars(example = &"TLSv1.2")]
    pub(in crate::config) min_version: Option<At<RawTlsVersion>>,
    /// Protocols offered to the client, best first; "h2" and "http/1.1" in mode http, none in mode tcp when absent.
    #[schemars(example = ["h2", "http/1.1"])]
    pub(in crate::config) alpn: Option<At<Vec<At<String>>>>,
    /// PEM file with the authorities of client certificates.
    #[schemars(example = &"/etc/haproxy/clients-ca.pem")]
    pub(in crate::config) client_ca: Option<At<String>>,
    /// Whether clients must show a certificate of these authorities; "required" when absent.
    #[schemars(example = &"required")]
    pub(in crate::config) verify: Option<At<RawVerify>>,
    /// Whether clients that name no host of a certificate are turned away; not when absent.
    #[schemars(example = true)]
    pub(in crate::config) strict_sni: Option<At<bool>>,
}

/// Ciphers and versions as Mozilla recommends them (server side TLS, guideline 5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawTlsPreset {
    /// TLS 1.3 alone, for clients of the last years.
    MozillaModern,
    /// TLS 1.2 and 1.3, for nearly all clients.
    MozillaIntermediate,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) enum RawTlsVersion {
    /// TLS 1.0, for the very old.
    #[serde(rename = "TLSv1.0")]
    V10,
    /// TLS 1.1, for the very old.
    #[serde(rename = "TLSv1.1")]
    V11,
    /// TLS 1.2.
    #[serde(rename = "TLSv1.2")]
    V12,
    /// TLS 1.3.
    #[serde(rename = "TLSv1.3")]
    V13,
}

/// Whether clients must show a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawVerify {
    /// Who has none is turned away.
    Required,
    /// Who shows one must show a good one.
    Optional,
    /// Certificates of clients are not asked for.
    None,
}
