//! Everything that touches the world: one file per kernel resource, no policy.

mod sys;

pub mod clock;
pub mod netlink;
pub mod hook_runner;
pub mod systemd;
pub mod vrrp_socket;
