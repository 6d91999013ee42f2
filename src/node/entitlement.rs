//! The one policy function: may this node hold this VIP now, and with which priority?
//!
//! Recomputed from scratch whenever anything changes; nothing is counted up and down.

use crate::node::event::Link;
use crate::proxy::health::Verdict;
use crate::units::{IfName, Priority};
use crate::vrrp::router::Entitlement;

/// Everything the answer depends on.
#[derive(Debug)]
pub(super) struct Facts<'a> {
    /// vipkeeper stops, or the VIP left the configuration.
    pub(super) leaving: Option<&'a str>,
    /// An operator gave it up.
    pub(super) released: Option<&'a str>,
    /// An operator handed it over: others go first, whatever their priority.
    pub(super) last_in_line: bool,
    /// The network has been seen once.
    pub(super) observed: bool,
    pub(super) interface: &'a IfName,
    pub(super) link: Option<&'a Link>,
    /// An address to send from; else what the interface lacks.
    pub(super) source: Result<(), &'static str>,
    /// The VRRP socket is open; the error if it cannot be.
    pub(super) socket: Result<bool, &'a str>,
    /// The kernel refused to install an address.
    pub(super) refused: Option<&'a str>,
    pub(super) proxy: &'a Verdict,
    pub(super) without_proxy: WithoutProxy,
    pub(super) base: Priority,
    /// What changes the priority now.
    pub(super) weights: &'a [(String, i32)],
    /// A tracker of weight 0 has failed.
    pub(super) tracked: Option<&'a str>,
    /// An address cannot be put on the other interface where it belongs.
    pub(super) elsewhere: Option<String>,
    /// The device of the virtual router cannot be made.
    pub(super) device: Option<String>,
}

/// What becomes of the VIP while the proxy has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum WithoutProxy {
    /// It leaves.
    Leave,
    /// It stays for a moment: nobody else is fit, and the proxy is being started again.
    Stay,
}

/// Abstains for the first reason that holds, the most fundamental first; claims otherwise.
pub(super) fn entitlement(facts: &Facts<'_>) -> Entitlement {
    match reason_to_abstain(facts) {
        Some(why) => Entitlement::Abstain(why),
        None if facts.last_in_line => Entitlement::Claim(Priority::MIN),
        None => {
            let sum = facts.weights.iter().map(|(_, weight)| *weight).fold(0_i32, i32::saturating_add);
            Entitlement::Claim(facts.base.weighted(sum))
        }
    }
}

fn reason_to_abstain(facts: &Facts<'_>) -> Option<String> {
    let interface = facts.interface;
    if let Some(why) = facts.leaving.or(facts.released) {
        return Some(why.to_owned());
    }
    if !facts.observed {
        return Some("starting: the network has not been looked at yet".to_owned());
    }
    let Some(link) = facts.link else {
        return Some(format!("interface {interface} does not exist"));
    };
    if !link.up {
        return Some(format!("interface {interface} is down or has no carrier"));
    }
    if let Err(lacks) = facts.source {
        return Some(format!("interface {interface} has {lacks}"));
    }
    if let Some(why) = facts.elsewhere.as_ref().or(facts.device.as_ref()) {
        return Some(why.clone());
    }
    match facts.socket {
        Ok(true) => {}
        Ok(false) => return Some(format!("opening the VRRP socket on {interface}")),
        Err(error) => return Some(format!("no VRRP socket on {interface}: {error}")),
    }
    if let (Verdict::Failed { why }, WithoutProxy::Leave) = (facts.proxy, facts.without_proxy) {
        return Some(format!("proxy failed: {why}"));
    }
    if let Some(error) = facts.refused {
        return Some(format!("an address cannot be installed: {error}"));
    }
    facts.tracked.map(str::to_owned)
}

#[cfg(test)]
mod tests;
