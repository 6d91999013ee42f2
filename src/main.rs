//! The process edge: arguments in, exit status out.

use std::process::ExitCode;

use clap::Parser;
use vipkeeper::cli::{self, args::Cli};

fn main() -> ExitCode {
    cli::carry_out(&Cli::parse())
}
