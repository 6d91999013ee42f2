//! Routes: what they become, and where real requests then go.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use expect_test::expect;

use crate::proxy_fixture::{haproxy_is_here, write_with};
use crate::render_frontends::{check, rendered, with_frontends};

#[test]
fn routes_to_backends_alone_are_chosen_by_use_backend() {
    check(
        "routes_to_backends_alone",
        r#"
[[frontend]]
name = "www"
bind = ["www:80"]
default_backend = "web"
raw = ["use_backend api if { path /by-hand }"]

[[frontend.route]]
host = ["old.example.com", "*.Old.example.com"]
redirect = { prefix = "https://www.example.com", code = 301 }

[[frontend.route]]
path_suffix = [".css", ".js", ".png"]
path_prefix = "/static/"
backend = "api"

[[frontend.route]]
host = "api.example.com"
method = ["GET", "HEAD"]
source = ["10.0.0.0/8", "2001:db8::/32"]
header = [{ name = "X-Beta", value = "it's yes" }, { name = "X-Any" }]
path_regex = '^/v[0-9]+/"x#$'
backend = "api"
"#,
        &["frontend"],
        &expect![[r#"
            frontend www
                mode http
                bind 192.168.83.111:80 transparent
                acl route1-host req.hdr(host),host_only,lower -m str -- old.example.com
                acl route1-host req.hdr(host),host_only,lower -m end -- .old.example.com
                http-request redirect prefix https://www.example.com code 301 if route1-host
                acl route2-path path -m beg -- /static/
                acl route2-path path -m end -- .css .js .png
                use_backend api if route2-path
                acl route3-host req.hdr(host),host_only,lower -m str -- api.example.com
                acl route3-path path -m reg -- '^/v[0-9]+/"x#$'
                acl route3-method method -- GET HEAD
                acl route3-source src -- 10.0.0.0/8 2001:db8::/32
                acl route3-header1 req.hdr(X-Beta) -m str -- 'it'\''s yes'
                acl route3-header2 req.hdr(X-Any) -m found
                use_backend api if route3-host route3-path route3-method route3-source route3-header1 route3-header2
                default_backend web
                use_backend api if { path /by-hand }
        "#]],
    );
}

#[test]
fn another_action_after_a_backend_keeps_its_place() {
    check(
        "another_action_after_a_backend",
        r#"
[[frontend]]
name = "www"
bind = ["www:80"]

[[frontend.route]]
path = "/login"
backend = "web"

[[frontend.route]]
path_prefix = "/api/v1.0"
strip_prefix = "/api/v1.0"
add_prefix = "/new"
backend = "api"

[[frontend.route]]
source = "192.0.2.0/24"
deny = 403

[[frontend.route]]
path = "/robots.txt"
return = { status = 200, body = "User-agent: *" }

[[frontend.route]]
method = "TRACE"
reject = true

[[frontend.route]]
path = "/moved"
redirect = { location = "/here?from=%[path]" }

[[frontend.route]]
return = { status = 404 }
"#,
        &["frontend"],
        &expect![[r#"
            frontend www
                mode http
                bind 192.168.83.111:80 transparent
                acl vipkeeper-chosen var(txn.vipkeeper_backend) -m found
                acl route1-path path -m str -- /login
                http-request set-var(txn.vipkeeper_backend) str(web) if route1-path
                acl route2-path path -m beg -- /api/v1.0
                acl route2 var(txn.vipkeeper_route) -m int 2
                http-request set-var(txn.vipkeeper_route) int(2) if route2-path !vipkeeper-chosen
                http-request set-var(txn.vipkeeper_backend) str(api) if route2
                http-request replace-path '^/api/v1\.0(/(.*))?$' '/new/\2' if route2
                acl route3-source src -- 192.0.2.0/24
                http-request deny deny_status 403 if route3-source !vipkeeper-chosen
                acl route4-path path -m str -- /robots.txt
                http-request return status 200 content-type text/plain string 'User-agent: *' if route4-path !vipkeeper-chosen
                acl route5-method method -- TRACE
                http-request reject if route5-method !vipkeeper-chosen
                acl route6-path path -m str -- /moved
                http-request redirect location /here?from=%[path] code 302 if route6-path !vipkeeper-chosen
                http-request return status 404 if !vipkeeper-chosen
                use_backend %[var(txn.vipkeeper_backend)] if vipkeeper-chosen
        "#]],
    );
}

#[test]
fn the_handshake_routes_what_only_passes_through() {
    check(
        "the_handshake_routes",
        r#"
[[frontend]]
name = "tls"
mode = "tcp"
bind = ["www:443"]
default_backend = "web"

[[frontend.route]]
source = "192.0.2.0/24"
reject = true

[[frontend.route]]
sni = ["db.example.com", "*.db.example.com"]
backend = "api"

[[frontend]]
name = "plain"
mode = "tcp"
bind = ["www:5432"]
default_backend = "web"

[[frontend.route]]
source = "10.0.0.0/8"
backend = "api"
"#,
        &["frontend"],
        &expect![[r#"
            frontend tls
                mode tcp
                bind 192.168.83.111:443 transparent
                tcp-request inspect-delay 5s
                acl vipkeeper-chosen var(txn.vipkeeper_backend) -m found
                acl route1-source src -- 192.0.2.0/24
                tcp-request content reject if route1-source
                acl route2-sni req.ssl_sni,lower -m str -- db.example.com
                acl route2-sni req.ssl_sni,lower -m end -- .db.example.com
                tcp-request content set-var(txn.vipkeeper_backend) str(api) if route2-sni
                use_backend %[var(txn.vipkeeper_backend)] if vipkeeper-chosen
                default_backend web
            frontend plain
                mode tcp
                bind 192.168.83.111:5432 transparent
                acl route1-source src -- 10.0.0.0/8
                use_backend api if route1-source
                default_backend web
        "#]],
    );
}

fn hosts(count: usize, action: impl Fn(usize) -> String) -> String {
    (0..count).map(|n| format!("[[frontend.route]]\nhost = \"v{n}.example.com\"\n{}\n\n", action(n))).collect()
}

#[test]
fn many_hosts_become_a_map_that_is_called_by_what_it_holds() {
    let www = "[[frontend]]\nname = \"www\"\nbind = [\"www:80\"]\ndefault_backend = \"web\"\n\n";
    let some = |count: usize, last: &str| {
        format!("{www}{}", hosts(count, |n| format!("backend = {:?}", if n % 2 == 0 { "web" } else { last })))
    };
    check(
        "many_hosts",
        &some(9, "api"),
        &["frontend"],
        &expect![[r#"
        frontend www
            mode http
            bind 192.168.83.111:80 transparent
            use_backend %[req.hdr(host),host_only,lower,map_str(/run/vipkeeper/haproxy.d/www-hosts-81e834e62ddbb5e2.map)] if { req.hdr(host),host_only,lower,map_str(/run/vipkeeper/haproxy.d/www-hosts-81e834e62ddbb5e2.map) -m found }
            default_backend web
    "#]],
    );
    let (_, seven) = rendered(&with_frontends(&some(7, "api")));
    assert_eq!(seven.files, []);
    let (_, nine) = rendered(&with_frontends(&some(9, "api")));
    let [map] = &nine.files[..] else { panic!("{:?}", nine.files) };
    assert!(map.text.starts_with("v0.example.com web\nv1.example.com api\n"), "{}", map.text);
    let (_, other) = rendered(&with_frontends(&some(9, "web")));
    assert_ne!(other.files[0].path, map.path);
    assert_ne!(other.generation, nine.generation);
    // With another action between them the two runs stay apart, and in order.
    let mixed = format!("{}[[frontend.route]]\npath = \"/x\"\ndeny = 403\n\n", some(9, "api"));
    let more = hosts(9, |_| "backend = \"web\"".to_owned()).replace("host = \"v", "host = \"w");
    check(
        "many_hosts_twice",
        &format!("{mixed}{more}"),
        &["frontend"],
        &expect![[r#"
            frontend www
                mode http
                bind 192.168.83.111:80 transparent
                acl vipkeeper-chosen var(txn.vipkeeper_backend) -m found
                http-request set-var(txn.vipkeeper_backend) req.hdr(host),host_only,lower,map_str(/run/vipkeeper/haproxy.d/www-hosts-81e834e62ddbb5e2.map)
                acl route10-path path -m str -- /x
                http-request deny deny_status 403 if route10-path !vipkeeper-chosen
                http-request set-var(txn.vipkeeper_backend) req.hdr(host),host_only,lower,map_str(/run/vipkeeper/haproxy.d/www-hosts-bc7965a3aca94641.map) if !vipkeeper-chosen
                use_backend %[var(txn.vipkeeper_backend)] if vipkeeper-chosen
                default_backend web
        "#]],
    );
}

#[test]
fn a_long_list_of_one_condition_stands_in_a_file() {
    let list: Vec<_> = (0..200).map(|n| format!("\"10.0.{n}.0/24\"")).collect();
    let text = format!(
        "[[frontend]]\nname = \"www\"\nbind = [\"www:80\"]\ndefault_backend = \"web\"\n\
         [[frontend.route]]\nsource = [{}]\ndeny = 403\n[[frontend.route]]\nsource = [{}]\nbackend = \"api\"\n",
        list.join(", "),
        list[..60].join(", ")
    );
    check(
        "a_long_list",
        &text,
        &["frontend"],
        &expect![[r#"
        frontend www
            mode http
            bind 192.168.83.111:80 transparent
            acl route1-source src -f /run/vipkeeper/haproxy.d/route1-source-fb2de2496f8c0b90.acl
            http-request deny deny_status 403 if route1-source
            acl route2-source src -- 10.0.0.0/24 10.0.1.0/24 10.0.2.0/24 10.0.3.0/24 10.0.4.0/24 10.0.5.0/24 10.0.6.0/24 10.0.7.0/24 10.0.8.0/24 10.0.9.0/24 10.0.10.0/24 10.0.11.0/24 10.0.12.0/24 10.0.13.0/24 10.0.14.0/24 10.0.15.0/24 10.0.16.0/24 10.0.17.0/24 10.0.18.0/24 10.0.19.0/24 10.0.20.0/24 10.0.21.0/24 10.0.22.0/24 10.0.23.0/24
            acl route2-source src -- 10.0.24.0/24 10.0.25.0/24 10.0.26.0/24 10.0.27.0/24 10.0.28.0/24 10.0.29.0/24 10.0.30.0/24 10.0.31.0/24 10.0.32.0/24 10.0.33.0/24 10.0.34.0/24 10.0.35.0/24 10.0.36.0/24 10.0.37.0/24 10.0.38.0/24 10.0.39.0/24 10.0.40.0/24 10.0.41.0/24 10.0.42.0/24 10.0.43.0/24 10.0.44.0/24 10.0.45.0/24 10.0.46.0/24 10.0.47.0/24
            acl route2-source src -- 10.0.48.0/24 10.0.49.0/24 10.0.50.0/24 10.0.51.0/24 10.0.52.0/24 10.0.53.0/24 10.0.54.0/24 10.0.55.0/24 10.0.56.0/24 10.0.57.0/24 10.0.58.0/24 10.0.59.0/24
            use_backend api if route2-source
            default_backend web
    "#]],
    );
}

/// HAProxy with one frontend on a unix socket; ended with the test.
struct Proxy {
    child: Child,
    dir: tempfile::TempDir,
}

impl Proxy {
    fn start(frontends: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let socket = dir.path().join("www.sock");
        let text = with_frontends(&frontends.replace("SOCKET", socket.to_str().unwrap()));
        // Backends that say who they are, and what path they got.
        let says = |name: &str| {
            format!(
                "name = \"{name}\"\nraw = [\"http-request return status 200 content-type text/plain lf-string '{name} %[path]'\"]"
            )
        };
        let text =
            text.replace("name = \"web\"\n", &(says("web") + "\n")).replace("name = \"api\"\n", &(says("api") + "\n"));
        let (_, rendered) = rendered(&text);
        let stats = dir.path().join("stats.sock");
        let text = rendered.text.replace("/run/vipkeeper/stats.sock", stats.to_str().unwrap());
        let file = write_with(dir.path(), &text, &rendered.files);
        let child = Command::new("haproxy").arg("-db").arg("-f").arg(file).stderr(Stdio::inherit()).spawn().unwrap();
        let end = Instant::now() + Duration::from_secs(20);
        while UnixStream::connect(&socket).is_err() {
            assert!(Instant::now() < end, "HAProxy does not serve");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self { child, dir }
    }

    fn socket(&self) -> PathBuf {
        self.dir.path().join("www.sock")
    }

    /// Status line and body, or what little there was.
    fn ask(&self, request: &str) -> String {
        ask(&self.socket(), &format!("{request}\r\n\r\n"))
    }
}

fn ask(socket: &Path, request: &str) -> String {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    answer_on(stream, request)
}

/// Status, and the body of a 200 or the location of a redirect.
pub(crate) fn answer_on(mut stream: impl Read + Write, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    // A rejected connection may be reset.
    drop(stream.read_to_string(&mut answer));
    let status = answer.split_whitespace().nth(1).unwrap_or("none").to_owned();
    let location = answer.lines().find_map(|line| line.strip_prefix("location: ").or(line.strip_prefix("Location: ")));
    let location = location.unwrap_or_default();
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let shown = if status == "200" { body } else { location };
    format!("{status} {shown}").trim().to_owned()
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Routes of each kind, with a run of hosts that HAProxy gets as a map; `SOCKET` is where the frontend is bound.
pub(crate) fn routes() -> String {
    r#"
[[frontend]]
name = "www"
bind = ["SOCKET"]
default_backend = "web"

[[frontend.route]]
path_prefix = ["/api", "/apis"]
strip_prefix = "/api"
add_prefix = "/v2"
backend = "api"

[[frontend.route]]
path = "/api/secret"
deny = 403

[[frontend.route]]
host = "closed.example.com"
header = [{ name = "X-Key", value = "open sesame" }]
backend = "api"

[[frontend.route]]
host = ["closed.example.com", "*.closed.example.com"]
deny = 403

[[frontend.route]]
path = "/old"
redirect = { location = "/new", code = 308 }

[[frontend.route]]
path_suffix = ".txt"
method = "GET"
return = { status = 200, body = "it's 100% \"text\" #1" }

"#
    .to_owned()
        + &hosts(9, |n| format!("backend = {:?}", if n % 2 == 0 { "web" } else { "api" }))
}

/// What becomes of requests there, whatever the engine. Backends say their name and the path that they got.
pub(crate) const REQUESTS: [(&str, &str); 16] = [
    ("GET / HTTP/1.0", "200 web /"),
    ("GET /api/x/y?q=1 HTTP/1.0", "200 api /v2/x/y"),
    ("GET /api HTTP/1.0", "200 api /v2/"),
    // It begins so, and goes there; but it is not below the prefix, and stays as it is.
    ("GET /apis HTTP/1.0", "200 api /apis"),
    ("GET /api/secret HTTP/1.0", "200 api /v2/secret"),
    ("GET / HTTP/1.1\r\nConnection: close\r\nHost: Closed.Example.com:80", "403"),
    ("GET / HTTP/1.1\r\nConnection: close\r\nHost: a.b.closed.example.com", "403"),
    ("GET / HTTP/1.1\r\nConnection: close\r\nHost: notclosed.example.com", "200 web /"),
    ("GET / HTTP/1.1\r\nConnection: close\r\nHost: closed.example.com\r\nX-Key: open sesame", "200 api /"),
    ("GET /old HTTP/1.0", "308 /new"),
    ("GET /a.txt HTTP/1.0", "200 it's 100% \"text\" #1"),
    ("POST /a.txt HTTP/1.0", "200 web /a.txt"),
    ("GET /x HTTP/1.1\r\nConnection: close\r\nHost: v1.example.com", "200 api /x"),
    ("GET /x HTTP/1.1\r\nConnection: close\r\nHost: v2.example.com", "200 web /x"),
    ("GET /x HTTP/1.1\r\nConnection: close\r\nHost: v9.example.com", "200 web /x"),
    ("GET /old HTTP/1.1\r\nConnection: close\r\nHost: v1.example.com", "308 /new"),
];

#[test]
fn the_first_route_that_matches_counts_whatever_its_action() {
    let test = "the_first_route_that_matches_counts";
    if !haproxy_is_here(test) {
        return;
    }
    let proxy = Proxy::start(&routes());
    for (request, answer) in REQUESTS {
        assert_eq!(proxy.ask(request), answer, "{request}");
    }
}

#[test]
fn limits_lists_and_passwords_hold_in_the_real_proxy() {
    let test = "limits_lists_and_passwords_hold";
    if !haproxy_is_here(test) {
        return;
    }
    let proxy = Proxy::start(
        r#"
[[frontend]]
name = "www"
bind = [{ address = "SOCKET", options = "accept-proxy" }]
monitor_uri = "/alive"
deny = "198.51.100.0/24"
basic_auth = "staff"
forwarded = true
rate_limit = { requests = 4, per = "1h" }
default_backend = "web"

[[frontend.route]]
header = [{ name = "X-Forwarded-Proto", value = "http" }]
path = "/proto"
return = { status = 204 }

[[userlist]]
name = "staff"
users = [{ name = "alice", password = "$1$abc$jWy0FsfCoVBK.I85XpXf30" }]
"#,
    );
    let status = |client: &str, request: &str| {
        let answer = proxy.ask(&format!("PROXY TCP4 {client} 192.0.2.1 1024 80\r\n{request}"));
        answer.split(' ').next().unwrap().to_owned()
    };
    let (one, other) = ("192.0.2.9", "192.0.2.10");
    let basic = "Authorization: Basic YWxpY2U6aGVsbG8=";
    assert_eq!(status(one, "GET /alive HTTP/1.0"), "200");
    assert_eq!(status("198.51.100.7", &format!("GET / HTTP/1.0\r\n{basic}")), "403");
    assert_eq!(status(one, "GET / HTTP/1.0"), "401");
    assert_eq!(status(one, "GET / HTTP/1.0\r\nAuthorization: Basic YWxpY2U6d3Jvbmc="), "401");
    assert_eq!(status(one, &format!("GET / HTTP/1.0\r\n{basic}")), "200");
    assert_eq!(status(one, &format!("GET /proto HTTP/1.0\r\nX-Forwarded-Proto: https\r\n{basic}")), "204");
    assert_eq!(status(one, &format!("GET / HTTP/1.0\r\n{basic}")), "429");
    assert_eq!(status(other, &format!("GET / HTTP/1.0\r\n{basic}")), "200");
}
