//! Whether the proxy really listens where it should: the kernel's word beside its own.
//!
//! HAProxy calls a frontend OPEN as long as one of its listeners is, and nginx says nothing of its own. A listener of an
//! old worker or of somebody else at that place counts too: the kernel is asked who listens, not for whom.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::{Fault, Proxying};
use crate::proxy::lifecycle::Lifecycle;
use crate::proxy::{BindProbe, Sample};

/// Beside confirmations the kernel is asked this often: a listener goes with a reload, hardly ever by itself.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Addresses that are named; the rest is counted.
const NAMED_MAX: usize = 4;

/// When the kernel was asked last.
#[derive(Debug, Default)]
pub(super) struct Listening {
    asked_at: Option<Instant>,
}

impl Listening {
    /// Whether the next probe asks the kernel too: each while a start or reload is being confirmed.
    pub(super) fn is_due(&mut self, now: Instant, lifecycle: &Lifecycle) -> bool {
        let due = lifecycle.is_confirming() || self.asked_at.is_none_or(|at| now >= at + LOOK_EVERY);
        if due {
            self.asked_at = Some(now);
        }
        due
    }
}

impl Proxying {
    /// What is wrong with an answer whose worker does not listen everywhere.
    pub(super) fn deaf(&self, sample: &Sample) -> Option<Fault> {
        let listening = sample.listening.as_ref()?;
        let wanted = self.lifecycle.binds_of(sample)?;
        let missing: Vec<SocketAddr> =
            wanted.iter().map(|BindProbe { address, .. }| *address).filter(|a| !listening.contains(a)).collect();
        let named: Vec<String> = missing.iter().take(NAMED_MAX).map(ToString::to_string).collect();
        let more = missing.len().saturating_sub(named.len());
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let why = format!("nobody listens at {}{more}, although the proxy calls its frontends open", named.join(", "));
        // Those that listen already are left alone.
        let paused = sample.frontends.iter().map(|(name, _)| name.clone()).collect();
        (!missing.is_empty()).then_some(Fault { why, paused })
    }
}
