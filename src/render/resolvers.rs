//! Groups of name servers in HAProxy's words.

use serde::Serialize;

use super::model::time;
use crate::config::{Resolvers, ResolversHold};

#[derive(Debug, Serialize)]
pub(super) struct ResolversModel {
    name: String,
    settings: Vec<String>,
}

impl ResolversModel {
    pub(super) fn new(resolvers: &Resolvers) -> Self {
        let Resolvers { name, nameservers, system, resolve, retry, retries, hold, accepted_payload_size, origin: _ } =
            resolvers;
        let mut settings = Vec::new();
        if *system {
            settings.push("parse-resolv-conf".to_owned());
        }
        settings
            .extend(nameservers.iter().enumerate().map(|(n, address)| format!("nameserver dns{} {address}", n + 1)));
        settings.extend(retries.map(|retries| format!("resolve_retries {retries}")));
        for (keyword, value) in [("resolve", resolve), ("retry", retry)] {
            settings.extend(value.map(|value| format!("timeout {keyword} {}", time(value))));
        }
        let ResolversHold { valid, obsolete, nx, refused, timeout, other } = hold;
        for (keyword, value) in [
            ("valid", valid),
            ("obsolete", obsolete),
            ("nx", nx),
            ("refused", refused),
            ("timeout", timeout),
            ("other", other),
        ] {
            settings.extend(value.map(|value| format!("hold {keyword} {}", time(value))));
        }
        settings.extend(accepted_payload_size.map(|bytes| format!("accepted_payload_size {bytes}")));
        Self { name: name.to_string(), settings }
    }
}
