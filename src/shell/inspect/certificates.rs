//! Certificates in the files that frontends name: for whom, and until when. Keys beside them are not looked at.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use x509_parser::pem::Pem;

use crate::config::Config;
use crate::doctor::Gathered;
use crate::doctor::facts::Certificate;

/// Bytes read of one file.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// Files of a directory that are looked at.
const FILES_MAX: usize = 1_000;

pub(super) fn all(config: &Config) -> BTreeMap<String, Gathered<Vec<Certificate>>> {
    let mut files = BTreeMap::new();
    for path in config.binds().filter_map(|bind| bind.tls.as_ref()).flat_map(|tls| &tls.certificates) {
        for file in of(path) {
            let certificates = match read(&file) {
                Ok(certificates) => Gathered::Read(certificates),
                Err(error) => Gathered::Unread(error.to_string()),
            };
            files.insert(file.display().to_string(), certificates);
        }
    }
    files
}

/// The file itself, or those of a directory that the proxy loads as certificates.
fn of(path: &Path) -> Vec<PathBuf> {
    const OTHERS: [&str; 5] = ["key", "ocsp", "issuer", "sctl", "dh"];
    let Ok(entries) = fs::read_dir(path) else { return vec![path.to_owned()] };
    let other = |p: &PathBuf| p.extension().and_then(|e| e.to_str()).is_some_and(|e| OTHERS.contains(&e));
    let mut files: Vec<PathBuf> =
        entries.flatten().map(|e| e.path()).filter(|p| p.is_file() && !other(p)).take(FILES_MAX).collect();
    files.sort();
    files
}

/// The serial number of the first certificate, in capital hexadecimal digits without leading zeros.
pub(crate) fn leaf_serial(bytes: &[u8]) -> Option<String> {
    let mut blocks = Pem::iter_from_buffer(bytes).map_while(Result::ok);
    let leaf = blocks.find(|pem| pem.label == "CERTIFICATE")?;
    let serial = leaf.parse_x509().ok()?.tbs_certificate.serial.to_str_radix(16);
    Some(serial.to_ascii_uppercase())
}

fn read(file: &Path) -> std::io::Result<Vec<Certificate>> {
    let mut bytes = Vec::new();
    fs::File::open(file)?.take(FILE_BYTES_MAX).read_to_end(&mut bytes)?;
    let certificate = |pem: &Pem| {
        let parsed = pem.parse_x509().ok()?;
        Some(Certificate { subject: parsed.subject().to_string(), not_after: parsed.validity().not_after.timestamp() })
    };
    let blocks = Pem::iter_from_buffer(&bytes).map_while(Result::ok);
    Ok(blocks.filter(|pem| pem.label.contains("CERTIFICATE")).filter_map(|pem| certificate(&pem)).collect())
}
