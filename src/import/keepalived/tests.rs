use proptest::prelude::*;

use super::*;

fn no_include(_: &str, pattern: &str) -> Result<Vec<(String, String)>, String> {
    Err(format!("no file {pattern}"))
}

fn shown(tree: &[Directive]) -> String {
    let one = |d: &Directive| match &d.block {
        Some(block) => format!("{} {{ {} }}", d.words.join(" "), shown(block)),
        None => d.words.join(" "),
    };
    tree.iter().map(one).collect::<Vec<_>>().join("; ")
}

fn read(text: &str, id: &str) -> String {
    parse("k.conf", text, id, &no_include).map_or_else(|e| e.to_string(), |tree| shown(&tree))
}

#[test]
fn braces_may_stand_on_the_same_line_or_the_next() {
    assert_eq!(read("a {\n b c\n}\nd\n{\n e\n}\nf { g }", ""), "a { b c }; d { e }; f { g }");
}

#[test]
fn comments_begin_with_a_hash_or_a_bang_but_not_in_quotes() {
    assert_eq!(read("a b # c\n! d\ne \"f # g\" ! h", ""), "a b; e f # g");
}

#[test]
fn a_long_line_may_go_on() {
    assert_eq!(read("a b \\\n c", ""), "a b c");
}

#[test]
fn variables_hold_words_or_lines() {
    assert_eq!(read("$A=1\nx $A ${A}2", ""), "x 1 12");
    assert_eq!(read("$B=\\\n y 1 \\\n z 2\nq {\n $B\n}", ""), "q { y 1; z 2 }");
}

#[test]
fn variables_that_hold_each_other_are_an_error() {
    assert!(read("$A=$B\n$B=$A\nx $A", "").starts_with("k.conf:3:1: variables are put in more than"));
}

#[test]
fn lines_for_another_id_are_left_out() {
    let text = "@lb1 priority 150\n@lb2 priority 100\n@^lb1 nopreempt";
    assert_eq!(read(text, "lb1"), "priority 150");
    assert_eq!(read(text, "lb2"), "priority 100; nopreempt");
    assert_eq!(config_ids(text), ["lb1", "lb2"]);
}

#[test]
fn sequences_and_lists_repeat_their_line() {
    assert_eq!(read("~SEQ(N, 1, 3) 10.0.0.$N/24", ""), "10.0.0.1/24; 10.0.0.2/24; 10.0.0.3/24");
    assert_eq!(read("~LST(X, a, b) use $X", ""), "use a; use b");
    assert_eq!(read("~SEQ(N, 9, -4, 1) v$N", ""), "v9; v5; v1");
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    assert_eq!(read("a\n  }", ""), "k.conf:2:1: this } closes nothing: remove it");
    assert_eq!(read("a {", ""), "k.conf:1:1: a block is not closed: a } is missing");
    assert_eq!(read("a \"b", ""), "k.conf:1:3: the quote \" is not closed on this line");
    assert_eq!(read("include x.conf", ""), "k.conf:1:1: no file x.conf");
}

#[test]
fn files_that_include_themselves_are_an_error() {
    let again = |_: &str, _: &str| Ok(vec![("k.conf".to_owned(), "include k.conf".to_owned())]);
    assert!(parse("k.conf", "include k.conf", "", &again).is_err());
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "([a-z$@~{}\"'#!\\\\(),=^ \n]|SEQ|LST|[0-9]){0,200}") {
        drop(parse("k.conf", &text, "a", &no_include));
    }
}

#[test]
fn commands_are_split_at_white_space_outside_of_quotes() {
    let words = |text: &str| split(text).map(|words| words.join("|"));
    assert_eq!(words(r#"/a  "b c"d 'e "f"' "" \x41\101\n"#).as_deref(), Some("/a|b cd|e \"f\"||AA\n"));
    assert_eq!(words("a 'b"), None);
    assert_eq!(words("a \\"), None);
}
