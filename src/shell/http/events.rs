//! Statuses for those who watch: one look at the node serves all, and a slow reader misses some rather than hold others up.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper::header::RETRY_AFTER;
use hyper::{Response, StatusCode};
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{Body, Door, refuse, streaming, with};
use crate::node::Status;
use crate::shell::control::Call;
use crate::web;

/// Who watches at the same time; more are asked to come again.
const WATCHERS_MAX: usize = 8;

/// How often the node is looked at while somebody watches.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// Without a change they are told this often, so that they see that the line is alive.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// A node that does not answer is asked again.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);

/// Where statuses come from.
#[derive(Debug)]
pub(crate) struct Feed {
    latest: watch::Sender<Option<Bytes>>,
    came: Arc<Notify>,
    places: Arc<Semaphore>,
    /// Ends with this.
    _filling: JoinSet<()>,
}

impl Feed {
    /// A feed and the task that fills it; to be called on a runtime. Connections of watchers keep it alive.
    pub(crate) fn start(calls: mpsc::Sender<Call>) -> Self {
        let (latest, _) = watch::channel(None);
        let came = Arc::new(Notify::new());
        let mut filling = JoinSet::new();
        filling.spawn(fill(calls, latest.clone(), Arc::clone(&came)));
        Self { latest, came, places: Arc::new(Semaphore::new(WATCHERS_MAX)), _filling: filling }
    }
}

/// One who watches.
struct Watcher {
    latest: watch::Receiver<Option<Bytes>>,
    begun: bool,
    _place: OwnedSemaphorePermit,
}

/// The events, from the next status on.
pub(super) fn answer(door: &Door) -> Response<Body> {
    let Door::Public(public) = door else {
        let text = "events are told at the endpoint of [http] only; here ask for /api/v1/status";
        return refuse(StatusCode::NOT_FOUND, text.to_owned());
    };
    let feed = &public.feed;
    let Ok(place) = Arc::clone(&feed.places).try_acquire_owned() else {
        let text = format!("{WATCHERS_MAX} watch already; come again later");
        return with(refuse(StatusCode::SERVICE_UNAVAILABLE, text), RETRY_AFTER, "10");
    };
    let watcher = Watcher { latest: feed.latest.subscribe(), begun: false, _place: place };
    feed.came.notify_one();
    let frames = stream::unfold(watcher, async |mut watcher| {
        let bytes = next(&mut watcher).await?;
        Some((Ok::<_, Infallible>(Frame::data(bytes)), watcher))
    });
    streaming(StatusCode::OK, "text/event-stream", StreamBody::new(frames).boxed_unsync())
}

async fn next(watcher: &mut Watcher) -> Option<Bytes> {
    if !std::mem::replace(&mut watcher.begun, true) {
        // How long a browser waits before it comes again. What is there already is the first event.
        watcher.latest.mark_changed();
        return Some(Bytes::from_static(b"retry: 2000\n\n"));
    }
    loop {
        watcher.latest.changed().await.ok()?;
        let latest = watcher.latest.borrow_and_update().clone();
        if latest.is_some() {
            return latest;
        }
    }
}

async fn fill(calls: mpsc::Sender<Call>, latest: watch::Sender<Option<Bytes>>, came: Arc<Notify>) {
    let mut told: Option<(Status, Instant)> = None;
    loop {
        if latest.receiver_count() == 0 {
            // Old by the time that the next one comes.
            latest.send_replace(None);
            told = None;
            came.notified().await;
        }
        let (reply, status) = oneshot::channel();
        if calls.send(Call::Status(reply)).await.is_err() {
            return;
        }
        if let Ok(Ok(status)) = tokio::time::timeout(ANSWER_WITHIN, status).await {
            let still = web::fingerprint(&status);
            let now = Instant::now();
            let news = told.as_ref().is_none_or(|(before, at)| *before != still || now >= *at + TELL_EVERY);
            if news && let Some(event) = event(&status) {
                latest.send_replace(Some(event));
                told = Some((still, now));
            }
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn event(status: &Status) -> Option<Bytes> {
    let json = serde_json::to_vec(status).ok()?;
    let mut event = BytesMut::with_capacity(json.len() + 32);
    event.put_slice(b"event: status\ndata: ");
    event.put_slice(&json);
    event.put_slice(b"\n\n");
    Some(event.freeze())
}
