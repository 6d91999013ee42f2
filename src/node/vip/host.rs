//! What a VIP needs to know of its host.

use std::time::{Duration, Instant};

use crate::config::HookSettings;
use crate::node::event::Network;
use crate::node::peering::Peering;
use crate::proxy::health::Verdict;
use crate::units::Name;

/// What a VIP needs to know of its host in a turn.
pub(in crate::node) struct Host<'a> {
    pub(in crate::node) now: Instant,
    /// Time of day, since the epoch.
    pub(in crate::node) wall: Duration,
    pub(in crate::node) network: &'a Network,
    pub(in crate::node) hooks: &'a HookSettings,
    pub(in crate::node) stopping: bool,
    pub(in crate::node) me: &'a Name,
    pub(in crate::node) peering: &'a Peering,
    pub(in crate::node) proxy: &'a Verdict,
}
