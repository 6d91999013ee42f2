//! What the installed HAProxy can do, from `haproxy -vv`.
//!
//! Text in, values out. A feature that the text does not name is one that the binary lacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

/// The longest answer that is read; a real one has some 5 KiB.
pub const ANSWER_BYTES_MAX: usize = 64 << 10;

/// A binary's version, and what it was built with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Capabilities {
    /// Version as `(major, minor)`.
    pub version: (u32, u32),
    /// The version in full, such as `2.6.12-1+deb12u4`.
    pub version_text: String,
    /// The feature list: whether each was built in, such as `OPENSSL`, `QUIC`, `PROMEX`.
    features: BTreeMap<String, bool>,
    /// `Available services`, such as `prometheus-exporter`.
    services: BTreeSet<String>,
}

/// It is not the output of `haproxy -vv`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("`haproxy -vv` does not say what it is: is `proxy.binary` HAProxy?")]
pub struct Unknown;

impl Capabilities {
    /// Reads the output of `haproxy -vv`.
    ///
    /// # Errors
    /// When it names no version or has no feature list, as before 2.4.
    pub fn parse(text: &str) -> Result<Self, Unknown> {
        // `HA-Proxy version` up to 2.3.
        let words = text.lines().find_map(|line| line.strip_prefix("HAProxy version ")).ok_or(Unknown)?;
        let version_text = words.split_whitespace().next().ok_or(Unknown)?;
        let version = crate::proxy::stats::version(version_text).ok_or(Unknown)?;
        let listed = text.lines().find_map(|line| line.strip_prefix("Feature list :")).ok_or(Unknown)?;
        let feature = |word: &str| {
            let built = word.strip_prefix('+').map(|name| (name.to_owned(), true));
            built.or_else(|| word.strip_prefix('-').map(|name| (name.to_owned(), false)))
        };
        let services = text.lines().find_map(|line| line.strip_prefix("Available services :")).unwrap_or_default();
        Ok(Self {
            version,
            version_text: version_text.to_owned(),
            features: listed.split_whitespace().filter_map(feature).collect(),
            services: services.split_whitespace().filter(|word| *word != "none").map(str::to_owned).collect(),
        })
    }

    /// Whether a feature was built in, by the name that the feature list has for it, such as `QUIC`.
    pub fn has(&self, feature: &str) -> bool {
        self.features.get(feature).copied().unwrap_or(false)
    }

    /// Whether it is that version or a later one.
    pub fn is_at_least(&self, version: (u32, u32)) -> bool {
        self.version >= version
    }

    /// Whether it offers a service for `http-request use-service`, such as `prometheus-exporter`.
    pub fn offers(&self, service: &str) -> bool {
        self.services.contains(service)
    }

    /// Everything that was built in, in the order of its name.
    pub fn features(&self) -> impl Iterator<Item = &str> {
        self.features.iter().filter(|(_, built)| **built).map(|(name, _)| name.as_str())
    }
}
