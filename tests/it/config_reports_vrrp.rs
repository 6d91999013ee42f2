//! What is wrong with VRRP, trackers, groups and peers, one line for each problem: the rule, why, and the fix.
#![allow(clippy::too_many_lines, reason = "snapshots")]

use expect_test::{Expect, expect};
use vipkeeper::config::load;

use crate::config::{PAIR, one, pair_with};

const KEY: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// Each case is the pair with one thing replaced (or, for an empty text, with something behind it).
fn check(from: &str, cases: &[(&str, &str)], expected: &Expect) {
    let mut all = String::new();
    for (what, to) in cases {
        let to = to.replace("KEY", KEY);
        let text = if from.is_empty() { format!("{PAIR}{to}\n") } else { pair_with(from, &to) };
        let sources = one(&text);
        all += &format!("{what}:\n");
        let Err(problems) = load(&sources) else {
            all += "  it loads\n";
            continue;
        };
        for record in problems.records(&sources) {
            all += &format!("  {}\n", record.message);
            all += &record.note.map(|note| format!("    note: {note}\n")).unwrap_or_default();
            all += &record.fix.map(|fix| format!("    help: {fix}\n")).unwrap_or_default();
        }
    }
    expected.assert_eq(&all);
}

#[test]
fn addresses_are_checked() {
    check(
        r#"["192.168.83.111/24"]"#,
        &[
            ("mixed families", r#"["192.168.83.111/24", "2001:db8::1/64"]"#),
            ("prefix", r#"["2001:db8::1"]"#),
            ("anycast", r#"["2001:db8::/64"]"#),
            ("multicast", r#"["ff02::1/64"]"#),
            ("label", r#"[{ address = "2001:db8::1/64", label = "eth0:x" }]"#),
            ("long label", r#"[{ address = "192.0.2.1/24", label = "a-very-long-label" }]"#),
            ("no address", r#"[{ label = "x" }]"#),
            ("interface", r#"[{ address = "192.0.2.1/24", interface = { lb1 = "eth1" } }]"#),
            (
                "excluded twice",
                r#"["192.0.2.1/24"]
excluded = ["192.0.2.1/24"]"#,
            ),
        ],
        &expect![[r#"
            mixed families:
              the `addresses` of a VIP must all be of one family: this is IPv6
                note: VRRP elects a router for each family (RFC 9568 section 1)
                help: move "2001:db8::1/64" to a [[vip]] of its own (with the same `vrid` if you like), or to `excluded` of this one
            prefix:
              a virtual address needs its prefix length: no prefix length
                note: it decides which network becomes reachable through the interface; it is not guessed
                help: write "2001:db8::1/64" with the prefix length of that network, or "2001:db8::1/128" for the address alone
            anycast:
              a virtual address must be one that a host can have: this is the anycast address of all routers of the network (RFC 4291 section 2.6.1)
                help: write, for example, "2001:db8:83::111/64"
            multicast:
              a virtual address must be one that a host can have: this is a multicast group
                help: write, for example, "2001:db8:83::111/64"
            label:
              an IPv6 address has no label: IPv4 only
                help: remove `label`
            long label:
              a label is 1 to 15 visible ASCII characters: not a label
                help: write, for example, `label = "eth0:www"`
            no address:
              `addresses` of [[vip]] needs `address`: `address` is missing
                note: The address with its prefix length.
                help: add `address = "192.168.83.111/24"`
            interface:
              `interface` says nothing for node "lb2": incomplete
                help: add `lb2 = "eth0"` with its interface
            excluded twice:
              192.0.2.1 is virtual already: used again
                help: write each address once
        "#]],
    );
}

#[test]
fn nodes_have_one_address_of_each_family() {
    check(
        r#""192.168.83.132""#,
        &[
            ("two of one", r#"["192.168.83.132", "192.168.83.133"]"#),
            ("link-local", r#""fe80::1""#),
            ("empty", r#"[]"#),
        ],
        &expect![[r#"
            two of one:
              a node has one address of each family: a second one of IPv4
                help: keep the one where the other nodes reach it
            link-local:
              the address of a node must be one that a host can have: a link-local address
                note: it says nothing without an interface; a VRRP interface finds its own
                help: write the host's global or unique local address
            empty:
              `address` of [[node]] must not be empty
        "#]],
    );
}

#[test]
fn routes_and_rules_are_checked() {
    check(
        r#"vrid = 51"#,
        &[
            (
                "families",
                r#"vrid = 51
routes = [{ to = "10.0.0.0/8", via = "2001:db8::1" }]"#,
            ),
            (
                "host bits",
                r#"vrid = 51
routes = [{ to = "10.0.0.1/8" }]"#,
            ),
            (
                "host",
                r#"vrid = 51
routes = [{ to = "10.0.0.1", via = "192.0.2.1/24" }]"#,
            ),
            (
                "table",
                r#"vrid = 51
routes = [{ to = "default", table = 0 }]"#,
            ),
            (
                "empty rule",
                r#"vrid = 51
rules = [{ table = 1, preference = 1 }]"#,
            ),
            (
                "rule families",
                r#"vrid = 51
rules = [{ from = "10.0.0.0/8", to = "2001:db8::/32", table = 1, preference = 40000 }]"#,
            ),
        ],
        &expect![[r#"
            families:
              `via` must be of the family of the route: this is IPv6
                help: write one route for each family
            host bits:
              a network has no host bits: bits behind the prefix
                help: write "10.0.0.0/8"
            host:
              `via` of a route must be the address of a host: not one
                help: write "192.0.2.1", without the prefix length
            table:
              `table` of `routes` of [[vip]] must be from 1 to 4294967295: out of range
                note: Number of the routing table; the main one when absent.
                help: write, for example, `table = 100`
            empty rule:
              a rule needs `from`, `to` or `mark`: for every packet
                help: write, for example, `from = "192.168.83.111/32"`
            rule families:
              `from` and `to` of a rule must be of one family: this is IPv6
                help: write one rule for each family
              `preference` of `rules` of [[vip]] must be from 1 to 32765: out of range
                note: Its place among the rules: a lower number is looked at earlier.
                help: write, for example, `preference = 1000`
        "#]],
    );
}

#[test]
fn versions_and_authentication_are_checked() {
    check(
        r#"vrid = 51"#,
        &[
            (
                "seconds",
                r#"vrid = 51
version = 2
advert_interval = "1500ms""#,
            ),
            (
                "checksum",
                r#"vrid = 51
version = 2
checksum = "rfc9568""#,
            ),
            (
                "password",
                r#"vrid = 51
auth = { password = "secret" }"#,
            ),
            (
                "long",
                r#"vrid = 51
version = 2
auth = { password = "secret123" }"#,
            ),
            (
                "both",
                r#"vrid = 51
version = 2
auth = { password = "x", hmac = { keys = {} } }"#,
            ),
            (
                "empty",
                r#"vrid = 51
auth = {}"#,
            ),
            (
                "keys",
                r#"vrid = 51
auth = { hmac = { keys = { 0 = "hex:00", 1 = "file:/etc/key", x = "secret" } } }"#,
            ),
            (
                "active",
                r#"vrid = 51
auth = { hmac = { keys = { 1 = "hex:KEY", 2 = "hex:KEY" } } }"#,
            ),
            (
                "unknown active",
                r#"vrid = 51
auth = { hmac = { keys = { 1 = "hex:KEY" }, active = 3, window = "10m" } }"#,
            ),
            (
                "version 4",
                r#"vrid = 51
version = 4
down_multiplier = 0"#,
            ),
        ],
        &expect![[r#"
            seconds:
              `advert_interval` must be a multiple of 1s: between two steps
                note: VRRPv2 counts it in seconds (RFC 3768 section 5.3.7)
                help: write `advert_interval = "1s"`
            checksum:
              `checksum` means nothing with `version = 2`: it has one checksum: never used
                help: remove it
            password:
              a `password` is for version 2 alone: VRRPv3 has none
                note: it would keep mistakes apart, not attackers: everybody on the network reads it
                help: write `version = 2`, or use `hmac`
            long:
              a `password` is 1 to 8 ASCII characters: too long
                note: keepalived cuts a longer one to 8 (RFC 2338 section 5.3.6.1)
                help: write at most 8 characters
            both:
              `auth` is either `password` or `hmac`: one too many
                help: keep `hmac`, which keepalived 2.4.2 and later speak
            empty:
              `auth` needs `password` or `hmac`
                help: leave `auth` out for adverts without authentication
            keys:
              the number of a key is from 1 to 255: not one of them
                help: write, for example, `1 = "hex:..."`
              a key is "hex:" and 64 to 128 hex digits: 32 to 64 bytes: not 64 to 128 digits
                note: it may stand in a file of its own that only root can read, named in `include`, with its whole [[vip]]
                help: make one with `openssl rand -hex 32`
              a key is "hex:" and 64 to 128 hex digits: 32 to 64 bytes: keys are not read from files
                note: it may stand in a file of its own that only root can read, named in `include`, with its whole [[vip]]
                help: make one with `openssl rand -hex 32`
              the number of a key is from 1 to 255: not one of them
                help: write, for example, `1 = "hex:..."`
              a key is "hex:" and 64 to 128 hex digits: 32 to 64 bytes: no "hex:" before it
                note: it may stand in a file of its own that only root can read, named in `include`, with its whole [[vip]]
                help: make one with `openssl rand -hex 32`
            active:
              with several keys `hmac` needs `active`: which one signs?
                help: add `active = 1` with the number of the key that signs
            unknown active:
              `active` must be the number of one of the `keys`: there is no such key
                help: known are 1
              `auth.hmac.window` must be from 1s to 5m: too long
                help: write `window = "5m"`, or something between
            version 4:
              `version` of [[vip]] must be from 2 to 3: out of range
                note: Version of VRRP. 2 is for routers that know no other: IPv4 only, intervals of whole seconds.
                help: write, for example, `version = 3`
              `down_multiplier` of [[vip]] must be from 1 to 100: out of range
                note: How many intervals without an advert until the holder counts as gone; the RFCs have 3.
                help: write, for example, `down_multiplier = 3`
        "#]],
    );
}

#[test]
fn ipv6_adverts_are_checked() {
    check(
        r#"["192.168.83.111/24"]"#,
        &[
            (
                "version",
                r#"["2001:db8::1/64"]
version = 2"#,
            ),
            (
                "checksum",
                r#"["2001:db8::1/64"]
checksum = "rfc9568""#,
            ),
            (
                "group",
                r#"["2001:db8::1/64"]
multicast_group = "ff05::12""#,
            ),
            (
                "group of the other family",
                r#"["2001:db8::1/64"]
multicast_group = "224.0.0.18""#,
            ),
            (
                "unicast",
                r#"["2001:db8::1/64"]
transport = "unicast""#,
            ),
        ],
        &expect![[r#"
            version:
              version 2 is for IPv4 only: the addresses are IPv6
                help: leave `version` out
            checksum:
              `checksum` means nothing for IPv6: its checksum always has the pseudo header: never used
                help: remove it
            group:
              `multicast_group` must be an IPv6 multicast address of this link: not in ff02::/16
                help: write "ff02::12", or leave it out
            group of the other family:
              `multicast_group` must be an IPv6 multicast address of this link: not in ff02::/16
                help: write "ff02::12", or leave it out
            unicast:
              unicast adverts need an IPv6 address of every node of the VIP: node "lb1" has none
                help: write `address = ["192.168.83.131", "2001:db8::1"]` in that [[node]], with its own
        "#]],
    );
}

#[test]
fn owners_and_weights_are_checked() {
    check(
        r#"prefer = ["lb1", "lb2"]"#,
        &[
            ("two owners", r#"priority = { lb1 = 255, lb2 = 255 }"#),
            (
                "owner",
                r#"priority = { lb1 = 255, lb2 = 100 }
track = [{ backend = "web", weight = -100 }]"#,
            ),
            (
                "no order",
                r#"prefer = ["lb1", "lb2"]
track = [{ backend = "web", weight = 20 }]"#,
            ),
            (
                "positive",
                r#"priority = { lb1 = 120, lb2 = 100 }
track = [{ backend = "web", weight = 15 }]"#,
            ),
            (
                "one of two",
                r#"prefer = ["lb1", "lb2"]
track = [{ backend = "web", weight = -1 }, { tracker = "t", weight = -50 }]
[[tracker]]
name = "t"
saturation = 90"#,
            ),
            (
                "neither",
                r#"prefer = ["lb1", "lb2"]
track = [{ weight = -1 }]"#,
            ),
            (
                "both",
                r#"prefer = ["lb1", "lb2"]
track = [{ tracker = "t", backend = "web", weight = -9 }]"#,
            ),
            (
                "nothing",
                r#"prefer = ["lb1", "lb2"]
track = [{ tracker = "web", weight = -9 }]"#,
            ),
            (
                "clash",
                r#"prefer = ["lb1", "lb2"]
track = [{ backend = "web", weight = -9 }]
[[tracker]]
name = "web"
saturation = 90"#,
            ),
            (
                "out of range",
                r#"prefer = ["lb1", "lb2"]
track = [{ backend = "web", weight = -254 }]"#,
            ),
        ],
        &expect![[r#"
            two owners:
              a VIP has one owner (priority 255) at most: a second owner
                help: write `lb2 = 254`, or less
            owner:
              this weight can never move the VIP: too small
                note: lb1 has 255 and owns the address
                help: give "lb1" a priority of 254 or less: no weight moves an owner (255)
            no order:
              with this weight no order is left between "lb1" and "lb2": too much
                note: while all is well both have 254: a priority and its weights is at most 254
                help: write `priority` with numbers that leave room: 234 or less
            positive:
              this weight can never move the VIP: too small
                note: 135 - 15 = 120 of "lb1" is still above 115 of "lb2"
                help: use 21 or more
            one of two:
              this weight can never move the VIP, neither alone nor with the others: too small
                note: 254 - 1 = 253 of "lb1" is no lower than 253 of "lb2"
                help: use -2 or less
            neither:
              an entry of `track` needs `tracker` or `backend`: nothing is tracked
                help: add `tracker = "gateway"` with the name of a [[tracker]]
            both:
              an entry of `track` has either `tracker` or `backend`: one too many
                help: write two entries
            nothing:
              there is no [[tracker]] named "web": refers to nothing
                help: add a [[tracker]] of that name
            clash:
              `backend = "web"` makes a tracker of that name, which is taken: used again
                help: write `tracker = "web"` if that is meant, or rename the [[tracker]]
            out of range:
              `weight` of `track` of [[vip]] must be from -253 to 253: out of range
                note: Negative: added to the priority while it is failed; positive: while it is good. 0: while it is failed the node does not hold the VIP.
                help: write, for example, `weight = -20`
        "#]],
    );
}

#[test]
fn trackers_are_checked() {
    check(
        r#""#,
        &[
            (
                "nothing",
                r#"[[tracker]]
name = "t"
"#,
            ),
            (
                "two",
                r#"[[tracker]]
name = "t"
ping = "192.0.2.1"
tcp = "192.0.2.1:80""#,
            ),
            (
                "ping",
                r#"[[tracker]]
name = "t"
ping = "gateway.example.com""#,
            ),
            (
                "tcp",
                r#"[[tracker]]
name = "t"
tcp = "192.0.2.1""#,
            ),
            (
                "port",
                r#"[[tracker]]
name = "t"
tcp = "192.0.2.1:0""#,
            ),
            (
                "https",
                r#"[[tracker]]
name = "t"
http = "https://192.0.2.1/""#,
            ),
            (
                "host",
                r#"[[tracker]]
name = "t"
http = "http:///x""#,
            ),
            (
                "space",
                r#"[[tracker]]
name = "t"
http = "http://x/a b""#,
            ),
            (
                "script",
                r#"[[tracker]]
name = "t"
script = "test -e /x"
user = "a/b""#,
            ),
            (
                "file",
                r#"[[tracker]]
name = "t"
file = "x""#,
            ),
            (
                "backend",
                r#"[[tracker]]
name = "t"
backend = "wbe""#,
            ),
            (
                "queue",
                r#"[[tracker]]
name = "t"
queue = { backend = "web", requests = 0 }"#,
            ),
            (
                "user",
                r#"[[tracker]]
name = "t"
ping = "192.0.2.1"
user = "nobody""#,
            ),
            (
                "percent",
                r#"[[tracker]]
name = "t"
saturation = 90
up_percent = 50"#,
            ),
            (
                "events",
                r#"[[tracker]]
name = "t"
saturation = 90
interval = "1s""#,
            ),
            (
                "timeout",
                r#"[[tracker]]
name = "t"
ping = "192.0.2.1"
timeout = "2s""#,
            ),
            (
                "vip",
                r#"[[tracker]]
name = "t"
vip = "ww""#,
            ),
        ],
        &expect![[r#"
            nothing:
              [[tracker]] does not say what is watched: nothing to watch
                help: add one of `ping`, `tcp`, `http`, `script`, `file`, `interface`, `backend`, `queue`, `saturation`, `vip`
            two:
              a [[tracker]] watches one thing, not `ping` and `tcp`: the second
                help: make a [[tracker]] of each
            ping:
              `ping` must be the address of a host: not an address
                help: write, for example, `ping = "192.168.83.1"`; names are not looked up
            tcp:
              `tcp` must be the address and port of a host: not "address:port"
                help: write "192.168.83.1:53" or "[2001:db8:83::1]:53", for example; names are not looked up
            port:
              `tcp` must be the address and port of a host: the port is 0
                help: write "192.168.83.1:53" or "[2001:db8:83::1]:53", for example; names are not looked up
            https:
              `http` must be a URL that starts with http://: only http:// is spoken
                help: write, for example, `http = "http://127.0.0.1:9000/ready"`; for https:// use a `script`
            host:
              `http` must be a URL that starts with http://: no host
                help: write, for example, `http = "http://127.0.0.1:9000/ready"`; for https:// use a `script`
            space:
              `http` must be a URL that starts with http://: white space or a character that must be escaped
                help: write, for example, `http = "http://127.0.0.1:9000/ready"`; for https:// use a `script`
            script:
              `script` is a program, not a command line: no shell splits it: white space
                note: if a shell is wanted, name it: ["/bin/sh", "-c", "..."]
                help: write `script = ["test", "-e", "/x"]`
              a name must be 1-63 of A-Z a-z 0-9 _ . -, not "a/b"
                help: write the name, not a path
            file:
              `file` must be an absolute path: not absolute
                help: write, for example, `file = "/run/maintenance"`
            backend:
              there is no [[backend]] named "wbe": refers to nothing
                help: did you mean "web"?
            queue:
              `requests` of `queue` of [[tracker]] must be from 1 to 1000000000: out of range
                note: As many that wait are a failure.
                help: write, for example, `requests = 100`
            user:
              `user` means nothing without `script`: never used
                help: remove it
            percent:
              `up_percent` means nothing without `backend`: never used
                help: remove it
            events:
              `interval` means nothing here: vipkeeper learns of changes without looking: never used
                note: only `ping`, `tcp`, `http`, `script` and `file` are looked at again and again
                help: remove it
            timeout:
              `timeout` must be at most the interval, 1s: longer than the interval
                help: write `timeout = "1s"`, or a longer interval
            vip:
              there is no [[vip]] named "ww": refers to nothing
                help: did you mean "www"?
        "#]],
    );
}

#[test]
fn groups_are_checked() {
    check(
        r#""#,
        &[
            (
                "alone",
                r#"[[group]]
name = "g"
vips = ["www"]"#,
            ),
            (
                "unknown",
                r#"[[group]]
name = "g"
vips = ["www", "ww"]"#,
            ),
            (
                "twice",
                r#"[[group]]
name = "g"
vips = ["www", "www"]"#,
            ),
            (
                "order",
                r#"[[group]]
name = "g"
vips = ["www", "two"]
[[vip]]
name = "two"
addresses = ["192.0.2.1/24"]
interface = "eth1"
vrid = 1
prefer = ["lb2", "lb1"]"#,
            ),
            (
                "two groups",
                r#"[[group]]
name = "g"
vips = ["www", "two"]
[[group]]
name = "h"
vips = ["two", "www"]
[[vip]]
name = "two"
addresses = ["192.0.2.1/24"]
interface = "eth1"
vrid = 1
prefer = ["lb1", "lb2"]"#,
            ),
            (
                "hook",
                r#"[[group]]
name = "g"
vips = ["www", "two"]
notify = "x"
[[vip]]
name = "two"
addresses = ["192.0.2.1/24"]
interface = "eth1"
vrid = 1
prefer = ["lb1", "lb2"]"#,
            ),
        ],
        &expect![[r#"
            alone:
              a group has at least two VIPs: one alone
                help: add another VIP, or remove the [[group]]
            unknown:
              there is no [[vip]] named "ww": refers to nothing
                help: did you mean "www"?
            twice:
              VIP "www" is in a group already: used again
                help: name each VIP once in all groups; VIPs that belong together make one group
            order:
              the VIPs of a group must have the same nodes in the same order: held by lb2, lb1
                help: write the same `prefer` in both [[vip]]
            two groups:
              VIP "two" is in a group already: used again
                help: name each VIP once in all groups; VIPs that belong together make one group
              VIP "www" is in a group already: used again
                help: name each VIP once in all groups; VIPs that belong together make one group
            hook:
              `notify` must start with the absolute path of a program: not absolute
                note: it runs without PATH and in no particular directory
                help: write, for example, "/usr/local/bin/x"
        "#]],
    );
}

#[test]
fn vips_must_not_wait_for_each_other() {
    check(
        r#"prefer = ["lb1", "lb2"]"#,
        &[
            (
                "itself",
                r#"prefer = ["lb1", "lb2"]
track = [{ tracker = "w" }]
[[tracker]]
name = "w"
vip = "www""#,
            ),
            (
                "two",
                r#"prefer = ["lb1", "lb2"]
track = [{ tracker = "w" }]
[[tracker]]
name = "w"
vip = "two"
[[tracker]]
name = "v"
vip = "www"
[[vip]]
name = "two"
addresses = ["192.0.2.1/24"]
interface = "eth1"
vrid = 1
prefer = ["lb1", "lb2"]
track = [{ tracker = "v" }]"#,
            ),
            (
                "group",
                r#"prefer = ["lb1", "lb2"]
track = [{ tracker = "w" }]
[[tracker]]
name = "w"
vip = "two"
[[group]]
name = "both"
vips = ["www", "two"]
[[vip]]
name = "two"
addresses = ["192.0.2.1/24"]
interface = "eth1"
vrid = 1
prefer = ["lb1", "lb2"]"#,
            ),
            (
                "one way",
                r#"prefer = ["lb1", "lb2"]
track = [{ tracker = "w" }]
[[tracker]]
name = "w"
vip = "two"
[[vip]]
name = "two"
addresses = ["192.0.2.1/24"]
interface = "eth1"
vrid = 1
prefer = ["lb1", "lb2"]"#,
            ),
        ],
        &expect![[r#"
            itself:
              VIPs must not track each other in a circle: closes a circle
                note: VIP www tracks VIP www
                help: leave one of them out of `track`
            two:
              VIPs must not track each other in a circle: closes a circle
                note: VIP two tracks VIP www tracks VIP two
                help: leave one of them out of `track`
            group:
              VIPs must not track each other in a circle: closes a circle
                note: group both tracks group both
                help: leave one of them out of `track`
            one way:
              it loads
        "#]],
    );
}

#[test]
fn peers_are_checked() {
    check(
        r#""#,
        &[
            (
                "port",
                r#"[peers]
port = 0
interval = "1ms""#,
            ),
            (
                "file",
                r#"[peers]
key_file = """#,
            ),
            (
                "twice",
                r#"[peers]
[[peers]]"#,
            ),
        ],
        &expect![[r#"
            port:
              `port` of [peers] must be from 1 to 65535: out of range
                note: UDP port on every node.
                help: write, for example, `port = 5112`
              `peers.interval` must be from 50ms to 1m: too short
                help: write `interval = "50ms"`, or something between
            file:
              `key_file` must be a file
                help: leave it out for the usual one
            twice:
              not TOML: duplicate key: used before
                help: keep one of them; tables of which there may be several have double brackets, such as [[vip]]
        "#]],
    );
}

#[test]
fn binds_of_both_families_are_checked() {
    check(
        r#""www:80""#,
        &[
            ("brackets", r#""2001:db8::1:80""#),
            ("link-local", r#""[fe80::1]:80""#),
            ("any", r#""*:80", "[::]:80""#),
            ("same", r#""[2001:db8::1]:80", "[2001:db8:0::1]:80""#),
        ],
        &expect![[r#"
            brackets:
              an IPv6 address of a bind stands in brackets: where does the port begin?
                help: write "[2001:db8::1]:80"
            link-local:
              a bind must name an address that a host can have: a link-local address needs its interface too
                help: write "*:80" for all addresses
            any:
              *:80 is bound twice: bound again
                note: HAProxy would give each of the two some of the connections
                help: use another port or address
            same:
              [2001:db8::1]:80 is bound twice: bound again
                note: HAProxy would give each of the two some of the connections
                help: use another port or address
        "#]],
    );
}

#[test]
fn there_is_no_more_of_anything_than_fits() {
    let list = |count: usize, one: &dyn Fn(usize) -> String| (0..count).map(one).collect::<Vec<_>>().join(", ");
    let v4 = list(256, &|n| format!("\"10.1.{}.{}/32\"", n / 200, n % 200 + 1));
    let v6 = list(76, &|n| format!("\"2001:db8::{:x}/128\"", n + 1));
    let excluded = list(4990, &|n| format!("\"10.{}.{}.1/32\"", n / 250, n % 250));
    let routes = list(65, &|n| format!("{{ to = \"10.{n}.0.0/16\" }}"));
    check(
        r#"["192.168.83.111/24"]"#,
        &[
            ("IPv4", &format!("[{v4}]")),
            ("IPv6", &format!("[{v6}]")),
            ("fits", &format!("[\"192.168.83.111/24\"]\nexcluded = [{v4}]")),
            (
                "all together",
                &format!(
                    "[\"192.168.83.111/24\"]\nexcluded = [{excluded}, {}]",
                    list(10, &|n| format!("\"10.99.0.{}/32\"", n + 1))
                ),
            ),
            ("routes", &format!("[\"192.168.83.111/24\"]\nroutes = [{routes}]")),
        ],
        &expect![[r#"
            IPv4:
              a VIP may have at most 255 `addresses`, not 256: one too many
                note: an advert counts them in one byte
                help: move the others to `excluded`, which adverts do not name
            IPv6:
              a VIP may have at most 75 `addresses`, not 76: one too many
                note: no more fit into an advert of 1280 bytes, which every IPv6 link carries
                help: move the others to `excluded`, which adverts do not name
            fits:
              it loads
            all together:
              all VIPs together may have at most 5000 addresses: too many with this one
                help: run several vipkeepers, each with its part
            routes:
              a VIP may have at most 64 `routes`, not 65: one too many
                help: let one prefix cover several of them
        "#]],
    );
    let trackers: String = (0..65).map(|n| format!("[[tracker]]\nname = \"t{n}\"\nsaturation = 50\n")).collect();
    let groups: String = (0..256).map(|n| format!("[[group]]\nname = \"g{n}\"\nvips = [\"www\", \"two\"]\n")).collect();
    check(
        "",
        &[("trackers", &trackers)],
        &expect![[r#"
        trackers:
          there may be at most 64 [[tracker]], not 65: one too many
            help: run several vipkeepers, each with its part
    "#]],
    );
    let sources = one(&format!("{PAIR}{groups}"));
    let problems = load(&sources).unwrap_err();
    assert!(problems.iter().any(|problem| problem.rule == "there may be at most 255 [[group]], not 256"));
}

#[test]
fn a_virtual_mac_address_needs_a_vrid_of_its_own_on_each_node() {
    let vip = |name: &str, address: &str, interface: &str, more: &str| {
        format!(
            "[[vip]]\nname = \"{name}\"\naddresses = [\"{address}\"]\ninterface = \"{interface}\"\nvrid = 60\n\
             prefer = [\"lb1\", \"lb2\"]\n{more}\n"
        )
    };
    let on = "vmac = true";
    let inside = vip("inside", "192.168.83.120/24", "eth0", on);
    let [elsewhere, six, plain, twice] = [
        vip("outside", "192.168.84.120/24", "eth1", on),
        vip("outside", "2001:db8::120/64", "eth1", on),
        vip("outside", "192.168.84.120/24", "eth1", ""),
        vip("outside", "192.168.83.121/24", "eth0", on),
    ]
    .map(|other| format!("{inside}{other}"));
    check(
        "",
        &[
            ("on two interfaces", &elsewhere),
            ("in two families", &six),
            ("one without", &plain),
            ("on one interface", &twice),
            ("keepalived's", &inside.replace("vmac", "use_vmac")),
            ("a word", &inside.replace("true", "\"yes\"")),
        ],
        &expect![[r#"
            on two interfaces:
              two VIPs with `vmac` would both have the device vrrp4.60 on node "lb1": the same vrid
                help: give one of them another `vrid`, or leave out its `vmac`
            in two families:
              it loads
            one without:
              it loads
            on one interface:
              vrid 60 is used twice on eth0 of node "lb1": used again
                help: write `vrid = 61`, or another that is free on that network
            keepalived's:
              unknown key `use_vmac` in [[vip]]
                help: write `vmac = true`
            a word:
              `vmac` of [[vip]] must be true or false: this is a string
                note: Whether the VIP has the virtual router's MAC address of the RFC, which moves with it, instead of the interface's.
                help: write `true` without quotes
        "#]],
    );
}

#[test]
fn nobody_binds_a_vip_that_accepts_nothing() {
    let with = |bind: &str| {
        format!(
            "[[vip]]\nname = \"gateway\"\naddresses = [\"192.168.83.112/24\"]\ninterface = \"eth0\"\nvrid = 52\n\
             prefer = [\"lb1\", \"lb2\"]\naccept = false\n\
             [[frontend]]\nname = \"x\"\nbind = [\"{bind}\"]\ndefault_backend = \"web\"\n"
        )
    };
    let [name, address, star] = ["gateway:81", "192.168.83.112:81", "*:81"].map(with);
    check(
        "",
        &[("name", &name), ("address", &address), ("star", &star)],
        &expect![[r#"
        name:
          VIP "gateway" accepts no connections: nobody would be served here
            note: it has `accept = false`, for routers that only forward
            help: leave `accept` out of the [[vip]], or bind another address
        address:
          VIP "gateway" accepts no connections: nobody would be served here
            note: it has `accept = false`, for routers that only forward
            help: leave `accept` out of the [[vip]], or bind another address
        star:
          it loads
    "#]],
    );
}
