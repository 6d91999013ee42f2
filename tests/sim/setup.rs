//! Configurations for simulated hosts.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use vipkeeper::addrs::routing::{Route, RoutingEntry};
use vipkeeper::config::*;
use vipkeeper::node::event::Loaded;
use vipkeeper::peer::PeerKey;
use vipkeeper::render::Rendered;
use vipkeeper::units::*;

/// What differs from one simulated cluster to the next.
#[derive(Debug, Clone)]
pub struct Cluster {
    pub nodes: usize,
    pub vips: usize,
    pub interval: Centis,
    pub preempt: Preempt,
    pub unicast: bool,
    /// What every VIP tracks, and with which weight.
    pub track: Vec<(Tracker, i32)>,
    pub multiplier: u8,
    /// How long a young link is listened to.
    pub hold: Duration,
    /// All VIPs are one sync group.
    pub grouped: bool,
    /// The preferred node of each VIP has priority 255.
    pub owned: bool,
    /// Nodes that have the shared key; the others speak plain VRRP.
    pub keyed: Vec<bool>,
    /// How long a VIP stays without its proxy when nobody else is fit.
    pub grace: Duration,
    pub hardware: Hardware,
    pub version: Version,
    pub auth: Auth,
}

impl Cluster {
    /// Every node has the key.
    pub fn with_key(self) -> Self {
        Self { keyed: vec![true; self.nodes], ..self }
    }
}

/// Signed adverts, and no others.
pub fn signed(mode: HmacMode) -> Auth {
    let keys = BTreeMap::from([(1, vec![7; 32])]);
    Auth::Hmac(HmacAuth { keys, active: 1, mode, window: Duration::from_secs(5) })
}

/// A tracker that looks every second, waits half of that, and believes the second look.
pub fn tracker(name: &str, kind: TrackerKind) -> Tracker {
    let (interval, timeout) = (Duration::from_secs(1), Duration::from_millis(500));
    Tracker { name: Name::new(name).unwrap(), kind, interval, timeout, rise: 2, fall: 2 }
}

/// The gateway answers pings.
pub fn gateway() -> Tracker {
    tracker("gw", TrackerKind::Ping { address: IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1)) })
}

/// Backend `web` has a server.
pub fn web() -> Tracker {
    tracker("web", TrackerKind::Backend { backend: Name::new("web").unwrap(), up_percent: 1 })
}

/// A number in a file.
pub fn number() -> Tracker {
    tracker("number", TrackerKind::File { path: "/run/number".into() })
}

pub fn node_name(i: usize) -> Name {
    Name::new(&format!("lb{}", i + 1)).unwrap()
}

pub fn node_ip(i: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 11 + i as u8)
}

pub fn vip_ip(v: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 100 + v as u8)
}

/// A default route of its own for what leaves from VIP `v`.
pub fn vip_route(v: usize) -> VirtualRoute {
    VirtualRoute {
        to: VipAddress::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 0).unwrap(),
        via: Some(IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1))),
        interface: Some(eth0()),
        source: Some(IpAddr::V4(vip_ip(v))),
        table: Some(100 + v as u32),
        metric: None,
    }
}

/// The address that a route of [`vip_route`] needs.
pub fn route_source(entry: &RoutingEntry) -> Ipv4Addr {
    match entry {
        RoutingEntry::Route(Route { source: Some(IpAddr::V4(ip)), .. }) => *ip,
        other => panic!("no route of a simulated VIP: {other}"),
    }
}

/// Connections are reset on release, and every VIP has a route.
pub fn with_belongings(_version: u64, config: &mut Config) {
    for (v, vip) in config.vips.iter_mut().enumerate() {
        vip.on_release = OnRelease::Reset;
        vip.routes = vec![vip_route(v)];
    }
}

pub const HELLO_PORT: u16 = 5112;

pub fn key() -> PeerKey {
    PeerKey::new([7; 32])
}

pub fn eth0() -> IfName {
    IfName::new("eth0").unwrap()
}

/// Whom a VIP prefers, by its place among the VIPs of its cluster: in a group the first one decides.
pub fn home(cluster: &Cluster, v: usize, node: usize) -> usize {
    rank(cluster, if cluster.grouped { 0 } else { v }, node)
}

/// VIP `v` prefers node `v`, then the following ones: a dual-master pair for two of each.
pub fn rank(cluster: &Cluster, v: usize, node: usize) -> usize {
    (node + cluster.nodes - v % cluster.nodes) % cluster.nodes
}

fn uses(track: &[(Tracker, i32)]) -> Vec<Track> {
    track.iter().map(|(t, weight)| Track { tracker: t.name.clone(), weight: *weight, reverse: false }).collect()
}

fn vip(cluster: &Cluster, v: usize) -> VipConfig {
    let names = || (0..cluster.nodes).map(node_name);
    // Room for what is added while all is well.
    let top = 254 - cluster.track.iter().map(|(_, weight)| i64::from(*weight).max(0)).sum::<i64>();
    let hook = |name: &str| Some(HookCommand { argv: vec![format!("/hooks/{name}")] });
    VipConfig {
        name: Name::new(&format!("vip{v}")).unwrap(),
        addresses: vec![VirtualAddress::plain(VipAddress::new(IpAddr::V4(vip_ip(v)), 24).unwrap())],
        routes: Vec::new(),
        rules: Vec::new(),
        version: cluster.version,
        auth: cluster.auth.clone(),
        down_multiplier: cluster.multiplier,
        link_hold: cluster.hold,
        on_release: OnRelease::Reset,
        grace: cluster.grace,
        accept: Accept::Yes,
        hardware: cluster.hardware,
        interfaces: names().map(|n| (n, eth0())).collect(),
        vrid: Vrid::new(51 + v as i64).unwrap(),
        priorities: (0..cluster.nodes)
            .map(|n| {
                let priority = match rank(cluster, v, n) {
                    0 if cluster.owned => 255,
                    rank => top - rank as i64,
                };
                (node_name(n), Priority::new(priority).unwrap())
            })
            .collect(),
        advert_interval: cluster.interval,
        preempt: cluster.preempt,
        transport: if cluster.unicast { Transport::Unicast } else { Transport::Multicast(Transport::GROUP_V4) },
        checksum: Checksum::PseudoHeader,
        announce: Announce { repeat: 3, delay: Duration::from_secs(5), refresh: Duration::from_secs(60) },
        track: uses(&cluster.track),
        hooks: HookCommands {
            master: hook("master"),
            backup: hook("backup"),
            fault: hook("fault"),
            stop: hook("stop"),
            any: hook("any"),
        },
    }
}

fn group(cluster: &Cluster) -> GroupConfig {
    let any = Some(HookCommand { argv: vec!["/hooks/group".to_owned()] });
    GroupConfig {
        name: Name::new("edge").unwrap(),
        vips: (0..cluster.vips).map(|v| Name::new(&format!("vip{v}")).unwrap()).collect(),
        hooks: HookCommands { any, ..HookCommands::default() },
    }
}

/// Configuration number `version` as a file on disk would have it: another digest and another proxy text each.
pub fn loaded(cluster: &Cluster, node: usize, version: u64) -> Loaded {
    let ms = Duration::from_millis;
    let config = Config {
        nodes: (0..cluster.nodes)
            .map(|n| NodeConfig { name: node_name(n), address: IpAddr::V4(node_ip(n)), second_address: None })
            .collect(),
        vips: (0..cluster.vips).map(|v| vip(cluster, v)).collect(),
        trackers: cluster.track.iter().map(|(tracker, _)| tracker.clone()).collect(),
        groups: if cluster.grouped { vec![group(cluster)] } else { Vec::new() },
        peers: Some(PeersConfig { key_file: "/peers.key".into(), port: HELLO_PORT, interval: ms(1_000) }),
        proxy: ProxyConfig {
            engine: Engine::Haproxy,
            binary: "haproxy".into(),
            templates: None,
            on_stop: OnStop::Keep,
            maxconn: None,
            nbthread: None,
            user: None,
            group: None,
            timeouts: Timeouts {
                connect: ms(5_000),
                client: ms(30_000),
                server: ms(30_000),
                http_request: ms(10_000),
                more: MoreTimeouts::default(),
            },
            hard_stop_after: ms(600_000),
            log: None,
            log_format: LogFormat::Haproxy,
            error_pages: BTreeMap::new(),
            table_peers: None,
            tls_preset: None,
            raw: RawSections::default(),
            health: HealthConfig { interval: ms(250), timeout: ms(250), rise: 2, fall: 2 },
            restart: Backoff { min: ms(100), max: ms(10_000) },
            origin: None,
        },
        frontends: Vec::new(),
        backends: Vec::new(),
        resolvers: Vec::new(),
        userlists: Vec::new(),
        stats: None,
        hooks: HookSettings { user: None, group: None, timeout: ms(3_000) },
        http: None,
        notifiers: Vec::new(),
        digest: Digest(version),
    };
    let rendered = Rendered {
        text: text(version),
        generation: Digest(version),
        origins: vec![None],
        sources: Arc::new(Sources { files: Vec::new() }),
        files: Vec::new(),
        reads: std::collections::BTreeMap::new(),
    };
    let key = cluster.keyed.get(node).is_some_and(|keyed| *keyed).then(key);
    Loaded { config: Arc::new(config), rendered: Arc::new(rendered), key, key_note: None }
}

/// What the proxy runs: from one of these to another some changes need no reload.
fn text(version: u64) -> String {
    match version {
        1 | 4..=6 => format!("backend web\n    balance roundrobin\n    server a 192.0.2.9:80 weight {version}\n"),
        _ => format!("# {version}\n"),
    }
}

pub fn standard() -> Cluster {
    Cluster {
        nodes: 2,
        vips: 1,
        interval: Centis::SECOND,
        preempt: Preempt::After(Duration::ZERO),
        unicast: false,
        track: Vec::new(),
        multiplier: 3,
        hold: Duration::ZERO,
        grouped: false,
        owned: false,
        keyed: Vec::new(),
        grace: Duration::ZERO,
        hardware: Hardware::Interface,
        version: Version::V3,
        auth: Auth::None,
    }
}
