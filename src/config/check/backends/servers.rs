//! `server` and `server_defaults` of a backend.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::path::{Path, PathBuf};

use super::checks::port;
use super::{persistence, template};
use crate::config::check::{Cx, Names, Reported};
use crate::config::document::Item;
use crate::config::limits::{SERVERS_MAX, SLOWSTART};
use crate::config::problem::{Place, Problem};
use crate::config::raw::{
    RawBackend, RawFamily, RawInitAddr, RawSendProxy, RawServer, RawServerDefaults, RawServerTls, RawServerTlsVersion,
    RawServerVerify,
};
use crate::config::written::{At, Some1};
use crate::config::{InitAddr, SendProxy, Server, ServerSettings, ServerTls, Sni, TlsTrust, TlsVersion};
use crate::units::{Family, Name};

/// Protocols in one offer; more are refused.
const ALPN_MAX: usize = 8;

/// What servers have that say nothing else.
#[derive(Debug, Default)]
pub(super) struct Defaults {
    pub(super) settings: ServerSettings,
    pub(super) weight: Option<u32>,
    pub(super) maxconn: Option<u32>,
}

pub(super) fn defaults(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    resolvers: &Names<Option<Name>>,
) -> Result<Defaults, Reported> {
    let Some(written) = &item.raw.get().server_defaults else { return Ok(Defaults::default()) };
    let raw = written.get();
    Ok(Defaults {
        settings: settings(cx, item, resolvers, raw)?,
        weight: count(raw.weight.as_ref()),
        maxconn: count(raw.maxconn.as_ref()),
    })
}

/// A count that the shape pass found within its range.
fn count(written: Option<&At<i64>>) -> Option<u32> {
    written.and_then(|count| u32::try_from(*count.get()).ok())
}

pub(super) fn servers(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    defaults: &Result<Defaults, Reported>,
    resolvers: &Names<Option<Name>>,
    left: &mut usize,
) -> Option<Vec<Server>> {
    // The backend says so where there is no template either.
    let Some(written) = &item.raw.get().server else { return Some(Vec::new()) };
    let list = &written.get().0;
    if list.len() > *left {
        let rule = format!("there may be at most {SERVERS_MAX} servers in all backends together");
        cx.add(
            Problem::new(item.at(written), rule)
                .label("too many with these")
                .fix("run several vipkeepers, each with its part"),
        );
        *left = 0;
        return None;
    }
    *left = left.saturating_sub(list.len());
    let mut names: BTreeMap<&str, &At<String>> = BTreeMap::new();
    let none = Defaults::default();
    let around = Around { defaults: defaults.as_ref().unwrap_or(&none), resolvers };
    let defaults = around.defaults;
    let servers: Vec<_> = list.iter().map(|entry| server(cx, item, entry, &around, &mut names)).collect();
    let weight = |entry: &At<RawServer>| count(entry.get().weight.as_ref()).or(defaults.weight).unwrap_or(1);
    if list.iter().all(|entry| weight(entry) == 0) {
        let problem = Problem::new(item.at(written), "all servers of this backend have weight 0");
        cx.add(problem.label("none would get a request").fix("give at least one a weight from 1 to 256"));
        return None;
    }
    servers.into_iter().collect()
}

/// What a server is checked against.
struct Around<'a> {
    defaults: &'a Defaults,
    resolvers: &'a Names<Option<Name>>,
}

fn server<'a>(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    entry: &'a At<RawServer>,
    around: &Around<'_>,
    names: &mut BTreeMap<&'a str, &'a At<String>>,
) -> Option<Server> {
    let raw = entry.get();
    let name = raw.name.as_ref().and_then(|written| server_name(cx, item, written, names));
    let address = raw.address.as_ref().and_then(|written| address(cx, item.at(written), written.get()));
    let options = match &raw.options {
        Some(options) => cx.one_line(item.file, "options", options).map(Some),
        None => Some(None),
    };
    let own = raw.settings();
    let settings = settings(cx, item, around.resolvers, &own);
    let cookie = persistence::value(cx, item, raw.cookie.as_ref(), raw.name.as_ref());
    let defaults = around.defaults;
    Some(Server {
        name: name?,
        address: address?,
        weight: count(own.weight.as_ref()).or(defaults.weight).unwrap_or(1),
        backup: raw.backup.as_ref().is_some_and(|backup| *backup.get()),
        maxconn: count(own.maxconn.as_ref()).or(defaults.maxconn),
        cookie: cookie.ok()?,
        disabled: raw.disabled.as_ref().is_some_and(|disabled| *disabled.get()),
        checked: raw.check.as_ref().is_none_or(|check| *check.get()),
        settings: settings.ok()?,
        options: options?,
        origin: cx.origin(&item.at(entry)),
    })
}

fn settings(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    known: &Names<Option<Name>>,
    raw: &RawServerDefaults,
) -> Result<ServerSettings, Reported> {
    let RawServerDefaults {
        weight: _,
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
    } = raw;
    let resolvers = resolvers.as_ref().map(|name| template::reference(cx, item, known, name)).transpose();
    let slowstart = cx.optional_duration(item.file, "slowstart", slowstart.as_ref(), SLOWSTART);
    let tls = tls.as_ref().map(|tls| server_tls(cx, item, tls)).transpose();
    let check_addr = optional_host(cx, item, "check_addr", check_addr.as_ref());
    let minconn = match (count(minconn.as_ref()), count(maxconn.as_ref()), minconn) {
        (Some(min), Some(max), Some(written)) if min > max => {
            let problem = Problem::new(item.at(written), "`minconn` must not be more than `maxconn`");
            cx.add(problem.label(format!("more than {max}")).fix(format!("write `minconn = {max}` or less")));
            Err(Reported)
        }
        (min, _, _) => Ok(min),
    };
    Ok(ServerSettings {
        minconn: minconn?,
        maxqueue: count(maxqueue.as_ref()),
        slowstart: slowstart?,
        tls: tls?,
        send_proxy: send_proxy.as_ref().map(|version| match version.get() {
            RawSendProxy::V1 => SendProxy::V1,
            RawSendProxy::V2 => SendProxy::V2,
            RawSendProxy::V2Ssl => SendProxy::V2Ssl,
            RawSendProxy::V2SslCn => SendProxy::V2SslCn,
        }),
        check_port: port(check_port.as_ref()),
        check_addr: check_addr?,
        resolvers: resolvers?,
        resolve_prefer: resolve_prefer.as_ref().map(|family| match family.get() {
            RawFamily::Ipv4 => Family::V4,
            RawFamily::Ipv6 => Family::V6,
        }),
        init_addr: init_addr.iter().flat_map(|list| &list.get().0).map(init_method).collect(),
    })
}

fn init_method(written: &At<RawInitAddr>) -> InitAddr {
    match written.get() {
        RawInitAddr::Last => InitAddr::Last,
        RawInitAddr::Libc => InitAddr::Libc,
        RawInitAddr::None => InitAddr::None,
    }
}

fn server_tls(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: &At<RawServerTls>) -> Result<ServerTls, Reported> {
    let RawServerTls { verify, ca, verify_host, sni, certificate, alpn, min_version } = written.get();
    let trust = trust(cx, item, verify.as_ref(), ca.as_ref(), verify_host.as_ref());
    let sni = sni.as_ref().map(|sni| server_name_indication(cx, item, sni)).transpose();
    let certificate = certificate.as_ref().map(|file| self::file(cx, item, "certificate", file)).transpose();
    let alpn = self::alpn(cx, item, alpn.as_ref());
    Ok(ServerTls {
        trust: trust?,
        sni: sni?,
        certificate: certificate?,
        alpn: alpn?,
        min_version: min_version.as_ref().map(|version| match version.get() {
            RawServerTlsVersion::V10 => TlsVersion::V10,
            RawServerTlsVersion::V11 => TlsVersion::V11,
            RawServerTlsVersion::V12 => TlsVersion::V12,
            RawServerTlsVersion::V13 => TlsVersion::V13,
        }),
    })
}

/// How certificates are judged. Without a word they are, by the authorities of the system.
pub(super) fn trust(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    verify: Option<&At<RawServerVerify>>,
    ca: Option<&At<String>>,
    verify_host: Option<&At<String>>,
) -> Result<TlsTrust, Reported> {
    match verify.map(At::get) {
        None | Some(RawServerVerify::Required) => {
            let ca = ca.map(|ca| file(cx, item, "ca", ca)).transpose();
            let verify_host = optional_host(cx, item, "verify_host", verify_host);
            Ok(TlsTrust::Authorities { ca: ca?, verify_host: verify_host? })
        }
        Some(RawServerVerify::None) => {
            let stray = ca.map(|ca| ("ca", ca)).or(verify_host.map(|host| ("verify_host", host)));
            let Some((key, written)) = stray else { return Ok(TlsTrust::Anybody) };
            let problem = Problem::new(item.at(written), format!("`{key}` means nothing with `verify = \"none\"`"));
            cx.add(problem.label("never looked at").fix(format!("remove `{key}`, or remove `verify`")));
            Err(Reported)
        }
    }
}

fn file(cx: &mut Cx<'_>, item: &Item<RawBackend>, key: &str, written: &At<String>) -> Result<PathBuf, Reported> {
    let text = cx.one_line(item.file, key, written).ok_or(Reported)?;
    if Path::new(&text).is_absolute() {
        return Ok(PathBuf::from(text));
    }
    let problem = Problem::new(item.at(written), format!("`{key}` must be an absolute path"));
    cx.add(
        problem
            .label("relative")
            .fix(format!("write, for example, `{key} = \"/etc/vipkeeper/{}\"`", text.escape_debug())),
    );
    Err(Reported)
}

/// A host name, or a sample expression: no host name has parentheses.
fn server_name_indication(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: &At<String>) -> Result<Sni, Reported> {
    let text = cx.one_line(item.file, "sni", written).ok_or(Reported)?;
    if text.contains('(') && !text.contains(char::is_whitespace) {
        return Ok(Sni::Expression(text));
    }
    if text.parse::<IpAddr>().is_ok() {
        let problem = Problem::new(item.at(written), "`sni` must be a host name, not an address");
        let note = "addresses are not asked for by name (RFC 6066 section 3)";
        cx.add(problem.label("an address").note(note).fix("remove it, or write the host name"));
        return Err(Reported);
    }
    host(cx, item.at(written), "sni", &text).map(Sni::Name)
}

pub(super) fn alpn(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    written: Option<&At<Some1<At<String>>>>,
) -> Result<Vec<String>, Reported> {
    let Some(written) = written else { return Ok(Vec::new()) };
    let good = |text: &str| {
        !text.is_empty() && text.len() <= 32 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/.-_".contains(&b))
    };
    let list = &written.get().0;
    if list.len() <= ALPN_MAX && list.iter().all(|one| good(one.get())) {
        return Ok(list.iter().map(|one| one.get().clone()).collect());
    }
    let rule = format!("`alpn` must be 1 to {ALPN_MAX} names of protocols");
    let problem = Problem::new(item.at(written), rule).label("not such names");
    cx.add(problem.fix("write, for example, `alpn = [\"h2\", \"http/1.1\"]`"));
    Err(Reported)
}

fn server_name<'a>(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    written: &'a At<String>,
    names: &mut BTreeMap<&'a str, &'a At<String>>,
) -> Option<Name> {
    let place = item.at(written);
    if let Some(first) = names.insert(written.get(), written) {
        let problem = Problem::new(place, format!("two servers of this backend are named {:?}", written.get()));
        cx.add(problem.label("used again").also(item.at(first), "first used here").fix("give each a name of its own"));
        return None;
    }
    Name::new(written.get())
        .map_err(|error| cx.add(Problem::new(place, error.to_string()).fix("write a short word, such as \"web1\"")))
        .ok()
}

/// `host:port`.
pub(super) fn address(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<String> {
    let problem = Problem::new(place, "the address of a server must be \"host:port\"");
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) if host.parse::<Ipv6Addr>().is_err() && text.parse::<Ipv6Addr>().is_err() => (host, port),
        Some((host, port)) => {
            let meant =
                if host.parse::<Ipv6Addr>().is_ok() { format!("[{host}]:{port}") } else { format!("[{text}]:80") };
            cx.add(problem.label("an IPv6 address needs brackets").fix(format!("write {meant:?}")));
            return None;
        }
        None => {
            let fix = format!("write \"{}:80\"", text.escape_debug());
            cx.add(problem.label("no port").fix(fix));
            return None;
        }
    };
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        cx.add(
            problem
                .label("the port is not a number from 1 to 65535")
                .fix(format!("write \"{}:80\"", host.escape_debug())),
        );
        return None;
    }
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let good = match bracketed {
        Some(ip) => ip.parse::<Ipv6Addr>().is_ok(),
        None => is_host_name(host),
    };
    if !good {
        cx.add(problem.label("not an address or DNS name").fix("write, for example, \"192.168.83.129:8080\""));
        return None;
    }
    Some(text.to_owned())
}

pub(super) fn is_host_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= 253 && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
}

/// A host alone: a name or an address.
pub(super) fn host(cx: &mut Cx<'_>, place: Place, key: &str, text: &str) -> Result<String, Reported> {
    if is_host_name(text) || text.parse::<Ipv6Addr>().is_ok() {
        return Ok(text.to_owned());
    }
    let last = key.rsplit('.').next().unwrap_or(key);
    let problem = Problem::new(place, format!("`{key}` must be a host name or an address"));
    let label = if text.contains(':') { "a host alone, without a port" } else { "neither" };
    cx.add(problem.label(label).fix(format!("write, for example, `{last} = \"web.internal\"`")));
    Err(Reported)
}

pub(super) fn optional_host(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    key: &str,
    written: Option<&At<String>>,
) -> Result<Option<String>, Reported> {
    written.map(|written| host(cx, item.at(written), key, written.get())).transpose()
}
