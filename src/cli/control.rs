//! `reload`, `release`, `resume`: asks the running instance, waits for the outcome and tells it.

use std::time::Duration;

use crate::cli::args::{Place, ReleaseArgs, ResumeArgs};
use crate::cli::instance::{Instance, converse, failure};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::terminal::print;
use crate::shell::control::ClientError;

/// `reload`: a refused file is a configuration failure, with the whole report.
///
/// # Errors
/// 2 when the file was refused; else as for any conversation.
pub fn reload(place: &Place) -> Result<Exit, Failure> {
    converse(async {
        let instance = Instance::at(place.runtime());
        told(instance.client()?.reload().await, Exit::Configuration)
    })
}

/// `release`: by default until `resume`.
///
/// # Errors
/// 1 when the node refused, for example because there is no such VIP.
pub fn release(place: &Place, args: &ReleaseArgs) -> Result<Exit, Failure> {
    converse(async {
        let instance = Instance::at(place.runtime());
        let hold = args.hold.unwrap_or(Duration::ZERO);
        told(instance.client()?.release(args.vip.as_deref(), hold).await, Exit::Unhealthy)
    })
}

/// `resume`.
///
/// # Errors
/// 1 when the node refused.
pub fn resume(place: &Place, args: &ResumeArgs) -> Result<Exit, Failure> {
    converse(async {
        let instance = Instance::at(place.runtime());
        told(instance.client()?.resume(args.vip.as_deref()).await, Exit::Unhealthy)
    })
}

/// Prints what was done; a refusal ends with the exit status given.
pub(crate) fn told(answer: Result<String, ClientError>, refused: Exit) -> Result<Exit, Failure> {
    match answer {
        Ok(message) => {
            print(&format!("{}\n", message.trim_end()));
            Ok(Exit::Fine)
        }
        Err(ClientError::Refused(why)) => Err(Failure::new(refused, why)),
        Err(error) => Err(failure(&error)),
    }
}
