//! Who may come in, how often, and what is told on, in HAProxy's words.

use super::RenderError;
use super::model::{one_line, time, word};
use super::rules::Lines;
use crate::config::{Beyond, Config, Frontend, FrontendHeaders, Mode, Networks, RateLimit};

/// Clients that a table of rates has room for; beyond, the one that was seen longest ago makes room.
const TABLE_SIZE: &str = "100k";

/// Name of the section with the nodes' HAProxys.
pub(super) const TABLE_PEERS: &str = "vipkeeper";

/// Rules for connections, which HAProxy works off before all others.
pub(super) fn add_connection_rules(
    lines: &mut Lines<'_>,
    config: &Config,
    frontend: &Frontend,
) -> Result<(), RenderError> {
    let rules = &frontend.rules;
    // Only rules of sessions see the address that the PROXY protocol names.
    let stage = if rules.accept_proxy.is_empty() { "connection" } else { "session" };
    let denied = networks(lines, "vipkeeper-denied", &rules.deny)?;
    let allowed = networks(lines, "vipkeeper-allowed", &rules.allow)?;
    if frontend.mode == Mode::Tcp {
        if denied {
            lines.add(format!("tcp-request {stage} reject if vipkeeper-denied"));
        }
        if allowed {
            lines.add(format!("tcp-request {stage} reject unless vipkeeper-allowed"));
        }
    }
    if let Some(limit) = &rules.rate_limit {
        let RateLimit { requests, connections, per, beyond: _ } = limit;
        let period = time(*per);
        let expire = time(per.saturating_mul(2));
        let counts =
            [requests.map(|_| format!("http_req_rate({period})")), connections.map(|_| format!("conn_rate({period})"))];
        let counts = counts.into_iter().flatten().collect::<Vec<_>>().join(",");
        let peers = config.proxy.table_peers.map_or_else(String::new, |_| format!(" peers {TABLE_PEERS}"));
        lines.add(format!("stick-table type ipv6 size {TABLE_SIZE} expire {expire} store {counts}{peers}"));
        if let Some(connections) = connections {
            lines.add(format!("tcp-request {stage} track-sc0 src"));
            lines.add(format!("tcp-request {stage} reject if {{ sc_conn_rate(0) gt {connections} }}"));
        }
    }
    Ok(())
}

/// Rules for requests before the routes.
pub(super) fn add_request_rules(lines: &mut Lines<'_>, frontend: &Frontend) -> Result<(), RenderError> {
    let rules = &frontend.rules;
    if frontend.mode == Mode::Http {
        if !rules.deny.is_empty() {
            lines.add("http-request deny deny_status 403 if vipkeeper-denied");
        }
        if !rules.allow.is_empty() {
            lines.add("http-request deny deny_status 403 unless vipkeeper-allowed");
        }
    }
    if let Some(RateLimit { requests: Some(requests), connections, per: _, beyond }) = &rules.rate_limit {
        // A connection that is tracked counts the requests on it too.
        if connections.is_none() {
            lines.add("http-request track-sc0 src");
        }
        let action = match beyond {
            Beyond::Deny(status) => format!("deny deny_status {status}"),
            Beyond::Tarpit(status) => format!("tarpit deny_status {status}"),
            Beyond::Reject => "reject".to_owned(),
        };
        lines.add(format!("http-request {action} if {{ sc_http_req_rate(0) gt {requests} }}"));
    }
    // Before the password, which must not come without TLS.
    if rules.redirect_https {
        lines.add("http-request redirect scheme https code 301 unless { ssl_fc }");
    }
    if let Some(list) = &rules.basic_auth {
        lines.add(format!("http-request auth realm {} unless {{ http_auth({list}) }}", frontend.name));
    }
    if rules.forwarded {
        for (name, value) in [
            ("X-Forwarded-For", "%[src]"),
            ("X-Real-IP", "%[src]"),
            ("X-Forwarded-Host", "%[req.hdr(host)]"),
            ("X-Forwarded-Proto", "%[ssl_fc,iif(https,http)]"),
        ] {
            lines.add(format!("http-request set-header {name} {value}"));
        }
    }
    headers(lines, "http-request", &rules.request_headers)?;
    headers(lines, "http-after-response", &rules.response_headers)?;
    if !rules.compression.is_empty() {
        lines.add("compression algo gzip");
        let types: Vec<&str> =
            rules.compression.iter().map(|kind| one_line("a type", kind)).collect::<Result<_, _>>()?;
        lines.add(format!("compression type {}", types.join(" ")));
    }
    Ok(())
}

/// Whether there are any.
fn networks(lines: &mut Lines<'_>, name: &str, list: &[Networks]) -> Result<bool, RenderError> {
    let single = list.iter().filter_map(|networks| match networks {
        Networks::One(network) => Some(network.as_str()),
        Networks::File(_) => None,
    });
    lines.acl(name, "src", single)?;
    for networks in list {
        if let Networks::File(file) = networks {
            lines.add(format!("acl {name} src -f {}", super::tls::path(file)?));
        }
    }
    Ok(!list.is_empty())
}

fn headers(lines: &mut Lines<'_>, verb: &str, changes: &FrontendHeaders) -> Result<(), RenderError> {
    let FrontendHeaders { del, set, add } = changes;
    for name in del {
        lines.add(format!("{verb} del-header {}", word(one_line("the name of a header", name)?)));
    }
    for (how, pairs) in [("set-header", set), ("add-header", add)] {
        for (name, value) in pairs {
            let name = word(one_line("the name of a header", name)?);
            lines.add(format!("{verb} {how} {name} {}", word(one_line("the value of a header", value)?)));
        }
    }
    Ok(())
}
