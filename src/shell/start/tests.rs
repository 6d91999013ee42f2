//! The refusals of a start.

use std::fs;

use super::*;

fn refused<T: std::fmt::Debug>(result: Result<T, Failure>) -> (u8, String) {
    match result.unwrap_err() {
        Failure::Foreseen { status, report } => (status, report),
        Failure::Unexpected(error) => panic!("{error:?}"),
    }
}

fn setup(directory: &Path, text: &str) -> Setup {
    let config = directory.join("vipkeeper.toml");
    fs::write(&config, text).unwrap();
    Setup {
        config,
        node: Some("lb1".to_owned()),
        runtime_dir: directory.join("run"),
        state_dir: directory.join("state"),
        realtime: crate::shell::Realtime::Default,
        journal: None,
    }
}

#[test]
fn the_host_name_serves_where_no_node_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let mut setup = setup(directory.path(), "");
    assert_eq!(own_names(&setup).unwrap(), [Name::new("lb1").unwrap()]);
    setup.node = Some("no good".to_owned());
    assert_eq!(refused(own_names(&setup)).0, EXIT_CONFIG);
    setup.node = None;
    let host = nix::unistd::gethostname().unwrap().into_string().unwrap();
    assert_eq!(own_names(&setup).unwrap()[0].as_str(), host);
}

#[test]
fn with_a_broken_file_the_last_good_one_serves_and_without_one_the_report_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let target = Target {
        names: vec![Name::new("lb1").unwrap()],
        stats_socket: "/run/s".into(),
        files_dir: "/run/files".into(),
    };
    let (status, report) = refused(instead(directory.path(), &target, "line 1 is wrong".to_owned()));
    assert_eq!((status, report.as_str()), (EXIT_CONFIG, "line 1 is wrong"));

    let good = setup(directory.path(), include_str!("tests/good.toml"));
    let sources = files::read(&good.config).unwrap().sources;
    last_good::keep(directory.path(), &sources).unwrap();
    let (loaded, started_with) = instead(directory.path(), &target, "line 1 is wrong".to_owned()).unwrap();
    assert_eq!(target.find(&loaded.config), Some(&target.names[0]));
    assert_eq!(started_with, sources);

    // One that no longer knows this host is of no use.
    let other = Target {
        names: vec![Name::new("lb9").unwrap()],
        stats_socket: "/run/s".into(),
        files_dir: "/run/files".into(),
    };
    assert_eq!(refused(instead(directory.path(), &other, "line 1 is wrong".to_owned())).0, EXIT_CONFIG);
}

#[test]
fn a_file_without_this_host_names_those_it_has() {
    let directory = tempfile::tempdir().unwrap();
    let setup = setup(directory.path(), include_str!("tests/good.toml"));
    let target = Target {
        names: vec![Name::new("lb9").unwrap()],
        stats_socket: "/run/s".into(),
        files_dir: "/run/files".into(),
    };
    let (reading, result) = files::read_and_load(&setup.config, &target);
    assert!(reading.is_some(), "it is watched for its repair");
    assert_eq!(
        result.unwrap_err(),
        "no [[node]] is named \"lb9\" (there are: lb1, lb2); add it, or say which one this host is with --node"
    );
}
