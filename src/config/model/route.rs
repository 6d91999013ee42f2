//! Routes of a frontend: which requests, and what becomes of them.

use std::path::PathBuf;

use super::Origin;
use crate::units::Name;

/// What is done with the requests for which all conditions hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// Which requests.
    pub when: Conditions,
    /// What becomes of them.
    pub action: Action,
    /// Where it was written.
    pub origin: Origin,
}

/// All of these hold; an empty list holds always, of the others one entry is enough.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Conditions {
    /// The host that is asked for.
    pub hosts: Vec<HostMatch>,
    /// The path without query.
    pub paths: Vec<PathMatch>,
    /// The method.
    pub methods: Vec<String>,
    /// Headers of the request; all of them must be there.
    pub headers: Vec<HeaderMatch>,
    /// Networks of the client.
    pub sources: Vec<String>,
    /// The host of the TLS handshake.
    pub sni: Vec<HostMatch>,
}

impl Conditions {
    /// Whether they hold for every request.
    pub fn always(&self) -> bool {
        *self == Self::default()
    }

    /// The hosts, if these are full names and there is no other condition.
    pub fn plain_hosts(&self) -> Option<Vec<&str>> {
        let Self { hosts, paths, methods, headers, sources, sni } = self;
        let alone =
            paths.is_empty() && methods.is_empty() && headers.is_empty() && sources.is_empty() && sni.is_empty();
        if !alone || hosts.is_empty() {
            return None;
        }
        hosts
            .iter()
            .map(|host| match host {
                HostMatch::Exact(host) => Some(host.as_str()),
                HostMatch::Below(_) => None,
            })
            .collect()
    }
}

/// A host name in lower case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HostMatch {
    /// This one.
    Exact(String),
    /// Everything below this domain, which is written without the leading dot.
    Below(String),
}

/// A path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PathMatch {
    /// This one.
    Exact(String),
    /// It begins so.
    Prefix(String),
    /// It ends so.
    Suffix(String),
    /// It matches the regular expression.
    Regex(String),
}

/// A header of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderMatch {
    /// Its name.
    pub name: String,
    /// Its value; none: any.
    pub value: Option<String>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// A backend serves it.
    Backend {
        /// An existing backend of the same mode.
        name: Name,
        /// How the path is changed on the way.
        rewrite: Rewrite,
    },
    /// The client is sent elsewhere.
    Redirect {
        /// What of the URL changes.
        to: RedirectTo,
        /// 301, 302, 303, 307 or 308.
        code: u16,
    },
    /// An answer of the proxy's own.
    Return {
        /// 200-599
        status: u16,
        /// Of the body.
        content_type: String,
        /// What the answer says.
        body: Body,
    },
    /// Refused with a status that HAProxy can deny with.
    Deny(u16),
    /// The connection is closed without a word.
    Reject,
}

/// How a path is changed; first the one, then the other.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rewrite {
    /// Taken from the beginning of the path; begins with a slash and does not end with one.
    pub strip: Option<String>,
    /// Put before the path, in the same form.
    pub add: Option<String>,
}

/// What of a URL changes, in HAProxy's log format.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RedirectTo {
    /// The scheme alone.
    Scheme(String),
    /// All before the path.
    Prefix(String),
    /// Everything.
    Location(String),
}

/// The body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Body {
    /// There is none.
    Empty,
    /// One line.
    Text(String),
    /// What this file holds when the proxy loads.
    File(PathBuf),
}
