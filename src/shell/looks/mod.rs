//! Looks at what is tracked, all at the same time, bounded in number, time and bytes: one file per kind.
//!
//! It judges a single look and counts nothing. The node judges what is silent at its deadline by itself, so an answer
//! that comes later only tells this worker that there is room again.

mod file;
mod http;
mod ping;
mod script;
mod tcp;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::{Mutex, OwnedMutexGuard, OwnedSemaphorePermit, Semaphore, mpsc};
use tokio::time::timeout_at;

use crate::node::Event;
use crate::node::event::OpId;
use crate::track::LookSpec;
use crate::units::Name;

/// Looks under way at the same time; more wait in the queue.
const LOOKING_MAX: usize = 64;

/// Looks that occupy a thread (a file is read, a program is started), those included that hang in the kernel.
const BLOCKING_MAX: usize = 32;

/// One look to be taken.
#[derive(Debug)]
pub struct Look {
    /// The operation.
    pub op: OpId,
    /// At what.
    pub what: LookSpec,
    /// An answer after this instant is of no use.
    pub deadline: Instant,
}

/// The right to look at something that may hang in the kernel for good. Whatever hangs keeps it, so that nothing
/// piles up.
#[derive(Debug)]
struct Turn {
    _tracker: OwnedMutexGuard<()>,
    _thread: OwnedSemaphorePermit,
}

/// The worker: each look gets a task of its own. Ends when `looks` is closed.
pub async fn run(node: String, mut looks: mpsc::Receiver<Look>, events: mpsc::Sender<Event>) {
    let slots = Arc::new(Semaphore::new(LOOKING_MAX));
    let looker = Arc::new(Looker { node, threads: Arc::new(Semaphore::new(BLOCKING_MAX)), http: http::Http::new() });
    let mut turns = Turns::default();
    while let Some(Look { op, what, deadline }) = looks.recv().await {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
        let turn = turns.of(&what);
        let (looker, events) = (Arc::clone(&looker), events.clone());
        tokio::spawn(async move {
            let result = timeout_at(deadline.into(), looker.look(what, deadline, turn)).await;
            let result = result.unwrap_or_else(|_| Err("the look did not end in time".to_owned()));
            drop(slot);
            // A closed queue means that the driver has ended; there is nobody left to tell.
            drop(events.send(Event::Looked { op, result }).await);
        });
    }
}

/// Whose turn it is, for each tracker of which only one look may be under way.
#[derive(Debug, Default)]
struct Turns {
    locks: BTreeMap<Name, Arc<Mutex<()>>>,
}

impl Turns {
    fn of(&mut self, what: &LookSpec) -> Option<Arc<Mutex<()>>> {
        let (LookSpec::Script { tracker, .. } | LookSpec::File { tracker, .. }) = what else { return None };
        // Those that nobody holds or waits for are of trackers that may be gone.
        self.locks.retain(|_, lock| Arc::strong_count(lock) > 1);
        Some(Arc::clone(self.locks.entry(tracker.clone()).or_default()))
    }
}

/// What looks share.
#[derive(Debug)]
struct Looker {
    node: String,
    threads: Arc<Semaphore>,
    http: http::Http,
}

impl Looker {
    async fn look(&self, what: LookSpec, deadline: Instant, turn: Option<Arc<Mutex<()>>>) -> Result<i64, String> {
        match what {
            LookSpec::Script { tracker, argv, user, group } => {
                let turn = self.turn(turn, deadline).await?;
                let run = script::Script { node: self.node.clone(), tracker, argv, user, group };
                script::look(run, deadline, turn).await
            }
            LookSpec::File { tracker: _, path } => {
                let turn = self.turn(turn, deadline).await?;
                file::look(path, turn).await
            }
            LookSpec::Tcp { address } => tcp::look(address).await,
            LookSpec::Http { url } => self.http.look(&url).await,
            LookSpec::Ping { address } => ping::look(address).await,
        }
    }

    async fn turn(&self, lock: Option<Arc<Mutex<()>>>, deadline: Instant) -> Result<Turn, String> {
        let waiting = async {
            let _tracker = lock.unwrap_or_default().lock_owned().await;
            let thread = Arc::clone(&self.threads).acquire_owned().await;
            thread.ok().map(|_thread| Turn { _tracker, _thread })
        };
        match timeout_at(deadline.into(), waiting).await {
            Ok(Some(turn)) => Ok(turn),
            Ok(None) | Err(_) => Err("an earlier look hangs and could not be ended".to_owned()),
        }
    }
}
