use proptest::prelude::*;

use super::report::Fate;
use super::*;

fn no_include(_: &str, pattern: &str) -> Result<Vec<(String, String)>, String> {
    Err(format!("no file {pattern}"))
}

fn input(node: &str, text: &str) -> Input {
    Input { node: (!node.is_empty()).then(|| node.to_owned()), path: format!("{node}.conf"), text: text.to_owned() }
}

fn instance(priority: u8, weight: i32) -> String {
    format!(
        "vrrp_script chk {{\n script \"killall -0 haproxy\"\n weight {weight}\n}}\n\
         vrrp_instance VI_1 {{\n state BACKUP\n interface eth0\n virtual_router_id 51\n priority {priority}\n\
         unicast_src_ip 10.0.0.{priority}\n unicast_peer {{\n 10.0.0.9\n }}\n\
         virtual_ipaddress {{\n 10.0.0.200/24\n }}\n track_script {{\n chk\n }}\n}}\n"
    )
}

const HAPROXY: &str = "global\n maxconn 100\ndefaults\n mode http\n timeout connect 1s\nfrontend www\n bind 10.0.0.200:80\n mode http\n \
                       default_backend web\n http-request deny if FALSE\nbackend web\n balance roundrobin\n server a 10.0.0.50:80 check\n";

fn pair(weight: i32) -> Imported {
    let inputs = [input("lb1", &instance(101, weight)), input("lb2", &instance(100, weight))];
    import(&inputs, Some(("haproxy.cfg", HAPROXY)), &no_include).unwrap()
}

#[test]
fn a_pair_becomes_one_configuration_that_passes_the_check() {
    let imported = pair(-25);
    assert_eq!(imported.report.problems, Vec::<String>::new(), "{}", imported.toml);
    assert!(imported.toml.contains("priority = { \"lb1\" = 101, \"lb2\" = 100 }"), "{}", imported.toml);
    assert!(imported.toml.contains("bind = [\"VI_1:80\"]"), "{}", imported.toml);
}

#[test]
fn a_weight_that_never_moves_the_vip_is_a_trap() {
    let never = |imported: &Imported| imported.report.text().contains("never moves it");
    assert!(!never(&pair(-25)));
    assert!(never(&pair(-1)));
}

#[test]
fn a_file_with_both_ids_makes_two_nodes() {
    let text = "vrrp_instance V {\n interface eth0\n virtual_router_id 7\n@lb1 priority 150\n@lb2 priority 100\n virtual_ipaddress {\n 10.0.0.1/24\n }\n}\n";
    let imported = import(&[input("", text)], None, &no_include).unwrap();
    assert!(imported.toml.contains("priority = { \"lb1\" = 150, \"lb2\" = 100 }"), "{}", imported.toml);
    assert_eq!(imported.report.fill_in.len(), 3, "{}", imported.report.text());
}

#[test]
fn what_cannot_be_said_is_counted_as_dropped() {
    let imported =
        import(&[input("a", "virtual_server 10.0.0.1 80 {\n delay_loop 6\n}\n")], None, &no_include).unwrap();
    assert_eq!(imported.report.count(Fate::Dropped), 1);
}

#[test]
fn passwords_are_not_in_the_report() {
    let text = "vrrp_instance V {\n authentication {\n auth_type PASS\n auth_pass geheim\n }\n}\n";
    let imported = import(&[input("a", text)], None, &no_include).unwrap();
    assert!(imported.toml.contains("geheim") && !imported.report.text().contains("geheim"));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn any_instance_gives_a_result_or_an_error(
        lines in prop::collection::vec("(priority|interface|advert_int|virtual_ipaddress \\{|\\}|track_script \\{|notify|weight|state|authentication \\{|auth_pass)? ?[ -~é]{0,12}", 0..20)
    ) {
        let text = format!("vrrp_instance V {{\n{}\n}}\n", lines.join("\n"));
        drop(import(&[input("a", &text)], Some(("h", &text)), &no_include));
    }
}

fn script_of(lines: &str) -> String {
    let text = format!(
        "global_defs {{\n script_user watch ops\n}}\nvrrp_script chk {{\n {lines}\n}}\nvrrp_instance V {{\n \
         virtual_router_id 7\n virtual_ipaddress {{\n 10.0.0.1/24\n }}\n track_script {{\n chk\n }}\n}}\n"
    );
    let imported = import(&[input("a", &text)], None, &no_include).unwrap();
    format!("{}\n{}", imported.toml, imported.report.text())
}

#[test]
fn quotes_within_a_quoted_script_keep_words_together() {
    let all = script_of(r#"script "/usr/local/bin/check \"a b\" 'c d' e\\ f""#);
    assert!(all.contains(r#"script = ["/usr/local/bin/check", "a b", "c d", "e f"]"#), "{all}");
}

#[test]
fn a_script_without_quotes_is_told_to_run_its_first_word_alone() {
    let all = script_of("script /usr/local/bin/check -v web");
    assert!(all.contains(r#"script = ["/usr/local/bin/check", "-v", "web"]"#), "{all}");
    assert!(all.contains("trap: vrrp_script chk: script /usr/local/bin/check -v web: without quotes"), "{all}");
}

#[test]
fn the_user_of_scripts_is_that_of_hooks_and_a_script_may_have_its_own() {
    let all = script_of("script \"/usr/local/bin/check\"\n user nobody");
    assert!(all.contains("[hooks]\nuser = \"watch\"\ngroup = \"ops\"\n"), "{all}");
    assert!(all.contains("script = \"/usr/local/bin/check\"\nuser = \"nobody\"\n"), "{all}");
}

#[test]
fn a_connection_by_the_shell_is_a_tracker_of_its_own_kind() {
    let all = script_of("script \"</dev/tcp/127.0.0.1/8080\"");
    assert!(all.contains("tcp = \"127.0.0.1:8080\"\nrise = 1\nfall = 1\n"), "{all}");
}

#[test]
fn hooks_tell_users_from_arguments() {
    let hook = |line: &str| {
        let text = format!("vrrp_instance V {{\n {line}\n}}\n");
        let imported = import(&[input("a", &text)], None, &no_include).unwrap();
        format!("{}\n{}", imported.toml, imported.report.text())
    };
    let own = hook("notify_master \"/bin/hook 'a b'\" alice staff");
    assert!(own.contains("notify_master = [\"/bin/hook\", \"a b\"]"), "{own}");
    assert!(own.contains("[hooks]\nuser = \"alice\"\ngroup = \"staff\""), "{own}");
    let words = hook("notify_master /bin/hook MASTER");
    assert!(words.contains("notify_master = [\"/bin/hook\", \"MASTER\"]") && words.contains("trap: "), "{words}");
}

/// An instance of a node with further lines.
fn with(node: &str, priority: u8, lines: &str) -> Input {
    let text = format!(
        "vrrp_instance V {{\n interface eth0\n virtual_router_id 7\n priority {priority}\n version 3\n \
         virtual_ipaddress {{\n 10.0.0.9/24\n }}\n {lines}\n}}\n"
    );
    input(node, &text)
}

fn both(a: &str, b: &str) -> (String, String) {
    let imported = import(&[with("a", 110, a), with("b", 100, b)], None, &no_include).unwrap();
    assert_eq!(imported.report.problems, Vec::<String>::new(), "{}", imported.toml);
    (imported.toml, imported.report.text())
}

#[test]
fn announcements_are_keys_of_the_vip() {
    let lines = "garp_master_delay 3\n garp_master_repeat 2\n garp_master_refresh 90";
    let (toml, _) = both(lines, lines);
    for key in ["announce.delay = \"3s\"", "announce.repeat = 2", "announce.refresh = \"90s\""] {
        assert!(toml.contains(key), "{toml}");
    }
}

#[test]
fn routes_and_rules_become_tables_where_nothing_is_lost() {
    let lines = "virtual_routes {\n default via 10.0.0.1 metric 5\n blackhole 10.9.0.0/16\n 10.8.0.1/16 dev eth1\n }\n \
                 virtual_rules {\n from 10.0.0.9 fwmark 0x10 table 100\n iif eth0 table 7\n }";
    let (toml, report) = both(lines, lines);
    assert!(toml.contains("{ to = \"default\", via = \"10.0.0.1\", metric = 5 },"), "{toml}");
    assert!(toml.contains("{ from = \"10.0.0.9/32\", mark = 16, table = 100, preference = 16384 },"), "{toml}");
    assert!(report.contains("dropped: vrrp_instance V: blackhole 10.9.0.0/16"), "{report}");
    assert!(report.contains("10.8.0.1/16 is no network"), "{report}");
    assert!(report.contains("a rule of a VIP has nothing like iif"), "{report}");
}

#[test]
fn peers_tell_the_addresses_of_nodes_that_say_none() {
    let (toml, report) = both("unicast_peer {\n 10.0.0.2\n }", "unicast_peer {\n 10.0.0.1\n }");
    assert!(toml.contains("address = \"10.0.0.1\"") && toml.contains("address = \"10.0.0.2\""), "{toml}");
    assert!(!report.contains("fill in: address"), "{report}");
}

#[test]
fn a_node_that_is_no_peer_is_a_trap_and_so_is_a_peer_without_a_file() {
    let own = |own: &str, peer: &str| format!("unicast_src_ip {own}\n unicast_peer {{\n {peer}\n }}");
    let (_, report) = both(&own("10.0.0.1", "10.0.0.3"), &own("10.0.0.2", "10.0.0.1"));
    assert!(report.contains("trap: vrrp_instance V: unicast_peer: b is not in it"), "{report}");
    assert!(report.contains("10.0.0.3 is none of the nodes"), "{report}");
    let (_, report) = both(&own("10.0.0.1", "10.0.0.2"), &own("10.0.0.2", "10.0.0.1"));
    assert!(!report.contains("trap: vrrp_instance V: unicast_peer"), "{report}");
}

#[test]
fn what_nodes_do_not_have_alike_is_told() {
    let (toml, report) = both("nopreempt", "preempt_delay 5");
    assert!(report.contains("preempt is false on the node before and not written here"), "{report}");
    assert!(toml.contains("preempt = false") && !toml.contains("preempt_delay"), "{toml}");
    let (toml, report) = both("track_interface {\n eth1\n }", "track_interface {\n ens4\n }");
    assert!(toml.contains("interface = { \"a\" = \"eth1\", \"b\" = \"ens4\" }"), "{toml}");
    assert!(!report.contains("counts for all nodes"), "{report}");
}

#[test]
fn mail_is_told_of_only_where_keepalived_sends_it() {
    let mail = "global_defs {\n notification_email {\n ops@example.com\n }\n smtp_server 192.0.2.25 2525\n}\n";
    let of = |more: &str| {
        let lines = with("a", 100, more);
        let text = format!("{mail}{}", lines.text);
        import(&[Input { text, ..lines }], None, &no_include).unwrap()
    };
    let (with, without) = (of("smtp_alert"), of(""));
    assert!(with.toml.contains("server = \"192.0.2.25:2525\", tls = \"none\""), "{}", with.toml);
    assert_eq!(with.report.problems, Vec::<String>::new(), "{}", with.toml);
    assert!(!without.toml.contains("[[notify]]"), "{}", without.toml);
    assert!(without.report.text().contains("keepalived sends no mail of VRRP without smtp_alert"));
}
