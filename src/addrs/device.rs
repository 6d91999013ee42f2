//! The device of a virtual router: what it is called, how it is recognised, and what it asks of the interface below.

use serde::{Deserialize, Serialize};

use crate::units::{IfName, Name};

/// How an interface answers ARP: `arp_ignore` and `arp_announce`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ArpConf {
    /// For which addresses it answers.
    pub ignore: u32,
    /// Which addresses it asks from.
    pub announce: u32,
}

impl ArpConf {
    /// Below a virtual router's device: it answers for its own addresses only, and asks from them only.
    #[must_use]
    pub fn below_device(self) -> Self {
        Self { ignore: self.ignore.max(1), announce: self.announce.max(2) }
    }
}

/// The macvlan device of a virtual router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its name.
    pub name: IfName,
    /// Index of the interface below.
    pub parent: u32,
    /// The virtual router's hardware address.
    pub mac: [u8; 6],
    /// Whose it is.
    pub mark: Mark,
}

/// The alias of a device (`IFLA_IFALIAS`), such as `vipkeeper www arp_ignore=0 arp_announce=0`: it is vipkeeper's, and the interface below is to
/// answer ARP like that again once the device is gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// Name of the VIP.
    pub vip: Name,
    /// What the interface below had before.
    pub before: ArpConf,
}

impl Mark {
    /// Whether an alias is one of ours, whatever follows.
    pub fn is_on(alias: &str) -> bool {
        alias.split(' ').next() == Some("vipkeeper")
    }

    /// What the interface below had before, if the alias says so.
    pub fn before(alias: &str) -> Option<ArpConf> {
        let number =
            |key: &str| alias.split(' ').find_map(|word| word.strip_prefix(key)?.strip_prefix('=')?.parse().ok());
        let known = Self::is_on(alias).then(|| number("arp_ignore").zip(number("arp_announce"))).flatten();
        known.map(|(ignore, announce)| ArpConf { ignore, announce })
    }
}

impl std::fmt::Display for Mark {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { vip, before } = self;
        write!(f, "vipkeeper {vip} arp_ignore={} arp_announce={}", before.ignore, before.announce)
    }
}

#[cfg(test)]
mod tests;
