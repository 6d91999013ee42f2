//! The transition table by hand: what each state makes of each event that matters, and that none is left for ever.

mod patching;
mod rig;

use rig::{PID, Rig, SAVED, STRANGER, secs, version};

use super::*;

// ---- every state ---------------------------------------------------------------------------------------------------

#[test]
fn no_state_is_without_a_way_out() {
    for (state, rig) in Rig::all() {
        let way_out = rig.flying.is_some()
            || rig.life.deadline(None).is_some()
            || rig.life.deadline(Some(rig.now)).is_some()
            || rig.life.is_stopping();
        assert!(way_out, "{state}");
    }
}

#[test]
fn the_end_of_a_stranger_and_a_stale_outcome_change_nothing() {
    for (state, mut rig) in Rig::all() {
        let _before = rig.told();
        let doing = rig.life.doing(rig.now);
        rig.exits(STRANGER);
        let next = rig.op();
        let actions = rig.life.done(rig.now, OpId(77_777), ProxyOutcome::Reloaded, next);
        rig.note(actions);
        assert_eq!((rig.told(), rig.life.doing(rig.now)), (String::new(), doing), "{state}");
    }
}

#[test]
fn the_end_of_the_master_is_noticed_in_every_state_that_has_one() {
    let table = [
        ("adopting", ""),
        ("proving", "dead"),
        ("launching", ""),
        ("starting", "dead, refused 1"),
        ("serving", "dead"),
        ("down", ""),
        ("checking", "dead, refused 2"),
        ("reloading", "dead, refused 2"),
        ("patching", "dead, refused 51"),
        ("confirming", "dead, refused 2"),
        ("returning", "dead, refused 2"),
        ("reconfirming", "dead, refused 2"),
        ("killing", "dead"),
        ("stopping", "dead, ended"),
    ];
    for ((state, mut rig), (expected, expect)) in Rig::all().into_iter().zip(table) {
        assert_eq!(state, expected);
        let _before = rig.told();
        assert_eq!(rig.exits(PID).told(), expect, "{state}");
    }
}

#[test]
fn a_change_is_taken_up_or_waits_in_every_state() {
    let table = [
        ("adopting", ""),
        ("proving", ""),
        ("launching", ""),
        ("starting", ""),
        ("serving", "Check 3"),
        ("down", "Check 3"),
        ("checking", ""),
        ("reloading", ""),
        ("patching", ""),
        ("confirming", ""),
        ("returning", ""),
        ("reconfirming", ""),
        ("killing", ""),
        ("stopping", "refused 3"),
    ];
    for ((state, mut rig), (expected, expect)) in Rig::all().into_iter().zip(table) {
        assert_eq!(state, expected);
        let _before = rig.told();
        assert_eq!(rig.apply(3).told(), expect, "{state}");
    }
}

#[test]
fn a_stop_waits_for_what_is_in_flight_and_ends_in_every_state() {
    for (state, mut rig) in Rig::all() {
        let _before = rig.told();
        let busy = rig.flying.clone();
        rig.stop();
        match busy {
            Some((_, ProxyOp::Adopt)) => {
                rig.tells("").done(ProxyOutcome::Adopted { pid: PID, patched: None }).tells("Stop")
            }
            Some((_, ProxyOp::Start)) => rig.tells("").done(ProxyOutcome::Started { pid: PID }).tells("Stop"),
            Some(_) => rig.tells("").done(ProxyOutcome::Accepted).tells("Stop"),
            None if state == "down" => {
                rig.tells("ended");
                continue;
            }
            None => rig.tells("Stop"),
        };
        let mut late = Rig { life: rig.life.clone(), told: Vec::new(), flying: None, ..rig };
        late.exits(PID).tells("dead, ended");
        let mut never = Rig { life: rig.life, told: Vec::new(), flying: None, ..late };
        never.waits().tells("note, ended");
    }
}

#[test]
fn a_stop_does_not_wait_for_ever_for_what_is_in_flight() {
    let mut rig = Rig::checking();
    rig.stop().tells("").waits().tells("note, ended");
}

#[test]
fn a_stop_while_a_start_fails_needs_no_signal() {
    let mut rig = Rig::launching();
    rig.stop().tells("").done(ProxyOutcome::Failed("no binary".into())).tells("ended");
    let mut rig = Rig::launching();
    rig.stop().exits(PID).tells("").done(ProxyOutcome::Started { pid: PID }).tells("ended");
}

// ---- adopting ------------------------------------------------------------------------------------------------------

#[test]
fn an_adopted_proxy_with_our_generation_serves_without_a_reload() {
    Rig::proving().answers(1).tells("applied 1");
}

#[test]
fn the_file_of_an_adopted_proxy_is_looked_at_before_it_is_started_again() {
    // Its predecessor may have been killed between installing another one and loading it.
    let mut rig = Rig::proving();
    rig.answers(1).tells("applied 1").exits(PID).tells("dead").waits().tells("Check 1");
}

#[test]
fn an_adopted_proxy_with_another_generation_is_reloaded() {
    let mut rig = Rig::proving();
    rig.answers(7).tells("note, Check 1");
    assert_eq!(rig.life.master(), Some(PID));
}

#[test]
fn a_change_that_waits_is_what_the_adopted_proxy_is_reloaded_with() {
    Rig::proving().apply(2).answers(7).tells("note, Check 2");
    Rig::proving().apply(2).answers(1).tells("applied 1, Check 2");
}

#[test]
fn an_adopted_proxy_that_stays_silent_is_killed_and_another_is_started() {
    let mut rig = Rig::proving();
    rig.waits().tells("note, Kill").done(ProxyOutcome::Stopped).exits(PID).tells("dead");
    rig.waits().tells("Check 1");
}

#[test]
fn an_adoption_that_fails_ends_in_a_start() {
    Rig::new().done(ProxyOutcome::Failed("disk".into())).tells("Adopt, note, Check 1");
}

#[test]
fn a_found_proxy_whose_end_was_told_first_is_not_waited_for() {
    Rig::new().exits(PID).done(ProxyOutcome::Adopted { pid: PID, patched: None }).tells("Adopt, Check 1");
}

// ---- starting ------------------------------------------------------------------------------------------------------

#[test]
fn a_started_proxy_whose_end_was_told_first_is_not_waited_for() {
    let mut rig = Rig::launching();
    rig.exits(PID).tells("").done(ProxyOutcome::Started { pid: PID }).tells("dead, refused 1");
    rig.waits().tells("Check 1");
}

#[test]
fn a_start_that_failed_is_not_repeated_with_the_same_file_unseen() {
    // Somebody put another file in its place: what is started never proves itself.
    let mut rig = Rig::starting();
    rig.answers(7).waits().tells("refused 1, note, Kill").done(ProxyOutcome::Stopped).exits(PID).tells("dead");
    rig.waits().tells("Check 1");
}

#[test]
fn the_end_of_an_earlier_process_is_not_taken_for_that_of_the_next() {
    let mut rig = Rig::launching();
    rig.exits(STRANGER).done(ProxyOutcome::Started { pid: PID }).tells("probe");
}

#[test]
fn only_the_generation_that_was_started_proves_the_start() {
    Rig::starting().answers(7).tells("").answers(1).tells("applied 1");
}

#[test]
fn each_failure_before_the_start_leads_to_a_pause_that_grows() {
    let mut rig = Rig::new();
    rig.done(ProxyOutcome::NothingToAdopt).tells("Adopt, Check 1");
    for (outcome, pause) in [
        (ProxyOutcome::Failed("no binary".into()), 100),
        (ProxyOutcome::Failed("no binary".into()), 200),
        (ProxyOutcome::Failed("no binary".into()), 400),
    ] {
        let before = rig.now;
        rig.done(outcome).tells("dead, refused 1").waits().tells("Check 1");
        assert_eq!(rig.now - before, Duration::from_millis(pause));
    }
    rig.done(ProxyOutcome::Accepted).done(ProxyOutcome::Unbindable(":80".into()));
    rig.tells("Preflight 1, dead, refused 1");
}

#[test]
fn what_the_check_refuses_at_the_start_leaves_the_installed_file_to_serve() {
    let mut rig = Rig::new();
    rig.done(ProxyOutcome::NothingToAdopt).done(ProxyOutcome::Refused("line 3".into()));
    rig.tells("Adopt, Check 1, refused 1, Start");
    rig.done(ProxyOutcome::Started { pid: PID }).answers(7).tells("probe");
    assert_eq!(rig.life.doing(rig.now), "serving");
    assert!(rig.life.serves_another());
    // A corrected file is applied as any other.
    rig.apply(2).tells("Check 2").done(ProxyOutcome::Accepted).tells("Preflight");
}

#[test]
fn a_refused_change_to_a_dead_proxy_starts_what_was_confirmed_last() {
    let mut rig = Rig::down();
    rig.apply(2).tells("Check 2").done(ProxyOutcome::Refused("line 3".into())).tells("refused 2, Start");
    rig.done(ProxyOutcome::Started { pid: PID }).answers(1).tells("probe, applied 1");
    assert!(!rig.life.serves_another());
}

#[test]
fn what_is_in_force_is_loaded_when_an_older_file_serves_instead() {
    let mut rig = Rig::down();
    rig.apply(2).done(ProxyOutcome::Refused("line 3".into())).done(ProxyOutcome::Started { pid: PID });
    rig.answers(7).tells("Check 2, refused 2, Start, probe");
    assert!(rig.life.serves_another());
    rig.apply(1).tells("Check 1");
}

#[test]
fn a_change_that_does_not_start_is_refused_and_what_ran_before_is_started() {
    let mut rig = Rig::down();
    rig.apply(2).done(ProxyOutcome::Accepted).done(ProxyOutcome::Bindable).done(ProxyOutcome::Installed);
    rig.done(ProxyOutcome::Started { pid: 200 }).tells("Check 2, Preflight 2, Install, Start, probe");
    rig.exits(200).tells("dead, refused 2");
    // The file of the change is the installed one: the old one is checked and installed again.
    rig.waits().tells("Check 1");
}

#[test]
fn a_change_that_starts_but_proves_nothing_is_refused() {
    let mut rig = Rig::down();
    rig.apply(2).done(ProxyOutcome::Accepted).done(ProxyOutcome::Bindable).done(ProxyOutcome::Installed);
    rig.done(ProxyOutcome::Started { pid: 200 }).told();
    rig.waits().tells("refused 2, note, Kill");
}

#[test]
fn a_change_that_waited_for_a_start_is_applied_after_it_or_instead_of_it() {
    Rig::starting().apply(2).answers(1).tells("applied 1, Check 2");
    let mut rig = Rig::starting();
    rig.apply(2).exits(PID).tells("dead, refused 1");
    assert_eq!(rig.life.deadline(None), Some(rig.now), "it has not failed yet, so it is not paused for");
    rig.waits().tells("Check 2");
}

// ---- serving -------------------------------------------------------------------------------------------------------

#[test]
fn what_runs_already_is_applied_at_once() {
    Rig::serving().apply(1).tells("applied 1");
}

#[test]
fn a_proxy_that_dies_after_long_service_is_started_at_once_and_without_a_check() {
    let mut rig = Rig::serving();
    rig.now += STABLE_AFTER;
    rig.exits(PID).tells("dead");
    assert_eq!(rig.life.deadline(None), Some(rig.now));
    rig.tick(None).tells("Start");
}

#[test]
fn a_proxy_that_dies_soon_is_paused_for() {
    let mut rig = Rig::serving();
    rig.now += STABLE_AFTER - Duration::from_millis(1);
    rig.exits(PID).tells("dead");
    assert_eq!(rig.life.deadline(None), Some(rig.now + Duration::from_millis(100)));
}

#[test]
fn a_proxy_that_fails_every_probe_is_killed_after_five_seconds() {
    let mut rig = Rig::serving();
    rig.now += secs(60);
    let failed = rig.now;
    rig.now += WEDGED_AFTER - Duration::from_nanos(1);
    rig.tick(Some(failed)).tells("");
    rig.now += Duration::from_nanos(1);
    rig.tick(Some(failed)).tells("note, Kill");
}

#[test]
fn a_hang_after_long_service_is_no_failure_in_a_row() {
    let mut rig = Rig::serving();
    for _ in 0..5 {
        rig.now += secs(3600);
        let failed = rig.now;
        rig.now += WEDGED_AFTER;
        rig.tick(Some(failed)).done(ProxyOutcome::Stopped).exits(PID).tells("note, Kill, dead");
        assert_eq!(rig.life.deadline(None), Some(rig.now + Duration::from_millis(100)));
        rig.waits().done(ProxyOutcome::Started { pid: PID }).answers(1).tells("Start, probe, applied 1");
    }
}

#[test]
fn a_kill_is_repeated_while_the_master_lives() {
    let mut rig = Rig::killing();
    rig.waits().tells("Kill").done(ProxyOutcome::Failed("no".into())).waits().tells("Kill");
    rig.exits(PID).tells("dead");
    // The operation in flight must end before the start.
    assert_eq!(rig.life.deadline(None), None);
    rig.apply(2).tells("").done(ProxyOutcome::Stopped).tells("Check 2");
}

// ---- reloading -----------------------------------------------------------------------------------------------------

#[test]
fn a_reload_is_confirmed_by_five_answers_in_a_row() {
    let mut rig = Rig::confirming();
    rig.answers(2).answers(2).answers(2).answers(2).answers(1).tells("");
    rig.answers(2).answers(2).answers(2).answers(2).tells("").answers(2).tells("applied 2");
    // It is what a restart needs no check for.
    rig.exits(PID).tells("dead").waits().tells("Start");
}

#[test]
fn versions_that_can_are_told_to_reload_by_the_master_cli() {
    let mut rig = Rig::starting();
    rig.minor = 8;
    rig.answers(1).apply(2).done(ProxyOutcome::Accepted).done(ProxyOutcome::Bindable).done(ProxyOutcome::Installed);
    rig.done(SAVED).tells("applied 1, Check 2, Preflight 2, Install, SaveState, Reload MasterCli");
}

#[test]
fn addresses_that_are_held_already_are_not_tried() {
    let mut rig = Rig::serving();
    let op = rig.op();
    let both = Candidate { binds: &version(1).binds | &version(2).binds, ..version(2) };
    let actions = rig.life.apply(both, op);
    rig.note(actions);
    rig.done(ProxyOutcome::Accepted).tells("Check 2, Preflight 2");
}

#[test]
fn states_that_cannot_be_saved_hold_up_no_reload() {
    let mut rig = Rig::checking();
    rig.done(ProxyOutcome::Accepted).done(ProxyOutcome::Bindable).done(ProxyOutcome::Installed);
    rig.tells("Preflight 2, Install, SaveState");
    rig.done(ProxyOutcome::Failed("silent".into())).tells("note, Reload Signal");
    let mut rig = Rig::reloading();
    rig.done(ProxyOutcome::ReloadRefused("bind".into())).done(ProxyOutcome::Installed).tells("Restore, SaveState");
    rig.done(ProxyOutcome::Failed("silent".into())).tells("note, Reload Signal");
}

#[test]
fn nothing_is_saved_where_nothing_passes_on() {
    let mut rig = Rig::serving();
    let op = rig.op();
    let actions = rig.life.apply(Candidate { keeps_state: false, ..version(2) }, op);
    rig.note(actions);
    rig.done(ProxyOutcome::Accepted).done(ProxyOutcome::Bindable).done(ProxyOutcome::Installed);
    rig.tells("Check 2, Preflight 2, Install, Reload Signal");
    rig.done(ProxyOutcome::ReloadRefused("bind".into())).done(ProxyOutcome::Installed);
    rig.tells("Restore, Reload Signal");
}

#[test]
fn servers_that_start_as_they_are_written_are_told() {
    let mut rig = Rig::checking();
    rig.done(ProxyOutcome::Accepted).done(ProxyOutcome::Bindable).done(ProxyOutcome::Installed);
    rig.done(ProxyOutcome::StateSaved { kept: 1, left_out: 1 });
    rig.tells("Preflight 2, Install, SaveState, note, Reload Signal");
}

#[test]
fn a_failure_before_the_reload_touches_nothing() {
    let checked = |outcome: ProxyOutcome| {
        let mut rig = Rig::checking();
        rig.done(outcome).tells("refused 2");
        assert_eq!(rig.life.doing(rig.now), "serving");
    };
    checked(ProxyOutcome::Refused("line 3".into()));
    checked(ProxyOutcome::Failed("no binary".into()));
    checked(ProxyOutcome::Started { pid: 3 });
    Rig::checking()
        .done(ProxyOutcome::Accepted)
        .done(ProxyOutcome::Unbindable(":80".into()))
        .tells("Preflight 2, refused 2");
}

#[test]
fn a_reload_that_fails_is_rolled_back() {
    for outcome in [ProxyOutcome::ReloadRefused("bind".into()), ProxyOutcome::Failed("no socket".into())] {
        let mut rig = Rig::reloading();
        rig.done(outcome).tells("Restore").done(ProxyOutcome::Installed).done(SAVED).tells("SaveState, Reload Signal");
        rig.done(ProxyOutcome::Reloaded).answers(2).tells("probe").answers(1).tells("refused 2");
        // The restored file is the installed one again.
        rig.exits(PID).tells("dead").waits().tells("Start");
    }
}

#[test]
fn a_reload_that_proves_nothing_is_rolled_back_after_ten_seconds() {
    let mut rig = Rig::confirming();
    let before = rig.now;
    rig.waits().tells("Restore");
    assert_eq!(rig.now - before, CONFIRM_WITHIN);
}

#[test]
fn a_file_that_cannot_be_restored_is_told_and_what_runs_goes_on() {
    let mut rig = Rig::confirming();
    rig.waits().tells("Restore").done(ProxyOutcome::Failed("disk full".into())).tells("refused 2");
    assert_eq!(rig.life.doing(rig.now), "serving");
    // But it is not trusted for a restart.
    rig.exits(PID).tells("dead").waits().tells("Check 1");
}

#[test]
fn a_roll_back_that_does_not_serve_ends_in_a_kill() {
    let mut rig = Rig::reconfirming();
    rig.waits().tells("refused 2, note, Kill").done(ProxyOutcome::Stopped).exits(PID).tells("dead");
    rig.waits().tells("Check 1");
}

#[test]
fn the_refusal_of_one_change_is_not_that_of_the_next() {
    let mut rig = Rig::checking();
    rig.apply(3).tells("").apply(4).tells("note");
    rig.done(ProxyOutcome::Refused("line 3".into())).tells("refused 2, Check 4");
    let mut rig = Rig::reconfirming();
    rig.apply(3).answers(1).tells("refused 2, Check 3");
}

#[test]
fn a_proxy_that_dies_of_a_reload_is_started_as_it_was() {
    let mut rig = Rig::confirming();
    rig.exits(PID).tells("dead, refused 2").waits().tells("Check 1");
}

#[test]
fn a_worker_may_end_only_once_the_master_replaces_it() {
    for (state, rig) in Rig::all() {
        let replaces = matches!(state, "reloading" | "confirming" | "returning" | "reconfirming");
        assert_eq!(rig.life.is_replacing_worker(), replaces, "{state}");
    }
}

#[test]
fn only_what_waits_for_its_proof_is_probed_quickly() {
    for (state, rig) in Rig::all() {
        let quick = matches!(state, "proving" | "starting" | "confirming" | "reconfirming");
        assert_eq!(rig.life.is_confirming(), quick, "{state}");
    }
}

#[test]
fn a_stopped_proxy_stays_stopped() {
    let mut rig = Rig::stopping();
    rig.exits(PID).tells("dead, ended").exits(PID).apply(2).tells("refused 2");
    assert_eq!(rig.life.deadline(Some(rig.now)), None);
    assert_eq!(rig.life.doing(rig.now), "stopped");
}

#[test]
fn pauses_double_up_to_the_limit() {
    let backoff = Backoff { min: Duration::from_millis(100), max: secs(10) };
    let pauses: Vec<u128> = (1..=9).map(|n| backoff_pause(backoff, n).as_millis()).collect();
    assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
    assert_eq!(backoff_pause(backoff, u32::MAX), secs(10));
}
