//! Frontends: where they listen, how TLS is ended, and what happens to a request before a backend gets it.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::{Backend, Config, FrontendHeaders, Mode, Networks, Origin, RateLimit, RawLine, Route, VirtualAddress};
use crate::units::Name;

/// Where clients arrive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frontend {
    /// Section name.
    pub name: Name,
    /// At least one.
    pub binds: Vec<Bind>,
    /// Protocol.
    pub mode: Mode,
    /// An existing backend of the same mode; none: the frontend answers everything itself.
    pub default_backend: Option<Name>,
    /// `maxconn` of the section.
    pub maxconn: Option<u32>,
    /// What happens before a backend is chosen.
    pub rules: Rules,
    /// Lines at the end of the section.
    pub raw: Vec<RawLine>,
    /// Where the section stands.
    pub origin: Origin,
}

/// What happens to connections and requests before a backend gets them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// Networks whose connections must begin with the PROXY protocol.
    pub accept_proxy: Vec<String>,
    /// Requests without TLS are redirected to https.
    pub redirect_https: bool,
    /// `max-age` of `Strict-Transport-Security`.
    pub hsts: Option<Duration>,
    /// Of whom a client must be; empty: of anybody.
    pub allow: Vec<Networks>,
    /// Of whom a client must not be.
    pub deny: Vec<Networks>,
    /// How much one client may do.
    pub rate_limit: Option<RateLimit>,
    /// An existing userlist whose users may come in.
    pub basic_auth: Option<Name>,
    /// `X-Forwarded-*` and `X-Real-IP` are set.
    pub forwarded: bool,
    /// Headers of requests.
    pub request_headers: FrontendHeaders,
    /// Headers of all responses.
    pub response_headers: FrontendHeaders,
    /// Types that are compressed.
    pub compression: Vec<String>,
    /// Answered with 200.
    pub monitor_uri: Option<String>,
    /// In the order of the file: the first whose conditions hold counts.
    pub routes: Vec<Route>,
}

/// One listening address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// What the user named.
    pub target: BindTarget,
    /// TCP port; 0 for a unix socket, which has none.
    pub port: u16,
    /// How TLS is ended; none: it is not.
    pub tls: Option<Tls>,
    /// Options passed through, such as `tfo`.
    pub options: Option<String>,
    /// Where it was written.
    pub origin: Origin,
}

/// What a bind names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BindTarget {
    /// All addresses of a VIP but link-local ones; rendered so that a node without it still starts.
    Vip(Name),
    /// Every address of the host (`*`).
    Any,
    /// One address.
    Address(IpAddr),
    /// A unix socket by its absolute path.
    Unix(PathBuf),
}

/// How TLS is ended at a bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// `crt`: files or directories, at most 16; at least one, or `crt_list`.
    pub certificates: Vec<PathBuf>,
    /// `crt-list`
    pub crt_list: Option<PathBuf>,
    /// Ciphers and versions; none: the defaults of the process.
    pub preset: Option<TlsPreset>,
    /// `ssl-min-ver`, not below the preset's.
    pub min_version: Option<TlsVersion>,
    /// `alpn`: protocols, best first; may be empty.
    pub alpn: Vec<String>,
    /// Client certificates.
    pub client: ClientCertificates,
    /// `strict-sni`
    pub strict_sni: bool,
}

/// Whether clients show certificates.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientCertificates {
    /// They are not asked to.
    NotAsked,
    /// They may, and then it must be of these authorities.
    Optional(PathBuf),
    /// They must show one of these authorities.
    Required(PathBuf),
}

/// Ciphers and versions as Mozilla recommends them (server side TLS, guideline 5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsPreset {
    /// TLS 1.3 alone.
    MozillaModern,
    /// TLS 1.2 and 1.3.
    MozillaIntermediate,
}

impl TlsPreset {
    /// The oldest version of it.
    pub fn min_version(self) -> TlsVersion {
        match self {
            Self::MozillaModern => TlsVersion::V13,
            Self::MozillaIntermediate => TlsVersion::V12,
        }
    }
}

/// A version of TLS, the older one being less.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum TlsVersion {
    /// TLS 1.0
    V10,
    /// TLS 1.1
    V11,
    /// TLS 1.2
    V12,
    /// TLS 1.3
    V13,
}

/// A part of HAProxy that not every build has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Feature {
    /// `OPENSSL` in the feature list of `haproxy -vv`.
    Openssl,
    /// `PROMEX` there.
    Promex,
    /// `SLZ` or `ZLIB` there.
    Compression,
}

impl Config {
    /// The parts of HAProxy that this configuration needs beside the core, each with the first place that needs it;
    /// what raw lines need is not known.
    pub fn features(&self) -> Vec<(Feature, Origin)> {
        let tls = self.binds().filter(|bind| bind.tls.is_some()).map(|bind| (Feature::Openssl, bind.origin));
        let to_servers = self.backends.iter().filter_map(Backend::speaks_tls).map(|origin| (Feature::Openssl, origin));
        let preset = self.proxy.tls_preset.and(self.proxy.origin).map(|origin| (Feature::Openssl, origin));
        let compressing = self.frontends.iter().filter(|frontend| !frontend.rules.compression.is_empty());
        let compressing = compressing.map(|frontend| (Feature::Compression, frontend.origin));
        let metrics = self.stats.iter().filter(|stats| stats.prometheus).map(|stats| (Feature::Promex, stats.origin));
        let mut needed: Vec<(Feature, Origin)> = Vec::new();
        for (feature, origin) in tls.chain(to_servers).chain(preset).chain(compressing).chain(metrics) {
            if !needed.iter().any(|(known, _)| *known == feature) {
                needed.push((feature, origin));
            }
        }
        needed
    }

    /// Everything that the proxy listens on.
    pub fn binds(&self) -> impl Iterator<Item = &Bind> {
        self.frontends.iter().flat_map(|frontend| &frontend.binds).chain(self.stats.iter().map(|stats| &stats.bind))
    }

    /// The socket addresses of a bind; `true` marks those of a VIP, which may not be on this node. A VIP is bound with
    /// all its addresses of either family, also those that adverts do not name, but for link-local ones.
    pub fn bind_addresses(&self, bind: &Bind) -> Vec<(SocketAddr, bool)> {
        match &bind.target {
            BindTarget::Any => vec![(SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), bind.port), false)],
            BindTarget::Address(ip) => {
                let virtual_here = self.vips.iter().any(|v| v.addresses.iter().any(|a| a.ip() == *ip));
                vec![(SocketAddr::new(*ip, bind.port), virtual_here)]
            }
            // A link-local address says nothing without its interface, and a bind has none.
            BindTarget::Vip(name) => {
                let ips = self.vip(name).into_iter().flat_map(|v| &v.addresses).map(VirtualAddress::ip);
                let ips = ips.filter(|ip| !matches!(ip, IpAddr::V6(ip) if ip.is_unicast_link_local()));
                ips.map(|ip| (SocketAddr::new(ip, bind.port), true)).collect()
            }
            BindTarget::Unix(_) => Vec::new(),
        }
    }
}
