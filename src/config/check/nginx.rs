//! What nginx cannot do: refused by name, each with what to write instead.
//!
//! Destructures the tables in full, so that a new key has to be mapped or refused here. Must never let a key pass
//! that the rendered file would then ignore.

mod frontends;
mod lines;

pub(super) use lines::raw_lines;

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::Cx;
use crate::config::VipConfig;
use crate::config::document::{Document, Item};
use crate::config::problem::{Place, Problem};
use crate::config::raw::{
    RawBackend, RawBind, RawCheck, RawFrontend, RawMode, RawProxy, RawServer, RawTimeouts, RawTrack, RawTracker,
};
use crate::config::written::{At, TextOr};

/// HAProxy's algorithms that nginx has too.
const ALGORITHMS: [&str; 4] = ["roundrobin", "leastconn", "source", "random"];

/// Those that know no backup servers (`ngx_http_upstream_module`, parameter `backup`).
const WITHOUT_BACKUP: [&str; 2] = ["source", "random"];

/// Parameters of `listen` that give an address a socket of its own.
const OWN_SOCKET: [&str; 11] = [
    "bind",
    "reuseport",
    "deferred",
    "backlog",
    "rcvbuf",
    "sndbuf",
    "fastopen",
    "accept_filter",
    "ipv6only",
    "so_keepalive",
    "setfib",
];

/// Reports what cannot be rendered for nginx.
pub(super) fn check(cx: &mut Cx<'_>, document: &Document, vips: &[VipConfig]) {
    if let Some(item) = &document.proxy {
        proxy(cx, item);
    }
    document.frontends.iter().for_each(|item| frontend(cx, item, vips));
    one_mode_for_each_port(cx, &document.frontends, vips);
    document.backends.iter().for_each(|item| backend(cx, item));
    document.trackers.iter().for_each(|item| tracker(cx, item));
    for item in &document.resolvers {
        let fix = "remove it, or write nginx's `resolver` in `raw_defaults`";
        refuse(cx, item.place(), "nginx has no equal of [[resolvers]]", "not possible with nginx", fix);
    }
    for item in &document.userlists {
        let fix = "remove it, and write nginx's `auth_basic` and `auth_basic_user_file` in `raw` of the frontend";
        refuse(cx, item.place(), "nginx has no equal of [[userlist]]", "not possible with nginx", fix);
    }
    for item in &document.vips {
        for entry in item.raw.get().track.iter().flat_map(|list| list.get()) {
            let RawTrack { tracker: _, backend, weight: _, reverse: _ } = entry.get();
            refuse_server_tracker(cx, backend.as_ref().map(|backend| item.at(backend)));
        }
    }
}

fn refuse(cx: &mut Cx<'_>, place: Place, rule: &str, why: &str, fix: &str) {
    cx.add(Problem::new(place, rule.to_owned()).label(why).fix(fix));
}

/// Where a key stands, if it is written.
fn place<R, T>(item: &Item<R>, value: &Option<At<T>>) -> Option<Place> {
    value.as_ref().map(|value| item.at(value))
}

fn refuse_all<const N: usize>(cx: &mut Cx<'_>, keys: [(&str, Option<Place>); N], of: &str, fix: &str) {
    for (key, place) in keys {
        if let Some(place) = place {
            refuse(cx, place, &format!("nginx has no equal of `{key}` {of}"), "not possible with nginx", fix);
        }
    }
}

/// The same, with a fix for each key.
fn refuse_each<const N: usize>(cx: &mut Cx<'_>, keys: [(&str, Option<Place>, &str); N], of: &str) {
    for (key, place, fix) in keys {
        refuse_all(cx, [(key, place)], of, fix);
    }
}

fn proxy(cx: &mut Cx<'_>, item: &Item<RawProxy>) {
    let RawProxy {
        engine: _,
        binary: _,
        templates: _,
        on_stop: _,
        maxconn: _,
        nbthread: _,
        user,
        group,
        timeouts,
        hard_stop_after: _,
        log,
        log_format,
        error_pages,
        stats,
        peers,
        tls_preset: _,
        raw_global: _,
        raw_defaults: _,
        raw_sections: _,
        health: _,
        restart: _,
    } = item.raw.get();
    if let Some(timeouts) = timeouts {
        timeouts_of_proxy(cx, item, timeouts.get());
    }
    if let (None, Some(group)) = (user, group) {
        let fix = "add `user`, or leave `group` out";
        refuse(cx, item.at(group), "nginx takes a `group` only with a `user`", "ignored by nginx", fix);
    }
    if let Some(log) = log {
        let fix = "write, for example, raw_defaults = [\"access_log /var/log/nginx/access.log;\"]";
        refuse(cx, item.at(log), "`log` has the words of HAProxy; nginx has none for it", "not a log of nginx", fix);
    }
    let keys = [
        ("log_format", place(item, log_format), "write nginx's `log_format` and `access_log` in `raw_defaults`"),
        ("error_pages", place(item, error_pages), "write nginx's `error_page` in `raw` of a frontend"),
        ("stats", place(item, stats), "write a `server` with `stub_status` in `raw_defaults`"),
        ("peers", place(item, peers), "leave it out: nginx shares no counters between hosts"),
    ];
    refuse_each(cx, keys, "of [proxy]");
}

fn timeouts_of_proxy(cx: &mut Cx<'_>, item: &Item<RawProxy>, timeouts: &RawTimeouts) {
    let RawTimeouts {
        connect: _,
        client: _,
        server: _,
        http_request: _,
        http_keep_alive: _,
        queue,
        tunnel,
        check,
        client_fin,
        server_fin,
    } = timeouts;
    let keys = [
        ("queue", place(item, queue), "leave it out: nginx has no queue, it refuses at once"),
        ("tunnel", place(item, tunnel), "write `proxy_read_timeout` in `raw` of the frontend"),
        ("check", place(item, check), "leave it out: nginx sends no requests of its own to check servers"),
        ("client_fin", place(item, client_fin), "leave it out"),
        ("server_fin", place(item, server_fin), "leave it out"),
    ];
    refuse_each(cx, keys, "of the timeouts");
}

fn frontend(cx: &mut Cx<'_>, item: &Item<RawFrontend>, vips: &[VipConfig]) {
    for entry in item.raw.get().bind.iter().flat_map(|list| &list.get().0) {
        match entry.get() {
            TextOr::Text(address) => not_unix(cx, item.at(entry), address),
            TextOr::Other(table) => bind(cx, item, table, vips),
        }
    }
    frontends::keys(cx, item);
    one_tls(cx, item);
}

fn bind(cx: &mut Cx<'_>, item: &Item<RawFrontend>, table: &RawBind, vips: &[VipConfig]) {
    let RawBind { address, tls, options } = table;
    if let Some(tls) = tls {
        frontends::tls(cx, item, tls.get());
    }
    let Some(address) = address else { return };
    not_unix(cx, item.at(address), address.get());
    let Some(options) = options else { return };
    let own = |word: &&str| OWN_SOCKET.contains(&word.split('=').next().unwrap_or_default());
    let Some(word) = options.get().split_whitespace().find(own) else { return };
    if wildcard(address.get(), vips).is_some_and(|wildcard| wildcard == Wildcard::InPlaceOfVip) {
        let rule = format!("`{word}` needs a socket of its own, and a VIP has none with nginx");
        let problem = Problem::new(item.at(options), rule).label("not possible for a VIP");
        let note = "nginx cannot bind an address that is on another node: it binds `*` and tells VIPs apart itself";
        cx.add(problem.note(note).fix("leave it out, or bind `*`"));
    }
}

/// The lines about TLS are those of a `server`, not of its addresses.
fn one_tls(cx: &mut Cx<'_>, item: &Item<RawFrontend>) {
    let binds = item.raw.get().bind.iter().flat_map(|list| &list.get().0);
    let mut tables = binds.filter_map(|entry| match entry.get() {
        TextOr::Text(_) => None,
        TextOr::Other(table) => table.tls.as_ref(),
    });
    let Some(first) = tables.next() else { return };
    if let Some(other) = tables.find(|other| other.get() != first.get()) {
        let problem = Problem::new(item.at(other), "with nginx, all binds of a frontend end TLS alike");
        let problem = problem.label("other than before").also(item.at(first), "here first");
        cx.add(problem.fix("make two frontends of it, or write the same for both"));
    }
}

/// nginx leaves the file behind when it is killed, and then does not start again.
fn not_unix(cx: &mut Cx<'_>, place: Place, address: &str) {
    if address.starts_with('/') {
        let rule = "with nginx, a frontend cannot be bound to a unix socket";
        refuse(cx, place, rule, "not possible with nginx", "bind a port of 127.0.0.1");
    }
}

/// How a bind is listened on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wildcard {
    /// It is written.
    Written,
    /// nginx binds it in place of an address that may not be here.
    InPlaceOfVip,
}

/// Whether nginx binds the wildcard address for this bind.
fn wildcard(bind: &str, vips: &[VipConfig]) -> Option<Wildcard> {
    let host = bind.rsplit_once(':')?.0;
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(ip) if ip.is_unspecified() => Some(Wildcard::Written),
        Ok(ip) => {
            let of_vip = vips.iter().any(|vip| vip.addresses.iter().any(|address| address.ip() == ip));
            of_vip.then_some(Wildcard::InPlaceOfVip)
        }
        Err(_) if host == "*" => Some(Wildcard::Written),
        Err(_) => Some(Wildcard::InPlaceOfVip),
    }
}

/// http and stream are different modules, and only within one does nginx tell addresses of one socket apart.
fn one_mode_for_each_port(cx: &mut Cx<'_>, items: &[Item<RawFrontend>], vips: &[VipConfig]) {
    let mut first: BTreeMap<&str, (RawMode, Place, Option<Wildcard>)> = BTreeMap::new();
    for item in items {
        let raw = item.raw.get();
        let mode = raw.mode.as_ref().map_or(RawMode::Http, |mode| *mode.get());
        for entry in raw.bind.iter().flat_map(|list| &list.get().0) {
            let text = match entry.get() {
                TextOr::Text(text) => text.as_str(),
                TextOr::Other(RawBind { address, tls: _, options: _ }) => address.as_ref().map_or("", |a| a.get()),
            };
            let Some((_, port)) = text.rsplit_once(':').filter(|_| !text.starts_with('/')) else { continue };
            let kind = wildcard(text, vips);
            match first.get_mut(port) {
                Some((other, place, theirs)) if *other != mode && (kind.is_some() || theirs.is_some()) => {
                    let rule = format!("with nginx, port {port} cannot be of mode http here and of mode tcp there");
                    let problem = Problem::new(item.at(entry), rule).label("of another mode");
                    let note =
                        "nginx binds `*` in place of VIPs, and one socket is either of its module http or stream";
                    let problem = problem.also(place.clone(), "the same port").note(note);
                    cx.add(problem.fix("use another port, or the same mode"));
                }
                Some((_, _, theirs)) => *theirs = theirs.or(kind),
                None => drop(first.insert(port, (mode, item.at(entry), kind))),
            }
        }
    }
}

/// Keys that only HAProxy has.
fn keys_of_backend(cx: &mut Cx<'_>, item: &Item<RawBackend>) {
    let RawBackend {
        name: _,
        mode: _,
        balance: _,
        hash,
        check: _,
        agent,
        server_defaults,
        server: _,
        server_template,
        cookie,
        stick,
        timeouts,
        retries,
        redispatch,
        retry_on,
        http_reuse,
        fullconn,
        abortonclose,
        allbackups,
        http_server_close,
        log_health_checks,
        prefer_last_server,
        srvtcpka,
        forwardfor,
        request_headers,
        response_headers,
        errorfiles,
        raw: _,
    } = item.raw.get();
    let keys = [
        ("hash", place(item, hash)),
        ("agent", place(item, agent)),
        ("server_defaults", place(item, server_defaults)),
        ("server_template", place(item, server_template)),
        ("cookie", place(item, cookie)),
        ("stick", place(item, stick)),
        ("timeouts", place(item, timeouts)),
        ("retries", place(item, retries)),
        ("redispatch", place(item, redispatch)),
        ("retry_on", place(item, retry_on)),
        ("http_reuse", place(item, http_reuse)),
        ("fullconn", place(item, fullconn)),
        ("abortonclose", place(item, abortonclose)),
        ("allbackups", place(item, allbackups)),
        ("http_server_close", place(item, http_server_close)),
        ("log_health_checks", place(item, log_health_checks)),
        ("prefer_last_server", place(item, prefer_last_server)),
        ("srvtcpka", place(item, srvtcpka)),
        ("forwardfor", place(item, forwardfor)),
        ("request_headers", place(item, request_headers)),
        ("response_headers", place(item, response_headers)),
        ("errorfiles", place(item, errorfiles)),
    ];
    refuse_all(cx, keys, "of a backend", "leave it out, or write nginx's own directive in `raw` of the frontend");
}

fn backend(cx: &mut Cx<'_>, item: &Item<RawBackend>) {
    keys_of_backend(cx, item);
    let RawBackend { balance, check, server, .. } = item.raw.get();
    let algorithm = balance.as_ref().map_or("roundrobin", |written| written.get().trim());
    if let Some(written) = balance.as_ref().filter(|_| !ALGORITHMS.contains(&algorithm)) {
        let rule = format!("nginx has no equal of `balance {algorithm}`");
        let fix = format!("one of {}; or write nginx's own directive in `raw`", ALGORITHMS.join(", "));
        refuse(cx, item.at(written), &rule, "not possible with nginx", &fix);
    }
    if let Some(check) = check {
        check_of_servers(cx, item, check.get());
    }
    let servers = || server.iter().flat_map(|list| &list.get().0);
    for entry in servers() {
        keys_of_server(cx, item, entry.get());
        let backup = &entry.get().backup;
        let Some(backup) = backup.as_ref().filter(|backup| *backup.get()) else { continue };
        if WITHOUT_BACKUP.contains(&algorithm) {
            let rule = format!("nginx knows no `backup` servers with `balance {algorithm}`");
            refuse(cx, item.at(backup), &rule, "not possible with nginx", "use roundrobin or leastconn");
        }
    }
    let is_backup = |entry: &At<RawServer>| entry.get().backup.as_ref().is_some_and(|backup| *backup.get());
    if let Some(written) = server.as_ref().filter(|_| servers().all(is_backup)) {
        let rule = "with nginx, a backend needs a server that is no `backup`";
        refuse(cx, item.at(written), rule, "all are backups", "take `backup` from one of them");
    }
}

fn keys_of_server(cx: &mut Cx<'_>, item: &Item<RawBackend>, server: &RawServer) {
    let RawServer {
        name: _,
        address: _,
        weight: _,
        backup: _,
        maxconn: _,
        options: _,
        cookie,
        disabled: _,
        check: _,
        minconn,
        maxqueue,
        slowstart,
        tls,
        send_proxy,
        check_port,
        check_addr,
        resolvers,
        resolve_prefer,
        init_addr,
    } = server;
    let keys = [
        ("cookie", place(item, cookie)),
        ("minconn", place(item, minconn)),
        ("maxqueue", place(item, maxqueue)),
        ("slowstart", place(item, slowstart)),
        ("tls", place(item, tls)),
        ("send_proxy", place(item, send_proxy)),
        ("check_port", place(item, check_port)),
        ("check_addr", place(item, check_addr)),
        ("resolvers", place(item, resolvers)),
        ("resolve_prefer", place(item, resolve_prefer)),
        ("init_addr", place(item, init_addr)),
    ];
    refuse_all(cx, keys, "of a server", "leave it out, or write nginx's own directive in `raw` of the frontend");
}

/// What nginx has instead of checks is that it watches real requests: so many that fail within a time.
fn check_of_servers(cx: &mut Cx<'_>, item: &Item<RawBackend>, check: &RawCheck) {
    let RawCheck {
        tcp: _,
        http,
        host: _,
        version: _,
        headers: _,
        expect: _,
        mysql,
        pgsql,
        redis,
        password: _,
        smtp,
        ldap,
        ssl_hello,
        patroni,
        rabbitmq,
        script,
        interval: _,
        fastinter,
        downinter,
        rise,
        fall: _,
        timeout,
        port,
        addr,
        tls,
        send_proxy,
        on_marked_down,
        on_marked_up,
        observe,
        on_error,
        error_limit,
    } = check;
    let kinds = [
        place(item, http),
        place(item, mysql),
        place(item, pgsql),
        place(item, redis),
        place(item, smtp),
        place(item, ldap),
        place(item, ssl_hello),
        place(item, patroni),
        place(item, rabbitmq),
        place(item, script),
    ];
    if let Some(kind) = kinds.into_iter().flatten().next() {
        let problem = Problem::new(kind, "nginx sends no requests of its own to check servers");
        let note = "with `tcp = true` it watches those of clients: after `fall` failures within `fall` intervals a \
                    server gets none for as long";
        cx.add(problem.label("not possible with nginx").note(note).fix("write `tcp = true` in its place"));
    }
    let keys = [
        ("fastinter", place(item, fastinter)),
        ("downinter", place(item, downinter)),
        ("timeout", place(item, timeout)),
        ("port", place(item, port)),
        ("addr", place(item, addr)),
        ("tls", place(item, tls)),
        ("send_proxy", place(item, send_proxy)),
        ("on_marked_down", place(item, on_marked_down)),
        ("on_marked_up", place(item, on_marked_up)),
        ("observe", place(item, observe)),
        ("on_error", place(item, on_error)),
        ("error_limit", place(item, error_limit)),
    ];
    refuse_all(cx, keys, "of a check", "leave it out: nginx watches the requests of clients");
    one_is_enough(cx, item, rise.as_ref());
}

fn one_is_enough(cx: &mut Cx<'_>, item: &Item<RawBackend>, rise: Option<&At<i64>>) {
    if let Some(rise) = rise.filter(|rise| *rise.get() != 1) {
        let fix = "leave it out, or write `rise = 1`";
        let rule = "with nginx, one good request is enough for a server to be up again";
        refuse(cx, item.at(rise), rule, "not possible with nginx", fix);
    }
}

fn tracker(cx: &mut Cx<'_>, item: &Item<RawTracker>) {
    let RawTracker {
        name: _,
        ping: _,
        tcp: _,
        http: _,
        script: _,
        user: _,
        file: _,
        interface: _,
        backend,
        up_percent: _,
        queue,
        saturation,
        vip: _,
        interval: _,
        timeout: _,
        rise: _,
        fall: _,
    } = item.raw.get();
    refuse_server_tracker(cx, backend.as_ref().map(|backend| item.at(backend)));
    if let Some(queue) = queue {
        let fix = "remove it, or use `engine = \"haproxy\"`";
        refuse(cx, item.at(queue), "nginx has no queue: it refuses at once", "nothing ever waits", fix);
    }
    if let Some(saturation) = saturation {
        let fix = "remove it: nginx without room for a connection fails vipkeeper's own question as well";
        let rule = "nginx does not say how many connections it has room for";
        refuse(cx, item.at(saturation), rule, "not possible with nginx", fix);
    }
}

fn refuse_server_tracker(cx: &mut Cx<'_>, place: Option<Place>) {
    if let Some(place) = place {
        let fix = "track the servers themselves with [[tracker]] `tcp` or `http`";
        refuse(cx, place, "nginx does not say which servers are up", "not possible with nginx", fix);
    }
}
