//! What follows from the facts for every VIP: who may hold it, what its router makes of that, and what is to be done.

use std::time::Instant;

use crate::node::entitlement::{Facts, entitlement};
use crate::node::groups::{self, Pull};
use crate::node::outbox::Outbox;
use crate::node::vip::{Host, Manner, Vip};
use crate::node::{INHERIT_WITHIN, Judge, Node, Phase, Socket};
use crate::vrrp::router::Entitlement;

/// What was found out about a VIP in a turn, beside the verdict.
#[derive(Debug, Clone, Copy)]
struct Standing {
    /// Whether a predecessor left a lease to resume is known by now.
    decided: bool,
    /// It is no longer starting: hooks may be told of a fault.
    settled: bool,
}

impl Node {
    pub(super) fn settle_vips(&mut self, now: Instant, judge: Judge, out: &mut Outbox) {
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let mut standings = Vec::new();
        let mut verdicts = Vec::new();
        for at in 0..self.vips.len() {
            if !self.vips.get(at).is_some_and(|vip| vip.touched) {
                continue;
            }
            let Some((verdict, standing)) = self.judge(now, at) else { continue };
            verdicts.push(verdict);
            standings.push(standing);
        }
        groups::agree(&self.groups, &self.vips, &mut verdicts);
        let network = &self.observation.network;
        let (wall, hooks) = (self.wall.at(now), &self.loaded.config.hooks);
        let (peering, proxy) = (&self.peering, self.proxying.verdict());
        let host = Host { now, wall, network, hooks, stopping, me: &self.me, peering, proxy };
        let failed_since = self.proxying.health.failed_since();
        // What packets and peers did to one VIP of a group is done to the others before anything else.
        groups::resign(&self.groups, &mut self.vips, now);
        groups::align(&mut self.groups, &mut self.vips, &host, Pull::Up, out);
        for ((vip, verdict), standing) in self.vips.iter_mut().filter(|v| v.touched).zip(verdicts).zip(&standings) {
            vip.entitle(&host, verdict, out);
            // Not entitled although nothing is being looked for: what a predecessor left here must go.
            if standing.decided {
                vip.settle_inheritance();
            }
        }
        groups::align(&mut self.groups, &mut self.vips, &host, Pull::UpUnlessHeld, out);
        groups::wait(&self.groups, &mut self.vips, &host);
        if judge == Judge::Timers {
            for vip in self.vips.iter_mut().filter(|v| v.touched) {
                vip.tick(&host, out);
            }
            groups::align(&mut self.groups, &mut self.vips, &host, Pull::UpUnlessHeld, out);
        }
        groups::concede(&self.groups, &mut self.vips);
        for at in 0..self.vips.len() {
            let Some(vip) = self.vips.get_mut(at).filter(|vip| vip.touched) else { continue };
            let before = vip.router.role();
            vip.settle_handover(&host, out);
            // At once: the next one of its group must not name a successor of its own.
            if vip.router.role() != before {
                groups::align(&mut self.groups, &mut self.vips, &host, Pull::Up, out);
            }
        }
        self.vips.iter_mut().filter(|v| v.touched).for_each(|vip| vip.wake_for_handover(&host, failed_since));
        for (vip, standing) in self.vips.iter_mut().filter(|v| v.touched).zip(&standings) {
            if standing.settled {
                vip.tell_at_rest(&host, out);
            }
            vip.act(&host, &mut self.ops, out);
            vip.tell_holding();
        }
        groups::tell(&mut self.groups, &self.vips, &host, out);
        let before = self.vips.len();
        self.vips.retain(|vip| vip.farewell.is_none() || !vip.is_gone());
        self.interfaces_stale |= self.vips.len() != before;
    }

    /// The verdict about one VIP by itself.
    fn judge(&mut self, now: Instant, at: usize) -> Option<(Entitlement, Standing)> {
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let seen = self.observation.seen;
        let vip: &mut Vip = self.vips.get_mut(at)?;
        vip.forget(now);
        let awaited = self.tracking.is_awaited(&vip.config.track) && now < self.started_at + INHERIT_WITHIN;
        let link = self.observation.network.link(&vip.interface);
        let socket = match self.interfaces.get(&vip.interface).map(|i| &i.socket) {
            Some(Socket::Open | Socket::Reopening) => Ok(true),
            Some(Socket::Failed { why, .. }) => Err(why.as_str()),
            Some(Socket::Opening) | None => Ok(false),
        };
        let (wall, hooks) = (self.wall.at(now), &self.loaded.config.hooks);
        let (peering, proxy, network) = (&self.peering, self.proxying.verdict(), &self.observation.network);
        let host = Host { now, wall, network, hooks, stopping, me: &self.me, peering, proxy };
        let abstains = vip.released.as_ref().is_some_and(|released| released.manner == Manner::Abstains);
        let released = abstains.then_some("released by an operator");
        let in_maintenance = self.proxying.wishes.intents.maintenance.then_some("this node is in maintenance");
        let facts = Facts {
            leaving: if stopping { Some("vipkeeper stops") } else { vip.farewell.as_deref() },
            released: in_maintenance.or(released),
            last_in_line: vip.stands_by(),
            observed: seen,
            interface: &vip.interface,
            link,
            source: vip.source(),
            socket,
            refused: vip.refused(),
            proxy,
            without_proxy: vip.without_proxy(&host, self.proxying.health.failed_since()),
            base: vip.base,
            weights: &vip.judgement.weights,
            tracked: vip.judgement.abstain.as_deref(),
            elsewhere: vip.elsewhere(&self.observation.network),
            device: vip.device_trouble(&self.observation.network),
        };
        let decided = !self.proxying.may_be_adopting() && seen && socket != Ok(false) && !awaited;
        let opening = link.is_some() && socket == Ok(false);
        let standing = Standing {
            decided: stopping || decided || now >= self.started_at + INHERIT_WITHIN,
            settled: stopping || (seen && self.proxying.settled && !opening && !awaited),
        };
        Some((entitlement(&facts), standing))
    }
}
