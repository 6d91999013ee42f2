//! Stories about exact instants, counts and levels: what happens once, when it does, and what must not happen twice.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use vipkeeper::config::{Accept, Config, Hardware, TrackerKind, VirtualAddress};
use vipkeeper::node::event::{Loaded, Request, Signal};
use vipkeeper::node::{Effect, Event, LogLevel, Status};
use vipkeeper::peer::PeerKey;
use vipkeeper::units::{Centis, Digest, IfName, Name, VipAddress};
use vipkeeper::vrrp::announce::announcement;

use crate::host::{ARP_BEFORE, Looks};
use crate::rng::Rng;
use crate::setup::{self, Cluster, eth0, gateway, standard, tracker, vip_ip, web, with_belongings};
use crate::world::{World, ms, secs, settled};

fn status(world: &World, host: usize) -> Status {
    world.hosts[host].node.as_ref().unwrap().status(world.now)
}

fn told(world: &World, text: &str) -> usize {
    world.trace.as_deref().unwrap().matches(text).count()
}

fn group() -> Cluster {
    Cluster { grouped: true, vips: 2, ..standard() }
}

/// From version 2 on there is no VIP 1.
fn without_vip1(version: u64, config: &mut Config) {
    if version >= 2 {
        config.vips.truncate(1);
        config.groups.clear();
    }
}

#[test]
fn a_hangup_reads_the_files_at_once_although_nobody_saw_them_change() {
    let mut world = settled(standard());
    world.hosts[0].config_version = 2;
    world.run(secs(1)).unwrap();
    assert_eq!(status(&world, 0).config.digest, Digest(1).to_string());
    world.signal(0, Signal::Hangup);
    world.run(ms(190)).unwrap();
    assert_eq!(status(&world, 0).config.digest, Digest(2).to_string());
}

/// The same files, and another key from version 2 on.
fn another_key(cluster: &Cluster, version: u64) -> Loaded {
    let mut loaded = setup::loaded(cluster, 0, 1);
    if version == 2 {
        loaded.key = Some(PeerKey::new([8; 32]));
    }
    loaded
}

#[test]
fn a_key_that_changed_alone_is_a_change() {
    let mut world = settled(standard().with_key());
    world.source = Some(another_key);
    world.request(0, 1, Request::Reload);
    world.run(secs(1)).unwrap();
    world.hosts[0].config_version = 2;
    world.request(0, 2, Request::Reload);
    world.run(secs(1)).unwrap();
    let answers: Vec<&str> = world.replies.iter().map(|(_, answer)| answer.as_deref().unwrap()).collect();
    assert_eq!(answers, ["unchanged", "applied without touching the proxy"]);
}

#[test]
fn hellos_go_on_through_the_same_sockets_until_their_addresses_change() {
    let mut world = settled(standard().with_key());
    world.edit = |version, config| {
        if version == 3 {
            config.peers.as_mut().unwrap().port += 1;
        }
    };
    assert_eq!(world.hellos_opened, 2);
    world.write_config(0, 2, false);
    world.run(secs(2)).unwrap();
    assert_eq!(world.hellos_opened, 2);
    world.write_config(0, 3, false);
    world.run(secs(2)).unwrap();
    assert_eq!(world.hellos_opened, 3);
}

#[test]
fn news_are_not_said_more_often_than_every_five_milliseconds() {
    let mut world = settled(standard().with_key());
    world.run(ms(300)).unwrap();
    world.tape = Some(Vec::new());
    for id in 0..12 {
        let request =
            if id % 2 == 0 { Request::Release { vip: None, hold: secs(9) } } else { Request::Resume { vip: None } };
        world.request(1, id, request);
        world.run(ms(1)).unwrap();
    }
    world.run(ms(6)).unwrap();
    let said = world.tape.as_ref().unwrap().iter().filter(|(from, ..)| *from == 1).count();
    assert!((3..=5).contains(&said), "{said} in 18 ms");
}

#[test]
fn a_socket_that_failed_is_opened_again_after_a_second() {
    let mut world = settled(standard());
    world.deliver(
        0,
        Duration::ZERO,
        Event::InterfaceOpened { interface: eth0(), result: Err("too many files".into()) },
    );
    world.run(ms(990)).unwrap();
    assert_eq!((status(&world, 0).vips[0].state.as_str(), world.holders(0)), ("fault", vec![1]));
    world.run(ms(20)).unwrap();
    assert_eq!(status(&world, 0).vips[0].state, "backup", "{:?}", world.trace);
    assert_eq!(told(&world, "lb1: no VRRP socket on eth0: too many files"), 1);
}

#[test]
fn a_node_is_starting_until_it_knows_its_links_and_its_proxy() {
    let mut world = World::new(standard(), 1);
    assert_eq!(status(&world, 0).phase, "starting");
    world.run(secs(3)).unwrap();
    assert_eq!(status(&world, 0).phase, "running");
}

#[test]
fn another_hardware_address_is_announced_in_one_round_and_once_more_later() {
    let mut world = settled(standard());
    world.run(secs(10)).unwrap();
    world.announced.clear();
    let start = world.now;
    world.hosts[0].mac = 9;
    world.deliver(0, Duration::ZERO, Event::NetworkChanged);
    world.run(secs(60)).unwrap();
    let at: Vec<u128> = world.announced.iter().map(|(at, _)| (*at - start).as_millis()).collect();
    assert_eq!(at, [0, 0, 0, 5_000, 5_000, 5_000], "{at:?}");
    world.run(secs(6)).unwrap();
    assert_eq!(world.announced.len(), 7, "a refresh is a single frame");
}

#[test]
fn rounds_are_a_tenth_of_a_second_apart_however_often_a_rival_speaks() {
    let mut world = settled(Cluster { interval: Centis::new(1).unwrap(), ..standard() });
    world.run(secs(10)).unwrap();
    world.announced.clear();
    let start = world.now;
    for _ in 0..250 {
        world.rival(0, 0, 1);
        world.run(ms(4)).unwrap();
    }
    world.run(ms(140)).unwrap();
    let mut rounds: Vec<_> = world.announced.iter().map(|(at, _)| *at).collect();
    rounds.dedup();
    assert!((9..=12).contains(&rounds.len()), "{} in a second", rounds.len());
    let close = rounds.windows(2).filter(|pair| pair[1] - pair[0] < ms(100)).count();
    assert_eq!((close, rounds[0] - start < ms(1)), (0, true), "{rounds:?}");
}

const CROWD: usize = 300;

fn with_a_crowd(_version: u64, config: &mut Config) {
    config.vips[0].addresses.extend((1..CROWD).map(|n| {
        let ip = Ipv4Addr::from(0x0a63_0000 + u32::try_from(n).unwrap());
        let address = VipAddress::new(IpAddr::V4(ip), 24).unwrap();
        VirtualAddress { advertised: false, ..VirtualAddress::plain(address) }
    }));
}

#[test]
fn a_round_of_many_addresses_leaves_in_portions_and_whole() {
    let mut world = World::new(standard(), 1);
    (world.edit, world.crowd) = (with_a_crowd, CROWD);
    world.write_config(0, 2, false);
    world.run(secs(40)).unwrap();
    (world.announcements, world.announcements_at_once) = (0, 0);
    // However often it is looked at, the next portion waits for its time.
    world.unasked = Some(Rng::new(5));
    world.hosts[0].mac = 9;
    world.deliver(0, Duration::ZERO, Event::NetworkChanged);
    world.run(ms(20)).unwrap();
    assert_eq!((world.announcements, world.announcements_at_once), (3 * CROWD, 256));
}

#[test]
fn adverts_are_counted() {
    let mut world = settled(standard());
    let before = status(&world, 0).vips[0].counters["adverts-sent"];
    world.run(secs(10)).unwrap();
    assert_eq!(status(&world, 0).vips[0].counters["adverts-sent"] - before, 10);
}

/// The log lines of one event.
fn lines(world: &mut World, host: usize, event: Event) -> Vec<(LogLevel, String)> {
    let now = world.now;
    let effects = world.hosts[host].node.as_mut().unwrap().handle(now, event);
    effects.into_iter().filter_map(|e| if let Effect::Log(l) = e { Some((l.level, l.message)) } else { None }).collect()
}

#[test]
fn a_fault_is_a_warning_unless_vipkeeper_stops() {
    for (event, level, text) in [
        (Event::Signalled(Signal::Terminate), LogLevel::Info, "active -> fault: vipkeeper stops"),
        (
            Event::Requested {
                id: vipkeeper::node::event::RequestId(1),
                request: Request::Release { vip: None, hold: secs(9) },
            },
            LogLevel::Warn,
            "active -> fault: released by an operator",
        ),
    ] {
        let mut world = settled(standard());
        let lines = lines(&mut world, 0, event);
        assert!(lines.contains(&(level, text.to_owned())), "{lines:?}");
    }
}

#[test]
fn a_vip_that_left_is_watched_no_longer() {
    let mut world = settled(group());
    world.edit = without_vip1;
    let vip = |v| IpAddr::V4(vip_ip(v));
    assert_eq!(world.hosts[0].watched, [vip(0), vip(1)]);
    for host in 0..2 {
        world.write_config(host, 2, false);
    }
    world.run(secs(3)).unwrap();
    assert_eq!((&world.hosts[0].watched, world.holders(1)), (&vec![vip(0)], vec![]));
}

#[test]
fn a_device_that_no_vip_has_any_more_goes_and_its_interface_stays_told_for_the_others() {
    let mut world = settled(Cluster { hardware: Hardware::Virtual, ..group() });
    world.edit = without_vip1;
    world.kill(0);
    world.hosts[0].config_version = 2;
    world.restart_in(0, ms(100));
    world.run(secs(3)).unwrap();
    assert_eq!((world.hosts[0].devices.len(), world.hosts[0].arp), (1, ARP_BEFORE.below_device()));
    assert_eq!(told(&world, "lb1 answers ARP like 0, 1"), 0, "{:?}", world.trace);
}

#[test]
fn an_interface_that_cannot_be_told_is_a_warning() {
    let mut world = World::new(Cluster { hardware: Hardware::Virtual, ..standard() }, 1);
    world.trace = Some(String::new());
    world.hosts[0].refuse_arp = true;
    world.run(secs(6)).unwrap();
    assert!(told(&world, "lb1: cannot set arp_ignore and arp_announce below") >= 1, "{:?}", world.trace);
}

/// Its proxy died with it: what it left goes as soon as that is known, and clients are not disturbed a second time.
#[test]
fn what_a_predecessor_left_goes_as_soon_as_it_is_known_that_nobody_resumes_it() {
    let mut world = World::new(Cluster { interval: Centis::new(1_000).unwrap(), ..standard() }, 1);
    world.run(secs(60)).unwrap();
    assert_eq!(world.holders(0), [0]);
    world.hosts[0].troubles.cannot_start = true;
    world.hosts[0].clients.insert(vip_ip(0).into(), 3);
    world.kill(0);
    world.kill_proxy(0);
    world.restart_in(0, ms(500));
    world.run(ms(600)).unwrap();
    assert_eq!(world.holders(0), [0; 0]);
    assert_eq!(world.hosts[0].clients.len(), 1, "nobody held it here since then");
}

/// The other resignation is lost, as any advert may be.
#[test]
fn a_group_does_not_wait_for_the_second_word_of_a_router_that_resigned() {
    let mut world = settled(group());
    for _ in 0..4 {
        for (host, vip) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            world.rival(host, vip, 255);
        }
        world.run(ms(900)).unwrap();
    }
    assert_eq!((world.holders(0), world.holders(1)), (vec![], vec![]));
    world.rival(0, 0, 0);
    world.run(ms(50)).unwrap();
    assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![0]), "{:?}", world.trace);
    for _ in 0..400 {
        world.run(ms(10)).unwrap();
        assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![0]), "{:?}", world.trace);
    }
}

#[test]
fn scripts_of_a_group_hear_of_a_conflict_once() {
    let mut world = settled(group());
    let count = |world: &World| world.hooks_run.iter().filter(|(_, argv)| argv.starts_with("/hooks/group ")).count();
    let before = count(&world);
    for round in 1..=2 {
        world.rival(0, 0, 1);
        world.run(ms(300)).unwrap();
        world.rival(0, 1, 1);
        world.run(secs(1)).unwrap();
        assert_eq!(count(&world) - before, round);
        world.run(secs(11)).unwrap();
    }
}

#[test]
fn another_router_on_a_young_link_is_heard_by_every_vip_there() {
    let mut world = settled(Cluster { vips: 2, hold: secs(8), ..standard() });
    for step in 0..8 {
        world.set_link(1, false);
        world.run(secs(1)).unwrap();
        world.set_link(1, true);
        world.run(ms(300 + 13 * step)).unwrap();
        world.advert_from([10, 0, 0, 250].into(), 1, 7, 1);
        world.run(secs(12)).unwrap();
    }
}

fn only_forwarding(_version: u64, config: &mut Config) {
    config.vips[0].accept = Accept::No;
}

#[test]
fn who_leaves_at_once_takes_the_filter_with_it() {
    let mut world = World::new(standard(), 1);
    world.edit = only_forwarding;
    world.hosts[0].config_version = 2;
    world.run(secs(1)).unwrap();
    world.write_config(0, 2, false);
    world.run(secs(5)).unwrap();
    assert_eq!(world.hosts[0].filtered, [IpAddr::V4(vip_ip(0))]);
    world.signal(0, Signal::Terminate);
    world.signal(0, Signal::Terminate);
    world.run(ms(100)).unwrap();
    assert_eq!((world.hosts[0].exit_code, world.hosts[0].filtered.len()), (Some(1), 0));
}

#[test]
fn the_filter_is_put_there_again_every_ten_seconds() {
    let mut world = settled(standard());
    world.edit = only_forwarding;
    world.write_config(0, 2, false);
    world.run(secs(1)).unwrap();
    for _ in 0..3 {
        while world.hosts[0].filtered.is_empty() {
            world.run(ms(1)).unwrap();
        }
        let start = world.now;
        world.hosts[0].filtered.clear();
        while world.hosts[0].filtered.is_empty() {
            world.run(ms(1)).unwrap();
        }
        let took = world.now - start;
        assert!(took <= ms(10_015), "{took:?}");
        world.run(ms(1)).unwrap();
    }
}

#[test]
fn a_route_goes_and_comes_with_the_address_that_it_needs() {
    let mut world = settled(standard());
    world.edit = with_belongings;
    world.write_config(0, 2, false);
    world.run(secs(4)).unwrap();
    assert_eq!(world.hosts[0].routing.len(), 1);
    world.delete_address(0, 0);
    assert_eq!(world.hosts[0].routing.len(), 0);
    world.run(ms(10)).unwrap();
    assert_eq!((world.holders(0), world.hosts[0].routing.len()), (vec![0], 1));
}

#[test]
fn a_route_that_is_refused_is_asked_for_again_on_time() {
    let mut world = settled(standard());
    world.edit = with_belongings;
    world.hosts[0].refuse_routing = true;
    world.write_config(0, 2, false);
    world.run(secs(2)).unwrap();
    let refused = |world: &World| status(world, 0).vips[0].counters["routing-refused"];
    let before = refused(&world);
    world.run(secs(20)).unwrap();
    let again = refused(&world) - before;
    assert!((9..=21).contains(&again), "{again} in 20 s");
}

#[test]
fn an_address_that_is_refused_is_counted_and_tried_again_after_five_seconds() {
    let mut world = World::new(standard(), 1);
    world.hosts[0].refuse_addresses = true;
    world.trace = Some(String::new());
    world.run(secs(14)).unwrap();
    let times = status(&world, 0).vips[0].counters["addresses-refused"];
    assert_eq!(
        (times, told(&world, "lb1 vip0: cannot install 10.0.0.100/24: no buffer space")),
        (times, times as usize)
    );
    world.hosts[0].refuse_addresses = false;
    world.run(secs(12)).unwrap();
    assert_eq!((world.holders(0), (1..=4).contains(&times)), (vec![0], true), "{times}");
}

#[test]
fn hooks_that_fail_are_counted_at_their_vip() {
    let mut world = settled(Cluster { vips: 2, ..standard() });
    let failed = |world: &World, host: usize| -> Vec<u64> {
        let vips = status(world, host).vips;
        vips.iter().map(|vip| vip.counters.get("hooks-failed").copied().unwrap_or(0)).collect()
    };
    assert_eq!((failed(&world, 0), failed(&world, 1)), (vec![0, 0], vec![0, 0]));
    world.hosts[1].hooks_fail = true;
    world.request(1, 1, Request::Release { vip: Some(Name::new("vip1").unwrap()), hold: secs(60) });
    world.run(secs(2)).unwrap();
    // `notify_fault` and `notify`.
    assert_eq!((failed(&world, 0), failed(&world, 1)), (vec![0, 0], vec![0, 2]));
}

#[test]
fn an_advert_that_cannot_leave_is_counted_by_interface() {
    let mut world = settled(standard());
    for name in ["eth0", "eth1", "eth0"] {
        let interface = IfName::new(name).unwrap();
        world.deliver(0, Duration::ZERO, Event::TransmitFailed { interface, error: "no buffer space".to_owned() });
    }
    world.run(ms(1)).unwrap();
    assert_eq!(status(&world, 0).vips[0].counters["transmits-failed"], 2);
}

/// It waited in the socket: it says what was true before.
#[test]
fn a_claim_from_before_the_takeover_is_no_duplicate() {
    let mut world = settled(standard());
    world.run(secs(2)).unwrap();
    let before = world.now;
    world.kill(0);
    world.run(secs(6)).unwrap();
    assert_eq!(status(&world, 1).vips[0].state, "active");
    for (at, count) in [(before, None), (world.now, Some(1))] {
        let frame = announcement([2, 0, 0, 0, 9, 9], vip_ip(0).into());
        world.deliver(1, Duration::ZERO, Event::FrameReceived { interface: eth0(), frame, at });
        world.run(ms(1)).unwrap();
        assert_eq!(status(&world, 1).vips[0].counters.get("duplicate-address").copied(), count);
    }
}

#[test]
fn vips_that_follow_others_are_told_in_time() {
    let other = || tracker("other", TrackerKind::Vip { vip: Name::new("vip0").unwrap() });
    let mut world = World::new(Cluster { vips: 2, track: vec![(other(), 20), (web(), 0)], ..standard() }, 1);
    world.unasked = Some(Rng::new(7));
    world.run(secs(12)).unwrap();
    for id in 0..40 {
        let host = world.holders(0)[0];
        world.request(host, id, Request::Release { vip: None, hold: ms(10 + 37 * id) });
        world.run(ms(3_000 + 171 * id)).unwrap();
        world.set_link(1 - host, false);
        world.run(ms(700)).unwrap();
        world.set_link(1 - host, true);
        world.run(secs(8)).unwrap();
    }
    let other = &status(&world, 0).trackers[0];
    assert_eq!((other.name.as_str(), other.verdict.as_str(), world.holders(0)), ("other", "good", vec![0]));
}

#[test]
fn who_is_alone_talks_to_nobody() {
    for (nodes, opened) in [(1, 0), (2, 2)] {
        let world = settled(Cluster { nodes, ..standard() }.with_key());
        assert_eq!(world.hellos_opened, opened);
    }
}

#[test]
fn a_tracker_that_fails_for_another_reason_has_failed_once() {
    let mut world = settled(Cluster { track: vec![(gateway(), 0)], ..standard() });
    world.set_looks(0, Looks::Fail);
    world.run(secs(6)).unwrap();
    world.set_looks(0, Looks::Hang);
    world.run(secs(6)).unwrap();
    assert_eq!(told(&world, "lb1: tracker gw failed"), 1, "{:?}", world.trace);
    world.set_looks(0, Looks::Good);
    world.run(secs(6)).unwrap();
    assert_eq!(told(&world, "lb1: tracker gw is good"), 1, "{:?}", world.trace);
}

#[test]
fn an_address_that_somebody_removed_is_counted_and_told_once() {
    let mut world = settled(standard());
    let restored = |world: &World| status(world, 0).vips[0].counters.get("addresses-restored").copied();
    world.deliver(0, Duration::ZERO, Event::NetworkChanged);
    world.run(secs(2)).unwrap();
    assert_eq!(restored(&world), None);
    for times in 1..=3 {
        world.delete_address(0, 0);
        world.run(secs(2)).unwrap();
        assert_eq!((restored(&world), world.holders(0)), (Some(times), vec![0]));
    }
    assert_eq!(told(&world, "lb1 vip0: 10.0.0.100/24 was removed by somebody else: putting it back"), 3);
}

/// The kernel removed them with their device, which is here again.
#[test]
fn routes_come_back_when_their_link_has_changed() {
    let mut world = settled(standard());
    world.edit = with_belongings;
    world.write_config(0, 2, false);
    world.run(secs(4)).unwrap();
    world.hosts[0].routing.clear();
    world.hosts[0].mac = 9;
    world.deliver(0, Duration::ZERO, Event::NetworkChanged);
    world.run(ms(20)).unwrap();
    assert_eq!(world.hosts[0].routing.len(), 1);
}
