use super::*;

#[test]
fn what_vipkeeper_depends_on_is_given_as_an_argument() {
    let arguments = arguments(Purpose::Run, Path::new("/var/lib/x/nginx.conf"), Path::new("/run/my \"dir\"/nginx.pid"));
    let expected = [
        "-e",
        "stderr",
        "-c",
        "/var/lib/x/nginx.conf",
        "-g",
        r#"daemon off; master_process on; pid "/run/my \"dir\"/nginx.pid"; error_log stderr notice;"#,
    ];
    assert_eq!(arguments, expected);
}

#[test]
fn the_time_that_old_workers_have_is_read_from_their_file() {
    let secs = |text: &str| shutdown_timeout(text).map(|d| d.as_millis());
    assert_eq!(secs("user x;\nworker_shutdown_timeout 600s;\n"), Some(600_000));
    assert_eq!(secs("    worker_shutdown_timeout 1500ms;"), Some(1500));
    for text in ["", "worker_shutdown_timeout;", "worker_shutdown_timeout x;", "worker_shutdown_timeout 5m;"] {
        assert_eq!(secs(text), None, "{text}");
    }
}
