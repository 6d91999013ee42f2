use super::*;
use crate::node::tests::fixture::ms;
use crate::node::vip::tests::{Stage, active, vip};

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

#[test]
fn who_is_taken_over_from_may_say_so_for_a_second_and_is_a_rival_after_it() {
    for (after, rivals) in [(999, None), (1_000, Some(1))] {
        let (mut vip, _, now) = active();
        vip.reassert(now + ms(after), [10, 0, 0, 12].into(), &mut Outbox::default());
        assert_eq!(vip.counters.get("rivals-heard").copied(), rivals, "{after}");
    }
}

#[test]
fn a_link_is_young_when_it_has_just_come_up_or_is_another_one() {
    let link = |index, up| {
        let Stage { network, .. } = Stage::new();
        Link { index, up, ..network.links[0].clone() }
    };
    let (up, down, other) = (link(2, true), link(2, false), link(3, true));
    let table = [
        (None, Some(&up), true),
        (Some(&down), Some(&up), true),
        (Some(&other), Some(&up), true),
        (Some(&up), Some(&up), false),
        (Some(&up), Some(&down), false),
        (Some(&down), Some(&down), false),
        (Some(&up), None, false),
        (None, None, false),
    ];
    for (row, (before, now_is, young)) in table.into_iter().enumerate() {
        let (mut vip, now) = vip();
        vip.config.link_hold = ms(3_000);
        vip.link_seen(now, before, now_is);
        assert_eq!(vip.router.link_hold(), young.then_some(now + ms(3_000)), "{row}");
    }
    let (mut vip, now) = vip();
    vip.config.link_hold = Duration::ZERO;
    vip.link_seen(now, None, Some(&up));
    assert_eq!(vip.router.link_hold(), None);
}

#[test]
fn scripts_of_the_winner_run_again_after_the_rivals_last_word_if_they_ran_before() {
    let (mut vip, stage, now) = active();
    vip.told = Some(HookState::Master);
    vip.conflict.heard(now);
    for (after, retold) in [(199, false), (200, true), (201, false)] {
        vip.tell_after_conflict(&stage.host(now + ms(after)), &mut Outbox::default());
        assert_eq!(vip.is_retold(now + ms(after)), retold, "{after}");
    }
    for (told, role) in [(Some(HookState::Fault), Role::Active), (Some(HookState::Master), Role::Backup)] {
        let (mut vip, stage, now) = active();
        if role == Role::Backup {
            let _steps = vip.router.relinquish(now, "test");
        }
        vip.told = told;
        vip.conflict.heard(now);
        vip.tell_after_conflict(&stage.host(now + ms(200)), &mut Outbox::default());
        assert!(!vip.is_retold(now + ms(200)));
    }
}
