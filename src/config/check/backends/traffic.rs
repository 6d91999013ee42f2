//! What a backend does with its traffic: timeouts, retries, headers, switches.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::checks::header;
use super::persistence::http_only;
use crate::config::check::{Cx, Reported};
use crate::config::document::Item;
use crate::config::limits::{DurationKey, TIMEOUT_CONNECT, TIMEOUT_SERVER};
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawBackend, RawBackendTimeouts, RawForwardFor, RawHeaderChanges, RawHttpReuse};
use crate::config::suggest::nearest;
use crate::config::written::{At, DurationText};
use crate::config::{BackendOption, BackendTimeouts, ForwardFor, HeaderChanges, HttpReuse, Mode, Traffic};

/// Header changes of one direction; more are refused.
const HEADERS_MAX: usize = 64;

/// Status codes that HAProxy has answers of its own for, in 2.6 already.
const ERRORFILE_CODES: [u16; 17] =
    [200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 425, 429, 500, 501, 502, 503, 504];

/// What `retry-on` knows.
const RETRY_ON: [&str; 17] = [
    "none",
    "conn-failure",
    "empty-response",
    "junk-response",
    "response-timeout",
    "0rtt-rejected",
    "all-retryable-errors",
    "401",
    "403",
    "404",
    "408",
    "425",
    "500",
    "501",
    "502",
    "503",
    "504",
];

pub(super) fn traffic(cx: &mut Cx<'_>, item: &Item<RawBackend>, mode: Mode) -> Result<Traffic, Reported> {
    let raw = item.raw.get();
    let timeouts = raw.timeouts.as_ref().map(|timeouts| self::timeouts(cx, item, mode, timeouts.get())).transpose();
    let retry_on = retry_on(cx, item, mode);
    let reuse = raw.http_reuse.as_ref().map(|reuse| http_reuse(cx, item, mode, reuse)).transpose();
    let options = options(cx, item, mode);
    let forwardfor = raw.forwardfor.as_ref().map(|forward| forwardfor(cx, item, mode, forward)).transpose();
    let request = headers(cx, item, mode, "request_headers", raw.request_headers.as_ref());
    let response = headers(cx, item, mode, "response_headers", raw.response_headers.as_ref());
    let errorfiles = errorfiles(cx, item, mode);
    Ok(Traffic {
        timeouts: timeouts?.unwrap_or_default(),
        retries: raw.retries.as_ref().and_then(|retries| u32::try_from(*retries.get()).ok()),
        redispatch: raw.redispatch.as_ref().map(|redispatch| *redispatch.get()),
        retry_on: retry_on?,
        http_reuse: reuse?,
        fullconn: raw.fullconn.as_ref().and_then(|count| u32::try_from(*count.get()).ok()),
        options: options?,
        forwardfor: forwardfor?,
        request_headers: request?,
        response_headers: response?,
        errorfiles: errorfiles?,
    })
}

fn timeouts(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    mode: Mode,
    raw: &RawBackendTimeouts,
) -> Result<BackendTimeouts, Reported> {
    let RawBackendTimeouts { connect, server, server_fin, queue, tunnel, http_request, http_keep_alive } = raw;
    let mut read = |key: &str, written: &Option<At<DurationText>>, limits: DurationKey| {
        cx.optional_duration(item.file, &format!("timeouts.{key}"), written.as_ref(), limits)
    };
    let connect = read("connect", connect, TIMEOUT_CONNECT);
    let server = read("server", server, TIMEOUT_SERVER);
    let server_fin = read("server_fin", server_fin, TIMEOUT_SERVER);
    let queue = read("queue", queue, TIMEOUT_CONNECT);
    let tunnel = read("tunnel", tunnel, TIMEOUT_SERVER);
    let request = read("http_request", http_request, TIMEOUT_SERVER);
    let keep_alive = read("http_keep_alive", http_keep_alive, TIMEOUT_SERVER);
    let mut of_http = Ok(());
    for (key, written) in [("timeouts.http_request", http_request), ("timeouts.http_keep_alive", http_keep_alive)] {
        if let Some(written) = written {
            of_http = http_only(cx, mode, item.at(written), key).and(of_http);
        }
    }
    of_http?;
    Ok(BackendTimeouts {
        connect: connect?,
        server: server?,
        server_fin: server_fin?,
        queue: queue?,
        tunnel: tunnel?,
        http_request: request?,
        http_keep_alive: keep_alive?,
    })
}

fn retry_on(cx: &mut Cx<'_>, item: &Item<RawBackend>, mode: Mode) -> Result<Vec<String>, Reported> {
    let Some(written) = &item.raw.get().retry_on else { return Ok(Vec::new()) };
    http_only(cx, mode, item.at(written), "retry_on")?;
    let mut good = Ok(());
    for one in &written.get().0 {
        if RETRY_ON.contains(&one.get().as_str()) {
            continue;
        }
        let problem = Problem::new(item.at(one), "this is nothing that HAProxy can try again").label("unknown word");
        let fix = nearest(one.get(), RETRY_ON)
            .map_or_else(|| format!("known are {}", RETRY_ON.join(", ")), |near| format!("did you mean {near:?}?"));
        cx.add(problem.fix(fix));
        good = Err(Reported);
    }
    let alone = written.get().0.iter().find(|one| one.get() == "none");
    if let Some(alone) = alone.filter(|_| written.get().0.len() > 1) {
        let problem = Problem::new(item.at(alone), "`retry_on` \"none\" stands alone").label("the others say more");
        cx.add(problem.fix("remove \"none\", or the others"));
        good = Err(Reported);
    }
    good.map(|()| written.get().0.iter().map(|one| one.get().clone()).collect())
}

fn http_reuse(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    mode: Mode,
    written: &At<RawHttpReuse>,
) -> Result<HttpReuse, Reported> {
    http_only(cx, mode, item.at(written), "http_reuse")?;
    Ok(match written.get() {
        RawHttpReuse::Never => HttpReuse::Never,
        RawHttpReuse::Safe => HttpReuse::Safe,
        RawHttpReuse::Aggressive => HttpReuse::Aggressive,
        RawHttpReuse::Always => HttpReuse::Always,
    })
}

fn options(cx: &mut Cx<'_>, item: &Item<RawBackend>, mode: Mode) -> Result<Vec<BackendOption>, Reported> {
    let raw = item.raw.get();
    if let Some(written) = &raw.http_server_close {
        http_only(cx, mode, item.at(written), "http_server_close")?;
    }
    let all = [
        (&raw.abortonclose, BackendOption::Abortonclose),
        (&raw.allbackups, BackendOption::Allbackups),
        (&raw.http_server_close, BackendOption::HttpServerClose),
        (&raw.log_health_checks, BackendOption::LogHealthChecks),
        (&raw.prefer_last_server, BackendOption::PreferLastServer),
        (&raw.srvtcpka, BackendOption::Srvtcpka),
    ];
    let on = all.into_iter().filter(|(flag, _)| flag.as_ref().is_some_and(|flag| *flag.get()));
    Ok(on.map(|(_, option)| option).collect())
}

fn forwardfor(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    mode: Mode,
    written: &At<RawForwardFor>,
) -> Result<ForwardFor, Reported> {
    http_only(cx, mode, item.at(written), "forwardfor")?;
    let RawForwardFor { except, header: name, if_none } = written.get();
    let except = except.as_ref().map(|except| network(cx, item, except)).transpose();
    let name = name.as_ref().map(|name| header(cx, item, name, name).map(|(name, _)| name)).transpose();
    Ok(ForwardFor {
        except: except?,
        // Written out or not, it is the same line.
        header: name?.filter(|name| name != "X-Forwarded-For"),
        if_none: if_none.as_ref().is_some_and(|if_none| *if_none.get()),
    })
}

fn network(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: &At<String>) -> Result<String, Reported> {
    let (ip, length) = written.get().split_once('/').map_or((written.get().as_str(), None), |(ip, n)| (ip, Some(n)));
    let good = match ip.parse::<std::net::IpAddr>() {
        Ok(ip) => {
            let max = if ip.is_ipv4() { 32 } else { 128 };
            length.is_none_or(|length| length.parse::<u8>().is_ok_and(|length| length <= max))
        }
        Err(_) => false,
    };
    if good {
        return Ok(written.get().clone());
    }
    let problem = Problem::new(item.at(written), "`except` must be an address or a network").label("neither");
    cx.add(problem.fix("write, for example, \"127.0.0.0/8\""));
    Err(Reported)
}

fn headers(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    mode: Mode,
    key: &str,
    written: Option<&At<RawHeaderChanges>>,
) -> Result<HeaderChanges, Reported> {
    let Some(written) = written else { return Ok(HeaderChanges::default()) };
    http_only(cx, mode, item.at(written), key)?;
    let RawHeaderChanges { del, set, add } = written.get();
    let count = |map: &Option<At<BTreeMap<_, _>>>| map.as_ref().map_or(0, |map| map.get().len());
    let sum = del.as_ref().map_or(0, |list| list.get().len()).saturating_add(count(set)).saturating_add(count(add));
    if sum > HEADERS_MAX {
        let rule = format!("`{key}` may have at most {HEADERS_MAX} changes, not {sum}");
        cx.add(Problem::new(item.at(written), rule).label("too many").fix("write further ones in `raw`"));
        return Err(Reported);
    }
    let del: Vec<_> =
        del.iter().flat_map(|list| list.get()).map(|name| header(cx, item, name, name).map(|(name, _)| name)).collect();
    let mut pairs = |map: &Option<At<BTreeMap<At<String>, At<String>>>>| {
        let pairs: Vec<_> =
            map.iter().flat_map(|map| map.get()).map(|(name, value)| header(cx, item, name, value)).collect();
        pairs.into_iter().collect::<Result<Vec<_>, _>>()
    };
    let (set, add) = (pairs(set), pairs(add));
    Ok(HeaderChanges { del: del.into_iter().collect::<Result<_, _>>()?, set: set?, add: add? })
}

fn errorfiles(cx: &mut Cx<'_>, item: &Item<RawBackend>, mode: Mode) -> Result<Vec<(u16, PathBuf)>, Reported> {
    let Some(written) = &item.raw.get().errorfiles else { return Ok(Vec::new()) };
    http_only(cx, mode, item.at(written), "errorfiles")?;
    let files: Vec<_> = written.get().iter().map(|(code, file)| errorfile(cx, item, code, file)).collect();
    files.into_iter().collect()
}

fn errorfile(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    code: &At<String>,
    file: &At<String>,
) -> Result<(u16, PathBuf), Reported> {
    let known = |code: &u16| ERRORFILE_CODES.contains(code);
    let Some(number) = code.get().parse::<u16>().ok().filter(known) else {
        let codes: Vec<String> = ERRORFILE_CODES.iter().map(u16::to_string).collect();
        let problem = Problem::new(item.at(code), "HAProxy has no answer of its own with this status code");
        cx.add(problem.label("unknown code").fix(format!("one of {}", codes.join(", "))));
        return Err(Reported);
    };
    let path = cx.one_line(item.file, "errorfiles", file).ok_or(Reported)?;
    if !Path::new(&path).is_absolute() {
        let problem = Problem::new(Place::new(item.file, file.span()), "an error file must be an absolute path");
        let fix = format!("write, for example, \"/etc/vipkeeper/errors/{}\"", path.escape_debug());
        cx.add(problem.label("relative").fix(fix));
        return Err(Reported);
    }
    Ok((number, PathBuf::from(path)))
}
