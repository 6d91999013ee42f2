//! Capabilities, processes, settings of the kernel, the packet filter's rules.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::process::Stdio;
use std::time::Duration;

use rustix::thread::CapabilitySet;
use tokio::process::Command;

use crate::doctor::Gathered;
use crate::shell::program;
use crate::units::IfName;

/// `nft` lists ten thousand rules in less.
const LISTED_WITHIN: Duration = Duration::from_secs(10);

/// Processes that are looked at.
const PROCESSES_MAX: usize = 1 << 16;

pub(super) fn capabilities() -> Gathered<BTreeMap<String, bool>> {
    match rustix::thread::capabilities(None) {
        Ok(sets) => {
            let held = |of| sets.effective.contains(of);
            let needed = [("CAP_NET_ADMIN", CapabilitySet::NET_ADMIN), ("CAP_NET_RAW", CapabilitySet::NET_RAW)];
            Gathered::Read(needed.map(|(name, of)| (name.to_owned(), held(of))).into())
        }
        Err(error) => Gathered::Unread(error.to_string()),
    }
}

/// The rules as JSON.
pub(super) async fn nftables() -> Gathered<String> {
    let mut command = Command::new("nft");
    command.args(["-j", "list", "ruleset"]).current_dir("/").env_clear().env("PATH", program::PROGRAM_PATH);
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = match tokio::time::timeout(LISTED_WITHIN, command.output()).await {
        Err(_) => return Gathered::Unread(format!("nft did not end within {} s", LISTED_WITHIN.as_secs())),
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Gathered::Unread("there is no program nft: install the package nftables".to_owned());
        }
        Ok(Err(error)) => return Gathered::Unread(format!("cannot start nft: {error}")),
        Ok(Ok(output)) => output,
    };
    if output.status.success() {
        return Gathered::Read(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let says = String::from_utf8_lossy(&output.stderr);
    let first = says.lines().next().unwrap_or_default();
    Gathered::Unread(format!("nft: {first}"))
}

/// Tables of the older iptables and ip6tables.
pub(super) fn legacy_tables() -> Gathered<Vec<String>> {
    let mut tables = Vec::new();
    for file in ["/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"] {
        match fs::read_to_string(file) {
            Ok(text) => tables.extend(text.lines().map(str::to_owned)),
            // Its module was never loaded.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Gathered::Unread(format!("{file}: {error}")),
        }
    }
    Gathered::Read(tables)
}

/// What the doctor judges below `/proc/sys`, by path from there.
pub(super) fn sysctls(interfaces: &BTreeSet<&IfName>) -> BTreeMap<String, Gathered<String>> {
    let mut all = BTreeMap::new();
    for interface in interfaces.iter().map(|name| name.as_str()).chain(["all"]) {
        let v4 = ["rp_filter", "arp_ignore", "promote_secondaries", "forwarding"].map(|key| ("ipv4", key));
        for (family, key) in v4.into_iter().chain([("ipv6", "disable_ipv6")]) {
            let path = format!("net/{family}/conf/{interface}/{key}");
            match fs::read_to_string(format!("/proc/sys/{path}")) {
                Ok(text) => drop(all.insert(path, Gathered::Read(text.trim().to_owned()))),
                // No such interface, or a kernel without that family: told of elsewhere.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => drop(all.insert(path, Gathered::Unread(error.to_string()))),
            }
        }
    }
    all
}

/// Processes in the network namespace of this thread, ours excepted. One whose namespace may not be read counts too.
pub(super) fn processes() -> Gathered<Vec<(u32, String)>> {
    let entries = match fs::read_dir("/proc") {
        Ok(entries) => entries,
        Err(error) => return Gathered::Unread(format!("/proc: {error}")),
    };
    let here = fs::read_link("/proc/thread-self/ns/net").ok();
    let mut all: Vec<(u32, String)> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .take(PROCESSES_MAX)
        .filter(|pid| *pid != std::process::id())
        .filter(|pid| fs::read_link(format!("/proc/{pid}/ns/net")).ok().is_none_or(|ns| Some(ns) == here))
        .filter_map(|pid| Some((pid, fs::read_to_string(format!("/proc/{pid}/comm")).ok()?.trim().to_owned())))
        .collect();
    all.sort_unstable();
    Gathered::Read(all)
}

/// Hundredths of a percent, of the last minute.
pub(super) fn processor_pressure() -> Gathered<u32> {
    const FILE: &str = "/proc/pressure/cpu";
    let text = match fs::read_to_string(FILE) {
        Ok(text) => text,
        Err(error) => return Gathered::Unread(format!("{FILE}: {error}")),
    };
    let word = text.lines().next().and_then(|line| line.split_whitespace().find_map(|w| w.strip_prefix("avg60=")));
    // Always two decimals.
    match word.and_then(|w| w.replace('.', "").parse().ok()) {
        Some(pressure) => Gathered::Read(pressure),
        None => Gathered::Unread(format!("{FILE} is not understood")),
    }
}

/// Whether the kernel gives any time to real-time processes.
pub(super) fn realtime() -> Gathered<bool> {
    const FILE: &str = "/proc/sys/kernel/sched_rt_runtime_us";
    match fs::read_to_string(FILE) {
        Ok(text) => Gathered::Read(text.trim() != "0"),
        Err(error) => Gathered::Unread(format!("{FILE}: {error}")),
    }
}
