//! The alarm is never early, and stays silent when disarmed.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use vipkeeper::shell::clock::{self, Alarm};

use crate::namespace::on_thread;

#[test]
fn the_alarm_fires_at_its_instant_and_not_before() {
    on_thread(|| async {
        let mut alarm = Alarm::new().unwrap();
        for millis in [0, 1, 3, 20] {
            let at = clock::now() + Duration::from_millis(millis);
            alarm.arm(Some(at)).unwrap();
            alarm.fired().await.unwrap();
            assert!(clock::now() >= at, "early");
        }
    });
}

#[test]
fn an_instant_that_has_passed_fires_at_once() {
    on_thread(|| async {
        let past = clock::now();
        let mut alarm = Alarm::new().unwrap();
        alarm.arm(Some(past)).unwrap();
        alarm.fired().await.unwrap();
    });
}

#[test]
fn a_disarmed_or_postponed_alarm_stays_silent() {
    on_thread(|| async {
        let mut alarm = Alarm::new().unwrap();
        let soon = clock::now() + Duration::from_millis(5);
        alarm.arm(Some(soon)).unwrap();
        // It expires, the reactor sees it, and only then it is taken back.
        tokio::time::sleep(Duration::from_millis(30)).await;
        alarm.arm(None).unwrap();
        assert!(tokio::time::timeout(Duration::from_millis(50), alarm.fired()).await.is_err());
        let later = clock::now() + Duration::from_millis(40);
        alarm.arm(Some(soon)).unwrap();
        alarm.arm(Some(later)).unwrap();
        alarm.fired().await.unwrap();
        assert!(clock::now() >= later, "early");
    });
}

#[test]
fn a_kernel_stamp_becomes_an_instant_within_the_bounds_of_the_possible() {
    let realtime = || {
        let t = clock_gettime(ClockId::Realtime);
        Duration::new(t.tv_sec as u64, t.tv_nsec as u32)
    };
    let before = clock::now();
    let stamp = realtime();
    let after = clock::now();
    let at = clock::instant_of(stamp, before - Duration::from_secs(1));
    let slack = Duration::from_millis(50);
    assert!(at + slack >= before && at <= after + slack, "{at:?} is not between {before:?} and {after:?}");
    // A wall clock set by an hour in either direction.
    let hour = Duration::from_secs(3600);
    assert_eq!(clock::instant_of(realtime() - hour, before), before);
    assert!(clock::instant_of(realtime() + hour, before) <= clock::now());
}
