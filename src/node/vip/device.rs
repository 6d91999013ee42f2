//! The device of a virtual router with a hardware address of its own (RFC 9568 section 7.3): there while the VIP is, and before its
//! addresses; gone after them, since a backup must send nothing from that hardware address.

use std::time::{Duration, Instant};

use crate::addrs::device::{ArpConf, Device, Mark};
use crate::addrs::{AddressNews, AddressStep, Answer, Kept, Pace, Presence, Want};
use crate::config::{Hardware, VipConfig};
use crate::node::effect::{Effect, LogLevel};
use crate::node::event::{Link, Network, OpId};
use crate::node::outbox::{Ops, Outbox};
use crate::node::vip::{Host, REFUSED_PAUSE, Vip};
use crate::units::IfName;
use crate::vrrp::vmac::virtual_mac;

/// It is looked after this often: who sets it down or changes it tells nobody.
const PACE: Pace =
    Pace { first: Duration::from_secs(2), every: Duration::from_secs(2), retry: Duration::from_millis(200) };

/// A macvlan device, wanted against known.
#[derive(Debug, Clone)]
pub(in crate::node) struct VirtualDevice {
    pub(in crate::node) name: IfName,
    pub(in crate::node) mac: [u8; 6],
    kept: Kept<()>,
    /// As the kernel showed it last.
    link: Option<Link>,
    /// How the interface below answered ARP without it; none: not known yet.
    before: Option<ArpConf>,
}

impl VirtualDevice {
    /// None where the configuration wants none.
    pub(super) fn of(config: &VipConfig, now: Instant) -> Option<Self> {
        match config.hardware {
            Hardware::Interface => None,
            Hardware::Virtual => Some(Self {
                name: IfName::of_virtual_router(config.family(), config.vrid),
                mac: virtual_mac(config.family(), config.vrid),
                kept: Kept::new((), now),
                link: None,
                before: None,
            }),
        }
    }

    pub(super) fn may_be_present(&self) -> bool {
        self.kept.may_be_present()
    }

    /// It is here to stay, or on its way.
    fn stands(&self) -> bool {
        self.kept.may_be_present() && !self.kept.is_leaving()
    }

    /// A dump that is older than our last change shows what was true before.
    fn observed(&mut self, now: Instant, asked_at: Instant, network: &mut Network) {
        if self.kept.changed_since(asked_at) {
            match &self.link {
                Some(link) => network.put(link.clone()),
                None => network.links.retain(|l| l.name != self.name || !l.is_ours()),
            }
            return;
        }
        self.link = network.link(&self.name).filter(|link| link.is_ours()).cloned();
        let presence = if self.link.is_some() { Presence::Here } else { Presence::Missing };
        let _news = self.kept.observed(now, asked_at, presence);
    }
}

impl Vip {
    /// What a dump shows of the device; with it goes what was on it.
    pub(in crate::node) fn observe_device(&mut self, now: Instant, asked_at: Instant, network: &mut Network) {
        let leaving = self.farewell.is_some();
        let Some(device) = &mut self.device else { return };
        // By now it may be that of another VIP.
        if !leaving || device.may_be_present() {
            device.observed(now, asked_at, network);
        }
    }

    /// The interface below, and how it answers ARP without the device, while that is here.
    pub(in crate::node) fn below(&self, network: &Network) -> Option<(u32, ArpConf)> {
        let device = self.device.as_ref().filter(|device| device.stands())?;
        Some((network.link(&self.interface)?.index, device.before?))
    }

    /// How the interface below answers ARP without the device.
    pub(in crate::node) fn learn_below(&mut self, before: ArpConf) {
        if let Some(device) = &mut self.device {
            device.before = Some(before);
        }
    }

    /// Why the device cannot be here.
    pub(in crate::node) fn device_trouble(&self, network: &Network) -> Option<String> {
        let (interface, name) = (&self.interface, &self.device.as_ref()?.name);
        if network.link(name).is_some_and(|link| !link.is_ours()) {
            return Some(format!(
                "device {name} is not vipkeeper's, and the virtual MAC address needs that name: remove it with `ip link delete \
                 {name}`, or give the VIP another `vrid`"
            ));
        }
        let ethernet = network.link(interface).is_none_or(|link| link.mac.is_some());
        (!ethernet).then(|| {
            format!("interface {interface} is not Ethernet and carries no virtual MAC address: leave out `vmac`")
        })
    }

    /// It goes after the addresses that are on it. What could not be removed from it goes with it.
    fn device_want(&self, want: Want) -> Want {
        let busy = |device: &VirtualDevice| {
            let all = self.addresses.iter().chain(&self.leaving);
            all.filter(|a| a.interface == device.name).any(|a| a.lease.pending().is_some())
        };
        match want {
            Want::Absent if self.device.as_ref().is_some_and(busy) => Want::AsIs,
            Want::Present | Want::Absent | Want::AsIs => want,
        }
    }

    /// Requests what the device needs.
    pub(super) fn act_on_device(&mut self, host: &Host<'_>, want: Want, ops: &mut Ops, out: &mut Outbox) {
        let want = self.device_want(want);
        let Some(device) = &mut self.device else { return };
        let below = host.network.link(&self.interface).map(|link| link.index).zip(device.before);
        if want == Want::Present && below.is_none() {
            return;
        }
        let op = ops.next();
        match (device.kept.plan(host.now, want, op), below) {
            (Some(AddressStep::Install), Some((parent, before))) => {
                let mark = Mark { vip: self.config.name.clone(), before };
                let device = Device { name: device.name.clone(), parent, mac: device.mac, mark };
                out.push(Effect::RaiseDevice { op, device });
            }
            (Some(AddressStep::Withdraw), _) => out.push(Effect::RemoveDevice { op, name: device.name.clone() }),
            (Some(AddressStep::Install), None) | (None, _) => {}
        }
    }

    /// When [`Vip::act_on_device`] has something to do.
    pub(super) fn device_deadline(&self, want: Want, network: &Network) -> Option<Instant> {
        let device = self.device.as_ref()?;
        let want = self.device_want(want);
        let possible = want == Want::Absent || (device.before.is_some() && network.link(&self.interface).is_some());
        device.kept.deadline(want).filter(|_| possible)
    }

    /// The outcome of a `RaiseDevice`; whether it was of this VIP.
    pub(in crate::node) fn device_raised(
        &mut self,
        now: Instant,
        op: OpId,
        result: &Result<Link, String>,
        out: &mut Outbox,
    ) -> bool {
        let Some(device) = self.device.as_mut().filter(|device| device.kept.pending() == Some(op)) else {
            return false;
        };
        let news = device.kept.installed(now, op, Answer::from(result), PACE);
        match result {
            Ok(link) => device.link = Some(link.clone()),
            Err(why) if news == AddressNews::Refused => {
                let message = format!("cannot set up device {}: {why}", device.name);
                out.log(LogLevel::Warn, Some(self.config.name.as_str()), message.clone());
                self.refused = Some((message, now + REFUSED_PAUSE));
                self.count("devices-refused");
            }
            Err(_) => {}
        }
        self.touched = true;
        true
    }

    /// The outcome of a `RemoveDevice`; the name of the device, if it was of this VIP.
    pub(in crate::node) fn device_removed(
        &mut self,
        now: Instant,
        op: OpId,
        result: &Result<(), String>,
        out: &mut Outbox,
    ) -> Option<IfName> {
        let device = self.device.as_mut().filter(|device| device.kept.pending() == Some(op))?;
        let _gone = device.kept.withdrawn(now, op, Answer::from(result));
        match result {
            Ok(()) => device.link = None,
            Err(why) => {
                let message = format!("cannot remove device {}: {why}", device.name);
                out.log(LogLevel::Warn, Some(self.config.name.as_str()), message);
            }
        }
        self.touched = true;
        Some(device.name.clone())
    }
}

#[cfg(test)]
mod tests;
