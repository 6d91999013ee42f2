//! What the simulation asks of every node after every turn is noticed when it does not hold.

pub(super) mod fixture;

use std::sync::Arc;

use fixture::{config, loaded, name, one, rendered, t0};

use super::*;
use crate::config::{self, Config};
use crate::node::event::{Request, RequestId};
use crate::node::vip::{Manner, Released};
use crate::render::Rendered;
use crate::units::{Digest, Priority};
use crate::vrrp::router::Entitlement;

/// A node that has just started, and one VIP.
pub(super) fn node() -> (Node, Instant) {
    let now = t0();
    let loaded = loaded(config(&one()), rendered("", 1));
    let (node, _effects) = Node::new(loaded, name("lb1"), Incarnation(1), now);
    (node, now)
}

#[test]
fn the_port_of_shared_tables_is_tried_before_a_reload_too() {
    let with = |text: &str| {
        let text = one().replace("engine = \"haproxy\"", &format!("engine = \"haproxy\"\n{text}"));
        let loaded = loaded(config(&text), rendered("", 1));
        let tried = |me: &str| {
            let binds = proxying::candidate(&loaded, &Name::new(me).unwrap()).binds;
            binds.into_iter().map(|bind| bind.address.to_string()).collect::<Vec<_>>()
        };
        (tried("lb1"), tried("lb2"))
    };
    assert_eq!(with("").0, ["10.0.0.100:80"]);
    let (first, second) = with("peers = { port = 10000 }");
    assert_eq!(first, ["10.0.0.11:10000", "10.0.0.100:80"]);
    assert_eq!(second, ["10.0.0.12:10000", "10.0.0.100:80"]);
}

fn active(node: &mut Node, now: Instant) {
    let priority = Priority::new(254).unwrap();
    let _steps = node.vips[0].router.entitle(now, Entitlement::Claim(priority));
    let _steps = node.vips[0].router.resume(now, priority, "test");
}

fn broken(node: &Node, now: Instant) -> String {
    node.check_invariants(now).unwrap_err()
}

/// What a request is answered, and how often something is written down for it.
fn asked(node: &mut Node, now: Instant, request: Request) -> (Result<String, String>, usize) {
    let effects = node.handle(now, Event::Requested { id: RequestId(7), request });
    let kept = effects.iter().filter(|effect| matches!(effect, Effect::KeepIntents { .. })).count();
    let reply = |effect| if let Effect::Reply { result, .. } = effect { Some(result) } else { None };
    (effects.into_iter().find_map(reply).unwrap(), kept)
}

#[test]
fn a_maintenance_is_written_down_when_it_begins_and_when_it_ends() {
    let (mut node, now) = node();
    let kept = [true, true, false, false].map(|on| asked(&mut node, now, Request::Maintenance { on }).1);
    assert_eq!(kept, [1, 0, 1, 0]);
}

#[test]
fn a_vip_that_has_left_is_no_concern_of_operators() {
    for (vip, why) in [(Some("a"), "this node takes part in no VIP \"a\""), (None, "this node takes part in no VIP")] {
        for farewell in [None, Some("it has left".to_owned())] {
            let (mut node, now) = node();
            node.vips[0].farewell = farewell.clone();
            let vip = vip.map(|name| Name::new(name).unwrap());
            let answer = asked(&mut node, now, Request::Release { vip, hold: Duration::ZERO }).0;
            let expect = if farewell.is_some() { Err(why.to_owned()) } else { Ok("released: a".to_owned()) };
            assert_eq!(answer, expect);
        }
    }
}

#[test]
fn a_deadline_in_the_past_is_noticed() {
    let (node, now) = node();
    node.check_invariants(now).unwrap();
    let at = node.deadline().unwrap().at;
    node.check_invariants(at.checked_sub(Duration::from_nanos(1)).unwrap()).unwrap();
    for late in [Duration::ZERO, Duration::from_secs(1)] {
        assert!(broken(&node, at + late).starts_with("overdue after a turn: "));
    }
}

#[test]
fn a_vip_that_is_active_and_should_not_be_is_noticed() {
    let (mut node, now) = node();
    active(&mut node, now);
    assert_eq!(broken(&node, now), "a is active although the proxy has failed");
    node.vips[0].farewell = Some("it has left".to_owned());
    assert_eq!(broken(&node, now), "a is active on lb1 although it was given up");
    node.vips[0].farewell = None;
    node.vips[0].released = Some(Released { until: None, manner: Manner::Abstains });
    assert_eq!(broken(&node, now), "a is active on lb1 although it was given up");
    node.vips[0].released = None;
    node.phase = Phase::Stopping { addresses_until: None, until: now, proxy: ProxyOnExit::Keep };
    assert_eq!(broken(&node, now), "a is active while vipkeeper stops");
}

#[test]
fn a_backup_may_be_given_up_and_a_history_has_an_end() {
    let (mut node, now) = node();
    node.vips[0].farewell = Some("it has left".to_owned());
    node.vips[0].released = Some(Released { until: None, manner: Manner::Abstains });
    let transition = || vip::Transition { from: Role::Backup, to: Role::Active, why: "because".to_owned(), at: now };
    node.vips[0].transitions.extend((0..16).map(|_| transition()));
    node.check_invariants(now).unwrap();
    node.vips[0].transitions.push_front(transition());
    assert_eq!(broken(&node, now), "a keeps too many transitions");
}

#[test]
fn a_vip_that_was_not_put_down_is_noticed() {
    let (mut node, now) = node();
    node.vips[0].touched = true;
    assert!(broken(&node, now).starts_with("a waits for "));
    node.vips[0].touched = false;
    node.check_invariants(now).unwrap();
    // Its router has something to do, and nobody was told when.
    let _steps = node.vips[0].router.entitle(now, Entitlement::Claim(Priority::new(254).unwrap()));
    assert!(broken(&node, now).starts_with("a waits for Some("));
}

#[test]
fn a_link_of_the_kernel_takes_the_place_of_the_one_that_a_dump_showed() {
    let link = |name: &str, index| event::Link {
        index,
        name: IfName::new(name).unwrap(),
        up: true,
        mac: None,
        alias: None,
        parent: None,
        arp: None,
    };
    let mut network = event::Network { links: vec![link("eth0", 2), link("eth1", 3)], addresses: Vec::new() };
    network.put(link("eth0", 7));
    network.put(link("eth2", 8));
    let shown: Vec<_> = network.links.iter().map(|l| (l.name.as_str(), l.index)).collect();
    assert_eq!(shown, [("eth1", 3), ("eth0", 7), ("eth2", 8)]);
}

/// What the service manager is told, if anything.
fn told(node: &mut Node) -> Option<(bool, String)> {
    let mut out = Outbox::default();
    node.notify(&mut out);
    let said = |effect| if let Effect::Notify { ready, status } = effect { Some((ready, status)) } else { None };
    out.into_effects().into_iter().find_map(said)
}

#[test]
fn the_service_manager_is_told_once_of_each_change_and_once_that_all_is_ready() {
    let (mut node, now) = node();
    assert_eq!(told(&mut node), None, "at the start");
    node.proxying.health.good(now);
    assert_eq!(told(&mut node), Some((false, "proxy healthy; a fault".to_owned())));
    assert_eq!(told(&mut node), None);
    active(&mut node, now);
    assert_eq!(told(&mut node), Some((false, "proxy healthy; a active".to_owned())));
    assert_eq!(told(&mut node), None);
    node.observation.seen = true;
    assert_eq!(told(&mut node), None);
    (node.observation.seen, node.proxying.settled) = (false, true);
    assert_eq!(told(&mut node), None);
    node.observation.seen = true;
    assert_eq!(told(&mut node), Some((true, "proxy healthy; a active".to_owned())));
    assert_eq!(told(&mut node), None);
    node.proxying.health.died(now, "it ended".to_owned());
    assert_eq!(told(&mut node), Some((false, "proxy failed; a active".to_owned())));
}

/// A node with so many VIPs.
pub(super) fn crowded(count: u16) -> (Node, Instant) {
    let (mut node, now) = node();
    let config = Arc::make_mut(&mut node.loaded.config);
    let first = config.vips.remove(0);
    for n in 1..=count {
        let name = Name::new(&format!("v{n}")).unwrap();
        config.vips.push(config::VipConfig { name, ..first.clone() });
    }
    let config = Arc::clone(&node.loaded.config);
    node.vips = config.vips.iter().filter_map(|vip| Vip::new(vip, &config, &node.me, now)).collect();
    (node, now)
}

#[test]
fn sixteen_vips_are_named_to_the_service_manager_and_more_are_counted() {
    let (mut node, now) = crowded(16);
    active(&mut node, now);
    let (_, status) = told(&mut node).unwrap();
    assert!(status.starts_with("proxy failed; v1 active, v2 fault, "), "{status}");
    assert_eq!(status.split(", ").count(), 16);
    let (mut node, now) = crowded(17);
    active(&mut node, now);
    let _steps = node.vips[1].router.entitle(now, Entitlement::Claim(Priority::new(254).unwrap()));
    assert_eq!(told(&mut node), Some((false, "proxy failed; 1 active, 1 backup, 15 fault".to_owned())));
}

/// Which VIPs a turn looks at.
fn looked_at(node: &mut Node, now: Instant, judge: Judge) -> Vec<bool> {
    node.choose(now, judge);
    let touched = node.vips.iter().map(|vip| vip.touched).collect();
    node.vips.iter_mut().for_each(|vip| vip.touched = false);
    node.settled.all = false;
    touched
}

#[test]
fn a_turn_looks_at_the_vips_that_are_due_and_at_all_of_them_every_quarter_of_a_second() {
    use Judge::{Facts, Timers};
    let (mut node, start) = crowded(2);
    let ms = Duration::from_millis;
    // A young node looks at all.
    looked_at(&mut node, start, Facts);
    assert_eq!(looked_at(&mut node, start + ms(5_249), Facts), [true, true]);
    assert_eq!(looked_at(&mut node, start + ms(5_250), Facts), [true, true]);
    let now = start + ms(5_251);
    assert_eq!(looked_at(&mut node, now, Facts), [false, false]);
    assert_eq!(looked_at(&mut node, start + ms(5_499), Facts), [false, false]);
    assert_eq!(looked_at(&mut node, start + ms(5_500), Facts), [true, true]);
    let now = start + ms(5_501);
    node.vips[1].due = Some(Deadline { at: now, why: "test" });
    node.vips[0].due = Some(Deadline { at: now + Duration::from_nanos(1), why: "test" });
    assert_eq!(looked_at(&mut node, now, Facts), [false, false], "timers are judged by a tick alone");
    assert_eq!(looked_at(&mut node, now, Timers), [false, true]);
    node.vips[0].touched = true;
    assert_eq!(looked_at(&mut node, now, Facts), [true, false]);
    node.proxying.health.good(now);
    assert_eq!(looked_at(&mut node, now, Facts), [true, true], "another verdict");
    assert_eq!(looked_at(&mut node, now, Facts), [false, false]);
    node.phase = Phase::Stopping { addresses_until: None, until: now, proxy: ProxyOnExit::Keep };
    assert_eq!(looked_at(&mut node, now, Facts), [true, true]);
    node.phase = Phase::Running;
    let groups = vec![config::GroupConfig {
        name: Name::new("edge").unwrap(),
        vips: vec![node.vips[0].config.name.clone()],
        hooks: config::HookCommands::default(),
    }];
    node.groups = groups::adopt(Vec::new(), &Config { groups, ..(*node.loaded.config).clone() });
    assert_eq!(looked_at(&mut node, now, Facts), [true, true], "one of a group speaks for the others");
}

#[test]
fn what_the_proxy_confirms_is_kept_if_it_is_what_is_in_force() {
    for (generation, kept) in [(1, 1), (2, 0)] {
        let (mut node, now) = node();
        let rendered = Arc::new(Rendered { generation: Digest(generation), ..(*node.loaded.rendered).clone() });
        let mut out = Outbox::default();
        node.proxy_news(now, vec![proxying::ProxyNews::Applied(rendered)], &mut out);
        assert_eq!(out.into_effects().iter().filter(|e| **e == Effect::KeepConfig).count(), kept, "{generation}");
    }
}

#[test]
fn a_node_that_stops_reads_no_files() {
    let (mut node, now) = node();
    node.phase = Phase::Stopping { addresses_until: None, until: now, proxy: ProxyOnExit::Keep };
    node.take(now, Event::ConfigTouched, &mut Outbox::default());
    assert_eq!(node.changes.deadline(), None);
    node.phase = Phase::Running;
    node.take(now, Event::ConfigTouched, &mut Outbox::default());
    assert_eq!(node.changes.deadline(), Some(now + Duration::from_millis(200)));
}

#[test]
fn the_service_manager_is_told_of_what_a_turn_looked_at() {
    for (all, touched, said) in [(false, false, 0), (false, true, 1), (true, false, 1)] {
        let (mut node, now) = node();
        active(&mut node, now);
        (node.settled.all, node.vips[0].touched) = (all, touched);
        let mut out = Outbox::default();
        node.notify_if_touched(&mut out);
        assert_eq!(out.into_effects().len(), said, "{all} {touched}");
    }
}

#[test]
fn addresses_have_a_second_to_go_when_vipkeeper_stops() {
    let (mut node, now) = node();
    let _news = node.vips[0].addresses[0].lease.observed(now, now, crate::addrs::Presence::Here);
    let (at, until) = (now + Duration::from_secs(1), now + Duration::from_secs(15));
    let stopping = Phase::Stopping { addresses_until: Some(at), until, proxy: ProxyOnExit::Stop };
    node.phase = stopping;
    node.settle_stop(at.checked_sub(Duration::from_nanos(1)).unwrap(), &mut Outbox::default());
    assert_eq!(node.phase, stopping);
    node.settle_stop(at, &mut Outbox::default());
    assert_eq!(node.phase, Phase::Stopping { addresses_until: None, until, proxy: ProxyOnExit::Stopping });
    // Nothing is waited for that is not here.
    let (mut node, now) = super::tests::node();
    node.phase = stopping;
    node.settle_stop(now, &mut Outbox::default());
    assert_ne!(node.phase, stopping);
}

#[test]
fn a_backup_whose_host_stood_still_is_looked_at() {
    for (late, looked_at) in [(0, false), (400, false), (600, true)] {
        let (mut node, now) = node();
        let _steps = node.vips[0].router.entitle(now, Entitlement::Claim(Priority::new(254).unwrap()));
        let due = node.deadline().unwrap().at;
        node.notice_standstill(due + Duration::from_millis(late));
        assert_eq!(node.vips[0].touched, looked_at, "{late}");
    }
}

/// What a reload that reads this is answered at once, if it is.
fn reloaded(node: &mut Node, now: Instant, loaded: Loaded) -> Option<Result<String, String>> {
    let effects = node.handle(now, Event::Requested { id: RequestId(7), request: Request::Reload });
    let op = |e: &Effect| if let Effect::LoadConfig { op } = e { Some(*op) } else { None };
    let op = effects.iter().find_map(op).unwrap();
    let effects = node.handle(now, Event::ConfigLoaded { op, result: Ok(loaded) });
    let reply = |effect| if let Effect::Reply { result, .. } = effect { Some(result) } else { None };
    effects.into_iter().find_map(reply)
}

#[test]
fn a_reload_that_reads_what_is_in_force_is_none() {
    let (mut first, now) = node();
    let same = first.loaded.clone();
    assert_eq!(reloaded(&mut first, now, same.clone()), Some(Ok("unchanged".to_owned())));
    let config = Arc::new(Config { digest: Digest(77), ..(*same.config).clone() });
    let text = Arc::new(Rendered { generation: Digest(77), ..(*same.rendered).clone() });
    for other in [
        Loaded { config, ..same.clone() },
        Loaded { rendered: text, ..same.clone() },
        Loaded { key: Some(crate::peer::PeerKey::new([7; 32])), ..same.clone() },
    ] {
        let (mut node, now) = node();
        assert_eq!(reloaded(&mut node, now, other), None, "the proxy is asked first");
    }
}

#[test]
fn sockets_are_opened_anew_on_an_interface_that_was_made_anew() {
    let (mut node, now) = node();
    let observed = |node: &mut Node, index| {
        let name = IfName::new("eth0").unwrap();
        let eth0 = event::Link { index, name, up: true, mac: Some([2; 6]), alias: None, parent: None, arp: None };
        let network = event::Network { links: vec![eth0], addresses: Vec::new() };
        let mut said = Vec::new();
        for effect in node.handle(now, Event::NetworkObserved(network)) {
            if let Effect::OpenInterface { index, .. } = &effect {
                said.push(*index);
            }
            if let Effect::CloseInterface { .. } = effect {
                said.push(0);
            }
        }
        said
    };
    assert_eq!(observed(&mut node, 2), [2]);
    assert_eq!(observed(&mut node, 2), [0; 0]);
    assert_eq!(observed(&mut node, 7), [0, 7]);
}
