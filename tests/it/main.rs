//! Everything that needs at most files, processes and a kernel, but no second host: one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::let_underscore_must_use,
    clippy::print_stderr,
    clippy::disallowed_methods,
    missing_docs,
    unreachable_pub,
    reason = "a test that cannot go on must fail"
)]

use std::io::Write as _;

mod backend_behaviour;
mod backend_dns;
mod backend_fixture;
mod cli;
mod config;
mod config_backends;
mod config_properties;
mod config_reports;
mod config_reports_backends;
mod config_reports_frontends;
mod config_reports_vrrp;
mod config_schema;
mod diff;
mod docs;
mod doctor;
mod endpoint;
mod fuzz_corpus;
#[path = "../fuzz_targets.rs"]
mod fuzz_targets;
mod import;
mod import_corpus;
mod monitoring;
mod namespace;
mod nginx_process;
mod nginx_render;
mod nginx_rules;
mod page;
mod page_fixture;
mod proxy_fixture;
mod proxy_master;
mod proxy_process;
mod proxy_reload;
mod proxy_runtime;
mod proxy_stats;
mod proxy_transcripts;
mod render;
mod render_frontends;
mod render_routes;
mod replay;
mod shell_clock;
mod shell_control;
mod shell_device;
mod shell_files;
mod shell_hello_socket;
mod shell_hooks;
mod shell_looks;
mod shell_netlink;
mod shell_nftables;
mod shell_routing;
mod shell_sock_diag;
mod shell_vrrp_socket;
mod simulate;
mod tidy;

/// Says loudly that a test did not run; written past the test harness, which would swallow it.
pub fn skip(test: &str, why: &str) {
    std::io::stderr().write_all(format!("SKIPPED: {test}: {why}\n").as_bytes()).unwrap();
}
