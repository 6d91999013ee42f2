//! `demo`: a failover on this machine, with real hosts, packets and proxies, and a client that counts.
//!
//! Everything it makes carries its process id in its name, and is removed however it ends: by itself, by a signal, by a
//! panic; after a SIGKILL by the next demo.

pub mod backends;
pub mod net;
pub mod prober;

mod balancer;
mod story;
mod tempo;
mod view;

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::thread::CapabilitySet;

use crate::cli::args::{DemoArgs, DemoHostArgs, Place};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::programs;
use crate::cli::terminal::{Tone, complain, paint, print, stdout_colour};
use crate::shell::clock::now;

use balancer::Seat;
use story::{Cut, Stage};
use tempo::Tempo;
use view::{Act, View};

/// The two balancers, the preferred one first.
const BALANCERS: [Seat; 2] = [
    Seat { name: "lb1", front: Ipv4Addr::new(10, 77, 0, 11), back: Ipv4Addr::new(10, 78, 0, 11) },
    Seat { name: "lb2", front: Ipv4Addr::new(10, 77, 0, 12), back: Ipv4Addr::new(10, 78, 0, 12) },
];

/// What the names of namespaces begin with; the process id follows.
const STEM: &str = "vk";

/// Programs that the demo needs, with the Debian package of each.
const NEEDS: [(&str, &str); 2] = [("haproxy", "haproxy"), ("ip", "iproute2")];

const INTRODUCTION: &str = "\
Two hosts (lb1, lb2) with a vipkeeper and an HAProxy each, a client and two web servers, all in network
namespaces of this machine. Both hosts read the same TOML file. The VIP is 10.77.0.100.
";

/// Runs the demo and cleans up.
///
/// # Errors
/// When a privilege or a program is missing, or the story did not go as it should.
pub fn run(args: &DemoArgs) -> Result<Exit, Failure> {
    require()?;
    for orphan in net::sweep_orphans(STEM) {
        drop(fs::remove_dir_all(scratch_path(&orphan)));
    }
    let mut tempo = Tempo::new().map_err(|e| Failure::new(Exit::Unhealthy, format!("cannot catch signals: {e}")))?;
    let prefix = format!("{STEM}{}", std::process::id());
    let scratch = Scratch::new(&prefix)?;
    clean_up_after_panic(&prefix, scratch.path());
    let colour = stdout_colour();
    print(&format!("{}\n{INTRODUCTION}\n", paint("vipkeeper demo", Tone::Strong, colour)));
    let view = View::new(colour);
    let interval = Duration::from_millis(args.interval);
    let told = Stage::set(&prefix, scratch.path(), interval, &mut tempo, &view).and_then(|mut stage| {
        stage.tell().map_err(|cut| match cut {
            Cut::Interrupted => Cut::Interrupted,
            Cut::Failed(why) => Cut::Failed(format!("{why}\n\n{}", stage.last_words())),
        })
    });
    // Whatever was half built when setting the stage failed is gone already; this is for what escaped.
    net::sweep(&prefix);
    end(told, &view)
}

/// The verdict, after everything is cleaned up.
fn end(told: Result<Vec<Act>, Cut>, view: &View) -> Result<Exit, Failure> {
    match told {
        Ok(acts) => {
            view.summary(&acts);
            let good = acts.iter().all(|act| act.good);
            print(if good {
                "\nEverything went as it should; nothing of the demo is left on this machine.\n"
            } else {
                "\nNot everything went as it should; nothing of the demo is left on this machine.\n"
            });
            Ok(if good { Exit::Fine } else { Exit::Unhealthy })
        }
        Err(Cut::Interrupted) => {
            complain("interrupted; nothing of the demo is left on this machine");
            Ok(Exit::Unhealthy)
        }
        Err(Cut::Failed(why)) => Err(Failure::new(Exit::Unhealthy, format!("the demo failed: {why}"))),
    }
}

/// The hidden `demo-host`: returns only on failure.
pub fn become_host(place: &Place, args: &DemoHostArgs) -> Failure {
    balancer::become_host(place, args)
}

/// Root and the programs, or what is missing, all at once.
fn require() -> Result<(), Failure> {
    let mut missing = Vec::new();
    let needed = CapabilitySet::SYS_ADMIN | CapabilitySet::NET_ADMIN | CapabilitySet::NET_RAW;
    if !rustix::process::geteuid().is_root() {
        missing.push("it must run as root, because it makes network namespaces: sudo vipkeeper demo".to_owned());
    } else if !rustix::thread::capabilities(None).is_ok_and(|held| held.effective.contains(needed)) {
        let hint = "in a container, start that with --privileged";
        missing
            .push(format!("it needs CAP_SYS_ADMIN, CAP_NET_ADMIN and CAP_NET_RAW to make network namespaces: {hint}"));
    }
    for (program, package) in NEEDS {
        if programs::find(program).is_none() {
            missing.push(format!("{program} is not installed: apt-get install {package}"));
        }
    }
    match missing.as_slice() {
        [] => Ok(()),
        [one] => Err(Failure::new(Exit::Missing, format!("the demo cannot run: {one}"))),
        several => Err(Failure::new(Exit::Missing, format!("the demo cannot run:\n  {}", several.join("\n  ")))),
    }
}

fn scratch_path(prefix: &str) -> PathBuf {
    std::env::temp_dir().join(format!("vipkeeper-demo-{prefix}"))
}

/// A directory that only we can read, removed when dropped.
#[derive(Debug)]
struct Scratch(PathBuf);

impl Scratch {
    fn new(prefix: &str) -> Result<Self, Failure> {
        let path = scratch_path(prefix);
        let made = fs::DirBuilder::new().mode(0o700).create(&path);
        made.map_err(|e| Failure::new(Exit::Unhealthy, format!("cannot make {}: {e}", path.display())))?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

/// A panic may end the process without unwinding, so it cleans up by itself.
fn clean_up_after_panic(prefix: &str, scratch: &Path) {
    let (prefix, scratch) = (prefix.to_owned(), scratch.to_owned());
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        net::sweep(&prefix);
        drop(fs::remove_dir_all(&scratch));
    }));
}
