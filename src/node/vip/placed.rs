//! One address of a VIP with the place where it belongs on this node.

use std::time::Instant;

use crate::addrs::LeasedAddress;
use crate::config::VirtualAddress;
use crate::node::event::{Link, Network};
use crate::node::vip::Vip;
use crate::units::{AddressOptions, Family, IfName, Name};

/// An address of a VIP on this node.
#[derive(Debug, Clone)]
pub(in crate::node) struct Placed {
    /// Its lease.
    pub(in crate::node) lease: LeasedAddress,
    /// Where it belongs: the VRRP interface, the device of the virtual router there, or another interface.
    pub(in crate::node) interface: IfName,
    /// Where its frames travel: the same, or the interface below the device.
    pub(in crate::node) wire: IfName,
    options: AddressOptions,
    /// It has been here while this vipkeeper was active: clients may have connections to it.
    pub(super) served: bool,
    /// It is here with another label or scope.
    pub(super) misplaced: bool,
}

impl Placed {
    /// The address of a VIP whose VRRP interface here is `vrrp`, with or without a device on it, believed absent until
    /// observed.
    pub(super) fn new(
        wanted: &VirtualAddress,
        (vrrp, device): (&IfName, Option<&IfName>),
        me: &Name,
        now: Instant,
    ) -> Self {
        let own = wanted.interfaces.get(me);
        Self {
            lease: LeasedAddress::new(wanted.address, now),
            interface: own.or(device).unwrap_or(vrrp).clone(),
            wire: own.unwrap_or(vrrp).clone(),
            options: wanted.options.clone(),
            served: false,
            misplaced: false,
        }
    }

    /// Whether it is the same address, at the same place, put there in the same way.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.lease.address() == other.lease.address()
            && self.interface == other.interface
            && self.options == other.options
    }

    /// Whether those options are the wanted ones. IPv6 addresses have no label, and the kernel finds their scope.
    pub(in crate::node) fn is_as_wanted(&self, shown: &AddressOptions) -> bool {
        let label = |options: &AddressOptions| options.label.clone().filter(|label| label != self.interface.as_str());
        let same = || shown.scope == self.options.scope && label(shown) == label(&self.options);
        self.lease.address().family() == Family::V6 || same()
    }

    /// How it is put there.
    pub(super) fn options(&self) -> &AddressOptions {
        &self.options
    }

    /// The link where it belongs, if that exists.
    pub(in crate::node) fn link<'a>(&self, network: &'a Network) -> Option<&'a Link> {
        network.link(&self.interface)
    }
}

impl Vip {
    /// Why an address cannot be where it belongs, if that is another interface than the one of the adverts.
    pub(in crate::node) fn elsewhere(&self, network: &Network) -> Option<String> {
        self.addresses.iter().filter(|placed| placed.wire != self.interface).find_map(|placed| {
            let (address, interface) = (placed.lease.address(), &placed.interface);
            match placed.link(network) {
                Some(link) if link.up => None,
                Some(_) => Some(format!("address {address} belongs on {interface}, which is down or has no carrier")),
                None => Some(format!("address {address} belongs on {interface}, which does not exist")),
            }
        })
    }
}

#[cfg(test)]
mod tests;
