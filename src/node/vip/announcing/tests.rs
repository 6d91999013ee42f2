//! Rounds of announcements, to the instant.

use super::*;
use crate::node::tests::fixture::ms;
use crate::node::vip::tests::{Stage, active};

/// A VIP with one address, three frames in a round, the second round after 5 s, a refresh every minute.
struct Lab {
    vip: Vip,
    stage: Stage,
    start: Instant,
}

impl Lab {
    /// Announced at the start.
    fn new() -> Self {
        let (mut vip, stage, start) = active();
        vip.config.announce = crate::config::Announce { repeat: 3, delay: ms(5_000), refresh: ms(60_000) };
        let mut lab = Self { vip, stage, start };
        assert_eq!(lab.frames(0), 3);
        lab
    }

    /// Frames that leave so many milliseconds after the start.
    fn frames(&mut self, at: u64) -> usize {
        let mut out = Outbox::default();
        self.vip.announce(&self.stage.host(self.start + ms(at)), &mut out);
        out.into_effects().len()
    }

    fn contest(&mut self, at: u64) {
        self.vip.announcing.contest(self.start + ms(at));
    }

    fn due(&self) -> Option<u128> {
        self.vip.announce_deadline(&self.stage.network).map(|at| (at - self.start).as_millis())
    }
}

#[test]
fn a_round_is_followed_by_another_one_and_then_by_single_frames() {
    let mut lab = Lab::new();
    assert_eq!(lab.due(), Some(5_000));
    assert_eq!((lab.frames(4_999), lab.frames(5_000)), (0, 3));
    assert_eq!(lab.due(), Some(65_000));
    assert_eq!((lab.frames(64_999), lab.frames(65_000)), (0, 1));
    assert_eq!((lab.due(), lab.frames(124_999), lab.frames(125_000)), (Some(125_000), 0, 1));
}

#[test]
fn what_is_turned_off_does_not_follow() {
    let mut lab = Lab::new();
    lab.vip.config.announce = crate::config::Announce { repeat: 1, delay: Duration::ZERO, refresh: Duration::ZERO };
    lab.vip.moved_hardware();
    assert_eq!((lab.due(), lab.frames(100)), (Some(100), 1));
    assert_eq!(lab.due(), None);
}

#[test]
fn rounds_that_are_wanted_are_a_tenth_of_a_second_apart() {
    let mut lab = Lab::new();
    lab.vip.moved_hardware();
    assert_eq!((lab.due(), lab.frames(99), lab.frames(100)), (Some(100), 0, 3));
    assert_eq!(lab.frames(200), 0, "once");
}

#[test]
fn the_first_rival_after_a_quiet_second_is_answered_at_once_and_each_after_its_last_word() {
    let mut lab = Lab::new();
    lab.contest(10);
    assert_eq!(lab.frames(10), 3);
    lab.contest(60);
    assert_eq!((lab.frames(109), lab.frames(110)), (0, 3), "no sooner than the spacing allows");
    assert_eq!(lab.due(), Some(210), "150 ms after its last word");
    assert_eq!((lab.frames(209), lab.frames(210), lab.frames(500)), (0, 3, 0));
    // Somewhat less than a second of silence, and a whole one.
    lab.contest(1_059);
    assert_eq!(lab.frames(1_059), 3, "the last round was long ago");
    lab.contest(1_100);
    assert_eq!(lab.frames(1_100), 0);
    assert_eq!(lab.frames(1_159), 3);
    assert_eq!(lab.frames(1_250), 3);
    let mut lab = Lab::new();
    lab.contest(10);
    assert_eq!((lab.frames(10), lab.frames(160), lab.frames(1_000)), (3, 3, 0));
    lab.vip.moved_hardware();
    assert_eq!(lab.frames(1_000), 3);
    lab.contest(1_009);
    assert_eq!(lab.frames(1_009), 0, "not a whole second after the rival's last word");
    let mut lab = Lab::new();
    lab.contest(10);
    assert_eq!((lab.frames(10), lab.frames(160)), (3, 3));
    lab.vip.moved_hardware();
    assert_eq!(lab.frames(1_000), 3);
    lab.contest(1_010);
    assert_eq!(lab.frames(1_010), 3);
}

#[test]
fn when_the_one_before_is_gone_for_certain_caches_are_put_right_once_more() {
    let mut lab = Lab::new();
    lab.vip.announcing.overlap_ends = Some(lab.start + ms(120));
    assert_eq!(lab.due(), Some(120));
    assert_eq!((lab.frames(119), lab.frames(120), lab.frames(121)), (0, 3, 0));
}

#[test]
fn an_address_that_arrives_is_announced_whatever_the_spacing() {
    let mut lab = Lab::new();
    let ip = lab.vip.addresses[0].lease.address().ip();
    lab.vip.arrived.insert(ip);
    assert_eq!(lab.frames(1), 3);
    lab.vip.arrived.insert(IpAddr::from([10, 0, 0, 199]));
    assert_eq!(lab.frames(2), 0, "another one than those of this VIP");
    assert_eq!(lab.due(), Some(5_001));
}

#[test]
fn who_is_not_active_or_has_nothing_to_announce_waits_for_nothing() {
    let mut lab = Lab::new();
    lab.stage.network.links[0].mac = None;
    assert_eq!(lab.due(), None);
    lab.stage.network.links.clear();
    assert_eq!(lab.due(), None);
    let mut lab = Lab::new();
    let _steps = lab.vip.router.relinquish(lab.start, "test");
    lab.vip.moved_hardware();
    assert_eq!((lab.due(), lab.frames(5_000)), (None, 0));
    assert!(!lab.vip.announcing.wanted);
}

#[test]
fn a_large_round_leaves_in_portions_a_millisecond_apart_every_address_once_before_any_twice() {
    let mut lab = Lab::new();
    let present = lab.vip.addresses[0].clone();
    lab.vip.config.announce.repeat = 2;
    lab.vip.addresses = (0..200_u8)
        .map(|last| {
            let address = crate::units::VipAddress::new(IpAddr::from([10, 0, 1, last]), 24).unwrap();
            let mut placed = present.clone();
            placed.lease = crate::addrs::LeasedAddress::new(address, lab.start);
            let _news = placed.lease.observed(lab.start, lab.start, crate::addrs::Presence::Here);
            placed
        })
        .collect();
    lab.vip.moved_hardware();
    let mut out = Outbox::default();
    lab.vip.announce(&lab.stage.host(lab.start + ms(100)), &mut out);
    let first = out.into_effects();
    let different: std::collections::BTreeSet<String> = first.iter().take(200).map(|e| format!("{e:?}")).collect();
    assert_eq!((first.len(), different.len()), (256, 200));
    assert_eq!((lab.due(), lab.frames(100), lab.frames(101), lab.frames(102)), (Some(101), 0, 144, 0));
    assert_eq!(lab.due(), Some(5_100));
}

#[test]
fn what_has_gone_before_its_portion_came_is_not_waited_for() {
    let mut lab = Lab::new();
    let present = lab.vip.addresses[0].clone();
    lab.vip.addresses = (0..200_u8)
        .map(|last| {
            let address = crate::units::VipAddress::new(IpAddr::from([10, 0, 1, last]), 24).unwrap();
            let mut placed = present.clone();
            placed.lease = crate::addrs::LeasedAddress::new(address, lab.start);
            let _news = placed.lease.observed(lab.start, lab.start, crate::addrs::Presence::Here);
            placed
        })
        .collect();
    lab.vip.config.announce.repeat = 2;
    lab.vip.moved_hardware();
    assert_eq!((lab.frames(100), lab.due()), (256, Some(101)));
    // The first one was announced twice already.
    lab.vip.addresses.truncate(1);
    assert_eq!((lab.frames(101), lab.due()), (0, Some(5_100)));
}
