//! vipkeeper: a virtual IP lives only where a healthy proxy lives.
//!
//! ```text
//!  TOML --config--> Config --render--> Rendered           check | render | run: one path
//!                                          |
//!  packets, links, exits, samples --Event--> node::Node --Effect--> shell --(outcome is an Event)--+
//!                                               ^                                                   |
//!                                               +---------------------------------------------------+
//! ```
//!
//! Everything above `shell` is pure: no clock, no randomness, no IO. Read the modules in this order.

pub mod units;

pub mod config;
pub mod import;
pub mod render;

pub mod addrs;
pub mod hooks;
pub mod notices;
pub mod proxy;
pub mod track;
pub mod vrrp;

pub mod peer;

pub mod node;

pub mod web;

pub mod journal;

pub mod rehearsal;

pub mod doctor;

pub mod shell;

pub mod cli;
