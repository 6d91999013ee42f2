//! Everything that touches the world: one file per kernel resource, no policy.

pub mod process;
pub mod stats_socket;

mod sys;
