//! The system's log: journald's own socket, or `/dev/log` where there is none.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use crate::notices::Notice;

/// journald, with fields (systemd.journal-fields(7)).
const JOURNAL: &str = "/run/systemd/journal/socket";
/// Any syslog.
const SYSLOG: &str = "/dev/log";

/// Writes an entry for each.
pub(super) async fn write(node: &str, notices: &[Notice]) -> Result<(), String> {
    let journal: Vec<Vec<u8>> = notices.iter().map(|notice| notice.journal_entry(node)).collect();
    let syslog: Vec<Vec<u8>> = notices.iter().map(|notice| notice.syslog_line(node)).collect();
    let work = tokio::task::spawn_blocking(move || {
        send(Path::new(JOURNAL), &journal).or_else(|_| send(Path::new(SYSLOG), &syslog))
    });
    work.await.map_err(|e| e.to_string())?.map_err(|e| format!("neither {JOURNAL} nor {SYSLOG} takes it: {e}"))
}

fn send(path: &Path, entries: &[Vec<u8>]) -> std::io::Result<()> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    socket.connect(path)?;
    entries.iter().try_for_each(|entry| socket.send(entry).map(|_| ()))
}
