//! What is done for a running proxy beside its transactions.

use super::*;
use crate::proxy::attendance::{OldWorker, Survey, WorkerId};
use crate::proxy::capabilities::Capabilities;

const OLD: WorkerId = WorkerId { pid: 55, start_ticks: 7 };

/// Everything that the last turn asked of the proxy.
fn asked(lab: &Lab) -> Vec<&Attend> {
    let mut all = Vec::new();
    for effect in &lab.effects {
        if let Effect::Attend { what, .. } = effect {
            all.push(what);
        }
    }
    all
}

/// An answer that shows an old worker which does not answer itself.
fn silent() -> Attended {
    let worker = OldWorker { id: OLD, uptime_secs: 9, connections: None, memory_kib: None, runnable: false };
    Attended::Surveyed(Survey { old: vec![worker], more: 0 })
}

/// Asks twice after old workers, half a second apart, and one is silent.
fn two_surveys(lab: &mut Lab) {
    let op = lab.survey.take().unwrap();
    lab.attended(op, silent());
    assert!(asked(lab).is_empty());
    lab.pass(ms(499));
    assert_eq!(lab.survey, None);
    lab.pass(ms(1));
    let op = lab.survey.take().unwrap();
    lab.attended(op, silent());
}

#[test]
fn an_old_worker_that_is_stuck_is_ended_while_another_one_is_known_to_serve() {
    let mut lab = Lab::serving("haproxy");
    two_surveys(&mut lab);
    assert_eq!(asked(&lab), [&Attend::EndWorker { master: MASTER, worker: OLD }]);
    let line = "the old worker 55 is stuck, and may hold back new connections: killing it";
    assert_eq!(lab.logs(), [(LogLevel::Warn, line)]);
}

#[test]
fn no_old_worker_is_ended_while_a_change_is_under_way_or_the_proxy_has_failed() {
    let mut lab = Lab::serving("haproxy");
    lab.apply(2);
    two_surveys(&mut lab);
    assert!(asked(&lab).is_empty() && lab.logs().is_empty());
    let mut lab = Lab::serving("haproxy").fall(1);
    lab.next_probe();
    lab.bad();
    two_surveys(&mut lab);
    assert!(asked(&lab).is_empty() && lab.logs().is_empty());
}

/// After a failed reload HAProxy lists the worker that serves among the old ones.
#[test]
fn the_worker_that_answers_is_never_taken_for_an_old_one() {
    for changing in [false, true] {
        let mut lab = Lab::serving("haproxy");
        if changing {
            lab.apply(2);
        }
        let id = WorkerId { pid: WORKER, start_ticks: 7 };
        let worker = OldWorker { id, uptime_secs: 9, connections: None, memory_kib: None, runnable: false };
        let op = lab.survey.take().unwrap();
        lab.attended(op, Attended::Surveyed(Survey { old: vec![worker], more: 0 }));
        assert_eq!(lab.proxying.roster.old(lab.now).count(), 0);
    }
}

#[test]
fn a_survey_follows_each_new_worker_and_each_end_of_an_old_one() {
    let mut lab = Lab::serving("haproxy");
    assert!(asked(&lab).is_empty(), "the same worker");
    let op = lab.survey.take().unwrap();
    lab.attended(op, Attended::Surveyed(Survey::default()));
    assert_eq!(lab.deadlines()[1], (30_010, SURVEY));
    lab.attended(OpId(9_999), Attended::WorkerEnded);
    let op = lab.survey.take().unwrap();
    // One that failed is repeated a second later, and nobody hears of it.
    lab.attended(op, Attended::Failed("no answer".to_owned()));
    assert_eq!((lab.logs(), lab.survey), (vec![], None));
    assert!(lab.deadlines().contains(&(1_010, SURVEY)));
    lab.next_probe();
    let op = lab.survey.take().unwrap();
    lab.attended(op, Attended::Surveyed(Survey::default()));
    lab.good(WORKER + 1);
    assert!(asked(&lab).contains(&&Attend::Survey { master: MASTER }));
}

#[test]
fn the_binary_is_asked_what_it_can_do_at_the_start_and_when_its_version_is_another() {
    let capable = |what: &str| {
        let said = format!("HAProxy version {what} 2023/12/14\nFeature list : +OPENSSL -QUIC\n");
        Attended::Capable(Box::new(Capabilities::parse(&said).unwrap()))
    };
    assert_eq!(asked(&Lab::new("haproxy")), [&Attend::Capabilities]);
    let mut lab = Lab::serving("haproxy");
    lab.attended(OpId(9_999), capable("2.6.12"));
    assert_eq!(lab.proxying.capabilities.as_ref().unwrap().version_text, "2.6.12");
    lab.next_probe();
    lab.good(WORKER + 1);
    assert!(!asked(&lab).contains(&&Attend::Capabilities));
    assert!(lab.effects.contains(&Effect::WatchWorker { pid: WORKER + 1 }));
    lab.next_probe();
    lab.good(WORKER + 1);
    assert!(!lab.effects.contains(&Effect::WatchWorker { pid: WORKER + 1 }), "it is watched already");
    lab.next_probe();
    lab.say(Ok(Sample { version_text: "2.8.3".to_owned(), ..sample(WORKER + 2) }));
    assert!(asked(&lab).contains(&&Attend::Capabilities));
}

#[test]
fn nginx_is_attended_to_by_nobody() {
    let lab = Lab::new("nginx");
    assert!(asked(&lab).is_empty());
    let mut lab = Lab::serving("nginx");
    lab.next_probe();
    lab.good(WORKER + 1);
    assert!(asked(&lab).is_empty());
    assert!(lab.effects.contains(&Effect::WatchWorker { pid: WORKER + 1 }));
}

/// An answer of that worker with one frontend in that state.
fn frontend(pid: u32, status: &str) -> Sample {
    let frontends = vec![("www".to_owned(), status.to_owned()), ("api".to_owned(), "OPEN".to_owned())];
    Sample { frontends, ..sample(pid) }
}

/// The try to open a frontend, if the last turn made one.
fn opening(lab: &Lab) -> Option<OpId> {
    let wanted = Attend::Reopen(vec!["www".to_owned()]);
    lab.effects.iter().find_map(|effect| {
        if let Effect::Attend { op, what } = effect { (*what == wanted).then_some(*op) } else { None }
    })
}

#[test]
fn a_paused_frontend_is_opened_and_asked_after_at_once() {
    let mut lab = Lab::serving("haproxy");
    lab.next_probe();
    lab.say(Ok(frontend(WORKER, "PAUSED")));
    let op = opening(&lab).unwrap();
    assert_eq!(lab.logs(), [(LogLevel::Warn, "the worker 101 paused www: opening again")]);
    lab.attended(op, Attended::Reopened);
    assert_eq!(lab.logs(), [(LogLevel::Info, "HAProxy says that the paused frontends listen again")]);
    assert!(lab.probe.is_some());
    // Heard once.
    lab.good(WORKER);
    lab.attended(op, Attended::Reopened);
    assert!(lab.logs().is_empty() && lab.probe.is_none());
}

#[test]
fn a_frontend_that_does_not_open_is_told_of() {
    let mut lab = Lab::serving("haproxy");
    lab.next_probe();
    lab.say(Ok(frontend(WORKER, "PAUSED")));
    let op = opening(&lab).unwrap();
    lab.attended(op, Attended::Failed("no".to_owned()));
    assert_eq!(lab.logs(), [(LogLevel::Warn, "paused frontends do not open: no")]);
    assert!(lab.probe.take().is_some());
    lab.attended(OpId(9_999), Attended::Failed("no".to_owned()));
    assert_eq!(lab.logs(), [(LogLevel::Warn, "HAProxy cannot be attended to: no")]);
}

#[test]
fn what_is_not_paused_or_about_to_be_replaced_is_not_opened() {
    let mut lab = Lab::serving("haproxy");
    lab.next_probe();
    lab.say(Ok(frontend(WORKER, "STOP")));
    assert!(asked(&lab).is_empty() && lab.logs().is_empty());
    let mut lab = Lab::serving("haproxy");
    lab.reloading(2);
    lab.next_probe();
    lab.say(Ok(frontend(WORKER, "PAUSED")));
    assert!(asked(&lab).is_empty() && lab.logs().is_empty());
}
