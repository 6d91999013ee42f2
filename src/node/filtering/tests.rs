//! When the packet filter is put there, and what is told of one that cannot be.

use super::*;

const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(10, 0, 0, 100));

/// A filter whose kernel is the test.
struct Lab {
    filtering: Filtering,
    ops: Ops,
    now: Instant,
    /// Log lines of the last turn.
    logs: Vec<(LogLevel, String)>,
}

impl Lab {
    #[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
    fn new() -> Self {
        Self { filtering: Filtering::default(), ops: Ops::default(), now: Instant::now(), logs: Vec::new() }
    }

    /// What is asked for when that is wanted.
    fn want(&mut self, wanted: &[IpAddr]) -> Option<Vec<IpAddr>> {
        let mut out = Outbox::default();
        self.filtering.settle(self.now, wanted.iter().copied().collect(), &mut self.ops, &mut out);
        let asked = |effect| if let Effect::Filter { addresses, .. } = effect { Some(addresses) } else { None };
        out.into_effects().into_iter().find_map(asked)
    }

    /// Whether the answer to what was asked for is a failure that a VIP must count.
    fn answer(&mut self, result: Result<(), &str>) -> bool {
        let op = self.filtering.pending.unwrap();
        let mut out = Outbox::default();
        let failed = self.filtering.answered(self.now, op, result.map_err(str::to_owned), &mut out);
        let line = |effect| if let Effect::Log(line) = effect { Some((line.level, line.message)) } else { None };
        self.logs = out.into_effects().into_iter().filter_map(line).collect();
        failed
    }

    fn due_in(&self) -> Option<Duration> {
        self.filtering.deadline().map(|(at, _)| at - self.now)
    }
}

const TEN: Duration = Duration::from_secs(10);

#[test]
fn a_filter_is_put_there_at_once_and_again_every_ten_seconds() {
    let mut lab = Lab::new();
    assert_eq!(lab.want(&[]), Some(vec![]), "a predecessor may have left one");
    assert_eq!((lab.want(&[A]), lab.due_in()), (None, None), "one at a time");
    assert!(!lab.answer(Ok(())));
    assert_eq!((lab.want(&[]), lab.due_in()), (None, None));
    assert_eq!(lab.want(&[A]), Some(vec![A]));
    assert_eq!(lab.due_in(), None);
    assert!(!lab.answer(Ok(())));
    assert_eq!(lab.due_in(), Some(TEN));
    lab.now += TEN - Duration::from_nanos(1);
    assert_eq!(lab.want(&[A]), None);
    lab.now += Duration::from_nanos(1);
    assert_eq!(lab.want(&[A]), Some(vec![A]));
    // An answer to something else.
    let mut out = Outbox::default();
    assert!(!lab.filtering.answered(lab.now, OpId(9_999), Err("no".to_owned()), &mut out));
    assert!(lab.filtering.pending.is_some() && out.into_effects().is_empty());
    assert!(!lab.answer(Ok(())) && lab.logs.is_empty());
}

#[test]
fn a_filter_that_is_refused_is_told_once_and_tried_again() {
    let mut lab = Lab::new();
    lab.want(&[A]);
    assert!(lab.answer(Err("no nft")));
    let line = "cannot filter packets of VIPs that accept none: no nft";
    assert_eq!((&lab.logs[..], lab.due_in()), (&[(LogLevel::Warn, line.to_owned())][..], Some(TEN)));
    lab.now += TEN;
    lab.want(&[A]);
    assert!(lab.answer(Err("no nft")));
    assert_eq!((&lab.logs[..], lab.due_in(), lab.filtering.error.as_deref()), (&[][..], Some(TEN), Some("no nft")));
    lab.now += TEN;
    lab.want(&[A]);
    assert!(lab.answer(Err("no memory")));
    assert_eq!(lab.logs.len(), 1);
    lab.now += TEN;
    lab.want(&[A]);
    assert!(!lab.answer(Ok(())));
    assert_eq!(lab.logs, [(LogLevel::Info, "the packet filter is as wanted again".to_owned())]);
    assert_eq!(lab.filtering.error, None);
}

#[test]
fn a_filter_that_cannot_be_removed_is_told_although_no_vip_misses_it() {
    let mut lab = Lab::new();
    lab.want(&[A]);
    lab.answer(Ok(()));
    assert_eq!(lab.want(&[]), Some(vec![]));
    assert!(!lab.answer(Err("busy")));
    assert_eq!(lab.logs, [(LogLevel::Warn, "cannot remove the packet filter: busy".to_owned())]);
    assert_eq!(lab.due_in(), Some(TEN));
    lab.now += TEN;
    assert_eq!(lab.want(&[]), Some(vec![]));
    assert!(!lab.answer(Ok(())));
    assert_eq!(lab.due_in(), None);
}

#[test]
fn who_wants_no_filter_need_not_have_one() {
    let mut lab = Lab::new();
    lab.want(&[]);
    assert!(!lab.answer(Err("no nft")));
    let line = "cannot look for a packet filter of a predecessor: no nft";
    assert_eq!(lab.logs, [(LogLevel::Debug, line.to_owned())]);
    assert_eq!((lab.due_in(), lab.filtering.error.clone()), (None, None));
}

#[test]
fn who_leaves_at_once_takes_its_filter_along_if_there_is_one() {
    for (asked, leaves) in [(None, 0), (Some(BTreeSet::new()), 0), (Some(BTreeSet::from([A])), 1)] {
        let (mut node, _now) = crate::node::tests::node();
        node.filtering.asked = asked;
        let mut out = Outbox::default();
        node.leave_filter(&mut out);
        let empty = |e: &&Effect| matches!(e, Effect::Filter { addresses, .. } if addresses.is_empty());
        assert_eq!(out.into_effects().iter().filter(empty).count(), leaves);
    }
}
