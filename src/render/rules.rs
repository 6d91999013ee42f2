//! What a frontend does before a backend is chosen: keys of the TOML file as lines, in the order in which they count.
//!
//! HAProxy works off its rules by kind: those of connections, those of requests, then the choice of a backend. Where
//! that is not the order of the routes, the backend is kept in a variable until it is chosen.

use std::path::Path;

use super::model::{one_line, word};
use super::{AuxFile, RenderError, access, digest, routes};
use crate::config::{Config, Frontend, Origin, Rules};

/// A line of a frontend, and where its meaning was written.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) text: String,
    pub(super) origin: Origin,
}

/// Lines under construction.
#[derive(Debug)]
pub(super) struct Lines<'a> {
    pub(super) lines: Vec<Line>,
    /// What the lines refer to.
    pub(super) files: Vec<AuxFile>,
    /// Of the lines that are added.
    pub(super) origin: Origin,
    dir: &'a Path,
}

/// Values of an ACL in one line: HAProxy reads at most 64 words of a line, and 2048 bytes.
const VALUES_MAX: usize = 24;

/// Bytes of all values in one line.
const VALUES_BYTES_MAX: usize = 1_500;

/// More values than this stand in a file of their own.
const INLINE_MAX: usize = 96;

impl Lines<'_> {
    pub(super) fn add(&mut self, text: impl Into<String>) {
        self.lines.push(Line { text: text.into(), origin: self.origin });
    }

    /// Values of which any may match; lines of the same name are alternatives.
    pub(super) fn acl<'v>(
        &mut self,
        name: &str,
        criterion: &str,
        values: impl Iterator<Item = &'v str>,
    ) -> Result<(), RenderError> {
        let values: Vec<&str> = values.map(|value| one_line("a value of a rule", value)).collect::<Result<_, _>>()?;
        if values.is_empty() {
            return Ok(());
        }
        if values.len() > INLINE_MAX {
            let mut text = values.join("\n");
            text.push('\n');
            let file = self.file(name, "acl", text)?;
            self.add(format!("acl {name} {criterion} -f {file}"));
            return Ok(());
        }
        let mut some: Vec<String> = Vec::new();
        for value in values.into_iter().map(word) {
            let bytes: usize = some.iter().map(|value| value.len().saturating_add(1)).sum();
            let full = some.len() >= VALUES_MAX || bytes.saturating_add(value.len()) > VALUES_BYTES_MAX;
            if full {
                let full = std::mem::take(&mut some).join(" ");
                self.add(format!("acl {name} {criterion} -- {full}"));
            }
            some.push(value);
        }
        self.add(format!("acl {name} {criterion} -- {}", some.join(" ")));
        Ok(())
    }

    /// A file that the text refers to, called by what it holds: another text has another name, so that the file of a
    /// running proxy is never changed below it. Returns its path as a word.
    pub(super) fn file(&mut self, stem: &str, suffix: &str, text: String) -> Result<String, RenderError> {
        let path = self.dir.join(format!("{stem}-{}.{suffix}", digest(&text)));
        let name = super::tls::path(&path)?;
        if !self.files.iter().any(|file| file.path == path) {
            self.files.push(AuxFile { path, text });
        }
        Ok(name)
    }
}

/// All lines between the binds and the default backend.
pub(super) fn rules<'a>(config: &Config, frontend: &Frontend, dir: &'a Path) -> Result<Lines<'a>, RenderError> {
    let Rules {
        accept_proxy,
        redirect_https: _,
        hsts,
        allow: _,
        deny: _,
        rate_limit: _,
        basic_auth: _,
        forwarded: _,
        request_headers: _,
        response_headers: _,
        compression: _,
        monitor_uri,
        routes,
    } = &frontend.rules;
    let mut lines = Lines { lines: Vec::new(), files: Vec::new(), origin: frontend.origin, dir };
    if let Some(uri) = monitor_uri {
        lines.add(format!("monitor-uri {}", word(one_line("a path", uri)?)));
    }
    if !accept_proxy.is_empty() {
        lines.acl("vipkeeper-proxies", "src", accept_proxy.iter().map(String::as_str))?;
        lines.add("tcp-request connection expect-proxy layer4 if vipkeeper-proxies");
    }
    access::add_connection_rules(&mut lines, config, frontend)?;
    if let Some(age) = hsts {
        // After every response, those of our own redirects included.
        let age = age.as_secs();
        lines
            .add(format!("http-after-response set-header Strict-Transport-Security \"max-age={age}\" if {{ ssl_fc }}"));
    }
    access::add_request_rules(&mut lines, frontend)?;
    routes::add(&mut lines, frontend, routes)?;
    Ok(lines)
}
