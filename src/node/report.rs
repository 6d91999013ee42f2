//! The node as an operator sees it.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::addrs::LeasedAddress;
use crate::node::effect::Effect;
use crate::node::groups;
use crate::node::outbox::Outbox;
use crate::node::status::{
    ConfigStatus, DuplicateStatus, Holder, OldWorkerStatus, ProxyStatus, RefusedStatus, ReloadStatus, SpeakerStatus,
    Status, TransitionStatus, VipStatus,
};
use crate::node::vip::{Host, Vip, mac};
use crate::node::{Node, Phase};
use crate::proxy::attendance::OldWorker;
use crate::proxy::capabilities::Capabilities;
use crate::proxy::health::Verdict;
use crate::units::{Digest, Family, Name, Priority, Vrid};
use crate::vrrp::packet::Reject;
use crate::vrrp::router::{Role, State};

/// VIPs that are named to the service manager one by one; of more only the numbers are told.
const NAMED_MAX: usize = 16;
/// What strangers did is a trouble for this long; the lists that programs read keep it for longer.
const LATELY: Duration = Duration::from_secs(60);

fn old_worker((replaced, worker): (Duration, &OldWorker)) -> OldWorkerStatus {
    let OldWorker { id, uptime_secs, connections, memory_kib, runnable: _ } = worker;
    OldWorkerStatus {
        pid: id.pid,
        up_ms: uptime_secs.saturating_mul(1000),
        replaced_ms_ago: whole_ms(replaced),
        connections: *connections,
        memory_kib: *memory_kib,
    }
}

impl Node {
    /// Digest of the configuration in force.
    pub fn in_force(&self) -> Digest {
        self.loaded.config.digest
    }

    /// The virtual routers that are active here, a cheap part of [`Node::status`].
    pub fn active(&self) -> impl Iterator<Item = Vrid> {
        self.vips.iter().filter(|vip| vip.router.role() == Role::Active).map(|vip| vip.config.vrid)
    }

    /// What an operator sees at `now`.
    pub fn status(&self, now: Instant) -> Status {
        Status {
            node: self.me.to_string(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            pid: 0,
            up_ms: ms(now, self.started_at),
            phase: match self.phase {
                Phase::Running if self.ready => "running",
                Phase::Running => "starting",
                Phase::Stopping { .. } | Phase::Exited => "stopping",
            }
            .to_owned(),
            maintenance: self.proxying.wishes.intents.maintenance,
            config: ConfigStatus {
                digest: self.loaded.config.digest.to_string(),
                loaded_ms_ago: ms(now, self.loaded_at),
                last_reload: self.changes.last.as_ref().map(|last| ReloadStatus {
                    ok: last.ok,
                    message: last.message.clone(),
                    ms_ago: ms(now, last.at),
                    took_ms: whole_ms(last.took),
                }),
            },
            proxy: self.proxy_status(now),
            vips: self.vips.iter().map(|vip| self.vip_status(now, vip)).collect(),
            trackers: self.tracking.status(now, &self.me),
            dropped: self.all_dropped(),
            peers: self.peer_status(now),
            peers_note: self.peering.trouble(),
        }
    }

    fn all_dropped(&self) -> BTreeMap<String, BTreeMap<String, u64>> {
        let by_interface = self.dropped.iter().map(|(name, counters)| (name.to_string(), by_name(counters)));
        let hellos = self.hellos_dropped();
        by_interface.chain((!hellos.is_empty()).then(|| ("hellos".to_owned(), hellos))).collect()
    }

    fn proxy_status(&self, now: Instant) -> ProxyStatus {
        let proxying = &self.proxying;
        let sample = proxying.sample.as_ref();
        let (healthy, why) = match proxying.verdict() {
            Verdict::Healthy => (true, "answers and every frontend is open".to_owned()),
            Verdict::Failed { why } => (false, why.clone()),
        };
        ProxyStatus {
            engine: self.loaded.config.proxy.engine.name().to_owned(),
            healthy,
            why,
            for_ms: ms(now, proxying.health.since()),
            doing: proxying.lifecycle.doing(now),
            master_pid: proxying.lifecycle.master(),
            worker_pid: proxying.worker,
            version: sample.map(|s| s.version_text.clone()),
            generation: sample.and_then(|s| s.generation).map(|g| g.to_string()),
            connections: sample.map(|s| (s.connections, s.connections_max)),
            accepted: sample.and_then(|s| s.accepted),
            frontends: sample.map(|s| s.frontends.clone()).unwrap_or_default(),
            backends: sample
                .map(|s| s.backends.iter().map(|b| (b.name.clone(), b.status.clone())).collect())
                .unwrap_or_default(),
            starts: proxying.lifecycle.starts(),
            installed_version: proxying.capabilities.as_ref().map(|c| c.version_text.clone()),
            features: proxying.capabilities.iter().flat_map(Capabilities::features).map(str::to_owned).collect(),
            old_workers: proxying.roster.old(now).map(old_worker).collect(),
            old_workers_more: proxying.roster.more(),
            intents: self.intents_status(now),
        }
    }

    fn vip_status(&self, now: Instant, vip: &Vip) -> VipStatus {
        let transitions = vip.transitions.iter().map(|t| TransitionStatus {
            from: t.from.name().to_owned(),
            to: t.to.name().to_owned(),
            why: t.why.clone(),
            ms_ago: ms(now, t.at),
        });
        let installed = vip.addresses.iter().map(|a| &a.lease).filter(|a| a.is_present()).map(LeasedAddress::address);
        VipStatus {
            name: vip.config.name.to_string(),
            vrid: vip.config.vrid.get(),
            interface: vip.interface.to_string(),
            addresses: vip.config.addresses.iter().map(|a| a.address.to_string()).collect(),
            state: vip.router.role().name().to_owned(),
            for_ms: ms(now, vip.since),
            why: match vip.router.state() {
                // The reason to abstain may have changed since the transition.
                State::Initialize { why } => why.clone(),
                State::Backup { .. } => self.waiting(now, vip).unwrap_or_else(|| vip.why.clone()),
                State::Active { .. } => vip.why.clone(),
            },
            holder: self.holder(now, vip),
            priority: vip.router.priority().map(Priority::get),
            base_priority: vip.base.get(),
            weights: weights(vip),
            operator: vip.released.as_ref().map(|released| released.manner.name().to_owned()),
            installed: installed.map(|a| a.to_string()).collect(),
            transitions: transitions.collect(),
            counters: vip.counters.iter().map(|(name, n)| ((*name).to_owned(), *n)).collect(),
            dropped: by_name(&vip.dropped),
            group: groups::of(&self.groups, vip).map(Name::to_string),
            routing: vip.routing_status(&self.observation.network),
            speakers: speakers(now, vip),
            duplicates: duplicates(now, vip),
            refused: refused(now, vip),
            troubles: self.troubles(now, vip),
        }
    }

    /// What a human should look at: the cause, and whose it is.
    fn troubles(&self, now: Instant, vip: &Vip) -> Vec<String> {
        let mut troubles = vip.peer_troubles(&self.host(now));
        troubles.extend(self.filter_trouble(vip));
        let recent = |at: Instant| now.saturating_duration_since(at) <= LATELY;
        for speaker in vip.strangers.speakers.iter().filter(|s| recent(s.at)) {
            troubles.push(format!(
                "{} speaks for VRID {} too, with priority {}, and is no node of the configuration: another router \
                 uses this VRID, or that address is missing in a [[node]]",
                speaker.source,
                vip.config.vrid,
                speaker.claim.byte()
            ));
        }
        for duplicate in vip.strangers.duplicates.iter().filter(|d| recent(d.at)) {
            let (mac, ip) = (mac(duplicate.claimed.mac), duplicate.claimed.ip);
            troubles.push(format!("{mac} claims {ip} too: another host has this address"));
        }
        for refused in vip.strangers.refused.iter().filter(|r| recent(r.at)) {
            troubles.push(refused.words(self.node_at(refused.source)));
        }
        if vip.router.role() == Role::Active {
            let missing = vip.routing_status(&self.observation.network);
            let missing = missing.into_iter().filter_map(|(what, why)| why.map(|why| format!("{what}: {why}")));
            troubles.extend(missing);
        }
        troubles.extend(vip.reset_error().map(|why| format!("connections of clients cannot be reset: {why}")));
        troubles
    }

    pub(super) fn host(&self, now: Instant) -> Host<'_> {
        Host {
            now,
            wall: self.wall.at(now),
            network: &self.observation.network,
            hooks: &self.loaded.config.hooks,
            stopping: matches!(self.phase, Phase::Stopping { .. }),
            me: &self.me,
            peering: &self.peering,
            proxy: self.proxying.verdict(),
        }
    }

    /// What a backup waits for that would go further.
    fn waiting(&self, now: Instant, vip: &Vip) -> Option<String> {
        if let Some((heard, from)) = vip.router.waits_to_preempt(now) {
            let left = from.saturating_duration_since(now).as_secs() + 1;
            let holder = self.holder(now, vip).and_then(|h| h.node).unwrap_or_else(|| heard.source.to_string());
            return Some(format!(
                "waits until it has been fit for long enough to take back from {holder} ({left} s left)"
            ));
        }
        let hold = vip.router.link_hold().filter(|at| now < *at)?;
        let left = whole_ms(hold.saturating_duration_since(now));
        Some(format!("{}; the link is new: waits {left} ms more for a first frame", vip.why))
    }

    /// The node with that address.
    fn node_at(&self, address: IpAddr) -> Option<&str> {
        let mut nodes = self.loaded.config.nodes.iter();
        nodes.find(|n| n.address_of(Family::of(address)) == Some(address)).map(|n| n.name.as_str())
    }

    fn holder(&self, now: Instant, vip: &Vip) -> Option<Holder> {
        if let (Role::Active, Some(priority)) = (vip.router.role(), vip.router.priority()) {
            let address = self.loaded.config.node(&self.me).map(|n| n.address.to_string()).unwrap_or_default();
            return Some(Holder { node: Some(self.me.to_string()), address, priority: priority.get() });
        }
        let heard = vip.router.heard(now)?;
        Some(Holder {
            node: self.node_at(heard.source).map(str::to_owned),
            address: heard.source.to_string(),
            priority: heard.claim.byte(),
        })
    }

    /// Readiness once, and one line of state whenever it changed.
    pub(super) fn notify(&mut self, out: &mut Outbox) {
        let ready = !self.ready && self.observation.seen && self.proxying.settled;
        let healthy = self.proxying.verdict() == &Verdict::Healthy;
        let roles = || self.vips.iter().map(|v| v.router.role());
        // Every turn comes by here: nothing is put into words that was said already.
        let said = self.notified.as_ref().is_some_and(|(h, r)| *h == healthy && r.iter().copied().eq(roles()));
        if said && !ready {
            return;
        }
        let vips: Vec<String> = if self.vips.len() > NAMED_MAX {
            let count = |role| self.vips.iter().filter(|v| v.router.role() == role).count();
            [Role::Active, Role::Backup, Role::Fault].map(|role| format!("{} {}", count(role), role.name())).to_vec()
        } else {
            self.vips.iter().map(|v| format!("{} {}", v.config.name, v.router.role().name())).collect()
        };
        let status = format!("{}; {}", if healthy { "proxy healthy" } else { "proxy failed" }, vips.join(", "));
        self.notified = Some((healthy, roles().collect()));
        self.ready |= ready;
        out.push(Effect::Notify { ready, status });
    }
}

/// What makes the priority what it is.
fn weights(vip: &Vip) -> Vec<(String, i32)> {
    let stands_by = vip.stands_by().then(|| {
        let down = i32::from(Priority::MIN.get()).saturating_sub(i32::from(vip.base.get()));
        ("an operator: others go first".to_owned(), down)
    });
    stands_by.map_or_else(|| vip.judgement.weights.clone(), |one| vec![one])
}

fn speakers(now: Instant, vip: &Vip) -> Vec<SpeakerStatus> {
    let all = vip.strangers.speakers.iter().map(|s| SpeakerStatus {
        address: s.source.to_string(),
        priority: s.claim.byte(),
        interval_ms: whole_ms(s.interval.duration()),
        ms_ago: ms(now, s.at),
    });
    all.collect()
}

fn duplicates(now: Instant, vip: &Vip) -> Vec<DuplicateStatus> {
    let all = vip.strangers.duplicates.iter().map(|d| DuplicateStatus {
        address: d.claimed.ip.to_string(),
        mac: mac(d.claimed.mac),
        ms_ago: ms(now, d.at),
    });
    all.collect()
}

fn refused(now: Instant, vip: &Vip) -> Vec<RefusedStatus> {
    let all = vip.strangers.refused.iter().map(|r| RefusedStatus {
        address: r.source.to_string(),
        reason: r.reason.name().to_owned(),
        ms_ago: ms(now, r.at),
    });
    all.collect()
}

fn by_name(counters: &BTreeMap<Reject, u64>) -> BTreeMap<String, u64> {
    counters.iter().map(|(reason, n)| (reason.name().to_owned(), *n)).collect()
}

fn ms(now: Instant, then: Instant) -> u64 {
    whole_ms(now.saturating_duration_since(then))
}

fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
