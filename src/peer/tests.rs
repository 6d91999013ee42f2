use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::message::{BYTES_MAX, Hello, HelloReject, Item, VipState, WHY_MAX, shorten, split};
use super::session::{Judged, Session};
use super::*;
use crate::units::{Digest, Priority};
use crate::vrrp::router::Role;

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

fn key() -> PeerKey {
    PeerKey::new([7; KEY_BYTES])
}

fn state(vip: u32) -> VipState {
    VipState {
        vip: VipId(vip),
        role: Role::Backup,
        priority: Some(Priority::MAX),
        fit: true,
        wants: false,
        hears: true,
        why: String::new(),
    }
}

fn hello() -> Hello {
    let unfit = VipState { role: Role::Fault, priority: None, fit: false, why: "proxy failed".into(), ..state(2) };
    Hello {
        from: name("lb1"),
        to: name("lb2"),
        incarnation: Incarnation(11),
        sequence: 1,
        challenge: 21,
        echo: 0,
        config: Digest(31),
        hears: true,
        items: vec![
            Item::State(state(1)),
            Item::State(unfit),
            Item::Ask(VipId(3)),
            Item::Take(VipId(4)),
            Item::Holding(VipId(5)),
        ],
    }
}

/// The HMAC made right again after a change.
fn signed(mut bytes: Vec<u8>) -> Vec<u8> {
    use hmac::Mac;
    bytes.truncate(bytes.len() - 32);
    let mac = key().mac(&[&bytes]).finalize().into_bytes();
    bytes.extend(mac);
    bytes
}

#[test]
fn what_is_written_is_read() {
    let bytes = hello().encode(&key());
    assert_eq!(Hello::decode(&key(), &bytes), Ok(hello()));
}

#[test]
fn the_mac_is_that_of_rfc_4231() {
    use hmac::Mac;
    // Test case 1: a key of 20 bytes 0x0b; with zeros behind it is the same key to HMAC.
    let mut bytes = [0; KEY_BYTES];
    bytes[..20].fill(0x0b);
    let mac = PeerKey::new(bytes).mac(&[b"Hi", b" There"]).finalize().into_bytes();
    assert_eq!(mac[..8], [0xb0, 0x34, 0x4c, 0x61, 0xd8, 0xdb, 0x38, 0x53]);
}

#[test]
fn every_flaw_has_its_reason() {
    let good = hello().encode(&key());
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let table = [
        (Vec::new(), HelloReject::Truncated),
        (good[..60].to_vec(), HelloReject::Truncated),
        (good[..good.len() - 1].to_vec(), HelloReject::Key),
        (vec![0; BYTES_MAX + 1], HelloReject::Oversized),
        (with(0, b'x'), HelloReject::Magic),
        (with(4, 2), HelloReject::Version),
        (with(21, 0), HelloReject::Key),
        (PeerKey::new([8; KEY_BYTES]).mac_of(&good), HelloReject::Key),
        (signed(with(5, 2)), HelloReject::Malformed),
        (signed(with(6, 64)), HelloReject::Malformed),
        (signed(with(7, b' ')), HelloReject::Malformed),
        (signed([good.clone(), vec![0]].concat()), HelloReject::Malformed),
    ];
    for (bytes, reason) in table {
        assert_eq!(Hello::decode(&key(), &bytes), Err(reason), "{bytes:?}");
    }
}

impl PeerKey {
    /// The same message under this key.
    fn mac_of(&self, bytes: &[u8]) -> Vec<u8> {
        use hmac::Mac;
        let said = &bytes[..bytes.len() - 32];
        [said, &self.mac(&[said]).finalize().into_bytes()].concat()
    }
}

#[test]
fn many_vips_are_split_into_datagrams_that_fit() {
    let long = name(&"n".repeat(63));
    let why = shorten(&"ö".repeat(100));
    assert_eq!(why.len(), WHY_MAX);
    let items: Vec<Item> = (0..1000).map(|vip| Item::State(VipState { why: why.clone(), ..state(vip) })).collect();
    let parts = split(&long, &long, items.clone());
    for part in &parts {
        let hello = Hello { from: long.clone(), to: long.clone(), items: part.clone(), ..hello() };
        let bytes = hello.encode(&key());
        assert!(bytes.len() <= BYTES_MAX, "{}", bytes.len());
        assert_eq!(Hello::decode(&key(), &bytes).unwrap().items, *part);
    }
    assert_eq!(parts.concat(), items);
    assert_eq!(split(&long, &long, Vec::new()), [Vec::new()]);
}

#[test]
fn a_key_is_64_digits_and_is_never_shown() {
    let text = key().to_hex();
    assert_eq!(PeerKey::from_hex(&format!("{text}\n")), Ok(key()));
    assert_eq!(PeerKey::from_hex(&text.to_uppercase()), Ok(key()));
    for bad in ["", "07", &text[1..], &format!("{text}0"), &text.replace('7', "+"), &"ö".repeat(32)] {
        assert_eq!(PeerKey::from_hex(bad), Err(BadKey), "{bad}");
    }
    assert_eq!(format!("{:?}", key()), "PeerKey(..)");
}

#[test]
fn two_names_with_one_id_are_found() {
    let names: Vec<Name> = (0..200_000).map(|n| name(&format!("vip{n}"))).collect();
    let (one, other) = same_id(names.iter()).expect("some among so many");
    assert_ne!(one, other);
    assert_eq!(VipId::of(one), VipId::of(other));
    assert_eq!(same_id(names.iter().take(100)), None);
}

proptest! {
    #[test]
    fn no_bytes_do_harm(bytes in proptest::collection::vec(any::<u8>(), 0..1300), at in 0..150_usize, bit in 0..8) {
        let _rejected = Hello::decode(&key(), &bytes);
        let mut flipped = hello().encode(&key());
        let at = at % flipped.len();
        flipped[at] ^= 1_u8 << bit;
        prop_assert!(Hello::decode(&key(), &flipped).is_err());
        // Authentic nonsense may be read, but what is read is what was written.
        let signed = signed(flipped);
        if let Ok(read) = Hello::decode(&key(), &signed) {
            prop_assert_eq!(read.encode(&key()), signed);
        }
    }
}

// ---- sessions -------------------------------------------------------------------------------------------------------

/// One side of a conversation, with its sequence.
struct Side {
    name: Name,
    incarnation: Incarnation,
    sequence: u64,
    session: Session,
}

impl Side {
    fn new(me: &str, other: &str, incarnation: u64) -> Self {
        let incarnation = Incarnation(incarnation);
        let session = Session::new(&key(), incarnation, &name(other));
        Self { name: name(me), incarnation, sequence: 0, session }
    }

    fn says(&mut self, echo: Option<u64>) -> Hello {
        self.sequence += 1;
        Hello {
            from: self.name.clone(),
            incarnation: self.incarnation,
            sequence: self.sequence,
            challenge: self.session.challenge(),
            echo: echo.unwrap_or(self.session.echo()),
            ..hello()
        }
    }

    fn judges(&mut self, now: Instant, hello: &Hello) -> Judged {
        self.session.judge(now, &key(), self.incarnation, hello)
    }
}

fn answer(judged: Judged) -> u64 {
    let Judged::Answer { echo } = judged else { panic!("{judged:?}") };
    echo
}

/// Two that know nothing of each other prove themselves with three messages.
fn meet(now: Instant, a: &mut Side, b: &mut Side) {
    let echo = answer(b.judges(now, &a.says(None)));
    assert_eq!(a.judges(now, &b.says(Some(echo))), Judged::First);
    assert_eq!(b.judges(now, &a.says(None)), Judged::First);
    assert_eq!(a.judges(now, &b.says(None)), Judged::Counts);
}

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
    Instant::now()
}

#[test]
fn two_prove_themselves_with_three_messages() {
    let (mut a, mut b) = (Side::new("a", "b", 1), Side::new("b", "a", 2));
    meet(start(), &mut a, &mut b);
}

#[test]
fn nothing_counts_twice_and_nothing_old_counts() {
    let now = start();
    let (mut a, mut b) = (Side::new("a", "b", 1), Side::new("b", "a", 2));
    meet(now, &mut a, &mut b);
    let (first, second) = (a.says(None), a.says(None));
    assert_eq!(b.judges(now, &second), Judged::Counts);
    assert_eq!(b.judges(now, &second), Judged::Dropped(HelloReject::Replayed));
    assert_eq!(b.judges(now, &first), Judged::Dropped(HelloReject::Replayed));
}

#[test]
fn recordings_of_an_earlier_process_never_count_again() {
    let now = start();
    let (mut a, mut b) = (Side::new("a", "b", 1), Side::new("b", "a", 2));
    let mut recorded = vec![a.says(None)];
    meet(now, &mut a, &mut b);
    recorded.extend((0..4).map(|_| a.says(None)));
    // Both restart, one after the other; what was recorded comes again at every step, also what never arrived.
    let mut later = now + Duration::from_secs(1);
    for incarnation in 3..6 {
        let mut next = Side::new("a", "b", incarnation);
        recorded.push(next.says(None));
        let echo = answer(b.judges(later, recorded.last().unwrap()));
        assert_eq!(next.judges(later, &b.says(Some(echo))), Judged::First);
        recorded.push(next.says(None));
        assert_eq!(b.judges(later, recorded.last().unwrap()), Judged::First);
        for old in &recorded {
            later += Duration::from_secs(1);
            let judged = b.judges(later, old);
            assert!(!matches!(judged, Judged::Counts | Judged::First), "{judged:?}: {old:?}");
        }
        assert_eq!(b.judges(later, &next.says(None)), Judged::Counts, "the living one is still believed");
    }
    let mut other = Side::new("b", "a", 9);
    for old in &recorded {
        later += Duration::from_secs(1);
        answer(other.judges(later, old));
    }
}

#[test]
fn who_does_not_prove_himself_is_answered_seldom() {
    let now = start();
    let (mut a, mut b) = (Side::new("a", "b", 1), Side::new("b", "a", 2));
    answer(b.judges(now, &a.says(None)));
    let soon = now + Duration::from_millis(49);
    assert_eq!(b.judges(soon, &a.says(None)), Judged::Dropped(HelloReject::Unproven));
    answer(b.judges(now + Duration::from_millis(50), &a.says(None)));
}

#[test]
fn a_challenge_is_another_one_for_every_process_and_peer() {
    let of = |incarnation, peer: &str| Session::new(&key(), Incarnation(incarnation), &name(peer)).challenge();
    let all = [of(1, "a"), of(2, "a"), of(1, "b"), of(2, "b")];
    let distinct: std::collections::BTreeSet<u64> = all.into();
    assert_eq!(distinct.len(), all.len());
}
