//! The command line: clap types, and one file per subcommand.
//!
//! Owns how people are talked to; decides nothing about VIPs or the proxy.

pub mod args;
pub mod outcome;
pub mod table;
pub mod terminal;

pub mod check;
pub mod control;
pub mod demo;
pub mod diff;
pub mod doctor;
pub mod explain;
pub mod import;
pub mod keygen;
pub mod manual;
pub mod render;
pub mod replay;
pub mod run;
pub mod schema;
pub mod server;
pub mod simulate;
pub mod status;

pub mod instance;
pub mod place;
pub mod programs;

use std::process::ExitCode;

use args::{Cli, Command};

/// Carries out a command and says how it ended. What went wrong was told on the standard error.
pub fn carry_out(cli: &Cli) -> ExitCode {
    let place = &cli.place;
    let ended = match &cli.command {
        Command::Run(args) => return run::run(place, args),
        Command::Check(args) => check::run(&place.with_file(args.file.as_ref()), args),
        Command::Render(args) => render::run(&place.with_file(args.file.as_ref()), args),
        Command::Diff(args) => diff::run(&place.with_file(args.file.as_ref()), args),
        Command::Doctor(args) => doctor::run(place, args),
        Command::Status(args) => status::run(place, args),
        Command::Explain(args) => explain::run(place, args),
        Command::Simulate(args) => simulate::run(place, args),
        Command::Reload => control::reload(place),
        Command::Release(args) => control::release(place, args),
        Command::Switchover(args) => control::switch_over(place, args),
        Command::Maintenance(args) => control::maintenance(place, args),
        Command::Resume(args) => control::resume(place, args),
        Command::Server(args) => server::run(place, args),
        Command::Replay(args) => replay::run(args),
        Command::Schema => schema::run(),
        Command::Import(args) => import::run(args),
        Command::Keygen(args) => keygen::run(args),
        Command::Completions(args) => manual::completions(args),
        Command::Manual(args) => manual::manual(args),
        Command::Demo(args) => demo::run(args),
        Command::DemoHost(args) => Err(demo::become_host(place, args)),
    };
    match ended {
        Ok(exit) => exit.into(),
        Err(failure) => {
            terminal::complain(&failure.message);
            failure.exit.into()
        }
    }
}
