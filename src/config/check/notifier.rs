//! `[[notify]]`: who is told of transitions.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::{Cx, Names, Reported, at_most};
use crate::config::document::Item;
use crate::config::limits::{NOTIFIERS_MAX, NOTIFY_EVERY};
use crate::config::problem::{Place, Problem};
use crate::config::raw::{PerNode, RawEmail, RawMailTls, RawNotify, RawWebhook};
use crate::config::written::At;
use crate::config::{Channel, MailTls, Notifier};

/// The states that there are.
const STATES: [&str; 4] = ["master", "backup", "fault", "stop"];
/// People who get one mail.
const RECIPIENTS_MAX: usize = 32;
/// Headers of one webhook.
const HEADERS_MAX: usize = 16;

pub(super) fn check(cx: &mut Cx<'_>, items: &[Item<RawNotify>]) -> Option<Vec<Notifier>> {
    at_most(cx, items, NOTIFIERS_MAX, "[[notify]]");
    let mut names = Names::new(cx, "[[notify]]", items);
    let all: Vec<_> = items.iter().map(|item| notifier(cx, item, &mut names)).collect();
    all.into_iter().collect::<Result<_, _>>().ok()
}

fn notifier(cx: &mut Cx<'_>, item: &Item<RawNotify>, names: &mut Names<()>) -> Result<Notifier, Reported> {
    let RawNotify { name, fifo, syslog, webhook, email, every, states } = item.raw.get();
    let name = names.define(cx, item, name.as_ref(), ());
    let every = cx.duration(item.file, "every", every.as_ref(), NOTIFY_EVERY);
    let states = states.as_ref().map(|written| self::states(cx, item, &written.get().0)).transpose();
    let syslog = syslog.as_ref().filter(|syslog| *syslog.get());
    let ways = [fifo.is_some(), syslog.is_some(), webhook.is_some(), email.is_some()];
    let channel = match ways.iter().filter(|way| **way).count() {
        1 => self::channel(cx, item),
        count => {
            if count > 1 || cx.is_whole(&item.place()) {
                let rule = "[[notify]] must have exactly one of `fifo`, `syslog`, `webhook` and `email`";
                let label = if count == 0 { "nobody is told" } else { "several" };
                let fix = "write one of them; for another one add a [[notify]]";
                cx.add(Problem::new(item.place(), rule).label(label).fix(fix));
            }
            Err(Reported)
        }
    };
    Ok(Notifier {
        name: name.ok_or(Reported)?,
        channel: channel?,
        every: every.ok_or(Reported)?,
        states: states?.unwrap_or_default(),
    })
}

fn channel(cx: &mut Cx<'_>, item: &Item<RawNotify>) -> Result<Channel, Reported> {
    let RawNotify { name: _, fifo, syslog: _, webhook, email, every: _, states: _ } = item.raw.get();
    if let Some(written) = fifo {
        let path = Path::new(written.get());
        if !path.is_absolute() || written.get().contains('\0') {
            let problem = Problem::new(item.at(written), "`fifo` must be an absolute path");
            cx.add(problem.label("not absolute").fix("write, for example, \"/run/vipkeeper/notify.fifo\""));
            return Err(Reported);
        }
        return Ok(Channel::Fifo { path: path.to_owned() });
    }
    if let Some(webhook) = webhook {
        return self::webhook(cx, item, webhook);
    }
    match email {
        Some(email) => self::email(cx, item, email),
        None => Ok(Channel::Syslog),
    }
}

fn webhook(cx: &mut Cx<'_>, item: &Item<RawNotify>, table: &At<RawWebhook>) -> Result<Channel, Reported> {
    let RawWebhook { url, headers, body } = table.get();
    let url = match url {
        Some(written) if !is_url(written.get()) => {
            let problem = Problem::new(item.at(written), "`url` must begin with http:// or https:// and name a host");
            cx.add(problem.label("no such URL").fix("write, for example, \"https://hooks.example.com/vip\""));
            Err(Reported)
        }
        Some(written) => Ok(written.get().clone()),
        None => Err(Reported),
    };
    let headers = headers.as_ref().map(|written| self::headers(cx, item, written)).transpose();
    let body = match body {
        Some(written) => template(cx, item.at(written), written.get()).map(Some),
        None => Ok(None),
    };
    Ok(Channel::Webhook { url: url?, headers: headers?.unwrap_or_default(), body: body? })
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    let host = rest.map(|rest| rest.split(['/', '?', '#']).next().unwrap_or_default());
    host.is_some_and(|host| !host.is_empty()) && !text.chars().any(|c| c.is_control() || c == ' ')
}

fn headers(
    cx: &mut Cx<'_>,
    item: &Item<RawNotify>,
    written: &At<PerNode>,
) -> Result<BTreeMap<String, String>, Reported> {
    if written.get().len() > HEADERS_MAX {
        let rule = format!("there may be at most {HEADERS_MAX} `headers`, not {}", written.get().len());
        cx.add(Problem::new(item.at(written), rule).label("too many").fix("take some out"));
        return Err(Reported);
    }
    let mut all = BTreeMap::new();
    for (name, value) in written.get() {
        let token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
        if name.get().is_empty() || !name.get().chars().all(token) {
            let problem = Problem::new(item.at(name), "the name of a header is made of letters, digits and hyphens");
            cx.add(problem.label("not a name").fix("write, for example, \"Authorization\""));
            return Err(Reported);
        }
        if value.get().chars().any(|c| c.is_control()) {
            let problem = Problem::new(item.at(value), "the value of a header must be one line");
            cx.add(problem.label("a control character").fix("take it out"));
            return Err(Reported);
        }
        all.insert(name.get().clone(), value.get().clone());
    }
    Ok(all)
}

/// Whether it parses; what it makes of a notice is seen when there is one.
fn template(cx: &mut Cx<'_>, place: Place, text: &str) -> Result<String, Reported> {
    let mut tera = tera::Tera::default();
    match tera.add_raw_template("body", text) {
        Ok(()) => Ok(text.to_owned()),
        Err(error) => {
            let why = error.to_string().lines().next().unwrap_or_default().to_owned();
            let problem = Problem::new(place, "`body` must be a tera template").label(why);
            cx.add(problem.fix("write, for example, \"{{ notices[0].name }} is {{ notices[0].state }}\""));
            Err(Reported)
        }
    }
}

fn email(cx: &mut Cx<'_>, item: &Item<RawNotify>, table: &At<RawEmail>) -> Result<Channel, Reported> {
    let RawEmail { server, tls, from, to, user, password_file } = table.get();
    let tls = match tls.as_ref().map(|tls| *tls.get()) {
        None | Some(RawMailTls::Starttls) => MailTls::Starttls,
        Some(RawMailTls::Tls) => MailTls::Tls,
        Some(RawMailTls::None) => MailTls::None,
    };
    let server = server.as_ref().ok_or(Reported).and_then(|written| self::server(cx, item, written, tls));
    let from = from.as_ref().ok_or(Reported).and_then(|written| mailbox(cx, item, written));
    let to = to.as_ref().ok_or(Reported).and_then(|written| recipients(cx, item, written.span(), &written.get().0));
    let login = match (user, password_file) {
        (Some(user), Some(file)) => {
            let path: Option<PathBuf> = cx.file(item.file, "password_file", file);
            Ok(Some((user.get().clone(), path.ok_or(Reported)?)))
        }
        (None, None) => Ok(None),
        (Some(written), None) | (None, Some(written)) => {
            let problem = Problem::new(item.at(written), "`user` and `password_file` go together");
            cx.add(problem.label("alone").fix("write both, or neither"));
            Err(Reported)
        }
    };
    let (server, port) = server?;
    Ok(Channel::Email { server, port, tls, from: from?, to: to?, login: login? })
}

fn server(
    cx: &mut Cx<'_>,
    item: &Item<RawNotify>,
    written: &At<String>,
    tls: MailTls,
) -> Result<(String, u16), Reported> {
    let usual = match tls {
        MailTls::Starttls => 587,
        MailTls::Tls => 465,
        MailTls::None => 25,
    };
    let text = written.get();
    let (host, port) = match text.rsplit_once(':') {
        // More colons are an IPv6 address.
        Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
            (host, port.parse().ok().filter(|p| *p > 0))
        }
        Some(_) | None => (text.as_str(), Some(usual)),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '_');
    match port {
        Some(port) if !host.is_empty() && host.chars().all(good) => Ok((host.to_owned(), port)),
        Some(_) | None => {
            let problem = Problem::new(item.at(written), "`server` must be a host, with a port if need be");
            cx.add(problem.label("no such server").fix("write, for example, \"mail.example.com:587\""));
            Err(Reported)
        }
    }
}

fn recipients(
    cx: &mut Cx<'_>,
    item: &Item<RawNotify>,
    span: std::ops::Range<usize>,
    list: &[At<String>],
) -> Result<Vec<String>, Reported> {
    if list.len() > RECIPIENTS_MAX {
        let rule = format!("a mail goes to at most {RECIPIENTS_MAX} people, not {}", list.len());
        cx.add(Problem::new(Place::new(item.file, span), rule).label("too many").fix("write to a mailing list"));
        return Err(Reported);
    }
    let all: Vec<_> = list.iter().map(|one| mailbox(cx, item, one)).collect();
    all.into_iter().collect()
}

fn mailbox(cx: &mut Cx<'_>, item: &Item<RawNotify>, written: &At<String>) -> Result<String, Reported> {
    let text = written.get();
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_graphic() && !"<>\",;:\\()@".contains(c));
    match text.split_once('@') {
        Some((user, domain)) if plain(user) && plain(domain) => Ok(text.clone()),
        Some(_) | None => {
            let problem = Problem::new(item.at(written), "this must be an address for mail, without a name beside it");
            cx.add(problem.label("not an address").fix("write, for example, \"ops@example.com\""));
            Err(Reported)
        }
    }
}

fn states(cx: &mut Cx<'_>, item: &Item<RawNotify>, list: &[At<String>]) -> Result<Vec<String>, Reported> {
    let mut all = Vec::new();
    for one in list {
        if !STATES.contains(&one.get().as_str()) {
            let problem = Problem::new(item.at(one), "a state is \"master\", \"backup\", \"fault\" or \"stop\"");
            cx.add(problem.label("no such state").fix("write one of these"));
            return Err(Reported);
        }
        all.push(one.get().clone());
    }
    Ok(all)
}
