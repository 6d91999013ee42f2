use super::*;

#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
fn t0() -> Instant {
    Instant::now()
}

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn config() -> HealthConfig {
    HealthConfig { interval: ms(250), timeout: ms(250), rise: 3, fall: 2 }
}

fn failed(health: &Health) -> bool {
    matches!(health.verdict(), Verdict::Failed { .. })
}

#[test]
fn a_proxy_is_failed_until_it_has_answered() {
    let t = t0();
    let mut health = Health::new(config(), t);
    assert!(failed(&health));
    health.good(t);
    assert!(!failed(&health));
}

#[test]
fn fall_probes_in_a_row_fail_it_and_rise_bring_it_back() {
    let t = t0();
    let mut health = Health::new(config(), t);
    health.good(t);
    health.bad(t + ms(250), "silent");
    health.good(t + ms(500));
    health.bad(t + ms(750), "silent");
    assert!(!failed(&health));
    health.bad(t + ms(1000), "silent");
    assert_eq!(health.verdict(), &Verdict::Failed { why: "silent (2 times in a row)".into() });
    health.good(t + ms(1250));
    health.good(t + ms(1500));
    assert!(failed(&health));
    health.good(t + ms(1750));
    assert!(!failed(&health));
}

#[test]
fn failures_closer_than_the_interval_count_once() {
    let t = t0();
    let mut health = Health::new(config(), t);
    health.good(t);
    for i in 0..10 {
        health.bad(t + ms(10 * i), "refused");
    }
    assert!(!failed(&health));
}

#[test]
fn death_needs_no_second_opinion() {
    let t = t0();
    let mut health = Health::new(config(), t);
    health.good(t);
    health.died(t + ms(1), "signal 9".into());
    assert!(failed(&health));
    assert_eq!(health.failed_since(), Some(t + ms(1)));
}

#[test]
fn a_silent_probe_fails_at_its_deadline_and_its_late_answer_is_ignored() {
    let t = t0();
    let mut prober = Prober::new();
    prober.start(t);
    assert!(prober.ask(t, OpId(1), ms(100)));
    assert!(!prober.ask(t, OpId(2), ms(100)));
    assert_eq!(prober.deadline(), Some(t + ms(100)));
    assert_eq!(prober.timed_out(t + ms(99), ms(250)), None);
    assert_eq!(prober.timed_out(t + ms(107), ms(250)), Some(ms(7)));
    assert!(!prober.answered(t + ms(101), OpId(1), ms(250)));
    assert_eq!(prober.deadline(), Some(t + ms(250)));
}
