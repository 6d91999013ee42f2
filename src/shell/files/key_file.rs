//! The file with the key that the nodes share: read at each load, written once by `keygen`.

use std::fs::{self, File, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rustix::rand::{GetRandomFlags, getrandom};

use super::regular;
use crate::config::Config;
use crate::node::{LogLevel, LogLine};
use crate::peer::{Incarnation, KEY_BYTES, PeerKey};

/// More than a key has with white space around it.
const FILE_BYTES_MAX: u64 = 1024;

/// Rights that others must not have.
const FOR_OTHERS: u32 = 0o007;

/// The key, and what is to be told about it. Without a key the nodes speak plain VRRP: that is no reason not to start.
pub(crate) fn read(config: &Config) -> (Option<PeerKey>, Option<LogLine>) {
    let Some(peers) = &config.peers else { return (None, None) };
    let path = &peers.key_file;
    let shown = path.display();
    let plain = "the nodes speak plain VRRP and do not help each other";
    let note = |level, message| Some(LogLine { level, vip: None, message });
    match read_file(path) {
        Ok((key, mode)) if mode & FOR_OTHERS != 0 => {
            let message =
                format!("everybody may use {shown}, and whoever has the key can move VIPs: chmod 600 {shown}");
            (Some(key), note(LogLevel::Warn, message))
        }
        Ok((key, _)) => (Some(key), None),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let fix = format!("write it with `vipkeeper keygen {shown}` and copy it to every node");
            (None, note(LogLevel::Info, format!("there is no {shown}: {plain}; {fix}")))
        }
        Err(error) => (None, note(LogLevel::Warn, format!("cannot read {shown}: {error}; {plain}"))),
    }
}

fn read_file(path: &Path) -> io::Result<(PeerKey, u32)> {
    let text = regular::read_text(path, FILE_BYTES_MAX)?;
    let key = PeerKey::from_hex(&text).map_err(io::Error::other)?;
    Ok((key, fs::metadata(path)?.permissions().mode()))
}

/// Writes a new key to a file that does not exist yet, for its owner alone.
///
/// # Errors
/// `AlreadyExists`, and what else the file system says.
pub fn write_new(path: &Path) -> io::Result<()> {
    let mut bytes = [0; KEY_BYTES];
    random(&mut bytes)?;
    let mut file = File::options().write(true).create_new(true).mode(0o600).open(path)?;
    // Whatever the umask is.
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(format!("{}\n", PeerKey::new(bytes).to_hex()).as_bytes())?;
    file.sync_all()
}

/// A number that no other process has.
///
/// # Errors
/// Those of `getrandom`: none that a kernel of the last ten years gives.
pub(crate) fn incarnation() -> io::Result<Incarnation> {
    let mut bytes = [0; 8];
    random(&mut bytes)?;
    Ok(Incarnation(u64::from_be_bytes(bytes)))
}

fn random(bytes: &mut [u8]) -> io::Result<()> {
    let mut filled = 0;
    while let Some(rest) = bytes.get_mut(filled..).filter(|rest| !rest.is_empty()) {
        filled += getrandom(rest, GetRandomFlags::empty())?;
    }
    Ok(())
}
