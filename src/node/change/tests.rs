//! When the files are read, who waits for it, and how a change at run time is told.

use super::*;
use crate::node::tests::fixture::{self, ms, t0};

const TEXT: &str = include_str!("../../../tests/data/config/pair.toml");

fn loaded(text: &str) -> Loaded {
    fixture::loaded(fixture::config(TEXT), fixture::rendered(text, 1))
}

#[test]
fn files_are_read_once_they_are_quiet_and_after_two_seconds_in_any_case() {
    let (t, mut ops, mut changes) = (t0(), Ops::default(), Changes::default());
    let at = |n| t + ms(n);
    assert_eq!((changes.deadline(), changes.due(t, &mut ops)), (None, None));
    changes.touched(at(0));
    assert_eq!(changes.deadline(), Some(at(200)));
    changes.touched(at(150));
    assert_eq!((changes.deadline(), changes.due(at(349), &mut ops)), (Some(at(350)), None));
    assert!(changes.due(at(350), &mut ops).is_some());
    // One at a time.
    changes.touched(at(360));
    changes.now();
    assert_eq!((changes.deadline(), changes.due(at(9_000), &mut ops)), (None, None));
    changes.reading = None;
    assert!(changes.due(at(360), &mut ops).is_some(), "somebody is in a hurry");
    changes.reading = None;
    assert_eq!((changes.deadline(), changes.due(at(9_000), &mut ops)), (None, None));
    for n in (400..=2_300).step_by(100) {
        changes.touched(at(n));
    }
    assert_eq!((changes.deadline(), changes.due(at(2_399), &mut ops)), (Some(at(2_400)), None));
    assert!(changes.due(at(2_400), &mut ops).is_some());
}

#[test]
fn sixty_four_operators_may_wait_for_a_reload_and_all_are_answered() {
    let (t, mut ops, mut changes) = (t0(), Ops::default(), Changes::default());
    let ask = |changes: &mut Changes, ids: std::ops::Range<u64>| {
        ids.map(|id| changes.asked(RequestId(id))).filter(Result::is_err).collect::<Vec<_>>()
    };
    assert_eq!(ask(&mut changes, 0..65), [Err("64 reloads are waiting already".to_owned())]);
    assert!(changes.due(t, &mut ops).is_some());
    // Those that are being served make room.
    assert!(ask(&mut changes, 100..101).is_empty());
    changes.touched(t);
    changes.applying = Some(Applying { loaded: loaded(""), waiting: vec![RequestId(200)], since: t });
    let waiting = changes.abandon();
    let expect: Vec<_> = (100..101).chain(0..64).chain(200..201).map(RequestId).collect();
    assert_eq!(waiting, expect);
    assert!(changes.abandon().is_empty());
    changes.reading = None;
    assert_eq!((changes.deadline(), changes.due(t + ms(9_000), &mut ops)), (None, None));
}

#[test]
fn an_attempt_is_found_by_its_very_text() {
    let (t, mut changes) = (t0(), Changes::default());
    let (first, second) = (loaded("a"), loaded("a"));
    let attempt = |of: &Loaded, id| Applying { loaded: of.clone(), waiting: vec![RequestId(id)], since: t };
    changes.overtaken = Some(attempt(&first, 1));
    changes.applying = Some(attempt(&second, 2));
    let mut take = |of: &Loaded| changes.take(&of.rendered).map(|applying| applying.waiting);
    assert_eq!(take(&loaded("a")), None);
    assert_eq!(take(&first), Some(vec![RequestId(1)]));
    assert_eq!(take(&second), Some(vec![RequestId(2)]));
    assert_eq!((take(&first), take(&second)), (None, None));
}

#[test]
fn five_changes_at_run_time_are_named_and_more_are_counted() {
    let text = |servers: u32, weight: u32| {
        let line = |n| format!("    server s{n} 192.0.2.{n}:80 weight {weight}\n");
        loaded(&format!("backend web\n    balance roundrobin\n{}", (1..=servers).map(line).collect::<String>()))
    };
    for (servers, named, more) in [(1, 1, None), (5, 5, None), (6, 5, Some("and 1 more")), (9, 5, Some("and 4 more"))] {
        let said = changes_made(&text(servers, 1), &text(servers, 2));
        let parts: Vec<&str> = said.split("; ").collect();
        let last = parts.last().copied().filter(|last| last.starts_with("and "));
        assert_eq!((parts.len() - last.iter().count(), last), (named, more), "{said}");
    }
    assert_eq!(changes_made(&loaded("# 1\n"), &loaded("# 2\n")), "as the file says");
}
