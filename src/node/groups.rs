//! Sync groups: VIPs that are all here, or none of them.
//!
//! A group acts as one router. Its VIPs have one priority, take part together, take over together and leave together.
//! What one of them meets in the election therefore decides for all; nothing is sent for a group as such.

use std::net::IpAddr;
use std::time::Instant;

use crate::config::{Config, GroupConfig};
use crate::hooks::{self, HookState};
use crate::node::hooking::Subject;
use crate::node::outbox::Outbox;
use crate::node::vip::{CONFLICT_QUIET, Host, Vip};
use crate::notices::Notice;
use crate::units::{Name, Priority};
use crate::vrrp::router::{Entitlement, Role};

/// One group on this node.
#[derive(Debug)]
pub(super) struct Group {
    config: GroupConfig,
    held: Held,
    /// What its hooks were told last.
    told: Option<HookState>,
    /// When they were told so again, after a conflict.
    retold_at: Option<Instant>,
}

/// Whether a group was here when it was last looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    /// Its VIPs have come together only now, each from a state of its own.
    Unknown,
    All,
    None,
}

/// Who wins when some VIPs of a group have become active and others have not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pull {
    /// Those that are active: the former holder let go of the group.
    Up,
    /// The others, where they hear a live router that they defer to.
    UpUnlessHeld,
}

impl Group {
    fn new(config: &GroupConfig) -> Self {
        Self { config: config.clone(), held: Held::Unknown, told: None, retold_at: None }
    }

    /// Its VIPs on this node, in the order of the group.
    fn members<'a>(&self, vips: &'a [Vip]) -> Vec<&'a Vip> {
        let find = |name: &Name| vips.iter().find(|v| v.farewell.is_none() && v.config.name == *name);
        self.config.vips.iter().filter_map(find).collect()
    }

    fn has(&self, vip: &Vip) -> bool {
        vip.farewell.is_none() && self.config.vips.contains(&vip.config.name)
    }

    pub(super) fn name(&self) -> &Name {
        &self.config.name
    }
}

/// The groups of a configuration; those of a name that was known go on.
pub(super) fn adopt(mut known: Vec<Group>, config: &Config) -> Vec<Group> {
    let mut groups = Vec::new();
    for wanted in &config.groups {
        let same = known.iter().position(|g| g.config.name == wanted.name);
        let mut group = same.map_or_else(|| Group::new(wanted), |at| known.swap_remove(at));
        if group.config.vips != wanted.vips {
            group.held = Held::Unknown;
        }
        group.config = wanted.clone();
        groups.push(group);
    }
    groups
}

/// The group of a VIP.
pub(super) fn of<'a>(groups: &'a [Group], vip: &Vip) -> Option<&'a Name> {
    groups.iter().find(|g| g.has(vip)).map(Group::name)
}

/// One verdict per group: when one VIP abstains all do. `verdicts` are those of `vips`, in their order.
///
/// The priority is that of the first VIP of the group with the weights of the worst: with one each, two nodes could
/// each outrank the other for one VIP, and neither would ever hold them all.
pub(super) fn agree(groups: &[Group], vips: &[Vip], verdicts: &mut [Entitlement]) {
    for group in groups {
        let members = group.members(vips);
        let Some(first) = members.first() else { continue };
        let absent = group.config.vips.iter().find(|name| members.iter().all(|m| m.config.name != **name));
        let own = vips.iter().zip(verdicts.iter()).find_map(|(vip, verdict)| match verdict {
            Entitlement::Abstain(why) if group.has(vip) => Some((&vip.config.name, why.clone())),
            Entitlement::Abstain(_) | Entitlement::Claim(_) => None,
        });
        let reason = own.or_else(|| absent.map(|name| (name, "this node takes no part in it".to_owned())));
        let verdict = match reason {
            Some((name, why)) => Entitlement::Abstain(format!("vip {name} of group {}: {why}", group.name())),
            None if members.iter().any(|m| m.stands_by()) => Entitlement::Claim(Priority::MIN),
            None => {
                let sum =
                    |m: &&Vip| m.judgement.weights.iter().map(|(_, weight)| *weight).fold(0_i32, i32::saturating_add);
                Entitlement::Claim(first.base.weighted(members.iter().map(sum).min().unwrap_or(0)))
            }
        };
        for (vip, answer) in vips.iter().zip(verdicts.iter_mut()) {
            // Who has a reason of its own keeps it.
            if group.has(vip) && matches!(answer, Entitlement::Claim(_)) {
                *answer = verdict.clone();
            }
        }
    }
}

/// Whoever held one VIP of a group held all, and leaves with all: the other resignations may have been lost.
pub(super) fn resign(groups: &[Group], vips: &mut [Vip], now: Instant) {
    for group in groups {
        let members = group.members(vips);
        let Some(at) = members.iter().filter_map(|m| m.router.resigned_at()).min() else { continue };
        let leavers: Vec<IpAddr> = members.iter().filter_map(|m| m.router.resigner()).collect();
        // A router has an address of its own in each family.
        let another = |of: &IpAddr| leavers.iter().all(|l| l != of && l.is_ipv4() == of.is_ipv4());
        let stays = |of: &IpAddr| !leavers.is_empty() && another(of);
        for vip in vips.iter_mut().filter(|v| group.has(v)) {
            if vip.router.defers_to(now).is_some_and(|(of, _)| !stays(&of)) {
                vip.router.resigned_with_group(at);
            }
        }
    }
}

/// Until when any of them defers to a live router.
fn deference(members: &[&Vip], now: Instant) -> Option<Instant> {
    members.iter().filter_map(|m| m.router.defers_until(now)).max()
}

/// Members that wait for a live router make the others wait, so that all can go when the last one may.
pub(super) fn wait(groups: &[Group], vips: &mut [Vip], host: &Host<'_>) {
    for group in groups {
        let members = group.members(vips);
        let until = members.iter().filter_map(|m| m.router.link_hold()).chain(deference(&members, host.now)).max();
        for vip in vips.iter_mut().filter(|v| group.has(v)) {
            vip.router.hold_for_group(until);
        }
    }
}

/// All or none: what turned alone takes the others with it.
pub(super) fn align(groups: &mut [Group], vips: &mut [Vip], host: &Host<'_>, pull: Pull, out: &mut Outbox) {
    for group in groups {
        if (pull, group.held) == (Pull::Up, Held::Unknown) {
            continue;
        }
        let roles = |vips: &[Vip]| {
            let members = group.members(vips);
            let active = members.iter().filter(|m| m.router.role() == Role::Active).count();
            (active, members.len() - active)
        };
        let (active, others) = roles(vips);
        if active > 0 && others > 0 {
            let members = group.members(vips);
            let deferring = deference(&members, host.now).is_some();
            let fault = members.iter().any(|m| m.router.role() == Role::Fault);
            let up = group.held != Held::All && !fault && (pull == Pull::Up || !deferring);
            let leader = members.iter().find(|m| (m.router.role() == Role::Active) == up);
            let leader = leader.map(|m| format!("vip {} of group {}: {}", m.config.name, group.name(), m.why));
            let why = leader.unwrap_or_default();
            // Where one goes all go: two successors would be two holders of the group.
            let departure = members.iter().find_map(|m| m.departure(host.now));
            for vip in vips.iter_mut().filter(|v| group.has(v)) {
                if up {
                    vip.take_over(host, &why, out);
                } else {
                    vip.follow(host, departure.as_ref(), &why, out);
                }
            }
        }
        let (active, others) = roles(vips);
        group.held = if active > 0 && others == 0 { Held::All } else { Held::None };
    }
}

/// Members that were offered and not taken are taken back together, or not at all: who took one took all.
pub(super) fn concede(groups: &[Group], vips: &mut [Vip]) {
    for group in groups {
        let members = group.members(vips);
        if !members.iter().all(|m| m.handover.may_take_back()) {
            vips.iter_mut().filter(|v| group.has(v)).for_each(|vip| vip.handover.concede());
        }
    }
}

/// What hooks of groups are told: a state once every VIP was told it.
pub(super) fn tell(groups: &mut [Group], vips: &[Vip], host: &Host<'_>, out: &mut Outbox) {
    for group in groups {
        let members = group.members(vips);
        let told: Vec<Option<HookState>> = members.iter().map(|m| m.told()).collect();
        let state = joint(&told);
        // The VIPs of a group win a conflict one by one, within moments.
        let again = state == Some(HookState::Master)
            && members.iter().any(|m| m.is_retold(host.now))
            && group.retold_at.is_none_or(|at| host.now >= at + CONFLICT_QUIET);
        if again {
            group.retold_at = Some(host.now);
        }
        if state.is_some() && (again || state != group.told) {
            group.told = state;
            if let Some(state) = state {
                let (kind, name) = ("GROUP".to_owned(), group.config.name.to_string());
                let state = state.word().to_owned();
                out.notice(Notice { at: host.wall, kind, name, state, priority: 0, why: String::new() });
            }
            let runs = state.map(|state| hooks::plan_group(&group.config, host.hooks, state)).unwrap_or_default();
            out.hooks(Subject::Group(group.config.name.clone()), runs);
        }
    }
}

/// The worst that any VIP was told; nothing while one was told nothing.
fn joint(told: &[Option<HookState>]) -> Option<HookState> {
    let all: Vec<HookState> = told.iter().copied().collect::<Option<_>>()?;
    let worst = [HookState::Stop, HookState::Fault, HookState::Backup, HookState::Master];
    worst.into_iter().find(|state| all.contains(state))
}

/// What must hold after every turn.
pub(super) fn check(groups: &[Group], vips: &[Vip]) -> Result<(), String> {
    for group in groups {
        let roles: Vec<Role> = group.members(vips).iter().map(|m| m.router.role()).collect();
        if roles.contains(&Role::Active) && roles.iter().any(|role| *role != Role::Active) {
            return Err(format!("group {} is active in parts: {roles:?}", group.name()));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
