//! The client side, for the command line.

use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::socket_path;
use crate::node::Status;
use crate::proxy::intents::Wish;
use crate::web::{Answer, MaintenanceBody, ReleaseBody, ResumeBody, ServerBody, SwitchoverBody};

/// A running vipkeeper accepts at once.
const CONNECT_WITHIN: Duration = Duration::from_secs(2);

/// Status needs no waiting for anything.
const STATUS_WITHIN: Duration = Duration::from_secs(5);

/// Longer than the server waits for the node, so that its explanation arrives.
const REQUEST_WITHIN: Duration = Duration::from_secs(130);

/// No status or answer is larger.
const ANSWER_BYTES_MAX: usize = 4 << 20;

/// Why a running vipkeeper could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// There is no socket, or nobody listens on it.
    #[error("vipkeeper is not running here ({why} {}); start it, or name its --runtime-dir", .path.display())]
    NotRunning {
        /// The socket.
        path: PathBuf,
        /// What is the matter with it.
        why: &'static str,
    },
    /// The socket belongs to somebody else.
    #[error("no permission to talk to vipkeeper at {}; try again as root", .path.display())]
    Forbidden {
        /// The socket.
        path: PathBuf,
    },
    /// It answered something else than expected, or not in time.
    #[error("vipkeeper at {} did not answer: {why}", .path.display())]
    Failed {
        /// The socket.
        path: PathBuf,
        /// What happened.
        why: String,
    },
    /// It refused; the text is its own.
    #[error("{0}")]
    Refused(String),
}

/// Talks to the vipkeeper of one runtime directory.
#[derive(Debug, Clone)]
pub struct Client {
    path: PathBuf,
    http: reqwest::Client,
}

impl Client {
    /// Does not connect yet.
    ///
    /// # Errors
    /// When the HTTP client cannot be set up.
    pub fn new(runtime_dir: &Path) -> Result<Self, ClientError> {
        crate::shell::tls::choose_provider();
        let path = socket_path(runtime_dir);
        let http = reqwest::Client::builder()
            .unix_socket(path.as_path())
            .connect_timeout(CONNECT_WITHIN)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|e| ClientError::Failed { path: path.clone(), why: chain(&e) })?;
        Ok(Self { path, http })
    }

    /// The socket it talks to.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the node says of itself.
    ///
    /// # Errors
    /// When there is no vipkeeper, or it does not answer within 5 s.
    pub async fn status(&self) -> Result<Status, ClientError> {
        let request = self.http.get("http://vipkeeper/v1/status").timeout(STATUS_WITHIN);
        let (code, body) = self.exchange(request).await?;
        if code.is_success() {
            self.parse(&body)
        } else {
            Err(ClientError::Refused(self.parse::<Answer>(&body)?.message))
        }
    }

    /// Reads the files again and applies them; returns what was done.
    ///
    /// # Errors
    /// The node's whole report when it refused.
    pub async fn reload(&self) -> Result<String, ClientError> {
        self.post("reload", &()).await
    }

    /// Gives up a VIP (none: all) for this long (zero: until [`Client::resume`]).
    ///
    /// # Errors
    /// The node's reason when it refused.
    pub async fn release(&self, vip: Option<&str>, hold: Duration) -> Result<String, ClientError> {
        let hold_ms = u64::try_from(hold.as_millis()).unwrap_or(u64::MAX);
        self.post("release", &ReleaseBody { vip: vip.map(str::to_owned), hold_ms }).await
    }

    /// Lets a released VIP (none: all) take part again.
    ///
    /// # Errors
    /// The node's reason when it refused.
    pub async fn resume(&self, vip: Option<&str>) -> Result<String, ClientError> {
        self.post("resume", &ResumeBody { vip: vip.map(str::to_owned) }).await
    }

    /// Hands a VIP (none: all that are here) over to a node (none: the best one), and stays behind the others.
    ///
    /// # Errors
    /// The node's reason when it refused.
    pub async fn switch_over(&self, vip: Option<&str>, to: Option<&str>) -> Result<String, ClientError> {
        let body = SwitchoverBody { vip: vip.map(str::to_owned), to: to.map(str::to_owned) };
        self.post("switchover", &body).await
    }

    /// Gives up all VIPs, also over restarts.
    ///
    /// # Errors
    /// The node's reason when it refused.
    pub async fn begin_maintenance(&self) -> Result<String, ClientError> {
        self.post("maintenance", &MaintenanceBody { on: true }).await
    }

    /// Takes part again.
    ///
    /// # Errors
    /// The node's reason when it refused.
    pub async fn end_maintenance(&self) -> Result<String, ClientError> {
        self.post("maintenance", &MaintenanceBody { on: false }).await
    }

    /// Asks for another state or weight of a server, `backend/server`.
    ///
    /// # Errors
    /// The node's or HAProxy's reason when it was refused.
    pub async fn server(&self, server: &str, wish: Wish) -> Result<String, ClientError> {
        self.post("server", &ServerBody { server: server.to_owned(), wish }).await
    }

    async fn post<T: Serialize + Sync>(&self, what: &str, body: &T) -> Result<String, ClientError> {
        let request = self.http.post(format!("http://vipkeeper/v1/{what}")).timeout(REQUEST_WITHIN).json(body);
        let (_, body) = self.exchange(request).await?;
        let answer: Answer = self.parse(&body)?;
        if answer.ok { Ok(answer.message) } else { Err(ClientError::Refused(answer.message)) }
    }

    async fn exchange(&self, request: reqwest::RequestBuilder) -> Result<(reqwest::StatusCode, Vec<u8>), ClientError> {
        let mut response = request.send().await.map_err(|e| self.explain(&e))?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| self.explain(&e))? {
            body.extend_from_slice(&chunk);
            if body.len() > ANSWER_BYTES_MAX {
                return Err(self.failed(format!("its answer is longer than {ANSWER_BYTES_MAX} bytes")));
            }
        }
        Ok((response.status(), body))
    }

    fn parse<T: DeserializeOwned>(&self, body: &[u8]) -> Result<T, ClientError> {
        serde_json::from_slice(body)
            .map_err(|e| self.failed(format!("its answer is not what this version expects: {e}")))
    }

    fn failed(&self, why: String) -> ClientError {
        ClientError::Failed { path: self.path.clone(), why }
    }

    fn explain(&self, error: &reqwest::Error) -> ClientError {
        let not_running = |why| ClientError::NotRunning { path: self.path.clone(), why };
        match io_kind(error) {
            Some(io::ErrorKind::NotFound) => not_running("no socket at"),
            Some(io::ErrorKind::ConnectionRefused) => not_running("nobody listens at"),
            Some(io::ErrorKind::PermissionDenied) => ClientError::Forbidden { path: self.path.clone() },
            Some(_) | None => self.failed(chain(error)),
        }
    }
}

/// The error of the system call at the end of the chain.
fn io_kind(error: &reqwest::Error) -> Option<io::ErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<io::Error>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        text = format!("{text}: {error}");
        source = error.source();
    }
    text
}
