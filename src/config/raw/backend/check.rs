//! `check` and `agent` of a backend as they are written.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;

use super::super::default;
use super::RawServerVerify;
use crate::config::limits;
use crate::config::written::{At, DurationText, Some1};

/// How HAProxy checks the servers: one kind of check, how it is reached, and what it does.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawCheck {
    /// A connection is enough.
    #[schemars(example = true)]
    pub(in crate::config) tcp: Option<At<bool>>,
    /// Method and path of a request that must be answered 2xx or 3xx, or as `expect` says.
    #[schemars(example = &"GET /index.html")]
    pub(in crate::config) http: Option<At<String>>,
    /// The Host header of that request.
    #[schemars(example = &"www.example.com")]
    pub(in crate::config) host: Option<At<String>>,
    /// Its HTTP version.
    #[schemars(extend("default" = "1.0"))]
    pub(in crate::config) version: Option<At<RawHttpVersion>>,
    /// Further headers of it, by name.
    #[schemars(example = BTreeMap::from([("Authorization", "Basic bGI6bGI=")]))]
    pub(in crate::config) headers: Option<At<BTreeMap<At<String>, At<String>>>>,
    /// What its answer must be.
    #[schemars(example = BTreeMap::from([("body", "in service")]))]
    pub(in crate::config) expect: Option<At<RawExpect>>,
    /// User without password for the handshake of MySQL or MariaDB.
    #[schemars(example = &"haproxy")]
    pub(in crate::config) mysql: Option<At<String>>,
    /// User that a PostgreSQL session is begun with.
    #[schemars(example = &"haproxy")]
    pub(in crate::config) pgsql: Option<At<String>>,
    /// PING, and which role the server must have.
    #[schemars(example = &"master")]
    pub(in crate::config) redis: Option<At<RawRedisRole>>,
    /// Environment variable of vipkeeper with the password of Redis, as "env:NAME".
    #[schemars(example = &"env:REDIS_PASSWORD")]
    pub(in crate::config) password: Option<At<String>>,
    /// Host name that an SMTP server is greeted with.
    #[schemars(example = &"lb.example.com")]
    pub(in crate::config) smtp: Option<At<String>>,
    /// An anonymous LDAP bind.
    #[schemars(example = true)]
    pub(in crate::config) ldap: Option<At<bool>>,
    /// A TLS client hello that must be answered; no handshake follows.
    #[schemars(example = true)]
    pub(in crate::config) ssl_hello: Option<At<bool>>,
    /// What Patroni, on port 8008, must say that a PostgreSQL server is.
    #[schemars(example = &"primary")]
    pub(in crate::config) patroni: Option<At<RawPatroniRole>>,
    /// The header of AMQP 0-9-1, which RabbitMQ must answer with its first frame.
    #[schemars(example = true)]
    pub(in crate::config) rabbitmq: Option<At<bool>>,
    /// Steps of your own over a TCP connection, each a table with one key.
    #[schemars(example = [BTreeMap::from([("send", "PING\r\n")]), BTreeMap::from([("expect", "+PONG")])])]
    pub(in crate::config) script: Option<At<Some1<At<RawCheckStep>>>>,
    /// From one check to the next.
    #[schemars(extend("default" = default(limits::CHECK_INTERVAL)))]
    pub(in crate::config) interval: Option<At<DurationText>>,
    /// The interval while a server is between up and down; `interval` when absent.
    #[schemars(example = &"500ms")]
    pub(in crate::config) fastinter: Option<At<DurationText>>,
    /// The interval while a server is down; `interval` when absent.
    #[schemars(example = &"5s")]
    pub(in crate::config) downinter: Option<At<DurationText>>,
    /// Good checks in a row until a server is up.
    #[schemars(range(min = 1, max = 100), extend("default" = 2))]
    pub(in crate::config) rise: Option<At<i64>>,
    /// Failed checks in a row until a server is down.
    #[schemars(range(min = 1, max = 100), extend("default" = 3))]
    pub(in crate::config) fall: Option<At<i64>>,
    /// How long the answer may take once the connection stands; the interval when absent.
    #[schemars(example = &"1s")]
    pub(in crate::config) timeout: Option<At<DurationText>>,
    /// Port of the checks, where it is not that of the traffic.
    #[schemars(example = 8081, range(min = 1, max = 65535))]
    pub(in crate::config) port: Option<At<i64>>,
    /// Host that is checked in place of the server itself.
    #[schemars(example = &"192.168.83.140")]
    pub(in crate::config) addr: Option<At<String>>,
    /// TLS for the checks alone; servers with `tls` are checked through it anyway.
    pub(in crate::config) tls: Option<At<RawCheckTls>>,
    /// Whether checks begin with a PROXY header where another port or host is checked.
    #[schemars(extend("default" = false))]
    pub(in crate::config) send_proxy: Option<At<bool>>,
    /// What becomes of the connections of a server that goes down.
    #[schemars(example = &"shutdown-sessions")]
    pub(in crate::config) on_marked_down: Option<At<RawOnMarkedDown>>,
    /// What becomes of connections to backups when a server comes up.
    #[schemars(example = &"shutdown-backup-sessions")]
    pub(in crate::config) on_marked_up: Option<At<RawOnMarkedUp>>,
    /// Whether the traffic itself is watched for errors too.
    #[schemars(example = &"layer4")]
    pub(in crate::config) observe: Option<At<RawObserve>>,
    /// What errors in observed traffic do.
    #[schemars(example = &"mark-down")]
    pub(in crate::config) on_error: Option<At<RawOnError>>,
    /// So many errors in a row.
    #[schemars(example = 10, range(min = 1, max = 1000))]
    pub(in crate::config) error_limit: Option<At<i64>>,
}

/// HTTP version of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
pub(in crate::config) enum RawHttpVersion {
    /// What HAProxy speaks unasked.
    #[serde(rename = "1.0")]
    V10,
    /// Needs a `host`.
    #[serde(rename = "1.1")]
    V11,
}

/// What the answer to an HTTP check must be.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawExpect {
    /// Status codes and ranges of them; "200-399" when absent.
    #[schemars(example = ["200-299", "401"])]
    pub(in crate::config) status: Option<At<Some1<At<String>>>>,
    /// Text that the body must hold.
    #[schemars(example = &"in service")]
    pub(in crate::config) body: Option<At<String>>,
    /// Regular expression that the body must match.
    #[schemars(example = &"^(ok|good)")]
    pub(in crate::config) body_regex: Option<At<String>>,
}

/// Which Redis servers are up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawRedisRole {
    /// All that answer.
    Any,
    /// The master.
    Master,
    /// Replicas.
    Replica,
}

/// Which PostgreSQL servers are up, by what Patroni says of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawPatroniRole {
    /// The one that takes writes.
    Primary,
    /// Running replicas.
    Replica,
    /// Replicas and the primary.
    ReadOnly,
    /// Synchronous replicas.
    Synchronous,
    /// Asynchronous replicas.
    Asynchronous,
    /// The leader of a standby cluster.
    StandbyLeader,
}

/// A step of a check.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawCheckStep {
    /// Text that is sent; line ends are written out.
    #[schemars(example = &"PING\r\n")]
    pub(in crate::config) send: Option<At<String>>,
    /// Bytes that are sent, as hex digits.
    #[schemars(example = &"414d515000000901")]
    pub(in crate::config) send_hex: Option<At<String>>,
    /// Text that must come.
    #[schemars(example = &"+PONG")]
    pub(in crate::config) expect: Option<At<String>>,
    /// Regular expression that what comes must match.
    #[schemars(example = &"^220 ")]
    pub(in crate::config) expect_regex: Option<At<String>>,
    /// Bytes that must come, as hex digits.
    #[schemars(example = &"010000")]
    pub(in crate::config) expect_hex: Option<At<String>>,
}

/// TLS of checks alone.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawCheckTls {
    /// Whether the certificate must be good; where servers have `tls` it is said there.
    #[schemars(example = &"none")]
    pub(in crate::config) verify: Option<At<RawServerVerify>>,
    /// File with the authorities that may have signed it; those of the system when absent.
    #[schemars(example = &"/etc/vipkeeper/ca.pem")]
    pub(in crate::config) ca: Option<At<String>>,
    /// Host name that it must be for; that of `sni` when absent.
    #[schemars(example = &"web.internal")]
    pub(in crate::config) verify_host: Option<At<String>>,
    /// Host name that is asked for.
    #[schemars(example = &"web.internal")]
    pub(in crate::config) sni: Option<At<String>>,
    /// Protocols that are offered, best first.
    #[schemars(example = ["http/1.1"])]
    pub(in crate::config) alpn: Option<At<Some1<At<String>>>>,
}

/// What becomes of the connections of a server that goes down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawOnMarkedDown {
    /// They are ended.
    ShutdownSessions,
}

/// What becomes of connections to backups when a server comes up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawOnMarkedUp {
    /// They are ended.
    ShutdownBackupSessions,
}

/// What traffic is watched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawObserve {
    /// Connections that fail.
    Layer4,
    /// Bad HTTP answers too.
    Layer7,
}

/// What errors in observed traffic do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawOnError {
    /// Checks follow at `fastinter`.
    Fastinter,
    /// They count as one failed check.
    FailCheck,
    /// One more failed check takes the server down.
    SuddenDeath,
    /// The server is down at once.
    MarkDown,
}

/// An agent on each server: a TCP port that answers with words such as "75%", "drain" or "up".
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawAgent {
    /// TCP port of the agent.
    #[schemars(required, example = 9777, range(min = 1, max = 65535))]
    pub(in crate::config) port: Option<At<i64>>,
    /// Host of the agent, where it is not the server itself.
    #[schemars(example = &"192.168.83.140")]
    pub(in crate::config) addr: Option<At<String>>,
    /// From one question to the next.
    #[schemars(extend("default" = default(limits::CHECK_INTERVAL)))]
    pub(in crate::config) interval: Option<At<DurationText>>,
    /// Text that it is sent; nothing when absent.
    #[schemars(example = &"web\n")]
    pub(in crate::config) send: Option<At<String>>,
}
