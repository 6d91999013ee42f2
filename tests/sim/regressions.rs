//! Stories that once went wrong.

use std::time::Duration;

use vipkeeper::config::{Preempt, Transport};
use vipkeeper::node::event::{Request, Signal};
use vipkeeper::node::{Event, Status};
use vipkeeper::units::{Centis, Digest};

use crate::setup::{Cluster, node_ip, standard};
use crate::world::{World, ms, secs, settled};

/// How often the log holds a text.
fn told(world: &World, text: &str) -> usize {
    world.trace.as_deref().unwrap_or_default().matches(text).count()
}

fn status(world: &World, host: usize) -> Status {
    world.hosts[host].node.as_ref().unwrap().status(world.now)
}

/// What the hooks of a host were told, in order.
fn hooks(world: &World, host: usize) -> Vec<&str> {
    let states = world.hooks_run.iter().filter(|(h, _)| *h == host);
    states.filter_map(|(_, argv)| argv.strip_prefix("/hooks/any INSTANCE ")).collect()
}

/// The answers to a request.
fn answers(world: &World, id: u64) -> Vec<&Result<String, String>> {
    world.replies.iter().filter(|(to, _)| *to == id).map(|(_, result)| result).collect()
}

#[test]
fn a_proxy_that_waits_for_a_processor_keeps_the_vip_for_a_second() {
    let mut world = settled(standard());
    world.hosts[0].starving = true;
    world.run(ms(1_000)).unwrap();
    assert_eq!(told(&world, "vip0:"), 0, "{}", world.trace.unwrap());
    world.hosts[0].starving = false;
    world.run(secs(3)).unwrap();
    assert_eq!(told(&world, "vip0:"), 0, "{}", world.trace.unwrap());
    // One in an endless loop looks the same, and is found out.
    world.hosts[0].starving = true;
    world.run(secs(2)).unwrap();
    assert_eq!(world.holders(0), [1]);
}

/// Each turn of the proxy is long in coming and short. Asked anew again and again it would answer nobody.
#[test]
fn a_proxy_that_gets_a_processor_now_and_then_keeps_the_vip() {
    let mut world = settled(standard());
    for _ in 0..20 {
        world.hosts[0].starving = true;
        world.run(ms(700)).unwrap();
        world.hosts[0].starving = false;
        world.run(ms(25)).unwrap();
    }
    assert_eq!(told(&world, "vip0:"), 0, "{}", world.trace.unwrap());
    world.hosts[0].starving = true;
    world.run(secs(2)).unwrap();
    assert_eq!(world.holders(0), [1]);
}

#[test]
fn a_vipkeeper_that_hung_does_not_take_its_own_lateness_for_a_silent_proxy() {
    let mut world = settled(standard());
    let freeze = |world: &mut World, frozen| world.hosts[0].proxy.as_mut().unwrap().frozen = frozen;
    // One silence was seen; what came of the second probe nobody was there to see.
    freeze(&mut world, true);
    world.run(ms(400)).unwrap();
    world.stall(0, ms(800));
    world.run(ms(500)).unwrap();
    freeze(&mut world, false);
    world.run(secs(2)).unwrap();
    assert_eq!(told(&world, "has failed"), 0, "{}", world.trace.unwrap());
    // Silence that was waited for is another matter.
    freeze(&mut world, true);
    world.run(secs(1)).unwrap();
    assert_eq!(told(&world, "has failed"), 1, "{}", world.trace.unwrap());
}

#[test]
fn a_reload_of_the_proxy_by_somebody_else_moves_nothing() {
    let mut world = settled(standard());
    for _ in 0..3 {
        world.operator_reloads(0);
        world.run(secs(1)).unwrap();
    }
    assert_eq!(told(&world, "vip0:"), 0, "{}", world.trace.unwrap());
    assert!(status(&world, 0).proxy.healthy);
}

#[test]
fn a_backup_that_hung_reads_the_adverts_that_wait_before_it_takes_over() {
    let mut world = settled(standard());
    world.stall(1, secs(8));
    world.run(secs(12)).unwrap();
    assert_eq!(told(&world, "lb2 vip0:"), 0, "{}", world.trace.unwrap());
}

/// A machine that is paused, or a socket that filled up with the oldest adverts: the silence is not the holder's.
#[test]
fn a_backup_that_was_paused_listens_before_it_takes_over() {
    for paused in (2_500..5_000).step_by(125) {
        for cluster in [standard(), standard().with_key()] {
            let mut world = settled(cluster);
            world.pause(1, ms(paused));
            world.run(secs(10)).unwrap();
            assert_eq!(told(&world, "lb2 vip0:"), 0, "{paused} {}", world.trace.unwrap());
        }
    }
}

/// It listens for one interval, and once.
#[test]
fn a_backup_that_was_paused_takes_over_from_a_holder_that_died_meanwhile() {
    let mut world = settled(standard());
    world.pause(1, secs(8));
    world.set_link(0, false);
    world.run(ms(8_900)).unwrap();
    assert!(world.holders(0).is_empty(), "{}", world.trace.unwrap());
    world.run(ms(200)).unwrap();
    assert_eq!(world.holders(0), vec![1], "{}", world.trace.unwrap());
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

#[test]
fn a_change_that_replaces_a_refused_one_is_put_in_force() {
    let mut world = settled(standard());
    world.hosts[0].refused = Some(Digest(2));
    world.hosts[0].slow_checks = ms(500);
    world.write_config(0, 2, false);
    world.request(0, 1, Request::Reload);
    world.run(ms(100)).unwrap();
    world.write_config(0, 3, false);
    world.request(0, 2, Request::Reload);
    world.run(secs(5)).unwrap();
    assert_eq!(world.hosts[0].proxy.as_ref().unwrap().generation, Digest(3));
    assert_eq!(status(&world, 0).config.digest, Digest(3).to_string());
    assert!(matches!(answers(&world, 1)[..], [Ok(_)]), "{:?}", world.replies);
    assert!(matches!(answers(&world, 2)[..], [Ok(_)]), "{:?}", world.replies);
}

#[test]
fn a_reload_that_cannot_start_the_proxy_is_answered() {
    let mut world = settled(standard());
    world.hosts[0].troubles.cannot_start = true;
    world.kill_proxy(0);
    world.run(secs(1)).unwrap();
    world.write_config(0, 2, false);
    world.request(0, 1, Request::Reload);
    world.run(secs(5)).unwrap();
    assert!(matches!(answers(&world, 1)[..], [Err(_)]), "{:?}", world.replies);
    // What is in force is what is started as soon as that is possible.
    world.hosts[0].troubles.cannot_start = false;
    world.run(secs(15)).unwrap();
    assert_eq!(status(&world, 0).config.digest, Digest(1).to_string());
    assert_eq!(world.hosts[0].proxy.as_ref().unwrap().generation, Digest(1));
}

#[test]
fn a_stop_answers_everybody_who_waits_for_a_reload() {
    for wait in [1, 100] {
        let mut world = settled(standard());
        world.hosts[0].slow_checks = ms(500);
        world.write_config(0, 2, false);
        world.request(0, 1, Request::Reload);
        world.run(ms(wait)).unwrap();
        world.request(0, 2, Request::Reload);
        world.signal(0, Signal::Terminate);
        world.run(secs(3)).unwrap();
        assert_eq!(world.hosts[0].exit_code, Some(0));
        assert!(matches!(answers(&world, 1)[..], [Err(_)]), "{:?}", world.replies);
        assert!(matches!(answers(&world, 2)[..], [Err(_)]), "{:?}", world.replies);
    }
}

#[test]
fn a_stop_on_purpose_is_no_failure_of_the_proxy() {
    let mut world = settled(standard());
    world.signal(0, Signal::Interrupt);
    world.run(secs(1)).unwrap();
    assert_eq!((told(&world, "has failed"), told(&world, "the proxy is stopped")), (0, 1), "{}", world.trace.unwrap());
}

#[test]
fn a_second_signal_leaves_at_once() {
    let mut world = settled(standard());
    world.hosts[0].hooks_hang = true;
    world.signal(0, Signal::Terminate);
    world.run(ms(100)).unwrap();
    assert_eq!(world.hosts[0].exit_code, None);
    world.signal(0, Signal::Terminate);
    world.run(ms(1)).unwrap();
    assert_eq!(world.hosts[0].exit_code, Some(1));
}

#[test]
fn a_start_with_the_last_good_configuration_shows_until_the_files_are_good() {
    let mut world = settled(standard());
    world.deliver(0, Duration::ZERO, Event::StartedWithLastGood { report: "line 3: no such key".into() });
    world.run(ms(10)).unwrap();
    let last = status(&world, 0).config.last_reload.unwrap();
    assert!(!last.ok && last.message.contains("line 3") && last.message.contains("last good"), "{last:?}");
    // The file says again what runs.
    world.write_config(0, 1, false);
    world.run(secs(1)).unwrap();
    let last = status(&world, 0).config.last_reload.unwrap();
    assert!(last.ok && last.message.contains("in force"), "{last:?}");
}

#[test]
fn a_new_binary_is_told_to_need_a_restart() {
    let mut world = settled(standard());
    world.edit = |version, config| {
        if version == 2 {
            config.proxy.binary = "/opt/haproxy".into();
        }
    };
    world.write_config(0, 2, false);
    world.request(0, 1, Request::Reload);
    world.run(secs(1)).unwrap();
    let [Ok(message)] = answers(&world, 1)[..] else { panic!("{:?}", world.replies) };
    assert!(
        message.contains("/opt/haproxy is used only once vipkeeper and the proxy have been restarted"),
        "{message}"
    );
}

#[test]
fn hooks_are_told_of_a_fault_from_the_start_on_and_of_the_stop() {
    let mut world = World::new(standard(), 1);
    world.hosts[0].troubles.cannot_start = true;
    world.run(secs(2)).unwrap();
    assert_eq!(hooks(&world, 0), ["vip0 FAULT 254"]);
    world.signal(0, Signal::Terminate);
    world.run(secs(1)).unwrap();
    assert_eq!(hooks(&world, 0), ["vip0 FAULT 254", "vip0 STOP 254"]);
}

#[test]
fn a_vip_without_its_interface_is_told_to_be_at_fault() {
    let mut world = World::new(standard(), 1);
    world.edit = |_, config| {
        for interface in config.vips[0].interfaces.values_mut() {
            *interface = vipkeeper::units::IfName::new("eth7").unwrap();
        }
    };
    world.kill(0);
    world.restart_in(0, ms(1));
    world.run(secs(2)).unwrap();
    assert_eq!(hooks(&world, 0), ["vip0 FAULT 254"]);
}

#[test]
fn a_renamed_vip_stays_and_tells_its_state_under_the_new_name() {
    let mut world = settled(standard());
    world.edit = |version, config| {
        if version == 2 {
            config.vips[0].name = vipkeeper::units::Name::new("web").unwrap();
        }
    };
    world.hooks_run.clear();
    world.write_config(0, 2, false);
    world.write_config(1, 2, false);
    world.run(secs(2)).unwrap();
    assert_eq!((hooks(&world, 0), hooks(&world, 1)), (vec!["web MASTER 254"], vec!["web BACKUP 253"]));
    assert_eq!(told(&world, "->"), 0, "{}", world.trace.unwrap());
}

#[test]
fn a_vip_that_changes_its_transport_keeps_its_release_and_the_order_of_its_hooks() {
    let mut world = settled(standard());
    world.edit = |version, config| {
        if version == 2 {
            config.vips[0].transport = Transport::Unicast;
        }
    };
    world.hooks_run.clear();
    world.write_config(0, 2, false);
    world.write_config(1, 2, false);
    world.run(secs(8)).unwrap();
    assert_eq!(hooks(&world, 0), ["vip0 FAULT 254", "vip0 BACKUP 254", "vip0 MASTER 254"]);
    assert_eq!(world.holders(0), [0]);
    world.request(0, 1, Request::Release { vip: None, hold: Duration::ZERO });
    world.run(secs(2)).unwrap();
    world.write_config(0, 3, false);
    world.run(secs(8)).unwrap();
    assert_eq!(status(&world, 0).vips[0].why, "released by an operator");
    world.request(0, 2, Request::Resume { vip: None });
    world.run(ms(10)).unwrap();
    assert_eq!(status(&world, 0).vips[0].state, "backup");
}

#[test]
fn a_release_for_longer_than_the_clock_reaches_lasts_until_it_is_resumed() {
    let mut world = settled(standard());
    world.request(0, 1, Request::Release { vip: None, hold: Duration::MAX });
    world.run(secs(1)).unwrap();
    assert!(matches!(answers(&world, 1)[..], [Ok(_)]));
    assert_eq!(world.holders(0), [1]);
}

#[test]
fn a_node_that_loses_its_address_resigns_with_it() {
    let mut world = settled(standard());
    world.hosts[0].has_own_address = false;
    world.deliver(0, Duration::ZERO, Event::NetworkChanged);
    world.run(ms(100)).unwrap();
    assert_eq!(world.holders(0), [1], "{}", world.trace.unwrap());
}

#[test]
fn a_unicast_router_speaks_from_no_address_that_its_peers_do_not_know() {
    let mut world = settled(Cluster { unicast: true, ..standard() });
    world.hosts[0].has_own_address = false;
    world.hosts[0].foreign_address = true;
    world.deliver(0, Duration::ZERO, Event::NetworkChanged);
    world.run(secs(8)).unwrap();
    assert_eq!(world.holders(0), [1], "{}", world.trace.unwrap());
    assert!(status(&world, 0).vips[0].why.contains("unicast"), "{}", status(&world, 0).vips[0].why);
}

#[test]
fn a_new_hardware_address_is_announced() {
    let mut world = settled(standard());
    world.hosts[0].mac = 0x77;
    world.arp[0] = None;
    world.deliver(0, Duration::ZERO, Event::NetworkChanged);
    world.run(ms(10)).unwrap();
    assert_eq!(world.arp[0], Some(0));
}

#[test]
fn a_rival_while_the_address_is_on_its_way_back_makes_nobody_spin() {
    let mut world = settled(standard());
    world.run(secs(3)).unwrap();
    world.hosts[0].netlink_free_at = world.now + ms(300);
    world.delete_address(0, 0);
    world.run(ms(5)).unwrap();
    world.rival(0, 0, 1);
    let steps = world.steps;
    world.run(ms(250)).unwrap();
    assert!(world.steps < steps + 50, "{} steps", world.steps - steps);
    world.run(ms(100)).unwrap();
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn a_lease_that_outlived_the_patience_of_a_backup_is_not_resumed() {
    let interval = Centis::new(1).unwrap();
    let mut world = settled(Cluster { interval, preempt: Preempt::Refused, ..standard() });
    world.kill(0);
    world.restart_in(0, ms(1_500));
    world.run(secs(4)).unwrap();
    assert_eq!((told(&world, "resumes the lease"), world.holders(0)), (0, vec![1]), "{}", world.trace.unwrap());
}

#[test]
fn notify_master_waits_for_the_address() {
    let mut world = settled(standard());
    world.hosts[1].netlink_free_at = world.now + ms(500);
    world.kill_proxy(0);
    world.hooks_run.clear();
    world.run(ms(400)).unwrap();
    assert_eq!(status(&world, 1).vips[0].state, "active");
    assert!(hooks(&world, 1).is_empty(), "{:?}", hooks(&world, 1));
    world.run(ms(200)).unwrap();
    assert_eq!(hooks(&world, 1), ["vip0 MASTER 253"]);
}

#[test]
fn an_echo_of_our_own_adverts_is_no_rival() {
    let mut world = settled(standard());
    world.advert_from(node_ip(0), 0, 0, 200);
    world.run(ms(1)).unwrap();
    let vip = status(&world, 0).vips.remove(0);
    assert_eq!((vip.counters.get("rivals-heard"), vip.dropped.values().sum::<u64>()), (None, 1), "{vip:?}");
}

#[test]
fn a_proxy_whose_frontend_is_paused_holds_no_vip() {
    let mut world = settled(standard());
    world.hosts[0].paused = true;
    world.run(secs(1)).unwrap();
    assert_eq!(world.holders(0), [1]);
    assert!(status(&world, 0).proxy.why.contains("frontend www is PAUSED"));
}

#[test]
fn the_address_of_a_vip_that_leaves_is_not_spoken_from() {
    let mut world = settled(Cluster { vips: 2, ..standard() });
    world.edit = |version, config| {
        if version == 2 {
            config.vips.remove(0);
        }
    };
    world.kill_proxy(1);
    world.hosts[1].troubles.cannot_start = true;
    world.run(secs(1)).unwrap();
    assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![0]));
    world.hosts[0].netlink_free_at = world.now + secs(2);
    world.write_config(0, 2, false);
    world.run(ms(400)).unwrap();
    world.hosts[0].has_own_address = false;
    world.deliver(0, Duration::ZERO, Event::NetworkChanged);
    world.run(ms(100)).unwrap();
    assert_eq!(status(&world, 0).vips[0].state, "fault", "{}", world.trace.unwrap());
}

#[test]
fn a_vip_that_comes_back_tells_its_scripts_after_what_it_told_when_it_left() {
    let mut world = settled(standard());
    world.edit = |version, config| {
        if version == 2 {
            let gone = config.nodes[1].name.clone();
            config.vips[0].priorities.remove(&gone);
            config.vips[0].interfaces.remove(&gone);
        }
    };
    world.hosts[1].hooks_hang = true;
    world.hooks_run.clear();
    world.write_config(1, 2, false);
    world.run(secs(1)).unwrap();
    world.hosts[1].hooks_hang = false;
    world.write_config(1, 1, false);
    world.run(secs(5)).unwrap();
    assert_eq!(hooks(&world, 1), ["vip0 FAULT 253", "vip0 BACKUP 253"]);
}

#[test]
fn a_change_that_was_overtaken_and_runs_all_the_same_is_in_force() {
    let mut world = settled(standard());
    world.hosts[0].slow_checks = ms(500);
    world.write_config(0, 2, false);
    world.request(0, 1, Request::Reload);
    world.run(ms(100)).unwrap();
    // The first is being checked when the second comes, and the second is refused.
    world.hosts[0].refused = Some(Digest(3));
    world.write_config(0, 3, false);
    world.request(0, 2, Request::Reload);
    world.run(secs(5)).unwrap();
    assert_eq!(world.hosts[0].proxy.as_ref().unwrap().generation, Digest(2));
    assert_eq!(status(&world, 0).config.digest, Digest(2).to_string());
    assert!(matches!(answers(&world, 2)[..], [Err(_)]), "{:?}", world.replies);
    // Back to what was in force before is a change, too.
    world.hosts[0].refused = None;
    world.write_config(0, 1, false);
    world.request(0, 3, Request::Reload);
    world.run(secs(5)).unwrap();
    assert_eq!(world.hosts[0].proxy.as_ref().unwrap().generation, Digest(1));
    assert_eq!(status(&world, 0).config.digest, Digest(1).to_string());
}

#[test]
fn hooks_of_a_name_run_in_one_order_whoever_bears_it() {
    let mut world = settled(standard());
    world.edit = |version, config| match version {
        2 => {
            config.vips[0].name = vipkeeper::units::Name::new("web").unwrap();
            config.vips[0].transport = Transport::Unicast;
        }
        3 => config.vips[0].transport = Transport::Unicast,
        _ => {}
    };
    world.hooks_run.clear();
    // `vip0` leaves, and what bears its name afterwards is another router, renamed in place.
    world.hosts[0].hooks_hang = true;
    for version in [2, 3] {
        world.write_config(0, version, false);
        world.write_config(1, version, false);
        world.run(secs(1)).unwrap();
    }
    world.hosts[0].hooks_hang = false;
    world.run(secs(20)).unwrap();
    assert_eq!(world.holders(0), [0]);
    let told = hooks(&world, 0);
    let of_vip0: Vec<_> = told.iter().filter(|t| t.starts_with("vip0")).collect();
    assert_eq!(of_vip0.first().map(|t| **t), Some("vip0 FAULT 254"), "{told:?}");
    assert_eq!(of_vip0.last().map(|t| **t), Some("vip0 MASTER 254"), "{told:?}");
}
