//! HTTP on one connection, for the control socket and the endpoint of `[http]`: bounded bodies and times.
//!
//! It passes requests on to the driver and answers with what the node says; it decides nothing but who may ask.

pub(crate) mod events;
pub(crate) mod token;

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{
    ALLOW, AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, HeaderName, HeaderValue,
    REFERRER_POLICY, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde::Serialize;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{OwnedSemaphorePermit, mpsc, oneshot};

use self::events::Feed;
use super::control::Call;
use crate::node::Status;
use crate::node::event::Request;
use crate::web::{self, Answer, Path, View};

/// Pause when a connection could not be accepted (out of descriptors).
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// A longer body is answered 413.
const BODY_BYTES_MAX: usize = 4096;

/// Request line and headers have to be here by then.
const HEADER_WITHIN: Duration = Duration::from_secs(5);

/// The rest of a request has to be here by then.
const BODY_WITHIN: Duration = Duration::from_secs(5);

/// A reload may have to wait for the proxy; after this the client is told to look at the status.
const ANSWER_WITHIN: Duration = Duration::from_secs(120);

/// A connection is closed after this, whatever it does.
const CONNECTION_WITHIN: Duration = Duration::from_secs(140);

/// One that gets events, after this; browsers then come again by themselves.
const EVENTS_WITHIN: Duration = Duration::from_secs(3600);

type Body = UnsyncBoxBody<Bytes, Infallible>;

/// Who listens, and so who may ask.
#[derive(Debug, Clone)]
pub(crate) enum Door {
    /// The control socket: whoever could open it may do everything.
    Owner,
    /// The endpoint of `[http]`.
    Public(Arc<Public>),
}

/// What the endpoint of `[http]` checks, and has beside the control socket.
#[derive(Debug)]
pub(crate) struct Public {
    /// Names under which browsers may call it.
    pub(crate) hosts: Vec<String>,
    /// File with the token; read at each use, so that a new one counts at once.
    pub(crate) token_file: Option<std::path::PathBuf>,
    /// Who watches.
    pub(crate) feed: Feed,
}

/// Serves a connection that was accepted, beside the caller; it keeps its place to its end.
pub(crate) async fn take<S>(
    accepted: io::Result<S>,
    place: OwnedSemaphorePermit,
    door: impl FnOnce() -> Door,
    calls: &mpsc::Sender<Call>,
) where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    match accepted {
        Ok(stream) => {
            let (door, calls) = (door(), calls.clone());
            tokio::spawn(async move {
                serve(stream, door, calls).await;
                drop(place);
            });
        }
        Err(error) => {
            tracing::debug!(%error, "cannot accept a connection for HTTP");
            tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
        }
    }
}

/// Serves one connection to its end.
async fn serve(stream: impl AsyncRead + AsyncWrite + Unpin, door: Door, calls: mpsc::Sender<Call>) {
    let watches = Arc::new(AtomicBool::new(false));
    let watching = Arc::clone(&watches);
    let service = service_fn(move |request| {
        let (door, calls, watching) = (door.clone(), calls.clone(), Arc::clone(&watching));
        async move { Ok::<_, Infallible>(answer(request, &door, &calls, &watching).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .keep_alive(false)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    let mut ended = tokio::time::timeout(CONNECTION_WITHIN, connection.as_mut()).await;
    if ended.is_err() && watches.load(Ordering::Relaxed) {
        ended = tokio::time::timeout(EVENTS_WITHIN, connection).await;
    }
    match ended {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection for HTTP ended early"),
        Err(_) => tracing::debug!("a connection for HTTP took too long"),
    }
}

async fn answer(
    request: hyper::Request<Incoming>,
    door: &Door,
    calls: &mpsc::Sender<Call>,
    watching: &AtomicBool,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let text_of = |name: HeaderName| parts.headers.get(name).and_then(|value| value.to_str().ok());
    if let Door::Public(public) = door {
        // HTTP/1.0 without one comes from no browser.
        if parts.headers.contains_key(HOST) && !text_of(HOST).is_some_and(|host| web::is_host(host, &public.hosts)) {
            let text = "this endpoint is not called that: add the name to `hosts` in [http], or use the address";
            return refuse(StatusCode::MISDIRECTED_REQUEST, text.to_owned());
        }
    }
    let Some(path) = Path::of(parts.uri.path()) else {
        return refuse(StatusCode::NOT_FOUND, format!("there is no {}; there are {}", parts.uri.path(), web::PATHS));
    };
    let allowed = path.method();
    let asked = if parts.method == Method::HEAD { Method::GET } else { parts.method.clone() };
    if asked.as_str() != allowed {
        let text = format!("{} takes {allowed}, not {}", parts.uri.path(), parts.method);
        return with(refuse(StatusCode::METHOD_NOT_ALLOWED, text), ALLOW, allowed);
    }
    let act = match path {
        Path::Act(act) => act,
        Path::Events => {
            watching.store(true, Ordering::Relaxed);
            return events::answer(door);
        }
        Path::View(view) => return look(&view, calls).await,
        Path::OpenApi => return json(StatusCode::OK, &web::openapi()),
        Path::Asset(asset) => {
            let bytes = Bytes::from_static(asset.text.as_bytes());
            return with(response(StatusCode::OK, asset.media_type, bytes), CACHE_CONTROL, "no-cache");
        }
    };
    if let Door::Public(public) = door
        && let Err(response) = permit(public, text_of(AUTHORIZATION)).await
    {
        return response;
    }
    let body = match tokio::time::timeout(BODY_WITHIN, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {BODY_BYTES_MAX} bytes"));
        }
        Ok(Err(error)) => return refuse(StatusCode::BAD_REQUEST, format!("the body did not arrive: {error}")),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, format!("the body took longer than {BODY_WITHIN:?}")),
    };
    match web::parse(act, &body) {
        Ok(request) => pass_on(request, calls).await,
        Err(problem) => refuse(StatusCode::BAD_REQUEST, problem),
    }
}

/// Something of the status.
async fn look(view: &View, calls: &mpsc::Sender<Call>) -> Response<Body> {
    let (reply, status) = oneshot::channel();
    let status: Box<Status> = match ask(Call::Status(reply), status, calls).await {
        Ok(status) => status,
        Err(response) => return response,
    };
    match view {
        View::Status => json(StatusCode::OK, &*status),
        View::Vip(name) => match status.vips.iter().find(|vip| vip.name == *name) {
            Some(vip) => json(StatusCode::OK, vip),
            None => refuse(StatusCode::NOT_FOUND, format!("this node takes part in no VIP {name}")),
        },
        View::Metrics => response(StatusCode::OK, web::METRICS_TYPE, web::metrics(&status).into()),
        View::Health => text(StatusCode::OK, "ok\n".to_owned()),
        View::Ready => match web::readiness(&status) {
            Ok(()) => text(StatusCode::OK, "ready\n".to_owned()),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
    }
}

async fn permit(public: &Public, authorization: Option<&str>) -> Result<(), Response<Body>> {
    let Some(file) = &public.token_file else {
        let text = "nothing can be changed here: name a `token_file` in [http], or use the command line";
        return Err(refuse(StatusCode::FORBIDDEN, text.to_owned()));
    };
    let token = token::read(file.clone()).await.map_err(|why| refuse(StatusCode::FORBIDDEN, why))?;
    if web::is_permitted(authorization, &token) {
        return Ok(());
    }
    let text = format!("send `Authorization: Bearer TOKEN`, with the token of {}", file.display());
    Err(with(refuse(StatusCode::UNAUTHORIZED, text), WWW_AUTHENTICATE, "Bearer"))
}

async fn pass_on(request: Request, calls: &mpsc::Sender<Call>) -> Response<Body> {
    let (reply, result) = oneshot::channel();
    match ask(Call::Request(request, reply), result, calls).await {
        Ok(Ok(message)) => json(StatusCode::OK, &Answer { ok: true, message }),
        // Refused by the node in the state it is in; the request itself was well-formed.
        Ok(Err(message)) => json(StatusCode::CONFLICT, &Answer { ok: false, message }),
        Err(response) => response,
    }
}

async fn ask<T>(call: Call, reply: oneshot::Receiver<T>, calls: &mpsc::Sender<Call>) -> Result<T, Response<Body>> {
    let stopping = || refuse(StatusCode::SERVICE_UNAVAILABLE, "vipkeeper is stopping".to_owned());
    let asking = async {
        calls.send(call).await.map_err(|_| stopping())?;
        reply.await.map_err(|_| stopping())
    };
    match tokio::time::timeout(ANSWER_WITHIN, asking).await {
        Ok(result) => result,
        Err(_) => {
            let text = format!("no answer within {ANSWER_WITHIN:?}; see `vipkeeper status` for what became of it");
            Err(refuse(StatusCode::GATEWAY_TIMEOUT, text))
        }
    }
}

fn refuse(code: StatusCode, message: String) -> Response<Body> {
    json(code, &Answer { ok: false, message })
}

fn text(code: StatusCode, text: String) -> Response<Body> {
    response(code, "text/plain; charset=utf-8", text.into())
}

fn json<T: Serialize>(code: StatusCode, value: &T) -> Response<Body> {
    let (code, mut bytes) = match serde_json::to_vec(value) {
        Ok(bytes) => (code, bytes),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into_bytes()),
    };
    bytes.push(b'\n');
    response(code, "application/json", bytes.into())
}

fn response(code: StatusCode, media_type: &'static str, bytes: Bytes) -> Response<Body> {
    streaming(code, media_type, Full::new(bytes).boxed_unsync())
}

fn streaming(code: StatusCode, media_type: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = [
        (CONTENT_TYPE, media_type),
        (CACHE_CONTROL, "no-store"),
        (CONTENT_SECURITY_POLICY, web::POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    headers.into_iter().fold(response, |response, (name, value)| with(response, name, value))
}

fn with(mut response: Response<Body>, name: HeaderName, value: &'static str) -> Response<Body> {
    response.headers_mut().insert(name, HeaderValue::from_static(value));
    response
}
