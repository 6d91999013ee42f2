//! The control socket: HTTP with JSON over a unix socket that only its owner may open.
//!
//! ```text
//! GET  /v1/status                                  node::Status
//! POST /v1/reload                                  {"ok": true, "message": "..."}, once applied or refused
//! POST /v1/release  {"vip": "www", "hold_ms": 0}   no vip: all; 0: until resume
//! POST /v1/resume   {"vip": "www"}                 no vip: all
//! POST /v1/switchover  {"vip": "www", "to": "lb2"} no vip: all that are here; no node: the best one
//! POST /v1/maintenance {"on": true}
//! POST /v1/server   {"server": "web/web1", "wish": {"state": "drain"}}    or {"weight": 10}, or {"weight": null}: that of the file
//! ```
//! It passes requests on to the driver and answers with what the node says; it decides nothing.

mod client;
mod server;

use std::path::{Path, PathBuf};

use tokio::sync::oneshot;

pub use client::{Client, ClientError};
pub use server::Server;

use crate::node::Status;
use crate::node::event::Request;

/// Name of the socket in the runtime directory.
pub const SOCKET_NAME: &str = "control.sock";

/// Path of the socket of the vipkeeper with that runtime directory.
#[must_use]
pub fn socket_path(runtime_dir: &Path) -> PathBuf {
    runtime_dir.join(SOCKET_NAME)
}

/// What the server asks of the driver.
#[derive(Debug)]
pub enum Call {
    /// The status at this moment.
    Status(oneshot::Sender<Box<Status>>),
    /// A request to the node, answered by its `Effect::Reply`.
    Request(Request, oneshot::Sender<Result<String, String>>),
}
