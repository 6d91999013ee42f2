//! Stories of what operators ask for: a VIP is handed over and stays there, and a node is in maintenance.

use std::time::Duration;

use vipkeeper::config::Preempt;
use vipkeeper::node::Status;
use vipkeeper::node::event::{Request, Signal};
use vipkeeper::units::Name;

use crate::setup::{Cluster, standard};
use crate::world::{World, ms, secs, settled};

fn pair() -> Cluster {
    standard().with_key()
}

fn status(world: &World, host: usize) -> Status {
    world.hosts[host].node.as_ref().unwrap().status(world.now)
}

/// Asks, and returns the answer.
fn ask(world: &mut World, host: usize, request: Request) -> Result<String, String> {
    let id = world.asked.len() as u64 + 100;
    world.request(host, id, request);
    world.run(ms(5)).unwrap();
    let (_, answer) = world.replies.iter().find(|(of, _)| *of == id).expect("no answer");
    answer.clone()
}

fn switchover(vip: Option<&str>, to: Option<&str>) -> Request {
    let name = |name: &str| Name::new(name).unwrap();
    Request::Switchover { vip: vip.map(name), to: to.map(name) }
}

fn resume() -> Request {
    Request::Resume { vip: None }
}

/// The longest time in which no reachable host had the VIP.
fn gap(world: &mut World, span: Duration) -> Duration {
    let (end, mut longest, mut since) = (world.now + span, Duration::ZERO, None);
    while world.now < end {
        world.run(Duration::from_micros(200)).unwrap();
        match (world.holders(0).is_empty(), since) {
            (true, None) => since = Some(world.now),
            (true, Some(at)) => longest = longest.max(world.now - at),
            (false, _) => since = None,
        }
    }
    longest
}

#[test]
fn a_vip_is_handed_over_without_a_gap_and_stays_there() {
    let mut world = settled(pair());
    assert_eq!(
        ask(&mut world, 0, switchover(None, None)),
        Ok("handing over vip0 to lb2; this node stays behind the others until `vipkeeper resume`".to_owned())
    );
    assert_eq!(gap(&mut world, ms(200)), Duration::ZERO);
    assert_eq!((world.holders(0), world.arp[0]), (vec![1], Some(1)));
    world.run(secs(120)).unwrap();
    assert_eq!(world.holders(0), [1], "the better node does not take it back");
    let vip = &status(&world, 0).vips[0];
    assert_eq!((vip.operator.as_deref(), vip.priority, vip.state.as_str()), (Some("standby"), Some(1), "backup"));
    assert_eq!(vip.weights, [("an operator: others go first".to_owned(), -253)]);
    assert_eq!(ask(&mut world, 0, resume()), Ok("taking part again: vip0".to_owned()));
    world.run(secs(2)).unwrap();
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn a_node_that_stays_behind_is_better_than_nobody() {
    let mut world = settled(pair());
    ask(&mut world, 0, switchover(None, None)).unwrap();
    world.run(secs(1)).unwrap();
    world.hosts[1].troubles.cannot_start = true;
    world.kill_proxy(1);
    world.run(ms(200)).unwrap();
    assert_eq!(world.holders(0), [0]);
    world.hosts[1].troubles.cannot_start = false;
    world.run(secs(20)).unwrap();
    assert_eq!(world.holders(0), [1], "and still behind");
}

#[test]
fn a_node_that_never_takes_back_gets_it_all_the_same() {
    let mut world = settled(Cluster { preempt: Preempt::Refused, ..pair() });
    ask(&mut world, 0, switchover(Some("vip0"), Some("lb2"))).unwrap();
    world.run(secs(60)).unwrap();
    assert_eq!(world.holders(0), [1]);
    ask(&mut world, 0, resume()).unwrap();
    world.run(secs(60)).unwrap();
    assert_eq!(world.holders(0), [1], "preempt = false");
}

#[test]
fn a_switchover_that_cannot_succeed_is_refused_and_changes_nothing() {
    let mut world = settled(Cluster { vips: 2, ..pair() });
    assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![1]));
    let mut refused = |host, vip, to| ask(&mut world, host, switchover(vip, to)).unwrap_err();
    assert_eq!(refused(1, Some("vip0"), None), "vip vip0 is on lb1: say it there");
    assert_eq!(refused(0, Some("no"), None), "this node takes part in no VIP \"no\"");
    assert_eq!(refused(0, Some("vip0"), Some("lb1")), "vip vip0 is on lb1 already");
    assert_eq!(refused(0, None, Some("lb9")), "lb9 takes no part in vip vip0, or was not heard lately");
    world.hosts[1].troubles.cannot_start = true;
    world.kill_proxy(1);
    world.run(secs(1)).unwrap();
    let mut refused = |vip, to| ask(&mut world, 0, switchover(vip, to)).unwrap_err();
    let why = refused(Some("vip0"), Some("lb2"));
    assert!(why.starts_with("lb2 is not fit for vip vip0: proxy failed: "), "{why}");
    let why = refused(None, None);
    assert!(why.starts_with("no other node is known to be fit for vip vip"), "{why}");
    assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![0]));
    assert!(status(&world, 0).vips.iter().all(|vip| vip.operator.is_none()));
}

#[test]
fn operators_are_told_what_became_of_what_they_asked_for() {
    let mut world = settled(Cluster { vips: 2, ..pair() });
    let mut said = |host, request| ask(&mut world, host, request).unwrap_or_else(|why| format!("no: {why}"));
    assert_eq!(
        said(0, Request::Maintenance { on: true }),
        "in maintenance, over restarts too, until `vipkeeper maintenance off`: gives up vip0, vip1"
    );
    assert_eq!(said(0, Request::Maintenance { on: false }), "the maintenance is over, taking part again: vip0, vip1");
    let release = |vip: &str| Request::Release { vip: Some(Name::new(vip).unwrap()), hold: ms(10) };
    assert_eq!(said(0, release("vip1")), "released: vip1");
    assert_eq!(said(0, release("vip7")), "no: this node takes part in no VIP \"vip7\"");
    assert_eq!(said(0, resume()), "taking part again: vip0, vip1");
    assert_eq!(said(1, Request::Resume { vip: Some(Name::new("vip0").unwrap()) }), "taking part again: vip0");
}

#[test]
fn a_node_that_holds_nothing_has_nothing_to_hand_over() {
    let mut world = settled(pair());
    let why = ask(&mut world, 1, switchover(None, None)).unwrap_err();
    assert_eq!(why, "no VIP is on lb2: there is nothing to hand over");
    assert_eq!(status(&world, 1).vips[0].operator, None);
}

#[test]
fn a_release_for_a_time_ends_to_the_millisecond() {
    let mut world = settled(pair());
    world.request(0, 1, Request::Release { vip: None, hold: ms(700) });
    world.run(ms(699)).unwrap();
    assert_eq!(status(&world, 0).vips[0].operator.as_deref(), Some("released"));
    world.run(ms(2)).unwrap();
    assert_eq!(status(&world, 0).vips[0].operator, None);
}

#[test]
fn without_hellos_nobody_is_known_to_be_fit() {
    let mut world = settled(standard());
    let why = ask(&mut world, 0, switchover(None, None)).unwrap_err();
    assert!(why.contains("do not know each other without [peers]"), "{why}");
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn a_successor_that_does_not_take_it_leaves_it_where_it_was() {
    let mut world = settled(pair());
    // It was fit when it was heard last, and hears nothing any more.
    world.segment.cut.insert((0, 1));
    ask(&mut world, 0, switchover(None, None)).unwrap();
    world.run(ms(300)).unwrap();
    assert_eq!(world.holders(0), [0]);
}

#[test]
fn one_vip_of_a_group_is_handed_over_and_all_go() {
    let mut world = settled(Cluster { vips: 2, grouped: true, ..pair() });
    ask(&mut world, 0, switchover(Some("vip1"), None)).unwrap();
    world.run(secs(60)).unwrap();
    assert_eq!((world.holders(0), world.holders(1)), (vec![1], vec![1]));
    ask(&mut world, 0, resume()).unwrap();
    world.run(secs(5)).unwrap();
    assert_eq!((world.holders(0), world.holders(1)), (vec![0], vec![0]));
}

#[test]
fn a_node_in_maintenance_holds_nothing_over_restarts_until_it_ends() {
    let mut world = settled(pair());
    ask(&mut world, 0, Request::Maintenance { on: true }).unwrap();
    world.run(secs(1)).unwrap();
    assert_eq!(world.holders(0), [1]);
    assert_eq!((status(&world, 0).maintenance, &*status(&world, 0).vips[0].why), (true, "this node is in maintenance"));
    world.signal(0, Signal::Terminate);
    world.restart_in(0, secs(2));
    world.run(secs(5)).unwrap();
    world.kill(1);
    world.kill_proxy(1);
    world.run(secs(20)).unwrap();
    assert_eq!(world.holders(0), [0; 0], "not even when nobody else is there");
    assert_eq!(
        ask(&mut world, 0, resume()),
        Ok("taking part again once `vipkeeper maintenance off` is said: vip0".to_owned())
    );
    ask(&mut world, 0, Request::Maintenance { on: false }).unwrap();
    world.run(secs(10)).unwrap();
    assert_eq!(world.holders(0), [0]);
    assert!(!status(&world, 0).maintenance);
}

#[test]
fn notifiers_are_told_what_hooks_are_told_and_why() {
    let mut world = World::dark(pair(), 1);
    world.edit = |_, config| {
        let notifier = |name: &str, states: &[&str]| vipkeeper::config::Notifier {
            name: Name::new(name).unwrap(),
            channel: vipkeeper::config::Channel::Syslog,
            every: Duration::ZERO,
            states: states.iter().map(|state| (*state).to_owned()).collect(),
        };
        config.notifiers = vec![notifier("masters", &["master"]), notifier("faults", &["fault"])];
    };
    world.boot_all();
    world.run(secs(12)).unwrap();
    world.hosts[0].troubles.cannot_start = true;
    world.kill_proxy(0);
    world.run(secs(1)).unwrap();
    let told: Vec<String> =
        world.reported.iter().map(|(host, n)| format!("lb{} {} {}: {}", host + 1, n.name, n.state, n.why)).collect();
    let [first, fault, second] = &told[..] else { panic!("{told:?}") };
    assert_eq!(first, "lb1 vip0 MASTER: nobody is active");
    assert!(fault.starts_with("lb1 vip0 FAULT: proxy failed: the proxy (pid "), "{fault}");
    assert_eq!(second, "lb2 vip0 MASTER: lb1 hands over");
}

/// SIGUSR1, and a service manager that starts the next one.
#[test]
fn a_replaced_vipkeeper_leaves_the_vip_and_the_proxy_where_they_are() {
    for keyed in [false, true] {
        let mut world = settled(if keyed { pair() } else { standard() });
        let proxy = world.hosts[0].proxy.clone().unwrap();
        world.signal(0, Signal::Replace);
        world.restart_in(0, ms(300));
        assert_eq!(gap(&mut world, secs(8)), Duration::ZERO);
        assert_eq!((world.holders(0), world.arp[0]), (vec![0], Some(0)));
        assert_eq!(world.hosts[0].proxy.as_ref().unwrap().worker, proxy.worker);
        let trace = world.trace.take().unwrap();
        assert!(trace.contains("leaving everything as it is") && trace.contains("resumes the lease"), "{trace}");
        assert!(!trace.contains("lb2 vip0"), "the other node notices nothing: {trace}");
        assert!(!world.hooks_run.iter().any(|(_, argv)| argv.contains("stop")), "{:?}", world.hooks_run);
    }
}

#[test]
fn a_replaced_vipkeeper_that_does_not_come_back_is_missed_like_a_dead_one() {
    let mut world = settled(pair());
    world.signal(0, Signal::Replace);
    world.run(secs(6)).unwrap();
    assert_eq!(world.holders(0), [1]);
}

/// No restart is faster than three adverts of 10 ms.
#[test]
fn where_others_wait_for_less_than_a_restart_takes_the_vip_is_handed_over() {
    let mut world = settled(Cluster { interval: vipkeeper::units::Centis::new(1).unwrap(), ..pair() });
    world.signal(0, Signal::Replace);
    world.restart_in(0, ms(500));
    world.run(ms(100)).unwrap();
    assert_eq!(world.holders(0), [1]);
}

/// Operators who do as they like, beside proxies that die and cables that are pulled: never two holders, and in the end one.
#[test]
fn whatever_operators_ask_for_a_vip_is_on_one_node_in_the_end() {
    for seed in 0..96 {
        let cluster = Cluster {
            nodes: 2 + (seed % 2) as usize,
            vips: 1 + (seed % 3) as usize,
            grouped: seed % 5 == 4 && seed % 3 > 0,
            preempt: if seed % 7 == 6 { Preempt::Refused } else { Preempt::After(secs(seed % 4)) },
            keyed: vec![seed % 11 != 10; 3],
            ..standard()
        };
        let nodes = cluster.nodes;
        let mut world = World::new(cluster, seed);
        world.run(secs(12)).unwrap();
        for _ in 0..24 {
            let host = world.rng.index(nodes);
            let id = world.asked.len() as u64;
            let vip = (world.rng.below(2) == 0).then(|| Name::new("vip0").unwrap());
            match world.rng.below(9) {
                0 | 1 => world.request(host, id, Request::Switchover { vip, to: None }),
                2 => world.request(host, id, Request::Release { vip, hold: ms(700) }),
                3 => world.request(host, id, Request::Resume { vip }),
                4 => {
                    let on = world.rng.below(2) == 0;
                    world.request(host, id, Request::Maintenance { on });
                }
                5 | 6 => {
                    world.signal(host, Signal::Replace);
                    let delay = world.rng.between(50, 1_500);
                    world.restart_in(host, ms(delay));
                }
                7 => world.kill_proxy(host),
                _ => {
                    let up = world.rng.below(2) == 0;
                    world.set_link(host, up);
                }
            }
            let pause = world.rng.between(1, 4_000);
            world.run(ms(pause)).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        }
        for host in 0..nodes {
            world.set_link(host, true);
            world.restart_in(host, ms(1));
        }
        world.run(secs(2)).unwrap();
        for host in 0..nodes {
            for request in [Request::Maintenance { on: false }, Request::Resume { vip: None }] {
                let id = world.asked.len() as u64;
                world.request(host, id, request);
            }
        }
        world.run(secs(40)).unwrap_or_else(|e| panic!("seed {seed}: {e}"));
        for vip in 0..world.cluster.vips {
            assert_eq!(world.holders(vip).len(), 1, "seed {seed}, vip{vip}");
        }
    }
}
