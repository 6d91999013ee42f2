//! Configurations that load, what they mean, and how files come together.

use std::path::{Path, PathBuf};
use std::time::Duration;

use vipkeeper::config::*;
use vipkeeper::units::{AddressOptions, Centis, Name, Scope};

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
        assert!(config.nodes.len() >= 2 && !config.vips.is_empty() && !config.frontends.is_empty());
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
    assert_eq!(vip.preempt, Preempt::After(Duration::from_secs(10)));
    assert_eq!((vip.version, &vip.auth, vip.down_multiplier), (Version::V3, &Auth::None, 3));
    assert_eq!((vip.link_hold, vip.grace), (Duration::from_secs(3), Duration::from_secs(1)));
    assert_eq!((vip.on_release, vip.accept, vip.hardware), (OnRelease::Reset, Accept::Yes, Hardware::Interface));
    assert_eq!((&vip.routes, &vip.rules, &vip.track), (&Vec::new(), &Vec::new(), &Vec::new()));
    assert_eq!((&config.groups, &config.trackers), (&Vec::new(), &Vec::new()));
    let peers = config.peers.as_ref().unwrap();
    assert_eq!((peers.key_file.as_path(), peers.port), (Path::new("/etc/vipkeeper/peers.key"), 5112));
    assert_eq!(peers.interval, Duration::from_secs(1));
    assert_eq!(vip.transport, Transport::Multicast([224, 0, 0, 18].into()));
    assert_eq!(vip.checksum, Checksum::PseudoHeader);
    let announce = Announce { repeat: 5, delay: Duration::from_secs(5), refresh: Duration::from_secs(60) };
    assert_eq!(vip.announce, announce);
    assert_eq!(vip.hooks, HookCommands::default());
    let (interval, timeout) = (Duration::from_millis(150), Duration::from_millis(50));
    assert_eq!(config.proxy.health, HealthConfig { interval, timeout, rise: 2, fall: 2 });
    assert_eq!(config.proxy.on_stop, OnStop::Keep);
    assert_eq!(config.proxy.hard_stop_after, Duration::from_secs(600));
    assert_eq!(config.hooks.timeout, Duration::from_secs(30));
    let backend = &config.backends[0];
    assert_eq!((backend.mode, &backend.balance, &backend.check), (Mode::Http, &Balance::RoundRobin, &None));
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
    assert_eq!(config.peers, None);
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
        assert_eq!(loaded(&one(&text)).backends[0].balance.to_string(), balance);
    }
}

#[test]
fn weights_that_move_the_vip_together_are_accepted() {
    let tracked = "vrid = 51\ntrack = [{ backend = \"web\", weight = -1 }, { backend = \"two\", weight = -1 }]";
    let two = "[[backend]]\nname = \"two\"\nserver = [{ name = \"a\", address = \"192.0.2.9:80\" }]\n";
    let config = loaded(&one(&format!("{}{two}", pair_with("vrid = 51", tracked))));
    assert_eq!(config.vips[0].track.len(), 2);
}

fn every_key() -> Config {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/config/every-key.toml");
    let text = std::fs::read_to_string(path).unwrap();
    loaded(&Sources { files: vec![source("/etc/vipkeeper/vipkeeper.toml", &text)] })
}

#[test]
fn addresses_routes_and_rules_mean_what_they_say() {
    let config = every_key();
    let www = config.vip(&name("www")).unwrap();
    let shown: Vec<_> = www.addresses.iter().map(|a| (a.address.to_string(), a.advertised)).collect();
    let expected = [
        ("192.168.83.111/24", true),
        ("192.168.83.112/32", true),
        ("2001:db8:83::111/64", false),
        ("172.16.0.1/24", false),
    ];
    assert_eq!(shown, expected.map(|(address, advertised)| (address.to_owned(), advertised)));
    let options = AddressOptions { label: Some("eth0:www".to_owned()), scope: Scope::Link };
    assert_eq!(www.addresses[1].options, options);
    assert_eq!(www.addresses[2].interfaces[&name("lb2")].as_str(), "ens4");
    assert_eq!(www.routes[0].to.to_string(), "0.0.0.0/0");
    assert_eq!(www.routes[0].via, Some("192.168.83.1".parse().unwrap()));
    assert_eq!((www.routes[0].table, www.routes[0].metric), (Some(100), Some(50)));
    assert_eq!(www.routes[1].interface.as_ref().unwrap().as_str(), "eth1");
    let rule = &www.rules[0];
    assert_eq!(rule.from.unwrap().to_string(), "192.168.83.111/32");
    assert_eq!((rule.mark, rule.table, rule.preference), (Some(7), 100, 1000));
    let six = config.vip(&name("six")).unwrap();
    assert_eq!(six.transport, Transport::Multicast(Transport::GROUP_V6));
    assert!(six.priorities[&name("lb1")].is_owner());
    assert_eq!(config.nodes[1].second_address, Some("2001:db8:83::132".parse().unwrap()));
}

#[test]
fn a_default_route_is_of_the_family_of_its_gateway_or_its_vip() {
    for (route, expected) in [
        ("{ to = \"default\" }", "0.0.0.0/0"),
        ("{ to = \"default\", via = \"2001:db8::1\" }", "::/0"),
        ("{ to = \"default\", source = \"2001:db8::1\" }", "::/0"),
    ] {
        let config = loaded(&one(&pair_with("vrid = 51", &format!("vrid = 51\nroutes = [{route}]"))));
        assert_eq!(config.vips[0].routes[0].to.to_string(), expected, "{route}");
    }
}

#[test]
fn authentication_is_read() {
    let config = every_key();
    let Auth::Hmac(hmac) = &config.vip(&name("www")).unwrap().auth else { panic!("no hmac") };
    let bytes = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef].repeat(4);
    assert_eq!(hmac.keys, std::collections::BTreeMap::from([(1, bytes)]));
    assert_eq!((hmac.active, hmac.mode, hmac.window), (1, HmacMode::Permissive, Duration::from_secs(10)));
    let inside = config.vip(&name("inside")).unwrap();
    assert_eq!((inside.version, &inside.auth), (Version::V2, &Auth::Password(*b"secret12")));
    let short = pair_with("vrid = 51", "vrid = 51\nversion = 2\nauth = { password = \"abc\" }");
    assert_eq!(loaded(&one(&short)).vips[0].auth, Auth::Password(*b"abc\0\0\0\0\0"));
}

#[test]
fn every_kind_of_tracker_is_read() {
    let config = every_key();
    let second = Duration::from_secs(1);
    let kind = |tracker: &str| config.tracker(&name(tracker)).unwrap().kind.clone();
    let gateway = config.tracker(&name("gateway")).unwrap();
    assert_eq!(gateway.kind, TrackerKind::Ping { address: "192.168.83.1".parse().unwrap() });
    assert_eq!((gateway.interval, gateway.timeout), (2 * second, second / 2));
    assert_eq!((gateway.rise, gateway.fall), (3, 4));
    let dns = config.tracker(&name("dns")).unwrap();
    assert_eq!(dns.kind, TrackerKind::Tcp { address: "[2001:db8:83::53]:53".parse().unwrap() });
    assert_eq!((dns.interval, dns.timeout, dns.rise, dns.fall), (second, second, 2, 2));
    assert_eq!(kind("ready"), TrackerKind::Http { url: "http://127.0.0.1:9000/ready?deep=1".to_owned() });
    let argv = ["/usr/local/bin/uplink-is-fine", "-q"].map(str::to_owned).to_vec();
    assert_eq!(kind("program"), TrackerKind::Script { command: HookCommand { argv }, user: Some(name("nobody")) });
    assert_eq!(kind("maintenance"), TrackerKind::File { path: PathBuf::from("/run/maintenance") });
    let TrackerKind::Interface(interfaces) = kind("uplink") else { panic!("not an interface") };
    assert_eq!(interfaces[&name("lb2")].as_str(), "ens4");
    assert_eq!(kind("half-the-web"), TrackerKind::Backend { backend: name("web"), up_percent: 50 });
    assert_eq!(kind("full"), TrackerKind::Saturation { percent: 90 });
    assert_eq!(kind("waiting"), TrackerKind::Queue { backend: name("web"), requests: 100 });
    assert_eq!(kind("holds-inside"), TrackerKind::Vip { vip: name("inside") });
    // Made by `backend` in `track`.
    assert_eq!(kind("web"), TrackerKind::Backend { backend: name("web"), up_percent: 1 });
    let track = &config.vip(&name("www")).unwrap().track;
    let uplink = Track { tracker: name("uplink"), weight: 0, reverse: false };
    assert_eq!((track[0].tracker.as_str(), track[0].weight, &track[2]), ("web", -20, &uplink));
}

#[test]
fn groups_and_peers_are_read() {
    let config = every_key();
    let group = &config.groups[0];
    assert_eq!((group.name.as_str(), &group.vips), ("router", &vec![name("inside"), name("outside")]));
    assert_eq!(group.hooks.any.as_ref().unwrap().argv, ["/usr/local/bin/on-change"]);
    let peers = config.peers.as_ref().unwrap();
    assert_eq!((peers.key_file.as_path(), peers.port), (Path::new("/etc/vipkeeper/peers.key"), 5113));
    assert_eq!(loaded(&one(&format!("{PAIR}[peers]\nenabled = false\n"))).peers, None);
}

#[test]
fn a_vip_is_bound_with_all_addresses_but_link_local_ones() {
    let lines = "[\"192.168.83.111/24\"]\nexcluded = [\"2001:db8::1/64\", \"fe80::1/64\"]";
    let config = loaded(&one(&pair_with("[\"192.168.83.111/24\"]", lines)));
    let addresses = config.bind_addresses(&config.frontends[0].binds[0]);
    let shown: Vec<_> = addresses.iter().map(|(address, is_virtual)| format!("{address} {is_virtual}")).collect();
    assert_eq!(shown, ["192.168.83.111:80 true", "[2001:db8::1]:80 true"]);
}

#[test]
fn the_same_vrid_serves_both_families() {
    let six = "[[vip]]\nname = \"six\"\naddresses = [\"2001:db8::1/64\"]\ninterface = \"eth0\"\nvrid = 51\n\
               prefer = [\"lb1\", \"lb2\"]\n";
    let config = loaded(&one(&format!("{PAIR}{six}")));
    assert_eq!(config.vips[0].vrid, config.vips[1].vrid);
}

/// 1000 VIPs with 5000 addresses on four interfaces; each tracks four things.
#[test]
fn a_thousand_vips_load_in_reasonable_time() {
    let mut text = PAIR.split("[[vip]]").next().unwrap().to_owned();
    for tracker in 0..4 {
        text += &format!("[[tracker]]\nname = \"t{tracker}\"\nfile = \"/run/t{tracker}\"\n");
    }
    for n in 0..1000_usize {
        let addresses: Vec<_> = (0..5).map(|i| format!("\"10.{}.{}.{}/32\"", i, n / 250, n % 250 + 1)).collect();
        let interface = n / 250;
        text += &format!(
            "[[vip]]\nname = \"v{n}\"\naddresses = [{}]\ninterface = \"eth{interface}\"\nvrid = {}\nprefer = [\"lb1\", \"lb2\"]\n\
             track = [{{ tracker = \"t0\", weight = -1 }}, {{ tracker = \"t1\" }}, {{ backend = \"web\", weight = -1 }}, {{ backend = \"two\", weight = -1 }}]\n",
            addresses.join(", "),
            n % 250 + 1
        );
    }
    text += "[[frontend]]\nname = \"www\"\nbind = [\"v0:80\", \"v999:80\"]\ndefault_backend = \"web\"\n";
    for backend in ["web", "two"] {
        text +=
            &format!("[[backend]]\nname = \"{backend}\"\nserver = [{{ name = \"a\", address = \"192.0.2.9:80\" }}]\n");
    }
    let start = std::time::Instant::now();
    let config = loaded(&one(&text));
    assert_eq!(config.vips.iter().map(|vip| vip.addresses.len()).sum::<usize>(), 5000);
    // Less than a second when nothing else runs; a search through all of them for each would take minutes.
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
}
