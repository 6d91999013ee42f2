//! `keygen`: a new key for the nodes to talk to each other with.

use std::io::ErrorKind;

use crate::cli::args::KeygenArgs;
use crate::cli::outcome::{Exit, Failure};
use crate::cli::terminal::print;
use crate::shell::files::key_file;

/// Writes it, for its owner alone; the key itself is never shown.
///
/// # Errors
/// When the file is there already or cannot be written.
pub fn run(args: &KeygenArgs) -> Result<Exit, Failure> {
    let shown = args.file.display();
    match key_file::write_new(&args.file) {
        Ok(()) => {
            print(&format!("{shown} written; copy it to every node (the same file, mode 600)\n"));
            Ok(Exit::Fine)
        }
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            let why = "it is there already; with another key the nodes would no longer understand each other";
            Err(Failure::new(
                Exit::Configuration,
                format!("{shown} stays as it is: {why}. Remove it first if you must"),
            ))
        }
        Err(error) => Err(Failure::new(Exit::Unhealthy, format!("cannot write {shown}: {error}"))),
    }
}
