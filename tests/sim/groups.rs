//! Stories of sync groups: all VIPs here, or none.

use vipkeeper::node::Status;
use vipkeeper::node::event::Request;
use vipkeeper::units::{IfName, Name};

use crate::setup::{Cluster, node_ip, node_name, standard};
use crate::world::{World, ms, secs, settled};

/// Each VIP prefers another node; as a group they prefer the first one.
fn grouped() -> Cluster {
    Cluster { vips: 2, grouped: true, ..standard() }
}

fn status(world: &World, host: usize) -> Status {
    world.hosts[host].node.as_ref().unwrap().status(world.now)
}

fn both(world: &World) -> (Vec<usize>, Vec<usize>) {
    (world.holders(0), world.holders(1))
}

/// What the group's hooks of a host were told.
fn told(world: &World, host: usize) -> Vec<&str> {
    let of_host = world.hooks_run.iter().filter(|(h, _)| *h == host);
    of_host.filter_map(|(_, argv)| argv.strip_prefix("/hooks/group GROUP edge ")).collect()
}

#[test]
fn a_group_is_on_one_node_although_its_vips_prefer_others() {
    let world = settled(grouped());
    assert_eq!(both(&world), (vec![0], vec![0]));
    assert_eq!((told(&world, 0), told(&world, 1)), (vec!["BACKUP 0", "MASTER 0"], vec!["BACKUP 0"]));
    assert_eq!(status(&world, 0).vips[1].group.as_deref(), Some("edge"));
    assert_eq!(status(&world, 0).vips[1].priority, Some(254), "the group has the priority of its first VIP");
}

#[test]
fn one_vip_is_released_and_all_move() {
    let mut world = settled(grouped());
    world.hooks_run.clear();
    let vip = Some(Name::new("vip1").unwrap());
    world.request(0, 1, Request::Release { vip, hold: secs(4) });
    world.run(ms(100)).unwrap();
    assert_eq!(both(&world), (vec![1], vec![1]));
    assert_eq!(status(&world, 0).vips[0].why, "vip vip1 of group edge: released by an operator");
    assert_eq!(status(&world, 0).vips[1].why, "released by an operator");
    world.run(secs(10)).unwrap();
    assert_eq!(both(&world), (vec![0], vec![0]));
    assert_eq!(told(&world, 0), ["FAULT 0", "BACKUP 0", "MASTER 0"]);
    assert_eq!(told(&world, 1), ["MASTER 0", "BACKUP 0"]);
}

#[test]
fn one_vip_loses_its_interface_and_all_move() {
    let mut world = settled(grouped());
    world.edit = |version, config| {
        if version == 2 {
            config.vips[1].interfaces.insert(node_name(0), IfName::new("eth7").unwrap());
        }
    };
    world.write_config(0, 2, false);
    world.run(secs(2)).unwrap();
    assert_eq!(both(&world), (vec![1], vec![1]));
    assert_eq!(status(&world, 0).vips[0].why, "vip vip1 of group edge: interface eth7 does not exist");
}

#[test]
fn a_dead_host_loses_the_whole_group_at_once() {
    let mut world = settled(grouped());
    world.segment.cut.extend([(0, 1), (1, 0)]);
    world.disturb();
    while world.holders(0) == [0] {
        world.run(ms(1)).unwrap();
    }
    world.run(ms(2)).unwrap();
    assert_eq!(both(&world), (vec![0, 1], vec![0, 1]));
    world.segment.cut.clear();
    world.disturb();
    world.hooks_run.clear();
    world.run(secs(2)).unwrap();
    assert_eq!(both(&world), (vec![0], vec![0]));
    assert_eq!(world.arp, [Some(0), Some(0)]);
    assert_eq!((told(&world, 0), told(&world, 1)), (vec!["MASTER 0"], vec!["BACKUP 0"]));
}

/// The first node has no key: the others see its adverts, and it sees no hello.
#[test]
fn nobody_is_named_when_a_stronger_router_is_active_already() {
    let keyed = vec![false, true, true];
    for seed in 0..16 {
        let mut world = World::new(Cluster { nodes: 3, keyed: keyed.clone(), ..grouped() }, seed);
        world.run(secs(15)).unwrap();
        world.kill(0);
        world.run(secs(10)).unwrap();
        assert_eq!(both(&world), (vec![1], vec![1]));
        world.trace = Some(String::new());
        world.restart_in(0, ms(1));
        world.run(secs(10)).unwrap();
        assert_eq!(both(&world), (vec![0], vec![0]));
        let trace = world.trace.unwrap();
        assert!(!trace.contains("lb3 vip"), "{trace}");
    }
}

#[test]
fn the_resignation_of_a_bystander_does_not_pull_a_group_away_from_its_holder() {
    let mut world = World::new(Cluster { nodes: 3, ..grouped() }, 1);
    world.run(secs(15)).unwrap();
    assert_eq!(both(&world), (vec![0], vec![0]));
    world.trace = Some(String::new());
    // The third node was active for a moment, for one of them, and let it go again.
    for _ in 0..20 {
        world.advert_from(node_ip(2), 1, 0, 252);
        world.advert_from(node_ip(2), 1, 0, 0);
        world.run(ms(130)).unwrap();
    }
    assert!(!world.trace.as_deref().unwrap().contains("->"), "{}", world.trace.unwrap());
}

/// Somebody else's router is stronger for one VIP: holding the others would tear the group.
#[test]
fn a_stronger_router_for_one_vip_takes_the_whole_group_away() {
    let mut world = settled(grouped());
    for _ in 0..10 {
        for host in [0, 1] {
            world.rival(host, 1, 255);
        }
        world.run(ms(500)).unwrap();
    }
    assert_eq!(both(&world), (vec![], vec![]));
    let why = &status(&world, 0).vips[0].why;
    assert_eq!(why, "vip vip1 of group edge: 10.0.0.250 is active with priority 255");
    world.run(secs(5)).unwrap();
    assert_eq!(both(&world), (vec![0], vec![0]));
}

#[test]
fn a_restarted_vipkeeper_resumes_the_whole_group() {
    let mut world = settled(grouped());
    world.kill(0);
    world.restart_in(0, ms(100));
    world.run(secs(3)).unwrap();
    assert_eq!(both(&world), (vec![0], vec![0]));
    let trace = world.trace.unwrap();
    assert_eq!((trace.matches("resumes the lease").count(), trace.matches(" - 10.0.0.").count()), (2, 0), "{trace}");
}

#[test]
fn one_lost_lease_of_a_group_is_made_up_for() {
    let mut world = settled(grouped());
    world.kill(0);
    world.delete_address(0, 1);
    world.restart_in(0, ms(100));
    world.run(secs(3)).unwrap();
    assert_eq!(both(&world), (vec![0], vec![0]));
}

#[test]
fn two_vips_on_two_nodes_become_a_group() {
    let mut world = settled(Cluster { grouped: false, ..grouped() });
    assert_eq!(both(&world), (vec![0], vec![1]));
    world.edit = |version, config| {
        if version == 2 {
            let vips = config.vips.iter().map(|v| v.name.clone()).collect();
            let name = Name::new("edge").unwrap();
            config.groups.push(vipkeeper::config::GroupConfig { name, vips, hooks: Default::default() });
        }
    };
    world.write_config(0, 2, false);
    world.write_config(1, 2, false);
    world.run(secs(10)).unwrap();
    assert_eq!(world.holders(0).len(), 1);
    assert_eq!(world.holders(0), world.holders(1));
}
