//! `[hooks]` and the `notify_*` keys: programs without a shell.

use std::path::Path;

use super::Cx;
use crate::config::document::Item;
use crate::config::limits::HOOK_TIMEOUT;
use crate::config::problem::{Place, Problem};
use crate::config::raw::{RawCommand, RawGroup, RawHooks, RawVip};
use crate::config::written::{At, TextOr};
use crate::config::{HookCommand, HookCommands, HookSettings};

/// Arguments of one command.
const ARGUMENTS_MAX: usize = 64;

pub(super) fn settings(cx: &mut Cx<'_>, item: Option<&Item<RawHooks>>) -> Option<HookSettings> {
    let Some(item) = item else {
        return Some(HookSettings { user: None, group: None, timeout: HOOK_TIMEOUT.default });
    };
    let raw = item.raw.get();
    let user = cx.system_name(item.file, raw.user.as_ref());
    let group = cx.system_name(item.file, raw.group.as_ref());
    let timeout = cx.duration(item.file, "hooks.timeout", raw.timeout.as_ref(), HOOK_TIMEOUT);
    Some(HookSettings { user: user.ok()?, group: group.ok()?, timeout: timeout? })
}

/// The commands of `[hooks]`, which count for every VIP that has none of its own.
pub(super) fn defaults(cx: &mut Cx<'_>, item: Option<&Item<RawHooks>>) -> HookCommands {
    let Some(item) = item else { return HookCommands::default() };
    let RawHooks { user: _, group: _, timeout: _, notify_master, notify_backup, notify_fault, notify_stop, notify } =
        item.raw.get();
    HookCommands {
        master: command(cx, item.file, "notify_master", notify_master),
        backup: command(cx, item.file, "notify_backup", notify_backup),
        fault: command(cx, item.file, "notify_fault", notify_fault),
        stop: command(cx, item.file, "notify_stop", notify_stop),
        any: command(cx, item.file, "notify", notify),
    }
}

pub(super) fn of_vip(cx: &mut Cx<'_>, item: &Item<RawVip>, defaults: &HookCommands) -> HookCommands {
    let raw = item.raw.get();
    let mut own = |key: &str, value: &Option<RawCommand>, default: &Option<HookCommand>| {
        command(cx, item.file, key, value).or_else(|| default.clone())
    };
    HookCommands {
        master: own("notify_master", &raw.notify_master, &defaults.master),
        backup: own("notify_backup", &raw.notify_backup, &defaults.backup),
        fault: own("notify_fault", &raw.notify_fault, &defaults.fault),
        stop: own("notify_stop", &raw.notify_stop, &defaults.stop),
        any: own("notify", &raw.notify, &defaults.any),
    }
}

pub(super) fn command(cx: &mut Cx<'_>, file: usize, key: &str, value: &Option<RawCommand>) -> Option<HookCommand> {
    let value = value.as_ref()?;
    match value.get() {
        TextOr::Text(text) => program_alone(cx, Place::new(file, value.span()), key, text),
        TextOr::Other(list) => program_with_arguments(cx, file, key, value, list),
    }
}

/// The commands of a sync group, which has its own only.
pub(super) fn of_group(cx: &mut Cx<'_>, item: &Item<RawGroup>) -> HookCommands {
    let RawGroup { name: _, vips: _, notify_master, notify_backup, notify_fault, notify_stop, notify } = item.raw.get();
    HookCommands {
        master: command(cx, item.file, "notify_master", notify_master),
        backup: command(cx, item.file, "notify_backup", notify_backup),
        fault: command(cx, item.file, "notify_fault", notify_fault),
        stop: command(cx, item.file, "notify_stop", notify_stop),
        any: command(cx, item.file, "notify", notify),
    }
}

fn program_alone(cx: &mut Cx<'_>, place: Place, key: &str, text: &str) -> Option<HookCommand> {
    let words: Vec<&str> = text.split_whitespace().collect();
    if words.len() > 1 {
        let list = words.iter().map(|word| format!("{word:?}")).collect::<Vec<_>>().join(", ");
        let problem = Problem::new(place, format!("`{key}` is a program, not a command line: no shell splits it"));
        cx.add(problem.label("white space").note(SHELL).fix(format!("write `{key} = [{list}]`")));
        return None;
    }
    absolute(cx, place, key, text).map(|program| HookCommand { argv: vec![program] })
}

const SHELL: &str = "if a shell is wanted, name it: [\"/bin/sh\", \"-c\", \"...\"]";

fn program_with_arguments(
    cx: &mut Cx<'_>,
    file: usize,
    key: &str,
    value: &RawCommand,
    list: &[At<String>],
) -> Option<HookCommand> {
    let whole = Place::new(file, value.span());
    let Some((program, arguments)) = list.split_first() else {
        cx.add(Problem::new(whole, format!("`{key}` must name a program")).fix("leave the key out, or name a program"));
        return None;
    };
    if arguments.len() > ARGUMENTS_MAX {
        let rule = format!("`{key}` may have at most {ARGUMENTS_MAX} arguments");
        cx.add(Problem::new(whole, rule).fix("write a script that has them"));
        return None;
    }
    let mut argv = vec![absolute(cx, Place::new(file, program.span()), key, program.get())];
    for argument in arguments {
        let place = Place::new(file, argument.span());
        argv.push(without_nul(cx, place, argument.get()));
    }
    Some(HookCommand { argv: argv.into_iter().collect::<Option<Vec<_>>>()? })
}

fn absolute(cx: &mut Cx<'_>, place: Place, key: &str, program: &str) -> Option<String> {
    if !Path::new(program).is_absolute() {
        let problem = Problem::new(place, format!("`{key}` must start with the absolute path of a program"));
        let name = Path::new(program).file_name().map(|name| name.to_string_lossy()).unwrap_or("on-change".into());
        let fix = format!("write, for example, \"/usr/local/bin/{name}\"");
        cx.add(problem.label("not absolute").note("it runs without PATH and in no particular directory").fix(fix));
        return None;
    }
    without_nul(cx, place, program)
}

fn without_nul(cx: &mut Cx<'_>, place: Place, text: &str) -> Option<String> {
    if text.contains('\0') {
        cx.add(Problem::new(place, "an argument cannot have a zero byte").fix("take it out"));
        return None;
    }
    Some(text.to_owned())
}
