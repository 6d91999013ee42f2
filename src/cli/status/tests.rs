use std::collections::BTreeMap;

use expect_test::{Expect, expect};

use super::{exit, human};
use crate::cli::outcome::Exit;
use crate::config::Colour;
use crate::node::Status;
use crate::node::status::{
    ConfigStatus, Holder, PeerStatus, PeerVipStatus, ProxyStatus, ReloadStatus, TrackerStatus, TransitionStatus,
    VipStatus,
};

fn check(status: &Status, expected: &Expect) {
    expected.assert_eq(&human(status, Colour::None));
}

fn vip(name: &str, state: &str, holder: Option<Holder>) -> VipStatus {
    let addresses = vec!["192.168.83.111/24".to_owned()];
    VipStatus {
        name: name.to_owned(),
        vrid: 51,
        interface: "eth0".to_owned(),
        operator: None,
        installed: if state == "active" { addresses.clone() } else { Vec::new() },
        addresses,
        state: state.to_owned(),
        for_ms: 7_385_000,
        why: "heard no better router for 3.6 s".to_owned(),
        holder,
        priority: Some(254),
        base_priority: 254,
        weights: Vec::new(),
        transitions: Vec::new(),
        counters: BTreeMap::new(),
        dropped: BTreeMap::new(),
        group: None,
        routing: Vec::new(),
        speakers: Vec::new(),
        duplicates: Vec::new(),
        refused: Vec::new(),
        troubles: Vec::new(),
    }
}

fn holder(node: Option<&str>, address: &str, priority: u8) -> Option<Holder> {
    Some(Holder { node: node.map(str::to_owned), address: address.to_owned(), priority })
}

fn fine() -> Status {
    Status {
        node: "lb1".to_owned(),
        version: "0.1.0".to_owned(),
        pid: 4711,
        up_ms: 95_000_000,
        phase: "running".to_owned(),
        maintenance: false,
        config: ConfigStatus { digest: "00112233aabbccdd".to_owned(), loaded_ms_ago: 95_000_000, last_reload: None },
        proxy: ProxyStatus {
            engine: "haproxy".to_owned(),
            healthy: true,
            why: "answers, all frontends open".to_owned(),
            for_ms: 94_999_000,
            doing: "serving".to_owned(),
            master_pid: Some(4712),
            worker_pid: Some(4714),
            version: Some("2.6.12".to_owned()),
            generation: Some("0011223344556677".to_owned()),
            connections: Some((3, 8000)),
            accepted: Some(12_345),
            frontends: vec![("www".to_owned(), "OPEN".to_owned())],
            backends: vec![("web".to_owned(), "UP".to_owned())],
            starts: 1,
            installed_version: None,
            features: Vec::new(),
            old_workers: Vec::new(),
            old_workers_more: 0,
            intents: Vec::new(),
        },
        vips: vec![vip("www", "active", holder(Some("lb1"), "192.168.83.131", 254))],
        dropped: BTreeMap::new(),
        trackers: Vec::new(),
        peers: Vec::new(),
        peers_note: None,
    }
}

#[test]
fn a_healthy_holder_reads_at_a_glance() {
    let status = fine();
    assert_eq!(exit(&status), Exit::Fine);
    check(
        &status,
        &expect![[r#"
        lb1  running for 1 d 2 h, vipkeeper 0.1.0, pid 4711

        VIP  STATE   FOR        HELD BY          PRIORITY  ADDRESSES
        www  ACTIVE  2 h 3 min  lb1 (this node)  254       192.168.83.111/24 on eth0, vrid 51
          why: heard no better router for 3.6 s

        Proxy   HEALTHY for 1 d 2 h: answers, all frontends open
                serving, haproxy 2.6.12, master 4712, worker 4714, 3 of 8000 connections, started once
                frontends www OPEN
                backends  web UP

        Config  00112233aabbccdd in force for 1 d 2 h
                no reload since the start
    "#]],
    );
}

#[test]
fn peers_are_shown_with_what_is_odd() {
    let mut status = fine();
    let vip = |state: &str, priority, fit, why: &str| PeerVipStatus {
        name: "www".to_owned(),
        state: state.to_owned(),
        priority,
        fit,
        why: why.to_owned(),
    };
    let peer = |name: &str, heard_ms_ago, state: &str, same_config, vips| PeerStatus {
        name: name.to_owned(),
        address: "192.168.83.132".to_owned(),
        heard_ms_ago,
        state: state.to_owned(),
        same_config,
        vips,
        dropped: BTreeMap::new(),
    };
    status.peers = vec![
        peer("lb2", Some(350), "fresh", Some(false), vec![vip("backup", Some(253), true, "")]),
        peer("lb3", Some(93_000), "silent", Some(true), vec![vip("fault", None, false, "proxy failed: signal 9")]),
        PeerStatus {
            dropped: BTreeMap::from([("wrong-key".to_owned(), 17)]),
            ..peer("lb4", None, "proving", None, Vec::new())
        },
    ];
    status.vips[0].troubles = vec!["lb2 does not hear our adverts".to_owned()];
    check(
        &status,
        &expect![[r#"
        lb1  running for 1 d 2 h, vipkeeper 0.1.0, pid 4711

        VIP  STATE   FOR        HELD BY          PRIORITY  ADDRESSES
        www  ACTIVE  2 h 3 min  lb1 (this node)  254       192.168.83.111/24 on eth0, vrid 51
          why: heard no better router for 3.6 s
          lb2 does not hear our adverts

        Proxy   HEALTHY for 1 d 2 h: answers, all frontends open
                serving, haproxy 2.6.12, master 4712, worker 4714, 3 of 8000 connections, started once
                frontends www OPEN
                backends  web UP

        Config  00112233aabbccdd in force for 1 d 2 h
                no reload since the start

        Peers   lb2 (192.168.83.132) fresh, heard 350 ms ago, another configuration
                  www BACKUP, priority 253
                lb3 (192.168.83.132) silent, heard 1 min 33 s ago
                  www FAULT, unfit: proxy failed: signal 9
                lb4 (192.168.83.132) proving, never heard
                  dropped: wrong-key 17
    "#]],
    );
    status.peers.clear();
    status.peers_note = Some("there is no /etc/vipkeeper/peers.key".to_owned());
    assert!(human(&status, Colour::None).ends_with("\nPeers   there is no /etc/vipkeeper/peers.key\n"));
}

#[test]
fn a_failed_proxy_and_a_refused_reload_say_why() {
    let mut status = fine();
    status.proxy.healthy = false;
    status.proxy.why = "killed by signal 9".to_owned();
    status.proxy.for_ms = 350;
    status.proxy.doing = "waiting 800 ms to start again".to_owned();
    status.proxy.worker_pid = None;
    status.proxy.connections = None;
    status.proxy.frontends.clear();
    status.proxy.backends = vec![("web".to_owned(), "DOWN".to_owned())];
    status.proxy.starts = 3;
    status.config.last_reload = Some(ReloadStatus {
        ok: false,
        message: "error: unknown key `weigth`\n  --> vipkeeper.toml:31:5\n".to_owned(),
        ms_ago: 65_000,
        took_ms: 12,
    });
    let mut www = vip("www", "fault", holder(Some("lb2"), "192.168.83.132", 100));
    www.why = "the proxy has failed: killed by signal 9".to_owned();
    www.priority = None;
    let transition = |from: &str, to: &str, why: &str, ms_ago| TransitionStatus {
        from: from.to_owned(),
        to: to.to_owned(),
        why: why.to_owned(),
        ms_ago,
    };
    www.transitions = vec![
        transition("active", "fault", "the proxy has failed: killed by signal 9", 350),
        transition("backup", "active", "192.168.83.132 resigned", 90_000),
        transition("fault", "backup", "fit to take part", 100_000),
    ];
    www.installed = www.addresses.clone();
    www.dropped = BTreeMap::from([("bad checksum".to_owned(), 2), ("wrong TTL".to_owned(), 5)]);
    status.vips = vec![www];
    status.dropped = BTreeMap::from([("eth0".to_owned(), BTreeMap::from([("unknown vrid".to_owned(), 9)]))]);
    assert_eq!(exit(&status), Exit::Unhealthy);
    check(
        &status,
        &expect![[r#"
            lb1  running for 1 d 2 h, vipkeeper 0.1.0, pid 4711

            VIP  STATE  FOR        HELD BY                             PRIORITY             ADDRESSES
            www  FAULT  2 h 3 min  lb2 (192.168.83.132, priority 100)  abstains (base 254)  192.168.83.111/24 on eth0, vrid 51
              why: the proxy has failed: killed by signal 9
              before: BACKUP -> ACTIVE 1 min 30 s ago: 192.168.83.132 resigned
              still on eth0: 192.168.83.111/24

            Proxy   FAILED for 350 ms: killed by signal 9
                    waiting 800 ms to start again, haproxy 2.6.12, master 4712, started 3 times
                    backends  web DOWN

            Config  00112233aabbccdd in force for 1 d 2 h
                    last reload 1 min 5 s ago: refused, nothing changed (12 ms)
                    error: unknown key `weigth`
                      --> vipkeeper.toml:31:5

            Packets dropped
                    www: bad checksum 2, wrong TTL 5
                    eth0: unknown vrid 9
        "#]],
    );
}

#[test]
fn several_vips_are_aligned_and_weights_are_explained() {
    let mut status = fine();
    let mut mail = vip("mail-and-more", "backup", holder(None, "192.168.83.140", 200));
    mail.why = "192.168.83.140 advertises a higher priority".to_owned();
    mail.priority = Some(50);
    mail.base_priority = 100;
    mail.weights = vec![("backend web".to_owned(), -50)];
    status.vips.push(mail);
    let mut lost = vip("x", "active", None);
    lost.installed.clear();
    status.vips.push(lost);
    check(
        &status,
        &expect![[r#"
            lb1  running for 1 d 2 h, vipkeeper 0.1.0, pid 4711

            VIP            STATE   FOR        HELD BY                        PRIORITY                     ADDRESSES
            www            ACTIVE  2 h 3 min  lb1 (this node)                254                          192.168.83.111/24 on eth0, vrid 51
              why: heard no better router for 3.6 s
            mail-and-more  BACKUP  2 h 3 min  192.168.83.140 (priority 200)  50 = 100 - 50 (backend web)  192.168.83.111/24 on eth0, vrid 51
              why: 192.168.83.140 advertises a higher priority
            x              ACTIVE  2 h 3 min  nobody known                   254                          192.168.83.111/24 on eth0, vrid 51
              why: heard no better router for 3.6 s
              not yet on eth0: 192.168.83.111/24

            Proxy   HEALTHY for 1 d 2 h: answers, all frontends open
                    serving, haproxy 2.6.12, master 4712, worker 4714, 3 of 8000 connections, started once
                    frontends www OPEN
                    backends  web UP

            Config  00112233aabbccdd in force for 1 d 2 h
                    no reload since the start
        "#]],
    );
}

#[test]
fn colours_mark_the_state_and_nothing_else_changes() {
    let status = fine();
    let coloured = human(&status, Colour::Ansi);
    assert!(coloured.contains("\u{1b}[32mACTIVE\u{1b}[0m"), "{coloured}");
    let mut plain = String::new();
    let mut rest = coloured.as_str();
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').unwrap().1;
    }
    plain.push_str(rest);
    assert_eq!(plain, human(&status, Colour::None));
}

#[test]
fn what_trackers_do_is_told_and_summed_up() {
    let mut status = fine();
    let tracker = |name: &str, verdict: &str, why: &str, value| TrackerStatus {
        name: name.to_owned(),
        kind: format!("what {name} watches"),
        verdict: verdict.to_owned(),
        why: why.to_owned(),
        for_ms: 3_000,
        value,
    };
    status.trackers = vec![
        tracker("gw", "failed", "no answer from 192.0.2.1 within 1 s (3 times in a row)", None),
        tracker("uplink", "good", "", None),
        tracker("drain", "good", "is 3", Some(3)),
        tracker("new", "pending", "has not been looked at yet", None),
    ];
    status.vips[0].priority = Some(224);
    status.vips[0].weights = vec![("backend web is DOWN".to_owned(), -20), ("tracker drain is 3".to_owned(), -10)];
    let mut low = vip("low", "backup", None);
    (low.priority, low.base_priority) = (Some(1), 10);
    low.weights = vec![("tracker gw failed".to_owned(), -20), ("tracker uplink is good".to_owned(), 2)];
    status.vips.push(low);
    check(
        &status,
        &expect![[r#"
        lb1  running for 1 d 2 h, vipkeeper 0.1.0, pid 4711

        VIP  STATE   FOR        HELD BY          PRIORITY                                                                 ADDRESSES
        www  ACTIVE  2 h 3 min  lb1 (this node)  224 = 254 - 20 (backend web is DOWN) - 10 (tracker drain is 3)           192.168.83.111/24 on eth0, vrid 51
          why: heard no better router for 3.6 s
        low  BACKUP  2 h 3 min  nobody known     1 = 10 - 20 (tracker gw failed) + 2 (tracker uplink is good), held at 1  192.168.83.111/24 on eth0, vrid 51
          why: heard no better router for 3.6 s

        Proxy   HEALTHY for 1 d 2 h: answers, all frontends open
                serving, haproxy 2.6.12, master 4712, worker 4714, 3 of 8000 connections, started once
                frontends www OPEN
                backends  web UP

        Trackers  2 of 4 good
                gw FAILED for 3.0 s: no answer from 192.0.2.1 within 1 s (3 times in a row) (what gw watches)
                drain GOOD for 3.0 s: is 3 (what drain watches)
                new PENDING for 3.0 s: has not been looked at yet (what new watches)

        Config  00112233aabbccdd in force for 1 d 2 h
                no reload since the start
    "#]],
    );
}
