//! How HAProxy finds out which servers are up.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::TlsTrust;

/// How HAProxy checks the servers of a backend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is sent.
    pub kind: CheckKind,
    /// `inter`
    pub interval: Duration,
    /// `rise`, 1-100.
    pub rise: u32,
    /// `fall`, 1-100.
    pub fall: u32,
    /// How it reaches the servers.
    pub route: CheckRoute,
    /// What else sets its pace.
    pub pace: CheckPace,
    /// What a verdict does.
    pub reaction: CheckReaction,
}

/// The kind of check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckKind {
    /// A connection is enough.
    Tcp,
    /// An HTTP request.
    Http {
        /// Method in capitals.
        method: String,
        /// Path with query.
        path: String,
        /// `Host` header.
        host: Option<String>,
        /// Its HTTP version.
        version: HttpVersion,
        /// Further headers, in the order of their names.
        headers: Vec<(String, String)>,
        /// What the answer must be; 2xx or 3xx when none.
        expect: Option<HttpExpect>,
    },
    /// The handshake of MySQL and MariaDB, as a user without password.
    Mysql {
        /// That user.
        user: String,
    },
    /// The start of a PostgreSQL session.
    Pgsql {
        /// The user that is named.
        user: String,
    },
    /// PING, and which role the server has.
    Redis {
        /// Which servers are up.
        role: RedisRole,
        /// Environment variable with the password.
        password: Option<String>,
    },
    /// EHLO.
    Smtp {
        /// What the server is told as our name.
        hello: String,
    },
    /// An anonymous LDAP bind.
    Ldap,
    /// A TLS client hello, without a handshake.
    SslHello,
    /// The REST API of Patroni.
    Patroni(PatroniRole),
    /// The AMQP 0-9-1 protocol header, which RabbitMQ answers.
    Rabbitmq,
    /// Steps of the user's, at least one.
    Script(Vec<CheckStep>),
}

/// HTTP version of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HttpVersion {
    /// HTTP/1.0
    V10,
    /// HTTP/1.1
    V11,
}

/// What the answer to a check must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpExpect {
    /// Status codes, at least one range.
    pub status: Vec<RangeInclusive<u16>>,
    /// What the body must hold.
    pub body: Option<BodyMatch>,
}

/// What is looked for in the body of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BodyMatch {
    /// This text somewhere in it.
    Text(String),
    /// A match of this regular expression.
    Regex(String),
}

/// Which Redis servers are up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RedisRole {
    /// All that answer.
    Any,
    /// The master.
    Master,
    /// Replicas.
    Replica,
}

/// Which PostgreSQL servers are up, by what Patroni says of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PatroniRole {
    /// The one that takes writes.
    Primary,
    /// Running replicas.
    Replica,
    /// Whoever answers reads: replicas and the primary.
    ReadOnly,
    /// Synchronous replicas.
    Synchronous,
    /// Asynchronous replicas.
    Asynchronous,
    /// The leader of a standby cluster.
    StandbyLeader,
}

/// One step of a check of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CheckStep {
    /// Sends a text; no NUL in it.
    Send(String),
    /// Sends bytes, as an even number of hex digits.
    SendHex(String),
    /// Waits for a text.
    Expect(String),
    /// Waits for a match.
    ExpectRegex(String),
    /// Waits for bytes.
    ExpectHex(String),
}

/// How a check reaches a server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckRoute {
    /// Another port than that of the traffic.
    pub port: Option<u16>,
    /// Another host.
    pub addr: Option<String>,
    /// TLS, although the traffic has none or goes elsewhere.
    pub tls: Option<CheckTls>,
    /// A PROXY header in front.
    pub send_proxy: bool,
}

/// TLS of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckTls {
    /// How the certificate is judged; none: as the servers' own `tls` says.
    pub trust: Option<TlsTrust>,
    /// Name that is asked for.
    pub sni: Option<String>,
    /// Protocols that are offered.
    pub alpn: Vec<String>,
}

/// The pace of a check where it is not `inter`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckPace {
    /// `fastinter`: between up and down.
    pub fastinter: Option<Duration>,
    /// `downinter`: while down.
    pub downinter: Option<Duration>,
    /// `timeout check`, counted from the connection.
    pub timeout: Option<Duration>,
}

/// What follows from checks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CheckReaction {
    /// Connections of a server that goes down are ended.
    pub shutdown_sessions: bool,
    /// Connections to backups are ended when a server comes up.
    pub shutdown_backup_sessions: bool,
    /// Traffic that is watched for errors as well.
    pub observe: Option<Observe>,
}

/// Watching of the traffic itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observe {
    /// What is watched.
    pub layer: ObserveLayer,
    /// What so many errors in a row do.
    pub on_error: OnError,
    /// `error-limit`, 1-1000.
    pub error_limit: u32,
}

/// What traffic is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObserveLayer {
    /// Connections.
    Layer4,
    /// HTTP answers.
    Layer7,
}

/// What errors in the traffic do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnError {
    /// Checks at `fastinter`.
    Fastinter,
    /// Count as a failed check.
    FailCheck,
    /// The next failed check is the last.
    SuddenDeath,
    /// The server is down at once.
    MarkDown,
}

/// An agent on each server, which says how much load it bears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Its port.
    pub port: u16,
    /// Another host than the server's.
    pub addr: Option<String>,
    /// From one question to the next.
    pub interval: Duration,
    /// What it is sent.
    pub send: Option<String>,
}
