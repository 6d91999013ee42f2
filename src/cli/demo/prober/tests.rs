use std::net::IpAddr;
use std::time::{Duration, Instant};

use super::{Miss, Shot, Tally, parse};

const LB1: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 78, 0, 11));
const LB2: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 78, 0, 12));

/// Shots 10 ms apart, each done 1 ms after it was sent.
fn tally(base: Instant, results: &[Result<IpAddr, Miss>]) -> Tally {
    let shot = |(n, result): (u32, &Result<IpAddr, Miss>)| {
        let sent = base + Duration::from_millis(10) * n;
        Shot { sent, done: sent + Duration::from_millis(1), result: *result }
    };
    Tally::of((0..).zip(results).map(shot).collect())
}

fn later(base: Instant) -> Instant {
    base + Duration::from_secs(60)
}

#[test]
fn an_outage_lasts_from_the_last_good_answer_to_the_first_good_one() {
    let base = super::now();
    let seen = [Ok(LB1), Ok(LB1), Err(Miss::Cut), Err(Miss::Refused), Err(Miss::TimedOut), Ok(LB2), Ok(LB2)];
    let sight = tally(base, &seen).sight(base..later(base));
    assert_eq!(sight.asked, 7);
    assert_eq!(sight.missed, [Miss::Cut, Miss::Refused, Miss::TimedOut]);
    assert_eq!(sight.outage, Some(Duration::from_millis(40)));
    assert_eq!(sight.handover, Some((LB1, LB2)));
    assert_eq!(sight.served_by, [LB1, LB2]);
}

#[test]
fn a_good_answer_amid_the_misses_does_not_end_the_outage() {
    let base = super::now();
    let seen = [Ok(LB1), Err(Miss::Cut), Ok(LB1), Err(Miss::Refused), Ok(LB2)];
    assert_eq!(tally(base, &seen).sight(base..later(base)).outage, Some(Duration::from_millis(40)));
}

#[test]
fn the_last_good_answer_may_lie_before_the_stretch() {
    let base = super::now();
    let shots = tally(base, &[Ok(LB1), Err(Miss::Cut), Ok(LB2)]);
    let sight = shots.sight(base + Duration::from_millis(5)..later(base));
    assert_eq!((sight.asked, sight.outage), (2, Some(Duration::from_millis(20))));
}

#[test]
fn what_comes_after_the_stretch_is_another_story() {
    let base = super::now();
    let shots = tally(base, &[Ok(LB1), Err(Miss::Cut), Ok(LB2), Err(Miss::Cut), Ok(LB1)]);
    let sight = shots.sight(base..base + Duration::from_millis(15));
    assert_eq!((sight.asked, sight.outage, sight.handover), (2, Some(Duration::from_millis(20)), Some((LB1, LB2))));
}

#[test]
fn without_a_miss_there_is_no_outage() {
    let base = super::now();
    let sight = tally(base, &[Ok(LB1), Ok(LB2)]).sight(base..later(base));
    assert_eq!((sight.missed.len(), sight.outage, sight.handover), (0, None, None));
}

#[test]
fn an_outage_that_goes_on_has_no_length() {
    let base = super::now();
    let sight = tally(base, &[Ok(LB1), Err(Miss::Cut)]).sight(base..later(base));
    assert_eq!((sight.missed.len(), sight.outage), (1, None));
}

#[test]
fn service_is_steady_when_one_host_answers_a_whole_run() {
    let base = super::now();
    let shots = tally(base, &[Err(Miss::Cut), Ok(LB1), Ok(LB2), Ok(LB2), Ok(LB2)]);
    assert_eq!(shots.steady(base, 3), Some(LB2));
    assert_eq!(shots.steady(base, 4), None);
    assert_eq!(shots.steady(base, 6), None);
}

#[test]
fn only_a_whole_answer_of_a_server_of_ours_counts() {
    let good = "HTTP/1.1 200 OK\r\nX-Via: 10.78.0.11\r\nContent-Length: 5\r\n\r\nweb1\n";
    assert_eq!(parse(good.as_bytes()), Ok(LB1));
    assert_eq!(parse(b"HTTP/1.1 503 Service Unavailable\r\n\r\n<html>"), Err(Miss::WrongAnswer));
    assert_eq!(parse(b"HTTP/1.1 200 OK\r\n\r\nweb1\n"), Err(Miss::WrongAnswer));
    assert_eq!(parse(b"HTTP/1.1 200 OK\r\nx-via: 10.78.0.11\r\n\r\n"), Err(Miss::Cut));
    assert_eq!(parse(b""), Err(Miss::Cut));
}
