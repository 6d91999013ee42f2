//! `reload`, `release`, `switchover`, `maintenance`, `resume`: asks the running instance, waits for the outcome and tells it.

use std::time::Duration;

use crate::cli::args::{MaintenanceArgs, Place, ReleaseArgs, ResumeArgs, Switch, SwitchoverArgs};
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

/// A hand-over takes milliseconds; a successor that does not take it is known after a tenth of a second.
const HANDED_OVER_WITHIN: Duration = Duration::from_secs(2);
/// How often the outcome is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// `switchover`: waits until the VIPs have left.
///
/// # Errors
/// 1 when the node refused, or a VIP is still here after two seconds.
pub fn switch_over(place: &Place, args: &SwitchoverArgs) -> Result<Exit, Failure> {
    converse(async {
        let instance = Instance::at(place.runtime());
        let client = instance.client()?;
        let here = |status: &crate::node::Status| -> Vec<String> {
            let meant = |name: &str| args.vip.as_ref().is_none_or(|vip| vip == name);
            let vips = status.vips.iter().filter(|vip| vip.state == "active" && meant(&vip.name));
            vips.map(|vip| vip.name.clone()).collect()
        };
        let before = here(&instance.status().await?);
        let exit = told(client.switch_over(args.vip.as_deref(), args.to.as_deref()).await, Exit::Unhealthy)?;
        let left = |status: &crate::node::Status| here(status).iter().all(|name| !before.contains(name));
        let gone = async {
            loop {
                let status = instance.status().await?;
                if left(&status) {
                    return Ok::<_, Failure>(status);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        // It leaves at once and comes back after a tenth of a second if nobody takes it.
        tokio::time::sleep(LOOK_EVERY * 4).await;
        let Ok(status) = tokio::time::timeout(HANDED_OVER_WITHIN, gone).await else {
            let message = "nobody took it: it is still here; `vipkeeper status` says why".to_owned();
            return Err(Failure::new(Exit::Unhealthy, message));
        };
        for vip in status?.vips.iter().filter(|vip| before.contains(&vip.name)) {
            let holder = vip.holder.as_ref().map(|h| h.node.clone().unwrap_or_else(|| h.address.clone()));
            print(&format!("{} is on {}\n", vip.name, holder.unwrap_or_else(|| "no node that is known".to_owned())));
        }
        Ok(exit)
    })
}

/// `maintenance`.
///
/// # Errors
/// 1 when the node refused.
pub fn maintenance(place: &Place, args: &MaintenanceArgs) -> Result<Exit, Failure> {
    converse(async {
        let instance = Instance::at(place.runtime());
        let client = instance.client()?;
        let answer = match args.switch {
            Switch::On => client.begin_maintenance().await,
            Switch::Off => client.end_maintenance().await,
        };
        told(answer, Exit::Unhealthy)
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
