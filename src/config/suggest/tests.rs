use super::{distance, nearest};

#[test]
fn distance_counts_insertions_deletions_substitutions_and_swaps() {
    let check = |a: &str, b: &str, expected: usize| {
        assert_eq!(distance(a, b), expected, "{a} {b}");
        assert_eq!(distance(b, a), expected, "{b} {a}");
    };
    check("", "", 0);
    check("vrid", "vrid", 0);
    check("", "vrid", 4);
    check("vird", "vrid", 1);
    check("adress", "address", 1);
    check("interfaces", "interface", 1);
    check("prefix", "prefer", 2);
    check("ca", "abc", 3);
}

#[test]
fn only_a_near_word_is_meant() {
    let words = ["name", "address", "mode"];
    assert_eq!(nearest("adress", words), Some("address"));
    assert_eq!(nearest("MODE", words), Some("mode"));
    assert_eq!(nearest("weight", words), None);
    assert_eq!(nearest("", words), None);
    assert_eq!(nearest("x", ["y"]), None);
    assert_eq!(nearest(&"x".repeat(1_000), words), None);
}
