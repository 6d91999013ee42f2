//! What is wanted, what is said of it, and what is forgotten.

use super::*;
use crate::config::{Source, Sources, load};

const TOML: &str = include_str!("../../../tests/data/config/pair.toml");

fn config(more: &str) -> Config {
    let text = format!(
        "{TOML}\n[[backend]]\nname = \"more\"\nserver = [{{ name = \"a\", address = \"192.0.2.1:80\", weight = 5, disabled = true }}{more}]\n"
    );
    load(&Sources { files: vec![Source { path: "v.toml".into(), text }] }).unwrap()
}

#[test]
fn a_wish_is_told_kept_and_taken_back() {
    let config = config("");
    let mut all = Intents::default();
    let at = Duration::from_secs;
    let wish = |all: &mut Intents, wish, secs| all.wish(&config, "more/a", wish, at(secs));
    assert_eq!(wish(&mut all, Wish::Weight(Some(7)), 1).unwrap(), "set server more/a weight 7");
    assert_eq!(wish(&mut all, Wish::State(AdminState::Drain), 2).unwrap(), "set server more/a state drain");
    assert_eq!(all.commands(), ["set server more/a state drain", "set server more/a weight 7"]);
    assert_eq!(Intents::parse(&all.text()), Ok(all.clone()));
    let (name, intent) = all.iter().next().unwrap();
    assert_eq!((name, intent.since), ("more/a", at(2)));
    // As the file says is nothing to be wanted.
    assert_eq!(wish(&mut all, Wish::Weight(None), 3).unwrap(), "set server more/a weight 5");
    assert_eq!(wish(&mut all, Wish::State(AdminState::Maint), 4).unwrap(), "set server more/a state maint");
    assert!(all.is_empty() && all.commands().is_empty());
    assert_eq!(wish(&mut all, Wish::State(AdminState::Ready), 5).unwrap(), "set server more/a state ready");
    assert_eq!(all.commands(), ["set server more/a state ready"], "against the file");
}

#[test]
fn who_is_not_there_is_named() {
    let config = config("");
    let mut all = Intents::default();
    let mut refused = |name: &str| all.wish(&config, name, Wish::Weight(Some(1)), Duration::ZERO).unwrap_err();
    assert_eq!(refused("a"), "\"a\" is not like \"backend/server\"");
    assert_eq!(refused("no/a"), "there is no backend \"no\"");
    assert_eq!(refused("more/b"), "backend more has no server \"b\"; it has a");
    assert!(all.is_empty());
}

#[test]
fn servers_that_leave_are_forgotten() {
    let with = config(", { name = \"b\", address = \"192.0.2.2:80\" }");
    let mut all = Intents::default();
    for name in ["more/a", "more/b"] {
        all.wish(&with, name, Wish::State(AdminState::Drain), Duration::ZERO).unwrap();
    }
    assert_eq!(all.prune(&with), Vec::<String>::new());
    assert_eq!(all.prune(&config("")), ["more/b"]);
    assert_eq!(all.commands(), ["set server more/a state drain"]);
}

#[test]
fn another_text_is_refused() {
    for text in ["", "{}", "{\"format\":2,\"servers\":{}}", "[]"] {
        assert!(Intents::parse(text).is_err(), "{text}");
    }
}
