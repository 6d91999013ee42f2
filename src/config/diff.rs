//! What changes between two configurations beside the proxy's own file, and at what cost.
//!
//! Pure and ordered as the file is. What the proxy's text costs is `proxy::runtime::plan`'s to say. It must never leave a
//! field out: structures are taken apart in full, so that a new one stops the build.

use std::fmt;

use serde::Serialize;

use super::{Config, ProxyConfig, VipConfig};
use crate::units::Name;

/// What a change costs, the cheapest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cost {
    /// It is in force at once and interrupts nobody.
    Nothing,
    /// The running proxy is told; no new worker.
    Runtime,
    /// A new worker of the proxy; the old one finishes its connections.
    Reload,
    /// A VIP appears, leaves or begins its election anew.
    Election,
    /// Only a restart of vipkeeper and the proxy brings it about.
    Restart,
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nothing => "nothing",
            Self::Runtime => "runtime",
            Self::Reload => "reload",
            Self::Election => "election",
            Self::Restart => "restart",
        })
    }
}

/// One difference.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What it costs.
    pub cost: Cost,
    /// What changes, for people.
    pub what: String,
}

impl Difference {
    /// One difference with its cost.
    pub fn new(cost: Cost, what: impl fmt::Display) -> Self {
        Self { cost, what: what.to_string() }
    }
}

/// What a node of that name has to do beside its proxy's file.
pub fn differences(old: &Config, new: &Config, me: &Name) -> Vec<Difference> {
    // Frontends, backends and what belongs to them are in the proxy's text, and the digest is that of the files.
    let Config {
        nodes,
        vips,
        groups,
        trackers,
        peers,
        proxy,
        frontends: _,
        backends: _,
        resolvers: _,
        userlists: _,
        stats: _,
        hooks,
        http,
        notifiers,
        digest: _,
    } = new;
    let mut found = Vec::new();
    let at_once = |same: bool, what: &str| (!same).then(|| Difference::new(Cost::Nothing, what));
    found.extend(at_once(old.nodes == *nodes, "nodes change"));
    for vip in vips {
        found.extend(match old.vip(&vip.name) {
            Some(before) => of_vip(before, vip, me),
            None => Some(Difference::new(Cost::Election, format!("vip {}: new", vip.name))),
        });
    }
    for gone in old.vips.iter().filter(|vip| new.vip(&vip.name).is_none()) {
        found.push(Difference::new(Cost::Election, format!("vip {}: removed, with its addresses", gone.name)));
    }
    found.extend(at_once(old.groups == *groups, "groups of VIPs change"));
    found.extend(at_once(old.trackers == *trackers, "trackers change"));
    found.extend(at_once(old.peers == *peers, "what nodes say to each other changes"));
    found.extend(at_once(old.hooks == *hooks, "settings of hooks change"));
    found.extend(at_once(old.http == *http, "where HTTP is answered changes"));
    found.extend(at_once(old.notifiers == *notifiers, "who is told of transitions changes"));
    found.extend(of_proxy(&old.proxy, proxy));
    found
}

fn of_vip(old: &VipConfig, new: &VipConfig, me: &Name) -> Option<Difference> {
    if old == new {
        return None;
    }
    // As `Vip::is_same_router` has it: else the old router resigns and another one begins.
    let same_router = old.interfaces.get(me) == new.interfaces.get(me)
        && old.vrid == new.vrid
        && old.transport == new.transport
        && old.hardware == new.hardware;
    let takes_part = (old.priorities.contains_key(me), new.priorities.contains_key(me));
    Some(match (same_router, takes_part) {
        (_, (true, false)) => Difference::new(Cost::Election, format!("vip {}: leaves this node", new.name)),
        (_, (false, true)) => Difference::new(Cost::Election, format!("vip {}: new on this node", new.name)),
        (false, _) => Difference::new(Cost::Election, format!("vip {}: another router of its own", new.name)),
        (true, _) => {
            let said = [
                (old.addresses != new.addresses, "addresses"),
                (old.routes != new.routes || old.rules != new.rules, "routes and rules"),
                (old.version != new.version || old.auth != new.auth, "version and authentication"),
                (old.priorities != new.priorities || old.preempt != new.preempt, "priorities"),
                (old.advert_interval != new.advert_interval, "interval"),
                (old.track != new.track, "what it tracks"),
                (old.hooks != new.hooks, "hooks"),
            ];
            let said: Vec<&str> = said.into_iter().filter(|(changes, _)| *changes).map(|(_, what)| what).collect();
            let said = if said.is_empty() { "settings".to_owned() } else { said.join(", ") };
            let cost = if old.priorities == new.priorities && old.version == new.version && old.auth == new.auth {
                Cost::Nothing
            } else {
                // Another node may be the better one now, or no longer understand us.
                Cost::Election
            };
            Difference::new(cost, format!("vip {}: {said}", new.name))
        }
    })
}

/// What of `[proxy]` is not in the proxy's text.
fn of_proxy(old: &ProxyConfig, new: &ProxyConfig) -> Vec<Difference> {
    let mut found = Vec::new();
    if old.engine != new.engine {
        let what = format!("proxy: {} in place of {}; refused while it runs", new.engine.name(), old.engine.name());
        found.push(Difference::new(Cost::Restart, what));
    }
    if old.binary != new.binary {
        let what = format!("proxy: the program {}, from the next start on", new.binary.display());
        found.push(Difference::new(Cost::Restart, what));
    }
    let watched = old.health != new.health || old.restart != new.restart || old.on_stop != new.on_stop;
    if watched {
        found.push(Difference::new(Cost::Nothing, "proxy: how it is watched, restarted and stopped"));
    }
    found
}
