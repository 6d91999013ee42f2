//! The files as they are written: a serde mirror with the place of every value.
//!
//! The doc comments of these types are what users read in their editors (JSON Schema), in problem reports and, by test,
//! in `docs/configuration.md`. Nothing is judged here: a number may be out of range, a name may refer to nothing.
//! Every key is optional for serde, so that [`super::shape`] can take out what is wrong; `schemars(required)` marks
//! those that must be there.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::limits;
use super::value::show_duration;
use super::written::{At, DurationText, Some1, TextOr};

mod access;
mod backend;
mod frontend;
mod http;
mod notifier;
mod operation;
mod resolvers;
mod route;
mod tracker;
mod vip;

pub(super) use access::*;
pub(super) use backend::*;
pub(super) use frontend::*;
pub(super) use http::*;
pub(super) use notifier::*;
pub(super) use operation::*;
pub(super) use resolvers::*;
pub(super) use route::*;
pub(super) use tracker::RawTracker;
pub(super) use vip::*;

/// A value for each node by name.
pub(super) type PerNode = BTreeMap<At<String>, At<String>>;

/// A program alone, or with its arguments.
pub(super) type RawCommand = At<TextOr<Vec<At<String>>>>;

fn default(key: limits::DurationKey) -> String {
    show_duration(key.default)
}

/// One configuration for all hosts: the nodes, the virtual IPs, the proxy, and what it serves.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(title = "vipkeeper configuration")]
pub(super) struct RawFile {
    /// More files to read, relative to this one; only in the main file. Their `[[tables]]` are appended to those here.
    #[schemars(example = ["conf.d/*.toml"])]
    pub(super) include: Option<At<Vec<At<String>>>>,
    /// The hosts that run vipkeeper. Each finds itself by its host name, or by `--node`.
    pub(super) node: Vec<At<RawNode>>,
    /// The virtual IPs.
    pub(super) vip: Vec<At<RawVip>>,
    /// Sync groups: VIPs that are always together in one state.
    pub(super) group: Vec<At<RawGroup>>,
    /// What VIPs may track beside the proxy itself.
    pub(super) tracker: Vec<At<RawTracker>>,
    /// How nodes talk to each other beside VRRP.
    pub(super) peers: Option<At<RawPeers>>,
    /// The proxy, and how it is watched.
    pub(super) proxy: Option<At<RawProxy>>,
    /// Where clients arrive.
    pub(super) frontend: Vec<At<RawFrontend>>,
    /// Who serves them.
    pub(super) backend: Vec<At<RawBackend>>,
    /// Name servers that are asked for servers while HAProxy runs.
    pub(super) resolvers: Vec<At<RawResolvers>>,
    /// Users and their passwords, for frontends and the stats page.
    pub(super) userlist: Vec<At<RawUserlist>>,
    /// How notify programs run, and those that count for every VIP.
    pub(super) hooks: Option<At<RawHooks>>,
    /// The endpoint that answers HTTP.
    pub(super) http: Option<At<RawHttp>>,
    /// Who is told of transitions beside hooks.
    pub(super) notify: Vec<At<RawNotify>>,
}

/// A host that runs vipkeeper.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNode {
    /// Its host name (`hostname`), or what `--node` says there.
    #[schemars(required, example = &"lb1")]
    pub(super) name: Option<At<String>>,
    /// Its own fixed address, where the other nodes reach it; or a list with one of each family.
    #[schemars(required, example = &"192.168.83.131", example = ["192.168.83.131", "2001:db8:83::131"])]
    pub(super) address: Option<At<TextOr<Some1<At<String>>>>>,
}

/// How nodes talk to each other beside VRRP.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPeers {
    /// Whether they do; with a single node they never do.
    #[schemars(extend("default" = true))]
    pub(super) enabled: Option<At<bool>>,
    /// File with the key that all nodes share, as `vipkeeper keygen` writes it; relative to the main file.
    #[schemars(example = &"/etc/vipkeeper/peers.key", extend("default" = limits::PEERS_KEY_FILE))]
    pub(super) key_file: Option<At<String>>,
    /// UDP port on every node.
    #[schemars(range(min = 1, max = 65535), extend("default" = limits::PEERS_PORT))]
    pub(super) port: Option<At<i64>>,
    /// From one hello to the next while nothing changes.
    #[schemars(extend("default" = default(limits::PEERS_INTERVAL)))]
    pub(super) interval: Option<At<DurationText>>,
}

/// The proxy, and how it is watched.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProxy {
    /// Which program: "haproxy" or "nginx".
    #[schemars(example = &"haproxy", extend("default" = "haproxy"))]
    pub(super) engine: Option<At<String>>,
    /// The program: an absolute path, or a name to look up in PATH; that of the engine when absent.
    #[schemars(example = &"/usr/sbin/haproxy")]
    pub(super) binary: Option<At<String>>,
    /// Directory, relative to the main file, whose `haproxy.cfg.tera` or `nginx.conf.tera` replaces the built-in template.
    #[schemars(example = &"templates")]
    pub(super) templates: Option<At<String>>,
    /// What becomes of the proxy when vipkeeper is stopped.
    #[schemars(extend("default" = "keep"))]
    pub(super) on_stop: Option<At<RawOnStop>>,
    /// Connections of the whole process; HAProxy's own choice when absent.
    #[schemars(example = 20_000, range(min = 1, max = 100_000_000))]
    pub(super) maxconn: Option<At<i64>>,
    /// Threads; HAProxy's own choice when absent.
    #[schemars(example = 4, range(min = 1, max = 1024))]
    pub(super) nbthread: Option<At<i64>>,
    /// User that HAProxy becomes after it has bound its addresses.
    #[schemars(example = &"haproxy")]
    pub(super) user: Option<At<String>>,
    /// Group that HAProxy becomes after it has bound its addresses.
    #[schemars(example = &"haproxy")]
    pub(super) group: Option<At<String>>,
    /// Default timeouts of all frontends and backends.
    pub(super) timeouts: Option<At<RawTimeouts>>,
    /// How long an old worker may finish its connections after a reload.
    #[schemars(extend("default" = default(limits::HARD_STOP_AFTER)))]
    pub(super) hard_stop_after: Option<At<DurationText>>,
    /// What follows `log` in the global section.
    #[schemars(example = &"stdout format raw local0")]
    pub(super) log: Option<At<String>>,
    /// How requests and connections are logged, where `log` says whereto.
    #[schemars(extend("default" = "haproxy"))]
    pub(super) log_format: Option<At<RawLogFormat>>,
    /// Files with the whole answers that HAProxy gives in place of its own, by status.
    #[schemars(example = BTreeMap::from([("503", "/etc/haproxy/errors/503.http")]))]
    pub(super) error_pages: Option<At<PerNode>>,
    /// The page on which HAProxy shows itself.
    pub(super) stats: Option<At<RawStats>>,
    /// How the nodes' HAProxys share the tables of rate limits; they do not when absent.
    pub(super) peers: Option<At<RawTablePeers>>,
    /// Ciphers and versions of all binds with TLS that have no preset of their own; HAProxy's own choice when absent.
    #[schemars(example = &"mozilla-intermediate")]
    pub(super) tls_preset: Option<At<RawTlsPreset>>,
    /// Lines at the end of the global section, as HAProxy reads them.
    #[schemars(example = ["tune.bufsize 32768"])]
    pub(super) raw_global: Option<At<Vec<At<String>>>>,
    /// Lines at the end of the defaults section.
    #[schemars(example = ["option redispatch"])]
    pub(super) raw_defaults: Option<At<Vec<At<String>>>>,
    /// Whole sections after everything else.
    #[schemars(example = ["listen stats", "    bind 127.0.0.1:8404", "    stats enable"])]
    pub(super) raw_sections: Option<At<Vec<At<String>>>>,
    /// How the proxy is watched beside its process.
    pub(super) health: Option<At<RawHealth>>,
    /// Pauses before a dead proxy is started again: doubling from min to max.
    pub(super) restart: Option<At<RawRestart>>,
}

/// What becomes of the proxy when vipkeeper is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawOnStop {
    /// It goes on serving, and the next vipkeeper adopts it.
    Keep,
    /// It is stopped too.
    Stop,
}

/// Default timeouts of all frontends and backends.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTimeouts {
    /// To reach a server.
    #[schemars(extend("default" = default(limits::TIMEOUT_CONNECT)))]
    pub(super) connect: Option<At<DurationText>>,
    /// Silence of a client.
    #[schemars(extend("default" = default(limits::TIMEOUT_CLIENT)))]
    pub(super) client: Option<At<DurationText>>,
    /// Silence of a server.
    #[schemars(extend("default" = default(limits::TIMEOUT_SERVER)))]
    pub(super) server: Option<At<DurationText>>,
    /// To send a whole request header.
    #[schemars(extend("default" = default(limits::TIMEOUT_HTTP_REQUEST)))]
    pub(super) http_request: Option<At<DurationText>>,
    /// From a response to the next request on the connection; `http_request` when absent.
    #[schemars(example = &"5s")]
    pub(super) http_keep_alive: Option<At<DurationText>>,
    /// In the queue for a server; `connect` when absent.
    #[schemars(example = &"30s")]
    pub(super) queue: Option<At<DurationText>>,
    /// Silence of both sides of a tunnel, such as a WebSocket; `client` and `server` when absent.
    #[schemars(example = &"1h")]
    pub(super) tunnel: Option<At<DurationText>>,
    /// To answer a check once connected; the interval of the check when absent.
    #[schemars(example = &"2s")]
    pub(super) check: Option<At<DurationText>>,
    /// Silence of a client that has closed its half; `client` when absent.
    #[schemars(example = &"10s")]
    pub(super) client_fin: Option<At<DurationText>>,
    /// Silence of a server that has closed its half; `server` when absent.
    #[schemars(example = &"10s")]
    pub(super) server_fin: Option<At<DurationText>>,
}

/// How the proxy is watched beside its process.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHealth {
    /// From one question at the stats socket to the next.
    #[schemars(extend("default" = default(limits::HEALTH_INTERVAL)))]
    pub(super) interval: Option<At<DurationText>>,
    /// A question that is not answered by then has failed, and the next one follows at once; at most the interval.
    #[schemars(extend("default" = default(limits::HEALTH_TIMEOUT)))]
    pub(super) timeout: Option<At<DurationText>>,
    /// Good answers in a row until a failed proxy counts as healthy.
    #[schemars(range(min = 1, max = 100), extend("default" = 2))]
    pub(super) rise: Option<At<i64>>,
    /// Failures in a row until a healthy proxy counts as failed.
    #[schemars(range(min = 1, max = 100), extend("default" = 2))]
    pub(super) fall: Option<At<i64>>,
}

/// Pauses before a dead proxy is started again.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawRestart {
    /// The first pause.
    #[schemars(extend("default" = default(limits::RESTART_MIN)))]
    pub(super) min: Option<At<DurationText>>,
    /// The longest pause.
    #[schemars(extend("default" = default(limits::RESTART_MAX)))]
    pub(super) max: Option<At<DurationText>>,
}

/// HTTP or plain TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawMode {
    /// Requests are understood, logged and balanced one by one.
    Http,
    /// Connections are passed through.
    Tcp,
}

/// How notify programs run, and those that count for every VIP that has none of its own.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHooks {
    /// Unprivileged user to run as; vipkeeper's own when absent.
    #[schemars(example = &"nobody")]
    pub(super) user: Option<At<String>>,
    /// Group to run as; that of the user when absent.
    #[schemars(example = &"nogroup")]
    pub(super) group: Option<At<String>>,
    /// A program that runs longer is killed, with its children.
    #[schemars(extend("default" = default(limits::HOOK_TIMEOUT)))]
    pub(super) timeout: Option<At<DurationText>>,
    /// Runs when this node gets a VIP. A program without arguments, or a list with its arguments.
    #[schemars(example = &"/usr/local/bin/on-master")]
    pub(super) notify_master: Option<RawCommand>,
    /// Runs when this node stands by.
    #[schemars(example = &"/usr/local/bin/on-backup")]
    pub(super) notify_backup: Option<RawCommand>,
    /// Runs when this node cannot hold a VIP.
    #[schemars(example = &"/usr/local/bin/on-fault")]
    pub(super) notify_fault: Option<RawCommand>,
    /// Runs when vipkeeper stops.
    #[schemars(example = &"/usr/local/bin/on-stop")]
    pub(super) notify_stop: Option<RawCommand>,
    /// Runs at every transition, with `INSTANCE NAME STATE PRIORITY` appended, as keepalived does.
    #[schemars(example = &"/usr/local/bin/on-change")]
    pub(super) notify: Option<RawCommand>,
}
