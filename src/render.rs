//! [`Config`] to the proxy's configuration text: tera, deterministic, no disk.
//!
//! Owns the template's model, the generation, and the way back from a line of the text to the TOML. It must never
//! depend on anything but its input: the same input gives the same bytes, so that an unchanged file is no reload.

mod access;
mod alerts;
mod backend;
mod frontend;
mod model;
pub mod nginx;
mod operation;
mod origins;
mod resolvers;
mod routes;
mod rules;
mod tls;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tera::{Context, Tera};

use crate::config::{Config, Engine, Origin, Sources};
use crate::units::{Digest, Name};

pub use alerts::{alert_lines, bounded, located, report_alerts, written_at};

/// Name of the template, in messages and in a user's directory.
pub const TEMPLATE_NAME: &str = "haproxy.cfg.tera";

/// The template that is used where the user has none.
pub const TEMPLATE: &str = include_str!("../templates/haproxy.cfg.tera");

/// Name of an engine's template, in messages and in a user's directory.
pub fn template_name(engine: Engine) -> &'static str {
    match engine {
        Engine::Haproxy => TEMPLATE_NAME,
        Engine::Nginx => nginx::TEMPLATE_NAME,
    }
}

/// Names the generation: in `description`, which `show info` repeats, or in what nginx answers on its private socket.
pub const GENERATION_PREFIX: &str = "vipkeeper generation ";

/// Name of the file beside the stats socket in which a reload passes on the state of servers.
pub const SERVER_STATE_FILE: &str = "servers.state";

/// A longer text is refused: no proxy configuration of people is, and it must be written on every reload.
const TEXT_BYTES_MAX: usize = 64 << 20;

/// What the text depends on beside the configuration.
#[derive(Debug, Clone, Copy)]
pub struct RenderInput<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The texts it was read from, for messages about the rendered file.
    pub sources: &'a Arc<Sources>,
    /// The node it is for.
    pub node: &'a Name,
    /// Path of the stats socket that vipkeeper probes.
    pub stats_socket: &'a Path,
    /// Directory of the files that the text refers to.
    pub files_dir: &'a Path,
    /// A template of the user's in place of the compiled-in one.
    pub template: Option<&'a str>,
    /// What the files hold that the proxy reads by itself; something else is another generation.
    pub reads: Option<&'a Reads>,
}

/// What the files hold that the proxy reads by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reads {
    /// Of all together.
    pub digest: Digest,
    /// Of each, by its path.
    pub files: BTreeMap<PathBuf, Digest>,
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
    /// What `origins` points into.
    pub sources: Arc<Sources>,
    /// What the text refers to: must be there before anybody reads the text.
    pub files: Vec<AuxFile>,
    /// Digests of the files that the proxy reads by itself, by path.
    pub reads: BTreeMap<PathBuf, Digest>,
}

/// A file that the text refers to, such as a map. It is called by what it holds, so that the file of a running proxy
/// is never changed, and the generation of the text, which has the name, is that of the file too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuxFile {
    /// In the directory of the input.
    pub path: PathBuf,
    /// What it holds.
    pub text: String,
}

impl Rendered {
    /// A text that was rendered earlier, with its generation, for the configuration it came from.
    pub fn again(
        text: String,
        generation: Digest,
        files: Vec<AuxFile>,
        reads: BTreeMap<PathBuf, Digest>,
        config: &Config,
        sources: Arc<Sources>,
    ) -> Self {
        let dir = files.first().and_then(|file| file.path.parent()).unwrap_or(Path::new(""));
        let origins = trace(&text, config, dir);
        Self { text, generation, origins, sources, files, reads }
    }
}

/// The template did not render.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the proxy's configuration does not render: {0}")]
pub struct RenderError(pub String);

fn trace(text: &str, config: &Config, files_dir: &Path) -> Vec<Option<Origin>> {
    match config.proxy.engine {
        Engine::Haproxy => origins::trace(text, config, files_dir),
        Engine::Nginx => nginx::trace(text, config),
    }
}

/// Renders the proxy's configuration.
///
/// Fails when a user's template is wrong, or when a value would break out of its line.
pub fn render(input: &RenderInput<'_>) -> Result<Rendered, RenderError> {
    let engine = input.config.proxy.engine;
    let failed = |e: tera::Error| RenderError(format!("{}: {e}", template_name(engine)));
    let mut files = Vec::new();
    let (built_in, context) = match engine {
        Engine::Haproxy => (TEMPLATE, Context::from_serialize(&model::Model::new(input, &mut files)?)),
        Engine::Nginx => (nginx::TEMPLATE, Context::from_serialize(&nginx::Model::new(input)?)),
    };
    let mut context = context.map_err(failed)?;
    let mut tera = Tera::default();
    tera.autoescape_on(Vec::<&str>::new());
    tera.add_raw_template(template_name(engine), &fold_tag_lines(input.template.unwrap_or(built_in)))
        .map_err(failed)?;

    let unfilled = with_generation(&tera, engine, &mut context, Digest(0))?;
    let generation = match input.reads {
        Some(reads) => digest(&format!("{unfilled}{}", reads.digest)),
        None => digest(&unfilled),
    };
    let text = with_generation(&tera, engine, &mut context, generation)?;

    // Without it no reload could ever be confirmed, and every start would be judged a failure.
    let identified = match engine {
        Engine::Haproxy => {
            let identity = format!("description \"{GENERATION_PREFIX}{generation}\"");
            let line =
                format!("global section must have the line `description \"{GENERATION_PREFIX}{{{{ generation }}}}\"`");
            text.lines().any(|line| line.trim() == identity).then_some(()).ok_or(line)
        }
        Engine::Nginx => nginx::identified(&text, generation),
    };
    identified.map_err(|missing| {
        RenderError(format!("its {missing}, by which vipkeeper recognises the file that the proxy runs"))
    })?;
    let size = files.iter().map(|file| file.text.len()).sum::<usize>();
    if size > TEXT_BYTES_MAX {
        return Err(RenderError(format!("the files beside the text have {size} bytes, more than {TEXT_BYTES_MAX}")));
    }
    let origins = trace(&text, input.config, input.files_dir);
    let reads = input.reads.map(|reads| reads.files.clone()).unwrap_or_default();
    Ok(Rendered { text, generation, origins, sources: Arc::clone(input.sources), files, reads })
}

fn with_generation(
    tera: &Tera,
    engine: Engine,
    context: &mut Context,
    generation: Digest,
) -> Result<String, RenderError> {
    let name = template_name(engine);
    context.insert("generation", &generation.to_string());
    let mut text = tera.render(name, context).map_err(|e| RenderError(format!("{name}: {e}")))?;
    if text.len() > TEXT_BYTES_MAX {
        return Err(RenderError(format!("the text has {} bytes, more than {TEXT_BYTES_MAX}", text.len())));
    }
    // HAProxy refuses a file whose last line has no line feed.
    text.truncate(text.trim_end().len());
    text.push('\n');
    Ok(text)
}

/// Moves the line feed of a line that holds one block tag or comment, and nothing else, into the tag. Such lines
/// then leave no blank line behind, the template stays readable, and line numbers in Tera's messages stay right.
fn fold_tag_lines(template: &str) -> String {
    let mut folded = String::with_capacity(template.len());
    for line in template.split_inclusive('\n') {
        let tag = line.trim();
        let close = [("{%", "%}"), ("{#", "#}")].into_iter().find_map(|(open, close)| {
            let lone = tag.starts_with(open) && tag.ends_with(close) && tag.matches(open).count() == 1;
            lone.then_some(close)
        });
        match close.and_then(|close| tag.strip_suffix(close).map(|head| (head, close))) {
            // `-%}` stays together.
            Some((head, close)) => match head.strip_suffix('-') {
                Some(head) => folded.extend([head, "\n-", close]),
                None => folded.extend([head, "\n", close]),
            },
            None => folded.push_str(line),
        }
    }
    folded
}

/// The first 8 bytes of SHA-256.
fn digest(text: &str) -> Digest {
    let hash = Sha256::digest(text.as_bytes());
    Digest(hash.iter().take(8).fold(0, |sum, byte| (sum << 8) | u64::from(*byte)))
}
