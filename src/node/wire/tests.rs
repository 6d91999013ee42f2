use super::*;
use crate::config::{Checksum, Version};
use crate::node::tests::crowded;
use crate::units::{Centis, Priority};
use crate::vrrp::packet::{Claim, Outgoing, Seal, build};

#[test]
#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
fn the_time_of_day_goes_on_from_its_last_reading() {
    let (at, unix) = (Instant::now(), Duration::from_secs(1_800_000_000));
    let wall = WallClock { at, unix };
    assert_eq!((wall.at(at), wall.at(at + Duration::from_secs(5))), (unix, unix + Duration::from_secs(5)));
}

/// Which of two VIPs on one interface a turn is about when an advert for the first one arrives.
fn touched(hold: Option<Duration>, bytes: Option<Vec<u8>>) -> Vec<bool> {
    let (mut node, now) = crowded(2);
    for vip in &mut node.vips {
        vip.touched = false;
        if let Some(hold) = hold {
            vip.router.hold_for_link(now + hold);
        }
    }
    let interface = node.vips[0].interface.clone();
    let whole = build(&Outgoing {
        source: [10, 0, 0, 12].into(),
        destination: [224, 0, 0, 18].into(),
        version: Version::V3,
        vrid: node.vips[0].config.vrid,
        claim: Claim::Of(Priority::new(100).unwrap()),
        interval: Centis::SECOND,
        checksum: Checksum::PseudoHeader,
        addresses: &[[10, 0, 0, 100].into()],
        seal: Seal::None,
    });
    let datagram = Datagram::V4(bytes.clone().unwrap_or(whole));
    let received = Received { interface, truncated: false, datagram, at: now };
    node.hear(now, &received, &mut Outbox::default());
    let holds = node.vips.iter().filter(|vip| vip.router.link_hold().is_some()).count();
    assert_eq!(holds, if hold.is_some() && bytes.is_some() { 2 } else { 0 });
    node.vips.iter().map(|vip| vip.touched).collect()
}

#[test]
fn a_frame_that_arrives_proves_the_link_for_every_vip_that_waits_for_one() {
    let hold = Some(Duration::from_secs(9));
    assert_eq!(touched(None, None), [true, false]);
    assert_eq!(touched(hold, None), [true, true]);
    assert_eq!(touched(hold, Some(vec![0x45; 20])), [false, false], "not any frame");
}
