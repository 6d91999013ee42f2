//! `completions` and `manual`: what shells and `man` know of the command line, made from the same clap types.

use clap::CommandFactory;

use crate::cli::args::{Cli, CompletionsArgs, ManualArgs};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::terminal::print;

/// Prints a completion script.
///
/// # Errors
/// 1 when it is no text, which no generator makes.
pub fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "vipkeeper", &mut script);
    print(&String::from_utf8(script).map_err(|e| Failure::new(Exit::Unhealthy, e))?);
    Ok(Exit::Fine)
}

/// Writes the manual pages, `vipkeeper.1` and one for each command.
///
/// # Errors
/// 1 when the directory cannot be written.
pub fn manual(args: &ManualArgs) -> Result<Exit, Failure> {
    let failed = |e: std::io::Error| {
        Failure::new(Exit::Unhealthy, format!("cannot write manual pages into {}: {e}", args.directory.display()))
    };
    std::fs::create_dir_all(&args.directory).map_err(failed)?;
    clap_mangen::generate_to(Cli::command(), &args.directory).map_err(failed)?;
    Ok(Exit::Fine)
}
