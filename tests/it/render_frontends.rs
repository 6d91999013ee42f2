//! What keys of frontends become, and that HAProxy accepts it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use expect_test::{Expect, expect};
use vipkeeper::config::{Config, Engine, Feature};
use vipkeeper::render::{RenderInput, Rendered, render};

use crate::config::{PAIR, example_paths, loaded, one};
use crate::proxy_fixture::{haproxy_check_with, haproxy_is_here, name};

/// The pair with other frontends.
pub(crate) fn with_frontends(frontends: &str) -> String {
    let (head, rest) = PAIR.split_once("[[frontend]]").unwrap();
    let (_, backends) = rest.split_once("[[backend]]").unwrap();
    let more = "[[backend]]\nname = \"api\"\nserver = [{ name = \"api1\", address = \"192.0.2.1:80\" }]\n";
    format!("{head}{frontends}\n[[backend]]{backends}\n{more}")
}

pub(crate) fn rendered(text: &str) -> (Config, Rendered) {
    let sources = Arc::new(one(text));
    let config = loaded(&sources);
    let rendered = render(&RenderInput {
        config: &config,
        sources: &sources,
        node: &name("lb1"),
        stats_socket: Path::new("/run/vipkeeper/stats.sock"),
        files_dir: Path::new("/run/vipkeeper/haproxy.d"),
        template: None,
        reads: None,
    });
    let rendered = rendered.unwrap();
    (config, rendered)
}

/// The sections that begin with one of these words.
pub(crate) fn sections(text: &str, wanted: &[&str]) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines() {
        if !line.starts_with(' ') && !line.is_empty() {
            inside = wanted.iter().any(|word| line.starts_with(word));
        }
        // The generation depends on where the test puts its files.
        if inside && !line.is_empty() && !line.contains("vipkeeper generation") {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// A directory with a certificate, its key, and an authority.
pub(crate) struct Certificates(tempfile::TempDir);

impl Certificates {
    /// None, loudly, where there is no openssl.
    pub(crate) fn new(test: &str) -> Option<Self> {
        let dir = tempfile::tempdir().unwrap();
        let (key, crt) = (dir.path().join("key"), dir.path().join("crt"));
        let mut openssl = Command::new("openssl");
        openssl.args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]);
        openssl.args(["-days", "30", "-subj", "/CN=www.example.com", "-keyout"]).arg(&key).arg("-out").arg(&crt);
        let Ok(made) = openssl.output() else {
            eprintln!("SKIPPED: {test}: openssl is not installed");
            return None;
        };
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let (key, crt) = (std::fs::read_to_string(key).unwrap(), std::fs::read_to_string(crt).unwrap());
        std::fs::write(dir.path().join("www.pem"), format!("{crt}{key}")).unwrap();
        std::fs::write(dir.path().join("ca.pem"), crt).unwrap();
        let pem = dir.path().join("www.pem");
        std::fs::write(dir.path().join("list"), format!("{} [alpn h2] www.example.com\n", pem.display())).unwrap();
        Some(Self(dir))
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.0.path().to_owned()
    }
}

/// Renders frontends, compares these sections, and has HAProxy read the whole.
pub(crate) fn check(test: &str, frontends: &str, wanted: &[&str], expected: &Expect) {
    let (_, rendered) = rendered(&with_frontends(frontends));
    expected.assert_eq(&sections(&rendered.text, wanted));
    if haproxy_is_here(test) {
        assert_eq!(haproxy_check_with(&rendered.text, &rendered.files), Ok(()), "{}", rendered.text);
    }
}

/// The same with `DIR` standing for a directory with certificates.
fn check_tls(test: &str, frontends: &str, wanted: &[&str], expected: &Expect) {
    let Some(certificates) = Certificates::new(test) else { return };
    let dir = certificates.path().display().to_string();
    let (_, rendered) = rendered(&with_frontends(&frontends.replace("DIR", &dir)));
    expected.assert_eq(&sections(&rendered.text, wanted).replace(&dir, "DIR"));
    if haproxy_is_here(test) {
        assert_eq!(haproxy_check_with(&rendered.text, &rendered.files), Ok(()), "{}", rendered.text);
    }
}

#[test]
fn tls_is_ended_with_presets_and_http_is_redirected() {
    check_tls(
        "tls_is_ended",
        r#"
[proxy]
tls_preset = "mozilla-intermediate"

[[frontend]]
name = "plain"
bind = ["www:80"]
redirect_https = true

[[frontend]]
name = "www"
bind = [
  { address = "www:443", tls = { certificates = ["DIR/www.pem"] } },
  { address = "*:8443", tls = { crt_list = "DIR/list", preset = "mozilla-modern", client_ca = "DIR/ca.pem", strict_sni = true } },
  { address = "*:8444", tls = { certificates = ["DIR/www.pem"], preset = "mozilla-intermediate", min_version = "TLSv1.3", alpn = ["http/1.1"], client_ca = "DIR/ca.pem", verify = "optional" }, options = "tfo" },
]
hsts = "365d"
default_backend = "web"
"#,
        &["global", "frontend"],
        &expect![[r#"
            global
                node lb1
                setenv VIPKEEPER_NODE lb1
                stats socket /run/vipkeeper/stats.sock mode 600 level admin expose-fd listeners
                stats maxconn 20
                server-state-file /run/vipkeeper/servers.state
                hard-stop-after 600s
                close-spread-time 5s
                mworker-max-reloads 50
                ssl-default-bind-ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305
                ssl-default-bind-ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256
                ssl-default-bind-options prefer-client-ciphers ssl-min-ver TLSv1.2 no-tls-tickets
            frontend plain
                mode http
                bind 192.168.83.111:80 transparent
                http-request redirect scheme https code 301 unless { ssl_fc }
            frontend www
                mode http
                bind 192.168.83.111:443 transparent ssl crt DIR/www.pem alpn h2,http/1.1
                bind *:8443 ssl crt-list DIR/list alpn h2,http/1.1 ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256 prefer-client-ciphers no-tls-tickets ssl-min-ver TLSv1.3 ca-file DIR/ca.pem verify required strict-sni
                bind *:8444 ssl crt DIR/www.pem alpn http/1.1 ciphers ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305 ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256 prefer-client-ciphers no-tls-tickets ssl-min-ver TLSv1.3 ca-file DIR/ca.pem verify optional tfo
                http-after-response set-header Strict-Transport-Security "max-age=31536000" if { ssl_fc }
                default_backend web
        "#]],
    );
}

#[test]
fn tcp_behind_tls_speaks_no_protocol_of_its_own() {
    check_tls(
        "tcp_behind_tls",
        r#"
[[frontend]]
name = "www"
mode = "tcp"
bind = [{ address = "www:993", tls = { certificates = ["DIR/www.pem"] } }]
default_backend = "api"
"#,
        &["frontend"],
        &expect![[r#"
            frontend www
                mode tcp
                bind 192.168.83.111:993 transparent ssl crt DIR/www.pem
                default_backend api
        "#]],
    );
}

#[test]
fn unix_sockets_and_the_proxy_protocol_of_trusted_networks() {
    check(
        "unix_sockets",
        r#"
[[frontend]]
name = "www"
bind = ["www:80", { address = "/run/www.sock", options = "mode 660" }]
accept_proxy = ["10.0.0.0/8", "2001:db8::1"]
default_backend = "web"
"#,
        &["frontend"],
        &expect![[r#"
            frontend www
                mode http
                bind 192.168.83.111:80 transparent
                bind unix@/run/www.sock mode 660
                acl vipkeeper-proxies src -- 10.0.0.0/8 2001:db8::1/128
                tcp-request connection expect-proxy layer4 if vipkeeper-proxies
                default_backend web
        "#]],
    );
}

#[test]
fn rules_are_traced_to_their_frontend_and_features_to_the_bind_that_needs_them() {
    let text = with_frontends(
        "[[frontend]]\nname = \"www\"\nbind = [\n  { address = \"*:443\", tls = { certificates = [\"/x\"] } },\n]\n\
         redirect_https = true\ndefault_backend = \"web\"\n",
    );
    let (config, rendered) = rendered(&text);
    let line = |wanted: &str| text.lines().position(|line| line.contains(wanted)).unwrap() + 1;
    let at = rendered.text.lines().position(|line| line.contains("redirect scheme")).unwrap();
    assert_eq!(rendered.origins[at].unwrap().line, line("[[frontend]]"));
    let [(Feature::Openssl, origin)] = config.features()[..] else { panic!("{:?}", config.features()) };
    assert_eq!(origin.line, line("*:443"));
    assert_eq!(loaded(&one(PAIR)).features(), []);
}

const STAFF: &str = "[[userlist]]\nname = \"staff\"\nusers = [{ name = \"alice\", password = \"$5$salt$HashHashHashHashHashHashHashHashHashHashHashHas\" }]\n";

#[test]
#[allow(clippy::too_many_lines, reason = "one snapshot")]
fn access_limits_headers_and_compression_come_before_the_routes() {
    check(
        "access_limits_headers",
        &(r#"
[[frontend]]
name = "www"
bind = ["www:80"]
monitor_uri = "/alive"
accept_proxy = ["10.1.0.0/16"]
allow = ["10.0.0.0/8", "192.0.2.7"]
deny = "10.9.0.0/16"
rate_limit = { requests = 100, connections = 50, per = "10s", action = "tarpit" }
redirect_https = true
basic_auth = "staff"
forwarded = true
request_headers = { set = { X-Node = "lb 1 %[src]" }, add = { Via = "1.1 vipkeeper" }, del = ["X-Secret"] }
response_headers = { set = { X-Frame-Options = "DENY" }, del = ["Server"] }
compression = ["text/html", "application/json"]
default_backend = "web"

[[frontend.route]]
path = "/x"
backend = "web"

[[frontend]]
name = "limited"
bind = ["www:81"]
rate_limit = { requests = 10, per = "1m", status = 503 }
default_backend = "web"

[[frontend]]
name = "mail"
mode = "tcp"
bind = ["www:25"]
deny = ["192.0.2.0/24"]
allow = ["0.0.0.0/0"]
rate_limit = { connections = 5, per = "1s" }
default_backend = "api"

[proxy]
peers = { port = 10000 }
"#
        .to_owned()
            + STAFF),
        &["frontend", "userlist", "peers"],
        &expect![[r#"
            peers vipkeeper
                peer lb1 192.168.83.131:10000
                peer lb2 192.168.83.132:10000
            userlist staff
                user alice password '$5$salt$HashHashHashHashHashHashHashHashHashHashHashHas'
            frontend www
                mode http
                bind 192.168.83.111:80 transparent
                monitor-uri /alive
                acl vipkeeper-proxies src -- 10.1.0.0/16
                tcp-request connection expect-proxy layer4 if vipkeeper-proxies
                acl vipkeeper-denied src -- 10.9.0.0/16
                acl vipkeeper-allowed src -- 10.0.0.0/8 192.0.2.7/32
                stick-table type ipv6 size 100k expire 20s store http_req_rate(10s),conn_rate(10s) peers vipkeeper
                tcp-request session track-sc0 src
                tcp-request session reject if { sc_conn_rate(0) gt 50 }
                http-request deny deny_status 403 if vipkeeper-denied
                http-request deny deny_status 403 unless vipkeeper-allowed
                http-request tarpit deny_status 429 if { sc_http_req_rate(0) gt 100 }
                http-request redirect scheme https code 301 unless { ssl_fc }
                http-request auth realm www unless { http_auth(staff) }
                http-request set-header X-Forwarded-For %[src]
                http-request set-header X-Real-IP %[src]
                http-request set-header X-Forwarded-Host %[req.hdr(host)]
                http-request set-header X-Forwarded-Proto %[ssl_fc,iif(https,http)]
                http-request del-header X-Secret
                http-request set-header X-Node 'lb 1 %[src]'
                http-request add-header Via '1.1 vipkeeper'
                http-after-response del-header Server
                http-after-response set-header X-Frame-Options DENY
                compression algo gzip
                compression type text/html application/json
                acl route1-path path -m str -- /x
                use_backend web if route1-path
                default_backend web
            frontend limited
                mode http
                bind 192.168.83.111:81 transparent
                stick-table type ipv6 size 100k expire 120s store http_req_rate(60s) peers vipkeeper
                http-request track-sc0 src
                http-request deny deny_status 503 if { sc_http_req_rate(0) gt 10 }
                default_backend web
            frontend mail
                mode tcp
                bind 192.168.83.111:25 transparent
                acl vipkeeper-denied src -- 192.0.2.0/24
                acl vipkeeper-allowed src -- 0.0.0.0/0
                tcp-request connection reject if vipkeeper-denied
                tcp-request connection reject unless vipkeeper-allowed
                stick-table type ipv6 size 100k expire 2s store conn_rate(1s) peers vipkeeper
                tcp-request connection track-sc0 src
                tcp-request connection reject if { sc_conn_rate(0) gt 5 }
                default_backend api
        "#]],
    );
}

#[test]
#[allow(clippy::too_many_lines, reason = "one snapshot")]
fn what_operators_see_of_the_proxy() {
    check(
        "what_operators_see",
        &(r#"
[proxy]
log = "stdout format raw local0"
log_format = "json"
stats = { bind = "127.0.0.1:8404", uri = "/stats", userlist = "staff", refresh = "10s", admin = true, prometheus = true }
timeouts = { http_request = "5s", http_keep_alive = "15s", queue = "30s", tunnel = "1h", check = "2s", client_fin = "10s", server_fin = "11s" }

[[frontend]]
name = "www"
bind = ["www:80"]
default_backend = "web"

[[frontend]]
name = "tcp"
mode = "tcp"
bind = ["www:25"]
default_backend = "api"
"#
        .to_owned()
            + STAFF),
        &["defaults", "frontend"],
        &expect![[r#"
            defaults
                log global
                option dontlognull
                option redispatch
                timeout connect 5s
                timeout client 30s
                timeout server 30s
                timeout http-request 5s
                timeout http-keep-alive 15s
                timeout queue 30s
                timeout tunnel 3600s
                timeout check 2s
                timeout client-fin 10s
                timeout server-fin 11s
                load-server-state-from-file global
                default-server init-addr last,libc,none
            frontend vipkeeper-stats
                mode http
                bind 127.0.0.1:8404
                http-request auth realm vipkeeper-stats unless { http_auth(staff) }
                http-request use-service prometheus-exporter if { path /metrics }
                stats enable
                stats uri /stats
                stats refresh 10s
                stats admin if { http_auth(staff) }
                no log
            frontend www
                mode http
                bind 192.168.83.111:80 transparent
                log-format '{"time":%Ts.%ms,"client":"%ci","port":%cp,"frontend":"%f","backend":"%b","server":"%s","state":"%ts","bytes":%B,"connections":%ac,"retries":%rc,"queue":%bq,"status":%ST,"ms":%Ta,"request_ms":%TR,"queue_ms":%Tw,"connect_ms":%Tc,"response_ms":%Tr,"method":"%[capture.req.method,json(utf8s)]","uri":"%[capture.req.uri,json(utf8s)]","version":"%[capture.req.ver]"}'
                default_backend web
            frontend tcp
                mode tcp
                bind 192.168.83.111:25 transparent
                log-format '{"time":%Ts.%ms,"client":"%ci","port":%cp,"frontend":"%f","backend":"%b","server":"%s","state":"%ts","bytes":%B,"connections":%ac,"retries":%rc,"queue":%bq,"ms":%Tt}'
                default_backend api
        "#]],
    );
    let dir = tempfile::tempdir().unwrap();
    let page = dir.path().join("503.http");
    std::fs::write(&page, "HTTP/1.1 503 Away\r\ncontent-length: 0\r\n\r\n").unwrap();
    let text = format!(
        "[proxy]\nlog = \"127.0.0.1:514 local0\"\nlog_format = \"clf\"\nerror_pages = {{ 503 = {page:?} }}\n\
         [[frontend]]\nname = \"www\"\nbind = [\"www:80\"]\ndefault_backend = \"web\"\n"
    );
    let (config, rendered) = rendered(&with_frontends(&text));
    assert!(rendered.text.contains("option httplog clf"));
    assert!(rendered.text.contains(&format!("errorfile 503 {}", page.display())), "{}", rendered.text);
    assert_eq!(config.features(), []);
    if haproxy_is_here("error_pages") {
        assert_eq!(haproxy_check_with(&rendered.text, &rendered.files), Ok(()));
    }
}

#[test]
fn hashes_of_passwords_are_shown_nowhere_but_in_the_text() {
    let text = with_frontends(
        &("[proxy]\nstats = { bind = \"*:8404\", prometheus = true }\n[[frontend]]\nname = \"www\"\nbind = [\"www:80\"]\n\
           basic_auth = \"staff\"\ncompression = [\"text/html\"]\ndefault_backend = \"web\"\n"
            .to_owned()
            + STAFF),
    );
    let (config, rendered) = rendered(&text);
    assert!(!format!("{config:?}").contains("HashHash"));
    let at = rendered.text.lines().position(|line| line.contains("user alice")).unwrap();
    // What HAProxy says of that line is told with the line of the TOML file that the section begins with.
    let stderr = format!("[ALERT] (9) : config : parsing [/x/haproxy.cfg:{}] : no such hash\n", at + 1);
    let report = vipkeeper::render::report_alerts(&stderr, &rendered);
    assert!(report.contains("[[userlist]]") && !report.contains("HashHash"), "{report}");
    let features: Vec<_> = config.features().into_iter().map(|(feature, _)| feature).collect();
    assert_eq!(features, [Feature::Compression, Feature::Promex]);
}

/// The examples that need a certificate find one, wherever they say that it is.
#[test]
fn haproxy_accepts_every_example() {
    let test = "haproxy_accepts_every_example";
    let Some(certificates) = Certificates::new(test).filter(|_| haproxy_is_here(test)) else { return };
    let pem = certificates.path().join("www.pem").display().to_string();
    for path in example_paths() {
        let (config, rendered) = rendered(&std::fs::read_to_string(&path).unwrap());
        match config.proxy.engine {
            Engine::Haproxy => {}
            Engine::Nginx => continue,
        }
        let shown = |word: &str| if word.ends_with(".pem") { pem.clone() } else { word.to_owned() };
        let line = |line: &str| line.split(' ').map(shown).collect::<Vec<_>>().join(" ") + "\n";
        let text: String = rendered.text.lines().map(line).collect();
        assert_eq!(haproxy_check_with(&text, &rendered.files), Ok(()), "{}", path.display());
        if path.ends_with("hundred-hosts.toml") {
            let [map] = &rendered.files[..] else { panic!("{:?}", rendered.files) };
            assert_eq!(map.text.lines().count(), 100);
            let binds = config.binds().flat_map(|bind| config.bind_addresses(bind));
            assert_eq!(binds.map(|(address, _)| address.is_ipv6()).collect::<Vec<_>>(), [false, true]);
        }
    }
}
