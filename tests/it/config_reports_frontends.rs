//! What is wrong with frontends, as it is reported.

#![allow(clippy::too_many_lines, reason = "snapshots")]

use expect_test::{Expect, expect};
use vipkeeper::config::{Colour, load};

use crate::config::one;
use crate::render_frontends::with_frontends;

/// The report without its last line, which counts.
fn check(frontends: &str, expected: &Expect) {
    let sources = one(&with_frontends(frontends));
    let report = load(&sources).map_or_else(|problems| problems.report(&sources, Colour::None), |_| String::new());
    expected.assert_eq(&report);
}

#[test]
fn tls_that_cannot_work() {
    check(
        r#"
[[frontend]]
name = "a"
bind = [
  { address = "*:1", tls = {} },
  { address = "*:2", tls = { certificates = ["/a"], preset = "mozilla-modern", min_version = "TLSv1.2" } },
  { address = "*:3", tls = { certificates = ["/a"], verify = "required" } },
  { address = "*:4", tls = { certificates = ["/a"], client_ca = "/b", verify = "none" } },
  { address = "*:5", tls = { certificates = ["/a"], preset = "mozila-modern", alpn = ["h2,h3"] } },
  { address = "*:6", tls = { certificates = [""] } },
]
default_backend = "web"
"#,
        &expect![[r#"
            error: `tls` needs `certificates` or `crt_list`
              --> vipkeeper.toml:20:28
               |
            20 |   { address = "*:1", tls = {} },
               |                            ^^ neither
               |
               = help: add `certificates = ["/etc/haproxy/certs/www.pem"]`

            error: `min_version` is older than what the preset has ciphers for
              --> vipkeeper.toml:21:94
               |
            21 |   { address = "*:2", tls = { certificates = ["/a"], preset = "mozilla-modern", min_version = "TLSv1.2" } },
               |                                                              ---------------- this preset    ^^^^^^^^^ older
               |
               = help: remove `min_version`, or choose another preset

            error: `verify` needs `client_ca`
              --> vipkeeper.toml:22:62
               |
            22 |   { address = "*:3", tls = { certificates = ["/a"], verify = "required" } },
               |                                                              ^^^^^^^^^^ against what?
               |
               = note: without authorities no certificate could be told from another
               = help: add `client_ca = "/etc/haproxy/clients-ca.pem"`, or remove `verify`

            error: `client_ca` means nothing with `verify = "none"`
              --> vipkeeper.toml:23:65
               |
            23 |   { address = "*:4", tls = { certificates = ["/a"], client_ca = "/b", verify = "none" } },
               |                                                                 ^^^^ never used
               |
               = help: remove one of the two

            error: `preset` of `tls` of `bind` of [[frontend]] must be "mozilla-modern" or "mozilla-intermediate"
              --> vipkeeper.toml:24:62
               |
            24 |   { address = "*:5", tls = { certificates = ["/a"], preset = "mozila-modern", alpn = ["h2,h3"] } },
               |                                                              ^^^^^^^^^^^^^^^ unknown word
               |
               = note: Ciphers and versions as Mozilla recommends them; that of `proxy.tls_preset` when absent.
               = help: did you mean "mozilla-modern"?

            error: `alpn` lists names of protocols
              --> vipkeeper.toml:24:87
               |
            24 |   { address = "*:5", tls = { certificates = ["/a"], preset = "mozila-modern", alpn = ["h2,h3"] } },
               |                                                                                       ^^^^^^^ not such a name
               |
               = help: write, for example, `alpn = ["h2", "http/1.1"]`

            error: `certificates` must be the path of a file
              --> vipkeeper.toml:25:46
               |
            25 |   { address = "*:6", tls = { certificates = [""] } },
               |                                              ^^ empty, or with control characters
               |
               = help: write an absolute path, or one relative to the main file

            vipkeeper.toml: 7 problems
        "#]],
    );
}

#[test]
fn keys_of_http_in_a_frontend_of_connections() {
    check(
        r#"
[[frontend]]
name = "a"
mode = "tcp"
bind = ["*:1"]
redirect_https = true
hsts = "1d"
default_backend = "api"

[[frontend]]
name = "b"
bind = ["*:2"]
hsts = "1d"
"#,
        &expect![[r#"
            error: `redirect_https` needs a frontend of mode http
              --> vipkeeper.toml:21:18
               |
            21 | redirect_https = true
               |                  ^^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: `hsts` needs a frontend of mode http
              --> vipkeeper.toml:22:8
               |
            22 | hsts = "1d"
               |        ^^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: [[frontend]] needs `default_backend`
              --> vipkeeper.toml:25:1
               |
            25 | [[frontend]]
               | ^^^^^^^^^^^^ `default_backend` is missing
               |
               = note: Name of the `[[backend]]` that serves it; only a frontend that answers everything itself needs none.
               = help: add `default_backend = "web"`

            error: `hsts` is told on TLS connections, of which there are none here
              --> vipkeeper.toml:28:8
               |
            28 | hsts = "1d"
               |        ^^^^ never sent
               |
               = note: browsers ignore it without TLS (RFC 6797 section 8.1)
               = help: move it to the frontend whose bind has `tls`

            vipkeeper.toml: 4 problems
        "#]],
    );
}

#[test]
fn sockets_and_networks_that_are_none() {
    check(
        r#"
[[frontend]]
name = "a"
bind = ["/run/", "/run/a.sock", "/run/a.sock", "/run/a,b", "/run/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"]
accept_proxy = ["10.0.0.1/8", "ten", "10.0.0.0/33", "2001:db8::1/32"]
default_backend = "web"
"#,
        &expect![[r#"
            error: the path of a unix socket names a file, without spaces and commas
              --> vipkeeper.toml:19:9
               |
            19 | bind = ["/run/", "/run/a.sock", "/run/a.sock", "/run/a,b", "/run/0123456789012345678901234567890123456789012345678901234567890123456...
               |         ^^^^^^^ not such a path
               |
               = help: write, for example, "/run/www.sock"

            error: /run/a.sock is bound twice
              --> vipkeeper.toml:19:33
               |
            19 | bind = ["/run/", "/run/a.sock", "/run/a.sock", "/run/a,b", "/run/0123456789012345678901234567890123456789012345678901234567890123456...
               |                  -------------  ^^^^^^^^^^^^^ bound again
               |                  |
               |                  first bound here
               |
               = help: use another path

            error: the path of a unix socket names a file, without spaces and commas
              --> vipkeeper.toml:19:48
               |
            19 | bind = ["/run/", "/run/a.sock", "/run/a.sock", "/run/a,b", "/run/0123456789012345678901234567890123456789012345678901234567890123456...
               |                                                ^^^^^^^^^^ not such a path
               |
               = help: write, for example, "/run/www.sock"

            error: the path of a unix socket may have at most 91 bytes
              --> vipkeeper.toml:19:60
               |
            19 | ...a,b", "/run/0123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456789"]
               |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ 105 bytes
               |
               = note: HAProxy needs some of the 107 bytes that Linux has for it
               = help: choose a shorter path

            error: a network is an address with a prefix length
              --> vipkeeper.toml:20:17
               |
            20 | accept_proxy = ["10.0.0.1/8", "ten", "10.0.0.0/33", "2001:db8::1/32"]
               |                 ^^^^^^^^^^^^ bits beyond the prefix
               |
               = help: write "10.0.0.0/8" for the network, or "10.0.0.1" for the host alone

            error: a network is an address with a prefix length
              --> vipkeeper.toml:20:31
               |
            20 | accept_proxy = ["10.0.0.1/8", "ten", "10.0.0.0/33", "2001:db8::1/32"]
               |                               ^^^^^ not an address
               |
               = help: write, for example, "10.0.0.0/8" or "2001:db8::/32"

            error: a network is an address with a prefix length
              --> vipkeeper.toml:20:38
               |
            20 | accept_proxy = ["10.0.0.1/8", "ten", "10.0.0.0/33", "2001:db8::1/32"]
               |                                      ^^^^^^^^^^^^^ no such length
               |
               = help: write a length from 0 to 32

            error: a network is an address with a prefix length
              --> vipkeeper.toml:20:53
               |
            20 | accept_proxy = ["10.0.0.1/8", "ten", "10.0.0.0/33", "2001:db8::1/32"]
               |                                                     ^^^^^^^^^^^^^^^^ bits beyond the prefix
               |
               = help: write "2001:db8::/32" for the network, or "2001:db8::1" for the host alone

            vipkeeper.toml: 8 problems
        "#]],
    );
}

#[test]
fn routes_that_cannot_work() {
    check(
        r#"
[[frontend]]
name = "a"
bind = ["*:1"]
default_backend = "web"

[[frontend.route]]
host = ["a.example.com:80", "*", "a.*.com", ""]
path = ["login", "/a?b=c"]
path_suffix = ""
method = "get"
source = "10.0.0.1/8"
header = [{ name = "X-Beta:" }]
sni = "a"
backend = "web"

[[frontend.route]]
backend = "webb"
deny = 403

[[frontend.route]]
path = "/x"

[[frontend.route]]
path = "/x"
deny = 418

[[frontend.route]]
path = "/x"
redirect = { scheme = "https", location = "/", code = 304 }

[[frontend.route]]
path = "/x"
return = { status = 404, body = "a", file = "/b" }

[[frontend.route]]
path = "/x"
strip_prefix = "/x/"
add_prefix = "/a%20"
backend = "web"

[[frontend.route]]
path = "/x"
strip_prefix = "/x"
deny = 403
"#,
        &expect![[r#"
            error: a host is a DNS name without port
              --> vipkeeper.toml:23:9
               |
            23 | host = ["a.example.com:80", "*", "a.*.com", ""]
               |         ^^^^^^^^^^^^^^^^^^ a port
               |
               = help: write "a.example.com": the port does not count

            error: a host is a DNS name without port
              --> vipkeeper.toml:23:29
               |
            23 | host = ["a.example.com:80", "*", "a.*.com", ""]
               |                             ^^^ any host
               |
               = help: leave `host` out: then it does not count

            error: a host is a DNS name without port
              --> vipkeeper.toml:23:34
               |
            23 | host = ["a.example.com:80", "*", "a.*.com", ""]
               |                                  ^^^^^^^^^ a star stands for whole labels at the beginning alone
               |
               = help: write "*.example.com" for all hosts below, or `path_regex` for what it cannot say

            error: a host is a DNS name without port
              --> vipkeeper.toml:23:45
               |
            23 | host = ["a.example.com:80", "*", "a.*.com", ""]
               |                                             ^^ not a name
               |
               = help: write, for example, "www.example.com" or "*.example.com"

            error: a path begins with a slash, and ends before the query
              --> vipkeeper.toml:24:9
               |
            24 | path = ["login", "/a?b=c"]
               |         ^^^^^^^ no slash
               |
               = help: write "/login"

            error: a path begins with a slash, and ends before the query
              --> vipkeeper.toml:24:18
               |
            24 | path = ["login", "/a?b=c"]
               |                  ^^^^^^^^ a query
               |
               = help: write "/a"

            error: a path has neither spaces nor control characters
              --> vipkeeper.toml:25:15
               |
            25 | path_suffix = ""
               |               ^^ never matches
               |
               = help: write them as they are in requests, such as `%20`

            error: a method is a word in capitals
              --> vipkeeper.toml:26:10
               |
            26 | method = "get"
               |          ^^^^^ not a method
               |
               = help: write "GET"

            error: a network is an address with a prefix length
              --> vipkeeper.toml:27:10
               |
            27 | source = "10.0.0.1/8"
               |          ^^^^^^^^^^^^ bits beyond the prefix
               |
               = help: write "10.0.0.0/8" for the network, or "10.0.0.1" for the host alone

            error: the name of a header is a word
              --> vipkeeper.toml:28:20
               |
            28 | header = [{ name = "X-Beta:" }]
               |                    ^^^^^^^^^ not such a word
               |
               = help: write, for example, "X-Forwarded-For", without the colon

            error: `sni` in mode http needs a bind with `tls`
              --> vipkeeper.toml:29:7
               |
            29 | sni = "a"
               |       ^^^ no handshake
               |
               = help: write `host`, or `mode = "tcp"` for TLS that only passes through

            error: there is no [[backend]] named "webb"
              --> vipkeeper.toml:33:11
               |
            33 | backend = "webb"
               |           ^^^^^^ refers to nothing
               |
               = help: did you mean "web"?

            error: a route has one action
              --> vipkeeper.toml:34:8
               |
            33 | backend = "webb"
               |           ------ this is one
            34 | deny = 403
               |        ^^^ one too many
               |
               = help: make two routes of it, or remove one of the two

            error: a route needs an action: `backend`, `redirect`, `return`, `deny` or `reject`
              --> vipkeeper.toml:36:1
               |
            36 | [[frontend.route]]
               | ^^^^^^^^^^^^^^^^^^ none
               |
               = help: add `backend = "web"`

            error: `deny` is a status that HAProxy can refuse with
              --> vipkeeper.toml:41:8
               |
            41 | deny = 418
               |        ^^^ it has no answer for this one
               |
               = help: write one of 400, 401, 403, 404, 405, 407, 408, 410, 413, 421, 422, 425, 429, 500, 501, 502, 503, 504, or use `return`

            error: a redirect has exactly one of `scheme`, `prefix` and `location`
              --> vipkeeper.toml:45:12
               |
            45 | redirect = { scheme = "https", location = "/", code = 304 }
               |            ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
               |
               = help: write, for example, `redirect = { scheme = "https" }`

            error: the `code` of a redirect is 301, 302, 303, 307 or 308
              --> vipkeeper.toml:45:55
               |
            45 | redirect = { scheme = "https", location = "/", code = 304 }
               |                                                       ^^^ not a redirect
               |
               = help: write 301 for good, 302 for now

            error: an answer has either `body` or `file`
              --> vipkeeper.toml:49:45
               |
            49 | return = { status = 404, body = "a", file = "/b" }
               |                                             ^^^^ one too many
               |
               = help: remove one of the two

            error: `strip_prefix` is a path without a slash at its end
              --> vipkeeper.toml:53:16
               |
            53 | strip_prefix = "/x/"
               |                ^^^^^ a slash at the end
               |
               = help: write "/x"

            error: `add_prefix` is a path without a slash at its end
              --> vipkeeper.toml:54:14
               |
            54 | add_prefix = "/a%20"
               |              ^^^^^^^ other characters than letters, digits and `/-._~`
               |
               = help: change other paths in `raw`, with `http-request replace-path`

            error: a path is changed on its way to a backend alone
              --> vipkeeper.toml:59:16
               |
            59 | strip_prefix = "/x"
               |                ^^^^ no `backend` here
               |
               = help: remove it, or add `backend`

            vipkeeper.toml: 21 problems
        "#]],
    );
}

#[test]
fn routes_that_are_never_reached_and_those_of_another_mode() {
    check(
        r#"
[[frontend]]
name = "a"
bind = ["*:1"]

[[frontend.route]]
host = ["a.example.com", "b.example.com"]
backend = "web"

[[frontend.route]]
host = "B.example.com"
deny = 403

[[frontend.route]]
backend = "web"

[[frontend.route]]
path = "/x"
sni = "b"
backend = "api"

[[frontend]]
name = "b"
mode = "tcp"
bind = ["*:2"]
default_backend = "web"

[[frontend.route]]
host = "x"
backend = "web"

[[frontend.route]]
sni = "x"
deny = 403

[[frontend]]
name = "c"
bind = ["*:3"]

[[frontend.route]]
path = "/x"
backend = "web"
"#,
        &expect![[r#"
            error: [[frontend]] needs `default_backend`
              --> vipkeeper.toml:17:1
               |
            17 | [[frontend]]
               | ^^^^^^^^^^^^ `default_backend` is missing
               |
               = note: Name of the `[[backend]]` that serves it; only a frontend that answers everything itself needs none.
               = help: add `default_backend = "web"`

            error: the host "b.example.com" is in two routes without other conditions
              --> vipkeeper.toml:25:1
               |
            21 | [[frontend.route]]
               | ------------------ this one takes it
            ...
            25 | [[frontend.route]]
               | ^^^^^^^^^^^^^^^^^^ never reached for it
               |
               = help: take it out of one of the two

            error: `sni` in mode http needs a bind with `tls`
              --> vipkeeper.toml:34:7
               |
            34 | sni = "b"
               |       ^^^ no handshake
               |
               = help: write `host`, or `mode = "tcp"` for TLS that only passes through

            error: this frontend has mode tcp, and its backend "web" mode http
              --> vipkeeper.toml:39:8
               |
            23 | backend = "web"
               |           ----- mode http, from its other frontend
            ...
            39 | mode = "tcp"
               |        ^^^^^ mode tcp
               |
               = help: write `mode = "http"` in the frontend, or use another backend

            error: `host` needs a frontend of mode http
              --> vipkeeper.toml:44:8
               |
            44 | host = "x"
               |        ^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: `deny` needs a frontend of mode http
              --> vipkeeper.toml:49:8
               |
            49 | deny = 403
               |        ^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: [[frontend]] needs `default_backend`
              --> vipkeeper.toml:51:1
               |
            51 | [[frontend]]
               | ^^^^^^^^^^^^ `default_backend` is missing
               |
               = note: Name of the `[[backend]]` that serves it; only a frontend that answers everything itself needs none.
               = help: add `default_backend = "web"`

            vipkeeper.toml: 7 problems
        "#]],
    );
}

#[test]
fn access_that_cannot_work() {
    check(
        r#"
[[frontend]]
name = "a"
bind = ["*:1"]
allow = ["10.0.0.1/8", "/etc/list"]
rate_limit = { per = "10s" }
basic_auth = "stafff"
request_headers = { set = { "X Y" = "a" }, del = ["X:"] }
compression = ["html"]
monitor_uri = "alive"
default_backend = "web"

[[frontend]]
name = "b"
bind = ["*:2"]
mode = "tcp"
rate_limit = { requests = 1, per = "10ms" }
basic_auth = "staff"
forwarded = true
default_backend = "api"

[[userlist]]
name = "staff"
users = [{ name = "alice", password = "secret" }, { name = "bob", password = "$6$a$bcdefghijklmnopqrstuvwxyz" }, { name = "bob", password = "$6$a$b" }]

[proxy]
log_format = "json"
error_pages = { 503 = "/x", 418 = "/y" }
stats = { bind = "127.0.0.1", admin = true, userlist = "nobody" }
"#,
        &expect![[r#"
            error: a network is an address with a prefix length
              --> vipkeeper.toml:20:10
               |
            20 | allow = ["10.0.0.1/8", "/etc/list"]
               |          ^^^^^^^^^^^^ bits beyond the prefix
               |
               = help: write "10.0.0.0/8" for the network, or "10.0.0.1" for the host alone

            error: a `rate_limit` needs `requests` or `connections`
              --> vipkeeper.toml:21:14
               |
            21 | rate_limit = { per = "10s" }
               |              ^^^^^^^^^^^^^^^ neither
               |
               = help: write `rate_limit = { requests = 100, per = "10s" }`

            error: there is no [[userlist]] named "stafff"
              --> vipkeeper.toml:22:14
               |
            22 | basic_auth = "stafff"
               |              ^^^^^^^^ refers to nothing
               |
               = help: did you mean "staff"?

            error: the name of a header is a word
              --> vipkeeper.toml:23:29
               |
            23 | request_headers = { set = { "X Y" = "a" }, del = ["X:"] }
               |                             ^^^^^ not such a word
               |
               = help: write, for example, "X-Forwarded-For", without the colon

            error: the name of a header is a word
              --> vipkeeper.toml:23:51
               |
            23 | request_headers = { set = { "X Y" = "a" }, del = ["X:"] }
               |                                                   ^^^^ not such a word
               |
               = help: write, for example, "X-Forwarded-For", without the colon

            error: `compression` lists types of responses
              --> vipkeeper.toml:24:16
               |
            24 | compression = ["html"]
               |                ^^^^^^ not a type
               |
               = help: write, for example, `compression = ["text/html", "application/json"]`

            error: a path begins with a slash, and ends before the query
              --> vipkeeper.toml:25:15
               |
            25 | monitor_uri = "alive"
               |               ^^^^^^^ no slash
               |
               = help: write "/alive"

            error: `requests` needs a frontend of mode http
              --> vipkeeper.toml:32:27
               |
            32 | rate_limit = { requests = 1, per = "10ms" }
               |                           ^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: `rate_limit.per` must be from 1s to 1d
              --> vipkeeper.toml:32:36
               |
            32 | rate_limit = { requests = 1, per = "10ms" }
               |                                    ^^^^^^ too short
               |
               = help: write `per = "1s"`, or something between

            error: `basic_auth` needs a frontend of mode http
              --> vipkeeper.toml:33:14
               |
            33 | basic_auth = "staff"
               |              ^^^^^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: `forwarded` needs a frontend of mode http
              --> vipkeeper.toml:34:13
               |
            34 | forwarded = true
               |             ^^^^ mode tcp sees no requests
               |
               = help: remove it, or write `mode = "http"`

            error: the password of "alice" is not a hash of crypt(5)
              --> vipkeeper.toml:37:1
               |
            37 | [[userlist]]
               | ^^^^^^^^^^^^
               |
               = note: passwords are kept as hashes alone, since this file is on every node
               = help: write what `mkpasswd -m sha-256` prints, which begins with "$5$"

            error: two users of this list are named "bob"
              --> vipkeeper.toml:37:1
               |
            37 | [[userlist]]
               | ^^^^^^^^^^^^
               |
               = help: remove one of them

            error: `log_format` means nothing without `log`
              --> vipkeeper.toml:42:14
               |
            42 | log_format = "json"
               |              ^^^^^^ never used
               |
               = help: add `log = "stdout format raw local0"`, or remove it

            error: `error_pages` are for statuses that HAProxy answers with
              --> vipkeeper.toml:43:29
               |
            43 | error_pages = { 503 = "/x", 418 = "/y" }
               |                             ^^^ not such a status
               |
               = help: write one of 200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 421, 422, 425, 429, 500, 501, 502, 503, 504

            error: a bind is "VIP:port", "*:port", "address:port" or the path of a unix socket
              --> vipkeeper.toml:44:18
               |
            44 | stats = { bind = "127.0.0.1", admin = true, userlist = "nobody" }
               |                  ^^^^^^^^^^^ no port
               |
               = help: write "127.0.0.1:80"

            error: there is no [[userlist]] named "nobody"
              --> vipkeeper.toml:44:56
               |
            44 | stats = { bind = "127.0.0.1", admin = true, userlist = "nobody" }
               |                                                        ^^^^^^^^ refers to nothing
               |
               = help: known are "staff"

            vipkeeper.toml: 17 problems
        "#]],
    );
    check(
        r#"
[[frontend]]
name = "a"
bind = ["*:1"]
default_backend = "web"

[proxy]
stats = { bind = "*:1", admin = true, refresh = "1ms" }
peers = {}
"#,
        &expect![[r#"
            error: *:1 is bound twice
              --> vipkeeper.toml:23:18
               |
            19 | bind = ["*:1"]
               |         ----- first bound here
            ...
            23 | stats = { bind = "*:1", admin = true, refresh = "1ms" }
               |                  ^^^^^ bound again
               |
               = note: HAProxy would give each of the two some of the connections
               = help: use another port or address

            error: `admin` of the stats page needs a `userlist`
              --> vipkeeper.toml:23:33
               |
            23 | stats = { bind = "*:1", admin = true, refresh = "1ms" }
               |                                 ^^^^ anybody could stop servers
               |
               = help: add `userlist` with the name of a [[userlist]], or remove `admin`

            error: `stats.refresh` must be from 1s to 1h
              --> vipkeeper.toml:23:49
               |
            23 | stats = { bind = "*:1", admin = true, refresh = "1ms" }
               |                                                 ^^^^^ too short
               |
               = help: write `refresh = "1s"`, or something between

            error: `peers` of [proxy] needs `port`
              --> vipkeeper.toml:24:9
               |
            24 | peers = {}
               |         ^^ `port` is missing
               |
               = note: TCP port at the address of each `[[node]]`.
               = help: add `port = 10000`

            vipkeeper.toml: 4 problems
        "#]],
    );
}

#[test]
fn hashes_of_passwords_are_not_quoted() {
    check(
        r#"
[[frontend]]
name = "a"
bind = ["*:1"]
default_backend = "web"

[[userlist]]
name = "staff"
users = [{ name = "alice", password = "$6$salt$SecretSecret", pasword = 1 }]
"#,
        &expect![[r#"
            error: unknown key `pasword` in `users` of [[userlist]]
              --> vipkeeper.toml:24:63
               |
            24 | users = [{ name = "alice", password = "********************", pasword = 1 }]
               |                                                               ^^^^^^^
               |
               = help: did you mean `password`?

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn redirects_alone_are_no_answer_on_tls() {
    check(
        r#"
[[frontend]]
name = "a"
bind = ["*:80", { address = "*:443", tls = { certificates = ["/a"] } }]
redirect_https = true
"#,
        &expect![[r#"
            error: [[frontend]] needs `default_backend`
              --> vipkeeper.toml:17:1
               |
            17 | [[frontend]]
               | ^^^^^^^^^^^^ `default_backend` is missing
               |
               = note: Name of the `[[backend]]` that serves it; only a frontend that answers everything itself needs none.
               = help: add `default_backend = "web"`

            vipkeeper.toml: 1 problem
        "#]],
    );
}
