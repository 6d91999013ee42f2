//! The server side: bounded connections, bodies and times.

use std::convert::Infallible;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixListener as StdListener;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::header::{ALLOW, CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Method, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use nix::sys::stat::{Mode, fchmod};
use serde::Serialize;
use serde::de::DeserializeOwned;
use socket2::{Domain, SockAddr, Socket, Type};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Notify, Semaphore, mpsc, oneshot};

use super::{Answer, Call, MaintenanceBody, ReleaseBody, ResumeBody, ServerBody, SwitchoverBody, socket_path};
use crate::node::event::Request;
use crate::proxy::intents::Wish;
use crate::units::Name;

/// Connections at the same time; more wait in the listen queue.
const CONNECTIONS_MAX: usize = 16;

/// Connections that the kernel holds until there is room; those beyond wait in `connect`.
const QUEUE_MAX: i32 = 128;

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

/// The greatest weight of a server (HAProxy).
const WEIGHT_MAX: u32 = 256;

/// Pause when a connection could not be accepted (out of descriptors).
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// The listening socket; its file is removed when this is dropped.
#[derive(Debug)]
pub struct Server {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of the socket's file: by then another one may have its name.
    file: (u64, u64),
    look: Arc<Notify>,
}

impl Server {
    /// Binds the socket of a runtime directory with mode 0600, in place of a stale one.
    ///
    /// The caller holds the lock of the directory, so nobody else listens there.
    ///
    /// # Errors
    /// Those of `bind`, in words for the operator.
    pub fn bind(runtime_dir: &Path) -> Result<Self, String> {
        let path = socket_path(runtime_dir);
        let (listener, file) = listen(&path).map_err(|e| format!("cannot listen on {}: {e}", path.display()))?;
        let listener =
            UnixListener::from_std(listener).map_err(|e| format!("cannot listen on {}: {e}", path.display()))?;
        Ok(Self { listener, path, file, look: Arc::default() })
    }

    /// Asks for a look whether the socket's file is still there; if not, it listens anew.
    pub(crate) fn look(&self) -> Arc<Notify> {
        Arc::clone(&self.look)
    }

    /// Serves until the task is dropped.
    pub async fn run(mut self, calls: mpsc::Sender<Call>) {
        let slots = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let Ok(slot) = Arc::clone(&slots).acquire_owned().await else { return };
            let accepted = tokio::select! {
                accepted = self.listener.accept() => accepted,
                () = self.look.notified() => {
                    self.keep().await;
                    continue;
                }
            };
            match accepted {
                Ok((stream, _)) => {
                    let calls = calls.clone();
                    tokio::spawn(async move {
                        serve(stream, calls).await;
                        drop(slot);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept on the control socket");
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                }
            }
        }
    }

    async fn keep(&mut self) {
        let (path, file) = (self.path.clone(), self.file);
        let work = tokio::task::spawn_blocking(move || if exists(&path, file) { None } else { Some(listen(&path)) });
        let result = match work.await {
            Ok(None) | Err(_) => return,
            Ok(Some(result)) => result.and_then(|(listener, file)| Ok((UnixListener::from_std(listener)?, file))),
        };
        match result {
            Ok((listener, file)) => {
                tracing::warn!(path = %self.path.display(), "somebody removed the control socket: listening anew");
                (self.listener, self.file) = (listener, file);
            }
            // Its directory is gone too, and is made again by whoever keeps it.
            Err(error) => tracing::debug!(%error, "cannot listen anew on the control socket"),
        }
    }
}

/// A listening socket that only its owner may open, in place of a file of that name.
fn listen(path: &Path) -> io::Result<(StdListener, (u64, u64))> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    // `bind` gives the file the mode of the socket: there is no moment in which others could connect, and no umask
    // of the whole process has to be changed for it.
    fchmod(&socket, Mode::from_bits_truncate(0o600))?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    socket.bind(&SockAddr::unix(path)?)?;
    socket.listen(QUEUE_MAX)?;
    socket.set_nonblocking(true)?;
    let meta = fs::symlink_metadata(path)?;
    Ok((OwnedFd::from(socket).into(), (meta.dev(), meta.ino())))
}

fn exists(path: &Path, file: (u64, u64)) -> bool {
    fs::symlink_metadata(path).is_ok_and(|meta| (meta.dev(), meta.ino()) == file)
}

impl Drop for Server {
    fn drop(&mut self) {
        // Another vipkeeper may have taken the place of a deleted directory.
        if !exists(&self.path, self.file) {
            return;
        }
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the control socket was not removed");
        }
    }
}

async fn serve(stream: UnixStream, calls: mpsc::Sender<Call>) {
    let service = service_fn(move |request| {
        let calls = calls.clone();
        async move { Ok::<_, Infallible>(answer(request, &calls).await) }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .keep_alive(false)
        .max_buf_size(16 << 10)
        .serve_connection(TokioIo::new(stream), service);
    match tokio::time::timeout(CONNECTION_WITHIN, connection).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a control connection ended early"),
        Err(_) => tracing::debug!("a control connection took too long"),
    }
}

async fn answer(request: hyper::Request<Incoming>, calls: &mpsc::Sender<Call>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let allowed = match parts.uri.path() {
        "/v1/status" => Method::GET,
        "/v1/reload" | "/v1/release" | "/v1/resume" | "/v1/switchover" | "/v1/maintenance" | "/v1/server" => {
            Method::POST
        }
        other => {
            let paths = "GET /v1/status, POST /v1/reload, POST /v1/release, POST /v1/resume, POST /v1/switchover, \
                         POST /v1/maintenance, POST /v1/server";
            return refuse(StatusCode::NOT_FOUND, format!("there is no {other}; there are {paths}"));
        }
    };
    if parts.method != allowed {
        let text = format!("{} takes {allowed}, not {}", parts.uri.path(), parts.method);
        let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, text);
        if let Ok(value) = HeaderValue::from_str(allowed.as_str()) {
            response.headers_mut().insert(ALLOW, value);
        }
        return response;
    }
    if allowed == Method::GET {
        return status(calls).await;
    }
    let body = match tokio::time::timeout(BODY_WITHIN, Limited::new(body, BODY_BYTES_MAX).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => {
            return refuse(StatusCode::PAYLOAD_TOO_LARGE, format!("a body has at most {BODY_BYTES_MAX} bytes"));
        }
        Ok(Err(error)) => return refuse(StatusCode::BAD_REQUEST, format!("the body did not arrive: {error}")),
        Err(_) => return refuse(StatusCode::REQUEST_TIMEOUT, format!("the body took longer than {BODY_WITHIN:?}")),
    };
    match parse(parts.uri.path(), &body) {
        Ok(request) => pass_on(request, calls).await,
        Err(problem) => refuse(StatusCode::BAD_REQUEST, problem),
    }
}

fn parse(path: &str, body: &[u8]) -> Result<Request, String> {
    match path {
        "/v1/release" => {
            let body: ReleaseBody = parse_body(body, r#"{"vip": "www", "hold_ms": 0}"#)?;
            Ok(Request::Release { vip: parse_vip(body.vip)?, hold: Duration::from_millis(body.hold_ms) })
        }
        "/v1/resume" => {
            let body: ResumeBody = parse_body(body, r#"{"vip": "www"}"#)?;
            Ok(Request::Resume { vip: parse_vip(body.vip)? })
        }
        "/v1/switchover" => {
            let body: SwitchoverBody = parse_body(body, r#"{"vip": "www", "to": "lb2"}"#)?;
            let to = body.to.map(|name| Name::new(&name)).transpose().map_err(|e| format!("to: {e}"))?;
            Ok(Request::Switchover { vip: parse_vip(body.vip)?, to })
        }
        "/v1/maintenance" => {
            let body: MaintenanceBody =
                serde_json::from_slice(body).map_err(|e| format!("the body is not like {{\"on\": true}}: {e}"))?;
            Ok(Request::Maintenance { on: body.on })
        }
        "/v1/server" => {
            let example = r#"{"server": "web/web1", "wish": {"state": "drain"}}"#;
            let ServerBody { server, wish } =
                serde_json::from_slice(body).map_err(|e| format!("the body is not like {example}: {e}"))?;
            match wish {
                Wish::Weight(Some(weight)) if weight > WEIGHT_MAX => {
                    Err(format!("a weight is from 0 to {WEIGHT_MAX}, not {weight}"))
                }
                Wish::Weight(_) | Wish::State(_) => Ok(Request::Server { server, wish }),
            }
        }
        _ => Ok(Request::Reload),
    }
}

/// An empty body means all defaults.
fn parse_body<T: DeserializeOwned + Default>(body: &[u8], example: &str) -> Result<T, String> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|e| format!("the body is not like {example}: {e}"))
}

fn parse_vip(vip: Option<String>) -> Result<Option<Name>, String> {
    vip.map(|name| Name::new(&name)).transpose().map_err(|e| format!("vip: {e}"))
}

async fn status(calls: &mpsc::Sender<Call>) -> Response<Full<Bytes>> {
    let (reply, status) = oneshot::channel();
    match ask(Call::Status(reply), status, calls).await {
        Ok(status) => json(StatusCode::OK, &*status),
        Err(response) => response,
    }
}

async fn pass_on(request: Request, calls: &mpsc::Sender<Call>) -> Response<Full<Bytes>> {
    let (reply, result) = oneshot::channel();
    match ask(Call::Request(request, reply), result, calls).await {
        Ok(Ok(message)) => json(StatusCode::OK, &Answer { ok: true, message }),
        // Refused by the node in the state it is in; the request itself was well-formed.
        Ok(Err(message)) => json(StatusCode::CONFLICT, &Answer { ok: false, message }),
        Err(response) => response,
    }
}

async fn ask<T>(
    call: Call,
    reply: oneshot::Receiver<T>,
    calls: &mpsc::Sender<Call>,
) -> Result<T, Response<Full<Bytes>>> {
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

fn refuse(code: StatusCode, message: String) -> Response<Full<Bytes>> {
    json(code, &Answer { ok: false, message })
}

fn json<T: Serialize>(code: StatusCode, value: &T) -> Response<Full<Bytes>> {
    let (code, mut bytes) = match serde_json::to_vec(value) {
        Ok(bytes) => (code, bytes),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, error.to_string().into_bytes()),
    };
    bytes.push(b'\n');
    let mut response = Response::new(Full::new(Bytes::from(bytes)));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests;
