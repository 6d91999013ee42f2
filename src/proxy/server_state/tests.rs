//! Which states pass from one file to the next.

use super::*;

const ANSWER: &str = "Name: HAProxy\nPid: 7\ndescription: vipkeeper generation 00000000000000aa\n\n\
1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight\n\
3 web 1 web1 127.0.0.1 2 1 10\n\
3 web 2 web2 127.0.0.1 0 0 3\n\
4 db 1 db1 127.0.0.1 2 0 1\n\n";

/// A file of generation 0xaa with these lines in backend `web`.
fn file(defaults: &str, web: &str) -> String {
    format!(
        "global\n  description \"vipkeeper generation 00000000000000aa\"\ndefaults\n  {defaults}\n\
         backend web\n{web}\nbackend db\n  server db1 127.0.0.1:5432\nring buf\n  server web1 10.9.9.9:514\n"
    )
}

const WEB: &str =
    "  default-server check inter 2s\n  server web1 127.0.0.1:8080 weight 10\n  server web2 127.0.0.1:8081";

/// Names of the servers that are carried over when backend `web` changes to that.
fn names(defaults: &str, web: &str) -> Vec<String> {
    let (before, after) = (file("", WEB), file(defaults, web));
    let kept = keep(ANSWER, &[&before], &after, None).unwrap();
    let lines: Vec<&str> = kept.text.lines().collect();
    assert_eq!(lines[0], "1");
    assert!(lines[1].starts_with("# be_id"), "{}", kept.text);
    assert_eq!(lines.len() - 2, usize::try_from(kept.servers).unwrap());
    assert_eq!(kept.servers + kept.left_out, 3);
    lines[2..].iter().map(|line| line.split(' ').nth(3).unwrap().to_owned()).collect()
}

#[test]
fn states_of_servers_that_stay_as_they_are_are_carried_over() {
    let kept = keep(ANSWER, &["", &file("", WEB)], &file("", WEB), None).unwrap();
    assert_eq!((kept.servers, kept.left_out), (3, 0));
    assert_eq!(kept.text, ANSWER[ANSWER.find("1\n#").unwrap()..].strip_suffix('\n').unwrap());
}

#[test]
fn a_server_that_is_defined_anew_starts_as_it_is_written() {
    for (from, to) in [
        ("127.0.0.1:8080", "127.0.0.1:8099"),
        ("127.0.0.1:8080", "db.example:8080"),
        ("weight 10", "weight 20"),
        ("weight 10", "weight 10 port 9000"),
        ("weight 10", "weight 10 ssl verify none"),
        ("weight 10", "weight 10 disabled"),
        ("server web1", "server web9"),
    ] {
        assert_eq!(names("", &WEB.replacen(from, to, 1)), ["web2", "db1"], "{to}");
    }
}

#[test]
fn what_no_state_depends_on_may_change() {
    let tuned = WEB.replace("inter 2s", "inter 9s rise 4 fall 1").replace("weight 10", "maxconn 5 weight 10 cookie a");
    assert_eq!(names("", &tuned), ["web1", "web2", "db1"]);
    // A keyword that is a value is none.
    assert_eq!(names("", &WEB.replace("weight 10", "weight 10 cookie ssl")), ["web1", "web2", "db1"]);
}

#[test]
fn changed_defaults_change_every_server_that_inherits_them() {
    assert_eq!(names("", &WEB.replace("check inter 2s", "inter 2s")), ["db1"]);
    assert_eq!(names("default-server ssl", WEB), Vec::<String>::new());
}

#[test]
fn a_removed_backend_is_left_out() {
    assert_eq!(names("", ""), ["db1"]);
}

#[test]
fn servers_of_a_template_are_found_by_their_numbers() {
    let template = |port: u16| file("", &format!("  server-template web 1-2 web.example:{port} check"));
    let kept = |to: u16| keep(ANSWER, &[&template(80)], &template(to), None).unwrap().servers;
    assert_eq!((kept(80), kept(81)), (3, 1));
}

#[test]
fn only_the_file_that_runs_says_what_changed() {
    let other = file("", WEB).replace("00aa", "00bb");
    assert_eq!(keep(ANSWER, &[&other], &other, None), Err(StateError::Unknown));
    assert_eq!(keep(&ANSWER.replace("vipkeeper generation", "x"), &[&other], &other, None), Err(StateError::Unknown));
}

#[test]
fn an_answer_that_is_cut_off_is_not_used() {
    let now = file("", WEB);
    for answer in ["", "Unknown command\n", ANSWER.strip_suffix('\n').unwrap(), &ANSWER[..ANSWER.len() - 9]] {
        assert_eq!(keep(answer, &[&now], &now, None), Err(StateError::Answer), "{answer:?}");
    }
}

#[test]
fn a_worker_that_was_changed_passes_on_by_the_file_that_is_in_force() {
    let answer = ANSWER.replace("srv_uweight\n", "srv_uweight srv_iweight\n").replace("2 1 10\n", "2 1 4 1 9\n");
    let started = file("", WEB);
    let in_force = file("", &WEB.replace("weight 10", "weight 7")).replace("00aa", "00bb");
    let changed = |pid| Some(Worker { pid, generation: Digest(0xbb) });
    let kept = keep(&answer, &[&started, &in_force], &in_force, changed(7)).unwrap();
    assert_eq!((kept.servers, kept.left_out), (3, 0));
    assert!(kept.text.contains("\n3 web 1 web1 127.0.0.1 2 1 4 7 9\n"), "{}", kept.text);
    // Another worker is what it says.
    assert_eq!(keep(&answer, &[&started, &in_force], &in_force, changed(8)).unwrap().left_out, 1);
    assert_eq!(keep(&answer, &[&started], &started, changed(7)), Err(StateError::Unknown));
}
