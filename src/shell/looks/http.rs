//! An HTTP GET: no proxy, no redirects, no connection kept, a bounded part of the body read and ignored.

use std::error::Error;
use std::net::ToSocketAddrs;
use std::sync::{Arc, OnceLock};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use reqwest::{Client, StatusCode};
use tokio::sync::Semaphore;

/// Read of the body; the rest is not waited for.
const BODY_BYTES_MAX: usize = 64 << 10;

/// Look-ups of names at the same time, those included that hang: the system's resolver cannot be interrupted.
const LOOKUPS_MAX: usize = 8;

/// One client for all, built when it is first needed.
#[derive(Debug)]
pub(super) struct Http {
    client: OnceLock<Result<Client, String>>,
}

impl Http {
    pub(super) fn new() -> Self {
        Self { client: OnceLock::new() }
    }

    /// Good when answered with 200-399. The caller bounds the time.
    pub(super) async fn look(&self, url: &str) -> Result<i64, String> {
        let client = self.client.get_or_init(build).as_ref().map_err(Clone::clone)?;
        let failed = |error: reqwest::Error| format!("{url}: {}", chain(&error));
        let mut response = client.get(url).send().await.map_err(failed)?;
        let status = response.status();
        if !is_good(status) {
            return Err(format!("{url} answered {status}"));
        }
        let mut read = 0_usize;
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            read = read.saturating_add(chunk.len());
            if read >= BODY_BYTES_MAX {
                break;
            }
        }
        Ok(0)
    }
}

fn is_good(status: StatusCode) -> bool {
    (200..400).contains(&status.as_u16())
}

fn build() -> Result<Client, String> {
    crate::shell::tls::choose_provider();
    let lookups = Lookups { slots: Arc::new(Semaphore::new(LOOKUPS_MAX)) };
    Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .pool_max_idle_per_host(0)
        .user_agent(concat!("vipkeeper/", env!("CARGO_PKG_VERSION")))
        .dns_resolver(Arc::new(lookups))
        .build()
        .map_err(|error| format!("no HTTP client: {}", chain(&error)))
}

/// The system's resolver on threads whose number is bounded.
#[derive(Debug)]
struct Lookups {
    slots: Arc<Semaphore>,
}

impl Resolve for Lookups {
    fn resolve(&self, name: Name) -> Resolving {
        let slots = Arc::clone(&self.slots);
        Box::pin(async move {
            let slot = slots.acquire_owned().await?;
            let found = tokio::task::spawn_blocking(move || {
                let found = (name.as_str(), 0).to_socket_addrs();
                drop(slot);
                found
            });
            let addresses: Addrs = Box::new(found.await??);
            Ok(addresses)
        })
    }
}

/// The innermost reason is the one that tells something.
fn chain(error: &dyn Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
