//! What later versions of HAProxy say, as far as it is known without them: see the head of each fixture.

use vipkeeper::proxy::Sample;
use vipkeeper::proxy::capabilities::Capabilities;
use vipkeeper::proxy::master::{Processes, ReloadAnswer};
use vipkeeper::proxy::server_state;
use vipkeeper::proxy::stats::connections_in;

const TRANSCRIPTS: [((u32, u32), &str); 4] = [
    ((2, 8), include_str!("fixtures/haproxy-2.8-composed.txt")),
    ((3, 0), include_str!("fixtures/haproxy-3.0-composed.txt")),
    ((3, 2), include_str!("fixtures/haproxy-3.2-composed.txt")),
    ((3, 4), include_str!("fixtures/haproxy-3.4-composed.txt")),
];

/// Recorded from Debian 12's HAProxy.
const DEBIAN_12: &str = include_str!("fixtures/haproxy-2.6-vv.txt");

/// The answer to a command.
fn answer<'a>(transcript: &'a str, command: &str) -> &'a str {
    let from = transcript.find(&format!("==== {command}\n")).expect("it is in the transcript");
    let body = transcript[from..].split_once('\n').unwrap().1;
    body.find("\n==== ").map_or(body, |end| &body[..=end])
}

#[test]
fn who_serves_is_read_in_every_version() {
    for (version, transcript) in TRANSCRIPTS {
        let now = Processes::parse(answer(transcript, "show proc")).unwrap();
        assert_eq!((now.master.pid, now.failed_reloads), (7736, Some(0)), "{version:?}");
        assert_eq!((now.workers[0].pid, now.old_workers[0].pid), (7949, 7741), "{version:?}");
        assert_eq!(now.old_workers[0].uptime_secs(), Some(93_604), "{version:?}");
        let failed = Processes::parse(answer(transcript, "show proc after a failed reload")).unwrap();
        assert_eq!(failed.reloaded_since(&now), Some(false), "{version:?}");
        // The survivor: from 3.1 on it is listed as an old one.
        let (serving, old) = (failed.workers.len(), failed.old_workers.len());
        assert_eq!((serving, old), if version < (3, 1) { (1, 0) } else { (0, 1) }, "{version:?}");
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
        let (info, stat) = (answer(transcript, "show info"), answer(transcript, "show stat"));
        let sample = Sample::parse(&format!("{info}{stat}")).unwrap();
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
