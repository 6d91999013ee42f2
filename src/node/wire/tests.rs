use super::*;

#[test]
#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
fn the_time_of_day_goes_on_from_its_last_reading() {
    let (at, unix) = (Instant::now(), Duration::from_secs(1_800_000_000));
    let wall = WallClock { at, unix };
    assert_eq!((wall.at(at), wall.at(at + Duration::from_secs(5))), (unix, unix + Duration::from_secs(5)));
}
