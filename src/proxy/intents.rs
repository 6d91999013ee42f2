//! What operators want beside what the file says: maintenance, drain and weights of servers, maintenance of the node.
//!
//! Kept until they take it back: HAProxy forgets it when it is started again. Pure: what to say to HAProxy and what to
//! write down are data.

use std::collections::BTreeMap;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::config::{Backend, Config, Server, ServerTemplate};

/// Servers of which something is wanted at a time; more are refused.
pub const INTENTS_MAX: usize = 1_000;

/// The longest text that is read back.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// Format of the text; another one is not understood.
const FORMAT: u32 = 1;

/// The state of a server, in HAProxy's words (`set server ... state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum AdminState {
    /// It takes part.
    Ready,
    /// It finishes what it has, and gets nothing new but by persistence.
    Drain,
    /// It gets nothing and is not checked.
    Maint,
}

impl AdminState {
    /// HAProxy's word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Drain => "drain",
            Self::Maint => "maint",
        }
    }
}

/// What an operator asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Wish {
    /// Another state.
    State(AdminState),
    /// Another weight, 0 to 256; none: that of the file again.
    Weight(Option<u32>),
}

/// What is wanted of one server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Intent {
    /// Another state than that of the file.
    pub state: Option<AdminState>,
    /// Another weight than that of the file, 0 to 256.
    pub weight: Option<u32>,
    /// When it was asked for, since the epoch.
    pub since: Duration,
}

/// All of them, by `backend/server`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Intents {
    servers: BTreeMap<String, Intent>,
    /// The whole node is to hold no VIP.
    pub maintenance: bool,
}

#[derive(Serialize, Deserialize)]
struct Text {
    format: u32,
    servers: BTreeMap<String, Intent>,
    #[serde(default)]
    maintenance: bool,
}

impl Intents {
    /// Reads what [`Intents::text`] wrote.
    ///
    /// # Errors
    /// When it is something else, in words for people.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text: Text = serde_json::from_str(text).map_err(|e| e.to_string())?;
        if text.format != FORMAT || text.servers.len() > INTENTS_MAX {
            return Err(format!("format {} with {} servers is not known", text.format, text.servers.len()));
        }
        Ok(Self { servers: text.servers, maintenance: text.maintenance })
    }

    /// To be kept over a restart.
    pub fn text(&self) -> String {
        let text = Text { format: FORMAT, servers: self.servers.clone(), maintenance: self.maintenance };
        serde_json::to_string(&text).unwrap_or_default()
    }

    /// Whether nothing is wanted of any server.
    pub fn is_empty(&self) -> bool {
        self.servers.is_empty()
    }

    /// All, by the name of the server.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Intent)> {
        self.servers.iter().map(|(name, intent)| (name.as_str(), intent))
    }

    /// Takes up a wish; returns what HAProxy is to be told now.
    ///
    /// # Errors
    /// When there is no such server, or no room, in words for people.
    pub fn wish(&mut self, config: &Config, name: &str, wish: Wish, now: Duration) -> Result<String, String> {
        let written = written(config, name)?;
        if !self.servers.contains_key(name) && self.servers.len() >= INTENTS_MAX {
            return Err(format!("something is wanted of {INTENTS_MAX} servers already: take some of it back"));
        }
        let intent = self.servers.entry(name.to_owned()).or_default();
        intent.since = now;
        let command = match wish {
            Wish::State(state) => {
                // Nothing is wanted of a server that is as the file says.
                intent.state = (state != written.state).then_some(state);
                format!("set server {name} state {}", state.name())
            }
            Wish::Weight(weight) => {
                intent.weight = weight.filter(|weight| *weight != written.weight);
                format!("set server {name} weight {}", weight.unwrap_or(written.weight))
            }
        };
        self.servers.retain(|_, intent| intent.state.is_some() || intent.weight.is_some());
        Ok(command)
    }

    /// What a worker is to be told that knows nothing of it.
    pub fn commands(&self) -> Vec<String> {
        let of = |(name, intent): (&String, &Intent)| {
            let state = intent.state.map(|state| format!("set server {name} state {}", state.name()));
            let weight = intent.weight.map(|weight| format!("set server {name} weight {weight}"));
            [state, weight]
        };
        self.servers.iter().flat_map(of).flatten().collect()
    }

    /// Forgets servers that the configuration no longer has; says which.
    pub fn prune(&mut self, config: &Config) -> Vec<String> {
        let gone: Vec<String> = self.servers.keys().filter(|name| written(config, name).is_err()).cloned().collect();
        self.servers.retain(|name, _| !gone.contains(name));
        gone
    }
}

/// What the file says of a server.
struct Written {
    state: AdminState,
    weight: u32,
}

fn written(config: &Config, name: &str) -> Result<Written, String> {
    let (of, server) = name.split_once('/').ok_or_else(|| format!("{name:?} is not like \"backend/server\""))?;
    let backend = config.backends.iter().find(|backend| backend.name.as_str() == of);
    let backend = backend.ok_or_else(|| format!("there is no backend {of:?}"))?;
    if let Some(Server { weight, disabled, .. }) = backend.servers.iter().find(|s| s.name.as_str() == server) {
        let state = if *disabled { AdminState::Maint } else { AdminState::Ready };
        return Ok(Written { state, weight: *weight });
    }
    if let Some(template) = of_template(backend, server) {
        return Ok(Written { state: AdminState::Ready, weight: template.weight });
    }
    let names: Vec<&str> = backend.servers.iter().take(10).map(|server| server.name.as_str()).collect();
    Err(format!("backend {of} has no server {server:?}; it has {}", names.join(", ")))
}

/// Servers of a template are named by its prefix and a number.
fn of_template<'b>(backend: &'b Backend, server: &str) -> Option<&'b ServerTemplate> {
    let template = backend.template.as_ref()?;
    let number: u32 = server.strip_prefix(template.prefix.as_str())?.parse().ok()?;
    (1..=template.count).contains(&number).then_some(template)
}

#[cfg(test)]
mod tests;
