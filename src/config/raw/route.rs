//! `[[frontend.route]]` as it is written: conditions, and what is done where all of them hold.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::written::{At, Some1, TextOr};

/// One text, or several of which any may match.
pub(in crate::config) type RawTexts = At<TextOr<Some1<At<String>>>>;

/// What is done with some of the requests; the first route whose conditions all hold counts.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawFrontendRoute {
    /// Hosts without port; `*.example.com` stands for everything below that domain. One, or a list of which any matches.
    #[schemars(example = &"www.example.com", example = ["example.com", "*.example.com"])]
    pub(in crate::config) host: Option<RawTexts>,
    /// Whole paths without query. The four keys of paths are alternatives: it is enough that one of them matches.
    #[schemars(example = &"/login")]
    pub(in crate::config) path: Option<RawTexts>,
    /// Beginnings of paths.
    #[schemars(example = &"/static/")]
    pub(in crate::config) path_prefix: Option<RawTexts>,
    /// Ends of paths, such as file suffixes.
    #[schemars(example = [".css", ".js", ".png"])]
    pub(in crate::config) path_suffix: Option<RawTexts>,
    /// Regular expressions for paths, as HAProxy was built to read them (PCRE2 in Debian).
    #[schemars(example = &"^/item/[0-9]+$")]
    pub(in crate::config) path_regex: Option<RawTexts>,
    /// Methods in capitals.
    #[schemars(example = ["GET", "HEAD"])]
    pub(in crate::config) method: Option<RawTexts>,
    /// Request headers that must all be there.
    #[schemars(example = [std::collections::BTreeMap::from([("name", "X-Beta"), ("value", "yes")])])]
    pub(in crate::config) header: Option<At<Some1<At<RawHeaderMatch>>>>,
    /// Networks of clients.
    #[schemars(example = &"10.0.0.0/8")]
    pub(in crate::config) source: Option<RawTexts>,
    /// Host names that clients ask for in the TLS handshake, as `host`; in mode tcp also of TLS that only passes through.
    #[schemars(example = &"db.example.com")]
    pub(in crate::config) sni: Option<RawTexts>,
    /// Action: name of the `[[backend]]` that serves it.
    #[schemars(example = &"web")]
    pub(in crate::config) backend: Option<At<String>>,
    /// With `backend`: what is taken from the beginning of the path.
    #[schemars(example = &"/api")]
    pub(in crate::config) strip_prefix: Option<At<String>>,
    /// With `backend`: what is put before the path, after `strip_prefix`.
    #[schemars(example = &"/v2")]
    pub(in crate::config) add_prefix: Option<At<String>>,
    /// Action: the client is sent elsewhere.
    pub(in crate::config) redirect: Option<At<RawRedirect>>,
    /// Action: an answer of the proxy's own.
    #[serde(rename = "return")]
    pub(in crate::config) answer: Option<At<RawReturn>>,
    /// Action: refused with this status.
    #[schemars(example = 403, range(min = 400, max = 599))]
    pub(in crate::config) deny: Option<At<i64>>,
    /// Action: the connection is closed without a word.
    #[schemars(example = true)]
    pub(in crate::config) reject: Option<At<bool>>,
}

/// A header of a request.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawHeaderMatch {
    /// Name of the header.
    #[schemars(required, example = &"X-Beta")]
    pub(in crate::config) name: Option<At<String>>,
    /// Its whole value; any value when absent.
    #[schemars(example = &"yes")]
    pub(in crate::config) value: Option<At<String>>,
}

/// Where a client is sent: exactly one of `scheme`, `prefix` and `location`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawRedirect {
    /// The same host and path with another scheme.
    #[schemars(example = &"https")]
    pub(in crate::config) scheme: Option<At<String>>,
    /// The same path behind this beginning of a URL.
    #[schemars(example = &"https://www.example.com")]
    pub(in crate::config) prefix: Option<At<String>>,
    /// Another URL.
    #[schemars(example = &"/login")]
    pub(in crate::config) location: Option<At<String>>,
    /// Status: 301, 302, 303, 307 or 308; 302 when absent.
    #[schemars(example = 301, range(min = 301, max = 308))]
    pub(in crate::config) code: Option<At<i64>>,
}

/// An answer of the proxy's own.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawReturn {
    /// Status of the answer.
    #[schemars(required, example = 404, range(min = 200, max = 599))]
    pub(in crate::config) status: Option<At<i64>>,
    /// Content-Type of the body; "text/plain" when absent.
    #[schemars(example = &"text/html")]
    pub(in crate::config) content_type: Option<At<String>>,
    /// The body, of one line.
    #[schemars(example = &"no such page")]
    pub(in crate::config) body: Option<At<String>>,
    /// File with the body, read when HAProxy starts or reloads.
    #[schemars(example = &"/etc/haproxy/maintenance.html")]
    pub(in crate::config) file: Option<At<String>>,
}
