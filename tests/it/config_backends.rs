//! Backends: what each key becomes in HAProxy's file, and that HAProxy accepts it.

#![allow(clippy::too_many_lines, reason = "snapshots")]

use expect_test::{Expect, expect};
use vipkeeper::config::{Source, Sources};

use crate::config::{PAIR, loaded, one};
use crate::proxy_fixture::{haproxy_check, haproxy_is_here, render_with};

/// The pair with these tables in place of its backend; its frontend has the mode that they name first.
pub(crate) fn pair_of(tables: &str) -> String {
    let (head, _) = PAIR.split_at(PAIR.find("[[backend]]").unwrap());
    let tcp = tables.find("mode = \"tcp\"").is_some_and(|at| !tables[..at].contains("mode = \"http\""));
    let head = if tcp { head.replace("default_backend", "mode = \"tcp\"\ndefault_backend") } else { head.to_owned() };
    format!("{head}{tables}")
}

/// What comes of `tables`, without the sections before; HAProxy reads the whole.
fn check(test: &str, tables: &str, expected: &Expect) {
    let text = pair_of(tables);
    let rendered = render_with(&loaded(&one(&text)), None).unwrap();
    let sections: Vec<&str> = rendered
        .text
        .split("\n\n")
        .filter(|section| section.starts_with("backend ") || section.starts_with("resolvers "))
        .collect();
    expected.assert_eq(&format!("{}\n", sections.join("\n\n").trim_end()));
    assert_eq!(rendered.origins.len(), rendered.text.lines().count());
    if haproxy_is_here(test) {
        assert_eq!(haproxy_check(&rendered.text), Ok(()), "{}", rendered.text);
    }
}

const SERVER: &str = "server = [{ name = \"web1\", address = \"192.0.2.1:80\" }]\n";

/// A backend with one server and these lines.
fn check_lines(test: &str, lines: &str, expected: &Expect) {
    check(test, &format!("[[backend]]\nname = \"web\"\n{lines}\n{SERVER}"), expected);
}

#[test]
fn every_algorithm_is_accepted_by_haproxy() {
    let test = "every_algorithm_is_accepted_by_haproxy";
    for balance in [
        "roundrobin",
        "static-rr",
        "leastconn",
        "first",
        "source",
        "random",
        "random(3)",
        "uri",
        "uri whole",
        "uri path-only len 8 depth 2",
        "url_param id",
        "url_param id check_post",
        "hdr(Host)",
        "hdr(Host) use_domain_only",
        "rdp-cookie",
        "rdp-cookie(mstshash)",
        "hash src,ipmask(24)",
    ] {
        let text = pair_of(&format!("[[backend]]\nname = \"web\"\nbalance = \"{balance}\"\n{SERVER}"));
        let rendered = render_with(&loaded(&one(&text)), None).unwrap();
        assert!(rendered.text.contains(&format!("\n    balance {balance}\n")), "{}", rendered.text);
        if haproxy_is_here(test) {
            assert_eq!(haproxy_check(&rendered.text), Ok(()), "{balance}");
        }
    }
}

#[test]
fn a_hash_is_rendered() {
    check_lines(
        "a_hash_is_rendered",
        "balance = \"source\"\nhash = { type = \"consistent\", function = \"djb2\", avalanche = true, balance_factor = 150 }",
        &expect![[r#"
            backend web
                mode http
                balance source
                hash-type consistent djb2 avalanche
                hash-balance-factor 150
                server web1 192.0.2.1:80 weight 1
        "#]],
    );
    check_lines(
        "a_hash_is_rendered",
        "balance = \"uri depth 2\"\nhash = {}",
        &expect![[r#"
        backend web
            mode http
            balance uri depth 2
            hash-type map-based sdbm
            server web1 192.0.2.1:80 weight 1
    "#]],
    );
}

#[test]
fn an_http_check_is_rendered() {
    check_lines(
        "an_http_check_is_rendered",
        r#"check = { http = "GET /up?a=50%", host = "www.example.com", version = "1.1", headers = { Authorization = "Basic bGI6bGI=", X-Why = "50% \"it's\"" }, expect = { status = ["200-299", "401"], body = "all is 'well'\r\n$" }, interval = "1s", fastinter = "200ms", downinter = "5s", timeout = "900ms", rise = 1, fall = 2, port = 8081, addr = "192.0.2.9", on_marked_down = "shutdown-sessions", on_marked_up = "shutdown-backup-sessions", observe = "layer7", on_error = "mark-down", error_limit = 20 }"#,
        &expect![[r#"
            backend web
                mode http
                balance roundrobin
                option httpchk
                http-check send meth GET uri /up?a=50% ver HTTP/1.1 hdr Host www.example.com hdr Authorization 'Basic bGI6bGI=' hdr X-Why '50%% "it'\''s"'
                http-check expect status 200-299,401
                http-check expect string "all is 'well'\r\n\$"
                timeout check 900ms
                default-server check inter 1s fastinter 200ms downinter 5s rise 1 fall 2 port 8081 addr 192.0.2.9 on-marked-down shutdown-sessions on-marked-up shutdown-backup-sessions observe layer7 on-error mark-down error-limit 20
                server web1 192.0.2.1:80 weight 1
        "#]],
    );
    check_lines(
        "an_http_check_is_rendered",
        r#"check = { http = "OPTIONS *", expect = { body_regex = "^(ok|go{2}d)\\.$" }, observe = "layer4" }"#,
        &expect![[r#"
            backend web
                mode http
                balance roundrobin
                option httpchk
                http-check send meth OPTIONS uri *
                http-check expect status 200-399
                http-check expect rstring '^(ok|go{2}d)\.$'
                default-server check inter 2s rise 2 fall 3 observe layer4 on-error fail-check error-limit 10
                server web1 192.0.2.1:80 weight 1
        "#]],
    );
}

#[test]
fn a_check_by_tls_is_rendered() {
    check_lines(
        "a_check_by_tls_is_rendered",
        r#"check = { http = "GET /readyz", tls = { verify = "none", sni = "kube.internal", alpn = ["http/1.1"] }, send_proxy = true }"#,
        &expect![[r#"
            backend web
                mode http
                balance roundrobin
                option httpchk
                http-check send meth GET uri /readyz
                default-server check inter 2s rise 2 fall 3 check-ssl verify none check-sni kube.internal check-alpn http/1.1 check-send-proxy
                server web1 192.0.2.1:80 weight 1
        "#]],
    );
    check_lines(
        "a_check_by_tls_is_rendered",
        r#"check = { ssl_hello = true, tls = { verify_host = "kube.internal" } }"#,
        &expect![[r#"
            backend web
                mode http
                balance roundrobin
                option ssl-hello-chk
                default-server check inter 2s rise 2 fall 3 check-ssl verify required ca-file @system-ca verifyhost kube.internal
                server web1 192.0.2.1:80 weight 1
        "#]],
    );
}

#[test]
fn scripted_checks_are_rendered() {
    for (kind, expected) in [
        (
            "mysql = \"haproxy\"",
            expect![[r#"
            backend web
                mode tcp
                balance roundrobin
                option mysql-check user haproxy
                default-server check inter 2s rise 2 fall 3
                server web1 192.0.2.1:80 weight 1
        "#]],
        ),
        (
            "pgsql = \"haproxy\"",
            expect![[r#"
            backend web
                mode tcp
                balance roundrobin
                option pgsql-check user haproxy
                default-server check inter 2s rise 2 fall 3
                server web1 192.0.2.1:80 weight 1
        "#]],
        ),
        (
            "redis = \"any\"",
            expect![[r#"
            backend web
                mode tcp
                balance roundrobin
                option redis-check
                default-server check inter 2s rise 2 fall 3
                server web1 192.0.2.1:80 weight 1
        "#]],
        ),
        (
            "redis = \"replica\"",
            expect![[r#"
            backend web
                mode tcp
                balance roundrobin
                option tcp-check
                tcp-check send "PING\r\n"
                tcp-check expect string +PONG
                tcp-check send "info replication\r\n"
                tcp-check expect string role:slave
                tcp-check send "QUIT\r\n"
                tcp-check expect string +OK
                default-server check inter 2s rise 2 fall 3
                server web1 192.0.2.1:80 weight 1
        "#]],
        ),
        (
            "redis = \"master\", password = \"env:REDIS_PASSWORD\"",
            expect![[r#"
            backend web
                mode tcp
                balance roundrobin
                option tcp-check
                tcp-check send "AUTH ${REDIS_PASSWORD}\r\n"
                tcp-check expect string +OK
                tcp-check send "PING\r\n"
                tcp-check expect string +PONG
                tcp-check send "info replication\r\n"
                tcp-check expect string role:master
                tcp-check send "QUIT\r\n"
                tcp-check expect string +OK
                default-server check inter 2s rise 2 fall 3
                server web1 192.0.2.1:80 weight 1
        "#]],
        ),
        (
            "redis = \"any\", password = \"env:REDIS_PASSWORD\"",
            expect![[r#"
            backend web
                mode tcp
                balance roundrobin
                option tcp-check
                tcp-check send "AUTH ${REDIS_PASSWORD}\r\n"
                tcp-check expect string +OK
                tcp-check send "PING\r\n"
                tcp-check expect string +PONG
                tcp-check send "QUIT\r\n"
                tcp-check expect string +OK
                default-server check inter 2s rise 2 fall 3
                server web1 192.0.2.1:80 weight 1
        "#]],
        ),
        (
            "smtp = \"lb.example.com\"",
            expect![[r#"
            backend web
                mode tcp
                balance roundrobin
                option smtpchk EHLO lb.example.com
                default-server check inter 2s rise 2 fall 3
                server web1 192.0.2.1:80 weight 1
        "#]],
        ),
        (
            "ldap = true",
            expect![[r#"
            backend web
                mode tcp
                balance roundrobin
                option ldap-check
                default-server check inter 2s rise 2 fall 3
                server web1 192.0.2.1:80 weight 1
        "#]],
        ),
        (
            "ssl_hello = true",
            expect![[r#"
            backend web
                mode tcp
                balance roundrobin
                option ssl-hello-chk
                default-server check inter 2s rise 2 fall 3
                server web1 192.0.2.1:80 weight 1
        "#]],
        ),
        (
            "patroni = \"read-only\"",
            expect![[r#"
            backend web
                mode tcp
                balance roundrobin
                option httpchk
                http-check send meth GET uri /read-only
                http-check expect status 200
                default-server check inter 2s rise 2 fall 3 port 8008
                server web1 192.0.2.1:80 weight 1
        "#]],
        ),
        (
            "patroni = \"primary\", port = 8009",
            expect![[r#"
            backend web
                mode tcp
                balance roundrobin
                option httpchk
                http-check send meth GET uri /primary
                http-check expect status 200
                default-server check inter 2s rise 2 fall 3 port 8009
                server web1 192.0.2.1:80 weight 1
        "#]],
        ),
        (
            "rabbitmq = true",
            expect![[r#"
            backend web
                mode tcp
                balance roundrobin
                option tcp-check
                tcp-check send-binary 414d515000000901
                tcp-check expect binary 01000000
                default-server check inter 2s rise 2 fall 3
                server web1 192.0.2.1:80 weight 1
        "#]],
        ),
        (
            r#"script = [{ expect_regex = "^220 .*\\$" }, { send = "say \"it's\" $HOME\\\t\u0001\r\n" }, { expect = "it's fine" }, { send_hex = "0D0a" }, { expect_hex = "00ff" }]"#,
            expect![[r#"
                backend web
                    mode tcp
                    balance roundrobin
                    option tcp-check
                    tcp-check expect rstring '^220 .*\$'
                    tcp-check send "say \"it's\" \$HOME\\\t\x01\r\n"
                    tcp-check expect string 'it'\''s fine'
                    tcp-check send-binary 0d0a
                    tcp-check expect binary 00ff
                    default-server check inter 2s rise 2 fall 3
                    server web1 192.0.2.1:80 weight 1
            "#]],
        ),
    ] {
        let lines = format!("mode = \"tcp\"\ncheck = {{ {kind} }}");
        check_lines("scripted_checks_are_rendered", &lines, &expected);
    }
}

#[test]
fn an_agent_is_rendered() {
    check_lines(
        "an_agent_is_rendered",
        "agent = { port = 9777, addr = \"192.0.2.9\", interval = \"5s\", send = \"web one\\n\" }",
        &expect![[r#"
            backend web
                mode http
                balance roundrobin
                default-server agent-check agent-port 9777 agent-inter 5s agent-addr 192.0.2.9 agent-send "web one\n"
                server web1 192.0.2.1:80 weight 1
        "#]],
    );
}

#[test]
fn what_servers_may_have_is_rendered() {
    check(
        "what_servers_may_have_is_rendered",
        r#"[[backend]]
name = "web"
check = { tcp = true }
server_defaults = { weight = 10, maxconn = 100, slowstart = "30s", maxqueue = 20, check_port = 81, init_addr = ["none"] }
server = [
  { name = "web1", address = "192.0.2.1:80" },
  { name = "web2", address = "[2001:db8::2]:80", weight = 20, maxconn = 50, minconn = 5, send_proxy = "v1", check_addr = "192.0.2.9", check_port = 82 },
  { name = "web3", address = "web3.invalid:80", backup = true, disabled = true, check = false, send_proxy = "v2", init_addr = ["last", "libc", "none"], options = "on-marked-down shutdown-sessions" },
  { name = "web4", address = "192.0.2.4:80", send_proxy = "v2-ssl" },
  { name = "web5", address = "192.0.2.5:80", send_proxy = "v2-ssl-cn" },
]
"#,
        &expect![[r#"
            backend web
                mode http
                balance roundrobin
                default-server check inter 2s rise 2 fall 3
                default-server maxqueue 20 slowstart 30s port 81 init-addr none
                server web1 192.0.2.1:80 weight 10 maxconn 100
                server web2 [2001:db8::2]:80 weight 20 maxconn 50 minconn 5 send-proxy port 82 addr 192.0.2.9
                server web3 web3.invalid:80 weight 10 backup maxconn 100 send-proxy-v2 init-addr last,libc,none no-check disabled on-marked-down shutdown-sessions
                server web4 192.0.2.4:80 weight 10 maxconn 100 send-proxy-v2-ssl
                server web5 192.0.2.5:80 weight 10 maxconn 100 send-proxy-v2-ssl-cn
        "#]],
    );
}

#[test]
fn tls_to_servers_is_verified_unless_told_otherwise() {
    check(
        "tls_to_servers_is_verified_unless_told_otherwise",
        r#"[[backend]]
name = "web"
check = { tcp = true }
server_defaults = { tls = { sni = "req.hdr(host)", verify_host = "web.internal" } }
server = [
  { name = "web1", address = "192.0.2.1:443" },
  { name = "web2", address = "192.0.2.2:443", tls = { sni = "web2.internal", alpn = ["h2", "http/1.1"], min_version = "TLSv1.2" } },
  { name = "web3", address = "192.0.2.3:443", tls = { verify = "none" } },
]
"#,
        &expect![[r#"
            backend web
                mode http
                balance roundrobin
                default-server check inter 2s rise 2 fall 3
                default-server ssl verify required ca-file @system-ca verifyhost web.internal sni req.hdr(host)
                server web1 192.0.2.1:443 weight 1
                server web2 192.0.2.2:443 weight 1 ssl verify required ca-file @system-ca sni str(web2.internal) check-sni web2.internal alpn h2,http/1.1 ssl-min-ver TLSv1.2
                server web3 192.0.2.3:443 weight 1 ssl verify none
        "#]],
    );
    // HAProxy would want to read the files, which are not there.
    let text = pair_of(&format!(
        "[[backend]]\nname = \"web\"\nserver_defaults = {{ tls = {{ ca = \"/etc/my ca.pem\", certificate = \"/etc/me.pem\" }} }}\n{SERVER}"
    ));
    let rendered = render_with(&loaded(&one(&text)), None).unwrap();
    let line = "default-server ssl verify required ca-file '/etc/my ca.pem' crt /etc/me.pem";
    assert!(rendered.text.contains(line), "{}", rendered.text);
    if haproxy_is_here("tls_to_servers_is_verified_unless_told_otherwise") {
        let refusal = haproxy_check(&rendered.text).unwrap_err();
        assert!(refusal.contains("/etc/my ca.pem"), "{refusal}");
    }
}

#[test]
fn cookies_are_rendered() {
    check(
        "cookies_are_rendered",
        r#"[[backend]]
name = "web"
cookie = { name = "SRV", httponly = true, secure = true, maxidle = "30m", maxlife = "8h", domain = ".example.com", same_site = "lax" }
server = [{ name = "web1", address = "192.0.2.1:80", cookie = "a" }, { name = "web2", address = "192.0.2.2:80" }]
"#,
        &expect![[r#"
            backend web
                mode http
                balance roundrobin
                cookie SRV insert indirect nocache httponly secure maxidle 1800s maxlife 28800s domain .example.com attr SameSite=Lax
                server web1 192.0.2.1:80 weight 1 cookie a
                server web2 192.0.2.2:80 weight 1 cookie web2
        "#]],
    );
    for (cookie, line) in [
        ("{ name = \"S\", indirect = false, nocache = false }", "cookie S insert"),
        ("{ name = \"S\", preserve = true }", "cookie S insert indirect nocache preserve"),
        ("{ name = \"S\", mode = \"prefix\" }", "cookie S prefix nocache"),
        ("{ name = \"S\", mode = \"rewrite\", nocache = false }", "cookie S rewrite"),
    ] {
        let text = pair_of(&format!("[[backend]]\nname = \"web\"\ncookie = {cookie}\n{SERVER}"));
        let rendered = render_with(&loaded(&one(&text)), None).unwrap();
        assert!(rendered.text.contains(&format!("\n    {line}\n")), "{}", rendered.text);
        if haproxy_is_here("cookies_are_rendered") {
            assert_eq!(haproxy_check(&rendered.text), Ok(()), "{cookie}");
        }
    }
}

#[test]
fn stick_tables_are_rendered() {
    let test = "stick_tables_are_rendered";
    check_lines(
        test,
        "stick = { source = true }",
        &expect![[r#"
        backend web
            mode http
            balance roundrobin
            stick-table type ipv6 size 100000 expire 1800s
            stick on src
            server web1 192.0.2.1:80 weight 1
    "#]],
    );
    check_lines(
        test,
        "stick = { header = \"X-User\", size = 5000, expire = \"1h\" }",
        &expect![[r#"
        backend web
            mode http
            balance roundrobin
            stick-table type string len 64 size 5000 expire 3600s
            stick on req.hdr(X-User)
            server web1 192.0.2.1:80 weight 1
    "#]],
    );
    check_lines(
        test,
        "stick = { cookie = \"JSESSIONID\" }",
        &expect![[r#"
        backend web
            mode http
            balance roundrobin
            stick-table type string len 64 size 100000 expire 1800s
            stick match req.cook(JSESSIONID)
            stick store-response res.cook(JSESSIONID)
            server web1 192.0.2.1:80 weight 1
    "#]],
    );
}

#[test]
fn what_a_backend_does_with_traffic_is_rendered() {
    check_lines(
        "what_a_backend_does_with_traffic_is_rendered",
        r#"timeouts = { connect = "1s", server = "1m", server_fin = "5s", queue = "10s", tunnel = "1h", http_request = "5s", http_keep_alive = "4s" }
retries = 2
redispatch = false
retry_on = ["conn-failure", "empty-response", "503"]
http_reuse = "always"
fullconn = 1000
abortonclose = true
allbackups = true
http_server_close = true
log_health_checks = true
prefer_last_server = true
srvtcpka = true
forwardfor = { except = "127.0.0.0/8", header = "X-Client", if_none = true }
request_headers = { set = { X-Real-IP = "%[src]", X-Quote = "it's" }, add = { Via = "1.1 lb" }, del = ["X-Secret"] }
response_headers = { del = ["Server"], set = { X-Node = "%[src] %s" } }
raw = ["option nolinger"]"#,
        &expect![[r#"
            backend web
                mode http
                balance roundrobin
                timeout connect 1s
                timeout server 60s
                timeout server-fin 5s
                timeout queue 10s
                timeout tunnel 3600s
                timeout http-request 5s
                timeout http-keep-alive 4s
                retries 2
                no option redispatch
                retry-on conn-failure empty-response 503
                http-reuse always
                fullconn 1000
                option abortonclose
                option allbackups
                option http-server-close
                option log-health-checks
                option prefer-last-server
                option srvtcpka
                option forwardfor except 127.0.0.0/8 header X-Client if-none
                http-request del-header X-Secret
                http-request set-header X-Quote 'it'\''s'
                http-request set-header X-Real-IP %[src]
                http-request add-header Via '1.1 lb'
                http-response del-header Server
                http-response set-header X-Node '%[src] %s'
                server web1 192.0.2.1:80 weight 1
                option nolinger
        "#]],
    );
    check_lines(
        "what_a_backend_does_with_traffic_is_rendered",
        "redispatch = true\nforwardfor = {}\nretries = 0\nabortonclose = false",
        &expect![[r#"
            backend web
                mode http
                balance roundrobin
                retries 0
                option redispatch
                option forwardfor
                server web1 192.0.2.1:80 weight 1
        "#]],
    );
}

#[test]
fn error_files_are_rendered_and_looked_for_by_haproxy() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("503 busy.http");
    std::fs::write(&file, "HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n").unwrap();
    let text =
        |file: &str| pair_of(&format!("[[backend]]\nname = \"web\"\nerrorfiles = {{ 503 = \"{file}\" }}\n{SERVER}"));
    let there = render_with(&loaded(&one(&text(file.to_str().unwrap()))), None).unwrap().text;
    assert!(there.contains(&format!("\n    errorfile 503 '{}'\n", file.display())), "{there}");
    let missing = render_with(&loaded(&one(&text("/nowhere/503.http"))), None).unwrap().text;
    if haproxy_is_here("error_files_are_rendered_and_looked_for_by_haproxy") {
        assert_eq!(haproxy_check(&there), Ok(()));
        assert!(haproxy_check(&missing).unwrap_err().contains("/nowhere/503.http"));
    }
}

#[test]
fn resolvers_and_servers_that_dns_names_are_rendered() {
    check(
        "resolvers_and_servers_that_dns_names_are_rendered",
        r#"[[backend]]
name = "web"
check = { http = "GET /" }
server_defaults = { maxconn = 100, weight = 2 }
server_template = { prefix = "web", count = 5, address = "_http._tcp.web.invalid", resolvers = "dns" }

[[backend]]
name = "both"
server_template = { prefix = "more", count = 2, address = "more.invalid:8080", resolvers = "own" }
server = [{ name = "web1", address = "no-such-host.invalid:80", resolvers = "own", resolve_prefer = "ipv4", init_addr = ["none"] }]

[[resolvers]]
name = "dns"
nameservers = ["192.0.2.53", "[2001:db8::53]:5353"]
resolve = "2s"
retry = "500ms"
retries = 2
hold = { valid = "10s", obsolete = "20s", nx = "30s", refused = "31s", timeout = "32s", other = "33s" }
accepted_payload_size = 8192

[[resolvers]]
name = "own"
system = true
"#,
        &expect![[r#"
            resolvers dns
                nameserver dns1 192.0.2.53:53
                nameserver dns2 [2001:db8::53]:5353
                resolve_retries 2
                timeout resolve 2s
                timeout retry 500ms
                hold valid 10s
                hold obsolete 20s
                hold nx 30s
                hold refused 31s
                hold timeout 32s
                hold other 33s
                accepted_payload_size 8192

            resolvers own
                parse-resolv-conf

            backend web
                mode http
                balance roundrobin
                option httpchk
                http-check send meth GET uri /
                default-server check inter 2s rise 2 fall 3
                server-template web 5 _http._tcp.web.invalid weight 2 maxconn 100 resolvers dns init-addr none

            backend both
                mode http
                balance roundrobin
                server web1 no-such-host.invalid:80 weight 1 resolvers own resolve-prefer ipv4 init-addr none
                server-template more 2 more.invalid:8080 weight 1 resolvers own init-addr none
        "#]],
    );
}

/// The examples that show backends, each as an operator would start from it.
const EXAMPLES: [&str; 6] = ["web-cookies", "kubernetes-api", "patroni", "galera", "rabbitmq", "redis"];

#[test]
fn examples_of_backends_pass_haproxy() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    for example in EXAMPLES {
        let path = folder.join(format!("{example}.toml"));
        let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(!text.contains("raw"), "{example} needs raw lines");
        let config = loaded(&Sources { files: vec![Source { path, text }] });
        let rendered = render_with(&config, None).unwrap();
        if haproxy_is_here("examples_of_backends_pass_haproxy") {
            assert_eq!(haproxy_check(&rendered.text), Ok(()), "{example}:\n{}", rendered.text);
        }
    }
}
