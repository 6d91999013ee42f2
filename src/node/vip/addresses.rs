//! The addresses of a VIP on their way into and out of the kernel's tables.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use crate::addrs::{AddressNews, AddressStep, Answer, Pace, Presence, Want};
use crate::config::VipConfig;
use crate::hooks::HookState;
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{Network, OpId};
use crate::node::outbox::{Ops, Outbox};
use crate::node::vip::{Host, Inheritance, Placed, REFUSED_PAUSE, Vip};
use crate::units::LeaseSecs;
use crate::vrrp::router::Role;

/// An address as a dump shows it.
#[derive(Debug, Clone, Copy)]
pub(in crate::node) struct Seen {
    pub(in crate::node) ours: bool,
    pub(in crate::node) valid_secs: Option<u32>,
    /// It was put there in the way that is wanted.
    pub(in crate::node) as_wanted: bool,
}

fn presence(seen: Option<Seen>) -> Presence {
    if seen.is_some() { Presence::Here } else { Presence::Missing }
}

/// Answers to operations, for quick finding.
pub(in crate::node) type Answers = BTreeMap<OpId, Result<(), String>>;

fn lease(config: &VipConfig) -> LeaseSecs {
    let wait = config.advert_interval.duration() * u32::from(config.down_multiplier);
    LeaseSecs::for_set(wait, config.addresses.len())
}

impl Vip {
    /// What a dump shows of our addresses.
    pub(in crate::node) fn observe(
        &mut self,
        now: Instant,
        asked_at: Instant,
        network: &Network,
        here: &dyn Fn(&Placed) -> Option<Seen>,
        out: &mut Outbox,
    ) {
        let lease = lease(&self.config);
        let (mut all_leased, mut freshest) = (true, None::<Duration>);
        let mut lost = 0;
        for address in &mut self.addresses {
            let seen = here(address);
            let fresh = !address.lease.changed_since(asked_at);
            let news = address.lease.observed(now, asked_at, presence(seen));
            address.misplaced = fresh && seen.is_some_and(|s| !s.as_wanted) && address.lease.is_present();
            let link_up = address.link(network).is_some_and(|l| l.up);
            // With the link its addresses may go: that is no riddle, and its reason to abstain follows.
            if news == AddressNews::Gone && self.router.role() == Role::Active && link_up {
                *self.counters.entry("addresses-restored").or_default() += 1;
                let message = format!("{} was removed by somebody else: putting it back", address.lease.address());
                out.log(LogLevel::Warn, Some(self.config.name.as_str()), message);
            }
            lost += u32::from(news == AddressNews::Gone);
            let idle = seen.filter(|s| s.ours).and_then(|s| s.valid_secs).map(|valid| {
                // The kernel rounds down, so up to a second more may have passed.
                Duration::from_secs(u64::from(lease.get().saturating_sub(valid)) + 1)
            });
            all_leased &= idle.is_some();
            // The renewals of a large set are spread: the last one of any tells how long its holder has been silent.
            freshest = idle.into_iter().chain(freshest).min();
        }
        for address in &mut self.leaving {
            let seen = here(address);
            let _gone = address.lease.observed(now, asked_at, presence(seen));
        }
        if lost > 0 {
            // With an address the kernel removes the routes that have it as their source.
            self.recheck_routing(now);
        }
        if self.inheritance == Inheritance::Undecided {
            self.inheritance = match freshest.filter(|_| all_leased) {
                Some(idle_at_most) => Inheritance::Leased { seen_at: now, idle_at_most },
                None => Inheritance::Settled,
            };
        }
    }

    /// Requests what the addresses need, announces what is due, plans the hooks of it.
    pub(in crate::node) fn act(&mut self, host: &Host<'_>, ops: &mut Ops, out: &mut Outbox) {
        let want = self.wanted();
        self.act_on_routing(host, want, ops, out);
        self.act_on_addresses(host, want, ops, out);
        self.act_on_device(host, want, ops, out);
        self.announce(host, out);
        self.tell_after_conflict(host, out);
        if self.master_hook_due && self.addresses.iter().all(|a| a.lease.is_present()) {
            self.master_hook_due = false;
            self.queue_hooks(host, HookState::Master, out);
        }
    }

    /// What leaves goes first: an address that is wanted in another way is removed, then put there again.
    fn act_on_addresses(&mut self, host: &Host<'_>, want: Want, ops: &mut Ops, out: &mut Outbox) {
        let lease = lease(&self.config);
        let staying: BTreeSet<IpAddr> = match want {
            Want::Absent => BTreeSet::new(),
            Want::Present | Want::AsIs if self.leaving.is_empty() => BTreeSet::new(),
            Want::Present | Want::AsIs => self.addresses.iter().map(|a| a.lease.address().ip()).collect(),
        };
        let stays = |ip: IpAddr| staying.contains(&ip);
        let mut reset = Vec::new();
        let (mut leaving, mut ours) = (std::mem::take(&mut self.leaving), std::mem::take(&mut self.addresses));
        let all = leaving.iter_mut().map(|a| (a, Want::Absent)).chain(ours.iter_mut().map(|a| (a, want)));
        for (placed, want) in all {
            placed.served |= want == Want::Present && placed.lease.is_present();
            let Some(index) = placed.link(host.network).map(|link| link.index) else { continue };
            let address = placed.lease.address();
            let op = ops.next();
            match placed.lease.plan(host.now, want, op) {
                Some(AddressStep::Install) => {
                    if std::mem::take(&mut placed.misplaced) {
                        // Label and scope of what is there cannot be changed. Nobody waits for this answer.
                        out.push(Effect::Withdraw { op: ops.next(), index, address });
                    }
                    out.push(Effect::Install { op, index, address, options: placed.options().clone(), lease });
                }
                Some(AddressStep::Withdraw) => {
                    if self.resets(placed, &stays) {
                        reset.push(address.ip());
                    }
                    placed.served = false;
                    out.push(Effect::Withdraw { op, index, address });
                }
                None => {}
            }
        }
        leaving.retain(|a| a.lease.may_be_present());
        (self.leaving, self.addresses) = (leaving, ours);
        self.reset(reset, ops, out);
    }

    /// The kernel's answers to installations and removals.
    pub(in crate::node) fn answered(&mut self, now: Instant, answers: &Answers, out: &mut Outbox) {
        let lease = lease(&self.config);
        let count = self.addresses.len();
        let mut refused: Option<String> = None;
        let mut stuck: Option<String> = None;
        for (position, placed) in self.addresses.iter_mut().chain(&mut self.leaving).enumerate() {
            let pending = placed.lease.pending();
            let Some((op, result)) = pending.and_then(|op| answers.get(&op).map(|result| (op, result))) else {
                continue;
            };
            self.touched = true;
            let (address, answer) = (placed.lease.address(), Answer::from(result));
            let _gone = placed.lease.withdrawn(now, op, answer);
            let why = result.as_ref().err();
            match placed.lease.installed(now, op, answer, Pace::of_lease(lease, count, position)) {
                AddressNews::Arrived => {
                    self.arrived.insert(address.ip());
                }
                AddressNews::Refused => {
                    *self.counters.entry("addresses-refused").or_default() += 1;
                    refused = refused.or_else(|| why.map(|why| format!("cannot install {address}: {why}")));
                }
                // A removal that failed leaves it there.
                AddressNews::None | AddressNews::Gone if why.is_some() && placed.lease.is_present() => {
                    stuck = stuck.or_else(|| why.map(|why| format!("cannot remove {address}: {why}")));
                }
                AddressNews::None | AddressNews::Gone => {}
            }
        }
        let name = self.config.name.to_string();
        for message in refused.iter().chain(&stuck) {
            out.log(LogLevel::Warn, Some(&name), message.clone());
        }
        if let Some(message) = refused {
            self.refused = Some((message, now + REFUSED_PAUSE));
        }
        if !self.arrived.is_empty() {
            self.recheck_routing(now);
        }
    }
}

#[cfg(test)]
mod tests;
