//! The stats socket's answers, as recorded and as nobody should send them.

use expect_test::expect;
use proptest::prelude::*;
use vipkeeper::proxy::Sample;
use vipkeeper::proxy::stats::StatsError;
use vipkeeper::units::Digest;

/// Recorded from HAProxy 2.6.12 as Debian 12 has it.
const SERVING: &str = include_str!("fixtures/haproxy-2.6-serving.txt");

/// The same while its frontend is paused.
const PAUSED: &str = include_str!("fixtures/haproxy-2.6-paused.txt");

#[test]
fn a_serving_proxy_is_read() {
    expect![[r#"
        Sample {
            pid: 16185,
            version: (
                2,
                6,
            ),
            version_text: "2.6.12-1+deb12u4",
            generation: Some(
                Digest(
                    81985529216486895,
                ),
            ),
            stopping: false,
            connections: 0,
            connections_max: 1000,
            accepted: Some(
                2,
            ),
            uptime_secs: 1,
            refused: 0,
            frontends: [
                (
                    "www",
                    "OPEN",
                ),
            ],
            backends: [
                BackendSample {
                    name: "web",
                    status: "DOWN",
                    servers_up: 0,
                    queued: 0,
                },
            ],
            listening: None,
        }
    "#]]
    .assert_debug_eq(&Sample::parse(SERVING).unwrap());
}

#[test]
fn a_paused_frontend_is_seen() {
    let sample = Sample::parse(PAUSED).unwrap();
    assert_eq!(sample.frontends, [("www".to_owned(), "PAUSED".to_owned())]);
}

#[test]
fn columns_are_found_by_name_and_new_ones_ignored() {
    let moved =
        SERVING.replace("# pxname,svname,", "# new,pxname,svname,").replace("\nwww,FRONTEND", "\n7,www,FRONTEND");
    let moved = moved.replace("\nweb,BACKEND", "\n\"a,\"\"b\",web,BACKEND");
    let sample = Sample::parse(&moved).unwrap();
    assert_eq!(sample.frontends, Sample::parse(SERVING).unwrap().frontends);
    assert_eq!(sample.backends, Sample::parse(SERVING).unwrap().backends);
}

#[test]
fn versions_of_all_kinds_are_read() {
    for (text, version) in [("2.6.12-1+deb12u4", (2, 6)), ("3.4-dev5", (3, 4)), ("3.0.0", (3, 0)), ("2.8", (2, 8))] {
        let sample = Sample::parse(&SERVING.replace("Version: 2.6.12-1+deb12u4", &format!("Version: {text}"))).unwrap();
        assert_eq!((sample.version, sample.version_text.as_str()), (version, text));
    }
}

#[test]
fn a_description_that_is_not_ours_has_no_generation() {
    let with =
        |d: &str| Sample::parse(&SERVING.replace("vipkeeper generation 0123456789abcdef", d)).unwrap().generation;
    assert_eq!(with("vipkeeper generation 00000000000000ff"), Some(Digest(255)));
    assert_eq!(with("edge proxy of the shop"), None);
    assert_eq!(with("vipkeeper generation 123"), None);
}

#[test]
fn internal_proxies_do_not_count() {
    let with = SERVING.replace("\nwww,FRONTEND", "\n<HTTPCLIENT>,FRONTEND,,,0,0,,0,0,0,0,0,0,,,,,STOP,\nwww,FRONTEND");
    assert_eq!(Sample::parse(&with).unwrap().frontends, Sample::parse(SERVING).unwrap().frontends);
}

#[test]
fn a_fact_that_is_missing_makes_the_probe_a_failed_one() {
    let error = |text: &str| Sample::parse(text).unwrap_err();
    assert_eq!(error(""), StatsError::Empty);
    assert_eq!(error("\n\n"), StatsError::Empty);
    assert_eq!(error(&SERVING[..SERVING.len() - 1]), StatsError::CutOff(SERVING.len() - 1));
    for field in ["Pid", "Version", "Stopping", "CurrConns", "Maxconn", "Uptime_sec"] {
        let without = SERVING.replace(&format!("\n{field}:"), "\nOther:");
        assert_eq!(error(&without), StatsError::Info(field));
        let wrong = SERVING.replace(&format!("\n{field}: "), &format!("\n{field}: x"));
        assert_eq!(error(&wrong), StatsError::Info(field));
    }
    assert_eq!(error(&SERVING.replace("# pxname", "pxname")), StatsError::Column("pxname"));
    assert_eq!(error(&SERVING.replace(",status,", ",state,")), StatsError::Column("status"));
    assert_eq!(error(&SERVING.replace("\nweb,BACKEND,", "\nweb,BACKEND\nrest,")), StatsError::Row(2));
    assert_eq!(error("HTTP/1.0 400 Bad request\n\n"), StatsError::Column("pxname"));
}

proptest! {
    #[test]
    fn hostile_answers_never_panic(text in any::<String>()) {
        prop_assert!(Sample::parse(&text).is_err());
    }

    #[test]
    fn damaged_answers_never_panic(at in 0..SERVING.len(), cut in 0..200usize, insert in ".{0,20}") {
        let end = (at + cut).min(SERVING.len());
        let damaged = format!("{}{insert}{}", &SERVING[..at], &SERVING[end..]);
        if let Ok(sample) = Sample::parse(&damaged) {
            prop_assert!(sample.frontends.len() + sample.backends.len() <= 2 + insert.len());
        }
    }
}
