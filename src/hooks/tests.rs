use super::*;

fn run(n: usize) -> HookRun {
    HookRun {
        vip: "www".into(),
        hook: "notify",
        argv: vec![n.to_string()],
        user: None,
        group: None,
        timeout: Duration::from_secs(1),
    }
}

#[test]
fn hooks_run_one_after_another_in_order() {
    let mut queue = HookQueue::default();
    assert!(queue.push(vec![run(1), run(2)]).is_empty());
    assert_eq!(queue.start(OpId(1)), Some(run(1)));
    assert_eq!(queue.start(OpId(2)), None);
    assert_eq!(queue.finish(OpId(9)), None);
    assert_eq!(queue.finish(OpId(1)), Some(run(1)));
    assert_eq!(queue.start(OpId(3)), Some(run(2)));
    assert!(!queue.is_idle());
    assert_eq!(queue.finish(OpId(3)), Some(run(2)));
    assert!(queue.is_idle());
}

#[test]
fn a_full_queue_drops_the_oldest_and_says_so() {
    let mut queue = HookQueue::default();
    let dropped = queue.push((0..20).map(run).collect());
    assert_eq!(dropped, (0..4).map(run).collect::<Vec<_>>());
    assert_eq!(queue.start(OpId(1)), Some(run(4)));
}
