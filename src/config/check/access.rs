//! Who may come in and what is told on: userlists, networks, rate limits, headers.

use std::collections::{BTreeMap, BTreeSet};

use super::route_actions::deny_status;
use super::routing::{Of, path, texts};
use super::rules::{header_name, http_only, network};
use super::{Cx, Names, Reported};
use crate::config::document::Item;
use crate::config::limits::{HEADERS_MAX, PASSWORD_HASHES, RATE_PERIOD, USERS_MAX};
use crate::config::problem::Problem;
use crate::config::raw::{PerNode, RawFrontendHeaders, RawLimitAction, RawRateLimit, RawTexts, RawUserlist};
use crate::config::written::At;
use crate::config::{Beyond, FrontendHeaders, Networks, PasswordHash, RateLimit, User, Userlist};
use crate::units::Name;

/// All userlists, and their names for those who refer to them.
pub(super) fn userlists(cx: &mut Cx<'_>, items: &[Item<RawUserlist>]) -> (Names<()>, Option<Vec<Userlist>>) {
    let mut names = Names::new(cx, "[[userlist]]", items);
    let mut left = USERS_MAX;
    let mut lists = Vec::new();
    for item in items {
        let raw = item.raw.get();
        let name = names.define(cx, item, raw.name.as_ref(), ());
        let users = users(cx, item, &mut left);
        let origin = cx.origin(&item.place());
        lists.push(name.zip(users).map(|(name, users)| Userlist { name, users, origin }));
    }
    (names, lists.into_iter().collect())
}

/// A report quotes the line that it is about, so whatever is wrong with a password is told at the table's header.
fn users(cx: &mut Cx<'_>, item: &Item<RawUserlist>, left: &mut usize) -> Option<Vec<User>> {
    let list = &item.raw.get().users.as_ref()?.get().0;
    if list.len() > *left {
        let rule = format!("there may be at most {USERS_MAX} users in all [[userlist]] together");
        cx.add(Problem::new(item.place(), rule).label("too many with these").fix("remove some"));
        return None;
    }
    *left = left.saturating_sub(list.len());
    let mut seen = BTreeSet::new();
    let mut users = Vec::new();
    for entry in list {
        let (name, password) = (entry.get().name.as_ref()?.get(), entry.get().password.as_ref()?.get());
        let bad_name = name.is_empty() || name.len() > 128 || name.chars().any(|c| c.is_whitespace() || c.is_control());
        let hash = PASSWORD_HASHES.iter().any(|prefix| password.starts_with(prefix))
            && password.len() <= 255
            && password.bytes().all(|b| b.is_ascii_alphanumeric() || b"./$=,".contains(&b));
        let problem = |rule: String| Problem::new(item.place(), rule);
        if bad_name || name.contains(':') {
            let rule = format!("the name of a user has neither white space nor a colon: {name:?}");
            cx.add(problem(rule).fix("write, for example, \"alice\""));
            users.push(None);
        } else if !seen.insert(name) {
            cx.add(problem(format!("two users of this list are named {name:?}")).fix("remove one of them"));
            users.push(None);
        } else if !hash {
            let problem = problem(format!("the password of {name:?} is not a hash of crypt(5)"));
            let note = "passwords are kept as hashes alone, since this file is on every node";
            cx.add(problem.note(note).fix("write what `mkpasswd -m sha-256` prints, which begins with \"$5$\""));
            users.push(None);
        } else {
            users.push(Some(User { name: name.clone(), password: PasswordHash(password.clone()) }));
        }
    }
    users.into_iter().collect()
}

/// Networks and files of networks.
pub(super) fn sources(cx: &mut Cx<'_>, of: Of<'_>, key: &str, written: Option<&RawTexts>) -> Option<Vec<Networks>> {
    texts(cx, of, key, written, |cx, place, text| {
        if !text.starts_with('/') {
            return network(cx, place, text).map(Networks::One);
        }
        if text.chars().any(char::is_control) {
            cx.add(Problem::new(place, "the path of a file has no control characters").fix("take them out"));
            return None;
        }
        Some(Networks::File(text.into()))
    })
}

pub(super) fn rate_limit(cx: &mut Cx<'_>, of: Of<'_>) -> Result<Option<RateLimit>, Reported> {
    let Some(written) = &of.item.raw.get().rate_limit else { return Ok(None) };
    let RawRateLimit { requests, connections, per, action, status } = written.get();
    let period = per.as_ref().and_then(|per| cx.duration(of.item.file, "rate_limit.per", Some(per), RATE_PERIOD));
    if let Some(requests) = requests
        && !http_only(cx, of.at(requests), "requests", of.mode)
    {
        return Err(Reported);
    }
    if requests.is_none() && connections.is_none() && cx.is_whole(&of.at(written)) {
        let problem = Problem::new(of.at(written), "a `rate_limit` needs `requests` or `connections`").label("neither");
        cx.add(problem.fix("write `rate_limit = { requests = 100, per = \"10s\" }`"));
        return Err(Reported);
    }
    let action = action.as_ref().map_or(RawLimitAction::Deny, |action| *action.get());
    let refusal = match status {
        Some(status) => deny_status(cx, of, "status", status).ok_or(Reported)?,
        None => 429,
    };
    let beyond = match action {
        RawLimitAction::Deny => Beyond::Deny(refusal),
        RawLimitAction::Tarpit => Beyond::Tarpit(refusal),
        RawLimitAction::Reject => Beyond::Reject,
    };
    let count = |written: &Option<At<i64>>| written.as_ref().and_then(|count| u32::try_from(*count.get()).ok());
    let per = period.ok_or(Reported)?;
    Ok(Some(RateLimit { requests: count(requests), connections: count(connections), per, beyond }))
}

/// The userlist that a key names.
pub(super) fn userlist(cx: &mut Cx<'_>, of: Of<'_>, userlists: &Names<()>) -> Result<Option<Name>, Reported> {
    let Some(written) = &of.item.raw.get().basic_auth else { return Ok(None) };
    let good = http_only(cx, of.at(written), "basic_auth", of.mode);
    userlists.resolve(cx, of.at(written), written.get()).filter(|()| good).ok_or(Reported)?;
    Name::new(written.get()).map(Some).map_err(|_| Reported)
}

pub(super) fn headers(
    cx: &mut Cx<'_>,
    of: Of<'_>,
    key: &str,
    written: Option<&At<RawFrontendHeaders>>,
) -> Option<FrontendHeaders> {
    let Some(written) = written else { return Some(FrontendHeaders::default()) };
    http_only(cx, of.at(written), key, of.mode).then_some(())?;
    let RawFrontendHeaders { set, add, del } = written.get();
    let set = pairs(cx, of, set.as_ref());
    let add = pairs(cx, of, add.as_ref());
    let del = del.as_ref().map_or_else(Vec::new, |del| {
        del.get().iter().map(|name| header_name(cx, of.at(name), name.get())).collect::<Vec<_>>()
    });
    let (set, add) = (set?, add?);
    let del: Vec<String> = del.into_iter().collect::<Option<_>>()?;
    if [set.len(), add.len(), del.len()].iter().any(|count| *count > HEADERS_MAX) {
        let rule = format!("`{key}` may change at most {HEADERS_MAX} headers in each way");
        cx.add(Problem::new(of.at(written), rule).fix("write further ones in `raw`"));
        return None;
    }
    Some(FrontendHeaders { del, set, add })
}

fn pairs(cx: &mut Cx<'_>, of: Of<'_>, written: Option<&At<PerNode>>) -> Option<Vec<(String, String)>> {
    let none = BTreeMap::new();
    let map = written.map_or(&none, At::get);
    let all: Vec<_> = map
        .iter()
        .map(|(name, value)| {
            let name = header_name(cx, of.at(name), name.get());
            let value = cx.one_line(of.item.file, "the value of a header", value);
            name.zip(value)
        })
        .collect();
    all.into_iter().collect()
}

/// Types that are compressed.
pub(super) fn compression(cx: &mut Cx<'_>, of: Of<'_>) -> Option<Vec<String>> {
    let Some(written) = &of.item.raw.get().compression else { return Some(Vec::new()) };
    http_only(cx, of.at(written), "compression", of.mode).then_some(())?;
    let mut types = Vec::new();
    for one in written.get().0.iter().take(HEADERS_MAX) {
        let text = one.get();
        let good = text.split('/').count() == 2
            && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-+.".contains(&b))
            && text.len() < 64;
        if !good {
            let problem = Problem::new(of.at(one), "`compression` lists types of responses").label("not a type");
            cx.add(problem.fix("write, for example, `compression = [\"text/html\", \"application/json\"]`"));
            return None;
        }
        types.push(text.clone());
    }
    if written.get().0.len() > types.len() {
        let problem = Problem::new(of.at(written), format!("`compression` may have at most {HEADERS_MAX} types"));
        cx.add(problem.fix("leave some out"));
        return None;
    }
    Some(types)
}

/// The path that is answered with 200.
pub(super) fn monitor_uri(cx: &mut Cx<'_>, of: Of<'_>) -> Result<Option<String>, Reported> {
    let Some(written) = &of.item.raw.get().monitor_uri else { return Ok(None) };
    if !http_only(cx, of.at(written), "monitor_uri", of.mode) {
        return Err(Reported);
    }
    path(cx, of.at(written), written.get()).map(Some).ok_or(Reported)
}

/// `forwarded`, for requests alone.
pub(super) fn forwarded(cx: &mut Cx<'_>, of: Of<'_>) -> Option<bool> {
    let Some(written) = of.item.raw.get().forwarded.as_ref().filter(|forwarded| *forwarded.get()) else {
        return Some(false);
    };
    http_only(cx, of.at(written), "forwarded", of.mode).then_some(true)
}
