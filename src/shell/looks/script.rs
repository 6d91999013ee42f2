//! One run of a tracked program. Killed with its group at the deadline; what cannot be killed is not started again.

use std::time::Instant;

use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::process::Child;
use tokio::sync::oneshot;
use tokio::time::{timeout, timeout_at};

use super::Turn;
use crate::shell::program::{self, Program};
use crate::units::Name;

/// The end of what a program printed becomes part of the reason.
const OUTPUT_BYTES_MAX: usize = 500;

/// Read at once; nothing of it is kept but the end.
const CHUNK_BYTES: usize = 4096;

/// Output still on its way when the program has ended; what its children print later is not waited for.
const OUTPUT_GRACE: std::time::Duration = std::time::Duration::from_millis(50);

/// What to run.
#[derive(Debug)]
pub(super) struct Script {
    pub(super) node: String,
    pub(super) tracker: Name,
    pub(super) argv: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) group: Option<String>,
}

/// Good with exit status 0.
pub(super) async fn look(script: Script, deadline: Instant, turn: Turn) -> Result<i64, String> {
    let (answer, result) = oneshot::channel();
    // A task of its own, which lives and keeps the turn until the program is really gone.
    tokio::spawn(run(script, deadline, turn, answer));
    match timeout_at(deadline.into(), result).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) | Err(_) => Err("it did not end in time".to_owned()),
    }
}

async fn run(script: Script, deadline: Instant, turn: Turn, answer: oneshot::Sender<Result<i64, String>>) {
    let program = script.argv.first().cloned().unwrap_or_default();
    let spawned = tokio::task::spawn_blocking(move || {
        let spawned = spawn(&script);
        (spawned, turn)
    });
    let (child, output, turn) = match spawned.await {
        Ok((Ok((child, output)), turn)) => (child, output, turn),
        Ok((Err(error), turn)) => {
            drop(turn);
            // Nobody waits when it took too long to learn that.
            drop(answer.send(Err(format!("cannot start {program}: {error}"))));
            return;
        }
        Err(error) => {
            drop(answer.send(Err(format!("cannot start {program}: {error}"))));
            return;
        }
    };
    let mut group = Group { child };
    let mut tail = Vec::new();
    let result = {
        let mut reading = std::pin::pin!(read_tail(output, &mut tail));
        let ended = async {
            let mut open = true;
            let status = loop {
                tokio::select! {
                    status = group.child.wait() => break status,
                    () = &mut reading, if open => open = false,
                }
            };
            let ended = program::ended(status);
            if open && ended.is_err() {
                drop(timeout(OUTPUT_GRACE, &mut reading).await);
            }
            ended
        };
        timeout_at(deadline.into(), ended).await
    };
    match result {
        Ok(ended) => drop(answer.send(ended.map(|()| 0).map_err(|how| with_output(&program, &how, &tail)))),
        Err(_) => {
            program::kill_group(group.child.id());
            drop(answer);
            // SIGKILL cannot be refused, but a process in an uninterruptible call ends only after it.
            drop(group.child.wait().await);
        }
    }
    drop(turn);
}

fn spawn(script: &Script) -> std::io::Result<(Child, pipe::Receiver)> {
    program::spawn(&Program {
        argv: &script.argv,
        user: script.user.as_deref(),
        group: script.group.as_deref(),
        env: &[("VIPKEEPER_NODE", &script.node), ("VIPKEEPER_TRACKER", script.tracker.as_str())],
    })
}

/// Does not outlive vipkeeper: when the runtime ends, the group is killed.
#[derive(Debug)]
struct Group {
    child: Child,
}

impl Drop for Group {
    fn drop(&mut self) {
        // None once it was reaped, when the id may be somebody else's.
        if self.child.id().is_some() {
            program::kill_group(self.child.id());
        }
    }
}

/// Reads until the last writer closes; keeps the end.
async fn read_tail(mut output: pipe::Receiver, tail: &mut Vec<u8>) {
    let mut chunk = vec![0_u8; CHUNK_BYTES];
    loop {
        match output.read(&mut chunk).await {
            Ok(0) | Err(_) => return,
            Ok(len) => {
                tail.extend_from_slice(chunk.get(..len).unwrap_or_default());
                let surplus = tail.len().saturating_sub(OUTPUT_BYTES_MAX);
                tail.drain(..surplus);
            }
        }
    }
}

/// On one line, without control characters.
fn with_output(program: &str, how: &str, tail: &[u8]) -> String {
    let text = String::from_utf8_lossy(tail);
    let words: Vec<String> = text.split_whitespace().map(|word| word.escape_debug().to_string()).collect();
    if words.is_empty() { format!("{program}: {how}") } else { format!("{program}: {how}: {}", words.join(" ")) }
}
