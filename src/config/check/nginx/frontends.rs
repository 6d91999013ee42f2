//! What of a frontend nginx cannot do: single keys, and values that have other words there.

use super::{place, refuse, refuse_all, refuse_each};
use crate::config::check::Cx;
use crate::config::document::Item;
use crate::config::problem::{Place, Problem};
use crate::config::raw::{
    RawFrontend, RawFrontendHeaders, RawFrontendRoute, RawMode, RawRedirect, RawReturn, RawTexts, RawTls,
};
use crate::config::written::{At, TextOr};

/// Statuses with which `return` of nginx sends a client elsewhere instead of answering.
const REDIRECTS: [i64; 5] = [301, 302, 303, 307, 308];

/// The networks of everybody.
const EVERYBODY: [&str; 2] = ["0.0.0.0/0", "::/0"];

/// Destructures the table in full, so that a new key has to be mapped or refused here.
pub(super) fn keys(cx: &mut Cx<'_>, item: &Item<RawFrontend>) {
    let RawFrontend {
        name: _,
        bind: _,
        mode,
        default_backend,
        maxconn,
        accept_proxy,
        redirect_https: _,
        hsts: _,
        allow,
        deny,
        rate_limit,
        basic_auth,
        forwarded: _,
        request_headers,
        response_headers,
        compression: _,
        monitor_uri: _,
        route,
        raw: _,
    } = item.raw.get();
    if let Some(maxconn) = maxconn {
        let fix = "write `maxconn` in [proxy], or `limit_conn` in `raw`";
        refuse(cx, item.at(maxconn), "nginx has no `maxconn` for one frontend", "not possible with nginx", fix);
    }
    let keys = [
        ("rate_limit", place(item, rate_limit), "write `limit_req_zone` in `raw_defaults` and `limit_req` in `raw`"),
        ("basic_auth", place(item, basic_auth), "write `auth_basic` and `auth_basic_user_file` in `raw`"),
    ];
    refuse_each(cx, keys, "of a frontend");
    if let Some(written) = accept_proxy {
        let named = |all: &str| written.get().0.iter().any(|network| network.get() == all);
        if !EVERYBODY.iter().all(|all| named(all)) {
            let problem = Problem::new(item.at(written), "with nginx, every connection of a bind has the PROXY header");
            let note = "it reads the header of everybody or of nobody; let a firewall keep others away";
            let fix = "write `accept_proxy = [\"0.0.0.0/0\", \"::/0\"]`";
            cx.add(problem.label("some networks alone").note(note).fix(fix));
        }
    }
    for list in [allow, deny].into_iter().flatten() {
        texts(list).filter(|(_, text)| text.starts_with('/')).for_each(|(written, _)| {
            let at = written.map_or_else(|| item.at(list), |written| item.at(written));
            let fix = "write the networks themselves, or nginx's `include` of a file with `deny` lines in `raw`";
            refuse(cx, at, "nginx does not read networks from a list", "not possible with nginx", fix);
        });
    }
    if let Some(written) = request_headers {
        headers(cx, item, written.get());
        let fix = "write `set`, or nginx's own directives in `raw`";
        refuse_all(cx, [("add", place(item, &written.get().add))], "of request headers", fix);
    }
    if let Some(written) = response_headers {
        headers(cx, item, written.get());
    }
    let tcp = mode.as_ref().is_some_and(|mode| *mode.get() == RawMode::Tcp);
    if tcp && default_backend.is_none() && !passes(route.as_ref()) {
        let fix = "add `default_backend`, or a route with `backend`";
        refuse(cx, item.place(), "with nginx, a frontend of mode tcp needs a backend", "nobody would serve", fix);
    }
    for written in route.iter().flat_map(|list| list.get()) {
        one_route(cx, item, written.get());
    }
}

fn passes(routes: Option<&At<Vec<At<RawFrontendRoute>>>>) -> bool {
    routes.is_some_and(|routes| routes.get().iter().any(|route| route.get().backend.is_some()))
}

/// The texts of a list, each with where it stands if that is known more closely than the list.
fn texts(list: &RawTexts) -> impl Iterator<Item = (Option<&At<String>>, &str)> {
    let (one, many) = match list.get() {
        TextOr::Text(text) => (Some(text.as_str()), None),
        TextOr::Other(list) => (None, Some(&list.0)),
    };
    let one = one.into_iter().map(|text| (None, text));
    one.chain(many.into_iter().flatten().map(|written| (Some(written), written.get().as_str())))
}

/// Values have the words of the engine: HAProxy's sample expressions mean nothing here.
fn headers(cx: &mut Cx<'_>, item: &Item<RawFrontend>, changes: &RawFrontendHeaders) {
    let RawFrontendHeaders { set, add, del: _ } = changes;
    for written in [set, add].into_iter().flatten().flat_map(|map| map.get().values()) {
        no_expression(cx, item.at(written), written.get());
    }
}

fn no_expression(cx: &mut Cx<'_>, place: Place, text: &str) {
    if text.contains("%[") {
        let rule = "`%[...]` are words of HAProxy, which nginx passes on as they are";
        refuse(cx, place, rule, "not possible with nginx", "write a variable of nginx, such as `$remote_addr`");
    }
}

fn one_route(cx: &mut Cx<'_>, item: &Item<RawFrontend>, route: &RawFrontendRoute) {
    let RawFrontendRoute {
        host: _,
        path: _,
        path_prefix: _,
        path_suffix: _,
        path_regex: _,
        method: _,
        header,
        source: _,
        sni: _,
        backend: _,
        strip_prefix: _,
        add_prefix: _,
        redirect,
        answer,
        deny: _,
        reject: _,
    } = route;
    for written in header.iter().flat_map(|list| &list.get().0).filter_map(|header| header.get().name.as_ref()) {
        let odd = |b: u8| !b.is_ascii_alphanumeric() && b != b'-';
        if written.get().bytes().any(odd) {
            let rule = "with nginx, a header that decides has a name of letters, digits and dashes";
            refuse(cx, item.at(written), rule, "nginx has no variable for it", "use another header");
        }
    }
    if let Some(written) = redirect {
        let RawRedirect { scheme, prefix, location, code: _ } = written.get();
        for target in [scheme, prefix, location].into_iter().flatten() {
            no_expression(cx, item.at(target), target.get());
        }
    }
    let Some(written) = answer else { return };
    let RawReturn { status, content_type: _, body, file } = written.get();
    if let Some(status) = status.as_ref().filter(|status| REDIRECTS.contains(status.get())) {
        let rule = "with nginx, an answer of this status is a redirect";
        refuse(cx, item.at(status), rule, "sends the client elsewhere", "use `redirect`");
    }
    if let Some(body) = body.as_ref().filter(|body| body.get().contains('$')) {
        let rule = "nginx takes `$` in a body for the beginning of a variable";
        refuse(cx, item.at(body), rule, "not possible with nginx", "write the body without `$`");
    }
    let fix = "write `body`, or nginx's `location` with `root` in `raw`";
    refuse_all(cx, [("file", place(item, file))], "of an answer", fix);
}

/// One server of nginx has one way to end TLS, and looks for a certificate by the kind of its key.
pub(super) fn tls(cx: &mut Cx<'_>, item: &Item<RawFrontend>, table: &RawTls) {
    let RawTls { certificates, crt_list, preset: _, min_version: _, alpn: _, client_ca: _, verify: _, strict_sni } =
        table;
    if let Some(more) = certificates.as_ref().and_then(|list| list.get().0.get(1)) {
        let problem = Problem::new(item.at(more), "with nginx, a frontend has one certificate");
        let note =
            "nginx chooses among several by the kind of key, and by the host that is asked for among servers alone";
        let fix = "let one certificate name all hosts, or write a `server` for each host in `raw_defaults`";
        cx.add(problem.label("one too many").note(note).fix(fix));
    }
    let keys = [("crt_list", place(item, crt_list)), ("strict_sni", place(item, strict_sni))];
    let fix = "write a `server` with `ssl_reject_handshake on;` in `raw_defaults`, or leave it out";
    refuse_all(cx, keys, "of a bind's TLS", fix);
}
