//! Tables of texts and what they cost, and of answers and what they prove.

use std::path::PathBuf;
use std::sync::Arc;

use super::certificate::{self, Exchange};
use super::plan::{Plan, patch, plan};
use super::readback::confirm;
use super::*;
use crate::config::Sources;
use crate::render::Rendered;

const V2_6: (u32, u32) = (2, 6);

/// A file with these servers in backend `web`.
fn file(servers: &str) -> String {
    format!(
        "# Generated\nglobal\n    description \"vipkeeper generation 00000000000000aa\"\n    maxconn 100\n\ndefaults\n    \
         default-server init-addr last,libc,none\n\nfrontend www\n    mode http\n    maxconn 10\n    \
         default_backend web\n\nbackend web\n    balance roundrobin\n    default-server check inter 2s\n{servers}"
    )
}

fn server(name: &str, rest: &str) -> String {
    format!("    server {name} {rest}\n")
}

/// The words of the changes, or of the reason.
fn cost(old: &str, new: &str) -> String {
    match plan(old, new, V2_6) {
        Plan::Nothing => "nothing".to_owned(),
        Plan::Reload(why) => format!("reload: {why}"),
        Plan::Changes(changes) => changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "),
    }
}

#[test]
fn each_difference_of_a_server_has_its_cost() {
    let table = [
        ("192.0.2.1:80 weight 1", "192.0.2.1:80 weight 1", "nothing"),
        ("192.0.2.1:80 weight 1", "192.0.2.1:80 weight 7", "server web/a: weight 7"),
        ("192.0.2.1:80", "192.0.2.1:80 weight 0", "server web/a: weight 0"),
        ("192.0.2.1:80", "[2001:db8::1]:81", "server web/a: address [2001:db8::1]:81"),
        ("192.0.2.1:80", "192.0.2.1:80 maxconn 5", "server web/a: maxconn 5"),
        ("192.0.2.1:80 maxconn 5", "192.0.2.1:80", "server web/a: no maxconn"),
        ("192.0.2.1:80", "192.0.2.1:80 disabled", "server web/a: into maintenance"),
        ("192.0.2.1:80 disabled", "192.0.2.1:80", "server web/a: out of maintenance"),
        ("192.0.2.1:80", "192.0.2.2:80 weight 9", "server web/a: address 192.0.2.2:80; server web/a: weight 9"),
        (
            "a.example:80",
            "b.example:80",
            "reload: server web/a: server a has the address a.example:80, which is no IP and port",
        ),
        ("192.0.2.1:80", "192.0.2.1:80 backup", "reload: server web/a: `backup` changes"),
        ("192.0.2.1:80", "192.0.2.1:80 no-check", "reload: server web/a: `check` changes"),
        ("192.0.2.1:80", "192.0.2.1:80 cookie x", "reload: server web/a: server a has `cookie`, which needs a reload"),
        (
            "192.0.2.1:80 minconn 1 maxconn 5",
            "192.0.2.1:80 minconn 1 maxconn 9",
            "reload: server web/a: `maxconn` beside `minconn` changes",
        ),
        (
            "192.0.2.1:80 sni str(x)",
            "192.0.2.1:80 weight 2 sni 'str(y z)'",
            "reload: server web/a: server a has `'str(y`, which only a file can say",
        ),
    ];
    for (old, new, expect) in table {
        assert_eq!(cost(&file(&server("a", old)), &file(&server("a", new))), expect, "{old} -> {new}");
    }
}

#[test]
fn servers_come_first_and_leave_last_with_what_default_server_says() {
    let old = file(&format!("{}{}", server("a", "192.0.2.1:80"), server("b", "192.0.2.2:80")));
    let new = file(&format!("{}{}", server("b", "192.0.2.2:80 weight 2"), server("c", "192.0.2.3:80 weight 5")));
    let Plan::Changes(changes) = plan(&old, &new, V2_6) else { panic!() };
    let lines: Vec<String> = changes.iter().flat_map(Change::commands).map(|command| command.line).collect();
    assert_eq!(
        lines,
        [
            "add server web/c 192.0.2.3:80 check inter 2s weight 5",
            "enable health web/c",
            "set server web/c state ready",
            "set server web/b weight 2",
            "set server web/a state maint",
            "del server web/a",
        ]
    );
    assert!(matches!(plan(&old, &new, (2, 4)), Plan::Reload(_)), "an older HAProxy cannot");
}

#[test]
fn a_server_that_is_new_may_rest_and_go_unchecked() {
    let old = file(&server("a", "192.0.2.1:80"));
    let new = file(&format!("{}{}", server("a", "192.0.2.1:80"), server("b", "192.0.2.2:80 no-check disabled")));
    let Plan::Changes(changes) = plan(&old, &new, V2_6) else { panic!() };
    let lines: Vec<String> = changes.iter().flat_map(Change::commands).map(|command| command.line).collect();
    assert_eq!(lines, ["add server web/b 192.0.2.2:80 inter 2s"]);
}

#[test]
fn whatever_else_differs_is_a_reload() {
    let old = file(&server("a", "192.0.2.1:80"));
    let changed = |from: &str, to: &str| cost(&old, &old.replace(from, to));
    assert_eq!(changed("    maxconn 10\n", "    maxconn 12\n"), "frontend www: maxconn 12");
    assert_eq!(changed("00aa", "00bb"), "nothing", "the generation is no difference");
    assert_eq!(changed("# Generated", "# Something"), "nothing");
    assert_eq!(changed("    maxconn 10\n", ""), "reload: `frontend www` has no `maxconn 10` any more");
    assert_eq!(changed("    maxconn 100\n", "    maxconn 101\n"), "reload: `global` has `maxconn 101` anew");
    assert_eq!(changed("inter 2s", "inter 3s"), "reload: `backend web` has `default-server check` anew");
    assert_eq!(changed("init-addr last", "init-addr none"), "reload: `defaults` has `default-server init-addr` anew");
    assert_eq!(changed("backend web", "backend web from x"), "reload: `backend web from x` is new");
    let fixed = old.replace("roundrobin", "static-rr");
    assert_eq!(
        cost(&fixed, &fixed.replace("192.0.2.1:80", "192.0.2.1:80 weight 3")),
        "reload: backend web balances by a fixed table of servers"
    );
    let two = format!("{old}{}", server("b", "192.0.2.2:80"));
    let turned = file(&format!("{}{}", server("b", "192.0.2.2:80"), server("a", "192.0.2.1:80")));
    assert_eq!(cost(&two, &turned), "reload: servers of backend web change places");
    // A raw section that is indented all the same is a section, and its servers are its own.
    let raw = format!("{two}  listen other\n{}", server("z", "192.0.2.9:80"));
    assert_eq!(cost(&raw, &raw.replace("z 192.0.2.9", "z 192.0.2.8")), "reload: `listen other` has `server z` anew");
}

#[test]
fn more_changes_than_are_made_one_by_one_are_a_reload() {
    let of = |weight: u32, count: usize| -> String {
        file(
            &(0..count).map(|n| server(&format!("s{n}"), &format!("192.0.2.1:80 weight {weight}"))).collect::<String>(),
        )
    };
    assert!(matches!(plan(&of(1, CHANGES_MAX), &of(2, CHANGES_MAX), V2_6), Plan::Changes(_)));
    assert!(matches!(plan(&of(1, CHANGES_MAX + 1), &of(2, CHANGES_MAX + 1), V2_6), Plan::Reload(_)));
}

#[test]
fn an_answer_is_judged_by_what_was_promised() {
    let change = |what| Change::Server { backend: "web".into(), server: "a".into(), what };
    let one = |what| change(what).commands().remove(0);
    assert_eq!(one(ServerChange::Weight(1)).judge("\n"), Ok(()));
    assert!(one(ServerChange::Weight(1)).judge("No such server.\n\n").unwrap_err().contains("No such server."));
    let address = one(ServerChange::Address("192.0.2.1:80".parse().unwrap()));
    assert_eq!(address.judge("IP changed from '127.0.0.1' to '192.0.2.1' by 'stats socket command'\n\n"), Ok(()));
    assert!(address.judge("\n").unwrap_err().ends_with("nothing"));
}

const ANSWER: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight\n\
3 web 1 a 192.0.2.1 2 0 7 1 100 1 0 2 7 0 0 0 - 80 - 0 0 - - 0\n\
3 web 2 b 2001:db8::1 0 1 1 1 100 1 0 2 0 0 0 0 - 81 - 0 0 - - 0\n\n\
# pxname,svname,qcur,qmax,scur,smax,slim,stot,\nwww,FRONTEND,,,0,0,12,0,\nweb,a,0,0,0,0,5,0,\nweb,b,0,0,0,0,,0,\n\n";

#[test]
fn what_is_in_force_is_read_back_and_nothing_else_passes() {
    let server = |name: &str, what| Change::Server { backend: "web".into(), server: name.into(), what };
    let add =
        |words: &str, checked, disabled, weight| ServerChange::Add { words: words.into(), checked, disabled, weight };
    let frontend = |maxconn| Change::FrontendMaxconn { frontend: "www".into(), maxconn };
    let good = [
        server("a", ServerChange::Weight(7)),
        server("a", ServerChange::Address("192.0.2.1:80".parse().unwrap())),
        server("a", ServerChange::Maxconn(5)),
        server("a", ServerChange::Enable),
        server("b", ServerChange::Disable),
        server("b", ServerChange::Maxconn(0)),
        server("a", add("192.0.2.1:80 check", true, false, 7)),
        server("b", add("[2001:db8::1]:81", false, true, 1)),
        server("c", ServerChange::Remove),
        frontend(12),
    ];
    let bad = [
        server("a", ServerChange::Weight(8)),
        server("a", ServerChange::Address("192.0.2.1:81".parse().unwrap())),
        server("a", ServerChange::Address("192.0.2.2:80".parse().unwrap())),
        server("a", ServerChange::Maxconn(0)),
        server("a", ServerChange::Disable),
        server("b", ServerChange::Enable),
        server("a", add("192.0.2.1:80 check", true, false, 1)),
        server("b", add("[2001:db8::1]:81 check", true, true, 1)),
        server("c", ServerChange::Weight(1)),
        server("a", ServerChange::Remove),
        frontend(10),
    ];
    let confirmed = |changes: Vec<Change>, answer: &str| confirm(&Patch { to: Digest(1), changes }, answer);
    assert_eq!(confirmed(good.to_vec(), ANSWER), Ok(()));
    for one in bad {
        assert!(confirmed(vec![one.clone()], ANSWER).is_err(), "{one}");
    }
    for end in [0, 40, ANSWER.len() - 1] {
        assert!(confirmed(vec![frontend(12)], &ANSWER[..end]).is_err(), "cut off at {end}");
    }
}

/// A text with these binds, and what its files hold.
fn with_reads(binds: &[&str], held: &[(&str, u64)]) -> Rendered {
    let binds: String = binds.iter().map(|bind| format!("    bind :443 ssl {bind}\n")).collect();
    Rendered {
        text: format!("global\n    maxconn 100\nfrontend www\n{binds}"),
        generation: Digest(held.iter().map(|(_, digest)| digest).sum()),
        origins: Vec::new(),
        sources: Arc::new(Sources { files: Vec::new() }),
        files: Vec::new(),
        reads: held.iter().map(|(path, digest)| (PathBuf::from(path), Digest(*digest))).collect(),
    }
}

#[test]
fn a_certificate_that_is_renewed_needs_no_reload_and_any_other_file_does() {
    let changes = |binds: &[&str], old: &[(&str, u64)], new: &[(&str, u64)]| {
        let patch = patch(&with_reads(binds, old), &with_reads(binds, new), V2_6)?;
        Some(patch.changes.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    };
    let file = ["crt /etc/certs/www.pem alpn h2"];
    let renewed = |path: &str| Some(format!("certificate {path}: renewed"));
    assert_eq!(
        changes(&file, &[("/etc/certs/www.pem", 1)], &[("/etc/certs/www.pem", 2)]),
        renewed("/etc/certs/www.pem")
    );
    assert_eq!(changes(&file, &[("/etc/certs/www.pem", 1)], &[("/etc/certs/www.pem", 1)]), None);
    // In a directory that is named.
    for directory in ["crt /etc/certs", "crt /etc/certs/"] {
        let (old, new) =
            ([("/etc/certs/a.pem", 1), ("/etc/certs/b.pem", 1)], [("/etc/certs/a.pem", 1), ("/etc/certs/b.pem", 3)]);
        assert_eq!(changes(&[directory], &old, &new), renewed("/etc/certs/b.pem"), "{directory}");
    }
    // One more, one less, and what is none.
    assert_eq!(changes(&["crt /c"], &[("/c/a", 1)], &[("/c/a", 1), ("/c/b", 1)]), None);
    assert_eq!(changes(&["crt /c"], &[("/c/a", 1), ("/c/b", 1)], &[("/c/a", 1)]), None);
    assert_eq!(changes(&["crt /c/a ca-file /c/ca"], &[("/c/ca", 1)], &[("/c/ca", 2)]), None);
    assert_eq!(changes(&["crt /c/deeper"], &[("/c/a", 1)], &[("/c/a", 2)]), None);
    assert_eq!(changes(&["crt /c"], &[("/c/a.key", 1)], &[("/c/a.key", 2)]), None);
    assert_eq!(changes(&["crt /c"], &[("/c/a;b", 1)], &[("/c/a;b", 2)]), None);
    // Both a certificate and something else: the reload does both.
    let (old, new) = ([("/c/a", 1), ("/err.http", 1)], [("/c/a", 2), ("/err.http", 2)]);
    assert_eq!(changes(&["crt /c/a"], &old, &new), None);
}

const PEM: &str = "-----BEGIN PRIVATE KEY-----\nMIIB\n-----END PRIVATE KEY-----\n\n-----BEGIN CERTIFICATE-----\nMIIC\n\
                   -----END CERTIFICATE-----\n";

#[test]
fn an_exchange_is_one_payload_without_empty_lines() {
    let exchange = Exchange::new("/c/a.pem", PEM.as_bytes()).unwrap();
    assert!(exchange.set.line.starts_with("set ssl cert /c/a.pem <<\n-----BEGIN PRIVATE KEY-----\n"));
    assert!(!exchange.set.line.contains("\n\n"), "{:?}", exchange.set.line);
    assert_eq!(exchange.set.judge("Transaction created for certificate /c/a.pem!\n\n"), Ok(()));
    let refused = exchange.set.judge("unable to load certificate\n").unwrap_err();
    assert_eq!(refused, "HAProxy answers `set ssl cert /c/a.pem <<` with: unable to load certificate");
    assert_eq!(exchange.commit.line, "commit ssl cert /c/a.pem");
}

#[test]
fn what_is_no_certificate_with_its_key_is_left_to_a_reload() {
    for held in [
        &b""[..],
        b"\xff\xfe",
        b"-----BEGIN CERTIFICATE-----\nMIIC\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PRIVATE KEY-----\n-----BEGIN CERTIFICATE-----\n\x1b[2J",
    ] {
        assert!(Exchange::new("/c", held).is_err(), "{held:?}");
    }
    let long = format!("{PEM}{}", "A".repeat(certificate::PEM_BYTES_MAX));
    assert!(Exchange::new("/c", long.as_bytes()).unwrap_err().contains("more than"));
}

#[test]
fn a_commit_is_believed_by_its_last_word_and_its_serial() {
    assert_eq!(certificate::committed("Committing /c.\nSuccess!\n\n"), Ok(()));
    assert!(certificate::committed("Committing /c\nCan't allocate\nFailed!\n").is_err());
    assert!(certificate::committed("").is_err());
    let shown = "Filename: /c\nStatus: Used\nSerial: 0A1b\nnotBefore: x\n";
    assert_eq!(certificate::serial(shown).as_deref(), Some("A1B"));
    assert_eq!(certificate::serial("Serial: 00\n").as_deref(), Some("0"));
    assert_eq!(certificate::serial("Filename: /c\n"), None);
}
