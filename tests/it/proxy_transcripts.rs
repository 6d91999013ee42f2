//! What later versions of HAProxy say: recorded by tests/record/haproxy.py, which tells how.

use vipkeeper::proxy::Sample;
use vipkeeper::proxy::capabilities::Capabilities;
use vipkeeper::proxy::master::{Processes, ReloadAnswer};
use vipkeeper::proxy::server_state;
use vipkeeper::proxy::stats::connections_in;

const TRANSCRIPTS: [((u32, u32), &str); 4] = [
    ((2, 8), include_str!("fixtures/haproxy-2.8-recorded.txt")),
    ((3, 0), include_str!("fixtures/haproxy-3.0-recorded.txt")),
    ((3, 2), include_str!("fixtures/haproxy-3.2-recorded.txt")),
    ((3, 4), include_str!("fixtures/haproxy-3.4-recorded.txt")),
];

/// Recorded from Debian 12's HAProxy.
const DEBIAN_12: &str = include_str!("fixtures/haproxy-2.6-vv.txt");

/// The answer to a command.
fn answer<'a>(transcript: &'a str, command: &str) -> &'a str {
    let from = transcript.find(&format!("==== {command}\n")).expect("it is in the transcript");
    let body = transcript[from..].split_once('\n').unwrap().1;
    body.find("\n==== ").map_or(body, |end| &body[..=end])
}

fn sample(transcript: &str) -> Sample {
    let (info, stat) = (answer(transcript, "show info"), answer(transcript, "show stat"));
    Sample::parse(&format!("{info}{stat}")).unwrap()
}

#[test]
fn who_serves_is_read_in_every_version() {
    for (version, transcript) in TRANSCRIPTS {
        let now = Processes::parse(answer(transcript, "show proc")).unwrap();
        assert_eq!((now.master.reloads, now.failed_reloads), (1, Some(0)), "{version:?}");
        let sample = sample(transcript);
        let (serving, old) = (&now.workers[..], &now.old_workers[..]);
        assert_eq!((serving.len(), serving[0].pid, old.len()), (1, sample.pid, 1), "{version:?}");
        assert!(old[0].pid != sample.pid && old[0].uptime_secs().is_some_and(|secs| secs < 5), "{version:?}");
        let failed = Processes::parse(answer(transcript, "show proc after a failed reload")).unwrap();
        assert_eq!(failed.reloaded_since(&now), Some(false), "{version:?}");
        // The survivor: from 3.1 on it is listed as an old one, beside one that really is.
        let place = if version < (3, 1) { &failed.workers } else { &failed.old_workers };
        assert!(place.iter().any(|worker| worker.pid == sample.pid), "{version:?}");
        assert_eq!((failed.workers.len(), failed.old_workers.len()), if version < (3, 1) { (1, 1) } else { (0, 2) });
    }
}

#[test]
fn reload_answers_are_read_in_every_version() {
    for (version, transcript) in TRANSCRIPTS {
        assert_eq!(ReloadAnswer::parse(answer(transcript, "reload")), Some(ReloadAnswer::Succeeded), "{version:?}");
        let Some(ReloadAnswer::Failed { log }) = ReloadAnswer::parse(answer(transcript, "reload that fails")) else {
            panic!("{version:?}")
        };
        assert!(log.contains("unknown keyword 'frobnicate'"), "{version:?}: {log}");
    }
}

#[test]
fn samples_are_read_in_every_version() {
    for (version, transcript) in TRANSCRIPTS {
        let (info, sample) = (answer(transcript, "show info"), sample(transcript));
        assert_eq!(sample.version, version);
        assert!(sample.frontends.iter().any(|(name, status)| name == "www" && status == "OPEN"), "{version:?}");
        assert_eq!(connections_in(info), Some(sample.connections), "{version:?}");
        assert!(sample.generation.is_some(), "{version:?}");
    }
}

#[test]
fn states_of_servers_are_read_in_every_version() {
    for (version, transcript) in TRANSCRIPTS {
        let (info, states) = (answer(transcript, "show info"), answer(transcript, "show servers state"));
        let generation = info.lines().find_map(|line| line.strip_prefix("description: ")).expect("ours");
        let text = format!(
            "global\n  description \"{generation}\"\nbackend web\n  server web1 192.0.2.129:8080 weight 10\n  server web2 192.0.2.130:8080\n"
        );
        let moved = text.replace("192.0.2.130:8080", "192.0.2.130:8081");
        let kept = server_state::keep(&format!("{info}{states}"), &[&text], &moved, None).unwrap();
        assert_eq!((kept.servers, kept.left_out), (1, 1), "{version:?}");
        assert!(kept.text.contains(" web1 ") && !kept.text.contains(" web2 "), "{version:?}: {}", kept.text);
    }
}

#[test]
fn what_a_binary_can_do_is_read_in_every_version() {
    for (version, transcript) in TRANSCRIPTS {
        let capabilities = Capabilities::parse(answer(transcript, "haproxy -vv")).unwrap();
        assert_eq!(capabilities.version, version);
        assert!(capabilities.has("OPENSSL") && capabilities.has("PROMEX"), "{version:?}");
        assert_eq!(capabilities.has("QUIC"), version >= (3, 0), "{version:?}");
        assert!(capabilities.is_at_least((2, 8)) && !capabilities.is_at_least((3, 5)), "{version:?}");
    }
}

#[test]
fn what_debian_12_installs_has_no_quic() {
    let capabilities = Capabilities::parse(DEBIAN_12).unwrap();
    assert_eq!((capabilities.version, capabilities.version_text.as_str()), ((2, 6), "2.6.12-1+deb12u4"));
    assert!(capabilities.has("OPENSSL") && capabilities.has("PROMEX") && capabilities.offers("prometheus-exporter"));
    assert!(!capabilities.has("QUIC") && !capabilities.has("SHM_OPEN") && !capabilities.has("no such thing"));
    assert!(capabilities.features().all(|name| capabilities.has(name)) && capabilities.features().count() > 20);
}

#[test]
fn what_is_not_haproxy_is_not_believed() {
    for text in ["", "nginx version: nginx/1.22.1\n", "HAProxy version \n", "HAProxy version 2.6.12 2023\n"] {
        assert!(Capabilities::parse(text).is_err(), "{text:?}");
    }
}

#[test]
fn what_a_binary_lacks_is_told_with_its_place() {
    let text = crate::config::pair_with(
        "bind = [\"www:80\"]",
        "bind = [\"www:80\", { address = \"www:443\", tls = { certificates = [\"/x.pem\"] } }]\ncompression = [\"text/html\"]",
    ) + "\n[proxy]\nstats = { bind = \"127.0.0.1:8404\", prometheus = true }\n";
    let sources = crate::config::one(&text);
    let config = crate::config::loaded(&sources);
    let poor = DEBIAN_12.replace("+OPENSSL", "-OPENSSL").replace("+SLZ", "-SLZ").replace("+ZLIB", "-ZLIB");
    let poor = poor.replace("+PROMEX", "-PROMEX").replace("prometheus-exporter", "none");
    let capable = |text: &str| Capabilities::parse(text).unwrap();
    assert_eq!(capable(DEBIAN_12).suffice(&config, &sources), Ok(()));
    expect_test::expect![[r#"
        vipkeeper.toml:18: TLS needs a HAProxy that was built with OPENSSL, and 2.6.12-1+deb12u4 was not
            bind = ["www:80", { address = "www:443", tls = { certificates = ["/x.pem"] } }]
            help: take it out, or install another HAProxy (see `haproxy -vv`)
        vipkeeper.toml:16: `compression` needs a HAProxy that was built with SLZ or ZLIB, and 2.6.12-1+deb12u4 was not
            [[frontend]]
            help: take it out, or install another HAProxy (see `haproxy -vv`)
        vipkeeper.toml:28: `prometheus` needs a HAProxy that was built with PROMEX, and 2.6.12-1+deb12u4 was not
            stats = { bind = "127.0.0.1:8404", prometheus = true }
            help: take it out, or install another HAProxy (see `haproxy -vv`)"#]]
    .assert_eq(&capable(&poor).suffice(&config, &sources).unwrap_err());
    let old = DEBIAN_12.replace("version 2.6.12", "version 2.4.22");
    expect_test::expect!["HAProxy 2.4.22-1+deb12u4 is too old: install 2.6 or later"]
        .assert_eq(&capable(&old).suffice(&config, &sources).unwrap_err());

    // One name for a frontend and a backend.
    let shared = text
        .replace("name = \"web\"", "name = \"www\"")
        .replace("default_backend = \"web\"", "default_backend = \"www\"");
    let sources = crate::config::one(&shared);
    let config = crate::config::loaded(&sources);
    assert_eq!(capable(DEBIAN_12).suffice(&config, &sources), Ok(()));
    expect_test::expect![[
        r#"HAProxy 3.3 and later will refuse a frontend and a backend of one name ("www"): rename one of them"#
    ]]
    .assert_eq(&capable(DEBIAN_12).outlook(&config).unwrap());
    let (_, latest) = TRANSCRIPTS[3];
    let latest = capable(answer(latest, "haproxy -vv"));
    assert_eq!(latest.outlook(&config), None);
    expect_test::expect![[r#"
        vipkeeper.toml:16: HAProxy 3.4.0-64a335366 refuses a frontend and a backend that are both named "www"
            [[frontend]]
            help: give one of them another name"#]]
    .assert_eq(&latest.suffice(&config, &sources).unwrap_err());
}

#[test]
fn tls_to_servers_and_of_checks_is_tls() {
    for server in ["tls = { verify = \"none\" }", "check_port = 81"] {
        for check in ["tcp = true", "tcp = true, tls = { verify = \"none\" }"] {
            let text = format!(
                "{}\n[[backend]]\nname = \"more\"\ncheck = {{ {check} }}\nserver = [{{ name = \"a\", address = \"192.0.2.1:80\", {server} }}]\n",
                crate::config::PAIR
            );
            let config = crate::config::loaded(&crate::config::one(&text));
            let tls = server.contains("tls") || check.contains("tls");
            assert_eq!(config.features().len(), usize::from(tls), "{server} {check}");
        }
    }
}
