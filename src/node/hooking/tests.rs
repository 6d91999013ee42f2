use super::*;
use std::time::Duration;

#[test]
fn a_queue_without_hooks_is_not_kept() {
    let (mut hooking, mut ops, mut out) = (Hooking::default(), Ops::default(), Outbox::default());
    let of = |name: &str| Subject::Vip(Name::new(name).unwrap());
    let run = |hook: &'static str| HookRun {
        vip: "a".to_owned(),
        hook,
        argv: vec!["/hooks/any".to_owned()],
        user: None,
        group: None,
        timeout: Duration::from_secs(1),
    };
    assert!(hooking.push(of("a"), vec![run("notify")]).is_empty());
    hooking.push(of("b"), Vec::new());
    assert!(!hooking.is_idle());
    hooking.start(&mut ops, &mut out);
    hooking.tidy();
    assert_eq!(hooking.queues.len(), 1);
    let [Effect::RunHook { op, .. }] = out.into_effects()[..] else { panic!() };
    assert!(hooking.finish(OpId(9_999)).is_none());
    assert_eq!(hooking.finish(op).map(|(subject, _)| subject), Some(of("a")));
    hooking.tidy();
    assert!(hooking.is_idle() && hooking.queues.is_empty());
}
