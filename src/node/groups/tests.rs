use super::*;
use crate::config;
use crate::node::peering::tests::{Company, state};
use crate::node::tests::fixture::{config, name, t0, toml};
use crate::peer::VipId;
use crate::peer::message::VipState;
use crate::units::Priority;

/// lb2 should hold a, and lb1 b.
fn two() -> Config {
    config(&toml(2, &[("a", &["lb2", "lb1"]), ("b", &["lb1", "lb2"])]))
}

/// A group of these VIPs, and all VIPs of [`two`] on lb1.
fn pair(of_group: &[&str]) -> (Vec<Group>, Vec<Vip>) {
    let mut config = two();
    let vips = of_group.iter().map(|vip| name(vip)).collect();
    config.groups = vec![GroupConfig { name: name("edge"), vips, hooks: config::HookCommands::default() }];
    let me = name("lb1");
    let vip = |v| Vip::new(v, &config, &me, t0()).unwrap();
    let vips = config.vips.iter().map(vip).collect();
    (adopt(Vec::new(), &config), vips)
}

fn claim(priority: i64) -> Entitlement {
    Entitlement::Claim(Priority::new(priority).unwrap())
}

#[test]
fn a_group_has_one_verdict() {
    let no = |why: &str| Entitlement::Abstain(why.to_owned());
    let table = [
        (["a", "b"], [claim(1), claim(2)], [claim(253), claim(253)]),
        (["b", "a"], [claim(1), claim(2)], [claim(254), claim(254)]),
        (["a", "b"], [claim(1), no("no carrier")], [no("vip b of group edge: no carrier"), no("no carrier")]),
        (["a", "b"], [no("refused"), no("no carrier")], [no("refused"), no("no carrier")]),
        (["a", "gone"], [claim(1), claim(2)], [no("vip gone of group edge: this node takes no part in it"), claim(2)]),
    ];
    for (of_group, mut verdicts, expect) in table {
        let (groups, vips) = pair(&of_group);
        agree(&groups, &vips, &mut verdicts);
        assert_eq!(verdicts, expect, "{of_group:?}");
    }
}

#[test]
fn the_worst_weights_of_any_member_count_for_all() {
    let (groups, mut vips) = pair(&["a", "b"]);
    vips[0].judgement.weights = vec![("web is down".to_owned(), -10), ("queue".to_owned(), 5)];
    vips[1].judgement.weights = vec![("mail is down".to_owned(), -30)];
    let mut verdicts = [claim(1), claim(2)];
    agree(&groups, &vips, &mut verdicts);
    assert_eq!(verdicts, [claim(223), claim(223)]);
}

#[test]
fn a_group_is_told_the_worst_that_any_member_was_told_once_all_were() {
    use HookState::{Backup, Fault, Master, Stop};
    let table = [
        (vec![Some(Master), Some(Master)], Some(Master)),
        (vec![Some(Master), Some(Backup)], Some(Backup)),
        (vec![Some(Backup), Some(Fault)], Some(Fault)),
        (vec![Some(Fault), Some(Stop), Some(Master)], Some(Stop)),
        (vec![Some(Master), None], None),
        (vec![], None),
    ];
    for (told, expect) in table {
        assert_eq!(joint(&told), expect, "{told:?}");
    }
}

#[test]
fn a_vip_outside_the_group_decides_nothing_for_it() {
    let (groups, vips) = pair(&["a"]);
    let mut verdicts = [claim(1), Entitlement::Abstain("no carrier".to_owned())];
    agree(&groups, &vips, &mut verdicts);
    assert_eq!(verdicts, [claim(253), Entitlement::Abstain("no carrier".to_owned())]);
}

#[test]
fn a_group_that_a_reload_keeps_knows_what_it_was_and_one_with_other_vips_does_not() {
    let config = |of_groups: &[(&str, &[&str])]| {
        let mut config = two();
        let group = |(of, vips): &(&str, &[&str])| GroupConfig {
            name: name(of),
            vips: vips.iter().map(|vip| name(vip)).collect(),
            hooks: config::HookCommands::default(),
        };
        config.groups = of_groups.iter().map(group).collect();
        config
    };
    let mut known = adopt(Vec::new(), &config(&[("one", &["a"]), ("two", &["b"])]));
    assert!(known.iter().all(|group| group.held == Held::Unknown));
    (known[0].held, known[0].told) = (Held::All, Some(HookState::Master));
    (known[1].held, known[1].told) = (Held::None, Some(HookState::Backup));
    let adopted = adopt(known, &config(&[("three", &["a"]), ("two", &["b"]), ("one", &["a", "b"])]));
    let is: Vec<_> = adopted.iter().map(|g| (g.name().as_str(), g.held, g.told)).collect();
    let expect = [
        ("three", Held::Unknown, None),
        ("two", Held::None, Some(HookState::Backup)),
        ("one", Held::Unknown, Some(HookState::Master)),
    ];
    assert_eq!(is, expect);
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
fn a_group_that_is_torn_is_noticed() {
    let (groups, mut vips) = pair(&["a", "b"]);
    check(&groups, &vips).unwrap();
    let now = std::time::Instant::now();
    for torn in [true, false] {
        let vip = vips.iter_mut().find(|vip| vip.router.role() != Role::Active).unwrap();
        let priority = Priority::new(254).unwrap();
        let _steps = vip.router.entitle(now, Entitlement::Claim(priority));
        let _steps = vip.router.resume(now, priority, "test");
        assert_eq!(check(&groups, &vips).is_err(), torn);
    }
    // What is outside may be as it likes.
    let (groups, mut vips) = pair(&["a"]);
    let priority = Priority::new(254).unwrap();
    let _steps = vips[1].router.entitle(now, Entitlement::Claim(priority));
    let _steps = vips[1].router.resume(now, priority, "test");
    check(&groups, &vips).unwrap();
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
fn a_group_waits_for_the_youngest_link_of_its_members() {
    let (groups, mut vips) = pair(&["a", "b"]);
    let now = std::time::Instant::now();
    let me = name("lb1");
    let (network, peering) = (
        crate::node::event::Network::default(),
        crate::node::peering::Peering::new(me.clone(), crate::peer::Incarnation(1)),
    );
    let hooks = config::HookSettings { user: None, group: None, timeout: std::time::Duration::from_secs(1) };
    let (wall, proxy) = (std::time::Duration::ZERO, crate::proxy::health::Verdict::Healthy);
    let host = Host {
        now,
        wall,
        network: &network,
        hooks: &hooks,
        stopping: false,
        me: &me,
        peering: &peering,
        proxy: &proxy,
    };
    for vip in &mut vips {
        let _steps = vip.router.entitle(now, Entitlement::Claim(Priority::new(200).unwrap()));
    }
    let until = now + std::time::Duration::from_secs(60);
    let alone = vips[1].router.deadline();
    wait(&groups, &mut vips, &host);
    assert_eq!(vips[1].router.deadline(), alone);
    vips[0].router.hold_for_link(until);
    wait(&groups, &mut vips, &host);
    assert_eq!((vips[0].router.deadline(), vips[1].router.deadline()), (Some(until), Some(until)));
    vips[0].router.link_carries();
    wait(&groups, &mut vips, &host);
    assert_eq!(vips[1].router.deadline(), alone);
}

/// VIPs a and b of lb1 as one group, and peers.
struct Lab {
    groups: Vec<Group>,
    vips: Vec<Vip>,
    company: Company,
    network: crate::node::event::Network,
    now: std::time::Instant,
}

impl Lab {
    /// Those that are named are active; both are backups otherwise.
    #[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
    fn new(active: &[&str]) -> Self {
        let now = std::time::Instant::now();
        let company = Company::new(now);
        let mut config = company.config.clone();
        config.vips.push(config::VipConfig { name: name("b"), ..config.vips[0].clone() });
        let vips = config.vips.iter().map(|vip| vip.name.clone()).collect();
        config.groups = vec![GroupConfig { name: name("edge"), vips, hooks: config::HookCommands::default() }];
        let me = name("lb1");
        let vips: Vec<Vip> = config.vips.iter().filter_map(|vip| Vip::new(vip, &config, &me, now)).collect();
        let eth0 = crate::node::event::Link {
            index: 2,
            name: crate::units::IfName::new("eth0").unwrap(),
            up: true,
            mac: Some([2; 6]),
            alias: None,
            parent: None,
            arp: None,
        };
        let network = crate::node::event::Network { links: vec![eth0], addresses: Vec::new() };
        let mut lab = Self { groups: adopt(Vec::new(), &config), vips, company, network, now };
        for at in 0..2 {
            let active = active.contains(&lab.vips[at].config.name.as_str());
            lab.with(|_, vips, host, out| {
                let _steps = vips[at].router.entitle(host.now, Entitlement::Claim(Priority::new(200).unwrap()));
                if active {
                    vips[at].take_over(host, "it is wanted so", out);
                }
            });
        }
        lab
    }

    fn with(&mut self, what: impl FnOnce(&mut Vec<Group>, &mut Vec<Vip>, &Host<'_>, &mut Outbox)) {
        let (me, proxy) = (name("lb1"), crate::proxy::health::Verdict::Healthy);
        let (wall, stopping) = (std::time::Duration::ZERO, false);
        let hooks = config::HookSettings { user: None, group: None, timeout: std::time::Duration::from_secs(1) };
        let (now, network, peering) = (self.now, &self.network, &self.company.peering);
        let host = Host { now, wall, network, hooks: &hooks, stopping, me: &me, peering, proxy: &proxy };
        what(&mut self.groups, &mut self.vips, &host, &mut Outbox::default());
    }

    fn align(&mut self, held: Held) -> Vec<(Role, String)> {
        self.groups[0].held = held;
        self.with(|groups, vips, host, out| align(groups, vips, host, Pull::Up, out));
        self.vips.iter().map(|vip| (vip.router.role(), vip.why.clone())).collect()
    }
}

#[test]
fn what_turned_alone_takes_the_others_along_and_says_who_did() {
    let why = |vip: &str, why: &str| format!("vip {vip} of group edge: {why}");
    let mut lab = Lab::new(&["a"]);
    let is = lab.align(Held::None);
    assert_eq!(is[1], (Role::Active, why("a", "it is wanted so")));
    assert_eq!(lab.groups[0].held, Held::All);
    let mut lab = Lab::new(&["a"]);
    let is = lab.align(Held::All);
    assert_eq!(is[0], (Role::Backup, why("b", "starting")), "b let go");
    assert_eq!(lab.groups[0].held, Held::None);
    let mut lab = Lab::new(&["a"]);
    assert_eq!(lab.align(Held::Unknown)[1].0, Role::Backup, "nothing is known of them as a group");
    let mut lab = Lab::new(&[]);
    lab.align(Held::All);
    assert_eq!(lab.groups[0].held, Held::None);
    lab.vips.clear();
    lab.align(Held::All);
    assert_eq!(lab.groups[0].held, Held::None, "it takes part in none of them");
}

#[test]
fn what_was_offered_is_taken_back_together_or_not_at_all() {
    for (offered, back) in [(&["a", "b"][..], true), (&["a"], false), (&["b"], false)] {
        let mut lab = Lab::new(&["a", "b"]);
        let wanting = VipState { wants: true, ..state(Role::Backup, 210) };
        for vip in offered {
            let vip = VipId::of(&name(vip));
            lab.company.says("lb2", lab.now, VipState { vip, ..wanting.clone() });
        }
        lab.with(|groups, vips, host, out| {
            vips.iter_mut().for_each(|vip| vip.settle_handover(host, out));
            concede(groups, vips);
        });
        let may: Vec<bool> = lab.vips.iter().map(|vip| vip.handover.may_take_back()).collect();
        assert_eq!(may, [back, back], "{offered:?}");
    }
}
