//! The file with the token of `[http]`.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::web::TOKEN_BYTES_MIN;

/// More than a token has with white space around it.
const FILE_BYTES_MAX: u64 = 1024;

/// A file system that hangs must not hang requests.
const READ_WITHIN: Duration = Duration::from_secs(5);

/// The token, or for people why there is none.
pub(crate) async fn read(path: PathBuf) -> Result<String, String> {
    let shown = path.display().to_string();
    let reading = tokio::task::spawn_blocking(move || read_file(&path));
    match tokio::time::timeout(READ_WITHIN, reading).await {
        Ok(Ok(result)) => result.map_err(|why| format!("the token in {shown} cannot be used: {why}")),
        Ok(Err(_)) | Err(_) => Err(format!("{shown} cannot be read: the disk does not answer")),
    }
}

fn read_file(path: &Path) -> Result<String, String> {
    // A FIFO would hold the reader for ever.
    if !fs::metadata(path).map_err(|e| e.to_string())?.is_file() {
        return Err("it is not a regular file".to_owned());
    }
    let mut text = String::new();
    let file = File::open(path).map_err(|e| e.to_string())?;
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|e| e.to_string())?;
    let token = text.trim();
    if token.len() < TOKEN_BYTES_MIN {
        return Err(format!("it has less than {TOKEN_BYTES_MIN} characters; `vipkeeper keygen` writes a good one"));
    }
    Ok(token.to_owned())
}
