//! Which old workers are ended, and which never.

use super::*;

const SERVING: u32 = 10;
const CONFIRMED: Serving = Serving::Confirmed(SERVING);
const OLD: u32 = 7;

#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
fn t0() -> Instant {
    Instant::now()
}

fn answering(pid: u32, connections: u64) -> OldWorker {
    let id = WorkerId { pid, start_ticks: u64::from(pid) };
    OldWorker { id, uptime_secs: 60, connections: Some(connections), memory_kib: Some(4096), runnable: true }
}

/// Silent, but it waits for a processor.
fn slow(pid: u32) -> OldWorker {
    OldWorker { connections: None, ..answering(pid, 0) }
}

fn stopped(pid: u32) -> OldWorker {
    OldWorker { runnable: false, ..slow(pid) }
}

/// Surveys one after the other at their times, and returns who was to be ended by each.
fn ended(now: &mut Instant, roster: &mut Roster, surveys: &[OldWorker], serving: Serving) -> Vec<Vec<u32>> {
    let mut ended = Vec::new();
    for survey in surveys {
        *now = roster.deadline().unwrap().max(*now);
        assert_eq!(roster.ask(*now, OpId(1), Some(1)), Some(Attend::Survey { master: 1 }));
        assert!(roster.awaits(OpId(1)) && !roster.awaits(OpId(2)));
        let stuck = roster.surveyed(*now, Survey { old: vec![survey.clone()], more: 0 }, serving);
        ended.push(stuck.iter().map(|stuck| stuck.worker.pid).collect());
    }
    ended
}

fn roster(now: Instant) -> Roster {
    let mut roster = Roster::new(Duration::from_secs(60));
    assert_eq!(roster.deadline(), None);
    roster.hurry(now);
    roster
}

#[test]
fn a_worker_that_is_silent_twice_in_a_row_and_asleep_is_ended() {
    let mut now = t0();
    let start = now;
    let mut roster = roster(now);
    let hung = stopped(OLD);
    let surveys = [hung.clone(), answering(OLD, 3), hung.clone(), hung];
    assert_eq!(ended(&mut now, &mut roster, &surveys, CONFIRMED), [vec![], vec![], vec![], vec![OLD]]);
    assert!(now - start < Duration::from_secs(4), "{:?}", now - start);
}

#[test]
fn one_that_waits_for_a_processor_is_not_stuck() {
    let mut now = t0();
    let mut roster = roster(now);
    let surveys = vec![slow(OLD); 20];
    assert!(ended(&mut now, &mut roster, &surveys, CONFIRMED).concat().is_empty());
}

#[test]
fn nobody_is_ended_while_no_worker_is_confirmed() {
    let mut now = t0();
    let mut roster = roster(now);
    let hung = vec![stopped(OLD); 20];
    assert!(ended(&mut now, &mut roster, &hung, Serving::Open(Some(SERVING))).concat().is_empty());
    // It is as soon as one serves.
    assert_eq!(ended(&mut now, &mut roster, &hung[..1], CONFIRMED), [[OLD]]);
}

#[test]
fn the_serving_worker_is_never_ended_though_it_is_listed_as_old() {
    let mut now = t0();
    let mut roster = roster(now);
    let survivor = vec![stopped(SERVING); 20];
    assert!(ended(&mut now, &mut roster, &survivor, CONFIRMED).concat().is_empty());
    assert_eq!(roster.old(now).count(), 0);
    now += Duration::from_secs(3600);
    assert!(ended(&mut now, &mut roster, &survivor, CONFIRMED).concat().is_empty());
}

#[test]
fn one_that_outlives_its_hard_stop_is_ended() {
    let mut now = t0();
    let mut roster = roster(now);
    let busy = answering(OLD, 9);
    assert!(ended(&mut now, &mut roster, std::slice::from_ref(&busy), CONFIRMED).concat().is_empty());
    let first = now;
    now = first + Duration::from_secs(65) - Duration::from_nanos(1);
    assert!(ended(&mut now, &mut roster, std::slice::from_ref(&busy), CONFIRMED).concat().is_empty());
    now = first + Duration::from_secs(65);
    let ages: Vec<u64> = roster.old(now).map(|(age, _)| age.as_secs()).collect();
    assert_eq!(ages, [65]);
    assert_eq!(ended(&mut now, &mut roster, &[busy], CONFIRMED), [[OLD]]);
}

#[test]
fn a_shorter_hard_stop_is_not_that_of_workers_that_run_already() {
    let mut now = t0();
    let mut roster = roster(now);
    roster.configure(Duration::from_secs(1));
    let busy = answering(OLD, 9);
    assert!(ended(&mut now, &mut roster, std::slice::from_ref(&busy), CONFIRMED).concat().is_empty());
    now += Duration::from_secs(30);
    assert!(ended(&mut now, &mut roster, &[busy], CONFIRMED).concat().is_empty());
}

#[test]
fn a_number_that_was_given_again_is_another_worker() {
    let mut now = t0();
    let mut roster = roster(now);
    let first = stopped(OLD);
    let second = OldWorker { id: WorkerId { pid: OLD, start_ticks: 99 }, ..first.clone() };
    assert!(ended(&mut now, &mut roster, &[first, second], CONFIRMED).concat().is_empty());
}

#[test]
fn surveys_are_rare_while_there_is_nothing_to_see() {
    let now = t0();
    let mut roster = roster(now);
    assert!(roster.ask(now, OpId(1), Some(1)).is_some());
    assert_eq!(roster.ask(now, OpId(2), Some(1)), None, "one at a time");
    assert!(roster.surveyed(now, Survey::default(), CONFIRMED).is_empty());
    assert_eq!(roster.deadline(), Some(now + IDLE_PAUSE));
    roster.hurry(now);
    assert!(roster.ask(now, OpId(3), Some(1)).is_some());
    roster.failed(now);
    assert_eq!(roster.deadline(), Some(now + FAILED_PAUSE));
    roster.hurry(now);
    assert_eq!(roster.ask(now, OpId(4), None), None);
    assert_eq!(roster.deadline(), None, "without a master there is nothing to ask");
}

#[test]
fn a_survey_that_is_never_answered_is_repeated() {
    let now = t0();
    let mut roster = roster(now);
    assert!(roster.ask(now, OpId(1), Some(1)).is_some());
    assert_eq!(roster.deadline(), Some(now + ANSWER_WITHIN));
    assert!(roster.ask(now + ANSWER_WITHIN, OpId(2), Some(1)).is_some());
    assert!(roster.awaits(OpId(2)));
}
