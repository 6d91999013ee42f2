//! Tells notifiers of transitions: a lane for each, one message at a time, kept on disk until it was told.
//!
//! It must never hold up the driver: what it is handed it takes at once, and everything else is bounded in time.

mod email;
mod fifo;
mod log;
mod webhook;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use tokio::task::JoinSet;

use super::clock;
use super::files::write_atomically;
use crate::config::{Channel, Notifier};
use crate::notices::{Notice, Queue, TEXT_BYTES_MAX, retry_pause};

/// A message that was not taken by then has failed.
const ATTEMPT_WITHIN: Duration = Duration::from_secs(10);
/// When vipkeeper ends, what waits is tried once more for at most this long.
const LAST_WITHIN: Duration = Duration::from_millis(500);
/// Notices on their way to a lane. Full: the run of all waits.
const LANE: usize = 64;
/// Lanes that earlier configurations left.
const LEFT_MAX: usize = 64;
/// Directory in the state directory.
const DIRECTORY: &str = "notices";

/// A transition and whom to tell.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    pub(crate) notice: Notice,
    pub(crate) to: Vec<Notifier>,
}

/// Where a lane keeps what waits, and for whom.
#[derive(Debug, Clone)]
struct Place {
    node: String,
    file: PathBuf,
}

/// The worker. Ends when `reports` is closed and every lane has written down what waits.
pub(crate) async fn run(state_dir: PathBuf, node: String, mut reports: mpsc::Receiver<Report>) {
    let directory = state_dir.join(DIRECTORY);
    let mut lanes: BTreeMap<String, mpsc::Sender<(Notifier, Notice)>> = BTreeMap::new();
    let mut tasks = JoinSet::new();
    let found = {
        let directory = directory.clone();
        tokio::task::spawn_blocking(move || left_over(&directory)).await.unwrap_or_default()
    };
    let begin = |queue: Queue, tasks: &mut JoinSet<()>| {
        let (sender, receiver) = mpsc::channel(LANE);
        let file = directory.join(format!("{}.json", queue.notifier.name));
        tasks.spawn(lane(queue, Place { node: node.clone(), file }, receiver));
        sender
    };
    for queue in found {
        lanes.insert(queue.notifier.name.to_string(), begin(queue, &mut tasks));
    }
    while let Some(Report { notice, to }) = reports.recv().await {
        for notifier in to {
            let lane = lanes
                .entry(notifier.name.to_string())
                .or_insert_with(|| begin(Queue::new(notifier.clone()), &mut tasks));
            if lane.send((notifier, notice.clone())).await.is_err() {
                tracing::warn!(name = notice.name, "a notice is lost: its lane has ended");
            }
        }
    }
    drop(lanes);
    while tasks.join_next().await.is_some() {}
}

/// Queues that earlier vipkeepers left.
fn left_over(directory: &Path) -> Vec<Queue> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut found = Vec::new();
    for path in entries.flatten().map(|entry| entry.path()).take(LEFT_MAX) {
        if path.extension().is_none_or(|extension| extension != "json") {
            continue;
        }
        match read(&path).map_err(|e| e.to_string()).and_then(|text| Queue::parse(&text)) {
            Ok(queue) if queue.is_empty() => {}
            Ok(queue) => found.push(queue),
            Err(error) => tracing::warn!(path = %path.display(), error, "notices that waited are lost"),
        }
    }
    found
}

fn read(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(u64::try_from(TEXT_BYTES_MAX).unwrap_or(u64::MAX)).read_to_string(&mut text)?;
    Ok(text)
}

/// One notifier: takes notices at any time, and tells them when it may.
async fn lane(mut queue: Queue, place: Place, mut notices: mpsc::Receiver<(Notifier, Notice)>) {
    let mut failures = 0_u32;
    let mut not_before: Option<Instant> = None;
    let mut open = true;
    loop {
        let due = async {
            match (queue.is_empty(), not_before) {
                (true, _) => std::future::pending().await,
                (false, None) => {}
                (false, Some(at)) => tokio::time::sleep_until(at.into()).await,
            }
        };
        tokio::select! {
            biased;
            received = notices.recv(), if open => match received {
                Some((notifier, notice)) => {
                    queue.notifier = notifier;
                    queue.push(notice);
                    keep(&queue, &place).await;
                    continue;
                }
                None => open = false,
            },
            () = due => {}
        }
        if !open {
            if !queue.is_empty() && failures == 0 {
                let (waiting, dropped) = queue.waiting();
                if let Ok(Ok(())) =
                    tokio::time::timeout(LAST_WITHIN, tell(&queue.notifier, &place, &waiting, dropped)).await
                {
                    queue.told(waiting.len());
                    keep(&queue, &place).await;
                }
            }
            return;
        }
        let gone = queue.expire(clock::wall().1);
        if gone > 0 {
            tracing::warn!(notifier = %queue.notifier.name, gone, "notices were given up after a day");
        }
        let (waiting, dropped) = queue.waiting();
        let attempt = tokio::time::timeout(ATTEMPT_WITHIN, tell(&queue.notifier, &place, &waiting, dropped)).await;
        match attempt.unwrap_or_else(|_| Err(format!("not done within {ATTEMPT_WITHIN:?}"))) {
            Ok(()) => {
                if failures > 0 {
                    tracing::info!(notifier = %queue.notifier.name, "it is told again what happens");
                }
                failures = 0;
                queue.told(waiting.len());
                not_before = match queue.notifier.channel {
                    Channel::Fifo { .. } | Channel::Syslog => None,
                    Channel::Webhook { .. } | Channel::Email { .. } => Some(clock::now() + queue.notifier.every),
                };
            }
            Err(why) => {
                failures = failures.saturating_add(1);
                let pause = retry_pause(failures);
                if failures == 1 {
                    tracing::warn!(notifier = %queue.notifier.name, why, "cannot be told what happens; tried again");
                } else {
                    tracing::debug!(notifier = %queue.notifier.name, why, ?pause, "still cannot be told");
                }
                not_before = Some(clock::now() + pause);
            }
        }
        keep(&queue, &place).await;
    }
}

/// Writes down what waits. A full disk costs what a restart would lose, and no more.
async fn keep(queue: &Queue, place: &Place) {
    let (text, file) = (queue.text(), place.file.clone());
    let work = tokio::task::spawn_blocking(move || {
        if let Some(directory) = file.parent() {
            std::fs::create_dir_all(directory)?;
        }
        write_atomically(&file, 0o600, text.as_bytes())
    });
    if let Ok(Err(error)) = work.await {
        tracing::warn!(path = %place.file.display(), %error, "notices that wait cannot be kept over a restart");
    }
}

async fn tell(notifier: &Notifier, place: &Place, notices: &[Notice], dropped: u64) -> Result<(), String> {
    let node = place.node.as_str();
    match &notifier.channel {
        Channel::Fifo { path } => fifo::write(path, notices).await,
        Channel::Syslog => log::write(node, notices).await,
        Channel::Webhook { url, headers, body } => {
            let body = crate::notices::body(body.as_deref(), node, dropped, notices)?;
            webhook::post(url, headers, body).await
        }
        Channel::Email { server, port, tls, from, to, login } => {
            let (subject, text) = crate::notices::mail(node, dropped, notices);
            let server = email::Server { host: server, port: *port, tls: *tls, login: login.as_ref() };
            email::send(&server, from, to, subject, text).await
        }
    }
}

#[cfg(test)]
mod tests;
