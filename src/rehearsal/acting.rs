//! What the steps of a script do to the made-up world.

use std::time::Duration;

use crate::node::Event;
use crate::node::event::{Request, RequestId, Signal};
use crate::rehearsal::host::Host;
use crate::rehearsal::script::{Act, Of};
use crate::rehearsal::world::{DARK, Item, NETLINK, NOTICE, SHUTDOWN, World};

impl World {
    /// Does what a step says.
    pub(super) fn act(&mut self, act: &Act) -> Result<(), String> {
        self.changed = true;
        match act {
            Act::Cut(these, others) => {
                let all: Vec<usize> = (0..self.hosts.len()).collect();
                let pairs = these.iter().flat_map(|a| others.as_ref().unwrap_or(&all).iter().map(move |b| (*a, *b)));
                self.cut.extend(pairs.flat_map(|(a, b)| [(a, b), (b, a)]));
                if others.is_none() {
                    self.each(these, |h| h.cut_off = true);
                }
                Ok(())
            }
            Act::Heal => {
                self.cut.clear();
                self.hosts.iter_mut().for_each(|h| h.cut_off = false);
                Ok(())
            }
            Act::Wait(_) => Ok(()),
            Act::Kill(_, nodes)
            | Act::Freeze(nodes)
            | Act::Break(nodes)
            | Act::Repair(nodes)
            | Act::Stop(nodes)
            | Act::Start(nodes)
            | Act::Crash(nodes)
            | Act::Boot(nodes)
            | Act::Reboot(nodes)
            | Act::Hang(nodes, _)
            | Act::Unplug(nodes)
            | Act::Plug(nodes)
            | Act::Fail(_, nodes)
            | Act::Mend(_, nodes)
            | Act::Release(_, nodes)
            | Act::Switchover(_, nodes)
            | Act::Maintenance(_, nodes)
            | Act::Resume(_, nodes) => nodes.iter().try_for_each(|host| self.act_on(*host, act)),
        }
    }

    fn each(&mut self, nodes: &[usize], what: impl Fn(&mut Host)) {
        self.hosts.iter_mut().enumerate().filter(|(at, _)| nodes.contains(at)).for_each(|(_, host)| what(host));
    }

    fn act_on(&mut self, host: usize, act: &Act) -> Result<(), String> {
        let now = self.now;
        let Some(h) = self.hosts.get_mut(host) else { return Ok(()) };
        let name = h.player.name.clone();
        let no_proxy = || format!("no proxy runs on {name}");
        let no_vipkeeper = || format!("vipkeeper does not run on {name}");
        match act {
            Act::Kill(Of::Proxy, _) => {
                let process = h.proxy.take().ok_or_else(no_proxy)?;
                self.ended(host, &process, "signal 9");
            }
            Act::Break(_) => {
                h.broken = true;
                if let Some(process) = h.proxy.take() {
                    self.ended(host, &process, "signal 9");
                }
            }
            Act::Freeze(_) => h.proxy.as_mut().ok_or_else(no_proxy)?.frozen = true,
            Act::Repair(_) => {
                h.broken = false;
                h.proxy.iter_mut().for_each(|process| process.frozen = false);
            }
            Act::Kill(Of::Vipkeeper, _) => {
                h.node.take().ok_or_else(no_vipkeeper)?;
                h.incarnation = h.incarnation.saturating_add(1);
            }
            Act::Stop(_) | Act::Reboot(_) => {
                h.node.as_ref().ok_or_else(no_vipkeeper)?;
                self.deliver(host, NOTICE, Event::Signalled(Signal::Terminate));
                if matches!(act, Act::Reboot(_)) {
                    self.push(SHUTDOWN, host, Item::PowerOff);
                    self.push(SHUTDOWN + DARK, host, Item::PowerOn);
                }
            }
            Act::Start(_) if !h.powered => return Err(format!("{name} is off; boot it")),
            Act::Start(_) => self.boot(host),
            Act::Crash(_) if !h.powered => return Err(format!("{name} is off already")),
            Act::Crash(_) => h.lose_power(),
            Act::Boot(_) if h.powered => return Err(format!("{name} is on already")),
            Act::Boot(_) => self.push(Duration::ZERO, host, Item::PowerOn),
            Act::Hang(_, span) => {
                h.node.as_ref().ok_or_else(no_vipkeeper)?;
                h.hung_until = Some(now + *span);
                self.push(*span, host, Item::HangEnds);
            }
            Act::Unplug(_) | Act::Plug(_) => {
                h.plugged = matches!(act, Act::Plug(_));
                self.deliver(host, NETLINK, Event::NetworkChanged);
            }
            Act::Fail(tracker, _) => {
                h.failed.insert(tracker.clone());
                self.deliver(host, NETLINK, Event::NetworkChanged);
            }
            Act::Mend(tracker, _) => {
                h.failed.remove(tracker);
                self.deliver(host, NETLINK, Event::NetworkChanged);
            }
            Act::Release(vip, _) => {
                let request = Request::Release { vip: vip.clone(), hold: Duration::ZERO };
                self.request(host, request);
            }
            Act::Switchover(vip, _) => self.request(host, Request::Switchover { vip: vip.clone(), to: None }),
            Act::Maintenance(on, _) => self.request(host, Request::Maintenance { on: *on }),
            Act::Resume(vip, _) => self.request(host, Request::Resume { vip: vip.clone() }),
            Act::Cut(..) | Act::Heal | Act::Wait(_) => {}
        }
        Ok(())
    }

    fn request(&mut self, host: usize, request: Request) {
        self.requests = self.requests.saturating_add(1);
        let id = RequestId(self.requests);
        self.deliver(host, NOTICE, Event::Requested { id, request });
    }
}
