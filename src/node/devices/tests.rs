use super::*;

/// The kernel may have been asked for the dump before it carried out what it was told.
#[test]
fn a_dump_shows_what_was_asked_for_only_once_everything_was_answered_before_it() {
    #[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
    let t = Instant::now();
    let (mut below, mut ops, mut out) = (Below::default(), Ops::default(), Outbox::default());
    assert!(below.is_older_than(t));
    below.tell(2, STRICT, &mut ops, &mut out);
    assert!(!below.is_older_than(t));
    let [Effect::ConfigureArp { op, index: 2, conf: STRICT }] = out.into_effects()[..] else { panic!() };
    below.pending.remove(&op);
    below.changed_at = Some(t);
    assert!(!below.is_older_than(t));
    assert!(below.is_older_than(t + std::time::Duration::from_nanos(1)));
}
