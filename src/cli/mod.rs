//! The command line: clap types, and one file per subcommand.
//!
//! Owns how people are talked to; decides nothing about VIPs or the proxy.

pub mod args;
pub mod outcome;
pub mod terminal;

pub mod check;
pub mod control;
pub mod demo;
pub mod render;
pub mod schema;
pub mod status;

pub mod instance;
pub mod place;
pub mod programs;

use args::{Command, Place};
use outcome::{Exit, Failure};

/// Carries out every command but `run`, which belongs to the shell.
///
/// # Errors
/// Why it could not be done, with the exit status for it.
pub fn carry_out(place: &Place, command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Run(_) => Err(Failure::new(Exit::Unhealthy, "`run` is not a command for the client side")),
        Command::Check(args) => check::run(place, args),
        Command::Render(args) => render::run(place, args),
        Command::Status(args) => status::run(place, args),
        Command::Reload => control::reload(place),
        Command::Release(args) => control::release(place, args),
        Command::Resume(args) => control::resume(place, args),
        Command::Schema => schema::run(),
        Command::Demo(args) => demo::run(args),
        Command::DemoHost(args) => Err(demo::become_host(place, args)),
    }
}
