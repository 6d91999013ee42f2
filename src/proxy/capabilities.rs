//! What the installed HAProxy can do, from `haproxy -vv`.
//!
//! Text in, values out. A feature that the text does not name is one that the binary lacks.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::config::{Config, Engine, Feature, Sources};
use crate::render::written_at;

/// The oldest version whose words are rendered.
const OLDEST: (u32, u32) = (2, 6);

/// From this version on a frontend and a backend of one name are refused.
const NAMES_ARE_UNIQUE: (u32, u32) = (3, 3);

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

    /// What a configuration asks of this binary that it cannot do, for people: each with its place, the rule and a fix.
    /// What raw lines ask for is left to the binary itself.
    ///
    /// # Errors
    /// When there is anything.
    pub fn suffice(&self, config: &Config, sources: &Sources) -> Result<(), String> {
        match config.proxy.engine {
            Engine::Haproxy => {}
            Engine::Nginx => return Ok(()),
        }
        let version = &self.version_text;
        let mut lacks = Vec::new();
        if !self.is_at_least(OLDEST) {
            let (major, minor) = OLDEST;
            lacks.push(format!("HAProxy {version} is too old: install {major}.{minor} or later"));
        }
        for (feature, origin) in config.features() {
            let (what, needs, there) = match feature {
                Feature::Openssl => ("TLS", "OPENSSL", self.has("OPENSSL")),
                Feature::Promex => ("`prometheus`", "PROMEX", self.has("PROMEX") || self.offers("prometheus-exporter")),
                Feature::Compression => ("`compression`", "SLZ or ZLIB", self.has("SLZ") || self.has("ZLIB")),
            };
            if !there {
                let rule = format!("{what} needs a HAProxy that was built with {needs}, and {version} was not");
                let place = written_at(sources, origin, &rule).unwrap_or(rule);
                lacks.push(format!("{place}\n    help: take it out, or install another HAProxy (see `haproxy -vv`)"));
            }
        }
        if self.is_at_least(NAMES_ARE_UNIQUE) {
            lacks.extend(shared_names(config).map(|(name, origin)| {
                let rule = format!("HAProxy {version} refuses a frontend and a backend that are both named {name:?}");
                let place = written_at(sources, origin, &rule).unwrap_or(rule);
                format!("{place}\n    help: give one of them another name")
            }));
        }
        if lacks.is_empty() { Ok(()) } else { Err(lacks.join("\n")) }
    }

    /// What would be wrong with a configuration after an upgrade of HAProxy, for people.
    pub fn outlook(&self, config: &Config) -> Option<String> {
        let names: Vec<String> = shared_names(config).map(|(name, _)| format!("{name:?}")).collect();
        if names.is_empty() || self.is_at_least(NAMES_ARE_UNIQUE) || config.proxy.engine != Engine::Haproxy {
            return None;
        }
        let (major, minor) = NAMES_ARE_UNIQUE;
        Some(format!(
            "HAProxy {major}.{minor} and later will refuse a frontend and a backend of one name ({}): rename one of them",
            names.join(", ")
        ))
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

/// Names that a frontend and a backend share, and where the frontend is.
fn shared_names(config: &Config) -> impl Iterator<Item = (&str, crate::config::Origin)> {
    let shared = |name: &crate::units::Name| config.backends.iter().any(|backend| backend.name == *name);
    let frontends = config.frontends.iter().filter(move |frontend| shared(&frontend.name));
    frontends.map(|frontend| (frontend.name.as_str(), frontend.origin))
}
