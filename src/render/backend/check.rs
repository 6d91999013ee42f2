//! Checks and agents in HAProxy's words.

use super::server::trust;
use super::{Lines, Words};
use crate::config::{
    Agent, BodyMatch, Check, CheckKind, CheckPace, CheckReaction, CheckRoute, CheckStep, CheckTls, HttpExpect,
    HttpVersion, Observe, ObserveLayer, OnError, PatroniRole, RedisRole, ServerSettings,
};
use crate::render::RenderError;
use crate::render::model::{escaped_word, one_line, time, word};

/// Port of Patroni's REST API.
const PATRONI_PORT: u16 = 8008;

/// The protocol header of AMQP 0-9-1 (section 4.2.2 of its specification).
const AMQP_HEADER: &str = "414d515000000901";

/// How every answer to it begins: a method frame on channel 0, with a length below 16 MiB (section 4.2.3).
const AMQP_METHOD: &str = "01000000";

/// The lines that say what is sent and expected.
pub(super) fn lines(lines: &mut Lines, check: &Check) -> Result<(), RenderError> {
    match &check.kind {
        CheckKind::Tcp => {}
        CheckKind::Http { method, path, host, version, headers, expect } => {
            lines.plain("option httpchk");
            let mut send = Words::of("http-check send");
            send.pair("meth", &word(one_line("the method of a check", method)?));
            send.pair("uri", &word(one_line("the path of a check", path)?));
            send.maybe("ver", version_word(*version));
            if let Some(host) = host {
                send.pair("hdr Host", &log_format(one_line("the host of a check", host)?));
            }
            for (name, value) in headers {
                let name = word(one_line("a header of a check", name)?);
                send.pair("hdr", &format!("{name} {}", log_format(one_line("a header of a check", value)?)));
            }
            lines.line(send);
            if let Some(expect) = expect {
                expect_lines(lines, expect);
            }
        }
        CheckKind::Mysql { user } => {
            lines.plain(format!("option mysql-check user {}", word(one_line("the user of a check", user)?)));
        }
        CheckKind::Pgsql { user } => {
            lines.plain(format!("option pgsql-check user {}", word(one_line("the user of a check", user)?)));
        }
        CheckKind::Redis { role, password } => redis(lines, *role, password.as_deref())?,
        CheckKind::Smtp { hello } => {
            lines.plain(format!("option smtpchk EHLO {}", word(one_line("the greeting of a check", hello)?)));
        }
        CheckKind::Ldap => lines.plain("option ldap-check"),
        CheckKind::SslHello => lines.plain("option ssl-hello-chk"),
        CheckKind::Patroni(role) => {
            lines.plain("option httpchk");
            lines.plain(format!("http-check send meth GET uri {}", patroni_path(*role)));
            lines.plain("http-check expect status 200");
        }
        CheckKind::Rabbitmq => {
            lines.plain("option tcp-check");
            lines.plain(format!("tcp-check send-binary {AMQP_HEADER}"));
            lines.plain(format!("tcp-check expect binary {AMQP_METHOD}"));
        }
        CheckKind::Script(steps) => {
            lines.plain("option tcp-check");
            steps.iter().for_each(|step| lines.plain(step_line(step)));
        }
    }
    if let Some(timeout) = check.pace.timeout {
        lines.plain(format!("timeout check {}", time(timeout)));
    }
    Ok(())
}

/// HAProxy speaks 1.0 unasked.
fn version_word(version: HttpVersion) -> Option<&'static str> {
    match version {
        HttpVersion::V10 => None,
        HttpVersion::V11 => Some("HTTP/1.1"),
    }
}

/// A log-format string that stands for itself: a percent sign would begin a variable.
fn log_format(text: &str) -> String {
    word(&text.replace('%', "%%"))
}

/// HAProxy judges one answer by all of these, in their order.
fn expect_lines(lines: &mut Lines, expect: &HttpExpect) {
    let HttpExpect { status, body } = expect;
    let ranges: Vec<String> = status
        .iter()
        .map(|range| match (range.start(), range.end()) {
            (from, to) if from == to => from.to_string(),
            (from, to) => format!("{from}-{to}"),
        })
        .collect();
    lines.plain(format!("http-check expect status {}", ranges.join(",")));
    match body {
        None => {}
        Some(BodyMatch::Text(text)) => lines.plain(format!("http-check expect string {}", escaped_word(text))),
        Some(BodyMatch::Regex(regex)) => lines.plain(format!("http-check expect rstring {}", escaped_word(regex))),
    }
}

fn redis(lines: &mut Lines, role: RedisRole, password: Option<&str>) -> Result<(), RenderError> {
    let expected = match (role, password) {
        (RedisRole::Any, None) => {
            lines.plain("option redis-check");
            return Ok(());
        }
        (RedisRole::Any, Some(_)) => None,
        (RedisRole::Master, _) => Some("role:master"),
        (RedisRole::Replica, _) => Some("role:slave"),
    };
    lines.plain("option tcp-check");
    if let Some(variable) = password {
        let variable = one_line("the password of a check", variable)?;
        lines.plain(format!(r#"tcp-check send "AUTH ${{{variable}}}\r\n""#));
        lines.plain("tcp-check expect string +OK");
    }
    lines.plain(r#"tcp-check send "PING\r\n""#);
    lines.plain("tcp-check expect string +PONG");
    if let Some(role) = expected {
        lines.plain(r#"tcp-check send "info replication\r\n""#);
        lines.plain(format!("tcp-check expect string {role}"));
    }
    lines.plain(r#"tcp-check send "QUIT\r\n""#);
    lines.plain("tcp-check expect string +OK");
    Ok(())
}

fn patroni_path(role: PatroniRole) -> &'static str {
    match role {
        PatroniRole::Primary => "/primary",
        PatroniRole::Replica => "/replica",
        PatroniRole::ReadOnly => "/read-only",
        PatroniRole::Synchronous => "/synchronous",
        PatroniRole::Asynchronous => "/asynchronous",
        PatroniRole::StandbyLeader => "/standby-leader",
    }
}

fn step_line(step: &CheckStep) -> String {
    match step {
        CheckStep::Send(text) => format!("tcp-check send {}", escaped_word(text)),
        CheckStep::SendHex(hex) => format!("tcp-check send-binary {}", escaped_word(hex)),
        CheckStep::Expect(text) => format!("tcp-check expect string {}", escaped_word(text)),
        CheckStep::ExpectRegex(regex) => format!("tcp-check expect rstring {}", escaped_word(regex)),
        CheckStep::ExpectHex(hex) => format!("tcp-check expect binary {}", escaped_word(hex)),
    }
}

/// What `default-server` says of the check. Port and host of the servers' own defaults come later, and win.
pub(super) fn words(check: &Check, servers: &ServerSettings) -> Result<Words, RenderError> {
    let Check { kind, interval, rise, fall, route, pace, reaction } = check;
    let CheckRoute { port, addr, tls, send_proxy } = route;
    let CheckPace { fastinter, downinter, timeout: _ } = pace;
    let mut words = Words::of("check");
    words.pair("inter", &time(*interval));
    words.maybe("fastinter", fastinter.map(time)).maybe("downinter", downinter.map(time));
    words.maybe("rise", Some(rise)).maybe("fall", Some(fall));
    let patroni = matches!(kind, CheckKind::Patroni(_)) && servers.check_port.is_none();
    words.maybe("port", port.or(patroni.then_some(PATRONI_PORT)));
    if let Some(addr) = addr {
        words.pair("addr", &word(one_line("the address of a check", addr)?));
    }
    if let Some(tls) = tls {
        check_tls(&mut words, tls)?;
    }
    if *send_proxy {
        words.add("check-send-proxy");
    }
    react(&mut words, *reaction);
    Ok(words)
}

fn check_tls(words: &mut Words, tls: &CheckTls) -> Result<(), RenderError> {
    let CheckTls { trust: judged, sni, alpn } = tls;
    words.add("check-ssl");
    if let Some(judged) = judged {
        trust(words, judged)?;
    }
    if let Some(sni) = sni {
        words.pair("check-sni", &word(one_line("the name of a check", sni)?));
    }
    if !alpn.is_empty() {
        words.pair("check-alpn", &word(one_line("the protocols of a check", &alpn.join(","))?));
    }
    Ok(())
}

fn react(words: &mut Words, reaction: CheckReaction) {
    let CheckReaction { shutdown_sessions, shutdown_backup_sessions, observe } = reaction;
    if shutdown_sessions {
        words.add("on-marked-down shutdown-sessions");
    }
    if shutdown_backup_sessions {
        words.add("on-marked-up shutdown-backup-sessions");
    }
    if let Some(Observe { layer, on_error, error_limit }) = observe {
        words.add(match layer {
            ObserveLayer::Layer4 => "observe layer4",
            ObserveLayer::Layer7 => "observe layer7",
        });
        words.add(match on_error {
            OnError::Fastinter => "on-error fastinter",
            OnError::FailCheck => "on-error fail-check",
            OnError::SuddenDeath => "on-error sudden-death",
            OnError::MarkDown => "on-error mark-down",
        });
        words.pair("error-limit", &error_limit.to_string());
    }
}

pub(super) fn agent(agent: &Agent) -> Result<Words, RenderError> {
    let Agent { port, addr, interval, send } = agent;
    let mut words = Words::of("agent-check");
    words.pair("agent-port", &port.to_string()).pair("agent-inter", &time(*interval));
    if let Some(addr) = addr {
        words.pair("agent-addr", &word(one_line("the address of an agent", addr)?));
    }
    if let Some(send) = send {
        words.pair("agent-send", &escaped_word(send));
    }
    Ok(words)
}
