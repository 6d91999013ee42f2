//! Paths, methods and bodies.

use std::time::Duration;

use schemars::JsonSchema;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::page::{self, Asset};
use crate::node::event::Request;
use crate::proxy::intents::Wish;
use crate::units::Name;

/// The greatest weight of a server (HAProxy).
const WEIGHT_MAX: u32 = 256;

/// What a path stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Path {
    /// Something of the status at this moment.
    View(View),
    /// The status again and again, as server-sent events.
    Events,
    /// What there is.
    OpenApi,
    /// A file of the page.
    Asset(&'static Asset),
    /// Something to be done.
    Act(Act),
}

/// What of the status is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum View {
    /// All of it.
    Status,
    /// One VIP, by name.
    Vip(String),
    /// For Prometheus.
    Metrics,
    /// Whether vipkeeper answers.
    Health,
    /// Whether this node could hold a VIP.
    Ready,
}

/// Something to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Act {
    /// Read the files again.
    Reload,
    /// Give up VIPs.
    Release,
    /// Take part again.
    Resume,
    /// Hand over.
    Switchover,
    /// Stand aside, also over restarts.
    Maintenance,
    /// Change a server of the proxy.
    Server,
}

impl Act {
    /// All, by the last part of their path.
    pub const ALL: [(&'static str, Self); 6] = [
        ("reload", Self::Reload),
        ("release", Self::Release),
        ("resume", Self::Resume),
        ("switchover", Self::Switchover),
        ("maintenance", Self::Maintenance),
        ("server", Self::Server),
    ];
}

/// What there is, for those who ask for something else.
pub const PATHS: &str = "GET /, /metrics, /healthz, /readyz, /api/v1/status, /api/v1/vips/NAME, /api/v1/events and \
                         /api/v1/openapi.json, POST /api/v1/reload, release, resume, switchover, maintenance and server";

impl Path {
    /// What that path stands for; none: nothing. `/v1` is short for `/api/v1`.
    pub fn of(path: &str) -> Option<Self> {
        match path {
            "/metrics" => return Some(Self::View(View::Metrics)),
            "/healthz" => return Some(Self::View(View::Health)),
            "/readyz" => return Some(Self::View(View::Ready)),
            _ => {}
        }
        if let Some(asset) = page::asset(path) {
            return Some(Self::Asset(asset));
        }
        let rest = path.strip_prefix("/api").unwrap_or(path).strip_prefix("/v1/")?;
        match rest {
            "status" => Some(Self::View(View::Status)),
            "events" => Some(Self::Events),
            "openapi.json" => Some(Self::OpenApi),
            _ => match rest.strip_prefix("vips/") {
                Some(name) => Some(Self::View(View::Vip(name.to_owned()))),
                None => Act::ALL.iter().find(|(name, _)| *name == rest).map(|(_, act)| Self::Act(*act)),
            },
        }
    }

    /// `GET` or `POST`.
    pub fn method(&self) -> &'static str {
        match self {
            Self::Act(_) => "POST",
            Self::View(_) | Self::Events | Self::OpenApi | Self::Asset(_) => "GET",
        }
    }
}

/// The answer to whatever has no better one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Answer {
    /// It was done.
    pub ok: bool,
    /// What was done, or the whole reason why not.
    pub message: String,
}

/// Body of a release.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ReleaseBody {
    /// Which VIP; none: all.
    pub vip: Option<String>,
    /// For how long in milliseconds; 0: until it is resumed.
    pub hold_ms: u64,
}

/// Body of a wish about a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServerBody {
    /// `backend/server`
    pub server: String,
    /// What is wanted of it.
    pub wish: Wish,
}

/// Body of a switchover.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SwitchoverBody {
    /// Which VIP; none: all that are here.
    pub vip: Option<String>,
    /// To which node; none: the best one.
    pub to: Option<String>,
}

/// Body of a maintenance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MaintenanceBody {
    /// Whether this node stands aside.
    pub on: bool,
}

/// Body of a resume.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ResumeBody {
    /// Which VIP; none: all.
    pub vip: Option<String>,
}

/// What is asked of the node.
///
/// # Errors
/// What is wrong with the body, with an example.
pub fn parse(act: Act, body: &[u8]) -> Result<Request, String> {
    match act {
        Act::Reload => Ok(Request::Reload),
        Act::Release => {
            let body: ReleaseBody = parse_body(body, r#"{"vip": "www", "hold_ms": 0}"#)?;
            Ok(Request::Release { vip: parse_vip(body.vip)?, hold: Duration::from_millis(body.hold_ms) })
        }
        Act::Resume => {
            let body: ResumeBody = parse_body(body, r#"{"vip": "www"}"#)?;
            Ok(Request::Resume { vip: parse_vip(body.vip)? })
        }
        Act::Switchover => {
            let body: SwitchoverBody = parse_body(body, r#"{"vip": "www", "to": "lb2"}"#)?;
            let to = body.to.map(|name| Name::new(&name)).transpose().map_err(|e| format!("to: {e}"))?;
            Ok(Request::Switchover { vip: parse_vip(body.vip)?, to })
        }
        Act::Maintenance => {
            let body: MaintenanceBody =
                serde_json::from_slice(body).map_err(|e| format!("the body is not like {{\"on\": true}}: {e}"))?;
            Ok(Request::Maintenance { on: body.on })
        }
        Act::Server => {
            let example = r#"{"server": "web/web1", "wish": {"state": "drain"}}"#;
            let ServerBody { server, wish } =
                serde_json::from_slice(body).map_err(|e| format!("the body is not like {example}: {e}"))?;
            match wish {
                Wish::Weight(Some(weight)) if weight > WEIGHT_MAX => {
                    Err(format!("a weight is from 0 to {WEIGHT_MAX}, not {weight}"))
                }
                Wish::Weight(_) | Wish::State(_) => Ok(Request::Server { server, wish }),
            }
        }
    }
}

/// An empty body means all defaults.
fn parse_body<T: DeserializeOwned + Default>(body: &[u8], example: &str) -> Result<T, String> {
    if body.trim_ascii().is_empty() {
        return Ok(T::default());
    }
    serde_json::from_slice(body).map_err(|e| format!("the body is not like {example}: {e}"))
}

fn parse_vip(vip: Option<String>) -> Result<Option<Name>, String> {
    vip.map(|name| Name::new(&name)).transpose().map_err(|e| format!("vip: {e}"))
}
