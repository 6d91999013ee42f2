//! Trackers that need no look of their own: what samples, links and roles say about them.

use std::collections::BTreeMap;

use crate::config::{Config, TrackerKind};
use crate::proxy::Sample;
use crate::units::{IfName, Name};

/// Whether the sample is of the configuration in force: only then is a missing backend a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Generation {
    /// It is.
    InForce,
    /// A predecessor's, or one on its way.
    Another,
}

/// What a sample of the proxy says about a tracker; none: nothing.
pub fn of_sample(
    kind: &TrackerKind,
    sample: &Sample,
    generation: Generation,
    config: &Config,
) -> Option<Result<(), String>> {
    let find = |wanted: &Name| sample.backends.iter().find(|b| b.name == wanted.as_str());
    let missing = |name: &Name| match generation {
        Generation::InForce => Some(Err(format!("the proxy knows no backend {name}"))),
        Generation::Another => None,
    };
    match kind {
        TrackerKind::Backend { backend, up_percent } => {
            let Some(seen) = find(backend) else { return missing(backend) };
            if seen.status == "DOWN" {
                return Some(Err(format!("backend {backend} is DOWN")));
            }
            let total = servers(config, backend);
            let (up, wanted) = (u64::from(seen.servers_up), u64::from(*up_percent));
            Some(if up.saturating_mul(100) < wanted.saturating_mul(total) {
                Err(format!("{up} of {total} servers of backend {backend} up, less than {up_percent} %"))
            } else {
                Ok(())
            })
        }
        TrackerKind::Queue { backend, requests } => {
            let Some(seen) = find(backend) else { return missing(backend) };
            Some(if seen.queued >= *requests {
                Err(format!("{requests} or more requests wait for backend {backend}"))
            } else {
                Ok(())
            })
        }
        TrackerKind::Saturation { percent } => {
            let (now, max) = (sample.connections, sample.connections_max);
            Some(if now.saturating_mul(100) >= max.saturating_mul(u64::from(*percent)) {
                Err(format!("{percent} % or more of the proxy's {max} connections are in use"))
            } else {
                Ok(())
            })
        }
        TrackerKind::Interface(_)
        | TrackerKind::Script { .. }
        | TrackerKind::File { .. }
        | TrackerKind::Tcp { .. }
        | TrackerKind::Http { .. }
        | TrackerKind::Ping { .. }
        | TrackerKind::Vip { .. } => None,
    }
}

/// Servers that could be up: HAProxy does not count those of weight 0 among them.
fn servers(config: &Config, backend: &Name) -> u64 {
    let found = config.backends.iter().find(|b| b.name == *backend);
    let count = found.map_or(0, |b| b.servers.iter().filter(|s| s.weight > 0).count());
    let named = found.and_then(|b| b.template.as_ref()).map_or(0, |template| u64::from(template.count));
    u64::try_from(count).unwrap_or(u64::MAX).saturating_add(named)
}

/// What the links say about an interface tracker of node `me`; `up` is none for one that does not exist.
pub fn of_links(
    of: &BTreeMap<Name, IfName>,
    me: &Name,
    up: impl FnOnce(&IfName) -> Option<bool>,
) -> Result<(), String> {
    // On a node that it does not name there is nothing to fail.
    let Some(interface) = of.get(me) else { return Ok(()) };
    match up(interface) {
        Some(true) => Ok(()),
        Some(false) => Err(format!("interface {interface} is down or has no carrier")),
        None => Err(format!("interface {interface} does not exist")),
    }
}
