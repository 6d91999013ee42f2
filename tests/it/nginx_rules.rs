//! Keys of frontends with nginx: what the real one makes of them, beside what HAProxy does.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use vipkeeper::config::Config;
use vipkeeper::render::{RenderInput, Rendered, render};

use crate::config::{loaded, one};
use crate::proxy_fixture::{name, nginx_is_here};
use crate::render_frontends::Certificates;
use crate::render_routes::{REQUESTS, answer_on, routes};

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Two backends that nginx itself plays: they say who they are, what path they got, and what else is asked for.
fn toml(frontends: &str, says: &str, ports: [u16; 2]) -> String {
    let [web, api] = ports;
    let play = |name: &str, port: u16| format!("server {{ listen 127.0.0.1:{port}; return 200 '{name} {says}'; }}");
    format!(
        r#"
[[node]]
name = "lb1"
address = "192.168.83.131"
[[node]]
name = "lb2"
address = "192.168.83.132"
[[vip]]
name = "www"
addresses = ["192.168.83.111/24"]
interface = "eth0"
vrid = 51
prefer = ["lb1", "lb2"]
[proxy]
engine = "nginx"
nbthread = 1
raw_defaults = ["{}", "{}"]
{frontends}
[[backend]]
name = "web"
server = [{{ name = "web1", address = "127.0.0.1:{web}" }}]
[[backend]]
name = "api"
server = [{{ name = "api1", address = "127.0.0.1:{api}" }}]
"#,
        play("web", web),
        play("api", api),
    )
}

fn rendered(config: &Config, stats_socket: &Path) -> Rendered {
    let sources = Arc::new(one(""));
    let files_dir = Path::new("/run/vipkeeper/haproxy.d");
    let input = RenderInput {
        config,
        sources: &sources,
        node: &name("lb1"),
        stats_socket,
        files_dir,
        template: None,
        reads: None,
    };
    render(&input).unwrap()
}

/// nginx with the frontend on a port of loopback; ended with the test.
struct Nginx {
    child: Child,
    _dir: tempfile::TempDir,
    port: u16,
}

impl Nginx {
    fn start(frontends: &str, says: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let port = free_port();
        let text = frontends.replace("SOCKET", &format!("127.0.0.1:{port}"));
        let config = loaded(&one(&toml(&text, says, [free_port(), free_port()])));
        let file = dir.path().join("nginx.conf");
        let text = rendered(&config, &dir.path().join("stats.sock")).text;
        std::fs::write(&file, &text).unwrap();
        let global = format!("daemon off; pid {};", dir.path().join("nginx.pid").display());
        let mut command = Command::new("nginx");
        command.arg("-c").arg(&file).args(["-e", "stderr", "-g", &global]);
        let child = command.stdout(Stdio::null()).spawn().unwrap();
        let mut nginx = Self { child, _dir: dir, port };
        let end = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(nginx.child.try_wait().unwrap().is_none(), "nginx refuses:\n{text}");
            assert!(Instant::now() < end, "nginx does not serve");
            std::thread::sleep(Duration::from_millis(10));
        }
        nginx
    }

    fn stream(&self) -> TcpStream {
        let stream = TcpStream::connect(("127.0.0.1", self.port)).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        stream
    }

    fn ask(&self, request: &str) -> String {
        answer_on(self.stream(), &format!("{request}\r\n\r\n"))
    }

    /// The whole answer.
    fn whole(&self, request: &str) -> String {
        let mut stream = self.stream();
        stream.write_all(format!("{request}\r\n\r\n").as_bytes()).unwrap();
        let mut answer = Vec::new();
        drop(stream.read_to_end(&mut answer));
        String::from_utf8_lossy(&answer).into_owned()
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // The master takes its workers along.
        let pid = nix::unistd::Pid::from_raw(i32::try_from(self.child.id()).unwrap());
        let _gone = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM);
        self.child.wait().unwrap();
    }
}

#[test]
fn routes_mean_the_same_with_both_engines() {
    if !nginx_is_here("routes_mean_the_same_with_both_engines") {
        return;
    }
    let nginx = Nginx::start(&routes(), "$uri");
    for (request, answer) in REQUESTS {
        assert_eq!(nginx.ask(request), answer, "{request}");
    }
    assert_eq!(nginx.ask("GET /.vipkeeper/6 HTTP/1.0"), "404", "nobody comes there by himself");
}

/// What a server gets of a request: `says` of the backends is about headers here.
#[test]
fn lists_headers_redirects_and_monitoring_hold_in_the_real_nginx() {
    if !nginx_is_here("lists_headers_redirects_and_monitoring") {
        return;
    }
    let nginx = Nginx::start(
        r#"
[[frontend]]
name = "www"
bind = ["SOCKET"]
accept_proxy = ["0.0.0.0/0", "::/0"]
monitor_uri = "/alive"
deny = ["198.51.100.0/24", "2001:db8::/32"]
allow = ["192.0.2.0/24", "198.51.100.0/24"]
forwarded = true
request_headers = { set = { "X-Seen" = "by $server_port" }, del = ["X-Secret"] }
response_headers = { set = { "X-Who" = "me, \"the\" one" }, add = { "X-More" = "1" } }
compression = ["text/html", "text/plain"]
default_backend = "web"

[[frontend.route]]
path_prefix = "/api"
source = "192.0.2.128/25"
backend = "api"

[[frontend.route]]
path = "/gone"
return = { status = 410, body = "for good", content_type = "text/markdown" }
"#,
        "$http_x_forwarded_for $http_x_real_ip $http_x_forwarded_proto $http_x_forwarded_host $http_x_seen [$http_x_secret]",
    );
    let ask = |client: &str, request: &str| {
        let protocol = if client.contains(':') { "TCP6" } else { "TCP4" };
        let own = if client.contains(':') { "2001:db8::1" } else { "192.0.2.1" };
        nginx.whole(&format!("PROXY {protocol} {client} {own} 1024 80\r\n{request}"))
    };
    let status = |client: &str, request: &str| ask(client, request).split(' ').nth(1).unwrap_or("none").to_owned();
    let get = "GET / HTTP/1.1\r\nConnection: close\r\nHost: www.example.com";
    assert_eq!(status("203.0.113.1", "GET /alive HTTP/1.0"), "200", "whoever asks");
    assert_eq!(status("203.0.113.1", get), "403");
    assert_eq!(status("198.51.100.1", get), "403", "denied, although allowed");
    assert_eq!(status("2001:db8::7", get), "403");
    let answer = ask("192.0.2.7", &format!("{get}\r\nX-Secret: 1\r\nX-Forwarded-For: 1.2.3.4"));
    assert!(answer.contains("192.0.2.7 192.0.2.7 http www.example.com by "), "{answer}");
    assert!(answer.contains("web ") && answer.contains(" []"), "{answer}");
    assert!(answer.contains("X-Who: me, \"the\" one\r\n") && answer.contains("X-More: 1\r\n"), "{answer}");
    let packed = ask("192.0.2.7", &format!("{get}\r\nAccept-Encoding: gzip"));
    assert!(packed.contains("Content-Encoding: gzip"), "{packed:?}");
    let request = get.replace("/ ", "/api/1 ");
    assert!(ask("192.0.2.200", &request).contains("api 192.0.2.200"));
    assert!(ask("192.0.2.7", &request).contains("web 192.0.2.7"));
    let gone = ask("192.0.2.7", "GET /gone HTTP/1.0");
    assert!(gone.starts_with("HTTP/1.1 410 ") && gone.contains("Content-Type: text/markdown"), "{gone}");
    assert!(gone.ends_with("for good") && gone.contains("X-Who"), "{gone}");
    assert_eq!(nginx.ask(get), "none", "without the header nobody is heard");
}

/// `curl` speaks TLS.
fn curl(arguments: &[&str]) -> Option<String> {
    let output = Command::new("curl").args(["-sk", "--max-time", "20"]).args(arguments).output().ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[test]
fn tls_ends_in_the_real_nginx_and_plain_requests_are_sent_there() {
    let test = "tls_ends_in_the_real_nginx";
    let Some(certificates) = Certificates::new(test).filter(|_| nginx_is_here(test)) else { return };
    if curl(&["--version"]).is_none() {
        crate::skip(test, "curl is not installed");
        return;
    }
    let (pem, plain) = (certificates.path().join("www.pem"), free_port());
    let nginx = Nginx::start(
        &format!(
            r#"
[[frontend]]
name = "www"
bind = [{{ address = "SOCKET", tls = {{ certificates = ["{}"], preset = "mozilla-intermediate" }} }}, "127.0.0.1:{plain}"]
redirect_https = true
hsts = "365d"
default_backend = "web"
"#,
            pem.display()
        ),
        "$http_host",
    );
    let url = format!("https://127.0.0.1:{}/x?y=1", nginx.port);
    let answer = curl(&["-i", "--http2", &url]).unwrap();
    assert!(answer.starts_with("HTTP/2 200"), "{answer}");
    assert!(answer.to_ascii_lowercase().contains("strict-transport-security: max-age=31536000"), "{answer}");
    assert!(answer.ends_with(&format!("web 127.0.0.1:{}", nginx.port)), "{answer}");
    assert!(!curl(&["-i", "--tls-max", "1.1", &url]).unwrap().contains("200"), "below the preset");
    let answer = curl(&["-i", &format!("http://127.0.0.1:{plain}/x?y=1")]).unwrap();
    assert!(answer.contains(&format!("Location: https://127.0.0.1:{plain}/x?y=1")), "{answer}");
    assert!(answer.starts_with("HTTP/1.1 301") && !answer.contains("Strict-Transport"), "{answer}");
}

#[test]
fn the_handshake_routes_connections_that_only_pass_through() {
    let test = "the_handshake_routes_connections";
    let Some(certificates) = Certificates::new(test).filter(|_| nginx_is_here(test)) else { return };
    if curl(&["--version"]).is_none() {
        crate::skip(test, "curl is not installed");
        return;
    }
    let pem = certificates.path().join("www.pem").display().to_string();
    let (a, b, plain) = (free_port(), free_port(), free_port());
    // Servers with TLS of their own, which the same nginx plays.
    let plays = |name: &str, port: u16| {
        format!(
            "{{ address = \"127.0.0.1:{port}\", tls = {{ certificates = [\"{pem}\"] }} }}]\nraw = [\"return 200 {name};\"]"
        )
    };
    let nginx = Nginx::start(
        &format!(
            r#"
[[frontend]]
name = "tls"
mode = "tcp"
bind = ["SOCKET"]
default_backend = "tls-a"
[[frontend.route]]
sni = ["b.example.com", "*.b.example.com"]
backend = "tls-b"
[[frontend.route]]
sni = "nobody.example.com"
reject = true
[[frontend]]
name = "closed"
mode = "tcp"
bind = ["127.0.0.1:{plain}"]
deny = "127.0.0.0/8"
default_backend = "tls-a"
[[frontend]]
name = "a"
bind = [{a_plays}
default_backend = "web"
[[frontend]]
name = "b"
bind = [{b_plays}
default_backend = "web"
[[backend]]
name = "tls-a"
mode = "tcp"
server = [{{ name = "a", address = "127.0.0.1:{a}" }}]
[[backend]]
name = "tls-b"
mode = "tcp"
server = [{{ name = "b", address = "127.0.0.1:{b}" }}]
"#,
            a_plays = plays("a", a),
            b_plays = plays("b", b),
        ),
        "",
    );
    let ask = |host: &str| {
        let at = format!("{host}:{}:127.0.0.1", nginx.port);
        curl(&["--resolve", &at, &format!("https://{host}:{}/", nginx.port)]).unwrap()
    };
    assert_eq!(ask("a.example.com"), "a");
    assert_eq!(ask("b.example.com"), "b");
    assert_eq!(ask("x.b.example.com"), "b");
    assert_eq!(ask("nobody.example.com"), "");
    assert_eq!(curl(&[&format!("https://127.0.0.1:{plain}/")]).unwrap(), "", "denied");
}
