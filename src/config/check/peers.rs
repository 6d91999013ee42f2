//! `[peers]`: how nodes talk to each other beside VRRP.

use super::Cx;
use crate::config::PeersConfig;
use crate::config::document::Item;
use crate::config::limits::{PEERS_INTERVAL, PEERS_KEY_FILE, PEERS_PORT};
use crate::config::problem::Problem;
use crate::config::raw::RawPeers;

/// The outer None: reported. The inner: they do not talk.
#[allow(clippy::option_option, reason = "switched off and reported are different things")]
pub(super) fn check(cx: &mut Cx<'_>, item: Option<&Item<RawPeers>>, nodes: usize) -> Option<Option<PeersConfig>> {
    let raw = item.map(|item| item.raw.get().clone()).unwrap_or_default();
    let file = item.map_or(0, |item| item.file);
    let interval = cx.duration(file, "peers.interval", raw.interval.as_ref(), PEERS_INTERVAL);
    let key_file = match &raw.key_file {
        None => PEERS_KEY_FILE,
        Some(written) if written.get().is_empty() || written.get().contains('\0') => {
            let place = crate::config::Place::new(file, written.span());
            cx.add(Problem::new(place, "`key_file` must be a file").fix("leave it out for the usual one"));
            return None;
        }
        Some(written) => written.get(),
    };
    let peers = PeersConfig {
        key_file: cx.main_directory.join(key_file),
        port: raw.port.as_ref().and_then(|port| u16::try_from(*port.get()).ok()).unwrap_or(PEERS_PORT),
        interval: interval?,
    };
    let enabled = raw.enabled.as_ref().is_none_or(|enabled| *enabled.get());
    Some((enabled && nodes > 1).then_some(peers))
}
