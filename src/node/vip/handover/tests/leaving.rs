//! How a VIP leaves, and comes back: offered, yielded, taken over; to the instant.

use super::peers::*;
use super::*;
use crate::node::peering::tests::{a, state};
use crate::node::tests::fixture::{ms, name};
use crate::units::Centis;

#[test]
fn a_holder_hands_over_to_the_best_of_those_that_want_it_and_may() {
    let unfit = VipState { fit: false, ..wanting(210) };
    let table = [
        (wanting(200), None),
        (wanting(199), None),
        (state(Role::Backup, 210), None),
        (unfit, None),
        (VipState { priority: None, ..wanting(210) }, None),
        (wanting(201), Some("lb2")),
    ];
    for (said, successor) in table {
        let mut lab = Lab::active();
        lab.says("lb2", said.clone());
        lab.settle();
        let told = successor.map(|to| (Some(name(to)), Item::Take(a())));
        assert_eq!(lab.vip.handover.said, told.into_iter().collect::<Vec<_>>(), "{said:?}");
        assert_eq!(lab.role(), if successor.is_some() { Role::Backup } else { Role::Active });
    }
    let mut lab = Lab::active();
    lab.says("lb2", wanting(210));
    lab.says("lb3", wanting(220));
    lab.settle();
    assert_eq!(lab.vip.handover.said, [(Some(name("lb3")), Item::Take(a()))]);
    assert_eq!(lab.vip.why, "hands over to lb3 (priority 220 against 200)");
    let linger = lab.vip.handover.linger.as_ref().unwrap();
    assert_eq!((&linger.successor, linger.until), (&name("lb3"), lab.now + ms(100)));
    assert!(lab.vip.handover.may_take_back());
}

#[test]
fn what_nobody_took_is_offered_again_after_ten_seconds() {
    let mut lab = Lab::active();
    lab.vip.handover.offer_from = Some(lab.now + MOMENT);
    lab.says("lb2", wanting(210));
    lab.settle();
    assert_eq!(lab.role(), Role::Active);
    lab.now += MOMENT;
    lab.settle();
    assert_eq!(lab.role(), Role::Backup);
    // It is not taken.
    let until = lab.now + ms(100);
    lab.now = until.checked_sub(MOMENT).unwrap();
    lab.settle();
    assert_eq!((lab.role(), lab.vip.handover.lingers()), (Role::Backup, true));
    lab.now = until;
    lab.settle();
    assert_eq!((lab.role(), lab.vip.handover.lingers()), (Role::Active, false));
    assert_eq!(lab.vip.why, "lb2 did not take it");
    assert_eq!(lab.vip.handover.offer_from, Some(until + ms(10_000)));
}

#[test]
fn what_was_let_go_is_not_taken_back() {
    let mut lab = Lab::backup();
    lab.vip.handover.linger = linger(lab.now);
    lab.settle();
    assert_eq!((lab.role(), lab.vip.handover.lingers()), (Role::Backup, false));
    // Clients are served here no longer: nothing lingers.
    for end in [0, 1] {
        let mut lab = Lab::backup();
        lab.vip.handover.linger = linger(lab.now + ms(50));
        lab.settle();
        assert!(lab.vip.handover.lingers());
        match end {
            0 => lab.stage.network.links[0].up = false,
            _ => lab.stage.proxy = Verdict::Failed { why: "it ended".to_owned() },
        }
        lab.settle();
        assert_eq!((lab.role(), lab.vip.handover.lingers()), (Role::Backup, false));
    }
}

#[test]
fn of_two_that_are_active_the_weaker_one_yields_to_a_hello_that_is_younger_than_its_own_turn() {
    for (said_at, priority, yields) in [(0, 201, false), (1, 201, true), (1, 200, false), (1, 199, false)] {
        let mut lab = Lab::active();
        lab.at(said_at);
        lab.says("lb2", state(Role::Active, priority));
        lab.at(5);
        lab.settle();
        assert_eq!(lab.role() == Role::Backup, yields, "{said_at} {priority}");
        if yields {
            assert_eq!(lab.vip.why, "lb2 is active with priority 201, as its hello says");
            let linger = lab.vip.handover.linger.as_ref().unwrap();
            assert_eq!((linger.until, linger.unless_taken), (lab.now + ms(20), UnlessTaken::LetGo));
            assert!(lab.vip.handover.said.is_empty());
        }
    }
}

/// lb2 is active beside us and says that it hears neither adverts nor hellos of ours.
fn beside_a_deaf_one(first: u64) -> Lab {
    let mut lab = Lab::active();
    lab.says("lb2", state(Role::Backup, 100));
    lab.at(first);
    lab.says("lb2", deaf(Role::Active, 100));
    lab.vip.handover.heard(lab.now, lab.now, (LB2.into(), Some(&name("lb2"))), of(100));
    lab.settle();
    assert_eq!((lab.role(), lab.vip.handover.rival.clone()), (Role::Active, Some((name("lb2"), lab.now))));
    lab
}

#[test]
fn a_rival_that_does_not_hear_us_is_yielded_to_after_three_intervals() {
    for (later, yields) in [(2_999, false), (3_000, true)] {
        let mut lab = beside_a_deaf_one(5_000);
        lab.at(5_000 + later);
        lab.says("lb2", deaf(Role::Active, 100));
        lab.settle();
        assert_eq!(lab.role() == Role::Backup, yields, "{later}");
        assert_eq!(lab.vip.handover.deaf.is_some(), yields);
        assert_eq!(lab.vip.router.config().rival == Rival::Deaf, yields);
        assert!(!yields || lab.vip.why == "lb2 is active and does not hear us: frames from here to there are lost");
    }
    // Fast adverts: never sooner than this.
    for (later, yields) in [(199, false), (200, true)] {
        let mut lab = beside_a_deaf_one(5_000);
        lab.vip.config.advert_interval = Centis::new(1).unwrap();
        lab.at(5_000 + later);
        lab.vip.handover.heard(lab.now, lab.now, (LB2.into(), Some(&name("lb2"))), of(100));
        lab.says("lb2", deaf(Role::Active, 100));
        lab.settle();
        assert_eq!(lab.vip.handover.deaf.is_some(), yields, "{later}");
    }
}

#[test]
fn the_time_of_a_rival_begins_anew_with_another_one_and_ends_with_a_sign_that_it_hears() {
    let mut lab = beside_a_deaf_one(5_000);
    lab.vip.handover.rival = Some((name("lb3"), lab.start));
    lab.says("lb2", deaf(Role::Active, 100));
    lab.settle();
    assert_eq!(lab.vip.handover.rival, Some((name("lb2"), lab.now)));
    lab.at(5_500);
    lab.settle();
    assert_eq!(lab.vip.handover.rival, Some((name("lb2"), lab.start + ms(5_000))), "since then");
    // Its hello says that it hears our adverts.
    lab.says("lb2", state(Role::Active, 100));
    lab.settle();
    assert_eq!((lab.vip.handover.rival.clone(), lab.role()), (None, Role::Active));
    // ... or our hellos.
    let mut lab = beside_a_deaf_one(5_000);
    lab.company.listens("lb2", lab.now);
    lab.says("lb2", deaf(Role::Active, 100));
    lab.settle();
    assert_eq!(lab.vip.handover.rival, None);
    // We do not hear it either: nothing can be concluded.
    let mut lab = beside_a_deaf_one(5_000);
    lab.vip.handover.signs.clear();
    lab.settle();
    assert_eq!(lab.vip.handover.rival, None);
    // It is active no longer.
    let mut lab = beside_a_deaf_one(5_000);
    lab.says("lb2", deaf(Role::Backup, 100));
    lab.settle();
    assert_eq!(lab.vip.handover.rival, None);
}

#[test]
fn a_deaf_holder_is_left_alone_until_it_hears_or_is_gone() {
    type Happens = fn(&mut Lab);
    let table: [(Happens, bool); 5] = [
        (|lab| lab.says("lb2", deaf(Role::Active, 100)), true),
        (|lab| lab.says("lb2", state(Role::Active, 100)), false),
        (|lab| lab.says("lb2", deaf(Role::Backup, 100)), false),
        (
            |lab| {
                lab.company.listens("lb2", lab.now);
                lab.says("lb2", deaf(Role::Active, 100));
            },
            false,
        ),
        (|lab| lab.now += ms(4_000), false),
    ];
    for (row, (happens, stays)) in table.into_iter().enumerate() {
        let mut lab = Lab::backup();
        lab.says("lb2", state(Role::Backup, 100));
        lab.at(5_000);
        lab.says("lb2", deaf(Role::Active, 100));
        lab.vip.handover.deaf = Some(name("lb2"));
        lab.vip.configure_router(lab.now);
        happens(&mut lab);
        lab.settle();
        assert_eq!(lab.vip.handover.deaf.is_some(), stays, "{row}");
        assert_eq!(lab.vip.router.config().rival == Rival::Deaf, stays, "{row}");
    }
}

/// Whether addresses stay when it resigns, so many milliseconds after its last advert.
fn lingers(lab: &mut Lab, after: u64) -> bool {
    lab.says("lb2", state(Role::Backup, 100));
    lab.vip.handover.spoken = Some(lab.now);
    lab.now += ms(after);
    lab.with(|vip, host, out| {
        let steps = vip.router.entitle(host.now, Entitlement::Abstain("released by an operator".to_owned()));
        vip.take(host, steps, out);
    });
    lab.vip.handover.lingers()
}

#[test]
fn addresses_linger_where_clients_are_still_served() {
    assert!(lingers(&mut Lab::active(), 0));
    assert!(lingers(&mut Lab::active(), 2_000) && !lingers(&mut Lab::active(), 2_001), "others may hold it by now");
    let mut lab = Lab::active();
    lab.vip.config.down_multiplier = 1;
    assert!(lingers(&mut lab, 1_000));
    let mut lab = Lab::active();
    lab.vip.config.down_multiplier = 1;
    assert!(!lingers(&mut lab, 1_001));
    let mut lab = Lab::active();
    lab.stage.network.links[0].up = false;
    assert!(!lingers(&mut lab, 0));
    let mut lab = Lab::active();
    lab.stage.proxy = Verdict::Failed { why: "it ended".to_owned() };
    assert!(!lingers(&mut lab, 0));
    let mut lab = Lab::active();
    lab.vip.handover.linger_heard = Duration::ZERO;
    lab.says("lb2", state(Role::Active, 250));
    lab.now += MOMENT;
    lab.says("lb2", state(Role::Active, 250));
    lab.settle();
    assert_eq!((lab.role(), lab.vip.handover.lingers()), (Role::Backup, false), "with a hardware address of its own");
}

#[test]
fn who_resigns_names_its_successor_and_who_is_surpassed_knows_it() {
    let mut lab = Lab::active();
    assert!(lingers(&mut lab, 0));
    assert_eq!(lab.vip.handover.said, [(Some(name("lb2")), Item::Take(a()))]);
    let linger = lab.vip.handover.linger.as_ref().unwrap();
    assert_eq!((linger.until, linger.unless_taken), (lab.now + ms(100), UnlessTaken::LetGo));
    // A stronger router speaks.
    for (source, lingers) in [(LB2, true), (LB3, false), ([10, 0, 0, 99], false)] {
        let mut lab = Lab::active();
        lab.says("lb2", state(Role::Active, 100));
        let now = lab.now;
        lab.with(|vip, host, out| {
            let steps = vip.router.hear(now, now, source.into(), of(250), Centis::SECOND);
            vip.take(host, steps, out);
        });
        assert_eq!((lab.role(), lab.vip.handover.lingers()), (Role::Backup, lingers), "{source:?}");
        assert!(lab.vip.handover.said.is_empty());
        let until = lab.vip.handover.linger.as_ref().map(|linger| linger.until);
        assert_eq!(until, lingers.then_some(now + ms(20)));
    }
}

#[test]
fn who_becomes_active_tells_the_others_once_all_addresses_are_here() {
    let mut lab = Lab::backup();
    lab.vip.handover.rival = Some((name("lb2"), lab.now));
    lab.with(|vip, host, out| vip.take_over(host, "test", out));
    assert!(lab.vip.handover.holding_due && lab.vip.handover.rival.is_none());
    assert_eq!(lab.vip.announcing.overlap_ends, Some(lab.now + ms(120)));
    lab.vip.tell_holding();
    assert!(lab.vip.handover.said.is_empty());
    let _news = lab.vip.addresses[0].lease.observed(lab.now, lab.now, crate::addrs::Presence::Here);
    lab.vip.tell_holding();
    lab.vip.tell_holding();
    assert_eq!(lab.vip.handover.said, [(None, Item::Holding(a()))], "once");
    // Without hellos there is nobody to tell, and nothing is known of the one before.
    let mut lab = Lab::backup();
    let now = lab.now;
    let host = lab.stage.host(now);
    lab.vip.take_over(&host, "test", &mut Outbox::default());
    assert!(!lab.vip.handover.holding_due);
    assert_eq!(lab.vip.announcing.overlap_ends, None);
    // One that has turned backup meanwhile.
    let mut lab = Lab::backup();
    lab.vip.handover.holding_due = true;
    let _news = lab.vip.addresses[0].lease.observed(lab.now, lab.now, crate::addrs::Presence::Here);
    lab.vip.tell_holding();
    assert!(lab.vip.handover.said.is_empty());
}

#[test]
fn the_others_of_a_group_follow_to_the_same_peer() {
    for (departure, said, lingers) in [
        (Some(Leaving::Offered(name("lb2"))), 1, true),
        (Some(Leaving::Yielded(name("lb2"))), 0, true),
        (Some(Leaving::Surrendered), 0, false),
        (None, 0, false),
    ] {
        let mut lab = Lab::active();
        let departure = departure.map(|leaving| Departure { leaving, deaf: Some(name("lb2")) });
        let deaf = departure.is_some();
        lab.with(|vip, host, out| vip.follow(host, departure.as_ref(), "test", out));
        assert_eq!(lab.role(), Role::Backup);
        let is = (lab.vip.handover.said.len(), lab.vip.handover.lingers(), lab.vip.handover.deaf.is_some());
        assert_eq!(is, (said, lingers, deaf), "{departure:?}");
        assert_eq!((lab.vip.router.config().rival == Rival::Deaf, &lab.vip.handover.leaving), (deaf, &None));
    }
}
