//! A loaded configuration as a journal keeps it: the texts, from which all else follows.
//!
//! The proxy's text is kept as it was rendered: a user's template is on a disk that nobody has when the journal is read.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::config::{self, Colour, Sources};
use crate::node::effect::LogLine;
use crate::node::event::Loaded;
use crate::peer::PeerKey;
use crate::render::{AuxFile, Rendered};
use crate::units::Digest;

/// See the module.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Texts {
    sources: Sources,
    rendered: String,
    generation: Digest,
    /// What the text refers to.
    #[serde(default)]
    files: Vec<AuxFile>,
    /// Digests of the files that the proxy reads by itself.
    #[serde(default)]
    reads: BTreeMap<PathBuf, Digest>,
    /// The key of hellos, in hexadecimal digits: without it none of those that follow could be judged again.
    #[serde(default)]
    key: Option<String>,
    #[serde(default)]
    key_note: Option<LogLine>,
}

impl From<Loaded> for Texts {
    fn from(loaded: Loaded) -> Self {
        let Rendered { text, generation, origins: _, sources, files, reads } = Arc::unwrap_or_clone(loaded.rendered);
        let key = loaded.key.as_ref().map(PeerKey::to_hex);
        Self {
            sources: Arc::unwrap_or_clone(sources),
            rendered: text,
            generation,
            files,
            reads,
            key,
            key_note: loaded.key_note,
        }
    }
}

impl TryFrom<Texts> for Loaded {
    type Error = String;

    /// Fails with the report of [`config::load`], for texts that this version refuses.
    fn try_from(texts: Texts) -> Result<Self, String> {
        let Texts { sources, rendered, generation, files, reads, key, key_note } = texts;
        let key = key.map(|key| PeerKey::from_hex(&key)).transpose().map_err(|error| error.to_string())?;
        let config = config::load(&sources).map_err(|problems| problems.report(&sources, Colour::None))?;
        let rendered = Rendered::again(rendered, generation, files, reads, &config, Arc::new(sources));
        Ok(Self { config: Arc::new(config), rendered: Arc::new(rendered), key, key_note })
    }
}
