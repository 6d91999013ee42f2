//! Who is told when a VIP changes hands.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::units::Name;

/// Somebody who is told of transitions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notifier {
    /// Name; unique.
    pub name: Name,
    /// How.
    pub channel: Channel,
    /// From one message to the next; zero: each at once.
    pub every: Duration,
    /// Of which states, in lower case (`master`, `backup`, `fault`, `stop`); empty: of all.
    pub states: Vec<String>,
}

/// How somebody is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Channel {
    /// A line into a named pipe, in keepalived's format.
    Fifo {
        /// Absolute path.
        path: PathBuf,
    },
    /// journald with fields, else syslog.
    Syslog,
    /// POST to an HTTP server.
    Webhook {
        /// `http://` or `https://`.
        url: String,
        /// Beside Content-Type; `env:NAME` stands for an environment variable.
        headers: BTreeMap<String, String>,
        /// A tera template that parses; none: JSON.
        body: Option<String>,
    },
    /// Mail by SMTP.
    Email {
        /// Name or address of the server.
        server: String,
        /// TCP port.
        port: u16,
        /// How the connection is protected.
        tls: MailTls,
        /// Whom it is from.
        from: String,
        /// Who gets it; at least one.
        to: Vec<String>,
        /// User, and the file with the password.
        login: Option<(String, PathBuf)>,
    },
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailTls {
    /// It begins in the clear and goes on with TLS, or not at all.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all.
    None,
}
