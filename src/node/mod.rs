//! The whole policy of one host, pure: an [`Event`] in, [`Effects`] out.

pub mod effect;
pub mod event;
pub mod status;

use std::time::Instant;

pub use effect::{Effect, Effects, LogLevel, LogLine};
pub use event::Event;
pub use status::Status;

use crate::node::event::Loaded;
use crate::units::Name;

/// When to send [`Event::Tick`], and why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Deadline {
    /// Not before this instant.
    pub at: Instant,
    /// What is due then.
    pub why: &'static str,
}

/// One host.
#[derive(Debug)]
pub struct Node {
    loaded: Loaded,
    me: Name,
    started_at: Instant,
}

impl Node {
    /// A node that starts at `now`. `me` is one of the configuration's nodes.
    pub fn new(loaded: Loaded, me: Name, now: Instant) -> (Self, Effects) {
        (Self { loaded, me, started_at: now }, Vec::new())
    }

    /// The only way to change a node.
    #[must_use]
    pub fn handle(&mut self, _now: Instant, _event: Event) -> Effects {
        Vec::new()
    }

    /// When to send [`Event::Tick`].
    pub fn deadline(&self) -> Option<Deadline> {
        None
    }

    /// What an operator sees.
    pub fn status(&self, now: Instant) -> Status {
        let _unused = (&self.loaded, &self.me, now, self.started_at);
        Status {
            node: String::new(),
            version: String::new(),
            pid: 0,
            up_ms: 0,
            phase: String::new(),
            config: status::ConfigStatus { digest: String::new(), loaded_ms_ago: 0, last_reload: None },
            proxy: status::ProxyStatus {
                healthy: false,
                why: String::new(),
                for_ms: 0,
                doing: String::new(),
                master_pid: None,
                worker_pid: None,
                version: None,
                generation: None,
                connections: None,
                frontends: Vec::new(),
                backends: Vec::new(),
                starts: 0,
            },
            vips: Vec::new(),
            dropped: std::collections::BTreeMap::new(),
        }
    }
}
