//! nginx.conf from a configuration: the text, what nginx itself says of it, and what is refused by name.

#![allow(clippy::too_many_lines, reason = "snapshots")]

use expect_test::{Expect, expect};
use vipkeeper::config::{Balance, BindTarget, Colour, Config, Mode, RawLine, load};
use vipkeeper::render::nginx::sockets;

use crate::config::{PAIR, one, pair_with};
use crate::proxy_fixture::{at, bind, name, nginx_config, nginx_is_here, raw, render_with, server};

/// What is rendered after the private server.
fn tail(config: &Config) -> String {
    let text = render_with(config, None).unwrap().text;
    text.split_once("stub_status;\n        }\n    }\n").unwrap().1.to_owned()
}

/// A second frontend and backend of mode tcp, on the VIP and another port.
fn with_tcp() -> Config {
    let mut config = nginx_config();
    let mut frontend = config.frontends[0].clone();
    (frontend.name, frontend.mode, frontend.default_backend) = (name("db"), Mode::Tcp, Some(name("db")));
    frontend.binds = vec![bind(40, BindTarget::Vip(name("www")), 5432)];
    config.frontends.push(frontend);
    let mut backend = config.backends[0].clone();
    (backend.name, backend.mode, backend.balance) = (name("db"), Mode::Tcp, Balance::LeastConn);
    backend.check = None;
    config.backends.push(backend);
    config
}

#[test]
fn a_vip_is_listened_on_beside_the_wildcard_address_that_nginx_binds() {
    let expected = expect![[r#"

            upstream web {
                zone web 68k;
                server 192.0.2.129:8080 weight=1 max_fails=3 fail_timeout=6s;
                server 192.0.2.130:8080 weight=1 max_fails=3 fail_timeout=6s;
            }

            # frontend www
            server {
                listen 198.51.100.7:80;
                location / {
                    proxy_pass http://web;
                }
            }

            # Bound in place of VIPs, which may be on another node; at other addresses nobody is answered.
            server {
                listen 0.0.0.0:80;
                return 444;
            }
        }

        stream {
            proxy_connect_timeout 5s;
            proxy_timeout 50s;

            upstream db {
                zone db 68k;
                least_conn;
                server 192.0.2.129:8080 weight=1 max_fails=0;
                server 192.0.2.130:8080 weight=1 max_fails=0;
            }

            # frontend db
            server {
                listen 198.51.100.7:5432;
                proxy_pass db;
            }

            # Bound in place of VIPs, which may be on another node; at other addresses nobody is answered.
            server {
                listen 0.0.0.0:5432;
                return "";
            }
        }
    "#]];
    expected.assert_eq(&tail(&with_tcp()));
    let sockets: Vec<String> = sockets(&with_tcp()).iter().map(ToString::to_string).collect();
    assert_eq!(sockets, ["0.0.0.0:80", "0.0.0.0:5432"]);
}

#[test]
fn a_frontend_for_everybody_makes_the_wildcard_address_its_own() {
    let mut config = nginx_config();
    let mut all = config.frontends[0].clone();
    all.name = name("all");
    all.binds = vec![
        bind(30, BindTarget::Any, 80),
        bind(31, BindTarget::Address("127.0.0.1".parse().unwrap()), 80),
        bind(32, BindTarget::Address("127.0.0.1".parse().unwrap()), 81),
        bind(33, BindTarget::Address("::".parse().unwrap()), 82),
    ];
    config.frontends.push(all);
    let text = tail(&config);
    assert!(!text.contains("444"), "{text}");
    assert!(text.contains("listen 0.0.0.0:82;\n        listen [::]:82;"), "{text}");
    let sockets: Vec<String> = sockets(&config).iter().map(ToString::to_string).collect();
    assert_eq!(sockets, ["0.0.0.0:80", "0.0.0.0:82", "127.0.0.1:81", "[::]:82"]);
}

#[test]
fn servers_are_written_in_the_words_of_nginx() {
    let mut config = nginx_config();
    let backend = &mut config.backends[0];
    backend.balance = Balance::LeastConn;
    backend.servers[0].weight = 0;
    backend.servers[1].maxconn = Some(100);
    let mut third = server(33, "web3", "[2001:db8::3]:80");
    (third.backup, third.options) = (true, Some("slow_start=0s".to_owned()));
    backend.servers.push(third);
    backend.raw = vec![raw(34, "keepalive 16;")];
    let text = tail(&config);
    for line in [
        "        least_conn;\n        server 192.0.2.129:8080 down max_fails=3 fail_timeout=6s;\n",
        "        server 192.0.2.130:8080 weight=1 max_fails=3 fail_timeout=6s max_conns=100;\n",
        "        server [2001:db8::3]:80 weight=1 max_fails=3 fail_timeout=6s backup slow_start=0s;\n        keepalive 16;\n",
    ] {
        assert!(text.contains(line), "{line} is missing in:\n{text}");
    }
    for (balance, line) in [
        (Balance::Source, "hash $remote_addr consistent;"),
        (Balance::Random { draws: None }, "random two least_conn;"),
        (Balance::RoundRobin, "zone"),
    ] {
        config.backends[0].balance = balance;
        assert!(tail(&config).contains(line), "{line}");
    }
    config.backends[0].balance = Balance::First;
    assert!(render_with(&config, None).is_err());
}

#[test]
fn the_same_configuration_gives_the_same_bytes_and_another_one_another_generation() {
    let (first, again) = (render_with(&with_tcp(), None).unwrap(), render_with(&with_tcp(), None).unwrap());
    assert_eq!(first, again);
    assert!(first.text.contains(&format!("return 200 \"vipkeeper generation {}\\n", first.generation)));
    assert_ne!(first.generation, render_with(&nginx_config(), None).unwrap().generation);
}

#[test]
fn every_line_leads_back_to_the_toml() {
    let mut config = with_tcp();
    config.proxy.raw.global = vec![raw(15, "thread_pool x threads=1;")];
    config.proxy.raw.defaults = vec![raw(16, "server_tokens off;"), raw(17, "proxy_buffers 4 8k;")];
    config.frontends[0].raw = vec![raw(23, "location /x {"), raw(24, "    return 204;"), raw(25, "}")];
    let rendered = render_with(&config, None).unwrap();
    let line_of = |wanted: &str, nth: usize| {
        let mut found = rendered.text.lines().enumerate().filter(|(_, l)| l.trim() == wanted).map(|(n, _)| n);
        let index = found.nth(nth).unwrap_or_else(|| panic!("no line {wanted:?} in:\n{}", rendered.text));
        rendered.origins[index].map(|origin| origin.line)
    };
    for (wanted, nth, line) in [
        ("thread_pool x threads=1;", 0, 15),
        ("server_tokens off;", 0, 16),
        ("proxy_buffers 4 8k;", 0, 17),
        ("worker_processes auto;", 0, 14),
        ("upstream web {", 0, 26),
        ("server 192.0.2.130:8080 weight=1 max_fails=3 fail_timeout=6s;", 0, 32),
        ("listen 198.51.100.7:80;", 0, 20),
        ("location / {", 0, 18),
        ("proxy_pass http://web;", 0, 18),
        ("location /x {", 0, 23),
        ("return 204;", 0, 24),
        ("stream {", 0, 14),
        ("listen 198.51.100.7:5432;", 0, 40),
        ("server 192.0.2.129:8080 weight=1 max_fails=0;", 0, 31),
    ] {
        assert_eq!(line_of(wanted, nth), Some(line), "{wanted}");
    }
}

#[test]
fn a_template_without_the_generation_is_refused() {
    let refused = |template: &str| render_with(&nginx_config(), Some(template)).unwrap_err().to_string();
    let error = refused("events {}\n");
    assert!(error.contains("return 200 \"vipkeeper generation {{ generation }}"), "{error}");
    let error = refused("return 200 \"vipkeeper generation {{ generation }}\\n\";\n");
    assert!(error.contains("stub_status"), "{error}");
}

/// `nginx -t` with a socket in a directory of its own.
fn nginx_check(config: &Config) -> Result<(), String> {
    let dir = tempfile::tempdir().unwrap();
    let rendered = crate::proxy_fixture::render_at(config, &dir.path().join("stats.sock"), None).unwrap();
    let (file, pid) = (dir.path().join("nginx.conf"), dir.path().join("nginx.pid"));
    std::fs::write(&file, &rendered.text).unwrap();
    let arguments = vipkeeper::proxy::nginx::arguments(vipkeeper::proxy::nginx::Purpose::Check, &file, &pid);
    let output = std::process::Command::new("nginx").args(arguments).output().unwrap();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).into_owned()) }
}

#[test]
fn nginx_accepts_everything_that_is_typed() {
    if !nginx_is_here("nginx_accepts_everything_that_is_typed") {
        return;
    }
    let mut config = nginx_config();
    config.proxy.maxconn = Some(500);
    config.proxy.nbthread = Some(2);
    config.proxy.user = Some(name("nobody"));
    config.proxy.group = Some(name("nogroup"));
    config.proxy.hard_stop_after = std::time::Duration::from_millis(1500);
    config.proxy.raw.defaults = vec![raw(16, "log_format short '$remote_addr \"$request\" $status';")];
    config.frontends[0].binds = vec![
        bind(20, BindTarget::Vip(name("www")), 18080),
        bind(21, BindTarget::Address("::".parse().unwrap()), 18081),
    ];
    config.frontends[0].raw = vec![raw(23, "location = /ping {"), raw(24, "return 200 pong;"), raw(25, "}")];
    config.backends[0].raw = vec![raw(34, "keepalive 16;")];
    config.backends[0].servers[1].backup = true;
    config.backends[0].servers[0].weight = 0;
    config.backends[0].servers[0].maxconn = Some(1000);
    assert_eq!(nginx_check(&config), Ok(()));
    for balance in [Balance::LeastConn, Balance::RoundRobin] {
        config.backends[0].balance = balance.clone();
        assert_eq!(nginx_check(&config), Ok(()), "{balance}");
    }
    config.backends[0].servers[1].backup = false;
    for balance in [Balance::Source, Balance::Random { draws: None }] {
        config.backends[0].balance = balance.clone();
        assert_eq!(nginx_check(&config), Ok(()), "{balance}");
    }
    // A zone has room for as many servers as a backend may have.
    config.backends[0].servers =
        (0..3000).map(|n| server(31, &format!("s{n}"), &format!("10.{}.{}.1:80", n / 250, n % 250))).collect();
    assert_eq!(nginx_check(&config), Ok(()));
}

#[test]
fn nginx_accepts_both_modes_beside_each_other() {
    if !nginx_is_here("nginx_accepts_both_modes_beside_each_other") {
        return;
    }
    let mut config = with_tcp();
    config.frontends[0].binds[0].port = 18080;
    config.frontends[1].binds[0].port = 18432;
    match nginx_check(&config) {
        Ok(()) => {}
        Err(error) if error.contains("unknown directive \"stream\"") => {
            crate::skip("nginx_accepts_both_modes", "libnginx-mod-stream is not installed");
        }
        Err(error) => panic!("{error}"),
    }
}

fn refused(more: &str, expected: &Expect) {
    let pair = pair_with("vrid = 51", "vrid = 51\ntrack = [{ backend = \"web\" }]");
    let sources = one(&format!("{pair}{more}"));
    let report = match load(&sources) {
        Ok(_) => "it loads\n".to_owned(),
        Err(problems) => problems.report(&sources, Colour::None),
    };
    let rules: Vec<&str> = report.lines().filter(|l| l.starts_with("error: ") || l.contains("= help: ")).collect();
    expected.assert_eq(&(rules.join("\n") + "\n"));
}

#[test]
fn what_nginx_cannot_do_is_refused_by_name() {
    refused(
        r#"
[proxy]
engine = "nginx"
log = "stdout format raw local0"
log_format = "json"
error_pages = { "503" = "/etc/haproxy/errors/503.http" }
stats = { bind = "127.0.0.1:8404" }
peers = { port = 10000 }
tls_preset = "mozilla-modern"
timeouts = { http_request = "5s", http_keep_alive = "5s", queue = "1s", tunnel = "1h", check = "2s", client_fin = "1s", server_fin = "1s" }
group = "nogroup"
raw_global = ["daemon on;", "worker_processes 4;", "pcre_jit on;"]
raw_defaults = ["}", "server_tokens off;"]
[[frontend]]
name = "api"
bind = [{ address = "www:8443", options = "reuseport" }, "*:8080"]
default_backend = "api"
maxconn = 100
raw = ["location /x {", "return 204;"]
[[frontend]]
name = "shop"
bind = ["/run/shop.sock", { address = "www:443", tls = { certificates = ["/etc/haproxy/shop.pem"] } }, { address = "/run/more.sock" }]
default_backend = "api"
accept_proxy = ["10.0.0.0/8"]
redirect_https = true
hsts = "365d"
allow = ["10.0.0.0/8"]
deny = "10.9.0.0/16"
rate_limit = { requests = 100, per = "10s" }
basic_auth = "staff"
forwarded = true
request_headers = { set = { "X-A" = "b" } }
response_headers = { set = { "X-A" = "b" } }
compression = ["text/html"]
monitor_uri = "/alive"
route = [{ path = "/old", redirect = { location = "/new" } }]
[[userlist]]
name = "staff"
users = [{ name = "alice", password = "$5$salt$Gcm6FsVtF/Qa77ZKD.iwsJlCVPY0XSMgLJL0Hnww/c1" }]
[[frontend]]
name = "db"
mode = "tcp"
bind = ["www:8080"]
default_backend = "db"
[[backend]]
name = "api"
balance = "uri"
check = { http = "GET /", rise = 3 }
server = [{ name = "a", address = "10.0.0.1:80", backup = true }]
[[backend]]
name = "db"
mode = "tcp"
balance = "source"
server = [{ name = "a", address = "10.0.0.1:80" }, { name = "b", address = "10.0.0.2:80", backup = true }]
[[tracker]]
name = "q"
queue = { backend = "web", requests = 10 }
[[tracker]]
name = "s"
saturation = 90
[[tracker]]
name = "b"
backend = "web"
"#,
        &expect![[r#"
            error: nginx does not say which servers are up
               = help: track the servers themselves with [[tracker]] `tcp` or `http`
            error: `log` has the words of HAProxy; nginx has none for it
               = help: write, for example, raw_defaults = ["access_log /var/log/nginx/access.log;"]
            error: nginx has no equal of `log_format` of [proxy]
               = help: write nginx's `log_format` and `access_log` in `raw_defaults`
            error: nginx has no equal of `error_pages` of [proxy]
               = help: write nginx's `error_page` in `raw` of a frontend
            error: nginx has no equal of `stats` of [proxy]
               = help: write a `server` with `stub_status` in `raw_defaults`
            error: nginx has no equal of `peers` of [proxy]
               = help: leave it out: nginx shares no counters between hosts
            error: nginx has no equal of `queue` of the timeouts
               = help: leave it out: nginx has no queue, it refuses at once
            error: nginx has no equal of `tunnel` of the timeouts
               = help: write `proxy_read_timeout` in `raw` of the frontend
            error: nginx has no equal of `check` of the timeouts
               = help: leave it out: nginx sends no requests of its own to check servers
            error: nginx has no equal of `client_fin` of the timeouts
               = help: leave it out
            error: nginx has no equal of `server_fin` of the timeouts
               = help: leave it out
            error: nginx takes a `group` only with a `user`
               = help: add `user`, or leave `group` out
            error: `daemon` is not possible in the main context: vipkeeper starts nginx with `daemon off`: it would take a fork for an end
               = help: leave it out
            error: `worker_processes` is not possible in the main context: it is set by a key of its own
               = help: write `nbthread` in [proxy]
            error: `}` without `{` in the same list
               = help: remove it, or add the line with `{`
            error: `reuseport` needs a socket of its own, and a VIP has none with nginx
               = help: leave it out, or bind `*`
            error: nginx has no `maxconn` for one frontend
               = help: write `maxconn` in [proxy], or `limit_conn` in `raw`
            error: `{` without `}` in the same list
               = help: add "}"
            error: with nginx, a frontend cannot be bound to a unix socket
               = help: bind a port of 127.0.0.1
            error: with nginx, a frontend cannot be bound to a unix socket
               = help: bind a port of 127.0.0.1
            error: with nginx, every connection of a bind has the PROXY header
               = help: write `accept_proxy = ["0.0.0.0/0", "::/0"]`
            error: nginx has no equal of `rate_limit` of a frontend
               = help: write `limit_req_zone` in `raw_defaults` and `limit_req` in `raw`
            error: nginx has no equal of `basic_auth` of a frontend
               = help: write `auth_basic` and `auth_basic_user_file` in `raw`
            error: nginx has no equal of [[userlist]]
               = help: remove it, and write nginx's `auth_basic` and `auth_basic_user_file` in `raw` of the frontend
            error: with nginx, port 8080 cannot be of mode http here and of mode tcp there
               = help: use another port, or the same mode
            error: nginx has no equal of `balance uri`
               = help: one of roundrobin, leastconn, source, random; or write nginx's own directive in `raw`
            error: nginx sends no requests of its own to check servers
               = help: write `tcp = true` in its place
            error: with nginx, one good request is enough for a server to be up again
               = help: leave it out, or write `rise = 1`
            error: with nginx, a backend needs a server that is no `backup`
               = help: take `backup` from one of them
            error: nginx knows no `backup` servers with `balance source`
               = help: use roundrobin or leastconn
            error: nginx has no queue: it refuses at once
               = help: remove it, or use `engine = "haproxy"`
            error: nginx does not say how many connections it has room for
               = help: remove it: nginx without room for a connection fails vipkeeper's own question as well
            error: nginx does not say which servers are up
               = help: track the servers themselves with [[tracker]] `tcp` or `http`
        "#]],
    );
}

#[test]
fn raw_lines_of_nginx_may_have_the_words_of_haproxy() {
    let line = |text: &str| RawLine { text: text.to_owned(), origin: at(1) };
    let more = r#"
[proxy]
engine = "nginx"
raw_defaults = ["server { listen 127.0.0.1:8404; location / { return 200 '}'; } }", "log_format x \"{\"; # {", "map $a $b { x '${y}'; }"]
"#;
    let sources = one(&format!("{PAIR}{more}"));
    let config = load(&sources).map_err(|p| p.report(&sources, Colour::None)).unwrap();
    let texts: Vec<&str> = config.proxy.raw.defaults.iter().map(|l| l.text.as_str()).collect();
    assert_eq!(texts.len(), 3);
    assert_eq!(texts[0], line("server { listen 127.0.0.1:8404; location / { return 200 '}'; } }").text);
    assert_eq!(config.proxy.binary, std::path::Path::new("nginx"));
}

/// What keys of frontends become; the real nginx reads it in `nginx_rules`.
#[test]
fn keys_of_frontends_become_lines_in_their_order() {
    let text = pair_with(
        "bind = [\"www:80\"]",
        r#"bind = ["www:80", { address = "www:443", tls = { certificates = ["/etc/ssl/www.pem"], min_version = "TLSv1.2", client_ca = "/etc/ssl/ca.pem", verify = "optional" } }]
redirect_https = true
hsts = "1d"
monitor_uri = "/alive"
deny = "10.9.0.0/16"
allow = ["10.0.0.0/8"]
forwarded = true
request_headers = { set = { "X-A" = "b" }, del = ["X-B"] }
response_headers = { set = { "Server" = "us" }, add = { "X-C" = "d" }, del = ["X-Powered-By"] }
compression = ["text/html", "text/css"]
route = [
  { host = ["a.example.com", "*.a.example.com"], path = "/x", path_prefix = "/y{", path_suffix = ".z", path_regex = "^/[0-9]{2}$", method = ["GET", "HEAD"], header = [{ name = "X-Beta" }, { name = "X-Key", value = "1.5" }], source = "10.0.0.0/9", sni = "a.example.com", deny = 404 },
  { path = "/old", redirect = { prefix = "https://new.example.com", code = 301 } },
  { path = "/api", strip_prefix = "/api", backend = "web" },
  { path = "/no", reject = true },
]"#,
    );
    let sources = one(&(text + "\n[proxy]\nengine = \"nginx\"\ntls_preset = \"mozilla-modern\"\n"));
    let config = load(&sources).map_err(|p| p.report(&sources, Colour::None)).unwrap();
    let rendered = render_with(&config, None).unwrap();
    let text = rendered.text.split_once("    # frontend ").unwrap().1.split_once("    # Bound in place").unwrap().0;
    expect![[r#"
        www
            geo $vipkeeper_1_denied {
                default 0;
                10.9.0.0/16 1;
            }
            geo $vipkeeper_1_allowed {
                default 0;
                10.0.0.0/8 1;
            }
            map $https $vipkeeper_1_hsts {
                on "max-age=86400";
            }
            # route 1
            map $host $vipkeeper_1_1_1 {
                hostnames;
                default 0;
                a.example.com 1;
                *.a.example.com 1;
            }
            map $ssl_server_name $vipkeeper_1_1_2 {
                hostnames;
                default 0;
                a.example.com 1;
            }
            map $vipkeeper_path $vipkeeper_1_1_3 {
                default 0;
                "~^/x$" 1;
                "~^/y\\{" 1;
                "~\\.z$" 1;
                "~^/[0-9]{2}$" 1;
            }
            map $request_method $vipkeeper_1_1_4 {
                default 0;
                "~^(?:GET|HEAD)$" 1;
            }
            map $http_x_beta $vipkeeper_1_1_5 {
                default 0;
                "~." 1;
            }
            map $http_x_key $vipkeeper_1_1_6 {
                default 0;
                "~(?:^|,)[ \\t]*1\\.5[ \\t]*(?:,|$)" 1;
            }
            geo $vipkeeper_1_1_7 {
                default 0;
                10.0.0.0/9 1;
            }
            map "$vipkeeper_1_1_1$vipkeeper_1_1_2$vipkeeper_1_1_3$vipkeeper_1_1_4$vipkeeper_1_1_5$vipkeeper_1_1_6$vipkeeper_1_1_7" $vipkeeper_1_1 {
                default 0;
                1111111 1;
            }
            # route 2
            map $vipkeeper_path $vipkeeper_1_2 {
                default 0;
                "~^/old$" 2;
            }
            # route 3
            map $vipkeeper_path $vipkeeper_1_3 {
                default 0;
                "~^/api$" 3;
            }
            # route 4
            map $vipkeeper_path $vipkeeper_1_4 {
                default 0;
                "~^/no$" 4;
            }
            map "$vipkeeper_1_1/$vipkeeper_1_2/$vipkeeper_1_3/$vipkeeper_1_4" $vipkeeper_1_route {
                default 0;
                "~^(?:0/)*(?<vipkeeper_1_found>[1-9][0-9]*)" $vipkeeper_1_found;
            }
            map $vipkeeper_1_route $vipkeeper_1_backend {
                default web;
                3 web;
            }
            server {
                listen 192.168.83.111:80;
                listen 192.168.83.111:443 ssl http2;
                ssl_certificate /etc/ssl/www.pem;
                ssl_certificate_key /etc/ssl/www.pem;
                ssl_protocols TLSv1.2 TLSv1.3;
                ssl_client_certificate /etc/ssl/ca.pem;
                ssl_verify_client optional;
                if ($uri = /alive) { return 200; }
                if ($vipkeeper_1_denied = 1) { return 403; }
                if ($vipkeeper_1_allowed = 0) { return 403; }
                if ($https = "") { return 301 https://$http_host$request_uri; }
                add_header Strict-Transport-Security $vipkeeper_1_hsts always;
                proxy_set_header Host $vipkeeper_host;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection $vipkeeper_connection;
                proxy_set_header X-Forwarded-For "$remote_addr";
                proxy_set_header X-Real-IP "$remote_addr";
                proxy_set_header X-Forwarded-Host "$http_host";
                proxy_set_header X-Forwarded-Proto "$scheme";
                proxy_set_header X-B "";
                proxy_set_header X-A "b";
                proxy_hide_header X-Powered-By;
                proxy_hide_header Server;
                add_header Server "us" always;
                add_header X-C "d" always;
                gzip on;
                gzip_proxied any;
                gzip_vary on;
                gzip_types text/css;
                if ($vipkeeper_1_route = 1) { return 404; }
                if ($vipkeeper_1_route = 2) { return 301 "https://new.example.com$request_uri"; }
                if ($vipkeeper_1_route = 3) { rewrite "^/api(?:/(.*))?$" /$1; }
                if ($vipkeeper_1_route = 4) { return 444; }
                location / {
                    proxy_pass http://$vipkeeper_1_backend;
                }
            }

    "#]].assert_eq(text);
    // A complaint of nginx about a route leads to its line.
    let line_of = |text: &str| rendered.text.lines().position(|line| line.contains(text)).unwrap();
    let origin = |text: &str| rendered.origins[line_of(text)].unwrap().line;
    let first = sources.files[0].text.lines().position(|line| line.contains("*.a.example.com")).unwrap() + 1;
    assert_eq!([origin("~^/x$"), origin("_route = 1)"), origin("_route = 2)")], [first, first, first + 1]);
}

#[test]
fn values_that_nginx_would_take_otherwise_are_refused() {
    let report = |frontend: &str| {
        let text = pair_with("bind = [\"www:80\"]", frontend) + "\n[proxy]\nengine = \"nginx\"\n";
        let sources = one(&text);
        let problems = load(&sources).expect_err(frontend).report(&sources, Colour::None);
        problems.lines().filter(|line| line.starts_with("error")).map(|line| format!("{line}\n")).collect::<String>()
    };
    let cases = [
        r#"bind = [{ address = "www:443", tls = { certificates = ["/a.pem", "/b.pem"], strict_sni = true } }]"#,
        r#"bind = [{ address = "www:443", tls = { crt_list = "/list" } }]"#,
        r#"bind = [{ address = "www:443", tls = { certificates = ["/a.pem"] } }, { address = "www:444", tls = { certificates = ["/b.pem"] } }]"#,
        "bind = [\"www:80\"]\nallow = [\"/etc/networks\"]",
        "bind = [\"www:80\"]\nrequest_headers = { set = { \"X-A\" = \"%[src]\" }, add = { \"X-B\" = \"1\" } }",
        "bind = [\"www:80\"]\nroute = [{ path = \"/a\", redirect = { location = \"/%[src]\" } }]",
        "bind = [\"www:80\"]\nroute = [{ path = \"/a\", return = { status = 302 } }]",
        "bind = [\"www:80\"]\nroute = [{ path = \"/a\", return = { status = 200, body = \"5 $\" } }]",
        "bind = [\"www:80\"]\nroute = [{ path = \"/a\", return = { status = 200, file = \"/f\" } }]",
        "bind = [\"www:80\"]\nroute = [{ header = [{ name = \"X_A\" }], deny = 403 }]",
        "bind = [\"www:80\"]\naccept_proxy = [\"10.0.0.0/8\"]",
    ];
    expect![[r#"
        error: with nginx, a frontend has one certificate
        error: nginx has no equal of `strict_sni` of a bind's TLS
        error: nginx has no equal of `crt_list` of a bind's TLS
        error: with nginx, all binds of a frontend end TLS alike
        error: nginx does not read networks from a list
        error: `%[...]` are words of HAProxy, which nginx passes on as they are
        error: nginx has no equal of `add` of request headers
        error: `%[...]` are words of HAProxy, which nginx passes on as they are
        error: with nginx, an answer of this status is a redirect
        error: nginx takes `$` in a body for the beginning of a variable
        error: nginx has no equal of `file` of an answer
        error: with nginx, a header that decides has a name of letters, digits and dashes
        error: with nginx, every connection of a bind has the PROXY header
    "#]]
    .assert_eq(&cases.map(report).concat());
}
