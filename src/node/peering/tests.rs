//! Peers that say what a test wants, and what a node makes of it.

use super::*;
use crate::config::Config;
use crate::node::tests::fixture::{config, loaded, ms, name, rendered, t0, toml};
use crate::peer::PeerKey;

/// The only VIP.
pub(in crate::node) fn a() -> VipId {
    VipId::of(&name("a"))
}

fn ip(of: &str) -> IpAddr {
    IpAddr::from([10, 0, 0, if of == "lb2" { 12 } else { 13 }])
}

/// What a peer says of the VIP that is fit, hears our adverts and does not want it.
pub(in crate::node) fn state(role: Role, priority: i64) -> VipState {
    let priority = Some(Priority::new(priority).unwrap());
    VipState { vip: a(), role, priority, fit: true, wants: false, hears: true, why: String::new() }
}

/// lb1, which knows lb2 and lb3. Hellos go out every second.
pub(in crate::node) struct Company {
    pub(in crate::node) config: Config,
    pub(in crate::node) peering: Peering,
    others: BTreeMap<&'static str, Table>,
}

impl Company {
    pub(in crate::node) fn new(now: Instant) -> Self {
        let mut config = config(&toml(3, &[("a", &["lb1", "lb2", "lb3"])]));
        let interval = Duration::from_secs(1);
        config.peers = Some(PeersConfig { key_file: "/peers.key".into(), port: 5112, interval });
        let key = PeerKey::new([7; 32]);
        let loaded = Loaded { key: Some(key.clone()), ..loaded(config.clone(), rendered("", 1)) };
        let mut peering = Peering::new(name("lb1"), Incarnation(1));
        peering.configure(now, &loaded, &mut Outbox::default());
        let other = |(of, n)| (of, Table::new(key.clone(), name(of), Incarnation(n), interval, &config));
        let others = [("lb2", 2), ("lb3", 3)].into_iter().map(other).collect();
        Self { peering, others, config }
    }

    fn talking(&mut self) -> &mut Talking {
        self.peering.talking.as_mut().unwrap()
    }

    /// A hello of this node arrives there.
    pub(in crate::node) fn listens(&mut self, of: &str, at: Instant) {
        let hellos = self.talking().table.compose(at, &name(of), Vec::new());
        for bytes in hellos {
            let _outcome = self.others.get_mut(of).unwrap().receive(at, at, IpAddr::from([10, 0, 0, 11]), &bytes);
        }
    }

    /// What a peer says arrives; it proves itself first.
    pub(in crate::node) fn says(&mut self, of: &str, at: Instant, state: VipState) {
        for _ in 0..2 {
            let other = self.others.get_mut(of).unwrap();
            let mut out = Outbox::default();
            for bytes in other.compose(at, &name("lb1"), vec![Item::State(state.clone())]) {
                if self.peering.receive(at, at, ip(of), &bytes, &mut out).is_some() {
                    self.peering.note(at, &name(of), state);
                    return;
                }
            }
            for effect in out.into_effects() {
                let Effect::SendHello { bytes, .. } = effect else { continue };
                let _outcome = other.receive(at, at, IpAddr::from([10, 0, 0, 11]), &bytes);
            }
        }
        panic!("{of} is not believed");
    }
}

#[test]
fn the_successor_is_active_already_or_fit_and_of_the_highest_priority_then_address() {
    let t = t0();
    let unfit = |state: VipState| VipState { fit: false, ..state };
    let table = [
        (state(Role::Backup, 200), state(Role::Backup, 210), Some("lb3")),
        (state(Role::Backup, 220), state(Role::Backup, 210), Some("lb2")),
        (state(Role::Backup, 200), state(Role::Backup, 200), Some("lb3")),
        (state(Role::Active, 1), state(Role::Backup, 210), Some("lb2")),
        (state(Role::Backup, 200), unfit(state(Role::Active, 210)), Some("lb2")),
        (unfit(state(Role::Backup, 200)), unfit(state(Role::Backup, 210)), None),
    ];
    for (lb2, lb3, expect) in table {
        let mut company = Company::new(t);
        assert_eq!(company.peering.successor(t, a()), None);
        company.says("lb2", t, lb2);
        company.says("lb3", t, lb3);
        assert_eq!(company.peering.successor(t, a()).map(Name::as_str), expect);
        assert_eq!(company.peering.successor(t, VipId::of(&name("b"))), None);
    }
}

#[test]
fn what_a_peer_said_counts_for_three_hellos_and_a_bit() {
    let t = t0();
    let mut company = Company::new(t);
    company.says("lb2", t, state(Role::Backup, 200));
    for (after, known) in [(0, true), (3_500, true), (3_501, false)] {
        let now = t + ms(after);
        assert_eq!(company.peering.known(now, &name("lb2"), a()).is_some(), known, "{after}");
        assert_eq!(company.peering.fresh(now, a()).count(), usize::from(known), "{after}");
    }
    assert_eq!(company.peering.node_of(ip("lb3")), Some(&name("lb3")));
    assert_eq!(company.peering.node_of([10, 0, 0, 11].into()), None);
    assert_eq!(company.peering.addresses(&name("lb2")), [ip("lb2")]);
    assert!(company.peering.talks());
    let silent = Peering::new(name("lb1"), Incarnation(1));
    assert!(!silent.talks() && silent.addresses(&name("lb2")).is_empty() && silent.deadline().is_none());
}

#[test]
fn sockets_that_could_not_be_opened_are_tried_again_after_five_seconds() {
    let t = t0();
    let mut company = Company::new(t);
    let opens = |company: &mut Company, after| {
        let mut out = Outbox::default();
        let open = company.peering.settle_socket(t + ms(after), &mut out);
        (open, out.into_effects().len())
    };
    assert_eq!(company.peering.deadline(), None);
    assert_eq!((opens(&mut company, 0), opens(&mut company, 1)), ((false, 1), (false, 0)));
    company.peering.opened(t, Err("in use".to_owned()), &mut Outbox::default());
    assert_eq!(company.peering.trouble().as_deref(), Some("no hellos to other nodes: in use"));
    assert_eq!(company.peering.deadline().map(|(at, _)| at), Some(t + ms(5_000)));
    assert_eq!((opens(&mut company, 4_999), opens(&mut company, 5_000)), ((false, 0), (false, 1)));
    company.peering.opened(t + ms(6_000), Ok(()), &mut Outbox::default());
    assert_eq!(opens(&mut company, 6_000), (true, 0));
    assert_eq!((company.peering.trouble(), company.peering.deadline().unwrap().0), (None, t + ms(6_000)));
}

/// How many hellos say this to lb2, so many milliseconds after the start.
fn spoken(company: &mut Company, now: Instant, state: &VipState) -> usize {
    let mut out = Outbox::default();
    company.talking().speak(now, vec![(name("lb2"), vec![state.clone()])], &mut out);
    out.into_effects().len()
}

#[test]
fn news_are_said_at_once_and_five_milliseconds_apart_and_all_is_said_every_second() {
    let t = t0();
    let mut company = Company::new(t);
    company.peering.opened(t, Ok(()), &mut Outbox::default());
    let backup = |priority| state(Role::Backup, priority);
    let mut say = |after, priority| {
        let said = spoken(&mut company, t + ms(after), &backup(priority));
        let due = company.peering.deadline().map(|(at, _)| (at - t).as_millis());
        (said, company.talking().looks_at_all(t + ms(after)), due)
    };
    assert_eq!(say(0, 200), (1, true, Some(1_000)), "lb3 has heard nothing yet");
    assert_eq!(say(1, 200).0, 0);
    assert_eq!(say(2, 201).0, 1);
    assert_eq!(say(6, 202), (0, true, Some(7)), "held back");
    assert_eq!(say(7, 202), (1, true, Some(1_000)));
    assert_eq!(say(999, 202).0, 0);
    assert_eq!(say(1_000, 202), (1, true, Some(2_000)));
}

#[test]
fn who_waits_for_nothing_looks_at_no_vip_that_is_not_concerned() {
    let t = t0();
    let mut company = Company::new(t);
    company.peering.opened(t, Ok(()), &mut Outbox::default());
    let talking = company.talking();
    assert!(talking.looks_at_all(t));
    talking.links.values_mut().for_each(|link| link.everything = false);
    talking.regular_at = t + ms(1_000);
    assert!(!talking.looks_at_all(t + ms(999)) && talking.looks_at_all(t + ms(1_000)));
    talking.change_due = true;
    assert!(talking.looks_at_all(t));
    talking.change_due = false;
    talking.links.get_mut(&name("lb3")).unwrap().everything = true;
    assert!(talking.looks_at_all(t));
}

#[test]
fn what_was_asked_for_is_never_held_back() {
    let t = t0();
    let mut company = Company::new(t);
    company.peering.opened(t, Ok(()), &mut Outbox::default());
    let backup = state(Role::Backup, 200);
    spoken(&mut company, t, &backup);
    assert_eq!(spoken(&mut company, t + ms(1), &backup), 0);
    company.peering.answer(&name("lb2"), a());
    assert_eq!(spoken(&mut company, t + ms(1), &backup), 1);
    assert_eq!(spoken(&mut company, t + ms(1), &backup), 0, "once");
    company.peering.answer(&name("lb2"), VipId::of(&name("b")));
    assert_eq!(spoken(&mut company, t + ms(1), &backup), 0, "another VIP");
    // With something urgent news go along that would have had to wait.
    spoken(&mut company, t + ms(2), &state(Role::Backup, 201));
    assert_eq!(spoken(&mut company, t + ms(3), &backup), 0);
    company.talking().links.get_mut(&name("lb2")).unwrap().urgent.push(Item::Ask(a()));
    assert_eq!(spoken(&mut company, t + ms(3), &backup), 1);
    assert_eq!(spoken(&mut company, t + ms(9), &backup), 0, "it was said");
}

#[test]
fn what_is_wrong_with_the_key_is_told_once() {
    let t = t0();
    let mut company = Company::new(t);
    let mut told = Vec::new();
    for message in ["no such file", "no such file", "too short"] {
        let note = Some(LogLine { level: LogLevel::Warn, vip: None, message: message.to_owned() });
        let loaded = Loaded { key_note: note, ..loaded(company.config.clone(), rendered("", 1)) };
        let mut out = Outbox::default();
        company.peering.configure(t, &loaded, &mut out);
        told.push(out.into_effects().iter().filter(|e| matches!(e, Effect::Log(_))).count());
        assert_eq!(company.peering.trouble().as_deref(), Some(message));
        assert!(!company.peering.talks());
    }
    assert_eq!(told, [1, 0, 1]);
}
