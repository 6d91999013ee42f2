//! Stories that once went wrong.

use std::time::Duration;

use crate::setup::{Cluster, standard};
use crate::world::World;

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A cluster that has settled: VIP 0 on the first node.
fn settled(cluster: Cluster) -> World {
    let mut world = World::new(cluster, 1);
    world.run(secs(12)).unwrap();
    assert_eq!(world.holders(0), [0]);
    world.trace = Some(String::new());
    world.start = world.now;
    world
}

/// How often the log holds a text.
fn told(world: &World, text: &str) -> usize {
    world.trace.as_deref().unwrap_or_default().matches(text).count()
}

#[test]
fn a_backup_that_hung_reads_the_adverts_that_wait_before_it_takes_over() {
    let mut world = settled(standard());
    world.stall(1, secs(8));
    world.run(secs(12)).unwrap();
    assert_eq!(told(&world, "lb2 vip0:"), 0, "{}", world.trace.unwrap());
}
