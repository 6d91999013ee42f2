//! Checks that speak another protocol than HTTP: users, passwords, and steps of the user's.

use crate::config::check::{Cx, Reported};
use crate::config::document::Item;
use crate::config::limits::RAW_LINE_BYTES_MAX;
use crate::config::problem::Problem;
use crate::config::raw::{RawBackend, RawCheck, RawCheckStep, RawRedisRole};
use crate::config::written::At;
use crate::config::{CheckKind, CheckStep, RedisRole};

/// Steps of one check; more are refused.
const STEPS_MAX: usize = 32;

/// Bytes of a user's name: what MySQL and PostgreSQL take, rounded up.
const USER_BYTES_MAX: usize = 64;

/// The name of a user of a database.
pub(super) fn user(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    key: &str,
    written: &At<String>,
) -> Result<String, Reported> {
    let text = written.get();
    let good = |b: u8| b.is_ascii_alphanumeric() || b"_-.@".contains(&b);
    if !text.is_empty() && text.len() <= USER_BYTES_MAX && text.bytes().all(good) {
        return Ok(text.clone());
    }
    let problem = Problem::new(item.at(written), format!("`{key}` must be the name of a user of the database"));
    cx.add(problem.label("not a name").fix(format!("write, for example, `{key} = \"haproxy\"`")));
    Err(Reported)
}

pub(super) fn redis(cx: &mut Cx<'_>, item: &Item<RawBackend>, raw: &RawCheck) -> Result<CheckKind, Reported> {
    let role = match raw.redis.as_ref().map(At::get) {
        None | Some(RawRedisRole::Any) => RedisRole::Any,
        Some(RawRedisRole::Master) => RedisRole::Master,
        Some(RawRedisRole::Replica) => RedisRole::Replica,
    };
    let Some(written) = &raw.password else { return Ok(CheckKind::Redis { role, password: None }) };
    let variable = written.get().strip_prefix("env:").filter(|name| is_variable(name));
    let Some(variable) = variable else {
        let problem = Problem::new(item.at(written), "a password is not written here, but named: \"env:NAME\"");
        let note = "the file is the same on all hosts and often shared; HAProxy reads the variable when it starts";
        let fix = "write \"env:REDIS_PASSWORD\", and the variable in the environment of vipkeeper";
        cx.add(problem.label("not \"env:\" and the name of a variable").note(note).fix(fix));
        return Err(Reported);
    };
    Ok(CheckKind::Redis { role, password: Some(variable.to_owned()) })
}

/// A name of a variable as shells and HAProxy take it.
fn is_variable(name: &str) -> bool {
    let first = name.bytes().next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    first && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A text that is sent, or looked for.
pub(super) fn text(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    key: &str,
    written: &At<String>,
) -> Result<String, Reported> {
    // Control characters are written as escapes of four bytes.
    let escaped = written.get().chars().map(|c| if c.is_control() { 4 } else { c.len_utf8() }).sum::<usize>();
    let label = match written.get() {
        text if text.is_empty() => "empty",
        text if text.contains('\0') => "a zero byte inside",
        _ if escaped > RAW_LINE_BYTES_MAX => "too long",
        text => return Ok(text.clone()),
    };
    let rule = format!("`{key}` must be a text of 1 to {RAW_LINE_BYTES_MAX} bytes, without zero bytes");
    cx.add(
        Problem::new(item.at(written), rule)
            .label(label)
            .fix("write bytes as hex digits, in `send_hex` or `expect_hex`"),
    );
    Err(Reported)
}

fn hex(cx: &mut Cx<'_>, item: &Item<RawBackend>, key: &str, written: &At<String>) -> Result<String, Reported> {
    let text = written.get();
    let digits = text.bytes().all(|b| b.is_ascii_hexdigit());
    if digits && !text.is_empty() && text.len().is_multiple_of(2) && text.len() <= RAW_LINE_BYTES_MAX {
        return Ok(text.to_ascii_lowercase());
    }
    let problem = Problem::new(item.at(written), format!("`{key}` must be bytes, two hex digits each"));
    cx.add(problem.label("not an even number of hex digits").fix(format!("write, for example, `{key} = \"0d0a\"`")));
    Err(Reported)
}

pub(super) fn script(cx: &mut Cx<'_>, item: &Item<RawBackend>, raw: &RawCheck) -> Result<CheckKind, Reported> {
    let Some(written) = &raw.script else { return Err(Reported) };
    let list = &written.get().0;
    if list.len() > STEPS_MAX {
        let rule = format!("a check may have at most {STEPS_MAX} steps, not {}", list.len());
        cx.add(Problem::new(item.at(written), rule).label("too many").fix("check less"));
        return Err(Reported);
    }
    let steps: Vec<_> = list.iter().map(|entry| step(cx, item, entry)).collect();
    let steps: Vec<CheckStep> = steps.into_iter().collect::<Result<_, _>>()?;
    Ok(CheckKind::Script(steps))
}

fn step(cx: &mut Cx<'_>, item: &Item<RawBackend>, entry: &At<RawCheckStep>) -> Result<CheckStep, Reported> {
    let RawCheckStep { send, send_hex, expect, expect_regex, expect_hex } = entry.get();
    match (send, send_hex, expect, expect_regex, expect_hex) {
        (Some(send), None, None, None, None) => text(cx, item, "send", send).map(CheckStep::Send),
        (None, Some(send), None, None, None) => hex(cx, item, "send_hex", send).map(CheckStep::SendHex),
        (None, None, Some(expect), None, None) => text(cx, item, "expect", expect).map(CheckStep::Expect),
        (None, None, None, Some(regex), None) => text(cx, item, "expect_regex", regex).map(CheckStep::ExpectRegex),
        (None, None, None, None, Some(expect)) => hex(cx, item, "expect_hex", expect).map(CheckStep::ExpectHex),
        _ => {
            if cx.is_whole(&item.at(entry)) {
                let problem = Problem::new(item.at(entry), "a step of a check is one thing: it sends or it expects");
                let fix = "write one table for each: [{ send = \"PING\\r\\n\" }, { expect = \"+PONG\" }]";
                cx.add(problem.label("not one key").fix(fix));
            }
            Err(Reported)
        }
    }
}
