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
use super::written::{At, DurationText, PriorityNumber, Some1, TextOr};

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
    /// The proxy, and how it is watched.
    pub(super) proxy: Option<At<RawProxy>>,
    /// Where clients arrive.
    pub(super) frontend: Vec<At<RawFrontend>>,
    /// Who serves them.
    pub(super) backend: Vec<At<RawBackend>>,
    /// How notify programs run, and those that count for every VIP.
    pub(super) hooks: Option<At<RawHooks>>,
}

/// A host that runs vipkeeper.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawNode {
    /// Its host name (`hostname`), or what `--node` says there.
    #[schemars(required, example = &"lb1")]
    pub(super) name: Option<At<String>>,
    /// Its own fixed address, where the other nodes reach it.
    #[schemars(required, example = &"192.168.83.131")]
    pub(super) address: Option<At<String>>,
}

/// A virtual IP: the addresses that move together.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawVip {
    /// How binds, hooks and the command line refer to it.
    #[schemars(required, example = &"www")]
    pub(super) name: Option<At<String>>,
    /// Addresses with prefix length, all of one family.
    #[schemars(required, example = ["192.168.83.111/24"])]
    pub(super) addresses: Option<At<Some1<At<String>>>>,
    /// The network interface, or a table with that of each node where they differ.
    #[schemars(required, example = &"eth0")]
    pub(super) interface: Option<At<TextOr<PerNode>>>,
    /// Virtual router identifier: the same on every node, and no other's on that network.
    #[schemars(required, example = 51, range(min = 1, max = 255))]
    pub(super) vrid: Option<At<i64>>,
    /// Who should hold it, in this order; this makes the priorities 254, 253, 252 and so on.
    #[schemars(example = ["lb1", "lb2"])]
    pub(super) prefer: Option<At<Some1<At<String>>>>,
    /// The same as numbers from 1 to 254, highest first (255 is reserved for the address owner, 0 means to resign).
    #[schemars(example = BTreeMap::from([("lb1", 200), ("lb2", 100)]))]
    pub(super) priority: Option<At<BTreeMap<At<String>, At<PriorityNumber>>>>,
    /// Version of VRRP: 2 speaks with old routers, over IPv4 only and in whole seconds.
    #[schemars(extend("default" = 3), range(min = 2, max = 3))]
    pub(super) version: Option<At<i64>>,
    /// How adverts are authenticated; not at all if left out.
    pub(super) auth: Option<At<RawAuth>>,
    /// How often the holder says that it is alive, from 10ms to 40950ms in steps of 10 ms.
    #[schemars(extend("default" = default(limits::ADVERT_INTERVAL)))]
    pub(super) advert_interval: Option<At<DurationText>>,
    /// Whether a better node takes the VIP back when it returns.
    #[schemars(extend("default" = true))]
    pub(super) preempt: Option<At<bool>>,
    /// How long a better node must have been fit before it takes the VIP back.
    #[schemars(extend("default" = default(limits::PREEMPT_DELAY)))]
    pub(super) preempt_delay: Option<At<DurationText>>,
    /// How adverts travel.
    #[schemars(extend("default" = "multicast"))]
    pub(super) transport: Option<At<RawTransport>>,
    /// The group for multicast adverts.
    #[schemars(extend("default" = "224.0.0.18"), example = &"224.0.0.18")]
    pub(super) multicast_group: Option<At<String>>,
    /// Which VRRPv3 checksum is sent; both are accepted.
    #[schemars(extend("default" = "pseudo-header"))]
    pub(super) checksum: Option<At<RawChecksum>>,
    /// Gratuitous ARP: how the network is told where the VIP is.
    pub(super) announce: Option<At<RawAnnounce>>,
    /// Backends whose loss lowers the priority.
    pub(super) track: Option<At<Vec<At<RawTrack>>>>,
    /// Runs when this node gets the VIP. A program without arguments, or a list with its arguments.
    #[schemars(example = &"/usr/local/bin/on-master")]
    pub(super) notify_master: Option<RawCommand>,
    /// Runs when this node stands by.
    #[schemars(example = &"/usr/local/bin/on-backup")]
    pub(super) notify_backup: Option<RawCommand>,
    /// Runs when this node cannot hold the VIP.
    #[schemars(example = &"/usr/local/bin/on-fault")]
    pub(super) notify_fault: Option<RawCommand>,
    /// Runs when vipkeeper stops.
    #[schemars(example = &"/usr/local/bin/on-stop")]
    pub(super) notify_stop: Option<RawCommand>,
    /// Runs at every transition, with `INSTANCE NAME STATE PRIORITY` appended, as keepalived does.
    #[schemars(example = &"/usr/local/bin/on-change")]
    pub(super) notify: Option<RawCommand>,
}

/// How adverts travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawTransport {
    /// To a group.
    Multicast,
    /// To the address of every other node of the VIP: for networks that do not carry multicast.
    Unicast,
}

/// Which VRRPv3 checksum is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum RawChecksum {
    /// With the IPv4 pseudo header: what keepalived and FRR send and demand.
    PseudoHeader,
    /// Over the VRRP message alone.
    Rfc9568,
}

/// Gratuitous ARP.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAnnounce {
    /// Frames per round and address.
    #[schemars(range(min = 1, max = 100), extend("default" = 5))]
    pub(super) repeat: Option<At<i64>>,
    /// When the second round follows the first; "0s": no second round.
    #[schemars(extend("default" = default(limits::ANNOUNCE_DELAY)))]
    pub(super) delay: Option<At<DurationText>>,
    /// A single frame this often while holding the VIP; "0s": never.
    #[schemars(extend("default" = default(limits::ANNOUNCE_REFRESH)))]
    pub(super) refresh: Option<At<DurationText>>,
}

/// How adverts are authenticated.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAuth {
    /// The password of VRRPv2, 1 to 8 characters. It keeps mistakes apart, not attackers.
    #[schemars(required, example = &"secret")]
    pub(super) password: Option<At<String>>,
}

/// A backend whose loss lowers the priority.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawTrack {
    /// Name of a `[[backend]]`; it is lost when none of its servers is up.
    #[schemars(required, example = &"web")]
    pub(super) backend: Option<At<String>>,
    /// Added to the priority while it is lost: from -253 to -1, and enough to move the VIP.
    #[schemars(required, example = -20)]
    pub(super) weight: Option<At<i64>>,
}

/// The proxy, and how it is watched.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawProxy {
    /// Which program: "haproxy".
    #[schemars(example = &"haproxy", extend("default" = "haproxy"))]
    pub(super) engine: Option<At<String>>,
    /// The program: an absolute path, or a name to look up in PATH.
    #[schemars(example = &"/usr/sbin/haproxy", extend("default" = "haproxy"))]
    pub(super) binary: Option<At<String>>,
    /// Directory, relative to the main file, whose `haproxy.cfg.tera` replaces the built-in template.
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
}

/// How the proxy is watched beside its process.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHealth {
    /// From one question at the stats socket to the next.
    #[schemars(extend("default" = default(limits::HEALTH_INTERVAL)))]
    pub(super) interval: Option<At<DurationText>>,
    /// A question that is not answered by then has failed; at most the interval, and the interval when absent.
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

/// Where clients arrive.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFrontend {
    /// Name of the HAProxy section.
    #[schemars(required, example = &"www")]
    pub(super) name: Option<At<String>>,
    /// "VIP:port", "*:port" or "address:port".
    #[schemars(required, example = ["www:80"])]
    pub(super) bind: Option<At<Some1<At<TextOr<RawBind>>>>>,
    /// HTTP or plain TCP.
    #[schemars(extend("default" = "http"))]
    pub(super) mode: Option<At<RawMode>>,
    /// Name of the `[[backend]]` that serves it.
    #[schemars(required, example = &"web")]
    pub(super) default_backend: Option<At<String>>,
    /// Connections of this frontend.
    #[schemars(example = 10_000, range(min = 1, max = 100_000_000))]
    pub(super) maxconn: Option<At<i64>>,
    /// Lines at the end of the section, as HAProxy reads them.
    #[schemars(example = ["option forwardfor"])]
    pub(super) raw: Option<At<Vec<At<String>>>>,
}

/// A bind with options.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBind {
    /// "VIP:port", "*:port" or "address:port".
    #[schemars(required, example = &"www:443")]
    pub(super) address: Option<At<String>>,
    /// What follows the address on HAProxy's bind line.
    #[schemars(example = &"ssl crt /etc/haproxy/www.pem")]
    pub(super) options: Option<At<String>>,
}

/// Who serves.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawBackend {
    /// Name of the HAProxy section.
    #[schemars(required, example = &"web")]
    pub(super) name: Option<At<String>>,
    /// HTTP or plain TCP; that of the frontends that use it when absent.
    #[schemars(example = &"http")]
    pub(super) mode: Option<At<RawMode>>,
    /// How requests are spread over the servers, in HAProxy's words.
    #[schemars(example = &"roundrobin", extend("default" = "roundrobin"))]
    pub(super) balance: Option<At<String>>,
    /// How HAProxy checks the servers; when absent they always count as up.
    pub(super) check: Option<At<RawCheck>>,
    /// The servers.
    #[schemars(required, example = [BTreeMap::from([("name", "web1"), ("address", "192.168.83.129:8080")])])]
    pub(super) server: Option<At<Some1<At<RawServer>>>>,
    /// Lines at the end of the section, as HAProxy reads them.
    #[schemars(example = ["option httpclose"])]
    pub(super) raw: Option<At<Vec<At<String>>>>,
}

/// How HAProxy checks the servers: either http or tcp.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawCheck {
    /// Method and path of a request that must be answered 2xx or 3xx.
    #[schemars(example = &"GET /index.html")]
    pub(super) http: Option<At<String>>,
    /// The Host header of that request.
    #[schemars(example = &"www.example.com")]
    pub(super) host: Option<At<String>>,
    /// A connection is enough.
    #[schemars(example = true)]
    pub(super) tcp: Option<At<bool>>,
    /// From one check to the next.
    #[schemars(extend("default" = default(limits::CHECK_INTERVAL)))]
    pub(super) interval: Option<At<DurationText>>,
    /// Good checks in a row until a server is up.
    #[schemars(range(min = 1, max = 100), extend("default" = 2))]
    pub(super) rise: Option<At<i64>>,
    /// Failed checks in a row until a server is down.
    #[schemars(range(min = 1, max = 100), extend("default" = 3))]
    pub(super) fall: Option<At<i64>>,
}

/// One server of a backend.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RawServer {
    /// Name within the backend.
    #[schemars(required, example = &"web1")]
    pub(super) name: Option<At<String>>,
    /// "host:port": an address or a DNS name.
    #[schemars(required, example = &"192.168.83.129:8080")]
    pub(super) address: Option<At<String>>,
    /// Its share of the requests; 0: no new ones.
    #[schemars(range(min = 0, max = 256), extend("default" = 1))]
    pub(super) weight: Option<At<i64>>,
    /// Used only when all others are down.
    #[schemars(extend("default" = false))]
    pub(super) backup: Option<At<bool>>,
    /// Connections to this server; more wait in a queue.
    #[schemars(example = 100, range(min = 1, max = 100_000_000))]
    pub(super) maxconn: Option<At<i64>>,
    /// What follows on HAProxy's server line.
    #[schemars(example = &"send-proxy-v2")]
    pub(super) options: Option<At<String>>,
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
