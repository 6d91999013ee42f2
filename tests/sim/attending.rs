//! Old workers and paused frontends: what is repaired without anybody noticing, and who is never harmed.

use vipkeeper::node::Status;
use vipkeeper::units::Digest;

use crate::setup::standard;
use crate::world::{World, ms, secs, settled};

fn status(world: &World, host: usize) -> Status {
    world.hosts[host].node.as_ref().unwrap().status(world.now)
}

fn told(world: &World, text: &str) -> usize {
    world.trace.as_deref().unwrap_or_default().matches(text).count()
}

#[test]
fn frontends_that_open_when_they_are_told_to_cost_nothing() {
    let mut world = settled(standard());
    world.hosts[0].paused = true;
    world.hosts[0].opens = true;
    let before = status(&world, 0).vips[0].transitions.len();
    world.run(secs(8)).unwrap();
    let status = status(&world, 0);
    assert!(status.proxy.healthy && !world.hosts[0].paused);
    assert_eq!((world.holders(0), status.vips[0].transitions.len()), (vec![0], before));
    assert_eq!((told(&world, "opening again"), status.proxy.starts), (1, 1));
}

#[test]
fn frontends_that_do_not_open_are_tried_three_times_and_then_cost_a_restart() {
    let mut world = settled(standard());
    world.hosts[0].paused = true;
    world.run(secs(4)).unwrap();
    assert_eq!((told(&world, "opening again"), status(&world, 0).proxy.starts), (3, 1));
    world.run(secs(4)).unwrap();
    assert_eq!(told(&world, "killing it"), 1);
    assert_eq!(world.holders(0), [1]);
}

#[test]
fn a_reload_whose_frontends_stay_paused_is_rolled_back_at_once() {
    let mut world = settled(standard());
    world.hosts[0].pauses_at = Some(Digest(2));
    world.write_config(0, 2, false);
    world.run(secs(3)).unwrap();
    assert_eq!(world.hosts[0].proxy.as_ref().unwrap().generation, Digest(1));
    let reload = status(&world, 0).config.last_reload.unwrap();
    assert!(!reload.ok && reload.message.contains("frontend www is PAUSED, and does not open"), "{reload:?}");
    assert!(reload.took_ms < 2000, "{reload:?}");
}

#[test]
fn an_old_worker_that_is_stuck_is_ended_once_the_new_one_serves() {
    let mut world = settled(standard());
    world.hosts[0].troubles.old_worker_sticks = true;
    world.write_config(0, 2, false);
    world.run(ms(600)).unwrap();
    let serving = world.hosts[0].proxy.as_ref().unwrap().worker;
    let old = status(&world, 0).proxy.old_workers;
    assert_eq!(old.len(), 1, "{old:?}");
    assert!(old[0].pid != serving && old[0].connections.is_none(), "{old:?}");
    world.run(secs(3)).unwrap();
    assert!(world.hosts[0].proxy.as_ref().unwrap().old.is_empty());
    assert_eq!(told(&world, "is stuck"), 1);
    assert!(status(&world, 0).proxy.old_workers.is_empty());
    assert_eq!((world.hosts[0].proxy.as_ref().unwrap().worker, world.holders(0)), (serving, vec![0]));
}

/// The simulated proxy lists its only worker among the old ones, as 3.1 and later do after a failed reload, and calls
/// the end of the serving worker an error.
#[test]
fn the_survivor_of_a_failed_reload_is_left_alone() {
    let mut world = settled(standard());
    world.hosts[0].troubles.reload_does_nothing = true;
    world.write_config(0, 2, false);
    world.run(secs(60)).unwrap();
    assert!(status(&world, 0).proxy.healthy);
    assert_eq!(world.holders(0), [0]);
}
