//! What operators want of servers: whose answer is whose, and how many may wait.

use super::*;

const A: (OpId, RequestId) = (OpId(1), RequestId(11));
const B: (OpId, RequestId) = (OpId(2), RequestId(12));

fn wishes() -> Wishes {
    let waiting = [A, B].map(|(op, request)| (op, request, format!("done {}", op.0))).to_vec();
    Wishes { waiting, again: Some(OpId(3)), ..Wishes::default() }
}

/// Who hears what.
type Heard = (RequestId, Result<String, String>);

/// Whether it was one of ours; the answers, and the number of log lines.
fn attended(wishes: &mut Wishes, op: u64, outcome: &Attended) -> (bool, Vec<Heard>, usize) {
    let mut out = Outbox::default();
    let ours = wishes.attended(OpId(op), outcome, &mut out);
    let (mut replies, mut lines) = (Vec::new(), 0);
    for effect in out.into_effects() {
        lines += usize::from(matches!(effect, Effect::Log(_)));
        if let Effect::Reply { request, result } = effect {
            replies.push((request, result));
        }
    }
    (ours, replies, lines)
}

#[test]
fn every_operator_hears_of_his_own_wish_once() {
    let mut wishes = wishes();
    let no = Attended::Failed("no".to_owned());
    assert_eq!(attended(&mut wishes, 9, &Attended::Commanded), (false, vec![], 0));
    let done = vec![(B.1, Ok("done 2".to_owned()))];
    assert_eq!(attended(&mut wishes, 2, &Attended::Commanded), (true, done, 0));
    assert_eq!(attended(&mut wishes, 2, &Attended::Commanded), (false, vec![], 0));
    let later = vec![(A.1, Err("done 1, from the next start on; not now: no".to_owned()))];
    assert_eq!(attended(&mut wishes, 1, &no), (true, later, 0));
}

#[test]
fn what_is_told_again_is_answered_to_nobody_and_a_failure_is_told() {
    let mut told = wishes();
    assert_eq!(attended(&mut told, 3, &Attended::Commanded), (true, vec![], 0));
    assert_eq!(attended(&mut told, 3, &Attended::Commanded), (false, vec![], 0));
    assert_eq!(attended(&mut wishes(), 3, &Attended::Failed("no".to_owned())), (true, vec![], 1));
}

#[test]
fn sixteen_operators_may_wait_for_haproxy() {
    for (waiting, told) in [(15, true), (16, false)] {
        let (mut node, now) = crate::node::tests::node();
        let wait = |n| (OpId(1_000 + n), RequestId(n), String::new());
        node.proxying.wishes.waiting = (0..waiting).map(wait).collect();
        let mut out = Outbox::default();
        node.wished(now, RequestId(99), "web/web1", Wish::Weight(Some(7)), &mut out);
        let effects = out.into_effects();
        let commands = effects.iter().filter(|e| matches!(e, Effect::Attend { .. })).count();
        assert_eq!(commands == 1, told, "{effects:?}");
        let refused = Err("16 operators wait for HAProxy already".to_owned());
        assert_eq!(effects.contains(&Effect::Reply { request: RequestId(99), result: refused }), !told);
    }
}
