//! `demo`: a failover on this machine, with real hosts, packets and proxies, and a client that counts.

pub mod backends;
pub mod net;
pub mod prober;

use std::time::Instant;

fn now() -> Instant {
    tokio::time::Instant::now().into_std()
}
