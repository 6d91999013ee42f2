//! Private network namespaces for tests: made by a thread of their own and gone with it.

use std::fs::File;
use std::process::Command;
use std::time::Duration;

use nix::sched::{CloneFlags, setns, unshare};

/// A network namespace that lives as long as this value.
pub struct Namespace(File);

impl Namespace {
    /// Makes one and enters it.
    pub fn new() -> Self {
        unshare(CloneFlags::CLONE_NEWNET).expect("unshare");
        Self(File::open("/proc/thread-self/ns/net").expect("own namespace"))
    }

    /// Sockets and processes that this thread makes from now on belong to it.
    pub fn enter(&self) {
        setns(&self.0, CloneFlags::CLONE_NEWNET).expect("setns");
    }

    /// A path that `ip link set ... netns` takes, as long as this value lives.
    pub fn path(&self) -> String {
        use std::os::fd::AsRawFd;
        format!("/proc/{}/fd/{}", std::process::id(), self.0.as_raw_fd())
    }
}

/// Runs the test on a thread of its own with a current-thread runtime, or says loudly that it was skipped.
pub fn as_root<F: Future<Output = ()>>(test: &str, run: impl FnOnce() -> F + Send + 'static) {
    if !nix::unistd::Uid::effective().is_root() {
        crate::skip(test, "needs root");
        return;
    }
    on_thread(run);
}

/// Runs it on a thread of its own with a current-thread runtime; fails when it takes longer than 30 s.
pub fn on_thread<F: Future<Output = ()>>(run: impl FnOnce() -> F + Send + 'static) {
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { tokio::time::timeout(Duration::from_secs(30), run()).await.expect("within 30 s") });
        runtime.shutdown_background();
    });
    if let Err(panic) = thread.join() {
        std::panic::resume_unwind(panic);
    }
}

/// Runs `ip` in the namespace of the calling thread.
pub fn ip(arguments: &str) -> String {
    let output = Command::new("ip").args(arguments.split_whitespace()).output().expect("iproute2 is installed");
    assert!(output.status.success(), "ip {arguments}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The kernel index of a link in the namespace of the calling thread.
pub fn index(link: &str) -> u32 {
    nix::net::if_::if_nametoindex(link).expect("the link is there")
}

/// Waits until the kernel has noticed the carrier: until then a link drops what is sent, and news of it are on the way.
pub async fn link_up(link: &str) {
    while !ip(&format!("-o link show {link}")).contains("state UP") {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
