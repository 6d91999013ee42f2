//! The endpoint of `[http]`: listens where the configuration says, on a thread and a runtime of its own, so that nobody who
//! asks can delay an advert.
//!
//! An address that cannot be bound is told and tried again: it is no reason not to keep VIPs.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio::task::JoinSet;

use super::control::Call;
use super::http::events::Feed;
use super::http::{self, Door, Public};
use crate::config::Endpoint;

/// Connections at the same time; more wait in the listen queue.
const CONNECTIONS_MAX: usize = 32;

/// Pause before an address that could not be bound is tried again.
const BIND_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// A client whose host is gone without a word does not keep its place for longer.
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Requests that read a token's file, and no other work that blocks.
const BLOCKING_THREADS_MAX: usize = 2;

/// Serves what the settings say, on a thread that is started when they say something for the first time. It ends when the
/// sender of the settings is dropped, or with the process.
pub async fn run(mut settings: watch::Receiver<Option<Endpoint>>, calls: mpsc::Sender<Call>) {
    if settings.wait_for(Option::is_some).await.is_err() {
        return;
    }
    if let Err(error) = start(settings, calls) {
        tracing::warn!(%error, "HTTP is not answered: its thread cannot be started");
    }
}

fn start(settings: watch::Receiver<Option<Endpoint>>, calls: mpsc::Sender<Call>) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .max_blocking_threads(BLOCKING_THREADS_MAX)
        .build()?;
    std::thread::Builder::new().name("http".to_owned()).spawn(move || {
        runtime.block_on(serve(settings, calls));
        runtime.shutdown_background();
    })?;
    Ok(())
}

/// Serves what the settings say, until nobody can change them any more.
async fn serve(mut settings: watch::Receiver<Option<Endpoint>>, calls: mpsc::Sender<Call>) {
    let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    // By address; those that stay the same over a change are not closed for it.
    let mut listening: BTreeMap<SocketAddr, watch::Sender<Arc<Public>>> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    loop {
        let wanted = settings.borrow_and_update().clone();
        match wanted {
            None => listening.clear(),
            Some(Endpoint { listen, token_file, hosts }) => {
                let feed = Feed::start(calls.clone());
                let public = Arc::new(Public { hosts, token_file, feed });
                listening.retain(|address, _| listen.contains(address));
                for address in listen {
                    match listening.get(&address) {
                        Some(door) => drop(door.send_replace(Arc::clone(&public))),
                        None => {
                            let (door, watched) = watch::channel(Arc::clone(&public));
                            listening.insert(address, door);
                            tasks.spawn(listen_on(address, watched, Arc::clone(&slots), calls.clone()));
                        }
                    }
                }
            }
        }
        loop {
            tokio::select! {
                changed = settings.changed() => match changed {
                    Ok(()) => break,
                    Err(_) => return,
                },
                // Takes leave of those that ended.
                Some(_) = tasks.join_next() => {}
            }
        }
    }
}

/// Listens on one address until its settings are gone.
async fn listen_on(
    address: SocketAddr,
    mut public: watch::Receiver<Arc<Public>>,
    slots: Arc<Semaphore>,
    calls: mpsc::Sender<Call>,
) {
    let Some(listener) = bind(address, &mut public).await else { return };
    tracing::info!(%address, "answering HTTP");
    loop {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            changed = public.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
        };
        let stream = accepted.map(|(stream, _)| stream).inspect(set_up);
        http::take(stream, slot, || Door::Public(Arc::clone(&public.borrow())), &calls).await;
    }
}

/// Tries until it is bound or not wanted any more.
async fn bind(address: SocketAddr, public: &mut watch::Receiver<Arc<Public>>) -> Option<TcpListener> {
    let mut told = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => return Some(listener),
            Err(error) if told => tracing::debug!(%address, %error, "still not answering HTTP"),
            Err(error) => {
                told = true;
                tracing::warn!(%address, %error, "cannot answer HTTP there; trying on");
            }
        }
        tokio::select! {
            () = tokio::time::sleep(BIND_AGAIN_AFTER) => {}
            () = async { while public.changed().await.is_ok() {} } => return None,
        }
    }
}

fn set_up(stream: &TcpStream) {
    let socket = socket2::SockRef::from(stream);
    let result = socket.set_tcp_user_timeout(Some(USER_TIMEOUT)).and_then(|()| socket.set_tcp_nodelay(true));
    if let Err(error) = result {
        tracing::debug!(%error, "a connection for HTTP keeps the kernel's settings");
    }
}
