//! What is looked at in the world, how a look is put into words, and what its silence means.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{HookSettings, Tracker, TrackerKind};
use crate::units::Name;

/// One look, for the shell: it says good (0, or the number in a file) or why not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LookSpec {
    /// Run a program without a shell: good with exit status 0. At most one at a time for each tracker.
    Script {
        /// For whom.
        tracker: Name,
        /// Program and arguments.
        argv: Vec<String>,
        /// User to run as.
        user: Option<String>,
        /// Group to run as.
        group: Option<String>,
    },
    /// Read a number; 0 for a file that is missing or empty. At most one at a time for each tracker.
    File {
        /// For whom.
        tracker: Name,
        /// Absolute path.
        path: PathBuf,
    },
    /// Connect.
    Tcp {
        /// To there.
        address: SocketAddr,
    },
    /// GET: good when answered with 200-399.
    Http {
        /// `http://` and an address or name.
        url: String,
    },
    /// ICMP or ICMPv6 echo.
    Ping {
        /// To there.
        address: IpAddr,
    },
}

impl LookSpec {
    /// None for what needs no look, since the node has the facts already.
    pub fn of(tracker: &Tracker, hooks: &HookSettings) -> Option<Self> {
        let name = || tracker.name.clone();
        match &tracker.kind {
            TrackerKind::Script { command, user } => Some(Self::Script {
                tracker: name(),
                argv: command.argv.clone(),
                user: user.as_ref().or(hooks.user.as_ref()).map(Name::to_string),
                // The group of `[hooks]` belongs to the user of `[hooks]`.
                group: hooks.group.as_ref().filter(|_| user.is_none()).map(Name::to_string),
            }),
            TrackerKind::File { path } => Some(Self::File { tracker: name(), path: path.clone() }),
            TrackerKind::Tcp { address } => Some(Self::Tcp { address: *address }),
            TrackerKind::Http { url } => Some(Self::Http { url: url.clone() }),
            TrackerKind::Ping { address } => Some(Self::Ping { address: *address }),
            TrackerKind::Backend { .. }
            | TrackerKind::Saturation { .. }
            | TrackerKind::Queue { .. }
            | TrackerKind::Interface(_)
            | TrackerKind::Vip { .. } => None,
        }
    }
}

/// Whether the shell has to look.
pub fn is_polled(kind: &TrackerKind) -> bool {
    match kind {
        TrackerKind::Script { .. }
        | TrackerKind::File { .. }
        | TrackerKind::Tcp { .. }
        | TrackerKind::Http { .. }
        | TrackerKind::Ping { .. } => true,
        TrackerKind::Backend { .. }
        | TrackerKind::Saturation { .. }
        | TrackerKind::Queue { .. }
        | TrackerKind::Interface(_)
        | TrackerKind::Vip { .. } => false,
    }
}

/// What a look that has not ended at its deadline means.
pub fn silence(tracker: &Tracker) -> String {
    let within = span(tracker.timeout);
    match &tracker.kind {
        TrackerKind::Script { command, .. } => {
            let program = command.argv.first().map(String::as_str).unwrap_or_default();
            format!("{program} did not end within {within}")
        }
        TrackerKind::File { path } => format!("{} could not be read within {within}", path.display()),
        TrackerKind::Tcp { address } => format!("no connection to {address} within {within}"),
        TrackerKind::Http { url } => format!("no answer from {url} within {within}"),
        TrackerKind::Ping { address } => format!("no answer from {address} within {within}"),
        TrackerKind::Backend { .. }
        | TrackerKind::Saturation { .. }
        | TrackerKind::Queue { .. }
        | TrackerKind::Interface(_)
        | TrackerKind::Vip { .. } => format!("nothing was heard within {within}"),
    }
}

/// What a tracker watches on node `me`.
pub fn words(kind: &TrackerKind, me: &Name) -> String {
    match kind {
        TrackerKind::Backend { backend, up_percent } => format!("at least {up_percent} % of backend {backend} up"),
        TrackerKind::Saturation { percent } => format!("connections below {percent} % of maxconn"),
        TrackerKind::Queue { backend, requests } => format!("queue of backend {backend} below {requests}"),
        TrackerKind::Interface(of) => match of.get(me) {
            Some(interface) => format!("interface {interface}"),
            None => "interface of other nodes".to_owned(),
        },
        TrackerKind::Script { command, .. } => format!("script {}", command.argv.join(" ")),
        TrackerKind::File { path } => format!("file {}", path.display()),
        TrackerKind::Tcp { address } => format!("tcp {address}"),
        TrackerKind::Http { url } => format!("http {url}"),
        TrackerKind::Ping { address } => format!("ping {address}"),
        TrackerKind::Vip { vip } => format!("VIP {vip}"),
    }
}

/// `1 s`, `1500 ms`.
fn span(time: Duration) -> String {
    let ms = time.as_millis();
    if ms.is_multiple_of(1000) { format!("{} s", ms / 1000) } else { format!("{ms} ms") }
}
