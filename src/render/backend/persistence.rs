//! Cookies and stick tables in HAProxy's words.

use super::{Lines, Words};
use crate::config::{Cookie, CookieMode, SameSite, StickKey, StickTable};
use crate::render::RenderError;
use crate::render::model::{one_line, time, word};

/// Bytes of a header or cookie that tell clients apart; the rest does not count.
const KEY_BYTES: u32 = 64;

pub(super) fn cookie(lines: &mut Lines, cookie: &Cookie) -> Result<(), RenderError> {
    let Cookie { name, mode, nocache, httponly, secure, preserve, maxidle, maxlife, domain, same_site } = cookie;
    let mut words = Words::of("cookie");
    words.add(word(one_line("the name of a cookie", name)?));
    words.add(match mode {
        CookieMode::Insert { indirect: true } => "insert indirect",
        CookieMode::Insert { indirect: false } => "insert",
        CookieMode::Prefix => "prefix",
        CookieMode::Rewrite => "rewrite",
    });
    for (flag, keyword) in [(nocache, "nocache"), (preserve, "preserve"), (httponly, "httponly"), (secure, "secure")] {
        if *flag {
            words.add(keyword);
        }
    }
    words.maybe("maxidle", maxidle.map(time)).maybe("maxlife", maxlife.map(time));
    if let Some(domain) = domain {
        words.pair("domain", &word(one_line("the domain of a cookie", domain)?));
    }
    words.maybe(
        "attr",
        same_site.map(|site| match site {
            SameSite::Strict => "SameSite=Strict",
            SameSite::Lax => "SameSite=Lax",
            SameSite::None => "SameSite=None",
        }),
    );
    lines.line(words);
    Ok(())
}

pub(super) fn stick(lines: &mut Lines, table: &StickTable) -> Result<(), RenderError> {
    let StickTable { key, size, expire } = table;
    let kind = match key {
        // IPv4 addresses fit into it too.
        StickKey::Source => "ipv6".to_owned(),
        StickKey::Header(_) | StickKey::Cookie(_) => format!("string len {KEY_BYTES}"),
    };
    lines.plain(format!("stick-table type {kind} size {size} expire {}", time(*expire)));
    match key {
        StickKey::Source => lines.plain("stick on src"),
        StickKey::Header(name) => {
            let name = one_line("a header", name)?;
            lines.plain(format!("stick on {}", word(&format!("req.hdr({name})"))));
        }
        StickKey::Cookie(name) => {
            let name = one_line("a cookie", name)?;
            lines.plain(format!("stick match {}", word(&format!("req.cook({name})"))));
            lines.plain(format!("stick store-response {}", word(&format!("res.cook({name})"))));
        }
    }
    Ok(())
}
