//! Reading HAProxy's stats socket: `show info` and `show stat` as text in, a [`Sample`] out.
//!
//! Bounded and tolerant of new columns; intolerant of anything that is not HAProxy's answer. It must never fill a
//! gap with a default: a fact that is missing makes the probe a failed one.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use crate::render::GENERATION_PREFIX;
use crate::units::Digest;

/// The command of one probe: process facts, then frontends and backends (types 1 and 2) without servers.
pub const PROBE_COMMAND: &str = "show info;show stat -1 3 -1\n";

/// The longest answer that is read; more counts as a failed probe.
pub const ANSWER_BYTES_MAX: usize = 1 << 20;

/// What a proxy says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sample {
    /// Process id of the answering worker.
    pub pid: u32,
    /// Version as `(major, minor)`.
    pub version: (u32, u32),
    /// The version in full, as HAProxy prints it.
    pub version_text: String,
    /// Generation of the file it runs, from the `description` that we render; none: not ours.
    pub generation: Option<Digest>,
    /// It is an old worker that finishes its connections.
    pub stopping: bool,
    /// Current connections.
    pub connections: u64,
    /// Connection limit.
    pub connections_max: u64,
    /// Connections accepted since it started, those of its own sockets included; none: it does not say.
    #[serde(default)]
    pub accepted: Option<u64>,
    /// Seconds since it started.
    pub uptime_secs: u64,
    /// Connections that were accepted and dropped at once for want of room, since the start; nginx's only: HAProxy
    /// leaves them in the kernel's queue.
    #[serde(default)]
    pub refused: u64,
    /// `(name, status)` of every frontend, in HAProxy's order; a serving one is `OPEN`.
    pub frontends: Vec<(String, String)>,
    /// Every backend, in HAProxy's order.
    pub backends: Vec<BackendSample>,
    /// Where somebody listens for TCP on this host, as the kernel says; none: it was not asked.
    #[serde(default)]
    pub listening: Option<BTreeSet<SocketAddr>>,
}

/// What HAProxy says of one backend.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BackendSample {
    /// Name.
    pub name: String,
    /// `UP` while a server is, else `DOWN`.
    pub status: String,
    /// Servers that requests can be sent to, backup ones too: up or without check, enabled, with a weight.
    pub servers_up: u32,
    /// Requests that wait because every server is full.
    pub queued: u64,
}

/// Why an answer is no [`Sample`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatsError {
    /// The socket was closed without a word.
    #[error("the stats socket gave an empty answer")]
    Empty,
    /// The empty line that ends every answer is missing: the process died while it wrote, or it is not HAProxy.
    #[error("the answer of the stats socket is cut off after {0} bytes")]
    CutOff(usize),
    /// `show info` lacks a field.
    #[error("`show info` answered without a usable {0}")]
    Info(&'static str),
    /// `show stat` has no header line, or the header lacks a column.
    #[error("`show stat` answered without a {0} column")]
    Column(&'static str),
    /// A row of `show stat` is shorter than its header demands, or holds text where a number belongs.
    #[error("row {0} of `show stat` is incomplete")]
    Row(usize),
}

impl Sample {
    /// Reads the answer to [`PROBE_COMMAND`].
    pub fn parse(answer: &str) -> Result<Self, StatsError> {
        if answer.trim().is_empty() {
            return Err(StatsError::Empty);
        }
        // Each of the two answers ends in an empty line (management guide, section 9.3).
        if !answer.ends_with("\n\n") {
            return Err(StatsError::CutOff(answer.len()));
        }
        // `description` holds any text, but no line feed, so that the first line with `# ` begins the table.
        let table = answer.find("\n# ").map_or(answer.len(), |at| at + 1);
        let (info, stat) = answer.split_at_checked(table).unwrap_or((answer, ""));
        let info = Info::parse(info);
        let (frontends, backends) = parse_stat(stat)?;
        let version_text = info.version.ok_or(StatsError::Info("Version"))?;
        Ok(Self {
            pid: number(info.pid).and_then(|n| u32::try_from(n).ok()).ok_or(StatsError::Info("Pid"))?,
            version: version(version_text).ok_or(StatsError::Info("Version"))?,
            version_text: version_text.to_owned(),
            generation: info.description.and_then(generation),
            stopping: number(info.stopping).ok_or(StatsError::Info("Stopping"))? != 0,
            connections: number(info.connections).ok_or(StatsError::Info("CurrConns"))?,
            connections_max: number(info.connections_max).ok_or(StatsError::Info("Maxconn"))?,
            accepted: number(info.accepted),
            uptime_secs: number(info.uptime).ok_or(StatsError::Info("Uptime_sec"))?,
            refused: 0,
            frontends,
            backends,
            listening: None,
        })
    }
}

/// The fields of `show info` that count, as text. The first of equal names wins: what follows could only come
/// from a value.
#[derive(Default)]
struct Info<'a> {
    pid: Option<&'a str>,
    version: Option<&'a str>,
    description: Option<&'a str>,
    stopping: Option<&'a str>,
    connections: Option<&'a str>,
    connections_max: Option<&'a str>,
    accepted: Option<&'a str>,
    uptime: Option<&'a str>,
}

impl<'a> Info<'a> {
    fn parse(text: &'a str) -> Self {
        let mut info = Self::default();
        for (name, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let field = match name {
                "Pid" => &mut info.pid,
                "Version" => &mut info.version,
                "description" => &mut info.description,
                "Stopping" => &mut info.stopping,
                "CurrConns" => &mut info.connections,
                "Maxconn" => &mut info.connections_max,
                "CumConns" => &mut info.accepted,
                "Uptime_sec" => &mut info.uptime,
                _ => continue,
            };
            field.get_or_insert(value.trim());
        }
        info
    }
}

fn number(text: Option<&str>) -> Option<u64> {
    text.and_then(|t| t.parse().ok())
}

/// `2.6.12-1+deb12u4` and `3.4-dev5` to major and minor.
pub(super) fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.splitn(3, ['.', '-']);
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The current connections that the answer to `show info` of an old worker names.
pub fn connections_in(info: &str) -> Option<u64> {
    number(Info::parse(info).connections)
}

/// Process id and generation that the answer to `show info` names.
pub fn identity_in(info: &str) -> Option<(u32, Digest)> {
    let info = Info::parse(info);
    let pid = number(info.pid).and_then(|n| u32::try_from(n).ok())?;
    Some((pid, info.description.and_then(generation)?))
}

fn generation(description: &str) -> Option<Digest> {
    description.strip_prefix(GENERATION_PREFIX)?.parse().ok()
}

type Stat = (Vec<(String, String)>, Vec<BackendSample>);

/// Frontends and backends with their status, by the names of the header's columns.
fn parse_stat(text: &str) -> Result<Stat, StatsError> {
    let mut lines = text.lines();
    let header = lines.next().and_then(|l| l.strip_prefix("# ")).ok_or(StatsError::Column("pxname"))?;
    let column = |name: &'static str| header.split(',').position(|c| c == name).ok_or(StatsError::Column(name));
    let (pxname, svname, status) = (column("pxname")?, column("svname")?, column("status")?);
    let (act, bck, qcur) = (column("act")?, column("bck")?, column("qcur")?);
    let last = [pxname, svname, status, act, bck, qcur].into_iter().fold(0, usize::max);

    let (mut frontends, mut backends) = (Vec::new(), Vec::new());
    for (index, line) in lines.take_while(|l| !l.is_empty()).enumerate() {
        let fields = fields(line, last + 1);
        let field = |at: usize| fields.get(at).ok_or(StatsError::Row(index + 1));
        let count = |at: usize| field(at)?.parse::<u64>().map_err(|_| StatsError::Row(index + 1));
        let (name, kind, status) = (field(pxname)?, field(svname)?, field(status)?);
        match kind.as_str() {
            // HAProxy's internal proxies, such as `<HTTPCLIENT>`, listen to nobody. (It lists neither the stats
            // socket, GLOBAL, nor the master's, MASTER; those names are free for users.)
            _ if name.starts_with('<') => continue,
            "FRONTEND" => frontends.push((name.clone(), status.clone())),
            "BACKEND" => {
                let up = count(act)?.saturating_add(count(bck)?);
                backends.push(BackendSample {
                    name: name.clone(),
                    status: status.clone(),
                    servers_up: u32::try_from(up).unwrap_or(u32::MAX),
                    queued: count(qcur)?,
                });
            }
            _ => continue,
        }
    }
    Ok((frontends, backends))
}

/// The first `count` fields of a CSV line; a quoted one may hold commas, and a doubled quote stands for one.
fn fields(line: &str, count: usize) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(field) = fields.last_mut() else { break };
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' if quoted || field.is_empty() => quoted = !quoted,
            ',' if !quoted => {
                if fields.len() == count {
                    return fields;
                }
                fields.push(String::new());
            }
            _ => field.push(c),
        }
    }
    fields
}
