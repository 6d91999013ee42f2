//! Actions of a `[[frontend.route]]`: exactly one of them.

use super::Cx;
use super::routing::{Of, path};
use super::rules::http_only;
use crate::config::problem::Problem;
use crate::config::raw::{RawFrontendRoute, RawRedirect, RawReturn};
use crate::config::written::At;
use crate::config::{Action, Body, RedirectTo, Rewrite};
use crate::units::Name;

/// Statuses that HAProxy has an answer for (`deny_status`).
const DENY_STATUSES: [i64; 18] =
    [400, 401, 403, 404, 405, 407, 408, 410, 413, 421, 422, 425, 429, 500, 501, 502, 503, 504];

/// Statuses of redirects.
const REDIRECT_CODES: [i64; 5] = [301, 302, 303, 307, 308];

/// Reports a route with no action, or with several.
pub(super) fn only_one(cx: &mut Cx<'_>, of: Of<'_>, written: &At<RawFrontendRoute>) -> Option<()> {
    let raw = written.get();
    let reject = raw.reject.as_ref().filter(|reject| *reject.get());
    let actions = [
        raw.backend.as_ref().map(|written| of.at(written)),
        raw.redirect.as_ref().map(|written| of.at(written)),
        raw.answer.as_ref().map(|written| of.at(written)),
        raw.deny.as_ref().map(|written| of.at(written)),
        reject.map(|written| of.at(written)),
    ];
    let mut there = actions.into_iter().flatten();
    match (there.next(), there.next()) {
        (Some(_), None) => Some(()),
        (Some(first), Some(second)) => {
            let problem = Problem::new(second, "a route has one action").label("one too many");
            cx.add(problem.also(first, "this is one").fix("make two routes of it, or remove one of the two"));
            None
        }
        (None, _) => {
            if cx.is_whole(&of.at(written)) {
                let rule = "a route needs an action: `backend`, `redirect`, `return`, `deny` or `reject`";
                cx.add(Problem::new(of.at(written), rule).label("none").fix("add `backend = \"web\"`"));
            }
            None
        }
    }
}

/// The action that is there.
pub(super) fn action(cx: &mut Cx<'_>, of: Of<'_>, raw: &RawFrontendRoute, backend: Option<Name>) -> Option<Action> {
    if let Some(name) = backend {
        return rewrite(cx, of, raw).map(|rewrite| Action::Backend { name, rewrite });
    }
    if let Some(written) = raw.strip_prefix.as_ref().or(raw.add_prefix.as_ref()) {
        let problem = Problem::new(of.at(written), "a path is changed on its way to a backend alone");
        cx.add(problem.label("no `backend` here").fix("remove it, or add `backend`"));
        return None;
    }
    if let Some(written) = &raw.redirect {
        http_only(cx, of.at(written), "redirect", of.mode).then_some(())?;
        return redirect(cx, of, written);
    }
    if let Some(written) = &raw.answer {
        http_only(cx, of.at(written), "return", of.mode).then_some(())?;
        return answer(cx, of, written);
    }
    let Some(written) = &raw.deny else { return Some(Action::Reject) };
    http_only(cx, of.at(written), "deny", of.mode).then_some(())?;
    deny_status(cx, of, "deny", written).map(Action::Deny)
}

/// A status that HAProxy can deny with.
pub(super) fn deny_status(cx: &mut Cx<'_>, of: Of<'_>, key: &str, written: &At<i64>) -> Option<u16> {
    if DENY_STATUSES.contains(written.get()) {
        return u16::try_from(*written.get()).ok();
    }
    let all = DENY_STATUSES.map(|status| status.to_string()).join(", ");
    let problem = Problem::new(of.at(written), format!("`{key}` is a status that HAProxy can refuse with"));
    cx.add(problem.label("it has no answer for this one").fix(format!("write one of {all}, or use `return`")));
    None
}

fn rewrite(cx: &mut Cx<'_>, of: Of<'_>, raw: &RawFrontendRoute) -> Option<Rewrite> {
    let strip = prefix(cx, of, "strip_prefix", raw.strip_prefix.as_ref());
    let add = prefix(cx, of, "add_prefix", raw.add_prefix.as_ref());
    Some(Rewrite { strip: strip?, add: add? })
}

/// `Some(None)`: it is not there.
#[allow(clippy::option_option, reason = "absent, and wrong")]
fn prefix(cx: &mut Cx<'_>, of: Of<'_>, key: &str, written: Option<&At<String>>) -> Option<Option<String>> {
    let Some(written) = written else { return Some(None) };
    http_only(cx, of.at(written), key, of.mode).then_some(())?;
    let text = path(cx, of.at(written), written.get())?;
    let bare = text.trim_end_matches('/');
    let clean = bare.bytes().all(|b| b.is_ascii_alphanumeric() || b"/-._~".contains(&b));
    if clean && bare == text {
        return Some(Some(text));
    }
    let problem = Problem::new(of.at(written), format!("`{key}` is a path without a slash at its end"));
    let label = if clean { "a slash at the end" } else { "other characters than letters, digits and `/-._~`" };
    let fix = match (clean, bare.is_empty()) {
        (true, false) => format!("write {bare:?}"),
        (true, true) => "remove it".to_owned(),
        (false, _) => "change other paths in `raw`, with `http-request replace-path`".to_owned(),
    };
    cx.add(problem.label(label).fix(fix));
    None
}

fn redirect(cx: &mut Cx<'_>, of: Of<'_>, written: &At<RawRedirect>) -> Option<Action> {
    let RawRedirect { scheme, prefix, location, code } = written.get();
    let to = match (scheme, prefix, location) {
        (Some(scheme), None, None) => cx.one_line(of.item.file, "scheme", scheme).map(RedirectTo::Scheme),
        (None, Some(prefix), None) => cx.one_line(of.item.file, "prefix", prefix).map(RedirectTo::Prefix),
        (None, None, Some(location)) => cx.one_line(of.item.file, "location", location).map(RedirectTo::Location),
        (None, None, None) if !cx.is_whole(&of.at(written)) => None,
        _ => {
            let rule = "a redirect has exactly one of `scheme`, `prefix` and `location`";
            cx.add(Problem::new(of.at(written), rule).fix("write, for example, `redirect = { scheme = \"https\" }`"));
            None
        }
    };
    let status = code.as_ref().map_or(302, |code| *code.get());
    if let Some(code) = code
        && !REDIRECT_CODES.contains(&status)
    {
        let problem = Problem::new(of.at(code), "the `code` of a redirect is 301, 302, 303, 307 or 308");
        cx.add(problem.label("not a redirect").fix("write 301 for good, 302 for now"));
        return None;
    }
    Some(Action::Redirect { to: to?, code: u16::try_from(status).ok()? })
}

fn answer(cx: &mut Cx<'_>, of: Of<'_>, written: &At<RawReturn>) -> Option<Action> {
    let RawReturn { status, content_type, body, file } = written.get();
    let content_type = match content_type {
        Some(content_type) => cx.one_line(of.item.file, "content_type", content_type),
        None => Some("text/plain".to_owned()),
    };
    let body = match (body, file) {
        (Some(body), None) => cx.one_line(of.item.file, "body", body).map(Body::Text),
        (None, Some(file)) => cx.file(of.item.file, "file", file).map(Body::File),
        (None, None) => Some(Body::Empty),
        (Some(_), Some(file)) => {
            let problem = Problem::new(of.at(file), "an answer has either `body` or `file`").label("one too many");
            cx.add(problem.fix("remove one of the two"));
            None
        }
    };
    let status = status.as_ref().and_then(|status| u16::try_from(*status.get()).ok())?;
    Some(Action::Return { status, content_type: content_type?, body: body? })
}
