//! What follows from what peers say of a VIP, to the instant.

use super::*;
use crate::node::effect::Effects;
use crate::node::peering::tests::{Company, a, name, state};
use crate::node::vip::tests::Stage;
use crate::units::Centis;

const LB2: [u8; 4] = [10, 0, 0, 12];
const LB3: [u8; 4] = [10, 0, 0, 13];
const MOMENT: Duration = Duration::from_nanos(1);

fn ms(n: u64) -> Duration {
    Duration::from_millis(n)
}

fn of(priority: i64) -> Claim {
    Claim::Of(Priority::new(priority).unwrap())
}

fn wanting(priority: i64) -> VipState {
    VipState { wants: true, ..state(Role::Backup, priority) }
}

fn deaf(role: Role, priority: i64) -> VipState {
    VipState { hears: false, ..state(role, priority) }
}

/// A VIP of lb1 with priority 200, adverts every second, and peers that say what the test wants.
struct Lab {
    vip: Vip,
    company: Company,
    stage: Stage,
    start: Instant,
    now: Instant,
}

impl Lab {
    /// A backup since the start.
    fn backup() -> Self {
        let start = vip().1;
        let company = Company::new(start);
        let mut config = company.config.vips[0].clone();
        config.advert_interval = Centis::SECOND;
        config.preempt = Preempt::After(Duration::ZERO);
        config.grace = ms(700);
        let vip = Vip::new(&config, &company.config, &name("lb1"), start).unwrap();
        let mut lab = Self { vip, company, stage: Stage::new(), start, now: start };
        let _steps = lab.vip.router.entitle(start, Entitlement::Claim(Priority::new(200).unwrap()));
        lab
    }

    /// Active since the start.
    fn active() -> Self {
        let mut lab = Self::backup();
        let _steps = lab.vip.router.take_over(lab.start, "test");
        lab.vip.since = lab.start;
        lab.vip.handover.spoken = Some(lab.start);
        lab
    }

    fn with<T>(&mut self, what: impl FnOnce(&mut Vip, &Host<'_>, &mut Outbox) -> T) -> (T, Effects) {
        let host = Host { peering: &self.company.peering, ..self.stage.host(self.now) };
        let mut out = Outbox::default();
        let result = what(&mut self.vip, &host, &mut out);
        (result, out.into_effects())
    }

    fn ask<T>(&self, what: impl FnOnce(&Vip, &Host<'_>) -> T) -> T {
        what(&self.vip, &Host { peering: &self.company.peering, ..self.stage.host(self.now) })
    }

    /// Goes on to so many milliseconds after the start; an active router does not forget to speak.
    fn at(&mut self, after: u64) {
        let until = self.start + ms(after);
        while self.vip.router.role() == Role::Active && self.now + ms(1_000) < until {
            self.now += ms(1_000);
            let _steps = self.vip.router.tick(self.now);
        }
        self.now = until;
    }

    fn says(&mut self, of: &str, state: VipState) {
        self.company.says(of, self.now, state);
    }

    fn hears(&mut self, source: [u8; 4], claim: Claim) {
        let _steps = self.vip.router.hear(self.now, self.now, source.into(), claim, Centis::SECOND);
    }

    fn settle(&mut self) -> Effects {
        self.with(|vip, host, out| vip.settle_handover(host, out)).1
    }

    fn role(&self) -> Role {
        self.vip.router.role()
    }

    fn wants(&self) -> bool {
        self.ask(|vip, host| vip.peer_state(host, &name("lb2"))).unwrap().wants
    }

    fn vouched(&self) -> u64 {
        self.vip.counters.get("vouched").copied().unwrap_or(0)
    }
}

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
    let table: [(fn(&mut Lab), bool); 5] = [
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

#[test]
fn a_backup_wants_what_a_weaker_one_holds_from_the_instant_on_that_it_may_preempt() {
    let mut lab = Lab::backup();
    assert!(!lab.wants(), "nobody is active");
    for (claim, wants) in [(of(199), true), (of(200), false), (of(201), false), (of(100), true)] {
        lab.hears(LB2, claim);
        assert_eq!(lab.wants(), wants, "{claim:?}");
    }
    lab.vip.handover.deaf = Some(name("lb2"));
    assert!(!lab.wants());
    lab.vip.handover.deaf = None;
    lab.vip.config.preempt = Preempt::After(ms(500));
    lab.vip.configure_router(lab.now);
    for (after, wants) in [(499, false), (500, true)] {
        lab.now = lab.start + ms(after);
        assert_eq!(lab.wants(), wants, "{after}");
    }
    lab.vip.config.preempt = Preempt::Refused;
    lab.vip.configure_router(lab.now);
    assert!(!lab.wants());
    // Without adverts what they say of themselves counts.
    for (priority, wants) in [(199, true), (200, false)] {
        let mut lab = Lab::backup();
        lab.says("lb2", state(Role::Active, priority));
        assert_eq!(lab.wants(), wants, "{priority}");
        lab.says("lb3", state(Role::Active, 250));
        assert!(!lab.wants(), "another one is stronger");
    }
    let mut lab = Lab::active();
    lab.says("lb2", state(Role::Active, 100));
    assert!(!lab.wants(), "it is here");
}

#[test]
fn a_peer_is_heard_for_as_long_as_a_router_may_be_silent() {
    let mut lab = Lab::backup();
    let hears = |lab: &Lab, of: &str| lab.ask(|vip, host| vip.peer_state(host, &name(of)).unwrap().hears);
    assert!(!hears(&lab, "lb2"));
    lab.vip.handover.heard(lab.now, lab.now, (LB2.into(), Some(&name("lb2"))), of(100));
    lab.now = lab.start + lab.vip.down();
    assert!(hears(&lab, "lb2") && !hears(&lab, "lb3"));
    lab.now += MOMENT;
    assert!(!hears(&lab, "lb2"));
    // From an address that nobody is known by: who says that it is active.
    let mut lab = Lab::backup();
    lab.hears([10, 0, 0, 99], of(250));
    assert!(!hears(&lab, "lb2"));
    lab.says("lb2", state(Role::Active, 250));
    assert!(hears(&lab, "lb2") && !hears(&lab, "lb3"));
    lab.says("lb3", state(Role::Active, 240));
    assert!(!hears(&lab, "lb2"), "who of the two?");
    let mut lab = Lab::backup();
    lab.hears(LB3, of(250));
    lab.says("lb2", state(Role::Active, 250));
    assert!(!hears(&lab, "lb2"), "those are adverts of lb3");
}

#[test]
fn the_holder_is_who_was_heard_or_the_only_one_that_says_so() {
    let holder = |lab: &Lab| lab.ask(|vip, host| vip.holder(host).map(ToString::to_string));
    let mut lab = Lab::backup();
    assert_eq!(holder(&lab), None);
    lab.says("lb3", state(Role::Active, 250));
    assert_eq!(holder(&lab).as_deref(), Some("lb3"));
    lab.hears(LB2, of(250));
    assert_eq!(holder(&lab).as_deref(), Some("lb2"));
    let mut lab = Lab::backup();
    lab.says("lb2", state(Role::Active, 250));
    lab.says("lb3", state(Role::Active, 240));
    assert_eq!(holder(&lab), None);
}

#[test]
fn a_vip_without_its_proxy_stays_within_its_grace_while_nobody_else_is_fit() {
    let verdict = |lab: &Lab, after| {
        let failed_since = Some(lab.now);
        let host = Host { peering: &lab.company.peering, ..lab.stage.host(lab.now + after) };
        lab.vip.without_proxy(&host, failed_since)
    };
    let last = ms(700) - MOMENT;
    let mut lab = Lab::active();
    assert_eq!((verdict(&lab, last), verdict(&lab, ms(700))), (WithoutProxy::Stay, WithoutProxy::Leave));
    assert_eq!(lab.ask(|vip, host| vip.without_proxy(host, None)), WithoutProxy::Leave);
    assert_eq!(verdict(&Lab::backup(), last), WithoutProxy::Leave, "it is not here");
    let now = lab.now;
    let alone = lab.vip.without_proxy(&lab.stage.host(now), Some(now));
    assert_eq!(alone, WithoutProxy::Leave, "without hellos nobody is known to be unfit");
    lab.says("lb2", VipState { fit: false, ..state(Role::Backup, 100) });
    assert_eq!(verdict(&lab, last), WithoutProxy::Stay);
    lab.says("lb2", state(Role::Backup, 100));
    assert_eq!(verdict(&lab, last), WithoutProxy::Leave);
}

#[test]
fn a_hello_stands_for_an_advert_that_is_missing_and_for_no_other() {
    let say = |lab: &mut Lab, from: &str, said: &VipState, at: u64| {
        let at = lab.start + ms(at);
        lab.now = at;
        let before = lab.vouched();
        lab.with(|vip, host, _| vip.peer_says(host, &name(from), said, at));
        lab.vouched() > before
    };
    let active = |priority| state(Role::Active, priority);
    // An interval and a quarter, and two milliseconds.
    for (at, counts) in [(1_251, false), (1_252, true)] {
        assert_eq!(say(&mut Lab::backup(), "lb2", &active(250), at), counts, "{at}");
    }
    assert!(!say(&mut Lab::active(), "lb2", &active(250), 1_252));
    assert!(!say(&mut Lab::backup(), "lb2", &state(Role::Backup, 250), 1_252));
    // A weaker one is preempted, unless that is refused or it would not notice.
    assert!(say(&mut Lab::backup(), "lb2", &active(200), 1_252));
    assert!(!say(&mut Lab::backup(), "lb2", &active(199), 1_252));
    let mut lab = Lab::backup();
    lab.vip.config.preempt = Preempt::Refused;
    assert!(say(&mut lab, "lb2", &active(199), 1_252));
    let mut lab = Lab::backup();
    lab.vip.handover.deaf = Some(name("lb2"));
    assert!(say(&mut lab, "lb2", &active(199), 1_252));
    // Another one holds it.
    let mut lab = Lab::backup();
    lab.hears(LB3, of(250));
    assert!(!say(&mut lab, "lb2", &active(250), 1_252));
    assert!(say(&mut lab, "lb3", &active(250), 1_252));
}

#[test]
fn a_named_successor_takes_over_from_the_holder_alone_and_with_a_proxy_that_serves() {
    for (holder, healthy, takes) in [(LB2, true, true), (LB3, true, false), (LB2, false, false)] {
        let mut lab = Lab::backup();
        lab.hears(holder, of(250));
        if !healthy {
            lab.stage.proxy = Verdict::Failed { why: "it ended".to_owned() };
        }
        lab.with(|vip, host, out| vip.named_successor(host, &name("lb2"), out));
        assert_eq!(lab.role() == Role::Active, takes);
        assert_eq!(lab.vip.counters.get("offers-ignored").is_some(), !takes);
        assert!(!takes || lab.vip.why == "lb2 hands over");
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

/// When the next turn has something to do, in milliseconds from the start.
fn wakes(lab: &mut Lab, failed_since: Option<Instant>) -> Option<u128> {
    lab.with(|vip, host, _| vip.wake_for_handover(host, failed_since));
    lab.vip.handover.wake.map(|at| (at - lab.start).as_millis())
}

#[test]
fn a_vip_wakes_for_the_first_thing_that_is_to_come() {
    let mut lab = Lab::active();
    let start = Some(lab.start);
    assert_eq!((wakes(&mut lab, None), wakes(&mut lab, start)), (None, Some(700)));
    lab.at(700);
    assert_eq!(wakes(&mut lab, start), None, "it is over");
    let mut lab = Lab::backup();
    assert_eq!(wakes(&mut lab, start), None, "it is not here, and may preempt already");
    lab.vip.config.preempt = Preempt::After(ms(500));
    lab.vip.configure_router(lab.now);
    assert_eq!(wakes(&mut lab, None), Some(500));
    lab.vip.handover.linger = linger(lab.now + ms(90));
    assert_eq!(wakes(&mut lab, None), Some(90));
    let now = lab.now;
    let host = lab.stage.host(now);
    lab.vip.handover.linger = None;
    lab.vip.wake_for_handover(&host, None);
    assert_eq!(lab.vip.handover.wake, None, "without hellos nobody is asked to let go");
}

#[test]
fn a_holder_whose_advert_is_missing_is_asked_and_again_every_quarter_of_an_interval() {
    let mut lab = Lab::backup();
    lab.hears(LB2, of(250));
    lab.says("lb2", state(Role::Active, 250));
    assert_eq!(wakes(&mut lab, None), Some(1_252));
    for (at, asks) in [(1_251, 0), (1_252, 1), (1_501, 1), (1_502, 2)] {
        lab.at(at);
        lab.settle();
        assert_eq!(lab.vip.handover.said.len(), asks, "{at}");
    }
    assert_eq!(lab.vip.handover.said[0], (Some(name("lb2")), Item::Ask(a())));
    assert_eq!(wakes(&mut lab, None), Some(1_752));
    // Not more often than every 3 ms.
    let mut lab = Lab::backup();
    let _steps = lab.vip.router.hear(lab.now, lab.now, LB2.into(), of(250), Centis::new(1).unwrap());
    lab.says("lb2", state(Role::Active, 250));
    for (at, asks) in [(13, 0), (15, 1), (17, 1), (18, 2)] {
        lab.at(at);
        lab.settle();
        assert_eq!(lab.vip.handover.said.len(), asks, "{at}");
    }
}

#[test]
fn who_has_resigned_or_is_to_be_preempted_is_not_asked() {
    let asked = |lab: &mut Lab| {
        lab.at(1_252);
        lab.settle();
        lab.vip.handover.said.len()
    };
    let holder = |priority| {
        let mut lab = Lab::backup();
        lab.hears(LB2, of(priority));
        lab.says("lb2", state(Role::Active, priority));
        lab
    };
    assert_eq!((asked(&mut holder(250)), asked(&mut holder(199))), (1, 0));
    let mut lab = holder(250);
    lab.hears(LB2, Claim::Resign);
    assert_eq!(asked(&mut lab), 0);
    let mut lab = holder(250);
    lab.says("lb2", state(Role::Backup, 250));
    assert_eq!(asked(&mut lab), 0);
}

fn troubles(lab: &Lab) -> Vec<String> {
    let of = lab.ask(|vip, host| vip.peer_troubles(host));
    of.into_iter().map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
}

#[test]
fn adverts_that_do_not_arrive_are_a_trouble_of_who_has_been_waiting_for_long() {
    let mut lab = Lab::backup();
    lab.vip.since = lab.start;
    let long = lab.vip.down() * 2;
    for (after, trouble) in [(long, false), (long + MOMENT, true)] {
        lab.now = lab.start + after;
        lab.says("lb2", state(Role::Active, 250));
        lab.says("lb3", state(Role::Backup, 240));
        let expect = if trouble { vec!["adverts of lb2 do not arrive, its hellos do"] } else { vec![] };
        assert_eq!(troubles(&lab), expect);
    }
    // One that arrived lately enough.
    let sign = lab.now.checked_sub(long).unwrap();
    lab.vip.handover.heard(sign, sign, (LB2.into(), Some(&name("lb2"))), of(250));
    assert!(troubles(&lab).is_empty());
    lab.now += MOMENT;
    assert_eq!(troubles(&lab).len(), 1);
    // From an address that nobody is known by.
    lab.hears([10, 0, 0, 99], of(250));
    assert!(troubles(&lab).is_empty());
}

#[test]
fn backups_that_do_not_hear_our_adverts_are_a_trouble_of_who_has_been_active_for_long() {
    let mut lab = Lab::active();
    let long = lab.vip.down() * 2;
    for (after, trouble) in [(long, false), (long + MOMENT, true)] {
        lab.now = lab.start + after;
        lab.says("lb2", deaf(Role::Backup, 100));
        lab.says("lb3", state(Role::Backup, 100));
        let expect = if trouble { vec!["lb2 does not hear our adverts, only our hellos"] } else { vec![] };
        assert_eq!(troubles(&lab), expect);
    }
    lab.says("lb2", deaf(Role::Fault, 100));
    assert!(troubles(&lab).is_empty());
    lab.vip.handover.deaf = Some(name("lb2"));
    assert_eq!(troubles(&lab), ["lb2 does not hear us"]);
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
