use super::*;

/// As nginx 1.22.1 wrote it, shortened.
const RELOADED: &str = "\
2026/11/27 07:05:08 [notice] 3731#3731: signal 1 (SIGHUP) received from 3728, reconfiguring
2026/11/27 07:05:08 [notice] 3731#3731: reconfiguring
2026/11/27 07:05:08 [notice] 3731#3731: start worker processes
2026/11/27 07:05:08 [notice] 3731#3731: start worker process 3783
2026/11/27 07:05:09 [notice] 3734#3734: gracefully shutting down
2026/11/27 07:05:09 [notice] 3731#3731: worker process 3734 exited with code 0
";

const TAKEN: &str = "\
2026/11/27 07:05:08 [notice] 3731#3731: reconfiguring
2026/11/27 07:05:09 [emerg] 3731#3731: bind() to 0.0.0.0:80 failed (98: Address already in use)
2026/11/27 07:05:09 [notice] 3731#3731: try again to bind() after 500ms
2026/11/27 07:05:09 [emerg] 3731#3731: bind() to 0.0.0.0:80 failed (98: Address already in use)
";

#[test]
fn a_line_has_a_level_a_process_and_a_message() {
    let line = Line::parse("2026/11/27 07:05:09 [emerg] 3731#3732: *9 unknown [x] in /a:2");
    assert_eq!(line, Some(Line { level: "emerg", pid: Some(3731), message: "*9 unknown [x] in /a:2" }));
    let line = Line::parse("nginx: [emerg] unknown directive \"foo\" in /a:2");
    assert_eq!(line, Some(Line { level: "emerg", pid: None, message: "unknown directive \"foo\" in /a:2" }));
    for text in ["", "nginx: no level", "2026 [emerg] no process", "2026 [emerg] x#y: message", "[", "a]b["] {
        assert_eq!(Line::parse(text), None, "{text}");
    }
}

#[test]
fn a_reload_is_over_when_an_old_worker_has_closed_its_sockets() {
    let until = |lines: usize| {
        let text: String = RELOADED.split_inclusive('\n').take(lines).collect();
        loading(&text, 3731)
    };
    let stages: Vec<Loading> = (0..=6).map(until).collect();
    use Loading::{Pending, Replaced, Started};
    assert_eq!(stages, [Pending, Pending, Pending, Pending, Started, Replaced, Replaced]);
}

#[test]
fn only_the_masters_own_lines_tell_of_a_reload() {
    assert_eq!(loading(RELOADED, 1), Loading::Pending);
    let worker = "2026/11/27 07:05:09 [emerg] 3734#3734: something else\n";
    assert_eq!(loading(worker, 3731), Loading::Pending);
}

#[test]
fn a_taken_address_is_a_failure_only_once_nginx_has_given_up() {
    assert_eq!(loading(TAKEN, 3731), Loading::Pending);
    let given_up = format!("{TAKEN}2026/11/27 07:05:11 [emerg] 3731#3731: still could not bind()\n");
    assert_eq!(loading(&given_up, 3731), Loading::Failed);
    let words = last_words(&given_up, 3731, None);
    assert_eq!(words.as_deref(), Some("bind() to 0.0.0.0:80 failed (98: Address already in use)"));
    assert!(only_binds_fail(TAKEN));
}

#[test]
fn a_file_that_is_wrong_is_a_failure_at_once() {
    let wrong = "2026/11/27 07:05:09 [emerg] 3731#3731: unknown directive \"foo\" in /x/nginx.conf:2\n";
    assert_eq!(loading(wrong, 3731), Loading::Failed);
    assert!(!only_binds_fail(wrong));
    assert!(!only_binds_fail(""));
}

#[test]
fn the_summary_is_told_when_there_is_nothing_else() {
    let only = "2026/11/27 07:05:11 [emerg] 3731#3731: still could not bind()";
    assert_eq!(last_words(only, 3731, None).as_deref(), Some("still could not bind()"));
    assert_eq!(last_words(RELOADED, 3731, None), None);
}

#[test]
fn a_place_in_a_file_of_the_users_stays() {
    assert_eq!(
        place("unknown directive \"x\" in /var/lib/v/nginx.conf.candidate:12"),
        Some((12, "unknown directive \"x\""))
    );
    assert_eq!(place("unknown directive \"x\" in /etc/nginx/mime.types:12"), None);
    assert_eq!(place("host not found in upstream"), None);
}
