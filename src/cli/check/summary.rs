//! What was understood of a configuration, one line for each thing, and what each weight can do.

use std::time::Duration;

use crate::cli::place::Me;
use crate::config::proof::{self, Effect};
use crate::config::{
    Accept, Auth, Backend, Bind, BindTarget, CheckKind, Config, Engine, Frontend, GroupConfig, Hardware, HmacMode,
    PeersConfig, Preempt, RedisRole, Track, Tracker, TrackerKind, Transport, Version, VipConfig, VirtualAddress,
};
use crate::units::{IfName, Name};

pub(super) fn summary(config: &Config, me: &Me) -> String {
    let mut lines = Vec::new();
    for node in &config.nodes {
        let mark = if *me == Me::Node(node.name.clone()) { "  (this host)" } else { "" };
        let second = node.second_address.map(|ip| format!(" and {ip}")).unwrap_or_default();
        lines.push(format!("node      {} at {}{second}{mark}", node.name, node.address));
    }
    for one in &config.vips {
        lines.push(vip(one));
        let effects = proof::effects(one, &config.trackers);
        lines.extend(one.track.iter().zip(effects).map(|(track, effect)| weight(one, track, &effect)));
    }
    lines.extend(config.groups.iter().map(group));
    lines.extend(config.trackers.iter().map(tracker));
    lines.extend(peers(config));
    lines.extend(config.frontends.iter().map(frontend));
    lines.extend(config.backends.iter().map(|one| backend(config.proxy.engine, one)));
    if let Me::Nobody { host } = me {
        lines.push(format!("\nthis host is called {host:?} and is none of the nodes: `run` would want --node here"));
    }
    lines.iter().fold(String::new(), |text, line| text + line + "\n")
}

fn vip(vip: &VipConfig) -> String {
    let (advertised, excluded): (Vec<&VirtualAddress>, Vec<_>) = vip.addresses.iter().partition(|a| a.advertised);
    let shown = |list: &[&VirtualAddress]| list.iter().map(|a| a.address.to_string()).collect::<Vec<_>>().join(" ");
    let excluded = if excluded.is_empty() { String::new() } else { format!(" (and {})", shown(&excluded)) };
    let mut holders: Vec<_> = vip.priorities.iter().collect();
    holders.sort_by(|(a, x), (b, y)| y.cmp(x).then(a.cmp(b)));
    let holders: Vec<String> = holders.iter().map(|(node, priority)| format!("{node} ({priority})")).collect();
    let preempt = match vip.preempt {
        Preempt::Refused => "does not move back".to_owned(),
        Preempt::After(delay) if delay.is_zero() => "moves back at once".to_owned(),
        Preempt::After(delay) => format!("moves back after {delay:?}"),
    };
    let protocol = match vip.version {
        Version::V2 => "VRRPv2",
        Version::V3 => "VRRPv3",
    };
    format!(
        "VIP       {}: {}{excluded} on {}, vrid {} of {protocol} for {}, held by {}; adverts every {:?}, {preempt}{}",
        vip.name,
        shown(&advertised),
        interfaces(vip.interfaces.iter()),
        vip.vrid,
        vip.family().name(),
        holders.join(", else "),
        vip.advert_interval.duration(),
        more(vip),
    )
}

/// What is not as usual.
fn more(vip: &VipConfig) -> String {
    let mut more = Vec::new();
    match vip.transport {
        Transport::Multicast(group) if group == Transport::default_group(vip.family()) => {}
        Transport::Multicast(group) => more.push(format!("to {group}")),
        Transport::Unicast => more.push("unicast".to_owned()),
    }
    match &vip.auth {
        Auth::None => {}
        Auth::Password(_) => more.push("with a password, which protects against mistakes only".to_owned()),
        Auth::Hmac(hmac) => more.push(match hmac.mode {
            HmacMode::Enforce => format!("signed with key {}", hmac.active),
            HmacMode::Permissive => format!("signed with key {}, unsigned ones count too", hmac.active),
            HmacMode::ReceiveOnly => "not signed yet".to_owned(),
        }),
    }
    match vip.down_multiplier {
        3 => {}
        1 => more.push("a single lost advert moves it".to_owned()),
        times => more.push(format!("gone after {times} lost adverts")),
    }
    for (count, what) in [(vip.routes.len(), "routes"), (vip.rules.len(), "rules")] {
        if count > 0 {
            more.push(format!("{what}: {count}"));
        }
    }
    if vip.accept == Accept::No {
        more.push("forwarding only".to_owned());
    }
    if vip.hardware == Hardware::Virtual {
        more.push(format!("virtual MAC on {}", IfName::of_virtual_router(vip.family(), vip.vrid)));
    }
    more.iter().map(|one| format!(", {one}")).collect()
}

/// One name where it is the same on all nodes.
fn interfaces<'a>(all: impl Iterator<Item = (&'a Name, &'a IfName)>) -> String {
    let all: Vec<_> = all.collect();
    match all.as_slice() {
        [(_, first), others @ ..] if others.iter().all(|(_, i)| i == first) => first.to_string(),
        all => all.iter().map(|(node, i)| format!("{i} ({node})")).collect::<Vec<_>>().join(", "),
    }
}

/// Whether this can ever move the VIP, by arithmetic.
fn weight(vip: &VipConfig, track: &Track, effect: &Effect) -> String {
    let reversed = if track.reverse { ", reversed" } else { "" };
    let what = format!("vip {}: tracker {}, weight {}{reversed}", vip.name, track.tracker, track.weight);
    let says = match effect {
        Effect::Abstains if track.reverse => "a node where it is good does not hold it".to_owned(),
        Effect::Abstains => "a node where it is failed does not hold it".to_owned(),
        Effect::Alone(arithmetic) => format!("{arithmetic}: moves it"),
        Effect::Together(arithmetic) => format!("{arithmetic}: moves it only together with others"),
        // Such a configuration is refused; this is for completeness.
        Effect::Never { arithmetic, enough: _ } => format!("{arithmetic}: never moves it"),
    };
    format!("          {what}: {says}")
}

fn group(group: &GroupConfig) -> String {
    let vips: Vec<&str> = group.vips.iter().map(Name::as_str).collect();
    format!("group     {}: {} are always together", group.name, vips.join(", "))
}

fn tracker(tracker: &Tracker) -> String {
    let (what, looks) = match &tracker.kind {
        TrackerKind::Backend { backend, up_percent: 1 } => (format!("a server of backend {backend} is up"), false),
        TrackerKind::Backend { backend, up_percent } => {
            (format!("{up_percent}% of the servers of backend {backend} are up"), false)
        }
        TrackerKind::Saturation { percent } => {
            (format!("the proxy has less than {percent}% of its connections"), false)
        }
        TrackerKind::Queue { backend, requests } => {
            (format!("less than {requests} requests wait in backend {backend}"), false)
        }
        TrackerKind::Interface(all) => (format!("carrier on {}", interfaces(all.iter())), false),
        TrackerKind::Vip { vip } => (format!("this node holds VIP {vip}"), false),
        TrackerKind::Script { command, user } => {
            let user = user.as_ref().map(|user| format!(" as {user}")).unwrap_or_default();
            (format!("{} ends with 0{user}", command.argv.join(" ")), true)
        }
        TrackerKind::File { path } => (format!("the number in {} is 0", path.display()), true),
        TrackerKind::Tcp { address } => (format!("a connection to {address}"), true),
        TrackerKind::Http { url } => (format!("GET {url}"), true),
        TrackerKind::Ping { address } => (format!("an echo from {address}"), true),
    };
    let times = if looks { every(tracker) } else { String::new() };
    format!("tracker   {}: {what}{times}", tracker.name)
}

fn every(tracker: &Tracker) -> String {
    let Tracker { name: _, kind: _, interval, timeout, rise, fall } = tracker;
    let within: &Duration = timeout;
    format!(", every {interval:?} within {within:?}, failed after {fall}, good after {rise}")
}

fn peers(config: &Config) -> Option<String> {
    match &config.peers {
        Some(PeersConfig { key_file, port, interval }) => {
            Some(format!("peers     UDP port {port}, a hello every {interval:?}, key in {}", key_file.display()))
        }
        None if config.nodes.len() > 1 => Some("peers     do not talk to each other beside VRRP".to_owned()),
        None => None,
    }
}

fn frontend(frontend: &Frontend) -> String {
    let binds: Vec<String> = frontend.binds.iter().map(bind).collect();
    let to = frontend.default_backend.as_ref().map(|backend| format!(" to backend {backend}")).unwrap_or_default();
    let https = if frontend.rules.redirect_https { ", redirects to https" } else { "" };
    format!("frontend  {}: {}{to}{https}", frontend.name, binds.join(" "))
}

fn bind(bind: &Bind) -> String {
    let address = match &bind.target {
        BindTarget::Vip(name) => format!("{name}:{}", bind.port),
        BindTarget::Any => format!("*:{}", bind.port),
        BindTarget::Address(ip) => std::net::SocketAddr::new(*ip, bind.port).to_string(),
        BindTarget::Unix(path) => path.display().to_string(),
    };
    if bind.tls.is_some() { format!("{address} (TLS)") } else { address }
}

fn backend(engine: Engine, backend: &Backend) -> String {
    let template = backend.template.as_ref().map(|t| format!("{}1-{} ({})", t.prefix, t.count, t.address));
    let servers = backend.servers.iter().map(|s| format!("{} ({})", s.name, s.address));
    let servers: Vec<String> = servers.chain(template).collect();
    let check = match &backend.check {
        None => "never checked".to_owned(),
        Some(_) if engine == Engine::Nginx => "requests of clients are watched".to_owned(),
        Some(check) => format!("{} every {:?}", check_kind(&check.kind), check.interval),
    };
    format!("backend   {}: {}, {}; check: {check}", backend.name, backend.balance, servers.join(", "))
}

fn check_kind(kind: &CheckKind) -> String {
    match kind {
        CheckKind::Tcp => "a connection".to_owned(),
        CheckKind::Http { method, path, .. } => format!("{method} {path}"),
        CheckKind::Mysql { user } => format!("a MySQL handshake as {user}"),
        CheckKind::Pgsql { user } => format!("a PostgreSQL session as {user}"),
        CheckKind::Redis { role: RedisRole::Any, .. } => "a Redis PING".to_owned(),
        CheckKind::Redis { role: RedisRole::Master, .. } => "a Redis PING of the master".to_owned(),
        CheckKind::Redis { role: RedisRole::Replica, .. } => "a Redis PING of replicas".to_owned(),
        CheckKind::Smtp { hello } => format!("EHLO {hello}"),
        CheckKind::Ldap => "an LDAP bind".to_owned(),
        CheckKind::SslHello => "a TLS hello".to_owned(),
        CheckKind::Patroni(_) => "Patroni's word".to_owned(),
        CheckKind::Rabbitmq => "an AMQP header".to_owned(),
        CheckKind::Script(steps) => format!("a script of {} steps", steps.len()),
    }
}
