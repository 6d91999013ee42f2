//! Tests of the library and the program from outside, in one binary.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stderr,
    missing_docs,
    reason = "tests"
)]

mod config;
mod config_properties;
mod config_reports;
mod config_schema;
