//! What a node does, in lines for people: the same words in the simulation and in a replay.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use crate::node::event::Signal;
use crate::node::{Effect, LogLevel, LogLine};

/// Something worth a line, and whose it is. Shown without its time, which [`Stamp`] puts before it.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Name of the node.
    pub node: &'a str,
    /// What happened.
    pub what: What<'a>,
}

/// What happened.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// vipkeeper starts.
    Starts,
    /// A signal arrived.
    Gets(Signal),
    /// A decision with its reason.
    Says(&'a LogLine),
    /// An address of a VIP is here.
    Gains(IpAddr),
    /// An address of a VIP is gone.
    Loses(IpAddr),
    /// A request is answered.
    Answers(&'a Result<String, String>),
    /// vipkeeper ends, with this status.
    Exits(u8),
}

impl<'a> What<'a> {
    /// What an effect tells. Most tell nothing by themselves: the node says why it does something, and the world answers.
    pub fn of(effect: &'a Effect) -> Option<Self> {
        if let Effect::Log(line) = effect {
            return (line.level != LogLevel::Debug).then_some(Self::Says(line));
        }
        if let Effect::Reply { result, .. } = effect {
            return Some(Self::Answers(result));
        }
        if let Effect::Exit { code } = effect {
            return Some(Self::Exits(*code));
        }
        None
    }
}

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.node)?;
        match self.what {
            What::Starts => f.write_str(" vipkeeper starts"),
            What::Gets(signal) => write!(f, " gets {signal:?}"),
            What::Says(LogLine { level: _, vip: Some(vip), message }) => write!(f, " {vip}: {message}"),
            What::Says(LogLine { level: _, vip: None, message }) => write!(f, ": {message}"),
            What::Gains(ip) => write!(f, " + {ip}"),
            What::Loses(ip) => write!(f, " - {ip}"),
            What::Answers(result) => write!(f, " answers {result:?}"),
            What::Exits(code) => write!(f, " vipkeeper exits {code}"),
        }
    }
}

/// The time of a line: milliseconds since the start, and two spaces.
#[derive(Debug, Clone, Copy)]
pub struct Stamp(pub Duration);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = u64::try_from(self.0.as_micros()).unwrap_or(u64::MAX);
        // Exact up to 2^53 microseconds, which are centuries.
        let half = |n: u64| f64::from(u32::try_from(n & u64::from(u32::MAX)).unwrap_or(u32::MAX));
        let ms = (half(micros >> 32) * 4_294_967_296.0 + half(micros)) / 1000.0;
        write!(f, "{ms:>10.2} ms  ")
    }
}
