use super::*;

fn nodes(priorities: &[i64]) -> BTreeMap<Name, Priority> {
    let name = |n: usize| Name::new(&format!("lb{}", n + 1)).unwrap();
    priorities.iter().enumerate().map(|(n, priority)| (name(n), Priority::new(*priority).unwrap())).collect()
}

fn share(weight: i32) -> Share {
    Share { weight, reverse: false, multiplied: false }
}

fn shown(priorities: &[i64], shares: &[Share]) -> Vec<String> {
    let one = |effect: Effect| match effect {
        Effect::Abstains => "abstains".to_owned(),
        Effect::Alone(text) => format!("alone: {text}"),
        Effect::Together(text) => format!("together: {text}"),
        Effect::Never { arithmetic, enough } => format!("never: {arithmetic}; enough: {enough:?}"),
    };
    judge(&nodes(priorities), shares).into_iter().map(one).collect()
}

#[test]
fn one_weight_moves_the_vip_or_not() {
    assert_eq!(shown(&[254, 253], &[share(-25)]), ["alone: 254 - 25 = 229 of lb1 < 253 of lb2"]);
    assert_eq!(shown(&[100, 80], &[share(-25)]), ["alone: 100 - 25 = 75 of lb1 < 80 of lb2"]);
    assert_eq!(
        shown(&[254, 200], &[share(-25)]),
        ["never: 254 - 25 = 229 of \"lb1\" is still above 200 of \"lb2\"; enough: Some(-55)"]
    );
    assert_eq!(
        shown(&[254, 1], &[share(-253)]),
        ["never: 254 - 253 = 1 of \"lb1\" is no lower than 1 of \"lb2\"; enough: None"]
    );
    assert_eq!(shown(&[254, 253], &[share(0)]), ["abstains"]);
}

#[test]
fn a_positive_weight_is_lost_when_the_tracker_fails() {
    assert_eq!(shown(&[100, 80], &[share(25)]), ["alone: 125 - 25 = 100 of lb1 < 105 of lb2"]);
    assert_eq!(
        shown(&[100, 80], &[share(20)]),
        ["never: 120 - 20 = 100 of \"lb1\" is no lower than 100 of \"lb2\"; enough: Some(21)"]
    );
}

#[test]
fn a_reversed_weight_counts_the_other_way() {
    let reversed = |weight| Share { weight, reverse: true, multiplied: false };
    // While all is well both have lost 25; where the tracker fails, they are back.
    assert_eq!(shown(&[100, 80], &[reversed(-25)]), ["alone: 55 + 25 = 80 of lb2 > 75 of lb1"]);
    assert_eq!(shown(&[100, 80], &[reversed(25)]), ["alone: 80 + 25 = 105 of lb2 > 100 of lb1"]);
}

#[test]
fn weights_may_need_each_other() {
    let both = shown(&[254, 253], &[share(-1), share(-1)]);
    let text = "254 - 1 = 253 of \"lb1\" is no lower than 253 of \"lb2\"; with the others 252 of lb1 < 253 of lb2";
    assert_eq!(both, [format!("together: {text}"), format!("together: {text}")]);
    // One that is too small stays so beside one that does it all: the sums are -1, -50 and -51.
    let uneven = shown(&[254, 253], &[share(-1), share(-50)]);
    assert!(uneven[0].starts_with("never: 254 - 1 = 253"), "{uneven:?}");
    assert_eq!(uneven[1], "alone: 254 - 50 = 204 of lb1 < 253 of lb2");
}

#[test]
fn an_owner_is_moved_by_nothing() {
    assert_eq!(shown(&[255, 100], &[share(-253)]), ["never: lb1 has 255 and owns the address; enough: None"]);
    assert_eq!(shown(&[255, 200, 190], &[share(-20)]), ["alone: 200 - 20 = 180 of lb2 < 190 of lb3"]);
}

#[test]
fn a_number_in_a_file_reaches_further_than_its_weight() {
    let number = |weight| Share { weight, reverse: false, multiplied: true };
    assert_eq!(shown(&[200, 100], &[number(1)]), ["alone: with -101 in the file: 200 - 101 = 99 of lb1 < 100 of lb2"]);
    assert_eq!(shown(&[200, 100], &[number(-50)]), ["alone: with 3 in the file: 200 - 150 = 50 of lb1 < 100 of lb2"]);
}

#[test]
fn bounds_can_make_an_order_disappear() {
    let priorities = nodes(&[254, 253]);
    let lost = order_lost(&priorities, &[share(20)]);
    assert_eq!(lost.map(|(a, b, sum)| (a.as_str(), b.as_str(), sum)), Some(("lb1", "lb2", 20)));
    assert_eq!(order_lost(&nodes(&[200, 100]), &[share(20)]), None);
    assert_eq!(order_lost(&nodes(&[100, 100]), &[share(20)]), None);
}

/// The proof against every state of every tracker on both nodes.
#[test]
fn the_proof_agrees_with_trying_everything() {
    let weights = [-60, -20, -1, 1, 15, 40];
    for high in [100, 120, 254] {
        for a in weights {
            for b in weights {
                let shares = [share(a), share(b)];
                let priorities = nodes(&[high, 100]);
                if order_lost(&priorities, &shares).is_some() {
                    continue;
                }
                let tried = tried(high, &shares);
                for (effect, tried) in judge(&priorities, &shares).iter().zip(tried) {
                    let says = !matches!(effect, Effect::Never { .. });
                    assert_eq!(says, tried, "{high} {a} {b}: {effect:?}");
                }
            }
        }
    }
}

/// For each entry: whether there is a state in which its change alone puts lb1 behind lb2, or the reverse at a tie.
fn tried(high: i64, shares: &[Share; 2]) -> [bool; 2] {
    let value = |base: i64, states: u8| {
        let sum =
            (0..2_u8).filter(|i| states & (1 << i) != 0).map(|i| i64::from(shares[usize::from(i)].weight)).sum::<i64>();
        (base + sum).clamp(1, 254)
    };
    let mut found = [false; 2];
    for state in 0..16_u8 {
        for entry in 0..2_u8 {
            for node in 0..2_u8 {
                let other = state ^ (1 << (entry + 2 * node));
                let lead = |state: u8| value(high, state & 3) - value(100, state >> 2);
                let moved = lead(state) >= 0 && lead(other) < 0;
                let moved_back = high == 100 && lead(state) <= 0 && lead(other) > 0;
                found[usize::from(entry)] |= moved || moved_back;
            }
        }
    }
    found
}
