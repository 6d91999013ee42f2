//! `cookie` and `stick` of a backend.

use super::balance::is_token;
use super::servers;
use crate::config::check::{Cx, Reported};
use crate::config::document::Item;
use crate::config::limits::{COOKIE_LIFE, STICK_EXPIRE, STICK_SIZE};
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawBackend, RawCookie, RawCookieMode, RawSameSite, RawStick};
use crate::config::written::At;
use crate::config::{Cookie, CookieMode, Mode, SameSite, StickKey, StickTable};

/// Refuses a key that needs to see requests.
pub(super) fn http_only(cx: &mut Cx<'_>, mode: Mode, place: Place, key: &str) -> Result<(), Reported> {
    match mode {
        Mode::Http => Ok(()),
        Mode::Tcp => {
            let problem = Problem::new(place, format!("`{key}` needs a backend of mode http"));
            cx.add(problem.label("mode tcp sees no requests").fix("remove it, or write `mode = \"http\"`"));
            Err(Reported)
        }
    }
}

pub(super) fn cookie(cx: &mut Cx<'_>, item: &Item<RawBackend>, mode: Mode) -> Result<Option<Cookie>, Reported> {
    let Some(written) = &item.raw.get().cookie else { return Ok(None) };
    http_only(cx, mode, item.at(written), "cookie")?;
    if let Some(template) = &item.raw.get().server_template {
        let problem = Problem::new(item.at(written), "`cookie` needs servers with names of their own");
        let problem = problem.label("servers of a template would share one").also(item.at(template), "the template");
        cx.add(problem.fix("remember clients in a table: `stick = { source = true }`"));
        return Err(Reported);
    }
    let raw = written.get();
    // A missing name was told by the shape pass.
    let name = raw.name.as_ref().ok_or(Reported).and_then(|name| cookie_name(cx, item, name));
    let maker = maker(cx, item, raw);
    let maxidle = cx.optional_duration(item.file, "cookie.maxidle", raw.maxidle.as_ref(), COOKIE_LIFE);
    let maxlife = cx.optional_duration(item.file, "cookie.maxlife", raw.maxlife.as_ref(), COOKIE_LIFE);
    let domain = servers::optional_host(cx, item, "cookie.domain", raw.domain.as_ref());
    let flag = |flag: &Option<At<bool>>, default: bool| flag.as_ref().map_or(default, |flag| *flag.get());
    let secure = flag(&raw.secure, false);
    let same_site = raw.same_site.as_ref().map(|site| match site.get() {
        RawSameSite::Strict => SameSite::Strict,
        RawSameSite::Lax => SameSite::Lax,
        RawSameSite::None => SameSite::None,
    });
    if let (Some(SameSite::None), false, Some(site)) = (same_site, secure, &raw.same_site) {
        let problem = Problem::new(item.at(site), "same_site \"none\" needs `secure`");
        cx.add(problem.label("browsers drop such a cookie").fix("add `secure = true`"));
        return Err(Reported);
    }
    Ok(Some(Cookie {
        name: name?,
        mode: maker?,
        nocache: flag(&raw.nocache, true),
        httponly: flag(&raw.httponly, false),
        secure,
        preserve: flag(&raw.preserve, false),
        maxidle: maxidle?,
        maxlife: maxlife?,
        domain: domain?,
        same_site,
    }))
}

/// Who makes the cookie, and whether the keys that need HAProxy to make it fit to that.
fn maker(cx: &mut Cx<'_>, item: &Item<RawBackend>, raw: &RawCookie) -> Result<CookieMode, Reported> {
    let mode = match raw.mode.as_ref().map(At::get) {
        None | Some(RawCookieMode::Insert) => {
            return Ok(CookieMode::Insert { indirect: raw.indirect.as_ref().is_none_or(|indirect| *indirect.get()) });
        }
        Some(RawCookieMode::Prefix) => CookieMode::Prefix,
        Some(RawCookieMode::Rewrite) => CookieMode::Rewrite,
    };
    let strays = [
        ("indirect", raw.indirect.as_ref().map(At::span)),
        ("maxidle", raw.maxidle.as_ref().map(At::span)),
        ("maxlife", raw.maxlife.as_ref().map(At::span)),
    ];
    match strays.into_iter().find_map(|(key, span)| span.map(|span| (key, span))) {
        None => Ok(mode),
        Some((key, span)) => {
            let rule = format!("`{key}` needs a cookie that HAProxy makes");
            let problem = Problem::new(Place::new(item.file, span), rule).label("the server makes this one");
            cx.add(problem.fix("remove it, or write `mode = \"insert\"`"));
            Err(Reported)
        }
    }
}

fn cookie_name(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: &At<String>) -> Result<String, Reported> {
    if is_token(written.get()) && written.get().len() <= NAME_BYTES_MAX {
        return Ok(written.get().clone());
    }
    let problem = Problem::new(item.at(written), "this is not the name of a cookie").label("not a name");
    cx.add(problem.fix("write a short word, such as \"SRV\""));
    Err(Reported)
}

/// Bytes of the name of a cookie or of its value; all of a client's come with every request.
const NAME_BYTES_MAX: usize = 64;

/// The value of the cookie that names a server: its own, or else its name.
pub(super) fn value(
    cx: &mut Cx<'_>,
    item: &Item<RawBackend>,
    written: Option<&At<String>>,
    server: Option<&At<String>>,
) -> Result<Option<String>, Reported> {
    if item.raw.get().cookie.is_none() {
        let Some(written) = written else { return Ok(None) };
        let problem = Problem::new(item.at(written), "the `cookie` of a server needs one of its backend");
        cx.add(problem.label("never sent").fix("add `cookie = { name = \"SRV\" }` to the backend, or remove it"));
        return Err(Reported);
    }
    match written.or(server) {
        None => Ok(None),
        Some(value) if is_token(value.get()) && value.get().len() <= NAME_BYTES_MAX => Ok(Some(value.get().clone())),
        Some(value) => {
            let problem = Problem::new(item.at(value), "this cannot be the value of a cookie");
            cx.add(problem.label("not a word").fix("write a short word, such as \"a\", as the `cookie` of the server"));
            Err(Reported)
        }
    }
}

pub(super) fn stick(cx: &mut Cx<'_>, item: &Item<RawBackend>, mode: Mode) -> Result<Option<StickTable>, Reported> {
    let Some(written) = &item.raw.get().stick else { return Ok(None) };
    let RawStick { source, header, cookie, size, expire } = written.get();
    let source = source.as_ref().filter(|source| *source.get());
    let key = match (source, header, cookie) {
        (Some(_), None, None) => Ok(StickKey::Source),
        (None, Some(header), None) => http_only(cx, mode, item.at(header), "stick.header")
            .and_then(|()| name_of(cx, item, header))
            .map(StickKey::Header),
        (None, None, Some(cookie)) => http_only(cx, mode, item.at(cookie), "stick.cookie")
            .and_then(|()| name_of(cx, item, cookie))
            .map(StickKey::Cookie),
        _ => {
            if cx.is_whole(&item.at(written)) {
                let rule = "`stick` must say what tells clients apart: `source`, `header` or `cookie`";
                let fix = "write, for example, `stick = { source = true }`";
                cx.add(Problem::new(item.at(written), rule).label("not one of them").fix(fix));
            }
            Err(Reported)
        }
    };
    let expire = cx.duration(item.file, "stick.expire", expire.as_ref(), STICK_EXPIRE);
    Ok(Some(StickTable { key: key?, size: cx.count(size.as_ref(), STICK_SIZE), expire: expire.ok_or(Reported)? }))
}

fn name_of(cx: &mut Cx<'_>, item: &Item<RawBackend>, written: &At<String>) -> Result<String, Reported> {
    // A parenthesis or comma would end the argument of the sample.
    if is_token(written.get()) && written.get().len() <= NAME_BYTES_MAX {
        return Ok(written.get().clone());
    }
    let problem = Problem::new(item.at(written), "this is not the name of a header or cookie").label("not a name");
    cx.add(problem.fix("write, for example, \"X-User\""));
    Err(Reported)
}
