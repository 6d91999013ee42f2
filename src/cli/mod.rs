//! The command line: clap types, and one file per subcommand.
//!
//! Owns how people are talked to; decides nothing about VIPs or the proxy.

pub mod args;
pub mod demo;
pub mod outcome;
pub mod programs;
pub mod status;
pub mod terminal;
