use std::time::Duration;

use proptest::prelude::*;

use super::{NotADuration, parse_duration, show_duration};

#[test]
fn a_whole_number_with_a_unit_is_a_duration() {
    let millis = |text| parse_duration(text).map(|duration| duration.as_millis());
    assert_eq!(millis("0s"), Ok(0));
    assert_eq!(millis("250ms"), Ok(250));
    assert_eq!(millis("2s"), Ok(2_000));
    assert_eq!(millis("1m"), Ok(60_000));
    assert_eq!(millis("1h"), Ok(3_600_000));
    assert_eq!(millis("2d"), Ok(172_800_000));
}

#[test]
fn anything_else_is_refused_with_what_was_meant() {
    let check = |text: &str, why: &'static str, meant: Option<&str>| {
        assert_eq!(parse_duration(text), Err(NotADuration { why, meant: meant.map(str::to_owned) }), "{text:?}");
    };
    check("2", "no unit", Some("2s"));
    check("0.25", "not a whole number", Some("250ms"));
    check("1.5h", "not a whole number", Some("90m"));
    check("2 s", "not one of the units", Some("2s"));
    check("2S", "not one of the units", Some("2s"));
    check("5min", "not one of the units", Some("5m"));
    check("100 msec", "not one of the units", Some("100ms"));
    check("10us", "not one of the units", None);
    check("", "not a number with a unit", None);
    check("s", "not a number with a unit", None);
    check("-1s", "not a number with a unit", None);
    check(".5s", "not a number with a unit", Some("500ms"));
    check("1m30s", "not one of the units", None);
    check("99999999999999999999s", "too long", None);
    check("9999999999999999999d", "too long", None);
    check("1\u{e9}", "not one of the units", None);
}

proptest! {
    #[test]
    fn what_is_shown_is_read_as_the_same(millis in 0..10_000_000_000_u64) {
        let duration = Duration::from_millis(millis);
        prop_assert_eq!(parse_duration(&show_duration(duration)), Ok(duration));
    }

    #[test]
    fn what_was_meant_can_be_read(text in "[0-9.]{0,24} ?[a-z]{0,6}") {
        if let Err(NotADuration { meant: Some(meant), .. }) = parse_duration(&text) {
            prop_assert!(parse_duration(&meant).is_ok(), "{} -> {}", text, meant);
        }
    }
}
