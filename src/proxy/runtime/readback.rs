//! Whether a worker is what a patch should have made of it, by its own words.

use std::net::{IpAddr, SocketAddr};

use super::{Change, Patch, ServerChange};

/// The question: servers with address, weight and state, then all limits.
pub const READBACK_COMMAND: &str = "show servers state;show stat -1 5 -1\n";

/// The longest answer that is read; with more servers than that a change is a reload.
pub const ANSWER_BYTES_MAX: usize = 16 << 20;

/// `SRV_ADMF_FMAINT`: in maintenance by command or by the file.
const MAINTENANCE: u32 = 1;

/// `CHK_ST_ENABLED`.
const CHECK_ENABLED: u32 = 4;

/// # Errors
/// The first change that is not in force, or what is wrong with the answer.
pub fn confirm(patch: &Patch, answer: &str) -> Result<(), String> {
    let at = answer.find("\n# pxname,").ok_or("`show stat` was not answered as it should be")?;
    let (states, stat) = answer.split_at_checked(at + 1).ok_or("the answer is cut off")?;
    if !answer.ends_with("\n\n") || !states.contains("# be_id be_name srv_id srv_name ") {
        return Err("`show servers state` was not answered as it should be".to_owned());
    }
    let states: Vec<State> = states.lines().filter_map(State::parse).collect();
    for (n, change) in patch.changes.iter().enumerate() {
        let wrong = |what: String| Err(format!("{change}: {what}"));
        match change {
            // Read back by its serial number as soon as it is there.
            Change::Certificate { .. } => {}
            Change::FrontendMaxconn { frontend, maxconn } => match limit(stat, frontend, "FRONTEND") {
                Some(is) if is == *maxconn => {}
                is => return wrong(format!("HAProxy still says {is:?}")),
            },
            Change::Server { backend, server, what } => {
                let state = states.iter().find(|state| state.backend == backend && state.server == server);
                let gone = patch.changes.iter().skip(n).any(|later| later.removes(backend, server));
                match (state, gone) {
                    (None, true) => {}
                    (Some(_), true) => return wrong("it is still there".to_owned()),
                    (None, false) => return wrong("there is no such server".to_owned()),
                    (Some(state), false) => {
                        let limit = || limit(stat, backend, server);
                        if let Some(odd) = state.differs(what, limit) {
                            return wrong(odd);
                        }
                    }
                }
            }
        }
    }
    Ok(())
}

impl Change {
    fn removes(&self, of: &str, name: &str) -> bool {
        matches!(self, Self::Server { backend, server, what: ServerChange::Remove } if backend == of && server == name)
    }
}

/// A line of `show servers state`.
struct State<'a> {
    backend: &'a str,
    server: &'a str,
    ip: Option<IpAddr>,
    admin: u32,
    weight: u32,
    check: u32,
    port: u16,
}

impl<'a> State<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let number = |at: usize| fields.get(at)?.parse::<u32>().ok();
        Some(Self {
            backend: fields.get(1)?,
            server: fields.get(3)?,
            ip: fields.get(4)?.parse().ok(),
            admin: number(6)?,
            weight: number(7)?,
            check: number(13)?,
            port: fields.get(18)?.parse().ok()?,
        })
    }

    /// What is not as it should be.
    fn differs(&self, what: &ServerChange, limit: impl Fn() -> Option<u32>) -> Option<String> {
        let resting = self.admin & MAINTENANCE != 0;
        let weight = |wanted: u32| (self.weight != wanted).then(|| format!("its weight is {}", self.weight));
        let rests = |wanted: bool| {
            (resting != wanted).then(|| if resting { "it is in maintenance" } else { "it takes traffic" }.to_owned())
        };
        match what {
            ServerChange::Add { words, checked, disabled, weight: wanted } => {
                let address = words.split(' ').next().and_then(|address| address.parse().ok());
                self.is_elsewhere(address)
                    .or_else(|| weight(*wanted))
                    .or_else(|| rests(*disabled))
                    .or_else(|| (*checked && self.check & CHECK_ENABLED == 0).then(|| "it is not checked".to_owned()))
            }
            ServerChange::Weight(wanted) => weight(*wanted),
            ServerChange::Address(address) => self.is_elsewhere(Some(*address)),
            ServerChange::Maxconn(wanted) => {
                let is = limit().unwrap_or(0);
                (is != *wanted).then(|| format!("its limit is {is}"))
            }
            ServerChange::Disable => rests(true),
            ServerChange::Enable => rests(false),
            ServerChange::Remove => Some("it is still there".to_owned()),
        }
    }

    fn is_elsewhere(&self, wanted: Option<SocketAddr>) -> Option<String> {
        let right = wanted.is_some_and(|wanted| self.ip == Some(wanted.ip()) && self.port == wanted.port());
        (!right).then(|| match self.ip {
            Some(ip) => format!("its address is {}", SocketAddr::new(ip, self.port)),
            None => "it has no address".to_owned(),
        })
    }
}

/// `slim` of a line of `show stat`; names hold no commas.
fn limit(stat: &str, section: &str, line: &str) -> Option<u32> {
    let mut lines = stat.lines();
    let column = lines.next()?.split(',').position(|name| name == "slim")?;
    let wanted = lines.find(|row| {
        row.strip_prefix(section)
            .and_then(|rest| rest.strip_prefix(','))
            .is_some_and(|rest| rest.strip_prefix(line).is_some_and(|rest| rest.starts_with(',')))
    })?;
    wanted.split(',').nth(column)?.parse().ok()
}
