//! Frontends as the template sees them: their binds, and rules as whole lines in the order in which they count.

use std::path::Path;

use serde::Serialize;

use super::model::{mode_word, passed_through, raw, word};
use super::operation::log_line;
use super::rules::rules;
use super::tls::tls_words;
use super::{AuxFile, RenderError};
use crate::config::{Bind, BindTarget, Config, Frontend};

#[derive(Debug, Serialize)]
pub(super) struct FrontendModel {
    name: String,
    mode: &'static str,
    log: Option<String>,
    maxconn: Option<u32>,
    binds: Vec<BindModel>,
    rules: Vec<String>,
    default_backend: Option<String>,
    raw: Vec<String>,
}

#[derive(Debug, Serialize)]
struct BindModel {
    address: String,
    transparent: bool,
    tls: Option<String>,
    options: Option<String>,
}

impl FrontendModel {
    /// Auxiliary files go to `files`; the text names them in the directory `dir`.
    pub(super) fn new(
        config: &Config,
        frontend: &Frontend,
        dir: &Path,
        files: &mut Vec<AuxFile>,
    ) -> Result<Self, RenderError> {
        let Frontend { name, binds, mode, default_backend, maxconn, rules: _, raw: lines, origin: _ } = frontend;
        let mut listening = Vec::with_capacity(binds.len());
        for bind in binds {
            let Bind { target: _, port: _, tls, options, origin: _ } = bind;
            let options = passed_through("the options of a bind", options.as_deref())?;
            let tls = tls.as_ref().map(tls_words).transpose()?;
            listening.extend(addresses(config, bind).into_iter().map(|(address, transparent)| BindModel {
                address,
                transparent,
                tls: tls.clone(),
                options: options.clone(),
            }));
        }
        let rules = rules(config, frontend, dir)?;
        files.extend(rules.files);
        Ok(Self {
            name: name.to_string(),
            mode: mode_word(*mode),
            log: config.proxy.log.is_some().then(|| log_line(config.proxy.log_format, *mode)),
            maxconn: *maxconn,
            binds: listening,
            rules: rules.lines.into_iter().map(|line| line.text).collect(),
            default_backend: default_backend.as_ref().map(ToString::to_string),
            raw: raw(lines)?,
        })
    }
}

/// The addresses of a bind as HAProxy writes them, and whether each is bound although it may not be here.
pub(super) fn addresses(config: &Config, bind: &Bind) -> Vec<(String, bool)> {
    match &bind.target {
        BindTarget::Any => vec![(format!("*:{}", bind.port), false)],
        BindTarget::Unix(path) => vec![(word(&format!("unix@{}", path.display())), false)],
        BindTarget::Address(_) | BindTarget::Vip(_) => config
            .bind_addresses(bind)
            .into_iter()
            .map(|(address, transparent)| (address.to_string(), transparent))
            .collect(),
    }
}
