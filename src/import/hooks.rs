//! Notify scripts of instances and groups, and who runs them.

use super::Gathered;
use super::command::Command;
use super::keepalived::{At, Directive};
use super::report::{Fate, Report};
use super::write::name_of;

/// Keys that are called as keepalived calls them.
pub(super) const HOOKS: [&str; 5] = ["notify", "notify_master", "notify_backup", "notify_fault", "notify_stop"];

/// A user, with a group or without.
pub(super) type Runner = (String, Option<String>);

/// Who runs scripts, as far as the files tell.
#[derive(Debug, Default)]
pub(super) struct Runners {
    /// Of `script_user`.
    pub(super) default: Option<Runner>,
    /// Of single hooks.
    own: Vec<(At, String, Runner)>,
}

impl Runners {
    /// Reads `script_user` of `global_defs`.
    pub(super) fn read_default(&mut self, directive: &Directive, report: &mut Report) {
        let runner = (directive.word(1).to_owned(), directive.words.get(2).cloned());
        match &self.default {
            _ if runner.0.is_empty() => report.add(directive, "global_defs", Fate::Dropped, "it names no user"),
            Some(first) if *first != runner => {
                let note = format!("[hooks] has one user: {}, of the node before, is taken", first.0);
                report.add(directive, "global_defs", Fate::Approximated, &note);
            }
            Some(_) | None => {
                self.default = Some(runner);
                report.add(directive, "global_defs", Fate::Mapped, "hooks.user, which trackers have too");
            }
        }
    }

    /// What was settled on, once all files were read.
    pub(super) fn settle(&mut self, report: &mut Report) -> Option<Runner> {
        let chosen = self.default.clone().or_else(|| self.own.first().map(|(_, _, runner)| runner.clone()));
        for (at, label, runner) in &self.own {
            let (user, group) = runner;
            let shown = group.as_ref().map_or_else(|| user.clone(), |group| format!("{user} {group}"));
            let about = format!("{label}: user {shown}");
            match &chosen {
                Some(chosen) if chosen == runner => report.remark(Some(at), &about, Fate::Mapped, "hooks.user"),
                Some((chosen, _)) => {
                    let note = format!("all hooks run as one user, {chosen}: use sudo -u {user} in the program");
                    report.remark(Some(at), &about, Fate::Approximated, &note);
                }
                None => {}
            }
        }
        chosen
    }
}

/// Reads a hook of an instance or a group; `table` is "vip" or "group". The first of a kind counts, as in keepalived.
pub(super) fn read(
    directive: &Directive,
    label: &str,
    table: &str,
    keys: &mut Vec<(String, String)>,
    all: &mut Gathered,
    report: &mut Report,
) {
    let key = directive.keyword();
    let command = Command::of_hook(directive);
    if command.argv.is_empty() {
        return report.add(directive, label, Fate::Dropped, "it names no program");
    }
    if keys.iter().any(|(known, _)| known == key) {
        return report.add(directive, label, Fate::Trap, "there is one before it: keepalived ignores this one");
    }
    keys.push((key.to_owned(), command.toml()));
    let fate = if command.looked_up { Fate::Approximated } else { Fate::Mapped };
    match &command.trap {
        Some(trap) => report.add(directive, label, Fate::Trap, trap),
        None => report.add(directive, label, fate, &format!("{table}.{key}{}", command.advice())),
    }
    if let Some(user) = command.user {
        all.runners.own.push((directive.at.clone(), label.to_owned(), (user, command.group)));
    }
}

/// The lines of `[hooks]`.
pub(super) fn table(runner: &Runner) -> Vec<String> {
    let (user, group) = runner;
    let name = |text: &str| super::write::quoted(&name_of(text, "nobody"));
    let mut lines = vec!["\n[hooks]".to_owned(), format!("user = {}", name(user))];
    lines.extend(group.as_deref().map(|group| format!("group = {}", name(group))));
    lines
}
