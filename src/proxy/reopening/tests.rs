//! How often paused frontends are opened.

use super::*;

#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
fn t0() -> Instant {
    Instant::now()
}

#[test]
fn three_tries_and_no_more() {
    let (mut now, mut reopening) = (t0(), Reopening::default());
    for n in 0..TRIES_MAX {
        let op = OpId(u64::from(n));
        assert_eq!(reopening.paused(now, 7, op), Step::Try);
        assert_eq!(reopening.paused(now + PAUSE, 7, OpId(99)), Step::Wait, "it is under way");
        assert!(!reopening.tried(OpId(99)));
        assert!(reopening.tried(op));
        assert_eq!(reopening.paused(now + PAUSE - Duration::from_nanos(1), 7, OpId(99)), Step::Wait);
        now += PAUSE;
    }
    assert_eq!(reopening.paused(now, 7, OpId(99)), Step::GiveUp);
    // Another worker is another matter, and so is one that was open in between.
    assert_eq!(reopening.paused(now, 8, OpId(99)), Step::Try);
    assert!(reopening.tried(OpId(99)));
    reopening.open();
    now += PAUSE;
    assert_eq!(reopening.paused(now, 8, OpId(100)), Step::Try);
}

#[test]
fn a_try_that_is_never_answered_does_not_block_the_next() {
    let (now, mut reopening) = (t0(), Reopening::default());
    assert_eq!(reopening.paused(now, 7, OpId(1)), Step::Try);
    assert_eq!(reopening.paused(now + ANSWER_WITHIN, 7, OpId(2)), Step::Try);
    assert!(!reopening.tried(OpId(1)));
}
