//! The HTTP check of a backend: the request, and what its answer must be.

use std::ops::RangeInclusive;

use super::{checks, tcp_check};
use crate::config::check::{Cx, Reported};
use crate::config::document::Item;
use crate::config::problem::Problem;
use crate::config::raw::{RawBackend, RawCheck, RawExpect, RawHttpVersion};
use crate::config::written::At;
use crate::config::{BodyMatch, CheckKind, HttpExpect, HttpVersion};

/// Headers of one request; more would not fit on HAProxy's line of 64 words.
const HEADERS_MAX: usize = 16;

pub(super) fn check(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    raw: &RawCheck,
    written: &At<String>,
) -> Result<CheckKind, Reported> {
    let request = request(cx, item, written);
    let host = host(cx, item, raw.host.as_ref());
    let headers = headers(cx, item, raw);
    let version = match raw.version.as_ref().map(At::get) {
        None | Some(RawHttpVersion::V10) => HttpVersion::V10,
        Some(RawHttpVersion::V11) => HttpVersion::V11,
    };
    let expect = match &raw.expect {
        None => Ok(None),
        Some(expect) => self::expect(cx, item, expect).map(Some),
    };
    if let (Some(version), None, HttpVersion::V11) = (&raw.version, &raw.host, version) {
        let problem = Problem::new(item.at(version), "a check in HTTP/1.1 needs a `host`");
        let note = "a request of HTTP/1.1 without the Host header is answered 400 (RFC 9112 section 3.2)";
        cx.add(problem.label("it would have no Host header").note(note).fix("add `host = \"www.example.com\"`"));
        return Err(Reported);
    }
    let (method, path) = request?;
    Ok(CheckKind::Http { method, path, host: host?, version, headers: headers?, expect: expect? })
}

fn clean(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '"' | '\'' | '\\' | '#' | '$'))
}

fn host(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: Option<&At<String>>) -> Result<Option<String>, Reported> {
    match written {
        Some(host) if host.get().is_empty() || !clean(host.get()) => {
            let problem = Problem::new(item.at(host), "`host` must be a host name, with a port if need be");
            cx.add(problem.label("not a host name").fix("write, for example, \"www.example.com\""));
            Err(Reported)
        }
        host => Ok(host.map(|host| host.get().clone())),
    }
}

fn request(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: &At<String>) -> Result<(String, String), Reported> {
    let words: Vec<&str> = written.get().split_ascii_whitespace().collect();
    let fix = match words.as_slice() {
        [method, path]
            if method.bytes().all(|b| b.is_ascii_uppercase())
                && (path.starts_with('/') || *path == "*")
                && clean(path) =>
        {
            return Ok(((*method).to_owned(), (*path).to_owned()));
        }
        [method, path, ..] if path.starts_with('/') => format!("write \"{} {path}\"", method.to_uppercase()),
        [path] if path.starts_with('/') => format!("write \"GET {path}\""),
        _ => "write, for example, \"GET /index.html\"".to_owned(),
    };
    let problem = Problem::new(item.at(written), "`http` must be a method in capitals and a path");
    cx.add(problem.label("not \"METHOD /path\"").fix(fix));
    Err(Reported)
}

fn headers(cx: &mut Cx<'_>, item: &Item<RawBackend>, raw: &RawCheck) -> Result<Vec<(String, String)>, Reported> {
    let Some(written) = &raw.headers else { return Ok(Vec::new()) };
    if written.get().len() > HEADERS_MAX {
        let rule = format!("a check may have at most {HEADERS_MAX} headers, not {}", written.get().len());
        cx.add(Problem::new(item.at(written), rule).label("too many").fix("take some out"));
        return Err(Reported);
    }
    let mut headers = Vec::new();
    for (name, value) in written.get() {
        if name.get().eq_ignore_ascii_case("host") {
            let problem = Problem::new(item.at(name), "the Host header of a check has a key of its own");
            cx.add(problem.label("would be sent twice").fix(format!("write `host = {:?}`", value.get())));
            headers.push(Err(Reported));
            continue;
        }
        headers.push(checks::header(cx, item, name, value));
    }
    headers.into_iter().collect()
}

fn expect(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: &At<RawExpect>) -> Result<HttpExpect, Reported> {
    let RawExpect { status, body, body_regex } = written.get();
    if status.is_none() && body.is_none() && body_regex.is_none() && cx.is_whole(&item.at(written)) {
        let problem =
            Problem::new(item.at(written), "`expect` must say what is expected: `status`, `body` or `body_regex`");
        cx.add(problem.label("nothing is").fix("write, for example, `expect = { status = [\"200\"] }`"));
        return Err(Reported);
    }
    let status: Result<Vec<_>, _> = match status {
        None => Ok(vec![200..=399]),
        Some(list) => {
            let ranges: Vec<_> = list.get().0.iter().map(|one| range(cx, item, one)).collect();
            ranges.into_iter().collect()
        }
    };
    let body = match (body, body_regex) {
        (Some(text), Some(regex)) => {
            let problem = Problem::new(item.at(regex), "a body is matched by either `body` or `body_regex`");
            cx.add(problem.label("the other is there too").also(item.at(text), "here").fix("remove one of the two"));
            Err(Reported)
        }
        (Some(text), None) => tcp_check::text(cx, item, "body", text).map(BodyMatch::Text).map(Some),
        (None, Some(regex)) => tcp_check::text(cx, item, "body_regex", regex).map(BodyMatch::Regex).map(Some),
        (None, None) => Ok(None),
    };
    Ok(HttpExpect { status: status?, body: body? })
}

/// `200`, or `200-299`.
fn range(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: &At<String>) -> Result<RangeInclusive<u16>, Reported> {
    let (from, to) = written.get().split_once('-').unwrap_or((written.get(), written.get()));
    let code = |text: &str| text.trim().parse::<u16>().ok().filter(|code| (100..=599).contains(code));
    match (code(from), code(to)) {
        (Some(from), Some(to)) if from <= to => Ok(from..=to),
        _ => {
            let problem = Problem::new(item.at(written), "a status is a code from 100 to 599, or a range of them");
            cx.add(problem.label("neither").fix("write, for example, \"200\" or \"200-299\""));
            Err(Reported)
        }
    }
}
