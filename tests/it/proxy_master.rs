//! The master CLI's answers.

use proptest::prelude::*;
use vipkeeper::proxy::master::{MasterError, Process, Processes, ReloadAnswer};

/// As HAProxy 2.6.12 prints it after two reloads of which the second failed; the old worker's lines are composed by
/// hand in the same form.
const FAILED_2_6: &str = "\
#<PID>          <type>          <reloads>       <uptime>        <version>      \n\
7736            master          3 [failed: 1]   0d00h00m04s     2.6.12-1+deb12u4\n\
# workers\n\
7949            worker          1               0d00h00m02s     2.6.12-1+deb12u4\n\
# old workers\n\
7741            worker          2               0d00h00m04s     2.6.12-1+deb12u4\n\
# programs\n\
\n";

/// The form of 3.1 and later after a failed reload: the survivor is among the old workers.
const FAILED_3_2: &str = "\
#<PID>          <type>          <reloads>       <uptime>        <version>      \n\
35              master          5 [failed: 1]   0d00h02m31s     3.2.21         \n\
# workers\n\
# old workers\n\
119             worker          1               0d00h01m12s     3.2.21         \n\
# programs\n\
\n";

fn process(pid: u32, reloads: u32, uptime: &str, version: &str) -> Process {
    Process { pid, reloads, uptime: uptime.to_owned(), version: version.to_owned() }
}

#[test]
fn show_proc_of_2_6_is_read() {
    assert_eq!(
        Processes::parse(FAILED_2_6).unwrap(),
        Processes {
            master: process(7736, 3, "0d00h00m04s", "2.6.12-1+deb12u4"),
            failed_reloads: Some(1),
            workers: vec![process(7949, 1, "0d00h00m02s", "2.6.12-1+deb12u4")],
            old_workers: vec![process(7741, 2, "0d00h00m04s", "2.6.12-1+deb12u4")],
        }
    );
}

#[test]
fn show_proc_of_3_2_lists_the_survivor_of_a_failed_reload_as_old() {
    let processes = Processes::parse(FAILED_3_2).unwrap();
    assert_eq!((processes.workers.len(), processes.failed_reloads), (0, Some(1)));
    assert_eq!(processes.old_workers, [process(119, 1, "0d00h01m12s", "3.2.21")]);
}

#[test]
fn uptimes_are_read() {
    let uptime = |text: &str| process(1, 0, text, "").uptime_secs();
    assert_eq!(uptime("0d00h01m12s"), Some(72));
    assert_eq!(uptime("2d03h04m05s"), Some(183_845));
    for wrong in ["", "12s", "0d00h01m12", "0d-1h01m12s", "99999999999999999999d00h00m00s"] {
        assert_eq!(uptime(wrong), None, "{wrong}");
    }
}

#[test]
fn the_master_counts_how_reloads_end() {
    let proc = |pid: u32, reloads: u32, failed: &str| {
        Processes::parse(&format!("{pid} master {reloads} {failed} 0d00h00m04s 2.6\n")).unwrap()
    };
    let before = proc(7, 3, "[failed: 1]");
    assert_eq!(proc(7, 3, "[failed: 1]").reloaded_since(&before), None, "it is not over");
    assert_eq!(proc(7, 4, "[failed: 2]").reloaded_since(&before), Some(false));
    assert_eq!(proc(7, 4, "[failed: 0]").reloaded_since(&before), Some(true));
    assert_eq!(proc(8, 4, "[failed: 0]").reloaded_since(&before), None, "another master counts from the start");
    assert_eq!(proc(7, 4, "").reloaded_since(&before), None, "2.4 does not count");
}

#[test]
fn programs_are_ignored() {
    let with = FAILED_2_6.replace("# programs\n", "# programs\n99 sidecar 0 0d00h00m04s -\n# old programs\n98 x y\n");
    assert_eq!(Processes::parse(&with), Processes::parse(FAILED_2_6));
}

#[test]
fn what_is_not_show_proc_is_refused() {
    assert_eq!(Processes::parse(""), Err(MasterError::NoMaster));
    assert_eq!(Processes::parse("Unknown command\n"), Err(MasterError::Line(1)));
    assert_eq!(Processes::parse("# workers\n1 master 0 [failed: 0] u v\n"), Err(MasterError::Line(2)));
}

#[test]
fn reload_answers_are_read() {
    assert_eq!(ReloadAnswer::parse(""), Some(ReloadAnswer::Unanswered));
    assert_eq!(ReloadAnswer::parse("Success=1\n--\n[NOTICE] (1) : New worker\n"), Some(ReloadAnswer::Succeeded));
    let log = "[ALERT]    (7) : config : parsing [a.cfg:27] : unknown keyword".to_owned();
    assert_eq!(ReloadAnswer::parse(&format!("Success=0\n--\n{log}\n\n")), Some(ReloadAnswer::Failed { log }));
    assert_eq!(ReloadAnswer::parse("Success=0\n"), Some(ReloadAnswer::Failed { log: String::new() }));
    assert_eq!(ReloadAnswer::parse("Unknown command: 'reload'"), None);
}

proptest! {
    #[test]
    fn hostile_answers_never_panic(text in any::<String>(), insert in ".{0,30}", at in 0..FAILED_2_6.len()) {
        let damaged = format!("{}{insert}{}", &FAILED_2_6[..at], &FAILED_2_6[at..]);
        for text in [text, damaged] {
            if let Ok(processes) = Processes::parse(&text) {
                prop_assert!(processes.workers.len() + processes.old_workers.len() <= text.lines().count());
            }
            if let Some(ReloadAnswer::Failed { log }) = ReloadAnswer::parse(&text) {
                prop_assert!(log.len() < text.len());
            }
        }
    }
}
