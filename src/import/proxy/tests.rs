use proptest::prelude::*;

use crate::import::{Imported, Input, import};

const KEEPALIVED: &str = "vrrp_instance V {\n interface eth0\n virtual_router_id 7\n priority 100\n mcast_src_ip 10.0.0.2\n \
                          virtual_ipaddress {\n 10.0.0.9/24\n }\n}\n";

fn whole(haproxy: &str) -> Imported {
    let input = Input { node: Some("lb1".to_owned()), path: "k.conf".to_owned(), text: KEEPALIVED.to_owned() };
    import(&[input], Some(("h.cfg", haproxy)), &|_: &str, _: &str| Err("no includes".to_owned())).unwrap()
}

/// A frontend and a backend with further lines, as TOML that passes the check.
fn of(frontend: &str, backend: &str) -> (String, String) {
    let text = format!(
        "defaults\n mode http\n timeout connect 1s\n timeout client 2s\n timeout server 2s\nfrontend www\n bind 10.0.0.9:80\n \
         {frontend}\n default_backend web\nbackend web\n {backend}\n server w1 10.0.0.50:80\nbackend api\n \
         server a1 10.0.0.60:80\n"
    );
    let imported = whole(&text);
    assert_eq!(imported.report.problems, Vec::<String>::new(), "{}", imported.toml);
    (imported.toml, imported.report.text())
}

#[test]
fn conditions_that_mean_the_same_become_routes() {
    for (lines, route) in [
        ("use_backend api if { path_beg /v1 }", "path_prefix = \"/v1\""),
        ("acl a path_end .js\n acl a path /x\n use_backend api if a", "path_suffix = \".js\", path = \"/x\""),
        (
            "use_backend api if { hdr(host) -i a.example.com b.example.com }",
            "host = [\"a.example.com\", \"b.example.com\"]",
        ),
        ("use_backend api if { req.hdr(host),host_only -m end .example.com }", "host = \"*.example.com\""),
        ("use_backend api if { src 10.0.0.0/8 } { method POST }", "source = \"10.0.0.0/8\", method = \"POST\""),
        ("use_backend api if { path_reg ^/v[0-9]+ }", "path_regex = \"^/v[0-9]+\""),
    ] {
        let (toml, _) = of(lines, "");
        assert!(toml.contains(&format!("{{ {route}, backend = \"api\" }},")), "{lines}: {toml}");
        assert!(!toml.contains("acl"), "{lines}: {toml}");
    }
}

#[test]
fn conditions_that_do_not_stay_raw_with_those_after_them() {
    for lines in [
        "use_backend api if !{ path_beg /v1 }",
        "use_backend api if { path_beg -i /v1 }",
        "use_backend api if { path_beg /v1 } { path_end .js }",
        "use_backend api if { hdr_sub(host) example }",
        "use_backend api unless { path /x }",
        "use_backend %[req.hdr(host),lower]",
        "use_backend api if { nbsrv(web) lt 1 }",
    ] {
        let (toml, report) = of(&format!("{lines}\n use_backend api if {{ path /y }}"), "");
        assert!(!toml.contains("route = ["), "{lines}: {toml}");
        assert!(report.contains("raw: frontend www: use_backend api if { path /y }"), "{lines}: {report}");
    }
}

#[test]
fn an_acl_that_a_raw_line_needs_stays_there_too() {
    let (toml, _) = of("acl a path_beg /v1\n http-request deny if a\n use_backend api if a", "");
    assert!(toml.contains("path_prefix = \"/v1\"") && toml.contains("\"acl a path_beg /v1\","), "{toml}");
}

#[test]
fn a_redirect_is_a_key_where_it_is_for_all_that_comes_without_tls() {
    let (toml, report) = of("redirect scheme https code 301 if !{ ssl_fc }", "");
    assert!(toml.contains("redirect_https = true") && !report.contains("in place of 302"), "{toml}");
    let (toml, report) = of("http-request redirect scheme https unless { ssl_fc }", "");
    assert!(toml.contains("redirect_https = true") && report.contains("in place of 302"), "{toml}");
    let (toml, _) = of("redirect scheme https if { path_beg /secure }", "");
    assert!(!toml.contains("redirect_https"), "{toml}");
}

#[test]
fn checks_become_keys_where_vipkeeper_asks_the_same() {
    for (lines, keys) in [
        ("option httpchk", "http = \"OPTIONS /\""),
        ("option httpchk GET /x", "http = \"GET /x\""),
        (r"option httpchk GET /x HTTP/1.1\r\nHost:\ a.b", "http = \"GET /x\", host = \"a.b\", version = \"1.1\""),
        (
            "option httpchk\n http-check send meth HEAD uri /y ver HTTP/1.1 hdr Host h",
            "http = \"HEAD /y\", host = \"h\"",
        ),
        (
            "option httpchk\n http-check expect string OK",
            "http = \"OPTIONS /\", expect = { status = [\"100-599\"], body = \"OK\" }",
        ),
        ("option tcp-check", "tcp = true"),
        (
            "option tcp-check\n tcp-check send PING\\r\\n\n tcp-check expect string +PONG",
            "script = [{ send = \"PING\\u000D\\u000A\" }",
        ),
    ] {
        let (toml, _) = of("", &format!("{lines}\n server w0 10.0.0.49:80 check inter 3s"));
        assert!(toml.contains(&format!("check = {{ {keys}")), "{lines}: {toml}");
        assert!(toml.contains("interval = \"3s\""), "{lines}: {toml}");
        assert!(!toml.contains("raw = ["), "{lines}: {toml}");
    }
    let (toml, _) = of("", "option httpchk\n http-check expect ! status 500\n server w0 10.0.0.49:80 check");
    assert!(toml.contains("\"http-check expect ! status 500\",") && toml.contains("check = { tcp = true }"), "{toml}");
}

#[test]
fn servers_that_differ_keep_their_own_words() {
    let lines = "default-server inter 4s maxconn 10\n server x 10.0.0.51:80 check\n server y 10.0.0.52:80 check inter 9s rise 5";
    let (toml, _) = of("", lines);
    assert!(toml.contains("check = { tcp = true, interval = \"4s\" }"), "{toml}");
    assert!(toml.contains("{ name = \"x\", address = \"10.0.0.51:80\", maxconn = 10 },"), "{toml}");
    assert!(toml.contains("address = \"10.0.0.52:80\", maxconn = 10, options = \"inter 9s rise 5\" },"), "{toml}");
    assert!(toml.contains("{ name = \"w1\", address = \"10.0.0.50:80\", check = false, maxconn = 10 },"), "{toml}");
}

#[test]
fn tls_to_servers_is_a_key_where_it_is_verified_alike() {
    let server = |words: &str| of("", &format!("server x 10.0.0.51:443 {words}")).0;
    assert!(server("ssl verify none").contains("tls = { verify = \"none\" }"));
    assert!(server("ssl verify required ca-file /etc/ca.pem").contains("tls = { ca = \"/etc/ca.pem\" }"));
    assert!(server("ssl verify required ca-file ca.pem").contains("options = \"ssl verify required ca-file ca.pem\""));
    let sni = server("check ssl verify none sni str(a.example.com)");
    assert!(sni.contains("tls = { verify = \"none\" }, options = \"sni str(a.example.com)\""), "{sni}");
}

#[test]
fn a_listen_section_is_a_frontend_and_a_backend() {
    let imported = whole(
        "defaults\n mode tcp\n timeout connect 1s\n timeout client 2s\n timeout server 2s\nlisten db\n bind 10.0.0.9:3306\n \
         balance source\n timeout client 9s\n timeout server 8s\n server d1 10.0.0.50:3306 check backup\n",
    );
    assert_eq!(imported.report.problems, Vec::<String>::new(), "{}", imported.toml);
    for text in [
        "name = \"db-in\"\nbind = [\"V:3306\"]\nmode = \"tcp\"\ndefault_backend = \"db\"\nraw = [\n  \"timeout client 9s\",\n]",
        "name = \"db\"\nmode = \"tcp\"\nbalance = \"source\"\ncheck = { tcp = true }\ntimeouts = { server = \"8s\" }",
        "backup = true",
    ] {
        assert!(imported.toml.contains(text), "{text}: {}", imported.toml);
    }
}

#[test]
fn what_has_no_table_stays_a_section() {
    let imported = whole(
        "defaults\n mode http\nlisten s\n bind *:1\n stats enable\n stats auth a:secret\nbackend unix\n server u /run/u.sock\n\
         frontend f\n bind *:2\n default_backend unix\nfrontend www\n bind *:3\n default_backend web\nbackend web\n server w h:1\n",
    );
    assert_eq!(imported.report.problems, Vec::<String>::new(), "{}", imported.toml);
    for text in ["\"listen s\",", "\"backend unix\",", "\"frontend f\",", "\"    mode http\","] {
        assert!(imported.toml.contains(text), "{text}: {}", imported.toml);
    }
    assert!(!imported.report.text().contains("secret"));
}

#[test]
fn several_defaults_count_for_the_sections_after_them() {
    let imported = whole(
        "defaults\n mode http\n timeout server 1s\nfrontend f\n bind *:2\n default_backend a\nbackend a\n server w h:1\n\
         defaults\n mode tcp\n timeout server 9s\nfrontend g\n bind *:3\n default_backend b\nbackend b\n server w h:1\n",
    );
    assert_eq!(imported.report.problems, Vec::<String>::new(), "{}", imported.toml);
    assert!(
        imported.toml.contains("name = \"a\"\nmode = \"http\"\ntimeouts = { server = \"1s\" }"),
        "{}",
        imported.toml
    );
    assert!(
        imported.toml.contains("name = \"b\"\nmode = \"tcp\"\ntimeouts = { server = \"9s\" }"),
        "{}",
        imported.toml
    );
}

/// Words that such files are made of, so that chance gets further than the first line.
const WORDS: &str = "(global|defaults|frontend f|backend b|listen l|bind|server|default-server|acl|use_backend|default_backend|\
    option|httpchk|http-check|expect|send|hdr|status|timeout|cookie|balance|hash-type|if|unless|or|\\{|\\}|!|path_beg|hdr\\(host\\)|\
    -i|-m|check|inter|ssl|crt|verify|none|alpn|redirect|scheme|https|http-request|set-header|stats|uri|mode|http|tcp|:80|10\\.0\\.0\\.9:80|\
    h:1|/x|5s|99999999999999999999|\"|'|\\\\|%|\\$|é|\\.if|b|f|l|a)";

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_haproxy_file_gives_a_result_or_an_error(
        lines in prop::collection::vec(prop::collection::vec(WORDS, 0..7), 0..30)
    ) {
        let lines: Vec<String> = lines.iter().map(|words| words.join(" ")).collect();
        let text = format!("defaults\n{}\n", lines.join("\n"));
        let input = Input { node: Some("lb1".to_owned()), path: "k.conf".to_owned(), text: KEEPALIVED.to_owned() };
        if let Ok(imported) = import(&[input], Some(("h.cfg", &text)), &|_: &str, _: &str| Err(String::new())) {
            let parsed = imported.toml.parse::<toml::Table>();
            prop_assert!(parsed.is_ok(), "{:?}: {}", parsed, imported.toml);
        }
    }
}

#[test]
fn large_files_end_soon_or_are_refused() {
    let refused = |text: &str| {
        let input = Input { node: Some("lb1".to_owned()), path: "k.conf".to_owned(), text: KEEPALIVED.to_owned() };
        import(&[input], Some(("h.cfg", text)), &|_: &str, _: &str| Err(String::new())).map_err(|e| e.to_string())
    };
    let wrong = refused(&format!("defaults\n{}", "maxconn 1\n".repeat(501))).unwrap_err();
    assert!(wrong.contains("500 in all defaults sections"), "{wrong}");
    assert!(refused(&"backend b\n".repeat(5_001)).unwrap_err().contains("more than 5000 sections"));
    assert!(refused(&format!("global\n{}", "x ".repeat(5_000))).unwrap_err().contains("more than 8192 bytes"));
    let rules: String = (0..2_400).map(|n| format!(" acl a{n} path_beg /{n}\n use_backend web if a{n}\n")).collect();
    let text = format!(
        "frontend f\n mode http\n bind *:80\n{rules} default_backend web\nbackend web\n mode http\n server w h:1\n"
    );
    assert_eq!(refused(&text).unwrap().toml.matches("path_prefix").count(), 2_400);
}
