//! What an answer must say, and what follows from each.

use super::*;
use crate::proxy::runtime::Patched;

fn with(frontends: &[(&str, &str)]) -> Sample {
    let frontends = frontends.iter().map(|(name, status)| ((*name).to_owned(), (*status).to_owned())).collect();
    Sample { frontends, ..sample(WORKER) }
}

/// The verdict after one answer of a worker that served.
fn judged(engine: &str, answer: Sample) -> (Lab, Option<String>) {
    let mut lab = Lab::serving(engine).fall(1);
    lab.next_probe();
    lab.say(Ok(answer));
    let why = lab.why().map(str::to_owned);
    (lab, why)
}

#[test]
fn an_answer_must_come_from_a_worker_of_ours_that_serves_every_frontend() {
    let open = [("www", "OPEN"), ("api", "FULL")];
    let table = [
        (with(&open), None),
        (Sample { stopping: true, ..with(&open) }, Some("an old worker answers: it no longer accepts connections")),
        (
            Sample { generation: None, ..with(&open) },
            Some("what answers on the stats socket was not configured by vipkeeper"),
        ),
        (with(&[("www", "OPEN"), ("api", "STOP")]), Some("frontend api is STOP")),
        (with(&[("www", "PAUSED"), ("api", "OPEN")]), Some("frontend www is PAUSED")),
        (with(&[("api", "OPEN")]), Some("frontend www is missing")),
        (with(&[("www", "OPEN"), ("other", "OPEN")]), Some("frontend api is missing")),
        // Of another file it is not known which it should have.
        (Sample { generation: Some(Digest(7)), ..with(&[]) }, None),
    ];
    for (answer, expect) in table {
        assert_eq!(judged("haproxy", answer.clone()).1.as_deref(), expect, "{answer:?}");
    }
    assert_eq!(judged("nginx", with(&[])).1, None, "nginx lists no frontends");
}

#[test]
fn an_answer_to_another_probe_is_none() {
    let mut lab = Lab::serving("haproxy").fall(1);
    lab.next_probe();
    lab.answer(OpId(9_999), Err("connection refused".to_owned()));
    assert_eq!(lab.why(), None);
    lab.bad();
    assert_eq!(lab.why(), Some("connection refused"));
}

#[test]
fn a_worker_that_was_changed_at_run_time_runs_what_the_record_says() {
    let mut lab = Lab::new("haproxy");
    lab.done(ProxyOutcome::Adopted { pid: MASTER, patched: Some(Patched { worker: WORKER, runs: Digest(1) }) });
    let news = lab.say(Ok(Sample { generation: Some(Digest(7)), ..sample(WORKER) }));
    assert!(matches!(news[..], [ProxyNews::Applied(_)]), "{news:?}");
    assert_eq!(lab.proxying.sample.as_ref().unwrap().generation, Some(Digest(1)));
}

#[test]
fn an_answer_is_news_once() {
    let mut lab = Lab::serving("haproxy");
    assert_eq!(lab.proxying.fresh_sample().map(|s| s.pid), Some(WORKER));
    assert_eq!(lab.proxying.fresh_sample(), None);
    lab.next_probe();
    lab.bad();
    assert_eq!(lab.proxying.fresh_sample(), None);
    lab.next_probe();
    lab.good(WORKER);
    assert!(lab.proxying.fresh_sample().is_some());
}

#[test]
fn dropped_connections_are_told_once_a_minute_with_what_was_dropped_since_the_last_answer() {
    let mut lab = Lab::serving("nginx");
    let mut told = Vec::new();
    // The first counter that is seen says nothing, and one that begins anew neither.
    for second in 0..=125_u64 {
        let refused = match second {
            0 => 100,
            1..5 => 100 + 7 * second,
            5..62 => 4,
            _ => 4 + second,
        };
        if second == 0 {
            lab.proxying.sample = None;
        }
        lab.next_probe();
        lab.say(Ok(Sample { refused, ..sample(WORKER) }));
        told.extend(lab.logs().iter().map(|(level, line)| (second, *level, (*line).to_owned())));
    }
    let line = |n: u64| format!("the proxy dropped {n} connections for want of room: raise `maxconn` in [proxy]");
    let expect = [(1, 7), (62, 62), (122, 1)].map(|(second, n)| (second, LogLevel::Warn, line(n)));
    assert_eq!(told, expect);
}

#[test]
fn a_minute_of_dropped_connections_is_a_minute_to_the_millisecond() {
    for (after, told) in [(59_999, false), (60_000, true)] {
        let mut lab = Lab::serving("nginx");
        lab.next_probe();
        lab.say(Ok(Sample { refused: 1, ..sample(WORKER) }));
        assert_eq!(lab.logs().len(), 1);
        lab.now += ms(after);
        lab.turn(|p, now, _, ops, out| {
            let _news = p.answered_well(now, Sample { refused: 2, ..sample(WORKER) }, ops, out);
        });
        assert_eq!(!lab.logs().is_empty(), told, "{after}");
    }
}

#[test]
fn the_kernel_is_asked_who_listens_every_two_seconds_and_always_while_something_is_confirmed() {
    let lab = Lab::serving("haproxy");
    let (mut listening, t) = (Listening::default(), lab.now);
    let mut due = |after| listening.is_due(t + ms(after), &lab.proxying.lifecycle);
    let asked = [0, 1, 1_999, 2_000, 3_999, 4_000].map(|after| (after, due(after)));
    let expect = [(0, true), (1, false), (1_999, false), (2_000, true), (3_999, false), (4_000, true)];
    assert_eq!(asked, expect);
    let mut lab = Lab::new("haproxy");
    lab.done(ProxyOutcome::Adopted { pid: MASTER, patched: None });
    let mut listening = Listening::default();
    assert!((0..3).all(|after| listening.is_due(lab.now + ms(after), &lab.proxying.lifecycle)));
}

#[test]
fn a_worker_that_does_not_listen_everywhere_is_named_with_the_first_places() {
    let at = |port: u16| SocketAddr::from(([10, 0, 0, 100], port));
    let all: Vec<SocketAddr> = [80, 81, 82, 83, 84, 85, 90].map(at).to_vec();
    let named = "10.0.0.100:80, 10.0.0.100:81, 10.0.0.100:82, 10.0.0.100:83";
    let expect = [
        (0, None),
        (1, Some("10.0.0.100:80".to_owned())),
        (4, Some(named.to_owned())),
        (5, Some(format!("{named} and 1 more"))),
        (6, Some(format!("{named} and 2 more"))),
    ];
    for (missing, places) in expect {
        let listening = Some(all[missing..].iter().copied().collect());
        let (lab, why) = judged("haproxy", Sample { listening, ..sample(WORKER) });
        let expect =
            places.map(|places| format!("nobody listens at {places}, although the proxy calls its frontends open"));
        assert_eq!(why, expect);
        let reopened = Attend::Reopen(vec!["www".to_owned(), "api".to_owned()]);
        let tried = lab.effects.iter().any(|e| matches!(e, Effect::Attend { what, .. } if *what == reopened));
        assert_eq!(tried, missing > 0, "all are told to listen again");
    }
}

#[test]
fn what_is_bound_in_another_network_namespace_is_not_looked_for_here() {
    let mut config = config(&text());
    let ports = |config: &Config| binds(config, &me()).iter().map(|b| b.address.port()).collect::<Vec<_>>();
    assert_eq!(ports(&config), [80, 81, 82, 83, 84, 85, 90]);
    config.frontends[0].binds[1].options = Some("tfo namespace blue".to_owned());
    config.frontends[0].binds[2].options = Some("tfo".to_owned());
    assert_eq!(ports(&config), [80, 82, 83, 84, 85, 90]);
    // nginx shares no tables.
    config.proxy.table_peers = Some(10_000);
    assert!(ports(&config).contains(&10_000));
    config.proxy.engine = Engine::Nginx;
    assert!(!ports(&config).contains(&10_000));
}
