use super::*;

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
