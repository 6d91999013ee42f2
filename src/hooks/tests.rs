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

#[test]
fn hooks_of_a_group_get_keepalived_s_words() {
    let command = |name: &str| Some(HookCommand { argv: vec![name.to_owned(), "x".to_owned()] });
    let group = GroupConfig {
        name: Name::new("edge").unwrap(),
        vips: Vec::new(),
        hooks: HookCommands { master: command("/up"), any: command("/any"), ..HookCommands::default() },
    };
    let settings = HookSettings { user: None, group: None, timeout: Duration::from_secs(1) };
    let argv = |state| plan_group(&group, &settings, state).into_iter().map(|r| r.argv.join(" ")).collect::<Vec<_>>();
    assert_eq!(argv(HookState::Master), ["/up x", "/any x GROUP edge MASTER 0"]);
    assert_eq!(argv(HookState::Fault), ["/any x GROUP edge FAULT 0"]);
}
