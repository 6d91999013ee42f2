//! What operators ask of a node: release, switchover, maintenance and their end. Each is answered once.

use std::time::Instant;

use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{Request, RequestId};
use crate::node::outbox::Outbox;
use crate::node::vip::{Host, Manner, Released, Vip};
use crate::node::{Node, Phase};
use crate::units::Name;
use crate::vrrp::router::Role;

impl Node {
    pub(super) fn requested(&mut self, now: Instant, id: RequestId, request: Request, out: &mut Outbox) {
        if self.phase != Phase::Running {
            out.push(Effect::Reply { request: id, result: Err("vipkeeper is stopping".to_owned()) });
            return;
        }
        let result = match request {
            Request::Reload => {
                if let Err(why) = self.changes.asked(id) {
                    out.push(Effect::Reply { request: id, result: Err(why) });
                }
                return;
            }
            Request::Server { server, wish } => return self.wished(now, id, &server, wish, out),
            Request::Release { vip, hold } => {
                // Longer than the clock reaches is until resumed.
                let until = now.checked_add(hold).filter(|_| !hold.is_zero());
                let released = Released { until, manner: Manner::Abstains };
                self.give_up(vip.as_ref(), Some(&released)).map(|names| format!("released: {names}"))
            }
            Request::Resume { vip } => {
                let names = self.give_up(vip.as_ref(), None);
                match self.proxying.wishes.intents.maintenance {
                    true => names
                        .map(|names| format!("taking part again once `vipkeeper maintenance off` is said: {names}")),
                    false => names.map(|names| format!("taking part again: {names}")),
                }
            }
            Request::Switchover { vip, to } => self.switch_over(now, vip.as_ref(), to.as_ref(), out),
            Request::Maintenance { on } => {
                let intents = &mut self.proxying.wishes.intents;
                if std::mem::replace(&mut intents.maintenance, on) != on {
                    out.push(Effect::KeepIntents { text: intents.text() });
                }
                Ok(self.about_maintenance())
            }
        };
        if let Ok(message) = &result {
            out.log(LogLevel::Info, None, format!("an operator asked: {message}"));
        }
        out.push(Effect::Reply { request: id, result });
    }

    /// Gives up a VIP (none: all) or takes it back; their names.
    fn give_up(&mut self, name: Option<&Name>, released: Option<&Released>) -> Result<String, String> {
        let mut names = Vec::new();
        for vip in self.vips.iter_mut().filter(|vip| is_meant(vip, name)) {
            vip.released = released.cloned();
            names.push(vip.config.name.to_string());
        }
        if names.is_empty() { Err(no_vip(name)) } else { Ok(names.join(", ")) }
    }

    /// Hands a VIP (none: all that are active here) over, and stays behind the others from then on.
    fn switch_over(
        &mut self,
        now: Instant,
        name: Option<&Name>,
        to: Option<&Name>,
        out: &mut Outbox,
    ) -> Result<String, String> {
        let stopping = matches!(self.phase, Phase::Stopping { .. });
        let (wall, hooks) = (self.wall.at(now), &self.loaded.config.hooks);
        let network = &self.observation.network;
        let (peering, proxy, me) = (&self.peering, self.proxying.verdict(), &self.me);
        let host = Host { now, wall, network, hooks, stopping, me, peering, proxy };
        let meant: Vec<usize> = self
            .vips
            .iter()
            .enumerate()
            .filter(|(_, vip)| is_meant(vip, name) && (name.is_some() || vip.router.role() == Role::Active))
            .map(|(at, _)| at)
            .collect();
        // All or nothing: who is to have each is known before any leaves.
        let mut plan = Vec::new();
        for at in meant {
            let Some(vip) = self.vips.get(at) else { continue };
            plan.push((at, vip.switchover_to(&host, to)?));
        }
        if plan.is_empty() {
            return Err(match name {
                Some(_) => no_vip(name),
                None => format!("no VIP is on {me}: there is nothing to hand over"),
            });
        }
        let mut said = Vec::new();
        for (at, successor) in plan {
            let Some(vip) = self.vips.get_mut(at) else { continue };
            vip.released = Some(Released { until: None, manner: Manner::StandsBy });
            said.push(format!("{} to {successor}", vip.config.name));
            vip.hand_to(&host, &successor, out);
        }
        Ok(format!("handing over {}; this node stays behind the others until `vipkeeper resume`", said.join(", ")))
    }

    /// What it means that a maintenance has just begun or ended.
    fn about_maintenance(&self) -> String {
        let names: Vec<&str> = self.vips.iter().map(|vip| vip.config.name.as_str()).collect();
        let names = names.join(", ");
        match self.proxying.wishes.intents.maintenance {
            true => format!("in maintenance, over restarts too, until `vipkeeper maintenance off`: gives up {names}"),
            false => format!("the maintenance is over, taking part again: {names}"),
        }
    }
}

fn is_meant(vip: &Vip, name: Option<&Name>) -> bool {
    vip.farewell.is_none() && name.is_none_or(|name| vip.config.name == *name)
}

fn no_vip(name: Option<&Name>) -> String {
    match name {
        Some(name) => format!("this node takes part in no VIP {name:?}", name = name.as_str()),
        None => "this node takes part in no VIP".to_owned(),
    }
}
