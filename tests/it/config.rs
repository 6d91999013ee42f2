//! Configurations that load, what they mean, and how files come together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use vipkeeper::config::*;
use vipkeeper::units::{Centis, Name};

/// The smallest pair; the other tests break it in one way each.
pub(crate) const PAIR: &str = include_str!("../data/config/pair.toml");

pub(crate) fn source(path: &str, text: &str) -> Source {
    Source { path: PathBuf::from(path), text: text.to_owned() }
}

pub(crate) fn one(text: &str) -> Sources {
    Sources { files: vec![source("vipkeeper.toml", text)] }
}

/// `PAIR` with `from` replaced; a replacement that hits nothing would test nothing.
pub(crate) fn pair_with(from: &str, to: &str) -> String {
    assert!(PAIR.contains(from), "{from:?} is not in the pair");
    PAIR.replacen(from, to, 1)
}

pub(crate) fn loaded(sources: &Sources) -> Config {
    load(sources).unwrap_or_else(|problems| panic!("{}", problems.report(sources, Colour::None)))
}

fn name(text: &str) -> Name {
    Name::new(text).unwrap()
}

pub(crate) fn example_paths() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("config");
    let mut paths: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    paths.sort();
    paths
}

#[test]
fn every_example_loads_and_explains_itself() {
    let paths = example_paths();
    assert!(paths.len() >= 3, "{paths:?}");
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("# "), "{} does not say what it is for", path.display());
        let config = loaded(&Sources { files: vec![Source { path, text }] });
        assert!(config.nodes.len() == 2 && !config.vips.is_empty() && !config.frontends.is_empty());
    }
}

#[test]
fn the_feel_of_the_readme_loads_with_every_default() {
    let config = loaded(&one(PAIR));
    let vip = config.vip(&name("www")).unwrap();
    assert_eq!(vip.priorities[&name("lb1")].get(), 254);
    assert_eq!(vip.priorities[&name("lb2")].get(), 253);
    assert_eq!(vip.interfaces[&name("lb2")].as_str(), "eth0");
    assert_eq!(vip.advert_interval, Centis::SECOND);
    assert_eq!(vip.preempt, Preempt::After(Duration::ZERO));
    assert_eq!(vip.transport, Transport::Multicast([224, 0, 0, 18].into()));
    assert_eq!(vip.checksum, Checksum::PseudoHeader);
    let announce = Announce { repeat: 5, delay: Duration::from_secs(5), refresh: Duration::from_secs(60) };
    assert_eq!(vip.announce, announce);
    assert_eq!(vip.hooks, HookCommands::default());
    let quarter = Duration::from_millis(250);
    assert_eq!(config.proxy.health, HealthConfig { interval: quarter, timeout: quarter, rise: 2, fall: 2 });
    assert_eq!(config.proxy.on_stop, OnStop::Keep);
    assert_eq!(config.proxy.hard_stop_after, Duration::from_secs(600));
    assert_eq!(config.hooks.timeout, Duration::from_secs(30));
    let backend = &config.backends[0];
    assert_eq!((backend.mode, backend.balance.as_str(), &backend.check), (Mode::Http, "roundrobin", &None));
    assert_eq!((backend.servers[0].weight, backend.servers[0].backup), (1, false));
}

#[test]
fn an_absent_proxy_table_means_the_same_as_an_empty_one() {
    let without = loaded(&one(PAIR)).proxy;
    let with = loaded(&one(&format!("{PAIR}[proxy]\n"))).proxy;
    assert_eq!(without.origin, None);
    assert_eq!(ProxyConfig { origin: None, ..with }, without);
}

#[test]
fn a_single_node_needs_no_order() {
    let text = pair_with("[[node]]\nname = \"lb2\"\naddress = \"192.168.83.132\"\n", "");
    let config = loaded(&one(&text.replace("prefer = [\"lb1\", \"lb2\"]\n", "")));
    assert_eq!(config.vips[0].priorities.values().map(|p| p.get()).collect::<Vec<_>>(), [254]);
}

#[test]
fn a_node_may_stay_out_of_a_vip() {
    let third = "[[node]]\nname = \"lb3\"\naddress = \"192.168.83.133\"\n";
    let config = loaded(&one(&format!("{PAIR}{third}")));
    assert!(!config.vips[0].priorities.contains_key(&name("lb3")));
    assert!(!config.vips[0].interfaces.contains_key(&name("lb3")));
}

#[test]
fn hooks_of_a_vip_win_over_those_of_all() {
    let own = pair_with("vrid = 51", "vrid = 51\nnotify_master = \"/own\"");
    let config = loaded(&one(&format!("{own}[hooks]\nnotify_master = \"/all\"\nnotify = [\"/any\", \"a b\"]\n")));
    let hooks = &config.vips[0].hooks;
    assert_eq!(hooks.master.as_ref().unwrap().argv, ["/own"]);
    assert_eq!(hooks.any.as_ref().unwrap().argv, ["/any", "a b"]);
}

#[test]
fn a_backend_without_mode_takes_that_of_its_frontend() {
    let config = loaded(&one(&pair_with("default_backend", "mode = \"tcp\"\ndefault_backend")));
    assert_eq!(config.backends[0].mode, Mode::Tcp);
}

#[test]
fn an_address_bind_of_a_vip_is_marked_as_virtual() {
    let config = loaded(&one(&pair_with("\"www:80\"", "\"192.168.83.111:80\", \"127.0.0.1:80\", \"*:81\"")));
    let addresses: Vec<_> = config.frontends[0].binds.iter().flat_map(|bind| config.bind_addresses(bind)).collect();
    let shown: Vec<_> = addresses.iter().map(|(address, is_virtual)| format!("{address} {is_virtual}")).collect();
    assert_eq!(shown, ["192.168.83.111:80 true", "127.0.0.1:80 false", "0.0.0.0:81 false"]);
}

#[test]
fn origins_name_file_and_line() {
    let more = "\n\n[[frontend]]\nname = \"more\"\nbind = [\n  \"www:81\",\n]\ndefault_backend = \"web\"\n";
    let config = loaded(&Sources { files: vec![source("a.toml", PAIR), source("b.toml", more)] });
    assert_eq!(config.frontends[1].origin, Origin { file: 1, line: 3 });
    assert_eq!(config.frontends[1].binds[0].origin, Origin { file: 1, line: 6 });
}

#[test]
fn included_files_are_appended_in_order() {
    let (nodes, rest) = PAIR.split_at(PAIR.find("[[vip]]").unwrap());
    let main = format!("include = [\"conf.d/*.toml\"]\n{nodes}");
    assert_eq!(includes(&source("vipkeeper.toml", &main)).unwrap(), ["conf.d/*.toml"]);
    let config = loaded(&Sources { files: vec![source("vipkeeper.toml", &main), source("conf.d/www.toml", rest)] });
    assert_eq!(config.nodes.len(), 2);
    assert_eq!(config.vips[0].name, name("www"));
}

#[test]
fn includes_are_found_in_a_file_with_a_syntax_error() {
    let main = source("vipkeeper.toml", "include = [\"a.toml\", 3]\n[[node]\n");
    assert_eq!(includes(&main).unwrap(), ["a.toml"]);
}

#[test]
fn the_digest_follows_the_texts_and_their_borders_alone() {
    let digest = |texts: &[(&str, &str)]| {
        loaded(&Sources { files: texts.iter().map(|(path, text)| source(path, text)).collect() }).digest
    };
    let (head, tail) = PAIR.split_at(PAIR.find("[[vip]]").unwrap());
    let whole = digest(&[("a.toml", PAIR)]);
    assert_eq!(whole, digest(&[("/etc/other.toml", PAIR)]));
    assert_ne!(whole, digest(&[("a.toml", &format!("{PAIR}\n"))]));
    let split = digest(&[("a.toml", head), ("b.toml", tail)]);
    assert_ne!(whole, split);
    let moved = PAIR.split_at(PAIR.find("[[frontend]]").unwrap());
    assert_ne!(split, digest(&[("a.toml", moved.0), ("b.toml", moved.1)]));
}

#[test]
fn durations_are_read_in_every_unit() {
    for (text, millis) in [("250ms", 250), ("2s", 2_000), ("1m", 60_000)] {
        let config = loaded(&one(&format!("{PAIR}[proxy]\nhealth = {{ interval = \"{text}\", timeout = \"1ms\" }}\n")));
        assert_eq!(config.proxy.health.interval, Duration::from_millis(millis));
    }
}

#[test]
fn balance_takes_the_forms_of_haproxy_with_arguments() {
    for balance in ["hdr(X-User)", "uri whole", "random(3)", "hash src,ipmask(24)", "url_param id", "leastconn"] {
        let text = pair_with("name = \"web\"", &format!("name = \"web\"\nbalance = \"{balance}\""));
        assert_eq!(loaded(&one(&text)).backends[0].balance, balance);
    }
}

#[test]
fn weights_that_move_the_vip_together_are_accepted() {
    let tracked = "vrid = 51\ntrack = [{ backend = \"web\", weight = -1 }, { backend = \"two\", weight = -1 }]";
    let two = "[[backend]]\nname = \"two\"\nserver = [{ name = \"a\", address = \"192.0.2.9:80\" }]\n";
    let config = loaded(&one(&format!("{}{two}", pair_with("vrid = 51", tracked))));
    assert_eq!(config.vips[0].track.len(), 2);
}
