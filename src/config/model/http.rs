//! The endpoint that answers HTTP.

use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use super::Config;
use crate::units::Name;

/// The endpoint that answers HTTP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpConfig {
    /// Where; at least one.
    pub listen: Vec<Listen>,
    /// File with the token that whoever changes something must send; none: nobody can.
    pub token_file: Option<PathBuf>,
    /// Names under which browsers may call it, beside addresses, `localhost` and the names of the nodes.
    pub hosts: Vec<String>,
}

/// Where an endpoint listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listen {
    /// There, on every node.
    At(SocketAddr),
    /// On the node's own first address, at this port.
    Node(u16),
}

/// The endpoint of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where; without repetition.
    pub listen: Vec<SocketAddr>,
    /// File with the token; none: nothing can be changed.
    pub token_file: Option<PathBuf>,
    /// Names under which browsers may call it, beside addresses and `localhost`.
    pub hosts: Vec<String>,
}

impl Config {
    /// The endpoint of the node of that name; none: it has none.
    pub fn endpoint(&self, me: &Name) -> Option<Endpoint> {
        let HttpConfig { listen, token_file, hosts } = self.http.as_ref()?;
        let own: Option<IpAddr> = self.node(me).map(|node| node.address);
        let address = |listen: &Listen| match listen {
            Listen::At(address) => Some(*address),
            Listen::Node(port) => own.map(|ip| SocketAddr::new(ip, *port)),
        };
        let mut listen: Vec<SocketAddr> = listen.iter().filter_map(address).collect();
        listen.sort_unstable();
        listen.dedup();
        let nodes = self.nodes.iter().map(|node| node.name.to_string());
        Some(Endpoint { listen, token_file: token_file.clone(), hosts: hosts.iter().cloned().chain(nodes).collect() })
    }
}
