//! Backends in HAProxy's words.

mod check;
mod persistence;
mod server;
mod traffic;

use serde::Serialize;

use super::RenderError;
use super::model::{mode_word, one_line, raw};
use crate::config::{Backend, HashFunction, HashKind, HashSettings};

use server::ServerModel;

#[derive(Debug, Serialize)]
pub(super) struct BackendModel {
    name: String,
    mode: &'static str,
    balance: String,
    settings: Vec<String>,
    defaults: Vec<String>,
    servers: Vec<ServerModel>,
    template: Option<String>,
    raw: Vec<String>,
}

impl BackendModel {
    pub(super) fn new(backend: &Backend) -> Result<Self, RenderError> {
        let Backend {
            name,
            mode,
            balance,
            hash,
            check,
            agent,
            server_defaults,
            servers,
            template,
            cookie,
            stick,
            traffic: of_traffic,
            raw: lines,
            origin: _,
        } = backend;
        let mut settings = Lines::default();
        if let Some(hash) = hash {
            hash_lines(&mut settings, hash);
        }
        if let Some(cookie) = cookie {
            persistence::cookie(&mut settings, cookie)?;
        }
        if let Some(stick) = stick {
            persistence::stick(&mut settings, stick)?;
        }
        traffic::lines(&mut settings, of_traffic)?;
        let mut defaults = Lines::default();
        if let Some(check) = check {
            check::lines(&mut settings, check)?;
            defaults.line(check::words(check, server_defaults)?);
        }
        if let Some(agent) = agent {
            defaults.line(check::agent(agent)?);
        }
        let of_servers = server::settings(server_defaults, check.as_ref())?;
        if !of_servers.0.is_empty() {
            defaults.line(of_servers);
        }
        Ok(Self {
            name: name.to_string(),
            mode: mode_word(*mode),
            balance: one_line("backend.balance", &balance.to_string())?.to_owned(),
            settings: settings.0,
            defaults: defaults.0,
            servers: servers.iter().map(|s| ServerModel::new(s, check.as_ref())).collect::<Result<_, _>>()?,
            template: template.as_ref().map(server::template).transpose()?,
            raw: raw(lines)?,
        })
    }
}

/// Lines of a section.
#[derive(Debug, Default)]
struct Lines(Vec<String>);

impl Lines {
    fn line(&mut self, words: Words) {
        self.0.push(words.0.join(" "));
    }

    /// A line of one word or of words that need no quotes.
    fn plain(&mut self, line: impl Into<String>) {
        self.0.push(line.into());
    }
}

/// Words of one line, each quoted where it has to be.
#[derive(Debug, Default)]
struct Words(Vec<String>);

impl Words {
    fn of(words: &str) -> Self {
        Self(vec![words.to_owned()])
    }

    /// Adds words that need no quotes.
    fn add(&mut self, words: impl Into<String>) -> &mut Self {
        self.0.push(words.into());
        self
    }

    /// Adds a keyword with its argument, which is quoted already.
    fn pair(&mut self, keyword: &str, argument: &str) -> &mut Self {
        self.0.push(format!("{keyword} {argument}"));
        self
    }

    fn maybe(&mut self, keyword: &str, argument: Option<impl ToString>) -> &mut Self {
        if let Some(argument) = argument {
            self.pair(keyword, &argument.to_string());
        }
        self
    }
}

fn hash_lines(lines: &mut Lines, hash: &HashSettings) {
    let HashSettings { kind, function, avalanche, balance_factor } = hash;
    let kind = match kind {
        HashKind::MapBased => "map-based",
        HashKind::Consistent => "consistent",
    };
    let function = match function {
        HashFunction::Sdbm => "sdbm",
        HashFunction::Djb2 => "djb2",
        HashFunction::Wt6 => "wt6",
        HashFunction::Crc32 => "crc32",
    };
    let avalanche = if *avalanche { " avalanche" } else { "" };
    lines.plain(format!("hash-type {kind} {function}{avalanche}"));
    if let Some(factor) = balance_factor {
        lines.plain(format!("hash-balance-factor {factor}"));
    }
}
