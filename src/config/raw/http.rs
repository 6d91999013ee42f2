//! The endpoint that answers HTTP, as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::config::limits;
use crate::config::written::{At, Some1, TextOr};

/// The endpoint that answers HTTP: page, metrics and API. Without this table there is only the control socket.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawHttp {
    /// Where: "address:port"; "node:port" is the node's own address, "*:port" any of IPv4. Or a list of these.
    #[schemars(
        example = &"127.0.0.1:9112",
        example = ["127.0.0.1:9112", "node:9112"],
        extend("default" = limits::HTTP_LISTEN)
    )]
    pub(in crate::config) listen: Option<At<TextOr<Some1<At<String>>>>>,
    /// File with the token that whoever changes something must send, relative to the main file; without one nothing can
    /// be changed here. Read each time; `vipkeeper keygen` writes one.
    #[schemars(example = &"/etc/vipkeeper/http.token")]
    pub(in crate::config) token_file: Option<At<String>>,
    /// Names under which browsers may call it, beside addresses, "localhost" and the names of the nodes.
    #[schemars(example = ["vip.example.com"])]
    pub(in crate::config) hosts: Option<At<Some1<At<String>>>>,
}
