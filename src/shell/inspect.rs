//! Gathers what the doctor judges: reads, asks and, when told to, listens and probes. Changes nothing.
//!
//! It must never judge: what cannot be read is handed on with the reason.

pub(crate) mod certificates;
mod links;
mod system;
mod wire;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::{Config, Engine};
use crate::doctor::{Facts, Gathered};
use crate::node;
use crate::shell::clock;
use crate::shell::control::{Client, ClientError};
use crate::shell::process::preflight;
use crate::units::{IfName, Name};

/// What to look at, and how closely.
#[derive(Debug, Clone)]
pub struct Inspection<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// Which node this host is.
    pub node: &'a Name,
    /// Where the running vipkeeper has its sockets.
    pub runtime_dir: PathBuf,
    /// Listen for adverts so long; none: not at all.
    pub listen: Option<Duration>,
    /// Ask by ARP who has the addresses of the VIPs.
    pub probe: bool,
}

/// Looks at everything once. Takes as long as it listens and probes, and otherwise at most some seconds.
pub async fn gather(inspection: &Inspection<'_>) -> Facts {
    let Inspection { config, node, runtime_dir, listen, probe } = inspection;
    let running = match Client::new(runtime_dir) {
        Ok(client) => match client.status().await {
            Ok(status) => Gathered::Read(Some(Box::new(status))),
            Err(ClientError::NotRunning { .. }) => Gathered::Read(None),
            Err(error) => Gathered::Unread(error.to_string()),
        },
        Err(error) => Gathered::Unread(error.to_string()),
    };
    let master = match &running {
        Gathered::Read(Some(status)) => status.proxy.master_pid,
        Gathered::Read(None) | Gathered::Unread(_) => None,
    };
    let processes = system::processes();
    let names: BTreeSet<&IfName> = config.vips.iter().filter_map(|vip| vip.interfaces.get(*node)).collect();
    let interfaces = links::interfaces(&processes);
    let probed = if *probe { Some(wire::probe(config, node, &interfaces).await) } else { None };
    let heard = match listen {
        Some(time) => Some(wire::listen(config, node, *time).await),
        None => None,
    };
    Facts {
        capabilities: system::capabilities(),
        nftables: system::nftables().await,
        legacy_tables: system::legacy_tables(),
        sysctls: system::sysctls(&names),
        ports: Gathered::Read(ports(config, node, master, config.proxy.engine)),
        certificates: certificates::all(config),
        unix_time: clock::wall().1.as_secs(),
        processor_pressure: system::processor_pressure(),
        realtime: system::realtime(),
        processes,
        interfaces,
        running,
        heard,
        probed,
    }
}

fn ports(config: &Config, me: &Name, master: Option<u32>, engine: Engine) -> Vec<(std::net::SocketAddr, String)> {
    let mut refused = Vec::new();
    for probe in node::binds(config, me) {
        let address = probe.address;
        refused.extend(preflight::try_all(&[probe], master, engine).into_iter().map(|r| (address, r.line)));
    }
    refused
}
