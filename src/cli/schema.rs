//! `schema`: a JSON Schema of the configuration, for editors.

use crate::cli::outcome::{Exit, Failure};
use crate::cli::terminal::print;
use crate::config::json_schema;

/// Prints it.
///
/// # Errors
/// None that a user could cause.
pub fn run() -> Result<Exit, Failure> {
    let schema = serde_json::to_string_pretty(&json_schema()).map_err(|e| Failure::new(Exit::Unhealthy, e))?;
    print(&format!("{schema}\n"));
    Ok(Exit::Fine)
}
