//! Timeouts, retries, switches and headers of a backend in HAProxy's words.

use super::{Lines, Words};
use crate::config::{BackendOption, BackendTimeouts, ForwardFor, HeaderChanges, HttpReuse, Traffic};
use crate::render::RenderError;
use crate::render::model::{one_line, time, word};

pub(super) fn lines(lines: &mut Lines, traffic: &Traffic) -> Result<(), RenderError> {
    let Traffic {
        timeouts,
        retries,
        redispatch,
        retry_on,
        http_reuse,
        fullconn,
        options,
        forwardfor,
        request_headers,
        response_headers,
        errorfiles,
    } = traffic;
    of_timeouts(lines, *timeouts);
    if let Some(retries) = retries {
        lines.plain(format!("retries {retries}"));
    }
    match redispatch {
        None => {}
        Some(true) => lines.plain("option redispatch"),
        Some(false) => lines.plain("no option redispatch"),
    }
    if !retry_on.is_empty() {
        lines.plain(format!("retry-on {}", one_line("retry_on", &retry_on.join(" "))?));
    }
    if let Some(reuse) = http_reuse {
        lines.plain(match reuse {
            HttpReuse::Never => "http-reuse never",
            HttpReuse::Safe => "http-reuse safe",
            HttpReuse::Aggressive => "http-reuse aggressive",
            HttpReuse::Always => "http-reuse always",
        });
    }
    if let Some(fullconn) = fullconn {
        lines.plain(format!("fullconn {fullconn}"));
    }
    options.iter().for_each(|option| lines.plain(option_line(*option)));
    if let Some(forward) = forwardfor {
        forward_for(lines, forward)?;
    }
    headers(lines, "http-request", request_headers)?;
    headers(lines, "http-response", response_headers)?;
    for (code, file) in errorfiles {
        let file = file.to_str().ok_or_else(|| RenderError(format!("the path {} is not UTF-8", file.display())))?;
        lines.plain(format!("errorfile {code} {}", word(one_line("a path", file)?)));
    }
    Ok(())
}

fn of_timeouts(lines: &mut Lines, timeouts: BackendTimeouts) {
    let BackendTimeouts { connect, server, server_fin, queue, tunnel, http_request, http_keep_alive } = timeouts;
    for (keyword, value) in [
        ("connect", connect),
        ("server", server),
        ("server-fin", server_fin),
        ("queue", queue),
        ("tunnel", tunnel),
        ("http-request", http_request),
        ("http-keep-alive", http_keep_alive),
    ] {
        if let Some(value) = value {
            lines.plain(format!("timeout {keyword} {}", time(value)));
        }
    }
}

fn option_line(option: BackendOption) -> &'static str {
    match option {
        BackendOption::Abortonclose => "option abortonclose",
        BackendOption::Allbackups => "option allbackups",
        BackendOption::HttpServerClose => "option http-server-close",
        BackendOption::LogHealthChecks => "option log-health-checks",
        BackendOption::PreferLastServer => "option prefer-last-server",
        BackendOption::Srvtcpka => "option srvtcpka",
    }
}

fn forward_for(lines: &mut Lines, forward: &ForwardFor) -> Result<(), RenderError> {
    let ForwardFor { except, header, if_none } = forward;
    let mut words = Words::of("option forwardfor");
    if let Some(except) = except {
        words.pair("except", &word(one_line("a network", except)?));
    }
    if let Some(header) = header {
        words.pair("header", &word(one_line("a header", header)?));
    }
    if *if_none {
        words.add("if-none");
    }
    lines.line(words);
    Ok(())
}

fn headers(lines: &mut Lines, ruleset: &str, changes: &HeaderChanges) -> Result<(), RenderError> {
    let HeaderChanges { del, set, add } = changes;
    for name in del {
        lines.plain(format!("{ruleset} del-header {}", word(one_line("a header", name)?)));
    }
    for (action, pairs) in [("set-header", set), ("add-header", add)] {
        for (name, value) in pairs {
            let (name, value) = (word(one_line("a header", name)?), word(one_line("a header", value)?));
            lines.plain(format!("{ruleset} {action} {name} {value}"));
        }
    }
    Ok(())
}
