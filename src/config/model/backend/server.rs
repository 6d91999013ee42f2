//! Servers of a backend, and how they are reached.

use std::path::PathBuf;
use std::time::Duration;

use crate::config::TlsVersion;
use crate::config::model::Origin;
use crate::units::{Family, Name};

/// One server of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Name within the backend.
    pub name: Name,
    /// `host:port`, an address or a DNS name.
    pub address: String,
    /// 0-256.
    pub weight: u32,
    /// Used only when all others are down.
    pub backup: bool,
    /// `maxconn` of the server.
    pub maxconn: Option<u32>,
    /// Value of the backend's cookie that stands for it.
    pub cookie: Option<String>,
    /// Starts in maintenance.
    pub disabled: bool,
    /// Whether the check of the backend counts for it.
    pub checked: bool,
    /// What it has beside or in place of the defaults of its backend.
    pub settings: ServerSettings,
    /// Options passed through.
    pub options: Option<String>,
    /// Where it was written.
    pub origin: Origin,
}

/// What a server may have of its own, and a backend for all that say nothing else.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerSettings {
    /// `minconn`: the limit while the backend is idle.
    pub minconn: Option<u32>,
    /// `maxqueue`: waiting connections.
    pub maxqueue: Option<u32>,
    /// How long its share grows after it came up.
    pub slowstart: Option<Duration>,
    /// TLS to the server.
    pub tls: Option<ServerTls>,
    /// PROXY header in front of each connection.
    pub send_proxy: Option<SendProxy>,
    /// Port for its checks.
    pub check_port: Option<u16>,
    /// Host for its checks.
    pub check_addr: Option<String>,
    /// Group of name servers that is asked for its name while HAProxy runs.
    pub resolvers: Option<Name>,
    /// Family that is preferred among their answers.
    pub resolve_prefer: Option<Family>,
    /// Where addresses come from at the start; the defaults section says `last,libc,none`.
    pub init_addr: Vec<InitAddr>,
}

/// TLS to a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// How its certificate is judged.
    pub trust: TlsTrust,
    /// Name that is asked for.
    pub sni: Option<Sni>,
    /// Our own certificate and key.
    pub certificate: Option<PathBuf>,
    /// Protocols that are offered, best first.
    pub alpn: Vec<String>,
    /// The oldest version that is spoken.
    pub min_version: Option<TlsVersion>,
}

/// How the certificate of a server is judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsTrust {
    /// Not at all: anybody may be the server.
    Anybody,
    /// It must be signed by one of these.
    Authorities {
        /// File with certificates; none: those of the system.
        ca: Option<PathBuf>,
        /// Name that it must be for; none: the one that was asked for.
        verify_host: Option<String>,
    },
}

/// Which name is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sni {
    /// Always this one.
    Name(String),
    /// A sample expression, such as `req.hdr(host)`.
    Expression(String),
}

/// PROXY protocol towards a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SendProxy {
    /// Version 1, as text.
    V1,
    /// Version 2.
    V2,
    /// Version 2 with what TLS says of the client.
    V2Ssl,
    /// The same with the common name of its certificate.
    V2SslCn,
}

/// A way to find the address of a server at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InitAddr {
    /// The one in the state file.
    Last,
    /// The resolver of the system.
    Libc,
    /// None: the server is down until it is known.
    None,
}
