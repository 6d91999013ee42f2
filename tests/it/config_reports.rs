//! What is wrong, as it is reported: each rule with its place, the offending text and the fix.

#![allow(clippy::too_many_lines, reason = "snapshots")]

use expect_test::{Expect, expect};
use vipkeeper::config::{Colour, SHOWN_MAX, Sources, load};

use crate::config::{PAIR, one, pair_with, source};

fn report(sources: &Sources) -> String {
    match load(sources) {
        Ok(_) => "it loads\n".to_owned(),
        Err(problems) => problems.report(sources, Colour::None),
    }
}

fn check(text: &str, expected: &Expect) {
    expected.assert_eq(&report(&one(text)));
}

/// The pair with one thing replaced.
fn check_edit(from: &str, to: &str, expected: &Expect) {
    check(&pair_with(from, to), expected);
}

/// The pair with something behind it.
fn check_more(more: &str, expected: &Expect) {
    check(&format!("{PAIR}{more}"), expected);
}

#[test]
fn unknown_keys_are_named_with_the_nearest_known_one() {
    check_edit(
        "vrid = 51",
        r#"vrid = 51
advert_intervall = "1s""#,
        &expect![[r#"
            error: unknown key `advert_intervall` in [[vip]]
              --> vipkeeper.toml:14:1
               |
            14 | advert_intervall = "1s"
               | ^^^^^^^^^^^^^^^^
               |
               = help: did you mean `advert_interval`?

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        "vrid = 51",
        "virtual_router_id = 51",
        &expect![[r#"
            error: unknown key `virtual_router_id` in [[vip]]
              --> vipkeeper.toml:13:1
               |
            13 | virtual_router_id = 51
               | ^^^^^^^^^^^^^^^^^
               |
               = help: write `vrid`

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_more(
        r#"[proxy]
health = { intervall = "1s" }
colour = "blue"
"#,
        &expect![[r#"
            error: unknown key `intervall` in `health` of [proxy]
              --> vipkeeper.toml:26:12
               |
            26 | health = { intervall = "1s" }
               |            ^^^^^^^^^
               |
               = help: did you mean `interval`?

            error: unknown key `colour` in [proxy]
              --> vipkeeper.toml:27:1
               |
            27 | colour = "blue"
               | ^^^^^^
               |
               = help: known here: binary, engine, error_pages, group, hard_stop_after, health, log, log_format, maxconn, nbthread, on_stop, peers, raw_defaults, raw_global, raw_sections, restart, stats, templates, timeouts, tls_preset, user

            vipkeeper.toml: 2 problems
        "#]],
    );
}

#[test]
fn wrong_types_say_what_was_meant() {
    check_edit(
        r#"["192.168.83.111/24"]"#,
        r#""192.168.83.111/24""#,
        &expect![[r#"
            error: `addresses` of [[vip]] must be a list
              --> vipkeeper.toml:11:13
               |
            11 | addresses = "192.168.83.111/24"
               |             ^^^^^^^^^^^^^^^^^^^ this is a string
               |
               = note: Addresses with prefix length, all of one family; each a string, or a table with options.
               = help: write `addresses = ["192.168.83.111/24"]`

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        "vrid = 51",
        r#"vrid = "51"
advert_interval = 1"#,
        &expect![[r#"
            error: `vrid` of [[vip]] must be a whole number
              --> vipkeeper.toml:13:8
               |
            13 | vrid = "51"
               |        ^^^^ this is a string
               |
               = note: Virtual router identifier: the same on every node, and no other's on that network.
               = help: write `51` without quotes

            error: `advert_interval` of [[vip]] must be a duration in quotes
              --> vipkeeper.toml:14:19
               |
            14 | advert_interval = 1
               |                   ^ this is a whole number
               |
               = note: How often the holder says that it is alive, from 10ms to 40950ms in steps of 10 ms; whole seconds in version 2.
               = help: write `advert_interval = "1s"`

            vipkeeper.toml: 2 problems
        "#]],
    );
    check_edit(
        "vrid = 51",
        r#"vrid = 300
preempt = "no""#,
        &expect![[r#"
            error: `vrid` of [[vip]] must be from 1 to 255
              --> vipkeeper.toml:13:8
               |
            13 | vrid = 300
               |        ^^^ out of range
               |
               = note: Virtual router identifier: the same on every node, and no other's on that network.
               = help: write, for example, `vrid = 51`

            error: `preempt` of [[vip]] must be true or false
              --> vipkeeper.toml:14:11
               |
            14 | preempt = "no"
               |           ^^^^ this is a string
               |
               = note: Whether a better node takes the VIP back when it returns.
               = help: write `false` without quotes

            vipkeeper.toml: 2 problems
        "#]],
    );
    check_more(
        "[proxy]\nhealth = { interval = 0.5 }\n",
        &expect![[r#"
        error: `interval` of `health` of [proxy] must be a duration in quotes
          --> vipkeeper.toml:26:23
           |
        26 | health = { interval = 0.5 }
           |                       ^^^ this is a fractional number
           |
           = note: From one question at the stats socket to the next.
           = help: write `interval = "500ms"`

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_edit(
        "[[vip]]",
        "[vip]",
        &expect![[r#"
            error: `vip` must be a list
             --> vipkeeper.toml:9:1
              |
            9 | [vip]
              | ^^^^^ this is a table
              |
              = note: The virtual IPs.
              = help: write `[[vip]]` with double brackets: there may be several

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_more(
        r#"[[proxy]]
engine = "haproxy"
"#,
        &expect![[r#"
            error: `proxy` must be a table
              --> vipkeeper.toml:25:1
               |
            25 | [[proxy]]
               | ^^^^^^^^^ this is a list
               |
               = note: The proxy, and how it is watched.
               = help: write `[proxy]` with single brackets: there is one in all

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn missing_keys_are_shown_at_their_table() {
    check_edit(
        r#"address = "192.168.83.132"
"#,
        "",
        &expect![[r#"
            error: [[node]] needs `address`
             --> vipkeeper.toml:5:1
              |
            5 | [[node]]
              | ^^^^^^^^ `address` is missing
              |
              = note: Its own fixed address, where the other nodes reach it; or a list with one of each family.
              = help: add `address = "192.168.83.131"`

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#"name = "web1", "#,
        "",
        &expect![[r#"
        error: `server` of [[backend]] needs `name`
          --> vipkeeper.toml:23:11
           |
        23 | server = [{ address = "192.168.83.129:8080" }]
           |           ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ `name` is missing
           |
           = note: Name within the backend.
           = help: add `name = "web1"`

        vipkeeper.toml: 1 problem
    "#]],
    );
}

#[test]
fn syntax_errors_are_reported_together() {
    check(
        r#"[[node]]
name = lb1
address = "192.168.83.131

[proxy
engine = "haproxy"
engine = "haproxy"
"#,
        &expect![[r#"
            error: not TOML: string values must be quoted
             --> vipkeeper.toml:2:8
              |
            2 | name = lb1
              |        ^^^
              |
              = help: put a text in double quotes; a number, true or false goes without

            error: not TOML: invalid basic string
             --> vipkeeper.toml:3:26
              |
            3 | address = "192.168.83.131
              |                          ^ expected `"`
              |
              = help: write `"` there

            error: not TOML: unclosed table
             --> vipkeeper.toml:5:7
              |
            5 | [proxy
              |       ^ expected `]`
              |
              = help: write `]` there

            vipkeeper.toml: 3 problems
        "#]],
    );
}

#[test]
fn nodes_are_checked() {
    check_edit(
        r#""192.168.83.132""#,
        r#""192.168.83.131""#,
        &expect![[r#"
        error: two [[node]] have the address 192.168.83.131
         --> vipkeeper.toml:7:11
          |
        3 | address = "192.168.83.131"
          |           ---------------- first used here
        ...
        7 | address = "192.168.83.131"
          |           ^^^^^^^^^^^^^^^^ used again
          |
          = help: write each host's own address

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_edit(
        r#""192.168.83.132""#,
        r#""192.168.83.132/24""#,
        &expect![[r#"
            error: the address of a node must be an IPv4 or IPv6 address
             --> vipkeeper.toml:7:11
              |
            7 | address = "192.168.83.132/24"
              |           ^^^^^^^^^^^^^^^^^^^ not an address
              |
              = help: write "192.168.83.132", without the prefix length

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#""192.168.83.132""#,
        r#""fe80::1""#,
        &expect![[r#"
            error: the address of a node must be one that a host can have
             --> vipkeeper.toml:7:11
              |
            7 | address = "fe80::1"
              |           ^^^^^^^^^ a link-local address
              |
              = note: it says nothing without an interface; a VRRP interface finds its own
              = help: write the host's global or unique local address

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#""192.168.83.132""#,
        r#""lb2.example.com""#,
        &expect![[r#"
            error: the address of a node must be an IPv4 or IPv6 address
             --> vipkeeper.toml:7:11
              |
            7 | address = "lb2.example.com"
              |           ^^^^^^^^^^^^^^^^^ not an address
              |
              = help: write, for example, `address = "192.168.83.131"`; names are not looked up

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#"name = "lb2""#,
        r#"name = "lb1""#,
        &expect![[r#"
        error: two [[node]] are named "lb1"
         --> vipkeeper.toml:6:8
          |
        2 | name = "lb1"
          |        ----- first used here
        ...
        6 | name = "lb1"
          |        ^^^^^ used again
          |
          = help: give each a name of its own

        error: there is no [[node]] named "lb2"
          --> vipkeeper.toml:14:18
           |
        14 | prefer = ["lb1", "lb2"]
           |                  ^^^^^ refers to nothing
           |
           = help: did you mean "lb1"?

        vipkeeper.toml: 2 problems
    "#]],
    );
}

#[test]
fn a_vip_needs_its_prefix_length() {
    check_edit(
        "192.168.83.111/24",
        "192.168.83.111",
        &expect![[r#"
        error: a virtual address needs its prefix length
          --> vipkeeper.toml:11:14
           |
        11 | addresses = ["192.168.83.111"]
           |              ^^^^^^^^^^^^^^^^ no prefix length
           |
           = note: it decides which network becomes reachable through the interface; it is not guessed
           = help: write "192.168.83.111/24" with the prefix length of that network, or "192.168.83.111/32" for the address alone

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_edit(
        "192.168.83.111/24",
        "192.168.83.111/33",
        &expect![[r#"
        error: a prefix length is a number from 1 to 32
          --> vipkeeper.toml:11:14
           |
        11 | addresses = ["192.168.83.111/33"]
           |              ^^^^^^^^^^^^^^^^^^^ not a prefix length
           |
           = help: write "192.168.83.111/24", for example

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_edit(
        "192.168.83.111/24",
        "192.168.83.0/24",
        &expect![[r#"
        error: a virtual address must be one that a host can have
          --> vipkeeper.toml:11:14
           |
        11 | addresses = ["192.168.83.0/24"]
           |              ^^^^^^^^^^^^^^^^^ this is the address of the network
           |
           = help: write, for example, "192.168.83.111/24"

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_edit(
        "192.168.83.111/24",
        "2001:db8::1/64",
        &expect![[r#"
            it loads
        "#]],
    );
}

#[test]
fn an_address_is_virtual_once_and_nowhere_fixed() {
    check_edit(
        "192.168.83.111/24",
        "192.168.83.131/24",
        &expect![[r#"
            error: 192.168.83.131 is the address of node "lb1" and cannot be virtual
              --> vipkeeper.toml:11:14
               |
             3 | address = "192.168.83.131"
               |           ---------------- it is fixed there
            ...
            11 | addresses = ["192.168.83.131/24"]
               |              ^^^^^^^^^^^^^^^^^^^
               |
               = note: virtual addresses are taken off the interface when they move, also those of an owner (priority 255)
               = help: take a free address of that network

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_more(
        r#"[[vip]]
name = "www"
addresses = ["192.168.83.111/24"]
interface = "eth1"
vrid = 51
prefer = ["lb1"]
"#,
        &expect![[r#"
            error: two [[vip]] are named "www"
              --> vipkeeper.toml:26:8
               |
            10 | name = "www"
               |        ----- first used here
            ...
            26 | name = "www"
               |        ^^^^^ used again
               |
               = help: give each a name of its own

            error: 192.168.83.111 is virtual already
              --> vipkeeper.toml:27:14
               |
            11 | addresses = ["192.168.83.111/24"]
               |              ------------------- first used here
            ...
            27 | addresses = ["192.168.83.111/24"]
               |              ^^^^^^^^^^^^^^^^^^^ used again
               |
               = help: write each address once

            vipkeeper.toml: 2 problems
        "#]],
    );
}

#[test]
fn a_vrid_is_used_once_on_an_interface_of_a_node() {
    check_more(
        r#"[[vip]]
name = "two"
addresses = ["192.168.83.112/24"]
interface = { lb2 = "eth0" }
vrid = 51
prefer = ["lb2"]
"#,
        &expect![[r#"
            error: vrid 51 is used twice on eth0 of node "lb2"
              --> vipkeeper.toml:29:8
               |
            13 | vrid = 51
               |        -- first used here
            ...
            29 | vrid = 51
               |        ^^ used again
               |
               = help: write `vrid = 52`, or another that is free on that network

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn interfaces_are_checked_for_every_node() {
    check_edit(
        r#"interface = "eth0""#,
        r#"interface = { lb1 = "eth0" }"#,
        &expect![[r#"
        error: `interface` says nothing for node "lb2"
          --> vipkeeper.toml:12:13
           |
        12 | interface = { lb1 = "eth0" }
           |             ^^^^^^^^^^^^^^^^ incomplete
           |
           = help: add `lb2 = "eth0"` with its interface

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_edit(
        r#"interface = "eth0""#,
        r#"interface = { lb1 = "eth0", lb2 = "eth0:1", lb9 = "eth0" }"#,
        &expect![[r#"
            error: an interface name must be 1-15 bytes without '/', ':' or white space, not "eth0:1"
              --> vipkeeper.toml:12:35
               |
            12 | interface = { lb1 = "eth0", lb2 = "eth0:1", lb9 = "eth0" }
               |                                   ^^^^^^^^
               |
               = help: write the name that `ip link` shows

            error: there is no [[node]] named "lb9"
              --> vipkeeper.toml:12:45
               |
            12 | interface = { lb1 = "eth0", lb2 = "eth0:1", lb9 = "eth0" }
               |                                             ^^^ refers to nothing
               |
               = help: did you mean "lb1"?

            vipkeeper.toml: 2 problems
        "#]],
    );
}

#[test]
fn an_interface_of_the_wrong_type_is_not_missing_as_well() {
    check_edit(
        r#"interface = "eth0""#,
        r#"interface = { lb1 = "eth0", lb2 = 2 }"#,
        &expect![[r#"
        error: `lb2` of `interface` of [[vip]] must be a string
          --> vipkeeper.toml:12:35
           |
        12 | interface = { lb1 = "eth0", lb2 = 2 }
           |                                   ^ this is a whole number
           |
           = help: write `"2"`

        vipkeeper.toml: 1 problem
    "#]],
    );
    let third = "[[node]]\nname = \"lb3\"\naddress = \"192.168.83.133\"\n[[vip]]\nname = \"two\"\naddresses = [\"192.168.83.112/24\"]\ninterface = { lb1 = \"eth0\", lb3 = \"eth0\" }\nvrid = 51\nprefer = [\"lb1\", \"lb2\"]\n";
    check_more(
        third,
        &expect![[r#"
        error: `interface` says nothing for node "lb2"
          --> vipkeeper.toml:31:13
           |
        31 | interface = { lb1 = "eth0", lb3 = "eth0" }
           |             ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ incomplete
           |
           = help: add `lb2 = "eth0"` with its interface

        error: node "lb3" never holds this VIP
          --> vipkeeper.toml:31:29
           |
        31 | interface = { lb1 = "eth0", lb3 = "eth0" }
           |                             ^^^ not in `prefer` or `priority`
           |
           = help: add it there, or remove it here

        error: vrid 51 is used twice on eth0 of node "lb1"
          --> vipkeeper.toml:32:8
           |
        13 | vrid = 51
           |        -- first used here
        ...
        32 | vrid = 51
           |        ^^ used again
           |
           = help: write `vrid = 52`, or another that is free on that network

        vipkeeper.toml: 3 problems
    "#]],
    );
}

#[test]
fn somebody_must_be_preferred() {
    check_edit(
        r#"prefer = ["lb1", "lb2"]
"#,
        "",
        &expect![[r#"
            error: [[vip]] does not say which node should hold it
             --> vipkeeper.toml:9:1
              |
            9 | [[vip]]
              | ^^^^^^^ neither `prefer` nor `priority`
              |
              = help: add `prefer = ["lb1", "lb2"]`, the best first

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#"prefer = ["lb1", "lb2"]"#,
        r#"prefer = ["lb1", "lb1"]
priority = { lb1 = 200 }"#,
        &expect![[r#"
            error: a VIP has either `prefer` or `priority`
              --> vipkeeper.toml:15:12
               |
            14 | prefer = ["lb1", "lb1"]
               |          -------------- as this does
            15 | priority = { lb1 = 200 }
               |            ^^^^^^^^^^^^^ both say who comes first
               |
               = help: remove one of the two

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#"prefer = ["lb1", "lb2"]"#,
        r#"prefer = ["lb1", "bl2", "lb1"]"#,
        &expect![[r#"
        error: there is no [[node]] named "bl2"
          --> vipkeeper.toml:14:18
           |
        14 | prefer = ["lb1", "bl2", "lb1"]
           |                  ^^^^^ refers to nothing
           |
           = help: did you mean "lb2"?

        error: `prefer` names "lb1" twice
          --> vipkeeper.toml:14:25
           |
        14 | prefer = ["lb1", "bl2", "lb1"]
           |           -----         ^^^^^ used again
           |           |
           |           first used here
           |
           = help: name each node once

        vipkeeper.toml: 2 problems
    "#]],
    );
    check_edit(
        r#"prefer = ["lb1", "lb2"]"#,
        "priority = { lb1 = 255, lb2 = 100 }",
        &expect![[r#"
            it loads
        "#]],
    );
}

#[test]
fn a_weight_that_can_never_move_the_vip_is_refused_with_the_arithmetic() {
    check_edit(
        r#"prefer = ["lb1", "lb2"]"#,
        r#"priority = { lb1 = 254, lb2 = 200 }
track = [{ backend = "web", weight = -25 }]"#,
        &expect![[r#"
            error: this weight can never move the VIP
              --> vipkeeper.toml:15:38
               |
            15 | track = [{ backend = "web", weight = -25 }]
               |                                      ^^^ too small
               |
               = note: 254 - 25 = 229 of "lb1" is still above 200 of "lb2"
               = help: use -55 or less

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#"prefer = ["lb1", "lb2"]"#,
        r#"prefer = ["lb1", "lb2"]
track = [{ backend = "web", weight = -1 }]"#,
        &expect![[r#"
            error: this weight can never move the VIP
              --> vipkeeper.toml:15:38
               |
            15 | track = [{ backend = "web", weight = -1 }]
               |                                      ^^ too small
               |
               = note: 254 - 1 = 253 of "lb1" is no lower than 253 of "lb2"
               = help: use -2 or less

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#"prefer = ["lb1", "lb2"]"#,
        r#"priority = { lb1 = 254, lb2 = 1 }
track = [{ backend = "web", weight = -253 }]"#,
        &expect![[r#"
            error: this weight can never move the VIP
              --> vipkeeper.toml:15:38
               |
            15 | track = [{ backend = "web", weight = -253 }]
               |                                      ^^^^ too small
               |
               = note: 254 - 253 = 1 of "lb1" is no lower than 1 of "lb2"
               = help: raise the priority of "lb2": the lowest that a weight can reach is 1

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#"prefer = ["lb1", "lb2"]"#,
        r#"prefer = ["lb1", "lb2"]
track = [{ backend = "web", weight = 20 }]"#,
        &expect![[r#"
            error: with this weight no order is left between "lb1" and "lb2"
              --> vipkeeper.toml:15:38
               |
            15 | track = [{ backend = "web", weight = 20 }]
               |                                      ^^ too much
               |
               = note: while all is well both have 254: a priority and its weights is at most 254
               = help: write `priority` with numbers that leave room: 234 or less

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#"prefer = ["lb1", "lb2"]"#,
        r#"prefer = ["lb1", "lb2"]
preempt = false
track = [{ backend = "web", weight = -20 }]"#,
        &expect![[r#"
            error: with `preempt = false` no weight can move a VIP
              --> vipkeeper.toml:16:38
               |
            15 | preempt = false
               |           ----- a live holder keeps it, whatever its priority
            16 | track = [{ backend = "web", weight = -20 }]
               |                                      ^^^ changes nothing
               |
               = help: set `preempt = true`, or use weight 0: then a node gives the VIP up while the tracker is failed

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#"prefer = ["lb1", "lb2"]"#,
        r#"prefer = ["lb1"]
track = [{ backend = "web", weight = -20 }]"#,
        &expect![[r#"
            error: a weight cannot move a VIP that has one node
              --> vipkeeper.toml:15:38
               |
            15 | track = [{ backend = "web", weight = -20 }]
               |                                      ^^^ changes nothing
               |
               = help: remove `track`, or add a node to `prefer`

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn adverts_are_checked() {
    check_edit(
        "vrid = 51",
        r#"vrid = 51
advert_interval = "15ms""#,
        &expect![[r#"
            error: `advert_interval` must be a multiple of 10ms
              --> vipkeeper.toml:14:19
               |
            14 | advert_interval = "15ms"
               |                   ^^^^^^ between two steps
               |
               = note: VRRPv3 counts it in hundredths of a second (RFC 9568 section 5.2.7)
               = help: write `advert_interval = "10ms"`

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        "vrid = 51",
        r#"vrid = 51
advert_interval = "41s""#,
        &expect![[r#"
            error: `advert_interval` must be from 10ms to 40950ms
              --> vipkeeper.toml:14:19
               |
            14 | advert_interval = "41s"
               |                   ^^^^^ too long
               |
               = help: write `advert_interval = "40950ms"`, or something between

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        "vrid = 51",
        r#"vrid = 51
advert_interval = "0.1 sec""#,
        &expect![[r#"
            error: `advert_interval` must be a whole number with a unit: ms, s, m, h or d
              --> vipkeeper.toml:14:19
               |
            14 | advert_interval = "0.1 sec"
               |                   ^^^^^^^^^ not a whole number
               |
               = help: write `advert_interval = "100ms"`

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        "vrid = 51",
        r#"vrid = 51
transport = "multicats"
checksum = "rfc9568""#,
        &expect![[r#"
            error: `transport` of [[vip]] must be "multicast" or "unicast"
              --> vipkeeper.toml:14:13
               |
            14 | transport = "multicats"
               |             ^^^^^^^^^^^ unknown word
               |
               = note: How adverts travel.
               = help: did you mean "multicast"?

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        "vrid = 51",
        r#"vrid = 51
multicast_group = "10.0.0.18""#,
        &expect![[r#"
            error: `multicast_group` must be an IPv4 multicast address
              --> vipkeeper.toml:14:19
               |
            14 | multicast_group = "10.0.0.18"
               |                   ^^^^^^^^^^^ not from 224.0.0.0 to 239.255.255.255
               |
               = help: write "224.0.0.18", or leave it out

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#"prefer = ["lb1", "lb2"]"#,
        r#"prefer = ["lb1"]
transport = "unicast""#,
        &expect![[r#"
            error: there is no other node to send adverts to
              --> vipkeeper.toml:15:13
               |
            15 | transport = "unicast"
               |             ^^^^^^^^^ needs the address of another node
               |
               = help: add a [[node]], or remove `transport`

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        "vrid = 51",
        r#"vrid = 51
preempt = false
preempt_delay = "5s""#,
        &expect![[r#"
            error: `preempt_delay` means nothing with `preempt = false`
              --> vipkeeper.toml:15:17
               |
            14 | preempt = false
               |           ----- nothing is ever taken back
            15 | preempt_delay = "5s"
               |                 ^^^^ never used
               |
               = help: remove one of the two

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn the_proxy_is_checked() {
    check_more(
        r#"[proxy]
engine = "apache"
binary = "bin/haproxy"
"#,
        &expect![[r#"
            error: the `engine` of [proxy] must be "haproxy" or "nginx"
              --> vipkeeper.toml:26:10
               |
            26 | engine = "apache"
               |          ^^^^^^^^ unknown program
               |
               = help: write `engine = "haproxy"`

            error: `binary` must be an absolute path or the name of a program
              --> vipkeeper.toml:27:10
               |
            27 | binary = "bin/haproxy"
               |          ^^^^^^^^^^^^^ neither
               |
               = help: write "/usr/sbin/haproxy", or leave it out

            vipkeeper.toml: 2 problems
        "#]],
    );
    check_more(
        r#"[proxy]
health = { timeout = "1s" }
restart = { min = "20s" }
"#,
        &expect![[r#"
            error: `health.timeout` must be at most the interval, 150ms
              --> vipkeeper.toml:26:22
               |
            26 | health = { timeout = "1s" }
               |                      ^^^^ longer than the interval
               |
               = note: the interval is 150ms by default
               = help: write `timeout = "150ms"`, or a longer interval

            error: `restart.min` (20s) must not be more than `max` (10s)
              --> vipkeeper.toml:27:19
               |
            27 | restart = { min = "20s" }
               |                   ^^^^^
               |
               = help: write `restart = { min = "10s", max = "20s" }`

            vipkeeper.toml: 2 problems
        "#]],
    );
    check_more(
        r#"[proxy]
user = "/bin/x"
log = ""
timeouts = { client = "30" }
"#,
        &expect![[r#"
            error: a name must be 1-63 of A-Z a-z 0-9 _ . -, not "/bin/x"
              --> vipkeeper.toml:26:8
               |
            26 | user = "/bin/x"
               |        ^^^^^^^^
               |
               = help: write the name, not a path

            error: `log` must not be empty
              --> vipkeeper.toml:27:7
               |
            27 | log = ""
               |       ^^
               |
               = help: leave the key out

            error: `timeouts.client` must be a whole number with a unit: ms, s, m, h or d
              --> vipkeeper.toml:28:23
               |
            28 | timeouts = { client = "30" }
               |                       ^^^^ no unit
               |
               = help: write `client = "30s"`

            vipkeeper.toml: 3 problems
        "#]],
    );
}

#[test]
fn raw_lines_that_would_take_haproxy_out_of_our_hands_are_refused() {
    check_more(
        r#"[proxy]
raw_global = [
  "stats socket /run/x.sock",
  "daemon",
  "description mine",
  "listen x",
  "maxconn 10\ndaemon",
  ".if defined(X)",
]
"#,
        &expect![[r#"
            error: `daemon` is not possible in the global section: it would fork away from vipkeeper, which would take it for dead
              --> vipkeeper.toml:28:3
               |
            28 |   "daemon",
               |   ^^^^^^^^ refused
               |
               = help: leave it out

            error: `description` is not possible in the global section: vipkeeper writes the generation of the file there and checks that it is served
              --> vipkeeper.toml:29:3
               |
            29 |   "description mine",
               |   ^^^^^^^^^^^^^^^^^^ refused
               |
               = help: leave it out

            error: `listen` would start a section of its own here
              --> vipkeeper.toml:30:3
               |
            30 |   "listen x",
               |   ^^^^^^^^^^ section keyword
               |
               = note: what vipkeeper writes after these lines would land in it
               = help: move the section to `raw_sections` of [proxy]

            error: a raw line is one line
              --> vipkeeper.toml:31:3
               |
            31 |   "maxconn 10\ndaemon",
               |   ^^^^^^^^^^^^^^^^^^^^ line break inside
               |
               = help: write one entry per line: ["first", "second"]

            error: `.if` without `.endif` in the same list
              --> vipkeeper.toml:32:3
               |
            32 |   ".if defined(X)",
               |   ^^^^^^^^^^^^^^^^ never closed
               |
               = note: the rest of the file would depend on it
               = help: add ".endif"

            vipkeeper.toml: 5 problems
        "#]],
    );
    check_more(
        r##"[proxy]
raw_sections = ["# mine", "bind *:1", "global", "    master-worker", ".endif"]
"##,
        &expect![[r##"
            error: `raw_sections` must begin with the keyword of a section
              --> vipkeeper.toml:26:27
               |
            26 | raw_sections = ["# mine", "bind *:1", "global", "    master-worker", ".endif"]
               |                           ^^^^^^^^^^ outside of a section
               |
               = help: begin with a line such as "listen stats", or move the line to `raw` of its frontend or backend

            error: `master-worker` is not possible in the global section: vipkeeper starts HAProxy with -W already
              --> vipkeeper.toml:26:49
               |
            26 | raw_sections = ["# mine", "bind *:1", "global", "    master-worker", ".endif"]
               |                                                 ^^^^^^^^^^^^^^^^^^^ refused
               |
               = help: leave it out

            error: `.endif` without `.if` in the same list
              --> vipkeeper.toml:26:70
               |
            26 | raw_sections = ["# mine", "bind *:1", "global", "    master-worker", ".endif"]
               |                                                                      ^^^^^^^^ nothing to close
               |
               = help: remove it, or add ".if" before

            vipkeeper.toml: 3 problems
        "##]],
    );
}

#[test]
fn binds_are_checked() {
    check_edit(
        r#""www:80""#,
        r#""www:80", "192.168.83.111:80""#,
        &expect![[r#"
        error: 192.168.83.111:80 is bound twice
          --> vipkeeper.toml:18:19
           |
        18 | bind = ["www:80", "192.168.83.111:80"]
           |         --------  ^^^^^^^^^^^^^^^^^^^ bound again
           |         |
           |         first bound here
           |
           = note: HAProxy would give each of the two some of the connections
           = help: use another port or address

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_edit(
        r#""www:80""#,
        r#""192.168.83.131:80""#,
        &expect![[r#"
        error: 192.168.83.131 is the address of node "lb1" alone
          --> vipkeeper.toml:18:9
           |
         3 | address = "192.168.83.131"
           |           ---------------- defined here
        ...
        18 | bind = ["192.168.83.131:80"]
           |         ^^^^^^^^^^^^^^^^^^^ the proxy would not start on the others
           |
           = help: write "*:80" for all addresses, or bind a VIP

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_edit(
        r#""www:80""#,
        r#""wwww:80", "80", ":80", "www:http""#,
        &expect![[r#"
            error: there is no [[vip]] named "wwww"
              --> vipkeeper.toml:18:9
               |
            18 | bind = ["wwww:80", "80", ":80", "www:http"]
               |         ^^^^^^^^^ refers to nothing
               |
               = help: did you mean "www"?

            error: a bind is "VIP:port", "*:port", "address:port" or the path of a unix socket
              --> vipkeeper.toml:18:20
               |
            18 | bind = ["wwww:80", "80", ":80", "www:http"]
               |                    ^^^^ no port
               |
               = help: write "*:80", or the name of a [[vip]] in place of the star

            error: a bind is "VIP:port", "*:port", "address:port" or the path of a unix socket
              --> vipkeeper.toml:18:26
               |
            18 | bind = ["wwww:80", "80", ":80", "www:http"]
               |                          ^^^^^ nothing before the port
               |
               = help: write "*:80" for all addresses, or the name of a [[vip]] in place of the star

            error: a bind is "VIP:port", "*:port", "address:port" or the path of a unix socket
              --> vipkeeper.toml:18:33
               |
            18 | bind = ["wwww:80", "80", ":80", "www:http"]
               |                                 ^^^^^^^^^^ the port is not a number from 1 to 65535
               |
               = help: write one port per entry

            vipkeeper.toml: 4 problems
        "#]],
    );
    check_edit(
        r#""www:80""#,
        r#"{ address = "www:80", options = "ssl\ncrt" }"#,
        &expect![[r#"
        error: `options` must be one line of at most 2000 bytes
          --> vipkeeper.toml:18:41
           |
        18 | bind = [{ address = "www:80", options = "ssl\ncrt" }]
           |                                         ^^^^^^^^^^ line break or control character
           |
           = help: write further lines as entries of their own in the raw list of the section

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_edit(
        r#"bind = ["www:80"]"#,
        "bind = []",
        &expect![[r#"
            error: `bind` of [[frontend]] must not be empty
              --> vipkeeper.toml:18:8
               |
            18 | bind = []
               |        ^^
               |
               = note: "VIP:port", "*:port", "address:port", or the absolute path of a unix socket.
               = help: write, for example, `bind = ["www:80"]`

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn modes_of_frontend_and_backend_agree() {
    check_edit(
        r#"name = "web"
"#,
        r#"name = "web"
mode = "tcp"
"#,
        &expect![[r#"
            error: this frontend has mode http, and its backend "web" mode tcp
              --> vipkeeper.toml:19:19
               |
            19 | default_backend = "web"
               |                   ^^^^^ mode http by default
            ...
            23 | mode = "tcp"
               |        ----- mode tcp
               |
               = help: write `mode = "tcp"` in the frontend, or use another backend

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_more(
        r#"[[frontend]]
name = "db"
mode = "tcp"
bind = ["*:1"]
default_backend = "web"
"#,
        &expect![[r#"
            error: this frontend has mode tcp, and its backend "web" mode http
              --> vipkeeper.toml:27:8
               |
            19 | default_backend = "web"
               |                   ----- mode http, from its other frontend
            ...
            27 | mode = "tcp"
               |        ^^^^^ mode tcp
               |
               = help: write `mode = "http"` in the frontend, or use another backend

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn references_to_nothing_are_reported() {
    check_edit(
        r#"default_backend = "web""#,
        r#"default_backend = "wbe""#,
        &expect![[r#"
        error: there is no [[backend]] named "wbe"
          --> vipkeeper.toml:19:19
           |
        19 | default_backend = "wbe"
           |                   ^^^^^ refers to nothing
           |
           = help: did you mean "web"?

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_edit(
        "vrid = 51",
        r#"vrid = 51
track = [{ backend = "database", weight = -20 }]"#,
        &expect![[r#"
            error: there is no [[backend]] named "database"
              --> vipkeeper.toml:14:22
               |
            14 | track = [{ backend = "database", weight = -20 }]
               |                      ^^^^^^^^^^ refers to nothing
               |
               = help: known are "web"

            vipkeeper.toml: 1 problem
        "#]],
    );
}

#[test]
fn backends_are_checked() {
    check_edit(
        r#"name = "web"
"#,
        r#"name = "web"
balance = "round-robin"
check = { http = "/index.html" }
"#,
        &expect![[r#"
            error: `balance` must be an algorithm of HAProxy
              --> vipkeeper.toml:23:11
               |
            23 | balance = "round-robin"
               |           ^^^^^^^^^^^^^ unknown algorithm
               |
               = help: did you mean "roundrobin"?

            error: `http` must be a method in capitals and a path
              --> vipkeeper.toml:24:18
               |
            24 | check = { http = "/index.html" }
               |                  ^^^^^^^^^^^^^ not "METHOD /path"
               |
               = help: write "GET /index.html"

            vipkeeper.toml: 2 problems
        "#]],
    );
    check_edit(
        r#"name = "web"
"#,
        r#"name = "web"
check = { interval = "2s" }
"#,
        &expect![[r#"
            error: a check must say what is checked, such as `http` or `tcp`
              --> vipkeeper.toml:23:9
               |
            23 | check = { interval = "2s" }
               |         ^^^^^^^^^^^^^^^^^^^ nothing is
               |
               = note: the kinds are `tcp`, `http`, `mysql`, `pgsql`, `redis`, `smtp`, `ldap`, `ssl_hello`, `patroni`, `rabbitmq` or `script`
               = help: add `http = "GET /"` or `tcp = true`; without `check` servers always count as up

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        r#"name = "web"
"#,
        r#"name = "web"
check = { http = "GET /", tcp = true }
"#,
        &expect![[r#"
            error: a check is either `tcp` or `http`
              --> vipkeeper.toml:23:18
               |
            23 | check = { http = "GET /", tcp = true }
               |                  ^^^^^^^        ---- here
               |                  |
               |                  the other is there too
               |
               = help: remove one of the two

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_edit(
        "192.168.83.129:8080",
        "192.168.83.129",
        &expect![[r#"
        error: the address of a server must be "host:port"
          --> vipkeeper.toml:23:38
           |
        23 | server = [{ name = "web1", address = "192.168.83.129" }]
           |                                      ^^^^^^^^^^^^^^^^ no port
           |
           = help: write "192.168.83.129:80"

        vipkeeper.toml: 1 problem
    "#]],
    );
    check_edit(
        r#"192.168.83.129:8080" }"#,
        r#"192.168.83.129:8080", weight = 0 }, { name = "web1", address = "::1:80", weight = 0 }"#,
        &expect![[r#"
            error: all servers of this backend have weight 0
              --> vipkeeper.toml:23:10
               |
            23 | server = [{ name = "web1", address = "192.168.83.129:8080", weight = 0 }, { name = "web1", address = "::1:80", weight = 0 }]
               |          ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^ none would get a request
               |
               = help: give at least one a weight from 1 to 256

            error: two servers of this backend are named "web1"
              --> vipkeeper.toml:23:84
               |
            23 | server = [{ name = "web1", address = "192.168.83.129:8080", weight = 0 }, { name = "web1", address = "::1:80", weight = 0 }]
               |                    ------ first used here                                          ^^^^^^ used again
               |
               = help: give each a name of its own

            error: the address of a server must be "host:port"
              --> vipkeeper.toml:23:102
               |
            23 | server = [{ name = "web1", address = "192.168.83.129:8080", weight = 0 }, { name = "web1", address = "::1:80", weight = 0 }]
               |                                                                                                      ^^^^^^^^ an IPv6 address needs brackets
               |
               = help: write "[::1]:80"

            vipkeeper.toml: 3 problems
        "#]],
    );
}

#[test]
fn hooks_are_programs_without_a_shell() {
    check_edit(
        "vrid = 51",
        r#"vrid = 51
notify = "/bin/logger -t vip""#,
        &expect![[r#"
            error: `notify` is a program, not a command line: no shell splits it
              --> vipkeeper.toml:14:10
               |
            14 | notify = "/bin/logger -t vip"
               |          ^^^^^^^^^^^^^^^^^^^^ white space
               |
               = note: if a shell is wanted, name it: ["/bin/sh", "-c", "..."]
               = help: write `notify = ["/bin/logger", "-t", "vip"]`

            vipkeeper.toml: 1 problem
        "#]],
    );
    check_more(
        r#"[hooks]
notify_master = ["on-master", "x"]
notify_stop = []
timeout = "1ms"
"#,
        &expect![[r#"
            error: `notify_master` must start with the absolute path of a program
              --> vipkeeper.toml:26:18
               |
            26 | notify_master = ["on-master", "x"]
               |                  ^^^^^^^^^^^ not absolute
               |
               = note: it runs without PATH and in no particular directory
               = help: write, for example, "/usr/local/bin/on-master"

            error: `notify_stop` must name a program
              --> vipkeeper.toml:27:15
               |
            27 | notify_stop = []
               |               ^^
               |
               = help: leave the key out, or name a program

            error: `hooks.timeout` must be from 100ms to 1h
              --> vipkeeper.toml:28:11
               |
            28 | timeout = "1ms"
               |           ^^^^^ too short
               |
               = help: write `timeout = "100ms"`, or something between

            vipkeeper.toml: 3 problems
        "#]],
    );
}

#[test]
fn names_fit_into_haproxys_file() {
    check_edit(
        r#"name = "web"
"#,
        r#"name = "my web"
"#,
        &expect![[r#"
            error: there is no [[backend]] named "web"
              --> vipkeeper.toml:19:19
               |
            19 | default_backend = "web"
               |                   ^^^^^ refers to nothing
               |
               = help: known are "my web"

            error: a name must be 1-63 of A-Z a-z 0-9 _ . -, not "my web"
              --> vipkeeper.toml:22:8
               |
            22 | name = "my web"
               |        ^^^^^^^^
               |
               = help: write "my-web"

            vipkeeper.toml: 2 problems
        "#]],
    );
    check_edit(
        r#"name = "www"
addresses"#,
        r#"name = "10.0.0.1"
addresses"#,
        &expect![[r#"
            error: a [[vip]] must not be named like an address
              --> vipkeeper.toml:10:8
               |
            10 | name = "10.0.0.1"
               |        ^^^^^^^^^^
               |
               = help: write a word, such as "www"

            error: there is no [[vip]] named "www"
              --> vipkeeper.toml:18:9
               |
            18 | bind = ["www:80"]
               |         ^^^^^^^^ refers to nothing
               |
               = help: known are "10.0.0.1"

            vipkeeper.toml: 2 problems
        "#]],
    );
}

#[test]
fn control_characters_do_not_reach_the_terminal() {
    check_edit(
        r#"interface = "eth0""#,
        r#"interface = "\u001b[31m"
"\u001b]0;x" = 1"#,
        &expect![[r#"
            error: an interface name must be 1-15 bytes without '/', ':' or white space, not "\u{1b}[31m"
              --> vipkeeper.toml:12:13
               |
            12 | interface = "\u001b[31m"
               |             ^^^^^^^^^^^^
               |
               = help: write the name that `ip link` shows

            error: unknown key `\u{1b}]0;x` in [[vip]]
              --> vipkeeper.toml:13:1
               |
            13 | "\u001b]0;x" = 1
               | ^^^^^^^^^^^^
               |
               = help: known here: accept, addresses, advert_interval, announce, auth, checksum, down_multiplier, excluded, grace, interface, link_hold, multicast_group, name, notify, notify_backup, notify_fault, notify_master, notify_stop, on_release, preempt, preempt_delay, prefer, priority, routes, rules, track, transport, version, vmac, vrid

            vipkeeper.toml: 2 problems
        "#]],
    );
}

#[test]
fn problems_of_every_kind_and_file_come_in_one_report() {
    let main = format!("{}[proxy]\nengin = \"haproxy\"\n", pair_with("vrid = 51", "vrid = \"51\""));
    let more = "include = [\"x\"]\n[proxy]\n[[frontend]]\nname = \"www\"\nbind = [\"www:81\"]\ndefault_backend = \"webb\"\nmod = 1\n";
    let sources = Sources { files: vec![source("vipkeeper.toml", &main), source("conf.d/more.toml", more)] };
    expect![[r#"
        error: `vrid` of [[vip]] must be a whole number
          --> vipkeeper.toml:13:8
           |
        13 | vrid = "51"
           |        ^^^^ this is a string
           |
           = note: Virtual router identifier: the same on every node, and no other's on that network.
           = help: write `51` without quotes

        error: unknown key `engin` in [proxy]
          --> vipkeeper.toml:26:1
           |
        26 | engin = "haproxy"
           | ^^^^^
           |
           = help: did you mean `engine`?

        error: only the main file may have `include`
         --> conf.d/more.toml:1:11
          |
        1 | include = ["x"]
          |           ^^^^^
          |
          = help: move the patterns to the main file

        error: [proxy] may appear only once in all files
          --> conf.d/more.toml:2:1
           |
         2 | [proxy]
           | ^^^^^^^ here again
           |
          ::: vipkeeper.toml:25:1
           |
        25 | [proxy]
           | ------- first here
           |
           = help: merge the two

        error: two [[frontend]] are named "www"
          --> conf.d/more.toml:4:8
           |
         4 | name = "www"
           |        ^^^^^ used again
           |
          ::: vipkeeper.toml:17:8
           |
        17 | name = "www"
           |        ----- first used here
           |
           = help: give each a name of its own

        error: there is no [[backend]] named "webb"
         --> conf.d/more.toml:6:19
          |
        6 | default_backend = "webb"
          |                   ^^^^^^ refers to nothing
          |
          = help: did you mean "web"?

        error: unknown key `mod` in [[frontend]]
         --> conf.d/more.toml:7:1
          |
        7 | mod = 1
          | ^^^
          |
          = help: did you mean `mode`?

        vipkeeper.toml: 7 problems
    "#]]
    .assert_eq(&report(&sources));
}

#[test]
fn an_empty_file_says_what_is_needed() {
    check(
        "",
        &expect![[r#"
        error: there is no [[node]]
         --> vipkeeper.toml:1:1
          |
        1 |
          | ^
          |
          = help: add a [[node]] with the `name` and the `address` of each host that runs vipkeeper

        error: there is no [[vip]]
         --> vipkeeper.toml:1:1
          |
        1 |
          | ^
          |
          = help: add a [[vip]] with `name`, `addresses`, `interface`, `vrid` and `prefer`

        error: there is no [[frontend]]: the proxy would serve nothing
         --> vipkeeper.toml:1:1
          |
        1 |
          | ^
          |
          = help: add a [[frontend]] with `name`, `bind` and `default_backend`

        vipkeeper.toml: 3 problems
    "#]],
    );
}

#[test]
fn too_much_of_everything_is_refused() {
    let nodes: String = (0..17).map(|n| format!("[[node]]\nname = \"n{n}\"\naddress = \"10.9.0.{n}\"\n")).collect();
    check(
        &PAIR.replacen("[[vip]]", &format!("{nodes}[[vip]]"), 1),
        &expect![[r#"
        error: there may be at most 16 [[node]], not 19
          --> vipkeeper.toml:51:1
           |
        51 | [[node]]
           | ^^^^^^^^ one too many
           |
           = help: run several vipkeepers, each with its part

        vipkeeper.toml: 1 problem
    "#]],
    );
    let vips: String = (0..1_000)
        .map(|n| format!("[[vip]]\nname = \"v{n}\"\naddresses = [\"10.{}.{}.1/24\"]\ninterface = \"e{n}\"\nvrid = 1\nprefer = [\"lb1\"]\n", n / 250, n % 250))
        .collect();
    check_more(
        &vips,
        &expect![[r#"
            error: there may be at most 1000 [[vip]], not 1001
                --> vipkeeper.toml:6019:1
                 |
            6019 | [[vip]]
                 | ^^^^^^^ one too many
                 |
                 = help: run several vipkeepers, each with its part

            vipkeeper.toml: 1 problem
        "#]],
    );
    let frontends: String = (0..1_000)
        .map(|n| format!("[[frontend]]\nname = \"f{n}\"\nbind = [\"*:{}\"]\ndefault_backend = \"web\"\n", n + 1))
        .collect();
    check_more(
        &frontends,
        &expect![[r#"
        error: there may be at most 1000 [[frontend]], not 1001
            --> vipkeeper.toml:4021:1
             |
        4021 | [[frontend]]
             | ^^^^^^^^^^^^ one too many
             |
             = help: run several vipkeepers, each with its part

        vipkeeper.toml: 1 problem
    "#]],
    );
    let servers: String = (0..10_000).map(|n| format!("{{ name = \"s{n}\", address = \"h:1\" }},\n")).collect();
    check_more(
        &format!("[[backend]]\nname = \"big\"\nserver = [\n{servers}]\n"),
        &expect![[r#"
        error: there may be at most 10000 servers in all backends together
          --> vipkeeper.toml:27:10
           |
        27 | server = [
           |          ^ too many with these
           |
           = help: run several vipkeepers, each with its part

        vipkeeper.toml: 1 problem
    "#]],
    );
    check(
        &"#".repeat((1 << 20) + 1),
        &expect![[r#"
        error: a file may have at most 1048576 bytes
         --> vipkeeper.toml:1:1
          |
        1 | #####################################################################################################################################...
          | ^
          |
          = help: split it, and name the parts in `include` of the main file

        vipkeeper.toml: 1 problem
    "#]],
    );
    let files = (0..257).map(|n| source(&format!("{n}.toml"), "")).collect();
    expect![[r#"
        error: a configuration is made of 1 to 256 files, not 257
         --> 0.toml:1:1
          |
        1 |
          | ^
          |
          = help: narrow the patterns of `include`

        0.toml: 1 problem
    "#]]
    .assert_eq(&report(&Sources { files }));
}

#[test]
fn no_file_at_all_is_a_problem_too() {
    let nothing = Sources { files: Vec::new() };
    let problems = load(&nothing).unwrap_err();
    assert!(problems.report(&nothing, Colour::None).contains("made of 1 to 256 files, not 0"));
    assert_eq!(problems.records(&nothing).len(), 1);
}

#[test]
fn a_long_report_shows_the_first_problems_and_counts_the_others() {
    let text: String = (0..150).map(|n| format!("unknown{n:03} = 1\n")).collect();
    let sources = one(&text);
    let problems = load(&sources).unwrap_err();
    let report = problems.report(&sources, Colour::None);
    assert_eq!(report.matches("error: ").count(), SHOWN_MAX);
    assert!(report.contains("unknown099") && !report.contains("unknown100"));
    assert!(report.ends_with("vipkeeper.toml: 150 problems: the first 100 are shown, and 50 more\n"), "{report}");
    assert_eq!(problems.records(&sources).len(), SHOWN_MAX);
}

#[test]
fn a_long_name_does_not_make_a_long_report() {
    let sources = one(&pair_with("\"eth0\"", &format!("\"{}\"", "x".repeat(500_000))));
    let report = report(&sources);
    assert!(report.contains("an interface name must be"), "{report}");
    assert!(report.len() < 2_000, "{}", report.len());
}

#[test]
fn machines_get_file_line_column_message_and_fix() {
    let sources =
        one(&pair_with("interface = \"eth0\"", "comment = \"é\"\ninterface = { lb1 = \"eth0\", lb3 = \"é\" }"));
    let records = load(&sources).unwrap_err().records(&sources);
    expect![[r#"
        [
          {
            "file": "vipkeeper.toml",
            "line": 12,
            "column": 1,
            "column_end": 8,
            "message": "unknown key `comment` in [[vip]]",
            "note": null,
            "fix": "known here: accept, addresses, advert_interval, announce, auth, checksum, down_multiplier, excluded, grace, interface, link_hold, multicast_group, name, notify, notify_backup, notify_fault, notify_master, notify_stop, on_release, preempt, preempt_delay, prefer, priority, routes, rules, track, transport, version, vmac, vrid"
          },
          {
            "file": "vipkeeper.toml",
            "line": 13,
            "column": 13,
            "column_end": 40,
            "message": "`interface` says nothing for node \"lb2\": incomplete",
            "note": null,
            "fix": "add `lb2 = \"eth0\"` with its interface"
          },
          {
            "file": "vipkeeper.toml",
            "line": 13,
            "column": 29,
            "column_end": 32,
            "message": "there is no [[node]] named \"lb3\": refers to nothing",
            "note": null,
            "fix": "did you mean \"lb1\"?"
          }
        ]"#]].assert_eq(&serde_json::to_string_pretty(&records).unwrap());
}

#[test]
fn the_terminal_gets_the_same_text_in_colour() {
    let sources = one(&pair_with("vrid = 51", "vrid = 300"));
    let problems = load(&sources).unwrap_err();
    let coloured = problems.report(&sources, Colour::Ansi);
    assert!(coloured.contains("\u{1b}["));
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, escape)) = rest.split_once("\u{1b}[") {
        plain.push_str(before);
        rest = escape.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, problems.report(&sources, Colour::None));
}
