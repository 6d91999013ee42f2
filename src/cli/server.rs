//! `server`: what operators want of servers beside what the file says.

use crate::cli::args::{Place, ServerArgs, ServerCommand};
use crate::cli::control::told;
use crate::cli::instance::{Instance, converse, failure};
use crate::cli::outcome::{Exit, Failure};
use crate::cli::terminal::{print, span};
use crate::node::status::ServerIntentStatus;
use crate::proxy::intents::{AdminState, Wish};

/// Asks for it, or lists what is asked for.
///
/// # Errors
/// 1 when it was refused, for example because there is no such server; else as for any conversation.
pub fn run(place: &Place, args: &ServerArgs) -> Result<Exit, Failure> {
    let (server, wish) = match &args.command {
        ServerCommand::List { json } => return list(place, if *json { Form::Json } else { Form::Text }),
        ServerCommand::Drain(server) => (server, Wish::State(AdminState::Drain)),
        ServerCommand::Maint(server) => (server, Wish::State(AdminState::Maint)),
        ServerCommand::Ready(server) => (server, Wish::State(AdminState::Ready)),
        ServerCommand::Weight { server, weight } => (server, Wish::Weight(weight.0)),
    };
    converse(async {
        let instance = Instance::at(place.runtime());
        told(instance.client()?.server(&server.name, wish).await, Exit::Unhealthy)
    })
}

enum Form {
    Text,
    Json,
}

fn list(place: &Place, form: Form) -> Result<Exit, Failure> {
    converse(async {
        let instance = Instance::at(place.runtime());
        let status = instance.client()?.status().await.map_err(|e| failure(&e))?;
        let wanted = &status.proxy.intents;
        let text = match form {
            Form::Json => serde_json::to_string_pretty(wanted).map_err(|e| Failure::new(Exit::Unhealthy, e))? + "\n",
            Form::Text if wanted.is_empty() => "every server is as the file says\n".to_owned(),
            Form::Text => wanted.iter().map(|one| format!("{}\n", line(one))).collect(),
        };
        print(&text);
        Ok(Exit::Fine)
    })
}

/// One server for people.
pub(crate) fn line(one: &ServerIntentStatus) -> String {
    let ServerIntentStatus { server, state, weight, for_ms } = one;
    let weight = weight.map(|weight| format!("weight {weight}"));
    let wanted: Vec<String> = state.clone().into_iter().chain(weight).collect();
    format!("{server}  {}, for {}", wanted.join(", "), span(*for_ms))
}
