//! What peers are told and what follows from it, to the exact instant: lingering, equals, offers, troubles.

use std::time::Duration;

use vipkeeper::config::Config;
use vipkeeper::node::Status;
use vipkeeper::node::event::{Request, Signal};
use vipkeeper::units::Priority;

use crate::setup::{Cluster, node_name, standard};
use crate::world::{World, ms, secs, settled};

fn pair() -> Cluster {
    standard().with_key()
}

fn status(world: &World, host: usize) -> Status {
    world.hosts[host].node.as_ref().unwrap().status(world.now)
}

fn counter(world: &World, host: usize, name: &str) -> Option<u64> {
    status(world, host).vips[0].counters.get(name).copied()
}

fn count(world: &World, text: &str) -> usize {
    world.trace.as_deref().unwrap().matches(text).count()
}

/// Peers know each other, and from now on nobody hears anybody.
fn deafen(world: &mut World) {
    world.segment.hello_loss_permille = 1000;
    world.segment.advert_loss_permille = 1000;
    world.disturb();
}

fn release() -> Request {
    Request::Release { vip: None, hold: secs(30) }
}

#[test]
fn what_is_handed_over_stays_for_a_tenth_of_a_second_unless_clients_are_served_no_longer() {
    // After a hang of two intervals somebody else may hold it already.
    for (hang, stays) in [(ms(1), true), (ms(1_900), true), (ms(2_100), false)] {
        let mut world = settled(pair());
        let sent = counter(&world, 0, "adverts-sent");
        while counter(&world, 0, "adverts-sent") == sent {
            world.run(ms(1)).unwrap();
        }
        world.stall(0, hang);
        world.run(hang - Duration::from_micros(500)).unwrap();
        deafen(&mut world);
        world.request(0, 1, release());
        world.run(ms(50)).unwrap();
        assert_eq!(world.holders(0).contains(&0), stays, "{hang:?}: {:?}", world.trace);
        world.run(ms(60)).unwrap();
        assert!(!world.holders(0).contains(&0), "{hang:?}");
    }
    let end: [fn(&mut World); 2] = [|world| world.kill_proxy(0), |world| world.set_link(0, false)];
    for end in end {
        let mut world = settled(pair());
        deafen(&mut world);
        world.request(0, 1, release());
        world.run(ms(20)).unwrap();
        assert_eq!(world.holders(0), [0]);
        end(&mut world);
        world.run(ms(10)).unwrap();
        assert_eq!(world.holders(0), [0; 0], "{:?}", world.trace);
    }
}

#[test]
fn a_successor_announces_again_when_the_one_before_is_gone_for_certain() {
    let mut world = settled(pair());
    let start = world.now;
    world.signal(0, Signal::Terminate);
    world.run(secs(4)).unwrap();
    let mut rounds: Vec<u128> = world
        .announced
        .iter()
        .filter(|(at, host)| *at >= start && *host == 1)
        .map(|(at, _)| (*at - start).as_millis())
        .collect();
    rounds.dedup();
    assert_eq!(rounds.len(), 2, "{rounds:?}");
    assert!(rounds[0] <= 1 && (120..=121).contains(&rounds[1]), "{rounds:?}");
}

#[test]
fn who_is_given_up_by_an_operator_is_not_fit_although_its_proxy_is() {
    let mut world = settled(pair());
    let fit = |world: &World| status(world, 0).peers[0].vips[0].fit;
    assert!(fit(&world));
    world.request(1, 1, release());
    world.run(ms(50)).unwrap();
    assert!(!fit(&world));
    world.request(1, 2, Request::Resume { vip: None });
    world.run(ms(50)).unwrap();
    assert!(fit(&world));
    world.hosts[1].troubles.cannot_start = true;
    world.kill_proxy(1);
    world.run(ms(50)).unwrap();
    assert!(!fit(&world));
}

fn equals(_version: u64, config: &mut Config) {
    for node in 0..2 {
        config.vips[0].priorities.insert(node_name(node), Priority::new(200).unwrap());
    }
}

/// The one of the higher address holds it.
fn settled_equals() -> World {
    let mut world = World::dark(pair(), 1);
    world.edit = equals;
    world.boot_all();
    world.run(secs(12)).unwrap();
    world.trace = Some(String::new());
    world
}

#[test]
fn equals_want_nothing_from_each_other() {
    for adverts_lost in [0, 1000] {
        let mut world = settled_equals();
        let before = world.holders(0);
        world.segment.advert_loss_permille = adverts_lost;
        world.disturb();
        world.run(secs(20)).unwrap();
        assert_eq!((world.holders(0), count(&world, "->")), (before, 0), "{:?}", world.trace);
    }
}

#[test]
fn of_two_equals_that_are_active_the_adverts_decide() {
    for offset in (0..1_000).step_by(125) {
        let mut world = settled_equals();
        world.segment.cut.extend([(0, 1), (1, 0)]);
        world.disturb();
        world.run(secs(6) + ms(offset)).unwrap();
        assert_eq!(world.holders(0), [0, 1]);
        world.segment.cut.clear();
        world.disturb();
        world.run(secs(3)).unwrap();
        assert_eq!((world.holders(0), count(&world, "as its hello says")), (vec![1], 0), "{:?}", world.trace);
        assert_eq!(count(&world, "lb1 vip0: active -> backup: 10.0.0.12 is active with priority 200"), 1);
    }
}

#[test]
fn nobody_vouches_where_adverts_arrive_and_everybody_where_they_do_not() {
    let mut world = settled(pair());
    world.run(secs(20)).unwrap();
    assert_eq!(counter(&world, 1, "vouched"), None);
    world.segment.advert_loss_permille = 1000;
    world.disturb();
    world.run(secs(20)).unwrap();
    assert!(counter(&world, 1, "vouched").unwrap() >= 15);
    assert_eq!(world.holders(0), [0]);
}

/// Its proxy has just failed: the one that names it does not know that yet.
#[test]
fn a_named_successor_whose_proxy_has_failed_takes_nothing() {
    let mut ignored = 0;
    for late in 0..20 {
        let mut world = settled(pair());
        world.hosts[1].troubles.cannot_start = true;
        world.kill_proxy(1);
        world.run(Duration::from_micros(380 + 10 * late)).unwrap();
        world.signal(0, Signal::Terminate);
        world.run(ms(5)).unwrap();
        ignored += counter(&world, 1, "offers-ignored").unwrap_or(0);
        world.run(secs(1)).unwrap();
        assert_eq!(world.holders(0), [0; 0], "{late}: {:?}", world.trace);
    }
    assert!(ignored > 0);
}

#[test]
fn adverts_that_do_not_arrive_are_no_trouble_before_they_are_missed_for_two_down_intervals() {
    let mut world = settled(pair());
    world.segment.advert_loss_permille = 1000;
    world.kill(1);
    world.restart_in(1, ms(100));
    for tenth in 0..200 {
        world.run(ms(100)).unwrap();
        let troubles = status(&world, 1).vips[0].troubles.len() + status(&world, 0).vips[0].troubles.len();
        if tenth < 60 && status(&world, 1).vips[0].state == "backup" {
            assert_eq!(status(&world, 1).vips[0].troubles, [""; 0], "{tenth}");
        }
        assert!(tenth < 100 || troubles == 2, "{tenth}");
    }
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn a_calm_start_has_no_troubles() {
    let mut world = World::new(Cluster { nodes: 3, ..pair() }, 1);
    for _ in 0..200 {
        world.run(ms(100)).unwrap();
        for host in 0..3 {
            assert_eq!(status(&world, host).vips[0].troubles, [""; 0]);
        }
    }
}
