//! What vipkeeper says over HTTP: paths, what each asks of the node, and the bytes of the answers that need no asking.
//!
//! Pure: sockets, tokens and times are the shell's. The control socket and the endpoint of `[http]` have the same paths;
//! who may do what differs.

mod api;
mod guard;
mod metrics;
mod openapi;
mod page;

pub use api::{Act, Answer, PATHS, Path, View, parse};
pub use api::{MaintenanceBody, ReleaseBody, ResumeBody, ServerBody, SwitchoverBody};
pub use guard::{TOKEN_BYTES_MIN, is_host, is_permitted};
pub use metrics::{CONTENT_TYPE as METRICS_TYPE, metrics};
pub use openapi::openapi;
pub use page::{Asset, POLICY, asset};

use crate::node::Status;

/// Whether this node could hold a VIP: it has started, no operator wants it to stand aside, and its proxy serves. If
/// not, why.
///
/// # Errors
/// The reason, for people.
pub fn readiness(status: &Status) -> Result<(), String> {
    if status.phase != "running" {
        return Err(format!("vipkeeper is {}", status.phase));
    }
    if status.maintenance {
        return Err("in maintenance".to_owned());
    }
    if status.proxy.healthy { Ok(()) } else { Err(format!("the proxy: {}", status.proxy.why)) }
}

/// What of a status changes by the passage of time alone, or with every advert, is no change worth telling.
///
/// Two statuses with the same fingerprint look the same to somebody who lets ages tick by himself.
pub fn fingerprint(status: &Status) -> Status {
    let mut still = status.clone();
    still.up_ms = 0;
    still.config.loaded_ms_ago = 0;
    if let Some(last) = &mut still.config.last_reload {
        last.ms_ago = 0;
    }
    let proxy = &mut still.proxy;
    (proxy.for_ms, proxy.accepted) = (0, None);
    for worker in &mut proxy.old_workers {
        (worker.up_ms, worker.replaced_ms_ago) = (0, 0);
    }
    for intent in &mut proxy.intents {
        intent.for_ms = 0;
    }
    for vip in &mut still.vips {
        vip.for_ms = 0;
        vip.counters.clear();
        vip.dropped.clear();
        vip.transitions.iter_mut().for_each(|t| t.ms_ago = 0);
        vip.speakers.iter_mut().for_each(|s| s.ms_ago = 0);
        vip.duplicates.iter_mut().for_each(|d| d.ms_ago = 0);
        vip.refused.iter_mut().for_each(|r| r.ms_ago = 0);
    }
    still.trackers.iter_mut().for_each(|tracker| tracker.for_ms = 0);
    for peer in &mut still.peers {
        peer.heard_ms_ago = None;
        peer.dropped.clear();
    }
    still.dropped.clear();
    still
}

#[cfg(test)]
mod tests;
