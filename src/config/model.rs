//! The validated configuration: what the rest of the program may rely on.
//!
//! A value of these types has passed every check in `super::check`; references are resolved and ranges hold.
//! It is the same on every node; [`Config::node`] finds one's own part.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

mod access;
mod backend;
mod frontend;
mod http;
mod notifier;
mod reads;
mod resolvers;
mod route;
mod vip;

pub use access::*;
pub use backend::*;
pub use frontend::*;
pub use http::*;
pub use notifier::*;
pub use resolvers::*;
pub use route::*;
pub use vip::*;

use crate::units::{Digest, Family, Name};

/// One whole configuration, valid for every node named in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// All nodes, in the order of the file; at least one; names and addresses are unique.
    pub nodes: Vec<NodeConfig>,
    /// All VIPs, in the order of the file; names are unique, and VRIDs on one interface and family too.
    pub vips: Vec<VipConfig>,
    /// Sync groups: their VIPs are in one state. No VIP is in two.
    pub groups: Vec<GroupConfig>,
    /// What VIPs track, in the order of the file; names are unique.
    pub trackers: Vec<Tracker>,
    /// How nodes talk to each other beside VRRP; none: they do not.
    pub peers: Option<PeersConfig>,
    /// The proxy and how it is watched.
    pub proxy: ProxyConfig,
    /// In the order of the file; names are unique.
    pub frontends: Vec<Frontend>,
    /// In the order of the file; names are unique.
    pub backends: Vec<Backend>,
    /// Name servers that servers refer to; names are unique.
    pub resolvers: Vec<Resolvers>,
    /// In the order of the file; names are unique.
    pub userlists: Vec<Userlist>,
    /// The page on which the proxy shows itself.
    pub stats: Option<Stats>,
    /// How hooks run.
    pub hooks: HookSettings,
    /// The endpoint that answers HTTP; none: there is only the control socket.
    pub http: Option<HttpConfig>,
    /// Who is told of transitions; names are unique.
    pub notifiers: Vec<Notifier>,
    /// Digest of the text of all files: equal on two nodes when they read the same.
    pub digest: Digest,
}

impl Config {
    /// The node of that name.
    pub fn node(&self, name: &Name) -> Option<&NodeConfig> {
        self.nodes.iter().find(|n| n.name == *name)
    }

    /// The tracker of that name.
    pub fn tracker(&self, name: &Name) -> Option<&Tracker> {
        self.trackers.iter().find(|t| t.name == *name)
    }

    /// The VIP of that name.
    pub fn vip(&self, name: &Name) -> Option<&VipConfig> {
        self.vips.iter().find(|v| v.name == *name)
    }
}

/// Where something was written, for messages: index into the list of sources, and line from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// Index of the file in [`super::Sources`].
    pub file: usize,
    /// Line, from 1.
    pub line: usize,
}

/// A host that runs vipkeeper.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// Host name, or what `--node` says.
    pub name: Name,
    /// Its own address: unicast peers send to it, and adverts leave from it where the interface has it.
    pub address: IpAddr,
    /// A second one of the other family, for unicast VIPs of that family.
    pub second_address: Option<IpAddr>,
}

impl NodeConfig {
    /// Its own address of that family.
    pub fn address_of(&self, family: Family) -> Option<IpAddr> {
        [Some(self.address), self.second_address].into_iter().flatten().find(|ip| Family::of(*ip) == family)
    }
}

/// The proxy and how it is watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    /// Which program.
    pub engine: Engine,
    /// The program: a path, or a name looked up in `PATH`.
    pub binary: PathBuf,
    /// Directory whose `haproxy.cfg.tera` or `nginx.conf.tera` replaces ours.
    pub templates: Option<PathBuf>,
    /// What a SIGTERM to vipkeeper means for the proxy.
    pub on_stop: OnStop,
    /// `maxconn` of the global section.
    pub maxconn: Option<u32>,
    /// `nbthread` of the global section.
    pub nbthread: Option<u32>,
    /// `user` of the global section.
    pub user: Option<Name>,
    /// `group` of the global section.
    pub group: Option<Name>,
    /// Default timeouts.
    pub timeouts: Timeouts,
    /// `hard-stop-after`: how long an old worker may finish its connections.
    pub hard_stop_after: Duration,
    /// Log target line of the global section, such as `stdout format raw local0`.
    pub log: Option<String>,
    /// How requests and connections are logged.
    pub log_format: LogFormat,
    /// `errorfile`: whole answers in place of HAProxy's own, by status.
    pub error_pages: BTreeMap<u16, PathBuf>,
    /// TCP port at which the nodes' HAProxys share their tables; none: they do not.
    pub table_peers: Option<u16>,
    /// `ssl-default-bind-*` of the global section: ciphers and versions of binds without a preset of their own.
    pub tls_preset: Option<TlsPreset>,
    /// Raw lines.
    pub raw: RawSections,
    /// How it is watched.
    pub health: HealthConfig,
    /// Shortest and longest pause before a dead proxy is started again.
    pub restart: Backoff,
    /// Where `[proxy]` stands.
    pub origin: Option<Origin>,
}

/// The proxy program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// HAProxy 2.6 or later in master-worker mode.
    Haproxy,
    /// nginx 1.22 or later, with its modules http and, where mode is tcp, stream.
    Nginx,
}

impl Engine {
    /// Its name, which is also that of its program.
    pub fn name(self) -> &'static str {
        match self {
            Self::Haproxy => "haproxy",
            Self::Nginx => "nginx",
        }
    }
}

/// What becomes of the proxy when vipkeeper is stopped by SIGTERM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStop {
    /// It goes on serving, and the next vipkeeper adopts it.
    Keep,
    /// It is stopped too.
    Stop,
}

/// Default timeouts of the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// `timeout connect`.
    pub connect: Duration,
    /// `timeout client`.
    pub client: Duration,
    /// `timeout server`.
    pub server: Duration,
    /// `timeout http-request`.
    pub http_request: Duration,
    /// Those that HAProxy derives from the others where they are absent.
    pub more: MoreTimeouts,
}

/// Timeouts that HAProxy derives from others where they are absent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MoreTimeouts {
    /// `timeout http-keep-alive`.
    pub http_keep_alive: Option<Duration>,
    /// `timeout queue`.
    pub queue: Option<Duration>,
    /// `timeout tunnel`.
    pub tunnel: Option<Duration>,
    /// `timeout check`.
    pub check: Option<Duration>,
    /// `timeout client-fin`.
    pub client_fin: Option<Duration>,
    /// `timeout server-fin`.
    pub server_fin: Option<Duration>,
}

/// Lines passed through unchanged, with the place each was written.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RawSections {
    /// At the end of `global`.
    pub global: Vec<RawLine>,
    /// At the end of `defaults`.
    pub defaults: Vec<RawLine>,
    /// Whole sections after everything else.
    pub sections: Vec<RawLine>,
}

/// One raw line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RawLine {
    /// Without line break.
    pub text: String,
    /// Where it was written.
    pub origin: Origin,
}

/// How the proxy is watched beside its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HealthConfig {
    /// From the start of one probe of the stats socket to the next.
    pub interval: Duration,
    /// A probe that has not answered by then has failed; at most `interval`.
    pub timeout: Duration,
    /// Good probes in a row until a failed proxy counts as healthy again, 1-100.
    pub rise: u32,
    /// Failed probes in a row until a healthy proxy counts as failed, 1-100.
    pub fall: u32,
}

/// Pauses between starts: doubling from `min` to `max`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// First pause.
    pub min: Duration,
    /// Longest pause.
    pub max: Duration,
}

/// HTTP or plain TCP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `mode http`
    Http,
    /// `mode tcp`
    Tcp,
}

/// How hooks run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookSettings {
    /// Unprivileged user to run as; none: vipkeeper's own.
    pub user: Option<Name>,
    /// Group to run as; none: the user's own.
    pub group: Option<Name>,
    /// A hook that runs longer is killed with its process group.
    pub timeout: Duration,
}

/// A command: program and arguments, no shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HookCommand {
    /// At least the program, an absolute path.
    pub argv: Vec<String>,
}

/// The hooks of one VIP, named as keepalived names them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HookCommands {
    /// `notify_master`
    pub master: Option<HookCommand>,
    /// `notify_backup`
    pub backup: Option<HookCommand>,
    /// `notify_fault`
    pub fault: Option<HookCommand>,
    /// `notify_stop`
    pub stop: Option<HookCommand>,
    /// `notify`: every transition, with `INSTANCE NAME STATE PRIORITY` appended.
    pub any: Option<HookCommand>,
}
