//! The whole program on the real kernel: two hosts in network namespaces, real HAProxy, real packets.
//!
//! Needs root, HAProxy, nginx and iproute2; without them each test says `SKIPPED: <name>: <why>`. At most two networks exist
//! at a time. Nothing of a test is left behind, also when it fails.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    unreachable_pub,
    missing_docs,
    reason = "a test that cannot go on must fail"
)]

mod lab;

mod accept;
mod asking;
mod conflict;
mod doctor;
mod endpoint;
mod failover;
mod faults;
mod handover;
mod hooks;
mod interop;
mod migrating;
mod nginx;
mod packets;
mod release;
mod reload;
mod trackers;
mod vmac;
mod workers;
