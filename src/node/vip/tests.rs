//! A VIP by itself, in a pair.

use super::*;
use crate::addrs::Presence;
use crate::config::{self, Accept, HookSettings};
use crate::node::event::Link;
use crate::node::outbox::Outbox;
use crate::node::peering::Peering;
use crate::node::tests::fixture::{config, name, one, t0};
use crate::peer::Incarnation;
use crate::proxy::health::Verdict;
use crate::vrrp::router::Entitlement;

pub(super) fn vip() -> (Vip, Instant) {
    let (config, now) = (config(&one()), t0());
    (Vip::new(&config.vips[0], &config, &name("lb1"), now).unwrap(), now)
}

/// The host of a VIP of [`vip`]: its interface is up, its proxy is healthy, and it talks to nobody.
pub(super) struct Stage {
    pub(super) me: Name,
    pub(super) network: Network,
    pub(super) peering: Peering,
    pub(super) hooks: HookSettings,
    pub(super) proxy: Verdict,
}

impl Stage {
    pub(super) fn new() -> Self {
        let me = Name::new("lb1").unwrap();
        let eth0 = Link {
            index: 2,
            name: IfName::new("eth0").unwrap(),
            up: true,
            mac: Some([2, 0, 0, 0, 0, 1]),
            alias: None,
            parent: None,
            arp: None,
        };
        Self {
            network: Network { links: vec![eth0], addresses: Vec::new() },
            peering: Peering::new(me.clone(), Incarnation(1)),
            me,
            hooks: HookSettings { user: None, group: None, timeout: Duration::from_secs(1) },
            proxy: Verdict::Healthy,
        }
    }

    pub(super) fn host(&self, now: Instant) -> Host<'_> {
        let Self { me, network, peering, hooks, proxy } = self;
        Host { now, wall: Duration::ZERO, network, hooks, stopping: false, me, peering, proxy }
    }
}

/// Active, with its address here, and announced by nobody yet.
pub(super) fn active() -> (Vip, Stage, Instant) {
    let ((mut vip, now), stage) = (vip(), Stage::new());
    let _news = vip.addresses[0].lease.observed(now, now, Presence::Here);
    vip.inheritance = Inheritance::Leased { seen_at: now, idle_at_most: Duration::ZERO };
    vip.entitle(&stage.host(now), Entitlement::Claim(Priority::new(254).unwrap()), &mut Outbox::default());
    assert_eq!(vip.router.role(), Role::Active);
    (vip, stage, now)
}

/// Its predecessor was silent for at most two seconds when its lease was seen; a backup waits for three.
#[test]
fn a_lease_is_resumed_only_while_nobody_can_have_missed_its_holder() {
    for (later, role) in [(500, Role::Active), (1_000, Role::Active), (1_001, Role::Backup), (2_000, Role::Backup)] {
        let (mut vip, now) = vip();
        let _news = vip.addresses[0].lease.observed(now, now, Presence::Here);
        vip.inheritance = Inheritance::Leased { seen_at: now, idle_at_most: Duration::from_secs(2) };
        let stage = Stage::new();
        let host = stage.host(now + Duration::from_millis(later));
        vip.entitle(&host, Entitlement::Claim(Priority::new(254).unwrap()), &mut Outbox::default());
        assert_eq!(vip.router.role(), role, "{later} ms");
    }
}

#[test]
fn a_lease_is_resumed_only_with_every_address_and_by_whoever_is_alone_at_any_time() {
    let claim = || Entitlement::Claim(Priority::new(254).unwrap());
    for (here, alone, role) in [
        (true, false, Role::Backup),
        (true, true, Role::Active),
        (false, true, Role::Backup),
        (false, false, Role::Backup),
    ] {
        let ((mut vip, now), stage) = (vip(), Stage::new());
        if here {
            let _news = vip.addresses[0].lease.observed(now, now, Presence::Here);
        }
        if alone {
            vip.peers.clear();
        }
        vip.inheritance = Inheritance::Leased { seen_at: now, idle_at_most: Duration::from_secs(60) };
        vip.entitle(&stage.host(now), claim(), &mut Outbox::default());
        assert_eq!((vip.router.role(), vip.is_undecided()), (role, false), "{here} {alone}");
    }
}

#[test]
fn packets_are_filtered_where_none_are_accepted_and_never_of_an_owner() {
    let table =
        [(Accept::Yes, 254, false), (Accept::No, 254, true), (Accept::No, 255, false), (Accept::Yes, 255, false)];
    for (accept, base, filtered) in table {
        let (mut vip, _now) = vip();
        (vip.config.accept, vip.base) = (accept, Priority::new(base).unwrap());
        assert_eq!(vip.is_filtered(), filtered, "{base}");
    }
}

#[test]
fn what_lasts_for_a_time_ends_to_the_instant() {
    let (mut vip, now) = vip();
    let until = now + Duration::from_secs(5);
    vip.refused = Some(("no buffer space".to_owned(), until));
    vip.released = Some(Released { until: Some(until), manner: Manner::Abstains });
    vip.forget(until.checked_sub(Duration::from_nanos(1)).unwrap());
    assert!(vip.refused().is_some() && vip.released.is_some());
    vip.forget(until);
    assert!(vip.refused().is_none() && vip.released.is_none());
    vip.released = Some(Released { until: None, manner: Manner::StandsBy });
    vip.forget(until + Duration::from_secs(1_000_000));
    assert!(vip.stands_by());
}

#[test]
fn a_vip_is_gone_when_it_takes_no_part_and_has_nothing_here() {
    let (mut active, ..) = active();
    assert!(!active.is_gone());
    active.addresses.clear();
    assert!(!active.is_gone());
    let (mut idle, now) = vip();
    assert!(idle.is_gone());
    let _news = idle.addresses[0].lease.observed(now, now, Presence::Here);
    assert!(!idle.is_gone());
    let placed = idle.addresses.remove(0);
    idle.leaving.push(placed);
    assert!(!idle.is_gone(), "what left the configuration counts too");
}

#[test]
fn the_peers_of_a_vip_are_the_other_nodes_that_take_part_in_it() {
    let mut config = config(&one());
    let (name, address) = (Name::new("lb3").unwrap(), IpAddr::from([10, 0, 0, 13]));
    config.nodes.push(config::NodeConfig { name, address, second_address: None });
    let of = |me: &str| peers(&config.vips[0], &config, &Name::new(me).unwrap());
    assert_eq!(of("lb1"), [IpAddr::from([10, 0, 0, 12])]);
    assert_eq!(of("lb2"), [IpAddr::from([10, 0, 0, 11])]);
}
