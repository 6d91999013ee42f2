//! What the files hold that the proxy reads by itself, as digests: a renewed certificate is a changed configuration.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::{FILE_BYTES_MAX, regular};
use crate::config::Config;
use crate::render::Reads;
use crate::units::Digest;

/// Files that are looked at, those in directories too; changes of further ones go unnoticed.
pub(super) const READS_MAX: usize = 1024;

/// The files and directories of a configuration.
pub(super) fn paths(config: &Config) -> Vec<PathBuf> {
    config.reads().into_iter().take(READS_MAX).map(Path::to_owned).collect()
}

/// What they hold; none: there are none. One that cannot be read counts as empty: the proxy says so itself.
pub(super) fn read(paths: &[PathBuf]) -> Option<Reads> {
    if paths.is_empty() {
        return None;
    }
    let mut hash = Sha256::new();
    let mut each = BTreeMap::new();
    for file in files(paths) {
        let held = regular::read(&file, FILE_BYTES_MAX).unwrap_or_default();
        hash.update(u64::try_from(held.len()).unwrap_or(u64::MAX).to_be_bytes());
        hash.update(&held);
        each.insert(file, digest_of(&held));
    }
    Some(Reads { digest: folded(hash), files: each })
}

/// Of what one file holds.
pub(crate) fn digest_of(bytes: &[u8]) -> Digest {
    folded(Sha256::new_with_prefix(bytes))
}

fn folded(hash: Sha256) -> Digest {
    Digest(hash.finalize().iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}

/// The files themselves, and those in directories, by their names.
pub(super) fn files(paths: &[PathBuf]) -> Vec<PathBuf> {
    let mut all = Vec::new();
    for path in paths {
        match fs::read_dir(path) {
            Ok(entries) => {
                let mut inside: Vec<PathBuf> = entries
                    .take(READS_MAX)
                    .filter_map(|entry| Some(entry.ok()?.path()))
                    .filter(|p| p.is_file())
                    .collect();
                inside.sort();
                all.extend(inside);
            }
            Err(_) => all.push(path.clone()),
        }
    }
    all.truncate(READS_MAX);
    all
}
