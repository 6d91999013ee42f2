//! Changes at run time, and every way in which they fail.

use super::rig::{PID, Rig, SAVED, sample};
use super::*;
use crate::proxy::runtime::{HALF_PATCHED, Patched};

/// What the worker that answers with that generation is taken to run.
fn runs(rig: &Rig, generation: u64) -> Option<Digest> {
    rig.life.generation_of(&sample(generation, 6))
}

#[test]
fn a_change_at_run_time_is_applied_without_a_reload_and_known_by_its_generation() {
    let mut rig = Rig::patching();
    rig.answers(50).tells("").done(ProxyOutcome::Patched).tells("applied 51, probe");
    assert_eq!(runs(&rig, 50), Some(Digest(51)), "its own word is that of its start");
    // What comes next begins there.
    rig.apply(52).done(ProxyOutcome::Accepted).done(ProxyOutcome::Bindable).done(ProxyOutcome::Installed);
    rig.tells("Check 52, Preflight 52, Install, Patch 101 to 52");
    rig.done(ProxyOutcome::Patched).tells("applied 52, probe");
    rig.exits(PID).tells("dead").waits().tells("Start");
    assert_eq!(runs(&rig, 50), Some(Digest(50)), "a new process is what it says");
}

#[test]
fn a_change_that_fails_at_run_time_is_made_by_a_reload() {
    let mut rig = Rig::patching();
    rig.done(ProxyOutcome::Failed("No such server.".into())).tells("note, SaveState");
    assert_eq!(runs(&rig, 50), Some(HALF_PATCHED));
    rig.done(SAVED).tells("Reload Signal").done(ProxyOutcome::Reloaded).tells("probe");
    for _ in 0..CONFIRM_ANSWERS {
        let mut fresh = sample(51, 6);
        fresh.pid += 1;
        let op = rig.op();
        let actions = rig.life.sampled(rig.now, &fresh, op);
        rig.note(actions);
    }
    rig.tells("applied 51");
}

#[test]
fn a_worker_with_half_a_change_never_passes_for_the_last_good_one() {
    let mut rig = Rig::patching();
    rig.done(ProxyOutcome::Failed("no answer".into())).done(SAVED).done(ProxyOutcome::ReloadRefused("no".into()));
    rig.tells("note, SaveState, Reload Signal, Restore").done(ProxyOutcome::Installed).done(SAVED);
    rig.done(ProxyOutcome::Failed("no master".into())).tells("SaveState, Reload Signal, probe");
    let half = runs(&rig, 50).unwrap().0;
    rig.answers(half).tells("").waits().tells("refused 51, note, Kill");
}

#[test]
fn a_change_that_arrives_meanwhile_waits() {
    let mut rig = Rig::patching();
    rig.apply(53).tells("").done(ProxyOutcome::Patched).tells("applied 51, probe, Check 53");
}

#[test]
fn an_adopted_worker_is_what_the_record_says() {
    let adopted = |patched, answers: u64| {
        let mut rig = Rig::new();
        rig.done(ProxyOutcome::Adopted { pid: PID, patched }).tells("Adopt, note, probe");
        let generation = runs(&rig, answers).unwrap().0;
        rig.answers(generation);
        rig.told()
    };
    let worker = PID + 1;
    assert_eq!(adopted(Some(Patched { worker, runs: Digest(1) }), 9), "applied 1");
    assert_eq!(adopted(Some(Patched { worker, runs: Digest(9) }), 1), "note, Check 1", "it was changed since");
    assert_eq!(adopted(Some(Patched { worker, runs: HALF_PATCHED }), 1), "note, Check 1");
    assert_eq!(adopted(Some(Patched { worker: 7, runs: Digest(9) }), 1), "applied 1", "that was another worker");
}

#[test]
fn nginx_is_reloaded() {
    let (mut one, mut other) = (rig::version(50), rig::version(51));
    assert!(crate::proxy::lifecycle::patching::patch(Some(&one), &other, Some(1), (2, 6)).is_some());
    assert!(
        crate::proxy::lifecycle::patching::patch(None, &other, Some(1), (2, 6)).is_none(),
        "nobody knows what runs"
    );
    assert!(
        crate::proxy::lifecycle::patching::patch(Some(&one), &other, None, (2, 6)).is_none(),
        "nobody answered yet"
    );
    (one.keeps_state, other.keeps_state) = (false, false);
    assert!(crate::proxy::lifecycle::patching::patch(Some(&one), &other, Some(1), (2, 6)).is_none());
}
