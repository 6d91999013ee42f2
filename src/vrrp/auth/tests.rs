use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::*;
use crate::config::{Checksum, Transport, Version};
use crate::units::{Centis, Vrid};
use crate::vrrp::packet::{Capture, Claim, Datagram, Outgoing, build, parse};

const NOW: Duration = Duration::from_secs(1_800_000_000);

fn hmac(mode: HmacMode) -> Auth {
    let keys = BTreeMap::from([(1, vec![1; 32]), (2, vec![2; 64])]);
    Auth::Hmac(HmacAuth { keys, active: 1, mode, window: Duration::from_secs(5) })
}

/// What arrives when a node sends with that seal.
fn heard(from: u8, version: Version, seal: Seal<'_>) -> Advert {
    let bytes = build(&Outgoing {
        source: Ipv4Addr::new(10, 0, 0, from).into(),
        destination: Transport::GROUP_V4,
        version,
        vrid: Vrid::new(51).unwrap(),
        claim: Claim::from_byte(100),
        interval: Centis::SECOND,
        checksum: Checksum::PseudoHeader,
        addresses: &[Ipv4Addr::new(10, 0, 0, 100).into()],
        seal,
    });
    parse(&Datagram::V4(bytes), Capture::Whole).unwrap()
}

fn signed(from: u8, key: &(u8, Vec<u8>), at: Duration) -> Advert {
    heard(from, Version::V3, Seal::Hmac { id: key.0, key: &key.1, stamp: Stamp::of(at) })
}

fn key() -> (u8, Vec<u8>) {
    (1, vec![1; 32])
}

fn judge(auth: &Auth, advert: &Advert) -> Result<(), Reject> {
    Authenticity::default().judge(auth, advert, NOW)
}

#[test]
fn each_kind_of_authentication_against_each_credential() {
    let password = Auth::Password(*b"secret\0\0");
    let none = heard(1, Version::V2, Seal::None);
    let right = heard(1, Version::V2, Seal::Password(*b"secret\0\0"));
    let wrong = heard(1, Version::V2, Seal::Password(*b"secret\0x"));
    let other = Advert { credential: Credential::Other(2), ..none.clone() };
    let trailer = signed(1, &key(), NOW);
    let (auth, kind) = (Err(Reject::Auth), Err(Reject::AuthType));
    let enforce = hmac(HmacMode::Enforce);
    let table = [
        (&Auth::None, [Ok(()), kind, kind, kind, kind]),
        (&password, [auth, Ok(()), auth, kind, kind]),
        (&enforce, [auth, kind, kind, kind, Ok(())]),
        (&hmac(HmacMode::Permissive), [Ok(()), kind, kind, kind, Ok(())]),
        (&hmac(HmacMode::ReceiveOnly), [Ok(()), kind, kind, kind, Ok(())]),
    ];
    for (ours, expected) in table {
        let theirs = [&none, &right, &wrong, &other, &trailer];
        assert_eq!(theirs.map(|advert| judge(ours, advert)), expected, "{ours:?}");
    }
}

#[test]
fn all_our_keys_are_good_and_no_others() {
    let ours = hmac(HmacMode::Enforce);
    assert_eq!(judge(&ours, &signed(1, &(2, vec![2; 64]), NOW)), Ok(()));
    assert_eq!(judge(&ours, &signed(1, &(3, vec![2; 64]), NOW)), Err(Reject::AuthKey));
    assert_eq!(judge(&ours, &signed(1, &(2, vec![1; 32]), NOW)), Err(Reject::Auth));
}

#[test]
fn who_signs_is_the_mode() {
    let kinds = [HmacMode::Enforce, HmacMode::Permissive, HmacMode::ReceiveOnly].map(|mode| {
        let auth = hmac(mode);
        let seal = Authenticity::default().seal(&auth, NOW);
        matches!(seal, Seal::Hmac { id: 1, .. })
    });
    assert_eq!(kinds, [true, true, false]);
}

#[test]
fn the_window_is_in_both_directions_and_its_edge_counts() {
    let ours = hmac(HmacMode::Enforce);
    let at = |seconds: i64| Duration::from_secs(NOW.as_secs().checked_add_signed(seconds).unwrap());
    let table = [(-6, Err(Reject::AuthStale)), (-5, Ok(())), (5, Ok(())), (6, Err(Reject::AuthStale))];
    for (seconds, expected) in table {
        assert_eq!(judge(&ours, &signed(1, &key(), at(seconds))), expected, "{seconds} s");
    }
}

#[test]
fn an_advert_counts_once_for_each_sender() {
    let ours = hmac(HmacMode::Enforce);
    let mut state = Authenticity::default();
    let first = signed(1, &key(), NOW);
    assert_eq!(state.judge(&ours, &first, NOW), Ok(()));
    assert_eq!(state.judge(&ours, &first, NOW), Err(Reject::AuthReplay));
    let earlier = signed(1, &key(), NOW - Duration::from_secs(1));
    assert_eq!(state.judge(&ours, &earlier, NOW), Err(Reject::AuthReplay));
    assert_eq!(state.judge(&ours, &signed(2, &key(), NOW), NOW), Ok(()), "another sender");
    assert_eq!(state.judge(&ours, &signed(1, &key(), NOW + Duration::from_millis(1)), NOW), Ok(()));
    // A forged one moves no mark.
    let forged = signed(1, &(1, vec![9; 32]), NOW + Duration::from_secs(4));
    assert_eq!(state.judge(&ours, &forged, NOW), Err(Reject::Auth));
    assert_eq!(state.judge(&ours, &signed(1, &key(), NOW + Duration::from_millis(2)), NOW), Ok(()));
}

/// A sender whose clock was ahead and is corrected is heard again once its old mark is outside the window.
#[test]
fn a_corrected_clock_is_believed_again() {
    let ours = hmac(HmacMode::Enforce);
    let mut state = Authenticity::default();
    let later = NOW + Duration::from_secs(10);
    assert_eq!(state.judge(&ours, &signed(1, &key(), NOW + Duration::from_secs(4)), NOW), Ok(()));
    assert_eq!(state.judge(&ours, &signed(1, &key(), NOW + Duration::from_secs(1)), NOW), Err(Reject::AuthReplay));
    assert_eq!(state.judge(&ours, &signed(1, &key(), later - Duration::from_secs(1)), later), Ok(()));
}

#[test]
fn marks_are_bounded_and_the_longest_silent_goes() {
    let ours = hmac(HmacMode::Enforce);
    let mut state = Authenticity::default();
    for from in 1..=17 {
        assert_eq!(state.judge(&ours, &signed(from, &key(), NOW), NOW), Ok(()));
    }
    assert_eq!(state.marks.len(), MARKS_MAX);
    assert_eq!(state.judge(&ours, &signed(17, &key(), NOW), NOW), Err(Reject::AuthReplay));
}

fn stamp(state: &mut Authenticity, auth: &Auth, wall: Duration) -> Stamp {
    match state.seal(auth, wall) {
        Seal::Hmac { stamp, .. } => stamp,
        seal @ (Seal::None | Seal::Password(_)) => panic!("{seal:?}"),
    }
}

#[test]
fn stamps_grow_also_when_the_clock_stands_or_goes_back_a_little() {
    let ours = hmac(HmacMode::Enforce);
    let mut state = Authenticity::default();
    let first = stamp(&mut state, &ours, NOW);
    assert_eq!(first, Stamp::of(NOW));
    let second = stamp(&mut state, &ours, NOW);
    assert!(second.is_after(first));
    let third = stamp(&mut state, &ours, NOW - Duration::from_secs(3));
    assert!(third.is_after(second));
    // Set back by more than receivers accept: it would never be heard again.
    let fourth = stamp(&mut state, &ours, NOW - Duration::from_secs(60));
    assert_eq!(fourth, Stamp::of(NOW - Duration::from_secs(60)));
    assert_eq!(stamp(&mut state, &ours, NOW), Stamp::of(NOW));
}

#[test]
fn stamps_survive_the_wrap_of_their_seconds() {
    let last = Stamp::of(Duration::from_secs(u64::from(u32::MAX)));
    let wrapped = Stamp::of(Duration::from_secs(u64::from(u32::MAX) + 2));
    assert!(wrapped.is_after(last) && !last.is_after(wrapped));
    assert_eq!((wrapped.seconds_from(last), last.seconds_from(wrapped)), (2, 2));
}
