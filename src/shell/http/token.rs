//! The file with the token of `[http]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::shell::files::regular;
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
    let text = regular::read_text(path, FILE_BYTES_MAX).map_err(|e| e.to_string())?;
    let token = text.trim();
    if token.len() < TOKEN_BYTES_MIN {
        return Err(format!("it has less than {TOKEN_BYTES_MIN} characters; `vipkeeper keygen` writes a good one"));
    }
    Ok(token.to_owned())
}
