//! Programs that are told about transitions, in keepalived's words.

use std::fs;
use std::io::Read;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::time::Duration;

use rustix::process::Signal;

use crate::lab::{LB1, LB2, Lab, Spec, VipSpec, WWW, always, www};

/// A hook that writes its arguments down as one line.
fn scribe(lab: &Lab) -> String {
    let script = lab.dir().join("scribe");
    let log = lab.dir().join("scribe.log");
    fs::write(&script, format!("#!/bin/sh\necho \"$*\" >>{}\n", log.display())).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    script.to_str().unwrap().to_owned()
}

fn written(lab: &Lab) -> Vec<String> {
    let text = fs::read_to_string(lab.dir().join("scribe.log")).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

#[test]
fn hooks_run_in_order_with_the_arguments_of_keepalived() {
    let Some(mut lab) = Lab::new("hook_order", &Spec::default()) else { return };
    let scribe = scribe(&lab);
    let hooks: String = ["master", "backup", "fault", "stop"]
        .iter()
        .map(|state| format!("\nnotify_{state} = [\"{scribe}\", \"{state}\"]"))
        .collect();
    let vip = VipSpec { more: format!("{}{hooks}\nnotify = \"{scribe}\"", www().more), ..www() };
    lab.write(&Spec { vips: vec![vip], ..Spec::default() }.toml());
    lab.start(LB1);
    lab.eventually("lb1 holds the VIP", |lab| lab.holders(WWW) == [LB1]);
    lab.eventually("the hooks of the start have run", |lab| {
        written(lab).last().is_some_and(|l| l == "INSTANCE www MASTER 254")
    });
    let start = written(&lab);
    let tail = &start[start.len() - 4..];
    assert_eq!(tail, ["backup", "INSTANCE www BACKUP 254", "master", "INSTANCE www MASTER 254"], "{start:?}");

    lab.signal(LB1, Signal::TERM);
    assert!(lab.ended(LB1).success());
    let end = written(&lab).split_off(start.len());
    assert_eq!(end, ["stop", "INSTANCE www STOP 254"], "{end:?}");
}

#[test]
fn hook_that_hangs_delays_nothing_and_is_killed() {
    let tail = "[hooks]\ntimeout = \"1s\"\nnotify_master = [\"/bin/sh\", \"-c\", \"sleep 600\"]\n";
    let spec = Spec { tail: tail.to_owned(), ..Spec::default() };
    let Some(mut lab) = Lab::new("hanging_hook", &spec) else { return };
    lab.start(LB1);
    lab.eventually("lb1 holds the VIP", |lab| lab.holders(WWW) == [LB1]);
    lab.start(LB2);
    lab.eventually("lb2 stands by", |lab| lab.healthy(LB2) && lab.state(LB2, "www") == "backup");
    // While the hook hangs and is killed, no advert is late: the standby keeps still.
    always("lb1 holds the VIP", Duration::from_secs(2), || lab.holders(WWW) == [LB1]);
    lab.eventually("the hook was killed and that was told", |lab| lab.log(LB1).contains("notify_master"));
    let children = lab.inside(LB1, "ps").args(["-eo", "args"]).output().unwrap();
    let children = String::from_utf8_lossy(&children.stdout).into_owned();
    assert!(!children.lines().any(|l| l == "sleep 600"), "{children}");
}

/// The last word is told while vipkeeper ends.
#[test]
fn a_named_pipe_is_told_of_transitions_in_keepalived_s_words() {
    let spec = Spec::default();
    let Some(mut lab) = Lab::new("notified", &spec) else { return };
    let path = lab.dir().join("pipe");
    lab.write(&format!("{}[[notify]]\nname = \"pipe\"\nfifo = \"{}\"\n", spec.toml(), path.display()));
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::S_IRUSR | nix::sys::stat::Mode::S_IWUSR).unwrap();
    // Who holds both ends never reads an end of file, and this reader never waits.
    let flags = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let mut pipe = fs::File::options().read(true).write(true).custom_flags(flags).open(&path).unwrap();
    lab.start(LB1);
    lab.eventually("lb1 holds the VIP", |lab| lab.state(LB1, "www") == "active");
    lab.signal(LB1, Signal::TERM);
    assert!(lab.ended(LB1).success());
    let mut told = vec![0; 4096];
    let length = pipe.read(&mut told).unwrap();
    let told = String::from_utf8(told[..length].to_vec()).unwrap();
    let lines: Vec<&str> = told.lines().collect();
    let of = |state: &str| format!("INSTANCE \"www\" {state} 254");
    assert_eq!(lines[..2], [of("BACKUP"), of("MASTER")]);
    assert_eq!(lines.last().copied(), Some(&*of("STOP")));
}
