//! Stories that once went wrong.

use std::time::Duration;

use vipkeeper::config::Transport;

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

#[test]
fn a_vip_with_another_group_does_not_move_its_neighbours() {
    let mut world = settled(Cluster { vips: 2, ..standard() });
    world.edit = |version, config| {
        if version == 2 {
            config.vips[1].transport = Transport::Multicast([224, 0, 0, 100].into());
        }
    };
    world.write_config(0, 2, false);
    world.write_config(1, 2, false);
    world.run(secs(10)).unwrap();
    assert_eq!(told(&world, "vip0:"), 0, "{}", world.trace.unwrap());
    assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![1]));
}

#[test]
fn a_lease_is_resumed_even_when_the_proxy_answers_before_the_kernel() {
    let mut world = settled(standard());
    world.kill(0);
    world.hosts[0].slow_dumps = Duration::from_millis(200);
    world.restart_in(0, Duration::from_millis(100));
    world.run(secs(4)).unwrap();
    assert_eq!(told(&world, "lb1 - 10.0.0.100"), 0, "{}", world.trace.unwrap());
    assert_eq!(told(&world, "resumes the lease"), 1);
}
