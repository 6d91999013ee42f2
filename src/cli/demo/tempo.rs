//! Waiting that a signal can end: whoever waits here gets to clean up.

use std::future::Future;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// Somebody wants the demo to end: Ctrl-C, SIGTERM, or the terminal has gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interrupted;

/// The only place where the demo waits.
#[derive(Debug)]
pub(super) struct Tempo {
    runtime: Runtime,
    signals: [Signal; 3],
}

impl Tempo {
    /// From here on signals end the next wait instead of the process.
    pub(super) fn new() -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let signals = {
            let _inside = runtime.enter();
            [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?, signal(SignalKind::hangup())?]
        };
        Ok(Self { runtime, signals })
    }

    /// Works until it is done or somebody wants the demo to end.
    pub(super) fn run<F: Future>(&mut self, work: F) -> Result<F::Output, Interrupted> {
        let [interrupt, terminate, hangup] = &mut self.signals;
        self.runtime.block_on(async {
            tokio::select! {
                biased;
                _ = interrupt.recv() => Err(Interrupted),
                _ = terminate.recv() => Err(Interrupted),
                _ = hangup.recv() => Err(Interrupted),
                done = work => Ok(done),
            }
        })
    }

    /// Waits.
    pub(super) fn pause(&mut self, time: Duration) -> Result<(), Interrupted> {
        self.run(async { tokio::time::sleep(time).await })
    }
}
