use std::path::Path;
use std::time::Duration;

use clap::{CommandFactory, Parser};

use super::{Cli, Command, duration};

#[test]
fn the_command_line_is_consistent() {
    Cli::command().debug_assert();
}

#[test]
fn durations_need_a_known_unit_and_a_sane_size() {
    assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
    assert_eq!(duration("90s"), Ok(Duration::from_secs(90)));
    assert_eq!(duration("10m"), Ok(Duration::from_secs(600)));
    assert_eq!(duration("1h"), Ok(Duration::from_secs(3600)));
    for bad in ["", "s", "10", "10 m", "1.5h", "-1s", "0s", "721h", "99999999999999999999s", "10d"] {
        assert!(duration(bad).is_err(), "{bad:?} was accepted");
    }
}

#[test]
fn options_of_the_instance_may_stand_on_either_side_of_the_command() {
    for argv in [["vipkeeper", "--runtime-dir", "/r", "status"], ["vipkeeper", "status", "--runtime-dir", "/r"]] {
        let cli = Cli::try_parse_from(argv).unwrap();
        assert_eq!(cli.place.runtime(), Path::new("/r"));
        assert!(matches!(cli.command, Command::Status(_)));
    }
}

#[test]
fn the_state_directory_follows_a_runtime_directory_given_alone() {
    let place = |argv: &[&str]| Cli::try_parse_from([&["vipkeeper", "run"], argv].concat()).unwrap().place;
    assert_eq!(place(&[]).state(), Path::new("/var/lib/vipkeeper"));
    assert_eq!(place(&["--runtime-dir", "/r"]).state(), Path::new("/r"));
    assert_eq!(place(&["--runtime-dir", "/r", "--state-dir", "/s"]).state(), Path::new("/s"));
}
