//! The running instance, asked through its control socket.

use std::future::Future;
use std::path::Path;

use crate::cli::outcome::{Exit, Failure};
use crate::node::Status;
use crate::shell::control::{Client, ClientError};

/// A vipkeeper that runs, or does not.
#[derive(Debug)]
pub struct Instance {
    client: Result<Client, ClientError>,
}

impl Instance {
    /// The one with that runtime directory; nothing is asked yet.
    pub fn at(runtime_dir: &Path) -> Self {
        Self { client: Client::new(runtime_dir) }
    }

    /// Its control client.
    ///
    /// # Errors
    /// When the client cannot be made.
    pub fn client(&self) -> Result<&Client, Failure> {
        self.client.as_ref().map_err(failure)
    }

    /// What it says of itself.
    ///
    /// # Errors
    /// 5 when it does not run, 3 when we may not ask, else 1.
    pub async fn status(&self) -> Result<Status, Failure> {
        self.client()?.status().await.map_err(|e| failure(&e))
    }
}

/// The exit status that fits why it could not be asked.
pub fn failure(error: &ClientError) -> Failure {
    let exit = match error {
        ClientError::NotRunning { .. } => Exit::NotRunning,
        ClientError::Forbidden { .. } => Exit::Missing,
        ClientError::Failed { .. } | ClientError::Refused(_) => Exit::Unhealthy,
    };
    Failure::new(exit, error)
}

/// Runs a conversation to its end.
///
/// # Errors
/// Those of the conversation, or when there is no runtime for it.
pub fn converse<T>(talk: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|e| Failure::new(Exit::Unhealthy, format!("cannot start: {e}")))?.block_on(talk)
}
