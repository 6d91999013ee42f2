use super::*;
use crate::config::{self, Source, Sources};
use crate::render::{self, RenderInput};
use std::sync::Arc;

const PAIR: &str = r#"
[[node]]
name = "lb1"
address = "192.0.2.11"
[[node]]
name = "lb2"
address = "192.0.2.12"
[[vip]]
name = "www"
addresses = ["192.0.2.10/24"]
interface = "eth0"
vrid = 51
prefer = ["lb1", "lb2"]
track = [{ tracker = "gateway", weight = -20 }]
[[tracker]]
name = "gateway"
ping = "192.0.2.1"
[proxy]
engine = "haproxy"
[[frontend]]
name = "www"
bind = ["www:80"]
default_backend = "web"
[[backend]]
name = "web"
server = [{ name = "web1", address = "192.0.2.31:8080" }]
"#;

#[expect(clippy::disallowed_methods, reason = "a base for virtual time")]
fn base() -> Instant {
    Instant::now()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Company {
    Peers,
    Strangers,
}

/// Of nodes that know each other, or do not.
fn players(company: Company) -> Vec<Player> {
    let text = PAIR;
    let sources = Arc::new(Sources { files: vec![Source { path: "vipkeeper.toml".into(), text: text.to_owned() }] });
    let config = config::load(&sources).unwrap_or_else(|p| panic!("{}", p.report(&sources, config::Colour::None)));
    let config = Arc::new(config);
    let player = |node: &config::NodeConfig| {
        let input = RenderInput {
            config: &config,
            sources: &sources,
            node: &node.name,
            stats_socket: "/run/stats.sock".as_ref(),
            files_dir: "/var/lib/vipkeeper".as_ref(),
            template: None,
            reads: None,
        };
        let rendered = Arc::new(render::render(&input).unwrap());
        Player {
            name: node.name.clone(),
            loaded: Loaded { config: Arc::clone(&config), rendered, key: None, key_note: None },
            talks: company == Company::Peers,
        }
    };
    config.nodes.iter().map(player).collect()
}

fn played(company: Company, steps: &[&str]) -> Account {
    let players = players(company);
    let script = parse(&players[0].loaded.config, steps.iter().copied()).unwrap();
    play(&players, &Script::default(), &script, base(), Duration::ZERO).unwrap()
}

/// Milliseconds without service, rounded.
fn lost(seen: &Seen) -> u128 {
    (seen.without_service().as_micros() + 500) / 1000
}

#[test]
fn a_dead_proxy_moves_the_vip_at_once_where_nodes_know_each_other() {
    let account = played(Company::Peers, &["kill haproxy on lb1", "wait 1s"]);
    let [www] = &account.vips[..] else { panic!("{account:?}") };
    assert_eq!((&www.before[..], &www.after[..]), (&["lb1".to_owned()][..], &["lb2".to_owned()][..]));
    assert!((1..=5).contains(&lost(www)), "{www:?}");
}

#[test]
fn without_hellos_it_takes_the_skew_time_longer() {
    let account = played(Company::Strangers, &["kill haproxy on lb1", "wait 1s"]);
    assert!((10..=20).contains(&lost(&account.vips[0])), "{account:?}");
    assert_eq!(account.vips[0].after, ["lb2"]);
}

#[test]
fn a_host_that_loses_power_is_missed_after_three_adverts() {
    let account = played(Company::Strangers, &["crash lb1", "wait 10s", "boot lb1"]);
    let www = &account.vips[0];
    assert!((2_000..=3_100).contains(&lost(www)), "{www:?}");
    assert_eq!(www.after, ["lb1"], "it is taken back once it has proved itself");
    assert_eq!(www.outages.len(), 1, "and nobody notices: {www:?}");
}

#[test]
fn both_halves_of_a_cut_pair_have_the_vip_and_one_keeps_it() {
    let account = played(Company::Strangers, &["cut lb1 from lb2", "wait 10s", "heal"]);
    let www = &account.vips[0];
    assert!(www.shared_us > 5_000_000, "{www:?}");
    assert_eq!((&www.after[..], www.served), (&["lb1".to_owned()][..], true));
}

#[test]
fn a_tracker_with_enough_weight_moves_the_vip_and_mending_it_brings_it_back() {
    let account = played(Company::Strangers, &["fail gateway on lb1", "mend gateway"]);
    let moves: Vec<&str> =
        account.timeline.iter().map(|t| t.text.as_str()).filter(|t| t.contains("-> active")).collect();
    assert_eq!(moves.len(), 2, "{moves:?}");
    assert_eq!(account.vips[0].after, ["lb1"]);
}

#[test]
fn a_released_vip_stays_away_until_it_is_taken_part_in_again() {
    let account = played(Company::Strangers, &["release www on lb1", "wait 60s"]);
    assert_eq!(account.vips[0].after, ["lb2"]);
    let account = played(Company::Strangers, &["release www on lb1", "resume on lb1"]);
    assert_eq!(account.vips[0].after, ["lb1"]);
}

#[test]
fn nobody_serves_when_no_proxy_can_run() {
    let account = played(Company::Strangers, &["break haproxy on both"]);
    assert_eq!((&account.vips[0].after[..], account.vips[0].served), (&[][..], false));
    let account = played(Company::Strangers, &["break haproxy on both", "mend haproxy on lb2"]);
    assert_eq!((&account.vips[0].after[..], account.vips[0].served), (&["lb2".to_owned()][..], true));
}

#[test]
fn what_is_given_is_so_before_the_script_begins() {
    let players = players(Company::Strangers);
    let script = |step| parse(&players[0].loaded.config, [step]).unwrap();
    let account = play(&players, &script("crash lb1"), &script("kill haproxy on lb2"), base(), Duration::ZERO).unwrap();
    assert_eq!(account.vips[0].before, ["lb2"]);
    assert_eq!(account.timeline[0].text, "kill haproxy on lb2");
}

#[test]
fn the_same_script_is_played_the_same() {
    let steps = ["hang lb1 for 10s", "reboot both", "wait 60s", "unplug lb2", "plug lb2", "kill vipkeeper on lb1"];
    assert_eq!(played(Company::Strangers, &steps), played(Company::Strangers, &steps));
}

#[test]
fn steps_that_make_no_sense_are_refused_with_their_place() {
    let players = players(Company::Strangers);
    let config = &players[0].loaded.config;
    let refused = |steps: &[&str]| match parse(config, steps.iter().copied()) {
        Err(ScriptError::Step { number, why, .. }) => format!("{number}: {why}"),
        Err(other) => other.to_string(),
        Ok(script) => {
            let played = play(&players, &Script::default(), &script, base(), Duration::ZERO);
            played.map_or_else(|e| e.to_string(), |_| "played".to_owned())
        }
    };
    let table: [(&[&str], &str); 10] = [
        (&["explode"], "1: not understood"),
        (&["wait 1s", "kill haproxy on lb3"], "2: there is no node \"lb3\", only lb1, lb2"),
        (&["kill haproxy on"], "1: it does not say on which node"),
        (&["wait 1 s"], "1: not understood"),
        (&["wait soon"], "1: \"soon\" is no time; write it like 250ms, 5s or 2m"),
        (&["fail dns"], "1: there is no tracker and no backend \"dns\", only gateway, web"),
        (&["fail web lb1"], "1: \"lb1\" is not expected here; say \"on\" and a node"),
        (&["release ftp on lb1"], "1: there is no VIP \"ftp\", only www"),
        (&["boot lb1"], "step 1, \"boot lb1\": lb1 is on already"),
        (&["wait 90m"], "the script plays for longer than an hour; shorten its waits"),
    ];
    for (steps, expect) in table {
        assert_eq!(refused(steps), expect, "{steps:?}");
    }
    assert_eq!(refused(&["# nothing", "", "wait 1s # a while"]), "played");
    assert_eq!(refused(&["wait 1ms"; 201]), "a script has at most 200 steps");
}

#[test]
fn every_question_has_an_answer_and_a_pair_survives_every_single_fault() {
    let players = players(Company::Peers);
    let config = Arc::clone(&players[0].loaded.config);
    let all = questions(&config);
    assert_eq!(all.len(), 19);
    for question in all {
        let answer = ask(&players, &Script::default(), &question, base()).unwrap();
        let about_holder = question.node == Some(0);
        for fate in &answer.fates {
            assert!(fate.served, "{fate:?} {question:?}");
            assert!(fate.least_us <= fate.most_us);
        }
        let unnoticed = !about_holder && question.node.is_some() || question.text.contains("restarted");
        assert_eq!(answer.fates.is_empty(), unnoticed, "{answer:?}");
    }
}
