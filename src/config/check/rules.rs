//! What a frontend does with connections and requests before a backend gets them.

use std::net::IpAddr;
use std::time::Duration;

use super::routing::{self, Around, Of};
use super::{Cx, Reported, access};
use crate::config::document::Item;
use crate::config::limits::HSTS;
use crate::config::problem::{Place, Problem};
use crate::config::raw::RawFrontend;
use crate::config::written::At;
use crate::config::{Bind, Mode, Rules};

/// None if something was reported.
pub(super) fn check(cx: &mut Cx<'_>, of: Of<'_>, around: &mut Around<'_>) -> Option<Rules> {
    let Of { item, mode, binds } = of;
    let raw = item.raw.get();
    let accept_proxy = match &raw.accept_proxy {
        Some(list) => networks(cx, item, &list.get().0),
        None => Some(Vec::new()),
    };
    let redirect_https = raw.redirect_https.as_ref().filter(|redirect| *redirect.get());
    let good = redirect_https.is_none_or(|written| http_only(cx, item.at(written), "redirect_https", mode));
    let hsts = hsts(cx, item, mode, binds);
    let allow = access::sources(cx, of, "allow", raw.allow.as_ref());
    let deny = access::sources(cx, of, "deny", raw.deny.as_ref());
    let rate_limit = access::rate_limit(cx, of);
    let basic_auth = access::userlist(cx, of, around.userlists);
    let forwarded = access::forwarded(cx, of);
    let request_headers = access::headers(cx, of, "request_headers", raw.request_headers.as_ref());
    let response_headers = access::headers(cx, of, "response_headers", raw.response_headers.as_ref());
    let compression = access::compression(cx, of);
    let monitor_uri = access::monitor_uri(cx, of);
    let routes = routing::check(cx, of, around);
    Some(Rules {
        accept_proxy: accept_proxy?,
        redirect_https: good.then_some(redirect_https.is_some())?,
        hsts: hsts.ok()?,
        allow: allow?,
        deny: deny?,
        rate_limit: rate_limit.ok()?,
        basic_auth: basic_auth.ok()?,
        forwarded: forwarded?,
        request_headers: request_headers?,
        response_headers: response_headers?,
        compression: compression?,
        monitor_uri: monitor_uri.ok()?,
        routes: routes?,
    })
}

/// Reports a key that needs requests where there are only connections.
pub(super) fn http_only(cx: &mut Cx<'_>, place: Place, key: &str, mode: Mode) -> bool {
    match mode {
        Mode::Http => true,
        Mode::Tcp => {
            let problem = Problem::new(place, format!("`{key}` needs a frontend of mode http"));
            cx.add(problem.label("mode tcp sees no requests").fix("remove it, or write `mode = \"http\"`"));
            false
        }
    }
}

fn hsts(
    cx: &mut Cx<'_>,
    item: &Item<RawFrontend>,
    mode: Mode,
    binds: Option<&[Bind]>,
) -> Result<Option<Duration>, Reported> {
    let Some(written) = &item.raw.get().hsts else { return Ok(None) };
    let duration = cx.duration(item.file, "hsts", Some(written), HSTS).ok_or(Reported)?;
    if !http_only(cx, item.at(written), "hsts", mode) {
        return Err(Reported);
    }
    if binds.is_some_and(|binds| binds.iter().all(|bind| bind.tls.is_none() && bind.options.is_none())) {
        let problem = Problem::new(item.at(written), "`hsts` is told on TLS connections, of which there are none here");
        let problem = problem.label("never sent").note("browsers ignore it without TLS (RFC 6797 section 8.1)");
        cx.add(problem.fix("move it to the frontend whose bind has `tls`"));
        return Err(Reported);
    }
    Ok(Some(duration))
}

/// Networks in HAProxy's spelling.
pub(super) fn networks(cx: &mut Cx<'_>, item: &Item<RawFrontend>, list: &[At<String>]) -> Option<Vec<String>> {
    let all: Vec<_> = list.iter().map(|one| network(cx, item.at(one), one.get())).collect();
    all.into_iter().collect()
}

/// An address alone, or with its prefix length.
pub(super) fn network(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<String> {
    let (address, length) = text.split_once('/').map_or((text, None), |(address, length)| (address, Some(length)));
    let problem =
        |label: &'static str| Problem::new(place.clone(), "a network is an address with a prefix length").label(label);
    let Ok(ip) = address.parse::<IpAddr>() else {
        cx.add(problem("not an address").fix("write, for example, \"10.0.0.0/8\" or \"2001:db8::/32\""));
        return None;
    };
    let (bits, max): (u128, u32) = match ip {
        IpAddr::V4(ip) => (u128::from(u32::from(ip)), 32),
        IpAddr::V6(ip) => (u128::from(ip), 128),
    };
    let Some(length) = length.map_or(Some(max), |length| length.parse::<u32>().ok()).filter(|length| *length <= max)
    else {
        cx.add(problem("no such length").fix(format!("write a length from 0 to {max}")));
        return None;
    };
    let host_bits = max.saturating_sub(length);
    let mask = if host_bits >= 128 { 0 } else { u128::MAX << host_bits };
    if bits & !mask != 0 {
        let base = bits & mask;
        let base = match ip {
            IpAddr::V4(_) => IpAddr::from(u32::try_from(base).unwrap_or(0).to_be_bytes()),
            IpAddr::V6(_) => IpAddr::from(base.to_be_bytes()),
        };
        let fix = format!("write \"{base}/{length}\" for the network, or \"{ip}\" for the host alone");
        cx.add(problem("bits beyond the prefix").fix(fix));
        return None;
    }
    Some(format!("{ip}/{length}"))
}

/// A name that a header can have (RFC 9110 section 5.1).
pub(super) fn header_name(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !text.is_empty() && text.len() <= 127 && text.bytes().all(token) {
        return Some(text.to_owned());
    }
    let problem = Problem::new(place, "the name of a header is a word").label("not such a word");
    cx.add(problem.fix("write, for example, \"X-Forwarded-For\", without the colon"));
    None
}
