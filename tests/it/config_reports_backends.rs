//! What is wrong with backends, as it is reported: each rule with its place and the fix.

#![allow(clippy::too_many_lines, reason = "snapshots")]

use expect_test::{Expect, expect};
use vipkeeper::config::{Colour, load};

use crate::config::one;
use crate::config_backends::pair_of;

fn check(tables: &str, expected: &Expect) {
    let sources = one(&pair_of(tables));
    expected.assert_eq(&match load(&sources) {
        Ok(_) => "it loads\n".to_owned(),
        Err(problems) => problems.report(&sources, Colour::None),
    });
}

/// A backend with one server and these lines.
fn check_lines(lines: &str, expected: &Expect) {
    let server = "server = [{ name = \"web1\", address = \"192.0.2.1:80\" }]";
    check(&format!("[[backend]]\nname = \"web\"\n{server}\n{lines}\n"), expected);
}

#[test]
fn algorithms_are_checked_with_their_arguments() {
    check_lines(
        r#"balance = "least-conn""#,
        &expect![[r#"
        error: `balance` must be an algorithm of HAProxy
          --> vipkeeper.toml:24:11
           |
        24 | balance = "least-conn"
           |           ^^^^^^^^^^^^ unknown algorithm
           |
           = help: did you mean "leastconn"?

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"balance = "random(0)""#,
        &expect![[r#"
        error: `balance` random does not have these arguments
          --> vipkeeper.toml:24:11
           |
        24 | balance = "random(0)"
           |           ^^^^^^^^^^^ not a number from 1 to 100
           |
           = help: write "random(2)"

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"balance = "uri whole len""#,
        &expect![[r#"
        error: `balance` uri does not have these arguments
          --> vipkeeper.toml:24:11
           |
        24 | balance = "uri whole len"
           |           ^^^^^^^^^^^^^^^ len needs a number from 1 to 1000
           |
           = help: known are "whole", "path-only", "len 8" and "depth 2"

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"balance = "hdr""#,
        &expect![[r#"
        error: `balance` hdr does not have these arguments
          --> vipkeeper.toml:24:11
           |
        24 | balance = "hdr"
           |           ^^^^^ not the name of a header
           |
           = help: write "hdr(Host)"

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"balance = "roundrobin 3""#,
        &expect![[r#"
        error: `balance` roundrobin does not have these arguments
          --> vipkeeper.toml:24:11
           |
        24 | balance = "roundrobin 3"
           |           ^^^^^^^^^^^^^^ roundrobin stands alone
           |
           = help: take the arguments out

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"balance = "url_param""#,
        &expect![[r#"
        error: `balance` url_param does not have these arguments
          --> vipkeeper.toml:24:11
           |
        24 | balance = "url_param"
           |           ^^^^^^^^^^^ not the name of a parameter
           |
           = help: write, for example, "url_param id"

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"balance = "hdr(Host""#,
        &expect![[r#"
        error: `balance` hdr does not have these arguments
          --> vipkeeper.toml:24:11
           |
        24 | balance = "hdr(Host"
           |           ^^^^^^^^^^ a parenthesis is not closed
           |
           = help: add ")"

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"balance = "hash""#,
        &expect![[r#"
        error: `balance` hash does not have these arguments
          --> vipkeeper.toml:24:11
           |
        24 | balance = "hash"
           |           ^^^^^^ no expression
           |
           = help: write, for example, "hash src,ipmask(24)"

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"mode = "tcp"
balance = "uri""#,
        &expect![[r#"
            error: balance uri needs a backend of mode http
              --> vipkeeper.toml:26:11
               |
            26 | balance = "uri"
               |           ^^^^^ mode tcp sees no requests
               |
               = help: write "source" or "leastconn", or `mode = "http"`

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn a_hash_must_mean_something() {
    check_lines(
        r#"hash = { type = "consistent" }"#,
        &expect![[r#"
        error: `hash` means nothing with balance roundrobin
          --> vipkeeper.toml:24:8
           |
        24 | hash = { type = "consistent" }
           |        ^^^^^^^^^^^^^^^^^^^^^^^ nothing is hashed
           |
           = help: remove it, or balance by "source", or in mode http by "uri" or "hdr(Host)"

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"balance = "source"
hash = { balance_factor = 150 }"#,
        &expect![[r#"
            error: `balance_factor` needs consistent hashing
              --> vipkeeper.toml:25:27
               |
            25 | hash = { balance_factor = 150 }
               |                           ^^^ means nothing here
               |
               = help: add `type = "consistent"`, or remove it

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_lines(
        r#"balance = "source"
hash = { type = "consistant" }"#,
        &expect![[r#"
            error: `type` of `hash` of [[backend]] must be "map-based" or "consistent"
              --> vipkeeper.toml:25:17
               |
            25 | hash = { type = "consistant" }
               |                 ^^^^^^^^^^^^ unknown word
               |
               = note: What happens to the others when a server comes or goes.
               = help: did you mean "consistent"?

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn a_check_is_of_one_kind_with_its_own_keys() {
    check_lines(
        r#"mode = "tcp"
check = { mysql = "haproxy", tcp = true }"#,
        &expect![[r#"
            error: a check is either `tcp` or `mysql`
              --> vipkeeper.toml:26:19
               |
            26 | check = { mysql = "haproxy", tcp = true }
               |                   ^^^^^^^^^        ---- here
               |                   |
               |                   the other is there too
               |
               = help: remove one of the two

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_lines(
        r#"check = { interval = "1s" }"#,
        &expect![[r#"
        error: a check must say what is checked, such as `http` or `tcp`
          --> vipkeeper.toml:24:9
           |
        24 | check = { interval = "1s" }
           |         ^^^^^^^^^^^^^^^^^^^ nothing is
           |
           = note: the kinds are `tcp`, `http`, `mysql`, `pgsql`, `redis`, `smtp`, `ldap`, `ssl_hello`, `patroni`, `rabbitmq` or `script`
           = help: add `http = "GET /"` or `tcp = true`; without `check` servers always count as up

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"check = { tcp = true, host = "a", expect = { status = ["200"] }, password = "env:X" }"#,
        &expect![[r#"
            error: `host` means nothing in a tcp check
              --> vipkeeper.toml:24:30
               |
            24 | check = { tcp = true, host = "a", expect = { status = ["200"] }, password = "env:X" }
               |                              ^^^ never used
               |
               = help: remove it, or write `http = "GET /"` in place of `tcp`

            error: `expect` means nothing in a tcp check
              --> vipkeeper.toml:24:44
               |
            24 | check = { tcp = true, host = "a", expect = { status = ["200"] }, password = "env:X" }
               |                                            ^^^^^^^^^^^^^^^^^^^^ never used
               |
               = help: remove it, or write `http = "GET /"` in place of `tcp`

            error: `password` means nothing in a tcp check
              --> vipkeeper.toml:24:77
               |
            24 | check = { tcp = true, host = "a", expect = { status = ["200"] }, password = "env:X" }
               |                                                                             ^^^^^^^ never used
               |
               = help: remove it, or write `redis = "any"` in place of `tcp`

            vipkeeper.toml: 3 problems
        "#]],
    );
    check_lines(
        r#"check = { mysql = "haproxy" }"#,
        &expect![[r#"
        error: a check by `mysql` needs a backend of mode tcp
          --> vipkeeper.toml:24:19
           |
        24 | check = { mysql = "haproxy" }
           |                   ^^^^^^^^^ this backend is of mode http
           |
           = help: add `mode = "tcp"` to the backend

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"mode = "tcp"
check = { redis = "primary" }"#,
        &expect![[r#"
            error: `redis` of `check` of [[backend]] must be "any" or "master" or "replica"
              --> vipkeeper.toml:26:19
               |
            26 | check = { redis = "primary" }
               |                   ^^^^^^^^^ unknown word
               |
               = note: PING, and which role the server must have.

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_lines(
        r#"check = { http = "GET /", password = "env:X" }"#,
        &expect![[r#"
        error: `password` means nothing in a http check
          --> vipkeeper.toml:24:38
           |
        24 | check = { http = "GET /", password = "env:X" }
           |                                      ^^^^^^^ never used
           |
           = help: remove it, or write `redis = "any"` in place of `http`

        vipkeeper.toml: 1 problem
    "#]],
    );
}

#[test]
fn http_checks_are_checked() {
    check_lines(
        r#"check = { http = "GET /", version = "1.1" }"#,
        &expect![[r#"
        error: a check in HTTP/1.1 needs a `host`
          --> vipkeeper.toml:24:37
           |
        24 | check = { http = "GET /", version = "1.1" }
           |                                     ^^^^^ it would have no Host header
           |
           = note: a request of HTTP/1.1 without the Host header is answered 400 (RFC 9112 section 3.2)
           = help: add `host = "www.example.com"`

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"check = { http = "GET /", headers = { "X Y" = "a", Host = "b" } }"#,
        &expect![[r#"
        error: this is not the name of a header
          --> vipkeeper.toml:24:39
           |
        24 | check = { http = "GET /", headers = { "X Y" = "a", Host = "b" } }
           |                                       ^^^^^ not a name
           |
           = help: write, for example, "X-Forwarded-Proto"

        error: the Host header of a check has a key of its own
          --> vipkeeper.toml:24:52
           |
        24 | check = { http = "GET /", headers = { "X Y" = "a", Host = "b" } }
           |                                                    ^^^^ would be sent twice
           |
           = help: write `host = "b"`

        vipkeeper.toml: 2 problems
    "#]],
    );
    check_lines(
        r#"check = { http = "GET /", expect = {} }"#,
        &expect![[r#"
        error: `expect` must say what is expected: `status`, `body` or `body_regex`
          --> vipkeeper.toml:24:36
           |
        24 | check = { http = "GET /", expect = {} }
           |                                    ^^ nothing is
           |
           = help: write, for example, `expect = { status = ["200"] }`

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"check = { http = "GET /", expect = { status = ["2xx", "600", "299-200"] } }"#,
        &expect![[r#"
        error: a status is a code from 100 to 599, or a range of them
          --> vipkeeper.toml:24:48
           |
        24 | check = { http = "GET /", expect = { status = ["2xx", "600", "299-200"] } }
           |                                                ^^^^^ neither
           |
           = help: write, for example, "200" or "200-299"

        error: a status is a code from 100 to 599, or a range of them
          --> vipkeeper.toml:24:55
           |
        24 | check = { http = "GET /", expect = { status = ["2xx", "600", "299-200"] } }
           |                                                       ^^^^^ neither
           |
           = help: write, for example, "200" or "200-299"

        error: a status is a code from 100 to 599, or a range of them
          --> vipkeeper.toml:24:62
           |
        24 | check = { http = "GET /", expect = { status = ["2xx", "600", "299-200"] } }
           |                                                              ^^^^^^^^^ neither
           |
           = help: write, for example, "200" or "200-299"

        vipkeeper.toml: 3 problems
    "#]],
    );
    check_lines(
        r#"check = { http = "GET /", expect = { body = "a", body_regex = "b" } }"#,
        &expect![[r#"
        error: a body is matched by either `body` or `body_regex`
          --> vipkeeper.toml:24:63
           |
        24 | check = { http = "GET /", expect = { body = "a", body_regex = "b" } }
           |                                             --- here          ^^^ the other is there too
           |
           = help: remove one of the two

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"check = { http = "GET /", expect = { body = "" } }"#,
        &expect![[r#"
        error: `body` must be a text of 1 to 2000 bytes, without zero bytes
          --> vipkeeper.toml:24:45
           |
        24 | check = { http = "GET /", expect = { body = "" } }
           |                                             ^^ empty
           |
           = help: write bytes as hex digits, in `send_hex` or `expect_hex`

        vipkeeper.toml: 1 problem
    "#]],
    );
}

#[test]
fn scripted_checks_are_checked() {
    check_lines(
        r#"mode = "tcp"
check = { mysql = "ha proxy" }"#,
        &expect![[r#"
            error: `mysql` must be the name of a user of the database
              --> vipkeeper.toml:26:19
               |
            26 | check = { mysql = "ha proxy" }
               |                   ^^^^^^^^^^ not a name
               |
               = help: write, for example, `mysql = "haproxy"`

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_lines(
        r#"mode = "tcp"
check = { redis = "master", password = "hunter2" }"#,
        &expect![[r#"
            error: a password is not written here, but named: "env:NAME"
              --> vipkeeper.toml:26:40
               |
            26 | check = { redis = "master", password = "hunter2" }
               |                                        ^^^^^^^^^ not "env:" and the name of a variable
               |
               = note: the file is the same on all hosts and often shared; HAProxy reads the variable when it starts
               = help: write "env:REDIS_PASSWORD", and the variable in the environment of vipkeeper

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_lines(
        r#"mode = "tcp"
check = { script = [{ send = "a", expect = "b" }, { send_hex = "0d0" }, { expect = "" }] }"#,
        &expect![[r#"
            error: a step of a check is one thing: it sends or it expects
              --> vipkeeper.toml:26:21
               |
            26 | check = { script = [{ send = "a", expect = "b" }, { send_hex = "0d0" }, { expect = "" }] }
               |                     ^^^^^^^^^^^^^^^^^^^^^^^^^^^^ not one key
               |
               = help: write one table for each: [{ send = "PING\r\n" }, { expect = "+PONG" }]

            error: `send_hex` must be bytes, two hex digits each
              --> vipkeeper.toml:26:64
               |
            26 | check = { script = [{ send = "a", expect = "b" }, { send_hex = "0d0" }, { expect = "" }] }
               |                                                                ^^^^^ not an even number of hex digits
               |
               = help: write, for example, `send_hex = "0d0a"`

            error: `expect` must be a text of 1 to 2000 bytes, without zero bytes
              --> vipkeeper.toml:26:84
               |
            26 | check = { script = [{ send = "a", expect = "b" }, { send_hex = "0d0" }, { expect = "" }] }
               |                                                                                    ^^ empty
               |
               = help: write bytes as hex digits, in `send_hex` or `expect_hex`

            vipkeeper.toml: 3 problems
        "#]],
    );
    check_lines(
        r#"mode = "tcp"
check = { smtp = "lb example" }"#,
        &expect![[r#"
            error: `smtp` must be a host name or an address
              --> vipkeeper.toml:26:18
               |
            26 | check = { smtp = "lb example" }
               |                  ^^^^^^^^^^^^ neither
               |
               = help: write, for example, `smtp = "web.internal"`

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn how_a_check_is_reached_and_what_it_does_is_checked() {
    check_lines(
        r#"check = { tcp = true, port = 70000, addr = "192.0.2.1:80" }"#,
        &expect![[r#"
        error: `port` of `check` of [[backend]] must be from 1 to 65535
          --> vipkeeper.toml:24:30
           |
        24 | check = { tcp = true, port = 70000, addr = "192.0.2.1:80" }
           |                              ^^^^^ out of range
           |
           = note: Port of the checks, where it is not that of the traffic.
           = help: write, for example, `port = 8081`

        error: `check.addr` must be a host name or an address
          --> vipkeeper.toml:24:44
           |
        24 | check = { tcp = true, port = 70000, addr = "192.0.2.1:80" }
           |                                            ^^^^^^^^^^^^^^ a host alone, without a port
           |
           = help: write, for example, `addr = "web.internal"`

        vipkeeper.toml: 2 problems
    "#]],
    );
    check_lines(
        r#"check = { tcp = true, on_error = "mark-down" }"#,
        &expect![[r#"
        error: `on_error` needs `observe`
          --> vipkeeper.toml:24:34
           |
        24 | check = { tcp = true, on_error = "mark-down" }
           |                                  ^^^^^^^^^^^ no traffic is watched
           |
           = help: add `observe = "layer4"`, or remove it

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"mode = "tcp"
check = { tcp = true, observe = "layer7" }"#,
        &expect![[r#"
            error: observe "layer7" needs a backend of mode http
              --> vipkeeper.toml:26:33
               |
            26 | check = { tcp = true, observe = "layer7" }
               |                                 ^^^^^^^^ mode tcp sees no answers
               |
               = help: write `observe = "layer4"`

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_lines(
        r#"check = { tcp = true, fastinter = "1" }"#,
        &expect![[r#"
        error: `check.fastinter` must be a whole number with a unit: ms, s, m, h or d
          --> vipkeeper.toml:24:35
           |
        24 | check = { tcp = true, fastinter = "1" }
           |                                   ^^^ no unit
           |
           = help: write `fastinter = "1s"`

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"check = { tcp = true, tls = { verify = "none", ca = "/etc/ca.pem" } }"#,
        &expect![[r#"
        error: `ca` means nothing with `verify = "none"`
          --> vipkeeper.toml:24:53
           |
        24 | check = { tcp = true, tls = { verify = "none", ca = "/etc/ca.pem" } }
           |                                                     ^^^^^^^^^^^^^ never looked at
           |
           = help: remove `ca`, or remove `verify`

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"server_defaults = { tls = {} }
check = { tcp = true, tls = { verify = "none" } }"#,
        &expect![[r#"
            error: a server has one way to judge certificates, for traffic and for checks
              --> vipkeeper.toml:25:40
               |
            24 | server_defaults = { tls = {} }
               |                           -- the servers' `tls`
            25 | check = { tcp = true, tls = { verify = "none" } }
               |                                        ^^^^^^ said twice
               |
               = help: keep what `server_defaults` says

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_lines(
        r#"agent = {}"#,
        &expect![[r#"
            error: `agent` of [[backend]] needs `port`
              --> vipkeeper.toml:24:9
               |
            24 | agent = {}
               |         ^^ `port` is missing
               |
               = note: TCP port of the agent.
               = help: add `port = 9777`

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn what_servers_have_is_checked() {
    check_lines(
        r#"server_defaults = { minconn = 20, maxconn = 10 }"#,
        &expect![[r#"
        error: `minconn` must not be more than `maxconn`
          --> vipkeeper.toml:24:31
           |
        24 | server_defaults = { minconn = 20, maxconn = 10 }
           |                               ^^ more than 10
           |
           = help: write `minconn = 10` or less

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"server_defaults = { tls = { ca = "ca.pem", sni = "192.0.2.1", alpn = ["h 2"] } }"#,
        &expect![[r#"
            error: `ca` must be an absolute path
              --> vipkeeper.toml:24:34
               |
            24 | server_defaults = { tls = { ca = "ca.pem", sni = "192.0.2.1", alpn = ["h 2"] } }
               |                                  ^^^^^^^^ relative
               |
               = help: write, for example, `ca = "/etc/vipkeeper/ca.pem"`

            error: `sni` must be a host name, not an address
              --> vipkeeper.toml:24:50
               |
            24 | server_defaults = { tls = { ca = "ca.pem", sni = "192.0.2.1", alpn = ["h 2"] } }
               |                                                  ^^^^^^^^^^^ an address
               |
               = note: addresses are not asked for by name (RFC 6066 section 3)
               = help: remove it, or write the host name

            error: `alpn` must be 1 to 8 names of protocols
              --> vipkeeper.toml:24:70
               |
            24 | server_defaults = { tls = { ca = "ca.pem", sni = "192.0.2.1", alpn = ["h 2"] } }
               |                                                                      ^^^^^^^ not such names
               |
               = help: write, for example, `alpn = ["h2", "http/1.1"]`

            vipkeeper.toml: 3 problems
        "#]],
    );
    check_lines(
        r#"server_defaults = { tls = true }"#,
        &expect![[r#"
        error: `tls` of `server_defaults` of [[backend]] must be a table
          --> vipkeeper.toml:24:27
           |
        24 | server_defaults = { tls = true }
           |                           ^^^^ this is true or false
           |
           = note: TLS to this server; `{}`: verified, with the authorities of the system.
           = help: write `tls = { sni = "web.internal" }`

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"server_defaults = { tls = { min_version = "TLSv1.4" } }"#,
        &expect![[r#"
        error: `min_version` of `tls` of `server_defaults` of [[backend]] must be "TLSv1.0" or "TLSv1.1" or "TLSv1.2" or "TLSv1.3"
          --> vipkeeper.toml:24:43
           |
        24 | server_defaults = { tls = { min_version = "TLSv1.4" } }
           |                                           ^^^^^^^^^ unknown word
           |
           = note: The oldest version that is spoken; HAProxy's own choice when absent.
           = help: did you mean "TLSv1.0"?

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"server_defaults = { send_proxy = "v3", check_addr = "a:80", slowstart = "0s" }"#,
        &expect![[r#"
        error: `send_proxy` of `server_defaults` of [[backend]] must be "v1" or "v2" or "v2-ssl" or "v2-ssl-cn"
          --> vipkeeper.toml:24:34
           |
        24 | server_defaults = { send_proxy = "v3", check_addr = "a:80", slowstart = "0s" }
           |                                  ^^^^ unknown word
           |
           = note: PROXY header in front of each connection, which tells the client's address.
           = help: did you mean "v1"?

        error: `check_addr` must be a host name or an address
          --> vipkeeper.toml:24:53
           |
        24 | server_defaults = { send_proxy = "v3", check_addr = "a:80", slowstart = "0s" }
           |                                                     ^^^^^^ a host alone, without a port
           |
           = help: write, for example, `check_addr = "web.internal"`

        error: `slowstart` must be from 1ms to 1h
          --> vipkeeper.toml:24:73
           |
        24 | server_defaults = { send_proxy = "v3", check_addr = "a:80", slowstart = "0s" }
           |                                                                         ^^^^ too short
           |
           = help: write `slowstart = "1ms"`, or something between

        vipkeeper.toml: 3 problems
    "#]],
    );
    check_lines(
        r#"server_defaults = { weight = 0 }"#,
        &expect![[r#"
        error: all servers of this backend have weight 0
          --> vipkeeper.toml:23:10
           |
        23 | server = [{ name = "web1", address = "192.0.2.1:80" }]
           |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ none would get a request
           |
           = help: give at least one a weight from 1 to 256

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"server_defaults = { backup = true }"#,
        &expect![[r#"
        error: unknown key `backup` in `server_defaults` of [[backend]]
          --> vipkeeper.toml:24:21
           |
        24 | server_defaults = { backup = true }
           |                     ^^^^^^
           |
           = help: known here: check_addr, check_port, init_addr, maxconn, maxqueue, minconn, resolve_prefer, resolvers, send_proxy, slowstart, tls, weight

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"server_defaults = { resolvers = "dns" }"#,
        &expect![[r#"
        error: there is no [[resolvers]] named "dns"
          --> vipkeeper.toml:24:33
           |
        24 | server_defaults = { resolvers = "dns" }
           |                                 ^^^^^ refers to nothing
           |
           = help: add a [[resolvers]] of that name

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"server_defaults = { init_addr = ["dns"] }"#,
        &expect![[r#"
        error: `init_addr` of `server_defaults` of [[backend]] must be "last" or "libc" or "none"
          --> vipkeeper.toml:24:34
           |
        24 | server_defaults = { init_addr = ["dns"] }
           |                                  ^^^^^ unknown word
           |
           = note: A way to find the address of a server at the start.

        vipkeeper.toml: 1 problem
    "#]],
    );
}

#[test]
fn cookies_and_tables_are_checked() {
    check_lines(
        r#"mode = "tcp"
cookie = { name = "SRV" }"#,
        &expect![[r#"
            error: `cookie` needs a backend of mode http
              --> vipkeeper.toml:26:10
               |
            26 | cookie = { name = "SRV" }
               |          ^^^^^^^^^^^^^^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_lines(
        r#"cookie = { name = "my cookie" }"#,
        &expect![[r#"
        error: this is not the name of a cookie
          --> vipkeeper.toml:24:19
           |
        24 | cookie = { name = "my cookie" }
           |                   ^^^^^^^^^^^ not a name
           |
           = help: write a short word, such as "SRV"

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"cookie = { mode = "insert" }"#,
        &expect![[r#"
        error: `cookie` of [[backend]] needs `name`
          --> vipkeeper.toml:24:10
           |
        24 | cookie = { mode = "insert" }
           |          ^^^^^^^^^^^^^^^^^^^ `name` is missing
           |
           = note: Name of the cookie.
           = help: add `name = "SRV"`

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"cookie = { name = "S", mode = "prefix", maxidle = "1h" }"#,
        &expect![[r#"
        error: `maxidle` needs a cookie that HAProxy makes
          --> vipkeeper.toml:24:51
           |
        24 | cookie = { name = "S", mode = "prefix", maxidle = "1h" }
           |                                                   ^^^^ the server makes this one
           |
           = help: remove it, or write `mode = "insert"`

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"cookie = { name = "S", same_site = "none" }"#,
        &expect![[r#"
        error: same_site "none" needs `secure`
          --> vipkeeper.toml:24:36
           |
        24 | cookie = { name = "S", same_site = "none" }
           |                                    ^^^^^^ browsers drop such a cookie
           |
           = help: add `secure = true`

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"stick = { size = 10 }"#,
        &expect![[r#"
        error: `stick` must say what tells clients apart: `source`, `header` or `cookie`
          --> vipkeeper.toml:24:9
           |
        24 | stick = { size = 10 }
           |         ^^^^^^^^^^^^^ not one of them
           |
           = help: write, for example, `stick = { source = true }`

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"stick = { source = true, header = "X" }"#,
        &expect![[r#"
        error: `stick` must say what tells clients apart: `source`, `header` or `cookie`
          --> vipkeeper.toml:24:9
           |
        24 | stick = { source = true, header = "X" }
           |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ not one of them
           |
           = help: write, for example, `stick = { source = true }`

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"mode = "tcp"
stick = { header = "X-User" }"#,
        &expect![[r#"
            error: `stick.header` needs a backend of mode http
              --> vipkeeper.toml:26:20
               |
            26 | stick = { header = "X-User" }
               |                    ^^^^^^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_lines(
        r#"stick = { header = "X User" }"#,
        &expect![[r#"
        error: this is not the name of a header or cookie
          --> vipkeeper.toml:24:20
           |
        24 | stick = { header = "X User" }
           |                    ^^^^^^^^ not a name
           |
           = help: write, for example, "X-User"

        vipkeeper.toml: 1 problem
    "#]],
    );
}

#[test]
fn what_is_done_with_traffic_is_checked() {
    check_lines(
        r#"retry_on = ["conn-failures", "599", "none"]"#,
        &expect![[r#"
        error: this is nothing that HAProxy can try again
          --> vipkeeper.toml:24:13
           |
        24 | retry_on = ["conn-failures", "599", "none"]
           |             ^^^^^^^^^^^^^^^ unknown word
           |
           = help: did you mean "conn-failure"?

        error: this is nothing that HAProxy can try again
          --> vipkeeper.toml:24:30
           |
        24 | retry_on = ["conn-failures", "599", "none"]
           |                              ^^^^^ unknown word
           |
           = help: known are none, conn-failure, empty-response, junk-response, response-timeout, 0rtt-rejected, all-retryable-errors, 401, 403, 404, 408, 425, 500, 501, 502, 503, 504

        error: `retry_on` "none" stands alone
          --> vipkeeper.toml:24:37
           |
        24 | retry_on = ["conn-failures", "599", "none"]
           |                                     ^^^^^^ the others say more
           |
           = help: remove "none", or the others

        vipkeeper.toml: 3 problems
    "#]],
    );
    check_lines(
        r#"mode = "tcp"
http_reuse = "safe"
forwardfor = {}
http_server_close = true
timeouts = { http_request = "1s" }
request_headers = { del = ["A"] }
retry_on = ["503"]
errorfiles = { 503 = "/a" }"#,
        &expect![[r#"
            error: `http_reuse` needs a backend of mode http
              --> vipkeeper.toml:26:14
               |
            26 | http_reuse = "safe"
               |              ^^^^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: `forwardfor` needs a backend of mode http
              --> vipkeeper.toml:27:14
               |
            27 | forwardfor = {}
               |              ^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: `http_server_close` needs a backend of mode http
              --> vipkeeper.toml:28:21
               |
            28 | http_server_close = true
               |                     ^^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: `timeouts.http_request` needs a backend of mode http
              --> vipkeeper.toml:29:29
               |
            29 | timeouts = { http_request = "1s" }
               |                             ^^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: `request_headers` needs a backend of mode http
              --> vipkeeper.toml:30:19
               |
            30 | request_headers = { del = ["A"] }
               |                   ^^^^^^^^^^^^^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: `retry_on` needs a backend of mode http
              --> vipkeeper.toml:31:12
               |
            31 | retry_on = ["503"]
               |            ^^^^^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: `errorfiles` needs a backend of mode http
              --> vipkeeper.toml:32:14
               |
            32 | errorfiles = { 503 = "/a" }
               |              ^^^^^^^^^^^^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            vipkeeper.toml: 7 problems
        "#]],
    );
    check_lines(
        r#"forwardfor = { except = "localhost" }"#,
        &expect![[r#"
        error: `except` must be an address or a network
          --> vipkeeper.toml:24:25
           |
        24 | forwardfor = { except = "localhost" }
           |                         ^^^^^^^^^^^ neither
           |
           = help: write, for example, "127.0.0.0/8"

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"request_headers = { set = { "A B" = "c" }, del = ["D:"] }"#,
        &expect![[r#"
        error: this is not the name of a header
          --> vipkeeper.toml:24:29
           |
        24 | request_headers = { set = { "A B" = "c" }, del = ["D:"] }
           |                             ^^^^^ not a name
           |
           = help: write, for example, "X-Forwarded-Proto"

        error: this is not the name of a header
          --> vipkeeper.toml:24:51
           |
        24 | request_headers = { set = { "A B" = "c" }, del = ["D:"] }
           |                                                   ^^^^ not a name
           |
           = help: write, for example, "X-Forwarded-Proto"

        vipkeeper.toml: 2 problems
    "#]],
    );
    check_lines(
        r#"response_headers = { add = { A = "b\nc" } }"#,
        &expect![[r#"
        error: `A` must be one line of at most 2000 bytes
          --> vipkeeper.toml:24:34
           |
        24 | response_headers = { add = { A = "b\nc" } }
           |                                  ^^^^^^ line break or control character
           |
           = help: write further lines as entries of their own in the raw list of the section

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_lines(
        r#"errorfiles = { 599 = "/a", 503 = "503.http" }"#,
        &expect![[r#"
        error: HAProxy has no answer of its own with this status code
          --> vipkeeper.toml:24:16
           |
        24 | errorfiles = { 599 = "/a", 503 = "503.http" }
           |                ^^^ unknown code
           |
           = help: one of 200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 425, 429, 500, 501, 502, 503, 504

        error: an error file must be an absolute path
          --> vipkeeper.toml:24:34
           |
        24 | errorfiles = { 599 = "/a", 503 = "503.http" }
           |                                  ^^^^^^^^^^ relative
           |
           = help: write, for example, "/etc/vipkeeper/errors/503.http"

        vipkeeper.toml: 2 problems
    "#]],
    );
    check_lines(
        r#"timeouts = { queue = "0s", client = "1s" }"#,
        &expect![[r#"
        error: `timeouts.queue` must be from 1ms to 24d
          --> vipkeeper.toml:24:22
           |
        24 | timeouts = { queue = "0s", client = "1s" }
           |                      ^^^^ too short
           |
           = help: write `queue = "1ms"`, or something between

        error: unknown key `client` in `timeouts` of [[backend]]
          --> vipkeeper.toml:24:28
           |
        24 | timeouts = { queue = "0s", client = "1s" }
           |                            ^^^^^^
           |
           = help: known here: connect, http_keep_alive, http_request, queue, server, server_fin, tunnel

        vipkeeper.toml: 2 problems
    "#]],
    );
    check_lines(
        r#"fullconn = 0
retries = 101"#,
        &expect![[r#"
            error: `fullconn` of [[backend]] must be from 1 to 100000000
              --> vipkeeper.toml:24:12
               |
            24 | fullconn = 0
               |            ^ out of range
               |
               = note: Connections of the backend at which servers get their whole `maxconn`, where they have `minconn`.
               = help: write, for example, `fullconn = 1000`

            error: `retries` of [[backend]] must be from 0 to 100
              --> vipkeeper.toml:25:11
               |
            25 | retries = 101
               |           ^^^ out of range
               |
               = note: Further attempts to reach a server; 3 when absent, which is HAProxy's choice.
               = help: write, for example, `retries = 2`

            vipkeeper.toml: 2 problems
        "#]],
    );
}

#[test]
fn the_cookie_of_a_server_needs_one_of_its_backend() {
    check(
        r#"[[backend]]
name = "web"
server = [{ name = "web1", address = "192.0.2.1:80", cookie = "a" }]
"#,
        &expect![[r#"
            error: the `cookie` of a server needs one of its backend
              --> vipkeeper.toml:23:63
               |
            23 | server = [{ name = "web1", address = "192.0.2.1:80", cookie = "a" }]
               |                                                               ^^^ never sent
               |
               = help: add `cookie = { name = "SRV" }` to the backend, or remove it

            vipkeeper.toml: 1 problem
        "#]],
    );
    check(
        r#"[[backend]]
name = "web"
cookie = { name = "SRV" }
server = [{ name = "web1", address = "192.0.2.1:80", cookie = "a b" }]
"#,
        &expect![[r#"
            error: this cannot be the value of a cookie
              --> vipkeeper.toml:24:63
               |
            24 | server = [{ name = "web1", address = "192.0.2.1:80", cookie = "a b" }]
               |                                                               ^^^^^ not a word
               |
               = help: write a short word, such as "a", as the `cookie` of the server

            vipkeeper.toml: 1 problem
        "#]],
    );
    check(
        r#"[[backend]]
name = "web"
cookie = { name = "SRV" }
server_template = { prefix = "web", count = 2, address = "a.b:80", resolvers = "dns" }
[[resolvers]]
name = "dns"
system = true
"#,
        &expect![[r#"
            error: `cookie` needs servers with names of their own
              --> vipkeeper.toml:23:10
               |
            23 | cookie = { name = "SRV" }
               |          ^^^^^^^^^^^^^^^^ servers of a template would share one
            24 | server_template = { prefix = "web", count = 2, address = "a.b:80", resolvers = "dns" }
               |                   -------------------------------------------------------------------- the template
               |
               = help: remember clients in a table: `stick = { source = true }`

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn somebody_must_serve() {
    check(
        r#"[[backend]]
name = "web"
"#,
        &expect![[r#"
            error: [[backend]] needs `server` or `server_template`
              --> vipkeeper.toml:21:1
               |
            21 | [[backend]]
               | ^^^^^^^^^^^ nobody would serve
               |
               = help: add `server = [{ name = "web1", address = "192.168.83.129:8080" }]`

            vipkeeper.toml: 1 problem
        "#]],
    );
    check(
        r#"[[backend]]
name = "web"
server = []
"#,
        &expect![[r#"
            error: `server` of [[backend]] must not be empty
              --> vipkeeper.toml:23:10
               |
            23 | server = []
               |          ^^
               |
               = note: The servers; there may be none where there is a `server_template`.
               = help: write, for example, `server = [{ address = "192.168.83.129:8080", name = "web1" }]`

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn names_are_asked_of_somebody_who_exists() {
    check(
        r#"[[backend]]
name = "web"
server_template = { prefix = "web", count = 2, address = "_http._tcp.web:80", resolvers = "dsn" }
[[resolvers]]
name = "dns"
nameservers = ["dns.example.com"]
"#,
        &expect![[r#"
            error: the name of SRV records is "_service._protocol.name"
              --> vipkeeper.toml:23:58
               |
            23 | server_template = { prefix = "web", count = 2, address = "_http._tcp.web:80", resolvers = "dsn" }
               |                                                          ^^^^^^^^^^^^^^^^^^^ the records say the port
               |
               = help: write, for example, "_http._tcp.web.internal"

            error: there is no [[resolvers]] named "dsn"
              --> vipkeeper.toml:23:91
               |
            23 | server_template = { prefix = "web", count = 2, address = "_http._tcp.web:80", resolvers = "dsn" }
               |                                                                                           ^^^^^ refers to nothing
               |
               = help: did you mean "dns"?

            error: a name server is an address, with a port if need be
              --> vipkeeper.toml:26:16
               |
            26 | nameservers = ["dns.example.com"]
               |                ^^^^^^^^^^^^^^^^^ not an address
               |
               = note: its own name could not be looked up
               = help: write, for example, "192.168.83.53"

            vipkeeper.toml: 3 problems
        "#]],
    );
    check(
        r#"[[backend]]
name = "web"
server_template = { prefix = "web", count = 2, address = "web.internal", resolvers = "dns" }
[[resolvers]]
name = "dns"
[[resolvers]]
name = "dns"
system = true
hold = { valid = "10" }
"#,
        &expect![[r#"
            error: the address of a server must be "host:port"
              --> vipkeeper.toml:23:58
               |
            23 | server_template = { prefix = "web", count = 2, address = "web.internal", resolvers = "dns" }
               |                                                          ^^^^^^^^^^^^^^ no port
               |
               = help: write "web.internal:80"

            error: [[resolvers]] must say who is asked: `nameservers` or `system`
              --> vipkeeper.toml:24:1
               |
            24 | [[resolvers]]
               | ^^^^^^^^^^^^^ nobody is
               |
               = help: add `nameservers = ["192.168.83.53"]` or `system = true`

            error: two [[resolvers]] are named "dns"
              --> vipkeeper.toml:27:8
               |
            25 | name = "dns"
               |        ----- first used here
            26 | [[resolvers]]
            27 | name = "dns"
               |        ^^^^^ used again
               |
               = help: give each a name of its own

            error: `hold.valid` must be a whole number with a unit: ms, s, m, h or d
              --> vipkeeper.toml:29:18
               |
            29 | hold = { valid = "10" }
               |                  ^^^^ no unit
               |
               = help: write `valid = "10s"`

            vipkeeper.toml: 4 problems
        "#]],
    );
    check(
        r#"[[backend]]
name = "web"
server_template = { prefix = "web", count = 5000, address = "web:80" }
"#,
        &expect![[r#"
            error: `server_template` of [[backend]] needs `resolvers`
              --> vipkeeper.toml:23:19
               |
            23 | server_template = { prefix = "web", count = 5000, address = "web:80" }
               |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `resolvers` is missing
               |
               = note: Name of the `[[resolvers]]` that are asked.
               = help: add `resolvers = "dns"`

            error: `count` of `server_template` of [[backend]] must be from 1 to 1000
              --> vipkeeper.toml:23:45
               |
            23 | server_template = { prefix = "web", count = 5000, address = "web:80" }
               |                                             ^^^^ out of range
               |
               = note: How many there may be at most.
               = help: write, for example, `count = 5`

            vipkeeper.toml: 2 problems
        "#]],
    );
}
