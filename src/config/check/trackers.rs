//! `[[tracker]]`: what is watched, and when it counts as failed.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use super::interfaces::{self, interfaces};
use super::nodes::{Nodes, link_local, unusable};
use super::{Cx, Names, at_most, hooks};
use crate::config::document::Item;
use crate::config::limits::{RAW_LINE_BYTES_MAX, TRACKER_INTERVAL, TRACKER_TIMEOUT, TRACKERS_MAX};
use crate::config::problem::{Place, Problem};
use crate::config::raw::RawTracker;
use crate::config::value::show_duration;
use crate::config::written::{At, TextOr};
use crate::config::{Tracker, TrackerKind, VipConfig};
use crate::units::Name;

/// The names of all trackers, and those that `track = [{ backend = ... }]` makes.
pub(super) struct Trackers {
    /// Whether the weight is multiplied with a number.
    names: Names<bool>,
    good_names: BTreeMap<String, Name>,
    made: BTreeMap<String, Place>,
}

/// The tables that a tracker may name.
pub(super) struct Around<'a, B, V> {
    pub(super) nodes: &'a Nodes,
    pub(super) backends: &'a Names<B>,
    pub(super) vips: &'a Names<V>,
    /// Those without problems.
    pub(super) users: &'a [VipConfig],
    /// Whether these are all.
    pub(super) all_users: bool,
}

impl Trackers {
    /// Takes the names in, before anything refers to them.
    pub(super) fn define(cx: &mut Cx<'_>, items: &[Item<RawTracker>]) -> Self {
        at_most(cx, items, TRACKERS_MAX, "[[tracker]]");
        let mut names = Names::new(cx, "[[tracker]]", items);
        let mut good_names = BTreeMap::new();
        for item in items {
            let raw = item.raw.get();
            if let Some(name) = names.define(cx, item, raw.name.as_ref(), raw.file.is_some()) {
                good_names.insert(name.as_str().to_owned(), name);
            }
        }
        Self { names, good_names, made: BTreeMap::new() }
    }

    /// A reference to a tracker: whether its weight is multiplied. None if there is no such tracker.
    pub(super) fn resolve(&self, cx: &mut Cx<'_>, place: Place, name: &str) -> Option<bool> {
        self.names.resolve(cx, place, name).copied()
    }

    /// A reference to a backend, which makes a tracker of its name.
    pub(super) fn backend(&mut self, cx: &mut Cx<'_>, place: Place, name: &str) {
        if let Some((first, _)) = self.names.map.get(name) {
            let rule = format!("`backend = {name:?}` makes a tracker of that name, which is taken");
            let problem = Problem::new(place.clone(), rule).label("used again").also(first.clone(), "first used here");
            cx.add(problem.fix(format!("write `tracker = {name:?}` if that is meant, or rename the [[tracker]]")));
        }
        self.made.entry(name.to_owned()).or_insert(place);
    }

    /// All trackers in the order of the file, then those made for backends by name.
    pub(super) fn check<B, V>(
        &self,
        cx: &mut Cx<'_>,
        items: &[Item<RawTracker>],
        around: &Around<'_, B, V>,
    ) -> Option<Vec<Tracker>> {
        let mut all: Vec<Option<Tracker>> = items.iter().map(|item| self.tracker(cx, item, around)).collect();
        all.extend(self.made.keys().map(|name| Name::new(name).ok().map(of_backend)));
        if let (true, Some((_, place))) = (all.len() > TRACKERS_MAX, self.made.iter().next()) {
            let rule =
                format!("there may be at most {TRACKERS_MAX} trackers, not {}, with those of backends", all.len());
            cx.add(Problem::new(place.clone(), rule).fix("run several vipkeepers, each with its part"));
        }
        all.into_iter().collect()
    }

    fn tracker<B, V>(&self, cx: &mut Cx<'_>, item: &Item<RawTracker>, around: &Around<'_, B, V>) -> Option<Tracker> {
        let raw = item.raw.get();
        let kind = self.kind(cx, item, around);
        let probes = [&raw.ping, &raw.tcp, &raw.http].into_iter().any(Option::is_some);
        let looks = probes || raw.script.is_some() || raw.file.is_some();
        if !looks && kind.is_some() {
            told_by_events(cx, item);
        }
        let times = times(cx, item);
        let usual = if probes { 2 } else { 1 };
        let (interval, timeout) = times?;
        Some(Tracker {
            name: self.good_names.get(raw.name.as_ref()?.get())?.clone(),
            kind: kind?,
            interval,
            timeout,
            rise: cx.count(raw.rise.as_ref(), usual),
            fall: cx.count(raw.fall.as_ref(), usual),
        })
    }

    /// The one key that says what is watched.
    fn kind<B, V>(&self, cx: &mut Cx<'_>, item: &Item<RawTracker>, around: &Around<'_, B, V>) -> Option<TrackerKind> {
        let raw = item.raw.get();
        exactly_one(cx, item)?;
        belongs(cx, item, "user", raw.user.as_ref().map(At::span), ("script", raw.script.is_some()))?;
        belongs(cx, item, "up_percent", raw.up_percent.as_ref().map(At::span), ("backend", raw.backend.is_some()))?;
        let of_backend = |cx: &mut Cx<'_>, written: &At<String>| {
            around.backends.resolve(cx, item.at(written), written.get())?;
            Name::new(written.get()).ok()
        };
        if let Some(written) = &raw.ping {
            return host(cx, item, written).map(|address| TrackerKind::Ping { address });
        }
        if let Some(written) = &raw.tcp {
            return endpoint(cx, item, written).map(|address| TrackerKind::Tcp { address });
        }
        if let Some(written) = &raw.http {
            return url(cx, item, written).map(|url| TrackerKind::Http { url });
        }
        if raw.script.is_some() {
            let user = cx.system_name(item.file, raw.user.as_ref());
            let command = hooks::command(cx, item.file, "script", &raw.script)?;
            return Some(TrackerKind::Script { command, user: user.ok()? });
        }
        if let Some(written) = &raw.file {
            return file(cx, item, written).map(|path| TrackerKind::File { path });
        }
        if let Some(written) = &raw.interface {
            return self.interface(cx, item, written, around);
        }
        if let Some(written) = &raw.backend {
            let up_percent = raw.up_percent.as_ref().map_or(Some(1), |percent| u8::try_from(*percent.get()).ok())?;
            return of_backend(cx, written).map(|backend| TrackerKind::Backend { backend, up_percent });
        }
        if let Some(written) = &raw.queue {
            let backend = of_backend(cx, written.get().backend.as_ref()?)?;
            let requests = u64::try_from(*written.get().requests.as_ref()?.get()).ok()?;
            return Some(TrackerKind::Queue { backend, requests });
        }
        if let Some(written) = &raw.saturation {
            return u8::try_from(*written.get()).ok().map(|percent| TrackerKind::Saturation { percent });
        }
        let written = raw.vip.as_ref()?;
        around.vips.resolve(cx, item.at(written), written.get())?;
        Name::new(written.get()).ok().map(|vip| TrackerKind::Vip { vip })
    }

    /// A table must speak of every node that tracks it; a name counts for all.
    fn interface<B, V>(
        &self,
        cx: &mut Cx<'_>,
        item: &Item<RawTracker>,
        value: &At<TextOr<super::super::raw::PerNode>>,
        around: &Around<'_, B, V>,
    ) -> Option<TrackerKind> {
        let name = item.raw.get().name.as_ref()?.get();
        let uses = |vip: &&VipConfig| vip.track.iter().any(|track| track.tracker.as_str() == name);
        let users: BTreeSet<&Name> = around.users.iter().filter(uses).flat_map(|vip| vip.priorities.keys()).collect();
        let needed_by = match value.get() {
            TextOr::Text(_) => Some(around.nodes.in_order().collect()),
            TextOr::Other(_) => around.all_users.then(|| users.into_iter().collect()),
        };
        let written = interfaces::Written { file: item.file, value, needed_by, not_needed: None };
        let (interfaces, outcome) = interfaces(cx, around.nodes, &written);
        outcome.ok().map(|()| TrackerKind::Interface(interfaces))
    }
}

/// A backend that is lost when none of its servers is up.
fn of_backend(backend: Name) -> Tracker {
    Tracker {
        name: backend.clone(),
        kind: TrackerKind::Backend { backend, up_percent: 1 },
        interval: TRACKER_INTERVAL.default,
        timeout: TRACKER_TIMEOUT.default,
        rise: 1,
        fall: 1,
    }
}

fn exactly_one(cx: &mut Cx<'_>, item: &Item<RawTracker>) -> Option<()> {
    let raw = item.raw.get();
    let kinds = [
        ("ping", raw.ping.as_ref().map(At::span)),
        ("tcp", raw.tcp.as_ref().map(At::span)),
        ("http", raw.http.as_ref().map(At::span)),
        ("script", raw.script.as_ref().map(At::span)),
        ("file", raw.file.as_ref().map(At::span)),
        ("interface", raw.interface.as_ref().map(At::span)),
        ("backend", raw.backend.as_ref().map(At::span)),
        ("queue", raw.queue.as_ref().map(At::span)),
        ("saturation", raw.saturation.as_ref().map(At::span)),
        ("vip", raw.vip.as_ref().map(At::span)),
    ];
    let mut written = kinds.iter().filter_map(|(key, span)| span.clone().map(|span| (*key, span)));
    match (written.next(), written.next()) {
        (Some(_), None) => Some(()),
        (Some((first, also)), Some((second, span))) => {
            let rule = format!("a [[tracker]] watches one thing, not `{first}` and `{second}`");
            let problem = Problem::new(Place::new(item.file, span), rule).label("the second");
            cx.add(problem.also(Place::new(item.file, also), "the first").fix("make a [[tracker]] of each"));
            None
        }
        (None, _) => {
            if cx.is_whole(&item.place()) {
                let keys: Vec<_> = kinds.iter().map(|(key, _)| format!("`{key}`")).collect();
                let problem = Problem::new(item.place(), "[[tracker]] does not say what is watched");
                cx.add(problem.label("nothing to watch").fix(format!("add one of {}", keys.join(", "))));
            }
            None
        }
    }
}

/// A key that means something beside another one only.
fn belongs(
    cx: &mut Cx<'_>,
    item: &Item<RawTracker>,
    key: &str,
    written: Option<std::ops::Range<usize>>,
    (to, is_there): (&str, bool),
) -> Option<()> {
    match written {
        Some(span) if !is_there => {
            let rule = format!("`{key}` means nothing without `{to}`");
            cx.add(Problem::new(Place::new(item.file, span), rule).label("never used").fix("remove it"));
            None
        }
        Some(_) | None => Some(()),
    }
}

fn told_by_events(cx: &mut Cx<'_>, item: &Item<RawTracker>) {
    let raw = item.raw.get();
    for (key, written) in [("interval", &raw.interval), ("timeout", &raw.timeout)] {
        let Some(written) = written else { continue };
        let rule = format!("`{key}` means nothing here: vipkeeper learns of changes without looking");
        let problem = Problem::new(item.at(written), rule).label("never used");
        let note = "only `ping`, `tcp`, `http`, `script` and `file` are looked at again and again";
        cx.add(problem.note(note).fix("remove it"));
    }
}

/// Interval and timeout; the second is the first when absent.
fn times(cx: &mut Cx<'_>, item: &Item<RawTracker>) -> Option<(Duration, Duration)> {
    let raw = item.raw.get();
    let interval = cx.duration(item.file, "interval", raw.interval.as_ref(), TRACKER_INTERVAL);
    let Some(written) = &raw.timeout else { return interval.map(|interval| (interval, interval)) };
    let timeout = cx.duration(item.file, "timeout", Some(written), TRACKER_TIMEOUT);
    let (interval, timeout) = (interval?, timeout?);
    if timeout > interval {
        let shown = show_duration(interval);
        let problem = Problem::new(item.at(written), format!("`timeout` must be at most the interval, {shown}"));
        let problem = problem.label("longer than the interval");
        cx.add(problem.fix(format!("write `timeout = \"{shown}\"`, or a longer interval")));
        return None;
    }
    Some((interval, timeout))
}

fn host(cx: &mut Cx<'_>, item: &Item<RawTracker>, written: &At<String>) -> Option<IpAddr> {
    let ip = written.get().parse::<IpAddr>().ok();
    let label = match ip {
        None => "not an address",
        Some(ip) if link_local(ip) => "a link-local address says nothing without its interface",
        Some(ip) => match unusable(ip) {
            None => return Some(ip),
            Some(why) => why,
        },
    };
    let problem = Problem::new(item.at(written), "`ping` must be the address of a host").label(label);
    cx.add(problem.fix("write, for example, `ping = \"192.168.83.1\"`; names are not looked up"));
    None
}

fn endpoint(cx: &mut Cx<'_>, item: &Item<RawTracker>, written: &At<String>) -> Option<SocketAddr> {
    let address = written.get().parse::<SocketAddr>().ok();
    let label = match address {
        None => "not \"address:port\"",
        Some(address) if address.port() == 0 => "the port is 0",
        Some(address) if link_local(address.ip()) => "a link-local address says nothing without its interface",
        Some(address) => match unusable(address.ip()) {
            None => return Some(address),
            Some(why) => why,
        },
    };
    let problem = Problem::new(item.at(written), "`tcp` must be the address and port of a host").label(label);
    cx.add(problem.fix("write \"192.168.83.1:53\" or \"[2001:db8:83::1]:53\", for example; names are not looked up"));
    None
}

fn url(cx: &mut Cx<'_>, item: &Item<RawTracker>, written: &At<String>) -> Option<String> {
    let text = written.get();
    let label = match text.strip_prefix("http://") {
        None if text.starts_with("https://") => "only http:// is spoken",
        None => "not http://",
        Some(_) if text.len() > RAW_LINE_BYTES_MAX => "too long",
        Some(_) if !text.bytes().all(|b| b.is_ascii_graphic()) => "white space or a character that must be escaped",
        Some(rest) => match bad_authority(rest.split(['/', '?', '#']).next().unwrap_or(rest)) {
            None => return Some(text.clone()),
            Some(why) => why,
        },
    };
    let problem = Problem::new(item.at(written), "`http` must be a URL that starts with http://").label(label);
    let fix = "write, for example, `http = \"http://127.0.0.1:9000/ready\"`; for https:// use a `script`";
    cx.add(problem.fix(fix));
    None
}

/// What is wrong with `host:port` of a URL.
fn bad_authority(authority: &str) -> Option<&'static str> {
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        Some(_) | None => (authority, None),
    };
    let good_port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good_host = match bracketed {
        Some(ip) => ip.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !host.is_empty() && host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')),
    };
    match (good_host, good_port) {
        (false, _) => Some("no host"),
        (true, false) => Some("the port is not a number from 1 to 65535"),
        (true, true) => None,
    }
}

fn file(cx: &mut Cx<'_>, item: &Item<RawTracker>, written: &At<String>) -> Option<PathBuf> {
    let path = PathBuf::from(written.get());
    if path.is_absolute() && !written.get().contains('\0') {
        return Some(path);
    }
    let problem = Problem::new(item.at(written), "`file` must be an absolute path").label("not absolute");
    cx.add(problem.fix("write, for example, `file = \"/run/maintenance\"`"));
    None
}
