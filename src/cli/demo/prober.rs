//! A client that opens a new TCP connection for each request, at a fixed pace whatever happens to the earlier ones.
//!
//! An outage therefore never slows the sampling down, and its length can be read from the shots.

use std::fmt;
use std::io::ErrorKind;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::backends::VIA_HEADER;
use super::{net, now};

/// Requests under way at once; at the limit the pace waits, which no timeout below 2 s at 5 ms reaches.
const IN_FLIGHT_MAX: usize = 512;

/// Shots that wait to be collected; at the limit a shot waits, the pace does not.
const UNREAD_MAX: usize = 4096;

/// Bytes read of one answer; more is not looked at.
const ANSWER_BYTES_MAX: usize = 4096;

/// What to ask, and how often.
#[derive(Debug, Clone, Copy)]
pub struct Aim {
    /// Where.
    pub target: SocketAddr,
    /// From the start of one request to the start of the next.
    pub interval: Duration,
    /// A request without a whole answer by then has failed.
    pub timeout: Duration,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shot {
    /// When it began.
    pub sent: Instant,
    /// When its answer was complete, or it had failed.
    pub done: Instant,
    /// The address of the balancer on the back side, or why there was no good answer.
    pub result: Result<IpAddr, Miss>,
}

/// Why a request failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Miss {
    /// Nobody listens there.
    Refused,
    /// No route, or no host has that address.
    Unreachable,
    /// No connection or no answer in time.
    TimedOut,
    /// The connection ended before the answer was complete.
    Cut,
    /// An answer, but not 200 from a server of ours.
    WrongAnswer,
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused => "refused",
            Self::Unreachable => "unreachable",
            Self::TimedOut => "timed out",
            Self::Cut => "cut",
            Self::WrongAnswer => "wrong answer",
        })
    }
}

/// A client at work in a thread of its own, in its namespace; ends when dropped.
#[derive(Debug)]
pub struct Prober {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
    shots: mpsc::Receiver<Shot>,
}

impl Prober {
    /// Starts asking from inside a namespace.
    ///
    /// # Errors
    /// What went wrong, for people.
    pub fn start(namespace: &str, aim: Aim) -> Result<Self, String> {
        let namespace = namespace.to_owned();
        let (stop, stopped) = oneshot::channel::<()>();
        let (ready, begun) = oneshot::channel();
        let (tx, shots) = mpsc::channel(UNREAD_MAX);
        let thread = thread::spawn(move || {
            let entered = net::enter(&namespace).map_err(|e| e.to_string());
            let runtime = entered.and_then(|()| {
                tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())
            });
            match runtime {
                Err(error) => drop(ready.send(Err(error))),
                Ok(runtime) => {
                    drop(ready.send(Ok(())));
                    runtime.block_on(async {
                        tokio::select! {
                            () = fire(aim, tx) => {}
                            _ = stopped => {}
                        }
                    });
                }
            }
        });
        let prober = Self { stop: Some(stop), thread: Some(thread), shots };
        begun.blocking_recv().map_err(|_| "the client died at its start".to_owned())??;
        Ok(prober)
    }

    /// Moves what has ended since the last call into the tally.
    pub fn collect(&mut self, tally: &mut Tally) {
        while let Ok(shot) = self.shots.try_recv() {
            tally.shots.push(shot);
        }
        tally.shots.sort_by_key(|s| s.sent);
    }
}

impl Drop for Prober {
    fn drop(&mut self) {
        self.shots.close();
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn fire(aim: Aim, tx: mpsc::Sender<Shot>) {
    let places = Arc::new(Semaphore::new(IN_FLIGHT_MAX));
    let mut pace = interval(aim.interval);
    pace.set_missed_tick_behavior(MissedTickBehavior::Skip);
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        pace.tick().await;
        let tx = tx.clone();
        drop(tokio::spawn(async move {
            let sent = now();
            let result = timeout(aim.timeout, ask(aim.target)).await.unwrap_or(Err(Miss::TimedOut));
            // Nobody collects any more: the demo is over.
            drop(tx.send(Shot { sent, done: now(), result }).await);
            drop(place);
        }));
    }
}

async fn ask(target: SocketAddr) -> Result<IpAddr, Miss> {
    let mut stream = TcpStream::connect(target).await.map_err(|e| miss(e.kind()))?;
    let request = b"GET / HTTP/1.1\r\nHost: www.example\r\nConnection: close\r\n\r\n";
    stream.write_all(request).await.map_err(|e| miss(e.kind()))?;
    let mut answer = Vec::new();
    let limit = u64::try_from(ANSWER_BYTES_MAX).unwrap_or(u64::MAX);
    stream.take(limit).read_to_end(&mut answer).await.map_err(|_| Miss::Cut)?;
    parse(&answer)
}

fn miss(kind: ErrorKind) -> Miss {
    if kind == ErrorKind::ConnectionRefused {
        Miss::Refused
    } else if matches!(kind, ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable) {
        Miss::Unreachable
    } else if kind == ErrorKind::TimedOut {
        Miss::TimedOut
    } else {
        Miss::Cut
    }
}

/// The balancer's address out of a whole answer.
fn parse(answer: &[u8]) -> Result<IpAddr, Miss> {
    let text = String::from_utf8_lossy(answer);
    let (head, body) = text.split_once("\r\n\r\n").ok_or(Miss::Cut)?;
    if !head.starts_with("HTTP/1.1 200 ") {
        return Err(Miss::WrongAnswer);
    }
    if body.is_empty() {
        return Err(Miss::Cut);
    }
    head.lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(name, _)| name.eq_ignore_ascii_case(VIA_HEADER))
        .and_then(|(_, value)| value.trim().parse().ok())
        .ok_or(Miss::WrongAnswer)
}

/// All shots so far, in the order in which they were sent.
#[derive(Debug, Default)]
pub struct Tally {
    shots: Vec<Shot>,
}

/// What clients saw of a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sight {
    /// Requests sent in it.
    pub asked: usize,
    /// Those without a good answer, with the reason.
    pub missed: Vec<Miss>,
    /// From the last good answer before the first miss to the first good answer after the last one.
    pub outage: Option<Duration>,
    /// Who answered last before the first miss, and first after the last one.
    pub handover: Option<(IpAddr, IpAddr)>,
    /// Who answered last before it and everybody who answered in it, in the order of their first answer.
    pub served_by: Vec<IpAddr>,
}

impl Tally {
    /// A tally of given shots.
    pub fn of(mut shots: Vec<Shot>) -> Self {
        shots.sort_by_key(|s| s.sent);
        Self { shots }
    }

    /// The shots sent since then.
    pub fn since(&self, start: Instant) -> &[Shot] {
        self.shots.get(self.index(start)..).unwrap_or_default()
    }

    /// The first shot that was not sent before then.
    fn index(&self, at: Instant) -> usize {
        self.shots.partition_point(|s| s.sent < at)
    }

    /// Whether the last `run` shots sent since `start` were all good, and who answered them all (if one host did).
    pub fn steady(&self, start: Instant, run: usize) -> Option<IpAddr> {
        let shots = self.since(start);
        let last = shots.get(shots.len().checked_sub(run)?..)?;
        let by = last.last()?.result.as_ref().ok()?;
        last.iter().all(|s| s.result.as_ref() == Ok(by)).then_some(*by)
    }

    /// What clients saw of a stretch. Answers before and after it count as the last and the first good ones.
    pub fn sight(&self, stretch: Range<Instant>) -> Sight {
        let (first, end) = (self.index(stretch.start), self.index(stretch.end));
        let shots = self.shots.get(first..end).unwrap_or_default();
        let missed: Vec<Miss> = shots.iter().filter_map(|s| s.result.as_ref().err().copied()).collect();
        let earlier = self.shots.get(..first).unwrap_or_default();
        let before = earlier.iter().rev().find_map(|s| s.result.as_ref().ok());
        let mut served_by = Vec::new();
        for via in before.into_iter().chain(shots.iter().filter_map(|s| s.result.as_ref().ok())) {
            if !served_by.contains(via) {
                served_by.push(*via);
            }
        }
        let (outage, handover) = self.gap(first, shots).map_or((None, None), |(o, h)| (Some(o), Some(h)));
        Sight { asked: shots.len(), missed, outage, handover, served_by }
    }

    /// The outage among `shots`, the first of which has that index, and who answered before and after it.
    fn gap(&self, index: usize, shots: &[Shot]) -> Option<(Duration, (IpAddr, IpAddr))> {
        let first = index + shots.iter().position(|s| s.result.is_err())?;
        let last = index + shots.iter().rposition(|s| s.result.is_err())?;
        let good = |s: &Shot| s.result.as_ref().ok().map(|via| (s.done, *via));
        let before = self.shots.get(..first)?.iter().rev().find_map(good)?;
        let after = self.shots.get(last + 1..)?.iter().find_map(good)?;
        Some((after.0.saturating_duration_since(before.0), (before.1, after.1)))
    }
}

#[cfg(test)]
mod tests;
