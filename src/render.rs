//! [`Config`](crate::config::Config) to the proxy's configuration text: tera, deterministic, no disk.

use std::path::Path;

use crate::config::{Config, Origin};
use crate::units::{Digest, Name};

/// What the text depends on beside the configuration.
#[derive(Debug, Clone, Copy)]
pub struct RenderInput<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The node it is for.
    pub node: &'a Name,
    /// Path of the stats socket that vipkeeper probes.
    pub stats_socket: &'a Path,
    /// A template of the user's in place of the compiled-in one.
    pub template: Option<&'a str>,
}

/// A proxy configuration, ready to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The text; ends in a line feed; carries the generation.
    pub text: String,
    /// Digest of the text before the generation was filled in.
    pub generation: Digest,
    /// Where each line came from, as far as known; index 0 is line 1.
    pub origins: Vec<Option<Origin>>,
}

/// The template did not render.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the template haproxy.cfg.tera does not render: {0}")]
pub struct RenderError(pub String);

/// Renders the proxy's configuration.
pub fn render(_input: &RenderInput<'_>) -> Result<Rendered, RenderError> {
    Err(RenderError(String::new()))
}
