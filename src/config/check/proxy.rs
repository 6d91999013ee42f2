//! `[proxy]`: the program, its global settings, and how it is watched.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::raw_lines::{self, Section};
use super::{Cx, Reported, operation, tls};
use crate::config::document::{Document, Item};
use crate::config::limits::{
    HARD_STOP_AFTER, HEALTH_INTERVAL, HEALTH_TIMEOUT, RESTART_MAX, RESTART_MIN, TIMEOUT, TIMEOUT_CLIENT,
    TIMEOUT_CONNECT, TIMEOUT_HTTP_REQUEST, TIMEOUT_SERVER,
};
use crate::config::problem::Problem;
use crate::config::raw::{RawOnStop, RawProxy};
use crate::config::value::show_duration;
use crate::config::written::{At, DurationText};
use crate::config::{
    Backoff, Engine, HealthConfig, LogFormat, MoreTimeouts, OnStop, ProxyConfig, RawSections, Timeouts,
};

/// An absent `[proxy]` is one with nothing in it.
pub(super) fn check(cx: &mut Cx<'_>, document: &Document) -> Option<ProxyConfig> {
    let Some(item) = &document.proxy else { return Some(defaults()) };
    let raw = item.raw.get();
    let engine = engine_of(cx, item);
    let binary = binary(cx, item);
    let templates = templates(cx, item);
    let user = cx.system_name(item.file, raw.user.as_ref());
    let group = cx.system_name(item.file, raw.group.as_ref());
    let timeouts = timeouts(cx, item);
    let hard_stop_after = cx.duration(item.file, "hard_stop_after", raw.hard_stop_after.as_ref(), HARD_STOP_AFTER);
    let log = match &raw.log {
        Some(log) => cx.one_line(item.file, "log", log).map(Some),
        None => Some(None),
    };
    let log_format = operation::log_format(cx, item);
    let error_pages = operation::error_pages(cx, item);
    let port = raw.peers.as_ref().and_then(|peers| peers.get().port.as_ref());
    let table_peers = port.and_then(|port| u16::try_from(*port.get()).ok());
    let mut lines =
        |section, list: &Option<At<Vec<At<String>>>>| raw_lines::check(cx, item.file, section, list.as_ref());
    let global = lines(Section::Global, &raw.raw_global);
    let defaults = lines(Section::Defaults, &raw.raw_defaults);
    let sections = lines(Section::Whole, &raw.raw_sections);
    let health = health(cx, item);
    let restart = restart(cx, item);
    Some(ProxyConfig {
        engine: engine?,
        binary: binary?,
        templates: templates.ok()?,
        on_stop: match raw.on_stop.as_ref().map(At::get) {
            None | Some(RawOnStop::Keep) => OnStop::Keep,
            Some(RawOnStop::Stop) => OnStop::Stop,
        },
        maxconn: raw.maxconn.as_ref().and_then(|count| u32::try_from(*count.get()).ok()),
        nbthread: raw.nbthread.as_ref().and_then(|count| u32::try_from(*count.get()).ok()),
        user: user.ok()?,
        group: group.ok()?,
        timeouts: timeouts?,
        hard_stop_after: hard_stop_after?,
        log: log?,
        log_format: log_format?,
        error_pages: error_pages?,
        table_peers,
        tls_preset: raw.tls_preset.as_ref().map(|preset| tls::preset(*preset.get())),
        raw: RawSections { global: global?, defaults: defaults?, sections: sections? },
        health: health?,
        restart: restart?,
        origin: Some(cx.origin(&item.place())),
    })
}

fn defaults() -> ProxyConfig {
    ProxyConfig {
        engine: Engine::Haproxy,
        binary: PathBuf::from(Engine::Haproxy.name()),
        templates: None,
        on_stop: OnStop::Keep,
        maxconn: None,
        nbthread: None,
        user: None,
        group: None,
        timeouts: Timeouts {
            connect: TIMEOUT_CONNECT.default,
            client: TIMEOUT_CLIENT.default,
            server: TIMEOUT_SERVER.default,
            http_request: TIMEOUT_HTTP_REQUEST.default,
            more: MoreTimeouts::default(),
        },
        hard_stop_after: HARD_STOP_AFTER.default,
        log: None,
        log_format: LogFormat::Haproxy,
        error_pages: BTreeMap::new(),
        table_peers: None,
        tls_preset: None,
        raw: RawSections::default(),
        health: HealthConfig {
            interval: HEALTH_INTERVAL.default,
            timeout: HEALTH_TIMEOUT.default,
            rise: RISE,
            fall: FALL,
        },
        restart: Backoff { min: RESTART_MIN.default, max: RESTART_MAX.default },
        origin: None,
    }
}

const RISE: u32 = 2;
const FALL: u32 = 2;

/// The engine that is written, or the default; a wrong one is reported by [`check`].
pub(super) fn engine(document: &Document) -> Engine {
    let written = document.proxy.as_ref().and_then(|item| item.raw.get().engine.as_ref());
    if written.is_some_and(|engine| engine.get() == Engine::Nginx.name()) { Engine::Nginx } else { Engine::Haproxy }
}

fn engine_of(cx: &mut Cx<'_>, item: &Item<RawProxy>) -> Option<Engine> {
    let Some(written) = &item.raw.get().engine else { return Some(Engine::Haproxy) };
    let known = [Engine::Haproxy, Engine::Nginx].into_iter().find(|engine| engine.name() == written.get());
    if known.is_none() {
        let problem = Problem::new(item.at(written), "the `engine` of [proxy] must be \"haproxy\" or \"nginx\"");
        cx.add(problem.label("unknown program").fix("write `engine = \"haproxy\"`"));
    }
    known
}

fn binary(cx: &mut Cx<'_>, item: &Item<RawProxy>) -> Option<PathBuf> {
    let name = cx.engine.name();
    let Some(written) = &item.raw.get().binary else { return Some(PathBuf::from(name)) };
    let path = Path::new(written.get());
    let name_alone = path.components().count() == 1 && !written.get().contains('/') && !written.get().trim().is_empty();
    if (path.is_absolute() || name_alone) && !written.get().contains('\0') {
        return Some(path.to_owned());
    }
    let problem = Problem::new(item.at(written), "`binary` must be an absolute path or the name of a program");
    cx.add(problem.label("neither").fix(format!("write \"/usr/sbin/{name}\", or leave it out")));
    None
}

/// Relative to the main file, so that the configuration can be moved as a whole.
fn templates(cx: &mut Cx<'_>, item: &Item<RawProxy>) -> Result<Option<PathBuf>, Reported> {
    let Some(written) = &item.raw.get().templates else { return Ok(None) };
    if written.get().is_empty() || written.get().contains('\0') {
        let problem = Problem::new(item.at(written), "`templates` must be a directory");
        cx.add(problem.fix("leave it out for the built-in template"));
        return Err(Reported);
    }
    Ok(Some(cx.main_directory.join(written.get())))
}

fn timeouts(cx: &mut Cx<'_>, item: &Item<RawProxy>) -> Option<Timeouts> {
    let raw = item.raw.get().timeouts.as_ref().map(|timeouts| timeouts.get().clone()).unwrap_or_default();
    let connect = cx.duration(item.file, "timeouts.connect", raw.connect.as_ref(), TIMEOUT_CONNECT);
    let client = cx.duration(item.file, "timeouts.client", raw.client.as_ref(), TIMEOUT_CLIENT);
    let server = cx.duration(item.file, "timeouts.server", raw.server.as_ref(), TIMEOUT_SERVER);
    let http_request = cx.duration(item.file, "timeouts.http_request", raw.http_request.as_ref(), TIMEOUT_HTTP_REQUEST);
    let mut more = |key, written: &Option<At<DurationText>>| match written {
        Some(written) => cx.duration(item.file, key, Some(written), TIMEOUT).map(Some).ok_or(Reported),
        None => Ok(None),
    };
    let http_keep_alive = more("timeouts.http_keep_alive", &raw.http_keep_alive);
    let queue = more("timeouts.queue", &raw.queue);
    let tunnel = more("timeouts.tunnel", &raw.tunnel);
    let check = more("timeouts.check", &raw.check);
    let client_fin = more("timeouts.client_fin", &raw.client_fin);
    let server_fin = more("timeouts.server_fin", &raw.server_fin);
    let more = MoreTimeouts {
        http_keep_alive: http_keep_alive.ok()?,
        queue: queue.ok()?,
        tunnel: tunnel.ok()?,
        check: check.ok()?,
        client_fin: client_fin.ok()?,
        server_fin: server_fin.ok()?,
    };
    Some(Timeouts { connect: connect?, client: client?, server: server?, http_request: http_request?, more })
}

fn health(cx: &mut Cx<'_>, item: &Item<RawProxy>) -> Option<HealthConfig> {
    let raw = item.raw.get().health.as_ref().map(|health| health.get().clone()).unwrap_or_default();
    let interval = cx.duration(item.file, "health.interval", raw.interval.as_ref(), HEALTH_INTERVAL);
    let timeout = cx.duration(item.file, "health.timeout", raw.timeout.as_ref(), HEALTH_TIMEOUT);
    let (interval, timeout) = (interval?, timeout?);
    let timeout = match &raw.timeout {
        None => timeout.min(interval),
        Some(written) if timeout > interval => {
            let text = show_duration(interval);
            let problem =
                Problem::new(item.at(written), format!("`health.timeout` must be at most the interval, {text}"));
            let problem = problem.label("longer than the interval");
            let problem = match &raw.interval {
                Some(interval) => problem.also(item.at(interval), "the interval"),
                None => problem.note(format!("the interval is {text} by default")),
            };
            let note = "one question is asked at a time; a late answer would shift the next";
            let problem = if problem.note.is_none() { problem.note(note) } else { problem };
            cx.add(problem.fix(format!("write `timeout = \"{text}\"`, or a longer interval")));
            return None;
        }
        Some(_) => timeout,
    };
    let (rise, fall) = (cx.count(raw.rise.as_ref(), RISE), cx.count(raw.fall.as_ref(), FALL));
    Some(HealthConfig { interval, timeout, rise, fall })
}

fn restart(cx: &mut Cx<'_>, item: &Item<RawProxy>) -> Option<Backoff> {
    let raw = item.raw.get().restart.as_ref().map(|restart| restart.get().clone()).unwrap_or_default();
    let min = cx.duration(item.file, "restart.min", raw.min.as_ref(), RESTART_MIN);
    let max = cx.duration(item.file, "restart.max", raw.max.as_ref(), RESTART_MAX);
    let (min, max) = (min?, max?);
    if min > max
        && let Some(written) = raw.min.as_ref().or(raw.max.as_ref())
    {
        let (low, high) = (show_duration(min), show_duration(max));
        let problem =
            Problem::new(item.at(written), format!("`restart.min` ({low}) must not be more than `max` ({high})"));
        cx.add(problem.fix(format!("write `restart = {{ min = \"{high}\", max = \"{low}\" }}`")));
        return None;
    }
    Some(Backoff { min, max })
}
