//! What status says of a VIP, to the instant.

use super::*;
use crate::node::tests::node;
use crate::units::Centis;
use crate::vrrp::packet::Claim;
use crate::vrrp::router::{Entitlement, RouterConfig};

fn claim(node: &mut Node, now: Instant) {
    let _steps = node.vips[0].router.entitle(now, Entitlement::Claim(Priority::new(254).unwrap()));
}

fn ms_of(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn a_backup_on_a_young_link_says_how_long_it_waits() {
    let (mut node, now) = node();
    claim(&mut node, now);
    node.vips[0].router.hold_for_link(now + ms_of(500));
    let said = |after| node.waiting(now + ms_of(after), &node.vips[0]);
    assert_eq!(said(499).as_deref(), Some("starting; the link is new: waits 1 ms more for a first frame"));
    assert_eq!(said(500), None);
}

#[test]
fn a_backup_that_may_not_preempt_yet_says_from_whom_it_waits_to_take_back() {
    let (mut node, now) = node();
    let vip = &mut node.vips[0];
    let preempt = crate::config::Preempt::After(ms_of(2_500));
    vip.router.configure(now, RouterConfig { preempt, ..*vip.router.config() });
    claim(&mut node, now);
    let weaker = Claim::Of(Priority::new(1).unwrap());
    for (source, who) in [([10, 0, 0, 12], "lb2"), ([10, 0, 0, 99], "10.0.0.99")] {
        let _steps = node.vips[0].router.hear(now, now, source.into(), weaker, Centis::SECOND);
        let said = |after| node.waiting(now + ms_of(after), &node.vips[0]);
        let expect =
            |left| Some(format!("waits until it has been fit for long enough to take back from {who} ({left} s left)"));
        assert_eq!((said(0), said(600), said(2_499), said(2_500)), (expect(3), expect(2), expect(1), None));
        let holder = node.holder(now, &node.vips[0]).unwrap();
        assert_eq!((holder.address, holder.priority), (std::net::IpAddr::from(source).to_string(), 1));
        assert_eq!(holder.node.as_deref(), (who == "lb2").then_some("lb2"));
    }
}

#[test]
fn a_stranger_is_a_trouble_for_a_minute_after_its_last_word() {
    let (mut node, now) = node();
    let mut vip = node.vips.remove(0);
    vip.refuse(&node.host(now), now, Some([10, 0, 0, 99].into()), Reject::Version, &mut Outbox::default());
    node.vips.push(vip);
    let troubles = |after| node.troubles(now + ms_of(after), &node.vips[0]).len();
    assert_eq!((troubles(0), troubles(60_000), troubles(60_001)), (1, 1, 0));
}
