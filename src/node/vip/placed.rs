//! One address of a VIP with the place where it belongs on this node.

use std::time::Instant;

use crate::addrs::LeasedAddress;
use crate::config::VirtualAddress;
use crate::node::event::{Link, Network};
use crate::units::{AddressOptions, IfName, Name};

/// An address of a VIP on this node.
#[derive(Debug, Clone)]
pub(in crate::node) struct Placed {
    /// Its lease.
    pub(in crate::node) lease: LeasedAddress,
    /// Where it belongs: the VRRP interface, or another one.
    pub(in crate::node) interface: IfName,
    options: AddressOptions,
}

impl Placed {
    /// The address of a VIP whose VRRP interface here is `vrrp`, believed absent until observed.
    pub(super) fn new(wanted: &VirtualAddress, vrrp: &IfName, me: &Name, now: Instant) -> Self {
        Self {
            lease: LeasedAddress::new(wanted.address, now),
            interface: wanted.interfaces.get(me).unwrap_or(vrrp).clone(),
            options: wanted.options.clone(),
        }
    }

    /// Whether it is the same address, at the same place, put there in the same way.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.lease.address() == other.lease.address()
            && self.interface == other.interface
            && self.options == other.options
    }

    /// How it is put there.
    pub(super) fn options(&self) -> &AddressOptions {
        &self.options
    }

    /// The link where it belongs, if that exists.
    pub(super) fn link<'a>(&self, network: &'a Network) -> Option<&'a Link> {
        network.link(&self.interface)
    }
}
