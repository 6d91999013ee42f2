use proptest::prelude::*;

use super::*;
use crate::vrrp::announce::announcement;

const MAC: [u8; 6] = [2, 0, 0, 0, 0, 9];

#[test]
fn our_own_announcements_are_claims() {
    for ip in ["10.0.0.100", "fe80::100"] {
        let ip: IpAddr = ip.parse().unwrap();
        assert_eq!(claimed(&announcement(MAC, ip)), Some(Claimed { ip, mac: MAC }));
    }
}

/// Recorded: an ordinary reply, padded as Ethernet demands.
#[test]
fn an_arp_reply_is_a_claim_and_a_probe_is_none() {
    let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 9, 8, 6];
    frame.extend([0, 1, 8, 0, 6, 4, 0, 2, 2, 0, 0, 0, 0, 9, 10, 0, 0, 100, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1]);
    frame.resize(60, 0);
    assert_eq!(claimed(&frame), Some(Claimed { ip: [10, 0, 0, 100].into(), mac: MAC }));
    frame[21] = 1;
    frame[28..32].fill(0);
    assert_eq!(claimed(&frame), None, "a probe");
    assert_eq!(claimed(&frame[..41]), None);
}

#[test]
fn what_is_broken_claims_nothing() {
    let arp = announcement(MAC, [10, 0, 0, 100].into());
    for (at, value) in [(12, 0x09), (14, 1), (15, 6), (16, 0x86), (18, 8), (19, 16), (21, 3)] {
        let mut frame = arp.clone();
        frame[at] = value;
        assert_eq!(claimed(&frame), None, "byte {at}");
    }
    let na = announcement(MAC, "2001:db8::100".parse().unwrap());
    for (at, value) in [(12, 0x08), (14, 0x40), (19, 33), (20, 17), (21, 254), (54, 135), (57, 0x55), (80, 7)] {
        let mut frame = na.clone();
        frame[at] = value;
        assert_eq!(claimed(&frame), None, "byte {at}");
    }
    for frame in [arp, na] {
        for len in 0..frame.len() {
            assert_eq!(claimed(&frame[..len]), None, "length {len}");
        }
    }
}

proptest! {
    #[test]
    fn any_frame_gets_an_answer(mut bytes in proptest::collection::vec(any::<u8>(), 0..120), kind in 0u8..3) {
        if let (Some(field), 1 | 2) = (bytes.get_mut(12..14), kind) {
            field.copy_from_slice(if kind == 1 { &[8, 6] } else { &[0x86, 0xdd] });
        }
        let _answer = claimed(&bytes);
    }
}
