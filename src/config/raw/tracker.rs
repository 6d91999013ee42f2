//! `[[tracker]]` as it is written.

use schemars::JsonSchema;
use serde::Deserialize;

use super::{PerNode, RawCommand, default};
use crate::config::limits;
use crate::config::written::{At, DurationText, TextOr};

/// Something that is watched. Exactly one of `ping`, `tcp`, `http`, `script`, `file`, `interface`, `backend`, `queue`,
/// `saturation` and `vip` says what.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawTracker {
    /// How `track` of a VIP refers to it.
    #[schemars(required, example = &"gateway")]
    pub(in crate::config) name: Option<At<String>>,
    /// An address that must answer ICMP echo requests.
    #[schemars(example = &"192.168.83.1")]
    pub(in crate::config) ping: Option<At<String>>,
    /// "address:port" that must take a connection.
    #[schemars(example = &"192.168.83.1:53")]
    pub(in crate::config) tcp: Option<At<String>>,
    /// URL that must be answered with 200 to 399: "http://" and an address or a name.
    #[schemars(example = &"http://127.0.0.1:9000/ready")]
    pub(in crate::config) http: Option<At<String>>,
    /// A program that must end with 0. A program without arguments, or a list with its arguments.
    #[schemars(example = &"/usr/local/bin/uplink-is-fine")]
    pub(in crate::config) script: Option<RawCommand>,
    /// Unprivileged user that runs the script; that of `[hooks]` when absent.
    #[schemars(example = &"nobody")]
    pub(in crate::config) user: Option<At<String>>,
    /// Absolute path of a file with a number that is multiplied with the weight; 0, an empty and a missing file are good.
    #[schemars(example = &"/run/maintenance")]
    pub(in crate::config) file: Option<At<String>>,
    /// An interface that must have carrier, or a table with that of each node.
    #[schemars(example = &"eth1")]
    pub(in crate::config) interface: Option<At<TextOr<PerNode>>>,
    /// Name of a `[[backend]]` whose servers must be up.
    #[schemars(example = &"web")]
    pub(in crate::config) backend: Option<At<String>>,
    /// Percent of the servers of `backend` that must be up.
    #[schemars(range(min = 1, max = 100), extend("default" = 1))]
    pub(in crate::config) up_percent: Option<At<i64>>,
    /// Requests that wait in a backend's queue: too many are a failure.
    pub(in crate::config) queue: Option<At<RawQueue>>,
    /// Percent of the proxy's `maxconn`: as many connections are a failure.
    #[schemars(example = 90, range(min = 1, max = 100))]
    pub(in crate::config) saturation: Option<At<i64>>,
    /// Name of another `[[vip]]` that this node must hold.
    #[schemars(example = &"inside")]
    pub(in crate::config) vip: Option<At<String>>,
    /// From the start of one look to the next.
    #[schemars(extend("default" = default(limits::TRACKER_INTERVAL)))]
    pub(in crate::config) interval: Option<At<DurationText>>,
    /// A look that has not ended by then has failed; at most the interval, and the interval when absent.
    #[schemars(example = &"500ms")]
    pub(in crate::config) timeout: Option<At<DurationText>>,
    /// Good looks in a row until it counts as good; 2 for ping, tcp and http, 1 for all others when absent.
    #[schemars(example = 2, range(min = 1, max = 100))]
    pub(in crate::config) rise: Option<At<i64>>,
    /// Failed looks in a row until it counts as failed; 2 for ping, tcp and http, 1 for all others when absent.
    #[schemars(example = 2, range(min = 1, max = 100))]
    pub(in crate::config) fall: Option<At<i64>>,
}

/// Requests that wait in a backend's queue.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::config) struct RawQueue {
    /// Name of a `[[backend]]`.
    #[schemars(required, example = &"web")]
    pub(in crate::config) backend: Option<At<String>>,
    /// As many that wait are a failure.
    #[schemars(required, example = 100, range(min = 1, max = 1_000_000_000))]
    pub(in crate::config) requests: Option<At<i64>>,
}
