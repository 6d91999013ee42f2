//! What dumps and answers say of addresses, and what follows.

use super::*;
use crate::node::tests::fixture::ms;
use crate::node::vip::tests::{Stage, active, vip};

fn logs(out: Outbox) -> Vec<String> {
    let line = |effect| if let Effect::Log(line) = effect { Some(line.message) } else { None };
    out.into_effects().into_iter().filter_map(line).collect()
}

fn seen(valid_secs: u32) -> Seen {
    Seen { ours: true, valid_secs: Some(valid_secs), as_wanted: true }
}

/// What a dump that shows this of every address makes of a VIP of which nothing is known.
fn inherited(shown: &[Option<Seen>]) -> Inheritance {
    let ((mut vip, now), stage) = (vip(), Stage::new());
    let first = vip.addresses[0].clone();
    vip.addresses = shown.iter().map(|_| first.clone()).collect();
    let next = std::cell::Cell::new(0);
    let here = |_: &Placed| shown[next.replace(next.get() + 1)];
    vip.observe(now, now, &stage.network, &here, &mut Outbox::default());
    vip.inheritance
}

#[test]
fn a_lease_tells_how_long_its_holder_can_have_been_silent() {
    let lease = {
        let (vip, _) = vip();
        lease(&vip.config).get()
    };
    let idle = |inheritance| {
        if let Inheritance::Leased { idle_at_most, .. } = inheritance { Some(idle_at_most) } else { None }
    };
    let secs = Duration::from_secs;
    // The kernel rounds down.
    assert_eq!(idle(inherited(&[Some(seen(lease))])), Some(secs(1)));
    assert_eq!(idle(inherited(&[Some(seen(lease - 2))])), Some(secs(3)));
    assert_eq!(idle(inherited(&[Some(seen(lease + 9))])), Some(secs(1)), "a longer one than ours");
    assert_eq!(idle(inherited(&[Some(seen(lease - 2)), Some(seen(lease - 1))])), Some(secs(2)), "the freshest one");
    for none in [None, Some(Seen { ours: false, ..seen(lease) }), Some(Seen { valid_secs: None, ..seen(lease) })] {
        assert_eq!(inherited(&[none]), Inheritance::Settled);
        assert_eq!(inherited(&[Some(seen(lease)), none]), Inheritance::Settled, "all or nothing");
    }
}

#[test]
fn an_address_that_is_missing_was_removed_by_somebody_unless_its_link_is_down() {
    for (up, holds, counts) in [(true, true, true), (false, true, false), (true, false, false)] {
        let (mut vip, mut stage, now) = active();
        stage.network.links[0].up = up;
        if !holds {
            let _steps = vip.router.relinquish(now, "test");
        }
        let mut out = Outbox::default();
        let later = now + ms(10);
        vip.observe(later, later, &stage.network, &|_| None, &mut out);
        let lines = logs(out);
        assert_eq!(vip.counters.get("addresses-restored").copied(), counts.then_some(1), "{up} {holds}");
        let line = "10.0.0.100/24 was removed by somebody else: putting it back";
        assert_eq!(lines, if counts { vec![line] } else { vec![] });
        assert!(!vip.addresses[0].lease.is_present());
    }
}

#[test]
fn an_address_that_is_here_in_another_way_is_misplaced_if_the_dump_is_young_enough() {
    let (mut vip, stage, now) = active();
    let other = |_: &Placed| Some(Seen { as_wanted: false, ..seen(3) });
    vip.observe(now, now, &stage.network, &other, &mut Outbox::default());
    assert!(!vip.addresses[0].misplaced, "the dump is as old as the last change");
    let later = now + ms(1);
    vip.observe(later, later, &stage.network, &other, &mut Outbox::default());
    assert!(vip.addresses[0].misplaced);
    vip.observe(later, later, &stage.network, &|_| Some(seen(3)), &mut Outbox::default());
    assert!(!vip.addresses[0].misplaced);
}

#[test]
fn an_address_that_cannot_be_installed_keeps_the_vip_away_and_one_that_cannot_be_removed_is_told() {
    let ((mut vip, now), refused) = (vip(), Err("no buffer space".to_owned()));
    vip.touched = false;
    let answer = |vip: &mut Vip, op, result: &Result<(), String>| {
        let mut out = Outbox::default();
        vip.answered(now, &Answers::from([(OpId(op), result.clone())]), &mut out);
        logs(out)
    };
    let _step = vip.addresses[0].lease.plan(now, Want::Present, OpId(1));
    assert_eq!((answer(&mut vip, 9, &refused).len(), vip.touched), (0, false), "another's");
    assert_eq!(answer(&mut vip, 1, &refused), ["cannot install 10.0.0.100/24: no buffer space"]);
    assert_eq!(
        (vip.refused(), vip.counters["addresses-refused"]),
        (Some("cannot install 10.0.0.100/24: no buffer space"), 1)
    );
    vip.forget(now + Duration::from_secs(5));
    let _step = vip.addresses[0].lease.plan(now + ms(200), Want::Present, OpId(2));
    assert!(answer(&mut vip, 2, &Ok(())).is_empty() && vip.arrived.len() == 1);
    let _step = vip.addresses[0].lease.plan(now, Want::Absent, OpId(3));
    assert_eq!(answer(&mut vip, 3, &refused), ["cannot remove 10.0.0.100/24: no buffer space"]);
    assert_eq!((vip.refused(), vip.counters["addresses-refused"]), (None, 1));
    let _step = vip.addresses[0].lease.plan(now + ms(200), Want::Absent, OpId(4));
    assert!(answer(&mut vip, 4, &Ok(())).is_empty());
}

#[test]
fn connections_are_reset_of_what_leaves_and_was_served_here() {
    let (mut vip, stage, now) = active();
    let reset = |vip: &mut Vip| {
        let mut out = Outbox::default();
        vip.act_on_addresses(&stage.host(now), Want::Absent, &mut crate::node::outbox::Ops::default(), &mut out);
        let resets = out.into_effects().iter().filter(|e| matches!(e, Effect::ResetConnections { .. })).count();
        (resets, vip.addresses[0].lease.is_leaving())
    };
    vip.config.on_release = crate::config::OnRelease::Reset;
    assert_eq!(reset(&mut vip), (0, true), "a predecessor's");
    let (mut served, ..) = active();
    served.config.on_release = crate::config::OnRelease::Reset;
    served.act_on_addresses(
        &stage.host(now),
        Want::Present,
        &mut crate::node::outbox::Ops::default(),
        &mut Outbox::default(),
    );
    assert_eq!(reset(&mut served), (1, true));
}
