//! A certificate that is exchanged at run time: the words for it, and what HAProxy says of it afterwards.
//!
//! `set ssl cert` in the management guide, section 9.3. Nothing here reads a file.

use super::Command;

/// HAProxy takes what fits in one of its buffers (`tune.bufsize`, 16 KiB) with the command before it; a longer chain is a
/// reload.
pub const PEM_BYTES_MAX: usize = 15 << 10;

/// What an exchange consists of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exchange {
    /// Puts the certificate beside the one in use.
    pub set: Command,
    /// Puts it in its place.
    pub commit: Command,
    /// Takes it away again, if the latter failed.
    pub abort: Command,
    /// Asks which one is in use.
    pub show: String,
}

impl Exchange {
    /// For the certificate of that name and what its file holds: key and chain in PEM.
    ///
    /// # Errors
    /// What is wrong with it: that it is no text, has no key, or is too long for this way.
    pub fn new(path: &str, held: &[u8]) -> Result<Self, String> {
        let text = std::str::from_utf8(held).map_err(|_| "it is no text".to_owned())?;
        if text.chars().any(|c| !c.is_ascii() || (c.is_control() && !c.is_ascii_whitespace())) {
            return Err("it has more than PEM in it".to_owned());
        }
        if !text.contains("-----BEGIN CERTIFICATE-----") || !text.contains("PRIVATE KEY-----") {
            return Err("certificate and key are not in one file".to_owned());
        }
        // An empty line would end the payload.
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let pem = lines.join("\n");
        if pem.len() > PEM_BYTES_MAX {
            return Err(format!("it has more than {PEM_BYTES_MAX} bytes"));
        }
        let command = |line: String, says| Command { line, says, patient: false };
        Ok(Self {
            set: command(format!("set ssl cert {path} <<\n{pem}\n"), &["Transaction created", "Transaction updated"]),
            commit: command(format!("commit ssl cert {path}"), &["Committing"]),
            abort: command(format!("abort ssl cert {path}"), &["Transaction aborted"]),
            show: format!("show ssl cert {path}"),
        })
    }
}

/// Whether the commit went to its end, which its first word does not say.
///
/// # Errors
/// What HAProxy says instead.
pub fn committed(answer: &str) -> Result<(), String> {
    match answer.lines().map(str::trim).rfind(|line| !line.is_empty()) {
        Some(last) if last.ends_with("Success!") => Ok(()),
        last => Err(format!("HAProxy does not use it: {}", last.unwrap_or("nothing was said"))),
    }
}

/// The serial number of the certificate in use, in capital hexadecimal digits without leading zeros.
pub fn serial(shown: &str) -> Option<String> {
    let serial = shown.lines().find_map(|line| line.strip_prefix("Serial:"))?.trim();
    let significant = serial.trim_start_matches('0');
    Some(if significant.is_empty() { "0" } else { significant }.to_ascii_uppercase())
}
