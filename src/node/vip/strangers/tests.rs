//! Who else speaks for a VIP, and how often that is told.

use super::*;
use crate::config::{Checksum, Hardware, Version};
use crate::node::tests::fixture::ms;
use crate::node::vip::device::VirtualDevice;
use crate::node::vip::tests::{active, vip};
use crate::units::{Priority, Vrid};
use crate::vrrp::packet::Credential;

const MINE: [u8; 4] = [10, 0, 0, 100];
const OTHER: [u8; 6] = [2, 0, 0, 0, 0, 9];

fn claim(ip: [u8; 4], mac: [u8; 6]) -> Claimed {
    Claimed { ip: ip.into(), mac }
}

fn logs(out: Outbox) -> Vec<String> {
    let line = |effect| if let Effect::Log(line) = effect { Some(line.message) } else { None };
    out.into_effects().into_iter().filter_map(line).collect()
}

fn advert(source: [u8; 4], priority: i64) -> Advert {
    Advert {
        source: source.into(),
        destination: [224, 0, 0, 18].into(),
        version: Version::V3,
        vrid: Vrid::new(51).unwrap(),
        claim: Claim::Of(Priority::new(priority).unwrap()),
        interval: Centis::SECOND,
        checksum: Checksum::PseudoHeader,
        addresses: Vec::new(),
        credential: Credential::None,
    }
}

/// How often a claim was counted as that of another host.
fn counted(vip: &Vip) -> u64 {
    vip.counters.get("duplicate-address").copied().unwrap_or(0)
}

#[test]
fn a_claim_counts_while_the_address_is_here_and_active_and_the_claimant_is_another_one() {
    let (mut vip, stage, now) = active();
    let mut out = Outbox::default();
    vip.claimed(&stage.host(now), now, claim([10, 0, 0, 101], OTHER), &mut out);
    assert_eq!(counted(&vip), 0, "another address");
    vip.claimed(&stage.host(now), now.checked_sub(ms(1)).unwrap(), claim(MINE, OTHER), &mut out);
    assert_eq!(counted(&vip), 0, "from before the takeover");
    vip.config.hardware = Hardware::Virtual;
    vip.device = VirtualDevice::of(&vip.config, now);
    let virtual_mac = vip.device.as_ref().unwrap().mac;
    vip.claimed(&stage.host(now), now, claim(MINE, virtual_mac), &mut out);
    assert_eq!(counted(&vip), 0, "the virtual router's own");
    vip.claimed(&stage.host(now), now, claim(MINE, OTHER), &mut out);
    assert_eq!(counted(&vip), 1);
    assert_eq!(vip.strangers.duplicates.len(), 1);
    let line = "02:00:00:00:00:09 claims 10.0.0.100 too: another host has this address, or a switch still believes an \
                old place";
    assert_eq!(logs(out), [line]);
    vip.device = None;
    let _steps = vip.router.relinquish(now, "test");
    vip.claimed(&stage.host(now), now, claim(MINE, OTHER), &mut Outbox::default());
    assert_eq!(counted(&vip), 1, "a backup holds nothing");
}

#[test]
fn the_frames_of_a_router_that_has_just_spoken_are_no_riddle_until_its_next_advert_is_due() {
    let (mut vip, stage, now) = active();
    vip.note_speaker(now, &advert([10, 0, 0, 12], 100));
    for (after, count) in [(0, 0), (1_000, 0), (1_001, 1)] {
        let at = now + ms(after);
        vip.claimed(&stage.host(at), at, claim(MINE, OTHER), &mut Outbox::default());
        assert_eq!(counted(&vip), count, "{after}");
    }
}

#[test]
fn a_duplicate_is_told_every_minute_and_answered_every_interval() {
    let (mut vip, stage, now) = active();
    let (mut told, mut answered) = (Vec::new(), Vec::new());
    for after in [0, 999, 1_000, 1_999, 2_000, 59_999, 60_000, 119_999, 120_000] {
        vip.announcing.wanted = false;
        let mut out = Outbox::default();
        vip.claimed(&stage.host(now + ms(after)), now + ms(after), claim(MINE, OTHER), &mut out);
        told.extend((!logs(out).is_empty()).then_some(after));
        answered.extend(vip.announcing.wanted.then_some(after));
    }
    assert_eq!(told, [0, 60_000, 120_000]);
    assert_eq!(answered, [0, 1_000, 2_000, 59_999, 119_999]);
    assert_eq!(vip.strangers.duplicates.len(), 1, "the same one");
}

#[test]
fn the_last_eight_of_each_kind_are_remembered_the_newest_first() {
    let (mut vip, stage, now) = active();
    for last in 20..30 {
        let mut out = Outbox::default();
        vip.note_speaker(now, &advert([10, 0, 0, last], 100));
        vip.strangers.explained_until = None;
        vip.claimed(&stage.host(now), now, claim(MINE, [2, 0, 0, 0, 0, last]), &mut out);
        vip.refuse(&stage.host(now), now, Some([10, 0, 0, last].into()), Reject::Version, &mut out);
    }
    vip.note_speaker(now + ms(1), &advert([10, 0, 0, 25], 7));
    let speakers: Vec<_> = vip.strangers.speakers.iter().map(|s| (s.source.to_string(), s.claim.byte())).collect();
    assert_eq!((speakers.len(), &speakers[0]), (8, &("10.0.0.25".to_owned(), 7)));
    assert_eq!(speakers.iter().filter(|(source, _)| source == "10.0.0.25").count(), 1);
    let duplicates: Vec<u8> = vip.strangers.duplicates.iter().map(|d| d.claimed.mac[5]).collect();
    assert_eq!(duplicates, [29, 28, 27, 26, 25, 24, 23, 22]);
    let refused: Vec<String> = vip.strangers.refused.iter().map(|r| r.source.to_string()).collect();
    assert_eq!((refused.len(), &*refused[0], &*refused[7]), (8, "10.0.0.29", "10.0.0.22"));
}

#[test]
fn a_peer_is_no_stranger() {
    let (mut vip, now) = vip();
    vip.note_speaker(now, &advert([10, 0, 0, 12], 100));
    assert!(vip.strangers.speakers.is_empty());
    assert_eq!(vip.strangers.explained_until, Some(now + ms(1_000)));
    vip.note_speaker(now, &advert([10, 0, 0, 13], 100));
    assert_eq!(vip.strangers.speakers.len(), 1);
    // Its link-local address need not be known, unless some are.
    let link_local = |last: u16| IpAddr::from([0xfe80, 0, 0, 0, 0, 0, 0, last]);
    let spoken = |vip: &mut Vip, last| {
        vip.strangers.speakers.clear();
        vip.note_speaker(now, &Advert { source: link_local(last), ..advert([0; 4], 100) });
        vip.strangers.speakers.len()
    };
    assert_eq!(spoken(&mut vip, 9), 0);
    vip.peers = vec![link_local(12)];
    assert_eq!((spoken(&mut vip, 9), spoken(&mut vip, 12)), (1, 0));
    vip.config.transport = Transport::Unicast;
    assert_eq!(spoken(&mut vip, 9), 0, "nobody but a peer is heard");
}

#[test]
fn refused_adverts_are_counted_and_told_once_a_minute_of_a_source_that_is_known() {
    let (mut vip, now) = vip();
    let stage = crate::node::vip::tests::Stage::new();
    let refuse = |vip: &mut Vip, after, source: Option<[u8; 4]>, reason| {
        let mut out = Outbox::default();
        vip.refuse(&stage.host(now + ms(after)), now, source.map(IpAddr::from), reason, &mut out);
        (logs(out).len(), vip.strangers.refused.len())
    };
    let source = Some([10, 0, 0, 20]);
    assert_eq!(refuse(&mut vip, 0, None, Reject::Version), (0, 0));
    assert_eq!(refuse(&mut vip, 0, source, Reject::Version), (1, 1));
    assert_eq!(refuse(&mut vip, 59_999, source, Reject::Version), (0, 1));
    assert_eq!(refuse(&mut vip, 60_000, source, Reject::Version), (1, 1));
    assert_eq!(refuse(&mut vip, 60_001, source, Reject::Transport), (0, 2), "another reason");
    assert_eq!(refuse(&mut vip, 60_001, Some([10, 0, 0, 21]), Reject::Version), (0, 3), "another source");
    assert_eq!((vip.dropped[&Reject::Version], vip.dropped[&Reject::Transport]), (5, 1));
}

/// Who yields to a router that does not hear it tells hosts in that one's words.
#[test]
fn hosts_are_told_where_an_address_is_in_the_words_of_its_claimant() {
    let (mut vip, stage, now) = active();
    let frames = |vip: &mut Vip| {
        let mut out = Outbox::default();
        vip.announce_for_claimant(&stage.host(now), &mut out);
        out.into_effects()
    };
    assert!(frames(&mut vip).is_empty(), "nobody claimed it");
    vip.claimed(&stage.host(now), now, claim(MINE, OTHER), &mut Outbox::default());
    let frame = announcement_for([2, 0, 0, 0, 0, 1], OTHER, MINE.into());
    assert_eq!(frames(&mut vip), [Effect::Announce { interface: vip.interface.clone(), frame }]);
    vip.forget_places();
    assert!(frames(&mut vip).is_empty());
}

#[test]
fn a_hardware_address_is_written_as_people_write_it() {
    assert_eq!(mac([0, 1, 0x2a, 0xff, 0x10, 9]), "00:01:2a:ff:10:09");
}
