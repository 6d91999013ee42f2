//! Who is told when a VIP changes hands, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::PerNode;
use crate::config::limits;
use crate::config::written::{At, DurationText, Some1};

/// Somebody who is told of every transition: one of `fifo`, `syslog`, `webhook` and `email`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawNotify {
    /// How the log refers to it.
    #[schemars(required, example = &"pager")]
    pub(in crate::config) name: Option<At<String>>,
    /// Named pipe that gets a line for each transition, in keepalived's format; absolute, made when it is not there.
    #[schemars(example = &"/run/vipkeeper/notify.fifo")]
    pub(in crate::config) fifo: Option<At<String>>,
    /// Whether the system's log gets an entry for each transition: journald's with fields, else syslog's.
    #[schemars(extend("default" = false))]
    pub(in crate::config) syslog: Option<At<bool>>,
    /// An HTTP server that is told by POST.
    pub(in crate::config) webhook: Option<At<RawWebhook>>,
    /// People who get mail.
    pub(in crate::config) email: Option<At<RawEmail>>,
    /// From one message of a webhook or mail to the next; what happens meanwhile is told together.
    #[schemars(extend("default" = super::default(limits::NOTIFY_EVERY)))]
    pub(in crate::config) every: Option<At<DurationText>>,
    /// Of which states: "master", "backup", "fault" and "stop"; of all when absent.
    #[schemars(example = ["master", "fault"])]
    pub(in crate::config) states: Option<At<Some1<At<String>>>>,
}

/// An HTTP server that is told by POST.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawWebhook {
    /// Where to: http:// or https://.
    #[schemars(required, example = &"https://hooks.example.com/vip")]
    pub(in crate::config) url: Option<At<String>>,
    /// Headers beside Content-Type; a value "env:NAME" is that of an environment variable.
    #[schemars(example = std::collections::BTreeMap::from([("Authorization", "env:HOOK_TOKEN")]))]
    pub(in crate::config) headers: Option<At<PerNode>>,
    /// The body as a tera template of `node` and `notices`; JSON with all that is known when absent.
    #[schemars(example = &"{\"text\": \"{{ notices[0].name }} is {{ notices[0].state }} on {{ node }}\"}")]
    pub(in crate::config) body: Option<At<String>>,
}

/// People who get mail.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawEmail {
    /// The SMTP server: "host" or "host:port"; port 25, 587 with STARTTLS and 465 with TLS when absent.
    #[schemars(required, example = &"mail.example.com")]
    pub(in crate::config) server: Option<At<String>>,
    /// How the connection is protected.
    #[schemars(extend("default" = "starttls"))]
    pub(in crate::config) tls: Option<At<RawMailTls>>,
    /// Whom it is from.
    #[schemars(required, example = &"vipkeeper@example.com")]
    pub(in crate::config) from: Option<At<String>>,
    /// Who gets it.
    #[schemars(required, example = ["ops@example.com"])]
    pub(in crate::config) to: Option<At<Some1<At<String>>>>,
    /// User to log in as; nobody logs in when absent.
    #[schemars(example = &"vipkeeper")]
    pub(in crate::config) user: Option<At<String>>,
    /// File with the password, relative to the main file; read each time.
    #[schemars(example = &"/etc/vipkeeper/mail.password")]
    pub(in crate::config) password_file: Option<At<String>>,
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(in crate::config) enum RawMailTls {
    /// It begins in the clear and goes on with TLS, or not at all.
    Starttls,
    /// TLS from the first byte.
    Tls,
    /// Not at all: for a server on this host or in a trusted network.
    None,
}
