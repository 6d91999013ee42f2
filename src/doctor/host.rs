//! The host itself: privileges, other daemons, ports, and whether it gets a processor in time.

use super::facts::{Facts, Gathered};
use super::{Report, Severity};
use crate::config::Config;
use crate::units::Name;

/// Daemons that speak VRRP too, as the kernel names their processes.
const VRRP_DAEMONS: [&str; 4] = ["keepalived", "vrrpd", "uvrrpd", "ucarp"];

/// Hundredths of a percent: above, something waits for a processor more than a tenth of the time.
const PRESSURE_MAX: u32 = 1_000;

pub(super) fn examine(config: &Config, _node: &Name, facts: &Facts, report: &mut Report) {
    privileges(facts, report);
    daemons(facts, report);
    ports(config, facts, report);
    starvation(facts, report);
}

fn privileges(facts: &Facts, report: &mut Report) {
    let Some(capabilities) = report.take("capabilities", &facts.capabilities) else { return };
    // Those of a vipkeeper that runs suffice, whoever asks here.
    if facts.status().is_some() || matches!(facts.running, Gathered::Unread(_)) {
        return;
    }
    let missing: Vec<&str> = capabilities.iter().filter(|(_, held)| !**held).map(|(name, _)| name.as_str()).collect();
    if !missing.is_empty() {
        report.find(
            Severity::Warning,
            "missing-capability",
            format!("this user lacks {}", missing.join(" and ")),
            "`vipkeeper run` started like this would end with status 3; under the unit it has what it needs",
            format!("run it as root, or with AmbientCapabilities={}", missing.join(" ")),
        );
    }
}

fn daemons(facts: &Facts, report: &mut Report) {
    let Some(processes) = report.take("other daemons", &facts.processes) else { return };
    for (pid, name) in processes.iter().filter(|(_, name)| VRRP_DAEMONS.contains(&name.as_str())) {
        report.find(
            Severity::Warning,
            "other-vrrp-daemon",
            format!("{name} (process {pid}) runs on this host"),
            "two daemons that move the same addresses take them from each other",
            format!("systemctl disable --now {name}, unless its VRIDs and addresses are others"),
        );
    }
    let own = facts.status().map(|s| s.pid);
    let others: Vec<String> = processes
        .iter()
        .filter(|(pid, name)| name == "vipkeeper" && Some(*pid) != own)
        .map(|(pid, _)| pid.to_string())
        .collect();
    // One that does not answer here is not a second one: it may have another runtime directory.
    if own.is_some() && !others.is_empty() {
        report.find(
            Severity::Warning,
            "second-vipkeeper",
            format!("a second vipkeeper runs on this host (process {})", others.join(" and ")),
            "two of them with the same VIPs remove each other's addresses",
            format!("kill {}, or give it VIPs of its own", others.join(" ")),
        );
    }
}

fn ports(config: &Config, facts: &Facts, report: &mut Report) {
    let Some(refused) = report.take("ports of the frontends", &facts.ports) else { return };
    let engine = config.proxy.engine.name();
    for (address, line) in refused {
        if line.contains("CAP_NET_BIND_SERVICE") {
            report.unchecked(format!("whether {address} is free"), "this user may not bind ports below 1024");
            continue;
        }
        // vipkeeper leaves the proxy running when it is stopped (proxy.on_stop), and adopts it.
        if facts.status().is_none() && line.contains(&format!(" is taken by {engine} (process ")) {
            report.unchecked(format!("whether {address} is free"), format!("a running {engine} has it, perhaps ours"));
            continue;
        }
        let (what, fix) = line.split_once(": ").unwrap_or((line.as_str(), "bind another port"));
        report.find(
            Severity::Error,
            "port-taken",
            what.to_owned(),
            &format!("{engine} cannot listen on {address}, so it does not start or a reload is refused"),
            fix.to_owned(),
        );
    }
}

fn starvation(facts: &Facts, report: &mut Report) {
    if let Some(pressure) = report.take("processor pressure", &facts.processor_pressure)
        && *pressure > PRESSURE_MAX
    {
        report.find(
            Severity::Warning,
            "processor-starved",
            format!("in {} % of the last minute something waited for a processor", pressure / 100),
            "adverts that leave late make a backup take over from a host that lives",
            "run less here, or a longer `advert_interval`; real-time scheduling (--realtime) helps vipkeeper alone"
                .to_owned(),
        );
    }
    if let Some(possible) = report.take("real-time scheduling", &facts.realtime)
        && !possible
    {
        report.find(
            Severity::Note,
            "no-realtime",
            "the kernel grants no time to real-time processes (sched_rt_runtime_us is 0)".to_owned(),
            "vipkeeper then competes with everything else for a processor",
            "sysctl -w kernel.sched_rt_runtime_us=950000".to_owned(),
        );
    }
}
