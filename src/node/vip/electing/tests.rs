use super::*;

#[test]
#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
fn a_rival_that_was_silent_for_ten_seconds_begins_another_conflict() {
    let t = Instant::now();
    let at = |n| t + Duration::from_millis(n);
    let mut conflict = Conflict::default();
    assert_eq!(conflict.deadline(), None);
    assert!(conflict.heard(at(0)));
    assert_eq!(conflict.deadline(), Some(at(200)));
    // Scripts run after its last word.
    assert!(!conflict.heard(at(150)));
    assert_eq!(conflict.deadline(), Some(at(350)));
    conflict.retell_at = None;
    assert!(!conflict.heard(at(10_149)));
    assert_eq!(conflict.deadline(), None, "they ran");
    assert!(conflict.heard(at(20_149)));
    assert_eq!(conflict.deadline(), Some(at(20_349)));
}
