//! The deterministic simulation: real `Node`s, a virtual clock, and every fault we could think of.
//!
//! `SIM_SEED=7 cargo test --test sim -- --nocapture one_seed` replays one seed with a trace;
//! `make soak` widens the sweep to 100,000 seeds (or `SIM_SEEDS=10000 cargo test --profile soak --test sim sweep`).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::as_conversions,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    clippy::too_many_lines,
    clippy::fn_params_excessive_bools,
    unreachable_pub,
    missing_docs,
    reason = "a test: it may fail loudly, and prints what it did"
)]

mod asking;
mod attending;
mod belongings;
mod elections;
mod exact;
mod faults;
mod groups;
mod hints;
mod host;
mod intents;
mod journal;
mod net;
mod peers;
mod regressions;
mod rng;
mod scenarios;
mod setup;
mod shown;
mod sweep;
mod together;
mod tracking;
mod vmac;
mod wire;
mod world;
