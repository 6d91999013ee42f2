//! The packet filter through `nft -f -`: one process at a time, bounded in time and output, and only our own table.

use std::collections::BTreeSet;
use std::io;
use std::net::IpAddr;
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::program;
use crate::addrs::filter::Table;
use crate::node::Event;
use crate::node::event::OpId;

/// No transaction takes this long; after it `nft` is killed.
const DONE_WITHIN: Duration = Duration::from_secs(5);

/// What it says of a failure; more is not read.
const OUTPUT_BYTES_MAX: u64 = 500;

/// The kernel's word for a table that is not there.
const NO_TABLE: &str = "No such file or directory";

/// A change of the table: exactly these addresses are dropped; none: there is no table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The operation: answered by `Filtered`.
    pub op: OpId,
    /// The addresses.
    pub addresses: Vec<IpAddr>,
}

/// The worker. Ends when `ops` is closed.
pub async fn run(table: Table, mut ops: mpsc::Receiver<Filter>, events: mpsc::Sender<Event>) {
    while let Some(Filter { op, addresses }) = ops.recv().await {
        let result = apply(&table, &addresses.into_iter().collect()).await;
        if events.send(Event::Filtered { op, result }).await.is_err() {
            return;
        }
    }
}

/// Makes the table hold exactly these addresses, or removes it when there are none.
///
/// # Errors
/// There is no `nft`, it does not end in time, or the kernel refuses: for people. A table that was gone already is none.
pub async fn apply(table: &Table, addresses: &BTreeSet<IpAddr>) -> Result<(), String> {
    let script = table.script(addresses);
    let result = timeout(DONE_WITHIN, nft(&script)).await;
    // The child is killed when it is dropped.
    match result.unwrap_or_else(|_| Err(format!("nft did not end within {DONE_WITHIN:?}"))) {
        Err(why) if addresses.is_empty() && why.contains(NO_TABLE) => Ok(()),
        other => other,
    }
}

async fn nft(script: &str) -> Result<(), String> {
    // The fork must not hold up adverts.
    let spawned = tokio::task::spawn_blocking(spawn).await;
    let mut child = match spawned {
        Ok(Ok(child)) => child,
        Ok(Err(error)) if error.kind() == io::ErrorKind::NotFound => {
            return Err("there is no program nft: install the package nftables".to_owned());
        }
        Ok(Err(error)) => return Err(format!("cannot start nft: {error}")),
        Err(error) => return Err(format!("cannot start nft: {error}")),
    };
    let (stdin, stderr) = (child.stdin.take(), child.stderr.take());
    let write = async {
        if let Some(mut stdin) = stdin {
            // It reads all before it says anything; a pipe that breaks shows in how it ends.
            drop(stdin.write_all(script.as_bytes()).await);
        }
    };
    let mut said = Vec::new();
    let read = async {
        if let Some(stderr) = stderr {
            drop(stderr.take(OUTPUT_BYTES_MAX).read_to_end(&mut said).await);
        }
    };
    let ((), (), status) = tokio::join!(write, read, child.wait());
    program::ended(status).map_err(|how| {
        let text = String::from_utf8_lossy(&said);
        let words: Vec<String> = text.split_whitespace().map(|word| word.escape_debug().to_string()).collect();
        format!("nft: {how}: {}", words.join(" "))
    })
}

fn spawn() -> io::Result<Child> {
    Command::new("nft")
        .args(["-f", "-"])
        .current_dir("/")
        .env_clear()
        .env("PATH", program::PROGRAM_PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
}
