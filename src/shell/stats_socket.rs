//! One probe of the stats socket: one short-lived connection, bounded in time and bytes.
//!
//! It must never keep a connection: HAProxy accepts some ten of them and then none.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::proxy::Sample;
use crate::proxy::stats::{ANSWER_BYTES_MAX, PROBE_COMMAND};

/// Room for the answer of a proxy with some ten sections; it grows where that is not enough.
const ANSWER_BYTES_USUAL: usize = 8 << 10;

/// Between two tries to connect to a socket on which nobody listens yet.
const LISTENING_PAUSE: Duration = Duration::from_millis(10);

/// Asks the proxy what it says of itself. The error is for people and names the socket.
pub async fn probe(path: &Path, timeout: Duration) -> Result<Sample, String> {
    let answer = ask(path, PROBE_COMMAND, ANSWER_BYTES_MAX, timeout).await?;
    let text = std::str::from_utf8(&answer)
        .map_err(|_| format!("the stats socket {} answers something that is not text", path.display()))?;
    Sample::parse(text).map_err(|e| format!("{e} ({})", path.display()))
}

/// Sends `command` to a HAProxy socket and reads until it is closed, at most `bytes_max` and for at most `timeout`.
pub(crate) async fn ask(path: &Path, command: &str, bytes_max: usize, timeout: Duration) -> Result<Vec<u8>, String> {
    let asking = async { converse(connect(path).await?, path, command, bytes_max).await };
    bounded(path, timeout, asking).await
}

/// The same, but waits at most `patience` for somebody to listen there.
pub(crate) async fn ask_patiently(
    path: &Path,
    command: &str,
    bytes_max: usize,
    timeout: Duration,
    patience: Duration,
) -> Result<Vec<u8>, String> {
    let connecting = async {
        loop {
            match connect(path).await {
                Ok(stream) => break stream,
                Err(_) => tokio::time::sleep(LISTENING_PAUSE).await,
            }
        }
    };
    match tokio::time::timeout(patience, connecting).await {
        Ok(stream) => bounded(path, timeout, converse(stream, path, command, bytes_max)).await,
        // Once more, for the error that tells why.
        Err(_) => ask(path, command, bytes_max, timeout).await,
    }
}

async fn bounded(
    path: &Path,
    timeout: Duration,
    asking: impl Future<Output = Result<Vec<u8>, String>>,
) -> Result<Vec<u8>, String> {
    tokio::time::timeout(timeout, asking)
        .await
        .unwrap_or_else(|_| Err(format!("the socket {} did not answer within {timeout:?}", path.display())))
}

async fn connect(path: &Path) -> Result<UnixStream, String> {
    UnixStream::connect(path).await.map_err(|e| failed("connect to", path, &e))
}

fn failed(what: &str, path: &Path, error: &std::io::Error) -> String {
    format!("cannot {what} the socket {}: {error}", path.display())
}

async fn converse(mut stream: UnixStream, path: &Path, command: &str, bytes_max: usize) -> Result<Vec<u8>, String> {
    stream.write_all(command.as_bytes()).await.map_err(|e| failed("write to", path, &e))?;
    // The master CLI would wait for another command; with the end of ours it answers and closes.
    stream.shutdown().await.map_err(|e| failed("write to", path, &e))?;
    let mut answer = Vec::with_capacity(ANSWER_BYTES_USUAL);
    loop {
        let read = stream.read_buf(&mut answer).await.map_err(|e| failed("read from", path, &e))?;
        if read == 0 {
            return Ok(answer);
        }
        if answer.len() > bytes_max {
            return Err(format!("the socket {} answers without end (over {bytes_max} bytes)", path.display()));
        }
    }
}
