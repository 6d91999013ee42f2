//! `check` and `agent` of a backend: one kind of check, how it reaches the servers, and what follows.

use std::ops::Range;

use super::balance::is_token;
use super::http_check;
use super::servers;
use super::tcp_check;
use crate::config::check::{Cx, Reported};
use crate::config::document::Item;
use crate::config::limits::CHECK_INTERVAL;
use crate::config::problem::{Place, Problem};
use crate::config::raw::{
    RawAgent, RawBackend, RawCheck, RawCheckTls, RawObserve, RawOnError, RawOnMarkedDown, RawOnMarkedUp, RawPatroniRole,
};
use crate::config::written::At;
use crate::config::{
    Agent, Check, CheckKind, CheckPace, CheckReaction, CheckRoute, CheckTls, Mode, Observe, ObserveLayer, OnError,
    PatroniRole,
};

/// `error_limit` where it is not written; HAProxy's own.
const ERROR_LIMIT: u32 = 10;

pub(super) fn check(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    mode: Mode,
    written: &At<RawCheck>,
) -> Result<Check, Reported> {
    let raw = written.get();
    let interval = cx.duration(item.file, "check.interval", raw.interval.as_ref(), CHECK_INTERVAL);
    let (rise, fall) = (cx.count(raw.rise.as_ref(), 2), cx.count(raw.fall.as_ref(), 3));
    let kind = kind(cx, item, mode, written);
    let route = route(cx, item, raw);
    let pace = pace(cx, item, raw);
    let reaction = reaction(cx, item, mode, raw);
    Ok(Check {
        kind: kind?,
        interval: interval.ok_or(Reported)?,
        rise,
        fall,
        route: route?,
        pace: pace?,
        reaction: reaction?,
    })
}

/// The kinds that are written, in the order of the reference page.
fn kinds<'a>(item: &Item<RawBackend>, raw: &'a RawCheck) -> Vec<(&'static str, Kind<'a>, Place)> {
    let flag = |flag: &'a Option<At<bool>>| flag.as_ref().filter(|flag| *flag.get());
    let mut found = Vec::new();
    let mut add = |name, kind: Option<(Kind<'a>, Range<usize>)>| {
        if let Some((kind, span)) = kind {
            found.push((name, kind, Place::new(item.file, span)));
        }
    };
    add("tcp", flag(&raw.tcp).map(|v| (Kind::Tcp, v.span())));
    add("http", raw.http.as_ref().map(|v| (Kind::Http(v), v.span())));
    add("mysql", raw.mysql.as_ref().map(|v| (Kind::Mysql(v), v.span())));
    add("pgsql", raw.pgsql.as_ref().map(|v| (Kind::Pgsql(v), v.span())));
    add("redis", raw.redis.as_ref().map(|v| (Kind::Redis, v.span())));
    add("smtp", raw.smtp.as_ref().map(|v| (Kind::Smtp(v), v.span())));
    add("ldap", flag(&raw.ldap).map(|v| (Kind::Ldap, v.span())));
    add("ssl_hello", flag(&raw.ssl_hello).map(|v| (Kind::SslHello, v.span())));
    add("patroni", raw.patroni.as_ref().map(|v| (Kind::Patroni(*v.get()), v.span())));
    add("rabbitmq", flag(&raw.rabbitmq).map(|v| (Kind::Rabbitmq, v.span())));
    add("script", raw.script.as_ref().map(|v| (Kind::Script, v.span())));
    found
}

/// What is checked, before its own keys were looked at.
#[derive(Clone, Copy)]
enum Kind<'a> {
    Tcp,
    Http(&'a At<String>),
    Mysql(&'a At<String>),
    Pgsql(&'a At<String>),
    Redis,
    Smtp(&'a At<String>),
    Ldap,
    SslHello,
    Patroni(RawPatroniRole),
    Rabbitmq,
    Script,
}

/// What a check must say, as a fix.
const KINDS: &str =
    "`tcp`, `http`, `mysql`, `pgsql`, `redis`, `smtp`, `ldap`, `ssl_hello`, `patroni`, `rabbitmq` or `script`";

fn kind(cx: &mut Cx<'_>, item: &Item<RawBackend>, mode: Mode, written: &At<RawCheck>) -> Result<CheckKind, Reported> {
    let raw = written.get();
    let found = kinds(item, raw);
    let Some((name, kind, place)) = found.first() else {
        if cx.is_whole(&item.at(written)) {
            let problem = Problem::new(item.at(written), "a check must say what is checked, such as `http` or `tcp`");
            let fix = "add `http = \"GET /\"` or `tcp = true`; without `check` servers always count as up";
            cx.add(problem.label("nothing is").note(format!("the kinds are {KINDS}")).fix(fix));
        }
        return Err(Reported);
    };
    if let Some((other, _, second)) = found.get(1) {
        let problem = Problem::new(second.clone(), format!("a check is either `{name}` or `{other}`"));
        let problem = problem.label("the other is there too").also(place.clone(), "here");
        cx.add(problem.fix("remove one of the two"));
        return Err(Reported);
    }
    let stray = strays(cx, item, raw, name, *kind);
    let in_tcp_only = match kind {
        Kind::Mysql(_) | Kind::Pgsql(_) | Kind::Redis | Kind::Smtp(_) | Kind::Ldap | Kind::Rabbitmq => true,
        Kind::Tcp | Kind::Http(_) | Kind::SslHello | Kind::Patroni(_) | Kind::Script => false,
    };
    if in_tcp_only && mode == Mode::Http {
        let problem = Problem::new(place.clone(), format!("a check by `{name}` needs a backend of mode tcp"));
        cx.add(problem.label("this backend is of mode http").fix("add `mode = \"tcp\"` to the backend"));
        return Err(Reported);
    }
    let made = make(cx, item, raw, *kind);
    stray.and(made)
}

fn make(cx: &mut Cx<'_>, item: &Item<RawBackend>, raw: &RawCheck, kind: Kind<'_>) -> Result<CheckKind, Reported> {
    match kind {
        Kind::Tcp => Ok(CheckKind::Tcp),
        Kind::Http(request) => http_check::check(cx, item, raw, request),
        Kind::Mysql(user) => Ok(CheckKind::Mysql { user: tcp_check::user(cx, item, "mysql", user)? }),
        Kind::Pgsql(user) => Ok(CheckKind::Pgsql { user: tcp_check::user(cx, item, "pgsql", user)? }),
        Kind::Redis => tcp_check::redis(cx, item, raw),
        Kind::Smtp(hello) => Ok(CheckKind::Smtp { hello: servers::host(cx, item.at(hello), "smtp", hello.get())? }),
        Kind::Ldap => Ok(CheckKind::Ldap),
        Kind::SslHello => Ok(CheckKind::SslHello),
        Kind::Patroni(role) => Ok(CheckKind::Patroni(match role {
            RawPatroniRole::Primary => PatroniRole::Primary,
            RawPatroniRole::Replica => PatroniRole::Replica,
            RawPatroniRole::ReadOnly => PatroniRole::ReadOnly,
            RawPatroniRole::Synchronous => PatroniRole::Synchronous,
            RawPatroniRole::Asynchronous => PatroniRole::Asynchronous,
            RawPatroniRole::StandbyLeader => PatroniRole::StandbyLeader,
        })),
        Kind::Rabbitmq => Ok(CheckKind::Rabbitmq),
        Kind::Script => tcp_check::script(cx, item, raw),
    }
}

/// Keys that mean nothing for this kind of check.
fn strays(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    raw: &RawCheck,
    name: &str,
    kind: Kind<'_>,
) -> Result<(), Reported> {
    let http = matches!(kind, Kind::Http(_));
    let of_http = [
        ("host", raw.host.as_ref().map(At::span)),
        ("version", raw.version.as_ref().map(At::span)),
        ("headers", raw.headers.as_ref().map(At::span)),
        ("expect", raw.expect.as_ref().map(At::span)),
    ];
    let of_redis = ("password", raw.password.as_ref().map(At::span));
    let mut good = Ok(());
    let strays = of_http.into_iter().filter(|_| !http).map(|(key, span)| (key, "http = \"GET /\"", span));
    let strays =
        strays.chain(Some((of_redis.0, "redis = \"any\"", of_redis.1)).filter(|_| !matches!(kind, Kind::Redis)));
    for (key, owner, span) in strays {
        let Some(span) = span else { continue };
        let rule = format!("`{key}` means nothing in a {name} check");
        let problem = Problem::new(Place::new(item.file, span), rule).label("never used");
        cx.add(problem.fix(format!("remove it, or write `{owner}` in place of `{name}`")));
        good = Err(Reported);
    }
    good
}

fn pace(cx: &mut Cx<'_>, item: &Item<RawBackend>, raw: &RawCheck) -> Result<CheckPace, Reported> {
    let fastinter = cx.optional_duration(item.file, "check.fastinter", raw.fastinter.as_ref(), CHECK_INTERVAL);
    let downinter = cx.optional_duration(item.file, "check.downinter", raw.downinter.as_ref(), CHECK_INTERVAL);
    let timeout = cx.optional_duration(item.file, "check.timeout", raw.timeout.as_ref(), CHECK_INTERVAL);
    Ok(CheckPace { fastinter: fastinter?, downinter: downinter?, timeout: timeout? })
}

pub(super) fn port(written: Option<&At<i64>>) -> Option<u16> {
    written.and_then(|port| u16::try_from(*port.get()).ok())
}

fn route(cx: &mut Cx<'_>, item: &Item<RawBackend>, raw: &RawCheck) -> Result<CheckRoute, Reported> {
    let addr = servers::optional_host(cx, item, "check.addr", raw.addr.as_ref());
    let tls = match &raw.tls {
        None => Ok(None),
        Some(tls) => check_tls(cx, item, tls).map(Some),
    };
    Ok(CheckRoute {
        port: port(raw.port.as_ref()),
        addr: addr?,
        tls: tls?,
        send_proxy: raw.send_proxy.as_ref().is_some_and(|proxy| *proxy.get()),
    })
}

fn check_tls(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: &At<RawCheckTls>) -> Result<CheckTls, Reported> {
    let raw = written.get();
    let sni = servers::optional_host(cx, item, "check.tls.sni", raw.sni.as_ref());
    let alpn = servers::alpn(cx, item, raw.alpn.as_ref());
    let of_servers = item.raw.get().server_defaults.as_ref().and_then(|defaults| defaults.get().tls.as_ref());
    let stated = raw.verify.as_ref().map(At::span).or_else(|| raw.ca.as_ref().map(At::span));
    let stated = stated.or_else(|| raw.verify_host.as_ref().map(At::span));
    let trust = match (of_servers, stated) {
        (Some(tls), Some(span)) => {
            let rule = "a server has one way to judge certificates, for traffic and for checks";
            let problem = Problem::new(Place::new(item.file, span), rule).label("said twice");
            cx.add(problem.also(item.at(tls), "the servers' `tls`").fix("keep what `server_defaults` says"));
            Err(Reported)
        }
        (Some(_), None) => Ok(None),
        (None, _) => servers::trust(cx, item, raw.verify.as_ref(), raw.ca.as_ref(), raw.verify_host.as_ref()).map(Some),
    };
    Ok(CheckTls { trust: trust?, sni: sni?, alpn: alpn? })
}

fn reaction(cx: &mut Cx<'_>, item: &Item<RawBackend>, mode: Mode, raw: &RawCheck) -> Result<CheckReaction, Reported> {
    let observe = observe(cx, item, mode, raw);
    Ok(CheckReaction {
        shutdown_sessions: match raw.on_marked_down.as_ref().map(At::get) {
            Some(RawOnMarkedDown::ShutdownSessions) => true,
            None => false,
        },
        shutdown_backup_sessions: match raw.on_marked_up.as_ref().map(At::get) {
            Some(RawOnMarkedUp::ShutdownBackupSessions) => true,
            None => false,
        },
        observe: observe?,
    })
}

fn observe(cx: &mut Cx<'_>, item: &Item<RawBackend>, mode: Mode, raw: &RawCheck) -> Result<Option<Observe>, Reported> {
    let Some(observe) = &raw.observe else {
        let stray = raw.on_error.as_ref().map(|e| ("on_error", e.span()));
        let stray = stray.or_else(|| raw.error_limit.as_ref().map(|limit| ("error_limit", limit.span())));
        let Some((key, span)) = stray else { return Ok(None) };
        let problem = Problem::new(Place::new(item.file, span), format!("`{key}` needs `observe`"));
        cx.add(problem.label("no traffic is watched").fix("add `observe = \"layer4\"`, or remove it"));
        return Err(Reported);
    };
    let layer = match (observe.get(), mode) {
        (RawObserve::Layer7, Mode::Tcp) => {
            let problem = Problem::new(item.at(observe), "observe \"layer7\" needs a backend of mode http");
            cx.add(problem.label("mode tcp sees no answers").fix("write `observe = \"layer4\"`"));
            return Err(Reported);
        }
        (RawObserve::Layer7, Mode::Http) => ObserveLayer::Layer7,
        (RawObserve::Layer4, Mode::Http | Mode::Tcp) => ObserveLayer::Layer4,
    };
    let on_error = match raw.on_error.as_ref().map(At::get) {
        Some(RawOnError::Fastinter) => OnError::Fastinter,
        // HAProxy's own choice.
        None | Some(RawOnError::FailCheck) => OnError::FailCheck,
        Some(RawOnError::SuddenDeath) => OnError::SuddenDeath,
        Some(RawOnError::MarkDown) => OnError::MarkDown,
    };
    Ok(Some(Observe { layer, on_error, error_limit: cx.count(raw.error_limit.as_ref(), ERROR_LIMIT) }))
}

pub(super) fn agent(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    written: &At<RawAgent>,
) -> Result<Option<Agent>, Reported> {
    let raw = written.get();
    let addr = servers::optional_host(cx, item, "agent.addr", raw.addr.as_ref());
    let interval = cx.duration(item.file, "agent.interval", raw.interval.as_ref(), CHECK_INTERVAL);
    let send = match &raw.send {
        None => Ok(None),
        Some(send) => tcp_check::text(cx, item, "send", send).map(Some),
    };
    // A missing port was told by the shape pass.
    let port = port(raw.port.as_ref()).ok_or(Reported);
    Ok(Some(Agent { port: port?, addr: addr?, interval: interval.ok_or(Reported)?, send: send? }))
}

/// The name of a header and its value.
pub(super) fn header(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    name: &At<String>,
    value: &At<String>,
) -> Result<(String, String), Reported> {
    if !is_token(name.get()) {
        let problem = Problem::new(item.at(name), "this is not the name of a header").label("not a name");
        cx.add(problem.fix("write, for example, \"X-Forwarded-Proto\""));
        return Err(Reported);
    }
    let value = cx.one_line(item.file, name.get(), value).ok_or(Reported)?;
    Ok((name.get().clone(), value))
}
