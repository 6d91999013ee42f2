//! Hooks as real processes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use tokio::sync::mpsc;
use vipkeeper::hooks::HookRun;
use vipkeeper::node::Event;
use vipkeeper::node::event::{HookOutcome, OpId};
use vipkeeper::shell::hook_runner::{self, run_hook};

use crate::namespace::{as_root, on_thread};

fn hook(argv: &[&str]) -> HookRun {
    HookRun {
        vip: "www".to_owned(),
        hook: "notify_master",
        argv: argv.iter().map(|a| (*a).to_owned()).collect(),
        user: None,
        group: None,
        timeout: Duration::from_secs(20),
    }
}

/// A script of `sh`, since hooks themselves get no shell.
fn script(directory: &Path, text: &str) -> String {
    named_script(directory, "hook.sh", text)
}

fn named_script(directory: &Path, name: &str, text: &str) -> String {
    let path = directory.join(name);
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

fn alive(pid: &str) -> bool {
    // A zombie has ended.
    fs::read_to_string(format!("/proc/{}/stat", pid.trim())).is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn arguments_arrive_as_they_are_without_a_shell() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let program = script(directory.path(), r#"out=$1; shift; for a in "$@"; do printf '<%s>' "$a"; done > $out"#);
        let run = hook(&[&program, out.to_str().unwrap(), "a b", "$HOME;`id`", "", "*"]);
        assert_eq!(run_hook("lb1", run).await, HookOutcome::Succeeded);
        assert_eq!(fs::read_to_string(out).unwrap(), "<a b><$HOME;`id`><><*>");
    });
}

#[test]
fn the_environment_is_ours_alone_and_the_hook_leads_its_own_process_group() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("out");
        let program = script(
            directory.path(),
            "{ env | sort | grep -v -e ^PWD= -e ^_= -e ^SHLVL= -e ^OLDPWD=; pwd; cut -d' ' -f1,5 /proc/$$/stat; readlink /proc/$$/fd/0; } > $1",
        );
        assert_eq!(run_hook("lb1", hook(&[&program, out.to_str().unwrap()])).await, HookOutcome::Succeeded);
        let text = fs::read_to_string(out).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert!(lines[0].starts_with("PATH=/usr/local/sbin:"), "{text}");
        assert_eq!(lines[1..4], ["VIPKEEPER_HOOK=notify_master", "VIPKEEPER_NODE=lb1", "VIPKEEPER_VIP=www"], "{text}");
        assert_eq!(lines[4], "/", "{text}");
        let (pid, group) = lines[5].split_once(' ').unwrap();
        assert_eq!(pid, group, "{text}");
        assert_eq!(lines[6], "/dev/null", "{text}");
        assert_eq!(lines.len(), 7, "{text}");
    });
}

#[test]
fn statuses_and_signals_are_told_apart() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let program = script(directory.path(), "eval \"$1\"");
        assert_eq!(run_hook("lb1", hook(&[&program, "exit 3"])).await, HookOutcome::Failed("exit status 3".to_owned()));
        assert_eq!(run_hook("lb1", hook(&[&program, "kill -9 $$"])).await, HookOutcome::Failed("signal 9".to_owned()));
    });
}

#[test]
fn a_hook_that_cannot_be_started_says_why() {
    on_thread(|| async {
        let failed = |outcome| {
            let HookOutcome::Failed(why) = outcome else { panic!("{outcome:?}") };
            why
        };
        let why = failed(run_hook("lb1", hook(&["/nonexistent/hook"])).await);
        assert_eq!(why, "cannot start /nonexistent/hook: No such file or directory (os error 2)");
        let why = failed(run_hook("lb1", hook(&["/etc/passwd"])).await);
        assert!(why.starts_with("cannot start /etc/passwd: Permission denied"), "{why}");
        let mut run = hook(&["/bin/true"]);
        run.user = Some("no-such-user".to_owned());
        let why = failed(run_hook("lb1", run).await);
        assert_eq!(why, "cannot start /bin/true: there is no user \"no-such-user\"");
    });
}

#[test]
fn at_the_deadline_the_hook_and_its_children_are_killed() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("pids");
        // The grandchild ignores everything it can ignore and holds the output open.
        let program = script(
            directory.path(),
            "trap '' TERM INT HUP; sh -c 'trap \"\" TERM INT HUP; sleep 600' & echo $$ $! > $1.tmp; mv $1.tmp $1; sleep 600",
        );
        let mut run = hook(&[&program, out.to_str().unwrap()]);
        run.timeout = Duration::from_millis(500);
        assert_eq!(run_hook("lb1", run).await, HookOutcome::TimedOut);
        let pids = fs::read_to_string(out).expect("the hook ran");
        for pid in pids.split_whitespace() {
            let mut left = 100;
            while alive(pid) && left > 0 {
                tokio::time::sleep(Duration::from_millis(20)).await;
                left -= 1;
            }
            assert!(!alive(pid), "process {pid} survived the deadline");
        }
    });
}

#[test]
fn a_daemon_left_by_a_hook_neither_delays_its_outcome_nor_dies() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("pid");
        let program = script(directory.path(), "sleep 30 & echo $! > $1");
        assert_eq!(run_hook("lb1", hook(&[&program, out.to_str().unwrap()])).await, HookOutcome::Succeeded);
        let pid = fs::read_to_string(out).unwrap();
        assert!(alive(&pid));
        let pid = nix::unistd::Pid::from_raw(pid.trim().parse().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGKILL).unwrap();
    });
}

#[test]
fn endless_output_does_not_block_or_fill_memory() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let program = script(directory.path(), "head -c 10000000 /dev/zero; echo done >&2");
        assert_eq!(run_hook("lb1", hook(&[&program])).await, HookOutcome::Succeeded);
    });
}

#[test]
fn a_hook_runs_as_the_configured_user_without_our_groups() {
    as_root("a_hook_runs_as_the_configured_user_without_our_groups", || async {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let program = script(directory.path(), "{ id -un; id -gn; id -G; } > $1");
        let nobody = nix::unistd::User::from_name("nobody").unwrap().expect("every system has nobody");
        let group = nix::unistd::Group::from_gid(nobody.gid).unwrap().unwrap();

        let out = directory.path().join("user");
        let mut run = hook(&[&program, out.to_str().unwrap()]);
        run.user = Some("nobody".to_owned());
        assert_eq!(run_hook("lb1", run.clone()).await, HookOutcome::Succeeded);
        assert_eq!(fs::read_to_string(out).unwrap(), format!("nobody\n{}\n{}\n", group.name, nobody.gid));

        let out = directory.path().join("group");
        run.argv[1] = out.to_str().unwrap().to_owned();
        run.group = Some("daemon".to_owned());
        assert_eq!(run_hook("lb1", run).await, HookOutcome::Succeeded);
        assert!(fs::read_to_string(out).unwrap().starts_with("nobody\ndaemon\n"));
    });
}

#[test]
fn the_worker_runs_hooks_at_the_same_time_and_tells_each_outcome() {
    on_thread(|| async {
        let directory = tempfile::tempdir().unwrap();
        let fifo = directory.path().join("fifo");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::from_bits_truncate(0o600)).unwrap();
        let (hooks, queue) = mpsc::channel(4);
        let (events, mut outcomes) = mpsc::channel(4);
        tokio::spawn(hook_runner::run("lb1".to_owned(), queue, events));
        // Each end of a FIFO waits for the other: one after the other they would never end.
        let fifo = fifo.to_str().unwrap();
        let read = script(directory.path(), "read line < $1; test \"$line\" = hello");
        hooks.send((OpId(1), hook(&[&read, fifo]))).await.unwrap();
        let write = named_script(directory.path(), "write.sh", "echo hello > $1");
        hooks.send((OpId(2), hook(&[&write, fifo]))).await.unwrap();
        let mut ended = Vec::new();
        for _ in 0..2 {
            let event = outcomes.recv().await.unwrap();
            let Event::HookFinished { op, outcome: HookOutcome::Succeeded } = event else { panic!("{event:?}") };
            ended.push(op);
        }
        ended.sort();
        assert_eq!(ended, [OpId(1), OpId(2)]);
    });
}
