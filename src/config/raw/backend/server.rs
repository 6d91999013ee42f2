//! `server` and `server_defaults` of a backend as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::written::{At, DurationText, Some1};

/// Both tables have these keys: serde's `flatten` would lose the places.
macro_rules! with_settings {
    ($(#[$meta:meta])* $table:ident { $($(#[$own_meta:meta])* $own:ident: $type:ty,)* }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
        #[serde(deny_unknown_fields)]
        pub(in crate::config) struct $table {
            $($(#[$own_meta])* pub(in crate::config) $own: Option<At<$type>>,)*
            /// Its share of the requests; 0: no new ones.
            #[schemars(range(min = 0, max = 256), extend("default" = 1))]
            pub(in crate::config) weight: Option<At<i64>>,
            /// Connections to this server; more wait in a queue.
            #[schemars(example = 100, range(min = 1, max = 100_000_000))]
            pub(in crate::config) maxconn: Option<At<i64>>,
            /// The limit while the backend has little to do; it grows to `maxconn` with the load, which needs `fullconn`.
            #[schemars(example = 10, range(min = 1, max = 100_000_000))]
            pub(in crate::config) minconn: Option<At<i64>>,
            /// Connections that may wait for this server; others go elsewhere.
            #[schemars(example = 50, range(min = 1, max = 100_000_000))]
            pub(in crate::config) maxqueue: Option<At<i64>>,
            /// How long its share grows from nothing after it came up.
            #[schemars(example = &"30s")]
            pub(in crate::config) slowstart: Option<At<DurationText>>,
            /// TLS to this server; `{}`: verified, with the authorities of the system.
            #[schemars(example = BTreeMap::from([("sni", "web.internal")]))]
            pub(in crate::config) tls: Option<At<RawServerTls>>,
            /// PROXY header in front of each connection, which tells the client's address.
            #[schemars(example = &"v2")]
            pub(in crate::config) send_proxy: Option<At<RawSendProxy>>,
            /// Port of its checks, where it is not that of the traffic.
            #[schemars(example = 8081, range(min = 1, max = 65535))]
            pub(in crate::config) check_port: Option<At<i64>>,
            /// Host that is checked in place of the server itself.
            #[schemars(example = &"192.168.83.140")]
            pub(in crate::config) check_addr: Option<At<String>>,
            /// Name of the `[[resolvers]]` that are asked for its name while HAProxy runs; at the start alone when absent.
            #[schemars(example = &"dns")]
            pub(in crate::config) resolvers: Option<At<String>>,
            /// Which addresses are taken where `resolvers` find both; IPv6 when absent, which is HAProxy's choice.
            #[schemars(example = &"ipv4")]
            pub(in crate::config) resolve_prefer: Option<At<RawFamily>>,
            /// How its address is found at the start, in this order; `["last", "libc", "none"]` when absent.
            #[schemars(example = ["none"])]
            pub(in crate::config) init_addr: Option<At<Some1<At<RawInitAddr>>>>,
        }
    };
}

with_settings! {
    /// One server of a backend.
    RawServer {
        /// Name within the backend.
        #[schemars(required, example = &"web1")]
        name: String,
        /// "host:port": an address or a DNS name.
        #[schemars(required, example = &"192.168.83.129:8080")]
        address: String,
        /// Used only when all others are down.
        #[schemars(extend("default" = false))]
        backup: bool,
        /// Value of the backend's cookie that stands for it; its name when absent.
        #[schemars(example = &"a")]
        cookie: String,
        /// Starts in maintenance.
        #[schemars(extend("default" = false))]
        disabled: bool,
        /// Whether it is checked, where its backend has a `check`.
        #[schemars(extend("default" = true))]
        check: bool,
        /// What follows on HAProxy's server line.
        #[schemars(example = &"send-proxy-v2")]
        options: String,
    }
}

with_settings! {
    /// What servers of a backend have that say nothing else.
    RawServerDefaults {}
}

impl RawServer {
    /// What it shares with the defaults.
    pub(in crate::config) fn settings(&self) -> RawServerDefaults {
        let Self {
            name: _,
            address: _,
            backup: _,
            cookie: _,
            disabled: _,
            check: _,
            options: _,
            weight,
            maxconn,
            minconn,
            maxqueue,
            slowstart,
            tls,
            send_proxy,
            check_port,
            check_addr,
            resolvers,
            resolve_prefer,
            init_addr,
        } = self.clone();
        RawServerDefaults {
            weight,
            maxconn,
            minconn,
            maxqueue,
            slowstart,
            tls,
            send_proxy,
            check_port,
            check_addr,
            resolvers,
            resolve_prefer,
            init_addr,
        }
    }
}

/// TLS to a server.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawServerTls {
    /// Whether its certificate must be good.
    #[schemars(extend("default" = "required"))]
    pub(in crate::config) verify: Option<At<RawServerVerify>>,
    /// File with the authorities that may have signed it; those of the system when absent.
    #[schemars(example = &"/etc/vipkeeper/ca.pem")]
    pub(in crate::config) ca: Option<At<String>>,
    /// Host name that it must be for; that of `sni` when absent.
    #[schemars(example = &"web.internal")]
    pub(in crate::config) verify_host: Option<At<String>>,
    /// Host name that is asked for, or a sample expression such as "req.hdr(host)".
    #[schemars(example = &"web.internal")]
    pub(in crate::config) sni: Option<At<String>>,
    /// File with our own certificate and key, which the server may ask for.
    #[schemars(example = &"/etc/vipkeeper/client.pem")]
    pub(in crate::config) certificate: Option<At<String>>,
    /// Protocols that are offered, best first.
    #[schemars(example = ["h2", "http/1.1"])]
    pub(in crate::config) alpn: Option<At<Some1<At<String>>>>,
    /// The oldest version that is spoken; HAProxy's own choice when absent.
    #[schemars(example = &"TLSv1.2")]
    pub(in crate::config) min_version: Option<At<RawServerTlsVersion>>,
}

/// Whether the certificate of a server must be good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawServerVerify {
    /// It must.
    Required,
    /// Anybody may be the server.
    None,
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) enum RawServerTlsVersion {
    /// Broken; for old servers only.
    #[serde(rename = "TLSv1.0")]
    V10,
    /// Broken; for old servers only.
    #[serde(rename = "TLSv1.1")]
    V11,
    /// Good.
    #[serde(rename = "TLSv1.2")]
    V12,
    /// The newest.
    #[serde(rename = "TLSv1.3")]
    V13,
}

/// PROXY protocol towards a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawSendProxy {
    /// As text.
    V1,
    /// As bytes.
    V2,
    /// With what TLS says of the client.
    V2Ssl,
    /// With the common name of its certificate too.
    V2SslCn,
}

/// A family of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawFamily {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
}

/// A way to find the address of a server at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawInitAddr {
    /// The one that it had before.
    Last,
    /// The resolver of the system.
    Libc,
    /// None at first: it is down until its address is known.
    None,
}
